//! One configured server over the life of this process: started when first
//! used, started again when it broke, with pauses when that keeps happening.

// CONTRIBUTING.md, "To add a transport".

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::AbortHandle};

use super::{
    Fault, FaultKind, ServerLimits,
    connection::{Connection, Handshake, with_errors},
    http::Endpoint,
    listing::Listing,
    local::LocalTools,
    lock,
    process::Errors,
    redact::Redactor,
    spec::{PassThrough, Stdio, Transport},
    state::{ServerState, ServerStatus},
};

/// The first pause after a failure; doubled up to the longest.
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A server that ran for this long starts with a clean record.
const PROBATION: Duration = Duration::from_secs(60);

/// Why a server may be late, for the operator.
const LATE: &str = "the handshake was not complete; a package runner may have to download the server first, which a longer `startTimeout` allows";

/// Starts one server and keeps its connection.
pub(super) struct Lifecycle {
    name: String,
    pub(super) start_timeout: Duration,
    reach: Arc<Reach>,
    limits: ServerLimits,
    pass_through: PassThrough,
    redactor: Arc<Redactor>,
    state: Arc<Mutex<State>>,
}

/// How a server is to be run.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) transport: Transport,
    pub(super) start_timeout: Duration,
    pub(super) pass_through: PassThrough,
    /// Calls in flight to it.
    pub(super) in_flight: usize,
}

/// How the server is reached, with what was learnt about it.
struct Reach {
    route: Route,
    /// It knows only the old handshake, or ends when it is probed.
    is_old: AtomicBool,
    restarts: AtomicU64,
}

enum Route {
    Stdio(Stdio),
    Http(Endpoint),
    Local(Arc<LocalTools>, Arc<Listing>),
}

enum State {
    Idle,
    Starting(watch::Receiver<Option<Started>>, AbortHandle),
    Running(Arc<Connection>, Record),
    Broken {
        fault: Fault,
        record: Record,
        retry_at: Instant,
    },
    Stopped,
}

type Started = Result<Arc<Connection>, Fault>;

/// How often the server failed lately.
#[derive(Clone, Copy, Default)]
struct Record {
    failures: u32,
}

impl Record {
    fn with_failure(self) -> Self {
        Self {
            failures: self.failures.saturating_add(1),
        }
    }

    fn pause(self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(6);
        (MIN_PAUSE * (1 << doublings)).min(MAX_PAUSE)
    }
}

impl Lifecycle {
    /// # Errors
    ///
    /// What is wrong with the plan, in words for the operator.
    pub(super) fn new(
        plan: Plan,
        limits: ServerLimits,
        redactor: Arc<Redactor>,
    ) -> Result<Self, String> {
        let route = match plan.transport {
            Transport::Stdio(stdio) => Route::Stdio(stdio),
            Transport::Http(http) => {
                Route::Http(Endpoint::new(&http, plan.in_flight, limits.message)?)
            }
            Transport::Local(tools) => {
                let listing = tools.listing();
                Route::Local(tools, listing)
            }
        };
        Ok(Self {
            name: plan.name,
            start_timeout: plan.start_timeout,
            reach: Arc::new(Reach {
                route,
                is_old: AtomicBool::new(false),
                restarts: AtomicU64::new(0),
            }),
            limits,
            pass_through: plan.pass_through,
            redactor,
            state: Arc::new(Mutex::new(State::Idle)),
        })
    }

    /// The functions, if this server is in this process.
    pub(super) fn local(&self) -> Option<(&LocalTools, &Arc<Listing>)> {
        match &self.reach.route {
            Route::Local(tools, listing) => Some((tools, listing)),
            Route::Stdio(_) | Route::Http(_) => None,
        }
    }

