//! Programs that mean harm to the machine that runs them, one test for each
//! threat, in Python and JavaScript where both can express it. Each is held
//! against [`oracle`](crate::oracle), and ends with what is allowed.

use serde_json::{Value, json};

use crate::harness::{Place, contains, fixture, ok};
use crate::oracle::{Canary, End, ends_as, ends_as_with};

use End::{Error, Limit};

const TIMEOUT: End = Limit("timeout");
const MEMORY: End = Limit("memory");

/// Each of these programs ends in one of the ways.
#[track_caller]
fn all_end_as(name: &str, sources: &[&str], ways: &[End]) {
    let place = Place::new();
    for source in sources {
        ends_as(&place, name, source, ways);
    }
}

#[test]
fn numbers_of_millions_of_digits_end() {
    // Some are quick enough on a quick machine.
    let ways = [Error, TIMEOUT, MEMORY, End::Ok];
    all_end_as(
        "a.py",
        &[
            "int('9' * 10_000_000)",
            "import sys\nsys.set_int_max_str_digits(0)\nint('9' * 10_000_000)",
            "len(str(1 << 10_000_000))",
            "import sys\nsys.set_int_max_str_digits(0)\nlen(str(1 << 10_000_000))",
            "10 ** (10 ** 8) % 3",
            "7 ** (10 ** 9)",
        ],
        &ways,
    );
    all_end_as(
        "a.js",
        &["2n ** 1_000_000_000n", "BigInt('9'.repeat(10_000_000))"],
        &ways,
    );
    let place = Place::new();
    assert_eq!(ok(place.python("len(str(7 ** 1000))")), 846);
    assert_eq!(ok(place.javascript("String(7n ** 1000n).length")), 846);
}

#[test]
fn comparisons_that_never_return_end() {
    all_end_as(
        "a.py",
        &[
            "class A:\n    def __lt__(self, other):\n        while True: pass\nsorted([A(), A()])",
            "[3, 1, 2].sort(key=lambda x: [y for y in iter(int, 1)])",
            "class A:\n    def __eq__(self, other): return self == other\n    __hash__ = lambda self: 1\n{A(), A()}",
        ],
        &[TIMEOUT, MEMORY, Error],
    );
    all_end_as(
        "a.js",
        &[
            "[3, 1, 2].sort(() => { for (;;); })",
            "'a'.replace(/a/, () => { for (;;); })",
        ],
        &[TIMEOUT],
    );
    let place = Place::new();
    assert_eq!(
        ok(place.python("sorted([3, 1, 2], key=lambda x: -x)[0]")),
        3
    );
    assert_eq!(
        ok(place.javascript("[3, 1, 2].sort((a, b) => b - a)[0]")),
        3
    );
}

#[test]
fn texts_and_lists_that_grow_without_bound_end() {
    all_end_as(
        "a.py",
        &[
            "x = []\nwhile True: x.append(object())",
            "x = {}\nwhile True: x[len(x)] = str(len(x))",
            "x = 'x'\nwhile True: x += x",
        ],
        &[MEMORY],
    );
    all_end_as(
        "a.js",
        &[
            "const x = []; for (;;) x.push({});",
            "const x = new Map(); for (;;) x.set(x.size, `${x.size}`);",
            "let x = []; for (let i = 0; i < 1e9; i++) x[i * 1000] = 'x'.repeat(i);",
        ],
        &[MEMORY, TIMEOUT],
    );
    // What does not fit is refused, and the program goes on.
    let place = Place::new();
    for (name, source) in [
        (
            "a.py",
            "try:\n    'x' * 10 ** 10\nexcept (MemoryError, OverflowError):\n    n = 1\nn + 1",
        ),
        (
            "a.py",
            "try:\n    bytearray(2 ** 31)\nexcept (MemoryError, OverflowError):\n    n = 1\nn + 1",
        ),
        (
            "a.js",
            "let n; try { 'a'.repeat(2 ** 28) } catch { n = 1 } n + 1",
        ),
        (
            "a.js",
            "let n; try { new ArrayBuffer(2 ** 32) } catch { n = 1 } n + 1",
        ),
    ] {
        assert_eq!(ends_as(&place, name, source, &[End::Ok])["result"], 2);
    }
}

