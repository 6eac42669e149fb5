//! The tools, by the names the suite calls them by.

use std::time::Duration;

use rmcp::{
    ErrorData,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, LoggingLevel,
        LoggingMessageNotificationParam, ProgressNotificationParam, Tool,
    },
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Change, Context, Handler, lock,
    rounds::{Progress, Questions, elicitation, roots, sampling},
    wire,
};

/// One red pixel.
pub(crate) const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";

/// No samples.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// Between two messages of a tool that reports.
const PAUSE: Duration = Duration::from_millis(50);

const PLAIN: [&str; 23] = [
    "test_audio_content",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_embedded_resource",
    "test_error_handling",
    "test_image_content",
    "test_input_required_result_capabilities",
    "test_input_required_result_elicitation",
    "test_input_required_result_list_roots",
    "test_input_required_result_multi_round",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_request_state",
    "test_input_required_result_sampling",
    "test_input_required_result_tampered_state",
    "test_logging_tool",
    "test_missing_capability",
    "test_multiple_content_types",
    "test_simple_text",
    "test_streaming_elicitation",
    "test_tool_with_logging",
    "test_tool_with_progress",
    "test_trigger_prompt_change",
    "test_trigger_tool_change",
];

/// In the same order each time.
pub(crate) fn all() -> Vec<Tool> {
    let tool = |name: &str, schema: Value| {
        wire(json!({
            "name": name,
            "description": format!("Of the conformance suite: {}.", name.replace('_', " ")),
            "inputSchema": schema,
        }))
    };
    let text = |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name] });
    let plain = PLAIN
        .iter()
        .map(|name| tool(name, json!({ "type": "object" })));
    plain
        .chain([
            tool("test_sampling", text("prompt")),
            tool("test_elicitation", text("message")),
            tool(
                "test_custom_header",
                json!({ "type": "object", "properties": {
                    "region": { "type": "string", "x-mcp-header": "Region" },
                } }),
            ),
            tool("json_schema_2020_12_tool", rich_schema()),
        ])
        .collect()
}

fn rich_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": { "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
        } },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": {
            "properties": { "contactMethod": { "const": "phone" } },
            "required": ["contactMethod"],
        },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}

pub(crate) async fn call(
    handler: &Handler,
    request: CallToolRequestParams,
    context: &Context,
) -> Result<CallToolResponse, ErrorData> {
    let name = request.name.as_ref();
    let arguments = Value::Object(request.arguments.unwrap_or_default());
    if let Some(questions) = questions(name, context) {
        let state = request.request_state.as_deref();
        let responses = request.input_responses;
        let progress = handler
            .shared
            .rounds
            .advance(&questions, responses, state)?;
        return Ok(match progress {
            Progress::Ask(result) => result.into(),
            Progress::Done(responses) => {
                let known = json!(responses);
                let text = match known["user_name"]["content"]["name"].as_str() {
                    Some(name) if !questions.sealed => format!("Hello, {name}!"),
                    _ => format!("state-ok, answered: {known}"),
                };
                result(json!([{ "type": "text", "text": text }])).into()
            }
        });
    }
    let content = match name {
        "test_simple_text" => {
            json!([{ "type": "text", "text": "This is a simple text response for testing." }])
        }
        "test_image_content" => json!([{ "type": "image", "data": PNG, "mimeType": "image/png" }]),
        "test_audio_content" => json!([{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }]),
        "test_embedded_resource" => json!([{ "type": "resource", "resource": {
            "uri": "test://embedded-resource",
            "mimeType": "text/plain",
            "text": "This is an embedded resource content.",
        } }]),
        "test_multiple_content_types" => json!([
            { "type": "text", "text": "Multiple content types test:" },
            { "type": "image", "data": PNG, "mimeType": "image/png" },
            { "type": "resource", "resource": {
                "uri": "test://mixed-content-resource",
                "mimeType": "application/json",
                "text": r#"{"test":"data","value":123}"#,
            } },
        ]),
        "test_error_handling" => {
            return Ok(failure(
                "This tool intentionally returns an error for testing",
            ));
        }
        "test_tool_with_logging" | "test_logging_tool" => {
            log(handler, context).await;
            said("logged")
        }
        "test_tool_with_progress" => {
            report(context).await;
            said("reported")
        }
        "test_missing_capability" => {
            let capabilities = context.client_capabilities();
            let declared = json!(capabilities)["sampling"].is_object();
            if !declared {
                let required = wire(json!({ "sampling": {} }));
                return Err(ErrorData::missing_required_client_capability(required));
            }
            said("the client can sample")
        }
        "test_trigger_tool_change" | "test_trigger_prompt_change" => {
            let change = match name {
                "test_trigger_tool_change" => Change::Tools,
                _ => Change::Prompts,
            };
            // Nobody may be listening.
            let _ = handler.shared.changes.send(change);
            said("changed")
        }
        "test_custom_header" | "json_schema_2020_12_tool" => said(&arguments.to_string()),
        "test_sampling"
        | "test_elicitation"
        | "test_elicitation_sep1034_defaults"
        | "test_elicitation_sep1330_enums" => match ask(name, &arguments, context).await {
            Ok(text) => said(&text),
            Err(error) => return Ok(failure(&format!("the client did not answer: {error}"))),
        },
        _ => return Err(ErrorData::invalid_params("there is no such tool", None)),
    };
    Ok(result(content).into())
}

