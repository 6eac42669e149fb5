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
    DOWNLOAD_TIMEOUT, Fault, FaultKind, START_TIMEOUT, ServerEvent, Shared,
    connection::{Connection, Handshake, Terms, with_errors},
    http::Endpoint,
    kept_listing::KeptListing,
    listing::Listing,
    local::LocalTools,
    lock,
    process::Errors,
    spec::{PassThrough, Stdio, Transport, Unusable},
    state::{ServerState, ServerStatus},
};

/// The first pause after a failure; doubled up to the longest.
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A server that ran for this long starts with a clean record.
const PROBATION: Duration = Duration::from_secs(60);

/// Why a server may be late, for the operator.
const LATE: &str = "the handshake was not complete; a longer `startTimeout` gives it more time";

/// A start that takes longer is told of, again after each such span.
const LONG: Duration = Duration::from_secs(5);

/// Starts one server and keeps its connection.
pub(super) struct Lifecycle {
    name: String,
    start_timeout: Duration,
    /// How long a server that runs may take to list its tools.
    pub(super) list_timeout: Duration,
    reach: Arc<Reach>,
    pass_through: PassThrough,
    kept: Arc<KeptListing>,
    shared: Arc<Shared>,
    state: Arc<Mutex<State>>,
}

/// How a server is to be run.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) transport: Transport,
    pub(super) start_timeout: Option<Duration>,
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
    Unusable(Unusable),
}

