//! The functions of open files: descriptors, streams, identity.

use super::*;

#[test]
fn get_flags_and_get_type_tell_what_was_opened() {
    let mut guest = Guest::new();
    guest.file("f", b"");
    let sync = DescriptorFlags::FILE_INTEGRITY_SYNC | DescriptorFlags::REQUESTED_WRITE_SYNC;
    let directory = READ | DescriptorFlags::MUTATE_DIRECTORY;
    for (path, asked, given, kind) in [
        ("workspace/f", READ, READ, DescriptorType::RegularFile),
        (
            "workspace/f",
            WRITE | sync,
            WRITE | sync,
            DescriptorType::RegularFile,
        ),
        ("workspace", READ, directory, DescriptorType::Directory),
        (".", READ, directory, DescriptorType::Directory),
        ("servers", READ, READ, DescriptorType::Directory),
    ] {
        let opened = guest.open(path, OpenFlags::empty(), asked).unwrap();
        assert_eq!(
            guest.call(|files| files.get_flags(again(&opened))),
            Ok(given),
            "{path}"
        );
        assert_eq!(
            guest.call(|files| files.get_type(again(&opened))),
            Ok(kind),
            "{path}"
        );
    }
}

#[test]
fn read_and_write_take_any_number() {
    let mut guest = Guest::new();
    let file = guest.file("f", b"hello");
    let read = |guest: &mut Guest, length, offset| guest.read(&file, length, offset).map(text);
    let answer = |text: &str, end| Ok((text.to_owned(), end));
    assert_eq!(read(&mut guest, 99, 0), answer("hello", true));
    assert_eq!(read(&mut guest, 2, 0), answer("he", false));
    assert_eq!(read(&mut guest, 2, 3), answer("lo", true));
    assert_eq!(read(&mut guest, 0, 0), answer("", false));
    assert_eq!(read(&mut guest, 2, 5), answer("", true));
    assert_eq!(read(&mut guest, u64::MAX, u64::MAX), answer("", true));
    assert_eq!(read(&mut guest, u64::MAX, 1 << 62), answer("", true));

    assert_eq!(guest.write(&file, b"J", 0), Ok(1));
    assert_eq!(guest.write(&file, b"", u64::MAX), Ok(0));
    assert_eq!(guest.write(&file, b"y", 7), Ok(1));
    assert_eq!(guest.read(&file, 99, 0), Ok((b"Jello\0\0y".to_vec(), true)));
    for offset in [1 << 62, u64::MAX, 10 << 20] {
        assert_eq!(
            guest.write(&file, b"y", offset),
            Err(ErrorCode::FileTooLarge)
        );
        assert_eq!(
            guest.ctx.take_refused(),
            Some(FileLimit::FileSize(10 << 20))
        );
    }
    assert_eq!(
        guest.workspace.usage(),
        Usage {
            bytes: 8,
            inodes: 1
        }
    );

    // One call gives no more than its share, however much is asked for.
    guest
        .call(|files| files.set_size(again(&file), 5 << 20))
        .unwrap();
    let (bytes, end) = guest.read(&file, u64::MAX, 0).unwrap();
    assert_eq!((bytes.len(), end), (MAX_TRANSFER, false));
}

