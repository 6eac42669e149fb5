//! A session: one sandbox and the tools granted to it, joined for each run.
//!
//! The two sides run as one task and talk in messages, so a tool call costs no
//! switch of threads, and dropping the run's future ends both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::Origin;
use contract::advice::Advice;
use contract::caller::Caller;
use contract::hint::RenderHint;
use contract::limits::Limits;
use contract::outcome::RunOutcome;
use contract::program::Program;
use contract::report::{Report, Status};
use sandbox::files::{Mounts, Quota, Workspace};
use sandbox::{Channel, Console, ContentWatcher, Sandbox, Watcher};
use tokio::sync::mpsc::unbounded_channel;
use tools::{CallLog, Grants, HostCallbacks, Toolbox};

use crate::engine::Engine;
use crate::isolation::RemoteSandbox;
use crate::verdict::report;

/// How long calls that a program abandoned may take to be cancelled. Beyond
/// it their outcome is unknown.
const FAREWELL: Duration = Duration::from_millis(200);

/// What a session may do.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// The tools it may call: none of the configured ones is left out by
    /// default.
    pub grants: Grants,
    /// What is said about programs before they run, and whether they run then.
    /// Nothing by default. It guards nothing: see [`Advice`].
    pub advice: Advice,
    /// What each run may consume.
    pub limits: Limits,
    /// Where its files are: in memory by default, nobody else's.
    pub files: Files,
    /// Who it belongs to, where one process serves several callers. A process of a
    /// caller whose session ended in order may serve the next session of the same
    /// caller, with its memory reset. `None`, the default, is nobody else's.
    pub caller: Option<Caller>,
    /// How programs whose calls are refused are told what would allow them, in
    /// the terms of whoever runs them. By default they are not.
    pub render_hint: Option<RenderHint>,
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
    place: Place,
    workspace: Workspace,
    tools: Arc<Toolbox>,
    options: SessionOptions,
    callbacks: Option<Arc<dyn HostCallbacks>>,
    origin: Origin,
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
        let servers = tools.servers().into();
        let place = match engine.in_process() {
            Some(engine) => {
                let mounts = Mounts::new(&workspace);
                Place::Here(Box::new(Sandbox::new(engine.clone(), servers, mounts)))
            }
            None => Place::Worker(Box::new(RemoteSandbox::new(
                engine.clone(),
                servers,
                workspace.clone(),
                options.caller,
            ))),
        };
        Self {
            place,
            workspace,
            tools,
            options,
            callbacks: None,
            origin: Origin::default(),
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
        self.place.set_watched();
        self.place.console().watch(Some(watcher));
    }

    /// Shows content blocks as they are emitted, beside keeping them for the
    /// report.
    pub fn watch_content(&mut self, watcher: ContentWatcher) {
        self.place.set_watched();
        self.place.console().watch_content(Some(watcher));
    }

    /// Lets programs read the standard input of this process, as they ask for
    /// it. By default theirs is empty. Call it before the first run, in a process
    /// whose standard input is nobody else's.
    pub fn inherit_stdin(&mut self) {
        match &mut self.place {
            Place::Here(sandbox) => sandbox.inherit_stdin(),
            Place::Worker(sandbox) => sandbox.inherit_stdin(),
        }
    }

    /// Sets who is asked when a call of the next runs needs consent, and hears
    /// what happens. Nobody is by default, so such calls are refused.
    pub fn set_callbacks(&mut self, callbacks: Option<Arc<dyn HostCallbacks>>) {
        self.callbacks = callbacks;
    }

    /// Sets whose the next runs are, for the audit record of the toolbox. By
    /// default nobody's in particular.
    pub fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// Runs a program to its end or to a limit.
    ///
    /// Dropping the future stops the program and its calls at once. The files
    /// of the session stay; its variables are lost then, as after a limit, and
    /// the next report has a warning that says so.
    pub async fn run(&mut self, program: Program) -> Report {
        let started = Instant::now();
        let recorded = match self.tools.recorder().run(self.origin, &program) {
            Ok(recorded) => recorded,
            Err(error) => {
                return Report::not_run(Status::HostError, "HostError", &error.to_string(), None);
            }
        };
        let log = CallLog::of(recorded.origin());
        let grants = &self.options.grants;
        let callbacks = self.callbacks.as_ref();
        let (requests, to_coordinator) = unbounded_channel();
        let (to_sandbox, answers) = unbounded_channel();
        let outcome = {
            let run = tools::Run {
                grants,
                callbacks,
                log: &log,
                render_hint: self.options.render_hint,
            };
            let tools = self.tools.serve(&run, to_coordinator, to_sandbox);
            let run = self.place.run(
                &program,
                &self.options.advice,
                &self.options.limits,
                Channel { requests, answers },
            );
            tokio::pin!(tools);
            tokio::pin!(run);
            let (outcome, tools_ended) = tokio::select! {
                biased;
                outcome = &mut run => (outcome, false),
                // Ends first only if it failed; the program then hears that
                // no tool can be reached.
                () = &mut tools => (run.await, true),
            };
            if !tools_ended {
                let _ = tokio::time::timeout(FAREWELL, tools).await;
            }
            outcome
        };
        let output = self.place.console().take();
        let calls = log.take();
        let report = report(outcome, output, &self.options, started, calls);
        recorded.ended(&report);
        report
    }
}

/// Where the programs of a session run.
enum Place {
    /// In this process.
    Here(Box<Sandbox>),
    /// In processes of their own.
    Worker(Box<RemoteSandbox>),
}

impl Place {
    fn console(&self) -> &Console {
        match self {
            Self::Here(sandbox) => sandbox.console(),
            Self::Worker(sandbox) => sandbox.console(),
        }
    }

    fn set_watched(&mut self) {
        if let Self::Worker(sandbox) = self {
            sandbox.set_watched();
        }
    }

    async fn run(
        &mut self,
        program: &Program,
        advice: &Advice,
        limits: &Limits,
        channel: Channel,
    ) -> RunOutcome {
        match self {
            Self::Here(sandbox) => sandbox.run(program, advice, limits, channel).await,
            Self::Worker(sandbox) => sandbox.run(program, advice, limits, channel).await,
        }
    }
}
