//! The tree against a model that is too simple to be wrong, and its limits.

use super::super::random::Random;
use super::*;
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

fn clock() -> Clock {
    Arc::new(|| UNIX_EPOCH + Duration::from_secs(1_000))
}

fn tree(bytes: u64, file_bytes: u64, inodes: u64) -> Tree {
    let quota = Quota {
        bytes,
        file_bytes,
        inodes,
    };
    Tree::new(quota, clock())
}

fn name(text: &str) -> Name<'_> {
    Name::new(text).expect("a name")
}

const CREATE: Opening = Opening {
    create: true,
    exclusive: false,
    truncate: false,
    write: true,
    directory: false,
};

/// All paths with their contents; directories have none.
#[derive(Clone, Default)]
struct Model {
    entries: BTreeMap<String, Option<Vec<u8>>>,
}

impl Model {
    fn children(&self, path: &str) -> usize {
        let prefix = format!("{path}/");
        self.entries
            .keys()
            .filter(|key| key.starts_with(&prefix))
            .count()
    }

    fn usage(&self) -> Usage {
        Usage {
            bytes: self
                .entries
                .values()
                .flatten()
                .map(|bytes| bytes.len() as u64)
                .sum(),
            inodes: self.entries.len() as u64,
        }
    }

    /// The parent must be a directory.
    fn check_parent(&self, path: &str) -> Result<(), Error> {
        match path.rsplit_once('/') {
            None => Ok(()),
            Some((parent, _)) => {
                self.check_parent(parent)?;
                match self.entries.get(parent) {
                    None => Err(Error::NoEntry),
                    Some(None) => Ok(()),
                    Some(Some(_)) => Err(Error::NotDirectory),
                }
            }
        }
    }

    fn make(&mut self, path: &str, body: Option<Vec<u8>>, quota: &Quota) -> Result<(), Error> {
        self.check_parent(path)?;
        match (self.entries.get(path), &body) {
            (Some(Some(_)), Some(_)) => return Ok(()),
            (Some(None), Some(_)) => return Err(Error::IsDirectory),
            (Some(_), None) => return Err(Error::Exist),
            (None, _) => {}
        }
        if self.usage().inodes >= quota.inodes {
            return Err(FileLimit::Inodes(quota.inodes).into());
        }
        self.entries.insert(path.to_owned(), body);
        Ok(())
    }

    fn remove(&mut self, path: &str, directory: bool) -> Result<(), Error> {
        self.check_parent(path)?;
        match (self.entries.get(path), directory) {
            (None, _) => return Err(Error::NoEntry),
            (Some(None), false) => return Err(Error::IsDirectory),
            (Some(Some(_)), true) => return Err(Error::NotDirectory),
            _ => {}
        }
        if self.children(path) > 0 {
            return Err(Error::NotEmpty);
        }
        self.entries.remove(path);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        self.check_parent(from)?;
        let source = self.entries.get(from).ok_or(Error::NoEntry)?.clone();
        self.check_parent(to)?;
        if to.starts_with(&format!("{from}/")) {
            return Err(Error::Invalid);
        }
        if from == to {
            return Ok(());
        }
        match (self.entries.get(to), &source) {
            (Some(None), Some(_)) => return Err(Error::IsDirectory),
            (Some(Some(_)), None) => return Err(Error::NotDirectory),
            (Some(None), None) if self.children(to) > 0 => return Err(Error::NotEmpty),
            _ => {}
        }
        let prefix = format!("{from}/");
        let moved: Vec<String> = self
            .entries
            .keys()
            .filter(|key| *key == from || key.starts_with(&prefix))
            .cloned()
            .collect();
        for key in moved {
            let body = self.entries.remove(&key).expect("it was listed");
            self.entries.insert(key.replacen(from, to, 1), body);
        }
        Ok(())
    }

    /// How long the file may become, and why no longer.
    fn largest(&self, size: u64, quota: &Quota) -> (u64, FileLimit) {
        let by_space = quota.bytes - self.usage().bytes + size;
        if quota.file_bytes <= by_space {
            (quota.file_bytes, FileLimit::FileSize(quota.file_bytes))
        } else {
            (by_space, FileLimit::Bytes(quota.bytes))
        }
    }

