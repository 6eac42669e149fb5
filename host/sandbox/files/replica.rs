//! A workspace in two processes: what the other side has of it, and what each
//! tells the other.
//!
//! Where nobody else changed a workspace in memory meanwhile, it becomes the tree
//! that comes. Otherwise, and in a directory, what is different is done to it path
//! by path, the last writer of a file wins.

use super::changes::{Arrived, Malformed};
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
    /// this. `None` if it has it already.
    ///
    /// # Errors
    ///
    /// When a directory of the host cannot be read.
    pub fn changes_for(
        &self,
        replica: &mut Replica,
        send: impl FnMut(FileChunk),
    ) -> Result<Option<FileChanges>, PathError> {
        let version = self.version();
        if replica.version == Some(version) {
            return Ok(None);
        }
        let now = match self.volume.snapshot() {
            Some(tree) => tree,
            None => self.read_all(&replica.tree)?,
        };
        // Both begin with nothing.
        let is_empty = [now.usage(), replica.tree.usage()] == [Usage::default(); 2];
        let changes = (!is_empty).then(|| now.changes_since(&replica.tree, send));
        replica.tree = now;
        replica.version = Some(version);
        Ok(changes)
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
    fn read_all(&self, known: &Tree) -> Result<Tree, PathError> {
        let clock = Arc::new(SystemTime::now);
        let (mut tree, _) = Memory::tree_with(self.quota(), clock, ["workspace", "tmp"]);
        tree.next = known.next;
        let (files, temporary) = (self.files(), self.temporary());
        for (root, prefix, (volume, directory)) in
            [(FILES, "", files), (TEMPORARY, "/tmp", temporary)]
        {
            let reading = Reading {
                volume: &*volume,
                known,
            };
            reading
                .directory((directory, root, root), &mut tree)
                .map_err(|(path, reason)| PathError {
                    action: "read",
                    path: format!("{prefix}{path}").trim_start_matches('/').to_owned(),
                    reason,
                })?;
        }
        Ok(tree)
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
}

impl Reading<'_> {
    /// As deep as a tree may be, so recursion is bounded. `from` is in the volume,
    /// `to` in the new tree, `known` in the one that is known.
    fn directory(
        &self,
        (from, to, known): (Node, Node, Node),
        tree: &mut Tree,
    ) -> Result<(), Failed> {
        fn at(name: &str) -> impl Fn(Error) -> Failed {
            move |error| (format!("/{name}"), error)
        }
        let entries = self
            .volume
            .entries(from, None, usize::MAX)
            .map_err(at(""))?;
        for entry in entries {
            let name = Name::new(&entry.name).map_err(at(&entry.name))?;
            let node = match self.volume.lookup(from, name) {
                Err(Error::NoEntry) => continue,
                node => node.map_err(at(&entry.name))?,
            };
            let status = self.volume.status(node).map_err(at(&entry.name))?;
            let same = self.known.lookup(known, name).ok();
            let body = match status.kind {
                Kind::Directory => Body::Directory(BTreeMap::new()),
                Kind::File => {
                    let same = same.and_then(|node| self.known.inodes.get(&node));
                    let same = same.filter(|same| same.modified == status.modified);
                    match same.and_then(|same| same.content().ok()) {
                        Some(content) if content.size() == status.size => {
                            Body::File(content.clone())
                        }
                        _ => {
                            let bytes = self.volume.read(node, 0, usize::MAX);
                            let bytes = bytes.map_err(at(&entry.name))?;
                            Body::File(super::content::Content::Shared(bytes))
                        }
                    }
                }
            };
            let placed = tree
                .place_at(same, to, name, body)
                .map_err(at(&entry.name))?;
            if let Some(inode) = tree.inodes.get_mut(&placed) {
                inode.accessed = status.accessed;
                inode.modified = status.modified;
                inode.changed = status.changed;
            }
            if status.kind == Kind::Directory {
                let below = (node, placed, same.unwrap_or(Node(0)));
                self.directory(below, tree)
                    .map_err(|(path, error)| (format!("/{}{path}", entry.name), error))?;
            }
        }
        Ok(())
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

    fn write(&self, file: Node, content: &super::content::Content) -> Result<(), Error> {
        use super::content::{CHUNK, Content};
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
