//! The server that the official conformance suite talks to: tools, prompts and
//! resources of the names it asks for, mounted on the real HTTP stack.
//!
//! ```text
//! conformance-server
//! ```
//!
//! It listens on a free port of 127.0.0.1 and prints its address as its only
//! line. Every request needs the bearer token in
//! `$WASM_COORDINATOR_CONFORMANCE_TOKEN`; `Host` and `Origin` are checked, and
//! all limits are the defaults. It is never shipped.

#![expect(
    deprecated,
    reason = "revisions that have logging and sampling are tested too"
)]

mod prompts;
mod resources;
mod rounds;
mod tools;

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
        GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerConfig,
        SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
        UnsubscribeRequestParams,
    },
    service::{RequestContext, SubscriptionContext},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast};
use wasm_coordinator::serve::http::{self, Operator, Options, Token};

use rounds::Rounds;

#[tokio::main]
async fn main() -> io::Result<()> {
    let token = std::env::var("WASM_COORDINATOR_CONFORMANCE_TOKEN").unwrap_or_default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let options = Options {
        tokens: vec![Token::new(&token)?],
        // The suite sends the origin of the server itself.
        origins: vec![format!("http://{address}")],
        ..Options::default()
    };
    println!("http://{address}/mcp");
    let shared = Arc::new(Shared {
        rounds: Rounds::new(),
        changes: broadcast::channel(16).0,
    });
    let make_handler = move || {
        Ok(Handler {
            shared: shared.clone(),
            level: Mutex::new(LoggingLevel::Info),
            subscriptions: Mutex::default(),
        })
    };
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    http::serve(listener, make_handler, options, Arc::new(Idle), interrupted).await
}

struct Idle;

impl Operator for Idle {
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
}

/// What all requests and sessions share.
struct Shared {
    rounds: Rounds,
    changes: broadcast::Sender<Change>,
}

/// What a subscription is told of.
#[derive(Clone, Copy)]
enum Change {
    Tools,
    Prompts,
}

struct Handler {
    shared: Arc<Shared>,
    /// Of this session.
    level: Mutex<LoggingLevel>,
    subscriptions: Mutex<HashSet<String>>,
}

type Context = RequestContext<RoleServer>;

/// A value of the protocol, written as it looks on the wire.
fn wire<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it is written as the protocol has it")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(wire(json!({
            "completions": {},
            "logging": {},
            "prompts": { "listChanged": true },
            "resources": { "subscribe": true },
            "tools": { "listChanged": true },
        })))
        .with_server_info(Implementation::new(
            "wasm-coordinator-conformance",
            env!("CARGO_PKG_VERSION"),
        ))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        tools::call(self, request, &context).await
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::all()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&self.shared.rounds, request)
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::all()))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(
            resources::templates(),
        ))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&request.uri)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: Context,
    ) -> Result<CompleteResult, ErrorData> {
        let values: Vec<_> = ["paris", "park", "party"]
            .into_iter()
            .filter(|value| value.starts_with(&request.argument.value))
            .collect();
        let completion = json!({ "values": values, "total": values.len(), "hasMore": false });
        Ok(CompleteResult::new(wire(completion)))
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _context: Context,
    ) -> Result<(), ErrorData> {
        *lock(&self.level) = request.level;
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: Context,
    ) -> Result<(), ErrorData> {
        lock(&self.subscriptions).insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: Context,
    ) -> Result<(), ErrorData> {
        lock(&self.subscriptions).remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.shared.changes.subscribe();
        loop {
            let change = tokio::select! {
                change = changes.recv() => change,
                () = subscription.cancelled() => return Ok(()),
            };
            // What was not asked for is refused by the sink.
            let _ = match change {
                Ok(Change::Tools) => subscription.sink().notify_tool_list_changed().await,
                Ok(Change::Prompts) => subscription.sink().notify_prompt_list_changed().await,
                Err(_) => return Ok(()),
            };
        }
    }
}
