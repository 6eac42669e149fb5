//! The files of one session, in memory.
//!
//! A workspace outlives the programs that run in it. Guests see two of its
//! directories, `/workspace` and `/tmp`, which share one quota; renames
//! between the two work. The host reaches the same files by path.

use super::error::{Error, PathError};
use super::path::{Name, Path, Step};
use super::quota::{Quota, Usage};
use super::tree::{Clock, Tree};
use super::volume::{Entry, Kind, NewTime, Node, Opening, Position, Status, Volume};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The files of one session, in memory. Clones are the same workspace; its
/// files end with the last of them.
#[derive(Clone)]
pub struct Workspace {
    shared: Arc<Shared>,
}

struct Shared {
    /// Held for one step at a time and never across an await.
    tree: Mutex<Tree>,
    files: Node,
    temporary: Node,
}

impl Workspace {
    /// An empty workspace.
    pub fn new(quota: Quota) -> Self {
        Self::with_clock(quota, Arc::new(SystemTime::now))
    }

    /// An empty workspace whose files take their times from this clock.
    pub fn with_clock(quota: Quota, clock: Clock) -> Self {
        let mut tree = Tree::new(quota, clock);
        let mut directory = |name| {
            Name::new(name)
                .and_then(|name| tree.create_uncharged(Tree::ROOT, name))
                .expect("an empty tree takes two directories")
        };
        let files = directory("workspace");
        let temporary = directory("tmp");
        let tree = Mutex::new(tree);
        let shared = Arc::new(Shared {
            tree,
            files,
            temporary,
        });
        Self { shared }
    }

    /// The volume behind it, with the directories that guests see as
    /// `/workspace` and `/tmp`.
    pub(super) fn volume(&self) -> (Arc<dyn Volume>, Node, Node) {
        let Shared {
            files, temporary, ..
        } = *self.shared;
        (self.shared.clone(), files, temporary)
    }

    /// Writes a file, making the directories on its way. The path is relative
    /// to `/workspace`. Quotas hold for the host too; a file that does not
    /// fit is not written at all.
    pub fn write_file(&self, path: &str, bytes: &[u8]) -> Result<(), PathError> {
        let mut tree = self.shared.tree();
        tree.make_parents(self.shared.files, path)
            .and_then(|(directory, name)| tree.replace(directory, name, bytes))
            .map_err(|reason| failed("write", path, reason))
    }

    /// Reads a file whole. The path is relative to `/workspace`.
    pub fn read_file(&self, path: &str) -> Result<Bytes, PathError> {
        let tree = self.shared.tree();
        self.find(&tree, path)
            .and_then(|file| tree.read(file, 0, usize::MAX))
            .map_err(|reason| failed("read", path, reason))
    }

    /// The entries of a directory in the order of their names. The path is
    /// relative to `/workspace`; `.` is the workspace itself.
    pub fn list(&self, path: &str) -> Result<Vec<Entry>, PathError> {
        let tree = self.shared.tree();
        self.find(&tree, path)
            .and_then(|directory| tree.entries(directory, None, usize::MAX))
            .map_err(|reason| failed("list", path, reason))
    }

    /// What is known about a file or directory. The path is relative to
    /// `/workspace`.
    pub fn inspect(&self, path: &str) -> Result<Status, PathError> {
        let tree = self.shared.tree();
        self.find(&tree, path)
            .and_then(|node| tree.status(node))
            .map_err(|reason| failed("inspect", path, reason))
    }

    /// What the workspace may hold.
    pub fn quota(&self) -> Quota {
        self.shared.tree().quota()
    }

    /// What the workspace holds.
    pub fn usage(&self) -> Usage {
        self.shared.tree().usage()
    }

    /// What the workspace holds, counted anew from its files. Equal to
    /// [`Workspace::usage`]; for tests that want to see it.
    pub fn recount(&self) -> Usage {
        self.shared.tree().recount()
    }

    fn find(&self, tree: &Tree, path: &str) -> Result<Node, Error> {
        let path = Path::parse(path)?;
        let mut node = self.shared.files;
        for step in &path.steps {
            let &Step::Enter(name) = step else {
                return Err(Error::NotPermitted);
            };
            node = tree.lookup(node, name)?;
        }
        if path.directory && tree.status(node)?.kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        Ok(node)
    }
}

impl Shared {
    /// A panic while the lock was held would be a bug of ours in one step; the
    /// files are still better kept than lost.
    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Volume for Shared {
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

#[cfg(test)]
mod tests {
    use super::super::error::Limit;
    use super::*;
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
        let (volume, files, _) = workspace.volume();
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
                    assert_eq!(error, Limit::FileSize(100_000).into());
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
        let (volume, files, _) = workspace.volume();
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
