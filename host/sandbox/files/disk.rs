//! A workspace in a directory of the host.
//!
//! The names and sizes are kept in a [`Tree`], filled once when the directory
//! is opened; it decides what is allowed, exactly as in memory, and each change
//! it allows is made on the disk as well. Only the bytes stay on the disk: in
//! the tree each file is a hole of its size.
//!
//! Nothing of the host outside the directory is ever reached. The directory is
//! a [`Dir`] of cap-std, which resolves no path out of it. Beyond that, every
//! call gets a single clean name and a directory that was opened name by name
//! from the root, and follows no link. What is not a plain file or directory,
//! or is a file with a second name somewhere, is refused when the directory is
//! opened, and again should it appear later. A pipe would block whoever opens
//! it, so nothing is opened before it was looked at, nor in blocking mode.
//!
//! Three things are not done with cap-std, because it does not offer them:
//! - making the directory by the path that the host's user gave: the standard
//!   library's `DirBuilder`,
//! - the lock that keeps other sessions out: the standard library's
//!   `File::try_lock`,
//! - the times of a file that is open, and perhaps removed already: rustix's
//!   `futimens` (`Dir::set_times` goes by name, and the standard library cannot
//!   say "now", which is the one time that somebody who may write to a file but
//!   does not own it may set).
//!
//! What others change in the directory meanwhile is not seen, or seen as an
//! input or output error. One session at a time uses a directory; a lock on it
//! says so.

mod scan;

use self::scan::{Found, check_plain, read_directory};
use super::error::{Error, PathError};
use super::path::Name;
use super::tree::{Clock, Tree};
use super::volume::{Counted, Entry, Kind, NewTime, Node, Opening, Position, Status, Volume};
use bytes::Bytes;
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, FileExt, OpenOptions};
use contract::quota::{Quota, Usage};
use rustix::fs::Timestamps;
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::{DirBuilder, TryLockError};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A workspace in a directory of the host.
pub(super) struct Disk {
    /// Open and locked for as long as the workspace lives.
    root: Dir,
    state: Mutex<State>,
}

struct State {
    tree: Tree,
    /// The files that somebody holds.
    held: HashMap<Node, Held>,
}

/// A directory that was opened for one operation, or the root, which is open.
enum OpenDir<'a> {
    Root(&'a Dir),
    Below(Dir),
}

impl Deref for OpenDir<'_> {
    type Target = Dir;

    fn deref(&self) -> &Dir {
        match self {
            Self::Root(directory) => directory,
            Self::Below(directory) => directory,
        }
    }
}

struct Held {
    holders: usize,
    /// Open as long as there is no shortage; always if the file was removed,
    /// because then there is no way back to it.
    file: Option<Arc<File>>,
}

/// Files that a workspace keeps open in the host, however many descriptors
/// its programs hold: those of the host are shared by all sessions.
const MAX_OPEN: usize = 64;

/// How many of them may be files that were removed and are still held.
const MAX_REMOVED: usize = 32;

impl Disk {
    /// The root directory of every workspace on disk.
    pub(super) const ROOT: Node = Tree::ROOT;

