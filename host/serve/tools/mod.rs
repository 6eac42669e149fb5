//! What clients are told: our tools and how to use them.
//!
//! All of it is in the context of every conversation, so each word costs. The
//! names and the number of the tools never change during a connection.

pub(super) mod arguments;
mod call_tool;

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::{Mode, Strategy};

/// What a model is told before it has called anything.
pub(super) const INSTRUCTIONS: &str = "\
Write code instead of calling tools one by one: `execute` runs Python, JavaScript or TypeScript in a \
sandbox where the user's MCP servers are libraries. Only what the program prints or returns comes \
back, so filter and join data in code.

1. `search_tools` finds tools; `get_tool_details`, or /servers/NAME/TOOL.py, has a signature.
2. `execute` calls them, several at once where they do not depend on each other:

import asyncio
from servers.github import list_issues
pages = await asyncio.gather(*(list_issues(owner=\"a\", repo=r) for r in [\"b\", \"c\"]))
[i[\"title\"] for p in pages for i in p if i[\"comments\"] > 5]

The last expression is the result. A failed call raises ToolError. Open a session with `sessions` to \
keep variables and /workspace between calls. Long output is kept in a file and shown in part. \
`search_tools()` works in programs too; `emit(...)` returns images.";

/// The same for clients that call tools one by one.
pub(super) const INSTRUCTIONS_FOR_TOOLS: &str = "\
The tools of several MCP servers, found when they are needed: `search_tools` finds them, \
`get_tool_details` has the schema of one, `call_tool` calls it as `server.tool`.";

/// The tools that are offered.
pub(super) fn tools(mode: Mode) -> Vec<Tool> {
    match mode {
        Mode::Code => vec![
            execute(),
            search_tools(),
            get_tool_details(),
            list_files(),
            read_file(),
            write_file(),
            sessions(),
        ],
        Mode::Tools => vec![search_tools(), get_tool_details(), call_tool()],
    }
}

fn execute() -> Tool {
    let input = json!({
        "type": "object",
        "properties": {
            "code": { "type": "string" },
            "language": { "enum": ["python", "javascript", "typescript"], "default": "python" },
            "session": session("keeps variables and files; without it the sandbox is fresh"),
            "timeout": { "type": "number", "description": "seconds, waiting for tools included" },
            "files": {
                "type": "array",
                "items": { "type": "string" },
                "description": "files of /workspace to return",
            },
            "max_tokens": max_tokens(),
            "overflow": overflow(),
        },
        "required": ["code"],
    });
    let output = json!({
        "type": "object",
        "properties": {
            "status": { "enum": ["ok", "error", "limit", "denied", "host_error"] },
            "result": { "description": "value of the last expression" },
            "stdout": { "type": "string" },
            "stderr": { "type": "string" },
            "error": {
                "type": "object",
                "properties": {
                    "kind": { "type": "string" },
                    "message": { "type": "string" },
                    "hint": { "type": "string" },
                },
            },
            "warnings": strings(),
            "notes": strings(),
            "calls": {
                "type": "array",
                "items": { "type": "object", "properties": {
                    "tool": { "type": "string" },
                    "status": { "enum": ["finished", "failed", "unknown"] },
                    "count": { "type": "integer" },
                } },
            },
            "kept": {
                "type": "array",
                "description": "outputs that were cut, and the files that have all of them",
                "items": { "type": "object" },
            },
            "files": { "type": "array", "items": { "type": "object" } },
            "session": { "type": "string" },
            "usage": { "type": "object" },
            "tokens": { "type": "object", "description": "cost, and that of direct calls" },
        },
        "required": ["status"],
    });
    tool(
        "execute",
        "Run a program in a sandbox. Import tools: `from servers.NAME import TOOL` (await them), or \
         JavaScript `import { tool } from \"servers/NAME\"`. Gives the printed text and the value of \
         the last expression.",
        input,
        output,
        ToolAnnotations::new().read_only(false).open_world(true),
    )
}

fn search_tools() -> Tool {
    let input = json!({
        "type": "object",
        "properties": {
            "query": { "type": "string", "description": "what it should do; empty lists all" },
            "detail": { "enum": ["brief", "detailed", "full"], "default": "brief" },
            "server": { "type": "string" },
            "limit": { "type": "integer", "default": 10 },
        },
    });
    let output = json!({
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
    });
    tool(
        "search_tools",
        "Find tools of the user's MCP servers by what they do.",
        input,
        output,
        reads(),
    )
}

fn get_tool_details() -> Tool {
    let input = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "description": "server.tool" },
            "language": { "enum": ["python", "typescript"], "default": "python" },
        },
        "required": ["name"],
    });
    let output = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string" },
            "description": { "type": "string" },
            "input_schema": { "type": "object" },
            "output_schema": { "type": "object" },
        },
    });
    tool(
        "get_tool_details",
        "Signature, documentation and schemas of one tool.",
        input,
        output,
        reads(),
    )
}

