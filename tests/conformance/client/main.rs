//! The client that the official conformance suite talks to: our client of one
//! server, with somebody who answers its questions.
//!
//! ```text
//! conformance-client URL
//! ```
//!
//! It lists the tools of the server and calls all of them at once, with what
//! the suite wants to be sent (`$MCP_CONFORMANCE_CONTEXT`) or else with values
//! that fit their schemas; then it reads a resource
//! and fills in a prompt. Forms are filled in with their defaults. It is never
//! shipped.

use std::{process::ExitCode, sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use wasm_coordinator::{
    Answering, CallLog, Declined, Grants, HostCallbacks, Http, Listing, PassThrough, RequestKind,
    ServerLimits, ServerRequest, ServerSpec, Toolbox, Transport,
};

/// What the server is called here.
const SERVER: &str = "suite";

#[tokio::main]
async fn main() -> ExitCode {
    let Some(url) = std::env::args().next_back() else {
        return ExitCode::from(2);
    };
    let http = Http {
        url,
        ..Http::default()
    };
    let mut server = ServerSpec::new(SERVER, Transport::Http(http));
    server.pass_through = PassThrough {
        sampling: true,
        roots: true,
    };
    let toolbox = match Toolbox::new(vec![server], ServerLimits::default()) {
        Ok(toolbox) => toolbox,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let status = converse(&toolbox).await;
    toolbox.shutdown().await;
    status
}

async fn converse(toolbox: &Toolbox) -> ExitCode {
    let tools = match toolbox.listings().await.remove(0) {
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
    let calls = calls.map(|(tool, arguments)| async move {
        // Some of them are there to be refused.
        println!("{tool}: {:?}", call(toolbox, tool, &arguments).await);
    });
    join_all(calls).await;
    read_and_fill(toolbox).await;
    ExitCode::SUCCESS
}

/// Calls a tool, or what the client calls like one, as a program would.
async fn call(toolbox: &Toolbox, tool: &str, arguments: &Value) -> Result<Value, String> {
    let grants = Grants::new(["*"], [""; 0]).expect("it is a pattern");
    let callbacks: Arc<dyn HostCallbacks> = Arc::new(Person);
    let name = format!("{SERVER}.{tool}");
    let (arguments, log) = (arguments.to_string(), CallLog::default());
    let result = toolbox
        .call_with_callbacks(&grants, &callbacks, &name, &arguments, &log)
        .await
        .map_err(|error| error.message)?;
    serde_json::from_str(&result).map_err(|error| error.to_string())
}

/// Lists, and takes the first of each.
async fn read_and_fill(toolbox: &Toolbox) {
    let first = async |list: &str, key: &str| {
        let listed = call(toolbox, list, &json!({})).await.ok()?;
        Some(listed[0][key].as_str()?.to_owned())
    };
    if let Some(uri) = first("resources/list", "uri").await {
        let read = call(toolbox, "resources/read", &json!({ "uri": uri })).await;
        println!("{uri}: {read:?}");
    }
    if let Some(name) = first("prompts/list", "name").await {
        let prompt = call(toolbox, "prompts/get", &json!({ "name": name })).await;
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

impl HostCallbacks for Person {
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
