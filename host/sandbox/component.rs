//! A component of a user: compiled, inspected and linked before anything of it
//! runs.

use std::sync::Arc;

use wasmtime::component::Component;
use wasmtime::{Module, UnknownImportError};
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::bindings::GuestPre;
use crate::channel::Channel;
use crate::engine::{
    Artifact, Brought, Engine, EngineVariant, Metering, NotBinary, NotCompiled, form_of,
    instance_size,
};
use crate::instance::Runnable;
use crate::{ledger, linker, preview1, typed};
use contract::caller::Caller;
use contract::clock::Clock;
use contract::error::Error;
use contract::hint::Hint;
use contract::limits::{Limit, Limits};
use contract::outcome::{ComponentRefusal, ComponentRefusalKind, RunError};
use contract::program::MAX_COMPONENT;
use contract::text;

/// Checks that these bytes are a component or a core module, before anything else
/// looks at them.
pub(crate) fn checked(
    bytes: Arc<[u8]>,
    metering: Metering,
    caller: Caller,
) -> Result<Brought, RunError> {
    if bytes.len() > MAX_COMPONENT {
        return Err(invalid(
            format!(
                "the component has {} bytes; at most {MAX_COMPONENT} are accepted",
                bytes.len()
            ),
            None,
        ));
    }
    let form = form_of(&bytes).map_err(|what| match what {
        NotBinary::NativeCode => invalid(
            "this is compiled native code, which is never loaded".into(),
            Some("pass the WebAssembly component it was made from"),
        ),
        NotBinary::Text => invalid(
            "this is not a WebAssembly component, but WebAssembly as text".into(),
            Some("make a binary of it with `wasm-tools parse`"),
        ),
        NotBinary::Other => invalid("this is not a WebAssembly component".into(), None),
    })?;
    Ok(Brought {
        bytes,
        form,
        metering,
        caller,
    })
}

/// Why a component that was not compiled is not run.
pub(crate) fn not_compiled(why: NotCompiled) -> RunError {
    let (kind, hint) = match &why {
        NotCompiled::Failed(_) | NotCompiled::Invalid(_) | NotCompiled::Size(_) => {
            (ComponentRefusalKind::Invalid, None)
        }
        NotCompiled::Time(_) | NotCompiled::Memory(_) => (
            ComponentRefusalKind::Invalid,
            Some(
                "functions of hundreds of kilobytes are what takes long; split them, or build it with less inlining",
            ),
        ),
        NotCompiled::Crashed(_) | NotCompiled::WrongAnswer => (
            ComponentRefusalKind::Invalid,
            Some("if it is an ordinary component, please report it together with the component"),
        ),
        NotCompiled::Busy(_) => (ComponentRefusalKind::CompilerBusy, Some("try again later")),
    };
    match why {
        NotCompiled::Failed(error) => RunError::Host(error),
        why => RunError::Refused(ComponentRefusal {
            kind,
            // The compiler repeats names of the component.
            message: text::one_line(&why.to_string(), MAX_MESSAGE),
            hint: hint.map(|hint| Hint::Advice(hint.to_owned())),
        }),
    }
}

/// Characters of what a compiler says.
const MAX_MESSAGE: usize = 1000;

impl Engine {
    /// Compiles a component or module for a process of this caller's, which runs it
    /// with [`Sandbox::run_artifact`](crate::Sandbox::run_artifact). Nothing of it is
    /// loaded here.
    ///
    /// # Errors
    ///
    /// When it cannot be compiled, and why.
    #[cfg(target_os = "linux")]
    pub async fn artifact(
        &self,
        bytes: Arc<[u8]>,
        metering: Metering,
        caller: Caller,
    ) -> Result<Artifact, RunError> {
        let max_instances = max_instances(&bytes);
        let brought = checked(bytes, metering, caller)?;
        let artifact: Artifact = self.product(brought).await.map_err(not_compiled)?;
        Ok(artifact.with_max_instances(max_instances))
    }
}

/// How many core instances a component or module may have, all of them as large as
/// the largest.
pub(crate) fn max_instances(bytes: &[u8]) -> u32 {
    let size = form_of(bytes).map_or(0, |form| instance_size(bytes, form));
    ledger::max_instances(size)
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
