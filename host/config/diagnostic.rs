//! What is wrong with the configuration, shown like a compiler shows it.
//!
//! A diagnostic carries the line it speaks of, so that it can be printed long
//! after the file is gone. The line is made safe when the diagnostic is made:
//! secrets are covered, control characters replaced, its length bounded.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use contract::text::one_line;

/// One problem: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// What is wrong, on what, and why: lower case, no final period.
    pub message: String,
    /// The file it is in, or about.
    pub file: Option<PathBuf>,
    /// Where in the file; absent when the file as a whole is meant.
    pub place: Option<Place>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A place in a file, with the text found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The line, or the part of it around the place; safe to print.
    excerpt: String,
    /// Where in `excerpt` the offending text starts, in characters.
    start: usize,
    /// How many characters of it offend, at least 1.
    length: usize,
}

/// Why there is no configuration: one problem or several, all found at once.
#[derive(Debug, Clone)]
pub struct Error {
    /// Never empty.
    diagnostics: Vec<Diagnostic>,
}

/// Errors printed in full; with their excerpts they fill one screen.
const SHOWN: usize = 4;

/// The widest excerpt; the rest of the line is cut off around the place.
const EXCERPT: usize = 100;

impl Diagnostic {
    /// A problem of no particular file.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            file: None,
            place: None,
            hint: None,
        }
    }

    pub(super) fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        let mut margin = 1;
        if let Some(place) = &self.place {
            let number = place.line.to_string();
            margin = number.len();
            let file = self.file.as_deref().unwrap_or(Path::new("configuration"));
            let (line, column) = (place.line, place.column);
            let carets = " ".repeat(place.start) + &"^".repeat(place.length);
            write!(
                formatter,
                "\n{:margin$}--> {}:{line}:{column}",
                "",
                shown_path(file)
            )?;
            write!(formatter, "\n{:margin$} |", "")?;
            write!(formatter, "\n{number} | {}", place.excerpt)?;
            write!(formatter, "\n{:margin$} | {carets}", "")?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\n{:margin$} = hint: {hint}", "")?;
        }
        Ok(())
    }
}

impl Place {
    /// The place of `range` in `text`, which is shown except for `covered`.
    pub(super) fn new(text: &str, range: Range<usize>, covered: &[Range<usize>]) -> Self {
        let start = floor(text, range.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..]
            .find('\n')
            .map_or(text.len(), |newline| start + newline);
        let end = floor(text, range.end).clamp(start, line_end);

        let column = text[line_start..start].chars().count();
        let length = text[start..end].trim_end().chars().count().max(1);
        let whole = text[line_start..line_end].chars().count() <= EXCERPT;
        // Of a long line, what stands before the place and what follows.
        let skipped = if whole {
            0
        } else {
            column.saturating_sub(EXCERPT / 2)
        };
        let mut excerpt = String::new();
        let mut start = column;
        if skipped > 0 {
            excerpt.push('…');
            start = column - skipped + 1;
        }
        let line = text[line_start..line_end].char_indices().skip(skipped);
        for (shown, (at, character)) in line.enumerate() {
            if shown == EXCERPT {
                excerpt.push('…');
                break;
            }
            let at = line_start + at;
            let is_covered = covered.iter().any(|range| range.contains(&at));
            excerpt.push(if is_covered { '•' } else { character });
        }
        let length = length.min(EXCERPT.saturating_sub(column - skipped).max(1));
        Self {
            line: text[..line_start].matches('\n').count() + 1,
            column: column + 1,
            // Character for character, so that the columns stay true.
            excerpt: one_line(excerpt.trim_end(), usize::MAX),
            start,
            length,
        }
    }
}

impl Error {
    /// # Panics
    ///
    /// When `diagnostics` is empty: then there is no error.
    pub(super) fn new(diagnostics: Vec<Diagnostic>) -> Self {
        assert!(!diagnostics.is_empty());
        Self { diagnostics }
    }

    /// Everything that is wrong, in the order of the file.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::new(vec![diagnostic])
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, diagnostic) in self.diagnostics.iter().take(SHOWN).enumerate() {
            if number > 0 {
                formatter.write_str("\n\nerror: ")?;
            }
            diagnostic.fmt(formatter)?;
        }
        match self.diagnostics.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            1 => formatter.write_str("\n\nand one more problem"),
            more => write!(formatter, "\n\nand {more} more problems"),
        }
    }
}

impl std::error::Error for Error {}

pub(super) fn shown_path(path: &Path) -> String {
    one_line(&path.display().to_string(), usize::MAX)
}

fn floor(text: &str, index: usize) -> usize {
    text.floor_char_boundary(index.min(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, range: Range<usize>, covered: &[Range<usize>]) -> String {
        Diagnostic::new("it is wrong")
            .in_file(Path::new("mcp.json"))
            .at(Place::new(text, range, covered))
            .hint("make it right")
            .to_string()
    }

    #[test]
    fn a_place_is_shown_with_its_line_and_a_caret() {
        assert_eq!(
            show("{\n\t\"ä\": wrong,\n}", 9..14, &[]),
            "it is wrong\n --> mcp.json:2:7\n  |\n2 |  \"ä\": wrong,\n  |       ^^^^^\n  = hint: make it right"
        );
        // The end of the file, and a range over several lines.
        assert_eq!(
            show("{\n}", 3..3, &[]),
            "it is wrong\n --> mcp.json:2:2\n  |\n2 | }\n  |  ^\n  = hint: make it right"
        );
        assert_eq!(
            show("[\n1\n]", 0..5, &[]),
            "it is wrong\n --> mcp.json:1:1\n  |\n1 | [\n  | ^\n  = hint: make it right"
        );
    }

    #[test]
    fn secrets_and_control_characters_do_not_reach_the_terminal() {
        assert_eq!(
            show(
                "\"k\": \"s3cret\" \u{1b}[2J\u{202e}",
                0..3,
                std::slice::from_ref(&(6..12))
            ),
            "it is wrong\n --> mcp.json:1:1\n  |\n1 | \"k\": \"••••••\" \u{fffd}[2J\u{fffd}\n  | ^^^\n  = hint: make it right"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}WRONG{}", "a".repeat(5000), "b".repeat(5000));
        let shown = show(&text, 5000..5005, &[]);
        assert!(shown.contains("mcp.json:1:5001"));
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[3].chars().count(), "1 | ".len() + EXCERPT + 2);
        let caret = lines[4].find('^').unwrap();
        assert_eq!(
            lines[3].chars().skip(caret).take(5).collect::<String>(),
            "WRONG"
        );
    }

    #[test]
    fn many_errors_fit_on_one_screen() {
        let one = Diagnostic::new("it is wrong");
        let error = Error::new(vec![one; 7]);
        assert_eq!(
            error.to_string(),
            "it is wrong\n\nerror: it is wrong\n\nerror: it is wrong\n\nerror: it is wrong\n\nand 3 more problems"
        );
    }
}
