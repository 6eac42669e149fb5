//! How a run of a program ended, before anybody judges it.

use serde::{Deserialize, Serialize};

use crate::advice::Finding;
use crate::bounded;
use crate::error::Error;
use crate::hint::Hint;
use crate::isolation::UsedIsolation;
use crate::limits::{FileLimit, Limit};

/// How a run ended, and what it consumed.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunOutcome {
    /// What the guest said, or why it could not.
    pub end: Result<Outcome, RunError>,
    /// Instructions executed, where they were counted.
    pub fuel: Option<u64>,
    /// The most memory held at once, in bytes.
    pub memory_peak: u64,
    /// The limit of the files that refused something last.
    pub files_refused: Option<FileLimit>,
    /// The run before this one took the variables of the session with it.
    pub variables_lost: bool,
    /// What was around it.
    #[serde(skip)]
    pub isolation: UsedIsolation,
    /// Files of the workspace that it did not see, and why.
    #[serde(skip)]
    pub files_unread: Vec<String>,
    /// Files that it wrote and that the workspace did not take, and why.
    #[serde(skip)]
    pub files_not_kept: Vec<String>,
    /// What is advised against in a program that ran, in the order of its text.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_FINDINGS>")]
    pub findings: Vec<Finding>,
}

/// Findings in one program; a sandbox looks at so many references.
const MAX_FINDINGS: usize = 1_000;

impl RunOutcome {
    /// A run that ended before it could consume anything.
    pub fn failed(error: RunError) -> Self {
        Self {
            end: Err(error),
            fuel: None,
            memory_peak: 0,
            files_refused: None,
            variables_lost: false,
            isolation: UsedIsolation::default(),
            files_unread: Vec::new(),
            files_not_kept: Vec::new(),
            findings: Vec::new(),
        }
    }
}

/// Why a run ended without the guest saying so.
#[derive(Debug, Serialize, Deserialize)]
pub enum RunError {
    /// A limit was reached.
    Limit(Limit),
    /// The guest crashed; what the engine says about it.
    Crashed(String),
    /// The component cannot be run.
    Refused(ComponentRefusal),
    /// The host failed.
    Host(Error),
}

/// Why a component is not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentRefusal {
    /// The kind, for programs.
    pub kind: ComponentRefusalKind,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<Hint>,
}

/// Why a component is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComponentRefusalKind {
    /// It is not a component, or exports nothing that can be run.
    Invalid,
    /// Others are compiled before it, for too long to wait.
    CompilerBusy,
    /// It imports what is not granted.
    ImportDenied,
    /// It imports what does not exist.
    ImportUnknown,
    /// It imports a tool under a type that the tool does not have.
    ImportMismatch,
    /// It imports from a server that cannot be used.
    ImportUnavailable,
}

impl ComponentRefusalKind {
    /// A short stable name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "component_invalid",
            Self::CompilerBusy => "compiler_busy",
            Self::ImportDenied => "import_denied",
            Self::ImportUnknown => "import_unknown",
            Self::ImportMismatch => "import_mismatch",
            Self::ImportUnavailable => "import_unavailable",
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The value of its last expression, or why there is none.
    pub result: Result<Value, Failure>,
    /// What its author should know but did not ask for.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_WARNINGS>")]
    pub warnings: Vec<String>,
}

/// Warnings of one run; guests have a few.
const MAX_WARNINGS: usize = 1024;

/// The value of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// It ended without a value.
    Nothing,
    /// A value that JSON can express, as JSON text.
    Json(String),
    /// Any other value, as the language prints it.
    Text(String),
}

/// Why a program ended without a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// An exception that nothing caught.
    Raised(Exception),
    /// It asked to exit with this status, which is not zero.
    Exited(i32),
    /// Everything left in it waits for something that can never happen.
    Stuck(Exception),
    /// A call was refused, and nothing caught the exception about it.
    Refused {
        /// Why.
        refusal: Refusal,
        /// What would help, unless the program was told already.
        hint: Option<Box<Hint>>,
        /// The exception about it.
        exception: Exception,
    },
    /// The limit of its memory was reached, and nothing caught the exception
    /// about it.
    OutOfMemory(Exception),
    /// It was not started because this is advised against.
    NotRun(#[serde(deserialize_with = "bounded::list::<_, _, MAX_FINDINGS>")] Vec<Finding>),
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The policy does not allow it.
    Denied,
    /// A limit of the session was reached.
    Limit,
}

/// An uncaught exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// The name of its class.
    pub kind: String,
    /// Its message, without the class name.
    pub message: String,
    /// The traceback as the language prints it.
    pub traceback: String,
    /// The innermost position in the program's own text.
    pub position: Option<Position>,
}

/// A position in a source text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The file, as tracebacks name it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}
