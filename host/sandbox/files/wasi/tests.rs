//! Every function of `wasi:filesystem/types`, and every error code that it can
//! return, written from the text of the WIT.

use super::super::{Archive, Limit, MAX_DESCRIPTORS, Mounts, Quota, Usage, Workspace};
use super::*;
use std::time::{Duration, UNIX_EPOCH};
use types::{Host, HostDescriptor, HostDirectoryEntryStream, NewTimestamp};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p2::StreamError;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

type Dir = Resource<Descriptor>;

const READ: DescriptorFlags = DescriptorFlags::READ;
const WRITE: DescriptorFlags = DescriptorFlags::WRITE;
const CREATE: OpenFlags = OpenFlags::CREATE;

/// A guest's side of the table.
struct Guest {
    ctx: FilesCtx,
    table: ResourceTable,
    workspace: Workspace,
    root: u32,
}

impl Guest {
    fn new() -> Self {
        Self::with_quota(Quota::default())
    }

    fn with_quota(quota: Quota) -> Self {
        let now = std::sync::Arc::new(|| UNIX_EPOCH + Duration::new(1_000, 5));
        let workspace = Workspace::with_clock(quota, now);
        let servers = Archive::new([
            ("demo/list.py", "def list(): ...".into()),
            ("demo/README.md", "demo".into()),
        ]);
        let mounts = Mounts::new(&workspace).read_only("/servers", servers.unwrap());
        let mut guest = Self {
            ctx: FilesCtx::with_mounts(mounts.unwrap()),
            table: ResourceTable::new(),
            workspace,
            root: 0,
        };
        let directories = preopens::Host::get_directories(&mut guest.view()).unwrap();
        let [(root, path)] = directories.try_into().expect("one preopened directory");
        assert_eq!(path, "/");
        guest.root = root.rep();
        guest
    }

