//! Whether arguments fit the input schema of a tool.
//!
//! Schemas are written by strangers, so a check is worth only bounded work and
//! bounded memory. What is broken, recursive, too large or points anywhere
//! outside itself is not checked here: first the parameters concerned are left
//! out, and if that is not enough, all of them. The tool stays callable; its
//! server checks the arguments anyway. Nothing is ever fetched.

mod cost;
mod pattern;

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicUsize, Ordering},
};

use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use crate::schema::{one_of, short_text};
use cost::Cost;

/// The work of one check: that of the schema times the size of the arguments.
/// About half a second in the worst case.
const MAX_WORK: u64 = 5_000_000;

/// The work that is worth collecting several problems. Each is built with
/// copies of what it is about.
const MAX_WORK_FOR_SEVERAL: u64 = 100_000;

/// The work that is done at once. More is done where nobody else waits.
const MAX_WORK_AT_ONCE: u64 = 50_000;

/// Values, names and pieces of text of a schema that is compiled at once. A
/// dozen parameters with a sentence each have that.
const MAX_QUICK_SCHEMA: usize = 300;

/// Bytes of all compiled schemas of a server. The tools of the largest known
/// servers need a tenth of it.
const MAX_COMPILED: usize = 64 << 20;

/// What the compiled schemas of a server may still take.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicUsize::new(MAX_COMPILED))
    }
}

impl Budget {
    fn take(&self, bytes: usize) -> Option<()> {
        let take = |left: usize| left.checked_sub(bytes);
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.ok().map(drop)
    }
}

/// A compiled schema.
pub(super) struct Check {
    validator: Validator,
    cost: Cost,
}

impl Check {
    /// Compiles a schema, or what can be used of it, if checking against it is
    /// worth the work. May take a tenth of a second.
    pub(super) fn compile(schema: &Value, budget: &Budget) -> Option<Self> {
        Self::whole(schema, budget).or_else(|| Self::whole(&usable(schema)?, budget))
    }

    /// Whether compiling it takes less than a millisecond.
    pub(super) fn is_compiled_quickly(schema: &Value) -> bool {
        fn is_small(value: &Value, left: &mut usize) -> bool {
            let mut take = |size: usize| match left.checked_sub(size) {
                Some(rest) => {
                    *left = rest;
                    true
                }
                None => false,
            };
            match value {
                Value::String(text) => take(text.len() / 16 + 1),
                Value::Array(items) => {
                    take(items.len() + 1) && items.iter().all(|item| is_small(item, left))
                }
                Value::Object(fields) => {
                    take(fields.len() + 1)
                        && fields.iter().all(|(key, value)| {
                            !matches!(key.as_str(), "pattern" | "patternProperties")
                                && is_small(value, left)
                        })
                }
                _ => take(1),
            }
        }
        is_small(schema, &mut { MAX_QUICK_SCHEMA })
    }

    fn whole(schema: &Value, budget: &Budget) -> Option<Self> {
        // Someone else's code on a stranger's data.
        let cost = std::panic::catch_unwind(AssertUnwindSafe(|| Cost::of(schema)));
        let cost = cost.ok().flatten()?;
        budget.take(cost.bytes)?;
        let build = || {
            jsonschema::options()
                .with_retriever(Nothing)
                // Whoever writes the arguments chooses what is read as a
                // regular expression, an address or JSON then.
                .should_validate_formats(false)
                .without_content_media_type_support("application/json")
                .without_content_encoding_support("base64")
                .with_pattern_options(pattern::backtracking(pattern::LARGE))
                .build(schema)
        };
        let built = std::panic::catch_unwind(AssertUnwindSafe(build));
        let validator = built.ok()?.ok()?;
        Some(Self { validator, cost })
    }

    /// Whether the arguments of this length are checked in less than a
    /// millisecond.
    pub(super) fn is_quick(&self, length: usize) -> bool {
        // Each value has at least two bytes.
        let size = Size {
            values: length as u64 / 2,
            text: length as u64,
        };
        self.work(&size) <= MAX_WORK_AT_ONCE
    }

