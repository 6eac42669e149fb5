//! What servers say and ask while a call is in flight, as far as it reaches the
//! one who attends the run.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_coordinator::{
    Answering, Declined, HostCallbacks, Http, LogEntry, LogLevel, PassThrough, Program, Progress,
    RequestKind, ServerLimits, ServerRequest, ServerSpec, Session, SessionOptions, Stdio, Toolbox,
    Transport,
};

use crate::faults;
use crate::harness::{fixture_server, real_servers};
use crate::library::{engine, tokio};

/// Writes down what it hears, and answers everything in the same way.
#[derive(Default)]
struct Recording {
    answer: Option<Value>,
    /// How long it takes to answer.
    pause: Duration,
    progress: Mutex<Vec<Progress>>,
    entries: Mutex<Vec<LogEntry>>,
    asked: Mutex<Vec<ServerRequest>>,
}

impl Recording {
    fn answering(answer: Value) -> Arc<Self> {
        Arc::new(Self {
            answer: Some(answer),
            ..Self::default()
        })
    }

    fn progress(&self) -> Vec<Progress> {
        self.progress.lock().unwrap().clone()
    }

    fn entries(&self) -> Vec<LogEntry> {
        self.entries.lock().unwrap().clone()
    }

    fn asked(&self) -> Vec<ServerRequest> {
        self.asked.lock().unwrap().clone()
    }
}

impl HostCallbacks for Recording {
    fn answer(&self, request: ServerRequest) -> Answering<'_, Result<Value, Declined>> {
        self.asked.lock().unwrap().push(request);
        Box::pin(async {
            ::tokio::time::sleep(self.pause).await;
            self.answer.clone().ok_or(Declined)
        })
    }

    fn progress(&self, progress: Progress) {
        self.progress.lock().unwrap().push(progress);
    }

    fn log(&self, entry: LogEntry) {
        self.entries.lock().unwrap().push(entry);
    }
}

/// The fixture server of the older era and of the new one.
const ERAS: [&[&str]; 2] = [&["--fault", "old"], &[]];

fn fixture(arguments: &[&str]) -> ServerSpec {
    let stdio = Stdio {
        command: fixture_server().to_string_lossy().into_owned(),
        args: arguments.iter().map(|&argument| argument.into()).collect(),
        ..Stdio::default()
    };
    ServerSpec::new("fixture", Transport::Stdio(stdio))
}

fn toolbox(server: ServerSpec) -> Arc<Toolbox> {
    Arc::new(Toolbox::new(vec![server], ServerLimits::default()).unwrap())
}

fn session(toolbox: &Arc<Toolbox>, callbacks: Option<&Arc<Recording>>) -> Session {
    let mut session = Session::new(engine(), Arc::clone(toolbox), SessionOptions::default());
    session
        .set_callbacks(callbacks.map(|callbacks| Arc::clone(callbacks) as Arc<dyn HostCallbacks>));
    session
}

/// Runs a program; its result, or the error it ended with.
async fn run(
    toolbox: &Arc<Toolbox>,
    callbacks: Option<&Arc<Recording>>,
    source: &str,
) -> Result<Value, String> {
    let report = session(toolbox, callbacks)
        .run(Program::python(source))
        .await;
    match report.error {
        Some(error) => Err(error.message),
        None => Ok(report.result.unwrap_or_default()),
    }
}

/// A program that makes one call.
fn call(tool: &str, arguments: &Value) -> String {
    format!("import json\nawait call_tool('fixture.{tool}', json.loads('{arguments}'))")
}

