//! A worker that was taken over: its coordinator hears any bytes of it, in earnest,
//! over the socket of a process that `hostile_launcher.rs` is.
//!
//! However it goes, there is one report; output, content, calls and files are
//! within the limits of the run; and the next program of the session runs.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use contract::frame::{MAX_FROM_WORKER, encode};
use contract::message::{AnswerForm, Detail, ImportedPackage, Question, ToCoordinator};
use contract::outcome::{Outcome, RunError, RunOutcome, Value};
use contract::program::Language;
use contract::worker::{FromWorker, Stream};
use serde_json::json;
use tokio::runtime::Runtime;
use wasm_coordinator::files::Quota;
use wasm_coordinator::{
    Engine, EngineOptions, Files, Isolation, Limits, LocalTools, Program, Report, ServerLimits,
    ServerSpec, Session, SessionOptions, Status, Toolbox,
};

use super::frames::from_worker;
use crate::input::Input;
use crate::runner::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "worker",
    run,
    seeds,
    words: &[],
    longest: 32 << 10,
    memory: |length| (32 << 20) + 1000 * length,
};

const TIMEOUT: Duration = Duration::from_secs(2);

/// What a run may take in which nothing waits for anything.
const QUICK: Duration = Duration::from_secs(5);

const QUOTA: Quota = Quota {
    bytes: 200_000,
    file_bytes: 100_000,
    inodes: 12,
};

fn limits() -> Limits {
    Limits {
        timeout: TIMEOUT,
        max_calls: 8,
        max_output: 1000,
        max_content: 4000,
        ..Limits::default()
    }
}

/// Calls that reached the tool.
static CALLS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static SCENE: RefCell<Scene> = RefCell::new(Scene::new());
}

struct Scene {
    runtime: Runtime,
    toolbox: std::sync::Arc<Toolbox>,
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| engine("hostile-launcher"));

/// An engine whose launcher is the program of this name, beside this one or a
/// folder above it.
pub fn engine(program: &str) -> Engine {
    let own = std::env::current_exe().expect("this program has a path");
    let mut beside = own.ancestors().skip(1).map(|folder| folder.join(program));
    let launcher: PathBuf = beside
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("`{program}` is built beside this program"));
    let options = EngineOptions {
        isolation: Isolation::Process {
            launcher: Some(launcher),
        },
        ..EngineOptions::default()
    };
    Engine::new(options).expect("there is a launcher")
}

impl Scene {
    fn new() -> Self {
        let echo = LocalTools::new().tool("echo", "Gives it back", json!({}), |arguments| {
            CALLS.fetch_add(1, Ordering::Relaxed);
            async move { Ok(arguments) }
        });
        let toolbox = Toolbox::new(
            vec![ServerSpec::local("shop", echo)],
            ServerLimits::default(),
        );
        Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("an event loop"),
            toolbox: toolbox.expect("a server").into(),
        }
    }
}

fn run(input: &[u8]) {
    let Some((&how, rest)) = input.split_first() else {
        return;
    };
    let said = match how & 2 {
        0 => rest.to_vec(),
        _ => conversation(Input::new(rest)),
    };
    SCENE.with_borrow(|scene| {
        let options = SessionOptions {
            limits: limits(),
            files: Files::Fresh(QUOTA),
            ..SessionOptions::default()
        };
        let mut session = Session::new(&ENGINE, std::sync::Arc::clone(&scene.toolbox), options);
        let mut run = |how: u8, said: &[u8]| {
            CALLS.store(0, Ordering::Relaxed);
            let begun = Instant::now();
            let report = scene.runtime.block_on(session.run(program(how, said)));
            assert!(begun.elapsed() < QUICK, "{:?}", begun.elapsed());
            let files = session.workspace();
            assert_eq!(files.usage(), files.recount());
            let usage = files.usage();
            assert!(
                usage.bytes <= QUOTA.bytes && usage.inodes <= QUOTA.inodes,
                "{usage:?}"
            );
            let listed = files.walk().expect("files can be listed");
            assert!(listed.len() as u64 <= QUOTA.inodes);
            report
        };
        judge(&run(how & !2, &said));
        let report = run(0, &fine());
        judge(&report);
        assert_eq!(
            (report.status, report.stdout.as_str()),
            (Status::Ok, "fine"),
            "{report:?}"
        );
    });
}

/// A program that makes its worker say this. `how` is what comes then: another program
/// with 1, silence with 2; and how large the pieces are.
pub fn program(how: u8, said: &[u8]) -> Program {
    let bytes = std::iter::once(&how).chain(said);
    let digits: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    Program::python(digits)
}

