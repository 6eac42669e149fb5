//! Rust functions as the tools of a server.
//!
//! An embedder registers them; programs cannot tell them from the tools of an
//! MCP server. They run inside the task that drives the program, without a
//! thread or a message in between, so they must not block.

use std::{collections::HashMap, future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use futures_util::FutureExt as _;
use serde_json::Value;

use super::{
    Fault, FaultKind,
    answer::Answer,
    listing::{Definition, Listing},
};

type Handler =
    Box<dyn Fn(Value) -> Pin<Box<dyn Future<Output = Result<Value, String>> + Send>> + Send + Sync>;

/// Tools that are functions of this process.
///
/// # Examples
///
/// ```
/// use serde_json::json;
/// use wasm_coordinator_tools::LocalTools;
///
/// let tools = LocalTools::new().tool(
///     "add",
///     "Adds two numbers",
///     json!({
///         "type": "object",
///         "properties": { "a": { "type": "number" }, "b": { "type": "number" } },
///         "required": ["a", "b"],
///     }),
///     |arguments| async move {
///         let sum = arguments["a"].as_f64().unwrap_or(0.0) + arguments["b"].as_f64().unwrap_or(0.0);
///         Ok(sum.into())
///     },
/// );
/// ```
#[derive(Default)]
pub struct LocalTools {
    listing: Listing,
    handlers: HashMap<String, Handler>,
}

impl LocalTools {
    /// No tools yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool. A second one of the same name replaces the first.
    ///
    /// The arguments have been checked against `input_schema` when the handler
    /// gets them. Its error is text for the program: no secrets, no paths.
    pub fn tool<F>(
        mut self,
        name: impl Into<String>,
        description: impl Into<String>,
        input_schema: Value,
        handler: impl Fn(Value) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Value, String>> + Send + 'static,
    {
        let name = name.into();
        self.listing.tools.retain(|tool| tool.name != name);
        self.listing.tools.push(Definition {
            title: String::new(),
            name: name.clone(),
            description: description.into(),
            input_schema: Arc::new(input_schema),
            output_schema: None,
            is_destructive: false,
        });
        let handler: Handler = Box::new(move |arguments| Box::pin(handler(arguments)));
        self.handlers.insert(name, handler);
        self
    }

    pub(super) fn listing(&self) -> Arc<Listing> {
        Arc::new(self.listing.clone())
    }

    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Result<Answer, Fault> {
        let Some(handler) = self.handlers.get(tool) else {
            return Err(Fault::new(FaultKind::Failed, "there is no such function"));
        };
        // Someone else's code: its panic ends the call, not the host.
        let result = AssertUnwindSafe(async { handler(arguments).await })
            .catch_unwind()
            .await;
        match result {
            Ok(Ok(value)) => Ok(Answer::Value(value)),
            Ok(Err(message)) => Err(Fault::new(FaultKind::Failed, message)),
            Err(_) => Err(Fault::new(FaultKind::Failed, "the tool panicked")),
        }
    }
}
