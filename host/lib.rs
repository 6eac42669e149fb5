//! Runs the code that AI agents write: full CPython, JavaScript, TypeScript
//! and WebAssembly components in a sandbox, with MCP servers and Rust functions
//! as libraries that the code imports.
//!
//! ```no_run
//! use serde_json::json;
//! use wasm_coordinator::{
//!     ServerLimits, Engine, EngineOptions, LocalTools, Program, ServerSpec, Session, SessionOptions, Toolbox,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! wasm_coordinator::isolation::entry(); // first in `main`: each session is a process
//! let shop = LocalTools::new().tool(
//!     "price",
//!     "The price of an article in cents.",
//!     json!({ "type": "object", "properties": { "article": { "type": "string" } }, "required": ["article"] }),
//!     |arguments| async move { Ok(json!(arguments["article"].as_str().unwrap_or_default().len() * 100)) },
//! );
//! let tools = Toolbox::new(vec![ServerSpec::local("shop", shop)], ServerLimits::default())?;
//!
//! let engine = Engine::new(EngineOptions::default())?; // once per process
//! let mut session = Session::new(&engine, tools, SessionOptions::default());
//! let report = session
//!     .run(Program::python("from servers.shop import price\nawait price(article='tea') + 1"))
//!     .await;
//! assert_eq!(report.result, Some(301.into()));
//! # Ok(()) }
//! ```
//!
//! With an `mcp.json`, the configuration makes the tools and the options:
//!
//! ```no_run
//! use wasm_coordinator::config::{self, Environment};
//! # use wasm_coordinator::{Engine, EngineOptions, Session};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let engine = Engine::new(EngineOptions::default())?;
//! # use std::path::Path;
//! let configuration = config::load(Some(Path::new("mcp.json")), &Environment::of_process()?)?;
//! let options = configuration.session_options()?;
//! let session = Session::new(&engine, configuration.toolbox()?, options);
//! # Ok(()) }
//! ```
//!
//! A file that nobody named, as `config::load(None, ..)` may find one, can come from
//! a repository that was cloned: there are no tools of it until
//! [`Configuration::agree`](config::Configuration::agree).
//!
//! `configuration.serve_options()` makes the options of a service (feature
//! `serve`).
//!
//! An [`Engine`] compiles the guests, once. A [`Session`] keeps variables and
//! files from one [`Program`] to the next, within [`Limits`] and [`Grants`]. A
//! [`Report`] says what came of a run; a program's failure is part of it, never
//! an [`Error`]. A [`Toolbox`] holds the tools, shared by any number of
//! sessions; servers start when they are first used.

pub mod config;
mod engine;
pub mod isolation;
#[cfg(feature = "serve")]
pub mod serve;
mod session;
mod verdict;

/// The files of a session, from the host's side.
pub mod files {
    pub use sandbox::files::{
        Entry, Error, Kind, PathError, Quota, Status, Timestamp, Usage, Workspace,
    };
}

/// The record of what happened: runs, calls, denials, consents, servers.
///
/// ```no_run
/// use wasm_coordinator::{ServerLimits, Toolbox, audit};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = audit::Options::new("/var/lib/agents/audit", "/var/lib/agents/audit.key");
/// let recorder = audit::Recorder::open(options)?;
/// let tools = Toolbox::new(Vec::new(), ServerLimits::default())?.audited(recorder.clone());
/// // … sessions with these tools …
/// recorder.close();
/// # Ok(()) }
/// ```
pub mod audit {
    pub use audit::*;
}

/// Finding tools by what they do.
pub mod search {
    pub use tools::search::{Document, Found, Hit, Index, MAX_HITS, Query};
}

pub use contract::advice::{
    Advice, AdviceMode, BadModulePattern, Construct, ModulePattern, UnknownConstruct,
};
pub use contract::call_record::{CallRecord, CallStatus};
pub use contract::caller::Caller;
pub use contract::content::{ContentBlock, EmbeddedResource, ResourceContents};
pub use contract::error::Error;
pub use contract::hint::{Hint, RenderHint};
pub use contract::limits::{FileLimit, Limit, Limits};
pub use contract::message::{CallError, CallErrorKind, Detail, Parameter, Server, StubFile, Tool};
pub use contract::outcome::Position;
pub use contract::program::{Code, Language, MAX_COMPONENT, Program};
pub use contract::report::{ErrorReport, FailedRun, Report, Status, Usage};
pub use engine::{Engine, EngineOptions};
pub use isolation::Isolation;
pub use sandbox::{
    Compilation, ContentWatcher, Guest, Metering, Observer, Stream, Watcher, stubs_root,
};
pub use session::{Files, Session, SessionOptions};
pub use tools::servers::{
    CALL_TIMEOUT, DOWNLOAD_TIMEOUT, Definition, Excluded, Fault, FaultKind, Http, Listing,
    LocalTools, PassThrough, START_TIMEOUT, ServerEvent, ServerLimits, ServerObserver, ServerSpec,
    ServerState, ServerStatus, SpecError, Stdio, Transport, Unusable,
};
pub use tools::{
    Answering, Approval, BadPattern, CallLog, Declined, FinishedCall, Grants, HostCallbacks,
    LogEntry, LogLevel, Progress, Redactor, RequestKind, ServerRequest, SetupError, ToolPage,
    Toolbox, Verdict, Wit,
};
