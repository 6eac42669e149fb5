//! Files of the host's mounts, through WASI.
//!
//! The C library looks for opened folders in a constructor, and that ran
//! before the snapshot. So they are registered here, when the first file is
//! asked for.

use crate::text::Text;
use rquickjs::{Array, ArrayBuffer, Ctx, Error, Function, Object, Result};
use std::cell::Cell;
use std::ffi::{CString, c_char, c_int};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::FromRawFd as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

thread_local! {
    static READY: Cell<bool> = const { Cell::new(false) };
}

/// The first descriptor that can be a folder; 0 to 2 are the standard streams.
const FIRST: u32 = 3;

/// The folders a host may mount, at most.
const MAX_MOUNTS: u32 = 16;

/// The error number of WASI for what only a file can do.
const IS_DIRECTORY: i32 = 31;

/// What a file is opened with, as WASI's C library numbers it.
const APPEND: c_int = 1;
const CREATE: c_int = 1 << 12;
const EXCLUSIVE: c_int = 4 << 12;
const TRUNCATE: c_int = 8 << 12;
const READ: c_int = 0x0400_0000;
const WRITE: c_int = 0x1000_0000;

/// Makes the host's folders known to the C library. Cheap when they are.
pub(crate) fn ready() {
    if READY.replace(true) {
        return;
    }
    for descriptor in FIRST..FIRST + MAX_MOUNTS {
        let mut prestat = [0u32; 2];
        // SAFETY: the buffer has the size of the structure that is written:
        // a tag and, for a folder, the length of its name.
        if unsafe { fd_prestat_get(descriptor, prestat.as_mut_ptr()) } != 0 {
            return;
        }
        let mut name = vec![0u8; prestat[1] as usize + 1];
        // SAFETY: the name has room for the length, and a zero byte behind it.
        unsafe {
            if fd_prestat_dir_name(descriptor, name.as_mut_ptr(), prestat[1] as usize) == 0 {
                __wasilibc_register_preopened_fd(descriptor as i32, name.as_ptr().cast());
            }
        }
    }
}

/// Whether there is such a file.
pub(crate) fn exists(path: &str) -> bool {
    ready();
    Path::new(path).is_file()
}

/// Whether there is such a folder.
pub(crate) fn is_folder(path: &str) -> bool {
    ready();
    Path::new(path).is_dir()
}

/// What `js/files.js` asks for, by name. An error is thrown as an object with
/// the code, the number and the text that Node has for it; and with the system
/// call if that was another one than the function begins with.
pub(crate) fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let files = Object::new(ctx.clone())?;
    macro_rules! functions {
        ($($name:literal: $function:expr),* $(,)?) => {
            $(files.set($name, Function::new(ctx.clone(), $function)?)?;)*
        };
    }
    functions! {
        "read": |ctx: Ctx<'js>, path: Text, flags: u32| {
            let file = attempt(&ctx, || open(&path.0, flags))?;
            let bytes = read(file).map_err(|error| thrown(&ctx, Some("read"), &error))?;
            ArrayBuffer::new(ctx, bytes)
        },
        "write": |ctx: Ctx<'js>, path: Text, bytes: ArrayBuffer<'js>, flags: u32| {
            // SAFETY: no JavaScript runs while the bytes are copied.
            let bytes = unsafe { bytes.as_bytes() }.unwrap_or_default().to_vec();
            let mut file = attempt(&ctx, || open(&path.0, flags))?;
            file.write_all(&bytes).map_err(|error| thrown(&ctx, Some("write"), &error))
        },
        "list": |ctx: Ctx<'js>, path: Text| list(ctx, &path.0),
        "stat": |ctx: Ctx<'js>, path: Text| stat(ctx, &path.0),
        "makeFolder": |ctx: Ctx<'js>, path: Text, parents: bool| attempt(&ctx, || match parents {
            true => fs::create_dir_all(&path.0),
            false => fs::create_dir(&path.0),
        }),
        "removeFile": |ctx: Ctx<'js>, path: Text| attempt(&ctx, || fs::remove_file(&path.0)),
        "removeFolder": |ctx: Ctx<'js>, path: Text, all: bool| attempt(&ctx, || match all {
            true => fs::remove_dir_all(&path.0),
            false => fs::remove_dir(&path.0),
        }),
        "rename": |ctx: Ctx<'js>, from: Text, to: Text| attempt(&ctx, || fs::rename(&from.0, &to.0)),
    }
    Ok(files)
}

fn list<'js>(ctx: Ctx<'js>, path: &str) -> Result<Array<'js>> {
    let mut entries = attempt(&ctx, || {
        fs::read_dir(path)?
            .map(|entry| {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                Ok((name, entry.file_type()?.is_dir()))
            })
            .collect::<io::Result<Vec<_>>>()
    })?;
    entries.sort();
    let array = Array::new(ctx.clone())?;
    for (index, (name, is_folder)) in entries.into_iter().enumerate() {
        let entry = Array::new(ctx.clone())?;
        entry.set(0, name)?;
        entry.set(1, is_folder)?;
        array.set(index, entry)?;
    }
    Ok(array)
}

