//! Subcommands, and the one place where errors are printed.

mod completions;
mod consent;
mod demo_server;
mod exec;
mod failure;
mod files;
mod grants;
mod hints;
mod init;
mod inputs;
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
mod watch;
mod wit;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
  MCP_JSON                  the configuration, if --config is not given
  WASM_COORDINATOR_CACHE    the folder for compiled guests
  WASM_COORDINATOR_LOG      the level of the log on stderr, for example `debug`
  WASM_COORDINATOR_TOKEN    the bearer token of `serve --http`
  NO_COLOR                  no colours

Exit codes: 0 success, 1 the script failed, 2 wrong usage or configuration, 3 an action was
refused or a limit was reached, 4 the host failed, 130 interrupted.";

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
