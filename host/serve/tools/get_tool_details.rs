//! `get_tool_details`: all that is known of one tool.

use rmcp::model::ToolAnnotations;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Outcome, ServeTool, ToolCall,
    arguments::BadArguments,
    result::{failure, success},
    schema,
};
use crate::serve::{Mode, Strategy, output::fit_text, tokens};

pub(super) struct GetToolDetails;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    name: String,
    #[serde(default)]
    language: StubLanguage,
}

/// The languages that stubs are written in.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StubLanguage {
    #[default]
    Python,
    Typescript,
}

impl ServeTool for GetToolDetails {
    const NAME: &'static str = "get_tool_details";
    const DESCRIPTION: &'static str = "Signature, documentation and schemas of one tool.";

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "server.tool" },
                "language": { "type": "string", "enum": ["python", "typescript"], "default": "python" },
            },
            "required": ["name"],
        })
    }

    fn output_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "description": { "type": "string" },
                "input_schema": { "type": "object" },
                "output_schema": { "type": "object" },
            },
        })
    }

    fn annotations() -> ToolAnnotations {
        schema::reads()
    }

    async fn run(call: ToolCall, arguments: Arguments) -> Result<Outcome, BadArguments> {
        let service = call.service;
        let page = service
            .toolbox
            .tool(&arguments.name, &service.options.grants)
            .await;
        let page = match page {
            Ok(page) => page,
            Err(error) => return Ok(failure("unavailable", &error.message).into()),
        };
        let details: Value = serde_json::from_str(&page.details).unwrap_or_default();
        let text = match (service.options.mode, arguments.language) {
            // Whoever writes no code has no use for a stub.
            (Mode::Tools, _) => format!("{details:#}\n"),
            (Mode::Code, StubLanguage::Python) => {
                String::from_utf8_lossy(&page.python).into_owned()
            }
            (Mode::Code, StubLanguage::Typescript) => {
                String::from_utf8_lossy(&page.typescript).into_owned()
            }
        };
        let budget = 4 * service.options.output_tokens;
        let text = fit_text(&text, Strategy::HeadTail, budget);
        Ok(success(text, fitted(details, budget)).into())
    }
}

/// The details, without schemas that are longer than the budget: half of a
/// schema is another one.
fn fitted(mut details: Value, budget: usize) -> Value {
    for schema in ["output_schema", "input_schema", "parameters", "description"] {
        let tokens = tokens::about(&details.to_string());
        if tokens <= budget {
            break;
        }
        if let Some(fields) = details.as_object_mut() {
            fields.shift_remove(schema);
            fields.insert("message".to_owned(), "what is too long is left out".into());
        }
    }
    details
}
