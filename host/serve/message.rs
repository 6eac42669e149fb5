//! Messages of JSON-RPC as far as the transports look at them, before anything
//! is built from them: what kind of message it is, and its id.

use std::borrow::Cow;

use rmcp::model::ErrorCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json, value::RawValue};

/// Opens a stream of notifications, in the revisions without sessions.
const LISTEN: &str = "subscriptions/listen";

/// Methods of the protocol have at most 40 characters. One that is not known
/// comes back in error texts.
const MAX_METHOD: usize = 128;

/// Ids come back in answers and are kept while a request is in progress.
const MAX_ID: usize = 256;

/// Of a request: a string or an integer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

/// Why something is no message.
#[derive(Debug)]
pub(super) struct Invalid {
    pub(super) code: ErrorCode,
    pub(super) message: &'static str,
    /// Where it could be read.
    pub(super) id: Option<Id>,
}

impl Kind {
    pub(super) fn id(&self) -> Option<Id> {
        match self {
            Self::Request { id, .. } => Some(id.clone()),
            Self::Notification | Self::Response => None,
        }
    }
}

impl Invalid {
    fn request(message: &'static str, id: Option<Id>) -> Self {
        Self {
            code: ErrorCode::INVALID_REQUEST,
            message,
            id,
        }
    }
}

/// What the JSON text of one message is.
pub(super) fn kind(text: &str) -> Result<Kind, Invalid> {
    let envelope: Envelope = serde_json::from_str(text)
        .map_err(|_| Invalid::request("this is not a JSON-RPC message", None))?;
    let id = envelope.id.map(self::id).transpose();
    if envelope.jsonrpc.as_deref() != Some("2.0") {
        let id = id.unwrap_or_default();
        return Err(Invalid::request("`jsonrpc` must be \"2.0\"", id));
    }
    let id = id?;
    let Some(method) = envelope.method else {
        let answers = envelope.result.is_some() != envelope.error.is_some();
        return if answers && (id.is_some() || envelope.error.is_some()) {
            Ok(Kind::Response)
        } else {
            let message = "the message is neither a request nor an answer";
            Err(Invalid::request(message, id))
        };
    };
    if method.len() > MAX_METHOD || !method.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Invalid {
            code: ErrorCode::METHOD_NOT_FOUND,
            message: "this server has no such method",
            id,
        });
    }
    // Clients that write every key write `null` for no parameters.
    let is_object = |params: &RawValue| params.get().starts_with('{') || params.get() == "null";
    if !envelope.params.is_none_or(is_object) {
        return Err(Invalid {
            code: ErrorCode::INVALID_PARAMS,
            message: "`params` must be an object",
            id,
        });
    }
    Ok(match id {
        Some(id) => Kind::Request {
            id,
            listens: method == LISTEN,
            initialize: method == "initialize",
        },
        None => Kind::Notification,
    })
}

fn id(text: &RawValue) -> Result<Id, Invalid> {
    let invalid = || Invalid::request("`id` must be an integer or a short string", None);
    if text.get().len() > MAX_ID {
        return Err(invalid());
    }
    match serde_json::from_str(text.get()) {
        Ok(id @ Value::String(_)) => Ok(Id(id)),
        Ok(Value::Number(id)) if id.is_i64() => Ok(Id(Value::Number(id))),
        _ => Err(invalid()),
    }
}

/// The key under which a tool finds what stands in place of its arguments and is
/// no object: the kind of value it is. No argument has this name.
pub(super) const NO_OBJECT: &str = "";

/// The text of a call whose arguments are no object, made readable: JSON text of
/// an object is the object, nothing is none, and anything else becomes an object
/// that says so, for the tool to answer. `None` where there is nothing to do.
pub(super) fn readable_call(text: &str) -> Option<String> {
    let call: Call = serde_json::from_str(text).ok()?;
    if call.method != "tools/call" {
        return None;
    }
    let arguments = call.params?.arguments?.get();
    if arguments.starts_with('{') || arguments == "null" {
        return None;
    }
    let mut message: Value = serde_json::from_str(text).ok()?;
    let arguments = message.pointer_mut("/params/arguments")?;
    let meant = match arguments {
        Value::String(text) if text.trim().is_empty() => Some(json!({})),
        Value::String(text) => serde_json::from_str(text).ok().filter(Value::is_object),
        // How some languages write an empty object.
        Value::Array(items) if items.is_empty() => Some(json!({})),
        _ => None,
    };
    *arguments = meant.unwrap_or_else(|| json!({ NO_OBJECT: kind_of(arguments) }));
    Some(message.to_string())
}

/// The kind of a value, in a sentence.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(default, borrow)]
    params: Option<CallParams<'a>>,
}

#[derive(Deserialize)]
struct CallParams<'a> {
    #[serde(default, borrow)]
    arguments: Option<&'a RawValue>,
}

/// Names that appear twice are an error: two readers could choose differently.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default, borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// `null` is there too.
fn present<'de: 'a, 'a, D>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error>
where
    D: Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(written: Value) -> Option<Value> {
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "execute", "arguments": written },
        });
        let readable = readable_call(&message.to_string())?;
        let message: Value = serde_json::from_str(&readable).unwrap();
        assert_eq!(message["params"]["name"], "execute");
        Some(message["params"]["arguments"].clone())
    }

    #[test]
    fn arguments_that_are_no_object_are_read_or_said_to_be_none() {
        for (written, read) in [
            (json!("{\"code\": \"1\"}"), json!({ "code": "1" })),
            (json!(" "), json!({})),
            (json!([]), json!({})),
            (json!("code"), json!({ NO_OBJECT: "a text" })),
            (json!("[1]"), json!({ NO_OBJECT: "a text" })),
            (json!([1]), json!({ NO_OBJECT: "a list" })),
            (json!(7), json!({ NO_OBJECT: "a number" })),
        ] {
            assert_eq!(arguments(written.clone()), Some(read), "{written}");
        }
        assert_eq!(arguments(json!({ "code": "[]" })), None);
        assert_eq!(arguments(Value::Null), None);
        assert_eq!(
            readable_call(r#"{"method":"ping","params":{"arguments":"{}"}}"#),
            None
        );
    }
}
