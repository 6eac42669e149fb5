//! What came of a run: the one answer of `exec --json`, `serve` and the
//! library.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Serialize, Serializer};

use crate::coordinator::CallRecord;
use crate::limits::Limit;

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
    pub fn not_run(status: Status, kind: &str, message: &str, hint: Option<String>) -> Self {
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

/// Something that a program emitted beside what it printed, serialised as a
/// content block of the Model Context Protocol, bytes in Base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContentBlock {
    /// A text.
    Text {
        /// It.
        text: String,
    },
    /// An image: PNG, JPEG, GIF or WebP, by its first bytes.
    Image {
        /// The file.
        #[serde(serialize_with = "base64")]
        data: Vec<u8>,
        /// What it is.
        #[serde(rename = "mimeType")]
        mime_type: String,
    },
    /// A sound: WAV, MP3, Ogg or FLAC, by its first bytes.
    Audio {
        /// The file.
        #[serde(serialize_with = "base64")]
        data: Vec<u8>,
        /// What it is.
        #[serde(rename = "mimeType")]
        mime_type: String,
    },
    /// Anything else.
    Resource {
        /// The file.
        resource: EmbeddedResource,
    },
}

/// A file inside a [`ContentBlock`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddedResource {
    /// `sandbox:///` and the name that the program gave it. It tells resources
    /// apart and leads nowhere.
    pub uri: String,
    /// What it is, as the program says.
    pub mime_type: String,
    /// What is in it.
    #[serde(flatten)]
    pub contents: ResourceContents,
}

/// What is in an [`EmbeddedResource`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceContents {
    /// Text.
    Text(String),
    /// Bytes.
    #[serde(serialize_with = "base64")]
    Blob(Vec<u8>),
}

impl ContentBlock {
    /// Its MIME type.
    pub fn mime_type(&self) -> &str {
        match self {
            Self::Text { .. } => "text/plain",
            Self::Image { mime_type, .. } | Self::Audio { mime_type, .. } => mime_type,
            Self::Resource { resource } => &resource.mime_type,
        }
    }

    /// The size of what is in it, in bytes: before Base64, without names.
    pub fn size(&self) -> usize {
        match self {
            Self::Text { text } => text.len(),
            Self::Image { data, .. } | Self::Audio { data, .. } => data.len(),
            Self::Resource { resource } => match &resource.contents {
                ResourceContents::Text(text) => text.len(),
                ResourceContents::Blob(data) => data.len(),
            },
        }
    }
}

fn base64<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(data))
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The limit that was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The traceback, with the program's own frames only.
    pub traceback: Option<String>,
    /// The innermost position in the program's own text.
    pub position: Option<Position>,
}

/// A position in a source text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The file, as tracebacks name it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
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
