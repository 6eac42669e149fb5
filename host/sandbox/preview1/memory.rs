//! The memory of a module, and what a function reads and writes there. Every
//! address and length is a stranger's.

use super::Stop;
use super::abi::Errno;
use crate::ledger::MAX_TRANSFER;

/// The longest path, as on Linux; the reader of paths has the last word.
const MAX_PATH: u32 = 4096;

/// Pieces of one read or write, as `IOV_MAX` has it on Linux.
const MAX_PIECES: u32 = 1024;

/// The memory of a module.
pub(super) struct Memory<'a>(pub(super) &'a mut [u8]);

impl Memory<'_> {
    pub(super) fn bytes(&self, at: u32, length: u32) -> Result<&[u8], Stop> {
        let start = at as usize;
        let end = start + length as usize;
        Ok(self.0.get(start..end).ok_or(Errno::FAULT)?)
    }

    pub(super) fn bytes_mut(&mut self, at: u32, length: u32) -> Result<&mut [u8], Stop> {
        let start = at as usize;
        let end = start + length as usize;
        Ok(self.0.get_mut(start..end).ok_or(Errno::FAULT)?)
    }

    pub(super) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Stop> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::FAULT)?;
        self.bytes_mut(at, length)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn number(&self, at: u32) -> Result<u32, Stop> {
        let bytes = self.bytes(at, 4)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    pub(super) fn long(&self, at: u32) -> Result<u64, Stop> {
        let bytes = self.bytes(at, 8)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
    }

    pub(super) fn path(&self, at: u32, length: u32) -> Result<String, Stop> {
        if length > MAX_PATH {
            return Err(Errno::NAMETOOLONG.into());
        }
        let text = std::str::from_utf8(self.bytes(at, length)?).map_err(|_| Errno::ILSEQ)?;
        Ok(text.to_owned())
    }

    /// The pieces of one read or write: addresses and lengths, all of them in
    /// the memory, and no more than one call may carry.
    pub(super) fn pieces(&self, at: u32, count: u32) -> Result<Vec<(u32, u32)>, Stop> {
        if count > MAX_PIECES {
            return Err(Errno::INVAL.into());
        }
        let mut room = MAX_TRANSFER as u32;
        let mut pieces = Vec::new();
        for index in 0..count {
            let piece = at.checked_add(8 * index).ok_or(Errno::FAULT)?;
            let length = self.number(piece.checked_add(4).ok_or(Errno::FAULT)?)?;
            let start = self.number(piece)?;
            self.bytes(start, length)?;
            let length = length.min(room);
            room -= length;
            if length > 0 {
                pieces.push((start, length));
            }
        }
        Ok(pieces)
    }
}
