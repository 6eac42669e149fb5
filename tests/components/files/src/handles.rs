//! The functions of an open file or directory, and their streams.

use crate::report::{Answer, accepted, call, expect, refused, see};
use crate::wasi::clocks::wall_clock::Datetime;
use crate::wasi::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorType, NewTimestamp, OpenFlags,
    filesystem_error_code,
};
use crate::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::{BOTH, Code, NO_LINKS, PLAIN, READ, WRITE, content, file, open};

pub(crate) fn run(base: &Descriptor) {
    reading_and_writing(base);
    streams(base);
    sizes(base);
    times(base);
    listing(base);
    identity(base);
    a_removed_file_lives_as_long_as_its_handles(base);
}

/// What is in a directory, by name, as its stream tells it.
pub(crate) fn list(directory: &Descriptor) -> Vec<String> {
    let Ok(stream) = call("read-directory", directory.read_directory()) else {
        return vec!["cannot be listed".into()];
    };
    let mut names = Vec::new();
    while let Ok(Some(entry)) = call("read-directory-entry", stream.read_directory_entry()) {
        names.push(entry.name);
    }
    names.sort();
    names
}

/// An open file for reading, one for writing, and the directory.
fn three(base: &Descriptor, name: &str) -> (Descriptor, Descriptor, Descriptor) {
    drop(file(base, name, b"0123456789"));
    let open = |path, how, flags| open(base, path, how, flags).expect("it is there");
    (
        open(name, PLAIN, READ),
        open(name, PLAIN, WRITE),
        open(".", OpenFlags::DIRECTORY, READ),
    )
}

fn reading_and_writing(base: &Descriptor) {
    let (reader, writer, directory) = three(base, "f");
    let read = |length, offset| call("read", reader.read(length, offset));
    expect(
        "a part",
        &read(4, 3),
        &Ok::<_, Code>((b"3456".to_vec(), false)),
    );
    expect(
        "the end",
        &read(4, 8),
        &Ok::<_, Code>((b"89".to_vec(), true)),
    );
    expect(
        "behind the end",
        &read(4, 99),
        &Ok::<_, Code>((Vec::<u8>::new(), true)),
    );
    expect(
        "far behind the end",
        &read(4, u64::MAX),
        &Ok::<_, Code>((Vec::<u8>::new(), true)),
    );
    expect(
        "everything there is",
        &read(u64::MAX, 0).map(|(bytes, _)| bytes.len()),
        &Ok::<_, Code>(10),
    );
    refused(
        "reading what is open for writing",
        call("read", writer.read(1, 0)),
        Code::BadDescriptor,
    );
    refused(
        "reading a directory",
        call("read", directory.read(1, 0)),
        Code::IsDirectory,
    );

    let write = |bytes: &[u8], offset| call("write", writer.write(bytes, offset));
    expect("writing inside", &write(b"abc", 2), &Ok::<_, Code>(3));
    expect("writing nothing", &write(b"", 500), &Ok::<_, Code>(0));
    // "It is valid to write past the end of a file [...] with bytes between
    // the previous end and the start of the write set to zero."
    expect(
        "writing behind the end",
        &write(b"z", 12),
        &Ok::<_, Code>(1),
    );
    let whole = b"01abc56789\0\0z".to_vec();
    expect(
        "what came of it",
        &content(base, "f"),
        &Ok::<_, Code>(whole),
    );
    refused(
        "writing what is open for reading",
        call("write", reader.write(b"x", 0)),
        Code::BadDescriptor,
    );
    refused(
        "writing a directory",
        call("write", directory.write(b"x", 0)),
        Code::BadDescriptor,
    );

    expect(
        "type",
        &call("get-type", reader.get_type()),
        &Ok::<_, Code>(DescriptorType::RegularFile),
    );
    expect(
        "type",
        &call("get-type", directory.get_type()),
        &Ok::<_, Code>(DescriptorType::Directory),
    );
    let stat = call("stat", reader.stat()).expect("it is open");
    expect(
        "stat",
        &(stat.size, stat.link_count, stat.type_),
        &(13, 1, DescriptorType::RegularFile),
    );
    let stat = call("stat", directory.stat()).expect("it is open");
    expect(
        "stat",
        &(stat.size, stat.type_),
        &(0, DescriptorType::Directory),
    );

    for advice in [
        Advice::Normal,
        Advice::Sequential,
        Advice::Random,
        Advice::WillNeed,
        Advice::DontNeed,
        Advice::NoReuse,
    ] {
        accepted("advice", call("advise", reader.advise(0, 10, advice)));
    }
    let far = call("advise", reader.advise(u64::MAX, 1, Advice::Normal));
    refused("advice on what no file has", far, Code::Invalid);
    let on = call("advise", directory.advise(0, 1, Advice::Normal));
    refused("advice on a directory", on, Code::BadDescriptor);
    for descriptor in [&reader, &writer, &directory] {
        accepted("sync", call("sync", descriptor.sync()));
        accepted("sync-data", call("sync-data", descriptor.sync_data()));
    }
    accepted("removed", base.unlink_file_at("f"));
}

