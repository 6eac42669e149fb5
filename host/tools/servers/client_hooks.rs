//! Who answers when a server asks its client something.

use std::sync::{Arc, atomic::Ordering};

use rmcp::{
    RoleClient,
    model::{
        ClientCapabilities, ClientConfig, ClientResult, CustomResult, ElicitationCapability,
        ErrorCode, ErrorData, FormElicitationCapability, Implementation, ProtocolVersion,
        RootsCapabilities, SamplingCapability, ServerNotification, ServerRequest,
        UrlElicitationCapability,
    },
    service::{NotificationContext, RequestContext, Service},
};
use serde_json::Value;

use super::{question, spec::PassThrough, stdio::Signals};

/// The client's side of a connection. Questions without an answer are refused
/// here, however many they are.
pub(super) struct ClientHooks {
    pub(super) signals: Arc<Signals>,
    pub(super) pass_through: PassThrough,
}

impl ClientHooks {
    /// What the answer to a question is; `None` if there is none.
    async fn answer(&self, method: &str, params: Value) -> Option<Value> {
        let kind = question::kind(method)?;
        let params = question::stripped(params);
        if !question::may_be_passed_on(kind, &params, self.pass_through) {
            return None;
        }
        self.signals.calls.ask(kind, params).await
    }
}

impl Service<RoleClient> for ClientHooks {
    async fn handle_request(
        &self,
        request: ServerRequest,
        context: RequestContext<RoleClient>,
    ) -> Result<ClientResult, ErrorData> {
        let (method, params) = match request {
            ServerRequest::PingRequest(_) => return Ok(ClientResult::empty(())),
            ServerRequest::CustomRequest(request) => (request.method, request.params),
            request => {
                let mut request = serde_json::to_value(&request).unwrap_or_default();
                let params = request.get_mut("params").map(Value::take);
                let method = request["method"].as_str().unwrap_or_default();
                (method.to_owned(), params)
            }
        };
        let info = context.peer.peer_info();
        let is_older = info.is_none_or(|info| info.protocol_version.has_initialize());
        let error =
            |message: &str| ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message.to_owned(), None);
        match method.as_str() {
            "ping" => return Ok(ClientResult::empty(())),
            method if !is_older || question::kind(method).is_none() => {
                return Err(error("this client takes no such requests"));
            }
            _ => {}
        }
        let answer = tokio::select! {
            answer = self.answer(&method, params.unwrap_or_default()) => answer,
            () = context.ct.cancelled() => None,
        };
        match answer {
            Some(answer) => Ok(ClientResult::CustomResult(CustomResult(answer))),
            None if method == "elicitation/create" => Ok(ClientResult::CustomResult(CustomResult(
                question::declined(),
            ))),
            None => Err(error("this client declines the request")),
        }
    }

    async fn handle_notification(
        &self,
        notification: ServerNotification,
        _: NotificationContext<RoleClient>,
    ) -> Result<(), ErrorData> {
        if matches!(
            notification,
            ServerNotification::ToolListChangedNotification(_)
        ) {
            self.signals.tools_changed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn get_info(&self) -> ClientConfig {
        let own = Implementation::new("wasm-coordinator", env!("CARGO_PKG_VERSION"));
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(
            ElicitationCapability::new()
                .with_form(FormElicitationCapability::default())
                .with_url(UrlElicitationCapability::default()),
        );
        let PassThrough { sampling, roots } = self.pass_through;
        capabilities.sampling = sampling.then(SamplingCapability::default);
        capabilities.roots = roots.then(RootsCapabilities::default);
        ClientConfig::new(capabilities, own)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}
