//! The guests' own programs, each with the answer it must lead to.

use std::process::Command;

use crate::harness::{guest_cache, root};

#[track_caller]
fn runs(guest: &str) {
    let output = Command::new(root().join(guest).join("tests/run"))
        .arg(env!("CARGO_BIN_EXE_wasm-coordinator"))
        .env("WASM_COORDINATOR_CACHE", guest_cache())
        .env_remove("MCP_JSON")
        .output()
        .expect("the guest's test script starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let (passed, failed) = text
        .lines()
        .last()
        .and_then(|line| line.strip_suffix(" failed")?.split_once(" passed, "))
        .unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    assert!(
        output.status.success() && failed == "0" && passed != "0",
        "{text}"
    );
}

#[test]
fn programs_of_the_python_guest() {
    runs("guest-python");
}

#[test]
fn programs_of_the_javascript_guest() {
    runs("guest-js");
}
