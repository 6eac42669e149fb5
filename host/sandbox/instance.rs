//! One instance of a guest or of a user's component, and the loop that drives
//! it: the guest runs until it waits, and goes on with what completed.

use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use wasmtime::component::{self, ResourceTableError};
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::advice;
use crate::bindings::types::{Program, Reference, Step};
use crate::bindings::{self, GuestPre};
use crate::engine::{EngineVariant, Metering, WASM_STACK};
use crate::ledger::{LimitReached, MAX_HANDLES, MAX_TRANSFER};
use crate::outcome;
use crate::preview1;
use crate::state::State;
use contract::advice::{Advice, AdviceMode, Finding};
use contract::clock::Clock;
use contract::error::Error;
use contract::hint::Hint;
use contract::limits::{Limit, Limits};
use contract::outcome::{
    ComponentRefusal, ComponentRefusalKind, Failure, Outcome, RunError, Value,
};

/// What can be run: compiled and linked.
pub(crate) enum Runnable {
    /// A guest for source texts, or a component of the same world.
    Guest(GuestPre<State>),
    /// A `wasi:cli` command.
    Command(CommandPre<State>),
    /// A core module of WASI preview 1.
    Module(wasmtime::InstancePre<State>),
}

/// A store and, once started, the instance in it. Discarded after any [`RunError`].
pub(crate) struct Instance {
    store: Store<State>,
    guest: Option<Started>,
    metering: Metering,
    /// What is advised against in the program that runs.
    findings: Vec<Finding>,
}

/// What an instance is to run.
pub(crate) struct Task<'a> {
    pub(crate) runnable: &'a Runnable,
    pub(crate) program: &'a Program,
    pub(crate) advice: &'a Advice,
    pub(crate) limits: &'a Limits,
}

/// A guest that was instantiated.
struct Started {
    guest: bindings::Guest,
    /// The same, for what not every guest exports.
    instance: component::Instance,
}

impl Instance {
    /// The one place where a store is configured.
    pub(crate) fn new(variant: &EngineVariant, state: State) -> Self {
        let mut store = Store::new(&variant.engine, state);
        store.limiter(|state| &mut state.ledger);
        store.set_hostcall_fuel(MAX_TRANSFER);
        Self {
            store,
            guest: None,
            metering: variant.metering,
            findings: Vec::new(),
        }
    }

    pub(crate) fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    /// Instructions executed in this run.
    pub(crate) fn fuel_used(&self, limits: &Limits) -> Option<u64> {
        let left = self.store.get_fuel().ok()?;
        limits.fuel.map(|limit| limit.saturating_sub(left))
    }

    /// Starts a guest ahead of its first program.
    pub(crate) async fn prepare(&mut self, pre: &GuestPre<State>) -> wasmtime::Result<()> {
        self.store.set_epoch_deadline(u64::MAX / 2);
        started(&mut self.guest, &mut self.store, pre).await?;
        Ok(())
    }

    /// What is advised against in the program that ran.
    pub(crate) fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// Runs a program to its end, its deadline or another limit. Where advice is
    /// asked for, it is looked at before; that counts for the limits, too.
    ///
    /// The deadline is noticed by computing guests at the next tick, and by
    /// the outer timer while a host function waits.
    pub(crate) async fn run(
        &mut self,
        task: &Task<'_>,
        clock: &Arc<Clock>,
    ) -> Result<Outcome, RunError> {
        let limits = task.limits;
        let timeout = Limit::Timeout(limits.timeout);
        self.store.set_epoch_deadline(1);
        let ends = Arc::clone(clock);
        self.store.epoch_deadline_callback(move |_| {
            if ends.has_run_out() {
                return Err(wasmtime::Error::new(LimitReached(timeout)));
            }
            Ok(UpdateDeadline::Yield(1))
        });
        if self.metering == Metering::Fuel {
            let budget = limits.fuel.unwrap_or(u64::MAX);
            self.store
                .set_fuel(budget)
                .map_err(|error| RunError::Host(Error::host("setting the fuel", error)))?;
        }
        let pumped = clock.limit(self.pump(task, clock)).await;
        let pumped = pumped.ok_or(RunError::Limit(timeout))?;
        pumped.map_err(|error| self.explain(error, limits))
    }

