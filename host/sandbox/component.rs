//! A component of a user: compiled, inspected and linked before anything of it
//! runs.

use std::sync::Arc;

use wasmtime::component::Component;
use wasmtime::{Module, UnknownImportError};
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::bindings::GuestPre;
use crate::channel::Channel;
use crate::engine::{Compiled, Engine, EngineVariant, Metering, NotCompiled};
use crate::instance::Runnable;
use crate::{linker, preview1, typed};
use contract::clock::Clock;
use contract::error::Error;
use contract::hint::Hint;
use contract::limits::{Limit, Limits};
use contract::outcome::{ComponentRefusal, ComponentRefusalKind, RunError};
use contract::program::MAX_COMPONENT;
use contract::text;

/// Checks that these bytes are a component or a core module, and compiles it.
pub(crate) async fn compile(
    engine: &Engine,
    metering: Metering,
    bytes: Arc<[u8]>,
) -> Result<Compiled, RunError> {
    if bytes.len() > MAX_COMPONENT {
        return Err(invalid(
            format!(
                "the component has {} bytes; at most {MAX_COMPONENT} are accepted",
                bytes.len()
            ),
            None,
        ));
    }
    // By magic and before any other look: compiled code is trusted entirely by
    // whoever loads it, and text is a format nobody asked for.
    match &*bytes {
        [0, b'a', b's', b'm', 0x0d | 1, 0, 0 | 1, 0, ..] => {}
        [0x7f, b'E', b'L', b'F', ..] => {
            return Err(invalid(
                "this is compiled native code, which is never loaded".into(),
                Some("pass the WebAssembly component it was made from"),
            ));
        }
        _ => return Err(invalid("this is not a WebAssembly component".into(), None)),
    }
    let compiled = engine.compiled(metering, bytes).await;
    compiled.map_err(|error| match error {
        NotCompiled::Refused(why) => invalid(format!("the component {why}"), None),
        NotCompiled::Failed(error) => RunError::Host(error),
    })
}

fn invalid(message: String, hint: Option<&str>) -> RunError {
    RunError::Refused(ComponentRefusal {
        kind: ComponentRefusalKind::Invalid,
        message,
        hint: hint.map(|hint| Hint::Advice(hint.to_owned())),
    })
}

/// Checks a core module and links it, before anything of it runs.
pub(crate) fn load_module(variant: &EngineVariant, module: &Module) -> Result<Runnable, RunError> {
    let linker = variant
        .modules()
        .map_err(|error| RunError::Host(Error::host("linking a module", error)))?;
    let linked = linker.instantiate_pre(module);
    let linked = linked.map_err(|error| match error.downcast_ref::<UnknownImportError>() {
        Some(unknown) => RunError::Refused(ComponentRefusal {
            kind: ComponentRefusalKind::ImportDenied,
            message: format!(
                "the core WebAssembly module imports {}, which is not granted",
                text::quoted(&format!("{}.{}", unknown.module(), unknown.name()))
            ),
            hint: Some(Hint::Advice(format!(
                "core modules get the functions of `{}` without sockets; for more, build a \
                     component: for `wasm32-wasip2`, or with `wasm-tools component new`",
                preview1::MODULE
            ))),
        }),
        None => invalid(format!("the module does not fit: {error:#}"), None),
    })?;
    for name in ["_start", "memory"] {
        if module.get_export(name).is_none() {
            return Err(invalid(
                format!("this is a core WebAssembly module without the export `{name}`"),
                Some("build it as a program for `wasm32-wasip1`, or as a component"),
            ));
        }
    }
    Ok(Runnable::Module(linked))
}

/// Checks a user's component and links it, before anything of it runs. Servers
/// whose tools it imports are asked for their interfaces until the deadline.
pub(crate) async fn load(
    variant: &EngineVariant,
    component: &Component,
    channel: &mut Channel,
    limits: &Limits,
    clock: &Clock,
) -> Result<Runnable, RunError> {
    let ungranted = linker::ungranted(&variant.engine, component);
    if let Some(first) = ungranted.first() {
        let others = match ungranted.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        let hint = if first.starts_with("wasi:sockets/") {
            "there is no network but tools; `componentize-py componentize --stub-wasi` leaves sockets out"
        } else {
            "components get WASI's clocks, random numbers, files and output, \
                 `wasm-coordinator:sandbox/tools` and `output`, and `mcp:SERVER/tools` of granted tools; \
                 build it without the import"
        };
        return Err(RunError::Refused(ComponentRefusal {
            kind: ComponentRefusalKind::ImportDenied,
            message: format!("the component imports `{first}`{others}, which is not granted"),
            hint: Some(Hint::Advice(hint.to_owned())),
        }));
    }
    let misfit =
        |error: wasmtime::Error| invalid(format!("the component does not fit: {error:#}"), None);
    let imports = typed::imports(&variant.engine, component)?;
    let pre = if imports.is_empty() {
        variant.linker.instantiate_pre(component)
    } else {
        let mut linker = variant.linker.clone();
        let linked = clock
            .limit(typed::link(&mut linker, imports, channel))
            .await;
        linked.ok_or(RunError::Limit(Limit::Timeout(limits.timeout)))??;
        linker.instantiate_pre(component)
    };
    let pre = pre.map_err(misfit)?;
    if let Ok(guest) = GuestPre::new(pre.clone()) {
        return Ok(Runnable::Guest(guest));
    }
    match CommandPre::new(pre) {
        Ok(command) => Ok(Runnable::Command(command)),
        Err(_) => Err(RunError::Refused(ComponentRefusal {
            kind: ComponentRefusalKind::Invalid,
            message: "the component exports neither `run` and `resume` of `wasm-coordinator:sandbox/guest` \
                      nor `wasi:cli/run`"
                .into(),
            hint: Some(Hint::Advice(
                "build it for one of these worlds; `wit/sandbox.wit` has the first".to_owned(),
            )),
        })),
    }
}
