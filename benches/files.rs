//! Files: large ones written and read in sequence, and small ones, by the same
//! component in three places: our files in memory, ours in a directory, and a
//! directory of the host that wasmtime-wasi preopens, to compare with.
//!
//! `cargo bench --bench files`. The component measures itself, so neither its
//! compilation nor its start is counted.

use std::fs;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};
use wasm_coordinator::files::{Quota, Workspace};
use wasm_coordinator::{
    EngineOptions, Files, Limits, Program, Session, SessionOptions, Status, Toolbox,
};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::p2::bindings::{Command, CommandPre};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

const SIZE: u64 = 64 << 20;

const QUOTA: Quota = Quota {
    bytes: 2 * SIZE,
    file_bytes: SIZE,
    inodes: 10_000,
};

fn component() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/components/files/files.wasm");
    fs::read(path).expect("the component is in the repository")
}

/// A place where the component runs.
trait Place {
    fn run(&mut self, scenario: &str) -> Duration;
}

/// What the component printed first.
fn taken(printed: &str) -> Duration {
    let first = printed.lines().next().unwrap_or_default();
    Duration::from_nanos(first.parse().expect("nanoseconds"))
}

struct Ours {
    session: Session,
    /// Goes after the session that uses it.
    _folder: Option<tempfile::TempDir>,
    component: Vec<u8>,
    runtime: Runtime,
}

impl Ours {
    fn new(
        engine: &wasm_coordinator::Engine,
        files: Files,
        folder: Option<tempfile::TempDir>,
    ) -> Self {
        let limits = Limits {
            timeout: Duration::from_secs(60),
            ..Limits::default()
        };
        let options = SessionOptions {
            files,
            limits,
            ..Default::default()
        };
        Self {
            session: Session::new(engine, Toolbox::default(), options),
            _folder: folder,
            component: component(),
            runtime: runtime(),
        }
    }
}

impl Place for Ours {
    fn run(&mut self, scenario: &str) -> Duration {
        let program = Program::component(self.component.clone())
            .arguments(vec![scenario.to_owned(), "/workspace".to_owned()]);
        let report = self.runtime.block_on(self.session.run(program));
        assert_eq!(report.status, Status::Ok, "{report:?}");
        taken(&report.stdout)
    }
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

struct Preopened {
    folder: tempfile::TempDir,
    command: CommandPre<State>,
    runtime: Runtime,
}

impl Preopened {
    fn new() -> Self {
        let engine = Engine::new(&Config::new()).expect("this machine runs WebAssembly");
        let component = Component::from_binary(&engine, &component()).expect("it is valid");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("nothing is linked twice");
        let command = linker.instantiate_pre(&component).and_then(CommandPre::new);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("workspace")).expect("it is empty");
        Self {
            folder,
            command: command.expect("it is a command"),
            runtime: runtime(),
        }
    }
}

impl Place for Preopened {
    fn run(&mut self, scenario: &str) -> Duration {
        let mut builder = WasiCtx::builder();
        let stdout = MemoryOutputPipe::new(1000);
        builder.args(&["files", scenario, "/workspace"]);
        builder.stdout(stdout.clone());
        builder
            .preopened_dir(self.folder.path(), "/", FsPerms::ReadWrite)
            .expect("the folder is there");
        let state = State {
            wasi: builder.build(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(self.command.engine(), state);
        let ran = self.runtime.block_on(async {
            let command: Command = self.command.instantiate_async(&mut store).await?;
            command.wasi_cli_run().call_run(&mut store).await
        });
        ran.expect("no trap").expect("nothing failed");
        taken(&String::from_utf8_lossy(&stdout.contents()))
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("threads can be started")
}

fn places() -> Vec<(&'static str, Box<dyn Place>)> {
    let engine = wasm_coordinator::Engine::new(EngineOptions::default());
    let engine = engine.expect("this machine runs WebAssembly");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let disk = Workspace::open(folder.path(), QUOTA).expect("a new folder is clean");
    vec![
        (
            "memory",
            Box::new(Ours::new(&engine, Files::Fresh(QUOTA), None)),
        ),
        (
            "directory",
            Box::new(Ours::new(&engine, Files::Workspace(disk), Some(folder))),
        ),
        ("preopened", Box::new(Preopened::new())),
    ]
}

fn files(criterion: &mut Criterion) {
    let mut places = places();
    for (scenario, bytes) in [("write", Some(SIZE)), ("read", Some(SIZE)), ("small", None)] {
        let mut group = criterion.benchmark_group(scenario);
        group.sample_size(10);
        if let Some(bytes) = bytes {
            group.throughput(Throughput::Bytes(bytes));
        }
        for (name, place) in &mut places {
            group.bench_function(*name, |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| place.run(scenario)).sum());
            });
        }
    }
}

criterion_group!(benches, files);
criterion_main!(benches);
