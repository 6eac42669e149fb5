//! Servers that start late, not at all, or end too early: what a program is
//! told, and what the person at the terminal.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{Place, contains, error, fixture, fixture_server, ok};

/// A place with one server, `late`, that is a script.
fn scripted(script: &str) -> Place {
    let place = Place::new();
    write_script(&place, script);
    let command = place.path().join("server.sh");
    let config = json!({ "mcpServers": { "late": { "command": command } } });
    place.write("mcp.json", config.to_string());
    place
}

fn write_script(place: &Place, script: &str) {
    let path = place.write("server.sh", format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

fn serving() -> String {
    format!("exec '{}'", fixture_server().display())
}

/// The program takes the tools for those that the run before listed, and the
/// server, which never answers now, keeps nobody waiting.
#[test]
fn a_search_finds_the_tools_of_a_server_that_is_still_starting() {
    let place = scripted(&serving());
    ok(place.python("await call_tool('late.add', {'a': 1, 'b': 2})"));
    write_script(&place, "exec sleep 600");
    let found = "[tool['name'] for tool in search_tools('add two numbers', limit=1)]";
    let search = ["--timeout", "9s"];
    assert_eq!(ok(place.exec("a.py", found, &search)), json!(["late.add"]));
    let mut client = Client::start(&place, &[]);
    let answer = client.data("search_tools", json!({ "query": "add two numbers" }));
    assert_eq!(answer["tools"][0]["name"], "late.add", "{answer}");
}

#[test]
fn a_server_that_fails_is_named_by_a_search_however_well_it_is_known() {
    let place = scripted(&serving());
    ok(place.python("await call_tool('late.add', {'a': 1, 'b': 2})"));
    write_script(&place, "exit 3");
    let source = "\
try:
    await call_tool('late.add', {'a': 1, 'b': 2})
except ToolError as e:
    assert e.kind == 'unavailable', e.kind
found = search_tools('add two numbers')
[found.total, found.message]";
    let found = ok(place.python(source));
    contains(&found[1], "`late`");
}

#[test]
fn why_a_server_cannot_be_started_is_said_at_the_terminal_and_not_to_the_program() {
    let call = "await call_tool('bad.echo', {})";
    let cases: [(Value, &[&str]); 5] = [
        (
            json!({ "command": "uvx", "args": ["some-server"] }),
            &["`uvx` is not found (is uv installed?); PATH is `/nowhere`"],
        ),
        (
            json!({ "command": "some-server" }),
            &["`some-server` is not found; PATH is `/nowhere`"],
        ),
        (
            json!({ "command": fixture_server(), "cwd": "gone" }),
            &["its working directory `", "gone` does not exist (`cwd`)"],
        ),
        (
            json!({ "command": "/gone/python3" }),
            &["`/gone/python3` does not exist (is Python installed?)"],
        ),
        (
            json!({ "command": "/bin/sh", "args": ["-c", "echo no database here >&2; exit 7"] }),
            &["exited with status 7", "no database here"],
        ),
    ];
    for (server, parts) in cases {
        let place = Place::with_servers(json!({ "bad": server })).variable("PATH", "/nowhere");
        let ran = place.run(&["exec", "-c", call]).fails_with(1);
        for part in parts {
            let said = "warning: server `bad`: ";
            assert!(ran.stderr.contains(said), "{}", ran.stderr);
            assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
        }
        let report = place.python(call);
        let message = &error(&report)["message"];
        contains(message, "server `bad` cannot be used: it ");
        for secret in ["/nowhere", "gone", "database"] {
            assert!(!report.to_string().contains(secret), "{report:#}");
        }
        let mut client = Client::start(&place, &[]);
        client.python(call);
        client.close();
        let log = client.log();
        for part in parts {
            assert!(log.contains(part), "{part} in {log}");
        }
    }
}

#[test]
fn a_server_that_ends_during_a_call_leaves_its_last_words() {
    let script = format!("echo the disk is on fire >&2; {}", serving());
    let place = scripted(&script);
    let call = "await call_tool('late.die', {'how': 'exit1'})";
    let ran = place.run(&["exec", "-c", call]).fails_with(1);
    for part in [
        "warning: server `late` is gone: exited with status 1",
        "the disk is on fire",
    ] {
        assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
    }
    assert!(ran.stderr.matches("is gone").count() == 1, "{}", ran.stderr);
    let report = place.python(call);
    assert!(!report.to_string().contains("on fire"), "{report:#}");
}

/// A stand-in for a package runner that downloads first.
#[test]
fn a_package_runner_has_time_to_download_and_that_is_said() {
    let place = Place::new();
    let script = format!("#!/bin/sh\nsleep 6\n{}\n", serving());
    let path = place.write("bin/npx", script);
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        place.path().join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let config = json!({ "mcpServers": { "late": { "command": "npx" } } });
    place.write("mcp.json", config.to_string());
    let place = place.variable("PATH", &path);
    let call = "await call_tool('late.add', {'a': 1, 'b': 2})";
    let ran = place.run(&["exec", "-c", call]).succeeds();
    let said = "note: server `late` is starting, 5 s so far; `npx` may have to download it first";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn a_healthy_server_is_not_spoken_of() {
    let place = Place::with_servers(json!({ "good": fixture(&[]) }));
    let ran = place.run(&[
        "exec",
        "-c",
        "await call_tool('good.add', {'a': 1, 'b': 2})",
    ]);
    assert_eq!(ran.succeeds().stderr, "");
}
