//! The same program natively and in the sandbox: what it sees of files must be
//! the same, but for the differences that `docs/files.md` explains.

use std::collections::BTreeSet;
use std::process::Command;

use crate::files::table;
use crate::harness::{Place, root};

/// The lines `label: what came` of a program.
fn lines(text: &str) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.split_once(": "), lines.last_mut()) {
            (Some((label, value)), _) => lines.push((label.to_owned(), value.to_owned())),
            // Went on behind a line break.
            (None, Some((_, value))) => *value += line,
            (None, None) => panic!("not a line of the program: {line}"),
        }
    }
    lines
}

#[track_caller]
fn same(interpreter: &str, program: &str, heading: &str) {
    let program = root().join("tests/files").join(program);
    let place = tempfile::tempdir().unwrap();
    let native = Command::new(interpreter)
        .arg(&program)
        .arg(place.path())
        .output()
        .expect("the tests need Python and Node");
    assert!(
        native.status.success(),
        "{}",
        String::from_utf8_lossy(&native.stderr)
    );
    let ours = Place::new()
        .run(&["exec", program.to_str().unwrap(), "/workspace"])
        .succeeds();
    let native = lines(&String::from_utf8_lossy(&native.stdout));
    let ours = lines(&ours.stdout);
    assert!(native.len() > 80, "the program ran to its end");
    let labels = |lines: &[(String, String)]| -> Vec<_> {
        lines.iter().map(|(label, _)| label.clone()).collect()
    };
    assert_eq!(labels(&native), labels(&ours));
    let explained: BTreeSet<String> = table(heading).into_keys().collect();
    let mut wrong = String::new();
    let mut differing = BTreeSet::new();
    for ((label, native), (_, ours)) in native.iter().zip(&ours) {
        if native != ours {
            differing.insert(label.clone());
            if !explained.contains(label) {
                wrong += &format!("{label}\n  native: {native}\n  here:   {ours}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    let gone: Vec<_> = explained.difference(&differing).collect();
    assert!(
        gone.is_empty(),
        "docs/files.md explains differences that are not there: {gone:?}"
    );
}

#[test]
fn python_sees_the_files_it_would_see_natively() {
    same("python3", "native.py", "### Python");
}

#[test]
fn javascript_sees_the_files_it_would_see_natively() {
    same("node", "native.mjs", "### JavaScript");
}