    fn work(&self, size: &Size) -> u64 {
        let values = self.cost.work.saturating_mul(size.values + size.text / 64);
        let text = self.cost.text_work.saturating_mul(size.text / 8);
        values.saturating_add(text)
    }

    /// The first problems of the arguments, each in a short sentence. Where
    /// numbers in them were rounded, only those that do not depend on numbers:
    /// the server, which gets the digits, knows better.
    pub(super) fn problems(
        &self,
        arguments: &Value,
        is_rounded: bool,
        most: usize,
    ) -> Vec<Problem> {
        let mut size = Size::default();
        size.add(arguments);
        let work = self.work(&size);
        if work > MAX_WORK {
            return Vec::new();
        }
        let check = || {
            let is_certain =
                |error: &ValidationError<'_>| !is_rounded || !depends_on_numbers(error);
            if work > MAX_WORK_FOR_SEVERAL {
                let error = self.validator.validate(arguments).err();
                let error = error.filter(|error| is_certain(error));
                return error.iter().filter_map(Problem::new).collect();
            }
            self.validator
                .iter_errors(arguments)
                .filter(is_certain)
                .filter_map(|error| Problem::new(&error))
                .take(most)
                .collect()
        };
        std::panic::catch_unwind(AssertUnwindSafe(check)).unwrap_or_default()
    }
}

/// The schema of an object without the parameters that cannot be checked.
/// Leaving out anything deeper could turn its meaning around, as below `not`.
fn usable(schema: &Value) -> Option<Value> {
    let fields = schema.as_object()?;
    let is_bounded = |part: &&Value| Cost::is_bounded(schema, part);
    let mut usable = Map::new();
    for key in ["$schema", "type", "required"] {
        if let Some(value) = fields.get(key) {
            usable.insert(key.to_owned(), value.clone());
        }
    }
    if let (Some(value @ Value::Bool(_)), None) = (
        fields.get("additionalProperties"),
        fields.get("patternProperties"),
    ) {
        usable.insert("additionalProperties".to_owned(), value.clone());
    }
    for key in ["$defs", "definitions"] {
        let parts = fields.get(key).and_then(Value::as_object);
        let bounded = parts
            .into_iter()
            .flatten()
            .filter(|part| is_bounded(&part.1));
        let bounded: Map<_, _> = bounded.map(|(k, v)| (k.clone(), v.clone())).collect();
        if !bounded.is_empty() {
            usable.insert(key.to_owned(), bounded.into());
        }
    }
    let parts = fields.get("properties")?.as_object()?;
    // Each is looked at with all that it refers to.
    if parts.len() > MAX_PARTS {
        return None;
    }
    let parts = parts.iter().map(|(name, part)| {
        let part = is_bounded(&part).then(|| part.clone());
        (name.clone(), part.unwrap_or(Value::Bool(true)))
    });
    usable.insert("properties".to_owned(), parts.collect::<Map<_, _>>().into());
    Some(usable.into())
}

/// Parameters of a tool that are looked at one by one.
const MAX_PARTS: usize = 200;

/// How much there is to check.
#[derive(Default)]
struct Size {
    values: u64,
    text: u64,
}

impl Size {
    fn add(&mut self, value: &Value) {
        self.values += 1;
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(fields) => fields.iter().for_each(|(key, field)| {
                self.text += key.len() as u64;
                self.add(field);
            }),
            Value::String(text) => self.text += text.len() as u64,
            _ => {}
        }
    }
}

/// Whether an error could be another one if numbers had other digits.
fn depends_on_numbers(error: &ValidationError<'_>) -> bool {
    use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
    let instance = error.instance();
    match error.kind() {
        Kind::Required { .. } | Kind::AdditionalProperties { .. } => false,
        Kind::Type { kind } => {
            let is_integer = |kind| kind == jsonschema::JsonType::Integer;
            let wants_integer = match kind {
                TypeKind::Single(kind) => is_integer(*kind),
                TypeKind::Multiple(kinds) => kinds.iter().any(is_integer),
            };
            wants_integer && instance.is_number()
        }
        _ => has_numbers(instance),
    }
}