fn all(stream: &InputStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(more) = stream.blocking_read(4) {
        bytes.extend(more);
    }
    bytes
}

fn put(stream: &OutputStream, bytes: &[u8]) -> Result<(), StreamError> {
    stream.blocking_write_and_flush(bytes)
}

fn streams(base: &Descriptor) {
    let (reader, writer, directory) = three(base, "s");
    let from = |offset| call("read-via-stream", reader.read_via_stream(offset));
    expect(
        "all",
        &from(0).map(|stream| all(&stream)),
        &Ok::<_, Code>(b"0123456789".to_vec()),
    );
    expect(
        "from",
        &from(7).map(|stream| all(&stream)),
        &Ok::<_, Code>(b"789".to_vec()),
    );
    expect(
        "behind",
        &from(u64::MAX).map(|stream| all(&stream)),
        &Ok::<_, Code>(Vec::<u8>::new()),
    );
    let stream = from(2).expect("it is open for reading");
    expect("skip", &stream.skip(3).ok(), &Some(3));
    expect("then", &stream.read(2).ok(), &Some(b"56".to_vec()));
    expect("ready", &stream.subscribe().ready(), &true);
    expect("skip to the end", &stream.skip(99).ok(), &Some(3));
    expect(
        "the end",
        &matches!(stream.read(1), Err(StreamError::Closed)),
        &true,
    );

    let at = |offset| call("write-via-stream", writer.write_via_stream(offset));
    let stream = at(8).expect("it is open for writing");
    expect("ready", &stream.subscribe().ready(), &true);
    expect("put", &put(&stream, b"abcd").is_ok(), &true);
    expect("put", &put(&stream, b"e").is_ok(), &true);
    let end =
        || call("append-via-stream", writer.append_via_stream()).expect("it is open for writing");
    let (one, two) = (end(), end());
    for (stream, bytes) in [(&one, b"1"), (&two, b"2"), (&one, b"3")] {
        expect("append", &put(stream, bytes).is_ok(), &true);
    }
    expect(
        "zeros",
        &two.blocking_write_zeroes_and_flush(2).is_ok(),
        &true,
    );
    expect(
        "what came of it",
        &content(base, "s"),
        &Ok::<_, Code>(b"01234567abcde123\0\0".to_vec()),
    );

    refused(
        "a reader written",
        call("write-via-stream", reader.write_via_stream(0)),
        Code::BadDescriptor,
    );
    refused(
        "a reader appended",
        call("append-via-stream", reader.append_via_stream()),
        Code::BadDescriptor,
    );
    refused(
        "a writer read",
        call("read-via-stream", writer.read_via_stream(0)),
        Code::BadDescriptor,
    );
    refused(
        "a directory read",
        call("read-via-stream", directory.read_via_stream(0)),
        Code::IsDirectory,
    );
    refused(
        "a directory written",
        call("write-via-stream", directory.write_via_stream(0)),
        Code::BadDescriptor,
    );
    refused(
        "a directory appended",
        call("append-via-stream", directory.append_via_stream()),
        Code::BadDescriptor,
    );
    drop((one, two, stream));
    accepted("removed", base.unlink_file_at("s"));
}

