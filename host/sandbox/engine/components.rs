//! Components and modules of users: compiled once for each caller, kept for the
//! next run, and bounded in what they cost.
//!
//! What one caller brought is never loaded for another, although both may bring
//! the same: compiled beside this process, it is what that process gave, and a
//! hostile component may have subverted it. So it hits only who brought it, and
//! nobody learns from the time of a run what others have.
//!
//! A compiler in this process cannot be interrupted. So what goes in is bounded,
//! and it works in a thread that nobody has to wait for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::Engine;
use super::artifact::Artifact;
use super::binary::{CodeSize, code_size, entry_name};
use super::cache::{Compiled, Entry};
use super::compiler::{Job, NotCompiled, precompile};
use super::config::Metering;
use super::turns::Turns;
use contract::caller::Caller;
use contract::error::Error;
use contract::program::Form;

/// How long a run waits for those whose components are compiled before its own.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// How long a run waits for a compiler in this process. Ours, the largest guest,
/// takes ten seconds on two old cores.
const MAX_COMPILE: Duration = Duration::from_secs(60);

/// The squares of the sizes of all functions, in bytes, together. The compiler
/// takes time that grows with the square of a function: five seconds for each
/// 10^10 at the very worst, a fraction of that for what compilers write. CPython
/// as componentize-py builds it has a loop of 430 kB, which is a third of this.
const MAX_WEIGHT: u64 = 500_000_000_000;

/// How many functions: a few times those of CPython with all its libraries.
const MAX_FUNCTIONS: u64 = 100_000;

/// Compiled components that are kept in memory, and their code together.
const MAX_RECENT: usize = 16;
const MAX_RECENT_BYTES: u64 = 128 << 20;

/// Components that are compiled at once. A compiler in this process, which uses
/// all processors for as long as it likes, is alone.
const MAX_COMPILERS: usize = 2;

/// The components that were used last, and those that are being compiled.
pub(crate) struct Components {
    loaded: Recent<Compiled>,
    artifacts: Recent<Artifact>,
    turns: Turns,
}

/// What was used last, the newest at the end.
pub(crate) struct Recent<T>(Mutex<VecDeque<(Key, T)>>);

/// Whose code it is, and of which component.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    metering: Metering,
    caller: Caller,
    digest: [u8; 32],
}

/// A component or module as a caller brought it.
#[derive(Clone)]
pub(crate) struct Brought {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) form: Form,
    pub(crate) metering: Metering,
    pub(crate) caller: Caller,
}

/// What is made of a component, once.
pub(crate) trait Product: Clone + Send + Sized + 'static {
    /// Where those are kept that were used last.
    fn recent(components: &Components) -> &Recent<Self>;

    /// Its bytes.
    fn bytes(&self) -> u64;

    /// As it was kept on disk.
    fn kept(engine: &Engine, brought: &Brought, entry: &Entry) -> Option<Self>;

    /// From machine code, which is kept on disk from now on.
    fn made(
        engine: &Engine,
        brought: &Brought,
        entry: &Entry,
        artifact: Artifact,
    ) -> Result<Self, NotCompiled>;
}

impl Components {
    /// With a compiler of its own, or in this process.
    pub(super) fn new(is_here: bool) -> Self {
        Self {
            loaded: Recent(Mutex::default()),
            artifacts: Recent(Mutex::default()),
            turns: Turns::new(if is_here { 1 } else { MAX_COMPILERS }),
        }
    }
}

impl<T: Product> Recent<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Key, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds one, and makes it the newest.
    fn find(&self, key: &Key) -> Option<T> {
        let mut recent = self.lock();
        let at = recent.iter().position(|(other, _)| other == key)?;
        let found = recent.remove(at)?;
        let product = found.1.clone();
        recent.push_back(found);
        Some(product)
    }

    fn keep(&self, key: Key, product: &T) {
        let mut recent = self.lock();
        recent.push_back((key, product.clone()));
        let mut bytes: u64 = recent.iter().map(|(_, product)| product.bytes()).sum();
        while recent.len() > MAX_RECENT || bytes > MAX_RECENT_BYTES {
            let Some((_, oldest)) = recent.pop_front() else {
                return;
            };
            bytes -= oldest.bytes();
        }
    }
}

impl Engine {
    /// What is made of a component: from memory, from the cache, or now.
    pub(crate) async fn product<T: Product>(&self, brought: Brought) -> Result<T, NotCompiled> {
        let bytes = Arc::clone(&brought.bytes);
        let digest = aside(move || *blake3::hash(&bytes).as_bytes()).await?;
        let Components { turns, .. } = &self.shared.components;
        let recent = T::recent(&self.shared.components);
        let key = Key {
            metering: brought.metering,
            caller: brought.caller,
            digest,
        };
        if let Some(product) = recent.find(&key) {
            return Ok(product);
        }
        let end = Instant::now() + MAX_WAIT;
        let busy = |_elapsed| NotCompiled::Busy(MAX_WAIT);
        let turn = timeout_at(end, turns.turn(brought.caller));
        let turn = turn.await.map_err(busy)?;
        // Another run of the caller may have made it meanwhile.
        if let Some(product) = recent.find(&key) {
            return Ok(product);
        }
        let entry = self.entry(&key)?;
        let (engine, looked_for) = (self.clone(), (brought.clone(), entry.clone()));
        let kept = aside(move || T::kept(&engine, &looked_for.0, &looked_for.1)).await?;
        if let Some(product) = kept {
            recent.keep(key, &product);
            return Ok(product);
        }
        let job = self.job(&brought).await?;
        let place = timeout_at(end, turns.place()).await.map_err(busy)?;
        let engine = self.clone();
        let make = move |artifact| {
            let product = T::made(&engine, &brought, &entry, artifact)?;
            T::recent(&engine.shared.components).keep(key, &product);
            Ok(product)
        };
        match &self.shared.options.compiler {
            Some(compiler) => {
                let artifact = compiler.compile(job).await?;
                drop(place);
                let product = aside(move || make(artifact)).await?;
                // Those of the same caller find it now.
                drop(turn);
                product
            }
            None => {
                let engine = self.clone();
                // Holds its turn and place to its end, also when nobody waits any more.
                let work = move || {
                    let _occupied = (turn, place);
                    engine.compile_here(&job).and_then(make)
                };
                in_a_thread(work).await
            }
        }
    }