#[test]
fn data_that_unpacks_to_much_more_ends() {
    let ways = [Error, TIMEOUT, MEMORY];
    all_end_as(
        "a.py",
        &[
            "import zlib\nlen(zlib.decompress(zlib.compress(b'x' * 30_000_000, 9) * 1) * 10)",
            "import gzip, io\ndata = gzip.compress(b'x' * 20_000_000)\nx = []\nwhile True: x.append(gzip.decompress(data))",
            "import json\njson.loads('[' * 1_000_000)",
            "import xml.etree.ElementTree as E\nnames = [f'<!ENTITY e{i} \"{f\"&e{i-1};\" * 10}\">' for i in range(1, 12)]\nE.fromstring('<!DOCTYPE a [<!ENTITY e0 \"xxxxxxxxxx\">' + ''.join(names) + ']><a>&e11;</a>')",
        ],
        &ways,
    );
    let place = Place::new();
    let small = "import zlib\nlen(zlib.decompress(zlib.compress(b'x' * 1_000_000)))";
    assert_eq!(ok(place.python(small)), 1_000_000);
    let entity = "import xml.etree.ElementTree as E\nE.fromstring('<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>').text";
    assert_eq!(ok(place.python(entity)), "x");
}

#[test]
fn source_texts_that_are_bombs_end() {
    let ways = [Error, TIMEOUT, MEMORY, Limit("stack")];
    let mut nested = String::from("1");
    for _ in 0..1000 {
        nested = format!("f'{{{nested}}}'");
    }
    let place = Place::new();
    for source in [
        "(".repeat(5_000_000),
        "[".repeat(100_000) + &"]".repeat(100_000),
        "((1,) * 10 ** 6) * 10 ** 3".to_owned(),
        "x = 1\n".repeat(1_000_000) + "(",
        format!("x = {nested}\nwhile True: pass"),
        "lambda: ".repeat(50_000) + "1",
        "if 1:\n".to_owned()
            + &(1..120)
                .map(|n| " ".repeat(n) + "if 1:\n")
                .collect::<String>(),
    ] {
        ends_as_with(&place, "a.py", &source, &[], &ways);
    }
    for source in [
        "(".repeat(5_000_000),
        "[".repeat(100_000),
        "`${".repeat(100_000),
        "x = 1;\n".repeat(1_000_000) + "(",
        "a => ".repeat(100_000) + "1; for (;;);",
    ] {
        ends_as_with(&place, "a.js", &source, &[], &ways);
        ends_as_with(&place, "a.ts", &source, &[], &ways);
    }
    let lines = "x = 1\n".repeat(10_000) + "x";
    assert_eq!(ok(place.python(&lines)), 1);
    assert_eq!(ok(place.javascript("let x = 1;\n(((((x)))))")), 1);
}

#[test]
fn waits_of_any_length_end_at_the_limit() {
    all_end_as(
        "a.py",
        &[
            "import time\ntime.sleep(1e9)",
            "import time\ntime.sleep(-1)",
            "import time\ntime.sleep(float('nan'))",
            "import time\nwhile True: time.sleep(0)",
            "import asyncio\nawait asyncio.sleep(float('inf'))",
            "import asyncio\nawait asyncio.sleep(1e300)",
            "import asyncio\nasync def f():\n    while True: await asyncio.sleep(-1)\nawait f()",
            "import asyncio\nawait asyncio.gather(*[asyncio.sleep(1e9) for _ in range(100_000)])",
            "import asyncio\nawait asyncio.wait_for(asyncio.Event().wait(), 1e18)",
            "import select\nselect.select([], [], [], 1e9)",
        ],
        &[TIMEOUT, Error, MEMORY],
    );
    all_end_as(
        "a.js",
        &[
            "await new Promise(done => setTimeout(done, 2 ** 31 - 1))",
            "await new Promise(done => setTimeout(done, 1e18))",
            "for (;;) await new Promise(done => setTimeout(done, NaN))",
            "for (;;) await new Promise(done => setTimeout(done, -1))",
            "for (let i = 0; i < 100_000; i++) setTimeout(() => {}, 1e6); await new Promise(done => setTimeout(done, 1e6))",
            "setInterval(() => {}, 0); await new Promise(() => {})",
        ],
        // Node, too, takes what is too long for the shortest wait.
        &[TIMEOUT, MEMORY, End::Ok],
    );
    let place = Place::new();
    let source = "import asyncio, time\ntime.sleep(0.01)\nawait asyncio.sleep(0)\n'on'";
    assert_eq!(ok(place.python(source)), "on");
    let source = "await new Promise(done => setTimeout(done, 10)); 'on'";
    assert_eq!(ok(place.javascript(source)), "on");
}

