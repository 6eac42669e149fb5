//! The files of one session, as the host sees them.
//!
//! A workspace outlives the programs that run in it. It is kept in memory, or
//! in a directory of the host. Guests see it as `/workspace`; `/tmp` beside it
//! is always in memory. The host reaches the same files by path.

use super::disk::Disk;
use super::error::{Error, PathError};
use super::memory::Memory;
use super::path::{Name, Path, Step};
use super::tree::Clock;
use super::volume::{Counted, Entry, Kind, Node, Opening, Position, Status, Volume};
use bytes::Bytes;
use contract::quota::{Quota, Usage};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// The files of one session. Clones are the same workspace; what is kept in
/// memory ends with the last of them.
///
/// ```
/// use wasm_coordinator_sandbox::files::{Quota, Workspace};
///
/// let workspace = Workspace::new(Quota::default());
/// workspace.write_file("data/orders.csv", b"id,total\n1,20\n")?;
/// // ... run a program that reads it and writes `report.txt` ...
/// assert_eq!(&*workspace.list("data")?[0].name, "orders.csv");
/// assert_eq!(workspace.read_file("data/orders.csv")?, "id,total\n1,20\n");
/// assert_eq!(workspace.usage().inodes, 2);
/// # Ok::<(), wasm_coordinator_sandbox::files::PathError>(())
/// ```
#[derive(Clone)]
pub struct Workspace {
    pub(super) volume: Arc<dyn Counted>,
    files: Node,
    temporary: (Arc<dyn Counted>, Node),
}

impl Workspace {
    /// An empty workspace in memory.
    pub fn new(quota: Quota) -> Self {
        Self::with_clock(quota, Arc::new(SystemTime::now))
    }

    /// An empty workspace in memory whose files take their times from this
    /// clock. `/workspace` and `/tmp` share the quota, and renames between
    /// the two work.
    pub(super) fn with_clock(quota: Quota, clock: Clock) -> Self {
        let (volume, [files, temporary]) = Memory::new(quota, clock, ["workspace", "tmp"]);
        let temporary = (volume.clone() as Arc<dyn Counted>, temporary);
        Self {
            volume,
            files,
            temporary,
        }
    }

    /// A workspace in a directory of the host, which is made, for its owner
    /// alone, if it is not there. What is in it counts towards the quota;
    /// `/tmp` has a quota of the same size for itself.
    ///
    /// Fails if something other than plain files and directories is found in
    /// it (links of either kind, devices, pipes, sockets), if it holds more
    /// than the quota, or if another session uses it.
    pub fn open(directory: &std::path::Path, quota: Quota) -> Result<Self, PathError> {
        let clock: Clock = Arc::new(SystemTime::now);
        let volume = Disk::open(directory, quota, clock.clone())?;
        let (temporary, [root]) = Memory::new(quota, clock, ["tmp"]);
        Ok(Self {
            volume,
            files: Disk::ROOT,
            temporary: (temporary, root),
        })
    }

    /// Every file and directory, each directory before what is in it, with its
    /// path relative to `/workspace`.
    pub fn walk(&self) -> Result<Vec<(String, Status)>, PathError> {
        let mut found = Vec::new();
        self.walk_below(self.files, "", &mut found)?;
        Ok(found)
    }

    /// As deep as a tree may be, so recursion is bounded. Somebody may remove
    /// meanwhile what was listed.
    fn walk_below(
        &self,
        directory: Node,
        parent: &str,
        found: &mut Vec<(String, Status)>,
    ) -> Result<(), PathError> {
        let entries = match self.volume.entries(directory, None, usize::MAX) {
            Err(Error::NoEntry) => return Ok(()),
            entries => entries.map_err(|reason| failed("list", parent, reason))?,
        };
        for Entry { name, kind } in entries {
            let path = match parent {
                "" => name.to_string(),
                parent => format!("{parent}/{name}"),
            };
            let known = Name::new(&name).and_then(|name| {
                let node = self.volume.lookup(directory, name)?;
                Ok((node, self.volume.status(node)?))
            });
            let (node, status) = match known {
                Err(Error::NoEntry) => continue,
                known => known.map_err(|reason| failed("inspect", &path, reason))?,
            };
            found.push((path.clone(), status));
            if kind == Kind::Directory {
                self.walk_below(node, &path, found)?;
            }
        }
        Ok(())
    }

    /// The volume and directory that guests see as `/workspace`.
    pub(super) fn files(&self) -> (Arc<dyn Volume>, Node) {
        (self.volume.clone(), self.files)
    }

    /// The volume and directory that guests see as `/tmp`.
    pub(super) fn temporary(&self) -> (Arc<dyn Volume>, Node) {
        (self.temporary.0.clone(), self.temporary.1)
    }

