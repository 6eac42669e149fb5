//! Files that a worker hands over: changes that no worker of ours would say.
//!
//! They are taken as a whole or not at all, stay within the quota, and then both
//! sides have the same files. In a directory, nothing outside of it is touched.

use contract::quota::Quota;
use contract::worker::{FileBody, FileChanges, FileChunk, FileEntry};
use sandbox::files::{Arrived, Kind, Replica, Workspace};

use crate::input::Input;
use crate::runner::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "changes",
    run,
    seeds: Vec::new,
    words: &[],
    longest: 16 << 10,
    memory: |length| (16 << 20) + 100 * length,
};

const QUOTA: Quota = Quota {
    bytes: 400_000,
    file_bytes: 200_000,
    inodes: 12,
};

/// Bytes of a chunk of a file.
const CHUNK: usize = 64 << 10;

fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let folder = input
        .once_in(16)
        .then(|| tempfile::tempdir().expect("a folder"));
    let host = match &folder {
        Some(folder) => Workspace::open(&folder.path().join("workspace"), QUOTA).expect("a folder"),
        None => Workspace::new(QUOTA),
    };
    host.write_file("a", &[1; 100]).expect("it fits");
    host.write_file("b/c", &vec![2; CHUNK + 5])
        .expect("it fits");
    let mut replica = Replica::new(&host);
    let told = host.changes_for(&mut replica, drop, &mut Vec::new());
    let mut known = told.expect("there are files");
    for _ in 0..4 {
        if input.is_empty() {
            break;
        }
        let mut arrived = Arrived::default();
        for _ in 0..input.below(4) {
            let _ = arrived.keep(chunk(&mut input), QUOTA.bytes);
        }
        let changes = changed(&mut input, &known);
        let before = seen(&host);
        match host.take_changes(&mut replica, changes, arrived) {
            Err(_) => assert_eq!(seen(&host), before, "what is refused changes nothing"),
            Ok(failed) => {
                assert!(folder.is_some() || failed.is_empty(), "{failed:?}");
                same_elsewhere(&host);
                if let Some(told) = host.changes_for(&mut replica, drop, &mut Vec::new()) {
                    known = told;
                }
            }
        }
        assert_eq!(host.usage(), host.recount());
        let usage = host.usage();
        assert!(
            usage.bytes <= QUOTA.bytes && usage.inodes <= QUOTA.inodes,
            "{usage:?}"
        );
    }
    if let Some(folder) = folder {
        let names = std::fs::read_dir(folder.path()).expect("it is there");
        let names: Vec<_> = names.flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["workspace"], "nothing is outside of the directory");
    }
}

fn chunk(input: &mut Input<'_>) -> FileChunk {
    let length = match input.below(4) {
        0 => CHUNK + input.below(2),
        1 => input.below(CHUNK),
        _ => input.below(64),
    };
    FileChunk {
        node: input.number(),
        index: index(input),
        bytes: vec![input.below(256) as u8; length].into(),
    }
}

fn index(input: &mut Input<'_>) -> u64 {
    if input.once_in(16) {
        input.number()
    } else {
        input.below(4) as u64
    }
}

/// The files that are known, with some things changed.
fn changed(input: &mut Input<'_>, known: &FileChanges) -> FileChanges {
    let mut changes = known.clone();
    // As a worker says of files that it did not touch.
    for entry in &mut changes.entries {
        if matches!(entry.body, FileBody::File { .. }) {
            entry.body = FileBody::Same;
        }
    }
    for _ in 0..input.below(8) {
        let at = input.below(changes.entries.len() + 1);
        match input.below(8) {
            0 if at < changes.entries.len() => drop(changes.entries.remove(at)),
            1 if at < changes.entries.len() => {
                let to = input.below(changes.entries.len());
                changes.entries.swap(at, to);
            }
            2 if at < changes.entries.len() => changes.entries[at].name = name(input),
            3 if at < changes.entries.len() => changes.entries[at].body = body(input),
            4 if at < changes.entries.len() => changes.entries[at].parent = input.number(),
            5 => changes.next = input.number(),
            _ => {
                let entry = FileEntry {
                    node: if input.once_in(4) {
                        input.number()
                    } else {
                        changes.next
                    },
                    parent: match changes.entries.get(at) {
                        Some(entry) => entry.node,
                        None => 2 + input.below(6) as u64,
                    },
                    name: name(input),
                    times: [(input.number(), input.number() as u32); 3],
                    body: body(input),
                };
                changes.next = changes.next.wrapping_add(1);
                changes.entries.push(entry);
            }
        }
    }
    changes
}

fn name(input: &mut Input<'_>) -> String {
    match input.below(4) {
        0 => input.text(&["a", "b", "c", "d", "é", "..", ".", "/", "\0", "a/b", ""]),
        _ => format!("n{}", input.below(40)),
    }
}

fn body(input: &mut Input<'_>) -> FileBody {
    match input.below(6) {
        0 | 1 => FileBody::Directory,
        2 => FileBody::Same,
        _ => {
            let chunks = input.below(5) * input.below(2);
            FileBody::File {
                size: match input.below(4) {
                    0 => input.number(),
                    _ => (input.below(4) * CHUNK + input.below(100)) as u64,
                },
                chunks: (0..chunks)
                    .map(|_| (index(input), !input.once_in(2)))
                    .collect(),
            }
        }
    }
}

/// Every path with what is in it.
fn seen(files: &Workspace) -> Vec<(String, Option<bytes::Bytes>)> {
    let walked = files.walk().expect("files can be listed");
    let read = |(path, status): (String, sandbox::files::Status)| {
        let content = (status.kind == Kind::File).then(|| {
            let content = files.read_file(&path).expect("a file can be read");
            assert_eq!(content.len() as u64, status.size, "{path}");
            content
        });
        (path, content)
    };
    walked.into_iter().map(read).collect()
}

/// Somebody who is told everything has the same files.
fn same_elsewhere(files: &Workspace) {
    let other = Workspace::new(QUOTA);
    let mut arrived = Arrived::default();
    let keep = |chunk| arrived.keep(chunk, QUOTA.bytes).expect("it is within");
    let mut unread = Vec::new();
    let changes = files.changes_for(&mut Replica::new(files), keep, &mut unread);
    assert!(unread.is_empty(), "{unread:?}");
    if let Some(changes) = changes {
        let mut replica = Replica::new(&other);
        let taken = other.take_changes(&mut replica, changes, arrived);
        assert_eq!(taken.expect("what is there can be told").len(), 0);
    }
    assert_eq!(seen(files), seen(&other));
}