#[test]
fn floods_of_calls_to_the_host_end() {
    all_end_as(
        "a.js",
        &[
            "for (;;) performance.now()",
            "const bytes = new Uint8Array(65536); for (;;) crypto.getRandomValues(bytes)",
            "for (;;) Date.now()",
        ],
        &[TIMEOUT],
    );
    all_end_as(
        "a.py",
        &[
            "import time\nwhile True: time.time_ns()",
            "import os\nwhile True: os.urandom(65536)",
            "import os\nwhile True: os.path.exists('/workspace/x')",
            "from wit_world.imports import tools\nwhile True: tools.servers()",
            "from wit_world.imports import tools\nwhile True: tools.cancel(7)",
            "from wit_world.imports import tools\nwhile True: tools.wait(0)",
        ],
        &[TIMEOUT],
    );
    let place = Place::with_fixture(&[]);
    let refused =
        "while True:\n    try: await call_tool('fixture.echo', {})\n    except ToolDenied: pass";
    ends_as_with(
        &place,
        "a.py",
        refused,
        &["--deny-tool", "*"],
        &[Limit("max-calls"), TIMEOUT],
    );
    let names = "x = 'x' * 4_000_000\nfrom wit_world.imports import tools\nfrom wit_world.imports.types import AnswerForm\nfrom componentize_py_types import Err\n\
        for _ in range(250):\n    try: tools.start_call(x, '{}', AnswerForm.VALUE)\n    except Err: pass";
    ends_as(&place, "a.py", names, &[End::Ok, TIMEOUT, Error]);
    let source = "import time, os\n[time.time_ns() for _ in range(1000)]\nlen(os.urandom(65536))";
    assert_eq!(ok(place.python(source)), 65536);
}

/// Work that a program left for its end: none of it may call a tool.
#[test]
fn no_call_is_made_after_the_time_is_over() {
    let place = Place::new();
    let log = place.path().join("log");
    let config = json!({ "mcpServers": { "fixture": fixture(&["--log", log.to_str().unwrap()]) } });
    place.write("mcp.json", config.to_string());
    let call = "call_tool('fixture.echo', {'text': 'late'})";
    let late = |source: &str| source.replace("CALL", call);
    for source in [
        "try:\n    while True: pass\nfinally:\n    await CALL",
        "import atexit, mcp_tools.fixture\natexit.register(lambda: mcp_tools.fixture.echo(text='late'))\nwhile True: pass",
        "class A:\n    def __del__(self):\n        import mcp_tools.fixture\n        mcp_tools.fixture.echo(text='late')\na = A()\nwhile True: pass",
        "import mcp_tools.fixture\ndef g():\n    try: yield\n    finally: mcp_tools.fixture.echo(text='late')\na = g()\nnext(a)\nwhile True: pass",
        "import asyncio\nasync def f():\n    try: await asyncio.sleep(1e6)\n    except BaseException: await CALL\nasyncio.create_task(f())\nawait asyncio.sleep(0)\nwhile True: pass",
    ] {
        ends_as(&place, "a.py", &late(source), &[TIMEOUT]);
    }
    let call = "callTool('fixture.echo', { text: 'late' })";
    for source in [
        "try { for (;;); } finally { await CALL }",
        "const r = new FinalizationRegistry(() => CALL); r.register({}, 1); for (;;);",
        "Promise.resolve().then(() => CALL); for (;;);",
        "setTimeout(() => CALL, 10); for (;;);",
    ] {
        ends_as(&place, "a.js", &source.replace("CALL", call), &[TIMEOUT]);
    }
    assert_eq!(place.read("log").matches("tools/call").count(), 0);
    let source =
        "try:\n    x = 1\nfinally:\n    await call_tool('fixture.echo', {'text': 'in time'})";
    ok(place.python(source));
    assert_eq!(place.read("log").matches("tools/call").count(), 1);
}

