//! MCP over the standard streams of a process: one JSON message a line.
//!
//! This is the transport below `rmcp`. It exists because what comes in is
//! hostile: lines are bounded, malformed ones are skipped and counted, answers nobody
//! waits for are dropped here, and results pass as the JSON text they came as
//! instead of being forced into types that may not know them.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rmcp::{
    RoleClient,
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, JsonRpcMessage, RequestId,
        ServerJsonRpcMessage,
    },
    transport::Transport,
};
use serde_json::value::RawValue;
use tokio::{
    io::AsyncWriteExt as _,
    process::{ChildStdin, ChildStdout},
    sync::watch,
    time::Instant,
};

use super::{
    call::Calls,
    frame::{self, Asked, Frame},
    late_probe::LateProbe,
    lines::{Line, Lines},
    lock,
    process::Streams,
};

/// How long one message may take to be taken by the server. A server that
/// reads nothing for so long is broken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long what is left in the pipe may be read after the process ended. A
/// child of it may hold the pipe open for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Malformed lines in a row before the server is given up. Banners have a
/// few.
const MAX_MALFORMED: u32 = 10_000;

/// Our answers to requests of the server that wait to be written. A server
/// that asks without reading gets no further ones.
const MAX_REPLIES: usize = 64;

/// What is worth knowing about a connection from outside.
#[derive(Default)]
pub(super) struct Signals {
    /// Lines that were no message.
    pub(super) malformed: AtomicU64,
    /// Answers to nothing we asked, or too late.
    pub(super) unmatched: AtomicU64,
    /// The calls in flight, for what the server says of them.
    pub(super) calls: Calls,
    /// The server said that its tools changed.
    pub(super) tools_changed: AtomicBool,
    /// Why the connection was given up. Our own words, fit for programs.
    pub(super) given_up: Mutex<Option<String>>,
}

impl Signals {
    fn give_up(&self, reason: impl Into<String>) {
        lock(&self.given_up).get_or_insert_with(|| reason.into());
    }
}

/// The transport of one process.
pub(super) struct StdioTransport {
    lines: Lines<ChildStdout>,
    max_line: usize,
    writer: Arc<Writer>,
    signals: Arc<Signals>,
    /// What was asked and not answered.
    asked: HashMap<i64, Asked>,
    late_probe: LateProbe,
    ended: watch::Receiver<Option<String>>,
    /// Until when to read after the end of the process.
    deadline: Option<Instant>,
    malformed_in_a_row: u32,
}

impl StdioTransport {
    pub(super) fn new(
        streams: Streams,
        ended: watch::Receiver<Option<String>>,
        max_line: usize,
        signals: Arc<Signals>,
    ) -> Self {
        Self {
            lines: Lines::new(streams.stdout, max_line),
            max_line,
            writer: Arc::new(Writer {
                stdin: tokio::sync::Mutex::new(Some(streams.stdin)),
                broken: watch::Sender::new(false),
                replies: AtomicUsize::new(0),
            }),
            signals,
            asked: HashMap::new(),
            late_probe: LateProbe::default(),
            ended,
            deadline: None,
            malformed_in_a_row: 0,
        }
    }

    /// Remembers what a request asks, so that its answer is known.
    fn expect_answer(&mut self, request: &ClientRequest, id: &RequestId) {
        if matches!(request, ClientRequest::InitializeRequest(_)) {
            // The answer to the probe may still come, and must not be taken
            // for the answer to this.
            if let Some((id, _)) = self.asked.drain().next() {
                self.late_probe.give_up(id);
            }
        }
        self.signals.calls.sending(request);
        if let RequestId::Number(id) = id {
            self.asked.insert(*id, Asked::of(request));
        }
    }