#[test]
fn progress_reaches_the_run_that_made_the_call_and_no_other() {
    tokio().block_on(async {
        let server = faults::Http::start(&["--sse"]);
        let http = Http {
            url: server.url().to_owned(),
            ..Http::default()
        };
        let http = ServerSpec::new("fixture", Transport::Http(http));
        let servers = ERAS.map(fixture).into_iter().chain([http]);
        for server in servers {
            let toolbox = toolbox(server);
            let (one, other) = (Arc::default(), Arc::default());
            let source = "\
import asyncio
await asyncio.gather(*(call_tool('fixture.steps', {'count': n, 'message': str(n)}) for n in (4, 5)))";
            let single = call("steps", &json!({ "count": 2 }));
            let (first, second) = ::tokio::join!(
                run(&toolbox, Some(&one), source),
                run(&toolbox, Some(&other), &single),
            );
            assert_eq!(first, Ok(json!(["done", "done"])));
            assert_eq!(second, Ok(json!("done")));
            let mut calls = Vec::new();
            for (message, steps) in [("4", 4), ("5", 5)] {
                let of_call = |p: &&Progress| p.message.as_deref() == Some(message);
                let all = one.progress();
                let progress: Vec<_> = all.iter().filter(of_call).collect();
                let done: Vec<_> = progress.iter().map(|progress| progress.done).collect();
                let expected: Vec<_> = (1..=steps).map(|n| f64::from(n) / f64::from(steps)).collect();
                assert_eq!(done, expected);
                assert_eq!(progress[0].total, Some(1.0));
                assert_eq!((&*progress[0].server, &*progress[0].tool), ("fixture", "steps"));
                assert!(progress.iter().all(|p| p.call == progress[0].call));
                calls.push(progress[0].call);
            }
            assert_ne!(calls[0], calls[1]);
            assert_eq!(one.progress().len(), 9);
            assert_eq!(other.progress().len(), 2);
            assert!(!calls.contains(&other.progress()[0].call));
        }
    });
}

