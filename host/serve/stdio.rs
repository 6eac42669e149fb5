//! MCP over our own standard streams: one JSON message a line.
//!
//! Nothing but protocol is written. What comes in is bounded: a line that is
//! too long, is no JSON or no request gets an error, and the connection lives.
//! Each request gets one answer: an id that is in use names no second request.
//! A client that closes its end, or reads no more, is gone: its runs stop.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{
    RoleServer, ServiceExt as _,
    model::{
        ClientJsonRpcMessage, ClientNotification, ErrorCode, ErrorData, JsonRpcMessage, RequestId,
        ServerJsonRpcMessage,
    },
    transport::Transport,
};
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    sync::{Mutex, Semaphore},
};
use tokio_util::sync::CancellationToken;

use contract::json::unmarked;

use ::tools::servers::lines::{Line, Lines};

use super::{
    Handler, Service,
    message::{self, Invalid, Kind},
};

/// Bytes of one message.
const MAX_MESSAGE: usize = 4 << 20;

/// Messages that may wait to be written.
const MAX_WAITING: usize = 256;

/// Requests that were cancelled and whose ids are remembered. `rmcp` drops the
/// late answer of such a request by its id.
const MAX_CANCELLED: usize = 1_000;

/// How long a message may take to be taken by the client.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves one client until it closes its end or `stop` ends. Programs of the
/// client that still run are stopped then.
///
/// # Errors
///
/// The client did not begin as the protocol wants it.
pub async fn serve_stdio(
    service: &Arc<Service>,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), io::Error> {
    let gone = CancellationToken::new();
    let transport = StdioTransport {
        input: Lines::new(input, MAX_MESSAGE),
        output: Arc::new(Output {
            stream: Mutex::new(output),
            waiting: Semaphore::new(MAX_WAITING),
        }),
        in_use: Arc::default(),
        gone: gone.clone(),
    };
    let handler = Handler::new(Arc::clone(service), gone);
    let serving = async {
        match handler.serve(transport).await {
            Ok(running) => running.waiting().await.map(drop).map_err(io::Error::other),
            // Whoever started us went away before saying anything.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    };
    tokio::select! {
        served = serving => served,
        () = stop => Ok(()),
    }
}

/// The transport.
struct StdioTransport<R, W> {
    input: Lines<R>,
    output: Arc<Output<W>>,
    in_use: Arc<IdsInUse>,
    /// Cancelled once the client closed its end.
    gone: CancellationToken,
}

/// The ids of requests that have no answer yet.
#[derive(Default)]
struct IdsInUse(StdMutex<Ids>);

#[derive(Default)]
struct Ids {
    /// Whether each was cancelled.
    open: HashMap<RequestId, bool>,
    /// Those that were, the latest last.
    cancelled: VecDeque<RequestId>,
}

impl IdsInUse {
    /// Takes the id of a request that came in. `false` if it is in use.
    fn take(&self, id: &RequestId) -> bool {
        let mut ids = self.lock();
        if ids.open.contains_key(id) {
            return false;
        }
        ids.open.insert(id.clone(), false);
        true
    }

    /// The client does not want this answer any more, and may never get it.
    fn cancel(&self, id: &RequestId) {
        let mut ids = self.lock();
        let Some(is_cancelled) = ids.open.get_mut(id) else {
            return;
        };
        if std::mem::replace(is_cancelled, true) {
            return;
        }
        ids.cancelled.push_back(id.clone());
        if ids.cancelled.len() > MAX_CANCELLED
            && let Some(oldest) = ids.cancelled.pop_front()
        {
            ids.open.remove(&oldest);
        }
    }

    /// The answer to it is sent.
    fn release(&self, id: &RequestId) {
        let mut ids = self.lock();
        if ids.open.remove(id) == Some(true) {
            ids.cancelled.retain(|cancelled| cancelled != id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ids> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Output<W> {
    stream: Mutex<W>,
    /// Held by messages that wait to be written. When there is none left the
    /// client does not read, and nothing more is read of it.
    waiting: Semaphore,
}

/// What came of the client.
enum Incoming {
    Message(Box<ClientJsonRpcMessage>),
    /// What to answer to what is no message.
    Wrong(Box<ServerJsonRpcMessage>),
    /// Nothing to answer.
    Nothing,
    End,
}

impl<R, W> Transport<RoleServer> for StdioTransport<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = Arc::clone(&self.output);
        match &message {
            JsonRpcMessage::Response(answer) => self.in_use.release(&answer.id),
            JsonRpcMessage::Error(answer) => {
                answer.id.iter().for_each(|id| self.in_use.release(id));
            }
            _ => {}
        }
        async move { write(&output, &message).await }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            let _reads = self.output.waiting.acquire().await;
            let incoming = read(&mut self.input).await;
            match self.admitted(incoming) {
                Incoming::Message(message) => return Some(*message),
                Incoming::Wrong(answer) => {
                    // A task of its own, so that no line is written in part.
                    let output = Arc::clone(&self.output);
                    tokio::spawn(async move { write(&output, &answer).await });
                }
                Incoming::Nothing => {}
                Incoming::End => {
                    self.gone.cancel();
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.output.stream.lock().await.flush().await
    }
}

impl<R, W> StdioTransport<R, W> {
    /// What comes in, or why a request may not: its id is in use.
    fn admitted(&self, incoming: Incoming) -> Incoming {
        let Incoming::Message(message) = &incoming else {
            return incoming;
        };
        match &**message {
            JsonRpcMessage::Request(request) if !self.in_use.take(&request.id) => {
                return in_use(request.id.clone());
            }
            JsonRpcMessage::Notification(said) => {
                if let ClientNotification::CancelledNotification(said) = &said.notification
                    && let Some(id) = &said.params.request_id
                {
                    self.in_use.cancel(id);
                }
            }
            _ => {}
        }
        incoming
    }
}

async fn write<W: AsyncWrite + Unpin>(
    output: &Output<W>,
    message: &ServerJsonRpcMessage,
) -> io::Result<()> {
    let _waits = output.waiting.acquire().await;
    let line = unmarked(serde_json::to_string(message)?) + "\n";
    let writing = async {
        let mut stream = output.stream.lock().await;
        stream.write_all(line.as_bytes()).await?;
        stream.flush().await
    };
    match tokio::time::timeout(WRITE_TIMEOUT, writing).await {
        Ok(written) => written,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn read<R: AsyncRead + Unpin>(input: &mut Lines<R>) -> Incoming {
    match input.next().await {
        Ok(Some(Line::Whole(line) | Line::Unfinished(line))) => parse(line.trim_ascii()),
        Ok(Some(Line::TooLong(_))) => {
            let message = format!("a message is longer than {MAX_MESSAGE} bytes");
            wrong(ErrorCode::INVALID_REQUEST, message, None)
        }
        Ok(None) | Err(_) => Incoming::End,
    }
}

fn parse(text: &[u8]) -> Incoming {
    let not_json = || {
        let message = "a message is not JSON".to_owned();
        wrong(ErrorCode::PARSE_ERROR, message, None)
    };
    if text.is_empty() {
        return Incoming::Nothing;
    }
    // Skips over the value without recursion, however deep it is nested.
    let Ok(whole) = serde_json::from_slice::<&RawValue>(text) else {
        return not_json();
    };
    let text = whole.get();
    if text.starts_with('[') {
        let message = "batches are not supported; send one message a line".to_owned();
        return wrong(ErrorCode::INVALID_REQUEST, message, None);
    }
    let kind = match message::kind(text) {
        Ok(kind) => kind,
        Err(Invalid { code, message, id }) => {
            let id = id.and_then(|id| serde_json::from_value(id.0).ok());
            return wrong(code, message.to_owned(), id);
        }
    };
    let repaired = match kind {
        Kind::Request { .. } => message::readable_call(text),
        Kind::Notification | Kind::Response => None,
    };
    let text = repaired.as_deref().unwrap_or(text);
    match (serde_json::from_str::<ClientJsonRpcMessage>(text), kind) {
        (Ok(message), _) => Incoming::Message(Box::new(message)),
        (Err(_), Kind::Request { id, .. }) => {
            let message = "the parameters do not fit the method".to_owned();
            let id = serde_json::from_value(id.0).ok();
            wrong(ErrorCode::INVALID_PARAMS, message, id)
        }
        (Err(error), Kind::Notification | Kind::Response) => {
            tracing::debug!(%error, "a message of the client cannot be read");
            Incoming::Nothing
        }
    }
}

/// What is said to a request whose id another one has that is not answered yet.
fn in_use(id: RequestId) -> Incoming {
    let message = "this id is in use by a request that is not answered yet".to_owned();
    wrong(ErrorCode::INVALID_REQUEST, message, Some(id))
}

fn wrong(code: ErrorCode, message: String, id: Option<RequestId>) -> Incoming {
    let error = ErrorData::new(code, message, None);
    Incoming::Wrong(Box::new(JsonRpcMessage::error(error, id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answers(input: &[u8]) -> Vec<Option<i32>> {
        let mut input = Lines::new(input, MAX_MESSAGE);
        let mut answers = Vec::new();
        loop {
            answers.push(match read(&mut input).await {
                Incoming::End => return answers,
                Incoming::Message(_) => Some(0),
                Incoming::Nothing => None,
                Incoming::Wrong(answer) => match *answer {
                    JsonRpcMessage::Error(error) => Some(error.error.code.0),
                    other => panic!("expected an error, got {other:?}"),
                },
            });
        }
    }

    #[tokio::test]
    async fn what_is_no_message_gets_an_error_and_the_next_one_is_read() {
        let deep = "[".repeat(100_000);
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        for (line, expected) in [
            (ping, Some(0)),
            ("", None),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                Some(-32600),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
                Some(-32600),
            ),
            (
                r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
                Some(-32600),
            ),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Some(-32600)),
            (
                r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
                Some(-32600),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
                Some(-32600),
            ),
            (
                r#"{"jsonrpc":"2.0","id":18446744073709551616,"method":"ping"}"#,
                Some(-32600),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
                Some(-32602),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
                Some(0),
            ),
            ("x", Some(-32700)),
            ("null", Some(-32600)),
            ("[]", Some(-32600)),
            ("7", Some(-32600)),
            (deep.as_str(), Some(-32700)),
            ("\u{feff}{}", Some(-32700)),
            ("NaN", Some(-32700)),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, Some(-32600)),
            (r#"{"id":1,"method":"ping"}"#, Some(-32600)),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Some(-32600)),
            (r#"{"jsonrpc":"2.0","id":1,"result":7,"x":1}"#, None),
        ] {
            let input = format!("{line}\n{ping}\n");
            let got = answers(input.as_bytes()).await;
            if expected.is_none() && got.first() == Some(&Some(0)) {
                // An answer that `rmcp` can read is its own affair.
                continue;
            }
            assert_eq!(got, [expected, Some(0)], "{}", &line[..line.len().min(60)]);
        }
    }

    #[test]
    fn an_id_is_free_again_once_its_answer_is_sent_and_not_when_it_is_cancelled() {
        let ids = IdsInUse::default();
        let id = RequestId::Number;
        assert!(ids.take(&id(1)) && ids.take(&id(2)));
        assert!(!ids.take(&id(1)));
        ids.cancel(&id(1));
        ids.cancel(&id(1));
        ids.cancel(&id(99));
        assert!(!ids.take(&id(1)), "its late answer would end the new one");
        ids.release(&id(2));
        assert!(ids.take(&id(2)));
        for other in 100..100 + MAX_CANCELLED as i64 {
            assert!(ids.take(&id(other)));
            ids.cancel(&id(other));
        }
        assert!(ids.take(&id(1)), "what is remembered is bounded");
    }

    #[tokio::test]
    async fn a_message_that_comes_in_pieces_is_whole_however_often_it_is_given_up() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut input = Lines::new(server, MAX_MESSAGE);
        for byte in b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}" {
            client.write_all(&[*byte]).await.unwrap();
            let short = Duration::from_millis(1);
            let read = tokio::time::timeout(short, read(&mut input));
            assert!(read.await.is_err(), "the line is not complete");
        }
        client.write_all(b"\n").await.unwrap();
        assert!(matches!(read(&mut input).await, Incoming::Message(_)));
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_costs_only_itself() {
        let mut input = vec![b'x'; MAX_MESSAGE + 10];
        input.extend_from_slice(b"\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n");
        assert_eq!(answers(&input).await, [Some(-32600), Some(0)]);
    }
}
