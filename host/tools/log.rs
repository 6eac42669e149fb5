//! What became of the calls of one run.
//!
//! Shared between the run and whoever reports on it, so that it can be read
//! when the run was dropped half-way.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use contract::call_record::{CallRecord, CallStatus};

/// Calls that are recorded. Beyond it, a run has a limit of its own.
const MAX_RECORDS: usize = 10_000;

/// The calls of one run, in the order they were made.
#[derive(Clone)]
pub struct CallLog {
    entries: Arc<Mutex<Vec<Entry>>>,
    id: u64,
}

impl Default for CallLog {
    fn default() -> Self {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Self {
            entries: Arc::default(),
            id: IDS.fetch_add(1, Ordering::Relaxed),
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
    /// Empties the log. Calls in flight count as unknown if they may have
    /// reached their tool, and as failed otherwise.
    pub fn take(&self) -> Vec<CallRecord> {
        let entries = std::mem::take(&mut *self.entries());
        entries.into_iter().map(Entry::into_record).collect()
    }

    /// Begins the record of a call.
    pub(super) fn begin(&self, written: &str) -> Recording {
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
}

impl Recording {
    /// The tool was found.
    pub(super) fn target(&self, server: &str, tool: &str) {
        if let Some(entry) = self.log.entries().get_mut(self.index) {
            entry.server = server.to_owned();
            entry.tool = tool.to_owned();
        }
    }

    /// The server and the tool, as far as they are known.
    pub(super) fn found(&self) -> (String, String) {
        let entries = self.log.entries();
        let entry = entries.get(self.index);
        entry.map_or_else(Default::default, |entry| {
            (entry.server.clone(), entry.tool.clone())
        })
    }

    /// The call ended.
    pub(super) fn end(&self, status: CallStatus) {
        if let Some(entry) = self.log.entries().get_mut(self.index) {
            entry.done = Some((status, milliseconds(entry.started)));
        }
    }

    /// The call ended before its answer came.
    pub(super) fn abandon(&self) {
        self.end(if self.sent.load(Ordering::Relaxed) {
            CallStatus::Unknown
        } else {
            CallStatus::Failed
        });
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
        let done = log.begin("a.b");
        done.target("a", "b");
        done.end(CallStatus::Finished);
        let sent = log.begin("a.sent");
        sent.sent.store(true, Ordering::Relaxed);
        let _queued = log.begin("a.queued");
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
        sent.end(CallStatus::Finished);
    }
}
