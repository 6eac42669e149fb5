//! What guests hold: descriptors and directory listings.
//!
//! A descriptor knows a location and what it was opened for. It holds its
//! node, so a file that is removed stays readable until the last handle to it
//! is closed; closing is dropping, also when a whole store is thrown away.

use super::account::{Account, Permit, Use};
use super::error::Error;
use super::mount::{Location, Mounts, Target};
use super::path::Name;
use super::volume::{Entry, Kind, Opening, Volume};
use std::sync::Arc;

/// Entries that a listing takes from its directory at once.
const PAGE: usize = 128;

/// A file or directory held open.
pub(super) struct Handle {
    mounts: Arc<Mounts>,
    location: Location,
}

impl Handle {
    /// Holds a location that is already known.
    fn new(mounts: Arc<Mounts>, location: Location) -> Result<Self, Error> {
        mounts.volume(location).hold(location.node)?;
        Ok(Self { mounts, location })
    }

    pub(super) fn location(&self) -> Location {
        self.location
    }

    pub(super) fn volume(&self) -> &dyn Volume {
        self.mounts.volume(self.location)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.volume().release(self.location.node);
    }
}

/// What a descriptor was opened for. The synchronisation flags of WASI are
/// kept only to be shown again: memory is always in step with itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mode {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) file_sync: bool,
    pub(super) data_sync: bool,
    pub(super) read_sync: bool,
}

/// A descriptor as a guest holds it.
#[expect(
    unreachable_pub,
    reason = "the generated bindings re-export it within a private module"
)]
pub struct Descriptor {
    handle: Arc<Handle>,
    account: Arc<Account>,
    kind: Kind,
    mode: Mode,
    _permit: Permit,
}

impl Descriptor {
    /// A directory that a program has from the start.
    pub(super) fn preopened(
        mounts: &Arc<Mounts>,
        directory: Location,
        account: &Arc<Account>,
    ) -> Result<Self, Error> {
        let permit = account.admit(Use::Descriptor)?;
        let handle = Handle::new(mounts.clone(), directory)?;
        let mode = Mode {
            read: true,
            ..Mode::default()
        };
        Ok(Self::assemble(
            handle,
            account,
            Kind::Directory,
            mode,
            permit,
        ))
    }

    /// Opens a path that starts at this directory.
    pub(super) fn open_at(&self, path: &str, how: Opening, mode: Mode) -> Result<Self, Error> {
        let base = self.directory()?;
        if how.directory && (how.create || how.exclusive || how.truncate) {
            return Err(Error::Invalid);
        }
        let changes = how.create || how.truncate || how.write;
        if changes && !self.mutable() {
            return Err(Error::ReadOnly);
        }
        let permit = self.account.admit(Use::Descriptor)?;
        let mounts = &self.handle.mounts;
        let handle = match mounts.target(base, path)? {
            Target::Name {
                parent,
                name,
                directory,
            } => {
                let parent = if how.create {
                    mounts.made(parent)?
                } else {
                    parent
                };
                let volume = mounts.volume(parent);
                let how = Opening {
                    directory: how.directory || directory,
                    ..how
                };
                let node = volume.open(parent.node, name, how)?;
                let location = Location {
                    volume: parent.volume,
                    node,
                };
                Handle {
                    mounts: mounts.clone(),
                    location,
                }
            }
            Target::Fixed(_) if how.exclusive => return Err(Error::Exist),
            Target::Fixed(_) if changes => return Err(Error::IsDirectory),
            Target::Fixed(location) => Handle::new(mounts.clone(), location)?,
        };
        let kind = handle.volume().status(handle.location.node)?.kind;
        Ok(Self::assemble(handle, &self.account, kind, mode, permit))
    }

    fn assemble(
        handle: Handle,
        account: &Arc<Account>,
        kind: Kind,
        mode: Mode,
        permit: Permit,
    ) -> Self {
        Self {
            handle: Arc::new(handle),
            account: account.clone(),
            kind,
            mode,
            _permit: permit,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn mounts(&self) -> &Mounts {
        &self.handle.mounts
    }

    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(super) fn location(&self) -> Location {
        self.handle.location
    }

    pub(super) fn volume(&self) -> &dyn Volume {
        self.handle.volume()
    }

    /// Whether anything below this directory may be changed. True of the
    /// root, because a workspace lies below it; the volumes that a path leads
    /// to have the last word.
    pub(super) fn mutable(&self) -> bool {
        self.location().volume == 0 || self.volume().writable()
    }

    /// The location, if it is a directory.
    pub(super) fn directory(&self) -> Result<Location, Error> {
        match self.kind {
            Kind::Directory => Ok(self.location()),
            Kind::File => Err(Error::NotDirectory),
        }
    }

    /// The handle, if it is a file open for reading.
    pub(super) fn readable(&self) -> Result<&Arc<Handle>, Error> {
        match self.kind {
            Kind::Directory => Err(Error::IsDirectory),
            Kind::File if self.mode.read => Ok(&self.handle),
            Kind::File => Err(Error::BadDescriptor),
        }
    }

    /// The handle, if it is a file open for writing.
    pub(super) fn writable(&self) -> Result<&Arc<Handle>, Error> {
        match self.kind {
            Kind::File if self.mode.write => Ok(&self.handle),
            Kind::File | Kind::Directory => Err(Error::BadDescriptor),
        }
    }

    /// A listing of this directory from its beginning.
    pub(super) fn list(&self) -> Result<Listing, Error> {
        let mounts = &self.handle.mounts;
        let directory = mounts.present(self.directory()?);
        let handle = match directory == self.location() {
            true => self.handle.clone(),
            false => Arc::new(Handle::new(mounts.clone(), directory)?),
        };
        Ok(Listing {
            handle,
            page: Vec::new().into_iter(),
            last: None,
            _permit: self.account.admit(Use::Stream)?,
        })
    }
}

/// A walk over the entries of a directory, in the order of their names. It
/// holds one page at a time. What is made meanwhile may or may not appear, what
/// is removed does not: every libc looks at each entry it gets, and takes one
/// that is gone for the failure of the whole walk. Everything else appears
/// exactly once.
#[expect(
    unreachable_pub,
    reason = "the generated bindings re-export it within a private module"
)]
pub struct Listing {
    handle: Arc<Handle>,
    page: std::vec::IntoIter<Entry>,
    last: Option<Arc<str>>,
    _permit: Permit,
}

impl Listing {
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Error> {
        let (volume, node) = (self.handle.volume(), self.handle.location.node);
        loop {
            for entry in self.page.by_ref() {
                let there = Name::new(&entry.name).and_then(|name| volume.lookup(node, name));
                if there != Err(Error::NoEntry) {
                    return Ok(Some(entry));
                }
            }
            let page = volume.entries(node, self.last.as_deref(), PAGE)?;
            let Some(last) = page.last() else {
                return Ok(None);
            };
            self.last = Some(last.name.clone());
            self.page = page.into_iter();
        }
    }
}
