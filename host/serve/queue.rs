//! The order in which programs run: so many at once, the others wait.
//!
//! A place that becomes free goes to the caller with the fewest programs that
//! run, and among its own to the one that waited longest. Neither the places nor
//! the queue can be filled by one caller: see [`super::shares`].

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::caller::Caller;
use tokio::sync::oneshot;

use super::shares::{Share, Shares};

/// Places for programs, and who waits for one.
#[derive(Clone)]
pub(super) struct RunQueue(Arc<Shared>);

struct Shared {
    running: Shares,
    waiting: Shares,
    /// The one that waits for longest first.
    waiters: Mutex<VecDeque<Waiter>>,
}

struct Waiter {
    caller: Caller,
    place: oneshot::Sender<RunPlace>,
}

/// A program that waits.
pub(super) struct Queued {
    queue: RunQueue,
    caller: Caller,
    _waits: Share,
}

/// A program that may run, until this is dropped.
pub(super) struct RunPlace {
    /// `None` for one that nobody got.
    queue: Option<RunQueue>,
    /// Held until others are given it.
    share: Option<Share>,
}

impl RunQueue {
    pub(super) fn new(max_running: usize, max_waiting: usize) -> Self {
        Self(Arc::new(Shared {
            running: Shares::new(max_running.max(1)),
            waiting: Shares::new(max_waiting),
            waiters: Mutex::default(),
        }))
    }

    /// A place in the queue; `None` if the caller has its share of them.
    pub(super) fn join(&self, caller: Caller) -> Option<Queued> {
        let waits = self.0.waiting.take(caller, 1)?;
        Some(Queued {
            queue: self.clone(),
            caller,
            _waits: waits,
        })
    }

    /// How many programs wait, and how many run.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.0.waiting.in_use(), self.0.running.in_use())
    }

    /// How many programs of a caller wait.
    pub(super) fn waiting(&self, caller: Caller) -> usize {
        self.0.waiting.held_by(caller)
    }

    fn waiters(&self) -> MutexGuard<'_, VecDeque<Waiter>> {
        let waiters = self.0.waiters.lock();
        waiters.unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives places that are free to those that wait.
    fn dispatch(&self, waiters: &mut VecDeque<Waiter>) {
        // Whoever is gone may have come again already: kept until a place is
        // free, they would be without number.
        waiters.retain(|waiter| !waiter.place.is_closed());
        let running = &self.0.running;
        // If the one that runs least has no share of what is free, nobody has.
        while let Some(next) =
            (0..waiters.len()).min_by_key(|&at| running.held_by(waiters[at].caller))
            && let Some(share) = running.take(waiters[next].caller, 1)
            && let Some(Waiter { place, .. }) = waiters.remove(next)
        {
            let given = RunPlace {
                queue: Some(self.clone()),
                share: Some(share),
            };
            if let Err(mut nobody) = place.send(given) {
                // Whoever waited is gone just now. The waiters are locked:
                // nothing to do for them at its end.
                nobody.queue = None;
            }
        }
    }
}

impl Queued {
    /// Waits until the program may run.
    pub(super) async fn enter(self) -> RunPlace {
        let (place, given) = oneshot::channel();
        {
            let mut waiters = self.queue.waiters();
            let caller = self.caller;
            waiters.push_back(Waiter { caller, place });
            self.queue.dispatch(&mut waiters);
        }
        match given.await {
            Ok(place) => place,
            // Senders are dropped with the queue only, of which this holds one.
            Err(_) => unreachable!("a queue outlives those who wait in it"),
        }
    }
}

impl Drop for RunPlace {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            drop(self.share.take());
            queue.dispatch(&mut queue.waiters());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const ANNA: Caller = Caller([1; 32]);
    const BEN: Caller = Caller([2; 32]);

    /// A program that asks for a place, and has it if there is one now.
    async fn ask(queue: &RunQueue, caller: Caller) -> tokio::task::JoinHandle<RunPlace> {
        let queued = queue.join(caller).expect("there is room in the queue");
        let task = tokio::spawn(queued.enter());
        tokio::task::yield_now().await;
        task
    }

    #[tokio::test]
    async fn the_caller_that_runs_least_is_next() {
        let queue = RunQueue::new(8, 100);
        let mut anna = Vec::new();
        for _ in 0..10 {
            anna.push(ask(&queue, ANNA).await);
        }
        assert_eq!(queue.counts(), (4, 6));
        let ben = ask(&queue, BEN).await;
        let ben = ben.now_or_never().expect("a place is left").unwrap();
        let second = ask(&queue, BEN).await;
        assert!(!second.is_finished());
        // What becomes free goes to the one who has less.
        drop(anna.remove(0).await.unwrap());
        tokio::task::yield_now().await;
        assert!(second.is_finished(), "before those who wait for longer");
        drop((ben, second.await.unwrap()));
        tokio::task::yield_now().await;
        assert_eq!(queue.counts(), (3, 6));
        for place in anna {
            drop(place.await.unwrap());
        }
        assert_eq!(queue.counts(), (0, 0));
        for caller in [ANNA, BEN] {
            assert_eq!(queue.0.running.held_by(caller), 0);
        }
    }

    #[tokio::test]
    async fn a_place_that_nobody_takes_is_free_again() {
        let queue = RunQueue::new(1, 100);
        let first = ask(&queue, ANNA).await.await.unwrap();
        let gone = ask(&queue, ANNA).await;
        let last = ask(&queue, BEN).await;
        gone.abort();
        drop(first);
        drop(last.await.unwrap());
        assert_eq!(queue.counts(), (0, 0));
    }

    #[tokio::test]
    async fn those_who_give_up_are_not_kept_until_a_place_is_free() {
        let queue = RunQueue::new(1, 4);
        let first = ask(&queue, ANNA).await.await.unwrap();
        for _ in 0..1_000 {
            let gone = ask(&queue, ANNA).await;
            gone.abort();
            assert!(gone.await.is_err());
        }
        assert!(queue.waiters().len() <= 1);
        drop(first);
        let next = ask(&queue, BEN).await;
        assert!(next.now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_caller_cannot_fill_the_queue() {
        let queue = RunQueue::new(1, 8);
        let joined: Vec<_> = std::iter::from_fn(|| queue.join(ANNA)).collect();
        assert_eq!((joined.len(), queue.waiting(ANNA)), (6, 6));
        assert!(queue.join(BEN).is_some());
    }
}
