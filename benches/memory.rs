//! What an idle session holds: the proportional share of memory of many
//! sessions that each ran something and now wait, over this process and all that
//! it started.
//!
//! `cargo bench --bench memory`; Linux only, because it reads `/proc`, and for
//! root, because nobody else may look into a worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use wasm_coordinator::{
    Engine, EngineOptions, Guest, Isolation, Metering, Program, Session, SessionOptions, Status,
    Toolbox,
};

const SESSIONS: usize = 300;

/// The sum of a field of this process and all that it started, in KiB.
fn held(file: &str, field: &str) -> u64 {
    let mut processes = vec![std::process::id()];
    let mut sum = 0;
    while let Some(process) = processes.pop() {
        let text = std::fs::read_to_string(format!("/proc/{process}/{file}"))
            .expect("root may read it, and nothing ends meanwhile");
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        sum += number.expect("a number of KiB");
        let children = format!("/proc/{process}/task");
        for task in std::fs::read_dir(children).expect("it is there") {
            let children = task.expect("it is there").path().join("children");
            let children = std::fs::read_to_string(children).unwrap_or_default();
            processes.extend(
                children
                    .split_whitespace()
                    .map_while(|id| id.parse::<u32>().ok()),
            );
        }
    }
    sum
}

fn main() {
    // The launcher of the workers is this program.
    wasm_coordinator::isolation::entry();
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let tools = Arc::new(Toolbox::default());
    for (place, isolation) in [
        ("worker", Isolation::default()),
        ("in process", Isolation::InProcess),
    ] {
        for (guest, program) in [
            (Guest::Python, Program::python("x = [1, 2, 3]\nprint(x)")),
            (
                Guest::JavaScript,
                Program::javascript("const x = [1, 2, 3]; console.log(x)"),
            ),
        ] {
            let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-guests");
            let options = EngineOptions {
                cache: Some(cache),
                isolation: isolation.clone(),
                ..Default::default()
            };
            let engine = Engine::new(options).expect("this machine runs WebAssembly");
            engine
                .warm(guest, Metering::Off)
                .expect("the guests compile");
            let mut sessions = Vec::new();
            let mut open = |count: usize| {
                for _ in 0..count {
                    let mut session =
                        Session::new(&engine, Arc::clone(&tools), SessionOptions::default());
                    let report = runtime.block_on(session.run(program.clone()));
                    assert_eq!(report.status, Status::Ok, "{report:?}");
                    sessions.push(session);
                }
            };
            let now = || (held("smaps_rollup", "Pss:"), held("status", "VmPTE:"));
            // The first ones touch what all share.
            open(5);
            let before = now();
            let began = Instant::now();
            open(SESSIONS);
            let took = began.elapsed() / SESSIONS as u32;
            let after = now();
            let each = |after: u64, before: u64| {
                (after.saturating_sub(before)) as f64 / SESSIONS as f64 / 1024.0
            };
            println!(
                "{}, {place}: {:.2} MiB for each of {SESSIONS} idle sessions, and {:.2} MiB of page \
                 tables; opened in {took:.2?} each",
                guest.name(),
                each(after.0, before.0),
                each(after.1, before.1),
            );
        }
    }
}
