//! The command itself: flags, streams, exit codes, the JSON document, Ctrl-C.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Place, contains, ends, ok};

#[test]
fn code_on_the_command_line_prints_its_value() {
    let place = Place::new();
    assert_eq!(place.run(&["exec", "-c", "1 + 1"]).succeeds().stdout, "2\n");
    assert_eq!(
        place
            .run(&["exec", "-c", "1 + 1", "-l", "javascript"])
            .succeeds()
            .stdout,
        "2\n"
    );
    assert_eq!(
        place
            .run(&["exec", "-c", "let x: number = 2; x", "-l", "ts"])
            .succeeds()
            .stdout,
        "2\n"
    );
    assert_eq!(place.run(&["exec", "-c", "None"]).succeeds().stdout, "");
}

#[test]
fn arguments_reach_the_program_also_those_that_look_like_flags() {
    let place = Place::new();
    let source = "import sys; print(sys.argv)";
    place.write("a.py", source);
    let ran = place
        .run(&["exec", "a.py", "one", "--json", "-x"])
        .succeeds();
    assert_eq!(ran.stdout, "['a.py', 'one', '--json', '-x']\n");
    let ran = place
        .run(&["exec", "-c", source, "one", "--two"])
        .succeeds();
    assert_eq!(ran.stdout, "['script.py', 'one', '--two']\n");
    place.write("a.js", "process.argv.slice(2)");
    assert_eq!(
        ok(place.run(&["exec", "--json", "a.js", "x", "y"]).json()),
        json!(["x", "y"])
    );
}

#[test]
fn a_script_on_standard_input_is_python_unless_told() {
    let place = Place::new();
    assert_eq!(
        place
            .run_with_input(&["exec", "-"], b"print('in')")
            .succeeds()
            .stdout,
        "in\n"
    );
    let ran = place
        .run_with_input(&["exec", "-l", "js", "-"], b"console.log('in')")
        .succeeds();
    assert_eq!(ran.stdout, "in\n");
}

#[test]
fn streams_stay_apart_and_exit_codes_tell() {
    let place = Place::new();
    let ran = place
        .run(&[
            "exec",
            "-c",
            "import sys; print('out'); print('err', file=sys.stderr)",
        ])
        .succeeds();
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("out\n", "err\n")
    );
    let ran = place.run(&["exec", "-c", "1/0"]).fails_with(1);
    assert_eq!(
        ran.stderr,
        "Traceback (most recent call last):\n  File \"script.py\", line 1, in <module>\n    1/0\n    ~^~\n\
         ZeroDivisionError: division by zero\n"
    );
    place
        .run(&["exec", "-c", "import sys; sys.exit(0)"])
        .succeeds();
    place
        .run(&["exec", "-c", "import sys; sys.exit(7)"])
        .fails_with(1);
    place
        .run(&["exec", "--timeout", "200ms", "-c", "while True: pass"])
        .fails_with(3);
}

#[test]
fn the_json_document_has_the_documented_fields_and_no_others() {
    let report = Place::new()
        .run(&[
            "exec",
            "--json",
            "-c",
            "print('hi'); {'a': [1, 2.5, None, 'x']}",
        ])
        .json();
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        keys(&report),
        [
            "status", "result", "stdout", "stderr", "error", "warnings", "calls", "usage"
        ]
    );
    assert_eq!(
        keys(&report["usage"]),
        [
            "wall_ms",
            "fuel",
            "memory_peak_bytes",
            "calls",
            "output_bytes",
            "isolation"
        ]
    );
    assert_eq!(report["status"], "ok");
    assert_eq!(report["result"], json!({ "a": [1, 2.5, null, "x"] }));
    assert_eq!(report["stdout"], "hi\n");
    assert_eq!(report["error"], Value::Null);
    assert_eq!(report["usage"]["output_bytes"], 3);
    assert!(report["usage"]["memory_peak_bytes"].as_u64().unwrap() > 1 << 20);
}

#[test]
fn a_failing_program_has_kind_message_traceback_and_position() {
    let report = Place::new().python("def f(x):\n    return 1 / x\n\nf(0)\n");
    let error = &report["error"];
    assert_eq!(report["status"], "error");
    assert_eq!(error["kind"], "ZeroDivisionError");
    assert_eq!(error["message"], "division by zero");
    assert_eq!(error["position"]["file"], "script.py");
    assert_eq!(error["position"]["line"], 2);
    contains(&error["traceback"], "line 4, in <module>");
}

