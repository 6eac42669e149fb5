//! The secret of an installation: names are hashed with it, and records signed.
//!
//! Without it nobody can find out whose record one is by hashing what he guesses,
//! nor write one that [verification](crate::verify()) takes for ours. It is
//! never in a record, and lies beside them only if the operator puts it there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::{fmt, process};

use rustix::fs::OFlags;
use serde::{Serialize, Serializer};

/// A key of its own for each use, so that what one gives away is worth nothing
/// for the others.
#[derive(Clone)]
pub struct Key {
    names: [u8; 32],
    records: [u8; 32],
    id: Tag,
}

/// A name as a record has it: a keyed hash, the same for the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u64);

/// Bytes of a signature.
pub(crate) const MAC: usize = 16;

/// Hexadecimal digits of a key, in its file.
const DIGITS: usize = 64;

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the key of the audit record, `{}`, {problem}", file.display())]
pub struct KeyError {
    /// Its file.
    pub file: PathBuf,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("cannot be read: {0}")]
    Read(io::Error),
    #[error("cannot be made: {0}")]
    Write(io::Error),
    #[error("can be read by others; `chmod 600` it, or remove it to get a new one")]
    Open,
    #[error("belongs to somebody else")]
    Foreign,
    #[error("holds no key; remove it to get a new one")]
    Malformed,
}

impl KeyError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(&self.problem, Problem::Read(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl Key {
    /// The key in a file, which only its owner can read.
    ///
    /// # Errors
    ///
    /// There is none, it is somebody else's, or others can read it.
    pub fn load(file: &Path) -> Result<Self, KeyError> {
        read(file).map_err(|problem| KeyError {
            file: file.to_owned(),
            problem,
        })
    }

    /// The same; made if there is none. However many do that at once, they get
    /// the same one.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), or the file cannot be written.
    pub fn load_or_create(file: &Path) -> Result<Self, KeyError> {
        match Self::load(file) {
            Err(error) if error.is_missing() => {}
            done => return done,
        }
        create(file).map_err(|error| KeyError {
            file: file.to_owned(),
            problem: Problem::Write(error),
        })?;
        Self::load(file)
    }

    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let derive = |what: &str| {
            let context = format!("wasm-coordinator 2026-11 audit {what}");
            blake3::derive_key(&context, secret)
        };
        let id = derive("id of the key");
        Self {
            names: derive("names"),
            records: derive("records"),
            id: Tag::of(&id),
        }
    }

    /// Tells this key from others, and says nothing about it.
    pub(crate) fn id(&self) -> Tag {
        self.id
    }

    /// A name that is nobody's business. What kind of name it is counts, too.
    pub(crate) fn tag(&self, kind: &str, name: &[u8]) -> Tag {
        let mut hasher = blake3::Hasher::new_keyed(&self.names);
        hasher.update(kind.as_bytes()).update(&[0]).update(name);
        Tag::of(hasher.finalize().as_bytes())
    }

    pub(crate) fn mac(&self, text: &[u8]) -> [u8; MAC] {
        let hash = blake3::keyed_hash(&self.records, text);
        let mut mac = [0; MAC];
        mac.copy_from_slice(&hash.as_bytes()[..MAC]);
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl Tag {
    fn of(hash: &[u8; 32]) -> Self {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hash[..8]);
        Self(u64::from_be_bytes(bytes))
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn read(file: &Path) -> Result<Key, Problem> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(file)
        .map_err(Problem::Read)?;
    let metadata = opened.metadata().map_err(Problem::Read)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Problem::Foreign);
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(Problem::Open);
    }
    let mut text = String::new();
    let most = DIGITS as u64 + 2;
    let read = opened.take(most).read_to_string(&mut text);
    read.map_err(Problem::Read)?;
    let text = text.trim_end();
    let mut secret = [0; DIGITS / 2];
    if text.len() != DIGITS {
        return Err(Problem::Malformed);
    }
    for (byte, digits) in secret.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = str::from_utf8(digits).map_err(|_| Problem::Malformed)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| Problem::Malformed)?;
    }
    Ok(Key::new(&secret))
}

/// Writes a new key, whole or not at all. One that somebody else made meanwhile
/// stays.
fn create(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut secret = [0; DIGITS / 2];
    getrandom::fill(&mut secret)
        .map_err(|_| io::Error::other("the system has no random numbers"))?;
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let next = file.with_extension(format!("{}.next", process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(&next)
        .and_then(|mut next: File| {
            next.write_all(format!("{digits}\n").as_bytes())?;
            next.sync_all()
        })
        .and_then(|()| fs::hard_link(&next, file));
    let _ = fs::remove_file(&next);
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/audit.key");
        assert!(Key::load(&file).unwrap_err().is_missing());
        let made = Key::load_or_create(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(Key::load(&file).unwrap().id(), made.id());
        assert_eq!(Key::load_or_create(&file).unwrap().id(), made.id());
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);

        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Key::load_or_create(&file).unwrap_err().to_string();
        assert!(refused.contains("can be read by others"), "{refused}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "short\n").unwrap();
        let refused = Key::load_or_create(&file).unwrap_err().to_string();
        assert!(refused.contains("holds no key"), "{refused}");
    }

    #[test]
    fn names_of_one_kind_are_not_those_of_another() {
        let (one, other) = (Key::new(&[1; 32]), Key::new(&[2; 32]));
        let tag = one.tag("session", b"a");
        assert_eq!(tag, one.tag("session", b"a"));
        for different in [
            one.tag("session", b"b"),
            one.tag("caller", b"a"),
            other.tag("session", b"a"),
        ] {
            assert_ne!(tag, different);
        }
        assert_ne!(one.mac(b"a"), other.mac(b"a"));
        assert_eq!(tag.to_string().len(), 16);
        assert!(!format!("{one:?}").contains("01, 1"), "{one:?}");
    }
}
