//! What the two sides of a session say to each other.
//!
//! The sandbox side (engine, guests, files, ledger) and the coordinator side
//! (tools, upstream servers, policy, secrets) share these types and nothing
//! else. Everything here is plain data that can cross a process boundary; each
//! side treats what it receives as written by a stranger.
//!
//! The types follow `wit/sandbox.wit` item by item.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stubs::wit::Function;

use crate::bounded;
use crate::hint::Hint;
use crate::program::Language;

/// Identifies one call within one session. Ids are never used twice.
pub type CallId = u32;

/// What the sandbox asks of the coordinator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToCoordinator {
    /// Start a call. Answered by exactly one [`ToSandbox::Completed`].
    Call {
        /// The call; chosen by the sandbox side.
        id: CallId,
        /// The tool as the program named it.
        tool: String,
        /// The arguments as JSON text, unchecked.
        arguments: String,
        /// In which form the answer is wanted.
        form: AnswerForm,
    },
    /// End a call early. Its completion still comes.
    Cancel {
        /// The call.
        id: CallId,
    },
    /// The program has taken so many bytes of results, each of at least
    /// [`MIN_COUNTED`].
    Taken {
        /// The bytes.
        bytes: u64,
    },
    /// Answer a question. A program waits for the answer before it asks the
    /// next one.
    Ask(Question),
}

impl ToCoordinator {
    /// Whether something comes back.
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Call { .. } | Self::Ask(_))
    }
}

/// Results shorter than this are not counted while they wait for the program:
/// the calls of a run that are in flight are bounded in number.
pub const MIN_COUNTED: usize = 64 << 10;

/// About how many bytes of arguments one run may have in flight. Each is in
/// memory several times until its server has it, so that this is a few times
/// the memory of a program; a hundred calls with half a megabyte each are fine.
/// Arguments beyond it are taken if nothing else is in flight.
pub const MAX_ARGUMENTS_IN_FLIGHT: u64 = 64 << 20;

/// About how many bytes JSON text takes once it is read: each value and each
/// name costs more than it is long.
pub fn weight(json: &str) -> u64 {
    const VALUE: u64 = 32;
    let starts = |byte: &&u8| matches!(**byte, b',' | b':' | b'[' | b'{');
    // Those inside texts count too, which is dear and safe.
    json.len() as u64 + VALUE * json.as_bytes().iter().filter(starts).count() as u64
}

/// What the sandbox wants to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// List the tools of a server. Answered by [`ToSandbox::Described`].
    Describe {
        /// The server's name or identifier, as the program wrote it.
        server: String,
        /// The language to whose programs they are described.
        language: Language,
    },
    /// Find tools by what they do. Answered by [`ToSandbox::Found`].
    Search {
        /// What is looked for; empty to list.
        query: String,
        /// How much is told about each tool.
        detail: Detail,
        /// The only server to look at, as the program wrote it.
        server: Option<String>,
        /// How many tools are wanted at most.
        limit: u32,
    },
    /// Ask for the files that describe a server's tools. Answered by
    /// [`ToSandbox::Stubs`].
    Stubs {
        /// The server's identifier.
        server: String,
        /// The version that is known, if any.
        known: Option<u64>,
    },
    /// Ask for the files in a server's folder `resources`. Answered by
    /// [`ToSandbox::Stubs`].
    Resources {
        /// The server's identifier.
        server: String,
        /// The version that is known, if any.
        known: Option<u64>,
    },
    /// Link a component that imports servers' tools. Answered by
    /// [`ToSandbox::Imported`].
    Import {
        /// What it imports.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_IMPORTS>")]
        packages: Vec<ImportedPackage>,
    },
}

/// How much a search tells about each tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Its name and the first sentence of its description.
    #[default]
    Brief,
    /// Also how to import it, its parameters, and the file that describes it.
    Detailed,
    /// Also its JSON schemas.
    Full,
}

/// What the coordinator tells the sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToSandbox {
    /// A call ended.
    Completed(Completion),
    /// Somebody is asked about a call; followed by one [`Self::Answered`]. The
    /// clock stands still while all of the program waits.
    Asking,
    /// The question is answered.
    Answered,
    /// The answer to [`Question::Describe`].
    Described(Result<Vec<Tool>, CallError>),
    /// The answer to [`Question::Search`]: the JSON object of
    /// `tools.search` in `wit/sandbox.wit`.
    Found(Result<String, CallError>),
    /// The answer to [`Question::Stubs`] and [`Question::Resources`].
    Stubs(Result<Stubs, CallError>),
    /// The answer to [`Question::Import`]: what each of the functions is,
    /// in the same order. All of them are granted.
    Imported(Result<Vec<Vec<ImportedTool>>, ImportError>),
}

