//! Core modules of WASI preview 1, as most compilers make them: run as they are.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use wasm_coordinator::files::{Quota, Workspace};
use wasm_coordinator::{Files, Program, Session, SessionOptions, Toolbox};

use crate::components::LOOP;
use crate::harness::{Place, contains, error, ok, root};
use crate::library::{engine, tokio};
use crate::tidy::digest;

const FOLDER: &str = "tests/components/preview1";

fn module() -> Vec<u8> {
    fs::read(root().join(FOLDER).join("preview1.wasm")).expect("the module is in the repository")
}

/// What the module found, by the names of what it tried.
#[track_caller]
fn tried(files: Files, directory: &str) -> BTreeMap<String, String> {
    let options = SessionOptions {
        files,
        ..Default::default()
    };
    let mut session = Session::new(engine(), Toolbox::default(), options);
    let arguments = [directory, "", "zwei drei", "vier ✓"].map(str::to_owned);
    let program = Program::component(module()).arguments(arguments);
    let report = tokio().block_on(session.run(program));
    assert!(report.error.is_none(), "{report:?}");
    let workspace = session.workspace();
    assert_eq!(workspace.usage(), workspace.recount());
    let line = |line: &str| {
        let (answer, rest) = line.split_once(' ')?;
        let name = rest.split(':').next()?.to_owned();
        let answer = if answer == "ok" { answer } else { rest };
        Some((name, answer.to_owned()))
    };
    report.stdout.lines().filter_map(line).collect()
}

/// The names in the first column of the table in docs/components.md.
fn documented() -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/components.md")).expect("the documentation");
    let (_, below) = text
        .split_once("## Core modules of WASI preview 1")
        .expect("the heading is there");
    let below = below.split("\n## ").next().unwrap_or_default();
    let rows = below.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.filter_map(|row| row.split('|').nth(1));
    let names = rows.flat_map(|cell| cell.split(", "));
    let names = names.filter_map(|name| name.trim().strip_prefix('`')?.strip_suffix('`'));
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn a_module_of_preview_1_finds_what_it_relies_on() {
    let place = tempfile::tempdir().unwrap();
    let disk = Workspace::open(&place.path().join("ws"), Quota::default()).unwrap();
    for (files, directory) in [
        (Files::default(), "/workspace"),
        (Files::Workspace(disk), "/workspace"),
        (Files::default(), "."),
    ] {
        let tried = tried(files, directory);
        let wrong: Vec<_> = tried.iter().filter(|(_, answer)| *answer != "ok").collect();
        assert!(wrong.is_empty(), "in {directory}: {wrong:#?}");
        assert_eq!(
            tried.into_keys().collect::<Vec<_>>(),
            documented(),
            "left: tried, right: docs/components.md"
        );
    }
}

#[test]
fn a_module_of_preview_1_writes_where_a_program_starts() {
    let place = Place::new();
    // A runtime that has no libc takes the first directory, number 3.
    let text = r#"(module
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 8) "leads.csv")
        (func (export "_start")
            (if (call $open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 9) (i32.const 1)
                    (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 32))
                (then unreachable))))"#;
    place.write("tool.wasm", wat::parse_str(text).unwrap());
    let ran = place.run(&["exec", "--json", "--workspace", "ws", "tool.wasm"]);
    assert_eq!(ok(ran.json()), Value::Null);
    assert_eq!(place.read("ws/leads.csv"), "");
}

/// A module without any realloc, as small compilers make them, that prints its
/// arguments.
const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $variables (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (if (call $sizes (i32.const 0) (i32.const 4)) (then unreachable))
        (if (call $args (i32.const 16) (i32.const 1024)) (then unreachable))
        (if (call $variables (i32.const 8) (i32.const 12)) (then unreachable))
        (if (call $environ (i32.const 512) (i32.const 768)) (then unreachable))
        (i32.store (i32.const 8) (i32.const 1024))
        (i32.store (i32.const 12) (i32.load (i32.const 4)))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 900)))))"#;

#[test]
fn a_module_without_a_libc_reads_its_arguments() {
    let place = Place::new();
    place.write("echo.wasm", wat::parse_str(ECHO).unwrap());
    let ran = place
        .run(&["exec", "echo.wasm", "one", "", "zwei ✓"])
        .succeeds();
    assert_eq!(ran.stdout, "echo.wasm\0one\0\0zwei ✓\0");
    let none = place.run(&["exec", "echo.wasm"]).succeeds();
    assert_eq!(none.stdout, "echo.wasm\0");
}

fn exec(text: &str, flags: &[&str]) -> Value {
    let place = Place::new();
    place.write("tool.wasm", wat::parse_str(text).unwrap());
    let mut arguments = vec!["exec", "--json"];
    arguments.extend_from_slice(flags);
    arguments.push("tool.wasm");
    place.run(&arguments).json()
}

