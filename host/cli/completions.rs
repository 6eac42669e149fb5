//! `completions`: what shells need to complete our commands and flags.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::failure::Failure;
use super::output;

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
        // Into memory: the generator panics where it cannot write.
        let mut script = Vec::new();
        let name = "wasm-coordinator";
        clap_complete::generate(self.shell, &mut Cli::command(), name, &mut script);
        output::write(&script);
        Ok(ExitCode::SUCCESS)
    }
}
