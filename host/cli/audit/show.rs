//! The records themselves, one line each.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use contract::text::one_line;
use serde_json::Value;
use wasm_coordinator::audit::{Filter, Record, Records, to_line};

use super::{FilterFlags, Shared, unreadable};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::terminal::Message;

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    pub(super) shared: Shared,
    /// Only records of this kind: `call.sent`, or `call` for all about calls
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    #[command(flatten)]
    filter: FilterFlags,
    /// Only the last N records
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    /// Go on with what is recorded from now on
    #[arg(short, long)]
    follow: bool,
}

/// How often it is looked for more.
const POLL: Duration = Duration::from_millis(500);

/// Characters of a value that is shown on a line.
const MAX_VALUE: usize = 200;

/// What stands elsewhere on the line, or says nothing to a person.
const LEFT_OUT: [&str; 8] = ["v", "seq", "time", "us", "kind", "prev", "mac", "key"];

impl Show {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let options = self.shared.options()?;
        let folder = &options.folder;
        let fail = |error: std::io::Error| unreadable(folder, &error);
        let json = self.shared.json;
        let filter = self.filter.filter(self.kind);
        let mut records = Records::open(folder).map_err(fail)?;
        let mut kept = VecDeque::new();
        while let Some(record) = wanted(&mut records, &filter).map_err(fail)? {
            match self.last {
                None => print(&record, json),
                Some(last) => {
                    kept.push_back(record);
                    if kept.len() > last {
                        kept.pop_front();
                    }
                }
            }
            if output::is_broken() {
                return Ok(ExitCode::SUCCESS);
            }
        }
        kept.iter().for_each(|record| print(record, json));
        while self.follow && !output::is_broken() {
            match wanted(&mut records, &filter).map_err(fail)? {
                Some(record) => print(&record, json),
                None => sleep(POLL),
            }
        }
        if records.unreadable() > 0 {
            let lines = match records.unreadable() {
                1 => "one line is no record".to_owned(),
                lines => format!("{lines} lines are no records"),
            };
            Message::warning(format!("{lines} and left out"))
                .hint("`wasm-coordinator audit verify` says where")
                .print();
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn wanted(records: &mut Records, filter: &Filter) -> std::io::Result<Option<Record>> {
    while let Some(record) = records.next()? {
        if filter.takes(&record) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

fn print(record: &Record, json: bool) {
    if json {
        output::line(to_line(&record.fields));
    } else {
        output::line(line(record));
    }
}

/// A record for people: when, which, what, about what.
fn line(record: &Record) -> String {
    let shown = |text: &str| one_line(text, MAX_VALUE);
    // To the second; the rest is in the JSON.
    let time = shown(record.text("time"));
    let time = time.get(..19).unwrap_or(&time).replace('T', " ");
    let mut text = format!(
        "{time}  {}#{:<6} {:<16}",
        record.chain,
        record.seq,
        shown(record.kind())
    );
    let name = [record.text("server"), record.text("tool")].map(shown);
    if name.iter().any(|part| !part.is_empty()) {
        let name: Vec<_> = name.into_iter().filter(|part| !part.is_empty()).collect();
        text.push(' ');
        text += &name.join(".");
    }
    for (key, value) in &record.fields {
        if LEFT_OUT.contains(&&**key) || matches!(&**key, "server" | "tool") {
            continue;
        }
        let value = match value {
            Value::String(text) => shown(text),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
                shown(&items.join(","))
            }
            // It is for `verify`.
            Value::Array(_) | Value::Object(_) => continue,
            plain => plain.to_string(),
        };
        let _ = write!(text, "  {} {value}", shown(key));
    }
    text
}
