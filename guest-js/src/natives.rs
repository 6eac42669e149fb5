//! What the JavaScript of the guest asks of Rust: output, clocks, tools, text.
//!
//! None of these functions waits, with the exceptions that the contract
//! allows: `describe` and `search` block while a server starts for the first
//! time.

use crate::bindings::wasm_coordinator::sandbox::output::{self, Block, Data};
use crate::bindings::wasm_coordinator::sandbox::tools::{self, Detail};
use crate::bindings::wasm_coordinator::sandbox::types::{CallError, CallErrorKind};
use crate::{address, files, frames, modules, random, reserve, session};
use rquickjs::function::Rest;
use rquickjs::promise::PromiseState;
use rquickjs::{Array, ArrayBuffer, Ctx, FromJs, Function, IntoJs, Object, Result, Value, qjs};
use std::cell::Cell;
use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd as _, RawFd};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

thread_local! {
    static EXITED: Cell<bool> = const { Cell::new(false) };
    static START: Cell<Option<(Instant, f64)>> = const { Cell::new(None) };
}

/// Whether the program has asked to exit.
pub(crate) fn has_exited() -> bool {
    EXITED.get()
}

/// Prepares for a new program.
pub(crate) fn begin() {
    EXITED.set(false);
    start();
}

/// The `native` object of the prelude.
pub(crate) fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    macro_rules! functions {
        ($($name:literal: $function:expr),* $(,)?) => {
            $(native.set($name, Function::new(ctx.clone(), $function)?)?;)*
        };
    }
    functions! {
        "write": write,
        "now": now,
        "timeOrigin": || start().1,
        "random": random_bytes,
        "randomNumber": random::number,
        "encode": encode,
        "decode": decode,
        "promiseState": promise_state,
        "isProxy": |value: Value<'js>| value.is_proxy(),
        "proxyTarget": proxy_target,
        "programFrames": |raw: Text| frames::program_frames(&raw.0),
        "position": position,
        "emitText": |text: Text| output::emit(&Block::Text(text.0)).err(),
        "emitData": emit_data,
        "startCall": start_call,
        "cancel": |id: u32| tools::cancel(id),
        "servers": servers,
        "describe": describe,
        "search": search,
        "nearest": |name: Text, names: Vec<String>| nearest(&name.0, names),
        "serverOf": |specifier: Text| modules::server_of("", &specifier.0).map(|(server, tool)| vec![Some(server), tool]),
        "url": |url: Text, base: Nullable| address::parse(&url.0, base.0.as_deref()),
        "urlSet": |href: Text, part: String, value: Text| address::set(&href.0, &part, &value.0),
        "isLow": reserve::is_low,
        "exit": exit,
        "evaluate": session::evaluate,
        "importFile": modules::import_file,
    }
    native.set("files", files::object(ctx)?)?;
    native.set("version", "ng")?;
    Ok(native)
}

/// Defines a global that programs may replace, as the web's own are.
pub(crate) fn define_global<'js>(ctx: Ctx<'js>, name: String, value: Value<'js>) -> Result<()> {
    use rquickjs::object::Property;
    let property = Property::from(value).configurable().writable();
    ctx.globals().prop(name, property)
}

/// A text of the program as UTF-8. Half a surrogate pair, which JavaScript
/// can hold and UTF-8 cannot, becomes U+FFFD.
pub(crate) struct Text(pub(crate) String);

impl<'js> FromJs<'js> for Text {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        let mut length = 0;
        // SAFETY: the value is alive; a null pointer means an exception, and
        // the bytes are copied before they are given back.
        let bytes = unsafe {
            let context = ctx.as_raw().as_ptr();
            let start = qjs::JS_ToCStringLen(context, &mut length, value.as_raw());
            if start.is_null() {
                return Err(rquickjs::Error::Exception);
            }
            let bytes = std::slice::from_raw_parts(start.cast::<u8>(), length as _).to_vec();
            qjs::JS_FreeCString(context, start);
            bytes
        };
        Ok(Text(String::from_utf8(bytes).unwrap_or_else(|error| {
            let mut bytes = error.into_bytes();
            for at in 2..bytes.len() {
                if bytes[at - 2] == 0xED && bytes[at - 1] >= 0xA0 {
                    bytes[at - 2..=at].copy_from_slice("\u{FFFD}".as_bytes());
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })))
    }
}

/// A text, or `null`.
struct Nullable(Option<String>);

impl<'js> FromJs<'js> for Nullable {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        if value.is_null() || value.is_undefined() {
            return Ok(Nullable(None));
        }
        Text::from_js(ctx, value).map(|text| Nullable(Some(text.0)))
    }
}

/// Writes a text at once. An error (a reader that is gone) is no reason to
/// disturb the program.
fn write(stream: RawFd, text: Text) {
    // SAFETY: standard output and error are open as long as the guest lives,
    // and `ManuallyDrop` keeps them so.
    let mut file = ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(stream) });
    let _ = file.write_all(text.0.as_bytes());
}

/// Why a block was refused, if it was.
fn emit_data(content: ArrayBuffer<'_>, mime_type: Nullable, name: Nullable) -> Option<String> {
    // SAFETY: no JavaScript runs while the bytes are copied.
    let content = unsafe { content.as_bytes() }.unwrap_or_default().to_vec();
    let data = Data {
        content,
        mime_type: mime_type.0,
        name: name.0,
    };
    output::emit(&Block::Data(data)).err()
}