    /// Opens a directory, made if it is not there, and reads all names in it.
    pub(super) fn open(
        directory: &Path,
        quota: Quota,
        clock: Clock,
    ) -> Result<Arc<Self>, PathError> {
        let refused = |path: &Path, reason| PathError {
            action: "use the workspace",
            path: path.display().to_string(),
            reason,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| {
                let reason = match Errno::from_io_error(&error) {
                    None | Some(Errno::EXIST) => Error::NotDirectory,
                    Some(errno) => errno.into(),
                };
                refused(directory, reason)
            })?;
        let root = Dir::open_ambient_dir(directory, ambient_authority())
            .and_then(|root| root.open("."))
            .map_err(|error| refused(directory, error.into()))?
            .into_std();
        match root.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(refused(directory, Error::InUse)),
            Err(TryLockError::Error(error)) => return Err(refused(directory, error.into())),
        }
        let root = Dir::from_std_file(root);
        let mut tree = Tree::new(quota, clock);
        read_directory(&mut tree, Tree::ROOT, &root).map_err(|Found { names, reason }| {
            let names = names.iter().rev();
            refused(
                &names.fold(directory.to_owned(), |path, name| path.join(name)),
                reason,
            )
        })?;
        let held = HashMap::new();
        let state = Mutex::new(State { tree, held });
        Ok(Arc::new(Self { root, state }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a directory of the tree, name by name.
    fn directory(&self, tree: &Tree, node: Node) -> Result<OpenDir<'_>, Error> {
        let mut directory = OpenDir::Root(&self.root);
        for name in tree.names(node)? {
            directory = OpenDir::Below(directory.open_dir_nofollow(&*name)?);
        }
        Ok(directory)
    }

    /// An existing file, opened anew.
    fn open_file(&self, tree: &Tree, directory: Node, name: Name<'_>) -> Result<File, Error> {
        let directory = self.directory(tree, directory)?;
        check_plain(&directory.symlink_metadata(name.as_str())?)?;
        let mut options = OpenOptions::new();
        options.follow(FollowSymlinks::No).nonblock(true).read(true);
        let file = match directory.open_with(name.as_str(), options.write(true)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                directory.open_with(name.as_str(), options.write(false))?
            }
            opened => opened?,
        };
        check_plain(&file.metadata()?)?;
        Ok(file)
    }

    /// A file for one operation: open already, or opened for this.
    fn file(&self, state: &mut State, node: Node) -> Result<Arc<File>, Error> {
        let State { tree, held } = state;
        if let Some(Held {
            file: Some(file), ..
        }) = held.get(&node)
        {
            return Ok(file.clone());
        }
        if tree.kind(node)? == Kind::Directory {
            return Err(Error::IsDirectory);
        }
        let (parent, name) = tree.place(node)?;
        let file = Arc::new(self.open_file(tree, parent, Name::new(&name)?)?);
        if held.contains_key(&node) {
            state.keep_open(node, file.clone());
        }
        Ok(file)
    }

    /// Before a name goes away: whoever holds the file keeps it.
    fn secure(&self, state: &mut State, node: Node) -> Result<(), Error> {
        if !state.held.contains_key(&node) {
            return Ok(());
        }
        let State { tree, held } = &*state;
        let removed = held.keys().filter(|&&node| tree.place(node).is_err());
        if removed.count() >= MAX_REMOVED {
            return Err(Error::Busy);
        }
        self.file(state, node).map(drop)
    }
}

impl State {
    /// Counts one more holder.
    fn hold(&mut self, node: Node, file: Arc<File>) {
        let free = Held {
            holders: 0,
            file: None,
        };
        self.held.entry(node).or_insert(free).holders += 1;
        self.keep_open(node, file);
    }

    /// Keeps a file open, and closes another one instead if there are many.
    fn keep_open(&mut self, node: Node, file: Arc<File>) {
        let Self { tree, held } = self;
        let open = held.values().filter(|held| held.file.is_some()).count();
        if open >= MAX_OPEN {
            let mut others = held.iter_mut().filter(|(other, held)| {
                **other != node && held.file.is_some() && tree.place(**other).is_ok()
            });
            if let Some((_, held)) = others.next() {
                held.file = None;
            }
        }
        if let Some(held) = held.get_mut(&node) {
            held.file = Some(file);
        }
    }
}

impl Volume for Disk {
    fn writable(&self) -> bool {
        true
    }

    fn lookup(&self, directory: Node, name: Name<'_>) -> Result<Node, Error> {
        self.state().tree.lookup(directory, name)
    }

    fn status(&self, node: Node) -> Result<Status, Error> {
        self.state().tree.status(node)
    }

    fn entries(
        &self,
        directory: Node,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.state().tree.entries(directory, after, limit)
    }

    fn read(&self, file: Node, offset: u64, length: usize) -> Result<Bytes, Error> {
        let mut state = self.state();
        let rest = state.tree.size(file)?.saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(length);
        if length == 0 {
            return Ok(Bytes::new());
        }
        let file = self.file(&mut state, file)?;
        drop(state);
        let mut bytes = vec![0; length];
        // Fails as well if somebody else cut the file.
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }

