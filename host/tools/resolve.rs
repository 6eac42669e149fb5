//! Which tool a program means.
//!
//! Models write what they have seen elsewhere: `server.tool`, `server__tool`,
//! `mcp__server__tool`, `server/tool`, names with dashes or in camel case, or
//! the tool alone. All of it is understood as long as it means one tool. What
//! is not understood gets the closest names as an answer.

use std::sync::Arc;

use futures_util::future::join_all;
use stubs::names::{folded, nearest};

use super::{Toolbox, catalog::Catalog, grants::Grants};
use contract::message::{CallError, CallErrorKind};

/// The longest text that can name a tool.
const LONGEST: usize = 1_000;

/// Between server and tool.
const SEPARATORS: &[&str] = &[".", "__", "/", ":"];

/// A tool that was found.
pub(super) struct Found {
    pub(super) server: usize,
    pub(super) catalog: Arc<Catalog>,
    pub(super) tool: usize,
}

impl Toolbox {
    /// Finds the tool, starting servers where that is needed to know. Servers
    /// of which nothing is granted are never started.
    pub(super) async fn resolve(&self, written: &str, grants: &Grants) -> Result<Found, CallError> {
        let written = written.trim();
        if written.is_empty() || written.len() > LONGEST {
            let message = "the name of a tool is `server.tool`".to_owned();
            return Err(self.error(unknown(&[""; 0]), "", "", message));
        }
        let readings = self.readings(written);
        for &(server, tool) in &readings {
            self.check_server(server, tool, grants)?;
            let catalog = self.catalog(server, tool).await?;
            if let Some(tool) = catalog.find(tool) {
                return Ok(Found {
                    server,
                    catalog,
                    tool,
                });
            }
        }
        match readings.first() {
            Some(&(server, tool)) => Err(self.no_such_tool(server, tool, grants).await),
            None => self.resolve_bare(written, grants).await,
        }
    }

    /// A server, by any of its names.
    pub(super) fn find_server(&self, name: &str) -> Option<usize> {
        let exact = |known: &super::Known| known.server.name == name;
        let identifier = |known: &super::Known| known.server.identifier == name;
        let servers = &self.servers;
        servers
            .iter()
            .position(exact)
            .or_else(|| servers.iter().position(identifier))
            .or_else(|| {
                let wanted = folded(name);
                let is_same = |(_, known): &(usize, &super::Known)| known.folded == wanted;
                let mut same = servers.iter().enumerate().filter(is_same);
                let (index, _) = same.next()?;
                (!wanted.is_empty() && same.next().is_none()).then_some(index)
            })
    }

    pub(super) fn no_such_server(&self, name: &str) -> CallError {
        let names: Vec<_> = self
            .servers
            .iter()
            .map(|known| known.server.name.as_str())
            .collect();
        let close = nearest(name, names.iter().copied());
        let name = shown(name);
        let message = match (close.as_slice(), names.as_slice()) {
            (_, []) => format!("there is no server `{name}`: no servers are configured"),
            ([], names) => {
                let listed: Vec<_> = names
                    .iter()
                    .take(10)
                    .map(|name| format!("`{name}`"))
                    .collect();
                format!(
                    "there is no server `{name}`; there are {}",
                    listed.join(", ")
                )
            }
            (close, _) => format!("there is no server `{name}`; did you mean {}?", or(close)),
        };
        self.error(unknown(&close), "", "", message)
    }

