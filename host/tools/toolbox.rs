//! The tools of all servers together: each question goes to the server it is
//! about.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex},
};

use audit::Recorder;
use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use serde_json::json;
use stubs::names::{Collision, server_identifiers};

use crate::{
    arguments::{self, Arguments, Unfit},
    callbacks::HostCallbacks,
    dispatch::Request,
    log::{CallLog, Recording},
    policy::{Grants, Permission},
    resolve::Found,
    results::{self, NoResult},
    search::ToolIndex,
    server::{Server, call_error},
    servers::{
        Answer, Caller, Fault, Listing, Redactor, ServerLimits, ServerObserver, ServerSpec,
        ServerState, SpecError, Turns, clients,
    },
};
use contract::hint::{Hint, RenderHint, with_hint};
use contract::message::{self, AnswerForm, CallError, CallErrorKind, ServerError, Tool};
use contract::program::Language;
use contract::text::{MAX_NAME, one_line};

/// The tools of all servers, shared by any number of sessions.
///
/// Servers start when they are first used. Dropping the last handle ends them;
/// [`shutdown`](Self::shutdown) does it in good order.
///
/// # Examples
///
/// ```
/// use serde_json::json;
/// use wasm_coordinator_tools::{Grants, LocalTools, ServerLimits, ServerSpec, Toolbox};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tools = LocalTools::new().tool("now", "The time", json!({}), |_| async { Ok("noon".into()) });
/// let toolbox = Toolbox::new(vec![ServerSpec::local("clock", tools)], ServerLimits::default())?;
/// let now = toolbox.call(&Grants::default(), "clock.now", "{}").await?;
/// assert_eq!(now, r#""noon""#);
/// # Ok(()) }
/// ```
pub struct Toolbox {
    pub(crate) servers: Vec<Server>,
    pub(crate) index: Mutex<Option<Arc<ToolIndex>>>,
    pub(crate) recorder: Recorder,
    redactor: Arc<Redactor>,
    /// Checks of arguments that take long, at once.
    long_checks: Turns,
}

/// Checks that take long and run at once: what is left is for everything else.
const MAX_LONG_CHECKS: usize = 2;

/// What a program runs with: what it may call, who is asked and told about its
/// calls, and what became of them.
pub struct Run<'a> {
    /// What it may call.
    pub grants: &'a Grants,
    /// Who is asked, and hears what happens.
    pub callbacks: Option<&'a Arc<dyn HostCallbacks>>,
    /// What became of its calls.
    pub log: &'a CallLog,
    /// How programs are told what would help.
    pub render_hint: Option<RenderHint>,
}

impl Run<'_> {
    /// Who makes a call of it.
    pub(crate) fn caller<'a>(&'a self, record: &'a Recording) -> Caller<'a> {
        Caller {
            id: self.log.id(),
            callbacks: self.callbacks,
            sent: &record.sent,
            audit: Some(&record.audit),
        }
    }

    /// An error as the program gets it: with what would help in words, where
    /// there are words for it, and else as the key.
    pub(crate) fn told(&self, error: CallError) -> CallError {
        let Some(render) = self.render_hint else {
            return error;
        };
        CallError {
            message: with_hint(&error.message, error.hint.as_deref(), render),
            hint: None,
            ..error
        }
    }
}

impl Default for Toolbox {
    /// No servers at all.
    fn default() -> Self {
        Self::new(Vec::new(), ServerLimits::default())
            .expect("nothing can be wrong with no servers")
    }
}

impl Toolbox {
    /// Checks the servers and takes them over. Starts none.
    ///
    /// # Errors
    ///
    /// A server that cannot work as it is specified, or two that programs
    /// could not tell apart.
    pub fn new(servers: Vec<ServerSpec>, limits: ServerLimits) -> Result<Self, SetupError> {
        let (clients, redactor) = clients(servers, limits)?;
        let identifiers = server_identifiers(clients.iter().map(|client| client.name()))?;
        let servers = clients
            .into_iter()
            .zip(identifiers)
            .map(|(client, identifier)| Server::new(client, identifier, Arc::clone(&redactor)))
            .collect();
        Ok(Self {
            servers,
            index: Mutex::new(None),
            recorder: Recorder::off(),
            redactor,
            long_checks: Turns::new(MAX_LONG_CHECKS, usize::MAX),
        })
    }

    /// The same, but tools whose servers change their definitions after they were
    /// first listed are called as what they are then. By default they are
    /// refused.
    pub fn accepting_changes(mut self) -> Self {
        self.servers.iter_mut().for_each(Server::accept_changes);
        self
    }

    /// The same, with somebody who hears of servers that are slow, cannot be
    /// started, or are lost.
    pub fn watched(self, observer: ServerObserver) -> Self {
        // What one server is told all servers know.
        if let Some(server) = self.servers.first() {
            server.client.watch(observer);
        }
        self
    }

