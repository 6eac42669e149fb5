//! Text of a stranger as literals, comments and prose.
//!
//! Every string that a server wrote goes through one of these functions on its
//! way into a file. What comes out stays inside its literal or comment in every
//! tool that reads the file: compilers, and type checkers with directives in
//! comments. Characters that hide, reorder or break lines are spelt out as
//! escapes, so that a person sees them.

use std::fmt::Write as _;

use crate::schema::shortened;

/// A text on one line: runs of white space are one space.
pub(crate) fn line(text: &str, longest: usize) -> String {
    let mut out = String::new();
    for word in shortened(text, longest).split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        visible(word, &mut out);
    }
    out
}

/// The first sentence or line of a text, on one line.
pub(crate) fn summary(text: &str, longest: usize) -> String {
    let first = text.trim_start().lines().next().unwrap_or_default();
    let end = first
        .match_indices(". ")
        .map(|(at, _)| at)
        // `e.g. ` and the like do not end a sentence.
        .find(|at| *at > 24);
    line(&first[..end.unwrap_or(first.len())], longest)
        .trim_end_matches('.')
        .to_owned()
}

/// A text on several lines, without control characters but single or double
/// newlines and without spaces at the end of lines.
pub(crate) fn prose(text: &str, longest: usize) -> String {
    let mut out = String::new();
    let text = shortened(text.trim(), longest);
    let mut blank = false;
    for line in text
        .replace("\r\n", "\n")
        .split(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}'])
    {
        let line = line.trim_end();
        if line.is_empty() {
            blank = !out.is_empty();
            continue;
        }
        if !out.is_empty() {
            out.push_str(if blank { "\n\n" } else { "\n" });
        }
        blank = false;
        visible(&line.replace('\t', "    "), &mut out);
    }
    out
}

fn visible(text: &str, out: &mut String) {
    for c in text.chars() {
        if is_hidden(c) {
            escape(c, out)
        } else {
            out.push(c)
        }
    }
}

