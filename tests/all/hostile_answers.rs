//! Answers that cannot be read: whoever waits hears of it at once, by name of
//! the server, and other calls go on.

use serde_json::{Value, json};

use crate::faults::Http;
use crate::harness::{Place, contains, fixture, ok};

/// A place in which a call may take far longer than a program.
fn place(arguments: &[&str]) -> Place {
    let mut bad = fixture(arguments);
    bad["callTimeout"] = json!("5m");
    Place::with_servers(json!({ "good": fixture(&[]), "bad": bad }))
}

/// `["ok", result]` or `[kind, message, server]` of a call in Python and in
/// JavaScript, while another server answers.
#[track_caller]
fn outcomes(place: &Place, tool: &str, arguments: &Value) -> [Value; 2] {
    let python = format!(
        "\
import asyncio, json
async def bad():
    try:
        return ['ok', await call_tool('{tool}', json.loads({text}))]
    except ToolError as e:
        return [e.kind, str(e), e.server]
outcome, good = await asyncio.gather(bad(), call_tool('good.add', {{'a': 1, 'b': 2}}))
assert good == {{'sum': 3}}
outcome",
        text = json!(arguments.to_string())
    );
    let javascript = format!(
        "\
const bad = callTool('{tool}', {arguments}).then(value => ['ok', value], e => [e.kind, e.message, e.server]);
const [outcome, good] = await Promise.all([bad, callTool('good.add', {{ a: 1, b: 2 }})]);
if (good.sum !== 3) throw new Error('the good server');
outcome"
    );
    [("a.py", python), ("a.js", javascript)]
        .map(|(name, source)| ok(place.exec(name, &source, &["--timeout", "60s"])))
}

#[track_caller]
fn is(outcome: &Value, kind: &str, message: &str) {
    assert_eq!(outcome[0], kind, "{outcome}");
    contains(&outcome[1], message);
    contains(&outcome[1], "bad");
    assert_eq!(outcome[2], "bad", "{outcome}");
}

#[test]
fn an_answer_that_is_no_json_ends_its_call_at_once() {
    let place = place(&[]);
    for (kind, outcome, message) in [
        ("nan", "unusable_answer", "the server's answer is no JSON"),
        ("cut", "unusable_answer", "the server's answer is no JSON"),
        (
            "not-utf8",
            "unusable_answer",
            "the server's answer is no JSON",
        ),
        ("noise", "unusable_answer", "the server's answer is no JSON"),
        (
            "nan-late-id",
            "unusable_answer",
            "the server's answer is no JSON",
        ),
        (
            "cut-late-id",
            "outcome_unknown",
            "an answer of the server is no JSON",
        ),
        ("deep", "unusable_answer", "nested deeper than"),
        ("number", "unusable_answer", "is not the result of a tool"),
        ("nothing", "unusable_answer", "it has no content"),
    ] {
        for found in outcomes(&place, "bad.result", &json!({ "kind": kind })) {
            is(&found, outcome, message);
        }
    }
}

#[test]
fn an_unreadable_answer_does_not_touch_other_calls_to_the_server() {
    let source = "\
import asyncio
calls = [call_tool('bad.result', {'kind': k}) for k in ('nan', 'cut', 'noise', 'nan-late-id')]
calls += [call_tool('bad.sleep', {'ms': 300}) for _ in range(3)]
outcomes = await asyncio.gather(*calls, return_exceptions=True)
[getattr(o, 'kind', o) for o in outcomes]";
    let report = place(&[]).exec("a.py", source, &["--timeout", "60s"]);
    let (bad, good) = ("unusable_answer", "slept 300 ms");
    let expected = json!([bad, bad, bad, bad, good, good, good]);
    assert_eq!(ok(report), expected);
}

#[test]
fn of_fields_that_are_there_twice_the_last_counts() {
    let place = place(&[]);
    for outcome in outcomes(&place, "bad.result", &json!({ "kind": "duplicates" })) {
        assert_eq!(outcome, json!(["ok", { "n": 2 }]));
    }
    for outcome in outcomes(&place, "bad.result", &json!({ "kind": "duplicate-text" })) {
        assert_eq!(outcome, json!(["ok", "b"]));
    }
}

