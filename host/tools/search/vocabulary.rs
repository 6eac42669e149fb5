//! All words of an index, and which of them a misspelt one may have been.
//!
//! Work is bounded whatever the words are: letters are compared by bit masks
//! first, and only so many words in full.

use std::collections::HashMap;

/// The most words kept. Those that come later cannot be found, which 5,000
/// ordinary tools, with some 10,000 words, are far from.
const MAX_WORDS: usize = 1 << 18;

/// How many words are compared in full for one misspelt one.
const MAX_COMPARED: usize = 20_000;

/// How many readings a word has at most.
const MAX_READINGS: usize = 6;

/// The shortest word that can be misspelt: of shorter ones, every other word
/// is a neighbour.
const SHORTEST_MISSPELT: usize = 4;

/// The shortest beginning of a word that stands for it.
const SHORTEST_BEGINNING: usize = 3;

/// The words of an index, numbered as they come.
#[derive(Default)]
pub(super) struct Vocabulary {
    numbers: HashMap<Box<str>, u32>,
    words: Vec<Word>,
}

struct Word {
    text: Box<str>,
    /// Which letters it has, to rule out most words at a glance.
    letters: u64,
    /// In characters.
    length: usize,
}

/// A known word that an unknown one may stand for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub(super) word: u32,
    /// How sure it is, from 0 to 1.
    pub(super) weight: f32,
}

impl Vocabulary {
    /// The number of a word, which becomes known. `None` once there are too
    /// many.
    pub(super) fn insert(&mut self, word: &str) -> Option<u32> {
        if let Some(&number) = self.numbers.get(word) {
            return Some(number);
        }
        if self.words.len() == MAX_WORDS {
            return None;
        }
        let number = u32::try_from(self.words.len()).ok()?;
        self.words.push(Word {
            text: word.into(),
            letters: letters(word),
            length: word.chars().count(),
        });
        self.numbers.insert(word.into(), number);
        Some(number)
    }

