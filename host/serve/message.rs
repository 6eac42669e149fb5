//! Messages of JSON-RPC as far as the transports look at them, before anything
//! is built from them: what kind of message it is, and its id.

use std::{borrow::Cow, collections::BTreeMap};

use contract::json::{Json, holds_numbers};
use rmcp::model::ErrorCode;
use serde::{Deserialize, Deserializer};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

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

/// The text of a call whose arguments cannot be passed on as they are, made
/// readable. JSON text of an object is the object, nothing is none, and anything
/// else that is no object becomes one that says so, for the tool to answer.
/// Numbers that a `Value` cannot hold become marks. `None` where there is nothing
/// to do.
pub(super) fn readable_call(text: &str) -> Option<String> {
    let call: Call = serde_json::from_str(text).ok()?;
    if call.method != "tools/call" {
        return None;
    }
    let arguments = call.params?.arguments?.get();
    let is_object = arguments.starts_with('{') || arguments == "null";
    if is_object && holds_numbers(arguments) {
        return None;
    }
    let meant = match Json::read(arguments).ok()? {
        json @ Json::Object(_) => json.to_marked_value(),
        Json::String(text) if text.trim().is_empty() => json!({}),
        Json::String(text) => match Json::read(&text) {
            Ok(json @ Json::Object(_)) if json.no_number().is_none() => json.to_marked_value(),
            _ => json!({ NO_OBJECT: "a text" }),
        },
        // How some languages write an empty object.
        Json::Array(items) if items.is_empty() => json!({}),
        other => json!({ NO_OBJECT: kind_of(&other.to_value()) }),
    };
    let meant = to_raw_value(&meant).ok()?;
    let mut message: Fields = serde_json::from_str(text).ok()?;
    let mut params: Fields = serde_json::from_str(message.get("params")?.get()).ok()?;
    params.insert("arguments".into(), &meant);
    let params = to_raw_value(&params).ok()?;
    message.insert("params".into(), &params);
    serde_json::to_string(&message).ok()
}

/// The parts of an object as they are written.
type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

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
    use contract::json::unmarked;

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
            (json!("{\"n\": NaN}"), json!({ NO_OBJECT: "a text" })),
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

    #[test]
    fn numbers_of_a_call_keep_their_digits() {
        let number = "18446744073709551617";
        let call = |arguments: &str| {
            let call = r#"{"method":"tools/call","params":{"arguments":"#;
            readable_call(&format!("{call}{arguments}}}}}"))
        };
        let object = format!(r#"{{"arguments":{{"n":[{number},1e400]}},"max_tokens":7}}"#);
        for written in [object.clone(), json!(object).to_string()] {
            let readable = call(&written).expect("there is something to do");
            assert!(!readable.contains(&format!("[{number}")), "{readable}");
            let unmarked = unmarked(readable);
            assert!(unmarked.contains(&object), "{unmarked}");
        }
        // A mark is nothing that a client can write.
        let read: Value = serde_json::from_str(&call(&object).unwrap()).unwrap();
        let mark = read["params"]["arguments"]["arguments"]["n"][0].as_str();
        assert_ne!(mark, Some(number));
        assert_eq!(call(r#"{"arguments":{"n":[18446744073709551615]}}"#), None);
    }
}
