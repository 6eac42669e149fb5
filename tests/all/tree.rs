//! `/servers`: what programs find there, when servers are started for it, and
//! the same tree on disk.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Place, contains, fixture_server, ok, real_servers};

/// Every file below `/servers`, by its path, with its text.
const WALK: &str = r#"
import os
files = {}
for folder, _, names in os.walk("/servers"):
    for name in names:
        path = os.path.join(folder, name)
        files[path] = open(path, encoding="utf-8").read()
        assert os.stat(path).st_size == len(files[path].encode())
files
"#;

fn files(report: Value) -> BTreeMap<String, String> {
    serde_json::from_value(ok(report)).expect("paths and texts")
}

/// The fixture server behind a script that leaves a trace when it is started.
fn traced(place: &Place) -> Value {
    let trace = place.path().join("started");
    let server = fixture_server();
    let command = format!("touch '{}'; exec '{}'", trace.display(), server.display());
    json!({ "command": "/bin/sh", "args": ["-c", command] })
}

#[test]
fn a_server_is_started_when_a_program_looks_into_its_folder() {
    let place = Place::new();
    let servers = json!({ "my-files": traced(&place) });
    place.write("mcp.json", json!({ "mcpServers": servers }).to_string());
    let started = || place.path().join("started").exists();
    let listed = ok(place
        .python("import os\n[sorted(os.listdir('/servers')), open('/servers/README.md').read()]"));
    assert_eq!(listed[0], json!(["README.md", "__init__.py", "my_files"]));
    contains(&listed[1], "my_files");
    assert!(!started(), "nobody looked");
    ok(place.javascript("import fs from 'fs'; fs.readdirSync('/servers/my_files').length"));
    assert!(started());
}

