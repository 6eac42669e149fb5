//! What the JavaScript of the guest asks of Rust: output, clocks, text, and
//! what the modules below have to offer.

use crate::bindings::wasm_coordinator::sandbox::output::{self, Block, Data};
use crate::text::{Nullable, Text};
use crate::{address, engine, files, frames, hashes, modules, random, reserve, tools, zones};
use rquickjs::promise::PromiseState;
use rquickjs::{Array, ArrayBuffer, Ctx, Function, IntoJs, Object, Result, Value, qjs};
use std::cell::Cell;
use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd as _, RawFd};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

thread_local! {
    static START: Cell<Option<(Instant, f64)>> = const { Cell::new(None) };
}

/// Prepares for a new program.
pub(crate) fn begin() {
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
        "url": |url: Text, base: Nullable| address::parse(&url.0, base.0.as_deref()),
        "urlSet": |href: Text, part: String, value: Text| address::set(&href.0, &part, &value.0),
        "isLow": reserve::is_low,
        "memoryRefused": reserve::was_refused,
        "exit": engine::exit,
    }
    modules::define(ctx, &native)?;
    tools::define(ctx, &native)?;
    zones::define(ctx, &native)?;
    hashes::define(ctx, &native)?;
    native.set("files", files::object(ctx)?)?;
    native.set("version", "ng")?;
    Ok(native)
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
