//! Whether one of many short texts is in a long one.
//!
//! Every answer of a server is searched, and next to none holds what is looked
//! for. So this looks at two bytes at a time, and goes on by as many as these
//! rule out (Wu and Manber, "A fast algorithm for multi-pattern searching",
//! 1994). It does a few gigabytes a second however many texts there are; an
//! automaton that sees each byte does a fraction of one.

/// Bytes that are looked at at a time.
const BLOCK: usize = 2;

/// Short texts, all of them of at least [`BLOCK`] bytes.
pub(super) struct Parts {
    /// Bytes of each that decide how far to go on: the length of the shortest.
    window: usize,
    /// By block: how far from the end of the window it is in any text; nothing if
    /// one ends with it.
    steps: Box<[u8; 1 << 16]>,
    /// In order of the blocks that their windows end with.
    texts: Vec<(u16, Box<[u8]>)>,
}

impl Parts {
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let texts: Vec<&[u8]> = texts.into_iter().collect();
        let shortest = texts.iter().map(|text| text.len()).min();
        let window = shortest.unwrap_or(BLOCK).clamp(BLOCK, 32);
        let farthest = window - BLOCK + 1;
        let mut steps = vec![farthest as u8; 1 << 16];
        let mut ending = Vec::with_capacity(texts.len());
        for text in texts {
            for (at, block) in text[..window].windows(BLOCK).enumerate() {
                let step = &mut steps[usize::from(number(block))];
                *step = (*step).min((window - BLOCK - at) as u8);
            }
            let last = number(&text[window - BLOCK..window]);
            ending.push((last, text.into()));
        }
        ending.sort();
        let steps = steps.into_boxed_slice();
        Self {
            window,
            steps: steps.try_into().expect("it has a place for each block"),
            texts: ending,
        }
    }

    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        let mut end = self.window;
        while end <= text.len() {
            let block = number(&text[end - BLOCK..end]);
            match self.steps[usize::from(block)] {
                0 if self.ends_with(block, text, end) => return true,
                0 => end += 1,
                step => end += usize::from(step),
            }
        }
        false
    }

    /// Whether a text stands where this window is.
    fn ends_with(&self, block: u16, text: &[u8], end: usize) -> bool {
        let first = self.texts.partition_point(|(last, _)| *last < block);
        let mut candidates = self.texts[first..]
            .iter()
            .take_while(|(last, _)| *last == block);
        let here = &text[end - self.window..];
        candidates.any(|(_, candidate)| here.starts_with(candidate))
    }
}

fn number(block: &[u8]) -> u16 {
    u16::from_le_bytes([block[0], block[1]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn says_what_a_plain_search_says(
            parts in prop::collection::vec("[ab]{2,6}", 1..6),
            text in "[abc]{0,60}",
        ) {
            let bytes = parts.iter().map(String::as_bytes);
            let expected = parts.iter().any(|part| text.contains(part.as_str()));
            prop_assert_eq!(Parts::new(bytes).is_in(text.as_bytes()), expected);
        }
    }
}
