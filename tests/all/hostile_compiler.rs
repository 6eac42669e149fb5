//! What a compiler can do to us that is not ours, or that a hostile component took
//! over.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::caller::Caller;
use contract::outcome::{Outcome, RunError};
use contract::program::Form;
use sandbox::{Artifact, Compiler, Engine, Metering};
use worker::compile::CompileLimits;

use crate::compiling::{
    ANNA, BERT, blocks, command, compiler, engine, machine_code, module, program, refused, run,
    runs, trapping,
};
use crate::harness::{alive, ends};
use crate::library::tokio;

/// A program in place of the compiler.
struct Script {
    folder: tempfile::TempDir,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compiler");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn compiler(&self, limits: CompileLimits) -> Arc<dyn Compiler> {
        compiler(self.path("compiler"), limits)
    }

    fn engine(&self) -> Engine {
        let limits = CompileLimits {
            time: Duration::from_secs(1),
            code: 1 << 20,
            ..Default::default()
        };
        engine(self.compiler(limits), None)
    }
}

#[test]
fn whatever_a_compiler_does_ends_as_a_typed_error() {
    let crash = "the compiler crashed on the component: it ";
    let wrong = "the compiler made something of the component that is no machine code";
    let time = "the component takes longer than 1 s to compile";
    let size = "the component makes more than 1 MiB of machine code";
    for (what, script, expected) in [
        ("hangs", "exec sleep 100", time),
        ("computes for ever", "while :; do :; done", time),
        (
            "hangs and ignores signals",
            "trap '' TERM INT HUP; while :; do :; done",
            time,
        ),
        (
            "crashes",
            "kill -SEGV $$",
            &format!("{crash}was ended by signal 11"),
        ),
        (
            "is ended by the system",
            "kill -KILL $$",
            &format!("{crash}was ended by signal 9"),
        ),
        ("uses up its time", "kill -XCPU $$", time),
        ("fills its file", "kill -XFSZ $$", size),
        ("exits", "exit 3", &format!("{crash}ended with status 3")),
        ("says nothing", "exit 0", wrong),
        ("says something else", "echo hello; exit 0", wrong),
        ("says half a header", "printf '\\177ELF'; exit 0", wrong),
        (
            "makes its file very large",
            "truncate -s 100G /proc/self/fd/1; exit 0",
            wrong,
        ),
        (
            "gives no reason",
            "exit 10",
            &format!("{crash}ended with status 10"),
        ),
        (
            "gives a reason without end",
            "head -c 1000000 /dev/zero; exit 10",
            &format!("{crash}ended with status 10"),
        ),
        (
            "gives a reason that does something to terminals",
            "printf 'is \\033[2J\\n\\200bad'; exit 10",
            "the component is \u{fffd}[2J \u{fffd}bad",
        ),
        (
            "says much before it crashes",
            "head -c 10000000 /dev/zero >&2; exit 4",
            &format!("{crash}ended with status 4"),
        ),
        (
            "leaves a process that writes",
            "(sleep 1; echo x; sleep 100) & exit 0",
            wrong,
        ),
    ] {
        let script = Script::new(script);
        let engine = script.engine();
        let started = Instant::now();
        let why = tokio().block_on(async { refused(run(&engine, ANNA, &command("")).await) });
        assert_eq!(why, expected, "{what}");
        let took = started.elapsed();
        assert!(took < Duration::from_secs(3), "{what}: {took:?}");
    }
    // Twins: the same ways to end are fine where there is machine code.
    for script in [
        "cat \"${0%/*}/code\"",
        "echo warning >&2; cat \"${0%/*}/code\"",
    ] {
        let script = Script::new(script);
        let code = machine_code(Form::Component, &command(""));
        std::fs::write(script.path("code"), code).unwrap();
        runs(tokio().block_on(run(&script.engine(), ANNA, &command(""))));
    }
}

