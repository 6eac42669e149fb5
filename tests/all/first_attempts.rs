//! Programs as a model writes them that knows nothing but what `serve` tells it:
//! each works, or its error says in one step what to write instead.
//!
//! `tests/first-attempts` has one program a file. Its first lines say what must
//! come of it: `gives` a result, `prints` a text, or `fails` with a kind of error
//! that has a `hint`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::harness::{Place, real_servers, root};

/// What the comments at the beginning of a program say.
fn expectations(source: &str) -> BTreeMap<&str, &str> {
    let lines = source.lines().map_while(|line| {
        let said = line
            .strip_prefix("# ")
            .or_else(|| line.strip_prefix("// "))?;
        said.split_once(": ")
    });
    lines.collect()
}

fn check(client: &mut Client, file: &Path) {
    let source = std::fs::read_to_string(file).expect("it can be read");
    let expected = expectations(&source);
    let extension = file.extension().and_then(|extension| extension.to_str());
    let arguments = json!({ "code": source, "language": extension });
    let result = client.call("execute", arguments);
    let data = &result["structuredContent"];
    let shown = format!("{}: {data:#}", file.display());
    if let Some(kind) = expected.get("fails") {
        let hint = expected.get("hint").expect("a failure has a hint");
        assert_eq!(data["error"]["kind"], **kind, "{shown}");
        assert!(text(&result).contains(hint), "`{hint}` in {shown}");
        return;
    }
    assert_eq!(data["status"], "ok", "{shown}");
    if let Some(gives) = expected.get("gives") {
        let gives: Value = serde_json::from_str(gives).expect("a result is JSON");
        assert_eq!(data["result"], gives, "{shown}");
    } else {
        let prints = expected.get("prints").expect("something is expected");
        assert_eq!(data["stdout"], format!("{prints}\n"), "{shown}");
    }
}

#[test]
fn a_first_attempt_works_or_is_told_what_to_write() {
    let place = Place::new();
    let mut servers = json!({
        "demo": { "command": env!("CARGO_BIN_EXE_wasm-coordinator"), "args": ["demo-server"] },
    });
    for name in ["time", "memory"] {
        let words = &real_servers()[name];
        servers[name] = json!({ "command": words[0], "args": words[1..] });
    }
    servers["memory"]["env"] = json!({ "MEMORY_FILE_PATH": place.path().join("memory.json") });
    place.write("mcp.json", json!({ "mcpServers": servers }).to_string());
    let mut client = Client::start(&place, &[]);
    // As whoever has used the servers before.
    client.call("search_tools", json!({}));
    let folder = root().join("tests/first-attempts");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("there are programs")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    assert!(files.len() >= 20, "{}", files.len());
    for file in &files {
        check(&mut client, file);
    }
}
