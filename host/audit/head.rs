//! The end of a chain, said apart from it.
//!
//! Cutting off the last records of a chain leaves a whole chain. So its head
//! names the last one, signed; it is written after the records are on the disk,
//! and is never ahead of them.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::event::Hex;
use crate::key::Key;
use crate::line::{self, Hash, MAX_SEQ, VERSION};

/// Bytes of a head: it is written over the one before, in one go.
const SIZE: usize = 256;

/// The last record of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) chain: u32,
    /// The number of its file.
    pub(crate) file: u64,
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
}

/// What stands where a head should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing yet.
    Empty,
    /// Something that we did not write, or not with this key.
    Strange,
    Head(Head),
}

#[derive(Serialize)]
struct Text {
    v: u64,
    chain: u32,
    file: u64,
    seq: u64,
    hash: Hash,
    mac: Hex<16>,
}

impl Head {
    pub(crate) fn write(&self, to: &File, key: &Key) -> io::Result<()> {
        let mut text = serde_json::to_vec(&Text {
            v: VERSION,
            chain: self.chain,
            file: self.file,
            seq: self.seq,
            hash: self.hash,
            mac: Hex(key.mac(&self.signed())),
        })?;
        text.resize(SIZE - 1, b' ');
        text.push(b'\n');
        to.write_all_at(&text, 0)
    }

    /// What the signature is over. No record begins like this.
    fn signed(&self) -> Vec<u8> {
        let Self {
            chain,
            file,
            seq,
            hash,
        } = self;
        format!("head {chain} {file} {seq} {hash}").into_bytes()
    }
}

/// Reads the head of a chain. Without a key it is believed.
pub(crate) fn read(from: &File, chain: u32, key: Option<&Key>) -> io::Result<Found> {
    let mut text = Vec::new();
    // Not from where an earlier reader ended.
    let from = Start(from, 0);
    from.take(4 * SIZE as u64).read_to_end(&mut text)?;
    if text.is_empty() {
        return Ok(Found::Empty);
    }
    Ok(match parse(&text, key) {
        Some(head) if head.chain == chain => Found::Head(head),
        _ => Found::Strange,
    })
}

fn parse(text: &[u8], key: Option<&Key>) -> Option<Head> {
    let fields: Map<String, Value> = serde_json::from_slice(text).ok()?;
    let number = |name: &str| fields.get(name)?.as_u64();
    let digits = |name: &str| fields.get(name)?.as_str();
    let head = Head {
        chain: number("chain")?.try_into().ok()?,
        file: number("file")?,
        seq: number("seq").filter(|seq| *seq <= MAX_SEQ)?,
        hash: line::Hash::read(digits("hash")?)?,
    };
    let mac = Hex::<16>::read(digits("mac")?)?;
    let is_ours = key.is_none_or(|key| key.mac(&head.signed()) == mac.0);
    (number("v")? == VERSION && is_ours).then_some(head)
}

/// A file that is read from its start, wherever its cursor is.
struct Start<'f>(&'f File, u64);

impl io::Read for Start<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(buffer, self.1)?;
        self.1 += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written_and_only_with_its_key() {
        let file = tempfile::tempfile().unwrap();
        let key = Key::new(&[1; 32]);
        assert_eq!(read(&file, 3, Some(&key)).unwrap(), Found::Empty);
        let mut head = Head {
            chain: 3,
            file: u64::MAX,
            seq: MAX_SEQ,
            hash: Hex([0xab; 32]),
        };
        head.write(&file, &key).unwrap();
        head.seq = 7;
        head.write(&file, &key).unwrap();
        assert_eq!(file.metadata().unwrap().len(), SIZE as u64);
        let ours = Found::Head(head);
        assert_eq!(read(&file, 3, Some(&key)).unwrap(), ours);
        assert_eq!(read(&file, 3, None).unwrap(), ours);
        let strange = Found::Strange;
        assert_eq!(
            read(&file, 2, Some(&key)).unwrap(),
            strange,
            "of another chain"
        );
        let other = Key::new(&[2; 32]);
        assert_eq!(read(&file, 3, Some(&other)).unwrap(), strange);
        file.write_all_at(b"9", 30).unwrap();
        assert_eq!(read(&file, 3, Some(&key)).unwrap(), strange);
    }
}
