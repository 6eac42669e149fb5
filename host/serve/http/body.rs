//! The body of a POST: read within bounds, and known to be a JSON-RPC message,
//! or a batch of them where there are batches, before anything is built from it.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use futures_util::StreamExt as _;
use serde_json::value::RawValue;

use super::refusal::Refusal;
use crate::serve::message::{self, Kind};

/// Messages of one batch. Each takes a place among the requests in progress.
const MAX_BATCH: usize = 16;

/// Of a body that is refused. A client that sends more finds out the hard way.
const MAX_DISCARDED: usize = 64 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// What a body holds.
pub(super) enum Content {
    Message(Kind),
    /// One revision has them: each message is answered for itself.
    Batch(Vec<(Bytes, Result<Kind, Refusal>)>),
}

/// The whole body.
pub(super) async fn read(body: Body, max_bytes: usize, time: Duration) -> Result<Bytes, Refusal> {
    // Refused before a byte of it is read.
    if body.size_hint().lower() > max_bytes as u64 {
        discard(body);
        return Err(Refusal::too_large());
    }
    let mut chunks = body.into_data_stream();
    let gather = async {
        let mut gathered = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Refusal::bad_request("the body broke off"))?;
            if chunk.len() > max_bytes - gathered.len() {
                return Err(Refusal::too_large());
            }
            gathered.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(gathered))
    };
    let gathered = tokio::time::timeout(time, gather).await;
    if let Ok(Err(_)) = gathered {
        discard(Body::from_stream(chunks));
    }
    gathered.unwrap_or_else(|_| Err(Refusal::too_slow()))
}

/// Takes in what a client still sends while it is being refused. Closing with
/// bytes unread resets the connection, and the answer may be lost with it.
pub(super) fn discard(body: Body) {
    if body.is_end_stream() {
        return;
    }
    let all = async {
        let mut bytes = 0;
        let mut chunks = body.into_data_stream();
        while let Some(Ok(chunk)) = chunks.next().await {
            bytes += chunk.len();
            if bytes > MAX_DISCARDED {
                break;
            }
        }
    };
    tokio::spawn(tokio::time::timeout(DISCARD_TIMEOUT, all));
}

/// What is in `body`, where `batches` may be or not.
pub(super) fn content(body: &[u8], batches: bool) -> Result<Content, Refusal> {
    // Skips over the value without recursion, however deep it is nested.
    let text: &RawValue = serde_json::from_slice(body).map_err(|_| Refusal::not_json())?;
    if !text.get().starts_with('[') {
        return Ok(Content::Message(message::kind(text.get())?));
    }
    if !batches {
        return Err(Refusal::invalid(
            "this revision of the protocol has no batches; send one message in each request",
        ));
    }
    let messages: Vec<&RawValue> =
        serde_json::from_str(text.get()).map_err(|_| Refusal::not_json())?;
    if messages.is_empty() || messages.len() > MAX_BATCH {
        return Err(Refusal::invalid("a batch has 1 to 16 messages"));
    }
    let message = |text: &RawValue| {
        let kind = message::kind(text.get())
            .map_err(Refusal::from)
            .and_then(|kind| match kind {
                Kind::Request {
                    id,
                    initialize: true,
                    ..
                } => Err(Refusal::invalid("`initialize` cannot be part of a batch").to(Some(id))),
                kind => Ok(kind),
            });
        (Bytes::copy_from_slice(text.get().as_bytes()), kind)
    };
    Ok(Content::Batch(messages.into_iter().map(message).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::serve::message::Id;

    /// Where there are no batches.
    fn kind(body: &[u8]) -> Result<Kind, Refusal> {
        content(body, false).map(|content| match content {
            Content::Message(kind) => kind,
            Content::Batch(_) => panic!("there are no batches"),
        })
    }

    fn refused(body: &[u8]) -> Value {
        let refusal = kind(body).unwrap_err();
        let message: Value = serde_json::from_str(&refusal.message()).unwrap();
        message["error"]["code"].clone()
    }

    #[test]
    fn messages_are_told_apart() {
        let request = |id, listens| Kind::Request {
            id: Id(id),
            listens,
            initialize: false,
        };
        for (body, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
                request(json!(1), false),
            ),
            (
                r#" {"jsonrpc":"2.0","id":"a","method":"subscriptions/listen","params":{}} "#,
                request(json!("a"), true),
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
                Kind::Notification,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Kind::Response),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#,
                Kind::Response,
            ),
            (
                r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#,
                Kind::Response,
            ),
        ] {
            assert_eq!(kind(body.as_bytes()).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let deep = "[".repeat(100_000);
        let closed = format!("{deep}{}", "]".repeat(100_000));
        for body in [
            &b""[..],
            b" ",
            b"{",
            b"nonsense",
            b"NaN",
            b"\xef\xbb\xbf{}",
            b"\xff",
            b"{} {}",
            br#"{"jsonrpc":"2.0","id":NaN,"method":"ping"}"#,
            deep.as_bytes(),
        ] {
            assert_eq!(refused(body), -32700, "{:?}", String::from_utf8_lossy(body));
        }
        for body in [
            "null",
            "7",
            "true",
            "\"text\"",
            "[]",
            "{}",
            &closed,
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
        ] {
            assert_eq!(refused(body.as_bytes()), -32600, "{body}");
        }
        let long = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#,
            "m".repeat(1 << 20)
        );
        assert_eq!(refused(long.as_bytes()), -32601);
        for params in ["[]", "\"{}\"", "7"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{params}}}"#);
            assert_eq!(refused(body.as_bytes()), -32602, "{body}");
        }
    }

    #[test]
    fn a_client_that_writes_every_key_may_write_null_for_no_parameters() {
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#;
        assert!(matches!(kind(body), Ok(Kind::Request { .. })));
    }

    #[test]
    fn a_batch_is_taken_apart_where_there_are_batches() {
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let initialize = r#"{"jsonrpc":"2.0","id":2,"method":"initialize"}"#;
        let batch = |messages: &[&str]| {
            let text = format!("[{}]", messages.join(" , "));
            content(text.as_bytes(), true)
        };
        let Ok(Content::Batch(messages)) = batch(&[ping, "7", initialize]) else {
            panic!("it is a batch");
        };
        assert_eq!(messages[0].0, ping);
        let valid: Vec<_> = messages.iter().map(|(_, kind)| kind.is_ok()).collect();
        assert_eq!(valid, [true, false, false]);
        assert!(batch(&[]).is_err());
        assert!(batch(&[ping; 16]).is_ok());
        assert!(batch(&[ping; 17]).is_err());
    }

    #[test]
    fn a_refusal_carries_the_id_it_could_read() {
        let refusal =
            kind(br#"{"jsonrpc":"2.0","id":"a","method":"ping","params":[]}"#).unwrap_err();
        assert!(refusal.message().contains(r#""id":"a""#));
        assert!(!kind(b"{").unwrap_err().message().contains("\"id\""));
    }
}
