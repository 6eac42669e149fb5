//! `search_tools`: finds tools by what they do.

use rmcp::{ErrorData, model::ToolAnnotations};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Outcome, ServeTool, ToolCall,
    result::{failure, success},
    schema,
};
use crate::serve::{Strategy, output::fit_text};
use contract::message::Detail;

/// Tools that a search gives if the client does not say.
const DEFAULT_LIMIT: u32 = 10;

pub(super) struct SearchTools;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[serde(default)]
    query: String,
    #[serde(default)]
    detail: Detail,
    server: Option<String>,
    limit: Option<u32>,
}

impl ServeTool for SearchTools {
    const NAME: &'static str = "search_tools";
    const DESCRIPTION: &'static str = "Find tools of the user's MCP servers by what they do.";

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "query": { "type": "string", "description": "what it should do; empty lists all" },
                "detail": { "enum": ["brief", "detailed", "full"], "default": "brief" },
                "server": { "type": "string" },
                "limit": { "type": "integer", "default": DEFAULT_LIMIT },
            },
        })
    }

    fn output_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "tools": {
                    "type": "array",
                    "items": { "type": "object", "properties": {
                        "name": { "type": "string" },
                        "description": { "type": "string" },
                    } },
                },
                "total": { "type": "integer" },
                "message": { "type": "string" },
            },
            "required": ["tools", "total"],
        })
    }

    fn annotations() -> ToolAnnotations {
        schema::reads()
    }

    async fn run(call: ToolCall, arguments: Arguments) -> Result<Outcome, ErrorData> {
        let service = call.service;
        let found = service
            .toolbox
            .search(
                &arguments.query,
                arguments.detail,
                arguments.server.as_deref(),
                arguments.limit.unwrap_or(DEFAULT_LIMIT),
                &service.options.grants,
            )
            .await;
        let found: Value = match found {
            Ok(json) => serde_json::from_str(&json).unwrap_or_default(),
            Err(error) => return Ok(failure("unavailable", &error.message).into()),
        };
        let budget = 4 * service.options.output_tokens;
        let text = fit_text(&text(&found), Strategy::HeadTail, budget);
        Ok(success(text, found).into())
    }
}

/// What was found, for models that read text.
fn text(found: &Value) -> String {
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
    text
}