/// What the error of a stream says about files.
pub(crate) fn code_of(error: StreamError) -> Option<Code> {
    let StreamError::LastOperationFailed(error) = error else {
        return None;
    };
    let code = filesystem_error_code(&error);
    see(
        "filesystem-error-code",
        code.map_or("none".into(), |code| code.name().into()),
    );
    code
}

fn sizes(base: &Descriptor) {
    let (reader, writer, directory) = three(base, "z");
    let resize = |size| call("set-size", writer.set_size(size));
    accepted("longer", resize(12));
    expect(
        "zeros",
        &content(base, "z"),
        &Ok::<_, Code>(b"0123456789\0\0".to_vec()),
    );
    accepted("shorter", resize(3));
    accepted("longer again", resize(5));
    expect(
        "zeros again",
        &content(base, "z"),
        &Ok::<_, Code>(b"012\0\0".to_vec()),
    );
    refused(
        "a reader",
        call("set-size", reader.set_size(0)),
        Code::BadDescriptor,
    );
    refused(
        "a directory",
        call("set-size", directory.set_size(0)),
        Code::BadDescriptor,
    );
    accepted("removed", base.unlink_file_at("z"));
}

fn at(seconds: u64, nanoseconds: u32) -> NewTimestamp {
    NewTimestamp::Timestamp(Datetime {
        seconds,
        nanoseconds,
    })
}

fn times(base: &Descriptor) {
    let (reader, writer, directory) = three(base, "t");
    let shown = || {
        let stat = writer.stat().expect("it is open");
        let pair = |time: Option<Datetime>| time.map(|time| (time.seconds, time.nanoseconds));
        (
            pair(stat.data_access_timestamp),
            pair(stat.data_modification_timestamp),
        )
    };
    let set = |accessed, modified| call("set-times", writer.set_times(accessed, modified));
    accepted("both", set(at(5, 7), at(1_000_000_007, 999_999_999)));
    expect(
        "they are kept",
        &shown(),
        &(Some((5, 7)), Some((1_000_000_007, 999_999_999))),
    );
    accepted("none", set(NewTimestamp::NoChange, NewTimestamp::NoChange));
    expect("they are kept", &shown().0, &Some((5, 7)));
    accepted("now", set(NewTimestamp::Now, NewTimestamp::NoChange));
    expect(
        "now is later",
        &(shown().0 > Some((1_600_000_000, 0))),
        &true,
    );
    refused(
        "nanoseconds",
        set(at(1, 1_000_000_000), NewTimestamp::Now),
        Code::Invalid,
    );
    refused(
        "nanoseconds",
        set(NewTimestamp::Now, at(1, u32::MAX)),
        Code::Invalid,
    );
    // The year 10^11: kept where there is room for it, refused otherwise.
    let far = set(at(3_000_000_000_000_000_000, 0), NewTimestamp::NoChange);
    expect(
        "a far time",
        &matches!(far, Ok(()) | Err(Code::Invalid)),
        &true,
    );
    accepted(
        "a directory",
        call("set-times", directory.set_times(at(1, 0), at(2, 0))),
    );
    accepted(
        "by a reader",
        call("set-times", reader.set_times(at(1, 0), at(2, 0))),
    );

    let set = |path, time| {
        call(
            "set-times-at",
            base.set_times_at(NO_LINKS, path, time, time),
        )
    };
    accepted("by path", set("t", at(9, 0)));
    expect("they are kept", &shown(), &(Some((9, 0)), Some((9, 0))));
    accepted("of the base", set(".", NewTimestamp::Now));
    refused("nanoseconds", set("t", at(1, 1_000_000_000)), Code::Invalid);
    accepted("removed", base.unlink_file_at("t"));
}

