//! All tools of all servers, and the calls of one run.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use wasm_coordinator_stubs::names::{nearest, server_identifiers};

use super::calls::CallLog;
use super::catalog::Catalog;
use super::grants::Grants;
use super::resolve::{self, Meant};
use super::{arguments, result};
use crate::error::Error;
use crate::message::{
    CallError, CallErrorKind, CallId, Completion, Server, ToCoordinator, ToSandbox, Tool,
};
use crate::upstream::{Bounds, Fault, FaultKind, ServerSpec, Upstream};

/// The tools that programs can be given: those of MCP servers, and functions
/// of this process.
pub struct Toolbox {
    upstream: Upstream,
    servers: Vec<Server>,
    /// Made from the listing of each server when it is first looked at.
    catalogs: Mutex<Vec<Option<Arc<Catalog>>>>,
}

impl Default for Toolbox {
    /// No tools.
    fn default() -> Self {
        Self::new(Vec::new(), Bounds::default()).expect("no names collide where there are none")
    }
}

impl std::fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Toolbox")
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

/// What one message of a program leads to.
enum Done {
    Call(CallId, Result<String, CallError>),
    Described(Result<Vec<Tool>, CallError>),
}

type Work<'a> = Pin<Box<dyn Future<Output = Done> + Send + 'a>>;

impl Toolbox {
    /// The tools of these servers. Starts none of them.
    ///
    /// # Errors
    ///
    /// When two servers would have the same name in programs, or one cannot
    /// work as it is specified.
    pub fn new(servers: Vec<ServerSpec>, bounds: Bounds) -> Result<Self, Error> {
        let identifiers = server_identifiers(servers.iter().map(|server| server.name.as_str()))
            .map_err(|collision| Error::new(collision.to_string()))?;
        let names = servers.iter().map(|server| server.name.clone());
        let list: Vec<Server> = names
            .zip(identifiers)
            .map(|(name, identifier)| Server { name, identifier })
            .collect();
        let catalogs = Mutex::new(list.iter().map(|_| None).collect());
        let upstream =
            Upstream::new(servers, bounds).map_err(|error| Error::new(error.to_string()))?;
        Ok(Self {
            upstream,
            servers: list,
            catalogs,
        })
    }

    /// The servers as programs see them.
    pub fn servers(&self) -> Vec<Server> {
        self.servers.clone()
    }

    /// The servers as their operator sees them.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Ends all servers and their children.
    pub async fn shutdown(&self) {
        self.upstream.shutdown().await;
    }

    /// The tools of a server, without those that are not granted.
    ///
    /// # Errors
    ///
    /// When there is no such server or it cannot be started.
    pub async fn describe(&self, grants: &Grants, server: &str) -> Result<Vec<Tool>, CallError> {
        let Some(place) = resolve::server(server, &self.servers) else {
            return Err(self.no_server(server, resolve::nearest_server(server, &self.servers)));
        };
        let catalog = self.catalog(place).await?;
        let name = &self.servers[place].name;
        let granted = catalog
            .tools()
            .iter()
            .filter(|tool| grants.check(name, &tool.described.name).is_ok());
        Ok(granted.map(|tool| tool.described.clone()).collect())
    }

