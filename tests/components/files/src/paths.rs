//! The functions that take a path.

use crate::report::{Answer, accepted, call, expect, refused};
use crate::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, NewTimestamp, OpenFlags, PathFlags,
};
use crate::{BOTH, CREATE, Code, NEW, NO_LINKS, PLAIN, READ, WRITE, content, file, open};

type Function = fn(&Descriptor, &str) -> Answer<()>;

const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;
const KEEP: NewTimestamp = NewTimestamp::NoChange;

/// Every function that finds something by its path.
const FINDING: &[(&str, Function)] = &[
    ("stat-at", |d, p| {
        call("stat-at", d.stat_at(NO_LINKS, p)).map(drop)
    }),
    ("stat-at, following", |d, p| {
        call("stat-at", d.stat_at(FOLLOW, p)).map(drop)
    }),
    ("open-at", |d, p| open(d, p, PLAIN, READ).map(drop)),
    ("open-at, following", |d, p| {
        call("open-at", d.open_at(FOLLOW, p, PLAIN, READ)).map(drop)
    }),
    ("set-times-at", |d, p| {
        call("set-times-at", d.set_times_at(NO_LINKS, p, KEEP, KEEP))
    }),
    ("metadata-hash-at", |d, p| {
        call("metadata-hash-at", d.metadata_hash_at(NO_LINKS, p)).map(drop)
    }),
    ("readlink-at", |d, p| {
        call("readlink-at", d.readlink_at(p)).map(drop)
    }),
    ("remove-directory-at", |d, p| {
        call("remove-directory-at", d.remove_directory_at(p))
    }),
    ("unlink-file-at", |d, p| {
        call("unlink-file-at", d.unlink_file_at(p))
    }),
    ("rename-at, from", |d, p| {
        call("rename-at", d.rename_at(p, d, "renamed"))
    }),
    ("link-at, from", |d, p| {
        call("link-at", d.link_at(NO_LINKS, p, d, "linked"))
    }),
];

/// Every function that makes something at a path.
const MAKING: &[(&str, Function)] = &[
    ("create-directory-at", |d, p| {
        call("create-directory-at", d.create_directory_at(p))
    }),
    ("open-at, creating", |d, p| {
        open(d, p, CREATE, BOTH).map(drop)
    }),
    ("open-at, creating anew", |d, p| {
        open(d, p, NEW, BOTH).map(drop)
    }),
    ("rename-at, to", |d, p| {
        call("rename-at", d.rename_at("plain", d, p))
    }),
    ("link-at, to", |d, p| {
        call("link-at", d.link_at(NO_LINKS, "plain", d, p))
    }),
    ("symlink-at", |d, p| {
        call("symlink-at", d.symlink_at("plain", p))
    }),
];

pub(crate) fn run(root: &Descriptor, base: &Descriptor) {
    drop(file(base, "plain", b"plain"));
    every_path_function_obeys_the_same_rules(base);
    opening(base);
    mounts(root);
    looking(base);
    directories(base);
    renaming(base);
    links(base);
    names(base);
}

fn every_path_function_obeys_the_same_rules(base: &Descriptor) {
    let long_name = "n".repeat(256);
    let long_path = "./".repeat(2048) + "x";
    let wrong = b"a\xffb".to_vec();
    // SAFETY: not a text at all, and used as none: the bytes go to the host as
    // they are, which is what this is about.
    let bytes = unsafe { std::str::from_utf8_unchecked(&wrong) };
    let plain = open(base, "plain", PLAIN, READ).expect("it was made");
    for &(name, function) in FINDING.iter().chain(MAKING) {
        let is =
            |path: &str, code| refused(&format!("{name} {path:?}"), function(base, path), code);
        is("", Code::NoEntry);
        is("/", Code::NotPermitted);
        is("/plain", Code::NotPermitted);
        is("..", Code::NotPermitted);
        is("../x", Code::NotPermitted);
        is("./../../etc/passwd", Code::NotPermitted);
        is("missing/x", Code::NoEntry);
        is("missing/../x", Code::NoEntry);
        is("plain/x", Code::NotDirectory);
        is("plain/../x", Code::NotDirectory);
        is("a\0b", Code::Invalid);
        is(&long_name, Code::NameTooLong);
        is(&long_path, Code::NameTooLong);
        let what = format!("{name}, not UTF-8");
        refused(&what, function(base, bytes), Code::IllegalByteSequence);
        let what = format!("{name}, from a file");
        refused(&what, function(&plain, "x"), Code::NotDirectory);
    }
    for &(name, function) in FINDING {
        refused(
            &format!("{name} missing"),
            function(base, "missing"),
            Code::NoEntry,
        );
        let slash = function(base, "plain/");
        refused(&format!("{name} plain/"), slash, Code::NotDirectory);
    }
    for &(name, function) in MAKING {
        // A file renamed to what needs a directory.
        if name == "rename-at, to" {
            continue;
        }
        let existing = function(base, "plain");
        if name == "open-at, creating" {
            accepted(name, existing);
        } else {
            refused(&format!("{name} plain"), existing, Code::Exist);
        }
    }
    expect(
        "nothing was changed",
        &content(base, "plain"),
        &Ok::<_, Code>(b"plain".to_vec()),
    );
    expect("nothing was made", &crate::handles::list(base), &["plain"]);
}

