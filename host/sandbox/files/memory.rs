//! A volume in memory that programs write.

use super::error::Error;
use super::path::Name;
use super::tree::{Clock, Tree};
use super::volume::{Counted, Entry, NewTime, Node, Opening, Position, Status, Volume};
use bytes::Bytes;
use contract::quota::{Quota, Usage};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A volume in memory.
pub(super) struct Memory {
    /// Held for one step at a time and never across an await.
    tree: Mutex<Tree>,
}

impl Memory {
    /// An empty volume with these directories in its root, which no quota
    /// counts.
    pub(super) fn new<const N: usize>(
        quota: Quota,
        clock: Clock,
        directories: [&str; N],
    ) -> (Arc<Self>, [Node; N]) {
        let (tree, nodes) = Self::tree_with(quota, clock, directories);
        let tree = Mutex::new(tree);
        (Arc::new(Self { tree }), nodes)
    }

    /// The tree of an empty volume.
    pub(super) fn tree_with<const N: usize>(
        quota: Quota,
        clock: Clock,
        directories: [&str; N],
    ) -> (Tree, [Node; N]) {
        let mut tree = Tree::new(quota, clock);
        let nodes = directories.map(|name| {
            Name::new(name)
                .and_then(|name| tree.create_uncharged(Tree::ROOT, name))
                .expect("an empty tree takes a few directories")
        });
        (tree, nodes)
    }

    /// A panic while the lock was held would be a bug of ours in one step; the
    /// files are still better kept than lost.
    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Volume for Memory {
    fn writable(&self) -> bool {
        true
    }

    fn lookup(&self, directory: Node, name: Name<'_>) -> Result<Node, Error> {
        self.tree().lookup(directory, name)
    }

    fn status(&self, node: Node) -> Result<Status, Error> {
        self.tree().status(node)
    }

    fn entries(
        &self,
        directory: Node,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.tree().entries(directory, after, limit)
    }

    fn read(&self, file: Node, offset: u64, length: usize) -> Result<Bytes, Error> {
        self.tree().read(file, offset, length)
    }

    fn open(&self, directory: Node, name: Name<'_>, how: Opening) -> Result<Node, Error> {
        self.tree().open(directory, name, how)
    }

    fn hold(&self, node: Node) -> Result<(), Error> {
        self.tree().hold(node)
    }

    fn release(&self, node: Node) {
        self.tree().release(node);
    }

    fn room(&self, file: Node, position: Position) -> Result<u64, Error> {
        self.tree().room(file, position)
    }

    fn write(&self, file: Node, position: Position, bytes: &[u8]) -> Result<usize, Error> {
        self.tree().write(file, position, bytes)
    }

    fn resize(&self, file: Node, size: u64) -> Result<(), Error> {
        self.tree().resize(file, size)
    }

    fn set_times(&self, node: Node, accessed: NewTime, modified: NewTime) -> Result<(), Error> {
        self.tree().set_times(node, accessed, modified)
    }

    fn create_directory(&self, directory: Node, name: Name<'_>) -> Result<(), Error> {
        self.tree().create_directory(directory, name).map(drop)
    }

    fn remove_directory(&self, directory: Node, name: Name<'_>) -> Result<(), Error> {
        self.tree().remove_directory(directory, name)
    }

    fn remove_file(&self, directory: Node, name: Name<'_>) -> Result<(), Error> {
        self.tree().remove_file(directory, name)
    }

    fn rename(&self, from: (Node, Name<'_>), to: (Node, Name<'_>)) -> Result<(), Error> {
        self.tree().rename(from, to)
    }
}

impl Counted for Memory {
    fn quota(&self) -> Quota {
        self.tree().quota()
    }

    fn usage(&self) -> Usage {
        self.tree().usage()
    }

    fn recount(&self) -> Usage {
        self.tree().recount()
    }

    fn version(&self) -> u64 {
        self.tree().version
    }

    fn snapshot(&self) -> Option<Tree> {
        Some(self.tree().named())
    }

    fn replace(&self, version: u64, new: &Tree) -> bool {
        let mut tree = self.tree();
        if tree.version != version {
            return false;
        }
        tree.become_like(new);
        true
    }
}
