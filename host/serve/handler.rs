//! One client's side of the service, as `rmcp` drives it.

use std::sync::{Arc, OnceLock};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, SetLevelRequestParams,
    },
    service::RequestContext,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    Service,
    client::{log_level::LogThreshold, request::ClientRequest},
    http::{TraceId, caller_of},
    tools::{Outcome, ToolCall, catalogue::MAX_TEXT, instructions::instructions},
};
use contract::text::{one_line, quoted};

/// One client's side of a [`Service`].
#[derive(Clone)]
pub struct Handler {
    service: Arc<Service>,
    /// What is said of the servers: the same for as long as the client is there.
    catalogue: Arc<OnceLock<Arc<str>>>,
    log_threshold: Arc<LogThreshold>,
    /// The client closed its end, and nobody waits for anything.
    gone: CancellationToken,
}

impl Handler {
    pub(super) fn new(service: Arc<Service>, gone: CancellationToken) -> Self {
        Self {
            service,
            catalogue: Arc::default(),
            log_threshold: Arc::default(),
            gone,
        }
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let service = &self.service;
        let caller = caller_of(&context.extensions);
        let Some(tool) = service.tools.iter().find(|tool| tool.name == request.name) else {
            let names: Vec<_> = service.tools.iter().map(|tool| tool.name).collect();
            let (name, names) = (quoted(&request.name), names.join(", "));
            let message = format!("unknown tool {name}; there are {names}");
            return Err(ErrorData::invalid_params(message, None));
        };
        let mut client = ClientRequest::new(caller, context, self.log_threshold.get());
        let running = match request.request_state {
            Some(token) if tool.can_ask => {
                let answers = request.input_responses.unwrap_or_default();
                client.resume(service, &token, answers)?
            }
            _ => {
                let call = ToolCall {
                    service: Arc::clone(service),
                    caller,
                    hears_progress: context.meta.get_progress_token().is_some(),
                };
                match tool.call(call, request.arguments).await {
                    Outcome::Answer(result) => return Ok(result.into()),
                    Outcome::Running(running) => running,
                }
            }
        };
        client.follow(service, running).await
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_logging()
            .build();
        let servers = self.service.usable_servers();
        let own = Implementation::new("wasm-coordinator", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities)
            .with_server_info(own)
            .with_instructions(instructions(self.service.options.mode, &servers))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.service.tools.iter().map(|tool| {
            let mut definition = tool.definition.clone();
            if tool.has_catalogue {
                let told = definition.description.unwrap_or_default();
                let room = MAX_TEXT.saturating_sub(told.len() + 1);
                let catalogue = self.catalogue.get_or_init(|| self.service.catalogue(room));
                definition.description = Some(format!("{told}\n{catalogue}").into());
            }
            definition
        });
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let trace = TraceId::of(&context.extensions).unwrap_or_else(TraceId::random);
        let tool = one_line(&request.name, 64);
        let span = tracing::info_span!("call", %trace, tool);
        tokio::select! {
            biased;
            () = self.gone.cancelled() => {
                Err(ErrorData::internal_error("the client is gone", None))
            }
            called = self.call(request, &context).instrument(span) => called,
        }
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.log_threshold.set(request.level);
        Ok(())
    }
}
