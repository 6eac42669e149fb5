//! Who writes: one recorder for a process, shared by all who have something to
//! say.
//!
//! A record is written where it arises, by one call of the system that takes a
//! few microseconds: it is in the file when the method returns, so that it is
//! there also if this process is killed right after. A thread of its own brings
//! all records to the disk within a second. Nobody waits for that.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use contract::caller::Caller;
use contract::program::{Code, Language, Program};

use crate::OpenError;
use crate::anomalies::{Anomaly, OF_ANOTHER};
use crate::call::Call;
use crate::chain::{Bounds, Chain};
use crate::event::{Event, Origin, cause, name};
use crate::folds::Folded;
use crate::key::{Key, Tag};
use crate::open_error::Problem;
use crate::options::{Arguments, Options};
use crate::run::Run;
use crate::writer::Writer;

/// Changed tools of one listing that are named.
const MAX_CHANGED: usize = 20;

/// Something could not be recorded, and nothing is to be done that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has to be recorded, and the audit record cannot be written")]
pub struct NotRecorded;

/// How many of what there were since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Records that were written.
    pub written: u64,
    /// Records that could not be written.
    pub lost: u64,
    /// Calls of earlier processes of which nobody knows what became.
    pub unknown: u64,
    /// Anomalies, in the order of [`Anomaly::ALL`].
    pub anomalies: [u64; Anomaly::ALL.len()],
}

/// Writes the record of this process; or, [off](Self::off), nothing at all.
///
/// Clones write to the same chain. It ends with the last of them, or with
/// [`close`](Self::close).
#[derive(Clone, Default)]
pub struct Recorder(Option<Arc<Handle>>);

/// Ends the thread when nobody records any more.
struct Handle {
    writer: Arc<Writer>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Records nothing, and costs nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Begins to record. Says first what became of the process before, and of
    /// which of its calls nobody knows.
    ///
    /// # Errors
    ///
    /// The folder or the key cannot be used; see [`OpenError`].
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let folder = &options.folder;
        let fail = |problem| OpenError::new(folder, problem);
        let key = Key::load_or_create(&options.key).map_err(|error| fail(Problem::Key(error)))?;
        let bounds = Bounds {
            max_size: options.max_size,
            keep: options.keep.into(),
        };
        let (chain, found) = Chain::take(folder, &key, bounds)?;
        let writer = Writer::new(key, chain, &found, &options).map_err(|error| {
            let file = folder.clone();
            fail(Problem::File { file, error })
        })?;
        let writer = Arc::new(writer);
        let syncing = Arc::clone(&writer);
        let thread = thread::Builder::new().name("audit".to_owned());
        let thread = thread.spawn(move || syncing.bring_to_disk());
        let thread = thread.map_err(|error| fail(Problem::Thread(error)))?;
        Ok(Self(Some(Arc::new(Handle {
            writer,
            thread: Mutex::new(Some(thread)),
        }))))
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Who has the session of this handle; the same for the same handle.
    pub fn session(&self, handle: &str) -> Option<Tag> {
        Some(self.writer()?.key.tag("session", handle.as_bytes()))
    }

    /// A caller, if callers are told apart.
    pub fn caller(&self, caller: Caller) -> Option<Tag> {
        let is_somebody = caller != Caller::ANYONE;
        let key = &self.writer()?.key;
        is_somebody.then(|| key.tag("caller", &caller.0))
    }

    /// A program begins to run. What comes of it is recorded by the result, also
    /// when that is dropped.
    ///
    /// # Errors
    ///
    /// It could not be recorded and [has to be](crate::Options::required).
    pub fn run(&self, origin: Origin, program: &Program) -> Result<Run, NotRecorded> {
        let Some(writer) = self.writer() else {
            return Ok(Run::off());
        };
        let origin = Origin {
            run: Some(writer.runs.fetch_add(1, Ordering::Relaxed) + 1),
            ..origin
        };
        let (language, code) = match program.code() {
            Code::Source { language, text } => (language_name(*language), text.as_bytes()),
            Code::Component(bytes) => ("component", &bytes[..]),
        };
        writer.required(&Event::RunStarted {
            origin,
            language,
            bytes: code.len() as u64,
            code: writer.key.tag("code", code),
        })?;
        Ok(Run::new(self.clone(), origin))
    }

    /// A call that may come to be. Nothing is recorded yet.
    pub fn call(&self, origin: Origin) -> Call {
        match self.writer() {
            None => Call::off(),
            Some(writer) => {
                let number = writer.calls.fetch_add(1, Ordering::Relaxed) + 1;
                Call::new(self.clone(), origin, number)
            }
        }
    }

    /// A component was refused because of what it imports.
    pub fn import_denied(&self, origin: Origin, what: &str) {
        let what = cause(what);
        self.record(&Event::ImportDenied { origin, what });
    }