impl Route {
    fn name(&self) -> &'static str {
        match self {
            Self::Stdio(_) => "stdio",
            Self::Http(_) => "http",
            Self::Local(..) => "local",
            Self::Unusable(_) => "unusable",
        }
    }

    /// The program that is started, if one is.
    fn command(&self) -> &str {
        match self {
            Self::Stdio(stdio) => &stdio.command,
            Self::Http(_) | Self::Local(..) | Self::Unusable(_) => "",
        }
    }
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
        kept: Arc<KeptListing>,
        shared: Arc<Shared>,
    ) -> Result<Self, String> {
        let usual = match &plan.transport {
            Transport::Stdio(stdio) if stdio.downloads() => DOWNLOAD_TIMEOUT,
            _ => START_TIMEOUT,
        };
        let route = match plan.transport {
            Transport::Stdio(stdio) => Route::Stdio(stdio),
            Transport::Http(http) => {
                Route::Http(Endpoint::new(&http, plan.in_flight, shared.limits.message)?)
            }
            Transport::Local(tools) => {
                let listing = tools.listing();
                Route::Local(tools, listing)
            }
            Transport::Unusable(why) => Route::Unusable(why),
        };
        Ok(Self {
            name: plan.name,
            start_timeout: plan.start_timeout.unwrap_or(usual),
            list_timeout: plan.start_timeout.unwrap_or(START_TIMEOUT),
            reach: Arc::new(Reach {
                route,
                is_old: AtomicBool::new(false),
                restarts: AtomicU64::new(0),
            }),
            pass_through: plan.pass_through,
            kept,
            shared,
            state: Arc::new(Mutex::new(State::Idle)),
        })
    }

    /// The functions, if this server is in this process.
    pub(super) fn local(&self) -> Option<(&LocalTools, &Arc<Listing>)> {
        match &self.reach.route {
            Route::Local(tools, listing) => Some((tools, listing)),
            Route::Stdio(_) | Route::Http(_) | Route::Unusable(_) => None,
        }
    }

    /// The connection, started now if need be. However many ask at the same
    /// time, and whoever of them gives up, it is started once.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, Fault> {
        if let Route::Unusable(why) = &self.reach.route {
            return Err(unusable(why));
        }
        let mut started = match self.running_or_starting()? {
            Ok(connection) => return Ok(connection),
            Err(started) => started,
        };
        match started.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or_else(|| Err(interrupted())),
            Err(_) => Err(interrupted()),
        }
    }

    /// The same without waiting.
    pub(super) fn begin_to_start(&self) -> Result<(), Fault> {
        if self.local().is_some() {
            return Ok(());
        }
        self.running_or_starting().map(drop)
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
            list_timeout: self.list_timeout,
            pass_through: self.pass_through,
            kept: Arc::clone(&self.kept),
            shared: Arc::clone(&self.shared),
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
                    .because(self.shared.redactor.text(connection.obituary()));
                self.tell_of_loss(connection);
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

    /// Tells the operator, once, that a connection broke.
    pub(super) fn tell_of_loss(&self, connection: &Connection) {
        if connection.is_mourned() {
            return;
        }
        let (server, cause) = (&*self.name, connection.obituary());
        let cause = self.shared.redactor.text(cause);
        tracing::warn!(server, cause, "a tool server is gone");
        let cause = &*cause;
        self.shared.tell(&ServerEvent::Lost { server, cause });
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
            State::Running(connection, _) => {
                connection.stop().await;
                let server = &*self.name;
                self.shared.tell(&ServerEvent::Stopped { server });
            }
            // Dropping what was started kills it.
            State::Starting(_, task) => task.abort(),
            State::Idle | State::Broken { .. } | State::Stopped => {}
        }
    }

    pub(super) fn report(&self) -> ServerState {
        let mut report = ServerState {
            name: self.name.clone(),
            transport: self.reach.route.name(),
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
        if let Route::Unusable(why) = &self.reach.route {
            report.status = ServerStatus::Failed;
            report.error = Some(for_operator(&unusable(why)));
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

fn unusable(why: &Unusable) -> Fault {
    let fault = Fault::new(FaultKind::Unavailable, why.reason.clone());
    match &why.advice {
        Some(advice) => fault.because(advice.clone()),
        None => fault,
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
    list_timeout: Duration,
    pass_through: PassThrough,
    kept: Arc<KeptListing>,
    shared: Arc<Shared>,
}

impl Start {
    async fn run(
        self,
        state: Arc<Mutex<State>>,
        record: Record,
        done: watch::Sender<Option<Started>>,
    ) {
        let began = Instant::now();
        let errors = Errors::new(Arc::clone(&self.shared.redactor));
        let connecting = self.telling(self.connect(&errors));
        let started = match tokio::time::timeout(self.timeout, connecting).await {
            Ok(started) => started,
            Err(_) => {
                let message = format!("it did not start within {:?}", self.timeout);
                Err(Fault::new(FaultKind::Unavailable, message)
                    .because(with_errors(LATE.to_owned(), &errors)))
            }
        };
        let started = started
            .map(Arc::new)
            .map_err(|fault| fault.redacted(&self.shared.redactor));
        let server = &*self.name;
        match &started {
            Err(fault) => {
                let cause = for_operator(fault);
                tracing::warn!(server, cause, "a tool server could not be started");
                let cause = &*cause;
                self.shared.tell(&ServerEvent::Failed { server, cause });
            }
            Ok(_) => {
                let command = self.reach.route.command().to_owned();
                self.shared.tell(&ServerEvent::Started {
                    server,
                    transport: self.reach.route.name(),
                    command: &self.shared.redactor.text(command),
                    took: began.elapsed(),
                });
            }
        }
        let is_wanted = {
            let mut state = lock(&state);
            let is_wanted = matches!(*state, State::Starting(..));
            if is_wanted {
                *state = Self::next(&started, record);
            }
            is_wanted
        };
        if !is_wanted {
            // Dropping it ends it.
            if started.is_ok() {
                self.shared.tell(&ServerEvent::Stopped { server });
            }
            return;
        }
        done.send_replace(Some(started.clone()));
        // What an earlier run kept may be shown meanwhile: it is replaced, even
        // if nobody asks for the tools.
        if let (Ok(connection), Some(_)) = (started, self.kept.get())
            && let Ok(listing) = connection.tools(self.list_timeout).await
        {
            self.kept.put(&listing);
        }
    }

    /// The state after a start.
    fn next(started: &Started, record: Record) -> State {
        match started {
            Ok(connection) => State::Running(Arc::clone(connection), record),
            Err(fault) => State::Broken {
                fault: fault.clone(),
                record: record.with_failure(),
                retry_at: Instant::now() + record.with_failure().pause(),
            },
        }
    }

    /// The same, while the operator is told that it takes long.
    async fn telling<T>(&self, starting: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let mut starting = std::pin::pin!(starting);
        loop {
            if let Ok(started) = tokio::time::timeout(LONG, &mut starting).await {
                return started;
            }
            let command = self.reach.route.command();
            let downloads = match &self.reach.route {
                Route::Stdio(stdio) => stdio.downloads(),
                Route::Http(_) | Route::Local(..) | Route::Unusable(_) => false,
            };
            let (server, so_far) = (&*self.name, began.elapsed());
            tracing::info!(server, command, ?so_far, "a tool server is still starting");
            self.shared.tell(&ServerEvent::Starting {
                server,
                command,
                downloads,
                so_far,
            });
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
        let terms = Terms {
            limits: self.shared.limits,
            pass_through: self.pass_through,
            redactor: Arc::clone(&self.shared.redactor),
        };
        match &self.reach.route {
            Route::Stdio(stdio) => Connection::start(stdio, handshake, errors.clone(), terms).await,
            Route::Http(endpoint) => Connection::connect(endpoint, handshake, terms).await,
            Route::Local(..) => unreachable!("functions of this process are not started"),
            Route::Unusable(_) => unreachable!("nobody asks for its connection"),
        }
    }
}
