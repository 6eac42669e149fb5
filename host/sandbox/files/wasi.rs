//! `wasi:filesystem` for guests: the functions of the WIT, in its order, each
//! no more than a translation between its types and ours.
//!
//! Guests choose every number and text that arrives here. Lengths are clamped
//! before anything is allocated, times are checked, paths go to the one
//! resolver, and what is refused is refused with a code, never with a trap.

use super::bindings::wasi::filesystem::preopens;
use super::bindings::wasi::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use super::codes::{Answer, Failure, identity, new_time};
use super::descriptor::{Descriptor, Listing, Mode};
use super::error::Error;
use super::mount::{Location, Target};
use super::path::Name;
use super::stream::{FileInput, FileOutput, MAX_TRANSFER};
use super::volume::{Kind, Opening, Position};
use super::{FilesCtx, FilesView, Preopens};
use std::sync::Arc;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

impl preopens::Host for FilesView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let FilesCtx {
            mounts,
            account,
            preopens,
        } = &*self.ctx;
        let directories = match preopens {
            Preopens::Root => Ok(vec![("/".to_owned(), mounts.root())]),
            Preopens::Directories => mounts.directories(),
        };
        let opened = directories.and_then(|directories| {
            let open = |(path, directory)| {
                let descriptor = Descriptor::preopened(mounts, directory, account)?;
                Ok((descriptor, path))
            };
            directories.into_iter().map(open).collect()
        });
        let opened: Vec<_> = opened.unwrap_or_else(|error| {
            // The function has no error; without descriptors, no directories.
            account.note(error);
            Vec::new()
        });
        let mut given = Vec::new();
        for (descriptor, path) in opened {
            given.push((self.table.push(descriptor)?, path));
        }
        Ok(given)
    }
}

impl types::Host for FilesView<'_> {
    fn convert_error_code(&mut self, failure: Failure) -> wasmtime::Result<ErrorCode> {
        match failure {
            Failure::Refused(error) => {
                self.ctx.account.note(error);
                Ok(error.into())
            }
            Failure::Trap(error) => Err(error),
        }
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error.downcast_ref::<Error>().map(|&error| error.into()))
    }
}

