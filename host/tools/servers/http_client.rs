//! The HTTP below `rmcp`: one POST for each message, the answer as JSON or as
//! a stream of events.
//!
//! `rmcp` brings a client of its own; this one exists for the reasons of
//! [`super::frame`], and because every body is bounded by what the operator
//! allows. Resuming a stream and ending a session are left to `rmcp`.

use std::{collections::HashMap, pin::Pin, sync::Arc, task::Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use rmcp::{
    model::{
        ClientJsonRpcMessage, ClientRequest, ErrorData, GetExtensions as _, JsonRpcMessage,
        ListToolsResult, RequestId, ServerJsonRpcMessage, ServerResult, Tool,
    },
    transport::streamable_http_client::{
        StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
    },
};
use serde_json::{Value, value::RawValue};
use sse_stream::{Error as SseError, Sse, SseStream};

use contract::text::one_line;

use super::{
    Redactor,
    call::{Call, Ticket},
    fields::fields,
    frame::{self, Asked, Frame},
    stdio::{Signals, too_long},
};

type Failure = StreamableHttpError<reqwest::Error>;
type Headers = HashMap<HeaderName, HeaderValue>;

const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";
const SESSION: &str = "mcp-session-id";

/// The body of a failure that is looked at.
const MAX_FAILURE: usize = 64 << 10;

/// Bytes of what is said of it, and of one header.
const MAX_SAID: usize = 1 << 10;
const MAX_HEADER: usize = 100;

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    /// Bytes of one message.
    pub(super) longest: usize,
    /// What is worth knowing about the connection this is for.
    pub(super) signals: Arc<Signals>,
    /// For what is cut here.
    pub(super) redactor: Arc<Redactor>,
}

impl StreamableHttpClient for Client {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let question = Question::of(&message);
        let mut call = None;
        if let JsonRpcMessage::Request(request) = &message {
            self.signals.calls.sending(&request.request);
            let ticket = request.request.extensions().get::<Ticket>();
            call = ticket.map(|Ticket(call)| Arc::clone(call));
        }
        let mut request = self
            .http
            .post(uri.as_ref())
            .header(ACCEPT, format!("{EVENTS}, {JSON}"))
            .header(CONTENT_TYPE, JSON)
            .body(frame::written(message)?);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let has_session = session.is_some();
        if let Some(session) = session {
            request = request.header(SESSION, session.as_ref());
        }
        let response = unless_dropped(call.as_deref(), request.send()).await?;
        let status = response.status();
        if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            let Some(question) = question.filter(|question| question.is_of_call()) else {
                return Ok(StreamableHttpPostResponse::Accepted);
            };
            let why = format!(
                "the server took the call and gave no answer (HTTP {}); it may have taken effect",
                status.as_u16()
            );
            let answer = frame::unknown(question.id, question.asked, &why);
            return Ok(StreamableHttpPostResponse::Json(answer, None));
        }
        if status == StatusCode::NOT_FOUND && has_session {
            return Err(StreamableHttpError::SessionExpired);
        }
        if !status.is_success() {
            return self.failure(response, question, has_session).await;
        }
        let session = response.headers().get(SESSION);
        let session = session.and_then(|id| Some(id.to_str().ok()?.to_owned()));
        match (kind(&response), question) {
            (Some(Kind::Events), question) => {
                let signals = Arc::clone(&self.signals);
                let events = events(response, self.longest).map(move |event| {
                    let event = event.map(|event| heard(&signals, event));
                    match &question {
                        Some(question) => event.map(|event| question.rewritten(event)),
                        None => event,
                    }
                });
                Ok(StreamableHttpPostResponse::Sse(events.boxed(), session))
            }
            // Nothing was asked, so whatever came is no answer.
            (_, None) => Ok(StreamableHttpPostResponse::Accepted),
            (Some(Kind::Json), Some(question)) => {
                let body = match body(response, self.longest).await {
                    Err(StreamableHttpError::ResponseBodyTooLarge { max_size })
                        if question.is_of_call() =>
                    {
                        let answer = question.unusable(&too_long(max_size));
                        return Ok(StreamableHttpPostResponse::Json(answer, session));
                    }
                    body => body?,
                };
                let message = match question.answer(&body) {
                    Some(answer) => answer,
                    None if question.is_of_call() => question.unusable(why_none(&body)),
                    None => {
                        let text = "the body is no answer to the request";
                        return Err(StreamableHttpError::UnexpectedServerResponse(text.into()));
                    }
                };
                Ok(StreamableHttpPostResponse::Json(message, session))
            }
            (None, Some(question)) if question.is_of_call() => {
                let why = match response.headers().get(CONTENT_TYPE) {
                    None if response.content_length() == Some(0) => "is empty".to_owned(),
                    None => "does not say that it is JSON".to_owned(),
                    Some(kind) => {
                        let kind = self.redactor.bytes(kind.as_bytes());
                        let kind: String = kind.chars().take(80).collect();
                        format!("is `{}` and not JSON", kind.escape_debug())
                    }
                };
                let answer = question.unusable(&why);
                Ok(StreamableHttpPostResponse::Json(answer, session))
            }
            (None, Some(_)) => {
                let found = response.headers().get(CONTENT_TYPE);
                let found = found.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
                Err(StreamableHttpError::UnexpectedContentType(found))
            }
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<(), Failure> {
        self.http.delete_session(uri, session, token, headers).await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let events = self
            .http
            .get_stream_with_max_sse_event_size(
                uri,
                session,
                last_event,
                token,
                headers,
                self.longest,
            )
            .await?;
        let signals = Arc::clone(&self.signals);
        let events = events.map(move |event| event.map(|event| heard(&signals, event)));
        Ok(events.boxed())
    }
}

