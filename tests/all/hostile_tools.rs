//! Names, definitions and servers that attack: what each case must come to, in
//! Python and JavaScript alike, with a healthy server beside that goes on.
//! `docs/security-tests.md` lists the cases.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::faults::Http;
use crate::harness::{Place, contains, ends, error, fixture, ok};

/// A place with a healthy server `good`, and one with these arguments, `bad`.
fn bad(arguments: &[&str]) -> Place {
    let mut bad = fixture(arguments);
    bad["callTimeout"] = json!("2s");
    beside_good(bad)
}

fn beside_good(bad: Value) -> Place {
    Place::with_config(json!({
        "mcpServers": { "good": fixture(&[]), "bad": bad },
        "coordinator": { "startTimeout": "3s" },
    }))
}

/// Calls a tool from Python and from JavaScript while the good server is
/// called too, which must answer. Gives `["ok", result]` or `[kind, message]`
/// of each.
#[track_caller]
fn outcomes(place: &Place, tool: &str, arguments: &Value) -> [Value; 2] {
    let tool = json!(tool);
    let python = format!(
        "\
import asyncio, json
async def bad():
    try:
        return ['ok', await call_tool({tool}, json.loads({text}))]
    except ToolError as e:
        return [e.kind, str(e)]
outcome, good = await asyncio.gather(bad(), call_tool('good.add', {{'a': 1, 'b': 2}}))
assert good == {{'sum': 3}}
outcome",
        text = json!(arguments.to_string())
    );
    let javascript = format!(
        "\
const bad = callTool({tool}, {arguments}).then(value => ['ok', value], e => [e.kind, e.message]);
const [outcome, good] = await Promise.all([bad, callTool('good.add', {{ a: 1, b: 2 }})]);
if (good.sum !== 3) throw new Error('the good server');
outcome"
    );
    [("a.py", python), ("a.js", javascript)].map(|(name, source)| {
        ok(place.exec(
            name,
            &source,
            &["--timeout", "25s", "--max-output", "10MiB"],
        ))
    })
}

/// The kind that both languages agree on.
#[track_caller]
fn kind(place: &Place, tool: &str, arguments: &Value) -> String {
    let [python, javascript] = outcomes(place, tool, arguments);
    assert_eq!(python[0], javascript[0], "{python}\n{javascript}");
    python[0].as_str().unwrap().to_owned()
}

#[track_caller]
fn echoes(place: &Place, tool: &str) {
    for outcome in outcomes(place, tool, &json!({ "text": "x" })) {
        assert_eq!(outcome[0], "ok", "{outcome}");
        assert_eq!(outcome[1]["arguments"], json!({ "text": "x" }), "{outcome}");
    }
}

/// The state of the server `bad`, as the operator sees it.
#[track_caller]
fn state(place: &Place) -> Value {
    let list = place.run(&["servers", "--json"]);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let servers = list["servers"].as_array().unwrap();
    let bad = servers.iter().find(|server| server["name"] == "bad");
    bad.expect("it is configured").clone()
}

/// Counts who comes to an address on loopback.
struct Trap {
    url: String,
    visitors: Arc<AtomicUsize>,
}

impl Trap {
    /// Answers everyone with these bytes.
    fn new(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        use std::io::{Read, Write};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let visitors = Arc::new(AtomicUsize::new(0));
        let trap = Self {
            url: url.clone(),
            visitors: Arc::clone(&visitors),
        };
        // Ends with the process: nobody is left to connect.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                visitors.fetch_add(1, Ordering::SeqCst);
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 8192]);
                let _ = stream.write_all(answer(&url).as_bytes());
            }
        });
        trap
    }

    fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }
}

/// What the fixture server's fault `names` adds and a client may take: each
/// without control characters.
const NAMES: &[&str] = &[
    "a.b",
    "a_b",
    "a-b",
    "A_B",
    "a b",
    "aB",
    "class",
    "None",
    "match",
    "print",
    "await",
    "async",
    "import",
    "type",
    "default",
    "enum",
    "arguments",
    "eval",
    "function",
    "delete",
    "__init__",
    "__getattr__",
    "__import__",
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "valueOf",
    "then",
    "../../x",
    "/abs",
    "..",
    ".",
    "con",
    "aux.py",
    "a/b",
    "a\\b",
    "1st",
    "_",
    "été",
    "工具",
    "\u{1f600}",
    "x'y\"z`",
];

