//! One call of a tool: that it is about to be sent, and what became of it.
//!
//! The first record is in the file before the first byte is sent. The second one
//! comes before the program gets the result. A call with the first and without
//! the second one is a call of which nobody knows what became.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use contract::text::{cut, shortened};

use crate::event::{Answer, Event, MAX_ARGUMENTS, MAX_NAME, Origin, name};
use crate::recorder::{NotRecorded, Recorder, milliseconds};

/// A call. What becomes of it is recorded once.
#[derive(Debug)]
pub struct Call(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    recorder: Recorder,
    origin: Origin,
    number: u64,
    began: Instant,
    about: Mutex<About>,
}

#[derive(Debug, Default)]
struct About {
    server: String,
    tool: String,
    arguments: String,
    text: Option<String>,
    is_sent: bool,
    is_done: bool,
    /// Somebody was asked and did not say yes.
    is_refused: bool,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The tool gave a result.
    Finished,
    /// The tool failed.
    Failed,
    /// It may have taken effect; nobody knows.
    Unknown,
    /// It cannot have taken effect.
    NotSent,
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotSent => "not_sent",
        }
    }
}

impl Call {
    pub(crate) fn off() -> Self {
        Self(None)
    }

    pub(crate) fn new(recorder: Recorder, origin: Origin, number: u64) -> Self {
        Self(Some(Box::new(Open {
            recorder,
            origin,
            number,
            began: Instant::now(),
            about: Mutex::default(),
        })))
    }

    /// Whether anything of it is recorded. If not, nothing has to be found out
    /// for it.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether [`arguments`](Self::arguments) wants them as they are.
    pub fn keeps_arguments(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|open| open.recorder.keeps_arguments())
    }

    /// The tool, as far as it is known.
    pub fn target(&self, server: &str, tool: &str) {
        if let Some((_, mut about)) = self.open() {
            about.server = name(server).to_owned();
            about.tool = name(tool).to_owned();
        }
    }

    /// The [shape](crate::shape::describe) of its arguments; and the arguments,
    /// if they are [kept](Self::keeps_arguments).
    pub fn arguments(&self, shape: String, text: Option<String>) {
        if let Some((_, mut about)) = self.open() {
            about.arguments = shape;
            about.text = text.map(|text| shortened(&text, MAX_ARGUMENTS));
        }
    }

    /// It is about to be sent. Recorded once, however many requests it takes.
    ///
    /// # Errors
    ///
    /// It could not be recorded and [has to be](crate::Options::required): it
    /// must not be sent.
    pub fn sending(&self) -> Result<(), NotRecorded> {
        let Some((open, mut about)) = self.open() else {
            return Ok(());
        };
        if about.is_sent {
            return Ok(());
        }
        open.recorder.required(&Event::CallSent {
            call: open.number,
            origin: open.origin,
            server: &about.server,
            tool: &about.tool,
            arguments: &about.arguments,
            text: about.text.as_deref(),
        })?;
        about.is_sent = true;
        Ok(())
    }

    /// It ended: how, with which kind of error, and with which answer as JSON
    /// text. Only the size of the answer is recorded.
    pub fn ended(&self, ending: Ending, error: &str, answer: Option<&str>) {
        let Some((open, mut about)) = self.open() else {
            return;
        };
        if std::mem::replace(&mut about.is_done, true) {
            return;
        }
        open.recorder.record(&Event::CallEnded {
            call: open.number,
            origin: open.origin,
            server: &about.server,
            tool: &about.tool,
            status: ending.name(),
            error,
            ms: milliseconds(open.began.elapsed()),
            bytes: answer.map_or(0, str::len) as u64,
            answer: answer.and_then(Answer::new),
        });
    }

    /// It is not allowed: by what, and the pattern that says so, if one does. By
    /// `consent`, where somebody was asked and did not say yes.
    pub fn denied(&self, by: &'static str, pattern: Option<&str>) {
        let Some((open, mut about)) = self.open() else {
            return;
        };
        if std::mem::replace(&mut about.is_done, true) {
            return;
        }
        open.recorder.record(&Event::CallDenied {
            call: open.number,
            origin: open.origin,
            server: &about.server,
            tool: &about.tool,
            by: if about.is_refused { "consent" } else { by },
            pattern: pattern.map(|pattern| cut(pattern, MAX_NAME)),
        });
    }

    /// Somebody was asked about it: `verdict` says what came of that.
    pub fn consent(&self, verdict: &'static str, why: &str) {
        if let Some((open, mut about)) = self.open() {
            about.is_refused = verdict != "approved";
            let target = (&*about.server, &*about.tool);
            open.recorder.consent(open.origin, target, verdict, why);
        }
    }

    /// Whether what became of it is recorded.
    pub fn is_done(&self) -> bool {
        self.open().is_none_or(|(_, about)| about.is_done)
    }

    fn open(&self) -> Option<(&Open, MutexGuard<'_, About>)> {
        let open = self.0.as_deref()?;
        let about = open.about.lock().unwrap_or_else(PoisonError::into_inner);
        Some((open, about))
    }
}
