//! The command in a shell: pipes that close, disks that are full, limits of the
//! user, standard input, files beside a script.

use std::fs::{File, read_dir};
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::harness::{Place, contains, error, ok, root};

/// Every way to print, with the demo server for what needs one.
const PRINTING: [&[&str]; 16] = [
    &["--help"],
    &["--version"],
    &["exec", "--help"],
    &["completions", "bash"],
    &["completions", "zsh"],
    &["init", "new"],
    &["servers"],
    &["servers", "--json"],
    &["tools", "list"],
    &["tools", "search", "orders", "--json"],
    &["tools", "show", "demo.now"],
    &["wit", "demo"],
    &["stubs", "--out", "typings"],
    &["exec", "-c", "print(1)"],
    &["exec", "-c", "1"],
    &["exec", "--json", "-c", "1"],
];

fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_pipe_that_nobody_reads_ends_each_command_quietly() {
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let place = Place::new();
        let output = place.command(arguments).stdout(writer).output().unwrap();
        assert!(!said(&output).contains("error"), "{}", said(&output));
        assert_eq!(output.status.code(), Some(141), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    for arguments in PRINTING {
        let full = File::create("/dev/full").unwrap();
        let place = Place::new();
        let output = place.command(arguments).stdout(full).output().unwrap();
        let said = said(&output);
        let expected = "standard output cannot be written: no space left on device";
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(4), "{arguments:?}");
    }
}

