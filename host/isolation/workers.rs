//! What is known of the workers of one launcher, from when they are asked for
//! until they are gone.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Signal, pidfd_send_signal};
use worker::confine::set_memory;
use worker::control::End;

/// The workers of a launcher.
#[derive(Default)]
pub(super) struct Workers(Mutex<HashMap<u64, Known>>);

/// What is known of a worker.
#[derive(Default)]
struct Known {
    process: Option<OwnedFd>,
    /// Bytes of memory that it may write, as granted last.
    granted: u64,
    /// The same, as wanted now.
    memory: u64,
    /// Nobody wants it any more.
    is_dropped: bool,
    end: Option<End>,
}

impl Workers {
    /// A worker was asked for.
    pub(super) fn asked(&self, id: u64, memory: u64) {
        let known = Known {
            granted: memory,
            memory,
            ..Known::default()
        };
        self.lock().insert(id, known);
    }

    /// Bounds the memory that a worker may write. One that is not forked yet is
    /// bounded when it is.
    pub(super) fn grant(&self, id: u64, memory: u64) {
        if let Some(known) = self.lock().get_mut(&id) {
            known.memory = memory;
            known.bound();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a worker, if it still runs. Nobody asks about it any more.
    pub(super) fn kill(&self, id: u64) {
        let mut workers = self.lock();
        let Some(known) = workers.get_mut(&id) else {
            return;
        };
        if known.end.is_some() {
            workers.remove(&id);
            return;
        }
        known.is_dropped = true;
        // One that is not forked yet is killed when it is.
        if let Some(process) = &known.process {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    pub(super) fn forked(&self, id: u64, process: Option<OwnedFd>) {
        let mut workers = self.lock();
        let known = workers.entry(id).or_default();
        known.process = process;
        known.bound();
        if known.is_dropped
            && let Some(process) = &known.process
        {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    pub(super) fn ended(&self, id: u64, end: End) {
        let mut workers = self.lock();
        if let Some(known) = workers.get_mut(&id) {
            known.process = None;
            known.end = Some(end);
            if known.is_dropped {
                workers.remove(&id);
            }
        }
    }

    /// How a worker ended, if that is known already.
    pub(super) fn end(&self, id: u64) -> Option<End> {
        self.lock().get(&id)?.end
    }
}

impl Known {
    fn bound(&mut self) {
        let Some(process) = self
            .process
            .as_ref()
            .filter(|_| self.granted != self.memory)
        else {
            return;
        };
        let bounded = number(process).and_then(|pid| set_memory(pid, self.granted, self.memory));
        match bounded {
            Ok(()) => self.granted = self.memory,
            // It keeps the bound that it was forked with.
            Err(error) => tracing::warn!(%error, "the memory of a worker has another bound"),
        }
    }
}

/// The number of a process that did not end.
fn number(process: &OwnedFd) -> io::Result<i32> {
    let known = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd()))?;
    let mut lines = known.lines();
    let pid = lines.find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    // -1 when it was waited for.
    let alive = pid.filter(|pid| *pid > 0);
    alive.ok_or_else(|| io::Error::other("it is gone"))
}
