//! The channel to the coordinator: the sandbox's end of it, and what the host
//! functions ask through it while a program runs.
//!
//! Calls go out as messages and come back as messages; nothing else connects
//! the two sides.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;

use crate::bindings::types;
use contract::clock::Clock;
use contract::hint::Hint;
use contract::message::{
    AnswerForm, CallError, CallErrorKind, CallId, Completion, Detail, MAX_ARGUMENTS_IN_FLIGHT,
    MIN_COUNTED, Question, Stubs, ToCoordinator, ToSandbox, Tool, weight,
};
use contract::outcome::Refusal;
use contract::program::Language;

/// Completions handed to the guest at once. More wait for the next turn, so
/// that no single hand-over has to fit a thousand results.
const MAX_BATCH: usize = 64;

/// Refusals that are remembered for the end of the run. A program ends with one
/// of the last, so that of more the oldest are forgotten.
const MAX_REFUSALS: usize = 256;

/// The two ends of the channel that a run talks through.
pub struct Channel {
    /// What the sandbox asks.
    pub requests: UnboundedSender<ToCoordinator>,
    /// What it is told.
    pub answers: UnboundedReceiver<ToSandbox>,
}

/// The coordinator as an instance reaches it: a channel while a program runs,
/// and the calls that are under way.
pub(crate) struct Coordinator {
    run: Option<Run>,
    /// Arrived while another answer was awaited.
    arrived: VecDeque<Completion>,
    in_flight: u32,
    /// What the arguments weigh that are in flight.
    arguments: HashMap<CallId, u64>,
    arguments_weight: u64,
    next_id: CallId,
    /// What this run was refused, as the program was told.
    refusals: VecDeque<(Refusal, CallError)>,
}

/// The channel of the present run, and its clock.
struct Run {
    channel: Channel,
    clock: Arc<Clock>,
    /// Questions to people that are not answered yet.
    asking: u32,
}

impl Run {
    /// The next message that says something. While it is waited for and
    /// somebody is asked, the clock stands still.
    async fn next(&mut self) -> Option<ToSandbox> {
        let mut stopped = (self.asking > 0).then(|| self.clock.stop());
        loop {
            let message = self.channel.answers.recv().await?;
            if !self.is_about_asking(&message) {
                return Some(message);
            }
            match self.asking {
                0 => stopped = None,
                _ if stopped.is_none() => stopped = Some(self.clock.stop()),
                _ => {}
            }
        }
    }

    /// The next message, if it is there already.
    fn next_now(&mut self) -> Option<ToSandbox> {
        loop {
            let message = self.channel.answers.try_recv().ok()?;
            if !self.is_about_asking(&message) {
                return Some(message);
            }
        }
    }

    fn is_about_asking(&mut self, message: &ToSandbox) -> bool {
        match message {
            ToSandbox::Asking => self.asking += 1,
            ToSandbox::Answered => self.asking = self.asking.saturating_sub(1),
            _ => return false,
        }
        true
    }
}

impl Coordinator {
    /// No program runs, and nothing can be asked.
    pub(crate) fn unreachable() -> Self {
        Self {
            run: None,
            arrived: VecDeque::new(),
            in_flight: 0,
            arguments: HashMap::new(),
            arguments_weight: 0,
            next_id: 1,
            refusals: VecDeque::new(),
        }
    }

    /// Connects for one run. Ids go on where they stopped, so that
    /// none is used twice in a session.
    pub(crate) fn connect(&mut self, channel: Channel, clock: Arc<Clock>) {
        self.run = Some(Run {
            channel,
            clock,
            asking: 0,
        });
        self.forget();
    }

    /// Ends the connection of a run: calls still in flight are abandoned.
    pub(crate) fn disconnect(&mut self) {
        self.run = None;
        self.forget();
    }

    /// Forgets the calls of a run.
    fn forget(&mut self) {
        self.arrived.clear();
        self.refusals.clear();
        self.in_flight = 0;
        self.arguments.clear();
        self.arguments_weight = 0;
    }

