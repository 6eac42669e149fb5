//! What the tools want of the client that started a run: questions, progress and
//! log entries go through one channel to whoever holds the client's request.
//!
//! Knows neither transports nor protocol revisions: a run can outlive the
//! request that began it, when the answer to a question comes with a later one.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::serve::meter::{Counter, Tally};
use ::tools::{
    Answering, Approval, Declined, FinishedCall, HostCallbacks, LogEntry, Progress, RequestKind,
    ServerRequest, Verdict,
};
use contract::text::quoted;

/// Events that wait for the client. Further progress and log entries are
/// dropped; questions wait.
const MAX_EVENTS: usize = 256;

/// Something for the client.
pub(in crate::serve) enum Event {
    Question(Question),
    Progress(Progress),
    Log(LogEntry),
    /// The sandbox is being prepared for so long.
    Preparing(Duration),
}

/// A request to the client, and where its result goes.
pub(in crate::serve) struct Question {
    pub(in crate::serve) kind: RequestKind,
    /// The parameters, as the protocol has them.
    pub(in crate::serve) params: Value,
    pub(in crate::serve) reply: oneshot::Sender<Result<Value, NoAnswer>>,
}

/// Why the client was not asked or did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) enum NoAnswer {
    /// It cannot be asked this.
    Unable,
    /// It gave an error, or nothing in time.
    Silent,
}

/// The client of one run, as the tools know it.
pub(in crate::serve) struct ClientHooks {
    events: mpsc::Sender<Event>,
    /// Calls that need no further question, shared by the runs of a session.
    allowed: Arc<Mutex<HashSet<(String, String)>>>,
    counter: Arc<Counter>,
    tally: Arc<Tally>,
    /// How long a person may take.
    ask_timeout: Duration,
}

impl ClientHooks {
    pub(in crate::serve) fn new(
        allowed: Arc<Mutex<HashSet<(String, String)>>>,
        counter: Arc<Counter>,
        tally: Arc<Tally>,
        ask_timeout: Duration,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
        let hooks = Self {
            events,
            allowed,
            counter,
            tally,
            ask_timeout,
        };
        (hooks, receiver)
    }

    /// Tells the client that the program does not run yet.
    pub(in crate::serve) fn preparing(&self, elapsed: Duration) {
        let _ = self.events.try_send(Event::Preparing(elapsed));
    }

    async fn ask(&self, kind: RequestKind, params: Value) -> Result<Value, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        let question = Question {
            kind,
            params,
            reply,
        };
        let asked = async {
            let sent = self.events.send(Event::Question(question)).await;
            sent.map_err(|_| NoAnswer::Silent)?;
            answer.await.unwrap_or(Err(NoAnswer::Silent))
        };
        let answer = tokio::time::timeout(self.ask_timeout, asked).await;
        answer.unwrap_or(Err(NoAnswer::Silent))
    }

    fn is_allowed(&self, tool: &(String, String)) -> bool {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        allowed.contains(tool)
    }
}

const ONCE: &str = "allow this call";
const SESSION: &str = "allow this tool in this session";
const NO: &str = "refuse";