    fn write(&mut self, path: &str, at: usize, data: &[u8], quota: &Quota) -> Result<usize, Error> {
        let size = self.entries[path].as_ref().map_or(0, Vec::len);
        let (largest, limit) = self.largest(size as u64, quota);
        let largest = usize::try_from(largest).unwrap().max(size);
        if data.is_empty() {
            return Ok(0);
        }
        if at >= largest {
            return Err(limit.into());
        }
        let length = data.len().min(largest - at);
        let body = self.entries.get_mut(path).unwrap().as_mut().unwrap();
        body.resize(size.max(at + length), 0);
        body[at..at + length].copy_from_slice(&data[..length]);
        Ok(length)
    }
}

/// Walks a path as the mount table does.
fn parent<'a>(tree: &Tree, path: &'a str) -> Result<(Node, Name<'a>), Error> {
    let mut node = Tree::ROOT;
    let (parents, last) = path.rsplit_once('/').unwrap_or(("", path));
    for part in parents.split('/').filter(|part| !part.is_empty()) {
        node = tree.lookup(node, name(part))?;
    }
    if tree.kind(node)? != Kind::Directory {
        return Err(Error::NotDirectory);
    }
    Ok((node, name(last)))
}

/// The whole tree, as the model has it.
fn dump(tree: &Tree, node: Node, prefix: &str, into: &mut BTreeMap<String, Option<Vec<u8>>>) {
    for entry in tree.entries(node, None, usize::MAX).unwrap() {
        let path = format!("{prefix}{}", entry.name);
        let child = tree.lookup(node, name(&entry.name)).unwrap();
        match entry.kind {
            Kind::File => {
                let bytes = tree.read(child, 0, usize::MAX).unwrap();
                into.insert(path, Some(bytes.to_vec()));
            }
            Kind::Directory => {
                dump(tree, child, &format!("{path}/"), into);
                into.insert(path, None);
            }
        }
    }
}

#[test]
fn behaves_like_a_map_of_paths() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let quota = Quota {
            bytes: 3_000,
            file_bytes: 1_000,
            inodes: 12,
        };
        let mut tree = Tree::new(quota, clock());
        let mut model = Model::default();
        for step in 0..400 {
            let path = |random: &mut Random| {
                let depth = 1 + random.below(3);
                let names: Vec<&str> = (0..depth)
                    .map(|_| ["a", "b", "c"][random.below(3)])
                    .collect();
                names.join("/")
            };
            let one = path(&mut random);
            let two = path(&mut random);
            let found = parent(&tree, &one);
            let (expected, got) = match random.below(7) {
                0 | 1 => (
                    model.make(&one, Some(Vec::new()), &quota),
                    found.and_then(|(dir, name)| {
                        let node = tree.open(dir, name, CREATE)?;
                        tree.release(node);
                        Ok(())
                    }),
                ),
                2 => (
                    model.make(&one, None, &quota),
                    found.and_then(|(dir, name)| tree.create_directory(dir, name).map(drop)),
                ),
                3 => {
                    let directory = random.below(2) == 0;
                    (
                        model.remove(&one, directory),
                        found.and_then(|(dir, name)| {
                            if directory {
                                tree.remove_directory(dir, name)
                            } else {
                                tree.remove_file(dir, name)
                            }
                        }),
                    )
                }
                4 => (
                    model.rename(&one, &two),
                    found.and_then(|from| {
                        tree.lookup(from.0, from.1)?;
                        tree.rename(from, parent(&tree, &two)?)
                    }),
                ),
                _ if !matches!(model.entries.get(&one), Some(Some(_))) => (Ok(()), Ok(())),
                5 => {
                    let (dir, name) = found.unwrap();
                    let node = tree.lookup(dir, name).unwrap();
                    let at = random.below(1_100);
                    let data = vec![step as u8; random.below(1_100)];
                    let expected = model.write(&one, at, &data, &quota);
                    assert_eq!(tree.write(node, Position::At(at as u64), &data), expected);
                    (Ok(()), Ok(()))
                }
                _ => {
                    let (dir, name) = found.unwrap();
                    let node = tree.lookup(dir, name).unwrap();
                    let size = random.below(1_100);
                    let before = model.entries[&one].as_ref().unwrap().len();
                    let (largest, limit) = model.largest(before as u64, &quota);
                    let expected = if size > before && size as u64 > largest {
                        Err(limit.into())
                    } else {
                        model
                            .entries
                            .get_mut(&one)
                            .unwrap()
                            .as_mut()
                            .unwrap()
                            .resize(size, 0);
                        Ok(())
                    };
                    (expected, tree.resize(node, size as u64))
                }
            };
            assert_eq!(got, expected, "seed {seed} step {step}: {one} {two}");
            assert_eq!(tree.usage(), model.usage(), "seed {seed} step {step}");
            assert_eq!(tree.recount(), tree.usage(), "seed {seed} step {step}");
        }
        let mut files = BTreeMap::new();
        dump(&tree, Tree::ROOT, "", &mut files);
        assert_eq!(files, model.entries);
    }
}

