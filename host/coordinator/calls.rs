//! The account of a run's tool calls: what was asked for and what came of it.
//!
//! It outlives the run, so that a run that was stopped still says which calls
//! were under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::message::CallErrorKind;

/// One call of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The server, or an empty text where none could be found.
    pub server: String,
    /// The tool, as far as it is known.
    pub tool: String,
    /// What came of it.
    pub status: CallStatus,
    /// How long it took, in milliseconds.
    pub milliseconds: f64,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// It returned a result.
    Finished,
    /// It returned an error, or was never sent.
    Failed,
    /// It was sent, and nobody knows whether it took effect.
    Unknown,
}

/// The calls of one run, in the order in which they were started.
#[derive(Debug, Default)]
pub struct CallLog(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    server: String,
    tool: String,
    started: Instant,
    /// Whether the tool may have got it.
    sent: Arc<AtomicBool>,
    end: Option<(CallStatus, Instant)>,
}

impl CallLog {
    /// Enters a call that starts now; returns its place, and the flag to be
    /// set as long as the tool may have got it.
    pub(super) fn begin(&self, tool: &str) -> (usize, Arc<AtomicBool>) {
        /// Characters of a name kept while nobody knows which tool it is.
        const SHOWN: usize = 128;
        let sent = Arc::new(AtomicBool::new(false));
        let mut entries = self.lock();
        entries.push(Entry {
            server: String::new(),
            tool: tool.chars().take(SHOWN).collect(),
            started: Instant::now(),
            sent: Arc::clone(&sent),
            end: None,
        });
        (entries.len() - 1, sent)
    }

    /// Says which tool it is.
    pub(super) fn name(&self, place: usize, server: &str, tool: &str) {
        if let Some(entry) = self.lock().get_mut(place) {
            entry.server = server.into();
            entry.tool = tool.into();
        }
    }

    /// Enters how a call ended.
    pub(super) fn end(&self, place: usize, error: Option<&CallErrorKind>) {
        if let Some(entry) = self.lock().get_mut(place) {
            let status = match error {
                None => CallStatus::Finished,
                Some(CallErrorKind::Cancelled) => entry.abandoned(),
                Some(kind) => CallStatus::from(kind),
            };
            entry.end = Some((status, Instant::now()));
        }
    }

    /// Takes all records. Of a call that was sent and has not ended, nobody
    /// will know what came of it.
    pub fn take(&self) -> Vec<CallRecord> {
        let now = Instant::now();
        std::mem::take(&mut *self.lock())
            .into_iter()
            .map(|entry| {
                let (status, ended) = entry.end.unwrap_or_else(|| (entry.abandoned(), now));
                let seconds = ended.duration_since(entry.started).as_secs_f64();
                CallRecord {
                    server: entry.server,
                    tool: entry.tool,
                    status,
                    milliseconds: (seconds * 1e6).round() / 1e3,
                }
            })
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// What to say of it when nobody waits for its end.
    fn abandoned(&self) -> CallStatus {
        match self.sent.load(Ordering::Relaxed) {
            true => CallStatus::Unknown,
            false => CallStatus::Failed,
        }
    }
}

impl From<&CallErrorKind> for CallStatus {
    fn from(kind: &CallErrorKind) -> Self {
        use CallErrorKind as Kind;
        match kind {
            Kind::TimedOut | Kind::OutcomeUnknown | Kind::Cancelled => Self::Unknown,
            Kind::Failed
            | Kind::InvalidArguments(_)
            | Kind::UnknownTool(_)
            | Kind::Denied
            | Kind::Unavailable
            | Kind::Limit => Self::Failed,
        }
    }
}
