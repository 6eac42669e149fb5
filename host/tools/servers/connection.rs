//! One live connection to a server: the handshake, its list of tools, calls.
//!
//! `rmcp` matches answers to requests and speaks both eras of the protocol;
//! this module decides what each failure means. A call is sent at most once:
//! whatever goes wrong after it was handed over is `TimedOut` or
//! `OutcomeUnknown`, never a second try.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use contract::message::ServerError;
use rmcp::{
    Peer, RoleClient,
    model::{
        CancelledNotification, CancelledNotificationParam, ClientRequest, CustomRequest,
        GetExtensions as _, ListToolsRequest, PaginatedRequestParams, ProtocolVersion, RequestId,
        RequestMetaObject, ServerCapabilities, ServerPeerInfo,
    },
    service::{
        ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, PeerRequestOptions,
        RequestHandle, RunningService, ServiceError,
    },
};
use serde_json::json;

use super::{
    Fault, FaultKind, Redactor, ServerLimits,
    call::{Call, Ticket},
    client_hooks::ClientHooks,
    frame,
    http::{self, Endpoint},
    listing::{Listing, Next, Pages},
    lock,
    process::{Errors, Process},
    question::{self, Input, MAX_ROUNDS, Required},
    relisting::Listed,
    request::Request,
    spec::{PassThrough, Stdio},
    stdio::{CLOSED_STDIN, Signals, StdioTransport},
};

/// What is worth hearing from a server while its calls have callbacks.
const LOG_LEVEL: &str = "info";

/// How the lifecycle is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    /// Ask `server/discover` first; an old server that says it does not know
    /// that is greeted in the old way on the same connection.
    Probe,
    /// `initialize` at once, for servers known to be old.
    Old,
}

impl From<Handshake> for ClientLifecycleMode {
    fn from(handshake: Handshake) -> Self {
        match handshake {
            Handshake::Probe => Self::Auto {
                preferred_versions: vec![ProtocolVersion::LATEST],
                legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
            },
            Handshake::Old => Self::Initialize,
        }
    }
}

/// What holds for a connection.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) limits: ServerLimits,
    pub(super) pass_through: PassThrough,
    pub(super) redactor: Arc<Redactor>,
}

/// A connection that can take calls until it breaks.
///
/// What it gives of what the server said holds no secret of the configuration;
/// but cursors and states of requests, which go back to the server as they came.
pub(super) struct Connection {
    /// Ends the loop of `rmcp` when dropped. Before `process`, so that the
    /// server is told to end before it is killed.
    service: RunningService<RoleClient, ClientHooks>,
    process: Option<Process>,
    errors: Errors,
    signals: Arc<Signals>,
    terms: Terms,
    /// Whether it was told what to log.
    log_level_set: AtomicBool,
    listing: Mutex<Option<Listed>>,
    /// Held while the tools are listed, so that it happens once.
    listing_turn: tokio::sync::Mutex<()>,
    pub(super) since: Instant,
    /// The operator knows that it broke.
    mourned: AtomicBool,
}

impl Connection {
    /// Starts a process and greets it.
    pub(super) async fn start(
        spec: &Stdio,
        handshake: Handshake,
        errors: Errors,
        terms: Terms,
    ) -> Result<Self, StartError> {
        let (process, streams) = Process::start(spec, &errors)
            .await
            .map_err(StartError::Spawn)?;
        let signals = Arc::new(Signals::default());
        let transport = StdioTransport::new(
            streams,
            process.ended(),
            terms.limits.message,
            Arc::clone(&signals),
        );
        let hooks = ClientHooks {
            signals: Arc::clone(&signals),
            pass_through: terms.pass_through,
        };
        match hooks
            .serve_with_lifecycle(transport, handshake.into())
            .await
        {
            Ok(service) => Ok(Self::new(service, Some(process), errors, signals, terms)),
            Err(error) => {
                let given_up = lock(&signals.given_up).take();
                let ended = process.ended_by_now().await;
                // Who ended closed its standard input too, and its end says more.
                let why = match given_up {
                    Some(why) if why == CLOSED_STDIN => ended.or(Some(why)),
                    why => why.or(ended),
                };
                Err(StartError::Handshake(Box::new(error), why))
            }
        }
    }

