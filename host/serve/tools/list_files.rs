//! `list_files`: a directory as programs see it.

use rmcp::model::ToolAnnotations;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Outcome, ServeTool, ToolCall,
    arguments::{BadArguments, SessionHandle},
    result::{file_error, success},
    schema,
};
use crate::serve::{files::Entry, tokens};
use contract::text::one_line;

/// Entries of one list.
const MAX_ENTRIES: usize = 1_000;

/// Characters of a name in the text. Files of a workspace have shorter ones.
const MAX_NAME: usize = 255;

pub(super) struct ListFiles;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    path: Option<String>,
    session: Option<SessionHandle>,
}

impl ServeTool for ListFiles {
    const NAME: &'static str = "list_files";
    const DESCRIPTION: &'static str =
        "List a directory: /servers/NAME (tool stubs), or /workspace of a session.";

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "default": "/" },
                "session": schema::session("whose /workspace"),
            },
        })
    }

    fn output_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string" },
                "entries": {
                    "type": "array",
                    "items": { "type": "object", "properties": {
                        "name": { "type": "string" },
                        "kind": { "type": "string" },
                        "bytes": { "type": "integer" },
                    } },
                },
            },
            "required": ["path", "entries"],
        })
    }

    fn annotations() -> ToolAnnotations {
        schema::reads()
    }

    async fn run(call: ToolCall, arguments: Arguments) -> Result<Outcome, BadArguments> {
        let ToolCall {
            service, caller, ..
        } = call;
        let path = arguments.path.unwrap_or_else(|| "/".to_owned());
        let session = arguments.session.as_deref();
        let mut entries = match service.list(caller, session, &path).await {
            Ok(entries) => entries,
            Err(message) => return Ok(file_error(&path, &message).into()),
        };
        let total = entries.len();
        entries.truncate(MAX_ENTRIES);
        let mut text = String::new();
        let mut left = 4 * service.options.output_tokens;
        for (index, entry) in entries.iter().enumerate() {
            let mark = if entry.is_directory { "/" } else { "" };
            let size = entry
                .bytes
                .map_or(String::new(), |bytes| format!("  {bytes}"));
            let line = format!("{}{mark}{size}\n", one_line(&entry.name, MAX_NAME));
            let Some(rest) = left.checked_sub(tokens::count(&line)) else {
                entries.truncate(index);
                break;
            };
            left = rest;
            text += &line;
        }
        let more = total - entries.len();
        if more > 0 {
            text += &format!("… {more} more\n");
        }
        if text.is_empty() {
            text = "(empty)\n".to_owned();
        }
        let list: Vec<Value> = entries.iter().map(entry).collect();
        let mut structured = json!({ "path": path, "entries": list });
        if more > 0 {
            structured["more"] = more.into();
        }
        Ok(success(text, structured).into())
    }
}

fn entry(entry: &Entry) -> Value {
    let kind = if entry.is_directory {
        "directory"
    } else {
        "file"
    };
    let mut value = json!({ "name": entry.name, "kind": kind });
    if let Some(bytes) = entry.bytes {
        value["bytes"] = bytes.into();
    }
    value
}
