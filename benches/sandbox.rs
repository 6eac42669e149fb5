//! What users feel: a new sandbox, a run in a live session, tool calls,
//! computing. Each in a process of its own and in this process, so that the price
//! of the second wall is in one table. Set-up stays outside the measured part.
//!
//! `cargo bench`; the figures are in `docs/performance.md`.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, criterion_group};
use serde_json::json;
use tokio::runtime::Runtime;
use wasm_coordinator::{
    AdviceMode, Caller, Engine, EngineOptions, Guest, Isolation, Limits, LocalTools, Metering,
    Program, ServerLimits, ServerSpec, Session, SessionOptions, Status, Toolbox,
};

/// The same work in both languages.
struct Work {
    name: &'static str,
    python: &'static str,
    javascript: &'static str,
}

const HELLO: Work = Work {
    name: "hello",
    python: "print(1 + 1)",
    javascript: "console.log(1 + 1)",
};

const COMPUTE: [Work; 2] = [
    Work {
        name: "fib(24)",
        python: "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(24)",
        javascript: "function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }\nfib(24)",
    },
    Work {
        name: "loop of 1,000,000",
        python: "s = 0\nfor i in range(1_000_000): s += i\ns",
        javascript: "let s = 0; for (let i = 0; i < 1e6; i++) s += i; s",
    },
];

const CALLS: [Work; 3] = [
    Work {
        name: "1,000 calls one after the other",
        python: "from servers.bench import nothing\nfor _ in range(1000): await nothing()",
        javascript: "import { nothing } from 'servers/bench'; for (let i = 0; i < 1000; i++) await nothing()",
    },
    Work {
        name: "100 calls of 10 ms at once",
        python: "import asyncio\nfrom servers.bench import slow\nawait asyncio.gather(*(slow() for _ in range(100)))\nNone",
        javascript: "import { slow } from 'servers/bench'; await Promise.all(Array.from({ length: 100 }, () => slow())); null",
    },
    Work {
        name: "a result of 1 MB",
        python: "from servers.bench import megabyte\nlen(await megabyte())",
        javascript: "import { megabyte } from 'servers/bench'; (await megabyte()).length",
    },
];

