//! Events that strangers can cause as often as they like: the first ones are
//! recorded as they come, and of the others in that minute only the number.

use std::time::Duration;

use crate::event::{Event, Origin};

/// How long a number is gathered.
pub(crate) const SPAN: Duration = Duration::from_secs(60);

/// Kinds and origins that are told apart. There are as many callers as tokens;
/// what has no place is recorded as it comes.
const MAX_FOLDS: usize = 128;

/// An event that may be recorded as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folded {
    Session(Origin, &'static str),
    Access(&'static str),
    Limit(Origin, &'static str),
}

#[derive(Default)]
pub(crate) struct Folds(Vec<Fold>);

struct Fold {
    what: Folded,
    since: Duration,
    recorded: u64,
    held: u64,
}

impl Folded {
    /// How many are recorded as they come in each span.
    fn burst(self) -> u64 {
        match self {
            // Each has another handle, which is worth to be known.
            Self::Session(..) => 20,
            Self::Access(_) | Self::Limit(..) => 1,
        }
    }

    /// The event, so many times.
    pub(crate) fn event(self, times: u64) -> Event<'static> {
        match self {
            Self::Session(origin, why) => Event::SessionRefused { origin, why, times },
            Self::Access(why) => Event::AccessRefused { why, times },
            Self::Limit(origin, limit) => Event::Limit {
                origin,
                limit,
                times,
            },
        }
    }

    /// What is counted together: which handle it was is not.
    fn kind(self) -> Self {
        match self {
            Self::Session(origin, why) => {
                let origin = Origin {
                    session: None,
                    ..origin
                };
                Self::Session(origin, why)
            }
            Self::Limit(origin, limit) => {
                let origin = Origin {
                    caller: origin.caller,
                    ..Origin::default()
                };
                Self::Limit(origin, limit)
            }
            other => other,
        }
    }
}

impl Folds {
    /// Whether it is recorded now. Otherwise it is in the number of a later one.
    pub(crate) fn passes(&mut self, now: Duration, what: Folded) -> bool {
        let kind = what.kind();
        let Some(fold) = self.0.iter_mut().find(|fold| fold.what == kind) else {
            if self.0.len() < MAX_FOLDS {
                self.0.push(Fold {
                    what: kind,
                    since: now,
                    recorded: 1,
                    held: 0,
                });
            }
            return true;
        };
        // Those that are due are taken first, so that none is older than it looks.
        if fold.held == 0 && now.saturating_sub(fold.since) >= SPAN {
            (fold.since, fold.recorded) = (now, 0);
        }
        if fold.recorded < what.burst() {
            fold.recorded += 1;
            return true;
        }
        fold.held += 1;
        false
    }

    /// What was gathered for long enough; at the end, all of it.
    pub(crate) fn due(&mut self, now: Duration, is_end: bool) -> Vec<(Folded, u64)> {
        let due = self
            .0
            .iter_mut()
            .filter(|fold| fold.held > 0 && (is_end || now.saturating_sub(fold.since) >= SPAN));
        due.map(|fold| {
            (fold.since, fold.recorded) = (now, 0);
            (fold.what, std::mem::take(&mut fold.held))
        })
        .collect()
    }

    /// Whether something is gathered.
    pub(crate) fn are_held(&self) -> bool {
        self.0.iter().any(|fold| fold.held > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_flood_is_one_record_and_its_number() {
        let mut folds = Folds::default();
        let (token, host) = (Folded::Access("token"), Folded::Access("host"));
        let passed = (0..1_000).filter(|_| folds.passes(SECOND, token)).count();
        assert_eq!((passed, folds.passes(SECOND, host)), (1, true));
        assert_eq!(folds.due(60 * SECOND, false), []);
        assert_eq!(folds.due(61 * SECOND, false), [(token, 999)]);
        assert!(!folds.are_held());
        assert!(
            folds.passes(200 * SECOND, token),
            "and a later one is recorded again"
        );
        assert!(!folds.passes(201 * SECOND, token));
        assert_eq!(folds.due(201 * SECOND, true), [(token, 1)]);
    }

    #[test]
    fn each_of_the_first_handles_is_recorded() {
        let key = crate::key::Key::new(&[1; 32]);
        let mut folds = Folds::default();
        let mut passed = 0;
        for n in 0_u32..1_000 {
            let origin = Origin {
                session: Some(key.tag("session", &n.to_le_bytes())),
                ..Origin::default()
            };
            passed += u32::from(folds.passes(SECOND, Folded::Session(origin, "unknown")));
        }
        assert_eq!(passed, 20);
        let rest = folds.due(61 * SECOND, false);
        assert_eq!(rest, [(Folded::Session(Origin::default(), "unknown"), 980)]);
    }
}
