//! What passes between a program and the client that started it.
//!
//! The program's side is [`ClientHooks`](hooks::ClientHooks): a channel of
//! events. The client's side is a [`ClientRequest`](request::ClientRequest),
//! which follows the events of a [`Running`](running::Running) run until it ends
//! or has to wait for another request ([`SuspendedRuns`](suspended::SuspendedRuns)).

pub(super) mod hooks;
#[expect(
    deprecated,
    reason = "the older revisions of the protocol are spoken, too"
)]
pub(super) mod log_level;
mod progress;
#[expect(
    deprecated,
    reason = "the older revisions of the protocol are spoken, too"
)]
pub(super) mod request;
pub(super) mod running;
pub(super) mod suspended;
