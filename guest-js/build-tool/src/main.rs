//! Turns the linked guest into the component that is shipped.
//!
//! `build-tool IN OUT.wasm OUT.wasm.zst` runs the initialisation that the
//! module exports, writes the memory it leaves behind back into the module
//! (so that a new sandbox starts with a warm engine), makes the module a
//! component with the preview 1 adapter, and compresses it.
//!
//! The initialisation may ask for nothing: every import answers with zeros.
//! What must differ between sessions (random numbers, clocks) is therefore
//! read later, by the first program; and the same sources give the same bytes.

use std::pin::pin;
use std::task::{Poll, Waker};
use wasi_preview1_component_adapter_provider as adapter;
use wasmtime::error::Context as _;
use wasmtime::{
    Caller, Config, Engine, Extern, Instance, Linker, Module, Result, Store, Val, bail,
};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

/// The export that prepares the engine. It is gone from the component.
const INITIALISE: &str = "guest-initialise";

const WASI: &str = "wasi_snapshot_preview1";

/// The error number that ends the list of opened folders.
const NO_SUCH_FILE: i32 = 8;

/// Ends an initialisation that never would: a hundred times what it takes.
const FUEL: u64 = 5_000_000_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, component_path, archive_path] = arguments.as_slice() else {
        bail!("usage: build-tool IN.wasm OUT.wasm OUT.wasm.zst");
    };
    let linked = std::fs::read(input).with_context(|| format!("reading `{input}`"))?;
    let warm = initialise(&linked)?;
    let component = component(&warm)?;
    let archive = zstd::encode_all(component.as_slice(), 19)?;
    println!(
        "linked {} bytes, initialised {}, component {}, compressed {}",
        linked.len(),
        warm.len(),
        component.len(),
        archive.len()
    );
    std::fs::write(component_path, component)?;
    std::fs::write(archive_path, archive)?;
    Ok(())
}

/// Runs the initialisation and returns the module with the state it left.
fn initialise(linked: &[u8]) -> Result<Vec<u8>> {
    let mut wizer = Wizer::new();
    wizer.init_func(INITIALISE);
    let (module_context, instrumented) = wizer.instrument(linked)?;

    let mut config = Config::new();
    config.consume_fuel(true);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, &instrumented)?;
    let mut linker = Linker::<()>::new(&engine);
    let mut store = Store::new(&engine, ());
    store.set_fuel(FUEL)?;
    linker.func_wrap(WASI, "fd_write", report)?;
    linker.func_wrap(WASI, "fd_prestat_get", |_: i32, _: i32| NO_SUCH_FILE)?;
    linker.define_unknown_imports_as_default_values(&mut store, &module)?;
    let instance = linker.instantiate(&mut store, &module)?;
    instance
        .get_typed_func::<(), ()>(&mut store, INITIALISE)?
        .call(&mut store, ())
        .with_context(|| format!("running `{INITIALISE}`"))?;

    let mut state = State { store, instance };
    let snapshot = pin!(wizer.snapshot(&module_context, &mut state));
    match snapshot.poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(module) => module,
        Poll::Pending => bail!("reading the state of the guest had to wait"),
    }
}

/// `fd_write`, for the message of a guest that panics while it is initialised.
fn report(mut caller: Caller<'_, ()>, _: i32, vectors: i32, count: i32, written: i32) -> i32 {
    let Some(memory) = caller.get_export("memory").and_then(Extern::into_memory) else {
        return NO_SUCH_FILE;
    };
    let data = memory.data_mut(&mut caller);
    let word = |data: &[u8], at: usize| {
        data.get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_le_bytes) as usize
    };
    let mut total = 0;
    for index in 0..count.max(0) as usize {
        let (start, length) = (
            word(data, vectors as usize + 8 * index),
            word(data, vectors as usize + 8 * index + 4),
        );
        let text = data.get(start..start + length).unwrap_or_default();
        eprint!("{}", String::from_utf8_lossy(text));
        total += length as u32;
    }
    if let Some(place) = data.get_mut(written as usize..written as usize + 4) {
        place.copy_from_slice(&total.to_le_bytes());
    }
    0
}

/// Makes the module a component of the world that is embedded in it.
fn component(module: &[u8]) -> Result<Vec<u8>> {
    let encode = || {
        wit_component::ComponentEncoder::default()
            .module(module)?
            .adapter(
                adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )?
            .validate(true)
            .encode()
    };
    encode().map_err(|error| wasmtime::Error::msg(format!("making a component: {error:#}")))
}

/// The instance whose memory and globals are read for the snapshot.
struct State {
    store: Store<()>,
    instance: Instance,
}

impl InstanceState for State {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global = self
            .instance
            .get_global(&mut self.store, name)
            .expect("the instrumented module exports its globals");
        match global.get(&mut self.store) {
            Val::I32(value) => SnapshotVal::I32(value),
            Val::I64(value) => SnapshotVal::I64(value),
            Val::F32(bits) => SnapshotVal::F32(bits),
            Val::F64(bits) => SnapshotVal::F64(bits),
            Val::V128(value) => SnapshotVal::V128(value.as_u128()),
            _ => panic!("the guest has a mutable global that holds a reference"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self
            .instance
            .get_memory(&mut self.store, name)
            .expect("the instrumented module exports its memory");
        contents(memory.data(&self.store));
    }
}
