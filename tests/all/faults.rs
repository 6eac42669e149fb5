//! Upstream servers that misbehave: each a clear error, in time, and nothing
//! else harmed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Place, contains, ends, error, fixture, fixture_server, ok};

/// A place with a healthy server `good` and one with these arguments, `bad`.
fn place(arguments: &[&str]) -> Place {
    let mut bad = fixture(arguments);
    bad["callTimeout"] = json!("3s");
    Place::with_config(json!({
        "mcpServers": { "good": fixture(&[]), "bad": bad },
        "coordinator": { "startTimeout": "3s" },
    }))
}

/// Runs a program against both servers and gives the error that the bad one
/// raised; the good one must have answered.
#[track_caller]
fn misbehaves(arguments: &[&str], call: &str) -> Value {
    let source = format!(
        "\
import asyncio
async def bad():
    try:
        return ['ok', await {call}]
    except ToolError as e:
        return [e.kind, str(e)]
outcome, good = await asyncio.gather(bad(), call_tool('good.add', {{'a': 1, 'b': 2}}))
assert good == {{'sum': 3}}
outcome"
    );
    let started = Instant::now();
    let report = place(arguments).exec("a.py", &source, &["--timeout", "25s"]);
    assert!(
        started.elapsed() < Duration::from_secs(25),
        "{arguments:?}: {report:#}"
    );
    ok(report)
}

const ECHO: &str = "call_tool('bad.echo', {'text': 'x'})";

#[test]
fn servers_that_never_start_are_unavailable() {
    for fault in ["exit-at-start", "silent=all", "bad-handshake", "version"] {
        let outcome = misbehaves(&["--fault", fault], ECHO);
        assert_eq!(outcome[0], "unavailable", "{fault}: {outcome}");
        contains(&outcome[1], "bad");
    }
}

#[test]
fn oddities_of_speech_do_not_matter() {
    for fault in [
        "malformed",
        "early-answers",
        "old",
        "new",
        "exit-on-discover",
        "duplicates",
        "twice",
        "stderr-flood=4000000",
        "slow-start=300",
        "page=2",
        "delay=50",
        "names",
        "bad-schemas",
        "breakers",
        "ref",
        "header-names",
        "changing",
    ] {
        let outcome = misbehaves(&["--fault", fault], ECHO);
        assert_eq!(
            outcome,
            json!(["ok", { "tool": "echo", "arguments": { "text": "x" } }]),
            "{fault}"
        );
    }
}

#[test]
fn lists_that_never_end_or_make_no_sense_are_errors_or_bounded() {
    for fault in [
        "endless-pages",
        "repeat-cursor",
        "list-error",
        "bad-list",
        "silent=list",
        "huge-description",
    ] {
        let outcome = misbehaves(&["--fault", fault], ECHO);
        let kind = outcome[0].as_str().unwrap();
        assert!(
            ["ok", "unavailable", "unknown_tool"].contains(&kind),
            "{fault}: {outcome}"
        );
    }
}

#[test]
fn dying_in_a_call_is_an_unknown_outcome_at_once_and_the_next_call_starts_it_again() {
    let started = Instant::now();
    for how in ["exit0", "exit1", "kill", "stdout"] {
        let outcome = misbehaves(&[], &format!("call_tool('bad.die', {{'how': '{how}'}})"));
        assert_eq!(outcome[0], "outcome_unknown", "{how}: {outcome}");
    }
    assert!(started.elapsed() < Duration::from_secs(20));
    let source = "\
import asyncio
try:
    await call_tool('bad.die', {'how': 'exit1'})
except ToolError as e:
    kind = e.kind
for _ in range(40):
    try:
        again = await call_tool('bad.add', {'a': 1, 'b': 1})
        break
    except ToolError:
        await asyncio.sleep(0.1)
[kind, again]";
    assert_eq!(
        ok(place(&[]).python(source)),
        json!(["outcome_unknown", { "sum": 2 }])
    );
}

#[test]
fn a_call_is_made_at_most_once() {
    let place = place(&["--log", "log"]);
    place.python("try:\n    await call_tool('bad.die', {'how': 'exit1'})\nexcept ToolError: pass");
    let calls = place
        .read("log")
        .lines()
        .filter(|line| line.contains("tools/call"))
        .count();
    assert_eq!(calls, 1, "{}", place.read("log"));
}

#[test]
fn silence_ends_at_the_tools_timeout() {
    let outcome = misbehaves(&[], "call_tool('bad.silent', {})");
    assert_eq!(outcome[0], "timed_out", "{outcome}");
    let outcome = misbehaves(&[], "call_tool('bad.progress', {})");
    assert_eq!(
        outcome[0], "timed_out",
        "progress does not extend the deadline: {outcome}"
    );
}

#[test]
fn floods_are_cut() {
    for call in [
        "call_tool('bad.flood', {'bytes': 50000000})",
        "call_tool('bad.flood', {'bytes': 50000000, 'newline': True})",
    ] {
        let outcome = misbehaves(&[], call);
        let kind = outcome[0].as_str().unwrap();
        assert!(
            ["outcome_unknown", "timed_out"].contains(&kind),
            "{outcome}"
        );
    }
}

