//! A session: one sandbox and the tools granted to it, joined for each run.
//!
//! The two sides run as one task and talk in messages, so a tool call costs no
//! switch of threads, and dropping the run's future ends both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;

use crate::attendant::Attendant;
use crate::coordinator::{self, CallLog, Grants, Toolbox};
use crate::limits::{Limit, Limits};
use crate::program::Program;
use crate::report::{ErrorReport, Position, Report, Status, Usage};
use crate::sandbox::files::{self, Archive, Mounts, Quota, Workspace};
use crate::sandbox::{
    ContentWatcher, Ending, Engine, Exception, Failure, Output, Sandbox, Stop, Value, Watcher, Wire,
};

/// How long calls that a program abandoned may take to be cancelled. Beyond
/// it their outcome is unknown.
const FAREWELL: Duration = Duration::from_millis(200);

/// Said once, by the first run after the one that did it.
const VARIABLES_LOST: &str = "the variables of earlier programs are gone: the program before this \
     one was stopped and took the interpreter with it; the files are as it left them";

/// What a session may do.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// The tools it may call: none of the configured ones is left out by
    /// default.
    pub grants: Grants,
    /// What each run may consume.
    pub limits: Limits,
    /// Where its files are: in memory by default, nobody else's.
    pub files: Files,
}

/// Where the files of a session are.
///
/// ```no_run
/// use std::path::Path;
/// use wasm_coordinator::files::{Quota, Workspace};
/// use wasm_coordinator::{Files, SessionOptions};
///
/// let workspace = Workspace::open(Path::new("reports"), Quota::default())?;
/// let options = SessionOptions { files: Files::Workspace(workspace), ..Default::default() };
/// # Ok::<(), wasm_coordinator::files::PathError>(())
/// ```
#[derive(Debug, Clone)]
pub enum Files {
    /// In memory, within this quota. They begin empty and end with the session.
    Fresh(Quota),
    /// In a workspace that was opened before, in memory or in a directory.
    /// Sessions that are given clones of one workspace share its files.
    Workspace(Workspace),
}

impl Default for Files {
    fn default() -> Self {
        Self::Fresh(Quota::default())
    }
}

/// Runs programs one after the other, keeping variables and files between
/// them.
///
/// # Examples
///
/// ```no_run
/// use wasm_coordinator::{Engine, EngineOptions, Program, Session, SessionOptions, Toolbox};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::new(EngineOptions::default())?;
/// let mut session = Session::new(&engine, Toolbox::default(), SessionOptions::default());
/// session.run(Program::python("x = 20")).await;
/// let report = session.run(Program::python("x + 22")).await;
/// assert_eq!(report.result, Some(42.into()));
/// # Ok(()) }
/// ```
pub struct Session {
    sandbox: Sandbox,
    workspace: Workspace,
    tools: Arc<Toolbox>,
    options: SessionOptions,
    attendant: Option<Arc<dyn Attendant>>,
}

impl Session {
    /// Opens a session. Starts nothing yet: interpreters and servers start
    /// when they are first used.
    pub fn new(engine: &Engine, tools: impl Into<Arc<Toolbox>>, options: SessionOptions) -> Self {
        let tools = tools.into();
        let workspace = match &options.files {
            Files::Fresh(quota) => Workspace::new(*quota),
            Files::Workspace(workspace) => workspace.clone(),
        };
        let mounts = mounts(&workspace);
        let sandbox = Sandbox::new(engine.clone(), tools.servers().into(), mounts);
        Self {
            sandbox,
            workspace,
            tools,
            options,
            attendant: None,
        }
    }

    /// The files of the session, which programs see in `/workspace`.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The limits of the next run.
    pub fn limits_mut(&mut self) -> &mut Limits {
        &mut self.options.limits
    }

    /// Shows output as it is printed, beside keeping it for the report.
    pub fn watch(&mut self, watcher: Watcher) {
        self.sandbox.console().watch(Some(watcher));
    }

