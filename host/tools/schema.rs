//! What a tool's input schema says: its parameters, and whether arguments fit.
//!
//! Schemas are written by strangers, so a check is worth only bounded work.
//! One that is broken, recursive, too large or points anywhere outside itself
//! is not checked here at all; the server checks its arguments anyway. Nothing
//! is ever fetched.

use std::{collections::HashMap, panic::AssertUnwindSafe};

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};
use stubs::schema::{Literal, Schema, Type};

/// The deepest schema that is looked at. Honest ones have a dozen levels.
const MAX_DEPTH: usize = 48;

/// The work of checking one value against a schema, with all references
/// followed. Beyond it a schema is a bomb or a data set.
const MAX_COST: u64 = 20_000;

/// The work of one check: cost of the schema times size of the arguments.
const MAX_WORK: u64 = 5_000_000;

/// Steps of a backtracking regular expression.
const MAX_BACKTRACKING: usize = 10_000;

/// A parameter of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) required: bool,
    /// Its type in a few words.
    pub(super) kind: String,
    /// What the schema says about it; may be empty.
    pub(super) description: String,
    /// Whether `null` can be told to be no value for it.
    pub(super) refuses_null: bool,
}

/// The parameters, the required ones first, otherwise in the schema's order:
/// the same that the files of the tool show.
pub(super) fn parameters(schema: &Value) -> Vec<Parameter> {
    let schema = Schema::read_parameters(schema);
    let fields = schema.object().map_or(&[][..], |object| &object.fields);
    let mut parameters: Vec<_> = fields
        .iter()
        .map(|field| Parameter {
            name: field.name.clone(),
            required: field.required,
            kind: kind(&schema, &field.ty, 2),
            description: field.description.clone(),
            refuses_null: refuses_null(&field.ty),
        })
        .collect();
    parameters.sort_by_key(|parameter| !parameter.required);
    parameters
}

/// Whether a schema says that there are no parameters but its properties. Not
/// saying anything is taken for yes where a name looks misspelt.
pub(super) fn welcomes_other_names(schema: &Value) -> bool {
    let fields = ["additionalProperties", "patternProperties"];
    let says = |field| match schema.get(field) {
        None | Some(Value::Bool(false)) => false,
        Some(_) => true,
    };
    fields.into_iter().any(says)
}

/// What is not plain may have a `null` inside, or may not be understood.
fn refuses_null(ty: &Type) -> bool {
    match ty {
        Type::Boolean | Type::Integer | Type::Number | Type::String => true,
        Type::Array(_) | Type::Tuple(_) | Type::Map(_) | Type::Object(_) => true,
        Type::Any | Type::Null | Type::Literals(_) | Type::Union(_) | Type::Reference(_) => false,
    }
}

/// The type of a parameter for people, a few words long.
fn kind(schema: &Schema, ty: &Type, depth: usize) -> String {
    match schema.resolved(ty) {
        Type::Any | Type::Reference(_) => "any".to_owned(),
        Type::Null => "null".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Integer => "integer".to_owned(),
        Type::Number => "number".to_owned(),
        Type::String => "string".to_owned(),
        Type::Literals(literals) => one_of(literals.iter().map(|literal| match literal {
            Literal::Null => "null".to_owned(),
            Literal::Boolean(value) => value.to_string(),
            Literal::Number(number) => number.to_string(),
            Literal::String(text) => format!("{:?}", short_text(text)),
        })),
        Type::Array(items) if depth > 0 && **items != Type::Any => {
            format!("list of {}", kind(schema, items, depth - 1))
        }
        Type::Array(_) | Type::Tuple(_) => "list".to_owned(),
        Type::Map(_) | Type::Object(_) => "object".to_owned(),
        Type::Union(_) if depth == 0 => "any".to_owned(),
        Type::Union(types) => {
            let mut kinds: Vec<_> = types
                .iter()
                .take(4)
                .map(|ty| kind(schema, ty, depth - 1))
                .collect();
            kinds.dedup();
            kinds.join(" or ")
        }
    }
}

/// Some of several values.
fn one_of(values: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 6;
    let more = if values.len() > SHOWN { " or …" } else { "" };
    let shown: Vec<_> = values.take(SHOWN).collect();
    format!("{}{more}", shown.join(" or "))
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", short_text(text)),
        Value::Array(_) => "list".to_owned(),
        Value::Object(_) => "object".to_owned(),
        scalar => scalar.to_string(),
    }
}

fn short_text(text: &str) -> String {
    const MAX_SHOWN: usize = 40;
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(MAX_SHOWN).map(plain).collect()
}

/// A compiled schema.
pub(super) struct Check {
    validator: Validator,
    cost: u64,
}

