//! How somebody calls: denied again and again, much more often than before, or
//! with handles of others.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use super::bounded::Bounded;
use super::{Anomaly, Finding, subject};
use crate::event::Origin;

/// Sessions and callers that are told apart.
const MAX_SUBJECTS: usize = 256;

/// Denials one after the other. A program that misspells its grants gets two or
/// three.
const DENIALS: u64 = 10;

/// Denials that are further apart are not in a row.
const IN_A_ROW: Duration = Duration::from_secs(60);

/// Denials since the last call that was allowed.
pub(super) struct Denials(Bounded<u64, Row>);

#[derive(Default)]
struct Row {
    count: u64,
    last: Duration,
}

impl Default for Denials {
    fn default() -> Self {
        Self(Bounded::new(MAX_SUBJECTS))
    }
}

impl Denials {
    pub(super) fn allowed(&mut self, origin: Origin) {
        self.0.entry(subject(origin)).count = 0;
    }

    pub(super) fn denied(&mut self, now: Duration, origin: Origin) -> Option<Finding> {
        let subject = subject(origin);
        let row = self.0.entry(subject);
        if now.saturating_sub(row.last) > IN_A_ROW {
            row.count = 0;
        }
        row.last = now;
        row.count += 1;
        (row.count >= DENIALS).then(|| Finding {
            count: row.count,
            ..Finding::new(Anomaly::Denials, subject, origin)
        })
    }
}

/// Calls are counted in such spans.
const SPAN: Duration = Duration::from_secs(10);

/// What is usual is known after so many of them.
const SPANS: u32 = 6;

/// Calls in one span that are never unusual: a program may make a few hundred.
const USUAL: u64 = 500;

/// So many times as many as usual are unusual.
const TIMES: f64 = 10.0;

/// Calls in one span that are unusual whatever was before.
const TOO_MANY: u64 = 10_000;

/// How much the last span counts in what is usual.
const WEIGHT: f64 = 0.1;

/// How often callers call the tools of each server.
pub(super) struct Rates {
    rates: Bounded<u64, Rate>,
    hasher: RandomState,
}

#[derive(Default)]
struct Rate {
    began: Option<Duration>,
    count: u64,
    /// Of the spans before, the latest counting most.
    mean: f64,
    spans: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            rates: Bounded::new(MAX_SUBJECTS),
            hasher: RandomState::new(),
        }
    }
}

impl Rates {
    pub(super) fn called(
        &mut self,
        now: Duration,
        origin: Origin,
        server: &str,
    ) -> Option<Finding> {
        let caller = Origin {
            caller: origin.caller,
            ..Origin::default()
        };
        let subject = self.hasher.hash_one((subject(caller), server));
        let rate = self.rates.entry(subject);
        rate.count_one(now);
        rate.is_unusual().then(|| Finding {
            server: server.to_owned(),
            count: rate.count,
            ..Finding::new(Anomaly::CallRate, subject, caller)
        })
    }
}

impl Rate {
    fn count_one(&mut self, now: Duration) {
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_sub(began).as_secs() / SPAN.as_secs();
        if passed > 0 {
            self.mean += WEIGHT * (self.count as f64 - self.mean);
            // In the others there was nothing.
            let idle = i32::try_from(passed - 1).unwrap_or(i32::MAX);
            self.mean *= (1.0 - WEIGHT).powi(idle);
            self.spans = self
                .spans
                .saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
            self.count = 0;
            let passed = SPAN.saturating_mul(u32::try_from(passed).unwrap_or(u32::MAX));
            self.began = Some(began.saturating_add(passed));
        }
        self.count += 1;
    }

    fn is_unusual(&self) -> bool {
        let usual = TIMES * self.mean.max(1.0);
        self.count >= TOO_MANY
            || (self.spans >= SPANS && self.count >= USUAL && self.count as f64 > usual)
    }
}

/// Handles that nobody has. A client that was away while we were started again
/// tries one or two.
const PROBES: u64 = 5;

/// Those that are further apart do not belong together.
const PROBING: Duration = Duration::from_secs(60);

/// What is said of a handle that another caller has.
pub(crate) const OF_ANOTHER: &str = "another caller's";

/// Handles that were refused lately, for each caller.
pub(super) struct Probes(Bounded<u64, Probe>);

#[derive(Default)]
struct Probe {
    count: u64,
    last: Duration,
}

impl Default for Probes {
    fn default() -> Self {
        Self(Bounded::new(MAX_SUBJECTS))
    }
}

impl Probes {
    pub(super) fn refused(&mut self, now: Duration, origin: Origin, why: &str) -> Option<Finding> {
        let caller = Origin {
            caller: origin.caller,
            ..Origin::default()
        };
        let subject = subject(caller);
        let probe = self.0.entry(subject);
        if now.saturating_sub(probe.last) > PROBING {
            probe.count = 0;
        }
        probe.last = now;
        probe.count += 1;
        // 256 bits are not guessed: that one was stolen.
        let is_certain = why == OF_ANOTHER;
        (is_certain || probe.count >= PROBES).then(|| Finding {
            count: probe.count,
            ..Finding::new(Anomaly::SessionProbing, subject, caller)
        })
    }
}
