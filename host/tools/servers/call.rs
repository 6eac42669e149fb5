//! The calls in flight to a server, and what it says meanwhile to whoever
//! attends them: progress, log entries, questions.
//!
//! A transport hands every notification over here before `rmcp` sees it, in
//! the order they came. What belongs to no call in flight is dropped and
//! counted; what comes too often is dropped. Nothing is kept, so a flood costs
//! its reading and no memory.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rmcp::model::{ClientRequest, GetExtensions as _, GetMeta as _, NumberOrString, ProgressToken};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::sync::Notify;

use super::{Redactor, lock, rate::Rate};
use crate::attendant::{Attendant, LogEntry, LogLevel, Progress, RequestKind, ServerRequest};
use contract::clock::{Clock, Stopped};

/// Progress of one call that is passed on: so much at once, and then 100 times
/// a second.
const PROGRESS: (u32, Duration) = (200, Duration::from_millis(10));

/// Log entries of one server that are passed on: so many at once, and then 20
/// a second.
const ENTRIES: (u32, Duration) = (100, Duration::from_millis(50));

/// Bytes of a log entry. What is longer becomes a text that is cut.
const LONGEST_ENTRY: usize = 8 << 10;

/// Bytes of a message about progress, and of the name of a logger.
const LONGEST_MESSAGE: usize = 1 << 10;

/// Bytes of a question that is passed on. A person reads it, or a model.
const LONGEST_QUESTION: usize = 256 << 10;

/// Questions of one call that are passed on.
const MOST_QUESTIONS: u32 = 100;

/// Questions of one server that are open at once.
const MOST_OPEN: usize = 8;

/// A call that its server may speak about.
pub(super) struct Call {
    id: u64,
    server: String,
    tool: String,
    attendant: Option<Arc<dyn Attendant>>,
    redactor: Arc<Redactor>,
    clock: Arc<Clock>,
    progress: Mutex<Rate>,
    questions: AtomicU32,
}

impl Call {
    /// A call that begins now.
    pub(super) fn new(
        server: &str,
        tool: &str,
        attendant: Option<&Arc<dyn Attendant>>,
        redactor: &Arc<Redactor>,
        timeout: Duration,
    ) -> Arc<Self> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            server: server.to_owned(),
            tool: tool.to_owned(),
            attendant: attendant.cloned(),
            redactor: Arc::clone(redactor),
            clock: Clock::new(timeout),
            progress: Mutex::new(Rate::new(PROGRESS.0, PROGRESS.1)),
            questions: AtomicU32::new(0),
        })
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn is_attended(&self) -> bool {
        self.attendant.is_some()
    }

    fn is_attended_by(&self, other: &Arc<dyn Attendant>) -> bool {
        let attendant = self.attendant.as_ref();
        attendant.is_some_and(|one| is_same(one, other))
    }

    fn progressed(&self, read: ProgressRead) {
        let Some(attendant) = &self.attendant else {
            return;
        };
        if !lock(&self.progress).allows() {
            return;
        }
        attendant.progress(Progress {
            call: self.id,
            server: self.server.clone(),
            tool: self.tool.clone(),
            done: read.progress,
            total: read.total,
            message: read.message.map(|text| self.shortened(text)),
        });
    }

    /// Asks whoever attends the call. The clock of the call stands still.
    /// `None` if nobody answers.
    pub(super) async fn ask(&self, kind: RequestKind, params: Value) -> Option<Value> {
        let attendant = self.attendant.as_ref()?;
        if self.questions.fetch_add(1, Ordering::Relaxed) >= MOST_QUESTIONS {
            return None;
        }
        let text = params.to_string();
        if text.len() > LONGEST_QUESTION {
            tracing::warn!(server = self.server, "a question of a server is too long");
            return None;
        }
        let request = ServerRequest {
            server: self.server.clone(),
            kind,
            params: serde_json::from_str(&self.redactor.json(text)).ok()?,
        };
        let _stopped = self.clock.stop();
        attendant.answer(request).await.ok()
    }

    fn shortened(&self, mut text: String) -> String {
        text = self.redactor.text(text);
        text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
        text
    }
}

/// Whether two attendants are one.
fn is_same(one: &Arc<dyn Attendant>, other: &Arc<dyn Attendant>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// Tells a transport which call a request belongs to. Never on the wire.
#[derive(Clone)]
pub(super) struct Ticket(pub(super) Arc<Call>);

/// The calls in flight on one connection.
pub(super) struct Calls {
    /// By the progress tokens of their requests.
    by_token: Mutex<HashMap<i64, Arc<Call>>>,
    /// A call ended.
    ended: Notify,
    entries: Mutex<Rate>,
    open: AtomicUsize,
    /// Progress of no call in flight.
    pub(super) stray: AtomicU64,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            by_token: Mutex::default(),
            ended: Notify::new(),
            entries: Mutex::new(Rate::new(ENTRIES.0, ENTRIES.1)),
            open: AtomicUsize::new(0),
            stray: AtomicU64::new(0),
        }
    }
}

