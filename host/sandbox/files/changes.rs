//! What changed in a tree since another saw it, as data that crosses to another
//! process: two trees of one session, one where programs run and one where the
//! host keeps what they left.
//!
//! Every entry is named, so that the receiver sees the whole tree; of the
//! contents only the chunks are sent that are not the ones that both have. A tree
//! keeps nothing about changes while programs write: chunks are shared until they
//! are written, so that a chunk is the same if it is the same allocation.
//!
//! What comes is a stranger's. It is checked as a whole before anything of the
//! tree is touched.

use super::content::{CHUNK, Chunks, Content};
use super::inode::{Body, Entries, Inode};
use super::path::Name;
use super::tree::Tree;
use super::volume::{Node, Timestamp};
use bytes::Bytes;
use contract::quota::Usage;
use contract::worker::{FileBody, FileChanges, FileChunk, FileEntry};
use std::collections::HashMap;
use std::sync::Arc;

/// What came is not a tree that this one can become.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("files that cannot be: {0}")]
pub struct Malformed(pub(crate) &'static str);

/// Chunks that came before the changes that they belong to, bounded by a quota.
#[derive(Debug, Default)]
pub struct Arrived {
    chunks: HashMap<(u64, u64), Arc<Vec<u8>>>,
    bytes: u64,
}

impl Arrived {
    /// Keeps a chunk, if all of them are not more than `most` bytes.
    ///
    /// # Errors
    ///
    /// When they are, or when it is no chunk.
    pub fn keep(&mut self, chunk: FileChunk, most: u64) -> Result<(), Malformed> {
        let FileChunk { node, index, bytes } = chunk;
        self.bytes += bytes.len() as u64;
        if bytes.is_empty() || bytes.len() > CHUNK || self.bytes > most {
            return Err(Malformed("chunks of more than the quota, or of no size"));
        }
        self.chunks.insert((node, index), Arc::new(bytes.into()));
        Ok(())
    }
}

impl Tree {
    /// What to tell somebody who has `base`, an earlier state of this tree: each
    /// chunk that changed, and then the entries.
    pub(super) fn changes_since(
        &self,
        base: &Self,
        mut send: impl FnMut(FileChunk),
    ) -> FileChanges {
        let mut entries = Vec::new();
        let mut directories = vec![Self::ROOT];
        while let Some(directory) = directories.pop() {
            let Some(Inode {
                body: Body::Directory(listing),
                ..
            }) = self.inodes.get(&directory)
            else {
                continue;
            };
            for (name, &node) in listing {
                let Some(inode) = self.inodes.get(&node) else {
                    continue;
                };
                let body = match &inode.body {
                    Body::Directory(_) => {
                        directories.push(node);
                        FileBody::Directory
                    }
                    Body::File(content) => {
                        let known = base.inodes.get(&node).map(|inode| &inode.body);
                        body(node, content, known, &mut send)
                    }
                };
                let times = [inode.accessed, inode.modified, inode.changed];
                entries.push(FileEntry {
                    node: node.0,
                    parent: directory.0,
                    name: name.to_string(),
                    times: times.map(|time| (time.seconds, time.nanoseconds)),
                    body,
                });
            }
        }
        FileChanges {
            entries,
            next: self.next,
        }
    }

    /// The same tree as nobody holds it: what was removed is gone.
    pub(super) fn named(&self) -> Self {
        let mut tree = self.clone();
        tree.inodes.retain(|_, inode| {
            inode.held = 0;
            inode.linked
        });
        tree.usage = tree.recount_named();
        tree
    }

    fn recount_named(&self) -> Usage {
        let mut usage = Usage::default();
        for (&node, inode) in &self.inodes {
            if !self.is_fixed(node) {
                usage.inodes += 1;
                usage.bytes += inode.content().map_or(0, Content::size);
            }
        }
        usage
    }

    /// Becomes what these changes say. Whoever holds a file keeps it.
    ///
    /// # Errors
    ///
    /// When they say what cannot be; nothing is changed then.
    pub(super) fn apply(
        &mut self,
        changes: FileChanges,
        mut arrived: Arrived,
    ) -> Result<(), Malformed> {
        let mut new = self.fixed();
        let mut depths: HashMap<Node, usize> = new.keys().map(|&node| (node, 1)).collect();
        depths.insert(Self::ROOT, 0);
        let mut usage = Usage::default();
        for entry in changes.entries {
            let (node, parent) = (Node(entry.node), Node(entry.parent));
            let times = entry.times.map(|(seconds, nanoseconds)| Timestamp {
                seconds,
                nanoseconds,
            });
            if times.iter().any(|time| time.nanoseconds >= 1_000_000_000) {
                return Err(Malformed("a time that is none"));
            }
            if let Some(fixed) = new.get_mut(&node)
                && self.is_fixed(node)
            {
                if parent != Self::ROOT || *fixed.name != *entry.name {
                    return Err(Malformed("a directory of the host has another name"));
                }
                [fixed.accessed, fixed.modified, fixed.changed] = times;
                continue;
            }
            let Ok(name) = Name::new(&entry.name) else {
                return Err(Malformed("a name that is none"));
            };
            let depth = depths.get(&parent).map_or(usize::MAX, |depth| depth + 1);
            if parent == Self::ROOT && self.uncharged > 0 || depth > self.max_depth() {
                return Err(Malformed("an entry where none can be"));
            }
            if node.0 >= changes.next || node.0 < self.first_free() || new.contains_key(&node) {
                return Err(Malformed("a number that is not an entry's own"));
            }
            let body = match entry.body {
                FileBody::Directory => {
                    depths.insert(node, depth);
                    Body::Directory(Entries::new())
                }
                FileBody::Same => Body::File(self.known(node)?.clone()),
                FileBody::File { size, chunks } => {
                    let known = self.known(node).ok();
                    Body::File(content(node, size, chunks, known, &mut arrived)?)
                }
            };
            usage.inodes += 1;
            if let Body::File(content) = &body {
                usage.bytes = usage.bytes.saturating_add(content.size());
                if content.size() > self.quota.file_bytes.max(self.size(node).unwrap_or(0)) {
                    return Err(Malformed("a file of more than the quota"));
                }
            }
            if usage.inodes > self.quota.inodes || usage.bytes > self.quota.bytes {
                return Err(Malformed("files of more than the quota"));
            }
            let name: Arc<str> = name.as_str().into();
            let listing = new.get_mut(&parent).map(|parent| &mut parent.body);
            let Some(Body::Directory(listing)) = listing else {
                return Err(Malformed("an entry of what is no directory"));
            };
            if listing.insert(name.clone(), node).is_some() {
                return Err(Malformed("two entries of one name"));
            }
            let mut inode = Inode::new(Some(parent), name, times[2], body);
            [inode.accessed, inode.modified, inode.changed] = times;
            new.insert(node, inode);
        }
        if changes.next < self.next || changes.next > u64::MAX / 2 {
            return Err(Malformed("numbers that were used already"));
        }
        self.become_these(new, usage, changes.next);
        Ok(())
    }

    /// Becomes the same as another tree of the same directories. Whoever holds a
    /// file keeps it.
    pub(super) fn become_like(&mut self, other: &Self) {
        debug_assert!(other.inodes.values().all(|inode| inode.held == 0));
        self.become_these(other.inodes.clone(), other.usage, other.next);
    }

    /// The root and the directories that the host put there, empty.
    fn fixed(&self) -> HashMap<Node, Inode> {
        let fixed = self.inodes.iter().filter(|(node, _)| self.is_fixed(**node));
        let mut fixed: HashMap<Node, Inode> = fixed
            .map(|(&node, inode)| {
                let body = Body::Directory(Entries::new());
                let mut empty = Inode::new(inode.parent, inode.name.clone(), inode.changed, body);
                [empty.accessed, empty.modified] = [inode.accessed, inode.modified];
                (node, empty)
            })
            .collect();
        let names: Vec<_> = fixed
            .iter()
            .filter(|(node, _)| **node != Self::ROOT)
            .map(|(&node, inode)| (inode.name.clone(), node))
            .collect();
        if let Some(Body::Directory(root)) = fixed.get_mut(&Self::ROOT).map(|root| &mut root.body) {
            root.extend(names);
        }
        fixed
    }

    fn is_fixed(&self, node: Node) -> bool {
        node.0 < self.first_free()
    }

    /// The first number that a program's entry can have: the root has 1, and
    /// what the host puts there comes next.
    fn first_free(&self) -> u64 {
        Self::ROOT.0 + 1 + self.uncharged
    }

    fn known(&self, node: Node) -> Result<&Content, Malformed> {
        let known = self
            .inodes
            .get(&node)
            .and_then(|inode| inode.content().ok());
        known.ok_or(Malformed("the content of a file that is not there"))
    }

    fn become_these(&mut self, mut new: HashMap<Node, Inode>, mut usage: Usage, next: u64) {
        for (node, old) in self.inodes.drain() {
            if old.held == 0 {
                continue;
            }
            match new.get_mut(&node) {
                Some(inode) => inode.held = old.held,
                None => {
                    usage.inodes += 1;
                    usage.bytes += old.content().map_or(0, Content::size);
                    let unlinked = Inode {
                        parent: None,
                        linked: false,
                        ..old
                    };
                    new.insert(node, unlinked);
                }
            }
        }
        self.inodes = new;
        self.usage = usage;
        self.next = next;
        self.version += 1;
    }
}

/// A file of which somebody may have some chunks.
fn body(
    node: Node,
    content: &Content,
    known: Option<&Body>,
    send: &mut impl FnMut(FileChunk),
) -> FileBody {
    let known = match known {
        Some(Body::File(known)) => Some(known),
        _ => None,
    };
    if known.is_some_and(|known| known.is_same(content)) {
        return FileBody::Same;
    }
    let mut chunks = Vec::new();
    let mut chunk = |index, bytes: Bytes| {
        send(FileChunk {
            node: node.0,
            index,
            bytes,
        });
        chunks.push((index, true));
    };
    match content {
        Content::Shared(bytes) => {
            for (index, start) in (0..bytes.len()).step_by(CHUNK).enumerate() {
                let end = bytes.len().min(start + CHUNK);
                chunk(index as u64, bytes.slice(start..end));
            }
        }
        Content::Chunked(own) => {
            for (&index, bytes) in &own.chunks {
                match known {
                    _ if bytes.is_empty() => {}
                    Some(Content::Chunked(known))
                        if known
                            .chunks
                            .get(&index)
                            .is_some_and(|known| Arc::ptr_eq(known, bytes)) =>
                    {
                        chunks.push((index, false));
                    }
                    _ => {
                        send(FileChunk {
                            node: node.0,
                            index,
                            bytes: Bytes::copy_from_slice(bytes),
                        });
                        chunks.push((index, true));
                    }
                }
            }
        }
    }
    FileBody::File {
        size: content.size(),
        chunks,
    }
}

/// A chunk of bytes that are kept as a whole.
fn chunk_of(bytes: &Bytes, index: u64) -> Option<Arc<Vec<u8>>> {
    let start = usize::try_from(index).ok()?.checked_mul(CHUNK)?;
    let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
    Some(Arc::new(rest[..rest.len().min(CHUNK)].to_vec()))
}

/// A file of chunks that came and chunks that are here.
fn content(
    node: Node,
    size: u64,
    chunks: Vec<(u64, bool)>,
    known: Option<&Content>,
    arrived: &mut Arrived,
) -> Result<Content, Malformed> {
    let mut content = Chunks {
        size,
        ..Chunks::default()
    };
    for (index, is_sent) in chunks {
        let bytes = match (is_sent, known) {
            (true, _) => arrived.chunks.remove(&(node.0, index)),
            (false, Some(Content::Chunked(known))) => known.chunks.get(&index).cloned(),
            (false, Some(Content::Shared(known))) => chunk_of(known, index),
            (false, None) => None,
        };
        let bytes = bytes.ok_or(Malformed("a chunk that is not there"))?;
        let end = index
            .checked_mul(CHUNK as u64)
            .and_then(|start| start.checked_add(bytes.len() as u64));
        if end.is_none_or(|end| end > size) {
            return Err(Malformed("a chunk beyond the end of its file"));
        }
        if content.chunks.insert(index, bytes).is_some() {
            return Err(Malformed("a chunk twice"));
        }
    }
    Ok(Content::Chunked(content))
}
