//! What models write out of habit works.

use serde_json::{Value, json};

use crate::harness::{Place, contains, error, ok};

const PYTHON: &[(&str, &str)] = &[
    (
        "a code fence",
        "```python\nawait call_tool('fixture.echo', {'text': 'x'})\n```",
    ),
    (
        "a fence with words around",
        "```\nawait call_tool('fixture.echo', {'text': 'x'})\n```\n",
    ),
    (
        "call_tool",
        "await call_tool('fixture.echo', {'text': 'x'})",
    ),
    (
        "call_tool with keywords",
        "await call_tool('fixture.echo', text='x')",
    ),
    (
        "callMCPTool",
        "await callMCPTool('fixture.echo', {'text': 'x'})",
    ),
    (
        "double underscores",
        "await callMCPTool('fixture__echo', {'text': 'x'})",
    ),
    (
        "the mcp prefix",
        "await callMCPTool('mcp__fixture__echo', {'text': 'x'})",
    ),
    ("a bare name", "await call_tool('echo', {'text': 'x'})"),
    ("an attribute chain", "await tools.fixture.echo(text='x')"),
    (
        "an import",
        "from servers.fixture import echo\nawait echo(text='x')",
    ),
    (
        "an import as",
        "import servers.fixture as f\nawait f.echo(text='x')",
    ),
    (
        "a package import",
        "from servers import fixture\nawait fixture.echo(text='x')",
    ),
    (
        "one positional dict",
        "from servers.fixture import echo\nawait echo({'text': 'x'})",
    ),
    (
        "a synchronous import",
        "from mcp_tools.fixture import echo\necho(text='x')",
    ),
    (
        "main left unawaited",
        "from servers.fixture import echo\nasync def main():\n    return await echo(text='x')\nmain()",
    ),
    (
        "asyncio.run",
        "import asyncio\nfrom servers.fixture import echo\nasync def main():\n    return await echo(text='x')\nasyncio.run(main())",
    ),
    (
        "run_until_complete",
        "import asyncio\nfrom servers.fixture import echo\nloop = asyncio.get_event_loop()\nloop.run_until_complete(echo(text='x'))",
    ),
    (
        "a new loop",
        "import asyncio\nfrom servers.fixture import echo\nloop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)\nloop.run_until_complete(echo(text='x'))",
    ),
    (
        "return at the top",
        "from servers.fixture import echo\nx = await echo(text='x')\nreturn x",
    ),
];

const JAVASCRIPT: &[(&str, &str)] = &[
    (
        "a code fence",
        "```js\nawait callTool('fixture.echo', { text: 'x' })\n```",
    ),
    (
        "callMCPTool",
        "await callMCPTool('fixture.echo', { text: 'x' })",
    ),
    (
        "double underscores",
        "await callMCPTool('fixture__echo', { text: 'x' })",
    ),
    ("a bare name", "await call_tool('echo', { text: 'x' })"),
    (
        "a property chain",
        "await tools.fixture.echo({ text: 'x' })",
    ),
    (
        "an import",
        "import { echo } from 'servers/fixture';\nawait echo({ text: 'x' })",
    ),
    (
        "a relative import",
        "import { echo } from './servers/fixture';\nawait echo({ text: 'x' })",
    ),
    (
        "a namespace import",
        "import * as f from 'servers/fixture';\nawait f.echo({ text: 'x' })",
    ),
    (
        "require",
        "const { echo } = require('servers/fixture');\nawait echo({ text: 'x' })",
    ),
    (
        "return at the top",
        "const x = await callTool('fixture.echo', { text: 'x' });\nreturn x;",
    ),
    (
        "an async arrow as the program",
        "async () => {\n  return await callTool('fixture.echo', { text: 'x' });\n}",
    ),
    (
        "main left unawaited",
        "async function main() { return await callTool('fixture.echo', { text: 'x' }) }\nmain()",
    ),
    (
        "an invoked async function",
        "(async () => { return await callTool('fixture.echo', { text: 'x' }) })()",
    ),
];

fn echoed() -> Value {
    json!({ "tool": "echo", "arguments": { "text": "x" } })
}