/// Sends the request of a call, unless nobody waits for it any more.
async fn unless_dropped(
    call: Option<&Call>,
    sending: impl Future<Output = reqwest::Result<Response>>,
) -> Result<Response, Failure> {
    let Some(call) = call else {
        return Ok(sending.await?);
    };
    let dropped = || StreamableHttpError::UnexpectedServerResponse("nobody waits for it".into());
    if !call.is_written_now() {
        return Err(dropped());
    }
    tokio::select! {
        biased;
        response = sending => Ok(response?),
        () = call.dropped() => Err(dropped()),
    }
}

/// Why a body is no answer to a call.
fn why_none(body: &[u8]) -> &'static str {
    match Frame::read(body) {
        _ if body.trim_ascii().is_empty() => "is empty",
        None => "is no JSON, or only a part of it",
        Some(frame) if frame.method.is_some() => "is a message of another kind",
        Some(frame) if frame.id.is_none() => "has no id",
        Some(_) => "has the id of another request",
    }
}

/// The same event, emptied if it was for the callbacks of calls. Its id still
/// counts.
fn heard(signals: &Signals, mut event: Sse) -> Sse {
    let frame = event
        .data
        .as_deref()
        .and_then(|data| Frame::read(data.as_bytes()));
    let is_taken = match frame {
        Some(frame) if frame.id.is_none() => frame
            .method
            .is_some_and(|method| signals.calls.take(&method, frame.params)),
        _ => false,
    };
    if is_taken {
        event.data = None;
    }
    event
}

/// What the answer to a request has to be.
#[derive(Clone)]
struct Question {
    id: RequestId,
    asked: Asked,
    is_probe: bool,
}

impl Question {
    fn of(message: &ClientJsonRpcMessage) -> Option<Self> {
        match message {
            JsonRpcMessage::Request(request) => Some(Self {
                id: request.id.clone(),
                asked: Asked::of(&request.request),
                is_probe: matches!(request.request, ClientRequest::DiscoverRequest(_)),
            }),
            _ => None,
        }
    }

    /// Whether somebody waits for it who can be told what is wrong with the
    /// answer.
    fn is_of_call(&self) -> bool {
        self.asked == Asked::Other
    }

    /// In place of an answer with which something is wrong.
    fn unusable(&self, why: &str) -> ServerJsonRpcMessage {
        let why = format!("the server's answer {why}");
        frame::unusable(self.id.clone(), self.asked, &why)
    }

    /// The answer in a body or an event, if it is one.
    fn answer(&self, text: &[u8]) -> Option<ServerJsonRpcMessage> {
        let frame = Frame::read(text)?;
        if frame.method.is_some() {
            return None;
        }
        let id = frame.id?.get().trim_matches('"');
        if id != self.id.to_string().trim_matches('"') {
            return None;
        }
        if self.asked == Asked::List
            && let Some(result) = frame.result
            && let Some(tools) = usable_tools(result)
        {
            let result = ServerResult::ListToolsResult(tools);
            return Some(JsonRpcMessage::response(result, self.id.clone()));
        }
        Some(frame.answer(self.id.clone(), self.asked))
    }

