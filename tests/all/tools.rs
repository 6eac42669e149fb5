//! Tools as imported functions: calls, errors, grants, concurrency, results.

use serde_json::{Value, json};

use crate::harness::{Place, contains, error, fixture, ok};

#[test]
fn a_hundred_calls_at_once_take_little_more_than_one() {
    let place = Place::with_servers(json!({ "fixture": fixture(&[]) }));
    let python = "\
import asyncio, time
from servers.fixture import sleep
await sleep(ms=0)
start = time.monotonic()
await asyncio.gather(*(sleep(ms=100) for _ in range(100)))
time.monotonic() - start";
    let seconds = ok(place.exec("a.py", python, &[])).as_f64().unwrap();
    assert!((0.1..1.5).contains(&seconds), "{seconds}");
    let javascript = "\
import { sleep } from 'servers/fixture';
await sleep({ ms: 0 });
const start = performance.now();
await Promise.all(Array.from({ length: 100 }, () => sleep({ ms: 100 })));
(performance.now() - start) / 1000";
    let seconds = ok(place.exec("a.js", javascript, &[])).as_f64().unwrap();
    assert!((0.1..1.5).contains(&seconds), "{seconds}");
}

#[test]
fn waiting_in_the_queue_is_not_charged_to_the_tool() {
    let mut server = fixture(&[]);
    server["callTimeout"] = json!("1s");
    server["maxInFlight"] = json!(2);
    let place = Place::with_servers(json!({ "fixture": server }));
    let source = "\
import asyncio
from servers.fixture import sleep
results = await asyncio.gather(*(sleep(ms=400) for _ in range(8)))
len(results)";
    assert_eq!(ok(place.python(source)), 8);
    let report = place.python("from servers.fixture import sleep\nawait sleep(ms=5000)");
    contains(&error(&report)["message"], "fixture");
}

