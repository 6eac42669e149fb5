//! The engine: wasmtime configured once, the guests compiled and linked once.

mod artifact;
mod binary;
mod cache;
mod compiler;
mod components;
mod config;
mod guest;
#[cfg(target_os = "linux")]
mod memory_file;
mod ticker;
mod turns;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wasmtime::component::Linker;

use crate::bindings::GuestPre;
use crate::linker::{linker, modules};
use crate::state::State;
use contract::error::Error;
use contract::program::Form;

use self::binary::{code_size, entry_name};
use self::cache::{Cache, Entry};
use self::compiler::precompile;
use self::components::Components;
use self::config::config;
use self::ticker::Ticker;

pub use self::artifact::{Artifact, begins_like_code};
pub(crate) use self::binary::{NotBinary, form_of, instance_size};
pub(crate) use self::cache::{Compiled, load};
pub use self::compiler::{Compiler, Compiling, Job, NotCompiled, Precompiler};
pub(crate) use self::components::Brought;
pub use self::config::Metering;
pub(crate) use self::config::WASM_STACK;
pub use self::guest::Guest;
#[cfg(target_os = "linux")]
pub use self::memory_file::{memory_file, seal};
pub use self::ticker::Ticks;

/// Sees the one-time compilations, which take seconds.
pub type Observer = Arc<dyn Fn(Compilation) + Send + Sync>;

/// A step of a one-time compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compilation {
    /// Compilation of this guest starts.
    Started {
        /// The guest.
        guest: Guest,
        /// How many functions it has, which tells how long it takes.
        functions: u64,
    },
    /// It ended, well or not.
    Ended(Guest),
    /// What was compiled cannot be kept, so the next process compiles again.
    NotKept {
        /// The guest.
        guest: Guest,
        /// Why the cache does not take it.
        why: io::ErrorKind,
    },
}

/// How an [`Engine`] is set up.
#[derive(Clone, Default)]
pub struct EngineOptions {
    /// Where compiled code is kept. `None`, the default, keeps it in memory
    /// only: then each engine compiles for seconds.
    pub cache: Option<PathBuf>,
    /// Keeps memory for this many sandboxes ready, which makes starting one
    /// several times faster. `None`, the default, maps memory for each anew.
    pub pool: Option<u32>,
    /// Told when a compilation starts and ends.
    pub observer: Option<Observer>,
    /// Who advances the time that guests notice: a thread of the engine, by
    /// default.
    pub ticks: Ticks,
    /// Who compiles components and modules of users. `None`, the default, compiles
    /// them in this process, where nothing ends a compilation that takes too
    /// long. Guests are always compiled here.
    pub compiler: Option<Arc<dyn Compiler>>,
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineOptions")
            .field("cache", &self.cache)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// Compiles guests and starts sandboxes. Cheap to clone; one per process is
/// enough.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    options: EngineOptions,
    /// `None` if it is not wanted.
    cache: Option<io::Result<Cache>>,
    components: Components,
    /// One for each [`Metering`], made when first asked for.
    variants: [OnceLock<EngineVariant>; Metering::ALL.len()],
    /// Held while one of the above, or a guest in it, is made.
    making: Mutex<()>,
}

