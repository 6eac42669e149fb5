//! A worker that was taken over and asks for more than it reads: what its
//! coordinator holds for it.

use std::time::Duration;

use contract::frame::{MAX_FROM_WORKER, encode};
use contract::message::{AnswerForm, Detail, Question, ToCoordinator};
use contract::worker::FromWorker;
use serde_json::{Value, json};
use wasm_coordinator::{
    Limits, LocalTools, Report, ServerLimits, ServerSpec, Session, SessionOptions, Status, Toolbox,
};
use wasm_coordinator_fuzz::peak;
use wasm_coordinator_fuzz::targets::worker::{engine, fine, program};

/// What a result has, and the definition of a tool.
const LARGE: usize = 1 << 20;

/// What comes of it that a worker says this, and then nothing more; it reads nothing.
fn report_of(said: &[ToCoordinator]) -> (Report, usize) {
    let text = "x".repeat(LARGE);
    let schema = json!({ "type": "object", "description": text });
    let large = LocalTools::new().tool("large", "", schema, move |_| {
        let text = Value::from(text.as_str());
        async { Ok(text) }
    });
    let toolbox = Toolbox::new(vec![ServerSpec::local("s", large)], ServerLimits::default());
    let options = SessionOptions {
        limits: Limits {
            timeout: Duration::from_secs(5),
            ..Limits::default()
        },
        ..SessionOptions::default()
    };
    let engine = engine("hostile-launcher");
    let mut session = Session::new(&engine, toolbox.unwrap(), options);
    let mut bytes = Vec::new();
    for message in said {
        let message = FromWorker::Ask(message.clone());
        encode(&message, MAX_FROM_WORKER, &mut bytes).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    peak(|| runtime.block_on(session.run(program(0xfe, &bytes))))
}

#[track_caller]
fn is_ended(said: &[ToCoordinator]) {
    let (report, peak) = report_of(said);
    assert_eq!(report.status, Status::Error, "{report:?}");
    let message = report.error.unwrap().message;
    assert!(message.contains("said what it never says"), "{message}");
    assert!(peak < 100 * LARGE, "{peak} bytes");
}

fn call(id: u32) -> ToCoordinator {
    ToCoordinator::Call {
        id,
        tool: "s.large".to_owned(),
        arguments: "{}".to_owned(),
        form: AnswerForm::Value,
    }
}

fn question() -> ToCoordinator {
    ToCoordinator::Ask(Question::Search {
        query: String::new(),
        detail: Detail::Full,
        server: None,
        limit: 10,
    })
}

#[test]
fn a_worker_that_takes_results_which_it_did_not_read_is_ended() {
    let mut said = Vec::new();
    for id in 0..200 {
        said.extend([call(id), ToCoordinator::Taken { bytes: 64 << 20 }]);
    }
    is_ended(&said);
}

#[test]
fn a_worker_that_asks_on_and_reads_no_answer_is_ended() {
    is_ended(&vec![question(); 300]);
}

/// Its twin: one that waits for what it asked for is waited for.
#[test]
fn a_worker_that_reads_nothing_and_asks_once_ends_at_its_limit() {
    let (report, peak) = report_of(&[call(1), question()]);
    assert_eq!(report.status, Status::Limit, "{report:?}");
    assert!(peak < 100 * LARGE, "{peak} bytes");
}

/// What a worker says behind the end of a program is not heard in the next one.
#[test]
fn a_worker_that_says_more_after_its_program_is_not_kept() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let engine = engine("hostile-launcher");
    for behind in [&[][..], &[1], &[9; 100]] {
        let mut session = Session::new(&engine, Toolbox::default(), SessionOptions::default());
        let said = [&fine()[..], behind].concat();
        for _ in 0..2 {
            // It waits for the next program.
            let report = runtime.block_on(session.run(program(0xfd, &said)));
            assert_eq!(report.status, Status::Ok, "{report:?}");
            assert_eq!(report.stdout, "fine");
        }
    }
}
