//! `serve` over stdio, line by line.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::harness::{Place, contains, ends, fixture, real_servers};

fn place() -> Place {
    Place::with_fixture(&[])
}

#[test]
fn the_tools_are_listed_and_a_program_uses_them() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let listed = client.request("tools/list", json!({}));
    let names: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    let expected = [
        "execute",
        "search_tools",
        "get_tool_details",
        "list_files",
        "read_file",
        "write_file",
        "sessions",
    ];
    assert_eq!(names, expected);

    let found = client.data("search_tools", json!({ "query": "add numbers" }));
    assert_eq!(found["tools"][0]["name"], "fixture.add", "{found}");
    let details = client.call("get_tool_details", json!({ "name": "fixture.add" }));
    assert!(text(&details).contains("def add("), "{details}");
    assert_eq!(details["structuredContent"]["name"], "fixture.add");
    let stub = client.call("read_file", json!({ "path": "/servers/fixture/add.py" }));
    assert_eq!(text(&stub), text(&details));
    let listed = client.data("list_files", json!({ "path": "/servers/fixture" }));
    let entries = listed["entries"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["name"] == "add.ts"));

    let result = client.call(
        "execute",
        json!({ "code": "from servers.fixture import add\nprint('hello')\nawait add(a=1, b=2)" }),
    );
    assert_eq!(result["isError"], false);
    let data = &result["structuredContent"];
    assert_eq!(data["status"], "ok", "{data:#}");
    assert_eq!(data["stdout"], "hello\n");
    let call = &data["calls"][0];
    assert_eq!(
        (&call["tool"], &call["status"], &call["count"]),
        (&json!("fixture.add"), &json!("finished"), &json!(1))
    );
    let text = text(&result);
    for part in ["status: ok", "hello", "fixture.add ×1 finished", "tokens: "] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let tokens = &data["tokens"];
    assert!(tokens["direct"].as_u64().unwrap() > 500, "{tokens}");
    assert!(tokens["saved"].as_i64().unwrap() > 0, "{tokens}");

    let script = "import { add } from 'servers/fixture'; await add({ a: 2, b: 3 })";
    let data = client.data(
        "execute",
        json!({ "code": script, "language": "javascript" }),
    );
    assert_eq!(data["status"], "ok", "{data:#}");
    assert_eq!(client.close(), 0);
}

#[test]
fn both_eras_are_spoken() {
    let place = place();
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = Client::silent(&place, &[]);
        let params = json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = client.request("initialize", params);
        assert_eq!(answer["result"]["protocolVersion"], version, "{answer}");
        contains(&answer["result"]["instructions"], "asyncio.gather");
    }
    let mut client = Client::stateless(&place, &[], json!({}));
    let discovered = client.request("server/discover", json!({}));
    let versions = discovered["result"]["supportedVersions"].to_string();
    assert!(versions.contains("2026-07-28"), "{discovered}");
    assert_eq!(client.python("6 * 7")["result"], 42);
    let refused = Client::silent(&place, &[]).request(
        "tools/list",
        json!({ "_meta": {
            "io.modelcontextprotocol/protocolVersion": "1999-01-01",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        } }),
    );
    assert_eq!(refused["error"]["code"], -32022, "{refused}");
}

#[test]
fn a_session_keeps_variables_and_files_and_a_call_without_one_is_fresh() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let session = client.session();
    client.python_in(&session, "x = 40\nopen('note.txt', 'w').write('kept')");
    let data = client.python_in(&session, "x + 2, open('note.txt').read()");
    assert_eq!(data["result"], json!([42, "kept"]), "{data}");
    assert_eq!(client.python("'x' in globals()")["result"], false);

    let note = json!({ "path": "/workspace/note.txt", "session": session });
    assert_eq!(client.data("read_file", note.clone())["text"], "kept");
    client.data(
        "write_file",
        json!({ "path": "in.json", "content": "[1, 2]", "session": session }),
    );
    let read = "import json; sum(json.load(open('in.json')))";
    assert_eq!(client.python_in(&session, read)["result"], 3);
    let add = "from servers.fixture import add\nawait add(a=1, b=2)";
    for _ in 0..2 {
        client.python_in(&session, add);
    }
    let listed = client.data("sessions", json!({ "action": "list" }));
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    // The definitions are in the sum once, the results twice.
    let saved = listed["sessions"][0]["tokens_saved"].as_i64().unwrap();
    let since_start = listed["tokens_saved"].as_i64().unwrap();
    assert!((300..1_200).contains(&saved), "{listed}");
    assert!((300..1_200).contains(&since_start), "{listed}");

    client.data("sessions", json!({ "action": "close", "session": session }));
    let gone = client.call("execute", json!({ "code": "1", "session": session }));
    assert_eq!(gone["isError"], true);
    contains(
        &gone["structuredContent"]["error"]["message"],
        "it was closed",
    );
    let never = client.call("execute", json!({ "code": "1", "session": "never" }));
    contains(
        &never["structuredContent"]["error"]["message"],
        "there is no session with this handle",
    );
}

