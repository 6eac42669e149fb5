//! Tools as typed imports: a component that imports `mcp:NAME/tools` is linked
//! to the tools of that server, function by function.
//!
//! Before anything of the component runs, its imports are read off the file,
//! the coordinator says what each of them is (and whether it is granted), and
//! the types are compared ([`fit`]). A call then goes the way of all calls:
//! counted, sent as a message, decided by the policy again. Values become JSON
//! ([`lower`]) and JSON becomes values ([`lift`]) by the plan, never by what
//! the component or the server claims at that moment.
//!
//! Invariants: nothing a component or a server sends makes this panic; a value
//! that does not fit is a `tool-error` that says where; what is converted is
//! bounded before it is converted.

mod fit;
mod lift;
mod lower;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Engine, StoreContextMut};

use crate::channel::Channel;
use crate::state::State;
use contract::error::Error;
use contract::hint::Hint;
use contract::message::{
    CallError, CallErrorKind, ImportError, ImportErrorKind, ImportedPackage, ImportedTool,
    Question, ToCoordinator, ToSandbox,
};
use contract::outcome::{ComponentRefusal, ComponentRefusalKind, RunError};
use fit::Fitted;

/// An import of a component that means a server's tools.
pub(crate) struct Import {
    /// As the component names it, its version included.
    name: String,
    package: String,
    functions: Vec<(String, ComponentFunc)>,
}

/// The server of an import: `NAME` of `mcp:NAME/tools`. A version behind it
/// says nothing, because servers have none: the types decide.
pub(crate) fn package(import: &str) -> Option<&str> {
    let unversioned = import
        .split_once('@')
        .map_or(import, |(name, _version)| name);
    unversioned.strip_prefix("mcp:")?.strip_suffix("/tools")
}

/// What a component imports from servers.
pub(crate) fn imports(engine: &Engine, component: &Component) -> Result<Vec<Import>, RunError> {
    let ty = component.component_type();
    let mut imports = Vec::new();
    for (name, item) in ty.imports(engine) {
        let Some(package) = package(name) else {
            continue;
        };
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            return Err(mismatch(package, "the import is no interface".into()));
        };
        let mut functions = Vec::new();
        for (function, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(ty) => functions.push((function.to_owned(), ty)),
                ComponentItem::Type(_) => {}
                _ => {
                    let what = format!("`{function}` is neither a function nor a plain type");
                    return Err(mismatch(package, what));
                }
            }
        }
        imports.push(Import {
            name: name.to_owned(),
            package: package.to_owned(),
            functions,
        });
    }
    Ok(imports)
}

/// Asks the coordinator what the imports are, checks their types, and links
/// them.
pub(crate) async fn link(
    linker: &mut Linker<State>,
    imports: Vec<Import>,
    channel: &mut Channel,
) -> Result<(), RunError> {
    let answers = ask(channel, &imports).await?;
    for (import, tools) in imports.into_iter().zip(answers) {
        let invalid = |error: wasmtime::Error| mismatch(&import.package, format!("{error:#}"));
        let mut instance = linker.instance(&import.name).map_err(invalid)?;
        for ((name, ty), tool) in import.functions.iter().zip(tools) {
            let fitted = fit::function(&tool.function, ty)
                .map_err(|what| mismatch(&import.package, format!("of `{name}`, {what}")))?;
            let function = Arc::new(Function {
                tool: tool.name,
                fitted,
            });
            instance
                .func_new_async(name, move |store, _ty, parameters, results| {
                    let function = Arc::clone(&function);
                    Box::new(async move {
                        let result = function.call(store, parameters).await?;
                        if let Some(place) = results.first_mut() {
                            *place = result;
                        }
                        Ok(())
                    })
                })
                .map_err(invalid)?;
        }
    }
    Ok(())
}

