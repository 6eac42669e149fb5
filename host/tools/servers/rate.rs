//! How often a stranger is listened to.

use std::time::{Duration, Instant};

/// Lets `burst` through at once, and one more in each `pause` afterwards.
#[derive(Debug)]
pub(super) struct Rate {
    burst: u32,
    pause: Duration,
    left: u32,
    /// Until when `left` was filled up.
    at: Instant,
}

impl Rate {
    pub(super) fn new(burst: u32, pause: Duration) -> Self {
        Self {
            burst,
            pause,
            left: burst,
            at: Instant::now(),
        }
    }

    /// Whether one more may pass.
    pub(super) fn allows(&mut self) -> bool {
        let earned = self.at.elapsed().as_nanos() / self.pause.as_nanos().max(1);
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(self.burst);
            // What was earned in part is not lost.
            self.at = match self.left < self.burst {
                true => self.at + self.pause * earned,
                false => Instant::now(),
            };
        }
        let allows = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_to_its_burst_and_earns_more_with_time() {
        let mut rate = Rate::new(3, Duration::from_secs(60));
        let passed = (0..100).filter(|_| rate.allows()).count();
        assert_eq!(passed, 3);
        rate.at -= Duration::from_secs(125);
        let passed = (0..100).filter(|_| rate.allows()).count();
        assert_eq!(passed, 2);
        rate.at -= Duration::from_secs(60 * 60);
        let passed = (0..100).filter(|_| rate.allows()).count();
        assert_eq!(passed, 3);
    }
}
