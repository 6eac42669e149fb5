//! What the record amounts to: counts, and what a person should look at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::directory;
use crate::records::{Filter, Record, Records};
use crate::verify::is_written;

/// Names of one kind that are counted apart. Programs can make up as many as
/// they like.
const MAX_NAMES: usize = 1_000;

/// Calls and anomalies that are listed.
const MAX_LISTED: usize = 100;

/// Under which the rest is counted.
const OTHERS: &str = "(others)";

/// Counts by name.
type Counts = BTreeMap<String, u64>;

/// What happened.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Records that were counted.
    pub records: u64,
    /// When the first of them was written.
    pub from: String,
    /// When the last one was.
    pub to: String,
    /// Runs, by how they ended.
    pub runs: Counts,
    /// Runs that were started and of whose end nothing is known.
    pub unfinished_runs: u64,
    /// Limits that were reached, of runs and others.
    pub limits: Counts,
    /// Calls, by server and tool.
    pub tools: Vec<ToolCalls>,
    /// Calls that were made, and of which nobody knows what became; at most 100.
    pub unknown: Vec<UnknownCall>,
    /// Calls that are being made.
    pub in_flight: u64,
    /// Answers of people who were asked, by what they said.
    pub consents: Counts,
    /// Starts of servers, and how they ended, by server.
    pub servers: BTreeMap<String, ServerCounts>,
    /// Tools whose servers made something else of them.
    pub changed_tools: u64,
    /// Sessions that were opened, ended and refused.
    pub sessions: Counts,
    /// Imports of components that were denied.
    pub denied_imports: u64,
    /// Requests that were refused, by reason.
    pub refused: Counts,
    /// Anomalies, by kind.
    pub anomalies: Counts,
    /// The latest anomalies; at most 100.
    pub latest_anomalies: Vec<ToldAnomaly>,
    /// Processes that ended without saying so.
    pub unclosed: u64,
    /// Records that could not be written.
    pub lost: u64,
    /// Lines that are no records.
    pub unreadable: u64,
}

/// What became of the calls of one tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ToolCalls {
    /// The server; empty if none was found.
    pub server: String,
    /// The tool.
    pub tool: String,
    /// Calls that gave a result.
    pub finished: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls of which nobody knows what became.
    pub unknown: u64,
    /// Calls that were never sent.
    pub not_sent: u64,
    /// Calls that were denied.
    pub denied: u64,
}

/// A call of which nobody knows what became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnknownCall {
    /// When it was sent.
    pub time: String,
    /// The chain of its record.
    pub chain: u32,
    /// The number of its record.
    pub seq: u64,
    /// The server.
    pub server: String,
    /// The tool.
    pub tool: String,
}

/// Starts of one server, and how they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerCounts {
    /// It was started.
    pub started: u64,
    /// It could not be started.
    pub failed: u64,
    /// It ran and was gone.
    pub lost: u64,
}

/// Something unusual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ToldAnomaly {
    /// When.
    pub time: String,
    /// What, by the name of its kind.
    pub anomaly: String,
    /// The hash of the session, if it is about one.
    pub session: String,
    /// The hash of the caller, if it is about one.
    pub caller: String,
    /// The server, if it is about one.
    pub server: String,
    /// The tool, if it is about one.
    pub tool: String,
    /// How many, if it is about a number.
    pub count: u64,
    /// Where in an answer, if it is about one.
    pub place: String,
}

/// Counts what is in a folder.
///
/// # Errors
///
/// The folder or a file cannot be read.
pub fn report(folder: &Path, filter: &Filter) -> io::Result<Report> {
    let mut records = Records::open(folder)?;
    let mut counting = Counting::default();
    while let Some(record) = records.next()? {
        let is_wanted = filter.takes(&record);
        counting.count(&record, is_wanted);
    }
    for names in directory::chains(folder)? {
        let chain = counting.chains.remove(&names.chain()).unwrap_or_default();
        if is_written(&names) {
            counting.report.in_flight += chain.calls.len() as u64;
        } else {
            counting.abandon(chain);
        }
    }
    let mut report = counting.report;
    report.unreadable = records.unreadable();
    let mut tools: Vec<_> = counting.tools.into_values().collect();
    tools.sort_by(|one, other| (&one.server, &one.tool).cmp(&(&other.server, &other.tool)));
    report.tools = tools;
    Ok(report)
}

#[derive(Default)]
struct Counting {
    report: Report,
    tools: HashMap<(String, String), ToolCalls>,
    chains: HashMap<u32, OfProcess>,
}

/// What the process that writes a chain has begun.
#[derive(Default)]
struct OfProcess {
    calls: HashMap<u64, UnknownCall>,
    runs: HashSet<u64>,
    /// What the one before it left, by the numbers of the records.
    left: HashSet<u64>,
}

