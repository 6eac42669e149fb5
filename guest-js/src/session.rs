//! Programs, one after the other, in one engine: `run`, `resume`, and the
//! loop between them.

use crate::bindings::wasm_coordinator::sandbox::types::{
    Completion, Exception, Failure, Language, Outcome, Position, Program, Reference, Refusal, Step,
    Value as Shown,
};
use crate::source::{self, Places, Prepared, Tail};
use crate::text::Text;
use crate::{engine, frames, json, modules, natives, reserve, tools};
use rquickjs::promise::PromiseState;
use rquickjs::{Array, Ctx, FromJs, Function, IntoJs, Object, Result, Value};
use std::cell::RefCell;

thread_local! {
    /// The program that starts when its imports are there.
    static NEXT: RefCell<Option<(String, Prepared)>> = const { RefCell::new(None) };
}

/// What `turn` in `js/program.js` answers when something ran.
const RAN: f64 = -1.0;

/// Starts a program.
pub(crate) fn run(program: Program) -> Step {
    engine::begin();
    natives::begin();
    frames::begin(&program.name);
    engine::enter(|ctx| {
        match start(ctx, program) {
            Ok(Some(answer)) => {
                if let Some(step) = step(ctx, answer) {
                    return step;
                }
            }
            Ok(None) => {}
            Err(error) => fail(ctx, error),
        }
        pump(ctx)
    })
}

/// What a program refers to. Neither the engine nor the session hears of it.
pub(crate) fn references(program: &Program) -> Vec<Reference> {
    let typescript = matches!(program.language, Language::Typescript);
    let mut places = Places::new(&program.source);
    let found = source::references(&program.source, typescript).into_iter();
    let located = found.map(|found| {
        let (line, column) = places.next(found.at);
        Reference {
            kind: found.kind,
            name: found.name,
            line,
            column,
        }
    });
    located.collect()
}

/// Goes on with the program.
pub(crate) fn resume(completions: Vec<Completion>) -> Step {
    engine::enter(|ctx| {
        for completion in completions {
            if let Err(error) = complete(ctx, completion) {
                fail(ctx, error);
            }
        }
        pump(ctx)
    })
}

/// Starts the top level. Answers what `turn` does if that has settled at once.
fn start<'js>(ctx: &Ctx<'js>, program: Program) -> Result<Option<Value<'js>>> {
    let name = program.name.as_str();
    let begin = || engine::call::<()>(ctx, "begin", (name, program.arguments.clone()));
    begin().or_else(|error| retry(ctx, error, begin))?;
    let typescript = matches!(program.language, Language::Typescript);
    let prepared = match source::program(&program.source, typescript) {
        Ok(prepared) => prepared,
        Err(error) => {
            let position = (error.message, name, error.line, error.column);
            let thrown: Value = engine::call_internal(ctx, "syntaxError", position)?;
            return Err(ctx.throw(thrown));
        }
    };
    frames::remember(name, prepared.shifts.clone());
    if !prepared.guarded.is_empty() {
        engine::call_internal::<()>(ctx, "guard", (prepared.guarded.clone(),))?;
    }
    modules::predeclare(ctx, &prepared.classes)?;
    let tail = match prepared.tail {
        Tail::Value => "value",
        Tail::Nothing => "nothing",
        Tail::Call => "call",
        Tail::Wrapped => "wrapped",
    };
    if prepared.imports.is_empty() {
        let promise = engine::evaluate_program(ctx, name, &prepared.code)?;
        engine::run_jobs(ctx);
        if let Some(value) = settled(&promise, prepared.tail)? {
            return engine::call(ctx, "done", (value,)).map(Some);
        }
        engine::call::<()>(ctx, "follow", (promise, tail))?;
        return Ok(None);
    }
    let imports = modules::imports(ctx, &prepared.imports)?;
    NEXT.with_borrow_mut(|next| *next = Some((name.to_owned(), prepared)));
    engine::call::<()>(ctx, "link", (imports, tail))?;
    Ok(None)
}

/// The value of a top level that has settled, if there is nothing more to it:
/// neither a function to call nor an object, which may be a promise.
fn settled<'js>(promise: &Value<'js>, tail: Tail) -> Result<Option<Value<'js>>> {
    let Some(promise) = promise.as_promise() else {
        return Ok(None);
    };
    if promise.state() != PromiseState::Resolved || engine::has_exited() {
        return Ok(None);
    }
    let Some(result) = promise.result::<Object>() else {
        return Ok(None);
    };
    Ok(match tail {
        Tail::Value => Some(result?.get::<_, Value>("value")?).filter(|value| !value.is_object()),
        Tail::Nothing => Some(Value::new_undefined(promise.ctx().clone())),
        Tail::Call | Tail::Wrapped => None,
    })
}

/// The `native` object of the prelude, with what programs are started by.
pub(crate) fn natives<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let native = natives::object(ctx)?;
    native.set("evaluate", Function::new(ctx.clone(), evaluate)?)?;
    Ok(native)
}

/// Starts the program whose imports are there. Called from JavaScript.
fn evaluate<'js>(ctx: Ctx<'js>) -> Result<Value<'js>> {
    match NEXT.take() {
        Some((name, prepared)) => engine::evaluate_program(&ctx, &name, &prepared.code),
        None => Ok(Value::new_undefined(ctx)),
    }
}

