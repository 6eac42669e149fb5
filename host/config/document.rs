//! The text of a configuration file as a tree with positions, and the report
//! that collects what is wrong with it.
//!
//! JSON with comments and trailing commas, nothing looser: what this accepts
//! other clients that share the file accept too. Knows what a list or a flag
//! is, not what any key means.

use std::{collections::HashMap, ops::Range, path::Path, str::FromStr};

use contract::text::quoted;
use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{self, Value},
    common::Ranged,
    errors::ParseErrorKind,
    parse_to_ast,
};
use stubs::names::nearest;

use super::{
    Bytes, NotAnAmount, Span,
    diagnostic::{Diagnostic, Error, Place, shown_path},
};

/// Problems kept of each severity. A file with more has one cause, and each
/// excerpt costs a pass over the text.
const MAX_PROBLEMS: usize = 50;

/// Faults kept of one server: enough to mend it, and no more of the screen.
const MAX_FAULTS: usize = 4;

/// Reads `text` into a tree.
pub(super) fn parse<'t>(file: &Path, text: &'t str) -> Result<Value<'t>, Error> {
    let collect = CollectOptions::default();
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
    };
    match parse_to_ast(text, &collect, &options) {
        Ok(result) => result.value.ok_or_else(|| {
            Diagnostic::new(format!("`{}` is empty", shown_path(file)))
                .in_file(file)
                .hint("write at least `{ \"mcpServers\": {} }`, or let `wasm-coordinator init` write a first file")
                .into()
        }),
        Err(error) => {
            let range = error.range();
            let (message, hint) = syntax(error.kind());
            let place = Place::new(text, range.start..range.end, &likely_secrets(text, range.start));
            let mut diagnostic =
                Diagnostic::new(format!("`{}` is not valid JSON: {message}", shown_path(file)))
                    .in_file(file)
                    .at(place);
            diagnostic.hint = hint.map(str::to_owned);
            Err(diagnostic.into())
        }
    }
}

/// One key of an object with its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'v> {
    pub(super) name: &'v str,
    /// Where the name stands, with its quotes.
    pub(super) name_range: jsonc_parser::common::Range,
    pub(super) value: &'v Value<'v>,
}

