//! Reading, writing, positions, sizes, times and flags of files.

use super::{ALL_RIGHTS, Directory, Named, Tried, close, done, fails, open, read, same, write};

pub const ALL: &[Named] = &[
    ("write-and-read", write_and_read),
    ("standard-library", standard_library),
    ("seek-and-tell", seek_and_tell),
    ("pread-and-pwrite", pread_and_pwrite),
    ("append", append),
    ("flags", flags),
    ("truncate", truncate),
    ("size", size),
    ("allocate", allocate),
    ("advise", advise),
    ("sync", sync),
    ("times", times),
    ("removed-while-open", removed_while_open),
    ("rights", rights),
];

/// Runs with a file, and removes it.
fn with_file(directory: Directory, work: impl FnOnce(wasi::Fd) -> Tried) -> Tried {
    let file = done(open(
        directory,
        "file",
        wasi::OFLAGS_CREAT | wasi::OFLAGS_TRUNC,
    ))?;
    let tried = work(file);
    close(file)?;
    done(unsafe { wasi::path_unlink_file(directory, "file") })?;
    tried
}

fn seek(file: wasi::Fd, offset: i64, whence: wasi::Whence) -> Result<u64, wasi::Errno> {
    unsafe { wasi::fd_seek(file, offset, whence) }
}

fn write_and_read(directory: Directory) -> Tried {
    with_file(directory, |file| {
        let large: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        let mut rest = &large[..];
        while !rest.is_empty() {
            let count = done(write(file, rest))?;
            rest = &rest[count..];
        }
        done(seek(file, 0, wasi::WHENCE_SET))?;
        let mut all = Vec::new();
        loop {
            match done(read(file, 70_000))? {
                bytes if bytes.is_empty() => break,
                bytes => all.extend(bytes),
            }
        }
        same(all == large, true)
    })
}

/// Relative and absolute paths of the standard library lead to one file.
fn standard_library(_: Directory) -> Tried {
    let failed = |error: std::io::Error| error.to_string();
    std::fs::create_dir("here").map_err(failed)?;
    std::fs::write("here/leads.csv", "a,b").map_err(failed)?;
    let absolute = std::fs::read_to_string("/workspace/here/leads.csv").map_err(failed)?;
    same(absolute.as_str(), "a,b")?;
    let named = std::fs::read_to_string("./workspace/here/leads.csv").map_err(failed)?;
    same(named.as_str(), "a,b")?;
    std::fs::write("skills.tmp", "x").map_err(failed)?;
    std::fs::rename("skills.tmp", "here/x").map_err(failed)?;
    same(std::fs::read_dir("here").map_err(failed)?.count(), 2)?;
    same(std::fs::metadata("servers").map_err(failed)?.is_dir(), true)?;
    same(std::fs::write("/servers/x", "x").is_err(), true)?;
    std::fs::remove_dir_all("here").map_err(failed)
}

fn seek_and_tell(directory: Directory) -> Tried {
    with_file(directory, |file| {
        done(write(file, b"0123456789"))?;
        same(done(unsafe { wasi::fd_tell(file) })?, 10)?;
        same(done(seek(file, -3, wasi::WHENCE_CUR))?, 7)?;
        same(done(seek(file, -10, wasi::WHENCE_END))?, 0)?;
        same(done(seek(file, 100, wasi::WHENCE_SET))?, 100)?;
        fails(seek(file, -101, wasi::WHENCE_CUR), &[wasi::ERRNO_INVAL])?;
        same(done(unsafe { wasi::fd_tell(file) })?, 100)?;
        same(done(read(file, 4))?, Vec::new())?;
        done(write(file, b"end"))?;
        done(seek(file, 98, wasi::WHENCE_SET))?;
        same(done(read(file, 9))?, b"\0\0end".to_vec())
    })
}

fn pread_and_pwrite(directory: Directory) -> Tried {
    with_file(directory, |file| {
        let (one, two) = (*b"ab", *b"cd");
        let pieces = [&one[..], &[], &two].map(|bytes: &[u8]| wasi::Ciovec {
            buf: bytes.as_ptr(),
            buf_len: bytes.len(),
        });
        let written = done(unsafe { wasi::fd_pwrite(file, &pieces, 3) })?;
        same(written > 0, true)?;
        same(done(unsafe { wasi::fd_tell(file) })?, 0)?;
        let mut bytes = [9_u8; 5];
        let piece = wasi::Iovec {
            buf: bytes.as_mut_ptr(),
            buf_len: bytes.len(),
        };
        let count = done(unsafe { wasi::fd_pread(file, &[piece], 1) })?;
        same(&bytes[..count.min(4)], &[0, 0, b'a', b'b'])?;
        same(done(unsafe { wasi::fd_tell(file) })?, 0)
    })
}

fn append(directory: Directory) -> Tried {
    let made = done(open(directory, "log", wasi::OFLAGS_CREAT))?;
    done(write(made, b"one"))?;
    close(made)?;
    let rights = ALL_RIGHTS;
    let file =
        done(unsafe { wasi::path_open(directory, 0, "log", 0, rights, 0, wasi::FDFLAGS_APPEND) })?;
    done(write(file, b"two"))?;
    let stat = done(unsafe { wasi::fd_fdstat_get(file) })?;
    same(stat.fs_flags & wasi::FDFLAGS_APPEND, wasi::FDFLAGS_APPEND)?;
    close(file)?;
    let text = std::fs::read_to_string("/workspace/log").map_err(|error| error.to_string())?;
    done(unsafe { wasi::path_unlink_file(directory, "log") })?;
    same(text.as_str(), "onetwo")
}

