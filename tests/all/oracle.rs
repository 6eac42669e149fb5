//! What every hostile case is held against besides its own outcome: the time
//! and memory it took, what it opened and started, and a folder outside that it
//! must not touch.
//!
//! Everything is measured over the process and all of its descendants, and
//! against an honest program run in the same way: how many processes that takes
//! is not the business of these tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, alive, ends, ok};

/// What processes hold at a moment.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Memory that is theirs alone, in MiB.
    pub mebibytes: u64,
    /// Open files, of the one that has most.
    pub descriptors: usize,
    /// The programs of all that run, by process.
    pub processes: BTreeMap<u64, String>,
}

impl Held {
    /// By a process and its descendants.
    pub fn by(process: u64) -> Self {
        let mut held = Self::default();
        held.add(process);
        held
    }

    fn add(&mut self, process: u64) {
        let folder = PathBuf::from(format!("/proc/{process}"));
        // It may end at any moment, and begins as a copy of this test.
        let program = std::fs::read_link(folder.join("exe")).ok();
        if program.is_none() || program == std::env::current_exe().ok() {
            return;
        }
        let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            kibibytes.unwrap_or(0_u64)
        };
        self.mebibytes += (number("RssAnon:") + number("RssShmem:")) / 1024;
        let open = std::fs::read_dir(folder.join("fd")).map_or(0, Iterator::count);
        self.descriptors = self.descriptors.max(open);
        let program = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
        self.processes.insert(process, program.trim().to_owned());
        for thread in std::fs::read_dir(folder.join("task")).into_iter().flatten() {
            let Ok(thread) = thread else { continue };
            let children = std::fs::read_to_string(thread.path().join("children"));
            for child in children.unwrap_or_default().split_whitespace() {
                self.add(child.parse().expect("the number of a process"));
            }
        }
    }

    /// The most of both at once.
    fn raise(&mut self, other: Self) {
        self.mebibytes = self.mebibytes.max(other.mebibytes);
        self.descriptors = self.descriptors.max(other.descriptors);
        self.processes.extend(other.processes);
    }

    /// The programs that ran, each once. One that ended while it was looked at has no
    /// name.
    fn programs(&self) -> std::collections::BTreeSet<&str> {
        let names = self.processes.values().map(String::as_str);
        names.filter(|name| !name.is_empty()).collect()
    }
}

/// A command that ended, and the most it held.
pub struct Watched {
    /// What `exec --json` reported.
    pub report: Value,
    /// The most it held at once.
    pub most: Held,
}

/// Looks at a child until it ends.
fn watch(mut child: Child) -> (Held, Vec<u8>) {
    let mut stdout = child.stdout.take().expect("it is piped");
    let reader = std::thread::spawn(move || {
        let mut read = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stdout, &mut read);
        read
    });
    let mut most = Held::default();
    while child.try_wait().expect("it is ours").is_none() {
        most.raise(Held::by(child.id().into()));
        std::thread::sleep(Duration::from_millis(5));
    }
    for &process in most.processes.keys() {
        ends(process);
    }
    (most, reader.join().expect("it only reads"))
}

/// Runs a program with `exec --json` and looks at it meanwhile. Nothing of it
/// is left when it ends.
pub fn watched(place: &Place, name: &str, source: impl AsRef<[u8]>, flags: &[&str]) -> Watched {
    place.write(name, source);
    let mut arguments = vec!["exec", "--json"];
    arguments.extend_from_slice(flags);
    arguments.push(name);
    let child = place
        .command(&arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (most, stdout) = watch(child);
    let report = serde_json::from_slice(&stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&stdout)));
    Watched { report, most }
}

/// How a hostile program may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At its own end: what it tried was refused, and it went on.
    Ok,
    /// By an exception of its own.
    Error,
    /// At a limit of this kind.
    Limit(&'static str),
}

impl End {
    fn is_that_of(self, report: &Value) -> bool {
        match self {
            Self::Ok => report["status"] == "ok",
            Self::Error => report["status"] == "error",
            Self::Limit(kind) => report["status"] == "limit" && report["error"]["kind"] == kind,
        }
    }
}

/// The time limit of hostile programs.
pub const TIME: Duration = Duration::from_secs(1);

/// Their memory limit, in MiB.
pub const MEMORY: u64 = 64;

