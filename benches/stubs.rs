//! The files of 5,000 tools: reading their schemas, and printing them.
//!
//! `cargo bench --package wasm-coordinator-stubs`. The tools are made up, as
//! large as real ones are in the middle (about 300 tokens of definition).

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use wasm_coordinator_stubs::{
    names::{ToolNames, tool_names},
    schema::Schema,
    tool::{Server, Tool},
    tree,
};

const TOOLS: usize = 5_000;
const SERVERS: usize = 50;

struct Definition {
    name: String,
    input: Value,
    output: Value,
}

fn definition(number: usize) -> Definition {
    let input = json!({
        "type": "object",
        "required": ["owner", "repo", "title"],
        "properties": {
            "owner": {"type": "string", "description": "The account that owns the repository"},
            "repo": {"type": "string", "description": "The name of the repository, without the owner"},
            "title": {"type": "string", "description": "The title", "minLength": 1, "maxLength": 256},
            "state": {"type": "string", "enum": ["open", "closed", "all"], "default": "open"},
            "labels": {"type": "array", "items": {"type": "string"}, "description": "Only with all of these"},
            "per_page": {"type": "integer", "minimum": 1, "maximum": 100, "default": 30},
            "since": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}], "default": null},
            "comments": {"type": "array", "items": {"$ref": "#/$defs/Comment"}},
        },
        "$defs": {"Comment": {"type": "object", "required": ["path", "body"], "properties": {
            "path": {"type": "string", "description": "The file that the comment is about"},
            "line": {"type": "integer"},
            "body": {"type": "string"},
            "replies": {"type": "array", "items": {"$ref": "#/$defs/Comment"}},
        }}},
    });
    let output = json!({
        "type": "object",
        "required": ["number", "url"],
        "properties": {"number": {"type": "integer"}, "url": {"type": "string"}},
    });
    Definition {
        name: format!("update_issue_{number}"),
        input,
        output,
    }
}

fn benches(criterion: &mut Criterion) {
    let definitions: Vec<Definition> = (0..TOOLS).map(definition).collect();
    let names: Vec<ToolNames> = definitions
        .chunks(TOOLS / SERVERS)
        .flat_map(|server| tool_names(server.iter().map(|tool| tool.name.as_str())))
        .collect();
    let tools: Vec<Tool<'_>> = definitions
        .iter()
        .zip(&names)
        .map(|(definition, names)| Tool {
            name: &definition.name,
            names,
            title: "Update an issue",
            description: "Updates an issue of a repository.\n\nNeeds a token that may write issues.",
            input: &definition.input,
            output: Some(&definition.output),
            is_wrapped: false,
        })
        .collect();
    let server = Server {
        name: "tracker",
        identifier: "tracker",
        title: "Tracker",
        version: "1.0.0",
        instructions: "Search before you create.",
    };

    let mut group = criterion.benchmark_group("5000 tools");
    group.sample_size(10);
    group.bench_function("schemas", |bencher| {
        bencher.iter(|| {
            for definition in &definitions {
                black_box(Schema::read_parameters(&definition.input));
                black_box(Schema::read(&definition.output));
            }
        });
    });
    group.bench_function("files", |bencher| {
        bencher.iter(|| {
            for tools in tools.chunks(TOOLS / SERVERS) {
                black_box(tree::server_files(&server, tools, 0));
            }
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
