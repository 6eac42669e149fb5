//! The second wall from outside: what happens when a process of it dies, and what
//! is left when the coordinator does.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use wasm_coordinator::isolation::IsolationKind;
use wasm_coordinator::{
    Caller, Files, Program, Report, Session, SessionOptions, Status, Toolbox, files::Quota,
};

use crate::harness::Place;
use crate::library::{engine, tokio};

fn session(caller: Option<Caller>) -> Session {
    let options = SessionOptions {
        caller,
        ..Default::default()
    };
    Session::new(engine(), Toolbox::default(), options)
}

/// The processes below one, with their command lines.
fn below(pid: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(child) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1));
        if parent.and_then(|parent| parent.parse().ok()) == Some(pid) {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((child, String::from_utf8_lossy(&command).into_owned()));
            found.extend(below(child));
        }
    }
    found
}

/// Launchers and workers below a process.
fn launched(pid: u32) -> Vec<u32> {
    let all = below(pid);
    let launched = all
        .iter()
        .filter(|(_, command)| command.contains("__launcher"));
    launched.map(|(pid, _)| *pid).collect()
}

/// Starts a command, and waits until its program has printed `up`.
fn up(command: &mut Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"up\n");
    child
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    let _ = kill_process(pid, signal);
}

/// Waits until none of these processes is left.
#[track_caller]
fn end(pids: &[u32]) {
    let began = Instant::now();
    let is_there = |pid: &&u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // One that nobody waited for is gone all the same.
        !stat.is_empty() && !stat.contains(") Z ")
    };
    while let Some(pid) = pids.iter().find(is_there) {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{pid} is still there"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn both(python: &str, javascript: &str) -> [Program; 2] {
    [Program::python(python), Program::javascript(javascript)]
}

#[track_caller]
fn ok(report: Report) -> Report {
    assert_eq!(report.status, Status::Ok, "{report:?}");
    report
}

#[test]
fn a_run_says_that_it_had_a_process_of_its_own() {
    tokio().block_on(async {
        for program in both("1 + 1", "1 + 1") {
            let report = ok(session(None).run(program).await);
            assert_eq!(report.usage.isolation.kind, IsolationKind::Process);
        }
    });
}

#[test]
fn an_interrupted_session_has_its_files_and_says_that_its_variables_are_gone() {
    tokio().block_on(async {
        let mut session = session(None);
        ok(session
            .run(Program::python("x = 1\nopen('kept', 'w').write('kept')"))
            .await);
        let spins = Program::python("open('kept', 'w').write('lost')\nwhile True: pass");
        let run = session.run(spins);
        // Whoever drops the run ends its process.
        let dropped = tokio::time::timeout(Duration::from_millis(300), run).await;
        assert!(dropped.is_err());
        assert_eq!(session.workspace().read_file("kept").unwrap(), "kept");
        let report = ok(session.run(Program::python("open('kept').read()")).await);
        assert_eq!(report.result, Some("kept".into()));
        assert!(report.warnings[0].contains("variables"), "{report:?}");
        let report = session.run(Program::python("x")).await;
        assert_eq!(report.error.unwrap().kind, "NameError");
    });
}

#[test]
fn what_a_program_leaves_at_its_limit_is_kept() {
    tokio().block_on(async {
        let mut session = session(None);
        session.limits_mut().timeout = Duration::from_millis(500);
        for (program, name) in both(
            "open('py', 'w').write('left')\nwhile True: pass",
            "const fs = await import('node:fs'); fs.writeFileSync('js', 'left'); while (true) {}",
        )
        .into_iter()
        .zip(["py", "js"])
        {
            let report = session.run(program).await;
            assert_eq!(report.status, Status::Limit, "{report:?}");
            assert_eq!(session.workspace().read_file(name).unwrap(), "left");
        }
    });
}

