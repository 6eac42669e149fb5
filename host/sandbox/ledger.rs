//! What an instance has consumed, and what it may consume.
//!
//! Everything that a program can make its sandbox or the coordinator hold is charged
//! before it is there. The rules, each with its place:
//!
//! | what | bound | where |
//! |---|---|---|
//! | memories and tables | `Limits::memory` over their sum, so that a hundred memories have no more than one | [`Ledger`] |
//! | core instances: their globals, functions, imports | [`INSTANCES`] bytes, each counted as the largest | [`max_instances`], [`Ledger`] |
//! | calls of tools | `Limits::max_calls` | [`Ledger`] |
//! | open files, streams, waits, errors | [`MAX_HANDLES`] | the engine's table (`state.rs`), [`crate::descriptors`] |
//! | what one call to the host carries | [`MAX_TRANSFER`] | the engine (`instance.rs`) |
//! | arguments in flight | `MAX_ARGUMENTS_IN_FLIGHT` | [`crate::channel`], and again in the coordinator (`host/isolation/remote.rs`) |
//! | results that were not taken | as many as a run's share of `MAX_WAITING` | the coordinator (`host/tools/results.rs`) |
//! | output and content | `Limits::max_output`, `Limits::max_content` | [`crate::console`] |
//! | files | `Quota`: bytes, bytes of a file, files and folders; open ones | [`crate::files`] |
//! | all of it together | the memory that the process of a session may write | `host/isolation/launcher.rs`, and the kernel |

// CONTRIBUTING.md, "To add a limit".

use wasmtime::ResourceLimiter;

use contract::limits::{Limit, Limits};

/// The error that ends a run at a limit; found again by downcasting.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{0}")]
pub struct LimitReached(pub(crate) Limit);

/// Bytes that one host call may carry: the largest argument of a tool and as
/// much again.
pub(crate) const MAX_TRANSFER: usize = 16 << 20;

/// Open files, streams, pollables and errors at once. CPython needs a dozen;
/// each costs the host a few hundred bytes.
pub(crate) const MAX_HANDLES: usize = 4096;

/// Bytes that the core instances of a component may take beside their memories and
/// tables.
const INSTANCES: u64 = 64 << 20;

/// Core instances that any component may have, and that one with large modules may.
pub(crate) const MAX_INSTANCES: u32 = 10_000;
const FEW_INSTANCES: u32 = 16;

/// How many core instances of this size, in bytes, a component may have.
pub(crate) fn max_instances(size: u64) -> u32 {
    let fitting = u32::try_from(INSTANCES / size.max(1)).unwrap_or(u32::MAX);
    fitting.clamp(FEW_INSTANCES, MAX_INSTANCES)
}

/// The size of a table element in the engine, in bytes.
const TABLE_ELEMENT: u64 = 16;

/// Elements a single table may have. CPython's has about 10,000.
const MAX_TABLE_ELEMENTS: usize = 1 << 20;

/// The account of one instance.
#[derive(Debug)]
pub(crate) struct Ledger {
    memory_limit: u64,
    memory: u64,
    memory_peak: u64,
    memory_refused: bool,
    /// What was added last, until it is known whether the system gives it.
    last: u64,
    max_instances: u32,
    max_calls: u32,
    calls: u32,
}

impl Ledger {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.memory,
            memory: 0,
            memory_peak: 0,
            memory_refused: false,
            last: 0,
            max_instances: MAX_INSTANCES,
            max_calls: limits.max_calls,
            calls: 0,
        }
    }

    /// Bounds the core instances.
    pub(crate) fn bound_instances(&mut self, max: u32) {
        self.max_instances = max;
    }

    /// Begins the account of a new run in the same instance. Memory stays: the
    /// instance still has it.
    pub(crate) fn begin(&mut self, limits: &Limits) {
        self.memory_limit = limits.memory;
        self.memory_peak = self.memory;
        self.memory_refused = false;
        self.max_calls = limits.max_calls;
        self.calls = 0;
    }

    /// How many core instances there may be.
    pub(crate) fn max_instances(&self) -> u32 {
        self.max_instances
    }

    /// The most memory held at once in this run, in bytes.
    pub(crate) fn memory_peak(&self) -> u64 {
        self.memory_peak
    }

    /// Whether this run was refused memory.
    pub(crate) fn memory_refused(&self) -> bool {
        self.memory_refused
    }

    /// The limit that refused it.
    pub(crate) fn memory_limit(&self) -> Limit {
        Limit::Memory(self.memory_limit)
    }

    /// Counts one call before it is started.
    pub(crate) fn charge_call(&mut self) -> Result<(), LimitReached> {
        if self.calls >= self.max_calls {
            return Err(LimitReached(Limit::Calls(self.max_calls)));
        }
        self.calls += 1;
        Ok(())
    }

    fn grow(&mut self, additional: u64) -> bool {
        let allowed = self
            .memory
            .checked_add(additional)
            .is_some_and(|total| total <= self.memory_limit);
        if allowed {
            self.memory += additional;
            self.last = additional;
            self.memory_peak = self.memory_peak.max(self.memory);
        } else {
            self.memory_refused = true;
        }
        allowed
    }

    /// Takes back what was added last, if it was the system that did not give it. A
    /// growth beyond what the type of a memory allows is not asked about, and nothing
    /// was added then.
    fn not_grown(&mut self, error: &wasmtime::Error) {
        if error.is::<std::io::Error>() || error.is::<rustix::io::Errno>() {
            self.memory -= std::mem::take(&mut self.last);
            self.memory_refused = true;
        }
    }
}