    fn open(&self, directory: Node, name: Name<'_>, how: Opening) -> Result<Node, Error> {
        let mut state = self.state();
        let state = &mut *state;
        let existing = match state.tree.lookup(directory, name) {
            Ok(node) => node,
            Err(Error::NoEntry) => {
                let node = state.tree.open(directory, name, how)?;
                return match self.create_file(&state.tree, directory, name) {
                    Ok(file) => {
                        state.hold(node, Arc::new(file));
                        Ok(node)
                    }
                    Err(error) => {
                        state.tree.remove_file(directory, name)?;
                        state.tree.release(node);
                        Err(error)
                    }
                };
            }
            Err(error) => return Err(error),
        };
        if state.tree.kind(existing)? == Kind::Directory {
            return state.tree.open(directory, name, how);
        }
        // What may be wrong with the request comes before the disk is touched,
        // and the disk before anything is cut.
        let uncut = Opening {
            truncate: false,
            ..how
        };
        let node = state.tree.open(directory, name, uncut)?;
        let file = self.file(state, node).and_then(|file| {
            if how.truncate {
                file.set_len(0)?;
                state.tree.resize(node, 0)?;
            }
            Ok(file)
        });
        match file {
            Ok(file) => {
                state.hold(node, file);
                Ok(node)
            }
            Err(error) => {
                state.tree.release(node);
                Err(error)
            }
        }
    }

    fn hold(&self, node: Node) -> Result<(), Error> {
        let mut state = self.state();
        if state.tree.kind(node)? == Kind::File {
            let file = self.file(&mut state, node)?;
            state.hold(node, file);
        }
        state.tree.hold(node)
    }

    fn release(&self, node: Node) {
        let mut state = self.state();
        if let Some(held) = state.held.get_mut(&node) {
            held.holders = held.holders.saturating_sub(1);
            if held.holders == 0 {
                state.held.remove(&node);
            }
        }
        state.tree.release(node);
    }

    fn room(&self, file: Node, position: Position) -> Result<u64, Error> {
        self.state().tree.room(file, position)
    }

    fn write(&self, file: Node, position: Position, bytes: &[u8]) -> Result<usize, Error> {
        let mut state = self.state();
        let offset = position.within(state.tree.size(file)?);
        if bytes.is_empty() {
            return Ok(0);
        }
        let room = usize::try_from(state.tree.room(file, position)?).unwrap_or(usize::MAX);
        let length = bytes.len().min(room);
        let opened = self.file(&mut state, file)?;
        let written = loop {
            match opened.write_at(&bytes[..length], offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Err(Error::Io),
                written => break written?,
            }
        };
        state.tree.note_write(file, offset + written as u64)?;
        Ok(written)
    }

    fn resize(&self, file: Node, size: u64) -> Result<(), Error> {
        let mut state = self.state();
        let before = state.tree.size(file)?;
        let opened = self.file(&mut state, file)?;
        state.tree.resize(file, size)?;
        opened.set_len(size).map_err(|error| {
            // Back to what is on the disk; it was allowed before.
            let _ = state.tree.resize(file, before);
            error.into()
        })
    }

    fn set_times(&self, node: Node, accessed: NewTime, modified: NewTime) -> Result<(), Error> {
        let mut state = self.state();
        let times = Timestamps {
            last_access: timespec(accessed)?,
            last_modification: timespec(modified)?,
        };
        match state.tree.kind(node)? {
            Kind::File => rustix::fs::futimens(&*self.file(&mut state, node)?, &times)?,
            Kind::Directory => {
                let directory = self.directory(&state.tree, node)?;
                rustix::fs::futimens(directory.open(".")?, &times)?;
            }
        }
        state.tree.set_times(node, accessed, modified)
    }

    fn sync(&self, node: Node) -> Result<(), Error> {
        let mut state = self.state();
        if state.tree.kind(node)? == Kind::File {
            let file = self.file(&mut state, node)?;
            drop(state);
            file.sync_all()?;
        }
        Ok(())
    }

