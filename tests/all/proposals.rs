//! WebAssembly proposals: those that toolchains use without being asked run, and
//! all others are refused by their name.

use serde_json::Value;

use crate::harness::{Place, contains, error, ok};

/// The items of a core module as a program of WASI preview 1.
fn module(items: &str) -> String {
    format!(r#"(module {items} (memory (export "memory") 1) (func (export "_start")))"#)
}

/// The same in a component.
fn in_component(items: &str) -> String {
    format!("(component (core module {items}))")
}

fn exec(text: &str) -> Value {
    let place = Place::new();
    let binary =
        wat::parse_str(text).unwrap_or_else(|error| panic!("the test's own text: {error}\n{text}"));
    place.write("tool.wasm", binary);
    place.run(&["exec", "--json", "tool.wasm"]).json()
}

#[track_caller]
fn refused(text: &str, why: &str) {
    let report = exec(text);
    assert_eq!(
        error(&report)["kind"],
        "component_invalid",
        "{text}\n{report:#}"
    );
    contains(&report["error"]["message"], why);
}

/// What is refused in a core module, by itself and in a component.
#[track_caller]
fn refused_in_modules(items: &str, why: &str) {
    refused(&module(items), why);
    refused(&in_component(items), why);
}

#[test]
fn garbage_collected_types_are_refused() {
    for items in ["(type (struct (field i32)))", "(type (array i8))"] {
        refused_in_modules(items, "not supported without the gc feature");
    }
    refused_in_modules(
        "(rec (type (func)) (type (func)))",
        "requires `gc` proposal to be enabled",
    );
    refused_in_modules("(func (param i31ref))", "gc types are disallowed");
    // References to objects of the host belong to reference types and need a
    // collector.
    for items in [
        "(table 1 externref)",
        "(func (param externref))",
        "(global externref (ref.null extern))",
    ] {
        refused_in_modules(items, "gc types are disallowed");
    }
}

/// RUSTSEC-2026-0570: built without a collector, the engine accepted types of
/// functions that have subtypes, and called a function that is not there to tell
/// them apart. It ended the process.
#[test]
fn subtypes_of_functions_that_end_the_process_are_refused() {
    let types = "(type $super (sub (func))) (type $sub (sub $super (func)))
        (table 1 funcref) (elem (i32.const 0) $f) (func $f (type $sub))";
    for instruction in [
        "(call_indirect (type $super) (i32.const 0))",
        "(drop (ref.test (ref $super) (table.get (i32.const 0))))",
        "(drop (ref.cast (ref $super) (table.get (i32.const 0))))",
    ] {
        let items = format!("{types} (func $attack {instruction}) (start $attack)");
        refused_in_modules(&items, "gc proposal must be enabled to use subtypes");
    }
    // What one call through a table is allowed: the same without a subtype.
    let items =
        "(type $type (func)) (table 1 funcref) (elem (i32.const 0) $f) (func $f (type $type))
        (func $call (call_indirect (type $type) (i32.const 0))) (start $call)";
    assert_eq!(ok(exec(&module(items))), Value::Null);
}

#[test]
fn references_to_typed_functions_are_refused() {
    let why = "function references required";
    refused_in_modules("(type $f (func)) (func (param (ref $f)))", why);
    refused_in_modules("(type $f (func)) (func (param (ref null $f)))", why);
    refused_in_modules("(table 1 (ref null func)) (func (local (ref func)))", why);
}

#[test]
fn exceptions_are_refused() {
    refused_in_modules("(tag)", "exceptions proposal not enabled");
    refused_in_modules("(func (param exnref))", "exception handling feature");
    refused_in_modules(
        "(func (block $b (try_table (catch_all $b))))",
        "exceptions support is not enabled",
    );
    refused_in_modules("(func try catch_all end)", "legacy_exceptions");
}

#[test]
fn tail_calls_are_refused() {
    let why = "tail calls support is not enabled";
    refused_in_modules("(func $f (return_call $f))", why);
    let items = "(table 1 funcref) (func (return_call_indirect (i32.const 0)))";
    refused_in_modules(items, why);
}

#[test]
fn shared_memory_and_atomic_instructions_are_refused() {
    refused(
        r#"(module (memory (export "memory") 1 1 shared) (func (export "_start")))"#,
        "threads must be enabled for shared memories",
    );
    refused(
        "(component (core module (memory 1 1 shared)))",
        "threads must be enabled for shared memories",
    );
    for instruction in [
        "(drop (memory.atomic.notify (i32.const 0) (i32.const 0)))",
        "(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))",
        "(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 0)))",
        "atomic.fence",
    ] {
        // The memory of a component's module stands in the items.
        refused(
            &module(&format!("(func {instruction})")),
            "threads support is not enabled",
        );
        refused(
            &in_component(&format!("(memory 1) (func {instruction})")),
            "threads support is not enabled",
        );
    }
    let why = "require the shared-everything-threads proposal";
    refused_in_modules("(type (shared (func)))", why);
    refused_in_modules("(global (shared i32) (i32.const 0))", why);
}

#[test]
fn memories_and_tables_with_long_addresses_are_refused() {
    refused(
        r#"(module (memory (export "memory") i64 1) (func (export "_start")))"#,
        "memory64 must be enabled",
    );
    refused(
        "(component (core module (memory i64 1)))",
        "memory64 must be enabled",
    );
    refused_in_modules("(table i64 1 funcref)", "memory64 must be enabled");
}

#[test]
fn pages_of_other_sizes_are_refused() {
    refused(
        r#"(module (memory (export "memory") 1 (pagesize 1)) (func (export "_start")))"#,
        "custom page sizes",
    );
    refused(
        "(component (core module (memory 1 (pagesize 1))))",
        "custom page sizes",
    );
}

#[test]
fn relaxed_vector_instructions_are_refused() {
    let zero = "(v128.const i64x2 0 0)";
    let items = format!("(func (drop (i8x16.relaxed_swizzle {zero} {zero})))");
    refused_in_modules(&items, "relaxed SIMD support is not enabled");
}

#[test]
fn wide_arithmetic_is_refused() {
    let zero = "(i64.const 0)";
    let items = format!("(func (i64.mul_wide_u {zero} {zero}) drop drop)");
    refused_in_modules(&items, "wide arithmetic support is not enabled");
}

#[test]
fn stack_switching_is_refused() {
    let items = "(type $f (func)) (type $c (cont $f))";
    refused_in_modules(items, "stack switching");
    let items = "(type $f (func)) (type $c (cont $f)) (elem declare func $g) (func $g)
        (func (drop (cont.new $c (ref.func $g))))";
    refused_in_modules(items, "stack switching");
}

#[test]
fn concurrency_in_components_is_refused() {
    for items in [
        r#"(import "f" (func async))"#,
        "(type (future))",
        "(type (stream u8))",
        "(core func (canon task.return))",
        "(core func (canon backpressure.inc))",
        "(core func (canon context.get i32 0))",
        "(core func (canon waitable-set.new))",
        "(core func (canon subtask.drop))",
        r#"(core module $m (func (export "f") (result i32) unreachable)
               (func (export "g") (param i32 i32 i32) (result i32) unreachable))
           (core instance $i (instantiate $m))
           (func (canon lift (core func $i "f") async (callback (core func $i "g"))))"#,
    ] {
        refused(
            &format!("(component {items})"),
            "the component model async feature",
        );
    }
    refused(
        "(component (type error-context))",
        "the component model error-context feature",
    );
    for (builtin, why) in [
        ("thread.yield", "the component model async feature"),
        ("thread.index", "the component model threading feature"),
        ("thread.available_parallelism", "shared-everything-threads"),
    ] {
        refused(&format!("(component (core func (canon {builtin})))"), why);
    }
}

