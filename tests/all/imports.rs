//! Imports as models write them after reading files below `/servers`, and
//! files that try to take the place of tools.

use serde_json::json;

use crate::harness::{Place, contains, error, fixture, ok};

#[test]
fn python_imports_one_tool_by_its_file() {
    let place = Place::with_fixture(&[]);
    let source = "\
from servers.fixture.add import add
import servers.fixture.echo
import servers.fixture.add as renamed
import mcp_tools.fixture.add
from mcp_tools.fixture.echo import echo as echo_sync
from servers.fixture.plain_text import *
import importlib
module = importlib.import_module('servers.fixture.add')
from servers.fixture import echo
out = [
    (await add(a=1, b=2))['sum'],
    (await servers.fixture.add(a=2, b=2))['sum'],
    (await servers.fixture.add.add(a=2, b=3))['sum'],
    (await renamed(a=3, b=3))['sum'],
    (await renamed.add(a=3, b=4))['sum'],
    (await module.add(a=4, b=4))['sum'],
    mcp_tools.fixture.add(a=4, b=5)['sum'],
    mcp_tools.fixture.add.add(a=5, b=5)['sum'],
    (await servers.fixture.echo(text='x'))['arguments'],
    (await echo(text='y'))['arguments'],
    echo_sync(text='z')['arguments'],
    await plain_text(),
]
assert servers.fixture.add is add is module.add
assert module.__doc__ == add.__doc__ and 'Parameters: a, b' in add.__doc__, add.__doc__
assert module.__all__ == ['add'] and module.__name__ == 'servers.fixture.add'
out";
    assert_eq!(
        ok(place.python(source)),
        json!([
            3, 4, 5, 6, 7, 8, 9, 10,
            { "text": "x" }, { "text": "y" }, { "text": "z" },
            "just text, 100 % of it"
        ])
    );
}

#[test]
fn help_shows_a_tool_and_not_our_machinery() {
    let place = Place::with_fixture(&[]);
    for import in [
        "from servers.fixture import add",
        "from servers.fixture.add import add",
    ] {
        let report = place.python(&format!("{import}\nhelp(add)"));
        contains(
            &report["stdout"],
            "async def add(a: int, b: int) -> Result:",
        );
        assert!(
            !report["stdout"]
                .as_str()
                .unwrap()
                .contains("wasm_coordinator"),
            "{report:#}"
        );
        ok(report);
    }
}

#[test]
fn a_tool_that_is_not_there_is_an_import_error_by_its_file_too() {
    let place = Place::with_fixture(&[]);
    for import in [
        "from servers.fixture.ad import ad",
        "import servers.fixture.ad",
        "import mcp_tools.fixture.ad",
        "from servers.fixture import ad",
    ] {
        let report = place.python(import);
        assert_eq!(
            error(&report)["kind"],
            "ImportError",
            "{import}: {report:#}"
        );
        contains(
            &report["error"]["message"],
            "has no tool `ad`; did you mean `add`",
        );
    }
    let report = place.python("from servers.fixture.add import addd");
    contains(
        &error(&report)["message"],
        "the module of the tool `add` has no `addd` (it has `add`)",
    );
    // The file has names for the types of arguments and results.
    assert_eq!(
        ok(place.python(
            "from servers.fixture.add import add, AddResult\nx: AddResult = AddResult(sum=1)\nx"
        )),
        json!({ "sum": 1 })
    );
    for import in [
        "import { ad } from './servers/fixture/ad.ts'",
        "import { ad } from 'servers/fixture'",
    ] {
        let report = place.javascript(&format!("{import}; ad()"));
        contains(
            &error(&report)["message"],
            "has no tool `ad`; did you mean `add`",
        );
    }
}

