//! MCP over the standard streams of a process: one JSON message a line.
//!
//! This is the transport below `rmcp`. It exists because what comes in is
//! hostile: lines are bounded, malformed ones are counted and end the call they
//! were meant for, answers nobody waits for are dropped here, and results pass
//! as the JSON text they came as instead of being forced into types that may
//! not know them. What goes out is written in the order of the callers' turns,
//! and not at all once nobody waits for it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
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
        ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorCode, ErrorData,
        GetExtensions as _, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
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
    call::{Call, Calls, Ticket},
    frame::{self, Asked, Frame},
    late_probe::LateProbe,
    lines::{Line, Lines},
    lock,
    process::Streams,
    turns::Turns,
    unreadable::Unreadable,
};

/// How long one message may take to be taken by the server. A server that
/// reads nothing for so long is broken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a server was given up that reads no more. One that ended reads no more
/// either.
pub(super) const CLOSED_STDIN: &str = "it closed its standard input";

/// How long the answer to the probe is waited for. Servers that know it answer
/// as soon as they run, and late answers still count.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long what is left in the pipe may be read after the process ended. A
/// child of it may hold the pipe open for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Malformed lines in a row before the server is given up. Banners have a few,
/// and what a server logs during one call some dozens.
const MAX_MALFORMED: u32 = 1_000;