    /// Serves one run: takes its messages until it hangs up, makes all calls
    /// at once on the task that polls this, and answers each exactly once.
    ///
    /// Calls under way when the run hangs up, or when this future is dropped,
    /// are cancelled; the log keeps them as unknown.
    pub async fn serve(
        &self,
        grants: &Grants,
        mut requests: UnboundedReceiver<ToCoordinator>,
        answers: UnboundedSender<ToSandbox>,
        log: &CallLog,
    ) {
        let mut work: FuturesUnordered<Work<'_>> = FuturesUnordered::new();
        let mut aborts: HashMap<CallId, AbortHandle> = HashMap::new();
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    None => return,
                    Some(ToCoordinator::Call { id, tool, arguments }) => {
                        let (abort, registration) = AbortHandle::new_pair();
                        aborts.insert(id, abort);
                        let entry = log.begin(&tool);
                        let place = entry.0;
                        let call = Abortable::new(self.call(grants, tool, arguments, log, entry), registration);
                        work.push(Box::pin(async move {
                            let result = call.await.unwrap_or_else(|_aborted| Err(cancelled()));
                            log.end(place, result.as_ref().err().map(|error| &error.kind));
                            Done::Call(id, result)
                        }));
                    }
                    Some(ToCoordinator::Cancel { id }) => {
                        if let Some(abort) = aborts.get(&id) {
                            abort.abort();
                        }
                    }
                    Some(ToCoordinator::Describe { server }) => {
                        work.push(Box::pin(async move { Done::Described(self.describe(grants, &server).await) }));
                    }
                },
                Some(done) = work.next(), if !work.is_empty() => {
                    let answer = match done {
                        Done::Call(id, result) => {
                            aborts.remove(&id);
                            ToSandbox::Completed(Completion { id, result })
                        }
                        Done::Described(tools) => ToSandbox::Described(tools),
                    };
                    if answers.send(answer).is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn call(
        &self,
        grants: &Grants,
        name: String,
        arguments: String,
        log: &CallLog,
        (place, sent): (usize, Arc<AtomicBool>),
    ) -> Result<String, CallError> {
        let (server, catalog, wanted) = self.resolve(grants, &name).await?;
        let server_name = &self.servers[server].name;
        let Some(tool) = catalog.find(&wanted) else {
            // A tool that is not granted is not known to exist either, but its
            // name tells what would have to be allowed.
            return Err(unknown_tool(server_name, &wanted, &catalog));
        };
        let described = &tool.described;
        log.name(place, server_name, &described.name);
        let error = |kind: CallErrorKind, message: String| CallError {
            kind,
            server: server_name.clone(),
            tool: described.name.clone(),
            message,
        };
        grants
            .check(server_name, &described.name)
            .map_err(|message| error(CallErrorKind::Denied, message))?;
        let invalid = |why: String| {
            let parameters = described
                .parameters
                .iter()
                .map(|parameter| parameter.name.clone())
                .collect();
            let message = format!("`{server_name}.{}` was not called: {why}", described.name);
            error(CallErrorKind::InvalidArguments(parameters), message)
        };
        let arguments = arguments::read(&arguments, &described.parameters).map_err(invalid)?;
        tool.schema.check(&arguments).map_err(invalid)?;
        let answer = self
            .upstream
            .call(server, &described.name, arguments, &sent)
            .await;
        let answer = answer.map_err(|fault| fault_error(fault, server_name, &described.name))?;
        result::read(answer, tool.only_output.as_deref())
            .map_err(|message| error(CallErrorKind::Failed, message))
    }

    /// The server and its catalog, and the tool's name as far as it is clear.
    async fn resolve(
        &self,
        grants: &Grants,
        name: &str,
    ) -> Result<(usize, Arc<Catalog>, String), CallError> {
        match resolve::read(name, &self.servers) {
            Meant::Of { server, tool } => {
                Ok((server, self.catalog(server).await?, tool.to_owned()))
            }
            Meant::NoServer { server, nearest } => Err(self.no_server(server, nearest)),
            Meant::Bare(tool) => self.find_everywhere(grants, tool).await,
        }
    }

    /// A bare name means the one server that has such a tool.
    async fn find_everywhere(
        &self,
        grants: &Grants,
        tool: &str,
    ) -> Result<(usize, Arc<Catalog>, String), CallError> {
        let catalogs =
            (0..self.servers.len()).map(|place| async move { (place, self.catalog(place).await) });
        let catalogs = futures_util::future::join_all(catalogs).await;
        let mut found = Vec::new();
        let mut close = Vec::new();
        for (place, catalog) in catalogs {
            // A server that cannot be started has no say.
            let Ok(catalog) = catalog else { continue };
            let server = &self.servers[place].name;
            if catalog.find(tool).is_some() {
                found.push((place, catalog));
            } else {
                close.extend(
                    catalog
                        .nearest(tool)
                        .into_iter()
                        .map(|name| format!("{server}.{name}")),
                );
            }
        }
        // Where several have it and one is granted, that one is meant.
        if found.len() > 1 {
            let granted = |(place, catalog): &(usize, Arc<Catalog>)| {
                let name = catalog.find(tool).map_or(tool, |tool| &tool.described.name);
                grants.check(&self.servers[*place].name, name).is_ok()
            };
            if found.iter().filter(|entry| granted(entry)).count() == 1 {
                found.retain(granted);
            }
        }
        match found.as_slice() {
            [_] => {}
            [] => {
                let nearest: Vec<String> = nearest(tool, close.iter().map(String::as_str))
                    .into_iter()
                    .map(Into::into)
                    .collect();
                let nearest = if nearest.is_empty() {
                    close.into_iter().take(3).collect()
                } else {
                    nearest
                };
                let message = format!(
                    "no server has a tool {}{}",
                    shown(tool),
                    did_you_mean(&nearest)
                );
                return Err(unknown(String::new(), tool, nearest, message));
            }
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|(place, _)| format!("{}.{tool}", self.servers[*place].name))
                    .take(3)
                    .collect();
                let message = format!(
                    "several servers have a tool {}; say which: {}",
                    shown(tool),
                    backticked(&names)
                );
                return Err(unknown(String::new(), tool, names, message));
            }
        }
        let (place, catalog) = found.swap_remove(0);
        Ok((place, catalog, tool.to_owned()))
    }

    async fn catalog(&self, place: usize) -> Result<Arc<Catalog>, CallError> {
        let server = &self.servers[place].name;
        let listing = self
            .upstream
            .tools(place)
            .await
            .map_err(|fault| fault_error(fault, server, ""))?;
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        match &catalogs[place] {
            Some(catalog) if Arc::ptr_eq(&catalog.listing, &listing) => Ok(Arc::clone(catalog)),
            _ => {
                let catalog = Arc::new(Catalog::new(listing));
                catalogs[place] = Some(Arc::clone(&catalog));
                Ok(catalog)
            }
        }
    }

    fn no_server(&self, server: &str, nearest: Vec<String>) -> CallError {
        /// Names that a message lists.
        const LISTED: usize = 20;
        let names: Vec<String> = self
            .servers
            .iter()
            .take(LISTED)
            .map(|server| server.name.clone())
            .collect();
        let there_is = match names.as_slice() {
            [] => "; no servers are configured".to_owned(),
            names if nearest.is_empty() => format!("; there is {}", backticked(names)),
            _ => did_you_mean(&nearest),
        };
        let message = format!("there is no server {}{there_is}", shown(server));
        unknown(server.chars().take(128).collect(), "", nearest, message)
    }
}

