//! A run of a program: from its place in the queue to the answer.

use std::{
    pin::pin,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};
use tracing::Instrument as _;

use super::{
    Caller, Service, Strategy,
    advice::Failed,
    client::{hooks::ClientHooks, running::Running},
    meter::{Cost, Tally},
    output::{
        answer::{Answer, KeptOutput, Location, Metered},
        blocks,
        fitted::{Cut, fit},
    },
    sessions::SessionSlot,
    tokens,
    tools::result::failure,
};
use crate::verdict::exact;
use ::tools::HostCallbacks;
use contract::{
    hint::Hint,
    program::{Language, Program},
    report::{Report, Status},
};
use sandbox::Guest;

/// How long a call waits for a sandbox that is not compiled yet. The shortest
/// time limit that clients are known to have is five seconds.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(4);

/// How often a client hears of it.
const PREPARE_STEP: Duration = Duration::from_millis(500);

/// When a client that was sent away should come back, in seconds.
const RETRY_AFTER: u64 = 5;

/// Bytes of a file that a call can return. Larger ones are named.
const MAX_FILE: usize = 1 << 20;

/// Bytes of a value that is kept in a file where it is more than a program may
/// print. As JSON it takes up to sixteen times as much memory while it is looked
/// at, and one file of a workspace holds at most 10 MiB.
const MAX_LARGE_RESULT: usize = 8 << 20;

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
    /// Whether the client hears of progress, and so waits.
    pub(super) hears_progress: bool,
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
        if let Err(result) = self.prepared().await {
            return result;
        }
        let caller = self.request.caller;
        let Some(queued) = service.queue.join(caller) else {
            service.metrics.ended("busy");
            service.limited(caller, "queue");
            let waiting = service.queue.waiting(caller);
            let message =
                format!("{waiting} programs of yours wait already; try again in a moment");
            return failure("busy", &message);
        };
        let slot = Arc::clone(&self.request.slot);
        let mut session = slot.session.lock().await;
        let place = queued.enter().await;
        let started = Instant::now();
        session.limits_mut().timeout = self.timeout();
        session.set_callbacks(Some(Arc::clone(&self.hooks) as Arc<dyn HostCallbacks>));
        session.set_origin(service.origin(caller, self.request.handle.as_deref()));
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
        // holds memory: its place is given back afterwards.
        tokio::task::spawn_blocking(move || {
            drop((self, slot));
            drop(place);
        });
        result
    }

    /// Waits until the guest is loaded. The first time ever that takes longer
    /// than some clients wait: whoever does not hear of progress is sent away in
    /// time, and comes back.
    async fn prepared(&self) -> Result<(), CallToolResult> {
        let guest = Guest::of(self.request.language);
        if self.service.has(guest) {
            return Ok(());
        }
        let began = Instant::now();
        let mut preparing = pin!(self.service.prepare(guest));
        loop {
            let step = tokio::time::timeout(PREPARE_STEP, preparing.as_mut()).await;
            match step {
                // What cannot be prepared fails in the run, which says why.
                Ok(_) => return Ok(()),
                Err(_) => self.hooks.preparing(began.elapsed()),
            }
            if !self.request.hears_progress && began.elapsed() >= PREPARE_TIMEOUT {
                self.service.metrics.ended("preparing");
                let message = format!(
                    "the sandbox is compiled for this machine, once, which takes 10 to 30 seconds; \
                     {} s of waiting so far. Nothing was run: call again in {RETRY_AFTER} s",
                    began.elapsed().as_secs()
                );
                return Err(failure("preparing", &message));
            }
        }
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
        self.advise(&mut report);
        let files = self.files();
        let (strategy, budget) = (request.strategy, request.budget);
        let large = take_large(&mut report);
        let is_large = large.is_some();
        let fitting = move || {
            if let Some(value) = large {
                (report.result, report.exact_result) = exact(value);
            }
            let bytes: Vec<&[u8]> = files.iter().map(RequestedFile::bytes).collect();
            let fitted = fit(&mut report, &bytes, strategy, budget);
            (report, files, fitted)
        };
        let (report, files, fitted) = if is_large {
            // A value takes many times the memory of its text: one at a time,
            // and not where others wait.
            // Held by the work: it goes on if the client is gone.
            let one = Arc::clone(&service.large_results).lock_owned().await;
            let work = move || {
                let _one = one;
                fitting()
            };
            match tokio::task::spawn_blocking(work).await {
                Ok(fitted) => fitted,
                Err(_) => return failure("host_error", "the result could not be read"),
            }
        } else {
            fitting()
        };
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
        let files = answered(files, &fitted.files_fit);
        if handle.is_none() && !(fitted.cut.is_empty() && files.left_out.is_empty()) {
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
        let mut kept = match &handle {
            Some(_) => request.slot.keep(&fitted.cut),
            None => lost(&fitted.cut),
        };
        if handle.is_some() {
            kept.extend(files.left_out);
        }
        let content_tokens = fitted.content_tokens as u64;
        let answer = Answer {
            report,
            fitted,
            kept,
            files: files.said,
            session: handle,
            notes,
        };
        let counted = service
            .counter
            .settle(&self.tally, servers, &service.toolbox)
            .await;
        let mut text = answer.text();
        let emitted = &answer.fitted.content;
        let mut blocks: Vec<_> = emitted.iter().filter_map(blocks::emitted).collect();
        blocks.extend(files.blocks);
        let metered = Metered {
            code: tokens::count(&request.code) as u64,
            direct: counted.direct(),
            is_estimate: counted.is_estimate,
            media_bytes: blocks.iter().map(blocks::media_bytes).sum(),
        };
        let returned = tokens::count(&text) as u64 + content_tokens;
        let cost = Cost::new(returned, metered.code, metered.direct);
        service.count(request.caller, &counted, returned, metered.code);
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
        let mut all = vec![ContentBlock::text(text)];
        all.append(&mut blocks);
        let mut result = if is_ok {
            CallToolResult::success(all)
        } else {
            CallToolResult::error(all)
        };
        result.structured_content = Some(structured);
        result
    }

    /// Adds what would have helped to the error of a program that failed.
    fn advise(&self, report: &mut Report) {
        let Some(error) = report
            .error
            .as_mut()
            .filter(|_| report.status == Status::Error)
        else {
            return;
        };
        let failed = Failed {
            language: self.request.language,
            code: &self.request.code,
            has_session: self.request.handle.is_some(),
            error,
        };
        let Service {
            toolbox, options, ..
        } = &*self.service;
        if let Some(advice) = failed.advice(|| toolbox.known_servers(&options.grants)) {
            let hints = error.hint.take().into_iter();
            error.hint = Some(Hint::All(hints.chain([Hint::Advice(advice)]).collect()));
        }
    }

    /// The files that were asked for.
    fn files(&self) -> Vec<RequestedFile> {
        let files = self.request.files.iter().map(|written| {
            let path = written.strip_prefix("/workspace/").unwrap_or(written);
            let path = path.trim_start_matches("./");
            let read = self.request.slot.workspace.read_file(path);
            RequestedFile {
                path: path.to_owned(),
                read: read.map_err(|error| error.to_string()),
            }
        });
        files.collect()
    }
}

