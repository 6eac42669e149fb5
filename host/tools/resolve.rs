//! Which tool a program means.
//!
//! Models write what they have seen elsewhere: `server.tool`, `server__tool`,
//! `mcp__server__tool`, `server/tool`, names with dashes or in camel case, or
//! the tool alone. All of it is understood as long as it means one tool. What
//! is not understood gets the closest names as an answer.
//!
//! A text with a server and a tool in it means that server. If there is none,
//! it is never taken for the name of another server's tool: who allows or
//! denies `github.*` must be able to rely on what `github.create_issue` means.

use std::sync::Arc;

use futures_util::future::join_all;
use stubs::names::{folded, nearest};

use crate::{Toolbox, catalog::Catalog, policy::Grants, server::Server};
use contract::message::{CallError, CallErrorKind};
use contract::text::{and_list, or_list, quoted};

/// Bytes of a text that can name a tool.
pub(crate) const MAX_TOOL_NAME: usize = 1_000;

/// Between server and tool.
const SEPARATORS: &[&str] = &[".", "__", "/", ":"];

/// A tool that was found.
pub(super) struct Found<'t> {
    pub(super) server: &'t Server,
    pub(super) catalog: Arc<Catalog>,
    pub(super) tool: usize,
}

impl Toolbox {
    /// Finds the tool, starting servers where that is needed to know. Servers
    /// of which nothing is granted are never started.
    pub(super) async fn resolve(
        &self,
        written: &str,
        grants: &Grants,
    ) -> Result<Found<'_>, CallError> {
        let written = written.trim();
        if written.is_empty() || written.len() > MAX_TOOL_NAME {
            let message = "the name of a tool is `server.tool`".to_owned();
            return Err(self.error(unknown(&[""; 0]), "", message));
        }
        let readings = self.readings(written);
        for &(server, tool) in &readings {
            server.check(tool, grants)?;
            let catalog = server.catalog(tool).await?;
            if let Some(tool) = catalog.find(tool) {
                return Ok(Found {
                    server,
                    catalog,
                    tool,
                });
            }
        }
        match readings.first() {
            Some(&(server, tool)) => Err(server.no_such_tool(tool, grants).await),
            None => self.resolve_bare(written, grants).await,
        }
    }

    /// A server, by any of its names.
    ///
    /// # Errors
    ///
    /// There is none; the names that come close.
    pub(super) fn find_server(&self, name: &str) -> Result<&Server, CallError> {
        self.server_named(name)
            .ok_or_else(|| self.no_such_server(name))
    }

    pub(super) fn server_named(&self, name: &str) -> Option<&Server> {
        let servers = || self.servers.iter();
        servers()
            .find(|server| server.name() == name)
            .or_else(|| servers().find(|server| server.identifier() == name))
            .or_else(|| {
                let wanted = folded(name);
                let mut same = servers().filter(|server| server.folded == wanted);
                let server = same.next()?;
                (!wanted.is_empty() && same.next().is_none()).then_some(server)
            })
    }

    pub(super) fn no_such_server(&self, name: &str) -> CallError {
        let names: Vec<_> = self.servers.iter().map(Server::name).collect();
        let close = nearest(name, names.iter().copied());
        let name = quoted(name);
        let message = match (close.as_slice(), names.as_slice()) {
            (_, []) => format!("there is no server {name}: no servers are configured"),
            ([], names) => {
                let listed: Vec<_> = names.iter().take(10).map(|name| quoted(name)).collect();
                format!("there is no server {name}; there are {}", listed.join(", "))
            }
            (close, _) => format!(
                "there is no server {name}; did you mean {}?",
                or_list(close)
            ),
        };
        self.error(unknown(&close), "", message)
    }

    /// The ways to read a text as server and tool, exact names of servers before
    /// those that are only similar, so that `git...` is the tool `..` of `git`
    /// and not `.` of what `git..` is similar to. Then the longest server first:
    /// a server's name may contain separators too.
    pub(super) fn readings<'w>(&self, written: &'w str) -> Vec<(&Server, &'w str)> {
        let mut readings: Vec<(&Server, &str)> = Vec::new();
        let without_prefix = written.strip_prefix("mcp__");
        for text in [Some(written), without_prefix].into_iter().flatten() {
            let mut splits: Vec<(usize, usize)> = SEPARATORS
                .iter()
                .flat_map(|separator| {
                    text.match_indices(separator)
                        .map(|(at, found)| (at, at + found.len()))
                })
                .filter(|&(end, start)| end > 0 && start < text.len())
                .collect();
            splits.sort_unstable_by(|left, right| right.cmp(left));
            for (end, start) in splits {
                let Some(server) = self.server_named(&text[..end]) else {
                    continue;
                };
                let tool = &text[start..];
                let is_known = |&(known, other): &(&Server, &str)| {
                    std::ptr::eq(known, server) && other == tool
                };
                if !readings.iter().any(is_known) {
                    readings.push((server, tool));
                }
            }
        }
        let is_similar = |&(server, tool): &(&Server, &str)| {
            // Before the tool there is the server, and one separator.
            let before = &written[..written.len() - tool.len()];
            let is_named = |name: &str| {
                let rest = before
                    .strip_prefix("mcp__")
                    .unwrap_or(before)
                    .strip_prefix(name);
                rest.is_some_and(|rest| SEPARATORS.contains(&rest))
            };
            !is_named(server.name()) && !is_named(server.identifier())
        };
        readings.sort_by_key(is_similar);
        readings
    }

    /// A tool without its server. Asks every server that may be used.
    async fn resolve_bare(&self, written: &str, grants: &Grants) -> Result<Found<'_>, CallError> {
        if self.servers.is_empty() {
            return Err(self.no_such_server(written));
        }
        let granted = self
            .servers
            .iter()
            .filter(|server| server.could_be_used(grants));
        let asked = granted.map(|server| async move { (server, server.catalog("").await) });
        let answers = join_all(asked).await;
        let mut found = Vec::new();
        let mut names = Vec::new();
        let mut broken = Vec::new();
        for (server, catalog) in answers {
            let name = server.name();
            let Ok(catalog) = catalog else {
                broken.push(quoted(name));
                continue;
            };
            let granted = catalog.granted(grants);
            names.extend(
                granted
                    .iter()
                    .map(|tool| (format!("{name}.{tool}"), tool.clone())),
            );
            if let Some(tool) = catalog.find(written) {
                found.push(Found {
                    server,
                    catalog,
                    tool,
                });
            }
        }
        let is_qualified = is_qualified(written);
        if found.len() == 1 && !is_qualified {
            return Ok(found.remove(0));
        }
        let ambiguous: Vec<_> = found
            .iter()
            .map(|found| {
                let tool = &found.catalog.tools[found.tool].definition().name;
                format!("{}.{tool}", found.server.name())
            })
            .collect();
        if !ambiguous.is_empty() {
            let message = if is_qualified {
                format!(
                    "no server is meant by {}; did you mean {}?",
                    quoted(written),
                    or_list(&ambiguous)
                )
            } else {
                format!(
                    "several servers have a tool {}; write {}",
                    quoted(written),
                    or_list(&ambiguous)
                )
            };
            let close = &ambiguous[..ambiguous.len().min(3)];
            return Err(self.error(unknown(close), written, message));
        }
        // Compared with and without the server: either part may be misspelt.
        let candidates = names
            .iter()
            .flat_map(|(full, tool)| [full.as_str(), tool.as_str()]);
        let mut close: Vec<String> = Vec::new();
        for candidate in nearest(written, candidates) {
            let full = names
                .iter()
                .filter(|(full, tool)| full == candidate || tool == candidate);
            close.extend(full.map(|(full, _)| full.clone()));
        }
        close.dedup();
        close.truncate(3);
        let shown = quoted(written);
        let mut message = if close.is_empty() {
            let servers: Vec<_> = self.servers.iter().map(Server::name).collect();
            format!(
                "there is no tool {shown}; tools are named `server.tool`, and the servers are {}",
                and_list(&servers)
            )
        } else {
            format!(
                "there is no tool {shown}; did you mean {}?",
                or_list(&close)
            )
        };
        if !broken.is_empty() {
            message.push_str(&format!(
                " (not asked, because they cannot be used: {})",
                broken.join(", ")
            ));
        }
        Err(self.error(unknown(&close), written, message))
    }
}

