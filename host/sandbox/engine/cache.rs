//! Compiled code on disk, so that Cranelift runs once and not at every start.
//!
//! Loading compiled code means trusting it entirely. Therefore the folder must
//! belong to this user alone, each entry carries a seal that only the holder
//! of the folder's key could have made, and the one function in the project
//! that loads compiled code is in this file. An entry that does not hold up is
//! deleted and made again.
//!
//! A seal binds the content's digest to the identity of the file (device,
//! inode, size, times). While that identity is unchanged nothing is read; a
//! copied folder (an image, a restored backup) is hashed once and sealed anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// What was compiled.
#[derive(Clone)]
pub(crate) enum Compiled {
    Component(Component),
    Module(Module),
}

/// What there is to compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Component,
    Module,
}

impl Compiled {
    pub(crate) fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        match self {
            Self::Component(component) => component.serialize(),
            Self::Module(module) => module.serialize(),
        }
    }

    /// The bytes of its code.
    pub(crate) fn size(&self) -> usize {
        let image = match self {
            Self::Component(component) => component.image_range(),
            Self::Module(module) => module.image_range(),
        };
        image.end.addr() - image.start.addr()
    }
}

/// A folder of compiled components and modules.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
}

/// The seal beside each entry: its stamp, its digest and a keyed hash of both
/// and of the entry's name.
struct Seal {
    stamp: [u8; STAMP],
    digest: [u8; 32],
    mac: [u8; 32],
}

/// Entries of one prefix that are kept at most, and their code together: what
/// one user brings in a day of work, and no more than a browser keeps.
const MAX_ENTRIES: usize = 64;
const MAX_BYTES: u64 = 512 << 20;

/// Device, inode, size, seconds and nanoseconds of the last change of content
/// and of the last change of the inode, eight bytes each.
const STAMP: usize = 7 * 8;

impl Cache {
    /// Opens the folder, making it if need be.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or when others could write to it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let meta = fs::metadata(folder)?;
        if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "others may write to the folder; it must belong to you with mode 0700",
            ));
        }
        let key = key(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            key,
        })
    }

    /// The compiled code for this name, if there is one that holds up.
    pub(crate) fn load(&self, engine: &Engine, name: &str, form: Form) -> Option<Compiled> {
        let path = self.entry(name);
        match self.verified(name, &path) {
            Ok(file) => match deserialize(engine, &file, &path, form) {
                Ok(compiled) => return Some(compiled),
                Err(error) => {
                    tracing::warn!("compiled code is not usable, making it again: {error:#}")
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!("compiled code does not hold up, making it again: {error}")
            }
        }
        let _ = fs::remove_file(&path);
        let _ = fs::remove_file(self.seal_path(name));
        None
    }

    /// Keeps compiled code. A reader sees all of it or nothing.
    pub(crate) fn store(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let file = replace(&self.entry(name), code)?;
        let digest = *blake3::hash(code).as_bytes();
        self.write_seal(name, &file.metadata()?, digest)
    }

    /// Keeps compiled code that is one of many, under a name with this prefix. The
    /// oldest with the prefix make room for it.
    pub(crate) fn store_bounded(&self, prefix: &str, name: &str, code: &[u8]) -> io::Result<()> {
        self.make_room(prefix, code.len() as u64)?;
        self.store(name, code)
    }

    /// Removes the oldest entries of a prefix until one more of this size fits.
    fn make_room(&self, prefix: &str, size: u64) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let file = entry.file_name();
            let name = file.to_str().and_then(|name| name.strip_suffix(".cwasm"));
            let Some(name) = name.filter(|name| name.starts_with(prefix)) else {
                continue;
            };
            // Another process may have removed it meanwhile.
            if let Ok(meta) = entry.metadata() {
                entries.push((meta.modified()?, name.to_owned(), meta.len()));
            }
        }
        entries.sort();
        let mut bytes: u64 = entries.iter().map(|(_, _, size)| size).sum();
        let mut count = entries.len();
        for (_, name, entry_size) in entries {
            if count < MAX_ENTRIES && bytes.saturating_add(size) <= MAX_BYTES {
                break;
            }
            let _ = fs::remove_file(self.entry(&name));
            let _ = fs::remove_file(self.seal_path(&name));
            count -= 1;
            bytes -= entry_size;
        }
        Ok(())
    }

    fn verified(&self, name: &str, path: &Path) -> io::Result<File> {
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32;
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)?;
        let meta = file.metadata()?;
        let seal = self.read_seal(name)?;
        if seal.mac != self.mac(name, &seal.stamp, &seal.digest) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its seal is not ours",
            ));
        }
        if seal.stamp == stamp(&meta) {
            return Ok(file);
        }
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => hasher.update(&buffer[..n]),
            };
        }
        if *hasher.finalize().as_bytes() != seal.digest {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its content has changed",
            ));
        }
        // A read-only folder only costs the hash again next time.
        let _ = self.write_seal(name, &meta, seal.digest);
        Ok(file)
    }

    fn write_seal(&self, name: &str, meta: &fs::Metadata, digest: [u8; 32]) -> io::Result<()> {
        let stamp = stamp(meta);
        let mac = self.mac(name, &stamp, &digest);
        let bytes = [&stamp[..], &digest, &mac].concat();
        replace(&self.seal_path(name), &bytes).map(drop)
    }

    fn read_seal(&self, name: &str) -> io::Result<Seal> {
        let bytes = fs::read(self.seal_path(name))?;
        let bytes: [u8; STAMP + 64] = bytes
            .try_into()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "its seal is damaged"))?;
        let (stamp, rest) = bytes.split_at(STAMP);
        let (digest, mac) = rest.split_at(32);
        let fixed = "the array was split at these lengths";
        Ok(Seal {
            stamp: stamp.try_into().expect(fixed),
            digest: digest.try_into().expect(fixed),
            mac: mac.try_into().expect(fixed),
        })
    }

    fn mac(&self, name: &str, stamp: &[u8; STAMP], digest: &[u8; 32]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(stamp).update(digest).update(name.as_bytes());
        *hasher.finalize().as_bytes()
    }

    fn entry(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.cwasm"))
    }

    fn seal_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.seal"))
    }
}

