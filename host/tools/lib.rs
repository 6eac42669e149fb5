//! The tools of a session: what programs may call, and calling it.
//!
//! A [`Toolbox`] joins servers, names, policy and schemas and answers the
//! messages of a sandbox. It speaks [`contract::message`] to that side and
//! knows nothing else about it: whatever arrives is treated as written by a
//! stranger.
//!
//! | module | what it answers |
//! | --- | --- |
//! | `toolbox` | all servers together: calls, and the operator's views |
//! | `server` | one server: its names, catalog, pinned definitions, resources |
//! | `policy`, `consent`, `shown` | may this be called, and does somebody agree |
//! | `catalog`, `definition_pins` | the tools of one listing, and what changed |
//! | `resolve` | which tool a text means |
//! | `arguments`, `check`, `schema`, `results` | what goes out, what comes back |
//! | `reserved`, `resource_files` | resources and prompts |
//! | `stub_files`, `interface` | what tools look like in a language |
//! | `dispatch`, `log` | the messages of one run, and what became of its calls |
//! | `callbacks` | what the host is asked and told |
//! | [`servers`] | the client of each server, by transport |
//! | [`search`] | finding tools by what they do |
//!
//! Invariants: every route to a tool passes through [`Grants`]; each call gets
//! exactly one completion; a call is sent at most once; text for programs holds
//! no secret of a server's configuration, no path and no address of ours.

#![warn(unnameable_types)]

mod arguments;
mod callbacks;
mod catalog;
mod check;
mod consent;
mod definition_pins;
mod dispatch;
mod interface;
mod known;
mod log;
mod policy;
mod reserved;
mod resolve;
mod resource_files;
mod results;
mod schema;
pub mod search;
mod server;
pub mod servers;
mod shown;
mod stub_files;
#[cfg(test)]
mod tests;
mod toolbox;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use callbacks::{
    Answering, Approval, Declined, FinishedCall, HostCallbacks, LogEntry, LogLevel, Progress,
    RequestKind, ServerRequest, Verdict,
};
pub use interface::Wit;
pub use known::KnownServer;
pub use log::CallLog;
pub use policy::{BadPattern, Grants};
pub use servers::{LocalTools, Redactor, ServerLimits, ServerSpec};
pub use stub_files::ToolPage;
pub use toolbox::{Run, SetupError, Toolbox};

/// Nothing here is half done while a lock is held, so a poisoned one is as good
/// as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
