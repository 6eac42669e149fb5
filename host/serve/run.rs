//! The tool `execute`: a program from its arguments to its answer.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock},
};
use serde_json::{Value, json};
use tracing::Instrument as _;

use super::{
    Caller, Service,
    client::{hooks::Desk, request::Running},
    hints,
    meter::{Cost, Tally},
    output::answer::{Answer, Kept, Metered, Part, Place, fit},
    sessions::{Cell, SessionError},
    tokens,
    tools::arguments::Execute,
};
use crate::session::{Files, Session, SessionOptions};
use ::tools::Attendant;
use contract::{
    program::{Language, Program},
    report::{Report, Status},
};

/// Bytes of a file that a call can return. Larger ones are named.
const LARGEST_FILE: usize = 1 << 20;

/// Where a run takes place.
struct Spot {
    cell: Arc<Cell>,
    /// The handle, where there is one.
    handle: Option<String>,
}

impl Service {
    /// Starts a program. It runs in a task of its own, so that it can outlive
    /// the request.
    pub(super) fn execute(
        self: &Arc<Self>,
        caller: Caller,
        arguments: Execute,
    ) -> Result<Running, ErrorData> {
        arguments.check()?;
        let place = match &arguments.session {
            None => Spot {
                cell: self.fresh_cell(),
                handle: None,
            },
            Some(handle) => match self.sessions.find(caller, handle) {
                Ok(cell) => Spot {
                    cell,
                    handle: Some(handle.clone()),
                },
                Err(error) => return Ok(refused(error)),
            },
        };
        let tally = Arc::new(Tally::default());
        let (desk, events) = Desk::new(
            Arc::clone(&place.cell.allowed),
            Arc::clone(&self.granted),
            Arc::clone(&self.counter),
            Arc::clone(&tally),
            self.options.patience,
        );
        let run = Run {
            service: Arc::clone(self),
            caller,
            place,
            arguments,
            desk: Arc::new(desk),
            tally,
        };
        let task = tokio::spawn(run.finish().in_current_span());
        Ok(Running { task, events })
    }

    /// A place that no handle names.
    pub(super) fn fresh_cell(&self) -> Arc<Cell> {
        let options = SessionOptions {
            grants: self.options.grants.clone(),
            limits: self.options.limits.clone(),
            files: Files::Fresh(self.options.quota),
            render_hint: Some(hints::render),
        };
        let toolbox = Arc::clone(&self.toolbox);
        Cell::new(Session::new(&self.engine, toolbox, options))
    }
}

/// A run that ends before it begins.
fn refused(error: SessionError) -> Running {
    let (_, events) = tokio::sync::mpsc::channel(1);
    let result = failure("session_gone", &error.to_string());
    Running {
        task: tokio::spawn(async { result }),
        events,
    }
}

/// A failure that is no program's.
pub(super) fn failure(kind: &str, message: &str) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(format!(
        "status: error\nerror: {kind}: {message}\n"
    ))]);
    result.structured_content = Some(json!({
        "status": "error",
        "error": { "kind": kind, "message": message },
    }));
    result
}

struct Run {
    service: Arc<Service>,
    caller: Caller,
    place: Spot,
    arguments: Execute,
    desk: Arc<Desk>,
    tally: Arc<Tally>,
}

impl Run {
    async fn finish(self) -> CallToolResult {
        let service = Arc::clone(&self.service);
        let Some(_waiting) = Queued::join(&service) else {
            service.metrics.ended("busy");
            let most = service.options.waiting;
            let message = format!("{most} programs wait already; try again in a moment");
            return failure("busy", &message);
        };
        let cell = Arc::clone(&self.place.cell);
        let mut session = cell.session.lock().await;
        let Ok(turn) = Arc::clone(&service.turns).acquire_owned().await else {
            return failure("busy", "the server is shutting down");
        };
        drop(_waiting);
        let started = Instant::now();
        session.limits_mut().timeout = self.timeout();
        session.attend(Some(Arc::clone(&self.desk) as Arc<dyn Attendant>));
        let language = Language::from(self.arguments.language);
        let program = Program::new(language, self.arguments.code.clone());
        let report = session.run(program).await;
        session.attend(None);
        drop(session);
        let memory = report.usage.memory_peak_bytes;
        cell.memory.fetch_max(memory, Ordering::Relaxed);
        service.metrics.ran(&report, started.elapsed());
        tracing::info!(
            status = ?report.status,
            ms = started.elapsed().as_millis() as u64,
            calls = report.calls.len(),
            "executed"
        );
        let result = self.answer(report).await;
        // Ending a sandbox takes longer than starting one, and until then it
        // holds memory: its turn is over afterwards.
        tokio::task::spawn_blocking(move || {
            drop((self, cell));
            drop(turn);
        });
        result
    }

