//! WASI preview 1 for core modules, which most compilers make: its functions
//! over the files, clocks and output that every program has.
//!
//! Not through the public adapter to WASI 0.2. The adapter lives in the memory
//! of the module and grows it for itself; the allocators of Go, of
//! AssemblyScript and of C libraries before 2023 take whatever the memory has
//! grown to for their own, and both then write over each other.
//!
//! Every number, address and length here is a stranger's. What is wrong with
//! them is an error number; only a limit of the run, its end, and a broken host
//! stop a module.

mod abi;
mod files;
mod memory;
mod paths;
mod process;

use wasmtime::{AsContextMut, Caller, Extern, Linker};

use self::abi::{DIRECTORY_RIGHTS, Errno, FILE_RIGHTS, RIGHT_READ, RIGHT_WRITE};
use self::memory::Memory;
use crate::console::Stream;
use crate::descriptors::{OpenFile, Opened};
use crate::files::{Answer, FilesView, preopens, prepare};
use crate::state::State;

/// The name under which modules import the functions.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

/// What ends a function.
enum Stop {
    /// The module hears of it.
    Errno(Errno),
    /// The module ends.
    Trap(wasmtime::Error),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<wasmtime::Error> for Stop {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

type Done<T = ()> = Result<T, Stop>;

/// Opens what a module has from the start: the standard streams, and the
/// directories.
pub(crate) fn start(state: &mut State) -> wasmtime::Result<()> {
    let directories = preopens::Host::get_directories(&mut state.files())?;
    let opened = &mut state.descriptors;
    opened.add(Opened::Stdin);
    opened.add(Opened::Output(Stream::Stdout));
    opened.add(Opened::Output(Stream::Stderr));
    for (descriptor, name) in directories {
        let mut directory = OpenFile::new(descriptor, true);
        directory.name = Some(name);
        directory.rights = DIRECTORY_RIGHTS;
        opened.add(Opened::File(directory));
    }
    Ok(())
}

/// Links all functions but those of sockets, which no program has.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    // Functions that only compute: name, parameters, and what they are here.
    macro_rules! link {
        ($($name:ident($($argument:ident: $kind:ty),*) => $call:path;)*) => {$(
            linker.func_wrap(
                MODULE,
                stringify!($name),
                |mut caller: Caller<'_, State>, $($argument: $kind),*| -> wasmtime::Result<u32> {
                    let done = enter(&mut caller, |memory, state| $call(memory, state, $($argument),*));
                    answer(done)
                },
            )?;
        )*};
    }
    // Functions that look into directories, which may have to be brought up to
    // date: behind `at` which directories and paths.
    macro_rules! link_paths {
        ($($name:ident($($argument:ident: $kind:ty),*) at $($directory:ident / $path:ident . $length:ident),+ => $call:path;)*) => {$(
            linker.func_wrap_async(
                MODULE,
                stringify!($name),
                |mut caller: Caller<'_, State>, ($($argument,)*): ($($kind,)*)| {
                    Box::new(async move {
                        $(refresh(&mut caller, $directory, Some(($path, $length))).await;)+
                        let done = enter(&mut caller, |memory, state| $call(memory, state, $($argument),*));
                        answer(done)
                    })
                },
            )?;
        )*};
    }
    link! {
        args_get(pointers: u32, bytes: u32) => process::args_get;
        args_sizes_get(count: u32, size: u32) => process::args_sizes_get;
        environ_get(pointers: u32, bytes: u32) => process::environ_get;
        environ_sizes_get(count: u32, size: u32) => process::environ_sizes_get;
        clock_res_get(clock: u32, out: u32) => process::clock_res_get;
        clock_time_get(clock: u32, precision: u64, out: u32) => process::clock_time_get;
        proc_raise(signal: u32) => process::raise;
        random_get(bytes: u32, length: u32) => process::random_get;
        sched_yield() => process::sched_yield;
        fd_advise(fd: u32, offset: u64, length: u64, advice: u32) => files::advise;
        fd_allocate(fd: u32, offset: u64, length: u64) => files::allocate;
        fd_close(fd: u32) => files::close;
        fd_datasync(fd: u32) => files::sync;
        fd_fdstat_get(fd: u32, out: u32) => files::fdstat_get;
        fd_fdstat_set_flags(fd: u32, flags: u32) => files::fdstat_set_flags;
        fd_fdstat_set_rights(fd: u32, rights: u64, inheriting: u64) => files::fdstat_set_rights;
        fd_filestat_get(fd: u32, out: u32) => files::filestat_get;
        fd_filestat_set_size(fd: u32, size: u64) => files::filestat_set_size;
        fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32) => files::filestat_set_times;
        fd_pread(fd: u32, pieces: u32, count: u32, offset: u64, out: u32) => files::pread;
        fd_prestat_dir_name(fd: u32, name: u32, length: u32) => files::prestat_dir_name;
        fd_prestat_get(fd: u32, out: u32) => files::prestat_get;
        fd_pwrite(fd: u32, pieces: u32, count: u32, offset: u64, out: u32) => files::pwrite;
        fd_read(fd: u32, pieces: u32, count: u32, out: u32) => files::read;
        fd_renumber(from: u32, to: u32) => files::renumber;
        fd_seek(fd: u32, offset: i64, whence: u32, out: u32) => files::seek;
        fd_sync(fd: u32) => files::sync;
        fd_tell(fd: u32, out: u32) => files::tell;
        fd_write(fd: u32, pieces: u32, count: u32, out: u32) => files::write;
    }
    link_paths! {
        path_create_directory(fd: u32, path: u32, length: u32) at fd / path.length => paths::create_directory;
        path_filestat_get(fd: u32, flags: u32, path: u32, length: u32, out: u32) at fd / path.length => paths::filestat_get;
        path_filestat_set_times(
            fd: u32, flags: u32, path: u32, length: u32, accessed: u64, modified: u64, times: u32
        ) at fd / path.length => paths::filestat_set_times;
        path_link(
            fd: u32, flags: u32, path: u32, length: u32, new_fd: u32, new_path: u32, new_length: u32
        ) at fd / path.length, new_fd / new_path.new_length => paths::link;
        path_open(
            fd: u32, flags: u32, path: u32, length: u32, how: u32, rights: u64, inheriting: u64, mode: u32, out: u32
        ) at fd / path.length => paths::open;
        path_readlink(fd: u32, path: u32, length: u32, bytes: u32, room: u32, out: u32) at fd / path.length => paths::readlink;
        path_remove_directory(fd: u32, path: u32, length: u32) at fd / path.length => paths::remove_directory;
        path_rename(
            fd: u32, path: u32, length: u32, new_fd: u32, new_path: u32, new_length: u32
        ) at fd / path.length, new_fd / new_path.new_length => paths::rename;
        path_symlink(old: u32, old_length: u32, fd: u32, path: u32, length: u32) at fd / path.length => paths::symlink;
        path_unlink_file(fd: u32, path: u32, length: u32) at fd / path.length => paths::unlink_file;
    }
    linker.func_wrap(MODULE, "proc_exit", |status: u32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(wasmtime_wasi::I32Exit(status as i32)))
    })?;
    linker.func_wrap_async(
        MODULE,
        "fd_readdir",
        |mut caller: Caller<'_, State>,
         (fd, bytes, length, cookie, out): (u32, u32, u32, u64, u32)| {
            Box::new(async move {
                refresh(&mut caller, fd, None).await;
                let done = enter(&mut caller, |memory, state| {
                    files::readdir(memory, state, fd, (bytes, length), cookie, out)
                });
                answer(done)
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "poll_oneoff",
        |mut caller: Caller<'_, State>, (given, events, count, out): (u32, u32, u32, u32)| {
            Box::new(async move {
                let wait = enter(&mut caller, |memory, state| {
                    process::poll_for(memory, state, given, count)
                });
                let ready = match wait {
                    Ok(wait) => {
                        // The deadline of the run ends this as it ends everything.
                        tokio::time::sleep(wait.how_long()).await;
                        enter(&mut caller, |memory, _| wait.write(memory, events, out))
                    }
                    Err(stop) => Err(stop),
                };
                answer(ready)
            })
        },
    )?;
    Ok(())
}

/// Runs with the memory of the module that calls.
fn enter<T>(
    caller: &mut Caller<'_, State>,
    work: impl FnOnce(&mut Memory<'_>, &mut State) -> Done<T>,
) -> Done<T> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err(Errno::FAULT.into());
    };
    let (bytes, state) = memory.data_and_store_mut(caller);
    work(&mut Memory(bytes), state)
}

