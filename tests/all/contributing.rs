//! `CONTRIBUTING.md` says which files a kind of change touches, and each of
//! these files says that it is one of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::root;
use crate::tidy::files;

/// The headings `To add …` and the paths in their lists.
fn listed(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut lists = BTreeMap::<String, BTreeSet<String>>::new();
    let mut heading = None;
    for line in page.lines() {
        if let Some(title) = line.strip_prefix('#') {
            let title = title.trim_start_matches('#').trim();
            heading = title.starts_with("To add ").then(|| title.to_owned());
        }
        let Some(heading) = &heading else { continue };
        let item = line
            .strip_prefix("- `")
            .and_then(|item| item.split_once('`'));
        if let Some((path, _)) = item {
            let paths = lists.entry(heading.clone()).or_default();
            paths.insert(path.to_owned());
        }
    }
    lists
}

/// The headings that the files themselves name.
fn named() -> BTreeMap<String, BTreeSet<String>> {
    const BEFORE: &str = "CONTRIBUTING.md, \"";
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for folder in ["host", "stubs"] {
        for path in files(&root().join(folder), "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).expect("it is below");
            for after in text.split(BEFORE).skip(1) {
                let heading = after.split('"').next().unwrap_or_default();
                let paths = found.entry(heading.to_owned()).or_default();
                paths.insert(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn the_files_of_a_change_are_those_that_say_so() {
    let page = std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let listed = listed(&page);
    let mut in_code = listed.clone();
    for paths in in_code.values_mut() {
        // A comment there would change the digest that guests are built from.
        paths.retain(|path| !path.starts_with("wit/"));
    }
    assert_eq!(in_code, named());
    // No more than a newcomer can keep in mind.
    for (heading, most) in [
        ("To add a limit", 4),
        ("To add a tool of serve", 2),
        ("To add a transport", 3),
        ("To add a flag", 2),
        ("To add a guest language", 6),
    ] {
        let files = &listed[heading];
        assert!(files.len() <= most, "{heading}: {files:?}");
    }
}
