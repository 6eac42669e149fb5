//! The standard input of programs.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, Empty, Interest, empty};
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

/// What programs read as their standard input.
#[derive(Clone)]
pub(crate) enum Stdin {
    /// That of this process.
    OfProcess,
    /// A file, pipe or terminal that was handed over, or nothing.
    File(Input),
}

impl Default for Stdin {
    fn default() -> Self {
        Self::File(Input::default())
    }
}

/// Bytes that one read asks for.
const READ: usize = 64 << 10;

/// A descriptor that programs read, without a thread; empty until there is one.
/// What is read is what they asked for: the rest is still there for whoever reads
/// next.
#[derive(Clone, Default)]
pub(crate) struct Input(Arc<OnceLock<OwnedFd>>);

impl Input {
    /// Is this from now on, unless it is something already.
    pub(crate) fn set(&self, descriptor: OwnedFd) {
        let _ = self.0.set(descriptor);
    }

    /// Whether a read would not wait. The mode of a descriptor is everybody's who
    /// has it, so that it is asked and not changed.
    fn is_ready(&self) -> bool {
        let Some(descriptor) = self.0.get() else {
            return true;
        };
        let mut wanted = [PollFd::new(descriptor, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // What cannot be asked is read, which says why.
        !matches!(poll(&mut wanted, Some(&at_once)), Ok(0))
    }
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Input {
    // Only WASI 0.3 asks for this form, and that is not linked.
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        let nothing: Empty = empty();
        Box::new(nothing)
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        if self.is_ready() {
            return;
        }
        let Some(descriptor) = self.0.get() else {
            return;
        };
        // Plain files cannot be waited for, and are always ready.
        // SAFETY: the descriptor is open, and the same, while `self` is borrowed.
        let waiting =
            unsafe { AsyncFd::register_with_interest(descriptor.as_fd(), Interest::READABLE) };
        let Ok(waiting) = waiting else { return };
        let _ = waiting.readable().await;
    }
}

impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 || !self.is_ready() {
            return Ok(Bytes::new());
        }
        let Some(descriptor) = self.0.get() else {
            return Err(StreamError::Closed);
        };
        let mut buffer = vec![0; size.min(READ)];
        match rustix::io::read(descriptor, &mut buffer) {
            Ok(0) => Err(StreamError::Closed),
            Ok(read) => {
                buffer.truncate(read);
                Ok(buffer.into())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(Bytes::new()),
            Err(error) => Err(StreamError::LastOperationFailed(wasmtime::Error::new(
                error,
            ))),
        }
    }
}
