//! Text of strangers in sentences of ours: names of tools, messages of servers,
//! keys of files. One place decides what is shown of it.
//!
//! Source text in a programming language is quoted by the crate `stubs`.

use std::borrow::Cow;
use std::fmt::Write as _;

use stubs::text::is_hidden;

/// Characters of a name that a sentence shows.
pub const MAX_NAME: usize = 100;

/// A text on one line of at most `max_chars` characters. White space and
/// control characters become single characters, so that columns stay true;
/// what would be invisible is shown as `�`. A cut is marked with `…`.
///
/// ```
/// use wasm_coordinator_contract::text::one_line;
/// assert_eq!(one_line("a\nb\u{1b}[2J", 10), "a b\u{fffd}[2J");
/// assert_eq!(one_line("abcdef", 3), "abc…");
/// ```
pub fn one_line(text: &str, max_chars: usize) -> String {
    let mut line: String = text.chars().take(max_chars).map(printable).collect();
    if text.chars().nth(max_chars).is_some() {
        line.push('…');
    }
    line
}

/// A name in backticks, on one line, cut after [`MAX_NAME`] characters. A
/// backtick inside becomes an apostrophe.
///
/// ```
/// use wasm_coordinator_contract::text::quoted;
/// assert_eq!(quoted("list`issues"), "`list'issues`");
/// ```
pub fn quoted(name: &str) -> String {
    format!("`{}`", one_line(name, MAX_NAME).replace('`', "'"))
}

/// Quoted names as an enumeration: `a`, `b` and `c`.
pub fn and_list(names: &[impl AsRef<str>]) -> String {
    list(names, " and ")
}

/// Quoted names as a choice: `a`, `b` or `c`.
pub fn or_list(names: &[impl AsRef<str>]) -> String {
    list(names, " or ")
}

fn list(names: &[impl AsRef<str>], last: &str) -> String {
    let names: Vec<_> = names.iter().map(|name| quoted(name.as_ref())).collect();
    match names.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, start)) => format!("{}{last}{end}", start.join(", ")),
        None => String::new(),
    }
}

/// The start of a text, at most `max_bytes` of it and no half of a character.
pub fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

/// A text of at most `max_bytes`, followed by how much is missing if it was
/// longer.
pub fn shortened(text: &str, max_bytes: usize) -> String {
    let kept = cut(text, max_bytes);
    match text.len() - kept.len() {
        0 => text.to_owned(),
        missing => format!("{kept}… ({missing} bytes more)"),
    }
}

/// A text for a terminal, with all lines. Characters that could clear a
/// screen, set a title, reach the clipboard or reorder a line are written as
/// `\u{…}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    let dangerous = |c: char| !matches!(c, '\n' | '\t' | '\r') && is_hidden(c);
    if !text.chars().any(dangerous) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if dangerous(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.into()
}

fn printable(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_hidden(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_as_people_do() {
        let none: [&str; 0] = [];
        assert_eq!(and_list(&none), "");
        assert_eq!(and_list(&["a"]), "`a`");
        assert_eq!(and_list(&["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(or_list(&["a", "b"]), "`a` or `b`");
    }

    #[test]
    fn a_cut_never_splits_a_character_and_says_what_is_missing() {
        assert_eq!(shortened("äöü", 3), "ä… (4 bytes more)");
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(cut("äö", 3), "ä");
    }

    #[test]
    fn escape_sequences_are_shown_and_lines_stay() {
        assert_eq!(visible("a\n\tb"), "a\n\tb");
        assert_eq!(visible("\u{1b}[2J\u{9b}x"), "\\u{1b}[2J\\u{9b}x");
        assert_eq!(visible("\u{202e}abc"), "\\u{202e}abc");
    }
}