    /// The same event, with an answer in the form that passes `rmcp` unread.
    fn rewritten(&self, mut event: Sse) -> Sse {
        let answer = event.data.as_ref().and_then(|data| {
            let answer = self.answer(data.as_bytes());
            let is_other = self.is_of_call() && is_no_message(data);
            answer.or_else(|| is_other.then(|| self.unusable("is no JSON, or only a part of it")))
        });
        if let Some(Ok(data)) = answer.map(|answer| serde_json::to_string(&answer)) {
            event.data = Some(data);
        }
        event
    }
}

/// The tools that `rmcp` can read. It has to see them as they are, because it
/// repeats annotated arguments in headers; the others are left out here.
fn usable_tools(result: &RawValue) -> Option<ListToolsResult> {
    let [tools, cursor] = fields(result.get().as_bytes(), ["tools", "nextCursor"]).ok()?;
    let tools: Vec<&RawValue> = serde_json::from_str(tools?.get()).ok()?;
    let count = tools.len();
    // By way of a value, which takes fields that are there twice.
    let usable = tools.iter().filter_map(|tool| {
        let tool: Value = serde_json::from_str(tool.get()).ok()?;
        serde_json::from_value::<Tool>(tool).ok()
    });
    let mut tools = ListToolsResult::with_all_items(usable.collect());
    tools.next_cursor = cursor.and_then(|cursor| serde_json::from_str(cursor.get()).ok()?);
    let left_out = count - tools.tools.len();
    if left_out > 0 {
        tracing::warn!(left_out, "a server lists tools that cannot be read");
    }
    Some(tools)
}

/// Whether the data of an event is no message of the protocol at all.
fn is_no_message(data: &str) -> bool {
    !data.trim().is_empty() && Frame::read(data.as_bytes()).is_none()
}

impl Client {
    /// What a status that is no success means.
    async fn failure(
        &self,
        response: Response,
        question: Option<Question>,
        has_session: bool,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let status = response.status();
        let is_json = kind(&response) == Some(Kind::Json);
        let said = Said::of(&response, &self.redactor);
        let body = body(response, MAX_FAILURE).await.unwrap_or_default();
        let is_refusal = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if let Some(question) = question
            && !is_refusal
        {
            let error = Frame::read(&body).and_then(|frame| frame.error_data(question.asked));
            // A server of the old era, or what stands in front of it, says to the
            // probe that it is no request.
            let is_old = question.is_probe && !has_session && status.is_client_error();
            let error = match error {
                Some(error) if is_json || is_old => Some(error),
                None if is_old => Some(ErrorData::invalid_request(format!("HTTP {status}"), None)),
                _ => None,
            };
            if let Some(error) = error {
                let message = JsonRpcMessage::error(error, Some(question.id));
                return Ok(StreamableHttpPostResponse::Json(message, None));
            }
        }
        Err(StreamableHttpError::UnexpectedServerResponse(
            format!("HTTP {status}{}", said.with(&self.redactor.bytes(&body))).into(),
        ))
    }
}

/// What a server says in words about a failure.
struct Said {
    retry_after: Option<String>,
    is_text: bool,
}

impl Said {
    fn of(response: &Response, redactor: &Redactor) -> Self {
        let header = |name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(one_line(&redactor.text(value.to_owned()), MAX_HEADER))
        };
        // A page of HTML is for people with a browser.
        let is_text = header(CONTENT_TYPE).is_none_or(|kind| {
            kind.starts_with("text/plain") || kind.contains("json") || kind.is_empty()
        });
        Self {
            retry_after: header(RETRY_AFTER),
            is_text,
        }
    }

    /// In one line behind the status.
    fn with(&self, body: &str) -> String {
        let mut text = String::new();
        if let Some(retry_after) = &self.retry_after {
            text.push_str(&format!(", `Retry-After: {retry_after}`"));
        }
        if self.is_text && !body.trim().is_empty() {
            text.push_str(&format!(": {}", one_line(body.trim(), MAX_SAID)));
        }
        text
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Events,
}

