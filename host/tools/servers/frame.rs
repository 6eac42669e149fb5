//! One JSON-RPC message of a server, told apart with as little reading as
//! possible.
//!
//! `rmcp` reads messages into types that know every field. A server that sends
//! anything else loses the whole message that way: a result over one new kind
//! of content, a list of tools over one bad definition. So only the handshake
//! is read by it; other results pass it as a string that holds their JSON text,
//! or the reason why there is none.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, CustomRequest, CustomResult, ErrorCode, ErrorData,
    JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerRequest, ServerResult,
};
use serde::de::IgnoredAny;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{
    Fault, FaultKind,
    fields::{fields, read},
};

/// What an answer is to be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A step of the handshake, which `rmcp` reads.
    Handshake,
    /// The tools.
    List,
    /// Anything else.
    Other,
}

impl Asked {
    pub(super) fn of(request: &ClientRequest) -> Self {
        match request {
            ClientRequest::InitializeRequest(_) | ClientRequest::DiscoverRequest(_) => {
                Self::Handshake
            }
            ClientRequest::ListToolsRequest(_) => Self::List,
            _ => Self::Other,
        }
    }
}

/// The outline of a message. What is `null` counts as absent.
pub(super) struct Frame<'a> {
    pub(super) id: Option<&'a RawValue>,
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) params: Option<&'a RawValue>,
    pub(super) result: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
}

impl<'a> Frame<'a> {
    /// `None` for what is no JSON object, or has a method that is no text.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let names = ["id", "method", "params", "result", "error"];
        let fields = fields(message, names).ok()?;
        let fields = fields.map(|field| field.filter(|field| field.get() != "null"));
        let [id, method, params, result, error] = fields;
        let method = method.map(|method| serde_json::from_str::<String>(method.get()));
        Some(Self {
            id,
            method: method.transpose().ok()?.map(Cow::Owned),
            params,
            result,
            error,
        })
    }
}

impl Frame<'_> {
    /// The message as something the server asks, its parameters as they came.
    pub(super) fn question(&self) -> Option<ServerJsonRpcMessage> {
        let id: RequestId = serde_json::from_str(self.id?.get()).ok()?;
        let params = self.params.map(|params| serde_json::from_str(params.get()));
        let request = CustomRequest::new(self.method.as_deref()?, params.transpose().ok()?);
        Some(JsonRpcMessage::request(
            ServerRequest::CustomRequest(request),
            id,
        ))
    }

    /// The message as the answer to the request of this id.
    pub(super) fn answer(&self, id: RequestId, asked: Asked) -> ServerJsonRpcMessage {
        let failed = |why: &str| {
            let why = format!("the server's answer cannot be understood: {why}");
            unusable(id.clone(), asked, &why)
        };
        if let Some(error) = self.error {
            return match self.error_data(asked) {
                Some(error) => JsonRpcMessage::error(error, Some(id)),
                None if error.get().len() <= MAX_SHOWN => {
                    let message = format!("the server answered with the error {}", error.get());
                    JsonRpcMessage::error(ErrorData::internal_error(message, None), Some(id))
                }
                None => failed("its error is not one of JSON-RPC"),
            };
        }
        match (asked, self.result) {
            (_, None) => failed("it has neither `result` nor `error`"),
            (Asked::Handshake, Some(result)) => {
                greeting(result, &id).unwrap_or_else(|why| failed(&why))
            }
            (Asked::List | Asked::Other, Some(result)) => {
                JsonRpcMessage::response(as_text(result), id)
            }
        }
    }

    /// Its error, if that is one of JSON-RPC.
    pub(super) fn error_data(&self, asked: Asked) -> Option<ErrorData> {
        read_error(self.error?, asked).ok()
    }
}

/// The result of a step of the handshake.
fn greeting(result: &RawValue, id: &RequestId) -> Result<ServerJsonRpcMessage, String> {
    let result: Value = serde_json::from_str(result.get()).map_err(|error| error.to_string())?;
    let message = serde_json::json!({ "jsonrpc": "2.0", "id": id, "result": result });
    serde_json::from_value(message).map_err(|error| error.to_string())
}

/// The longest error that is shown though it is none of JSON-RPC.
const MAX_SHOWN: usize = 1 << 10;