/// Python's ways to start, signal or trace another process, each refused.
const PROCESSES: &str = "
import os, signal
def refused(work):
    try: return f'NOT REFUSED: {work()!r}'
    except (OSError, AttributeError, ImportError, RuntimeError, NotImplementedError, ValueError) as e: return type(e).__name__
def started(name, *arguments): return lambda: getattr(os, name)(*arguments)
def imported(name, call): return lambda: call(__import__(name))
seen = [refused(work) for work in [
    started('system', 'touch CANARY'), started('popen', 'touch CANARY'), started('fork'), started('forkpty'),
    started('execv', '/bin/sh', ['sh']), started('execvp', 'sh', ['sh']), started('posix_spawn', '/bin/sh', ['sh'], {}),
    started('spawnv', 0, '/bin/sh', ['sh']), started('kill', 1, 9), started('killpg', 1, 9), started('setuid', 0),
    started('chroot', '/'), started('mkfifo', '/workspace/f'), started('mknod', '/workspace/n'), started('ptrace'),
    imported('subprocess', lambda s: s.run(['sh', '-c', 'touch CANARY'])), imported('pty', lambda p: p.spawn('sh')),
    imported('multiprocessing', lambda m: m.Process(target=print).start()), imported('threading', lambda t: t.Thread(target=print).start()),
    imported('resource', lambda r: r.setrlimit(r.RLIMIT_AS, (-1, -1))), imported('ctypes', lambda c: c.CDLL('libc.so.6').system(b'touch CANARY')),
]]
[seen, [name for name in seen if name.startswith('NOT')]]";

#[test]
fn no_process_is_started_or_signalled() {
    let canary = Canary::new();
    let file = canary.path().join("made").display().to_string();
    let place = Place::new();
    let python = PROCESSES.replace("CANARY", &file);
    let report = ends_as(&place, "a.py", &python, &[End::Ok]);
    assert_eq!(report["result"][1], json!([]), "{report:#}");
    let source = "
const refused = async (work) => { try { return `NOT REFUSED: ${await work()}` } catch (e) { return 'refused' } };
const seen = [];
for (const work of [
    () => require('child_process').execSync('touch CANARY'), () => import('node:child_process'),
    () => require('worker_threads'), () => require('cluster'), () => require('vm').runInThisContext('1'),
    () => process.kill(1, 9), () => process.abort(), () => process.dlopen({}, '/lib/libc.so.6'), () => process.binding('fs'),
    () => new Worker('data:,'), () => std.popen('touch CANARY', 'r'), () => os.exec(['touch', 'CANARY']),
]) seen.push(await refused(work));
seen.filter(name => name !== 'refused')";
    let source = source.replace("CANARY", &file);
    let report = ends_as(&place, "a.js", &source, &[End::Ok]);
    assert_eq!(report["result"], json!([]), "{report:#}");
    canary.is_untouched();
    // A tool may do it for the program.
    let place = Place::with_fixture(&[]);
    let source = "(await call_tool('fixture.environment'))['pid'] > 1";
    assert_eq!(ok(place.python(source)), true);
}

