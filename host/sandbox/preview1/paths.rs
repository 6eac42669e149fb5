//! The functions that take paths, `path_…`.

#![expect(
    clippy::too_many_arguments,
    reason = "they are those of the functions in preview 1"
)]

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

use crate::descriptors::{OpenFile, Opened};
use crate::files::Descriptor;
use crate::files::types::{
    DescriptorFlags, DescriptorType, HostDescriptor as _, NewTimestamp, OpenFlags, PathFlags,
};
use crate::state::State;

use super::abi::{
    CREATE, DIRECTORY, DIRECTORY_RIGHTS, EXCLUSIVE, Errno, RIGHT_READ, RIGHT_WRITE, TRUNCATE,
    filestat,
};
use super::memory::Memory;
use super::{Done, ask, directory, file_rights};

/// There are no links that could be followed.
fn no_links() -> PathFlags {
    PathFlags::empty()
}

/// A path in memory, and the directory that it begins in.
fn located(
    memory: &Memory<'_>,
    state: &mut State,
    fd: u32,
    path: u32,
    length: u32,
) -> Done<(Resource<Descriptor>, String)> {
    let path = memory.path(path, length)?;
    Ok((directory(state, fd)?.descriptor(), path))
}

/// The times that a module sets, from the bits that say which.
pub(super) fn new_times(
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Done<(NewTimestamp, NewTimestamp)> {
    let time = |nanoseconds: u64, set: bool, now: bool| match (set, now) {
        (false, false) => Ok(NewTimestamp::NoChange),
        (false, true) => Ok(NewTimestamp::Now),
        (true, false) => Ok(NewTimestamp::Timestamp(Datetime {
            seconds: nanoseconds / 1_000_000_000,
            nanoseconds: (nanoseconds % 1_000_000_000) as u32,
        })),
        (true, true) => Err(Errno::INVAL),
    };
    Ok((
        time(accessed, flags & 1 != 0, flags & 2 != 0)?,
        time(modified, flags & 4 != 0, flags & 8 != 0)?,
    ))
}

pub(super) fn create_directory(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    path: u32,
    length: u32,
) -> Done {
    let (directory, path) = located(memory, state, fd, path, length)?;
    ask(state, |files| files.create_directory_at(directory, path))
}

pub(super) fn filestat_get(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    _flags: u32,
    path: u32,
    length: u32,
    out: u32,
) -> Done {
    let path = memory.path(path, length)?;
    let open = directory(state, fd)?;
    let (one, two) = (open.descriptor(), open.descriptor());
    let stat = ask(state, |files| files.stat_at(one, no_links(), path.clone()))?;
    let inode = ask(state, |files| files.metadata_hash_at(two, no_links(), path))?;
    memory.write(out, &filestat(&stat, inode.lower))
}

pub(super) fn filestat_set_times(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    _flags: u32,
    path: u32,
    length: u32,
    accessed: u64,
    modified: u64,
    times: u32,
) -> Done {
    let path = memory.path(path, length)?;
    let (accessed, modified) = new_times(accessed, modified, times)?;
    let directory = directory(state, fd)?.descriptor();
    ask(state, |files| {
        files.set_times_at(directory, no_links(), path, accessed, modified)
    })
}

pub(super) fn link(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    _flags: u32,
    path: u32,
    length: u32,
    new_fd: u32,
    new_path: u32,
    new_length: u32,
) -> Done {
    let (from, old) = located(memory, state, fd, path, length)?;
    let (to, new) = located(memory, state, new_fd, new_path, new_length)?;
    ask(state, |files| files.link_at(from, no_links(), old, to, new))
}

pub(super) fn open(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    _flags: u32,
    path: u32,
    length: u32,
    how: u32,
    rights: u64,
    _inheriting: u64,
    mode: u32,
    out: u32,
) -> Done {
    let path = memory.path(path, length)?;
    let mode = u16::try_from(mode).map_err(|_| Errno::INVAL)?;
    let base = directory(state, fd)?.descriptor();
    let flags = [
        (CREATE, OpenFlags::CREATE),
        (DIRECTORY, OpenFlags::DIRECTORY),
        (EXCLUSIVE, OpenFlags::EXCLUSIVE),
        (TRUNCATE, OpenFlags::TRUNCATE),
    ];
    let set = flags.into_iter().filter(|(bit, _)| how & bit != 0);
    let how = set.fold(OpenFlags::empty(), |flags, (_, flag)| flags | flag);
    let wanted = [
        (RIGHT_READ, DescriptorFlags::READ),
        (RIGHT_WRITE, DescriptorFlags::WRITE),
    ];
    let set = wanted.into_iter().filter(|(right, _)| rights & right != 0);
    let flags = set.fold(DescriptorFlags::empty(), |flags, (_, flag)| flags | flag);
    let opened = ask(state, |files| {
        files.open_at(base, no_links(), path, how, flags)
    })?;
    let borrowed = Resource::new_borrow(opened.rep());
    let kind = ask(state, |files| files.get_type(borrowed))?;
    let mut open = OpenFile::new(opened, kind == DescriptorType::Directory);
    open.flags = mode;
    open.rights = match open.directory {
        true => DIRECTORY_RIGHTS,
        false => file_rights(rights),
    };
    let number = state.descriptors.add(Opened::File(open));
    memory.write(out, &number.to_le_bytes())
}

pub(super) fn readlink(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    path: u32,
    length: u32,
    _bytes: u32,
    _room: u32,
    _out: u32,
) -> Done {
    let (directory, path) = located(memory, state, fd, path, length)?;
    ask(state, |files| files.readlink_at(directory, path)).map(drop)
}

pub(super) fn remove_directory(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    path: u32,
    length: u32,
) -> Done {
    let (directory, path) = located(memory, state, fd, path, length)?;
    ask(state, |files| files.remove_directory_at(directory, path))
}

pub(super) fn rename(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    path: u32,
    length: u32,
    new_fd: u32,
    new_path: u32,
    new_length: u32,
) -> Done {
    let (from, old) = located(memory, state, fd, path, length)?;
    let (to, new) = located(memory, state, new_fd, new_path, new_length)?;
    ask(state, |files| files.rename_at(from, old, to, new))
}

pub(super) fn symlink(
    memory: &mut Memory<'_>,
    state: &mut State,
    old: u32,
    old_length: u32,
    fd: u32,
    path: u32,
    length: u32,
) -> Done {
    let old = memory.path(old, old_length)?;
    let new = memory.path(path, length)?;
    let directory = directory(state, fd)?.descriptor();
    ask(state, |files| files.symlink_at(directory, old, new))
}

pub(super) fn unlink_file(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    path: u32,
    length: u32,
) -> Done {
    let (directory, path) = located(memory, state, fd, path, length)?;
    ask(state, |files| files.unlink_file_at(directory, path))
}
