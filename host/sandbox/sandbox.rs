//! The sandbox of one session: which instance runs a program, and what is left
//! of it afterwards.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::bindings::types;
use crate::channel::Channel;
use crate::component;
use crate::console::Console;
use crate::engine::{
    self, Artifact, Compiled, Engine, EngineVariant, Guest, Metering, NotCompiled,
};
use crate::files::{FilesCtx, Generated, Mounts};
use crate::instance::{Instance, Runnable, Task};
use crate::servers::ServerTree;
use crate::state::{Shared, Start, State};
use crate::stdin::Stdin;
use contract::advice::Advice;
use contract::caller::Caller;
use contract::clock::Clock;
use contract::error::Error;
use contract::limits::Limits;
use contract::message::Server;
use contract::outcome::{RunError, RunOutcome};
use contract::program::{Code, Language, Program};

/// The sandbox of one session: its interpreters, made when first used, and its
/// files.
pub struct Sandbox {
    engine: Engine,
    /// Whose components it runs.
    caller: Caller,
    shared: Shared,
    /// One for each guest and engine variant.
    slots: [[Slot; Metering::ALL.len()]; Guest::ALL.len()],
}

/// The place of an interpreter.
#[derive(Default)]
enum Slot {
    /// Not used yet.
    #[default]
    Unused,
    /// Here, with the variables of the programs so far.
    Idle(Box<Instance>),
    /// Running; or it ended in no known state and is gone.
    Away,
}

impl Sandbox {
    /// Mounts `/servers` beside what is mounted already.
    pub fn new(engine: Engine, servers: Arc<[Server]>, mounts: Mounts) -> Self {
        Self {
            engine,
            caller: Caller::ANYONE,
            shared: shared(Console::new(), Stdin::default(), servers, mounts),
            slots: Default::default(),
        }
    }

    /// Gives a sandbox in which nothing ran yet its servers and files. Guests that
    /// were [prepared](Self::prepare) are kept.
    pub fn open(&mut self, servers: Arc<[Server]>, mounts: Mounts) {
        let Shared { console, stdin, .. } = self.shared.clone();
        self.shared = shared(console, stdin, servers, mounts);
        for slot in self.slots.iter_mut().flatten() {
            match slot {
                Slot::Idle(instance) => instance.state().shared = self.shared.clone(),
                Slot::Unused | Slot::Away => {}
            }
        }
    }

    /// Starts the interpreter for a first program, which then need not wait for
    /// it. Does nothing where it is there, or cannot be had.
    pub async fn prepare(&mut self, guest: Guest, metering: Metering) {
        let engine = &self.engine;
        let (Ok(variant), Ok(pre)) = (engine.variant(metering), engine.guest(guest, metering))
        else {
            return;
        };
        let slot = &mut self.slots[guest as usize][metering as usize];
        if !matches!(slot, Slot::Unused) {
            return;
        }
        let state = State::new(&Limits::default(), &self.shared, Start::Guest);
        let mut instance = Box::new(Instance::new(variant, state));
        // What fails now fails again, and is told, when a program runs.
        if instance.prepare(pre).await.is_ok() {
            *slot = Slot::Idle(instance);
        }
    }