#[test]
fn both_languages_see_the_same_files_and_the_disk_has_them_too() {
    let place = Place::with_servers(
        real_servers()
            .iter()
            .map(|(name, words)| {
                let mut arguments = words[1..].to_vec();
                if name == "filesystem" {
                    arguments.push("/tmp".into());
                }
                (
                    name.clone(),
                    json!({ "command": words[0], "args": arguments }),
                )
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
    );
    let python = files(place.python(WALK));
    let walk = r#"
        import fs from "fs";
        const files = {};
        const walk = (folder) => {
            for (const name of fs.readdirSync(folder)) {
                const path = `${folder}/${name}`;
                if (fs.statSync(path).isDirectory()) walk(path);
                else files[path] = fs.readFileSync(path, "utf8");
            }
        };
        walk("/servers");
        files
    "#;
    assert_eq!(files(place.javascript(walk)), python);
    for (path, part) in [
        ("/servers/README.md", "search_tools"),
        ("/servers/git/README.md", "git_status"),
        ("/servers/git/git_status.py", "async def git_status("),
        ("/servers/git/gitStatus.ts", "function gitStatus("),
        ("/servers/time/.server.json", "get_current_time"),
        ("/servers/memory/create_entities.py", "entities"),
    ] {
        let text = python
            .get(path)
            .unwrap_or_else(|| panic!("{path} is missing"));
        assert!(text.contains(part), "{path}:\n{text}");
    }

    place.run(&["stubs", "--out", "typings"]).succeeds();
    let mut on_disk = BTreeMap::new();
    collect(&place.path().join("typings"), "", &mut on_disk);
    // Resources and prompts are only fetched for programs. Paths of the host are
    // in neither; some servers say when they were asked.
    let of_tools =
        |path: &&String| !path.contains("/resources/") && !path.ends_with("/prompts.json");
    assert_eq!(
        on_disk.keys().collect::<Vec<_>>(),
        python.keys().filter(of_tools).collect::<Vec<_>>()
    );
    for (path, text) in &on_disk {
        match path.ends_with("/README.md") {
            true => assert!(python[path].starts_with(text), "{path}"),
            false => assert_eq!(text, &python[path], "{path}"),
        }
    }
}

fn collect(folder: &Path, below: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = format!("{below}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            collect(&entry.path(), &path, files);
        } else {
            files.insert(path, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

#[test]
fn what_is_not_granted_is_not_shown() {
    let place = Place::with_fixture(&[]);
    let echo = "import os\nos.path.exists('/servers/fixture/echo.py')";
    let denied = place.exec("a.py", echo, &["--deny-tool", "fixture.echo"]);
    assert_eq!(ok(denied), false);
    assert_eq!(ok(place.exec("a.py", echo, &[])), true);

    let readme = "open('/servers/fixture/README.md').read()";
    let some = ok(place.exec("a.py", readme, &["--deny-tool", "fixture.echo"]));
    contains(&some, "1 more");
    let none = place.exec(
        "a.py",
        "import os\nos.listdir('/servers/fixture') + [open('/servers/fixture/README.md').read()]",
        &["--allow-tool", "other.*"],
    );
    let none = ok(none);
    assert_eq!(none[0], "README.md");
    contains(&none[1], "--allow-tool");
    assert_eq!(none.as_array().unwrap().len(), 2);
}

#[test]
fn a_server_that_cannot_be_used_says_so_and_leaks_nothing() {
    let place = Place::with_servers(json!({
        "gone": { "command": "/no/such/canary-program", "env": { "TOKEN": "canary-secret-value" } },
    }));
    let seen = files(place.python(WALK));
    let readme = &seen["/servers/gone/README.md"];
    assert!(readme.contains("cannot be used"), "{readme}");
    for text in seen.values() {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn secrets_of_the_configuration_are_in_no_file() {
    let place = Place::with_servers(json!({
        "fixture": {
            "command": fixture_server(),
            "env": { "API_TOKEN": "canary-secret-value" },
        },
    }));
    let seen = files(place.python(WALK));
    assert!(seen.len() > 10);
    for (path, text) in &seen {
        for part in [
            "canary-secret-value",
            "API_TOKEN",
            "fixture-server",
            "/debug/",
        ] {
            assert!(!text.contains(part), "{path} has {part}:\n{text}");
        }
    }
}

#[test]
fn new_tools_appear_while_a_program_runs() {
    let place = Place::with_fixture(&["--fault", "changing"]);
    let source = r#"
import os, time
from servers.fixture import echo
before = set(os.listdir("/servers/fixture"))
await echo(text="a")
while set(os.listdir("/servers/fixture")) == before:
    time.sleep(0.05)
sorted(set(os.listdir("/servers/fixture")) - before)
"#;
    let new = ok(place.python(source));
    assert!(
        new.as_array()
            .unwrap()
            .iter()
            .any(|name| name.as_str().unwrap().starts_with("changed_")),
        "{new}"
    );
}

#[test]
fn the_command_replaces_its_own_folders_only() {
    let place = Place::with_fixture(&[]);
    place.run(&["stubs", "--out", "typings"]).succeeds();
    place.write("typings/servers/fixture/stale.py", "old");
    let ran = place
        .run(&["stubs", "fixture", "--out", "typings", "--json"])
        .succeeds();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(
        report["servers"][0]["files"].as_u64().unwrap() > 10,
        "{report}"
    );
    assert_eq!(place.read("typings/servers/fixture/stale.py"), "");

    place.write("other/servers/fixture/mine.py", "mine");
    let ran = place.run(&["stubs", "--out", "other"]).fails_with(1);
    assert!(
        ran.stderr.contains("not written by this command"),
        "{}",
        ran.stderr
    );
    assert_eq!(place.read("other/servers/fixture/mine.py"), "mine");

    let ran = place
        .run(&["stubs", "fixtur", "--out", "typings"])
        .fails_with(2);
    assert!(
        ran.stderr.contains("did you mean `fixture`?"),
        "{}",
        ran.stderr
    );
}
