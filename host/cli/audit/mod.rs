//! `audit`: show the record of what happened, check it, count it.

mod report;
mod show;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use wasm_coordinator::audit::{Filter, Options, timestamp};
use wasm_coordinator::config::{NotAnAmount, Span};

use super::failure::{EXIT_USAGE, Failure, reason};
use super::recording;
use super::setup::ConfigFlag;
use super::terminal::Message;

/// Show what was run, called, denied and agreed to.
///
/// `serve` records it by default, other commands with --audit DIR or
/// `coordinator.audit` in the configuration. Names of sessions and callers are
/// keyed hashes, arguments are types and sizes. Each record holds the hash of the
/// one before, so that `verify` finds what was changed or removed:
///
///   wasm-coordinator audit --since 1h --kind call
///   wasm-coordinator audit verify
///   wasm-coordinator audit report
#[derive(Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct Audit {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    show: show::Show,
}

#[derive(Subcommand)]
enum Command {
    Verify(verify::Verify),
    Report(report::Report),
}

#[derive(Args)]
struct Shared {
    #[command(flatten)]
    config: ConfigFlag,
    /// The directory of the record [default: that of the configuration, else the one that `serve`
    /// uses]
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct FilterFlags {
    /// Only what is at most so old, such as `30m`, or not older than a date, such as `2026-11-29` or
    /// `2026-11-29T07:30`
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<String>,
    /// Only what is about this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Only the session with this hash, as records show it
    #[arg(long, value_name = "HASH")]
    session: Option<String>,
}

impl Audit {
    pub(super) fn config(&mut self) -> &mut ConfigFlag {
        let shared = match &mut self.command {
            None => &mut self.show.shared,
            Some(Command::Verify(verify)) => &mut verify.shared,
            Some(Command::Report(report)) => &mut report.shared,
        };
        &mut shared.config
    }

    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            None => self.show.run(),
            Some(Command::Verify(verify)) => verify.run(),
            Some(Command::Report(report)) => report.run(),
        }
    }
}

impl Shared {
    /// Where the record is. Only looking at it needs no trust in a configuration.
    fn options(&self) -> Result<Options, Failure> {
        let mut configuration = self.config.read(false)?;
        if let Some(directory) = &self.audit {
            configuration.audit.directory = Some(directory.clone());
        }
        let options = recording::options(&configuration)?;
        if !options.folder.is_dir() {
            return Err(nothing(&options.folder));
        }
        Ok(options)
    }
}

impl FilterFlags {
    fn filter(self, kind: Option<String>) -> Filter {
        let Self {
            since,
            server,
            session,
        } = self;
        Filter {
            kind,
            since,
            server,
            session,
        }
    }
}

fn nothing(folder: &Path) -> Failure {
    Failure::usage(
        format!("there is no audit record in {}", folder.display()),
        "`serve` makes one; `--audit DIR` names another one, for `exec` and here",
    )
}

/// What went wrong with reading.
fn unreadable(folder: &Path, error: &std::io::Error) -> Failure {
    let why = reason(error);
    Failure {
        message: Message::error(format!(
            "the record in {} cannot be read: {why}",
            folder.display()
        )),
        exit_code: EXIT_USAGE,
    }
}

/// A moment: so long ago, or the start of a timestamp.
fn since(text: &str) -> Result<String, String> {
    let is_date = text.len() >= 4
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text.contains('-');
    if is_date {
        let plain = |c: char| c.is_ascii_digit() || "-:.TZ".contains(c);
        return match text.chars().all(plain) {
            true => Ok(text.to_owned()),
            false => Err("write a date like `2026-11-29` or `2026-11-29T07:30`".to_owned()),
        };
    }
    let Span(ago) = text
        .parse()
        .map_err(|error: NotAnAmount| error.to_string())?;
    let then = SystemTime::now().checked_sub(ago);
    Ok(timestamp(then.unwrap_or(SystemTime::UNIX_EPOCH)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_people_write_them() {
        assert_eq!(since("2026-11-29"), Ok("2026-11-29".to_owned()));
        assert_eq!(since("2026-11-29T07:30"), Ok("2026-11-29T07:30".to_owned()));
        let hour = since("1h").unwrap();
        assert!(
            hour < timestamp(SystemTime::now()) && hour.ends_with('Z'),
            "{hour}"
        );
        assert!(
            since("2026-11-29 07:30")
                .unwrap_err()
                .contains("write a date")
        );
        assert!(since("yesterday").unwrap_err().contains("write it like"));
    }
}
