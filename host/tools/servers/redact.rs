//! Takes the secrets of the configuration out of text that leaves us: errors
//! and results for programs, error texts for logs and the operator.
//!
//! Known values only, in the encodings in which they turn up in error texts:
//! as they are, escaped for JSON or a URL, base64, hexadecimal, reversed. What
//! a hostile server wants to pass on, it can encode otherwise; this stops
//! careless ones.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use contract::json::is_json;

/// Shorter values are left alone: `true` or `8080` are in every text.
const MIN_SECRET: usize = 8;

const MARKER: &str = "[redacted]";

/// The secrets of all servers.
#[derive(Clone, Default)]
pub struct Redactor {
    forms: Option<AhoCorasick>,
}

impl Redactor {
    /// Looks for these texts. Those of less than 8 bytes are left alone.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let forms: BTreeSet<String> = secrets
            .into_iter()
            .filter(|secret| secret.len() >= MIN_SECRET)
            .flat_map(forms)
            .filter(|form| form.len() >= MIN_SECRET)
            .collect();
        if forms.is_empty() {
            return Self::default();
        }
        let forms = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(forms);
        // Only more secrets than there is memory for can fail here.
        Self { forms: forms.ok() }
    }

    /// A sentence without secrets.
    pub fn text(&self, text: String) -> String {
        match &self.forms {
            Some(forms) if forms.is_match(&text) => replaced(forms, &text),
            _ => text,
        }
    }

    /// JSON text without secrets, still JSON.
    pub fn json(&self, json: String) -> String {
        let Some(forms) = &self.forms else {
            return json;
        };
        if !forms.is_match(&json) {
            return json;
        }
        let redacted = replaced(forms, &json);
        // A secret of digits may have been a number.
        if is_json(&redacted) {
            redacted
        } else {
            serde_json::Value::String(redacted).to_string()
        }
    }
}

fn replaced(forms: &AhoCorasick, text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    forms.replace_all_with(text, &mut result, |_, _, result| {
        result.push_str(MARKER);
        true
    });
    result
}

fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let json = serde_json::Value::from(secret).to_string();
    let mut forms = vec![
        secret.to_owned(),
        secret.chars().rev().collect(),
        json[1..json.len() - 1].to_owned(),
        percent_encoded(bytes),
        percent_encoded(bytes).to_lowercase(),
        hex.to_uppercase(),
        hex,
    ];
    // Where a secret starts in a longer text decides how it looks in base64.
    for offset in 0..3 {
        let form = base64_core(bytes, offset);
        forms.push(form.replace('+', "-").replace('/', "_"));
        forms.push(form);
    }
    forms
}

fn percent_encoded(bytes: &[u8]) -> String {
    let encode = |&byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}

/// The digits of base64 that depend on the secret alone, when `offset` other
/// bytes come before it.
fn base64_core(bytes: &[u8], offset: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let first_bit = offset * 8;
    let end_bit = first_bit + bytes.len() * 8;
    let bit = |position: usize| {
        let byte = bytes[(position - first_bit) / 8];
        (byte >> (7 - (position - first_bit) % 8)) & 1
    };
    let first_digit = first_bit.div_ceil(6);
    (first_digit..end_bit / 6)
        .map(|digit| {
            let value = (digit * 6..digit * 6 + 6).fold(0, |value, at| value << 1 | bit(at));
            char::from(DIGITS[usize::from(value)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "ghp_\"0123/456+789";

    fn redacted(text: &str) -> String {
        Redactor::new([SECRET]).text(text.to_owned())
    }

    #[test]
    fn a_secret_is_removed_in_every_common_encoding() {
        assert_eq!(
            redacted(&format!("401 for {SECRET}!")),
            "401 for [redacted]!"
        );
        assert_eq!(
            redacted(r#"{"t":"ghp_\"0123/456+789"}"#),
            r#"{"t":"[redacted]"}"#
        );
        assert_eq!(redacted("?t=ghp_%220123%2F456%2B789&x"), "?t=[redacted]&x");
        assert_eq!(redacted("6768705f22303132332f3435362b373839"), MARKER);
        assert_eq!(redacted(&SECRET.chars().rev().collect::<String>()), MARKER);
    }

    #[test]
    fn base64_is_found_wherever_the_secret_starts() {
        // base64 of `SECRET`, of `x` + SECRET and of `xx` + SECRET.
        for encoded in [
            "Z2hwXyIwMTIzLzQ1Nis3ODk=",
            "eGdocF8iMDEyMy80NTYrNzg5",
            "eHhnaHBfIjAxMjMvNDU2Kzc4OQ==",
        ] {
            let left = redacted(encoded).replace(MARKER, "");
            assert!(left.len() <= 8, "{encoded} left {left}");
        }
    }

    #[test]
    fn short_secrets_are_left_alone() {
        let redactor = Redactor::new(["null", "", "12345"]);
        assert_eq!(redactor.text("null 12345".to_owned()), "null 12345");
    }

    #[test]
    fn json_stays_json_when_a_number_was_the_secret() {
        let redactor = Redactor::new(["12345678"]);
        assert_eq!(
            redactor.json(r#"{"a":"12345678"}"#.to_owned()),
            r#"{"a":"[redacted]"}"#
        );
        assert_eq!(
            redactor.json(r#"{"a":12345678}"#.to_owned()),
            r#""{\"a\":[redacted]}""#
        );
    }
}
