//! Somebody without privileges, as whom root runs this program again: operators
//! are not root, and much is refused to others for reasons that are no layer.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::coordinator::{THIS_PROGRAM, everybody};
use crate::program;

const NOBODY: u32 = 65534;

pub fn is_root() -> bool {
    // SAFETY: takes nothing.
    unsafe { libc::geteuid() == 0 }
}

/// A program that would make whoever runs it another user. Root alone can make
/// one.
pub fn program_of_another() -> io::Result<Option<(PathBuf, TempDir)>> {
    if !is_root() {
        return Ok(None);
    }
    let folder = tempfile::Builder::new().prefix("isolation").tempdir()?;
    everybody(folder.path().to_owned(), 0o755)?;
    let path = folder.path().join("set-user-id");
    std::fs::write(&path, program::that_exits_as_owner())?;
    std::os::unix::fs::chown(&path, Some(program::OWNER), None)?;
    everybody(path.clone(), 0o4755)?;
    Ok(Some((path, folder)))
}

/// Starts this program again, to do the same as somebody else.
pub fn again(what: &str, program: &Path, arguments: &[&String]) -> io::Result<Child> {
    let mut command = Command::new(THIS_PROGRAM);
    command.arg(what).arg(program).args(arguments);
    command.current_dir("/").env_clear().env("NAME", "value");
    command.uid(NOBODY).gid(NOBODY);
    command.stdout(Stdio::piped()).spawn()
}
