//! The messages with one worker. Dropping it ends the worker.

use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll};

use contract::frame::{Decoder, MAX_FROM_WORKER, MAX_TO_WORKER, Malformed, encode};
use contract::quota::Quota;
use contract::worker::{FromWorker, ToWorker};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use sandbox::files::Replica;
use tokio::runtime::{Handle, Id};
use worker::control::End;
use worker::datagram::send_bytes;
use worker::readiness::Readiness;
use worker::spin::Spin;

use super::launcher::memory;
use super::workers::Workers;

/// A worker, from here.
pub(crate) struct Connection {
    socket: UnixStream,
    /// The socket as an event loop sees it, and which one.
    readable: Option<(Id, Readiness)>,
    /// The same, while it has no room.
    writable: Option<Readiness>,
    /// The end of a pipe that tells the worker that it is wanted.
    _alive: PipeWriter,
    workers: Arc<Workers>,
    id: u64,
    decoder: Decoder,
    /// What is to be sent, from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
    /// What was sent before these, in bytes.
    sent_before: u64,
    spin: Spin,
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
            readable: None,
            writable: None,
            _alive: alive,
            workers,
            id,
            decoder: Decoder::new(MAX_FROM_WORKER),
            outgoing: Vec::new(),
            sent: 0,
            sent_before: 0,
            spin: Spin::default(),
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

    /// How many bytes were sent so far, and how many there will be when all that was
    /// added is sent.
    pub(super) fn sent_and_added(&self) -> (u64, u64) {
        let added = self.sent_before + self.outgoing.len() as u64;
        (self.sent_before + self.sent as u64, added)
    }

    /// Makes the event loop of this run tell when the socket has something.
    pub(super) fn attach(&mut self) -> io::Result<()> {
        let event_loop = Handle::current().id();
        if self
            .readable
            .as_ref()
            .is_none_or(|(id, _)| *id != event_loop)
        {
            self.readable = Some((event_loop, Readiness::to_read(&self.socket)?));
            self.writable = None;
        }
        Ok(())
    }

    /// Sends as much as there is room for. Wakes the context when there is more.
    pub(super) fn poll_send(&mut self, context: &mut Context<'_>) -> Result<(), Lost> {
        while self.sent < self.outgoing.len() {
            let rest = &self.outgoing[self.sent..];
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match send(&self.socket, rest, flags) {
                Ok(sent) => self.sent += sent,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    // Seldom: the socket takes most messages at once. Whoever is told
                    // all the time that there is room is woken for nothing.
                    let writable = match &self.writable {
                        Some(writable) => writable,
                        None => self.writable.insert(Readiness::to_write(&self.socket)?),
                    };
                    match writable.poll_write(context) {
                        Poll::Ready(again) => again?,
                        Poll::Pending => return Ok(()),
                    }
                }
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        self.sent_before += self.sent as u64;
        self.outgoing.clear();
        self.outgoing.shrink_to(64 << 10);
        self.sent = 0;
        self.writable = None;
        Ok(())
    }

    /// The next message, if there is one. Wakes the context when there is.
    pub(super) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<FromWorker, Lost>> {
        loop {
            match self.decoder.message() {
                Ok(Some(message)) => return Poll::Ready(Ok(message)),
                Ok(None) => {}
                Err(malformed) => return Poll::Ready(Err(Lost::Malformed(malformed))),
            }
            let Some((_, readable)) = &self.readable else {
                return Poll::Pending;
            };
            match readable.poll_receive(context, self.decoder.room()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Lost::Gone)),
                Poll::Ready(Ok(length)) => self.decoder.filled(length),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Waits awake for a moment for what the worker is about to say. False if it
    /// says nothing.
    pub(super) fn look(&mut self) -> Result<bool, Lost> {
        match self.spin.receive(&self.socket, self.decoder.room()) {
            None => Ok(false),
            Some(Ok(0)) => Err(Lost::Gone),
            Some(Ok(length)) => {
                self.decoder.filled(length);
                Ok(true)
            }
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// Bounds the memory that it may write: for a guest with this limit, and files
    /// with this quota.
    pub(super) fn bound_memory(&self, limit: u64, quota: Quota) {
        self.workers.grant(self.id, memory(limit, quota));
    }

    /// Whether the worker is still there. It says nothing while nobody asks.
    pub(crate) fn is_alive(&self) -> bool {
        let mut byte = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        // What came behind the end of a run would be heard in the next one.
        self.decoder.is_empty() && matches!(recv(&self.socket, &mut byte, flags), Err(Errno::AGAIN))
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