fn opening(base: &Descriptor) {
    // The rights that are asked for are those that are given.
    let new = open(base, "new", NEW, WRITE).expect("it is new");
    expect(
        "flags",
        &call("get-flags", new.get_flags()),
        &Ok::<_, Code>(WRITE),
    );
    let sync = DescriptorFlags::FILE_INTEGRITY_SYNC
        | DescriptorFlags::DATA_INTEGRITY_SYNC
        | DescriptorFlags::REQUESTED_WRITE_SYNC;
    let synced = open(base, "new", PLAIN, BOTH | sync).expect("it exists");
    expect(
        "flags",
        &call("get-flags", synced.get_flags()),
        &Ok::<_, Code>(BOTH | sync),
    );
    let directory = open(
        base,
        ".",
        OpenFlags::DIRECTORY,
        READ | DescriptorFlags::MUTATE_DIRECTORY,
    );
    let flags = call("get-flags", directory.expect("it is one").get_flags());
    expect(
        "flags",
        &flags,
        &Ok::<_, Code>(READ | DescriptorFlags::MUTATE_DIRECTORY),
    );

    drop(file(base, "cut", b"to be cut"));
    accepted("cutting", open(base, "cut", OpenFlags::TRUNCATE, WRITE));
    expect(
        "it was cut",
        &content(base, "cut"),
        &Ok::<_, Code>(Vec::<u8>::new()),
    );
    refused(
        "a file as a directory",
        open(base, "cut", OpenFlags::DIRECTORY, READ),
        Code::NotDirectory,
    );
    refused(
        "a directory for writing",
        open(base, ".", PLAIN, WRITE),
        Code::IsDirectory,
    );
    refused(
        "a directory, cut",
        open(base, ".", OpenFlags::TRUNCATE, WRITE),
        Code::IsDirectory,
    );
    accepted(
        "a directory, made",
        call("create-directory-at", base.create_directory_at("d")),
    );
    refused(
        "a directory, created",
        open(base, "d", CREATE, READ),
        Code::IsDirectory,
    );
    refused(
        "a directory, for writing",
        open(base, "d", PLAIN, WRITE),
        Code::IsDirectory,
    );
    refused(
        "a name with a slash, created",
        open(base, "no/", CREATE, BOTH),
        Code::IsDirectory,
    );
    // `O_CREAT|O_DIRECTORY` means nothing.
    let both = CREATE | OpenFlags::DIRECTORY;
    refused(
        "a directory that is created by opening",
        open(base, "d2", both, READ),
        Code::Invalid,
    );
    let below = open(base, "d", OpenFlags::DIRECTORY, READ).expect("it is one");
    refused(
        "above where it began",
        open(&below, "../plain", PLAIN, READ),
        Code::NotPermitted,
    );
    refused(
        "above, through below",
        open(&below, "x/../../plain", PLAIN, READ),
        Code::NoEntry,
    );
    drop(below);
    accepted("down and up", open(base, "d/../plain", PLAIN, READ));
    accepted(
        "removed",
        call("remove-directory-at", base.remove_directory_at("d")),
    );
    for name in ["new", "cut"] {
        accepted("removed", call("unlink-file-at", base.unlink_file_at(name)));
    }
}

