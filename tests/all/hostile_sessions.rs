//! One session against another: nothing is left in memory, nothing crosses, and
//! no handle is guessed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wasm_coordinator::{
    Engine, EngineOptions, Guest, Isolation, Limits, LocalTools, Metering, Program, ServerLimits,
    ServerSpec, Session, SessionOptions, Status, Toolbox,
};

use crate::client::{Client, text};
use crate::harness::{Place, guest_cache};
use crate::library::{engine, tokio};

/// Fills its memory with a pattern and ends as it is told.
fn filler(end: &str) -> Program {
    module(&format!(
        "(drop (memory.grow (i32.const 900)))
         (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 58982400)) {end}"
    ))
}

/// Traps if one byte of what it is given is not zero.
fn searcher() -> Program {
    module(
        "(local $at i32) (drop (memory.grow (i32.const 900)))
         (loop $l
            (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (unreachable)))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $l (i32.lt_u (local.get $at) (i32.const 58982400))))",
    )
}

fn module(body: &str) -> Program {
    let text = format!(r#"(module (memory (export "memory") 1) (func (export "_start") {body}))"#);
    Program::component(wat::parse_str(text).unwrap())
}

fn session(engine: &Engine) -> Session {
    let limits = Limits {
        timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    let options = SessionOptions {
        limits,
        ..Default::default()
    };
    Session::new(engine, Toolbox::default(), options)
}

#[test]
fn memory_of_an_earlier_session_is_not_found() {
    let options = EngineOptions {
        cache: Some(guest_cache()),
        pool: Some(1),
        isolation: Isolation::InProcess,
        ..Default::default()
    };
    let pooled = Engine::new(options).unwrap();
    let ends = [
        ("", Status::Ok),
        ("(unreachable)", Status::Error),
        (
            "(memory.copy (i32.const 8) (i32.const 0) (i32.const -1))",
            Status::Error,
        ),
        ("(drop (memory.grow (i32.const 65535)))", Status::Ok),
    ];
    tokio().block_on(async {
        for round in 0..40 {
            let (end, status) = ends[round % ends.len()];
            let report = session(&pooled).run(filler(end)).await;
            assert_eq!(report.status, status, "{report:?}");
            // One that is given up in the middle of its work.
            let endless = filler("(loop $l (br $l))");
            let mut given_up = session(&pooled);
            let run = given_up.run(endless);
            assert!(
                tokio::time::timeout(Duration::from_millis(40), run)
                    .await
                    .is_err()
            );
            drop(given_up);
            let report = session(&pooled).run(searcher()).await;
            assert_eq!(report.status, Status::Ok, "round {round}: {report:?}");
        }
        // The search finds what is there.
        let mut dirty = session(&pooled);
        let found = dirty
            .run(module(
                "(i64.store (i32.const 65528) (i64.const 1)) (if (i64.ne (i64.load (i32.const 65528)) (i64.const 0)) (then (unreachable)))",
            ))
            .await;
        assert_eq!(found.status, Status::Error);
    });
}

/// Many sessions at once, each with calls that carry its own mark.
#[test]
fn answers_of_tools_reach_the_session_that_asked() {
    let echo = LocalTools::new().tool(
        "echo",
        "Gives back what it gets, out of order",
        json!({ "type": "object" }),
        |arguments| async move {
            let pause = arguments["pause"].as_u64().unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            Ok(arguments)
        },
    );
    let specs = vec![ServerSpec::local("local", echo)];
    let tools = Arc::new(Toolbox::new(specs, ServerLimits::default()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for guest in [Guest::Python, Guest::JavaScript] {
            engine().warm(guest, Metering::Off).unwrap();
        }
        let mut running = Vec::new();
        for mark in 0..32 {
            let tools = Arc::clone(&tools);
            running.push(tokio::spawn(async move {
                let options = SessionOptions {
                    limits: Limits {
                        timeout: Duration::from_secs(60),
                        ..Limits::default()
                    },
                    ..Default::default()
                };
                let mut session = Session::new(engine(), tools, options);
                let python = format!(
                    "import asyncio\nanswers = await asyncio.gather(*[call_tool('local.echo', {{'mark': {mark}, 'n': n, 'pause': n * 7 % 5}}) for n in range(100)])\nall(a['mark'] == {mark} and a['n'] == n for n, a in enumerate(answers))"
                );
                let javascript = format!(
                    "const answers = await Promise.all(Array.from({{ length: 100 }}, (_, n) => callTool('local.echo', {{ mark: {mark}, n, pause: n * 7 % 5 }})));
                    answers.every((a, n) => a.mark === {mark} && a.n === n)"
                );
                for program in [Program::python(python), Program::javascript(javascript)] {
                    let report = session.run(program).await;
                    assert_eq!(report.result, Some(true.into()), "{mark}: {report:?}");
                }
            }));
        }
        for run in running {
            run.await.expect("no session fails");
        }
    });
}

/// Ending one session at any moment leaves two others as they are.
#[test]
fn a_session_that_is_given_up_disturbs_no_other() {
    let runtime = tokio();
    runtime.block_on(async {
        let mut steady = [session(engine()), session(engine())];
        for session in &mut steady {
            session.run(Program::python("total = 0")).await;
        }
        for round in 1_u64..=30 {
            let [one, two] = &mut steady;
            let work = Program::python(format!(
                "total += sum(i * i for i in range(20_000))\n[total // {round}, total % {round}]"
            ));
            let given_up = async {
                let mut session = session(engine());
                let run = session.run(Program::javascript(
                    "const x = []; for (;;) { x.push(1); if (x.length > 1e5) x.length = 0 }",
                ));
                let _ = tokio::time::timeout(Duration::from_millis(round % 17), run).await;
            };
            let (first, second, ()) = tokio::join!(one.run(work.clone()), two.run(work), given_up);
            let expected = Some(json!([2_666_466_670_000_u64, 0]));
            assert_eq!(first.result, expected, "{first:?}");
            assert_eq!(second.result, expected, "{second:?}");
        }
    });
}

#[test]
fn handles_that_are_nearly_right_are_those_of_nobody() {
    let place = Place::with_fixture(&[]);
    let mut client = Client::start(&place, &[]);
    let session = client.session();
    client.python_in(&session, "x = 1");
    let handle = session.as_str().unwrap();
    let swapped: String = handle
        .chars()
        .map(|c| match c.is_lowercase() {
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        })
        .collect();
    let mut wrong = vec![
        handle[..42].to_owned(),
        handle[1..].to_owned(),
        format!("{handle}\0"),
        format!("{handle}="),
        format!("../{handle}"),
        format!("{handle}\u{200d}"),
        handle.replacen(&handle[..1], "\u{ff21}", 1),
        swapped,
        "*".to_owned(),
        "' or 1=1 --".to_owned(),
        "A".repeat(43),
    ];
    wrong.extend((0..1000).map(|n| format!("{n:043}")));
    let mut said = std::collections::BTreeSet::new();
    for handle in &wrong {
        let arguments = json!({ "code": "x", "session": handle });
        let result = client.call("execute", arguments);
        assert_eq!(result["isError"], true, "{handle:.60}: {result}");
        said.insert(text(&result).to_owned());
    }
    // Some are not even of the right form, which anybody knows.
    let handle = "A".repeat(1 << 20);
    let result = client.call("execute", json!({ "code": "x", "session": handle }));
    assert_eq!(result["isError"], true);
    said.retain(|said| !said.contains("is not a handle"));
    assert_eq!(said.len(), 1, "all are told the same: {said:?}");
    assert_eq!(client.python_in(&session, "x")["result"], 1);
}
