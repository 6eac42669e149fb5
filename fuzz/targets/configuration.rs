//! `mcp.json` and `.env`, as anybody may have written them.
//!
//! Either there is a configuration that can be used, or errors that name places in
//! the file; it is the same each time; and no secret is in any text about it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wasm_coordinator::config::{Configuration, Diagnostic, Environment, load};

use crate::runner::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "configuration",
    run,
    seeds,
    words: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "//",
        "/*",
        "*/",
        "null",
        "true",
        "0",
        "-1",
        "1e999",
        "\"mcpServers\"",
        "\"command\"",
        "\"args\"",
        "\"env\"",
        "\"url\"",
        "\"headers\"",
        "\"coordinator\"",
        "\"limits\"",
        "\"tools\"",
        "\"allow\"",
        "\"advice\"",
        "\"audit\"",
        "\"serve\"",
        "\"timeout\"",
        "\"30s\"",
        "\"1GiB\"",
        "\"type\"",
        "\"http\"",
        "${API_TOKEN}",
        "${API_TOKEN:-x}",
        "${env:API_TOKEN}",
        "$API_TOKEN",
        "${",
        "\n",
        "\r\n",
        "\u{feff}",
        "\u{202e}",
        "\u{1b}[2J",
        "\\u0000",
        "\\ud800",
        "=",
        "'",
    ],
    longest: 16 << 10,
    memory: |length| (16 << 20) + 2000 * length,
};

/// The value of a variable of the environment.
const SECRET: &str = "canary-of-the-environment-91c2";

/// The first line of `.env`, and what is secret of it.
const FIRST: &str = "LOCAL_KEY=canary-of-a-file-77ab\n";
const SECRET_IN_FILE: &str = "canary-of-a-file-77";

/// Between `mcp.json` and `.env`.
const BETWEEN: u8 = 0;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(tempfile::tempdir().expect("a folder"));
}

fn run(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == BETWEEN);
    let text = parts.next().unwrap_or_default();
    let dotenv = parts.next();
    FOLDER.with_borrow(|folder| {
        let folder = folder.path();
        let path = folder.join("mcp.json");
        std::fs::write(&path, text).expect("a folder takes files");
        let _ = match dotenv {
            Some(dotenv) => {
                let dotenv = [FIRST.as_bytes(), dotenv].concat();
                std::fs::write(folder.join(".env"), dotenv)
            }
            None => std::fs::remove_file(folder.join(".env")),
        };
        let said = read(folder, &path, text);
        assert_eq!(said, read(folder, &path, text), "it is not the same again");
    });
}

/// Everything that is said of it.
fn read(folder: &Path, path: &Path, text: &[u8]) -> String {
    let mut environment = Environment::default();
    environment.directory = PathBuf::from(folder);
    for (name, value) in [("API_TOKEN", SECRET), ("HOME", "/home/ada")] {
        environment.variables.insert(name.into(), value.into());
    }
    let loaded = load(Some(path), &environment);
    let said = match &loaded {
        Ok(configuration) => {
            used(configuration);
            for warning in &configuration.warnings {
                placed(warning, path, text);
            }
            let warnings = configuration.warnings.iter().map(ToString::to_string);
            let written = configuration
                .servers
                .iter()
                .map(|server| server.written.clone());
            let servers = configuration
                .servers
                .iter()
                .map(|server| format!("{:?}", server.spec));
            warnings
                .chain(written)
                .chain(servers)
                .collect::<Vec<_>>()
                .join("\n")
        }
        Err(error) => {
            assert!(!error.diagnostics().is_empty());
            for diagnostic in error.diagnostics() {
                placed(diagnostic, path, text);
            }
            error.to_string()
        }
    };
    for secret in [SECRET, SECRET_IN_FILE] {
        assert!(!said.contains(secret), "a secret is shown: {said}");
    }
    let is_odd = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    if loaded.is_err() {
        assert!(!said.contains(is_odd), "{said:?}");
    }
    said
}

/// What can be read can be used, or says why not.
fn used(configuration: &Configuration) {
    let grants = configuration.grants();
    assert!(grants.is_ok(), "{:?}", grants.err());
    assert!(configuration.session_options().is_ok() && configuration.serve_options().is_ok());
    let mut names: Vec<_> = configuration
        .servers
        .iter()
        .map(|server| &server.spec.name)
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), configuration.servers.len(), "a name twice");
    if let Err(error) = configuration.toolbox() {
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(configuration.found().count(), 0, "it was named");
}

/// A place is one of the file.
fn placed(diagnostic: &Diagnostic, path: &Path, text: &[u8]) {
    assert!(!diagnostic.message.is_empty(), "{diagnostic:?}");
    let Some(place) = &diagnostic.place else {
        return;
    };
    if diagnostic.file.as_deref() != Some(path) {
        return;
    }
    let text = String::from_utf8_lossy(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let line = text.split('\n').nth(place.line.wrapping_sub(1));
    let line = line.unwrap_or_else(|| panic!("there is no such line: {diagnostic:?}"));
    let columns = line.chars().count() + 1;
    assert!((1..=columns).contains(&place.column), "{diagnostic:?}");
}

fn seeds() -> Vec<Vec<u8>> {
    let example = include_bytes!("../../mcp.json.example").to_vec();
    let all = br#"{
  // Everything once.
  "mcpServers": {
    "files": { "command": "npx", "args": ["-y", "server", "${HOME}"], "env": { "TOKEN": "${API_TOKEN}" } },
    "remote": { "type": "http", "url": "https://example.com/mcp?key=${API_TOKEN}", "headers": { "Authorization": "Bearer ${API_TOKEN}" } },
    "off": { "command": "x", "disabled": true, "cwd": "sub", "timeout": "5s" },
  },
  "coordinator": {
    "limits": { "timeout": "10s", "memory": "64MiB", "maxCalls": 7, "fuel": 1000 },
    "tools": { "allow": ["files.*"], "ask": ["*.delete_*"], "trust": [], "deny": ["remote.x"] },
    "advice": { "mode": "warn", "deniedModules": ["ctypes"] },
    "serve": { "maxTokens": 100, "sessions": 3 },
    "audit": { "enabled": false },
    "requireIsolation": false,
  },
}"#;
    let dotenv =
        b"{\"mcpServers\": {\"a\": {\"command\": \"${LOCAL_KEY}\"}}}\0OTHER='a b'\nbad line\n";
    vec![
        example,
        all.to_vec(),
        dotenv.to_vec(),
        b"{}".to_vec(),
        b"{\"servers\": []}".to_vec(),
    ]
}
