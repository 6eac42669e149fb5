//! What programs print and emit: the two streams under the output limit, and
//! the content blocks under theirs.
//!
//! The console outlives the guest, so that what came before a limit is kept
//! however the run ends.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncWrite, Empty, empty};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::ledger::LimitReached;
use contract::content::ContentBlock;
use contract::limits::{Limit, Limits, MAX_BLOCKS};

/// Bytes that one write of a stream may carry. Large prints need few calls;
/// nothing is allocated for it ahead.
const WRITE_PERMIT: usize = 1 << 20;

pub use contract::worker::Stream;

/// Sees output as it is printed, in order, each piece once.
pub type Watcher = Box<dyn FnMut(Stream, &[u8]) + Send>;

/// Sees content blocks as they are emitted, between what is printed before
/// and after them.
pub type ContentWatcher = Box<dyn FnMut(&ContentBlock) + Send>;

/// A handle on the output of a run.
#[derive(Clone)]
pub struct Console(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    content: Vec<ContentBlock>,
    /// Bytes of the blocks so far.
    emitted: u64,
    max_output: u64,
    max_content: u64,
    watcher: Option<Watcher>,
    content_watcher: Option<ContentWatcher>,
}

/// The output of one run.
#[derive(Debug, Default)]
pub struct Output {
    /// What was printed.
    pub stdout: Vec<u8>,
    /// What was printed to `stderr`.
    pub stderr: Vec<u8>,
    /// What was emitted.
    pub content: Vec<ContentBlock>,
}

impl Console {
    /// Nothing printed, and no room for anything.
    #[expect(clippy::new_without_default, reason = "it begins with a run")]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner::default())))
    }

    /// Begins a run with nothing printed.
    pub fn begin(&self, limits: &Limits) {
        let mut inner = self.lock();
        inner.max_output = limits.max_output;
        inner.max_content = limits.max_content;
        inner.stdout.clear();
        inner.stderr.clear();
        inner.content.clear();
        inner.emitted = 0;
    }

    /// Shows all further output to `watcher` as it comes.
    pub fn watch(&self, watcher: Option<Watcher>) {
        self.lock().watcher = watcher;
    }

    /// Shows all further content blocks to `watcher` as they come.
    pub fn watch_content(&self, watcher: Option<ContentWatcher>) {
        self.lock().content_watcher = watcher;
    }

    /// Takes what was printed and emitted since the last call.
    pub fn take(&self) -> Output {
        let mut inner = self.lock();
        Output {
            stdout: std::mem::take(&mut inner.stdout),
            stderr: std::mem::take(&mut inner.stderr),
            content: std::mem::take(&mut inner.content),
        }
    }

    /// How many blocks there are.
    pub(crate) fn emitted(&self) -> usize {
        self.lock().content.len()
    }

    /// Charges a block, then keeps it. One that does not fit is not cut: half
    /// of an image is none.
    ///
    /// # Errors
    ///
    /// When a limit is reached.
    pub fn emit(&self, block: ContentBlock) -> Result<(), LimitReached> {
        let mut inner = self.lock();
        if inner.content.len() >= MAX_BLOCKS as usize {
            return Err(LimitReached(Limit::Blocks(MAX_BLOCKS)));
        }
        let emitted = inner.emitted.saturating_add(cost(&block));
        if emitted > inner.max_content {
            return Err(LimitReached(Limit::Content(inner.max_content)));
        }
        inner.emitted = emitted;
        if let Some(watcher) = &mut inner.content_watcher {
            watcher(&block);
        }
        inner.content.push(block);
        Ok(())
    }

    /// Writes what still fits.
    ///
    /// # Errors
    ///
    /// When that was not all.
    pub fn print(&self, stream: Stream, bytes: &[u8]) -> Result<(), LimitReached> {
        let mut inner = self.lock();
        let used = (inner.stdout.len() + inner.stderr.len()) as u64;
        let room = inner.max_output.saturating_sub(used);
        let fits = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let is_cut = fits < bytes.len();
        let kept = &bytes[..if is_cut { boundary(bytes, fits) } else { fits }];
        if let Some(watcher) = &mut inner.watcher {
            watcher(stream, kept);
        }
        let printed = match stream {
            Stream::Stdout => &mut inner.stdout,
            Stream::Stderr => &mut inner.stderr,
        };
        printed.extend_from_slice(kept);
        if is_cut {
            // Also when the character began in an earlier write.
            let whole = boundary(printed, printed.len());
            printed.truncate(whole);
            Err(LimitReached(Limit::Output(inner.max_output)))
        } else {
            Ok(())
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // The data stays valid at every step, so a panic elsewhere is no
        // reason to lose it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stream(&self, stream: Stream) -> ConsoleStream {
        ConsoleStream {
            console: self.clone(),
            stream,
        }
    }
}

/// The last place up to `at` that is not inside a character. Bytes that are no
/// UTF-8 have no characters, so any place is right for them.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let start = bytes[..at]
        .iter()
        .rev()
        .take(4)
        .position(|byte| byte & 0xc0 != 0x80);
    let Some(back) = start else { return at };
    let start = at - back - 1;
    match std::str::from_utf8(&bytes[start..at]) {
        Err(error) if error.error_len().is_none() => start,
        _ => at,
    }
}

/// The bytes of a block that a program chose.
fn cost(block: &ContentBlock) -> u64 {
    let names = match block {
        ContentBlock::Text { .. } => 0,
        ContentBlock::Resource { resource } => resource.uri.len() + resource.mime_type.len(),
        other => other.mime_type().len(),
    };
    (block.size() + names) as u64
}

/// One stream of a console, as WASI sees it.
pub(crate) struct ConsoleStream {
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
            .print(self.stream, &bytes)
            .map_err(|limit| StreamError::Trap(wasmtime::Error::new(limit)))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of these writes under a limit of four bytes.
    fn kept(writes: &[&[u8]]) -> Vec<u8> {
        let console = Console::new();
        console.begin(&Limits {
            max_output: 4,
            ..Limits::default()
        });
        let mut refused = false;
        for bytes in writes {
            refused = console.print(Stream::Stdout, bytes).is_err();
        }
        assert!(refused);
        console.take().stdout
    }

    #[test]
    fn the_output_limit_cuts_no_character_apart() {
        assert_eq!(kept(&["ab€d".as_bytes()]), b"ab");
        assert_eq!(kept(&["a€d".as_bytes()]), "a€".as_bytes());
        assert_eq!(kept(&["😀😀".as_bytes()]), "😀".as_bytes());
        let euro = "€".as_bytes();
        assert_eq!(kept(&[b"ab", &euro[..1], &euro[1..]]), b"ab");
        assert_eq!(kept(&[b"ab", &euro[..2], &euro[2..]]), b"ab");
        // Bytes are kept as they are.
        assert_eq!(kept(&[b"\xff\xff\xff\xff\xff"]), b"\xff\xff\xff\xff");
        assert_eq!(kept(&[b"\x80\x80\x80\x80\x80"]), b"\x80\x80\x80\x80");
    }
}
