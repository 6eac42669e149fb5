//! What servers ask of their client: input from a person, text from its model,
//! the folders it works in.
//!
//! In the older era a server sends a request of its own; since `2026-07-28` the
//! result of a call says what is missing, and the call is made again with it.

use std::collections::BTreeMap;

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    Fault, FaultKind,
    call::Call,
    fields::{fields, read},
    spec::PassThrough,
};
use crate::callbacks::RequestKind;

/// How many times one call may ask for more.
pub(super) const MAX_ROUNDS: usize = 10;

/// What one result may ask for at once.
const MAX_AT_ONCE: usize = 16;

/// What goes with a call that is made again.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) responses: BTreeMap<String, Value>,
    pub(super) state: Option<String>,
}

/// A result that asks for more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Required {
    result_type: String,
    #[serde(default)]
    input_requests: Option<Map<String, Value>>,
    #[serde(default)]
    request_state: Option<String>,
}

impl Required {
    /// `None` if the result is one.
    pub(super) fn read(result: &str) -> Result<Option<Self>, Fault> {
        // Most results do not have to be read twice.
        if !result.contains("input_required") {
            return Ok(None);
        }
        let kind = fields(result.as_bytes(), ["resultType"]);
        let is_it = |kind: &RawValue| {
            serde_json::from_str::<String>(kind.get()).is_ok_and(|kind| kind == "input_required")
        };
        if !kind.is_ok_and(|[kind]| kind.is_some_and(is_it)) {
            return Ok(None);
        }
        let required: Self = read(result)
            .map_err(|_| failed("it asks for further input in a way that makes no sense"))?;
        let count = required.input_requests.as_ref().map_or(0, Map::len);
        if count == 0 && required.request_state.is_none() {
            return Err(failed(
                "it asks for further input and does not say for which",
            ));
        }
        if count > MAX_AT_ONCE {
            return Err(failed("it asks for too much further input at once"));
        }
        debug_assert_eq!(required.result_type, "input_required");
        Ok(Some(required))
    }

    /// Asks the callbacks of the call, one question after the other.
    ///
    /// # Errors
    ///
    /// Something cannot be declined in words of the protocol.
    pub(super) async fn answer(
        self,
        call: &Call,
        pass_through: PassThrough,
    ) -> Result<Input, Fault> {
        let mut input = Input {
            responses: BTreeMap::new(),
            state: self.request_state,
        };
        for (key, mut request) in self.input_requests.unwrap_or_default() {
            let method = request["method"].as_str().unwrap_or_default();
            let Some(kind) = kind(method) else {
                return Err(failed("it asks for something that no client has"));
            };
            let params = request.get_mut("params").map(Value::take);
            let params = stripped(params.unwrap_or_default());
            let answer = if may_be_passed_on(kind, &params, pass_through) {
                call.ask(kind, params).await
            } else {
                None
            };
            let answer = match (answer, kind) {
                (Some(answer), _) => answer,
                (None, RequestKind::Elicitation) => declined(),
                (None, kind) => return Err(failed(&refusal(kind, pass_through))),
            };
            input.responses.insert(key, answer);
        }
        Ok(input)
    }
}

/// What a method asks for.
pub(super) fn kind(method: &str) -> Option<RequestKind> {
    Some(match method {
        "elicitation/create" => RequestKind::Elicitation,
        "sampling/createMessage" => RequestKind::Sampling,
        "roots/list" => RequestKind::Roots,
        _ => return None,
    })
}

/// How a person says no.
pub(super) fn declined() -> Value {
    json!({ "action": "decline" })
}

/// Whether a question may reach the host's callbacks: the operator lets it
/// through, and it leads a person nowhere but to the web. This is the one place
/// where that is judged, for both eras of the protocol and every front end.
pub(super) fn may_be_passed_on(
    kind: RequestKind,
    params: &Value,
    pass_through: PassThrough,
) -> bool {
    match kind {
        // Clients open the address whatever the mode is called.
        RequestKind::Elicitation => match params.get("url") {
            None => params["mode"] != "url",
            Some(url) => url.as_str().is_some_and(is_web_address),
        },
        RequestKind::Sampling => pass_through.sampling,
        RequestKind::Roots => pass_through.roots,
    }
}