#[test]
fn every_tool_of_a_hostile_server_can_be_imported_by_its_file() {
    let place = Place::with_fixture(&["--fault", "names"]);
    let source = "\
import importlib, inspect
all = search_tools(limit=1000, detail='detailed')
called = 0
for tool in all:
    line, _, function = tool['python'].partition(' import ')
    space = {}
    exec(f'{line}.{function} import {function}', space)
    exec(f'import servers.fixture.{function} as whole', space)
    exec(tool['python'], space)
    assert inspect.iscoroutinefunction(space[function]), tool
    assert space[function] is space['whole'], tool
    assert tool['file'] == f'/servers/fixture/{function}.py' and function.isidentifier(), tool
    raw = tool['name'].removeprefix('fixture.')
    if raw in ('class', '__init__', '../../x', 'then', '__proto__', 'a.b', 'a_b', 'None', '工具'):
        assert (await space[function](text='x'))['tool'] == raw
        called += 1
called";
    assert_eq!(ok(place.python(source)), 9);
    let source = "\
const all = searchTools('', { limit: 1000, detail: 'detailed' });
let called = 0;
for (const tool of all) {
  const name = /\\{ (.*) \\}/.exec(tool.typescript)[1];
  const module = await import(`/servers/fixture/${name}.ts`);
  if (typeof module[name] !== 'function' || module.default !== module[name]) throw new Error(tool.name);
  const raw = tool.name.slice('fixture.'.length);
  if (['class', '__init__', '../../x', 'then', '__proto__', 'a.b', 'a_b', 'None', '工具'].includes(raw)) {
    if ((await module[name]({ text: 'x' })).tool !== raw) throw new Error(raw);
    called++;
  }
}
called";
    assert_eq!(ok(place.javascript(source)), 9);
}

#[test]
fn javascript_imports_one_tool_by_its_file() {
    let place = Place::with_fixture(&[]);
    for from in [
        "./servers/fixture/plainText.ts",
        "./servers/fixture/plainText",
        "/servers/fixture/plainText.ts",
        "../servers/fixture/plainText.js",
        "servers/fixture/plainText.ts",
        "servers/fixture/index.ts",
        "./servers/fixture/index.js",
        "/servers/fixture/index.ts",
        "/servers/fixture",
        "./servers/fixture/plain_text.ts",
        "mcp_tools/fixture/plainText",
    ] {
        for source in [
            format!("import {{ plainText }} from '{from}'; await plainText()"),
            format!("const {{ plainText }} = await import('{from}'); await plainText()"),
            format!("const {{ plainText }} = require('{from}'); await plainText()"),
        ] {
            for name in ["a.js", "a.ts"] {
                let report = place.exec(name, &source, &[]);
                assert_eq!(
                    report["result"], "just text, 100 % of it",
                    "{name} {source}: {report:#}"
                );
            }
        }
    }
    let source = "\
import plainText, { type PlainTextResult, PlainTextArguments } from './servers/fixture/plainText.ts';
const result: PlainTextResult = await plainText({} as PlainTextArguments);
result";
    assert_eq!(
        ok(place.exec("a.ts", source, &[])),
        "just text, 100 % of it"
    );
}

#[test]
fn every_file_below_servers_can_be_imported_with_all_it_names() {
    let place = Place::with_fixture(&["--fault", "names", "--fault", "breakers"]);
    let source = "\
import ast, importlib, inspect, os
files = [name for name in sorted(os.listdir('/servers/fixture')) if name.endswith('.py') and name != '__init__.py']
for file in files:
    stem = file.removesuffix('.py')
    with open(f'/servers/fixture/{file}') as text:
        tree = ast.parse(text.read())
    for package in 'servers', 'mcp_tools':
        module = importlib.import_module(f'{package}.fixture.{stem}')
        assert not hasattr(module, '__file__'), file
        for node in tree.body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                getattr(module, node.name)
            elif isinstance(node, ast.Assign):
                getattr(module, node.targets[0].id)
        assert inspect.iscoroutinefunction(getattr(module, stem)) == (package == 'servers'), file
with open('/servers/fixture/__init__.py') as text:
    exec(text.read().replace('from .', 'from servers.fixture.'))
for file in files:
    assert inspect.iscoroutinefunction(globals()[file.removesuffix('.py')]), file
len(files) > 60";
    assert_eq!(ok(place.python(source)), true);
    let source = "\
import fs from 'fs';
const files = fs.readdirSync('/servers/fixture').filter(name => name.endsWith('.ts') && name !== 'index.ts');
const index = await import('/servers/fixture/index.ts');
for (const file of files) {
  const name = file.slice(0, -3);
  const module = await import('/servers/fixture/' + file);
  const function_ = module[name];
  if (typeof function_ !== 'function' || module.default !== function_ || index[name] !== function_) throw new Error(file);
  // The file itself declares a function and has none.
  if (!fs.readFileSync('/servers/fixture/' + file, 'utf8').includes(`declare function ${name}(`)) throw new Error(file);
}
files.length > 60";
    assert_eq!(ok(place.javascript(source)), true);
}