    /// How a component is called in the cache.
    fn entry(&self, key: &Key) -> Result<Entry, NotCompiled> {
        let variant = self.variant(key.metering).map_err(NotCompiled::Failed)?;
        let digest = blake3::Hash::from_bytes(key.digest).to_hex();
        let name = entry_name(&variant.engine, digest.as_str());
        Ok(Entry::Component {
            caller: key.caller,
            name,
        })
    }

    /// What there is to compile, if it is no more than may be compiled.
    async fn job(&self, brought: &Brought) -> Result<Job, NotCompiled> {
        let (bytes, form) = (Arc::clone(&brought.bytes), brought.form);
        let size = aside(move || code_size(&bytes, form)).await?;
        check(size)?;
        Ok(Job {
            bytes: Arc::clone(&brought.bytes),
            form,
            metering: brought.metering,
            functions: size.functions,
        })
    }

    fn compile_here(&self, job: &Job) -> Result<Artifact, NotCompiled> {
        let variant = self.variant(job.metering).map_err(NotCompiled::Failed)?;
        let code = precompile(&variant.engine, job.form, &job.bytes);
        let code = code.map_err(|error| NotCompiled::Invalid(format!("is not valid: {error:#}")));
        Ok(Artifact::of_bytes(job.form, code?))
    }
}

impl Product for Compiled {
    fn recent(components: &Components) -> &Recent<Self> {
        &components.loaded
    }

    fn bytes(&self) -> u64 {
        self.size() as u64
    }

    fn kept(engine: &Engine, brought: &Brought, entry: &Entry) -> Option<Self> {
        let variant = engine.variant(brought.metering).ok()?;
        engine.kept(&variant.engine, entry, brought.form)
    }

    fn made(
        engine: &Engine,
        brought: &Brought,
        entry: &Entry,
        artifact: Artifact,
    ) -> Result<Self, NotCompiled> {
        let variant = engine.variant(brought.metering);
        let variant = variant.map_err(NotCompiled::Failed)?;
        let (compiled, kept) = engine.keep_and_load(&variant.engine, entry, &artifact);
        if let Err(error) = kept {
            tracing::warn!("compiled code of a component is not kept: {error}");
        }
        compiled.map_err(|error| {
            tracing::warn!("compiled code of a component cannot be loaded: {error:#}");
            NotCompiled::WrongAnswer
        })
    }
}

impl Product for Artifact {
    fn recent(components: &Components) -> &Recent<Self> {
        &components.artifacts
    }

    fn bytes(&self) -> u64 {
        self.size().unwrap_or(u64::MAX)
    }

    fn kept(engine: &Engine, brought: &Brought, entry: &Entry) -> Option<Self> {
        engine.cache()?.artifact(entry, brought.form)
    }

    fn made(
        engine: &Engine,
        _brought: &Brought,
        entry: &Entry,
        artifact: Artifact,
    ) -> Result<Self, NotCompiled> {
        if let Some(cache) = engine.cache()
            && let Err(error) = cache.store(entry, &artifact)
        {
            tracing::warn!("compiled code of a component is not kept: {error}");
        }
        Ok(artifact)
    }
}

fn check(size: CodeSize) -> Result<(), NotCompiled> {
    if size.weight > MAX_WEIGHT {
        return Err(NotCompiled::Invalid(format!(
            "has functions that are too large to compile; the largest has {} bytes",
            size.largest
        )));
    }
    if size.functions > MAX_FUNCTIONS {
        return Err(NotCompiled::Invalid(format!(
            "has {} functions; at most {MAX_FUNCTIONS} are accepted",
            size.functions
        )));
    }
    Ok(())
}

/// Does what takes milliseconds away from the event loop.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotCompiled> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| NotCompiled::Failed(Error::host("compiling a component", error)))
}

/// Does what nobody can end, in a thread that is not of the runtime: the end of
/// the runtime would wait for it.
async fn in_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NotCompiled> + Send + 'static,
) -> Result<T, NotCompiled> {
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .name("compile".into())
        .spawn(move || {
            // Nobody may wait any more.
            let _ = sender.send(work());
        })
        .map_err(|error| NotCompiled::Failed(Error::host("compiling a component", error)))?;
    match timeout(MAX_COMPILE, receiver).await {
        Ok(Ok(done)) => done,
        Ok(Err(_panicked)) => Err(NotCompiled::Crashed("panicked".to_owned())),
        Err(_elapsed) => Err(NotCompiled::Time(MAX_COMPILE)),
    }
}