/// A call is in flight while this lives.
pub(super) struct InFlight<'a> {
    calls: &'a Calls,
    id: u64,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        lock(&self.calls.by_token).retain(|_, call| call.id != self.id);
        self.calls.ended.notify_waiters();
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProgressRead {
    progress_token: Value,
    progress: f64,
    #[serde(default)]
    total: Option<f64>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct EntryRead {
    level: String,
    #[serde(default)]
    logger: Option<String>,
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

impl Calls {
    /// Begins to listen to what the server says of a call, from the moment
    /// that its request is sent.
    pub(super) fn begin(&self, call: &Call) -> InFlight<'_> {
        InFlight {
            calls: self,
            id: call.id,
        }
    }

    /// A request is about to be sent.
    pub(super) fn sending(&self, request: &ClientRequest) {
        let token = request.get_meta().get_progress_token();
        if let Some(Ticket(call)) = request.extensions().get::<Ticket>()
            && let Some(ProgressToken(NumberOrString::Number(token))) = token
        {
            lock(&self.by_token).insert(token, Arc::clone(call));
        }
    }

    /// Takes a notification that is for those who attend calls. False if it is
    /// another one.
    pub(super) fn take(&self, method: &str, params: Option<&RawValue>) -> bool {
        let params = params.map_or("null", RawValue::get);
        match method {
            "notifications/progress" => self.progress(params),
            "notifications/message" => self.entry(params),
            _ => return false,
        }
        true
    }

    fn progress(&self, params: &str) {
        let read: Option<ProgressRead> = serde_json::from_str(params).ok();
        let call = read.as_ref().and_then(|read| {
            // Some servers return a number as text.
            let token = match &read.progress_token {
                Value::String(text) => text.parse().ok()?,
                token => token.as_i64()?,
            };
            lock(&self.by_token).get(&token).cloned()
        });
        match (read, call) {
            (Some(read), Some(call)) => call.progressed(read),
            _ => {
                self.stray.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn entry(&self, params: &str) {
        let attended = self.attended();
        if attended.is_empty() || !lock(&self.entries).allows() {
            return;
        }
        let Ok(read) = serde_json::from_str::<EntryRead>(params) else {
            return;
        };
        let Some(level) = level(&read.level) else {
            return;
        };
        let call = &attended[0];
        let data = read
            .data
            .map_or("null".to_owned(), |data| data.get().to_owned());
        let data = match data.len() <= LONGEST_ENTRY {
            true => serde_json::from_str(&call.redactor.json(data)).unwrap_or_default(),
            false => {
                let mut text = call.redactor.json(data);
                text.truncate(text.floor_char_boundary(LONGEST_ENTRY - 3));
                Value::String(text + "…")
            }
        };
        let entry = LogEntry {
            server: call.server.clone(),
            level,
            logger: read.logger.map(|logger| call.shortened(logger)),
            data,
        };
        for call in &attended {
            if let Some(attendant) = &call.attendant {
                attendant.log(entry.clone());
            }
        }
    }

    /// One call of each attendant.
    fn attended(&self) -> Vec<Arc<Call>> {
        let mut attended: Vec<Arc<Call>> = Vec::new();
        for call in lock(&self.by_token).values() {
            if let Some(attendant) = &call.attendant
                && !attended.iter().any(|other| other.is_attended_by(attendant))
            {
                attended.push(Arc::clone(call));
            }
        }
        attended
    }

    /// Passes on a question that names no call: to the one who attends all
    /// calls in flight, if there is one. `None` if nobody answers.
    pub(super) async fn ask(&self, kind: RequestKind, params: Value) -> Option<Value> {
        let (call, _stopped) = self.only_attended()?;
        let attendant = call.attendant.as_ref()?;
        let open = Open::new(&self.open)?;
        let mut answer = std::pin::pin!(call.ask(kind, params));
        let answer = loop {
            let ended = self.ended.notified();
            if !self.is_attended_by(attendant) {
                // Nobody waits for what the question is about.
                return None;
            }
            tokio::select! {
                biased;
                answer = &mut answer => break answer,
                () = ended => {}
            }
        };
        drop(open);
        answer
    }

    /// A call of the one who attends all that are in flight, with the clocks of
    /// all of them stopped.
    fn only_attended(&self) -> Option<(Arc<Call>, Vec<Stopped>)> {
        let by_token = lock(&self.by_token);
        let first = by_token.values().next()?;
        let attendant = first.attendant.as_ref()?;
        if !by_token.values().all(|call| call.is_attended_by(attendant)) {
            return None;
        }
        let stopped = by_token.values().map(|call| call.clock.stop()).collect();
        Some((Arc::clone(first), stopped))
    }

    fn is_attended_by(&self, attendant: &Arc<dyn Attendant>) -> bool {
        let by_token = lock(&self.by_token);
        by_token.values().any(|call| call.is_attended_by(attendant))
    }
}

/// One of the questions that may be open.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        let open = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MOST_OPEN).then_some(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn level(name: &str) -> Option<LogLevel> {
    Some(match name {
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "notice" => LogLevel::Notice,
        "warning" => LogLevel::Warning,
        "error" => LogLevel::Error,
        "critical" => LogLevel::Critical,
        "alert" => LogLevel::Alert,
        "emergency" => LogLevel::Emergency,
        _ => return None,
    })
}
