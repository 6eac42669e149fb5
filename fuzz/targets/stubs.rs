//! Definitions of a server, and what programs see of them.
//!
//! The files of Python and TypeScript parse and have the shape that they have with
//! harmless words; the interface in WIT parses and has one function for each tool;
//! and searching finds tools that there are, in the order of their scores, the same
//! each time.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use stubs::names::{server_identifier, tool_names};
use stubs::tool::{Server, Tool};
use stubs::wit::interface;
use tools::search::{Document, Index, MAX_HITS, Query};
use wit_parser::Resolve;

#[path = "../../stubs/tests/judges/mod.rs"]
mod judges;

use crate::input::Input;
use crate::runner::Target;
use judges::{BREAKERS, Definition, check, python_shape, typescript_shape};

/// See the module.
pub const TARGET: Target = Target {
    name: "stubs",
    run,
    seeds,
    words: &[
        "\"type\"",
        "\"$ref\"",
        "\"#/$defs/A\"",
        "\"properties\"",
        "\"items\"",
        "\"enum\"",
        "\"anyOf\"",
        "\"description\"",
        "\"name\"",
        "\"inputSchema\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "*/",
        "\\\"\\\"\\\"",
        "\\u2028",
        "-->",
        "true",
        "null",
        "-0",
        "1e400",
    ],
    longest: 8 << 10,
    memory: |length| (32 << 20) + 20_000 * length,
};

/// The most tools that are judged at once.
const MAX_TOOLS: usize = 6;

fn run(input: &[u8]) {
    let Some((&how, rest)) = input.split_first() else {
        return;
    };
    if how & 1 == 0 {
        let mut input = Input::new(rest);
        let definition = definition(&mut input);
        check(&definition);
        as_wit(&definition);
        searched(&definition, &mut input);
        return;
    }
    // As it came from a server: any JSON, read as far as it can be.
    let Ok(Value::Array(mut tools)) = serde_json::from_slice(rest) else {
        return;
    };
    tools.truncate(MAX_TOOLS);
    let mut names = HashSet::new();
    tools.retain(|tool| {
        let name = tool["name"].as_str().unwrap_or_default();
        let is_schema = tool["inputSchema"].is_object();
        is_schema && !name.is_empty() && names.insert(name.to_owned())
    });
    let definition = Definition {
        server: json!({ "name": "s" }),
        tools,
    };
    for file in definition.files() {
        let parsed = match file.path.rsplit('.').next() {
            Some("py") => python_shape(&file.text),
            Some("ts") => typescript_shape(&file.text),
            _ => continue,
        };
        parsed.unwrap_or_else(|error| panic!("{}: {error}\n{}", file.path, file.text));
    }
    as_wit(&definition);
    searched(&definition, &mut Input::new(rest));
}

fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn as_wit(definition: &Definition) {
    let raw: Vec<&str> = definition
        .tools
        .iter()
        .map(|tool| text_of(tool, "name"))
        .collect();
    let names = tool_names(raw.iter().copied());
    let tools: Vec<Tool<'_>> = definition
        .tools
        .iter()
        .zip(&names)
        .map(|(tool, names)| Tool {
            name: text_of(tool, "name"),
            names,
            title: text_of(tool, "title"),
            description: text_of(tool, "description"),
            input: &tool["inputSchema"],
            output: tool.get("outputSchema"),
            is_wrapped: false,
        })
        .collect();
    let name = text_of(&definition.server, "name");
    let identifier = server_identifier(name);
    let server = Server {
        name,
        identifier: &identifier,
        title: text_of(&definition.server, "title"),
        version: text_of(&definition.server, "version"),
        instructions: text_of(&definition.server, "instructions"),
    };
    let written = interface(&server, &tools);
    let mut resolve = Resolve::default();
    resolve
        .push_str("tools.wit", &written.text)
        .unwrap_or_else(|error| panic!("{error:?}\n{}", written.text));
    let (_, parsed) = resolve
        .interfaces
        .iter()
        .next()
        .expect("there is one interface");
    assert_eq!(parsed.functions.len(), tools.len(), "{}", written.text);
    assert_eq!(written.functions.len(), tools.len());
    for function in &written.functions {
        let name = &function.name;
        assert!(
            parsed.functions.contains_key(name),
            "`{name}`\n{}",
            written.text
        );
        // The plan goes to another process.
        let bytes = postcard::to_extend(function, Vec::new()).expect("a plan can be written");
        let read = postcard::from_bytes::<stubs::wit::Function>(&bytes);
        assert_eq!(&read.expect("a plan can be read"), function);
    }
}

