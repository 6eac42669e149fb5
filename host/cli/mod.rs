//! Subcommands, and the one place where errors are printed.

// Printing panics when nobody reads; `output` writes.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod advice;
mod audit;
mod completions;
mod consent;
mod demo_server;
mod doctor;
mod emitted;
mod exec;
mod failure;
mod files;
mod grants;
mod hints;
mod init;
mod inputs;
mod isolation;
mod limits;
mod missing_files;
mod notebook;
mod output;
mod outputs;
mod progress;
mod recording;
mod script;
mod serve;
mod servers;
mod setup;
mod shown;
mod signals;
mod stubs;
mod terminal;
mod tools;
mod trust;
mod warm;
mod watch;
mod whole_file;
mod wit;
mod workspace;

use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{CommandFactory, Parser, Subcommand};
use wasm_coordinator::Guest;

use failure::Failure;
use setup::ConfigFlag;

/// Runs the code that AI agents write inside WebAssembly, with your MCP
/// servers as libraries it can import.
#[derive(Parser)]
#[command(
    name = "wasm-coordinator",
    version,
    long_version = VERSIONS.as_str(),
    max_term_width = 100,
    after_help = AFTER_HELP
)]
struct Cli {
    /// The configuration, as after the subcommand
    #[arg(long, value_name = "FILE", hide = true)]
    config: Option<std::path::PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// Of the program and of the guests in it.
static VERSIONS: LazyLock<String> = LazyLock::new(|| {
    let guests = Guest::ALL.map(Guest::version).join("\n");
    format!("{}\n{guests}", env!("CARGO_PKG_VERSION"))
});

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

Exit codes: 0 success, 1 the script failed or a check found something, 2 wrong usage or
configuration, 3 an action was refused or a limit was reached, 4 the host failed, 130 interrupted,
141 nobody reads the output.";

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
    Doctor(doctor::Doctor),
    Audit(Box<audit::Audit>),
    Warm(warm::Warm),
    Completions(completions::Completions),
    DemoServer(demo_server::DemoServer),
}

impl Command {
    /// The flag of a subcommand that reads the configuration.
    fn config(&mut self) -> Option<&mut ConfigFlag> {
        Some(match self {
            Self::Exec(exec) => &mut exec.config,
            Self::Serve(serve) => &mut serve.config,
            Self::Servers(servers) => &mut servers.config,
            Self::Tools(tools) => tools.config(),
            Self::Stubs(stubs) => &mut stubs.config,
            Self::Wit(wit) => &mut wit.config,
            Self::Trust(trust) => &mut trust.config,
            Self::Audit(audit) => audit.config(),
            Self::Init(_)
            | Self::Doctor(_)
            | Self::Warm(_)
            | Self::Completions(_)
            | Self::DemoServer(_) => {
                return None;
            }
        })
    }

    fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Exec(exec) => exec.run(),
            Self::Serve(serve) => serve.run(),
            Self::Servers(servers) => servers.run(),
            Self::Tools(tools) => tools.run(),
            Self::Stubs(stubs) => stubs.run(),
            Self::Wit(wit) => wit.run(),
            Self::Init(init) => init.run(),
            Self::Trust(trust) => trust.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Audit(audit) => audit.run(),
            Self::Warm(warm) => warm.run(),
            Self::Completions(completions) => completions.run(),
            Self::DemoServer(demo_server) => demo_server.run(),
        }
    }
}

pub(crate) fn main() -> ExitCode {
    signals::survive_file_limits();
    output::log_panics();
    let result = Cli::try_parse().map_or_else(not_parsed, run);
    // What was not delivered is worse than what was said in it.
    let result = match output::failure() {
        Some(undelivered) => {
            if let Err(failure) = result {
                failure.message.print();
            }
            Err(undelivered)
        }
        None => result,
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            failure.message.print();
            ExitCode::from(failure.exit_code)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli {
        config,
        mut command,
    } = cli;
    if let Some(file) = config {
        match command.config() {
            Some(flag) => flag.or(file),
            None => {
                let message = "this subcommand reads no configuration, so `--config` has no place";
                return Err(Failure::usage(message, "leave it out"));
            }
        }
    }
    match &command {
        Command::Serve(serve) => {
            let (level, format) = serve.logging();
            log(Some(level), format);
        }
        _ => log(None, serve::LogFormat::Text),
    }
    command.run()
}

/// Wrong usage; or help or a version, which go to standard output.
fn not_parsed(error: clap::Error) -> Result<ExitCode, Failure> {
    if error.use_stderr() {
        error.exit();
    }
    match error.print() {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(output::undelivered(&error)),
    }
}

/// Ends the program with a usage error of a subcommand, as clap words them.
fn wrong_usage(subcommand: &str, message: &str) -> ! {
    let mut command = Cli::command();
    command.build();
    let command = command
        .find_subcommand_mut(subcommand)
        .expect("it is one of ours");
    command
        .error(clap::error::ErrorKind::MissingRequiredArgument, message)
        .exit()
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
        .with_writer(|| output::Log)
        .with_env_filter(filter);
    match format {
        serve::LogFormat::Text => subscriber.with_ansi(terminal::colours()).init(),
        serve::LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
}
