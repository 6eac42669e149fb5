//! MCP servers, seen from the client.
//!
//! Starts servers when they are first used, keeps their connections, lists
//! their tools and calls them, within bounds on everything a server sends and
//! on every time it takes. Converts the protocol to plain types of its own.
//!
//! Knows nothing about programs, policies or names in languages. Servers are
//! hostile: nothing they send can panic, block or exhaust the host, and what
//! they write to standard error is for the operator only.

mod answer;
mod call;
mod connection;
mod desk;
mod fault;
mod frame;
mod http;
mod http_client;
mod late_probe;
mod listing;
mod local;
mod material;
mod process;
mod question;
mod rate;
mod redact;
mod request;
mod server;
mod spec;
mod stdio;
mod stragglers;
mod watchdog;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use answer::{Answer, Content};
pub use fault::{Fault, FaultKind};
pub use listing::{Definition, Excluded, Listing};
pub use local::LocalTools;
pub use material::Material;
pub use redact::Redactor;
pub use request::List;
pub use server::{Profile, ServerState, ServerStatus};
pub use spec::{
    Bounds, CALL_TIMEOUT, Http, PassThrough, START_TIMEOUT, ServerSpec, Stdio, Transport,
};

use crate::attendant::Attendant;
use call::Call;
use request::Request;
use server::Server;

/// All configured servers.
pub struct Upstream {
    servers: Vec<Server>,
    permits: Semaphore,
    bounds: Bounds,
    redactor: Arc<Redactor>,
}

impl Upstream {
    /// Checks the specifications. Starts nothing.
    ///
    /// # Errors
    ///
    /// A specification that cannot work: a name used twice, an address that is
    /// none.
    pub fn new(specs: Vec<ServerSpec>, bounds: Bounds) -> Result<Self, SpecError> {
        let secrets = specs.iter().flat_map(|spec| &spec.secrets);
        let redactor = Arc::new(Redactor::new(secrets.map(String::as_str)));
        let mut servers: Vec<Server> = Vec::with_capacity(specs.len());
        for spec in specs {
            let name = spec.name.clone();
            let error = |what: String| SpecError {
                server: name.clone(),
                what,
            };
            if servers.iter().any(|server| server.name == name) {
                return Err(error("there are two servers of this name".to_owned()));
            }
            servers.push(Server::new(spec, bounds, Arc::clone(&redactor)).map_err(error)?);
        }
        Ok(Self {
            servers,
            permits: Semaphore::new(bounds.in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            bounds,
            redactor,
        })
    }

    /// The names of the servers, in the order given. Their positions are how
    /// the other methods call them.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.servers.iter().map(|server| server.name.as_str())
    }

    /// The tools of a server, which is started if need be.
    ///
    /// # Errors
    ///
    /// The server cannot be used; always [`FaultKind::Unavailable`].
    pub async fn tools(&self, server: usize) -> Result<Arc<Listing>, Fault> {
        let server = &self.servers[server];
        if let Some((_, listing)) = server.local() {
            return Ok(Arc::clone(listing));
        }
        let connection = server.connection().await?;
        connection.tools(server.start_timeout).await
    }

    /// The tools of a server that are known without asking or starting it.
    pub fn known_tools(&self, server: usize) -> Option<Arc<Listing>> {
        let server = &self.servers[server];
        match server.local() {
            Some((_, listing)) => Some(Arc::clone(listing)),
            None => server.running()?.known_listing(),
        }
    }

    /// What a running server says about itself; nothing of one that does not
    /// run.
    pub fn profile(&self, server: usize) -> Profile {
        let running = self.servers[server].running();
        running.map_or_else(Profile::default, |connection| Profile::of(&connection))
    }

    /// Calls a tool, at most once.
    ///
    /// Waits for the server to start and for its turn first; none of that
    /// counts towards the timeout of the call. `sent` is set as long as the
    /// call may have reached the tool, also when this future is dropped, which
    /// cancels the call. What the server says of the call, or asks because of
    /// it, goes to `attendant`; the time in which that one is asked does not
    /// count towards the timeout either.
    ///
    /// # Errors
    ///
    /// See [`FaultKind`]. Only with [`FaultKind::Unavailable`] is it certain
    /// that the tool did nothing.
    pub async fn call(
        &self,
        server: usize,
        tool: &str,
        arguments: Value,
        attendant: Option<&Arc<dyn Attendant>>,
        sent: &AtomicBool,
    ) -> Result<Answer, Fault> {
        let server = &self.servers[server];
        let _turns = self.turns(server).await;
        if let Some((tools, _)) = server.local() {
            sent.store(true, std::sync::atomic::Ordering::Relaxed);
            return match tokio::time::timeout(server.call_timeout, tools.call(tool, arguments))
                .await
            {
                Ok(answer) => answer,
                Err(_) => {
                    let message = format!("it did not answer within {:?}", server.call_timeout);
                    Err(Fault::new(FaultKind::TimedOut, message))
                }
            };
        }
        let Value::Object(arguments) = arguments else {
            let message = "the arguments are not an object";
            return Err(Fault::new(FaultKind::Unavailable, message));
        };
        let request = Request::Tool(tool, arguments);
        let result = self.request(server, tool, request, attendant, sent).await?;
        Answer::read(&result)
    }

    /// Makes a request whose turn has come.
    async fn request(
        &self,
        server: &Server,
        tool: &str,
        request: Request<'_>,
        attendant: Option<&Arc<dyn Attendant>>,
        sent: &AtomicBool,
    ) -> Result<String, Fault> {
        let connection = server.connection().await?;
        let timeout = server.call_timeout;
        let call = Call::new(&server.name, tool, attendant, &self.redactor, timeout);
        connection.request(&request, &call, timeout, sent).await
    }

    /// Waits for a turn at the server, and then for one of all.
    async fn turns<'a>(&'a self, server: &'a Server) -> [Option<SemaphorePermit<'a>>; 2] {
        let at_server = server.permits.acquire().await.ok();
        [at_server, self.permits.acquire().await.ok()]
    }

    /// Knows the secrets of all servers. Whoever passes on what a server sent
    /// passes it through here.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What each server is doing. Starts none.
    pub fn states(&self) -> Vec<ServerState> {
        self.servers.iter().map(Server::report).collect()
    }

    /// Ends all servers in good order, within a few seconds. Afterwards every
    /// call is refused. Dropping without this ends them too, but abruptly.
    pub async fn shutdown(&self) {
        join_all(self.servers.iter().map(Server::stop)).await;
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().collect();
        f.debug_struct("Upstream").field("servers", &names).finish()
    }
}

/// A server that cannot be used as it is specified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("server `{}`: {what}", server.escape_debug())]
pub struct SpecError {
    /// The server.
    pub server: String,
    /// What is wrong.
    pub what: String,
}

/// No lock here is held across code that may panic, so a poisoned one is as
/// good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
