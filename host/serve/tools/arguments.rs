//! The arguments of our own tools, as clients send them.
//!
//! Models and clients write them in many ways that mean one thing: every key
//! with `null` or an empty text for those that are not wanted, numbers as text,
//! lists and objects as JSON text, names in capitals. All of that is read, by
//! the schema that clients are told, for all tools alike. What cannot be read is
//! an error that names the argument and what it takes.

use std::ops::Deref;

use rmcp::model::JsonObject;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Number, Value};
use stubs::names::nearest;

use crate::serve::message::{NO_OBJECT, kind_of};
use contract::json::{Json, rounded};
use contract::text::{and_list, cut, one_line, or_list, quoted};

/// Bytes of an error. What a stranger wrote can be in it, such as an unknown
/// name.
const MAX_ERROR: usize = 500;

/// Characters of a value that an error shows.
const MAX_VALUE: usize = 60;

/// Bytes of what can be a handle. Nothing longer is looked up.
const MAX_HANDLE: usize = 100;

/// Other words for values. One counts where the argument takes what it means.
const OTHER_WORDS: [(&str, &str); 22] = [
    ("py", "python"),
    ("python3", "python"),
    ("js", "javascript"),
    ("node", "javascript"),
    ("nodejs", "javascript"),
    ("ecmascript", "javascript"),
    ("mjs", "javascript"),
    ("jsx", "typescript"),
    ("ts", "typescript"),
    ("tsx", "typescript"),
    ("js", "typescript"),
    ("javascript", "typescript"),
    ("utf8", "text"),
    ("plain", "text"),
    ("string", "text"),
    ("b64", "base64"),
    ("summarize", "summarise"),
    ("summary", "summarise"),
    ("headtail", "head_tail"),
    ("short", "brief"),
    ("create", "open"),
    ("end", "close"),
];

/// Arguments that cannot be read, as a sentence for the model that wrote them.
#[derive(Debug)]
pub(super) struct BadArguments(String);

impl BadArguments {
    pub(super) fn new(message: impl AsRef<str>) -> Self {
        Self(cut(message.as_ref(), MAX_ERROR).to_owned())
    }

    pub(super) fn message(&self) -> &str {
        &self.0
    }
}

/// Reads the arguments of a call by the schema of its tool.
pub(super) fn read<T: DeserializeOwned>(
    tool: &str,
    schema: &JsonObject,
    arguments: Option<JsonObject>,
) -> Result<T, BadArguments> {
    let arguments = fitted(tool, schema, arguments.unwrap_or_default())?;
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| BadArguments::new(format!("arguments of `{tool}`: {error}")))
}

/// The arguments as the schema has them.
fn fitted(
    tool: &str,
    schema: &JsonObject,
    arguments: JsonObject,
) -> Result<JsonObject, BadArguments> {
    let none = JsonObject::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.unwrap_or(&none);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if let Some(kind) = arguments.get(NO_OBJECT).and_then(Value::as_str) {
        return Err(BadArguments::new(format!(
            "the arguments of `{tool}` are {}; they are a JSON object with {}",
            one_line(kind, MAX_VALUE),
            and_list(&names(properties))
        )));
    }
    let mut fitted = JsonObject::new();
    for (name, value) in arguments {
        let Some(property) = properties.get(&name) else {
            return Err(unknown(tool, properties, &name));
        };
        let is_required = required.contains(&name.as_str());
        let is_empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        if is_empty && !is_required {
            continue;
        }
        let value = meant(property, value).map_err(|value| {
            BadArguments::new(format!(
                "{} is {}; it takes {}",
                quoted(&name),
                shown(&value),
                taken(property)
            ))
        })?;
        fitted.insert(name, value);
    }
    let missing = required
        .into_iter()
        .find(|name| !fitted.contains_key(*name));
    if let Some(name) = missing {
        let takes = properties.get(name).map(taken).unwrap_or_default();
        return Err(BadArguments::new(format!(
            "{} of `{tool}` is missing; it takes {takes}",
            quoted(name)
        )));
    }
    Ok(fitted)
}

fn unknown(tool: &str, properties: &JsonObject, name: &str) -> BadArguments {
    let names = names(properties);
    let close = nearest(name, names.iter().copied());
    let meant = match close.first() {
        Some(close) => format!("did you mean {}? ", quoted(close)),
        None => String::new(),
    };
    BadArguments::new(format!(
        "`{tool}` has no argument {}; {meant}expected are {}",
        quoted(name),
        and_list(&names)
    ))
}

