//! Python as programs use it.

use serde_json::json;

use crate::client::Client;
use crate::harness::{Place, contains, error, ok};

#[track_caller]
fn result(source: &str) -> serde_json::Value {
    ok(Place::new().python(source))
}

#[test]
fn it_is_full_cpython() {
    assert_eq!(
        result("import sys; sys.implementation.name, sys.version_info[:2] >= (3, 14)"),
        json!(["cpython", true])
    );
}

#[test]
fn top_level_await_works() {
    let source = "import asyncio\nasync def f(x):\n    await asyncio.sleep(0.001)\n    return x * 2\nawait f(21)";
    assert_eq!(result(source), 42);
}

#[test]
fn the_whole_of_asyncio_works() {
    let source = "\
import asyncio, time
async def after(seconds, value):
    await asyncio.sleep(seconds)
    return value
out = {}
out['gather'] = await asyncio.gather(after(0.02, 1), after(0.01, 2))
async with asyncio.TaskGroup() as group:
    tasks = [group.create_task(after(0.001 * i, i)) for i in range(3)]
out['group'] = [task.result() for task in tasks]
try:
    async with asyncio.timeout(0.01):
        await asyncio.sleep(10)
except TimeoutError:
    out['timeout'] = True
try:
    await asyncio.wait_for(after(10, 0), 0.01)
except TimeoutError:
    out['wait_for'] = True
out['completed'] = [await f for f in asyncio.as_completed([after(0.03, 'slow'), after(0.001, 'fast')])]
queue = asyncio.Queue()
async def produce():
    for i in range(3):
        await queue.put(i)
    await queue.put(None)
async def consume():
    got = []
    while (item := await queue.get()) is not None:
        got.append(item)
    return got
_, out['queue'] = await asyncio.gather(produce(), consume())
event = asyncio.Event()
asyncio.get_running_loop().call_later(0.005, event.set)
await event.wait()
lock = asyncio.Lock()
async with lock:
    out['locked'] = lock.locked()
out";
    assert_eq!(
        result(source),
        json!({
            "gather": [1, 2], "group": [0, 1, 2], "timeout": true, "wait_for": true,
            "completed": ["fast", "slow"], "queue": [0, 1, 2], "locked": true,
        })
    );
}

#[test]
fn asyncio_run_works_as_most_scripts_write_it() {
    let source = "\
import asyncio
async def main():
    await asyncio.sleep(0.001)
    print('main')
    return 7
if __name__ == '__main__':
    x = asyncio.run(main())
x";
    let report = Place::new().python(source);
    assert_eq!(report["stdout"], "main\n", "{report:#}");
    assert_eq!(ok(report), 7);
}

#[test]
fn the_standard_library_is_whole_late_imports_included() {
    let source = "\
import xml.dom.minidom, html.parser, configparser, difflib, fractions, email.message, string.templatelib
import sqlite3, zlib, hashlib, decimal, gzip, csv, tomllib, xml.etree.ElementTree, urllib.parse, statistics
import http.cookies, calendar, locale, gettext, unittest, doctest, pprint, shlex, argparse, logging
db = sqlite3.connect(':memory:')
[xml.dom.minidom.parseString('<a><b/></a>').documentElement.tagName,
 hashlib.sha256(b'x').hexdigest()[:8], str(decimal.Decimal('0.1') + decimal.Decimal('0.2')),
 db.execute('select 6 * 7').fetchone()[0], zlib.decompress(zlib.compress(b'ab')).decode()]";
    assert_eq!(result(source), json!(["a", "2d711642", "0.3", 42, "ab"]));
}

#[test]
fn tracebacks_show_the_programs_own_lines_and_nothing_else() {
    let source = "\
import asyncio

async def inner():
    raise ValueError('from inside')

async def outer():
    async with asyncio.TaskGroup() as group:
        group.create_task(inner())

try:
    await outer()
except* ValueError as caught:
    pass
await inner()
";
    let report = Place::new().python(source);
    let failure = error(&report);
    assert_eq!(failure["kind"], "ValueError");
    assert_eq!(
        failure["traceback"].as_str().unwrap().trim_end(),
        "Traceback (most recent call last):\n  \
           File \"script.py\", line 14, in <module>\n    await inner()\n  \
           File \"script.py\", line 4, in inner\n    raise ValueError('from inside')\n\
         ValueError: from inside"
    );
    assert_eq!(failure["position"]["line"], 4);
}

#[test]
fn chained_exceptions_are_shown() {
    let report = Place::new()
        .python("try:\n    1/0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e");
    let failure = error(&report);
    contains(&failure["traceback"], "ZeroDivisionError: division by zero");
    contains(&failure["traceback"], "direct cause");
    contains(&failure["traceback"], "KeyError: 'k'");
}

