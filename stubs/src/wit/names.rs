//! The rule that turns names into WIT names.
//!
//! Built on [`crate::names`]: the words of a name in lower case, joined by
//! `-`. Every word must start with a letter for all tools to take it, so one
//! that starts with a digit is joined to the word before it, and a first one
//! gets `n` in front. Where words do not tell names apart, or letters outside
//! ASCII were lost, or the name is too long, a digest is appended. Keywords are
//! written with `%`; they need no other name.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{MAX_NAME, digest, words};

/// Digits of a digest.
const DIGEST: usize = 6;

/// The WIT name of an identifier or of any text; `kind` stands for a text
/// without words.
pub fn kebab(raw: &str, kind: &str) -> String {
    // Longer names are cut anyway.
    let start = &raw[..raw.floor_char_boundary(8 * MAX_NAME)];
    let name = joined(start);
    let lost_letters = raw.chars().any(|c| !c.is_ascii() && c.is_alphanumeric());
    if name.is_empty() {
        return with_digest(kind, raw);
    }
    if lost_letters || name.len() > MAX_NAME || start.len() < raw.len() {
        with_digest(&name, raw)
    } else {
        name
    }
}

/// Names of which none is taken twice.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn with(taken: &[&str]) -> Self {
        Self(taken.iter().map(|&name| name.to_owned()).collect())
    }

    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Takes a name, or one with a digest of what it is for.
    pub(super) fn take(&mut self, name: String, what: &str) -> String {
        let name = std::iter::once(name.clone())
            .chain(std::iter::once_with(|| with_digest(&name, what)))
            .chain((2..).map(|n| with_suffix(&name, &format!("n{n}"))))
            .find(|name| !self.is_taken(name))
            .expect("the numbers do not end");
        self.0.insert(name.clone());
        name
    }
}

/// The names of several things, in the order given. What is spelt like its
/// name keeps it, whatever comes before.
pub(super) fn unique<'a>(
    raw: impl Iterator<Item = &'a str> + Clone,
    kind: &str,
    taken: &mut Names,
) -> Vec<String> {
    let wanted: Vec<String> = raw.clone().map(|raw| kebab(raw, kind)).collect();
    let mut groups = BTreeMap::<&str, u32>::new();
    for name in &wanted {
        *groups.entry(name).or_default() += 1;
    }
    let mut names = vec![None; wanted.len()];
    for is_turn_of_own in [true, false] {
        for ((raw, wanted), name) in raw.clone().zip(&wanted).zip(&mut names) {
            let is_own = groups[wanted.as_str()] == 1 || raw.replace('_', "-") == *wanted;
            *name = match (name.take(), is_turn_of_own) {
                (None, true) if is_own && !taken.is_taken(wanted) => {
                    Some(taken.take(wanted.clone(), raw))
                }
                (None, false) => Some(taken.take(with_digest(wanted, raw), raw)),
                (known, _) => known,
            };
        }
    }
    names.into_iter().flatten().collect()
}

/// A name as it is written in WIT.
pub(super) fn written(name: &str) -> String {
    match KEYWORDS.binary_search(&name) {
        Ok(_) => format!("%{name}"),
        Err(_) => name.to_owned(),
    }
}

fn joined(raw: &str) -> String {
    let mut name = String::new();
    for word in words(raw) {
        let starts_with_digit = word.starts_with(|c: char| c.is_ascii_digit());
        match (name.is_empty(), starts_with_digit) {
            (true, true) => name.push('n'),
            (false, false) => name.push('-'),
            _ => {}
        }
        name.push_str(&word.to_ascii_lowercase());
    }
    name
}

fn with_digest(name: &str, raw: &str) -> String {
    // A letter in front: a word may not start with a digit.
    with_suffix(name, &format!("x{}", &digest(raw)[..DIGEST]))
}

fn with_suffix(name: &str, suffix: &str) -> String {
    let room = MAX_NAME - suffix.len() - 1;
    let kept = &name[..name.len().min(room)];
    format!("{}-{suffix}", kept.trim_end_matches('-'))
}

/// All words that WIT keeps for itself, those of coming versions too. Sorted.
const KEYWORDS: &[&str] = &[
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_joined_by_dashes() {
        for (raw, name) in [
            ("list_issues", "list-issues"),
            ("issueNumber", "issue-number"),
            ("getHTTPPage", "get-http-page"),
            ("v1_2", "v12"),
            ("3d", "n3d"),
            ("3", "n3"),
            ("_3d", "n3d"),
            ("from", "from"),
            ("a--b", "a-b"),
        ] {
            assert_eq!(kebab(raw, "value"), name);
        }
        assert!(kebab("", "value").starts_with("value-x"));
        assert!(
            kebab("größe", "value").starts_with("gr-e-x"),
            "{}",
            kebab("größe", "value")
        );
        assert_eq!(kebab(&"a".repeat(1000), "value").len(), MAX_NAME);
        assert_ne!(
            kebab(&"a".repeat(1000), "value"),
            kebab(&"a".repeat(1001), "value")
        );
    }

    #[test]
    fn names_differ_and_do_not_depend_on_their_order() {
        let names = |raw: &[&str]| unique(raw.iter().copied(), "value", &mut Names::default());
        let forward = names(&["a.b", "a_b", "A-B"]);
        let mut backward = names(&["A-B", "a_b", "a.b"]);
        backward.reverse();
        assert_eq!(forward[1], "a-b");
        assert!(forward[0].starts_with("a-b-x") && forward[2].starts_with("a-b-x"));
        assert_eq!(forward, backward);
    }

    #[test]
    fn keywords_are_escaped() {
        assert!(KEYWORDS.is_sorted());
        assert_eq!(written("type"), "%type");
        assert_eq!(written("types"), "types");
    }
}