/// Begin what is passed in place of the JSON text of a result, which begins
/// with neither.
const UNUSABLE: &str = "!unusable ";
const UNKNOWN: &str = "!unknown ";

/// In place of an answer that cannot be used: the call took effect.
pub(super) fn unusable(id: RequestId, asked: Asked, why: &str) -> ServerJsonRpcMessage {
    no_answer(id, asked, UNUSABLE, why)
}

/// In place of an answer that will not come: the call may have taken effect.
pub(super) fn unknown(id: RequestId, asked: Asked, why: &str) -> ServerJsonRpcMessage {
    no_answer(id, asked, UNKNOWN, why)
}

fn no_answer(id: RequestId, asked: Asked, mark: &str, why: &str) -> ServerJsonRpcMessage {
    if asked == Asked::Handshake {
        let error = ErrorData::internal_error(why.to_owned(), None);
        return JsonRpcMessage::error(error, Some(id));
    }
    let result = CustomResult(Value::String(format!("{mark}{why}")));
    JsonRpcMessage::response(ServerResult::CustomResult(result), id)
}

/// An error whose data pass `rmcp` unread, as JSON text in a string.
fn read_error(error: &RawValue, asked: Asked) -> serde_json::Result<ErrorData> {
    // In the handshake, `rmcp` looks for the versions that there are.
    if asked == Asked::Handshake {
        return read(error.get());
    }
    let [code, message, data] = fields(error.get().as_bytes(), ["code", "message", "data"])?;
    let text = |field: Option<&RawValue>| field.map_or("null", RawValue::get).to_owned();
    let code: ErrorCode = serde_json::from_str(&text(code))?;
    let message: String = serde_json::from_str(&text(message))?;
    let data = data.filter(|data| data.get() != "null");
    Ok(ErrorData::new(
        code,
        message,
        data.map(|data| data.get().into()),
    ))
}

/// The data of an error as JSON text, whichever way they took.
pub(super) fn data_of(error: ErrorData) -> Option<String> {
    match error.data? {
        Value::String(text) if serde_json::from_str::<IgnoredAny>(&text).is_ok() => Some(text),
        data => Some(data.to_string()),
    }
}

/// The arguments of a request as they are to be sent. Those in the request
/// itself may have rounded numbers.
#[derive(Clone)]
pub(super) struct ExactArguments(pub(super) Arc<str>);

/// A message as it is sent, on one line.
pub(super) fn written(mut message: ClientJsonRpcMessage) -> serde_json::Result<Vec<u8>> {
    let exact = match &mut message {
        JsonRpcMessage::Request(request) => match &mut request.request {
            ClientRequest::CallToolRequest(call) => {
                let exact = call.extensions.get::<ExactArguments>().cloned();
                if exact.is_some() {
                    call.params.arguments = None;
                }
                exact
            }
            _ => None,
        },
        _ => None,
    };
    let text = serde_json::to_string(&message)?;
    let Some(ExactArguments(arguments)) = exact else {
        return Ok(text.into_bytes());
    };
    let arguments: &RawValue = serde_json::from_str(&arguments)?;
    let mut fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(&text)?;
    let params = fields.get("params").map_or("{}", |params| params.get());
    let mut params: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(params)?;
    params.insert("arguments".into(), arguments);
    let params = to_raw_value(&params)?;
    fields.insert("params".into(), &params);
    serde_json::to_vec(&fields)
}

/// A result that passes `rmcp` unread.
pub(super) fn as_text(result: &RawValue) -> ServerResult {
    ServerResult::CustomResult(CustomResult(Value::String(result.get().to_owned())))
}