fn flags(directory: Directory) -> Tried {
    with_file(directory, |file| {
        done(write(file, b"abc"))?;
        done(unsafe { wasi::fd_fdstat_set_flags(file, wasi::FDFLAGS_APPEND) })?;
        done(seek(file, 0, wasi::WHENCE_SET))?;
        done(write(file, b"d"))?;
        done(unsafe { wasi::fd_fdstat_set_flags(file, 0) })?;
        done(seek(file, 0, wasi::WHENCE_SET))?;
        done(write(file, b"A"))?;
        done(seek(file, 0, wasi::WHENCE_SET))?;
        same(done(read(file, 9))?, b"Abcd".to_vec())
    })
}

fn truncate(directory: Directory) -> Tried {
    with_file(directory, |file| {
        done(write(file, b"abc"))?;
        let again = done(open(directory, "file", wasi::OFLAGS_TRUNC))?;
        same(done(unsafe { wasi::fd_filestat_get(again) })?.size, 0)?;
        close(again)?;
        let directory = unsafe {
            wasi::path_open(
                directory,
                0,
                ".",
                wasi::OFLAGS_TRUNC | wasi::OFLAGS_DIRECTORY,
                0,
                0,
                0,
            )
        };
        fails(directory, &[wasi::ERRNO_INVAL, wasi::ERRNO_ISDIR])
    })
}

fn size(directory: Directory) -> Tried {
    with_file(directory, |file| {
        done(unsafe { wasi::fd_filestat_set_size(file, 1000) })?;
        let stat = done(unsafe { wasi::fd_filestat_get(file) })?;
        same(
            (stat.size, stat.filetype),
            (1000, wasi::FILETYPE_REGULAR_FILE),
        )?;
        same(stat.nlink, 1)?;
        let by_path = done(unsafe { wasi::path_filestat_get(directory, 0, "file") })?;
        same((by_path.size, by_path.ino), (1000, stat.ino))
    })
}

fn allocate(directory: Directory) -> Tried {
    with_file(directory, |file| {
        done(write(file, b"abc"))?;
        done(unsafe { wasi::fd_allocate(file, 1, 1) })?;
        same(done(unsafe { wasi::fd_filestat_get(file) })?.size, 3)?;
        done(unsafe { wasi::fd_allocate(file, 10, 100) })?;
        same(done(unsafe { wasi::fd_filestat_get(file) })?.size, 110)
    })
}

fn advise(directory: Directory) -> Tried {
    with_file(directory, |file| {
        let advise = |offset, length| unsafe {
            wasi::fd_advise(file, offset, length, wasi::ADVICE_SEQUENTIAL)
        };
        done(advise(0, 100))?;
        fails(advise(u64::MAX, 100), &[wasi::ERRNO_INVAL])
    })
}

fn sync(directory: Directory) -> Tried {
    with_file(directory, |file| {
        done(unsafe { wasi::fd_sync(file) })?;
        done(unsafe { wasi::fd_datasync(file) })
    })
}

fn times(directory: Directory) -> Tried {
    with_file(directory, |file| {
        let (accessed, modified) = (wasi::FSTFLAGS_ATIM, wasi::FSTFLAGS_MTIM);
        done(unsafe { wasi::fd_filestat_set_times(file, 5_000_000_000, 0, accessed) })?;
        let set = |flags| unsafe {
            wasi::path_filestat_set_times(directory, 0, "file", 0, 7_000_000_001, flags)
        };
        done(set(modified))?;
        let stat = done(unsafe { wasi::fd_filestat_get(file) })?;
        same((stat.atim, stat.mtim), (5_000_000_000, 7_000_000_001))?;
        let both = modified | wasi::FSTFLAGS_MTIM_NOW;
        fails(set(both), &[wasi::ERRNO_INVAL])
    })
}

fn removed_while_open(directory: Directory) -> Tried {
    let file = done(open(directory, "gone", wasi::OFLAGS_CREAT))?;
    done(write(file, b"still here"))?;
    done(unsafe { wasi::path_unlink_file(directory, "gone") })?;
    fails(open(directory, "gone", 0), &[wasi::ERRNO_NOENT])?;
    done(seek(file, 6, wasi::WHENCE_SET))?;
    same(done(read(file, 9))?, b"here".to_vec())?;
    close(file)?;
    fails(unsafe { wasi::fd_tell(file) }, &[wasi::ERRNO_BADF])
}

fn rights(directory: Directory) -> Tried {
    with_file(directory, |file| {
        let read_only =
            done(unsafe { wasi::path_open(directory, 0, "file", 0, wasi::RIGHTS_FD_READ, 0, 0) })?;
        fails(
            write(read_only, b"x"),
            &[wasi::ERRNO_BADF, wasi::ERRNO_NOTCAPABLE],
        )?;
        close(read_only)?;
        same(done(unsafe { wasi::fd_filestat_get(file) })?.size, 0)
    })
}