#[test]
fn wrong_answers_are_not_taken_for_the_right_one() {
    for kind in ["other", "next", "null", "big", "missing", "twice"] {
        let outcome = misbehaves(
            &[],
            &format!("call_tool('bad.answer', {{'kind': '{kind}'}})"),
        );
        assert_eq!(outcome, json!(["ok", "good"]), "{kind}");
    }
}

#[test]
fn results_of_the_wrong_shape_never_harm() {
    for kind in [
        "number",
        "null",
        "list",
        "nothing",
        "content-text",
        "unknown-block",
        "no-text",
        "bad-image",
        "structured-list",
        "error-structured",
        "against-schema",
        "deep",
        "not-utf8",
        "nan",
        "cut",
    ] {
        misbehaves(
            &[],
            &format!("call_tool('bad.result', {{'kind': '{kind}'}})"),
        );
    }
}

#[test]
fn requests_to_the_client_are_declined() {
    let outcome = misbehaves(&[], "call_tool('bad.ask', {'count': 100})");
    assert_eq!(outcome, json!(["ok", "asked"]));
}

#[test]
fn errors_of_the_protocol_reach_the_program() {
    let outcome = misbehaves(&[], "call_tool('bad.refuse', {})");
    contains(&outcome[1], "refused, as asked");
}

#[test]
fn nothing_is_left_running() {
    for fault in ["fork=3", "stubborn"] {
        let place = place(&["--log", "log", "--fault", fault]);
        assert_eq!(
            ok(place.python("await call_tool('bad.echo', {'text': 'x'})"))["tool"],
            "echo"
        );
        for line in place.read("log").lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if let Some(pid) = event["pid"].as_u64() {
                ends(pid);
            }
        }
    }
}

#[test]
fn a_secret_of_the_server_never_comes_back() {
    let mut server = fixture(&[]);
    server["env"] = json!({ "API_TOKEN": "canary-0123456789" });
    let place = Place::with_servers(json!({ "bad": server }));
    let report = place.python(
        "await call_tool('bad.fail', {'message': '401 for Bearer canary-' + '0123456789'})",
    );
    let text = report.to_string();
    assert!(!text.contains("canary-0123456789"), "{text}");
    contains(&error(&report)["message"], "401 for Bearer");
}

/// The fixture server over HTTP, ended with the test.
pub struct Http {
    child: Child,
    url: String,
}

impl Http {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// The same with these variables.
    pub fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(fixture_server())
            .arg("--http")
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the fixture server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it prints its address");
        let line = line.trim();
        let url = line.rsplit(' ').next().unwrap_or(line).to_owned();
        Self { child, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn place(&self, headers: Value) -> Place {
        Place::with_config(json!({
            "mcpServers": {
                "good": fixture(&[]),
                "bad": { "url": self.url, "headers": headers, "callTimeout": "3s" },
            },
            "coordinator": { "startTimeout": "3s" },
        }))
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn servers_over_http_work_in_every_form() {
    for arguments in [
        &[][..],
        &["--sse"],
        &["--session"],
        &["--sse", "--session", "--fault", "old"],
        &["--fault", "old"],
        &["--fault", "new"],
    ] {
        let server = Http::start(arguments);
        let report = server
            .place(json!({}))
            .python("await call_tool('bad.add', {'a': 20, 'b': 22})");
        assert_eq!(
            report["result"],
            json!({ "sum": 42 }),
            "{arguments:?}: {report:#}"
        );
    }
    let server = Http::start(&["--token", "very-secret-token"]);
    let headers = json!({ "Authorization": "Bearer very-secret-token" });
    assert_eq!(
        ok(server
            .place(headers)
            .python("await call_tool('bad.add', {'a': 1, 'b': 2})")),
        json!({ "sum": 3 })
    );
    let report = server
        .place(json!({}))
        .python("await call_tool('bad.add', {'a': 1, 'b': 2})");
    contains(&error(&report)["message"], "bad");
}

#[test]
fn servers_over_http_that_misbehave_are_errors() {
    for fault in [
        "http-status",
        "http-html",
        "http-type",
        "http-redirect",
        "http-hang",
        "http-cut",
    ] {
        let server = Http::start(&["--fault", fault]);
        let source = "\
try:
    kind = ['ok', await call_tool('bad.echo', {'text': 'x'})]
except ToolError as e:
    kind = [e.kind, str(e)]
assert await call_tool('good.add', {'a': 1, 'b': 2}) == {'sum': 3}
kind";
        let outcome = ok(server.place(json!({})).python(source));
        assert_ne!(outcome[0], "ok", "{fault}: {outcome}");
        assert!(
            !outcome[1].as_str().unwrap().contains("127.0.0.1"),
            "an address reached a program: {outcome}"
        );
    }
}
