//! What the store of one instance holds.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::console::{Console, Stream};
use super::files::{FilesCtx, FilesView};
use super::link::Link;
use super::meter::Meter;
use crate::limits::Limits;
use crate::message::Server;

/// Open files, streams, pollables and errors at once. CPython needs a dozen;
/// each costs the host a few hundred bytes.
pub(super) const MAX_HANDLES: usize = 4096;

/// The state behind every host function of one instance.
pub(super) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    files: FilesCtx,
    pub(super) meter: Meter,
    pub(super) servers: Arc<[Server]>,
    /// The way to the coordinator while a program runs.
    pub(super) link: Link,
}

impl State {
    pub(super) fn new(
        limits: &Limits,
        console: &Console,
        files: FilesCtx,
        servers: Arc<[Server]>,
        arguments: &[String],
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let wasi = WasiCtx::builder()
            .args(arguments)
            .stdout(console.stream(Stream::Stdout))
            .stderr(console.stream(Stream::Stderr))
            .build();
        Self {
            wasi,
            table,
            files,
            meter: Meter::new(limits),
            servers,
            link: Link::closed(),
        }
    }

    pub(super) fn files(&mut self) -> FilesView<'_> {
        FilesView {
            ctx: &mut self.files,
            table: &mut self.table,
        }
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