    async fn pump(&mut self, task: &Task<'_>, clock: &Clock) -> wasmtime::Result<Outcome> {
        let Task {
            program, advice, ..
        } = *task;
        let pre = match task.runnable {
            Runnable::Guest(pre) => pre,
            Runnable::Command(pre) => return self.command(pre).await,
            Runnable::Module(pre) => return self.module(pre).await,
        };
        let Started { guest, instance } = started(&mut self.guest, &mut self.store, pre).await?;
        if advice.mode != AdviceMode::Off {
            self.findings = advise(&mut self.store, instance, program, advice).await?;
            if advice.mode == AdviceMode::Refuse && !self.findings.is_empty() {
                return Ok(Outcome {
                    result: Err(Failure::NotRun(std::mem::take(&mut self.findings))),
                    warnings: Vec::new(),
                });
            }
        }
        let mut step = guest.call_run(&mut self.store, program).await?;
        loop {
            let at_most = match step {
                Step::Finished(said) => {
                    let State {
                        coordinator,
                        ledger,
                        ..
                    } = self.store.data();
                    return Ok(outcome::checked(said, coordinator, ledger));
                }
                Step::Waiting(at_most) => at_most.map(Duration::from_nanos),
            };
            if clock.has_run_out() {
                // A guest that is always ready never lets the timer fire.
                std::future::pending::<()>().await;
            }
            if at_most.is_none() && self.store.data().coordinator.in_flight() == 0 {
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
        let run = command.wasi_cli_run().call_run(&mut self.store).await;
        ended(run.map(|done| i32::from(done.is_err())))
    }

    async fn module(&mut self, pre: &wasmtime::InstancePre<State>) -> wasmtime::Result<Outcome> {
        preview1::start(self.store.data_mut())?;
        let run = async {
            // A module may end while it is started.
            let module = pre.instantiate_async(&mut self.store).await?;
            let start = module.get_typed_func::<(), ()>(&mut self.store, "_start")?;
            start.call_async(&mut self.store, ()).await
        };
        ended(run.await.map(|()| 0))
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
                _ if self.store.data().ledger.memory_refused() => {
                    Some(self.store.data().ledger.memory_limit())
                }
                _ => None,
            }
        } else if self.store.data().ledger.memory_refused() {
            // A component whose first memory is too large fails to start.
            Some(self.store.data().ledger.memory_limit())
        } else if format!("{error:#}").contains("fuel allocated for hostcalls") {
            // The engine's type for this is private.
            Some(Limit::Transfer(MAX_TRANSFER as u64))
        } else {
            None
        };
        match limit {
            Some(limit) => RunError::Limit(limit),
            None if let Some(errno) = of_the_machine(&error) => {
                RunError::Host(Error::host(refused(errno), error))
            }
            // The engine has no type for this.
            None if format!("{error:#}").contains("instance count too high") => {
                too_many_instances(self.store.data().ledger.max_instances())
            }
            None => RunError::Crashed(format!("{:#}", error)),
        }
    }
}

/// The guest of an instance, started now if it was not.
async fn started<'g>(
    guest: &'g mut Option<Started>,
    store: &mut Store<State>,
    pre: &GuestPre<State>,
) -> wasmtime::Result<&'g Started> {
    Ok(match guest {
        Some(started) => started,
        None => {
            let instance = pre.instance_pre().instantiate_async(&mut *store).await?;
            let exports = bindings::Guest::new(store, &instance)?;
            guest.insert(Started {
                guest: exports,
                instance,
            })
        }
    })
}

/// What is advised against in a program, as far as the guest can tell.
async fn advise(
    store: &mut Store<State>,
    instance: &component::Instance,
    program: &Program,
    advice: &Advice,
) -> wasmtime::Result<Vec<Finding>> {
    if program.source.len() > advice::MAX_TEXT {
        return Ok(advice::of_long_text(advice, program));
    }
    let Some(references) = instance.get_func(&mut *store, "references") else {
        return Ok(Vec::new());
    };
    let references = references.typed::<(&Program,), (Vec<Reference>,)>(&*store)?;
    let (references,) = references.call_async(store, (program,)).await?;
    Ok(advice::of(advice, program, &references))
}

/// What the machine said when it refused what an instance needs. What it
/// refuses to programs is a code of theirs and ends none.
fn of_the_machine(error: &wasmtime::Error) -> Option<Errno> {
    error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(errno) => Some(*errno),
        None => cause.downcast_ref().and_then(Errno::from_io_error),
    })
}

/// Why a component with more core instances than this does not run.
fn too_many_instances(max: u32) -> RunError {
    let hint = "the functions and globals of all instances of a component are bounded together";
    RunError::Refused(ComponentRefusal {
        kind: ComponentRefusalKind::Invalid,
        message: format!(
            "it has more than {max} core instances, each counted as the largest of them"
        ),
        hint: Some(Hint::Advice(hint.to_owned())),
    })
}

/// What failed, for everybody.
fn refused(errno: Errno) -> &'static str {
    match errno {
        Errno::NOMEM => {
            "the machine gives the sandbox no memory (`ulimit -v` may bound it): reserving it"
        }
        Errno::FBIG => {
            "the machine allows no file as large as a sandbox (`ulimit -f` bounds it): its image"
        }
        _ => "the machine refuses what a sandbox needs: making one",
    }
}

/// What the end of a command or module amounts to, from its status or from what
/// ended it.
fn ended(run: wasmtime::Result<i32>) -> wasmtime::Result<Outcome> {
    let status = match run {
        Ok(status) => status,
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
