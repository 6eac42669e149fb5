//! What becomes of an answer of `rmcp` before it is sent: errors in our words,
//! and streams that end when the server stops.

use std::borrow::Cow;

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, HeaderValue, Response, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE},
    },
};
use contract::json::unmarked_text as unmarked;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;
use crate::serve::message::Kind;

/// Of an error that is read to see what it is. Longer ones quote the request.
const MAX_ERROR: usize = 16 << 10;

pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// The answer, with errors that quote the request or explain the library
/// replaced by ours.
pub(super) async fn refine(
    response: Response<Body>,
    kind: Option<&Kind>,
    version: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return Ok(with_digits(response).await);
    }
    let json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == "application/json");
    match status {
        StatusCode::BAD_REQUEST if json => refine_bad_request(response, kind).await,
        _ if json => Ok(response),
        StatusCode::BAD_REQUEST => Err(match version {
            Some(version) if !is_known(version) => Refusal::version(Some(version)),
            _ => Refusal::invalid("the Mcp-Session-Id header is missing; initialize a session"),
        }),
        StatusCode::NOT_FOUND => Err(Refusal::no_session()),
        StatusCode::METHOD_NOT_ALLOWED => {
            let all = response
                .headers()
                .get(ALLOW)
                .is_some_and(|allow| allow != "POST");
            Err(Refusal::method(if all {
                "GET, POST, DELETE"
            } else {
                "POST"
            }))
        }
        StatusCode::NOT_ACCEPTABLE => Err(Refusal::not_acceptable()),
        StatusCode::PAYLOAD_TOO_LARGE => Err(Refusal::too_large()),
        // The media type was looked at before: this says that the message
        // could not be read.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Err(Refusal::invalid(
            "the body is not a message of the protocol, or is nested too deeply",
        )),
        _ => Err(Refusal::internal()),
    }
}

async fn refine_bad_request(
    response: Response<Body>,
    kind: Option<&Kind>,
) -> Result<Response<Body>, Refusal> {
    #[derive(Deserialize)]
    struct Message {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        code: i32,
    }
    let (parts, body) = response.into_parts();
    let mismatch = Refusal::header("a header of the protocol is missing or contradicts the body");
    let Ok(bytes) = axum::body::to_bytes(body, MAX_ERROR).await else {
        return Err(mismatch);
    };
    let code = serde_json::from_slice(&bytes).map_or(0, |message: Message| message.error.code);
    match (code, kind) {
        (-32020, _) => Err(mismatch),
        (-32600, Some(Kind::Response)) => Err(Refusal::invalid(
            "an answer belongs to a session, and this request names none",
        )),
        (-32600, _) => Err(Refusal::invalid(
            "the MCP-Protocol-Version header contradicts the body",
        )),
        _ => Ok(Response::from_parts(parts, Body::from(bytes))),
    }
}

fn is_known(version: &str) -> bool {
    rmcp::model::ProtocolVersion::KNOWN_VERSIONS
        .iter()
        .any(|known| known.as_str() == version)
}

/// The answer with the digits of numbers that were marked. An event comes in
/// one piece, so that no mark is in two.
pub(super) async fn with_digits(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if is_stream(&parts.headers) {
        let chunks = body.into_data_stream();
        let chunks = chunks.map(|chunk| chunk.map(with_digits_of));
        return Response::from_parts(parts, Body::from_stream(chunks));
    }
    // Made by us, and in memory already.
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Refusal::internal().response();
    };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(with_digits_of(bytes)))
}

fn with_digits_of(bytes: Bytes) -> Bytes {
    match std::str::from_utf8(&bytes) {
        Ok(text) => match unmarked(text) {
            Cow::Borrowed(_) => bytes,
            Cow::Owned(text) => text.into(),
        },
        Err(_) => bytes,
    }
}

/// The stream until `end`, and then `last`. What it came from is dropped, so
/// that whoever produces it is cancelled.
pub(super) fn until(body: Body, end: CancellationToken, last: Option<Bytes>) -> Body {
    let state = Some((body.into_data_stream(), end, last));
    Body::from_stream(stream::unfold(state, async |state| {
        let (mut chunks, end, last) = state?;
        tokio::select! {
            // What is there already is sent before the end.
            biased;
            chunk = chunks.next() => chunk.map(|chunk| (chunk, Some((chunks, end, last)))),
            () = end.cancelled() => last.map(|last| (Ok(last), None)),
        }
    }))
}

/// The body, holding something until it has been sent or dropped.
pub(super) fn holding<T: Send + 'static>(body: Body, held: T) -> Body {
    Body::from_stream(body.into_data_stream().map(move |chunk| {
        let _ = &held;
        chunk
    }))
}

/// A refusal as an event of a stream.
pub(super) fn event(refusal: &Refusal) -> Bytes {
    Bytes::from(format!("data: {}\n\n", refusal.message()))
}

/// What there is to say to messages that need no answer.
pub(super) fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// Streams of events as one.
pub(super) fn together(streams: Vec<Body>) -> Response<Body> {
    let chunks = streams.into_iter().map(Body::into_data_stream);
    let mut response = Response::new(Body::from_stream(stream::select_all(chunks)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
