//! Why a server gave no result.

use contract::message::ServerError;

use super::Redactor;

/// A call, a listing or a start that failed.
///
/// Two texts, because two kinds of people read them: `message` may reach a
/// program and says nothing about the machine; `detail` is for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// What it means for the call.
    pub kind: FaultKind,
    /// A sentence without secrets, and without paths and addresses unless the
    /// tool itself put them there ([`FaultKind::Failed`]).
    pub message: String,
    /// The chain of causes and what the server wrote to its standard error.
    pub detail: Option<String>,
    /// What the server said for programs, without secrets.
    pub said: Option<Box<ServerError>>,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            detail: None,
            said: None,
        }
    }

    /// The same without secrets.
    pub(crate) fn redacted(self, redactor: &Redactor) -> Self {
        Self {
            message: redactor.text(self.message),
            detail: self.detail.map(|detail| redactor.text(detail)),
            ..self
        }
    }

    pub(super) fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// What a fault means for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The tool reported an error, or the server refused the call.
    Failed,
    /// Nothing was sent.
    Unavailable,
    /// It was sent and not answered in time.
    TimedOut,
    /// It was sent and the connection was lost.
    OutcomeUnknown,
    /// It was answered, and the answer cannot be read.
    UnusableAnswer,
}