    /// Differs whenever what is in `/tmp` does.
    pub(super) fn temporary_version(&self) -> u64 {
        self.temporary.0.version()
    }

    /// Writes a file, making the directories on its way. The path is relative
    /// to `/workspace`. Quotas hold for the host too; a file that does not
    /// fit changes nothing.
    pub fn write_file(&self, path: &str, bytes: &[u8]) -> Result<(), PathError> {
        self.make_parents(path)
            .and_then(|(directory, name)| self.replace(directory, name, bytes))
            .map_err(|reason| failed("write", path, reason))
    }

    /// Makes a directory and those on its way; that it is there already is no
    /// error. The path is relative to `/workspace`.
    pub fn create_directory(&self, path: &str) -> Result<(), PathError> {
        Path::parse(path)
            .and_then(Path::into_names)
            .and_then(|names| self.make_directories(&names))
            .map(drop)
            .map_err(|reason| failed("make", path, reason))
    }

    /// Reads a file whole. The path is relative to `/workspace`.
    pub fn read_file(&self, path: &str) -> Result<Bytes, PathError> {
        self.find(path)
            .and_then(|file| self.volume.read(file, 0, usize::MAX))
            .map_err(|reason| failed("read", path, reason))
    }

    /// The entries of a directory in the order of their names. The path is
    /// relative to `/workspace`; `.` is the workspace itself.
    pub fn list(&self, path: &str) -> Result<Vec<Entry>, PathError> {
        self.find(path)
            .and_then(|directory| self.volume.entries(directory, None, usize::MAX))
            .map_err(|reason| failed("list", path, reason))
    }

    /// What is known about a file or directory. The path is relative to
    /// `/workspace`.
    pub fn inspect(&self, path: &str) -> Result<Status, PathError> {
        self.find(path)
            .and_then(|node| self.volume.status(node))
            .map_err(|reason| failed("inspect", path, reason))
    }

    /// What the workspace may hold.
    pub fn quota(&self) -> Quota {
        self.volume.quota()
    }

    /// What the workspace holds.
    pub fn usage(&self) -> Usage {
        self.volume.usage()
    }

    /// What the workspace holds, counted anew from its files. Equal to
    /// [`Workspace::usage`]; for tests that want to see it.
    #[doc(hidden)]
    pub fn recount(&self) -> Usage {
        self.volume.recount()
    }

    fn find(&self, path: &str) -> Result<Node, Error> {
        let path = Path::parse(path)?;
        let mut node = self.files;
        for step in &path.steps {
            let &Step::Enter(name) = step else {
                return Err(Error::NotPermitted);
            };
            node = self.volume.lookup(node, name)?;
        }
        if path.directory && self.volume.status(node)?.kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        Ok(node)
    }

