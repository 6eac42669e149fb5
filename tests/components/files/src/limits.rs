//! Where a limit or the disk ends things. The host chose the limits: 10 files
//! and directories, or a file of 1,000 bytes, or 1,500 bytes in all.

use crate::handles::code_of;
use crate::report::{accepted, call, expect, refused};
use crate::wasi::filesystem::types::{Descriptor, OpenFlags};
use crate::{BOTH, CREATE, Code, PLAIN, READ, file, open};

/// Every way to let a file grow, from 990 bytes on, to 1,000 and no further.
fn grows_to_a_thousand(file: &Descriptor, code: Code) {
    let resize = |size| call("set-size", file.set_size(size));
    let bytes = [7; 100];
    accepted("set", resize(990));
    expect(
        "as much as fits",
        &call("write", file.write(&bytes, 990)),
        &Ok::<_, Code>(10),
    );
    refused("no more", call("write", file.write(&bytes, 1000)), code);
    refused(
        "not far behind",
        call("write", file.write(&bytes, u64::MAX)),
        code,
    );
    expect(
        "inside is free",
        &call("write", file.write(&bytes, 900)),
        &Ok::<_, Code>(100),
    );
    accepted("exactly", resize(1000));
    refused("one more", resize(1001), code);
    refused("all there is", resize(u64::MAX), code);
    // With a stream: it opens where there is room, and says when there is none.
    refused(
        "no stream",
        call("append-via-stream", file.append_via_stream()),
        code,
    );
    refused(
        "no stream",
        call("write-via-stream", file.write_via_stream(1000)),
        code,
    );
    accepted("set", resize(990));
    let stream = call("append-via-stream", file.append_via_stream()).expect("there is room");
    expect("room", &stream.check_write().ok(), &Some(10));
    expect("it fits", &stream.write(&bytes[..10]).is_ok(), &true);
    let refusal = stream.blocking_write_and_flush(&bytes[..1]).err();
    expect(
        "the stream says why",
        &refusal.and_then(code_of),
        &Some(code),
    );
    let stat = call("stat", file.stat()).expect("it is open");
    expect("exactly at the limit", &stat.size, &1000);
    // Room that was made can be used by the same stream.
    accepted("set", resize(999));
    expect("room again", &stream.check_write().ok(), &Some(1));
    drop(stream);
}

pub(crate) fn file_size(base: &Descriptor) {
    let big = file(base, "big", b"");
    grows_to_a_thousand(&big, Code::FileTooLarge);
    accepted(
        "another file",
        call("write", file(base, "more", b"").write(&[0; 500], 0)),
    );
}

pub(crate) fn space(base: &Descriptor) {
    let other = file(base, "other", &[1; 500]);
    let big = file(base, "big", b"");
    grows_to_a_thousand(&big, Code::InsufficientSpace);
    accepted("full", call("set-size", big.set_size(1000)));
    let more = call("write", other.write(b"x", 500));
    refused("the other file neither", more, Code::InsufficientSpace);
    accepted("removed", base.unlink_file_at("big"));
    let more = call("write", other.write(b"x", 500));
    refused("it is still open", more, Code::InsufficientSpace);
    drop(big);
    accepted("now there is room", call("set-size", other.set_size(1500)));
}

pub(crate) fn files(base: &Descriptor) {
    for number in 0..9 {
        drop(file(base, &format!("f{number}"), b""));
    }
    accepted(
        "the tenth",
        call("create-directory-at", base.create_directory_at("d")),
    );
    let code = Code::InsufficientSpace;
    refused("one more file", open(base, "x", CREATE, BOTH), code);
    refused(
        "one more directory",
        call("create-directory-at", base.create_directory_at("x")),
        code,
    );
    accepted(
        "replaced",
        call("rename-at", base.rename_at("f0", base, "f1")),
    );
    accepted("a new one in its place", open(base, "x", CREATE, BOTH));
}

