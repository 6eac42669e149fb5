//! `wasi:filesystem` as components see it, held against the text of WASI 0.2:
//! every function and every answer that `docs/files.md` lists, no other.
//!
//! The component is `tests/components/files`; here is what it runs against.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;
use wasm_coordinator::files::{Quota, Workspace};
use wasm_coordinator::{
    Engine, EngineOptions, Files, Isolation, LocalTools, Program, ServerLimits, ServerSpec,
    Session, SessionOptions, Status, Toolbox,
};

use crate::harness::root;
use crate::library::{engine, tokio};

/// Function and answer.
type Seen = BTreeSet<(String, String)>;

const COMPONENT: &str = "tests/components/files/files.wasm";

fn session(files: Files) -> Session {
    let options = SessionOptions {
        files,
        ..Default::default()
    };
    Session::new(engine(), Toolbox::default(), options)
}

fn in_process(files: Files) -> Session {
    let engine = Engine::new(EngineOptions {
        isolation: Isolation::InProcess,
        ..Default::default()
    });
    let options = SessionOptions {
        files,
        ..Default::default()
    };
    Session::new(&engine.unwrap(), Toolbox::default(), options)
}

/// Runs a scenario of the component and gives what it saw.
#[track_caller]
fn run(session: &mut Session, scenario: &str, directory: &str) -> Seen {
    let bytes = fs::read(root().join(COMPONENT)).expect("the component is in the repository");
    let program =
        Program::component(bytes).arguments(vec![scenario.to_owned(), directory.to_owned()]);
    let report = tokio().block_on(session.run(program));
    let mut seen = Seen::new();
    let mut said = Vec::new();
    for line in report.stdout.lines() {
        match line
            .strip_prefix("seen ")
            .and_then(|seen| seen.split_once(' '))
        {
            Some((function, answer)) => {
                seen.insert((function.to_owned(), answer.to_owned()));
            }
            None => said.push(line),
        }
    }
    assert!(
        report.status == Status::Ok && said.is_empty(),
        "{scenario} in {directory}: {:?}\n{}",
        report.error,
        said.join("\n")
    );
    let workspace = session.workspace();
    assert_eq!(workspace.usage(), workspace.recount(), "{scenario}");
    seen
}

const SMALL: [(&str, Quota); 3] = [
    (
        "file-size",
        Quota {
            bytes: 100_000,
            file_bytes: 1000,
            inodes: 100,
        },
    ),
    (
        "space",
        Quota {
            bytes: 1500,
            file_bytes: 100_000,
            inodes: 100,
        },
    ),
    (
        "files",
        Quota {
            bytes: 100_000,
            file_bytes: 100_000,
            inodes: 10,
        },
    ),
];

/// All scenarios in workspaces that this makes.
fn everywhere(open: impl Fn(Quota) -> Files) -> Seen {
    let mut seen = run(&mut session(open(Quota::default())), "all", "/workspace");
    for (scenario, quota) in SMALL {
        seen.extend(run(&mut session(open(quota)), scenario, "/workspace"));
    }
    for scenario in ["depth", "descriptors"] {
        let mut session = session(open(Quota::default()));
        seen.extend(run(&mut session, scenario, "/workspace"));
    }
    seen
}

fn in_memory() -> Seen {
    let seen = everywhere(Files::Fresh);
    let temporary = run(&mut session(Files::default()), "depth", "/tmp");
    assert!(seen.is_superset(&temporary));
    seen
}

fn on_disk() -> Seen {
    let place = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    everywhere(|quota| {
        number.set(number.get() + 1);
        let directory = place.path().join(number.get().to_string());
        Files::Workspace(Workspace::open(&directory, quota).unwrap())
    })
}

/// Somebody changes the directory while a session uses it.
fn changed_by_others() -> Seen {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("ws");
    let workspace = Workspace::open(&directory, Quota::default()).unwrap();
    // In the process that has the directory: another one sees it when a program
    // starts.
    let mut session = in_process(Files::Workspace(workspace));
    let mut seen = run(&mut session, "prepare", "/workspace");
    let secret = place.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("f"), "secret").unwrap();
    let replaced = |name: &str| {
        let path = directory.join(name);
        fs::remove_file(&path).unwrap();
        path
    };
    symlink(secret.join("f"), replaced("link")).unwrap();
    let mode = Mode::from_raw_mode(0o600);
    mknodat(CWD, replaced("pipe"), FileType::Fifo, mode, 0).unwrap();
    fs::hard_link(secret.join("f"), replaced("hard")).unwrap();
    replaced("gone");
    fs::write(directory.join("short"), "m").unwrap();
    fs::remove_dir_all(directory.join("folder")).unwrap();
    symlink(&secret, directory.join("folder")).unwrap();
    seen.extend(run(&mut session, "planted", "/workspace"));
    assert_eq!(fs::read_to_string(secret.join("f")).unwrap(), "secret");
    seen
}