#[test]
fn every_name_is_reached_under_an_identifier_of_its_own() {
    let place = bad(&["--fault", "names"]);
    let python = format!(
        "\
import json, re, servers.bad, mcp_tools.bad
wanted = json.loads({names})
tools = {{t['name']: t for t in search_tools(server='bad', limit=1000, detail='detailed')}}
seen = set()
for raw in wanted:
    tool = tools['bad.' + raw]
    module, _, name = tool['python'].removeprefix('from ').partition(' import ')
    assert module == 'servers.bad' and re.fullmatch('[A-Za-z_][A-Za-z0-9_]*', name), tool
    assert re.fullmatch('/servers/bad/[A-Za-z_][A-Za-z0-9_]*[.]py', tool['file']), tool
    assert not name.startswith('__') and name not in seen, tool
    seen.add(name)
    assert (await getattr(servers.bad, name)(text='x')) == {{'tool': raw, 'arguments': {{'text': 'x'}}}}, raw
    assert getattr(mcp_tools.bad, name)(text='x')['tool'] == raw, raw
    assert (await call_tool('bad.' + raw, {{}}))['tool'] == raw, raw
len(seen)",
        names = json!(json!(NAMES).to_string())
    );
    let flags = ["--max-calls", "1000"];
    assert_eq!(ok(place.exec("a.py", &python, &flags)), NAMES.len());
    let javascript = format!(
        "\
import * as bad from 'servers/bad';
const tools = new Map(searchTools('', {{ server: 'bad', limit: 1000, detail: 'detailed' }}).map(tool => [tool.name, tool]));
const seen = new Set();
for (const raw of {names}) {{
  const name = /^import {{ ([A-Za-z_][A-Za-z0-9_]*) }} from \"servers\\/bad\"$/.exec(tools.get('bad.' + raw).typescript)[1];
  if (seen.has(name)) throw new Error(name);
  seen.add(name);
  const called = await bad[name]({{ text: 'x' }});
  if (called.tool !== raw || called.arguments.text !== 'x') throw new Error(raw);
  if ((await callTool('bad.' + raw, {{}})).tool !== raw) throw new Error(raw);
}}
[seen.size, Object.getPrototypeOf({{}}) === Object.prototype, typeof {{}}.constructor]",
        names = json!(NAMES)
    );
    assert_eq!(
        ok(place.exec("a.js", &javascript, &flags)),
        json!([NAMES.len(), true, "function"])
    );
    let reasons = state(&place)["excluded"].to_string();
    contains(&json!(reasons), "control character");
    contains(&json!(reasons), "longer than 256 bytes");
}

#[test]
fn importing_calls_nothing() {
    let place = bad(&["--fault", "names", "--log", "log"]);
    for source in [
        "const module = await import('servers/bad'); await module; JSON.stringify(module); `${typeof module.then}`",
        "import * as bad from 'servers/bad'; import bad2 from 'servers/bad'; const all = await Promise.all([bad, bad2]); typeof all",
        "const { then_ } = await import('/servers/bad/then_.ts'); typeof then_",
        "const bad = require('servers/bad'); await bad; String(Object.keys(bad).length)",
        "console.log(tools.bad, await tools.bad, await tools); 'x'",
    ] {
        ok(place.javascript(source));
    }
    for source in [
        "import servers.bad, copy\nrepr(servers.bad); str(servers.bad); dir(servers.bad); bool(servers.bad); help(servers.bad)",
        "from servers.bad import *\nfrom mcp_tools.bad import *\n1",
    ] {
        ok(place.python(source));
    }
    let log = place.read("log");
    assert!(log.contains("tools/list"), "{log}");
    assert!(!log.contains("tools/call"), "{log}");
}

#[test]
fn servers_named_like_paths_are_refused_or_renamed() {
    for name in [
        "../../x", "/abs", "..", ".", "a/b", "a\\b", "con", "aux.py", "x y",
    ] {
        let place = Place::with_servers(json!({ name: fixture(&[]) }));
        place.write(
            "a.py",
            "import servers\n[tool['file'] for tool in search_tools('add', detail='detailed')]",
        );
        let ran = place.run(&["exec", "--json", "a.py"]);
        match ran.status {
            2 => {
                let text = format!("{}{}", ran.stdout, ran.stderr);
                assert!(text.contains("name"), "{name}: {text}");
            }
            _ => {
                let file = ok(ran.json())[0].as_str().unwrap().to_owned();
                let is_plain = |part: &str| {
                    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                };
                let file = file
                    .strip_prefix("/servers/")
                    .and_then(|file| file.strip_suffix("/add.py"));
                assert!(file.is_some_and(is_plain), "{name}: {file:?}");
            }
        }
    }
}

#[test]
fn text_of_definitions_is_data_in_programs() {
    let place = bad(&["--fault", "breakers"]);
    let python = "\
import io, contextlib, inspect
import servers.bad, mcp_tools.bad
from servers.bad.breaker import breaker
shown = io.StringIO()
with contextlib.redirect_stdout(shown):
    help(breaker); help(servers.bad)
repr(breaker), str(inspect.signature(breaker)), repr(search_tools('breaker', detail='full'))
assert '__import__' in breaker.__doc__ and '\"\"\"' in breaker.__doc__
assert '\\r' not in breaker.__doc__ and '\\0' not in breaker.__doc__ and '\\x0c' not in breaker.__doc__
(await breaker(value='plain'))['arguments']";
    assert_eq!(ok(place.python(python)), json!({ "value": "plain" }));
    let javascript = "\
import { breaker } from '/servers/bad/breaker.ts';
console.log(breaker, searchTools('breaker', { detail: 'full' }));
(await breaker({ value: 'plain' })).arguments";
    let report = place.javascript(javascript);
    contains(&report["stdout"], "${7*7}");
    assert_eq!(ok(report), json!({ "value": "plain" }));
    // What a server says about itself is nowhere in a program.
    let report = place.python(
        "import servers.bad\nstr(vars(servers.bad)) + str(search_tools(limit=1000, detail='full'))",
    );
    assert!(
        !report.to_string().contains("exists to be tested"),
        "{report:#}"
    );
    ok(report);
}

