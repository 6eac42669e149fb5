//! The coordinator side of a session: what programs may call, and calling it.
//!
//! Joins servers ([`crate::servers`]), names, policy and schemas into one
//! [`Toolbox`] that answers the messages of a sandbox. Speaks
//! [`contract::message`] to that side and knows nothing else about it: whatever
//! arrives is treated as written by a stranger.
//!
//! Invariants: every route to a tool passes through [`Grants`]; each call gets
//! exactly one completion; a call is sent at most once; text for programs holds
//! no secret of a server's configuration, no path and no address of ours.

mod arguments;
mod attendant;
mod catalog;
mod consent;
mod definitions;
mod find;
mod grants;
mod interface;
mod log;
mod material;
mod pins;
mod resolve;
mod resource_files;
mod results;
mod schema;
pub mod search;
mod serve;
pub mod servers;
mod stub_files;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use stubs::names::{Collision, folded, server_identifiers};

use crate::servers::{Bounds, Fault, FaultKind, ServerSpec, SpecError, Upstream};
use contract::hint::{Hint, RenderHint, with_hint};
use contract::message::{CallError, CallErrorKind, Parameter, Server, Tool};
use contract::program::Language;

pub use attendant::{
    Answering, Approval, Attendant, Declined, FinishedCall, LogEntry, LogLevel, Progress,
    RequestKind, ServerRequest, Verdict,
};
pub use grants::{BadPattern, Grants};
pub use interface::Wit;
pub use log::CallLog;
pub use stub_files::ToolPage;

use catalog::Catalog;
use grants::{Denial, Permission, Target};
use log::Recording;
use pins::{Checked, Pins};
use resource_files::Folder;

/// What a program is told about a tool. Longer descriptions are cut: they are
/// text of a stranger, and a program rarely reads them.
const LONGEST_DESCRIPTION: usize = 1 << 10;

/// The tools of all servers, shared by any number of sessions.
///
/// Servers start when they are first used. Dropping the last handle ends them;
/// [`shutdown`](Self::shutdown) does it in good order.
///
/// # Examples
///
/// ```
/// use serde_json::json;
/// use wasm_coordinator_tools::{Bounds, Grants, LocalTools, ServerSpec, Toolbox};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tools = LocalTools::new().tool("now", "The time", json!({}), |_| async { Ok("noon".into()) });
/// let toolbox = Toolbox::new(vec![ServerSpec::local("clock", tools)], Bounds::default())?;
/// let now = toolbox.call(&Grants::default(), "clock.now", "{}").await?;
/// assert_eq!(now, r#""noon""#);
/// # Ok(()) }
/// ```
pub struct Toolbox {
    upstream: Upstream,
    /// In the order of `upstream`.
    servers: Vec<Known>,
    accepts_changes: bool,
    index: Mutex<Option<Arc<find::Index>>>,
}

/// What a program runs with: what it may call, who attends it, and what became
/// of its calls.
pub struct Run<'a> {
    /// What it may call.
    pub grants: &'a Grants,
    /// Who attends it.
    pub attendant: Option<&'a Arc<dyn Attendant>>,
    /// What became of its calls.
    pub log: &'a CallLog,
    /// How programs are told what would help.
    pub render_hint: Option<RenderHint>,
}

