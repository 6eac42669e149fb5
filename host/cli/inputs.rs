//! From the disk to the workspace: what `--input` places before a run.
//!
//! What the operator named is opened as it is: a link is followed, a pipe is
//! read. What is inside a directory is reached through cap-std, which follows
//! no link there, not even one that appears while the directory is read.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, Metadata, OpenOptions};

use wasm_coordinator::files::{PathError, Workspace};

use super::failure::{Failure, reason};
use super::workspace::{hint, relative};

/// Something of the host to be placed in the workspace.
pub(crate) struct Input {
    source: PathBuf,
    /// Where it goes, relative to the workspace; `.` for what is in a directory.
    name: String,
}

impl Input {
    /// `FILE`, or `FILE=NAME`. A file whose name has a `=` is found first.
    pub(crate) fn parse(text: &OsStr) -> Result<Self, Failure> {
        let bytes = text.as_bytes();
        let split = bytes.iter().rposition(|&byte| byte == b'=');
        let (source, name) = match split {
            Some(at) if !Path::new(text).exists() => (
                Path::new(OsStr::from_bytes(&bytes[..at])),
                Some(OsStr::from_bytes(&bytes[at + 1..])),
            ),
            _ => (Path::new(text), None),
        };
        let own = source.file_name();
        let unnamed = || {
            Failure::usage(
                format!(
                    "the input `{}` needs a name in the workspace",
                    source.display()
                ),
                format!("write `--input {}=NAME`", source.display()),
            )
        };
        let name = match name {
            Some(name) => name.to_str().ok_or_else(unnamed)?.to_owned(),
            None => own.and_then(OsStr::to_str).ok_or_else(unnamed)?.to_owned(),
        };
        let mut name = relative(&name).to_owned();
        // As with `cp`: into a directory, under its own name.
        if name.ends_with('/') {
            name += own.and_then(OsStr::to_str).ok_or_else(unnamed)?;
        }
        Ok(Self {
            source: source.to_owned(),
            name,
        })
    }

    pub(crate) fn place(&self, workspace: &Workspace) -> Result<(), Failure> {
        let Self { source, name } = self;
        let failed = |error: io::Error| unreadable(source, &error);
        if std::fs::metadata(source).map_err(failed)?.is_dir() {
            let directory = Dir::open_ambient_dir(source, ambient_authority());
            place_directory(&directory.map_err(failed)?, source, name, workspace)
        } else {
            let file = std::fs::File::open(source).map_err(failed)?;
            place_file(file, source, name, workspace)
        }
    }
}

/// What is in a directory. The depth of a workspace ends it.
fn place_directory(
    directory: &Dir,
    source: &Path,
    name: &str,
    workspace: &Workspace,
) -> Result<(), Failure> {
    if name != "." {
        workspace
            .create_directory(name)
            .map_err(|error| misplaced(source, &error))?;
    }
    let entries = directory.entries().and_then(Iterator::collect);
    let mut entries: Vec<DirEntry> = entries.map_err(|error| unreadable(source, &error))?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let own = entry.file_name();
        let path = source.join(&own);
        let own = own.to_str().ok_or_else(|| {
            Failure::usage(
                format!("the name of the input `{}` is not UTF-8", path.display()),
                "rename it",
            )
        })?;
        let below = match name {
            "." => own.to_owned(),
            name => format!("{name}/{own}"),
        };
        // Nobody named this one: it is what it is.
        let failed = |error: io::Error| unreadable(&path, &error);
        let meta = entry.metadata().map_err(failed)?;
        if meta.is_dir() {
            let inner = directory.open_dir_nofollow(own).map_err(failed)?;
            place_directory(&inner, &path, &below, workspace)?;
        } else if meta.is_file() {
            let mut options = OpenOptions::new();
            options.read(true).follow(FollowSymlinks::No);
            let file = directory.open_with(own, &options).map_err(failed)?;
            place_file(file, &path, &below, workspace)?;
        } else {
            return Err(Failure::usage(
                format!("the input `{}` is {}", path.display(), kind(&meta)),
                "a workspace has plain files and directories only; name what is meant with `--input`",
            ));
        }
    }
    Ok(())
}

fn kind(meta: &Metadata) -> &'static str {
    if meta.is_symlink() {
        "a symbolic link"
    } else {
        "a device, pipe or socket"
    }
}

fn place_file(
    file: impl Read,
    source: &Path,
    name: &str,
    workspace: &Workspace,
) -> Result<(), Failure> {
    // One byte more than may be: the workspace then says which limit it was.
    let max = workspace.quota().file_bytes.saturating_add(1);
    let mut bytes = Vec::new();
    file.take(max)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(source, &error))?;
    workspace
        .write_file(name, &bytes)
        .map_err(|error| misplaced(source, &error))
}

fn unreadable(source: &Path, error: &io::Error) -> Failure {
    Failure::usage(
        format!(
            "the input `{}` cannot be read: {}",
            source.display(),
            reason(error)
        ),
        "",
    )
}

fn misplaced(source: &Path, error: &PathError) -> Failure {
    let message = format!(
        "the input `{}` cannot be placed at `{}`: {}",
        source.display(),
        error.path,
        error.reason
    );
    Failure::usage(message, hint(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, source: &str, name: &str) {
        let input = Input::parse(OsStr::new(text)).map_err(|failure| failure.message.text);
        let input = input.unwrap();
        assert_eq!(
            (input.source.to_str(), &*input.name),
            (Some(source), name),
            "{text}"
        );
    }

    #[test]
    fn an_input_has_its_own_name_or_the_one_it_is_given() {
        check("data/a.csv", "data/a.csv", "a.csv");
        check("data/", "data/", "data");
        check("a.csv=b/c.csv", "a.csv", "b/c.csv");
        check("x/a.csv=b/", "x/a.csv", "b/a.csv");
        check("a=b=c", "a=b", "c");
        check("x/=.", "x/", ".");
        check("a.csv=/workspace/b.csv", "a.csv", "b.csv");
        check("x=/workspace", "x", ".");
        check("x=/workspaces", "x", "/workspaces");
    }

    #[test]
    fn an_input_without_a_name_is_refused() {
        for text in ["..", "/", "..=x/"] {
            let failure = Input::parse(OsStr::new(text)).err().expect(text);
            assert!(
                failure.message.text.contains("needs a name"),
                "{:?}",
                failure.message
            );
        }
    }
}