#[test]
fn a_run_that_is_stopped_costs_variables_and_no_files_and_says_so_once() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let session = client.session();
    client.python_in(&session, "x = 1\nopen('a', 'w').write('kept')");
    let data = client.data(
        "execute",
        json!({ "code": "print('before')\nwhile True: pass", "session": session, "timeout": 0.5 }),
    );
    assert_eq!(data["status"], "limit", "{data}");
    assert_eq!(data["error"]["kind"], "timeout");
    assert_eq!(data["stdout"], "before\n");
    let after = "'x' in globals(), open('a').read()";
    let data = client.python_in(&session, after);
    assert_eq!(data["result"], json!([false, "kept"]));
    contains(
        &data["warnings"][0],
        "variables of earlier programs are gone",
    );
    assert!(client.python_in(&session, after).get("warnings").is_none());
}

#[test]
fn output_that_does_not_fit_is_kept_and_shown_in_part() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let code = "[{'id': n, 'name': f'row {n}'} for n in range(5000)]";
    let result = client.call("execute", json!({ "code": code, "max_tokens": 500 }));
    let data = &result["structuredContent"];
    assert_eq!(data["result"]["shape"]["count"], 5_000, "{data:#}");
    assert_eq!(data["result"]["first"][0]["id"], 0);
    let path = data["kept"][0]["path"].as_str().unwrap();
    let session = data["session"].clone();
    assert!(session.is_string(), "the sandbox is kept: {data:#}");
    let count = format!("import json; len(json.load(open('{path}')))");
    assert_eq!(client.python_in(&session, &count)["result"], 5_000);
    let read = json!({ "path": path, "session": session, "max_tokens": 300 });
    let page = client.data("read_file", read);
    let next = page["next_offset"].as_u64().unwrap();
    let read = json!({ "path": path, "session": session, "max_tokens": 300, "offset": next });
    let rest = client.data("read_file", read);
    assert_ne!(page["text"], rest["text"]);

    for (strategy, field) in [
        ("sample", "sample"),
        ("schema", "items"),
        ("head_tail", "tail"),
    ] {
        let arguments = json!({ "code": code, "max_tokens": 500, "overflow": strategy });
        let data = client.data("execute", arguments);
        assert!(data["result"].get(field).is_some(), "{strategy}: {data:#}");
    }
    let arguments = json!({ "code": code, "max_tokens": 500, "overflow": "none" });
    let data = client.data("execute", arguments);
    assert_eq!(data["result"].as_array().unwrap().len(), 5_000);
    assert!(data.get("kept").is_none());

    let data =
        client.python("for n in range(20000): print('line', n)\nraise ValueError('the end')");
    let stdout = data["stdout"].as_str().unwrap();
    assert!(stdout.starts_with("line 0\n") && stdout.contains("left out of 20000 lines"));
    contains(&data["error"]["message"], "the end");
    contains(&data["kept"][0]["path"], "stdout.txt");
}

#[test]
fn images_and_files_come_back_as_what_they_are() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let code = "
png = b'\\x89PNG\\r\\n\\x1a\\n' + bytes(100)
emit(png, mime='image/png')
emit('a note')
open('table.csv', 'w').write('a,b\\n')
open('chart.png', 'wb').write(png)
None";
    let files = ["table.csv", "/workspace/chart.png", "missing"];
    let result = client.call("execute", json!({ "code": code, "files": files }));
    let content = result["content"].as_array().unwrap();
    let kinds: Vec<_> = content.iter().map(|block| &block["type"]).collect();
    assert_eq!(
        kinds,
        ["text", "image", "text", "resource", "image"],
        "{result:#}"
    );
    assert_eq!(content[1]["mimeType"], "image/png");
    assert_eq!(content[2]["text"], "a note");
    assert_eq!(content[3]["resource"]["text"], "a,b\n");
    let files = &result["structuredContent"]["files"];
    assert_eq!(files[0]["bytes"], 4);
    contains(&files[2]["error"], "no such file");
}

