//! What a tool answered, out of the JSON of `tools/call`.
//!
//! Lenient on purpose: servers add fields and kinds of content that no SDK
//! knows yet, and none of that is a reason to lose a result.

use serde_json::{Value, value::RawValue};

use super::{Fault, FaultKind, fields::fields};

/// The answer of a tool.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A function of this process returned this.
    Value(Value),
    /// An MCP server sent this.
    Content(Content),
}

/// The result of a tool of an MCP server. Its parts are JSON text as it came:
/// reading and writing it again would cost time and could change numbers.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Whether the tool calls it an error.
    pub is_error: bool,
    /// The structured result, where there is one.
    pub structured: Option<Box<RawValue>>,
    /// The blocks of content.
    pub blocks: Vec<Box<RawValue>>,
    /// What the server says beside the result.
    pub meta: Option<Box<RawValue>>,
    /// Whether the server says that it wrapped the structured result.
    pub is_wrapped: bool,
}

/// What is looked at. Everything may be missing or of another type.
const FIELDS: [&str; 5] = [
    "resultType",
    "content",
    "structuredContent",
    "isError",
    "_meta",
];

impl Answer {
    /// Reads the `result` of a `tools/call` response.
    pub(super) fn read(result: &str) -> Result<Self, Fault> {
        let [kind, content, structured, is_error, meta] = fields(result.as_bytes(), FIELDS)
            .map_err(|_| nonsense("it is not an object of the right kind"))?;
        let is_there = |field: &&RawValue| field.get() != "null";
        let (content, meta) = (content.filter(is_there), meta.filter(is_there));
        let kind = kind.and_then(|kind| serde_json::from_str::<String>(kind.get()).ok());
        match kind.as_deref() {
            None | Some("complete") => {}
            Some("task") => {
                return Err(Fault::new(
                    FaultKind::OutcomeUnknown,
                    "the server runs the call as a task in the background, which is not supported",
                ));
            }
            Some(_) => return Err(nonsense("its kind is unknown")),
        }
        let blocks = match content {
            None => Vec::new(),
            Some(content) => serde_json::from_str(content.get())
                .map_err(|_| nonsense("its content is not a list"))?,
        };
        let is_error = is_error.is_some_and(|is_error| is_error.get() == "true");
        if !is_error && content.is_none() && structured.is_none() {
            return Err(nonsense("it has no content"));
        }
        Ok(Self::Content(Content {
            is_error,
            structured: structured.map(ToOwned::to_owned),
            blocks,
            is_wrapped: meta.is_some_and(says_wrapped),
            meta: meta.map(ToOwned::to_owned),
        }))
    }
}

/// FastMCP marks results that it put into `{"result": …}`.
fn says_wrapped(meta: &RawValue) -> bool {
    let Ok(meta) = serde_json::from_str::<Value>(meta.get()) else {
        return false;
    };
    let mark = meta
        .pointer("/fastmcp/wrap_result")
        .or_else(|| meta.get("x-fastmcp-wrap-result"));
    mark == Some(&Value::Bool(true))
}

fn nonsense(why: &str) -> Fault {
    Fault::new(
        FaultKind::UnusableAnswer,
        format!("the server's answer is not the result of a tool: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: &str) -> String {
        Answer::read(result).unwrap_err().message
    }

    #[test]
    fn parts_come_through_as_they_were_written() {
        let text = r#"{"content": [{"type": "hologram", "x": 1.10}], "structuredContent": null, "future": true}"#;
        let Answer::Content(content) = Answer::read(text).unwrap() else {
            panic!("it is content");
        };
        assert!(!content.is_error);
        assert_eq!(
            content.blocks[0].get(),
            r#"{"type": "hologram", "x": 1.10}"#
        );
        assert_eq!(content.structured.unwrap().get(), "null");
    }

    #[test]
    fn of_a_part_that_is_there_twice_the_last_counts() {
        let text = r#"{"content": [], "content": [{"type": "text", "text": "a", "text": "b"}],
            "isError": true, "isError": false, "_meta": 1, "_meta": {"x": 1, "x": 2}}"#;
        let Answer::Content(content) = Answer::read(text).unwrap() else {
            panic!("it is content");
        };
        assert!(!content.is_error);
        let block = r#"{"type": "text", "text": "a", "text": "b"}"#;
        assert_eq!(content.blocks[0].get(), block);
        assert_eq!(content.meta.unwrap().get(), r#"{"x": 1, "x": 2}"#);
    }

    #[test]
    fn an_answer_that_is_no_result_says_so() {
        let start = "the server's answer is not the result of a tool: ";
        assert_eq!(
            message("7"),
            format!("{start}it is not an object of the right kind")
        );
        assert_eq!(
            message(r#"{"content": 1}"#),
            format!("{start}its content is not a list")
        );
        assert_eq!(
            message(r#"{"tools": []}"#),
            format!("{start}it has no content")
        );
    }
}