#[test]
fn limits_are_exact_to_the_byte() {
    let mut tree = tree(25, 10, 9);
    let file = |tree: &mut Tree, n: &str| tree.open(Tree::ROOT, name(n), CREATE).unwrap();
    let one = file(&mut tree, "one");
    assert_eq!(tree.write(one, Position::At(0), &[1; 10]), Ok(10));
    assert_eq!(
        tree.write(one, Position::End, b"x"),
        Err(FileLimit::FileSize(10).into())
    );
    assert_eq!(tree.write(one, Position::At(8), &[2; 5]), Ok(2));
    assert_eq!(
        tree.write(one, Position::At(u64::MAX), b"x"),
        Err(FileLimit::FileSize(10).into())
    );
    assert_eq!(tree.resize(one, 11), Err(FileLimit::FileSize(10).into()));
    let two = file(&mut tree, "two");
    assert_eq!(tree.resize(two, 10), Ok(()));
    let three = file(&mut tree, "three");
    assert_eq!(tree.write(three, Position::At(4), b"abc"), Ok(1));
    assert_eq!(tree.read(three, 0, 9).unwrap(), b"\0\0\0\0a"[..]);
    assert_eq!(
        tree.write(three, Position::End, b"x"),
        Err(FileLimit::Bytes(25).into())
    );
    assert_eq!(tree.resize(three, 6), Err(FileLimit::Bytes(25).into()));
    assert_eq!(tree.usage().bytes, 25);
    // What is there can still be written over.
    assert_eq!(tree.write(three, Position::At(0), b"12345678"), Ok(5));
    assert_eq!(tree.usage(), tree.recount());
}

#[test]
fn a_removed_file_counts_until_it_is_released() {
    let mut tree = tree(10, 10, 1);
    let file = tree.open(Tree::ROOT, name("f"), CREATE).unwrap();
    tree.write(file, Position::End, &[1; 10]).unwrap();
    tree.remove_file(Tree::ROOT, name("f")).unwrap();
    assert_eq!(tree.read(file, 0, 99).unwrap().len(), 10);
    assert_eq!(tree.status(file).unwrap().links, 0);
    let again = tree.open(Tree::ROOT, name("g"), CREATE);
    assert_eq!(again, Err(FileLimit::Inodes(1).into()));
    tree.release(file);
    assert_eq!(tree.usage(), Usage::default());
    assert_eq!(tree.status(file), Err(Error::NoEntry));
    assert!(tree.open(Tree::ROOT, name("g"), CREATE).is_ok());
}

#[test]
fn replacing_a_big_file_gives_its_space_back_once() {
    let mut tree = tree(10, 10, 2);
    for n in ["old", "new"] {
        let file = tree.open(Tree::ROOT, name(n), CREATE).unwrap();
        tree.write(file, Position::End, &[1; 5]).unwrap();
        tree.release(file);
    }
    tree.rename((Tree::ROOT, name("new")), (Tree::ROOT, name("old")))
        .unwrap();
    assert_eq!(
        tree.usage(),
        Usage {
            bytes: 5,
            inodes: 1
        }
    );
    assert_eq!(tree.recount(), tree.usage());
}

