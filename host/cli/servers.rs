//! `servers`: which servers answer, with how many tools, and why not.

use std::process::ExitCode;

use clap::Args;
use contract::text::visible;
use serde_json::{Value, json};
use wasm_coordinator::Toolbox;

use super::failure::Failure;
use super::setup::{self, ConfigFlag};

/// List the configured servers: their state, their tools, their errors.
///
/// Starts each of them. The exit code is 1 if one fails.
#[derive(Args)]
pub(crate) struct Servers {
    #[command(flatten)]
    config: ConfigFlag,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Servers {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let configuration = self.config.load(!self.json)?;
        let (answers, failed) = setup::block_on(async {
            let tools = setup::toolbox(&configuration)?;
            let answers = tokio::select! {
                answers = ask(&tools) => answers,
                () = setup::interrupted() => Vec::new(),
            };
            tools.shutdown().await;
            let failed = answers.iter().any(|answer| answer.error.is_some());
            Ok((answers, failed))
        })?;
        if self.json {
            let servers: Vec<Value> = answers.iter().map(Answer::json).collect();
            println!(
                "{}",
                json!({ "servers": servers, "disabled": configuration.disabled })
            );
        } else {
            print(&answers, &configuration.disabled);
        }
        Ok(ExitCode::from(u8::from(failed)))
    }
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

/// Starts all servers at once and lists their tools.
async fn ask(tools: &Toolbox) -> Vec<Answer> {
    let listed = tools.listings().await;
    tools
        .states()
        .into_iter()
        .zip(listed)
        .map(|(state, listing)| Answer {
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
        })
        .collect()
}

impl Answer {
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
}

fn print(answers: &[Answer], disabled: &[String]) {
    if answers.is_empty() && disabled.is_empty() {
        println!("no servers are configured; `wasm-coordinator init` writes a first mcp.json");
    }
    let width = answers
        .iter()
        .map(|answer| answer.name.chars().count())
        .max()
        .unwrap_or(0);
    for answer in answers {
        let name = &answer.name;
        match &answer.error {
            Some(error) => {
                let error = visible(error);
                let mut lines = error.lines();
                println!(
                    "{name:width$}  failed  {}",
                    lines.next().unwrap_or_default()
                );
                for line in lines {
                    println!("{:width$}          {line}", "");
                }
            }
            None => {
                let count = answer.tools.unwrap_or(0);
                let tools = if count == 1 { "tool" } else { "tools" };
                let about: Vec<&str> = [&answer.title, &answer.version]
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect();
                let about = visible(&about.join(" ")).into_owned();
                println!(
                    "{name:width$}  ready   {count:>3} {tools}  {} {about}",
                    answer.transport
                );
            }
        }
        for excluded in &answer.excluded {
            println!("{:width$}          left out {}", "", visible(excluded));
        }
        let more = answer.excluded_count.saturating_sub(answer.excluded.len());
        if more > 0 {
            println!("{:width$}          left out {more} more", "");
        }
    }
    for name in disabled {
        println!("{name:width$}  disabled");
    }
}
