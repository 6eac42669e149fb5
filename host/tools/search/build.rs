//! From documents to postings: which word occurs where, and how much it counts.

use super::{
    Document,
    vocabulary::Vocabulary,
    words::{of_name, of_text},
};

/// The most documents. What comes later cannot be found.
pub(super) const MAX_DOCUMENTS: usize = 100_000;

/// How much of a text is read, in bytes: a server may say more, but what a
/// tool does is not further down.
const MAX_NAME: usize = 512;
const MAX_TEXT: usize = 8 << 10;

/// How many parameters of a tool are read, and how much of each description.
const MAX_PARAMETERS: usize = 100;
const MAX_PARAMETER: usize = 512;

/// The parts of a document, which differ in what a word in them says.
#[derive(Clone, Copy)]
enum Field {
    Server,
    Name,
    Title,
    /// The first sentence of the description.
    Summary,
    Description,
    ParameterName,
    Parameter,
}

const FIELDS: usize = 7;

/// How much a word counts in each field, in the order of [`Field`].
const WEIGHTS: [f32; FIELDS] = [2.0, 5.0, 3.0, 2.5, 1.0, 0.8, 0.3];

/// How much the length of each field counts against it: of two names with the
/// word, the shorter one is about it.
const LENGTH_COUNTS: [f32; FIELDS] = [0.0, 0.6, 0.5, 0.5, 0.6, 0.6, 0.7];

/// How soon more occurrences stop to count more (BM25's k1).
const SATURATION: f32 = 2.0;

/// One document that has a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posting {
    pub(super) document: u32,
    /// What the word adds to the score.
    pub(super) score: f32,
}

/// The postings of all words, and where those of each word are.
#[derive(Default)]
pub(super) struct Postings {
    all: Vec<Posting>,
    /// For each word where its postings start; one more for the end.
    starts: Vec<u32>,
}

impl Postings {
    /// The documents that have a word, in order.
    pub(super) fn of(&self, word: u32) -> &[Posting] {
        let word = word as usize;
        &self.all[self.starts[word] as usize..self.starts[word + 1] as usize]
    }

    /// How much a word says when it is found, whatever it is found in.
    pub(super) fn rarity(&self, word: u32, documents: usize) -> f32 {
        rarity(self.of(word).len(), documents)
    }
}

fn rarity(with: usize, documents: usize) -> f32 {
    let (with, documents) = (with as f32, documents as f32);
    (1.0 + (documents - with + 0.5) / (with + 0.5)).ln()
}

/// Reads the documents one by one.
#[derive(Default)]
pub(super) struct Builder {
    vocabulary: Vocabulary,
    occurrences: Vec<Occurrence>,
    /// Words in each field of each document.
    lengths: Vec<[u32; FIELDS]>,
    /// Of the document being read.
    words: Vec<(u32, u8)>,
}

/// How often a word is in each field of a document.
struct Occurrence {
    word: u32,
    document: u32,
    counts: [u16; FIELDS],
}

impl Builder {
    pub(super) fn add(&mut self, document: &Document) {
        let number = self.lengths.len() as u32;
        self.lengths.push([0; FIELDS]);
        self.words.clear();
        self.name(Field::Server, document.server);
        if document.identifier != document.server {
            self.text(Field::Server, document.identifier, MAX_NAME);
        }
        self.name(Field::Name, document.name);
        self.text(Field::Title, document.title, MAX_NAME);
        let description = cut(document.description, MAX_TEXT);
        let (summary, rest) = description.split_at(end_of_sentence(description));
        self.text(Field::Summary, summary, MAX_TEXT);
        self.text(Field::Description, rest, MAX_TEXT);
        for (name, description) in document.parameters.iter().take(MAX_PARAMETERS) {
            self.name(Field::ParameterName, name);
            self.text(Field::Parameter, description, MAX_PARAMETER);
        }
        self.words.sort_unstable();
        for same in self.words.chunk_by(|left, right| left.0 == right.0) {
            let mut counts = [0u16; FIELDS];
            for &(_, field) in same {
                let count = &mut counts[field as usize];
                *count = count.saturating_add(1);
            }
            self.occurrences.push(Occurrence {
                word: same[0].0,
                document: number,
                counts,
            });
        }
    }

    fn name(&mut self, field: Field, name: &str) {
        let name = cut(name, MAX_NAME);
        of_name(name, |word| {
            note(
                &mut self.vocabulary,
                &mut self.words,
                &mut self.lengths,
                field,
                word,
            )
        });
    }

    fn text(&mut self, field: Field, text: &str, longest: usize) {
        let text = cut(text, longest);
        of_text(text, |word| {
            note(
                &mut self.vocabulary,
                &mut self.words,
                &mut self.lengths,
                field,
                word,
            )
        });
    }

    pub(super) fn finish(self) -> (Vocabulary, Postings) {
        let documents = self.lengths.len();
        let mut averages = [0f32; FIELDS];
        for (field, average) in averages.iter_mut().enumerate() {
            let total: f32 = self
                .lengths
                .iter()
                .map(|lengths| lengths[field] as f32)
                .sum();
            *average = (total / documents.max(1) as f32).max(1.0);
        }
        let mut counts = vec![0usize; self.vocabulary.len()];
        for occurrence in &self.occurrences {
            counts[occurrence.word as usize] += 1;
        }
        let mut starts = Vec::with_capacity(counts.len() + 1);
        let mut start = 0u32;
        starts.push(0);
        for &count in &counts {
            start += count as u32;
            starts.push(start);
        }
        let mut next = starts.clone();
        let nothing = Posting {
            document: 0,
            score: 0.0,
        };
        let mut all = vec![nothing; self.occurrences.len()];
        for occurrence in &self.occurrences {
            let word = occurrence.word as usize;
            let lengths = &self.lengths[occurrence.document as usize];
            let mut weight = 0.0;
            for field in 0..FIELDS {
                let length = lengths[field] as f32 / averages[field];
                let share = 1.0 - LENGTH_COUNTS[field] + LENGTH_COUNTS[field] * length;
                weight += WEIGHTS[field] * occurrence.counts[field] as f32 / share;
            }
            let score = rarity(counts[word], documents) * weight / (weight + SATURATION);
            all[next[word] as usize] = Posting {
                document: occurrence.document,
                score,
            };
            next[word] += 1;
        }
        (self.vocabulary, Postings { all, starts })
    }
}

fn note(
    vocabulary: &mut Vocabulary,
    words: &mut Vec<(u32, u8)>,
    lengths: &mut [[u32; FIELDS]],
    field: Field,
    word: &str,
) {
    if let (Some(word), Some(lengths)) = (vocabulary.insert(word), lengths.last_mut()) {
        words.push((word, field as u8));
        lengths[field as usize] += 1;
    }
}

fn cut(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

/// Where the first sentence or line ends.
fn end_of_sentence(text: &str) -> usize {
    let leading = text.len() - text.trim_start().len();
    let mut ends = text[leading..].match_indices(['.', '!', '?', '。', '\n']);
    let end = ends.find(|(at, found)| {
        let rest = &text[leading + at + found.len()..];
        *found == "。" || *found == "\n" || rest.starts_with(char::is_whitespace)
    });
    end.map_or(text.len(), |(at, _)| leading + at)
}
