//! What passes between a program and the client that started it.

pub(super) mod hooks;
#[expect(
    deprecated,
    reason = "the older revisions of the protocol are spoken, too"
)]
pub(super) mod request;
pub(super) mod suspended;
