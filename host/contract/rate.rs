//! How often somebody is listened to: a token bucket.

use std::time::{Duration, Instant};

/// Lets `burst` through at once, and one more in each `pause` afterwards.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    burst: u32,
    pause: Duration,
    left: u32,
    /// Until when `left` was filled up.
    at: Instant,
}

impl TokenBucket {
    /// A full bucket. A burst of 0 counts as 1, and no pause as a nanosecond.
    pub fn new(burst: u32, pause: Duration) -> Self {
        Self::starting(Instant::now(), burst, pause)
    }

    /// A bucket that is full at this time.
    pub fn starting(at: Instant, burst: u32, pause: Duration) -> Self {
        let burst = burst.max(1);
        Self {
            burst,
            pause: pause.max(Duration::from_nanos(1)),
            left: burst,
            at,
        }
    }

    /// Whether one more may pass now; it counts if it may.
    pub fn allows(&mut self) -> bool {
        self.take(Instant::now()).is_ok()
    }

    /// Lets one more pass at this time.
    ///
    /// # Errors
    ///
    /// It is too early by this time; nothing was taken.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.at);
        let earned = passed.as_nanos() / self.pause.as_nanos();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(earned).min(self.burst);
        if self.left == self.burst {
            self.at = self.at.max(now);
        } else {
            // What was earned in part is not lost.
            self.at += self.pause * earned;
        }
        if self.left == 0 {
            return Err(self
                .pause
                .saturating_sub(now.saturating_duration_since(self.at)));
        }
        self.left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn passed(bucket: &mut TokenBucket, now: Instant) -> usize {
        (0..100).filter(|_| bucket.take(now).is_ok()).count()
    }

    #[test]
    fn a_flood_is_cut_to_its_burst_and_earns_more_with_time() {
        let mut bucket = TokenBucket::new(3, 60 * SECOND);
        let now = Instant::now();
        assert_eq!(passed(&mut bucket, now), 3);
        assert_eq!(passed(&mut bucket, now + 125 * SECOND), 2);
        assert_eq!(passed(&mut bucket, now + 2 * 60 * 60 * SECOND), 3);
        assert!(TokenBucket::new(0, SECOND).allows());
    }

    #[test]
    fn who_comes_too_early_hears_by_how_much() {
        let mut bucket = TokenBucket::new(1, 10 * SECOND);
        let now = Instant::now();
        assert_eq!(bucket.take(now), Ok(()));
        let early = bucket.take(now + 4 * SECOND).unwrap_err();
        assert_eq!(early, 6 * SECOND);
        // Asking in vain costs nothing.
        assert_eq!(bucket.take(now + 10 * SECOND), Ok(()));
        let early = bucket.take(now + 19 * SECOND).unwrap_err();
        assert_eq!(early, SECOND);
    }
}
