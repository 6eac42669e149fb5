//! A workspace in two processes: what the other side has of it, and what each
//! tells the other.
//!
//! Where nobody else changed a workspace in memory meanwhile, it becomes the tree
//! that comes. Otherwise, and in a directory, what is different is done to it path
//! by path, the last writer of a file wins.

use super::changes::{Arrived, Malformed};
use super::content::{CHUNK, Content};
use super::error::{Error, PathError};
use super::inode::Body;
use super::memory::Memory;
use super::path::Name;
use super::tree::Tree;
use super::volume::{Kind, NewTime, Node, Opening, Position, Timestamp, Volume};
use super::workspace::Workspace;
use contract::quota::Usage;
use contract::worker::{FileChanges, FileChunk};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

/// What the other side has of a workspace.
pub struct Replica {
    tree: Tree,
    /// Of the workspace when it was the same; `None` before the first time.
    version: Option<(u64, u64)>,
}

/// The two directories of a replica, by their place in its root.
const FILES: Node = Node(2);
const TEMPORARY: Node = Node(3);

impl Replica {
    /// Of somebody who has an empty workspace.
    pub fn new(workspace: &Workspace) -> Self {
        let (tree, [files, temporary]) = Memory::tree_with(
            workspace.quota(),
            Arc::new(SystemTime::now),
            ["workspace", "tmp"],
        );
        debug_assert_eq!([files, temporary], [FILES, TEMPORARY]);
        Self {
            tree,
            version: None,
        }
    }
}

impl Workspace {
    /// What to tell the other side, which then has the same: each chunk, and then
    /// this. `None` if it has it already. What cannot be read in a directory of
    /// the host is not there for the other side, and is told to `unread`.
    pub fn changes_for(
        &self,
        replica: &mut Replica,
        send: impl FnMut(FileChunk),
        unread: &mut Vec<PathError>,
    ) -> Option<FileChanges> {
        let version = self.version();
        if replica.version == Some(version) {
            return None;
        }
        let now = match self.volume.snapshot() {
            Some(tree) => tree,
            None => self.read_all(&replica.tree, unread),
        };
        // Both begin with nothing.
        let is_empty = [now.usage(), replica.tree.usage()] == [Usage::default(); 2];
        let changes = (!is_empty).then(|| now.changes_since(&replica.tree, send));
        replica.tree = now;
        replica.version = Some(version);
        changes
    }

    /// Takes what the other side changed. What could not be done to a directory
    /// of the host is returned; the rest is done.
    ///
    /// # Errors
    ///
    /// When it is not what files can be; nothing is changed then.
    pub fn take_changes(
        &self,
        replica: &mut Replica,
        changes: FileChanges,
        arrived: Arrived,
    ) -> Result<Vec<PathError>, Malformed> {
        let mut new = replica.tree.clone();
        new.apply(changes, arrived)?;
        let version = self.version();
        let is_replaced = replica.version == Some(version) && self.volume.replace(version.0, &new);
        let failed = if is_replaced {
            Vec::new()
        } else {
            self.merge(&replica.tree, &new)
        };
        if failed.is_empty() && (is_replaced || replica.version == Some(version)) {
            replica.version = Some(self.version());
        } else {
            // It is told what there is before the next run.
            replica.version = None;
        }
        replica.tree = new;
        Ok(failed)
    }

    fn version(&self) -> (u64, u64) {
        (self.volume.version(), self.temporary_version())
    }

    /// All files as a tree. What `known` has, by path, size and time, is not read
    /// again.
    fn read_all(&self, known: &Tree, unread: &mut Vec<PathError>) -> Tree {
        let clock = Arc::new(SystemTime::now);
        let (mut tree, _) = Memory::tree_with(self.quota(), clock, ["workspace", "tmp"]);
        tree.next = known.next;
        let (files, temporary) = (self.files(), self.temporary());
        for (root, prefix, (volume, directory)) in
            [(FILES, "", files), (TEMPORARY, "/tmp", temporary)]
        {
            let mut reading = Reading {
                volume: &*volume,
                known,
                tree: &mut tree,
                unread: Vec::new(),
            };
            reading.directory("", (directory, root, root));
            unread.extend(reading.unread.into_iter().map(|(path, reason)| PathError {
                action: "read",
                path: format!("{prefix}{path}").trim_start_matches('/').to_owned(),
                reason,
            }));
        }
        tree
    }

