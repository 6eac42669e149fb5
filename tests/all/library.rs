//! The library: sessions that keep state, Rust functions as tools.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_coordinator::files::{self, Quota, Workspace};
use wasm_coordinator::{
    Engine, EngineOptions, Files, Isolation, Limits, LocalTools, Program, Report, ServerLimits,
    ServerSpec, Session, SessionOptions, Status, Toolbox,
};

use crate::harness::{guest_cache, isolation};

pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let options = EngineOptions {
            cache: Some(guest_cache()),
            isolation: isolation(),
            ..Default::default()
        };
        Engine::new(options).expect("this machine runs WebAssembly")
    })
}

pub fn tokio() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn session(tools: Toolbox, limits: Limits) -> Session {
    Session::new(
        engine(),
        tools,
        SessionOptions {
            limits,
            ..Default::default()
        },
    )
}

/// Page faults of this thread so far that needed no disk: field 10 of its
/// `stat` (proc(5)), the eighth behind the name in parentheses.
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').nth(7).unwrap().parse().unwrap()
}

/// A copied image of CPython's memory would take 9,000 page faults for each
/// sandbox, whatever its program does.
#[test]
fn a_sandbox_maps_the_image_of_its_guest_and_copies_none_of_it() {
    tokio().block_on(async {
        for program in [
            Program::python("print(1 + 1)"),
            Program::javascript("console.log(1 + 1)"),
        ] {
            // Compiles the guest, and maps its code.
            let mut first = session(Toolbox::default(), Limits::default());
            assert_eq!(first.run(program.clone()).await.status, Status::Ok);
            let before = page_faults();
            let mut second = session(Toolbox::default(), Limits::default());
            assert_eq!(second.run(program).await.status, Status::Ok);
            let faults = page_faults() - before;
            assert!(faults < 2_000, "{faults} page faults");
        }
    });
}

#[test]
fn a_session_keeps_its_state_between_runs() {
    tokio().block_on(async {
        let mut session = session(Toolbox::default(), Limits::default());
        session
            .run(Program::python("x = 20\ndef f(y): return x + y"))
            .await;
        let report = session.run(Program::python("f(22)")).await;
        assert_eq!(report.result, Some(42.into()), "{report:?}");
        session
            .run(Program::javascript(
                "const x = 1; let y = 2; function f() { return x + y }",
            ))
            .await;
        let report = session.run(Program::javascript("f()")).await;
        assert_eq!(report.result, Some(3.into()), "{report:?}");
        let report = session
            .run(Program::javascript("const x = 40; f() + x"))
            .await;
        assert_eq!(
            report.status,
            Status::Ok,
            "a name may be declared again: {report:?}"
        );
    });
}

#[test]
fn sessions_do_not_see_each_other() {
    tokio().block_on(async {
        let (mut one, mut two) = (
            session(Toolbox::default(), Limits::default()),
            session(Toolbox::default(), Limits::default()),
        );
        one.run(Program::python("secret = 1\nopen('/workspace/a', 'w').write('x')\nimport json\njson.loads = None")).await;
        let report = two
            .run(Program::python("import os, json\n['secret' in globals(), os.listdir('/workspace'), json.loads('1')]"))
            .await;
        assert_eq!(report.result, Some(json!([false, [], 1])), "{report:?}");
    });
}

#[test]
fn a_limit_costs_the_variables_but_not_the_files() {
    tokio().block_on(async {
        let limits = Limits {
            timeout: Duration::from_millis(500),
            ..Limits::default()
        };
        let mut session = session(Toolbox::default(), limits);
        session
            .run(Program::python(
                "x = 1\nopen('/workspace/kept', 'w').write('yes')",
            ))
            .await;
        let report = session.run(Program::python("while True: pass")).await;
        assert_eq!(report.status, Status::Limit, "{report:?}");
        session.limits_mut().timeout = Duration::from_secs(10);
        let report = session
            .run(Program::python(
                "[open('/workspace/kept').read(), 'x' in globals()]",
            ))
            .await;
        assert_eq!(report.result, Some(json!(["yes", false])), "{report:?}");
        let said = |report: &Report| report.warnings.iter().any(|w| w.contains("variables"));
        assert!(said(&report), "{report:?}");
        let report = session.run(Program::python("1")).await;
        assert!(!said(&report), "once: {report:?}");
    });
}

#[test]
fn a_dropped_run_stops_at_once_and_the_session_goes_on() {
    tokio().block_on(async {
        let mut session = session(Toolbox::default(), Limits::default());
        session.run(Program::python("1")).await;
        let started = Instant::now();
        let dropped = tokio::time::timeout(
            Duration::from_millis(200),
            session.run(Program::python("while True: pass")),
        )
        .await;
        assert!(dropped.is_err());
        assert!(started.elapsed() < Duration::from_secs(2));
        let report = session.run(Program::python("1 + 1")).await;
        assert_eq!(report.result, Some(2.into()), "{report:?}");
        assert!(report.warnings[0].contains("variables"), "{report:?}");
    });
}

