//! The audit record, from outside: when there is one, what is in it, and that what
//! was falsified is found. Who attacks it is in `hostile_audit`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use wasm_coordinator::audit::{Options, Recorder};
use wasm_coordinator::{
    Engine, EngineOptions, LocalTools, Program, ServerLimits, ServerSpec, Session, SessionOptions,
    Status, Toolbox,
};

use crate::client::Client;
use crate::harness::{Place, Ran, error, fixture, guest_cache, isolation, ok};

/// All records, as they are in the files, in the order of their numbers.
pub fn records_in(folder: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "jsonl")
    });
    files.sort();
    let texts = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap());
    let text: String = texts.collect();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

impl Place {
    pub fn records(&self) -> Vec<Value> {
        records_in(&self.path().join("rec"))
    }

    /// Those of a kind.
    pub fn records_of(&self, kind: &str) -> Vec<Value> {
        let mut records = self.records();
        records.retain(|record| record["kind"] == kind);
        records
    }

    #[track_caller]
    pub fn verify(&self) -> Ran {
        self.run(&["audit", "verify", "--audit", "rec"])
    }

    pub fn report(&self) -> Value {
        let ran = self.run(&["audit", "report", "--json", "--audit", "rec"]);
        serde_json::from_str(&ran.succeeds().stdout).unwrap()
    }
}

/// The fields of a record that say what happened, without when and after what.
pub fn happened(record: &Value) -> Value {
    let mut fields = record.as_object().unwrap().clone();
    for name in [
        "v", "seq", "time", "us", "prev", "mac", "call", "run", "session", "caller",
    ] {
        fields.remove(name);
    }
    Value::Object(fields)
}

pub const RECORDED: [&str; 2] = ["--audit", "rec"];

#[test]
fn scripts_leave_no_record_unless_asked_and_servers_leave_one() {
    let place = Place::with_fixture(&[]);
    let recorded = || !records_in(&place.own_state().join("audit")).is_empty();
    ok(place.python("1"));
    assert!(!recorded() && !place.own_state().join("audit.key").exists());
    // Nothing else is in the folder of the script.
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);

    let mut client = Client::start(&place, &["--no-audit"]);
    client.python("1");
    assert_eq!(client.close(), 0);
    assert!(!recorded());
    let mut client = Client::start(&place, &[]);
    client.python("1");
    assert_eq!(client.close(), 0);
    let kinds: Vec<_> = records_in(&place.own_state().join("audit"))
        .iter()
        .map(|record| record["kind"].clone())
        .collect();
    assert_eq!(
        kinds,
        ["log.opened", "run.started", "run.ended", "log.closed"]
    );

    // Asked for, in each way.
    ok(place.exec("a.py", "1", &RECORDED));
    assert_eq!(place.records().len(), 4);
    for (audit, expected) in [
        (json!({ "directory": "named" }), "named"),
        (json!({ "enabled": true }), ""),
    ] {
        let place = Place::with_config(json!({ "coordinator": { "audit": audit } }));
        ok(place.python("1"));
        let folder = match expected {
            "" => place.own_state().join("audit"),
            name => place.path().join(name),
        };
        assert_eq!(records_in(&folder).len(), 4, "{audit}");
        // And found again without a flag.
        let shown = place.run(&["audit"]).succeeds().stdout;
        assert_eq!(shown.lines().count(), 4, "{shown}");
        ok(place.exec("b.py", "1", &["--no-audit"]));
        assert_eq!(records_in(&folder).len(), 4, "{audit}");
    }
    let place = Place::with_config(json!({ "coordinator": { "audit": { "enabled": false } } }));
    let mut client = Client::start(&place, &[]);
    client.python("1");
    client.close();
    assert!(!place.own_state().join("audit").exists());
}

