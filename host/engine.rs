//! What all sessions share: the guests, compiled, and the processes or the engine
//! that run them.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use contract::caller::Caller;
use contract::error::Error;
use contract::isolation::{Layer, LayerReport};
use contract::outcome::RunError;
use sandbox::{Artifact, Compiler, Guest, Metering, Observer};
use worker::compile::CompileLimits;
use worker::compiler::ProcessCompiler;

use crate::isolation::{Connection, Isolation, Kind, Launcher, Pool, find};

/// How an [`Engine`] is set up.
#[derive(Clone, Default)]
pub struct EngineOptions {
    /// Where compiled code is kept. `None`, the default, keeps it for as long as
    /// the engine lives: then each engine compiles for seconds.
    pub cache: Option<PathBuf>,
    /// Keeps this many sandboxes ready, which makes starting one several times
    /// faster. `None`, the default, makes each when it is needed.
    pub pool: Option<u32>,
    /// Told when a compilation starts and ends.
    pub observer: Option<Observer>,
    /// Where programs run: each session in a process of its own, by default.
    pub isolation: Isolation,
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineOptions")
            .field("cache", &self.cache)
            .field("pool", &self.pool)
            .field("isolation", &self.isolation)
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
    /// With [`Isolation::InProcess`].
    here: OnceLock<sandbox::Engine>,
    /// Keeps what was compiled of users.
    keeper: OnceLock<sandbox::Engine>,
    launchers: Mutex<HashMap<Kind, Arc<Launcher>>>,
    pool: Pool,
    /// Held while a guest is compiled.
    compiling: tokio::sync::Mutex<()>,
    /// A folder for compiled code that ends with the engine.
    temporary: OnceLock<TemporaryFolder>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

/// Workers of a kind that wait for a session. A few are enough: each that is taken
/// is replaced at once.
const MAX_READY: u32 = 4;

impl Engine {
    /// Sets up an engine. Compiles nothing yet, and starts no process.
    ///
    /// # Errors
    ///
    /// When this machine cannot run WebAssembly, or there is no program that can
    /// be a launcher. A cache folder that cannot be used is only a warning in the
    /// log.
    pub fn new(mut options: EngineOptions) -> Result<Self, Error> {
        // A launcher is in another directory.
        if let Some(cache) = &mut options.cache
            && let Ok(absolute) = std::path::absolute(&*cache)
        {
            *cache = absolute;
        }
        let here = OnceLock::new();
        match &options.isolation {
            Isolation::InProcess => {
                let engine =
                    sandbox::Engine::new(sandbox_options(&options, options.cache.clone()))?;
                let _ = here.set(engine);
            }
            Isolation::Process { launcher } => drop(find(launcher.as_deref())?),
        }
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                here,
                keeper: OnceLock::new(),
                launchers: Mutex::default(),
                pool: Pool::default(),
                compiling: tokio::sync::Mutex::default(),
                temporary: OnceLock::new(),
            }),
        })
    }

    /// Compiles a guest unless that is done, so that the first program need
    /// not wait. Blocks for seconds at worst.
    ///
    /// # Errors
    ///
    /// When compilation fails, which is a failure of the host.
    pub fn warm(&self, guest: Guest, metering: Metering) -> Result<(), Error> {
        if let Some(engine) = self.in_process() {
            return engine.warm(guest, metering);
        }
        let kind = Kind {
            guest: Some(guest),
            metering,
        };
        // A thread of its own, because this one may be the event loop's.
        let ready = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Error::host("starting an event loop", error))?;
            runtime.block_on(self.launcher(kind))
        };
        let launcher = std::thread::scope(|scope| scope.spawn(ready).join())
            .unwrap_or_else(|_| Err(Error::host("preparing a guest", "its thread panicked")))?;
        self.fill(&launcher);
        Ok(())
    }

    /// Starts what a first program of a guest needs, and does not wait for it.
    pub fn expect(&self, guest: Guest, metering: Metering) {
        let kind = Kind {
            guest: Some(guest),
            metering,
        };
        if self.in_process().is_none()
            && let Ok(launcher) = self.started(kind)
        {
            self.shared.pool.fill(&launcher, 1);
        }
    }

    /// Whether a guest is ready, so that using it takes no time.
    pub fn has(&self, guest: Guest, metering: Metering) -> bool {
        if let Some(engine) = self.in_process() {
            return engine.has(guest, metering);
        }
        let kind = Kind {
            guest: Some(guest),
            metering,
        };
        self.launchers()
            .get(&kind)
            .is_some_and(|launcher| launcher.is_ready())
    }

    /// The layers around the processes of sessions, on this machine. Empty with
    /// [`Isolation::InProcess`].
    ///
    /// # Errors
    ///
    /// When no launcher can be started.
    pub async fn layers(&self) -> Result<Vec<LayerReport>, Error> {
        if self.in_process().is_some() {
            return Ok(Vec::new());
        }
        let started = self.launchers().keys().copied().next();
        let launcher = self.launcher(started.unwrap_or(Kind {
            guest: Some(Guest::JavaScript),
            metering: Metering::Off,
        }));
        Ok(launcher.await?.layers())
    }

    /// The layers that workers of a kind lack.
    pub(crate) fn missing(&self, kind: Kind) -> Vec<Layer> {
        let launcher = self.launchers().get(&kind).cloned();
        let layers = launcher
            .map(|launcher| launcher.layers())
            .unwrap_or_default();
        let missing = layers.iter().filter(|report| report.missing().is_some());
        missing.map(|report| report.layer).collect()
    }

    /// The engine in this process, if programs run here.
    pub(crate) fn in_process(&self) -> Option<&sandbox::Engine> {
        self.shared.here.get()
    }

    /// A component of a caller as machine code, made by a process that is there for
    /// nothing else.
    pub(crate) async fn artifact(
        &self,
        bytes: &Arc<[u8]>,
        metering: Metering,
        caller: Caller,
    ) -> Result<Artifact, RunError> {
        let compiling = self.compiling_engine().map_err(RunError::Host)?;
        compiling
            .artifact(Arc::clone(bytes), metering, caller)
            .await
    }

    /// The engine that keeps what compilers made, and runs nothing.
    fn compiling_engine(&self) -> Result<&sandbox::Engine, Error> {
        let keeper = &self.shared.keeper;
        if let Some(engine) = keeper.get() {
            return Ok(engine);
        }
        let engine = sandbox::Engine::new(sandbox::EngineOptions {
            pool: None,
            compiler: Some(self.compiler()?),
            ..sandbox_options(&self.shared.options, self.shared.options.cache.clone())
        })?;
        Ok(keeper.get_or_init(|| engine))
    }

    fn compiler(&self) -> Result<Arc<dyn Compiler>, Error> {
        let program = match &self.shared.options.isolation {
            Isolation::Process { launcher } => find(launcher.as_deref())?,
            Isolation::InProcess => find(None)?,
        };
        Ok(Arc::new(ProcessCompiler::new(
            program,
            CompileLimits::default(),
        )))
    }

    /// A worker for a session of this caller: one that waits, or a new one.
    pub(crate) async fn worker(
        &self,
        kind: Kind,
        caller: Option<Caller>,
    ) -> Result<Connection, Error> {
        // First: those that wait are of a launcher that may never be ready.
        let launcher = self.launcher(kind).await?;
        while let Some((worker, is_new)) = self.shared.pool.take(kind, caller) {
            if worker.is_alive() {
                if is_new {
                    self.fill(&launcher);
                }
                return Ok(worker);
            }
        }
        let worker = launcher.fork();
        self.fill(&launcher);
        worker
    }

    /// Takes back a worker whose session ended, for the same caller.
    pub(crate) fn give_back(&self, kind: Kind, caller: Caller, worker: Connection) {
        self.shared.pool.give_back(kind, caller, worker);
    }

    fn fill(&self, launcher: &Launcher) {
        let most = self.shared.options.pool.unwrap_or(0).min(MAX_READY);
        self.shared.pool.fill(launcher, most as usize);
    }

    fn launchers(&self) -> MutexGuard<'_, HashMap<Kind, Arc<Launcher>>> {
        let launchers = &self.shared.launchers;
        launchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A launcher that is ready. Compiles its guest first, the first time ever.
    async fn launcher(&self, kind: Kind) -> Result<Arc<Launcher>, Error> {
        let launcher = self.started(kind)?;
        if launcher.ready().await?.is_some() {
            return Ok(launcher);
        }
        let _compiling = self.shared.compiling.lock().await;
        let mut is_compiled = false;
        loop {
            // Somebody else may have compiled it meanwhile.
            let launcher = self.started(kind)?;
            if launcher.ready().await?.is_some() {
                return Ok(launcher);
            }
            if is_compiled {
                // The folder does not keep what was compiled.
                if self.shared.temporary.get().is_some() {
                    return Err(Error::host(
                        "no folder takes compiled code, which another process has to load \
                         (`ulimit -f` may bound files): keeping it",
                        "neither the cache folder nor the one for temporary files takes it",
                    ));
                }
                self.temporary()?;
                is_compiled = false;
                continue;
            }
            let Some(guest) = kind.guest else {
                return Err(Error::host("starting a launcher", "it wants a guest"));
            };
            let cache = Some(launcher.cache().to_owned());
            let options = sandbox_options(&self.shared.options, cache);
            let compiled = tokio::task::spawn_blocking(move || {
                sandbox::Engine::new(options)?.warm(guest, kind.metering)
            });
            compiled
                .await
                .map_err(|error| Error::host("preparing a guest", error))??;
            is_compiled = true;
        }
    }

    /// A launcher that was started and did not end.
    fn started(&self, kind: Kind) -> Result<Arc<Launcher>, Error> {
        let mut launchers = self.launchers();
        if let Some(launcher) = launchers.get(&kind).filter(|launcher| launcher.is_alive()) {
            return Ok(Arc::clone(launcher));
        }
        let Isolation::Process { launcher: program } = &self.shared.options.isolation else {
            return Err(Error::host(
                "starting a launcher",
                "programs run in process",
            ));
        };
        let program = find(program.as_deref())?;
        let cache = match (&self.shared.options.cache, self.shared.temporary.get()) {
            (Some(cache), None) => cache.clone(),
            (_, Some(temporary)) => temporary.0.clone(),
            (None, None) => self.temporary()?,
        };
        let launcher = Launcher::start(&program, &cache, kind)?;
        launchers.insert(kind, Arc::clone(&launcher));
        Ok(launcher)
    }

    fn temporary(&self) -> Result<PathBuf, Error> {
        let temporary = &self.shared.temporary;
        if temporary.get().is_none() {
            let made = TemporaryFolder::new()
                .map_err(|error| Error::host("making a folder for compiled code", error))?;
            let _ = temporary.set(made);
        }
        Ok(temporary
            .get()
            .map(|made| made.0.clone())
            .unwrap_or_default())
    }
}

fn sandbox_options(options: &EngineOptions, cache: Option<PathBuf>) -> sandbox::EngineOptions {
    sandbox::EngineOptions {
        cache,
        pool: options.pool,
        observer: options.observer.clone(),
        ..Default::default()
    }
}

/// A folder for its owner alone, removed with everything in it.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> std::io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("wasm-coordinator-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
