//! JSON text as a tree that keeps the digits of its numbers.
//!
//! `serde_json::Value` rounds what fits neither 64 bits nor a double. Here a
//! number is the text it was written as, so that it can be passed on unchanged.
//! Reading also takes `NaN`, `Infinity` and `-Infinity`, which Python writes
//! and JSON does not know; writing makes texts of them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use serde::de::IgnoredAny;
use serde_json::{Number, Value};

/// The deepest text that is read: what `serde_json` takes.
const MAX_DEPTH: usize = 128;

/// Numbers that JSON has no words for, as Python and JavaScript write them.
const NO_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// A value of JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` and `false`
    Bool(bool),
    /// A number as it was written; also `NaN`, `Infinity` and `-Infinity`.
    Number(&'a str),
    /// A text.
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<Json<'a>>),
    /// An object. No key is there twice: the last one counts, as it does for
    /// most parsers.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Why a text is not JSON, and the byte at which that shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct NoJson {
    what: &'static str,
    at: usize,
}

impl<'a> Json<'a> {
    /// Reads a text.
    ///
    /// ```
    /// use wasm_coordinator_contract::json::Json;
    /// let json = Json::read(r#"{"n": 18446744073709551617, "d": 1.10}"#).unwrap();
    /// assert_eq!(json.to_string(), r#"{"n":18446744073709551617,"d":1.10}"#);
    /// ```
    ///
    /// # Errors
    ///
    /// It is neither JSON nor JSON as Python writes it, or is nested deeper
    /// than 128 levels.
    pub fn read(text: &'a str) -> Result<Self, NoJson> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(MAX_DEPTH)?;
        reader.space();
        if reader.at < text.len() {
            return Err(reader.wrong("there is something after the value"));
        }
        Ok(value)
    }

    /// A number in it that JSON has no word for.
    pub fn no_number(&self) -> Option<&'a str> {
        match self {
            Self::Number(text) => NO_NUMBERS.contains(text).then_some(text),
            Self::Array(items) => items.iter().find_map(Self::no_number),
            Self::Object(fields) => fields.iter().find_map(|(_, value)| value.no_number()),
            Self::Null | Self::Bool(_) | Self::String(_) => None,
        }
    }

    /// The same with numbers as near as they can be: those beyond a double as
    /// the largest ones, those that JSON has no word for as texts.
    pub fn to_value(&self) -> Value {
        self.value_with(&|text| match serde_json::from_str::<Number>(text) {
            Ok(number) => Value::Number(number),
            Err(_) if NO_NUMBERS.contains(&text) => text.into(),
            Err(_) if text.starts_with('-') => f64::MIN.into(),
            Err(_) => f64::MAX.into(),
        })
    }

    /// The same, with marks in place of the numbers that a `Value` cannot
    /// hold. [`unmarked`] puts their digits back after the value was written.
    pub fn to_marked_value(&self) -> Value {
        self.value_with(&|text| {
            if NO_NUMBERS.contains(&text) {
                return text.into();
            }
            match serde_json::from_str::<Number>(text) {
                Ok(number) if is_held(text) => Value::Number(number),
                _ => format!("{}{text}", *MARK).into(),
            }
        })
    }

    /// The same, with the digits as a text in place of a number that a `Value`
    /// cannot hold.
    pub fn to_value_with_digits(&self) -> Value {
        self.value_with(&|text| match serde_json::from_str::<Number>(text) {
            Ok(number) if is_held(text) => Value::Number(number),
            _ => text.into(),
        })
    }

    fn value_with(&self, number: &impl Fn(&str) -> Value) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(text) => number(text),
            Self::String(text) => Value::String(text.clone().into_owned()),
            Self::Array(items) => items.iter().map(|item| item.value_with(number)).collect(),
            Self::Object(fields) => fields
                .iter()
                .map(|(key, value)| (key.clone().into_owned(), value.value_with(number)))
                .collect(),
        }
    }
}

impl fmt::Display for Json<'_> {
    /// As JSON, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(text) if NO_NUMBERS.contains(text) => write!(f, "\"{text}\""),
            Self::Number(text) => f.write_str(text),
            Self::String(text) => f.write_str(&written(text)),
            Self::Array(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (at, (key, value)) in fields.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{}:{value}", written(key))?;
                }
                f.write_str("}")
            }
        }
    }
}