#[test]
fn each_thing_that_happens_is_one_record_with_whose_it_is() {
    let place = Place::with_config(json!({
        "mcpServers": { "fixture": fixture(&[]) },
        "coordinator": { "tools": { "deny": ["*.add"], "ask": ["*.sleep"] } },
    }));
    let mut client = Client::start(&place, &RECORDED);
    let session = client.session();
    client.python_in(&session, "await call_tool('fixture.echo', {'text': 'x'})");
    let denied = "await call_tool('fixture.add', {'a': 1, 'b': 2})";
    assert_eq!(client.python_in(&session, denied)["status"], "denied");
    assert_eq!(
        client.python("await call_tool('fixture.sleep', {})")["status"],
        "denied"
    );
    let endless = json!({ "code": "while True: pass", "timeout": 0.2, "session": session });
    assert_eq!(client.data("execute", endless)["status"], "limit");
    client.data(
        "execute",
        json!({ "code": "throw new Error('x')", "language": "javascript" }),
    );
    client.data("sessions", json!({ "action": "close", "session": session }));
    assert_eq!(client.close(), 0);

    let records = place.records();
    let kinds: Vec<_> = records
        .iter()
        .map(|record| record["kind"].as_str().unwrap())
        .collect();
    let expected = [
        "log.opened",
        "session.opened",
        "run.started",
        "server.started",
        "call.sent",
        "call.ended",
        "run.ended",
        "run.started",
        "call.denied",
        "run.ended",
        "run.started",
        "consent",
        "call.denied",
        "run.ended",
        "run.started",
        "run.ended",
        "run.started",
        "run.ended",
        "session.ended",
        "server.stopped",
        "log.closed",
    ];
    assert_eq!(kinds, expected);
    let of = |name: &str| -> Vec<&Value> { records.iter().map(|record| &record[name]).collect() };
    let session = of("session")[1];
    assert_eq!(session.as_str().unwrap().len(), 16, "a hash");
    for place in [2, 4, 5, 6, 7, 8, 9, 14, 15, 18] {
        assert_eq!(of("session")[place], session, "{}", records[place]);
    }
    for place in [10, 11, 12, 13, 16, 17] {
        assert_eq!(of("session")[place], &Value::Null, "a sandbox of its own");
    }
    let statuses: Vec<_> = place
        .records_of("run.ended")
        .iter()
        .map(|r| r["status"].clone())
        .collect();
    assert_eq!(statuses, ["ok", "denied", "denied", "limit", "error"]);
    assert_eq!(records[15]["limit"], "timeout");
    assert_eq!(
        (of("by")[8], of("by")[12]),
        (&json!("policy"), &json!("consent"))
    );
    assert_eq!(records[8]["pattern"], "*.add");
    assert_eq!(records[11]["verdict"], "unanswered");
    assert_eq!(records[4]["arguments"], "{text: text 1}");
    let whole = place.verify().succeeds();
    assert!(
        whole
            .stdout
            .starts_with("chain 0: whole, 1 file, 21 records"),
        "{}",
        whole.stdout
    );
}

#[test]
fn a_falsified_record_is_found_with_its_place_and_an_honest_one_is_whole() {
    let place = Place::with_fixture(&[]);
    for text in ["a", "b"] {
        let source = format!("await call_tool('fixture.echo', {{'text': '{text}'}})");
        ok(place.exec("a.py", &source, &RECORDED));
    }
    let file = place.path().join("rec/chain-00.000001.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let verified = place.verify().succeeds();
    assert!(
        verified
            .stdout
            .starts_with("chain 0: whole, 1 file, 16 records (1 to 16)"),
        "{}",
        verified.stdout
    );
    let hash = verified
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("  last hash "))
        .unwrap()
        .to_owned();

    let changed = whole.replacen("\"status\":\"finished\"", "\"status\":\"failed\"", 1);
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n") + "\n";
    let swapped = {
        let mut lines = lines.clone();
        lines.swap(4, 5);
        lines.join("\n") + "\n"
    };
    let cut = lines[..9].join("\n") + "\n";
    for (content, part) in [
        (
            changed,
            "chain-00.000001.jsonl:5: record 5 was changed, or not written by us",
        ),
        (without(4), "chain-00.000001.jsonl:5: record 5 is missing"),
        (swapped, "the order was changed"),
        (
            cut,
            "chain-00.000001.jsonl: records 10 to 16 are missing at the end of the chain",
        ),
        (whole.replacen("\n", "\n\n", 1), "are no record"),
        (String::new(), "records 1 to 16 are missing"),
    ] {
        std::fs::write(&file, &content).unwrap();
        let broken = place.verify().fails_with(1);
        assert!(
            broken.stdout.contains("chain 0: BROKEN") && broken.stdout.contains(part),
            "{part}:\n{}",
            broken.stdout
        );
        let json = place
            .run(&["audit", "verify", "--audit", "rec", "--json"])
            .fails_with(1);
        let json: Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!(json["whole"], false);
    }
    // All of it put back to an earlier state, the head too, is seen only by who
    // kept a hash.
    std::fs::write(&file, &whole).unwrap();
    place
        .run(&["audit", "verify", "--audit", "rec", "--holds", &hash])
        .succeeds();
    let other = match hash.strip_prefix('0') {
        Some(rest) => format!("1{rest}"),
        None => format!("0{}", &hash[1..]),
    };
    let missed = place
        .run(&["audit", "verify", "--audit", "rec", "--holds", &other])
        .fails_with(1);
    assert!(
        missed.stderr.contains("no record has the hash"),
        "{}",
        missed.stderr
    );

    // Without the key, on another machine.
    let key = place.own_state().join("audit.key");
    std::fs::rename(&key, place.path().join("elsewhere")).unwrap();
    let refused = place.verify().fails_with(2);
    assert!(
        refused
            .stderr
            .contains("hint: `--without-key` checks the chain alone"),
        "{}",
        refused.stderr
    );
    let chain = place
        .run(&["audit", "verify", "--audit", "rec", "--without-key"])
        .succeeds();
    assert!(chain.stderr.contains("without the key"), "{}", chain.stderr);
}

