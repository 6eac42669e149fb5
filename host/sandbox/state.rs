//! What the store of one instance holds.

use std::pin::Pin;
use std::time::Duration;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::channel::Coordinator;
use crate::console::{Console, Stream};
use crate::descriptors::Descriptors;
use crate::files::{FilesCtx, FilesView, Preopens};
use crate::ledger::{Ledger, MAX_HANDLES};
use crate::servers::ServerTree;
use crate::stdin::Stdin;
use contract::limits::Limits;
use contract::message::Completion;

/// What all instances of a session share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) console: Console,
    pub(crate) files: FilesCtx,
    /// What is mounted at `/servers`.
    pub(crate) tree: ServerTree,
    /// What programs read as their standard input.
    pub(crate) stdin: Stdin,
}

/// What an instance is, and what it finds when it starts.
pub(crate) enum Start<'a> {
    /// A guest, or a component of its world: it is told what to run.
    Guest,
    /// A command or a module, with its arguments, the first of which is its name.
    Command(&'a [String]),
}

/// The state behind every host function of one instance.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) shared: Shared,
    pub(crate) ledger: Ledger,
    /// The way to the coordinator while a program runs.
    pub(crate) coordinator: Coordinator,
    /// What a module of preview 1 was started with, and what it opened.
    pub(crate) arguments: Vec<String>,
    pub(crate) descriptors: Descriptors,
}

impl State {
    pub(crate) fn new(limits: &Limits, shared: &Shared, start: Start<'_>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let mut wasi = wasi(shared);
        let mut shared = shared.clone();
        let mut own_arguments = Vec::new();
        if let Start::Command(arguments) = start {
            own_arguments = arguments.to_vec();
            wasi.args(arguments).initial_cwd("/workspace");
            shared.files = shared.files.with_preopens(Preopens::Directories);
        }
        Self {
            wasi: wasi.build(),
            table,
            shared,
            ledger: Ledger::new(limits),
            coordinator: Coordinator::unreachable(),
            arguments: own_arguments,
            descriptors: Descriptors::default(),
        }
    }

    /// Takes new random numbers. What was made before a process was forked would have
    /// the same in both.
    pub(crate) fn renew(&mut self) {
        self.wasi = wasi(&self.shared).build();
    }

    pub(crate) fn files(&mut self) -> FilesView<'_> {
        FilesView {
            ctx: &mut self.shared.files,
            table: &mut self.table,
        }
    }

    /// Brings the folder of a server up to date, if need be.
    pub(crate) fn refresh(
        &mut self,
        server: String,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if let Some(known) = self.shared.tree.stale(&server) {
                let stubs = self.coordinator.stubs(server.clone(), known).await;
                self.shared.tree.update(&server, stubs);
            }
        })
    }

    /// What completed, within a time.
    pub(crate) async fn completions(&mut self, at_most: Option<Duration>) -> Vec<Completion> {
        let completions = self.coordinator.completions(at_most).await;
        if !completions.is_empty() {
            self.shared.tree.expire();
        }
        completions
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// What wasmtime-wasi needs to know, with random numbers of its own.
fn wasi(shared: &Shared) -> WasiCtxBuilder {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(shared.console.stream(Stream::Stdout))
        .stderr(shared.console.stream(Stream::Stderr));
    match &shared.stdin {
        // Reads nothing before it is asked to, and then no more than one
        // buffer of bounded size.
        Stdin::OfProcess => {
            wasi.inherit_stdin();
        }
        Stdin::File(input) => {
            wasi.stdin(input.clone());
        }
    }
    wasi
}
