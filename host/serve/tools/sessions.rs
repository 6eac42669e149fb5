//! `sessions`: opens, lists and closes sessions.

use rmcp::model::{CallToolResult, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Outcome, ServeTool, ToolCall,
    arguments::{BadArguments, SessionHandle},
    result::{failure, success},
    schema,
};
use crate::serve::{Caller, Service};

pub(super) struct Sessions;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    action: Action,
    session: Option<SessionHandle>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Open,
    List,
    Close,
}

impl ServeTool for Sessions {
    const NAME: &'static str = "sessions";
    const DESCRIPTION: &'static str = "Open, list or close sessions; opening gives the handle.";

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "action": { "type": "string", "enum": ["open", "list", "close"] },
                "session": schema::session("to close"),
            },
            "required": ["action"],
        })
    }

    fn output_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "session": { "type": "string" },
                "sessions": { "type": "array", "items": { "type": "object" } },
                "tokens_saved": { "type": "integer" },
                "message": { "type": "string" },
            },
        })
    }

    fn annotations() -> ToolAnnotations {
        ToolAnnotations::new().read_only(false).open_world(false)
    }

    async fn run(call: ToolCall, arguments: Arguments) -> Result<Outcome, BadArguments> {
        let ToolCall {
            service, caller, ..
        } = call;
        let result = match arguments.action {
            Action::Open => open(&service, caller),
            Action::List => list(&service, caller),
            Action::Close => {
                let handle = arguments.session;
                let handle = handle
                    .ok_or_else(|| BadArguments::new("`close` needs `session`, the handle"))?;
                match service.sessions.close(caller, &handle) {
                    Ok(()) => success("closed\n".to_owned(), json!({ "message": "closed" })),
                    Err(error) => failure("session_gone", &error.to_string()),
                }
            }
        };
        Ok(result.into())
    }
}

fn open(service: &Service, caller: Caller) -> CallToolResult {
    let opened = match service.sessions.open(caller, service.fresh_slot(caller)) {
        Ok(opened) => opened,
        Err(error) => {
            service.limited(caller, "sessions");
            return failure("sessions_busy", &error.to_string());
        }
    };
    let mut text = format!("session: {}\n", opened.handle);
    let mut structured = json!({ "session": opened.handle });
    if opened.evicted > 0 {
        let message = format!(
            "{} of your sessions, unused for longest, were closed to make room",
            opened.evicted
        );
        text += &format!("note: {message}\n");
        structured["message"] = message.into();
    }
    success(text, structured)
}

fn list(service: &Service, caller: Caller) -> CallToolResult {
    let listed = service.sessions.list(caller);
    let saved = service.cost_of(caller).saved;
    let mut text = format!(
        "{} open sessions; {saved} tokens saved since the start\n",
        listed.len()
    );
    let mut sessions = Vec::new();
    for session in &listed {
        let state = if session.is_busy { "busy" } else { "idle" };
        text += &format!(
            "{}: opened {} s ago, used {} s ago, {} files, {} bytes, {} tokens saved, {state}\n",
            session.name,
            session.age.as_secs(),
            session.unused.as_secs(),
            session.files,
            session.bytes,
            session.saved
        );
        sessions.push(json!({
            "name": session.name,
            "age_seconds": session.age.as_secs(),
            "unused_seconds": session.unused.as_secs(),
            "files": session.files,
            "bytes": session.bytes,
            "tokens_saved": session.saved,
            "state": state,
        }));
    }
    success(text, json!({ "sessions": sessions, "tokens_saved": saved }))
}