#[test]
fn a_flood_of_progress_is_cut_and_extends_nothing() {
    tokio().block_on(async {
        let mut server = fixture(&[]);
        server.call_timeout = Duration::from_secs(1);
        let toolbox = toolbox(server);
        let callbacks = Arc::default();
        let flood = call(
            "steps",
            &json!({ "count": 50_000, "message": "x".repeat(3_000) }),
        );
        let began = Instant::now();
        let _ = run(&toolbox, Some(&callbacks), &flood).await;
        let heard = callbacks.progress();
        let at_most = 300 + began.elapsed().as_millis() / 10;
        assert!(
            heard.len() >= 200 && heard.len() as u128 <= at_most,
            "{}",
            heard.len()
        );
        assert!(
            heard
                .iter()
                .all(|p| p.message.as_ref().unwrap().len() <= 1 << 10)
        );
        let endless = call("progress", &json!({ "every_ms": 1 }));
        let began = Instant::now();
        let error = run(&toolbox, Some(&callbacks), &endless).await.unwrap_err();
        assert!(error.contains("did not answer within 1s"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(5));
        // The server goes on; nobody listens any more, and that is counted.
        let before = callbacks.progress().len();
        run(
            &toolbox,
            Some(&callbacks),
            &call("sleep", &json!({ "ms": 50 })),
        )
        .await
        .unwrap();
        assert_eq!(callbacks.progress().len(), before);
        let state = &toolbox.states()[0];
        assert!(state.stray_progress > 0, "{state:?}");
    });
}

#[test]
fn a_question_is_answered_in_both_eras_and_over_http() {
    tokio().block_on(async {
        let answer = json!({ "action": "accept", "content": { "colour": "red" } });
        let mut servers = ERAS.map(fixture).to_vec();
        let http = faults::Http::start(&["--sse", "--session", "--fault", "old"]);
        let spec = Http {
            url: http.url().to_owned(),
            ..Http::default()
        };
        servers.push(ServerSpec::new("fixture", Transport::Http(spec)));
        for server in servers {
            let toolbox = toolbox(server);
            let callbacks = Recording::answering(answer.clone());
            let result = run(&toolbox, Some(&callbacks), &call("question", &json!({}))).await;
            let result = result.unwrap();
            assert_eq!(result["result"], answer, "{result}");
            if result.get("state").is_some() {
                assert_eq!(result["state"], "state of the first round");
            }
            let asked = callbacks.asked();
            assert_eq!(asked.len(), 1);
            assert_eq!(asked[0].kind, RequestKind::Elicitation);
            assert_eq!(asked[0].server, "fixture");
            assert_eq!(asked[0].params["message"], "which colour?");
            let colour = &asked[0].params["requestedSchema"]["properties"]["colour"];
            assert_eq!(colour["type"], "string");

            // Nobody is there, or somebody says no.
            for nobody in [None, Some(&Arc::default())] {
                let result = run(&toolbox, nobody, &call("question", &json!({}))).await;
                assert_eq!(result.unwrap()["result"], json!({ "action": "decline" }));
            }
        }
    });
}

#[test]
fn a_person_may_take_longer_than_the_call_may() {
    tokio().block_on(async {
        for era in ERAS {
            let mut server = fixture(era);
            server.call_timeout = Duration::from_millis(500);
            let toolbox = toolbox(server);
            let callbacks = Arc::new(Recording {
                answer: Some(json!({ "action": "cancel" })),
                pause: Duration::from_millis(1_200),
                ..Recording::default()
            });
            let result = run(&toolbox, Some(&callbacks), &call("question", &json!({}))).await;
            assert_eq!(result.unwrap()["result"], json!({ "action": "cancel" }));
            // The clock does go on afterwards.
            let error = run(&toolbox, Some(&callbacks), &call("silent", &json!({}))).await;
            assert!(error.unwrap_err().contains("did not answer within 500ms"));
        }
    });
}

#[test]
fn sampling_and_roots_are_only_passed_on_to_servers_that_may() {
    tokio().block_on(async {
        let answer = json!({ "roots": [], "model": "m", "role": "assistant" });
        for era in ERAS {
            for (kind, expected) in [
                ("sampling", RequestKind::Sampling),
                ("roots", RequestKind::Roots),
            ] {
                let question = call("question", &json!({ "kind": kind }));
                let callbacks = Recording::answering(answer.clone());
                let result = run(&toolbox(fixture(era)), Some(&callbacks), &question).await;
                match result {
                    Ok(result) => assert!(result["error"].is_object(), "{result}"),
                    Err(error) => {
                        let key = format!("`coordinator.passThrough.{kind}`");
                        assert!(error.contains(&key), "{error}");
                    }
                }
                assert!(callbacks.asked().is_empty());

                let mut server = fixture(era);
                server.pass_through = PassThrough {
                    sampling: kind == "sampling",
                    roots: kind == "roots",
                };
                let toolbox = toolbox(server);
                let result = run(&toolbox, Some(&callbacks), &question).await.unwrap();
                assert_eq!(result["result"], answer, "{result}");
                assert_eq!(callbacks.asked()[0].kind, expected);
                // Granted, and nobody there.
                match run(&toolbox, None, &question).await {
                    Ok(result) => assert!(result["error"].is_object(), "{result}"),
                    Err(error) => assert!(error.contains("nobody answers that here"), "{error}"),
                }
            }
        }
    });
}

#[test]
fn nobody_is_sent_to_an_address_that_is_not_of_the_web() {
    tokio().block_on(async {
        for era in ERAS {
            let toolbox = toolbox(fixture(era));
            let accept = json!({ "action": "accept" });
            let decline = json!({ "action": "decline" });
            for (url, expected) in [
                ("https://example.com/login", &accept),
                ("http://127.0.0.1:8000/login", &accept),
                ("file:///etc/passwd", &decline),
                ("javascript:alert(1)", &decline),
                ("http://example.com/", &decline),
            ] {
                let callbacks = Recording::answering(accept.clone());
                let question = call("question", &json!({ "kind": "url", "url": url }));
                let result = run(&toolbox, Some(&callbacks), &question).await.unwrap();
                assert_eq!(&result["result"], expected, "{url}");
                assert_eq!(callbacks.asked().len(), usize::from(expected == &accept));
            }
        }
    });
}

#[test]
fn a_question_that_may_be_anybodys_is_nobodys() {
    tokio().block_on(async {
        let toolbox = toolbox(fixture(&["--fault", "old"]));
        let answer = json!({ "action": "accept", "content": { "colour": "red" } });
        let callbacks = Recording::answering(answer);
        let stranger = Arc::default();
        let sleep = call("sleep", &json!({ "ms": 1_500 }));
        let asking = async {
            ::tokio::time::sleep(Duration::from_millis(600)).await;
            run(&toolbox, Some(&callbacks), &call("question", &json!({}))).await
        };
        let (slept, asked) = ::tokio::join!(run(&toolbox, Some(&stranger), &sleep), asking);
        slept.unwrap();
        assert_eq!(asked.unwrap()["result"], json!({ "action": "decline" }));
        assert!(callbacks.asked().is_empty() && stranger.asked().is_empty());
    });
}

#[test]
fn questions_without_end_are_declined_and_bounded() {
    tokio().block_on(async {
        let callbacks = Recording::answering(json!({ "action": "accept", "content": {} }));
        let toolbox_new = toolbox(fixture(&[]));
        let endless = call("input_required", &json!({}));
        let error = run(&toolbox_new, Some(&callbacks), &endless)
            .await
            .unwrap_err();
        assert!(error.contains("more than 10 times"), "{error}");
        assert_eq!(callbacks.asked().len(), 10);

        let callbacks = Recording::answering(json!({ "action": "accept", "content": {} }));
        let toolbox = toolbox(fixture(&["--fault", "old"]));
        let many = call("ask", &json!({ "count": 100_000 }));
        assert_eq!(
            run(&toolbox, Some(&callbacks), &many).await,
            Ok(json!("asked"))
        );
        assert!(
            callbacks.asked().len() <= 100,
            "{}",
            callbacks.asked().len()
        );
        let echo = run(
            &toolbox,
            Some(&callbacks),
            &call("add", &json!({ "a": 1, "b": 2 })),
        )
        .await;
        assert_eq!(echo, Ok(json!({ "sum": 3 })));
    });
}

#[test]
fn log_entries_reach_whoever_has_a_call_in_flight() {
    tokio().block_on(async {
        for era in ERAS {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("log");
            let arguments = [era, &["--log", log.to_str().unwrap()]].concat();
            let mut server = fixture(&arguments);
            server.secrets = vec!["canary-0123456789".to_owned()];
            let toolbox = toolbox(server);
            let callbacks = Arc::default();
            let data = json!({ "token": "canary-0123456789", "n": 1.5 });
            let said = call("log", &json!({ "level": "warning", "data": data }));
            run(&toolbox, Some(&callbacks), &said).await.unwrap();
            let entries = callbacks.entries();
            assert_eq!(entries.len(), 1);
            assert_eq!(entries[0].data, json!({ "token": "[redacted]", "n": 1.5 }));
            assert_eq!(entries[0].level, LogLevel::Warning);
            assert_eq!(entries[0].server, "fixture");
            assert_eq!(entries[0].logger.as_deref(), Some("fixture"));
            assert_eq!(levels_asked_for(&log), ["info"]);

            let long = call(
                "log",
                &json!({ "data": "é".repeat(20_000), "count": 5_000 }),
            );
            run(&toolbox, Some(&callbacks), &long).await.unwrap();
            let entries = callbacks.entries();
            assert!((50..=1_000).contains(&entries.len()), "{}", entries.len());
            let data = entries[1].data.as_str().unwrap();
            assert!(data.len() <= 8 << 10 && data.ends_with('…'));
            // Nobody attends: nothing is asked for, nothing is heard.
            run(&toolbox, None, &said).await.unwrap();
        }
    });
}

/// The levels a server was told, in whichever way.
fn levels_asked_for(log: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(log).unwrap();
    let messages = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let level = |message: Value| {
        let of_request = &message["params"]["_meta"]["io.modelcontextprotocol/logLevel"];
        let level = match message["method"].as_str()? {
            "logging/setLevel" => &message["params"]["level"],
            _ => of_request,
        };
        level.as_str().map(str::to_owned)
    };
    messages.filter_map(level).collect()
}

#[test]
fn a_real_server_reports_progress_and_asks() {
    let everything = &real_servers()["everything"];
    let stdio = Stdio {
        command: everything[0].clone(),
        args: everything[1..].to_vec(),
        ..Stdio::default()
    };
    let server = ServerSpec::new("everything", Transport::Stdio(stdio));
    tokio().block_on(async {
        let toolbox = toolbox(server);
        let answer = json!({ "action": "accept", "content": { "name": "Ada", "check": true } });
        let callbacks = Recording::answering(answer);
        let source = "\
await call_tool('everything.trigger-long-running-operation', {'duration': 0.4, 'steps': 4})
await call_tool('everything.trigger-elicitation-request', {})";
        let result = run(&toolbox, Some(&callbacks), source).await.unwrap();
        let done: Vec<_> = callbacks
            .progress()
            .iter()
            .map(|p| (p.done, p.total))
            .collect();
        let expected = [1.0, 2.0, 3.0, 4.0].map(|done| (done, Some(4.0)));
        assert_eq!(done, expected);
        assert_eq!(callbacks.asked()[0].kind, RequestKind::Elicitation);
        assert!(result.to_string().contains("Ada"), "{result}");
    });
}
