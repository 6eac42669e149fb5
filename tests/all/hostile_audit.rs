//! Who attacks the audit record, or shows in it what he wants to hide, and what
//! must come of that.
//!
//! | case | | tests |
//! |---|---|---|
//! | E9 | no secret at the most talkative level | `no_secret_is_in_record_or_log_at_the_most_talkative_level` |
//! | G9 | guessed and stolen handles | `guessed_and_stolen_handles_are_probing` |
//! | G12 | a stolen state folder | `no_secret_is_in_record_or_log_at_the_most_talkative_level` |
//! | H19 | a tool that changes | `what_a_server_changed_is_in_the_record_whether_it_is_accepted_or_not` |
//! | H43 | one policy on every route | `a_denial_is_the_same_record_on_every_route` |
//! | J15 | torn lines, two writers, rotation, a full disk | `a_full_disk_is_counted_and_ends_nothing_unless_the_record_is_required`, `audit::programs_at_once_write_one_record_each_way`; `host/audit/tests/` |
//! | J16 | clocks that jump | `host/audit/tests/writing.rs` |
//! | J19 | killed in a call | `a_call_in_which_the_host_was_killed_is_unknown_and_not_repeated` |
//! | K6 | injected records and log lines | `nothing_that_is_named_becomes_a_record_or_a_line` |
//! | O9 | a record of each case | `audit::each_thing_that_happens_is_one_record_with_whose_it_is` |

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::audit::{RECORDED, happened, records_in};
use crate::client::Client;
use crate::harness::{Place, error, fixture, ok};
use crate::operating::{OTHER, Server, TOKEN};
use crate::typed::importing;

#[test]
fn a_denial_is_the_same_record_on_every_route() {
    let place = Place::with_fixture(&[]);
    let deny = ["--audit", "rec", "--deny-tool", "fixture.add"];
    let denied = |name: &str, source: &str| {
        let report = place.exec(name, source, &deny);
        assert_eq!(report["status"], "denied", "{report:#}");
    };
    denied("a.py", "await call_tool('fixture.add', {'a': 1, 'b': 2})");
    denied(
        "b.py",
        "from servers.fixture import add\nawait add(a=1, b=2)",
    );
    denied("c.py", "from mcp_tools.fixture import add\nadd(a=1, b=2)");
    denied("a.js", "await callTool('fixture__add', { a: 1, b: 2 })");
    denied(
        "b.js",
        "import { add } from 'servers/fixture'; await add({ a: 1, b: 2 })",
    );
    let mut client = Client::start(&place, &[&deny[..], &["--mode", "tools"]].concat());
    let direct = json!({ "name": "fixture.add", "arguments": { "a": 1, "b": 2 } });
    assert_eq!(client.data("call_tool", direct)["status"], "denied");
    client.close();
    let mut client = Client::start(&place, &deny);
    client.python("await call_tool('fixture.add', {'a': 1, 'b': 2})");
    client.close();
    let expected = json!({
        "kind": "call.denied", "server": "fixture", "tool": "add",
        "by": "policy", "pattern": "fixture.add",
    });
    let records = place.records_of("call.denied");
    let records: Vec<_> = records.iter().map(happened).collect();
    assert_eq!(records, vec![expected; 7]);
    assert!(place.records_of("call.sent").is_empty());

    // Where all of a server is denied, its tools have no names yet.
    let all = ["--audit", "rec", "--deny-tool", "fixture.*"];
    let report = place.exec("d.py", "from servers.fixture import add", &all);
    assert_eq!(report["status"], "denied");
    let last = place.records_of("call.denied").pop().unwrap();
    assert_eq!(
        (&last["server"], &last["tool"], &last["pattern"]),
        (&json!("fixture"), &json!("*"), &json!("fixture.*"))
    );
    // A component is refused before it runs.
    let function = r#"(export "add" (func (result (result string (error $error)))))"#;
    place.write("typed.wasm", importing("fixture", "", function));
    let report = place
        .run(&[&["exec", "--json"], &all[..], &["typed.wasm"]].concat())
        .json();
    assert_eq!(report["status"], "denied", "{report:#}");
    let imports = place.records_of("import.denied");
    assert_eq!(imports.len(), 1);
    assert!(
        imports[0]["what"]
            .as_str()
            .unwrap()
            .contains("mcp:fixture/tools.add"),
        "{imports:?}"
    );

    // The twin: what is granted is called on each route.
    let granted = ["--audit", "granted"];
    ok(place.exec(
        "a.py",
        "await call_tool('fixture.add', {'a': 1, 'b': 2})",
        &granted,
    ));
    ok(place.exec(
        "a.js",
        "await callTool('fixture__add', { a: 1, b: 2 })",
        &granted,
    ));
    let mut client = Client::start(&place, &[&granted[..], &["--mode", "tools"]].concat());
    let direct = json!({ "name": "fixture.add", "arguments": { "a": 1, "b": 2 } });
    assert_eq!(client.data("call_tool", direct)["status"], "ok");
    client.close();
    let mut records = records_in(&place.path().join("granted"));
    records.retain(|record| record["kind"].as_str().unwrap().starts_with("call."));
    let pairs: Vec<_> = records.iter().map(|record| &record["kind"]).collect();
    assert_eq!(pairs, ["call.sent", "call.ended"].repeat(3));
}

