//! The tool side of one run: requests in, answers out.
//!
//! Everything runs inside the future that [`Toolbox::serve`] is: no task is
//! made for a call, because the hop would cost more than most local tools.
//! Dropping the future cancels what is in flight.

use std::{collections::HashMap, sync::atomic::Ordering};

use futures_util::{
    StreamExt as _,
    future::{AbortHandle, Abortable},
    stream::FuturesUnordered,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::{
    Toolbox,
    grants::Grants,
    log::{CallLog, CallStatus, Recording},
};
use crate::message::{
    CallError, CallErrorKind, CallId, Completion, Detail, ImportedPackage, ToCoordinator, ToSandbox,
};

/// Calls of one run that are in flight or wait for their turn. The sandbox
/// side has its own, lower limit; this one holds if that side is broken.
const MOST_IN_FLIGHT: usize = 10_000;

impl Toolbox {
    /// Answers the requests of one run until it hangs up, and then cancels
    /// what is still in flight.
    ///
    /// Each call gets exactly one completion. `log` holds what became of the
    /// calls, also when this future is dropped.
    pub async fn serve(
        &self,
        grants: &Grants,
        mut requests: UnboundedReceiver<ToCoordinator>,
        answers: UnboundedSender<ToSandbox>,
        log: &CallLog,
    ) {
        let mut jobs = FuturesUnordered::new();
        let mut in_flight = HashMap::<CallId, AbortHandle>::new();
        loop {
            let answer = tokio::select! {
                biased;
                Some((id, answer)) = jobs.next() => {
                    if let Some(id) = id {
                        in_flight.remove(&id);
                    }
                    answer
                }
                request = requests.recv() => match request {
                    None => return,
                    Some(ToCoordinator::Cancel { id }) => {
                        if let Some(call) = in_flight.get(&id) {
                            call.abort();
                        }
                        continue;
                    }
                    Some(ToCoordinator::Call { id, tool, .. }) if in_flight.len() >= MOST_IN_FLIGHT => {
                        let message = format!("more than {MOST_IN_FLIGHT} calls are in flight");
                        let error = self.error(CallErrorKind::Limit, "", &tool, message);
                        completed(id, Err(error))
                    }
                    // Not ours to answer twice under one id.
                    Some(ToCoordinator::Call { id, .. }) if in_flight.contains_key(&id) => {
                        tracing::warn!(id, "a call was started twice and is ignored");
                        continue;
                    }
                    Some(ToCoordinator::Call { id, tool, arguments }) => {
                        let (handle, registration) = AbortHandle::new_pair();
                        in_flight.insert(id, handle);
                        jobs.push(self.job(Job::Call { id, tool, arguments, registration }, grants, log));
                        continue;
                    }
                    Some(ToCoordinator::Describe { server }) => {
                        jobs.push(self.job(Job::Describe { server }, grants, log));
                        continue;
                    }
                    Some(ToCoordinator::Search { query, detail, server, limit }) => {
                        jobs.push(self.job(Job::Search { query, detail, server, limit }, grants, log));
                        continue;
                    }
                    Some(ToCoordinator::Stubs { server, known }) => {
                        jobs.push(self.job(Job::Stubs { server, known }, grants, log));
                        continue;
                    }
                    Some(ToCoordinator::Import { packages }) => {
                        jobs.push(self.job(Job::Import { packages }, grants, log));
                        continue;
                    }
                },
            };
            if answers.send(answer).is_err() {
                return;
            }
        }
    }

    /// One future for every kind of work, so that they fit into one set.
    async fn job(&self, job: Job, grants: &Grants, log: &CallLog) -> (Option<CallId>, ToSandbox) {
        match job {
            Job::Describe { server } => {
                let tools = self.describe(&server, grants).await;
                (None, ToSandbox::Described(tools))
            }
            Job::Search {
                query,
                detail,
                server,
                limit,
            } => {
                let found = self.search(&query, detail, server.as_deref(), limit, grants);
                (None, ToSandbox::Found(found.await))
            }
            Job::Stubs { server, known } => {
                let stubs = self.stubs_unless(&server, grants, known).await;
                (None, ToSandbox::Stubs(stubs))
            }
            Job::Import { packages } => {
                let imported = self.import(&packages, grants).await;
                (None, ToSandbox::Imported(imported))
            }
            Job::Call {
                id,
                tool,
                arguments,
                registration,
            } => {
                let record = log.begin(&tool);
                let call = self.recorded_call(grants, &tool, &arguments, &record);
                let result = match Abortable::new(call, registration).await {
                    Ok(result) => result,
                    Err(_) => {
                        record.abandon();
                        let message = match record.sent.load(Ordering::Relaxed) {
                            true => "the call was cancelled; it may have taken effect",
                            false => "the call was cancelled before it was sent",
                        };
                        Err(self.error(CallErrorKind::Cancelled, "", &tool, message.to_owned()))
                    }
                };
                (Some(id), completed(id, result))
            }
        }
    }

    async fn recorded_call(
        &self,
        grants: &Grants,
        tool: &str,
        arguments: &str,
        record: &Recording,
    ) -> Result<String, CallError> {
        let result = self.call_with(grants, tool, arguments, record).await;
        if let Err(error) = &result
            && !error.server.is_empty()
        {
            record.target(&error.server, &error.tool);
        }
        record.end(match &result {
            Ok(_) => CallStatus::Finished,
            Err(error) => match error.kind {
                CallErrorKind::TimedOut | CallErrorKind::OutcomeUnknown => CallStatus::Unknown,
                _ => CallStatus::Failed,
            },
        });
        result
    }
}

enum Job {
    Call {
        id: CallId,
        tool: String,
        arguments: String,
        registration: futures_util::future::AbortRegistration,
    },
    Describe {
        server: String,
    },
    Search {
        query: String,
        detail: Detail,
        server: Option<String>,
        limit: u32,
    },
    Stubs {
        server: String,
        known: Option<u64>,
    },
    Import {
        packages: Vec<ImportedPackage>,
    },
}

fn completed(id: CallId, result: Result<String, CallError>) -> ToSandbox {
    ToSandbox::Completed(Completion { id, result })
}
