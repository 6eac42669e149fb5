//! Secrets in JSON text: in each text and number of it, and divided over texts
//! that follow each other under one key, as the blocks of a long text do.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
};

use aho_corasick::{
    Anchored,
    automaton::{Automaton as _, StateID},
};

use super::{MARKER, Secrets, merged, replaced};

/// Keys whose texts are put together. Answers have few; one that has more is not
/// one text in pieces.
const MAX_KEYS: usize = 64;

/// Valid JSON text without secrets; `None` if there are none.
pub(super) fn redacted(secrets: &Secrets, json: &str) -> Option<String> {
    let mut search = Search {
        secrets,
        json,
        found: BTreeMap::new(),
        streams: HashMap::new(),
    };
    search.run();
    let mut result = String::with_capacity(json.len());
    let mut at = 0;
    for (start, found) in &search.found {
        result.push_str(&json[at..*start]);
        let marked = match &found.spans {
            Some(spans) => replaced(&text_of(&json[*start..found.end]), &merged(spans.clone())),
            None => MARKER.to_owned(),
        };
        result.push_str(&serde_json::Value::String(marked).to_string());
        at = found.end;
    }
    result.push_str(&json[at..]);
    (!search.found.is_empty()).then_some(result)
}

/// What was found in one text or number.
struct Found {
    /// Where it ends in the JSON.
    end: usize,
    /// The secrets in the text that it means; `None` for a number.
    spans: Option<Vec<Range<usize>>>,
}

struct Search<'a> {
    secrets: &'a Secrets,
    json: &'a str,
    /// By where the text or number begins in the JSON.
    found: BTreeMap<usize, Found>,
    /// By key.
    streams: HashMap<String, Stream>,
}

/// The texts under one key, one behind the other.
struct Stream {
    state: StateID,
    length: usize,
    /// The last texts: where each begins in the stream and in the JSON.
    recent: VecDeque<(usize, Range<usize>)>,
}

impl Search<'_> {
    fn run(&mut self) {
        let bytes = self.json.as_bytes();
        // The keys that hold what is being read.
        let mut keys: Vec<String> = vec![String::new()];
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    let end = end_of_text(bytes, at);
                    let text = text_of(&self.json[at..end]);
                    let is_key = bytes[end..].trim_ascii_start().starts_with(b":");
                    self.look_at(at..end, &text);
                    match keys.last_mut() {
                        Some(key) if is_key => *key = text,
                        Some(key) => {
                            let key = key.clone();
                            self.feed(&key, at..end, &text);
                        }
                        None => {}
                    }
                    at = end;
                }
                b'{' | b'[' => {
                    // What stands in a list stands under the key of the list.
                    keys.push(keys.last().cloned().unwrap_or_default());
                    at += 1;
                }
                b'}' | b']' => {
                    keys.pop();
                    at += 1;
                }
                b'-' | b'0'..=b'9' => {
                    let is_of_it =
                        |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                    let length = bytes[at..].iter().take_while(|byte| is_of_it(byte)).count();
                    let number = &self.json[at..at + length];
                    if self.secrets.forms.is_match(number) {
                        let end = at + length;
                        self.found.insert(at, Found { end, spans: None });
                    }
                    at += length;
                }
                _ => at += 1,
            }
        }
    }

    fn look_at(&mut self, literal: Range<usize>, text: &str) {
        for span in self.secrets.found(text) {
            self.mark(&literal, span);
        }
    }

    fn mark(&mut self, literal: &Range<usize>, span: Range<usize>) {
        let none = || Found {
            end: literal.end,
            spans: Some(Vec::new()),
        };
        let found = self.found.entry(literal.start).or_insert_with(none);
        if let Some(spans) = &mut found.spans {
            spans.push(span);
        }
    }

    /// Reads on where the text before this one under the same key ended.
    fn feed(&mut self, key: &str, literal: Range<usize>, text: &str) {
        let fed = &self.secrets.fed;
        let Ok(start) = fed.start_state(Anchored::No) else {
            return;
        };
        if !self.streams.contains_key(key) && self.streams.len() >= MAX_KEYS {
            return;
        }
        let stream = self.streams.entry(key.to_owned()).or_insert(Stream {
            state: start,
            length: 0,
            recent: VecDeque::new(),
        });
        let begins = stream.length;
        stream.recent.push_back((begins, literal));
        let mut divided = Vec::new();
        for byte in text.bytes() {
            stream.state = fed.next_state(Anchored::No, stream.state, byte);
            stream.length += 1;
            if fed.is_match(stream.state) {
                for index in 0..fed.match_len(stream.state) {
                    let length = fed.pattern_len(fed.match_pattern(stream.state, index));
                    let from = stream.length - length;
                    if from < begins {
                        divided.push(from..stream.length);
                    }
                }
            }
        }
        let mut marks = Vec::new();
        for secret in divided {
            let mut end = stream.length;
            for (begin, literal) in stream.recent.iter().rev() {
                let from = secret.start.max(*begin);
                let to = secret.end.min(end);
                if from < to {
                    marks.push((literal.clone(), from - begin..to - begin));
                }
                end = *begin;
            }
        }
        // What is longer ago than the longest secret is no part of one.
        let horizon = stream.length.saturating_sub(self.secrets.longest);
        while stream.recent.len() > 1 && stream.recent[1].0 <= horizon {
            stream.recent.pop_front();
        }
        for (literal, span) in marks {
            self.mark_whole(&literal, span);
        }
    }

    /// Marks a span whose ends may be inside of characters.
    fn mark_whole(&mut self, literal: &Range<usize>, span: Range<usize>) {
        let text = text_of(&self.json[literal.clone()]);
        let span = text.floor_char_boundary(span.start)..text.ceil_char_boundary(span.end);
        self.mark(literal, span);
    }
}

/// Where the text ends that begins at a quote.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// What a text in JSON means. Halves of characters, which some servers write,
/// are no part of any secret; such a text is taken as it is written.
fn text_of(literal: &str) -> String {
    serde_json::from_str(literal).unwrap_or_else(|_| {
        let inside = literal.strip_prefix('"').unwrap_or(literal);
        inside.strip_suffix('"').unwrap_or(inside).to_owned()
    })
}