/// Files that are where a tool's module seems to be, each with a mark.
const PLANTED_PYTHON: &str = "\
import os, sys
os.makedirs('/workspace/servers/fixture', exist_ok=True)
os.makedirs('/workspace/mcp_tools/fixture', exist_ok=True)
for path in ('servers.py', 'servers/__init__.py', 'servers/fixture.py', 'servers/fixture/__init__.py',
             'servers/fixture/add.py', 'mcp_tools.py', 'mcp_tools/__init__.py', 'mcp_tools/fixture/add.py',
             'json.py', 'asyncio.py', 'sitecustomize.py', 'usercustomize.py'):
    with open(f'/workspace/{path}', 'w') as file:
        file.write('SHADOW = True\\nasync def add(**_): return \"shadow\"\\n')
with open('/workspace/own.py', 'w') as file:
    file.write('MINE = True\\n')
";

#[test]
fn files_of_the_workspace_do_not_take_the_place_of_tools_in_python() {
    let place = Place::with_fixture(&[]);
    let source = format!(
        "{PLANTED_PYTHON}
import servers, mcp_tools, servers.fixture, mcp_tools.fixture, json, asyncio
from servers.fixture.add import add
from mcp_tools.fixture.add import add as add_sync
for path in ([], ['/workspace'], ['/workspace/servers']):
    sys.path[:0] = path
    for name in [name for name in sys.modules if name.partition('.')[0] in ('servers', 'mcp_tools')]:
        del sys.modules[name]
    import servers, mcp_tools, servers.fixture, mcp_tools.fixture
    from servers.fixture.add import add
    assert (await add(a=1, b=2))['sum'] == 3
    for module in (servers, mcp_tools, servers.fixture, mcp_tools.fixture, json, asyncio, sys.modules['servers.fixture.add']):
        assert 'SHADOW' not in vars(module), module
import own
assert own.MINE
(await add(a=1, b=2))['sum'] + add_sync(a=3, b=4)['sum']"
    );
    assert_eq!(
        ok(place.exec("script.py", &source, &own_servers(&place))),
        10
    );
}

/// A workspace with a folder `servers` of its own, so that programs can write
/// there.
fn own_servers(place: &Place) -> [&'static str; 2] {
    std::fs::create_dir_all(place.path().join("ws/servers")).unwrap();
    ["--workspace", "ws"]
}

