//! Files as WASI streams.
//!
//! Reading and writing happen at once, in the call itself: the bytes are in
//! memory, so nothing is ever pending and no stream has a buffer of its own.

use super::account::{Account, Permit, Use};
use super::descriptor::{Descriptor, Handle};
use super::error::Error;
use super::volume::Position;
use bytes::Bytes;
use std::sync::Arc;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// The most that one call reads or writes. Calls are cheap beside copying
/// this much, and the host never allocates more for one.
pub(super) const MAX_TRANSFER: usize = 1 << 20;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Reads a file from an offset on. The end is not final: bytes that are
/// appended later can be read later.
pub(super) struct FileInput {
    handle: Arc<Handle>,
    account: Arc<Account>,
    offset: u64,
    _permit: Permit,
}

impl FileInput {
    pub(super) fn new(descriptor: &Descriptor, offset: u64) -> Result<Self, Error> {
        let handle = descriptor.readable()?.clone();
        let account = descriptor.account().clone();
        let permit = account.admit(Use::Stream)?;
        Ok(Self {
            handle,
            account,
            offset,
            _permit: permit,
        })
    }

    fn size(&self) -> Result<u64, Error> {
        let status = self.handle.volume().status(self.handle.location().node)?;
        Ok(status.size)
    }
}

#[async_trait::async_trait]
impl InputStream for FileInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let node = self.handle.location().node;
        let length = size.min(MAX_TRANSFER);
        let read = self.handle.volume().read(node, self.offset, length);
        let bytes = read.map_err(|error| failed(&self.account, error))?;
        if bytes.is_empty() {
            return Err(StreamError::Closed);
        }
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.read(size)
    }

    fn skip(&mut self, length: usize) -> StreamResult<usize> {
        if length == 0 {
            return Ok(0);
        }
        let size = self.size().map_err(|error| failed(&self.account, error))?;
        let rest = size.saturating_sub(self.offset);
        if rest == 0 {
            return Err(StreamError::Closed);
        }
        let skipped = usize::try_from(rest).unwrap_or(usize::MAX).min(length);
        self.offset += skipped as u64;
        Ok(skipped)
    }

    async fn blocking_skip(&mut self, length: usize) -> StreamResult<usize> {
        self.skip(length)
    }
}

#[async_trait::async_trait]
impl Pollable for FileInput {
    async fn ready(&mut self) {}
}

/// Writes a file from an offset on, or always at its end.
///
/// A stream that met a limit can be used again: room may be made meanwhile,
/// and libc would report a stream that is closed for good as a broken pipe.
pub(super) struct FileOutput {
    handle: Arc<Handle>,
    account: Arc<Account>,
    position: Position,
    _permit: Permit,
}

impl FileOutput {
    /// Fails with the limit itself where there is no room from the start. That
    /// matters because libc makes of every later error of a stream `EIO`.
    pub(super) fn new(descriptor: &Descriptor, position: Position) -> Result<Self, Error> {
        let handle = descriptor.writable()?.clone();
        handle.volume().room(handle.location().node, position)?;
        let account = descriptor.account().clone();
        let permit = account.admit(Use::Stream)?;
        Ok(Self {
            handle,
            account,
            position,
            _permit: permit,
        })
    }

    /// Writes all, or up to the limit that ends it.
    fn write_all(&mut self, mut bytes: &[u8]) -> StreamResult<()> {
        while !bytes.is_empty() {
            let node = self.handle.location().node;
            let written = self.handle.volume().write(node, self.position, bytes);
            let written = written.map_err(|error| failed(&self.account, error))?;
            bytes = &bytes[written..];
            if let Position::At(offset) = &mut self.position {
                *offset += written as u64;
            }
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl OutputStream for FileOutput {
    /// No more than there is room for, so that a program knows to the byte
    /// what was written. Never zero: that would mean to wait.
    fn check_write(&mut self) -> StreamResult<usize> {
        let room = self
            .handle
            .volume()
            .room(self.handle.location().node, self.position);
        let room = room.map_err(|error| failed(&self.account, error))?;
        Ok(usize::try_from(room)
            .unwrap_or(usize::MAX)
            .min(MAX_TRANSFER))
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > MAX_TRANSFER {
            return Err(StreamError::trap(
                "write exceeds what `check-write` permitted",
            ));
        }
        self.write_all(&bytes)
    }

    fn write_zeroes(&mut self, length: usize) -> StreamResult<()> {
        if length > MAX_TRANSFER {
            return Err(StreamError::trap(
                "write exceeds what `check-write` permitted",
            ));
        }
        let mut rest = length;
        while rest > 0 {
            let part = rest.min(ZEROS.len());
            self.write_all(&ZEROS[..part])?;
            rest -= part;
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    /// The default asks `check_write` once more, which says that a file is
    /// full also when nothing more is to be written.
    async fn write_ready(&mut self) -> StreamResult<usize> {
        Ok(MAX_TRANSFER)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write_all(&bytes)
    }
}

#[async_trait::async_trait]
impl Pollable for FileOutput {
    async fn ready(&mut self) {}
}

/// The error stays inside the stream's error, where `filesystem-error-code`
/// finds it.
fn failed(account: &Account, error: Error) -> StreamError {
    account.note(error);
    StreamError::LastOperationFailed(error.into())
}
