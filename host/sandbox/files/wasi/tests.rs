//! Every function of `wasi:filesystem/types`, and every error code that it can
//! return, written from the text of the WIT. Here is the guest that calls them.

mod handles;
mod paths;

use super::super::account::MAX_DESCRIPTORS;
use super::super::{Archive, Mounts, Quota, Usage, Workspace};
use super::*;
use contract::limits::FileLimit;
use std::time::{Duration, UNIX_EPOCH};
use types::{Host, HostDescriptor, HostDirectoryEntryStream, NewTimestamp};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p2::StreamError;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

type Dir = Resource<Descriptor>;

const READ: DescriptorFlags = DescriptorFlags::READ;
const WRITE: DescriptorFlags = DescriptorFlags::WRITE;
const CREATE: OpenFlags = OpenFlags::CREATE;

/// A guest's side of the table.
struct Guest {
    ctx: FilesCtx,
    table: ResourceTable,
    workspace: Workspace,
    root: u32,
}

impl Guest {
    fn new() -> Self {
        Self::with_quota(Quota::default())
    }

    fn with_quota(quota: Quota) -> Self {
        let now = std::sync::Arc::new(|| UNIX_EPOCH + Duration::new(1_000, 5));
        let workspace = Workspace::with_clock(quota, now);
        let servers = Archive::new([
            ("demo/list.py", "def list(): ...".into()),
            ("demo/README.md", "demo".into()),
        ]);
        let mounts = Mounts::new(&workspace).read_only("/servers", servers.unwrap());
        let mut guest = Self {
            ctx: FilesCtx::with_mounts(mounts.unwrap()),
            table: ResourceTable::new(),
            workspace,
            root: 0,
        };
        let directories = preopens::Host::get_directories(&mut guest.view()).unwrap();
        let [(root, path)] = directories.try_into().expect("one preopened directory");
        assert_eq!(path, "/");
        guest.root = root.rep();
        guest
    }

    fn view(&mut self) -> FilesView<'_> {
        FilesView {
            ctx: &mut self.ctx,
            table: &mut self.table,
        }
    }

    fn root(&self) -> Dir {
        Resource::new_borrow(self.root)
    }

    /// Calls a function and takes its answer as the guest sees it.
    fn call<R>(
        &mut self,
        function: impl FnOnce(&mut FilesView<'_>) -> Answer<R>,
    ) -> Result<R, ErrorCode> {
        let mut view = self.view();
        function(&mut view).map_err(|failure| view.convert_error_code(failure).expect("no trap"))
    }

    fn open(
        &mut self,
        path: &str,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Dir, ErrorCode> {
        let root = self.root();
        self.open_from(&root, path, how, flags)
    }

    fn open_from(
        &mut self,
        base: &Dir,
        path: &str,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Dir, ErrorCode> {
        let base = again(base);
        self.call(|files| files.open_at(base, PathFlags::empty(), path.into(), how, flags))
    }

    /// A file of the workspace with these bytes, open for both.
    fn file(&mut self, name: &str, bytes: &[u8]) -> Dir {
        self.workspace.write_file(name, bytes).unwrap();
        self.open(
            &format!("workspace/{name}"),
            OpenFlags::empty(),
            READ | WRITE,
        )
        .unwrap()
    }

    fn directory(&mut self, path: &str) -> Dir {
        self.open(path, OpenFlags::DIRECTORY, READ).unwrap()
    }

    /// A function that takes a path, for each path and expected answer.
    #[track_caller]
    fn check<R: std::fmt::Debug + PartialEq>(
        &mut self,
        function: impl Fn(&mut FilesView<'_>, Dir, String) -> Answer<R>,
        cases: &[(&str, Result<R, ErrorCode>)],
    ) {
        for (path, expected) in cases {
            let root = self.root();
            let got = self.call(|files| function(files, root, (*path).to_owned()));
            assert_eq!(&got, expected, "{path:?}");
        }
    }

    fn read(&mut self, file: &Dir, length: u64, offset: u64) -> Result<(Vec<u8>, bool), ErrorCode> {
        let file = again(file);
        self.call(|files| files.read(file, length, offset))
    }

    fn write(&mut self, file: &Dir, bytes: &[u8], offset: u64) -> Result<u64, ErrorCode> {
        let file = again(file);
        self.call(|files| files.write(file, bytes.to_vec(), offset))
    }

    fn close(&mut self, descriptor: Dir) {
        HostDescriptor::drop(&mut self.view(), descriptor).unwrap();
    }
}

fn again(descriptor: &Dir) -> Dir {
    Resource::new_own(descriptor.rep())
}

fn text((bytes, end): (Vec<u8>, bool)) -> (String, bool) {
    (String::from_utf8(bytes).unwrap(), end)
}
