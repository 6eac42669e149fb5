//! The index: answering queries.

use std::collections::HashMap;

use stubs::names::folded;

use contract::text::quoted;

use super::{
    Document, Found, Hit, MAX_HITS, Query,
    build::{Builder, MAX_DOCUMENTS, Postings},
    synonyms,
    vocabulary::Vocabulary,
    words::of_name,
};

/// How much of a query is read, in bytes and in words.
const MAX_QUERY: usize = 512;
const MAX_WORDS: usize = 24;

/// How many words of a query may be misspelt: each is compared with the whole
/// vocabulary.
const MAX_MISSPELT: usize = 6;

/// How many servers are named to who found nothing.
const MAX_LISTED: usize = 20;

/// What a synonym counts against the word itself.
const SYNONYM: f32 = 0.5;

/// How much of a score depends on how much of the query was found at all.
const COVERAGE: f32 = 0.5;

/// What a word that says little counts against others.
const EMPTY: f32 = 0.15;

/// Words that say little about a tool. They are rare in descriptions, so that
/// their rarity alone would make them count.
const EMPTY_WORDS: &[&str] = &[
    "a", "all", "an", "and", "any", "are", "as", "at", "be", "by", "can", "do", "doe", "for",
    "from", "has", "hav", "how", "i", "in", "into", "is", "it", "me", "my", "of", "on", "or",
    "our", "please", "pleas", "s", "that", "the", "thi", "this", "to", "want", "was", "we", "what",
    "when", "where", "wher", "which", "who", "why", "with", "you",
];

/// Tools, ready to be searched.
///
/// ```
/// use wasm_coordinator_tools::search::{Document, Index, Query};
///
/// let tool = |name, description| Document { server: "github", name, description, ..Default::default() };
/// let index = Index::new([
///     tool("create_issue", "Opens a new issue in a repository"),
///     tool("merge_pull_request", "Merges a pull request"),
/// ]);
/// let found = index.search(&Query { text: "merge a PR requst", server: None, limit: 10 });
/// assert_eq!(found.hits[0].document, 1);
/// ```
pub struct Index {
    vocabulary: Vocabulary,
    postings: Postings,
    servers: Vec<Server>,
    /// In the order given.
    documents: Vec<Entry>,
    /// Documents by the letters and digits of their names, with and without
    /// their servers'.
    by_name: HashMap<Box<str>, Vec<u32>>,
}

struct Server {
    name: String,
    identifier: String,
    tools: usize,
}

struct Entry {
    server: u32,
    name: Box<str>,
}