/// The forms in which a canary could be somewhere.
fn forms(canary: &str) -> Vec<String> {
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let url: String = canary.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let base64 = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(text)
    };
    // Whatever stands in front of it, two of three digits in a row are the same.
    let inner = base64(canary)[4..20].to_owned();
    let shifted = base64(&format!("x{canary}"))[4..20].to_owned();
    let reversed: String = canary.chars().rev().collect();
    vec![
        canary.to_owned(),
        hex.to_uppercase(),
        hex,
        url,
        inner,
        shifted,
        reversed,
    ]
}

#[tokio::test]
async fn no_secret_is_in_record_or_log_at_the_most_talkative_level() {
    const SECRET: &str = "canary-of-the-server-4711";
    const VALUE: &str = "canary-of-the-arguments-0815";
    const KEY: &str = "a\nkey";
    let mut server = fixture(&[]);
    server["env"] = json!({ "API_TOKEN": SECRET });
    for arguments in ["shapes", "full"] {
        let place = Place::with_config(json!({
            "mcpServers": { "fixture": server },
            "coordinator": { "audit": { "directory": "rec", "arguments": arguments } },
        }))
        .variable("WASM_COORDINATOR_LOG", "trace");
        let mut server = Server::start(&place, &[]);
        let opened = server
            .data(TOKEN, "sessions", json!({ "action": "open" }))
            .await;
        let handle = opened["session"].as_str().unwrap().to_owned();
        let code = format!(
            "r = [await call_tool('fixture.environment', {{}})]\n\
             for text in [{VALUE:?}, {SECRET:?}]:\n    \
                 r.append(await call_tool('fixture.echo', {{'text': text, {KEY:?}: text}}))\n\
             try:\n    await call_tool('fixture.fail', {{'message': {SECRET:?}}})\n\
             except ToolError as e: r.append(str(e))\n\
             len(str(r))"
        );
        let run = json!({ "code": code, "session": handle });
        let answer = server.data(TOKEN, "execute", run).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        let unknown = server.data(OTHER, "execute", json!({ "code": "1", "session": handle }));
        assert_eq!(unknown.await["error"]["kind"], "session_gone");
        let (_, metrics) = server.get("/metrics").await;
        server.signal();
        let log = server.log();
        assert!(log.len() > 1_000 && log.contains("DEBUG"), "{log}");

        let record: String = place
            .records()
            .iter()
            .map(|record| format!("{record}\n"))
            .collect();
        assert!(
            record.contains("call.sent") && record.contains("session.refused"),
            "{record}"
        );
        // A stolen folder of state has nothing to use either.
        let mut state = String::new();
        for folder in [place.own_state(), place.own_state().join("audit")] {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                state += &std::fs::read_to_string(entry.path()).unwrap_or_default();
            }
        }
        let channels = [
            ("record", &record),
            ("log", &log),
            ("metrics", &metrics),
            ("state", &state),
        ];
        for (what, text) in channels {
            for canary in [SECRET, &handle, TOKEN, OTHER] {
                for form in forms(canary) {
                    assert!(!text.contains(&form), "{form} of {canary} is in the {what}");
                }
            }
        }
        // The twin: values are there where the operator wants them.
        assert_eq!(record.contains(VALUE), arguments == "full", "{record}");
        assert!(
            record.contains("{text: text 28, a?key: text 28}"),
            "{record}"
        );
        assert!(!log.contains(VALUE) && !metrics.contains(VALUE));
        place.verify().succeeds();
    }
}

