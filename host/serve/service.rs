//! What all clients of the server share.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Caller, Handler, Mode, ServeOptions,
    client::{
        hooks::{ClientHooks, Event},
        suspended::SuspendedRuns,
    },
    hints, http,
    meter::{Cost, Counted, Counter, Tally, Totals},
    metrics::{self, Metrics},
    queue::RunQueue,
    sessions::{SessionSlot, Sessions},
    tokens,
    tools::{OfferedTool, catalogue::catalogue, offered},
};
use crate::engine::Engine;
use crate::session::{Files, Session, SessionOptions};
use ::audit::{Origin, Recorder};
use ::tools::Toolbox;
use contract::message;
use sandbox::{Guest, Metering};

/// What all clients share.
pub struct Service {
    engine: Engine,
    pub(super) toolbox: Arc<Toolbox>,
    pub(super) options: ServeOptions,
    pub(super) sessions: Sessions,
    pub(super) suspended: SuspendedRuns,
    pub(super) queue: RunQueue,
    pub(super) counter: Arc<Counter>,
    /// What all runs cost together, and those of each caller.
    totals: Mutex<(Totals, HashMap<Caller, Totals>)>,
    /// Held while a result is read that is larger than what a program may print.
    pub(super) large_results: Arc<tokio::sync::Mutex<()>>,
    pub(super) metrics: Metrics,
    /// What clients are offered.
    pub(super) tools: Vec<OfferedTool>,
    /// What was said of the servers last, and of which listings it was made.
    catalogue: Mutex<Option<(KnownVersions, Arc<str>)>>,
    /// Held while a guest is loaded for somebody who waits.
    preparing: Arc<tokio::sync::Mutex<()>>,
}

/// The version of the listing of each server, where it is known.
type KnownVersions = Vec<Option<u64>>;

impl Service {
    /// Takes over the tools. Starts no server and compiles nothing.
    pub fn new(engine: Engine, toolbox: Arc<Toolbox>, options: ServeOptions) -> Arc<Self> {
        Arc::new(Self {
            sessions: Sessions::new(options.sessions, toolbox.recorder().clone()),
            suspended: SuspendedRuns::new(options.runs),
            queue: RunQueue::new(options.runs, options.waiting),
            counter: Arc::new(Counter::new()),
            totals: Mutex::default(),
            large_results: Arc::default(),
            metrics: Metrics::new(toolbox.servers().into_iter().map(|server| server.name)),
            tools: offered(options.mode),
            catalogue: Mutex::default(),
            preparing: Arc::default(),
            engine,
            toolbox,
            options,
        })
    }

    /// One client's side.
    pub fn handler(self: &Arc<Self>) -> Handler {
        Handler::new(Arc::clone(self), CancellationToken::new())
    }

    /// Loads what the first call would otherwise wait for: the guests, which are
    /// compiled if they never were, and the vocabulary of the tokenizer. Blocks
    /// for seconds in the first case.
    ///
    /// # Errors
    ///
    /// A guest that cannot be compiled or loaded.
    pub fn warm(&self) -> Result<(), crate::Error> {
        if self.options.mode == Mode::Code {
            let metering = Metering::of(&self.options.limits);
            for guest in Guest::ALL {
                self.engine.warm(guest, metering)?;
            }
        }
        self.metrics.ready();
        tokens::warm();
        Ok(())
    }

    /// Whether programs can run at once, without compiling anything first.
    pub fn is_ready(&self) -> bool {
        let mut guests = Guest::ALL.into_iter();
        self.options.mode == Mode::Tools || guests.all(|guest| self.has(guest))
    }

    /// What happened since the start, as text for Prometheus.
    pub fn metrics(&self) -> String {
        let (sessions, bytes) = self.sessions.totals();
        let (waiting, running) = self.queue.counts();
        self.metrics.text(&metrics::Snapshot {
            sessions,
            session_bytes: bytes,
            waiting,
            running,
            suspended: self.suspended.len(),
            saved: self.totals().0.cost().saved,
            audit: self.recorder().counts(),
        })
    }

    /// The audit record.
    pub(super) fn recorder(&self) -> &Recorder {
        self.toolbox.recorder()
    }

