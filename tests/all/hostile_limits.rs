//! What servers and programs can make the host spend: memory that stays
//! bounded, calls that are not delivered any more, and callers that do not wait
//! for each other.

use std::process::Stdio;
use std::sync::Arc;

use serde_json::{Value, json};
use wasm_coordinator::{
    Engine, EngineOptions, Isolation, LocalTools, Program, ServerLimits, ServerSpec, Session,
    SessionOptions, Status, Stdio as Command, Toolbox, Transport,
};

use crate::harness::{Place, contains, fixture, fixture_server, guest_cache, ok};
use crate::library::{engine, tokio};

/// Runs a program, and tells also how many MiB the host had at most.
fn with_peak(place: &Place, name: &str, source: &str, flags: &[&str]) -> (Value, u64) {
    // The first run of a language may compile its guest.
    let warm = if name.ends_with(".py") {
        "w.py"
    } else {
        "w.js"
    };
    ok(place.exec(warm, "1", &[]));
    place.write(name, source);
    let mut arguments = vec!["exec", "--json"];
    arguments.extend_from_slice(flags);
    arguments.push(name);
    let mut child = place
        .command(&arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let watcher = std::thread::spawn(move || {
        let mut peak = 0;
        // The mark only grows, and is gone with the process.
        while let Ok(status) = std::fs::read_to_string(&status) {
            let line = status.lines().find(|line| line.starts_with("VmHWM:"));
            let Some(line) = line else { break };
            let kib = line.split_whitespace().nth(1).unwrap();
            peak = kib.parse::<u64>().unwrap() / 1024;
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        peak
    });
    let mut stdout = String::new();
    let mut pipe = child.stdout.take().expect("it is piped");
    std::io::Read::read_to_string(&mut pipe, &mut stdout).unwrap();
    child.wait().unwrap();
    let report = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}"));
    (report, watcher.join().unwrap())
}

fn bombs() -> Place {
    Place::with_config(json!({ "mcpServers": {
        "good": fixture(&[]),
        "bad": fixture(&["--fault", "bombs"]),
    } }))
}

#[test]
fn tools_with_schemas_that_are_bombs_are_called_and_the_host_stays_small() {
    let place = bombs();
    let source = "\
import asyncio
names = [t['name'] for t in search_tools('', server='bad', limit=1000) if t['name'].startswith('bad.bomb_')]
assert len(names) == 10, names
async def call(name, **arguments):
    try:
        return (await call_tool(name, arguments))['arguments'] == arguments
    except ToolError as e:
        return e.kind
async def both():
    return [
        await asyncio.gather(*[call(n, good=1, bad='()' * 500_000) for n in names if n != 'bad.bomb_enum']),
        await asyncio.gather(*[call(n, good='x') for n in names]),
    ]
outcomes, good = await asyncio.gather(both(), call_tool('good.add', {'a': 1, 'b': 2}))
assert good == {'sum': 3}
dict(zip(names, outcomes[1])), all(x in (True, 'invalid_arguments') for x in outcomes[0])";
    let (report, peak) = with_peak(&place, "a.py", source, &["--timeout", "60s"]);
    let result = ok(report);
    assert_eq!(result[1], true, "{result}");
    for (name, outcome) in result[0].as_object().unwrap() {
        // Of the one with too many parameters nothing is checked.
        let expected = match name.as_str() {
            "bad.bomb_wide" => json!(true),
            _ => json!("invalid_arguments"),
        };
        assert_eq!(*outcome, expected, "{name}");
    }
    assert!(peak < 500, "{peak} MiB");
}

#[test]
fn schemas_that_are_bombs_are_listed_searched_and_shown_in_little_memory() {
    let place = bombs();
    let python = "\
import os
import servers.bad, mcp_tools.bad
search_tools('bomb pattern', server='bad', detail='full', limit=3)
names = [n for n in os.listdir('/servers/bad') if n.startswith('bomb_')]
sizes = [len(open('/servers/bad/' + n).read()) for n in names]
len(names) > 0, max(sizes) < 20_000_000";
    let (report, peak) = with_peak(&place, "a.py", python, &["--timeout", "60s"]);
    assert_eq!(ok(report), json!([true, true]));
    assert!(peak < 700, "{peak} MiB");
    let javascript = "\
const found = searchTools('bomb wide', { server: 'bad', detail: 'full', limit: 3 });
const { readdir, readFile } = await import('fs/promises');
const names = (await readdir('/servers/bad')).filter(name => name.startsWith('bomb') && name.endsWith('.ts'));
const stubs = await Promise.all(names.map(name => readFile(`/servers/bad/${name}`, 'utf8')));
[names.length === 10, stubs.every(stub => stub.length < 1e6)]";
    let (report, peak) = with_peak(&place, "a.js", javascript, &["--timeout", "60s"]);
    assert_eq!(ok(report), json!([true, true]));
    assert!(peak < 700, "{peak} MiB");
}

#[test]
fn arguments_in_flight_are_bounded_and_calls_beyond_are_refused() {
    let place = Place::with_fixture(&[]);
    let source = "\
const text = 'x'.repeat(4e6);
const kinds = {};
const calls = Array.from({ length: 30 }, () => callTool('fixture.size', { text, ms: 20000 }));
for (const call of await Promise.allSettled(calls)) {
  const kind = call.status === 'fulfilled' ? 'ok' : call.reason.kind;
  kinds[kind] = (kinds[kind] ?? 0) + 1;
}
// What ended is not counted any more.
const again = await callTool('fixture.size', { text, ms: 0 });
[kinds, again > 4e6]";
    let (report, peak) = with_peak(&place, "a.js", source, &["--timeout", "3m"]);
    let result = ok(report);
    // Some may end while the others are still being made.
    let count = |kind: &str| result[0][kind].as_u64().unwrap_or(0);
    assert!(count("ok") >= 16 && count("limit") > 0, "{result}");
    assert_eq!(count("ok") + count("limit"), 30, "{result}");
    assert_eq!(result[1], true);
    assert!(peak < 500, "{peak} MiB");
}

#[test]
fn a_program_that_ends_with_too_many_arguments_says_which_limit_it_was() {
    let place = Place::with_fixture(&[]);
    let source = "\
const text = 'x'.repeat(4e6);
await Promise.all(Array.from({ length: 20 }, () => callTool('fixture.size', { text, ms: 60000 })));";
    let report = place.exec("a.js", source, &["--timeout", "3m"]);
    assert_eq!(report["status"], "limit", "{report:#}");
    contains(
        &report["error"]["message"],
        "of the 64 MiB that a run may have in flight",
    );
}

#[test]
fn results_that_a_program_does_not_take_are_bounded() {
    let place = Place::with_fixture(&[]);
    let source = "\
const calls = Array.from({ length: 30 }, () => callTool('fixture.blob', { bytes: 7e6 }));
let kinds = {};
for (const call of await Promise.allSettled(calls)) {
  const kind = call.status === 'fulfilled' ? 'ok' : call.reason.kind;
  kinds[kind] = (kinds[kind] ?? 0) + 1;
}
Object.keys(kinds).sort()";
    let (report, peak) = with_peak(
        &place,
        "a.js",
        source,
        &["--timeout", "60s", "--memory", "1GiB"],
    );
    assert!(
        ["ok", "limit"].contains(&report["status"].as_str().unwrap()),
        "{report:#}"
    );
    assert!(peak < 1_300, "{peak} MiB");
}

/// The fixture server, for the library.
fn server(arguments: &[&str]) -> ServerSpec {
    let command = Command {
        command: fixture_server().display().to_string(),
        args: arguments.iter().map(|&text| text.to_owned()).collect(),
        ..Command::default()
    };
    ServerSpec::new("slow", Transport::Stdio(command))
}

fn sharing(tools: &Arc<Toolbox>) -> Session {
    Session::new(engine(), Arc::clone(tools), SessionOptions::default())
}

/// The calls that a server has received, by tool.
fn received(place: &Place) -> Vec<String> {
    let log = place.read("log");
    let messages = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages
        .filter(|message| message["method"] == "tools/call")
        .map(|message| message["params"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn calls_that_were_not_written_when_they_were_cancelled_never_arrive() {
    let place = Place::new();
    let log = place.path().join("log").display().to_string();
    let spec = server(&["--log", &log, "--fault", "read-delay=50"]);
    let tools = Arc::new(Toolbox::new(vec![spec], ServerLimits::default()).unwrap());
    let cancels = "\
import asyncio
calls = [asyncio.create_task(call_tool('slow.size', {'text': 'x' * 1_000_000})) for _ in range(60)]
await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
for call in calls:
    call.cancel()
await asyncio.gather(*calls, return_exceptions=True)
await call_tool('slow.count', {})";
    tokio().block_on(async {
        let report = sharing(&tools).run(Program::python(cancels)).await;
        assert_eq!(report.status, Status::Ok, "{report:?}");
        let first = received(&place);
        assert_eq!(first.last().map(String::as_str), Some("count"), "{first:?}");
        assert!(first.len() < 40, "{} calls", first.len());
        // The same where the run itself ends.
        let ends = cancels.split("for call").next().unwrap();
        sharing(&tools).run(Program::python(ends)).await;
        let count = Program::python("await call_tool('slow.count', {})");
        assert_eq!(sharing(&tools).run(count).await.status, Status::Ok);
        let all = received(&place);
        assert_eq!(all.last().map(String::as_str), Some("count"), "{all:?}");
        assert!(all.len() < 80, "{} calls", all.len());
        tools.shutdown().await;
    });
}

#[test]
fn a_caller_does_not_wait_for_the_thousand_calls_of_another() {
    let place = Place::new();
    let log = place.path().join("log").display().to_string();
    let local = LocalTools::new().tool("hang", "Never ends", json!({}), |_| async {
        std::future::pending().await
    });
    let local = local.tool("now", "Ends at once", json!({}), |_| async {
        Ok("now".into())
    });
    let specs = vec![
        server(&["--log", &log, "--fault", "read-delay=5"]),
        ServerSpec::local("local", local),
    ];
    let tools = Arc::new(Toolbox::new(specs, ServerLimits::default()).unwrap());
    for (many, one) in [
        (
            "[call_tool('local.hang', {}) for _ in range(250)]",
            "await call_tool('local.now', {})",
        ),
        (
            "[call_tool('slow.silent', {'text': 'x' * 200_000}) for _ in range(250)]",
            "await call_tool('slow.count', {})",
        ),
    ] {
        let many = format!("import asyncio\nawait asyncio.gather(*{many})");
        tokio().block_on(async {
            let (mut first, mut second) = (sharing(&tools), sharing(&tools));
            let many = first.run(Program::python(many));
            let one = async {
                let wait = "import asyncio\nawait asyncio.sleep(0.5)\n";
                second.run(Program::python(format!("{wait}{one}"))).await
            };
            tokio::select! {
                biased;
                report = one => assert_eq!(report.status, Status::Ok, "{report:?}"),
                report = many => panic!("{report:?}"),
            }
        });
    }
    tokio().block_on(tools.shutdown());
    // The slow reader got the call of the second among those of the first.
    let received = received(&place);
    let at = received.iter().position(|tool| tool == "count").unwrap();
    assert!(at < 200, "{at} calls came before");
}

#[test]
fn a_server_that_changes_its_tools_without_end_is_not_asked_each_time() {
    let place = Place::new();
    let log = place.path().join("log").display().to_string();
    let spec = server(&["--log", &log, "--fault", "list-flood=2"]);
    let tools = Arc::new(Toolbox::new(vec![spec], ServerLimits::default()).unwrap());
    let source = "\
import asyncio
for _ in range(150):
    await call_tool('slow.count', {})
    await asyncio.sleep(0.02)";
    tokio().block_on(async {
        let report = sharing(&tools).run(Program::python(source)).await;
        assert_eq!(report.status, Status::Ok, "{report:?}");
        tools.shutdown().await;
    });
    assert_eq!(received(&place).len(), 150);
    let log = place.read("log");
    let lists = log.matches("\"method\":\"tools/list\"").count();
    // The first, eight that are free, and those of the first seconds.
    assert!((9..=13).contains(&lists), "{lists} lists");
}

/// What a server has open that is neither its own nor one of its streams.
fn foreign(paths: &Value) -> Vec<&str> {
    let paths = paths.as_array().unwrap().iter();
    let paths = paths.map(|path| path.as_str().unwrap());
    let is_its_own = |path: &&str| {
        let starts = ["pipe:", "socket:", "anon_inode:", "/dev/null"];
        starts.iter().any(|start| path.starts_with(start)) || path.ends_with("/fd")
    };
    paths.filter(|path| !is_its_own(path)).collect()
}

#[test]
fn a_server_has_nothing_open_that_is_ours() {
    let place = Place::with_fixture(&[]);
    for name in ["a.py", "a.js"] {
        let source = "(await call_tool('fixture.descriptors', {}))['paths']";
        let paths = ok(place.exec(name, &source.replace("call_tool", call(name)), &[]));
        assert_eq!(foreign(&paths), [""; 0]);
    }
    // With a pool, the engine holds one that it opens anew in each child.
    let options = EngineOptions {
        cache: Some(guest_cache()),
        pool: Some(2),
        isolation: Isolation::InProcess,
        ..Default::default()
    };
    let pooled = Engine::new(options).unwrap();
    let tools = Toolbox::new(vec![server(&[])], ServerLimits::default()).unwrap();
    let paths = tokio().block_on(async {
        let mut session = Session::new(&pooled, tools, SessionOptions::default());
        let source = "(await call_tool('slow.descriptors', {}))['paths']";
        session.run(Program::python(source)).await.result
    });
    assert_eq!(foreign(&paths.unwrap()), [""; 0]);
}

fn call(name: &str) -> &'static str {
    if name.ends_with(".py") {
        "call_tool"
    } else {
        "callTool"
    }
}