    /// Calls started and not yet handed back.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(crate) fn start(
        &mut self,
        tool: String,
        arguments: String,
        form: AnswerForm,
    ) -> Result<CallId, CallError> {
        let weight = weight(&arguments);
        if self.arguments_weight.saturating_add(weight) > MAX_ARGUMENTS_IN_FLIGHT {
            // Some may have ended since the program last looked.
            self.receive_now(usize::MAX);
        }
        let Some(Run { channel, .. }) = &self.run else {
            return Err(unavailable(&tool));
        };
        let total = self.arguments_weight.saturating_add(weight);
        if total > MAX_ARGUMENTS_IN_FLIGHT && !self.arguments.is_empty() {
            let result = Err(too_much(&tool, arguments.len(), self.arguments.len()));
            self.note(&result);
            return result;
        }
        let id = self.next_id;
        let request = ToCoordinator::Call {
            id,
            tool,
            arguments,
            form,
        };
        match channel.requests.send(request) {
            Ok(()) => {
                self.next_id = id.wrapping_add(1);
                self.in_flight += 1;
                self.arguments.insert(id, weight);
                self.arguments_weight = total;
                Ok(id)
            }
            Err(unsent) => match unsent.0 {
                ToCoordinator::Call { tool, .. } => Err(unavailable(&tool)),
                _ => Err(unavailable("")),
            },
        }
    }

    /// Makes a call and waits for its completion; others that arrive meanwhile
    /// are kept.
    pub(crate) async fn call(
        &mut self,
        tool: String,
        arguments: String,
    ) -> Result<String, CallError> {
        let id = self.start(tool, arguments, AnswerForm::Value)?;
        let result = loop {
            match self.next().await {
                Some(completion) if completion.id == id => break completion.result,
                Some(other) => self.arrived.push_back(other),
                None => break Err(unavailable("")),
            }
        };
        self.in_flight = self.in_flight.saturating_sub(1);
        self.taken(&result);
        result
    }

    /// The program gets a result, or hears of an error.
    fn taken(&mut self, result: &Result<String, CallError>) {
        self.note(result);
        if let (Ok(json), Some(Run { channel, .. })) = (result, &self.run)
            && json.len() >= MIN_COUNTED
        {
            let bytes = json.len() as u64;
            let _ = channel.requests.send(ToCoordinator::Taken { bytes });
        }
    }

    pub(crate) fn cancel(&mut self, id: CallId) {
        if let Some(Run { channel, .. }) = &self.run {
            // A coordinator that is gone has ended its calls already.
            let _ = channel.requests.send(ToCoordinator::Cancel { id });
        }
    }

    /// Waits until something completed or the time has passed.
    pub(crate) async fn completions(&mut self, at_most: Option<Duration>) -> Vec<Completion> {
        if self.arrived.is_empty() {
            let first = match at_most {
                Some(at_most) => timeout(at_most, self.next()).await.ok().flatten(),
                None if self.in_flight == 0 => None,
                None => self.next().await,
            };
            self.arrived.extend(first);
        }
        self.receive_now(MAX_BATCH);
        let batch = self.arrived.len().min(MAX_BATCH);
        self.in_flight = self.in_flight.saturating_sub(batch as u32);
        let batch: Vec<_> = self.arrived.drain(..batch).collect();
        for completion in &batch {
            self.taken(&completion.result);
        }
        batch
    }

    /// Receives what is there already, until so many wait for the program.
    fn receive_now(&mut self, at_most: usize) {
        while self.arrived.len() < at_most
            && let Some(ToSandbox::Completed(completion)) =
                self.run.as_mut().and_then(Run::next_now)
        {
            self.release(completion.id);
            self.arrived.push_back(completion);
        }
    }

    /// The arguments of a call are no longer held: it ended.
    fn release(&mut self, id: CallId) {
        let weight = self.arguments.remove(&id).unwrap_or(0);
        self.arguments_weight -= weight;
    }

    /// Remembers a refusal that the program is told of.
    fn note<T>(&mut self, result: &Result<T, CallError>) {
        let Err(error) = result else { return };
        let refusal = match error.kind {
            CallErrorKind::Denied => Refusal::Denied,
            CallErrorKind::Limit => Refusal::Limit,
            _ => return,
        };
        if self.refusals.len() == MAX_REFUSALS {
            self.refusals.pop_front();
        }
        self.refusals.push_back((refusal, error.clone()));
    }

    /// The refusal that a guest speaks of, if this run was told of it.
    pub(crate) fn delivered(
        &self,
        said: &types::CallError,
    ) -> Option<(Refusal, Option<Box<Hint>>)> {
        let refusal = match said.kind {
            types::CallErrorKind::Denied => Refusal::Denied,
            types::CallErrorKind::Limit => Refusal::Limit,
            _ => return None,
        };
        let is_it = |(known, error): &(Refusal, CallError)| {
            *known == refusal && error.server == said.server && error.tool == said.tool
        };
        let (_, error) = self.refusals.iter().find(|known| is_it(known))?;
        Some((refusal, error.hint.clone()))
    }

    async fn next(&mut self) -> Option<Completion> {
        loop {
            let Some(run) = &mut self.run else {
                return std::future::pending().await;
            };
            match run.next().await {
                Some(ToSandbox::Completed(completion)) => {
                    self.release(completion.id);
                    return Some(completion);
                }
                // Nobody asked.
                Some(_) => {}
                None => return None,
            }
        }
    }

    /// The tools of a server.
    pub(crate) async fn describe(
        &mut self,
        server: String,
        language: Language,
    ) -> Result<Vec<Tool>, CallError> {
        let question = Question::Describe {
            server: server.clone(),
            language,
        };
        let answer = match self.ask(question).await {
            Some(ToSandbox::Described(answer)) => answer,
            _ => Err(unavailable(&server)),
        };
        self.note(&answer);
        answer
    }

    /// The tools that do something.
    pub(crate) async fn search(
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
        let answer = match self.ask(question).await {
            Some(ToSandbox::Found(answer)) => answer,
            _ => Err(unavailable("")),
        };
        self.note(&answer);
        answer
    }

    /// The files of a part of `/servers`, unless they are known: those that
    /// describe a server's tools, or its resources.
    pub(crate) async fn stubs(
        &mut self,
        server: String,
        known: Option<u64>,
    ) -> Result<Stubs, CallError> {
        let question = match server.split_once('/') {
            None => Question::Stubs {
                server: server.clone(),
                known,
            },
            Some((server, _)) => Question::Resources {
                server: server.to_owned(),
                known,
            },
        };
        match self.ask(question).await {
            Some(ToSandbox::Stubs(answer)) => answer,
            _ => Err(unavailable(&server)),
        }
    }

    /// Asks, and waits for the one answer that is no completion.
    async fn ask(&mut self, question: Question) -> Option<ToSandbox> {
        let run = self.run.as_mut()?;
        run.channel
            .requests
            .send(ToCoordinator::Ask(question))
            .ok()?;
        loop {
            match self.run.as_mut()?.next().await? {
                ToSandbox::Completed(completion) => {
                    self.release(completion.id);
                    self.arrived.push_back(completion);
                }
                answer => return Some(answer),
            }
        }
    }
}

/// The refusal of arguments for which there is no room.
fn too_much(tool: &str, bytes: usize, others: usize) -> CallError {
    CallError {
        kind: CallErrorKind::Limit,
        server: String::new(),
        tool: tool.chars().take(256).collect(),
        message: format!(
            "the arguments are not sent: they have {bytes} bytes, and those of the {others} calls in flight take most of the {} MiB that a run may have in flight; wait for some of these calls first",
            MAX_ARGUMENTS_IN_FLIGHT >> 20
        ),
        said: None,
        hint: None,
    }
}

fn unavailable(tool: &str) -> CallError {
    CallError {
        kind: CallErrorKind::Unavailable,
        server: String::new(),
        tool: tool.into(),
        message: "tools can be called only while a program runs".into(),
        said: None,
        hint: None,
    }
}
