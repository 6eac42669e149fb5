//! Datagrams with descriptors, over a socket of `SOCK_SEQPACKET`.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Descriptors that come with one message.
const MAX_DESCRIPTORS: usize = 4;

/// Sends a message of at most `MAX_MESSAGE` bytes.
///
/// # Errors
///
/// When the other end is gone, or the message is too long.
pub fn send<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = postcard::to_extend(message, Vec::new()).map_err(io::Error::other)?;
    send_bytes(socket, &bytes, descriptors)
}

/// Sends bytes, and descriptors with the first of them. How many bytes were sent
/// is not said: those of a datagram all are.
///
/// # Errors
///
/// When the other end is gone.
pub fn send_bytes(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        let is_pushed = ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        debug_assert!(is_pushed, "there is room for {MAX_DESCRIPTORS}");
    }
    let bytes = [IoSlice::new(bytes)];
    rustix::io::retry_on_intr(|| sendmsg(&socket, &bytes, &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives a message; `None` when the other end is gone.
///
/// # Errors
///
/// When it is none, or nothing can be received.
pub fn receive<T: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let (length, descriptors) = receive_bytes(socket, buffer)?;
    if length == 0 {
        return Ok(None);
    }
    let message = postcard::from_bytes(&buffer[..length]).map_err(io::Error::other)?;
    Ok(Some((message, descriptors)))
}

/// Receives bytes and the descriptors with them.
///
/// # Errors
///
/// When nothing can be received.
pub fn receive_bytes(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(buffer)];
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(
            &socket,
            &mut slices,
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok((received.bytes, descriptors))
}
