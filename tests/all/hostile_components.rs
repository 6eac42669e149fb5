//! Components that mean harm: they call the host with what no compiler would
//! write. Each is held against [`oracle`](crate::oracle), and has a twin that
//! does the same in good order.

use serde_json::{Value, json};

use crate::harness::{Place, contains, ok};
use crate::oracle::{Canary, End, ends_as_with};

use End::{Error, Limit};

const TIMEOUT: End = Limit("timeout");
const MEMORY: End = Limit("memory");

/// Whoever traps is a program that failed.
const TRAP: &[End] = &[Error];

/// A command that imports much of what there is, with this body of `run`, which
/// leaves a status: 0 is success. What lists and texts need is at 1 MiB of its
/// memory, results are returned at 64.
fn command(body: &str) -> String {
    format!(
        r#"(component
    (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
    (alias export $error "error" (type $error))
    (import "wasi:io/poll@0.2.0" (instance $poll
        (export "pollable" (type $p (sub resource)))
        (export "[method]pollable.block" (func (param "self" (borrow $p))))
        (export "[method]pollable.ready" (func (param "self" (borrow $p)) (result bool)))
        (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:io/streams@0.2.0" (instance $streams
        (alias outer 1 $error (type $e'))
        (export "error" (type $e (eq $e')))
        (alias outer 1 $pollable (type $p'))
        (export "output-stream" (type $out (sub resource)))
        (export "input-stream" (type $in (sub resource)))
        (type $failure' (variant (case "last-operation-failed" (own $e)) (case "closed")))
        (export "stream-error" (type $failure (eq $failure')))
        (export "[method]output-stream.check-write" (func (param "self" (borrow $out)) (result (result u64 (error $failure)))))
        (export "[method]output-stream.write" (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $failure)))))
        (export "[method]output-stream.write-zeroes" (func (param "self" (borrow $out)) (param "len" u64) (result (result (error $failure)))))
        (export "[method]output-stream.subscribe" (func (param "self" (borrow $out)) (result (own $p'))))
        (export "[method]input-stream.read" (func (param "self" (borrow $in)) (param "len" u64) (result (result (list u8) (error $failure)))))
        (export "[method]input-stream.skip" (func (param "self" (borrow $in)) (param "len" u64) (result (result u64 (error $failure)))))))
    (alias export $streams "output-stream" (type $output))
    (alias export $streams "input-stream" (type $input))
    (import "wasi:cli/stdout@0.2.0" (instance $stdout
        (alias outer 1 $output (type $o'))
        (export "output-stream" (type $o (eq $o')))
        (export "get-stdout" (func (result (own $o))))))
    (import "wasi:cli/stdin@0.2.0" (instance $stdin
        (alias outer 1 $input (type $i'))
        (export "input-stream" (type $i (eq $i')))
        (export "get-stdin" (func (result (own $i))))))
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
        (alias outer 1 $pollable (type $p'))
        (export "pollable" (type $p (eq $p')))
        (export "now" (func (result u64)))
        (export "subscribe-duration" (func (param "when" u64) (result (own $p))))
        (export "subscribe-instant" (func (param "when" u64) (result (own $p))))))
    (import "wasi:random/random@0.2.0" (instance $random
        (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
    (import "wasi:random/insecure@0.2.0" (instance $insecure
        (export "get-insecure-random-bytes" (func (param "len" u64) (result (list u8))))))
    (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
    (import "wasi:cli/environment@0.2.0" (instance $environment
        (export "get-environment" (func (result (list (tuple string string)))))
        (export "get-arguments" (func (result (list string))))))
    (core module $memory
        (memory (export "memory") 600)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1048576)))
    (core instance $memory (instantiate $memory))
    (alias core export $memory "memory" (core memory $m))
    (alias core export $memory "realloc" (core func $r))
    (core func $block (canon lower (func $poll "[method]pollable.block")))
    (core func $ready (canon lower (func $poll "[method]pollable.ready")))
    (core func $poll (canon lower (func $poll "poll") (memory $m) (realloc $r)))
    (core func $check (canon lower (func $streams "[method]output-stream.check-write") (memory $m)))
    (core func $write (canon lower (func $streams "[method]output-stream.write") (memory $m)))
    (core func $zeroes (canon lower (func $streams "[method]output-stream.write-zeroes") (memory $m)))
    (core func $writable (canon lower (func $streams "[method]output-stream.subscribe")))
    (core func $read (canon lower (func $streams "[method]input-stream.read") (memory $m) (realloc $r)))
    (core func $skip (canon lower (func $streams "[method]input-stream.skip") (memory $m)))
    (core func $stdout (canon lower (func $stdout "get-stdout")))
    (core func $stdin (canon lower (func $stdin "get-stdin")))
    (core func $now (canon lower (func $clock "now")))
    (core func $duration (canon lower (func $clock "subscribe-duration")))
    (core func $instant (canon lower (func $clock "subscribe-instant")))
    (core func $random (canon lower (func $random "get-random-bytes") (memory $m) (realloc $r)))
    (core func $insecure (canon lower (func $insecure "get-insecure-random-bytes") (memory $m) (realloc $r)))
    (core func $exit (canon lower (func $exit "exit")))
    (core func $environment (canon lower (func $environment "get-environment") (memory $m) (realloc $r)))
    (core func $arguments (canon lower (func $environment "get-arguments") (memory $m) (realloc $r)))
    (core func $drop_pollable (canon resource.drop $pollable))
    (core func $drop_output (canon resource.drop $output))
    (core func $drop_error (canon resource.drop $error))
    (core module $main
        (import "m" "memory" (memory 600))
        (import "h" "block" (func $block (param i32)))
        (import "h" "ready" (func $ready (param i32) (result i32)))
        (import "h" "poll" (func $poll (param i32 i32 i32)))
        (import "h" "check" (func $check (param i32 i32)))
        (import "h" "write" (func $write (param i32 i32 i32 i32)))
        (import "h" "zeroes" (func $zeroes (param i32 i64 i32)))
        (import "h" "writable" (func $writable (param i32) (result i32)))
        (import "h" "read" (func $read (param i32 i64 i32)))
        (import "h" "skip" (func $skip (param i32 i64 i32)))
        (import "h" "stdout" (func $stdout (result i32)))
        (import "h" "stdin" (func $stdin (result i32)))
        (import "h" "now" (func $now (result i64)))
        (import "h" "duration" (func $duration (param i64) (result i32)))
        (import "h" "instant" (func $instant (param i64) (result i32)))
        (import "h" "random" (func $random (param i64 i32)))
        (import "h" "insecure" (func $insecure (param i64 i32)))
        (import "h" "exit" (func $exit (param i32)))
        (import "h" "environment" (func $environment (param i32)))
        (import "h" "arguments" (func $arguments (param i32)))
        (import "h" "drop-pollable" (func $drop_pollable (param i32)))
        (import "h" "drop-output" (func $drop_output (param i32)))
        (import "h" "drop-error" (func $drop_error (param i32)))
        (func (export "run") (result i32) (local $n i32) (local $h i32) {body}))
    (core instance $main (instantiate $main
        (with "m" (instance $memory))
        (with "h" (instance
            (export "block" (func $block)) (export "ready" (func $ready)) (export "poll" (func $poll))
            (export "check" (func $check)) (export "write" (func $write)) (export "zeroes" (func $zeroes))
            (export "writable" (func $writable)) (export "read" (func $read)) (export "skip" (func $skip))
            (export "stdout" (func $stdout)) (export "stdin" (func $stdin)) (export "now" (func $now))
            (export "duration" (func $duration)) (export "instant" (func $instant)) (export "random" (func $random))
            (export "insecure" (func $insecure)) (export "exit" (func $exit)) (export "environment" (func $environment))
            (export "arguments" (func $arguments)) (export "drop-pollable" (func $drop_pollable))
            (export "drop-output" (func $drop_output)) (export "drop-error" (func $drop_error))))))
    (func $run (result (result)) (canon lift (core func $main "run")))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $cli)))"#
    )
}

/// Does something as often as it is said, and ends well.
fn repeated(times: u32, what: &str) -> String {
    format!(
        "(loop $l {what} (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $n) (i32.const {times})))) (i32.const 0)"
    )
}

#[track_caller]
fn run(text: &str, ways: &[End]) -> Value {
    run_with(text, &[], ways)
}

#[track_caller]
fn run_with(text: &str, flags: &[&str], ways: &[End]) -> Value {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    ends_as_with(&Place::new(), "tool.wasm", bytes, flags, ways)
}

#[test]
fn many_memories_have_no_more_than_one() {
    let with = |instances: usize, pages: usize| {
        let mut text = format!(
            "(component (core module $m (memory {pages}) (func (export \"run\") (result i32) i32.const 0))\n"
        );
        for _ in 0..instances {
            text += "(core instance (instantiate $m))\n";
        }
        text + "(core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i \"run\")))
            (instance $cli (export \"run\" (func $run)))
            (export \"wasi:cli/run@0.2.0\" (instance $cli)))"
    };
    // Each fits, and all do not.
    run(&with(100, 100), &[MEMORY]);
    run(&with(990, 2), &[MEMORY]);
    run(&with(2000, 1), &[Error]);
    run(&with(20, 10), &[End::Ok]);
    let memories = |count: usize, pages: usize| {
        let memories = format!("(memory {pages})").repeat(count);
        format!(
            "(component (core module $m {memories} (func (export \"run\") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i \"run\")))
            (instance $cli (export \"run\" (func $run)))
            (export \"wasi:cli/run@0.2.0\" (instance $cli)))"
        )
    };
    run(&memories(20, 100), &[MEMORY, Error]);
    let tables = |elements: usize| {
        format!(
            "(component (core module $m {} (func (export \"run\") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i \"run\")))
            (instance $cli (export \"run\" (func $run)))
            (export \"wasi:cli/run@0.2.0\" (instance $cli)))",
            format!("(table {elements} funcref)").repeat(20)
        )
    };
    run(&tables(1_000_000), &[MEMORY]);
    run(&tables(4_000_000_000), &[MEMORY, Error]);
    run(&tables(1_000), &[End::Ok]);
}

/// What an instance has beside its memory: each of these takes 3.2 MB.
#[test]
fn many_instances_of_large_modules_are_refused() {
    let with = |instances: usize| {
        let globals = "(global (mut i32) (i32.const 0))".repeat(200_000);
        let instances = "(core instance (instantiate $m))".repeat(instances);
        format!(
            "(component (core module $m {globals} (func (export \"run\") (result i32) i32.const 0))
            {instances} (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i \"run\")))
            (instance $cli (export \"run\" (func $run)))
            (export \"wasi:cli/run@0.2.0\" (instance $cli)))"
        )
    };
    let report = run(&with(900), &[Error]);
    let message = report["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("more than 20 core instances"), "{message}");
    run(&with(10), &[End::Ok]);
}

#[test]
fn memory_grown_in_any_steps_ends_at_the_limit() {
    let body = |step: &str| {
        format!(
            "(loop $l (br_if $l (i32.ne (memory.grow (i32.const {step})) (i32.const -1)))) (i32.const 0)"
        )
    };
    for step in ["1", "100", "65536", "-1"] {
        run(&command(&body(step)), &[End::Ok]);
    }
}

#[test]
fn handles_without_end_are_a_limit() {
    let handles = Limit("handles");
    for what in [
        "(drop (call $duration (i64.const 1000000000000)))",
        "(drop (call $instant (i64.const 0)))",
        "(drop (call $stdout))",
        "(drop (call $stdin))",
        "(local.set $h (call $stdout)) (drop (call $writable (local.get $h)))",
    ] {
        let report = run(&command(&repeated(1_000_000, what)), &[handles]);
        contains(&report["error"]["hint"], "close what is no longer needed");
    }
    // Those that are dropped cost nothing, however many they are.
    for what in [
        "(call $drop_pollable (call $duration (i64.const 1000000000000)))",
        "(call $drop_output (call $stdout))",
    ] {
        run(&command(&repeated(20_000, what)), &[End::Ok]);
    }
}

#[test]
fn waits_for_many_or_for_ever_end_at_the_limit() {
    let stored = "(i32.store (i32.add (i32.const 2097152) (i32.shl (local.get $n) (i32.const 2))) (call $duration (i64.const HOW)))";
    let waiting = |many: u32, how: &str| {
        let stored = stored.replace("HOW", how);
        let body = repeated(many, &stored);
        let body = body.strip_suffix(" (i32.const 0)").unwrap();
        format!(
            "{body} (call $poll (i32.const 2097152) (i32.const {many}) (i32.const 64)) (i32.const 0)"
        )
    };
    run(&command(&waiting(2000, "1000000000000")), &[TIMEOUT]);
    run(
        &command(&waiting(4000, "1000000000000")),
        &[Limit("handles")],
    );
    run(&command(&waiting(100, "-1")), &[TIMEOUT]);
    run(&command(&waiting(100, "0")), &[End::Ok]);
    // The same one many times.
    let same = repeated(
        1_000_000,
        "(i32.store (i32.add (i32.const 2097152) (i32.shl (local.get $n) (i32.const 2))) (local.get $h))",
    );
    let same = same.strip_suffix(" (i32.const 0)").unwrap();
    let same = |how: &str| {
        format!(
            "(local.set $h (call $duration (i64.const {how}))) {same}
            (call $poll (i32.const 2097152) (i32.const 1000000) (i32.const 64)) (i32.const 0)"
        )
    };
    run(
        &command(&same("0")),
        &[End::Ok, TIMEOUT, Error, Limit("transfer")],
    );
    run(&command(&same("-1")), &[TIMEOUT, Error, Limit("transfer")]);
    for when in ["-1", "9223372036854775807", "1000000000000"] {
        let block = format!("(call $block (call $duration (i64.const {when}))) (i32.const 0)");
        run(&command(&block), &[TIMEOUT]);
        let block = format!("(call $block (call $instant (i64.const {when}))) (i32.const 0)");
        run(&command(&block), &[TIMEOUT, End::Ok]);
    }
    run(
        &command("(call $poll (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)"),
        &[End::Ok, Error],
    );
    run(
        &command("(call $block (call $duration (i64.const 1000000))) (i32.const 0)"),
        &[End::Ok],
    );
}

#[test]
fn addresses_and_lengths_that_are_wrong_are_traps() {
    let write = |address: &str, length: &str, answer: &str| {
        command(&format!(
            "(call $write (call $stdout) (i32.const {address}) (i32.const {length}) (i32.const {answer})) (i32.const 0)"
        ))
    };
    for (address, length, answer) in [
        ("0", "-1", "64"),
        ("0", "2147483647", "64"),
        ("-1", "1", "64"),
        ("-1", "-1", "64"),
        ("39321599", "2", "64"),
        ("0", "1", "-1"),
        ("0", "1", "39321600"),
        ("0", "1", "39321597"),
        ("0", "1", "63"),
    ] {
        run(&write(address, length, answer), TRAP);
    }
    // The memory of the program lies before the end that it wants written over.
    run(&write("60", "8", "64"), &[End::Ok]);
    run(&write("39321599", "1", "64"), &[End::Ok]);
    for (list, length) in [
        ("39321600", "1"),
        ("2097153", "1"),
        ("0", "1073741824"),
        ("0", "-1"),
    ] {
        let poll = format!(
            "(call $poll (i32.const {list}) (i32.const {length}) (i32.const 64)) (i32.const 0)"
        );
        run(&command(&poll), TRAP);
    }
}

#[test]
fn sizes_that_a_program_chooses_allocate_little() {
    for length in [
        "-1",
        "9223372036854775807",
        "4294967296",
        "2147483648",
        "1073741824",
    ] {
        for what in ["random", "insecure"] {
            let body = format!("(call ${what} (i64.const {length}) (i32.const 64)) (i32.const 0)");
            run(&command(&body), &[Error, Limit("transfer")]);
        }
        for what in ["read", "skip"] {
            let body = format!(
                "(call ${what} (call $stdin) (i64.const {length}) (i32.const 64)) (i32.const 0)"
            );
            run(&command(&body), &[End::Ok, Error, Limit("transfer")]);
        }
        let body = format!(
            "(call $zeroes (call $stdout) (i64.const {length}) (i32.const 64)) (i32.const 0)"
        );
        run(
            &command(&body),
            &[Error, Limit("max-output"), Limit("transfer")],
        );
    }
    for what in ["random", "insecure"] {
        let body = format!("(call ${what} (i64.const 1048576) (i32.const 64)) (i32.const 0)");
        run(&command(&body), &[End::Ok]);
    }
}

#[test]
fn handles_that_are_not_ones_own_are_traps() {
    for body in [
        // Twice, after the end, of another kind, never given.
        "(local.set $h (call $stdout)) (call $drop_output (local.get $h)) (call $drop_output (local.get $h))",
        "(local.set $h (call $stdout)) (call $drop_output (local.get $h)) (call $check (local.get $h) (i32.const 64))",
        "(local.set $h (call $duration (i64.const 0))) (call $drop_pollable (local.get $h)) (call $block (local.get $h))",
        "(call $block (call $stdout))",
        "(call $check (call $duration (i64.const 0)) (i32.const 64))",
        "(call $drop_pollable (call $stdout))",
        "(call $block (i32.const 0))",
        "(call $block (i32.const 7))",
        "(call $block (i32.const -1))",
        "(call $drop_output (i32.const 0))",
        "(call $drop_error (i32.const 1))",
        // Its parent while a pollable of it lives.
        "(local.set $h (call $stdout)) (drop (call $writable (local.get $h))) (call $drop_output (local.get $h))",
    ] {
        run(&command(&format!("{body} (i32.const 0)")), TRAP);
    }
    let body = "(local.set $h (call $stdout)) (call $drop_pollable (call $writable (local.get $h)))
        (call $check (local.get $h) (i32.const 64)) (call $drop_output (local.get $h)) (i32.const 0)";
    run(&command(body), &[End::Ok]);
}

#[test]
fn values_outside_of_their_types_are_traps() {
    // `run` returns a `result`: 0 or 1.
    for status in ["2", "255", "-1"] {
        run(&command(&format!("(i32.const {status})")), TRAP);
    }
    run(&command("(call $exit (i32.const 2)) (i32.const 0)"), TRAP);
    let report = run(&command("(call $exit (i32.const 1)) (i32.const 0)"), TRAP);
    contains(&report["error"]["message"], "exited with status 1");
    // It ends the program and nothing else.
    run(
        &command("(call $exit (i32.const 0)) (unreachable)"),
        &[End::Ok],
    );
}

#[test]
fn floods_of_calls_by_components_end() {
    for what in [
        "(drop (call $now))",
        "(call $random (i64.const 65536) (i32.const 64))",
        "(call $environment (i32.const 64))",
        "(call $check (i32.const 1) (i32.const 64))",
        "(call $drop_pollable (call $duration (i64.const 0)))",
    ] {
        let body = format!("(local.set $h (call $stdout)) (loop $l {what} (br $l)) (i32.const 0)");
        run(&command(&body), &[TIMEOUT]);
    }
    run(&command(&repeated(1000, "(drop (call $now))")), &[End::Ok]);
}

#[test]
fn a_component_sees_no_variable_and_no_argument_of_the_host() {
    // The number of entries is at 68.
    let status = |what: &str, expected: u32| {
        command(&format!(
            "(call ${what} (i32.const 64)) (i32.ne (i32.load (i32.const 68)) (i32.const {expected}))"
        ))
    };
    let place = Place::new().variable("CANARY_TOKEN", Canary::TEXT);
    for (what, expected) in [("environment", 0), ("arguments", 1)] {
        let bytes = wat::parse_str(status(what, expected)).unwrap();
        ends_as_with(&place, "tool.wasm", bytes, &[], &[End::Ok]);
    }
    // Its own name and what it is given.
    place.write("tool.wasm", wat::parse_str(status("arguments", 3)).unwrap());
    let report = place.run(&["exec", "--json", "tool.wasm", "a", "b"]).json();
    assert_eq!(ok(report), Value::Null);
}

/// What the `tools` interface gets from a component that makes no sense.
#[test]
fn calls_of_tools_with_nonsense_are_errors_or_traps() {
    let program = |body: &str| {
        format!(
            r#"(component
    (import "wasm-coordinator:sandbox/types@0.1.0" (instance $types
        (type $form' (enum "value" "whole"))
        (export "answer-form" (type $form (eq $form')))
        (type $kind' (variant (case "failed") (case "invalid-arguments" (list string)) (case "unknown-tool" (list string))
            (case "denied") (case "unavailable") (case "timed-out") (case "outcome-unknown") (case "cancelled")
            (case "limit") (case "unusable-answer")))
        (export "call-error-kind" (type $kind (eq $kind')))
        (type $error' (record (field "kind" $kind) (field "server" string) (field "tool" string) (field "message" string)
            (field "code" (option s64)) (field "data" (option string))))
        (export "call-error" (type $error (eq $error')))
        (type $completion' (record (field "id" u32) (field "result" (result string (error $error)))))
        (export "completion" (type $completion (eq $completion')))))
    (alias export $types "answer-form" (type $form))
    (alias export $types "call-error" (type $error))
    (alias export $types "completion" (type $completion))
    (import "wasm-coordinator:sandbox/tools@0.1.0" (instance $tools
        (alias outer 1 $form (type $f')) (export "answer-form" (type $f (eq $f')))
        (alias outer 1 $error (type $e')) (export "call-error" (type $e (eq $e')))
        (alias outer 1 $completion (type $c')) (export "completion" (type $c (eq $c')))
        (export "start-call" (func (param "tool" string) (param "arguments" string) (param "form" $f) (result (result u32 (error $e)))))
        (export "cancel" (func (param "id" u32)))
        (export "wait" (func (param "timeout" (option u64)) (result (list $c))))))
    (core module $memory
        (memory (export "memory") 600)
        (data (i32.const 16) "fixture.echo") (data (i32.const 32) "{{\"text\": \"x\"}}") (data (i32.const 48) "\ff\fe\fd\fc")
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1048576)))
    (core instance $memory (instantiate $memory))
    (alias core export $memory "memory" (core memory $m))
    (alias core export $memory "realloc" (core func $r))
    (core func $start (canon lower (func $tools "start-call") (memory $m) (realloc $r)))
    (core func $cancel (canon lower (func $tools "cancel")))
    (core func $wait (canon lower (func $tools "wait") (memory $m) (realloc $r)))
    (core module $main
        (import "m" "memory" (memory 600))
        (import "h" "start" (func $start (param i32 i32 i32 i32 i32 i32)))
        (import "h" "cancel" (func $cancel (param i32)))
        (import "h" "wait" (func $wait (param i32 i64 i32)))
        (func (export "run") (result i32) (local $n i32) {body}))
    (core instance $main (instantiate $main (with "m" (instance $memory)) (with "h" (instance
        (export "start" (func $start)) (export "cancel" (func $cancel)) (export "wait" (func $wait))))))
    (func $run (result (result)) (canon lift (core func $main "run")))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $cli)))"#
        )
    };
    let place = Place::with_fixture(&[]);
    let run = |body: &str, ways: &[End]| {
        let bytes = wat::parse_str(program(body)).unwrap_or_else(|error| panic!("{error}"));
        ends_as_with(&place, "tool.wasm", bytes, &[], ways)
    };
    let start = |name: &str, arguments: &str, form: &str| {
        format!("(call $start {name} {arguments} (i32.const {form}) (i32.const 64))")
    };
    let (name, arguments) = (
        "(i32.const 16) (i32.const 12)",
        "(i32.const 32) (i32.const 13)",
    );
    // Not UTF-8, beyond the memory, no such form.
    for start in [
        start("(i32.const 48) (i32.const 4)", arguments, "0"),
        start(name, "(i32.const 48) (i32.const 4)", "0"),
        start("(i32.const 16) (i32.const -1)", arguments, "0"),
        start(name, "(i32.const 39321599) (i32.const 2)", "0"),
        start(name, arguments, "2"),
        start(name, arguments, "-1"),
    ] {
        run(&format!("{start} (i32.const 0)"), TRAP);
    }
    // More than one call may carry, and much in one call.
    let too_much = start("(i32.const 2097152) (i32.const 30000000)", arguments, "0");
    run(
        &format!("{too_much} (i32.const 0)"),
        &[Limit("transfer"), Error],
    );
    let names = start("(i32.const 2097152) (i32.const 12000000)", arguments, "0");
    run(&repeated(200, &names), &[End::Ok, TIMEOUT]);
    let texts = start(name, "(i32.const 2097152) (i32.const 12000000)", "0");
    run(&repeated(200, &texts), &[End::Ok, TIMEOUT]);
    // Cancelled though they never were, a million times, before anybody looks.
    run(
        &repeated(1_000_000, "(call $cancel (local.get $n))"),
        &[End::Ok, TIMEOUT],
    );
    let once = start(name, arguments, "0");
    let storm = repeated(1_000_000, "(call $cancel (i32.const 1))");
    run(&format!("{once} {storm}"), &[End::Ok, TIMEOUT]);
    // Waits for what nobody began.
    run(
        "(call $wait (i32.const 0) (i64.const 0) (i32.const 64)) (i32.const 0)",
        &[End::Ok],
    );
    run(
        "(call $wait (i32.const 1) (i64.const -1) (i32.const 64)) (i32.const 0)",
        &[TIMEOUT, End::Ok],
    );
    run(
        "(call $wait (i32.const 2) (i64.const 0) (i32.const 64)) (i32.const 0)",
        TRAP,
    );
    // And in good order: one answer.
    let whole = format!(
        "{once} (call $wait (i32.const 0) (i64.const 0) (i32.const 64)) (i32.ne (i32.load (i32.const 68)) (i32.const 1))"
    );
    let report = run(&whole, &[End::Ok]);
    assert_eq!(report["calls"][0]["status"], "finished", "{report:#}");
    assert_eq!(report["calls"][0]["tool"], json!("echo"));
}
