//! Whether the record is what was written: all of it, in its order, unchanged.
//!
//! What no process can see is a folder that was put back as a whole to what it
//! was at an earlier moment, its heads included. Who fears that keeps the head
//! that this prints elsewhere.

mod siblings;

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::path::Path;

use serde::Serialize;

use siblings::Sighting;

use crate::directory::{self, Names};
use crate::head::{self, Head};
use crate::key::Key;
use crate::line::{Hash, Line, NOTHING, is_authentic};
use crate::read::{Lines, Text};

/// Findings of one chain that are told. One that was rewritten has as many as
/// records.
const MAX_FINDINGS: usize = 50;

/// What there is, and what is wrong with it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// The chains, in the order of their numbers.
    pub chains: Vec<ChainState>,
    /// Whether a record has the hash that was looked for.
    pub holds: bool,
}

impl Verified {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.chains.iter().all(|chain| chain.findings.is_empty())
    }
}

/// One chain.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct ChainState {
    /// Its number.
    pub chain: u32,
    /// Files that are there.
    pub files: u64,
    /// Records that are there.
    pub records: u64,
    /// The number of the first record that is there; zero if there is none.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// The hash of the last one: whoever knows it knows all before it.
    pub hash: String,
    /// Whether a process writes it now.
    pub is_written: bool,
    /// Older files were removed to make room, as the record says.
    pub is_shortened: bool,
    /// Processes that ended without saying so: killed, or with the machine.
    pub unclosed: u64,
    /// Records that were begun and not finished, at such an end or because the
    /// disk was full.
    pub torn: u64,
    /// Records that could not be written, as the record says.
    pub lost: u64,
    /// How often the clock on the wall went back.
    pub clock_jumps: u64,
    /// What is wrong; at most 50 findings.
    pub findings: Vec<Finding>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The line, counted from 1; zero if it is about the whole file.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// Checks all chains of a folder, and whether a record with the hash `wanted` is
/// there. Without a key only that each record follows
/// the one before: who changed one could have changed all after it, too.
///
/// # Errors
///
/// The folder or a file cannot be read.
pub fn verify(folder: &Path, key: Option<&Key>, wanted: Option<&str>) -> io::Result<Verified> {
    let mut chains = Vec::new();
    let mut seen = Vec::new();
    let mut holds = false;
    for names in directory::chains(folder)? {
        let mut chain = Chain::new(&names, key, wanted.and_then(Hash::read))?;
        chain.check_files()?;
        seen.append(&mut chain.seen_of_others);
        holds |= chain.holds;
        let state = chain.state;
        chains.push((names, state));
    }
    for sighting in &seen {
        sighting.check(&mut chains)?;
    }
    let chains = chains.into_iter().map(|(_, state)| state);
    Ok(Verified {
        chains: chains.collect(),
        holds,
    })
}

/// One chain that is being checked.
struct Chain<'v> {
    names: &'v Names,
    key: Option<&'v Key>,
    head: Option<Head>,
    wanted: Option<Hash>,
    holds: bool,
    state: ChainState,
    /// The record before, if it was read.
    before: Option<Before>,
    /// Up to which file the record says that files were removed.
    removed: u64,
    /// Records are signed with a key that is not ours.
    is_foreign: bool,
    seen_of_others: Vec<Sighting>,
}

struct Before {
    seq: u64,
    hash: Hash,
    time: String,
    is_closed: bool,
}

impl Before {
    /// What is wrong with the record that stands after this one.
    fn wrong_with(&self, record: &Line, missing: u64) -> Option<String> {
        let (before, seq) = (self.seq, record.seq);
        let next = before.saturating_add(1);
        if record.prev == self.hash {
            let is_next = seq == next.saturating_add(missing);
            return (!is_next).then(|| format!("record {seq} follows record {before}"));
        }
        Some(match next.cmp(&seq) {
            Ordering::Less if next + 1 == seq => format!("record {next} is missing"),
            Ordering::Less => format!("records {next} to {} are missing", seq - 1),
            Ordering::Equal => format!(
                "record {seq} does not follow record {before} as it is: one of them was changed"
            ),
            Ordering::Greater => {
                format!("record {seq} stands after record {before}: the order was changed")
            }
        })
    }
}

