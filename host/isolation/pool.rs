//! Workers that are ready before somebody asks.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use contract::caller::Caller;

use super::connection::Connection;
use super::launcher::{Kind, Launcher};

/// Workers that are ready before somebody asks.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// New ones: for anybody.
    new: HashMap<Kind, Vec<Connection>>,
    /// Those that served a caller, who alone may have them: the last at the end.
    used: Vec<(Kind, Caller, Connection)>,
}

/// Workers that wait for a caller who had them before. Of more, those end that
/// waited longest.
const MAX_USED: usize = 16;

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a worker of this kind that serves this caller: one that did, or a
    /// new one, and whether it is new.
    pub(crate) fn take(&self, kind: Kind, caller: Option<Caller>) -> Option<(Connection, bool)> {
        let mut waiting = self.lock();
        if let Some(caller) = caller {
            let is_meant = |other: &(Kind, Caller, _)| (other.0, other.1) == (kind, caller);
            if let Some(place) = waiting.used.iter().rposition(is_meant) {
                return Some((waiting.used.remove(place).2, false));
            }
        }
        Some((waiting.new.get_mut(&kind)?.pop()?, true))
    }

    /// Keeps a worker for its caller.
    pub(crate) fn give_back(&self, kind: Kind, caller: Caller, worker: Connection) {
        let mut waiting = self.lock();
        waiting.used.push((kind, caller, worker));
        if waiting.used.len() > MAX_USED {
            waiting.used.remove(0);
        }
    }

    /// Fills up to so many new workers of the kind that a launcher makes.
    pub(crate) fn fill(&self, launcher: &Launcher, most: usize) {
        let mut waiting = self.lock();
        let ready = waiting.new.entry(launcher.kind).or_default();
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
