//! The definitions are short, and say what the arguments are.

use std::collections::BTreeSet;

use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::*;
use crate::serve::tokens;

/// Every tool once.
fn all() -> Vec<OfferedTool> {
    let mut tools = offered(Mode::Code);
    for tool in offered(Mode::Tools) {
        if !tools.iter().any(|known| known.name == tool.name) {
            tools.push(tool);
        }
    }
    tools
}

#[test]
fn the_definitions_are_short() {
    let tools = offered(Mode::Code);
    let tools: Vec<_> = tools.iter().map(|tool| &tool.definition).collect();
    let count = tokens::count(&serde_json::to_string(&tools).unwrap());
    assert!(count <= 1_241, "the tools cost {count} tokens");
}

#[test]
fn every_schema_is_one() {
    for tool in all() {
        let definition = &tool.definition;
        for schema in [
            Some(&definition.input_schema),
            definition.output_schema.as_ref(),
        ] {
            let schema = Value::Object((**schema.unwrap()).clone());
            assert!(jsonschema::validator_for(&schema).is_ok(), "{}", tool.name);
            assert_eq!(schema["type"], "object");
        }
    }
}

#[test]
fn each_definition_agrees_with_the_arguments_that_are_read() {
    for tool in all() {
        let schema = Value::Object((*tool.definition.input_schema).clone());
        let properties = schema["properties"].as_object().unwrap();
        Checked { tool, properties }.agrees(&schema);
    }
}

/// What an error lists behind a word: names in backticks.
fn listed<'a>(error: &'a str, word: &str) -> BTreeSet<&'a str> {
    let (_, list) = error.split_once(word).unwrap_or_default();
    list.split('`').skip(1).step_by(2).collect()
}

struct Checked<'a> {
    tool: OfferedTool,
    properties: &'a JsonObject,
}

impl Checked<'_> {
    fn read(&self, arguments: &JsonObject) -> Result<String, String> {
        (self.tool.read)(&self.tool.definition.input_schema, arguments.clone())
    }

    #[track_caller]
    fn accepted(&self, arguments: &JsonObject) -> String {
        let name = self.tool.name;
        let shown = Value::Object(arguments.clone());
        self.read(arguments)
            .unwrap_or_else(|error| panic!("{name} {shown}: {error}"))
    }

    #[track_caller]
    fn refused(&self, arguments: &JsonObject) -> String {
        let name = self.tool.name;
        let shown = Value::Object(arguments.clone());
        match self.read(arguments) {
            Ok(read) => panic!("{name} {shown} is read as {read}"),
            Err(error) => error,
        }
    }

    fn agrees(&self, schema: &Value) {
        let full: JsonObject = self
            .properties
            .iter()
            .map(|(name, schema)| (name.clone(), example(schema)))
            .collect();
        self.accepted(&full);

        // There are as many names as are known, and no others.
        let mut more = full.clone();
        more.insert("no such argument".to_owned(), Value::Null);
        let error = self.refused(&more);
        let names: BTreeSet<&str> = self.properties.keys().map(String::as_str).collect();
        assert_eq!(
            listed(&error, "expected"),
            names,
            "{}: {error}",
            self.tool.name
        );
        let error = (self.tool.read_exactly)(more).unwrap_err();
        assert_eq!(
            listed(&error, "expected"),
            names,
            "{}: {error}",
            self.tool.name
        );

        // What is required is, and nothing else.
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let is_required = |name: &String| required.contains(&Value::from(name.as_str()));
        for name in self.properties.keys() {
            let mut less = full.clone();
            less.shift_remove(name);
            if is_required(name) {
                let error = self.refused(&less);
                assert!(
                    error.contains(&format!("`{name}`")) && error.contains("is missing"),
                    "{error}"
                );
            } else {
                self.accepted(&less);
            }
        }
        let mut least = full.clone();
        least.retain(|name, _| is_required(name));
        self.accepted(&least);

        for (name, schema) in self.properties {
            self.property_agrees(name, schema, &full);
        }
    }

    fn property_agrees(&self, name: &str, schema: &Value, full: &JsonObject) {
        let with = |value: Value| {
            let mut arguments = full.clone();
            arguments.insert(name.to_owned(), value);
            arguments
        };
        if let Some(default) = schema.get("default") {
            self.accepted(&with(default.clone()));
        }
        let Some(values) = schema["enum"].as_array() else {
            for wrong in wrong_examples(schema) {
                self.refused(&with(wrong));
            }
            return;
        };
        let known: BTreeSet<String> = values
            .iter()
            .map(|value| self.accepted(&with(value.clone())))
            .collect();
        assert_eq!(known.len(), values.len(), "{name}: values mean the same");
        // Whatever else can be read is told, and the spelling does not matter.
        let error = self.refused(&with("no such value".into()));
        let variants = listed(&error, "it takes");
        assert!(variants.len() >= values.len(), "{error}");
        for variant in variants {
            for variant in [variant.to_owned(), format!(" {} ", variant.to_uppercase())] {
                let read = self.accepted(&with(variant.as_str().into()));
                assert!(known.contains(&read), "`{variant}` of `{name}` is not told");
            }
        }
    }
}

