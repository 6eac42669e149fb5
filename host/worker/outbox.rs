//! What a worker says, in batches.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::frame::{MAX_FROM_WORKER, Malformed, encode};
use contract::worker::{FromWorker, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

/// Bytes of messages that may wait for the next batch.
pub(crate) const MAX_WAITING: usize = 64 << 10;

/// What goes out with the next batch. Shared with the console, which writes
/// whenever a program prints.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<Waiting>>);

#[derive(Default)]
pub(crate) struct Waiting {
    frames: Vec<u8>,
    /// What was printed after them, in one piece: programs print in small ones.
    printed: Option<(Stream, Vec<u8>)>,
}

impl Waiting {
    pub(crate) fn add(&mut self, message: &FromWorker) -> Result<(), Malformed> {
        self.close()?;
        encode(message, MAX_FROM_WORKER, &mut self.frames)
    }

    pub(crate) fn print(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Malformed> {
        match &mut self.printed {
            Some((same, printed)) if *same == stream => printed.extend_from_slice(bytes),
            _ => {
                self.close()?;
                self.printed = Some((stream, bytes.to_vec()));
            }
        }
        Ok(())
    }

    /// Makes a message of what was printed.
    fn close(&mut self) -> Result<(), Malformed> {
        let Some((stream, bytes)) = self.printed.take() else {
            return Ok(());
        };
        let message = FromWorker::Printed(stream, bytes.into());
        encode(&message, MAX_FROM_WORKER, &mut self.frames)
    }

    pub(crate) fn len(&self) -> usize {
        let printed = self.printed.as_ref().map_or(0, |(_, bytes)| bytes.len());
        self.frames.len() + printed
    }
}

impl Outbox {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, message: &FromWorker) -> Result<(), Malformed> {
        self.lock().add(message)
    }
}

/// Sends all that waits. A coordinator that does not read makes its worker wait;
/// one that is gone is noticed by whoever reads next.
pub(crate) fn flush(socket: &OwnedFd, waiting: &mut Waiting) {
    // A message of this length can always be made.
    let _ = waiting.close();
    let mut rest = &waiting.frames[..];
    while !rest.is_empty() {
        match send(socket, rest, SendFlags::NOSIGNAL) {
            Ok(sent) => rest = &rest[sent..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                if wait(socket, PollFlags::OUT).is_err() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    waiting.frames.clear();
    // A large result does not keep its room for ever.
    waiting.frames.shrink_to(MAX_WAITING);
}

/// Waits until a socket is ready.
pub(crate) fn wait(socket: &OwnedFd, what: PollFlags) -> io::Result<()> {
    let mut watched = [PollFd::new(socket, what)];
    rustix::io::retry_on_intr(|| poll(&mut watched, None))?;
    Ok(())
}
