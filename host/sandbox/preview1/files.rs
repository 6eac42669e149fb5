//! The functions that work on what is open, `fd_…`.

use crate::descriptors::{Listed, OpenFile, Opened};
use crate::files::types::{Advice, HostDescriptor as _};
use crate::ledger::MAX_TRANSFER;
use crate::state::State;

use super::abi::{
    APPEND, DIRECTORY_RIGHTS, DIRENT, Errno, FILE_RIGHTS, FILETYPE_DIRECTORY, FILETYPE_REGULAR,
    FILETYPE_UNKNOWN, NONBLOCK, RIGHT_READ, RIGHT_WRITE, Record, STREAM_RIGHTS, fdstat, filestat,
    filetype,
};
use super::memory::Memory;
use super::paths::new_times;
use super::{Done, Stop, ask, directory, file, opened};

/// Entries that are taken from a directory at once.
const PAGE: usize = 64;

pub(super) fn advise(
    _: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    offset: u64,
    length: u64,
    advice: u32,
) -> Done {
    /// The last one that preview 1 has.
    const MAX_ADVICE: u32 = 5;
    let descriptor = file(state, fd)?.descriptor();
    if advice > MAX_ADVICE {
        return Err(Errno::INVAL.into());
    }
    ask(state, |files| {
        files.advise(descriptor, offset, length, Advice::Normal)
    })
}

pub(super) fn allocate(
    _: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    offset: u64,
    length: u64,
) -> Done {
    if length == 0 {
        return Err(Errno::INVAL.into());
    }
    let end = offset.checked_add(length).ok_or(Errno::FBIG)?;
    let open = file(state, fd)?;
    let (one, two) = (open.descriptor(), open.descriptor());
    if ask(state, |files| files.stat(one))?.size < end {
        ask(state, |files| files.set_size(two, end))?;
    }
    Ok(())
}

pub(super) fn close(_: &mut Memory<'_>, state: &mut State, fd: u32) -> Done {
    let closed = state.descriptors.remove(fd).ok_or(Errno::BADF)?;
    dropped(state, closed)
}

fn dropped(state: &mut State, closed: Opened) -> Done {
    match closed {
        Opened::File(file) => Ok(state.files().drop(file.into_descriptor())?),
        Opened::Stdin | Opened::Output(_) => Ok(()),
    }
}

pub(super) fn renumber(_: &mut Memory<'_>, state: &mut State, from: u32, to: u32) -> Done {
    for number in [from, to] {
        state.descriptors.get(number).ok_or(Errno::BADF)?;
    }
    if from == to {
        return Ok(());
    }
    match state.descriptors.replace(from, to) {
        Some(closed) => dropped(state, closed),
        None => Err(Errno::BADF.into()),
    }
}

pub(super) fn sync(_: &mut Memory<'_>, state: &mut State, fd: u32) -> Done {
    let descriptor = opened(state, fd)?.descriptor();
    ask(state, |files| files.sync(descriptor))
}

pub(super) fn fdstat_get(memory: &mut Memory<'_>, state: &mut State, fd: u32, out: u32) -> Done {
    let stat = match state.descriptors.get(fd).ok_or(Errno::BADF)? {
        Opened::File(directory) if directory.directory => {
            let inheriting = DIRECTORY_RIGHTS | FILE_RIGHTS | RIGHT_READ | RIGHT_WRITE;
            fdstat(
                FILETYPE_DIRECTORY,
                directory.flags,
                directory.rights,
                inheriting,
            )
        }
        Opened::File(file) => fdstat(FILETYPE_REGULAR, file.flags, file.rights, 0),
        Opened::Stdin | Opened::Output(_) => fdstat(FILETYPE_UNKNOWN, 0, STREAM_RIGHTS, 0),
    };
    memory.write(out, &stat)
}

pub(super) fn fdstat_set_flags(_: &mut Memory<'_>, state: &mut State, fd: u32, flags: u32) -> Done {
    let flags = u16::try_from(flags).map_err(|_| Errno::INVAL)?;
    let open = opened(state, fd)?;
    // Those for synchronisation are chosen when a file is opened.
    if flags & !(APPEND | NONBLOCK) != open.flags & !(APPEND | NONBLOCK) {
        return Err(Errno::NOTSUP.into());
    }
    open.flags = flags;
    Ok(())
}

/// Rights were removed from WASI; nobody relies on taking them away.
pub(super) fn fdstat_set_rights(
    _: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    _: u64,
    _: u64,
) -> Done {
    state.descriptors.get(fd).ok_or(Errno::BADF)?;
    Err(Errno::NOTSUP.into())
}

