//! Each limit ends what it should, says so, and keeps what was printed.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, contains, ok};

/// How late a limit may be noticed; generous for a loaded machine.
const LATE: Duration = Duration::from_secs(3);

#[track_caller]
fn times_out(name: &str, source: &str) -> Value {
    let started = Instant::now();
    let report = Place::new().exec(name, source, &["--timeout", "1s"]);
    assert_eq!(report["status"], "limit", "{report:#}");
    assert_eq!(report["error"]["kind"], "timeout", "{report:#}");
    assert_eq!(
        report["error"]["message"],
        "the time limit of 1 s was reached"
    );
    contains(&report["error"]["hint"], "--timeout");
    assert_eq!(
        report["error"]["limit"],
        serde_json::json!({ "name": "timeout", "value": 1000 })
    );
    // Compiling the guest is not part of the run, so the report's own clock
    // is the one to look at first.
    let wall = Duration::from_secs_f64(report["usage"]["wall_ms"].as_f64().unwrap() / 1e3);
    assert!(wall >= Duration::from_secs(1), "{report:#}");
    assert!(wall < LATE || started.elapsed() > LATE * 4, "{report:#}");
    report
}

#[test]
fn a_loop_in_python_ends_and_what_was_printed_is_kept() {
    let report = times_out("a.py", "print('before')\nwhile True: pass");
    assert_eq!(report["stdout"], "before\n");
}

#[test]
fn a_loop_in_javascript_ends_and_what_was_printed_is_kept() {
    let report = times_out("a.js", "console.log('before'); while (true) {}");
    assert_eq!(report["stdout"], "before\n");
}

#[test]
fn a_loop_that_catches_everything_ends() {
    times_out(
        "a.py",
        "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
    );
    times_out("a.js", "while (true) { try { while (true) {} } catch {} }");
}

#[test]
fn work_in_finally_ends() {
    times_out("a.py", "try:\n    1/0\nfinally:\n    while True: pass");
}

#[test]
fn huge_powers_inside_the_interpreter_end() {
    times_out("a.py", "x = 7 ** (10 ** 8)");
}

#[test]
fn catastrophic_regular_expressions_end() {
    times_out("a.py", "import re\nre.match(r'(a+)+$', 'a' * 40 + '!')");
    times_out("a.js", "/(a+)+$/.test('a'.repeat(40) + '!')");
}

#[test]
fn iterators_that_never_reach_bytecode_end() {
    times_out("a.py", "import itertools\nsum(itertools.count())");
}

#[test]
fn sleeping_and_waiting_end() {
    times_out("a.py", "import time\ntime.sleep(1e6)");
    times_out("a.py", "import asyncio\nawait asyncio.sleep(1e6)");
    times_out(
        "a.js",
        "await new Promise(resolve => setTimeout(resolve, 1e8))",
    );
}

#[test]
fn a_flood_of_host_calls_ends() {
    times_out("a.py", "import time\nwhile True: time.monotonic()");
    times_out("a.py", "import os\nwhile True: os.urandom(1000)");
}

#[test]
fn an_endless_queue_of_microtasks_ends() {
    times_out(
        "a.js",
        "const again = () => Promise.resolve().then(again); await again(); ",
    );
    times_out(
        "a.py",
        "import asyncio\nasync def again():\n    while True: await asyncio.sleep(0)\nawait again()",
    );
}

#[test]
fn the_same_program_ends_well_within_the_limit() {
    let place = Place::new();
    assert_eq!(
        ok(place.exec("a.py", "sum(range(1000))", &["--timeout", "5s"])),
        499_500
    );
}

#[test]
fn memory_can_be_refused_and_the_program_goes_on() {
    let place = Place::new();
    let report = place
        .python("try:\n    x = bytearray(2**30)\nexcept MemoryError:\n    print('refused')\n1 + 1");
    assert_eq!(report["stdout"], "refused\n", "{report:#}");
    assert_eq!(ok(report), 2);
    let report = place
        .javascript("let seen; try { new ArrayBuffer(2 ** 30) } catch (e) { seen = e.name }\nseen");
    let seen = ok(report);
    assert!(seen == "RangeError" || seen == "InternalError", "{seen}");
}

#[test]
fn memory_ends_a_program_that_does_not_stop_asking() {
    let place = Place::new();
    for (name, source) in [
        ("a.py", "x = []\nwhile True: x.append(bytearray(1_000_000))"),
        (
            "a.js",
            "const x = []; while (true) x.push(new Uint8Array(1e6));",
        ),
    ] {
        let report = place.exec(name, source, &["--memory", "64MiB"]);
        assert_eq!(report["status"], "limit", "{report:#}");
        assert_eq!(report["error"]["kind"], "memory", "{report:#}");
        assert_eq!(
            report["error"]["message"],
            "the memory limit of 64 MiB was reached"
        );
        contains(&report["error"]["hint"], "--memory");
        assert!(
            report["usage"]["memory_peak_bytes"].as_u64().unwrap() <= 64 << 20,
            "{report:#}"
        );
    }
}

#[test]
fn more_memory_is_given_when_asked_for() {
    let place = Place::new();
    let source = "len(bytearray(300 * 2**20))";
    let report = place.exec("a.py", source, &[]);
    assert_eq!(report["error"]["kind"], "memory", "{report:#}");
    assert_eq!(
        ok(place.exec("a.py", source, &["--memory", "512MiB"])),
        300 << 20
    );
}