    /// Connects to an endpoint and greets it.
    pub(super) async fn connect(
        endpoint: &Endpoint,
        handshake: Handshake,
        terms: Terms,
    ) -> Result<Self, StartError> {
        let signals = Arc::new(Signals::default());
        let transport = endpoint.transport(&signals, &terms.redactor);
        let hooks = ClientHooks {
            signals: Arc::clone(&signals),
            pass_through: terms.pass_through,
        };
        let service = hooks
            .serve_with_lifecycle(transport, handshake.into())
            .await
            .map_err(|error| StartError::Handshake(Box::new(error), None))?;
        let errors = Errors::new(Arc::clone(&terms.redactor));
        Ok(Self::new(service, None, errors, signals, terms))
    }

    fn new(
        service: RunningService<RoleClient, ClientHooks>,
        process: Option<Process>,
        errors: Errors,
        signals: Arc<Signals>,
        terms: Terms,
    ) -> Self {
        Self {
            service,
            process,
            errors,
            signals,
            terms,
            log_level_set: AtomicBool::new(false),
            listing: Mutex::new(None),
            listing_turn: tokio::sync::Mutex::new(()),
            since: Instant::now(),
            mourned: AtomicBool::new(false),
        }
    }

    /// What the server said about itself, secrets included.
    pub(super) fn info(&self) -> Option<Arc<ServerPeerInfo>> {
        self.service.peer_info()
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.terms.redactor
    }

    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// How many tools there are, if that was asked already.
    pub(super) fn known_listing(&self) -> Option<Arc<Listing>> {
        lock(&self.listing)
            .as_ref()
            .map(|listed| Arc::clone(&listed.listing))
    }

    /// Whether calls can still be sent.
    pub(super) fn is_alive(&self) -> bool {
        !self.service.is_transport_closed() && self.why_it_ended().is_none()
    }

    /// Why the connection broke, for the operator.
    fn why_it_ended(&self) -> Option<String> {
        let given_up = lock(&self.signals.given_up).clone();
        given_up.or_else(|| self.process.as_ref()?.ended().borrow().clone())
    }

    /// The end of this connection as the operator should see it.
    pub(super) fn obituary(&self) -> String {
        let why = self
            .why_it_ended()
            .unwrap_or_else(|| "it closed the connection".to_owned());
        with_errors(why, &self.errors)
    }

    /// Whether the operator was told that it broke; from now on that is so.
    pub(super) fn is_mourned(&self) -> bool {
        self.mourned.swap(true, Ordering::Relaxed)
    }

    /// Ends the server in good order.
    pub(super) async fn stop(&self) {
        self.service.cancellation_token().cancel();
        if let Some(process) = &self.process {
            process.stop().await;
        }
    }

    /// The tools, asked for once, and again after the server said they changed.
    pub(super) async fn tools(&self, timeout: Duration) -> Result<Arc<Listing>, Fault> {
        if let Some(listing) = self.fresh_listing() {
            return Ok(listing);
        }
        let _turn = self.listing_turn.lock().await;
        if let Some(listing) = self.fresh_listing() {
            return Ok(listing);
        }
        self.signals.tools_changed.store(false, Ordering::Relaxed);
        let listing = match tokio::time::timeout(timeout, self.list()).await {
            Ok(listing) => Arc::new(listing?),
            Err(_) => {
                let message = format!("it did not list its tools within {timeout:?}");
                return Err(Fault::new(FaultKind::Unavailable, message)
                    .because(with_errors(String::new(), &self.errors)));
            }
        };
        let mut listed = lock(&self.listing);
        *listed = Some(Listed::new(Arc::clone(&listing), listed.as_ref()));
        Ok(listing)
    }

    fn fresh_listing(&self) -> Option<Arc<Listing>> {
        let listed = lock(&self.listing);
        let listed = listed.as_ref()?;
        let has_changed = self.signals.tools_changed.load(Ordering::Relaxed);
        (!has_changed || !listed.may_be_replaced()).then(|| Arc::clone(&listed.listing))
    }

    async fn list(&self) -> Result<Listing, Fault> {
        let info = self.info();
        if info.is_some_and(|info| info.capabilities.tools.is_none()) {
            return Ok(Listing::default());
        }
        let mut pages = Pages::new(self.terms.limits, &self.terms.redactor);
        let mut cursor = None;
        loop {
            let params =
                cursor.map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
            let request = ListToolsRequest {
                method: Default::default(),
                params,
                extensions: Default::default(),
            };
            let asked = self
                .ask(ClientRequest::ListToolsRequest(request), None)
                .await;
            let result = asked.map_err(|fault| {
                let why = match fault.kind {
                    // Our own words.
                    FaultKind::UnusableAnswer => Some(fault.message.clone()),
                    _ => lock(&self.signals.given_up).clone(),
                };
                let why = why.map_or(String::new(), |why| format!(": {why}"));
                Fault {
                    kind: FaultKind::Unavailable,
                    message: format!("it did not list its tools{why}"),
                    detail: Some(fault.detail.unwrap_or(fault.message)),
                    said: None,
                }
            })?;
            match pages.add(&result)? {
                Next::Page(more, next) => (pages, cursor) = (more, Some(next)),
                Next::Done(listing) => return Ok(listing),
            }
        }
    }

