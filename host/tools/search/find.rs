//! Finding tools by what they do, for programs that know no names.
//!
//! Searches the tools of every server that may be used, and tells only of
//! those that the policy allows. Descriptions and schemas are text of
//! strangers: they are bounded, and passed on as data.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use stubs::names::ToolNames;
use tokio::time::timeout;

use super::{Document, Index};
use crate::{
    Toolbox,
    catalog::{Catalog, Tool},
    lock,
    policy::Grants,
    server::Server,
};
use contract::message::{CallError, Detail};
use contract::text::{cut, quoted};

/// What is read of a query. More words find nothing better.
const MAX_QUERY: usize = 1_000;

/// Tools that one answer can have.
const MAX_FOUND: u32 = 1_000;

/// Bytes of one answer: a program has to read it.
const MAX_ANSWER: usize = 1 << 20;

/// What is told of a parameter's description.
const MAX_PARAMETER: usize = 300;

/// What a brief answer tells of a description.
const MAX_SENTENCE: usize = 200;

/// How long a search in all servers waits for those that start. They go on
/// starting, and a later search finds their tools.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Servers that a message names.
const MAX_NAMED: usize = 10;

impl Toolbox {
    /// Finds tools by what they do, among those that may be called: of one
    /// server, or of all. An empty query lists them. Servers are started where
    /// they have to be, all at once; one that cannot be used is left out.
    ///
    /// `limit` is at least 1 and at most 1,000; other numbers are taken for the
    /// nearest of these. The result is the JSON object that `tools.search` in
    /// `wit/sandbox.wit` describes, at most about 1 MiB of it.
    ///
    /// # Errors
    ///
    /// `server` is given, and there is no such server, nothing of it is
    /// granted, or it cannot be used.
    pub async fn search(
        &self,
        query: &str,
        detail: Detail,
        server: Option<&str>,
        limit: u32,
        grants: &Grants,
    ) -> Result<String, CallError> {
        let query = cut(query, MAX_QUERY);
        let (searched, left_out) = match server {
            Some(name) => {
                let server = self.granted_server(name, grants)?;
                server.catalog("").await?;
                (vec![server], None)
            }
            None => self.all(grants).await,
        };
        let index = self.index();
        let is_allowed = |entry: &&Entry| {
            let tool = entry.tool();
            searched.iter().any(|server| tool.is_of(server)) && tool.permission(grants).is_ok()
        };
        let hits = index.ranking.rank(query);
        let hits = hits.iter().map(|hit| &index.entries[hit.document]);
        let found: Vec<&Entry> = hits.filter(is_allowed).collect();
        let limit = limit.clamp(1, MAX_FOUND) as usize;
        let mut tools = Vec::new();
        let mut room = MAX_ANSWER;
        for tool in found.iter().take(limit).map(|entry| entry.tool()) {
            let Some(server) = searched.iter().find(|server| tool.is_of(server)) else {
                continue;
            };
            let told = server.told(tool, detail);
            match room.checked_sub(told.get().len()) {
                Some(rest) => room = rest,
                None => break,
            }
            tools.push(told);
        }
        let mut messages = Vec::new();
        if found.is_empty() {
            let allowed: Vec<&Entry> = index.entries.iter().filter(is_allowed).collect();
            messages.push(self.what_there_is(query, &allowed));
        }
        let missing = found.len().min(limit) - tools.len();
        if missing > 0 {
            messages.push(format!(
                "{missing} more did not fit into one answer: ask for less detail, or for fewer"
            ));
        }
        messages.extend(left_out);
        let answer = Answer {
            total: found.len(),
            message: (!messages.is_empty()).then(|| messages.join("; ")),
            tools,
        };
        // Maps with text keys and numbers of JSON: nothing that could fail.
        let json = serde_json::to_string(&answer).unwrap_or_default();
        Ok(self.redacted(json))
    }

