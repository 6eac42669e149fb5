//! The tool side of one run: requests in, answers out.
//!
//! Everything runs inside the future that [`Toolbox::serve`] is: no task is
//! made for a call, because the hop would cost more than most local tools.
//! Dropping the future cancels what is in flight.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use futures_util::{
    StreamExt as _,
    future::{AbortHandle, AbortRegistration, Abortable, Either},
    stream::FuturesUnordered,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::callbacks::{FinishedCall, HostCallbacks};
use crate::{
    Run, Toolbox,
    consent::PausingCallbacks,
    log::{Recording, denied},
};
use contract::message::{
    AnswerForm, CallError, CallErrorKind, CallId, Completion, ImportErrorKind, MIN_COUNTED,
    Question, ToCoordinator, ToSandbox,
};

/// Bytes of results that may wait for a program. One that makes calls and does
/// not take what they give would fill our memory and not its own.
const MAX_WAITING: u64 = 64 << 20;

/// Calls of one run that are in flight or wait for their turn. The sandbox
/// side has its own, lower limit; this one holds if that side is broken.
const MAX_IN_FLIGHT: usize = 10_000;

impl Toolbox {
    /// Answers the requests of one run until it hangs up, and then cancels
    /// what is still in flight.
    ///
    /// Each call gets exactly one completion. The log holds what became of the
    /// calls, also when this future is dropped.
    pub async fn serve(
        &self,
        run: &Run<'_>,
        mut requests: UnboundedReceiver<ToCoordinator>,
        answers: UnboundedSender<ToSandbox>,
    ) {
        let callbacks = run.callbacks.map(|callbacks| {
            let clocked = PausingCallbacks {
                callbacks: Arc::clone(callbacks),
                sandbox: answers.clone(),
            };
            Arc::new(clocked) as Arc<dyn HostCallbacks>
        });
        let run = &Run {
            callbacks: callbacks.as_ref(),
            ..*run
        };
        let mut jobs = FuturesUnordered::new();
        let mut in_flight = HashMap::<CallId, AbortHandle>::new();
        let mut waiting = 0;
        loop {
            let answer = tokio::select! {
                biased;
                Some((id, answer)) = jobs.next() => {
                    if let Some(id) = id {
                        in_flight.remove(&id);
                    }
                    self.counted(answer, &mut waiting)
                }
                request = requests.recv() => match request {
                    None => return,
                    Some(ToCoordinator::Cancel { id }) => {
                        if let Some(call) = in_flight.get(&id) {
                            call.abort();
                        }
                        continue;
                    }
                    Some(ToCoordinator::Taken { bytes }) => {
                        waiting = u64::saturating_sub(waiting, bytes);
                        continue;
                    }
                    Some(ToCoordinator::Call { id, tool, .. }) if in_flight.len() >= MAX_IN_FLIGHT => {
                        let message = format!("more than {MAX_IN_FLIGHT} calls are in flight");
                        let error = self.error(CallErrorKind::Limit, &tool, message);
                        completed(id, Err(error))
                    }
                    // Not ours to answer twice under one id.
                    Some(ToCoordinator::Call { id, .. }) if in_flight.contains_key(&id) => {
                        tracing::warn!(id, "a call was started twice and is ignored");
                        continue;
                    }
                    Some(ToCoordinator::Call { id, tool, arguments, form }) => {
                        let (handle, registration) = AbortHandle::new_pair();
                        in_flight.insert(id, handle);
                        let call = self.finish_call(id, Request { tool, arguments, form }, registration, run);
                        jobs.push(Either::Left(call));
                        continue;
                    }
                    Some(ToCoordinator::Ask(question)) => {
                        jobs.push(Either::Right(self.answer(question, run)));
                        continue;
                    }
                },
            };
            if answers.send(answer).is_err() {
                return;
            }
        }
    }

    /// An answer, if there is room for it among those that wait for the program.
    fn counted(&self, answer: ToSandbox, waiting: &mut u64) -> ToSandbox {
        let ToSandbox::Completed(Completion {
            id,
            result: Ok(json),
        }) = &answer
        else {
            return answer;
        };
        let bytes = json.len() as u64;
        if json.len() < MIN_COUNTED {
            return answer;
        }
        if *waiting > 0 && waiting.saturating_add(bytes) > MAX_WAITING {
            let message = format!(
                "the call took effect, and its result is lost: it has {bytes} bytes, and results of {waiting} bytes wait already that the program has not taken; await some calls before you make more"
            );
            let error = self.error(CallErrorKind::UnusableAnswer, "", message);
            return completed(*id, Err(error));
        }
        *waiting += bytes;
        answer
    }