#[test]
fn what_stderr_does_not_take_changes_nothing() {
    for arguments in [
        &["exec", "-c", "import sys; print('x', file=sys.stderr)"][..],
        &["servers"],
    ] {
        let full = File::create("/dev/full").unwrap();
        let place = Place::new().variable("WASM_COORDINATOR_LOG", "debug");
        let output = place.command(arguments).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

/// Runs the program as a shell does after some other command.
fn after(limit: &str, place: &Place, arguments: &[&str]) -> Output {
    let command = place.command(arguments);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(place.path())
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.output().unwrap()
}

fn names(place: &Place, folder: &str) -> Vec<String> {
    let mut names: Vec<_> = read_dir(place.path().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// 50 or 100 kB, as shells count.
const SMALL_FILES: &str = "ulimit -f 100";

#[test]
fn a_file_that_the_user_allows_no_larger_is_an_error_and_no_half_file() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("out")).unwrap();
    let write = "open('big.txt', 'w').write('x' * 300_000)";
    let arguments = [
        "exec",
        "--output",
        "*.txt",
        "--output-dir",
        "out",
        "-c",
        write,
    ];
    let output = after(SMALL_FILES, &place, &arguments);
    let text = said(&output);
    assert!(
        text.contains("the output `big.txt` was not copied: file too large"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(names(&place, "out"), [""; 0]);

    place.write("input.txt", "x".repeat(300_000));
    let arguments = [
        "exec",
        "--workspace",
        "kept",
        "--input",
        "input.txt",
        "-c",
        "1",
    ];
    let output = after(SMALL_FILES, &place, &arguments);
    assert!(
        said(&output).contains("the host allows no larger file"),
        "{}",
        said(&output)
    );
    assert_eq!(names(&place, "kept"), [""; 0]);

    let arguments = ["stubs", "--out", "typings"];
    let output = after("ulimit -f 1", &place, &arguments);
    assert!(
        said(&output).contains("file too large"),
        "{}",
        said(&output)
    );
    assert!(output.status.code().is_some_and(|code| code > 0));
    place.run(&["stubs", "--out", "whole"]).succeeds();
    for file in names(&place, "typings/servers") {
        let path = format!("servers/{file}");
        if place.path().join("typings").join(&path).is_file() {
            let (written, whole) = (format!("typings/{path}"), format!("whole/{path}"));
            assert_eq!(place.read(&written), place.read(&whole), "{file}");
        }
    }
}

#[test]
fn a_file_that_the_host_allows_no_larger_fails_the_run() {
    let place = Place::new();
    let source = "
try:
    with open('big.txt', 'w') as file:
        file.write('x' * 300_000)
except OSError as error:
    print(type(error).__name__, error.errno is not None)
print('goes on')";
    let arguments = ["exec", "--workspace", "kept", "-c", source];
    let output = after(SMALL_FILES, &place, &arguments);
    // Files are kept when the program ended, so that it is the run that fails.
    let text = said(&output);
    assert_eq!(output.stdout, b"goes on\n", "{text}");
    let why = "cannot write `big.txt`: the host allows no larger file";
    assert!(text.contains(why), "{text}");
    assert_eq!(output.status.code(), Some(4), "{text}");
}

#[test]
fn compiled_code_that_cannot_be_kept_is_said() {
    let place = Place::new();
    let place = place.variable("WASM_COORDINATOR_CACHE", "cache");
    let arguments = ["exec", "-l", "js", "-c", "1 + 1"];
    let output = after(SMALL_FILES, &place, &arguments);
    let text = said(&output);
    for part in ["compiled code is not kept: file too large", "`ulimit -f`"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert_eq!(names(&place, "cache"), ["key"]);
    // Where it is only the cache, the program runs.
    let place = place.variable("WASM_COORDINATOR_CACHE", "/dev/null");
    let ran = place.run(&arguments).succeeds();
    assert_eq!(ran.stdout, "2\n");
    assert!(
        ran.stderr.contains("compiled code is not kept: "),
        "{}",
        ran.stderr
    );
}

#[test]
fn too_little_address_space_is_a_failure_of_the_host_in_one_sentence() {
    let place = Place::new();
    let output = after("ulimit -v 2000000", &place, &["exec", "-c", "print(1)"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("ulimit -v"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn the_output_limit_cuts_no_character_apart() {
    let place = Place::new();
    for text in ["€", "a€", "ab€", "😀"] {
        let source = format!("print('{text}' * 1000)");
        let arguments = ["exec", "--max-output", "1000", "-c", &source];
        let output = place.command(&arguments).output().unwrap();
        let printed = String::from_utf8(output.stdout).expect("no character is cut");
        assert!((997..=1000).contains(&printed.len()), "{}", printed.len());
        let report = place
            .run(&["exec", "--json", "--max-output", "1000", "-c", &source])
            .json();
        assert_eq!(report["stdout"], printed);
        assert_eq!(report["error"]["limit"]["name"], "max-output", "{report:#}");
    }
    // Bytes that are no text pass as they are.
    let source = "import sys; _ = sys.stdout.buffer.write(b'\\xe2\\x82')";
    let output = place.command(&["exec", "-c", source]).output().unwrap();
    assert_eq!(output.stdout, b"\xe2\x82");
}

#[test]
fn a_program_reads_standard_input() {
    let place = Place::new();
    let read = "import sys; print(sys.stdin.read().upper(), end='')";
    let ran = place.run_with_input(&["exec", "-c", read], "grüße\n".as_bytes());
    assert_eq!(ran.succeeds().stdout, "GRÜSSE\n");
    place.write(
        "lines.py",
        "import sys\nprint(sum(int(line) for line in sys.stdin))",
    );
    let numbers: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    let ran = place.run_with_input(&["exec", "lines.py"], numbers.as_bytes());
    assert_eq!(ran.succeeds().stdout, "19999900000\n");
    // Nothing is read that is not asked for, and a script leaves nothing.
    let ran = place.run_with_input(&["exec", "-"], b"import sys; print(repr(sys.stdin.read()))");
    assert_eq!(ran.succeeds().stdout, "''\n");
    place.run(&["exec", "-c", read]).succeeds();
}

#[test]
fn a_program_that_waits_for_input_ends_at_its_limit() {
    let place = Place::new();
    let mut child = place
        .command(&[
            "exec",
            "--timeout",
            "500ms",
            "-c",
            "import sys; sys.stdin.read()",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // Held open: somebody may still type.
    let held = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    drop(held);
}

#[test]
fn code_that_is_piped_in_runs() {
    let place = Place::new();
    let ran = place.run_with_input(&["exec"], b"print('in')");
    assert_eq!(ran.succeeds().stdout, "in\n");
    let ran = place.run_with_input(&["exec", "-l", "js"], b"console.log('in')");
    assert_eq!(ran.succeeds().stdout, "in\n");
    let ran = place.run_with_input(&["exec", "--json"], b"1 + 1");
    assert_eq!(ok(ran.json()), 2);
    let ran = place.run_with_input(&["exec"], b" \n").fails_with(2);
    assert!(
        ran.stderr.contains("there is nothing to run"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_notebook_runs_its_code_cells() {
    let place = Place::new();
    let notebook = json!({
        "cells": [
            { "cell_type": "markdown", "metadata": {}, "source": ["# Sums\n"] },
            { "cell_type": "code", "source": ["%matplotlib inline\n", "!pip install x\n", "x = 20"] },
            { "cell_type": "code", "source": "x + 22" },
        ],
        "metadata": { "kernelspec": { "language": "python", "name": "python3" } },
        "nbformat": 4, "nbformat_minor": 5,
    });
    place.write("sums.ipynb", notebook.to_string());
    let ran = place.run(&["exec", "sums.ipynb"]).succeeds();
    assert_eq!(ran.stdout, "42\n");
    assert!(
        ran.stderr.contains("2 lines of the notebook are left out"),
        "{}",
        ran.stderr
    );
    place.write("no.ipynb", "print(1)");
    let ran = place.run(&["exec", "no.ipynb"]).fails_with(2);
    assert!(
        ran.stderr.contains("`no.ipynb` is not a notebook"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_hint_for_a_file_beside_the_script_is_a_flag() {
    let place = Place::new();
    place.write("work/data.csv", "a,b\n");
    place.write("work/helper.py", "x = 1");
    place.write("work/package/__init__.py", "");
    place.write("work/f2.js", "export const x = 1;");
    place.write("work/conf/a.json", "{}");
    for (name, source, input) in [
        ("a.py", "open('data.csv')", "work/data.csv"),
        ("b.py", "open('./data.csv')", "work/data.csv"),
        ("c.py", "import helper", "work/helper.py"),
        ("d.py", "import package.part", "work/package"),
        ("e.py", "open('conf/a.json')", "work/conf"),
        (
            "f.py",
            "from pathlib import Path\nPath('data.csv').read_text()",
            "work/data.csv",
        ),
        ("g.js", "require('./f2.js')", "work/f2.js"),
        (
            "h.js",
            "import fs from 'fs'; fs.readFileSync('data.csv')",
            "work/data.csv",
        ),
    ] {
        let script = format!("work/{name}");
        place.write(&script, source);
        let report = place.run(&["exec", "--json", &script]).json();
        let expected = format!("`--input {input}` places this one");
        contains(&error(&report)["hint"], &expected);
        // The twin: with it, the script finds its file.
        let ran = place.run(&["exec", "--input", input, &script]);
        assert!(
            !ran.stderr.contains("places this one"),
            "{name}: {}",
            ran.stderr
        );
    }
    // Nothing is said of files elsewhere.
    for name in ["/etc/passwd", "../secret.txt", "nowhere.txt"] {
        place.write("secret.txt", "x");
        place.write("work/j.py", format!("open('{name}')"));
        let report = place.run(&["exec", "--json", "work/j.py"]).json();
        contains(
            &error(&report)["hint"],
            "`--input FILE` places one in the workspace",
        );
    }
}

/// A PNG of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

#[test]
fn emitted_images_are_saved_where_outputs_go() {
    let place = Place::new();
    let source =
        format!("import base64\nemit(base64.b64decode('{PIXEL}'))\nemit('text')\nemit({{'a': 1}})");
    let ran = place.run(&["exec", "-c", &source]).succeeds();
    assert!(
        ran.stderr.contains("`--output-dir DIR` saves it"),
        "{}",
        ran.stderr
    );
    assert_eq!(names(&place, "."), [""; 0]);

    let saving = ["exec", "--output-dir", "out", "-c", &source];
    let ran = place.run(&saving).succeeds();
    assert!(
        ran.stderr.contains("saved as `out/emitted-1.png`"),
        "{}",
        ran.stderr
    );
    let image = std::fs::read(place.path().join("out/emitted-1.png")).unwrap();
    assert!(image.starts_with(b"\x89PNG"));
    let before = names(&place, "out");
    // Nothing is replaced unasked.
    let ran = place.run(&saving).succeeds();
    assert!(
        !ran.stderr.contains("`out/emitted-1.png`"),
        "{}",
        ran.stderr
    );
    assert!(names(&place, "out").len() > before.len());
    let ran = place
        .run(&["exec", "--output-dir", "out", "--overwrite", "-c", &source])
        .succeeds();
    assert!(ran.stderr.contains("`out/emitted-1.png`"), "{}", ran.stderr);
    let report = place
        .run(&["exec", "--json", "--output-dir", "other", "-c", &source])
        .json();
    assert_eq!(report["saved"][0]["file"], "other/emitted-1.png");
    assert_eq!(report["saved"][0]["mime_type"], "image/png");
}

#[test]
fn memory_without_its_unit_is_refused_with_the_unit() {
    let place = Place::new();
    let ran = place
        .run(&["exec", "--memory", "512", "-c", "1"])
        .fails_with(2);
    assert!(
        ran.stderr.contains("write it like `512M`"),
        "{}",
        ran.stderr
    );
    place
        .run(&["exec", "--memory", "512M", "-c", "1"])
        .succeeds();
    place
        .run(&["exec", "--memory", "268435456", "-c", "1"])
        .succeeds();
}

#[test]
fn the_configuration_may_be_named_before_the_subcommand() {
    let place = Place::with_fixture(&[]).untrusted();
    for arguments in [
        &["--config", "mcp.json", "tools", "list"][..],
        &[
            "--config",
            "nowhere.json",
            "tools",
            "list",
            "--config",
            "mcp.json",
        ],
    ] {
        let ran = place.run(arguments).succeeds();
        assert!(ran.stdout.contains("fixture.echo"), "{}", ran.stdout);
    }
    let ran = place
        .run(&["--config", "mcp.json", "completions", "bash"])
        .fails_with(2);
    assert!(ran.stderr.contains("`--config`"), "{}", ran.stderr);
}

#[test]
fn the_version_names_the_guests() {
    let place = Place::new();
    let said = place.run(&["--version"]).succeeds().stdout;
    let python = place.python("import sys; '.'.join(map(str, sys.version_info[:3]))");
    let python = format!("CPython {}\n", ok(python).as_str().unwrap());
    assert!(said.contains(&python), "{said}");
    // QuickJS does not say its version. It is that of this binding.
    let binding = std::fs::read_to_string(root().join("guest-js/Cargo.toml")).unwrap();
    assert!(binding.contains("rquickjs = { version = \"=0.14.0\""));
    assert!(said.contains("\nQuickJS-ng 0.16.2\n"), "{said}");
    let short = place.run(&["-V"]).succeeds().stdout;
    assert_eq!(short.lines().count(), 1);
}

#[test]
fn without_a_configuration_the_servers_command_says_so() {
    let place = Place::new();
    let ran = place.run(&["servers"]).succeeds();
    assert!(ran.stdout.contains("demo"), "{}", ran.stdout);
    assert!(
        ran.stderr
            .contains("there is no mcp.json here; the only server is the built-in demo"),
        "{}",
        ran.stderr
    );
    assert_eq!(place.run(&["servers", "--json"]).succeeds().stderr, "");
}