#[test]
fn machine_code_of_another_form_or_too_much_of_it_is_refused() {
    let script = Script::new("cat \"${0%/*}/code\"");
    let check = |code: &[u8], expected: &str| {
        std::fs::write(script.path("code"), code).unwrap();
        let engine = script.engine();
        let why = tokio().block_on(async { refused(run(&engine, ANNA, &command("")).await) });
        assert_eq!(why, expected);
    };
    let wrong = "the compiler made something of the component that is no machine code";
    check(&machine_code(Form::Module, &module(&[])), wrong);
    let code = machine_code(Form::Component, &command(""));
    check(&code[..code.len() / 2], wrong);
    let padded = [&code[..], &vec![0; 1 << 20]].concat();
    check(
        &padded,
        "the component makes more than 1 MiB of machine code",
    );
    // Compiled for something else, as an older version would.
    let other = machine_code_for_fuel(&command(""));
    check(&other, wrong);
}

fn machine_code_for_fuel(binary: &[u8]) -> Vec<u8> {
    let precompiler = sandbox::Precompiler::new(Metering::Fuel, false).unwrap();
    precompiler.compile(Form::Component, binary).unwrap()
}

#[test]
fn what_a_compiler_left_behind_cannot_change_its_answer() {
    // A process of its own group, which no signal to the compiler reaches.
    let script = Script::new(
        "cat \"${0%/*}/code\"
         setsid sh -c 'sleep 0.3; printf XXXXXXXX > /proc/self/fd/1; echo $? > \"$1\"' sh \"${0%/*}/said\" 2>&1 &
         sleep 0.1",
    );
    let code = machine_code(Form::Component, &command(""));
    std::fs::write(script.path("code"), &code).unwrap();
    let engine = script.engine();
    tokio().block_on(async {
        let artifact = engine
            .artifact(command("").into(), Metering::Off, ANNA)
            .await
            .unwrap();
        // Until it tried.
        let said = script.path("said");
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::fs::read_to_string(&said)
            .unwrap_or_default()
            .is_empty()
        {
            assert!(Instant::now() < deadline, "it did not try");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(contents(&artifact), code);
    });
}

fn contents(artifact: &Artifact) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; artifact.size().unwrap() as usize];
    let file = artifact.file().unwrap();
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn a_compiler_that_cannot_be_started_is_a_failure_of_the_host() {
    let nowhere = compiler("/nowhere/at/all", CompileLimits::default());
    let engine = engine(nowhere, None);
    let end = tokio().block_on(run(&engine, ANNA, &command("")));
    match end {
        Err(RunError::Host(error)) => {
            assert_eq!(error.to_string(), "compiling a component failed");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_compiler_gets_no_environment_and_no_folder() {
    let script = Script::new(
        "printf 'has '; tr '\\0' ' ' < /proc/$$/environ; readlink /proc/$$/cwd; exit 10",
    );
    let engine = script.engine();
    let why = tokio().block_on(async { refused(run(&engine, ANNA, &command("")).await) });
    assert_eq!(why, "the component has / ");
}

#[test]
fn a_compiler_ends_when_nobody_waits_any_more() {
    let script = Script::new("echo $$ > \"${0%/*}/pid\"; exec sleep 100");
    let engine = engine(script.compiler(CompileLimits::default()), None);
    tokio().block_on(async {
        let pid = async {
            loop {
                let text = std::fs::read_to_string(script.path("pid")).unwrap_or_default();
                if let Ok(pid) = text.trim().parse::<u64>() {
                    return pid;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let component = command("");
        let pid = tokio::select! {
            end = run(&engine, ANNA, &component) => panic!("{end:?}"),
            pid = pid => pid,
        };
        let dropped = Instant::now();
        while alive(pid) {
            assert!(dropped.elapsed() < Duration::from_millis(250));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
}

/// The real compiler at work for a long time, started by a shell.
struct AtWork {
    shell: std::process::Child,
    pid: u64,
    _place: tempfile::TempDir,
}

impl AtWork {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("bomb.wasm"), module(&[blocks(130_000)])).unwrap();
        let script = "exec 7< bomb.wasm; \
             \"$1\" __compile module off 2 60000 4294967296 1048576 $$ < bomb.wasm > out & \
             echo $!; wait";
        let mut shell = std::process::Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(program())
            .current_dir(place.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = shell.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let pid = line.trim().parse().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        assert!(alive(pid), "it compiles");
        Self {
            shell,
            pid,
            _place: place,
        }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.pid)).unwrap()
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[test]
fn a_compiler_ends_with_who_started_it() {
    let mut at_work = AtWork::new();
    at_work.shell.kill().unwrap();
    at_work.shell.wait().unwrap();
    ends(at_work.pid);
}

#[test]
fn a_compiler_gives_up_what_it_does_not_need() {
    let at_work = AtWork::new();
    let status = at_work.read("status");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    let limits = at_work.read("limits");
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("{name}: {limits}"));
        line.split_whitespace().next().unwrap().to_owned()
    };
    for (name, expected) in [
        ("Max cpu time", "60"),
        ("Max file size", "1048576"),
        ("Max core file size", "0"),
        ("Max processes", "0"),
        ("Max open files", "0"),
        ("Max locked memory", "0"),
        ("Max address space", "4294967296"),
    ] {
        assert_eq!(limit(name), expected, "{name}");
    }
    // Who is not root cannot even look.
    match std::fs::read_dir(format!("/proc/{}/fd", at_work.pid)) {
        Ok(open) => {
            let mut open: Vec<_> = open.map(|entry| entry.unwrap().file_name()).collect();
            open.sort();
            assert_eq!(open, ["0", "1", "2"]);
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
    }
}

/// A script that takes a third of a second and counts how many of it run.
const COUNTING: &str = "\
mkdir \"${0%/*}/running.$$\"
ls -d \"${0%/*}\"/running.* | wc -l >> \"${0%/*}/counts\"
sleep 0.3
rmdir \"${0%/*}/running.$$\"
exit 3";

#[test]
fn few_are_compiled_at_once_and_one_of_each_caller() {
    let most = |callers: &[Caller]| {
        let script = Script::new(COUNTING);
        let engine = script.engine();
        tokio().block_on(async {
            let runs = callers.iter().enumerate().map(|(number, &caller)| {
                let engine = engine.clone();
                let own = command(&format!("(func (export \"n{number}\"))"));
                async move { drop(refused(run(&engine, caller, &own).await)) }
            });
            futures_util::future::join_all(runs).await;
        });
        let counts = std::fs::read_to_string(script.path("counts")).unwrap();
        let counts: Vec<u32> = counts
            .lines()
            .map(|line| line.trim().parse().unwrap())
            .collect();
        assert_eq!(counts.len(), callers.len());
        counts.into_iter().max().unwrap()
    };
    assert_eq!(most(&[ANNA; 4]), 1);
    let many: Vec<_> = (1..=6).map(|number| Caller([number; 32])).collect();
    assert_eq!(most(&many), 2);
}

#[test]
fn a_subverted_compiler_hits_nobody_but_who_brought_the_component() {
    let place = tempfile::tempdir().unwrap();
    let component = command("");
    // It gives code of its own choice for Anna's component.
    let subverted = Script::new("cat \"${0%/*}/code\"");
    let code = machine_code(Form::Component, &trapping());
    std::fs::write(subverted.path("code"), code).unwrap();
    let subverted = engine(
        subverted.compiler(CompileLimits::default()),
        Some(place.path()),
    );
    let honest = || {
        let compiler = compiler(program(), CompileLimits::default());
        engine(compiler, Some(place.path()))
    };
    let is_subverted = |end: Result<Outcome, RunError>| matches!(end, Err(RunError::Crashed(_)));
    tokio().block_on(async {
        assert!(is_subverted(run(&subverted, ANNA, &component).await));
        let honest = honest();
        // The folder has it, for her alone.
        assert!(is_subverted(run(&honest, ANNA, &component).await));
        runs(run(&honest, BERT, &component).await);
        runs(run(&subverted, BERT, &component).await);
        // Nor does it stand for another component of hers.
        runs(run(&honest, ANNA, &command("(func)")).await);
    });
}