#[test]
fn descriptors_do_only_what_they_were_opened_for() {
    let mut guest = Guest::new();
    guest.file("f", b"hello");
    let none = OpenFlags::empty();
    let reader = guest.open("workspace/f", none, READ).unwrap();
    let writer = guest.open("workspace/f", none, WRITE).unwrap();
    let directory = guest.directory("workspace");
    let (bad, is_directory) = (ErrorCode::BadDescriptor, ErrorCode::IsDirectory);

    assert_eq!(guest.read(&writer, 1, 0), Err(bad));
    assert_eq!(guest.read(&directory, 1, 0), Err(is_directory));
    let by_stream = |guest: &mut Guest, file: &Dir| {
        guest
            .call(|files| files.read_via_stream(again(file), 0))
            .map(drop)
    };
    assert_eq!(by_stream(&mut guest, &reader), Ok(()));
    assert_eq!(by_stream(&mut guest, &writer), Err(bad));
    assert_eq!(by_stream(&mut guest, &directory), Err(is_directory));

    for (descriptor, expected) in [
        (&reader, Err(bad)),
        (&directory, Err(bad)),
        (&writer, Ok(())),
    ] {
        let written = guest.write(descriptor, b"x", 0).map(drop);
        assert_eq!(written, expected);
        let streamed = guest
            .call(|files| files.write_via_stream(again(descriptor), 0))
            .map(drop);
        assert_eq!(streamed, expected);
        let appended = guest
            .call(|files| files.append_via_stream(again(descriptor)))
            .map(drop);
        assert_eq!(appended, expected);
        assert_eq!(
            guest.call(|files| files.set_size(again(descriptor), 1)),
            expected
        );
    }
    for (descriptor, expected) in [(&reader, Ok(())), (&directory, Err(bad)), (&writer, Ok(()))] {
        let advised = guest.call(|files| files.advise(again(descriptor), 0, 9, Advice::WillNeed));
        assert_eq!(advised, expected);
        assert_eq!(guest.call(|files| files.sync(again(descriptor))), Ok(()));
        assert_eq!(
            guest.call(|files| files.sync_data(again(descriptor))),
            Ok(())
        );
    }
    let overflow = guest.call(|files| files.advise(again(&reader), u64::MAX, 1, Advice::Normal));
    assert_eq!(overflow, Err(ErrorCode::Invalid));
    let listed = guest
        .call(|files| files.read_directory(again(&reader)))
        .map(drop);
    assert_eq!(listed, Err(ErrorCode::NotDirectory));
}

#[test]
fn streams_read_write_and_append() {
    let mut guest = Guest::with_quota(Quota {
        file_bytes: 12,
        ..Quota::default()
    });
    let file = guest.file("f", b"hello");
    let input = guest
        .call(|files| files.read_via_stream(again(&file), 1))
        .unwrap();
    let end = guest
        .call(|files| files.append_via_stream(again(&file)))
        .unwrap();
    let start = guest
        .call(|files| files.write_via_stream(again(&file), 0))
        .unwrap();

    let stream = guest.table.get_mut(&input).unwrap();
    assert_eq!(stream.read(0).unwrap(), b""[..]);
    assert_eq!(stream.read(2).unwrap(), b"el"[..]);
    assert_eq!(stream.skip(1).unwrap(), 1);
    assert_eq!(stream.read(usize::MAX).unwrap(), b"o"[..]);
    assert!(matches!(stream.read(1), Err(StreamError::Closed)));
    assert!(matches!(stream.skip(1), Err(StreamError::Closed)));

    let stream = guest.table.get_mut(&end).unwrap();
    assert_eq!(stream.check_write().unwrap(), 7);
    stream.write(b" you"[..].into()).unwrap();
    let stream = guest.table.get_mut(&start).unwrap();
    stream.write(b"J"[..].into()).unwrap();
    stream.write_zeroes(1).unwrap();
    stream.flush().unwrap();
    let stream = guest.table.get_mut(&input).unwrap();
    assert_eq!(
        stream.read(9).unwrap(),
        b" you"[..],
        "what was appended can be read"
    );
    assert_eq!(guest.workspace.read_file("f").unwrap(), b"J\0llo you"[..]);

    // At the limit: what fits is permitted, the error has its code, and the
    // stream works again when there is room.
    let stream = guest.table.get_mut(&end).unwrap();
    assert_eq!(stream.check_write().unwrap(), 3);
    let Err(StreamError::LastOperationFailed(error)) = stream.write(b"12345"[..].into()) else {
        panic!("a write above the limit must fail");
    };
    assert!(matches!(
        stream.check_write(),
        Err(StreamError::LastOperationFailed(_))
    ));
    assert!(stream.flush().is_ok());
    assert_eq!(
        guest.workspace.read_file("f").unwrap(),
        b"J\0llo you123"[..]
    );
    assert_eq!(guest.ctx.take_refused(), Some(FileLimit::FileSize(12)));
    let again_at_the_end = guest.call(|files| files.append_via_stream(again(&file)));
    assert_eq!(again_at_the_end.map(drop), Err(ErrorCode::FileTooLarge));
    guest
        .call(|files| files.set_size(again(&file), 11))
        .unwrap();
    let stream = guest.table.get_mut(&end).unwrap();
    stream.write(b"!"[..].into()).unwrap();
    assert_eq!(
        guest.workspace.read_file("f").unwrap(),
        b"J\0llo you12!"[..]
    );
    let error = guest.table.push(error).unwrap();
    let code = guest
        .view()
        .filesystem_error_code(Resource::new_borrow(error.rep()))
        .unwrap();
    assert_eq!(code, Some(ErrorCode::FileTooLarge));
    let other = guest
        .table
        .push(wasmtime::Error::msg("not of a file"))
        .unwrap();
    assert_eq!(guest.view().filesystem_error_code(other).unwrap(), None);

    // In the middle of a file there is more room than behind it, up to what
    // one call takes.
    let mut large = Guest::new();
    let file = large.file("large", b"");
    large
        .call(|files| files.set_size(again(&file), 10 << 20))
        .unwrap();
    let middle = large
        .call(|files| files.write_via_stream(again(&file), 5 << 20))
        .unwrap();
    let stream = large.table.get_mut(&middle).unwrap();
    assert_eq!(stream.check_write().unwrap(), MAX_TRANSFER);

    // More than was permitted is the guest's mistake.
    let stream = guest.table.get_mut(&start).unwrap();
    let too_much = vec![0; MAX_TRANSFER + 1].into();
    assert!(matches!(stream.write(too_much), Err(StreamError::Trap(_))));
    assert!(matches!(
        stream.write_zeroes(MAX_TRANSFER + 1),
        Err(StreamError::Trap(_))
    ));
}

