//! Whatever a server writes, the shape of its stubs depends on the shape of its
//! schemas alone: a definition full of text that tries to break out gives the
//! same syntax tree as one full of harmless words.

use std::collections::HashMap;

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast_visit::Visit;
use oxc_span::SourceType;
use proptest::prelude::*;
use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal, walk_body};
use ruff_python_ast::{AnyNodeRef, PythonVersion};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use serde_json::{Map, Value, json};
use wasm_coordinator_stubs::{
    names::tool_names,
    tool::{Server, Tool},
    tree::{File, server_files},
};

/// The kinds of all nodes of a Python file.
fn python_shape(text: &str) -> Result<Vec<String>, String> {
    struct Kinds(Vec<String>);
    impl<'a> SourceOrderVisitor<'a> for Kinds {
        fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
            self.0.push(format!("{:?}", node.kind()));
            TraversalSignal::Traverse
        }

        fn leave_node(&mut self, _: AnyNodeRef<'a>) {
            self.0.push(")".to_owned());
        }
    }
    let version = PythonVersion {
        major: 3,
        minor: 11,
    };
    let options = ParseOptions::from(Mode::Module).with_target_version(version);
    let parsed = parse_unchecked(text, options);
    if let Some(error) = parsed.errors().first() {
        return Err(error.to_string());
    }
    if let Some(error) = parsed.unsupported_syntax_errors().first() {
        return Err(error.to_string());
    }
    let module = parsed.try_into_module().ok_or("not a module")?;
    let mut kinds = Kinds(Vec::new());
    walk_body(&mut kinds, &module.syntax().body);
    Ok(kinds.0)
}

/// The kinds of all nodes of a TypeScript file.
fn typescript_shape(text: &str) -> Result<Vec<String>, String> {
    struct Kinds(Vec<String>);
    impl<'a> Visit<'a> for Kinds {
        fn enter_node(&mut self, kind: AstKind<'a>) {
            self.0.push(format!("{:?}", kind.ty()));
        }

        fn leave_node(&mut self, _: AstKind<'a>) {
            self.0.push(")".to_owned());
        }
    }
    let allocator = Allocator::default();
    let parsed = oxc_parser::Parser::new(&allocator, text, SourceType::ts()).parse();
    if let Some(error) = parsed.diagnostics.first() {
        return Err(error.to_string());
    }
    if let Some(comment) = parsed
        .program
        .comments
        .iter()
        .find(|comment| comment.is_line())
    {
        return Err(format!("a line comment at {:?}", comment.span));
    }
    let mut kinds = Kinds(Vec::new());
    kinds.visit_program(&parsed.program);
    Ok(kinds.0)
}

/// A server and its tools with all texts replaced by a function of them.
#[derive(Debug)]
struct Definition {
    server: Value,
    tools: Vec<Value>,
}

/// Words that mean something in a schema: they stay.
const KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "items",
    "prefixItems",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "enum",
    "const",
    "required",
    "additionalProperties",
    "$defs",
    "default",
    "format",
    "pattern",
    "title",
    "description",
    "name",
    "version",
    "instructions",
    "inputSchema",
    "outputSchema",
    "object",
    "array",
    "string",
    "integer",
    "number",
    "boolean",
    "null",
    "#/$defs/A",
    "A",
];

fn replaced(value: &Value, text: &mut impl FnMut(&str) -> String) -> Value {
    let mut each = |word: &str| match KEYWORDS.contains(&word) {
        true => word.to_owned(),
        false => text(word),
    };
    match value {
        Value::String(word) => each(word).into(),
        Value::Array(items) => items.iter().map(|item| replaced(item, text)).collect(),
        Value::Object(fields) => {
            let mut result = Map::new();
            for (key, value) in fields {
                let key = match KEYWORDS.contains(&key.as_str()) {
                    true => key.clone(),
                    false => text(key),
                };
                result.insert(key, replaced(value, text));
            }
            result.into()
        }
        other => other.clone(),
    }
}

impl Definition {
    /// The same with harmless words, as many different ones as there were.
    fn harmless(&self) -> Self {
        let mut words = HashMap::new();
        let mut text = |word: &str| {
            let next = words.len();
            let number = *words.entry(word.to_owned()).or_insert(next);
            // No identifier, because the others are none.
            format!("harmless word {number}")
        };
        Self {
            server: replaced(&self.server, &mut text),
            tools: self
                .tools
                .iter()
                .map(|tool| replaced(tool, &mut text))
                .collect(),
        }
    }