#[test]
fn both_languages_of_a_session_see_its_files() {
    tokio().block_on(async {
        let mut session = session(None);
        ok(session
            .run(Program::python("open('a', 'w').write('py')"))
            .await);
        let reads = "const fs = await import('node:fs'); fs.readFileSync('a', 'utf8')";
        let report = ok(session.run(Program::javascript(reads)).await);
        assert_eq!(report.result, Some("py".into()));
        session.workspace().write_file("a", b"host").unwrap();
        let writes = "import os\ntext = open('a').read()\nos.rename('a', 'b')\ntext";
        let report = ok(session.run(Program::python(writes)).await);
        assert_eq!(report.result, Some("host".into()));
        assert!(session.workspace().read_file("a").is_err());
        let lists = "const fs = await import('node:fs'); fs.readdirSync('.')";
        let report = ok(session.run(Program::javascript(lists)).await);
        assert_eq!(report.result, Some(json!(["b"])));
    });
}

#[test]
fn a_handle_that_is_open_between_programs_stays_open() {
    tokio().block_on(async {
        let mut session = session(None);
        ok(session
            .run(Program::python(
                "f = open('log', 'w'); f.write('a'); f.flush()",
            ))
            .await);
        session.workspace().write_file("other", b"x").unwrap();
        ok(session
            .run(Program::python("f.write('b'); f.flush()"))
            .await);
        assert_eq!(session.workspace().read_file("log").unwrap(), "ab");
        session.workspace().write_file("another", b"y").unwrap();
        ok(session
            .run(Program::python(
                "import os\nos.remove('log')\nf.write('c'); f.close()",
            ))
            .await);
        assert!(session.workspace().read_file("log").is_err());
        assert_eq!(session.workspace().usage(), session.workspace().recount());
        assert_eq!(session.workspace().usage().inodes, 2);
    });
}

#[test]
fn a_workspace_in_a_directory_is_what_programs_left() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("ws");
    fs::create_dir_all(directory.join("old/deep")).unwrap();
    fs::write(directory.join("old/deep/a.txt"), "before").unwrap();
    let workspace = wasm_coordinator::files::Workspace::open(&directory, Quota::default()).unwrap();
    let options = SessionOptions {
        files: Files::Workspace(workspace),
        ..Default::default()
    };
    tokio().block_on(async {
        let mut session = Session::new(engine(), Toolbox::default(), options);
        let program = "
import os
assert open('old/deep/a.txt').read() == 'before'
os.makedirs('new/folder')
os.rename('old/deep/a.txt', 'new/folder/b.txt')
os.removedirs('old/deep')
with open('sparse', 'wb') as f:
    f.seek(3_000_000); f.write(b'end')
open('/tmp/t', 'w').write('temporary')";
        ok(session.run(Program::python(program)).await);
        assert_eq!(
            fs::read_to_string(directory.join("new/folder/b.txt")).unwrap(),
            "before"
        );
        assert!(!directory.join("old").exists());
        let sparse = fs::read(directory.join("sparse")).unwrap();
        assert_eq!(
            (sparse.len(), &sparse[3_000_000..]),
            (3_000_003, &b"end"[..])
        );
        let again = "open('/tmp/t').read() + open('new/folder/b.txt').read()";
        let report = ok(session.run(Program::python(again)).await);
        assert_eq!(report.result, Some("temporarybefore".into()));
    });
}

#[test]
fn what_others_put_into_a_directory_is_not_followed() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("ws");
    let workspace = wasm_coordinator::files::Workspace::open(&directory, Quota::default()).unwrap();
    let options = SessionOptions {
        files: Files::Workspace(workspace),
        ..Default::default()
    };
    let secret = place.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    tokio().block_on(async {
        let mut session = Session::new(engine(), Toolbox::default(), options);
        ok(session
            .run(Program::python(
                "open('a', 'w').write('a')\nopen('b', 'w').write('b')",
            ))
            .await);
        fs::remove_file(directory.join("a")).unwrap();
        std::os::unix::fs::symlink(&secret, directory.join("a")).unwrap();
        session.workspace().write_file("c", b"c").unwrap();
        let program = "
import os
names = sorted(os.listdir('.'))
open('a', 'w').write('written')
names";
        let report = session.run(Program::python(program)).await;
        // What is known of it stays, and nothing is written through the link.
        assert_eq!(report.result, Some(json!(["a", "b", "c"])), "{report:?}");
        assert_eq!(report.status, Status::HostError);
        assert!(report.error.unwrap().message.contains("not kept"));
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    });
}