#[test]
fn set_size_cuts_and_extends() {
    let mut guest = Guest::with_quota(Quota {
        bytes: 20,
        file_bytes: 15,
        inodes: 9,
    });
    let file = guest.file("f", b"hello");
    let mut set = |size| guest.call(|files| files.set_size(again(&file), size));
    assert_eq!(set(2), Ok(()));
    assert_eq!(set(4), Ok(()));
    assert_eq!(set(15), Ok(()));
    assert_eq!(set(16), Err(ErrorCode::FileTooLarge));
    assert_eq!(set(u64::MAX), Err(ErrorCode::FileTooLarge));
    let other = guest.file("g", b"");
    let mut set = |size| guest.call(|files| files.set_size(again(&other), size));
    assert_eq!(set(5), Ok(()));
    assert_eq!(set(6), Err(ErrorCode::InsufficientSpace));
    assert_eq!(guest.ctx.take_refused(), Some(FileLimit::Bytes(20)));
    assert_eq!(guest.workspace.usage(), guest.workspace.recount());
    assert_eq!(
        guest.workspace.read_file("f").unwrap(),
        b"he\0\0\0\0\0\0\0\0\0\0\0\0\0"[..]
    );
}

#[test]
fn times_are_kept_as_they_are_set() {
    let mut guest = Guest::new();
    let file = guest.file("f", b"");
    let time = |seconds, nanoseconds| {
        NewTimestamp::Timestamp(Datetime {
            seconds,
            nanoseconds,
        })
    };
    let stamps = |guest: &mut Guest| {
        let stat = guest.call(|files| files.stat(again(&file))).unwrap();
        let seconds = |time: Option<Datetime>| time.expect("it is maintained").seconds;
        (
            seconds(stat.data_access_timestamp),
            seconds(stat.data_modification_timestamp),
        )
    };
    assert_eq!(stamps(&mut guest), (1_000, 1_000));
    let mut set = |accessed, modified| {
        let set = guest.call(|files| files.set_times(again(&file), accessed, modified));
        set.map(|()| stamps(&mut guest))
    };
    assert_eq!(
        set(time(7, 999_999_999), NewTimestamp::NoChange),
        Ok((7, 1_000))
    );
    assert_eq!(
        set(NewTimestamp::NoChange, time(u64::MAX, 0)),
        Ok((7, u64::MAX))
    );
    assert_eq!(
        set(NewTimestamp::Now, NewTimestamp::Now),
        Ok((1_000, 1_000))
    );
    assert_eq!(
        set(time(1, 1_000_000_000), NewTimestamp::NoChange),
        Err(ErrorCode::Invalid)
    );
    assert_eq!(
        set(NewTimestamp::NoChange, time(0, u32::MAX)),
        Err(ErrorCode::Invalid)
    );

    let now = |files: &mut FilesView<'_>, dir, path| {
        let flags = PathFlags::SYMLINK_FOLLOW;
        files.set_times_at(dir, flags, path, NewTimestamp::Now, NewTimestamp::NoChange)
    };
    guest.check(
        now,
        &[
            ("workspace/f", Ok(())),
            ("workspace", Ok(())),
            ("workspace/f/", Err(ErrorCode::NotDirectory)),
            ("workspace/zz", Err(ErrorCode::NoEntry)),
            ("servers/demo", Err(ErrorCode::ReadOnly)),
            ("servers/demo/list.py", Err(ErrorCode::ReadOnly)),
            (".", Err(ErrorCode::ReadOnly)),
            ("/workspace", Err(ErrorCode::NotPermitted)),
        ],
    );
    let list = guest
        .open("servers/demo/list.py", OpenFlags::empty(), READ)
        .unwrap();
    let refused =
        guest.call(|files| files.set_times(again(&list), NewTimestamp::Now, NewTimestamp::Now));
    assert_eq!(refused, Err(ErrorCode::ReadOnly));
}

