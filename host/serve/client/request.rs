//! One request of a client while its run goes on: questions go to the client,
//! progress and log entries too, and cancellation stops the run.
//!
//! Up to 2025-11-25 a server asks by a request of its own. From 2026-07-28 it
//! answers that input is required; the run then waits ([`Parked`]) for the
//! request that brings the answer.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use rmcp::{
    ErrorData, Peer, RoleServer,
    model::{
        CallToolResponse, CallToolResult, ClientCapabilities, ClientResult, CreateMessageRequest,
        ElicitRequest, InputRequest, InputRequests, InputRequiredResult, ListRootsRequest,
        LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
        ProtocolVersion, ServerRequest,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};

use super::hooks::{Ask, Event, Unasked};
use crate::serve::{Caller, Service};
use ::tools::{LogEntry, LogLevel, Progress, RequestKind};

/// Between two progress notifications to a client.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Log entries passed on for one request; a server must not flood a client.
const MOST_ENTRIES: usize = 500;

/// A run and the way to hear of it. Dropping it stops the run.
pub(in crate::serve) struct Running {
    pub(in crate::serve) task: JoinHandle<CallToolResult>,
    pub(in crate::serve) events: mpsc::Receiver<Event>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A run that waits for answers, by the keys they will have.
pub(in crate::serve) struct Waiting {
    running: Running,
    asks: BTreeMap<String, Ask>,
}

/// The client's side of one request.
pub(in crate::serve) struct Client<'a> {
    caller: Caller,
    context: &'a RequestContext<RoleServer>,
    capabilities: ClientCapabilities,
    /// The client asks again; it cannot be asked.
    is_stateless: bool,
    level: Option<LogLevel>,
    progress: Option<Reporter>,
    entries: usize,
}

