//! The right tool among the first three, over what people really have.

use std::collections::BTreeSet;

use serde_json::Value;
use wasm_coordinator::search::{Document, Index, Query};

use crate::harness::{corpus, questions};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The recorded tools as documents, and their full names.
fn documents() -> (Vec<Document<'static>>, Vec<String>) {
    let mut documents = Vec::new();
    let mut names = Vec::new();
    for recorded in corpus() {
        for tool in &recorded.tools {
            let properties = tool["inputSchema"]["properties"].as_object();
            documents.push(Document {
                server: &recorded.server,
                identifier: &recorded.server,
                name: text(&tool["name"]),
                title: text(&tool["title"]),
                description: text(&tool["description"]),
                parameters: properties
                    .into_iter()
                    .flatten()
                    .map(|(name, schema)| (name.as_str(), text(&schema["description"])))
                    .collect(),
            });
            names.push(format!("{}.{}", recorded.server, text(&tool["name"])));
        }
    }
    (documents, names)
}

/// Of how many questions a way of searching has the answer in its first three.
#[derive(Default)]
struct Figure {
    found: usize,
    asked: usize,
}

impl Figure {
    fn count(&mut self, is_found: bool) {
        self.asked += 1;
        self.found += usize::from(is_found);
    }

    fn share(&self) -> f64 {
        self.found as f64 / self.asked as f64
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} of {} ({:.1} %)",
            self.found,
            self.asked,
            100.0 * self.share()
        )
    }
}

/// What people do without an index: tools whose text has the words of the
/// query, those with the most words first, and of those the ones with more of
/// them in their names.
fn by_substring(documents: &[Document], query: &str, all_words: bool) -> Vec<usize> {
    let query = query.to_lowercase();
    let words: Vec<_> = query.split_whitespace().collect();
    let mut found: Vec<_> = documents
        .iter()
        .enumerate()
        .map(|(number, document)| {
            let name = format!("{}.{}", document.server, document.name).to_lowercase();
            let mut text = format!("{name} {} {}", document.title, document.description);
            for (name, description) in &document.parameters {
                text += &format!(" {name} {description}");
            }
            let text = text.to_lowercase();
            let count = |text: &str| words.iter().filter(|word| text.contains(**word)).count();
            (count(&text), count(&name), number)
        })
        .filter(|(count, ..)| *count > 0 && (!all_words || *count == words.len()))
        .collect();
    found.sort_by_key(|&(count, name, number)| (std::cmp::Reverse((count, name)), number));
    found.into_iter().map(|(.., number)| number).collect()
}

/// The questions were written from lists of names before there was a search.
/// Every third was not looked at while the ranking was tuned.
#[test]
fn the_right_tool_is_among_the_first_three_in_nine_of_ten() {
    let (documents, names) = documents();
    let index = Index::new(documents.iter().cloned());
    let known: BTreeSet<_> = names.iter().collect();
    let [
        mut all,
        mut tuned,
        mut held_out,
        mut all_words,
        mut most_words,
    ] = [(); 5].map(|()| Figure::default());
    for (number, question) in questions().iter().enumerate() {
        // A server that could not be recorded cannot be found either.
        if !question.tools.iter().any(|tool| known.contains(tool)) {
            println!(
                "not asked, its server is not recorded: {:?}",
                question.query
            );
            continue;
        }
        let is_answer = |document: &usize| question.tools.contains(&names[*document]);
        let query = Query {
            text: &question.query,
            server: None,
            limit: 10,
        };
        let hits: Vec<_> = index
            .search(&query)
            .hits
            .iter()
            .map(|hit| hit.document)
            .collect();
        let is_found = hits.iter().take(3).any(is_answer);
        all.count(is_found);
        if number % 3 == 2 {
            &mut held_out
        } else {
            &mut tuned
        }
        .count(is_found);
        all_words.count(
            by_substring(&documents, &question.query, true)
                .iter()
                .take(3)
                .any(is_answer),
        );
        most_words.count(
            by_substring(&documents, &question.query, false)
                .iter()
                .take(3)
                .any(is_answer),
        );
        if !is_found {
            let first: Vec<_> = hits.iter().take(3).map(|&hit| &names[hit]).collect();
            let place = hits.iter().position(is_answer).map(|place| place + 1);
            println!(
                "missed: {:?}\n  wanted {:?}, at {place:?}\n  found {first:?}",
                question.query, question.tools
            );
        }
    }
    println!(
        "the right tool is among the first three, over {} tools:",
        names.len()
    );
    println!("  search: {all}; {tuned} of those it was tuned with, {held_out} of the others");
    println!("  every word as a substring: {all_words}");
    println!("  most words as substrings, names first: {most_words}");
    assert!(all.asked >= 60, "{}", all.asked);
    assert!(all.share() >= 0.9, "{all}");
}

#[test]
fn every_recorded_tool_is_found_first_by_its_own_name() {
    let (documents, names) = documents();
    let index = Index::new(documents.iter().cloned());
    for (number, name) in names.iter().enumerate() {
        let found = index.search(&Query {
            text: name,
            server: None,
            limit: 1,
        });
        assert_eq!(names[found.hits[0].document], *name);
        let server = Some(documents[number].server);
        let found = index.search(&Query {
            text: documents[number].name,
            server,
            limit: 1,
        });
        assert_eq!(found.hits[0].document, number, "{name}");
    }
}

#[test]
fn every_question_names_tools_that_exist() {
    let (_, names) = documents();
    let servers: BTreeSet<_> = corpus()
        .iter()
        .map(|recorded| recorded.server.as_str())
        .collect();
    let mut answered = BTreeSet::new();
    for question in questions() {
        for tool in &question.tools {
            let (server, _) = tool.split_once('.').expect("server.tool");
            answered.insert(server.to_owned());
            assert!(
                !servers.contains(server) || names.contains(tool),
                "{:?}: {tool}",
                question.query
            );
        }
    }
    let missing: Vec<_> = servers
        .iter()
        .filter(|server| !answered.contains(**server))
        .collect();
    assert!(missing.is_empty(), "no question about {missing:?}");
}
