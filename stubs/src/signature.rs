//! How a tool is called, on one line, where many are listed and every word costs:
//! `list_issues(owner: str, state?: "open"|"closed") -> list[{id: int, title: str}]`.
//!
//! Less than a stub: no descriptions, no defaults, and of large types only the
//! kind. Names are those of Python.

use crate::{
    names::parameter_identifiers,
    schema::{Literal, Object, Schema, Type},
    text,
    tool::Tool,
};

/// The longest signature, in bytes. A longer one would not be read.
const MAX_SIGNATURE: usize = 400;

/// Parameters that are shown.
const MAX_PARAMETERS: usize = 16;

/// Fields of an object, and values of an enumeration, that are shown.
const MAX_SHOWN: usize = 8;

/// Levels of objects and lists that are shown.
const MAX_DEPTH: usize = 3;

/// The longest name or value of a stranger, in bytes.
const MAX_TEXT: usize = 40;

/// The signature of a tool, on one line.
///
/// ```
/// use serde_json::json;
/// use wasm_coordinator_stubs::{names::tool_names, signature::signature, tool::Tool};
/// let names = tool_names(["get-page"]);
/// let input = json!({ "type": "object", "properties": {
///     "url": { "type": "string" }, "raw": { "type": "boolean" } }, "required": ["url"] });
/// let tool = Tool { name: "get-page", names: &names[0], title: "", description: "",
///                   input: &input, output: None, is_wrapped: false };
/// assert_eq!(signature(&tool), "get_page(url: str, raw?: bool)");
/// ```
pub fn signature(tool: &Tool<'_>) -> String {
    let schema = tool.parameters();
    let mut fields: Vec<_> = schema
        .object()
        .map(|object| object.fields.iter().collect())
        .unwrap_or_default();
    fields.sort_by_key(|field: &&crate::schema::Field| !field.required);
    let names = parameter_identifiers(fields.iter().map(|field| field.name.as_str()));
    // Less and less is shown until it is short enough.
    for depth in (0..=MAX_DEPTH).rev() {
        let mut shown: Vec<String> = Vec::new();
        for (field, name) in fields.iter().zip(&names).take(MAX_PARAMETERS) {
            let mark = if field.required { "" } else { "?" };
            let ty = written(&schema, &field.ty, depth);
            shown.push(format!("{name}{mark}: {ty}"));
        }
        if fields.len() > shown.len() {
            shown.push("...".to_owned());
        }
        let mut line = format!("{}({})", tool.names.python, shown.join(", "));
        if let Some(result) = tool.result() {
            line += " -> ";
            line += &written(&result, &result.root, depth);
        }
        if line.len() <= MAX_SIGNATURE {
            return line;
        }
    }
    format!("{}(...)", tool.names.python)
}

fn written(schema: &Schema, ty: &Type, depth: usize) -> String {
    let inner = |ty: &Type| written(schema, ty, depth.saturating_sub(1));
    match schema.resolved(ty) {
        Type::Any | Type::Reference(_) => "Any".to_owned(),
        Type::Null => "None".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Integer => "int".to_owned(),
        Type::Number => "float".to_owned(),
        Type::String => "str".to_owned(),
        Type::Literals(literals) => values(literals),
        Type::Array(_) if depth == 0 => "list".to_owned(),
        Type::Array(ty) => format!("list[{}]", inner(ty)),
        Type::Map(_) if depth == 0 => "dict".to_owned(),
        Type::Map(ty) => format!("dict[str, {}]", inner(ty)),
        Type::Tuple(_) if depth == 0 => "list".to_owned(),
        Type::Tuple(types) => joined(types.iter().map(inner), ", ", "tuple[", "]"),
        // One that means itself would never end.
        Type::Union(types) if depth == 0 && types.iter().any(is_reference) => "Any".to_owned(),
        Type::Union(types) => joined(types.iter().map(inner), " | ", "", ""),
        Type::Object(object) => fields(object, depth, inner),
    }
}