    pub(super) fn get(&self, word: &str) -> Option<u32> {
        self.numbers.get(word).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// What a word that is not known may stand for, the likeliest first: words
    /// that begin with it, and words that one or two slips turn into it.
    /// `weight` says how common a word is, to choose between equals.
    pub(super) fn readings(&self, unknown: &str, count: impl Fn(u32) -> usize) -> Vec<Reading> {
        let length = unknown.chars().count();
        let allowed = match length {
            0..SHORTEST_MISSPELT => 0,
            SHORTEST_MISSPELT..=7 => 1,
            _ => 2,
        };
        let has = letters(unknown);
        let characters: Vec<char> = unknown.chars().collect();
        let mut compared = 0;
        let mut table = Table::default();
        // Slips (none for a beginning), whether the first letter differs, and
        // how often the word occurs.
        let mut found: Vec<(usize, bool, usize, u32)> = Vec::new();
        for (number, word) in (0u32..).zip(&self.words) {
            let is_beginning = length >= SHORTEST_BEGINNING
                && word.length > length
                && word.text.starts_with(unknown);
            if is_beginning {
                // The longer the rest, the less likely it was meant.
                let rest = word.length - length;
                found.push((1 + rest / 4, false, count(number), number));
                continue;
            }
            let differs = (word.letters & !has)
                .count_ones()
                .max((has & !word.letters).count_ones());
            if word.length.abs_diff(length) > allowed || differs as usize > allowed || allowed == 0
            {
                continue;
            }
            compared += 1;
            if compared > MAX_COMPARED {
                break;
            }
            if let Some(slips) = table.slips(&characters, &word.text, allowed) {
                let same_start = word.text.starts_with(characters[0]);
                found.push((slips, !same_start, count(number), number));
            }
        }
        found.sort_by_key(|&(slips, differs, count, number)| {
            (slips, differs, std::cmp::Reverse(count), number)
        });
        let best = found.first().map_or(0, |&(slips, ..)| slips);
        found
            .into_iter()
            .take_while(|&(slips, ..)| slips <= best + 1)
            .take(MAX_READINGS)
            .map(|(slips, differs, _, word)| Reading {
                word,
                weight: 0.9 / slips as f32 * if differs { 0.7 } else { 1.0 },
            })
            .collect()
    }
}

/// Which letters a word has: a bit each for `a` to `z` and `0` to `9`, the
/// others share the rest.
fn letters(word: &str) -> u64 {
    word.chars()
        .map(|letter| match letter {
            'a'..='z' => letter as u32 - 'a' as u32,
            '0'..='9' => 26 + letter as u32 - '0' as u32,
            _ => 36 + letter as u32 % 28,
        })
        .fold(0, |bits, bit| bits | 1 << bit)
}

/// The rows of the comparison, kept from one word to the next.
#[derive(Default)]
struct Table {
    before: Vec<usize>,
    last: Vec<usize>,
    current: Vec<usize>,
    characters: Vec<char>,
}

impl Table {
    /// Insertions, deletions, replacements and swaps of neighbours that turn
    /// one word into the other, if there are no more than `allowed`.
    fn slips(&mut self, left: &[char], right: &str, allowed: usize) -> Option<usize> {
        self.characters.clear();
        self.characters.extend(right.chars());
        let right = &self.characters;
        self.last.clear();
        self.last.extend(0..=right.len());
        self.before.clear();
        for (row, &from) in left.iter().enumerate() {
            self.current.clear();
            self.current.push(row + 1);
            for (column, &to) in right.iter().enumerate() {
                let mut slips = (self.last[column] + usize::from(from != to))
                    .min(self.last[column + 1] + 1)
                    .min(self.current[column] + 1);
                let is_swap =
                    row > 0 && column > 0 && from == right[column - 1] && left[row - 1] == to;
                if is_swap {
                    slips = slips.min(self.before[column - 1] + 1);
                }
                self.current.push(slips);
            }
            if self.current.iter().all(|&slips| slips > allowed) {
                return None;
            }
            std::mem::swap(&mut self.before, &mut self.last);
            std::mem::swap(&mut self.last, &mut self.current);
        }
        let slips = *self.last.last()?;
        (slips <= allowed).then_some(slips)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(unknown: &str, known: &[&str]) -> Vec<String> {
        let mut vocabulary = Vocabulary::default();
        for word in known {
            vocabulary.insert(word);
        }
        let readings = vocabulary.readings(unknown, |_| 1);
        readings
            .iter()
            .map(|reading| known[reading.word as usize].to_owned())
            .collect()
    }

    #[test]
    fn slips_are_forgiven_by_the_length_of_the_word() {
        let known = [
            "create",
            "issue",
            "calendar",
            "git",
            "repository",
            "temperature",
        ];
        for (unknown, expected) in [
            ("creat", &["create"] as &[&str]),
            ("craete", &["create"]),
            ("kreate", &["create"]),
            ("calender", &["calendar"]),
            ("caledner", &["calendar"]),
            ("issve", &["issue"]),
            ("isve", &[]),
            ("gut", &[]),
            ("repo", &["repository"]),
            ("re", &[]),
            ("temprature", &["temperature"]),
            ("zzzzzzzzzz", &[]),
            ("", &[]),
        ] {
            assert_eq!(read(unknown, &known), expected, "{unknown}");
        }
    }

    #[test]
    fn the_likelier_reading_comes_first() {
        let mut vocabulary = Vocabulary::default();
        for word in ["form", "fork", "ford", "nork"] {
            vocabulary.insert(word);
        }
        let readings = vocabulary.readings("forn", |word| word as usize);
        let words: Vec<_> = readings.iter().map(|reading| reading.word).collect();
        assert_eq!(words, [2, 1, 0]);
        let readings = vocabulary.readings("vork", |_| 1);
        assert_eq!(readings.len(), 2);
        assert!(readings.iter().all(|reading| reading.weight < 0.7));
    }

    #[test]
    fn a_full_vocabulary_takes_no_more_and_still_answers() {
        let mut vocabulary = Vocabulary::default();
        for number in 0..MAX_WORDS + 10 {
            vocabulary.insert(&format!("abcdefgh{number:06}"));
        }
        assert_eq!(vocabulary.len(), MAX_WORDS);
        assert_eq!(vocabulary.insert("other"), None);
        assert!(vocabulary.insert("abcdefgh000000").is_some());
        let readings = vocabulary.readings("abcdefgh00000x", |_| 1);
        assert!(!readings.is_empty() && readings.len() <= MAX_READINGS);
    }
}
