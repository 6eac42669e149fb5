//! The result of a call as plain data: what a function would have returned.
//!
//! - structured content, where there is any, without the object that SDKs wrap
//!   around lists and scalars;
//! - one block of text: the data it holds if it is a JSON object or list, the
//!   text otherwise. A text such as `42` or `true` stays a text, because the
//!   next answer may be `n/a`;
//! - no content: null;
//! - anything else: the list of content blocks as they came.

use serde_json::Value;

use crate::upstream::Answer;

/// Bytes of one result.
const MAX_BYTES: usize = 16 << 20;

/// Bytes of an error text of a tool.
const MAX_ERROR: usize = 16 << 10;

/// The result as JSON text.
///
/// # Errors
///
/// The text of a tool that reports an error, or that the result is too large.
pub(super) fn read(answer: Answer, only_output: Option<&str>) -> Result<String, String> {
    let value = match answer {
        Answer::Value(value) => value,
        Answer::Content {
            is_error: true,
            structured,
            blocks,
            ..
        } => return Err(error_text(&blocks, structured)),
        Answer::Content {
            structured: Some(value),
            wrapped,
            ..
        } if !value.is_null() => unwrapped(value, wrapped || only_output == Some("result")),
        Answer::Content { blocks, .. } => of_blocks(blocks),
    };
    let text = value.to_string();
    if text.len() > MAX_BYTES {
        return Err(format!(
            "the result has {} bytes; at most {} MiB can be passed on: ask for less at once",
            text.len(),
            MAX_BYTES >> 20
        ));
    }
    Ok(text)
}

fn unwrapped(value: Value, wrapped: bool) -> Value {
    match value {
        Value::Object(mut fields) if wrapped && fields.len() == 1 => {
            fields.remove("result").unwrap_or(Value::Object(fields))
        }
        value => value,
    }
}

fn of_blocks(mut blocks: Vec<Value>) -> Value {
    match blocks.as_mut_slice() {
        [] => Value::Null,
        [block] => match text_of(block) {
            Some(text) => data_in(text).unwrap_or_else(|| Value::String(text.to_owned())),
            None => Value::Array(blocks),
        },
        // Several texts and nothing else are still a list: where one ends may
        // mean something.
        _ => Value::Array(blocks),
    }
}

fn data_in(text: &str) -> Option<Value> {
    let trimmed = text.trim_start();
    if !trimmed.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(trimmed).ok()
}

fn text_of(block: &Value) -> Option<&str> {
    match block.get("type").and_then(Value::as_str) {
        Some("text") => block.get("text").and_then(Value::as_str),
        _ => None,
    }
}

fn error_text(blocks: &[Value], structured: Option<Value>) -> String {
    let mut text = String::new();
    for part in blocks.iter().filter_map(text_of) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(part);
        if text.len() > MAX_ERROR {
            break;
        }
    }
    if text.is_empty() {
        text = match structured {
            Some(value) if !value.is_null() => value.to_string(),
            _ => "the tool reported an error without a text".into(),
        };
    }
    if text.len() > MAX_ERROR {
        let cut = text.floor_char_boundary(MAX_ERROR);
        let missing = text.len() - cut;
        text.truncate(cut);
        text.push_str(&format!("… ({missing} more bytes)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(blocks: Value, structured: Option<Value>, wrapped: bool) -> Answer {
        let Value::Array(blocks) = blocks else {
            panic!("blocks are a list")
        };
        Answer::Content {
            is_error: false,
            structured,
            blocks,
            wrapped,
        }
    }

    fn text(text: &str) -> Value {
        json!([{ "type": "text", "text": text }])
    }

    fn value(answer: Answer, only_output: Option<&str>) -> Value {
        serde_json::from_str(&read(answer, only_output).unwrap()).unwrap()
    }

    #[test]
    fn structured_content_comes_first_and_unwrapped() {
        assert_eq!(
            value(content(text("x"), Some(json!({ "a": 1 })), false), None),
            json!({ "a": 1 })
        );
        assert_eq!(
            value(
                content(json!([]), Some(json!({ "result": [1] })), true),
                None
            ),
            json!([1])
        );
        assert_eq!(
            value(
                content(json!([]), Some(json!({ "result": 1 })), false),
                Some("result")
            ),
            json!(1)
        );
        assert_eq!(
            value(
                content(json!([]), Some(json!({ "result": 1 })), false),
                None
            ),
            json!({ "result": 1 }),
            "a server may mean it"
        );
        assert_eq!(
            value(content(text("x"), Some(Value::Null), false), None),
            json!("x")
        );
    }

    #[test]
    fn one_text_is_data_or_text() {
        assert_eq!(
            value(content(text("{\"a\": [1]}"), None, false), None),
            json!({ "a": [1] })
        );
        assert_eq!(
            value(content(text("[1, 2]"), None, false), None),
            json!([1, 2])
        );
        assert_eq!(value(content(text("42"), None, false), None), json!("42"));
        assert_eq!(
            value(content(text("[not json"), None, false), None),
            json!("[not json")
        );
    }

    #[test]
    fn nothing_is_null_and_mixed_content_a_list() {
        assert_eq!(value(content(json!([]), None, false), None), Value::Null);
        let mixed = json!([{ "type": "text", "text": "a" }, { "type": "image", "data": "AA==" }]);
        assert_eq!(value(content(mixed.clone(), None, false), None), mixed);
        let image = json!([{ "type": "image", "data": "AA==" }]);
        assert_eq!(value(content(image.clone(), None, false), None), image);
    }

    #[test]
    fn errors_have_the_tools_text_within_bounds() {
        let failed = |blocks: Value, structured: Option<Value>| {
            let Value::Array(blocks) = blocks else {
                panic!("blocks are a list")
            };
            read(
                Answer::Content {
                    is_error: true,
                    structured,
                    blocks,
                    wrapped: false,
                },
                None,
            )
            .unwrap_err()
        };
        assert_eq!(failed(text("no luck"), None), "no luck");
        assert_eq!(
            failed(json!([]), None),
            "the tool reported an error without a text"
        );
        assert_eq!(
            failed(json!([]), Some(json!({ "code": 7 }))),
            "{\"code\":7}"
        );
        let long = failed(text(&"ä".repeat(MAX_ERROR)), None);
        assert!(
            long.len() < MAX_ERROR + 40 && long.ends_with("(16384 more bytes)"),
            "{}",
            long.len()
        );
    }
}
