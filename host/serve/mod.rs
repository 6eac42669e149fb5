//! One MCP server in front of all others: programs are run, tools found, files
//! read, through a handful of tools that cost few tokens.
//!
//! A [`Service`] holds what all clients share; a [`Handler`] is one client's
//! side of it, for any transport that `rmcp` knows. Knows no HTTP and no
//! command line.
//!
//! ```no_run
//! use std::{future::pending, sync::Arc};
//! use wasm_coordinator::serve::http::{self, Options};
//! use wasm_coordinator::serve::{ServeOptions, Service};
//! use wasm_coordinator::{Engine, EngineOptions, Toolbox};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(EngineOptions::default())?;
//! let tools = Arc::new(Toolbox::default());
//! let service = Service::new(engine, tools, ServeOptions::default());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let handlers = Arc::clone(&service);
//! let make = move || Ok(handlers.handler());
//! http::serve(listener, make, Options::default(), service, pending()).await?;
//! # Ok(()) }
//! ```

mod client;
mod files;
#[expect(
    deprecated,
    reason = "the older revisions of the protocol are spoken, too"
)]
mod handler;
mod hints;
pub mod http;
mod meter;
mod metrics;
mod output;
mod run;
mod sessions;
mod stdio;
mod tokens;
mod tools;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use client::hooks::PassThrough;
pub use handler::Handler;
pub use output::Strategy;
pub use sessions::SessionBounds;
pub use stdio::serve_stdio;

use crate::files::Quota;
use ::tools::{Grants, Toolbox};
use client::suspended::Parked;
use contract::limits::Limits;
use http::Caller;
use meter::{Counter, Totals};
use metrics::Metrics;
use sandbox::{Engine, Guest};
use sessions::Sessions;

/// Which tools are offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// For models that write code: `execute` and what belongs to it.
    #[default]
    Code,
    /// For clients that run code themselves or have none: tools are found and
    /// called one by one.
    Tools,
}

/// What the operator decided.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Which tools are offered.
    pub mode: Mode,
    /// The tools that may be called.
    pub grants: Grants,
    /// What each run may consume.
    pub limits: Limits,
    /// The longest time limit that a call may ask for. 5 minutes by default.
    pub longest_timeout: Duration,
    /// What each workspace may hold.
    pub quota: Quota,
    /// Tokens that one answer may have where the call does not say. 4,000 by
    /// default.
    pub output_tokens: usize,
    /// How long sessions last.
    pub sessions: SessionBounds,
    /// Programs that run at the same time. 32 by default.
    pub runs: usize,
    /// Programs that may wait for their turn. 256 by default.
    pub waiting: usize,
    /// How long a person may take to answer. 10 minutes by default.
    pub patience: Duration,
    /// What servers may ask of clients.
    pub pass_through: PassThrough,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            grants: Grants::default(),
            limits: Limits::default(),
            longest_timeout: Duration::from_secs(300),
            quota: Quota::default(),
            output_tokens: 4_000,
            sessions: SessionBounds::default(),
            runs: 32,
            waiting: 256,
            patience: Duration::from_secs(600),
            pass_through: PassThrough::default(),
        }
    }
}

/// What all clients share.
pub struct Service {
    engine: Engine,
    toolbox: Arc<Toolbox>,
    options: ServeOptions,
    granted: Arc<PassThrough>,
    sessions: Sessions,
    parked: Parked,
    turns: Arc<Semaphore>,
    queue: AtomicUsize,
    counter: Arc<Counter>,
    totals: Mutex<Totals>,
    metrics: Metrics,
}

impl Service {
    /// Takes over the tools. Starts no server and compiles nothing.
    pub fn new(engine: Engine, toolbox: Arc<Toolbox>, options: ServeOptions) -> Arc<Self> {
        Arc::new(Self {
            sessions: Sessions::new(options.sessions),
            granted: Arc::new(options.pass_through.clone()),
            parked: Parked::new(options.runs),
            turns: Arc::new(Semaphore::new(
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
            let metered = self.options.limits.fuel.is_some();
            for guest in Guest::ALL {
                self.engine.warm(guest, metered)?;
            }
        }
        self.metrics.ready();
        tokens::warm();
        Ok(())
    }

    /// Whether programs can run at once, without compiling anything first.
    pub fn is_ready(&self) -> bool {
        let metered = self.options.limits.fuel.is_some();
        let mut guests = Guest::ALL.into_iter();
        self.options.mode == Mode::Tools || guests.all(|guest| self.engine.has(guest, metered))
    }

    /// What happened since the start, as text for Prometheus.
    pub fn metrics(&self) -> String {
        let (sessions, bytes) = self.sessions.totals();
        self.metrics.text(&metrics::Now {
            sessions,
            session_bytes: bytes,
            waiting: self.queue.load(Ordering::Relaxed),
            running: self
                .options
                .runs
                .saturating_sub(self.turns.available_permits()),
            parked: self.parked.len(),
            saved: self.totals().cost().saved,
        })
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl http::Operator for Service {
    fn ready(&self) -> Result<(), String> {
        match self.is_ready() {
            true => Ok(()),
            false => Err("the guests are not compiled yet".to_owned()),
        }
    }

    fn metrics(&self) -> String {
        Service::metrics(self)
    }

    fn limited(&self, bound: &'static str) {
        self.metrics.limited(bound);
    }
}
