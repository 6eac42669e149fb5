//! `search_tools`: finds tools by what they do.

use rmcp::model::ToolAnnotations;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Outcome, ServeTool, ToolCall,
    arguments::BadArguments,
    result::{failure, success},
    schema,
};
use crate::serve::{Mode, Service, Strategy, output::fit_text, tokens};
use contract::message::Detail;

/// Tools that a search gives if the client does not say.
const DEFAULT_LIMIT: u32 = 10;

/// Tools of a short answer that come with their signatures: a question has its
/// answer among the first few, and each costs about forty tokens.
const MAX_SIGNATURES: usize = 3;

pub(super) struct SearchTools;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[serde(default)]
    query: String,
    #[serde(default)]
    detail: Detail,
    server: Option<String>,
    limit: Option<u64>,
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
                "detail": { "type": "string", "enum": ["brief", "detailed", "full"], "default": "brief" },
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

    async fn run(call: ToolCall, arguments: Arguments) -> Result<Outcome, BadArguments> {
        let service = call.service;
        let limit = arguments.limit.unwrap_or(DEFAULT_LIMIT.into());
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let found = service
            .toolbox
            .search(
                &arguments.query,
                arguments.detail,
                arguments.server.as_deref(),
                limit,
                &service.options.grants,
            )
            .await;
        let mut found: Value = match found {
            Ok(json) => serde_json::from_str(&json).unwrap_or_default(),
            Err(error) => return Ok(failure("unavailable", &error.message).into()),
        };
        if arguments.detail == Detail::Brief && service.options.mode == Mode::Code {
            add_signatures(&mut found, &service);
        }
        let budget = 4 * service.options.output_tokens;
        leave_out(&mut found, budget);
        let text = fit_text(&text(&found), Strategy::HeadTail, budget);
        Ok(success(text, found).into())
    }
}

/// Adds to the first tools how they are called, so that the next thing a model
/// does can be the call.
fn add_signatures(found: &mut Value, service: &Service) {
    let tools = found["tools"].as_array_mut().into_iter().flatten();
    for tool in tools.take(MAX_SIGNATURES) {
        let Some((server, name)) = tool["name"].as_str().and_then(|name| name.split_once('.'))
        else {
            continue;
        };
        let (toolbox, grants) = (&service.toolbox, &service.options.grants);
        let Ok(server) = toolbox.server(server) else {
            continue;
        };
        let signature = toolbox.known_signature(&server.name, name, grants);
        if let Some(signature) = signature {
            tool["call"] = format!("servers.{}.{signature}", server.identifier).into();
        }
    }
}

/// Leaves out the last tools where there are more than the budget has room for.
fn leave_out(found: &mut Value, budget: usize) {
    let mut left = budget;
    let Some(tools) = found["tools"].as_array_mut() else {
        return;
    };
    let fits = |tool: &&Value| match left.checked_sub(tokens::about(&tool.to_string())) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let fitting = tools.iter().take_while(fits).count();
    let missing = tools.len() - fitting;
    if missing == 0 {
        return;
    }
    tools.truncate(fitting);
    let mut message = format!("{missing} more did not fit: ask for less detail, or for fewer");
    if let Some(said) = found["message"].as_str() {
        message = format!("{message}; {said}");
    }
    found["message"] = message.into();
}

/// What was found, for models that read text.
fn text(found: &Value) -> String {
    let mut text = String::new();
    for tool in found["tools"].as_array().into_iter().flatten() {
        let part = |name: &str| tool[name].as_str().unwrap_or_default();
        text += &format!("{}: {}\n", part("name"), part("description"));
        for more in ["call", "python", "typescript", "file"] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left_out_and_said() {
        let tool =
            |n: usize| json!({ "name": format!("s.t{n}"), "description": "word ".repeat(50) });
        let tools: Vec<Value> = (0..100).map(tool).collect();
        let mut found = json!({ "tools": tools, "total": 100, "message": "more" });
        leave_out(&mut found, 100_000);
        assert_eq!(found["message"], "more");
        leave_out(&mut found, 700);
        let left = found["tools"].as_array().unwrap().len();
        assert!((5..20).contains(&left), "{left}");
        let message = found["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{} more did not fit", 100 - left)));
        assert!(tokens::count(&found.to_string()) < 1_000);
    }
}
