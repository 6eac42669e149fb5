//! One request of a client while its run goes on: questions go to the client,
//! progress and log entries too, and cancellation stops the run.
//!
//! Up to 2025-11-25 a server asks by a request of its own. From 2026-07-28 it
//! answers that input is required; the run is then suspended
//! ([`SuspendedRuns`](super::suspended::SuspendedRuns)) until the request comes that brings the answer.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use rmcp::{
    ErrorData, Peer, RoleServer,
    model::{
        CallToolResponse, ClientCapabilities, ClientResult, CreateMessageRequest, ElicitRequest,
        InputRequest, InputRequests, InputRequiredResult, ListRootsRequest,
        LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion, ServerRequest,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use super::{
    hooks::{Event, NoAnswer, Question},
    log_level::{level_of, protocol_level},
    progress::ProgressReporter,
    running::Running,
    suspended::SuspendedRun,
};
use crate::serve::{Caller, Service, tools::result::failure};
use ::tools::{LogEntry, LogLevel, RequestKind};

/// Log entries passed on for one request; a server must not flood a client.
const MAX_ENTRIES: usize = 500;

/// Questions that one answer puts to a client.
const MAX_QUESTIONS: usize = 16;

/// A request of a client that is being served.
pub(in crate::serve) struct ClientRequest<'a> {
    caller: Caller,
    context: &'a RequestContext<RoleServer>,
    capabilities: ClientCapabilities,
    /// The client asks again; it cannot be asked.
    is_stateless: bool,
    level: Option<LogLevel>,
    progress: Option<ProgressReporter>,
    entries: usize,
}

impl<'a> ClientRequest<'a> {
    /// `level` is what the connection asked for; a request can ask for itself.
    pub(in crate::serve) fn new(
        caller: Caller,
        context: &'a RequestContext<RoleServer>,
        level: Option<LogLevel>,
    ) -> Self {
        let version = context.protocol_version();
        let is_stateless = version
            .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
        let own_level = context.meta.log_level().map(level_of);
        Self {
            caller,
            context,
            capabilities: context.client_capabilities().unwrap_or_default(),
            is_stateless,
            level: if is_stateless { own_level } else { level },
            progress: context.meta.get_progress_token().map(ProgressReporter::new),
            entries: 0,
        }
    }

