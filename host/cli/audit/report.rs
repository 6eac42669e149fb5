//! What the record amounts to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use contract::text::one_line;
use wasm_coordinator::audit::{self, ToldAnomaly, UnknownCall};

use super::{FilterFlags, Shared, unreadable};
use crate::cli::failure::Failure;
use crate::cli::output;

/// Count runs, calls, denials and limits, and list what to look at.
///
/// To look at are calls of which nobody knows what became (the process was
/// killed in the middle, or the answer was lost) and anomalies.
#[derive(Args)]
pub(super) struct Report {
    #[command(flatten)]
    pub(super) shared: Shared,
    #[command(flatten)]
    filter: FilterFlags,
}

/// Characters of a name in a table.
const MAX_NAME: usize = 60;

impl Report {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let options = self.shared.options()?;
        let folder = &options.folder;
        let report = audit::report(folder, &self.filter.filter(None));
        let report = report.map_err(|error| unreadable(folder, &error))?;
        if self.shared.json {
            output::line(audit::to_line(&report));
        } else {
            output::write(text(&report).as_bytes());
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(report: &audit::Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match report.records {
        0 => writeln!(text, "no records"),
        records => writeln!(
            text,
            "{records} records, {} to {}",
            shown(&report.from),
            shown(&report.to)
        ),
    };
    counts(&mut text, "runs", &report.runs);
    number(&mut text, "runs without an end", report.unfinished_runs);
    tools(&mut text, report);
    number(&mut text, "calls in flight", report.in_flight);
    counts(&mut text, "limits reached", &report.limits);
    counts(&mut text, "people who were asked", &report.consents);
    number(&mut text, "imports denied", report.denied_imports);
    for (server, counts) in &report.servers {
        let _ = writeln!(
            text,
            "server {}: {} started, {} failed to start, {} lost",
            shown(server),
            counts.started,
            counts.failed,
            counts.lost
        );
    }
    number(&mut text, "tools that changed", report.changed_tools);
    counts(&mut text, "sessions", &report.sessions);
    counts(&mut text, "requests refused", &report.refused);
    counts(&mut text, "anomalies", &report.anomalies);
    number(
        &mut text,
        "processes that ended without saying so",
        report.unclosed,
    );
    number(&mut text, "records lost", report.lost);
    number(&mut text, "lines that are no records", report.unreadable);
    if !report.unknown.is_empty() {
        text.push_str("\noutcome unknown:\n");
        report
            .unknown
            .iter()
            .for_each(|call| unknown(&mut text, call));
    }
    if !report.latest_anomalies.is_empty() {
        text.push_str("\nanomalies:\n");
        let latest = report.latest_anomalies.iter();
        latest.for_each(|anomaly| unusual(&mut text, anomaly));
    }
    text
}

fn tools(text: &mut String, report: &audit::Report) {
    if report.tools.is_empty() {
        return;
    }
    let name = |tool: &audit::ToolCalls| match (&*tool.server, &*tool.tool) {
        ("", "") => "(nothing)".to_owned(),
        ("", tool) => format!("(no server) {}", shown(tool)),
        (server, tool) => format!("{}.{}", shown(server), shown(tool)),
    };
    let names: Vec<_> = report.tools.iter().map(name).collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .max(5);
    let heads = ["finished", "failed", "unknown", "not sent", "denied"];
    let _ = writeln!(text, "{:width$}  {}", "calls", heads.join("  "));
    for (name, tool) in names.iter().zip(&report.tools) {
        let numbers = [
            tool.finished,
            tool.failed,
            tool.unknown,
            tool.not_sent,
            tool.denied,
        ];
        let numbers: Vec<_> = numbers
            .iter()
            .zip(heads)
            .map(|(number, head)| format!("{number:>0$}", head.len()))
            .collect();
        let _ = writeln!(text, "{name:width$}  {}", numbers.join("  "));
    }
}

fn counts(text: &mut String, what: &str, counts: &BTreeMap<String, u64>) {
    if counts.is_empty() {
        return;
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(name, count)| format!("{count} {}", shown(name)))
        .collect();
    let _ = writeln!(text, "{what}: {}", counts.join(", "));
}

fn number(text: &mut String, what: &str, number: u64) {
    if number > 0 {
        let _ = writeln!(text, "{what}: {number}");
    }
}

fn unknown(text: &mut String, call: &UnknownCall) {
    let UnknownCall {
        time,
        chain,
        seq,
        server,
        tool,
        ..
    } = call;
    let (time, server, tool) = (shown(time), shown(server), shown(tool));
    let _ = writeln!(text, "  {time}  {server}.{tool}  record {chain}#{seq}");
}

fn unusual(text: &mut String, found: &ToldAnomaly) {
    let _ = write!(text, "  {}  {}", shown(&found.time), shown(&found.anomaly));
    for (what, value) in [
        ("server", &found.server),
        ("tool", &found.tool),
        ("session", &found.session),
        ("caller", &found.caller),
        ("at", &found.place),
    ] {
        if !value.is_empty() {
            let _ = write!(text, "  {what} {}", shown(value));
        }
    }
    if found.count > 0 {
        let _ = write!(text, "  count {}", found.count);
    }
    text.push('\n');
}

fn shown(name: &str) -> String {
    one_line(name, MAX_NAME)
}