/// Whether a text is JSON, or JSON as Python writes it. Makes nothing of it.
///
/// ```
/// use wasm_coordinator_contract::json::is_json;
/// assert!(is_json(r#"{"x": [NaN, -Infinity, 1.5], "NaN": "NaN"}"#));
/// assert!(!is_json("[NaN, nan]") && !is_json("[NaN"));
/// ```
pub fn is_json(text: &str) -> bool {
    let is_strict = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    if is_strict(text) {
        return true;
    }
    let has_word = NO_NUMBERS.iter().any(|word| text.contains(word));
    has_word && is_strict(&without_words(text))
}

/// The text with `0` in place of the numbers that JSON has no word for.
fn without_words(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = String::with_capacity(text.len());
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        let word = match bytes[at] {
            b'"' => {
                at = end_of_string(bytes, at);
                continue;
            }
            b'N' | b'I' | b'-' => NO_NUMBERS
                .into_iter()
                .find(|word| bytes[at..].starts_with(word.as_bytes())),
            _ => None,
        };
        let Some(word) = word else {
            at += 1;
            continue;
        };
        plain.push_str(&text[copied..at]);
        plain.push('0');
        at += word.len();
        copied = at;
    }
    plain.push_str(&text[copied..]);
    plain
}

/// A text as JSON.
pub fn written(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// Whether `serde_json::Value` holds all numbers of a text as they are: it
/// would write the same number again, if not in the same way.
///
/// ```
/// use wasm_coordinator_contract::json::holds_numbers;
/// assert!(holds_numbers(r#"[1.10, 0.30000000000000004, 18446744073709551615, "1e999"]"#));
/// assert!(!holds_numbers("[18446744073709551616000001]"));
/// ```
pub fn holds_numbers(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let end = end_of_number(bytes, at);
                if !is_held(&text[at..end]) {
                    return false;
                }
                at = end;
            }
            // Of what JSON has no word for.
            b'N' | b'I' => return false,
            _ => at += 1,
        }
    }
    true
}

/// Whether `serde_json::Value` holds a number of JSON as it is.
pub fn is_held(number: &str) -> bool {
    // Fifteen digits survive a double, whatever they are.
    let has_exponent = number.contains(['e', 'E']);
    if number.len() <= 15 && !has_exponent {
        return true;
    }
    match serde_json::from_str::<Number>(number) {
        Ok(held) => {
            parts(number).is_some_and(|parts| Some(parts) == self::parts(&held.to_string()))
        }
        Err(_) => false,
    }
}

/// The digits of a number without zeros at the ends, the power of ten behind
/// them, and whether it is negative.
fn parts(number: &str) -> Option<(String, i64, bool)> {
    let (number, is_negative) = match number.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (number, false),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let dropped = digits.len() - significant.len();
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some((String::new(), 0, is_negative));
    }
    let power = exponent.checked_add(dropped as i64 - fraction.len() as i64)?;
    Some((significant.to_owned(), power, is_negative))
}

/// Stands before a number that was put into a text. Random, so that nobody
/// else can write it, and never sent: [`unmarked`] takes it out.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let random = || RandomState::new().hash_one(());
    format!("number-{:016x}{:016x}:", random(), random())
});

/// The digits of a number, if a text of a marked value is one.
pub fn marked_number(text: &str) -> Option<&str> {
    text.strip_prefix(MARK.as_str())
}

/// A marked value with numbers as near as they can be: for those who take no
/// more than a [`Value`] can hold.
pub fn rounded(value: Value) -> Value {
    match value {
        Value::String(text) => match marked_number(&text) {
            Some(digits) => Json::Number(digits).to_value(),
            None => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(rounded).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields.map(|(key, value)| (key, rounded(value))).collect()
        }
        value => value,
    }
}

/// The text of a marked value, with the digits of its numbers.
pub fn unmarked(text: String) -> String {
    match unmarked_text(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(text) => text,
    }
}

