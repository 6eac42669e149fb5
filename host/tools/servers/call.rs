//! The calls in flight to a server, and what their callbacks are told and asked
//! meanwhile: progress, log entries, questions.
//!
//! A transport hands every notification over here before `rmcp` sees it, in
//! the order they came. What belongs to no call in flight is dropped and
//! counted; what comes too often is dropped. Nothing is kept, so a flood costs
//! its reading and no memory.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rmcp::model::{ClientRequest, GetExtensions as _, GetMeta as _, NumberOrString, ProgressToken};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::sync::{Notify, watch};

use super::{Fault, FaultKind, Redactor, lock, turns::CallerId};
use crate::callbacks::{HostCallbacks, LogEntry, LogLevel, Progress, RequestKind, ServerRequest};
use contract::clock::{Clock, Stopped};
use contract::rate::TokenBucket;
use contract::text::cut;

/// Progress of one call that is passed on: so much at once, and then 100 times
/// a second.
const PROGRESS: (u32, Duration) = (200, Duration::from_millis(10));

/// Log entries of one server that are passed on: so many at once, and then 20
/// a second.
const ENTRIES: (u32, Duration) = (100, Duration::from_millis(50));

/// Bytes of a log entry. What is longer becomes a text that is cut.
const MAX_ENTRY: usize = 8 << 10;

/// Bytes of a message about progress, and of the name of a logger.
const MAX_MESSAGE: usize = 1 << 10;

/// Bytes of a question that is passed on. A person reads it, or a model.
const MAX_QUESTION: usize = 256 << 10;

/// Questions of one call that are passed on.
const MAX_QUESTIONS: u32 = 100;

/// Questions of one server that are open at once.
const MAX_OPEN: usize = 8;

/// Who makes a request, and hears of it.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// Whose turn it is.
    pub(crate) id: CallerId,
    /// Who is asked and told what the server says meanwhile.
    pub(crate) callbacks: Option<&'a Arc<dyn HostCallbacks>>,
    /// Set while the request may have reached the server.
    pub(crate) sent: &'a AtomicBool,
    /// The call in the audit record, if it is one of a program.
    pub(crate) audit: Option<&'a audit::Call>,
}

impl<'a> Caller<'a> {
    /// The host itself, which wants to know something.
    pub(crate) fn host(sent: &'a AtomicBool) -> Self {
        Self {
            id: 0,
            callbacks: None,
            sent,
            audit: None,
        }
    }

    /// The request is about to be sent: the audit record says so before it is.
    ///
    /// # Errors
    ///
    /// It has to, and cannot. Nothing is to be sent.
    pub(super) fn sending(&self) -> Result<(), Fault> {
        let recorded = self.audit.map_or(Ok(()), audit::Call::sending);
        recorded.map_err(|error| Fault::new(FaultKind::Unavailable, error.to_string()))
    }
}

/// How far a call got.
#[derive(Debug, Clone, Copy, Default)]
struct Stage {
    /// It may have reached its server.
    is_written: bool,
    /// Nobody waits for it any more.
    is_dropped: bool,
}

/// A call that its server may speak about.
pub(super) struct Call {
    id: u64,
    caller: CallerId,
    stage: watch::Sender<Stage>,
    server: String,
    tool: String,
    callbacks: Option<Arc<dyn HostCallbacks>>,
    redactor: Arc<Redactor>,
    clock: Arc<Clock>,
    progress: Mutex<TokenBucket>,
    questions: AtomicU32,
}

impl Call {
    /// A call that begins now.
    pub(super) fn new(
        server: &str,
        tool: &str,
        caller: Caller<'_>,
        redactor: &Arc<Redactor>,
        timeout: Duration,
    ) -> Arc<Self> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            server: server.to_owned(),
            tool: tool.to_owned(),
            caller: caller.id,
            stage: watch::Sender::default(),
            callbacks: caller.callbacks.cloned(),
            redactor: Arc::clone(redactor),
            clock: Clock::new(timeout),
            progress: Mutex::new(TokenBucket::new(PROGRESS.0, PROGRESS.1)),
            questions: AtomicU32::new(0),
        })
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whose call it is.
    pub(super) fn caller(&self) -> CallerId {
        self.caller
    }

    /// Its request is about to be written. False if nobody waits for it any
    /// more: then it must not be.
    pub(super) fn is_written_now(&self) -> bool {
        self.stage.send_if_modified(|stage| {
            stage.is_written |= !stage.is_dropped;
            false
        });
        !self.stage.borrow().is_dropped
    }

    /// Whether nothing of it can have reached its server.
    pub(super) fn is_unwritten(&self) -> bool {
        !self.stage.borrow().is_written
    }

    /// Ends once nobody waits for it any more.
    pub(super) async fn dropped(&self) {
        let mut stage = self.stage.subscribe();
        // The sender is `self`.
        let _ = stage.wait_for(|stage| stage.is_dropped).await;
    }

    pub(super) fn has_callbacks(&self) -> bool {
        self.callbacks.is_some()
    }

    fn is_heard_by(&self, other: &Arc<dyn HostCallbacks>) -> bool {
        let callbacks = self.callbacks.as_ref();
        callbacks.is_some_and(|one| is_same(one, other))
    }

    fn progressed(&self, read: ProgressRead) {
        let Some(callbacks) = &self.callbacks else {
            return;
        };
        if !lock(&self.progress).allows() {
            return;
        }
        callbacks.progress(Progress {
            call: self.id,
            server: self.server.clone(),
            tool: self.tool.clone(),
            done: read.progress,
            total: read.total,
            message: read.message.map(|text| self.shortened(text)),
        });
    }

    /// Asks the callbacks of the call. The clock of the call stands still.
    /// `None` if nobody answers.
    pub(super) async fn ask(&self, kind: RequestKind, params: Value) -> Option<Value> {
        let callbacks = self.callbacks.as_ref()?;
        if self.questions.fetch_add(1, Ordering::Relaxed) >= MAX_QUESTIONS {
            return None;
        }
        let text = params.to_string();
        if text.len() > MAX_QUESTION {
            tracing::warn!(server = self.server, "a question of a server is too long");
            return None;
        }
        let request = ServerRequest {
            server: self.server.clone(),
            kind,
            params: serde_json::from_str(&self.redactor.json(text)).ok()?,
        };
        let _stopped = self.clock.stop();
        callbacks.answer(request).await.ok()
    }

    fn shortened(&self, text: String) -> String {
        cut(&self.redactor.text(text), MAX_MESSAGE).to_owned()
    }
}