#[test]
fn the_first_program_on_a_new_machine_is_answered_in_time() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().to_str().unwrap();
    let place = place().variable("WASM_COORDINATOR_CACHE", folder);
    let mut client = Client::start(&place, &[]);
    let program = json!({ "code": "6 * 7" });
    let patient = client.ask(
        "tools/call",
        json!({ "name": "execute", "arguments": program, "_meta": { "progressToken": "p" } }),
    );
    let hasty = client.ask_tool("execute", program.clone());
    assert!(client.request("tools/list", json!({}))["result"].is_object());
    let mut answers = Vec::new();
    let mut said = Vec::new();
    while answers.len() < 2 {
        let message = client.next();
        match message["method"].as_str() {
            Some("notifications/progress") => said.push(message["params"].clone()),
            _ => answers.push((message["id"].clone(), message["result"].clone())),
        }
    }
    for (id, result) in answers {
        let data = &result["structuredContent"];
        if id == hasty && result["isError"] == true {
            assert_eq!(data["error"]["kind"], "preparing", "{data}");
            contains(&data["error"]["message"], "call again");
        } else {
            assert_eq!(data["result"], 42, "{data}");
        }
        assert!(id == hasty || id == patient);
    }
    contains(&said[0]["message"], "preparing the sandbox");
    let grows = said
        .windows(2)
        .all(|pair| pair[0]["progress"].as_f64() < pair[1]["progress"].as_f64());
    assert!(grows, "{said:?}");
    assert_eq!(client.python("6 * 7")["result"], 42);
}

/// A long text and a picture of the same kind, longer than any budget here.
const LARGE_FILES: &str = "
text = ''.join(f'line {n}\\n' for n in range(70_000))
open('a.txt', 'w').write(text)
svg = '<svg>' + '<path d=\"M0 0\"/>' * 5000 + '</svg>'
open('chart.svg', 'w').write(svg)
open('small.csv', 'w').write('a,b\\n')
None";

#[test]
fn everything_that_is_sent_is_in_the_budget_and_counted() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let files = json!(["a.txt", "small.csv", "missing"]);
    let mut arguments = json!({ "code": LARGE_FILES, "files": files });
    let result = client.call("execute", arguments.clone());
    let content = result["content"].as_array().unwrap();
    assert!(
        content.to_vec().len() == 2,
        "one of the files fits: {result:#}"
    );
    assert_eq!(content[1]["resource"]["text"], "a,b\n");
    let data = &result["structuredContent"];
    contains(&data["files"][0]["error"], "does not fit");
    let kept = &data["kept"][0];
    assert_eq!(
        (&kept["part"], &kept["path"]),
        (&json!("file"), &json!("/workspace/a.txt"))
    );
    assert!(kept["tokens"].as_u64().unwrap() > 100_000, "{kept}");
    assert!(
        data["tokens"]["returned"].as_u64().unwrap() < 1_000,
        "{data:#}"
    );
    let session = &data["session"];
    let read = json!({ "path": "a.txt", "session": session, "max_tokens": 50 });
    assert!(text(&client.call("read_file", read)).starts_with("line 0\nline 1\n"));

    // Whoever wants all of it gets it, and the bill.
    arguments["overflow"] = json!("none");
    let result = client.call("execute", arguments);
    let sent = result["content"][1]["resource"]["text"].as_str().unwrap();
    assert!(sent.ends_with("line 69999\n"));
    let returned = &result["structuredContent"]["tokens"]["returned"];
    assert!(returned.as_u64().unwrap() > 100_000, "{returned}");

    let emitted = client.data("execute", json!({ "code": "emit('word ' * 1000)" }));
    assert!(
        emitted["tokens"]["returned"].as_u64().unwrap() > 1_000,
        "{emitted:#}"
    );
}

