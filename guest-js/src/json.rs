//! JSON of strangers, with its numbers exact.
//!
//! `JSON.parse` makes a double of every number, which turns an identifier
//! beyond 2^53 into another one, and refuses `NaN` and `Infinity`, which some
//! servers write. A text without either, as nearly all are, goes straight to
//! the engine. In the others, each such number becomes a string that begins
//! with a mark nobody can guess, and `js/json.js` makes of it what it was.

use crate::{engine, random};
use rquickjs::{Ctx, Result, Value};

/// Integers with fewer digits are exact as doubles.
const EXACT_DIGITS: usize = 15;

/// Numbers with more digits are written with an exponent.
const PLAIN_DIGITS: usize = 21;

/// Makes a value of JSON text.
pub(crate) fn parse<'js>(ctx: &Ctx<'js>, text: String) -> Result<Value<'js>> {
    let special = special_numbers(&text);
    if special.is_empty() {
        return ctx.json_parse(text);
    }
    let mark = mark();
    let mut marked = String::with_capacity(text.len() + special.len() * (mark.len() + 2));
    let mut at = 0;
    for (start, end) in special {
        marked.push_str(&text[at..start]);
        marked.extend(["\"", &mark, &text[start..end], "\""]);
        at = end;
    }
    marked.push_str(&text[at..]);
    engine::call_internal(ctx, "unmark", (marked, mark))
}

/// The places of the numbers that would be written with other digits than they
/// were read with, or that JSON has not.
fn special_numbers(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' | b'N' | b'I' => {
                let length = bytes[at..]
                    .iter()
                    .position(|byte| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte))
                    .unwrap_or(bytes.len() - at);
                let end = at + length;
                if is_special(&text[at..end]) {
                    found.push((at, end));
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    found
}

/// The place behind a string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn is_special(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    if matches!(token, "NaN" | "Infinity" | "-Infinity") {
        return true;
    }
    digits.len() > EXACT_DIGITS
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits
            .parse::<f64>()
            // The digits that the engine would write for it.
            .is_ok_and(|number| digits.len() > PLAIN_DIGITS || number.to_string() != digits)
}

/// 128 bits of the host's randomness.
fn mark() -> String {
    let mut bytes = [0; 16];
    random::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