    /// Follows a run to its end, or to a question that the client has to be
    /// sent away with.
    pub(in crate::serve) async fn follow(
        &mut self,
        service: &Service,
        mut running: Running,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut asking = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                () = self.context.ct.cancelled() => {
                    return Err(ErrorData::internal_error("the request was cancelled", None));
                }
                ended = &mut running.task => return match ended {
                    Ok(result) => Ok(result.into()),
                    Err(_) => Err(ErrorData::internal_error("the run failed in the host", None)),
                },
                Some(()) = asking.next() => {}
                Some(event) = running.events.recv() => match event {
                    Event::Progress(progress) => self.tell(|reporter| reporter.report(progress)).await,
                    Event::Log(entry) => self.log(entry).await,
                    Event::Preparing(elapsed) => self.tell(|reporter| reporter.preparing(elapsed)).await,
                    Event::Question(question) => match self.request(&question) {
                        None => {
                            service.metrics.asked("unable");
                            let _ = question.reply.send(Err(NoAnswer::Unable));
                        }
                        Some(request) if self.is_stateless => {
                            return Ok(self.suspend(service, running, question, request));
                        }
                        Some(request) => {
                            let peer = self.context.peer.clone();
                            asking.push(ask_peer(peer, request, question, service));
                        }
                    },
                },
            }
        }
    }

    /// The run that this request continues, with the answers it brings.
    pub(in crate::serve) fn resume(
        &self,
        service: &Service,
        token: &str,
        mut answers: BTreeMap<String, Value>,
    ) -> Result<Running, ErrorData> {
        let suspended = service.suspended.resume(self.caller, token);
        let Some(SuspendedRun { running, questions }) = suspended else {
            return Err(ErrorData::invalid_params(
                "`requestState` names nothing that waits: it was used, is too old, or is not yours",
                None,
            ));
        };
        for (key, question) in questions {
            let answer = answers.remove(&key).ok_or(NoAnswer::Silent);
            count(service, &answer);
            let _ = question.reply.send(answer);
        }
        Ok(running)
    }

    /// Answers that input is required, and keeps the run.
    fn suspend(
        &self,
        service: &Service,
        mut running: Running,
        question: Question,
        request: InputRequest,
    ) -> CallToolResponse {
        let mut requests = InputRequests::from([("0".to_owned(), request)]);
        let mut questions = BTreeMap::from([("0".to_owned(), question)]);
        // What else is asked by now, so that a person is asked once.
        while questions.len() < MAX_QUESTIONS
            && let Ok(event) = running.events.try_recv()
        {
            let Event::Question(question) = event else {
                continue;
            };
            match self.request(&question) {
                Some(request) => {
                    let key = questions.len().to_string();
                    requests.insert(key.clone(), request);
                    questions.insert(key, question);
                }
                None => drop(question.reply.send(Err(NoAnswer::Unable))),
            }
        }
        let suspended = SuspendedRun { running, questions };
        let timeout = service.options.ask_timeout;
        match service.suspended.suspend(self.caller, suspended, timeout) {
            Ok(token) => InputRequiredResult::new(Some(requests), Some(token)).into(),
            Err(_stopped) => failure(
                "busy",
                "too many programs wait for answers of their users; answer those first",
            )
            .into(),
        }
    }

    /// The question as a request of the protocol, if this client takes it.
    fn request(&self, question: &Question) -> Option<InputRequest> {
        let params = question.params.clone();
        match question.kind {
            RequestKind::Elicitation => {
                let elicitation = self.capabilities.elicitation.as_ref()?;
                let is_able = if params.get("url").is_some() {
                    elicitation.url.is_some()
                } else {
                    // An empty capability means forms.
                    elicitation.form.is_some() || elicitation.url.is_none()
                };
                if !is_able {
                    return None;
                }
                let request: ElicitRequest = request("elicitation/create", params)?;
                Some(InputRequest::Elicitation(request))
            }
            RequestKind::Sampling => {
                self.capabilities.sampling.as_ref()?;
                let request: CreateMessageRequest = request("sampling/createMessage", params)?;
                Some(InputRequest::CreateMessage(request))
            }
            RequestKind::Roots => {
                self.capabilities.roots.as_ref()?;
                let request: ListRootsRequest = request("roots/list", params)?;
                Some(InputRequest::ListRoots(request))
            }
        }
    }

    /// Tells of progress, if the client wants to hear of it.
    async fn tell(
        &mut self,
        step: impl FnOnce(&mut ProgressReporter) -> Option<ProgressNotificationParam>,
    ) {
        if let Some(params) = self.progress.as_mut().and_then(step) {
            let _ = self.context.peer.notify_progress(params).await;
        }
    }

    async fn log(&mut self, entry: LogEntry) {
        let is_wanted = self.level.is_some_and(|level| entry.level >= level);
        if !is_wanted || self.entries >= MAX_ENTRIES {
            return;
        }
        self.entries += 1;
        let mut params =
            LoggingMessageNotificationParam::new(protocol_level(entry.level), entry.data);
        params.logger = Some(match entry.logger {
            Some(logger) => format!("{}/{logger}", entry.server),
            None => entry.server,
        });
        let _ = self.context.peer.notify_logging_message(params).await;
    }
}

/// A request of the protocol out of its parameters, if they fit.
fn request<T: serde::de::DeserializeOwned>(method: &str, params: Value) -> Option<T> {
    serde_json::from_value(json!({ "method": method, "params": params })).ok()
}

/// Asks in the way of the older revisions.
async fn ask_peer(
    peer: Peer<RoleServer>,
    request: InputRequest,
    question: Question,
    service: &Service,
) {
    let request = match request {
        InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
        InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
        InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
        _ => return,
    };
    let answer = match peer.send_request(request).await {
        Ok(result) => answer_of(result).ok_or(NoAnswer::Silent),
        Err(_) => Err(NoAnswer::Silent),
    };
    count(service, &answer);
    let _ = question.reply.send(answer);
}

fn answer_of(result: ClientResult) -> Option<Value> {
    serde_json::to_value(result).ok()
}

fn count(service: &Service, answer: &Result<Value, NoAnswer>) {
    service.metrics.asked(match answer {
        Ok(_) => "answered",
        Err(_) => "silent",
    });
}