#[test]
fn fuel_ends_a_loop_and_is_the_same_each_time() {
    let place = Place::new();
    let report = place.exec("a.py", "while True: pass", &["--fuel", "100000000"]);
    assert_eq!(report["error"]["kind"], "fuel", "{report:#}");
    assert_eq!(
        report["error"]["message"],
        "the fuel limit of 100000000 was reached"
    );
    contains(&report["error"]["hint"], "--fuel");

    let used = |name: &str, source: &str| {
        let report = place.exec(name, source, &["--fuel", "10000000000"]);
        assert_eq!(report["status"], "ok", "{report:#}");
        report["usage"]["fuel"].as_u64().expect("fuel was counted")
    };
    for (name, source) in [
        ("a.py", "sum(i * i for i in range(10000))"),
        (
            "a.js",
            "let s = 0; for (let i = 0; i < 1e4; i++) s += i * i; s",
        ),
    ] {
        let first = used(name, source);
        assert!(first > 100_000, "{first}");
        assert_eq!(first, used(name, source));
        assert_eq!(first, used(name, source));
    }
}

#[test]
fn fuel_is_not_counted_unless_asked_for() {
    assert_eq!(Place::new().python("1")["usage"]["fuel"], Value::Null);
}

#[test]
fn output_ends_a_flood_and_keeps_what_fits() {
    let place = Place::new();
    for (name, source) in [
        ("a.py", "while True: print('x' * 99)"),
        ("a.js", "while (true) console.log('x'.repeat(99));"),
    ] {
        let report = place.exec(name, source, &["--max-output", "10000B"]);
        assert_eq!(report["error"]["kind"], "max-output", "{report:#}");
        contains(&report["error"]["message"], "10000 bytes");
        contains(&report["error"]["hint"], "--max-output");
        assert_eq!(report["stdout"].as_str().unwrap().len(), 10_000);
        assert_eq!(report["usage"]["output_bytes"], 10_000);
    }
    assert_eq!(
        place.exec("a.py", "print('x' * 9999)", &["--max-output", "10000B"])["status"],
        "ok"
    );
}

#[test]
fn a_large_result_counts_as_output() {
    let place = Place::new();
    let report = place.exec("a.py", "'x' * 20000", &["--max-output", "10000B"]);
    assert_eq!(report["error"]["kind"], "max-output", "{report:#}");
    let result = ok(place.exec("a.py", "'x' * 20000", &[]));
    assert_eq!(result.as_str().unwrap().len(), 20_000);
}

#[test]
fn calls_are_counted_also_when_they_are_refused() {
    let place = Place::with_fixture(&[]);
    let source = "\
while True:
    try:
        await call_tool('fixture.nothing_like_it', {})
    except ToolError as error:
        pass";
    let report = place.exec("a.py", source, &["--max-calls", "5"]);
    assert_eq!(report["error"]["kind"], "max-calls", "{report:#}");
    assert_eq!(
        report["error"]["message"],
        "the limit of 5 tool calls was reached"
    );
    contains(&report["error"]["hint"], "--max-calls");
    assert_eq!(report["calls"].as_array().unwrap().len(), 5, "{report:#}");
}

#[test]
fn deep_recursion_is_an_exception() {
    let place = Place::new();
    let report = place.python(
        "def f(): return f()\ntry:\n    f()\nexcept RecursionError:\n    print('deep')\n'on'",
    );
    assert_eq!(report["stdout"], "deep\n", "{report:#}");
    assert_eq!(ok(report), "on");
    let report = place.javascript(
        "function f() { return f() + 1 } let seen; try { f() } catch (e) { seen = e.name } seen",
    );
    let seen = ok(report);
    assert!(seen == "RangeError" || seen == "InternalError", "{seen}");
}

#[test]
fn deep_nesting_in_data_and_source_never_harms_the_host() {
    let place = Place::new();
    for source in [
        "import json\njson.loads('[' * 1000000)",
        "eval('(' * 100000)",
        "eval('-' * 100000 + '1')",
        "x = []\nfor i in range(1000000): x = [x]\nrepr(x)",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)",
    ] {
        let report = place.python(source);
        assert!(
            report["status"] == "error" || report["status"] == "limit",
            "{source}: {report:#}"
        );
    }
    for source in [
        "JSON.parse('['.repeat(1e6))",
        "eval('('.repeat(1e5))",
        "eval('-'.repeat(1e5) + '1')",
        "let x = []; for (let i = 0; i < 1e6; i++) x = [x]; JSON.stringify(x)",
    ] {
        let report = place.javascript(source);
        assert!(
            report["status"] == "error" || report["status"] == "limit",
            "{source}: {report:#}"
        );
    }
}

#[test]
fn limits_in_the_configuration_hold_and_flags_win() {
    let config = serde_json::json!({ "coordinator": { "limits": { "timeout": "700ms" } } });
    let place = Place::with_config(config);
    let report = place.exec("a.py", "while True: pass", &[]);
    assert_eq!(
        report["error"]["message"], "the time limit of 700 ms was reached",
        "{report:#}"
    );
    let report = place.exec("a.py", "while True: pass", &["--timeout", "300ms"]);
    assert_eq!(
        report["error"]["message"], "the time limit of 300 ms was reached",
        "{report:#}"
    );
}

#[test]
fn files_have_limits_that_are_named() {
    let write = |bytes: u64| {
        format!(
            "f = open('/workspace/x', 'wb')\nfor _ in range({bytes}): f.write(b'x' * 1_000_000)\nf.close()"
        )
    };
    let report = Place::new().python(&write(30));
    assert_eq!(report["error"]["kind"], "OSError", "{report:#}");
    contains(
        &report["error"]["hint"],
        "a file of the workspace may have at most 10485760 bytes",
    );
    assert_eq!(Place::new().python(&write(10))["status"], "ok");
}