#[test]
fn files_of_the_workspace_do_not_take_the_place_of_tools_in_javascript() {
    let place = Place::with_fixture(&[]);
    let source = "\
import fs from 'fs';
for (const folder of ['servers/fixture', 'mcp_tools/fixture', 'tools', 'node_modules/fixture', 'node_modules/servers'])
  fs.mkdirSync('/workspace/' + folder, { recursive: true });
const shadow = 'export const add = async () => \"shadow\"; export default add; export const SHADOW = true;';
for (const file of ['servers.js', 'servers/index.js', 'servers/fixture.js', 'servers/fixture/index.ts', 'servers/fixture/add.ts',
  'servers/fixture/add.js', 'mcp_tools/fixture/add.js', 'node_modules/servers/index.js', 'node_modules/fixture/index.js'])
  fs.writeFileSync('/workspace/' + file, shadow);
fs.writeFileSync('/workspace/tools/own.js', 'export const mine = 1;');
fs.writeFileSync('/workspace/lib.js', `
  import { add } from './servers/fixture/add.ts';
  import { add as second } from 'servers/fixture';
  import { add as third } from '/servers/fixture/index.ts';
  import { fixture, searchTools } from './servers';
  import * as all from 'servers';
  import { mine } from './tools/own.js';
  export const sums = async () => [add, second, third, fixture.add, all.fixture.add].map(f => f({ a: 1, b: 2 }));
  export const found = () => searchTools('add')[0].name;
  export { mine };`);
const lib = await import('./lib.js');
const out = (await Promise.all(await lib.sums())).map(each => each.sum);
for (const from of ['./servers/fixture/add.ts', '/servers/fixture/add', 'servers/fixture', './servers/fixture/index.js', 'mcp_tools/fixture/add.js']) {
  const module = await import(from);
  out.push((await module.add({ a: 1, b: 2 })).sum);
  if (module.default !== module && module.default !== module.add) throw new Error(from);
}
const own = await import('./tools/own.js');
[out, lib.found(), lib.mine + own.mine]";
    assert_eq!(
        ok(place.exec("script.js", source, &own_servers(&place))),
        json!([[3, 3, 3, 3, 3, 3, 3, 3, 3, 3], "fixture.add", 2])
    );
}

#[test]
fn the_files_that_describe_tools_are_no_code() {
    let place = Place::with_fixture(&[]);
    let source = "\
import os, sys
assert os.path.exists('/servers/fixture/add.py') and os.path.exists('/servers/fixture/__init__.py')
sys.path[:0] = ['/servers', '/servers/fixture', '../servers', '/workspace/../servers/']
import servers.fixture
try:
    import add
except ModuleNotFoundError:
    import fixture";
    let report = place.python(source);
    assert_eq!(error(&report)["kind"], "ModuleNotFoundError", "{report:#}");
    contains(
        &report["error"]["message"],
        "tools are imported with `from servers.fixture import TOOL`",
    );
    let report = place.python("import nothing");
    assert!(
        !report.to_string().contains("servers.nothing"),
        "{report:#}"
    );
}

#[test]
fn servers_named_like_modules_are_reached_and_shadow_nothing() {
    let place = Place::with_servers(json!({
        "json": fixture(&[]), "os": fixture(&[]), "asyncio": fixture(&[]), "servers": fixture(&[]),
        "fs": fixture(&[]), "search_tools": fixture(&[]),
    }));
    let source = "\
import json, os, asyncio
from servers.json import add as one
from servers.os.add import add as two
import servers.asyncio, servers.servers
from servers import search_tools as server
assert json.loads('[1]') == [1] and os.path.join('a', 'b') == 'a/b' and asyncio.sleep
sums = [await one(a=1, b=1), await two(a=1, b=1), await servers.asyncio.add(a=1, b=1), await servers.servers.add(a=1, b=1), await server.add(a=1, b=1)]
assert search_tools('add', server='json')
[each['sum'] for each in sums]";
    assert_eq!(ok(place.python(source)), json!([2, 2, 2, 2, 2]));
    let source = "\
import fs from 'fs';
import { add } from 'servers/fs';
import { add as other } from 'servers/servers';
import { search_tools } from 'servers';
const out = [await add({ a: 1, b: 1 }), await other({ a: 1, b: 1 }), await search_tools.add({ a: 1, b: 1 })];
[typeof fs.readFileSync, searchTools('add', { server: 'json' }).length > 0, ...out.map(each => each.sum)]";
    assert_eq!(
        ok(place.javascript(source)),
        json!(["function", true, 2, 2, 2])
    );
}
