//! The command line: everything is in `cli`, one file for each subcommand.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    wasm_coordinator::isolation::entry();
    cli::main()
}