    /// Makes a request on behalf of a program; the result as JSON text. Whoever
    /// asks for a page has to take the secrets out of what is in it. `sent` is set once it may have reached the server. `timeout` is what the clock
    /// of the call was set to.
    pub(super) async fn request(
        &self,
        request: &Request<'_>,
        call: &Arc<Call>,
        timeout: Duration,
        sent: &AtomicBool,
    ) -> Result<String, Fault> {
        request.is_possible(|what| self.has(what))?;
        let _in_flight = self.signals.calls.begin(call, sent);
        match call.clock().limit(self.rounds(request, call)).await {
            Some(result) => {
                if let Err(fault) = &result
                    && fault.kind == FaultKind::Unavailable
                {
                    sent.store(false, Ordering::Relaxed);
                }
                match request {
                    Request::Page(..) => result,
                    _ => result.map(|json| self.terms.redactor.json(json)),
                }
            }
            None if call.is_unwritten() => Err(Fault::new(
                FaultKind::Unavailable,
                format!("it did not take the call within {timeout:?}, so nothing was sent"),
            )),
            None => Err(Fault::new(
                FaultKind::TimedOut,
                format!("it did not answer within {timeout:?}; the call may have taken effect"),
            )),
        }
    }

    /// Makes a request as often as its result asks for more input.
    async fn rounds(&self, request: &Request<'_>, call: &Arc<Call>) -> Result<String, Fault> {
        if call.has_callbacks() {
            self.set_log_level().await;
        }
        let mut input = Input::default();
        for round in 0..=MAX_ROUNDS {
            let asked = self.ask(request.with(&input), Some(call)).await;
            let result = asked.map_err(|fault| match fault.kind {
                // The first round reached the server.
                FaultKind::Unavailable if round > 0 => Fault {
                    kind: FaultKind::OutcomeUnknown,
                    ..fault
                },
                _ => fault,
            })?;
            match Required::read(&result)? {
                None => return Ok(result),
                Some(_) if round == MAX_ROUNDS => break,
                Some(required) => input = required.answer(call, self.terms.pass_through).await?,
            }
        }
        Err(question::failed(&format!(
            "it asked for input from a person more than {MAX_ROUNDS} times"
        )))
    }

    /// Tells a server of the older era once what to log.
    async fn set_log_level(&self) {
        let has_logging = self.has(|capabilities| capabilities.logging.is_some());
        if !self.is_of_older_era()
            || !has_logging
            || self.log_level_set.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let params = json!({ "level": LOG_LEVEL });
        let request = CustomRequest::new("logging/setLevel", Some(params));
        let options = PeerRequestOptions::no_options();
        // Whether it obeys does not matter, so nobody waits for the answer.
        let _ = self
            .service
            .peer()
            .send_request_with_option(request.into(), options)
            .await;
    }

    fn is_of_older_era(&self) -> bool {
        let info = self.info();
        info.is_none_or(|info| info.protocol_version.has_initialize())
    }

    /// Whether the server declared something.
    fn has(&self, what: impl Fn(&ServerCapabilities) -> bool) -> bool {
        self.info().is_some_and(|info| what(&info.capabilities))
    }