    fn make_parents<'a>(&self, path: &'a str) -> Result<(Node, Name<'a>), Error> {
        let (parents, last) = Path::parse(path)?.into_file()?;
        Ok((self.make_directories(&parents)?, last))
    }

    fn make_directories(&self, names: &[Name<'_>]) -> Result<Node, Error> {
        let mut node = self.files;
        for &name in names {
            match self.volume.create_directory(node, name) {
                Ok(()) | Err(Error::Exist) => node = self.volume.lookup(node, name)?,
                Err(error) => return Err(error),
            }
        }
        match self.volume.status(node)?.kind {
            Kind::Directory => Ok(node),
            Kind::File => Err(Error::NotDirectory),
        }
    }

    fn replace(&self, directory: Node, name: Name<'_>, bytes: &[u8]) -> Result<(), Error> {
        let existed = self.volume.lookup(directory, name).is_ok();
        let how = Opening {
            create: true,
            write: true,
            ..Opening::default()
        };
        let file = self.volume.open(directory, name, how)?;
        let filled = self.fill(file, bytes);
        if filled.is_err() && !existed {
            // The first error is the one to be told.
            let _ = self.volume.remove_file(directory, name);
        }
        self.volume.release(file);
        filled
    }

    fn fill(&self, file: Node, mut bytes: &[u8]) -> Result<(), Error> {
        self.volume.resize(file, bytes.len() as u64)?;
        let mut offset = 0;
        while !bytes.is_empty() {
            let written = self.volume.write(file, Position::At(offset), bytes)?;
            bytes = &bytes[written..];
            offset += written as u64;
        }
        Ok(())
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace")
            .field("quota", &self.quota())
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

fn failed(action: &'static str, path: &str, reason: Error) -> PathError {
    let path = path.to_owned();
    PathError {
        action,
        path,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::limits::FileLimit;
    use std::thread;

    fn name(text: &str) -> Name<'_> {
        Name::new(text).expect("a name")
    }

    fn workspace(bytes: u64, inodes: u64) -> Workspace {
        Workspace::new(Quota {
            bytes,
            file_bytes: bytes,
            inodes,
        })
    }

    const CREATE: Opening = Opening {
        create: true,
        exclusive: false,
        truncate: false,
        write: true,
        directory: false,
    };

    #[test]
    fn the_host_reads_and_writes_by_path() {
        let workspace = workspace(100, 9);
        workspace.write_file("a/b/c.txt", b"hello").unwrap();
        workspace.write_file("a/b/c.txt", b"bye").unwrap();
        assert_eq!(workspace.read_file("a/./b/c.txt").unwrap(), b"bye"[..]);
        assert_eq!(
            workspace.usage(),
            Usage {
                bytes: 3,
                inodes: 3
            }
        );
        let names = |path| {
            let entries = workspace.list(path).unwrap();
            entries
                .into_iter()
                .map(|entry| entry.name.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("."), ["a"]);
        assert_eq!(names("a/b/"), ["c.txt"]);
        assert_eq!(workspace.inspect("a/b/c.txt").unwrap().size, 3);
    }

    #[test]
    fn errors_name_what_was_asked_for() {
        let workspace = workspace(10, 2);
        workspace.write_file("f", b"1").unwrap();
        let refused = |result: Result<(), PathError>| result.unwrap_err().to_string();
        for (path, expected) in [
            ("../f", "cannot write `../f`: operation not permitted"),
            ("/f", "cannot write `/f`: operation not permitted"),
            ("f/x", "cannot write `f/x`: not a directory"),
            ("d/", "cannot write `d/`: is a directory"),
            ("", "cannot write ``: no such file or directory"),
        ] {
            assert_eq!(refused(workspace.write_file(path, b"")), expected);
        }
        assert_eq!(
            refused(workspace.write_file("g", &[0; 10])),
            "cannot write `g`: the workspace may hold at most 10 bytes"
        );
        assert_eq!(
            refused(workspace.write_file("f", &[0; 11])),
            "cannot write `f`: a file of the workspace may have at most 10 bytes"
        );
        assert_eq!(workspace.read_file("f").unwrap(), b"1"[..]);
        assert_eq!(
            workspace.usage(),
            Usage {
                bytes: 1,
                inodes: 1
            }
        );
        assert_eq!(
            refused(workspace.read_file("nothing").map(drop)),
            "cannot read `nothing`: no such file or directory"
        );
    }

    #[test]
    fn writers_at_once_end_exactly_at_the_limit() {
        let workspace = workspace(100_000, 9);
        let (volume, files) = workspace.files();
        let written: u64 = thread::scope(|scope| {
            let writer = |_| {
                let volume = &volume;
                scope.spawn(move || {
                    let file = volume.open(files, name("log"), CREATE).unwrap();
                    let mut written = 0;
                    let error = loop {
                        match volume.write(file, Position::End, &[1; 37]) {
                            Ok(length) => written += length as u64,
                            Err(error) => break error,
                        }
                    };
                    assert_eq!(error, FileLimit::FileSize(100_000).into());
                    volume.release(file);
                    written
                })
            };
            let writers: Vec<_> = (0..8).map(writer).collect();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .sum()
        });
        assert_eq!(written, 100_000);
        assert_eq!(workspace.usage(), workspace.recount());
        assert_eq!(
            workspace.usage(),
            Usage {
                bytes: 100_000,
                inodes: 1
            }
        );
    }

    #[test]
    fn a_race_for_one_name_leaves_the_tree_whole() {
        let workspace = workspace(10_000, 20);
        let (volume, files) = workspace.files();
        thread::scope(|scope| {
            for seed in 0..4 {
                let volume = &volume;
                scope.spawn(move || {
                    let mut random = super::super::random::Random::new(seed);
                    for _ in 0..5_000 {
                        let one = name(["a", "b"][random.below(2)]);
                        let two = name(["a", "b"][random.below(2)]);
                        let _ = match random.below(6) {
                            0 => volume.create_directory(files, one),
                            1 => volume.remove_directory(files, one),
                            2 => volume.remove_file(files, one),
                            3 => volume.rename((files, one), (files, two)),
                            4 => volume
                                .lookup(files, one)
                                .and_then(|node| volume.rename((files, two), (node, one))),
                            _ => volume.open(files, one, CREATE).map(|file| {
                                let _ = volume.write(file, Position::End, &[1; 99]);
                                let _ = volume.read(file, 0, 99);
                                volume.release(file);
                            }),
                        };
                    }
                });
            }
        });
        assert_eq!(workspace.usage(), workspace.recount());
    }
}