#[test]
fn programs_at_once_write_one_record_each_way() {
    let place = Place::with_fixture(&[]);
    let mut client = Client::start(&place, &RECORDED);
    client.python("1");
    std::thread::scope(|scope| {
        for n in 0..4 {
            let place = &place;
            scope.spawn(move || {
                let source = "for i in range(5): await call_tool('fixture.echo', {'text': 'x'})";
                place.write(&format!("{n}.py"), source);
                let ran = place.run(&["exec", "--json", "--audit", "rec", &format!("{n}.py")]);
                assert_eq!(ran.json()["status"], "ok");
            });
        }
    });
    client.python("2");
    let live = place.verify().succeeds();
    assert!(
        live.stdout.contains("a process writes it now"),
        "{}",
        live.stdout
    );
    client.close();
    place.verify().succeeds();
    let report = place.report();
    assert_eq!(report["tools"][0]["finished"], 20, "{report:#}");
    assert_eq!(
        (&report["runs"]["ok"], &report["unclosed"]),
        (&json!(6), &json!(0))
    );
    // One after the other, they go on with the chains that are there.
    let chains = || std::fs::read_dir(place.path().join("rec")).unwrap().count();
    let before = chains();
    for _ in 0..3 {
        ok(place.exec("a.py", "1", &RECORDED));
    }
    assert_eq!(chains(), before);
}

