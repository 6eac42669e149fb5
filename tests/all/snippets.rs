//! What `README.md` says about clients works as it stands there.

use serde_json::{Map, Value, json};

use crate::clients::{OverHttp, TOKEN};
use crate::harness::{Place, guest_cache, root};
use crate::inspector::Inspector;

/// The paths and the address that the text uses.
const PROGRAM: &str = "/home/me/.cargo/bin/wasm-coordinator";
const CONFIG: &str = "/home/me/mcp.json";
const URL: &str = "http://127.0.0.1:8080/mcp";

/// The blocks of the section in this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = readme
        .split_once("\n## Use it in your client\n")
        .expect("there is such a section");
    let section = section.split("\n## ").next().unwrap();
    let fence = format!("```{language}\n");
    section
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap().to_owned())
        .collect()
}

/// The entries of servers in the configuration files.
fn entries() -> Vec<Map<String, Value>> {
    blocks("json")
        .iter()
        .map(|block| {
            let file: Value = serde_json::from_str(block).expect(block);
            let servers = file.get("mcpServers").or(file.get("servers"));
            let servers = servers.and_then(Value::as_object).expect(block);
            assert_eq!(servers.len(), 1, "{block}");
            servers["coordinator"].as_object().expect(block).clone()
        })
        .collect()
}

/// With the configuration that `wasm-coordinator init` writes.
fn place() -> Place {
    let place = Place::new();
    place.run(&["init"]).succeeds();
    place
}

#[test]
fn the_entries_for_stdio_start_the_server() {
    let place = place();
    let mut entries = entries();
    entries.retain(|entry| entry.contains_key("command"));
    assert_eq!(entries.len(), 3);
    for mut entry in entries {
        assert_eq!(entry["command"], PROGRAM);
        entry["command"] = json!(env!("CARGO_BIN_EXE_wasm-coordinator"));
        let mut arguments = entry["args"].as_array().unwrap().clone();
        let path = arguments.iter_mut().find(|word| *word == CONFIG).unwrap();
        *path = json!(place.path().join("mcp.json"));
        entry["args"] = arguments.into();
        entry.insert(
            "env".to_owned(),
            json!({ "WASM_COORDINATOR_CACHE": guest_cache() }),
        );
        Inspector::new(&place, &entry.into(), "legacy").greet("2025-11-25");
    }
}

#[test]
fn the_entries_for_http_reach_the_server() {
    let place = place();
    let server = OverHttp::start(&place);
    let mut entries = entries();
    entries.retain(|entry| entry.contains_key("url"));
    assert_eq!(entries.len(), 3);
    for mut entry in entries {
        assert_eq!(entry["url"], URL);
        entry["url"] = json!(server.url);
        // Clients replace what is in braces, each in its own notation.
        let header = entry["headers"]["Authorization"].as_str().unwrap();
        let (scheme, variable) = header.split_once("${").unwrap();
        assert!(
            ["WASM_COORDINATOR_TOKEN}", "env:WASM_COORDINATOR_TOKEN}"].contains(&variable)
                || variable == "input:coordinator-token}",
            "{header}"
        );
        entry["headers"]["Authorization"] = json!(format!("{scheme}{TOKEN}"));
        // Only the Inspector needs to be told what an address is.
        entry.insert("type".to_owned(), json!("streamable-http"));
        Inspector::new(&place, &entry.into(), "modern").greet("2026-07-28");
    }
}

#[test]
fn the_commands_say_the_same_as_the_files() {
    let commands = blocks("sh").join("\n");
    let entries = entries();
    let stdio = &entries[0];
    let words = stdio["args"].as_array().unwrap().iter();
    let words: Vec<_> = words.map(|word| word.as_str().unwrap()).collect();
    let add = format!(
        "claude mcp add coordinator -- {PROGRAM} {}",
        words.join(" ")
    );
    assert!(commands.contains(&add), "{add}\n{commands}");
    let add = format!("claude mcp add --transport http coordinator {URL} --header");
    assert!(commands.contains(&add), "{add}\n{commands}");
    let address = URL.trim_start_matches("http://").trim_end_matches("/mcp");
    let serve = format!("wasm-coordinator {} --http {address}", words.join(" "));
    assert!(commands.contains(&serve), "{serve}\n{commands}");
}

/// The words of an answer, without those that differ from run to run.
fn words(answer: &str) -> Vec<&str> {
    let words: Vec<_> = answer.split_whitespace().collect();
    let differs = |next: Option<&&str>| matches!(next, Some(&"ms)" | &"here,"));
    (0..words.len())
        .filter(|at| !differs(words.get(at + 1)))
        .map(|at| words[at])
        .collect()
}

#[test]
fn the_first_request_is_answered_as_shown() {
    let place = place();
    let server = json!({
        "command": env!("CARGO_BIN_EXE_wasm-coordinator"),
        "args": ["serve", "--config", "mcp.json"],
        "env": { "WASM_COORDINATOR_CACHE": guest_cache() },
    });
    let code = &blocks("python")[0];
    let inspector = Inspector::new(&place, &server, "legacy");
    let answer = inspector.text("execute", &json!({ "code": code }));
    assert_eq!(words(&answer), words(&blocks("text")[0]));
}