#[test]
fn the_last_expression_is_the_result() {
    assert_eq!(
        result("{'a': (1, 2), 'b': None}"),
        json!({ "a": [1, 2], "b": null })
    );
    assert_eq!(result("x = 5"), json!(null));
    assert_eq!(result("{1, 2} - {2}"), json!([1]));
    assert_eq!(result("float('nan')"), json!("nan"));
    assert_eq!(result("object"), json!("<class 'object'>"));
    assert_eq!(result("1\nif True:\n    2"), json!(null));
}

#[test]
fn exit_by_sys_exit() {
    let place = Place::new();
    assert_eq!(
        place.python("import sys\nprint('a')\nsys.exit()")["status"],
        "ok"
    );
    let report = place.python("import sys\nsys.exit('went wrong')");
    assert_eq!(report["stderr"], "went wrong\n", "{report:#}");
    assert_eq!(
        error(&report)["message"],
        "the program exited with status 1"
    );
}

#[test]
fn output_keeps_its_order_and_both_streams() {
    let report = Place::new().python(
        "import sys\nfor i in range(3):\n    print(i)\n    print('e', i, file=sys.stderr)\nprint('no newline', end='')",
    );
    assert_eq!(report["stdout"], "0\n1\n2\nno newline");
    assert_eq!(report["stderr"], "e 0\ne 1\ne 2\n");
}

#[test]
fn tasks_left_behind_are_cancelled_and_reported() {
    let source = "\
import asyncio
async def forever():
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        print('cancelled')
        raise
task = asyncio.create_task(forever())
await asyncio.sleep(0)
'done'";
    let report = Place::new().python(source);
    assert_eq!(report["stdout"], "cancelled\n", "{report:#}");
    contains(&report["warnings"][0], "forever");
    assert_eq!(ok(report), "done");
}

#[test]
fn waiting_for_what_can_never_happen_ends_at_once() {
    let report = Place::new().exec(
        "a.py",
        "import asyncio\nawait asyncio.Event().wait()",
        &["--timeout", "20s"],
    );
    let failure = error(&report);
    contains(&failure["message"], "never");
    assert!(
        report["usage"]["wall_ms"].as_f64().unwrap() < 5000.0,
        "{report:#}"
    );
}

#[test]
fn a_forgotten_await_is_named() {
    let place = Place::with_fixture(&[]);
    let report = place.python("from servers.fixture import echo\nx = echo(text='a')\nx['text']");
    let failure = error(&report);
    contains(&failure["message"], "await");
    let report = place.python("from servers.fixture import echo\necho(text='a')\nprint('end')");
    contains(&report["warnings"][0], "await");
}

#[test]
fn what_is_absent_names_the_cure() {
    let place = Place::new();
    for (source, kind, cure) in [
        ("import pandas", "ModuleNotFoundError", "sandbox"),
        ("import requests", "ModuleNotFoundError", "tool"),
        ("import subprocess; subprocess.run(['ls'])", "", "sandbox"),
        ("import os; os.system('ls')", "", "sandbox"),
        (
            "import threading; threading.Thread(target=print).start()",
            "RuntimeError",
            "asyncio",
        ),
        ("input('name? ')", "", "sys.argv"),
        (
            "import urllib.request; urllib.request.urlopen('http://127.0.0.1:1/')",
            "",
            "tool",
        ),
    ] {
        let report = place.python(source);
        let failure = error(&report);
        if !kind.is_empty() {
            assert_eq!(failure["kind"], kind, "{source}: {report:#}");
        }
        contains(&failure["message"], cure);
    }
}

#[test]
fn nothing_of_the_host_is_visible() {
    let place = Place::new().variable("CANARY_TOKEN", "canary-secret");
    let source = "\
import os, sys
[dict(os.environ), sys.argv, os.path.exists('/etc/passwd'), os.path.exists('/proc')]";
    let report = place.python(source);
    let text = report.to_string();
    assert!(!text.contains("canary-secret"), "{text}");
    let result = ok(report);
    assert_eq!(result[2], false);
    assert_eq!(result[3], false);
    assert!(result[0].get("HOME").is_none(), "{result}");
}

#[test]
fn files_of_the_workspace_can_be_written_and_read() {
    let source = "\
import os, pathlib, tempfile
pathlib.Path('/workspace/a').mkdir()
pathlib.Path('/workspace/a/b.txt').write_text('hello')
with tempfile.TemporaryFile() as f:
    f.write(b'x'); f.seek(0); t = f.read().decode()
[open('/workspace/a/b.txt').read(), sorted(os.listdir('/workspace')), t]";
    assert_eq!(result(source), json!(["hello", ["a"], "x"]));
}

#[test]
fn random_numbers_differ_between_sandboxes() {
    let source =
        "import random, uuid, secrets\n[random.random(), str(uuid.uuid4()), secrets.token_hex(8)]";
    let (one, two) = (result(source), result(source));
    for i in 0..3 {
        assert_ne!(one[i], two[i]);
    }
}