#[test]
fn what_components_may_learn_later_is_refused() {
    for (items, why) in [
        (
            "(type (list u8 4))",
            "component model fixed-length lists feature",
        ),
        ("(type (map string u32))", "component model map feature"),
        (r#"(import "a" (value string))"#, "`value`s is not enabled"),
        (r#"(import "a:b:c/d" (func))"#, "a:b:c/d"),
        (
            r#"(core type $t (func)) (import "f" (func $f)) (core func (canon lower (func $f) gc (core-type $t)))"#,
            "requires the `cm-gc` feature",
        ),
    ] {
        refused(&format!("(component {items})"), why);
    }
}

/// What compilers write by default, or for a processor that they call `generic`
/// or `lime1`.
#[test]
fn what_ordinary_toolchains_write_runs() {
    for items in [
        // Bulk memory.
        r#"(data $d "abc") (func $f (memory.init $d (i32.const 0) (i32.const 0) (i32.const 3)) (data.drop $d)
            (memory.copy (i32.const 8) (i32.const 0) (i32.const 3)) (memory.fill (i32.const 0) (i32.const 0) (i32.const 8)))
            (start $f)"#,
        // Several results and parameters of blocks.
        "(func $two (result i32 i32) i32.const 1 i32.const 2)
            (func $f call $two (block (param i32 i32) drop drop)) (start $f)",
        // Sign extension, and conversions that do not trap.
        "(func $f (drop (i32.extend8_s (i32.const 255))) (drop (i64.extend32_s (i64.const -1)))
            (drop (i32.trunc_sat_f64_s (f64.const nan)))) (start $f)",
        // Vectors.
        "(func $f (drop (i8x16.add (v128.const i64x2 1 2) (i8x16.splat (i32.const 3))))) (start $f)",
        // References to functions, several tables.
        "(table $a 2 funcref) (table $b 2 funcref) (elem declare func $g) (func $g)
            (func $f (table.set $b (i32.const 1) (ref.func $g))
                (drop (table.grow $a (ref.null func) (i32.const 1))) (call_indirect $b (i32.const 1))) (start $f)",
        // Constants that are computed, and globals that change.
        r#"(global (export "g") (mut i32) (i32.add (i32.const 1) (i32.mul (i32.const 2) (i32.const 3))))"#,
        // Several memories.
        "(memory $other 1) (func $f (i32.store $other (i32.const 0) (i32.const 1))) (start $f)",
    ] {
        let report = exec(&module(items));
        assert_eq!(report["status"], "ok", "{items}\n{report:#}");
    }
}

