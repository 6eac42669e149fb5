//! The engine: wasmtime configured once, the guests compiled once.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::bindings::GuestPre;
use super::cache::Cache;
use super::guest::Guest;
use super::linker::linker;
use super::state::State;
use super::ticker::Ticker;
use contract::error::Error;

/// The stack of a guest's functions, in bytes: address space, of which little
/// is touched. CPython counts only the stack in its own memory, 1 MiB, and some
/// of its recursion in C takes far more here for each level; with 32 MiB all of
/// it ends as `RecursionError`, where 8 MiB is a trap for nested JSON.
pub(super) const WASM_STACK: usize = 32 << 20;

/// What host functions may add on the same stack.
const HOST_STACK: usize = 1 << 20;

/// The largest image of a guest's memory that is mapped copy-on-write. The
/// engine copies a larger one, page by page, whenever a sandbox starts. The
/// Python guest has 38 MB; the engine's own default is 16 MiB.
const MAX_MAPPED_IMAGE: u64 = 128 << 20;

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
    cache: Option<Cache>,
    plain: OnceLock<EngineVariant>,
    /// Counting instructions changes the compiled code, so it is an engine of
    /// its own, made when first asked for.
    metered: OnceLock<EngineVariant>,
    /// Held while one of the above, or a guest in it, is made.
    making: Mutex<()>,
}

/// One configuration of wasmtime and the guests compiled for it.
pub(super) struct EngineVariant {
    pub(super) engine: wasmtime::Engine,
    pub(super) linker: Linker<State>,
    pub(super) ticker: Ticker,
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
        let cache = options.cache.as_ref().and_then(|folder| {
            Cache::open(folder)
                .inspect_err(|error| {
                    tracing::warn!(
                        "compiled code is not kept in `{}`: {error}",
                        folder.display()
                    )
                })
                .ok()
        });
        let shared = Shared {
            options,
            cache,
            plain: OnceLock::new(),
            metered: OnceLock::new(),
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
    pub fn warm(&self, guest: Guest, fuel: bool) -> Result<(), Error> {
        self.guest(guest, fuel).map(|_| ())
    }

    /// Whether a guest is in memory, so that using it takes no time.
    pub fn has(&self, guest: Guest, fuel: bool) -> bool {
        self.slot(fuel)
            .get()
            .is_some_and(|variant| variant.guests[guest as usize].get().is_some())
    }

    /// The guest, compiled and linked.
    pub(super) fn guest(&self, guest: Guest, fuel: bool) -> Result<&GuestPre<State>, Error> {
        let variant = self.variant(fuel)?;
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

    pub(super) fn variant(&self, fuel: bool) -> Result<&EngineVariant, Error> {
        let slot = self.slot(fuel);
        if let Some(variant) = slot.get() {
            return Ok(variant);
        }
        let variant = EngineVariant::new(fuel, self.shared.options.pool)
            .map_err(|error| Error::host("setting up WebAssembly", error))?;
        Ok(slot.get_or_init(|| variant))
    }

    fn slot(&self, fuel: bool) -> &OnceLock<EngineVariant> {
        if fuel {
            &self.shared.metered
        } else {
            &self.shared.plain
        }
    }

    fn prepare(&self, variant: &EngineVariant, guest: Guest) -> wasmtime::Result<GuestPre<State>> {
        let engine = &variant.engine;
        let name = format!("{}-{}", guest.name(), entry_name(engine, guest.digest()));
        let cached = self
            .shared
            .cache
            .as_ref()
            .and_then(|cache| cache.load(engine, &name));
        let component = match cached {
            Some(component) => component,
            None => self.compile(engine, guest, &name)?,
        };
        GuestPre::new(variant.linker.instantiate_pre(&component)?)
    }

    fn compile(
        &self,
        engine: &wasmtime::Engine,
        guest: Guest,
        name: &str,
    ) -> wasmtime::Result<Component> {
        let observe = |step| {
            if let Some(observer) = &self.shared.options.observer {
                observer(step);
            }
        };
        let bytes = guest.component()?;
        observe(Compilation::Started {
            guest,
            functions: functions(&bytes),
        });
        let compiled = Component::from_binary(engine, &bytes);
        observe(Compilation::Ended(guest));
        let component = compiled?;
        if let Some(cache) = &self.shared.cache
            && let Err(error) = cache.store(name, &component.serialize()?)
        {
            tracing::warn!("compiled code is not kept: {error}");
        }
        Ok(component)
    }
}

impl EngineVariant {
    fn new(fuel: bool, pool: Option<u32>) -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::new(&config(fuel, pool))?;
        Ok(Self {
            linker: linker(&engine)?,
            ticker: Ticker::new(&engine),
            engine,
            guests: Default::default(),
        })
    }
}

fn config(fuel: bool, pool: Option<u32>) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(fuel)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(WASM_STACK + HOST_STACK)
        .memory_guaranteed_dense_image_size(MAX_MAPPED_IMAGE)
        // Nothing reads these: traps are reported by kind, and a host frame
        // in a message would be one too many.
        .wasm_backtrace_max_frames(None)
        .native_unwind_info(false)
        .generate_address_map(false);
    if let Some(sandboxes) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling(sandboxes)));
    }
    config
}

