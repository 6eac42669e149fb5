//! Two clocks: that on the wall, for people, and one that never goes back, for
//! order and spans.
//!
//! The first may jump by years while a process runs. So nothing is decided by
//! it: records are in the order of their numbers, and anomalies are found by the
//! second one.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When something was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) wall: SystemTime,
    /// Since the process began to record.
    pub(crate) monotonic: Duration,
}

/// Says what time it is. Tests have one of their own.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Moment + Send + Sync>);

impl Clock {
    pub(crate) fn now(&self) -> Moment {
        (self.0)()
    }

    #[cfg(test)]
    pub(crate) fn new(now: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
}

impl Default for Clock {
    fn default() -> Self {
        let began = Instant::now();
        Self(Arc::new(move || Moment {
            wall: SystemTime::now(),
            monotonic: began.elapsed(),
        }))
    }
}

/// A time of the wall as `2026-11-29T07:25:14.123456Z`. Such texts are in the
/// order of their times. What is outside of the years 1970 to 9999 becomes the
/// nearest of these.
pub fn timestamp(time: SystemTime) -> String {
    const LAST: u64 = 253_402_300_799;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().min(LAST);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = String::with_capacity(27);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z",
        since.subsec_micros()
    );
    text
}

/// The date so many days after the first of 1970, in the Gregorian calendar. A
/// year is counted from March, so that the day that not all of them have is its
/// last one; 400 years have always the same length.
fn date(days: u64) -> (u64, u64, u64) {
    const TO_1970: u64 = 719_468; // from the first of March of the year 0
    const IN_400_YEARS: u64 = 146_097;
    let days = days + TO_1970;
    let (era, day) = (days / IN_400_YEARS, days % IN_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = match month {
        0..10 => (month + 3, 0),
        _ => (month - 9, 1),
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_calendars_have_them() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (1_795_937_114, "2026-11-29T07:25:14.000000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
            (u64::MAX >> 2, "9999-12-31T23:59:59.000000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(timestamp(time), expected, "{seconds}");
        }
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(timestamp(before), "1970-01-01T00:00:00.000000Z");
    }
}
