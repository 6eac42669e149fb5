//! The folder of the record, and the names of the files in it.
//!
//! ```text
//! chain-00.000001.jsonl    records, the oldest file first
//! chain-00.000002.jsonl
//! chain-00.head            where the chain ends; its lock
//! chain-01.000001.jsonl    of a process that ran at the same time
//! chain-01.head
//! ```
//!
//! One process writes a chain at a time: whoever holds the lock of its head. A
//! process takes the first chain that nobody writes and goes on with it, so that
//! there are as many chains as there ever were writers at once.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::OpenError;
use crate::open_error::Problem;

/// Processes that can write to one folder at once.
pub(crate) const MAX_CHAINS: u32 = 64;

/// Makes the folder if there is none. In one that others can write to, they
/// could put files in the way.
pub(crate) fn prepare(folder: &Path) -> Result<(), OpenError> {
    let fail = |problem| Err(OpenError::new(folder, problem));
    let mut builder = DirBuilder::new();
    if let Err(error) = builder.recursive(true).mode(0o700).create(folder) {
        return fail(Problem::Folder(error));
    }
    let metadata = match fs::metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) => return fail(Problem::Folder(error)),
    };
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return fail(Problem::Foreign);
    }
    if metadata.mode() & 0o022 != 0 {
        return fail(Problem::Writable);
    }
    Ok(())
}

/// One chain's place in the folder.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    folder: PathBuf,
    chain: u32,
}

impl Names {
    pub(crate) fn new(folder: &Path, chain: u32) -> Self {
        Self {
            folder: folder.to_owned(),
            chain,
        }
    }

    pub(crate) fn chain(&self) -> u32 {
        self.chain
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn head(&self) -> PathBuf {
        self.folder.join(format!("chain-{:02}.head", self.chain))
    }

    /// The name of a file of records, without its folder.
    pub(crate) fn file_name(&self, number: u64) -> String {
        format!("chain-{:02}.{number:06}.jsonl", self.chain)
    }

    pub(crate) fn file(&self, number: u64) -> PathBuf {
        self.folder.join(self.file_name(number))
    }

    /// The numbers of the files of records that are there, in their order.
    pub(crate) fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let Some(Part::File(chain, number)) = name.to_str().and_then(Part::read) else {
                continue;
            };
            if chain == self.chain {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// What a name in the folder means.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Head(u32),
    File(u32, u64),
}

impl Part {
    fn read(name: &str) -> Option<Self> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let rest = name.strip_prefix("chain-")?;
        let (chain, rest) = rest.split_once('.')?;
        let number: u32 = chain.parse().ok()?;
        if chain.len() != 2 || !digits(chain) || number >= MAX_CHAINS {
            return None;
        }
        if rest == "head" {
            return Some(Self::Head(number));
        }
        let file = rest.strip_suffix(".jsonl")?;
        // Zero is no file, so that what comes before the first one has a number.
        let is_number = (6..=12).contains(&file.len()) && digits(file);
        let file = file.parse().ok().filter(|file| is_number && *file > 0)?;
        Some(Self::File(number, file))
    }
}

/// The chains of a folder, in their order.
pub(crate) fn chains(folder: &Path) -> io::Result<Vec<Names>> {
    let mut chains = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(Part::Head(chain) | Part::File(chain, _)) = name.to_str().and_then(Part::read) {
            chains.push(chain);
        }
    }
    chains.sort_unstable();
    chains.dedup();
    let names = chains.into_iter().map(|chain| Names::new(folder, chain));
    Ok(names.collect())
}

/// Opens a file to write at its end. A link in its place is refused.
pub(crate) fn append(path: &Path, is_new: bool) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .read(true)
        .create(true)
        .create_new(is_new)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(path)
        .and_then(plain)
}

/// Opens the head of a chain, to hold it.
pub(crate) fn open_head(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(path)
        .and_then(plain)
}

/// Opens a file to read it. Nothing that could block or lead elsewhere is.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path)
        .and_then(plain)
}

fn plain(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
    }
}

/// Takes the lock of a file. False if another process has it.
pub(crate) fn lock(file: &File) -> io::Result<bool> {
    taken(flock(file, FlockOperation::NonBlockingLockExclusive))
}

/// Whether a process writes the chain of this head now.
pub(crate) fn is_held(head: &File) -> bool {
    let taken = taken(flock(head, FlockOperation::NonBlockingLockShared));
    if taken.is_ok_and(|taken| taken) {
        let _ = flock(head, FlockOperation::Unlock);
        return false;
    }
    true
}

fn taken(result: Result<(), rustix::io::Errno>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn names_are_read_as_they_are_made() {
        let names = Names::new(Path::new("d"), 7);
        assert_eq!(Part::read(&names.file_name(12)), Some(Part::File(7, 12)));
        assert_eq!(
            Part::read(&names.file_name(1_234_567)),
            Some(Part::File(7, 1_234_567))
        );
        assert_eq!(Part::read("chain-07.head"), Some(Part::Head(7)));
        for other in [
            "chain-7.head",
            "chain-64.head",
            "chain-+7.head",
            "chain-07.12.jsonl",
            "chain-07.000000.jsonl",
            "chain-07.+00012.jsonl",
            "chain-07.000012.jsonl.gz",
            "chain-07.18446744073709551615.jsonl",
            "chain-07",
            "audit.key",
        ] {
            assert_eq!(Part::read(other), None, "{other}");
        }
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("state/audit");
        prepare(&folder).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(
            (mode(&folder), mode(&place.path().join("state"))),
            (0o700, 0o700)
        );
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
        let refused = prepare(&folder).unwrap_err().to_string();
        assert!(refused.contains("others can write"), "{refused}");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
        prepare(&folder).unwrap();
        fs::write(place.path().join("file"), "").unwrap();
        assert!(prepare(&place.path().join("file")).is_err());
    }

    #[test]
    fn a_link_or_a_pipe_is_never_opened() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("other"), "").unwrap();
        let link = place.path().join("link");
        symlink(place.path().join("other"), &link).unwrap();
        assert!(append(&link, false).is_err());
        assert!(open_head(&link).is_err());
        assert!(open(&link).is_err());
        let pipe = place.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert!(open(&pipe).is_err(), "and nobody waits for a writer");
        assert!(append(&place.path().join("other"), false).is_ok());
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("chain-00.head");
        let (one, other) = (open_head(&path).unwrap(), open_head(&path).unwrap());
        assert!(!is_held(&other));
        assert!(lock(&one).unwrap());
        assert!(!lock(&other).unwrap());
        assert!(is_held(&open(&path).unwrap()));
        drop(one);
        assert!(lock(&other).unwrap());
    }
}
