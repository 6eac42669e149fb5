//! Results of our own tools: structured content, and the same as text.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use contract::text::one_line;

/// Characters of a path that an error shows.
const MAX_PATH: usize = 200;

/// What a tool found or did.
pub(in crate::serve) fn success(text: String, structured: Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured);
    result
}

/// A failure that is no program's.
pub(in crate::serve) fn failure(kind: &str, message: &str) -> CallToolResult {
    let text = format!("status: error\nerror: {kind}: {message}\n");
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = Some(json!({
        "status": "error",
        "error": { "kind": kind, "message": message },
    }));
    result
}

/// A file that cannot be had.
pub(super) fn file_error(path: &str, message: &str) -> CallToolResult {
    let text = format!("{}: {message}\n", one_line(path, MAX_PATH));
    CallToolResult::error(vec![ContentBlock::text(text)])
}
