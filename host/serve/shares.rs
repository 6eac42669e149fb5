//! A fair share for each caller of something there is a number of: requests in
//! progress, programs that run or wait.
//!
//! A caller may hold three times as many as it leaves free. So one caller alone
//! gets three quarters, a second one finds a place at once, and so does a third:
//! something is left for whoever comes next, however many are greedy. Without
//! tokens everybody is one caller, and nobody can be told apart; that one may
//! have all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::caller::Caller;

/// How many a caller may hold for each one that it leaves free.
const HELD_FOR_EACH_FREE: usize = 3;

/// How many more a caller may have that holds so many, where so many are free.
pub(super) fn share(caller: Caller, held: usize, free: usize) -> usize {
    if caller == Caller::ANYONE {
        return free;
    }
    let most = HELD_FOR_EACH_FREE * (held + free) / (HELD_FOR_EACH_FREE + 1);
    // Whoever has none may have the last one.
    let most = if held == 0 { most.max(1) } else { most };
    most.saturating_sub(held).min(free)
}

/// So many of something, for all callers.
#[derive(Clone)]
pub(super) struct Shares(Arc<Inner>);

struct Inner {
    total: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: usize,
    /// Callers that hold none are not kept.
    by_caller: HashMap<Caller, usize>,
}

/// What a caller holds until it is dropped.
pub(super) struct Share {
    of: Shares,
    caller: Caller,
    count: usize,
}

impl Shares {
    pub(super) fn new(total: usize) -> Self {
        Self(Arc::new(Inner {
            total,
            held: Mutex::default(),
        }))
    }

    /// Takes so many at once, or none if that is more than the caller's share.
    pub(super) fn take(&self, caller: Caller, count: usize) -> Option<Share> {
        let mut held = self.held();
        let has = held.of(caller);
        let free = self.0.total.saturating_sub(held.all);
        if share(caller, has, free) < count {
            return None;
        }
        if count > 0 {
            held.all += count;
            held.by_caller.insert(caller, has + count);
        }
        Some(Share {
            of: self.clone(),
            caller,
            count,
        })
    }

    /// How many are held.
    pub(super) fn in_use(&self) -> usize {
        self.held().all
    }

    /// How many a caller holds.
    pub(super) fn held_by(&self, caller: Caller) -> usize {
        self.held().of(caller)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn of(&self, caller: Caller) -> usize {
        self.by_caller.get(&caller).copied().unwrap_or_default()
    }
}

impl Share {
    /// Holds this, too.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.count += std::mem::take(&mut other.count);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.of.held();
        held.all -= self.count;
        let left = held.of(self.caller) - self.count;
        if left == 0 {
            held.by_caller.remove(&self.caller);
        } else {
            held.by_caller.insert(self.caller, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Caller = Caller([1; 32]);
    const BEN: Caller = Caller([2; 32]);
    const CLEO: Caller = Caller([3; 32]);

    fn takes(shares: &Shares, caller: Caller) -> Vec<Share> {
        std::iter::from_fn(|| shares.take(caller, 1)).collect()
    }

    #[test]
    fn a_greedy_caller_leaves_places_to_others_and_gets_back_what_they_give() {
        let shares = Shares::new(32);
        let anna = takes(&shares, ANNA);
        let ben = takes(&shares, BEN);
        let cleo = takes(&shares, CLEO);
        assert_eq!([anna.len(), ben.len(), cleo.len()], [24, 6, 1]);
        assert_eq!(shares.in_use(), 31);
        drop((anna, ben));
        assert_eq!(shares.in_use(), 1);
        assert_eq!(takes(&shares, ANNA).len(), 23);
        assert!(shares.held().by_caller.len() <= 2, "nobody else is kept");
    }

    #[test]
    fn whoever_has_none_gets_the_last_one_and_a_single_caller_all() {
        for total in [1, 2, 3, 4, 256] {
            let shares = Shares::new(total);
            assert_eq!(takes(&shares, Caller::ANYONE).len(), total);
            let anna = takes(&shares, ANNA);
            assert_eq!(anna.len(), (3 * total / 4).max(1));
            let ben = takes(&shares, BEN);
            assert_eq!(ben.is_empty(), total == 1, "of {total}");
        }
        assert!(Shares::new(0).take(ANNA, 1).is_none());
    }

    #[test]
    fn several_at_once_are_all_or_none() {
        let shares = Shares::new(8);
        let mut one = shares.take(ANNA, 1).unwrap();
        assert!(shares.take(ANNA, 6).is_none());
        one.merge(shares.take(ANNA, 5).unwrap());
        assert_eq!(shares.held_by(ANNA), 6);
        drop(one);
        assert_eq!(shares.in_use(), 0);
    }
}