/// Collects problems, each with its place in the file.
pub(super) struct Report<'t> {
    file: &'t Path,
    text: &'t str,
    /// Text that is not shown in excerpts.
    covered: Vec<Range<usize>>,
    pub(super) errors: Vec<Diagnostic>,
    /// What is wrong with single servers, which fail alone.
    pub(super) faults: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: &'t Path, text: &'t str, root: &Value<'_>) -> Self {
        let mut covered = Vec::new();
        cover_secrets(text, root, &mut covered);
        Self {
            file,
            text,
            covered,
            errors: Vec::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Makes faults of one server of the errors from the given one on. Gives the
    /// first.
    pub(super) fn faults_since(&mut self, first: usize) -> Option<Diagnostic> {
        let of_server = self.errors.split_off(first.min(self.errors.len()));
        let first = of_server.first().cloned();
        let room = MAX_PROBLEMS.saturating_sub(self.faults.len());
        self.faults
            .extend(of_server.into_iter().take(room.min(MAX_FAULTS)));
        first
    }

    pub(super) fn error(
        &mut self,
        range: impl Ranged,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        if self.errors.len() < MAX_PROBLEMS {
            let diagnostic = self.diagnostic(range, message.into(), hint);
            self.errors.push(diagnostic);
        }
    }

    pub(super) fn warning(
        &mut self,
        range: impl Ranged,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        if self.warnings.len() < MAX_PROBLEMS {
            let diagnostic = self.diagnostic(range, message.into(), hint);
            self.warnings.push(diagnostic);
        }
    }

    fn diagnostic(&self, range: impl Ranged, message: String, hint: Option<String>) -> Diagnostic {
        let range = range.range();
        let place = Place::new(self.text, range.start..range.end, &self.covered);
        Diagnostic {
            message,
            file: Some(self.file.to_owned()),
            place: Some(place),
            hint,
        }
    }

    /// The text of the file at `range`, as it stands there.
    pub(super) fn raw(&self, range: &impl Ranged) -> &'t str {
        let range = range.range();
        self.text.get(range.start..range.end).unwrap_or_default()
    }

    /// The line on which `range` starts, counted from 1.
    pub(super) fn line(&self, range: &impl Ranged) -> usize {
        let before = &self.text[..range.range().start.min(self.text.len())];
        before.matches('\n').count() + 1
    }

    /// The fields of an object. A key written twice is an error: parsers
    /// disagree on which of the two counts, and so would the readers of the
    /// file.
    pub(super) fn fields<'v>(
        &mut self,
        value: &'v Value<'v>,
        what: &str,
    ) -> Option<Vec<Field<'v>>> {
        let Value::Object(object) = value else {
            self.wrong_type(value, what, "an object");
            return None;
        };
        let mut seen: HashMap<&str, jsonc_parser::common::Range> = HashMap::new();
        let mut fields = Vec::with_capacity(object.properties.len());
        for property in &object.properties {
            let name = property.name.as_str();
            let name_range = property.name.range();
            match seen.get(name) {
                Some(first) => {
                    let line = self.line(first);
                    self.error(
                        name_range,
                        format!("{} is written twice in {what}", quoted(name)),
                        Some(format!("the first is on line {line}: remove one of them")),
                    );
                }
                None => {
                    seen.insert(name, name_range);
                    fields.push(Field {
                        name,
                        name_range,
                        value: &property.value,
                    });
                }
            }
        }
        Some(fields)
    }

    /// A text.
    pub(super) fn text<'v>(
        &mut self,
        value: &'v Value<'_>,
        what: &str,
    ) -> Option<&'v ast::StringLit<'v>> {
        let Value::StringLit(text) = value else {
            self.wrong_type(value, what, "text in double quotes");
            return None;
        };
        Some(text)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, value: &Value<'_>, what: &str) -> Option<bool> {
        let Value::BooleanLit(flag) = value else {
            self.wrong_type(value, what, "`true` or `false`");
            return None;
        };
        Some(flag.value)
    }

    /// A list of texts.
    pub(super) fn texts<'v>(
        &mut self,
        value: &'v Value<'_>,
        what: &str,
    ) -> Option<Vec<&'v ast::StringLit<'v>>> {
        let Value::Array(list) = value else {
            self.wrong_type(value, what, "a list of text, like `[\"a\", \"b\"]`");
            return None;
        };
        let element = format!("each element of {what}");
        list.elements
            .iter()
            .map(|value| self.text(value, &element))
            .collect()
    }

    /// A whole number from 1 to `most`.
    pub(super) fn count(&mut self, value: &Value<'_>, what: &str, most: u64) -> Option<u64> {
        let Value::NumberLit(number) = value else {
            self.wrong_type(value, what, "a whole number");
            return None;
        };
        match number.value.parse() {
            Ok(count) if (1..=most).contains(&count) => Some(count),
            _ => {
                self.error(
                    value.range(),
                    format!(
                        "{what} must be a whole number from 1 to {most}, found {}",
                        quoted(number.value)
                    ),
                    None,
                );
                None
            }
        }
    }

    /// A length of time: text with a unit, or a number of seconds.
    pub(super) fn span(&mut self, value: &Value<'_>, what: &str) -> Option<Span> {
        self.amount(value, what, "a length of time, like `\"30s\"`")
            .filter(|span: &Span| !self.is_nothing(span.0.is_zero(), value, what))
    }

    /// A number of bytes, or text with a unit.
    pub(super) fn bytes(&mut self, value: &Value<'_>, what: &str) -> Option<Bytes> {
        self.amount(value, what, "a number of bytes, like `\"256MiB\"`")
            .filter(|bytes: &Bytes| !self.is_nothing(bytes.0 == 0, value, what))
    }

    fn amount<A: FromStr<Err = NotAnAmount>>(
        &mut self,
        value: &Value<'_>,
        what: &str,
        expected: &str,
    ) -> Option<A> {
        let text = match value {
            Value::StringLit(text) => text.value.as_ref(),
            Value::NumberLit(number) => number.value,
            value => {
                self.wrong_type(value, what, expected);
                return None;
            }
        };
        text.parse()
            .map_err(|error| self.error(value.range(), format!("{what}: {error}"), None))
            .ok()
    }

    /// A limit of nothing is a mistake, not a limit.
    fn is_nothing(&mut self, is_zero: bool, value: &Value<'_>, what: &str) -> bool {
        if is_zero {
            let message = format!("{what} must be more than nothing");
            self.error(value.range(), message, None);
        }
        is_zero
    }

    pub(super) fn wrong_type(&mut self, value: &Value<'_>, what: &str, expected: &str) {
        self.error(
            value.range(),
            format!("{what} must be {expected}, found {}", kind(value)),
            None,
        );
    }

    /// What to say of an unknown key: the known one it resembles, or all.
    pub(super) fn did_you_mean(name: &str, known: &[&str]) -> String {
        match nearest(name, known.iter().copied()).first() {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                let names: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
                format!("known here: {}", names.join(", "))
            }
        }
    }
}

fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::StringLit(_) => "text",
        Value::NumberLit(_) => "a number",
        Value::BooleanLit(_) => "`true` or `false`",
        Value::Object(_) => "an object",
        Value::Array(_) => "a list",
        Value::NullKeyword(_) => "`null`",
    }
}

