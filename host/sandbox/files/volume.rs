//! What every kind of file store can do: the seam between the WASI functions
//! and the places where files are.
//!
//! A volume knows nodes and names, nothing of paths, mounts, descriptors or
//! quotas of handles. Each method is one atomic step, so several programs may
//! share a volume. The methods that change something are refused as read-only
//! unless a volume provides them.

use super::error::Error;
use super::path::Name;
use super::tree::Tree;
use bytes::Bytes;
use contract::quota::{Quota, Usage};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Identifies a file or directory within its volume. Never used twice, so a
/// stale one names nothing rather than something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node(pub(super) u64);

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// A point in time, counted from 1970. Wider than the system's own type, so
/// that any time a guest sets can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: u64,
    /// The rest, less than a second.
    pub nanoseconds: u32,
}

impl From<SystemTime> for Timestamp {
    /// Times before 1970 become 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            seconds: since.as_secs(),
            nanoseconds: since.subsec_nanos(),
        }
    }
}

/// What is known about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// What it is.
    pub kind: Kind,
    /// The size of a file in bytes, zero for a directory.
    pub size: u64,
    /// One, or zero once it was removed and is only held open.
    pub links: u64,
    /// When it was last read, as far as somebody said so: reading does not
    /// change it.
    pub accessed: Timestamp,
    /// When its content last changed.
    pub modified: Timestamp,
    /// When anything about it last changed.
    pub changed: Timestamp,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: Kind,
}

/// How to open a name.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Opening {
    /// Make an empty file if there is nothing.
    pub create: bool,
    /// Refuse what exists.
    pub exclusive: bool,
    /// Cut an existing file to nothing.
    pub truncate: bool,
    /// The file is going to be written.
    pub write: bool,
    /// Only a directory will do.
    pub directory: bool,
}

/// Where to write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Position {
    /// At this offset.
    At(u64),
    /// At the end as it is when the write happens.
    End,
}

impl Position {
    /// The offset that is meant in a file of this size.
    pub(super) fn within(self, size: u64) -> u64 {
        match self {
            Self::At(offset) => offset,
            Self::End => size,
        }
    }
}

/// A new value for a time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NewTime {
    /// As it was.
    Keep,
    /// The present.
    Now,
    /// This one.
    Set(Timestamp),
}

impl NewTime {
    pub(super) fn apply(self, time: &mut Timestamp, now: Timestamp) {
        match self {
            Self::Keep => {}
            Self::Now => *time = now,
            Self::Set(new) => *time = new,
        }
    }
}

/// A store of files and directories.
pub(crate) trait Volume: Send + Sync {
    /// Whether any node can be changed.
    fn writable(&self) -> bool {
        false
    }

    /// Whether it has parts whose content comes from elsewhere.
    fn has_parts(&self) -> bool {
        false
    }

    /// The part that a node is in, which has to be brought up to date before
    /// the node is looked into.
    fn part(&self, _node: Node) -> Option<String> {
        None
    }

    /// The entry of this name in a directory.
    fn lookup(&self, directory: Node, name: Name<'_>) -> Result<Node, Error>;

    /// What is known about a node.
    fn status(&self, node: Node) -> Result<Status, Error>;

    /// Up to `limit` entries of a directory in the order of their names, from
    /// the first one after `after`.
    fn entries(
        &self,
        directory: Node,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, Error>;

    /// Up to `length` bytes from `offset`; fewer only at the end of the file.
    fn read(&self, file: Node, offset: u64, length: usize) -> Result<Bytes, Error>;

    /// Finds, makes or cuts the entry of this name, and holds it: a held node
    /// stays usable after it was removed. Ends with [`Volume::release`].
    fn open(&self, directory: Node, name: Name<'_>, how: Opening) -> Result<Node, Error> {
        let found = self.lookup(directory, name);
        if how.create || how.write || how.truncate {
            return match found {
                Err(Error::NoEntry) if !how.create => Err(Error::NoEntry),
                Err(error @ Error::NotDirectory) => Err(error),
                _ => Err(Error::ReadOnly),
            };
        }
        let node = found?;
        if how.exclusive {
            return Err(Error::Exist);
        }
        if how.directory && self.status(node)?.kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        self.hold(node)?;
        Ok(node)
    }

    /// Holds a node that is already known.
    fn hold(&self, node: Node) -> Result<(), Error> {
        self.status(node).map(drop)
    }

    /// Ends one hold.
    fn release(&self, _node: Node) {}

    /// How many bytes can be written from a position on: at least one, or the
    /// error says why none.
    fn room(&self, _file: Node, _position: Position) -> Result<u64, Error> {
        Err(Error::ReadOnly)
    }

    /// Writes as many of these bytes as a limit permits, at least one; with
    /// none permitted, the error names the limit.
    fn write(&self, _file: Node, _position: Position, _bytes: &[u8]) -> Result<usize, Error> {
        Err(Error::ReadOnly)
    }

    /// Cuts a file or extends it with zeros.
    fn resize(&self, _file: Node, _size: u64) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    /// Sets when a node was last read and changed.
    fn set_times(&self, _node: Node, _accessed: NewTime, _modified: NewTime) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    /// Brings a node to where it survives a crash of the host.
    fn sync(&self, _node: Node) -> Result<(), Error> {
        Ok(())
    }

    /// Makes an empty directory.
    fn create_directory(&self, directory: Node, name: Name<'_>) -> Result<(), Error> {
        refuse_change(self.lookup(directory, name))
    }

    /// Removes an empty directory.
    fn remove_directory(&self, directory: Node, name: Name<'_>) -> Result<(), Error> {
        self.lookup(directory, name)?;
        Err(Error::ReadOnly)
    }

    /// Removes a file; with `directory`, the path demanded a directory.
    fn remove_file(&self, directory: Node, name: Name<'_>) -> Result<(), Error> {
        self.lookup(directory, name)?;
        Err(Error::ReadOnly)
    }

    /// Gives a node another name, replacing a file, or an empty directory by
    /// a directory.
    fn rename(&self, from: (Node, Name<'_>), _to: (Node, Name<'_>)) -> Result<(), Error> {
        self.lookup(from.0, from.1)?;
        Err(Error::ReadOnly)
    }
}

/// Making something on a read-only volume: what exists is said to exist, as
/// `mkdir -p` and its kin rely on it.
fn refuse_change(found: Result<Node, Error>) -> Result<(), Error> {
    match found {
        Ok(_) => Err(Error::Exist),
        Err(Error::NoEntry) => Err(Error::ReadOnly),
        Err(error) => Err(error),
    }
}

/// A volume that counts what it holds: one that can be a workspace.
pub(super) trait Counted: Volume {
    /// What it may hold.
    fn quota(&self) -> Quota;

    /// What it holds.
    fn usage(&self) -> Usage;

    /// What it holds, counted anew.
    fn recount(&self) -> Usage;

    /// Differs whenever what it holds does.
    fn version(&self) -> u64;

    /// All it holds, if that is in memory.
    fn snapshot(&self) -> Option<Tree> {
        None
    }

    /// Holds this from now on, if it can and still has this version.
    fn replace(&self, _version: u64, _new: &Tree) -> bool {
        false
    }
}
