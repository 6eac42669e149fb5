//! The messages with one worker. Dropping it ends the worker.

use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll};

use contract::frame::{Decoder, MAX_FROM_WORKER, MAX_TO_WORKER, Malformed, encode};
use contract::worker::{FromWorker, ToWorker};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use sandbox::files::Replica;
use tokio::io::Interest;
use worker::control::End;
use worker::datagram::send_bytes;

use super::workers::Workers;

/// A worker, from here.
pub(crate) struct Connection {
    socket: UnixStream,
    /// The end of a pipe that tells the worker that it is wanted.
    _alive: PipeWriter,
    workers: Arc<Workers>,
    id: u64,
    decoder: Decoder,
    /// What is to be sent, from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
    /// Sessions that it served.
    sessions: u32,
    /// What it has of the files; `None` before it was opened.
    pub(super) replica: Option<Replica>,
}

/// Sessions of one caller that one worker serves, one after the other.
const MAX_SESSIONS: u32 = 100;

/// Why there is no message.
#[derive(Debug)]
pub(super) enum Lost {
    /// The worker is gone.
    Gone,
    /// It says what cannot be.
    Malformed(Malformed),
}

impl From<io::Error> for Lost {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Connection {
    pub(super) fn new(
        socket: UnixStream,
        alive: PipeWriter,
        workers: Arc<Workers>,
        id: u64,
    ) -> Self {
        Self {
            socket,
            _alive: alive,
            workers,
            id,
            decoder: Decoder::new(MAX_FROM_WORKER),
            outgoing: Vec::new(),
            sent: 0,
            sessions: 0,
            replica: None,
        }
    }

    /// Sends the first message, with the descriptors that belong to it.
    pub(super) fn open(
        &mut self,
        message: &ToWorker,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Lost> {
        let mut bytes = Vec::new();
        encode(message, MAX_TO_WORKER, &mut bytes).map_err(Lost::Malformed)?;
        // They come with the first byte; the rest is sent as room is.
        let first = usize::from(!descriptors.is_empty());
        if first > 0 {
            send_bytes(&self.socket, &bytes[..first], descriptors)?;
        }
        self.outgoing.extend_from_slice(&bytes[first..]);
        Ok(())
    }

    /// Makes it forget its session, so that it can serve another one of the same
    /// caller. False if it should rather end.
    pub(super) fn reset(&mut self) -> bool {
        self.sessions += 1;
        self.replica = None;
        let mut bytes = Vec::new();
        // Nothing is under way, so that there is room for a few bytes.
        self.sessions < MAX_SESSIONS
            && self.outgoing.is_empty()
            && encode(&ToWorker::Reset, MAX_TO_WORKER, &mut bytes).is_ok()
            && send_bytes(&self.socket, &bytes, &[]).is_ok()
    }

    /// Adds a message to those that are to be sent.
    pub(super) fn add(&mut self, message: &ToWorker) -> Result<(), Malformed> {
        encode(message, MAX_TO_WORKER, &mut self.outgoing)
    }

    /// The socket as the event loop of this run sees it.
    pub(super) fn ready(&self) -> io::Result<tokio::net::UnixStream> {
        tokio::net::UnixStream::from_std(self.socket.try_clone()?)
    }

    /// Sends as much as there is room for. Wakes the context when there is more.
    pub(super) fn poll_send(
        &mut self,
        ready: &tokio::net::UnixStream,
        context: &mut Context<'_>,
    ) -> Result<(), Lost> {
        while self.sent < self.outgoing.len() {
            let Poll::Ready(writable) = ready.poll_write_ready(context) else {
                return Ok(());
            };
            writable?;
            let rest = &self.outgoing[self.sent..];
            let sent = ready.try_io(Interest::WRITABLE, || {
                let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                send(&self.socket, rest, flags).map_err(Into::into)
            });
            match sent {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if Errno::from_io_error(&error) == Some(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.outgoing.clear();
        self.outgoing.shrink_to(64 << 10);
        self.sent = 0;
        Ok(())
    }

    /// The next message, if there is one. Wakes the context when there is.
    pub(super) fn poll_receive(
        &mut self,
        ready: &tokio::net::UnixStream,
        context: &mut Context<'_>,
    ) -> Poll<Result<FromWorker, Lost>> {
        loop {
            match self.decoder.message() {
                Ok(Some(message)) => return Poll::Ready(Ok(message)),
                Ok(None) => {}
                Err(malformed) => return Poll::Ready(Err(Lost::Malformed(malformed))),
            }
            let Poll::Ready(readable) = ready.poll_read_ready(context) else {
                return Poll::Pending;
            };
            if let Err(error) = readable {
                return Poll::Ready(Err(error.into()));
            }
            let room = self.decoder.room();
            let received = ready.try_io(Interest::READABLE, || {
                let received = recv(&self.socket, &mut *room, RecvFlags::DONTWAIT);
                received.map(|(length, _)| length).map_err(Into::into)
            });
            match received {
                Ok(0) => return Poll::Ready(Err(Lost::Gone)),
                Ok(length) => self.decoder.filled(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if Errno::from_io_error(&error) == Some(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Whether the worker is still there. It says nothing while nobody asks.
    pub(crate) fn is_alive(&self) -> bool {
        let mut byte = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(recv(&self.socket, &mut byte, flags), Err(Errno::AGAIN))
    }

    /// How the worker ended, if that is known already.
    pub(super) fn end(&self) -> Option<End> {
        self.workers.end(self.id)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.workers.kill(self.id);
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
