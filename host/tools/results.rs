//! Results: from what a tool answered to the JSON text a program gets.
//!
//! - An error of the tool becomes a failure with the text of its content.
//! - A structured result is taken as it is, without the `{"result": …}` that
//!   SDKs put around lists and scalars.
//! - One block of text that is a JSON object or list is that object or list,
//!   also if it is one as Python writes it, with `NaN` and `Infinity`: guests
//!   know these. Any other text is a string, also `42` and `true`: whether such
//!   a text was meant as a number cannot be told, and half of the time it was
//!   not.
//! - Several blocks of text are a list of what each alone would be.
//! - Anything with other kinds of content is the list of its blocks.

use std::borrow::Cow;

use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::servers::{Answer, Content, fields, only_field};
use contract::{json::is_json, message::AnswerForm, text::shortened};

/// The longest result in bytes. What is longer does not fit into a program's
/// memory several times over, as parsing it takes.
const MAX_RESULT: usize = 16 << 20;

/// The longest error text of a tool.
const MAX_ERROR: usize = 16 << 10;

/// The deepest JSON in a text: what parsers in programs take.
const MAX_DEPTH: usize = 128;

/// Why an answer has no result for a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoResult {
    /// The tool reported an error.
    Failed {
        /// What it says to people.
        message: String,
        /// What it says to programs, as JSON text.
        data: Option<String>,
    },
    /// The call took effect, and its answer cannot be passed on; why.
    Unusable(String),
}

/// Turns an answer into JSON text.
///
/// `is_wrapped` tells that the tool's output schema is a wrapper.
pub(super) fn read(answer: Answer, is_wrapped: bool, form: AnswerForm) -> Result<String, NoResult> {
    let (content, is_wrapped) = match answer {
        Answer::Value(value) => {
            let content = Content {
                structured: Some(to_raw_value(&value).expect("a value is JSON")),
                ..Content::default()
            };
            // The schema has a wrapper for the sake of the protocol, and the
            // value has none.
            (content, false)
        }
        Answer::Content(content) => (content, is_wrapped),
    };
    if content.is_error {
        return Err(failed(&content));
    }
    let value = value(&content, is_wrapped);
    let json = match form {
        AnswerForm::Value => value.into_owned(),
        AnswerForm::Whole => whole(&content, &value),
    };
    checked(json).map_err(NoResult::Unusable)
}

/// The value of an answer, as JSON text.
fn value(content: &Content, is_wrapped: bool) -> Cow<'_, str> {
    if let Some(structured) = &content.structured
        && (structured.get() != "null" || content.blocks.is_empty())
    {
        return unwrapped(structured, content.is_wrapped || is_wrapped).into();
    }
    let texts: Option<Vec<_>> = content.blocks.iter().map(|block| text_of(block)).collect();
    match texts.as_deref() {
        Some([]) => "null".into(),
        Some([text]) => json_of(text).into(),
        Some(texts) => {
            let items: Vec<_> = texts.iter().map(|text| json_of(text)).collect();
            format!("[{}]", items.join(",")).into()
        }
        None => list(&content.blocks).into(),
    }
}

/// All of an answer, as a JSON object.
fn whole(content: &Content, value: &str) -> String {
    let mut json = format!("{{\"value\":{value},\"content\":{}", list(&content.blocks));
    let parts = [
        ("structuredContent", &content.structured),
        ("_meta", &content.meta),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            json.push_str(&format!(",\"{name}\":{}", part.get()));
        }
    }
    json.push('}');
    json
}

fn list(blocks: &[Box<RawValue>]) -> String {
    let blocks: Vec<_> = blocks.iter().map(|block| block.get()).collect();
    format!("[{}]", blocks.join(","))
}

