//! What the host of a run is asked when a person has to decide, and told while
//! programs wait.
//!
//! Plain data and one trait. The toolbox asks about calls that need consent,
//! the clients pass on what servers ask of their client, and each front end
//! (the MCP server, a terminal) implements it. Whatever a server
//! sent is text of a stranger, bounded in size where it arrived.

use std::{future::Future, pin::Pin};

use serde_json::Value;

use contract::message::CallError;

/// An answer that may take as long as a person takes.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the host answers and hears during runs. Without it, everything that has
/// to be asked is refused and nothing is shown.
///
/// The methods are called from inside runs and must not block. Those that give
/// a future may wait for a person; the clock of the run stands still meanwhile
/// as long as all of the program waits.
pub trait HostCallbacks: Send + Sync {
    /// Asks whether a call may be made. Nobody is there by default.
    fn approve(&self, approval: Approval) -> Answering<'_, Verdict> {
        let _ = approval;
        Box::pin(async { Verdict::Unanswered("there is nobody to ask".to_owned()) })
    }

    /// Answers what a server asks of its client: the result of that request, as
    /// the protocol has it. Declined by default. An elicitation that would send
    /// a person anywhere but to the web or to this machine never comes here.
    fn answer(&self, request: ServerRequest) -> Answering<'_, Result<Value, Declined>> {
        let _ = request;
        Box::pin(async { Err(Declined) })
    }

    /// A call got further. Called as servers say so, but at most about 100 times
    /// a second for one call.
    fn progress(&self, progress: Progress) {
        let _ = progress;
    }

    /// A server says something to its operator.
    fn log(&self, entry: LogEntry) {
        let _ = entry;
    }

    /// A call ended; told once for each, unless it was cancelled.
    fn finished(&self, call: &FinishedCall<'_>) {
        let _ = call;
    }
}

/// A call that somebody has to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The server.
    pub server: String,
    /// The tool, by the name the server gave it.
    pub tool: String,
    /// The arguments as JSON text, complete.
    pub arguments: String,
    /// Why it is asked.
    pub why: String,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The call may be made, this once.
    Approved,
    /// Somebody said no.
    Refused,
    /// Nobody answered, and why.
    Unanswered(String),
}

/// What a server asks of its client.
#[derive(Debug, Clone)]
pub struct ServerRequest {
    /// The server, as the configuration names it.
    pub server: String,
    /// What it wants.
    pub kind: RequestKind,
    /// The parameters of the request, as the protocol has them.
    pub params: Value,
}

/// What servers may ask of their client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// `elicitation/create`: input from a person.
    Elicitation,
    /// `sampling/createMessage`: text from the client's model.
    Sampling,
    /// `roots/list`: the folders that the client works in.
    Roots,
}

/// Nobody answers the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declined;

/// How far a call is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Which call it is; no two calls of this process have the same.
    pub call: u64,
    /// The server.
    pub server: String,
    /// The tool.
    pub tool: String,
    /// How much is done, in a unit of the server's choice.
    pub done: f64,
    /// How much there is, in the same unit.
    pub total: Option<f64>,
    /// What it is doing.
    pub message: Option<String>,
}

/// Something a server has to say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogEntry {
    /// The server.
    pub server: String,
    /// How much it matters.
    pub level: LogLevel,
    /// Which part of the server says it.
    pub logger: Option<String>,
    /// What it says.
    pub data: Value,
}

/// How much a log entry matters, the least first: the levels of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of syslog (RFC 5424)")]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

/// A call that ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct FinishedCall<'a> {
    /// The server; empty if none was found.
    pub server: &'a str,
    /// The tool, as far as it is known.
    pub tool: &'a str,
    /// The arguments as JSON text, as the program wrote them.
    pub arguments: &'a str,
    /// What the program gets.
    pub result: Result<&'a str, &'a CallError>,
}
