//! Finding tools from inside a program: `search_tools` and `searchTools`.

use serde_json::{Value, json};

use crate::harness::{Place, contains, error, fixture, ok, real_servers};

#[test]
fn python_finds_tools_with_and_without_await() {
    let place = Place::with_fixture(&[]);
    let source = "\
from servers import search_tools as from_servers
from mcp_tools import search_tools as from_mcp_tools
import servers
by = [search_tools('add'), await search_tools('add'), from_servers('add'), await from_mcp_tools('add'),
      servers.search_tools('add')]
assert all(each == by[0] for each in by), by
assert isinstance(by[0], list) and by[0].total == len(by[0])
print(by[0])
by[1]";
    let report = place.python(source);
    contains(&report["stdout"], "[{'name': 'fixture.add', ");
    let found = ok(report);
    assert_eq!(found[0]["name"], "fixture.add");
    let keys: Vec<_> = found[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["name", "description"], "brief is brief");
    // The answer is a value like any other, awaited or not.
    assert_eq!(ok(place.python("search_tools('add')")), found);
    assert_eq!(ok(place.python("await search_tools('add')")), found);
    let source = "\
import asyncio
async def main():
    one, other = await asyncio.gather(search_tools('add'), search_tools('add'))
    return one == other
asyncio.run(main())";
    assert_eq!(ok(place.python(source)), true);
}

#[test]
fn javascript_finds_tools_with_and_without_await() {
    let place = Place::with_fixture(&[]);
    let source = "\
import { searchTools as imported, search_tools } from 'servers';
const by = [searchTools('add'), await searchTools('add'), imported('add'), search_tools('add'), searchTools({ query: 'add' })];
for (const each of by) if (JSON.stringify(each) !== JSON.stringify(by[0])) throw new Error(JSON.stringify(each));
if (!Array.isArray(by[0]) || by[0].total !== by[0].length) throw new Error('total');
by[1]";
    let found = ok(place.javascript(source));
    assert_eq!(found, ok(place.python("search_tools('add')")));
    assert_eq!(ok(place.exec("a.ts", source, &[])), found);
    assert_eq!(ok(place.javascript("searchTools('add')")), found);
}

#[test]
fn each_detail_tells_more_and_what_it_tells_can_be_used() {
    let place = Place::with_fixture(&[]);
    let python = "search_tools('add', detail='detailed', limit=1)[0]";
    let javascript = "searchTools('add', { detail: 'detailed', limit: 1 })[0]";
    let detailed = ok(place.python(python));
    assert_eq!(detailed, ok(place.javascript(javascript)));
    assert_eq!(detailed["python"], "from servers.fixture import add");
    assert_eq!(
        detailed["typescript"],
        "import { add } from \"servers/fixture\""
    );
    assert_eq!(detailed["file"], "/servers/fixture/add.py");
    let parameter = &detailed["parameters"][0];
    assert_eq!(
        (
            &parameter["name"],
            &parameter["type"],
            &parameter["required"]
        ),
        (&json!("a"), &json!("integer"), &json!(true)),
        "{detailed:#}"
    );
    assert!(detailed.get("input_schema").is_none(), "{detailed:#}");
    let full = ok(place.python("search_tools('add', 'full', None, 1)[0]"));
    assert_eq!(
        full,
        ok(place.javascript("searchTools('add', 'full', null, 1)[0]"))
    );
    assert_eq!(full["input_schema"]["properties"]["a"]["type"], "integer");

    let source = "\
found = search_tools('add', detail='detailed', limit=1)[0]
exec(found['python'])
[await add(a=1, b=2), await call_tool(found['name'], {'a': 3, 'b': 4})]";
    assert_eq!(
        ok(place.python(source)),
        json!([{ "sum": 3 }, { "sum": 7 }])
    );
}

#[test]
fn an_empty_query_lists_and_the_limit_holds() {
    let place = Place::with_fixture(&[]);
    let source = "[len(search_tools()), search_tools().total, len(search_tools('', limit=1000)), len(search_tools(limit=3))]";
    let counts = ok(place.python(source));
    let total = counts[1].as_u64().unwrap();
    assert!(total > 10, "{counts}");
    assert_eq!(counts, json!([10, total, total, 3]));
    let source = "[searchTools().length, searchTools().total, searchTools('', { limit: 1000 }).length, searchTools('', { limit: 3 }).length]";
    assert_eq!(ok(place.javascript(source)), counts);
}

