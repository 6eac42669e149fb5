//! The sandbox's end of the wire to the coordinator, for one run.
//!
//! Calls go out as messages and come back as messages; nothing else connects
//! the two sides.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;

use crate::message::{
    CallError, CallErrorKind, CallId, Completion, Detail, Question, Stubs, ToCoordinator,
    ToSandbox, Tool,
};

/// Completions handed to the guest at once. More wait for the next turn, so
/// that no single hand-over has to fit a thousand results.
const MAX_BATCH: usize = 64;

/// The two directions of the wire, and what is on its way.
pub(super) struct Link {
    wire: Option<Wire>,
    /// Arrived while another answer was awaited.
    arrived: VecDeque<Completion>,
    in_flight: u32,
    next_id: CallId,
}

struct Wire {
    requests: UnboundedSender<ToCoordinator>,
    answers: UnboundedReceiver<ToSandbox>,
}

impl Link {
    /// A link on which nothing can be asked.
    pub(super) fn closed() -> Self {
        Self {
            wire: None,
            arrived: VecDeque::new(),
            in_flight: 0,
            next_id: 1,
        }
    }

    /// Connects the link for one run. Ids go on where they stopped, so that
    /// none is used twice in a session.
    pub(super) fn open(
        &mut self,
        requests: UnboundedSender<ToCoordinator>,
        answers: UnboundedReceiver<ToSandbox>,
    ) {
        self.wire = Some(Wire { requests, answers });
        self.arrived.clear();
        self.in_flight = 0;
    }

    /// Ends the run's connection: calls still in flight are abandoned.
    pub(super) fn close(&mut self) {
        self.wire = None;
        self.arrived.clear();
        self.in_flight = 0;
    }

    /// Calls started and not yet handed back.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(super) fn start(&mut self, tool: String, arguments: String) -> Result<CallId, CallError> {
        let Some(wire) = &self.wire else {
            return Err(gone(&tool));
        };
        let id = self.next_id;
        let request = ToCoordinator::Call {
            id,
            tool,
            arguments,
        };
        match wire.requests.send(request) {
            Ok(()) => {
                self.next_id = id.wrapping_add(1);
                self.in_flight += 1;
                Ok(id)
            }
            Err(unsent) => match unsent.0 {
                ToCoordinator::Call { tool, .. } => Err(gone(&tool)),
                _ => Err(gone("")),
            },
        }
    }

    /// Makes a call and waits for its completion; others that arrive meanwhile
    /// are kept.
    pub(super) async fn call(
        &mut self,
        tool: String,
        arguments: String,
    ) -> Result<String, CallError> {
        let id = self.start(tool, arguments)?;
        let result = loop {
            match self.next().await {
                Some(completion) if completion.id == id => break completion.result,
                Some(other) => self.arrived.push_back(other),
                None => break Err(gone("")),
            }
        };
        self.in_flight = self.in_flight.saturating_sub(1);
        result
    }

    pub(super) fn cancel(&mut self, id: CallId) {
        if let Some(wire) = &self.wire {
            // A coordinator that is gone has ended its calls already.
            let _ = wire.requests.send(ToCoordinator::Cancel { id });
        }
    }

    /// Waits until something completed or the time has passed.
    pub(super) async fn completions(&mut self, at_most: Option<Duration>) -> Vec<Completion> {
        if self.arrived.is_empty() {
            let first = match at_most {
                Some(at_most) => timeout(at_most, self.next()).await.ok().flatten(),
                None if self.in_flight == 0 => None,
                None => self.next().await,
            };
            self.arrived.extend(first);
        }
        while self.arrived.len() < MAX_BATCH
            && let Some(Ok(ToSandbox::Completed(completion))) =
                self.wire.as_mut().map(|wire| wire.answers.try_recv())
        {
            self.arrived.push_back(completion);
        }
        let batch = self.arrived.len().min(MAX_BATCH);
        self.in_flight = self.in_flight.saturating_sub(batch as u32);
        self.arrived.drain(..batch).collect()
    }

    async fn next(&mut self) -> Option<Completion> {
        let Some(wire) = &mut self.wire else {
            return std::future::pending().await;
        };
        loop {
            match wire.answers.recv().await {
                Some(ToSandbox::Completed(completion)) => return Some(completion),
                // Nobody asked.
                Some(_) => {}
                None => return None,
            }
        }
    }

    /// The tools of a server.
    pub(super) async fn describe(&mut self, server: String) -> Result<Vec<Tool>, CallError> {
        let question = Question::Describe {
            server: server.clone(),
        };
        match self.ask(question).await {
            Some(ToSandbox::Described(answer)) => answer,
            _ => Err(gone(&server)),
        }
    }

    /// The tools that do something.
    pub(super) async fn search(
        &mut self,
        query: String,
        detail: Detail,
        server: Option<String>,
        limit: u32,
    ) -> Result<String, CallError> {
        let question = Question::Search {
            query,
            detail,
            server,
            limit,
        };
        match self.ask(question).await {
            Some(ToSandbox::Found(answer)) => answer,
            _ => Err(gone("")),
        }
    }

    /// The files that describe a server's tools, unless they are known.
    pub(super) async fn stubs(
        &mut self,
        server: String,
        known: Option<u64>,
    ) -> Result<Stubs, CallError> {
        let question = Question::Stubs {
            server: server.clone(),
            known,
        };
        match self.ask(question).await {
            Some(ToSandbox::Stubs(answer)) => answer,
            _ => Err(gone(&server)),
        }
    }

    /// Asks, and waits for the one answer that is no completion.
    async fn ask(&mut self, question: Question) -> Option<ToSandbox> {
        let wire = self.wire.as_mut()?;
        wire.requests.send(ToCoordinator::Ask(question)).ok()?;
        loop {
            match wire.answers.recv().await? {
                ToSandbox::Completed(completion) => self.arrived.push_back(completion),
                answer => return Some(answer),
            }
        }
    }
}

fn gone(tool: &str) -> CallError {
    CallError {
        kind: CallErrorKind::Unavailable,
        server: String::new(),
        tool: tool.into(),
        message: "tools can be called only while a program runs".into(),
    }
}
