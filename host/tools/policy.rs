//! Which tools a program may call, and which of them only after somebody agreed.
//!
//! [`Grants::decide`] is the one function that decides, and every route to a
//! tool passes through it: calls, listings, suggestions. It is pure. Nothing a
//! program or a server sends can widen what it was built with: what a server
//! says about a tool can only make a call that was allowed a call to be asked
//! about.

use contract::hint::Hint;
use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

/// A policy on tools: glob patterns on `server.tool`.
///
/// What is denied stays denied. What matches `ask` is called after somebody
/// agreed. What matches `allow` is called. By default everything that is
/// configured is allowed, but tools whose servers say that they destroy
/// something (`destructiveHint`) are asked about. What matches `trust` is not
/// asked about, whatever the other reasons are; it grants nothing that is not
/// allowed. A pattern may use the raw names or the identifiers that programs
/// see.
///
/// # Examples
///
/// ```
/// use wasm_coordinator_tools::Grants;
///
/// let grants = Grants::new(["github.*", "*.list_*"], ["github.delete_*"])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// `None` allows everything, as far as the servers call it harmless.
    allow: Option<Vec<Pattern>>,
    ask: Vec<Pattern>,
    trust: Vec<Pattern>,
    deny: Vec<Pattern>,
}

impl Grants {
    /// Grants what matches `allow`, without asking, except what matches `deny`.
    /// An empty `allow` grants nothing.
    ///
    /// # Errors
    ///
    /// A text that is no pattern.
    pub fn new(
        allow: impl IntoIterator<Item: AsRef<str>>,
        deny: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<Self, BadPattern> {
        Ok(Self {
            allow: Some(Pattern::all(allow)?),
            ask: Vec::new(),
            trust: Vec::new(),
            deny: Pattern::all(deny)?,
        })
    }

    /// Grants everything as by default, except what matches `deny`.
    ///
    /// # Errors
    ///
    /// A text that is no pattern.
    pub fn all_but(deny: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, BadPattern> {
        Ok(Self {
            deny: Pattern::all(deny)?,
            ..Self::default()
        })
    }

    /// The same, but what matches `ask` is asked about, allowed or not.
    ///
    /// # Errors
    ///
    /// A text that is no pattern.
    pub fn asking(mut self, ask: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, BadPattern> {
        self.ask = Pattern::all(ask)?;
        Ok(self)
    }

    /// The same, but nobody is asked about what matches `trust`. Nothing else
    /// changes: what is denied stays denied, and what is allowed stays allowed.
    ///
    /// # Errors
    ///
    /// A text that is no pattern.
    pub fn trusting(
        mut self,
        trust: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<Self, BadPattern> {
        self.trust = Pattern::all(trust)?;
        Ok(self)
    }

    /// Decides about one tool.
    pub(super) fn decide(&self, tool: &Target<'_>) -> Result<Permission, Denial> {
        let find = |patterns: &[Pattern]| {
            let pattern = patterns.iter().find(|pattern| pattern.matches(tool));
            pattern.map(|pattern| pattern.text.clone())
        };
        let denial = |denied_by| Denial {
            tool: tool.written(),
            denied_by,
        };
        if let Some(pattern) = find(&self.deny) {
            return Err(denial(Some(pattern)));
        }
        let asked = |why: String| {
            if find(&self.trust).is_some() {
                Permission::Granted
            } else {
                Permission::Ask(why)
            }
        };
        if let Some(pattern) = find(&self.ask) {
            return Ok(asked(format!(
                "it matches the pattern `{pattern}` of `tools.ask`"
            )));
        }
        match &self.allow {
            Some(allow) if find(allow).is_some() => Ok(Permission::Granted),
            Some(_) => Err(denial(None)),
            None if tool.is_destructive => Ok(asked(
                "its server says that it may destroy something".to_owned(),
            )),
            None => Ok(Permission::Granted),
        }
    }

    /// Whether some tool of a server could be allowed. If not, there is no
    /// reason to start it.
    pub(super) fn could_allow(&self, server: &str, identifier: &str) -> bool {
        let names = [server, identifier].map(|name| format!("{name}."));
        let is_denied = |pattern: &Pattern| {
            let (start, rest) = pattern.literal_start();
            pattern.text == "*.*" || rest == "*" && names.iter().any(|name| name.starts_with(start))
        };
        let is_possible = |pattern: &Pattern| {
            let (start, rest) = pattern.literal_start();
            names
                .iter()
                .any(|name| start.starts_with(name) || !rest.is_empty() && name.starts_with(start))
        };
        let allow = self.allow.iter().flatten();
        !self.deny.iter().any(is_denied)
            && (self.allow.is_none() || allow.chain(&self.ask).any(is_possible))
    }
}

/// How a tool may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Permission {
    /// At once.
    Granted,
    /// After somebody agreed; why that is so.
    Ask(String),
}

/// A tool with all its names.
pub(super) struct Target<'a> {
    pub(super) server: &'a str,
    pub(super) server_identifier: &'a str,
    pub(super) tool: &'a str,
    pub(super) python: &'a str,
    pub(super) javascript: &'a str,
    /// Whether its server says that it may destroy something.
    pub(super) is_destructive: bool,
}

impl Target<'_> {
    fn written(&self) -> String {
        format!("{}.{}", self.server, self.tool)
    }
}

#[derive(Clone)]
struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl Pattern {
    fn new(text: &str) -> Result<Self, BadPattern> {
        let glob = GlobBuilder::new(text)
            .literal_separator(false)
            .backslash_escape(true)
            .build()
            .map_err(|error| BadPattern {
                pattern: text.to_owned(),
                why: error.kind().to_string(),
            })?;
        Ok(Self {
            text: text.to_owned(),
            matcher: glob.compile_matcher(),
        })
    }

    fn all(texts: impl IntoIterator<Item: AsRef<str>>) -> Result<Vec<Self>, BadPattern> {
        texts
            .into_iter()
            .map(|text| Self::new(text.as_ref()))
            .collect()
    }

    fn matches(&self, target: &Target<'_>) -> bool {
        if self.text == "*" {
            return true;
        }
        let tools = [target.tool, target.python, target.javascript];
        let servers = if target.server == target.server_identifier {
            &[target.server][..]
        } else {
            &[target.server, target.server_identifier][..]
        };
        let mut name = String::new();
        servers.iter().any(|server| {
            tools.iter().any(|tool| {
                name.clear();
                name.push_str(server);
                name.push('.');
                name.push_str(tool);
                self.matcher.is_match(&name)
            })
        })
    }

    /// What every name begins with that it matches, and the rest of the pattern.
    fn literal_start(&self) -> (&str, &str) {
        let special = ['*', '?', '[', ']', '{', '}', '\\'];
        let end = self.text.find(special).unwrap_or(self.text.len());
        self.text.split_at(end)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{pattern}` is not a pattern for tools: {why}; patterns look like `github.*` or `*.list_*`"
)]
pub struct BadPattern {
    pattern: String,
    why: String,
}

/// A tool that may not be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    tool: String,
    denied_by: Option<String>,
}

impl Denial {
    /// The tool, as `server.tool`.
    pub(super) fn tool(&self) -> &str {
        &self.tool
    }

    /// The pattern that denies it; `None` if nothing allows it.
    pub(super) fn pattern(&self) -> Option<&str> {
        self.denied_by.as_deref()
    }

    /// What would allow it.
    pub(super) fn hint(&self) -> Hint {
        match &self.denied_by {
            Some(pattern) => Hint::RemoveDenial {
                tool: self.tool.clone(),
                pattern: pattern.clone(),
            },
            None => Hint::AllowTools(vec![self.tool.clone()]),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tool = self.tool.escape_debug();
        match &self.denied_by {
            Some(pattern) => write!(f, "`{tool}` is denied by the pattern `{pattern}`"),
            None => write!(f, "`{tool}` is not among the allowed tools"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target<'a>(server: &'a str, tool: &'a str) -> Target<'a> {
        Target {
            server,
            server_identifier: server,
            tool,
            python: tool,
            javascript: tool,
            is_destructive: false,
        }
    }

    fn is_allowed(allow: &[&str], deny: &[&str], server: &str, tool: &str) -> bool {
        let grants = Grants::new(allow, deny).unwrap();
        grants.decide(&target(server, tool)).is_ok()
    }

    #[test]
    fn everything_is_allowed_by_default_and_nothing_by_an_empty_list() {
        assert!(Grants::default().decide(&target("a", "b")).is_ok());
        assert!(!is_allowed(&[], &[], "a", "b"));
    }

    #[test]
    fn what_is_asked_about_is_never_simply_granted_and_never_asked_if_denied() {
        let decided = |grants: &Grants, is_destructive| {
            let target = Target {
                is_destructive,
                ..target("git", "push")
            };
            match grants.decide(&target) {
                Ok(Permission::Granted) => "granted",
                Ok(Permission::Ask(_)) => "asked",
                Err(_) => "denied",
            }
        };
        let none = [""; 0];
        let trusting = |grants: Grants| grants.trusting(["git.push"]).unwrap();
        for (grants, expected) in [
            (Grants::default(), ["granted", "asked"]),
            (Grants::new(["*"], none).unwrap(), ["granted"; 2]),
            (
                Grants::new(["*"], none).unwrap().asking(["git.*"]).unwrap(),
                ["asked"; 2],
            ),
            (
                Grants::new(none, none)
                    .unwrap()
                    .asking(["git.push"])
                    .unwrap(),
                ["asked"; 2],
            ),
            (
                Grants::all_but(["*.push"]).unwrap().asking(["*"]).unwrap(),
                ["denied"; 2],
            ),
            (Grants::new(none, none).unwrap(), ["denied"; 2]),
            // Trust ends the asking, and does nothing else.
            (trusting(Grants::default()), ["granted"; 2]),
            (
                trusting(Grants::default().asking(["*"]).unwrap()),
                ["granted"; 2],
            ),
            (
                trusting(Grants::new(none, none).unwrap().asking(["git.*"]).unwrap()),
                ["granted"; 2],
            ),
            (trusting(Grants::new(none, none).unwrap()), ["denied"; 2]),
            (trusting(Grants::all_but(["git.*"]).unwrap()), ["denied"; 2]),
        ] {
            let got = [false, true].map(|destructive| decided(&grants, destructive));
            assert_eq!(got, expected, "{grants:?}");
        }
    }

    #[test]
    fn deny_wins_over_allow() {
        assert!(is_allowed(&["git.*"], &["git.push"], "git", "log"));
        assert!(!is_allowed(
            &["git.*", "git.push"],
            &["*.push"],
            "git",
            "push"
        ));
        assert!(!is_allowed(&["git.*"], &[], "time", "now"));
        assert!(!is_allowed(&["git.log"], &[], "git", "log_all"));
    }

    #[test]
    fn patterns_match_raw_names_and_identifiers_alike() {
        let tool = Target {
            server: "git-hub",
            server_identifier: "git_hub",
            tool: "list-issues",
            python: "list_issues",
            javascript: "listIssues",
            is_destructive: false,
        };
        for pattern in [
            "git-hub.list-issues",
            "git_hub.list_*",
            "git_hub.listIssues",
        ] {
            assert!(
                Grants::new(&[pattern], [""; 0])
                    .unwrap()
                    .decide(&tool)
                    .is_ok()
            );
            assert!(
                Grants::new(&["*"], &[pattern])
                    .unwrap()
                    .decide(&tool)
                    .is_err()
            );
        }
    }

    #[test]
    fn a_denial_says_what_would_allow_the_call() {
        let message = |allow: &[&str], deny: &[&str]| {
            let grants = Grants::new(allow, deny).unwrap();
            grants
                .decide(&target("git", "push"))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message(&["time.*"], &[]),
            "`git.push` is not among the allowed tools"
        );
        assert_eq!(
            message(&["*"], &["*.push"]),
            "`git.push` is denied by the pattern `*.push`"
        );
    }

    #[test]
    fn a_server_without_any_allowed_tool_is_known_without_its_tools() {
        let could = |allow: &[&str], deny: &[&str]| {
            Grants::new(allow, deny).unwrap().could_allow("git", "git")
        };
        assert!(could(&["*"], &[]));
        assert!(could(&["*.log"], &["git.push"]));
        assert!(could(&["{git,time}.*"], &[]));
        let asking = Grants::new([""; 0], [""; 0]).unwrap();
        assert!(
            asking
                .asking(["git.push"])
                .unwrap()
                .could_allow("git", "git")
        );
        assert!(Grants::default().could_allow("git", "git"));
        assert!(!could(&["time.*"], &[]));
        assert!(!could(&["gitea.*", "git"], &[]));
        assert!(!could(&["*"], &["git.*"]));
        assert!(could(&["*"], &["git.a*"]));
        assert!(!could(&[], &[]));
    }

    #[test]
    fn a_server_with_a_dot_in_its_name_is_not_taken_for_another() {
        let could = |allow: &[&str], deny: &[&str], server| {
            Grants::new(allow, deny).unwrap().could_allow(server, "a_b")
        };
        // `*` is also `b.list`.
        assert!(is_allowed(&["a.*"], &[], "a.b", "list"));
        assert!(could(&["a.*"], &[], "a.b"));
        assert!(!could(&["b.*"], &[], "a.b"));
        assert!(!could(&["*"], &["a.*"], "a.b"));
        // A set of characters is no name.
        assert!(is_allowed(&["*"], &["[a].*"], "[a]", "list"));
        assert!(could(&["*"], &["[a].*"], "[a]"));
    }

    #[test]
    fn a_broken_pattern_is_an_error_that_shows_it() {
        let error = Grants::new(&["git.["], [""; 0]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`git.[` is not a pattern for tools: ")
        );
    }
}