#[test]
fn a_resource_is_never_cut_inside() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let session = client.session();
    let code = format!("{LARGE_FILES}\nemit(path='chart.svg')\nemit('a note')\nlen(svg)");
    let arguments = json!({ "code": code, "session": session });
    let result = client.call("execute", arguments.clone());
    let content = result["content"].as_array().unwrap();
    let kinds: Vec<_> = content.iter().map(|block| &block["type"]).collect();
    assert_eq!(
        kinds,
        ["text", "text"],
        "the picture is left out: {result:#}"
    );
    assert_eq!(content[1]["text"], "a note");
    let kept = &result["structuredContent"]["kept"][0];
    let path = kept["path"].as_str().unwrap();
    assert!(path.ends_with(".svg"), "{kept}");
    assert!(text(&result).contains(path), "{result:#}");
    let whole = client.python_in(&session, &format!("open('{path}').read() == svg"));
    assert_eq!(whole["result"], true, "{whole}");
    // Its twin, with room for it.
    let mut arguments = arguments;
    arguments["max_tokens"] = json!(200_000);
    let result = client.call("execute", arguments);
    let sent = result["content"][1]["resource"]["text"].as_str().unwrap();
    assert_eq!(
        result["structuredContent"]["result"],
        sent.len(),
        "all of it"
    );
}

#[test]
fn a_result_of_several_megabytes_is_shown_in_part_and_kept() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let python = "[{'id': n, 'name': f'row {n}'} for n in range(60_000)]";
    let javascript = "Array.from({ length: 60000 }, (_, n) => ({ id: n, name: `row ${n}` }))";
    for (language, code) in [("python", python), ("javascript", javascript)] {
        let data = client.data("execute", json!({ "code": code, "language": language }));
        assert_eq!(data["status"], "ok", "{data:#}");
        assert_eq!(data["result"]["shape"]["count"], 60_000);
        let kept = &data["kept"][0];
        assert!(kept["bytes"].as_u64().unwrap() > 1 << 20, "{kept}");
        let path = kept["path"].as_str().unwrap();
        let count = format!("import json; len(json.load(open('{path}')))");
        let read = client.python_in(&data["session"], &count);
        assert_eq!(read["result"], 60_000, "{read}");
    }
    let data = client.python("'x' * 3_000_000");
    assert_eq!(data["status"], "ok", "{data:#}");
    contains(&data["kept"][0]["path"], "result.txt");
    // There is a bound all the same.
    let data = client.python("'x' * 12_000_000");
    assert_eq!(data["error"]["kind"], "max-output", "{data:#}");
}

#[test]
fn a_sound_of_the_workspace_is_read_as_a_sound() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let session = client.session();
    let wav = "open('a.wav', 'wb').write(b'RIFF\\x24\\0\\0\\0WAVEfmt ' + bytes([255]) * 40)";
    client.python_in(&session, wav);
    let read = json!({ "path": "a.wav", "session": session });
    let result = client.call("read_file", read);
    let block = &result["content"][0];
    assert_eq!(
        (&block["type"], &block["mimeType"]),
        (&json!("audio"), &json!("audio/wav"))
    );
    let arguments = json!({ "code": "1", "session": session, "files": ["a.wav"] });
    let result = client.call("execute", arguments);
    assert_eq!(result["content"][1]["type"], "audio", "{result}");
    assert_eq!(result["structuredContent"]["tokens"]["media_bytes"], 56);
}

#[test]
fn what_servers_there_are_and_how_their_tools_are_called_is_there_at_once() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let described = |client: &mut Client| {
        let listed = client.request("tools/list", json!({}));
        let tool = listed["result"]["tools"][0].clone();
        assert_eq!(tool["name"], "execute");
        tool["description"].as_str().unwrap().to_owned()
    };
    let before = described(&mut client);
    assert!(before.contains("standard library only"), "{before}");
    assert!(before.contains("servers.fixture"), "{before}");
    client.data("search_tools", json!({ "query": "" }));
    assert_eq!(
        described(&mut client),
        before,
        "it never changes for a client"
    );
    let found = client.call("search_tools", json!({ "query": "add numbers" }));
    let call = "servers.fixture.add(a: int, b: int) -> {sum: int}";
    assert!(text(&found).contains(call), "{found}");
    contains(&found["structuredContent"]["tools"][0]["call"], call);
}

#[test]
fn a_second_start_knows_the_tools_before_any_server_has_started() {
    let place = place();
    let mut first = Client::start(&place, &[]);
    first.data("search_tools", json!({ "query": "" }));
    assert_eq!(first.close(), 0);
    let mut second = Client::start(&place, &[]);
    let listed = second.request("tools/list", json!({}));
    let description = &listed["result"]["tools"][0]["description"];
    contains(description, "  add(a: int, b: int) -> {sum: int}\n");
    assert!(
        description.as_str().unwrap().len() <= 2_048,
        "{description}"
    );
}