#[test]
fn a_search_that_finds_nothing_says_what_there_is() {
    let place = Place::with_fixture(&[]);
    let expected = "nothing matches `zyxwv`; the tools there are: ";
    let report = place.python("found = await search_tools('zyxwv')\nprint(found)\nfound.message");
    contains(&report["stdout"], &format!("[] ({expected}"));
    contains(&report["warnings"][0], expected);
    contains(&report["warnings"][0], "`fixture` (");
    contains(&report["result"], expected);
    let report = place
        .javascript("const found = await searchTools('zyxwv'); console.log(found); found.message");
    contains(&report["stdout"], &format!("message: '{expected}"));
    contains(&report["warnings"][0], expected);
    contains(&report["result"], expected);
    // What it holds is still plain.
    assert_eq!(ok(place.python("search_tools('zyxwv')")), json!([]));
    assert_eq!(ok(place.javascript("searchTools('zyxwv')")), json!([]));
    let report = place.python("search_tools('add')");
    assert_eq!(report["warnings"], json!([]), "{report:#}");
}

#[test]
fn wrong_arguments_are_errors_that_name_the_choices() {
    let place = Place::with_fixture(&[]);
    for (call, kind, part) in [
        (
            "search_tools('x', detail='everything')",
            "ValueError",
            "\"brief\", \"detailed\", \"full\", not 'everything'",
        ),
        (
            "search_tools('x', detail=2)",
            "TypeError",
            "\"brief\", \"detailed\", \"full\", not 2",
        ),
        (
            "search_tools('x', limit=0)",
            "ValueError",
            "from 1 to 1000, not 0",
        ),
        (
            "search_tools('x', limit=1001)",
            "ValueError",
            "from 1 to 1000, not 1001",
        ),
        (
            "search_tools('x', limit='5')",
            "TypeError",
            "from 1 to 1000, not `str`",
        ),
        (
            "search_tools('x', limit=True)",
            "TypeError",
            "from 1 to 1000, not `bool`",
        ),
        ("search_tools(5)", "TypeError", "must be a text, not `int`"),
        (
            "search_tools('x', server=5)",
            "TypeError",
            "name of one server",
        ),
    ] {
        let report = place.python(call);
        assert_eq!(error(&report)["kind"], kind, "{call}: {report:#}");
        contains(&report["error"]["message"], part);
    }
    for (call, kind, part) in [
        (
            "searchTools('x', { detail: 'everything' })",
            "TypeError",
            "\"brief\", \"detailed\", \"full\", not 'everything'",
        ),
        (
            "searchTools('x', { limit: 0 })",
            "RangeError",
            "from 1 to 1000, not 0",
        ),
        (
            "searchTools('x', { limit: 1.5 })",
            "RangeError",
            "from 1 to 1000, not 1.5",
        ),
        (
            "searchTools('x', { limit: '5' })",
            "RangeError",
            "from 1 to 1000, not '5'",
        ),
        (
            "searchTools(5)",
            "TypeError",
            "takes a text to look for, not 5",
        ),
        (
            "searchTools('x', { server: {} })",
            "TypeError",
            "name of one server",
        ),
        (
            "searchTools('x', { count: 3 })",
            "TypeError",
            "no option `count`",
        ),
    ] {
        let report = place.javascript(call);
        assert_eq!(error(&report)["kind"], kind, "{call}: {report:#}");
        contains(&report["error"]["message"], part);
    }
}

#[test]
fn what_is_denied_is_not_found_and_what_is_granted_is() {
    let place = Place::with_servers(
        json!({ "fixture": fixture(&[]), "other": fixture(&["--log", "log"]) }),
    );
    let names = "[t['name'] for t in search_tools('add echo', limit=1000)]";
    let all = ok(place.python(names)).to_string();
    for name in ["fixture.add", "fixture.echo", "other.add", "other.echo"] {
        assert!(all.contains(name), "{name}: {all}");
    }
    std::fs::remove_file(place.path().join("log")).unwrap();
    let flags = ["--deny-tool", "fixture.add", "--deny-tool", "other.*"];
    let granted = ok(place.exec("a.py", names, &flags)).to_string();
    assert!(granted.contains("fixture.echo"), "{granted}");
    assert!(!granted.contains("fixture.add"), "{granted}");
    assert!(!granted.contains("other"), "{granted}");
    assert_eq!(place.read("log"), "", "a server that is denied was started");
    let source = "searchTools('add', { limit: 1000 }).map(tool => tool.name)";
    let granted = ok(place.exec("a.js", source, &flags)).to_string();
    assert!(!granted.contains("fixture.add"), "{granted}");
    let report = place.exec("a.py", "search_tools('add', server='other')", &flags);
    assert_eq!(report["status"], "denied", "{report:#}");
    let report = place.exec("a.js", "searchTools('add', { server: 'other' })", &flags);
    assert_eq!(report["status"], "denied", "{report:#}");
}

