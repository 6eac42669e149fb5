//! Two workspaces that tell each other what changed are the same workspace.

use super::super::changes::Arrived;
use super::super::random::Random;
use super::*;
use contract::quota::Quota;
use contract::worker::{FileBody, FileEntry};

const QUOTA: Quota = Quota {
    bytes: 2_000_000,
    file_bytes: 600_000,
    inodes: 60,
};

/// One side: its files, and what it knows that the other has.
struct Side {
    files: Workspace,
    replica: Replica,
}

impl Side {
    fn of(files: Workspace) -> Self {
        Self {
            replica: Replica::new(&files),
            files,
        }
    }

    /// Tells the other side. Gives how many bytes of files went over.
    fn tell(&mut self, other: &mut Self) -> usize {
        let mut arrived = Arrived::default();
        let mut bytes = 0;
        let send = |chunk: FileChunk| {
            bytes += chunk.bytes.len();
            arrived.keep(chunk, u64::MAX).unwrap();
        };
        let mut unread = Vec::new();
        let changes = self.files.changes_for(&mut self.replica, send, &mut unread);
        assert!(unread.is_empty(), "{unread:?}");
        if let Some(changes) = changes {
            let failed = other
                .files
                .take_changes(&mut other.replica, changes, arrived)
                .unwrap();
            assert!(failed.is_empty(), "{failed:?}");
        }
        bytes
    }

    /// Every path with what is in it.
    fn seen(&self) -> Vec<(String, Option<bytes::Bytes>)> {
        let walked = self.files.walk().unwrap();
        let read = |(path, status): (String, super::super::Status)| {
            let is_file = status.kind == Kind::File;
            let content = is_file.then(|| self.files.read_file(&path).unwrap());
            (path, content)
        };
        walked.into_iter().map(read).collect()
    }

    /// Does something, which may fail.
    fn change(&self, random: &mut Random) {
        let (volume, root) = self.files.files();
        let names = ["a", "b", "c"].map(|name| Name::new(name).unwrap());
        let mut directory = root;
        for _ in 0..random.below(3) {
            match volume.lookup(directory, names[random.below(3)]) {
                Ok(node) if volume.status(node).unwrap().kind == Kind::Directory => {
                    directory = node;
                }
                _ => break,
            }
        }
        let name = names[random.below(3)];
        let how = Opening {
            create: true,
            write: true,
            ..Opening::default()
        };
        match random.below(8) {
            0 => drop(volume.create_directory(directory, name)),
            1 => drop(volume.remove_directory(directory, name)),
            2 => drop(volume.remove_file(directory, name)),
            3 => drop(volume.rename((directory, name), (root, names[random.below(3)]))),
            _ => {
                let Ok(file) = volume.open(directory, name, how) else {
                    return;
                };
                let offset = random.below(200_000) as u64;
                let bytes = vec![random.below(256) as u8; random.below(100_000)];
                match random.below(3) {
                    0 => drop(volume.resize(file, offset)),
                    1 => drop(volume.write(file, Position::End, &bytes)),
                    _ => drop(volume.write(file, Position::At(offset), &bytes)),
                }
                volume.release(file);
            }
        }
    }
}

fn agree_for_a_while(host: Workspace, seed: u64) {
    let mut random = Random::new(seed);
    let mut host = Side::of(host);
    let mut worker = Side::of(Workspace::new(QUOTA));
    for _ in 0..60 {
        for _ in 0..random.below(4) {
            host.change(&mut random);
        }
        host.tell(&mut worker);
        assert_eq!(host.seen(), worker.seen());
        for _ in 0..random.below(12) {
            worker.change(&mut random);
        }
        worker.tell(&mut host);
        assert_eq!(host.seen(), worker.seen());
        assert_eq!(worker.files.usage(), worker.files.recount());
        assert_eq!(host.files.usage(), host.files.recount());
        assert_eq!(host.tell(&mut worker), 0, "both have it");
    }
}

#[test]
fn two_sides_agree_whatever_either_does_in_its_turn() {
    for seed in 0..20 {
        agree_for_a_while(Workspace::new(QUOTA), seed);
    }
}

#[test]
fn a_directory_and_a_worker_agree_whatever_either_does_in_its_turn() {
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let host = Workspace::open(&folder.path().join("ws"), QUOTA).unwrap();
        agree_for_a_while(host, seed);
    }
}

#[test]
fn a_byte_that_changes_in_a_large_file_sends_one_chunk() {
    let mut host = Side::of(Workspace::new(QUOTA));
    let mut worker = Side::of(Workspace::new(QUOTA));
    worker.files.write_file("large", &[7; 500_000]).unwrap();
    assert_eq!(worker.tell(&mut host), 500_000);
    let (volume, root) = worker.files.files();
    let large = volume.lookup(root, Name::new("large").unwrap()).unwrap();
    volume.write(large, Position::At(300_000), b"x").unwrap();
    assert_eq!(worker.tell(&mut host), CHUNK);
    assert_eq!(host.seen(), worker.seen());
    assert_eq!(worker.tell(&mut host), 0);
}