#[test]
fn parameters_of_any_name_arrive_under_that_name() {
    let place = bad(&["--fault", "breakers"]);
    let python = "\
from servers.bad import breaker
from mcp_tools.bad import breaker as breaker_sync
import inspect
names = [p.name for p in inspect.signature(breaker).parameters.values()]
assert len(set(names)) == len(names)
given = dict(self='1', args='2', kwargs='3', timeout='4', a_b='5', class_='6')
one, other = await breaker(**given), breaker_sync(**given)
assert one == other
one['arguments']";
    let expected = json!({
        "self": "1", "args": "2", "kwargs": "3", "timeout": "4", "a_b": "5", "class": "6",
    });
    assert_eq!(ok(place.python(python)), expected);
    let raw =
        json!({ "self": "1", "args": "2", "a-b": "3", "a_b": "4", "class": "5", "constant": null });
    let mut raw = raw;
    raw.as_object_mut().unwrap().remove("constant");
    for outcome in outcomes(&place, "bad.breaker", &raw) {
        assert_eq!(outcome[1]["arguments"], raw, "{outcome}");
    }
    let refused = outcomes(
        &place,
        "bad.breaker",
        &json!({ "value": "not in the list" }),
    );
    for outcome in refused {
        assert_eq!(outcome[0], "invalid_arguments", "{outcome}");
    }
}

#[test]
fn of_two_tools_of_one_name_the_first_is_kept_and_the_other_reported() {
    let place = bad(&["--fault", "duplicates"]);
    echoes(&place, "bad.echo");
    let source =
        "[t['description'] for t in search_tools('echo', server='bad') if t['name'] == 'bad.echo']";
    assert_eq!(
        ok(place.python(source)),
        json!(["Answers with its own arguments."])
    );
    assert_eq!(
        state(&place)["excluded"],
        json!(["`echo`: there is another tool of this name before it"])
    );
}

#[test]
fn ten_thousand_tools_are_bounded_and_the_rest_is_reported() {
    for arguments in [
        &["--tools", "10000"][..],
        &["--tools", "10000", "--fault", "page=100"],
    ] {
        let place = bad(arguments);
        echoes(&place, "bad.tool_0001");
        assert_eq!(kind(&place, "bad.tool_9999", &json!({})), "unknown_tool");
        let state = state(&place);
        assert_eq!(state["tools"], 2_000, "{state:#}");
        assert!(state["excluded_count"].as_u64().unwrap() > 0, "{state:#}");
        contains(
            &json!(state["excluded"].to_string()),
            match arguments.len() {
                2 => "there are more than 2000 tools",
                _ => "further pages were not read",
            },
        );
    }
}

#[test]
fn pages_without_end_are_bounded_or_a_reason() {
    let place = bad(&["--fault", "endless-pages"]);
    for outcome in outcomes(&place, "bad.page_7", &json!({})) {
        assert_eq!(outcome[0], "ok", "{outcome}");
    }
    let place = bad(&["--fault", "repeat-cursor"]);
    for outcome in outcomes(&place, "bad.echo", &json!({})) {
        assert_eq!(outcome[0], "ok", "the pages read are kept: {outcome}");
    }
    contains(
        &json!(state(&place)["excluded"].to_string()),
        "the list goes in a circle",
    );
}

#[test]
fn definitions_of_megabytes_are_a_reason_and_harm_nobody_else() {
    for fault in ["huge-schema", "huge-description=400000"] {
        let place = bad(&["--fault", fault]);
        for outcome in outcomes(&place, "bad.echo", &json!({})) {
            assert_eq!(outcome[0], "unavailable", "{fault}: {outcome}");
            contains(&outcome[1], "8388608 bytes");
        }
    }
    // Twins within the bounds.
    for fault in ["huge-schema=4000000", "huge-description=100000"] {
        let place = bad(&["--fault", fault]);
        echoes(&place, "bad.echo");
    }
}

#[test]
fn tools_with_senseless_schemas_can_be_called_or_are_left_out() {
    let place = bad(&["--fault", "bad-schemas"]);
    let names = "[t['name'] for t in search_tools('schema', server='bad', limit=1000) if t['name'].startswith('bad.schema_')]";
    let names = ok(place.python(names));
    let names: Vec<&str> = names
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(names.len() >= 14, "{names:?}");
    for name in names {
        for outcome in outcomes(&place, name, &json!({ "x": { "x": {} } })) {
            let kind = outcome[0].as_str().unwrap();
            assert!(
                ["ok", "invalid_arguments"].contains(&kind),
                "{name}: {outcome}"
            );
        }
    }
    let reasons = json!(state(&place)["excluded"].to_string());
    for name in ["schema_true", "schema_list", "schema_text"] {
        contains(
            &reasons,
            &format!("`{name}`: its input schema is not an object"),
        );
    }
}

