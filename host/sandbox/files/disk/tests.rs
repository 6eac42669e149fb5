//! A workspace on disk: the same as in memory, and nothing beside it.

use super::super::memory::Memory;
use super::super::random::Random;
use super::super::volume::Timestamp;
use super::super::workspace::Workspace;
use super::*;
use contract::limits::FileLimit;
use rustix::fs::{FileType, Mode};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const QUOTA: Quota = Quota {
    bytes: 3_000,
    file_bytes: 1_000,
    inodes: 12,
};

const CREATE: Opening = Opening {
    create: true,
    exclusive: false,
    truncate: false,
    write: true,
    directory: false,
};

fn name(text: &str) -> Name<'_> {
    Name::new(text).expect("a name")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn disk(folder: &TempDir) -> Arc<Disk> {
    let clock: Clock = Arc::new(SystemTime::now);
    Disk::open(folder.path(), QUOTA, clock).expect("a clean directory")
}

/// Why a directory is refused, without its own path.
#[track_caller]
fn refusal(folder: &TempDir) -> String {
    let error = Workspace::open(folder.path(), QUOTA).expect_err("it must be refused");
    error
        .to_string()
        .replace(&folder.path().display().to_string(), "DIR")
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .expect("a pipe");
}

#[test]
fn what_is_planted_is_refused_by_name() {
    type Plant = fn(&Path);
    let cases: &[(&str, Plant)] = &[
        ("a symbolic link", |at| symlink("/etc/passwd", at).unwrap()),
        ("a symbolic link", |at| symlink("/etc", at).unwrap()),
        ("a symbolic link", |at| symlink("nothing", at).unwrap()),
        ("a symbolic link", |at| symlink(".", at).unwrap()),
        ("a named pipe", |at| fifo(at)),
        ("a socket", |at| {
            drop(std::os::unix::net::UnixListener::bind(at).unwrap())
        }),
        ("a file with several names (hard links)", |at| {
            let other = at.with_file_name("other");
            fs::write(&other, "").unwrap();
            fs::hard_link(other, at).unwrap();
        }),
    ];
    for (what, plant) in cases {
        let folder = folder();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        plant(&folder.path().join("a/b/x"));
        let text = refusal(&folder);
        let (path, text) = text.split_once("`: ").unwrap();
        assert!(
            path.starts_with("cannot use the workspace `DIR/a/b/"),
            "{path}"
        );
        let expected = "which a workspace must not contain; remove it or choose another directory";
        assert_eq!(text, format!("it is {what}, {expected}"));
        // Its allowed twin.
        for entry in fs::read_dir(folder.path().join("a/b")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        Workspace::open(folder.path(), QUOTA).unwrap();
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let too_big = folder();
    fs::write(too_big.path().join("big"), [0; 1_001]).unwrap();
    assert_eq!(
        refusal(&too_big),
        "cannot use the workspace `DIR/big`: a file of the workspace may have at most 1000 bytes"
    );

    let too_much = folder();
    for i in 0..4 {
        fs::write(too_much.path().join(i.to_string()), [0; 1_000]).unwrap();
    }
    assert!(refusal(&too_much).ends_with("the workspace may hold at most 3000 bytes"));

    let too_many = folder();
    for i in 0..13 {
        fs::write(too_many.path().join(i.to_string()), "").unwrap();
    }
    assert!(
        refusal(&too_many).ends_with("the workspace may hold at most 12 files and directories")
    );

    let too_deep = folder();
    fs::create_dir_all(too_deep.path().join("d/".repeat(65))).unwrap();
    let quota = Quota {
        inodes: 100,
        ..QUOTA
    };
    let error = Workspace::open(too_deep.path(), quota).err().unwrap();
    assert_eq!(error.reason, FileLimit::Depth(64).into());

    use std::os::unix::ffi::OsStrExt;
    let strange = folder();
    fs::write(
        strange.path().join(std::ffi::OsStr::from_bytes(b"\xff")),
        "",
    )
    .unwrap();
    assert!(refusal(&strange).ends_with("path is not valid UTF-8"));

    let file = folder();
    fs::write(file.path().join("file"), "").unwrap();
    let error = Workspace::open(&file.path().join("file"), QUOTA)
        .err()
        .unwrap();
    assert_eq!(error.reason, Error::NotDirectory);
}

#[test]
fn a_directory_that_is_not_there_is_made_for_its_owner_alone() {
    use std::os::unix::fs::MetadataExt;
    let folder = folder();
    let path = folder.path().join("not/there");
    drop(Workspace::open(&path, QUOTA).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn what_is_planted_later_is_not_followed() {
    let (folder, secret) = (folder(), folder());
    fs::write(secret.path().join("secret"), "secret").unwrap();
    let disk = disk(&folder);
    disk.create_directory(Disk::ROOT, name("d")).unwrap();
    for file in ["f", "g", "h"] {
        let node = disk.open(Disk::ROOT, name(file), CREATE).unwrap();
        disk.write(node, Position::End, b"mine").unwrap();
        disk.release(node);
    }
    let inner = disk.lookup(Disk::ROOT, name("d")).unwrap();
    let at = |name: &str| folder.path().join(name);
    for file in ["f", "g", "h"] {
        fs::remove_file(at(file)).unwrap();
    }
    symlink(secret.path().join("secret"), at("f")).unwrap();
    fifo(&at("g"));
    fs::hard_link(secret.path().join("secret"), at("h")).unwrap();
    for file in ["f", "g", "h"] {
        let truncate = Opening {
            truncate: true,
            ..CREATE
        };
        for how in [Opening::default(), CREATE, truncate] {
            let opened = disk.open(Disk::ROOT, name(file), how);
            assert!(
                matches!(opened, Err(Error::Planted(_))),
                "{file}: {opened:?}"
            );
        }
        let node = disk.lookup(Disk::ROOT, name(file)).unwrap();
        assert!(disk.read(node, 0, 9).is_err(), "{file}");
        assert!(disk.write(node, Position::At(0), b"x").is_err(), "{file}");
        assert!(disk.resize(node, 0).is_err(), "{file}");
        let now = NewTime::Now;
        assert!(disk.set_times(node, now, now).is_err(), "{file}");
    }
    // A directory that became a link to another one.
    fs::remove_dir(at("d")).unwrap();
    symlink(secret.path(), at("d")).unwrap();
    assert!(disk.open(inner, name("new"), CREATE).is_err());
    assert!(disk.create_directory(inner, name("new")).is_err());
    assert!(
        disk.rename((Disk::ROOT, name("f")), (inner, name("f")))
            .is_err()
    );
    // A name that was free appears.
    symlink(secret.path().join("other"), at("new")).unwrap();
    assert_eq!(
        disk.open(Disk::ROOT, name("new"), CREATE),
        Err(Error::Exist)
    );

    assert_eq!(
        fs::read_to_string(secret.path().join("secret")).unwrap(),
        "secret"
    );
    assert_eq!(fs::read_dir(secret.path()).unwrap().count(), 1);
    // What was planted can be removed, as a link and not through it.
    disk.remove_file(Disk::ROOT, name("f")).unwrap();
    assert!(fs::symlink_metadata(at("f")).is_err());
    assert_eq!(disk.usage(), disk.recount());
}

/// All paths below a directory of the host, with the bytes of files.
fn on_host(at: &Path, prefix: &str, into: &mut BTreeMap<String, Option<Vec<u8>>>) {
    for entry in fs::read_dir(at).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            on_host(&entry.path(), &format!("{path}/"), into);
            into.insert(path, None);
        } else {
            into.insert(path, Some(fs::read(entry.path()).unwrap()));
        }
    }
}

fn in_volume(
    volume: &dyn Volume,
    at: Node,
    prefix: &str,
    into: &mut BTreeMap<String, Option<Vec<u8>>>,
) {
    for entry in volume.entries(at, None, usize::MAX).unwrap() {
        let path = format!("{prefix}{}", entry.name);
        let node = volume.lookup(at, name(&entry.name)).unwrap();
        if entry.kind == Kind::Directory {
            in_volume(volume, node, &format!("{path}/"), into);
            into.insert(path, None);
        } else {
            into.insert(
                path,
                Some(volume.read(node, 0, usize::MAX).unwrap().to_vec()),
            );
        }
    }
}

/// The directory of a path, and its last name.
fn parent<'a>(volume: &dyn Volume, root: Node, path: &'a str) -> Result<(Node, Name<'a>), Error> {
    let (parents, last) = path.rsplit_once('/').unwrap_or(("", path));
    let mut node = root;
    for part in parents.split('/').filter(|part| !part.is_empty()) {
        node = volume.lookup(node, name(part))?;
    }
    Ok((node, name(last)))
}

#[test]
fn disk_and_memory_do_the_same() {
    for seed in 0..10 {
        let folder = folder();
        let disk = disk(&folder);
        let (memory, [root]) = Memory::new(QUOTA, Arc::new(SystemTime::now), ["root"]);
        let volumes: [(&dyn Volume, Node); 2] = [(&*disk, Disk::ROOT), (&*memory, root)];
        let mut random = Random::new(seed);
        for step in 0..300 {
            let path = |random: &mut Random| {
                let names = (0..1 + random.below(3)).map(|_| ["a", "b", "c"][random.below(3)]);
                names.collect::<Vec<_>>().join("/")
            };
            let (one, two) = (path(&mut random), path(&mut random));
            let action = random.below(9);
            let (offset, length) = (random.below(1_100), random.below(1_100));
            let run = |(volume, root): (&dyn Volume, Node)| {
                let (directory, name) = parent(volume, root, &one)?;
                let with_file = |how: Opening, act: &dyn Fn(Node) -> Result<usize, Error>| {
                    let file = volume.open(directory, name, how)?;
                    let result = act(file);
                    volume.release(file);
                    result
                };
                match action {
                    0 => volume.create_directory(directory, name).map(|()| 0),
                    1 => volume.remove_directory(directory, name).map(|()| 0),
                    2 => volume.remove_file(directory, name).map(|()| 0),
                    3 => {
                        let to = parent(volume, root, &two)?;
                        volume.rename((directory, name), to).map(|()| 0)
                    }
                    4 => with_file(CREATE, &|file| {
                        volume.write(file, Position::At(offset as u64), &vec![step as u8; length])
                    }),
                    5 => with_file(CREATE, &|file| {
                        volume.write(file, Position::End, &vec![step as u8; length])
                    }),
                    6 => with_file(CREATE, &|file| {
                        volume.resize(file, length as u64).map(|()| 0)
                    }),
                    7 => {
                        let how = Opening {
                            truncate: offset % 2 == 0,
                            exclusive: length % 2 == 0,
                            ..CREATE
                        };
                        with_file(how, &|_| Ok(0))
                    }
                    // Removed while it is held, then written, then read.
                    _ => with_file(
                        Opening {
                            write: true,
                            ..Opening::default()
                        },
                        &|file| {
                            volume.remove_file(directory, name)?;
                            let written = volume.write(file, Position::At(0), &[7; 20])?;
                            let bytes = volume.read(file, 0, 20)?;
                            assert_eq!(bytes[..written], [7; 20][..written]);
                            Ok(bytes.len())
                        },
                    ),
                }
            };
            let [on_disk, in_memory] = volumes.map(run);
            assert_eq!(
                on_disk, in_memory,
                "seed {seed} step {step}: {action} {one} {two}"
            );
            assert_eq!(disk.usage(), memory.usage(), "seed {seed} step {step}");
            assert_eq!(disk.usage(), disk.recount());
        }
        let mut found = [(); 3].map(|()| BTreeMap::new());
        on_host(folder.path(), "", &mut found[0]);
        in_volume(&*disk, Disk::ROOT, "", &mut found[1]);
        in_volume(&*memory, root, "", &mut found[2]);
        assert!(
            found[0] == found[1] && found[1] == found[2],
            "seed {seed}: {found:?}"
        );
        assert!(disk.state().held.is_empty(), "no file stays open");
    }
}

#[test]
fn files_stay_when_the_session_ends() {
    let folder = folder();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    {
        let workspace = Workspace::open(folder.path(), QUOTA).unwrap();
        workspace.write_file("a/b.txt", b"hello").unwrap();
        let second = Workspace::open(folder.path(), QUOTA).err().unwrap();
        assert_eq!(second.reason, Error::InUse);
        let again = workspace.clone();
        drop(workspace);
        assert_eq!(
            again.usage(),
            Usage {
                bytes: 5,
                inodes: 2
            }
        );
    }
    fs::File::options()
        .write(true)
        .open(folder.path().join("a/b.txt"))
        .and_then(|file| file.set_modified(time))
        .unwrap();
    let workspace = Workspace::open(folder.path(), QUOTA).unwrap();
    assert_eq!(workspace.read_file("a/b.txt").unwrap(), b"hello"[..]);
    assert_eq!(
        workspace.usage(),
        Usage {
            bytes: 5,
            inodes: 2
        }
    );
    let status = workspace.inspect("a/b.txt").unwrap();
    assert_eq!(status.modified, time.into());
}

#[test]
fn what_others_take_away_is_an_error_and_no_more() {
    let folder = folder();
    let disk = disk(&folder);
    let file = disk.open(Disk::ROOT, name("f"), CREATE).unwrap();
    disk.write(file, Position::End, &[1; 100]).unwrap();
    fs::write(folder.path().join("f"), "cut").unwrap();
    assert_eq!(disk.read(file, 0, 100), Err(Error::Io));
    fs::remove_file(folder.path().join("f")).unwrap();
    disk.release(file);
    assert_eq!(
        disk.open(Disk::ROOT, name("f"), CREATE),
        Err(Error::NoEntry)
    );
    assert_eq!(disk.remove_file(Disk::ROOT, name("f")), Ok(()));
    assert!(disk.open(Disk::ROOT, name("f"), CREATE).is_ok());
    assert_eq!(disk.usage(), disk.recount());
}

#[test]
fn times_are_those_of_the_files() {
    let folder = folder();
    let disk = disk(&folder);
    let file = disk.open(Disk::ROOT, name("f"), CREATE).unwrap();
    let time = Timestamp {
        seconds: 1_000_000_000,
        nanoseconds: 5,
    };
    disk.set_times(file, NewTime::Keep, NewTime::Set(time))
        .unwrap();
    assert_eq!(disk.status(file).unwrap().modified, time);
    let modified = fs::metadata(folder.path().join("f"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(Timestamp::from(modified), time);
    let far = Timestamp {
        seconds: u64::MAX,
        nanoseconds: 0,
    };
    let refused = disk.set_times(file, NewTime::Set(far), NewTime::Keep);
    assert_eq!(refused, Err(Error::Invalid));
    assert_eq!(
        disk.set_times(Disk::ROOT, NewTime::Now, NewTime::Now),
        Ok(())
    );
    assert_eq!(disk.sync(file), Ok(()));
}

#[test]
fn descriptors_of_the_host_are_few() {
    let folder = folder();
    let clock: Clock = Arc::new(SystemTime::now);
    let disk = Disk::open(folder.path(), Quota::default(), clock).unwrap();
    let open = |disk: &Disk| {
        let state = disk.state();
        state
            .held
            .values()
            .filter(|held| held.file.is_some())
            .count()
    };
    let files: Vec<String> = (0..500).map(|i| format!("f{i}")).collect();
    let opened = files
        .iter()
        .map(|file| disk.open(Disk::ROOT, name(file), CREATE).unwrap());
    let opened: Vec<Node> = opened.collect();
    for (i, &file) in opened.iter().enumerate() {
        disk.write(file, Position::End, files[i].as_bytes())
            .unwrap();
    }
    assert_eq!(open(&disk), MAX_OPEN);
    for (i, &file) in opened.iter().enumerate() {
        assert_eq!(disk.read(file, 0, 9).unwrap(), files[i].as_bytes());
    }
    // Removed and still held: some, each of them kept; then no more.
    let removed: Vec<_> = files
        .iter()
        .map(|file| disk.remove_file(Disk::ROOT, name(file)))
        .collect();
    assert!(removed[..MAX_REMOVED].iter().all(Result::is_ok));
    assert!(
        removed[MAX_REMOVED..]
            .iter()
            .all(|removed| *removed == Err(Error::Busy))
    );
    let (last, target) = (name("f499"), name("f498"));
    assert_eq!(
        disk.rename((Disk::ROOT, last), (Disk::ROOT, target)),
        Err(Error::Busy)
    );
    for (i, &file) in opened.iter().enumerate() {
        assert_eq!(disk.read(file, 0, 9).unwrap(), files[i].as_bytes());
    }
    assert!(open(&disk) <= MAX_OPEN);
    opened.iter().for_each(|&file| disk.release(file));
    assert_eq!(open(&disk), 0);
    assert_eq!(disk.remove_file(Disk::ROOT, last), Ok(()));
    assert_eq!(disk.usage(), disk.recount());
}