#[test]
fn one_server_can_be_asked_for_by_any_of_its_names() {
    let place =
        Place::with_servers(json!({ "my-one": fixture(&[]), "other": fixture(&["--log", "log"]) }));
    let source = "\
import servers.my_one
names = [t['name'] for t in search_tools('add', server='my-one')]
assert names == [t['name'] for t in search_tools('add', server='my_one')]
assert names == [t['name'] for t in search_tools('add', server=servers.my_one)]
names[0]";
    assert_eq!(ok(place.python(source)), "my-one.add");
    let source = "searchTools('add', { server: 'my_one' })[0].name";
    assert_eq!(ok(place.javascript(source)), "my-one.add");
    assert_eq!(
        place.read("log"),
        "",
        "only the server asked for is started"
    );
    let report = place.python("search_tools('add', server='my-onne')");
    contains(&error(&report)["message"], "did you mean `my-one`");
    assert_eq!(report["error"]["kind"], "UnknownToolError");
    let report = place.javascript("searchTools('add', { server: 'my-onne' })");
    contains(&error(&report)["message"], "did you mean `my-one`");
}

#[test]
fn a_server_that_cannot_be_used_is_left_out_and_named() {
    let place = Place::with_config(json!({
        "mcpServers": { "good": fixture(&[]), "bad": fixture(&["--fault", "exit-at-start"]) },
        "coordinator": { "startTimeout": "3s" },
    }));
    let source = "found = search_tools('add')\n[found[0]['name'], found.message]";
    let message = "not searched, because they cannot be used: `bad`";
    let report = place.python(source);
    contains(&report["warnings"][0], message);
    assert_eq!(ok(report), json!(["good.add", message]));
    let report =
        place.javascript("const found = searchTools('add'); [found[0].name, found.message]");
    contains(&report["warnings"][0], message);
    assert_eq!(ok(report), json!(["good.add", message]));
    let report = place.python("search_tools('add', server='bad')");
    assert_eq!(error(&report)["kind"], "ToolUnavailable");
}

#[test]
fn tools_of_real_servers_are_found_and_can_be_called() {
    let command = &real_servers()["time"];
    let place = Place::with_servers(json!({
        "time": { "command": command[0], "args": command[1..] },
        "fixture": fixture(&[]),
    }));
    let source = "\
found = (await search_tools('current time in a timezone', detail='full', limit=3))[0]
result = await call_tool(found['name'], {'timezone': 'Europe/Zurich'})
[found['name'], found['python'], result['timezone'], found['input_schema']['required']]";
    assert_eq!(
        ok(place.python(source)),
        json!([
            "time.get_current_time",
            "from servers.time import get_current_time",
            "Europe/Zurich",
            ["timezone"]
        ])
    );
    let source = "\
const [found] = await searchTools('current time in a timezone', { detail: 'detailed' });
const result = await callTool(found.name, { timezone: 'Europe/Zurich' });
[found.typescript, result.timezone]";
    assert_eq!(
        ok(place.javascript(source)),
        json!([
            "import { getCurrentTime } from \"servers/time\"",
            "Europe/Zurich"
        ])
    );
}

#[test]
fn hostile_definitions_are_found_as_data_and_within_bounds() {
    let place = Place::with_fixture(&[
        "--fault",
        "breakers",
        "--fault",
        "names",
        "--fault",
        "bad-schemas",
    ]);
    let source = "\
import json
all = search_tools(limit=1000, detail='full')
brief = search_tools(limit=1000)
assert len(all) == len(brief) == all.total, (len(all), len(brief))
assert not any('\\n' in tool['description'] or '\\0' in tool['description'] for tool in brief)
assert max(len(tool['description']) for tool in brief) <= 210
breaker = next(tool for tool in all if tool['name'] == 'fixture.breaker')
sorted(p['name'] for p in breaker['parameters'])[-3:]";
    assert_eq!(
        ok(place.python(source)),
        json!(["self", "timeout", "value"])
    );
    let huge = Place::with_fixture(&["--fault", "huge-description=100000"]);
    let found: Value = ok(huge.python("[len(str(search_tools(limit=1000, detail='full'))) < 2_000_000, len(search_tools()[0]['description']) < 300]"));
    assert_eq!(found, json!([true, true]));
}

#[test]
fn an_answer_that_would_be_too_large_is_cut_and_says_so() {
    let place = Place::with_fixture(&["--fault", "huge-schema=1500000"]);
    let source = "\
found = search_tools('', detail='full', limit=1000)
brief = search_tools('', limit=1000)
[len(found) < found.total, found.message, 'fixture.huge_schema' in str(brief), brief.message]";
    let found = ok(place.python(source));
    assert_eq!(found[0], true, "{found}");
    contains(
        &found[1],
        "more did not fit into one answer: ask for less detail",
    );
    assert_eq!((&found[2], &found[3]), (&json!(true), &Value::Null));
}
