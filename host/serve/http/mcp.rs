//! `/mcp`: Streamable HTTP, in both eras of the protocol.
//!
//! `rmcp` speaks the protocol. What stands before it here: one message in each
//! request, read within bounds; sessions of the caller only; a cap on what is
//! in progress; and an end to everything that is open when the server stops.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, COOKIE},
        request::Parts,
    },
};
use contract::caller::Caller;
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService},
};
use tokio_util::sync::CancellationToken;

use super::{
    answer,
    body::{self, Content},
    options::Options,
    probes::Operator,
    refusal::Refusal,
    sessions::{InUse, OPENING, Opening, Sessions},
};
use crate::serve::{
    message::{Kind, readable_call},
    shares::{Share, Shares},
};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Two of one of these could be read in two ways.
const SINGLE: [&str; 5] = [
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
];

/// Versions are dates. One that is unknown comes back in the error.
const MAX_VERSION: usize = 32;

/// Names no session: ids of sessions are longer.
const NO_SESSION: HeaderValue = HeaderValue::from_static("none");

pub(super) struct Endpoint<S> {
    service: StreamableHttpService<S, Sessions>,
    sessions: Arc<Sessions>,
    options: Arc<Options>,
    operator: Arc<dyn Operator>,
    requests: Shares,
    streams: Shares,
    /// The server was told to stop.
    stopping: CancellationToken,
    /// The grace time is over.
    cut: CancellationToken,
}

