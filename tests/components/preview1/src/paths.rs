//! Paths, opening, renaming, removing, links.

use super::{Directory, Named, Tried, close, done, fails, open, open_directory, same, write};

pub const ALL: &[Named] = &[
    ("create-and-exclusive", create_and_exclusive),
    ("missing", missing),
    ("open-directory", opens_directory),
    ("not-a-directory", not_a_directory),
    ("interesting-paths", interesting_paths),
    ("never-above", never_above),
    ("slash-at-the-end", slash_at_the_end),
    ("rename", rename),
    ("remove", remove),
    ("links", links),
    ("read-only", read_only),
];

fn make(directory: Directory, path: &str) -> Tried {
    close(done(open(directory, path, wasi::OFLAGS_CREAT))?)
}

fn unlink(directory: Directory, path: &str) -> Result<(), wasi::Errno> {
    unsafe { wasi::path_unlink_file(directory, path) }
}

fn mkdir(directory: Directory, path: &str) -> Result<(), wasi::Errno> {
    unsafe { wasi::path_create_directory(directory, path) }
}

fn rmdir(directory: Directory, path: &str) -> Result<(), wasi::Errno> {
    unsafe { wasi::path_remove_directory(directory, path) }
}

fn moved(directory: Directory, from: &str, to: &str) -> Result<(), wasi::Errno> {
    unsafe { wasi::path_rename(directory, from, directory, to) }
}

fn create_and_exclusive(directory: Directory) -> Tried {
    let how = wasi::OFLAGS_CREAT | wasi::OFLAGS_EXCL;
    close(done(open(directory, "file", how))?)?;
    fails(open(directory, "file", how), &[wasi::ERRNO_EXIST])?;
    make(directory, "file")?;
    done(unlink(directory, "file"))
}

fn missing(directory: Directory) -> Tried {
    fails(open(directory, "nothing", 0), &[wasi::ERRNO_NOENT])?;
    fails(
        open(directory, "nothing/x", wasi::OFLAGS_CREAT),
        &[wasi::ERRNO_NOENT],
    )?;
    fails(
        open(directory, "", wasi::OFLAGS_CREAT),
        &[wasi::ERRNO_NOENT],
    )?;
    fails(unlink(directory, "nothing"), &[wasi::ERRNO_NOENT])?;
    fails(rmdir(directory, "nothing"), &[wasi::ERRNO_NOENT])?;
    fails(moved(directory, "nothing", "x"), &[wasi::ERRNO_NOENT])
}

fn opens_directory(directory: Directory) -> Tried {
    close(done(open_directory(directory, "."))?)?;
    fails(
        open(directory, ".", wasi::OFLAGS_DIRECTORY),
        &[wasi::ERRNO_ISDIR],
    )?;
    make(directory, "file")?;
    fails(open_directory(directory, "file"), &[wasi::ERRNO_NOTDIR])?;
    done(unlink(directory, "file"))
}

fn not_a_directory(directory: Directory) -> Tried {
    let file = done(open(directory, "file", wasi::OFLAGS_CREAT))?;
    fails(
        open(file, "x", wasi::OFLAGS_CREAT),
        &[wasi::ERRNO_NOTDIR, wasi::ERRNO_BADF],
    )?;
    fails(
        open(directory, "file/x", wasi::OFLAGS_CREAT),
        &[wasi::ERRNO_NOTDIR],
    )?;
    close(file)?;
    done(unlink(directory, "file"))
}

fn interesting_paths(directory: Directory) -> Tried {
    done(mkdir(directory, "dir"))?;
    done(mkdir(directory, "dir/nested"))?;
    make(directory, "dir/nested/file")?;
    for path in [
        "dir/nested/file",
        "dir/.//nested/../../dir/nested/../nested///./file",
        "./dir/nested/file",
        "dir/nested/./file",
    ] {
        close(done(open(directory, path, 0))?)?;
    }
    fails(open(directory, "/dir/nested/file", 0), &[wasi::ERRNO_PERM])?;
    fails(
        open(directory, "dir/nested/file\0", 0),
        &[wasi::ERRNO_INVAL, wasi::ERRNO_ILSEQ],
    )?;
    fails(
        open(directory, "dir/nested/file/", 0),
        &[wasi::ERRNO_NOTDIR],
    )?;
    let long = "n".repeat(256);
    fails(
        open(directory, &long, wasi::OFLAGS_CREAT),
        &[wasi::ERRNO_NAMETOOLONG],
    )?;
    done(unlink(directory, "dir/nested/file"))?;
    done(rmdir(directory, "dir/nested/"))?;
    done(rmdir(directory, "dir"))
}

