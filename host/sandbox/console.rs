//! What programs print: the two streams, in order, under the output limit.
//!
//! The console outlives the guest, so that what was printed before a limit is
//! kept however the run ends.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncWrite, Empty, empty};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::meter::LimitReached;
use crate::limits::Limit;

/// Bytes that one write of a stream may carry. Large prints need few calls;
/// nothing is allocated for it ahead.
const WRITE_PERMIT: usize = 1 << 20;

/// One of the two streams of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// What the program prints.
    Stdout,
    /// What it prints to `stderr`.
    Stderr,
}

/// Sees output as it is printed, in order, each piece once.
pub type Watcher = Box<dyn FnMut(Stream, &[u8]) + Send>;

/// A handle on the output of a run.
#[derive(Clone)]
pub(crate) struct Console(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    limit: u64,
    watcher: Option<Watcher>,
}

/// The output of one run.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner::default())))
    }

    /// Begins a run with this many bytes of output.
    pub(crate) fn begin(&self, limit: u64) {
        let mut inner = self.lock();
        inner.limit = limit;
        inner.stdout.clear();
        inner.stderr.clear();
    }

    /// Shows all further output to `watcher` as it comes.
    pub(crate) fn watch(&self, watcher: Option<Watcher>) {
        self.lock().watcher = watcher;
    }

    /// Takes what was printed since the last call.
    pub(crate) fn take(&self) -> Output {
        let mut inner = self.lock();
        Output {
            stdout: std::mem::take(&mut inner.stdout),
            stderr: std::mem::take(&mut inner.stderr),
        }
    }

    /// Writes what still fits, and fails if that was not all.
    fn write(&self, stream: Stream, bytes: &[u8]) -> Result<(), LimitReached> {
        let mut inner = self.lock();
        let used = (inner.stdout.len() + inner.stderr.len()) as u64;
        let room = inner.limit.saturating_sub(used);
        let fits = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let kept = &bytes[..fits];
        if let Some(watcher) = &mut inner.watcher {
            watcher(stream, kept);
        }
        match stream {
            Stream::Stdout => inner.stdout.extend_from_slice(kept),
            Stream::Stderr => inner.stderr.extend_from_slice(kept),
        }
        if fits < bytes.len() {
            Err(LimitReached(Limit::Output(inner.limit)))
        } else {
            Ok(())
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // The data stays valid at every step, so a panic elsewhere is no
        // reason to lose it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stream(&self, stream: Stream) -> ConsoleStream {
        ConsoleStream {
            console: self.clone(),
            stream,
        }
    }
}

/// One stream of a console, as WASI sees it.
pub(super) struct ConsoleStream {
    console: Console,
    stream: Stream,
}

impl IsTerminal for ConsoleStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for ConsoleStream {
    // Only WASI 0.3 asks for this form, and that is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        let nowhere: Empty = empty();
        Box::new(nowhere)
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.console.stream(self.stream))
    }
}

#[async_trait::async_trait]
impl Pollable for ConsoleStream {
    async fn ready(&mut self) {}
}

impl OutputStream for ConsoleStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.console
            .write(self.stream, &bytes)
            .map_err(|limit| StreamError::Trap(wasmtime::Error::new(limit)))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT)
    }
}
