//! What a tool's input schema says of its parameters.

use serde_json::Value;
use stubs::schema::{Literal, Schema, Type};

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
pub(super) fn one_of(values: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 6;
    let more = if values.len() > SHOWN { " or …" } else { "" };
    let shown: Vec<_> = values.take(SHOWN).collect();
    format!("{}{more}", shown.join(" or "))
}

pub(super) fn short_text(text: &str) -> String {
    const MAX_SHOWN: usize = 40;
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(MAX_SHOWN).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
}
