//! Calls that somebody has to agree to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use wasm_coordinator::{
    Answering, Approval, Engine, EngineOptions, FinishedCall, Grants, HostCallbacks, LocalTools,
    Program, Report, ServerLimits, ServerSpec, Session, SessionOptions, Status, Toolbox, Verdict,
};

use crate::harness::{Place, fixture, guest_cache, isolation, ok, real_servers};

/// Says the same each time, after a while, and remembers what it was asked.
struct Person {
    verdict: Verdict,
    takes: Duration,
    asked: Mutex<Vec<Approval>>,
    heard: Mutex<Vec<String>>,
}

impl Person {
    fn who_says(verdict: Verdict, takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            verdict,
            takes,
            asked: Mutex::default(),
            heard: Mutex::default(),
        })
    }
}

impl HostCallbacks for Person {
    fn approve(&self, approval: Approval) -> Answering<'_, Verdict> {
        self.asked.lock().unwrap().push(approval);
        Box::pin(async {
            tokio::time::sleep(self.takes).await;
            self.verdict.clone()
        })
    }

    fn finished(&self, call: &FinishedCall<'_>) {
        let said = format!("{}.{} {}", call.server, call.tool, call.result.is_ok());
        self.heard.lock().unwrap().push(said);
    }
}

fn session(grants: Grants, timeout: Duration) -> Session {
    let engine = Engine::new(EngineOptions {
        cache: Some(guest_cache()),
        isolation: isolation(),
        ..EngineOptions::default()
    })
    .unwrap();
    let tools = LocalTools::new().tool("push", "", json!({}), |arguments| async { Ok(arguments) });
    let tools = Toolbox::new(
        vec![ServerSpec::local("git", tools)],
        ServerLimits::default(),
    )
    .unwrap();
    let mut options = SessionOptions {
        grants,
        ..SessionOptions::default()
    };
    options.limits.timeout = timeout;
    Session::new(&engine, tools, options)
}

async fn push(session: &mut Session, person: &Arc<Person>) -> Report {
    session.set_callbacks(Some(Arc::clone(person) as Arc<dyn HostCallbacks>));
    let code = "await call_tool('git.push', {'force': True})";
    session.run(Program::python(code)).await
}

fn asking() -> Grants {
    Grants::default().asking(["git.push"]).unwrap()
}

#[tokio::test]
async fn a_call_is_made_when_somebody_agrees_and_not_otherwise() {
    let seconds = Duration::from_secs(30);
    for (verdict, status) in [
        (Verdict::Approved, Status::Ok),
        (Verdict::Refused, Status::Denied),
        (
            Verdict::Unanswered("they are asleep".to_owned()),
            Status::Denied,
        ),
    ] {
        let person = Person::who_says(verdict.clone(), Duration::ZERO);
        let report = push(&mut session(asking(), seconds), &person).await;
        assert_eq!(report.status, status, "{report:?}");
        let asked = person.asked.lock().unwrap().clone();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].arguments, r#"{"force":true}"#);
        let heard = person.heard.lock().unwrap().clone();
        let expected = format!("git.push {}", verdict == Verdict::Approved);
        assert_eq!(heard, [expected]);
        if let Verdict::Unanswered(why) = verdict {
            let message = report.error.unwrap().message;
            assert!(message.contains(&why), "{message}");
        }
    }
}

#[tokio::test]
async fn the_time_a_person_takes_is_not_the_programs() {
    let limit = Duration::from_millis(1_500);
    let person = Person::who_says(Verdict::Approved, 2 * limit);
    let mut session = session(asking(), limit);
    let report = push(&mut session, &person).await;
    assert_eq!(report.status, Status::Ok, "{report:?}");
    // A program that goes on meanwhile pays for its own time.
    session.set_callbacks(Some(Arc::clone(&person) as Arc<dyn HostCallbacks>));
    let code = "import asyncio
asking = asyncio.create_task(call_tool('git.push', {}))
await asyncio.sleep(0)
while True: pass";
    let report = session.run(Program::python(code)).await;
    assert_eq!(report.status, Status::Limit, "{report:?}");
    assert!(report.usage.wall_ms < 2_500.0, "{report:?}");
}

fn memory(place: &Place) -> Value {
    let words = &real_servers()["memory"];
    let file = place.path().join("memory.json");
    json!({ "command": words[0], "args": words[1..], "env": { "MEMORY_FILE_PATH": file } })
}

#[test]
fn a_tool_that_says_it_destroys_needs_consent_and_one_that_says_nothing_does_not() {
    let place = Place::new();
    let servers = json!({ "memory": memory(&place), "fixture": fixture(&[]) });
    place.write("mcp.json", json!({ "mcpServers": servers }).to_string());
    let create = "await call_tool('memory.create_entities', {'entities': []})";
    ok(place.python(create));
    let delete = "await call_tool('memory.delete_entities', {'entityNames': ['x']})";
    let denied = place.python(delete);
    assert_eq!(denied["status"], "denied", "{denied:#}");
    let message = denied["error"]["message"].as_str().unwrap();
    assert_eq!(
        message,
        "`memory.delete_entities` needs consent (its server says that it may destroy something), \
         and there is nobody to ask; `--trust-tool 'memory.delete_entities'`, or the same in \
         `tools.trust`, allows it without asking"
    );
    ok(place.exec("script.py", delete, &["--allow-tool", "memory.*"]));
    // What the message proposes takes no other tool away.
    let both = format!("{delete}\nawait call_tool('fixture.echo', {{'text': 'x'}})");
    let trust = ["--trust-tool", "memory.delete_entities"];
    ok(place.exec("script.py", &both, &trust));

    // The operator can ask for more, never the program or the server for less.
    let config = json!({
        "mcpServers": servers,
        "coordinator": { "tools": { "allow": ["*"], "ask": ["memory.create_*"] } },
    });
    place.write("mcp.json", config.to_string());
    ok(place.python(delete));
    let asked = place.python(create);
    assert_eq!(asked["status"], "denied", "{asked:#}");
    let same = place.exec("script.py", create, &["--allow-tool", "memory.*"]);
    assert_eq!(same["status"], "denied", "what is asked stays asked");
    ok(place.exec("script.py", create, &["--trust-tool", "memory.create_*"]));
    let denied = [
        "--trust-tool",
        "memory.create_*",
        "--deny-tool",
        "memory.create_*",
    ];
    let denied = place.exec("script.py", create, &denied);
    assert_eq!(denied["status"], "denied", "{denied:#}");
}

#[test]
fn a_name_with_a_server_in_it_never_means_another_servers_tool() {
    let place = Place::new();
    let config = json!({ "mcpServers": { "work": fixture(&[]) } });
    place.write("mcp.json", config.to_string());
    // `work` has a tool `plain_text`, of the same letters.
    for name in [
        "plain.text",
        "plain/text",
        "plain:text",
        "plain__text",
        "mcp__plain__text",
    ] {
        let call = format!("await call_tool('{name}', {{}})");
        for flags in [&[][..], &["--deny-tool", "plain.*"]] {
            let report = place.exec("script.py", &call, flags);
            assert_eq!(report["status"], "error", "{name} {report:#}");
            let message = report["error"]["message"].as_str().unwrap();
            assert!(message.contains("`work.plain_text`"), "{message}");
        }
    }
    ok(place.python("await call_tool('plain_text', {})"));
    ok(place.python("await call_tool('work.plain-text', {})"));
}
