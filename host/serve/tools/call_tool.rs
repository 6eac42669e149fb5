//! The tool `call_tool`, for clients that call tools one by one.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};
use tracing::Instrument as _;

use super::arguments::CallTool;
use crate::serve::{
    Service,
    client::{hooks::Desk, request::Running},
    meter::Tally,
    output::{fit_text, fit_value},
};
use ::tools::{Attendant, CallLog};
use contract::message::{CallError, CallErrorKind};

impl Service {
    /// Calls one upstream tool, in a task of its own, by the same policy as
    /// programs.
    pub(in crate::serve) fn call_tool(self: &Arc<Self>, arguments: CallTool) -> Running {
        let allowed: Arc<Mutex<HashSet<_>>> = Arc::default();
        let (desk, events) = Desk::new(
            allowed,
            Arc::clone(&self.granted),
            Arc::clone(&self.counter),
            Arc::new(Tally::default()),
            self.options.patience,
        );
        let service = Arc::clone(self);
        let call = async move {
            let attendant: Arc<dyn Attendant> = Arc::new(desk);
            let log = CallLog::default();
            let written = Value::Object(arguments.arguments.clone()).to_string();
            let called = service.toolbox.call_attended(
                &service.options.grants,
                &attendant,
                &arguments.name,
                &written,
                &log,
            );
            let result = called.await;
            for record in log.take() {
                service.metrics.called(&record.server, record.status);
            }
            match result {
                Ok(json) => service.called(&arguments, &json),
                Err(error) => failed(&error),
            }
        };
        let task = tokio::spawn(call.in_current_span());
        Running { task, events }
    }

    fn called(&self, arguments: &CallTool, json: &str) -> CallToolResult {
        let strategy = arguments.overflow.unwrap_or_default();
        let budget = arguments.max_tokens.unwrap_or(self.options.output_tokens);
        let value: Value = serde_json::from_str(json).unwrap_or_default();
        let shown = fit_value(&value, json, strategy, budget);
        let is_cut = shown != value;
        let mut text = match &shown {
            Value::String(text) => fit_text(text, strategy, budget),
            shown => shown.to_string(),
        };
        let mut structured = json!({ "status": "ok", "result": shown });
        if is_cut {
            let note = "the result was cut; ask for more with `max_tokens` or another `overflow`";
            structured["notes"] = json!([note]);
            text += &format!("\nnote: {note}\n");
        }
        let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
        result.structured_content = Some(structured);
        result
    }
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
