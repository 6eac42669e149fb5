//! One chain of records, as its writer has it: where it ends, the file that
//! takes the next record, the next file when that one is full.
//!
//! A record is written by one call of the system, so that it is there when this
//! process is killed a moment later. What reaches the disk when is up to whoever
//! calls: this module never waits for it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::OpenError;
use crate::clock::Moment;
use crate::directory::{self, MAX_CHAINS, Names};
use crate::event::{Anchor, Event};
use crate::head::{self, Head};
use crate::key::Key;
use crate::line::{self, Hash, Line, NOTHING};
use crate::open_error::Problem;
use crate::read::{Lines, Text};

/// Names of new files that are tried where somebody put files in the way.
const MAX_TRIES: u64 = 16;

/// Files that are read to find the calls that a killed process left.
const MAX_SEARCHED: usize = 4;

/// Calls of one process that can be in flight.
const MAX_OPEN: usize = 10_000;

pub(crate) struct Chain {
    names: Names,
    key: Key,
    head: Arc<File>,
    file: Arc<File>,
    /// Of the file.
    number: u64,
    /// Bytes of the file.
    size: u64,
    /// Where its last record ends.
    end: u64,
    seq: u64,
    prev: Hash,
    bounds: Bounds,
    line: Vec<u8>,
    /// Full files whose last records may not be on the disk.
    full: Vec<Arc<File>>,
    /// Files that are to be removed.
    surplus: Vec<PathBuf>,
    /// There is a file of which the folder on the disk may not know.
    has_new_name: bool,
    /// Records since this was taken.
    written: u64,
}

/// How much of a chain is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of a file, the last record not counted.
    pub(crate) max_size: u64,
    /// Files, that which is written included.
    pub(crate) keep: u64,
}

/// In which state a chain was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) unclosed: bool,
    pub(crate) torn: u64,
    pub(crate) missing: u64,
    pub(crate) headless: bool,
    /// Calls that were sent, and of which nothing else is known.
    pub(crate) open: Vec<OpenCall>,
    pub(crate) others: Vec<Anchor>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OpenCall {
    pub(crate) seq: u64,
    pub(crate) server: String,
    pub(crate) tool: String,
}

/// What has to be done for a chain where it may take a while.
pub(crate) struct Chores {
    full: Vec<Arc<File>>,
    surplus: Vec<PathBuf>,
    file: Arc<File>,
    path: PathBuf,
    head_file: Arc<File>,
    head: Head,
    key: Key,
    /// The folder, if names in it are new.
    folder: Option<PathBuf>,
}

impl Chain {
    /// Takes the first chain of a folder that no process writes.
    pub(crate) fn take(
        folder: &Path,
        key: &Key,
        bounds: Bounds,
    ) -> Result<(Self, Found), OpenError> {
        directory::prepare(folder)?;
        for chain in 0..MAX_CHAINS {
            let names = Names::new(folder, chain);
            let taken = Self::try_take(&names, key, bounds);
            let fail = |(file, error)| OpenError::new(folder, Problem::File { file, error });
            if let Some((taken, mut found)) = taken.map_err(fail)? {
                found.others = others(folder, chain, key);
                return Ok((taken, found));
            }
        }
        Err(OpenError::new(folder, Problem::Crowded))
    }

    /// `None` if another process has it. An error comes with the file that it is
    /// about.
    fn try_take(
        names: &Names,
        key: &Key,
        bounds: Bounds,
    ) -> Result<Option<(Self, Found)>, (PathBuf, io::Error)> {
        let of_head = |error| (names.head(), error);
        let head = directory::open_head(&names.head()).map_err(of_head)?;
        if !directory::lock(&head).map_err(of_head)? {
            return Ok(None);
        }
        let numbers = names.numbers().map_err(of_head)?;
        let said = head::read(&head, names.chain(), Some(key)).map_err(of_head)?;
        let last_said = match said {
            head::Found::Head(head) => Some(head),
            head::Found::Empty | head::Found::Strange => None,
        };
        let mut found = Found {
            headless: said == head::Found::Strange || (last_said.is_none() && !numbers.is_empty()),
            ..Found::default()
        };
        let is_new = numbers.is_empty();
        let number = match (numbers.last(), last_said) {
            (Some(number), _) => *number,
            // Its files are gone.
            (None, Some(head)) if head.seq > 0 => head.file + 1,
            (None, _) => 1,
        };
        if is_new && last_said.is_none() {
            // Before there is anything whose end it would have to say.
            let nothing = Head {
                chain: names.chain(),
                file: number,
                seq: 0,
                hash: NOTHING,
            };
            nothing.write(&head, key).map_err(of_head)?;
        }
        let of_file = |error| (names.file(number), error);
        let file = directory::append(&names.file(number), is_new).map_err(of_file)?;
        // Also where somebody replaced the head.
        if !directory::lock(&file).map_err(of_file)? {
            return Ok(None);
        }
        let size = file.metadata().map_err(of_file)?.len();
        let last = Last::find(names, &numbers).map_err(of_file)?;
        let end = last
            .as_ref()
            .filter(|last| last.file == number)
            .map_or(0, |last| last.end);
        found.torn = size - end.min(size);
        let (mut seq, mut prev) = (0, NOTHING);
        if let Some(last) = &last {
            (seq, prev) = (last.seq, last.hash);
            found.unclosed = !last.is_closed;
        }
        if let Some(head) = last_said
            && head.seq > seq
        {
            found.missing = head.seq - seq;
            seq = head.seq;
            prev = if last.is_some() { prev } else { head.hash };
        }
        if found.unclosed {
            found.open = open_calls(names, &numbers).map_err(of_file)?;
        }
        let chain = Self {
            names: names.clone(),
            key: key.clone(),
            head: Arc::new(head),
            file: Arc::new(file),
            number,
            size,
            end,
            seq,
            prev,
            bounds,
            line: Vec::new(),
            full: Vec::new(),
            surplus: Vec::new(),
            has_new_name: is_new,
            written: 0,
        };
        Ok(Some((chain, found)))
    }