/// How late a limit may be noticed while other tests keep the machine busy.
/// What is promised is measured elsewhere, on a machine that does nothing else.
const LATE: Duration = Duration::from_secs(3);

/// What may be held beyond the memory of the program, in MiB: a message of 16 MiB
/// is there a few times while it is read.
const SPARE: u64 = 96;

/// Open files beyond those of an honest program: those of a server, and those
/// of which the honest one was too short to be seen with them.
const DESCRIPTORS: usize = 16;

/// Runs a hostile program within narrow limits: it ends in one of these ways,
/// in time, and holds no more than it may.
#[track_caller]
pub fn ends_as(place: &Place, name: &str, source: &str, ways: &[End]) -> Value {
    ends_as_with(place, name, source, &[], ways)
}

/// The same with further flags.
#[track_caller]
pub fn ends_as_with(
    place: &Place,
    name: &str,
    source: impl AsRef<[u8]>,
    flags: &[&str],
    ways: &[End],
) -> Value {
    let honest = honest(name);
    let limits = ["--timeout", "1s", "--memory", "64MiB"];
    let flags = [&limits, flags].concat();
    let Watched { report, most } = watched(place, name, source, &flags);
    assert!(
        ways.iter().any(|way| way.is_that_of(&report)),
        "{ways:?}: {report:#}"
    );
    // Compiling is not part of the run, so the report's own clock counts.
    let time = report["usage"]["wall_ms"].as_f64().unwrap_or(0.0);
    assert!(time < (TIME + LATE).as_secs_f64() * 1e3, "{report:#}");
    assert!(
        most.mebibytes < honest.mebibytes + MEMORY + SPARE,
        "{most:?}, and {honest:?} for an honest program"
    );
    assert!(
        most.descriptors <= honest.descriptors + DESCRIPTORS,
        "{most:?}, and {honest:?} for an honest program"
    );
    let mut expected = honest.programs();
    // Where it is a component.
    expected.insert("compiler");
    // Before they have their names.
    expected.insert("exe");
    if place.path().join("mcp.json").exists() {
        // A server, and what ends it if we are killed.
        expected.extend(["fixture-server", "sh"]);
    }
    assert!(most.programs().is_subset(&expected), "{most:?}");
    report
}

/// What an honest program of the same language holds.
fn honest(name: &str) -> &'static Held {
    static HONEST: [OnceLock<Held>; 2] = [OnceLock::new(), OnceLock::new()];
    let (language, name, source) = match name.rsplit_once('.') {
        Some((_, "py")) => (0, "honest.py", "sum(range(1000))"),
        _ => (1, "honest.js", "[1, 2].length"),
    };
    HONEST[language].get_or_init(|| {
        let place = Place::new();
        // The first run of a language may compile its guest.
        ok(place.exec(name, source, &[]));
        let watched = watched(&place, name, source, &[]);
        ok(watched.report);
        watched.most
    })
}

/// A folder that no program may see, with its content and its times.
pub struct Canary {
    folder: tempfile::TempDir,
    before: BTreeMap<PathBuf, String>,
}

impl Canary {
    /// The text in its files.
    pub const TEXT: &str = "CANARY-5b1e77";

    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for name in ["a.txt", "in/b.txt", ".env"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it is in the folder")).unwrap();
            std::fs::write(path, Self::TEXT).unwrap();
        }
        let before = seen(folder.path());
        Self { folder, before }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Nothing was made, changed or removed.
    #[track_caller]
    pub fn is_untouched(&self) {
        assert_eq!(seen(self.path()), self.before);
    }
}

/// All below a folder: times and content.
fn seen(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let modified = entry.metadata().unwrap().modified().unwrap();
        if path.is_dir() {
            found.extend(seen(&path));
        }
        let content = std::fs::read_to_string(&path).unwrap_or_default();
        found.insert(path, format!("{modified:?} {content}"));
    }
    found
}

/// Waits until a process that lives on holds about what it held before.
#[track_caller]
pub fn settles(process: u64, before: &Held) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let now = Held::by(process);
        let is_back = now.descriptors <= before.descriptors + 2
            && now.processes.len() <= before.processes.len();
        if is_back {
            return;
        }
        assert!(alive(process), "it ended");
        assert!(Instant::now() < deadline, "{now:?}, before {before:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