fn names(properties: &JsonObject) -> Vec<&str> {
    properties.keys().map(String::as_str).collect()
}

/// The value as the schema has it, or what cannot be taken for one.
fn meant(property: &Value, value: Value) -> Result<Value, Value> {
    let is_object = property["type"] == "object";
    // Only what is passed on is more than a `Value` can hold.
    let value = if is_object { value } else { rounded(value) };
    if let Some(values) = property["enum"].as_array() {
        return one_of(values, value);
    }
    match (property["type"].as_str(), value) {
        (Some("integer"), Value::String(text)) => whole(&text).ok_or(Value::String(text)),
        (Some("integer"), Value::Number(number)) if !number.is_i64() && !number.is_u64() => {
            whole(&number.to_string()).ok_or(Value::Number(number))
        }
        (Some("number"), Value::String(text)) => number(&text).ok_or(Value::String(text)),
        (Some("array"), Value::String(text)) => {
            let items: Option<Vec<Value>> = serde_json::from_str(&text).ok();
            let items =
                items.filter(|items| items.iter().all(|item| is_of(&property["items"], item)));
            items.map(Value::Array).ok_or(Value::String(text))
        }
        (Some("object"), Value::String(text)) => {
            let json = Json::read(&text).ok();
            let is_object = |json: &Json| matches!(json, Json::Object(_));
            let object = json.filter(|json| is_object(json) && json.no_number().is_none());
            let object = object.map(|json| json.to_marked_value());
            object.ok_or_else(|| rounded(Value::String(text)))
        }
        (_, value) if is_of(property, &value) => Ok(value),
        (_, value) => Err(rounded(value)),
    }
}

/// Whether a value has the type of a schema of ours.
fn is_of(schema: &Value, value: &Value) -> bool {
    match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("object") => value.is_object(),
        Some("array") => {
            let items = value.as_array();
            items.is_some_and(|items| items.iter().all(|item| is_of(&schema["items"], item)))
        }
        _ => true,
    }
}

/// One of these values, in any spelling that means one.
fn one_of(values: &[Value], value: Value) -> Result<Value, Value> {
    let Value::String(written) = &value else {
        return Err(value);
    };
    let plain = |text: &str| text.trim().to_lowercase().replace([' ', '-', '_'], "");
    let written = plain(written);
    let known = |word: &str| {
        let mut values = values.iter().filter_map(Value::as_str);
        values.find(|value| plain(value) == plain(word))
    };
    let others = OTHER_WORDS.iter().filter(|(word, _)| *word == written);
    let found = known(&written).or_else(|| others.into_iter().find_map(|(_, means)| known(means)));
    match found {
        Some(found) => Ok(found.into()),
        None => Err(value),
    }
}

/// A whole number of zero or more, as people write it.
fn whole(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    let number: f64 = text.parse().ok()?;
    let is_whole = number.fract() == 0.0 && (0.0..=2_f64.powi(53)).contains(&number);
    is_whole.then(|| (number as u64).into())
}

fn number(text: &str) -> Option<Value> {
    let number: f64 = text.trim().parse().ok()?;
    Number::from_f64(number).map(Value::Number)
}

/// A value in an error.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text {}", quoted(cut(text, 4 * MAX_VALUE))),
        Value::Number(number) => format!("`{}`", one_line(&number.to_string(), MAX_VALUE)),
        other => kind_of(other).to_owned(),
    }
}

/// What an argument takes, in an error.
fn taken(property: &Value) -> String {
    let what = match (&property["enum"], property["type"].as_str()) {
        (Value::Array(values), _) => {
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            return or_list(&values);
        }
        (_, Some("integer")) => "a whole number",
        (_, Some("number")) => "a number",
        (_, Some("array")) => "a list of texts",
        (_, Some("object")) => "an object",
        _ => "a text",
    };
    match property["description"].as_str() {
        Some(about) => format!("{what}: {about}"),
        None => what.to_owned(),
    }
}

/// What a client gave as the handle of a session.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct SessionHandle(String);

impl TryFrom<String> for SessionHandle {
    type Error = &'static str;

    fn try_from(handle: String) -> Result<Self, Self::Error> {
        if handle.len() > MAX_HANDLE {
            return Err("`session` is not a handle that the tool `sessions` gave");
        }
        Ok(Self(handle))
    }
}

impl Deref for SessionHandle {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
