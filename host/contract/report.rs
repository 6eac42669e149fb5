//! What came of a run: the one answer of `exec --json`, `serve` and the
//! library.

use std::fmt;

use serde::Serialize;

use crate::call_record::CallRecord;
use crate::content::ContentBlock;
use crate::hint::{Hint, RenderHint};
use crate::isolation::UsedIsolation;
use crate::json::Json;
use crate::limits::Limit;
use crate::outcome::{Position, Value};

/// Everything a run left behind.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How it ended.
    pub status: Status,
    /// The value of the last expression: JSON where JSON can express it, the
    /// text that the language prints otherwise. Numbers that fit neither 64
    /// bits nor a double are rounded here; [`exact_result`](Self::exact_result)
    /// has their digits.
    pub result: Option<serde_json::Value>,
    /// The result as JSON text, where `result` had to round numbers.
    #[serde(skip)]
    pub exact_result: Option<Box<str>>,
    /// Its value, where that is more than the run may print and return: for
    /// whoever can keep it elsewhere. The status is then [`Status::Limit`]. Not
    /// in the JSON.
    #[serde(skip)]
    pub excess: Option<Value>,
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
            exact_result: None,
            excess: None,
            stdout: String::new(),
            stderr: String::new(),
            content: Vec::new(),
            error: Some(error),
            warnings: Vec::new(),
            calls: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// The value of a program that ended well, or its report as an error.
    ///
    /// # Errors
    ///
    /// Every status but [`Status::Ok`].
    pub fn into_result(self) -> Result<Option<serde_json::Value>, FailedRun> {
        if self.status == Status::Ok {
            Ok(self.result)
        } else {
            Err(FailedRun(Box::new(self)))
        }
    }

    /// The result with marks in place of the numbers that had to be rounded;
    /// [`unmarked`](crate::json::unmarked) puts their digits into its text.
    pub fn marked_result(&self) -> Option<serde_json::Value> {
        let exact = self.exact_result.as_deref();
        match exact.map(Json::read) {
            Some(Ok(exact)) => Some(exact.to_marked_value()),
            _ => self.result.clone(),
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

/// A run that did not end well, as an error: its report, shown as one sentence.
#[derive(Debug, Clone)]
pub struct FailedRun(Box<Report>);

impl FailedRun {
    /// What came of it, also what was printed and which calls were made.
    pub fn report(&self) -> &Report {
        &self.0
    }
}

impl fmt::Display for FailedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.error {
            Some(error) => write!(f, "{}: {}", error.kind, error.message),
            None => f.write_str("the run failed"),
        }
    }
}

impl std::error::Error for FailedRun {}

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
    /// What was around it.
    pub isolation: UsedIsolation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_that_ended_well_has_a_value() {
        let mut report = Report::not_run(Status::Error, "ValueError", "not a number", None);
        let failed = report.clone().into_result().unwrap_err();
        assert_eq!(failed.to_string(), "ValueError: not a number");
        assert_eq!(failed.report().status, Status::Error);
        report.status = Status::Ok;
        report.result = Some(7.into());
        assert_eq!(report.into_result().unwrap(), Some(7.into()));
    }
}
