//! The configuration as a person meets it: what is wrong, where, and what to
//! do.

use serde_json::json;

use crate::harness::{Place, contains, error, fixture, ok};

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
    let ran = place.run(&["exec", "-c", "1"]).fails_with(2);
    for part in ["github", "TOKEN", "NOT_SET_ANYWHERE"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    let place = place.variable("NOT_SET_ANYWHERE", "x");
    place.run(&["exec", "-c", "1"]).succeeds();
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
    assert!(ran.stderr.contains("comand"), "{}", ran.stderr);
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