impl ToSandbox {
    /// Whether it is the answer itself, after which nothing comes.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Asking | Self::Answered)
    }
}

/// The files that describe the tools of a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stubs {
    /// As they were in the version that is known.
    Same,
    /// All of them.
    Files {
        /// Differs whenever the files do.
        version: u64,
        /// The files, shared by all who ask.
        files: Arc<[StubFile]>,
    },
}

/// A file below a server's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StubFile {
    /// Its path within the folder, with `/` between names. One that ends with
    /// `/` is a folder whose files are asked for when somebody looks into it.
    pub path: String,
    /// Its text, UTF-8.
    pub text: Bytes,
}

/// What a component imports from `mcp:NAME/tools`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedPackage {
    /// The `NAME`.
    pub name: String,
    /// The functions, as the component names them.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_IMPORTS>")]
    pub functions: Vec<String>,
}

/// What one component may import from servers, and from one of them.
const MAX_IMPORTS: usize = 1 << 14;

/// A tool that a component imports as a function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedTool {
    /// The tool, to be used in calls.
    pub name: String,
    /// How its arguments and its result are typed.
    pub function: Function,
}

/// Why a component cannot have what it imports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportError {
    /// The kind.
    pub kind: ImportErrorKind,
    /// What cannot be had and why.
    pub message: String,
    /// What to do about it.
    pub hint: Hint,
}

/// Why a component cannot have what it imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportErrorKind {
    /// The policy does not grant it.
    Denied,
    /// There is no such server or tool.
    Unknown,
    /// The server cannot be used.
    Unavailable,
}

/// A call that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Completion {
    /// The call.
    pub id: CallId,
    /// Its result as JSON text, or why there is none.
    pub result: Result<String, CallError>,
}

/// A tool server as programs see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The name in the configuration.
    pub name: String,
    /// The module name it has in every language.
    pub identifier: String,
}

/// A tool as programs in one language see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// The name the server gave it.
    pub name: String,
    /// Its function name in the language that was asked for.
    pub identifier: String,
    /// What the server says about it, shortened.
    pub description: String,
    /// Its parameters, the required ones first.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// The key in the arguments object.
    pub name: String,
    /// Its name in a program: a keyword argument in Python, the key itself
    /// where a program passes an object.
    pub identifier: String,
    /// Whether the tool's schema demands it.
    pub required: bool,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallErrorKind {
    /// The tool itself reported an error.
    Failed,
    /// The arguments do not fit; the names of the parameters there are.
    InvalidArguments(Vec<String>),
    /// There is no such server or tool; the names that come closest.
    UnknownTool(Vec<String>),
    /// The policy does not allow the call; nothing was sent.
    Denied,
    /// The server could not be started or reached; nothing was sent.
    Unavailable,
    /// The call did not finish in its time. It may have taken effect.
    TimedOut,
    /// The connection was lost after the call was sent. It may have taken
    /// effect.
    OutcomeUnknown,
    /// The call was cancelled by the program.
    Cancelled,
    /// A limit of the session refused the call; nothing was sent.
    Limit,
    /// The tool answered, so the call took effect, and the answer cannot be
    /// passed on: it is too large, nested too deep, or no JSON.
    UnusableAnswer,
}

/// A call that has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// The kind, for programs.
    pub kind: CallErrorKind,
    /// The server, or an empty text where none could be found.
    pub server: String,
    /// The tool, as far as it is known.
    pub tool: String,
    /// What happened and what to do. Reaches programs and models: never a host
    /// path, a secret or an internal address.
    pub message: String,
    /// What the server said for programs. Boxed, like the hint, because errors
    /// are returned everywhere and few have one.
    pub said: Option<Box<ServerError>>,
    /// What would help.
    pub hint: Option<Box<Hint>>,
}

/// What a server said for programs about a call that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerError {
    /// The code of a JSON-RPC error.
    pub code: Option<i64>,
    /// The `data` of a JSON-RPC error, or the structured part of a result that
    /// is an error, as JSON text.
    pub data: Option<String>,
}

/// In which form a program wants the answer to a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerForm {
    /// Its value, as JSON text.
    #[default]
    Value,
    /// All of it, as a JSON object: `value`, `content`, `structuredContent`,
    /// `_meta`.
    Whole,
}