impl types::HostDescriptor for FilesView<'_> {
    fn read_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: u64,
    ) -> Answer<Resource<DynInputStream>> {
        let stream = FileInput::new(self.table.get(&descriptor)?, offset)?;
        let stream: DynInputStream = Box::new(stream);
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: u64,
    ) -> Answer<Resource<DynOutputStream>> {
        self.output(descriptor, Position::At(offset))
    }

    fn append_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
    ) -> Answer<Resource<DynOutputStream>> {
        self.output(descriptor, Position::End)
    }

    fn advise(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: u64,
        length: u64,
        _advice: Advice,
    ) -> Answer<()> {
        if self.table.get(&descriptor)?.kind() == Kind::Directory {
            return Err(Error::BadDescriptor.into());
        }
        offset.checked_add(length).ok_or(Error::Invalid)?;
        Ok(())
    }

    fn sync_data(&mut self, descriptor: Resource<Descriptor>) -> Answer<()> {
        let descriptor = self.table.get(&descriptor)?;
        Ok(descriptor.volume().sync(descriptor.location().node)?)
    }

    fn get_flags(&mut self, descriptor: Resource<Descriptor>) -> Answer<DescriptorFlags> {
        let descriptor = self.table.get(&descriptor)?;
        let mode = descriptor.mode();
        let directory = descriptor.kind() == Kind::Directory;
        let flags = [
            (mode.read || directory, DescriptorFlags::READ),
            (mode.write, DescriptorFlags::WRITE),
            (mode.file_sync, DescriptorFlags::FILE_INTEGRITY_SYNC),
            (mode.data_sync, DescriptorFlags::DATA_INTEGRITY_SYNC),
            (mode.read_sync, DescriptorFlags::REQUESTED_WRITE_SYNC),
            (
                directory && descriptor.mutable(),
                DescriptorFlags::MUTATE_DIRECTORY,
            ),
        ];
        let set = flags.into_iter().filter(|&(set, _)| set);
        Ok(set.fold(DescriptorFlags::empty(), |flags, (_, flag)| flags | flag))
    }

    fn get_type(&mut self, descriptor: Resource<Descriptor>) -> Answer<DescriptorType> {
        Ok(self.table.get(&descriptor)?.kind().into())
    }

    fn set_size(&mut self, descriptor: Resource<Descriptor>, size: u64) -> Answer<()> {
        let handle = self.table.get(&descriptor)?.writable()?;
        Ok(handle.volume().resize(handle.location().node, size)?)
    }

    fn set_times(
        &mut self,
        descriptor: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Answer<()> {
        let descriptor = self.table.get(&descriptor)?;
        let (accessed, modified) = (new_time(accessed)?, new_time(modified)?);
        let node = descriptor.location().node;
        Ok(descriptor.volume().set_times(node, accessed, modified)?)
    }

    fn read(
        &mut self,
        descriptor: Resource<Descriptor>,
        length: u64,
        offset: u64,
    ) -> Answer<(Vec<u8>, bool)> {
        let handle = self.table.get(&descriptor)?.readable()?;
        let (volume, node) = (handle.volume(), handle.location().node);
        let length = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(MAX_TRANSFER);
        let bytes = volume.read(node, offset, length)?;
        let reached = offset.saturating_add(bytes.len() as u64);
        let end = reached >= volume.status(node)?.size;
        Ok((bytes.into(), end))
    }

    fn write(
        &mut self,
        descriptor: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: u64,
    ) -> Answer<u64> {
        let handle = self.table.get(&descriptor)?.writable()?;
        let node = handle.location().node;
        let written = handle.volume().write(node, Position::At(offset), &bytes)?;
        Ok(written as u64)
    }

    fn read_directory(&mut self, descriptor: Resource<Descriptor>) -> Answer<Resource<Listing>> {
        let listing = self.table.get(&descriptor)?.list()?;
        Ok(self.table.push(listing)?)
    }

    fn sync(&mut self, descriptor: Resource<Descriptor>) -> Answer<()> {
        self.sync_data(descriptor)
    }

    fn create_directory_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> Answer<()> {
        let descriptor = self.table.get(&descriptor)?;
        let mounts = descriptor.mounts();
        match descriptor.target(&path)? {
            Target::Name { parent, name, .. } => {
                let parent = mounts.made(parent)?;
                Ok(mounts.volume(parent).create_directory(parent.node, name)?)
            }
            Target::Fixed(location) if mounts.is_unmade(location) => {
                Ok(mounts.made(location).map(drop)?)
            }
            Target::Fixed(_) => Err(Error::Exist.into()),
        }
    }

    fn stat(&mut self, descriptor: Resource<Descriptor>) -> Answer<DescriptorStat> {
        let descriptor = self.table.get(&descriptor)?;
        let status = descriptor.volume().status(descriptor.location().node)?;
        Ok(status.into())
    }

    fn stat_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
    ) -> Answer<DescriptorStat> {
        let descriptor = self.table.get(&descriptor)?;
        let location = descriptor.find(&path)?;
        let volume = descriptor.mounts().volume(location);
        Ok(volume.status(location.node)?.into())
    }

    fn set_times_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Answer<()> {
        let descriptor = self.table.get(&descriptor)?;
        let (accessed, modified) = (new_time(accessed)?, new_time(modified)?);
        let location = descriptor.find(&path)?;
        let volume = descriptor.mounts().volume(location);
        Ok(volume.set_times(location.node, accessed, modified)?)
    }

    fn link_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _flags: PathFlags,
        old_path: String,
        new_descriptor: Resource<Descriptor>,
        new_path: String,
    ) -> Answer<()> {
        let old = self.table.get(&descriptor)?;
        let new = self.table.get(&new_descriptor)?;
        let location = old.find(&old_path)?;
        let status = old.mounts().volume(location).status(location.node)?;
        if status.kind != Kind::File {
            return Err(Error::NotPermitted.into());
        }
        new.refuse_link(&new_path)
    }

    fn open_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> Answer<Resource<Descriptor>> {
        let descriptor = self.table.get(&descriptor)?;
        if flags.contains(DescriptorFlags::MUTATE_DIRECTORY) && !descriptor.mutable() {
            return Err(Error::ReadOnly.into());
        }
        let how = Opening {
            create: how.contains(OpenFlags::CREATE),
            exclusive: how.contains(OpenFlags::EXCLUSIVE),
            truncate: how.contains(OpenFlags::TRUNCATE),
            directory: how.contains(OpenFlags::DIRECTORY),
            write: flags.contains(DescriptorFlags::WRITE),
        };
        let mode = Mode {
            read: flags.contains(DescriptorFlags::READ),
            write: flags.contains(DescriptorFlags::WRITE),
            file_sync: flags.contains(DescriptorFlags::FILE_INTEGRITY_SYNC),
            data_sync: flags.contains(DescriptorFlags::DATA_INTEGRITY_SYNC),
            read_sync: flags.contains(DescriptorFlags::REQUESTED_WRITE_SYNC),
        };
        let opened = descriptor.open_at(&path, how, mode)?;
        Ok(self.table.push(opened)?)
    }

    fn readlink_at(&mut self, descriptor: Resource<Descriptor>, path: String) -> Answer<String> {
        self.table.get(&descriptor)?.find(&path)?;
        // It exists, and nothing here is a link.
        Err(Error::Invalid.into())
    }

    fn remove_directory_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        path: String,
    ) -> Answer<()> {
        let descriptor = self.table.get(&descriptor)?;
        match descriptor.target(&path)? {
            Target::Name { parent, name, .. } => {
                let volume = descriptor.mounts().volume(parent);
                Ok(volume.remove_directory(parent.node, name)?)
            }
            Target::Fixed(location) => Err(descriptor.refuse_removal(location).into()),
        }
    }

    fn rename_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        old_path: String,
        new_descriptor: Resource<Descriptor>,
        new_path: String,
    ) -> Answer<()> {
        let old = self.table.get(&descriptor)?;
        let new = self.table.get(&new_descriptor)?;
        let from = match old.target(&old_path)? {
            Target::Name {
                parent,
                name,
                directory,
            } => (parent, name, directory),
            Target::Fixed(location) => return Err(old.refuse_removal(location).into()),
        };
        let to = match new.target(&new_path)? {
            Target::Name {
                parent,
                name,
                directory,
            } => (parent, name, directory),
            Target::Fixed(location) => return Err(new.refuse_removal(location).into()),
        };
        // What does not exist is said not to exist, wherever it goes.
        old.mounts().volume(from.0).lookup(from.0.node, from.1)?;
        let to = (new.mounts().made(to.0)?, to.1, to.2);
        if from.0.volume != to.0.volume {
            return Err(Error::CrossDevice.into());
        }
        let volume = old.mounts().volume(from.0);
        if from.2 || to.2 {
            let node = volume.lookup(from.0.node, from.1)?;
            if volume.status(node)?.kind != Kind::Directory {
                return Err(Error::NotDirectory.into());
            }
        }
        Ok(volume.rename((from.0.node, from.1), (to.0.node, to.1))?)
    }

    fn symlink_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        old_path: String,
        new_path: String,
    ) -> Answer<()> {
        let descriptor = self.table.get(&descriptor)?;
        if old_path.starts_with('/') {
            return Err(Error::NotPermitted.into());
        }
        descriptor.refuse_link(&new_path)
    }

    fn unlink_file_at(&mut self, descriptor: Resource<Descriptor>, path: String) -> Answer<()> {
        let descriptor = self.table.get(&descriptor)?;
        match descriptor.target(&path)? {
            Target::Name {
                parent,
                name,
                directory,
            } => {
                let volume = descriptor.mounts().volume(parent);
                if directory {
                    let node = volume.lookup(parent.node, name)?;
                    return Err(match volume.status(node)?.kind {
                        Kind::Directory => Error::IsDirectory.into(),
                        Kind::File => Error::NotDirectory.into(),
                    });
                }
                Ok(volume.remove_file(parent.node, name)?)
            }
            Target::Fixed(_) => Err(Error::IsDirectory.into()),
        }
    }

    fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        let one = self.table.get(&one)?.location();
        let other = self.table.get(&other)?.location();
        Ok(one == other)
    }

    fn metadata_hash(&mut self, descriptor: Resource<Descriptor>) -> Answer<MetadataHashValue> {
        Ok(identity(self.table.get(&descriptor)?.location()))
    }

    fn metadata_hash_at(
        &mut self,
        descriptor: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
    ) -> Answer<MetadataHashValue> {
        Ok(identity(self.table.get(&descriptor)?.find(&path)?))
    }

    fn drop(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(descriptor)?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for FilesView<'_> {
    fn read_directory_entry(
        &mut self,
        listing: Resource<Listing>,
    ) -> Answer<Option<DirectoryEntry>> {
        let entry = self.table.get_mut(&listing)?.next()?;
        Ok(entry.map(|entry| DirectoryEntry {
            type_: entry.kind.into(),
            name: entry.name.as_ref().to_owned(),
        }))
    }

    fn drop(&mut self, listing: Resource<Listing>) -> wasmtime::Result<()> {
        self.table.delete(listing)?;
        Ok(())
    }
}