fn result(content: Value) -> CallToolResult {
    wire(json!({ "resultType": "complete", "content": content }))
}

fn failure(text: &str) -> CallToolResponse {
    let failed: CallToolResult =
        wire(json!({ "resultType": "complete", "content": said(text), "isError": true }));
    failed.into()
}

fn said(text: &str) -> Value {
    json!([{ "type": "text", "text": text }])
}

/// What a tool asks the client, where the protocol has rounds for it.
fn questions(name: &str, context: &Context) -> Option<Questions> {
    let user_name = || elicitation("What is your name?", "name", "string");
    let (sealed, rounds) = match name {
        "test_input_required_result_elicitation" | "test_streaming_elicitation" => {
            (false, vec![json!({ "user_name": user_name() })])
        }
        "test_input_required_result_sampling" => {
            let question = sampling("What is the capital of France?");
            (false, vec![json!({ "capital_question": question })])
        }
        "test_input_required_result_list_roots" => {
            (false, vec![json!({ "client_roots": roots() })])
        }
        "test_input_required_result_request_state"
        | "test_input_required_result_tampered_state" => {
            let confirm = elicitation("Please confirm", "ok", "boolean");
            (true, vec![json!({ "confirm": confirm })])
        }
        "test_input_required_result_multiple_inputs" => {
            let questions = json!({
                "user_name": user_name(),
                "greeting": sampling("Generate a greeting"),
                "client_roots": roots(),
            });
            (true, vec![questions])
        }
        "test_input_required_result_multi_round" => {
            let first = elicitation("Step 1: What is your name?", "name", "string");
            let second = elicitation("Step 2: What is your favorite color?", "color", "string");
            (
                true,
                vec![json!({ "step1": first }), json!({ "step2": second })],
            )
        }
        "test_input_required_result_capabilities" => {
            let declared = json!(context.client_capabilities());
            let mut questions = json!({});
            if declared["elicitation"].is_object() {
                questions["user_name"] = user_name();
            }
            if declared["sampling"].is_object() {
                questions["greeting"] = sampling("Generate a greeting");
            }
            (false, vec![questions])
        }
        _ => return None,
    };
    Some(Questions { rounds, sealed })
}

/// Asks as the revisions with sessions do: by a request of the server.
async fn ask(
    name: &str,
    arguments: &Value,
    context: &Context,
) -> Result<String, rmcp::ServiceError> {
    if name == "test_sampling" {
        let question = sampling(arguments["prompt"].as_str().unwrap_or_default());
        let answer = context
            .peer
            .create_message(wire(question["params"].clone()))
            .await?;
        return Ok(format!("LLM response: {}", json!(answer.message.content)));
    }
    let (message, schema) = match name {
        "test_elicitation" => (
            arguments["message"].as_str().unwrap_or_default(),
            json!({
                "type": "object",
                "properties": {
                    "username": { "type": "string", "description": "User's response" },
                    "email": { "type": "string", "description": "User's email address" },
                },
                "required": ["username", "email"],
            }),
        ),
        "test_elicitation_sep1034_defaults" => (
            "All of these have defaults",
            json!({ "type": "object", "properties": {
                "name": { "type": "string", "default": "John Doe" },
                "age": { "type": "integer", "default": 30 },
                "score": { "type": "number", "default": 95.5 },
                "status": {
                    "type": "string",
                    "enum": ["active", "inactive", "pending"],
                    "default": "active",
                },
                "verified": { "type": "boolean", "default": true },
            } }),
        ),
        _ => ("Choose", enums()),
    };
    let question = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    let answer = context.peer.create_elicitation(wire(question)).await?;
    let answer = json!(answer);
    Ok(format!(
        "Elicitation completed: action={}, content={}",
        answer["action"].as_str().unwrap_or_default(),
        answer["content"]
    ))
}

fn enums() -> Value {
    let titled = |prefix: &str| {
        let choice = |(number, title)| json!({ "const": format!("value{number}"), "title": format!("{title} {prefix}") });
        json!([(1, "First"), (2, "Second"), (3, "Third")].map(choice))
    };
    let plain = json!(["option1", "option2", "option3"]);
    json!({ "type": "object", "properties": {
        "untitledSingle": { "type": "string", "enum": plain },
        "titledSingle": { "type": "string", "oneOf": titled("Option") },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
    } })
}

/// To a client that wants to know: in the revisions with sessions at the level
/// it set, in the others only if the request names one.
async fn log(handler: &Handler, context: &Context) {
    let stateless = context.meta.protocol_version().is_some();
    let level = match context.meta.log_level() {
        Some(level) => level,
        None if stateless => return,
        None => *lock(&handler.level),
    };
    for text in [
        "Tool execution started",
        "Tool processing data",
        "Tool execution completed",
    ] {
        if is_info(level) {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, text.into());
            let _ = context.peer.notify_logging_message(message).await;
        }
        sleep(PAUSE).await;
    }
}

fn is_info(level: LoggingLevel) -> bool {
    matches!(level, LoggingLevel::Debug | LoggingLevel::Info)
}

async fn report(context: &Context) {
    for progress in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let progress = ProgressNotificationParam::new(token, progress).with_total(100.0);
            let _ = context.peer.notify_progress(progress).await;
        }
        sleep(PAUSE).await;
    }
}
