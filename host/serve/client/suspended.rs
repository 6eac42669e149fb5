//! Runs that are suspended until a person's answer comes with another request.
//!
//! In the stateless revisions of the protocol a server cannot ask: it answers
//! that input is required, and the client sends its request again with the
//! input and a token. The token names the run that waits here; it is random,
//! works once, and only for the caller that got it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::AbortHandle;

use super::{hooks::Question, running::Running};
use crate::serve::{Caller, sessions::handle};

/// A run that waits for answers, by the keys they will have.
pub(in crate::serve) struct SuspendedRun {
    pub(super) running: Running,
    pub(super) questions: BTreeMap<String, Question>,
}

struct Entry {
    caller: Caller,
    run: SuspendedRun,
    /// Ends the run when nobody comes back for it.
    timeout: AbortHandle,
}

type Entries = HashMap<String, Entry>;

/// The runs that are suspended, by their tokens.
#[derive(Clone)]
pub(in crate::serve) struct SuspendedRuns {
    entries: Arc<Mutex<Entries>>,
    max: usize,
}

impl SuspendedRuns {
    /// For a service in which so many programs run at the same time. One that
    /// is suspended counts as one that runs, so a quarter is left to others;
    /// and half of the rest to other callers.
    pub(in crate::serve) fn new(max_runs: usize) -> Self {
        Self {
            entries: Arc::default(),
            max: max_runs - max_runs / 4,
        }
    }

    /// Keeps a run until its token comes back, or for so long. Gives the run
    /// back if too many are suspended already.
    pub(in crate::serve) fn suspend(
        &self,
        caller: Caller,
        run: SuspendedRun,
        timeout: Duration,
    ) -> Result<String, SuspendedRun> {
        let token = handle::random();
        let mut entries = self.lock();
        let of_caller = entries.values().filter(|entry| entry.caller == caller);
        if entries.len() >= self.max || of_caller.count() >= self.max.div_ceil(2) {
            return Err(run);
        }
        let (suspended, late) = (self.clone(), token.clone());
        let timeout = tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            // Dropping it stops the program.
            let gone = suspended.lock().remove(&late);
            drop(gone);
        });
        let entry = Entry {
            caller,
            run,
            timeout: timeout.abort_handle(),
        };
        entries.insert(token.clone(), entry);
        Ok(token)
    }

    /// The run of a token, which is used up by it.
    pub(in crate::serve) fn resume(&self, caller: Caller, token: &str) -> Option<SuspendedRun> {
        let mut entries = self.lock();
        entries.get(token).filter(|entry| entry.caller == caller)?;
        let entry = entries.remove(token)?;
        entry.timeout.abort();
        Some(entry.run)
    }

    /// How many are suspended.
    pub(in crate::serve) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