fn is_reference(ty: &Type) -> bool {
    matches!(ty, Type::Reference(_))
}

fn fields(object: &Object, depth: usize, inner: impl Fn(&Type) -> String) -> String {
    if depth == 0 || object.fields.is_empty() {
        return "dict".to_owned();
    }
    let fields = object.fields.iter().map(|field| {
        let mark = if field.required { "" } else { "?" };
        format!("{}{mark}: {}", key(&field.name), inner(&field.ty))
    });
    joined(fields, ", ", "{", "}")
}

fn joined(
    parts: impl ExactSizeIterator<Item = String>,
    between: &str,
    open: &str,
    close: &str,
) -> String {
    let more = parts.len() > MAX_SHOWN;
    let mut parts: Vec<String> = parts.take(MAX_SHOWN).collect();
    if more {
        parts.push("...".to_owned());
    }
    format!("{open}{}{close}", parts.join(between))
}

fn values(literals: &[Literal]) -> String {
    let mut shown: Vec<String> = literals
        .iter()
        .take(MAX_SHOWN)
        .map(|literal| match literal {
            Literal::Null => "None".to_owned(),
            Literal::Boolean(true) => "True".to_owned(),
            Literal::Boolean(false) => "False".to_owned(),
            Literal::Number(number) => number.to_string(),
            Literal::String(text) => text::python_string(&text::line(text, MAX_TEXT)),
        })
        .collect();
    if literals.len() > shown.len() {
        shown.push("...".to_owned());
    }
    shown.join("|")
}

/// A key of a stranger: as it is where it is a plain word, else as a string.
fn key(name: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.len() <= MAX_TEXT && name.chars().all(is_word) {
        return name.to_owned();
    }
    text::python_string(&text::line(name, MAX_TEXT))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::names::tool_names;

    fn of(input: Value, output: Value) -> String {
        let names = tool_names(["list-issues"]);
        signature(&Tool {
            name: "list-issues",
            names: &names[0],
            title: "",
            description: "",
            input: &input,
            output: Some(&output).filter(|output| !output.is_null()),
            is_wrapped: false,
        })
    }

    #[test]
    fn a_signature_has_parameters_types_and_the_result() {
        let input = json!({ "type": "object", "required": ["owner"], "properties": {
            "state": { "enum": ["open", "closed"] },
            "owner": { "type": "string" },
            "labels": { "type": "array", "items": { "type": "string" } },
            "from": { "type": "object", "properties": { "a b": { "type": "integer" } } },
        } });
        let output = json!({ "type": "object", "required": ["id"], "properties": {
            "id": { "type": "integer" }, "title": { "type": ["string", "null"] } } });
        assert_eq!(
            of(input, output),
            "list_issues(owner: str, state?: 'open'|'closed', labels?: list[str], \
             from_?: {'a b'?: int}) -> {id: int, title?: str | None}"
                .replace('\'', "\"")
        );
        assert_eq!(of(json!({}), Value::Null), "list_issues()");
    }

    #[test]
    fn a_signature_is_one_short_line_whatever_the_schema() {
        let evil = "x\n\"\"\" \u{202e}\u{0}` # import os".repeat(50);
        let mut deep = json!({ "type": "string" });
        for _ in 0..20 {
            deep = json!({ "type": "object", "properties": { &evil: deep } });
        }
        let many: serde_json::Map<String, Value> = (0..500)
            .map(|n| (format!("{evil}{n}"), json!({ "enum": [evil, n] })))
            .collect();
        for schema in [
            deep.clone(),
            json!({ "type": "object", "properties": { &evil: { "enum": vec![&evil; 300] } } }),
            json!({ "type": "object", "properties": many }),
            json!({ "$ref": "#" }),
            json!(7),
        ] {
            let line = of(schema.clone(), schema);
            assert!(line.len() <= MAX_SIGNATURE, "{line}");
            assert!(line.starts_with("list_issues("), "{line}");
            assert!(
                !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
                "{line}"
            );
        }
    }
}