    /// All servers that can be searched, and a sentence about those that cannot.
    async fn all(&self, grants: &Grants) -> (Vec<&Server>, Option<String>) {
        let granted = self
            .servers
            .iter()
            .filter(|server| server.could_be_used(grants));
        let asked = granted.map(|server| async move {
            if server.is_known_from_before() {
                // It starts meanwhile, and is listed for the next search.
                return (server, Ok(server.client.begin_to_start().is_ok()));
            }
            let catalog = timeout(START_TIMEOUT, server.catalog("")).await;
            let is_usable = match catalog {
                Ok(catalog) => Ok(catalog.is_ok()),
                // What was known long ago is better than nothing.
                Err(_late) if server.known_catalog().is_some() => Ok(true),
                Err(late) => Err(late),
            };
            (server, is_usable)
        });
        let mut searched = Vec::new();
        let mut broken = Vec::new();
        for (server, answer) in join_all(asked).await {
            let name = || quoted(server.name());
            match answer {
                Ok(true) => searched.push(server),
                Ok(false) => broken.push(name()),
                Err(_late) => broken.push(format!("{} (still starting)", name())),
            }
        }
        let sentence = (!broken.is_empty()).then(|| {
            format!(
                "not searched, because they cannot be used: {}",
                listed(&broken)
            )
        });
        (searched, sentence)
    }

    /// The tools of all servers whose listings are known. Made anew when one of
    /// these has changed.
    pub(crate) fn index(&self) -> Arc<ToolIndex> {
        let catalogs: Vec<_> = self.servers.iter().map(Server::known_catalog).collect();
        let mut index = lock(&self.index);
        match &*index {
            Some(index) if index.is_of(&catalogs) => Arc::clone(index),
            _ => Arc::clone(index.insert(Arc::new(ToolIndex::new(catalogs)))),
        }
    }

    /// For a search that found nothing.
    fn what_there_is(&self, query: &str, allowed: &[&Entry]) -> String {
        if self.servers.is_empty() {
            return "no servers are configured".to_owned();
        }
        let count = |server: &Server| {
            let tools = allowed.iter().filter(|entry| entry.tool().is_of(server));
            tools.count()
        };
        let counted: Vec<_> = self
            .servers
            .iter()
            .map(|server| (server, count(server)))
            .filter(|&(_, count)| count > 0)
            .map(|(server, count)| format!("{} ({count})", quoted(server.name())))
            .collect();
        if counted.is_empty() {
            return "there is no tool that may be used".to_owned();
        }
        format!(
            "nothing matches {}; the tools there are: {}; an empty query lists them",
            quoted(query),
            listed(&counted)
        )
    }
}

impl Server {
    /// Everything that is told of one tool, as JSON text.
    pub(crate) fn details(&self, tool: &Tool) -> String {
        let told = self.told(tool, Detail::Full);
        self.redactor.json(told.get().to_owned())
    }

    /// What an answer tells about a tool.
    fn told(&self, tool: &Tool, detail: Detail) -> Box<RawValue> {
        let definition = tool.definition();
        let mut told = Told {
            name: format!("{}.{}", self.name(), definition.name),
            description: self.description(tool),
            details: None,
            input_schema: None,
            output_schema: None,
        };
        match detail {
            Detail::Brief => told.description = first_sentence(&told.description),
            Detail::Full => {
                told.input_schema = Some(&definition.input_schema);
                told.output_schema = definition.output_schema.as_deref();
            }
            Detail::Detailed => {}
        }
        if detail != Detail::Brief {
            let identifier = self.identifier();
            let ToolNames { python, javascript } = &tool.names;
            told.details = Some(Details {
                file: format!("/servers/{identifier}/{python}.py"),
                python: format!("from servers.{identifier} import {python}"),
                typescript: format!("import {{ {javascript} }} from \"servers/{identifier}\""),
                parameters: parameters(tool),
            });
        }
        // Maps with text keys and numbers of JSON: nothing that could fail.
        to_raw_value(&told).unwrap_or_default()
    }
}

fn listed(names: &[String]) -> String {
    let mut text = names[..names.len().min(MAX_NAMED)].join(", ");
    if names.len() > MAX_NAMED {
        text.push_str(&format!(" and {} more", names.len() - MAX_NAMED));
    }
    text
}

#[derive(Serialize)]
struct Answer {
    tools: Vec<Box<RawValue>>,
    total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    name: String,
    description: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_schema: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<&'a serde_json::Value>,
}

#[derive(Serialize)]
struct Details<'a> {
    python: String,
    typescript: String,
    parameters: Vec<Parameter<'a>>,
    file: String,
}