#[test]
fn a_record_that_cannot_be_had_is_an_error_where_it_was_asked_for() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::with_fixture(&[]);
    let folder = place.path().join("rec");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let report = place
        .run(&["exec", "--audit", "rec", "-c", "1"])
        .fails_with(4);
    assert!(
        report
            .stderr
            .contains("others can write to the folder\nhint: `chmod go-w` it"),
        "{}",
        report.stderr
    );
    place.run(&["serve", "--audit", "rec"]).fails_with(4);
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    place.run(&["exec", "--audit", "rec", "-c", "1"]).succeeds();

    // By default `serve` serves without one, and says so.
    std::fs::create_dir_all(place.own_state()).unwrap();
    place.write("not-a-folder", "");
    std::os::unix::fs::symlink(
        place.path().join("not-a-folder"),
        place.own_state().join("audit"),
    )
    .unwrap();
    let mut client = Client::start(&place, &[]);
    assert_eq!(client.python("1")["result"], 1);
    client.close();
    assert!(client.log().contains("nothing is recorded"));

    for arguments in [
        &["audit", "--audit", "none"][..],
        &["audit", "verify", "--audit", "none"],
        &["audit", "report", "--audit", "none"],
    ] {
        let refused = place.run(arguments).fails_with(2);
        assert!(
            refused
                .stderr
                .contains("there is no audit record in none\nhint: "),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn records_are_shown_as_asked_for() {
    let place = Place::with_fixture(&[]);
    ok(place.exec(
        "a.py",
        "await call_tool('fixture.echo', {'text': 'x'})",
        &RECORDED,
    ));
    let shown = |flags: &[&str]| {
        let ran = place
            .run(&[&["audit", "--audit", "rec"], flags].concat())
            .succeeds();
        ran.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(shown(&[]).len(), 8);
    assert_eq!(shown(&["--kind", "call"]).len(), 2);
    assert_eq!(shown(&["--kind", "call.sent"]).len(), 1);
    assert_eq!(shown(&["--kind", "cal"]).len(), 0);
    assert_eq!(shown(&["--server", "fixture"]).len(), 4);
    assert_eq!(shown(&["--since", "1h"]).len(), 8);
    assert_eq!(shown(&["--since", "9998-01-01"]).len(), 0);
    assert_eq!(shown(&["-n", "2"]).len(), 2);
    let sent = shown(&["--kind", "call.sent"]).remove(0);
    assert!(
        sent.contains("call.sent        fixture.echo  call 1  run 1  arguments {text: text 1}"),
        "{sent}"
    );
    let wrong = place.run(&["audit", "--since", "yesterday"]).fails_with(2);
    assert!(
        wrong.stderr.contains("write it like `30s`"),
        "{}",
        wrong.stderr
    );

    // What comes later is shown when it comes.
    let mut following = place
        .command(&["audit", "--audit", "rec", "--follow", "--kind", "run.ended"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(following.stdout.take().unwrap()));
    assert!(lines.next().unwrap().unwrap().contains("status ok"));
    error(&place.exec("a.py", "1/0", &RECORDED));
    assert!(
        lines
            .next()
            .unwrap()
            .unwrap()
            .contains("status error  error ZeroDivisionError")
    );
    following.kill().unwrap();
    following.wait().unwrap();
}

/// A session with these functions as the server `box`, and its record in a folder.
fn session(tools: LocalTools, folder: &Path) -> Session {
    let options = Options::new(folder.join("rec"), folder.join("key"));
    let recorder = Recorder::open(options).unwrap();
    let specs = vec![ServerSpec::local("box", tools)];
    let tools = Toolbox::new(specs, ServerLimits::default()).unwrap();
    let engine = Engine::new(EngineOptions {
        cache: Some(guest_cache()),
        isolation: isolation(),
        ..EngineOptions::default()
    });
    let options = SessionOptions::default();
    Session::new(&engine.unwrap(), tools.audited(recorder), options)
}

#[tokio::test]
async fn a_call_is_in_the_file_before_it_is_made_and_its_end_before_the_program_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let rec = folder.path().join("rec");
    // The tool itself reads what is recorded when it is called.
    let tools = LocalTools::new().tool("look", "", json!({}), move |_| {
        let records = records_in(&rec);
        let kinds: Vec<_> = records
            .iter()
            .map(|record| record["kind"].clone())
            .collect();
        async move { Ok(json!(kinds)) }
    });
    let mut session = session(tools, folder.path());
    let source = "[await call_tool('box.look', {}), await call_tool('box.look', {})]";
    let report = session.run(Program::python(source)).await;
    let before = json!(["log.opened", "run.started", "call.sent"]);
    let after = json!([
        "log.opened",
        "run.started",
        "call.sent",
        "call.ended",
        "call.sent"
    ]);
    assert_eq!(report.result, Some(json!([before, after])), "{report:?}");
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_its_end_and_those_of_its_calls() {
    let folder = tempfile::tempdir().unwrap();
    let tools = LocalTools::new().tool("wait", "", json!({}), |_| std::future::pending());
    let mut session = session(tools, folder.path());
    let run = session.run(Program::python("await call_tool('box.wait', {})"));
    let in_time = tokio::time::timeout(Duration::from_secs(2), run).await;
    assert!(in_time.is_err());
    let records = records_in(&folder.path().join("rec"));
    let ends: Vec<_> = records
        .iter()
        .map(|record| (record["kind"].as_str().unwrap(), record["status"].as_str()))
        .collect();
    let expected = [
        ("call.sent", None),
        ("call.ended", Some("unknown")),
        ("run.ended", Some("stopped")),
    ];
    assert_eq!(ends[2..], expected);
    // The session goes on.
    let report = session.run(Program::python("1 + 1")).await;
    assert_eq!(report.status, Status::Ok);
}