    fn create_directory(&self, directory: Node, name: Name<'_>) -> Result<(), Error> {
        let tree = &mut self.state().tree;
        tree.create_directory(directory, name)?;
        let made = self
            .directory(tree, directory)
            .and_then(|directory| Ok(directory.create_dir(name.as_str())?));
        if made.is_err() {
            tree.remove_directory(directory, name)?;
        }
        made
    }

    fn remove_directory(&self, directory: Node, name: Name<'_>) -> Result<(), Error> {
        let tree = &mut self.state().tree;
        let node = tree.lookup(directory, name)?;
        if !tree.entries(node, None, 1)?.is_empty() {
            return Err(Error::NotEmpty);
        }
        let parent = self.directory(tree, directory)?;
        unless_gone(parent.remove_dir(name.as_str()))?;
        tree.remove_directory(directory, name)
    }

    fn remove_file(&self, directory: Node, name: Name<'_>) -> Result<(), Error> {
        let mut state = self.state();
        let node = state.tree.lookup(directory, name)?;
        if state.tree.kind(node)? == Kind::Directory {
            return Err(Error::IsDirectory);
        }
        self.secure(&mut state, node)?;
        let parent = self.directory(&state.tree, directory)?;
        unless_gone(parent.remove_file(name.as_str()))?;
        state.tree.remove_file(directory, name)
    }

    fn rename(&self, from: (Node, Name<'_>), to: (Node, Name<'_>)) -> Result<(), Error> {
        let mut state = self.state();
        match state.tree.check_rename(from, to)? {
            (node, Some(replaced)) if node == replaced => return Ok(()),
            (_, Some(replaced)) => self.secure(&mut state, replaced)?,
            (_, None) => {}
        }
        let source = self.directory(&state.tree, from.0)?;
        let target = self.directory(&state.tree, to.0)?;
        source.rename(from.1.as_str(), &target, to.1.as_str())?;
        state.tree.rename(from, to)
    }
}

impl Counted for Disk {
    fn quota(&self) -> Quota {
        self.state().tree.quota()
    }

    fn usage(&self) -> Usage {
        self.state().tree.usage()
    }

    fn version(&self) -> u64 {
        self.state().tree.version
    }

    fn recount(&self) -> Usage {
        self.state().tree.recount()
    }
}

impl Disk {
    fn create_file(&self, tree: &Tree, directory: Node, name: Name<'_>) -> Result<File, Error> {
        let directory = self.directory(tree, directory)?;
        let mut options = OpenOptions::new();
        options.follow(FollowSymlinks::No).create_new(true);
        Ok(directory.open_with(name.as_str(), options.read(true).write(true))?)
    }
}

/// What somebody else removed already is as good as removed.
fn unless_gone(removed: io::Result<()>) -> Result<(), Error> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn timespec(time: NewTime) -> Result<rustix::fs::Timespec, Error> {
    let (tv_sec, tv_nsec) = match time {
        NewTime::Keep => (0, rustix::fs::UTIME_OMIT),
        NewTime::Now => (0, rustix::fs::UTIME_NOW),
        NewTime::Set(time) => (
            time.seconds.try_into().map_err(|_| Error::Invalid)?,
            time.nanoseconds.into(),
        ),
    };
    Ok(rustix::fs::Timespec { tv_sec, tv_nsec })
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Errno::from_io_error(&error).map_or(Self::Io, Self::from)
    }
}

impl From<Errno> for Error {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::NoEntry,
            Errno::EXIST => Self::Exist,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::NOTDIR => Self::NotDirectory,
            Errno::ISDIR => Self::IsDirectory,
            Errno::NAMETOOLONG => Self::NameTooLong,
            Errno::NOSPC | Errno::DQUOT => Self::DiskFull,
            Errno::FBIG => Self::HostFileSize,
            Errno::ACCESS | Errno::PERM => Self::Access,
            Errno::ROFS => Self::ReadOnly,
            Errno::BADF => Self::BadDescriptor,
            _ => Self::Io,
        }
    }
}

#[cfg(test)]
mod tests;
