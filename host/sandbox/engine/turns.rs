//! Whose component is compiled when: each caller has one at a time, so that nobody
//! who brings many keeps another one waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use contract::caller::Caller;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// The order in which components are compiled.
pub(super) struct Turns {
    callers: Mutex<HashMap<Caller, Weak<tokio::sync::Mutex<()>>>>,
    places: Arc<Semaphore>,
}

/// The turn of a caller, for as long as it lives.
pub(super) struct Turn {
    _caller: OwnedMutexGuard<()>,
}

/// One of the places, for as long as it lives.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Turns {
    /// With so many places.
    pub(super) fn new(places: usize) -> Self {
        Self {
            callers: Mutex::default(),
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// Waits until nothing else of this caller is compiled.
    pub(super) async fn turn(&self, caller: Caller) -> Turn {
        let own = {
            let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
            callers.retain(|_, own| own.strong_count() > 0);
            let known = callers.get(&caller).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let own = Arc::default();
                callers.insert(caller, Arc::downgrade(&own));
                own
            })
        };
        Turn {
            _caller: own.lock_owned().await,
        }
    }

    /// Waits for a place, in the order of those who ask.
    pub(super) async fn place(&self) -> Place {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        Place {
            _permit: permit.expect("nobody closes it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const ANNA: Caller = Caller([1; 32]);
    const BERT: Caller = Caller([2; 32]);

    async fn is_free<T>(wait: impl Future<Output = T>) -> Option<T> {
        let moment = Duration::from_millis(20);
        tokio::time::timeout(moment, wait).await.ok()
    }

    #[tokio::test]
    async fn a_caller_with_many_components_keeps_no_other_waiting() {
        let turns = Turns::new(2);
        let (turn, place) = (turns.turn(ANNA).await, turns.place().await);
        assert!(is_free(turns.turn(ANNA)).await.is_none());
        let bert = is_free(turns.turn(BERT)).await.expect("it is Bert's turn");
        let second = is_free(turns.place()).await.expect("a place is free");
        assert!(is_free(turns.place()).await.is_none());
        drop((turn, place));
        assert!(is_free(turns.turn(ANNA)).await.is_some());
        drop((bert, second));
        let _turn = turns.turn(ANNA).await;
        assert_eq!(turns.callers.lock().unwrap().len(), 1, "Bert is forgotten");
    }
}