/// What a program reaches by walking from object to object.
#[test]
fn objects_of_the_interpreter_hold_nothing_of_the_host() {
    let mut server = fixture(&[]);
    server["env"] = json!({ "API_TOKEN": Canary::TEXT });
    let place = Place::with_servers(json!({ "fixture": server }))
        .variable("CANARY_TOKEN", Canary::TEXT)
        .variable("CANARY_PASSWORD", Canary::TEXT);
    // The text is put together so that it is not itself in the program.
    let source = "
import gc, os, sys, types
await call_tool('fixture.echo', {'text': 'x'})
try: await call_tool('fixture.fail', {})
except ToolError: pass
needle = 'CANARY' + '-5b1e77'
texts, seen, todo = [], set(), [*gc.get_objects(), *sys.modules.values(), sys._getframe(), os.environ, os.environb]
gc.unfreeze()
todo += gc.get_objects()
while todo:
    one = todo.pop()
    if id(one) in seen: continue
    seen.add(id(one))
    if isinstance(one, str): texts.append(one)
    elif isinstance(one, (bytes, bytearray)): texts.append(one.decode('latin1'))
    else: todo.extend(gc.get_referents(one))
[len(texts) > 10_000, sum(needle in text for text in texts if text is not needle and text != needle),
 '{0.__init__.__globals__}'.format(ToolError('x')).count(needle) if hasattr(ToolError.__init__, '__globals__') else 0]";
    let flags = &["--timeout", "30s", "--memory", "512MiB"];
    let result = ok(place.exec("a.py", source, flags));
    assert_eq!(result.as_array().unwrap()[..2], [json!(true), json!(0)]);
    assert_eq!(result[2], 0, "{result}");
    // What is there is found.
    let held = format!("held = [b'in ' + b'CANARY' + b'-5b1e77']\n{source}");
    assert_ne!(ok(place.exec("a.py", &held, flags))[1], 0);
    let source = "
const needle = 'CANARY' + '-5b1e77'; let texts = 0, found = 0;
await callTool('fixture.echo', { text: 'x' });
try { await callTool('fixture.fail', {}) } catch {}
const seen = new Set(), todo = [globalThis, process, process.env, require('fs'), require('os'), new Error().stack];
while (todo.length) {
    const one = todo.pop();
    if (typeof one === 'string') { texts++; if (one.includes(needle) && one !== needle) found++; continue }
    if ((typeof one !== 'object' && typeof one !== 'function') || one === null || seen.has(one)) continue;
    seen.add(one);
    for (const key of Reflect.ownKeys(one)) {
        todo.push(typeof key === 'string' ? key : String(key));
        try { todo.push(one[key]) } catch {}
    }
    try { todo.push(Object.getPrototypeOf(one)) } catch {}
}
[texts > 1000, found]";
    assert_eq!(ok(place.javascript(source)), json!([true, 0]));
    let held = format!("process.env.HELD = 'in ' + 'CANARY' + '-5b1e77'; {source}");
    assert_ne!(ok(place.javascript(&held))[1], 0);
}

#[test]
fn an_interpreter_that_is_corrupted_ends_alone() {
    let place = Place::new();
    let ways = [Error, TIMEOUT, MEMORY, Limit("stack"), End::Ok];
    let corrupted = "
def f(): pass
f.__code__ = f.__code__.replace(co_code=bytes(CODE), co_stacksize=0, co_consts=(), co_names=())
for _ in range(100):
    try: f()
    except Exception: pass";
    for code in [
        "[100, 255] * 50",
        "[83, 0] * 20",
        "[i % 256 for i in range(200)]",
        "[(i * 7) % 256 for i in range(400)]",
        "[82, 200, 83, 0]",
    ] {
        ends_as(&place, "a.py", &corrupted.replace("CODE", code), &ways);
    }
    for source in [
        "import marshal, types\nexec(marshal.loads(b'\\xe3' + bytes(range(64)) * 4))",
        "import faulthandler\nfaulthandler._read_null()",
        "import ctypes\nctypes.string_at(0, 1 << 30)",
        "import _testcapi",
        "import _testinternalcapi",
        "import sys\nsys.setrecursionlimit(10 ** 9)\nf = lambda: f()\nf()",
        "import gc\nfor x in gc.get_objects():\n    try: x.__class__ = int\n    except Exception: pass",
    ] {
        ends_as(&place, "a.py", source, &ways);
    }
    assert_eq!(ok(place.python("1 + 1")), 2);
}

