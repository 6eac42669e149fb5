//! The functions that take paths.

use super::*;

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
    assert_eq!(names, ["servers", "skills", "tmp", "workspace"]);
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
    assert_eq!(guest.ctx.take_refused(), Some(FileLimit::Inodes(3)));
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