/// The parser's finding in our words, and what to do about it.
fn syntax(kind: &ParseErrorKind) -> (String, Option<&'static str>) {
    use ParseErrorKind as Kind;
    let hint = match kind {
        Kind::ExpectedComma => Some("put a comma between this and what stands before it"),
        Kind::SingleQuotedStringsNotAllowed => Some("text is written in double quotes"),
        Kind::ExpectedStringObjectProperty => Some("keys are written in double quotes"),
        Kind::UnexpectedWord | Kind::UnexpectedToken => Some(
            "a value is text in double quotes, a number, `true`, `false`, `null`, `[…]` or `{…}`",
        ),
        Kind::UnexpectedTokenInObject => {
            Some("a key in double quotes should stand here: is there a comma too many?")
        }
        Kind::UnterminatedObject => Some("a closing `}` is missing"),
        Kind::UnterminatedArray => Some("a closing `]` is missing"),
        Kind::UnterminatedCommentBlock => Some("a closing `*/` is missing"),
        Kind::ExpectedColonAfterObjectKey => Some("a key is followed by a colon and its value"),
        Kind::String(jsonc_parser::ParseStringErrorKind::UnterminatedStringLiteral) => {
            Some("a closing `\"` is missing")
        }
        Kind::String(jsonc_parser::ParseStringErrorKind::InvalidEscape)
        | Kind::String(jsonc_parser::ParseStringErrorKind::InvalidEscapeInDoubleQuoteString) => {
            Some("a backslash is written as `\\\\`")
        }
        Kind::MultipleRootJsonValues => Some("the file holds one object: is there a `}` too many?"),
        _ => None,
    };
    let text = match kind {
        // The crate's text quotes the offending escape unchanged.
        Kind::String(jsonc_parser::ParseStringErrorKind::InvalidUnicodeEscapeSequence(_)) => {
            "invalid unicode escape sequence".to_owned()
        }
        kind => kind.to_string().to_lowercase(),
    };
    (text.trim_end_matches('.').to_owned(), hint)
}

/// Covers the values of every `env` and `headers` object, except for the
/// variables they refer to: a name is not a secret, and it is what most errors
/// there are about. The recursion is as deep as the parser allowed.
fn cover_secrets(text: &str, value: &Value<'_>, covered: &mut Vec<Range<usize>>) {
    match value {
        Value::Object(object) => {
            for property in &object.properties {
                match (property.name.as_str(), &property.value) {
                    ("env" | "headers", Value::Object(values)) => {
                        for value in &values.properties {
                            let range = value.value.range();
                            cover_literal(text, range.start..range.end, covered);
                        }
                    }
                    (_, value) => cover_secrets(text, value, covered),
                }
            }
        }
        Value::Array(list) => {
            for element in &list.elements {
                cover_secrets(text, element, covered);
            }
        }
        _ => {}
    }
}

/// Covers the inside of a string literal apart from its `${…}`.
fn cover_literal(text: &str, literal: Range<usize>, covered: &mut Vec<Range<usize>>) {
    let Some(raw) = text.get(literal.clone()) else {
        return;
    };
    if !raw.starts_with('"') {
        return;
    }
    let end = literal.end - usize::from(raw.len() > 1 && raw.ends_with('"'));
    let mut at = literal.start + 1;
    while at < end {
        let next = text[at..end].find("${").map_or(end, |offset| at + offset);
        if next > at {
            covered.push(at..next);
        }
        at = text[next..end]
            .find('}')
            .map_or(end, |offset| next + offset + 1);
    }
}

/// What to cover on the line of a syntax error, where there is no tree to tell
/// secrets by: every text that follows a key, unless that key never holds one.
fn likely_secrets(text: &str, at: usize) -> Vec<Range<usize>> {
    const HARMLESS: &[&str] = &["command", "type", "transport", "cwd", "args", "description"];
    let at = text.floor_char_boundary(at.min(text.len()));
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |newline| at + newline);

    let mut covered = Vec::new();
    let mut key: Option<&str> = None;
    let mut last: Option<&str> = None;
    let mut at = start;
    while let Some(offset) = text[at..end].find(['"', ':', ',', '{', '}', '[', ']']) {
        at += offset;
        match text.as_bytes()[at] {
            b'"' => {
                let close = close_of(text, at, end);
                if key.take().is_some_and(|key| !HARMLESS.contains(&key)) {
                    cover_literal(text, at..close, &mut covered);
                }
                last = Some(text[at..close].trim_matches('"'));
                at = close;
            }
            b':' => {
                key = last.take();
                at += 1;
            }
            _ => {
                key = None;
                at += 1;
            }
        }
    }
    covered
}

/// The end of the string literal that starts at `start`.
fn close_of(text: &str, start: usize, end: usize) -> usize {
    let mut escaped = false;
    for (offset, character) in text[start + 1..end].char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return start + 1 + offset + 1,
            _ => {}
        }
    }
    end
}