/// Whether a person may be sent there: the web, or this machine itself.
fn is_web_address(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    // What programs that open addresses read in different ways.
    let is_plain =
        !text.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\'));
    // `https://bank.example@evil.example/` looks like somewhere else.
    let names_a_user = !url.username().is_empty() || url.password().is_some();
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let is_web = url.scheme() == "https" || url.scheme() == "http" && is_here;
    is_plain && !names_a_user && is_web
}

/// Parameters without what concerns the request and not the question.
pub(super) fn stripped(mut params: Value) -> Value {
    if let Some(fields) = params.as_object_mut() {
        fields.shift_remove("_meta");
    }
    params
}

/// Why a tool cannot go on.
fn refusal(kind: RequestKind, pass_through: PassThrough) -> String {
    let (what, key, is_granted) = match kind {
        RequestKind::Sampling => (
            "text from the client's model (sampling)",
            "sampling",
            pass_through.sampling,
        ),
        RequestKind::Roots => (
            "the folders that the client works in (roots)",
            "roots",
            pass_through.roots,
        ),
        RequestKind::Elicitation => return "it asks a person".to_owned(),
    };
    if is_granted {
        return format!("it asks for {what}, and nobody answers that here");
    }
    format!(
        "it asks for {what}, which is not passed on; the server's name in `coordinator.passThrough.{key}` allows it"
    )
}

pub(super) fn failed(why: &str) -> Fault {
    Fault::new(FaultKind::Failed, format!("the tool cannot go on: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_result_that_asks_is_taken_for_a_question() {
        let read = |text: &str| Required::read(text);
        assert!(read(r#"{"content": []}"#).unwrap().is_none());
        let quoted =
            r#"{"content": [{"type": "text", "text": "\"resultType\": \"input_required\""}]}"#;
        assert!(read(quoted).unwrap().is_none());
        let state = read(r#"{"resultType": "input_required", "requestState": "s"}"#);
        assert_eq!(state.unwrap().unwrap().request_state.as_deref(), Some("s"));
        for nonsense in [
            r#"{"resultType": "input_required"}"#,
            r#"{"resultType": "input_required", "inputRequests": {}}"#,
            r#"{"resultType": "input_required", "inputRequests": [1]}"#,
            r#"{"resultType": "input_required", "requestState": 7}"#,
        ] {
            assert_eq!(read(nonsense).unwrap_err().kind, FaultKind::Failed);
        }
        let many: Map<String, Value> = (0..17).map(|n| (n.to_string(), json!({}))).collect();
        let many = json!({ "resultType": "input_required", "inputRequests": many });
        assert!(read(&many.to_string()).is_err());
    }

    #[test]
    fn a_person_is_only_sent_to_the_web_or_to_this_machine() {
        for good in [
            "https://example.com/a?b=c",
            "http://127.0.0.1:8080/",
            "http://localhost/",
            "http://[::1]/x",
        ] {
            assert!(is_web_address(good), "{good}");
        }
        for bad in [
            "http://example.com/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "ms-settings:",
            "https://x\"&calc",
            "https://a b",
            "https://",
            "https://bank.example@evil.example/",
            "https://user:password@example.com/",
            "http://localhost:80@example.com/",
            "https:\\\\example.com",
            "",
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_not_granted_is_not_passed_on() {
        let none = PassThrough::default();
        let all = PassThrough {
            sampling: true,
            roots: true,
        };
        for (kind, by_default) in [
            (RequestKind::Elicitation, true),
            (RequestKind::Sampling, false),
            (RequestKind::Roots, false),
        ] {
            assert_eq!(may_be_passed_on(kind, &Value::Null, none), by_default);
            assert!(may_be_passed_on(kind, &Value::Null, all));
        }
        let file = json!({ "mode": "url", "url": "file:///etc/passwd" });
        assert!(!may_be_passed_on(RequestKind::Elicitation, &file, all));
        for refused in [
            json!({ "mode": "url" }),
            json!({ "mode": "url", "url": 7 }),
            json!({ "url": "file:///etc/passwd" }),
            json!({ "mode": "form", "url": "file:///etc/passwd" }),
            json!({ "url": null }),
        ] {
            assert!(
                !may_be_passed_on(RequestKind::Elicitation, &refused, all),
                "{refused}"
            );
        }
        let web = json!({ "mode": "url", "url": "https://example.com/" });
        assert!(may_be_passed_on(RequestKind::Elicitation, &web, none));
    }
}
