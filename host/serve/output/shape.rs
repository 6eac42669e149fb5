//! The shape of a JSON value: types, counts and fields, in few words.

use std::collections::BTreeSet;

use contract::json::marked_number;
use serde_json::{Map, Value, json};

/// Items of a list that are looked at, evenly spread. The shape says how many
/// there are.
const MAX_SAMPLED: usize = 500;

/// Fields of an object that are named.
const MAX_FIELDS: usize = 40;

/// Levels below which a shape is only a type.
const MAX_DEPTH: usize = 5;

/// The shape of a value, as JSON: the name of a type, or an object with `type`
/// and `count` and `items`, or `fields`.
pub(super) fn shape(value: &Value) -> Value {
    shape_of(&[value], MAX_DEPTH)
}

/// What several values have in common.
fn shape_of(values: &[&Value], depth: usize) -> Value {
    let kinds: BTreeSet<&str> = values.iter().map(|value| kind(value)).collect();
    let only = (kinds.len() == 1).then(|| *kinds.first().expect("there is one"));
    match only {
        Some("array") if depth > 0 => {
            let lists = values.iter().filter_map(|value| value.as_array());
            let counts: Vec<usize> = lists.clone().map(Vec::len).collect();
            let items: Vec<&Value> = lists.flatten().collect();
            let mut shape = json!({ "type": "array", "count": range(&counts) });
            if !items.is_empty() {
                shape["items"] = shape_of(&spread(&items, MAX_SAMPLED), depth - 1);
            }
            shape
        }
        Some("object") if depth > 0 => {
            let objects: Vec<_> = values
                .iter()
                .filter_map(|value| value.as_object())
                .collect();
            json!({ "type": "object", "fields": fields(&objects, depth - 1) })
        }
        _ => Value::String(kinds.into_iter().collect::<Vec<_>>().join(" | ")),
    }
}

fn fields(objects: &[&Map<String, Value>], depth: usize) -> Value {
    let mut names: Vec<&String> = Vec::new();
    let mut known = BTreeSet::new();
    let mut total = 0;
    for name in objects.iter().flat_map(|object| object.keys()) {
        if known.insert(name) {
            total += 1;
            if names.len() < MAX_FIELDS {
                names.push(name);
            }
        }
    }
    let mut fields = Map::new();
    for name in names {
        let values: Vec<&Value> = objects
            .iter()
            .filter_map(|object| object.get(name))
            .collect();
        let optional = if values.len() < objects.len() {
            "?"
        } else {
            ""
        };
        fields.insert(format!("{name}{optional}"), shape_of(&values, depth));
    }
    if total > MAX_FIELDS {
        let more = format!("{} more fields", total - MAX_FIELDS);
        fields.insert("…".to_owned(), Value::String(more));
    }
    Value::Object(fields)
}

/// The type of a value, as JSON schemas name it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(text) => match marked_number(text) {
            Some(number) if number.contains(['.', 'e', 'E']) => "number",
            Some(_) => "integer",
            None => "string",
        },
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// At most so many of them, evenly spread, the first and the last among them.
pub(super) fn spread<T: Copy>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most {
        return items.to_vec();
    }
    let last = items.len() - 1;
    let steps = most.saturating_sub(1).max(1);
    (0..most).map(|step| items[step * last / steps]).collect()
}

fn range(counts: &[usize]) -> Value {
    let (least, most) = (counts.iter().min(), counts.iter().max());
    match (least, most) {
        (Some(least), Some(most)) if least == most => json!(least),
        (Some(least), Some(most)) => Value::String(format!("{least} to {most}")),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_says_types_counts_and_fields() {
        let rows = json!([
            { "id": 1, "tags": ["a"], "score": 0.5 },
            { "id": 2, "tags": [], "note": null },
        ]);
        let expected = json!({
            "type": "array",
            "count": 2,
            "items": { "type": "object", "fields": {
                "id": "integer",
                "tags": { "type": "array", "count": "0 to 1", "items": "string" },
                "score?": "number",
                "note?": "null",
            } },
        });
        assert_eq!(shape(&rows), expected);
        assert_eq!(shape(&json!("x")), json!("string"));
        assert_eq!(shape(&json!([1, "a"]))["items"], json!("integer | string"));
    }

    #[test]
    fn a_shape_is_small_whatever_the_value() {
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        assert!(shape(&deep).to_string().len() < 400);
        let wide: Map<String, Value> = (0..10_000).map(|n| (format!("k{n}"), json!(n))).collect();
        let wide = shape(&Value::Object(wide));
        assert_eq!(wide["fields"]["…"], "9960 more fields");
        assert_eq!(spread(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4), [0, 3, 6, 9]);
    }
}