impl Server {
    /// For a tool that there is none of, with the names that come close among
    /// those that are granted.
    pub(super) async fn no_such_tool(&self, tool: &str, grants: &Grants) -> CallError {
        let name = self.name();
        let catalog = match self.catalog(tool).await {
            Ok(catalog) => catalog,
            Err(error) => return error,
        };
        let granted = catalog.granted(grants);
        let close: Vec<_> = nearest(tool, granted.iter().map(|tool| tool.as_str()))
            .into_iter()
            .map(|tool| format!("{name}.{tool}"))
            .collect();
        let shown = quoted(tool);
        let message = if close.is_empty() {
            format!("server `{name}` has no tool {shown}{}", listed(&granted))
        } else {
            format!(
                "server `{name}` has no tool {shown}; did you mean {}?",
                or_list(&close)
            )
        };
        self.error(unknown(&close), tool, message)
    }
}

/// Whether a text has something before and behind a separator.
fn is_qualified(written: &str) -> bool {
    let inside = |separator: &&str| {
        let mut places = written.match_indices(*separator);
        places.any(|(at, found)| at > 0 && at + found.len() < written.len())
    };
    SEPARATORS.iter().any(inside)
}

fn unknown(close: &[impl AsRef<str>]) -> CallErrorKind {
    CallErrorKind::UnknownTool(close.iter().map(|name| name.as_ref().to_owned()).collect())
}

fn listed(tools: &[String]) -> String {
    match tools {
        [] => "; none of its tools may be used".to_owned(),
        tools if tools.len() <= 12 => format!("; it has {}", and_list(tools)),
        tools => format!(
            "; it has {} tools, among them {}",
            tools.len(),
            and_list(&tools[..8])
        ),
    }
}
