//! `servers`: which servers answer, with how many tools, and why not.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use contract::text::visible;
use serde_json::{Value, json};
use wasm_coordinator::{Fault, Listing, ServerState, Toolbox};

use super::failure::Failure;
use super::output;
use super::setup::{self, ConfigFlag};
use super::terminal::Message;

/// List the configured servers: their state, their tools, their errors.
///
/// Starts each of them, and prints a line as each answers. The exit code is 1 if
/// one fails.
#[derive(Args)]
pub(crate) struct Servers {
    #[command(flatten)]
    pub(super) config: ConfigFlag,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Servers {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let configuration = self.config.load(!self.json)?;
        let is_configured = configuration.origin.is_some();
        if !self.json && !is_configured {
            let message = "there is no mcp.json here; the only server is the built-in demo";
            Message::note(message)
                .hint("`wasm-coordinator init` writes a first `mcp.json`, `--config FILE` names another")
                .print();
        }
        let disabled = &configuration.disabled;
        let answers = setup::block_on(async {
            let tools = setup::toolbox(&configuration)?;
            let width = width(&tools, disabled);
            let mut answers = Vec::new();
            {
                let asked = tools.each_listing(|place, listing| {
                    let answer = Answer::of(tools.states().swap_remove(place), listing);
                    // Some take long to start: nobody has to wait for the last.
                    if !self.json {
                        answer.print(width);
                    }
                    answers.push((place, answer));
                });
                tokio::select! {
                    () = asked => {}
                    () = setup::interrupted() => {}
                }
            }
            tools.shutdown().await;
            if !self.json {
                for name in disabled {
                    output::line(format_args!("{name:width$}  disabled"));
                }
            }
            Ok(answers)
        })?;
        let failed = answers.iter().any(|(_, answer)| answer.error.is_some());
        if self.json {
            let mut answers = answers;
            answers.sort_by_key(|(place, _)| *place);
            let servers: Vec<Value> = answers.iter().map(|(_, answer)| answer.json()).collect();
            output::line(json!({ "servers": servers, "disabled": disabled }));
        } else if answers.is_empty() && disabled.is_empty() && is_configured {
            output::line("no servers are configured; mcp.json.example shows how to add some");
        }
        Ok(ExitCode::from(u8::from(failed)))
    }
}

/// The width of the column of names.
fn width(tools: &Toolbox, disabled: &[String]) -> usize {
    let servers = tools.servers();
    let names = servers.iter().map(|server| &server.name);
    let widths = names.chain(disabled).map(|name| name.chars().count());
    widths.max().unwrap_or(0)
}

/// What a server said of itself.
struct Answer {
    name: String,
    transport: &'static str,
    tools: Option<usize>,
    excluded: Vec<String>,
    /// Also those that `excluded` has no room for.
    excluded_count: usize,
    title: Option<String>,
    version: Option<String>,
    protocol: Option<String>,
    error: Option<String>,
}

impl Answer {
    fn of(state: ServerState, listing: Result<Arc<Listing>, Fault>) -> Self {
        Self {
            name: state.name,
            transport: state.transport,
            tools: listing.as_ref().ok().map(|listing| listing.tools.len()),
            excluded: state
                .excluded
                .into_iter()
                .map(|excluded| format!("`{}`: {}", excluded.name.escape_debug(), excluded.reason))
                .collect(),
            excluded_count: state.excluded_count,
            title: state.title,
            version: state.version,
            protocol: state.protocol,
            error: listing
                .err()
                .map(|fault| match (state.error, fault.detail) {
                    (Some(error), _) => error,
                    (None, Some(detail)) => format!("{}: {detail}", fault.message),
                    (None, None) => fault.message,
                }),
        }
    }

    fn state(&self) -> &'static str {
        if self.error.is_some() {
            "failed"
        } else {
            "ready"
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "state": self.state(),
            "transport": self.transport,
            "tools": self.tools,
            "excluded": self.excluded,
            "excluded_count": self.excluded_count,
            "title": self.title,
            "version": self.version,
            "protocol": self.protocol,
            "error": self.error,
        })
    }

    fn print(&self, width: usize) {
        let name = visible(&self.name);
        match &self.error {
            Some(error) => {
                let error = visible(error);
                let mut lines = error.lines();
                let first = lines.next().unwrap_or_default();
                output::line(format_args!("{name:width$}  failed  {first}"));
                for line in lines {
                    output::line(format_args!("{:width$}          {line}", ""));
                }
            }
            None => {
                let count = self.tools.unwrap_or(0);
                let tools = if count == 1 { "tool" } else { "tools" };
                let about: Vec<&str> = [&self.title, &self.version]
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect();
                let about = about.join(" ");
                output::line(format_args!(
                    "{name:width$}  ready   {count:>3} {tools}  {} {}",
                    self.transport,
                    visible(&about)
                ));
            }
        }
        for excluded in &self.excluded {
            output::line(format_args!(
                "{:width$}          left out {}",
                "",
                visible(excluded)
            ));
        }
        let more = self.excluded_count.saturating_sub(self.excluded.len());
        if more > 0 {
            output::line(format_args!("{:width$}          left out {more} more", ""));
        }
    }
}
