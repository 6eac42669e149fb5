//! Compiled code on disk, so that Cranelift runs once and not at every start.
//!
//! Loading compiled code means trusting it entirely. Therefore the folder must
//! belong to this user alone, each entry carries a seal that only the holder
//! of the folder's key could have made, and the one function in the project
//! that loads compiled code is in this file. An entry that does not hold up is
//! deleted and made again.
//!
//! Code of components belongs to the caller who brought them, and its name says
//! whose it is.
//!
//! A seal binds the content's digest to the identity of the file (device,
//! inode, size, times). While that identity is unchanged nothing is read; a
//! copied folder (an image, a restored backup) is hashed once and sealed anew.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use super::artifact::{Artifact, Code};
use contract::caller::Caller;
use contract::program::Form;

/// What was compiled.
#[derive(Clone)]
pub(crate) enum Compiled {
    Component(Component),
    Module(Module),
}

/// What an entry of the folder is.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A guest. There are few, and they stay.
    Guest(String),
    /// A component of this caller. Old ones make room for new ones.
    Component { caller: Caller, name: String },
}

impl Compiled {
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

/// How the names of components begin.
const COMPONENTS: &str = "component-";

/// Components that are kept at most, and their code together.
const MAX_ALL: Bound = Bound {
    entries: 64,
    bytes: 512 << 20,
};

/// The same for one caller: what somebody brings in a day of work, and a part of
/// all, so that whoever brings many pushes out their own.
const MAX_OWN: Bound = Bound {
    entries: 32,
    bytes: 256 << 20,
};

#[derive(Clone, Copy)]
struct Bound {
    entries: usize,
    bytes: u64,
}

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

    /// The compiled code of this entry, if there is one that holds up.
    pub(crate) fn load(&self, engine: &Engine, entry: &Entry, form: Form) -> Option<Compiled> {
        let name = self.name(entry);
        let file = self.verified(&name)?;
        match deserialize(engine, Source::Entry(&file), form) {
            Ok(compiled) => Some(compiled),
            Err(error) => {
                tracing::warn!("compiled code is not usable, making it again: {error:#}");
                self.remove(&name);
                None
            }
        }
    }

    /// The same, not loaded: a copy in memory that can be handed to others.
    #[cfg(target_os = "linux")]
    pub(crate) fn artifact(&self, entry: &Entry, form: Form) -> Option<Artifact> {
        let file = self.verified(&self.name(entry))?;
        let copied = super::memory_file::memory_file("code").and_then(|mut copy| {
            io::copy(&mut &file, &mut copy)?;
            super::memory_file::seal(&copy)?;
            Ok(copy)
        });
        let copy = copied
            .inspect_err(|error| tracing::warn!("compiled code cannot be copied: {error}"))
            .ok()?;
        // SAFETY: the entry was made by `store` and holds up, and nobody can change
        // the copy.
        Some(unsafe { Artifact::of_file(form, copy) })
    }

    /// Keeps compiled code. A reader sees all of it or nothing.
    pub(crate) fn store(&self, entry: &Entry, artifact: &Artifact) -> io::Result<()> {
        let name = self.name(entry);
        if let Entry::Component { caller, .. } = entry {
            let size = artifact.size()?;
            self.make_room(&self.prefix(*caller), MAX_OWN, size)?;
            self.make_room(COMPONENTS, MAX_ALL, size)?;
        }
        let mut hasher = blake3::Hasher::new();
        let file = replace(&self.entry(&name), |file| {
            artifact.read(|piece| {
                hasher.update(piece);
                file.write_all(piece)
            })
        })?;
        let digest = *hasher.finalize().as_bytes();
        self.write_seal(&name, &file.metadata()?, digest)
    }

    /// The name of an entry, without its ending.
    fn name(&self, entry: &Entry) -> String {
        match entry {
            Entry::Guest(name) => name.clone(),
            Entry::Component { caller, name } => format!("{}{name}", self.prefix(*caller)),
        }
    }

    /// How the names of a caller's components begin. Does not tell who that is.
    fn prefix(&self, Caller(caller): Caller) -> String {
        let owner = blake3::keyed_hash(&self.key, &caller).to_hex();
        format!("{COMPONENTS}{}-", &owner[..16])
    }

