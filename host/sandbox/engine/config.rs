//! How wasmtime is configured.

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmFeatures,
};

use contract::limits::Limits;
use serde::{Deserialize, Serialize};

/// The stack of a guest's functions, in bytes: address space, of which little
/// is touched. CPython counts only the stack in its own memory, 1 MiB, and some
/// of its recursion in C takes far more here for each level; with 32 MiB all of
/// it ends as `RecursionError`, where 8 MiB is a trap for nested JSON.
pub(crate) const WASM_STACK: usize = 32 << 20;

/// What host functions may add on the same stack.
const HOST_STACK: usize = 1 << 20;

/// The largest image of a guest's memory that is mapped copy-on-write. The
/// engine copies a larger one, page by page, whenever a sandbox starts. The
/// Python guest has 38 MB; the engine's own default is 16 MiB.
const MAX_MAPPED_IMAGE: u64 = 128 << 20;

/// The proposals that are on: those that our guests and ordinary toolchains use
/// without being asked (Rust, WASI SDK, TinyGo, Go, componentize-py). All others
/// are off, also those that a later version of the engine knows and turns on by
/// itself; code that nobody reaches has no faults that matter. A test
/// (`tests/all/proposals.rs`) has a module for each that is off.
const PROPOSALS: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    // Several tables, and numbers of tables in full. The references to objects
    // of the host that belong to it need a collector, which is not built in.
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    // Of LLVM's target `lime1`; position-independent code has it.
    .union(WasmFeatures::EXTENDED_CONST)
    // The engine itself writes modules with two memories, to copy between the
    // components in a component, and panics where it may not.
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::COMPONENT_MODEL);

/// What is counted while a guest runs. It changes the compiled code, so each
/// has an engine of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Metering {
    /// Nothing: guests run at full speed.
    #[default]
    Off,
    /// Instructions, for a limit on them ([`Limits::fuel`]).
    Fuel,
}

impl Metering {
    /// Each of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 2] = [Self::Off, Self::Fuel];

    /// What these limits need.
    pub fn of(limits: &Limits) -> Self {
        if limits.fuel.is_some() {
            Self::Fuel
        } else {
            Self::Off
        }
    }
}

pub(super) fn config(metering: Metering, pool: Option<u32>) -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(PROPOSALS, true)
        .epoch_interruption(true)
        .consume_fuel(metering == Metering::Fuel)
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