impl HostCallbacks for ClientHooks {
    fn approve(&self, approval: Approval) -> Answering<'_, Verdict> {
        Box::pin(async move {
            let tool = (approval.server.clone(), approval.tool.clone());
            if self.is_allowed(&tool) {
                return Verdict::Approved;
            }
            let params = json!({
                "message": question(&approval),
                "requestedSchema": {
                    "type": "object",
                    "properties": { "decision": {
                        "type": "string",
                        "title": "Decision",
                        "enum": [ONCE, SESSION, NO],
                    } },
                    "required": ["decision"],
                },
            });
            let answer = match self.ask(RequestKind::Elicitation, params).await {
                Ok(answer) => answer,
                Err(NoAnswer::Unable) => {
                    return Verdict::Unanswered("this client cannot ask its user".to_owned());
                }
                Err(NoAnswer::Silent) => {
                    return Verdict::Unanswered("the client gave no answer".to_owned());
                }
            };
            let is_accepted = answer["action"] == "accept";
            match answer["content"]["decision"].as_str() {
                Some(ONCE) if is_accepted => Verdict::Approved,
                Some(SESSION) if is_accepted => {
                    let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
                    allowed.insert(tool);
                    Verdict::Approved
                }
                _ => Verdict::Refused,
            }
        })
    }

    fn answer(&self, request: ServerRequest) -> Answering<'_, Result<Value, Declined>> {
        Box::pin(async move {
            let ServerRequest {
                server,
                kind,
                mut params,
            } = request;
            // What a server may ask, and where it may send a person, was decided
            // where its request came in. Whoever answers has to know who asks.
            if let Some(Value::String(message)) = params.get_mut("message") {
                *message = format!("The MCP server {} asks: {message}", quoted(&server));
            }
            self.ask(kind, params).await.map_err(|_| Declined)
        })
    }

    fn progress(&self, progress: Progress) {
        let _ = self.events.try_send(Event::Progress(progress));
    }

    fn log(&self, entry: LogEntry) {
        let _ = self.events.try_send(Event::Log(entry));
    }

    fn finished(&self, call: &FinishedCall<'_>) {
        self.counter.count(&self.tally, call.arguments);
        match call.result {
            Ok(result) => self.counter.count(&self.tally, result),
            Err(error) => self.counter.count(&self.tally, &error.message),
        }
    }
}

fn question(approval: &Approval) -> String {
    let Approval {
        server, tool, why, ..
    } = approval;
    let name = quoted(&format!("{server}.{tool}"));
    let arguments = approval.shown_arguments();
    format!("A program wants to call {name}; {why}.\nArguments:\n{arguments}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hooks() -> (ClientHooks, mpsc::Receiver<Event>) {
        ClientHooks::new(
            Arc::default(),
            Arc::new(Counter::new()),
            Arc::default(),
            Duration::from_secs(5),
        )
    }

    /// What comes of an approval when the client answers like this.
    async fn verdict(
        hooks: &ClientHooks,
        events: &mut mpsc::Receiver<Event>,
        answer: Value,
    ) -> Verdict {
        let approval = Approval {
            server: "git".to_owned(),
            tool: "push".to_owned(),
            arguments: "{}".to_owned(),
            why: "so".to_owned(),
        };
        let client = async {
            let Some(Event::Question(question)) = events.recv().await else {
                panic!("it is asked");
            };
            question.reply.send(Ok(answer)).unwrap();
        };
        tokio::join!(hooks.approve(approval), client).0
    }

    #[tokio::test]
    async fn only_a_clear_yes_is_a_yes() {
        let (hooks, mut events) = hooks();
        for no in [
            json!({ "action": "decline" }),
            json!({ "action": "cancel", "content": { "decision": ONCE } }),
            json!({ "action": "accept" }),
            json!({ "action": "accept", "content": { "decision": NO } }),
            json!({ "action": "accept", "content": { "decision": true } }),
            json!("accept"),
        ] {
            let verdict = verdict(&hooks, &mut events, no.clone()).await;
            assert_eq!(verdict, Verdict::Refused, "{no}");
        }
        let yes = json!({ "action": "accept", "content": { "decision": ONCE } });
        let given = verdict(&hooks, &mut events, yes).await;
        assert_eq!(given, Verdict::Approved);
        assert!(hooks.allowed.lock().unwrap().is_empty(), "once is once");
        let yes = json!({ "action": "accept", "content": { "decision": SESSION } });
        verdict(&hooks, &mut events, yes).await;
        assert!(hooks.is_allowed(&("git".to_owned(), "push".to_owned())));
    }

    #[tokio::test]
    async fn whoever_answers_a_server_knows_which_one_asks() {
        let (hooks, mut events) = hooks();
        let request = |params| ServerRequest {
            server: "a`b\n".to_owned(),
            kind: RequestKind::Elicitation,
            params,
        };
        let client = async {
            let Some(Event::Question(question)) = events.recv().await else {
                panic!("it is asked");
            };
            let message = question.params["message"].clone();
            question.reply.send(Ok(message)).unwrap();
        };
        let answer = hooks.answer(request(json!({ "message": "Which city?" })));
        let answer = tokio::join!(answer, client).0;
        assert_eq!(answer, Ok("The MCP server `a'b ` asks: Which city?".into()));
    }
}
