//! A tree of files in memory.
//!
//! Pure: no locks, no mounts, no WASI. An [`Archive`] is a tree that is only
//! read, a [`Workspace`] one behind a lock.
//!
//! [`Archive`]: super::Archive
//! [`Workspace`]: super::Workspace
//!
//! Invariants, checked by `recount` in tests:
//!
//! - `usage` is the sum over all inodes but those made by the constructor,
//!   and never above the quota.
//! - An inode lives while it has a name or is held. One without a name that
//!   is still held counts as usage until it is released.
//! - Each directory but the root has one parent that lists it; there are no
//!   cycles, and no inode is deeper than [`MAX_DEPTH`] allows.
//!
//! There are no links of either kind, so a name is a file's only name.

use super::content::Content;
use super::error::Error;
use super::inode::{Body, Entries, Inode};
use super::path::Name;
use super::volume::{Entry, Kind, NewTime, Node, Opening, Position, Status, Timestamp};
use bytes::Bytes;
use contract::limits::FileLimit;
use contract::quota::{Quota, Usage};
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

/// How many names a path through the tree can have. Guests walk trees by
/// recursion; this keeps them, and us, from doing it without end.
pub(super) const MAX_DEPTH: usize = 64;

/// Tells the time for what changes.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A tree of files in memory.
#[derive(Clone)]
pub(super) struct Tree {
    pub(super) inodes: HashMap<Node, Inode>,
    pub(super) next: u64,
    pub(super) quota: Quota,
    pub(super) usage: Usage,
    /// Directories that the host put there and no quota counts: the first ones.
    pub(super) uncharged: u64,
    clock: Clock,
    /// Grows with every change.
    pub(super) version: u64,
}

impl Tree {
    /// The root directory of every tree.
    pub(super) const ROOT: Node = Node(1);

    /// An empty tree.
    pub(super) fn new(quota: Quota, clock: Clock) -> Self {
        let now = clock().into();
        let root = Inode::new(None, "".into(), now, Body::Directory(Entries::new()));
        Self {
            inodes: HashMap::from([(Self::ROOT, root)]),
            next: Self::ROOT.0 + 1,
            quota,
            usage: Usage::default(),
            uncharged: 0,
            clock,
            version: 0,
        }
    }

    /// What the tree holds.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// What the tree may hold.
    pub(super) fn quota(&self) -> Quota {
        self.quota
    }

    /// Adds a file whose bytes are shared with whoever gave them.
    pub(super) fn add_shared(
        &mut self,
        directory: Node,
        name: Name<'_>,
        bytes: Bytes,
    ) -> Result<Node, Error> {
        if self.lookup(directory, name).is_ok() {
            return Err(Error::Exist);
        }
        self.create(directory, name, Body::File(Content::Shared(bytes)))
    }

    /// Makes a directory that no quota counts, for what the host itself puts
    /// into a tree.
    pub(super) fn create_uncharged(
        &mut self,
        directory: Node,
        name: Name<'_>,
    ) -> Result<Node, Error> {
        if self.lookup(directory, name).is_ok() {
            return Err(Error::Exist);
        }
        let node = self.insert(directory, name, Body::Directory(Entries::new()))?;
        self.usage.inodes -= 1;
        self.uncharged += 1;
        Ok(node)
    }

    /// The entry of this name in a directory.
    pub(super) fn lookup(&self, directory: Node, name: Name<'_>) -> Result<Node, Error> {
        self.listing(directory)?
            .get(name.as_str())
            .copied()
            .ok_or(Error::NoEntry)
    }

    /// Adds an entry under a number that it had in a tree that is known, or a new
    /// one. No quota is asked: somebody else counted.
    pub(super) fn place_at(
        &mut self,
        number: Option<Node>,
        directory: Node,
        name: Name<'_>,
        body: Body,
    ) -> Result<Node, Error> {
        let next = self.next;
        if let Some(Node(number)) = number {
            self.next = number;
        }
        let placed = self.insert(directory, name, body);
        self.next = next.max(self.next);
        placed
    }

    /// What is known about a node.
    pub(super) fn status(&self, node: Node) -> Result<Status, Error> {
        Ok(self.inode(node)?.status())
    }

    /// Up to `limit` entries in the order of their names, after `after`.
    pub(super) fn entries(
        &self,
        directory: Node,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.listing(directory)?
            .range::<str, _>((start, Bound::Unbounded))
            .take(limit)
            .map(|(name, &node)| {
                Ok(Entry {
                    name: name.clone(),
                    kind: self.kind(node)?,
                })
            })
            .collect()
    }

