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
    header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue},
};
use rmcp::{
    model::{
        ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, ListToolsResult, RequestId,
        ServerJsonRpcMessage, ServerResult, Tool,
    },
    transport::streamable_http_client::{
        StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;
use sse_stream::{Error as SseError, Sse, SseStream};

use super::{
    frame::{self, Asked, Frame},
    stdio::Signals,
};

type Failure = StreamableHttpError<reqwest::Error>;
type Headers = HashMap<HeaderName, HeaderValue>;

const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";
const SESSION: &str = "mcp-session-id";

/// The body of a failure that is looked at.
const MAX_FAILURE: usize = 64 << 10;

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    /// Bytes of one message.
    pub(super) longest: usize,
    /// What is worth knowing about the connection this is for.
    pub(super) signals: Arc<Signals>,
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
        if let JsonRpcMessage::Request(request) = &message {
            self.signals.calls.sending(&request.request);
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
        let response = request.send().await?;
        let status = response.status();
        if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if status == StatusCode::NOT_FOUND && has_session {
            return Err(StreamableHttpError::SessionExpired);
        }
        if !status.is_success() {
            return failure(response, question, has_session).await;
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
                let body = body(response, self.longest).await?;
                let message = question.answer(&body).ok_or_else(|| {
                    StreamableHttpError::UnexpectedServerResponse(
                        "the body is no answer to the request".into(),
                    )
                })?;
                Ok(StreamableHttpPostResponse::Json(message, session))
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

/// The same event, emptied if it was for the callbacks of calls. Its id still
/// counts.
fn heard(signals: &Signals, mut event: Sse) -> Sse {
    let frame = event.data.as_deref().map(serde_json::from_str::<Frame<'_>>);
    let is_taken = match frame {
        Some(Ok(frame)) if frame.id.is_none() => frame
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

    /// The answer in a body or an event, if it is one.
    fn answer(&self, text: &[u8]) -> Option<ServerJsonRpcMessage> {
        let frame: Frame<'_> = serde_json::from_slice(text).ok()?;
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
        Some(frame.answer(text, self.id.clone(), self.asked))
    }

    /// The same event, with an answer in the form that passes `rmcp` unread.
    fn rewritten(&self, mut event: Sse) -> Sse {
        let answer = event
            .data
            .as_ref()
            .and_then(|data| self.answer(data.as_bytes()));
        if let Some(Ok(data)) = answer.map(|answer| serde_json::to_string(&answer)) {
            event.data = Some(data);
        }
        event
    }
}

/// The tools that `rmcp` can read. It has to see them as they are, because it
/// repeats annotated arguments in headers; the others are left out here.
fn usable_tools(result: &RawValue) -> Option<ListToolsResult> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        tools: Vec<Box<RawValue>>,
        #[serde(default)]
        next_cursor: Option<String>,
    }
    let page: Page = serde_json::from_str(result.get()).ok()?;
    let count = page.tools.len();
    let usable = page
        .tools
        .iter()
        .filter_map(|tool| serde_json::from_str::<Tool>(tool.get()).ok());
    let mut tools = ListToolsResult::with_all_items(usable.collect());
    tools.next_cursor = page.next_cursor;
    let left_out = count - tools.tools.len();
    if left_out > 0 {
        tracing::warn!(left_out, "a server lists tools that cannot be read");
    }
    Some(tools)
}

/// What a status that is no success means.
async fn failure(
    response: Response,
    question: Option<Question>,
    has_session: bool,
) -> Result<StreamableHttpPostResponse, Failure> {
    let status = response.status();
    let is_json = kind(&response) == Some(Kind::Json);
    let body = body(response, MAX_FAILURE).await.unwrap_or_default();
    let is_refusal = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if let Some(question) = question
        && !is_refusal
    {
        let error = serde_json::from_slice::<Frame<'_>>(&body).ok();
        let error = error.and_then(|frame| frame::read_error(frame.error?, question.asked).ok());
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
        format!("HTTP {status}").into(),
    ))
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
