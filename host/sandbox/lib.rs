//! The sandbox side: engine, guests, files, and the account of what they
//! consume.
//!
//! Knows nothing of MCP, policy or secrets. It talks to the coordinator side
//! in messages only ([`contract::message`]), so it can live in another process.

mod bindings;
mod cache;
mod console;
mod content;
mod engine;
pub mod files;
mod guest;
mod instance;
mod link;
mod linker;
mod meter;
mod outcome;
mod servers;
mod state;
mod ticker;
mod tools;
mod typed;

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use wasmtime::component::Component;

pub use console::{ContentWatcher, Stream, Watcher};
pub use engine::{Compilation, Engine, EngineOptions, Observer};
pub use guest::Guest;
pub use servers::stubs_root;

pub use console::{Console, Output};
pub use content::media_type;

use bindings::types;
use contract::clock::Clock;
use contract::error::Error;
use contract::hint::Hint;
use contract::limits::Limits;
use contract::message::{Server, ToCoordinator, ToSandbox};
use contract::outcome::{ComponentRefusal, ComponentRefusalKind, RunError, RunOutcome};
use contract::program::{Code, Language, MAX_COMPONENT, Program};
use engine::EngineVariant;
use files::{FilesCtx, Generated, Mounts};
use instance::{Instance, Loaded, Runnable};
use servers::ServerTree;
use state::{Shared, State};

/// The sandbox of one session: its interpreters, made when first used, and its
/// files.
pub struct Sandbox {
    engine: Engine,
    shared: Shared,
    /// One for each guest and variant.
    slots: [Slot; 2 * Guest::ALL.len()],
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

/// The two ends of the channel that a run talks through.
pub struct Channel {
    /// What the sandbox asks.
    pub requests: UnboundedSender<ToCoordinator>,
    /// What it is told.
    pub answers: UnboundedReceiver<ToSandbox>,
}

impl Sandbox {
    /// Mounts `/servers` beside what is mounted already.
    pub fn new(engine: Engine, servers: Arc<[Server]>, mounts: Mounts) -> Self {
        let tree = ServerTree::new(servers);
        let mounts = mounts
            .mount("/servers", tree.volume(), Generated::ROOT)
            .expect("nobody mounts anything else there");
        Self {
            engine,
            shared: Shared {
                console: Console::new(),
                files: FilesCtx::with_mounts(mounts),
                tree,
            },
            slots: Default::default(),
        }
    }

    /// What the current or last run printed.
    pub fn console(&self) -> &Console {
        &self.shared.console
    }

