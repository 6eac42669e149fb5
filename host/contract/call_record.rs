//! The record of one tool call, for whoever reads the report of a run.

use serde::Serialize;

/// One call of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallRecord {
    /// The server; empty if none was found.
    pub server: String,
    /// The tool, as far as it is known.
    pub tool: String,
    /// What became of it.
    pub status: CallStatus,
    /// How long it took, queueing included.
    pub milliseconds: f64,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// The tool gave a result, also one that could not be passed on.
    Finished,
    /// There is no result, and the tool is known to have failed or not to have
    /// been reached.
    Failed,
    /// The tool may have taken effect; nobody knows.
    Unknown,
}
