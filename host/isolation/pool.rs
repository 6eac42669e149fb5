//! Workers that are ready before somebody asks.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::connection::Connection;
use super::launcher::{Kind, Launcher};

/// Workers that are ready before somebody asks.
#[derive(Default)]
pub(crate) struct Pool(Mutex<HashMap<Kind, Vec<Connection>>>);

impl Pool {
    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Vec<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a worker of this kind.
    pub(crate) fn take(&self, kind: Kind) -> Option<Connection> {
        self.lock().get_mut(&kind)?.pop()
    }

    /// Fills up to so many workers of the kind that a launcher makes.
    pub(crate) fn fill(&self, launcher: &Launcher, most: usize) {
        let mut pool = self.lock();
        let ready = pool.entry(launcher.kind).or_default();
        while ready.len() < most {
            match launcher.fork() {
                Ok(worker) => ready.push(worker),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "no worker ahead");
                    return;
                }
            }
        }
    }
}
