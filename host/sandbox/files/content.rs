//! The bytes of one file.
//!
//! Bytes are kept in chunks, so a file grows without being copied, and a hole
//! (a range never written) takes no memory however large the file claims to
//! be. A copy shares its chunks until one of the two is written.
//!
//! Invariants: a chunk never holds bytes beyond the file's size, and its
//! capacity is at most about twice its length, so that what a quota counts
//! (the size) bounds what the host holds. Bytes of a chunk that were never
//! written read as zeros.
//!
//! Quotas are the tree's business: nothing here fails.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Large enough that a sequential write is dominated by copying memory, small
/// enough that writing one byte into a shared copy or a hole is cheap.
pub(super) const CHUNK: usize = 64 * 1024;

/// The bytes of one file.
#[derive(Clone)]
pub(super) enum Content {
    /// Handed over by the host, shared with other trees, never written.
    Shared(Bytes),
    /// Written by a guest.
    Chunked(Chunks),
}

/// Chunks by their index in the file. A map rather than a vector: one byte
/// written at the far end of an enormous file must not cost memory for what
/// lies before it.
#[derive(Clone, Default)]
pub(super) struct Chunks {
    pub(super) size: u64,
    pub(super) chunks: BTreeMap<u64, Arc<Vec<u8>>>,
}

impl Default for Content {
    fn default() -> Self {
        Self::Chunked(Chunks::default())
    }
}

impl Content {
    /// The size of the file.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Shared(bytes) => bytes.len() as u64,
            Self::Chunked(chunks) => chunks.size,
        }
    }

    /// Whether both are the same bytes in memory.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Shared(one), Self::Shared(other)) => {
                one.as_ptr() == other.as_ptr() && one.len() == other.len()
            }
            (Self::Chunked(one), Self::Chunked(other)) => {
                one.size == other.size
                    && one.chunks.len() == other.chunks.len()
                    && one
                        .chunks
                        .iter()
                        .zip(&other.chunks)
                        .all(|(one, other)| one.0 == other.0 && Arc::ptr_eq(one.1, other.1))
            }
            _ => false,
        }
    }

    /// Up to `length` bytes from `offset`; fewer only at the end of the file.
    pub(super) fn read(&self, offset: u64, length: usize) -> Bytes {
        let rest = self.size().saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(length);
        if length == 0 {
            return Bytes::new();
        }
        match self {
            Self::Shared(bytes) => {
                let start = usize::try_from(offset).expect("offset is below the length in memory");
                bytes.slice(start..start + length)
            }
            Self::Chunked(chunks) => chunks.read(offset, length).into(),
        }
    }

    /// Replaces or appends bytes; a gap before `offset` becomes a hole.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.chunks().write(offset, bytes);
    }

    /// Cuts the file or extends it with a hole.
    pub(super) fn resize(&mut self, size: u64) {
        if size == 0 {
            *self = Self::default();
        } else {
            self.chunks().resize(size);
        }
    }

    /// For writing: shared bytes are copied first.
    fn chunks(&mut self) -> &mut Chunks {
        if let Self::Shared(bytes) = self {
            let mut chunks = Chunks::default();
            chunks.write(0, bytes);
            *self = Self::Chunked(chunks);
        }
        match self {
            Self::Chunked(chunks) => chunks,
            Self::Shared(_) => unreachable!("shared bytes were replaced above"),
        }
    }
}

impl Chunks {
    fn read(&self, mut offset: u64, length: usize) -> Vec<u8> {
        let mut output = Vec::with_capacity(length);
        while output.len() < length {
            let (index, start) = position(offset);
            let wanted = (length - output.len()).min(CHUNK - start);
            let filled = output.len();
            if let Some(chunk) = self.chunks.get(&index) {
                let end = chunk.len().min(start + wanted);
                output.extend_from_slice(chunk.get(start..end).unwrap_or_default());
            }
            output.resize(filled + wanted, 0);
            offset += wanted as u64;
        }
        output
    }

    fn write(&mut self, mut offset: u64, mut bytes: &[u8]) {
        self.size = self.size.max(offset + bytes.len() as u64);
        while !bytes.is_empty() {
            let (index, start) = position(offset);
            let (head, rest) = bytes.split_at(bytes.len().min(CHUNK - start));
            let chunk = Arc::make_mut(self.chunks.entry(index).or_default());
            write_chunk(chunk, start, head);
            offset += head.len() as u64;
            bytes = rest;
        }
    }