/// One configuration of wasmtime and the guests compiled for it.
pub(crate) struct EngineVariant {
    pub(crate) metering: Metering,
    pub(crate) engine: wasmtime::Engine,
    pub(crate) linker: Linker<State>,
    /// For core modules.
    modules: OnceLock<wasmtime::Linker<State>>,
    pub(crate) ticker: Ticker,
    guests: [OnceLock<GuestPre<State>>; Guest::ALL.len()],
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Sets up an engine. Compiles nothing yet.
    ///
    /// # Errors
    ///
    /// When this machine cannot run WebAssembly. A cache folder that cannot be
    /// used is only a warning in the log.
    pub fn new(options: EngineOptions) -> Result<Self, Error> {
        let cache = options.cache.as_ref().map(|folder| {
            Cache::open(folder).inspect_err(|error| {
                tracing::warn!(
                    "compiled code is not kept in `{}`: {error}",
                    folder.display()
                )
            })
        });
        let shared = Shared {
            components: Components::new(options.compiler.is_none()),
            options,
            cache,
            variants: Default::default(),
            making: Mutex::new(()),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Compiles a guest unless that is done, so that the first program need
    /// not wait. Blocks for seconds at worst.
    ///
    /// # Errors
    ///
    /// When compilation fails, which is a failure of the host.
    pub fn warm(&self, guest: Guest, metering: Metering) -> Result<(), Error> {
        self.guest(guest, metering).map(|_| ())
    }

    /// Loads a guest from the cache, if it was compiled before. Compiles nothing.
    ///
    /// # Errors
    ///
    /// When this machine cannot run WebAssembly.
    pub fn load(&self, guest: Guest, metering: Metering) -> Result<bool, Error> {
        let variant = self.variant(metering)?;
        let slot = &variant.guests[guest as usize];
        if slot.get().is_some() {
            return Ok(true);
        }
        let entry = guest_entry(&variant.engine, guest);
        let Some(compiled) = self.kept(&variant.engine, &entry, Form::Component) else {
            return Ok(false);
        };
        let pre =
            link(variant, &compiled).map_err(|error| Error::host("preparing a guest", error))?;
        slot.get_or_init(|| pre);
        Ok(true)
    }

    /// Advances the time that running guests notice. For [`Ticks::Outside`]; may
    /// be called by a signal handler.
    pub fn tick(&self) {
        for variant in self.shared.variants.iter().filter_map(OnceLock::get) {
            variant.engine.increment_epoch();
        }
    }

    /// Whether a guest is in memory, so that using it takes no time.
    pub fn has(&self, guest: Guest, metering: Metering) -> bool {
        self.slot(metering)
            .get()
            .is_some_and(|variant| variant.guests[guest as usize].get().is_some())
    }

    /// The guest, compiled and linked.
    pub(crate) fn guest(
        &self,
        guest: Guest,
        metering: Metering,
    ) -> Result<&GuestPre<State>, Error> {
        let variant = self.variant(metering)?;
        let slot = &variant.guests[guest as usize];
        if let Some(pre) = slot.get() {
            return Ok(pre);
        }
        let _making = self
            .shared
            .making
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(pre) = slot.get() {
            return Ok(pre);
        }
        let pre = self
            .prepare(variant, guest)
            .map_err(|error| Error::host("preparing a guest", error))?;
        Ok(slot.get_or_init(|| pre))
    }

    pub(crate) fn variant(&self, metering: Metering) -> Result<&EngineVariant, Error> {
        let slot = self.slot(metering);
        if let Some(variant) = slot.get() {
            return Ok(variant);
        }
        let variant = EngineVariant::new(metering, &self.shared.options)
            .map_err(|error| Error::host("setting up WebAssembly", error))?;
        Ok(slot.get_or_init(|| variant))
    }

    fn slot(&self, metering: Metering) -> &OnceLock<EngineVariant> {
        &self.shared.variants[metering as usize]
    }

    fn prepare(&self, variant: &EngineVariant, guest: Guest) -> wasmtime::Result<GuestPre<State>> {
        let engine = &variant.engine;
        let entry = guest_entry(engine, guest);
        let compiled = match self.kept(engine, &entry, Form::Component) {
            Some(compiled) => compiled,
            None => self.compile(engine, guest, &entry)?,
        };
        link(variant, &compiled)
    }

    fn compile(
        &self,
        engine: &wasmtime::Engine,
        guest: Guest,
        entry: &Entry,
    ) -> wasmtime::Result<Compiled> {
        let observe = |step| {
            if let Some(observer) = &self.shared.options.observer {
                observer(step);
            }
        };
        let bytes = guest.component()?;
        observe(Compilation::Started {
            guest,
            functions: code_size(&bytes, Form::Component).functions,
        });
        let code = precompile(engine, Form::Component, &bytes);
        observe(Compilation::Ended(guest));
        let artifact = Artifact::of_bytes(Form::Component, code?);
        let (component, kept) = self.keep_and_load(engine, entry, &artifact);
        if let Err(error) = kept {
            tracing::warn!("compiled code is not kept: {error}");
            let why = error.kind();
            observe(Compilation::NotKept { guest, why });
        }
        component
    }

    /// The cache, if it is wanted and can be used.
    fn cache(&self) -> Option<&Cache> {
        self.shared.cache.as_ref()?.as_ref().ok()
    }

    /// What was compiled and kept before.
    fn kept(&self, engine: &wasmtime::Engine, entry: &Entry, form: Form) -> Option<Compiled> {
        self.cache()?.load(engine, entry, form)
    }

    /// Keeps what was just compiled, and loads it: from the cache if that took it,
    /// so that it is mapped like at the next start.
    fn keep_and_load(
        &self,
        engine: &wasmtime::Engine,
        entry: &Entry,
        artifact: &Artifact,
    ) -> (wasmtime::Result<Compiled>, io::Result<()>) {
        let kept = match &self.shared.cache {
            None => Ok(()),
            Some(Err(error)) => Err(error.kind().into()),
            Some(Ok(cache)) => cache.store(entry, artifact),
        };
        let cached = match &kept {
            Ok(()) => self.kept(engine, entry, artifact.form()),
            Err(_) => None,
        };
        let loaded = cached.map_or_else(|| load(engine, artifact), Ok);
        (loaded, kept)
    }
}

/// A guest in the cache's folder.
fn guest_entry(engine: &wasmtime::Engine, guest: Guest) -> Entry {
    let name = entry_name(engine, guest.digest());
    Entry::Guest(format!("{}-{name}", guest.name()))
}

fn link(variant: &EngineVariant, compiled: &Compiled) -> wasmtime::Result<GuestPre<State>> {
    match compiled {
        Compiled::Component(guest) => GuestPre::new(variant.linker.instantiate_pre(guest)?),
        Compiled::Module(_) => wasmtime::bail!("a guest is a component"),
    }
}

impl EngineVariant {
    /// What core modules are linked with. Made when the first one comes: few
    /// runs have any.
    pub(crate) fn modules(&self) -> wasmtime::Result<&wasmtime::Linker<State>> {
        if let Some(made) = self.modules.get() {
            return Ok(made);
        }
        let made = modules(&self.engine)?;
        Ok(self.modules.get_or_init(|| made))
    }

    fn new(metering: Metering, options: &EngineOptions) -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::new(&config(metering, options.pool))?;
        Ok(Self {
            metering,
            linker: linker(&engine)?,
            modules: OnceLock::new(),
            ticker: Ticker::new(&engine, options.ticks),
            engine,
            guests: Default::default(),
        })
    }
}