/// What is changed in one run is not there in the next, and no grant is.
#[test]
fn what_a_program_replaces_grants_nothing() {
    let place = Place::with_fixture(&[]);
    let flags = &["--deny-tool", "fixture.add"];
    // Whatever becomes of the program, the tool is not called.
    let denied = |name: &str, source: &str| {
        let report = place.exec(name, source, flags);
        assert_ne!(report["status"], "ok", "{source}: {report:#}");
        for call in report["calls"].as_array().unwrap() {
            assert_eq!(call["status"], "failed", "{report:#}");
        }
    };
    for source in [
        "import json, builtins, servers.fixture\njson.loads = lambda text: {'allowed': True}\nbuiltins.isinstance = lambda *_: True\nawait call_tool('fixture.add', {'a': 1, 'b': 2})",
        "import servers.fixture\nservers.fixture.echo.__name__ = 'add'\nservers.fixture.__dict__['allowed'] = ['add']\nawait servers.fixture.add(a=1, b=2)",
        "import sys\nfor name in list(sys.modules):\n    if name.startswith('wasm_coordinator'): sys.modules[name].__dict__['grants'] = ['*']\nawait call_tool('fixture.add', {'a': 1, 'b': 2})",
    ] {
        denied("a.py", source);
    }
    denied(
        "a.js",
        "Object.prototype.then = undefined; Array.prototype.includes = () => true; JSON.parse = () => ({ allowed: true }); await callTool('fixture.add', { a: 1, b: 2 })",
    );
    // Straight to what the guest itself calls.
    let source = "
from wit_world.imports import tools
from wit_world.imports.types import AnswerForm
seen = []
for name in ['fixture.add', 'fixture/add', 'FIXTURE.ADD', 'add', ' fixture.add ', 'fixture.add\\0', 'x.fixture.add']:
    tools.start_call(name, '{\"a\": 1, \"b\": 2}', AnswerForm.VALUE)
    for done in tools.wait(None): seen.append(type(done.result).__name__ + ' ' + str(done.result.value)[:400])
seen";
    let seen = ok(place.exec("a.py", source, flags));
    for seen in seen.as_array().unwrap() {
        assert!(seen.as_str().unwrap().starts_with("Err "), "{seen}");
    }
    let source = "await call_tool('fixture.add', {'a': 1, 'b': 2})";
    assert_eq!(ok(place.python(source)), json!({ "sum": 3 }));
}

#[test]
fn what_a_program_replaces_is_gone_in_the_next_run() {
    let place = Place::with_fixture(&[]);
    let mut client = crate::client::Client::start(&place, &[]);
    for (language, spoil, whole) in [
        (
            "python",
            "import builtins, json, servers.fixture, random\nrandom.seed(1)\njson.loads = builtins.print = servers.fixture.echo = None\nimport sys\nsys.modules['os'] = None\nsys.setrecursionlimit(20)\n1",
            "import json, os, sys, servers.fixture\nprint('x')\n[json.loads('1'), callable(servers.fixture.echo), os.sep, sys.getrecursionlimit() > 100, (await call_tool('fixture.add', {'a': 1, 'b': 2}))['sum']]",
        ),
        (
            "javascript",
            "Object.prototype.then = function (f) { f(7) }; Array.prototype.map = null; Date.now = () => 0; JSON.parse = null; globalThis.callTool = null; 1",
            "[JSON.parse('1'), [1].map(x => x === 1)[0], '/', Date.now() > 1e9, (await callTool('fixture.add', { a: 1, b: 2 })).sum]",
        ),
    ] {
        for _ in 0..3 {
            client.call("execute", json!({ "code": spoil, "language": language }));
            let data = client.data("execute", json!({ "code": whole, "language": language }));
            assert_eq!(data["result"], json!([1, true, "/", true, 3]), "{data:#}");
        }
    }
}

#[test]
fn results_are_text_and_never_objects() {
    let place = Place::new();
    let source = "
import pickle, marshal
class A:
    def __reduce__(self): return (print, ('unpickled',))
    def __repr__(self): return 'A'
[pickle.dumps(A()).hex(), marshal.dumps(len.__class__.__name__).hex(), {'py/object': 'os.system', '__proto__': {'x': 1}, '$type': 'x'}]";
    let report = place.python(source);
    assert_eq!(report["stdout"], "", "{report:#}");
    let result = ok(report);
    assert!(result[0].as_str().unwrap().starts_with("80"), "{result}");
    assert_eq!(result[2]["py/object"], "os.system");
    let report = place.python("class A:\n    def __reduce__(self): return (print, ('x',))\n    def __repr__(self): return 'an A'\nA()");
    contains(&ok(report), "an A");
    let source = "({ toJSON() { return { then: 1, __proto__: null, constructor: 'x' } } })";
    let result: Value = ok(place.javascript(source));
    assert_eq!(result["constructor"], "x");
}