    /// Makes a copy of this sandbox in another process one of its own: it draws other
    /// random numbers. Call it after a fork, before a program runs.
    pub fn renew(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            if let Slot::Idle(instance) = slot {
                instance.state().renew();
            }
        }
    }

    /// Says whose programs these are. Everyone's, by default.
    pub fn belongs_to(&mut self, caller: Caller) {
        self.caller = caller;
    }

    /// Lets programs read the standard input of this process. Theirs is empty
    /// otherwise.
    pub fn inherit_stdin(&mut self) {
        self.shared.stdin = Stdin::OfProcess;
    }

    /// Lets programs read this as their standard input. Call it before the first
    /// run.
    pub fn set_stdin(&mut self, descriptor: OwnedFd) {
        if let Stdin::File(input) = &self.shared.stdin {
            input.set(descriptor);
        }
    }

    /// What the current or last run printed.
    pub fn console(&self) -> &Console {
        &self.shared.console
    }

    /// Runs a program. Nothing of it is left behind if the future is dropped.
    /// There is no advice about components.
    pub async fn run(
        &mut self,
        program: &Program,
        advice: &Advice,
        limits: &Limits,
        channel: Channel,
    ) -> RunOutcome {
        self.begin(limits);
        let outcome = match program.code() {
            Code::Source { language, text } => {
                self.run_source(*language, text, program, advice, limits, channel)
                    .await
            }
            Code::Component(bytes) => {
                self.run_component(Arc::clone(bytes), program, limits, channel)
                    .await
            }
        };
        self.end(outcome)
    }

    fn begin(&self, limits: &Limits) {
        self.shared.console.begin(limits);
        // What an earlier program was refused is no news.
        self.shared.files.take_refused();
        self.shared.tree.expire();
    }

    fn end(&self, outcome: RunOutcome) -> RunOutcome {
        RunOutcome {
            files_refused: self.shared.files.take_refused(),
            ..outcome
        }
    }

    async fn run_source(
        &mut self,
        language: Language,
        text: &str,
        program: &Program,
        advice: &Advice,
        limits: &Limits,
        channel: Channel,
    ) -> RunOutcome {
        let guest = Guest::of(language);
        let metering = Metering::of(limits);
        if let Err(error) = prepare(&self.engine, guest, metering).await {
            return RunOutcome::failed(RunError::Host(error));
        }
        let engine = &self.engine;
        let (variant, pre) = match (engine.variant(metering), engine.guest(guest, metering)) {
            (Ok(variant), Ok(pre)) => (variant, pre),
            (Err(error), _) | (_, Err(error)) => return RunOutcome::failed(RunError::Host(error)),
        };
        let slot = &mut self.slots[guest as usize][metering as usize];
        let before = std::mem::replace(slot, Slot::Away);
        let variables_lost = matches!(before, Slot::Away);
        let mut instance = match before {
            Slot::Idle(instance) => instance,
            Slot::Unused | Slot::Away => {
                let state = State::new(limits, &self.shared, Start::Guest);
                Box::new(Instance::new(variant, state))
            }
        };
        let program = types::Program {
            source: text.to_owned(),
            name: program.name().to_owned(),
            language: language.into(),
            arguments: program.argument_list().to_vec(),
        };
        let outcome = run(
            variant,
            &mut instance,
            &Task {
                runnable: &Runnable::Guest(pre.clone()),
                program: &program,
                advice,
                limits,
            },
            Clock::new(limits.timeout),
            channel,
        )
        .await;
        // After anything but an orderly end the instance is in no known state.
        if outcome.end.is_ok() {
            *slot = Slot::Idle(instance);
        }
        RunOutcome {
            variables_lost,
            ..outcome
        }
    }

    async fn run_component(
        &mut self,
        bytes: Arc<[u8]>,
        program: &Program,
        limits: &Limits,
        channel: Channel,
    ) -> RunOutcome {
        let max_instances = component::max_instances(&bytes);
        let compiled = async {
            let brought = component::checked(bytes, Metering::of(limits), self.caller)?;
            let compiled = self.engine.product(brought).await;
            compiled.map_err(component::not_compiled)
        };
        match compiled.await {
            Ok(compiled) => {
                self.run_compiled(&compiled, max_instances, program, limits, channel)
                    .await
            }
            Err(error) => RunOutcome::failed(error),
        }
    }

    /// Runs a component that was compiled in another process, for the caller of
    /// this sandbox. The code of the program is not looked at.
    pub async fn run_artifact(
        &mut self,
        artifact: &Artifact,
        program: &Program,
        limits: &Limits,
        channel: Channel,
    ) -> RunOutcome {
        self.begin(limits);
        let variant = match self.engine.variant(Metering::of(limits)) {
            Ok(variant) => variant,
            Err(error) => return RunOutcome::failed(RunError::Host(error)),
        };
        let outcome = match engine::load(&variant.engine, artifact) {
            Ok(compiled) => {
                let max_instances = artifact.max_instances();
                self.run_compiled(&compiled, max_instances, program, limits, channel)
                    .await
            }
            Err(error) => {
                tracing::warn!("compiled code of a component cannot be loaded: {error:#}");
                RunOutcome::failed(component::not_compiled(NotCompiled::WrongAnswer))
            }
        };
        self.end(outcome)
    }

    async fn run_compiled(
        &mut self,
        compiled: &Compiled,
        max_instances: u32,
        program: &Program,
        limits: &Limits,
        mut channel: Channel,
    ) -> RunOutcome {
        let variant = match self.engine.variant(Metering::of(limits)) {
            Ok(variant) => variant,
            Err(error) => return RunOutcome::failed(RunError::Host(error)),
        };
        let clock = Clock::new(limits.timeout);
        let loaded = match compiled {
            Compiled::Component(component) => {
                component::load(variant, component, &mut channel, limits, &clock).await
            }
            Compiled::Module(module) => component::load_module(variant, module),
        };
        let runnable = match loaded {
            Ok(runnable) => runnable,
            Err(error) => return RunOutcome::failed(error),
        };
        let mut arguments = vec![program.name().to_owned()];
        arguments.extend_from_slice(program.argument_list());
        let start = match &runnable {
            Runnable::Guest(_) => Start::Guest,
            Runnable::Command(_) | Runnable::Module(_) => Start::Command(&arguments),
        };
        let mut state = State::new(limits, &self.shared, start);
        state.ledger.bound_instances(max_instances);
        let mut instance = Instance::new(variant, state);
        let program = types::Program {
            source: String::new(),
            name: program.name().to_owned(),
            language: types::Language::Python,
            arguments: program.argument_list().to_vec(),
        };
        run(
            variant,
            &mut instance,
            &Task {
                runnable: &runnable,
                program: &program,
                advice: &Advice::default(),
                limits,
            },
            clock,
            channel,
        )
        .await
    }
}