fn unknown(server: String, tool: &str, nearest: Vec<String>, message: String) -> CallError {
    let tool = tool.chars().take(128).collect();
    CallError {
        kind: CallErrorKind::UnknownTool(nearest),
        server,
        tool,
        message,
    }
}

fn unknown_tool(server: &str, tool: &str, catalog: &Catalog) -> CallError {
    /// Names that a message lists where none is close.
    const LISTED: usize = 20;
    let nearest: Vec<String> = catalog.nearest(tool).into_iter().map(Into::into).collect();
    let names = catalog
        .tools()
        .iter()
        .map(|tool| tool.described.name.clone());
    let there_is = match nearest.is_empty() {
        false => did_you_mean(&nearest),
        true => match catalog.tools().len() {
            0 => "; it has no tools".to_owned(),
            n if n > LISTED => format!(
                "; it has {n}, among them {}",
                backticked(&names.take(LISTED).collect::<Vec<_>>())
            ),
            _ => format!("; it has {}", backticked(&names.collect::<Vec<_>>())),
        },
    };
    let message = format!(
        "the server `{server}` has no tool {}{there_is}",
        shown(tool)
    );
    unknown(server.to_owned(), tool, nearest, message)
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!(
            "; did you mean {}?",
            backticked(names).replace(", ", " or ")
        ),
    }
}

