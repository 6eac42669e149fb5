//! The sandbox side: engine, guests, files, and the account of what they
//! consume.
//!
//! Knows nothing of MCP, policy or secrets. It talks to the coordinator side
//! in messages only ([`crate::message`]), so it can live in another process.

mod bindings;
mod cache;
mod console;
mod content;
mod engine;
pub(crate) mod files;
mod guest;
mod instance;
mod link;
mod linker;
mod meter;
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

pub(crate) use bindings::types::{Exception, Failure, Outcome, Value};
pub(crate) use console::{Console, Output};
pub(crate) use content::media_type;
pub(crate) use instance::Stop;

use crate::clock::Clock;
use crate::error::Error;
use crate::limits::Limits;
use crate::message::{Server, ToCoordinator, ToSandbox};
use crate::program::{Code, Language, MAX_COMPONENT, Program};
use bindings::types;
use engine::Flavour;
use files::{FilesCtx, Generated, Mounts};
use instance::{Instance, Loaded, Runnable};
use servers::ServerTree;
use state::{Shared, State};

/// The sandbox of one session: its interpreters, made when first used, and its
/// files.
pub(crate) struct Sandbox {
    engine: Engine,
    shared: Shared,
    /// One for each guest and flavour.
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

/// The two ends of the wire that a run talks through.
pub(crate) struct Wire {
    pub(crate) requests: UnboundedSender<ToCoordinator>,
    pub(crate) answers: UnboundedReceiver<ToSandbox>,
}

/// How a run ended, and what it consumed.
pub(crate) struct Ending {
    pub(crate) outcome: Result<Outcome, Stop>,
    pub(crate) fuel: Option<u64>,
    pub(crate) memory_peak: u64,
    /// Memory was refused, so an exception that says so is a limit reached.
    pub(crate) memory_refused: bool,
    /// The limit of the files that refused something last.
    pub(crate) files_refused: Option<files::Limit>,
    /// The run before this one took the variables of the session with it.
    pub(crate) variables_lost: bool,
}

impl Ending {
    fn stopped(stop: Stop) -> Self {
        Self {
            outcome: Err(stop),
            fuel: None,
            memory_peak: 0,
            memory_refused: false,
            files_refused: None,
            variables_lost: false,
        }
    }
}

impl Sandbox {
    /// Mounts `/servers` beside what is mounted already.
    pub(crate) fn new(engine: Engine, servers: Arc<[Server]>, mounts: Mounts) -> Self {
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
    pub(crate) fn console(&self) -> &Console {
        &self.shared.console
    }

    /// Runs a program. Nothing of it is left behind if the future is dropped.
    pub(crate) async fn run(&mut self, program: &Program, limits: &Limits, wire: Wire) -> Ending {
        self.shared.console.begin(limits);
        // What an earlier program was refused is no news.
        self.shared.files.take_refused();
        self.shared.tree.expire();
        let ending = match &program.code {
            Code::Source { language, text } => {
                self.run_source(*language, text, program, limits, wire)
                    .await
            }
            Code::Component(bytes) => {
                self.run_component(Arc::clone(bytes), program, limits, wire)
                    .await
            }
        };
        Ending {
            files_refused: self.shared.files.take_refused(),
            ..ending
        }
    }

    async fn run_source(
        &mut self,
        language: Language,
        text: &str,
        program: &Program,
        limits: &Limits,
        wire: Wire,
    ) -> Ending {
        let guest = Guest::of(language);
        let metered = limits.fuel.is_some();
        if let Err(error) = prepare(&self.engine, guest, metered).await {
            return Ending::stopped(Stop::Host(error));
        }
        let engine = &self.engine;
        let (flavour, pre) = match (engine.flavour(metered), engine.guest(guest, metered)) {
            (Ok(flavour), Ok(pre)) => (flavour, pre),
            (Err(error), _) | (_, Err(error)) => return Ending::stopped(Stop::Host(error)),
        };
        let slot = 2 * guest as usize + usize::from(metered);
        let slot = &mut self.slots[slot];
        let before = std::mem::replace(slot, Slot::Away);
        let variables_lost = matches!(before, Slot::Away);
        let mut instance = match before {
            Slot::Idle(instance) => instance,
            Slot::Unused | Slot::Away => {
                let state = State::new(limits, &self.shared, &[]);
                Box::new(Instance::new(flavour, state, metered))
            }
        };
        let program = types::Program {
            source: text.to_owned(),
            name: program.name.clone(),
            language: language.into(),
            arguments: program.arguments.clone(),
        };
        let ending = run(
            flavour,
            &mut instance,
            Runnable::Guest(pre),
            &program,
            limits,
            Clock::new(limits.timeout),
            wire,
        )
        .await;
        // After anything but an orderly end the instance is in no known state.
        if ending.outcome.is_ok() {
            *slot = Slot::Idle(instance);
        }
        Ending {
            variables_lost,
            ..ending
        }
    }

    async fn run_component(
        &mut self,
        bytes: Arc<[u8]>,
        program: &Program,
        limits: &Limits,
        mut wire: Wire,
    ) -> Ending {
        let metered = limits.fuel.is_some();
        let flavour = match self.engine.flavour(metered) {
            Ok(flavour) => flavour,
            Err(error) => return Ending::stopped(Stop::Host(error)),
        };
        let engine = flavour.engine.clone();
        let component = match tokio::task::spawn_blocking(move || compile(&engine, &bytes)).await {
            Ok(Ok(component)) => component,
            Ok(Err(stop)) => return Ending::stopped(stop),
            Err(error) => {
                return Ending::stopped(Stop::Host(Error::host("compiling a component", error)));
            }
        };
        let clock = Clock::new(limits.timeout);
        let loaded = instance::load(flavour, &component, &mut wire, limits, &clock).await;
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(stop) => return Ending::stopped(stop),
        };
        let mut arguments = vec![program.name.clone()];
        arguments.extend_from_slice(&program.arguments);
        let state = State::new(limits, &self.shared, &arguments);
        let mut instance = Instance::new(flavour, state, metered);
        let program = types::Program {
            source: String::new(),
            name: program.name.clone(),
            language: types::Language::Python,
            arguments: program.arguments.clone(),
        };
        let runnable = match &loaded {
            Loaded::Guest(pre) => Runnable::Guest(pre),
            Loaded::Command(pre) => Runnable::Command(pre),
        };
        run(
            flavour,
            &mut instance,
            runnable,
            &program,
            limits,
            clock,
            wire,
        )
        .await
    }
}

async fn run(
    flavour: &Flavour,
    instance: &mut Instance,
    runnable: Runnable<'_>,
    program: &types::Program,
    limits: &Limits,
    clock: Arc<Clock>,
    wire: Wire,
) -> Ending {
    let _ticking = flavour.ticker.start();
    let state = instance.state();
    state.meter.begin(limits);
    state.link.open(wire, Arc::clone(&clock));
    let outcome = instance.run(runnable, program, limits, &clock).await;
    let fuel = instance.fuel_used(limits);
    let state = instance.state();
    state.link.close();
    Ending {
        outcome,
        fuel,
        memory_peak: state.meter.memory_peak(),
        memory_refused: state.meter.memory_refused(),
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

fn compile(engine: &wasmtime::Engine, bytes: &[u8]) -> Result<Component, Stop> {
    let refused = |message: String, hint: Option<&str>| Stop::Refused {
        kind: "component_invalid",
        message,
        hint: hint.map(Into::into),
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

impl From<Language> for types::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::Python => Self::Python,
            Language::JavaScript => Self::Javascript,
            Language::TypeScript => Self::Typescript,
        }
    }
}