#[test]
fn arguments_that_cannot_be_meant_are_results_that_say_what_to_write() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    for (tool, arguments, part) in [
        ("execute", json!({}), "`code` of `execute` is missing"),
        (
            "execute",
            json!({ "code": 1 }),
            "`code` is `1`; it takes a text",
        ),
        (
            "execute",
            json!({ "code": "1", "sesion": "x" }),
            "no argument `sesion`; did you mean `session`?",
        ),
        (
            "execute",
            json!({ "code": "1", "language": "ruby" }),
            "`language` is the text `ruby`; it takes `python`, `javascript` or `typescript`",
        ),
        (
            "execute",
            json!("code"),
            "the arguments of `execute` are a text",
        ),
        (
            "execute",
            json!([1]),
            "the arguments of `execute` are a list",
        ),
        ("execute", json!([]), "`code` of `execute` is missing"),
        (
            "sessions",
            json!({ "action": "close" }),
            "`close` needs `session`",
        ),
        (
            "write_file",
            json!({ "path": "a", "content": "?", "encoding": "BASE64" }),
            "`content` is not valid base64",
        ),
    ] {
        let result = client.call(tool, arguments);
        assert_eq!(result["isError"], true, "{result}");
        assert!(text(&result).contains(part), "{part} in {result}");
        let error = &result["structuredContent"]["error"];
        assert_eq!(error["kind"], "bad_arguments");
    }
    // The protocol wants an error of its own for a tool that is not there.
    let id = client.ask_tool("nonsense", json!({}));
    let answer = client.answer(id);
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    contains(&answer["error"]["message"], "unknown tool `nonsense`");
    let data = client.python("'a\0b'.encode()");
    assert_eq!(
        data["status"], "error",
        "a program with a NUL is refused: {data}"
    );
    assert_eq!(client.python("1 + 1")["result"], 2);
}

#[test]
fn a_client_that_sends_every_key_or_text_for_everything_is_understood() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let session = client.session();
    for (arguments, expected) in [
        (
            json!({
                "code": "6 * 7", "language": null, "session": null, "timeout": null,
                "files": null, "max_tokens": null, "overflow": null,
            }),
            json!(42),
        ),
        (
            json!({ "code": "6 * 7", "session": "", "language": "", "files": "", "timeout": "" }),
            json!(42),
        ),
        (
            json!({ "code": "6 * 7", "language": "Python", "timeout": "10", "max_tokens": "500" }),
            json!(42),
        ),
        (
            json!({ "code": "[1, 2].map(n => n * 2)", "language": "JS", "files": "[]" }),
            json!([2, 4]),
        ),
        (json!("{\"code\": \"6 * 7\"}"), json!(42)),
        (json!({ "code": "x = 1\nx", "session": session }), json!(1)),
    ] {
        let data = client.data("execute", arguments.clone());
        assert_eq!(
            (&data["status"], &data["result"]),
            (&json!("ok"), &expected),
            "{arguments}: {data}"
        );
    }
    let nothing = json!({ "query": null, "detail": null, "server": "", "limit": "2" });
    let found = client.data("search_tools", nothing);
    assert_eq!(found["tools"].as_array().unwrap().len(), 2, "{found}");
    let listed = client.data("list_files", json!({ "path": "", "session": null }));
    assert_eq!(listed["path"], "/", "{listed}");
    let read = json!({ "path": "/servers/README.md", "offset": null, "max_tokens": "20" });
    assert!(client.data("read_file", read)["next_offset"].is_u64());
    let written = json!({ "path": "a", "content": "", "encoding": null, "session": "" });
    assert_eq!(client.data("write_file", written)["bytes"], 0);
    let listed = client.data("sessions", json!({ "action": "LIST", "session": null }));
    assert!(listed["sessions"].is_array(), "{listed}");
    let details = json!({ "name": "fixture.add", "language": "js" });
    assert!(text(&client.call("get_tool_details", details)).contains("export declare"));
}

#[test]
fn two_requests_with_one_id_get_two_answers_and_the_first_is_not_lost() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    client.python("1");
    let ask = |code: &str| {
        let params = json!({ "name": "execute", "arguments": { "code": code } });
        json!({ "jsonrpc": "2.0", "id": "same", "method": "tools/call", "params": params })
    };
    client.send(ask("import asyncio\nawait asyncio.sleep(1)\n'first'"));
    client.send(ask("'second'"));
    client.send(json!({ "jsonrpc": "2.0", "id": "same", "method": "ping" }));
    for _ in 0..2 {
        let refused = client.next();
        assert_eq!(refused["id"], "same");
        assert_eq!(refused["error"]["code"], -32600, "{refused}");
        contains(&refused["error"]["message"], "in use");
    }
    let first = client.next();
    assert_eq!(
        first["result"]["structuredContent"]["result"], "first",
        "{first}"
    );
    // Then the id is free.
    client.send(ask("'third'"));
    let third = client.next();
    assert_eq!(
        third["result"]["structuredContent"]["result"], "third",
        "{third}"
    );
    for id in [json!(null), json!(1.5), json!([1]), json!({}), json!(true)] {
        client.send(json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }));
        let answer = client.next();
        assert_eq!(answer["error"]["code"], -32600, "{id}: {answer}");
    }
}