fn kind(response: &Response) -> Option<Kind> {
    let kind = response.headers().get(CONTENT_TYPE)?.as_bytes();
    match kind {
        _ if kind.starts_with(EVENTS.as_bytes()) => Some(Kind::Events),
        _ if kind.starts_with(JSON.as_bytes()) => Some(Kind::Json),
        _ => None,
    }
}

/// A body of bounded length.
async fn body(mut response: Response, longest: usize) -> Result<Vec<u8>, Failure> {
    let too_large = || StreamableHttpError::ResponseBodyTooLarge { max_size: longest };
    if response
        .content_length()
        .is_some_and(|length| length > longest as u64)
    {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > longest {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The events of a body, each of bounded length.
fn events(response: Response, longest: usize) -> impl Stream<Item = Result<Sse, SseError>> + Send {
    let bytes = response
        .bytes_stream()
        .map(|chunk| chunk.map_err(std::io::Error::other));
    SseStream::from_bytes_stream(BoundedEvents::new(bytes.boxed(), longest))
}

/// A stream of bytes that ends when an event gets too long.
struct BoundedEvents {
    bytes: BoxStream<'static, std::io::Result<Bytes>>,
    since_blank_line: usize,
    /// Bytes of the current line, without what ends lines.
    line: usize,
    longest: usize,
}

impl BoundedEvents {
    fn new(bytes: BoxStream<'static, std::io::Result<Bytes>>, longest: usize) -> Self {
        Self {
            bytes,
            since_blank_line: 0,
            line: 0,
            longest,
        }
    }
}

impl Stream for BoundedEvents {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        let chunk = match std::task::ready!(self.bytes.poll_next_unpin(context)) {
            Some(Ok(chunk)) => chunk,
            end => return Poll::Ready(end),
        };
        for &byte in &chunk {
            match byte {
                b'\n' if self.line == 0 => self.since_blank_line = 0,
                b'\n' => self.line = 0,
                b'\r' => {}
                _ => {
                    self.line += 1;
                    self.since_blank_line += 1;
                }
            }
            if self.since_blank_line > self.longest {
                let text = format!("an event has more than {} bytes", self.longest);
                return Poll::Ready(Some(Err(std::io::Error::other(text))));
            }
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &'static str, longest: usize) -> Result<usize, String> {
        let chunks = text
            .as_bytes()
            .chunks(3)
            .map(|chunk| Ok(Bytes::from_static(chunk)));
        let chunks = futures_util::stream::iter(chunks).boxed();
        let mut events = BoundedEvents::new(chunks, longest);
        let mut bytes = 0;
        while let Some(chunk) = events.next().await {
            bytes += chunk.map_err(|error| error.to_string())?.len();
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn each_event_is_bounded_and_their_number_is_not() {
        let text = "data: 12\n\ndata: 34\r\n\r\n: note\n\ndata: 56\n\n";
        assert_eq!(read(text, 8).await, Ok(text.len()));
        let too_long = Err("an event has more than 7 bytes".to_owned());
        assert_eq!(read(text, 7).await, too_long);
        assert_eq!(read("data: endless", 7).await, too_long);
    }

    fn question(asked: Asked) -> Question {
        Question {
            id: RequestId::Number(7),
            asked,
            is_probe: false,
        }
    }

    #[test]
    fn only_the_answer_to_the_request_is_taken_for_it() {
        let question = question(Asked::Other);
        assert!(
            question
                .answer(br#"{"jsonrpc":"2.0","id":7,"result":{}}"#)
                .is_some()
        );
        assert!(
            question
                .answer(br#"{"jsonrpc":"2.0","id":"7","result":{}}"#)
                .is_some()
        );
        for other in [
            r#"{"jsonrpc":"2.0","id":8,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#,
            "rubbish",
        ] {
            assert!(question.answer(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn one_unreadable_tool_does_not_hide_the_others() {
        let text = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","tools":[
            {"name":"good","inputSchema":{}},{"name":"bad","inputSchema":true}],"nextCursor":"2"}}"#;
        let Some(JsonRpcMessage::Response(response)) =
            question(Asked::List).answer(text.as_bytes())
        else {
            panic!("it is an answer");
        };
        let ServerResult::ListToolsResult(tools) = response.result else {
            panic!("it is a list of tools");
        };
        assert_eq!(tools.tools.len(), 1);
        assert_eq!(tools.next_cursor.as_deref(), Some("2"));
    }
}