pub(crate) fn depth(base: &Descriptor) {
    let mut path = String::new();
    let mut depth = 0;
    let refusal = loop {
        path.push_str("d/");
        match call("create-directory-at", base.create_directory_at(&path)) {
            Ok(()) => depth += 1,
            Err(code) => break code,
        }
    };
    expect(
        "as deep as it may be",
        &(depth, refusal),
        &(64, Code::NameTooLong),
    );
    let deep =
        open(base, &path[..path.len() - 5], OpenFlags::DIRECTORY, READ).expect("it is there");
    refused(
        "by opening neither",
        open(&deep, "d/x", CREATE, BOTH),
        Code::NameTooLong,
    );
    // Nor by moving something there.
    accepted("made", base.create_directory_at("e"));
    accepted("made", base.create_directory_at("e/f"));
    let moved = call("rename-at", base.rename_at("e", &deep, "e"));
    refused("moved", moved, Code::NameTooLong);
    accepted("removed", base.remove_directory_at("e/f"));
    accepted("moved", call("rename-at", base.rename_at("e", &deep, "e")));
}

pub(crate) fn descriptors(base: &Descriptor) {
    drop(file(base, "f", b"f"));
    let mut held = Vec::new();
    let refusal = loop {
        match open(base, "f", PLAIN, READ) {
            Ok(descriptor) => held.push(descriptor),
            Err(code) => break code,
        }
    };
    // The base and the six directories that are given are open as well.
    expect(
        "as many as may be",
        &(held.len(), refusal),
        &(1017, Code::InsufficientMemory),
    );
    let mut streams = Vec::new();
    let refusal = loop {
        match call("read-via-stream", held[0].read_via_stream(0)) {
            Ok(stream) => streams.push(stream),
            Err(code) => break code,
        }
    };
    expect("streams end, too", &refusal, &Code::InsufficientMemory);
    let listing = call("read-directory", base.read_directory());
    refused("and listings", listing, Code::InsufficientMemory);
    held.clear();
    streams.clear();
    let held = open(base, "f", PLAIN, BOTH).expect("there is room again");
    accepted(
        "and for a stream",
        call("read-via-stream", held.read_via_stream(0)),
    );
    let mut streams = Vec::new();
    let refusal = loop {
        match call("append-via-stream", held.append_via_stream()) {
            Ok(stream) => streams.push(stream),
            Err(code) => break code,
        }
    };
    expect(
        "streams for writing end",
        &refusal,
        &Code::InsufficientMemory,
    );
    let stream = call("write-via-stream", held.write_via_stream(0));
    refused("as well", stream, Code::InsufficientMemory);
}

/// Files that somebody else changes on the disk before `planted` runs.
pub(crate) fn prepare(base: &Descriptor) {
    for name in ["link", "pipe", "hard", "short", "gone"] {
        drop(file(base, name, b"mine"));
    }
    accepted("made", base.create_directory_at("folder"));
    drop(file(base, "folder/f", b"mine"));
}

/// What was replaced is never followed.
pub(crate) fn planted(base: &Descriptor) {
    for name in ["link", "pipe", "hard"] {
        refused(name, open(base, name, PLAIN, READ), Code::Access);
        refused(
            name,
            open(base, name, OpenFlags::TRUNCATE, BOTH),
            Code::Access,
        );
    }
    refused("gone", open(base, "gone", PLAIN, READ), Code::NoEntry);
    let through = open(base, "folder/f", PLAIN, READ);
    expect("through a link", &through.is_err(), &true);
    let short = open(base, "short", PLAIN, READ).expect("it is a plain file");
    refused("cut by somebody", call("read", short.read(4, 0)), Code::Io);
    let stream = call("read-via-stream", short.read_via_stream(0)).expect("it is open");
    expect(
        "as a stream",
        &stream.read(4).err().and_then(code_of),
        &Some(Code::Io),
    );
}