fn mounts(root: &Descriptor) {
    for (what, code) in [
        ("workspace", Code::Busy),
        ("tmp", Code::Busy),
        ("servers", Code::ReadOnly),
    ] {
        expect(
            what,
            &kind(root, what),
            &Ok::<_, Code>(DescriptorType::Directory),
        );
        let removed = call("remove-directory-at", root.remove_directory_at(what));
        refused("a mount, removed", removed, code);
        refused(
            "a mount, renamed",
            call("rename-at", root.rename_at(what, root, "x")),
            code,
        );
        let over = call("rename-at", root.rename_at("workspace/plain", root, what));
        refused("a mount, replaced", over, code);
        let made = call("create-directory-at", root.create_directory_at(what));
        refused("a mount, made", made, Code::Exist);
        let removed = call("unlink-file-at", root.unlink_file_at(what));
        refused("a mount, as a file", removed, Code::IsDirectory);
    }
    refused(
        "a file beside the mounts",
        open(root, "x", CREATE, BOTH),
        Code::ReadOnly,
    );
    let made = call("create-directory-at", root.create_directory_at("x"));
    refused("a directory beside the mounts", made, Code::ReadOnly);
    let moved = call(
        "rename-at",
        root.rename_at("workspace/plain", root, "servers/plain"),
    );
    refused("from one mount to another", moved, Code::CrossDevice);
}

fn kind(base: &Descriptor, path: &str) -> Answer<DescriptorType> {
    call("stat-at", base.stat_at(NO_LINKS, path)).map(|stat| stat.type_)
}

fn looking(base: &Descriptor) {
    let plain = call("stat-at", base.stat_at(NO_LINKS, "plain")).expect("it is there");
    expect("size", &plain.size, &5);
    expect("names", &plain.link_count, &1);
    expect("type", &plain.type_, &DescriptorType::RegularFile);
    expect(
        "it has times",
        &plain.data_modification_timestamp.is_some(),
        &true,
    );
    expect(
        "the base",
        &kind(base, "."),
        &Ok::<_, Code>(DescriptorType::Directory),
    );
    let hash = |path| call("metadata-hash-at", base.metadata_hash_at(NO_LINKS, path));
    let both = |path| hash(path).map(|hash| (hash.lower, hash.upper));
    expect("a hash stays", &both("plain"), &both("./plain"));
    drop(file(base, "other", b"plain"));
    expect(
        "two files, two hashes",
        &(both("plain") == both("other")),
        &false,
    );
    accepted(
        "removed",
        call("unlink-file-at", base.unlink_file_at("other")),
    );
}

fn directories(base: &Descriptor) {
    let make = |path: &str| call("create-directory-at", base.create_directory_at(path));
    let remove = |path: &str| call("remove-directory-at", base.remove_directory_at(path));
    let unlink = |path: &str| call("unlink-file-at", base.unlink_file_at(path));
    accepted("made", make("a"));
    refused("made again", make("a"), Code::Exist);
    refused("made again", make("a/"), Code::Exist);
    refused("made as itself", make("a/."), Code::Exist);
    accepted("made below", make("a/b"));
    drop(file(base, "a/b/f", b""));
    // "Return `error-code::not-empty` if the directory is not empty."
    refused("removed while full", remove("a"), Code::NotEmpty);
    refused(
        "a file removed as a directory",
        remove("plain"),
        Code::NotDirectory,
    );
    // "Return `error-code::is-directory` if the path refers to a directory."
    refused(
        "a directory removed as a file",
        unlink("a"),
        Code::IsDirectory,
    );
    refused(
        "a directory removed as a file",
        unlink("a/"),
        Code::IsDirectory,
    );
    refused("the base removed", remove("."), Code::Busy);
    refused("the way up removed", remove("a/b/.."), Code::Busy);
    accepted("removed", unlink("a/b/f"));
    let held = open(base, "a/b", OpenFlags::DIRECTORY, READ).expect("it is there");
    accepted("removed while held", remove("a/b"));
    refused(
        "made in what is gone",
        call("open-at", held.open_at(NO_LINKS, "x", CREATE, BOTH)),
        Code::NoEntry,
    );
    expect(
        "what is gone is empty",
        &crate::handles::list(&held),
        &Vec::<String>::new(),
    );
    accepted("removed", remove("a/"));
    refused("removed again", remove("a"), Code::NoEntry);
}

