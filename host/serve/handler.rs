//! One client's side of the service, as `rmcp` drives it.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, SetLevelRequestParams, Tool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    Mode, Service,
    client::request::{Client, Level},
    files::answered,
    output::fit_text,
    run::failure,
    tools as definitions,
    tools::arguments::{self, Action, LanguageName, invalid, read},
};
use crate::serve::{
    Strategy,
    http::{Caller, TraceId, caller_of},
};
use contract::message::CallError;

/// Tools that a search gives if the client does not say.
const FOUND: u32 = 10;

/// One client's side of a [`Service`].
#[derive(Clone)]
pub struct Handler {
    service: Arc<Service>,
    tools: Arc<Vec<Tool>>,
    level: Arc<Level>,
    /// The client closed its end, and nobody waits for anything.
    gone: CancellationToken,
}

impl Handler {
    pub(super) fn new(service: Arc<Service>, gone: CancellationToken) -> Self {
        Self {
            tools: Arc::new(definitions::tools(service.options.mode)),
            service,
            level: Arc::default(),
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
        let is_offered = self.tools.iter().any(|tool| tool.name == request.name);
        if !is_offered {
            let names: Vec<_> = self.tools.iter().map(|tool| tool.name.as_ref()).collect();
            let name: String = request.name.chars().take(100).collect();
            return Err(invalid(format!(
                "unknown tool `{}`; there are {}",
                name.escape_debug(),
                names.join(", ")
            )));
        }
        let name = request.name.clone();
        let given = request.arguments;
        let mut client = Client::new(caller, context, self.level.get());
        match name.as_ref() {
            "execute" | "call_tool" if request.request_state.is_some() => {
                let token = request.request_state.unwrap_or_default();
                let answers = request.input_responses.unwrap_or_default();
                let running = client.resume(service, &token, answers)?;
                client.follow(service, running).await
            }
            "execute" => {
                let running = service.execute(caller, read("execute", given)?)?;
                client.follow(service, running).await
            }
            "call_tool" => {
                let running = service.call_tool(read("call_tool", given)?);
                client.follow(service, running).await
            }
            "search_tools" => Ok(self.search(read("search_tools", given)?).await.into()),
            "get_tool_details" => {
                let details = self.details(read("get_tool_details", given)?).await;
                Ok(details.into())
            }
            "list_files" => {
                let listed = service
                    .list_files(caller, read("list_files", given)?)
                    .await?;
                Ok(listed.into())
            }
            "read_file" => {
                let file = service.read_file(caller, read("read_file", given)?).await?;
                Ok(file.into())
            }
            "write_file" => Ok(service
                .write_file(caller, read("write_file", given)?)?
                .into()),
            "sessions" => Ok(self.sessions(caller, read("sessions", given)?)?.into()),
            other => unreachable!("`{other}` is offered and not handled"),
        }
    }

    async fn search(&self, arguments: arguments::Search) -> CallToolResult {
        let service = &self.service;
        let found = service
            .toolbox
            .search(
                &arguments.query,
                arguments.detail,
                arguments.server.as_deref(),
                arguments.limit.unwrap_or(FOUND),
                &service.options.grants,
            )
            .await;
        let found: Value = match found {
            Ok(json) => serde_json::from_str(&json).unwrap_or_default(),
            Err(error) => return refused(&error),
        };
        let mut text = String::new();
        for tool in found["tools"].as_array().into_iter().flatten() {
            let part = |name: &str| tool[name].as_str().unwrap_or_default();
            text += &format!("{}: {}\n", part("name"), part("description"));
            for more in ["python", "typescript", "file"] {
                if !part(more).is_empty() {
                    text += &format!("  {}\n", part(more));
                }
            }
            for parameter in tool["parameters"].as_array().into_iter().flatten() {
                let part = |name: &str| parameter[name].as_str().unwrap_or_default();
                let optional = match parameter["required"].as_bool() {
                    Some(true) => "",
                    _ => " (optional)",
                };
                text += &format!(
                    "  - {}: {}{optional} {}\n",
                    part("name"),
                    part("type"),
                    part("description")
                );
            }
            for schema in ["input_schema", "output_schema"] {
                if tool.get(schema).is_some() {
                    text += &format!("  {schema}: {}\n", tool[schema]);
                }
            }
        }
        if let Some(message) = found["message"].as_str() {
            text += &format!("{message}\n");
        }
        let budget = 4 * service.options.output_tokens;
        answered(fit_text(&text, Strategy::HeadTail, budget), found)
    }

    async fn details(&self, arguments: arguments::Details) -> CallToolResult {
        let service = &self.service;
        let page = service
            .toolbox
            .tool(&arguments.name, &service.options.grants)
            .await;
        let page = match page {
            Ok(page) => page,
            Err(error) => return refused(&error),
        };
        let stub = match arguments.language {
            LanguageName::Python => &page.python,
            LanguageName::Javascript | LanguageName::Typescript => &page.typescript,
        };
        let details: Value = serde_json::from_str(&page.details).unwrap_or_default();
        let mut text = String::from_utf8_lossy(stub).into_owned();
        if service.options.mode == Mode::Tools {
            text = format!("{details:#}\n");
        }
        let budget = 4 * service.options.output_tokens;
        answered(fit_text(&text, Strategy::HeadTail, budget), details)
    }

    fn sessions(
        &self,
        caller: Caller,
        arguments: arguments::Sessions,
    ) -> Result<CallToolResult, ErrorData> {
        arguments::check_session(arguments.session.as_deref())?;
        let service = &self.service;
        Ok(match (arguments.action, arguments.session) {
            (Action::Open, _) => match service.sessions.open(caller, service.fresh_cell()) {
                Ok(opened) => {
                    let mut text = format!("session: {}\n", opened.handle);
                    let mut structured = json!({ "session": opened.handle });
                    if opened.gave_way > 0 {
                        let message = format!(
                            "{} of your sessions, unused for longest, had to give way",
                            opened.gave_way
                        );
                        text += &format!("note: {message}\n");
                        structured["message"] = message.into();
                    }
                    answered(text, structured)
                }
                Err(error) => failure("sessions_busy", &error.to_string()),
            },
            (Action::List, _) => {
                let listed = service.sessions.list(caller);
                let saved = service.totals().cost().saved;
                let mut text = format!(
                    "{} open sessions; {saved} tokens saved since the start, of all clients\n",
                    listed.len()
                );
                let mut sessions = Vec::new();
                for session in &listed {
                    let state = if session.is_busy { "busy" } else { "idle" };
                    text += &format!(
                        "{}: opened {} s ago, used {} s ago, {} files, {} bytes, {} tokens saved, {state}\n",
                        session.name,
                        session.age.as_secs(),
                        session.unused.as_secs(),
                        session.files,
                        session.bytes,
                        session.saved
                    );
                    sessions.push(json!({
                        "name": session.name,
                        "age_seconds": session.age.as_secs(),
                        "unused_seconds": session.unused.as_secs(),
                        "files": session.files,
                        "bytes": session.bytes,
                        "tokens_saved": session.saved,
                        "state": state,
                    }));
                }
                answered(text, json!({ "sessions": sessions, "tokens_saved": saved }))
            }
            (Action::Close, Some(handle)) => match service.sessions.close(caller, &handle) {
                Ok(()) => answered("closed\n".to_owned(), json!({ "message": "closed" })),
                Err(error) => failure("session_gone", &error.to_string()),
            },
            (Action::Close, None) => {
                return Err(invalid("`close` needs `session`, the handle".to_owned()));
            }
        })
    }
}

/// A tool that cannot be looked at.
fn refused(error: &CallError) -> CallToolResult {
    failure("unavailable", &error.message)
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_logging()
            .build();
        let own = Implementation::new("wasm-coordinator", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities)
            .with_server_info(own)
            .with_instructions(match self.service.options.mode {
                Mode::Code => definitions::INSTRUCTIONS,
                Mode::Tools => definitions::INSTRUCTIONS_FOR_TOOLS,
            })
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.to_vec()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let trace = TraceId::of(&context.extensions).unwrap_or_else(TraceId::random);
        let tool: String = request.name.chars().take(64).collect();
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
        self.level.set(request.level);
        Ok(())
    }
}
