//! A run of a program: from its place in the queue to the answer.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};
use tracing::Instrument as _;

use super::{
    Caller, Service, Strategy,
    client::{hooks::ClientHooks, running::Running},
    meter::{Cost, Tally},
    output::{
        answer::{Answer, KeptOutput, Location, Metered},
        blocks,
        fitted::{OutputPart, fit},
    },
    sessions::SessionSlot,
    tokens,
    tools::result::failure,
};
use ::tools::HostCallbacks;
use contract::{
    program::{Language, Program},
    report::{Report, Status},
};

/// Bytes of a file that a call can return. Larger ones are named.
const MAX_FILE: usize = 1 << 20;

/// What is to be run, where, and what is wanted of it.
pub(super) struct RunRequest {
    pub(super) caller: Caller,
    pub(super) slot: Arc<SessionSlot>,
    /// The handle of the session, where there is one.
    pub(super) handle: Option<String>,
    pub(super) language: Language,
    pub(super) code: String,
    /// The time limit that was asked for.
    pub(super) timeout: Option<Duration>,
    /// Files of the workspace to return.
    pub(super) files: Vec<String>,
    /// How output is made to fit, and into how many tokens.
    pub(super) strategy: Strategy,
    pub(super) budget: usize,
}

/// Starts a run in a task of its own, so that it can outlive the request.
pub(super) fn start(service: Arc<Service>, request: RunRequest) -> Running {
    let tally = Arc::new(Tally::default());
    let allowed = Arc::clone(&request.slot.allowed);
    let (hooks, events) = service.client_hooks(allowed, Arc::clone(&tally));
    let run = Run {
        service,
        request,
        hooks: Arc::new(hooks),
        tally,
    };
    let task = tokio::spawn(run.finish().in_current_span());
    Running { task, events }
}

struct Run {
    service: Arc<Service>,
    request: RunRequest,
    hooks: Arc<ClientHooks>,
    tally: Arc<Tally>,
}

impl Run {
    async fn finish(self) -> CallToolResult {
        let service = Arc::clone(&self.service);
        let Some(queued) = Queued::join(&service) else {
            service.metrics.ended("busy");
            let waiting = service.options.waiting;
            let message = format!("{waiting} programs wait already; try again in a moment");
            return failure("busy", &message);
        };
        let slot = Arc::clone(&self.request.slot);
        let mut session = slot.session.lock().await;
        let Ok(permit) = Arc::clone(&service.run_permits).acquire_owned().await else {
            return failure("busy", "the server is shutting down");
        };
        drop(queued);
        let started = Instant::now();
        session.limits_mut().timeout = self.timeout();
        session.set_callbacks(Some(Arc::clone(&self.hooks) as Arc<dyn HostCallbacks>));
        let program = Program::new(self.request.language, self.request.code.clone());
        let report = session.run(program).await;
        session.set_callbacks(None);
        drop(session);
        let memory = report.usage.memory_peak_bytes;
        slot.memory.fetch_max(memory, Ordering::Relaxed);
        service.metrics.ran(&report, started.elapsed());
        tracing::info!(
            status = ?report.status,
            ms = started.elapsed().as_millis() as u64,
            calls = report.calls.len(),
            "executed"
        );
        let result = self.answer(report).await;
        // Ending a sandbox takes longer than starting one, and until then it
        // holds memory: its permit is given back afterwards.
        tokio::task::spawn_blocking(move || {
            drop((self, slot));
            drop(permit);
        });
        result
    }

    fn timeout(&self) -> Duration {
        let options = &self.service.options;
        let max = options.max_timeout.max(options.limits.timeout);
        let asked_for = self.request.timeout.map(|timeout| timeout.min(max));
        asked_for.unwrap_or(options.limits.timeout)
    }