fn searched(definition: &Definition, input: &mut Input<'_>) {
    let server = text_of(&definition.server, "name");
    let documents = definition.tools.iter().map(|tool| Document {
        server,
        identifier: "s",
        name: text_of(tool, "name"),
        title: text_of(tool, "title"),
        description: text_of(tool, "description"),
        parameters: Vec::new(),
    });
    let index = Index::new(documents.clone());
    let query = match input.below(4) {
        0 => String::from_utf8_lossy(&input.bytes(100)).into_owned(),
        1 => String::new(),
        _ => input.text(&["harmless", "word", "server", "the", "*/", "é", "list isues"]),
    };
    let query = Query {
        text: &query,
        server: input.once_in(4).then_some(server),
        limit: input.number() as usize,
    };
    let found = index.search(&query);
    assert_eq!(
        found,
        Index::new(documents).search(&query),
        "it is not the same again"
    );
    assert!(found.hits.len() <= found.total.min(MAX_HITS).min(query.limit.max(1)));
    let mut seen = HashSet::new();
    for pair in found.hits.windows(2) {
        assert!(pair[0].score >= pair[1].score, "{found:?}");
    }
    for hit in &found.hits {
        assert!(
            hit.document < definition.tools.len() && seen.insert(hit.document),
            "{found:?}"
        );
        assert!(hit.score.is_finite() && hit.score >= 0.0, "{found:?}");
    }
    if query.text.trim().is_empty() && query.server.is_none() {
        assert_eq!(found.total, definition.tools.len());
    }
    // Whoever writes the whole name means that tool.
    for tool in &definition.tools {
        let name = text_of(tool, "name");
        let is_word = name.len() < 100 && name.chars().any(|c| c.is_ascii_alphanumeric());
        let hits = index.search(&Query {
            text: name,
            server: None,
            limit: MAX_HITS,
        });
        let is_found =
            |hit: &tools::search::Hit| text_of(&definition.tools[hit.document], "name") == name;
        assert!(
            !is_word || hits.hits.iter().any(is_found),
            "{name:?} is not found"
        );
    }
}

/// Some letters, so that it is not empty; not an identifier, like its twin.
fn text(input: &mut Input<'_>) -> String {
    let mut pieces = |most: usize| -> String {
        (0..input.below(most))
            .map(|_| input.one_of(BREAKERS))
            .collect()
    };
    let (before, after) = (pieces(4), pieces(4));
    let letters = input.one_of(&["a", "bc", "xyz", "word"]);
    format!("{before}{letters} {after}")
}

fn definition(input: &mut Input<'_>) -> Definition {
    let server = json!({
        "name": text(input), "title": text(input),
        "version": text(input), "instructions": text(input),
    });
    let mut tools: Vec<Value> = Vec::new();
    for _ in 0..=input.below(2) {
        let mut parameters = object(input, 3);
        let shared = match object(input, 2) {
            shared
                if shared["properties"]
                    .as_object()
                    .is_some_and(|all| !all.is_empty()) =>
            {
                shared
            }
            _ => {
                json!({ "type": "array", "items": { "$ref": "#/$defs/A" }, "description": text(input) })
            }
        };
        parameters["$defs"] = json!({ "A": shared });
        let mut tool =
            json!({ "name": text(input), "description": text(input), "inputSchema": parameters });
        if input.once_in(2) {
            tool["title"] = text(input).into();
        }
        if input.once_in(2) {
            let mut result = object(input, 3);
            result["$defs"] = tool["inputSchema"]["$defs"].clone();
            tool["outputSchema"] = result;
        }
        if tools.iter().all(|other| other["name"] != tool["name"]) {
            tools.push(tool);
        }
    }
    Definition { server, tools }
}

fn object(input: &mut Input<'_>, depth: usize) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for _ in 0..input.below(4) {
        let name = text(input);
        properties.insert(name.clone(), schema(input, depth));
        if input.once_in(2) {
            required.push(name);
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

fn schema(input: &mut Input<'_>, depth: usize) -> Value {
    let mut schema = match input.below(if depth == 0 { 10 } else { 17 }) {
        0 => json!({}),
        1 => json!({ "$ref": "#/$defs/A" }),
        2 => json!({ "type": "string", "format": text(input), "pattern": text(input) }),
        3 => json!({ "type": "string", "default": text(input), "title": text(input) }),
        4 => {
            let (one, other) = (text(input), text(input));
            json!({ "enum": [one, other, null, 1], "default": one })
        }
        5 => json!({ "const": text(input) }),
        6 => json!({ "type": "integer", "default": 3, "x-hint": text(input) }),
        7 => {
            let text = text(input);
            json!({ "type": "array", "default": [text], "examples": [text] })
        }
        8 => {
            let text = text(input);
            json!({ "default": { &text: text } })
        }
        9 => json!({ "type": text(input) }),
        10 => json!({ "type": "array", "items": schema(input, depth - 1) }),
        11 => json!({ "type": "object", "additionalProperties": schema(input, depth - 1) }),
        12 => json!({ "prefixItems": [schema(input, depth - 1), schema(input, depth - 1)] }),
        13 => json!({ "anyOf": [schema(input, depth - 1), schema(input, depth - 1)] }),
        14 => json!({ "oneOf": [schema(input, depth - 1)], "type": "object" }),
        15 => json!({ "allOf": [object(input, depth - 1), object(input, depth - 1)] }),
        _ => object(input, depth - 1),
    };
    if input.once_in(3) {
        schema["description"] = text(input).into();
    }
    schema
}

fn seeds() -> Vec<Vec<u8>> {
    let tools = json!([
        { "name": "list_issues", "description": "Lists issues.", "inputSchema": {
            "type": "object",
            "$defs": { "A": { "type": "object", "properties": { "next": { "$ref": "#/$defs/A" } } } },
            "properties": {
                "owner": { "type": "string", "description": "Who has it" },
                "state": { "enum": ["open", "closed"], "default": "open" },
                "labels": { "type": "array", "items": { "type": "string" } },
                "since": { "anyOf": [{ "type": "string", "format": "date" }, { "type": "null" }] },
                "tree": { "$ref": "#/$defs/A" },
            },
            "required": ["owner"],
        } },
        { "name": "class", "inputSchema": { "type": "object", "additionalProperties": { "type": "integer" } },
          "outputSchema": { "type": "object", "properties": { "result": { "type": "number" } } } },
    ]);
    vec![
        [&[1][..], tools.to_string().as_bytes()].concat(),
        vec![0; 200],
    ]
}