#[test]
fn a_worker_that_is_killed_costs_one_run() {
    let place = Place::new();
    place.write(
        "a.py",
        "import time\nprint('up', flush=True)\nwhile True: pass",
    );
    let child = up(place
        .command(&["exec", "--timeout", "60s", "a.py"])
        .stderr(Stdio::piped()));
    // The launcher is the child, the worker its child.
    let workers: Vec<u32> = launched(child.id()).into_iter().skip(1).collect();
    assert_eq!(workers.len(), 1);
    signal(workers[0], Signal::KILL);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("its process was ended by signal 9"), "{said}");
}

#[test]
fn a_worker_that_is_stopped_ends_at_the_limit_of_its_run() {
    let place = Place::new();
    place.write("a.py", "print('up', flush=True)\nwhile True: pass");
    let child = up(place
        .command(&["exec", "--timeout", "3s", "a.py"])
        .stderr(Stdio::piped()));
    let all = launched(child.id());
    signal(all[1], Signal::STOP);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    end(&all);
}

#[test]
fn nothing_is_left_when_the_coordinator_is_killed() {
    let place = Place::new();
    for source in [
        "print('up', flush=True)\nwhile True: pass",
        "print('up', flush=True)\nimport time\ntime.sleep(60)",
    ] {
        place.write("a.py", source);
        let mut child = up(place
            .command(&["exec", "--timeout", "60s", "a.py"])
            .stderr(Stdio::null()));
        let all = launched(child.id());
        assert_eq!(all.len(), 2, "a launcher and a worker");
        child.kill().unwrap();
        child.wait().unwrap();
        end(&all);
    }
}

#[test]
fn sessions_go_on_when_their_launcher_is_killed() {
    let place = Place::new();
    let source =
        "print('up', flush=True)\nimport sys\nfor line in sys.stdin: print('goes on', line)";
    place.write("a.py", source);
    let mut child = up(place
        .command(&["exec", "a.py"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped()));
    let launcher = launched(child.id())[0];
    signal(launcher, Signal::KILL);
    end(&[launcher]);
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"here\n").unwrap();
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("goes on here"), "{said}");
    assert_eq!(output.status.code(), Some(0));
}

/// The bound of the kernel is around the limit, and follows it from run to run.
#[test]
fn a_process_may_write_as_much_memory_as_its_run_needs() {
    let writable = |pid: u32| {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max data size"));
        let soft = line.unwrap().split_whitespace().next().unwrap().to_owned();
        soft.parse::<u64>().map(|bytes| bytes >> 20)
    };
    let place = Place::new();
    place.write(
        "a.py",
        "print('up', flush=True)\nimport sys\nsys.stdin.read()",
    );
    let bound = |memory: &str, is_expected: &dyn Fn(u64) -> bool| {
        let mut child = up(place
            .command(&["exec", "--memory", memory, "a.py"])
            .stdin(Stdio::piped()));
        let pids = launched(child.id());
        let [launcher, worker] = pids[..] else {
            panic!("a launcher and a worker: {pids:?}");
        };
        assert!(writable(launcher).is_err(), "the launcher has no bound");
        // Where memory ends, these end and not their coordinator.
        for pid in [launcher, worker] {
            let score = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
            assert_eq!(score.trim(), "500");
        }
        // The coordinator learns the number of the worker while it runs already.
        let began = Instant::now();
        let mut bound = writable(worker).unwrap();
        while !is_expected(bound) && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
            bound = writable(worker).unwrap();
        }
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        bound
    };
    // Beside the limit: files twice, and 512 MiB for everything else.
    let small = bound("100M", &|bound| bound < 256 + 2 * 100 + 512);
    let large = bound("3G", &|bound| bound > 3 * 1024);
    assert_eq!(large - small, 3 * 1024 - 100);
}