#[test]
fn output_can_be_watched_as_it_comes() {
    tokio().block_on(async {
        let mut session = session(Toolbox::default(), Limits::default());
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        session.watch(Box::new(move |stream, bytes| {
            sink.lock().unwrap().push(format!(
                "{stream:?} {}",
                String::from_utf8_lossy(bytes).trim()
            ));
        }));
        let report = session
            .run(Program::python(
                "import sys\nprint('a')\nprint('b', file=sys.stderr)",
            ))
            .await;
        assert_eq!(report.stdout, "a\n");
        let seen = seen.lock().unwrap().join(";");
        assert!(
            seen.contains("Stdout a") && seen.contains("Stderr b"),
            "{seen}"
        );
    });
}

#[test]
fn sessions_run_beside_each_other() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        engine()
            .warm(
                wasm_coordinator::Guest::Python,
                wasm_coordinator::Metering::Off,
            )
            .unwrap();
        let hog = tokio::spawn(async {
            let limits = Limits {
                timeout: Duration::from_secs(2),
                ..Limits::default()
            };
            session(Toolbox::default(), limits)
                .run(Program::python("while True: pass"))
                .await
                .status
        });
        let mut honest = Vec::new();
        for i in 0..8 {
            honest.push(tokio::spawn(async move {
                let mut session = session(Toolbox::default(), Limits::default());
                session
                    .run(Program::python(format!("sum(range(1000)) + {i}")))
                    .await
                    .result
            }));
        }
        for (i, task) in honest.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Some(Value::from(499_500 + i)));
        }
        assert_eq!(hog.await.unwrap(), Status::Limit);
    });
}

#[test]
fn many_sandboxes_come_and_go_in_a_pool() {
    let options = EngineOptions {
        cache: Some(guest_cache()),
        pool: Some(4),
        isolation: Isolation::InProcess,
        ..Default::default()
    };
    let engine = Engine::new(options).unwrap();
    tokio().block_on(async {
        for i in 0..50 {
            let mut session = Session::new(&engine, Toolbox::default(), SessionOptions::default());
            let report = session
                .run(Program::python(format!(
                    "'marker' in globals(), {i}\nmarker = {i}\nmarker"
                )))
                .await;
            assert_eq!(report.result, Some(i.into()), "{report:?}");
            let report = Session::new(&engine, Toolbox::default(), SessionOptions::default())
                .run(Program::javascript(format!("globalThis.m ??= {i}; m")))
                .await;
            assert_eq!(report.result, Some(i.into()), "{report:?}");
        }
    });
}

#[test]
fn the_host_reads_and_writes_the_files_of_a_session() {
    tokio().block_on(async {
        let mut session = session(Toolbox::default(), Limits::default());
        session.workspace().write_file("in.txt", b"from the host").unwrap();
        let source = "text = open('/workspace/in.txt').read()\nopen('/workspace/out.txt', 'w').write(text.upper())";
        let report = session.run(Program::python(source)).await;
        assert_eq!(report.status, Status::Ok, "{report:?}");
        assert_eq!(&session.workspace().read_file("out.txt").unwrap()[..], b"FROM THE HOST");
    });
}