fn renaming(base: &Descriptor) {
    let rename = |from: &str, to: &str| call("rename-at", base.rename_at(from, base, to));
    let make = |path: &str| base.create_directory_at(path).expect("it is new");
    drop(file(base, "one", b"one"));
    drop(file(base, "two", b"two"));
    make("empty");
    make("full");
    make("full/below");
    accepted("to a free name", rename("one", "three"));
    accepted("over a file", rename("three", "two"));
    expect(
        "it was replaced",
        &content(base, "two"),
        &Ok::<_, Code>(b"one".to_vec()),
    );
    accepted("to itself", rename("two", "two"));
    refused(
        "a file over a directory",
        rename("two", "empty"),
        Code::IsDirectory,
    );
    refused(
        "a directory over a file",
        rename("empty", "two"),
        Code::NotDirectory,
    );
    refused(
        "over a full directory",
        rename("empty", "full"),
        Code::NotEmpty,
    );
    accepted("over an empty directory", rename("full/below", "empty"));
    refused("into itself", rename("full", "full/x"), Code::Invalid);
    refused(
        "a file to a path of a directory",
        rename("two", "four/"),
        Code::NotDirectory,
    );
    accepted("a directory to a path of one", rename("full/", "moved/"));
    refused("the base", rename(".", "x"), Code::Busy);
    refused("onto the base", rename("moved", "."), Code::Busy);
    let other = open(base, "moved", OpenFlags::DIRECTORY, READ).expect("it is there");
    accepted(
        "to another directory",
        call("rename-at", base.rename_at("two", &other, "two")),
    );
    accepted(
        "and back",
        call("rename-at", other.rename_at("two", base, "two")),
    );
    accepted("removed", base.unlink_file_at("two"));
    for name in ["moved", "empty"] {
        accepted("removed", base.remove_directory_at(name));
    }
}

fn links(base: &Descriptor) {
    let link = |from: &str, to: &str| call("link-at", base.link_at(NO_LINKS, from, base, to));
    let symlink = |from: &str, to: &str| call("symlink-at", base.symlink_at(from, to));
    refused("a hard link", link("plain", "link"), Code::Unsupported);
    // "`error-code::not-permitted` if the old path is not a file."
    refused(
        "a hard link to a directory",
        link(".", "link"),
        Code::NotPermitted,
    );
    for target in ["plain", "missing", "..", "../../etc/passwd", "link"] {
        refused(
            "a symbolic link",
            symlink(target, "link"),
            Code::Unsupported,
        );
    }
    // "If `old-path` starts with `/`, the function fails with `not-permitted`."
    refused(
        "an absolute link",
        symlink("/etc/passwd", "link"),
        Code::NotPermitted,
    );
    let read = call("readlink-at", base.readlink_at("plain"));
    refused("what is no link", read, Code::Invalid);
    refused(
        "nothing was made",
        call("stat-at", base.stat_at(NO_LINKS, "link")),
        Code::NoEntry,
    );
}

/// Names are bytes: no two of them are one file.
fn names(base: &Descriptor) {
    let names = [
        "n".repeat(255),
        "cafe\u{301}".into(),
        "caf\u{e9}".into(),
        "\u{fb01}".into(),
        "fi".into(),
        "a\u{200d}b".into(),
        "\u{202e}x".into(),
        "dot.".into(),
        "space ".into(),
        "new\nline".into(),
        "\u{1b}[31m".into(),
        "A.py".into(),
        "a.py".into(),
        "..%2f".into(),
        "a\\b".into(),
        "...".into(),
    ];
    for name in &names {
        drop(file(base, name, name.as_bytes()));
    }
    for name in &names {
        expect(
            name,
            &content(base, name),
            &Ok::<_, Code>(name.as_bytes().to_vec()),
        );
        accepted("removed", base.unlink_file_at(name));
    }
    expect("all are gone", &crate::handles::list(base), &["plain"]);
}