fn call_tool() -> Tool {
    let input = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "description": "server.tool" },
            "arguments": { "type": "object" },
            "max_tokens": max_tokens(),
            "overflow": overflow(),
        },
        "required": ["name"],
    });
    let output = json!({
        "type": "object",
        "properties": {
            "status": { "enum": ["ok", "error", "limit", "denied"] },
            "result": {},
            "error": { "type": "object" },
            "tokens": { "type": "object" },
        },
        "required": ["status"],
    });
    tool(
        "call_tool",
        "Call a tool of one of the user's MCP servers.",
        input,
        output,
        ToolAnnotations::new().read_only(false).open_world(true),
    )
}

fn list_files() -> Tool {
    let input = json!({
        "type": "object",
        "properties": {
            "path": { "type": "string", "default": "/" },
            "session": session("whose /workspace"),
        },
    });
    let output = json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "entries": {
                "type": "array",
                "items": { "type": "object", "properties": {
                    "name": { "type": "string" },
                    "kind": { "enum": ["file", "directory"] },
                    "bytes": { "type": "integer" },
                } },
            },
        },
        "required": ["path", "entries"],
    });
    tool(
        "list_files",
        "List a directory: /servers/NAME (tool stubs), or /workspace of a session.",
        input,
        output,
        reads(),
    )
}

fn read_file() -> Tool {
    let input = json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "session": session("whose /workspace"),
            "offset": { "type": "integer", "default": 0, "description": "characters to skip" },
            "max_tokens": max_tokens(),
        },
        "required": ["path"],
    });
    let output = json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "bytes": { "type": "integer" },
            "text": { "type": "string" },
            "next_offset": { "type": "integer", "description": "where to go on" },
        },
        "required": ["path", "bytes"],
    });
    tool(
        "read_file",
        "Read a file of /servers, or of /workspace of a session.",
        input,
        output,
        reads(),
    )
}

fn write_file() -> Tool {
    let input = json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "content": { "type": "string" },
            "encoding": { "enum": ["text", "base64"], "default": "text" },
            "session": session("without it a new one is opened"),
        },
        "required": ["path", "content"],
    });
    let output = json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "bytes": { "type": "integer" },
            "session": { "type": "string" },
        },
        "required": ["path", "bytes", "session"],
    });
    tool(
        "write_file",
        "Write a file of /workspace.",
        input,
        output,
        ToolAnnotations::new()
            .read_only(false)
            .destructive(true)
            .open_world(false),
    )
}

fn sessions() -> Tool {
    let input = json!({
        "type": "object",
        "properties": {
            "action": { "enum": ["open", "list", "close"] },
            "session": session("to close"),
        },
        "required": ["action"],
    });
    let output = json!({
        "type": "object",
        "properties": {
            "session": { "type": "string" },
            "sessions": { "type": "array", "items": { "type": "object" } },
            "tokens_saved": { "type": "integer" },
            "message": { "type": "string" },
        },
    });
    tool(
        "sessions",
        "Open, list or close sessions; opening gives the handle.",
        input,
        output,
        ToolAnnotations::new().read_only(false).open_world(false),
    )
}

fn session(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn max_tokens() -> Value {
    json!({ "type": "integer", "description": "budget of the output" })
}

fn overflow() -> Value {
    json!({ "enum": Strategy::NAMES, "default": "summarise" })
}

fn strings() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn reads() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true).open_world(false)
}

fn tool(
    name: &'static str,
    description: &'static str,
    input: Value,
    output: Value,
    annotations: ToolAnnotations,
) -> Tool {
    let mut tool = Tool::new(name, description, schema(input));
    tool.output_schema = Some(schema(output));
    tool.annotations = Some(annotations);
    tool
}

fn schema(schema: Value) -> Arc<JsonObject> {
    match schema {
        Value::Object(schema) => Arc::new(schema),
        other => unreachable!("a schema is an object, not {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    #[test]
    fn everything_said_is_short() {
        let tools = serde_json::to_string(&tools(Mode::Code)).unwrap();
        let count = tokens::count(&tools);
        assert!(count < 2_500, "the tools cost {count} tokens");
        let count = tokens::count(INSTRUCTIONS);
        assert!(count < 300, "the instructions cost {count} tokens");
    }

    #[test]
    fn every_schema_is_one() {
        for mode in [Mode::Code, Mode::Tools] {
            for tool in tools(mode) {
                for schema in [Some(&tool.input_schema), tool.output_schema.as_ref()] {
                    let schema = Value::Object((**schema.unwrap()).clone());
                    assert!(jsonschema::validator_for(&schema).is_ok(), "{}", tool.name);
                    assert_eq!(schema["type"], "object");
                }
            }
        }
    }
}
