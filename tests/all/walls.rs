//! The walls between the parts of the project, as cargo sees them.

use std::collections::BTreeSet;
use std::process::Command;

use crate::harness::root;

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