    /// Whose something is, for the audit record.
    pub(super) fn origin(&self, caller: Caller, handle: Option<&str>) -> Origin {
        let recorder = self.recorder();
        Origin {
            run: None,
            session: handle.and_then(|handle| recorder.session(handle)),
            caller: recorder.caller(caller),
        }
    }

    /// A bound was reached by a caller that is not one of a run.
    pub(super) fn limited(&self, caller: Caller, bound: &'static str) {
        self.recorder().limit(self.origin(caller, None), bound);
    }

    /// The names of the servers of which something may be called.
    pub(super) fn usable_servers(&self) -> Vec<String> {
        self.toolbox.usable_servers(&self.options.grants)
    }

    /// The servers and their tools in so many bytes, as far as they are known.
    /// Made anew when more is known.
    pub(super) fn catalogue(&self, room: usize) -> Arc<str> {
        let servers = self.toolbox.servers();
        let version = |server: &message::Server| self.toolbox.known_version(&server.name);
        let versions: KnownVersions = servers.iter().map(version).collect();
        let mut last = self
            .catalogue
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((known, text)) = &*last
            && *known == versions
        {
            return Arc::clone(text);
        }
        let grants = &self.options.grants;
        let calls = |server: &str| self.metrics.calls_of(server);
        let text: Arc<str> = catalogue(&self.toolbox, grants, calls, room).into();
        *last = Some((versions, Arc::clone(&text)));
        text
    }

    /// Loads a guest, if that has to be done. It goes on when nobody waits.
    ///
    /// # Errors
    ///
    /// It cannot be compiled or loaded.
    pub(super) async fn prepare(self: &Arc<Self>, guest: Guest) -> Result<(), crate::Error> {
        let service = Arc::clone(self);
        let one = Arc::clone(&self.preparing).lock_owned().await;
        if self.has(guest) {
            return Ok(());
        }
        let loading = tokio::task::spawn_blocking(move || {
            let _one = one;
            let metering = Metering::of(&service.options.limits);
            service.engine.warm(guest, metering)
        });
        // A panic is in the log, and the run that follows says what failed.
        loading.await.unwrap_or(Ok(()))
    }

    /// Whether programs of a guest can run at once.
    pub(super) fn has(&self, guest: Guest) -> bool {
        self.engine.has(guest, Metering::of(&self.options.limits))
    }

    /// A session that no handle names.
    pub(super) fn fresh_slot(&self, caller: Caller) -> Arc<SessionSlot> {
        let options = SessionOptions {
            grants: self.options.grants.clone(),
            advice: self.options.advice.clone(),
            limits: self.options.limits.clone(),
            files: Files::Fresh(self.options.quota),
            caller: Some(caller),
            render_hint: Some(hints::render),
        };
        let toolbox = Arc::clone(&self.toolbox);
        SessionSlot::new(Session::new(&self.engine, toolbox, options))
    }

    /// The client of a run, and what it is told and asked.
    pub(super) fn client_hooks(
        &self,
        allowed: Arc<Mutex<HashSet<(String, String)>>>,
        tally: Arc<Tally>,
    ) -> (ClientHooks, mpsc::Receiver<Event>) {
        ClientHooks::new(
            allowed,
            Arc::clone(&self.counter),
            tally,
            self.options.ask_timeout,
        )
    }

    /// Adds what a run of a caller cost. There are as many callers as tokens.
    pub(super) fn count(&self, caller: Caller, run: &Counted, returned: u64, code: u64) {
        let mut totals = self.totals();
        totals.0.add(run, returned, code);
        let own = totals.1.entry(caller).or_default();
        own.add(run, returned, code);
    }

    /// What the runs of a caller cost together.
    pub(super) fn cost_of(&self, caller: Caller) -> Cost {
        let totals = self.totals();
        totals.1.get(&caller).map(Totals::cost).unwrap_or_default()
    }

    fn totals(&self) -> MutexGuard<'_, (Totals, HashMap<Caller, Totals>)> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl http::Operator for Service {
    fn ready(&self) -> Result<(), String> {
        if self.is_ready() {
            return Ok(());
        }
        Err("the guests are not compiled yet".to_owned())
    }

    fn metrics(&self) -> String {
        Service::metrics(self)
    }

    fn limited(&self, bound: &'static str) {
        self.metrics.limited(bound);
        self.recorder().limit(Origin::default(), bound);
    }

    fn refused(&self, why: &'static str) {
        self.recorder().access_refused(why);
    }
}
