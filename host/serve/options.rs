//! What an operator decides about the server.

use std::time::Duration;

use super::SessionBounds;
use crate::files::Quota;
use ::tools::Grants;
use contract::advice::Advice;
use contract::limits::Limits;

/// Which tools are offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// For models that write code: `execute` and what belongs to it.
    #[default]
    Code,
    /// For clients that run code themselves or have none: tools are found and
    /// called one by one.
    Tools,
}

/// What the operator decided.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Which tools are offered.
    pub mode: Mode,
    /// The tools that may be called.
    pub grants: Grants,
    /// What is said about programs before they run. Nothing by default.
    pub advice: Advice,
    /// What each run may consume.
    pub limits: Limits,
    /// The longest time limit that a call may ask for. 5 minutes by default.
    pub max_timeout: Duration,
    /// What each workspace may hold.
    pub quota: Quota,
    /// Tokens that one answer may have where the call does not say. 4,000 by
    /// default.
    pub output_tokens: usize,
    /// How long sessions last.
    pub sessions: SessionBounds,
    /// Programs that run at the same time. 32 by default.
    pub runs: usize,
    /// Programs that may wait in the queue. 256 by default.
    pub waiting: usize,
    /// How long a person may take to answer. 10 minutes by default.
    pub ask_timeout: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            grants: Grants::default(),
            advice: Advice::default(),
            limits: Limits::default(),
            max_timeout: Duration::from_secs(300),
            quota: Quota::default(),
            output_tokens: 4_000,
            sessions: SessionBounds::default(),
            runs: 32,
            waiting: 256,
            ask_timeout: Duration::from_secs(600),
        }
    }
}