#[test]
fn no_secret_of_the_coordinator_is_in_the_processes_of_its_sessions() {
    const CANARY: &str = "canary-5f1e0c9ab7d24c";
    let place = Place::new().variable("COORDINATOR_CANARY", CANARY);
    place.write(
        "a.py",
        "print('up', flush=True)\nimport os, sys\nsys.stdin.read()",
    );
    let mut child = up(place.command(&["exec", "a.py"]).stdin(Stdio::piped()));
    let searched = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let mut found = contains(&environment, CANARY.as_bytes());
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
        for line in maps.lines() {
            let (range, rest) = line.split_once(' ').unwrap();
            if !rest.starts_with("rw") {
                continue;
            }
            let (start, end) = range.split_once('-').unwrap();
            let start = u64::from_str_radix(start, 16).unwrap();
            let end = u64::from_str_radix(end, 16).unwrap();
            let mut bytes = vec![0; (end - start).min(64 << 20) as usize];
            if let Ok(read) = std::os::unix::fs::FileExt::read_at(&memory, &mut bytes, start) {
                found |= contains(&bytes[..read], CANARY.as_bytes());
            }
        }
        found
    };
    // The search finds it where it is.
    assert!(searched(child.id()), "the coordinator has it");
    for pid in launched(child.id()) {
        assert!(!searched(pid), "process {pid} has it");
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn the_processes_of_two_sessions_have_different_randomness() {
    tokio().block_on(async {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..8 {
            let programs = both(
                "import os, random\n[os.urandom(8).hex(), random.random()]",
                "[Math.random(), crypto.randomUUID()]",
            );
            for program in programs {
                let report = ok(session(None).run(program).await);
                for value in report.result.unwrap().as_array().unwrap() {
                    assert!(seen.insert(value.to_string()), "{value} came twice");
                }
            }
        }
    });
}

#[test]
fn a_caller_gets_its_process_again_and_nobody_elses() {
    let anna = Some(Caller([1; 32]));
    let bert = Some(Caller([2; 32]));
    tokio().block_on(async {
        for caller in [anna, bert, anna, None, anna] {
            for program in both(
                "import builtins\nhad = hasattr(builtins, 'mark')\nbuiltins.mark = 'left'\nimport os\n[had, os.listdir('/workspace')]",
                "const had = 'mark' in globalThis; globalThis.mark = 'left'; [had, (await import('node:fs')).readdirSync('.')]",
            ) {
                let mut session = session(caller);
                let report = ok(session.run(program).await);
                assert_eq!(report.result, Some(json!([false, []])));
                ok(session.run(Program::python("open('left', 'w').write('left')")).await);
            }
        }
    });
}

#[test]
fn doctor_names_every_layer() {
    let place = Place::new();
    let ran = place.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let layers = report["layers"].as_array().unwrap();
    for name in [
        "process",
        "seccomp",
        "landlock",
        "environment",
        "death_with_parent",
    ] {
        let layer = layers.iter().find(|layer| layer["layer"] == name);
        assert!(layer.is_some(), "{name}: {report}");
    }
    let off = layers.iter().filter(|layer| layer["on"] == false).count();
    assert_eq!(ran.status, i32::from(off > 0));
    // What is required is what `doctor` says.
    let required = place.run(&["exec", "--require-isolation", "-c", "print(1)"]);
    assert_eq!(
        required.status,
        if off > 0 { 3 } else { 0 },
        "{}",
        required.stderr
    );
}