    /// The same, with an audit record of all calls, denials, consents and servers.
    /// Sessions that are given this toolbox add their runs to it.
    pub fn audited(mut self, recorder: Recorder) -> Self {
        if let Some(server) = self.servers.first() {
            server.client.audit(recorder.clone());
        }
        self.recorder = recorder;
        self
    }

    /// The audit record; one that is off, if there is none.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The same, with what servers say of their tools kept in a folder for later
    /// runs, which can then search before all servers have started. The folder
    /// is made with mode 0700 and holds at most 256 files of 4 MiB.
    pub fn keeping_definitions(self, folder: &Path) -> Self {
        for server in &self.servers {
            server.client.keep_listings(folder);
        }
        self
    }

    /// The servers, in the order of the configuration. Starts none.
    pub fn servers(&self) -> Vec<message::Server> {
        let names = self.servers.iter().map(|server| &*server.names);
        names.cloned().collect()
    }

    /// A server, by its name in any spelling. Does not start it.
    ///
    /// # Errors
    ///
    /// There is none; the names that come close.
    pub fn server(&self, name: &str) -> Result<message::Server, CallError> {
        let server = self.find_server(name)?;
        Ok(message::Server::clone(&server.names))
    }

    /// The tools of a server that may be called. Starts it if need be.
    ///
    /// # Errors
    ///
    /// There is no such server, nothing of it is granted, or it cannot be used.
    pub async fn describe(
        &self,
        server: &str,
        language: Language,
        grants: &Grants,
    ) -> Result<Vec<Tool>, CallError> {
        let server = self.granted_server(server, grants)?;
        let catalog = server.catalog("").await?;
        // Also those that are denied: their calls say what would allow them,
        // which a missing name could not.
        Ok(catalog
            .tools
            .iter()
            .map(|tool| server.described(tool, language))
            .collect())
    }

    /// Calls a tool as a program would: `tool` in any spelling, `arguments` as
    /// a JSON object. The result is JSON text.
    ///
    /// # Errors
    ///
    /// See [`CallErrorKind`].
    pub async fn call(
        &self,
        grants: &Grants,
        tool: &str,
        arguments: &str,
    ) -> Result<String, CallError> {
        let run = Run {
            grants,
            callbacks: None,
            log: &CallLog::default(),
            render_hint: None,
        };
        let request = Request::new(tool, arguments);
        let record = run.log.begin(tool, &self.recorder);
        self.recorded_call(&run, &request, &record).await
    }

    /// The same with callbacks: somebody can be asked, and hears what happens. The
    /// record of the call is added to `log`.
    ///
    /// # Errors
    ///
    /// See [`CallErrorKind`].
    pub async fn call_with_callbacks(
        &self,
        grants: &Grants,
        callbacks: &Arc<dyn HostCallbacks>,
        tool: &str,
        arguments: &str,
        log: &CallLog,
    ) -> Result<String, CallError> {
        let run = Run {
            grants,
            callbacks: Some(callbacks),
            log,
            render_hint: None,
        };
        let request = Request::new(tool, arguments);
        let record = log.begin(tool, &self.recorder);
        self.recorded_call(&run, &request, &record).await
    }

    /// What each server is doing, in the order of the configuration: for the
    /// operator, not for programs. Starts none.
    pub fn states(&self) -> Vec<ServerState> {
        let states = self.servers.iter().map(|server| server.client.state());
        states.collect()
    }

    /// Starts all servers at once and lists the tools of each, whatever is
    /// granted, in the order of the configuration: for the operator, not for
    /// programs. One that fails does so alone.
    pub async fn listings(&self) -> Vec<Result<Arc<Listing>, Fault>> {
        join_all(self.servers.iter().map(|server| server.client.tools())).await
    }

    /// The same, each as it comes: `seen` gets the place of the server in the
    /// configuration and what it answered.
    pub async fn each_listing(&self, mut seen: impl FnMut(usize, Result<Arc<Listing>, Fault>)) {
        let asked = self.servers.iter().enumerate();
        let mut answers: FuturesUnordered<_> = asked
            .map(|(place, server)| async move { (place, server.client.tools().await) })
            .collect();
        while let Some((place, answer)) = answers.next().await {
            seen(place, answer);
        }
    }

    /// Which listing of a server is known; differs whenever its tools do.
    /// `None` if it was never listed or there is no such server.
    pub fn known_version(&self, server: &str) -> Option<u64> {
        let catalog = self.server_named(server)?.known_catalog()?;
        Some(catalog.version)
    }

