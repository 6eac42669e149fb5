//! Waiting awake for a moment before sleeping, for what another process is about
//! to send.
//!
//! To wake a thread takes 15 to 20 µs where processors are virtual, as long as most
//! answers themselves. So whoever waits looks some times first. That helps only if
//! the other process runs meanwhile on a processor of its own, and if what comes
//! comes soon: whoever looked in vain looks less often from then on.

use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::readiness::receive;

/// How long to look before sleeping: a few times what sleeping and waking cost.
const MAX_SPIN: Duration = Duration::from_micros(100);

/// After so many times in vain, a look is tried at one of 2 to this power waits.
const MAX_MISSES: u32 = 6;

/// Whether, and how long, to wait awake: from how often it was worth it.
#[derive(Debug, Default)]
pub struct Spin {
    misses: u32,
    skipped: u32,
}

impl Spin {
    /// Receives into this room, if something comes soon. `None` is to sleep now;
    /// nothing is received when the other end is gone.
    pub fn receive(&mut self, socket: impl AsFd, room: &mut [u8]) -> Option<io::Result<usize>> {
        self.wait(|| receive(&socket, room))
    }

    /// Looks until something is there, but not for long.
    fn wait<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        if !has_several_processors() || self.is_pointless() {
            return None;
        }
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                self.misses = 0;
                return Some(found);
            }
            if began.elapsed() > MAX_SPIN {
                self.misses = (self.misses + 1).min(MAX_MISSES);
                return None;
            }
            std::hint::spin_loop();
        }
    }

    fn is_pointless(&mut self) -> bool {
        let is_pointless = self.skipped + 1 < 1 << self.misses;
        self.skipped = if is_pointless { self.skipped + 1 } else { 0 };
        is_pointless
    }
}

/// Asked once, and by a launcher before it is confined.
pub(crate) fn has_several_processors() -> bool {
    static SEVERAL: OnceLock<bool> = OnceLock::new();
    *SEVERAL.get_or_init(|| {
        std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many waits look at all.
    fn looks(spin: &mut Spin, waits: u32, mut is_found: impl FnMut() -> bool) -> u32 {
        let mut looks = 0;
        for _ in 0..waits {
            let mut looked = false;
            spin.wait(|| {
                looked = true;
                is_found().then_some(())
            });
            looks += u32::from(looked);
        }
        looks
    }

    #[test]
    fn who_looks_in_vain_looks_less_often_and_never_gives_up() {
        if !has_several_processors() {
            return;
        }
        let mut spin = Spin::default();
        assert_eq!(looks(&mut spin, 10, || true), 10);
        let in_vain = looks(&mut spin, 1000, || false);
        assert!((10..40).contains(&in_vain), "{in_vain}");
        // Once something came in time, it is looked for each time again.
        let later = looks(&mut spin, 200, || true);
        assert!(later > 130, "{later}");
    }
}