/// Two components in one, as linkers of components make them: between their
/// memories, the engine copies by modules that it writes itself.
#[test]
fn components_in_a_component_pass_texts_and_lists() {
    let report = exec(
        r#"(component
            (component $inner
                (core module $m
                    (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
                    (func (export "f") (param i32 i32 i32 i32) (result i32)
                        (i32.store (i32.const 8) (local.get 0))
                        (i32.store (i32.const 12) (i32.add (local.get 1) (local.get 3)))
                        i32.const 8))
                (core instance $i (instantiate $m))
                (func (export "f") (param "text" string) (param "numbers" (list u32)) (result string)
                    (canon lift (core func $i "f") (memory (core memory $i "memory"))
                        (realloc (core func $i "realloc")))))
            (component $outer
                (import "f" (func $f (param "text" string) (param "numbers" (list u32)) (result string)))
                (core module $memory
                    (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 8192))
                (core instance $memory (instantiate $memory))
                (core func $f (canon lower (func $f) string-encoding=utf16 (memory (core memory $memory "memory"))
                    (realloc (core func $memory "realloc"))))
                (core module $m
                    (import "i" "f" (func $f (param i32 i32 i32 i32 i32)))
                    (import "i" "memory" (memory 1))
                    (data (i32.const 0) "h\00i\00")
                    (func (export "run") (result i32)
                        (call $f (i32.const 0) (i32.const 2) (i32.const 16) (i32.const 0) (i32.const 64))
                        ;; Two characters came back, of which the first is an `h`.
                        (i32.ne (i32.const 2) (i32.load (i32.const 68)))
                        (i32.ne (i32.const 104) (i32.load16_u (i32.load (i32.const 64))))
                        i32.or))
                (core instance $i (instantiate $m (with "i" (instance
                    (export "f" (func $f)) (export "memory" (memory $memory "memory"))))))
                (func (export "run") (result (result)) (canon lift (core func $i "run"))))
            (instance $inner (instantiate $inner))
            (instance $outer (instantiate $outer (with "f" (func $inner "f"))))
            (instance $cli (export "run" (func $outer "run")))
            (export "wasi:cli/run@0.2.0" (instance $cli)))"#,
    );
    assert_eq!(ok(report), Value::Null);
}
