//! `tools`: find a tool, list them, look at one.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use contract::text::visible;
use serde::Deserialize;
use wasm_coordinator::{CallError, Detail, Grants, Toolbox};

use super::failure::{EXIT_INTERRUPTED, Failure};
use super::output;
use super::setup::{self, ConfigFlag};
use super::terminal::{self, Message};

/// Find tools of the configured servers, list them, or look at one.
///
///   wasm-coordinator tools search open pull requests
///   wasm-coordinator tools show github.list_pull_requests
///
/// Programs find the same with `search_tools(...)` and below `/servers`.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Tools {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find tools by what they do
    Search(Search),
    /// List the tools of all servers, or of one
    List(List),
    /// Show one tool: what it does, its parameters, its typed stub
    Show(Show),
}

#[derive(Args)]
struct Search {
    /// What the tool should do, in any words
    #[arg(required = true)]
    words: Vec<String>,
    /// Only this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// How many to show
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Args)]
struct List {
    /// Only this server
    server: Option<String>,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Args)]
struct Show {
    /// The tool, as `server.tool`, in any spelling
    name: String,
    /// The language of the stub
    #[arg(short, long, value_name = "LANGUAGE", value_enum, default_value_t = Language::Python)]
    language: Language,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Language {
    #[value(alias = "py")]
    Python,
    #[value(alias = "ts", alias = "javascript", alias = "js")]
    Typescript,
}

#[derive(Args)]
struct Shared {
    #[command(flatten)]
    config: ConfigFlag,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Tools that a list shows at most.
const MAX_LISTED: u32 = 1000;

impl Tools {
    pub(super) fn config(&mut self) -> &mut ConfigFlag {
        let shared = match &mut self.command {
            Command::Search(search) => &mut search.shared,
            Command::List(list) => &mut list.shared,
            Command::Show(show) => &mut show.shared,
        };
        &mut shared.config
    }

    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Search(search) => search.run(),
            Command::List(list) => list.run(),
            Command::Show(show) => show.run(),
        }
    }
}

impl Search {
    fn run(self) -> Result<ExitCode, Failure> {
        let query = self.words.join(" ");
        let server = self.server.as_deref();
        find(&self.shared, &query, server, self.limit)
    }
}

impl List {
    fn run(self) -> Result<ExitCode, Failure> {
        find(&self.shared, "", self.server.as_deref(), MAX_LISTED)
    }
}

impl Show {
    fn run(self) -> Result<ExitCode, Failure> {
        let asked = ask(&self.shared, async |tools, grants| {
            tools.tool(&self.name, grants).await
        })?;
        let Some(page) = asked else {
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        };
        if self.shared.json {
            output::line(format_args!("{}", page.details));
            return Ok(ExitCode::SUCCESS);
        }
        let shown: Shown = serde_json::from_str(&page.details).map_err(Failure::host)?;
        let (import, stub) = match self.language {
            Language::Python => (&shown.python, &page.python),
            Language::Typescript => (&shown.typescript, &page.typescript),
        };
        output::line(format_args!(
            "{}\n{}\n",
            heading(&shown.name),
            visible(import)
        ));
        output::write(visible(&String::from_utf8_lossy(stub)).as_bytes());
        Ok(ExitCode::SUCCESS)
    }
}

fn find(
    shared: &Shared,
    query: &str,
    server: Option<&str>,
    limit: u32,
) -> Result<ExitCode, Failure> {
    let asked = ask(shared, async |tools, grants| {
        tools
            .search(query, Detail::Brief, server, limit, grants)
            .await
    })?;
    let Some(answer) = asked else {
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    };
    let found: Found = serde_json::from_str(&answer).map_err(Failure::host)?;
    if shared.json {
        output::line(format_args!("{answer}"));
    } else {
        found.print();
    }
    Ok(ExitCode::from(u8::from(found.tools.is_empty())))
}

/// Asks the servers of the configuration. `None` if it was interrupted.
fn ask<T>(
    shared: &Shared,
    question: impl AsyncFnOnce(&Toolbox, &Grants) -> Result<T, CallError>,
) -> Result<Option<T>, Failure> {
    let configuration = shared.config.load(!shared.json)?;
    let grants = configuration.grants()?;
    setup::block_on(async {
        let tools = setup::toolbox(&configuration)?;
        let answer = tokio::select! {
            answer = question(&tools, &grants) => Some(answer),
            () = setup::interrupted() => None,
        };
        tools.shutdown().await;
        let refused = |error: CallError| Failure::usage(error.message, "");
        answer.transpose().map_err(refused)
    })
}

/// The answer of a search.
#[derive(Deserialize)]
struct Found {
    tools: Vec<Brief>,
    total: usize,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Brief {
    name: String,
    description: String,
}

/// What is needed of the details of a tool.
#[derive(Deserialize)]
struct Shown {
    name: String,
    python: String,
    typescript: String,
}

impl Found {
    fn print(&self) {
        for tool in &self.tools {
            output::line(format_args!("{}", heading(&tool.name)));
            if !tool.description.is_empty() {
                output::line(format_args!("    {}", visible(&tool.description)));
            }
        }
        let more = self.total - self.tools.len().min(self.total);
        if more > 0 {
            output::line(format_args!(
                "{more} more; `--limit` or `--server` shows others"
            ));
        }
        if let Some(message) = &self.message {
            Message::warning(message).print();
        }
    }
}

/// A tool's name, bold on a terminal.
fn heading(name: &str) -> String {
    let name = visible(name);
    let colours = std::io::stdout().is_terminal() && terminal::colours();
    if colours {
        format!("\u{1b}[1m{name}\u{1b}[0m")
    } else {
        name.into_owned()
    }
}