/// A pool in which every sandbox has one memory of up to 4 GiB, reserved and
/// not used, and the guests' two tables.
fn pooling(sandboxes: u32) -> PoolingAllocationConfig {
    /// Pages of a used memory that are cleared instead of unmapped: what a
    /// small program touches.
    const KEEP_RESIDENT: usize = 64 << 20;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(sandboxes)
        .total_core_instances(sandboxes * 4)
        .total_memories(sandboxes)
        .total_tables(sandboxes * 2)
        .total_stacks(sandboxes)
        .max_tables_per_module(2)
        .max_memory_size(4 << 30)
        .table_elements(1 << 16)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        // Clears only what was written, where the kernel can tell.
        .pagemap_scan(Enabled::Auto)
        .table_keep_resident(1 << 20)
        .async_stack_keep_resident(64 << 10);
    pool
}

/// How many functions the core modules of a component define: the sum over
/// their code sections (section 10 of each module, which is section 1 of the
/// component; WebAssembly binary format).
fn functions(component: &[u8]) -> u64 {
    sections(component)
        .filter(|(id, _)| *id == 1)
        .flat_map(|(_, module)| sections(module))
        .filter(|(id, _)| *id == 10)
        .filter_map(|(_, code)| Some(number(code)?.0))
        .sum()
}

/// The sections of a module or component: their ids and contents.
fn sections(binary: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    /// The magic number and the version.
    const HEADER: usize = 8;
    let mut rest = binary.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (id, tail) = rest.split_first()?;
        let (size, tail) = number(tail)?;
        let (content, tail) = tail.split_at_checked(usize::try_from(size).ok()?)?;
        rest = tail;
        Some((*id, content))
    })
}

/// An unsigned LEB128 number of up to 32 bits, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[place + 1..]));
        }
    }
    None
}

/// Names compiled code by everything it depends on: the component, and the
/// version, settings and processor it was compiled for.
fn entry_name(engine: &wasmtime::Engine, digest: &str) -> String {
    use std::hash::Hash;
    let mut hasher = Digest(blake3::Hasher::new());
    digest.hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().to_hex()[..32].to_owned()
}

/// Hashes into a digest that is the same in every process, unlike the standard
/// library's hashers.
struct Digest(blake3::Hasher);

impl std::hash::Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let bytes = *self.0.finalize().as_bytes();
        u64::from_le_bytes(bytes[..8].try_into().expect("a digest has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_counted_over_all_modules() {
        let text = "(component (core module (func) (func)) (core module (func)))";
        assert_eq!(functions(&wat::parse_str(text).unwrap()), 3);
        assert_eq!(functions(b""), 0);
        assert_eq!(functions(b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\xff"), 0);
    }

    #[test]
    fn compiled_code_is_named_by_what_it_depends_on() {
        let plain = wasmtime::Engine::new(&config(false, None)).unwrap();
        let metered = wasmtime::Engine::new(&config(true, None)).unwrap();
        assert_eq!(entry_name(&plain, "a"), entry_name(&plain, "a"));
        assert_ne!(entry_name(&plain, "a"), entry_name(&plain, "b"));
        assert_ne!(entry_name(&plain, "a"), entry_name(&metered, "a"));
    }
}
