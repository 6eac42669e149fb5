//! Messages on a stream of bytes: each is its length, four bytes in little
//! endian, and so many bytes of [postcard](https://postcard.jamesmunns.com/wire-format).
//!
//! Whoever reads does not believe the length: it is checked before room is made,
//! and room is made as bytes come.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Changes with every message that is not as it was: a coordinator and a worker
/// of two versions have nothing to say to each other.
pub const VERSION: u32 = 1;

/// Bytes of a message of a worker. What a guest gives in one call is at most
/// 16 MiB (`sandbox::ledger`), and nothing else is larger.
pub const MAX_FROM_WORKER: usize = 20 << 20;

/// Bytes of a message to a worker: the largest result of a tool, with much room.
pub const MAX_TO_WORKER: usize = 1 << 30;

/// Bytes of the length.
const HEADER: usize = size_of::<u32>();

/// Bytes that one read asks for.
const READ: usize = 64 << 10;

/// What is read is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It says that it is longer than any.
    #[error("a message of {0} bytes; at most {1} are accepted")]
    TooLong(usize, usize),
    /// It cannot be read.
    #[error("a message that cannot be read: {0}")]
    Unreadable(String),
    /// There is more than the message.
    #[error("a message with {0} bytes too many")]
    Trailing(usize),
}

/// Appends a message.
///
/// # Errors
///
/// When it is longer than a length can say, or than `max`; nothing is appended
/// then.
pub fn encode<T: Serialize>(
    message: &T,
    max: usize,
    frames: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let start = frames.len();
    frames.extend_from_slice(&[0; HEADER]);
    if let Err(error) = postcard::serialize_with_flavor(message, Appending(frames)) {
        frames.truncate(start);
        return Err(Malformed::Unreadable(error.to_string()));
    }
    let length = frames.len() - start - HEADER;
    if length > max {
        frames.truncate(start);
        return Err(Malformed::TooLong(length, max));
    }
    let header = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    frames[start..start + HEADER].copy_from_slice(&header);
    Ok(())
}

/// Appends to a vector, texts as a whole.
struct Appending<'a>(&'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Bytes as they come, and the messages in them.
#[derive(Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Where the first message begins that was not taken.
    start: usize,
    /// How many bytes are filled.
    end: usize,
    max: usize,
}

impl Decoder {
    /// Of messages with at most `max` bytes each.
    pub fn new(max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            end: 0,
            max,
        }
    }

    /// Room for what comes next; [`filled`](Self::filled) says how much came.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            // A large message does not keep its room for ever.
            self.bytes.truncate(READ);
            self.bytes.shrink_to(READ);
        } else if self.start > 0 && self.bytes.len() - self.end < READ {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() - self.end < READ {
            // Twice what is there: as bytes come, and in few steps.
            let length = (self.end + READ).max(self.end.saturating_mul(2));
            self.bytes.resize(length.min(self.end + self.max + READ), 0);
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes of the [`room`](Self::room) are filled.
    pub fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.bytes.len());
    }

    /// The next message, if all of it is here.
    ///
    /// # Errors
    ///
    /// When it is none. Nothing after it can be read.
    pub fn message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Malformed> {
        let there = &self.bytes[self.start..self.end];
        let Some((header, rest)) = there.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*header) as usize;
        if length > self.max {
            return Err(Malformed::TooLong(length, self.max));
        }
        let Some(message) = rest.get(..length) else {
            return Ok(None);
        };
        let (message, trailing) = postcard::take_from_bytes(message)
            .map_err(|error| Malformed::Unreadable(error.to_string()))?;
        if !trailing.is_empty() {
            return Err(Malformed::Trailing(trailing.len()));
        }
        self.start += HEADER + length;
        Ok(Some(message))
    }
}
