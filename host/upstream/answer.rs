//! What a tool answered, out of the JSON of `tools/call`.
//!
//! Lenient on purpose: servers add fields and kinds of content that no SDK
//! knows yet, and none of that is a reason to lose a result.

use serde_json::{Map, Value};

use super::{Fault, FaultKind};

/// The answer of a tool.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A function of this process returned this.
    Value(Value),
    /// An MCP server sent this.
    Content {
        /// Whether the tool calls it an error.
        is_error: bool,
        /// The structured result, where there is one.
        structured: Option<Value>,
        /// The blocks of content as they came.
        blocks: Vec<Value>,
        /// Whether the server says that it wrapped the structured result.
        wrapped: bool,
    },
}

impl Answer {
    /// Reads the `result` of a `tools/call` response.
    pub(super) fn read(result: Value) -> Result<Self, Fault> {
        let Value::Object(mut fields) = result else {
            return Err(nonsense("it is not an object"));
        };
        match fields.get("resultType").and_then(Value::as_str) {
            None | Some("complete") => {}
            Some("input_required" | "inputRequired") => {
                return Err(Fault::new(
                    FaultKind::Failed,
                    "the tool asks for further input from a person, which a program cannot give",
                ));
            }
            Some("task") => {
                return Err(Fault::new(
                    FaultKind::OutcomeUnknown,
                    "the server runs the call as a task in the background, which is not supported",
                ));
            }
            Some(_) => return Err(nonsense("its kind is unknown")),
        }
        let blocks = match fields.remove("content") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(blocks)) => blocks,
            Some(_) => return Err(nonsense("its content is not a list")),
        };
        let structured = fields.remove("structuredContent");
        if structured.is_none() && blocks.is_empty() && !fields.contains_key("isError") {
            let known = ["_meta", "resultType"];
            if fields.keys().any(|key| !known.contains(&key.as_str())) {
                return Err(nonsense("it has no content"));
            }
        }
        Ok(Self::Content {
            is_error: fields.get("isError") == Some(&Value::Bool(true)),
            structured,
            blocks,
            wrapped: says_wrapped(&fields),
        })
    }
}

/// FastMCP marks results that it put into `{"result": …}`.
fn says_wrapped(fields: &Map<String, Value>) -> bool {
    let meta = fields.get("_meta");
    let mark = |meta: &Value| {
        meta.pointer("/fastmcp/wrap_result")
            .or_else(|| meta.get("x-fastmcp-wrap-result"))
            == Some(&Value::Bool(true))
    };
    meta.is_some_and(mark)
}

fn nonsense(why: &str) -> Fault {
    Fault::new(
        FaultKind::Failed,
        format!("the server's answer is not the result of a tool: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(result: Value) -> String {
        Answer::read(result).unwrap_err().message
    }

    #[test]
    fn unknown_fields_and_blocks_are_kept_or_ignored() {
        let answer = Answer::read(json!({
            "content": [{"type": "hologram", "x": 1}],
            "structuredContent": null,
            "future": true,
        }));
        let expected = Answer::Content {
            is_error: false,
            structured: Some(Value::Null),
            blocks: vec![json!({"type": "hologram", "x": 1})],
            wrapped: false,
        };
        assert_eq!(answer, Ok(expected));
    }

    #[test]
    fn an_answer_that_is_no_result_says_so() {
        let start = "the server's answer is not the result of a tool: ";
        assert_eq!(message(json!([])), format!("{start}it is not an object"));
        assert_eq!(
            message(json!({"content": 1})),
            format!("{start}its content is not a list")
        );
        assert_eq!(
            message(json!({"tools": []})),
            format!("{start}it has no content")
        );
    }

    #[test]
    fn a_tool_that_wants_to_ask_a_person_fails() {
        let fault = Answer::read(json!({"resultType": "input_required"})).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Failed);
        assert!(fault.message.contains("input from a person"));
    }
}