    /// The ways to read a text as server and tool, exact names of servers before
    /// those that are only similar, so that `git...` is the tool `..` of `git`
    /// and not `.` of what `git..` is similar to. Then the longest server first:
    /// a server's name may contain separators too.
    pub(super) fn readings<'w>(&self, written: &'w str) -> Vec<(usize, &'w str)> {
        let mut readings = Vec::new();
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
                let reading = self
                    .find_server(&text[..end])
                    .map(|server| (server, &text[start..]));
                readings.extend(reading.filter(|reading| !readings.contains(reading)));
            }
        }
        let is_similar = |&(server, tool): &(usize, &str)| {
            let known = &self.servers[server].server;
            // Before the tool there is the server, and one separator.
            let before = &written[..written.len() - tool.len()];
            let is_named = |name: &String| {
                let rest = before
                    .strip_prefix("mcp__")
                    .unwrap_or(before)
                    .strip_prefix(name.as_str());
                rest.is_some_and(|rest| SEPARATORS.contains(&rest))
            };
            !is_named(&known.name) && !is_named(&known.identifier)
        };
        readings.sort_by_key(is_similar);
        readings
    }

    pub(super) async fn no_such_tool(
        &self,
        server: usize,
        tool: &str,
        grants: &Grants,
    ) -> CallError {
        let name = &self.servers[server].server.name;
        let catalog = match self.catalog(server, tool).await {
            Ok(catalog) => catalog,
            Err(error) => return error,
        };
        let granted = self.granted(server, &catalog, grants);
        let close: Vec<_> = nearest(tool, granted.iter().map(|tool| tool.as_str()))
            .into_iter()
            .map(|tool| format!("{name}.{tool}"))
            .collect();
        let tool = shown(tool);
        let message = match close.is_empty() {
            true => format!("server `{name}` has no tool `{tool}`{}", listed(&granted)),
            false => format!(
                "server `{name}` has no tool `{tool}`; did you mean {}?",
                or(&close)
            ),
        };
        self.error(unknown(&close), name, &tool, message)
    }

    /// A tool without its server. Asks every server that may be used.
    async fn resolve_bare(&self, written: &str, grants: &Grants) -> Result<Found, CallError> {
        if self.servers.is_empty() {
            return Err(self.no_such_server(written));
        }
        let granted = (0..self.servers.len()).filter(|&server| {
            let known = &self.servers[server].server;
            grants.could_allow(&known.name, &known.identifier)
        });
        let asked = granted.map(|server| async move { (server, self.catalog(server, "").await) });
        let answers = join_all(asked).await;
        let mut found = Vec::new();
        let mut names = Vec::new();
        let mut broken = Vec::new();
        for (server, catalog) in answers {
            let name = &self.servers[server].server.name;
            let Ok(catalog) = catalog else {
                broken.push(format!("`{name}`"));
                continue;
            };
            let granted = self.granted(server, &catalog, grants);
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
        if found.len() == 1 {
            return Ok(found.remove(0));
        }
        let ambiguous: Vec<_> = found
            .iter()
            .map(|found| {
                let tool = &found.catalog.tools[found.tool].definition().name;
                format!("{}.{tool}", self.servers[found.server].server.name)
            })
            .collect();
        if !ambiguous.is_empty() {
            let message = format!(
                "several servers have a tool `{}`; write {}",
                shown(written),
                or(&ambiguous)
            );
            let close = &ambiguous[..ambiguous.len().min(3)];
            return Err(self.error(unknown(close), "", written, message));
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
        let written = shown(written);
        let mut message = match close.is_empty() {
            true => {
                let servers: Vec<_> = self
                    .servers
                    .iter()
                    .map(|known| known.server.name.clone())
                    .collect();
                format!(
                    "there is no tool `{written}`; tools are named `server.tool`, and the servers are {}",
                    and(&servers)
                )
            }
            false => format!("there is no tool `{written}`; did you mean {}?", or(&close)),
        };
        if !broken.is_empty() {
            message.push_str(&format!(
                " (not asked, because they cannot be used: {})",
                broken.join(", ")
            ));
        }
        Err(self.error(unknown(&close), "", &written, message))
    }

    /// The raw names of the tools of a server that may be called.
    fn granted(&self, server: usize, catalog: &Catalog, grants: &Grants) -> Vec<String> {
        let is_granted = |tool: &&super::catalog::Tool| self.decide(server, tool, grants).is_ok();
        let tools = catalog.tools.iter().filter(is_granted);
        tools.map(|tool| tool.definition().name.clone()).collect()
    }
}

fn unknown(close: &[impl AsRef<str>]) -> CallErrorKind {
    CallErrorKind::UnknownTool(close.iter().map(|name| name.as_ref().to_owned()).collect())
}

fn listed(tools: &[String]) -> String {
    match tools {
        [] => "; none of its tools may be used".to_owned(),
        tools if tools.len() <= 12 => format!("; it has {}", and(tools)),
        tools => format!(
            "; it has {} tools, among them {}",
            tools.len(),
            and(&tools[..8])
        ),
    }
}

pub(super) fn or(names: &[impl AsRef<str>]) -> String {
    joined(names, " or ")
}

pub(super) fn and(names: &[impl AsRef<str>]) -> String {
    joined(names, " and ")
}

fn joined(names: &[impl AsRef<str>], last: &str) -> String {
    let quoted: Vec<_> = names
        .iter()
        .map(|name| format!("`{}`", shown(name.as_ref())))
        .collect();
    match quoted.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, start)) => format!("{}{last}{end}", start.join(", ")),
        None => String::new(),
    }
}

/// A name of a stranger in a sentence.
pub(super) fn shown(name: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    name.chars().take(100).map(plain).collect()
}