#[test]
fn an_answer_that_is_too_large_ends_its_call_and_names_the_setting() {
    let mut config = json!({ "mcpServers": { "good": fixture(&[]), "bad": fixture(&[]) } });
    let place = Place::with_config(config.clone());
    for outcome in outcomes(&place, "bad.blob", &json!({ "bytes": 9_000_000 })) {
        is(&outcome, "unusable_answer", "8388608 bytes");
        contains(&outcome[1], "`maxMessage`");
    }
    // The server is not started again for it, and other calls go on.
    let source = "\
import asyncio
pids, large = [], 0
for _ in range(2):
    pids.append((await call_tool('bad.environment', {}))['pid'])
    try:
        await asyncio.gather(call_tool('bad.sleep', {'ms': 200}), call_tool('bad.blob', {'bytes': 9_000_000}))
    except ToolError as e:
        large += e.kind == 'unusable_answer'
pids[0] == pids[1], large";
    assert_eq!(ok(place.python(source)), json!([true, 2]));
    config["coordinator"] = json!({ "maxMessage": "12MiB" });
    let place = Place::with_config(config);
    let source = "len(await call_tool('bad.blob', {'bytes': 9_000_000}))";
    assert_eq!(ok(place.python(source)), 9_000_000);
}

#[test]
fn a_server_that_writes_only_rubbish_is_given_up_at_once() {
    let place = place(&["--fault", "chatty"]);
    for outcome in outcomes(&place, "bad.echo", &json!({ "text": "x" })) {
        is(
            &outcome,
            "outcome_unknown",
            "it writes only malformed lines to its standard output",
        );
    }
}

#[test]
fn a_server_that_writes_in_another_encoding_is_told_at_once() {
    for encoding in ["utf-16", "utf-16be"] {
        let place = place(&["--fault", &format!("encoding={encoding}")]);
        for outcome in outcomes(&place, "bad.echo", &json!({ "text": "x" })) {
            is(&outcome, "unavailable", "");
        }
        let list = place.run(&["servers", "--json"]);
        contains(&json!(list.stdout), "it writes UTF-16");
    }
    let place = place(&["--fault", "encoding=utf-8-bom"]);
    for outcome in outcomes(&place, "bad.add", &json!({ "a": 1, "b": 2 })) {
        assert_eq!(outcome, json!(["ok", { "sum": 3 }]));
    }
}

#[test]
fn a_server_that_ignores_the_probe_starts_within_seconds() {
    // The probe alone would take longer than it may take to start.
    let place = Place::with_config(json!({
        "mcpServers": { "good": fixture(&[]), "bad": fixture(&["--fault", "silent=discover"]) },
        "coordinator": { "startTimeout": "8s" },
    }));
    for outcome in outcomes(&place, "bad.add", &json!({ "a": 1, "b": 2 })) {
        assert_eq!(outcome, json!(["ok", { "sum": 3 }]));
    }
}

#[test]
fn bad_answers_over_http_are_said_as_what_they_are() {
    for (how, kind, message) in [
        (
            "accepted",
            "outcome_unknown",
            "took the call and gave no answer (HTTP 202)",
        ),
        ("empty", "unusable_answer", "the server's answer is empty"),
        ("no-type", "unusable_answer", "the server's answer is empty"),
        ("no-id", "unusable_answer", "the server's answer has no id"),
        (
            "other-id",
            "unusable_answer",
            "the server's answer has the id of another request",
        ),
        (
            "part",
            "unusable_answer",
            "the server's answer is no JSON, or only a part of it",
        ),
        (
            "page",
            "unusable_answer",
            "the server's answer is `text/html` and not JSON",
        ),
        (
            "busy",
            "unavailable",
            "the server answered with HTTP 429, `Retry-After: 120`: the quota is used up",
        ),
        (
            "broken",
            "outcome_unknown",
            "the server answered with HTTP 500: table orders is locked",
        ),
    ] {
        let server = Http::start(&["--fault", &format!("http-call={how}")]);
        let mut outcomes = outcomes(&server.place(json!({})), "bad.echo", &json!({})).to_vec();
        // Twice the same.
        outcomes.dedup();
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        is(&outcomes[0], kind, message);
    }
}
