//! A tree whose content is made when somebody first looks at it: `/servers`.
//!
//! What a [`Source`] says is asked for once per directory and once per file,
//! and kept until [`Generated::forget`]. Sizes are part of a file's status, so
//! to look at a file is to make it.
//!
//! Each directory of the root, and each other one that the source says, is a
//! part of its own: it is brought up to date before a program looks into it (see
//! [`super::link`]), and forgotten alone.
//!
//! Names come from strangers in the end. One that is not a clean name, or that
//! appears twice, is left out rather than shown under another name.

use super::error::Error;
use super::path::Name;
use super::volume::{Entry, Kind, Node, Status, Timestamp, Volume};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where generated files come from.
///
/// Paths are relative to the root of the tree, which is the empty path, and
/// only those are asked for that an earlier answer listed. Called without any
/// lock held, possibly twice at once for the same path.
pub(crate) trait Source: Send + Sync {
    /// The entries of a directory, in any order.
    fn list(&self, path: &str) -> Result<Vec<Entry>, Error>;

    /// The bytes of a file.
    fn read(&self, path: &str) -> Result<Bytes, Error>;

    /// The part that a path other than the root is in: each directory of the
    /// root, if nothing else is said.
    fn part<'p>(&self, path: &'p str) -> &'p str {
        path.split('/').next().unwrap_or(path)
    }
}

/// A tree that is made while it is looked at.
pub(crate) struct Generated {
    source: Box<dyn Source>,
    known: Mutex<Known>,
}

/// What was asked for so far.
struct Known {
    items: HashMap<Node, Item>,
    next: u64,
}

struct Item {
    path: String,
    body: Body,
}

enum Body {
    File(Option<Bytes>),
    Directory(Option<Arc<Listing>>),
}

type Listing = BTreeMap<Arc<str>, (Node, Kind)>;

impl Generated {
    /// The root directory of every generated tree.
    pub const ROOT: Node = Node(1);

    /// A tree of what this source says.
    pub fn new(source: impl Source + 'static) -> Arc<Self> {
        let known = Known {
            items: HashMap::from([(Self::ROOT, Item::root())]),
            next: Self::ROOT.0 + 1,
        };
        Arc::new(Self {
            source: Box::new(source),
            known: Mutex::new(known),
        })
    }

    /// Asks for everything in a part anew from now on. What a program holds
    /// open inside of it is gone for it, as if it had been removed.
    pub fn forget(&self, part: &str) {
        let inside = format!("{part}/");
        let mut known = self.known();
        known.items.retain(|_, item| {
            if item.path == part
                && let Body::Directory(listing) = &mut item.body
            {
                *listing = None;
            }
            !item.path.starts_with(&inside)
        });
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listing(&self, directory: Node) -> Result<Arc<Listing>, Error> {
        let path = {
            let known = self.known();
            let item = known.items.get(&directory).ok_or(Error::NoEntry)?;
            match &item.body {
                Body::File(_) => return Err(Error::NotDirectory),
                Body::Directory(Some(listing)) => return Ok(listing.clone()),
                Body::Directory(None) => item.path.clone(),
            }
        };
        let entries = self.source.list(&path)?;
        self.known().keep_listing(directory, entries)
    }

    fn bytes(&self, file: Node) -> Result<Bytes, Error> {
        let path = {
            let known = self.known();
            let item = known.items.get(&file).ok_or(Error::NoEntry)?;
            match &item.body {
                Body::Directory(_) => return Err(Error::IsDirectory),
                Body::File(Some(bytes)) => return Ok(bytes.clone()),
                Body::File(None) => item.path.clone(),
            }
        };
        let bytes = self.source.read(&path)?;
        let mut known = self.known();
        let item = known.items.get_mut(&file).ok_or(Error::NoEntry)?;
        match &mut item.body {
            Body::Directory(_) => Err(Error::IsDirectory),
            // The first answer stays, so that all readers see one file.
            Body::File(kept) => Ok(kept.get_or_insert(bytes).clone()),
        }
    }
}

impl Known {
    fn keep_listing(
        &mut self,
        directory: Node,
        entries: Vec<Entry>,
    ) -> Result<Arc<Listing>, Error> {
        let item = self.items.get(&directory).ok_or(Error::NoEntry)?;
        if let Body::Directory(Some(listing)) = &item.body {
            return Ok(listing.clone());
        }
        let parent = item.path.clone();
        let mut listing = Listing::new();
        for Entry { name, kind } in entries {
            if Name::new(&name).is_err() || listing.contains_key(&name) {
                continue;
            }
            let node = Node(self.next);
            self.next += 1;
            let path = match parent.as_str() {
                "" => name.to_string(),
                parent => format!("{parent}/{name}"),
            };
            let body = match kind {
                Kind::File => Body::File(None),
                Kind::Directory => Body::Directory(None),
            };
            self.items.insert(node, Item { path, body });
            listing.insert(name, (node, kind));
        }
        let listing = Arc::new(listing);
        if let Some(item) = self.items.get_mut(&directory) {
            item.body = Body::Directory(Some(listing.clone()));
        }
        Ok(listing)
    }
}

impl Item {
    fn root() -> Self {
        Self {
            path: String::new(),
            body: Body::Directory(None),
        }
    }
}

impl Volume for Generated {
    fn has_parts(&self) -> bool {
        true
    }

    fn part(&self, node: Node) -> Option<String> {
        let known = self.known();
        let path = &known.items.get(&node)?.path;
        (!path.is_empty()).then(|| self.source.part(path).to_owned())
    }

    fn lookup(&self, directory: Node, name: Name<'_>) -> Result<Node, Error> {
        let listing = self.listing(directory)?;
        let (node, _) = listing.get(name.as_str()).ok_or(Error::NoEntry)?;
        Ok(*node)
    }