    fn view(&mut self) -> FilesView<'_> {
        FilesView {
            ctx: &mut self.ctx,
            table: &mut self.table,
        }
    }

    fn root(&self) -> Dir {
        Resource::new_borrow(self.root)
    }

    /// Calls a function and takes its answer as the guest sees it.
    fn call<R>(
        &mut self,
        function: impl FnOnce(&mut FilesView<'_>) -> Answer<R>,
    ) -> Result<R, ErrorCode> {
        let mut view = self.view();
        function(&mut view).map_err(|failure| view.convert_error_code(failure).expect("no trap"))
    }

    fn open(
        &mut self,
        path: &str,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Dir, ErrorCode> {
        let root = self.root();
        self.open_from(&root, path, how, flags)
    }

    fn open_from(
        &mut self,
        base: &Dir,
        path: &str,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Dir, ErrorCode> {
        let base = again(base);
        self.call(|files| files.open_at(base, PathFlags::empty(), path.into(), how, flags))
    }

    /// A file of the workspace with these bytes, open for both.
    fn file(&mut self, name: &str, bytes: &[u8]) -> Dir {
        self.workspace.write_file(name, bytes).unwrap();
        self.open(
            &format!("workspace/{name}"),
            OpenFlags::empty(),
            READ | WRITE,
        )
        .unwrap()
    }

    fn directory(&mut self, path: &str) -> Dir {
        self.open(path, OpenFlags::DIRECTORY, READ).unwrap()
    }

    /// A function that takes a path, for each path and expected answer.
    #[track_caller]
    fn check<R: std::fmt::Debug + PartialEq>(
        &mut self,
        function: impl Fn(&mut FilesView<'_>, Dir, String) -> Answer<R>,
        cases: &[(&str, Result<R, ErrorCode>)],
    ) {
        for (path, expected) in cases {
            let root = self.root();
            let got = self.call(|files| function(files, root, (*path).to_owned()));
            assert_eq!(&got, expected, "{path:?}");
        }
    }

    fn read(&mut self, file: &Dir, length: u64, offset: u64) -> Result<(Vec<u8>, bool), ErrorCode> {
        let file = again(file);
        self.call(|files| files.read(file, length, offset))
    }

    fn write(&mut self, file: &Dir, bytes: &[u8], offset: u64) -> Result<u64, ErrorCode> {
        let file = again(file);
        self.call(|files| files.write(file, bytes.to_vec(), offset))
    }

    fn close(&mut self, descriptor: Dir) {
        HostDescriptor::drop(&mut self.view(), descriptor).unwrap();
    }
}

fn again(descriptor: &Dir) -> Dir {
    Resource::new_own(descriptor.rep())
}

fn text((bytes, end): (Vec<u8>, bool)) -> (String, bool) {
    (String::from_utf8(bytes).unwrap(), end)
}

#[test]
fn the_root_lists_the_mounts() {
    let mut guest = Guest::new();
    let root = guest.root();
    let listing = guest.call(|files| files.read_directory(root)).unwrap();
    let mut names = Vec::new();
    while let Some(entry) = guest
        .call(|files| files.read_directory_entry(Resource::new_borrow(listing.rep())))
        .unwrap()
    {
        assert_eq!(entry.type_, DescriptorType::Directory);
        names.push(entry.name);
    }
    assert_eq!(names, ["servers", "tmp", "workspace"]);
    HostDirectoryEntryStream::drop(&mut guest.view(), listing).unwrap();
}

#[test]
fn open_at_finds_makes_and_cuts() {
    let mut guest = Guest::new();
    let none = OpenFlags::empty();
    let exclusive = CREATE | OpenFlags::EXCLUSIVE;
    guest.file("f", b"old");
    guest.workspace.write_file("d/x", b"").unwrap();
    let cases: &[(&str, OpenFlags, DescriptorFlags, Option<ErrorCode>)] = &[
        ("workspace/f", none, READ, None),
        ("workspace/f", none, DescriptorFlags::empty(), None),
        (
            "workspace/f",
            none,
            READ | WRITE | DescriptorFlags::DATA_INTEGRITY_SYNC,
            None,
        ),
        ("workspace/f", CREATE, WRITE, None),
        ("workspace/new", none, READ, Some(ErrorCode::NoEntry)),
        ("workspace/new", none, WRITE, Some(ErrorCode::NoEntry)),
        (
            "workspace/new",
            OpenFlags::TRUNCATE,
            WRITE,
            Some(ErrorCode::NoEntry),
        ),
        (
            "workspace/new",
            OpenFlags::EXCLUSIVE,
            READ,
            Some(ErrorCode::NoEntry),
        ),
        ("workspace/new", exclusive, WRITE, None),
        ("workspace/new", exclusive, WRITE, Some(ErrorCode::Exist)),
        (
            "workspace/new",
            OpenFlags::EXCLUSIVE,
            READ,
            Some(ErrorCode::Exist),
        ),
        ("workspace/new2", CREATE, READ, None),
        ("workspace/d", exclusive, WRITE, Some(ErrorCode::Exist)),
        ("workspace/d", none, READ, None),
        ("workspace/d", OpenFlags::DIRECTORY, READ, None),
        (
            "workspace/d/",
            OpenFlags::DIRECTORY,
            DescriptorFlags::MUTATE_DIRECTORY,
            None,
        ),
        ("workspace/d", none, WRITE, Some(ErrorCode::IsDirectory)),
        ("workspace/d", CREATE, READ, Some(ErrorCode::IsDirectory)),
        (
            "workspace/d",
            OpenFlags::TRUNCATE,
            READ,
            Some(ErrorCode::IsDirectory),
        ),
        ("workspace/d/.", none, READ, None),
        ("workspace/d/.", CREATE, WRITE, Some(ErrorCode::IsDirectory)),
        ("workspace/d/.", exclusive, WRITE, Some(ErrorCode::Exist)),
        ("workspace/d/..", none, READ, None),
        (".", none, READ, None),
        (
            "workspace/f",
            OpenFlags::DIRECTORY,
            READ,
            Some(ErrorCode::NotDirectory),
        ),
        ("workspace/f/", none, READ, Some(ErrorCode::NotDirectory)),
        ("workspace/f/.", none, READ, Some(ErrorCode::NotDirectory)),
        ("workspace/f/x", none, READ, Some(ErrorCode::NotDirectory)),
        ("workspace/f/..", none, READ, Some(ErrorCode::NotDirectory)),
        ("workspace/no/x", CREATE, WRITE, Some(ErrorCode::NoEntry)),
        ("workspace/no/", CREATE, WRITE, Some(ErrorCode::IsDirectory)),
        (
            "workspace/d",
            CREATE | OpenFlags::DIRECTORY,
            READ,
            Some(ErrorCode::Invalid),
        ),
        (
            "workspace/d",
            OpenFlags::TRUNCATE | OpenFlags::DIRECTORY,
            READ,
            Some(ErrorCode::Invalid),
        ),
        ("", none, READ, Some(ErrorCode::NoEntry)),
        ("/workspace/f", none, READ, Some(ErrorCode::NotPermitted)),
        ("..", none, READ, Some(ErrorCode::NotPermitted)),
        ("workspace/../..", none, READ, Some(ErrorCode::NotPermitted)),
        ("workspace/d/../../tmp", none, READ, None),
        ("workspace/a\0b", CREATE, WRITE, Some(ErrorCode::Invalid)),
        ("new", CREATE, WRITE, Some(ErrorCode::ReadOnly)),
        ("workspace", CREATE, WRITE, Some(ErrorCode::IsDirectory)),
        ("workspace", exclusive, WRITE, Some(ErrorCode::Exist)),
        ("servers/demo/list.py", none, READ, None),
        (
            "servers/demo/list.py",
            none,
            WRITE,
            Some(ErrorCode::ReadOnly),
        ),
        (
            "servers/demo/list.py",
            CREATE,
            READ,
            Some(ErrorCode::ReadOnly),
        ),
        (
            "servers/demo/list.py",
            OpenFlags::TRUNCATE,
            READ,
            Some(ErrorCode::ReadOnly),
        ),
        (
            "servers/demo/list.py",
            exclusive,
            WRITE,
            Some(ErrorCode::ReadOnly),
        ),
        (
            "servers/demo/list.py",
            OpenFlags::DIRECTORY,
            READ,
            Some(ErrorCode::NotDirectory),
        ),
        (
            "servers/demo/new.py",
            CREATE,
            WRITE,
            Some(ErrorCode::ReadOnly),
        ),
        ("servers/demo/new.py", none, WRITE, Some(ErrorCode::NoEntry)),
        (
            "servers/demo/list.py/x",
            CREATE,
            WRITE,
            Some(ErrorCode::NotDirectory),
        ),
    ];
    for &(path, how, flags, expected) in cases {
        let opened = guest.open(path, how, flags);
        assert_eq!(
            opened.as_ref().err().copied(),
            expected,
            "{path:?} {how:?} {flags:?}"
        );
        if let Ok(descriptor) = opened {
            guest.close(descriptor);
        }
    }
    let long = "n".repeat(256);
    assert_eq!(
        guest.open(&long, CREATE, WRITE).unwrap_err(),
        ErrorCode::NameTooLong
    );

    assert_eq!(guest.workspace.read_file("f").unwrap(), b"old"[..]);
    guest
        .open("workspace/f", OpenFlags::TRUNCATE, WRITE)
        .unwrap();
    assert_eq!(guest.workspace.read_file("f").unwrap(), b""[..]);
}

#[test]
fn open_at_obeys_its_base() {
    let mut guest = Guest::new();
    let file = guest.file("f", b"1");
    let none = OpenFlags::empty();
    assert_eq!(
        guest.open_from(&file, "x", none, READ).unwrap_err(),
        ErrorCode::NotDirectory
    );

    // A directory that cannot be changed gives nothing that could change it,
    // whether or not the path exists.
    let servers = guest.directory("servers");
    let flags = DescriptorFlags::MUTATE_DIRECTORY;
    for (path, how, flags) in [
        ("demo", none, flags),
        ("nothing", none, WRITE),
        ("demo/list.py", OpenFlags::TRUNCATE, READ),
        ("nothing", CREATE, READ),
    ] {
        let refused = guest.open_from(&servers, path, how, flags).unwrap_err();
        assert_eq!(refused, ErrorCode::ReadOnly, "{path}");
    }
    assert!(
        guest
            .open_from(&servers, "demo/list.py", none, READ)
            .is_ok()
    );

    // Nothing above the base is in reach, be it the guest's own.
    let workspace = guest.directory("workspace");
    for path in ["..", "../tmp", "./../workspace/f", "f/../../tmp"] {
        let refused = guest.open_from(&workspace, path, none, READ).unwrap_err();
        assert!(
            matches!(refused, ErrorCode::NotPermitted | ErrorCode::NotDirectory),
            "{path}"
        );
    }
}

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
        assert_eq!(guest.ctx.take_refused(), Some(Limit::FileSize(10 << 20)));
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
    assert_eq!(guest.ctx.take_refused(), Some(Limit::FileSize(12)));
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
    assert_eq!(guest.ctx.take_refused(), Some(Limit::Bytes(20)));
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
fn stat_tells_type_size_and_links() {
    let mut guest = Guest::new();
    let file = guest.file("f", b"hello");
    let stat_at = |files: &mut FilesView<'_>, dir, path| {
        let stat = files.stat_at(dir, PathFlags::empty(), path)?;
        Ok((stat.type_, stat.size, stat.link_count))
    };
    let regular = |size| Ok((DescriptorType::RegularFile, size, 1));
    let directory = Ok((DescriptorType::Directory, 0, 1));
    guest.check(
        stat_at,
        &[
            ("workspace/f", regular(5)),
            ("servers/demo/list.py", regular(15)),
            ("workspace", directory),
            ("workspace/.", directory),
            (".", directory),
            ("workspace/../servers/", directory),
            ("workspace/f/", Err(ErrorCode::NotDirectory)),
            ("workspace/f/..", Err(ErrorCode::NotDirectory)),
            ("workspace/zz", Err(ErrorCode::NoEntry)),
            ("", Err(ErrorCode::NoEntry)),
            ("..", Err(ErrorCode::NotPermitted)),
        ],
    );
    guest.check(
        |files, dir, path| files.unlink_file_at(dir, path),
        &[("workspace/f", Ok(()))],
    );
    let stat = guest.call(|files| files.stat(again(&file))).unwrap();
    assert_eq!((stat.size, stat.link_count), (5, 0));
    let below = guest.call(|files| files.stat_at(again(&file), PathFlags::empty(), "x".into()));
    assert_eq!(below.map(drop), Err(ErrorCode::NotDirectory));
}

#[test]
fn create_directory_at_makes_one() {
    let mut guest = Guest::with_quota(Quota {
        inodes: 3,
        ..Quota::default()
    });
    guest.file("f", b"");
    guest.check(
        |files, dir, path| files.create_directory_at(dir, path),
        &[
            ("workspace/d", Ok(())),
            ("workspace/d", Err(ErrorCode::Exist)),
            ("workspace/d/.", Err(ErrorCode::Exist)),
            ("workspace/d/..", Err(ErrorCode::Exist)),
            ("workspace/f", Err(ErrorCode::Exist)),
            ("workspace", Err(ErrorCode::Exist)),
            ("servers/demo", Err(ErrorCode::Exist)),
            (".", Err(ErrorCode::Exist)),
            ("workspace/f/d", Err(ErrorCode::NotDirectory)),
            ("workspace/zz/d", Err(ErrorCode::NoEntry)),
            ("workspace/d/e/", Ok(())),
            ("workspace/d/e/f", Err(ErrorCode::InsufficientSpace)),
            ("servers/d", Err(ErrorCode::ReadOnly)),
            ("d", Err(ErrorCode::ReadOnly)),
            ("..", Err(ErrorCode::NotPermitted)),
            ("", Err(ErrorCode::NoEntry)),
        ],
    );
    assert_eq!(guest.ctx.take_refused(), Some(Limit::Inodes(3)));
    assert_eq!(guest.ctx.take_refused(), None);
}

#[test]
fn remove_directory_at_and_unlink_file_at_remove() {
    let mut guest = Guest::new();
    guest.file("f", b"");
    guest.file("d/x", b"");
    guest.check(
        |files, dir, path| files.remove_directory_at(dir, path),
        &[
            ("workspace/d", Err(ErrorCode::NotEmpty)),
            ("workspace/f", Err(ErrorCode::NotDirectory)),
            ("workspace/zz", Err(ErrorCode::NoEntry)),
            ("workspace/d/.", Err(ErrorCode::Busy)),
            ("workspace", Err(ErrorCode::Busy)),
            ("tmp", Err(ErrorCode::Busy)),
            ("servers", Err(ErrorCode::ReadOnly)),
            ("servers/demo", Err(ErrorCode::ReadOnly)),
            ("servers/zz", Err(ErrorCode::NoEntry)),
            (".", Err(ErrorCode::ReadOnly)),
            ("..", Err(ErrorCode::NotPermitted)),
        ],
    );
    guest.check(
        |files, dir, path| files.unlink_file_at(dir, path),
        &[
            ("workspace/d", Err(ErrorCode::IsDirectory)),
            ("workspace/d/", Err(ErrorCode::IsDirectory)),
            ("workspace/f/", Err(ErrorCode::NotDirectory)),
            ("workspace/zz", Err(ErrorCode::NoEntry)),
            ("workspace", Err(ErrorCode::IsDirectory)),
            ("servers/demo/list.py", Err(ErrorCode::ReadOnly)),
            ("servers/demo/zz", Err(ErrorCode::NoEntry)),
            ("workspace/d/x", Ok(())),
            ("workspace/f", Ok(())),
            ("workspace/f", Err(ErrorCode::NoEntry)),
        ],
    );
    guest.check(
        |files, dir, path| files.remove_directory_at(dir, path),
        &[
            ("workspace/d/", Ok(())),
            ("workspace/d", Err(ErrorCode::NoEntry)),
        ],
    );
}

#[test]
fn rename_at_moves_and_replaces() {
    let mut guest = Guest::new();
    guest.file("f", b"1");
    guest.file("g", b"22");
    guest.file("d/x", b"");
    guest.file("e/y", b"");
    let cases: &[(&str, &str, Result<(), ErrorCode>)] = &[
        ("workspace/zz", "workspace/q", Err(ErrorCode::NoEntry)),
        ("workspace/f", "workspace/zz/q", Err(ErrorCode::NoEntry)),
        ("workspace/f", "workspace/g/q", Err(ErrorCode::NotDirectory)),
        ("workspace/f", "workspace/d", Err(ErrorCode::IsDirectory)),
        ("workspace/d", "workspace/f", Err(ErrorCode::NotDirectory)),
        ("workspace/d", "workspace/e", Err(ErrorCode::NotEmpty)),
        ("workspace/d", "workspace/d/z", Err(ErrorCode::Invalid)),
        ("workspace/f/", "workspace/q", Err(ErrorCode::NotDirectory)),
        ("workspace/f", "workspace/q/", Err(ErrorCode::NotDirectory)),
        ("workspace/d/.", "workspace/q", Err(ErrorCode::Busy)),
        ("workspace", "workspace2", Err(ErrorCode::Busy)),
        ("workspace/d", "tmp", Err(ErrorCode::Busy)),
        ("servers", "s", Err(ErrorCode::ReadOnly)),
        ("servers/demo", "servers/d", Err(ErrorCode::ReadOnly)),
        (
            "servers/demo/list.py",
            "workspace/q",
            Err(ErrorCode::CrossDevice),
        ),
        ("workspace/f", "servers/q", Err(ErrorCode::CrossDevice)),
        ("workspace/f", "q", Err(ErrorCode::CrossDevice)),
        ("workspace/f", "../q", Err(ErrorCode::NotPermitted)),
        ("workspace/f", "workspace/f", Ok(())),
        ("workspace/f", "workspace/g", Ok(())),
        ("workspace/d/", "workspace/q/", Ok(())),
        ("workspace/g", "tmp/g", Ok(())),
        ("tmp/g", "workspace/q/h", Ok(())),
    ];
    for &(from, to, expected) in cases {
        let (old, new) = (guest.root(), guest.root());
        let renamed = guest.call(|files| files.rename_at(old, from.into(), new, to.into()));
        assert_eq!(renamed, expected, "{from} {to}");
    }
    assert_eq!(guest.workspace.read_file("q/h").unwrap(), b"1"[..]);
    assert_eq!(guest.workspace.usage(), guest.workspace.recount());
    let file = guest.file("z", b"");
    let root = guest.root();
    let onto = guest.call(|files| files.rename_at(root, "tmp".into(), again(&file), "x".into()));
    assert!(onto.is_err());
}

#[test]
fn there_are_no_links() {
    let mut guest = Guest::new();
    guest.file("f", b"");
    let link = |old: &'static str| {
        move |files: &mut FilesView<'_>, dir: Dir, new| {
            let base = again(&dir);
            files.link_at(base, PathFlags::empty(), old.to_owned(), dir, new)
        }
    };
    guest.check(
        link("workspace/f"),
        &[
            ("workspace/l", Err(ErrorCode::Unsupported)),
            ("workspace/f", Err(ErrorCode::Exist)),
            ("workspace", Err(ErrorCode::Exist)),
            ("workspace/zz/l", Err(ErrorCode::NoEntry)),
            ("servers/l", Err(ErrorCode::ReadOnly)),
        ],
    );
    guest.check(
        link("servers/demo/list.py"),
        &[("workspace/l", Err(ErrorCode::Unsupported))],
    );
    guest.check(
        link("workspace/zz"),
        &[("workspace/l", Err(ErrorCode::NoEntry))],
    );
    guest.check(
        link("workspace"),
        &[("workspace/l", Err(ErrorCode::NotPermitted))],
    );

    let symlink = |old: &'static str| {
        move |files: &mut FilesView<'_>, dir, new| files.symlink_at(dir, old.to_owned(), new)
    };
    for old in ["f", "../servers", "nothing", "l"] {
        guest.check(
            symlink(old),
            &[
                ("workspace/l", Err(ErrorCode::Unsupported)),
                ("workspace/f", Err(ErrorCode::Exist)),
                ("workspace/zz/l", Err(ErrorCode::NoEntry)),
                ("servers/l", Err(ErrorCode::ReadOnly)),
            ],
        );
    }
    guest.check(
        symlink("/etc/passwd"),
        &[("workspace/l", Err(ErrorCode::NotPermitted))],
    );

    guest.check(
        |files, dir, path| files.readlink_at(dir, path),
        &[
            ("workspace/f", Err(ErrorCode::Invalid)),
            ("workspace", Err(ErrorCode::Invalid)),
            ("workspace/l", Err(ErrorCode::NoEntry)),
        ],
    );
    assert_eq!(guest.workspace.usage().inodes, 1);
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
        Some(Limit::Descriptors(MAX_DESCRIPTORS))
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

#[test]
fn a_removed_directory_is_empty_and_stays_so() {
    let mut guest = Guest::new();
    guest.check(
        |files, dir, path| files.create_directory_at(dir, path),
        &[("tmp/d", Ok(()))],
    );
    let directory = guest.directory("tmp/d");
    guest.check(
        |files, dir, path| files.remove_directory_at(dir, path),
        &[("tmp/d", Ok(()))],
    );
    let made = guest.open_from(&directory, "f", CREATE, WRITE).unwrap_err();
    assert_eq!(made, ErrorCode::NoEntry);
    let listing = guest
        .call(|files| files.read_directory(again(&directory)))
        .unwrap();
    let entry = guest
        .call(|files| files.read_directory_entry(listing))
        .unwrap();
    assert!(entry.is_none());
}