/// Characters that are not seen for what they are.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The escape that JSON, JavaScript and Python have in common, where there is
/// one.
fn escape(c: char, out: &mut String) {
    let code = u32::from(c);
    let _ = match code {
        0..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// A string literal of Python.
pub(crate) fn python_string(text: &str) -> String {
    quoted(text, escape)
}

/// A string literal of TypeScript.
pub(crate) fn typescript_string(text: &str) -> String {
    quoted(text, |c, out| {
        let _ = match u32::from(c) {
            code @ 0..=0xffff => write!(out, "\\u{code:04x}"),
            code => write!(out, "\\u{{{code:x}}}"),
        };
    })
}

fn quoted(text: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) => escape(c, &mut out),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// JSON text with hidden characters as escapes. They are in strings only.
pub(crate) fn json(value: &serde_json::Value) -> String {
    let text = format!("{value:#}");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            c if is_hidden(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// A docstring of Python, from [`prose`], indented by four spaces.
pub(crate) fn python_docstring(prose: &str) -> String {
    let mut text = String::new();
    let mut chars = prose.chars().peekable();
    while let Some(c) = chars.next() {
        // A quote that stands alone ends nothing.
        let is_alone = !matches!(chars.peek(), None | Some('"'));
        if c == '\\' || c == '"' && !is_alone {
            text.push('\\');
        }
        text.push(c);
    }
    let text = text.replace('\n', "\n    ").replace("\n    \n", "\n\n");
    format!("    \"\"\"{text}\"\"\"\n")
}

/// A comment of Python at the end of a line, from [`line`].
pub(crate) fn python_comment(line: &str) -> String {
    // What type checkers and linters look for in comments, also behind a
    // further `#`.
    const DIRECTIVES: &[&str] = &[
        "type:", "mypy:", "pyright:", "pyre-", "ruff:", "noqa", "flake8", "pylint:", "pragma:",
        "fmt:", "isort:", "nosec", "yapf:", "-*-", "vim:", "coding",
    ];
    let mut out = String::from("  #");
    let mut rest = line;
    loop {
        let (part, behind) = match rest.split_once('#') {
            Some((part, behind)) => (part, Some(behind)),
            None => (rest, None),
        };
        let start = part.trim_start().to_ascii_lowercase();
        if DIRECTIVES
            .iter()
            .any(|directive| start.starts_with(directive))
        {
            out.push_str(" \u{bb}");
            out.push_str(part.trim_start());
        } else if rest.len() == line.len() && !part.starts_with(' ') {
            out.push(' ');
            out.push_str(part);
        } else {
            out.push_str(part);
        }
        match behind {
            Some(behind) => {
                out.push('#');
                rest = behind;
            }
            None => return out,
        }
    }
}

/// A JSDoc comment, from [`prose`] or [`line`], with a newline behind.
pub(crate) fn jsdoc(prose: &str, indent: &str) -> String {
    let mut text = String::new();
    let mut before = '\n';
    for c in prose.chars() {
        match c {
            '/' if before == '*' => text.push_str("\\/"),
            // Neither a tag nor `@ts-ignore`.
            '@' if !before.is_alphanumeric() => text.push_str("\\@"),
            c => text.push(c),
        }
        before = c;
    }
    if text.ends_with('*') {
        text.push(' ');
    }
    if !text.contains('\n') {
        return format!("{indent}/** {text} */\n");
    }
    let mut out = format!("{indent}/**\n");
    for line in text.split('\n') {
        let line = format!("{indent} * {line}");
        // ` *` and then `/` would be the end.
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push_str(indent);
    out.push_str(" */\n");
    out
}

/// Text within a line of Markdown, from [`line`]: no links, images, HTML or
/// tables.
pub(crate) fn markdown(line: &str) -> String {
    let mut out = String::new();
    for c in line.chars() {
        match c {
            '\\' | '[' | ']' | '<' | '>' | '|' => {
                out.push('\\');
                out.push(c);
            }
            // A code span is a promise that it is a name.
            '`' => out.push('\''),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKERS: &str =
        "a\"\"\"'''\\*/-->`${x}\u{2028}\r\0\u{c}# type: ignore\u{202e}\u{e0041}\\";

    #[test]
    fn literals_hold_everything() {
        assert_eq!(
            python_string(BREAKERS),
            r#""a\"\"\"'''\\*/-->`${x}\u2028\r\u0000\u000c# type: ignore\u202e\U000e0041\\""#
        );
        assert!(typescript_string(BREAKERS).contains("\\u{e0041}"));
        let value = serde_json::json!({ BREAKERS: BREAKERS });
        let text = json(&value);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
        assert!(!text.contains(is_hidden_but_newline), "{text:?}");
    }

    fn is_hidden_but_newline(c: char) -> bool {
        is_hidden(c) && c != '\n'
    }

    #[test]
    fn docstrings_end_where_they_should() {
        assert_eq!(python_docstring("plain"), "    \"\"\"plain\"\"\"\n");
        assert_eq!(python_docstring("a \"b\""), "    \"\"\"a \"b\\\"\"\"\"\n");
        assert_eq!(python_docstring("\"\"\""), "    \"\"\"\\\"\\\"\\\"\"\"\"\n");
        assert_eq!(
            python_docstring("\"\"\"\""),
            "    \"\"\"\\\"\\\"\\\"\\\"\"\"\"\n"
        );
        assert_eq!(python_docstring("a\\"), "    \"\"\"a\\\\\"\"\"\n");
        assert_eq!(python_docstring("a\\\""), "    \"\"\"a\\\\\\\"\"\"\"\n");
        assert_eq!(python_docstring("a\n\nb"), "    \"\"\"a\n\n    b\"\"\"\n");
    }

    #[test]
    fn comments_are_no_directives() {
        assert_eq!(python_comment("type: ignore"), "  # \u{bb}type: ignore");
        assert_eq!(python_comment("a # noqa"), "  # a # \u{bb}noqa");
        assert_eq!(
            python_comment("issue #3 of C# code"),
            "  # issue #3 of C# code"
        );
        assert_eq!(jsdoc("a */ b **/", ""), "/** a *\\/ b **\\/ */\n");
        assert_eq!(
            jsdoc("@ts-ignore me@x.org", ""),
            "/** \\@ts-ignore me@x.org */\n"
        );
        assert_eq!(jsdoc("a\n/ b", "  "), "  /**\n   * a\n   * / b\n   */\n");
    }

    #[test]
    fn prose_keeps_paragraphs() {
        assert_eq!(
            prose(" a \r\n\r\n\n\nb\rc\u{2028}\0 ", 100),
            "a\n\nb\nc\n\\u0000"
        );
        assert_eq!(line(" a \r\n b\u{85}c ", 100), "a b c");
        assert_eq!(
            summary("Lists issues of a repository. Needs a token.\nMore", 80),
            "Lists issues of a repository"
        );
        assert_eq!(summary("Lists, e.g. issues.", 80), "Lists, e.g. issues");
    }
}
