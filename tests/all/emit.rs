//! `emit`: content blocks of programs, in order, bounded, and of the type they
//! are.

use std::time::Duration;

use serde_json::{Value, json};
use wasm_coordinator::{ContentBlock, Limits, Program, Session, SessionOptions, Status, Toolbox};

use crate::harness::{Place, contains, error, ok};
use crate::library::{engine, tokio};

/// A picture of one pixel.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\x0bIDATx\x9cc`\0\x02\0\0\x05\0\x01z^\xab?\0\0\0\0IEND\xaeB`\x82";
const PNG_BASE64: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR4nGNgAAIAAAUAAXpeqz8AAAAASUVORK5CYII=";

/// A place with the picture as `chart.png`, and flags that bring it in.
fn with_picture() -> (Place, [&'static str; 2]) {
    let place = Place::new();
    place.write("chart.png", PNG);
    (place, ["--input", "chart.png"])
}

/// The same program in both languages, each with the picture in its workspace.
#[track_caller]
fn both(python: &str, javascript: &str, check: impl Fn(Value)) {
    let (place, flags) = with_picture();
    check(place.exec("a.py", python, &flags));
    check(place.exec("a.js", javascript, &flags));
}

#[test]
fn blocks_come_in_the_order_they_were_emitted() {
    both(
        "png = open('chart.png', 'rb').read()\n\
         emit('one')\nemit(png)\nemit({'a': [1, None]})\nemit('<b>x</b>', mime='text/html')\n\
         emit(path='chart.png')\nemit(b'\\0', name='raw.bin')\n'done'",
        "import fs from 'fs'; const png = fs.readFileSync('chart.png');\n\
         emit('one'); emit(png); emit({ a: [1, null] }); emit('<b>x</b>', { mimeType: 'text/html' });\n\
         emit({ path: 'chart.png' }); emit(new Uint8Array(1), { name: 'raw.bin' }); 'done'",
        |report| {
            let image = json!({ "type": "image", "data": PNG_BASE64, "mimeType": "image/png" });
            assert_eq!(
                report["content"],
                json!([
                    { "type": "text", "text": "one" },
                    image,
                    { "type": "text", "text": "{\"a\":[1,null]}" },
                    { "type": "resource", "resource": {
                        "uri": "sandbox:///emitted/4", "mimeType": "text/html", "text": "<b>x</b>",
                    } },
                    image,
                    { "type": "resource", "resource": {
                        "uri": "sandbox:///raw.bin", "mimeType": "application/octet-stream", "blob": "AA==",
                    } },
                ]),
                "{report:#}"
            );
            assert_eq!(ok(report), "done");
        },
    );
}

#[test]
fn a_report_of_a_program_that_emits_nothing_has_no_content() {
    let report = Place::new().python("1");
    assert!(report.get("content").is_none(), "{report:#}");
}

#[test]
fn emit_can_be_imported_as_tools_can() {
    both(
        "from servers import emit as a\nfrom mcp_tools import emit as b\na('1')\nb('2')",
        "import { emit as a } from 'servers'; a('1'); const { emit: b } = require('servers'); b('2')",
        |report| {
            let texts = json!([{ "type": "text", "text": "1" }, { "type": "text", "text": "2" }]);
            assert_eq!(report["content"], texts, "{report:#}");
        },
    );
}

#[test]
fn a_file_has_the_type_of_its_ending_or_its_bytes() {
    both(
        "open('a.svg', 'w').write('<svg/>')\nopen('b.csv', 'w').write('x,y')\n\
         open('c', 'wb').write(b'\\xff\\xfe')\nfrom pathlib import Path\n\
         emit(path='a.svg')\nemit(Path('/workspace/b.csv'))\nemit(path='./c')\n\
         __import__('shutil').copy('chart.png', 'd.jpg')\nemit(path='d.jpg')",
        "import fs from 'fs'; fs.writeFileSync('a.svg', '<svg/>'); fs.writeFileSync('b.csv', 'x,y');\n\
         fs.writeFileSync('c', new Uint8Array([255, 254])); fs.copyFileSync('chart.png', 'd.jpg');\n\
         emit({ path: 'a.svg' }); emit({ path: '/workspace/b.csv' }); emit({ path: './c' });\n\
         emit({ path: 'd.jpg' })",
        |report| {
            let resource = |name: &str, mime: &str, kind: &str, content: &str| {
                let uri = format!("sandbox:///workspace/{name}");
                json!({ "type": "resource", "resource": { "uri": uri, "mimeType": mime, kind: content } })
            };
            assert_eq!(
                report["content"],
                json!([
                    resource("a.svg", "image/svg+xml", "text", "<svg/>"),
                    resource("b.csv", "text/csv", "text", "x,y"),
                    resource("c", "application/octet-stream", "blob", "//4="),
                    { "type": "image", "data": PNG_BASE64, "mimeType": "image/png" },
                ]),
                "{report:#}"
            );
        },
    );
}

#[test]
fn objects_of_notebooks_show_themselves() {
    let report = Place::new().python(
        "class Chart:\n    def _repr_png_(self): return None\n    def _repr_svg_(self): return '<svg/>'\n\
         emit(Chart())",
    );
    assert_eq!(
        report["content"][0]["resource"]["text"], "<svg/>",
        "{report:#}"
    );
}

#[test]
fn a_declared_type_is_not_believed() {
    // Each lie beside the truth.
    for (bytes, declared, refusal) in [
        ("<html>", "image/png", "the bytes are not `image/png`, nor"),
        (
            "GIF89a",
            "image/png",
            "the bytes are not `image/png` but `image/gif`",
        ),
        ("BM1234", "image/bmp", "the bytes are not `image/bmp`, nor"),
        (
            "GIF89a",
            "audio/wav",
            "the bytes are not `audio/wav` but `image/gif`",
        ),
        ("GIF89a", "image/png\\n\\u001b]0;x", "is no MIME type"),
    ] {
        both(
            &format!("emit(b'{bytes}', mime='{declared}')"),
            &format!("emit(new TextEncoder().encode('{bytes}'), {{ mimeType: '{declared}' }})"),
            |report| {
                let error = error(&report);
                contains(&error["message"], refusal);
                assert!(!error["message"].as_str().unwrap().contains('\u{1b}'));
                assert!(["ValueError", "TypeError"].contains(&error["kind"].as_str().unwrap()));
                assert!(report.get("content").is_none(), "{report:#}");
            },
        );
    }
    both(
        "emit(b'GIF89a', mime='image/gif')\nemit(b'BM1234', mime='application/octet-stream')",
        "const bytes = (text) => new TextEncoder().encode(text);\n\
         emit(bytes('GIF89a'), 'image/gif'); emit(bytes('BM1234'), 'application/octet-stream')",
        |report| {
            assert_eq!(report["content"][0]["mimeType"], "image/gif", "{report:#}");
            assert_eq!(report["content"][1]["type"], "resource", "{report:#}");
        },
    );
}

#[test]
fn names_cannot_lead_out_of_the_report() {
    both(
        "emit('x', name='../../etc/passwd')\nemit('y', name='file:///a?b#c')",
        "emit('x', { name: '../../etc/passwd' }); emit('y', { name: 'file:///a?b#c' })",
        |report| {
            let uri = |index: usize| report["content"][index]["resource"]["uri"].clone();
            assert_eq!(uri(0), "sandbox:///etc/passwd");
            assert_eq!(uri(1), "sandbox:///file%3A/a%3Fb%23c");
        },
    );
    both(
        "emit('x', name='x' * 2000)",
        "emit('x', { name: 'x'.repeat(2000) })",
        |report| contains(&error(&report)["message"], "at most 1000"),
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_the_program() {
    both(
        "try:\n    emit(path='missing.png')\nexcept FileNotFoundError as e:\n    print(e.filename)",
        "try { emit({ path: 'missing.png' }) } catch (e) { console.log('missing.png', e.code) }",
        |report| {
            contains(&report["stdout"], "missing.png");
            assert_eq!(report["status"], "ok", "{report:#}");
        },
    );
}

#[test]
fn what_cannot_be_emitted_says_why() {
    for (python, javascript, why) in [
        ("emit(object())", "emit(() => 1)", "what JSON can express"),
        ("emit(None)", "emit(null)", "there is nothing to emit"),
        ("emit()", "emit()", "emit"),
        (
            "emit(call_tool('a.b'))",
            "emit(Promise.resolve(1))",
            "await",
        ),
    ] {
        both(python, javascript, |report| {
            assert_eq!(report["error"]["kind"], "TypeError", "{report:#}");
            contains(&report["error"]["message"], why);
        });
    }
}

#[test]
fn what_was_emitted_is_kept_when_the_program_fails() {
    for (python, javascript, status) in [
        (
            "emit('kept')\n1/0",
            "emit('kept'); throw new Error('no')",
            "error",
        ),
        (
            "emit('kept')\nwhile True: pass",
            "emit('kept'); while (true) {}",
            "limit",
        ),
        (
            "import sys\nemit('kept')\nsys.exit(3)",
            "emit('kept'); process.exit(3)",
            "error",
        ),
    ] {
        let place = Place::new();
        for (name, source) in [("a.py", python), ("a.js", javascript)] {
            let report = place.exec(name, source, &["--timeout", "1s"]);
            assert_eq!(report["status"], status, "{report:#}");
            assert_eq!(report["content"][0]["text"], "kept", "{report:#}");
        }
    }
}

#[test]
fn all_blocks_together_have_a_limit_in_bytes() {
    for (name, emit_twice) in [
        ("a.py", "emit(b'\\0' * 1000)\nemit('x' * N)"),
        ("a.js", "emit(new Uint8Array(1000)); emit('x'.repeat(N))"),
    ] {
        // Beside its 1,000 bytes the first block has a type of 24 and a name
        // of 20.
        let place = Place::new();
        let run = |n: &str| {
            place.exec(
                name,
                &emit_twice.replace('N', n),
                &["--max-content", "2000"],
            )
        };
        let report = run("956");
        assert_eq!(report["status"], "ok", "{report:#}");
        assert_eq!(report["content"].as_array().unwrap().len(), 2);
        let report = run("957");
        assert_eq!(report["status"], "limit", "{report:#}");
        assert_eq!(
            report["error"]["message"],
            "the limit of 2000 bytes of emitted content was reached"
        );
        assert_eq!(
            report["error"]["limit"],
            json!({ "name": "max-content", "value": 2000 })
        );
        contains(&report["error"]["hint"], "limits.maxContent");
        // What came before stays, what did not fit is not cut.
        assert_eq!(report["content"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn the_limit_is_eight_mebibytes_unless_it_is_configured() {
    let source = "emit(b'\\0' * (8 << 20))";
    let report = Place::new().python(source);
    assert_eq!(report["error"]["kind"], "max-content", "{report:#}");
    contains(&report["error"]["message"], "the limit of 8 MiB");
    let limits = json!({ "coordinator": { "limits": { "maxContent": "9MiB" } } });
    let report = Place::with_config(limits).python(source);
    assert_eq!(report["status"], "ok", "{report:#}");
    // More than one call to the host can carry, whatever the limit.
    let source = "emit(b'\\0' * (17 << 20))";
    let report = Place::new().exec("a.py", source, &["--max-content", "1GiB"]);
    assert_eq!(report["error"]["kind"], "transfer", "{report:#}");
}

#[test]
fn content_and_output_have_limits_of_their_own() {
    let place = Place::new();
    let source = "emit('x' * 100)\nprint('y' * 9)";
    let report = place.exec("a.py", source, &["--max-output", "10"]);
    assert_eq!(report["status"], "ok", "{report:#}");
    let report = place.exec("a.py", source, &["--max-output", "9"]);
    assert_eq!(report["error"]["kind"], "max-output", "{report:#}");
}

#[test]
fn the_number_of_blocks_has_a_limit() {
    for (name, source) in [
        ("a.py", "for i in range(N): emit(str(i))"),
        ("a.js", "for (let i = 0; i < N; i++) emit(String(i))"),
    ] {
        let report = Place::new().exec(name, &source.replace('N', "64"), &[]);
        assert_eq!(report["status"], "ok", "{report:#}");
        let report = Place::new().exec(name, &source.replace('N', "65"), &[]);
        assert_eq!(
            report["error"]["message"], "the limit of 64 emitted blocks was reached",
            "{report:#}"
        );
        assert_eq!(
            report["error"]["limit"],
            json!({ "name": "blocks", "value": 64 })
        );
        assert_eq!(report["content"].as_array().unwrap().len(), 64);
        assert_eq!(report["content"][63]["text"], "63");
    }
}

#[test]
fn refused_blocks_cost_nothing() {
    let report = Place::new().exec(
        "a.py",
        "for _ in range(1000):\n    try:\n        emit(b'x' * 900, mime='image/png')\n    except ValueError:\n        pass\nemit('fits')",
        &["--max-content", "1000"],
    );
    assert_eq!(
        report["content"],
        json!([{ "type": "text", "text": "fits" }]),
        "{report:#}"
    );
}

#[test]
fn the_bindings_of_the_guest_are_no_way_around() {
    // What a hostile program finds below `emit`.
    let report = Place::new().python(
        "from wit_world.imports import output as o\nfrom componentize_py_types import Err\n\
         try:\n    o.emit(o.Block_Data(o.Data(b'MZ', 'image/png', None)))\n\
         except Err as e:\n    print(e.value)\n\
         for _ in range(100): o.emit(o.Block_Text('x'))",
    );
    contains(&report["stdout"], "the bytes are not `image/png`");
    assert_eq!(report["error"]["kind"], "blocks", "{report:#}");
}

/// A component that emits a GIF under a type of nine letters, and fails if that
/// is refused.
const EMITS: &str = r#"(component
    (import "wasm-coordinator:sandbox/output@0.1.0" (instance $output
        (type $data' (record (field "content" (list u8)) (field "mime-type" (option string)) (field "name" (option string))))
        (export "data" (type $data (eq $data')))
        (type $block' (variant (case "text" string) (case "data" $data)))
        (export "block" (type $block (eq $block')))
        (export "emit" (func (param "block" $block) (result (result (error string)))))))
    (core module $memory
        (memory (export "memory") 1)
        (data (i32.const 16) "GIF89a")
        (data (i32.const 32) "TYPE")
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
    (core instance $memory (instantiate $memory))
    (core func $emit (canon lower (func $output "emit")
        (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
    (core module $main
        (import "host" "emit" (func $emit (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
        (import "memory" "memory" (memory 1))
        (func (export "run") (result i32)
            (call $emit (i32.const 1) (i32.const 16) (i32.const 6)
                (i32.const 1) (i32.const 32) (i32.const 9)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
            (i32.load8_u (i32.const 256))))
    (core instance $main (instantiate $main
        (with "host" (instance (export "emit" (func $emit))))
        (with "memory" (instance $memory))))
    (func $run (result (result)) (canon lift (core func $main "run")))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $cli)))"#;

#[test]
fn components_are_believed_no_more_than_programs() {
    let place = Place::new();
    let emits = |mime_type: &str| {
        let component = wat::parse_str(EMITS.replace("TYPE", mime_type)).unwrap();
        place.write("emits.wasm", component);
        place.run(&["exec", "--json", "emits.wasm"]).json()
    };
    let report = emits("image/gif");
    assert_eq!(
        report["content"],
        json!([{ "type": "image", "data": "R0lGODlh", "mimeType": "image/gif" }]),
        "{report:#}"
    );
    let report = emits("image/png");
    assert_eq!(error(&report)["kind"], "SystemExit");
    assert!(report.get("content").is_none(), "{report:#}");
}

#[test]
fn a_run_begins_with_nothing_emitted() {
    tokio().block_on(async {
        let limits = Limits {
            max_content: 10,
            timeout: Duration::from_secs(30),
            ..Limits::default()
        };
        let options = SessionOptions {
            limits,
            ..Default::default()
        };
        let mut session = Session::new(engine(), Toolbox::default(), options);
        for _ in 0..3 {
            let report = session.run(Program::python("emit('12345678')")).await;
            assert_eq!(report.status, Status::Ok, "{report:?}");
            assert!(
                matches!(&report.content[..], [ContentBlock::Text { text }] if text == "12345678")
            );
        }
        let report = session.run(Program::python("1")).await;
        assert!(report.content.is_empty(), "{report:?}");
    });
}

#[test]
fn a_watcher_sees_blocks_between_what_is_printed() {
    tokio().block_on(async {
        let mut session = Session::new(engine(), Toolbox::default(), SessionOptions::default());
        let seen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let (printed, emitted) = (seen.clone(), seen.clone());
        session.watch(Box::new(move |_, bytes| {
            printed
                .lock()
                .unwrap()
                .push_str(std::str::from_utf8(bytes).unwrap());
        }));
        session.watch_content(Box::new(move |block| {
            let shown = format!("[{} {}]", block.mime_type(), block.size());
            emitted.lock().unwrap().push_str(&shown);
        }));
        let source =
            "print('a', end='')\nemit('12')\nprint('b', end='')\nemit(b'GIF89a')\nprint('c')";
        session.run(Program::python(source)).await;
        assert_eq!(*seen.lock().unwrap(), "a[text/plain 2]b[image/gif 6]c\n");
    });
}

#[test]
fn exec_shows_texts_where_they_were_emitted_and_says_what_else_was() {
    let (place, flags) = with_picture();
    for (name, source) in [
        (
            "a.py",
            "print('one')\nemit('two')\nemit(path='chart.png')\nprint('three')",
        ),
        (
            "a.js",
            "console.log('one'); emit('two'); emit({ path: 'chart.png' }); console.log('three')",
        ),
    ] {
        place.write(name, source);
        let ran = place.run(&["exec", flags[0], flags[1], name]).succeeds();
        assert_eq!(ran.stdout, "one\ntwo\nthree\n");
        let size = PNG.len();
        let note = format!("note: emitted image/png, {size} bytes; `--output-dir DIR` saves it\n");
        assert!(ran.stderr.ends_with(&note), "{}", ran.stderr);
    }
    let ran = place
        .run(&["exec", "-c", "emit(b'\\0' * 12345)"])
        .succeeds();
    let note =
        "note: emitted application/octet-stream, 12,345 bytes; `--output-dir DIR` saves it\n";
    assert!(ran.stderr.ends_with(note), "{}", ran.stderr);
}
