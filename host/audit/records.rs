//! All records of a folder, the chains joined by their times: for showing and
//! counting. Whether they are what was written is what [`verify()`](crate::verify())
//! says.

use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use crate::directory::{self, Names};
use crate::line::Line;
use crate::read::{Lines, Text};

/// One record as it was read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// The number of its chain.
    pub chain: u32,
    /// Its number in the chain.
    pub seq: u64,
    /// All that is in it, in the order of the line.
    pub fields: Map<String, Value>,
}

impl Record {
    /// Its kind, such as `call.sent`.
    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    /// A text; empty if there is none of this name.
    pub fn text(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A number; zero if there is none of this name.
    pub fn number(&self, name: &str) -> u64 {
        self.fields
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.fields
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }
}

/// Which records are wanted. All by default.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this kind, or of all that begin with it: `call` is `call.sent` and
    /// the others.
    pub kind: Option<String>,
    /// Not before this [timestamp](crate::timestamp()), or the start of one.
    pub since: Option<String>,
    /// About this server.
    pub server: Option<String>,
    /// Of the session with this hash.
    pub session: Option<String>,
}

impl Filter {
    /// Whether a record is wanted.
    pub fn takes(&self, record: &Record) -> bool {
        let is = |name: &str, wanted: &Option<String>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| record.text(name) == wanted)
        };
        let is_of_kind = self.kind.as_deref().is_none_or(|wanted| {
            let rest = record.kind().strip_prefix(wanted);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        let since = self.since.as_deref();
        is_of_kind
            && since.is_none_or(|since| record.text("time") >= since)
            && is("server", &self.server)
            && is("session", &self.session)
    }
}

/// Reads the records of a folder, as far as there are any, and more when there
/// are more.
pub struct Records {
    chains: Vec<Cursor>,
    folder: std::path::PathBuf,
    unreadable: u64,
}

/// The place in one chain.
struct Cursor {
    names: Names,
    /// The file, and where the next line begins in it.
    file: u64,
    at: u64,
    lines: Option<Lines>,
    /// What comes next, once it was read.
    next: Option<Record>,
    /// Nothing came when it was looked last.
    is_at_end: bool,
}

impl Records {
    /// From the first one on.
    ///
    /// # Errors
    ///
    /// There is no such folder, or it cannot be read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut records = Self {
            chains: Vec::new(),
            folder: folder.to_owned(),
            unreadable: 0,
        };
        records.look_for_chains()?;
        Ok(records)
    }

    /// How many chains there are.
    pub fn chains(&self) -> usize {
        self.chains.len()
    }

    /// Lines so far that are no records, of this version at least.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The next record: of those that come next in their chains the oldest.
    /// `None` if there is none now; later there may be.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would be over with its first `None`"
    )]
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        for cursor in &mut self.chains {
            if !cursor.is_at_end {
                cursor.fill(&mut self.unreadable)?;
                cursor.is_at_end = cursor.next.is_none();
            }
        }
        let ready = self.chains.iter_mut();
        let ready = ready.filter(|cursor| cursor.next.is_some());
        let oldest = ready.min_by(|one, other| one.time().cmp(other.time()));
        if let Some(cursor) = oldest {
            cursor.is_at_end = false;
            return Ok(cursor.next.take());
        }
        self.look_for_chains()?;
        for cursor in &mut self.chains {
            cursor.is_at_end = false;
        }
        Ok(None)
    }

    fn look_for_chains(&mut self) -> io::Result<()> {
        for names in directory::chains(&self.folder)? {
            let is_known = |known: &Cursor| known.names.chain() == names.chain();
            if !self.chains.iter().any(is_known) {
                self.chains.push(Cursor {
                    names,
                    file: 0,
                    at: 0,
                    lines: None,
                    next: None,
                    is_at_end: false,
                });
            }
        }
        Ok(())
    }
}

impl Cursor {
    /// When what comes next was written.
    fn time(&self) -> &str {
        self.next.as_ref().map_or("", |next| next.text("time"))
    }

    /// Reads what comes next, if that is not known yet.
    fn fill(&mut self, unreadable: &mut u64) -> io::Result<()> {
        while self.next.is_none() {
            if self.lines.is_none() && !self.open()? {
                return Ok(());
            }
            // Whatever is added to a file is there before the next one is.
            let following = self.following()?;
            let Some(lines) = &mut self.lines else {
                return Ok(());
            };
            let line = match lines.next()? {
                Some(Text::Line(line)) => Line::read(line).filter(Line::is_known),
                Some(Text::Long(_)) => None,
                // Perhaps the rest of it comes; from where it begins.
                None | Some(Text::Torn(_)) => {
                    self.lines = None;
                    match following {
                        Some(next) => (self.file, self.at) = (next, 0),
                        None => return Ok(()),
                    }
                    continue;
                }
            };
            self.at = lines.at();
            match line {
                Some(line) => {
                    self.next = Some(Record {
                        chain: self.names.chain(),
                        seq: line.seq,
                        fields: line.fields,
                    });
                }
                None => *unreadable += 1,
            }
        }
        Ok(())
    }

    /// Opens the file where it was left. False if there is none.
    fn open(&mut self) -> io::Result<bool> {
        if self.file == 0 {
            match self.names.numbers()?.first() {
                Some(first) => self.file = *first,
                None => return Ok(false),
            }
        }
        match Lines::open(&self.names.file(self.file), self.at) {
            Ok(lines) => self.lines = Some(lines),
            // It made room meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.following()? {
                Some(next) => {
                    (self.file, self.at) = (next, 0);
                    return self.open();
                }
                None => return Ok(false),
            },
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn following(&self) -> io::Result<Option<u64>> {
        // Looking at the folder costs more than reading a line.
        let at_end = match &self.lines {
            Some(lines) => lines.is_at_end(),
            None => true,
        };
        if !at_end {
            return Ok(None);
        }
        let numbers = self.names.numbers()?;
        Ok(numbers.into_iter().find(|number| *number > self.file))
    }
}