    fn timeout(&self) -> Duration {
        let options = &self.service.options;
        match self.arguments.timeout {
            None => options.limits.timeout,
            Some(seconds) => {
                let longest = options.longest_timeout.max(options.limits.timeout);
                Duration::from_secs_f64(seconds.min(longest.as_secs_f64()))
            }
        }
    }

    async fn answer(&self, mut report: Report) -> CallToolResult {
        let service = &self.service;
        let arguments = &self.arguments;
        let budget = arguments
            .max_tokens
            .unwrap_or(service.options.output_tokens);
        let fitted = fit(&mut report, arguments.overflow.unwrap_or_default(), budget);
        let mut servers: Vec<String> = report
            .calls
            .iter()
            .map(|call| call.server.clone())
            .filter(|server| !server.is_empty())
            .collect();
        servers.sort_unstable();
        servers.dedup();
        let mut notes = Vec::new();
        let mut handle = self.place.handle.clone();
        if let Some(handle) = &handle {
            service.sessions.touch(handle);
        }
        if handle.is_none() && !fitted.cut.is_empty() {
            // The files of a fresh sandbox would be gone with this answer.
            match service
                .sessions
                .open(self.caller, Arc::clone(&self.place.cell))
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
        let kept = self.keep(&fitted.cut, handle.is_some());
        let (files, mut blocks) = self.files();
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
            code: tokens::count(&arguments.code) as u64,
            direct: counted.direct(),
            is_estimate: counted.is_estimate,
        };
        let returned = tokens::count(&text) as u64;
        let cost = Cost::new(returned, metered.code, metered.direct);
        service.totals().add(&counted, returned, metered.code);
        let session = answer.session.as_ref().map(|_| {
            let totals = &self.place.cell.totals;
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
        all.extend(emitted.iter().filter_map(super::output::blocks::emitted));
        all.append(&mut blocks);
        let mut result = match is_ok {
            true => CallToolResult::success(all),
            false => CallToolResult::error(all),
        };
        result.structured_content = Some(structured);
        result
    }

    /// Writes what did not fit into files of the workspace.
    fn keep(&self, cut: &[(Part, String)], is_possible: bool) -> Vec<Kept> {
        let cell = &self.place.cell;
        if cut.is_empty() {
            return Vec::new();
        }
        let number = cell.kept.fetch_add(1, Ordering::Relaxed) + 1;
        let kept = cut.iter().enumerate().map(|(place, (part, text))| {
            let name = part.name();
            let name = match part {
                // There can be several of them.
                Part::Emitted => format!("{name}-{place}"),
                _ => name.to_owned(),
            };
            let extension = match text.starts_with(['[', '{']) && *part == Part::Result {
                true => "json",
                false => "txt",
            };
            let path = format!(".output/{number}-{name}.{extension}");
            let place = match is_possible {
                false => Place::Lost("there is no session for it".to_owned()),
                true => match cell.workspace.write_file(&path, text.as_bytes()) {
                    Ok(()) => Place::Path(format!("/workspace/{path}")),
                    Err(error) => Place::Lost(error.to_string()),
                },
            };
            Kept {
                part: part.name(),
                place,
                tokens: tokens::count(text),
                bytes: text.len(),
            }
        });
        kept.collect()
    }

    /// The files that were asked for: what is said of each, and their contents.
    fn files(&self) -> (Vec<Value>, Vec<ContentBlock>) {
        let mut said = Vec::new();
        let mut blocks = Vec::new();
        for written in &self.arguments.files {
            let path = written.strip_prefix("/workspace/").unwrap_or(written);
            let path = path.trim_start_matches("./");
            match self.place.cell.workspace.read_file(path) {
                Ok(bytes) if bytes.len() <= LARGEST_FILE => {
                    said.push(json!({ "path": path, "bytes": bytes.len() }));
                    blocks.push(super::output::blocks::file(path, &bytes));
                }
                Ok(bytes) => said.push(json!({
                    "path": path,
                    "bytes": bytes.len(),
                    "error": format!("larger than {LARGEST_FILE} bytes; read parts of it in a session"),
                })),
                Err(error) => said.push(json!({ "path": path, "error": error.to_string() })),
            }
        }
        (said, blocks)
    }
}

/// A place in the queue.
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
