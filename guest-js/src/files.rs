//! Files of the host's mounts, through WASI.
//!
//! The C library looks for opened folders in a constructor, and that ran
//! before the snapshot. So they are registered here, when the first file is
//! asked for.

use crate::natives::Text;
use rquickjs::{Array, ArrayBuffer, Ctx, Function, Object, Result};
use std::cell::Cell;
use std::ffi::c_char;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

thread_local! {
    static READY: Cell<bool> = const { Cell::new(false) };
}

/// The first descriptor that can be a folder; 0 to 2 are the standard streams.
const FIRST: u32 = 3;

/// The folders a host may mount, at most.
const MOUNTS: u32 = 16;

/// The error number of WASI for a path that is in no folder of the host's.
const NOT_CAPABLE: i32 = 76;

/// Makes the host's folders known to the C library. Cheap when they are.
pub(crate) fn ready() {
    if READY.replace(true) {
        return;
    }
    for descriptor in FIRST..FIRST + MOUNTS {
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

/// What `js/files.js` asks for, by name. An error is thrown as an object with
/// the code and the text that Node has for it.
pub(crate) fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let files = Object::new(ctx.clone())?;
    macro_rules! functions {
        ($($name:literal: $function:expr),* $(,)?) => {
            $(files.set($name, Function::new(ctx.clone(), $function)?)?;)*
        };
    }
    functions! {
        "read": |ctx: Ctx<'js>, path: Text| {
            let bytes = attempt(&ctx, || fs::read(&path.0))?;
            ArrayBuffer::new(ctx, bytes)
        },
        "write": |ctx: Ctx<'js>, path: Text, bytes: ArrayBuffer<'js>, append: bool| {
            // SAFETY: no JavaScript runs while the bytes are copied.
            let bytes = unsafe { bytes.as_bytes() }.unwrap_or_default().to_vec();
            attempt(&ctx, || {
                let mut options = fs::OpenOptions::new();
                options.create(true).write(true).append(append).truncate(!append);
                options.open(&path.0)?.write_all(&bytes)
            })
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

/// Does what was asked; throws `{ code, text }` where it fails.
fn attempt<T>(ctx: &Ctx<'_>, work: impl FnOnce() -> io::Result<T>) -> Result<T> {
    ready();
    let error = match work() {
        Ok(done) => return Ok(done),
        Err(error) => error,
    };
    let (code, text) = match error.kind() {
        ErrorKind::NotFound => ("ENOENT", "no such file or directory"),
        ErrorKind::PermissionDenied => ("EACCES", "permission denied"),
        ErrorKind::AlreadyExists => ("EEXIST", "file already exists"),
        ErrorKind::IsADirectory => ("EISDIR", "illegal operation on a directory"),
        ErrorKind::NotADirectory => ("ENOTDIR", "not a directory"),
        ErrorKind::DirectoryNotEmpty => ("ENOTEMPTY", "directory not empty"),
        ErrorKind::ReadOnlyFilesystem => ("EROFS", "read-only file system"),
        ErrorKind::StorageFull => ("ENOSPC", "no space left on device"),
        ErrorKind::QuotaExceeded => ("EDQUOT", "the quota of the workspace is used up"),
        ErrorKind::FileTooLarge => ("EFBIG", "the file would be too large"),
        ErrorKind::InvalidInput | ErrorKind::InvalidFilename => ("EINVAL", "invalid path"),
        _ if error.raw_os_error() == Some(NOT_CAPABLE) => {
            ("EACCES", "there are no files of the sandbox at this path")
        }
        _ => ("EIO", "the file could not be used"),
    };
    let object = Object::new(ctx.clone())?;
    object.set("code", code)?;
    object.set("text", text)?;
    Err(ctx.throw(object.into_value()))
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn fd_prestat_get(descriptor: u32, prestat: *mut u32) -> u16;
    fn fd_prestat_dir_name(descriptor: u32, name: *mut u8, length: usize) -> u16;
}

unsafe extern "C" {
    fn __wasilibc_register_preopened_fd(descriptor: i32, prefix: *const c_char) -> i32;
}