/// The folder's key, made at first use.
fn key(folder: &Path) -> io::Result<[u8; 32]> {
    let path = folder.join("key");
    if let Ok(bytes) = fs::read(&path)
        && let Ok(key) = bytes.try_into()
    {
        return Ok(key);
    }
    let mut key = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    replace(&path, &key)?;
    Ok(key)
}

/// Writes a file under another name and then gives it its own, so that nobody
/// ever sees half of it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let temporary = path.with_added_extension(format!("{}.new", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        Ok(file)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn stamp(meta: &fs::Metadata) -> [u8; STAMP] {
    let fields = [
        meta.dev(),
        meta.ino(),
        meta.size(),
        meta.mtime() as u64,
        meta.mtime_nsec() as u64,
        meta.ctime() as u64,
        meta.ctime_nsec() as u64,
    ];
    let mut stamp = [0; STAMP];
    for (slot, field) in stamp.chunks_exact_mut(8).zip(fields) {
        slot.copy_from_slice(&field.to_le_bytes());
    }
    stamp
}

/// Loads compiled code from a file that was verified through this very handle.
///
/// Private, and the only caller of wasmtime's deserialisation in the project;
/// a test counts.
fn deserialize(
    engine: &Engine,
    file: &File,
    path: &Path,
    form: Form,
) -> wasmtime::Result<Compiled> {
    // Opening the name again could yield another file than the verified one.
    let by_handle = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let path = if by_handle.exists() { &by_handle } else { path };
    // SAFETY: the file was made by `store` from this engine's own output: its
    // seal, made with a key that only this user can read, says so and names
    // its content, and only this user can write to the folder.
    unsafe {
        match form {
            Form::Component => Component::deserialize_file(engine, path).map(Compiled::Component),
            Form::Module => Module::deserialize_file(engine, path).map(Compiled::Module),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(engine: &Engine) -> Vec<u8> {
        let component = Component::new(engine, wat::parse_str("(component)").unwrap()).unwrap();
        component.serialize().unwrap()
    }

    #[test]
    fn what_was_stored_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(folder.path()).unwrap();
        assert!(cache.load(&engine, "a", Form::Component).is_none());
        cache.store("a", &compiled(&engine)).unwrap();
        assert!(cache.load(&engine, "a", Form::Component).is_some());
        assert!(
            Cache::open(folder.path())
                .unwrap()
                .load(&engine, "a", Form::Component)
                .is_some()
        );
    }

    #[test]
    fn a_module_is_not_loaded_as_a_component() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(folder.path()).unwrap();
        let module = Module::new(&engine, wat::parse_str("(module)").unwrap()).unwrap();
        cache.store("a", &module.serialize().unwrap()).unwrap();
        assert!(cache.load(&engine, "a", Form::Module).is_some());
        assert!(cache.load(&engine, "a", Form::Component).is_none());
    }

    #[test]
    fn changed_code_is_never_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(folder.path()).unwrap();
        cache.store("a", &compiled(&engine)).unwrap();
        let path = cache.entry("a");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(cache.load(&engine, "a", Form::Component).is_none());
        assert!(!path.exists(), "the entry is deleted");
    }

    #[test]
    fn the_oldest_make_room_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(folder.path()).unwrap();
        let code = compiled(&engine);
        cache.store("guest", &code).unwrap();
        for number in 0..MAX_ENTRIES + 3 {
            let name = format!("component-{number}");
            cache.store_bounded("component-", &name, &code).unwrap();
            // Times of files are coarse.
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
            let entry = File::open(cache.entry(&name)).unwrap();
            entry.set_modified(time).unwrap();
        }
        let there = |name: &str| cache.entry(name).exists();
        assert!(there("guest"));
        assert!(!there("component-0") && !there("component-2"));
        assert!(there("component-3") && !cache.seal_path("component-2").exists());
        // One that is as large as the bound is alone.
        cache.make_room("component-", MAX_BYTES).unwrap();
        assert!(there("guest") && !there(&format!("component-{}", MAX_ENTRIES + 2)));
    }

    #[test]
    fn a_seal_belongs_to_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(folder.path()).unwrap();
        cache.store("a", &compiled(&engine)).unwrap();
        fs::copy(cache.entry("a"), cache.entry("b")).unwrap();
        fs::copy(cache.seal_path("a"), cache.seal_path("b")).unwrap();
        assert!(cache.load(&engine, "b", Form::Component).is_none());
    }

    #[test]
    fn a_copied_folder_is_sealed_anew() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let engine = Engine::default();
        Cache::open(one.path())
            .unwrap()
            .store("a", &compiled(&engine))
            .unwrap();
        for entry in fs::read_dir(one.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), two.path().join(entry.file_name())).unwrap();
        }
        let copy = Cache::open(two.path()).unwrap();
        let before = copy.read_seal("a").unwrap().stamp;
        assert!(copy.load(&engine, "a", Form::Component).is_some());
        assert_ne!(before, copy.read_seal("a").unwrap().stamp);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Cache::open(folder.path()).is_err());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(Cache::open(folder.path()).is_ok());
    }
}