#[test]
fn nothing_is_made_in_a_removed_directory() {
    let mut tree = tree(10, 10, 9);
    let directory = tree.create_directory(Tree::ROOT, name("d")).unwrap();
    tree.hold(directory).unwrap();
    tree.remove_directory(Tree::ROOT, name("d")).unwrap();
    assert_eq!(tree.open(directory, name("f"), CREATE), Err(Error::NoEntry));
    assert_eq!(
        tree.create_directory(directory, name("e")),
        Err(Error::NoEntry)
    );
    let file = tree.open(Tree::ROOT, name("f"), CREATE).unwrap();
    assert_eq!(
        tree.rename((Tree::ROOT, name("f")), (directory, name("f"))),
        Err(Error::NoEntry)
    );
    assert_eq!(tree.entries(directory, None, 9), Ok(Vec::new()));
    tree.release(directory);
    tree.release(file);
    assert_eq!(tree.recount(), tree.usage());
}

#[test]
fn depth_is_bounded_also_by_renames() {
    let mut tree = tree(10, 10, 1_000);
    let deep = |tree: &mut Tree, start: Node, levels: usize| {
        (0..levels).fold(start, |node, _| {
            tree.create_directory(node, name("d")).unwrap()
        })
    };
    let limit = Error::Limit(FileLimit::Depth(MAX_DEPTH));
    let bottom = deep(&mut tree, Tree::ROOT, MAX_DEPTH);
    assert_eq!(tree.create_directory(bottom, name("d")), Err(limit));
    assert_eq!(tree.open(bottom, name("f"), CREATE), Err(limit));

    // Three levels fit below level 61, not below level 62.
    let small = tree.create_directory(Tree::ROOT, name("small")).unwrap();
    deep(&mut tree, small, 2);
    let mut node = Tree::ROOT;
    for _ in 0..61 {
        node = tree.lookup(node, name("d")).unwrap();
    }
    let lower = tree.lookup(node, name("d")).unwrap();
    let from = (Tree::ROOT, name("small"));
    assert_eq!(tree.rename(from, (lower, name("s"))), Err(limit));
    assert_eq!(tree.rename(from, (node, name("s"))), Ok(()));
    assert_eq!(tree.recount(), tree.usage());
}

#[test]
fn a_directory_does_not_move_into_itself() {
    let mut tree = tree(10, 10, 9);
    let a = tree.create_directory(Tree::ROOT, name("a")).unwrap();
    let b = tree.create_directory(a, name("b")).unwrap();
    for inside in [a, b] {
        let moved = tree.rename((Tree::ROOT, name("a")), (inside, name("x")));
        assert_eq!(moved, Err(Error::Invalid));
    }
    // Up is possible, and over a parent is not.
    assert_eq!(
        tree.rename((a, name("b")), (Tree::ROOT, name("a"))),
        Err(Error::NotEmpty)
    );
    assert_eq!(tree.rename((a, name("b")), (Tree::ROOT, name("b"))), Ok(()));
    assert_eq!(
        tree.rename((Tree::ROOT, name("b")), (Tree::ROOT, name("a"))),
        Ok(())
    );
    assert_eq!(tree.recount(), tree.usage());
}

#[test]
fn listings_are_paged_in_order() {
    let mut tree = tree(10, 10, 1_000);
    for i in (0..500).rev() {
        let file = tree
            .open(Tree::ROOT, name(&format!("f{i:03}")), CREATE)
            .unwrap();
        tree.release(file);
    }
    let mut seen: Vec<Arc<str>> = Vec::new();
    loop {
        let page = tree
            .entries(Tree::ROOT, seen.last().map(AsRef::as_ref), 64)
            .unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 64);
        seen.extend(page.into_iter().map(|entry| entry.name));
    }
    assert_eq!(seen.len(), 500);
    assert!(seen.is_sorted());
}

#[test]
fn a_clone_is_a_snapshot() {
    let mut tree = tree(100, 100, 9);
    let file = tree.open(Tree::ROOT, name("f"), CREATE).unwrap();
    tree.write(file, Position::End, b"before").unwrap();
    let snapshot = tree.clone();
    tree.write(file, Position::At(0), b"after!").unwrap();
    tree.remove_file(Tree::ROOT, name("f")).unwrap();
    assert_eq!(snapshot.read(file, 0, 99).unwrap(), b"before"[..]);
    assert_eq!(snapshot.recount(), snapshot.usage());
}
