//! Every file in `examples/` runs and does what it says.

use std::collections::BTreeSet;
use std::process::Command;

use crate::harness::{Place, example, guest_cache, root};

#[test]
fn the_quickstarts_run_as_the_readme_says() {
    let place = Place::new();
    for (name, listed) in [
        ("quickstart.py", "10,000 orders."),
        ("quickstart.ts", "10000 orders."),
    ] {
        let example = root().join("examples").join(name);
        let ran = place.run(&["exec", example.to_str().unwrap()]).succeeds();
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines.len(), 3, "{}", ran.stdout);
        assert!(lines[0].ends_with(listed), "{}", ran.stdout);
        assert!(
            lines[1].starts_with("745 of them were returned"),
            "{}",
            ran.stdout
        );
        assert_eq!(lines[2], "Most came back from GB (87), SE (82), FR (81).");
    }
}

#[test]
fn the_library_is_embedded_as_shown() {
    // It keeps compiled guests in the folder for temporary files.
    let ran = Command::new(example("embed"))
        .env("TMPDIR", guest_cache())
        .output()
        .expect("cargo builds examples for tests");
    let failed = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{failed}");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(said.starts_with("variables stay\n"), "{said}");
}

/// A new example needs a test above, and its name here.
#[test]
fn no_example_is_left_out() {
    let folder = std::fs::read_dir(root().join("examples")).unwrap();
    let names: BTreeSet<_> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let tested = ["embed.rs", "quickstart.py", "quickstart.ts"];
    assert_eq!(names, tested.map(str::to_owned).into());
}