/// What a module gets: zero, or an error number.
fn answer(done: Done) -> wasmtime::Result<u32> {
    match done {
        Ok(()) => Ok(0),
        Err(Stop::Errno(errno)) => Ok(errno.0.into()),
        Err(Stop::Trap(error)) => Err(error),
    }
}

/// Brings up to date what a path leads into, or what a directory lists. What is
/// wrong with them is for the function itself to say.
async fn refresh(caller: &mut Caller<'_, State>, fd: u32, path: Option<(u32, u32)>) {
    let wanted = enter(caller, |memory, state| {
        let directory = directory(state, fd)?.descriptor();
        let path = path.map(|(path, length)| memory.path(path, length));
        Ok((directory, path.transpose()?))
    });
    if let Ok((directory, path)) = wanted {
        let store = &mut caller.as_context_mut();
        prepare(
            store,
            &directory,
            path.as_deref(),
            State::files,
            State::refresh,
        )
        .await;
    }
}

/// Calls a function of the files.
fn ask<T>(state: &mut State, call: impl FnOnce(&mut FilesView<'_>) -> Answer<T>) -> Done<T> {
    let files = &mut state.files();
    let answer = call(files);
    Ok(files.answered(answer)?.map_err(Errno::from)?)
}

/// An open file or directory.
fn opened(state: &mut State, fd: u32) -> Done<&mut OpenFile> {
    match state.descriptors.get_mut(fd) {
        Some(Opened::File(file)) => Ok(file),
        _ => Err(Errno::BADF.into()),
    }
}

/// An open file.
fn file(state: &mut State, fd: u32) -> Done<&mut OpenFile> {
    match opened(state, fd)? {
        file if !file.directory => Ok(file),
        _ => Err(Errno::BADF.into()),
    }
}

/// An open directory.
fn directory(state: &mut State, fd: u32) -> Done<&mut OpenFile> {
    match opened(state, fd)? {
        directory if directory.directory => Ok(directory),
        _ => Err(Errno::NOTDIR.into()),
    }
}

/// What can be done with a file that was opened for this.
fn file_rights(wanted: u64) -> u64 {
    FILE_RIGHTS | wanted & (RIGHT_READ | RIGHT_WRITE)
}
