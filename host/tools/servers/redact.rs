//! Takes the secrets of the configuration out of text of servers.
//!
//! What a connection gives on has passed through here: results, errors,
//! definitions, progress, log entries, questions, standard error. It is
//! looked at before anything is cut, so that no half of a secret is left.
//!
//! Known values only, in the forms in which they come back by themselves: as
//! they are, in base64 (also on several lines, also inside of other bytes), in
//! hexadecimal, reversed; in texts that are escaped for JSON, addresses or HTML,
//! however often and in whichever way; divided over neighbouring texts of one
//! message. What a server wants to pass on, it can encode otherwise; this stops
//! careless ones.

mod json;
mod parts;
mod unescape;

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind, nfa::contiguous::NFA};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use contract::json::is_json;

use parts::Parts;
use unescape::{has_escapes, unescaped, unescaped_bytes, without_spaces};

/// Shorter values are left alone: `true` or `8080` are in every text.
pub const MIN_SECRET: usize = 8;

/// What stands in place of a secret.
pub const MARKER: &str = "[redacted]";

/// How often a text may be escaped.
const MAX_ESCAPED: usize = 3;

/// Bytes of a form that are looked for first, to see whether all of it may be
/// there, even in several pieces.
const PART: usize = 16;

/// Bytes of a text that are read without their escapes at once.
const CHUNK: usize = 64 << 10;

/// The secrets of all servers.
#[derive(Clone, Default)]
pub struct Redactor(Option<Arc<Secrets>>);

struct Secrets {
    /// Every form of each.
    forms: AhoCorasick,
    /// The beginning, the middle and the end of every form.
    parts: Parts,
    /// The same as `forms`, to be fed byte by byte.
    fed: NFA,
    /// Bytes of the longest form.
    longest: usize,
    /// Whether one has characters that are escaped in JSON or HTML.
    has_special: bool,
}

impl Redactor {
    /// Looks for these texts, and for what their servers read them as: without
    /// the escapes of an address, the token of `Bearer …`, the password of
    /// `Basic …`. Texts of less than 8
    /// bytes are left alone.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let secrets: BTreeSet<String> = secrets
            .into_iter()
            .flat_map(readings)
            .filter(|secret| secret.len() >= MIN_SECRET)
            .collect();
        let forms: BTreeSet<String> = secrets
            .iter()
            .flat_map(|secret| forms(secret))
            .filter(|form| form.len() >= MIN_SECRET)
            .collect();
        if forms.is_empty() {
            return Self::default();
        }
        let parts: BTreeSet<&[u8]> = forms.iter().flat_map(|form| parts_of(form)).collect();
        let is_special = |c: char| c.is_control() || "\"\\/&<>'".contains(c);
        let secrets = Secrets {
            longest: forms.iter().map(String::len).max().unwrap_or(0),
            has_special: secrets.iter().any(|secret| secret.contains(is_special)),
            parts: Parts::new(parts),
            fed: built(NFA::new(&forms)),
            forms: built(
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostLongest)
                    // Seldom used, so small rather than fast.
                    .kind(Some(AhoCorasickKind::ContiguousNFA))
                    .build(&forms),
            ),
        };
        Self(Some(Arc::new(secrets)))
    }

    /// A sentence without secrets.
    pub fn text(&self, text: String) -> String {
        let Some(secrets) = &self.0 else {
            return text;
        };
        match secrets.found(&text) {
            found if found.is_empty() => text,
            found => replaced(&text, &found),
        }
    }

    /// The same for bytes that need not be text.
    pub fn bytes(&self, bytes: &[u8]) -> String {
        self.text(String::from_utf8_lossy(bytes).into_owned())
    }

    /// JSON text without secrets, still JSON.
    pub fn json(&self, json: String) -> String {
        let Some(secrets) = &self.0 else {
            return json;
        };
        if !secrets.may_be_in(json.as_bytes()) {
            return json;
        }
        if is_json(&json) {
            json::redacted(secrets, &json).unwrap_or(json)
        } else {
            self.text(json)
        }
    }
}

/// Fails only with more than a gigabyte of secrets; a configuration has a few
/// megabytes.
fn built<T, E: std::fmt::Display>(automaton: Result<T, E>) -> T {
    automaton.unwrap_or_else(|error| panic!("the secrets are too many: {error}"))
}