#[test]
fn rust_functions_are_tools_of_programs() {
    let shout = |arguments: Value| async move {
        match arguments["text"].as_str() {
            Some("") => Err("nothing to shout".to_owned()),
            Some(text) => Ok(json!({ "loud": text.to_uppercase() })),
            None => unreachable!("the schema demands it"),
        }
    };
    let schema = json!({ "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] });
    let voice = LocalTools::new().tool("shout", "Shouts.", schema, shout);
    let tools = Toolbox::new(
        vec![ServerSpec::local("voice", voice)],
        ServerLimits::default(),
    )
    .unwrap();
    tokio().block_on(async {
        let mut session = session(tools, Limits::default());
        let source = "from servers.voice import shout\n(await shout(text='hey'))['loud']";
        assert_eq!(
            session.run(Program::python(source)).await.result,
            Some("HEY".into())
        );
        let source = "import { shout } from 'servers/voice'; (await shout({ text: 'hey' })).loud";
        assert_eq!(
            session.run(Program::javascript(source)).await.result,
            Some("HEY".into())
        );
        let source = "try:\n    await shout(text='')\nexcept ToolError as e:\n    m = e.message\nm";
        let report = session.run(Program::python(source)).await;
        assert!(
            report
                .result
                .as_ref()
                .unwrap()
                .as_str()
                .unwrap()
                .contains("nothing to shout"),
            "{report:?}"
        );
        assert_eq!(report.calls.len(), 1);
    });
}

fn session_in(files: Files) -> Session {
    Session::new(
        engine(),
        Toolbox::default(),
        SessionOptions {
            files,
            ..Default::default()
        },
    )
}

#[test]
fn a_workspace_in_memory_has_the_quota_it_was_given() {
    tokio().block_on(async {
        let quota = Quota {
            bytes: 10,
            ..Quota::default()
        };
        let source = "with open('/workspace/a', 'w') as f: f.write('x' * 11)";
        let mut small = session_in(Files::Fresh(quota));
        let report = small.run(Program::python(source)).await;
        assert_eq!(report.status, Status::Error, "{report:?}");
        assert_eq!(small.workspace().usage().bytes, 10);
        let report = session_in(Files::default())
            .run(Program::python(source))
            .await;
        assert_eq!(report.status, Status::Ok, "{report:?}");
    });
}

#[test]
fn a_workspace_in_a_directory_outlives_its_session() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("ws");
    tokio().block_on(async {
        let open = || Workspace::open(&directory, Quota::default());
        let workspace = open().unwrap();
        workspace.write_file("in.txt", b"in").unwrap();
        let mut first = session_in(Files::Workspace(workspace));
        let source = "open('/workspace/out.txt', 'w').write(open('/workspace/in.txt').read() * 2)";
        let report = first.run(Program::python(source)).await;
        assert_eq!(report.status, Status::Ok, "{report:?}");
        assert_eq!(
            std::fs::read_to_string(directory.join("out.txt")).unwrap(),
            "inin"
        );

        let refused = open().unwrap_err();
        assert_eq!(refused.reason, files::Error::InUse, "{refused}");
        assert!(
            refused
                .to_string()
                .ends_with("ws`: another session uses it")
        );
        drop(first);
        let mut second = session_in(Files::Workspace(open().unwrap()));
        let report = second
            .run(Program::javascript(
                "import fs from 'fs'; fs.readFileSync('/workspace/out.txt', 'utf8')",
            ))
            .await;
        assert_eq!(report.result, Some("inin".into()), "{report:?}");
    });
}

#[test]
fn sessions_share_files_only_where_they_were_given_one_workspace() {
    tokio().block_on(async {
        let workspace = Workspace::new(Quota::default());
        let write = "open('/workspace/a', 'w').write('x')";
        let list = "import os; os.listdir('/workspace')";
        session_in(Files::Workspace(workspace.clone()))
            .run(Program::python(write))
            .await;
        let shared = session_in(Files::Workspace(workspace))
            .run(Program::python(list))
            .await;
        assert_eq!(shared.result, Some(json!(["a"])), "{shared:?}");
        let options = Files::default();
        session_in(options.clone())
            .run(Program::python(write))
            .await;
        let apart = session_in(options).run(Program::python(list)).await;
        assert_eq!(apart.result, Some(json!([])), "{apart:?}");
    });
}

#[test]
fn the_host_finds_what_a_program_left() {
    tokio().block_on(async {
        let mut session = session_in(Files::default());
        let source =
            "import os\nos.makedirs('/workspace/a/b')\nopen('/workspace/a/b/c', 'w').write('xyz')";
        session.run(Program::python(source)).await;
        let found: Vec<_> = session
            .workspace()
            .walk()
            .unwrap()
            .into_iter()
            .map(|(path, status)| (path, status.kind, status.size))
            .collect();
        let directory = |path: &str| (path.to_owned(), files::Kind::Directory, 0);
        assert_eq!(
            found,
            [
                directory("a"),
                directory("a/b"),
                ("a/b/c".to_owned(), files::Kind::File, 3)
            ]
        );
        session.workspace().create_directory("a/d/e").unwrap();
        session.workspace().create_directory("a/d/e").unwrap();
        let refused = session.workspace().create_directory("a/b/c/d").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "cannot make `a/b/c/d`: not a directory"
        );
        assert!(session.workspace().create_directory("../x").is_err());
    });
}

#[test]
fn skills_are_a_folder_of_the_workspace_and_empty_at_first() {
    tokio().block_on(async {
        let mut session = session_in(Files::default());
        let source = "import os\nbefore = os.listdir('/skills')\nopen('/skills/a', 'w').close()\n[before, sorted(os.listdir('/')), os.listdir('/skills')]";
        let report = session.run(Program::python(source)).await;
        let result = report.result.unwrap();
        assert_eq!(result[0], json!([]));
        for name in ["skills", "tmp", "workspace"] {
            assert!(result[1].as_array().unwrap().contains(&name.into()), "{result}");
        }
        assert_eq!(result[2], json!(["a"]));
        assert!(session.workspace().read_file("skills/a").is_ok());
    });
}
