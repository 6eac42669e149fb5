//! `read_file`: a file as programs see it.

// CONTRIBUTING.md, "To add a tool of serve".

use rmcp::model::{CallToolResult, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Outcome, ServeTool, ToolCall,
    arguments::{BadArguments, SessionHandle},
    result::{file_error, success},
    schema,
};
use crate::serve::{output::blocks, tokens};

/// Bytes of an image or a sound that is given as one.
const MAX_MEDIA: usize = 1 << 20;

pub(super) struct ReadFile;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    path: String,
    session: Option<SessionHandle>,
    /// Characters to skip.
    #[serde(default)]
    offset: usize,
    max_tokens: Option<usize>,
}

impl ServeTool for ReadFile {
    const NAME: &'static str = "read_file";
    const DESCRIPTION: &'static str = "Read a file of /servers, or of /workspace of a session.";

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string" },
                "session": schema::session("whose /workspace"),
                "offset": { "type": "integer", "default": 0, "description": "characters to skip" },
                "max_tokens": schema::max_tokens(),
            },
            "required": ["path"],
        })
    }

    fn output_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string" },
                "bytes": { "type": "integer" },
                "text": { "type": "string" },
                "next_offset": { "type": "integer", "description": "where to go on" },
            },
            "required": ["path", "bytes"],
        })
    }

    fn annotations() -> ToolAnnotations {
        schema::reads()
    }

    async fn run(call: ToolCall, arguments: Arguments) -> Result<Outcome, BadArguments> {
        let ToolCall {
            service, caller, ..
        } = call;
        let Arguments {
            path,
            session,
            offset,
            max_tokens,
        } = arguments;
        let bytes = match service.read(caller, session.as_deref(), &path).await {
            Ok(bytes) => bytes,
            Err(message) => return Ok(file_error(&path, &message).into()),
        };
        let budget = max_tokens.unwrap_or(service.options.output_tokens);
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Ok(binary(&path, &bytes).into());
        };
        let start = text
            .char_indices()
            .nth(offset)
            .map_or(text.len(), |(at, _)| at);
        let shown = tokens::head(&text[start..], budget);
        let mut structured = json!({ "path": path, "bytes": bytes.len(), "text": shown });
        let mut answer = shown.to_owned();
        let end = start + shown.len();
        if end < text.len() {
            let next = offset + shown.chars().count();
            let rest = text[end..].chars().count();
            structured["next_offset"] = next.into();
            answer += &format!("\n[… {rest} more characters: go on with offset {next}]\n");
        }
        Ok(success(answer, structured).into())
    }
}

/// Bytes that are no text: an image or a sound as one, anything else by its size.
fn binary(path: &str, bytes: &[u8]) -> CallToolResult {
    let structured = json!({ "path": path, "bytes": bytes.len() });
    let media = blocks::media(bytes);
    match media.filter(|_| bytes.len() <= MAX_MEDIA) {
        Some(media) => {
            let mut result = CallToolResult::success(vec![media]);
            result.structured_content = Some(structured);
            result
        }
        None => success(
            format!(
                "{} bytes that are no text; read them in a program\n",
                bytes.len()
            ),
            structured,
        ),
    }
}