fn complete<'js>(ctx: &Ctx<'js>, completion: Completion) -> Result<()> {
    let (ok, value) = match completion.result {
        Ok(text) => match json::parse(ctx, text) {
            Ok(value) => (true, value),
            // Too deep or too large for what memory is left: the call's error.
            Err(_) => (false, ctx.catch()),
        },
        Err(error) => (false, tools::call_error(ctx, &error)?),
    };
    engine::call(ctx, "complete", (completion.id, ok, value))
}

/// Ends the program with the error that is pending.
fn fail(ctx: &Ctx<'_>, error: rquickjs::Error) {
    let thrown = match error {
        rquickjs::Error::Exception => ctx.catch(),
        other => other
            .to_string()
            .into_js(ctx)
            .unwrap_or_else(|_| ctx.catch()),
    };
    let _ = engine::call::<()>(ctx, "fail", (thrown,));
}

/// Runs whatever is ready; then says whether the program ended.
fn pump(ctx: &Ctx<'_>) -> Step {
    loop {
        engine::run_jobs(ctx);
        let turn = || engine::call::<Value>(ctx, "turn", ());
        match turn().or_else(|error| retry(ctx, error, turn)) {
            Ok(answer) => {
                if let Some(step) = step(ctx, answer) {
                    return step;
                }
            }
            Err(error) => return Step::Finished(broken(ctx, error)),
        }
    }
}

/// Does once more what failed, with the memory that was put aside.
fn retry<T>(ctx: &Ctx<'_>, error: rquickjs::Error, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if !reserve::release() {
        return Err(error);
    }
    ctx.catch();
    work()
}

/// What an answer of `turn` means; `None` where there is more to run.
fn step<'js>(ctx: &Ctx<'js>, answer: Value<'js>) -> Option<Step> {
    if let Some(milliseconds) = answer.as_number() {
        if milliseconds == RAN {
            return None;
        }
        let nanoseconds = (milliseconds * 1e6).ceil();
        let wait = nanoseconds.is_finite().then_some(nanoseconds as u64);
        return Some(Step::Waiting(wait));
    }
    NEXT.take();
    reserve::fill();
    let outcome = outcome(answer).unwrap_or_else(|error| broken(ctx, error));
    Some(Step::Finished(outcome))
}

/// The program destroyed what the guest itself stands on, or memory is gone.
fn broken(ctx: &Ctx<'_>, error: rquickjs::Error) -> Outcome {
    let thrown = ctx.catch();
    let message = thrown
        .as_object()
        .and_then(|object: &Object| object.get::<_, String>("message").ok())
        .unwrap_or_else(|| error.to_string());
    let raised = Exception {
        kind: "InternalError".to_owned(),
        message: format!("the result cannot be shown: {message}"),
        traceback: String::new(),
        position: None,
    };
    let failure = if reserve::was_refused() {
        Failure::OutOfMemory(raised)
    } else {
        Failure::Raised(raised)
    };
    Outcome {
        result: Err(failure),
        warnings: Vec::new(),
    }
}

/// Reads what `finish` in `js/program.js` answers.
fn outcome(answer: Value<'_>) -> Result<Outcome> {
    let Some(answer) = answer.as_array() else {
        return Ok(Outcome {
            result: Ok(value(answer)?),
            warnings: Vec::new(),
        });
    };
    let shown: Array = answer.get(0)?;
    let warnings = answer.get::<Vec<Text>>(1)?;
    let result = match text(&shown, 0)?.as_str() {
        "exited" => Err(Failure::Exited(shown.get(1)?)),
        "stuck" => Err(Failure::Stuck(exception(&shown)?)),
        "raised" => Err(Failure::Raised(exception(&shown)?)),
        "refused" => Err(refused(&shown)?),
        "out-of-memory" => Err(Failure::OutOfMemory(exception(&shown)?)),
        _ => Ok(value(shown.get(0)?)?),
    };
    Ok(Outcome {
        result,
        warnings: warnings.into_iter().map(|warning| warning.0).collect(),
    })
}

/// A value as `result` in `js/program.js` writes it.
fn value(shown: Value<'_>) -> Result<Shown> {
    let ctx = shown.ctx().clone();
    let mut text = Text::from_js(&ctx, shown)?.0;
    let tag = if text.is_empty() { 'n' } else { text.remove(0) };
    Ok(match tag {
        'j' => Shown::Json(text),
        't' => Shown::Text(text),
        _ => Shown::Nothing,
    })
}

/// A refusal, with the failure that the error was made of.
fn refused(shown: &Array<'_>) -> Result<Failure> {
    let raised = exception(shown)?;
    Ok(match tools::refusal(&shown.get(5)?)? {
        Some(error) => Failure::Refused(Refusal { error, raised }),
        None => Failure::Raised(raised),
    })
}

fn exception(shown: &Array<'_>) -> Result<Exception> {
    let position = match shown.get::<Option<Array>>(4)? {
        Some(position) => Some(Position {
            file: position.get(0)?,
            line: position.get(1)?,
            column: position.get(2)?,
        }),
        None => None,
    };
    Ok(Exception {
        kind: text(shown, 1)?,
        message: text(shown, 2)?,
        traceback: text(shown, 3)?,
        position,
    })
}

fn text(shown: &Array<'_>, index: usize) -> Result<String> {
    Ok(shown.get::<Text>(index)?.0)
}