/// A file that was asked for, or why it cannot be read.
struct RequestedFile {
    path: String,
    read: Result<Bytes, String>,
}

impl RequestedFile {
    /// What is to fit into the answer.
    fn bytes(&self) -> &[u8] {
        match &self.read {
            Ok(bytes) if bytes.len() <= MAX_FILE => bytes,
            _ => &[],
        }
    }
}

/// What an answer has of the files that were asked for.
#[derive(Default)]
struct AnsweredFiles {
    /// What is said of each.
    said: Vec<Value>,
    blocks: Vec<ContentBlock>,
    left_out: Vec<KeptOutput>,
}

fn answered(files: Vec<RequestedFile>, fit: &[bool]) -> AnsweredFiles {
    let mut answered = AnsweredFiles::default();
    for (RequestedFile { path, read }, fits) in files.into_iter().zip(fit) {
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => {
                answered.said.push(json!({ "path": path, "error": error }));
                continue;
            }
        };
        let mut said = json!({ "path": path, "bytes": bytes.len() });
        let error = match fits {
            _ if bytes.len() > MAX_FILE => Some(format!(
                "larger than {MAX_FILE} bytes; read parts of it in the session"
            )),
            true => None,
            false => Some(
                "it does not fit into `max_tokens`; read parts of it in the session, or ask for \
                 it with `overflow`: \"none\""
                    .to_owned(),
            ),
        };
        match error {
            None => answered.blocks.push(blocks::file(&path, &bytes)),
            Some(error) => {
                said["error"] = error.into();
                answered.left_out.push(KeptOutput::file(&path, &bytes));
            }
        }
        answered.said.push(said);
    }
    answered
}

/// The value of a program that returned more than it may print: no failure here,
/// where long output is kept in a file.
fn take_large(report: &mut Report) -> Option<contract::outcome::Value> {
    use contract::outcome::Value::{Json, Text};
    let large = report.excess.take()?;
    let (Json(text) | Text(text)) = &large else {
        return None;
    };
    if text.len() > MAX_LARGE_RESULT {
        return None;
    }
    report.status = Status::Ok;
    report.error = None;
    Some(large)
}

/// Outputs that were cut and are gone.
fn lost(cut: &[Cut]) -> Vec<KeptOutput> {
    let why = "there is no session for it";
    let lost = cut
        .iter()
        .map(|cut| KeptOutput::new(cut, Location::Lost(why.to_owned())));
    lost.collect()
}
