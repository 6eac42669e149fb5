//! When to try a socket again that had nothing, or no room.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A socket as the event loop in which it was made sees it, in one direction only:
/// tokio's own sockets are told of both, and woken for nothing whenever the other
/// side has read something.
#[derive(Debug)]
pub struct Readiness(AsyncFd<OwnedFd>);

impl Readiness {
    /// Tells when there is something to read.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors to give.
    pub fn to_read(socket: impl AsFd) -> io::Result<Self> {
        Self::new(socket, Interest::READABLE)
    }

    /// Tells when there is room to write.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors to give.
    pub fn to_write(socket: impl AsFd) -> io::Result<Self> {
        Self::new(socket, Interest::WRITABLE)
    }

    fn new(socket: impl AsFd, interest: Interest) -> io::Result<Self> {
        let own = socket.as_fd().try_clone_to_owned()?;
        // SAFETY: it is open and the same for as long as it is owned, which is until
        // it is no longer registered.
        let registered = unsafe { AsyncFd::register_with_interest(own, interest) };
        registered.map(Self).map_err(Into::into)
    }

    /// Receives into this room, if there may be something; else the context is woken
    /// when there is. Nothing is received when the other end is gone.
    pub fn poll_receive(
        &self,
        context: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(context))?;
            match receive(self.0.get_ref(), room) {
                Some(received) => return Poll::Ready(received),
                None => ready.clear_ready(),
            }
        }
    }

    /// Ready when there may be room to write; else the context is woken then.
    pub fn poll_write(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ready = self.0.poll_write_ready(context);
        ready.map_ok(|mut ready| ready.clear_ready())
    }
}

/// What is there already; `None` if nothing is.
pub(crate) fn receive(socket: impl AsFd, room: &mut [u8]) -> Option<io::Result<usize>> {
    match rustix::io::retry_on_intr(|| recv(&socket, &mut *room, RecvFlags::DONTWAIT)) {
        Err(Errno::AGAIN) => None,
        received => Some(received.map(|(length, _)| length).map_err(Into::into)),
    }
}
