//! The one engine of the guest: a QuickJS runtime and its only context.

use crate::reserve;
use rquickjs::function::{Args, IntoArgs, Rest};
use rquickjs::loader::{Loader, Resolver};
use rquickjs::{Context, Ctx, FromJs, Function, Object, Persistent, Result, Runtime, Value, qjs};
use std::cell::{Cell, OnceCell};

/// How much of the linear memory's stack the engine may use before it throws
/// `RangeError: Maximum call stack size exceeded`. The linker gives more (see
/// `build`); the rest is for the parser and for native code on top.
const STACK: usize = 7 << 18; // `engine.h` has seven eighths of it

/// The JavaScript that is run before the snapshot, in this order.
const PRELUDE: [(&str, &str); 22] = [
    ("internal:errors.js", include_str!("../js/errors.js")),
    ("internal:inspect.js", include_str!("../js/inspect.js")),
    ("internal:console.js", include_str!("../js/console.js")),
    ("internal:timers.js", include_str!("../js/timers.js")),
    ("internal:events.js", include_str!("../js/events.js")),
    ("internal:data.js", include_str!("../js/data.js")),
    ("internal:encodings.js", include_str!("../js/encodings.js")),
    ("internal:buffer.js", include_str!("../js/buffer.js")),
    (
        "internal:intl-numbers.js",
        include_str!("../js/intl-numbers.js"),
    ),
    (
        "internal:intl-dates.js",
        include_str!("../js/intl-dates.js"),
    ),
    ("internal:intl.js", include_str!("../js/intl.js")),
    ("internal:url.js", include_str!("../js/url.js")),
    ("internal:json.js", include_str!("../js/json.js")),
    ("internal:tools.js", include_str!("../js/tools.js")),
    ("internal:resources.js", include_str!("../js/resources.js")),
    ("internal:process.js", include_str!("../js/process.js")),
    ("internal:emitter.js", include_str!("../js/emitter.js")),
    ("internal:assert.js", include_str!("../js/assert.js")),
    ("internal:node.js", include_str!("../js/node.js")),
    ("internal:packages.js", include_str!("../js/packages.js")),
    ("internal:files.js", include_str!("../js/files.js")),
    ("internal:output.js", include_str!("../js/output.js")),
];

/// Comes last: what the Rust side calls.
const PROGRAM: (&str, &str) = ("internal:program.js", include_str!("../js/program.js"));

thread_local! {
    static ENGINE: OnceCell<Engine> = const { OnceCell::new() };
    /// The program has asked to exit.
    static EXITED: Cell<bool> = const { Cell::new(false) };
}

struct Engine {
    /// Keeps the runtime, which the context refers to, and its loader.
    _runtime: Runtime,
    context: Context,
    internal: Persistent<Object<'static>>,
    hooks: Persistent<Object<'static>>,
}

/// Makes the engine and runs the prelude, which gets what `native` makes.
/// `modules` finds and loads what programs import.
///
/// # Panics
///
/// Panics or aborts if that fails, which can only happen when the guest is
/// built.
pub(crate) fn initialise(
    modules: impl Resolver + Loader + Copy + 'static,
    native: impl for<'js> FnOnce(&Ctx<'js>) -> Result<Object<'js>>,
) {
    let runtime = Runtime::new_with_alloc(reserve::Memory).expect("a runtime");
    runtime.set_max_stack_size(STACK);
    runtime.set_loader(modules, modules);
    runtime.set_host_promise_rejection_tracker(Some(Box::new(|ctx, promise, reason, handled| {
        // A program that broke its own engine gets no such report.
        let _ = call::<()>(&ctx, "rejection", (promise, reason, handled));
    })));
    let context = Context::full(&runtime).expect("a context");
    let (internal, hooks) = context.with(|ctx| {
        let native = native(&ctx).expect("the native functions");
        let internal = Object::new(ctx.clone()).expect("an object");
        let global = Function::new(ctx.clone(), define_global).expect("a function");
        internal.set("global", global).expect("a property");
        for (name, source) in PRELUDE.into_iter().chain([PROGRAM]) {
            let result = evaluate_internal(&ctx, name, source)
                .and_then(|prelude| prelude.call::<_, ()>((native.clone(), internal.clone())));
            if let Err(error) = result {
                let thrown = ctx.catch();
                let exception = thrown.as_exception();
                eprintln!(
                    "{name}: {error}: {:?} {:?}",
                    exception.and_then(|exception| exception.message()),
                    exception.and_then(|exception| exception.stack()),
                );
                std::process::abort();
            }
        }
        let hooks: Object = internal.get("hooks").expect("the hooks");
        (
            Persistent::save(&ctx, internal),
            Persistent::save(&ctx, hooks),
        )
    });
    runtime.run_gc();
    let engine = Engine {
        _runtime: runtime,
        context,
        internal,
        hooks,
    };
    ENGINE.with(|cell| cell.set(engine).ok().expect("the first engine"));
}

fn evaluate_internal<'js>(ctx: &Ctx<'js>, name: &str, source: &str) -> Result<Function<'js>> {
    let value = evaluate(ctx, name, source, 0)?;
    Function::from_js(ctx, value)
}

