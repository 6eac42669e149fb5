//! Reading directories.

use super::{Directory, Named, Tried, close, done, fails, open, open_directory, same};

pub const ALL: &[Named] = &[
    ("readdir", readdir),
    ("readdir-in-pieces", in_pieces),
    ("readdir-while-removing", while_removing),
    ("directory-is-no-file", no_file),
];

/// The size of what stands before each name.
const HEADER: usize = size_of::<wasi::Dirent>();

/// One piece of a listing: the names that are whole in it with the cookies
/// behind them, and whether it is the last.
fn piece(
    directory: wasi::Fd,
    size: usize,
    cookie: u64,
) -> Result<(Vec<(String, u64)>, bool), wasi::Errno> {
    let mut bytes = vec![0_u8; size];
    let used = unsafe { wasi::fd_readdir(directory, bytes.as_mut_ptr(), size, cookie) }?;
    let mut rest = &bytes[..used];
    let mut names = Vec::new();
    while rest.len() >= HEADER {
        let entry = unsafe { rest.as_ptr().cast::<wasi::Dirent>().read_unaligned() };
        let Some(name) = rest.get(HEADER..HEADER + entry.d_namlen as usize) else {
            break;
        };
        names.push((String::from_utf8_lossy(name).into_owned(), entry.d_next));
        rest = &rest[HEADER + name.len()..];
    }
    Ok((names, used < size))
}

/// The names in a directory without `.` and `..`, read in pieces.
fn names_in(directory: wasi::Fd, size: usize) -> Result<Vec<String>, wasi::Errno> {
    let (mut all, mut cookie) = (Vec::new(), 0);
    loop {
        let (names, last) = piece(directory, size, cookie)?;
        for (name, next) in names {
            cookie = next;
            if name != "." && name != ".." {
                all.push(name);
            }
        }
        if last {
            return Ok(all);
        }
    }
}

pub fn names(directory: wasi::Fd) -> Result<Vec<String>, wasi::Errno> {
    names_in(directory, 4096)
}

fn fill(directory: Directory, count: usize) -> Result<Vec<String>, String> {
    let name = |number| format!("file-with-a-name-{number:04}");
    let all: Vec<String> = (0..count).map(name).collect();
    for name in &all {
        close(done(open(directory, name, wasi::OFLAGS_CREAT))?)?;
    }
    Ok(all)
}

fn clear(directory: Directory, names: &[String]) -> Tried {
    for name in names {
        done(unsafe { wasi::path_unlink_file(directory, name) })?;
    }
    Ok(())
}

fn readdir(directory: Directory) -> Tried {
    let (first, _) = done(piece(directory, 4096, 0))?;
    let first: Vec<_> = first.iter().map(|(name, _)| name.as_str()).collect();
    same(first, vec![".", ".."])?;
    let made = fill(directory, 3)?;
    let mut found = done(names(directory))?;
    found.sort();
    clear(directory, &made)?;
    same(found, made)
}

fn in_pieces(directory: Directory) -> Tried {
    let made = fill(directory, 300)?;
    let mut found = done(names_in(directory, 100))?;
    found.sort();
    clear(directory, &made)?;
    same(found == made, true)
}

/// Entries that nobody visited yet are removed: the walk goes on.
fn while_removing(directory: Directory) -> Tried {
    let made = fill(directory, 300)?;
    let opened = done(open_directory(directory, "."))?;
    let (some, _) = done(piece(opened, 4096, 0))?;
    let Some((_, cookie)) = some.last() else {
        return Err("nothing is there".to_owned());
    };
    clear(directory, &made)?;
    let after = piece(opened, 4096, *cookie).map(|(names, _)| names.len());
    close(opened)?;
    same(done(after)?, 0)
}

fn no_file(directory: Directory) -> Tried {
    let opened = done(open_directory(directory, "."))?;
    fails(
        super::read(opened, 4),
        &[wasi::ERRNO_ISDIR, wasi::ERRNO_BADF],
    )?;
    fails(
        unsafe { wasi::fd_seek(opened, 0, wasi::WHENCE_SET) },
        &[wasi::ERRNO_BADF, wasi::ERRNO_ISDIR],
    )?;
    close(opened)
}