/// What the coordinator says the imports are, function by function.
async fn ask(
    channel: &mut Channel,
    imports: &[Import],
) -> Result<Vec<Vec<ImportedTool>>, RunError> {
    let packages = imports.iter().map(|import| ImportedPackage {
        name: import.package.clone(),
        functions: import
            .functions
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
    });
    let request = ToCoordinator::Ask(Question::Import {
        packages: packages.collect(),
    });
    let gone = || {
        let gone = std::io::Error::other("the coordinator is gone");
        RunError::Host(Error::host("linking a component", gone))
    };
    channel.requests.send(request).map_err(|_| gone())?;
    loop {
        match channel.answers.recv().await {
            Some(ToSandbox::Imported(Ok(tools))) => {
                let wanted = imports.iter().map(|import| import.functions.len());
                let is_complete = wanted.eq(tools.iter().map(Vec::len));
                return if is_complete { Ok(tools) } else { Err(gone()) };
            }
            Some(ToSandbox::Imported(Err(error))) => return Err(refused(error)),
            // Nobody asked.
            Some(_) => {}
            None => return Err(gone()),
        }
    }
}

/// A tool that a component can call.
struct Function {
    /// As calls name it.
    tool: String,
    fitted: Fitted,
}

impl Function {
    /// Calls the tool. An error of the host's kind ends the run: a limit.
    async fn call(
        &self,
        mut store: StoreContextMut<'_, State>,
        parameters: &[Val],
    ) -> wasmtime::Result<Val> {
        let state = store.data_mut();
        state.ledger.charge_call().map_err(wasmtime::Error::new)?;
        let arguments = match lower::arguments(&self.fitted.parameters, parameters) {
            Ok(arguments) => arguments,
            Err(unfit) => {
                let message = format!("the arguments of `{}` cannot be sent: {unfit}", self.tool);
                return Ok(self.error("invalid-arguments", message));
            }
        };
        let answer = state.coordinator.call(self.tool.clone(), arguments).await;
        Ok(match answer {
            Ok(json) => match lift::result(&self.fitted.result, &json) {
                Ok(value) => Val::Result(Ok(Some(Box::new(value)))),
                Err(unfit) => {
                    let message = format!(
                        "`{}` gave a result that its declaration does not allow: {unfit}",
                        self.tool
                    );
                    self.error("unexpected-result", message)
                }
            },
            Err(CallError { kind, message, .. }) => self.error(kind_name(&kind), message),
        })
    }

    fn error(&self, kind: &str, message: String) -> Val {
        Val::Result(Err(Some(Box::new(self.fitted.error(kind, message)))))
    }
}

/// The case of `tool-error-kind`.
fn kind_name(kind: &CallErrorKind) -> &'static str {
    match kind {
        CallErrorKind::Failed => "failed",
        CallErrorKind::InvalidArguments(_) => "invalid-arguments",
        CallErrorKind::UnknownTool(_) => "unknown-tool",
        CallErrorKind::Denied => "denied",
        CallErrorKind::Unavailable => "unavailable",
        CallErrorKind::TimedOut => "timed-out",
        CallErrorKind::OutcomeUnknown => "outcome-unknown",
        CallErrorKind::Cancelled => "cancelled",
        CallErrorKind::Limit => "limit",
        CallErrorKind::UnusableAnswer => "unexpected-result",
    }
}

fn mismatch(package: &str, what: String) -> RunError {
    RunError::Refused(ComponentRefusal {
        kind: ComponentRefusalKind::ImportMismatch,
        message: format!(
            "the component's import `mcp:{package}/tools` does not fit what the server has: {what}"
        ),
        hint: Some(Hint::InspectInterface(package.to_owned())),
    })
}

fn refused(error: ImportError) -> RunError {
    RunError::Refused(ComponentRefusal {
        kind: match error.kind {
            ImportErrorKind::Denied => ComponentRefusalKind::ImportDenied,
            ImportErrorKind::Unknown => ComponentRefusalKind::ImportUnknown,
            ImportErrorKind::Unavailable => ComponentRefusalKind::ImportUnavailable,
        },
        message: error.message,
        hint: Some(error.hint),
    })
}