fn never_above(directory: Directory) -> Tried {
    for path in ["..", "../x", "dir/../../x", "../workspace/x"] {
        done(mkdir(directory, "dir"))?;
        let opened = open(directory, path, 0);
        done(rmdir(directory, "dir"))?;
        fails(opened, &[wasi::ERRNO_PERM])?;
    }
    Ok(())
}

fn slash_at_the_end(directory: Directory) -> Tried {
    make(directory, "file")?;
    done(mkdir(directory, "dir"))?;
    fails(unlink(directory, "file/"), &[wasi::ERRNO_NOTDIR])?;
    fails(
        unlink(directory, "dir"),
        &[wasi::ERRNO_ISDIR, wasi::ERRNO_PERM],
    )?;
    fails(
        unlink(directory, "dir/"),
        &[wasi::ERRNO_ISDIR, wasi::ERRNO_PERM],
    )?;
    fails(rmdir(directory, "file"), &[wasi::ERRNO_NOTDIR])?;
    fails(
        moved(directory, "file", "other/"),
        &[wasi::ERRNO_NOTDIR, wasi::ERRNO_NOENT],
    )?;
    done(moved(directory, "dir/", "other/"))?;
    done(rmdir(directory, "other/"))?;
    done(unlink(directory, "file"))
}

fn rename(directory: Directory) -> Tried {
    let file = done(open(directory, "one", wasi::OFLAGS_CREAT))?;
    done(write(file, b"one"))?;
    close(file)?;
    make(directory, "two")?;
    done(moved(directory, "one", "two"))?;
    let stat = done(unsafe { wasi::path_filestat_get(directory, 0, "two") })?;
    same(stat.size, 3)?;
    fails(open(directory, "one", 0), &[wasi::ERRNO_NOENT])?;
    done(mkdir(directory, "dir"))?;
    fails(moved(directory, "two", "dir"), &[wasi::ERRNO_ISDIR])?;
    fails(moved(directory, "dir", "two"), &[wasi::ERRNO_NOTDIR])?;
    done(moved(directory, "two", "dir/two"))?;
    done(mkdir(directory, "other"))?;
    fails(moved(directory, "other", "dir"), &[wasi::ERRNO_NOTEMPTY])?;
    done(moved(directory, "dir", "other"))?;
    fails(
        moved(directory, "other", "other/inside"),
        &[wasi::ERRNO_INVAL],
    )?;
    done(unlink(directory, "other/two"))?;
    done(rmdir(directory, "other"))
}

fn remove(directory: Directory) -> Tried {
    done(mkdir(directory, "dir"))?;
    make(directory, "dir/file")?;
    fails(rmdir(directory, "dir"), &[wasi::ERRNO_NOTEMPTY])?;
    done(unlink(directory, "dir/file"))?;
    done(rmdir(directory, "dir"))
}

/// There are none, which is said, and nothing is made.
fn links(directory: Directory) -> Tried {
    make(directory, "file")?;
    let symbolic = unsafe { wasi::path_symlink("file", directory, "link") };
    fails(symbolic, &[wasi::ERRNO_NOTSUP])?;
    let hard = unsafe { wasi::path_link(directory, 0, "file", directory, "link") };
    fails(hard, &[wasi::ERRNO_NOTSUP])?;
    let mut target = [0_u8; 9];
    let read = unsafe { wasi::path_readlink(directory, "file", target.as_mut_ptr(), 9) };
    fails(read, &[wasi::ERRNO_INVAL])?;
    fails(open(directory, "link", 0), &[wasi::ERRNO_NOENT])?;
    done(unlink(directory, "file"))
}

fn read_only(_: Directory) -> Tried {
    let Some((servers, _)) = super::preopens()
        .into_iter()
        .find(|(_, name)| name == "/servers")
    else {
        return Err("there is no `/servers`".to_owned());
    };
    fails(open(servers, "x", wasi::OFLAGS_CREAT), &[wasi::ERRNO_ROFS])?;
    fails(mkdir(servers, "x"), &[wasi::ERRNO_ROFS])
}
