//! The one rule that turns names into identifiers.
//!
//! Servers, tools and parameters are named by strangers; programs need
//! identifiers. Everything that shows a name to a program takes it from here,
//! so that stubs, imports, error messages and policies agree.
//!
//! The rule: runs of ASCII letters and digits are the words of a name, and
//! everything else only separates words. A server becomes its words in lower
//! case joined by `_`, a tool becomes `snake_case` in Python and `camelCase`
//! in JavaScript. A name that starts with a digit gets `_` in front, a reserved
//! one gets `_` behind, and so does one that a file cannot have on every disk
//! (`con`, `index` in JavaScript), because tools have files of their names.
//! Where the words do not tell names apart (letters outside ASCII were lost,
//! two tools have the same words or differ in case only, the name is too long)
//! a digest of the raw name is appended.
//!
//! Invariants: the result matches `[A-Za-z_][A-Za-z0-9_]*`, is at most
//! [`MAX_NAME`] bytes long, is no keyword, no dunder name and no name that a
//! language calls by itself (`then`, `constructor`). It depends on the raw
//! names alone, never on their order, so it is the same in every session.

use std::collections::{BTreeMap, BTreeSet};

/// The longest identifier. Longer ones help nobody and bloat every listing.
pub const MAX_NAME: usize = 64;

/// The module that a server is, the same in every language.
///
/// Two servers may map to the same module; [`server_identifiers`] refuses that.
///
/// ```
/// use wasm_coordinator_stubs::names::server_identifier;
/// assert_eq!(server_identifier("my-GitHub"), "my_github");
/// assert_eq!(server_identifier("class"), "class_");
/// assert_eq!(server_identifier("3d"), "_3d");
/// ```
pub fn server_identifier(name: &str) -> String {
    let words: Vec<_> = runs(name).map(str::to_ascii_lowercase).collect();
    finish(name, words.join("_"), "server", |identifier| {
        is_reserved_in_python(identifier)
            || is_reserved_in_javascript(identifier)
            || is_device(identifier)
    })
}

/// The modules of several servers, in the order given.
///
/// # Errors
///
/// Two names that map to the same module: the operator has to rename one,
/// because an import must not depend on which came first.
pub fn server_identifiers<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<String>, Collision> {
    let mut seen = BTreeMap::new();
    names
        .into_iter()
        .map(|name| {
            let identifier = server_identifier(name);
            match seen.insert(identifier.clone(), name) {
                None => Ok(identifier),
                Some(first) => Err(Collision {
                    first: first.to_owned(),
                    second: name.to_owned(),
                    identifier,
                }),
            }
        })
        .collect()
}

/// Two servers that would be the same module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collision {
    /// The server that came first.
    pub first: String,
    /// The other server.
    pub second: String,
    /// The module that both would be.
    pub identifier: String,
}

impl std::fmt::Display for Collision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "servers `{}` and `{}` would both be the module `{}`; rename one of them",
            self.first.escape_debug(),
            self.second.escape_debug(),
            self.identifier
        )
    }
}

impl std::error::Error for Collision {}

/// The names of a tool in programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolNames {
    /// The function in Python.
    pub python: String,
    /// The function in JavaScript and TypeScript.
    pub javascript: String,
}

/// The names of all tools of one server, in the order given. The raw names
/// must differ from each other.
///
/// Where several tools have the same words, the one that is already spelt like
/// the identifier keeps it, and every other gets a digest of its raw name.
///
/// ```
/// use wasm_coordinator_stubs::names::tool_names;
/// let names = tool_names(["list-issues", "then", "getHTTPPage"]);
/// assert_eq!(names[0].python, "list_issues");
/// assert_eq!(names[0].javascript, "listIssues");
/// assert_eq!(names[1].javascript, "then_");
/// assert_eq!(names[2].python, "get_http_page");
/// ```
pub fn tool_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<ToolNames> {
    let raw: Vec<&str> = names.into_iter().collect();
    // Functions have files, and there are disks that do not tell case.
    let python = unique(&raw, python_function, str::to_ascii_lowercase);
    let javascript = unique(&raw, javascript_function, str::to_ascii_lowercase);
    python
        .into_iter()
        .zip(javascript)
        .map(|(python, javascript)| ToolNames { python, javascript })
        .collect()
}

/// The keyword arguments that the parameters of one tool are in Python, in the
/// order given. The raw names must differ from each other.
///
/// A parameter keeps its spelling where Python can take it, because what a
/// model read in a schema is what it will write.
///
/// ```
/// use wasm_coordinator_stubs::names::parameter_identifiers;
/// let names = parameter_identifiers(["issueNumber", "from", "content-type"]);
/// assert_eq!(names, ["issueNumber", "from_", "content_type"]);
/// ```
pub fn parameter_identifiers<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let raw: Vec<&str> = names.into_iter().collect();
    unique(&raw, parameter_identifier, str::to_owned)
}

