//! How often a server is asked for its tools again.
//!
//! A server that says that its tools changed is asked again at once, because
//! a call must not be checked against what its tool no longer is. But not for
//! ever: so many times in a row, and then once in a span that grows from the
//! first to the last of these, as long as it goes on. Until then the last list
//! counts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::Listing;

const RELISTINGS: u64 = 8;
const RELISTING: Duration = Duration::from_secs(1);
const MAX_RELISTING: Duration = Duration::from_secs(60);

/// A list, and when it may be replaced.
pub(super) struct Listed {
    pub(super) listing: Arc<Listing>,
    at: Instant,
    /// How many times it may be replaced at once.
    spare: u64,
    /// The span after which it may be replaced in any case.
    span: Duration,
}

impl Listed {
    /// What takes the place of `before`.
    pub(super) fn new(listing: Arc<Listing>, before: Option<&Self>) -> Self {
        let (spare, span) = match before {
            None => (RELISTINGS, RELISTING),
            Some(before) => {
                let earned = before.at.elapsed().as_secs() / before.span.as_secs();
                let spare = (before.spare + earned).min(RELISTINGS);
                let span = match spare {
                    // It went on for all of the span.
                    0 | 1 => (before.span * 2).min(MAX_RELISTING),
                    RELISTINGS => RELISTING,
                    _ => before.span,
                };
                (spare.saturating_sub(1), span)
            }
        };
        Self {
            listing,
            at: Instant::now(),
            spare,
            span,
        }
    }

    /// Whether the server may be asked again, if it says that the tools changed.
    pub(super) fn may_be_replaced(&self) -> bool {
        self.spare > 0 || self.at.elapsed() >= self.span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a server is asked in so many seconds, in each of which it says
    /// ten times that its tools changed and somebody wants to know them; and the
    /// list that there is then.
    fn asked(seconds: u64, mut listed: Listed) -> (u64, Listed) {
        let step = Duration::from_millis(100);
        let mut asked = 0;
        for _ in 0..10 * seconds {
            listed.at -= step;
            if listed.may_be_replaced() {
                listed = Listed::new(Arc::clone(&listed.listing), Some(&listed));
                asked += 1;
            }
        }
        (asked, listed)
    }

    #[test]
    fn a_server_whose_tools_change_without_end_is_asked_less_and_less() {
        let (first, listed) = asked(10, Listed::new(Arc::default(), None));
        assert!((8..=12).contains(&first), "{first}");
        let (_, listed) = asked(300, listed);
        let (hour, listed) = asked(3600, listed);
        assert!((55..=65).contains(&hour), "{hour} in an hour");
        // Once it is quiet, changes are seen at once again.
        let mut listed = listed;
        listed.at -= 20 * MAX_RELISTING;
        let (again, _) = asked(1, listed);
        assert!(again >= 7, "{again}");
    }
}
