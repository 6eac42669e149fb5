//! The walls between the parts of the project, as cargo sees them.

use std::collections::BTreeSet;
use std::process::Command;

use crate::harness::root;
use crate::tidy::files;

/// Every crate that a package is built with, for users and not for tests.
fn dependencies(package: &str, features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}", "--package", package])
        .args(features)
        .current_dir(root())
        .output()
        .expect("cargo starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names
        .filter(|name| !name.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

#[track_caller]
fn none_of(package: &str, features: &[&str], refused: &[&str]) {
    let found = dependencies(package, features);
    let through: Vec<_> = refused
        .iter()
        .filter(|name| found.contains(**name))
        .collect();
    assert!(through.is_empty(), "`{package}` is built with {through:?}");
}

/// What belongs to the program and the server in front of others.
const FRONT: [&str; 6] = [
    "axum",
    "bpe-openai",
    "clap",
    "indicatif",
    "prometheus-client",
    "tracing-subscriber",
];

/// What the other side of the wall is made of.
const NETWORK: [&str; 9] = [
    "hyper",
    "jsonschema",
    "reqwest",
    "rmcp",
    "rustls",
    "sse-stream",
    "tokio-rustls",
    "tower-http",
    "wasm-coordinator-tools",
];

#[test]
fn the_sandbox_sees_no_protocol_network_or_front_end() {
    let sandbox = "wasm-coordinator-sandbox";
    none_of(sandbox, &[], &FRONT);
    none_of(sandbox, &[], &NETWORK);
    // The list is of real names: the whole program has nearly all of them.
    let program = dependencies("wasm-coordinator", &[]);
    for name in FRONT.iter().chain(&NETWORK) {
        assert!(program.contains(*name), "{name}");
    }
}

#[test]
fn the_tools_see_no_engine_or_front_end() {
    let tools = "wasm-coordinator-tools";
    none_of(tools, &[], &FRONT);
    none_of(
        tools,
        &[],
        &["wasmtime", "cranelift-codegen", "wasm-coordinator-sandbox"],
    );
}

#[test]
fn the_audit_record_sees_no_tools_engine_or_front_end() {
    let audit = "wasm-coordinator-audit";
    none_of(audit, &[], &FRONT);
    none_of(audit, &[], &NETWORK);
    none_of(audit, &[], &["wasmtime", "wasm-coordinator-sandbox"]);
}

#[test]
fn the_contract_is_plain_data() {
    let contract = "wasm-coordinator-contract";
    none_of(contract, &[], &FRONT);
    none_of(contract, &[], &NETWORK);
    none_of(contract, &[], &["wasmtime", "wasm-coordinator-sandbox"]);
}

#[test]
fn an_embedder_without_features_gets_no_front_end() {
    none_of("wasm-coordinator", &["--no-default-features"], &FRONT);
}

#[test]
fn an_embedder_of_the_server_gets_no_command_line() {
    let features = ["--no-default-features", "--features", "serve"];
    none_of(
        "wasm-coordinator",
        &features,
        &["clap", "indicatif", "tracing-subscriber", "jiff"],
    );
}

/// The modules of the crate that a piece of code names after `crate::`.
fn named_modules(code: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        let (list, _) = match rest.strip_prefix('{') {
            Some(list) => list.split_once('}').expect("a list of imports ends"),
            None => (rest.split(|c| !is_name(c)).next().unwrap_or_default(), ""),
        };
        let names = list.split(',').map(str::trim);
        found.extend(names.filter(|name| !name.is_empty()));
    }
    found
}

#[test]
fn the_modules_of_the_sandbox_stand_in_layers() {
    let folder = root().join("host/sandbox");
    let map = std::fs::read_to_string(folder.join("lib.rs")).unwrap();
    let layers: Vec<Vec<&str>> = map
        .lines()
        .filter_map(|line| line.strip_prefix("//! - `")?.split_once(": "))
        .map(|(names, _)| names.split(['`', ',', ' ']).filter(|name| !name.is_empty()))
        .map(Iterator::collect)
        .collect();
    let layer = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    let mut seen = BTreeSet::new();
    for path in files(&folder, "rs") {
        let inside = path.strip_prefix(&folder).unwrap().with_extension("");
        let names: Vec<_> = inside.iter().map(|name| name.to_str().unwrap()).collect();
        let module = names[0];
        if matches!(module, "lib" | "build") {
            continue;
        }
        let own = layer(module).unwrap_or_else(|| panic!("`{module}` is in no layer of lib.rs"));
        seen.insert(module.to_owned());
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: String = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let depth = names.iter().filter(|name| **name != "mod").count();
        assert!(
            !code.contains(&"super::".repeat(depth)),
            "`{}` names another module without `crate::`",
            inside.display()
        );
        for used in named_modules(&code) {
            let below = layer(used).is_some_and(|layer| layer < own);
            assert!(below || used == module, "`{module}` uses `{used}`");
        }
    }
    let listed: BTreeSet<_> = layers.concat().into_iter().map(ToOwned::to_owned).collect();
    assert_eq!(listed, seen);
}
