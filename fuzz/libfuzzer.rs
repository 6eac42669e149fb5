//! One target under libFuzzer, as `fuzz/run` starts it.

#![no_main]

use std::sync::LazyLock;

use wasm_coordinator_fuzz::{Target, named};

/// Which target; an argument would be libFuzzer's.
const TARGET_VARIABLE: &str = "WASM_COORDINATOR_FUZZ_TARGET";

static CHOSEN: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var(TARGET_VARIABLE).unwrap_or_default();
    named(&name).unwrap_or_else(|| panic!("{TARGET_VARIABLE} names no target: `{name}`"))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| CHOSEN.judge(input));