fn listing(base: &Descriptor) {
    accepted("made", base.create_directory_at("many"));
    let many = open(
        base,
        "many",
        OpenFlags::DIRECTORY,
        READ | DescriptorFlags::MUTATE_DIRECTORY,
    );
    let many = many.expect("it is there");
    for number in 0..300 {
        drop(file(&many, &format!("f{number:03}"), b""));
    }
    accepted("made", many.create_directory_at("d"));
    let one = call("read-directory", many.read_directory()).expect("it is a directory");
    let first = call("read-directory-entry", one.read_directory_entry());
    // "Multiple streams may be active on the same directory, and they do not
    // interfere with each other." `.` and `..` are omitted.
    let names = list(&many);
    expect(
        "all of them",
        &(names.len(), &*names[0], &*names[300]),
        &(301, "d", "f299"),
    );
    expect(
        "the first",
        &first.map(|entry| entry.is_some()),
        &Ok::<_, Code>(true),
    );
    // What is removed meanwhile does no harm, and what is left comes once.
    let mut seen = 1;
    while let Ok(Some(entry)) = call("read-directory-entry", one.read_directory_entry()) {
        seen += 1;
        let directory = entry.type_ == DescriptorType::Directory;
        expect("type", &directory, &(entry.name == "d"));
        if !directory {
            accepted("removed", many.unlink_file_at(&entry.name));
        }
    }
    expect("each once", &seen, &301);
    let plain = open(base, "plain", PLAIN, READ).expect("it is there");
    refused(
        "the entries of a file",
        call("read-directory", plain.read_directory()),
        Code::NotDirectory,
    );
    drop(one);
    for name in list(&many) {
        let _ = many.unlink_file_at(&name);
        let _ = many.remove_directory_at(&name);
    }
    drop(many);
    accepted("removed", base.remove_directory_at("many"));
}

fn identity(base: &Descriptor) {
    let same = |one: &Descriptor, other: &Descriptor| {
        let same = one.is_same_object(other);
        see("is-same-object", if same { "ok" } else { "no" }.into());
        same
    };
    let one = file(base, "i", b"1");
    let hash = |file: &Descriptor| {
        call("metadata-hash", file.metadata_hash()).map(|hash| (hash.lower, hash.upper))
    };
    let before = hash(&one);
    let again = open(base, "i", PLAIN, READ).expect("it is there");
    let other = open(base, "plain", PLAIN, READ).expect("it is there");
    expect("one file, two descriptors", &same(&one, &again), &true);
    expect("two files", &same(&one, &other), &false);
    accepted("renamed", base.rename_at("i", base, "j"));
    expect(
        "renamed",
        &same(&one, &open(base, "j", PLAIN, READ).expect("it is there")),
        &true,
    );
    // A new file under the old name is another one.
    drop(file(base, "i", b"1"));
    let new = open(base, "i", PLAIN, READ).expect("it is there");
    expect("replaced", &same(&one, &new), &false);
    expect("the hash tells", &(hash(&new) == before), &false);
    expect("the hash stays", &hash(&again), &before);
    for name in ["i", "j"] {
        accepted("removed", base.unlink_file_at(name));
    }
}

fn a_removed_file_lives_as_long_as_its_handles(base: &Descriptor) {
    let file = file(base, "gone", b"here");
    accepted("removed", base.unlink_file_at("gone"));
    let links = |answer: Answer<_>| {
        answer.map(|stat: crate::wasi::filesystem::types::DescriptorStat| stat.link_count)
    };
    expect(
        "it has no name",
        &links(call("stat", file.stat())),
        &Ok::<_, Code>(0),
    );
    expect(
        "it can be read",
        &call("read", file.read(9, 0)),
        &Ok::<_, Code>((b"here".to_vec(), true)),
    );
    expect(
        "it can be written",
        &call("write", file.write(b"t", 0)),
        &Ok::<_, Code>(1),
    );
    accepted("it can be cut", call("set-size", file.set_size(1)));
    refused("it is gone", open(base, "gone", PLAIN, BOTH), Code::NoEntry);
}
