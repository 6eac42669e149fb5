//! How often each caller may ask: one bucket of tokens for each.
//!
//! Callers are known by their tokens, so there are as many buckets as tokens,
//! plus one for all strangers; nobody can make more.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use contract::caller::Caller;
use contract::rate::TokenBucket;

use super::options::Rate;

pub(super) struct Buckets {
    rate: Rate,
    buckets: Mutex<HashMap<Caller, TokenBucket>>,
}

impl Buckets {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate: Rate {
                per_second: rate.per_second.max(1),
                burst: rate.burst.max(1),
            },
            buckets: Mutex::default(),
        }
    }

    /// Takes one request out of the caller's bucket.
    ///
    /// # Errors
    ///
    /// There is none; it will be there after this time.
    pub(super) fn take(&self, caller: Caller, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(caller).or_insert_with(|| {
            let pause = Duration::from_secs(1) / self.rate.per_second;
            TokenBucket::starting(now, self.rate.burst, pause)
        });
        bucket.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_for_each_caller_alone() {
        let buckets = Buckets::new(Rate {
            per_second: 2,
            burst: 3,
        });
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(buckets.take(Caller::ANYONE, start), Ok(()));
        }
        assert_eq!(
            buckets.take(Caller::ANYONE, start),
            Err(Duration::from_millis(500))
        );
        assert_eq!(buckets.take(Caller::STRANGER, start), Ok(()));
        let later = start + Duration::from_millis(500);
        assert_eq!(buckets.take(Caller::ANYONE, later), Ok(()));
        assert!(buckets.take(Caller::ANYONE, later).is_err());
        // However long the pause, no more than the burst is there.
        let much_later = start + Duration::from_secs(3600);
        let granted = (0..10).filter(|_| buckets.take(Caller::ANYONE, much_later).is_ok());
        assert_eq!(granted.count(), 3);
    }
}