    /// Shows content blocks as they are emitted, beside keeping them for the
    /// report.
    pub fn watch_content(&mut self, watcher: ContentWatcher) {
        self.sandbox.console().watch_content(Some(watcher));
    }

    /// Names who attends the next runs: who is asked when a call needs consent,
    /// and hears what happens. Nobody does by default, so such calls are
    /// refused.
    pub fn attend(&mut self, attendant: Option<Arc<dyn Attendant>>) {
        self.attendant = attendant;
    }

    /// Runs a program to its end or to a limit.
    ///
    /// Dropping the future stops the program and its calls at once. The files
    /// of the session stay; its variables are lost then, as after a limit, and
    /// the next report has a warning that says so.
    pub async fn run(&mut self, program: Program) -> Report {
        let started = Instant::now();
        let log = CallLog::default();
        let grants = &self.options.grants;
        let attendant = self.attendant.as_ref();
        let (requests, to_coordinator) = unbounded_channel();
        let (to_sandbox, answers) = unbounded_channel();
        let ending = {
            let run = coordinator::Run {
                grants,
                attendant,
                log: &log,
            };
            let tools = self.tools.serve(&run, to_coordinator, to_sandbox);
            let run = self
                .sandbox
                .run(&program, &self.options.limits, Wire { requests, answers });
            tokio::pin!(tools);
            tokio::pin!(run);
            let (ending, tools_ended) = tokio::select! {
                biased;
                ending = &mut run => (ending, false),
                // Ends first only if it failed; the program then hears that
                // no tool can be reached.
                () = &mut tools => (run.await, true),
            };
            if !tools_ended {
                let _ = tokio::time::timeout(FAREWELL, tools).await;
            }
            ending
        };
        let output = self.sandbox.console().take();
        let calls = log.take();
        report(ending, output, &self.options.limits, started, calls)
    }
}

/// What programs see beside their workspace.
fn mounts(workspace: &Workspace) -> Mounts {
    Mounts::new(workspace)
        .read_only("/skills", Archive::empty())
        .expect("the path is free")
}

fn report(
    ending: Ending,
    output: Output,
    limits: &Limits,
    started: Instant,
    calls: Vec<crate::coordinator::CallRecord>,
) -> Report {
    let printed = (output.stdout.len() + output.stderr.len()) as u64;
    let usage = Usage {
        wall_ms: (started.elapsed().as_secs_f64() * 1e6).round() / 1e3,
        fuel: ending.fuel,
        memory_peak_bytes: ending.memory_peak,
        calls: calls.len() as u32,
        output_bytes: printed,
    };
    let variables_lost = ending.variables_lost;
    let mut verdict = verdict(ending, limits, printed);
    if variables_lost {
        verdict.warnings.insert(0, VARIABLES_LOST.to_owned());
    }
    Report {
        status: verdict.status,
        result: verdict.result,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        content: output.content,
        error: verdict.error,
        warnings: verdict.warnings,
        calls,
        usage,
    }
}

/// Valid UTF-8 as it is; anything else with replacement characters.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

struct Verdict {
    status: Status,
    result: Option<serde_json::Value>,
    error: Option<ErrorReport>,
    warnings: Vec<String>,
}

impl Verdict {
    fn failed(status: Status, error: ErrorReport) -> Self {
        Self {
            status,
            result: None,
            error: Some(error),
            warnings: Vec::new(),
        }
    }

    fn limit(limit: Limit) -> Self {
        Self::failed(Status::Limit, limit_error(limit))
    }
}

