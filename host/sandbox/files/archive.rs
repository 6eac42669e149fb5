//! A tree that is only read: the standard library, skills.
//!
//! Built once and shared by all sessions, without a lock and without copying
//! what is in its files.

use super::error::{Error, PathError};
use super::path::{Name, Path};
use super::tree::{Clock, Tree};
use super::volume::{Entry, Node, Status, Volume};
use bytes::Bytes;
use contract::quota::Quota;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// A tree that is only read.
pub struct Archive {
    pub(super) tree: Tree,
}

impl Archive {
    /// The root directory of every archive.
    pub(super) const ROOT: Node = Tree::ROOT;

    /// An archive of these files. Paths are relative; the directories on the
    /// way are made. A path that is not clean, or given twice, is an error.
    ///
    /// Everything in it dates from 1970, so that programs see the same on
    /// every run.
    pub fn new<P, F>(files: F) -> Result<Arc<Self>, PathError>
    where
        P: AsRef<str>,
        F: IntoIterator<Item = (P, Bytes)>,
    {
        let mut archive = Self::bare();
        for (path, bytes) in files {
            let path = path.as_ref();
            archive.add(path, bytes).map_err(|reason| PathError {
                action: "add",
                path: path.to_owned(),
                reason,
            })?;
        }
        Ok(Arc::new(archive))
    }

    fn add(&mut self, path: &str, bytes: Bytes) -> Result<(), Error> {
        let (parents, name) = Path::parse(path)?.into_file()?;
        let mut directory = Tree::ROOT;
        for parent in parents {
            directory = match self.tree.lookup(directory, parent) {
                Err(Error::NoEntry) => self.tree.create_directory(directory, parent)?,
                found => found?,
            };
        }
        self.tree.add_shared(directory, name, bytes).map(drop)
    }

    /// An archive without files.
    pub fn empty() -> Arc<Self> {
        Arc::new(Self::bare())
    }

    /// An archive to be filled.
    pub(super) fn bare() -> Self {
        let clock: Clock = Arc::new(|| UNIX_EPOCH);
        Self {
            tree: Tree::new(Quota::NONE, clock),
        }
    }
}

impl Volume for Archive {
    fn lookup(&self, directory: Node, name: Name<'_>) -> Result<Node, Error> {
        self.tree.lookup(directory, name)
    }

    fn status(&self, node: Node) -> Result<Status, Error> {
        self.tree.status(node)
    }

    fn entries(
        &self,
        directory: Node,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.tree.entries(directory, after, limit)
    }

    fn read(&self, file: Node, offset: u64, length: usize) -> Result<Bytes, Error> {
        self.tree.read(file, offset, length)
    }
}