/// Whether two are the same callbacks.
fn is_same(one: &Arc<dyn HostCallbacks>, other: &Arc<dyn HostCallbacks>) -> bool {
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
    entries: Mutex<TokenBucket>,
    open: AtomicUsize,
    /// Progress of no call in flight.
    pub(super) stray: AtomicU64,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            by_token: Mutex::default(),
            ended: Notify::new(),
            entries: Mutex::new(TokenBucket::new(ENTRIES.0, ENTRIES.1)),
            open: AtomicUsize::new(0),
            stray: AtomicU64::new(0),
        }
    }
}

/// A call is in flight while this lives. Afterwards it is not written any more.
pub(super) struct InFlight<'a> {
    calls: &'a Calls,
    call: &'a Call,
    sent: &'a AtomicBool,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        lock(&self.calls.by_token).retain(|_, call| call.id != self.call.id);
        self.call.stage.send_modify(|stage| stage.is_dropped = true);
        if self.call.is_unwritten() {
            self.sent.store(false, Ordering::Relaxed);
        }
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
    pub(super) fn begin<'a>(&'a self, call: &'a Call, sent: &'a AtomicBool) -> InFlight<'a> {
        sent.store(true, Ordering::Relaxed);
        // One call may be several requests, as with pages.
        call.stage.send_modify(|stage| stage.is_dropped = false);
        InFlight {
            calls: self,
            call,
            sent,
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

    /// Takes a notification that is for callbacks. False if it is
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
        let heard = self.calls_that_hear();
        if heard.is_empty() || !lock(&self.entries).allows() {
            return;
        }
        let Ok(read) = serde_json::from_str::<EntryRead>(params) else {
            return;
        };
        let Some(level) = level(&read.level) else {
            return;
        };
        let call = &heard[0];
        let data = read
            .data
            .map_or("null".to_owned(), |data| data.get().to_owned());
        let data = if data.len() <= MAX_ENTRY {
            serde_json::from_str(&call.redactor.json(data)).unwrap_or_default()
        } else {
            let text = call.redactor.json(data);
            Value::String(cut(&text, MAX_ENTRY - 3).to_owned() + "…")
        };
        let entry = LogEntry {
            server: call.server.clone(),
            level,
            logger: read.logger.map(|logger| call.shortened(logger)),
            data,
        };
        for call in &heard {
            if let Some(callbacks) = &call.callbacks {
                callbacks.log(entry.clone());
            }
        }
    }

    /// One call for each of the different callbacks.
    fn calls_that_hear(&self) -> Vec<Arc<Call>> {
        let mut heard: Vec<Arc<Call>> = Vec::new();
        for call in lock(&self.by_token).values() {
            if let Some(callbacks) = &call.callbacks
                && !heard.iter().any(|other| other.is_heard_by(callbacks))
            {
                heard.push(Arc::clone(call));
            }
        }
        heard
    }

    /// Passes on a question that names no call: to the callbacks of all
    /// calls in flight, if these are the same. `None` if nobody answers.
    pub(super) async fn ask(&self, kind: RequestKind, params: Value) -> Option<Value> {
        let (call, _stopped) = self.only_heard()?;
        let callbacks = call.callbacks.as_ref()?;
        let open = Open::new(&self.open)?;
        let mut answer = std::pin::pin!(call.ask(kind, params));
        let answer = loop {
            let ended = self.ended.notified();
            if !self.is_heard_by(callbacks) {
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

    /// A call in flight, if all have the same callbacks, with the clocks of
    /// all of them stopped.
    fn only_heard(&self) -> Option<(Arc<Call>, Vec<Stopped>)> {
        let by_token = lock(&self.by_token);
        let first = by_token.values().next()?;
        let callbacks = first.callbacks.as_ref()?;
        if !by_token.values().all(|call| call.is_heard_by(callbacks)) {
            return None;
        }
        let stopped = by_token.values().map(|call| call.clock.stop()).collect();
        Some((Arc::clone(first), stopped))
    }

    fn is_heard_by(&self, callbacks: &Arc<dyn HostCallbacks>) -> bool {
        let by_token = lock(&self.by_token);
        by_token.values().any(|call| call.is_heard_by(callbacks))
    }
}

/// One of the questions that may be open.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        let open = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MAX_OPEN).then_some(open)
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