    /// Bytes of a record that could not be finished. The next record has to say
    /// so.
    pub(crate) fn torn(&self) -> u64 {
        self.size - self.end
    }

    /// Records since this was taken, also those of its own.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes what each file but the first begins with, where the process before
    /// did not come to it, or the file is gone.
    pub(crate) fn begin(&mut self, now: Moment) -> io::Result<()> {
        if self.size > 0 || self.number == 1 {
            return Ok(());
        }
        let after = self.names.file_name(self.number - 1);
        let event = Event::Continued {
            after: &after,
            why: "interrupted",
            removed: 0,
        };
        self.put(now, &event)
    }

    /// Writes a record.
    ///
    /// # Errors
    ///
    /// It could not be written; nothing of it counts.
    pub(crate) fn append(&mut self, now: Moment, event: &Event<'_>) -> io::Result<()> {
        if self.size >= self.bounds.max_size && self.torn() == 0 {
            // Where there is no room for a new file there may be some in the old.
            let _ = self.begin_file(now, "size");
        }
        self.put(now, event)
    }

    fn put(&mut self, now: Moment, event: &Event<'_>) -> io::Result<()> {
        self.line.clear();
        if self.torn() > 0 {
            self.line.push(b'\n');
        }
        let hash = line::write(
            &mut self.line,
            &self.key,
            self.seq + 1,
            now,
            event,
            self.prev,
        );
        let written = loop {
            match (&*self.file).write(&self.line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        if written < self.line.len() {
            // Without what was written of it, if that can be had.
            if self.file.set_len(self.size).is_err() {
                self.size += written as u64;
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.size += written as u64;
        self.end = self.size;
        self.seq += 1;
        self.prev = hash;
        self.written += 1;
        Ok(())
    }

    /// Goes on in a new file.
    fn begin_file(&mut self, now: Moment, why: &'static str) -> io::Result<()> {
        let mut number = self.number + 1;
        let file = loop {
            match directory::append(&self.names.file(number), true) {
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists
                        && number < self.number + MAX_TRIES =>
                {
                    number += 1;
                }
                opened => break opened?,
            }
        };
        directory::lock(&file)?;
        let (first, surplus) = self.surplus(number)?;
        let before = self.names.file_name(self.number);
        let event = Event::Continued {
            after: &before,
            why,
            removed: if surplus.is_empty() { 0 } else { first - 1 },
        };
        let old = (
            std::mem::replace(&mut self.file, Arc::new(file)),
            std::mem::take(&mut self.size),
            std::mem::take(&mut self.end),
        );
        if let Err(error) = self.put(now, &event) {
            (self.file, self.size, self.end) = old;
            let _ = std::fs::remove_file(self.names.file(number));
            return Err(error);
        }
        self.full.push(old.0);
        self.surplus.extend(surplus);
        self.number = number;
        self.has_new_name = true;
        Ok(())
    }

    /// The first file that stays, and those before it, once there is a file of
    /// this number.
    fn surplus(&self, number: u64) -> io::Result<(u64, Vec<PathBuf>)> {
        let first = (number + 1).saturating_sub(self.bounds.keep.max(2));
        let numbers = self.names.numbers()?.into_iter();
        let surplus = numbers.filter(|number| *number < first);
        let surplus = surplus.map(|number| self.names.file(number));
        Ok((first, surplus.collect()))
    }

    /// What is to be done, and is done by whoever takes it.
    pub(crate) fn chores(&mut self) -> Chores {
        Chores {
            full: std::mem::take(&mut self.full),
            surplus: std::mem::take(&mut self.surplus),
            file: Arc::clone(&self.file),
            path: self.names.file(self.number),
            head_file: Arc::clone(&self.head),
            head: Head {
                chain: self.names.chain(),
                file: self.number,
                seq: self.seq,
                hash: self.prev,
            },
            key: self.key.clone(),
            folder: std::mem::take(&mut self.has_new_name).then(|| self.names.folder().to_owned()),
        }
    }

    /// Goes on in a new file because that which was written is no longer where
    /// it was.
    pub(crate) fn replace_file(&mut self, now: Moment) -> io::Result<()> {
        self.begin_file(now, "replaced")
    }
}

impl Chores {
    /// Brings all records to the disk, and then says so.
    pub(crate) fn run(&self) -> io::Result<()> {
        for file in self.full.iter().chain([&self.file]) {
            file.sync_data()?;
        }
        if let Some(folder) = &self.folder {
            File::open(folder)?.sync_data()?;
        }
        for surplus in &self.surplus {
            // One that is gone already is what was wanted.
            let _ = std::fs::remove_file(surplus);
        }
        self.head.write(&self.head_file, &self.key)?;
        // Afterwards it is written over itself, which leaves one or the other.
        match &self.folder {
            Some(_) => self.head_file.sync_data(),
            None => Ok(()),
        }
    }

    /// Whether the file is where it was made.
    pub(crate) fn is_in_place(&self) -> bool {
        let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let ours = self.file.metadata().map(id);
        let there = std::fs::symlink_metadata(&self.path).map(id);
        // One that cannot be looked at is not known to be gone.
        match (ours, there) {
            (Ok(ours), Ok(there)) => ours == there,
            (_, Err(error)) => error.kind() != io::ErrorKind::NotFound,
            (Err(_), _) => true,
        }
    }
}

/// The last record of a chain.
struct Last {
    file: u64,
    /// Where it ends in its file, its line break included.
    end: u64,
    seq: u64,
    hash: Hash,
    is_closed: bool,
}

impl Last {
    fn find(names: &Names, numbers: &[u64]) -> io::Result<Option<Self>> {
        for number in numbers.iter().rev() {
            // Read from its start only if its end says nothing.
            for whole in [false, true] {
                let mut lines = match whole {
                    true => Lines::open(&names.file(*number), 0)?,
                    false => Lines::near_end(&names.file(*number))?,
                };
                let mut last = None;
                while let Some(text) = lines.next()? {
                    if let Text::Line(line) = text
                        && let Some(record) = Line::read(line)
                    {
                        let is_closed = record.kind() == "log.closed";
                        last = Some((record.seq, record.hash, is_closed, lines.at()));
                    }
                }
                if let Some((seq, hash, is_closed, end)) = last {
                    let file = *number;
                    return Ok(Some(Self {
                        file,
                        end,
                        seq,
                        hash,
                        is_closed,
                    }));
                }
            }
        }
        Ok(None)
    }
}

/// The calls that the last process of a chain sent and said no more of.
fn open_calls(names: &Names, numbers: &[u64]) -> io::Result<Vec<OpenCall>> {
    // In an escaped text there are no such quotes.
    const KINDS: [&[u8]; 3] = [
        br#""kind":"log.opened""#,
        br#""kind":"call.sent""#,
        br#""kind":"call.ended""#,
    ];
    let has = |line: &[u8], part: &[u8]| line.windows(part.len()).any(|window| window == part);
    let searched = &numbers[numbers.len().saturating_sub(MAX_SEARCHED)..];
    let mut open: Vec<(u64, OpenCall)> = Vec::new();
    for number in searched {
        let mut lines = Lines::open(&names.file(*number), 0)?;
        while let Some(text) = lines.next()? {
            let Text::Line(line) = text else { continue };
            // The kind stands near the start.
            let start = &line[..line.len().min(200)];
            if !KINDS.iter().any(|kind| has(start, kind)) {
                continue;
            }
            let Some(record) = Line::read(line) else {
                continue;
            };
            match record.kind() {
                "log.opened" => open.clear(),
                "call.sent" if open.len() < MAX_OPEN => {
                    let call = OpenCall {
                        seq: record.seq,
                        server: record.text("server").to_owned(),
                        tool: record.text("tool").to_owned(),
                    };
                    open.push((record.number("call"), call));
                }
                "call.ended" => {
                    let ended = record.number("call");
                    // Mostly one of the last.
                    if let Some(at) = open.iter().rposition(|(call, _)| *call == ended) {
                        open.remove(at);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(open.into_iter().map(|(_, call)| call).collect())
}

/// Where the other chains of the folder end, so that one that is cut off is
/// missed by its siblings.
fn others(folder: &Path, own: u32, key: &Key) -> Vec<Anchor> {
    let chains = directory::chains(folder).unwrap_or_default();
    let anchor = |names: &Names| {
        let chain = names.chain();
        let file = directory::open(&names.head()).ok()?;
        match head::read(&file, chain, Some(key)).ok()? {
            head::Found::Head(head) => Some(Anchor {
                chain,
                seq: head.seq,
                hash: head.hash.to_string()[..16].to_owned(),
            }),
            head::Found::Empty | head::Found::Strange => None,
        }
    };
    let others = chains.iter().filter(|names| names.chain() != own);
    others.filter_map(anchor).collect()
}