impl Counting {
    fn count(&mut self, record: &Record, is_wanted: bool) {
        let chain = self.chains.entry(record.chain).or_default();
        // What a process began has to be known also where it is not counted.
        match record.kind() {
            "log.opened" => {
                let before = std::mem::take(chain);
                chain.left = before.calls.values().map(|call| call.seq).collect();
                self.abandon(before);
            }
            "call.ended" => drop(chain.calls.remove(&record.number("call"))),
            "run.ended" => {
                chain.runs.remove(&record.number("run"));
            }
            "call.sent" if is_wanted => {
                chain
                    .calls
                    .insert(record.number("call"), unknown_call(record));
            }
            "run.started" if is_wanted => {
                chain.runs.insert(record.number("run"));
            }
            // Counted with the others that its process left.
            "call.unknown" if chain.left.contains(&record.number("of")) => return,
            _ => {}
        }
        if !is_wanted {
            return;
        }
        let report = &mut self.report;
        report.records += 1;
        let time = record.text("time");
        if report.from.is_empty() {
            report.from = time.to_owned();
        }
        report.to = time.to_owned();
        let times = record.number("times").max(1);
        match record.kind() {
            "log.opened" => report.unclosed += u64::from(record.flag("unclosed")),
            "log.lost" => report.lost = report.lost.saturating_add(record.number("records")),
            "run.ended" => {
                add(&mut report.runs, record.text("status"), 1);
                if !record.text("limit").is_empty() {
                    add(&mut report.limits, record.text("limit"), 1);
                }
            }
            "call.ended" => {
                let status = record.text("status");
                let tool = self.tool(record);
                match status {
                    "finished" => tool.finished += 1,
                    "failed" => tool.failed += 1,
                    "not_sent" => tool.not_sent += 1,
                    _ => {
                        tool.unknown += 1;
                        self.list_unknown(unknown_call(record));
                    }
                }
            }
            // Its first record is no longer there, or not wanted.
            "call.unknown" => {
                self.tool(record).unknown += 1;
                self.list_unknown(unknown_call(record));
            }
            "call.denied" => self.tool(record).denied += 1,
            "import.denied" => report.denied_imports += 1,
            "consent" => add(&mut report.consents, record.text("verdict"), 1),
            "server.started" => self.server(record).started += 1,
            "server.failed" => self.server(record).failed += 1,
            "server.lost" => self.server(record).lost += 1,
            "tool.changed" => {
                let changed = record.number("others").saturating_add(1);
                report.changed_tools = report.changed_tools.saturating_add(changed);
            }
            "session.opened" => add(&mut report.sessions, "opened", 1),
            "session.ended" => add(&mut report.sessions, "ended", 1),
            "session.refused" => add(&mut report.sessions, "refused", times),
            "access.refused" => add(&mut report.refused, record.text("why"), times),
            "limit" => add(&mut report.limits, record.text("limit"), times),
            "anomaly" => {
                add(&mut report.anomalies, record.text("anomaly"), 1);
                if report.latest_anomalies.len() == MAX_LISTED {
                    report.latest_anomalies.remove(0);
                }
                let text = |name: &str| record.text(name).to_owned();
                report.latest_anomalies.push(ToldAnomaly {
                    time: text("time"),
                    anomaly: text("anomaly"),
                    session: text("session"),
                    caller: text("caller"),
                    server: text("server"),
                    tool: text("tool"),
                    count: record.number("count"),
                    place: text("place"),
                });
            }
            _ => {}
        }
    }

    /// A process is gone with what it had begun.
    fn abandon(&mut self, process: OfProcess) {
        self.report.unfinished_runs += process.runs.len() as u64;
        let mut calls: Vec<_> = process.calls.into_values().collect();
        calls.sort_by_key(|call| call.seq);
        for call in calls {
            self.tool_named(&call.server, &call.tool).unknown += 1;
            self.list_unknown(call);
        }
    }

    fn list_unknown(&mut self, call: UnknownCall) {
        if self.report.unknown.len() < MAX_LISTED {
            self.report.unknown.push(call);
        }
    }

    fn tool(&mut self, record: &Record) -> &mut ToolCalls {
        self.tool_named(record.text("server"), record.text("tool"))
    }

    fn tool_named(&mut self, server: &str, tool: &str) -> &mut ToolCalls {
        let mut key = (server.to_owned(), tool.to_owned());
        if self.tools.len() >= MAX_NAMES && !self.tools.contains_key(&key) {
            key = (OTHERS.to_owned(), OTHERS.to_owned());
        }
        self.tools.entry(key.clone()).or_insert_with(|| ToolCalls {
            server: key.0,
            tool: key.1,
            ..ToolCalls::default()
        })
    }

    fn server(&mut self, record: &Record) -> &mut ServerCounts {
        let servers = &mut self.report.servers;
        let name = bounded(record.text("server"), servers);
        servers.entry(name).or_default()
    }
}

/// A call, in case that nothing more is said of it.
fn unknown_call(record: &Record) -> UnknownCall {
    UnknownCall {
        time: record.text("time").to_owned(),
        chain: record.chain,
        seq: record.seq,
        server: record.text("server").to_owned(),
        tool: record.text("tool").to_owned(),
    }
}

fn add(counts: &mut Counts, name: &str, times: u64) {
    let name = bounded(name, counts);
    let count = counts.entry(name).or_default();
    *count = count.saturating_add(times);
}

/// The name, or that of all others where there is no room for it.
fn bounded<T>(name: &str, named: &BTreeMap<String, T>) -> String {
    let has_room = named.len() < MAX_NAMES || named.contains_key(name);
    if has_room { name } else { OTHERS }.to_owned()
}
