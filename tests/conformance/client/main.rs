//! The client that the official conformance suite talks to: our connection to
//! one server, and somebody who attends it.
//!
//! ```text
//! conformance-client URL
//! ```
//!
//! It lists the tools of the server and calls all of them at once, with what
//! the suite wants to be sent (`$MCP_CONFORMANCE_CONTEXT`) or else with values
//! that fit their schemas; then it reads a resource and fills in a prompt. Forms are filled in with their defaults. It is never
//! shipped.

use std::{
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use wasm_coordinator::{
    Answering, Attendant, Bounds, Declined, Http, List, Listing, PassThrough, RequestKind,
    ServerRequest, ServerSpec, Transport, Upstream,
};

#[tokio::main]
async fn main() -> ExitCode {
    let Some(url) = std::env::args().next_back() else {
        return ExitCode::from(2);
    };
    let http = Http {
        url,
        ..Http::default()
    };
    let mut server = ServerSpec::new("suite", Transport::Http(http));
    server.pass_through = PassThrough {
        sampling: true,
        roots: true,
    };
    let upstream = match Upstream::new(vec![server], Bounds::default()) {
        Ok(upstream) => upstream,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let status = converse(&upstream).await;
    upstream.shutdown().await;
    status
}

async fn converse(upstream: &Upstream) -> ExitCode {
    let tools = match upstream.tools(0).await {
        Ok(tools) => tools,
        Err(fault) => {
            eprintln!("{}: {:?}", fault.message, fault.detail);
            return ExitCode::FAILURE;
        }
    };
    // In the older era a client also opens a stream of its own, and one of the
    // suite's servers answers a call on whichever stream is opened next. What
    // it wants to see is the one that takes up the call again.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let attendant: Arc<dyn Attendant> = Arc::new(Person);
    let mut wanted = wanted_calls();
    wanted.extend(echoed(&tools));
    let calls = tools.tools.iter().flat_map(|tool| {
        let of_tool = wanted.iter().filter(|(name, _)| *name == tool.name);
        let mut arguments: Vec<_> = of_tool.map(|(_, arguments)| arguments.clone()).collect();
        if arguments.is_empty() {
            arguments.push(fitting(&tool.input_schema));
        }
        let named = arguments.into_iter();
        named.map(|arguments| (tool.name.as_str(), arguments))
    });
    let attendant = &attendant;
    let calls = calls.map(|(tool, arguments)| async move {
        let sent = AtomicBool::new(false);
        let answer = upstream.call(0, tool, arguments, Some(attendant), &sent);
        (tool, answer.await)
    });
    for (tool, answer) in join_all(calls).await {
        match answer {
            Ok(answer) => println!("{tool}: {answer:?}"),
            // Some of them are there to be refused.
            Err(fault) => println!("{tool}: {}: {:?}", fault.message, fault.detail),
        }
    }
    read_and_fill(upstream, attendant).await;
    ExitCode::SUCCESS
}

/// Lists, and takes the first of each.
async fn read_and_fill(upstream: &Upstream, attendant: &Arc<dyn Attendant>) {
    let has = upstream.material(0);
    let sent = AtomicBool::new(false);
    let first = async |list: List, key: &str| {
        let listed = upstream.list(0, list, Some(attendant), &sent).await;
        let first: Value = serde_json::from_str(listed.ok()?.first()?.get()).ok()?;
        Some(first[key].as_str()?.to_owned())
    };
    if has.resources
        && let Some(uri) = first(List::Resources, "uri").await
    {
        let read = upstream.resource(0, &uri, Some(attendant), &sent).await;
        println!("{uri}: {read:?}");
    }
    if has.prompts
        && let Some(name) = first(List::Prompts, "name").await
    {
        let none = Map::new();
        let prompt = upstream
            .prompt(0, &name, none, Some(attendant), &sent)
            .await;
        println!("{name}: {prompt:?}");
    }
}

/// What the suite wants to be called: `{"toolCalls": [{"name", "arguments"}]}`.
fn wanted_calls() -> Vec<(String, Value)> {
    let context = std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default();
    let context: Value = serde_json::from_str(&context).unwrap_or_default();
    let calls = context["toolCalls"].as_array().cloned().unwrap_or_default();
    let call = |call: Value| Some((call["name"].as_str()?.to_owned(), call["arguments"].clone()));
    calls.into_iter().filter_map(call).collect()
}

/// The suite looks at what is left of a schema once a client has read it.
fn echoed(tools: &Listing) -> Option<(String, Value)> {
    let mut tools = tools.tools.iter();
    let tool = tools.find(|tool| tool.name == "json_schema_2020_12_tool")?;
    let arguments = json!({ "schema": *tool.input_schema });
    Some(("json_schema_echo".to_owned(), arguments))
}

/// Arguments that a schema allows, as far as they are plain.
fn fitting(schema: &Value) -> Value {
    let properties = schema["properties"].as_object();
    let fields = properties.into_iter().flatten().map(|(name, schema)| {
        let value = match schema["type"].as_str() {
            Some("number" | "integer") => json!(5),
            Some("boolean") => json!(true),
            Some("object") => json!({}),
            Some("array") => json!([]),
            _ => json!("text"),
        };
        (name.clone(), value)
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

/// Says yes to everything.
struct Person;

impl Attendant for Person {
    fn answer(&self, request: ServerRequest) -> Answering<'_, Result<Value, Declined>> {
        Box::pin(async move {
            Ok(match request.kind {
                RequestKind::Elicitation => filled_in(&request.params),
                RequestKind::Sampling => json!({
                    "role": "assistant",
                    "model": "none",
                    "content": { "type": "text", "text": "yes" },
                }),
                RequestKind::Roots => json!({ "roots": [] }),
            })
        })
    }
}

/// A form with its defaults, and what fits where there is none.
fn filled_in(params: &Value) -> Value {
    let schema = &params["requestedSchema"];
    let mut content = fitting(schema);
    let properties = schema["properties"].as_object();
    for (name, schema) in properties.into_iter().flatten() {
        if let Some(default) = schema.get("default") {
            content[name.as_str()] = default.clone();
        }
    }
    json!({ "action": "accept", "content": content })
}