    /// Up to `length` bytes from `offset`; fewer only at the end of the file.
    pub(super) fn read(&self, file: Node, offset: u64, length: usize) -> Result<Bytes, Error> {
        Ok(self.inode(file)?.content()?.read(offset, length))
    }

    /// Finds, makes or cuts the entry of this name, and holds it.
    pub(super) fn open(
        &mut self,
        directory: Node,
        name: Name<'_>,
        how: Opening,
    ) -> Result<Node, Error> {
        let node = match self.lookup(directory, name) {
            Err(Error::NoEntry) if how.create && how.directory => return Err(Error::IsDirectory),
            Err(Error::NoEntry) if how.create => {
                self.create(directory, name, Body::File(Content::default()))?
            }
            Err(error) => return Err(error),
            Ok(_) if how.exclusive => return Err(Error::Exist),
            Ok(node) => {
                let kind = self.kind(node)?;
                if kind == Kind::File && how.directory {
                    return Err(Error::NotDirectory);
                }
                if kind == Kind::Directory && (how.write || how.truncate || how.create) {
                    return Err(Error::IsDirectory);
                }
                if how.truncate {
                    self.resize(node, 0)?;
                }
                node
            }
        };
        self.hold(node)?;
        Ok(node)
    }

    /// Keeps a node usable until [`Tree::release`], whatever happens to its
    /// name.
    pub(super) fn hold(&mut self, node: Node) -> Result<(), Error> {
        self.inode_mut(node)?.held += 1;
        Ok(())
    }

    /// Ends one hold.
    pub(super) fn release(&mut self, node: Node) {
        if let Ok(inode) = self.inode_mut(node) {
            inode.held = inode.held.saturating_sub(1);
            self.free_unreachable(node);
        }
    }

    /// How many bytes can be written from a position on: at least one, or the
    /// error names the limit.
    pub(super) fn room(&self, file: Node, position: Position) -> Result<u64, Error> {
        let size = self.size(file)?;
        let (largest, limit) = self.quota.largest(self.usage, size);
        let room = largest.max(size).saturating_sub(position.within(size));
        if room == 0 {
            return Err(limit.into());
        }
        Ok(room)
    }

    /// Writes as many of these bytes as the quota permits, at least one; with
    /// none permitted, the error names the limit.
    pub(super) fn write(
        &mut self,
        file: Node,
        position: Position,
        bytes: &[u8],
    ) -> Result<usize, Error> {
        let size = self.size(file)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let room = usize::try_from(self.room(file, position)?).unwrap_or(usize::MAX);
        let length = bytes.len().min(room);
        let offset = position.within(size);
        self.usage.bytes += (offset + length as u64).saturating_sub(size);
        self.inode_mut(file)?
            .content_mut()?
            .write(offset, &bytes[..length]);
        self.touch(file);
        Ok(length)
    }

    /// Cuts a file or extends it with zeros, all or nothing.
    pub(super) fn resize(&mut self, file: Node, size: u64) -> Result<(), Error> {
        let before = self.size(file)?;
        if size > before {
            let (largest, limit) = self.quota.largest(self.usage, before);
            if size > largest {
                return Err(limit.into());
            }
        }
        self.usage.bytes = self.usage.bytes - before + size;
        self.inode_mut(file)?.content_mut()?.resize(size);
        self.touch(file);
        Ok(())
    }

    /// Sets when a node was last read and changed.
    pub(super) fn set_times(
        &mut self,
        node: Node,
        accessed: NewTime,
        modified: NewTime,
    ) -> Result<(), Error> {
        let now = self.now();
        self.version += 1;
        let inode = self.inode_mut(node)?;
        accessed.apply(&mut inode.accessed, now);
        modified.apply(&mut inode.modified, now);
        inode.changed = now;
        Ok(())
    }

    /// Makes an empty directory.
    pub(super) fn create_directory(
        &mut self,
        directory: Node,
        name: Name<'_>,
    ) -> Result<Node, Error> {
        match self.lookup(directory, name) {
            Ok(_) => Err(Error::Exist),
            Err(Error::NoEntry) => self.create(directory, name, Body::Directory(Entries::new())),
            Err(error) => Err(error),
        }
    }

    /// Removes an empty directory.
    pub(super) fn remove_directory(
        &mut self,
        directory: Node,
        name: Name<'_>,
    ) -> Result<(), Error> {
        let node = self.lookup(directory, name)?;
        if !self.listing(node)?.is_empty() {
            return Err(Error::NotEmpty);
        }
        self.unlink(directory, name, node);
        Ok(())
    }

