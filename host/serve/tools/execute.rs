//! `execute`: runs a program.

use std::{sync::Arc, time::Duration};

use rmcp::model::ToolAnnotations;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Outcome, ServeTool, ToolCall,
    arguments::{BadArguments, SessionHandle},
    result::failure,
    schema,
};
use crate::serve::{
    Strategy,
    run::{self, RunRequest},
};
use contract::program::Language;

/// Bytes of a program.
const MAX_CODE: usize = 1 << 20;

/// Files that one call can return.
const MAX_FILES: usize = 32;

pub(super) struct Execute;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    code: String,
    #[serde(default)]
    language: LanguageName,
    session: Option<SessionHandle>,
    /// Seconds.
    timeout: Option<f64>,
    #[serde(default)]
    files: Vec<String>,
    max_tokens: Option<usize>,
    overflow: Option<Strategy>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LanguageName {
    #[default]
    Python,
    Javascript,
    Typescript,
}

impl From<LanguageName> for Language {
    fn from(name: LanguageName) -> Self {
        match name {
            LanguageName::Python => Self::Python,
            LanguageName::Javascript => Self::JavaScript,
            LanguageName::Typescript => Self::TypeScript,
        }
    }
}

impl ServeTool for Execute {
    const NAME: &'static str = "execute";
    const DESCRIPTION: &'static str = "Run a program in a sandbox: standard library only, no packages, no network, no files of the \
        host; variables and files stay only in a `session`. Import tools: Python `from servers.NAME \
        import TOOL`, then `await TOOL(name=value)`; JavaScript `import { tool } from \
        \"servers/NAME\"`, then `await tool({ name: value })`. Gives the printed text and the value \
        of the last expression.";
    const CAN_ASK: bool = true;
    const HAS_CATALOGUE: bool = true;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "code": { "type": "string" },
                "language": { "type": "string", "enum": ["python", "javascript", "typescript"], "default": "python" },
                "session": schema::session("keeps variables and files; without it the sandbox is fresh"),
                "timeout": { "type": "number", "description": "seconds, waiting for tools included" },
                "files": {
                    "type": "array",
                    "items": { "type": "string" },
                    "description": "files of /workspace to return",
                },
                "max_tokens": schema::max_tokens(),
                "overflow": schema::overflow(),
            },
            "required": ["code"],
        })
    }

    fn output_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "status": { "type": "string" },
                "result": {},
                "stdout": { "type": "string" },
                "stderr": { "type": "string" },
                "error": { "type": "object" },
                "warnings": schema::strings(),
                "notes": schema::strings(),
                "calls": {
                    "type": "array",
                    "items": { "type": "object", "properties": {
                        "tool": { "type": "string" },
                        "status": { "type": "string" },
                        "count": { "type": "integer" },
                    } },
                },
                "kept": { "type": "array", "items": { "type": "object" } },
                "files": { "type": "array", "items": { "type": "object" } },
                "session": { "type": "string" },
                "usage": { "type": "object" },
                "tokens": { "type": "object" },
            },
            "required": ["status"],
        })
    }

    fn annotations() -> ToolAnnotations {
        schema::acts()
    }

    async fn run(call: ToolCall, arguments: Arguments) -> Result<Outcome, BadArguments> {
        arguments.check()?;
        let ToolCall {
            service,
            caller,
            hears_progress,
        } = call;
        let slot = match &arguments.session {
            None => service.fresh_slot(caller),
            Some(handle) => match service.sessions.find(caller, handle) {
                Ok(slot) => slot,
                Err(error) => return Ok(failure("session_gone", &error.to_string()).into()),
            },
        };
        let request = RunRequest {
            caller,
            slot,
            handle: arguments.session.map(|handle| handle.to_string()),
            language: arguments.language.into(),
            code: arguments.code,
            timeout: arguments.timeout.map(seconds),
            files: arguments.files,
            hears_progress,
            strategy: arguments.overflow.unwrap_or_default(),
            budget: arguments
                .max_tokens
                .unwrap_or(service.options.output_tokens),
        };
        Ok(Outcome::Running(run::start(Arc::clone(&service), request)))
    }
}

impl Arguments {
    /// What the types do not say.
    fn check(&self) -> Result<(), BadArguments> {
        if self.code.len() > MAX_CODE {
            return Err(BadArguments::new(format!(
                "`code` has {} bytes; at most {MAX_CODE} are accepted. Write data to a file with `write_file` and read it in the program",
                self.code.len()
            )));
        }
        if self.files.len() > MAX_FILES {
            return Err(BadArguments::new(format!(
                "`files` names {} files; at most {MAX_FILES} can be returned",
                self.files.len()
            )));
        }
        if let Some(seconds) = self.timeout
            && !(seconds > 0.0 && seconds.is_finite())
        {
            return Err(BadArguments::new(format!(
                "`timeout` is {seconds}; it is a positive number of seconds"
            )));
        }
        Ok(())
    }
}

/// A number of seconds that was checked; one that is too large for a duration
/// is the longest there is.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{OfferedTool, arguments::read};
    use super::*;

    fn execute(arguments: Value) -> Result<Arguments, String> {
        let schema = OfferedTool::new::<Execute>().definition.input_schema;
        let read = read::<Arguments>("execute", &schema, arguments.as_object().cloned());
        let read = read.and_then(|read| read.check().map(|()| read));
        read.map_err(|error| error.message().to_owned())
    }

    #[test]
    fn what_is_missing_wrong_or_unknown_is_named() {
        assert!(execute(json!({ "code": "1" })).is_ok());
        for (arguments, part) in [
            (json!({}), "`code` of `execute` is missing"),
            (json!({ "code": 7 }), "`code` is `7`; it takes a text"),
            (
                json!({ "code": "1", "lang": "js" }),
                "no argument `lang`; did you mean `language`? expected are `code`",
            ),
            (
                json!({ "code": "1", "language": "ruby" }),
                "`language` is the text `ruby`; it takes `python`, `javascript` or `typescript`",
            ),
            (
                json!({ "code": "1", "timeout": "soon" }),
                "`timeout` is the text `soon`; it takes a number",
            ),
            (
                json!({ "code": "1", "timeout": -1 }),
                "positive number of seconds",
            ),
            (json!({ "code": "x".repeat(2 << 20) }), "at most 1048576"),
            (
                json!({ "code": "1", "session": "x".repeat(1_000) }),
                "not a handle",
            ),
            (
                json!({ "": "a list" }),
                "the arguments of `execute` are a list",
            ),
        ] {
            let message = execute(arguments).err().unwrap();
            assert!(message.contains(part), "{message}");
            assert!(message.len() < 600);
        }
        let long = json!({ "code": "1", "x".repeat(100_000): 1 });
        assert!(execute(long).err().unwrap().len() <= 500);
    }

    #[test]
    fn a_language_is_known_by_all_its_names() {
        for (name, expected) in [
            ("Python", Language::Python),
            ("py", Language::Python),
            ("JS", Language::JavaScript),
            ("JavaScript", Language::JavaScript),
            ("node", Language::JavaScript),
            ("ts", Language::TypeScript),
            ("TypeScript", Language::TypeScript),
        ] {
            let read = execute(json!({ "code": "1", "language": name })).unwrap();
            assert_eq!(Language::from(read.language), expected, "{name}");
        }
    }
}
