//! Finding tools by what they do.
//!
//! An [`Index`] is made once for a list of tools and answers any number of
//! queries. It ranks by BM25F: words in the name of a tool weigh more than
//! words in its description, rare words more than common ones. Typing errors
//! are forgiven in words that occur nowhere.
//!
//! Pure, but for `find`, which asks the toolbox: no lock, no I/O, no clock. All text is a stranger's, queries as well
//! as documents; sizes and work are bounded, and the order of hits depends on
//! the texts alone.

mod build;
mod find;
mod index;
mod synonyms;
#[cfg(test)]
mod tests;
mod vocabulary;
mod words;

pub(crate) use find::ToolIndex;
pub use index::Index;

/// A tool, as far as searching is concerned.
#[derive(Debug, Clone, Default)]
pub struct Document<'a> {
    /// The name of its server in the configuration.
    pub server: &'a str,
    /// The module name of the server.
    pub identifier: &'a str,
    /// The name that the server gave the tool.
    pub name: &'a str,
    /// Its title for people.
    pub title: &'a str,
    /// What the server says about it.
    pub description: &'a str,
    /// Its parameters: names and descriptions.
    pub parameters: Vec<(&'a str, &'a str)>,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Words in any order, or the name of a tool. Nothing lists all tools.
    pub text: &'a str,
    /// Only tools of this server, by name or identifier in any spelling.
    pub server: Option<&'a str>,
    /// How many hits at most; at least 1, at most [`MAX_HITS`].
    pub limit: usize,
}

/// The most hits of one query.
pub const MAX_HITS: usize = 100;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The best first; where they are equally good, and for an empty query, in
    /// the order of the documents.
    pub hits: Vec<Hit>,
    /// How many there are without the limit.
    pub total: usize,
}

/// A tool that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Its place among the documents.
    pub document: usize,
    /// How well it fits; comparable within one answer only. 0 in a list.
    pub score: f32,
}