#[test]
fn rubbish_costs_an_error_and_not_the_connection() {
    let place = place();
    let mut client = Client::start(&place, &[]);
    let long = vec![b'x'; 5 << 20];
    let deep = "[".repeat(100_000);
    for (line, code) in [
        (b"rubbish".as_slice(), -32700),
        (deep.as_bytes(), -32700),
        (b"null", -32600),
        (b"[]", -32600),
        (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        (br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#, -32601),
        (long.as_slice(), -32600),
    ] {
        client.write(line);
        client.write(b"\n");
        let answer = client.next();
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    client.write(b"\n");
    assert_eq!(client.python("1 + 1")["result"], 2);
}

#[test]
fn a_cancelled_request_stops_its_program_and_its_calls_only() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let log = log.path().to_str().unwrap();
    let place = Place::with_fixture(&["--log", log]);
    let mut client = Client::start(&place, &[]);
    let session = client.session();
    client.python_in(&session, "await call_tool('fixture.add', {'a': 1, 'b': 1})");
    let doomed = client.ask_tool(
        "execute",
        json!({ "code": "await call_tool('fixture.silent')", "session": session }),
    );
    let code = "import asyncio\nawait asyncio.sleep(1.5)\n'unharmed'";
    let other = client.ask_tool("execute", json!({ "code": code }));
    std::thread::sleep(Duration::from_millis(700));
    let began = Instant::now();
    for id in [json!(doomed), json!(doomed), json!(99_999), json!("x")] {
        let params = json!({ "requestId": id, "reason": "test" });
        client.send(
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }),
        );
    }
    // The session is free at once, and the upstream server was told.
    let data = client.python_in(&session, "'free'");
    assert_eq!(data["result"], "free", "{data}");
    assert!(
        began.elapsed() < Duration::from_millis(700),
        "{:?}",
        began.elapsed()
    );
    contains(
        &data["warnings"][0],
        "variables of earlier programs are gone",
    );
    let answer = client.answer(other);
    assert_eq!(answer["result"]["structuredContent"]["result"], "unharmed");
    let told = std::fs::read_to_string(log).unwrap();
    assert!(told.contains("notifications/cancelled"), "{told}");
    let ids: Vec<_> = client.heard.iter().map(|message| &message["id"]).collect();
    assert!(
        !ids.contains(&&json!(doomed)),
        "nothing answers what was cancelled"
    );
}

#[test]
fn a_client_that_goes_away_takes_everything_with_it() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let path = log.path().to_str().unwrap().to_owned();
    let place = Place::with_fixture(&["--log", &path]);
    let mut client = Client::start(&place, &[]);
    client.ask_tool(
        "execute",
        json!({ "code": "await call_tool('fixture.silent')" }),
    );
    let deadline = Instant::now() + Duration::from_secs(20);
    let pid = loop {
        let said = std::fs::read_to_string(&path).unwrap();
        let lines = said
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let pid = lines.clone().find_map(|line| line["pid"].as_u64());
        if said.contains("silent") {
            break pid.unwrap();
        }
        assert!(Instant::now() < deadline, "the call arrives: {said}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(client.close(), 0);
    ends(pid);
}

/// Answers each question of the server like this while a request is under way.
fn answering(client: &mut Client, id: u64, decision: &str) -> (Value, Vec<String>) {
    let mut questions = Vec::new();
    loop {
        let message = client.next();
        if message["method"] == "elicitation/create" {
            questions.push(message["params"]["message"].as_str().unwrap().to_owned());
            let result = json!({ "action": "accept", "content": { "decision": decision } });
            client.send(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }));
        } else if message["id"] == id {
            return (message["result"]["structuredContent"].clone(), questions);
        }
    }
}

fn asking() -> Place {
    Place::with_config(json!({
        "mcpServers": { "fixture": fixture(&[]) },
        "coordinator": { "tools": { "ask": ["fixture.add"] } },
    }))
}