fn judge(report: &Report) {
    let limits = limits();
    let calls = CALLS.load(Ordering::Relaxed);
    assert!(calls <= limits.max_calls, "{calls} calls");
    assert!(
        report.calls.len() <= limits.max_calls as usize,
        "{report:?}"
    );
    assert!(
        report.usage.output_bytes <= limits.max_output,
        "{} bytes printed",
        report.usage.output_bytes
    );
    let content: usize = report.content.iter().map(|block| block.size()).sum();
    assert!(content as u64 <= limits.max_content, "{content} bytes");
    assert!(
        report.content.len() <= 64,
        "{} blocks",
        report.content.len()
    );
    assert_eq!(
        report.error.is_none(),
        report.status == Status::Ok,
        "{report:?}"
    );
    if let Some(error) = &report.error {
        assert!(
            !error.kind.is_empty() && !error.message.is_empty(),
            "{error:?}"
        );
    }
    // As `exec --json` and `serve` pass it on.
    let json = report.to_json(|_| None).to_string();
    let read: serde_json::Value = serde_json::from_str(&json).expect("a report is JSON");
    assert_eq!(read["status"], json!(report.status));
}

/// What a worker says that has nothing to hide.
pub fn fine() -> Vec<u8> {
    let end = RunOutcome {
        end: Ok(Outcome {
            result: Ok(Value::Nothing),
            warnings: Vec::new(),
        }),
        ..RunOutcome::failed(RunError::Crashed(String::new()))
    };
    let mut said = Vec::new();
    for message in [
        FromWorker::Printed(Stream::Stdout, "fine".into()),
        FromWorker::Ended(Box::new(end)),
    ] {
        encode(&message, MAX_FROM_WORKER, &mut said).expect("it is a message");
    }
    said
}

/// Messages of ours, in any order and with other numbers.
fn conversation(mut input: Input<'_>) -> Vec<u8> {
    let known = from_worker();
    let mut said = Vec::new();
    while !input.is_empty() && said.len() < 1 << 20 {
        let start = said.len();
        let message = match input.below(8) {
            0 | 1 => call(&mut input),
            // A second one before the first is answered ends the run.
            2 if input.once_in(4) => FromWorker::Ask(ToCoordinator::Ask(question(&mut input))),
            3 => {
                let length = input.one_of(&[0, 1, 10, 500, 990, 1001, 5000]);
                let stream = input.one_of(&[Stream::Stdout, Stream::Stderr]);
                FromWorker::Printed(stream, vec![b'x'; length].into())
            }
            4 => FromWorker::Ask(ToCoordinator::Taken {
                bytes: input.number(),
            }),
            _ => {
                let at = input.below(known.len());
                let is_last = matches!(
                    known[at],
                    FromWorker::Ended(_) | FromWorker::Ask(ToCoordinator::Ask(_))
                );
                if is_last && !input.once_in(8) {
                    continue;
                }
                encode(&known[at], MAX_FROM_WORKER, &mut said).expect("it is a message");
                continue;
            }
        };
        encode(&message, MAX_FROM_WORKER, &mut said).expect("it is a message");
        if input.once_in(64) {
            let at = start + input.below(said.len() - start);
            said[at] ^= 1 << input.below(8);
        }
    }
    said
}

fn call(input: &mut Input<'_>) -> FromWorker {
    let id = input.below(10) as u32;
    FromWorker::Ask(match input.below(8) {
        0 => ToCoordinator::Cancel { id },
        _ => ToCoordinator::Call {
            id,
            tool: input.text(&["shop.echo", "shop", "", "shop.eco", "list_resources"]),
            arguments: input.json(&["a", "text"], 2).to_string(),
            form: input.one_of(&[AnswerForm::Value, AnswerForm::Whole]),
        },
    })
}

fn question(input: &mut Input<'_>) -> Question {
    let server = input.text(&["shop", "", "shpo"]);
    match input.below(5) {
        0 => Question::Describe {
            server,
            language: input.one_of(&[Language::Python, Language::TypeScript]),
        },
        1 => Question::Search {
            query: input.text(&["echo", "gives", ""]),
            detail: input.one_of(&[Detail::Brief, Detail::Full]),
            server: input.once_in(2).then_some(server),
            limit: input.number() as u32,
        },
        2 => Question::Stubs {
            server,
            known: input.once_in(2).then(|| input.number()),
        },
        3 => Question::Resources {
            server,
            known: None,
        },
        _ => Question::Import {
            packages: vec![ImportedPackage {
                name: server,
                functions: vec![input.text(&["echo", ""])],
            }],
        },
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![0], [&[1][..], &fine()].concat()];
    let mut all = vec![0xfc];
    for message in from_worker() {
        encode(&message, MAX_FROM_WORKER, &mut all).expect("it is a message");
    }
    seeds.push(all);
    seeds
}
