//! One file or directory of a tree, without what connects it to others.

use super::content::Content;
use super::error::Error;
use super::volume::{Kind, Node, Status, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The entries of a directory in the order of their names.
pub(super) type Entries = BTreeMap<Arc<str>, Node>;

/// One file or directory.
#[derive(Clone)]
pub(super) struct Inode {
    /// The directory that lists it; none for the root and for what was removed.
    pub(super) parent: Option<Node>,
    /// Its name there.
    pub(super) name: Arc<str>,
    /// Whether it has a name at all. The root counts as if it had.
    pub(super) linked: bool,
    /// How many hold it.
    pub(super) held: usize,
    pub(super) accessed: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) body: Body,
}

/// What makes it a file or a directory.
#[derive(Clone)]
pub(super) enum Body {
    File(Content),
    Directory(Entries),
}

impl Inode {
    pub(super) fn new(parent: Option<Node>, name: Arc<str>, now: Timestamp, body: Body) -> Self {
        Self {
            parent,
            name,
            linked: true,
            held: 0,
            accessed: now,
            modified: now,
            changed: now,
            body,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self.body {
            Body::File(_) => Kind::File,
            Body::Directory(_) => Kind::Directory,
        }
    }

    pub(super) fn status(&self) -> Status {
        Status {
            kind: self.kind(),
            size: self.content().map_or(0, Content::size),
            links: self.linked.into(),
            accessed: self.accessed,
            modified: self.modified,
            changed: self.changed,
        }
    }

    pub(super) fn content(&self) -> Result<&Content, Error> {
        match &self.body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Error::IsDirectory),
        }
    }

    pub(super) fn content_mut(&mut self) -> Result<&mut Content, Error> {
        match &mut self.body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Error::IsDirectory),
        }
    }

    pub(super) fn entries(&self) -> Result<&Entries, Error> {
        match &self.body {
            Body::Directory(entries) => Ok(entries),
            Body::File(_) => Err(Error::NotDirectory),
        }
    }

    pub(super) fn entries_mut(&mut self) -> Result<&mut Entries, Error> {
        match &mut self.body {
            Body::Directory(entries) => Ok(entries),
            Body::File(_) => Err(Error::NotDirectory),
        }
    }
}