    /// The connection, started now if need be. However many ask at the same
    /// time, and whoever of them gives up, it is started once.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, Fault> {
        let mut started = match self.running_or_starting()? {
            Ok(connection) => return Ok(connection),
            Err(started) => started,
        };
        match started.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or_else(|| Err(interrupted())),
            Err(_) => Err(interrupted()),
        }
    }

    fn running_or_starting(
        &self,
    ) -> Result<Result<Arc<Connection>, watch::Receiver<Option<Started>>>, Fault> {
        let mut state = self.settled();
        let record = match &*state {
            State::Running(connection, _) => return Ok(Ok(Arc::clone(connection))),
            State::Starting(started, _) => return Ok(Err(started.clone())),
            State::Stopped => {
                return Err(Fault::new(FaultKind::Unavailable, "it was stopped"));
            }
            State::Broken {
                fault,
                record,
                retry_at,
            } => {
                let pause = retry_at.saturating_duration_since(Instant::now());
                if !pause.is_zero() {
                    let seconds = pause.as_secs() + 1;
                    let message = format!("{}; next try in {seconds} s", fault.message);
                    return Err(Fault {
                        message,
                        ..fault.clone()
                    });
                }
                *record
            }
            State::Idle => Record::default(),
        };
        let start = Start {
            name: self.name.clone(),
            reach: Arc::clone(&self.reach),
            timeout: self.start_timeout,
            limits: self.limits,
            pass_through: self.pass_through,
            redactor: Arc::clone(&self.redactor),
        };
        let (sender, started) = watch::channel(None);
        // A task of its own: whoever asked first may be cancelled. It waits
        // for the lock held here before it changes the state.
        let task = tokio::spawn(start.run(Arc::clone(&self.state), record, sender));
        *state = State::Starting(started.clone(), task.abort_handle());
        Ok(Err(started))
    }

    /// The state, after noticing that a connection broke or a start was lost.
    fn settled(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        match &*state {
            State::Running(connection, record) if !connection.is_alive() => {
                let fault = Fault::new(FaultKind::Unavailable, "the connection to it was lost")
                    .because(self.redactor.text(connection.obituary()));
                tracing::warn!(
                    server = self.name,
                    cause = fault.detail,
                    "a tool server is gone"
                );
                self.reach.restarts.fetch_add(1, Ordering::Relaxed);
                // The first loss costs nothing: one call has paid for it. A
                // server that falls again soon has to wait.
                let now = Instant::now();
                let is_first = record.failures == 0 || connection.since.elapsed() >= PROBATION;
                let (record, retry_at) = if is_first {
                    (Record { failures: 1 }, now)
                } else {
                    (record.with_failure(), now + record.with_failure().pause())
                };
                *state = State::Broken {
                    fault,
                    record,
                    retry_at,
                };
            }
            // The runtime that started it is gone.
            State::Starting(started, _) if started.has_changed().is_err() => *state = State::Idle,
            _ => {}
        }
        state
    }

    /// The connection, if there is one.
    pub(super) fn running(&self) -> Option<Arc<Connection>> {
        match &*self.settled() {
            State::Running(connection, _) => Some(Arc::clone(connection)),
            _ => None,
        }
    }

    /// Ends the server; it is not started again.
    pub(super) async fn stop(&self) {
        let before = std::mem::replace(&mut *lock(&self.state), State::Stopped);
        match before {
            State::Running(connection, _) => connection.stop().await,
            // Dropping what was started kills it.
            State::Starting(_, task) => task.abort(),
            State::Idle | State::Broken { .. } | State::Stopped => {}
        }
    }

    pub(super) fn report(&self) -> ServerState {
        let mut report = ServerState {
            name: self.name.clone(),
            transport: match &self.reach.route {
                Route::Stdio(_) => "stdio",
                Route::Http(_) => "http",
                Route::Local(..) => "local",
            },
            status: ServerStatus::Idle,
            tools: None,
            excluded: Vec::new(),
            excluded_count: 0,
            error: None,
            protocol: None,
            title: None,
            version: None,
            restarts: self.reach.restarts.load(Ordering::Relaxed),
            malformed_lines: 0,
            unmatched_answers: 0,
            stray_progress: 0,
        };
        if let Some((_, listing)) = self.local() {
            report.status = ServerStatus::Running;
            report.listing(listing);
            return report;
        }
        match &*self.settled() {
            State::Idle => {}
            State::Stopped => report.status = ServerStatus::Stopped,
            State::Starting(..) => report.status = ServerStatus::Starting,
            State::Broken { fault, .. } => {
                report.status = ServerStatus::Failed;
                report.error = Some(for_operator(fault));
            }
            State::Running(connection, _) => report.connection(connection),
        }
        report
    }
}

