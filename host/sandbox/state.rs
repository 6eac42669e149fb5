//! What the store of one instance holds.

use std::pin::Pin;
use std::time::Duration;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::console::{Console, Stream};
use super::files::{FilesCtx, FilesView};
use super::link::Link;
use super::meter::Meter;
use super::servers::ServerTree;
use contract::limits::Limits;
use contract::message::Completion;

/// Open files, streams, pollables and errors at once. CPython needs a dozen;
/// each costs the host a few hundred bytes.
pub(super) const MAX_HANDLES: usize = 4096;

/// What all instances of a session share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) console: Console,
    pub(super) files: FilesCtx,
    /// What is mounted at `/servers`.
    pub(super) tree: ServerTree,
}

/// The state behind every host function of one instance.
pub(super) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(super) shared: Shared,
    pub(super) meter: Meter,
    /// The way to the coordinator while a program runs.
    pub(super) link: Link,
}

impl State {
    pub(super) fn new(limits: &Limits, shared: &Shared, arguments: &[String]) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let wasi = WasiCtx::builder()
            .args(arguments)
            .stdout(shared.console.stream(Stream::Stdout))
            .stderr(shared.console.stream(Stream::Stderr))
            .build();
        Self {
            wasi,
            table,
            shared: shared.clone(),
            meter: Meter::new(limits),
            link: Link::closed(),
        }
    }

    pub(super) fn files(&mut self) -> FilesView<'_> {
        FilesView {
            ctx: &mut self.shared.files,
            table: &mut self.table,
        }
    }

    /// Brings the folder of a server up to date, if need be.
    pub(super) fn refresh(
        &mut self,
        server: String,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if let Some(known) = self.shared.tree.stale(&server) {
                let stubs = self.link.stubs(server.clone(), known).await;
                self.shared.tree.update(&server, stubs);
            }
        })
    }

    /// What completed, within a time.
    pub(super) async fn completions(&mut self, at_most: Option<Duration>) -> Vec<Completion> {
        let completions = self.link.completions(at_most).await;
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
