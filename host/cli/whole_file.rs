//! Files that are there as a whole or not at all: each is written under another
//! name and then gets its own.
//!
//! A full disk, a limit of the user or the end of this process leaves no half
//! file under a name that somebody believes in.

use std::io::{self, ErrorKind, Write};

use cap_std::fs::{Dir, OpenOptions};
use rustix::io::Errno;

/// A file that is not there yet.
///
/// # Errors
///
/// [`ErrorKind::AlreadyExists`] if anything of that name is there.
pub(crate) fn create(directory: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    if directory.symlink_metadata(name).is_ok() {
        return Err(Errno::EXIST.into());
    }
    let temporary = beside(directory, bytes)?;
    // A link does not replace what appeared meanwhile, as a rename would.
    let linked = match directory.hard_link(&temporary, directory, name) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            // Some file systems have no links.
            directory.rename(&temporary, directory, name)
        }
        linked => linked,
    };
    let _ = directory.remove_file(&temporary);
    linked
}

/// A file in place of another one, if there is one. Nobody sees half of it.
pub(crate) fn replace(directory: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(directory, bytes)?;
    directory
        .rename(&temporary, directory, name)
        .inspect_err(|_| {
            let _ = directory.remove_file(&temporary);
        })
}

/// Writes under a name that nobody looks for.
fn beside(directory: &Dir, bytes: &[u8]) -> io::Result<String> {
    let name = format!(".wasm-coordinator-{}.new", std::process::id());
    // Left by a process of the same number that was killed.
    let _ = directory.remove_file(&name);
    let mut options = OpenOptions::new();
    let mut file = directory.open_with(&name, options.write(true).create_new(true))?;
    match file.write_all(bytes) {
        Ok(()) => Ok(name),
        Err(error) => {
            let _ = directory.remove_file(&name);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn what_a_killed_process_of_the_same_number_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let left = format!(".wasm-coordinator-{}.new", std::process::id());
        directory.write(&left, "half of anoth").unwrap();
        create(&directory, "a.txt", b"whole").unwrap();
        assert_eq!(directory.read("a.txt").unwrap(), b"whole");
        directory.write(&left, "half of anoth").unwrap();
        replace(&directory, "a.txt", b"new").unwrap();
        assert_eq!(directory.read("a.txt").unwrap(), b"new");
        assert!(!directory.exists(&left));
        let error = create(&directory, "a.txt", b"other").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
}
