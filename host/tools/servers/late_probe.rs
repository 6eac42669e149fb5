//! The answer to `server/discover` that comes after nobody waits for it.
//!
//! A server is given a moment to answer the probe and then greeted in the old
//! way. A server that was still being downloaded answers both. If it refuses the old greeting, its late answer stands in for it: the protocol
//! has the same information in both.

use rmcp::model::{
    DiscoverResult, Implementation, InitializeResult, JsonRpcMessage, ProtocolVersion, RequestId,
    ServerJsonRpcMessage, ServerResult,
};
use serde_json::value::RawValue;

#[derive(Default)]
pub(super) struct LateProbe {
    given_up: Option<i64>,
    discovered: Option<DiscoverResult>,
}

impl LateProbe {
    /// Nobody waits for the answer to this probe any more.
    pub(super) fn give_up(&mut self, id: i64) {
        self.given_up = Some(id);
    }

    /// Keeps an answer, if it is the one to the probe.
    pub(super) fn take(&mut self, id: i64, result: Option<&RawValue>) -> bool {
        if self.given_up != Some(id) {
            return false;
        }
        self.given_up = None;
        let discovered = result.and_then(|result| serde_json::from_str(result.get()).ok());
        self.discovered = discovered.filter(|discovered: &DiscoverResult| {
            discovered
                .supported_versions
                .contains(&ProtocolVersion::LATEST)
        });
        true
    }

    /// What to answer to the old greeting instead of the server's refusal.
    pub(super) fn instead_of_refusal(&mut self, id: &RequestId) -> Option<ServerJsonRpcMessage> {
        let discovered = self.discovered.take()?;
        let mut greeting = InitializeResult::default();
        greeting.protocol_version = ProtocolVersion::LATEST;
        greeting.server_info = discovered
            .server_info()
            .unwrap_or_else(|| Implementation::new("unknown", ""));
        greeting.capabilities = discovered.capabilities;
        greeting.instructions = discovered.instructions;
        let greeting = ServerResult::InitializeResult(greeting);
        Some(JsonRpcMessage::response(greeting, id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}"#;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_late_answer_stands_in_for_a_refused_greeting_once() {
        let mut probe = LateProbe::default();
        probe.give_up(0);
        assert!(!probe.take(1, Some(&raw(DISCOVERED))));
        assert!(probe.take(0, Some(&raw(DISCOVERED))));
        let id = RequestId::Number(1);
        let Some(JsonRpcMessage::Response(response)) = probe.instead_of_refusal(&id) else {
            panic!("there is an answer");
        };
        let ServerResult::InitializeResult(greeting) = response.result else {
            panic!("it is a greeting");
        };
        assert_eq!(greeting.protocol_version, ProtocolVersion::LATEST);
        assert!(greeting.capabilities.tools.is_some());
        assert!(probe.instead_of_refusal(&id).is_none());
    }

    #[test]
    fn a_refused_or_foreign_probe_changes_nothing() {
        let id = RequestId::Number(1);
        for result in [
            None,
            Some(raw("{}")),
            Some(raw(&DISCOVERED.replace("2026", "2031"))),
        ] {
            let mut probe = LateProbe::default();
            probe.give_up(0);
            assert!(probe.take(0, result.as_deref()));
            assert!(probe.instead_of_refusal(&id).is_none());
        }
    }
}