impl<'v> Chain<'v> {
    fn new(names: &'v Names, key: Option<&'v Key>, wanted: Option<Hash>) -> io::Result<Self> {
        let mut chain = Self {
            names,
            key,
            head: None,
            wanted,
            holds: false,
            state: ChainState {
                chain: names.chain(),
                ..ChainState::default()
            },
            before: None,
            removed: 0,
            is_foreign: false,
            seen_of_others: Vec::new(),
        };
        // Before the records, so that it is not ahead of what is read of them.
        chain.read_head()?;
        Ok(chain)
    }

    fn read_head(&mut self) -> io::Result<()> {
        let what = match directory::open(&self.names.head()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "is missing",
            Err(error) => return Err(error),
            Ok(file) => {
                self.state.is_written = directory::is_held(&file);
                match head::read(&file, self.names.chain(), self.key)? {
                    head::Found::Head(head) => {
                        self.head = Some(head);
                        return Ok(());
                    }
                    head::Found::Empty => "is empty",
                    head::Found::Strange => "was not written by us, or with another key",
                }
            }
        };
        let name = self.names.head();
        let file = name
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        self.find(
            &file,
            0,
            format!("the head of the chain {what}, so that an end that was cut off is not seen"),
        );
        Ok(())
    }

    fn check_files(&mut self) -> io::Result<()> {
        let numbers = self.names.numbers()?;
        self.state.files = numbers.len() as u64;
        for number in &numbers {
            let is_last = Some(number) == numbers.last();
            // It makes room while we read.
            match Lines::open(&self.names.file(*number), 0) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !is_last => {}
                lines => self.check_file(*number, lines?, is_last)?,
            }
        }
        let first = numbers.first().copied().unwrap_or_default();
        let expected = self.removed.saturating_add(1);
        if first > expected {
            let file = self.names.file_name(first);
            let gone = match first - expected {
                1 => format!("the file before it, number {expected},"),
                _ => format!("the files {expected} to {} before it", first - 1),
            };
            self.find(
                &file,
                0,
                format!("{gone} were removed, and no record says so"),
            );
        }
        self.state.is_shortened = first > 1;
        self.check_end(numbers.last().copied().unwrap_or(1));
        Ok(())
    }

    fn check_file(&mut self, number: u64, mut lines: Lines, is_last: bool) -> io::Result<()> {
        let file = self.names.file_name(number);
        // Bytes since the last record.
        let mut garbage = 0_u64;
        loop {
            let (line, bytes) = match lines.next()? {
                None => break,
                Some(Text::Torn(bytes)) => {
                    garbage += bytes;
                    if is_last && self.state.is_written {
                        // It is being written.
                        garbage = 0;
                    } else if is_last {
                        self.state.torn += 1;
                        garbage = 0;
                    }
                    break;
                }
                Some(Text::Long(bytes)) => (None, bytes),
                Some(Text::Line(line)) => {
                    let is_authentic = self.key.is_none_or(|key| is_authentic(line, key));
                    (
                        Line::read(line).map(|read| (read, is_authentic)),
                        line.len() as u64,
                    )
                }
            };
            let Some((line, is_authentic)) = line else {
                garbage += bytes + 1;
                continue;
            };
            self.check_garbage(&file, lines.number(), garbage, &line);
            garbage = 0;
            self.check_record(&file, lines.number(), &line, is_authentic);
        }
        if garbage > 0 {
            let what = format!("{garbage} bytes at the end of the file are no record");
            self.find(&file, lines.number(), what);
        }
        Ok(())
    }

    /// What stands before a record and is none has to be explained by it.
    fn check_garbage(&mut self, file: &str, line: u64, garbage: u64, record: &Line) {
        let explained = match record.kind() {
            "log.opened" | "log.lost" => record.number("torn"),
            _ => 0,
        };
        // The line break was put there to go on.
        let torn = garbage.saturating_sub(1);
        if torn > 0 && torn == explained {
            self.state.torn += 1;
        } else if garbage > 0 {
            let what = format!("the {garbage} bytes before this line are no record");
            self.find(file, line, what);
        } else if explained > 0 {
            let what = format!("{explained} bytes that were there before this line are gone");
            self.find(file, line, what);
        }
    }

    fn check_record(&mut self, file: &str, line: u64, record: &Line, is_authentic: bool) {
        if !record.is_known() {
            self.find(
                file,
                line,
                "the record is of a later version of this program".to_owned(),
            );
        }
        self.check_key(file, line, record);
        if !is_authentic && !self.is_foreign {
            let what = format!("record {} was changed, or not written by us", record.seq);
            self.find(file, line, what);
        }
        let missing = match record.kind() {
            "log.opened" => record.number("missing"),
            _ => 0,
        };
        if let Some(before) = &self.before {
            let went_back = record.text("time") < before.time.as_str();
            self.state.clock_jumps += u64::from(went_back);
            if let Some(what) = before.wrong_with(record, missing) {
                self.find(file, line, what);
            }
        } else {
            self.state.first = record.seq;
            let is_first = file == self.names.file_name(1);
            let is_start = match is_first {
                true => record.seq == 1 && record.prev == NOTHING,
                false => record.kind() == "log.continued",
            };
            if !is_start {
                let what = format!("what stood before record {} is missing", record.seq);
                self.find(file, line, what);
            }
        }
        if self.before.is_none() && record.seq == 1 && record.prev != NOTHING {
            self.find(
                file,
                line,
                "the first record follows another one".to_owned(),
            );
        }
        self.learn(file, line, record, missing);
        if let Some(head) = &self.head
            && head.seq == record.seq
            && head.hash != record.hash
        {
            let what = format!("record {} is not the one that the head names", record.seq);
            self.find(file, line, what);
        }
        self.holds |= self.wanted == Some(record.hash);
        self.state.records += 1;
        self.state.last = record.seq;
        self.before = Some(Before {
            seq: record.seq,
            hash: record.hash,
            time: record.text("time").to_owned(),
            is_closed: record.kind() == "log.closed",
        });
    }

    fn check_key(&mut self, file: &str, line: u64, record: &Line) {
        let Some(key) = self.key.filter(|_| record.kind() == "log.opened") else {
            return;
        };
        let signed = record.text("key");
        self.is_foreign = signed != key.id().to_string();
        if self.is_foreign {
            let what = format!(
                "the records from here on are signed with the key {}, which is not here",
                crate::event::name(signed)
            );
            self.find(file, line, what);
        }
    }

    /// What a record says of the record.
    fn learn(&mut self, file: &str, line: u64, record: &Line, missing: u64) {
        match record.kind() {
            "log.continued" => self.removed = self.removed.max(record.number("removed")),
            "log.lost" => {
                let lost = record.number("records");
                self.state.lost = self.state.lost.saturating_add(lost);
            }
            "log.opened" => {
                self.state.unclosed += u64::from(record.flag("unclosed"));
                if missing > 0 {
                    let what = format!("the last {missing} records before this one are missing");
                    self.find(file, line, what);
                }
                if record.flag("headless") {
                    let what = "the head of the chain was removed or changed before this";
                    self.find(file, line, what.to_owned());
                }
                let by = Finding {
                    file: file.to_owned(),
                    line,
                    what: String::new(),
                };
                let others = Sighting::all(record, &by);
                self.seen_of_others.extend(others);
            }
            _ => {}
        }
    }

    fn check_end(&mut self, last_file: u64) {
        let last = self.before.as_ref().map_or(0, |before| before.seq);
        if let Some(before) = &self.before {
            self.state.hash = before.hash.to_string();
            let is_open = !before.is_closed && !self.state.is_written;
            self.state.unclosed += u64::from(is_open);
        }
        if let Some(head) = self.head
            && head.seq > last
        {
            let missing = match head.seq - last {
                1 => format!("record {} is missing", head.seq),
                _ => format!("records {} to {} are missing", last + 1, head.seq),
            };
            let file = self.names.file_name(last_file);
            self.find(&file, 0, format!("{missing} at the end of the chain"));
        }
        let is_behind = |head: Head| head.seq > 0 && head.seq < self.state.first;
        if self.head.is_some_and(is_behind) {
            let file = self.names.file_name(last_file);
            let what = "the head of the chain names a record before the first one".to_owned();
            self.find(&file, 0, what);
        }
    }

    fn find(&mut self, file: &str, line: u64, what: String) {
        if self.state.findings.len() < MAX_FINDINGS {
            self.state.findings.push(Finding {
                file: file.to_owned(),
                line,
                what,
            });
        }
    }
}

/// Whether a process writes the chain now.
pub(crate) fn is_written(names: &Names) -> bool {
    let head: io::Result<File> = directory::open(&names.head());
    head.is_ok_and(|head| directory::is_held(&head))
}