    fn resize(&mut self, size: u64) {
        if size < self.size {
            let (index, start) = position(size);
            let first_gone = if start == 0 { index } else { index + 1 };
            drop(self.chunks.split_off(&first_gone));
            if start > 0
                && let Some(chunk) = self.chunks.get_mut(&index)
            {
                let chunk = Arc::make_mut(chunk);
                chunk.truncate(start);
                // A cut chunk must not keep memory that no quota counts.
                if chunk.capacity() > 2 * chunk.len() {
                    chunk.shrink_to_fit();
                }
            }
        }
        self.size = size;
    }
}

/// The chunk that holds this offset, and where in it.
fn position(offset: u64) -> (u64, usize) {
    let chunk = CHUNK as u64;
    let start = usize::try_from(offset % chunk).expect("less than a chunk");
    (offset / chunk, start)
}

fn write_chunk(chunk: &mut Vec<u8>, start: usize, bytes: &[u8]) {
    let end = start + bytes.len();
    if end > chunk.capacity() {
        // Twice as much as there was, as vectors do, but never above a chunk.
        let capacity = (2 * chunk.capacity()).min(CHUNK).max(end);
        chunk.reserve_exact(capacity - chunk.len());
    }
    if chunk.len() < start {
        chunk.resize(start, 0);
    }
    let overwritten = bytes.len().min(chunk.len() - start);
    let (head, tail) = bytes.split_at(overwritten);
    chunk[start..start + overwritten].copy_from_slice(head);
    chunk.extend_from_slice(tail);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(content: &Content) -> usize {
        match content {
            Content::Shared(_) => 0,
            Content::Chunked(chunks) => chunks.chunks.values().map(|chunk| chunk.capacity()).sum(),
        }
    }

    /// A file of one vector, to compare with.
    fn model_write(model: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
        if model.len() < offset + bytes.len() {
            model.resize(offset + bytes.len(), 0);
        }
        model[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    #[test]
    fn behaves_like_one_vector() {
        let mut random = super::super::random::Random::new(7);
        for round in 0..12 {
            let mut model = Vec::new();
            let mut content = Content::default();
            if round % 2 == 1 {
                model = vec![9; 100_000];
                content = Content::Shared(model.clone().into());
            }
            for _ in 0..40 {
                let offset = random.below(300_000);
                let length = random.below(200_000);
                match random.below(4) {
                    0 | 1 => {
                        let bytes: Vec<u8> = (0..length).map(|i| (i ^ offset) as u8).collect();
                        content.write(offset as u64, &bytes);
                        if !bytes.is_empty() {
                            model_write(&mut model, offset, &bytes);
                        } else {
                            model.resize(model.len().max(offset), 0);
                        }
                    }
                    2 => {
                        content.resize(offset as u64);
                        model.resize(offset, 0);
                    }
                    _ => {}
                }
                assert_eq!(content.size(), model.len() as u64);
                let start = offset.min(model.len());
                let end = (offset + length).min(model.len()).max(start);
                assert_eq!(content.read(offset as u64, length), model[start..end]);
            }
            assert_eq!(content.read(0, usize::MAX), model);
        }
    }

    #[test]
    fn a_hole_takes_no_memory() {
        let mut content = Content::default();
        content.resize(1 << 60);
        content.write((1 << 60) - 1, b"x");
        assert_eq!(content.size(), 1 << 60);
        assert!(held(&content) <= CHUNK);
        assert_eq!(content.read(1 << 59, 3), [0; 3][..]);
    }

    #[test]
    fn memory_follows_the_size() {
        let mut content = Content::default();
        content.write(0, &[1; CHUNK]);
        content.resize(1);
        assert!(held(&content) <= 64, "{}", held(&content));

        let mut small = Content::default();
        for i in 0..1000 {
            small.write(i, b"x");
        }
        assert!(held(&small) <= 2048, "{}", held(&small));
    }

    #[test]
    fn a_cut_and_regrown_file_shows_zeros() {
        let mut content = Content::default();
        content.write(0, &[7; 3 * CHUNK]);
        content.resize(10);
        content.resize(2 * CHUNK as u64);
        let bytes = content.read(0, usize::MAX);
        assert_eq!(bytes[..10], [7; 10]);
        assert!(bytes[10..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_copy_is_independent() {
        let mut one = Content::default();
        one.write(0, b"hello");
        let two = one.clone();
        one.write(0, b"J");
        assert_eq!(one.read(0, 9), b"Jello"[..]);
        assert_eq!(two.read(0, 9), b"hello"[..]);
    }
}
