//! Secrets of the configuration come back on no way: a server gives away its own
//! in everything that it says, and all that leaves us is searched for it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value, json};

use crate::client::Client;
use crate::faults::Http;
use crate::harness::{Place, contains, fixture};
use crate::hostile_network::Recorder;
use crate::operating::{Server, TOKEN};

/// With characters that some manner of writing escapes.
const SECRET: &str = "cAnary-\"01/23+45&6<7>8'9";

/// The longest piece of it that may be left: the ends of a form in base64.
const LEFT: usize = 5;

/// The manners in which the server writes it.
const MANNERS: &[&str] = &[
    "plain",
    "unicode",
    "twice",
    "slashes",
    "base64",
    "base64-1",
    "base64-2",
    "base64-url",
    "base64-lines",
    "hex",
    "hex-upper",
    "percent",
    "html",
];

/// Whether a piece of the secret is in a text, whatever way it is read. Knows
/// nothing of how secrets are taken out.
fn is_in(text: &str) -> bool {
    let pieces: BTreeSet<&[u8]> = SECRET.as_bytes().windows(LEFT + 1).collect();
    let has = |bytes: &[u8]| {
        bytes
            .windows(LEFT + 1)
            .any(|window| pieces.contains(window))
    };
    let mut readings = vec![text.to_owned()];
    // Without escapes of JSON, addresses and HTML, several times.
    for _ in 0..3 {
        let last = readings.last().unwrap();
        let mut read = String::new();
        let mut rest = last.as_str();
        while let Some(c) = rest.chars().next() {
            let number = |from: usize, to: usize| {
                let digits = rest.get(from..to)?;
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)
            };
            let (character, length) = match c {
                '\\' => match rest.as_bytes().get(1) {
                    Some(b'u') => (number(2, 6), 6),
                    Some(b'n') => (Some('\n'), 2),
                    Some(b'r') => (Some('\r'), 2),
                    Some(&other) if other.is_ascii() => (Some(char::from(other)), 2),
                    _ => (None, 1),
                },
                '%' => (number(1, 3), 3),
                '&' if rest.starts_with("&#x") => {
                    let end = rest.find(';').unwrap_or(0);
                    (number(3, end), end + 1)
                }
                c => (Some(c), c.len_utf8()),
            };
            match character {
                Some(character) => {
                    read.push(character);
                    rest = &rest[length..];
                }
                None => {
                    read.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        readings.push(read);
    }
    readings.iter().any(|text| {
        let joined: String = text.split_whitespace().collect();
        [text, &joined].into_iter().any(|text| {
            let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
            let mut words = text
                .split(|c| !is_digit(c))
                .filter(|word| word.len() > LEFT);
            has(text.as_bytes()) || words.any(|word| decoded(word).iter().any(|bytes| has(bytes)))
        })
    })
}

/// A word read as base64 from each place on, and as hexadecimal.
fn decoded(word: &str) -> Vec<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let mut read = Vec::new();
    for start in 0..4.min(word.len()) {
        // One digit alone is no byte.
        let part = &word[start..];
        let part = &part[..part.len() - usize::from(part.len() % 4 == 1)];
        for alphabet in [STANDARD, URL_SAFE] {
            read.extend(GeneralPurpose::new(&alphabet, lenient).decode(part).ok());
        }
    }
    for start in 0..2.min(word.len()) {
        let digits = word.as_bytes()[start..].chunks_exact(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        read.extend(digits.map(byte).collect::<Option<Vec<u8>>>());
    }
    read
}

#[track_caller]
fn is_not_in(what: &str, text: &str) {
    if is_in(text) {
        let path = std::env::temp_dir().join("wasm-coordinator-leak.txt");
        let _ = std::fs::write(&path, text);
        panic!("{what}: the secret is in {}", path.display());
    }
}

#[test]
fn the_search_finds_a_secret_in_every_manner() {
    for text in [
        SECRET.to_owned(),
        Value::from(SECRET).to_string(),
        Value::from(Value::from(SECRET).to_string()).to_string(),
        SECRET.bytes().map(|b| format!("%{b:02X}")).collect(),
        SECRET.bytes().map(|b| format!("&#x{b:x};")).collect(),
        SECRET.bytes().map(|b| format!("{b:02x}")).collect(),
        "xx".to_owned() + &SECRET[3..10],
    ] {
        assert!(is_in(&text), "{text}");
    }
    for before in ["", "x", "xx", "xxx"] {
        let engine = base64::engine::general_purpose::STANDARD;
        assert!(is_in(&engine.encode(format!("{before}{SECRET}"))));
    }
    for text in ["", "canary", "cAnar", "Y0FuYXI", "[redacted]"] {
        assert!(!is_in(text), "{text}");
    }
}

/// A server that leaks in this manner, with the log as talkative as it gets.
fn leaking(manner: &str) -> Place {
    let leak = format!("leak={manner}");
    let arguments = ["--resources", "2", "--fault", &leak];
    let mut server = fixture(&arguments);
    server["env"] = json!({ "API_TOKEN": SECRET });
    let mut dead = fixture(&["--fault", &leak, "--fault", "exit-at-start"]);
    dead["env"] = json!({ "API_TOKEN": SECRET });
    let config = json!({
        "mcpServers": { "bad": server, "dead": dead },
        "coordinator": { "startTimeout": "3s" },
    });
    Place::with_config(config).variable("WASM_COORDINATOR_LOG", "trace,rmcp=trace,hyper=trace")
}

/// Uses everything that a server can say something in, and gives back all of it.
const PYTHON: &str = "
import os
said = []
async def say(name, /, **arguments):
    for call in (call_tool, call_tool_full):
        try:
            answer = await call(name, arguments)
            said.append(repr(answer))
            said.append(repr(getattr(answer, '__dict__', '')))
        except ToolError as e:
            said.append([str(e), repr(e.__dict__)])
S = '@SECRET@'
await say('bad.echo', text=S, more={S: [S]})
await say('bad.structured', value={'a': S, S: 1})
await say('bad.plain_text', text=f'{{\"a\": \"{S}\"}}')
await say('bad.plain_text', text=S)
await say('bad.pieces')
await say('bad.picture')
await say('bad.fail', message=f'401 for {S}', value={'why': S})
await say('bad.fail', message='x' * 16370 + S)
await say('bad.refuse', data={'why': S})
await say('bad.log', data=S, level='error')
await say('bad.steps', message=S)
await say('bad.question', message=S)
await say('bad.leaky', plain='x')
await say('bad.resources/list')
await say('bad.resources/read', uri='fixture://leak')
await say('bad.prompts/list')
await say('bad.prompts/get', name='greet', arguments={'who': S})
await say('bad.no_such_tool')
await say('bad.complain', text=f'the key is {S}, and the rest')
await say('dead.echo')
for detail in ('brief', 'detailed', 'full'):
    said.append(search_tools('leak', detail=detail, limit=50))
import servers.bad, mcp_tools.bad
said.append([servers.bad.__doc__, servers.bad.leaky.__doc__, dir(servers.bad)])
for folder, _, files in os.walk('/servers'):
    for file in files:
        said.append([file, open(f'{folder}/{file}', 'rb').read().decode('latin1')])
print(said)
said";

const JAVASCRIPT: &str = "
const fs = require('fs');
const said = [];
const say = async (name, args = {}) => {
    for (const call of [callTool, callToolFull]) {
        try { said.push(await call(name, args)) } catch (e) { said.push([e.message, { ...e }, e.stack]) }
    }
};
const S = '@SECRET@';
await say('bad.echo', { text: S, [S]: [S] });
await say('bad.structured', { value: { a: S, [S]: 1 } });
await say('bad.plain_text', { text: S });
await say('bad.pieces');
await say('bad.picture');
await say('bad.fail', { message: `401 for ${S}`, value: { why: S } });
await say('bad.refuse', { data: { why: S } });
await say('bad.resources/read', { uri: 'fixture://leak' });
await say('bad.complain', { text: `the key is ${S}` });
await say('dead.echo');
said.push(searchTools('leak', { detail: 'full', limit: 50 }));
for (const name of fs.readdirSync('/servers/bad')) {
    try { said.push([name, fs.readFileSync(`/servers/bad/${name}`, 'utf8')]) } catch { }
}
console.log(JSON.stringify(said));
said";

#[test]
fn programs_are_told_no_secret_however_it_is_written() {
    for manner in MANNERS {
        let place = leaking(manner);
        for (name, source) in [("a.py", PYTHON), ("a.js", JAVASCRIPT)] {
            place.write(name, source);
            let flags = [
                "--timeout",
                "60s",
                "--max-output",
                "16MiB",
                "--allow-tool",
                "*",
            ];
            let mut arguments = vec!["exec", "--json"];
            arguments.extend(flags);
            arguments.push(name);
            let ran = place.run(&arguments);
            let report = ran.json();
            assert_eq!(report["status"], "ok", "{report:#}");
            is_not_in(&format!("{manner}, {name}, result"), &ran.stdout);
            is_not_in(&format!("{manner}, {name}, stderr and log"), &ran.stderr);
            // The places were reached.
            let text = ran.stdout.matches("[redacted]").count();
            assert!(text > 20, "{manner}: {text}\n{report:#}");
        }
    }
}

#[test]
fn commands_show_no_secret_however_it_is_written() {
    for manner in MANNERS {
        let place = leaking(manner);
        for arguments in [
            &["servers"][..],
            &["servers", "--json"],
            &["tools", "list"],
            &["tools", "list", "--json"],
            &["tools", "search", "leak"],
            &["tools", "show", "bad.leaky"],
            &["tools", "call", "bad.echo"],
            &["stubs", "--out", "out"],
            &["wit", "bad"],
            &[
                "exec",
                "-c",
                "await call_tool('bad.fail', {'message': '@SECRET@'})",
            ],
            &[
                "exec",
                "-c",
                "await call_tool('bad.complain', {'text': '@SECRET@'})",
            ],
            &["exec", "-c", "await call_tool('dead.echo', {})"],
        ] {
            let ran = place.run(arguments);
            let what = format!("{manner}, {arguments:?}");
            is_not_in(&what, &ran.stdout);
            is_not_in(&what, &ran.stderr);
        }
        for path in crate::tidy::files(&place.path().join("out"), "py") {
            is_not_in(manner, &std::fs::read_to_string(path).unwrap());
        }
    }
    // What is no secret is shown.
    let place = leaking("plain");
    let servers = place.run(&["servers"]);
    assert!(
        servers.stdout.contains("Leaks [redacted] 1-[redacted]"),
        "{}",
        servers.stdout
    );
    contains(
        &servers.stdout.into(),
        "its name holds a secret of the configuration",
    );
}

#[test]
fn clients_are_told_no_secret_however_it_is_written() {
    for manner in MANNERS {
        let place = leaking(manner);
        let mut client = Client::greeting(
            &place,
            &["--log-format", "json"],
            json!({ "elicitation": {}, "sampling": {} }),
        );
        client.request("logging/setLevel", json!({ "level": "debug" }));
        let mut said = String::new();
        let code = "
S = '@SECRET@'
for name, arguments in [('echo', {'text': S}), ('steps', {'message': S}), ('log', {'data': {'x': S}, 'level': 'error'}), ('fail', {'message': S}), ('complain', {'text': S})]:
    try: print(await call_tool(f'bad.{name}', arguments))
    except ToolError as e: print(e)
await call_tool('bad.fail', {'message': S})";
        let params = json!({
            "name": "execute",
            "arguments": { "code": code, "timeout": 30 },
            "_meta": { "progressToken": 7 },
        });
        let answer = client.request("tools/call", params);
        said += &answer.to_string();
        // A question of the server, which the client answers.
        let code = "print(await call_tool('bad.question', {'message': '@SECRET@'}))";
        let id = client.ask_tool("execute", json!({ "code": code, "timeout": 30 }));
        loop {
            let message = client.next();
            said += &message.to_string();
            if message["id"] == id && message.get("method").is_none() {
                break;
            }
            if message.get("method").is_some() && message.get("id").is_some() {
                client.send(json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "action": "decline" } }));
            }
        }
        for (name, arguments) in [
            ("search_tools", json!({ "query": "leak", "detail": "full" })),
            ("get_tool_details", json!({ "tool": "bad.leaky" })),
            ("list_files", json!({ "path": "/servers/bad" })),
            ("read_file", json!({ "path": "/servers/bad/README.md" })),
            ("read_file", json!({ "path": "/servers/bad/leaky.py" })),
        ] {
            let id = client.ask_tool(name, arguments);
            said += &client.answer(id).to_string();
        }
        said += &client.request("tools/list", json!({})).to_string();
        for heard in client.heard.drain(..) {
            said += &heard.to_string();
        }
        assert!(said.contains("[redacted]"), "{said}");
        assert!(said.contains("notifications/progress"), "{said}");
        is_not_in(manner, &said);
        client.close();
        is_not_in(&format!("{manner}, log"), &client.log());
    }
}

