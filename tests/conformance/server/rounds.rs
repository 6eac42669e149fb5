//! Requests that need answers of the client: in rounds, without a session.
//!
//! What was reached travels as `requestState`, sealed.

use rmcp::{
    ErrorData,
    model::{InputRequiredResult, InputResponses, RequestStateCodec},
};
use serde_json::{Value, json};

use crate::wire;

pub(crate) struct Rounds {
    codec: RequestStateCodec,
}

/// The questions of one tool or prompt, one object of them for each round.
pub(crate) struct Questions {
    pub(crate) rounds: Vec<Value>,
    /// The place is kept in `requestState`, and must come back.
    pub(crate) sealed: bool,
}

pub(crate) enum Progress {
    Ask(InputRequiredResult),
    /// The answers of the last round.
    Done(InputResponses),
}

impl Rounds {
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        for half in key.chunks_mut(16) {
            let random = wasm_coordinator::serve::http::TraceId::random().to_string();
            half.copy_from_slice(&random.as_bytes()[..16]);
        }
        Self {
            codec: RequestStateCodec::try_new(key).expect("the key is long enough"),
        }
    }

    /// # Errors
    ///
    /// The state was not made here, or was changed.
    pub(crate) fn advance(
        &self,
        questions: &Questions,
        responses: Option<InputResponses>,
        state: Option<&str>,
    ) -> Result<Progress, ErrorData> {
        let round = match state {
            Some(state) => self.codec.open_json(state).map_err(|_| {
                ErrorData::invalid_params("`requestState` was not made by this server", None)
            })?,
            None => 0_usize,
        };
        let asked = questions.rounds.get(round).ok_or_else(|| {
            ErrorData::invalid_params("`requestState` is of another request", None)
        })?;
        let responses = responses.unwrap_or_default();
        let complete = (state.is_some() || !questions.sealed) && answers(asked, &responses);
        if !complete {
            return Ok(Progress::Ask(self.ask(questions, round)));
        }
        if round + 1 < questions.rounds.len() {
            return Ok(Progress::Ask(self.ask(questions, round + 1)));
        }
        Ok(Progress::Done(responses))
    }

    fn ask(&self, questions: &Questions, round: usize) -> InputRequiredResult {
        let mut result = json!({
            "resultType": "input_required",
            "inputRequests": questions.rounds[round],
        });
        if questions.sealed {
            let state = self
                .codec
                .seal_json(&round)
                .expect("a number can be sealed");
            result["requestState"] = state.into();
        }
        wire(result)
    }
}

/// Whether every question has an answer of its kind.
fn answers(asked: &Value, responses: &InputResponses) -> bool {
    let asked = asked.as_object().expect("questions are an object");
    asked.iter().all(|(key, question)| {
        let answer = &responses.get(key).cloned().unwrap_or_default();
        match question["method"].as_str() {
            Some("elicitation/create") => {
                let required = question["params"]["requestedSchema"]["required"].as_array();
                answer["action"] == "accept"
                    && required
                        .into_iter()
                        .flatten()
                        .all(|name| !answer["content"][name.as_str().unwrap_or_default()].is_null())
            }
            Some("sampling/createMessage") => answer["content"].is_object(),
            _ => answer["roots"].is_array(),
        }
    })
}

pub(crate) fn elicitation(message: &str, field: &str, kind: &str) -> Value {
    json!({ "method": "elicitation/create", "params": {
        "mode": "form",
        "message": message,
        "requestedSchema": {
            "type": "object",
            "properties": { field: { "type": kind } },
            "required": [field],
        },
    } })
}

pub(crate) fn sampling(text: &str) -> Value {
    json!({ "method": "sampling/createMessage", "params": {
        "messages": [{ "role": "user", "content": { "type": "text", "text": text } }],
        "maxTokens": 100,
    } })
}

pub(crate) fn roots() -> Value {
    json!({ "method": "roots/list", "params": {} })
}
