//! Components and modules of users: compiled once, kept for the next run, and bounded in
//! what they cost.
//!
//! The compiler runs in this process and cannot be interrupted. So what goes in
//! is bounded, one component is compiled at a time, in a thread that nobody has
//! to wait for, and whoever waits gives up after a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use wasmtime::Module;
use wasmtime::component::Component;

use super::Engine;
use super::binary::{code_size, entry_name};
use super::cache::{Compiled, Form};
use super::config::Metering;
use contract::error::Error;

/// How long a run waits until its component is compiled, those before it
/// included. Ours, the largest guest, takes ten seconds on two old cores.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The squares of the sizes of all functions, in bytes, together. The compiler
/// takes time that grows with the square of a function: five seconds for each
/// 10^10 at the very worst, a fraction of that for what compilers write. CPython
/// as componentize-py builds it has a loop of 430 kB, which is a third of this.
const MAX_WEIGHT: u64 = 500_000_000_000;

/// How many functions: a few times those of CPython with all its libraries.
const MAX_FUNCTIONS: u64 = 100_000;

/// Compiled components that are kept in memory, and their code together.
const MAX_RECENT: usize = 16;
const MAX_RECENT_BYTES: usize = 128 << 20;

/// How the entries of components in the cache's folder begin.
const PREFIX: &str = "component-";

/// Why there is no compiled component.
#[derive(Debug)]
pub(crate) enum NotCompiled {
    /// It breaks a bound, or a rule of WebAssembly: what is wrong, behind
    /// "the component".
    Refused(String),
    /// The host failed.
    Failed(Error),
}

/// The components that were used last, the newest at the end.
#[derive(Default)]
pub(super) struct Components {
    recent: Mutex<VecDeque<(Key, Compiled)>>,
    /// Held while one is compiled.
    compiling: Mutex<()>,
}

type Key = (Metering, [u8; 32]);

impl Components {
    fn recent(&self) -> MutexGuard<'_, VecDeque<(Key, Compiled)>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a component, and makes it the newest.
    fn find(&self, key: &Key) -> Option<Compiled> {
        let mut recent = self.recent();
        let at = recent.iter().position(|(other, _)| other == key)?;
        let found = recent.remove(at)?;
        let compiled = found.1.clone();
        recent.push_back(found);
        Some(compiled)
    }

    fn keep(&self, key: Key, compiled: &Compiled) {
        let mut recent = self.recent();
        recent.push_back((key, compiled.clone()));
        let mut bytes: usize = recent.iter().map(|(_, compiled)| compiled.size()).sum();
        while recent.len() > MAX_RECENT || bytes > MAX_RECENT_BYTES {
            let Some((_, oldest)) = recent.pop_front() else {
                return;
            };
            bytes -= oldest.size();
        }
    }
}

impl Engine {
    /// A component or module of a user, compiled: from memory, from the cache, or
    /// now.
    pub(crate) async fn compiled(
        &self,
        metering: Metering,
        bytes: Arc<[u8]>,
    ) -> Result<Compiled, NotCompiled> {
        let (sender, receiver) = oneshot::channel();
        let engine = self.clone();
        // Not of the runtime's own threads: its end would wait for them.
        std::thread::Builder::new()
            .name("compile".into())
            .spawn(move || {
                let is_given_up = || sender.is_closed();
                let found = engine.find_compiled(metering, &bytes, is_given_up);
                // Nobody waits any more.
                let _ = sender.send(found);
            })
            .map_err(|error| NotCompiled::Failed(Error::host("compiling a component", error)))?;
        match tokio::time::timeout(MAX_WAIT, receiver).await {
            Ok(Ok(found)) => found,
            Ok(Err(_panicked)) => Err(NotCompiled::Refused("cannot be compiled".to_owned())),
            Err(_elapsed) => Err(NotCompiled::Refused(format!(
                "was not compiled within {} s",
                MAX_WAIT.as_secs()
            ))),
        }
    }

    fn find_compiled(
        &self,
        metering: Metering,
        bytes: &[u8],
        is_given_up: impl Fn() -> bool,
    ) -> Result<Compiled, NotCompiled> {
        let digest = blake3::hash(bytes);
        let components = &self.shared.components;
        let key = (metering, *digest.as_bytes());
        if let Some(compiled) = components.find(&key) {
            return Ok(compiled);
        }
        let form = match bytes {
            [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Form::Module,
            _ => Form::Component,
        };
        let size = code_size(bytes, form);
        if size.weight > MAX_WEIGHT {
            return Err(NotCompiled::Refused(format!(
                "has functions that are too large to compile; the largest has {} bytes",
                size.largest
            )));
        }
        if size.functions > MAX_FUNCTIONS {
            return Err(NotCompiled::Refused(format!(
                "has {} functions; at most {MAX_FUNCTIONS} are accepted",
                size.functions
            )));
        }
        let engine = &self.variant(metering).map_err(NotCompiled::Failed)?.engine;
        let name = format!("{PREFIX}{}", entry_name(engine, digest.to_hex().as_str()));
        let load = || {
            let cache = self.shared.cache.as_ref()?.as_ref().ok()?;
            cache.load(engine, &name, form)
        };
        let compiled = match load() {
            Some(compiled) => compiled,
            None => {
                let compiling = &components.compiling;
                let _compiling = compiling.lock().unwrap_or_else(PoisonError::into_inner);
                if is_given_up() {
                    return Err(NotCompiled::Refused("is not waited for".to_owned()));
                }
                // Another run may have compiled it meanwhile.
                if let Some(compiled) = components.find(&key) {
                    return Ok(compiled);
                }
                let compiled = match form {
                    Form::Component => {
                        Component::from_binary(engine, bytes).map(Compiled::Component)
                    }
                    Form::Module => Module::from_binary(engine, bytes).map(Compiled::Module),
                };
                let compiled = compiled
                    .map_err(|error| NotCompiled::Refused(format!("is not valid: {error:#}")))?;
                self.keep_on_disk(&name, &compiled);
                compiled
            }
        };
        components.keep(key, &compiled);
        Ok(compiled)
    }

    fn keep_on_disk(&self, name: &str, compiled: &Compiled) {
        let Some(Ok(cache)) = &self.shared.cache else {
            return;
        };
        let kept = compiled
            .serialize()
            .and_then(|code| Ok(cache.store_bounded(PREFIX, name, &code)?));
        if let Err(error) = kept {
            tracing::warn!("compiled code of a component is not kept: {error:#}");
        }
    }
}