#[test]
fn the_report_lists_every_call() {
    let place = Place::with_fixture(&[]);
    let source = "\
from servers.fixture import echo, fail
await echo(text='a')
try:
    await fail(message='no luck')
except ToolError as e:
    print(e.server, e.tool, e.kind, e.message)";
    let report = place.python(source);
    assert_eq!(
        report["stdout"], "fixture fail failed no luck\n",
        "{report:#}"
    );
    let calls: Vec<_> = report["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["server"].clone(), c["tool"].clone(), c["status"].clone()))
        .collect();
    assert_eq!(
        calls,
        [
            (json!("fixture"), json!("echo"), json!("finished")),
            (json!("fixture"), json!("fail"), json!("failed")),
        ]
    );
    assert!(report["calls"][0]["milliseconds"].as_f64().unwrap() >= 0.0);
    assert_eq!(report["usage"]["calls"], 2);
}

#[test]
fn calls_under_way_at_the_end_are_reported_as_unknown() {
    let place = Place::with_fixture(&[]);
    let source = "from servers.fixture import sleep\nawait sleep(ms=60000)";
    let report = place.exec("a.py", source, &["--timeout", "2s"]);
    assert_eq!(report["error"]["kind"], "timeout", "{report:#}");
    assert_eq!(report["calls"][0]["status"], "unknown", "{report:#}");
}

#[test]
fn arguments_are_checked_before_the_call() {
    let place = Place::with_fixture(&["--log", "log"]);
    for (source, parts) in [
        ("await add(a='x', b=1)", ["`a`", "integer"]),
        ("await add(a=1)", ["`b`", "missing"]),
        ("await add(a=1, b=2, c=3)", ["`c`", "`a`"]),
    ] {
        let report = place.python(&format!("from servers.fixture import add\n{source}"));
        for part in parts {
            contains(&error(&report)["message"], part);
        }
    }
    let log = place.read("log");
    assert!(!log.contains("tools/call"), "nothing was sent: {log}");
    assert_eq!(
        ok(place.python("from servers.fixture import add\nawait add(a=1, b=2)")),
        json!({ "sum": 3 })
    );
    assert!(place.read("log").contains("tools/call"));
}

#[test]
fn results_come_as_plain_data() {
    let place = Place::with_fixture(&[]);
    let call = |tool: &str| ok(place.python(&format!("await call_tool('fixture.{tool}', {{}})")));
    assert_eq!(
        call("structured"),
        json!({ "name": "Ada", "born": 1815, "tags": ["a", "b"] })
    );
    assert_eq!(call("wrapped"), json!([1, 2, 3]));
    assert_eq!(call("wrapped_by_schema"), json!(42));
    assert_eq!(
        call("text_json"),
        json!({ "ok": true, "items": [1, 2.5, null, "é"] })
    );
    assert_eq!(call("plain_text"), json!("just text, 100 % of it"));
    let mixed = call("mixed");
    assert_eq!(mixed.as_array().unwrap().len(), 3, "{mixed}");
    assert_eq!(mixed[1]["type"], "image");
}

#[test]
fn a_megabyte_of_result_arrives_whole() {
    let place = Place::with_fixture(&[]);
    let source = "from servers.fixture import rows\ntable = await rows(count=20000)\n[len(table['rows']), table['rows'][-1]['id']]";
    assert_eq!(ok(place.python(source)), json!([20000, 19999]));
    let source = "import { blob } from 'servers/fixture'; (await blob({ bytes: 2000000 })).length";
    assert_eq!(ok(place.javascript(source)), 2_000_000);
}

#[test]
fn a_tool_that_is_not_allowed_is_denied_on_every_route_and_allowed_otherwise() {
    let place = Place::with_fixture(&["--log", "log"]);
    let python = [
        "await call_tool('fixture.add', {'a': 1, 'b': 2})",
        "await callMCPTool('fixture__add', {'a': 1, 'b': 2})",
        "await tools.fixture.add(a=1, b=2)",
        "await call_tool('add', {'a': 1, 'b': 2})",
    ];
    let javascript = [
        "await callTool('fixture.add', { a: 1, b: 2 })",
        "await tools.fixture.add({ a: 1, b: 2 })",
    ];
    let all = python
        .iter()
        .map(|s| ("a.py", *s))
        .chain(javascript.iter().map(|s| ("a.js", *s)));
    for (name, source) in all.clone() {
        for flags in [
            ["--deny-tool", "fixture.add"],
            ["--allow-tool", "fixture.echo"],
        ] {
            let report = place.exec(name, source, &flags);
            assert_eq!(report["status"], "denied", "{source} {flags:?}: {report:#}");
            let text = report["error"].to_string();
            assert!(text.contains("fixture.add"), "{text}");
            assert!(
                text.contains("--allow-tool") || text.contains("--deny-tool"),
                "{text}"
            );
        }
    }
    assert!(
        !place.read("log").contains("tools/call"),
        "{}",
        place.read("log")
    );
    for (name, source) in all {
        assert_eq!(
            ok(place.exec(name, source, &["--allow-tool", "fixture.a*"])),
            json!({ "sum": 3 }),
            "{source}"
        );
    }
    // An import alone calls nothing; the call says which flag would allow it.
    let report = place.exec(
        "a.py",
        "from servers.fixture import add\nawait add(a=1, b=2)",
        &["--deny-tool", "fixture.add"],
    );
    assert_eq!(report["status"], "denied", "{report:#}");
}

#[test]
fn a_denial_can_be_caught() {
    let place = Place::with_fixture(&[]);
    let source = "\
try:
    await call_tool('fixture.add', {'a': 1, 'b': 2})
except ToolError as e:
    kind = e.kind
kind";
    assert_eq!(
        ok(place.exec("a.py", source, &["--deny-tool", "*.add"])),
        "denied"
    );
}

#[test]
fn a_cancelled_call_is_cancelled_upstream() {
    let place = Place::with_fixture(&["--log", "log"]);
    let source = "\
import asyncio
from servers.fixture import sleep, echo
try:
    await asyncio.wait_for(sleep(ms=30000), 0.2)
except TimeoutError:
    print('gave up')
await echo(text='still fine')
await asyncio.sleep(0.2)";
    let report = place.python(source);
    assert_eq!(report["stdout"], "gave up\n", "{report:#}");
    assert!(
        place.read("log").contains("notifications/cancelled"),
        "{}",
        place.read("log")
    );
}

#[test]
fn servers_start_only_when_first_used() {
    let place = Place::with_servers(json!({ "fixture": fixture(&["--log", "log"]) }));
    assert_eq!(ok(place.python("1 + 1")), 2);
    assert_eq!(place.read("log"), "");
    assert_eq!(ok(place.python("import servers\n'x'")), "x");
    assert_eq!(place.read("log"), "");
    place.python("import servers.fixture");
    assert!(place.read("log").contains("start"));
}

#[test]
fn a_server_sees_only_the_environment_it_was_given() {
    let mut server = fixture(&[]);
    server["env"] = json!({ "GIVEN": "${FROM_ENV}" });
    let place = Place::with_servers(json!({ "fixture": server }))
        .variable("FROM_ENV", "value")
        .variable("AWS_SECRET_ACCESS_KEY", "canary");
    let names = ok(place.python("(await call_tool('fixture.environment'))['names']"));
    let names: Vec<&str> = names
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        names.contains(&"GIVEN") && names.contains(&"PATH"),
        "{names:?}"
    );
    assert!(
        !names.contains(&"AWS_SECRET_ACCESS_KEY") && !names.contains(&"FROM_ENV"),
        "{names:?}"
    );
}

#[test]
fn synchronous_calls_work_and_mix_with_asynchronous_ones() {
    let place = Place::with_fixture(&[]);
    let source = "\
import asyncio
from servers.fixture import add as add_async
from mcp_tools.fixture import add
def total():
    return add(a=1, b=2)['sum'] + add(a=3, b=4)['sum']
[total(), (await add_async(a=5, b=6))['sum'], await asyncio.gather(*(add_async(a=i, b=i) for i in range(3)))]";
    assert_eq!(
        ok(place.python(source)),
        json!([10, 11, [{ "sum": 0 }, { "sum": 2 }, { "sum": 4 }]])
    );
}

#[test]
fn without_a_configuration_there_is_the_demo_server() {
    let place = Place::new();
    let source = "from servers.demo import get_order\n(await get_order(id=1))['id']";
    let report = place.python(source);
    assert_eq!(report["status"], "ok", "{report:#}");
    let report = place.python("from servers.github import list_issues");
    contains(&error(&report)["message"], "github");
}
