//! Programs, one after the other, in one engine: `run`, `resume`, and the
//! loop between them.

use crate::bindings::wasm_coordinator::sandbox::types::{
    Completion, Exception, Failure, Language, Outcome, Position, Program, Step, Value as Shown,
};
use crate::source::{self, Prepared, Tail};
use crate::{engine, frames, modules, natives};
use rquickjs::{Array, Ctx, IntoJs, Object, Result, Value};
use std::cell::RefCell;

thread_local! {
    /// The program that starts when its imports are there.
    static NEXT: RefCell<Option<(String, Prepared)>> = const { RefCell::new(None) };
}

/// What `turn` in `js/program.js` answers.
const RAN: u32 = 0;
const FINISHED: u32 = 1;
const WAIT: u32 = 2;

/// Starts a program.
pub(crate) fn run(program: Program) -> Step {
    natives::begin();
    frames::begin(&program.name);
    engine::enter(|ctx| {
        if let Err(error) = start(ctx, &program) {
            fail(ctx, error);
        }
        pump(ctx)
    })
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

fn start<'js>(ctx: &Ctx<'js>, program: &Program) -> Result<()> {
    let name = program.name.as_str();
    engine::call::<()>(ctx, "begin", (name, program.arguments.clone()))?;
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
    modules::predeclare(ctx, &prepared.classes)?;
    let tail = match prepared.tail {
        Tail::Value => "value",
        Tail::Nothing => "nothing",
        Tail::Call => "call",
        Tail::Wrapped => "wrapped",
    };
    if prepared.imports.is_empty() {
        let promise = engine::evaluate_program(ctx, name, &prepared.code)?;
        return engine::call(ctx, "follow", (promise, tail));
    }
    let imports = modules::imports(ctx, &prepared.imports)?;
    NEXT.with_borrow_mut(|next| *next = Some((name.to_owned(), prepared)));
    engine::call(ctx, "link", (imports, tail))
}

/// Starts the program whose imports are there. Called from JavaScript.
pub(crate) fn evaluate<'js>(ctx: Ctx<'js>) -> Result<Value<'js>> {
    match NEXT.take() {
        Some((name, prepared)) => engine::evaluate_program(&ctx, &name, &prepared.code),
        None => Ok(Value::new_undefined(ctx)),
    }
}

fn complete<'js>(ctx: &Ctx<'js>, completion: Completion) -> Result<()> {
    let (ok, value) = match completion.result {
        Ok(json) => match ctx.json_parse(json) {
            Ok(value) => (true, value),
            // Too deep or too large for what memory is left: the call's error.
            Err(_) => (false, ctx.catch()),
        },
        Err(error) => (false, natives::call_error(ctx, &error)?),
    };
    engine::call(ctx, "complete", (completion.id, ok, value))
}

/// Ends the program with the error that is pending.
fn fail(ctx: &Ctx<'_>, error: rquickjs::Error) {
    let thrown = match error {
        rquickjs::Error::Exception => ctx.catch(),
        other => other.to_string().into_js(ctx).unwrap_or_else(|_| ctx.catch()),
    };
    let _ = engine::call::<()>(ctx, "fail", (thrown,));
}

/// Runs whatever is ready; then says whether the program ended.
fn pump(ctx: &Ctx<'_>) -> Step {
    loop {
        engine::run_jobs(ctx);
        match engine::call::<u32>(ctx, "turn", ()) {
            Ok(RAN) => {}
            Ok(FINISHED) => return finish(ctx, false),
            Ok(WAIT) => {
                let milliseconds = engine::call::<f64>(ctx, "remaining", ()).unwrap_or(-1.0);
                let wait = (milliseconds >= 0.0).then(|| (milliseconds * 1e6).ceil() as u64);
                return Step::Waiting(wait);
            }
            Ok(_) => return finish(ctx, true),
            Err(error) => {
                fail(ctx, error);
                return finish(ctx, false);
            }
        }
    }
}

fn finish(ctx: &Ctx<'_>, stuck: bool) -> Step {
    NEXT.take();
    let outcome = engine::call::<Array>(ctx, "finish", (stuck,))
        .and_then(|answer| outcome(&answer))
        .unwrap_or_else(|error| Outcome {
            result: Err(Failure::Raised(broken(ctx, error))),
            warnings: Vec::new(),
        });
    Step::Finished(outcome)
}

/// The program destroyed what the guest itself stands on, or memory is gone.
fn broken(ctx: &Ctx<'_>, error: rquickjs::Error) -> Exception {
    let thrown = ctx.catch();
    let message = thrown
        .as_object()
        .and_then(|object: &Object| object.get::<_, String>("message").ok())
        .unwrap_or_else(|| error.to_string());
    Exception {
        kind: "InternalError".to_owned(),
        message: format!("the result cannot be shown: {message}"),
        traceback: String::new(),
        position: None,
    }
}

/// Reads what `finish` in `js/program.js` answers.
fn outcome(answer: &Array<'_>) -> Result<Outcome> {
    let shown: Array = answer.get(0)?;
    let warnings = answer.get::<Vec<rquickjs::Coerced<String>>>(1)?;
    let tag: String = shown.get(0)?;
    let result = match tag.as_str() {
        "nothing" => Ok(Shown::Nothing),
        "json" => Ok(Shown::Json(text(&shown, 1)?)),
        "text" => Ok(Shown::Text(text(&shown, 1)?)),
        "exited" => Err(Failure::Exited(shown.get(1)?)),
        "stuck" => Err(Failure::Stuck(exception(&shown)?)),
        _ => Err(Failure::Raised(exception(&shown)?)),
    };
    Ok(Outcome {
        result,
        warnings: warnings.into_iter().map(|warning| warning.0).collect(),
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
    Ok(shown.get::<natives::Text>(index)?.0)
}