fn program(body: &str, more: &str) -> String {
    format!(r#"(module {more} (memory (export "memory") 1) (func (export "_start") {body}))"#)
}

#[test]
fn a_module_ends_with_its_status() {
    let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    for status in [0, 3, 200] {
        let report = exec(
            &program(&format!("(call $exit (i32.const {status}))"), exit),
            &[],
        );
        match status {
            0 => assert_eq!(ok(report), Value::Null),
            status => assert_eq!(
                error(&report)["message"],
                format!("the program exited with status {status}")
            ),
        }
    }
    let report = exec(&program("unreachable", ""), &[]);
    assert_eq!(error(&report)["kind"], "Crash", "{report:#}");
}

#[test]
fn a_module_has_the_limits_of_every_program() {
    let report = exec(&program(LOOP, ""), &["--timeout", "500ms"]);
    assert_eq!(report["error"]["kind"], "timeout", "{report:#}");
    let report = exec(&program(LOOP, ""), &["--fuel", "1000000"]);
    assert_eq!(report["error"]["kind"], "fuel", "{report:#}");
    let large = r#"(module (memory (export "memory") 60000) (func (export "_start")))"#;
    let report = exec(large, &[]);
    assert_eq!(report["error"]["kind"], "memory", "{report:#}");
}

#[test]
fn a_module_that_imports_more_is_refused_by_name() {
    for (import, name) in [
        (r#""env" "emscripten_sleep" (func)"#, "env.emscripten_sleep"),
        (r#""env" "memory" (memory 1)"#, "env.memory"),
        (
            r#""wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32))"#,
            "wasi_snapshot_preview1.sock_accept",
        ),
    ] {
        let report = exec(
            &format!(r#"(module (import {import}) (func (export "_start")))"#),
            &[],
        );
        assert_eq!(report["status"], "denied", "{report:#}");
        assert_eq!(report["error"]["kind"], "import_denied", "{report:#}");
        contains(&report["error"]["message"], &format!("imports `{name}`"));
    }
    // A function of the right name and another type is no function of WASI.
    let report = exec(
        &program(
            "",
            r#"(import "wasi_snapshot_preview1" "fd_close" (func (param i64)))"#,
        ),
        &[],
    );
    assert_eq!(error(&report)["kind"], "component_invalid", "{report:#}");
}

#[test]
fn a_module_cut_anywhere_is_refused_or_runs() {
    let place = Place::new();
    let whole = wat::parse_str(ECHO).unwrap();
    for cut in (8..whole.len()).step_by(7) {
        place.write("cut.wasm", &whole[..cut]);
        let report = place.run(&["exec", "--json", "cut.wasm"]).json();
        let status = report["status"].as_str().unwrap();
        assert!(
            ["error", "denied"].contains(&status),
            "cut at {cut}: {report:#}"
        );
    }
}

/// The functions by their parameters: `i` is 32 bits wide, `l` is 64.
const FUNCTIONS: &[(&str, &str)] = &[
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "ili"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("fd_advise", "illi"),
    ("fd_allocate", "ill"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "ill"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "il"),
    ("fd_filestat_set_times", "illi"),
    ("fd_pread", "iiili"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_prestat_get", "ii"),
    ("fd_pwrite", "iiili"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiili"),
    ("fd_renumber", "ii"),
    ("fd_seek", "ilii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiilli"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiillii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_raise", "i"),
    ("random_get", "ii"),
    ("sched_yield", ""),
];

#[test]
fn numbers_and_addresses_that_are_wrong_stop_no_module() {
    let import = |(name, parameters): &(&str, &str)| {
        let parameters = parameters.replace('i', " i32").replace('l', " i64");
        format!(
            "(import \"wasi_snapshot_preview1\" \"{name}\" (func (param{parameters}) (result i32)))\n"
        )
    };
    let imports: String = FUNCTIONS.iter().map(import).collect();
    let mut calls = String::new();
    for value in ["-1", "0", "65535", "3", "2147483647"] {
        for (index, (_, parameters)) in FUNCTIONS.iter().enumerate() {
            let arguments = parameters
                .replace('i', &format!("(i32.const {value})"))
                .replace('l', &format!("(i64.const {value})"));
            calls += &format!("(drop (call {index} {arguments}))\n");
        }
    }
    assert_eq!(ok(exec(&program(&calls, &imports), &[])), Value::Null);
}

#[test]
fn the_module_is_built_from_its_sources() {
    let recorded = root().join(FOLDER).join("preview1.wasm.sources");
    let now = format!(
        "sources {}\nartefact {}\n",
        digest(&format!("{FOLDER}/build sources")),
        digest(&format!("cat {FOLDER}/preview1.wasm"))
    );
    let recorded = fs::read_to_string(recorded).unwrap();
    assert_eq!(recorded, now, "run `{FOLDER}/build`");
}