#[test]
fn what_both_change_at_once_is_merged_by_path() {
    let mut host = Side::of(Workspace::new(QUOTA));
    let mut worker = Side::of(Workspace::new(QUOTA));
    host.files.write_file("both", b"old").unwrap();
    host.files.write_file("gone", b"old").unwrap();
    host.tell(&mut worker);
    worker.files.write_file("both", b"worker").unwrap();
    worker.files.write_file("mine/a", b"worker").unwrap();
    let (volume, root) = worker.files.files();
    volume
        .remove_file(root, Name::new("gone").unwrap())
        .unwrap();
    host.files.write_file("theirs/b", b"host").unwrap();
    worker.tell(&mut host);
    let text = |path| host.files.read_file(path).ok();
    assert_eq!(text("both").unwrap(), "worker");
    assert_eq!(text("mine/a").unwrap(), "worker");
    assert_eq!(text("theirs/b").unwrap(), "host");
    assert_eq!(text("gone"), None);
    host.tell(&mut worker);
    assert_eq!(host.seen(), worker.seen());
}

/// Changes that no tree of ours says, each with one thing wrong.
#[test]
fn files_that_cannot_be_are_refused_and_change_nothing() {
    let entry = |node, parent, name: &str, body| FileEntry {
        node,
        parent,
        name: name.to_owned(),
        times: [(1, 0); 3],
        body,
    };
    let fixed = || {
        vec![
            entry(2, 1, "workspace", FileBody::Directory),
            entry(3, 1, "tmp", FileBody::Directory),
        ]
    };
    let file = |size, chunks| FileBody::File { size, chunks };
    let with = |more: Vec<FileEntry>, next| {
        let mut entries = fixed();
        entries.extend(more);
        FileChanges { entries, next }
    };
    let empty = || file(0, Vec::new());
    let wrong: Vec<(&str, FileChanges)> = vec![
        (
            "a name with a slash",
            with(vec![entry(4, 2, "a/b", empty())], 5),
        ),
        (
            "a name that leads up",
            with(vec![entry(4, 2, "..", empty())], 5),
        ),
        (
            "an entry of a file",
            with(
                vec![entry(4, 2, "a", empty()), entry(5, 4, "b", empty())],
                6,
            ),
        ),
        (
            "an entry of nothing",
            with(vec![entry(4, 99, "a", empty())], 100),
        ),
        (
            "an entry of itself",
            with(vec![entry(4, 4, "a", FileBody::Directory)], 5),
        ),
        (
            "an entry beside the workspace",
            with(vec![entry(4, 1, "a", empty())], 5),
        ),
        (
            "one number twice",
            with(
                vec![entry(4, 2, "a", empty()), entry(4, 2, "b", empty())],
                5,
            ),
        ),
        (
            "one name twice",
            with(
                vec![entry(4, 2, "a", empty()), entry(5, 2, "a", empty())],
                6,
            ),
        ),
        ("a number to come", with(vec![entry(9, 2, "a", empty())], 5)),
        (
            "the workspace renamed",
            FileChanges {
                entries: vec![entry(2, 1, "other", FileBody::Directory)],
                next: 4,
            },
        ),
        (
            "content that is not there",
            with(vec![entry(4, 2, "a", FileBody::Same)], 5),
        ),
        (
            "a chunk that is not there",
            with(vec![entry(4, 2, "a", file(9, vec![(0, true)]))], 5),
        ),
        (
            "a file above its quota",
            with(vec![entry(4, 2, "a", file(600_001, Vec::new()))], 5),
        ),
        ("numbers without end", with(Vec::new(), u64::MAX)),
        (
            "files above the quota",
            with(
                (0..4)
                    .map(|n| entry(4 + n, 2, &n.to_string(), file(600_000, Vec::new())))
                    .collect(),
                8,
            ),
        ),
        (
            "too many files",
            with(
                (0..61)
                    .map(|n| entry(4 + n, 2, &n.to_string(), empty()))
                    .collect(),
                65,
            ),
        ),
        (
            "a time that is none",
            FileChanges {
                entries: vec![FileEntry {
                    times: [(1, 1_000_000_000); 3],
                    ..entry(4, 2, "a", empty())
                }],
                next: 5,
            },
        ),
    ];
    for (what, changes) in wrong {
        let workspace = Workspace::new(QUOTA);
        let mut replica = Replica::new(&workspace);
        let refused = workspace.take_changes(&mut replica, changes, Arrived::default());
        assert!(refused.is_err(), "{what}");
        assert_eq!(workspace.walk().unwrap(), [], "{what}");
        // The twin: what can be.
        let right = with(vec![entry(4, 2, "a", file(600_000, Vec::new()))], 5);
        let taken = workspace.take_changes(&mut replica, right, Arrived::default());
        assert_eq!(taken.unwrap().len(), 0, "{what}");
        assert_eq!(workspace.usage(), workspace.recount());
    }
    let deep = (0..80).map(|n| {
        entry(
            4 + n,
            if n == 0 { 2 } else { 3 + n },
            "d",
            FileBody::Directory,
        )
    });
    let workspace = Workspace::new(Quota {
        inodes: 100,
        ..QUOTA
    });
    let mut replica = Replica::new(&workspace);
    let refused =
        workspace.take_changes(&mut replica, with(deep.collect(), 84), Arrived::default());
    assert!(refused.is_err(), "directories without end");
}

#[test]
fn chunks_beyond_a_quota_are_not_kept() {
    let chunk = |index| FileChunk {
        node: 4,
        index,
        bytes: vec![0; CHUNK].into(),
    };
    let mut arrived = Arrived::default();
    arrived.keep(chunk(0), 100_000).unwrap();
    assert!(arrived.keep(chunk(1), 100_000).is_err());
    let mut none = Arrived::default();
    let empty = FileChunk {
        bytes: Default::default(),
        ..chunk(0)
    };
    assert!(none.keep(empty, 100_000).is_err());
}
