//! Subcommands, the flags they share, and the one place where errors are
//! printed and exit codes chosen.

mod completions;
mod consent;
mod demo_server;
mod exec;
mod hints;
mod init;
mod limits;
mod outputs;
mod progress;
mod script;
mod serve;
mod servers;
mod setup;
mod stubs;
mod terminal;
mod tools;
mod trust;
mod warm;
mod wit;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use terminal::Message;

/// Usage or configuration is wrong.
const EXIT_USAGE: u8 = 2;
/// The host failed.
const EXIT_HOST: u8 = 4;
/// Ended by Ctrl-C, as shells count it.
const EXIT_INTERRUPTED: u8 = 130;

/// Runs the code that AI agents write inside WebAssembly, with your MCP
/// servers as libraries it can import.
#[derive(Parser)]
#[command(name = "wasm-coordinator", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start here:
  wasm-coordinator init                        write a first mcp.json
  wasm-coordinator servers                     see which servers answer
  wasm-coordinator exec -c 'print(1 + 1)'      run Python in the sandbox
  wasm-coordinator serve --config mcp.json     be one MCP server in front of all of them

Environment:
  MCP_JSON                  the configuration, where --config is not given
  WASM_COORDINATOR_CACHE    where compiled guests are kept
  WASM_COORDINATOR_LOG      what to log to stderr, for example `debug`
  WASM_COORDINATOR_TOKEN    the bearer token of `serve --http`
  NO_COLOR                  no colours

Exit codes: 0 success, 1 the script failed, 2 usage or configuration, 3 refused or a limit
was reached, 4 the host failed, 130 interrupted.";

#[derive(Subcommand)]
enum Command {
    Exec(Box<exec::Exec>),
    Serve(Box<serve::Serve>),
    Servers(servers::Servers),
    Tools(tools::Tools),
    Stubs(stubs::Stubs),
    Wit(wit::Wit),
    Init(init::Init),
    Trust(trust::Trust),
    Warm(warm::Warm),
    Completions(completions::Completions),
    DemoServer(demo_server::DemoServer),
}

/// Why a subcommand could not do its work: what to print, and the exit code.
pub(crate) struct Failure {
    pub(crate) message: Message,
    pub(crate) exit_code: u8,
}

impl Failure {
    /// Something about the command line or a file named on it.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: Message::error(message).hint(hint),
            exit_code: EXIT_USAGE,
        }
    }

    /// Something of ours or of the machine.
    pub(crate) fn host(error: impl std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self {
            message: Message::error(text),
            exit_code: EXIT_HOST,
        }
    }
}

pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    match &cli.command {
        Command::Serve(serve) => {
            let (level, format) = serve.logging();
            log(Some(level), format);
        }
        _ => log(None, serve::LogFormat::Text),
    }
    let result = match cli.command {
        Command::Exec(exec) => exec.run(),
        Command::Serve(serve) => serve.run(),
        Command::Servers(servers) => servers.run(),
        Command::Tools(tools) => tools.run(),
        Command::Stubs(stubs) => stubs.run(),
        Command::Wit(wit) => wit.run(),
        Command::Init(init) => init.run(),
        Command::Trust(trust) => trust.run(),
        Command::Warm(warm) => warm.run(),
        Command::Completions(completions) => completions.run(),
        Command::DemoServer(demo_server) => demo_server.run(),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            failure.message.print();
            ExitCode::from(failure.exit_code)
        }
    }
}

/// Logs to stderr, if asked or on a server: stdout belongs to the program that
/// runs, or to the protocol.
fn log(default: Option<&str>, format: serve::LogFormat) {
    let asked = std::env::var("WASM_COORDINATOR_LOG").ok();
    let Some(filter) = asked.or_else(|| default.map(str::to_owned)) else {
        return;
    };
    // The protocol library logs whole messages, secrets included.
    let filter = tracing_subscriber::EnvFilter::new(format!("{filter},rmcp=error"));
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter);
    match format {
        serve::LogFormat::Text => subscriber.with_ansi(terminal::colours()).init(),
        serve::LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
}