#[tokio::test]
async fn guessed_and_stolen_handles_are_probing() {
    let place = Place::with_fixture(&[]);
    let mut server = Server::start(&place, &RECORDED);
    let opened = server
        .data(TOKEN, "sessions", json!({ "action": "open" }))
        .await;
    let handle = opened["session"].as_str().unwrap().to_owned();
    // One's own, also after it was closed, is no probing.
    let run = |handle: &str| json!({ "code": "1", "session": handle });
    assert_eq!(
        server.data(TOKEN, "execute", run(&handle)).await["status"],
        "ok"
    );
    let close = json!({ "action": "close", "session": handle });
    server.data(TOKEN, "sessions", close).await;
    for _ in 0..6 {
        server.data(TOKEN, "execute", run(&handle)).await;
    }
    let metric = |text: &str| {
        let name = "wasm_coordinator_anomalies_total{anomaly=\"session_probing\"} ";
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    assert_eq!(metric(&server.get("/metrics").await.1), "0");
    assert!(place.records_of("session.refused").is_empty());

    // Guesses, and then the handle of somebody else.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for letter in alphabet.chars().take(6) {
        let guess = letter.to_string().repeat(43);
        let answer = server.data(TOKEN, "execute", run(&guess)).await;
        assert_eq!(answer["error"]["kind"], "session_gone", "{answer}");
    }
    let opened = server
        .data(TOKEN, "sessions", json!({ "action": "open" }))
        .await;
    let stolen = opened["session"].as_str().unwrap();
    let answers = [
        server.data(OTHER, "execute", run(stolen)).await,
        server.data(OTHER, "execute", run(&"Z".repeat(43))).await,
    ];
    assert_eq!(answers[0], answers[1], "the caller learns nothing");
    assert_eq!(metric(&server.get("/metrics").await.1), "2");
    server.signal();
    let log = server.log();
    let warnings = log
        .matches("something unusual is in the audit record")
        .count();
    assert_eq!(warnings, 2, "{log}");
    let refused = place.records_of("session.refused");
    assert_eq!(refused.len(), 8);
    assert_eq!(refused[6]["why"], "another caller's");
    assert_eq!(refused[7]["why"], "unknown");
    let anomalies = place.records_of("anomaly");
    let counts: Vec<_> = anomalies.iter().map(|anomaly| &anomaly["count"]).collect();
    assert_eq!(counts, [5, 1]);
    assert_ne!(anomalies[0]["caller"], anomalies[1]["caller"]);
    let report = place.report();
    assert_eq!(report["anomalies"]["session_probing"], 2);
    assert_eq!(report["sessions"]["refused"], 8);
}

