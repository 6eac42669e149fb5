//! What an instance has consumed, and what it may consume.
//!
//! Memory and calls are counted here, before they are granted; handles and the
//! size of a host call are bounded by the engine, with the numbers that stand
//! here. Output is counted in [`crate::console`] and open files in
//! [`crate::files`], because all instances of a session share those.
//!
//! Memory is limited over the sum of all memories and tables of an
//! instance, so that a component with a hundred memories has no more than one
//! with a single memory.

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
            max_calls: limits.max_calls,
            calls: 0,
        }
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
            self.memory_peak = self.memory_peak.max(self.memory);
        } else {
            self.memory_refused = true;
        }
        allowed
    }
}

impl ResourceLimiter for Ledger {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow((desired as u64).saturating_sub(current as u64)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE_ELEMENTS {
            return Ok(false);
        }
        Ok(self.grow((desired as u64).saturating_sub(current as u64) * TABLE_ELEMENT))
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
