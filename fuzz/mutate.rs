//! Inputs by chance: seeds with some things changed, as fuzzers change them.

/// A xorshift generator: the same numbers for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    /// A number with fewer bits than this: often a small one.
    fn bits(&mut self, most: usize) -> usize {
        let bits = self.below(most);
        self.below(1 << bits)
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }
}

/// Numbers at which sizes and counts turn.
const TURNS: [u64; 10] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff_ffff,
    0xffff_ffff,
    u64::MAX / 2,
    u64::MAX - 1,
    u64::MAX,
];

/// A new input of at most `longest` bytes.
pub(crate) fn input(
    random: &mut Random,
    seeds: &[Vec<u8>],
    words: &[&str],
    longest: usize,
) -> Vec<u8> {
    // Nothing but chance, for targets that make a structure of it.
    if seeds.is_empty() || random.below(4) == 0 {
        let length = random.bits(12).min(longest);
        return (0..length).map(|_| random.byte()).collect();
    }
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.bits(5) {
        change(random, &mut input, seeds, words);
    }
    input.truncate(longest);
    input
}

fn change(random: &mut Random, input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str]) {
    let at = random.below(input.len() + 1);
    let end = (at + random.bits(8)).min(input.len());
    match random.below(10) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.byte(),
        2 => input.insert(at, random.byte()),
        3 => drop(input.drain(at..end)),
        4 => {
            // Some times over: lists grow, and nesting.
            let part = input[at..end].to_vec();
            let times = 1 + random.bits(7);
            let repeated = part.repeat(times.min((64 << 10) / part.len().max(1)));
            drop(input.splice(at..at, repeated));
        }
        5 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            let to = (from + random.bits(10)).min(other.len());
            drop(input.splice(at..end, other[from..to].iter().copied()));
        }
        6 | 7 if !words.is_empty() => {
            let word = words[random.below(words.len())].bytes();
            let end = if random.below(2) == 0 { at } else { end };
            drop(input.splice(at..end, word));
        }
        8 => {
            let number = TURNS[random.below(TURNS.len())].to_le_bytes();
            let width = 1 << random.below(4);
            let end = (at + width).min(input.len());
            drop(input.splice(at..end, number[..width].iter().copied()));
        }
        _ => input.truncate(at),
    }
}