    /// Removes a file.
    pub(super) fn remove_file(&mut self, directory: Node, name: Name<'_>) -> Result<(), Error> {
        let node = self.lookup(directory, name)?;
        if self.kind(node)? == Kind::Directory {
            return Err(Error::IsDirectory);
        }
        self.unlink(directory, name, node);
        Ok(())
    }

    /// Gives a node another name, replacing a file, or an empty directory by
    /// a directory.
    pub(super) fn rename(
        &mut self,
        from: (Node, Name<'_>),
        to: (Node, Name<'_>),
    ) -> Result<(), Error> {
        let (node, replaced) = self.check_rename(from, to)?;
        if replaced == Some(node) {
            return Ok(());
        }
        if let Some(replaced) = replaced {
            self.unlink(to.0, to.1, replaced);
        }
        let name: Arc<str> = to.1.as_str().into();
        self.listing_mut(from.0)?.remove(from.1.as_str());
        self.listing_mut(to.0)?.insert(name.clone(), node);
        let now = self.now();
        let inode = self.inode_mut(node)?;
        inode.parent = Some(to.0);
        inode.name = name;
        inode.changed = now;
        self.touch(from.0);
        self.touch(to.0);
        Ok(())
    }

    /// What a rename would move, and what it would replace. If the two are the
    /// same, nothing is to be done.
    pub(super) fn check_rename(
        &self,
        from: (Node, Name<'_>),
        to: (Node, Name<'_>),
    ) -> Result<(Node, Option<Node>), Error> {
        let node = self.lookup(from.0, from.1)?;
        self.growable(to.0)?;
        if self.ancestors(to.0).any(|ancestor| ancestor == node) {
            return Err(Error::Invalid);
        }
        let replaced = match self.lookup(to.0, to.1) {
            Ok(replaced) if replaced == node => return Ok((node, Some(node))),
            Ok(replaced) => Some(replaced),
            Err(Error::NoEntry) => None,
            Err(error) => return Err(error),
        };
        if let Some(replaced) = replaced {
            match (self.kind(node)?, self.kind(replaced)?) {
                (Kind::Directory, Kind::File) => return Err(Error::NotDirectory),
                (Kind::File, Kind::Directory) => return Err(Error::IsDirectory),
                (Kind::Directory, Kind::Directory) if !self.listing(replaced)?.is_empty() => {
                    return Err(Error::NotEmpty);
                }
                _ => {}
            }
        }
        self.check_height(node, to.0)?;
        Ok((node, replaced))
    }

    /// The names that lead from the root to a node; none lead to one that was
    /// removed.
    pub(super) fn names(&self, node: Node) -> Result<Vec<Arc<str>>, Error> {
        let mut names = Vec::new();
        for ancestor in self.ancestors(node) {
            let inode = self.inode(ancestor)?;
            if !inode.linked {
                return Err(Error::NoEntry);
            }
            names.push(inode.name.clone());
        }
        names.pop();
        names.reverse();
        Ok(names)
    }

    /// The directory that lists a node, and its name there.
    pub(super) fn place(&self, node: Node) -> Result<(Node, Arc<str>), Error> {
        let inode = self.inode(node)?;
        let parent = inode.parent.ok_or(Error::NoEntry)?;
        Ok((parent, inode.name.clone()))
    }

    /// Records that a file was written whose bytes are kept elsewhere: the
    /// tree has a hole of its size. The caller asked for room before.
    pub(super) fn note_write(&mut self, file: Node, end: u64) -> Result<(), Error> {
        if end > self.size(file)? {
            self.resize(file, end)?;
        }
        self.touch(file);
        Ok(())
    }

    /// What the tree holds, counted anew: equal to [`Tree::usage`], always.
    /// Panics where the tree contradicts itself.
    pub(super) fn recount(&self) -> Usage {
        let mut usage = Usage::default();
        for (&node, inode) in &self.inodes {
            assert!(inode.linked || inode.held > 0, "{node:?} is unreachable");
            if node == Self::ROOT {
                continue;
            }
            if inode.linked {
                let parent = inode.parent.expect("a linked inode has a parent");
                let listing = self.listing(parent).expect("the parent is a directory");
                let names = listing.values().filter(|&&entry| entry == node).count();
                assert_eq!(names, 1, "{node:?} has one name");
                assert!(self.ancestors(node).count() <= self.max_depth() + 1);
            }
            usage.inodes += 1;
            if let Body::File(content) = &inode.body {
                usage.bytes += content.size();
            }
        }
        usage.inodes -= self.uncharged;
        usage
    }

    /// The depth of the deepest inode: directories that no quota counts do not
    /// count here either.
    pub(super) fn max_depth(&self) -> usize {
        MAX_DEPTH + usize::from(self.uncharged > 0)
    }

    fn now(&self) -> Timestamp {
        (self.clock)().into()
    }

    fn inode(&self, node: Node) -> Result<&Inode, Error> {
        self.inodes.get(&node).ok_or(Error::NoEntry)
    }

    fn inode_mut(&mut self, node: Node) -> Result<&mut Inode, Error> {
        self.inodes.get_mut(&node).ok_or(Error::NoEntry)
    }

    pub(super) fn kind(&self, node: Node) -> Result<Kind, Error> {
        Ok(self.inode(node)?.kind())
    }

    pub(super) fn size(&self, file: Node) -> Result<u64, Error> {
        Ok(self.inode(file)?.content()?.size())
    }

    fn listing(&self, directory: Node) -> Result<&Entries, Error> {
        self.inode(directory)?.entries()
    }

    fn listing_mut(&mut self, directory: Node) -> Result<&mut Entries, Error> {
        self.inode_mut(directory)?.entries_mut()
    }

    /// Marks the content of a node as changed now.
    fn touch(&mut self, node: Node) {
        let now = self.now();
        self.version += 1;
        if let Ok(inode) = self.inode_mut(node) {
            inode.modified = now;
            inode.changed = now;
        }
    }

    /// Refuses a directory that was removed and is only held open.
    fn growable(&self, directory: Node) -> Result<(), Error> {
        self.listing(directory)?;
        if self.inode(directory)?.linked {
            Ok(())
        } else {
            Err(Error::NoEntry)
        }
    }

    /// Makes an inode that the quota counts, under a name known to be free.
    fn create(&mut self, directory: Node, name: Name<'_>, body: Body) -> Result<Node, Error> {
        if self.usage.inodes >= self.quota.inodes {
            return Err(FileLimit::Inodes(self.quota.inodes).into());
        }
        self.insert(directory, name, body)
    }

    fn insert(&mut self, directory: Node, name: Name<'_>, body: Body) -> Result<Node, Error> {
        self.growable(directory)?;
        if self.ancestors(directory).count() > self.max_depth() {
            return Err(FileLimit::Depth(MAX_DEPTH).into());
        }
        let node = Node(self.next);
        self.next += 1;
        if let Body::File(content) = &body {
            self.usage.bytes += content.size();
        }
        self.usage.inodes += 1;
        let name: Arc<str> = name.as_str().into();
        let inode = Inode::new(Some(directory), name.clone(), self.now(), body);
        self.inodes.insert(node, inode);
        self.listing_mut(directory)?.insert(name, node);
        self.touch(directory);
        Ok(node)
    }

    fn unlink(&mut self, directory: Node, name: Name<'_>, node: Node) {
        if let Ok(entries) = self.listing_mut(directory) {
            entries.remove(name.as_str());
        }
        self.touch(directory);
        let now = self.now();
        if let Ok(inode) = self.inode_mut(node) {
            inode.linked = false;
            inode.parent = None;
            inode.changed = now;
        }
        self.free_unreachable(node);
    }

    fn free_unreachable(&mut self, node: Node) {
        let Some(inode) = self.inodes.get(&node) else {
            return;
        };
        if inode.linked || inode.held > 0 {
            return;
        }
        if let Body::File(content) = &inode.body {
            self.usage.bytes -= content.size();
        }
        self.usage.inodes -= 1;
        self.inodes.remove(&node);
    }

    /// The node itself, its parent, and so on up to the root.
    fn ancestors(&self, node: Node) -> impl Iterator<Item = Node> {
        std::iter::successors(Some(node), |node| self.inodes.get(node)?.parent)
    }

    /// Refuses a move that would push something below the depth limit.
    fn check_height(&self, node: Node, directory: Node) -> Result<(), Error> {
        let above = self.ancestors(directory).count() - 1;
        let mut level = vec![node];
        for _ in above..self.max_depth() {
            let mut below = Vec::new();
            for node in level {
                if let Body::Directory(entries) = &self.inode(node)?.body {
                    below.extend(entries.values().copied());
                }
            }
            if below.is_empty() {
                return Ok(());
            }
            level = below;
        }
        Err(FileLimit::Depth(MAX_DEPTH).into())
    }
}

#[cfg(test)]
mod tests;