fn shared(console: Console, stdin: Stdin, servers: Arc<[Server]>, mounts: Mounts) -> Shared {
    let tree = ServerTree::new(servers);
    let mounts = mounts
        .mount("/servers", tree.volume(), Generated::ROOT)
        .expect("nobody mounts anything else there");
    Shared {
        console,
        files: FilesCtx::with_mounts(mounts),
        tree,
        stdin,
    }
}

async fn run(
    variant: &EngineVariant,
    instance: &mut Instance,
    task: &Task<'_>,
    clock: Arc<Clock>,
    channel: Channel,
) -> RunOutcome {
    let _ticking = variant.ticker.start();
    let state = instance.state();
    state.ledger.begin(task.limits);
    state.coordinator.connect(channel, Arc::clone(&clock));
    let end = instance.run(task, &clock).await;
    let fuel = instance.fuel_used(task.limits);
    let findings = instance.take_findings();
    let state = instance.state();
    state.coordinator.disconnect();
    RunOutcome {
        end,
        fuel,
        memory_peak: state.ledger.memory_peak(),
        files_refused: None,
        variables_lost: false,
        isolation: Default::default(),
        files_unread: Vec::new(),
        files_not_kept: Vec::new(),
        findings,
    }
}

/// Compiles the guest away from the event loop, unless it is there.
async fn prepare(engine: &Engine, guest: Guest, metering: Metering) -> Result<(), Error> {
    if engine.has(guest, metering) {
        return Ok(());
    }
    let engine = engine.clone();
    tokio::task::spawn_blocking(move || engine.warm(guest, metering))
        .await
        .map_err(|error| Error::host("preparing a guest", error))?
}
