//! The configuration as a person meets it: what is wrong, where, and what to
//! do.

use serde_json::json;

use crate::harness::{Place, contains, error, fixture, fixture_server, ok};

#[test]
fn a_broken_file_is_shown_with_its_place() {
    let place = Place::new();
    place.write(
        "mcp.json",
        "{\n  \"mcpServers\": {\n    \"a\": { \"command\": \"x\",, }\n  }\n}\n",
    );
    let ran = place.run(&["exec", "-c", "1"]).fails_with(2);
    assert!(ran.stderr.contains("mcp.json:3:"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("\"command\": \"x\",,"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains('^'), "{}", ran.stderr);
}

#[test]
fn an_unset_variable_names_server_field_and_variable() {
    let place = Place::with_servers(
        json!({ "github": { "command": "x", "env": { "TOKEN": "${NOT_SET_ANYWHERE}" } } }),
    );
    // The server fails, and nothing else does.
    let ran = place.run(&["exec", "-c", "1"]).succeeds();
    for part in ["github", "TOKEN", "NOT_SET_ANYWHERE"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    let place = place.variable("NOT_SET_ANYWHERE", "long-enough");
    let ran = place.run(&["exec", "-c", "1"]).succeeds();
    assert_eq!(ran.stderr, "");
}

#[test]
fn one_server_that_cannot_be_used_fails_alone() {
    let place = Place::with_servers(json!({
        "old": { "type": "sse", "url": "http://127.0.0.1:1/sse" },
        "unset": { "command": "x", "env": { "TOKEN": "${NOT_SET_ANYWHERE}" } },
        "misspelt": { "comand": "x" },
        "fixture": fixture(&[]),
    }));
    let source = "
from servers.fixture import echo
said = [str(await echo(text='works'))]
for name in ['old', 'unset', 'misspelt']:
    try: await call_tool(name + '.x')
    except ToolError as error: said.append(error.message)
said";
    let said = ok(place.python(source));
    contains(&said[0], "works");
    contains(
        &said[1],
        "server `old` cannot be used: it uses the HTTP+SSE transport",
    );
    contains(
        &said[2],
        "`env.TOKEN` needs the variable `NOT_SET_ANYWHERE`, which is not set",
    );
    contains(&said[3], "neither a `command` nor a `url`");

    let ran = place.run(&["servers"]).fails_with(1);
    for part in [
        "old       failed",
        "set `type` to `http`",
        "fixture   ready",
    ] {
        assert!(ran.stdout.contains(part), "{}", ran.stdout);
    }
    assert!(
        ran.stderr.contains("did you mean `command` by `comand`?"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&["tools", "list", "fixture"]).succeeds();
    assert!(ran.stdout.contains("fixture.echo"), "{}", ran.stdout);
}

#[test]
fn paths_are_relative_to_the_file_wherever_the_command_is_typed() {
    let place = Place::new();
    let servers = json!({ "mcpServers": {
        "here": fixture(&["--name", "."]),
        "below": { "command": fixture_server(), "cwd": "data" },
        "home": { "command": fixture_server(), "args": ["--name", "~/x"], "cwd": "~" },
    } });
    place.write("project/mcp.json", servers.to_string());
    place.write("project/data/x", "");
    let place = place.variable("HOME", "/tmp");
    let source = "
said = [await call_tool(name + '.environment') for name in ['here', 'below', 'home']]
[[one['directory'], one['arguments']] for one in said]";
    place.write("a.py", source);
    let project = place.path().join("project").canonicalize().unwrap();
    let project = project.to_str().unwrap();
    let config = format!("{project}/mcp.json");
    let script = place.path().join("a.py");
    let output = place
        .command(&[
            "exec",
            "--json",
            "--config",
            &config,
            script.to_str().unwrap(),
        ])
        .current_dir("/")
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        ok(report),
        json!([
            [project, ["--name", "."]],
            [format!("{project}/data"), []],
            ["/tmp", ["--name", "/tmp/x"]],
        ])
    );
}

/// A server that leaves a mark when it is started.
const MARKING: &str = "touch started; exit 1";

#[test]
fn no_command_starts_what_a_cloned_repository_declares() {
    let marking = json!({ "command": "sh", "args": ["-c", MARKING, "${MARKED:-0}"] });
    let place = Place::with_servers(json!({ "mark": marking })).untrusted();
    let started = place.path().join("started");
    let commands: [&[&str]; 10] = [
        &["exec", "-c", "1"],
        &["exec", "--json", "-c", "1"],
        &["serve"],
        &["serve", "--http", "127.0.0.1:0"],
        &["servers"],
        &["servers", "--json"],
        &["tools", "list"],
        &["tools", "show", "mark.x"],
        &["stubs", "--out", "out"],
        &["wit", "mark"],
    ];
    for arguments in commands {
        let ran = place.run(arguments).fails_with(2);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for part in [
            "mcp.json was found here and you have not agreed to it",
            "mark: sh -c",
            "`wasm-coordinator trust` agrees to this content",
        ] {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
        assert!(!started.exists(), "{arguments:?}");
    }
    // What is named is wanted, and so is what was agreed to.
    place
        .run(&["servers", "--config", "mcp.json"])
        .fails_with(1);
    assert!(started.exists());
    std::fs::remove_file(&started).unwrap();
    place.run(&["trust"]).succeeds();
    place.run(&["servers"]).fails_with(1);
    assert!(started.exists());
    std::fs::remove_file(&started).unwrap();
    // The variables beside it count, too, where they are used.
    place.write(".env", "OF_ANOTHER_PROGRAM=1\n");
    place.run(&["servers"]).fails_with(1);
    std::fs::remove_file(&started).unwrap();
    place.write(".env", "MARKED=1\n");
    let ran = place.run(&["servers"]).fails_with(2);
    assert!(
        ran.stderr.contains("was changed since you agreed to it"),
        "{}",
        ran.stderr
    );
    assert!(!started.exists());
}

#[cfg(unix)]
#[test]
fn the_variables_that_were_agreed_to_are_those_that_are_used() {
    // A link, and beside what it leads to variables that are not read.
    let place = Place::new().untrusted();
    let config =
        json!({ "mcpServers": { "mark": { "command": "sh", "args": ["-c", "${MARKING}"] } } });
    place.write("elsewhere/mcp.json", config.to_string());
    place.write("elsewhere/.env", "MARKING=true\n");
    place.write(".env", "MARKING=true\n");
    std::os::unix::fs::symlink("elsewhere/mcp.json", place.path().join("mcp.json")).unwrap();
    place.run(&["trust"]).succeeds();
    place.run(&["servers"]).fails_with(1);
    place.write(".env", format!("MARKING='{MARKING}'\n"));
    place.run(&["servers"]).fails_with(2);
    assert!(!place.path().join("started").exists());
    place.run(&["trust"]).succeeds();
    place.run(&["servers"]).fails_with(1);
    assert!(place.path().join("started").exists());
}

#[test]
fn what_init_wrote_may_be_used() {
    let place = Place::new().untrusted();
    place.run(&["init"]).succeeds();
    place.run(&["servers"]).succeeds();
    place
        .run(&["exec", "-c", "from servers.demo import now"])
        .succeeds();
    // What was there before is not trusted for it.
    let other = Place::with_fixture(&[]).untrusted();
    other.run(&["init"]).succeeds();
    other.run(&["servers"]).fails_with(2);
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let place = Place::new();
    let ran = place
        .run(&["exec", "--config", "nowhere.json", "-c", "1"])
        .fails_with(2);
    assert!(ran.stderr.contains("nowhere.json"), "{}", ran.stderr);
    place.write("folder/x", "");
    place
        .run(&["exec", "--config", "folder", "-c", "1"])
        .fails_with(2);
    place.run(&["exec", "-c", "1"]).succeeds();
}

#[test]
fn the_flag_wins_over_the_variable_and_the_variable_over_the_folder() {
    let place = Place::new();
    for name in ["flag", "variable", "folder"] {
        let config = json!({ "mcpServers": { name: fixture(&[]) } });
        let file = if name == "folder" {
            "mcp.json".to_owned()
        } else {
            format!("{name}.json")
        };
        place.write(&file, config.to_string());
    }
    let servers = |place: &Place, flags: &[&str]| {
        ok(place.exec("a.py", "import servers\nsorted(dir(servers))[:0] or [s for s in dir(servers) if not s.startswith('_')]", flags)).to_string()
    };
    assert!(servers(&place, &[]).contains("folder"));
    let place = place.variable("MCP_JSON", "variable.json");
    assert!(servers(&place, &[]).contains("variable"));
    assert!(servers(&place, &["--config", "flag.json"]).contains("flag"));
}

#[test]
fn a_dot_env_file_is_read_and_the_real_environment_wins() {
    let mut server = fixture(&["--name", "${WHO}"]);
    server["env"] = json!({ "WHO": "${WHO}" });
    let place = Place::with_servers(json!({ "fixture": server }));
    place.write(".env", "WHO=file\n");
    let source = "(await call_tool('fixture.environment'))['arguments']";
    assert_eq!(ok(place.python(source)), json!(["--name", "file"]));
    let place = place.variable("WHO", "real");
    assert_eq!(ok(place.python(source)), json!(["--name", "real"]));
}

#[test]
fn unknown_keys_warn_and_do_not_stop() {
    let mut server = fixture(&[]);
    server["comand"] = json!("x");
    let place = Place::with_servers(json!({ "fixture": server }));
    let ran = place.run(&["exec", "-c", "1"]).succeeds();
    assert!(
        ran.stderr.contains("did you mean `command`?"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout, "1\n");
}

#[test]
fn names_that_become_one_identifier_are_refused_together() {
    let place =
        Place::with_servers(json!({ "my-server": fixture(&[]), "my_server": fixture(&[]) }));
    let ran = place.run(&["exec", "-c", "1"]).fails_with(2);
    assert!(
        ran.stderr.contains("my-server") && ran.stderr.contains("my_server"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_command_that_does_not_exist_fails_when_it_is_used() {
    let place = Place::with_servers(json!({ "gone": { "command": "no-such-program-at-all" } }));
    assert_eq!(ok(place.python("1")), 1);
    let report = place.python("from servers.gone import x");
    let message = &error(&report)["message"];
    contains(message, "gone");
}

#[test]
fn init_writes_a_first_configuration_and_never_overwrites() {
    let place = Place::new();
    place.run(&["init"]).succeeds();
    let config = place.read("mcp.json");
    assert!(config.contains("demo"), "{config}");
    assert!(place.path().join(".env").exists());
    assert_eq!(
        ok(place.python("from servers.demo import get_order\n(await get_order(id=7))['id']")),
        7
    );
    place.write("mcp.json", "{\"mcpServers\": {}}");
    let ran = place.run(&["init"]);
    assert_eq!(
        place.read("mcp.json"),
        "{\"mcpServers\": {}}",
        "{}",
        ran.stdout
    );
}
