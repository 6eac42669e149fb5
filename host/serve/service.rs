//! What all clients of the server share.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    Handler, Mode, ServeOptions,
    client::{
        hooks::{ClientHooks, Event},
        suspended::SuspendedRuns,
    },
    hints, http,
    meter::{Counter, Tally, Totals},
    metrics::{self, Metrics},
    sessions::{SessionSlot, Sessions},
    tokens,
};
use crate::session::{Files, Session, SessionOptions};
use ::tools::Toolbox;
use sandbox::{Engine, Guest, Metering};

/// What all clients share.
pub struct Service {
    engine: Engine,
    pub(super) toolbox: Arc<Toolbox>,
    pub(super) options: ServeOptions,
    pub(super) sessions: Sessions,
    pub(super) suspended: SuspendedRuns,
    pub(super) run_permits: Arc<Semaphore>,
    pub(super) queue: AtomicUsize,
    pub(super) counter: Arc<Counter>,
    totals: Mutex<Totals>,
    pub(super) metrics: Metrics,
}

impl Service {
    /// Takes over the tools. Starts no server and compiles nothing.
    pub fn new(engine: Engine, toolbox: Arc<Toolbox>, options: ServeOptions) -> Arc<Self> {
        Arc::new(Self {
            sessions: Sessions::new(options.sessions),
            suspended: SuspendedRuns::new(options.runs),
            run_permits: Arc::new(Semaphore::new(
                options.runs.clamp(1, Semaphore::MAX_PERMITS),
            )),
            queue: AtomicUsize::new(0),
            counter: Arc::new(Counter::new()),
            totals: Mutex::default(),
            metrics: Metrics::new(toolbox.servers().into_iter().map(|server| server.name)),
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
        let metering = Metering::of(&self.options.limits);
        let mut guests = Guest::ALL.into_iter();
        self.options.mode == Mode::Tools || guests.all(|guest| self.engine.has(guest, metering))
    }

    /// What happened since the start, as text for Prometheus.
    pub fn metrics(&self) -> String {
        let (sessions, bytes) = self.sessions.totals();
        self.metrics.text(&metrics::Snapshot {
            sessions,
            session_bytes: bytes,
            waiting: self.queue.load(Ordering::Relaxed),
            running: self
                .options
                .runs
                .saturating_sub(self.run_permits.available_permits()),
            suspended: self.suspended.len(),
            saved: self.totals().cost().saved,
        })
    }

    /// A session that no handle names.
    pub(super) fn fresh_slot(&self) -> Arc<SessionSlot> {
        let options = SessionOptions {
            grants: self.options.grants.clone(),
            limits: self.options.limits.clone(),
            files: Files::Fresh(self.options.quota),
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

    pub(super) fn totals(&self) -> MutexGuard<'_, Totals> {
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
    }
}
