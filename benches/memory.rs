//! What an idle session holds: the proportional share of memory of many
//! sessions that each ran something and now wait.
//!
//! `cargo bench --bench memory`; Linux only, because it reads `/proc`.

use std::path::PathBuf;
use std::sync::Arc;

use wasm_coordinator::{
    Engine, EngineOptions, Guest, Metering, Program, Session, SessionOptions, Status, Toolbox,
};

const SESSIONS: usize = 100;

/// The proportional set size of this process, in KiB.
fn held() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("this is Linux");
    let line = rollup
        .lines()
        .find(|line| line.starts_with("Pss:"))
        .expect("it has the sum");
    line.split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .expect("a number of KiB")
}

fn main() {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-guests");
    let options = EngineOptions {
        cache: Some(cache),
        ..Default::default()
    };
    let engine = Engine::new(options).expect("this machine runs WebAssembly");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let tools = Arc::new(Toolbox::default());
    for (guest, program) in [
        (Guest::Python, Program::python("x = [1, 2, 3]\nprint(x)")),
        (
            Guest::JavaScript,
            Program::javascript("const x = [1, 2, 3]; console.log(x)"),
        ),
    ] {
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
        // The first ones touch what all share.
        open(5);
        let before = held();
        open(SESSIONS);
        let each = (held() - before) as f64 / SESSIONS as f64 / 1024.0;
        println!("{}: {each:.2} MiB for each idle session", guest.name());
    }
}
