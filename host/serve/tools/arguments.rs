//! The arguments of our own tools, as clients send them.

use std::ops::Deref;

use rmcp::{ErrorData, model::JsonObject};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use contract::text::cut;

/// Bytes of an error. What a stranger wrote can be in it, such as an unknown
/// name.
const MAX_ERROR: usize = 500;

/// Bytes of what can be a handle. Nothing longer is looked up.
const MAX_HANDLE: usize = 100;

/// Reads the arguments of a call.
pub(super) fn read<T: DeserializeOwned>(
    tool: &str,
    arguments: Option<JsonObject>,
) -> Result<T, ErrorData> {
    serde_json::from_value(Value::Object(arguments.unwrap_or_default()))
        .map_err(|error| invalid(format!("arguments of `{tool}`: {error}")))
}

/// A request that is not valid.
pub(in crate::serve) fn invalid(message: String) -> ErrorData {
    ErrorData::invalid_params(cut(&message, MAX_ERROR).to_owned(), None)
}

/// What a client gave as the handle of a session.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct SessionHandle(String);

impl TryFrom<String> for SessionHandle {
    type Error = &'static str;

    fn try_from(handle: String) -> Result<Self, Self::Error> {
        if handle.len() > MAX_HANDLE {
            return Err("`session` is not a handle that the tool `sessions` gave");
        }
        Ok(Self(handle))
    }
}

impl Deref for SessionHandle {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
