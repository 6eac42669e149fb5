//! Whether and where commands record what happens.

use std::path::PathBuf;

use clap::Args;
use wasm_coordinator::audit::{OpenError, Options, Recorder};
use wasm_coordinator::config::Configuration;

use super::failure::{EXIT_HOST, Failure};
use super::setup;
use super::terminal::Message;

#[derive(Args)]
#[command(next_help_heading = "Audit")]
pub(crate) struct AuditFlags {
    /// Record runs, calls, denials and consents in this directory; `wasm-coordinator audit` shows them
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// Record nothing, whatever the configuration says
    #[arg(long, conflicts_with = "audit")]
    no_audit: bool,
}

impl AuditFlags {
    /// Puts the flags that were given over what the configuration says.
    pub(crate) fn overlay(&self, configuration: &mut Configuration) {
        let audit = &mut configuration.audit;
        if let Some(directory) = &self.audit {
            audit.directory = Some(directory.clone());
            audit.enabled = Some(true);
        }
        if self.no_audit {
            audit.enabled = Some(false);
        }
    }
}

/// The record of one program. There is none unless somebody asked for it: who
/// runs a script does not expect files elsewhere.
pub(crate) fn of_exec(configuration: &Configuration) -> Result<Recorder, Failure> {
    let is_wanted = is_asked_for(configuration);
    if is_wanted {
        open(configuration, "exec")
    } else {
        Ok(Recorder::off())
    }
}

/// The record of a server, which runs what others send. There is one unless
/// somebody asked for none; where nobody asked, one that cannot be written is a
/// warning.
pub(crate) fn of_serve(configuration: &Configuration) -> Result<Recorder, Failure> {
    if configuration.audit.enabled == Some(false) {
        return Ok(Recorder::off());
    }
    match open(configuration, "serve") {
        Err(failure) if !is_asked_for(configuration) => {
            let message = format!("nothing is recorded: {}", failure.message.text);
            tracing::warn!("{message}");
            Ok(Recorder::off())
        }
        opened => opened,
    }
}

/// The directory of the record that the configuration means.
pub(crate) fn options(configuration: &Configuration) -> Result<Options, Failure> {
    let state = setup::state_folder().ok_or_else(|| {
        Failure::usage(
            "there is no folder for the key of the audit record",
            "set `HOME` or `XDG_STATE_HOME`",
        )
    })?;
    Ok(configuration.audit_options(&state))
}

fn is_asked_for(configuration: &Configuration) -> bool {
    let audit = &configuration.audit;
    let is_set = audit.directory.is_some() || audit.required;
    audit.enabled.unwrap_or(is_set)
}

fn open(configuration: &Configuration, program: &str) -> Result<Recorder, Failure> {
    let mut options = options(configuration)?;
    options.program = program.to_owned();
    Recorder::open(options).map_err(unopened)
}

fn unopened(error: OpenError) -> Failure {
    let hint = error.advice().unwrap_or_default();
    Failure {
        message: Message::error(error.to_string()).hint(hint),
        exit_code: EXIT_HOST,
    }
}