/// The moment of the first program: clocks must not be read before the
/// snapshot.
fn start() -> (Instant, f64) {
    START.with(|start| match start.get() {
        Some(started) => started,
        None => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            let origin = since.map_or(0.0, |since| since.as_secs_f64() * 1e3);
            let started = (Instant::now(), origin);
            start.set(Some(started));
            started
        }
    })
}

/// Milliseconds since the first program.
fn now() -> f64 {
    match START.get() {
        Some((start, _)) => start.elapsed().as_secs_f64() * 1e3,
        None => 0.0,
    }
}

fn random_bytes<'js>(ctx: Ctx<'js>, length: usize) -> Result<ArrayBuffer<'js>> {
    let mut bytes = vec![0; length.min(1 << 16)];
    random::fill(&mut bytes);
    ArrayBuffer::new(ctx, bytes)
}

fn encode<'js>(ctx: Ctx<'js>, text: Text) -> Result<ArrayBuffer<'js>> {
    ArrayBuffer::new(ctx, text.0.into_bytes())
}

fn decode<'js>(
    ctx: Ctx<'js>,
    buffer: ArrayBuffer<'js>,
    offset: usize,
    length: usize,
    fatal: bool,
) -> Result<Value<'js>> {
    // SAFETY: no JavaScript runs while the bytes are borrowed: the text is
    // made before the engine is called again.
    let bytes = unsafe { buffer.as_bytes() }
        .and_then(|bytes| bytes.get(offset..offset.checked_add(length)?))
        .unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into_js(&ctx),
        Err(_) if fatal => Ok(Value::new_null(ctx)),
        Err(_) => String::from_utf8_lossy(bytes).as_ref().into_js(&ctx),
    }
}

/// `["pending" | "fulfilled" | "rejected", result]`, or `null` for what is no
/// promise.
fn promise_state<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Value<'js>> {
    let Some(promise) = value.as_promise() else {
        return Ok(Value::new_null(ctx));
    };
    let name = match promise.state() {
        PromiseState::Pending => "pending",
        PromiseState::Resolved => "fulfilled",
        PromiseState::Rejected => "rejected",
    };
    // SAFETY: the value is a promise; the result is owned by the caller.
    let result = unsafe {
        let raw = qjs::JS_PromiseResult(ctx.as_raw().as_ptr(), value.as_raw());
        Value::from_raw(ctx.clone(), raw)
    };
    let state = Array::new(ctx)?;
    state.set(0, name)?;
    state.set(1, result)?;
    Ok(state.into_value())
}

/// What a proxy stands for.
fn proxy_target<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Value<'js> {
    // SAFETY: the context is alive; of what is no proxy, the engine makes an
    // error, which is dropped. The result is owned by the caller.
    unsafe {
        let target = qjs::JS_GetProxyTarget(ctx.as_raw().as_ptr(), value.as_raw());
        if qjs::JS_IsException(target) {
            ctx.catch();
            return Value::new_null(ctx);
        }
        Value::from_raw(ctx.clone(), target)
    }
}

fn position<'js>(ctx: Ctx<'js>, frames: Text) -> Result<Value<'js>> {
    let Some((file, line, column)) = frames::position(&frames.0) else {
        return Ok(Value::new_null(ctx));
    };
    let position = Array::new(ctx)?;
    position.set(0, file)?;
    position.set(1, line)?;
    position.set(2, column)?;
    Ok(position.into_value())
}

/// The id of the call, or an object that says why there is none.
fn start_call<'js>(ctx: Ctx<'js>, name: Text, arguments: Nullable) -> Result<Value<'js>> {
    match tools::start_call(&name.0, arguments.0.as_deref().unwrap_or("{}")) {
        Ok(id) => id.into_js(&ctx),
        Err(error) => call_error(&ctx, &error),
    }
}

/// A failure as the prelude knows it.
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
    };
    object.set("kind", kind)?;
    object.set("server", error.server.as_str())?;
    object.set("tool", error.tool.as_str())?;
    object.set("message", error.message.as_str())?;
    Ok(object.into_value())
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
fn describe<'js>(ctx: Ctx<'js>, server: Text) -> Result<Value<'js>> {
    let tools = match tools::describe(&server.0) {
        Ok(tools) => tools,
        Err(error) => return call_error(&ctx, &error),
    };
    let array = Array::new(ctx.clone())?;
    for (index, tool) in tools.into_iter().enumerate() {
        let object = Object::new(ctx.clone())?;
        object.set("name", tool.name)?;
        object.set("python", tool.python)?;
        object.set("javascript", tool.javascript)?;
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
pub(crate) fn nearest(name: &str, mut names: Vec<String>) -> Vec<String> {
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

/// Ends the program: throws what no `catch` of the program can hold.
fn exit<'js>(ctx: Ctx<'js>, error: Value<'js>, _: Rest<Value<'js>>) -> Result<()> {
    EXITED.set(true);
    // SAFETY: the context is alive and the value belongs to it.
    unsafe { qjs::JS_SetUncatchableError(ctx.as_raw().as_ptr(), error.as_raw()) };
    Err(ctx.throw(error))
}