    async fn answer(&self, mut report: Report) -> CallToolResult {
        let service = &self.service;
        let request = &self.request;
        let fitted = fit(&mut report, request.strategy, request.budget);
        let mut servers: Vec<String> = report
            .calls
            .iter()
            .map(|call| call.server.clone())
            .filter(|server| !server.is_empty())
            .collect();
        servers.sort_unstable();
        servers.dedup();
        let mut notes = Vec::new();
        let mut handle = request.handle.clone();
        if let Some(handle) = &handle {
            service.sessions.touch(handle);
        }
        if handle.is_none() && !fitted.cut.is_empty() {
            // The files of a fresh sandbox would be gone with this answer.
            match service
                .sessions
                .open(request.caller, Arc::clone(&request.slot))
            {
                Ok(opened) => {
                    notes.push(
                        "the sandbox is kept as a session, so that the whole output can be read"
                            .to_owned(),
                    );
                    handle = Some(opened.handle);
                }
                Err(error) => notes.push(format!("the whole output cannot be kept: {error}")),
            }
        }
        let kept = match &handle {
            Some(_) => request.slot.keep(&fitted.cut),
            None => lost(&fitted.cut),
        };
        let (files, mut files_blocks) = self.files();
        let answer = Answer {
            report,
            fitted,
            kept,
            files,
            session: handle,
            notes,
        };
        let counted = service
            .counter
            .settle(&self.tally, servers, &service.toolbox)
            .await;
        let mut text = answer.text();
        let metered = Metered {
            code: tokens::count(&request.code) as u64,
            direct: counted.direct(),
            is_estimate: counted.is_estimate,
        };
        let returned = tokens::count(&text) as u64;
        let cost = Cost::new(returned, metered.code, metered.direct);
        service.totals().add(&counted, returned, metered.code);
        let session = answer.session.as_ref().map(|_| {
            let totals = &request.slot.totals;
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.add(&counted, returned, metered.code)
        });
        if !answer.report.calls.is_empty() {
            let about = if metered.is_estimate { "about " } else { "" };
            text += &format!(
                "tokens: {} here, {about}{} by direct calls\n",
                cost.returned + cost.code,
                cost.direct
            );
        }
        let is_ok = answer.report.status == Status::Ok;
        let structured = answer.structured(&metered, cost, session);
        let emitted = answer.fitted.content;
        let mut all = vec![ContentBlock::text(text)];
        all.extend(emitted.iter().filter_map(blocks::emitted));
        all.append(&mut files_blocks);
        let mut result = if is_ok {
            CallToolResult::success(all)
        } else {
            CallToolResult::error(all)
        };
        result.structured_content = Some(structured);
        result
    }

    /// The files that were asked for: what is said of each, and their contents.
    fn files(&self) -> (Vec<Value>, Vec<ContentBlock>) {
        let mut said = Vec::new();
        let mut contents = Vec::new();
        for written in &self.request.files {
            let path = written.strip_prefix("/workspace/").unwrap_or(written);
            let path = path.trim_start_matches("./");
            match self.request.slot.workspace.read_file(path) {
                Ok(bytes) if bytes.len() <= MAX_FILE => {
                    said.push(json!({ "path": path, "bytes": bytes.len() }));
                    contents.push(blocks::file(path, &bytes));
                }
                Ok(bytes) => said.push(json!({
                    "path": path,
                    "bytes": bytes.len(),
                    "error": format!("larger than {MAX_FILE} bytes; read parts of it in a session"),
                })),
                Err(error) => said.push(json!({ "path": path, "error": error.to_string() })),
            }
        }
        (said, contents)
    }
}

/// Outputs that were cut and are gone.
fn lost(cut: &[(OutputPart, String)]) -> Vec<KeptOutput> {
    let why = "there is no session for it";
    let lost = cut
        .iter()
        .map(|(part, text)| KeptOutput::new(*part, text, Location::Lost(why.to_owned())));
    lost.collect()
}

/// A run that waits for its permit.
struct Queued<'a>(&'a Service);

impl<'a> Queued<'a> {
    /// `None` if the queue is full.
    fn join(service: &'a Service) -> Option<Self> {
        let before = service.queue.fetch_add(1, Ordering::Relaxed);
        let queued = Self(service);
        (before < service.options.waiting).then_some(queued)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.queue.fetch_sub(1, Ordering::Relaxed);
    }
}
