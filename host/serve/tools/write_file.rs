//! `write_file`: writes a file that programs then see.

use rmcp::model::ToolAnnotations;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Outcome, ServeTool, ToolCall,
    arguments::{BadArguments, SessionHandle},
    result::{failure, file_error, success},
    schema,
};
use crate::serve::{files, output::blocks};

pub(super) struct WriteFile;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    path: String,
    content: String,
    #[serde(default)]
    encoding: Encoding,
    session: Option<SessionHandle>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Text,
    Base64,
}

impl ServeTool for WriteFile {
    const NAME: &'static str = "write_file";
    const DESCRIPTION: &'static str = "Write a file of /workspace.";

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string" },
                "content": { "type": "string" },
                "encoding": { "type": "string", "enum": ["text", "base64"], "default": "text" },
                "session": schema::session("without it a new one is opened"),
            },
            "required": ["path", "content"],
        })
    }

    fn output_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string" },
                "bytes": { "type": "integer" },
                "session": { "type": "string" },
            },
            "required": ["path", "bytes", "session"],
        })
    }

    fn annotations() -> ToolAnnotations {
        ToolAnnotations::new()
            .read_only(false)
            .destructive(true)
            .open_world(false)
    }

    async fn run(call: ToolCall, arguments: Arguments) -> Result<Outcome, BadArguments> {
        let ToolCall {
            service, caller, ..
        } = call;
        let bytes = match arguments.encoding {
            Encoding::Text => arguments.content.into_bytes(),
            Encoding::Base64 => blocks::from_base64(&arguments.content)
                .ok_or_else(|| BadArguments::new("`content` is not valid base64"))?,
        };
        let path = arguments.path;
        let below = match files::writable(&path) {
            Ok(below) => below,
            Err(message) => return Ok(file_error(&path, &message).into()),
        };
        let (slot, session) = match arguments.session {
            Some(handle) => match service.sessions.find(caller, &handle) {
                Ok(slot) => (slot, handle.to_string()),
                Err(error) => return Ok(failure("session_gone", &error.to_string()).into()),
            },
            None => match service.sessions.open(caller, service.fresh_slot(caller)) {
                Ok(opened) => (opened.slot, opened.handle),
                Err(error) => return Ok(failure("sessions_busy", &error.to_string()).into()),
            },
        };
        if let Err(error) = slot.workspace.write_file(below, &bytes) {
            return Ok(file_error(&path, &error.to_string()).into());
        }
        let written = format!("/workspace/{}", below.trim_start_matches("./"));
        let text = format!(
            "wrote {} bytes to {written}\nsession: {session}\n",
            bytes.len()
        );
        let structured = json!({ "path": written, "bytes": bytes.len(), "session": session });
        Ok(success(text, structured).into())
    }
}