#[derive(Serialize)]
struct Parameter<'a> {
    name: &'a str,
    r#type: &'a str,
    required: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
}

fn parameters(tool: &Tool) -> Vec<Parameter<'_>> {
    let parameters = tool.parameters.iter().map(|parameter| Parameter {
        name: &parameter.name,
        r#type: &parameter.kind,
        required: parameter.required,
        description: plain(&parameter.description, MAX_PARAMETER),
    });
    parameters.collect()
}

/// The first sentence or line of a description.
fn first_sentence(text: &str) -> String {
    let line = text.find("\n\n").map_or(text, |end| &text[..end]);
    let ends = line.match_indices(['.', '!', '?']).find(|&(at, _)| {
        let mut rest = line[at + 1..].chars();
        rest.next().is_some_and(char::is_whitespace) && rest.next().is_some_and(char::is_uppercase)
    });
    let sentence = ends.map_or(line, |(at, _)| &line[..=at]);
    plain(sentence, MAX_SENTENCE)
}

/// Text of a stranger on one line, cut where it is longer than `max_bytes`.
fn plain(text: &str, max_bytes: usize) -> String {
    // Twice: white space is dropped, and little of a long text has to be read.
    let read = cut(text, 2 * max_bytes);
    let mut plain = String::new();
    for word in read.split(|c: char| c.is_whitespace() || c.is_control()) {
        if !plain.is_empty() && !word.is_empty() {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    if plain.len() > max_bytes || read.len() < text.len() {
        plain.truncate(plain.floor_char_boundary(max_bytes));
        plain.push('…');
    }
    plain
}

/// The tools of several listings, prepared to be searched.
pub(crate) struct ToolIndex {
    /// By server; `None` where no listing is known.
    catalogs: Vec<Option<Arc<Catalog>>>,
    entries: Vec<Entry>,
    /// Of the entries, in the same order.
    ranking: Index,
}

/// One tool that can be found.
struct Entry {
    catalog: Arc<Catalog>,
    tool: usize,
}

impl Entry {
    fn tool(&self) -> &Tool {
        &self.catalog.tools[self.tool]
    }

    fn document(&self) -> Document<'_> {
        let tool = self.tool();
        let definition = tool.definition();
        let parameters = tool
            .parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), parameter.description.as_str()));
        Document {
            server: &tool.server.name,
            identifier: &tool.server.identifier,
            name: &definition.name,
            title: &definition.title,
            description: &definition.description,
            parameters: parameters.collect(),
        }
    }
}

impl Tool {
    fn is_of(&self, server: &Server) -> bool {
        Arc::ptr_eq(&self.server, &server.names)
    }
}

impl ToolIndex {
    fn new(catalogs: Vec<Option<Arc<Catalog>>>) -> Self {
        let entries = catalogs.iter().flatten().flat_map(|catalog| {
            let tools = 0..catalog.tools.len();
            tools.map(|tool| Entry {
                catalog: Arc::clone(catalog),
                tool,
            })
        });
        let entries: Vec<Entry> = entries.collect();
        Self {
            ranking: Index::new(entries.iter().map(Entry::document)),
            entries,
            catalogs,
        }
    }

    /// Whether it was made of these listings.
    fn is_of(&self, catalogs: &[Option<Arc<Catalog>>]) -> bool {
        let is_same = |one: &Option<Arc<Catalog>>, other: &Option<Arc<Catalog>>| match (one, other)
        {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        let pairs = self.catalogs.iter().zip(catalogs);
        self.catalogs.len() == catalogs.len()
            && pairs.into_iter().all(|(one, other)| is_same(one, other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_description_is_one_sentence_on_one_line() {
        for (text, expected) in [
            (
                "Lists issues. Needs a token.\n\nArgs: owner",
                "Lists issues.",
            ),
            (
                "Reads a file, e.g. a.txt or b.md, whole",
                "Reads a file, e.g. a.txt or b.md, whole",
            ),
            ("Two\n  lines\tand\u{0} more\n\nrest", "Two lines and more"),
            ("", ""),
            (". ", "."),
        ] {
            assert_eq!(first_sentence(text), expected);
        }
        let long = first_sentence(&"ä".repeat(10_000));
        assert_eq!(long, format!("{}…", "ä".repeat(100)));
    }
}