fn backticked(names: &[String]) -> String {
    names
        .iter()
        .map(|name| shown(name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A name of a stranger, short and without control characters.
fn shown(name: &str) -> String {
    let name: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    format!("`{name}`")
}

fn cancelled() -> CallError {
    CallError {
        kind: CallErrorKind::Cancelled,
        server: String::new(),
        tool: String::new(),
        message: "the call was cancelled".into(),
    }
}

fn fault_error(fault: Fault, server: &str, tool: &str) -> CallError {
    if let Some(detail) = &fault.detail {
        tracing::debug!(server, tool, "{}: {detail}", fault.message);
    }
    let kind = match fault.kind {
        FaultKind::Failed => CallErrorKind::Failed,
        FaultKind::Unavailable => CallErrorKind::Unavailable,
        FaultKind::TimedOut => CallErrorKind::TimedOut,
        FaultKind::OutcomeUnknown => CallErrorKind::OutcomeUnknown,
    };
    CallError {
        kind,
        server: server.into(),
        tool: tool.into(),
        message: fault.message,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::sync::mpsc::unbounded_channel;

    use super::super::calls::CallStatus;
    use super::*;
    use crate::upstream::LocalTools;

    fn toolbox() -> Toolbox {
        let schema = json!({
            "type": "object",
            "properties": { "a": { "type": "integer" }, "b": { "type": "integer" } },
            "required": ["a", "b"],
        });
        let sum = |arguments: Value| async move {
            Ok(json!(
                arguments["a"].as_i64().unwrap_or(0) + arguments["b"].as_i64().unwrap_or(0)
            ))
        };
        let math = LocalTools::new().tool("add", "Adds.", schema, sum).tool(
            "forever",
            "Never ends.",
            json!({}),
            |_| std::future::pending(),
        );
        let other =
            LocalTools::new().tool("only-here", "", json!({}), |_| async { Ok(json!("here")) });
        let specs = vec![
            ServerSpec::local("math", math),
            ServerSpec::local("other", other),
        ];
        Toolbox::new(specs, Bounds::default()).unwrap()
    }

    async fn call(grants: &Grants, tool: &str, arguments: &str) -> Result<String, CallError> {
        let log = CallLog::default();
        let entry = log.begin(tool);
        toolbox()
            .call(grants, tool.into(), arguments.into(), &log, entry)
            .await
    }

    #[tokio::test]
    async fn a_call_goes_to_the_tool_that_is_meant() {
        let grants = Grants::default();
        for name in ["math.add", "math__add", "add"] {
            assert_eq!(
                call(&grants, name, r#"{"a": 1, "b": 2}"#).await,
                Ok("3".into())
            );
        }
        assert_eq!(
            call(&grants, "only_here", "{}").await,
            Ok("\"here\"".into())
        );
    }

    #[tokio::test]
    async fn what_is_not_there_gets_the_nearest() {
        let grants = Grants::default();
        let error = call(&grants, "math.ad", "{}").await.unwrap_err();
        assert_eq!(error.kind, CallErrorKind::UnknownTool(vec!["add".into()]));
        assert_eq!(
            error.message,
            "the server `math` has no tool `ad`; did you mean `add`?"
        );
        let error = call(&grants, "maht.add", "{}").await.unwrap_err();
        assert_eq!(
            error.message,
            "there is no server `maht`; did you mean `math`?"
        );
    }

    #[tokio::test]
    async fn denied_tools_are_denied_and_said_how_to_allow() {
        let grants = Grants::new(["*"], ["math.add"]).unwrap();
        let error = call(&grants, "add", r#"{"a": 1, "b": 2}"#)
            .await
            .unwrap_err();
        assert_eq!(error.kind, CallErrorKind::Denied);
        assert!(error.message.contains("`math.add`"), "{}", error.message);
        let names: Vec<_> = toolbox()
            .describe(&grants, "math")
            .await
            .unwrap()
            .into_iter()
            .map(|tool| tool.name)
            .collect();
        assert_eq!(names, ["forever"]);
    }

    #[tokio::test]
    async fn each_call_is_answered_once_also_when_cancelled() {
        let toolbox = toolbox();
        let (grants, log) = (Grants::default(), CallLog::default());
        let (requests, to_coordinator) = unbounded_channel();
        let (to_sandbox, mut answers) = unbounded_channel();
        let start = |id, tool: &str, arguments: &str| {
            requests
                .send(ToCoordinator::Call {
                    id,
                    tool: tool.into(),
                    arguments: arguments.into(),
                })
                .unwrap();
        };
        start(1, "math.forever", "{}");
        start(2, "math.add", r#"{"a": 1, "b": 1}"#);
        start(3, "math.forever", "{}");
        requests.send(ToCoordinator::Cancel { id: 1 }).unwrap();
        requests.send(ToCoordinator::Cancel { id: 1 }).unwrap();
        requests.send(ToCoordinator::Cancel { id: 99 }).unwrap();
        let program = async {
            let mut seen = Vec::new();
            while seen.len() < 2 {
                if let Some(ToSandbox::Completed(completion)) = answers.recv().await {
                    seen.push((completion.id, completion.result.map_err(|error| error.kind)));
                }
            }
            seen.sort_by_key(|(id, _)| *id);
            drop(requests);
            seen
        };
        let ((), seen) = tokio::join!(
            toolbox.serve(&grants, to_coordinator, to_sandbox, &log),
            program
        );
        assert_eq!(
            seen,
            [(1, Err(CallErrorKind::Cancelled)), (2, Ok("2".into()))]
        );
        let statuses: Vec<_> = log.take().into_iter().map(|record| record.status).collect();
        assert_eq!(
            statuses,
            [
                CallStatus::Unknown,
                CallStatus::Finished,
                CallStatus::Unknown
            ]
        );
    }
}
