//! Whether the record is what was written.

use std::process::ExitCode;

use clap::Args;
use contract::text::visible;
use serde_json::json;
use wasm_coordinator::audit::{ChainState, Key, verify};

use super::{Shared, unreadable};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::terminal::Message;

/// Check that nothing in the record was changed, removed or put in.
///
/// The exit code is 1 if something is wrong, and each finding names file and
/// line. What is not seen is a directory that was put back as a whole to an
/// earlier state: keep the printed hash elsewhere, and look for it with --holds.
#[derive(Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) shared: Shared,
    /// Check the chain alone, on a machine that does not have the key
    #[arg(long)]
    without_key: bool,
    /// Fail unless the record with this hash is there
    #[arg(long, value_name = "HASH")]
    holds: Option<String>,
}

impl Verify {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let options = self.shared.options()?;
        let key = if self.without_key {
            None
        } else {
            Some(Key::load(&options.key).map_err(|error| {
                let hint = "`--without-key` checks the chain alone";
                Failure::usage(error.to_string(), hint)
            })?)
        };
        let folder = &options.folder;
        let verified = verify(folder, key.as_ref(), self.holds.as_deref());
        let verified = verified.map_err(|error| unreadable(folder, &error))?;
        let is_held = self.holds.is_none() || verified.holds;
        let is_good = verified.is_whole() && is_held;
        if self.shared.json {
            let chains = &verified.chains;
            output::line(json!({ "whole": is_good, "chains": chains }));
        } else {
            verified.chains.iter().for_each(print);
            if verified.chains.is_empty() {
                output::line("there is no record yet");
            }
            if !is_held {
                Message::error("no record has the hash that `--holds` names").print();
            }
            if self.without_key {
                Message::note(
                    "without the key, who changed one record could have changed all after it",
                )
                .print();
            }
        }
        Ok(ExitCode::from(u8::from(!is_good)))
    }
}

fn print(chain: &ChainState) {
    let count = |count: u64, one: &str, many: &str| {
        let what = if count == 1 { one } else { many };
        format!("{count} {what}")
    };
    let state = if chain.findings.is_empty() {
        "whole"
    } else {
        "BROKEN"
    };
    let files = count(chain.files, "file", "files");
    let records = match chain.records {
        0 => "no records".to_owned(),
        records => format!(
            "{} ({} to {})",
            count(records, "record", "records"),
            chain.first,
            chain.last
        ),
    };
    output::line(format_args!(
        "chain {}: {state}, {files}, {records}",
        chain.chain
    ));
    if !chain.hash.is_empty() {
        output::line(format_args!("  last hash {}", chain.hash));
    }
    let mut notes = Vec::new();
    if chain.is_written {
        notes.push("a process writes it now".to_owned());
    }
    if chain.is_shortened {
        notes.push("older files made room, as the record says".to_owned());
    }
    for (number, one, many) in [
        (
            chain.unclosed,
            "process ended without saying so",
            "processes ended without saying so",
        ),
        (
            chain.torn,
            "record was begun and not finished",
            "records were begun and not finished",
        ),
        (
            chain.lost,
            "record could not be written",
            "records could not be written",
        ),
        (
            chain.clock_jumps,
            "time the clock went back",
            "times the clock went back",
        ),
    ] {
        if number > 0 {
            notes.push(count(number, one, many));
        }
    }
    for note in notes {
        output::line(format_args!("  {note}"));
    }
    for finding in &chain.findings {
        let place = match finding.line {
            0 => finding.file.clone(),
            line => format!("{}:{line}", finding.file),
        };
        output::line(format_args!("  {place}: {}", visible(&finding.what)));
    }
}
