//! How a failure is told: as the program's own, unless the host refused it
//! something and nothing in the program handled that. What a program calls its
//! exceptions is no matter.

use serde_json::{Value, json};

use crate::harness::{Place, contains, error, fixture};

/// Both languages say it, and the run has this status.
#[track_caller]
fn each(place: &Place, flags: &[&str], sources: [&str; 2], status: &str, kind: &str) -> [Value; 2] {
    let [python, javascript] = sources;
    [("a.py", python), ("a.js", javascript)].map(|(name, source)| {
        let report = place.exec(name, source, flags);
        assert_eq!(report["status"], status, "{source}\n{report:#}");
        assert_eq!(report["error"]["kind"], kind, "{source}\n{report:#}");
        report
    })
}

const DENY: [&str; 2] = ["--deny-tool", "fixture.add"];

const ADD: [&str; 2] = [
    "await call_tool('fixture.add', {'a': 1, 'b': 2})",
    "await callTool('fixture.add', { a: 1, b: 2 })",
];

#[test]
fn a_denial_that_nothing_handles_is_one() {
    let place = Place::with_fixture(&[]);
    for report in each(&place, &DENY, ADD, "denied", "ToolDenied") {
        contains(&report["error"]["message"], "--deny-tool");
        contains(&report["error"]["traceback"], "ToolDenied");
        assert_eq!(report["error"]["position"]["line"], 1, "{report:#}");
    }
}

#[test]
fn a_denial_that_is_raised_again_is_still_one() {
    let sources = [
        "try:\n    await call_tool('fixture.add', {'a': 1, 'b': 2})\nexcept ToolError as e:\n    raise e from None",
        "try { await callTool('fixture.add', { a: 1, b: 2 }) } catch (e) { throw e }",
    ];
    each(
        &Place::with_fixture(&[]),
        &DENY,
        sources,
        "denied",
        "ToolDenied",
    );
}

#[test]
fn a_denial_in_a_group_is_one_where_all_of_the_group_is() {
    let place = Place::with_fixture(&[]);
    let all = [
        "\
import asyncio
async with asyncio.TaskGroup() as group:
    for n in range(3):
        group.create_task(call_tool('fixture.add', {'a': n, 'b': n}))",
        "await Promise.any([1, 2, 3].map((n) => callTool('fixture.add', { a: n, b: n })))",
    ];
    for (name, source, kind) in [
        ("a.py", all[0], "ExceptionGroup"),
        ("a.js", all[1], "AggregateError"),
    ] {
        let report = place.exec(name, source, &DENY);
        assert_eq!(report["status"], "denied", "{report:#}");
        assert_eq!(report["error"]["kind"], kind, "{report:#}");
    }
    let some = [
        "\
try:
    await call_tool('fixture.add', {'a': 1, 'b': 2})
except ToolDenied as e:
    raise ExceptionGroup('both', [e, ValueError('mine')])",
        "await Promise.any([callTool('fixture.add', {}), Promise.reject(new Error('mine'))])",
    ];
    for (name, source) in [("a.py", some[0]), ("a.js", some[1])] {
        error(&place.exec(name, source, &DENY));
    }
}

#[test]
fn a_class_of_the_same_name_is_no_denial() {
    let place = Place::with_fixture(&[]);
    for name in ["ToolDenied", "ToolLimit"] {
        let python = format!("class {name}(Exception): pass\nraise {name}('no')");
        let javascript =
            format!("class {name} extends Error {{ name = '{name}' }}\nthrow new {name}('no')");
        each(&place, &[], [&python, &javascript], "error", name);
        // Nor is the class itself, or a class below it.
        let python = format!("raise {name}('no', 'fixture', 'add', 'denied')");
        let javascript =
            format!("throw new {name}('no', {{ kind: 'denied', server: 'fixture', tool: 'add' }})");
        each(&place, &[], [&python, &javascript], "error", name);
        let python = format!("class Mine({name}): pass\nraise Mine('no')");
        let javascript = format!("throw new (class Mine extends {name} {{ name = 'Mine' }})('no')");
        each(&place, &[], [&python, &javascript], "error", "Mine");
    }
}

#[test]
fn an_exception_that_only_looks_like_a_denial_is_none() {
    // Something was denied in this run, and handled.
    let sources = [
        "\
try:
    await call_tool('fixture.add', {'a': 1, 'b': 2})
except ToolDenied as e:
    seen = e
raise ToolDenied(seen.message, seen.server, seen.tool, seen.kind)",
        "\
let seen;
try { await callTool('fixture.add', { a: 1, b: 2 }) } catch (e) { seen = e }
throw Object.assign(new ToolDenied(seen.message, seen), { kind: seen.kind })",
    ];
    each(
        &Place::with_fixture(&[]),
        &DENY,
        sources,
        "error",
        "ToolDenied",
    );
}

#[test]
fn other_failures_of_calls_are_the_programs_own() {
    let place = Place::with_fixture(&[]);
    let sources = [
        "await call_tool('fixture.ad', {})",
        "await callTool('fixture.ad', {})",
    ];
    let reports = [("a.py", sources[0]), ("a.js", sources[1])]
        .map(|(name, source)| place.exec(name, source, &[]));
    for report in reports {
        error(&report);
    }
}

#[test]
fn a_limit_of_calls_in_flight_is_a_limit() {
    // The server never answers the handshake, so every call stays in flight.
    let place = Place::with_servers(json!({
        "fixture": fixture(&["--fault", "silent"]),
    }));
    let sources = [
        "\
import asyncio
await asyncio.gather(*(call_tool('fixture.add', {}) for _ in range(10_001)))",
        "await Promise.all(Array.from({ length: 10_001 }, () => callTool('fixture.add', {})))",
    ];
    let flags = ["--max-calls", "20000"];
    for report in each(&place, &flags, sources, "limit", "ToolLimit") {
        contains(&report["error"]["message"], "in flight");
    }
}

#[test]
fn memory_is_a_limit_where_it_was_refused() {
    let place = Place::new();
    let sources = [
        "x = []\nwhile True: x.append(bytearray(1_000_000))",
        "const x = []; while (true) x.push(new Uint8Array(1e6));",
    ];
    for report in each(&place, &["--memory", "64MiB"], sources, "limit", "memory") {
        assert_eq!(report["error"]["limit"]["name"], "memory", "{report:#}");
    }
}

#[test]
fn memory_is_no_limit_where_none_was_refused() {
    let sources = [
        "raise MemoryError('no memory')",
        "throw new InternalError('out of memory')",
    ];
    let place = Place::new();
    for (name, source, kind) in [
        ("a.py", sources[0], "MemoryError"),
        ("a.js", sources[1], "InternalError"),
    ] {
        let report = place.exec(name, source, &[]);
        assert_eq!(error(&report)["kind"], kind, "{report:#}");
        assert_eq!(report["error"]["limit"], Value::Null, "{report:#}");
    }
    // A class of that name is none, also where memory was refused before.
    let python = "\
try:
    bytearray(2**30)
except MemoryError:
    pass
class MemoryError(Exception): pass
raise MemoryError('out of memory')";
    let javascript = "\
try { new ArrayBuffer(2 ** 30) } catch {}
class InternalError extends Error { name = 'InternalError' }
throw new InternalError('out of memory')";
    for (name, source) in [("a.py", python), ("a.js", javascript)] {
        error(&place.exec(name, source, &[]));
    }
}
