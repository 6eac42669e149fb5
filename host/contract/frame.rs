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
            // Twice what is there: as bytes come, in few steps, and not beyond the
            // message that comes.
            let length = self.end.saturating_mul(2).min(self.wanted() + READ);
            let length = length.max(self.end + READ);
            self.bytes
                .reserve_exact(length.saturating_sub(self.bytes.len()));
            self.bytes.resize(length, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Where the message that comes ends, as far as it is known.
    fn wanted(&self) -> usize {
        let there = &self.bytes[self.start..self.end];
        let length = there
            .first_chunk()
            .map_or(0, |length| u32::from_le_bytes(*length));
        self.start + HEADER + (length as usize).min(self.max)
    }

    /// So many bytes of the [`room`](Self::room) are filled.
    pub fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.bytes.len());
    }

    /// Whether nothing is here that was not taken.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::Hint;
    use crate::message::ToCoordinator;
    use crate::outcome::{Outcome, RunOutcome, Value};
    use crate::worker::{FromWorker, Stream};

    fn framed(message: &FromWorker) -> Vec<u8> {
        let mut frames = Vec::new();
        encode(message, MAX_FROM_WORKER, &mut frames).unwrap();
        frames
    }

    fn with_length(payload: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(payload.len()).unwrap().to_le_bytes().to_vec();
        frame.extend_from_slice(payload);
        frame
    }

    /// Gives the bytes in pieces of this size, and counts the messages.
    fn read(bytes: &[u8], piece: usize) -> Result<usize, Malformed> {
        let mut decoder = Decoder::new(MAX_FROM_WORKER);
        let mut messages = 0;
        for piece in bytes.chunks(piece) {
            let mut rest = piece;
            while !rest.is_empty() {
                let room = decoder.room();
                let length = room.len().min(rest.len());
                room[..length].copy_from_slice(&rest[..length]);
                decoder.filled(length);
                rest = &rest[length..];
                while decoder.message::<FromWorker>()?.is_some() {
                    messages += 1;
                }
            }
        }
        Ok(messages)
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let mut bytes = Vec::new();
        for size in [0, 1, 70_000, 3, 300_000] {
            let text = vec![b'x'; size].into();
            bytes.extend(framed(&FromWorker::Printed(Stream::Stdout, text)));
        }
        for piece in [1, 2, 3, 5, 4096, 65_536, 1 << 20] {
            assert_eq!(read(&bytes, piece), Ok(5), "{piece}");
        }
    }

    #[test]
    fn a_length_is_not_believed() {
        let mut decoder = Decoder::new(MAX_FROM_WORKER);
        let claimed = (MAX_FROM_WORKER as u32).to_le_bytes();
        decoder.room()[..4].copy_from_slice(&claimed);
        decoder.filled(4);
        assert!(matches!(decoder.message::<FromWorker>(), Ok(None)));
        // Room is made for what comes, not for what is said to come.
        assert!(decoder.room().len() <= 4 * READ);
        let more = (MAX_FROM_WORKER as u32 + 1).to_le_bytes();
        assert!(matches!(read(&more, 9), Err(Malformed::TooLong(..))));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let whole = framed(&FromWorker::Ask(ToCoordinator::Cancel { id: 7 }));
        assert_eq!(read(&whole, 99), Ok(1));
        let payload = &whole[HEADER..];
        assert!(matches!(
            read(&with_length(&payload[..payload.len() - 1]), 99),
            Err(Malformed::Unreadable(_))
        ));
        let longer = [payload, &[0]].concat();
        assert_eq!(read(&with_length(&longer), 99), Err(Malformed::Trailing(1)));
        assert!(read(&with_length(&[]), 99).is_err());
        assert!(read(&with_length(&[0xff; 20]), 99).is_err());
    }

    /// Two bytes for each level would be more levels than a stack has.
    #[test]
    fn hints_are_nested_as_deep_as_we_nest_them() {
        let nested = |depth| (0..depth).fold(Hint::AcceptChanges, |hint, _| Hint::All(vec![hint]));
        let read = |hint: &Hint| {
            let bytes = postcard::to_extend(hint, Vec::new()).unwrap();
            postcard::from_bytes::<Hint>(&bytes)
        };
        assert_eq!(read(&nested(4)).unwrap(), nested(4));
        assert!(read(&nested(5)).is_err());
        let mut deep = [11, 1].repeat(1_000_000);
        deep.push(5);
        assert!(postcard::from_bytes::<Hint>(&deep).is_err());
        // After a refusal the next one is read as the first was.
        assert!(read(&nested(4)).is_ok());
    }

    /// An element of a list can take one byte here and many in memory.
    #[test]
    fn lists_have_as_many_elements_as_ours() {
        let outcome = |warnings| {
            let end = Ok(Outcome {
                result: Ok(Value::Nothing),
                warnings: vec![String::new(); warnings],
            });
            let outcome = RunOutcome {
                end,
                ..RunOutcome::failed(crate::outcome::RunError::Crashed(String::new()))
            };
            framed(&FromWorker::Ended(Box::new(outcome)))
        };
        assert_eq!(read(&outcome(1024), 1 << 20), Ok(1));
        assert!(read(&outcome(1025), 1 << 20).is_err());
    }

    #[test]
    fn a_message_that_is_too_long_is_not_sent() {
        let text = bytes::Bytes::from(vec![b'x'; 100]);
        let mut frames = vec![1, 2, 3];
        let long = FromWorker::Printed(Stream::Stdout, text);
        assert!(encode(&long, 50, &mut frames).is_err());
        assert_eq!(frames, [1, 2, 3]);
    }

    /// A value of JSON in a message, where it is one, goes as text.
    #[test]
    fn typed_functions_with_constants_cross() {
        use crate::message::{ImportedTool, ToSandbox};
        use crate::worker::ToWorker;
        use stubs::wit::Function;
        let function = serde_json::json!({
            "name": "f", "tool": "f",
            "result": { "variant": [{ "name": "one", "ty": { "constant": "1" } }] },
            "arguments": { "fields": { "required": [], "options": { "name": "o", "record": {
                "fields": [], "constants": [["kind", "{\"a\":[1,2.5,null]}"]], "rest": null,
            }}}},
        });
        let Ok(function) = serde_json::from_value::<Function>(function) else {
            panic!("the shape of a function changed");
        };
        let message = ToWorker::Answer(ToSandbox::Imported(Ok(vec![vec![ImportedTool {
            name: "s.f".into(),
            function: function.clone(),
        }]])));
        let mut frames = Vec::new();
        encode(&message, MAX_TO_WORKER, &mut frames).unwrap();
        let mut decoder = Decoder::new(MAX_TO_WORKER);
        decoder.room()[..frames.len()].copy_from_slice(&frames);
        decoder.filled(frames.len());
        let Some(ToWorker::Answer(ToSandbox::Imported(Ok(read)))) = decoder.message().unwrap()
        else {
            panic!("another message");
        };
        assert_eq!(read[0][0].function, function);
    }

    /// Whatever a worker sends, its coordinator goes on.
    #[test]
    fn bytes_of_a_stranger_are_a_message_or_an_error() {
        let seeds = [
            framed(&FromWorker::Ask(ToCoordinator::Cancel { id: 7 })),
            framed(&FromWorker::Printed(Stream::Stderr, "abc".into())),
            framed(&FromWorker::Ended(Box::new(RunOutcome::failed(
                crate::outcome::RunError::Crashed("x".into()),
            )))),
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for _ in 0..20_000 {
            let mut bytes = seeds[random(seeds.len())].clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(3) {
                    0 => bytes[at] = random(256) as u8,
                    1 => bytes.insert(at, random(256) as u8),
                    _ => drop(bytes.remove(at)),
                }
                if bytes.is_empty() {
                    bytes.push(0);
                }
            }
            let _ = read(&bytes, 1 + random(9));
        }
    }
}
