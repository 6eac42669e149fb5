//! What came of a run: the one answer of `exec --json`, `serve` and the
//! library.

use serde::Serialize;

use crate::call_record::CallRecord;
use crate::content::ContentBlock;
use crate::hint::{Hint, RenderHint};
use crate::limits::Limit;
use crate::outcome::Position;

/// Everything a run left behind.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How it ended.
    pub status: Status,
    /// The value of the last expression: JSON where JSON can express it, the
    /// text that the language prints otherwise.
    pub result: Option<serde_json::Value>,
    /// What it printed. Bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it printed to `stderr`.
    pub stderr: String,
    /// What it emitted, in order. Not in the JSON if there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<ContentBlock>,
    /// Why it did not end well.
    pub error: Option<ErrorReport>,
    /// What its author should know but did not ask for.
    pub warnings: Vec<String>,
    /// The tool calls that were made, in order.
    pub calls: Vec<CallRecord>,
    /// What it consumed.
    pub usage: Usage,
}

impl Report {
    /// A report on a run that never began.
    pub fn not_run(status: Status, kind: &str, message: &str, hint: Option<Hint>) -> Self {
        let error = ErrorReport {
            kind: kind.into(),
            message: message.into(),
            hint,
            ..ErrorReport::default()
        };
        Self {
            status,
            result: None,
            stdout: String::new(),
            stderr: String::new(),
            content: Vec::new(),
            error: Some(error),
            warnings: Vec::new(),
            calls: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// The report as JSON, with `hint` in its error as `render` says it.
    pub fn to_json(&self, render: RenderHint) -> serde_json::Value {
        let mut json = serde_json::to_value(self).expect("names are texts");
        let hint = self.error.as_ref().and_then(|error| error.hint.as_ref());
        if let Some(hint) = hint.and_then(render) {
            json["error"]["hint"] = hint.into();
        }
        json
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It ran to its end.
    Ok,
    /// The program failed: an uncaught exception, a status that is not zero.
    Error,
    /// It reached a limit.
    Limit,
    /// It asked for something that is not granted.
    Denied,
    /// The host failed; the program is not to blame.
    HostError,
}

impl Status {
    /// The exit code of the command line.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Limit | Self::Denied => 3,
            Self::HostError => 4,
        }
    }
}

/// Why a run did not end well.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ErrorReport {
    /// The class of an exception, or the name of the limit, or a short name
    /// of what was refused.
    pub kind: String,
    /// What happened, on what, why.
    pub message: String,
    /// What to do about it.
    #[serde(skip)]
    pub hint: Option<Hint>,
    /// The limit that was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The traceback, with the program's own frames only.
    pub traceback: Option<String>,
    /// The innermost position in the program's own text.
    pub position: Option<Position>,
}

/// What a run consumed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Wall time in milliseconds, starting the sandbox included.
    pub wall_ms: f64,
    /// Instructions executed, where they were counted.
    pub fuel: Option<u64>,
    /// The most memory held at once, in bytes.
    pub memory_peak_bytes: u64,
    /// Tool calls started, refused ones included.
    pub calls: u32,
    /// Bytes printed.
    pub output_bytes: u64,
}