    /// All tools of a server as they were last listed: a JSON list of names,
    /// descriptions and input schemas, as a client would show them to its model.
    /// The yardstick for what direct calls cost. Starts nothing.
    pub fn known_definitions(&self, server: &str) -> Option<String> {
        let catalog = self.server_named(server)?.known_catalog()?;
        let tools = catalog.listing.tools.iter().map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "input_schema": *tool.input_schema,
            })
        });
        serde_json::to_string(&tools.collect::<Vec<_>>()).ok()
    }

    /// Ends all servers in good order, within a few seconds. Calls are refused
    /// from then on.
    pub async fn shutdown(&self) {
        join_all(self.servers.iter().map(|server| server.client.stop())).await;
    }

    pub(crate) async fn call_with(
        &self,
        run: &Run<'_>,
        request: &Request,
        record: &Recording,
    ) -> Result<String, CallError> {
        let Request {
            tool: written,
            arguments,
            form,
        } = request;
        if let Some((server, name)) = self.reserved(written, run.grants).await? {
            let value = server.call_reserved(run, name, arguments, record).await?;
            return Ok(match form {
                AnswerForm::Value => value,
                AnswerForm::Whole => format!("{{\"value\":{value},\"content\":[]}}"),
            });
        }
        let found = self.resolve(written, run.grants).await?;
        let server = found.server;
        let tool = &found.catalog.tools[found.tool];
        let name = &tool.definition().name;
        record.target(server.name(), name);
        let permission = server.check_tool(tool, run.grants)?;
        if tool.changed {
            let shown = one_line(name, MAX_NAME);
            let server_name = server.name();
            let message = format!(
                "the definition of `{server_name}.{shown}` changed since it was first listed, so it is not called; starting this program again accepts it"
            );
            return Err(CallError {
                hint: Some(Box::new(Hint::AcceptChanges)),
                ..server.error(CallErrorKind::Denied, name, message)
            });
        }
        let read = self.read_arguments(run, &found, arguments).await;
        let arguments = read.map_err(|unfit| {
            let parameters = tool.parameters.iter().map(|p| p.name.clone()).collect();
            let kind = CallErrorKind::InvalidArguments(parameters);
            server.error(kind, name, unfit.message)
        })?;
        server.note(record, &arguments.value, || arguments.text.to_string());
        if let Permission::Ask(why) = permission {
            server
                .consent(run, record, name, &arguments.text, why)
                .await?;
        }
        let answer = server
            .client
            .call(name, arguments, run.caller(record))
            .await
            .map_err(|fault| server.fault(fault, name))?;
        // What came over a connection holds no secret any more.
        let is_ours = matches!(answer, Answer::Value(_));
        match results::read(answer, tool.is_wrapped, *form) {
            Ok(json) if is_ours => Ok(self.redactor.json(json)),
            Ok(json) => Ok(json),
            Err(NoResult::Failed { message, data }) => {
                let said = ServerError { code: None, data };
                Err(CallError {
                    said: Some(server.redacted(said)),
                    ..server.error(CallErrorKind::Failed, name, message)
                })
            }
            Err(NoResult::Unusable(why)) => {
                let message = format!("`{}.{name}`: {why}", server.name());
                Err(server.error(CallErrorKind::UnusableAnswer, name, message))
            }
        }
    }

    /// Reads and checks arguments: at once if that is quick, and otherwise where
    /// no other run waits for it.
    async fn read_arguments(
        &self,
        run: &Run<'_>,
        found: &Found<'_>,
        text: &str,
    ) -> Result<Arguments, Unfit> {
        let (catalog, index) = (Arc::clone(&found.catalog), found.tool);
        if catalog.tools[index].is_checked_quickly(text.len()) {
            return arguments::read(&catalog.tools[index], text);
        }
        let _turn = self.long_checks.take(run.log.id(), 0).await;
        let text = text.to_owned();
        let read = move || arguments::read(&catalog.tools[index], &text);
        match tokio::task::spawn_blocking(read).await {
            Ok(read) => read,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Unfit {
                message: "the arguments cannot be checked: the host is about to end".to_owned(),
            }),
        }
    }

    /// A server of which something may be granted.
    pub(crate) fn granted_server(&self, name: &str, grants: &Grants) -> Result<&Server, CallError> {
        let server = self.find_server(name)?;
        server.check("*", grants)?;
        Ok(server)
    }

    /// What takes the secrets of all servers out of text.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Takes the secrets of all servers out of JSON text.
    pub(crate) fn redacted(&self, json: String) -> String {
        self.redactor.json(json)
    }

    /// An error of no server, without secrets.
    pub(crate) fn error(&self, kind: CallErrorKind, tool: &str, message: String) -> CallError {
        call_error(&self.redactor, kind, "", tool, message)
    }
}

impl fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.servers.iter().map(Server::name).collect();
        f.debug_struct("Toolbox").field("servers", &names).finish()
    }
}

/// Servers that cannot be used together as they are specified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct SetupError(#[from] SetupProblem);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum SetupProblem {
    #[error(transparent)]
    Spec(SpecError),
    #[error(transparent)]
    Collision(Collision),
}

impl From<SpecError> for SetupError {
    fn from(error: SpecError) -> Self {
        Self(SetupProblem::Spec(error))
    }
}

impl From<Collision> for SetupError {
    fn from(error: Collision) -> Self {
        Self(SetupProblem::Collision(error))
    }
}
