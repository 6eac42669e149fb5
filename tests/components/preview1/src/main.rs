//! `preview1 DIRECTORY`: what programs of WASI preview 1 rely on, one line for
//! each: `ok NAME`, or `wrong NAME: what came`.
//!
//! The directory is a preopened one, by its name. Names and groups are those of
//! the table in docs/components.md.

mod directories;
mod files;
mod paths;
mod process;

use std::fmt::Debug;

/// What came of one thing to try.
pub type Tried = Result<(), String>;

/// Descriptor of a preopened directory.
pub type Directory = wasi::Fd;

/// One thing to try, by its name.
pub type Named = (&'static str, fn(Directory) -> Tried);

/// Fails unless the two are equal.
pub fn same<T: PartialEq + Debug>(found: T, expected: T) -> Tried {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{found:?} instead of {expected:?}"))
    }
}

/// Fails unless a call failed with one of these numbers.
pub fn fails<T: Debug>(answer: Result<T, wasi::Errno>, with: &[wasi::Errno]) -> Tried {
    match answer {
        Err(errno) if with.contains(&errno) => Ok(()),
        answer => Err(format!("{answer:?} instead of {with:?}")),
    }
}

/// A call that must succeed.
pub fn done<T>(answer: Result<T, wasi::Errno>) -> Result<T, String> {
    answer.map_err(|errno| format!("{errno:?}"))
}

pub const ALL_RIGHTS: wasi::Rights = wasi::RIGHTS_FD_READ | wasi::RIGHTS_FD_WRITE;

/// Opens a path for reading and writing.
pub fn open(directory: Directory, path: &str, how: wasi::Oflags) -> Result<wasi::Fd, wasi::Errno> {
    unsafe { wasi::path_open(directory, 0, path, how, ALL_RIGHTS, 0, 0) }
}

/// Opens a directory.
pub fn open_directory(directory: Directory, path: &str) -> Result<wasi::Fd, wasi::Errno> {
    let rights = wasi::RIGHTS_FD_READDIR;
    unsafe { wasi::path_open(directory, 0, path, wasi::OFLAGS_DIRECTORY, rights, 0, 0) }
}

pub fn close(descriptor: wasi::Fd) -> Tried {
    done(unsafe { wasi::fd_close(descriptor) })
}

pub fn write(descriptor: wasi::Fd, bytes: &[u8]) -> Result<usize, wasi::Errno> {
    let piece = wasi::Ciovec {
        buf: bytes.as_ptr(),
        buf_len: bytes.len(),
    };
    unsafe { wasi::fd_write(descriptor, &[piece]) }
}

pub fn read(descriptor: wasi::Fd, length: usize) -> Result<Vec<u8>, wasi::Errno> {
    let mut bytes = vec![0; length];
    let piece = wasi::Iovec {
        buf: bytes.as_mut_ptr(),
        buf_len: length,
    };
    let count = unsafe { wasi::fd_read(descriptor, &[piece]) }?;
    bytes.truncate(count);
    Ok(bytes)
}

/// The preopened directories by their names, in order.
pub fn preopens() -> Vec<(wasi::Fd, String)> {
    let mut found = Vec::new();
    for descriptor in 3.. {
        let Ok(prestat) = (unsafe { wasi::fd_prestat_get(descriptor) }) else {
            break;
        };
        let mut name = vec![0; unsafe { prestat.u.dir.pr_name_len }];
        let got = unsafe { wasi::fd_prestat_dir_name(descriptor, name.as_mut_ptr(), name.len()) };
        if got.is_ok() {
            found.push((descriptor, String::from_utf8_lossy(&name).into_owned()));
        }
    }
    found
}

fn main() {
    let Some(name) = std::env::args().nth(1) else {
        process::exit_as_told();
        return;
    };
    let found = preopens().into_iter().find(|(_, path)| *path == name);
    let Some((directory, _)) = found else {
        println!("wrong preopen: no directory `{name}` in {:?}", preopens());
        return;
    };
    for (name, work) in [process::ALL, files::ALL, paths::ALL, directories::ALL].concat() {
        match work(directory) {
            Ok(()) => println!("ok {name}"),
            Err(why) => println!("wrong {name}: {why}"),
        }
    }
    // Everything was removed again.
    match directories::names(directory) {
        Ok(names) if names.is_empty() => println!("ok leaves-nothing"),
        other => println!("wrong leaves-nothing: {other:?}"),
    }
}
