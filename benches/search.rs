//! Searching 5,000 tools: making the index, and asking it.
//!
//! `cargo bench --bench search`. The tools are made up, of words that real
//! ones are made of, with as much text as real ones have.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wasm_coordinator_tools::search::{Document, Index, Query};

const TOOLS: usize = 5_000;
const SERVERS: usize = 50;

const VERBS: &[&str] = &[
    "create", "list", "get", "update", "delete", "search", "archive", "restore", "assign", "merge",
    "export", "import", "validate", "publish", "cancel", "schedule", "copy", "move", "rename",
    "describe",
];
const NOUNS: &[&str] = &[
    "issue",
    "pull_request",
    "branch",
    "comment",
    "label",
    "milestone",
    "user",
    "team",
    "project",
    "board",
    "card",
    "checklist",
    "message",
    "channel",
    "thread",
    "invoice",
    "customer",
    "payment",
    "subscription",
    "refund",
    "database",
    "table",
    "record",
    "index",
    "query",
    "dashboard",
    "monitor",
    "alert",
    "incident",
    "deployment",
    "pod",
    "namespace",
    "secret",
    "volume",
    "certificate",
    "domain",
    "dns_record",
    "mailbox",
    "email",
    "attachment",
    "calendar",
    "event",
    "reminder",
    "document",
    "page",
    "block",
    "file",
    "folder",
    "permission",
    "webhook",
];
const PROSE: &[&str] = &[
    "the",
    "a",
    "of",
    "and",
    "with",
    "by",
    "returns",
    "identifier",
    "optional",
    "filter",
    "results",
    "matching",
    "specified",
    "workspace",
    "current",
    "only",
    "sorted",
    "date",
    "number",
    "maximum",
    "page",
    "cursor",
    "when",
    "given",
    "existing",
    "name",
    "text",
    "format",
    "must",
    "be",
    "used",
    "before",
    "after",
    "this",
    "tool",
    "details",
    "including",
    "its",
    "status",
    "owner",
    "time",
    "zone",
    "default",
    "value",
    "true",
    "false",
];

/// A tool as a server would describe it: some 1,000 bytes of text.
struct Tool {
    server: String,
    name: String,
    description: String,
    parameters: Vec<(String, String)>,
}

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// Mostly common words, now and then one that nobody else has.
    fn sentence(&mut self, words: usize) -> String {
        let words: Vec<_> = (0..words)
            .map(|_| match self.below(12) {
                0 => format!("w{}", self.below(10_000)),
                1..4 => self.one(NOUNS).replace('_', " "),
                4 => self.one(VERBS).to_owned(),
                _ => self.one(PROSE).to_owned(),
            })
            .collect();
        words.join(" ") + ". "
    }
}

fn tools() -> Vec<Tool> {
    let mut numbers = Numbers(1);
    (0..TOOLS)
        .map(|number| {
            let (verb, noun) = (numbers.one(VERBS), numbers.one(NOUNS));
            let sentences = 1 + numbers.below(6);
            let parameters = 1 + numbers.below(8);
            Tool {
                server: format!("server{}", number % SERVERS),
                name: format!("{verb}_{noun}_{}", numbers.one(NOUNS)),
                description: (0..sentences).map(|_| numbers.sentence(16)).collect(),
                parameters: (0..parameters)
                    .map(|_| (format!("{}_id", numbers.one(NOUNS)), numbers.sentence(12)))
                    .collect(),
            }
        })
        .collect()
}

fn documents(tools: &[Tool]) -> impl Iterator<Item = Document<'_>> {
    tools.iter().map(|tool| Document {
        server: &tool.server,
        identifier: &tool.server,
        name: &tool.name,
        title: "",
        description: &tool.description,
        parameters: tool
            .parameters
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect(),
    })
}

fn search(criterion: &mut Criterion) {
    let tools = tools();
    let mut group = criterion.benchmark_group("search_5000_tools");
    group.sample_size(20);
    group.bench_function("index", |bencher| {
        bencher.iter(|| Index::new(documents(black_box(&tools))))
    });
    let index = Index::new(documents(&tools));
    for (name, text) in [
        ("one_word", "invoice"),
        (
            "sentence",
            "create a new comment on a pull request of the current project",
        ),
        ("misspelt", "creat calender evnet reminderr"),
        ("nothing_like_it", "zzyzx qwertyuiop asdfghjkl"),
        (
            "longest",
            &"issue pull comment label custmer paymnt refnd dashbord "[..].repeat(20),
        ),
        ("empty", ""),
    ] {
        let query = Query {
            text,
            server: None,
            limit: 10,
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| index.search(black_box(&query)))
        });
    }
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
