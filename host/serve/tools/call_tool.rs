//! `call_tool`: calls one tool of a server, for clients that call tools one by
//! one.

use std::sync::Arc;

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Instrument as _;

use super::{Outcome, ServeTool, ToolCall, arguments::BadArguments, result::success, schema};
use crate::serve::{
    Caller, Service, Strategy,
    client::running::Running,
    meter::Tally,
    output::{fit_text, fit_value},
};
use ::tools::{CallLog, HostCallbacks};
use contract::json::{Json, marked_number, unmarked};
use contract::message::{CallError, CallErrorKind};

pub(super) struct CallTool;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    name: String,
    #[serde(default)]
    arguments: JsonObject,
    max_tokens: Option<usize>,
    overflow: Option<Strategy>,
}

impl ServeTool for CallTool {
    const NAME: &'static str = "call_tool";
    const DESCRIPTION: &'static str = "Call a tool of one of the user's MCP servers.";
    const CAN_ASK: bool = true;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "server.tool" },
                "arguments": { "type": "object" },
                "max_tokens": schema::max_tokens(),
                "overflow": schema::overflow(),
            },
            "required": ["name"],
        })
    }

    fn output_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "status": { "type": "string", "enum": ["ok", "error", "limit", "denied"] },
                "result": {},
                "error": { "type": "object" },
            },
            "required": ["status"],
        })
    }

    fn annotations() -> ToolAnnotations {
        schema::acts()
    }

    async fn run(call: ToolCall, arguments: Arguments) -> Result<Outcome, BadArguments> {
        Ok(Outcome::Running(start(
            call.service,
            call.caller,
            arguments,
        )))
    }
}

/// Calls the tool in a task of its own, by the same policy as programs.
fn start(service: Arc<Service>, caller: Caller, arguments: Arguments) -> Running {
    let (hooks, events) = service.client_hooks(Arc::default(), Arc::new(Tally::default()));
    let call = async move {
        let hooks: Arc<dyn HostCallbacks> = Arc::new(hooks);
        let log = CallLog::of(service.origin(caller, None));
        let written = unmarked(Value::Object(arguments.arguments.clone()).to_string());
        let called = service.toolbox.call_with_callbacks(
            &service.options.grants,
            &hooks,
            &arguments.name,
            &written,
            &log,
        );
        let result = called.await;
        for record in log.take() {
            service.metrics.called(&record.server, record.status);
        }
        match result {
            Ok(json) => {
                let budget = arguments
                    .max_tokens
                    .unwrap_or(service.options.output_tokens);
                called_result(&json, arguments.overflow.unwrap_or_default(), budget)
            }
            Err(error) => failed(&error),
        }
    };
    let task = tokio::spawn(call.in_current_span());
    Running { task, events }
}

fn called_result(json: &str, strategy: Strategy, budget: usize) -> CallToolResult {
    let value = match Json::read(json) {
        Ok(json) => json.to_marked_value(),
        Err(_) => Value::Null,
    };
    let shown = fit_value(&value, json, strategy, budget);
    let is_cut = shown != value;
    let mut text = match &shown {
        Value::String(text) if marked_number(text).is_none() => fit_text(text, strategy, budget),
        shown => unmarked(shown.to_string()),
    };
    let mut structured = json!({ "status": "ok", "result": shown });
    if is_cut {
        let note = "the result was cut; ask for more with `max_tokens` or another `overflow`";
        structured["notes"] = json!([note]);
        text += &format!("\nnote: {note}\n");
    }
    success(text, structured)
}

fn failed(error: &CallError) -> CallToolResult {
    let status = match error.kind {
        CallErrorKind::Denied => "denied",
        CallErrorKind::Limit => "limit",
        _ => "error",
    };
    let text = format!("status: {status}\nerror: {}\n", error.message);
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = Some(json!({
        "status": status,
        "error": { "kind": error.kind, "message": error.message },
    }));
    result
}