#[test]
fn errors_of_http_servers_hold_no_secret() {
    for manner in MANNERS {
        // The server gives away what it was sent in a header.
        let leak = format!("leak={manner}");
        for fault in ["http-call=leak", "http-call=page"] {
            let server = Http::start_with(
                &["--fault", &leak, "--fault", fault],
                &[("API_TOKEN", SECRET)],
            );
            let place = server
                .place(json!({ "Authorization": format!("Bearer {SECRET}"), "X-Team": "blue" }))
                .variable(
                    "WASM_COORDINATOR_LOG",
                    "trace,rmcp=trace,hyper=trace,h2=trace",
                );
            for (name, source) in [
                ("a.py", "await call_tool('bad.echo', {'text': '@SECRET@'})"),
                ("a.js", "await callTool('bad.echo', { text: '@SECRET@' })"),
            ] {
                place.write(name, source);
                let ran = place.run(&["exec", "--json", name]);
                let report = ran.json();
                assert_eq!(report["status"], "error");
                if fault == "http-call=leak" {
                    contains(&report["error"]["message"], "[redacted]");
                }
                is_not_in(&format!("{manner}, {fault}"), &ran.stdout);
                is_not_in(&format!("{manner}, {fault}, log"), &ran.stderr);
            }
            let ran = place.run(&["servers"]);
            is_not_in(manner, &ran.stdout);
            is_not_in(manner, &ran.stderr);
        }
    }
}