fn interrupted() -> Fault {
    Fault::new(FaultKind::Unavailable, "its start was interrupted")
}

/// A fault with all that is known.
pub(super) fn for_operator(fault: &Fault) -> String {
    match &fault.detail {
        Some(detail) => format!("{}: {detail}", fault.message),
        None => fault.message.clone(),
    }
}

/// The start of a server, independent of who asked for it.
struct Start {
    name: String,
    reach: Arc<Reach>,
    timeout: Duration,
    limits: ServerLimits,
    pass_through: PassThrough,
    redactor: Arc<Redactor>,
}

impl Start {
    async fn run(
        self,
        state: Arc<Mutex<State>>,
        record: Record,
        done: watch::Sender<Option<Started>>,
    ) {
        let errors = Errors::default();
        let started = match tokio::time::timeout(self.timeout, self.connect(&errors)).await {
            Ok(started) => started,
            Err(_) => {
                let message = format!("it did not start within {:?}", self.timeout);
                Err(Fault::new(FaultKind::Unavailable, message)
                    .because(with_errors(LATE.to_owned(), &errors)))
            }
        };
        let started = started.map(Arc::new).map_err(|mut fault| {
            fault.detail = fault.detail.map(|detail| self.redactor.text(detail));
            fault
        });
        if let Err(fault) = &started {
            let cause = for_operator(fault);
            tracing::warn!(
                server = self.name,
                cause,
                "a tool server could not be started"
            );
        }
        let mut state = lock(&state);
        if matches!(*state, State::Starting(..)) {
            *state = match &started {
                Ok(connection) => State::Running(Arc::clone(connection), record),
                Err(fault) => State::Broken {
                    fault: fault.clone(),
                    record: record.with_failure(),
                    retry_at: Instant::now() + record.with_failure().pause(),
                },
            };
            drop(state);
            done.send_replace(Some(started));
        }
    }

    async fn connect(&self, errors: &Errors) -> Result<Connection, Fault> {
        let handshake = if self.reach.is_old.load(Ordering::Relaxed) {
            Handshake::Old
        } else {
            Handshake::Probe
        };
        let mut connected = self.attempt(handshake, errors).await;
        if let (Handshake::Probe, Err(error)) = (handshake, &connected)
            && error.may_be_old_server()
        {
            errors.clear();
            connected = self.attempt(Handshake::Old, errors).await;
        }
        let connection = connected.map_err(|error| error.into_fault(errors))?;
        let info = connection.info();
        if info.is_some_and(|info| info.protocol_version.has_initialize()) {
            self.reach.is_old.store(true, Ordering::Relaxed);
        }
        Ok(connection)
    }

    async fn attempt(
        &self,
        handshake: Handshake,
        errors: &Errors,
    ) -> Result<Connection, super::connection::StartError> {
        match &self.reach.route {
            Route::Stdio(stdio) => {
                let errors = errors.clone();
                Connection::start(stdio, handshake, errors, self.limits, self.pass_through).await
            }
            Route::Http(endpoint) => {
                Connection::connect(endpoint, handshake, self.limits, self.pass_through).await
            }
            Route::Local(..) => unreachable!("functions of this process are not started"),
        }
    }
}