    /// Somebody was asked about a call: `verdict` says what came of that.
    pub fn consent(
        &self,
        origin: Origin,
        (server, tool): (&str, &str),
        verdict: &'static str,
        why: &str,
    ) {
        self.record(&Event::Consent {
            origin,
            server: name(server),
            tool: name(tool),
            verdict,
            why: cause(why),
        });
    }

    /// A server was started.
    pub fn server_started(&self, server: &str, transport: &str, command: &str, took: Duration) {
        self.record(&Event::ServerStarted {
            server: name(server),
            transport,
            command: name(command),
            ms: milliseconds(took),
        });
    }

    /// A server could not be started.
    pub fn server_failed(&self, server: &str, why: &str) {
        self.record(&Event::ServerFailed {
            server: name(server),
            cause: cause(why),
        });
    }

    /// A server ran and is gone.
    pub fn server_lost(&self, server: &str, why: &str) {
        self.record(&Event::ServerLost {
            server: name(server),
            cause: cause(why),
        });
    }

    /// A server was stopped by us.
    pub fn server_stopped(&self, server: &str) {
        let server = name(server);
        self.record(&Event::ServerStopped { server });
    }

    /// Tools of one listing are not what they were first.
    pub fn tools_changed(&self, server: &str, tools: &[ChangedTool]) {
        for (index, changed) in tools.iter().take(MAX_CHANGED).enumerate() {
            let is_last = index + 1 == MAX_CHANGED;
            let others = if is_last {
                tools.len() - MAX_CHANGED
            } else {
                0
            };
            self.record(&Event::ToolChanged {
                server: name(server),
                tool: name(&changed.tool),
                parts: &changed.parts,
                pinned: &changed.pinned,
                now: &changed.now,
                others: others as u64,
            });
        }
    }

    /// A session was opened.
    pub fn session_opened(&self, origin: Origin) {
        self.record(&Event::SessionOpened { origin });
    }

    /// A session ended, and why.
    pub fn session_ended(&self, origin: Origin, why: &'static str) {
        self.record(&Event::SessionEnded { origin, why });
    }

    /// A caller used a handle that it does not have. `of_another` if another
    /// caller has it, which is told to nobody else.
    pub fn session_refused(&self, origin: Origin, of_another: bool) {
        let why = if of_another { OF_ANOTHER } else { "unknown" };
        self.fold(Folded::Session(origin, why));
    }

    /// A request was refused before anybody knew what it wanted.
    pub fn access_refused(&self, why: &'static str) {
        self.fold(Folded::Access(why));
    }

    /// A bound was reached that is not one of a run.
    pub fn limit(&self, origin: Origin, limit: &'static str) {
        self.fold(Folded::Limit(origin, limit));
    }

    /// How many of what there were so far.
    pub fn counts(&self) -> Counts {
        self.writer().map_or_else(Counts::default, Writer::counts)
    }

    /// Says that this process ends, and brings everything to the disk, which
    /// takes some milliseconds. What is recorded later is still written.
    pub fn close(&self) {
        if let Some(handle) = &self.0 {
            handle.close();
        }
    }

    /// Whether the arguments of calls are kept as they are.
    pub(crate) fn keeps_arguments(&self) -> bool {
        self.writer()
            .is_some_and(|writer| writer.arguments == Arguments::Full)
    }

    /// Records something that has to be in the record before it is done, if
    /// anything has to.
    pub(crate) fn required(&self, event: &Event<'_>) -> Result<(), NotRecorded> {
        self.writer()
            .map_or(Ok(()), |writer| writer.required(event))
    }

    pub(crate) fn record(&self, event: &Event<'_>) {
        if let Some(writer) = self.writer() {
            writer.record(event);
        }
    }

    fn fold(&self, folded: Folded) {
        if let Some(writer) = self.writer() {
            writer.fold(folded);
        }
    }

    fn writer(&self) -> Option<&Writer> {
        Some(&self.0.as_ref()?.writer)
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_on() {
            "Recorder(on)"
        } else {
            "Recorder(off)"
        })
    }
}

/// A tool that its server made something else of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedTool {
    /// Its name.
    pub tool: String,
    /// What of it changed, in words of ours.
    pub parts: Vec<&'static str>,
    /// The digest of what it was first.
    pub pinned: String,
    /// The digest of what it is now.
    pub now: String,
}

impl Handle {
    fn close(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(thread) = thread else {
            return;
        };
        self.writer.end();
        let _ = thread.join();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

fn language_name(language: Language) -> &'static str {
    match language {
        Language::Python => "python",
        Language::JavaScript => "javascript",
        Language::TypeScript => "typescript",
    }
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
