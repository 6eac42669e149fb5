//! Bad input on the command line: a clear error, the right exit code, nothing
//! run.

use crate::harness::{Place, contains, error};

#[track_caller]
fn refused(place: &Place, arguments: &[&str], expected: &str) {
    let ran = place.run(arguments).fails_with(2);
    assert_eq!(ran.stderr, expected);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_missing_script() {
    refused(
        &Place::new(),
        &["exec", "missing.py"],
        "error: `missing.py` cannot be read: no such file or directory\n\
         hint: check the path, or pass the code itself with `-c`\n",
    );
}

#[test]
fn a_directory() {
    let place = Place::new();
    place.write("folder/a.py", "1");
    refused(
        &place,
        &["exec", "folder"],
        "error: `folder` is a directory\nhint: name a script or a component in it\n",
    );
}

#[test]
fn a_name_that_does_not_tell_the_language() {
    let place = Place::new();
    place.write("script", "print('hi')");
    refused(
        &place,
        &["exec", "script"],
        "error: the name of `script` does not tell its language\n\
         hint: pass `--language python`, `javascript` or `typescript`\n",
    );
    let ran = place
        .run(&["exec", "--language", "python", "script"])
        .succeeds();
    assert_eq!(ran.stdout, "hi\n");
    place.write("script", "#!/usr/bin/env python3\nprint('hi')");
    place.run(&["exec", "script"]).succeeds();
}

#[test]
fn binary_data() {
    let place = Place::new();
    place.write("data.py", [0x89, b'P', b'N', b'G', 0, 1, 2, 3]);
    refused(
        &place,
        &["exec", "data.py"],
        "error: `data.py` is not a script: it has a zero byte at line 1, column 5\n\
         hint: scripts are UTF-8 text; components begin with `\\0asm`\n",
    );
}

#[test]
fn invalid_utf8() {
    let place = Place::new();
    place.write("latin.py", b"x = 1\nname = 'Z\xfcrich'\n");
    refused(
        &place,
        &["exec", "latin.py"],
        "error: `latin.py` is not UTF-8: the first wrong byte is at line 2, column 10\n\
         hint: save the file as UTF-8\n",
    );
    place.write("utf8.py", "name = 'Zürich'\nprint(name)");
    assert_eq!(
        place.run(&["exec", "utf8.py"]).succeeds().stdout,
        "Zürich\n"
    );
}

#[test]
fn ten_megabytes_of_source() {
    let place = Place::new();
    place.write(
        "large.py",
        "x = 1 # padding to make the line long\n".repeat(300_000),
    );
    refused(
        &place,
        &["exec", "large.py"],
        "error: `large.py` is too large: at most 8 MiB are accepted\n\
         hint: read large data from a tool or a file instead of writing it into the script\n",
    );
    let data = format!("x = '{}'\nprint(len(x))", "y".repeat(2 << 20));
    place.write("fits.py", data);
    assert_eq!(
        place.run(&["exec", "fits.py"]).succeeds().stdout,
        format!("{}\n", 2 << 20)
    );
}

#[test]
fn a_byte_order_mark_is_accepted() {
    let place = Place::new();
    place.write("bom.py", "\u{feff}print('hi')");
    assert_eq!(place.run(&["exec", "bom.py"]).succeeds().stdout, "hi\n");
}

#[test]
fn syntax_errors_have_a_position() {
    let place = Place::new();
    let report = place.python("x = 1\ny = = 2\n");
    let failure = error(&report);
    assert_eq!(failure["kind"], "SyntaxError");
    assert_eq!(failure["position"]["line"], 2);
    assert_eq!(failure["position"]["file"], "script.py");
    contains(&failure["traceback"], "y = = 2");

    let report = place.javascript("const x = 1;\nconst y = = 2;\n");
    let failure = error(&report);
    assert_eq!(failure["kind"], "SyntaxError");
    assert_eq!(failure["position"]["line"], 2);
    assert_eq!(failure["position"]["file"], "script.js");

    let report = place.exec("script.ts", "const x: number = 1;\nconst y: = 2;\n", &[]);
    let failure = error(&report);
    assert_eq!(failure["kind"], "SyntaxError");
    assert_eq!(failure["position"]["line"], 2);
    assert_eq!(failure["position"]["file"], "script.ts");
}

#[test]
fn no_script_at_all_shows_the_usage() {
    let ran = Place::new().run(&["exec"]).fails_with(2);
    assert!(
        ran.stderr.contains("Usage: wasm-coordinator exec"),
        "{}",
        ran.stderr
    );
}

#[test]
fn limits_that_are_no_amounts() {
    for (flag, value) in [
        ("--timeout", "soon"),
        ("--memory", "much"),
        ("--fuel", "many"),
        ("--timeout", "0s"),
    ] {
        let ran = Place::new()
            .run(&["exec", flag, value, "-c", "1"])
            .fails_with(2);
        assert!(ran.stderr.contains(flag), "{}", ran.stderr);
    }
}

#[test]
fn an_unreadable_script_in_json_mode_is_one_document() {
    let report = Place::new()
        .run(&["exec", "--json", "missing.py"])
        .fails_with(2)
        .json();
    assert_eq!(report["status"], "error");
    assert_eq!(report["error"]["kind"], "UsageError");
    contains(&report["error"]["message"], "`missing.py` cannot be read");
    contains(&report["error"]["hint"], "-c");
}
