//! What a client hears of the progress of its program.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rmcp::model::{ProgressNotificationParam, ProgressToken};

use ::tools::Progress;
use contract::text::one_line;

/// Between two progress notifications to a client.
const INTERVAL: Duration = Duration::from_millis(100);

/// Calls that are told apart; those beyond count as one.
const MAX_CALLS: usize = 1_000;

/// In place of a call: that the sandbox is ready.
const PREPARING: u64 = u64::MAX;

/// Characters of what a server says its call is doing.
const MAX_MESSAGE: usize = 200;

/// What a client hears of the progress of all calls of its run together.
pub(super) struct ProgressReporter {
    token: ProgressToken,
    /// How far each call is, by its id.
    calls: BTreeMap<u64, f64>,
    told: f64,
    at: Option<Instant>,
}

impl ProgressReporter {
    pub(super) fn new(token: ProgressToken) -> Self {
        Self {
            token,
            calls: BTreeMap::new(),
            told: 0.0,
            at: None,
        }
    }

    /// The notification for a step, unless the last one was just now. What is
    /// told always grows, as the protocol demands: the sum over the calls, each
    /// of which counts as one when it is complete.
    pub(super) fn report(&mut self, progress: Progress) -> Option<ProgressNotificationParam> {
        let is_told_apart = self.calls.len() < MAX_CALLS;
        let call = if is_told_apart { progress.call } else { 0 };
        let fraction = match progress.total {
            Some(total) if total > 0.0 => (progress.done / total).clamp(0.0, 1.0),
            // Without a total, ever closer to one.
            _ => progress.done.max(0.0) / (progress.done.max(0.0) + 1.0),
        };
        let of = progress
            .total
            .map_or(String::new(), |total| format!("/{total}"));
        let message = one_line(&progress.message.unwrap_or_default(), MAX_MESSAGE);
        let text = format!(
            "{}.{} {}{of} {message}",
            progress.server, progress.tool, progress.done
        );
        self.notify(call, fraction, text.trim_end())
    }

    /// The notification for a program that does not run yet: this counts as a
    /// call, which comes ever closer to its end.
    pub(super) fn preparing(&mut self, elapsed: Duration) -> Option<ProgressNotificationParam> {
        let seconds = elapsed.as_secs_f64();
        let text = format!("preparing the sandbox for {seconds:.0} s, once for this version");
        self.notify(PREPARING, seconds / (seconds + 10.0), &text)
    }

    fn notify(
        &mut self,
        call: u64,
        fraction: f64,
        text: &str,
    ) -> Option<ProgressNotificationParam> {
        let known = self.calls.entry(call).or_default();
        *known = known.max(if fraction.is_finite() { fraction } else { 0.0 });
        if self.at.is_some_and(|at| at.elapsed() < INTERVAL) {
            return None;
        }
        let sum: f64 = self.calls.values().sum();
        if sum <= self.told {
            return None;
        }
        (self.told, self.at) = (sum, Some(Instant::now()));
        let mut params = ProgressNotificationParam::new(self.token.clone(), sum);
        params.total = Some(self.calls.len() as f64);
        params.message = Some(text.to_owned());
        Some(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(call: u64, done: f64, total: Option<f64>) -> Progress {
        Progress {
            call,
            server: "s".to_owned(),
            tool: "t".to_owned(),
            done,
            total,
            message: None,
        }
    }

    #[test]
    fn progress_of_several_calls_is_one_that_grows() {
        let token = ProgressToken(rmcp::model::NumberOrString::Number(1));
        let mut reporter = ProgressReporter::new(token);
        let mut told = 0.0;
        for (call, done, total) in [
            (1, 1.0, Some(4.0)),
            (2, 3.0, None),
            (1, 0.0, Some(4.0)),
            (3, f64::NAN, Some(f64::NAN)),
            (1, 9.0, Some(4.0)),
            (2, f64::INFINITY, None),
        ] {
            reporter.at = None;
            if let Some(params) = reporter.report(step(call, done, total)) {
                assert!(params.progress > told);
                told = params.progress;
                assert!(params.progress <= params.total.unwrap());
            }
        }
        assert!(told > 1.0);
        reporter.at = None;
        assert!(reporter.report(step(8, 1.0, None)).is_some());
        assert!(reporter.report(step(9, 1.0, None)).is_none(), "too soon");
    }
}
