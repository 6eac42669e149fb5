//! Definitions of tools that attack whoever reads them.

use serde_json::{Value, json};

use super::plain;
use crate::faults::Faults;

/// Collide with each other once they are made identifiers, are words of a
/// language, hooks of its objects, or paths.
const NAMES: &[&str] = &[
    "a.b",
    "a_b",
    "a-b",
    "A_B",
    "a b",
    "aB",
    "class",
    "None",
    "match",
    "print",
    "await",
    "async",
    "import",
    "type",
    "default",
    "enum",
    "arguments",
    "eval",
    "function",
    "delete",
    "__init__",
    "__getattr__",
    "__import__",
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "valueOf",
    "then",
    "../../x",
    "/abs",
    "..",
    ".",
    "con",
    "aux.py",
    "a/b",
    "a\\b",
    "1st",
    "_",
    "été",
    "工具",
    "\u{1f600}",
    "x\ny",
    "x\0y",
    "x'y\"z`",
];

/// What ends a string, a comment or a line in one language or another.
const BREAKER: &str = "\"\"\" ''' \\ \\\" */ --> ` ${7*7} #{x} \u{2028} \u{2029} \r \0 \u{c} \u{202e} # -*- coding: latin-1 -*-\n__import__('os').system('id')\n\\";

/// Adds what the faults ask for, and spoils what is there.
pub(super) fn add(faults: &Faults, tools: &mut Vec<Value>) {
    if faults.has("duplicates") {
        let mut second = plain("echo");
        second["description"] = json!("A second tool of the same name.");
        tools.push(second);
    }
    if faults.has("names") {
        tools.extend(NAMES.iter().map(|name| plain(name)));
        tools.push(plain(""));
        tools.push(plain(&"n".repeat(300)));
    }
    if faults.has("bombs") {
        tools.extend(bombs());
    }
    if faults.has("bad-schemas") {
        tools.extend(bad_schemas());
    }
    if let Some(url) = faults.value("ref") {
        for (name, target) in [
            ("network_ref", url),
            ("file_ref", "file:///etc/passwd"),
            ("share_ref", "\\\\server\\share\\schema.json"),
        ] {
            let schema = json!({ "type": "object", "properties": { "value": { "$ref": target } } });
            tools.push(schema_tool(name, schema));
        }
        let schema = json!({ "$schema": url, "$id": url, "type": "object" });
        tools.push(schema_tool("network_schema", schema));
    }
    if faults.has("breakers") {
        tools.push(breaker());
    }
    if faults.has("header-names") {
        for (name, header) in [
            ("header_reserved", "Authorization"),
            ("header_break", "X\r\nHost: evil"),
            ("header_empty", ""),
        ] {
            let schema = json!({ "type": "object", "properties": {
                "value": { "type": "string", "x-mcp-header": header },
            } });
            tools.push(schema_tool(name, schema));
        }
        let twice = json!({ "type": "string", "x-mcp-header": "Region" });
        let schema = json!({ "type": "object", "properties": { "a": twice, "b": twice } });
        tools.push(schema_tool("header_twice", schema));
        let number = |header| json!({ "type": "integer", "x-mcp-header": header });
        let schema = json!({ "type": "object", "properties": {
            "value": number("Number"),
            "inner": { "type": "object", "properties": { "n": number("Inner") } },
        } });
        tools.push(schema_tool("header_number", schema));
    }
    if let Some(bytes) = faults.number("huge-schema") {
        let filler = "d".repeat(bytes as usize);
        let schema = json!({ "type": "object", "properties": {
            "value": { "type": "string", "description": filler },
        } });
        tools.push(schema_tool("huge_schema", schema));
    }
    if let Some(bytes) = faults.number("huge-description") {
        let description = "d".repeat(bytes as usize);
        for tool in tools {
            tool["description"] = json!(description);
        }
    }
}