#[test]
fn positional_arguments_are_taken_in_the_order_of_the_schema() {
    let place = Place::with_fixture(&[]);
    assert_eq!(
        ok(place.python("from servers.fixture import add\nawait add(20, 22)")),
        json!({ "sum": 42 })
    );
    let source = "import { add } from 'servers/fixture'; await add(20, 22)";
    assert_eq!(ok(place.javascript(source)), json!({ "sum": 42 }));
}

#[test]
fn of_python() {
    let place = Place::with_fixture(&[]);
    for (name, source) in PYTHON {
        let report = place.python(source);
        assert_eq!(report["status"], "ok", "{name}: {report:#}");
        assert_eq!(report["result"], echoed(), "{name}: {report:#}");
        assert_eq!(report["calls"][0]["tool"], "echo", "{name}: {report:#}");
    }
}

#[test]
fn of_javascript_and_typescript() {
    let place = Place::with_fixture(&[]);
    for (name, source) in JAVASCRIPT {
        for file in ["script.js", "script.ts"] {
            let report = place.exec(file, source, &[]);
            assert_eq!(report["status"], "ok", "{name} in {file}: {report:#}");
            assert_eq!(report["result"], echoed(), "{name} in {file}: {report:#}");
        }
    }
}

#[test]
fn the_names_of_the_other_language_are_understood() {
    let place = Place::with_fixture(&[]);
    let said = "just text, 100 % of it";
    for source in [
        "from servers.fixture import plainText\nawait plainText()",
        "from mcp_tools.fixture import plainText\nplainText()",
        "from servers.fixture.plainText import plainText\nawait plainText()",
        "from servers.fixture.plain_text import plainText\nawait plainText()",
        "import servers.fixture.plainText as module\nawait module.plain_text()",
        "await tools.fixture.plainText()",
    ] {
        assert_eq!(ok(place.python(source)), said, "{source}");
    }
    // Files are modules, whose exports are known before they run.
    place.write(
        "files/tool.js",
        "import { plain_text } from 'servers/fixture'; export const said = await plain_text();",
    );
    for source in [
        "import { plain_text } from 'servers/fixture'; await plain_text()",
        "import plain from 'servers/fixture/plain_text'; await plain()",
        "import * as fixture from 'servers/fixture'; await fixture.plain_text()",
        "await (await import('servers/fixture')).plain_text()",
        "await require('servers/fixture').plain_text()",
        "await tools.fixture.plain_text()",
        "import * as fixture from 'servers/fixture'; 'plain_text' in fixture && await fixture.plainText()",
    ] {
        assert_eq!(ok(place.javascript(source)), said, "{source}");
    }
    let report = place.exec(
        "a.js",
        "import { said } from './tool.js'; said",
        &["--workspace", "files"],
    );
    assert_eq!(ok(report), said);
}

#[test]
fn misspelt_names_get_the_nearest() {
    let place = Place::with_fixture(&[]);
    for (source, cure) in [
        ("from servers.fixture import ecko", "echo"),
        ("from servers.fixtrue import echo", "fixture"),
        ("await call_tool('fixture.ecko', {})", "echo"),
        ("await tools.fixtrue.echo()", "fixture"),
        (
            "from servers.fixture import add\nawait add(a=1, bb=2)",
            "`b`",
        ),
    ] {
        let report = place.python(source);
        contains(&error(&report)["message"], cure);
    }
    for (source, cure) in [
        ("import { ecko } from 'servers/fixture'", "echo"),
        ("import { echo } from 'servers/fixtrue'", "fixture"),
        ("await callTool('fixture.ecko', {})", "echo"),
        (
            "import { add } from 'servers/fixture'; await add({ a: 1, bb: 2 })",
            "`b`",
        ),
    ] {
        let report = place.javascript(source);
        contains(&error(&report)["message"], cure);
    }
}

#[test]
fn awaiting_a_synchronous_stub_names_the_cure() {
    let place = Place::with_fixture(&[]);
    let report = place.python("from mcp_tools.fixture import echo\nawait echo(text='x')");
    contains(&error(&report)["message"], "servers.fixture");
}