#[test]
fn invalid_utf8_in_output_never_breaks_the_document() {
    let report = Place::new()
        .python("import sys; sys.stdout.buffer.write(b'a\\xff\\x00b'); sys.stdout.flush()");
    assert_eq!(report["stdout"], "a\u{fffd}\u{0}b", "{report:#}");
}

#[test]
fn ctrl_c_stops_the_run_and_its_servers() {
    let place = Place::with_fixture(&[]);
    let source = "import sys\nawait call_tool('fixture.echo', {'text': 'x'})\nprint('up', flush=True)\nwhile True: pass";
    place.write("a.py", source);
    let mut child = place
        .command(&["exec", "--timeout", "60s", "a.py"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = [0; 3];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut seen)
        .unwrap();
    assert_eq!(&seen, b"up\n");
    let children = children_of(child.id());
    assert!(!children.is_empty(), "the server runs");
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    let asked = Instant::now();
    kill_process(pid, Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(8));
    for child in children {
        ends(child.into());
    }
}

#[test]
fn an_interrupted_run_answers_a_program_in_json() {
    let place = Place::with_fixture(&[]);
    let source = "await call_tool('fixture.echo', {'text': 'x'})\nwhile True: pass";
    place.write("a.py", source);
    let child = place
        .command(&["exec", "--json", "--timeout", "60s", "a.py"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The server runs once the call was made; the loop comes after it.
    while servers_of(child.id()).is_empty() {
        std::thread::yield_now();
    }
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["status"], "error");
    assert_eq!(report["error"]["kind"], "Interrupted");
}

/// The children that are servers, and not the launcher of sandboxes.
fn servers_of(pid: u32) -> Vec<u32> {
    let mut children = children_of(pid);
    children.retain(|child| {
        let command = std::fs::read_to_string(format!("/proc/{child}/cmdline"));
        let command = command.unwrap_or_default();
        command.contains("fixture-server")
    });
    children
}

fn children_of(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_thread = |thread: std::fs::DirEntry| {
        std::fs::read_to_string(thread.path().join("children")).unwrap_or_default()
    };
    threads
        .flatten()
        .flat_map(|thread| {
            of_thread(thread)
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

#[test]
fn completions_come_for_the_common_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Place::new().run(&["completions", shell]).succeeds();
        assert!(ran.stdout.contains("exec"), "{}", ran.stdout);
    }
}

#[test]
fn stubs_are_written_below_the_folder_and_nowhere_else() {
    let place = Place::with_fixture(&[]);
    place.write("elsewhere/mine.txt", "mine");
    place.write("out/note.txt", "note");
    let link = place.path().join("out/servers");
    std::os::unix::fs::symlink(place.path().join("elsewhere"), &link).unwrap();
    let ran = place.run(&["stubs", "--out", "out"]).fails_with(2);
    assert!(
        ran.stderr.contains("cannot write out/servers"),
        "{}",
        ran.stderr
    );
    let names = |folder: &str| {
        let entries = std::fs::read_dir(place.path().join(folder)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("elsewhere"), ["mine.txt"]);

    // A link in place of a server's folder is left alone, too.
    std::fs::remove_file(&link).unwrap();
    std::fs::create_dir(&link).unwrap();
    let inner = link.join("fixture");
    std::os::unix::fs::symlink(place.path().join("elsewhere"), &inner).unwrap();
    let ran = place.run(&["stubs", "--out", "out"]).fails_with(1);
    assert!(ran.stderr.contains("is not a folder"), "{}", ran.stderr);
    assert_eq!(names("elsewhere"), ["mine.txt"]);

    std::fs::remove_file(&inner).unwrap();
    place.run(&["stubs", "--out", "out"]).succeeds();
    assert!(inner.join(".server.json").is_file());
    // Once more: what is ours is replaced.
    place.run(&["stubs", "--out", "out"]).succeeds();
    // The folder itself may be a link: the user named it.
    std::os::unix::fs::symlink(place.path().join("out"), place.path().join("link")).unwrap();
    place.run(&["stubs", "--out", "link"]).succeeds();
}

#[test]
fn help_teaches() {
    let ran = Place::new().run(&["--help"]).succeeds();
    for word in ["exec", "servers", "init", "warm", "Exit codes"] {
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
    }
    let ran = Place::new().run(&["exec", "--help"]).succeeds();
    for word in [
        "from servers.github import",
        "--allow-tool",
        "--timeout",
        "--json",
    ] {
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
    }
}

#[test]
fn a_terminal_escape_of_the_program_reaches_a_pipe_unchanged() {
    let ran = Place::new()
        .run(&["exec", "-c", "print('\\x1b[31mred')"])
        .succeeds();
    assert_eq!(ran.stdout, "\u{1b}[31mred\n");
}