/// A name reduced to what people remember of it: its letters and digits, in
/// lower case. `list_issues`, `list-issues` and `listIssues` are the same.
pub fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Up to three of `candidates` that `name` may have been meant to be, the
/// closest first. Empty if none is close.
///
/// ```
/// use wasm_coordinator_stubs::names::nearest;
/// let tools = ["list_issues", "get_page", "create_branch"];
/// assert_eq!(nearest("listIssue", tools), ["list_issues"]);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = shortened(name);
    let mut close: Vec<_> = candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter_map(|candidate| Some((remoteness(&wanted, &shortened(candidate))?, candidate)))
        .collect();
    close.sort();
    close.dedup();
    close.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Names compared for one suggestion: a bound on the work of an error message.
const MAX_CANDIDATES: usize = 10_000;

fn python_function(name: &str) -> String {
    let words: Vec<_> = words(name).iter().map(|w| w.to_ascii_lowercase()).collect();
    finish(name, words.join("_"), "tool", |identifier| {
        is_reserved_in_python(identifier) || is_device(identifier)
    })
}

fn javascript_function(name: &str) -> String {
    let mut identifier = String::new();
    for word in words(name) {
        let word = word.to_ascii_lowercase();
        if identifier.is_empty() {
            identifier.push_str(&word);
        } else {
            // `v1_2` and `v12` stay apart.
            if word.starts_with(|c: char| c.is_ascii_digit())
                && identifier.ends_with(|c: char| c.is_ascii_digit())
            {
                identifier.push('_');
            }
            let (first, rest) = word.split_at(1);
            identifier.push_str(&first.to_ascii_uppercase());
            identifier.push_str(rest);
        }
    }
    finish(name, identifier, "tool", |identifier| {
        is_reserved_in_javascript(identifier) || identifier == INDEX || is_device(identifier)
    })
}

fn parameter_identifier(name: &str) -> String {
    let replaced: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    // Dunder names mean something to Python, and a trailing underscore is how
    // a keyword is told apart.
    let trimmed = if replaced.starts_with("__") || !replaced.contains(|c| c != '_') {
        replaced.trim_matches('_').to_owned()
    } else {
        replaced
    };
    finish(name, trimmed, "parameter", is_reserved_in_python)
}

/// Makes an identifier of what the words gave.
fn finish(raw: &str, words: String, kind: &str, is_reserved: impl Fn(&str) -> bool) -> String {
    let mut identifier = words;
    let lost_letters = raw.chars().any(|c| !c.is_ascii() && c.is_alphanumeric());
    if identifier.is_empty() || lost_letters {
        if identifier.is_empty() {
            identifier.push_str(kind);
        }
        return with_digest(&identifier, raw, SHORT_DIGEST);
    }
    if identifier.starts_with(|c: char| c.is_ascii_digit()) {
        identifier.insert(0, '_');
    }
    if is_reserved(&identifier) {
        identifier.push('_');
    }
    if identifier.len() > MAX_NAME {
        return with_digest(&identifier, raw, SHORT_DIGEST);
    }
    identifier
}

/// Gives each name an identifier of its own. Two are the same if their keys are.
fn unique(
    raw: &[&str],
    identifier: impl Fn(&str) -> String,
    key: impl Fn(&str) -> String,
) -> Vec<String> {
    let wanted: Vec<String> = raw.iter().map(|name| identifier(name)).collect();
    let mut groups = BTreeMap::<String, Vec<usize>>::new();
    for (index, identifier) in wanted.iter().enumerate() {
        groups.entry(key(identifier)).or_default().push(index);
    }
    let mut result = wanted.clone();
    let mut taken: BTreeSet<String> = groups.keys().cloned().collect();
    for mut members in groups.into_values() {
        if members.len() == 1 {
            continue;
        }
        members.sort_by_key(|&index| raw[index]);
        // Of several that are spelt like that, the first.
        let keeper = members
            .iter()
            .position(|&index| raw[index] == wanted[index]);
        for (position, index) in members.into_iter().enumerate() {
            if Some(position) == keeper {
                continue;
            }
            let identifier = &wanted[index];
            result[index] = (SHORT_DIGEST..=LONG_DIGEST)
                .map(|digits| with_digest(identifier, raw[index], digits))
                // Only who can choose both names gets this far.
                .chain((2..).map(|n| with_suffix(identifier, &n.to_string())))
                .find(|candidate| !taken.contains(&key(candidate)))
                .expect("the numbers do not end");
            taken.insert(key(&result[index]));
        }
    }
    result
}

/// Digits of a digest where chance alone has to be kept away.
const SHORT_DIGEST: usize = 6;
/// All digits that there are.
const LONG_DIGEST: usize = 16;

