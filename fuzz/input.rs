//! Values out of bytes: texts and JSON with what is likely to matter.

use arbitrary::Unstructured;
use serde_json::{Map, Number, Value};

/// The bytes of an input, as far as they are not used up. Nothing fails: when
/// there are none left, everything is as small as it can be.
pub struct Input<'a>(Unstructured<'a>);

impl<'a> Input<'a> {
    /// All of an input.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.int_in_range(0..=bound.max(1) - 1).unwrap_or(0)
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        // The end of the bytes is not that time.
        self.below(times) + 1 == times
    }

    /// Any number; often a small one, or one at which something turns.
    pub fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => self.0.arbitrary().unwrap_or(0),
            1 => u64::MAX - self.below(3) as u64,
            2 => (1 << self.below(64)) - self.below(2) as u64,
            _ => self.below(8) as u64,
        }
    }

    /// One of these.
    pub fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// Some bytes, at most `most`.
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1).min(self.0.len());
        self.0.bytes(length).unwrap_or_default().to_vec()
    }

    /// The rest of the bytes.
    pub fn rest(self) -> &'a [u8] {
        self.0.take_rest()
    }

    /// A text: one of these words, or several, or anything.
    pub fn text(&mut self, words: &[&str]) -> String {
        match self.below(8) {
            0 => String::from_utf8_lossy(&self.bytes(40)).into_owned(),
            1 => {
                let parts = self.below(4);
                (0..parts).map(|_| self.one_of(words)).collect()
            }
            _ => self.one_of(words).to_owned(),
        }
    }

    /// A value of JSON, at most so deep.
    pub fn json(&mut self, words: &[&str], depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => self.once_in(2).into(),
            2 => (self.number() as i64).into(),
            3 => {
                let bits = self.0.arbitrary().unwrap_or(0);
                Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number)
            }
            4 | 5 => self.text(words).into(),
            6 => {
                let length = self.below(4);
                (0..length).map(|_| self.json(words, depth - 1)).collect()
            }
            _ => {
                let mut fields = Map::new();
                for _ in 0..self.below(4) {
                    let key = self.text(words);
                    fields.insert(key, self.json(words, depth - 1));
                }
                fields.into()
            }
        }
    }
}