impl Secrets {
    /// False if there is certainly no secret in a text, in whatever form.
    fn may_be_in(&self, text: &[u8]) -> bool {
        if self.parts.is_in(text) {
            return true;
        }
        if !has_escapes(text, self.has_special) {
            return false;
        }
        self.chunks(text).any(|(_, chunk)| {
            let mut read = unescaped_bytes(chunk);
            // A text in JSON is escaped once more.
            for _ in 0..=MAX_ESCAPED {
                let Some(bytes) = read else { return false };
                if self.parts.is_in(&bytes) {
                    return true;
                }
                read = unescaped_bytes(&bytes);
            }
            false
        })
    }

    /// A text in pieces, and where each begins. They overlap by the longest form,
    /// however it is escaped.
    fn chunks<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = (usize, &'t [u8])> {
        let overlap = 16 * self.longest + 64;
        let step = CHUNK.max(overlap);
        let mut start = Some(0);
        std::iter::from_fn(move || {
            let begin = start?;
            let end = (begin + step + overlap).min(text.len());
            start = (end < text.len()).then_some(begin + step);
            Some((begin, &text[begin..end]))
        })
    }

    /// Where secrets are in a text, in order, without overlaps.
    fn found(&self, text: &str) -> Vec<Range<usize>> {
        if !self.may_be_in(text.as_bytes()) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (start, chunk) in self.chunks(text.as_bytes()) {
            self.find(chunk, start, &mut found);
        }
        let whole = |span: &mut Range<usize>| {
            span.start = text.floor_char_boundary(span.start);
            span.end = text.ceil_char_boundary(span.end);
        };
        found.iter_mut().for_each(whole);
        merged(found)
    }

    /// The same in a part of a text that begins at `start` of it.
    fn find(&self, text: &[u8], start: usize, found: &mut Vec<Range<usize>>) {
        self.find_as_it_is(text, |at| start + at, found);
        let mut read = unescaped(text);
        for _ in 0..MAX_ESCAPED {
            let Some((bytes, places)) = read else {
                return;
            };
            self.find_as_it_is(&bytes, |at| start + places[at], found);
            read = unescaped(&bytes).map(|(bytes, of)| {
                let places = of.into_iter().map(|at| places[at]).collect();
                (bytes, places)
            });
        }
    }

    fn find_as_it_is(
        &self,
        text: &[u8],
        place: impl Fn(usize) -> usize,
        found: &mut Vec<Range<usize>>,
    ) {
        if !self.parts.is_in(text) {
            return;
        }
        for form in self.forms.find_iter(text) {
            found.push(place(form.start())..place(form.end()));
        }
        if let Some((bytes, places)) = without_spaces(text) {
            for form in self.forms.find_iter(&bytes) {
                // Not the spaces behind it.
                let last = places[form.end() - 1];
                found.push(place(places[form.start()])..place(last + 1));
            }
        }
    }
}

/// In order, without overlaps.
fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_unstable_by_key(|span| span.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

/// A text with the marker in place of these parts.
fn replaced(text: &str, spans: &[Range<usize>]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        result.push_str(&text[at..span.start]);
        result.push_str(MARKER);
        at = span.end;
    }
    result.push_str(&text[at..]);
    result
}

/// A secret, and what it is read as where it is used.
fn readings(secret: &str) -> Vec<String> {
    let text = |bytes| String::from_utf8(bytes).ok();
    let mut readings = vec![secret.to_owned()];
    let plain = unescaped(secret.as_bytes());
    readings.extend(plain.and_then(|(bytes, _)| text(bytes)));
    // `Bearer TOKEN`: the token comes back alone, too.
    let Some((scheme, rest)) = secret.split_once(' ') else {
        return readings;
    };
    readings.push(rest.trim().to_owned());
    if scheme.eq_ignore_ascii_case("basic")
        && let Ok(bytes) = STANDARD.decode(rest.trim())
        && let Some(pair) = text(bytes)
    {
        let password = pair
            .split_once(':')
            .map(|(_, password)| password.to_owned());
        readings.extend(password);
        readings.push(pair);
    }
    readings
}

/// The forms of a secret that no escape explains.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        secret.to_owned(),
        secret.chars().rev().collect(),
        // As forms of the web write spaces.
        secret.replace(' ', "+"),
        // As it is found where spaces are not looked at.
        secret.split_ascii_whitespace().collect(),
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

/// Pieces of a form, of which one is whole however it is divided in two.
fn parts_of(form: &str) -> impl Iterator<Item = &[u8]> {
    let bytes = form.as_bytes();
    let length = PART.min(bytes.len() / 2);
    let last = bytes.len() - length;
    [0, last / 2, last]
        .into_iter()
        .map(move |start| &bytes[start..start + length])
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
mod tests;
