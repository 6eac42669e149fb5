//! What the store of one instance holds.

use std::pin::Pin;
use std::time::Duration;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::channel::Coordinator;
use crate::console::{Console, Stream};
use crate::files::{FilesCtx, FilesView};
use crate::ledger::{Ledger, MAX_HANDLES};
use crate::servers::ServerTree;
use contract::limits::Limits;
use contract::message::Completion;

/// What all instances of a session share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) console: Console,
    pub(crate) files: FilesCtx,
    /// What is mounted at `/servers`.
    pub(crate) tree: ServerTree,
    /// Programs read the standard input of this process; else theirs is empty.
    pub(crate) inherits_stdin: bool,
}

/// The state behind every host function of one instance.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) shared: Shared,
    pub(crate) ledger: Ledger,
    /// The way to the coordinator while a program runs.
    pub(crate) coordinator: Coordinator,
}

impl State {
    pub(crate) fn new(limits: &Limits, shared: &Shared, arguments: &[String]) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let mut wasi = WasiCtx::builder();
        wasi.args(arguments)
            .stdout(shared.console.stream(Stream::Stdout))
            .stderr(shared.console.stream(Stream::Stderr));
        if shared.inherits_stdin {
            // Reads nothing before it is asked to, and then no more than one
            // buffer of bounded size.
            wasi.inherit_stdin();
        }
        Self {
            wasi: wasi.build(),
            table,
            shared: shared.clone(),
            ledger: Ledger::new(limits),
            coordinator: Coordinator::unreachable(),
        }
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
