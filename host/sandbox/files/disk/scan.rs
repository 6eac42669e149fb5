//! What is in a directory of the host, and whether it may be there.

use super::super::error::Error;
use super::super::path::Name;
use super::super::tree::Tree;
use super::super::volume::{NewTime, Node, Opening, Timestamp};
use cap_fs_ext::{DirExt, FileTypeExt, OsMetadataExt};
use cap_std::fs::{Dir, Metadata};
use std::ffi::OsStr;
use std::io;

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

impl From<io::Error> for Found {
    fn from(error: io::Error) -> Self {
        Error::from(error).into()
    }
}

/// Reads a directory and those below it into the tree. As deep as the tree may
/// be, so recursion is bounded.
pub(super) fn read_directory(tree: &mut Tree, node: Node, directory: &Dir) -> Result<(), Found> {
    for entry in directory.entries()? {
        let name = entry?.file_name();
        read_entry(tree, node, directory, &name).map_err(|mut found| {
            found.names.push(name.to_string_lossy().into_owned());
            found
        })?;
    }
    Ok(())
}

fn read_entry(tree: &mut Tree, node: Node, directory: &Dir, name: &OsStr) -> Result<(), Found> {
    let text = name.to_str().ok_or(Error::NotUtf8)?;
    let named = Name::new(text)?;
    let metadata = directory.symlink_metadata(text)?;
    let below = if metadata.is_dir() {
        let below = tree.create_directory(node, named)?;
        // Not `DirEntry::open_dir`, which follows a link that was planted
        // meanwhile.
        read_directory(tree, below, &directory.open_dir_nofollow(text)?)?;
        below
    } else {
        check_plain(&metadata)?;
        let how = Opening {
            create: true,
            ..Opening::default()
        };
        let file = tree.open(node, named, how)?;
        tree.release(file);
        tree.resize(file, metadata.size())?;
        file
    };
    let accessed = timestamp(metadata.atime(), metadata.atime_nsec());
    let modified = timestamp(metadata.mtime(), metadata.mtime_nsec());
    tree.set_times(below, NewTime::Set(accessed), NewTime::Set(modified))?;
    Ok(())
}

/// Refuses everything but a file with one name.
pub(super) fn check_plain(metadata: &Metadata) -> Result<(), Error> {
    let kind = metadata.file_type();
    Err(Error::Planted(if kind.is_file() && metadata.nlink() == 1 {
        return Ok(());
    } else if kind.is_file() {
        "a file with several names (hard links)"
    } else if kind.is_dir() {
        return Err(Error::IsDirectory);
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "neither a file nor a directory"
    }))
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