fn verdict(ending: Ending, limits: &Limits, printed: u64) -> Verdict {
    let outcome = match ending.outcome {
        Ok(outcome) => outcome,
        Err(Stop::Limit(limit)) => return Verdict::limit(limit),
        Err(Stop::Crashed(what)) => {
            let error = plain_error("Crash", format!("the program crashed its sandbox: {what}"));
            return Verdict::failed(Status::Error, error);
        }
        Err(Stop::Refused {
            kind,
            message,
            hint,
        }) => {
            let status = match kind {
                "import_denied" | "import_unknown" | "import_mismatch" => Status::Denied,
                _ => Status::Error,
            };
            return Verdict::failed(
                status,
                ErrorReport {
                    hint,
                    ..plain_error(kind, message)
                },
            );
        }
        Err(Stop::Host(error)) => {
            // The chain is for the operator; what failed is for everybody.
            tracing::error!(error = &error as &dyn std::error::Error, "a run failed");
            return Verdict::failed(
                Status::HostError,
                plain_error("HostError", error.to_string()),
            );
        }
    };
    let verdict = match outcome.result {
        Ok(value) => match returned(value, limits.max_output.saturating_sub(printed)) {
            Ok(result) => Verdict {
                status: Status::Ok,
                result,
                error: None,
                warnings: Vec::new(),
            },
            Err(()) => Verdict::limit(Limit::Output(limits.max_output)),
        },
        Err(Failure::Exited(status)) => {
            let error = plain_error(
                "SystemExit",
                format!("the program exited with status {status}"),
            );
            Verdict::failed(Status::Error, error)
        }
        Err(Failure::Stuck(exception)) => {
            Verdict::failed(Status::Error, exception_error(exception))
        }
        Err(Failure::Raised(exception)) => raised(
            exception,
            ending.memory_refused,
            ending.files_refused,
            limits,
        ),
    };
    Verdict {
        warnings: outcome.warnings,
        ..verdict
    }
}

/// An uncaught exception: the program's own failure, unless it says that it
/// was refused something.
fn raised(
    exception: Exception,
    memory_refused: bool,
    files_refused: Option<files::Limit>,
    limits: &Limits,
) -> Verdict {
    let out_of_memory = memory_refused
        && (exception.kind == "MemoryError"
            || matches!(exception.kind.as_str(), "RangeError" | "InternalError")
                && exception.message.contains("memory")
            || exception.message.contains("array buffer"));
    if out_of_memory {
        let limit = Limit::Memory(limits.memory);
        let error = exception_error(exception);
        return Verdict::failed(
            Status::Limit,
            ErrorReport {
                traceback: error.traceback,
                position: error.position,
                ..limit_error(limit)
            },
        );
    }
    let status = match exception.kind.as_str() {
        "ToolDenied" => Status::Denied,
        "ToolLimit" => Status::Limit,
        _ => Status::Error,
    };
    // Languages say "I/O error" where a limit of the files was met.
    let hint = files_refused
        .filter(|_| {
            matches!(
                exception.kind.as_str(),
                "OSError" | "Error" | "OperationalError"
            )
        })
        .map(|limit| format!("{limit}; {}", limit.hint()));
    let error = exception_error(exception);
    Verdict::failed(status, ErrorReport { hint, ..error })
}

/// The value as JSON, if it fits into what is left of the output limit.
fn returned(value: Value, room: u64) -> Result<Option<serde_json::Value>, ()> {
    let fits = |text: &str| {
        if text.len() as u64 <= room {
            Ok(())
        } else {
            Err(())
        }
    };
    Ok(match value {
        Value::Nothing => None,
        Value::Json(text) => {
            fits(&text)?;
            // A guest that writes something else means it as text.
            Some(serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)))
        }
        Value::Text(text) => {
            fits(&text)?;
            Some(serde_json::Value::String(text))
        }
    })
}

fn plain_error(kind: &str, message: String) -> ErrorReport {
    ErrorReport {
        kind: kind.into(),
        message,
        ..ErrorReport::default()
    }
}

fn limit_error(limit: Limit) -> ErrorReport {
    ErrorReport {
        hint: Some(limit.hint().into()),
        limit: Some(limit),
        ..plain_error(limit.name(), limit.to_string())
    }
}

fn exception_error(exception: Exception) -> ErrorReport {
    let Exception {
        kind,
        message,
        traceback,
        position,
    } = exception;
    ErrorReport {
        traceback: Some(traceback),
        position: position.map(|p| Position {
            file: p.file,
            line: p.line,
            column: p.column,
        }),
        ..plain_error(&kind, message)
    }
}
