//! An MCP server over HTTP, for operators: any `rmcp` [`ServerHandler`], behind
//! authentication, checks of where a request comes from, and bounds.
//!
//! ```no_run
//! # use std::{io, sync::Arc};
//! # use wasm_coordinator::serve::http::{self, Operator, Options, Token};
//! # #[derive(Clone)] struct Handler;
//! # impl rmcp::ServerHandler for Handler {}
//! # struct Gauges;
//! # impl Operator for Gauges {
//! #     fn ready(&self) -> Result<(), String> { Ok(()) }
//! #     fn metrics(&self) -> String { "# EOF\n".into() }
//! # }
//! # async fn run() -> io::Result<()> {
//! let options = Options {
//!     tokens: vec![Token::new(&std::env::var("MY_TOKEN").unwrap_or_default())?],
//!     ..Options::default()
//! };
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
//! let interrupted = async { drop(tokio::signal::ctrl_c().await) };
//! http::serve(listener, || Ok(Handler), options, Arc::new(Gauges), interrupted).await
//! # }
//! ```
//!
//! | route      | what                                                      |
//! |------------|-----------------------------------------------------------|
//! | `/mcp`     | the protocol: Streamable HTTP, both eras                  |
//! | `/health`  | `ok`, to anyone, as long as the process lives             |
//! | `/ready`   | 200 or 503 and what is missing, to anyone                 |
//! | `/metrics` | [`Operator::metrics`], with a token where there are any   |
//!
//! A request passes, in this order: the log ([`TraceId`]), `Host`, `Origin`,
//! authentication ([`Caller`]), the caller's rate, the cap on requests, the
//! size of its body; only then the handler sees it. This module knows neither
//! the tools behind the handler nor the command line.

mod access;
mod answer;
mod auth;
mod body;
mod connections;
mod line_ends;
mod mcp;
mod options;
mod probes;
mod rate;
mod refusal;
mod sessions;
mod stall;
mod token;
mod trace;

use std::{io, sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{
        Response,
        header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
    },
    middleware::{Next, from_fn_with_state},
    routing::{any, get},
};
use rmcp::ServerHandler;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use auth::caller_of;
pub use contract::caller::Caller;
pub use options::{Options, Rate};
pub use probes::Operator;
pub use token::Token;
pub use trace::TraceId;

use access::Access;
use connections::Connection;
use mcp::Endpoint;
use rate::Buckets;
use refusal::Refusal;
use trace::{Record, Who};

/// Serves until `shutdown` completes, and then until nothing is in progress or
/// the [grace time](Options::grace) is over, when what is left is answered
/// with an error.
///
/// A handler is made for each session in the revisions that have sessions, and
/// for each request in the others; [`caller_of`] and [`TraceId::of`] read
/// the extensions of a request's context.
///
/// # Errors
///
/// The options cannot be used, or do not suit the address: see
/// [`Options::check`]. Nothing a client does is one.
pub async fn serve<S: ServerHandler + Send + 'static>(
    listener: TcpListener,
    make_handler: impl Fn() -> io::Result<S> + Send + Sync + 'static,
    options: Options,
    operator: Arc<dyn Operator>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    options.check(listener.local_addr()?)?;
    let options = Arc::new(options);
    let stopping = CancellationToken::new(); // no more connections
    let cut = CancellationToken::new(); // no more time for requests
    let ended = CancellationToken::new(); // all are answered
    // Also when this future is dropped.
    let _ended = ended.clone().drop_guard();
    let gate = Arc::new(Gate {
        access: Access::new(&options)?,
        buckets: Buckets::new(options.rate),
        options: options.clone(),
        operator: operator.clone(),
    });
    let endpoint = Endpoint::new(
        make_handler,
        options.clone(),
        operator.clone(),
        stopping.clone(),
        cut.clone(),
        ended,
    );
    let router = router(gate, endpoint, operator.clone(), stopping.clone());
    connections::serve(
        listener,
        router,
        &options,
        &operator,
        shutdown,
        (stopping, cut),
    )
    .await;
    Ok(())
}

/// What every request passes before it is served.
struct Gate {
    access: Access,
    buckets: Buckets,
    options: Arc<Options>,
    operator: Arc<dyn Operator>,
}