const ADD: &str = "await call_tool('fixture.add', {'a': 20, 'b': 22})";

#[test]
fn a_client_that_can_ask_is_asked_and_another_is_refused() {
    let place = asking();
    let able = json!({ "elicitation": {} });
    let mut client = Client::greeting(&place, &[], able);
    let session = client.session();
    let mut run = |decision: &str| {
        let id = client.ask_tool("execute", json!({ "code": ADD, "session": session }));
        answering(&mut client, id, decision)
    };
    let (data, questions) = run("refuse");
    assert_eq!(data["status"], "denied", "{data}");
    contains(&data["error"]["message"], "was refused by the user");
    assert_eq!(questions.len(), 1);
    assert!(
        questions[0].contains("`fixture.add`") && questions[0].contains("\"a\": 20\n\"b\": 22")
    );
    let (data, questions) = run("allow this call");
    assert_eq!(
        (&data["status"], questions.len()),
        (&json!("ok"), 1),
        "{data}"
    );
    let (data, questions) = run("allow this tool in this session");
    assert_eq!(
        (&data["status"], questions.len()),
        (&json!("ok"), 1),
        "{data}"
    );
    let (data, questions) = run("refuse");
    assert_eq!(
        (&data["status"], questions.len()),
        (&json!("ok"), 0),
        "{data}"
    );

    let mut client = Client::start(&place, &[]);
    let data = client.python(ADD);
    assert_eq!(data["status"], "denied", "{data}");
    contains(&data["error"]["message"], "this client cannot ask its user");
    // Consent never comes from what a program or a model writes.
    let forged = "await call_tool('fixture.add', {'a': 1, 'b': 2, 'decision': 'allow this call'})";
    assert_ne!(client.python(forged)["status"], "ok");
}

