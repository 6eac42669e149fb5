//! Arguments that programs give a tool, and the schema that a server gave it.
//!
//! What is refused does not fit, as a validator sees it that knows no bounds; of
//! schemas without difficulties, what is accepted fits; and the tool gets what the
//! program wrote.

use std::sync::{Arc, Mutex, PoisonError};

use contract::message::CallErrorKind;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use tools::{Grants, LocalTools, ServerLimits, ServerSpec, Toolbox};

use crate::input::Input;
use crate::runner::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "arguments",
    run,
    seeds: Vec::new,
    words: &["\"type\"", "\"$ref\"", "null", "[", "{"],
    longest: 4 << 10,
    // The validator of a schema, and the one that judges it.
    memory: |length| (64 << 20) + 1000 * length,
};

/// Names of parameters.
const NAMES: [&str; 7] = ["a", "issueNumber", "issue_number", "class", "é", "", "x-y"];

/// Values, as texts.
const WORDS: [&str; 8] = ["", "a", "b", "7", "null", "é", "{}", "[1]"];

/// What schemas are made of that may mean trouble.
const KEYWORDS: [&str; 22] = [
    "$ref",
    "$defs",
    "$id",
    "$schema",
    "$anchor",
    "$dynamicRef",
    "#",
    "#/$defs/a",
    "http://127.0.0.1:1/",
    "pattern",
    "(a+)+$",
    "patternProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "unevaluatedProperties",
    "properties",
    "items",
    "type",
    "format",
];

thread_local! {
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("an event loop");
}

fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let is_plain = !input.once_in(3);
    let schema = if is_plain {
        plain_object(&mut input)
    } else {
        input.json(&[&KEYWORDS[..], &WORDS[..], &NAMES[..]].concat(), 6)
    };
    let got: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = Arc::clone(&got);
    let tools = LocalTools::new().tool("f", "", schema.clone(), move |arguments| {
        let mut got = kept.lock().unwrap_or_else(PoisonError::into_inner);
        got.push(arguments);
        async { Ok(Value::Null) }
    });
    let toolbox = Toolbox::new(vec![ServerSpec::local("s", tools)], ServerLimits::default());
    let toolbox = toolbox.expect("a server");
    let all = Grants::default();
    while !input.is_empty() {
        let arguments = arguments(&mut input);
        let text = match input.below(8) {
            0 => String::from_utf8_lossy(&input.bytes(60)).into_owned(),
            _ => arguments.to_string(),
        };
        let call = toolbox.call(&all, "s.f", &text);
        let called = RUNTIME.with(|runtime| runtime.block_on(call));
        let got = std::mem::take(&mut *got.lock().unwrap_or_else(PoisonError::into_inner));
        let context = || format!("{text} for {schema}: {called:?}");
        assert_eq!(got.len(), usize::from(called.is_ok()), "{}", context());
        if let Err(error) = &called {
            let is_known = matches!(error.kind, CallErrorKind::InvalidArguments(_));
            assert!(is_known && !error.message.is_empty(), "{}", context());
        }
        let unchanged = arguments.to_string();
        if is_plain && text == unchanged {
            judge(
                &schema,
                &arguments,
                &got,
                called.as_ref().err().map(|error| &*error.message),
            );
        }
    }
}

/// Compares with what a validator says.
fn judge(schema: &Value, arguments: &Value, got: &[Value], refused: Option<&str>) {
    let Value::Object(fields) = arguments else {
        assert!(
            refused.is_some() || arguments.is_null(),
            "{arguments} is no object and was accepted"
        );
        return;
    };
    // Other spellings become these names, and `null` nothing at all.
    let knows = |name: &String| schema["properties"].get(name).is_some();
    if !fields.keys().all(knows) || fields.values().any(Value::is_null) {
        return;
    }
    if let [got] = got {
        assert_eq!(got, arguments, "the tool got something else");
    }
    let validator = jsonschema::options()
        .should_validate_formats(false)
        .build(schema)
        .expect("a plain schema is one");
    let fits = validator.is_valid(arguments);
    assert_eq!(
        fits,
        refused.is_none(),
        "{arguments} for {schema}: {refused:?}"
    );
}

fn plain_object(input: &mut Input<'_>) -> Value {
    let mut properties = Map::new();
    for _ in 0..input.below(4) {
        properties.insert(input.one_of(&NAMES).to_owned(), plain(input, 3));
    }
    let names: Vec<_> = properties.keys().cloned().collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if input.once_in(2) && !names.is_empty() {
        schema["required"] = json!([input.one_of(&names)]);
    }
    if input.once_in(3) {
        schema["additionalProperties"] = input.once_in(2).into();
    }
    schema
}

/// A schema that says what it means.
fn plain(input: &mut Input<'_>, depth: usize) -> Value {
    match input.below(if depth == 0 { 7 } else { 11 }) {
        0 => json!({}),
        1 => json!({ "type": "string", "maxLength": input.below(3) }),
        2 => json!({ "type": "integer", "minimum": input.below(5) }),
        3 => json!({ "type": ["number", "null"], "exclusiveMaximum": 2.5 }),
        4 => json!({ "type": "boolean" }),
        5 => json!({ "enum": [input.one_of(&WORDS), 7, null] }),
        6 => json!({ "const": input.json(&WORDS, 1) }),
        7 => {
            json!({ "type": "array", "items": plain(input, depth - 1), "minItems": input.below(2) })
        }
        8 => json!({ "anyOf": [plain(input, depth - 1), plain(input, depth - 1)] }),
        9 => json!({ "not": plain(input, depth - 1) }),
        _ => plain_object(input),
    }
}

fn arguments(input: &mut Input<'_>) -> Value {
    if input.once_in(8) {
        return input.json(&WORDS, 3);
    }
    let mut fields = Map::new();
    for _ in 0..input.below(4) {
        let name = input.one_of(&NAMES).to_owned();
        fields.insert(name, input.json(&WORDS, 3));
    }
    fields.into()
}
