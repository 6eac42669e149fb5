//! Arguments as a person is shown them who has to agree to a call.
//!
//! Every key is there, however long the values are: long texts lose their
//! middle and long lists their end, and both say so. What a program puts first
//! cannot hide what comes later.

use contract::json::{Json, written};

use crate::Approval;

/// Bytes that a person reads before deciding.
const WANTED: usize = 2_000;

/// Bytes that are shown at most. Only thousands of keys come that far, which
/// nobody can judge, and that is said.
const MOST: usize = 16 << 10;

/// How much is shown of each text and list, from much to little.
const DETAILS: [Detail; 4] = [
    Detail {
        text: 1_000,
        items: 50,
    },
    Detail {
        text: 200,
        items: 20,
    },
    Detail { text: 60, items: 8 },
    Detail { text: 20, items: 3 },
];

#[derive(Clone, Copy)]
struct Detail {
    /// Bytes of a text.
    text: usize,
    /// Items of a list.
    items: usize,
}

impl Approval {
    /// The arguments for a person: one line for each, all keys, long values
    /// shortened.
    pub fn shown_arguments(&self) -> String {
        shown(&self.arguments)
    }
}

fn shown(arguments: &str) -> String {
    let fields = match Json::read(arguments) {
        Ok(Json::Object(fields)) => fields,
        Ok(other) => return bounded(render(&other, DETAILS[0])),
        Err(_) => return bounded(middle_left_out(arguments, WANTED)),
    };
    if fields.is_empty() {
        return "no arguments".to_owned();
    }
    let lines = |detail| {
        let lines: Vec<_> = fields
            .iter()
            .map(|(key, value)| format!("{}: {}", written(key), render(value, detail)))
            .collect();
        lines.join("\n")
    };
    let fitting = DETAILS.iter().map(|detail| lines(*detail));
    let mut least = String::new();
    for text in fitting {
        if text.len() <= WANTED {
            return text;
        }
        least = text;
    }
    bounded(least)
}

/// The text, or as much as can be shown.
fn bounded(text: String) -> String {
    if text.len() <= MOST {
        return text;
    }
    let end = text.floor_char_boundary(MOST);
    let missing = text.len() - end;
    format!(
        "{}…\nTHIS IS NOT ALL: {missing} more bytes of keys and values do not fit here",
        &text[..end]
    )
}

fn render(value: &Json<'_>, detail: Detail) -> String {
    match value {
        Json::String(text) => written(&middle_left_out(text, detail.text)),
        Json::Array(items) => {
            let mut shown: Vec<_> = items
                .iter()
                .take(detail.items)
                .map(|item| render(item, detail))
                .collect();
            if items.len() > shown.len() {
                shown.push(format!("… {} more items", items.len() - shown.len()));
            }
            format!("[{}]", shown.join(", "))
        }
        Json::Object(fields) => {
            let shown: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", written(key), render(value, detail)))
                .collect();
            format!("{{{}}}", shown.join(", "))
        }
        // Also the digits of a number may be many.
        scalar => middle_left_out(&scalar.to_string(), detail.text),
    }
}

/// Both ends of a text: what matters may be in either.
fn middle_left_out(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(most * 2 / 3)];
    let tail = &text[text.ceil_char_boundary(text.len() - most / 3)..];
    let missing = text.len() - head.len() - tail.len();
    format!("{head} … {missing} bytes left out … {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_shown_line_by_line() {
        assert_eq!(
            shown(r#"{"a": "x", "n": 18446744073709551617, "o": {"k": [1, null]}}"#),
            "\"a\": \"x\"\n\"n\": 18446744073709551617\n\"o\": {\"k\": [1, null]}"
        );
        assert_eq!(shown("{}"), "no arguments");
    }

    #[test]
    fn a_long_value_hides_no_later_key() {
        let long = "x".repeat(100_000);
        let digits = "9".repeat(100_000);
        let list = vec!["0"; 50_000].join(",");
        for first in [
            format!("\"{long}\""),
            format!("[{list}]"),
            format!("{{\"deep\": [\"{long}\", [{list}]], \"later\": true}}"),
            digits,
        ] {
            let text = shown(&format!("{{\"first\": {first}, \"force\": true}}"));
            assert!(text.ends_with("\n\"force\": true"), "{text}");
            assert!(text.len() <= WANTED + 200, "{}", text.len());
            assert_eq!(first.contains("later"), text.contains("\"later\": true"));
        }
    }

    #[test]
    fn both_ends_of_a_long_text_are_shown() {
        let query = format!("SELECT {}; DROP TABLE users", "a, ".repeat(10_000));
        let text = shown(&format!("{{\"query\": \"{query}\"}}"));
        assert!(text.starts_with("\"query\": \"SELECT a, "), "{text}");
        assert!(text.contains(" bytes left out … "));
        assert!(text.ends_with("DROP TABLE users\""), "{text}");
    }

    #[test]
    fn what_cannot_be_shown_is_said_to_be_missing() {
        let keys: Vec<_> = (0..10_000).map(|n| format!("\"key {n}\": 1")).collect();
        let text = shown(&format!("{{{}}}", keys.join(",")));
        assert!(text.len() < MOST + 200);
        assert!(text.contains("\nTHIS IS NOT ALL: "));
    }
}