    /// Runs a program. Nothing of it is left behind if the future is dropped.
    pub async fn run(
        &mut self,
        program: &Program,
        limits: &Limits,
        channel: Channel,
    ) -> RunOutcome {
        self.shared.console.begin(limits);
        // What an earlier program was refused is no news.
        self.shared.files.take_refused();
        self.shared.tree.expire();
        let outcome = match program.code() {
            Code::Source { language, text } => {
                self.run_source(*language, text, program, limits, channel)
                    .await
            }
            Code::Component(bytes) => {
                self.run_component(Arc::clone(bytes), program, limits, channel)
                    .await
            }
        };
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
        limits: &Limits,
        channel: Channel,
    ) -> RunOutcome {
        let guest = Guest::of(language);
        let metered = limits.fuel.is_some();
        if let Err(error) = prepare(&self.engine, guest, metered).await {
            return RunOutcome::failed(RunError::Host(error));
        }
        let engine = &self.engine;
        let (variant, pre) = match (engine.variant(metered), engine.guest(guest, metered)) {
            (Ok(variant), Ok(pre)) => (variant, pre),
            (Err(error), _) | (_, Err(error)) => return RunOutcome::failed(RunError::Host(error)),
        };
        let slot = 2 * guest as usize + usize::from(metered);
        let slot = &mut self.slots[slot];
        let before = std::mem::replace(slot, Slot::Away);
        let variables_lost = matches!(before, Slot::Away);
        let mut instance = match before {
            Slot::Idle(instance) => instance,
            Slot::Unused | Slot::Away => {
                let state = State::new(limits, &self.shared, &[]);
                Box::new(Instance::new(variant, state, metered))
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
            Runnable::Guest(pre),
            &program,
            limits,
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
        mut channel: Channel,
    ) -> RunOutcome {
        let metered = limits.fuel.is_some();
        let variant = match self.engine.variant(metered) {
            Ok(variant) => variant,
            Err(error) => return RunOutcome::failed(RunError::Host(error)),
        };
        let engine = variant.engine.clone();
        let component = match tokio::task::spawn_blocking(move || compile(&engine, &bytes)).await {
            Ok(Ok(component)) => component,
            Ok(Err(stop)) => return RunOutcome::failed(stop),
            Err(error) => {
                return RunOutcome::failed(RunError::Host(Error::host(
                    "compiling a component",
                    error,
                )));
            }
        };
        let clock = Clock::new(limits.timeout);
        let loaded = instance::load(variant, &component, &mut channel, limits, &clock).await;
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(stop) => return RunOutcome::failed(stop),
        };
        let mut arguments = vec![program.name().to_owned()];
        arguments.extend_from_slice(program.argument_list());
        let state = State::new(limits, &self.shared, &arguments);
        let mut instance = Instance::new(variant, state, metered);
        let program = types::Program {
            source: String::new(),
            name: program.name().to_owned(),
            language: types::Language::Python,
            arguments: program.argument_list().to_vec(),
        };
        let runnable = match &loaded {
            Loaded::Guest(pre) => Runnable::Guest(pre),
            Loaded::Command(pre) => Runnable::Command(pre),
        };
        run(
            variant,
            &mut instance,
            runnable,
            &program,
            limits,
            clock,
            channel,
        )
        .await
    }
}

async fn run(
    variant: &EngineVariant,
    instance: &mut Instance,
    runnable: Runnable<'_>,
    program: &types::Program,
    limits: &Limits,
    clock: Arc<Clock>,
    channel: Channel,
) -> RunOutcome {
    let _ticking = variant.ticker.start();
    let state = instance.state();
    state.meter.begin(limits);
    state.link.open(channel, Arc::clone(&clock));
    let end = instance.run(runnable, program, limits, &clock).await;
    let fuel = instance.fuel_used(limits);
    let state = instance.state();
    state.link.close();
    RunOutcome {
        end,
        fuel,
        memory_peak: state.meter.memory_peak(),
        files_refused: None,
        variables_lost: false,
    }
}

/// Compiles the guest away from the event loop, unless it is there.
async fn prepare(engine: &Engine, guest: Guest, metered: bool) -> Result<(), Error> {
    if engine.has(guest, metered) {
        return Ok(());
    }
    let engine = engine.clone();
    tokio::task::spawn_blocking(move || engine.warm(guest, metered))
        .await
        .map_err(|error| Error::host("preparing a guest", error))?
}

fn compile(engine: &wasmtime::Engine, bytes: &[u8]) -> Result<Component, RunError> {
    let refused = |message: String, hint: Option<&str>| {
        RunError::Refused(ComponentRefusal {
            kind: ComponentRefusalKind::Invalid,
            message,
            hint: hint.map(|hint| Hint::Advice(hint.to_owned())),
        })
    };
    if bytes.len() > MAX_COMPONENT {
        return Err(refused(
            format!(
                "the component has {} bytes; at most {MAX_COMPONENT} are accepted",
                bytes.len()
            ),
            None,
        ));
    }
    // By magic and before any other look: compiled code is trusted entirely by
    // whoever loads it, and text is a format nobody asked for.
    match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => {}
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            return Err(refused(
                "this is a core WebAssembly module, not a component".into(),
                Some("wrap it with `wasm-tools component new`, or build for `wasm32-wasip2`"),
            ));
        }
        [0x7f, b'E', b'L', b'F', ..] => {
            return Err(refused(
                "this is compiled native code, which is never loaded".into(),
                Some("pass the WebAssembly component it was made from"),
            ));
        }
        _ => return Err(refused("this is not a WebAssembly component".into(), None)),
    }
    Component::from_binary(engine, bytes)
        .map_err(|error| refused(format!("the component is not valid: {error:#}"), None))
}