/// Schemas that are cheap to send and dear to compile, to check against or to
/// show. Each has a parameter `good`, a whole number.
fn bombs() -> Vec<Value> {
    let text = |schema: Value| json!({ "bad": schema });
    let mut halves = json!({ "enum": ["x".repeat(1000)] });
    for _ in 0..9 {
        halves = json!({ "anyOf": [halves, halves] });
    }
    let unevaluated = (0..40).fold(
        json!({ "type": "object" }),
        |inner, _| json!({ "allOf": [inner], "unevaluatedProperties": false }),
    );
    let many: Vec<_> = (0..300_000).collect();
    let patterns: serde_json::Map<_, _> = (0..2000)
        .map(|n| (format!("^[^{n}]{{100}}$"), json!({ "type": "string" })))
        .collect();
    let wide: serde_json::Map<_, _> = (0..30_000)
        .map(|n| (format!("p{n}"), json!({ "type": "string" })))
        .collect();
    [
        (
            "bomb_pattern",
            text(json!({ "type": "string", "pattern": "()".repeat(1_000_000) })),
        ),
        (
            "bomb_repeat",
            text(json!({ "type": "string", "pattern": "((\\p{L}{1000}){1000}){1000}" })),
        ),
        (
            "bomb_look",
            text(json!({ "type": "string", "pattern": "(?=(\\p{L}{500})){200}$" })),
        ),
        (
            "bomb_names",
            text(json!({ "patternProperties": { "(){100000000}": {} } })),
        ),
        (
            "bomb_many_patterns",
            text(json!({ "patternProperties": patterns })),
        ),
        (
            "bomb_format",
            text(json!({ "type": "string", "format": "regex" })),
        ),
        ("bomb_enum", text(json!({ "enum": many }))),
        ("bomb_any_of", text(json!({ "items": halves }))),
        ("bomb_unevaluated", text(unevaluated)),
        ("bomb_wide", json!(wide)),
    ]
    .into_iter()
    .map(|(name, mut properties)| {
        properties["good"] = json!({ "type": "integer" });
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": properties,
        });
        schema_tool(name, schema)
    })
    .collect()
}

fn bad_schemas() -> Vec<Value> {
    let mut deep = json!({ "type": "integer" });
    for _ in 0..100 {
        deep = json!({ "type": "object", "properties": { "d": deep } });
    }
    // Each level refers twice to the next: 2^30 ways through.
    let mut definitions = serde_json::Map::new();
    for level in 0..30 {
        let next = json!({ "$ref": format!("#/$defs/l{}", level + 1) });
        definitions.insert(format!("l{level}"), json!({ "allOf": [next, next] }));
    }
    definitions.insert("l30".to_owned(), json!({ "type": "object" }));

    let mut tools: Vec<Value> = [
        ("schema_true", json!(true)),
        ("schema_false", json!(false)),
        ("schema_null", Value::Null),
        ("schema_list", json!([])),
        ("schema_text", json!("object")),
        ("schema_empty", json!({})),
        ("schema_array", json!({ "type": "array" })),
        ("schema_type_number", json!({ "type": 7 })),
        ("schema_type_unknown", json!({ "type": "hologram" })),
        ("schema_required_text", json!({ "type": "object", "required": "x" })),
        ("schema_properties_list", json!({ "type": "object", "properties": ["x"] })),
        ("schema_property_null", json!({ "type": "object", "properties": { "x": null } })),
        ("schema_pattern", json!({ "type": "object", "properties": { "x": { "type": "string", "pattern": "(a+)+$(" } } })),
        ("schema_slow_pattern", json!({ "type": "object", "properties": { "x": { "type": "string", "pattern": "^(a+)+$" } } })),
        ("schema_self", json!({ "$ref": "#" })),
        ("schema_cycle", json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/a" } }, "$defs": {
            "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" },
        } })),
        ("schema_tree", json!({ "type": "object", "properties": { "children": { "type": "array", "items": { "$ref": "#" } } } })),
        ("schema_dangling", json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/none" } } })),
        ("schema_dynamic", json!({ "$dynamicAnchor": "node", "type": "object", "properties": { "x": { "$dynamicRef": "#node" } } })),
        ("schema_exponential", json!({ "$ref": "#/$defs/l0", "$defs": definitions })),
        ("schema_deep", deep),
    ]
    .into_iter()
    .map(|(name, schema)| schema_tool(name, schema))
    .collect();
    let mut missing = plain("schema_missing");
    if let Some(tool) = missing.as_object_mut() {
        tool.remove("inputSchema");
    }
    tools.push(missing);
    tools
}

/// The breaker in every place where a definition holds text.
fn breaker() -> Value {
    json!({
        "name": "breaker",
        "title": BREAKER,
        "description": BREAKER,
        "inputSchema": {
            "type": "object",
            "title": BREAKER,
            "description": BREAKER,
            "$comment": BREAKER,
            "x-note": BREAKER,
            "properties": {
                BREAKER: { "type": "string", "description": BREAKER, "title": BREAKER },
                "value": {
                    "type": "string",
                    "description": BREAKER,
                    "default": BREAKER,
                    "examples": [BREAKER],
                    "enum": [BREAKER, "plain"],
                    "format": BREAKER,
                },
                "constant": { "const": BREAKER },
                // Names that generated code may use itself.
                "self": { "type": "string" },
                "args": { "type": "string" },
                "kwargs": { "type": "string" },
                "timeout": { "type": "string" },
                "class": { "type": "string" },
                "a-b": { "type": "string" },
                "a_b": { "type": "string" },
            },
        },
        "outputSchema": { "type": "object", "description": BREAKER, "properties": { BREAKER: { "type": "string" } } },
        "annotations": { "title": BREAKER, "readOnlyHint": true },
    })
}

fn schema_tool(name: &str, schema: Value) -> Value {
    let mut tool = plain(name);
    tool["inputSchema"] = schema;
    tool
}
