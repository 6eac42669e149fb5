//! One instance of a guest or of a user's component, and the pump that drives
//! it.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Component, ResourceTableError};
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;

use super::bindings::types::{Program, Step};
use super::bindings::{self, GuestPre};
use super::engine::{EngineVariant, WASM_STACK};
use super::meter::LimitReached;
use super::state::{MAX_HANDLES, State};
use super::{Channel, outcome, typed};
use contract::clock::Clock;
use contract::error::Error;
use contract::hint::Hint;
use contract::limits::{Limit, Limits};
use contract::outcome::{
    ComponentRefusal, ComponentRefusalKind, Failure, Outcome, RunError, Value,
};

/// Bytes that one host call may carry: the largest argument of a tool and as
/// much again.
pub(super) const MAX_TRANSFER: usize = 16 << 20;

/// What can be run.
#[derive(Clone, Copy)]
pub(super) enum Runnable<'a> {
    /// A guest for source texts, or a component of the same world.
    Guest(&'a GuestPre<State>),
    /// A `wasi:cli` command.
    Command(&'a CommandPre<State>),
}

/// A store and, once started, the instance in it. Discarded after any [`RunError`].
pub(super) struct Instance {
    store: Store<State>,
    guest: Option<bindings::Guest>,
    metered: bool,
}

/// A user's component after inspection.
pub(super) enum Loaded {
    Guest(GuestPre<State>),
    Command(CommandPre<State>),
}

impl Instance {
    /// The one place where a store is configured.
    pub(super) fn new(variant: &EngineVariant, state: State, metered: bool) -> Self {
        let mut store = Store::new(&variant.engine, state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(MAX_TRANSFER);
        Self {
            store,
            guest: None,
            metered,
        }
    }

    pub(super) fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    /// Instructions executed in this run.
    pub(super) fn fuel_used(&self, limits: &Limits) -> Option<u64> {
        let left = self.store.get_fuel().ok()?;
        limits.fuel.map(|limit| limit.saturating_sub(left))
    }

    /// Runs a program to its end, its deadline or another limit.
    ///
    /// The deadline is noticed by computing guests at the next tick, and by
    /// the outer timer while a host function waits.
    pub(super) async fn run(
        &mut self,
        runnable: Runnable<'_>,
        program: &Program,
        limits: &Limits,
        clock: &Arc<Clock>,
    ) -> Result<Outcome, RunError> {
        let timeout = Limit::Timeout(limits.timeout);
        self.store.set_epoch_deadline(1);
        let ends = Arc::clone(clock);
        self.store.epoch_deadline_callback(move |_| {
            if ends.has_run_out() {
                return Err(wasmtime::Error::new(LimitReached(timeout)));
            }
            Ok(UpdateDeadline::Yield(1))
        });
        if self.metered {
            let budget = limits.fuel.unwrap_or(u64::MAX);
            self.store
                .set_fuel(budget)
                .map_err(|error| RunError::Host(Error::host("setting the fuel", error)))?;
        }
        let pumped = clock.limit(self.pump(runnable, program, clock)).await;
        let pumped = pumped.ok_or(RunError::Limit(timeout))?;
        pumped.map_err(|error| self.explain(error, limits))
    }

    async fn pump(
        &mut self,
        runnable: Runnable<'_>,
        program: &Program,
        clock: &Clock,
    ) -> wasmtime::Result<Outcome> {
        let pre = match runnable {
            Runnable::Guest(pre) => pre,
            Runnable::Command(pre) => return self.command(pre).await,
        };
        let guest = match &self.guest {
            Some(guest) => guest,
            None => {
                let guest = pre.instantiate_async(&mut self.store).await?;
                self.guest.insert(guest)
            }
        };
        let mut step = guest.call_run(&mut self.store, program).await?;
        loop {
            let at_most = match step {
                Step::Finished(said) => {
                    let State { link, meter, .. } = self.store.data();
                    return Ok(outcome::checked(said, link, meter));
                }
                Step::Waiting(at_most) => at_most.map(Duration::from_nanos),
            };
            if clock.has_run_out() {
                // A guest that is always ready never lets the timer fire.
                std::future::pending::<()>().await;
            }
            if at_most.is_none() && self.store.data().link.in_flight() == 0 {
                return Err(wasmtime::format_err!(
                    "it waits although nothing is under way"
                ));
            }
            let completions = self.store.data_mut().completions(at_most).await;
            let completions: Vec<_> = completions.into_iter().map(Into::into).collect();
            step = guest.call_resume(&mut self.store, &completions).await?;
        }
    }

    async fn command(&mut self, pre: &CommandPre<State>) -> wasmtime::Result<Outcome> {
        let command = pre.instantiate_async(&mut self.store).await?;
        let status = match command.wasi_cli_run().call_run(&mut self.store).await {
            Ok(Ok(())) => 0,
            Ok(Err(())) => 1,
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(status)) => *status,
                None => return Err(error),
            },
        };
        let result = if status == 0 {
            Ok(Value::Nothing)
        } else {
            Err(Failure::Exited(status))
        };
        Ok(Outcome {
            result,
            warnings: Vec::new(),
        })
    }

    fn explain(&self, error: wasmtime::Error, limits: &Limits) -> RunError {
        let limit = if let Some(LimitReached(limit)) = error.downcast_ref() {
            Some(*limit)
        } else if let Some(ResourceTableError::Full) = error.downcast_ref() {
            Some(Limit::Handles(MAX_HANDLES as u64))
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            match trap {
                Trap::OutOfFuel => Some(Limit::Fuel(limits.fuel.unwrap_or(u64::MAX))),
                Trap::StackOverflow => Some(Limit::Stack(WASM_STACK as u64)),
                // Interpreters abort when they cannot even report that memory
                // is out.
                _ if self.store.data().meter.memory_refused() => {
                    Some(self.store.data().meter.memory_limit())
                }
                _ => None,
            }
        } else if self.store.data().meter.memory_refused() {
            // A component whose first memory is too large fails to start.
            Some(self.store.data().meter.memory_limit())
        } else if format!("{error:#}").contains("fuel allocated for hostcalls") {
            // The engine's type for this is private.
            Some(Limit::Transfer(MAX_TRANSFER as u64))
        } else {
            None
        };
        match limit {
            Some(limit) => RunError::Limit(limit),
            None => RunError::Crashed(format!("{:#}", error)),
        }
    }
}

