//! What would help, as a key. Each front end says it in its own terms: the
//! command line by its flags, the server by the arguments of its tools.

use serde::{Deserialize, Serialize};

use crate::limits::{FileLimit, Limit};

/// What to do about a refusal or a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hint {
    /// Raise this limit, if it can be raised.
    Limit(Limit),
    /// Raise this limit of the files, if it can be raised.
    FileLimit(FileLimit),
    /// Allow these tools, each as `server.tool`.
    AllowTools(Vec<String>),
    /// Remove the pattern that denies a tool.
    RemoveDenial {
        /// The tool, as `server.tool`.
        tool: String,
        /// The pattern.
        pattern: String,
    },
    /// Trust a tool, as `server.tool`, so that nobody is asked about it.
    TrustTool(String),
    /// Accept tools whose definitions changed after they were first listed.
    AcceptChanges,
    /// See why a server cannot be used.
    InspectServer(String),
    /// See which servers there are.
    ListServers,
    /// Compare a component with the interface that the server has now.
    InspectInterface(String),
    /// Rename one of two servers that programs cannot tell apart.
    RenameServer,
    /// A sentence that is true in every front end.
    Advice(String),
    /// Several, in this order.
    All(Vec<Hint>),
}

/// How a front end says a hint. `None` says nothing.
pub type RenderHint = fn(&Hint) -> Option<String>;

/// A message with its hint behind it, where the front end has one to say.
pub fn with_hint(message: &str, hint: Option<&Hint>, render: RenderHint) -> String {
    match hint.and_then(render) {
        Some(hint) => format!("{message}; {hint}"),
        None => message.to_owned(),
    }
}

/// Several hints as one text, where the front end has something to say. A
/// question ends its sentence by itself.
pub fn joined(hints: &[Hint], render: RenderHint) -> Option<String> {
    let hints: Vec<_> = hints.iter().filter_map(render).collect();
    (!hints.is_empty()).then(|| hints.join("; ").replace("?; ", "? "))
}