fn has_numbers(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Array(items) => items.iter().any(has_numbers),
        Value::Object(fields) => fields.values().any(has_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Something wrong with the arguments.
pub(super) enum Problem {
    /// A required parameter is not there.
    Missing(String),
    /// There is no such parameter.
    Unknown(String),
    /// A value does not fit; the sentence says which and why.
    Unfit(String),
}

impl Problem {
    fn new(error: &ValidationError<'_>) -> Option<Self> {
        use jsonschema::error::ValidationErrorKind as Kind;
        let path = error.instance_path().to_string();
        let at_top = path.is_empty();
        let place = place(&path);
        let got = got(error.instance());
        Some(match error.kind() {
            // Ours, or too hard to tell.
            Kind::BacktrackLimitExceeded { .. }
            | Kind::RegexEngineFailure { .. }
            | Kind::Referencing(_) => return None,
            Kind::Required { property } if at_top => {
                Self::Missing(property.as_str().unwrap_or_default().to_owned())
            }
            Kind::AdditionalProperties { unexpected } if at_top => {
                Self::Unknown(unexpected.first().cloned().unwrap_or_default())
            }
            Kind::Required { property } => {
                Self::Unfit(format!("{place} lacks {}", short(property)))
            }
            Kind::Type { .. } => {
                let schema = kinds(error.kind());
                Self::Unfit(format!("{place} must be {schema}, not {got}"))
            }
            Kind::Enum { options } => {
                let wanted = match &**options {
                    Value::Array(values) => one_of(values.iter().map(short)),
                    other => short(other),
                };
                Self::Unfit(format!("{place} must be {wanted}, not {got}"))
            }
            _ => {
                let why: String = error
                    .masked_with("the value")
                    .to_string()
                    .chars()
                    .take(200)
                    .collect();
                Self::Unfit(format!("{place}: {why}"))
            }
        })
    }
}

fn kinds(kind: &jsonschema::error::ValidationErrorKind) -> String {
    use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
    match kind {
        Kind::Type {
            kind: TypeKind::Single(kind),
        } => kind.to_string(),
        Kind::Type {
            kind: TypeKind::Multiple(kinds),
        } => {
            let kinds: Vec<_> = kinds.iter().map(|kind| kind.to_string()).collect();
            kinds.join(" or ")
        }
        _ => "something else".to_owned(),
    }
}

/// `/filters/0/name` as people write it.
fn place(path: &str) -> String {
    let mut parts = path.split('/').skip(1).map(short_text);
    let Some(first) = parts.next() else {
        return "the arguments".to_owned();
    };
    let rest: String = parts.take(8).map(|part| format!("[{part}]")).collect();
    format!("`{first}{rest}`")
}

fn got(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {}", short(&Value::from(text.as_str()))),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", short_text(text)),
        Value::Array(_) => "list".to_owned(),
        Value::Object(_) => "object".to_owned(),
        scalar => scalar.to_string(),
    }
}

/// Fetches nothing.
struct Nothing;

