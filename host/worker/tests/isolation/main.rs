//! Attacks from inside a confined worker, and what a worker must be able to do.
//!
//! A native program stands in the place of the worker: the same functions confine
//! it, in the same order, and then it tries one thing, in a process of its own.
//! Each attack is named by its threat. It must fail confined, for each profile and
//! each user, and must work where nothing confines it, or it would prove nothing.
//!
//! Without the standard test runner, because the runner has threads:
//!
//! - `cargo test --workspace --test isolation -- NAME` runs the tests with a name,
//! - `… -- breaks` prints what each layer is good for (`tests/isolation/breaks`),
//! - `… -- costs` prints what confinement costs.

extern crate wasm_coordinator_worker as worker;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod allowed;
#[cfg(target_os = "linux")]
mod breaks;
#[cfg(target_os = "linux")]
mod compiler;
#[cfg(target_os = "linux")]
mod coordinator;
#[cfg(target_os = "linux")]
mod costs;
#[cfg(target_os = "linux")]
mod launcher;
#[cfg(target_os = "linux")]
mod layers;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod scene;
#[cfg(target_os = "linux")]
mod suite;
#[cfg(target_os = "linux")]
mod threats;
#[cfg(target_os = "linux")]
mod user;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("launcher") => launcher::run(&arguments[1..]),
        Some("as-user") => suite::run_as_user(&arguments[1..]),
        Some("breaks") => breaks::print(),
        Some("breaks-as-user") => breaks::print_as_user(arguments.get(1).map(Into::into)),
        Some("costs") => costs::print(),
        Some("measured-launcher") => costs::measure(&arguments[1..]),
        _ => suite::run(&arguments),
    }
}