    /// Does to this workspace what makes `new` of `base`.
    fn merge(&self, base: &Tree, new: &Tree) -> Vec<PathError> {
        let mut failed = Vec::new();
        for (root, prefix, (volume, directory)) in [
            (FILES, "", self.files()),
            (TEMPORARY, "/tmp", self.temporary()),
        ] {
            let merge = Merge {
                volume: &*volume,
                directory,
                before: paths(base, root),
                after: paths(new, root),
                base,
                new,
            };
            for (path, reason) in merge.done() {
                failed.push(PathError {
                    action: "write",
                    path: format!("{prefix}{path}").trim_start_matches('/').to_owned(),
                    reason,
                });
            }
        }
        failed
    }
}

/// A path from one of the two directories on, each name behind a `/`, and why it
/// failed.
type Failed = (String, Error);

/// Reading the files of a volume into a tree.
struct Reading<'a> {
    volume: &'a dyn Volume,
    known: &'a Tree,
    tree: &'a mut Tree,
    unread: Vec<Failed>,
}

impl Reading<'_> {
    /// As deep as a tree may be, so recursion is bounded. The first is in the
    /// volume, the second in the new tree, the third in the one that is known.
    fn directory(&mut self, path: &str, (from, to, known): (Node, Node, Node)) {
        let entries = match self.volume.entries(from, None, usize::MAX) {
            Ok(entries) => entries,
            Err(error) => return self.unread.push((path.to_owned(), error)),
        };
        for entry in entries {
            let path = format!("{path}/{}", entry.name);
            match self.entry(&entry.name, (from, to, known)) {
                Ok(None) | Err(Error::NoEntry) => {}
                Ok(Some(below)) => self.directory(&path, below),
                Err(error) => self.unread.push((path, error)),
            }
        }
    }

    /// Reads one entry; for a directory, says where to go on.
    fn entry(
        &mut self,
        name: &str,
        (from, to, known): (Node, Node, Node),
    ) -> Result<Option<(Node, Node, Node)>, Error> {
        let name = Name::new(name)?;
        let node = self.volume.lookup(from, name)?;
        let status = self.volume.status(node)?;
        let same = self.known.lookup(known, name).ok();
        let body = match status.kind {
            Kind::Directory => Body::Directory(BTreeMap::new()),
            Kind::File => {
                let same = same.and_then(|node| self.known.inodes.get(&node));
                let same = same.filter(|same| same.modified == status.modified);
                match same.and_then(|same| same.content().ok()) {
                    Some(content) if content.size() == status.size => Body::File(content.clone()),
                    _ => Body::File(Content::Shared(self.volume.read(node, 0, usize::MAX)?)),
                }
            }
        };
        let placed = self.tree.place_at(same, to, name, body)?;
        if let Some(inode) = self.tree.inodes.get_mut(&placed) {
            inode.accessed = status.accessed;
            inode.modified = status.modified;
            inode.changed = status.changed;
        }
        let is_directory = status.kind == Kind::Directory;
        Ok(is_directory.then(|| (node, placed, same.unwrap_or(Node(0)))))
    }
}

/// Every path below a directory of a tree, in an order in which each directory
/// comes before what is in it.
fn paths(tree: &Tree, root: Node) -> BTreeMap<Vec<Arc<str>>, Node> {
    let mut found = BTreeMap::new();
    let mut open = vec![(Vec::new(), root)];
    while let Some((path, directory)) = open.pop() {
        let Some(Body::Directory(entries)) = tree.inodes.get(&directory).map(|inode| &inode.body)
        else {
            continue;
        };
        for (name, &node) in entries {
            let mut path: Vec<Arc<str>> = path.clone();
            path.push(name.clone());
            open.push((path.clone(), node));
            found.insert(path, node);
        }
    }
    found
}

