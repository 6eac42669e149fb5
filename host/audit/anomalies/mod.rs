//! What is unusual in the record: a pure state machine over its events.
//!
//! Its clock is the one that never goes back. It holds a bounded number of
//! subjects, whatever strangers name, and says the same of one subject at most
//! once in a minute. It decides nothing: an anomaly is something for a person to
//! look at, and each of them can have an innocent cause.

mod answers;
mod bounded;
mod calls;

use std::time::Duration;

use answers::Answers;
use bounded::Bounded;
pub(crate) use calls::OF_ANOTHER;
use calls::{Denials, Probes, Rates};

use crate::event::{Event, Origin};

/// The same of the same subject is said again after this time.
const PAUSE: Duration = Duration::from_secs(60);

/// Anomalies of all subjects together, in each such time.
const MAX_TOLD: u32 = 60;

/// Subjects of which it is remembered when something was said of them.
const MAX_SUBJECTS: usize = 512;

/// A kind of anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Anomaly {
    /// Calls of one session or caller were denied one after the other.
    Denials,
    /// One caller calls the tools of a server much more often than so far.
    CallRate,
    /// One caller tries handles of sessions that it does not have.
    SessionProbing,
    /// A tool that answered alike for long answers otherwise.
    AnswerShape,
}

impl Anomaly {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Denials,
        Self::CallRate,
        Self::SessionProbing,
        Self::AnswerShape,
    ];

    /// A short stable name, for records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Denials => "denials",
            Self::CallRate => "call_rate",
            Self::SessionProbing => "session_probing",
            Self::AnswerShape => "answer_shape",
        }
    }
}

/// Something unusual.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) anomaly: Anomaly,
    pub(crate) origin: Origin,
    pub(crate) server: String,
    pub(crate) tool: String,
    pub(crate) count: u64,
    pub(crate) place: String,
    /// What is not to be said of it again for a while.
    subject: u64,
}

impl Finding {
    fn new(anomaly: Anomaly, subject: u64, origin: Origin) -> Self {
        Self {
            anomaly,
            origin,
            server: String::new(),
            tool: String::new(),
            count: 0,
            place: String::new(),
            subject,
        }
    }
}

pub(crate) struct Anomalies {
    denials: Denials,
    rates: Rates,
    probes: Probes,
    answers: Answers,
    /// When something was said last.
    told: Bounded<(Anomaly, u64), Option<Duration>>,
    /// Since when how many were said.
    lately: (Duration, u32),
}

impl Default for Anomalies {
    fn default() -> Self {
        Self {
            denials: Denials::default(),
            rates: Rates::default(),
            probes: Probes::default(),
            answers: Answers::default(),
            told: Bounded::new(MAX_SUBJECTS),
            lately: (Duration::ZERO, 0),
        }
    }
}

impl Anomalies {
    /// Looks at an event, and says what is unusual with it.
    pub(crate) fn look(&mut self, now: Duration, event: &Event<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        match event {
            Event::CallSent { origin, server, .. } => {
                self.denials.allowed(*origin);
                found.extend(self.rates.called(now, *origin, server));
            }
            Event::CallDenied { origin, server, .. } => {
                found.extend(self.denials.denied(now, *origin));
                found.extend(self.rates.called(now, *origin, server));
            }
            Event::SessionRefused { origin, why, .. } => {
                found.extend(self.probes.refused(now, *origin, why));
            }
            Event::CallEnded {
                origin,
                server,
                tool,
                answer: Some(answer),
                ..
            } => found.extend(self.answers.answered(*origin, server, tool, answer)),
            _ => {}
        }
        found.retain(|finding| self.may_tell(now, finding));
        found
    }

    fn may_tell(&mut self, now: Duration, finding: &Finding) -> bool {
        if now.saturating_sub(self.lately.0) >= PAUSE {
            self.lately = (now, 0);
        }
        let last = self.told.entry((finding.anomaly, finding.subject));
        let is_new = last.is_none_or(|last| now.saturating_sub(last) >= PAUSE);
        if !is_new || self.lately.1 == MAX_TOLD {
            return false;
        }
        *last = Some(now);
        self.lately.1 += 1;
        true
    }
}

/// Who did something, as far as that is known: the session, else the caller.
fn subject(origin: Origin) -> u64 {
    origin.session.or(origin.caller).map_or(0, |tag| tag.bits())
}

#[cfg(test)]
mod tests;