/// The same for a text that is somebody else's.
pub fn unmarked_text(text: &str) -> Cow<'_, str> {
    let start = format!("\"{}", *MARK);
    if !text.contains(&start) {
        return text.into();
    }
    let mut parts = text.split(start.as_str());
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // The digits, the quote behind them, and what follows.
        match part.split_once('"') {
            Some((digits, rest)) if is_number(digits) => {
                result.push_str(digits);
                result.push_str(rest);
            }
            // Not ours. Nothing but a number may leave its quotes.
            _ => {
                result.push_str(&start);
                result.push_str(part);
            }
        }
    }
    result.into()
}

/// Behind the closing quote, or the end of the text.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let length = bytes[start..]
        .iter()
        .take_while(|byte| is_part(byte))
        .count();
    start + length
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Json<'a>, NoJson> {
        self.space();
        let rest = &self.text[self.at..];
        for (word, value) in [
            ("null", Json::Null),
            ("true", Json::Bool(true)),
            ("false", Json::Bool(false)),
        ] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        if let Some(word) = NO_NUMBERS.into_iter().find(|word| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(Json::Number(word));
        }
        match rest.as_bytes().first() {
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'[' | b'{') if depth == 0 => Err(self.wrong("it is nested too deep")),
            Some(b'[') => self.array(depth - 1),
            Some(b'{') => self.object(depth - 1),
            Some(_) => Err(self.wrong("a value is expected")),
            None => Err(self.wrong("it ends too early")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, NoJson> {
        self.at += 1;
        let mut items = Vec::new();
        if self.takes(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.takes(b']') {
                return Ok(Json::Array(items));
            }
            self.expect(b',', "a comma or `]` is expected")?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, NoJson> {
        self.at += 1;
        let mut fields = Vec::new();
        if self.takes(b'}') {
            return Ok(Json::Object(fields));
        }
        loop {
            self.space();
            if self.text.as_bytes().get(self.at) != Some(&b'"') {
                return Err(self.wrong("a key in double quotes is expected"));
            }
            let key = self.string()?;
            self.expect(b':', "a colon is expected")?;
            fields.push((key, self.value(depth)?));
            if self.takes(b'}') {
                return Ok(Json::Object(without_repeats(fields)));
            }
            self.expect(b',', "a comma or `}` is expected")?;
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, NoJson> {
        let end = end_of_string(self.text.as_bytes(), self.at);
        let text = self.text.get(self.at..end).unwrap_or_default();
        let inside = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let is_plain = |text: &str| !text.bytes().any(|byte| byte == b'\\' || byte < 0x20);
        let string = match inside {
            Some(inside) if is_plain(inside) => Cow::Borrowed(inside),
            // Escapes are read, and what is wrong is found, by the one who
            // knows all of that.
            _ => match serde_json::from_str::<String>(text) {
                Ok(string) => Cow::Owned(string),
                Err(_) => return Err(self.wrong("a text is not one of JSON")),
            },
        };
        self.at = end;
        Ok(string)
    }

    fn number(&mut self) -> Result<Json<'a>, NoJson> {
        let end = end_of_number(self.text.as_bytes(), self.at);
        let text = &self.text[self.at..end];
        if !is_number(text) {
            return Err(self.wrong("a number is not one of JSON"));
        }
        self.at = end;
        Ok(Json::Number(text))
    }

    fn space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let is_space = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        self.at += rest.iter().take_while(is_space).count();
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.space();
        let is_there = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), NoJson> {
        if self.takes(byte) {
            Ok(())
        } else {
            Err(self.wrong(what))
        }
    }

    fn wrong(&self, what: &'static str) -> NoJson {
        NoJson { what, at: self.at }
    }
}

fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent
            .is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// The fields, of each key the last one.
fn without_repeats<'a>(fields: Vec<(Cow<'a, str>, Json<'a>)>) -> Vec<(Cow<'a, str>, Json<'a>)> {
    let keys: HashSet<&str> = fields.iter().map(|(key, _)| &**key).collect();
    if keys.len() == fields.len() {
        return fields;
    }
    let mut seen = HashSet::new();
    let mut last: Vec<_> = fields
        .into_iter()
        .rev()
        .filter(|(key, _)| seen.insert(key.clone()))
        .collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn again(text: &str) -> String {
        Json::read(text).unwrap().to_string()
    }

    #[test]
    fn every_digit_is_kept() {
        for number in [
            "0",
            "-0",
            "-0.0",
            "1.10",
            "18446744073709551617",
            "1000000000000000000001",
            "0.123456789012345678901234567890",
            "1e400",
            "-2.50E+7",
        ] {
            assert_eq!(again(&format!(" [ {number} ] ")), format!("[{number}]"));
        }
        let long = "9".repeat(5_000);
        assert_eq!(again(&long), long);
    }

    #[test]
    fn texts_and_keys_are_those_that_were_written() {
        assert_eq!(
            again("{\"a\\u00e9\\n\" : [\"\u{2028}\", \"\\ud83d\\ude00\"], \"b\":null}"),
            "{\"aé\\n\":[\"\u{2028}\",\"😀\"],\"b\":null}"
        );
        assert_eq!(again(r#"{"a":1,"b":2,"a":3}"#), r#"{"b":2,"a":3}"#);
    }

    #[test]
    fn what_is_no_json_says_where() {
        for text in [
            "",
            "[",
            "[1",
            "[1,]",
            "{",
            "{a:1}",
            "{\"a\"}",
            "{\"a\":1,}",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "-",
            "nul",
            "\"a",
            "\"\\x\"",
            "\"\n\"",
            "\"\\ud800\"",
            "1 2",
            "[1 2]",
            "\"\\",
            "--1",
            "1-1",
        ] {
            let ours = Json::read(text);
            assert!(ours.is_err(), "{text:?} {ours:?}");
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text:?}");
        }
        let error = Json::read("[1, x]").unwrap_err();
        assert_eq!(error.to_string(), "a value is expected at byte 4");
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::read(&deep(127)).is_ok());
        assert!(Json::read(&deep(100_000)).is_err());
    }

    #[test]
    fn what_python_writes_is_read_and_becomes_text() {
        let json = Json::read("{\"x\": [NaN, -Infinity, Infinity]}").unwrap();
        assert_eq!(json.no_number(), Some("NaN"));
        assert_eq!(json.to_string(), r#"{"x":["NaN","-Infinity","Infinity"]}"#);
        assert_eq!(json.to_value().to_string(), json.to_string());
        assert_eq!(Json::read("[1, \"NaN\"]").unwrap().no_number(), None);
    }

    #[test]
    fn a_value_holds_what_it_writes_again() {
        for text in [
            "9007199254740993",
            "-9223372036854775808",
            "18446744073709551615",
            "1.7976931348623157e308",
            "100000000000000000000.0",
            "1E2",
            "\"18446744073709551617\"",
        ] {
            assert!(holds_numbers(text), "{text}");
        }
        for text in [
            "18446744073709551616.5",
            "-9223372036854775809",
            "0.12345678901234567890",
            "1e400",
            "1e99999999999999999999",
            "NaN",
        ] {
            assert!(!holds_numbers(text), "{text}");
        }
        assert_eq!(Json::Number("-1e400").to_value(), Value::from(f64::MIN));
    }

    #[test]
    fn marks_become_digits_again_and_texts_stay() {
        let text = r#"{"a":[18446744073709551617,1.5,"18446744073709551617"],"b":1e400}"#;
        let value = Json::read(text).unwrap().to_marked_value();
        assert_eq!(value["a"][1], 1.5);
        let marked = value["a"][0].as_str().unwrap();
        assert_eq!(marked_number(marked), Some("18446744073709551617"));
        assert_eq!(marked_number("18446744073709551617"), None);
        assert_eq!(unmarked(value.to_string()), text);
        assert_eq!(unmarked(text.to_owned()), text);
        let forged = format!("[\"{}1, \\\"x\\\": 2\"]", *MARK);
        assert_eq!(unmarked(forged.clone()), forged);
        let near = json!({ "a": [2_f64.powi(64), 1.5, "18446744073709551617"], "b": f64::MAX });
        assert_eq!(rounded(value), near);
        let digits = Json::read(text).unwrap().to_value_with_digits();
        assert_eq!(
            digits["a"],
            json!(["18446744073709551617", 1.5, "18446744073709551617"])
        );
    }
}