#[test]
fn the_whole_answer_of_a_call_has_what_a_plain_call_leaves_out() {
    let place = Place::with_fixture(&[]);
    let source = "\
import mcp_tools.fixture
from servers.fixture import mixed
answer = await mixed.full()
wrapped = await call_tool_full('fixture.wrapped')
[[block['type'] for block in answer.content], wrapped.value, wrapped.structured_content,
 wrapped.meta, mcp_tools.fixture.wrapped.full() == wrapped]";
    assert_eq!(
        ok(place.python(source)),
        json!([
            ["text", "image", "resource_link"],
            [1, 2, 3],
            { "result": [1, 2, 3] },
            { "fastmcp": { "wrap_result": true } },
            true,
        ])
    );
}

#[test]
fn an_error_of_a_server_keeps_its_code() {
    let place = Place::with_fixture(&[]);
    let source = "\
try:
    await call_tool('fixture.refuse', {'code': -32001})
except ToolError as error:
    found = error.code, error.data, error.kind
found";
    assert_eq!(ok(place.python(source)), json!([-32001, null, "failed"]));
}

#[test]
fn blocks_of_a_tool_are_emitted_as_what_they_are() {
    let place = Place::with_fixture(&[]);
    let source = "\
blocks = await call_tool('fixture.mixed')
emit(blocks[1])
emit(blocks[:2])
emit({'type': 'resource', 'resource': {'uri': 'a://b/c.csv', 'mimeType': 'text/csv', 'text': 'x,y'}})
emit({'type': 'image', 'note': 'only data'})
try:
    emit({'type': 'image', 'mimeType': 'image/png', 'data': '?'})
except ValueError as error:
    print(error)";
    let report = place.python(source);
    let content = report["content"].as_array().unwrap();
    let kinds: Vec<_> = content.iter().map(|block| &block["type"]).collect();
    assert_eq!(
        kinds,
        ["image", "text", "image", "resource", "text"],
        "{report:#}"
    );
    assert_eq!(content[0]["mimeType"], "image/png");
    assert_eq!(content[3]["resource"]["text"], "x,y");
    contains(&report["stdout"], "no Base64");
}

#[test]
fn javascript_that_is_sent_as_python_is_said_to_be_that() {
    for source in [
        "const x = 1;\nx",
        "console.log(1)",
        "import { add } from 'servers/fixture';",
        "function f(a) { return a }",
        "[1, 2].map((x) => x + 1)",
        "interface A { a: string }",
        "// a comment\nlet a = 1",
        "JSON.stringify({})",
    ] {
        let report = Place::new().python(source);
        contains(&error(&report)["message"], "looks like JavaScript");
    }
    for source in ["x = (1", "print 'a => b'", "x = '===' )", "nothing"] {
        let report = Place::new().python(source);
        let failure = error(&report).to_string();
        assert!(!failure.contains("JavaScript"), "{failure}");
    }
    let report = Place::new().python("{'a': null}");
    contains(&error(&report)["message"], "`None`");
}

#[test]
fn every_exit_is_an_end_and_keeps_the_variables_of_the_session() {
    let place = Place::with_fixture(&[]);
    let mut client = Client::start(&place, &[]);
    let session = client.session();
    client.python_in(&session, "x = 1");
    for (source, error) in [
        ("import os\nos._exit(0)", None),
        ("import os\nos._exit(3)", Some("status 3")),
        ("import os\nos.abort()", Some("status 134")),
        (
            "import signal\nsignal.raise_signal(signal.SIGTERM)",
            Some("status 143"),
        ),
        (
            "import asyncio, os\nasync def f():\n    os._exit(4)\nawait asyncio.gather(f(), f())",
            Some("status 4"),
        ),
        (
            "class S(SystemExit):\n    def __str__(self):\n        raise SystemExit\nraise S(S())",
            Some("status 1"),
        ),
        (
            "class S(SystemExit):\n    @property\n    def code(self):\n        raise KeyboardInterrupt\nraise S",
            Some("status 1"),
        ),
        (
            "class E(Exception):\n    def __str__(self):\n        raise SystemExit\nraise E",
            Some(""),
        ),
        (
            "class R:\n    def __repr__(self):\n        raise KeyboardInterrupt\nR()",
            Some(""),
        ),
    ] {
        let data = client.python_in(&session, source);
        match error {
            None => assert_eq!(data["status"], "ok", "{source}: {data:#}"),
            Some(message) => {
                assert_eq!(data["status"], "error", "{source}: {data:#}");
                contains(&data["error"]["message"], message);
            }
        }
        assert_eq!(client.python_in(&session, "x")["result"], 1, "{source}");
    }
}
