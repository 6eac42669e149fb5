//! What happened since the start, for Prometheus.
//!
//! Every label has few values: names of configured servers, states, limits.
//! Nothing that a program or a client chose becomes a label.

use std::{
    collections::HashSet,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use audit::{Anomaly, Counts};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use contract::call_record::CallStatus;
use contract::report::{Report, Status};

type Labels = Vec<(&'static str, String)>;

/// Seconds that separate the buckets of durations.
const BUCKETS: [f64; 10] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Counts and gauges.
pub(super) struct Metrics {
    registry: Registry,
    servers: HashSet<String>,
    executions: Family<Labels, Counter>,
    seconds: Histogram,
    calls: Family<Labels, Counter>,
    limits: Family<Labels, Counter>,
    questions: Family<Labels, Counter>,
    lost_records: Counter,
    anomalies: Family<Labels, Counter>,
    gauges: Gauges,
    started: Instant,
}

#[derive(Default)]
struct Gauges {
    sessions: Gauge,
    session_bytes: Gauge,
    waiting: Gauge,
    running: Gauge,
    suspended: Gauge,
    saved: Gauge,
    resident: Gauge,
}

/// What is so at this moment.
pub(super) struct Snapshot {
    pub(super) sessions: usize,
    pub(super) session_bytes: u64,
    pub(super) waiting: usize,
    pub(super) running: usize,
    pub(super) suspended: usize,
    pub(super) saved: i64,
    pub(super) audit: Counts,
}

impl Metrics {
    pub(super) fn new(servers: impl Iterator<Item = String>) -> Self {
        let mut registry = Registry::with_prefix("wasm_coordinator");
        let metrics = Self {
            servers: servers.collect(),
            executions: Family::default(),
            seconds: Histogram::new(BUCKETS),
            calls: Family::default(),
            limits: Family::default(),
            questions: Family::default(),
            lost_records: Counter::default(),
            anomalies: Family::default(),
            gauges: Gauges::default(),
            started: Instant::now(),
            registry: Registry::default(),
        };
        registry.register(
            "executions",
            "Programs run, by how they ended",
            metrics.executions.clone(),
        );
        registry.register_with_unit(
            "execution_duration",
            "Wall time of programs, without waiting in the queue",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "tool_calls",
            "Calls of upstream tools, by server and outcome",
            metrics.calls.clone(),
        );
        registry.register(
            "limits_hit",
            "Limits that programs and clients met, by limit",
            metrics.limits.clone(),
        );
        registry.register(
            "questions",
            "Questions to people, by what came of them",
            metrics.questions.clone(),
        );
        registry.register(
            "lost_audit_records",
            "Records of the audit that could not be written",
            metrics.lost_records.clone(),
        );
        registry.register(
            "anomalies",
            "What is unusual in the audit record, by kind",
            metrics.anomalies.clone(),
        );
        let gauges = &metrics.gauges;
        for (name, help, gauge) in [
            ("sessions", "Open sessions", &gauges.sessions),
            (
                "session_bytes",
                "Memory and files of open sessions",
                &gauges.session_bytes,
            ),
            (
                "waiting",
                "Programs that wait in the queue",
                &gauges.waiting,
            ),
            ("running", "Programs that run", &gauges.running),
            (
                "suspended",
                "Programs that wait for a person",
                &gauges.suspended,
            ),
            (
                "tokens_saved",
                "Tokens that direct calls would have cost more, since the start",
                &gauges.saved,
            ),
            (
                "resident_bytes",
                "Resident memory of this process",
                &gauges.resident,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        Self {
            registry,
            ..metrics
        }
    }

    /// Everything is loaded.
    pub(super) fn ready(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(ms, "ready");
    }

    /// A program ended.
    pub(super) fn ran(&self, report: &Report, took: Duration) {
        let status = match report.status {
            Status::Ok => "ok",
            Status::Error => "error",
            Status::Limit => "limit",
            Status::Denied => "denied",
            Status::HostError => "host_error",
        };
        self.ended(status);
        self.seconds.observe(took.as_secs_f64());
        if let Some(limit) = report.error.as_ref().and_then(|error| error.limit) {
            self.limited(limit.name());
        }
        for call in &report.calls {
            self.called(&call.server, call.status);
        }
    }

    /// A program that was asked for ended like this.
    pub(super) fn ended(&self, status: &str) {
        let labels = vec![("status", status.to_owned())];
        self.executions.get_or_create(&labels).inc();
    }

    /// A limit was met, by a program or a client.
    pub(super) fn limited(&self, limit: &'static str) {
        let labels = vec![("limit", limit.to_owned())];
        self.limits.get_or_create(&labels).inc();
    }

    /// A tool was called.
    pub(super) fn called(&self, server: &str, status: CallStatus) {
        let status = match status {
            CallStatus::Finished => "finished",
            CallStatus::Failed => "failed",
            CallStatus::Unknown => "unknown",
        };
        let is_known = self.servers.contains(server);
        let server = if is_known { server } else { "" };
        let labels = vec![("server", server.to_owned()), ("status", status.to_owned())];
        self.calls.get_or_create(&labels).inc();
    }

    /// How often tools of a server were called, however that ended.
    pub(super) fn calls_of(&self, server: &str) -> u64 {
        let statuses = ["finished", "failed", "unknown"].map(|status| {
            let labels = vec![("server", server.to_owned()), ("status", status.to_owned())];
            let count = self.calls.get(&labels);
            count.map_or(0, |count| count.get())
        });
        statuses.iter().sum()
    }

    /// A person was asked.
    pub(super) fn asked(&self, outcome: &'static str) {
        let labels = vec![("outcome", outcome.to_owned())];
        self.questions.get_or_create(&labels).inc();
    }

    /// The counts of the audit record, zeros included.
    fn audited(&self, counts: &Counts) {
        let set = |counter: &Counter, count| counter.inner().store(count, Ordering::Relaxed);
        set(&self.lost_records, counts.lost);
        for (anomaly, count) in Anomaly::ALL.into_iter().zip(counts.anomalies) {
            let labels = vec![("anomaly", anomaly.name().to_owned())];
            set(&self.anomalies.get_or_create(&labels), count);
        }
    }

    /// All of it as text.
    pub(super) fn text(&self, now: &Snapshot) -> String {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let gauges = &self.gauges;
        gauges.sessions.set(count(now.sessions));
        let bytes = i64::try_from(now.session_bytes).unwrap_or(i64::MAX);
        gauges.session_bytes.set(bytes);
        gauges.waiting.set(count(now.waiting));
        gauges.running.set(count(now.running));
        gauges.suspended.set(count(now.suspended));
        gauges.saved.set(now.saved);
        gauges.resident.set(resident());
        self.audited(&now.audit);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Resident memory in bytes; zero where the system does not say.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<i64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_ours_and_counts_add_up() {
        let metrics = Metrics::new(["git".to_owned()].into_iter());
        let report = Report::not_run(Status::Error, "X", "x", None);
        metrics.ran(&report, Duration::from_millis(5));
        metrics.called("git", CallStatus::Finished);
        metrics.called("no\"such{server}", CallStatus::Failed);
        metrics.asked("approved");
        let text = metrics.text(&Snapshot {
            sessions: 3,
            session_bytes: 9,
            waiting: 1,
            running: 2,
            suspended: 0,
            saved: -5,
            audit: Counts::default(),
        });
        for line in [
            "wasm_coordinator_executions_total{status=\"error\"} 1",
            "wasm_coordinator_tool_calls_total{server=\"git\",status=\"finished\"} 1",
            "wasm_coordinator_tool_calls_total{server=\"\",status=\"failed\"} 1",
            "wasm_coordinator_execution_duration_seconds_count 1",
            "wasm_coordinator_questions_total{outcome=\"approved\"} 1",
            "wasm_coordinator_lost_audit_records_total 0",
            "wasm_coordinator_anomalies_total{anomaly=\"session_probing\"} 0",
            "wasm_coordinator_sessions 3",
            "wasm_coordinator_tokens_saved -5",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} in\n{text}");
        }
        assert!(!text.contains("such"));
        assert!(text.contains("wasm_coordinator_resident_bytes "));
    }
}