/// Marks text in UTF-8. Some programs write it in front of what they print.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
    /// Answers that came and of which nobody knows to what.
    lost: usize,
    /// To be received next.
    made_up: VecDeque<ServerJsonRpcMessage>,
    /// The probe of the handshake, and until when its answer is waited for.
    probe: Option<(i64, Instant)>,
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
                turns: Turns::new(1, usize::MAX),
                unwritten: Mutex::default(),
                broken: watch::Sender::new(false),
                replies: AtomicUsize::new(0),
            }),
            signals,
            asked: HashMap::new(),
            lost: 0,
            made_up: VecDeque::new(),
            probe: None,
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
            if matches!(request, ClientRequest::DiscoverRequest(_)) {
                self.probe = Some((*id, Instant::now() + PROBE_TIMEOUT));
            }
        }
    }

    /// The probe is not answered: some old servers ignore what they do not
    /// know. `rmcp` is told that it was refused, so that it greets the server
    /// in the old way. An answer that still comes is kept.
    fn give_up_probe(&mut self) -> Option<ServerJsonRpcMessage> {
        let (id, _) = self.probe.take()?;
        self.asked.remove(&id)?;
        self.late_probe.give_up(id);
        let error = ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "it was not answered", None);
        Some(JsonRpcMessage::error(error, Some(RequestId::Number(id))))
    }

    /// A line that is no message. Whoever waits for it hears of it now.
    fn malformed(&mut self, line: &[u8], why: &str) -> Option<ServerJsonRpcMessage> {
        let count = self.signals.malformed.fetch_add(1, Ordering::Relaxed);
        if count == 0 {
            tracing::warn!("a server writes lines to its standard output that are no messages");
        }
        match Unreadable::of(line, |id| self.asked.contains_key(&id)) {
            Unreadable::Answer(number) => {
                self.malformed_in_a_row = 0;
                let asked = self.asked.remove(&number)?;
                let id = RequestId::Number(number);
                Some(frame::unusable(
                    id,
                    asked,
                    &format!("the server's answer {why}"),
                ))
            }
            Unreadable::SomeAnswer => {
                self.lost += 1;
                self.give_up_lost(why);
                self.made_up.pop_front()
            }
            Unreadable::Nothing => {
                self.malformed_in_a_row += 1;
                None
            }
        }
    }

    /// Ends what waits, once as many answers are lost as requests wait.
    fn give_up_lost(&mut self, why: &str) {
        if self.asked.len() > self.lost {
            return;
        }
        self.lost = 0;
        let why = format!("an answer of the server {why}; the call may have taken effect");
        let given_up = self
            .asked
            .drain()
            .map(|(number, asked)| frame::unknown(RequestId::Number(number), asked, &why));
        self.made_up.extend(given_up);
    }

    fn read(&mut self, line: &[u8]) -> Option<ServerJsonRpcMessage> {
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        let Some(frame) = Frame::read(line) else {
            return self.malformed(line, "is no JSON");
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
            (None, Some(id)) => self.answer(id, &frame),
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

    fn answer(&mut self, id: &RawValue, frame: &Frame<'_>) -> Option<ServerJsonRpcMessage> {
        // Some servers return a number as text.
        let number: Option<i64> = id.get().trim_matches('"').parse().ok();
        let Some((number, asked)) = number.and_then(|n| Some((n, self.asked.remove(&n)?))) else {
            if !number.is_some_and(|number| self.late_probe.take(number, frame.result)) {
                self.signals.unmatched.fetch_add(1, Ordering::Relaxed);
            }
            return None;
        };
        let id = RequestId::Number(number);
        self.probe = self.probe.filter(|(probe, _)| *probe != number);
        if asked == Asked::Handshake
            && frame.error.is_some()
            && let Some(greeting) = self.late_probe.instead_of_refusal(&id)
        {
            return Some(greeting);
        }
        if self.asked.is_empty() {
            self.lost = 0;
        } else if self.lost > 0 {
            self.give_up_lost("is no JSON");
        }
        Some(frame.answer(id, asked))
    }
}

impl Transport<RoleClient> for StdioTransport {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let mut kind = Outgoing::Other;
        match &message {
            JsonRpcMessage::Request(request) => {
                self.expect_answer(&request.request, &request.id);
                let ticket = request.request.extensions().get::<Ticket>();
                if let (Some(Ticket(call)), RequestId::Number(id)) = (ticket, &request.id) {
                    lock(&self.writer.unwritten).insert(*id);
                    kind = Outgoing::Call(Arc::clone(call), *id);
                }
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(RequestId::Number(id)) = &cancelled.params.request_id
                {
                    if self.asked.remove(id).is_some() {
                        // Perhaps it was the one whose answer is lost.
                        self.lost = self.lost.saturating_sub(1);
                    }
                    if lock(&self.writer.unwritten).remove(id) {
                        kind = Outgoing::Nothing;
                    }
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => kind = Outgoing::Reply,
        }
        let line = frame::written(message).map(|mut line| {
            line.push(b'\n');
            line
        });
        let writer = Arc::clone(&self.writer);
        let signals = Arc::clone(&self.signals);
        async move {
            let line = line?;
            match kind {
                Outgoing::Nothing => Ok(()),
                Outgoing::Call(call, id) => writer.write_call(&call, id, line, &signals).await,
                Outgoing::Other => {
                    let _turn = writer.turns.take(0, 0).await;
                    writer.write(&line, &signals).await
                }
                Outgoing::Reply => {
                    if writer.replies.fetch_add(1, Ordering::Relaxed) < MAX_REPLIES {
                        let _turn = writer.turns.take(0, 0).await;
                        let _ = writer.write(&line, &signals).await;
                    }
                    writer.replies.fetch_sub(1, Ordering::Relaxed);
                    Ok(())
                }
            }
        }
    }

    /// Must not lose anything when dropped half-way: `rmcp` polls it in a
    /// `select!`. All progress is kept in `self`.
    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        let mut broken = self.writer.broken.subscribe();
        loop {
            if let Some(message) = self.made_up.pop_front() {
                return Some(message);
            }
            if self.malformed_in_a_row > MAX_MALFORMED {
                self.signals
                    .give_up("it writes only malformed lines to its standard output");
                return None;
            }
            let deadline = self.deadline;
            let probe = self.probe.map(|(_, until)| until);
            let line = tokio::select! {
                biased;
                line = self.lines.next() => Some(line),
                _ = broken.wait_for(|broken| *broken) => return None,
                () = sleep_until(deadline) => return None,
                () = sleep_until(probe) => None,
                _ = self.ended.wait_for(Option::is_some), if deadline.is_none() => {
                    self.deadline = Some(Instant::now() + LAST_WORDS);
                    continue;
                }
            };
            let Some(line) = line else {
                let refusal = self.give_up_probe();
                self.made_up.extend(refusal);
                continue;
            };
            let line = match line {
                Ok(Some(Line::Whole(line))) => line,
                Ok(Some(Line::TooLong(beginning))) => {
                    let why = too_long(self.max_line);
                    match Unreadable::of(&beginning, |id| self.asked.contains_key(&id)) {
                        // Its rest is skipped, and other calls go on.
                        Unreadable::Answer(_) | Unreadable::SomeAnswer => {
                            if let Some(message) = self.malformed(&beginning, &why) {
                                return Some(message);
                            }
                            continue;
                        }
                        Unreadable::Nothing => {
                            self.signals.give_up(format!("a message of it {why}"));
                            return None;
                        }
                    }
                }
                Ok(Some(Line::Unfinished(_)) | None) => return None,
                Err(error) => {
                    self.signals.give_up(error.to_string());
                    return None;
                }
            };
            if Unreadable::is_utf16(&line) {
                self.signals
                    .give_up("it writes UTF-16 to its standard output, and messages are UTF-8");
                return None;
            }
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

/// What is said of a message that is longer than is read.
pub(super) fn too_long(max: usize) -> String {
    format!(
        "has more than the {max} bytes that are read of one message (`maxMessage` in the configuration)"
    )
}

/// What a message to the server is.
enum Outgoing {
    /// The request of a call, with its id.
    Call(Arc<Call>, i64),
    /// An answer to a request of the server.
    Reply,
    /// It is about something that was never written.
    Nothing,
    /// Anything else.
    Other,
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The way to the server. One message at a time, callers in rotation.
struct Writer {
    stdin: tokio::sync::Mutex<Option<ChildStdin>>,
    turns: Turns,
    /// The requests of calls that wait for their turn.
    unwritten: Mutex<HashSet<i64>>,
    broken: watch::Sender<bool>,
    replies: AtomicUsize,
}

impl Writer {
    /// Writes the request of a call, unless nobody waits for it any more when
    /// its turn has come.
    async fn write_call(
        &self,
        call: &Call,
        id: i64,
        line: Vec<u8>,
        signals: &Signals,
    ) -> io::Result<()> {
        let turn = tokio::select! {
            biased;
            turn = self.turns.take(call.caller(), 0) => turn,
            // The news that it is cancelled is not written either.
            () = call.dropped() => return Ok(()),
        };
        if !lock(&self.unwritten).contains(&id) || !call.is_written_now() {
            return Ok(());
        }
        lock(&self.unwritten).remove(&id);
        let written = self.write(&line, signals).await;
        drop(turn);
        written
    }

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
                signals.give_up(CLOSED_STDIN);
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