/// The JSON text of a result, whichever way it took.
pub(super) fn text_of(result: ServerResult) -> Result<String, Fault> {
    match result {
        ServerResult::CustomResult(CustomResult(Value::String(text))) => {
            if let Some(why) = text.strip_prefix(UNUSABLE) {
                Err(Fault::new(FaultKind::UnusableAnswer, why))
            } else if let Some(why) = text.strip_prefix(UNKNOWN) {
                Err(Fault::new(FaultKind::OutcomeUnknown, why))
            } else {
                Ok(text)
            }
        }
        result => serde_json::to_string(&result).map_err(|error| {
            let message = "the server's answer cannot be read";
            Fault::new(FaultKind::UnusableAnswer, message).because(error.to_string())
        }),
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{CallToolRequest, CallToolRequestParams};

    use super::*;

    fn answer(text: &str, asked: Asked) -> Result<String, String> {
        let frame = Frame::read(text.as_bytes()).unwrap();
        match frame.answer(RequestId::Number(7), asked) {
            JsonRpcMessage::Response(response) => {
                text_of(response.result).map_err(|fault| fault.message)
            }
            JsonRpcMessage::Error(error) => Err(error.error.message.into_owned()),
            other => panic!("expected an answer, got {other:?}"),
        }
    }

    #[test]
    fn a_result_passes_as_it_was_written() {
        let text =
            r#"{"jsonrpc":"2.0","id":7,"result":{"n": 12345678901234567890123, "x": [1.10]}}"#;
        let expected = r#"{"n": 12345678901234567890123, "x": [1.10]}"#;
        assert_eq!(answer(text, Asked::Other).as_deref(), Ok(expected));
        assert_eq!(answer(text, Asked::List).as_deref(), Ok(expected));
    }

    #[test]
    fn the_data_of_an_error_keep_their_digits() {
        for data in [
            r#"{"wei":1000000000000000000001,"rate":1.10}"#,
            "1e400",
            "\"text\"",
            "\"7\"",
        ] {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":-1,"message":"no","data":{data}}}}}"#
            );
            let frame = Frame::read(text.as_bytes()).unwrap();
            let answer = frame.answer(RequestId::Number(7), Asked::Other);
            let JsonRpcMessage::Error(error) = answer else {
                panic!("it is an error");
            };
            assert_eq!(data_of(error.error).as_deref(), Some(data));
        }
    }

    #[test]
    fn arguments_are_sent_as_they_were_written_and_on_one_line() {
        let exact: Arc<str> = r#"{"n":18446744073709551617,"d":1.10}"#.into();
        let params = CallToolRequestParams::new("a \"arguments\":{} b").with_arguments(
            serde_json::Map::from_iter([("n".to_owned(), 1.8e19.into())]),
        );
        let mut request = CallToolRequest::new(params);
        request
            .extensions
            .insert(ExactArguments(Arc::clone(&exact)));
        let message = JsonRpcMessage::request(request.into(), RequestId::Number(7));
        let text = String::from_utf8(written(message).unwrap()).unwrap();
        assert!(text.contains(&*exact), "{text}");
        assert!(!text.contains("1.8e19") && !text.contains('\n'), "{text}");
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["method"], "tools/call");
        assert_eq!(read["params"]["name"], "a \"arguments\":{} b");
        assert_eq!(read["params"]["arguments"]["d"], 1.1);
    }

    #[test]
    fn an_answer_without_sense_is_an_error_of_its_request() {
        let text = r#"{"jsonrpc":"2.0","id":7}"#;
        let start = "the server's answer cannot be understood: ";
        let expected = format!("{start}it has neither `result` nor `error`");
        assert_eq!(answer(text, Asked::Other), Err(expected));
        let text = r#"{"jsonrpc":"2.0","id":7,"result":1,"error":"odd"}"#;
        let expected = "the server answered with the error \"odd\"".to_owned();
        assert_eq!(answer(text, Asked::Other), Err(expected));
        let text = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}"#;
        assert_eq!(answer(text, Asked::Other), Err("no".to_owned()));
    }

    #[test]
    fn of_a_field_that_is_there_twice_the_last_counts() {
        let text = r#"{"jsonrpc":"2.0","id":1,"id":7,"result":{},"result":{"a":1,"a":2}}"#;
        assert_eq!(
            answer(text, Asked::Other).as_deref(),
            Ok(r#"{"a":1,"a":2}"#)
        );
        let text = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"code":-2,"message":"no"}}"#;
        assert_eq!(answer(text, Asked::Other), Err("no".to_owned()));
        let text = r#"{"id":7,"result":{"protocolVersion":"2025-06-18","capabilities":{},
            "capabilities":{"tools":{}},"serverInfo":{"name":"a","name":"b","version":"1"}}}"#;
        assert!(
            answer(text, Asked::Handshake)
                .unwrap()
                .contains(r#""name":"b""#)
        );
    }
}