#[test]
fn schemas_are_never_fetched() {
    let trap = Trap::new(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned());
    let place = bad(&["--fault", &format!("ref={}schema.json", trap.url)]);
    for tool in ["network_ref", "file_ref", "share_ref", "network_schema"] {
        for outcome in outcomes(
            &place,
            &format!("bad.{tool}"),
            &json!({ "value": "root:x:0" }),
        ) {
            assert_eq!(outcome[0], "ok", "{tool}: {outcome}");
        }
    }
    assert_eq!(trap.visitors(), 0);
    // The trap works.
    std::net::TcpStream::connect(trap.url.trim_start_matches("http://").trim_end_matches('/'))
        .unwrap();
    while trap.visitors() == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_tool_that_changed_is_refused_and_what_it_says_now_is_not_shown() {
    let place = bad(&["--fault", "rug-pull", "--log", "log"]);
    let python = "\
from servers.bad import echo
out = [(await echo(text='a'))['arguments']]
for arguments in [{'text': 'b'}, {'text': 'c', 'consent': True}]:
    try:
        out.append(await call_tool('bad.echo', arguments))
    except ToolError as e:
        out.append([e.kind, str(e)])
out + [search_tools('echo', server='bad')[0]['description'], open('/servers/bad/echo.py').read(), (await call_tool('bad.add', {'a': 1, 'b': 2}))['sum']]";
    let javascript = "\
import { echo } from 'servers/bad';
import fs from 'fs';
const out = [(await echo({ text: 'a' })).arguments];
for (const args of [{ text: 'b' }, { text: 'c', consent: true }])
    out.push(await callTool('bad.echo', args).catch(e => [e.kind, e.message]));
out.push(searchTools('echo', { server: 'bad' })[0].description, fs.readFileSync('/servers/bad/echo.py', 'utf8'));
out.push((await callTool('bad.add', { a: 1, b: 2 })).sum);
out";
    for (name, source) in [("a.py", python), ("a.js", javascript)] {
        let _ = std::fs::remove_file(place.path().join("log"));
        let out = ok(place.exec(name, source, &[]));
        assert_eq!(out[0], json!({ "text": "a" }), "{out:#}");
        for refused in [&out[1], &out[2]] {
            assert_eq!(refused[0], "denied", "{out:#}");
            contains(
                &refused[1],
                "the definition of `bad.echo` changed since it was first listed",
            );
        }
        let text = out.to_string();
        assert!(!text.contains("to everybody") && text.contains("not called in this session"));
        assert_eq!(out[5], 3, "the others are called");
        let sent = place.read("log");
        assert!(
            !sent.contains("\"text\":\"b\"") && !sent.contains("\"text\":\"c\""),
            "{sent}"
        );
    }
}

#[test]
fn a_tool_that_changed_is_checked_as_what_it_is_now_where_changes_are_accepted() {
    let place = Place::with_config(json!({
        "mcpServers": { "bad": fixture(&["--fault", "rug-pull", "--log", "log"]) },
        "coordinator": { "tools": { "changes": "accept" } },
    }));
    let python = "\
import servers.bad
from servers.bad import echo, plain_text
out = [(await echo(text='a'))['arguments'], 'plain_text' in dir(servers.bad)]
async def kind(call):
    try:
        return ['ok', (await call)['arguments']]
    except ToolError as e:
        return [e.kind, str(e)]
out += [await kind(echo(text='b')), await kind(plain_text()), await kind(echo(text='c', consent=True))]
out += [search_tools('echo', server='bad')[0]['description']]
out";
    let javascript = "\
import { echo, plainText } from 'servers/bad';
const out = [(await echo({ text: 'a' })).arguments, typeof plainText];
const kind = call => call.then(r => ['ok', r.arguments], e => [e.kind, e.message]);
out.push(await kind(echo({ text: 'b' })), await kind(plainText()), await kind(echo({ text: 'c', consent: true })));
out.push(searchTools('echo', { server: 'bad' })[0].description);
out";
    for (name, source) in [("a.py", python), ("a.js", javascript)] {
        let _ = std::fs::remove_file(place.path().join("log"));
        let out = ok(place.exec(name, source, &[]));
        assert_eq!(out[0], json!({ "text": "a" }), "{out:#}");
        assert_eq!(out[2][0], "invalid_arguments", "{out:#}");
        contains(&out[2][1], "consent");
        assert_eq!(out[3][0], "unknown_tool", "{out:#}");
        assert_eq!(out[4], json!(["ok", { "text": "c", "consent": true }]));
        assert_eq!(out[5], "Sends its arguments to everybody.", "{out:#}");
        let sent = place.read("log");
        assert!(!sent.contains("\"text\":\"b\""), "it was sent: {sent}");
        assert!(sent.contains("\"text\":\"c\""), "{sent}");
    }
}

#[test]
fn annotations_decide_nothing() {
    // `die` says that it only reads and may be repeated.
    let place = bad(&["--log", "log"]);
    for (name, source) in [
        ("a.py", "await call_tool('bad.die', {'how': 'exit1'})"),
        ("a.js", "await callTool('bad.die', { how: 'exit1' })"),
    ] {
        let _ = std::fs::remove_file(place.path().join("log"));
        let report = place.exec(name, source, &[]);
        contains(&error(&report)["message"], "may have taken effect");
        let log = place.read("log");
        let calls = log.lines().filter(|line| line.contains("tools/call"));
        assert_eq!(calls.count(), 1, "it was repeated: {log}");
        let report = place.exec(name, source, &["--deny-tool", "bad.die"]);
        assert_eq!(report["status"], "denied", "{report:#}");
    }
}

#[test]
fn silence_at_any_stage_ends_in_time() {
    for stage in ["all", "initialize", "list"] {
        // The old handshake, so that each stage is reached.
        let place = bad(&["--fault", &format!("silent={stage}"), "--fault", "old"]);
        let expected = match stage {
            "list" => "did not list its tools within 3s",
            _ => "did not start within 3s",
        };
        for outcome in outcomes(&place, "bad.echo", &json!({})) {
            assert_eq!(outcome[0], "unavailable", "{stage}: {outcome}");
            contains(&outcome[1], expected);
        }
    }
    let place = bad(&["--fault", "silent=call"]);
    for outcome in outcomes(&place, "bad.echo", &json!({})) {
        assert_eq!(outcome[0], "timed_out", "{outcome}");
        contains(&outcome[1], "may have taken effect");
    }
}

#[test]
fn a_late_answer_is_dropped_and_not_given_to_the_next_call() {
    let mut bad = fixture(&["--fault", "ignore-cancel"]);
    bad["callTimeout"] = json!("500ms");
    let place = beside_good(bad);
    let python = "\
import asyncio
from servers.bad import sleep, echo
out = []
try:
    await sleep(ms=700)
except ToolError as e:
    out.append(e.kind)
for n in range(8):
    out.append((await echo(n=n))['arguments']['n'])
    await asyncio.sleep(0.05)
out";
    let javascript = "\
import { sleep, echo } from 'servers/bad';
const out = [];
try { await sleep({ ms: 700 }) } catch (e) { out.push(e.kind) }
for (let n = 0; n < 8; n++) { out.push((await echo({ n })).arguments.n); await new Promise(r => setTimeout(r, 50)) }
out";
    for (name, source) in [("a.py", python), ("a.js", javascript)] {
        assert_eq!(
            ok(place.exec(name, source, &[])),
            json!(["timed_out", 0, 1, 2, 3, 4, 5, 6, 7])
        );
    }
}

#[test]
fn progress_and_questions_do_not_extend_a_call() {
    let place = bad(&[]);
    for arguments in [json!({ "every_ms": 20 }), json!({ "every_ms": 500 })] {
        assert_eq!(kind(&place, "bad.progress", &arguments), "timed_out");
    }
    for outcome in outcomes(&place, "bad.input_required", &json!({})) {
        assert_eq!(outcome[0], "failed", "{outcome}");
        contains(&outcome[1], "person");
    }
}

#[test]
fn lines_without_end_are_cut() {
    let place = bad(&[]);
    for newline in [false, true] {
        let arguments = json!({ "bytes": 30_000_000, "newline": newline });
        for outcome in outcomes(&place, "bad.flood", &arguments) {
            assert_eq!(outcome[0], "outcome_unknown", "{outcome}");
            contains(&outcome[1], "8388608 bytes");
        }
    }
    assert_eq!(kind(&place, "bad.trickle", &json!({})), "timed_out");
    // A twin within the bound.
    for outcome in outcomes(&place, "bad.blob", &json!({ "bytes": 4_000_000 })) {
        assert_eq!(outcome[1].as_str().map(str::len), Some(4_000_000));
    }
}

#[test]
fn a_flood_on_standard_error_blocks_nothing() {
    let place = bad(&["--fault", "stderr-flood=100000000"]);
    echoes(&place, "bad.echo");
    // What was kept of it is little, also where it is shown.
    let place = bad(&["--fault", "stderr-flood=100000000", "--fault", "silent=all"]);
    for outcome in outcomes(&place, "bad.echo", &json!({})) {
        assert_eq!(outcome[0], "unavailable");
        let message = outcome[1].as_str().unwrap();
        assert!(!message.contains("stderr stderr"), "{message}");
    }
    let shown = state(&place)["error"].as_str().unwrap().len();
    assert!(shown < 70_000, "{shown} bytes of standard error were kept");
}

#[test]
fn answers_that_break_the_rules_are_not_taken_for_the_right_one() {
    let place = bad(&[]);
    for kind in [
        "other", "next", "null", "big", "missing", "twice", "neither", "both",
    ] {
        for outcome in outcomes(&place, "bad.answer", &json!({ "kind": kind })) {
            assert_ne!(outcome[1], "bad", "{kind}: {outcome}");
            let is_typed = [
                "ok",
                "failed",
                "outcome_unknown",
                "timed_out",
                "unusable_answer",
            ];
            assert!(
                is_typed.contains(&outcome[0].as_str().unwrap()),
                "{kind}: {outcome}"
            );
        }
    }
    // Its own answer in a form that is only nearly right is still its answer.
    for kind in ["string", "version"] {
        for outcome in outcomes(&place, "bad.answer", &json!({ "kind": kind })) {
            assert_eq!(outcome, json!(["ok", "bad"]), "{kind}");
        }
    }
    for kind in ["other", "null", "big", "missing"] {
        let kind = format!("only-{kind}");
        for outcome in outcomes(&place, "bad.answer", &json!({ "kind": kind })) {
            assert_eq!(outcome[0], "timed_out", "{kind}: {outcome}");
        }
    }
}

#[test]
fn death_in_a_call_is_an_unknown_outcome_in_both_languages() {
    let place = bad(&[]);
    for how in ["exit0", "exit1", "kill", "abort", "stdout"] {
        for outcome in outcomes(&place, "bad.die", &json!({ "how": how })) {
            assert_eq!(outcome[0], "outcome_unknown", "{how}: {outcome}");
            contains(&outcome[1], "may have taken effect");
        }
    }
    // Nothing can be sent any more; the call that did it gets no answer.
    for outcome in outcomes(&place, "bad.die", &json!({ "how": "stdin" })) {
        let kind = outcome[0].as_str().unwrap();
        assert!(
            ["outcome_unknown", "timed_out"].contains(&kind),
            "{outcome}"
        );
        contains(&outcome[1], "may have taken effect");
    }
}

#[test]
fn a_server_that_always_crashes_is_started_with_pauses() {
    let place = bad(&["--fault", "exit-at-start", "--log", "log"]);
    let python = "\
kinds = set()
for _ in range(50):
    try:
        await call_tool('bad.echo', {})
    except ToolError as e:
        kinds.add(e.kind)
    assert (await call_tool('good.add', {'a': 1, 'b': 2})) == {'sum': 3}
sorted(kinds)";
    let javascript = "\
const kinds = new Set();
for (let i = 0; i < 50; i++) {
  try { await callTool('bad.echo', {}) } catch (e) { kinds.add(e.kind) }
  await callTool('good.add', { a: 1, b: 2 });
}
[...kinds]";
    for (name, source) in [("a.py", python), ("a.js", javascript)] {
        let _ = std::fs::remove_file(place.path().join("log"));
        let report = place.exec(name, source, &[]);
        let seconds = report["usage"]["wall_ms"].as_f64().unwrap() / 1e3;
        assert_eq!(ok(report), json!(["unavailable"]));
        let log = place.read("log");
        let starts = log
            .lines()
            .filter(|line| line.contains("\"start\""))
            .count();
        // Each start may be two: the handshakes of both eras.
        let most = 2 * (1 + seconds.log2().max(0.0).ceil() as usize + 1);
        assert!(
            (1..=most).contains(&starts),
            "{starts} starts in {seconds} s"
        );
    }
}

#[test]
fn a_server_that_does_not_read_times_out_alone() {
    // It reads the handshake and the request for the list; a pipe takes the
    // smaller of the calls.
    for (fault, size) in [("no-read=2", 15_000), ("no-read=2", 3_000_000)] {
        let place = bad(&["--fault", fault, "--fault", "new"]);
        let arguments = json!({ "text": "x".repeat(size) });
        for outcome in outcomes(&place, "bad.echo", &arguments) {
            let kind = outcome[0].as_str().unwrap();
            assert!(
                ["timed_out", "outcome_unknown"].contains(&kind),
                "{size}: {kind}"
            );
        }
    }
    for outcome in outcomes(
        &bad(&[]),
        "bad.echo",
        &json!({ "text": "x".repeat(3_000_000) }),
    ) {
        assert_eq!(outcome[0], "ok");
    }
}

#[test]
fn http_that_misbehaves_is_an_error() {
    for (fault, kinds) in [
        ("http-endless", &["timed_out", "unavailable"][..]),
        (
            "http-event=50000000",
            &["outcome_unknown", "unavailable", "failed"],
        ),
        (
            "http-retry",
            &["outcome_unknown", "unavailable", "failed", "timed_out"],
        ),
        // Nothing is ever unpacked: what is said to be packed is read as it is.
        ("http-gzip", &["ok"]),
        ("http-html", &["unavailable"]),
        ("http-type", &["unavailable"]),
        ("http-status=503", &["unavailable"]),
        ("http-hang", &["unavailable"]),
        ("http-cut", &["outcome_unknown", "unavailable", "failed"]),
        // What follows a whole answer is nobody's.
        ("http-tail", &["ok", "outcome_unknown", "unavailable"]),
        ("http-session-lost", &["ok"]),
    ] {
        let server = Http::start(&["--fault", fault]);
        for outcome in outcomes(&server.place(json!({})), "bad.echo", &json!({})) {
            assert!(
                kinds.contains(&outcome[0].as_str().unwrap()),
                "{fault}: {outcome}"
            );
            assert!(!outcome.to_string().contains("127.0.0.1"), "{outcome}");
        }
    }
    let server = Http::start(&[]);
    assert_eq!(kind(&server.place(json!({})), "bad.echo", &json!({})), "ok");
}

#[test]
fn nothing_of_the_configuration_reaches_a_shell() {
    let hostile = [
        "; touch canary",
        "$(touch canary)",
        "`touch canary`",
        "x & touch canary",
        "x\ntouch canary\n",
        "| touch canary",
        "-rf",
        "--log",
        "%PATH%",
        "a b",
        "\"",
        "'",
    ];
    for value in hostile {
        let mut bad = fixture(&["--name", value]);
        bad["env"] = json!({ "HOSTILE": value });
        let place = beside_good(bad);
        let arguments = ok(place.python("(await call_tool('bad.environment', {}))['arguments']"));
        assert_eq!(arguments, json!(["--name", value]));
        assert!(!place.path().join("canary").exists(), "{value}");
    }
    // A program whose path has spaces and shell syntax, by whatever name.
    let place = Place::new();
    let program = place.path().join("my server; touch canary $(touch canary)");
    std::os::unix::fs::symlink(crate::harness::fixture_server(), &program).unwrap();
    place.write(
        "mcp.json",
        json!({ "mcpServers": { "bad": { "command": program } } }).to_string(),
    );
    assert_eq!(
        ok(place.python("(await call_tool('bad.add', {'a': 1, 'b': 2}))['sum']")),
        3
    );
    assert!(!place.path().join("canary").exists());
}

#[test]
fn no_address_that_a_server_names_is_opened() {
    let elsewhere = Trap::new(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned());
    let other = elsewhere.url.clone();
    let login = Trap::new(move |_| {
        format!(
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer resource_metadata=\"{other}.well-known/oauth-protected-resource\", authorization_uri=\"{other}\"\r\nlocation: {other}\r\nlink: <{other}>; rel=next\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
    });
    let place = beside_good(json!({ "url": login.url, "callTimeout": "2s" }));
    for outcome in outcomes(&place, "bad.echo", &json!({})) {
        assert_eq!(outcome[0], "unavailable", "{outcome}");
        assert!(!outcome.to_string().contains("127.0.0.1"), "{outcome}");
    }
    assert!(login.visitors() > 0);
    assert_eq!(elsewhere.visitors(), 0);
    let redirecting = Http::start(&["--fault", &format!("http-redirect={}", elsewhere.url)]);
    for outcome in outcomes(
        &redirecting.place(json!({ "Authorization": "Bearer secret-canary" })),
        "bad.echo",
        &json!({}),
    ) {
        assert_eq!(outcome[0], "unavailable", "{outcome}");
    }
    assert_eq!(elsewhere.visitors(), 0);
}

#[test]
fn children_in_sessions_of_their_own_end_too() {
    let place = bad(&[
        "--log",
        "log",
        "--fault",
        "fork-detached=8",
        "--fault",
        "fork=8",
    ]);
    ok(place.python("await call_tool('bad.echo', {})"));
    ok(place.javascript("await callTool('bad.echo', {})"));
    let mut forks = 0;
    for line in place.read("log").lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        if let Some(pid) = event["pid"].as_u64() {
            forks += usize::from(event["event"] == "fork");
            ends(pid);
        }
    }
    assert!(forks >= 32, "{forks}");
}

#[test]
fn requests_to_the_client_are_refused_however_many() {
    let place = bad(&["--log", "log"]);
    // More would take a slow machine longer than a call may take.
    for count in [4, 8_000] {
        let _ = std::fs::remove_file(place.path().join("log"));
        for outcome in outcomes(&place, "bad.ask", &json!({ "count": count })) {
            assert_eq!(outcome, json!(["ok", "asked"]), "{count}");
        }
        let log = place.read("log");
        let mut refused = 0;
        for answer in log.lines().filter(|line| line.contains("\"ask-")) {
            let answer: Value = serde_json::from_str(answer).unwrap();
            assert!(answer.get("error").is_some(), "it was granted: {answer}");
            refused += 1;
        }
        assert!(refused > 0, "{log}");
    }
}

#[test]
fn a_denied_tool_is_denied_on_every_route() {
    let place = Place::with_servers(json!({ "bad": fixture(&["--log", "log"]) }));
    let component = wat::parse_str(CALLS_ADD).expect("the test's component is well-formed");
    place.write("raw.wasm", component);
    let python = [
        "from servers.bad import add\nawait add(a=1, b=2)",
        "from servers.bad.add import add\nawait add(a=1, b=2)",
        "from mcp_tools.bad import add\nadd(a=1, b=2)",
        "from mcp_tools.bad.add import add\nadd(a=1, b=2)",
        "import servers\nawait servers.bad.add(a=1, b=2)",
        "await tools.bad.add(a=1, b=2)",
        "await call_tool('bad.add', {'a': 1, 'b': 2})",
        "await call_tool('bad', 'add', {'a': 1, 'b': 2})",
        "await callMCPTool('mcp__bad__add', {'a': 1, 'b': 2})",
        "await call_tool('add', {'a': 1, 'b': 2})",
        "await call_tool('BAD.Add', {'a': 1, 'b': 2})",
        "call_tool_sync('bad.add', {'a': 1, 'b': 2})",
        "import asyncio\n(await asyncio.gather(call_tool('bad.add', {'a': 1, 'b': 2})))[0]",
    ];
    let javascript = [
        "import { add } from 'servers/bad'; await add({ a: 1, b: 2 })",
        "import { add } from '/servers/bad/add.ts'; await add({ a: 1, b: 2 })",
        "import { bad } from 'servers'; await bad.add({ a: 1, b: 2 })",
        "const { add } = await import('./servers/bad/add.js'); await add(1, 2)",
        "const { add } = require('servers/bad'); await add(1, 2)",
        "await tools.bad.add({ a: 1, b: 2 })",
        "await callTool('bad.add', { a: 1, b: 2 })",
        "await callMCPTool('bad__add', { a: 1, b: 2 })",
        "await call_tool('add', { a: 1, b: 2 })",
        "(await Promise.all([callTool('bad.add', { a: 1, b: 2 })]))[0]",
    ];
    let routes = || {
        let python = python.iter().map(|source| ("a.py", *source));
        python.chain(javascript.iter().map(|source| ("a.js", *source)))
    };
    for flags in [["--deny-tool", "bad.add"], ["--allow-tool", "bad.echo"]] {
        let mut messages = Vec::new();
        for (name, source) in routes() {
            let report = place.exec(name, source, &flags);
            assert_eq!(report["status"], "denied", "{source}: {report:#}");
            let message = report["error"]["message"].as_str().unwrap().to_owned();
            messages.push(message.lines().next().unwrap().to_owned());
            // The same line in the record, whatever the route.
            let calls = &report["calls"];
            assert_eq!(
                (&calls[0]["server"], &calls[0]["tool"], &calls[0]["status"]),
                (&json!("bad"), &json!("add"), &json!("failed")),
                "{source}: {report:#}"
            );
        }
        messages.dedup();
        assert_eq!(messages.len(), 1, "{messages:#?}");
        let component = place.run(&["exec", "--json", flags[0], flags[1], "raw.wasm"]);
        let report = component.json();
        assert_eq!(
            error(&report)["message"],
            "the program exited with status 1"
        );
        assert_eq!(
            (&report["calls"][0]["tool"], &report["calls"][0]["status"]),
            (&json!("add"), &json!("failed")),
            "{report:#}"
        );
        // Finding tells nothing of it.
        let names = "[t['name'] for t in search_tools('add', limit=1000)]";
        let names = ok(place.exec("a.py", names, &flags)).to_string();
        assert!(!names.contains("bad.add"), "{names}");
        let names = "searchTools('add', { limit: 1000 }).map(t => t.name)";
        let names = ok(place.exec("a.js", names, &flags)).to_string();
        assert!(!names.contains("bad.add"), "{names}");
    }
    let log = place.read("log");
    assert!(!log.contains("tools/call"), "{log}");
    for (name, source) in routes() {
        let report = place.exec(name, source, &["--allow-tool", "bad.add"]);
        assert_eq!(ok(report)["sum"], 3, "{source}");
    }
    let allowed = ["exec", "--json", "--allow-tool", "bad.add", "raw.wasm"];
    let report = place.run(&allowed).json();
    assert_eq!(report["calls"][0]["status"], "finished", "{report:#}");
    ok(report);
}

/// A component that calls `bad.add` and fails if there is no result.
const CALLS_ADD: &str = r#"(component
    (import "wasm-coordinator:sandbox/tools@0.1.0" (instance $tools
        (type $kind' (variant (case "failed") (case "invalid-arguments" (list string))
            (case "unknown-tool" (list string)) (case "denied") (case "unavailable") (case "timed-out")
            (case "outcome-unknown") (case "cancelled") (case "limit") (case "unusable-answer")))
        (export "call-error-kind" (type $kind (eq $kind')))
        (type $error' (record (field "kind" $kind) (field "server" string) (field "tool" string) (field "message" string)
            (field "code" (option s64)) (field "data" (option string))))
        (export "call-error" (type $error (eq $error')))
        (type $completion' (record (field "id" u32) (field "result" (result string (error $error)))))
        (export "completion" (type $completion (eq $completion')))
        (type $form' (enum "value" "whole"))
        (export "answer-form" (type $form (eq $form')))
        (export "start-call" (func (param "tool" string) (param "arguments" string) (param "form" $form) (result (result u32 (error $error)))))
        (export "wait" (func (param "timeout" (option u64)) (result (list $completion))))))
    (core module $memory
        (memory (export "memory") 1)
        (global $top (mut i32) (i32.const 4096))
        (data (i32.const 16) "bad.add")
        (data (i32.const 32) "{\"a\":1,\"b\":2}")
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
            (global.get $top)
            (global.set $top (i32.add (global.get $top) (local.get 3)))))
    (core instance $memory (instantiate $memory))
    (core func $start (canon lower (func $tools "start-call")
        (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
    (core func $wait (canon lower (func $tools "wait")
        (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
    (core module $main
        (import "host" "start" (func $start (param i32 i32 i32 i32 i32 i32)))
        (import "host" "wait" (func $wait (param i32 i64 i32)))
        (import "memory" "memory" (memory 1))
        (func (export "run") (result i32)
            (call $start (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 13) (i32.const 0) (i32.const 256))
            (call $wait (i32.const 0) (i64.const 0) (i32.const 128))
            (i32.load8_u offset=8 (i32.load (i32.const 128)))))
    (core instance $main (instantiate $main
        (with "host" (instance (export "start" (func $start)) (export "wait" (func $wait))))
        (with "memory" (instance $memory))))
    (func $run (result (result)) (canon lift (core func $main "run")))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $cli)))"#;

#[test]
fn a_thousand_calls_at_once_all_end() {
    let place = bad(&["--log", "log"]);
    let python = "\
import asyncio
from servers.bad import echo
results = await asyncio.gather(*(echo(n=n) for n in range(1000)))
[r['arguments']['n'] for r in results] == list(range(1000))";
    let javascript = "\
import { echo } from 'servers/bad';
const results = await Promise.all(Array.from({ length: 1000 }, (_, n) => echo({ n })));
results.every((r, n) => r.arguments.n === n)";
    for (name, source) in [("a.py", python), ("a.js", javascript)] {
        assert_eq!(ok(place.exec(name, source, &["--max-calls", "1000"])), true);
        let report = place.exec(name, source, &["--max-calls", "999"]);
        assert_eq!(report["status"], "limit", "{report:#}");
    }
}

#[test]
fn headers_named_by_schemas_stay_in_their_own_namespace() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let path = log.path().to_str().unwrap();
    let server = Http::start(&["--fault", "header-names", "--log", path]);
    let place = server.place(json!({}));
    for tool in [
        "header_reserved",
        "header_break",
        "header_empty",
        "header_twice",
    ] {
        for outcome in outcomes(
            &place,
            &format!("bad.{tool}"),
            &json!({ "value": "evil\r\nX-Evil: 1" }),
        ) {
            let kind = outcome[0].as_str().unwrap();
            assert!(
                ["ok", "unknown_tool", "unavailable"].contains(&kind),
                "{tool}: {outcome}"
            );
        }
    }
    assert_eq!(kind(&place, "bad.echo", &json!({})), "ok");
    let log = std::fs::read_to_string(path).unwrap().to_lowercase();
    assert!(
        log.contains("\"headers\"") && log.contains("content-type"),
        "{log}"
    );
    // A well-formed name becomes `Mcp-Param-NAME`, as the protocol has it, and so
    // never one that means something; the others become nothing.
    for line in log.lines().filter(|line| line.contains("\"headers\"")) {
        let request: Value = serde_json::from_str(line).unwrap();
        for header in request["headers"].as_array().unwrap() {
            let header = header.as_str().unwrap();
            let is_ours = [
                "content-type",
                "content-length",
                "host",
                "accept",
                "mcp-name",
            ];
            let is_ours = is_ours.contains(&header) || header.starts_with("mcp-");
            assert!(is_ours && !header.contains("evil"), "{header}");
        }
        assert!(!line.contains("mcp-param-region"), "it was named twice");
    }
}
