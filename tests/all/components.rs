//! Precompiled components: those of the project's world and `wasi:cli`
//! commands, honest and hostile.

use std::time::Instant;

use serde_json::Value;

use crate::harness::{Place, contains, error, ok};

/// A `wasi:cli` command around a core function `run` that returns 0 for
/// success, with further items of the core module.
fn command(run: &str, more: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (func (export "run") (result i32) {run})
                {more})
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $cli (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $cli)))"#
    )
}

/// A component of the project's world. A `step` that is all zeros means
/// `finished`, with no value and no warnings.
fn guest(run: &str, realloc: &str, post_return: &str) -> String {
    format!(
        r#"(component
            (type $language' (enum "python" "javascript" "typescript"))
            (export $language "language" (type $language'))
            (type $program' (record (field "source" string) (field "name" string)
                (field "language" $language) (field "arguments" (list string))))
            (export $program "program" (type $program'))
            (type $value' (variant (case "nothing") (case "json" string) (case "text" string)))
            (export $value "value" (type $value'))
            (type $position' (record (field "file" string) (field "line" u32) (field "column" u32)))
            (export $position "position" (type $position'))
            (type $exception' (record (field "kind" string) (field "message" string)
                (field "traceback" string) (field "position" (option $position))))
            (export $exception "exception" (type $exception'))
            (type $kind' (variant (case "failed") (case "invalid-arguments" (list string))
                (case "unknown-tool" (list string)) (case "denied") (case "unavailable") (case "timed-out")
                (case "outcome-unknown") (case "cancelled") (case "limit") (case "unusable-answer")))
            (export $kind "call-error-kind" (type $kind'))
            (type $error' (record (field "kind" $kind) (field "server" string) (field "tool" string) (field "message" string)
                (field "code" (option s64)) (field "data" (option string))))
            (export $error "call-error" (type $error'))
            (type $refusal' (record (field "error" $error) (field "raised" $exception)))
            (export $refusal "refusal" (type $refusal'))
            (type $failure' (variant (case "raised" $exception) (case "exited" s32) (case "stuck" $exception)
                (case "refused" $refusal) (case "out-of-memory" $exception)))
            (export $failure "failure" (type $failure'))
            (type $outcome' (record (field "result" (result $value (error $failure))) (field "warnings" (list string))))
            (export $outcome "outcome" (type $outcome'))
            (type $step' (variant (case "finished" $outcome) (case "waiting" (option u64))))
            (export $step "step" (type $step'))
            (type $completion' (record (field "id" u32) (field "result" (result string (error $error)))))
            (export $completion "completion" (type $completion'))
            (core module $m
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc} i32.const 4096)
                (func (export "run") (param i32 i32 i32 i32 i32 i32 i32) (result i32) {run} i32.const 1024)
                (func (export "resume") (param i32 i32) (result i32) i32.const 1024)
                (func (export "after") (param i32) {post_return}))
            (core instance $i (instantiate $m))
            (func (export "run") (param "program" $program) (result $step)
                (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))
                    (post-return (core func $i "after"))))
            (func (export "resume") (param "completions" (list $completion)) (result $step)
                (canon lift (core func $i "resume") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
    )
}

pub const LOOP: &str = "(loop $l (br $l))";

fn exec(text: &str, flags: &[&str]) -> Value {
    let place = Place::new();
    place.write(
        "tool.wasm",
        wat::parse_str(text).expect("the test's component is well-formed"),
    );
    let mut arguments = vec!["exec", "--json"];
    arguments.extend_from_slice(flags);
    arguments.push("tool.wasm");
    place.run(&arguments).json()
}

#[track_caller]
fn times_out(text: &str) {
    let started = Instant::now();
    let report = exec(text, &["--timeout", "500ms"]);
    assert_eq!(report["error"]["kind"], "timeout", "{report:#}");
    assert!(started.elapsed().as_secs() < 8);
}

#[test]
fn a_command_runs_and_its_status_is_kept() {
    assert_eq!(ok(exec(&command("i32.const 0", ""), &[])), Value::Null);
    let report = exec(&command("i32.const 1", ""), &[]);
    assert_eq!(
        error(&report)["message"],
        "the program exited with status 1"
    );
}

#[test]
fn a_component_of_our_world_runs() {
    let report = exec(&guest("", "", ""), &[]);
    assert_eq!(report["status"], "ok", "{report:#}");
}

#[test]
fn a_guest_that_blames_the_host_is_not_believed() {
    // The `step` at 1024 is `finished`; at 8 its result becomes a failure, at
    // 16 is which, at 24 the kind of the call's error.
    let store =
        |at: u32, value: u32| format!("(i32.store8 (i32.const {}) (i32.const {value}))", 1024 + at);
    let (refused, out_of_memory) = (3, 4);
    let (denied, limit) = (3, 8);
    for claim in [
        store(16, refused) + &store(24, denied),
        store(16, refused) + &store(24, limit),
        store(16, out_of_memory),
    ] {
        let report = exec(&guest(&(store(8, 1) + &claim), "", ""), &[]);
        let error = error(&report);
        assert_eq!(error["limit"], Value::Null, "{report:#}");
    }
    // Memory that the host did refuse is a limit, if nothing is made of it.
    let refuse = "(drop (memory.grow (i32.const 65535)))";
    let report = exec(
        &guest(
            &(refuse.to_owned() + &store(8, 1) + &store(16, out_of_memory)),
            "",
            "",
        ),
        &[],
    );
    assert_eq!(report["status"], "limit", "{report:#}");
    assert_eq!(report["error"]["kind"], "memory", "{report:#}");
}

#[test]
fn loops_end_wherever_they_are() {
    times_out(&command(&format!("{LOOP} i32.const 0"), ""));
    times_out(&command(
        "i32.const 0",
        &format!("(func $start {LOOP}) (start $start)"),
    ));
    times_out(&guest(LOOP, "", ""));
    times_out(&guest("", LOOP, ""));
    times_out(&guest("", "", LOOP));
    times_out(&destructor(LOOP));
    let report = exec(&destructor(""), &[]);
    assert_eq!(ok(report), Value::Null);
}

/// A command that drops a resource of its own, whose destructor does this.
fn destructor(body: &str) -> String {
    format!(
        r#"(component
            (core module $d (func (export "drop") (param i32) {body}))
            (core instance $d (instantiate $d))
            (type $r (resource (rep i32) (dtor (core func $d "drop"))))
            (core func $new (canon resource.new $r))
            (core func $drop (canon resource.drop $r))
            (core module $m
                (import "i" "new" (func $new (param i32) (result i32)))
                (import "i" "drop" (func $drop (param i32)))
                (func (export "run") (result i32)
                    (call $drop (call $new (i32.const 1)))
                    i32.const 0))
            (core instance $i (instantiate $m
                (with "i" (instance (export "new" (func $new)) (export "drop" (func $drop))))))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $cli (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $cli)))"#
    )
}

#[test]
fn a_loop_ends_at_its_fuel() {
    let report = exec(
        &command(&format!("{LOOP} i32.const 0"), ""),
        &["--fuel", "1000000"],
    );
    assert_eq!(report["error"]["kind"], "fuel", "{report:#}");
}

#[test]
fn memory_is_limited_and_growth_refused() {
    let grow = "(drop (memory.grow (i32.const 65535))) i32.const 0";
    assert_eq!(ok(exec(&command(grow, "(memory 1)"), &[])), Value::Null);
    let report = exec(&command("i32.const 0", "(memory 60000)"), &[]);
    assert_eq!(report["error"]["kind"], "memory", "{report:#}");
}

#[test]
fn recursion_without_end_is_a_limit() {
    let report = exec(
        &command("(call $f) i32.const 0", "(func $f (call $f) (call $f))"),
        &[],
    );
    assert_eq!(report["error"]["kind"], "stack", "{report:#}");
}

#[test]
fn a_trap_is_the_programs_failure() {
    let report = exec(&command("unreachable", ""), &[]);
    let failure = error(&report);
    assert_eq!(failure["kind"], "Crash");
    contains(&failure["message"], "unreachable");
}

#[test]
fn an_import_that_is_not_granted_is_refused_by_name() {
    let with_import = |name: &str| {
        format!(
            r#"(component
                (import "{name}" (instance (export "f" (func))))
                (core module $m (func (export "run") (result i32) i32.const 0))
                (core instance $i (instantiate $m))
                (func $run (result (result)) (canon lift (core func $i "run")))
                (instance $cli (export "run" (func $run)))
                (export "wasi:cli/run@0.2.0" (instance $cli)))"#
        )
    };
    for name in [
        "wasi:sockets/tcp@0.2.0",
        "wasi:http/outgoing-handler@0.2.0",
        "acme:secret/store",
    ] {
        let report = exec(&with_import(name), &[]);
        assert_eq!(report["status"], "denied", "{report:#}");
        assert_eq!(report["error"]["kind"], "import_denied");
        contains(&report["error"]["message"], &format!("imports `{name}`"));
    }
    let granted = r#"(component
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result u64)))))
        (core module $m (func (export "run") (result i32) i32.const 0))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $cli (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $cli)))"#;
    assert_eq!(exec(granted, &[])["status"], "ok");
}

#[test]
fn what_is_no_component_says_what_it_is() {
    let place = Place::new();
    let check = |name: &str, bytes: &[u8], expected: &str| {
        place.write(name, bytes);
        let report = place.run(&["exec", "--json", name]).json();
        assert_eq!(error(&report)["kind"], "component_invalid", "{report:#}");
        contains(&report["error"]["message"], expected);
    };
    check(
        "core.wasm",
        &wat::parse_str("(module)").unwrap(),
        "core WebAssembly module without the export `_start`",
    );
    check("empty.wasm", b"", "not a WebAssembly component");
    check("text.wasm", b"(component)", "WebAssembly as text");
    check("random.wasm", &[0xa5; 4096], "not a WebAssembly component");
    check("elf.wasm", b"\x7fELF\x02\x01\x01", "compiled native code");
    let whole = wat::parse_str(command("i32.const 0", "")).unwrap();
    for cut in 8..whole.len() {
        place.write("cut.wasm", &whole[..cut]);
        let report = place.run(&["exec", "--json", "cut.wasm"]).json();
        // Cut behind the last export, only names for debuggers are missing.
        let may_run = cut > whole.len() / 2;
        assert!(
            report["status"] == "error" || may_run && report["status"] == "ok",
            "cut at {cut}: {report:#}"
        );
    }
    check(
        "nothing.wasm",
        &wat::parse_str("(component)").unwrap(),
        "exports neither",
    );
}

/// Entries of components in a cache's folder: their names and when they were
/// made.
fn cached(place: &Place) -> Vec<(String, std::time::SystemTime)> {
    let entries = std::fs::read_dir(place.path().join("cache")).unwrap();
    let entries = entries.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, entry.metadata().unwrap().modified().unwrap())
    });
    let mut found: Vec<_> = entries
        .filter(|(name, _)| name.starts_with("component-") && name.ends_with(".cwasm"))
        .collect();
    found.sort();
    found
}

#[test]
fn a_component_is_compiled_once_and_kept() {
    let place = Place::new();
    let cache = place.path().join("cache");
    let place = place.variable("WASM_COORDINATOR_CACHE", cache.to_str().unwrap());
    let module = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    place.write("module.wasm", wat::parse_str(module).unwrap());
    place.write(
        "tool.wasm",
        wat::parse_str(command("i32.const 0", "")).unwrap(),
    );
    for (name, count) in [("tool.wasm", 1), ("module.wasm", 2)] {
        place.run(&["exec", name]).succeeds();
        let first = cached(&place);
        assert_eq!(first.len(), count);
        place.run(&["exec", name]).succeeds();
        assert_eq!(cached(&place), first, "nothing was made anew");
    }
    // Code for other settings is other code.
    place
        .run(&["exec", "--fuel", "1000", "tool.wasm"])
        .succeeds();
    assert_eq!(cached(&place).len(), 3);
}

#[test]
fn compiled_code_is_never_loaded_under_any_name() {
    // What the program itself keeps, the most convincing there is.
    let place = Place::new();
    let cache = place.path().join("cache");
    let place = place.variable("WASM_COORDINATOR_CACHE", cache.to_str().unwrap());
    place.write(
        "tool.wasm",
        wat::parse_str(command("i32.const 0", "")).unwrap(),
    );
    place.run(&["exec", "tool.wasm"]).succeeds();
    let (entry, _) = cached(&place).pop().unwrap();
    let code = std::fs::read(cache.join(&entry)).unwrap();
    place.write("code.wasm", &code);
    let report = place.run(&["exec", "--json", "code.wasm"]).json();
    let error = error(&report);
    assert_eq!(error["kind"], "component_invalid", "{report:#}");
    contains(
        &error["message"],
        "compiled native code, which is never loaded",
    );
    for name in ["code.cwasm", "code", "code.py", "code.js", "code.ts"] {
        place.write(name, &code);
        let ran = place.run(&["exec", "--json", name]);
        assert_eq!(ran.json()["error"]["kind"], "UsageError", "{name}");
    }
    let ran = place.run_with_input(&["exec", "--json", "-"], &code);
    assert_eq!(ran.json()["error"]["kind"], "UsageError");
    // In place of what is kept for another component: its seal is for one name.
    place.write(
        "other.wasm",
        wat::parse_str(command("i32.const 1", "")).unwrap(),
    );
    place.run(&["exec", "other.wasm"]).fails_with(1);
    let entries = cached(&place);
    let (other, _) = entries.iter().find(|(name, _)| *name != entry).unwrap();
    for ending in ["cwasm", "seal"] {
        let named = |name: &str| cache.join(name).with_extension(ending);
        std::fs::copy(named(&entry), named(other)).unwrap();
    }
    place.run(&["exec", "other.wasm"]).fails_with(1);
    place.run(&["exec", "tool.wasm"]).succeeds();
}

#[test]
fn what_would_compile_for_long_is_refused() {
    let large = "(drop (i32.const 0))".repeat(400_000);
    let large = command(&format!("{large} i32.const 0"), "");
    let many = command("i32.const 0", &"(func)".repeat(100_000));
    let inner = command("i32.const 0", &"(func)".repeat(100_000));
    let outer = command("i32.const 0", "");
    let outer = outer.strip_prefix("(component").unwrap();
    let nested = format!("(component {inner} {outer}");
    for (text, expected) in [
        (
            large,
            "has functions that are too large to compile; the largest has 1200004 bytes",
        ),
        (many, "has 100001 functions; at most 100000 are accepted"),
        (nested, "has 100002 functions; at most 100000 are accepted"),
    ] {
        let report = exec(&text, &[]);
        assert_eq!(error(&report)["kind"], "component_invalid", "{report:#}");
        contains(&report["error"]["message"], expected);
    }
    let fits = "(drop (i32.const 0))".repeat(20_000);
    assert_eq!(
        ok(exec(&command(&format!("{fits} i32.const 0"), ""), &[])),
        Value::Null
    );
}

#[test]
fn the_shipped_guest_is_an_ordinary_component() {
    let archive = std::fs::read(crate::harness::root().join("guest-js/js.wasm.zst")).unwrap();
    let place = Place::new();
    place.write("guest.wasm", zstd::decode_all(&archive[..]).unwrap());
    let report = place.run(&["exec", "--json", "guest.wasm"]).json();
    assert_eq!(
        report["status"], "ok",
        "it imports tools and files, which are granted: {report:#}"
    );
}