/// Whether an output schema says that the result is in a wrapper.
pub(super) fn is_wrapper(schema: &Value) -> bool {
    if schema.get("x-fastmcp-wrap-result") == Some(&Value::Bool(true)) {
        return true;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.is_some_and(|properties| properties.len() == 1 && properties.contains_key("result"))
}

fn unwrapped(structured: &RawValue, is_wrapped: bool) -> &str {
    let text = structured.get();
    if !is_wrapped {
        return text;
    }
    match only_field(text.as_bytes(), "result") {
        Some(result) => result.get(),
        None => text,
    }
}

/// The text of a block of text.
fn text_of(block: &RawValue) -> Option<Cow<'_, str>> {
    let [kind, text] = fields(block.get().as_bytes(), ["type", "text"]).ok()?;
    let read = |field: &RawValue| serde_json::from_str::<String>(field.get()).ok();
    if read(kind?)? != "text" {
        return None;
    }
    read(text?).map(Cow::Owned)
}

fn json_of(text: &str) -> String {
    let trimmed = text.trim();
    let is_value = trimmed.starts_with(['{', '[']) && !is_too_deep(trimmed) && is_json(trimmed);
    if is_value {
        // As it came: parsing and writing it again could change numbers.
        trimmed.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// JSON text of a server that a program's parser can take; or why it is none.
pub(super) fn checked(json: String) -> Result<String, String> {
    if json.len() > MAX_RESULT {
        Err(format!(
            "the tool answered, and its result has {} bytes, more than the {MAX_RESULT} that are passed on; ask for less at a time",
            json.len()
        ))
    } else if is_too_deep(&json) {
        Err(format!(
            "the tool answered, and its result is nested deeper than the {MAX_DEPTH} levels that are passed on"
        ))
    } else {
        Ok(json)
    }
}

fn failed(content: &Content) -> NoResult {
    let structured = content
        .structured
        .as_ref()
        .filter(|json| json.get() != "null");
    let data = structured.map(|json| json.get().to_owned());
    NoResult::Failed {
        message: error_text(content),
        data: data.filter(|json| json.len() <= MAX_RESULT && !is_too_deep(json)),
    }
}

fn error_text(content: &Content) -> String {
    let texts: Vec<_> = content
        .blocks
        .iter()
        .filter_map(|block| text_of(block))
        .collect();
    let text = match (texts.join("\n"), &content.structured) {
        (text, _) if !text.trim().is_empty() => text,
        (_, Some(structured)) if structured.get() != "null" => structured.get().to_owned(),
        _ => "the tool reported an error and said nothing about it".to_owned(),
    };
    shortened(text.trim(), MAX_ERROR)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(answer: Answer, is_wrapped: bool) -> Result<String, NoResult> {
        super::read(answer, is_wrapped, AnswerForm::Value)
    }

    fn content(blocks: Value) -> Answer {
        answer(blocks, None, false)
    }

    fn answer(blocks: Value, structured: Option<Value>, is_wrapped: bool) -> Answer {
        Answer::Content(Content {
            is_error: false,
            structured: structured.map(raw),
            blocks: serde_json::from_str(&blocks.to_string()).unwrap(),
            meta: None,
            is_wrapped,
        })
    }

    fn raw(value: Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn text(text: &str) -> Value {
        json!({"type": "text", "text": text})
    }

    #[test]
    fn text_that_is_an_object_or_a_list_is_parsed_and_other_text_is_not() {
        for (written, expected) in [
            (
                r#" {"a": 1.10, "n": 12345678901234567890123} "#,
                r#"{"a": 1.10, "n": 12345678901234567890123}"#,
            ),
            ("[1, 2]", "[1, 2]"),
            (r#"{"x": NaN}"#, r#"{"x": NaN}"#),
            ("[-Infinity, Infinity]", "[-Infinity, Infinity]"),
            ("[nan]", r#""[nan]""#),
            ("NaN", r#""NaN""#),
            ("[1, 2", r#""[1, 2""#),
            ("42", r#""42""#),
            ("true", r#""true""#),
            (" plain \"prose\"\n", r#"" plain \"prose\"\n""#),
            ("", r#""""#),
        ] {
            assert_eq!(
                read(content(json!([text(written)])), false).unwrap(),
                expected
            );
        }
    }

    #[test]
    fn several_texts_are_a_list_and_mixed_content_stays_as_it_is() {
        assert_eq!(
            read(content(json!([text("a"), text("{\"b\":1}")])), false).unwrap(),
            r#"["a",{"b":1}]"#
        );
        let image = json!({"type": "image", "data": "AA==", "mimeType": "image/png"});
        let mixed = json!([text("a"), image]);
        assert_eq!(
            read(content(mixed.clone()), false).unwrap(),
            mixed.to_string()
        );
        assert_eq!(read(content(json!([])), false).unwrap(), "null");
    }

    #[test]
    fn a_structured_result_wins_and_loses_its_wrapper() {
        let wrapped = || Some(json!({"result": [1, 2]}));
        let blocks = || json!([text("1"), text("2")]);
        assert_eq!(
            read(answer(blocks(), wrapped(), false), true).unwrap(),
            "[1,2]"
        );
        assert_eq!(
            read(answer(blocks(), wrapped(), true), false).unwrap(),
            "[1,2]"
        );
        assert_eq!(
            read(answer(blocks(), wrapped(), false), false).unwrap(),
            r#"{"result":[1,2]}"#
        );
        let more = Some(json!({"result": 1, "other": 2}));
        assert_eq!(
            read(answer(blocks(), more, false), true).unwrap(),
            r#"{"result":1,"other":2}"#
        );
        assert_eq!(
            read(answer(json!([]), Some(Value::Null), false), false).unwrap(),
            "null"
        );
        assert!(is_wrapper(&json!({"properties": {"result": {}}})));
        assert!(is_wrapper(
            &json!({"x-fastmcp-wrap-result": true, "properties": {}})
        ));
        assert!(!is_wrapper(&json!({"properties": {"result": {}, "b": {}}})));
    }

    #[test]
    fn an_error_of_the_tool_is_its_text() {
        let error = |blocks: Value, structured| {
            let Answer::Content(content) = self::answer(blocks, structured, false) else {
                panic!("it is content");
            };
            let answer = Answer::Content(Content {
                is_error: true,
                ..content
            });
            match read(answer, false).unwrap_err() {
                NoResult::Failed { message, data } => (message, data),
                NoResult::Unusable(why) => panic!("{why}"),
            }
        };
        let said = |message: &str| (message.to_owned(), None);
        assert_eq!(
            error(json!([text("no such"), text("repository")]), None),
            said("no such\nrepository")
        );
        let data = r#"{"code":7}"#.to_owned();
        assert_eq!(
            error(json!([]), Some(json!({"code": 7}))),
            (data.clone(), Some(data.clone()))
        );
        assert_eq!(
            error(json!([text("no")]), Some(json!({"code": 7}))),
            ("no".to_owned(), Some(data))
        );
        assert_eq!(
            error(json!([]), None),
            said("the tool reported an error and said nothing about it")
        );
        let (message, _) = error(json!([text(&"é".repeat(20_000))]), None);
        assert!(message.ends_with(" bytes more)"));
    }

    #[test]
    fn a_whole_answer_has_its_value_and_every_part() {
        let blocks = json!([text("a"), {"type": "image", "data": "AA=="}]);
        let structured = Some(json!({"result": 1}));
        let Answer::Content(content) = answer(blocks.clone(), structured, true) else {
            panic!("it is content");
        };
        let answer = Answer::Content(Content {
            meta: Some(raw(json!({"k": 1}))),
            ..content
        });
        let whole = super::read(answer, false, AnswerForm::Whole).unwrap();
        assert_eq!(
            whole,
            format!(
                r#"{{"value":1,"content":{blocks},"structuredContent":{{"result":1}},"_meta":{{"k":1}}}}"#
            )
        );
        let local = Answer::Value(json!("x"));
        assert_eq!(
            super::read(local, false, AnswerForm::Whole).unwrap(),
            r#"{"value":"x","content":[],"structuredContent":"x"}"#
        );
    }

    #[test]
    fn results_beyond_the_bounds_fail_instead_of_being_cut() {
        let long = "x".repeat(MAX_RESULT);
        assert!(read(Answer::Value(Value::from(long)), false).is_err());
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        let result = read(content(json!([text(&deep)])), false).unwrap();
        assert!(result.starts_with('"'), "what cannot be parsed stays text");
    }
}