/// Two servers that are told everything, and write it down.
#[tokio::test]
async fn tokens_of_clients_and_secrets_of_a_server_reach_no_other_server() {
    let far = Recorder::new("HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let mut one = fixture(&["--log", "one", "--fault", "leak=plain"]);
    one["env"] = json!({ "API_TOKEN": SECRET });
    let place = Place::with_config(json!({
        "mcpServers": {
            "one": one,
            "two": fixture(&["--log", "two"]),
            "far": { "url": far.url(), "headers": { "X-Key": "a-key-of-the-far-one" } },
        },
        "coordinator": { "startTimeout": "3s" },
    }))
    .variable("WASM_COORDINATOR_LOG", "trace,rmcp=trace,hyper=trace");
    let mut server = Server::start(&place, &[]);
    let code = "
seen = await call_tool('one.echo', {'text': '@SECRET@'})
print(seen, await call_tool('two.echo', seen), await call_tool('two.environment'))
try: await call_tool('far.echo', seen)
except ToolError as e: print(e)";
    let data = server
        .data(TOKEN, "execute", json!({ "code": code, "timeout": 20 }))
        .await;
    assert_eq!(data["status"], "ok", "{data:#}");
    contains(&data["stdout"], "[redacted]");
    assert!(place.read("two").contains("[redacted]"));
    assert!(far.heard().contains("a-key-of-the-far-one"));
    let (_, metrics) = server.get("/metrics").await;
    let (_, health) = server.get("/health").await;
    server.signal();
    let said = [
        data.to_string(),
        place.read("two"),
        far.heard(),
        metrics,
        health,
        server.log(),
    ];
    for said in &said {
        is_not_in("a place beside its own server", said);
        assert!(!said.contains(TOKEN), "{said}");
    }
    assert!(!place.read("one").contains(TOKEN));
    // The far one was sent its own key, and nobody else.
    for (place, said) in said.iter().enumerate().filter(|(place, _)| *place != 2) {
        assert!(!said.contains("a-key-of-the-far-one"), "{place}: {said}");
    }
}

#[test]
fn nothing_that_is_kept_holds_a_secret() {
    for manner in MANNERS {
        let place = leaking(manner);
        let cache = place.path().join("cache");
        let place = place.variable("WASM_COORDINATOR_CACHE", cache.to_str().unwrap());
        place.run(&["tools", "search", "leak"]);
        place.run(&["tools", "show", "bad.leaky"]);
        let mut files = 0;
        for folder in [cache.join("definitions"), place.state().to_owned()] {
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
                files += 1;
                let bytes = std::fs::read(entry.path()).unwrap();
                is_not_in(manner, &String::from_utf8_lossy(&bytes));
            }
        }
        assert!(files > 0, "something is kept");
    }
}