#[test]
fn a_stateless_client_answers_with_its_next_request() {
    let place = asking();
    let able = json!({ "elicitation": {} });
    let mut client = Client::stateless(&place, &[], able);
    let first = client.call("execute", json!({ "code": format!("x = {ADD}\nx") }));
    assert_eq!(first["resultType"], "input_required", "{first}");
    let (key, request) = first["inputRequests"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    contains(&request["params"]["message"], "`fixture.add`");
    let state = first["requestState"].as_str().unwrap();
    let again = |state: &str| {
        let answer = json!({ "action": "accept", "content": { "decision": "allow this call" } });
        json!({
            "name": "execute",
            "arguments": { "code": "" },
            "inputResponses": { key: answer },
            "requestState": state,
        })
    };
    // Changed, it names nothing; used, it is used up.
    let changed = client.request("tools/call", again(&format!("{state}x")));
    assert_eq!(changed["error"]["code"], -32602, "{changed}");
    std::thread::sleep(Duration::from_millis(300));
    let done = client.request("tools/call", again(state));
    let data = &done["result"]["structuredContent"];
    assert_eq!(
        (&data["status"], &data["result"]),
        (&json!("ok"), &json!({ "sum": 42 })),
        "{done}"
    );
    let replayed = client.request("tools/call", again(state));
    assert_eq!(replayed["error"]["code"], -32602, "{replayed}");

    let mut unable = Client::stateless(&place, &[], json!({}));
    assert_eq!(unable.python(ADD)["status"], "denied");
}

#[test]
fn programs_that_wait_for_people_leave_places_to_others() {
    let place = Place::with_config(json!({
        "mcpServers": { "fixture": fixture(&[]) },
        "coordinator": { "tools": { "ask": ["fixture.add"] }, "serve": { "runs": 4 } },
    }));
    let mut client = Client::stateless(&place, &[], json!({ "elicitation": {} }));
    let ask = json!({ "code": ADD });
    let waiting: Vec<_> = (0..2)
        .map(|_| client.call("execute", ask.clone()))
        .collect();
    assert!(
        waiting
            .iter()
            .all(|result| result["resultType"] == "input_required")
    );
    let refused = client.call("execute", ask.clone());
    assert_eq!(refused["isError"], true);
    assert!(
        text(&refused).contains("too many programs wait"),
        "{refused}"
    );
    assert_eq!(client.python("6 * 7")["result"], 42);
    let answer = json!({ "action": "accept", "content": { "decision": "allow this call" } });
    let params = json!({
        "name": "execute",
        "arguments": ask,
        "inputResponses": { "0": answer },
        "requestState": waiting[0]["requestState"],
    });
    let done = client.request("tools/call", params);
    assert_eq!(
        done["result"]["structuredContent"]["status"], "ok",
        "{done}"
    );
    let next = client.call("execute", json!({ "code": ADD }));
    assert_eq!(
        next["resultType"], "input_required",
        "there is a place again"
    );
}

#[test]
fn the_same_policy_holds_for_every_way_to_a_tool() {
    let place = Place::with_config(json!({
        "mcpServers": { "fixture": fixture(&[]) },
        "coordinator": { "tools": { "deny": ["fixture.add"] } },
    }));
    let mut client = Client::start(&place, &[]);
    let arguments = "{'a': 1, 'b': 2}";
    for (language, code) in [
        (
            "python",
            format!("await call_tool('fixture.add', {arguments})"),
        ),
        (
            "python",
            "from servers.fixture import add\nawait add(a=1, b=2)".to_owned(),
        ),
        (
            "python",
            "from mcp_tools.fixture import add\nadd(a=1, b=2)".to_owned(),
        ),
        (
            "javascript",
            "await callTool('fixture.add', { a: 1, b: 2 })".to_owned(),
        ),
        (
            "typescript",
            "import { add } from 'servers/fixture'; await add({ a: 1, b: 2 })".to_owned(),
        ),
    ] {
        let data = client.data("execute", json!({ "code": code, "language": language }));
        assert_eq!(data["status"], "denied", "{code}: {data}");
        contains(
            &data["error"]["message"],
            "denied by the pattern `fixture.add`",
        );
    }
    let found = client.data(
        "search_tools",
        json!({ "query": "add", "server": "fixture" }),
    );
    assert!(!found.to_string().contains("fixture.add\""), "{found}");
    let details = client.call("get_tool_details", json!({ "name": "fixture.add" }));
    assert_eq!(details["isError"], true);
    let mut direct = Client::start(&place, &["--mode", "tools"]);
    let call = |tool: &str| json!({ "name": tool, "arguments": { "a": 1, "b": 2 } });
    let data = direct.data("call_tool", call("fixture.add"));
    assert_eq!(data["status"], "denied", "{data}");
    let allowed = direct.data("call_tool", json!({ "name": "fixture.text_json" }));
    assert_eq!(allowed["result"]["ok"], true, "{allowed}");
}

#[test]
fn the_mode_for_tools_has_no_execute_and_cuts_what_does_not_fit() {
    let place = place();
    let mut client = Client::start(&place, &["--mode", "tools"]);
    let listed = client.request("tools/list", json!({}));
    let names: Vec<_> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(names, ["search_tools", "get_tool_details", "call_tool"]);
    let id = client.ask_tool("execute", json!({ "code": "1" }));
    assert_eq!(client.answer(id)["error"]["code"], -32602);
    let rows = json!({ "name": "fixture.rows", "arguments": { "count": 5000 }, "max_tokens": 300 });
    let data = client.data("call_tool", rows);
    contains(&data["notes"][0], "the result was cut");
}

#[test]
fn a_server_that_misbehaves_leaves_the_others_alone() {
    let place = Place::new();
    let real = |name: &str, more: &[&str]| {
        let words = &real_servers()[name];
        let mut args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        args.extend(more);
        json!({ "command": words[0], "args": args })
    };
    let folder = place.path().to_str().unwrap();
    let config = json!({ "mcpServers": {
        "everything": real("everything", &[]),
        "filesystem": real("filesystem", &[folder]),
        "memory": real("memory", &[]),
        "time": real("time", &[]),
        "git": real("git", &[]),
        "broken": fixture(&["--fault", "exit-at-start=3"]),
        "mute": fixture(&["--fault", "silent"]),
    } });
    place.write("mcp.json", config.to_string());
    let mut client = Client::start(&place, &[]);
    let code = "
import asyncio
from servers.everything import echo
from servers.time import get_current_time
from servers.memory import read_graph
from servers.filesystem import list_allowed_directories
async def broken():
    try: return await call_tool('broken.add', {})
    except ToolError as error: return error.kind
results = await asyncio.gather(echo(message='hi'), get_current_time(timezone='UTC'), read_graph(),
                               list_allowed_directories(), broken())
[type(result).__name__ for result in results], results[-1]";
    let data = client.python(code);
    assert_eq!(data["status"], "ok", "{data:#}");
    assert_eq!(data["result"][1], "unavailable", "{data:#}");
    assert_eq!(data["calls"].as_array().unwrap().len(), 5);
}