#[test]
fn what_a_server_changed_is_in_the_record_whether_it_is_accepted_or_not() {
    for changes in ["refuse", "accept"] {
        let place = Place::with_config(json!({
            "mcpServers": { "bad": fixture(&["--fault", "rug-pull"]) },
            "coordinator": { "tools": { "changes": changes } },
        }));
        let source = "\
await call_tool('bad.echo', {'text': 'a'})
kinds = []
for _ in range(3):
    try:
        await call_tool('bad.echo', {'text': 'b', 'consent': True})
        kinds.append('called')
    except ToolError as e:
        kinds.append(e.kind)
kinds";
        let kinds = ok(place.exec("a.py", source, &RECORDED));
        let expected = if changes == "accept" {
            "called"
        } else {
            "denied"
        };
        assert_eq!(kinds, json!(vec![expected; 3]));
        let changed = place.records_of("tool.changed");
        assert_eq!(changed.len(), 1, "once: {changed:#?}");
        assert_eq!(
            (&changed[0]["server"], &changed[0]["tool"]),
            (&json!("bad"), &json!("echo"))
        );
        assert_eq!(changed[0]["parts"], json!(["description", "inputSchema"]));
        assert_ne!(changed[0]["pinned"], changed[0]["now"]);
        let denied = place.records_of("call.denied");
        let by: Vec<_> = denied
            .iter()
            .map(|denied| denied["by"].as_str().unwrap())
            .collect();
        assert_eq!(
            by,
            if changes == "accept" {
                vec![]
            } else {
                vec!["change"; 3]
            }
        );
    }
    // A server that stays what it is.
    let place = Place::with_fixture(&[]);
    ok(place.exec(
        "a.py",
        "await call_tool('fixture.echo', {'text': 'a'})",
        &RECORDED,
    ));
    assert!(place.records_of("tool.changed").is_empty());
}

