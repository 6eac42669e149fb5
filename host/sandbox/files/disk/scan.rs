//! What is in a directory of the host, and whether it may be there.

use super::super::error::Error;
use super::super::path::Name;
use super::super::tree::Tree;
use super::super::volume::{NewTime, Node, Opening, Timestamp};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// How every directory is opened.
pub(super) fn directory_flags() -> OFlags {
    OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// What must not be in a workspace, and the names that lead to it, the last
/// one first.
pub(super) struct Found {
    pub(super) names: Vec<String>,
    pub(super) reason: Error,
}

impl From<Error> for Found {
    fn from(reason: Error) -> Self {
        let names = Vec::new();
        Self { names, reason }
    }
}

impl From<Errno> for Found {
    fn from(error: Errno) -> Self {
        Error::from(error).into()
    }
}

/// Reads a directory and those below it into the tree. As deep as the tree may
/// be, so recursion is bounded.
pub(super) fn read_directory(
    tree: &mut Tree,
    node: Node,
    directory: &OwnedFd,
) -> Result<(), Found> {
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        read_entry(tree, node, directory, name).map_err(|mut found| {
            found.names.push(name.to_string_lossy().into_owned());
            found
        })?;
    }
    Ok(())
}

fn read_entry(
    tree: &mut Tree,
    node: Node,
    directory: &OwnedFd,
    name: &std::ffi::CStr,
) -> Result<(), Found> {
    let text = name.to_str().map_err(|_| Error::NotUtf8)?;
    let named = Name::new(text)?;
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let below = if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let below = tree.create_directory(node, named)?;
        let flags = directory_flags();
        let opened = rustix::fs::openat(directory, name, flags, Mode::empty())?;
        read_directory(tree, below, &opened)?;
        below
    } else {
        check_plain(&stat)?;
        let how = Opening {
            create: true,
            ..Opening::default()
        };
        let file = tree.open(node, named, how)?;
        tree.release(file);
        let size = u64::try_from(stat.st_size).map_err(|_| Error::Io)?;
        tree.resize(file, size)?;
        file
    };
    let accessed = timestamp(stat.st_atime as i64, stat.st_atime_nsec as i64);
    let modified = timestamp(stat.st_mtime as i64, stat.st_mtime_nsec as i64);
    tree.set_times(below, NewTime::Set(accessed), NewTime::Set(modified))?;
    Ok(())
}

/// Refuses everything but a file with one name.
pub(super) fn check_plain(stat: &Stat) -> Result<(), Error> {
    Err(Error::Planted(
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_nlink == 1 => return Ok(()),
            FileType::RegularFile => "a file with several names (hard links)",
            FileType::Directory => return Err(Error::IsDirectory),
            FileType::Symlink => "a symbolic link",
            FileType::Fifo => "a named pipe",
            FileType::Socket => "a socket",
            FileType::CharacterDevice | FileType::BlockDevice => "a device",
            FileType::Unknown => "neither a file nor a directory",
        },
    ))
}

/// Times before 1970 become 1970.
fn timestamp(seconds: i64, nanoseconds: i64) -> Timestamp {
    match (u64::try_from(seconds), u32::try_from(nanoseconds)) {
        (Ok(seconds), Ok(nanoseconds)) => Timestamp {
            seconds,
            nanoseconds,
        },
        _ => Timestamp::default(),
    }
}