impl Check {
    /// Compiles a schema, if checking against it is worth the work.
    pub(super) fn compile(schema: &Value) -> Option<Self> {
        let cost = Costs::default().of(schema, schema, 0)?;
        let build = || {
            jsonschema::options()
                .with_retriever(Nothing)
                .with_pattern_options(
                    PatternOptions::fancy_regex()
                        .backtrack_limit(MAX_BACKTRACKING)
                        .size_limit(1 << 20),
                )
                .build(schema)
        };
        // Someone else's code on a stranger's data.
        let built = std::panic::catch_unwind(AssertUnwindSafe(build));
        let validator = built.ok()?.ok()?;
        Some(Self { validator, cost })
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
        let mut size = 0;
        count(arguments, &mut size);
        if self.cost.saturating_mul(size) > MAX_WORK {
            return Vec::new();
        }
        let check = || {
            self.validator
                .iter_errors(arguments)
                .filter(|error| !is_rounded || !depends_on_numbers(error))
                .filter_map(|error| Problem::new(&error))
                .take(most)
                .collect()
        };
        std::panic::catch_unwind(AssertUnwindSafe(check)).unwrap_or_default()
    }
}

fn count(value: &Value, size: &mut u64) {
    *size += 1;
    match value {
        Value::Array(items) => items.iter().for_each(|item| count(item, size)),
        Value::Object(fields) => fields.values().for_each(|field| count(field, size)),
        Value::String(text) => *size += text.len() as u64 / 64,
        _ => {}
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

/// How much work a schema can make, with references followed.
#[derive(Default)]
struct Costs<'s> {
    targets: HashMap<&'s str, Option<u64>>,
    nodes: u64,
}

impl<'s> Costs<'s> {
    /// `None` for a schema that is recursive, points outside itself, or is too
    /// large.
    fn of(&mut self, root: &'s Value, schema: &'s Value, depth: usize) -> Option<u64> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_COST {
            return None;
        }
        let cost = match schema {
            Value::Object(fields) => self.of_object(root, fields, depth)?,
            Value::Array(items) => self.sum(root, items.iter(), depth)?,
            _ => 0,
        };
        let cost = cost.saturating_add(1);
        (cost <= MAX_COST).then_some(cost)
    }

    fn of_object(
        &mut self,
        root: &'s Value,
        fields: &'s Map<String, Value>,
        depth: usize,
    ) -> Option<u64> {
        if ["$dynamicRef", "$recursiveRef"]
            .iter()
            .any(|key| fields.contains_key(*key))
        {
            return None;
        }
        // What is only referred to is counted where it is.
        let own = fields
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "$defs" | "definitions"))
            .map(|(_, value)| value);
        let own = self.sum(root, own, depth)?;
        let referred = match fields.get("$ref") {
            Some(Value::String(target)) => self.of_target(root, target, depth)?,
            _ => 0,
        };
        Some(own.saturating_add(referred))
    }

    fn of_target(&mut self, root: &'s Value, target: &'s str, depth: usize) -> Option<u64> {
        match self.targets.get(target) {
            // Being counted right now: it contains itself.
            Some(None) => return None,
            Some(Some(cost)) => return Some(*cost),
            None => {}
        }
        let schema = root.pointer(target.strip_prefix('#')?)?;
        self.targets.insert(target, None);
        let cost = self.of(root, schema, depth + 1)?;
        self.targets.insert(target, Some(cost));
        Some(cost)
    }

    fn sum(
        &mut self,
        root: &'s Value,
        values: impl Iterator<Item = &'s Value>,
        depth: usize,
    ) -> Option<u64> {
        let mut sum = 0_u64;
        for value in values {
            sum = sum.saturating_add(self.of(root, value, depth + 1)?);
        }
        Some(sum)
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
        Check::compile(&schema).is_some()
    }

    #[test]
    fn parameters_come_required_first_with_types_in_words() {
        let schema = json!({
            "properties": {
                "limit": {"type": "integer"},
                "owner": {"type": "string"},
                "labels": {"type": "array", "items": {"type": "string"}},
                "state": {"enum": ["open", "closed", null]},
                "since": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "who": {"$ref": "#/$defs/Who"},
                "odd": 7,
            },
            "required": ["owner", 3],
            "$defs": {"Who": {"properties": {}}},
        });
        let shown: Vec<_> = parameters(&schema)
            .into_iter()
            .map(|p| format!("{} {} {}", p.name, p.kind, p.refuses_null))
            .collect();
        assert_eq!(
            shown,
            [
                "owner string true",
                "limit integer true",
                "labels list of string true",
                "state \"open\" or \"closed\" or null false",
                "since string or null false",
                "who object false",
                "odd any false",
            ]
        );
        assert!(parameters(&json!({"properties": [], "required": "x"})).is_empty());

        let composed = json!({
            "allOf": [{"properties": {"from": {"type": "string"}}, "required": ["from"]}],
            "properties": {"to": {"type": "string", "description": "where"}},
        });
        let names: Vec<_> = parameters(&composed)
            .into_iter()
            .map(|p| (p.name, p.required, p.description))
            .collect();
        let own = |name: &str, required, description: &str| {
            (name.to_owned(), required, description.to_owned())
        };
        assert_eq!(names, [own("from", true, ""), own("to", false, "where")]);
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
        let check = Check::compile(&json!({
            "properties": {"a": {"pattern": "^(?=(a+)+$)(a+)+b$"}},
        }));
        let arguments = json!({"a": format!("{}!", "a".repeat(40))});
        let started = std::time::Instant::now();
        if let Some(check) = check {
            check.problems(&arguments, false, 5);
        }
        assert!(started.elapsed().as_secs() < 2);
    }
}