impl jsonschema::Retrieve for Nothing {
    fn retrieve(
        &self,
        _: &jsonschema::Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("schemas are not fetched".into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_checked(schema: Value) -> bool {
        Check::whole(&schema, &Budget::default()).is_some()
    }

    /// The parameters of which something is said, of those given.
    fn unfit(schema: &Value, arguments: &Value) -> Vec<String> {
        let check = Check::compile(schema, &Budget::default());
        let problems = check.map(|check| check.problems(arguments, false, 5));
        let problems = problems.into_iter().flatten();
        let mut names: Vec<_> = problems
            .map(|problem| match problem {
                Problem::Missing(name) | Problem::Unknown(name) => name,
                Problem::Unfit(sentence) => sentence.split('`').nth(1).unwrap().to_owned(),
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn parameters_that_cannot_be_checked_do_not_hide_the_others() {
        let wrong = json!({"a": 7, "good": "x", "other": 1});
        for bad in [
            json!({"type": "string", "pattern": "()".repeat(3_700_000)}),
            json!({"patternProperties": {r"\pL{1000}{1000}": {}}}),
            json!({"enum": (0..100_000).collect::<Vec<_>>()}),
            json!({"items": {"$ref": "#"}}),
            json!({"$ref": "http://127.0.0.1:1/schema"}),
            json!({"$ref": "#/$defs/bad"}),
            json!({"not": {"pattern": "x".repeat(10_000)}}),
            json!({"$id": "http://other/", "$ref": "#/$defs/good"}),
            json!({"$ref": "#/$defs/%67ood"}),
            (0..30).fold(
                json!({}),
                |inner, _| json!({"allOf": [inner], "unevaluatedItems": false}),
            ),
        ] {
            let schema = json!({
                "type": "object",
                "properties": {"a": bad, "good": {"$ref": "#/$defs/good"}, "late": {}},
                "required": ["late"],
                "additionalProperties": false,
                "$defs": {"good": {"type": "integer"}, "bad": {"pattern": "x".repeat(10_000)}},
            });
            assert_eq!(unfit(&schema, &wrong), ["good", "late", "other"], "{bad}");
            assert!(!is_checked(schema));
        }
    }

    #[test]
    fn what_a_program_writes_is_not_read_as_anything_else() {
        for format in ["regex", "idn-hostname", "uri-template"] {
            let schema = json!({
                "$schema": "http://json-schema.org/draft-07/schema#",
                "properties": {"a": {"format": format, "contentMediaType": "application/json"}},
            });
            let arguments = json!({"a": "(".repeat(1_000_000)});
            assert_eq!(unfit(&schema, &arguments), [""; 0], "{format}");
        }
    }

    #[test]
    fn all_checks_of_a_server_share_one_budget() {
        let budget = Budget::default();
        let text = "x".repeat(400 << 10);
        let schema = json!({"properties": {"a": {"const": text}}});
        let compiled = std::iter::repeat_with(|| Check::compile(&schema, &budget));
        let compiled = compiled.take(100).flatten().count();
        assert!((10..60).contains(&compiled), "{compiled}");
    }

    #[test]
    fn the_work_of_a_check_is_bounded_whoever_asks_for_it() {
        let schema = json!({"properties": {"a": {"items": {"pattern": r"^(\pL{100}|x)*$"}}}});
        let check = Check::compile(&schema, &Budget::default()).unwrap();
        assert!(check.is_quick(100));
        assert!(!check.is_quick(8 << 20));
        let arguments = json!({"a": ["é".repeat(4 << 20)]});
        assert!(
            check.problems(&arguments, false, 5).is_empty(),
            "it is not begun"
        );
    }

    #[test]
    fn schemas_that_could_cost_too_much_are_not_checked() {
        assert!(is_checked(json!({"type": "object"})));
        assert!(is_checked(
            json!({"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}})
        ));
        assert!(!is_checked(json!({"properties": {"a": {"$ref": "#"}}})));
        assert!(!is_checked(json!({"$ref": "http://127.0.0.1:1/schema"})));
        assert!(!is_checked(json!({"$ref": "file:///etc/passwd"})));
        assert!(!is_checked(json!({"$dynamicRef": "#x"})));
        assert!(!is_checked(json!({"type": 7})));
        assert!(!is_checked(
            json!({"$schema": "http://127.0.0.1:1/draft", "type": "object"})
        ));

        // Each level refers twice to the next: 2^40 steps if it were followed.
        let mut definitions = Map::new();
        for level in 0..40 {
            let next = json!({"$ref": format!("#/$defs/L{}", level + 1)});
            definitions.insert(format!("L{level}"), json!({"allOf": [next, next]}));
        }
        definitions.insert("L40".to_owned(), json!({"type": "object"}));
        assert!(!is_checked(
            json!({"$ref": "#/$defs/L0", "$defs": definitions})
        ));

        let mut deep = json!({"type": "string"});
        for _ in 0..100 {
            deep = json!({"items": deep});
        }
        assert!(!is_checked(deep));
    }

    #[test]
    fn a_regular_expression_that_backtracks_for_ever_is_given_up() {
        let check = Check::compile(
            &json!({
                "properties": {"a": {"pattern": "^(?=(a+)+$)(a+)+b$"}},
            }),
            &Budget::default(),
        );
        let arguments = json!({"a": format!("{}!", "a".repeat(40))});
        let started = std::time::Instant::now();
        if let Some(check) = check {
            check.problems(&arguments, false, 5);
        }
        assert!(started.elapsed().as_secs() < 2);
    }
}
