//! The prompts.

use rmcp::{
    ErrorData,
    model::{GetPromptRequestParams, GetPromptResponse, GetPromptResult, Prompt},
};
use serde_json::{Value, json};

use crate::{
    rounds::{Progress, Questions, Rounds, elicitation},
    tools::PNG,
    wire,
};

pub(crate) fn all() -> Vec<Prompt> {
    let required = |names: &[&str]| -> Value {
        let argument = |name: &&str| json!({ "name": name, "description": name, "required": true });
        names.iter().map(argument).collect()
    };
    [
        ("test_simple_prompt", required(&[])),
        ("test_prompt_with_arguments", required(&["arg1", "arg2"])),
        (
            "test_prompt_with_embedded_resource",
            required(&["resourceUri"]),
        ),
        ("test_prompt_with_image", required(&[])),
        ("test_input_required_result_prompt", required(&[])),
    ]
    .map(|(name, arguments)| {
        wire(json!({
            "name": name,
            "description": format!("Of the conformance suite: {}.", name.replace('_', " ")),
            "arguments": arguments,
        }))
    })
    .into()
}

pub(crate) fn get(
    rounds: &Rounds,
    request: GetPromptRequestParams,
) -> Result<GetPromptResponse, ErrorData> {
    let arguments = Value::Object(request.arguments.unwrap_or_default());
    let argument = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
    let text = |text: String| json!({ "type": "text", "text": text });
    let contents = match request.name.as_str() {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.".to_owned())],
        "test_prompt_with_arguments" => vec![text(format!(
            "Prompt with arguments: arg1='{}', arg2='{}'",
            argument("arg1"),
            argument("arg2")
        ))],
        "test_prompt_with_embedded_resource" => vec![
            json!({ "type": "resource", "resource": {
                "uri": argument("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            } }),
            text("Please process the embedded resource above.".to_owned()),
        ],
        "test_prompt_with_image" => vec![
            json!({ "type": "image", "data": PNG, "mimeType": "image/png" }),
            text("Please analyze the image above.".to_owned()),
        ],
        "test_input_required_result_prompt" => {
            let question = "What context should the prompt use?";
            let questions = Questions {
                rounds: vec![json!({ "user_context": elicitation(question, "context", "string") })],
                sealed: false,
            };
            let state = request.request_state.as_deref();
            match rounds.advance(&questions, request.input_responses, state)? {
                Progress::Ask(result) => return Ok(result.into()),
                Progress::Done(answers) => {
                    let context = &answers["user_context"]["content"]["context"];
                    vec![text(format!("In the context of {context}."))]
                }
            }
        }
        _ => return Err(ErrorData::invalid_params("there is no such prompt", None)),
    };
    let messages: Vec<_> = contents
        .into_iter()
        .map(|content| json!({ "role": "user", "content": content }))
        .collect();
    let result: GetPromptResult = wire(json!({ "resultType": "complete", "messages": messages }));
    Ok(result.into())
}