impl Index {
    /// Reads the documents; the first 100,000, should there be more.
    pub fn new<'a>(documents: impl IntoIterator<Item = Document<'a>>) -> Self {
        let mut builder = Builder::default();
        let mut servers: Vec<Server> = Vec::new();
        let mut by_server: HashMap<Box<str>, u32> = HashMap::new();
        let mut by_name: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        let mut entries = Vec::new();
        for (number, document) in (0u32..).zip(documents.into_iter().take(MAX_DOCUMENTS)) {
            builder.add(&document);
            let server = *by_server.entry(document.server.into()).or_insert_with(|| {
                servers.push(Server {
                    name: document.server.to_owned(),
                    identifier: document.identifier.to_owned(),
                    tools: 0,
                });
                servers.len() as u32 - 1
            });
            servers[server as usize].tools += 1;
            let name = folded(document.name);
            let full = folded(document.server) + &name;
            for name in [name, full] {
                by_name.entry(name.into()).or_default().push(number);
            }
            entries.push(Entry {
                server,
                name: document.name.into(),
            });
        }
        let (vocabulary, postings) = builder.finish();
        Self {
            vocabulary,
            postings,
            servers,
            documents: entries,
            by_name,
        }
    }

    /// Answers a query. Never fails: what is too long is cut, and a server
    /// that does not exist has no tools.
    pub fn search(&self, query: &Query) -> Found {
        let mut hits = self.rank(query.text);
        if let Some(server) = query.server.map(|name| self.server(name)) {
            hits.retain(|hit| server == Some(self.documents[hit.document].server));
        }
        let total = hits.len();
        hits.truncate(query.limit.clamp(1, MAX_HITS));
        Found { hits, total }
    }

    /// Every tool that a text means, the best first. An empty one means them
    /// all, in the order of the documents.
    pub fn rank(&self, text: &str) -> Vec<Hit> {
        let text = &text[..text.floor_char_boundary(MAX_QUERY)];
        let mut scores = if text.trim().is_empty() {
            (0..self.documents.len() as u32)
                .map(|document| (document, 0.0))
                .collect()
        } else {
            self.scores(text)
        };
        scores.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        let hit = |(document, score)| Hit {
            document: document as usize,
            score,
        };
        scores.into_iter().map(hit).collect()
    }

    /// The servers that have tools here, with how many, in order.
    pub fn servers(&self) -> impl Iterator<Item = (&str, usize)> {
        self.servers
            .iter()
            .map(|server| (server.name.as_str(), server.tools))
    }

    /// What to tell who found nothing: which servers there are, or where the
    /// words do occur.
    pub fn instead(&self, query: &Query) -> String {
        let asked = quoted(query.text);
        let Some(name) = query.server else {
            return format!("nothing fits {asked}; there are {}", self.tools());
        };
        let Some(server) = self.server(name) else {
            let name = quoted(name);
            return format!("there is no server {name}; there are {}", self.tools());
        };
        let Server { name, tools, .. } = &self.servers[server as usize];
        let name = quoted(name);
        let query = Query {
            server: None,
            ..*query
        };
        match self.search(&query).total {
            0 => format!(
                "none of the {tools} tools of {name} fits {asked}, and none of any other server"
            ),
            elsewhere => {
                format!(
                    "none of the {tools} tools of {name} fits {asked}; {elsewhere} of other servers may"
                )
            }
        }
    }

    /// How many tools which servers have, in a sentence.
    fn tools(&self) -> String {
        let listed = self.servers.iter().take(MAX_LISTED);
        let mut listed: Vec<_> = listed
            .map(|server| format!("{} tools of {}", server.tools, quoted(&server.name)))
            .collect();
        let rest = self.servers.iter().skip(MAX_LISTED);
        match rest.clone().count() {
            0 => (),
            others => {
                let tools: usize = rest.map(|server| server.tools).sum();
                listed.push(format!("{tools} of {others} other servers"));
            }
        }
        match listed.split_last() {
            None => "no tools".to_owned(),
            Some((only, [])) => only.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        }
    }

    fn server(&self, name: &str) -> Option<u32> {
        let exact = |server: &Server| server.name == name || server.identifier == name;
        let wanted = folded(name);
        let alike = |server: &Server| folded(&server.name) == wanted && !wanted.is_empty();
        let position = self
            .servers
            .iter()
            .position(exact)
            .or_else(|| self.servers.iter().position(alike));
        position.map(|position| position as u32)
    }

    /// All documents that have anything to do with the query.
    fn scores(&self, text: &str) -> Vec<(u32, f32)> {
        let terms = self.terms(text);
        let documents = self.documents.len();
        let mut scores = vec![0f32; documents];
        let mut covered = vec![0f32; documents];
        let mut best = vec![0f32; documents];
        let mut touched: Vec<u32> = Vec::new();
        let whole: f32 = terms.iter().map(|term| term.rarity).sum();
        for term in &terms {
            // Of several readings of a word, a document gets the best one.
            touched.clear();
            for &(word, weight) in &term.readings {
                for posting in self.postings.of(word) {
                    let score = posting.score * weight;
                    let best = &mut best[posting.document as usize];
                    if *best == 0.0 {
                        touched.push(posting.document);
                    }
                    *best = best.max(score);
                }
            }
            for &document in &touched {
                let document = document as usize;
                scores[document] += best[document];
                covered[document] += term.rarity * (best[document] / term.rarity).min(1.0);
                best[document] = 0.0;
            }
        }
        for (score, covered) in scores.iter_mut().zip(&covered) {
            *score *= 1.0 - COVERAGE + COVERAGE * covered / whole.max(f32::MIN_POSITIVE);
        }
        self.add_names(text, &mut scores);
        let found = (0u32..).zip(scores).filter(|(_, score)| *score > 0.0);
        found.collect()
    }

    /// A tool named in full is the one that is meant.
    fn add_names(&self, text: &str, scores: &mut [f32]) {
        let Some(named) = self.by_name.get(folded(text).as_str()) else {
            return;
        };
        let text = text.trim();
        for &document in named {
            let entry = &self.documents[document as usize];
            let is_exact = text == &*entry.name
                || text.strip_suffix(&*entry.name).is_some_and(|rest| {
                    rest.strip_suffix('.') == Some(&self.servers[entry.server as usize].name)
                });
            scores[document as usize] += if is_exact { 2_000.0 } else { 1_000.0 };
        }
    }

    /// The words of a query, each with what it may mean here.
    fn terms(&self, text: &str) -> Vec<Term> {
        let mut words: Vec<String> = Vec::new();
        of_name(text, |word| {
            if words.len() < MAX_WORDS && !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
            }
        });
        // `on call` may be what a tool calls `oncall`.
        let joined = words.windows(2).map(|pair| pair.concat());
        let joined: Vec<_> = joined
            .filter(|word| self.vocabulary.get(word).is_some())
            .collect();
        words.extend(joined);
        let mut misspelt = 0;
        words
            .iter()
            .filter_map(|word| {
                let mut readings: Vec<(u32, f32)> = Vec::new();
                readings.extend(self.vocabulary.get(word).map(|known| (known, 1.0)));
                let others = synonyms::of(word).filter(|other| other != word);
                readings.extend(
                    others.filter_map(|other| Some((self.vocabulary.get(other)?, SYNONYM))),
                );
                if readings.is_empty() && misspelt < MAX_MISSPELT {
                    misspelt += 1;
                    let count = |word| self.postings.of(word).len();
                    let near = self.vocabulary.readings(word, count);
                    readings.extend(
                        near.into_iter()
                            .map(|reading| (reading.word, reading.weight)),
                    );
                }
                let &(first, _) = readings.first()?;
                let mut rarity = self.postings.rarity(first, self.documents.len());
                if EMPTY_WORDS.contains(&word.as_str()) {
                    rarity *= EMPTY;
                    readings.iter_mut().for_each(|reading| reading.1 *= EMPTY);
                }
                Some(Term { readings, rarity })
            })
            .collect()
    }
}

/// A word of a query.
struct Term {
    /// Words of the vocabulary, and how sure each is.
    readings: Vec<(u32, f32)>,
    /// How much the word says.
    rarity: f32,
}
