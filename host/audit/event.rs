//! What can be in the record, one variant for each kind.
//!
//! Plain data, borrowed: an event is written at once and kept nowhere. Text of
//! strangers is cut where an event is made; escaping it is up to
//! [`line`](crate::line). The documentation of each kind, for readers, is in
//! docs/audit.md.

use contract::text::cut;
use serde::{Serialize, Serializer};

use crate::key::Tag;
use crate::shape::Shape;

/// Bytes of a name.
pub(crate) const MAX_NAME: usize = 256;

/// Bytes of a reason.
pub(crate) const MAX_CAUSE: usize = 512;

/// Bytes of arguments that are kept as they are.
pub(crate) const MAX_ARGUMENTS: usize = 16 << 10;

/// Whose doing something was. Empty for what the host does by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The run, by its number in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// The session, where a handle names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Tag>,
    /// Who called, where callers are told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<Tag>,
}

/// A chain as another one saw it when its process began.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Anchor {
    pub(crate) chain: u32,
    pub(crate) seq: u64,
    pub(crate) hash: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind")]
pub(crate) enum Event<'a> {
    #[serde(rename = "log.opened")]
    Opened {
        program: &'a str,
        version: &'a str,
        pid: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        configuration: Option<&'a str>,
        arguments: &'static str,
        key: Tag,
        /// The process before did not say that it ended.
        #[serde(skip_serializing_if = "is_false")]
        unclosed: bool,
        /// Bytes of a record that it did not finish.
        #[serde(skip_serializing_if = "is_zero")]
        torn: u64,
        /// Records that were there and are gone.
        #[serde(skip_serializing_if = "is_zero")]
        missing: u64,
        /// What was said of the end of the chain could not be read.
        #[serde(skip_serializing_if = "is_false")]
        headless: bool,
        #[serde(skip_serializing_if = "<[Anchor]>::is_empty")]
        others: &'a [Anchor],
    },
    #[serde(rename = "log.closed")]
    Closed { records: u64, lost: u64 },
    #[serde(rename = "log.continued")]
    Continued {
        after: &'a str,
        why: &'static str,
        /// All files up to this one were removed, to make room.
        #[serde(skip_serializing_if = "is_zero")]
        removed: u64,
    },
    #[serde(rename = "log.lost")]
    Lost {
        records: u64,
        #[serde(skip_serializing_if = "is_zero")]
        torn: u64,
        error: &'a str,
    },

    #[serde(rename = "run.started")]
    RunStarted {
        #[serde(flatten)]
        origin: Origin,
        language: &'static str,
        bytes: u64,
        /// The same for the same code.
        code: Tag,
    },
    #[serde(rename = "run.ended")]
    RunEnded {
        #[serde(flatten)]
        origin: Origin,
        status: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        error: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<&'static str>,
        calls: u32,
        ms: u64,
    },

    #[serde(rename = "call.sent")]
    CallSent {
        call: u64,
        #[serde(flatten)]
        origin: Origin,
        server: &'a str,
        tool: &'a str,
        arguments: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
    },
    #[serde(rename = "call.ended")]
    CallEnded {
        call: u64,
        #[serde(flatten)]
        origin: Origin,
        server: &'a str,
        tool: &'a str,
        status: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        error: &'a str,
        ms: u64,
        bytes: u64,
        #[serde(skip)]
        answer: Option<Answer<'a>>,
    },
    #[serde(rename = "call.denied")]
    CallDenied {
        call: u64,
        #[serde(flatten)]
        origin: Origin,
        server: &'a str,
        tool: &'a str,
        by: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pattern: Option<&'a str>,
    },
    /// A call of an earlier process.
    #[serde(rename = "call.unknown")]
    CallUnknown {
        /// The record that it was sent.
        of: u64,
        server: &'a str,
        tool: &'a str,
    },
    #[serde(rename = "import.denied")]
    ImportDenied {
        #[serde(flatten)]
        origin: Origin,
        what: &'a str,
    },
    #[serde(rename = "consent")]
    Consent {
        #[serde(flatten)]
        origin: Origin,
        server: &'a str,
        tool: &'a str,
        verdict: &'static str,
        why: &'a str,
    },

    #[serde(rename = "server.started")]
    ServerStarted {
        server: &'a str,
        transport: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        command: &'a str,
        ms: u64,
    },
    #[serde(rename = "server.failed")]
    ServerFailed { server: &'a str, cause: &'a str },
    #[serde(rename = "server.lost")]
    ServerLost { server: &'a str, cause: &'a str },
    #[serde(rename = "server.stopped")]
    ServerStopped { server: &'a str },
    #[serde(rename = "tool.changed")]
    ToolChanged {
        server: &'a str,
        tool: &'a str,
        /// What of it changed.
        parts: &'a [&'static str],
        pinned: &'a str,
        now: &'a str,
        /// Others that changed at the same time and are not named.
        #[serde(skip_serializing_if = "is_zero")]
        others: u64,
    },

    #[serde(rename = "session.opened")]
    SessionOpened {
        #[serde(flatten)]
        origin: Origin,
    },
    #[serde(rename = "session.ended")]
    SessionEnded {
        #[serde(flatten)]
        origin: Origin,
        why: &'static str,
    },
    #[serde(rename = "session.refused")]
    SessionRefused {
        #[serde(flatten)]
        origin: Origin,
        why: &'static str,
        #[serde(skip_serializing_if = "is_one")]
        times: u64,
    },
    #[serde(rename = "access.refused")]
    AccessRefused {
        why: &'static str,
        #[serde(skip_serializing_if = "is_one")]
        times: u64,
    },
    #[serde(rename = "limit")]
    Limit {
        #[serde(flatten)]
        origin: Origin,
        limit: &'static str,
        #[serde(skip_serializing_if = "is_one")]
        times: u64,
    },

    #[serde(rename = "anomaly")]
    Anomaly {
        anomaly: &'static str,
        #[serde(flatten)]
        origin: Origin,
        #[serde(skip_serializing_if = "str::is_empty")]
        server: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        tool: &'a str,
        /// How many of what it is about, if that is a number.
        #[serde(skip_serializing_if = "is_zero")]
        count: u64,
        /// Where in an answer.
        #[serde(skip_serializing_if = "str::is_empty")]
        place: &'a str,
    },
}

/// What a tool answered, for those who look at its shape. Never written.
#[derive(Debug, Clone)]
pub(crate) struct Answer<'a> {
    pub(crate) text: &'a str,
    pub(crate) shape: Shape,
}

impl Answer<'_> {
    /// The answer, if it is one whose shape is looked at.
    pub(crate) fn new(text: &str) -> Option<Answer<'_>> {
        let shape = Shape::of(text)?;
        Some(Answer { text, shape })
    }
}

/// A name of a stranger's, short enough.
pub(crate) fn name(text: &str) -> &str {
    cut(text, MAX_NAME)
}

/// Why something happened, short enough.
pub(crate) fn cause(text: &str) -> &str {
    cut(text, MAX_CAUSE)
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_one(number: &u64) -> bool {
    *number == 1
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Bytes as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hex<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> Hex<N> {
    pub(crate) fn push_to(self, line: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in self.0 {
            line.push(DIGITS[usize::from(byte >> 4)]);
            line.push(DIGITS[usize::from(byte & 15)]);
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; N];
        if text.len() != 2 * N {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl<const N: usize> std::fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut line = Vec::with_capacity(2 * N);
        self.push_to(&mut line);
        f.write_str(str::from_utf8(&line).unwrap_or_default())
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
