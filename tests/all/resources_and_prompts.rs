//! Resources and prompts of servers, from inside programs and as files.

use serde_json::{Value, json};

use crate::harness::{Place, contains, error, fixture, ok, real_servers};

/// The fixture server with this many plain resources, and a log.
fn place(count: &str) -> Place {
    Place::with_fixture(&["--resources", count, "--log", "log"])
}

/// How often the server was asked for something.
fn asked(place: &Place, method: &str) -> usize {
    let method = format!("\"method\":\"{method}\"");
    let log = place.read("log");
    log.lines().filter(|line| line.contains(&method)).count()
}

#[test]
fn programs_list_and_read_what_a_server_has_in_both_languages_and_eras() {
    for era in [&[][..], &["--fault", "old"]] {
        let place = Place::with_fixture(&[&["--resources", "60"], era].concat());
        let python = "\
async def call(name, /, **arguments):
    return await call_tool('fixture.' + name, arguments)
[len(await call('resources/list')), await call('resources/read', uri='fixture://notes/60'),
 (await call('resources/templates'))[0]['name'], (await call('prompts/list'))[0]['name'],
 (await call('prompts/get', name='greet', arguments={'who': 'Ada'}))['messages'][0]['content']['text'],
 (await call('resources/read', uri='fixture://picture'))['mimeType'],
 [content['uri'] for content in await call('resources/read', uri='fixture://both')]]";
        let javascript = "\
const call = (name, args = {}) => callTool('fixture.' + name, args);
[(await call('resources/list')).length, await call('resources/read', { uri: 'fixture://notes/60' }),
 (await call('resources/templates'))[0].name, (await call('prompts/list'))[0].name,
 (await call('prompts/get', { name: 'greet', arguments: { who: 'Ada' } })).messages[0].content.text,
 (await call('resources/read', { uri: 'fixture://picture' })).mimeType,
 (await call('resources/read', { uri: 'fixture://both' })).map(content => content.uri)]";
        let expected = json!([
            67,
            "fixture://notes/60",
            "a note",
            "greet",
            "Hello Ada",
            "image/png",
            ["fixture://both", "fixture://both"],
        ]);
        let report = place.python(python);
        let calls = report["calls"].as_array().unwrap();
        assert_eq!(calls[0]["tool"], "resources/list");
        assert!(
            calls.iter().all(|call| call["status"] == "finished"),
            "{calls:?}"
        );
        assert_eq!(ok(report), expected);
        assert_eq!(ok(place.javascript(javascript)), expected);
    }
}

#[test]
fn what_cannot_be_read_is_an_error_of_the_call() {
    let place = place("1");
    let kind = |tool: &str, arguments: Value| {
        let source = format!(
            "import json\ntry:\n    await call_tool('{tool}', json.loads('{arguments}'))\nexcept ToolError as e:\n    outcome = [e.kind, str(e)]\noutcome"
        );
        ok(place.python(&source))
    };
    let gone = kind("fixture.resources/read", json!({ "uri": "fixture://gone" }));
    assert_eq!(gone, json!(["failed", "no such resource"]));
    let unfit = kind("fixture.resources/read", json!({ "url": "x" }));
    assert_eq!(unfit[0], "invalid_arguments");
    contains(&unfit[1], "`url`");
    let unknown = kind("fixture.resources/write", json!({}));
    assert_eq!(unknown[0], "unknown_tool", "{unknown}");
    let bare = Place::with_fixture(&[]);
    let report = bare.python("await call_tool('fixture.resources/list', {})");
    contains(&error(&report)["message"], "the server has no resources");
}

#[test]
fn the_policy_for_tools_holds_for_resources_and_prompts() {
    let source = "\
outcomes = []
for name, arguments in [('resources/read', {'uri': 'fixture://notes/1'}), ('prompts/list', {})]:
    try:
        await call_tool('fixture.' + name, arguments)
        outcomes.append('ok')
    except ToolError as e:
        outcomes.append(e.kind)
outcomes";
    for (flags, expected) in [
        (&[][..], ["ok", "ok"]),
        (&["--deny-tool", "fixture.resources/*"], ["denied", "ok"]),
        (&["--deny-tool", "fixture.*"], ["denied", "denied"]),
        (&["--allow-tool", "fixture.add"], ["denied", "denied"]),
        (&["--allow-tool", "fixture.prompts/list"], ["denied", "ok"]),
    ] {
        let place = place("1");
        assert_eq!(
            ok(place.exec("a.py", source, flags)),
            json!(expected),
            "{flags:?}"
        );
        let reads = usize::from(expected[0] == "ok");
        assert_eq!(asked(&place, "resources/read"), reads);
    }
}