/// A value as the schema of a property wants it.
fn example(schema: &Value) -> Value {
    if let Some(values) = schema["enum"].as_array() {
        return values[0].clone();
    }
    match schema["type"].as_str() {
        Some("string") => json!("text"),
        Some("integer") => json!(3),
        Some("number") => json!(1.5),
        Some("array") => json!([example(&schema["items"])]),
        Some("object") => json!({ "a": 1 }),
        other => panic!("there is no example of {other:?}"),
    }
}

/// Values that the schema of a property does not allow.
fn wrong_examples(schema: &Value) -> Vec<Value> {
    match schema["type"].as_str() {
        Some("string") => vec![json!(3), json!(["text"])],
        Some("integer") => vec![json!("three"), json!(1.5), json!(-1), json!([3])],
        Some("number") => vec![json!("soon"), json!([1.5]), json!(true)],
        Some("array") => vec![json!("text"), json!([{}])],
        Some("object") => vec![json!("text"), json!([1])],
        other => panic!("there is no example of {other:?}"),
    }
}

/// Values that mean the same as one of the schema, as clients write them.
fn other_spellings(schema: &Value) -> Vec<(Value, Value)> {
    if schema.get("enum").is_some() {
        return Vec::new();
    }
    match schema["type"].as_str() {
        Some("integer") => vec![
            (json!("3"), json!(3)),
            (json!(" 3.0 "), json!(3)),
            (json!(3.0), json!(3)),
        ],
        Some("number") => vec![(json!("1.5"), json!(1.5))],
        Some("array") => vec![(json!("[\"text\"]"), json!(["text"]))],
        Some("object") => vec![(json!("{\"a\": 1}"), json!({ "a": 1 }))],
        _ => Vec::new(),
    }
}

#[test]
fn what_clients_write_for_nothing_is_nothing_and_text_is_read() {
    for tool in all() {
        let schema = Value::Object((*tool.definition.input_schema).clone());
        let properties = schema["properties"].as_object().unwrap();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let checked = Checked { tool, properties };
        let full: JsonObject = properties
            .iter()
            .map(|(name, schema)| (name.clone(), example(schema)))
            .collect();
        for (name, schema) in properties {
            let with = |value: Value| {
                let mut arguments = full.clone();
                arguments.insert(name.clone(), value);
                arguments
            };
            let mut without = full.clone();
            without.shift_remove(name);
            if required.contains(&Value::from(name.as_str())) {
                let error = checked.refused(&with(Value::Null));
                assert!(error.contains(&format!("`{name}` is null")), "{error}");
            } else {
                for nothing in [json!(null), json!(""), json!("  ")] {
                    let read = checked.accepted(&with(nothing));
                    assert_eq!(read, checked.accepted(&without), "{name}");
                }
            }
            for (written, meant) in other_spellings(schema) {
                let read = checked.accepted(&with(written));
                assert_eq!(read, checked.accepted(&with(meant)), "{name}");
            }
        }
    }
}

#[test]
fn every_value_that_is_one_of_a_few_has_a_type() {
    fn check(schema: &Value, of: &str) {
        if schema.get("enum").is_some() {
            assert_eq!(schema["type"], "string", "{of}: {schema}");
        }
        match schema {
            Value::Object(fields) => fields.values().for_each(|inner| check(inner, of)),
            Value::Array(items) => items.iter().for_each(|inner| check(inner, of)),
            _ => {}
        }
    }
    for tool in all() {
        check(&json!(tool.definition), tool.name);
    }
}

fn write_file() -> OfferedTool {
    OfferedTool::new::<super::write_file::WriteFile>()
}

#[test]
fn the_check_sees_what_does_not_agree() {
    fn agrees(schema: Value) -> bool {
        let tool = write_file();
        let properties = schema["properties"].as_object().unwrap();
        let checked = Checked { tool, properties };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| checked.agrees(&schema))).is_ok()
    }
    let tool = write_file();
    let schema = Value::Object((*tool.definition.input_schema).clone());
    assert!(agrees(schema.clone()));
    let changed = |pointer: &str, value: Value| {
        let mut schema = schema.clone();
        *schema.pointer_mut(pointer).unwrap() = value;
        schema
    };
    for wrong in [
        changed("/required", json!(["path"])),
        changed("/required", json!(["path", "content", "session"])),
        changed("/properties/content", json!({ "type": "integer" })),
        changed("/properties/encoding/enum", json!(["text"])),
        changed(
            "/properties/encoding/enum",
            json!(["text", "base64", "hex"]),
        ),
        changed("/properties/encoding/default", json!("hex")),
        changed("/properties", json!({ "path": { "type": "string" } })),
    ] {
        assert!(!agrees(wrong.clone()), "{wrong}");
    }
}
