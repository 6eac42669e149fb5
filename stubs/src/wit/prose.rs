//! Text of a stranger as comments.
//!
//! A comment of WIT is copied by generators into doc comments and docstrings
//! of other languages, not always escaped there. So what would end a comment in
//! any of them is taken out here: newlines of every kind, `*/`, `"""`, and
//! backslashes, which escape the end in Python and continue lines in C. So is
//! what makes text look different from what it is.

/// Columns of a line.
const WIDTH: usize = 96;

/// Writes a text as doc comments at an indentation, at most `longest` bytes
/// of it. An empty text is nothing.
pub(super) fn comment(out: &mut String, indent: usize, text: &str, longest: usize) {
    for paragraph in plain(text, longest).lines() {
        for line in wrapped(paragraph, WIDTH - indent) {
            let line = format!("{:indent$}/// {line}", "");
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
}

/// A text that stays inside any comment. Its only control characters are
/// single newlines.
pub(super) fn plain(text: &str, longest: usize) -> String {
    let text = text.trim();
    let kept = &text[..text.floor_char_boundary(longest)];
    let mut out = String::new();
    for c in kept.chars() {
        match c {
            '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                // Empty lines would only make a listing longer.
                if !out.ends_with('\n') {
                    out.push('\n');
                }
            }
            '\\' => out.push('\u{ff3c}'),
            // The ends of comments and of docstrings.
            '/' if out.ends_with('*') => out.push_str(" /"),
            '*' if out.ends_with('/') => out.push_str(" *"),
            '"' if out.ends_with("\"\"") => out.push_str(" \""),
            '\'' if out.ends_with("''") => out.push_str(" '"),
            c if c.is_control() => out.push(' '),
            c if is_deceptive(c) => {}
            c => out.push(c),
        }
    }
    if kept.len() < text.len() {
        out.push('…');
    }
    out
}

/// Marks of direction, invisible characters, and what the language refuses in
/// sources because nobody means it.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}'
        | '\u{149}' | '\u{673}' | '\u{f77}' | '\u{f79}' | '\u{17a3}' | '\u{17a4}' | '\u{17b4}' | '\u{17b5}')
}

/// The lines of one, broken at spaces where there are any.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    let mut columns = 0;
    for word in line.split_whitespace() {
        let length = word.chars().count();
        if columns > 0 && columns + 1 + length > width {
            lines.push(std::mem::take(&mut current));
            columns = 0;
        }
        if columns > 0 {
            current.push(' ');
            columns += 1;
        }
        current.push_str(word);
        columns += length;
    }
    if !current.is_empty() {
        lines.push(current);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_a_comment() {
        for (text, expected) in [
            ("a */ b /* c", "a * / b / * c"),
            ("a\r\nb\u{2028}\n\nc", "a\nb\nc"),
            (r#"x"""; import os"#, "x\"\" \"; import os"),
            ("it''' is", "it'' ' is"),
            (r"ends with \", "ends with ＼"),
            ("a\u{202e}b\u{200b}c\0d\u{1b}[0m", "abc d [0m"),
        ] {
            assert_eq!(plain(text, 1000), expected);
        }
        assert_eq!(plain("äöü", 3), "ä…");
        let mut out = String::new();
        comment(&mut out, 4, "one\n}\ntwo", 100);
        assert_eq!(out, "    /// one\n    /// }\n    /// two\n");
    }

    #[test]
    fn long_lines_are_broken_at_spaces() {
        let text = "word ".repeat(50);
        let mut out = String::new();
        comment(&mut out, 4, &text, 1000);
        assert!(
            out.lines().count() > 2 && out.lines().all(|line| line.len() <= 100),
            "{out}"
        );
    }
}