    /// Makes a call, unless it is aborted first.
    async fn finish_call(
        &self,
        id: CallId,
        request: Request,
        registration: AbortRegistration,
        run: &Run<'_>,
    ) -> (Option<CallId>, ToSandbox) {
        let tool = &request.tool;
        let record = run.log.begin(tool, &self.recorder);
        let call = self.recorded_call(run, &request, &record);
        let result = match Abortable::new(call, registration).await {
            Ok(result) => result,
            Err(_) => {
                record.abandon();
                let message = if record.sent.load(Ordering::Relaxed) {
                    "the call was cancelled; it may have taken effect"
                } else {
                    "the call was cancelled before it was sent"
                };
                Err(self.error(CallErrorKind::Cancelled, tool, message.to_owned()))
            }
        };
        (
            Some(id),
            completed(id, result.map_err(|error| run.told(error))),
        )
    }

    async fn answer(&self, question: Question, run: &Run<'_>) -> (Option<CallId>, ToSandbox) {
        let grants = run.grants;
        let told = |error| run.told(error);
        // Who imports a tool that is denied comes no further than this.
        let asked = |error| {
            self.note_denial(run, &error);
            run.told(error)
        };
        let answer = match question {
            Question::Describe { server, language } => {
                let described = self.describe(&server, language, grants);
                ToSandbox::Described(described.await.map_err(asked))
            }
            Question::Search {
                query,
                detail,
                server,
                limit,
            } => {
                let found = self.search(&query, detail, server.as_deref(), limit, grants);
                ToSandbox::Found(found.await.map_err(asked))
            }
            Question::Stubs { server, known } => {
                let files = self.stubs_unless(&server, grants, known);
                ToSandbox::Stubs(files.await.map_err(told))
            }
            Question::Resources { server, known } => {
                let files = self.resource_files_unless(&server, grants, known);
                ToSandbox::Stubs(files.await.map_err(told))
            }
            Question::Import { packages } => {
                let imported = self.import(&packages, grants).await;
                if let Err(error) = &imported
                    && error.kind == ImportErrorKind::Denied
                {
                    self.recorder
                        .import_denied(run.log.origin(), &error.message);
                }
                ToSandbox::Imported(imported)
            }
        };
        (None, answer)
    }

    /// Adds to the audit record that the tools of a server are denied, once for
    /// each run: a program may ask as often as it likes.
    fn note_denial(&self, run: &Run<'_>, error: &CallError) {
        let is_new = || run.log.is_first_denial(&error.server);
        if error.kind == CallErrorKind::Denied && self.recorder.is_on() && is_new() {
            let call = self.recorder.call(run.log.origin());
            call.target(&error.server, &error.tool);
            denied(&call, error);
        }
    }

    pub(super) async fn recorded_call(
        &self,
        run: &Run<'_>,
        request: &Request,
        record: &Recording,
    ) -> Result<String, CallError> {
        let result = self.call_with(run, request, record).await;
        if let Err(error) = &result
            && !error.server.is_empty()
        {
            record.target(&error.server, &error.tool);
        }
        if let Err(error) = &result
            && error.kind == CallErrorKind::Denied
        {
            tracing::info!(
                server = error.server,
                tool = error.tool,
                "a call was denied"
            );
        }
        record.end(result.as_deref());
        if let Some(callbacks) = run.callbacks {
            let (server, tool) = record.found();
            callbacks.finished(&FinishedCall {
                server: &server,
                tool: &tool,
                arguments: &request.arguments,
                result: result.as_deref(),
            });
        }
        result
    }
}

/// A call as a program asks for it.
pub(super) struct Request {
    /// The tool as the program named it.
    pub(super) tool: String,
    /// The arguments as JSON text.
    pub(super) arguments: String,
    /// In which form the answer is wanted.
    pub(super) form: AnswerForm,
}

impl Request {
    /// A call whose value is wanted.
    pub(super) fn new(tool: &str, arguments: &str) -> Self {
        Self {
            tool: tool.to_owned(),
            arguments: arguments.to_owned(),
            form: AnswerForm::Value,
        }
    }
}

fn completed(id: CallId, result: Result<String, CallError>) -> ToSandbox {
    ToSandbox::Completed(Completion { id, result })
}
