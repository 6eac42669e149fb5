//! A directory in which nothing can be changed.

use crate::handles::list;
use crate::report::{accepted, call, expect, refused};
use crate::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, NewTimestamp, OpenFlags,
};
use crate::{BOTH, CREATE, Code, NEW, NO_LINKS, PLAIN, READ, WRITE, content, open};

pub(crate) fn run(root: &Descriptor, base: &Descriptor) {
    let flags = call("get-flags", base.get_flags());
    expect("flags", &flags, &Ok::<_, Code>(READ));
    // "If `flags` contains `mutate-directory`, and the base descriptor doesn't
    // have `mutate-directory` set, `open-at` fails with `read-only`."
    let mutable = READ | DescriptorFlags::MUTATE_DIRECTORY;
    refused(
        "for changes",
        open(base, ".", OpenFlags::DIRECTORY, mutable),
        Code::ReadOnly,
    );
    refused(
        "a new file",
        open(base, "new", CREATE, BOTH),
        Code::ReadOnly,
    );
    refused("a new file", open(base, "new", NEW, READ), Code::ReadOnly);
    let make = call("create-directory-at", base.create_directory_at("new"));
    refused("a new directory", make, Code::ReadOnly);
    let times = NewTimestamp::Now;
    refused(
        "times",
        call("set-times", base.set_times(times, times)),
        Code::ReadOnly,
    );
    let at = call(
        "set-times-at",
        base.set_times_at(NO_LINKS, ".", times, times),
    );
    refused("times by path", at, Code::ReadOnly);
    let linked = call("symlink-at", base.symlink_at("x", "new"));
    refused("a link", linked, Code::ReadOnly);
    let workspace = open(root, "workspace", OpenFlags::DIRECTORY, READ).expect("it is there");
    let _ = workspace.open_at(NO_LINKS, "mine", CREATE, BOTH).map(drop);
    let moved = call("rename-at", workspace.rename_at("mine", base, "mine"));
    refused("moved in", moved, Code::CrossDevice);
    accepted("removed", workspace.unlink_file_at("mine"));
    expect(
        "nothing new",
        &list(base).contains(&"new".to_owned()),
        &false,
    );
    if let Some((directory, name)) = first_file(base) {
        a_file(&workspace, &directory, &name);
    }
}

/// Some file, as deep as it may be.
fn first_file(directory: &Descriptor) -> Option<(Descriptor, String)> {
    let names = list(directory);
    for name in &names {
        let stat = call("stat-at", directory.stat_at(NO_LINKS, name)).ok()?;
        if stat.type_ == DescriptorType::RegularFile {
            let here = open(directory, ".", OpenFlags::DIRECTORY, READ).ok()?;
            return Some((here, name.clone()));
        }
        let below = open(directory, name, OpenFlags::DIRECTORY, READ).ok()?;
        if let Some(found) = first_file(&below) {
            return Some(found);
        }
    }
    None
}

fn a_file(workspace: &Descriptor, base: &Descriptor, name: &str) {
    let before = content(base, name);
    accepted("it can be read", before.clone());
    refused(
        "for writing",
        open(base, name, PLAIN, WRITE),
        Code::ReadOnly,
    );
    refused("for both", open(base, name, PLAIN, BOTH), Code::ReadOnly);
    refused(
        "cut",
        open(base, name, OpenFlags::TRUNCATE, READ),
        Code::ReadOnly,
    );
    refused(
        "cut",
        open(base, name, OpenFlags::TRUNCATE, WRITE),
        Code::ReadOnly,
    );
    refused("created", open(base, name, CREATE, READ), Code::ReadOnly);
    refused(
        "as a directory",
        open(base, name, OpenFlags::DIRECTORY, READ),
        Code::NotDirectory,
    );
    let file = open(base, name, PLAIN, READ).expect("it can be read");
    let now = NewTimestamp::Now;
    refused(
        "written",
        call("write", file.write(b"x", 0)),
        Code::BadDescriptor,
    );
    refused(
        "written",
        call("write-via-stream", file.write_via_stream(0)),
        Code::BadDescriptor,
    );
    refused(
        "appended",
        call("append-via-stream", file.append_via_stream()),
        Code::BadDescriptor,
    );
    refused(
        "cut",
        call("set-size", file.set_size(0)),
        Code::BadDescriptor,
    );
    refused(
        "times",
        call("set-times", file.set_times(now, now)),
        Code::ReadOnly,
    );
    let times = call("set-times-at", base.set_times_at(NO_LINKS, name, now, now));
    refused("times", times, Code::ReadOnly);
    accepted("sync", call("sync", file.sync()));
    refused(
        "removed",
        call("unlink-file-at", base.unlink_file_at(name)),
        Code::ReadOnly,
    );
    let removed = call("remove-directory-at", base.remove_directory_at(name));
    refused("removed as a directory", removed, Code::ReadOnly);
    refused(
        "renamed",
        call("rename-at", base.rename_at(name, base, "x")),
        Code::ReadOnly,
    );
    let moved = call("rename-at", base.rename_at(name, workspace, "x"));
    refused("moved out", moved, Code::CrossDevice);
    let made = call("create-directory-at", base.create_directory_at(name));
    refused("made", made, Code::Exist);
    let out = call("link-at", base.link_at(NO_LINKS, name, workspace, "x"));
    refused("linked out", out, Code::Unsupported);
    expect("it is as it was", &content(base, name), &before);
}