impl<'a> Client<'a> {
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
            progress: context.meta.get_progress_token().map(Reporter::new),
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
                    Event::Progress(progress) => self.progress(progress).await,
                    Event::Log(entry) => self.log(entry).await,
                    Event::Ask(ask) => match self.request(&ask) {
                        None => {
                            service.metrics.asked("unable");
                            let _ = ask.reply.send(Err(Unasked::Unable));
                        }
                        Some(request) if self.is_stateless => {
                            return Ok(self.park(service, running, ask, request));
                        }
                        Some(request) => {
                            let peer = self.context.peer.clone();
                            asking.push(ask_peer(peer, request, ask, service));
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
        let waiting = service.parked.resume(self.caller, token);
        let Some(Waiting { running, asks }) = waiting else {
            return Err(ErrorData::invalid_params(
                "`requestState` names nothing that waits: it was used, is too old, or is not yours",
                None,
            ));
        };
        for (key, ask) in asks {
            let answer = answers.remove(&key).ok_or(Unasked::Silent);
            count(service, &answer);
            let _ = ask.reply.send(answer);
        }
        Ok(running)
    }

    /// Answers that input is required, and keeps the run.
    fn park(
        &self,
        service: &Service,
        mut running: Running,
        ask: Ask,
        request: InputRequest,
    ) -> CallToolResponse {
        let mut requests = InputRequests::from([("0".to_owned(), request)]);
        let mut asks = BTreeMap::from([("0".to_owned(), ask)]);
        // What else is asked by now, so that a person is asked once.
        while asks.len() < 16
            && let Ok(event) = running.events.try_recv()
        {
            let Event::Ask(ask) = event else { continue };
            match self.request(&ask) {
                Some(request) => {
                    let key = asks.len().to_string();
                    requests.insert(key.clone(), request);
                    asks.insert(key, ask);
                }
                None => drop(ask.reply.send(Err(Unasked::Unable))),
            }
        }
        let waiting = Waiting { running, asks };
        let patience = service.options.patience;
        match service.parked.park(self.caller, waiting, patience) {
            Ok(token) => InputRequiredResult::new(Some(requests), Some(token)).into(),
            Err(_stopped) => CallToolResult::error(vec![rmcp::model::ContentBlock::text(
                "too many programs wait for answers of their users; answer those first",
            )])
            .into(),
        }
    }

    /// The question as a request of the protocol, if this client takes it.
    fn request(&self, ask: &Ask) -> Option<InputRequest> {
        let params = ask.params.clone();
        match ask.kind {
            RequestKind::Elicitation => {
                let elicitation = self.capabilities.elicitation.as_ref()?;
                let is_url = params.get("url").is_some();
                // An empty capability means forms.
                let is_able = match is_url {
                    true => elicitation.url.is_some(),
                    false => elicitation.form.is_some() || elicitation.url.is_none(),
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

    async fn progress(&mut self, progress: Progress) {
        if let Some(reporter) = &mut self.progress
            && let Some(params) = reporter.report(progress)
        {
            let _ = self.context.peer.notify_progress(params).await;
        }
    }

    async fn log(&mut self, entry: LogEntry) {
        let is_wanted = self.level.is_some_and(|level| entry.level >= level);
        if !is_wanted || self.entries >= MOST_ENTRIES {
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
async fn ask_peer(peer: Peer<RoleServer>, request: InputRequest, ask: Ask, service: &Service) {
    let request = match request {
        InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
        InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
        InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
        _ => return,
    };
    let answer = match peer.send_request(request).await {
        Ok(result) => answer_of(result).ok_or(Unasked::Silent),
        Err(_) => Err(Unasked::Silent),
    };
    count(service, &answer);
    let _ = ask.reply.send(answer);
}

fn answer_of(result: ClientResult) -> Option<Value> {
    serde_json::to_value(result).ok()
}

fn count(service: &Service, answer: &Result<Value, Unasked>) {
    service.metrics.asked(match answer {
        Ok(_) => "answered",
        Err(_) => "silent",
    });
}

/// What a client hears of the progress of all calls of its run together.
struct Reporter {
    token: ProgressToken,
    /// How far each call is, by its id.
    calls: BTreeMap<u64, f64>,
    told: f64,
    at: Option<Instant>,
}

impl Reporter {
    fn new(token: ProgressToken) -> Self {
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
    fn report(&mut self, progress: Progress) -> Option<ProgressNotificationParam> {
        /// Calls that are told apart; those beyond count as one.
        const MOST: usize = 1_000;
        let call = match self.calls.len() < MOST {
            true => progress.call,
            false => 0,
        };
        let fraction = match progress.total {
            Some(total) if total > 0.0 => (progress.done / total).clamp(0.0, 1.0),
            // Without a total, ever closer to one.
            _ => progress.done.max(0.0) / (progress.done.max(0.0) + 1.0),
        };
        let known = self.calls.entry(call).or_default();
        *known = known.max(if fraction.is_finite() { fraction } else { 0.0 });
        if self.at.is_some_and(|at| at.elapsed() < PROGRESS_EVERY) {
            return None;
        }
        let sum: f64 = self.calls.values().sum();
        if sum <= self.told {
            return None;
        }
        (self.told, self.at) = (sum, Some(Instant::now()));
        let mut params = ProgressNotificationParam::new(self.token.clone(), sum);
        params.total = Some(self.calls.len() as f64);
        let of = progress
            .total
            .map_or(String::new(), |total| format!("/{total}"));
        let message = progress.message.unwrap_or_default();
        let message: String = message.chars().take(200).collect();
        let text = format!(
            "{}.{} {}{of} {message}",
            progress.server, progress.tool, progress.done
        );
        params.message = Some(text.trim_end().to_owned());
        Some(params)
    }
}

/// The level a connection asked for.
#[derive(Default)]
pub(in crate::serve) struct Level(Mutex<Option<LogLevel>>);

impl Level {
    pub(in crate::serve) fn set(&self, level: LoggingLevel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(level_of(level));
    }

    pub(in crate::serve) fn get(&self) -> Option<LogLevel> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LEVELS: [(LogLevel, LoggingLevel); 8] = [
    (LogLevel::Debug, LoggingLevel::Debug),
    (LogLevel::Info, LoggingLevel::Info),
    (LogLevel::Notice, LoggingLevel::Notice),
    (LogLevel::Warning, LoggingLevel::Warning),
    (LogLevel::Error, LoggingLevel::Error),
    (LogLevel::Critical, LoggingLevel::Critical),
    (LogLevel::Alert, LoggingLevel::Alert),
    (LogLevel::Emergency, LoggingLevel::Emergency),
];

fn level_of(level: LoggingLevel) -> LogLevel {
    let known = LEVELS.iter().find(|(_, theirs)| *theirs == level);
    known.map_or(LogLevel::Info, |(ours, _)| *ours)
}

fn protocol_level(level: LogLevel) -> LoggingLevel {
    let known = LEVELS.iter().find(|(ours, _)| *ours == level);
    known.map_or(LoggingLevel::Info, |(_, theirs)| *theirs)
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
        let mut reporter = Reporter::new(token);
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