    fn files(&self) -> Vec<File> {
        let text = |value: &'_ Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let raw: Vec<String> = self.tools.iter().map(|tool| text(tool, "name")).collect();
        let names = tool_names(raw.iter().map(String::as_str));
        let descriptions: Vec<_> = self
            .tools
            .iter()
            .map(|tool| text(tool, "description"))
            .collect();
        let tools: Vec<Tool<'_>> = (0..self.tools.len())
            .map(|index| Tool {
                name: &raw[index],
                names: &names[index],
                title: self.tools[index]["title"].as_str().unwrap_or_default(),
                description: &descriptions[index],
                input: &self.tools[index]["inputSchema"],
                output: self.tools[index].get("outputSchema"),
                is_wrapped: false,
            })
            .collect();
        let server = Server {
            name: self.server["name"].as_str().unwrap_or_default(),
            identifier: "server",
            title: self.server["title"].as_str().unwrap_or_default(),
            version: self.server["version"].as_str().unwrap_or_default(),
            instructions: self.server["instructions"].as_str().unwrap_or_default(),
        };
        server_files(&server, &tools, 1)
    }
}

/// The files of a definition, each with its shape.
fn shapes(definition: &Definition) -> Vec<Vec<String>> {
    definition
        .files()
        .iter()
        .map(|file| {
            let shape = match file.path.rsplit('.').next() {
                Some("py") => python_shape(&file.text),
                Some("ts") => typescript_shape(&file.text),
                Some("json") => json_shape(&file.text),
                _ => markdown_shape(&file.text),
            };
            for c in file.text.chars() {
                let is_plain = c == '\n' || !c.is_control();
                let is_deceptive = ('\u{2028}'..='\u{202e}').contains(&c) || c == '\u{feff}';
                assert!(
                    is_plain && !is_deceptive,
                    "{c:?} in {}:\n{:?}",
                    file.path,
                    file.text
                );
            }
            shape.unwrap_or_else(|error| panic!("{}: {error}\n{}", file.path, file.text))
        })
        .collect()
}

fn json_shape(text: &str) -> Result<Vec<String>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let object = value.as_object().ok_or("not an object")?;
    let tools = value["tools"].as_array().ok_or("no list of tools")?;
    Ok(object
        .keys()
        .cloned()
        .chain([tools.len().to_string()])
        .collect())
}

/// How lines begin; how long quoted text is does not matter.
fn markdown_shape(text: &str) -> Result<Vec<String>, String> {
    let mut starts: Vec<String> = text
        .lines()
        .map(|line| {
            line.chars()
                .take_while(|c| !c.is_alphanumeric())
                .take(3)
                .collect()
        })
        .map(|start: String| {
            if start.starts_with('>') {
                ">".to_owned()
            } else {
                start
            }
        })
        .collect();
    starts.dedup();
    let bare = text
        .replace("\\\\", "")
        .replace("\\]", "")
        .replace("\\<", "");
    match bare.contains("](") || bare.contains('<') {
        true => Err("a link or HTML".to_owned()),
        false => Ok(starts),
    }
}

#[track_caller]
fn check(definition: &Definition) {
    let harmless = definition.harmless();
    let (left, right) = (shapes(definition), shapes(&harmless));
    for (index, (left, right)) in left.iter().zip(&right).enumerate() {
        if left != right {
            let (left, right) = (definition.files(), harmless.files());
            let (left, right) = (&left[index], &right[index]);
            panic!(
                "the shape differs:\n{}\n{}\n--\n{}",
                left.path, left.text, right.text
            );
        }
    }
    assert_eq!(left.len(), right.len());
}

const BREAKERS: &[&str] = &[
    "\"\"\"",
    "'''",
    "\"",
    "'",
    "\\",
    "\\\\\"",
    "*/",
    "/*",
    "//",
    "-->",
    "<!--",
    "</script>",
    "`",
    "${x}",
    "\u{2028}",
    "\u{2029}",
    "\r",
    "\r\n",
    "\n",
    "\n\n",
    "\n    pass\n",
    "\0",
    "\u{c}",
    "\u{85}",
    "\u{1b}[2J",
    "# -*- coding: utf-7 -*-",
    "# type: ignore",
    "@ts-ignore",
    "@param",
    "\u{202e}",
    "\u{2066}",
    "\u{feff}",
    "\u{200b}",
    "\u{e0041}",
    "\\ud800",
    "\\N{DOLLAR SIGN}",
    "{0}",
    "%s",
    "\t",
    " ",
    "]",
    ")",
    "}",
    ";",
    ",",
    "#",
    "\n# heading",
    "\n- item",
    "[a](http://b)",
    "![a](http://b)",
    "|",
    "é",
    "語",
    "😀",
    "\u{7f}",
    "import os",
    "\n\"\"\"\nimport os\n\"\"\"",
    "*/\nimport \"os\";\n/*",
    "\n */",
    "\\\n",
    "*",
    "/",
];

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