/// An entry of a directory, for who lists by name.
pub(crate) struct Listed {
    pub(crate) name: Arc<str>,
    pub(crate) kind: DescriptorType,
    /// As in the metadata hash of the entry.
    pub(crate) inode: u64,
}

impl FilesView<'_> {
    /// Up to `limit` entries of a directory in the order of their names, from the
    /// first one after `after`.
    pub(crate) fn list_after(
        &mut self,
        descriptor: Resource<Descriptor>,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Vec<Listed>> {
        let descriptor = self.table.get(&descriptor)?;
        let directory = descriptor.mounts().present(descriptor.directory()?);
        let volume = descriptor.mounts().volume(directory);
        let entries = volume.entries(directory.node, after, limit)?;
        let mut listed = Vec::new();
        for entry in entries {
            let node = volume.lookup(directory.node, Name::new(&entry.name)?);
            let location = Location {
                node: match node {
                    // Removed meanwhile.
                    Err(Error::NoEntry) => continue,
                    node => node?,
                },
                ..directory
            };
            listed.push(Listed {
                name: entry.name,
                kind: entry.kind.into(),
                inode: identity(location).lower,
            });
        }
        Ok(listed)
    }

    /// An answer in the form that guests expect, with the limit noted that made
    /// it a refusal.
    pub(crate) fn answered<T>(
        &mut self,
        answer: Answer<T>,
    ) -> wasmtime::Result<Result<T, ErrorCode>> {
        match answer {
            Ok(done) => Ok(Ok(done)),
            Err(failure) => Ok(Err(types::Host::convert_error_code(self, failure)?)),
        }
    }

    fn output(
        &mut self,
        descriptor: Resource<Descriptor>,
        position: Position,
    ) -> Answer<Resource<DynOutputStream>> {
        let stream = FileOutput::new(self.table.get(&descriptor)?, position)?;
        let stream: DynOutputStream = Box::new(stream);
        Ok(self.table.push(stream)?)
    }
}