fn stat<'js>(ctx: Ctx<'js>, path: &str) -> Result<Object<'js>> {
    let metadata = attempt(&ctx, || fs::metadata(path))?;
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0.0, |since| since.as_secs_f64() * 1e3);
    let object = Object::new(ctx)?;
    object.set("size", metadata.len() as f64)?;
    object.set("folder", metadata.is_dir())?;
    object.set("modified", modified)?;
    Ok(object)
}

/// Opens a file. The flags are those of `fs.constants`, which are Linux's; that
/// of synchronous writing has nothing to ask for, since what is written is with
/// the host at once.
fn open(path: &str, flags: u32) -> io::Result<File> {
    let path = CString::new(path)?;
    let mut ours = match flags & 3 {
        0 => READ,
        1 => WRITE,
        _ => READ | WRITE,
    };
    // Alone, "exclusive" means nothing on Linux, but does to the host.
    let exclusive = match flags & 0o100 {
        0 => 0,
        _ => EXCLUSIVE,
    };
    for (flag, our) in [
        (0o100, CREATE),
        (0o200, exclusive),
        (0o1000, TRUNCATE),
        (0o2000, APPEND),
    ] {
        if flags & flag != 0 {
            ours |= our;
        }
    }
    // SAFETY: the path ends with a zero byte and lives until the call is over.
    let descriptor = unsafe { __wasilibc_open_nomode(path.as_ptr(), ours) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and nothing else knows it.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// All of a file. A folder is told apart here: what reads from one only says
/// that the descriptor is bad.
fn read(mut file: File) -> io::Result<Vec<u8>> {
    if file.metadata()?.is_dir() {
        return Err(io::Error::from_raw_os_error(IS_DIRECTORY));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Does what was asked; throws what the program should see where it fails.
fn attempt<T>(ctx: &Ctx<'_>, work: impl FnOnce() -> io::Result<T>) -> Result<T> {
    ready();
    work().map_err(|error| thrown(ctx, None, &error))
}

/// Throws `{ code, errno, text, syscall }`.
fn thrown(ctx: &Ctx<'_>, syscall: Option<&str>, error: &io::Error) -> Error {
    let (code, errno, text) = named(error);
    let object = || -> Result<Object<'_>> {
        let object = Object::new(ctx.clone())?;
        object.set("code", code)?;
        object.set("errno", -errno)?;
        object.set("text", text)?;
        object.set("syscall", syscall)?;
        Ok(object)
    };
    match object() {
        Ok(object) => ctx.throw(object.into_value()),
        Err(error) => error,
    }
}

/// An error of WASI as Node tells it on Linux: the code, its number there, and
/// the text. By number, since the standard library has a name for few of them.
fn named(error: &io::Error) -> (&'static str, i32, &'static str) {
    let Some(number) = error.raw_os_error() else {
        return match error.kind() {
            ErrorKind::OutOfMemory => ("ENOMEM", 12, "not enough memory"),
            ErrorKind::InvalidInput => ("EINVAL", 22, "invalid argument"),
            _ => ("EIO", 5, "i/o error"),
        };
    };
    match number {
        2 => ("EACCES", 13, "permission denied"),
        8 => ("EBADF", 9, "bad file descriptor"),
        10 => ("EBUSY", 16, "resource busy or locked"),
        19 => ("EDQUOT", 122, "disk quota exceeded"),
        20 => ("EEXIST", 17, "file already exists"),
        22 => ("EFBIG", 27, "file too large"),
        25 => ("EILSEQ", 84, "illegal byte sequence"),
        28 => ("EINVAL", 22, "invalid argument"),
        IS_DIRECTORY => ("EISDIR", 21, "illegal operation on a directory"),
        33 => ("EMFILE", 24, "too many open files"),
        37 => ("ENAMETOOLONG", 36, "name too long"),
        44 => ("ENOENT", 2, "no such file or directory"),
        48 => ("ENOMEM", 12, "not enough memory"),
        51 => ("ENOSPC", 28, "no space left on device"),
        54 => ("ENOTDIR", 20, "not a directory"),
        55 => ("ENOTEMPTY", 39, "directory not empty"),
        58 => ("ENOTSUP", 95, "operation not supported"),
        63 => ("EPERM", 1, "operation not permitted"),
        69 => ("EROFS", 30, "read-only file system"),
        75 => ("EXDEV", 18, "cross-device link not permitted"),
        // Not capable: the path is in no folder of the host's.
        76 => (
            "EACCES",
            13,
            "there are no files of the sandbox at this path",
        ),
        _ => ("EIO", 5, "i/o error"),
    }
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn fd_prestat_get(descriptor: u32, prestat: *mut u32) -> u16;
    fn fd_prestat_dir_name(descriptor: u32, name: *mut u8, length: usize) -> u16;
}

unsafe extern "C" {
    fn __wasilibc_register_preopened_fd(descriptor: i32, prefix: *const c_char) -> i32;
    fn __wasilibc_open_nomode(path: *const c_char, flags: c_int) -> c_int;
}