    /// Removes the oldest entries of a prefix until one more of this size fits.
    fn make_room(&self, prefix: &str, bound: Bound, size: u64) -> io::Result<()> {
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
            if count < bound.entries && bytes.saturating_add(size) <= bound.bytes {
                break;
            }
            self.remove(&name);
            count -= 1;
            bytes -= entry_size;
        }
        Ok(())
    }

    fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.entry(name));
        let _ = fs::remove_file(self.seal_path(name));
    }

    /// Opens an entry, if it is there and holds up. One that does not is removed.
    fn verified(&self, name: &str) -> Option<File> {
        match self.verify(name) {
            Ok(file) => Some(file),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!("compiled code does not hold up, making it again: {error}");
                    self.remove(name);
                }
                None
            }
        }
    }

    fn verify(&self, name: &str) -> io::Result<File> {
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(self.entry(name))?;
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
        let mut at = 0;
        // Not from where the handle stands: it is read again by others.
        while let count @ 1.. = file.read_at(&mut buffer, at)? {
            hasher.update(&buffer[..count]);
            at += count as u64;
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
        replace(&self.seal_path(name), |seal| seal.write_all(&bytes)).map(drop)
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
    replace(&path, |file| file.write_all(&key))?;
    Ok(key)
}

/// Writes a file under another name and then gives it its own, so that nobody
/// ever sees half of it.
fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<File> {
    let temporary = path.with_added_extension(format!("{}.new", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        write(&mut file)?;
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

/// Loads machine code that was just made, or that another process gave. Opens
/// nothing: a worker cannot.
pub(crate) fn load(engine: &Engine, artifact: &Artifact) -> wasmtime::Result<Compiled> {
    let form = artifact.form();
    match artifact.code() {
        Code::Bytes(bytes) => deserialize(engine, Source::Bytes(bytes), form),
        Code::File(file) => deserialize(engine, Source::Bytes(&Mapped::new(file)?), form),
    }
}

/// Where compiled code is.
enum Source<'a> {
    /// An entry of the folder that holds up. It is mapped.
    Entry(&'a File),
    /// In memory. It is copied.
    Bytes(&'a [u8]),
}

/// Loads compiled code.
///
/// Private, and the only caller of wasmtime's deserialisation in the project;
/// a test counts.
fn deserialize(engine: &Engine, code: Source<'_>, form: Form) -> wasmtime::Result<Compiled> {
    // SAFETY: an entry of the folder is what `store` wrote of this engine's own
    // output: its seal, made with a key that only this user can read, says so and
    // names its content, and only this user can write to the folder. Other code is
    // of an `Artifact`, which is this engine's own output too, made here or in
    // another process of ours.
    unsafe {
        match (code, form) {
            (Source::Entry(file), Form::Component) => {
                Component::deserialize_file(engine, by_handle(file)).map(Compiled::Component)
            }
            (Source::Entry(file), Form::Module) => {
                Module::deserialize_file(engine, by_handle(file)).map(Compiled::Module)
            }
            (Source::Bytes(bytes), Form::Component) => {
                Component::deserialize(engine, bytes).map(Compiled::Component)
            }
            (Source::Bytes(bytes), Form::Module) => {
                Module::deserialize(engine, bytes).map(Compiled::Module)
            }
        }
    }
}

/// A path to an open file: opening its name again could yield another file than the
/// one that was looked at.
fn by_handle(file: &File) -> PathBuf {
    let folder = if cfg!(target_os = "linux") {
        "/proc/self/fd"
    } else {
        "/dev/fd"
    };
    Path::new(folder).join(file.as_raw_fd().to_string())
}

/// An unchangeable file in memory.
struct Mapped {
    start: *mut std::ffi::c_void,
    length: usize,
}

impl Mapped {
    fn new(file: &File) -> io::Result<Self> {
        // Not by the standard library, which asks in a way that could name a path:
        // a worker may not.
        let size = rustix::fs::fstat(file)?.st_size;
        let length = usize::try_from(size).map_err(io::Error::other)?;
        let (protection, flags) = (ProtFlags::READ, MapFlags::PRIVATE);
        // SAFETY: at an address that the system chooses, nothing else is.
        let start = unsafe { mmap(std::ptr::null_mut(), length, protection, flags, file, 0) }?;
        Ok(Self { start, length })
    }
}

impl std::ops::Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped there until this is dropped. The file is
        // one of an `Artifact`, which nobody can change or cut.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.length) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `new`, and nobody borrows it any more.
        let _ = unsafe { munmap(self.start, self.length) };
    }
}
