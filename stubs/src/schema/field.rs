//! What a schema says about a field besides its type.

use std::fmt;

use serde_json::{Map, Number, Value};

use super::MAX_NOTE;

/// What a type does not say about the values of a field. Printed it is a few
/// words of raw text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// `date-time`, `uri` and the like.
    Format(String),
    /// A regular expression that the text matches.
    Pattern(String),
    /// Bounds of the number.
    Value(Limits),
    /// Bounds of the length of the text.
    Length(Limits),
    /// Bounds of the number of items.
    Items(Limits),
    /// The number is a multiple of this.
    MultipleOf(Number),
    /// Better not used any more.
    Deprecated,
}

/// Bounds, both included unless said otherwise. At least one is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// The least.
    pub least: Option<Number>,
    /// Whether the least itself is out of bounds.
    pub excludes_least: bool,
    /// The most.
    pub most: Option<Number>,
    /// Whether the most itself is out of bounds.
    pub excludes_most: bool,
}

/// The notes in a schema.
pub(super) fn notes(schema: &Map<String, Value>) -> Vec<Note> {
    let text = |key| {
        let text = schema.get(key).and_then(Value::as_str)?;
        (!text.is_empty() && text.len() <= MAX_NOTE).then(|| text.to_owned())
    };
    let notes = [
        text("format").map(Note::Format),
        text("pattern").map(Note::Pattern),
        values(schema).map(Note::Value),
        counts(schema, "minLength", "maxLength").map(Note::Length),
        counts(schema, "minItems", "maxItems").map(Note::Items),
        number(schema, "multipleOf").map(Note::MultipleOf),
        (schema.get("deprecated") == Some(&Value::Bool(true))).then_some(Note::Deprecated),
    ];
    notes.into_iter().flatten().collect()
}

fn number(schema: &Map<String, Value>, key: &str) -> Option<Number> {
    schema.get(key).and_then(Value::as_number).cloned()
}

/// The bounds of draft 4 (a flag beside the bound) and of all later ones.
fn values(schema: &Map<String, Value>) -> Option<Limits> {
    let side = |plain, exclusive| match schema.get(exclusive) {
        Some(Value::Number(bound)) => (Some(bound.clone()), true),
        Some(Value::Bool(true)) => (number(schema, plain), true),
        _ => (number(schema, plain), false),
    };
    let (least, excludes_least) = side("minimum", "exclusiveMinimum");
    let (most, excludes_most) = side("maximum", "exclusiveMaximum");
    // Libraries write the range of a safe integer everywhere.
    let is_told = |bound: &Number| bound.as_f64().is_some_and(|b| b.abs() < SAFE_INTEGER);
    let limits = Limits {
        least: least.filter(is_told),
        excludes_least,
        most: most.filter(is_told),
        excludes_most,
    };
    limits.or_none()
}

/// The largest integer that a double tells from its neighbours.
const SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

fn counts(schema: &Map<String, Value>, least: &str, most: &str) -> Option<Limits> {
    let limits = Limits {
        least: number(schema, least).filter(|bound| bound.as_f64() != Some(0.0)),
        most: number(schema, most),
        ..Limits::default()
    };
    limits.or_none()
}

impl Limits {
    fn or_none(self) -> Option<Self> {
        (self.least.is_some() || self.most.is_some()).then_some(self)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let above = if self.excludes_least { ">" } else { ">=" };
        let below = if self.excludes_most { "<" } else { "<=" };
        match (&self.least, &self.most) {
            (Some(least), Some(most)) if !self.excludes_least && !self.excludes_most => {
                if least == most {
                    write!(f, "{least}")
                } else {
                    write!(f, "{least}-{most}")
                }
            }
            (Some(least), Some(most)) => write!(f, "{above}{least}, {below}{most}"),
            (Some(least), None) => write!(f, "{above}{least}"),
            (None, Some(most)) => write!(f, "{below}{most}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(format) => write!(f, "{format}"),
            Self::Pattern(pattern) => write!(f, "matches {pattern}"),
            Self::Value(limits) => write!(f, "{limits}"),
            Self::Length(limits) => write!(f, "{limits} characters"),
            Self::Items(limits) => write!(f, "{limits} items"),
            Self::MultipleOf(number) => write!(f, "multiple of {number}"),
            Self::Deprecated => write!(f, "deprecated"),
        }
    }
}