impl Descriptor {
    /// The part that has to be brought up to date before a path is looked at,
    /// or without one, before this directory is listed.
    pub(super) fn part(&self, path: Option<&str>, after: usize) -> Option<String> {
        let here = self.directory().ok()?;
        match path {
            Some(path) => self.mounts().part(here, path, after),
            None if after == 0 => self.volume().part(here.node),
            None => None,
        }
    }

    fn find(&self, path: &str) -> Result<Location, Error> {
        self.mounts().find(self.directory()?, path)
    }

    fn target<'a>(&self, path: &'a str) -> Result<Target<'a>, Error> {
        self.mounts().target(self.directory()?, path)
    }

    /// Why something that has no removable name cannot be removed or moved.
    fn refuse_removal(&self, location: Location) -> Error {
        if self.mounts().volume(location).writable() {
            Error::Busy
        } else {
            Error::ReadOnly
        }
    }

    /// Why a link of this name cannot be made: there are none, but what is
    /// wrong with the name comes first.
    fn refuse_link(&self, path: &str) -> Answer<()> {
        let Target::Name {
            parent,
            name,
            directory,
        } = self.target(path)?
        else {
            return Err(Error::Exist.into());
        };
        let volume = self.mounts().volume(parent);
        Err(match volume.lookup(parent.node, name) {
            Ok(_) => Error::Exist.into(),
            Err(Error::NoEntry) if directory => Error::NoEntry.into(),
            Err(Error::NoEntry) if !volume.writable() => Error::ReadOnly.into(),
            Err(Error::NoEntry) => Error::Unsupported.into(),
            Err(error) => error.into(),
        })
    }
}

#[cfg(test)]
mod tests;