fn router<S: ServerHandler + Send + 'static>(
    gate: Arc<Gate>,
    endpoint: Endpoint<S>,
    operator: Arc<dyn Operator>,
    stopping: CancellationToken,
) -> Router {
    let endpoint = Arc::new(endpoint);
    let mcp = any(move |request: Request| {
        let endpoint = endpoint.clone();
        async move { endpoint.answer(request).await }
    });
    let counts = operator.clone();
    let metrics = get(async move || probes::metrics(&counts)).fallback(wrong_method);
    let ready = get(async move || probes::ready(&operator, stopping.is_cancelled()));
    Router::new()
        .route("/mcp", mcp)
        .route("/metrics", metrics)
        .route_layer(from_fn_with_state(gate.clone(), authenticate))
        .route("/ready", ready.fallback(wrong_method))
        .route(
            "/health",
            get(async || probes::health()).fallback(wrong_method),
        )
        .fallback(async || Refusal::not_found().response())
        .layer(gate.access.cors())
        .layer(from_fn_with_state(gate, admit))
}

async fn wrong_method() -> Response<Body> {
    Refusal::method("GET, HEAD").response()
}

/// Logs the request, and refuses it if it comes from where none may.
async fn admit(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response<Body> {
    let trace = TraceId::from_headers(request.headers());
    let who = Who::default();
    let connection = request.extensions().get::<Connection>().cloned();
    let busy = connection.as_ref().map(Connection::busy);
    let path = request.uri().path();
    let mut record = Record::new(trace, request.method(), path, who.clone(), busy);
    let framing = Framing::of(&request);
    let allowed = match &framing {
        Framing::Both => Err(Refusal::bad_request(
            "the length of the body is given in two ways",
        )),
        // A constant text, for probes that know no name of this server.
        _ if path == "/health" => Ok(()),
        _ => connection
            .ok_or_else(Refusal::internal)
            .and_then(|connection| {
                let headers = request.headers();
                let refused = |why| gate.operator.refused(why);
                gate.access
                    .host(request.uri(), headers, connection.local())
                    .inspect_err(|_| refused("host"))?;
                gate.access
                    .origin(headers)
                    .inspect_err(|_| refused("origin"))
            }),
    };
    request.extensions_mut().insert(trace);
    request.extensions_mut().insert(who);
    let span = tracing::info_span!("request", %trace);
    let mut response = match allowed {
        Ok(()) => next.run(request).instrument(span).await,
        Err(refusal) => refuse(request, &refusal),
    };
    if matches!(framing, Framing::Chunked) {
        // A length beside it may have been dropped by the parser. Nothing that
        // follows on the connection is believed.
        response
            .headers_mut()
            .insert(CONNECTION, axum::http::HeaderValue::from_static("close"));
    }
    record.answered(response.status());
    if answer::is_stream(response.headers()) {
        response = response.map(|body| answer::holding(body, record));
    }
    response
}

fn refuse(request: Request, refusal: &Refusal) -> Response<Body> {
    body::discard(request.into_body());
    refusal.response()
}

/// How a request says where its body ends.
enum Framing {
    Length,
    Chunked,
    /// In two ways, which is how requests are smuggled past a proxy.
    Both,
}

impl Framing {
    fn of(request: &Request) -> Self {
        let headers = request.headers();
        match (
            headers.contains_key(TRANSFER_ENCODING),
            headers.contains_key(CONTENT_LENGTH),
        ) {
            (true, true) => Self::Both,
            (true, false) => Self::Chunked,
            (false, _) => Self::Length,
        }
    }
}

/// Finds out who calls, and whether they may now.
async fn authenticate(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let known = auth::caller(request.headers(), &gate.options.tokens);
    let caller = known.unwrap_or(Caller::STRANGER);
    if let Some(who) = request.extensions().get::<Who>() {
        who.is(caller);
    }
    if let Err(retry) = gate.buckets.take(caller, Instant::now()) {
        gate.operator.limited("rate");
        return refuse(request, &Refusal::too_often(retry));
    }
    if known.is_none() {
        gate.operator.refused("token");
        return refuse(request, &Refusal::unauthorized());
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}
