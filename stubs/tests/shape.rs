//! Whatever a server writes, the shape of its stubs depends on the shape of its
//! schemas alone: a definition full of text that tries to break out gives the
//! same syntax tree as one full of harmless words.

mod judges;

use judges::{BREAKERS, Definition, check, python_shape, typescript_shape};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn text() -> impl Strategy<Value = String> {
    let piece = || proptest::collection::vec(proptest::sample::select(BREAKERS), 0..4);
    // Some letters, so that it is not empty; not an identifier, like its twin.
    (piece(), "[a-z]{1,4}", piece()).prop_map(|(before, letters, after)| {
        format!("{}{letters} {}", before.concat(), after.concat())
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!({ "$ref": "#/$defs/A" })),
        (text(), text()).prop_map(|(a, b)| json!({"type": "string", "format": a, "pattern": b})),
        (text(), text()).prop_map(|(a, b)| json!({"type": "string", "default": a, "title": b})),
        (text(), text()).prop_map(|(a, b)| json!({"enum": [a, b, null, 1], "default": a})),
        text().prop_map(|a| json!({"const": a})),
        text().prop_map(|a| json!({"type": "integer", "default": 3, "x-hint": a, "$comment": a})),
        text().prop_map(|a| json!({"type": "array", "default": [a], "examples": [a]})),
        text().prop_map(|a| json!({"default": {a.clone(): a}})),
        text().prop_map(|a| json!({"type": a})),
    ];
    let schema = leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|items| json!({"type": "array", "items": items})),
            inner
                .clone()
                .prop_map(|values| json!({"type": "object", "additionalProperties": values})),
            proptest::collection::vec(inner.clone(), 1..3)
                .prop_map(|all| json!({"prefixItems": all})),
            proptest::collection::vec(inner.clone(), 1..3).prop_map(|all| json!({"anyOf": all})),
            object(inner),
        ]
    });
    (schema, proptest::option::of(text())).prop_map(|(mut schema, description)| {
        if let (Some(fields), Some(text)) = (schema.as_object_mut(), description) {
            fields.insert("description".to_owned(), text.into());
        }
        schema
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::vec((text(), inner, any::<bool>()), 0..4).prop_map(|fields| {
        let required: Vec<_> = fields.iter().filter(|f| f.2).map(|f| f.0.clone()).collect();
        let properties: Map<_, _> = fields
            .into_iter()
            .map(|(name, schema, _)| (name, schema))
            .collect();
        json!({"type": "object", "properties": properties, "required": required})
    })
}

fn definition() -> impl Strategy<Value = Definition> {
    let tool = (
        text(),
        proptest::option::of(text()),
        text(),
        object(schema()),
        proptest::option::of(object(schema())),
        object(schema()),
        text(),
    )
        .prop_map(|(name, title, description, mut input, output, shared, shared_text)| {
            let shared = match shared["properties"].as_object() {
                Some(fields) if !fields.is_empty() => shared,
                _ => json!({"type": "array", "items": {"$ref": "#/$defs/A"}, "description": shared_text}),
            };
            input["$defs"] = json!({ "A": shared });
            let mut tool = json!({"name": name, "description": description, "inputSchema": input});
            if let Some(title) = title {
                tool["title"] = title.into();
            }
            if let Some(mut output) = output {
                output["$defs"] = tool["inputSchema"]["$defs"].clone();
                tool["outputSchema"] = output;
            }
            tool
        });
    let server = (text(), text(), text(), text()).prop_map(|(name, title, version, instructions)| {
        json!({"name": name, "title": title, "version": version, "instructions": instructions})
    });
    (server, proptest::collection::vec(tool, 1..3)).prop_map(|(server, mut tools)| {
        tools.dedup_by_key(|tool| tool["name"].clone());
        Definition { server, tools }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stubs_keep_their_shape(definition in definition()) {
        check(&definition);
    }
}

#[test]
fn each_breaker_alone_keeps_the_shape() {
    for breaker in BREAKERS {
        for text in [
            format!("{breaker} x"),
            format!("x {breaker}"),
            format!("x {breaker}{breaker}{breaker}"),
            format!("{breaker}{breaker} x y {breaker}"),
        ] {
            let defs = json!({ "A": {"type": "object", "description": text,
                "properties": {&text: {"type": "array", "items": {"$ref": "#/$defs/A"}, "description": text}}}});
            check(&Definition {
                server: json!({"name": text, "title": text, "version": text, "instructions": text}),
                tools: vec![json!({
                    "name": text, "title": text, "description": text,
                    "inputSchema": {"type": "object", "$defs": defs, "properties": {
                        &text: {"type": "string", "description": text, "default": text, "format": text, "pattern": text},
                        format!("{text} 2"): {"enum": [text, format!("{text} 2")], "title": text},
                        format!("{text} 3"): {"$ref": "#/$defs/A"},
                    }, "required": [text]},
                    "outputSchema": {"type": "object", "$defs": defs, "properties": {&text: {"$ref": "#/$defs/A"}}},
                })],
            });
        }
    }
}

/// The judges see what they are asked about.
#[test]
fn a_text_that_breaks_out_changes_the_shape() {
    let plain = python_shape("def f():\n    \"\"\"text\"\"\"\n").unwrap();
    assert_eq!(
        plain,
        python_shape("def f():\n    \"\"\"other\n    text\"\"\"\n").unwrap()
    );
    assert_ne!(
        plain,
        python_shape("def f():\n    \"\"\"text\"\"\"\nimport os\n").unwrap()
    );
    assert!(python_shape("def f():\n    \"\"\"text\"\"\"\"\n").is_err());
    let plain = typescript_shape("/** text */\nexport type A = \"a\";\n").unwrap();
    assert_eq!(
        plain,
        typescript_shape("/** other */\nexport type A = \"b\";\n").unwrap()
    );
    assert_ne!(
        plain,
        typescript_shape("/** */ a(); /* */\nexport type A = \"b\";\n").unwrap()
    );
    assert!(typescript_shape("/** */ text */\nexport type A = 1;\n").is_err());
}