    fn read(&mut self, line: &[u8]) -> Option<ServerJsonRpcMessage> {
        let Ok(frame) = serde_json::from_slice::<Frame<'_>>(line) else {
            self.signals.malformed.fetch_add(1, Ordering::Relaxed);
            self.malformed_in_a_row += 1;
            return None;
        };
        self.malformed_in_a_row = 0;
        match (&frame.method, frame.id) {
            // The server asks something.
            (Some(_), Some(_)) => frame.question(),
            // It does not want to know any more what it asked.
            (Some(method), None) if method == "notifications/cancelled" => {
                serde_json::from_slice(line).ok()
            }
            (Some(method), None) => {
                let is_taken = self.signals.calls.take(method, frame.params);
                if !is_taken && method == "notifications/tools/list_changed" {
                    self.signals.tools_changed.store(true, Ordering::Relaxed);
                }
                None
            }
            (None, Some(id)) => self.answer(line, id, &frame),
            // A server that could not even read the id of a probe.
            (None, None) if self.is_in_handshake() && frame.error.is_some() => {
                self.asked.clear();
                serde_json::from_slice(line).ok()
            }
            (None, None) => {
                self.signals.unmatched.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    fn is_in_handshake(&self) -> bool {
        self.asked
            .values()
            .any(|asked| matches!(asked, Asked::Handshake))
    }

    fn answer(
        &mut self,
        line: &[u8],
        id: &RawValue,
        frame: &Frame<'_>,
    ) -> Option<ServerJsonRpcMessage> {
        // Some servers return a number as text.
        let number: Option<i64> = id.get().trim_matches('"').parse().ok();
        let Some((number, asked)) = number.and_then(|n| Some((n, self.asked.remove(&n)?))) else {
            if !number.is_some_and(|number| self.late_probe.take(number, frame.result)) {
                self.signals.unmatched.fetch_add(1, Ordering::Relaxed);
            }
            return None;
        };
        let id = RequestId::Number(number);
        if asked == Asked::Handshake
            && frame.error.is_some()
            && let Some(greeting) = self.late_probe.instead_of_refusal(&id)
        {
            return Some(greeting);
        }
        Some(frame.answer(line, id, asked))
    }
}

impl Transport<RoleClient> for StdioTransport {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let is_reply = match &message {
            JsonRpcMessage::Request(request) => {
                self.expect_answer(&request.request, &request.id);
                false
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(RequestId::Number(id)) = &cancelled.params.request_id
                {
                    self.asked.remove(id);
                }
                false
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => true,
        };
        let line = frame::written(message).map(|mut line| {
            line.push(b'\n');
            line
        });
        let writer = Arc::clone(&self.writer);
        let signals = Arc::clone(&self.signals);
        async move {
            let line = line?;
            if !is_reply {
                return writer.write(&line, &signals).await;
            }
            if writer.replies.fetch_add(1, Ordering::Relaxed) < MAX_REPLIES {
                let _ = writer.write(&line, &signals).await;
            }
            writer.replies.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        }
    }

    /// Must not lose anything when dropped half-way: `rmcp` polls it in a
    /// `select!`. All progress is kept in `self`.
    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        let mut broken = self.writer.broken.subscribe();
        loop {
            if self.malformed_in_a_row > MAX_MALFORMED {
                self.signals
                    .give_up("it writes only malformed lines to its standard output");
                return None;
            }
            let deadline = self.deadline;
            let line = tokio::select! {
                biased;
                line = self.lines.next() => line,
                _ = broken.wait_for(|broken| *broken) => return None,
                () = sleep_until(deadline) => return None,
                _ = self.ended.wait_for(Option::is_some), if deadline.is_none() => {
                    self.deadline = Some(Instant::now() + LAST_WORDS);
                    continue;
                }
            };
            let line = match line {
                Ok(Some(Line::Whole(line))) => line,
                Ok(Some(Line::TooLong)) => {
                    let max_line = self.max_line;
                    self.signals
                        .give_up(format!("it sent a message of more than {max_line} bytes"));
                    return None;
                }
                Ok(Some(Line::Unfinished(_)) | None) => return None,
                Err(error) => {
                    self.signals.give_up(error.to_string());
                    return None;
                }
            };
            if let Some(message) = self.read(&line) {
                return Some(message);
            }
        }
    }

    /// Closes the server's standard input, which tells it to end. Does not
    /// wait for that: calls in flight must fail at once.
    async fn close(&mut self) -> io::Result<()> {
        if let Ok(mut stdin) = self.writer.stdin.try_lock() {
            *stdin = None;
        }
        Ok(())
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The way to the server. One message at a time, in the order they came.
struct Writer {
    stdin: tokio::sync::Mutex<Option<ChildStdin>>,
    broken: watch::Sender<bool>,
    replies: AtomicUsize,
}

impl Writer {
    async fn write(&self, line: &[u8], signals: &Signals) -> io::Result<()> {
        let mut guard = self.stdin.lock().await;
        let Some(stdin) = guard.as_mut() else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let written = async {
            stdin.write_all(line).await?;
            stdin.flush().await
        };
        let result = match tokio::time::timeout(WRITE_TIMEOUT, written).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => {
                signals.give_up("it closed its standard input");
                Err(error)
            }
            Err(_) => {
                signals.give_up("it does not read its standard input");
                Err(io::ErrorKind::TimedOut.into())
            }
        };
        // Part of a message may be written: nothing can follow it.
        *guard = None;
        self.broken.send_replace(true);
        result
    }
}
