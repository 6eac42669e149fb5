//! Processes that left the group of their server.
//!
//! A server may start children in sessions of their own, where a signal to its
//! group does not reach them. What they cannot easily leave is their
//! environment: each server gets a mark in its own, children inherit it, and
//! whoever still carries the mark when the server has ended is killed.
//!
//! Linux only, and not a wall: a process that clears its environment escapes.
//! A control group would hold it, but needs rights that most users lack.

use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that holds the mark.
pub(super) const VARIABLE: &str = "WASM_COORDINATOR_SERVER";

/// A mark that no other server on this machine has.
pub(super) fn new_mark() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_nanos());
    format!("{}-{now}-{count}", std::process::id())
}

/// Rounds of looking for processes. One that starts a program just then shows no
/// environment for a moment, and a new child may be where we have looked already.
#[cfg(target_os = "linux")]
const MAX_ROUNDS: usize = 10;

/// Kills every process that carries the mark, until none is found any more.
/// Blocks for a few milliseconds.
#[cfg(target_os = "linux")]
pub(super) fn kill(mark: &str) {
    for _ in 0..MAX_ROUNDS {
        if kill_once(mark) == 0 {
            return;
        }
    }
}

/// Kills the processes that carry the mark now; how many there were.
#[cfg(target_os = "linux")]
fn kill_once(mark: &str) -> usize {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let Ok(processes) = std::fs::read_dir("/proc") else {
        return 0;
    };
    let wanted = format!("{VARIABLE}={mark}");
    let carries_mark = |pid: i32| {
        // Only readable for processes of the same user, which ours are.
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|&byte| byte == 0)
            .any(|variable| variable == wanted.as_bytes())
    };
    let numbers = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut killed = 0;
    for pid in numbers.filter(|&pid| carries_mark(pid)) {
        let Some(Ok(process)) = Pid::from_raw(pid).map(|pid| pidfd_open(pid, PidfdFlags::empty()))
        else {
            continue;
        };
        // The number may have changed hands before it was held.
        if carries_mark(pid) {
            let _ = pidfd_send_signal(&process, Signal::KILL);
            killed += 1;
        }
    }
    killed
}

#[cfg(not(target_os = "linux"))]
pub(super) fn kill(_: &str) {}