impl ResourceLimiter for Ledger {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow((desired as u64).saturating_sub(current as u64)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE_ELEMENTS || maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow((desired as u64).saturating_sub(current as u64) * TABLE_ELEMENT))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.not_grown(&error);
        Ok(())
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.not_grown(&error);
        Ok(())
    }

    fn instances(&self) -> usize {
        self.max_instances as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(memory: u64) -> Ledger {
        Ledger::new(&Limits {
            memory,
            max_calls: 2,
            ..Limits::default()
        })
    }

    #[test]
    fn memories_are_limited_together() {
        let mut ledger = ledger(100);
        assert!(ledger.memory_growing(0, 60, None).unwrap());
        assert!(!ledger.memory_growing(0, 60, None).unwrap());
        assert!(ledger.memory_refused());
        assert!(ledger.memory_growing(60, 100, None).unwrap());
        assert_eq!(ledger.memory_peak(), 100);
    }

    #[test]
    fn what_the_system_does_not_give_is_given_back() {
        let mut ledger = ledger(100);
        assert!(ledger.memory_growing(0, 60, None).unwrap());
        assert!(ledger.memory_growing(60, 90, None).unwrap());
        let refused = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        ledger.memory_grow_failed(refused.into()).unwrap();
        assert_eq!((ledger.memory, ledger.memory_refused), (60, true));
        // A growth that no memory of this type can make was never added.
        let impossible = wasmtime::Error::msg("memory growth exceeds memory type's limits");
        ledger.memory_grow_failed(impossible).unwrap();
        assert!(!ledger.memory_growing(60, 200, Some(100)).unwrap());
        assert!(!ledger.table_growing(0, 2, Some(1)).unwrap());
        assert_eq!(ledger.memory, 60);
    }

    /// Whatever is grown, and whatever of it is refused.
    #[test]
    fn a_recount_finds_what_was_charged() {
        use wasmtime::{Instance, Module, Store};
        let engine = wasmtime::Engine::default();
        let text = "(module
            (memory (export \"memory\") 1 40) (table $t (export \"table\") 10 2000 funcref)
            (func (export \"grow memory\") (param i32) (result i32)
                (memory.grow (local.get 0)))
            (func (export \"grow table\") (param i32) (result i32)
                (table.grow $t (ref.null func) (local.get 0))))";
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut store = Store::new(&engine, ledger(5 << 20));
        store.limiter(|ledger| ledger);
        let instances: Vec<Instance> = (0..5)
            .map(|_| Instance::new(&mut store, &module, &[]).unwrap())
            .collect();
        let recount = |store: &mut Store<Ledger>| {
            let mut sum = 0;
            for instance in &instances {
                let memory = instance.get_memory(&mut *store, "memory").unwrap();
                let table = instance.get_table(&mut *store, "table").unwrap();
                sum += memory.data_size(&store) as u64 + table.size(&store) * TABLE_ELEMENT;
            }
            sum
        };
        assert_eq!(recount(&mut store), store.data().memory);
        let (mut random, mut outcomes) = (1_u32, [0, 0]);
        for _ in 0..2000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let what = ["grow memory", "grow table"][(random >> 30) as usize % 2];
            let instance = &instances[(random >> 24) as usize % 5];
            // Some of them are more than any memory can have.
            let by = if random & 0x70_0000 == 0 {
                random
            } else {
                (random >> 16) % 8
            };
            let grow = instance
                .get_typed_func::<u32, i32>(&mut store, what)
                .unwrap();
            let grown = grow.call(&mut store, by).unwrap();
            outcomes[usize::from(grown < 0)] += 1;
            assert_eq!(recount(&mut store), store.data().memory);
        }
        assert!(outcomes.iter().all(|count| *count > 50), "{outcomes:?}");
    }

    #[test]
    fn instances_share_a_bound_by_their_size() {
        assert_eq!(max_instances(0), 10_000);
        assert_eq!(max_instances(1 << 20), 64);
        assert_eq!(max_instances(u64::MAX), 16);
    }

    #[test]
    fn a_new_run_keeps_the_memory_and_forgets_the_calls() {
        let mut ledger = ledger(100);
        assert!(ledger.memory_growing(0, 60, None).unwrap());
        ledger.charge_call().unwrap();
        ledger.charge_call().unwrap();
        assert!(ledger.charge_call().is_err());
        ledger.begin(&Limits {
            memory: 100,
            max_calls: 1,
            ..Limits::default()
        });
        assert!(ledger.charge_call().is_ok());
        assert!(!ledger.memory_growing(60, 101, None).unwrap());
    }
}
