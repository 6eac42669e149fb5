//! The order in which programs run: so many at once, the others wait.
//!
//! A place that becomes free goes to the caller with the fewest programs that
//! run, and among its own to the one that waited longest. Neither the places nor
//! the queue can be filled by one caller: see [`super::shares`].

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::caller::Caller;
use tokio::sync::oneshot;

use super::shares::{Share, Shares, share};

/// Places for programs, and who waits for one.
#[derive(Clone)]
pub(super) struct RunQueue(Arc<Shared>);

struct Shared {
    max_running: usize,
    waiting: Shares,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    running: usize,
    /// Callers that run nothing are not kept.
    by_caller: HashMap<Caller, usize>,
    /// The one that waits for longest first.
    waiters: VecDeque<Waiter>,
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
    caller: Caller,
}

impl RunQueue {
    pub(super) fn new(max_running: usize, max_waiting: usize) -> Self {
        Self(Arc::new(Shared {
            max_running: max_running.max(1),
            waiting: Shares::new(max_waiting),
            inner: Mutex::default(),
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
        (self.0.waiting.in_use(), self.inner().running)
    }

    /// How many programs of a caller wait.
    pub(super) fn waiting(&self, caller: Caller) -> usize {
        self.0.waiting.held_by(caller)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives places that are free to those that wait.
    fn dispatch(&self, inner: &mut Inner) {
        while let Some(next) = inner.next(self.0.max_running) {
            let Some(Waiter { caller, place }) = inner.waiters.remove(next) else {
                return;
            };
            inner.begin(caller);
            let given = RunPlace {
                queue: Some(self.clone()),
                caller,
            };
            if let Err(mut nobody) = place.send(given) {
                // Whoever waited is gone. The lock is held: nothing to do at
                // its end.
                nobody.queue = None;
                inner.end(caller);
            }
        }
    }
}

impl Queued {
    /// Waits until the program may run.
    pub(super) async fn enter(self) -> RunPlace {
        let (place, given) = oneshot::channel();
        {
            let mut inner = self.queue.inner();
            let caller = self.caller;
            inner.waiters.push_back(Waiter { caller, place });
            self.queue.dispatch(&mut inner);
        }
        match given.await {
            Ok(place) => place,
            // Senders are dropped with the queue only, of which this holds one.
            Err(_) => unreachable!("a queue outlives those who wait in it"),
        }
    }
}

impl Inner {
    /// Who is next, by its place among those that wait.
    fn next(&self, max_running: usize) -> Option<usize> {
        let free = max_running.saturating_sub(self.running);
        let running = |caller: Caller| self.by_caller.get(&caller).copied().unwrap_or_default();
        let mut best: Option<(usize, usize)> = None;
        for (place, waiter) in self.waiters.iter().enumerate() {
            let held = running(waiter.caller);
            let is_better = best.is_none_or(|(least, _)| held < least);
            if is_better && share(waiter.caller, held, free) > 0 {
                best = Some((held, place));
            }
        }
        best.map(|(_, place)| place)
    }

    fn begin(&mut self, caller: Caller) {
        self.running += 1;
        *self.by_caller.entry(caller).or_default() += 1;
    }

    fn end(&mut self, caller: Caller) {
        self.running -= 1;
        if let Some(running) = self.by_caller.get_mut(&caller) {
            *running -= 1;
            if *running == 0 {
                self.by_caller.remove(&caller);
            }
        }
    }
}

impl Drop for RunPlace {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            let mut inner = queue.inner();
            inner.end(self.caller);
            queue.dispatch(&mut inner);
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
        assert!(queue.inner().by_caller.is_empty());
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
    async fn one_caller_cannot_fill_the_queue() {
        let queue = RunQueue::new(1, 8);
        let joined: Vec<_> = std::iter::from_fn(|| queue.join(ANNA)).collect();
        assert_eq!((joined.len(), queue.waiting(ANNA)), (6, 6));
        assert!(queue.join(BEN).is_some());
    }
}
