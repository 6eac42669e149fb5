//! Tools, for `js/tools.js`: the contract's `tools` interface as JavaScript
//! sees it. A failure is an object that says why there is no result.
//!
//! `describe` and `search` block while a server starts for the first time, as
//! the contract allows; nothing else waits.

use crate::bindings::wasm_coordinator::sandbox::tools::{self, Detail};
use crate::bindings::wasm_coordinator::sandbox::types::{
    AnswerForm, CallError, CallErrorKind, Language,
};
use crate::json;
use crate::text::{Nullable, Text};
use rquickjs::{Array, Ctx, Function, IntoJs, Object, Result, Value};

/// Puts the functions into the `native` object of the prelude.
pub(crate) fn define<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> Result<()> {
    native.set("startCall", Function::new(ctx.clone(), start_call)?)?;
    native.set("cancel", Function::new(ctx.clone(), tools::cancel)?)?;
    native.set("servers", Function::new(ctx.clone(), servers)?)?;
    native.set("describe", Function::new(ctx.clone(), describe)?)?;
    native.set("search", Function::new(ctx.clone(), search)?)?;
    native.set(
        "nearest",
        Function::new(ctx.clone(), |name: Text, names: Vec<String>| {
            nearest(&name.0, names)
        })?,
    )
}

/// The id of the call, or an object that says why there is none.
fn start_call<'js>(
    ctx: Ctx<'js>,
    name: Text,
    arguments: Nullable,
    whole: bool,
) -> Result<Value<'js>> {
    let arguments = arguments.0.as_deref().unwrap_or("{}");
    let form = match whole {
        true => AnswerForm::Whole,
        false => AnswerForm::Value,
    };
    match tools::start_call(&name.0, arguments, form) {
        Ok(id) => id.into_js(&ctx),
        Err(error) => call_error(&ctx, &error),
    }
}

/// A failure as the prelude knows it; [`refusal`] reads it back.
pub(crate) fn call_error<'js>(ctx: &Ctx<'js>, error: &CallError) -> Result<Value<'js>> {
    let object = Object::new(ctx.clone())?;
    let kind = match &error.kind {
        CallErrorKind::Failed => "failed",
        CallErrorKind::InvalidArguments(parameters) => {
            object.set("parameters", parameters.clone())?;
            "invalid_arguments"
        }
        CallErrorKind::UnknownTool(_) => "unknown_tool",
        CallErrorKind::Denied => "denied",
        CallErrorKind::Unavailable => "unavailable",
        CallErrorKind::TimedOut => "timed_out",
        CallErrorKind::OutcomeUnknown => "outcome_unknown",
        CallErrorKind::Cancelled => "cancelled",
        CallErrorKind::Limit => "limit",
        CallErrorKind::UnusableAnswer => "unusable_answer",
    };
    object.set("kind", kind)?;
    object.set("server", error.server.as_str())?;
    object.set("tool", error.tool.as_str())?;
    object.set("message", error.message.as_str())?;
    if let Some(code) = error.code {
        object.set("code", code as f64)?;
    }
    if let Some(data) = &error.data {
        // A server's word about an error is no reason for another one.
        let data = json::parse(ctx, data.clone()).or_else(|_| {
            ctx.catch();
            data.as_str().into_js(ctx)
        })?;
        object.set("data", data)?;
    }
    Ok(object.into_value())
}

/// The refusal that [`call_error`] made an object of; `None` if it was another
/// failure.
pub(crate) fn refusal(failure: &Object<'_>) -> Result<Option<CallError>> {
    let kind = match failure.get::<_, Text>("kind")?.0.as_str() {
        "denied" => CallErrorKind::Denied,
        "limit" => CallErrorKind::Limit,
        _ => return Ok(None),
    };
    Ok(Some(CallError {
        kind,
        server: failure.get::<_, Text>("server")?.0,
        tool: failure.get::<_, Text>("tool")?.0,
        message: failure.get::<_, Text>("message")?.0,
        code: None,
        data: None,
    }))
}

fn servers<'js>(ctx: Ctx<'js>) -> Result<Array<'js>> {
    let array = Array::new(ctx.clone())?;
    for (index, server) in tools::servers().into_iter().enumerate() {
        let object = Object::new(ctx.clone())?;
        object.set("name", server.name)?;
        object.set("identifier", server.identifier)?;
        array.set(index, object)?;
    }
    Ok(array)
}

/// The tools of a server, or an object that says why there are none.
fn describe<'js>(ctx: Ctx<'js>, server: Text, language: Text) -> Result<Value<'js>> {
    let language = match language.0.as_str() {
        "python" => Language::Python,
        _ => Language::Javascript,
    };
    let tools = match tools::describe(&server.0, language) {
        Ok(tools) => tools,
        Err(error) => return call_error(&ctx, &error),
    };
    let array = Array::new(ctx.clone())?;
    for (index, tool) in tools.into_iter().enumerate() {
        let object = Object::new(ctx.clone())?;
        object.set("name", tool.name)?;
        object.set("identifier", tool.identifier)?;
        let parameters = Array::new(ctx.clone())?;
        for (index, parameter) in tool.parameters.into_iter().enumerate() {
            let entry = Object::new(ctx.clone())?;
            entry.set("name", parameter.name)?;
            entry.set("required", parameter.required)?;
            parameters.set(index, entry)?;
        }
        object.set("parameters", parameters)?;
        array.set(index, object)?;
    }
    Ok(array.into_value())
}

/// What a search found, or an object that says why there is nothing. The
/// detail is the number of its name in the contract.
fn search<'js>(
    ctx: Ctx<'js>,
    query: Text,
    detail: u8,
    server: Nullable,
    limit: u32,
) -> Result<Value<'js>> {
    let detail = [Detail::Brief, Detail::Detailed, Detail::Full]
        .get(usize::from(detail))
        .copied()
        .unwrap_or(Detail::Brief);
    match tools::search(&query.0, detail, server.0.as_deref(), limit) {
        Ok(found) => ctx.json_parse(found),
        Err(error) => call_error(&ctx, &error),
    }
}

/// The three names that are closest.
fn nearest(name: &str, mut names: Vec<String>) -> Vec<String> {
    let wanted = fold(name);
    names.sort_by_cached_key(|other| distance(&wanted, &fold(other)));
    names.truncate(3);
    names
}

/// A name without case and separators, and not longer than is worth comparing.
fn fold(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(64)
        .collect()
}

/// Levenshtein's distance.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let cost = if a == b {
                corner
            } else {
                corner.min(row[j]).min(row[j + 1]) + 1
            };
            corner = row[j + 1];
            row[j + 1] = cost;
        }
    }
    row[other.len()]
}
