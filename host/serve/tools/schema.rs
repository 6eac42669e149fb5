//! Parts of schemas that several tools have.

use rmcp::model::ToolAnnotations;
use serde_json::{Value, json};

use crate::serve::Strategy;

/// The handle of a session, and what it is for here.
pub(super) fn session(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

pub(super) fn max_tokens() -> Value {
    json!({ "type": "integer", "description": "budget of the output" })
}

pub(super) fn overflow() -> Value {
    json!({ "type": "string", "enum": Strategy::NAMES, "default": "summarise" })
}

pub(super) fn strings() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

/// A tool that changes nothing, here or elsewhere.
pub(super) fn reads() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true).open_world(false)
}

/// A tool that does whatever the servers' tools do.
pub(super) fn acts() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).open_world(true)
}
