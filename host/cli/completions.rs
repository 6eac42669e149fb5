//! `completions`: what shells need to complete our commands and flags.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::failure::Failure;

/// Print completions for a shell.
///
/// For example: `wasm-coordinator completions bash > ~/.local/share/bash-completion/completions/wasm-coordinator`
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell to complete in
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        clap_complete::generate(
            self.shell,
            &mut Cli::command(),
            "wasm-coordinator",
            &mut std::io::stdout(),
        );
        Ok(ExitCode::SUCCESS)
    }
}