/// The mount that nobody writes, which is made while looked at.
fn read_only() -> Seen {
    let shop = LocalTools::new().tool("price", "A price.", json!({}), |_| async { Ok(json!(1)) });
    let tools = Toolbox::new(
        vec![ServerSpec::local("shop", shop)],
        ServerLimits::default(),
    )
    .unwrap();
    let mut session = Session::new(engine(), tools, SessionOptions::default());
    let mut seen = run(&mut session, "read-only", "/servers");
    seen.extend(run(&mut session, "read-only", "/servers/shop"));
    seen
}

#[test]
fn a_workspace_in_memory_is_as_wasi_has_it() {
    in_memory();
}

#[test]
fn a_workspace_on_disk_is_as_wasi_has_it_and_the_same_as_in_memory() {
    assert_eq!(on_disk(), in_memory());
}

#[test]
fn what_others_put_into_a_directory_is_not_followed() {
    changed_by_others();
}

#[test]
fn a_read_only_mount_is_as_wasi_has_it() {
    read_only();
}

/// The rows of the table below a heading: the first cell and the second.
pub fn table(heading: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("docs/files.md")).expect("the documentation");
    let (_, below) = text.split_once(heading).expect("the heading is there");
    let below = below.split("\n#").next().unwrap_or_default();
    below
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|');
            let names = cells.next()?.trim().to_owned();
            let what = cells.next()?.trim().to_owned();
            Some((names, what))
        })
        .flat_map(|(names, what)| {
            let names = names.replace('`', "");
            let names: Vec<_> = names.split(", ").map(str::to_owned).collect();
            names.into_iter().map(move |name| (name, what.clone()))
        })
        .collect()
}

/// What the WIT has between two of its lines, by the pattern of a name.
fn wit(after: &str, until: &str, name: impl Fn(&str) -> Option<&str>) -> BTreeSet<String> {
    let text =
        fs::read_to_string(root().join("wit/deps/filesystem.wit")).expect("the vendored WIT");
    let (_, text) = text.split_once(after).expect("the WIT has it");
    let text = text.split(until).next().unwrap_or_default();
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.starts_with("//") && !line.starts_with('@'))
        .filter_map(|line| name(line).map(str::to_owned))
        .collect()
}

#[test]
fn the_documented_table_is_what_was_seen() {
    let mut seen = in_memory();
    seen.extend(changed_by_others());
    seen.extend(read_only());
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for (function, answer) in seen {
        found.entry(function).or_default().insert(answer);
    }
    let documented: BTreeMap<_, _> = table("## Functions and their answers")
        .into_iter()
        .map(|(function, answers)| {
            let answers = answers.split(", ").map(str::to_owned).collect();
            (function, answers)
        })
        .collect();
    let shown = |table: &BTreeMap<String, BTreeSet<String>>| {
        let row = |(name, answers): (&String, &BTreeSet<String>)| {
            let answers: Vec<_> = answers.iter().map(String::as_str).collect();
            format!("| `{name}` | {} |", answers.join(", "))
        };
        table.iter().map(row).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        shown(&documented),
        shown(&found),
        "left: docs/files.md, right: seen"
    );

    // Every function of the WIT is there, and every code is seen or explained.
    let functions = wit("interface types {", "interface preopens", |line| {
        line.split_once(": func(").map(|(name, _)| name)
    });
    assert_eq!(functions, documented.keys().cloned().collect());
    let codes = wit("enum error-code {", "}", |line| line.strip_suffix(','));
    assert_eq!(codes.len(), 37, "{codes:?}");
    let never = table("## Codes that do not occur");
    let answered: BTreeSet<_> = documented.values().flatten().cloned().collect();
    for code in &codes {
        assert!(
            answered.contains(code) != never.contains_key(code),
            "`{code}` must be in exactly one of the two tables"
        );
    }
    for code in never.keys() {
        assert!(codes.contains(code), "`{code}` is no code of the WIT");
    }
}

/// A source that changed without its component being rebuilt shows here.
#[test]
fn the_component_is_built_from_its_sources() {
    use crate::tidy::digest;
    let folder = Path::new(COMPONENT).parent().unwrap().display();
    let recorded = fs::read_to_string(root().join(format!("{COMPONENT}.sources"))).unwrap();
    let expected = format!(
        "sources {}\nartefact {}\n",
        digest(&format!("{folder}/build sources")),
        digest(&format!("cat {COMPONENT}"))
    );
    assert_eq!(recorded, expected, "rebuild it with `{folder}/build`");
}