/// Checks a user's component and links it, before anything of it runs. Servers
/// whose tools it imports are asked for their interfaces until the deadline.
pub(super) async fn load(
    variant: &EngineVariant,
    component: &Component,
    channel: &mut Channel,
    limits: &Limits,
    clock: &Clock,
) -> Result<Loaded, RunError> {
    let ungranted = super::linker::ungranted(&variant.engine, component);
    if let Some(first) = ungranted.first() {
        let others = match ungranted.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        let hint = match first.starts_with("wasi:sockets/") {
            true => {
                "there is no network but tools; `componentize-py componentize --stub-wasi` leaves sockets out"
            }
            false => {
                "components get WASI's clocks, random numbers, files and output, \
                 `wasm-coordinator:sandbox/tools` and `output`, and `mcp:SERVER/tools` of granted tools; \
                 build it without the import"
            }
        };
        return Err(RunError::Refused(ComponentRefusal {
            kind: ComponentRefusalKind::ImportDenied,
            message: format!("the component imports `{first}`{others}, which is not granted"),
            hint: Some(Hint::Advice(hint.to_owned())),
        }));
    }
    let invalid = |error: wasmtime::Error| {
        RunError::Refused(ComponentRefusal {
            kind: ComponentRefusalKind::Invalid,
            message: format!("the component does not fit: {error:#}"),
            hint: None,
        })
    };
    let imports = typed::imports(&variant.engine, component)?;
    let pre = match imports.is_empty() {
        true => variant.linker.instantiate_pre(component),
        false => {
            let mut linker = variant.linker.clone();
            let linked = clock
                .limit(typed::link(&mut linker, imports, channel))
                .await;
            linked.ok_or(RunError::Limit(Limit::Timeout(limits.timeout)))??;
            linker.instantiate_pre(component)
        }
    };
    let pre = pre.map_err(invalid)?;
    if let Ok(guest) = GuestPre::new(pre.clone()) {
        return Ok(Loaded::Guest(guest));
    }
    match CommandPre::new(pre) {
        Ok(command) => Ok(Loaded::Command(command)),
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