impl<S: ServerHandler + Send + 'static> Endpoint<S> {
    pub(super) fn new(
        make_handler: impl Fn() -> Result<S, std::io::Error> + Send + Sync + 'static,
        options: Arc<Options>,
        operator: Arc<dyn Operator>,
        stopping: CancellationToken,
        cut: CancellationToken,
        ended: CancellationToken,
    ) -> Self {
        let sessions = Arc::new(Sessions::new(options.sessions, options.session_idle));
        let config = StreamableHttpServerConfig::default()
            // Both are checked for every route, and more strictly: see `access`.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(options.max_body)
            // One answer and nothing else needs no stream.
            .with_json_response(true)
            // Ends what is left of sessions. Later than `cut`, so that requests
            // are answered by us first.
            .with_cancellation_token(ended);
        Self {
            service: StreamableHttpService::new(make_handler, sessions.clone(), config),
            requests: Shares::new(options.requests),
            streams: Shares::new(options.streams),
            sessions,
            options,
            operator,
            stopping,
            cut,
        }
    }

    pub(super) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let answer = match *request.method() {
            Method::POST => self.post(request).await,
            Method::GET => self.stream(request).await,
            Method::DELETE => self.delete(request).await,
            _ => Err(Refusal::method("GET, POST, DELETE")),
        };
        answer.unwrap_or_else(|refusal| {
            if refusal.status == StatusCode::PAYLOAD_TOO_LARGE {
                self.operator.limited("body");
            }
            refusal.response()
        })
    }

    /// What a client sends: one message, or a batch where there are batches.
    async fn post(&self, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        let (mut parts, body) = request.into_parts();
        let (caller, session, mut permit) = match self.enter_to_post(&mut parts) {
            Ok(entered) => entered,
            Err(refusal) => {
                body::discard(body);
                return Err(refusal);
            }
        };
        let (max_bytes, time) = (self.options.max_body, self.options.body_timeout);
        let body = body::read(body, max_bytes, time).await?;
        let batches = session.is_some() && has_batches(&parts.headers);
        let response = match body::content(&body, batches)? {
            Content::Message(kind @ Kind::Request { listens: true, .. }) => {
                permit = self
                    .permit(&self.streams, caller, 1, "streams")
                    .map_err(|refusal| refusal.to(kind.id()))?;
                let whose = (caller, session.as_ref());
                self.message(parts, body, whose, kind, &self.stopping)
                    .await?
            }
            Content::Message(kind) => {
                let whose = (caller, session.as_ref());
                self.message(parts, body, whose, kind, &self.cut).await?
            }
            Content::Batch(messages) => {
                permit.merge(self.permit(
                    &self.requests,
                    caller,
                    messages.len() - 1,
                    "requests",
                )?);
                let whose = (caller, session.as_ref());
                self.batch(&parts, messages, whose).await?
            }
        };
        Ok(held(response, (permit, session)))
    }

    /// One message, until `end`.
    async fn message(
        &self,
        parts: Parts,
        body: Bytes,
        (caller, session): (Caller, Option<&InUse>),
        kind: Kind,
        end: &CancellationToken,
    ) -> Result<Response<Body>, Refusal> {
        let id = kind.id();
        let id_in_use = match (&id, session) {
            (Some(id), Some(session)) => Some(session.take_id(id).ok_or_else(|| {
                let message = "this id is in use by a request that is not answered yet";
                Refusal::invalid(message).to(Some(id.clone()))
            })?),
            _ => None,
        };
        let body = readable(body, &kind);
        let request = Request::from_parts(parts, Body::from(body));
        let response = tokio::select! {
            biased;
            response = self.handle(request, caller, Some(&kind)) => {
                response.map_err(|refusal| refusal.to(id.clone()))?
            }
            () = end.cancelled() => return Err(Refusal::stopping().to(id)),
        };
        let last = id.map(|id| answer::event(&Refusal::stopping().to(Some(id))));
        Ok(held(until(response, end, last), id_in_use))
    }

    /// Messages that came together; the answers go together into one stream,
    /// each when it is there.
    async fn batch(
        &self,
        parts: &Parts,
        messages: Vec<(Bytes, Result<Kind, Refusal>)>,
        whose: (Caller, Option<&InUse>),
    ) -> Result<Response<Body>, Refusal> {
        let mut answers = Vec::new();
        for (body, kind) in messages {
            let answer = match kind {
                Ok(kind) => {
                    self.message(parts.clone(), body, whose, kind, &self.cut)
                        .await
                }
                Err(refusal) => Err(refusal),
            };
            match answer {
                Ok(response) if answer::is_stream(response.headers()) => {
                    answers.push(response.into_body());
                }
                Ok(response) if response.status().is_success() => {}
                // Sessions answer in streams; whatever else this is, it is not
                // of this message alone.
                Ok(response) => return Ok(response),
                Err(refusal) => answers.push(Body::from(answer::event(&refusal))),
            }
        }
        if answers.is_empty() {
            return Ok(answer::accepted());
        }
        Ok(answer::together(answers))
    }

    /// A stream of messages that belong to no request.
    async fn stream(&self, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        let (mut parts, _) = request.into_parts();
        let (caller, session) = self.enter(&mut parts)?;
        let permit = self.permit(&self.streams, caller, 1, "streams")?;
        let request = Request::from_parts(parts, Body::empty());
        let response = self.handle(request, caller, None).await?;
        let response = until(response, &self.stopping, None);
        Ok(held(response, (permit, session)))
    }

    /// The end of a session.
    async fn delete(&self, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        let (mut parts, _) = request.into_parts();
        let (caller, session) = self.enter(&mut parts)?;
        let request = Request::from_parts(parts, Body::empty());
        let response = self.handle(request, caller, None).await?;
        match session {
            Some(_) => Ok(response),
            // Closing what does not exist succeeds in `rmcp`.
            None if response.status().is_success() => Err(Refusal::no_session()),
            None => Ok(response),
        }
    }

    async fn handle(
        &self,
        request: Request<Body>,
        caller: Caller,
        kind: Option<&Kind>,
    ) -> Result<Response<Body>, Refusal> {
        let version = request.headers().get(VERSION).cloned();
        let version = version.as_ref().and_then(|version| version.to_str().ok());
        let opening = Opening::of(caller);
        let response = OPENING
            .scope(opening.clone(), self.service.handle(request))
            .await;
        if opening.refused() {
            self.operator.limited("sessions");
            return Err(Refusal::busy("too many sessions are open"));
        }
        answer::refine(response.map(Body::new), kind, version).await
    }

    /// Whose request it is, and its session if it names one of theirs. What
    /// handlers must not see is taken out.
    fn enter(&self, parts: &mut Parts) -> Result<(Caller, Option<InUse>), Refusal> {
        for name in SINGLE {
            if parts.headers.get_all(name).iter().nth(1).is_some() {
                return Err(Refusal::header("a header of the protocol appears twice"));
            }
        }
        if let Some(version) = parts.headers.get(VERSION) {
            let version = version.as_bytes();
            if version.len() > MAX_VERSION || !version.iter().all(u8::is_ascii_graphic) {
                return Err(Refusal::version(None));
            }
        }
        // Handlers may log what they are given.
        parts.headers.remove(AUTHORIZATION);
        parts.headers.remove(COOKIE);
        let caller = parts.extensions.get().copied().unwrap_or(Caller::STRANGER);
        let Some(id) = parts.headers.get(SESSION) else {
            return Ok((caller, None));
        };
        let session = id
            .to_str()
            .ok()
            .and_then(|id| self.sessions.enter(id, caller));
        if session.is_none() {
            // Another caller's session looks like one that never was.
            parts.headers.insert(SESSION, NO_SESSION);
        }
        Ok((caller, session))
    }

    /// The same, with a permit for what is to be done.
    fn enter_to_post(&self, parts: &mut Parts) -> Result<(Caller, Option<InUse>, Share), Refusal> {
        let (caller, session) = self.enter(parts)?;
        if !is_json(&parts.headers) {
            return Err(Refusal::media_type());
        }
        let permit = self.permit(&self.requests, caller, 1, "requests")?;
        Ok((caller, session, permit))
    }

    /// A share of what there is for all callers.
    fn permit(
        &self,
        shares: &Shares,
        caller: Caller,
        count: usize,
        bound: &'static str,
    ) -> Result<Share, Refusal> {
        shares.take(caller, count).ok_or_else(|| {
            self.operator.limited(bound);
            Refusal::busy("too many requests are in progress")
        })
    }
}

/// The body as it is read: see [`readable_call`].
fn readable(body: Bytes, kind: &Kind) -> Bytes {
    if !matches!(kind, Kind::Request { .. }) {
        return body;
    }
    let text = std::str::from_utf8(&body).ok();
    match text.and_then(readable_call) {
        Some(readable) => Bytes::from(readable),
        None => body,
    }
}

/// A stream ends at the latest then, with `last`.
fn until(response: Response<Body>, end: &CancellationToken, last: Option<Bytes>) -> Response<Body> {
    if !answer::is_stream(response.headers()) {
        return response;
    }
    response.map(|body| answer::until(body, end.clone(), last))
}

/// A stream holds its permit until it ends; anything else is complete.
fn held<T: Send + 'static>(response: Response<Body>, held: T) -> Response<Body> {
    if !answer::is_stream(response.headers()) {
        return response;
    }
    response.map(|body| answer::holding(body, held))
}

/// Only one revision has batches. It has no header for its version yet.
fn has_batches(headers: &HeaderMap) -> bool {
    headers
        .get(VERSION)
        .is_none_or(|version| version == "2025-03-26")
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next();
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}