/// Where programs run, with a name for it.
fn isolations() -> [(&'static str, Isolation); 2] {
    [
        ("worker", Isolation::default()),
        ("in process", Isolation::InProcess),
    ]
}

fn engine(isolation: Isolation, pool: Option<u32>) -> Engine {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-guests");
    let options = EngineOptions {
        cache: Some(cache),
        pool,
        isolation,
        ..Default::default()
    };
    let engine = Engine::new(options).expect("this machine runs WebAssembly");
    for guest in Guest::ALL {
        engine
            .warm(guest, Metering::Off)
            .expect("the guests compile");
    }
    engine
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn toolbox() -> Toolbox {
    let object = || json!({ "type": "object" });
    let rows: Vec<_> =
        (0..12_000).map(|id| json!({ "id": id, "name": format!("row {id}"), "value": id * 7 % 1000, "ok": true })).collect();
    let rows = json!(rows);
    let tools = LocalTools::new()
        .tool("nothing", "Does nothing.", object(), |_| async {
            Ok(json!(null))
        })
        .tool("slow", "Takes 10 ms.", object(), |_| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(json!(null))
        })
        .tool("megabyte", "A table.", object(), move |_| {
            let rows = rows.clone();
            async move { Ok(rows) }
        });
    Toolbox::new(
        vec![ServerSpec::local("bench", tools)],
        ServerLimits::default(),
    )
    .expect("the tools are well-formed")
}

fn session(engine: &Engine) -> Session {
    let limits = Limits {
        max_calls: u32::MAX,
        ..Limits::default()
    };
    Session::new(
        engine,
        toolbox(),
        SessionOptions {
            limits,
            ..SessionOptions::default()
        },
    )
}

async fn run(session: &mut Session, program: Program) {
    let report = session.run(program).await;
    assert_eq!(report.status, Status::Ok, "{report:?}");
    black_box(report);
}

/// The programs of a work in both languages, with a name for each.
fn both(work: &Work) -> [(String, Program); 2] {
    [
        (
            format!("python/{}", work.name),
            Program::python(work.python),
        ),
        (
            format!("javascript/{}", work.name),
            Program::javascript(work.javascript),
        ),
    ]
}

fn fresh(c: &mut Criterion) {
    let runtime = runtime();
    let tools = std::sync::Arc::new(toolbox());
    let mut group = c.benchmark_group("new sandbox");
    let ways = [
        (
            "worker, forked when asked",
            Isolation::default(),
            None,
            None,
        ),
        ("worker, ready", Isolation::default(), Some(64), None),
        (
            "worker, of the same caller",
            Isolation::default(),
            Some(64),
            Some(Caller::ANYONE),
        ),
        ("in process", Isolation::InProcess, Some(64), None),
    ];
    for (way, isolation, pool, caller) in ways {
        let engine = engine(isolation, pool);
        for (name, program) in both(&HELLO) {
            group.bench_function(format!("{way}/{name}"), |b| {
                b.iter(|| {
                    let options = SessionOptions {
                        caller,
                        ..SessionOptions::default()
                    };
                    let tools = std::sync::Arc::clone(&tools);
                    let mut session = Session::new(&engine, tools, options);
                    runtime.block_on(run(&mut session, program.clone()));
                });
            });
        }
    }
}

fn live(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("live session");
    group.sample_size(20);
    for (place, isolation) in isolations() {
        let engine = engine(isolation, Some(64));
        for work in std::iter::once(&HELLO).chain(&COMPUTE).chain(&CALLS) {
            for (name, program) in both(work) {
                let mut session = session(&engine);
                group.bench_function(format!("{place}/{name}"), |b| {
                    b.iter(|| runtime.block_on(run(&mut session, program.clone())))
                });
            }
        }
    }
}

/// A program of 200 lines that does nothing: functions as models write them.
fn long() -> [(&'static str, Program); 2] {
    const PYTHON: &str = "\
async def report_N(rows, limit=10):
    by_name = {}
    for row in rows:
        if not row.get('name') or row['value'] < 0:
            continue
        key = re.sub(r'\\W+', '-', row['name'].strip().lower())
        by_name.setdefault(key, []).append(row['value'] * 100 / max(row['total'], 1))
    found = sorted(by_name.items(), key=lambda item: -statistics.mean(item[1]))[:limit]
    return json.dumps([{'name': name, 'mean': f'{sum(v) / len(v):.2f}'} for name, v in found])

";
    const JAVASCRIPT: &str = "\
async function report_N(rows, limit = 10) {
  const byName = {};
  for (const row of rows) {
    if (!row.name || row.value < 0) continue;
    const key = row.name.trim().toLowerCase().replace(/\\W+/g, '-');
    (byName[key] ??= []).push((row.value * 100) / Math.max(row.total, 1));
  }
  const found = Object.entries(byName).sort((a, b) => b[1].length - a[1].length).slice(0, limit);
  return JSON.stringify(found.map(([name, v]) => ({ name, mean: `${v.reduce((a, b) => a + b) / v.length}` })));
}
";
    let of = |function: &str| {
        let functions = (0..20).map(|number| function.replace('N', &number.to_string()));
        functions.collect::<String>()
    };
    [
        (
            "python",
            Program::python(format!("import json, re, statistics\n{}", of(PYTHON))),
        ),
        ("javascript", Program::javascript(of(JAVASCRIPT))),
    ]
}

fn advice(c: &mut Criterion) {
    let (engine, runtime) = (engine(Isolation::default(), Some(64)), runtime());
    let mut group = c.benchmark_group("200 lines");
    for (language, program) in long() {
        for (name, mode) in [("off", AdviceMode::Off), ("warn", AdviceMode::Warn)] {
            let options = || {
                let mut options = SessionOptions::default();
                options.advice.mode = mode;
                options.advice.denied_modules = vec!["ctypes".parse().expect("it is a name")];
                options
            };
            let mut session = Session::new(&engine, toolbox(), options());
            group.bench_function(format!("{language}/session, advice {name}"), |b| {
                b.iter(|| runtime.block_on(run(&mut session, program.clone())));
            });
            let tools = std::sync::Arc::new(toolbox());
            group.bench_function(format!("{language}/new sandbox, advice {name}"), |b| {
                b.iter(|| {
                    let tools = std::sync::Arc::clone(&tools);
                    let mut session = Session::new(&engine, tools, options());
                    runtime.block_on(run(&mut session, program.clone()));
                });
            });
        }
    }
}

criterion_group!(benches, fresh, live, advice);

fn main() {
    // The launcher of the workers is this program.
    wasm_coordinator::isolation::entry();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
