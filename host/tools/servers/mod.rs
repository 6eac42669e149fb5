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
mod client;
mod client_hooks;
mod connection;
mod event;
mod fault;
mod fields;
mod frame;
mod http;
mod http_client;
mod kept_listing;
mod late_probe;
mod lifecycle;
pub mod lines;
mod listing;
mod local;
mod process;
mod question;
mod redact;
mod relisting;
mod request;
mod resources;
mod spec;
mod state;
mod stdio;
mod stragglers;
mod turns;
mod unreadable;
mod watchdog;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use audit::Recorder;

pub use event::{ServerEvent, ServerObserver};
pub use fault::{Fault, FaultKind};
pub use listing::{Definition, Excluded, Listing};
pub use local::LocalTools;
pub use redact::{MIN_SECRET, Redactor};
pub use spec::{
    CALL_TIMEOUT, DOWNLOAD_TIMEOUT, Http, PassThrough, START_TIMEOUT, ServerLimits, ServerSpec,
    Stdio, Transport, Unusable,
};
pub use state::{ServerState, ServerStatus};

pub(crate) use answer::{Answer, Content};
pub(crate) use call::Caller;
pub(crate) use client::Client;
pub(crate) use fields::{fields, only_field, read};
pub(crate) use kept_listing::Kept;
pub(crate) use request::List;
pub(crate) use state::Profile;
pub(crate) use turns::Turns;

/// About how many bytes of arguments may be on their way to one server. Each
/// is in memory several times then: as values, and as the text that is written.
const MAX_BYTES_PER_SERVER: usize = 64 << 20;

/// The same for all servers together.
const MAX_BYTES_IN_FLIGHT: usize = 256 << 20;

/// What the clients of all servers have in common.
pub(crate) struct Shared {
    /// Calls in flight to all servers.
    turns: Turns,
    limits: ServerLimits,
    redactor: Arc<Redactor>,
    observer: OnceLock<ServerObserver>,
    recorder: OnceLock<Recorder>,
}

impl Shared {
    fn recorder(&self) -> &Recorder {
        static OFF: Recorder = Recorder::off();
        self.recorder.get().unwrap_or(&OFF)
    }

    fn tell(&self, event: &ServerEvent<'_>) {
        event.record(self.recorder());
        if let Some(observer) = self.observer.get() {
            observer(event);
        }
    }
}

/// The clients of these servers, in the same order. Starts nothing.
///
/// # Errors
///
/// A specification that cannot work: a name used twice, an address that is
/// none.
pub(crate) fn clients(
    specs: Vec<ServerSpec>,
    limits: ServerLimits,
) -> Result<(Vec<Client>, Arc<Redactor>), SpecError> {
    let secrets = specs.iter().flat_map(|spec| &spec.secrets);
    let redactor = Arc::new(Redactor::new(secrets.map(String::as_str)));
    let shared = Arc::new(Shared {
        turns: Turns::new(limits.in_flight, MAX_BYTES_IN_FLIGHT),
        limits,
        redactor: Arc::clone(&redactor),
        observer: OnceLock::new(),
        recorder: OnceLock::new(),
    });
    let mut clients: Vec<Client> = Vec::with_capacity(specs.len());
    for spec in specs {
        let name = spec.name.clone();
        let error = |what: String| SpecError {
            server: name.clone(),
            what,
        };
        if clients.iter().any(|client| client.name() == name) {
            return Err(error("there are two servers of this name".to_owned()));
        }
        clients.push(Client::new(spec, Arc::clone(&shared)).map_err(error)?);
    }
    Ok((clients, redactor))
}

/// A server that cannot be used as it is specified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("server `{}`: {what}", server.escape_debug())]
#[non_exhaustive]
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