#[test]
fn identity_is_by_object_and_survives_changes() {
    let mut guest = Guest::new();
    let one = guest.file("f", b"1");
    let same = guest
        .open("workspace/../workspace/f", OpenFlags::empty(), READ)
        .unwrap();
    let other = guest.file("g", b"1");
    let hash = |guest: &mut Guest, file: &Dir| {
        let hash = guest
            .call(|files| files.metadata_hash(again(file)))
            .unwrap();
        (hash.lower, hash.upper)
    };
    let before = hash(&mut guest, &one);
    assert!(
        guest
            .view()
            .is_same_object(again(&one), again(&same))
            .unwrap()
    );
    assert!(
        !guest
            .view()
            .is_same_object(again(&one), again(&other))
            .unwrap()
    );
    assert_eq!(hash(&mut guest, &same), before);
    assert_ne!(hash(&mut guest, &other).0, before.0);
    guest.write(&one, b"changed", 0).unwrap();
    assert_eq!(hash(&mut guest, &one), before);
    let (old, new) = (guest.root(), guest.root());
    let (from, to) = ("workspace/f".to_owned(), "tmp/h".to_owned());
    guest
        .call(|files| files.rename_at(old, from, new, to))
        .unwrap();
    let at = |files: &mut FilesView<'_>, dir, path| {
        let hash = files.metadata_hash_at(dir, PathFlags::empty(), path)?;
        Ok((hash.lower, hash.upper))
    };
    guest.check(
        at,
        &[
            ("tmp/h", Ok(before)),
            ("workspace/f", Err(ErrorCode::NoEntry)),
            ("/tmp", Err(ErrorCode::NotPermitted)),
        ],
    );
}

#[test]
fn descriptors_are_counted() {
    let mut guest = Guest::new();
    guest.file("f", b"");
    let mut open = Vec::new();
    let refused = loop {
        match guest.open("workspace/f", OpenFlags::empty(), READ) {
            Ok(descriptor) => open.push(descriptor),
            Err(code) => break code,
        }
    };
    assert_eq!(refused, ErrorCode::InsufficientMemory);
    assert_eq!(
        guest.ctx.take_refused(),
        Some(FileLimit::Descriptors(MAX_DESCRIPTORS))
    );
    assert_eq!(guest.ctx.open(), MAX_DESCRIPTORS);
    assert!(
        preopens::Host::get_directories(&mut guest.view())
            .unwrap()
            .is_empty()
    );
    // A refused opening makes nothing.
    assert!(guest.open("workspace/new", CREATE, WRITE).is_err());
    assert!(guest.workspace.read_file("new").is_err());
    guest.close(open.pop().unwrap());
    let again = guest.open("workspace/f", OpenFlags::empty(), READ).unwrap();

    // Streams have a share of their own; throwing the table away returns all.
    let mut streams = 0;
    while guest
        .call(|files| files.read_via_stream(self::again(&again), 0))
        .is_ok()
    {
        streams += 1;
    }
    assert_eq!(streams, 4 * MAX_DESCRIPTORS);
    guest.table = ResourceTable::new();
    assert_eq!(guest.ctx.open(), 0);
}

#[test]
fn a_removed_file_lives_as_long_as_a_handle_to_it() {
    let mut guest = Guest::new();
    let file = guest.file("f", b"hello");
    let stream = guest
        .call(|files| files.read_via_stream(again(&file), 0))
        .unwrap();
    guest.check(
        |files, dir, path| files.unlink_file_at(dir, path),
        &[("workspace/f", Ok(()))],
    );
    guest.close(file);
    assert_eq!(
        guest.workspace.usage(),
        Usage {
            bytes: 5,
            inodes: 1
        }
    );
    assert_eq!(
        guest.table.get_mut(&stream).unwrap().read(9).unwrap(),
        b"hello"[..]
    );
    guest.table.delete(stream).unwrap();
    assert_eq!(guest.workspace.usage(), Usage::default());
}
