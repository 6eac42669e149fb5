//! What became of the calls of one run.
//!
//! Shared between the run and whoever reports on it, so that it can be read
//! when the run was dropped half-way. What becomes of each call is also in the
//! audit record, from here and once.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use audit::{Ending, Origin, Recorder};
use contract::call_record::{CallRecord, CallStatus};
use contract::hint::Hint;
use contract::message::{CallError, CallErrorKind};

/// Calls that are recorded. Beyond it, a run has a limit of its own.
const MAX_RECORDS: usize = 10_000;

/// The calls of one run, in the order they were made.
#[derive(Clone)]
pub struct CallLog {
    entries: Arc<Mutex<Vec<Entry>>>,
    id: u64,
    origin: Origin,
    /// Servers of which it is recorded that their tools are denied.
    denied: Arc<Mutex<Vec<String>>>,
}

impl Default for CallLog {
    fn default() -> Self {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Self {
            entries: Arc::default(),
            id: IDS.fetch_add(1, Ordering::Relaxed),
            origin: Origin::default(),
            denied: Arc::default(),
        }
    }
}

struct Entry {
    server: String,
    tool: String,
    started: Instant,
    sent: Arc<AtomicBool>,
    done: Option<(CallStatus, f64)>,
}

impl CallLog {
    /// Of calls that the audit record has under this origin.
    pub fn of(origin: Origin) -> Self {
        Self {
            origin,
            ..Self::default()
        }
    }

    /// Whose calls these are.
    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether it is said for the first time that the tools of a server are
    /// denied. There are as many servers as the configuration has.
    pub(super) fn is_first_denial(&self, server: &str) -> bool {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !denied.iter().any(|known| known == server);
        if is_first {
            denied.push(server.to_owned());
        }
        is_first
    }

    /// Empties the log. Calls in flight count as unknown if they may have
    /// reached their tool, and as failed otherwise.
    pub fn take(&self) -> Vec<CallRecord> {
        let entries = std::mem::take(&mut *self.entries());
        entries.into_iter().map(Entry::into_record).collect()
    }

    /// Begins the record of a call.
    pub(super) fn begin(&self, written: &str, recorder: &Recorder) -> Recording {
        let audit = recorder.call(self.origin);
        audit.target("", written);
        let sent = Arc::new(AtomicBool::new(false));
        let mut entries = self.entries();
        let index = entries.len();
        if index < MAX_RECORDS {
            entries.push(Entry {
                server: String::new(),
                tool: written.chars().take(256).collect(),
                started: Instant::now(),
                sent: Arc::clone(&sent),
                done: None,
            });
        }
        Recording {
            log: self.clone(),
            index,
            sent,
            audit,
        }
    }

    /// Tells the run from all others of this process.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn into_record(self) -> CallRecord {
        let (status, milliseconds) = self.done.unwrap_or_else(|| {
            let status = if self.sent.load(Ordering::Relaxed) {
                CallStatus::Unknown
            } else {
                CallStatus::Failed
            };
            (status, milliseconds(self.started))
        });
        CallRecord {
            server: self.server,
            tool: self.tool,
            status,
            milliseconds,
        }
    }
}

/// The record of a call that is being made.
pub(super) struct Recording {
    log: CallLog,
    index: usize,
    /// Set while the call may have reached its tool.
    pub(super) sent: Arc<AtomicBool>,
    /// The call in the audit record.
    pub(super) audit: audit::Call,
}

impl Recording {
    /// The tool was found.
    pub(super) fn target(&self, server: &str, tool: &str) {
        if let Some(entry) = self.log.entries().get_mut(self.index) {
            entry.server = server.to_owned();
            entry.tool = tool.to_owned();
        }
        self.audit.target(server, tool);
    }

    /// The server and the tool, as far as they are known.
    pub(super) fn found(&self) -> (String, String) {
        let entries = self.log.entries();
        let entry = entries.get(self.index);
        entry.map_or_else(Default::default, |entry| {
            (entry.server.clone(), entry.tool.clone())
        })
    }

