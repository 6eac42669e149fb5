//! Messages of JSON-RPC as far as this side of the server looks at them.

use serde_json::Value;

/// Of a request: a string or an integer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Id(pub(super) Value);

/// What is known of a message without its contents.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Request {
        id: Id,
        /// Its answer is a stream without an end of its own.
        listens: bool,
        /// It opens a session.
        initialize: bool,
    },
    Notification,
    Response,
}

impl Kind {
    pub(super) fn id(&self) -> Option<Id> {
        match self {
            Self::Request { id, .. } => Some(id.clone()),
            Self::Notification | Self::Response => None,
        }
    }
}