/// What an operator is told of a secret that cannot be recognised, and what is
/// recognised without being called one.
#[test]
fn which_values_are_secrets_is_said() {
    let secret = |key: &str, value: &str| {
        let mut server = fixture(&[]);
        server["env"] = json!({ key: value });
        let place = Place::with_servers(json!({ "bad": server }));
        let code = format!("await call_tool('bad.plain_text', {{'text': {value:?}}})");
        place.run(&["exec", "-c", &code])
    };
    let short = secret("API_TOKEN", "hunter2");
    contains(
        &short.stderr.into(),
        "server `bad`: `env.API_TOKEN` has fewer than 8 bytes: too few to be recognised, so it is not removed from what the server answers",
    );
    assert!(short.stdout.contains("hunter2"));
    let long = secret("API_TOKEN", "hunter22");
    assert_eq!(
        (&*long.stderr, long.stdout.contains("[redacted]")),
        ("", true)
    );
    // Known by its look.
    for (key, value) in [
        ("GITHUB", "ghp_0123456789abcdef"),
        ("SETTING", "tR7mQ2xV9bLk4WzPc8NdYf3H"),
    ] {
        assert!(secret(key, value).stdout.contains("[redacted]"), "{key}");
    }
    for (key, value) in [
        ("FOLDER", "/home/me/projects/alpha"),
        ("PROJECT", "my-project-2026"),
        ("LEVEL", "information"),
    ] {
        assert!(secret(key, value).stdout.contains(value), "{key}");
    }
}
