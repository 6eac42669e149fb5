//! What would help, as a key. Each front end says it in its own terms: the
//! command line by its flags, the server by the arguments of its tools.

use std::cell::Cell;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::bounded;

use crate::advice::{Construct, ModulePattern};
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
    AllowTools(#[serde(deserialize_with = "bounded::list::<_, _, MAX_TOOLS>")] Vec<String>),
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
    /// Allow a module, or what is in it, about which there is advice.
    AllowModule(String),
    /// Remove the pattern by which there is advice against a module.
    RemoveModuleDenial(ModulePattern),
    /// Allow a construct about which there is advice.
    AllowConstruct(Construct),
    /// A sentence that is true in every front end.
    Advice(String),
    /// Several, in this order.
    All(#[serde(deserialize_with = "nested")] Vec<Hint>),
}

/// Tools that one hint names; a message names a few.
const MAX_TOOLS: usize = 1 << 14;

/// Hints in a list, and lists in each other.
const MAX_HINTS: usize = 64;
const MAX_NESTED: u32 = 4;

/// Reads a list of hints. A few bytes would nest deeper than a stack is.
fn nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Hint>, D::Error> {
    thread_local!(static DEPTH: Cell<u32> = const { Cell::new(0) });
    let depth = DEPTH.get();
    if depth >= MAX_NESTED {
        return Err(D::Error::custom("hints are nested too deep"));
    }
    DEPTH.set(depth + 1);
    let read = bounded::list::<_, _, MAX_HINTS>(deserializer);
    DEPTH.set(depth);
    read
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
