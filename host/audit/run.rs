//! One run, from its start to what came of it.

use std::time::Instant;

use contract::report::{Report, Status};

use crate::event::{Event, Origin, name};
use crate::recorder::{Recorder, milliseconds};

/// A run that was recorded as started. Its end is recorded once: with its report,
/// or when this is dropped.
#[derive(Debug)]
pub struct Run(Option<Started>);

#[derive(Debug)]
struct Started {
    recorder: Recorder,
    origin: Origin,
    began: Instant,
}

impl Run {
    pub(crate) fn off() -> Self {
        Self(None)
    }

    pub(crate) fn new(recorder: Recorder, origin: Origin) -> Self {
        Self(Some(Started {
            recorder,
            origin,
            began: Instant::now(),
        }))
    }

    /// Whose its calls are.
    pub fn origin(&self) -> Origin {
        self.0
            .as_ref()
            .map_or_else(Origin::default, |run| run.origin)
    }

    /// It ended with this report.
    pub fn ended(mut self, report: &Report) {
        let error = report.error.as_ref();
        let status = match report.status {
            Status::Ok => "ok",
            Status::Error => "error",
            Status::Limit => "limit",
            Status::Denied => "denied",
            Status::HostError => "host_error",
        };
        self.end(
            status,
            error.map_or("", |error| &error.kind),
            error
                .and_then(|error| error.limit)
                .map(|limit| limit.name()),
            report.usage.calls,
        );
    }

    fn end(&mut self, status: &'static str, error: &str, limit: Option<&'static str>, calls: u32) {
        let Some(run) = self.0.take() else { return };
        run.recorder.record(&Event::RunEnded {
            origin: run.origin,
            status,
            error: name(error),
            limit,
            calls,
            ms: milliseconds(run.began.elapsed()),
        });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Nobody waited for its end.
        self.end("stopped", "", None, 0);
    }
}