#[test]
fn a_call_in_which_the_host_was_killed_is_unknown_and_not_repeated() {
    let place = Place::with_fixture(&["--log", "log"]);
    let mut client = Client::start(&place, &RECORDED);
    client.python("await call_tool('fixture.echo', {'text': 'before'})");
    let hanging = "await call_tool('fixture.sleep', {'ms': 60000})";
    client.ask_tool("execute", json!({ "code": hanging }));
    let deadline = Instant::now() + Duration::from_secs(30);
    while place.records_of("call.sent").len() < 2 {
        assert!(Instant::now() < deadline, "{:#?}", place.records());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(place.report()["in_flight"], 1, "it is still being made");
    let pid = Pid::from_raw(i32::try_from(client.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    drop(client);

    let report = place.report();
    assert_eq!(report["in_flight"], 0);
    assert_eq!(report["unknown"][0]["tool"], "sleep", "{report:#}");
    assert_eq!(report["unknown"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&report["tools"][0]["finished"], &report["unfinished_runs"]),
        (&json!(1), &json!(1))
    );
    let text = place
        .run(&["audit", "report", "--audit", "rec"])
        .succeeds()
        .stdout;
    assert!(
        text.contains("outcome unknown:\n") && text.contains("fixture.sleep"),
        "{text}"
    );
    // Nothing was falsified by that.
    let verified = place.verify().succeeds();
    assert!(
        verified
            .stdout
            .contains("1 process ended without saying so"),
        "{}",
        verified.stdout
    );

    let mut client = Client::start(&place, &RECORDED);
    client.python("1");
    assert_eq!(client.close(), 0);
    let unknown = place.records_of("call.unknown");
    assert_eq!(unknown.len(), 1);
    let sent = &place.records_of("call.sent")[1];
    assert_eq!(
        (&unknown[0]["of"], &unknown[0]["tool"]),
        (&sent["seq"], &json!("sleep"))
    );
    assert_eq!(
        place.report()["unknown"].as_array().unwrap().len(),
        1,
        "counted once"
    );
    let calls = place.read("log").matches("\"sleep\"").count();
    assert_eq!(calls, 1, "and sent once");
    place.verify().succeeds();
}

#[test]
fn nothing_that_is_named_becomes_a_record_or_a_line() {
    let place = Place::with_fixture(&[]);
    let forged = r#"x\n{\"v\":1,\"seq\":2,\"kind\":\"call.ended\"}\r\u001b[2J\u009b1m\u202e%s{}"#;
    let python = format!(
        "name = \"{forged}\"\n\
         for tool in [name, 'fixture.' + name]:\n    \
             try:\n        await call_tool(tool, {{name: 1}})\n    \
             except ToolError: pass\n\
         await call_tool('fixture.echo', {{'text': name, name: 1}})\n\
         raise type(name, (Exception,), {{}})(name)"
    );
    let report = place.exec("a.py", &python, &RECORDED);
    error(&report);
    let javascript = format!(
        "const name = \"{forged}\";\n\
         for (const tool of [name, 'fixture.' + name])\n    \
             await callTool(tool, {{ [name]: 1 }}).catch(() => 0);\n\
         class E extends Error {{ get name() {{ return name; }} }}\n\
         throw new E(name);"
    );
    error(&place.exec("a.js", &javascript, &RECORDED));

    let text = std::fs::read_to_string(place.path().join("rec/chain-00.000001.jsonl")).unwrap();
    let records = place.records();
    assert_eq!(text.lines().count(), records.len());
    let seqs: Vec<_> = records
        .iter()
        .map(|record| record["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(
        seqs,
        (1..=records.len() as u64).collect::<Vec<_>>(),
        "one event, one record"
    );
    // It did arrive, and what arrived is escaped.
    let names = records.iter().filter(|record| {
        record["tool"]
            .as_str()
            .is_some_and(|tool| tool.contains('\u{202e}'))
    });
    assert_eq!(names.count(), 4);
    let shown = place.run(&["audit", "--audit", "rec"]).succeeds().stdout;
    let json = place
        .run(&["audit", "--audit", "rec", "--json"])
        .succeeds()
        .stdout;
    let counted = place
        .run(&["audit", "report", "--audit", "rec"])
        .succeeds()
        .stdout;
    assert_eq!(shown.lines().count(), records.len(), "{shown}");
    assert_eq!(json, text, "records are printed as they are written");
    for (what, text) in [("record", &text), ("lines", &shown), ("report", &counted)] {
        let strange = text
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(strange, None, "in the {what}");
    }
    place.verify().succeeds();
}

#[tokio::test]
async fn a_full_disk_is_counted_and_ends_nothing_unless_the_record_is_required() {
    for required in [false, true] {
        let place = Place::with_config(json!({
            "mcpServers": { "fixture": fixture(&[]) },
            "coordinator": { "audit": { "directory": "rec", "required": required } },
        }));
        let mut server = Server::start(&place, &[]);
        let call =
            json!({ "code": "(await call_tool('fixture.echo', {'text': 'x'}))['arguments']" });
        let answer = server.data(TOKEN, "execute", call.clone()).await;
        assert_eq!(answer["status"], "ok");
        // From now on no file of it can grow.
        let size = std::fs::metadata(place.path().join("rec/chain-00.000001.jsonl"))
            .unwrap()
            .len();
        server.limit_files(size + 50);
        let answer = server.data(TOKEN, "execute", call.clone()).await;
        let (_, metrics) = server.get("/metrics").await;
        let lost = metrics
            .lines()
            .find_map(|line| line.strip_prefix("wasm_coordinator_lost_audit_records_total "));
        assert_ne!(lost.unwrap(), "0");
        if required {
            assert_eq!(answer["status"], "host_error", "{answer:#}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(
                message.contains("the audit record cannot be written"),
                "{message}"
            );
        } else {
            assert_eq!(answer["status"], "ok", "{answer:#}");
        }
        // There is room again, and the record says what it lacks.
        server.limit_files(u64::MAX);
        let answer = server.data(TOKEN, "execute", call.clone()).await;
        assert_eq!(answer["status"], "ok", "{answer:#}");
        server.signal();
        let log = server.log();
        assert!(log.contains("the audit record cannot be written"), "{log}");
        let lost = place.records_of("log.lost");
        assert_eq!(lost.len(), 1);
        assert!(lost[0]["records"].as_u64().unwrap() >= 1, "{lost:?}");
        let verified = place.verify().succeeds();
        assert!(
            verified.stdout.contains("could not be written"),
            "{}",
            verified.stdout
        );
    }
}

#[test]
fn a_found_configuration_sends_no_record_anywhere_unasked() {
    let place = Place::with_config(json!({ "coordinator": { "audit": { "directory": "rec" } } }))
        .untrusted();
    let refused = place.run(&["exec", "-c", "1"]).fails_with(2);
    assert!(
        refused.stderr.contains("the audit record is written to"),
        "{}",
        refused.stderr
    );
    assert!(!place.path().join("rec").exists());
    place.run(&["trust"]).succeeds();
    place.run(&["exec", "-c", "1"]).succeeds();
    assert!(place.path().join("rec").exists());
}