#[test]
fn resources_are_files_that_are_fetched_when_somebody_looks() {
    let place = place("3");
    let tools = "\
import os
from servers.fixture import add
[sorted(n for n in os.listdir('/servers/fixture') if not n.endswith(('.py', '.ts'))),
 open('/servers/fixture/README.md').read(), open('/servers/fixture/prompts.json').read()]";
    let seen = ok(place.python(tools));
    assert_eq!(
        seen[0],
        json!([".server.json", "README.md", "prompts.json", "resources"])
    );
    contains(&seen[1], "resources/index.json");
    contains(&seen[2], "\"who\"");
    assert_eq!(
        asked(&place, "resources/list"),
        0,
        "nobody looked at resources"
    );
    assert_eq!(asked(&place, "resources/read"), 0);

    let source = "\
import json, os
folder = '/servers/fixture/resources'
index = json.load(open(folder + '/index.json'))
texts = {e['uri']: open(f\"{folder}/{e['file']}\", 'rb').read() for e in index['resources'] if 'file' in e}
assert texts['fixture://notes/2'] == b'fixture://notes/2'
assert texts['fixture://picture'].startswith(b'\\x89PNG')
assert os.path.getsize(folder + '/note_1.txt') == 17
missing = {e['name']: e['missing'] for e in index['resources'] if 'missing' in e}
[sorted(os.listdir(folder)), missing, index['templates'][0]['name']]";
    let seen = ok(place.python(source));
    let [names, missing, template] = &seen.as_array().unwrap()[..] else {
        panic!("there are three parts");
    };
    let names: Vec<_> = names
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let plain: Vec<_> = names
        .iter()
        .filter(|name| !name.to_lowercase().starts_with("same_"))
        .collect();
    assert_eq!(
        plain,
        [
            &"a_picture.png",
            &"etc_passwd.txt",
            &"index.json",
            &"note_1.txt",
            &"note_2.txt",
            &"note_3.txt"
        ]
    );
    assert_eq!(names.len(), 8, "{names:?}");
    assert_eq!(missing["big"], "it has more than 1048576 bytes");
    assert_eq!(missing["both"], "it has 2 contents");
    assert_eq!(missing["gone"], "no such resource");
    assert_eq!(template, "a note");

    let javascript = "\
import fs from 'fs';
fs.readFileSync('/servers/fixture/resources/note_3.txt', 'utf8')";
    assert_eq!(ok(place.javascript(javascript)), "fixture://notes/3");
}

#[test]
fn files_of_resources_are_bounded_in_number() {
    let place = place("300");
    let source = "\
import json, os
index = json.load(open('/servers/fixture/resources/index.json'))
files = [e for e in index['resources'] if 'file' in e]
[len(index['resources']), len(files), len(os.listdir('/servers/fixture/resources')), index['resources'][-1]['missing']]";
    let seen = ok(place.python(source));
    // Three of the first 200 cannot be files.
    let expected = json!([307, 197, 198, "only the first 200 are fetched"]);
    assert_eq!(seen, expected);
    assert_eq!(asked(&place, "resources/read"), 200);
}

#[test]
fn without_the_right_to_read_there_are_no_contents_and_without_resources_no_folder() {
    let place = place("3");
    let source = "\
import json, os
index = json.load(open('/servers/fixture/resources/index.json'))
[len(index['resources']), {e['missing'] for e in index['resources']}.pop(), os.listdir('/servers/fixture/resources')]";
    let seen = ok(place.exec("a.py", source, &["--deny-tool", "*.resources/read"]));
    assert_eq!(
        seen,
        json!([10, "reading it is not allowed", ["index.json"]])
    );
    assert_eq!(asked(&place, "resources/read"), 0);

    let look = "import os\nos.path.exists('/servers/fixture/resources')";
    assert_eq!(ok(place.exec("b.py", look, &[])), true);
    assert_eq!(
        ok(place.exec("b.py", look, &["--deny-tool", "*.resources/list"])),
        false
    );
    assert_eq!(ok(Place::with_fixture(&[]).python(look)), false);
}

#[test]
fn nothing_in_the_folder_can_be_changed() {
    let source = "\
import os
outcomes = []
for do in [lambda: open('/servers/fixture/resources/note_1.txt', 'w'), lambda: os.mkdir('/servers/fixture/resources/x'),
           lambda: os.remove('/servers/fixture/resources/note_1.txt'), lambda: os.rmdir('/servers/fixture/resources')]:
    try:
        do(); outcomes.append('done')
    except OSError as e:
        outcomes.append(e.strerror)
set(outcomes)";
    let outcomes = ok(place("1").python(&source.replace("set(outcomes)", "sorted(set(outcomes))")));
    assert_eq!(outcomes, json!(["Read-only file system"]));
}

#[test]
fn a_real_server_has_resources_and_prompts() {
    let everything = &real_servers()["everything"];
    let place = Place::with_servers(json!({
        "everything": { "command": everything[0], "args": everything[1..] },
        "silent": fixture(&[]),
    }));
    let source = "\
import json, os
listed = await call_tool('everything.resources/list', {})
first = await call_tool('everything.resources/read', {'uri': listed[0]['uri']})
index = json.load(open('/servers/everything/resources/index.json'))
entry = next(e for e in index['resources'] if e['uri'] == listed[0]['uri'])
prompts = json.load(open('/servers/everything/prompts.json'))['prompts']
same = open('/servers/everything/resources/' + entry['file']).read() == first
[len(listed) == len(index['resources']), same, sorted(p['name'] for p in prompts)[0], os.path.exists('/servers/silent/resources')]";
    let seen = ok(place.python(source));
    assert_eq!(seen, json!([true, true, "args-prompt", false]));
}