/// Doing to a volume what made one tree of another.
struct Merge<'a> {
    volume: &'a dyn Volume,
    directory: Node,
    base: &'a Tree,
    new: &'a Tree,
    before: BTreeMap<Vec<Arc<str>>, Node>,
    after: BTreeMap<Vec<Arc<str>>, Node>,
}

impl Merge<'_> {
    fn done(&self) -> Vec<Failed> {
        let mut failed = Vec::new();
        let mut note = |path: &[Arc<str>], done: Result<(), Error>| {
            if let Err(error) = done {
                failed.push((format!("/{}", path.join("/")), error));
            }
        };
        // What is in a directory goes before it.
        for (path, &node) in self.before.iter().rev() {
            let kind = self.base.kind(node).ok();
            let still = self.after.get(path);
            if still.is_none_or(|&still| self.new.kind(still).ok() != kind) {
                note(path, self.remove(path, kind));
            }
        }
        for (path, &node) in &self.after {
            note(path, self.put(path, node));
        }
        failed
    }

    fn remove(&self, path: &[Arc<str>], kind: Option<Kind>) -> Result<(), Error> {
        let Some((last, parents)) = path.split_last() else {
            return Ok(());
        };
        let removed = self.find(parents).and_then(|parent| {
            let name = Name::new(last)?;
            match kind {
                Some(Kind::Directory) => self.volume.remove_directory(parent, name),
                _ => self.volume.remove_file(parent, name),
            }
        });
        match removed {
            // Somebody else was faster, or put something there that stays.
            Err(Error::NoEntry | Error::NotEmpty) => Ok(()),
            removed => removed,
        }
    }

    fn put(&self, path: &[Arc<str>], node: Node) -> Result<(), Error> {
        let Some((last, parents)) = path.split_last() else {
            return Ok(());
        };
        let inode = self.new.inodes.get(&node).ok_or(Error::NoEntry)?;
        let known = self.before.get(path);
        let before = known.and_then(|node| self.base.inodes.get(node));
        let name = Name::new(last)?;
        match &inode.body {
            Body::Directory(_) => {
                if before.is_some_and(|before| before.kind() == Kind::Directory) {
                    return Ok(());
                }
                let parent = self.find(parents)?;
                match self.volume.create_directory(parent, name) {
                    Ok(()) | Err(Error::Exist) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Body::File(content) => {
                let same = before.and_then(|before| before.content().ok());
                let is_same = same.is_some_and(|same| same.is_same(content));
                if is_same && before.is_some_and(|before| before.modified == inode.modified) {
                    return Ok(());
                }
                let parent = self.find(parents)?;
                let how = Opening {
                    create: true,
                    write: true,
                    ..Opening::default()
                };
                let file = self.volume.open(parent, name, how)?;
                let written = if is_same {
                    Ok(())
                } else {
                    self.write(file, content)
                };
                let times = |time: Timestamp| NewTime::Set(time);
                let dated = written.and_then(|()| {
                    self.volume
                        .set_times(file, times(inode.accessed), times(inode.modified))
                });
                self.volume.release(file);
                dated
            }
        }
    }

    fn write(&self, file: Node, content: &Content) -> Result<(), Error> {
        self.volume.resize(file, 0)?;
        self.volume.resize(file, content.size())?;
        let all = |offset: u64, mut bytes: &[u8]| {
            let mut at = offset;
            while !bytes.is_empty() {
                let written = self.volume.write(file, Position::At(at), bytes)?;
                at += written as u64;
                bytes = &bytes[written..];
            }
            Ok(())
        };
        match content {
            Content::Shared(bytes) => all(0, bytes),
            Content::Chunked(chunks) => chunks
                .chunks
                .iter()
                .try_for_each(|(index, bytes)| all(index * CHUNK as u64, bytes)),
        }
    }

    fn find(&self, path: &[Arc<str>]) -> Result<Node, Error> {
        path.iter().try_fold(self.directory, |node, name| {
            self.volume.lookup(node, Name::new(name)?)
        })
    }
}

#[cfg(test)]
mod tests;