/// Gives access to the engine, at the start of a call from outside.
pub(crate) fn enter<T>(body: impl FnOnce(&Ctx<'_>) -> T) -> T {
    ENGINE.with(|cell| {
        let engine = cell.get().expect("the guest was built without its engine");
        engine.context.with(|ctx| {
            // SAFETY: the context is alive, so its runtime is. The stack
            // pointer of this call becomes the top the limit counts from.
            unsafe { qjs::JS_UpdateStackTop(qjs::JS_GetRuntime(ctx.as_raw().as_ptr())) };
            body(&ctx)
        })
    })
}

/// Evaluates a script with top-level `await` and returns its promise.
pub(crate) fn evaluate_program<'js>(
    ctx: &Ctx<'js>,
    name: &str,
    source: &str,
) -> Result<Value<'js>> {
    evaluate(ctx, name, source, qjs::JS_EVAL_FLAG_ASYNC)
}

/// Evaluates a script without top-level `await`.
pub(crate) fn evaluate_script<'js>(ctx: &Ctx<'js>, name: &str, source: &str) -> Result<Value<'js>> {
    evaluate(ctx, name, source, 0)
}

fn evaluate<'js>(ctx: &Ctx<'js>, name: &str, source: &str, flags: u32) -> Result<Value<'js>> {
    let mut code = Vec::with_capacity(source.len() + 1);
    code.extend_from_slice(source.as_bytes());
    code.push(0);
    let name = std::ffi::CString::new(name.replace('\0', "")).unwrap_or_default();
    // SAFETY: the text ends with a zero byte that is not counted, as the
    // engine demands, and both texts outlive the call. The value returned is
    // owned by the caller.
    unsafe {
        let value = qjs::JS_Eval(
            ctx.as_raw().as_ptr(),
            code.as_ptr().cast(),
            source.len() as _,
            name.as_ptr(),
            (qjs::JS_EVAL_TYPE_GLOBAL | flags) as i32,
        );
        if qjs::JS_IsException(value) {
            return Err(rquickjs::Error::Exception);
        }
        Ok(Value::from_raw(ctx.clone(), value))
    }
}

/// Prepares for a new program.
pub(crate) fn begin() {
    EXITED.set(false);
    reserve::begin();
}

/// Ends the program: throws what no `catch` of the program can hold.
pub(crate) fn exit<'js>(ctx: Ctx<'js>, error: Value<'js>, _: Rest<Value<'js>>) -> Result<()> {
    EXITED.set(true);
    // SAFETY: the context is alive and the value belongs to it.
    unsafe { qjs::JS_SetUncatchableError(ctx.as_raw().as_ptr(), error.as_raw()) };
    Err(ctx.throw(error))
}

/// Whether the program has asked to exit.
pub(crate) fn has_exited() -> bool {
    EXITED.get()
}

/// Runs jobs until none is ready or the program asked to exit.
pub(crate) fn run_jobs(ctx: &Ctx<'_>) {
    while !has_exited() {
        let mut context = std::ptr::null_mut();
        // SAFETY: the runtime is alive; the context that is written belongs to
        // it and is the only one.
        let ran = unsafe {
            let runtime = qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
            qjs::JS_ExecutePendingJob(runtime, &mut context)
        };
        match ran {
            0 => break,
            1.. => {}
            _ => {
                let thrown = ctx.catch();
                let _ = call::<()>(ctx, "fail", (thrown,));
            }
        }
    }
}

/// Calls one of the hooks of `js/program.js`.
pub(crate) fn call<'js, T: FromJs<'js>>(
    ctx: &Ctx<'js>,
    hook: &str,
    arguments: impl IntoArgs<'js>,
) -> Result<T> {
    let hooks = ENGINE.with(|cell| match cell.get() {
        Some(engine) => engine.hooks.clone().restore(ctx),
        None => Err(rquickjs::Error::Unknown),
    })?;
    call_on(ctx, &hooks, hook, arguments)
}

/// Calls one of the functions the prelude's files share.
pub(crate) fn call_internal<'js, T: FromJs<'js>>(
    ctx: &Ctx<'js>,
    name: &str,
    arguments: impl IntoArgs<'js>,
) -> Result<T> {
    let internal = ENGINE.with(|cell| match cell.get() {
        Some(engine) => engine.internal.clone().restore(ctx),
        None => Err(rquickjs::Error::Unknown),
    })?;
    call_on(ctx, &internal, name, arguments)
}

fn call_on<'js, T: FromJs<'js>>(
    ctx: &Ctx<'js>,
    object: &Object<'js>,
    name: &str,
    arguments: impl IntoArgs<'js>,
) -> Result<T> {
    let function: Function = object.get(name)?;
    let mut args = Args::new(ctx.clone(), arguments.num_args());
    arguments.into_args(&mut args)?;
    function.call_arg(args)
}

/// Defines a global that programs may replace, as the web's own are.
pub(crate) fn define_global<'js>(ctx: Ctx<'js>, name: String, value: Value<'js>) -> Result<()> {
    use rquickjs::object::Property;
    let property = Property::from(value).configurable().writable();
    ctx.globals().prop(name, property)
}
