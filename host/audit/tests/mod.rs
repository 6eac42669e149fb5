//! The record as a whole: written, broken, verified, counted.

mod tampering;
mod writing;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::{Clock, Moment};
use crate::{
    Ending, Filter, Key, Options, Origin, Record, Recorder, Records, Report, Verified, report,
    verify,
};

/// A folder for a record, its key beside it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("audit")
    }

    fn options(&self) -> Options {
        Options::new(self.folder(), self.0.path().join("audit.key"))
    }

    fn open(&self) -> Recorder {
        Recorder::open(self.options()).unwrap()
    }

    fn key(&self) -> Key {
        Key::load(&self.0.path().join("audit.key")).unwrap()
    }

    fn verify(&self) -> Verified {
        verify(&self.folder(), Some(&self.key()), None).unwrap()
    }

    fn report(&self) -> Report {
        report(&self.folder(), &Filter::default()).unwrap()
    }

    fn records(&self) -> Vec<Record> {
        let mut records = Records::open(&self.folder()).unwrap();
        std::iter::from_fn(|| records.next().unwrap()).collect()
    }

    fn kinds(&self) -> Vec<String> {
        let records = self.records();
        records
            .iter()
            .map(|record| record.kind().to_owned())
            .collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The names of the files with records, in their order.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(".jsonl")).collect();
        names.sort();
        names
    }

    /// What is wrong, one line for each finding.
    fn findings(&self) -> Vec<String> {
        let chains = self.verify().chains;
        let findings = chains.iter().flat_map(|chain| &chain.findings);
        findings
            .map(|finding| format!("{}:{}: {}", finding.file, finding.line, finding.what))
            .collect()
    }
}

const FIRST: &str = "chain-00.000001.jsonl";

/// A call that was sent and gave a result.
fn call(recorder: &Recorder, tool: &str) {
    let call = recorder.call(Origin::default());
    call.target("git", tool);
    call.arguments("{a: number}".to_owned(), None);
    call.sending().unwrap();
    call.ended(Ending::Finished, "", Some("1"));
}

/// What there is after `kill -9` of the process that records: what was written,
/// and no lock. The recorder goes on in a place where nobody looks.
fn killed(recorder: Recorder, place: &Place) -> Place {
    let left = Place::new();
    fs::create_dir(left.folder()).unwrap();
    fs::set_permissions(left.folder(), fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(place.folder()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, left.folder().join(path.file_name().unwrap())).unwrap();
    }
    fs::copy(
        place.0.path().join("audit.key"),
        left.0.path().join("audit.key"),
    )
    .unwrap();
    std::mem::forget(recorder);
    left
}

/// A clock that tests set.
#[derive(Clone)]
struct Hands(Arc<Mutex<Moment>>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Moment {
            wall: UNIX_EPOCH + Duration::from_secs(1_795_937_114),
            monotonic: Duration::ZERO,
        })))
    }

    fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::new(move || *hands.0.lock().unwrap())
    }

    fn set(&self, change: impl FnOnce(&mut Moment)) {
        change(&mut self.0.lock().unwrap());
    }
}

/// The lines of a file, without their ends.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn write_lines(path: &Path, lines: &[String]) {
    fs::write(path, lines.join("\n") + "\n").unwrap();
}
