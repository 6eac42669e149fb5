//! A program's side of the files without a program: what the fuzz target `files`
//! calls in its place. Each function is one of `wasi:filesystem`.

use super::bindings::wasi::filesystem::preopens::Host as _;
use super::bindings::wasi::filesystem::types::{
    DescriptorFlags, DescriptorType, ErrorCode, Host as _, HostDescriptor, OpenFlags, PathFlags,
};
use super::codes::Answer;
use super::descriptor::Descriptor;
use super::{FilesCtx, FilesView, Workspace};
use wasmtime::component::{Resource, ResourceTable};

/// The files of a session as one program sees them.
pub struct Guest {
    ctx: FilesCtx,
    table: ResourceTable,
    root: u32,
}

/// How a path is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// As `open-flags` have it.
    pub create: bool,
    /// As `open-flags` have it.
    pub exclusive: bool,
    /// As `open-flags` have it.
    pub truncate: bool,
    /// As `open-flags` have it.
    pub directory: bool,
    /// As `descriptor-flags` have it.
    pub read: bool,
    /// As `descriptor-flags` have it.
    pub write: bool,
}

/// What is known of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Bytes of a file.
    pub size: u64,
}

/// The name of an error code.
pub type Refused = String;

impl Guest {
    /// With `/workspace` and `/tmp`.
    pub fn new(workspace: &Workspace) -> Self {
        let mut guest = Self {
            ctx: FilesCtx::new(workspace),
            table: ResourceTable::new(),
            root: 0,
        };
        let directories = guest.view().get_directories();
        let mut directories = directories.expect("there is room for one");
        guest.root = directories.pop().expect("there is one").0.rep();
        guest
    }

    fn view(&mut self) -> FilesView<'_> {
        FilesView {
            ctx: &mut self.ctx,
            table: &mut self.table,
        }
    }

    fn call<R>(
        &mut self,
        function: impl FnOnce(&mut FilesView<'_>, Resource<Descriptor>) -> Answer<R>,
    ) -> Result<R, Refused> {
        let root = Resource::new_own(self.root);
        let mut view = self.view();
        function(&mut view, root).map_err(|failure| {
            let code = view.convert_error_code(failure);
            let code: ErrorCode = code.expect("whoever keeps the rules is not stopped");
            format!("{code:?}")
        })
    }

    /// Opens a path; the handle.
    ///
    /// # Errors
    ///
    /// As WASI has them; so have all functions here.
    pub fn open(&mut self, path: &str, how: How) -> Result<u32, Refused> {
        let mut flags = DescriptorFlags::empty();
        for (is_set, flag) in [
            (how.read, DescriptorFlags::READ),
            (how.write, DescriptorFlags::WRITE),
        ] {
            flags |= if is_set {
                flag
            } else {
                DescriptorFlags::empty()
            };
        }
        let mut open = OpenFlags::empty();
        for (is_set, flag) in [
            (how.create, OpenFlags::CREATE),
            (how.exclusive, OpenFlags::EXCLUSIVE),
            (how.truncate, OpenFlags::TRUNCATE),
            (how.directory, OpenFlags::DIRECTORY),
        ] {
            open |= if is_set { flag } else { OpenFlags::empty() };
        }
        let opened = self
            .call(|files, root| files.open_at(root, PathFlags::empty(), path.into(), open, flags));
        Ok(opened?.rep())
    }

    /// Closes a handle.
    pub fn close(&mut self, handle: u32) {
        let handle = Resource::new_own(handle);
        let closed = HostDescriptor::drop(&mut self.view(), handle);
        closed.expect("it was open");
    }

    /// What is read, and whether it is all.
    pub fn read(
        &mut self,
        handle: u32,
        length: u64,
        offset: u64,
    ) -> Result<(Vec<u8>, bool), Refused> {
        self.call(|files, _| files.read(Resource::new_own(handle), length, offset))
    }

    /// How much was written.
    pub fn write(&mut self, handle: u32, bytes: &[u8], offset: u64) -> Result<u64, Refused> {
        self.call(|files, _| files.write(Resource::new_own(handle), bytes.to_vec(), offset))
    }

    /// Cuts or extends.
    pub fn set_size(&mut self, handle: u32, size: u64) -> Result<(), Refused> {
        self.call(|files, _| files.set_size(Resource::new_own(handle), size))
    }

    /// What is known of an open file.
    pub fn stat(&mut self, handle: u32) -> Result<Known, Refused> {
        let stat = self.call(|files, _| files.stat(Resource::new_own(handle)))?;
        Ok(known(stat.type_, stat.size))
    }

    /// What is known of a path.
    pub fn stat_at(&mut self, path: &str) -> Result<Known, Refused> {
        let stat = self.call(|files, root| files.stat_at(root, PathFlags::empty(), path.into()))?;
        Ok(known(stat.type_, stat.size))
    }

    /// Makes a directory.
    pub fn create_directory(&mut self, path: &str) -> Result<(), Refused> {
        self.call(|files, root| files.create_directory_at(root, path.into()))
    }

    /// Removes an empty directory.
    pub fn remove_directory(&mut self, path: &str) -> Result<(), Refused> {
        self.call(|files, root| files.remove_directory_at(root, path.into()))
    }

    /// Removes a file.
    pub fn remove_file(&mut self, path: &str) -> Result<(), Refused> {
        self.call(|files, root| files.unlink_file_at(root, path.into()))
    }

    /// Renames.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Refused> {
        self.call(|files, root| {
            let again = Resource::new_own(root.rep());
            files.rename_at(root, from.into(), again, to.into())
        })
    }

    /// Makes a link, symbolic or not: nobody can.
    pub fn link(&mut self, from: &str, to: &str, is_symbolic: bool) -> Result<(), Refused> {
        self.call(|files, root| {
            if is_symbolic {
                return files.symlink_at(root, from.into(), to.into());
            }
            let again = Resource::new_own(root.rep());
            files.link_at(root, PathFlags::empty(), from.into(), again, to.into())
        })
    }

    /// The names in an open directory.
    pub fn list(&mut self, handle: u32) -> Result<Vec<String>, Refused> {
        let listed =
            self.call(|files, _| files.list_after(Resource::new_own(handle), None, usize::MAX))?;
        Ok(listed
            .into_iter()
            .map(|entry| entry.name.to_string())
            .collect())
    }

    /// How many handles there are.
    pub fn open_handles(&self) -> usize {
        self.ctx.open()
    }
}

fn known(kind: DescriptorType, size: u64) -> Known {
    Known {
        is_directory: kind == DescriptorType::Directory,
        size,
    }
}