    /// Sends one request and waits for its result, as JSON text. Dropped
    /// half-way, it tells the server that nobody waits any more.
    async fn ask(
        &self,
        mut request: ClientRequest,
        call: Option<&Arc<Call>>,
    ) -> Result<String, Fault> {
        let peer = self.service.peer();
        let mut options = PeerRequestOptions::no_options();
        if let Some(call) = call {
            request.extensions_mut().insert(Ticket(Arc::clone(call)));
            if call.has_callbacks()
                && !self.is_of_older_era()
                && self.has(|capabilities| capabilities.logging.is_some())
            {
                let mut meta = RequestMetaObject::new();
                let key = "io.modelcontextprotocol/logLevel".to_owned();
                meta.0.0.insert(key, LOG_LEVEL.into());
                options = options.with_meta(meta);
            }
        }
        let handle = peer
            .send_request_with_option(request, options)
            .await
            .map_err(|_| self.gone(FaultKind::Unavailable))?;
        let RequestHandle { rx, id, .. } = handle;
        let mut abandoned = Abandoned {
            peer: peer.clone(),
            id: Some(id),
        };
        let answer = rx.await;
        abandoned.id = None;
        match answer {
            Ok(Ok(result)) => frame::text_of(result),
            Ok(Err(ServiceError::McpError(error))) => {
                let redactor = &self.terms.redactor;
                let message = redactor.text(error.message.clone().into_owned());
                let said = ServerError {
                    code: Some(error.code.0.into()),
                    data: frame::data_of(error).map(|data| redactor.json(data)),
                };
                Err(Fault {
                    said: Some(Box::new(said)),
                    ..Fault::new(FaultKind::Failed, message)
                })
            }
            Ok(Err(ServiceError::TransportSend(error))) if self.process.is_none() => {
                let fault = http::fault(error.error.as_ref());
                Err(fault.redacted(&self.terms.redactor))
            }
            Ok(Err(_)) | Err(_) => {
                // What it said last, and how it ended, is known in a moment.
                if let Some(process) = &self.process {
                    process.ended_by_now().await;
                }
                Err(self.gone(FaultKind::OutcomeUnknown))
            }
        }
    }

    fn gone(&self, kind: FaultKind) -> Fault {
        let why = lock(&self.signals.given_up).clone();
        let why = why.map_or(String::new(), |why| format!(" ({why})"));
        let message = match kind {
            FaultKind::Unavailable => format!("the connection to the server is lost{why}"),
            _ => format!(
                "the connection to the server was lost{why}; the call may have taken effect"
            ),
        };
        Fault::new(kind, message).because(self.obituary())
    }
}

/// Tells the server about a request that nobody waits for any more.
struct Abandoned {
    peer: Peer<RoleClient>,
    id: Option<RequestId>,
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let peer = self.peer.clone();
        runtime.spawn(async move {
            let params = CancelledNotificationParam::new(Some(id), None);
            let notification = CancelledNotification::new(params);
            let _ = peer.send_notification(notification.into()).await;
        });
    }
}

/// Why no connection came about.
pub(super) enum StartError {
    /// The process could not be started.
    Spawn(std::io::Error),
    /// The handshake failed; and how the process ended, if it did.
    Handshake(Box<ClientInitializeError>, Option<String>),
}

impl StartError {
    /// Whether a server that knows only the old handshake may have ended
    /// because it was probed.
    pub(super) fn may_be_old_server(&self) -> bool {
        match self {
            Self::Spawn(_) => false,
            Self::Handshake(error, _) => matches!(
                **error,
                ClientInitializeError::ConnectionClosed(_)
                    | ClientInitializeError::TransportError { .. }
                    | ClientInitializeError::JsonRpcError(_)
                    | ClientInitializeError::ExpectedInitResult(_)
            ),
        }
    }

    pub(super) fn into_fault(self, errors: &Errors) -> Fault {
        let unavailable = |message: &str| Fault::new(FaultKind::Unavailable, message);
        let (error, ended) = match self {
            Self::Spawn(error) => {
                return unavailable("it could not be started").because(error.to_string());
            }
            Self::Handshake(error, ended) => (*error, ended),
        };
        if let Some(ended) = ended {
            return unavailable("it ended while it was started")
                .because(with_errors(ended, errors));
        }
        let error = match error {
            ClientInitializeError::LegacyFallbackFailed { fallback, .. } => *fallback,
            error => error,
        };
        match error {
            ClientInitializeError::TransportError { error, context } => {
                let fault = http::fault(error.error.as_ref());
                let detail = fault.detail.unwrap_or_default();
                let message = match fault.message.as_str() {
                    http::LOST => "it did not take part in the handshake",
                    message => message,
                };
                let hint = if message.contains("HTTP 404") || message.contains("HTTP 405") {
                    "; the retired HTTP+SSE transport is not supported"
                } else {
                    ""
                };
                let detail = format!("{context}: {detail}{hint}");
                unavailable(message).because(with_errors(detail, errors))
            }
            error => unavailable("it does not speak MCP as expected")
                .because(with_errors(http::chain(&error), errors)),
        }
    }
}

/// A cause, followed by what the server wrote to its standard error.
pub(super) fn with_errors(cause: String, errors: &Errors) -> String {
    let tail = errors.tail();
    match (cause.is_empty(), tail.is_empty()) {
        (_, true) => cause,
        (true, false) => format!("it wrote:\n{tail}"),
        (false, false) => format!("{cause}; it wrote:\n{tail}"),
    }
}