impl Run<'_> {
    /// An error as the program gets it: with what would help in words, where
    /// there are words for it, and else as the key.
    fn told(&self, error: CallError) -> CallError {
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

struct Known {
    server: Server,
    folded: String,
    catalog: Mutex<Option<Arc<Catalog>>>,
    pins: Pins,
    resources: Folder,
}

impl Default for Toolbox {
    /// No servers at all.
    fn default() -> Self {
        Self::new(Vec::new(), Bounds::default()).expect("nothing can be wrong with no servers")
    }
}

impl Toolbox {
    /// Checks the servers and takes them over. Starts none.
    ///
    /// # Errors
    ///
    /// A server that cannot work as it is specified, or two that programs
    /// could not tell apart.
    pub fn new(servers: Vec<ServerSpec>, bounds: Bounds) -> Result<Self, SetupError> {
        let upstream = Upstream::new(servers, bounds)?;
        let identifiers = server_identifiers(upstream.names())?;
        let servers = upstream
            .names()
            .zip(identifiers)
            .map(|(name, identifier)| Known {
                folded: folded(name),
                server: Server {
                    name: name.to_owned(),
                    identifier,
                },
                catalog: Mutex::new(None),
                pins: Pins::default(),
                resources: Folder::default(),
            })
            .collect();
        Ok(Self {
            upstream,
            servers,
            accepts_changes: false,
            index: Mutex::new(None),
        })
    }

    /// The same, but tools whose servers change their definitions after they were
    /// first listed are called as what they are then. By default they are
    /// refused.
    pub fn accepting_changes(mut self) -> Self {
        self.accepts_changes = true;
        self
    }

    /// The servers, in the order of the configuration. Starts none.
    pub fn servers(&self) -> Vec<Server> {
        self.servers
            .iter()
            .map(|known| known.server.clone())
            .collect()
    }

    /// A server, by its name in any spelling. Does not start it.
    ///
    /// # Errors
    ///
    /// There is none; the names that come close.
    pub fn server(&self, name: &str) -> Result<Server, CallError> {
        match self.find_server(name) {
            Some(index) => Ok(self.servers[index].server.clone()),
            None => Err(self.no_such_server(name)),
        }
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
        let (_, catalog) = self.granted_catalog(server, grants).await?;
        // Also those that are denied: their calls say what would allow them,
        // which a missing name could not.
        Ok(catalog
            .tools
            .iter()
            .map(|tool| self.described(tool, language))
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
            attendant: None,
            log: &CallLog::default(),
            render_hint: None,
        };
        self.recorded_call(&run, tool, arguments, &run.log.begin(tool))
            .await
    }

    /// The same, attended: somebody can be asked, and hears what happens. The
    /// record of the call is added to `log`.
    ///
    /// # Errors
    ///
    /// See [`CallErrorKind`].
    pub async fn call_attended(
        &self,
        grants: &Grants,
        attendant: &Arc<dyn Attendant>,
        tool: &str,
        arguments: &str,
        log: &CallLog,
    ) -> Result<String, CallError> {
        let run = Run {
            grants,
            attendant: Some(attendant),
            log,
            render_hint: None,
        };
        self.recorded_call(&run, tool, arguments, &log.begin(tool))
            .await
    }

    /// The servers themselves, for the operator: what each is doing, and why
    /// one fails. What is read there is not meant for programs.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Ends all servers in good order, within a few seconds. Calls are refused
    /// from then on.
    pub async fn shutdown(&self) {
        self.upstream.shutdown().await;
    }

    async fn call_with(
        &self,
        run: &Run<'_>,
        written: &str,
        arguments: &str,
        record: &Recording,
    ) -> Result<String, CallError> {
        if let Some(meant) = self.reserved(written, run.grants).await? {
            return self.call_reserved(run, &meant, arguments, record).await;
        }
        let found = self.resolve(written, run.grants).await?;
        let server = &self.servers[found.server].server.name;
        let tool = &found.catalog.tools[found.tool];
        let name = &tool.definition().name;
        record.target(server, name);
        let permission = self.check_tool(found.server, tool, run.grants)?;
        if tool.changed {
            let shown = resolve::shown(name);
            let message = format!(
                "the definition of `{server}.{shown}` changed since it was first listed, so it is not called; starting this program again accepts it"
            );
            return Err(CallError {
                hint: Some(Box::new(Hint::AcceptChanges)),
                ..self.error(CallErrorKind::Denied, server, name, message)
            });
        }
        let arguments = arguments::read(tool, arguments).map_err(|unfit| {
            let parameters = tool.parameters.iter().map(|p| p.name.clone()).collect();
            let kind = CallErrorKind::InvalidArguments(parameters);
            self.error(kind, server, name, unfit.message)
        })?;
        if let Permission::Ask(why) = permission {
            self.consent(run, server, name, &arguments, why).await?;
        }
        let answer = self
            .upstream
            .call(found.server, name, arguments, run.attendant, &record.sent)
            .await
            .map_err(|fault| self.fault(fault, server, name))?;
        match results::read(answer, tool.is_wrapped) {
            Ok(json) => Ok(self.upstream.redactor().json(json)),
            Err(message) => Err(self.error(CallErrorKind::Failed, server, name, message)),
        }
    }

    /// The one place where the policy is asked about a tool.
    fn decide(
        &self,
        server: usize,
        tool: &catalog::Tool,
        grants: &Grants,
    ) -> Result<Permission, Denial> {
        let server = &self.servers[server].server;
        grants.decide(&Target {
            server: &server.name,
            server_identifier: &server.identifier,
            tool: &tool.definition().name,
            python: &tool.names.python,
            javascript: &tool.names.javascript,
            is_destructive: tool.definition().is_destructive,
        })
    }

    /// Refuses a tool that the policy denies.
    fn check_tool(
        &self,
        server: usize,
        tool: &catalog::Tool,
        grants: &Grants,
    ) -> Result<Permission, CallError> {
        self.decide(server, tool, grants).map_err(|denial| {
            let server = &self.servers[server].server.name;
            let name = &tool.definition().name;
            self.denied(server, name, &denial)
        })
    }

    /// Refuses a server of which nothing can be granted, before it is started.
    fn check_server(&self, server: usize, tool: &str, grants: &Grants) -> Result<(), CallError> {
        let denial = self.denial(server, tool, grants);
        let server = &self.servers[server].server;
        if grants.could_allow(&server.name, &server.identifier) {
            return Ok(());
        }
        Err(match denial {
            Some(denial) => self.denied(&server.name, tool, &denial),
            None => {
                let message = format!("nothing of `{}` is allowed", server.name);
                self.error(CallErrorKind::Denied, &server.name, tool, message)
            }
        })
    }

    /// Why a tool is denied of which only the name is known.
    fn denial(&self, server: usize, tool: &str, grants: &Grants) -> Option<Denial> {
        let server = &self.servers[server].server;
        let target = Target {
            server: &server.name,
            server_identifier: &server.identifier,
            tool,
            python: tool,
            javascript: tool,
            is_destructive: false,
        };
        grants.decide(&target).err()
    }

    /// The tools of a server of which something is granted.
    async fn granted_catalog(
        &self,
        server: &str,
        grants: &Grants,
    ) -> Result<(usize, Arc<Catalog>), CallError> {
        let index = self
            .find_server(server)
            .ok_or_else(|| self.no_such_server(server))?;
        self.check_server(index, "*", grants)?;
        Ok((index, self.catalog(index, "").await?))
    }

    /// The tools of a server, with their names and checks.
    async fn catalog(&self, server: usize, tool: &str) -> Result<Arc<Catalog>, CallError> {
        let known = &self.servers[server];
        let listing = match self.upstream.tools(server).await {
            Ok(listing) => listing,
            Err(fault) => return Err(self.fault(fault, &known.server.name, tool)),
        };
        let mut catalog = lock(&known.catalog);
        match &*catalog {
            Some(catalog) if Arc::ptr_eq(&catalog.listing, &listing) => Ok(Arc::clone(catalog)),
            _ => {
                let checked = match self.accepts_changes {
                    true => Checked::accepted(Arc::clone(&listing)),
                    false => known.pins.check(&known.server.name, &listing),
                };
                let new = Arc::new(Catalog::new(listing, checked));
                Ok(Arc::clone(catalog.insert(new)))
            }
        }
    }

    fn described(&self, tool: &catalog::Tool, language: Language) -> Tool {
        let parameters = tool.parameters.iter().enumerate();
        Tool {
            name: tool.definition().name.clone(),
            identifier: tool.identifier(language).to_owned(),
            description: self.description(tool),
            parameters: parameters
                .map(|(index, parameter)| Parameter {
                    name: parameter.name.clone(),
                    identifier: tool.parameter_identifier(index, language).to_owned(),
                    required: parameter.required,
                })
                .collect(),
        }
    }

    /// What a server says about a tool, for programs and models.
    fn description(&self, tool: &catalog::Tool) -> String {
        let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        let description = tool.definition().description.trim();
        let description = results::shortened(description, LONGEST_DESCRIPTION);
        self.upstream
            .redactor()
            .text(description.chars().map(plain).collect())
    }

    /// What a fault of a server is for a program. The details are for the log.
    fn fault(&self, fault: Fault, server: &str, tool: &str) -> CallError {
        if let Some(detail) = &fault.detail {
            tracing::debug!(
                server,
                tool,
                detail,
                "a tool call failed: {}",
                fault.message
            );
        }
        let (kind, message) = match fault.kind {
            FaultKind::Failed => (
                CallErrorKind::Failed,
                results::shortened(&fault.message, 16 << 10),
            ),
            FaultKind::Unavailable => (
                CallErrorKind::Unavailable,
                format!("server `{server}` cannot be used: {}", fault.message),
            ),
            FaultKind::TimedOut => (
                CallErrorKind::TimedOut,
                format!("`{server}.{tool}`: {}", fault.message),
            ),
            FaultKind::OutcomeUnknown => (
                CallErrorKind::OutcomeUnknown,
                format!("`{server}.{tool}`: {}", fault.message),
            ),
        };
        self.error(kind, server, tool, message)
    }

    /// An error for a program, without secrets.
    fn error(&self, kind: CallErrorKind, server: &str, tool: &str, message: String) -> CallError {
        CallError {
            kind,
            server: server.to_owned(),
            tool: tool.chars().take(256).collect(),
            message: self.upstream.redactor().text(message),
            hint: None,
        }
    }

    /// A call that the policy denies.
    fn denied(&self, server: &str, tool: &str, denial: &Denial) -> CallError {
        CallError {
            hint: Some(Box::new(denial.hint())),
            ..self.error(CallErrorKind::Denied, server, tool, denial.to_string())
        }
    }
}

impl fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Toolbox").field(&self.upstream).finish()
    }
}

/// Nothing here is half done while a lock is held, so a poisoned one is as good
/// as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