fn with_digest(identifier: &str, raw: &str, digits: usize) -> String {
    let digest = digest(raw);
    let identifier = if identifier.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{identifier}")
    } else {
        identifier.to_owned()
    };
    with_suffix(&identifier, &digest[..digits])
}

fn with_suffix(identifier: &str, suffix: &str) -> String {
    // Identifiers are ASCII, so any cut is at a character.
    let room = MAX_NAME - suffix.len() - 1;
    let kept = &identifier[..identifier.len().min(room)];
    format!("{}_{suffix}", kept.trim_end_matches('_'))
}

/// FNV-1a with a final mix, as hexadecimal digits. Stable for ever; not for
/// secrets.
pub(crate) fn digest(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    format!("{:016x}", hash ^ (hash >> 32))
}

/// The runs of ASCII letters and digits.
fn runs(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|run| !run.is_empty())
}

/// The words of a name: runs, split where lower case turns to upper case and
/// before the last capital of an abbreviation (`HTTPPage` is `HTTP`, `Page`).
pub(crate) fn words(name: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for run in runs(name) {
        let bytes = run.as_bytes();
        let mut start = 0;
        for at in 1..bytes.len() {
            let (before, here) = (bytes[at - 1], bytes[at]);
            let after = bytes.get(at + 1);
            let rises = !before.is_ascii_uppercase() && here.is_ascii_uppercase();
            let abbreviation_ends = before.is_ascii_uppercase()
                && here.is_ascii_uppercase()
                && after.is_some_and(u8::is_ascii_lowercase);
            if rises || abbreviation_ends {
                words.push(&run[start..at]);
                start = at;
            }
        }
        words.push(&run[start..]);
    }
    words
}

/// The file that a folder is imported by in JavaScript. Tools have files, too.
const INDEX: &str = "index";

/// Whether Windows takes a file of this name, with any extension, for a device.
fn is_device(identifier: &str) -> bool {
    let name = identifier.to_ascii_lowercase();
    let is_port = |prefix| {
        name.strip_prefix(prefix)
            .is_some_and(|number: &str| number.len() == 1 && number.as_bytes()[0].is_ascii_digit())
    };
    matches!(name.as_str(), "con" | "prn" | "aux" | "nul") || is_port("com") || is_port("lpt")
}

/// Whether the language itself takes the word.
pub(crate) fn is_python_keyword(identifier: &str) -> bool {
    // Keywords in some places only, and a function.
    let is_soft = matches!(identifier, "_" | "case" | "match" | "print" | "type");
    is_reserved_in_python(identifier) && !is_soft
}

fn is_reserved_in_python(identifier: &str) -> bool {
    PYTHON.binary_search(&identifier).is_ok()
}

fn is_reserved_in_javascript(identifier: &str) -> bool {
    JAVASCRIPT.binary_search(&identifier).is_ok()
}

/// Keywords, soft keywords, and `print`, which nobody wants to lose by an
/// import. Sorted.
const PYTHON: &[&str] = &[
    "False", "None", "True", "_", "and", "as", "assert", "async", "await", "break", "case",
    "class", "continue", "def", "del", "elif", "else", "except", "finally", "for", "from",
    "global", "if", "import", "in", "is", "lambda", "match", "nonlocal", "not", "or", "pass",
    "print", "raise", "return", "try", "type", "while", "with", "yield",
];

/// Reserved words of modules, names that cannot be bound there, and what the
/// language looks up on objects by itself: a module with a function `then` is
/// taken for a promise. Sorted.
const JAVASCRIPT: &[&str] = &[
    "Infinity",
    "NaN",
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "constructor",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "hasOwnProperty",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "isPrototypeOf",
    "let",
    "new",
    "null",
    "package",
    "private",
    "propertyIsEnumerable",
    "protected",
    "proto",
    "prototype",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "then",
    "this",
    "throw",
    "toJSON",
    "toJson",
    "toLocaleString",
    "toString",
    "true",
    "try",
    "typeof",
    "undefined",
    "valueOf",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// A folded name, cut so that comparing two takes bounded time.
fn shortened(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(MAX_NAME)
        .collect()
}

/// How far a candidate is from what was wanted, or `None` for too far.
fn remoteness(wanted: &str, candidate: &str) -> Option<usize> {
    if wanted.is_empty() || candidate.is_empty() {
        return None;
    }
    let distance = strsim::osa_distance(wanted, candidate);
    let (wanted_chars, candidate_chars) = (wanted.chars().count(), candidate.chars().count());
    // Any two letters are one edit apart.
    let tolerated = match wanted_chars {
        0..3 => 0,
        long => long / 3,
    };
    if distance <= tolerated {
        return Some(distance);
    }
    // `issues` for `list_issues`: part of the name, but not just a letter.
    let is_part = wanted_chars.min(candidate_chars) >= 3
        && (candidate.contains(wanted) || wanted.contains(candidate));
    is_part.then_some(MAX_NAME + distance)
}

#[cfg(test)]
mod tests;