pub(super) fn filestat_get(memory: &mut Memory<'_>, state: &mut State, fd: u32, out: u32) -> Done {
    let Opened::File(open) = state.descriptors.get(fd).ok_or(Errno::BADF)? else {
        let stream = Record::<64>::new().with(16, [FILETYPE_UNKNOWN]);
        return memory.write(out, &stream.0);
    };
    let (one, two) = (open.descriptor(), open.descriptor());
    let stat = ask(state, |files| files.stat(one))?;
    let inode = ask(state, |files| files.metadata_hash(two))?;
    memory.write(out, &filestat(&stat, inode.lower))
}

pub(super) fn filestat_set_size(_: &mut Memory<'_>, state: &mut State, fd: u32, size: u64) -> Done {
    let descriptor = file(state, fd)?.descriptor();
    ask(state, |files| files.set_size(descriptor, size))
}

pub(super) fn filestat_set_times(
    _: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Done {
    let (accessed, modified) = new_times(accessed, modified, flags)?;
    let descriptor = opened(state, fd)?.descriptor();
    ask(state, |files| {
        files.set_times(descriptor, accessed, modified)
    })
}

pub(super) fn prestat_get(memory: &mut Memory<'_>, state: &mut State, fd: u32, out: u32) -> Done {
    let name = opened(state, fd)?.name.as_ref().ok_or(Errno::BADF)?;
    let length = name.len() as u32;
    let stat = Record::<8>::new().with(4, length.to_le_bytes());
    memory.write(out, &stat.0)
}

pub(super) fn prestat_dir_name(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    name: u32,
    length: u32,
) -> Done {
    let known = opened(state, fd)?.name.as_ref().ok_or(Errno::BADF)?;
    if known.len() > length as usize {
        return Err(Errno::NAMETOOLONG.into());
    }
    memory.write(name, known.as_bytes())
}

/// Moves bytes between pieces of the memory and a file, piece by piece, until
/// one is not moved whole. An error counts only if nothing was moved before it.
fn moved(
    pieces: Vec<(u32, u32)>,
    mut offset: u64,
    mut step: impl FnMut(u32, u32, u64) -> Done<u32>,
) -> Done<u32> {
    let mut total = 0;
    for (at, length) in pieces {
        match step(at, length, offset) {
            Ok(count) => {
                total += count;
                offset += u64::from(count);
                if count < length {
                    break;
                }
            }
            Err(Stop::Errno(_)) if total > 0 => break,
            Err(stop) => return Err(stop),
        }
    }
    Ok(total)
}

fn read_at(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    pieces: (u32, u32),
    offset: u64,
) -> Done<u32> {
    file(state, fd)?;
    moved(
        memory.pieces(pieces.0, pieces.1)?,
        offset,
        |at, length, offset| {
            let descriptor = file(state, fd)?.descriptor();
            let (bytes, _end) = ask(state, |files| files.read(descriptor, length.into(), offset))?;
            memory.write(at, &bytes)?;
            Ok(bytes.len() as u32)
        },
    )
}

fn write_at(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    pieces: (u32, u32),
    offset: u64,
) -> Done<u32> {
    file(state, fd)?;
    moved(
        memory.pieces(pieces.0, pieces.1)?,
        offset,
        |at, length, offset| {
            let descriptor = file(state, fd)?.descriptor();
            let bytes = memory.bytes(at, length)?.to_vec();
            let count = ask(state, |files| files.write(descriptor, bytes, offset))?;
            Ok(count as u32)
        },
    )
}

pub(super) fn read(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    pieces: u32,
    count: u32,
    out: u32,
) -> Done {
    let done = match state.descriptors.get(fd).ok_or(Errno::BADF)? {
        Opened::Stdin => 0,
        Opened::Output(_) => return Err(Errno::BADF.into()),
        Opened::File(open) => {
            let position = open.position;
            let done = read_at(memory, state, fd, (pieces, count), position)?;
            file(state, fd)?.position = position + u64::from(done);
            done
        }
    };
    memory.write(out, &done.to_le_bytes())
}

pub(super) fn write(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    pieces: u32,
    count: u32,
    out: u32,
) -> Done {
    let done = match state.descriptors.get(fd).ok_or(Errno::BADF)? {
        Opened::Stdin => return Err(Errno::BADF.into()),
        Opened::Output(stream) => {
            let stream = *stream;
            let mut done = 0;
            for (at, length) in memory.pieces(pieces, count)? {
                let printed = state
                    .shared
                    .console
                    .print(stream, memory.bytes(at, length)?);
                printed.map_err(wasmtime::Error::new)?;
                done += length;
            }
            done
        }
        Opened::File(open) => {
            let (appends, descriptor) = (open.flags & APPEND != 0, open.descriptor());
            let position = match appends {
                true => ask(state, |files| files.stat(descriptor))?.size,
                false => open.position,
            };
            let done = write_at(memory, state, fd, (pieces, count), position)?;
            file(state, fd)?.position = position.saturating_add(done.into());
            done
        }
    };
    memory.write(out, &done.to_le_bytes())
}

pub(super) fn pread(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    pieces: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> Done {
    let done = read_at(memory, state, fd, (pieces, count), offset)?;
    memory.write(out, &done.to_le_bytes())
}

pub(super) fn pwrite(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    pieces: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> Done {
    let done = write_at(memory, state, fd, (pieces, count), offset)?;
    memory.write(out, &done.to_le_bytes())
}

/// Standard streams have no position.
fn with_position(state: &mut State, fd: u32) -> Done<&mut OpenFile> {
    match state.descriptors.get(fd) {
        Some(Opened::Stdin | Opened::Output(_)) => Err(Errno::SPIPE.into()),
        _ => file(state, fd),
    }
}

pub(super) fn seek(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    offset: i64,
    whence: u32,
    out: u32,
) -> Done {
    let open = with_position(state, fd)?;
    let (position, descriptor) = (open.position, open.descriptor());
    let from = match whence {
        0 => 0,
        1 => position,
        2 => ask(state, |files| files.stat(descriptor))?.size,
        _ => return Err(Errno::INVAL.into()),
    };
    let position = from.checked_add_signed(offset).ok_or(Errno::INVAL)?;
    file(state, fd)?.position = position;
    memory.write(out, &position.to_le_bytes())
}

pub(super) fn tell(memory: &mut Memory<'_>, state: &mut State, fd: u32, out: u32) -> Done {
    let position = with_position(state, fd)?.position;
    memory.write(out, &position.to_le_bytes())
}

/// Lists a directory into memory, from the entry that a cookie names: the
/// number of entries before it, `.` and `..` included. An entry that does not
/// fit is cut, which tells the module that there is more.
pub(super) fn readdir(
    memory: &mut Memory<'_>,
    state: &mut State,
    fd: u32,
    (bytes, length): (u32, u32),
    cookie: u64,
    out: u32,
) -> Done {
    directory(state, fd)?;
    memory.bytes(bytes, length)?;
    // More than a libc ever asks for.
    let room = (length as usize).min(MAX_TRANSFER / 256);
    let mut listing = Vec::new();
    let mut listed = Listed::default();
    let mut next = cookie;
    for dot in [".", ".."]
        .iter()
        .skip(usize::try_from(cookie).unwrap_or(2))
    {
        let descriptor = directory(state, fd)?.descriptor();
        let inode = ask(state, |files| files.metadata_hash(descriptor))?.lower;
        next += 1;
        push(&mut listing, next, inode, FILETYPE_DIRECTORY, dot);
    }
    let mut after = before(state, fd, next)?;
    'pages: while listing.len() < room {
        let descriptor = directory(state, fd)?.descriptor();
        let page = ask(state, |files| {
            files.list_after(descriptor, after.as_deref(), PAGE)
        })?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.name.clone());
        for entry in page {
            next += 1;
            push(
                &mut listing,
                next,
                entry.inode,
                filetype(entry.kind),
                &entry.name,
            );
            let [_, last] = listed;
            listed = [last, Some((next, entry.name))];
            if listing.len() >= room {
                break 'pages;
            }
        }
    }
    directory(state, fd)?.listed = listed;
    listing.truncate(room);
    memory.write(bytes, &listing)?;
    memory.write(out, &(listing.len() as u32).to_le_bytes())
}

/// The name of the entry before a place in a listing, if there is one. It is
/// one of the last that were listed, but for modules that go back a long way:
/// for them the entries are counted anew.
fn before(state: &mut State, fd: u32, place: u64) -> Done<Option<std::sync::Arc<str>>> {
    /// `.` and `..` are no entries of the directory.
    const DOTS: u64 = 2;
    let Some(mut entries) = place.checked_sub(DOTS).filter(|&entries| entries > 0) else {
        return Ok(None);
    };
    let mut listed = directory(state, fd)?.listed.iter().flatten();
    if let Some((_, name)) = listed.find(|(behind, _)| *behind == place) {
        return Ok(Some(name.clone()));
    }
    let mut after = None;
    while entries > 0 {
        let descriptor = directory(state, fd)?.descriptor();
        let limit = PAGE.min(usize::try_from(entries).unwrap_or(PAGE));
        let page = ask(state, |files| {
            files.list_after(descriptor, after.as_deref(), limit)
        })?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.name.clone());
        entries -= page.len() as u64;
    }
    Ok(after)
}

fn push(listing: &mut Vec<u8>, next: u64, inode: u64, kind: u8, name: &str) {
    let head = Record::<DIRENT>::new()
        .with(0, next.to_le_bytes())
        .with(8, inode.to_le_bytes())
        .with(16, (name.len() as u32).to_le_bytes())
        .with(20, [kind]);
    listing.extend_from_slice(&head.0);
    listing.extend_from_slice(name.as_bytes());
}
