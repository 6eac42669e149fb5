//! One JSON-RPC message of a server, told apart with as little reading as
//! possible.
//!
//! `rmcp` reads messages into types that know every field. A server that sends
//! anything else loses the whole message that way: a result over one new kind
//! of content, a list of tools over one bad definition. So only the handshake
//! is read by it; other results pass it as a string that holds their JSON text.

use std::borrow::Cow;

use rmcp::model::{
    ClientRequest, CustomRequest, CustomResult, ErrorData, JsonRpcMessage, RequestId,
    ServerJsonRpcMessage, ServerRequest, ServerResult,
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

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

/// The outline of a message.
#[derive(Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
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

    /// The message as the answer to the request of this id. `text` is all of
    /// it.
    pub(super) fn answer(&self, text: &[u8], id: RequestId, asked: Asked) -> ServerJsonRpcMessage {
        let failed = |why: &str| {
            let message = format!("the server's answer cannot be understood: {why}");
            JsonRpcMessage::error(ErrorData::internal_error(message, None), Some(id.clone()))
        };
        if let Some(error) = self.error {
            return match serde_json::from_str(error.get()) {
                Ok(error) => JsonRpcMessage::error(error, Some(id)),
                Err(_) => failed("its error is not one of JSON-RPC"),
            };
        }
        match (asked, self.result) {
            (_, None) => failed("it has neither `result` nor `error`"),
            (Asked::Handshake, Some(_)) => {
                serde_json::from_slice(text).unwrap_or_else(|error| failed(&error.to_string()))
            }
            (Asked::List | Asked::Other, Some(result)) => {
                JsonRpcMessage::response(as_text(result), id)
            }
        }
    }
}

/// A result that passes `rmcp` unread.
pub(super) fn as_text(result: &RawValue) -> ServerResult {
    ServerResult::CustomResult(CustomResult(Value::String(result.get().to_owned())))
}

/// The JSON text of a result, whichever way it took.
pub(super) fn text_of(result: ServerResult) -> serde_json::Result<String> {
    match result {
        ServerResult::CustomResult(CustomResult(Value::String(text))) => Ok(text),
        result => serde_json::to_string(&result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, asked: Asked) -> Result<String, String> {
        let frame: Frame<'_> = serde_json::from_str(text).unwrap();
        match frame.answer(text.as_bytes(), RequestId::Number(7), asked) {
            JsonRpcMessage::Response(response) => Ok(text_of(response.result).unwrap()),
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
    fn an_answer_without_sense_is_an_error_of_its_request() {
        let text = r#"{"jsonrpc":"2.0","id":7}"#;
        let start = "the server's answer cannot be understood: ";
        let expected = format!("{start}it has neither `result` nor `error`");
        assert_eq!(answer(text, Asked::Other), Err(expected));
        let text = r#"{"jsonrpc":"2.0","id":7,"result":1,"error":"odd"}"#;
        let expected = format!("{start}its error is not one of JSON-RPC");
        assert_eq!(answer(text, Asked::Other), Err(expected));
        let text = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}"#;
        assert_eq!(answer(text, Asked::Other), Err("no".to_owned()));
    }
}