    /// The call ended with this result.
    pub(super) fn end(&self, result: Result<&str, &CallError>) {
        let status = match result {
            Ok(_) => CallStatus::Finished,
            Err(error) => match error.kind {
                CallErrorKind::UnusableAnswer => CallStatus::Finished,
                CallErrorKind::TimedOut | CallErrorKind::OutcomeUnknown => CallStatus::Unknown,
                _ => CallStatus::Failed,
            },
        };
        self.set(status);
        match result {
            Ok(answer) => self.audit.ended(self.ending(status), "", Some(answer)),
            Err(error) if error.kind == CallErrorKind::Denied => denied(&self.audit, error),
            Err(error) => self
                .audit
                .ended(self.ending(status), name(&error.kind), None),
        }
    }

    fn set(&self, status: CallStatus) {
        if let Some(entry) = self.log.entries().get_mut(self.index) {
            entry.done = Some((status, milliseconds(entry.started)));
        }
    }

    /// The call ended before its answer came.
    pub(super) fn abandon(&self) {
        let status = if self.sent.load(Ordering::Relaxed) {
            CallStatus::Unknown
        } else {
            CallStatus::Failed
        };
        self.set(status);
        self.audit.ended(self.ending(status), "cancelled", None);
    }

    /// The same for the audit record, which tells a tool that failed from one
    /// that was not reached.
    fn ending(&self, status: CallStatus) -> Ending {
        match status {
            CallStatus::Finished => Ending::Finished,
            CallStatus::Unknown => Ending::Unknown,
            CallStatus::Failed if self.sent.load(Ordering::Relaxed) => Ending::Failed,
            CallStatus::Failed => Ending::NotSent,
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // The run was dropped half-way.
        if !self.audit.is_done() {
            self.abandon();
        }
    }
}

/// Says what denied a call, and the pattern that did, if one did.
pub(super) fn denied(call: &audit::Call, error: &CallError) {
    let (by, pattern) = match error.hint.as_deref() {
        Some(Hint::RemoveDenial { pattern, .. }) => ("policy", Some(&**pattern)),
        Some(Hint::AcceptChanges) => ("change", None),
        _ => ("policy", None),
    };
    call.denied(by, pattern);
}

/// The name of a kind of error, as programs know it.
fn name(kind: &CallErrorKind) -> &'static str {
    match kind {
        CallErrorKind::Failed => "failed",
        CallErrorKind::InvalidArguments(_) => "invalid_arguments",
        CallErrorKind::UnknownTool(_) => "unknown_tool",
        CallErrorKind::Denied => "denied",
        CallErrorKind::Unavailable => "unavailable",
        CallErrorKind::TimedOut => "timed_out",
        CallErrorKind::OutcomeUnknown => "outcome_unknown",
        CallErrorKind::Cancelled => "cancelled",
        CallErrorKind::Limit => "limit",
        CallErrorKind::UnusableAnswer => "unusable_answer",
    }
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_in_flight_are_unknown_once_they_were_sent() {
        let log = CallLog::default();
        let off = Recorder::off();
        let done = log.begin("a.b", &off);
        done.target("a", "b");
        done.end(Ok("1"));
        let sent = log.begin("a.sent", &off);
        sent.sent.store(true, Ordering::Relaxed);
        let _queued = log.begin("a.queued", &off);
        let statuses: Vec<_> = log
            .take()
            .into_iter()
            .map(|r| (r.server, r.tool, r.status))
            .collect();
        let expected = [
            ("a", "b", CallStatus::Finished),
            ("", "a.sent", CallStatus::Unknown),
            ("", "a.queued", CallStatus::Failed),
        ];
        assert_eq!(
            statuses,
            expected.map(|(s, t, status)| (s.into(), t.into(), status))
        );
        assert!(log.take().is_empty());
        sent.end(Ok("1"));
    }
}
