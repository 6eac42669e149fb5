//! What is known of the workers of one launcher, from when they are asked for
//! until they are gone.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Signal, pidfd_send_signal};
use worker::control::End;

/// The workers of a launcher.
#[derive(Default)]
pub(super) struct Workers(Mutex<HashMap<u64, Known>>);

/// What is known of a worker.
#[derive(Default)]
struct Known {
    process: Option<OwnedFd>,
    /// Nobody wants it any more.
    is_dropped: bool,
    end: Option<End>,
}

impl Workers {
    /// A worker was asked for.
    pub(super) fn asked(&self, id: u64) {
        self.lock().insert(id, Known::default());
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
