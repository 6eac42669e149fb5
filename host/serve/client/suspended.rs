//! Runs that wait for a person whose answer comes with another request.
//!
//! In the stateless revisions of the protocol a server cannot ask: it answers
//! that input is required, and the client sends its request again with the
//! input and a token. The token names the run that waits here; it is random,
//! works once, and only for the caller that got it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::AbortHandle;

use super::request::Waiting;
use crate::serve::{Caller, sessions::random_handle};

struct Run {
    caller: Caller,
    waiting: Waiting,
    /// Forgets the run when nobody comes back for it.
    patience: AbortHandle,
}

type Runs = HashMap<String, Run>;

/// The runs that wait.
#[derive(Clone)]
pub(in crate::serve) struct Parked {
    runs: Arc<Mutex<Runs>>,
    most: usize,
}

impl Parked {
    /// For a service in which so many programs run at the same time. One that
    /// waits for a person counts as one that runs, so a quarter is left to
    /// others; and half of the rest to other callers.
    pub(in crate::serve) fn new(runs: usize) -> Self {
        Self {
            runs: Arc::default(),
            most: runs - runs / 4,
        }
    }

    /// Keeps a run until its token comes back, or for so long. Gives the run
    /// back if too many wait already.
    pub(in crate::serve) fn park(
        &self,
        caller: Caller,
        waiting: Waiting,
        patience: Duration,
    ) -> Result<String, Waiting> {
        let token = random_handle();
        let mut runs = self.lock();
        let of_one = runs.values().filter(|run| run.caller == caller).count();
        if runs.len() >= self.most || of_one >= self.most.div_ceil(2) {
            return Err(waiting);
        }
        let (parked, late) = (self.clone(), token.clone());
        let patience = tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            // Dropping it stops the program.
            let gone = parked.lock().remove(&late);
            drop(gone);
        });
        let run = Run {
            caller,
            waiting,
            patience: patience.abort_handle(),
        };
        runs.insert(token.clone(), run);
        Ok(token)
    }

    /// The run of a token, which is used up by it.
    pub(in crate::serve) fn resume(&self, caller: Caller, token: &str) -> Option<Waiting> {
        let mut runs = self.lock();
        runs.get(token).filter(|run| run.caller == caller)?;
        let run = runs.remove(token)?;
        run.patience.abort();
        Some(run.waiting)
    }

    /// How many wait.
    pub(in crate::serve) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