    fn status(&self, node: Node) -> Result<Status, Error> {
        let (kind, size) = match self.bytes(node) {
            Ok(bytes) => (Kind::File, bytes.len() as u64),
            Err(Error::IsDirectory) => (Kind::Directory, 0),
            Err(error) => return Err(error),
        };
        let epoch = Timestamp::default();
        Ok(Status {
            kind,
            size,
            links: 1,
            accessed: epoch,
            modified: epoch,
            changed: epoch,
        })
    }

    fn entries(
        &self,
        directory: Node,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let listing = self.listing(directory)?;
        let rest = listing.range::<str, _>((start, Bound::Unbounded));
        let entry = |(name, &(_, kind)): (&Arc<str>, &(Node, Kind))| Entry {
            name: name.clone(),
            kind,
        };
        Ok(rest.take(limit).map(entry).collect())
    }

    fn read(&self, file: Node, offset: u64, length: usize) -> Result<Bytes, Error> {
        let bytes = self.bytes(file)?;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let end = start.saturating_add(length).min(bytes.len());
        Ok(bytes.slice(start..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Two servers, one of them broken. Counts the questions.
    #[derive(Clone, Default)]
    struct Servers {
        asked: Arc<AtomicUsize>,
    }

    impl Source for Servers {
        fn list(&self, path: &str) -> Result<Vec<Entry>, Error> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let entry = |name: &str, kind| Entry {
                name: name.into(),
                kind,
            };
            match path {
                "" => Ok(vec![
                    entry("time", Kind::Directory),
                    entry("broken", Kind::Directory),
                    entry("README.md", Kind::File),
                    entry("README.md", Kind::Directory),
                    entry("..", Kind::Directory),
                    entry("../escape", Kind::File),
                    entry("", Kind::File),
                ]),
                "time" => Ok(vec![entry("now.py", Kind::File)]),
                _ => Err(Error::Io),
            }
        }

        fn read(&self, path: &str) -> Result<Bytes, Error> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            match path {
                "README.md" => Ok("how to use this".into()),
                "time/now.py" => Ok("def now(): ...".into()),
                _ => Err(Error::Io),
            }
        }
    }

    fn name(text: &str) -> Name<'_> {
        Name::new(text).expect("a name")
    }

    #[test]
    fn nothing_is_made_before_somebody_looks_and_then_once() {
        let servers = Servers::default();
        let tree = Generated::new(servers.clone());
        let asked = || servers.asked.load(Ordering::Relaxed);
        assert_eq!(tree.status(Generated::ROOT).unwrap().kind, Kind::Directory);
        assert_eq!(asked(), 0);
        for _ in 0..3 {
            let time = tree.lookup(Generated::ROOT, name("time")).unwrap();
            let now = tree.lookup(time, name("now.py")).unwrap();
            assert_eq!(tree.status(now).unwrap().size, 14);
            assert_eq!(tree.read(now, 4, 3).unwrap(), b"now"[..]);
            assert_eq!(tree.read(now, u64::MAX, 3).unwrap(), b""[..]);
            assert_eq!(asked(), 3);
        }
    }

    #[test]
    fn names_that_are_none_are_left_out() {
        let tree = Generated::new(Servers::default());
        let names = |entries: Vec<Entry>| {
            let names = entries.into_iter().map(|entry| entry.name.to_string());
            names.collect::<Vec<_>>()
        };
        let all = tree.entries(Generated::ROOT, None, 9).unwrap();
        assert_eq!(names(all), ["README.md", "broken", "time"]);
        let rest = tree.entries(Generated::ROOT, Some("README.md"), 1).unwrap();
        assert_eq!(names(rest), ["broken"]);
        let readme = tree.lookup(Generated::ROOT, name("README.md")).unwrap();
        assert_eq!(tree.status(readme).unwrap().kind, Kind::File);
    }

    #[test]
    fn an_error_is_not_kept() {
        let servers = Servers::default();
        let tree = Generated::new(servers.clone());
        let broken = tree.lookup(Generated::ROOT, name("broken")).unwrap();
        assert_eq!(tree.entries(broken, None, 9), Err(Error::Io));
        let before = servers.asked.load(Ordering::Relaxed);
        assert_eq!(tree.entries(broken, None, 9), Err(Error::Io));
        assert_eq!(servers.asked.load(Ordering::Relaxed), before + 1);
    }

    #[test]
    fn what_was_forgotten_is_asked_for_again() {
        let servers = Servers::default();
        let tree = Generated::new(servers.clone());
        let time = tree.lookup(Generated::ROOT, name("time")).unwrap();
        let now = tree.lookup(time, name("now.py")).unwrap();
        let broken = tree.lookup(Generated::ROOT, name("broken")).unwrap();
        assert_eq!(tree.part(now), Some("time".into()));
        assert_eq!(tree.part(time), Some("time".into()));
        assert_eq!(tree.part(Generated::ROOT), None);
        tree.forget("time");
        // The file is gone, the directory is not.
        assert_eq!(tree.read(now, 0, 9), Err(Error::NoEntry));
        let again = tree.lookup(time, name("now.py")).unwrap();
        assert_ne!(again, now);
        assert_eq!(servers.asked.load(Ordering::Relaxed), 3);
        assert_eq!(tree.lookup(Generated::ROOT, name("broken")), Ok(broken));
    }

    #[test]
    fn nothing_in_it_can_be_changed() {
        let tree = Generated::new(Servers::default());
        assert!(!tree.writable());
        let removed = tree.remove_file(Generated::ROOT, name("README.md"));
        assert_eq!(removed, Err(Error::ReadOnly));
    }
}
