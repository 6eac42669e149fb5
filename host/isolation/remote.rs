//! The sandbox of one session in workers, as the session uses it: one for each
//! guest that its programs are for, and the files of all of them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use contract::advice::Advice;
use contract::caller::Caller;
use contract::clock::Clock;
use contract::error::Error;
use contract::frame::VERSION;
use contract::isolation::{IsolationKind, UsedIsolation};
use contract::limits::{Limit, Limits};
use contract::message::{
    CallId, MAX_ARGUMENTS_IN_FLIGHT, Server, ToCoordinator, ToSandbox, weight,
};
use contract::outcome::{RunError, RunOutcome};
use contract::program::{Code, Program};
use contract::text;
use contract::worker::{CompiledComponent, FromWorker, Opening, RunRequest, ToWorker};
use sandbox::files::{Arrived, PathError, Replica, Workspace};
use sandbox::{Artifact, Channel, Console, Guest, Metering};
use worker::confine::ABORTED;
use worker::control::End;

use super::connection::{Connection, Lost};
use super::delivery::{Answered, Delivery};
use super::launcher::Kind;
use crate::engine::Engine;

/// How long a worker may take beyond the limit of a run to say that it was
/// reached. Then its process is ended.
const GRACE: Duration = Duration::from_secs(1);

/// How long it may take to hand over the files of a run that ended.
const HAND_OVER: Duration = Duration::from_secs(10);

/// How long to wait for the word on why a process is gone.
const FAREWELL: Duration = Duration::from_millis(200);

/// Characters of what a worker says about a crash.
const MAX_SAID: usize = 2000;

/// A sandbox in processes of its own.
pub(crate) struct RemoteSandbox {
    engine: Engine,
    servers: Arc<[Server]>,
    workspace: Workspace,
    console: Console,
    is_watched: bool,
    inherits_stdin: bool,
    workers: HashMap<Kind, Connection>,
    /// Who may have its workers afterwards.
    caller: Option<Caller>,
    /// The kinds whose last worker took the variables of the session with it.
    lost: HashMap<Kind, ()>,
}

impl RemoteSandbox {
    pub(crate) fn new(
        engine: Engine,
        servers: Arc<[Server]>,
        workspace: Workspace,
        caller: Option<Caller>,
    ) -> Self {
        Self {
            engine,
            servers,
            workspace,
            console: Console::new(),
            is_watched: false,
            inherits_stdin: false,
            workers: HashMap::new(),
            caller,
            lost: HashMap::new(),
        }
    }

    /// What the current or last run printed.
    pub(crate) fn console(&self) -> &Console {
        &self.console
    }

    /// Somebody looks at the output as it comes.
    pub(crate) fn set_watched(&mut self) {
        self.is_watched = true;
    }

    /// Lets programs read the standard input of this process.
    pub(crate) fn inherit_stdin(&mut self) {
        self.inherits_stdin = true;
    }

    /// Runs a program. If the future is dropped, its process is ended.
    pub(crate) async fn run(
        &mut self,
        program: &Program,
        advice: &Advice,
        limits: &Limits,
        channel: Channel,
    ) -> RunOutcome {
        self.console.begin(limits);
        let kind = Kind {
            guest: match program.code() {
                Code::Source { language, .. } => Some(Guest::of(*language)),
                Code::Component(_) => None,
            },
            metering: Metering::of(limits),
        };
        // Compiled before the clock runs, and nothing of it is loaded here.
        let artifact = match program.code() {
            Code::Source { .. } => None,
            Code::Component(bytes) => {
                let caller = self.caller.unwrap_or(Caller::ANYONE);
                let compiled = self.engine.artifact(bytes, kind.metering, caller);
                match compiled.await {
                    Ok(artifact) => Some(artifact),
                    Err(error) => return RunOutcome::failed(error),
                }
            }
        };
        let kept = self.workers.remove(&kind);
        let worker = match kept.filter(Connection::is_alive) {
            Some(worker) => Ok(worker),
            None => self.engine.worker(kind, self.caller).await,
        };
        let mut worker = match worker {
            Ok(worker) => worker,
            Err(error) => return RunOutcome::failed(RunError::Host(error)),
        };
        worker.bound_memory(limits.memory, self.workspace.quota());
        // Until it ended in order, it did not.
        let variables_lost = self.lost.insert(kind, ()).is_some();
        let mut run = Run {
            worker: &mut worker,
            workspace: &self.workspace,
            console: &self.console,
            max_calls: limits.max_calls,
            arguments: HashMap::new(),
            arguments_weight: 0,
            calls: 0,
            delivery: Delivery::default(),
            arrived: Arrived::default(),
            is_handing_over: false,
            unread: Vec::new(),
            not_kept: Vec::new(),
            channel,
        };
        let begun = run.begin(
            self.opening(artifact.as_ref()),
            artifact.as_ref(),
            RunRequest {
                program: program.without_component(),
                advice: advice.clone(),
                limits: limits.clone(),
                is_watched: self.is_watched,
            },
        );
        let ended = match begun {
            Ok(()) => run.finish(limits).await,
            Err(stopped) => Err(stopped),
        };
        let (unread, not_kept) = (run.unread, run.not_kept);
        let mut outcome = match ended {
            Ok(outcome) => outcome,
            Err(stopped) => RunOutcome::failed(stopped.explain(&worker).await),
        };
        outcome.variables_lost = variables_lost;
        outcome.isolation = UsedIsolation {
            kind: IsolationKind::Process,
            missing: self.engine.missing(kind),
        };
        let said = |errors: Vec<PathError>| errors.iter().map(ToString::to_string).collect();
        outcome.files_unread = said(unread);
        outcome.files_not_kept = said(not_kept);
        if outcome.end.is_ok() {
            self.lost.remove(&kind);
            if kind.guest.is_some() {
                self.workers.insert(kind, worker);
            }
        }
        outcome
    }

    fn opening(&self, artifact: Option<&Artifact>) -> Opening {
        Opening {
            version: VERSION,
            servers: self.servers.to_vec(),
            quota: self.workspace.quota(),
            has_stdin: self.inherits_stdin,
            component: artifact.map(|artifact| CompiledComponent {
                form: artifact.form(),
                max_instances: artifact.max_instances(),
            }),
        }
    }
}

impl Drop for RemoteSandbox {
    fn drop(&mut self) {
        let Some(caller) = self.caller else { return };
        for (kind, mut worker) in self.workers.drain() {
            // One that began a program and did not end it is not here.
            if worker.reset() {
                self.engine.give_back(kind, caller, worker);
            }
        }
    }
}

/// Why a worker did not end its run in order.
enum Stopped {
    /// It did not say in time that the time is over.
    TimedOut(Duration),
    /// It is gone.
    Gone,
    /// It says what no worker of ours says.
    Strange(String),
    Host(Error),
}

impl Stopped {
    async fn explain(self, worker: &Connection) -> RunError {
        match self {
            Self::TimedOut(limit) => RunError::Limit(Limit::Timeout(limit)),
            Self::Host(error) => RunError::Host(error),
            Self::Strange(what) => {
                tracing::error!(what, "a worker said what no worker says; it was ended");
                RunError::Crashed("its process said what it never says, and was ended".to_owned())
            }
            Self::Gone => {
                let end = tokio::time::timeout(FAREWELL, async {
                    loop {
                        if let Some(end) = worker.end() {
                            return end;
                        }
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                });
                RunError::Crashed(match end.await {
                    Ok(End::Killed(signal)) => {
                        format!(
                            "its process was ended by signal {signal}{}",
                            meaning(signal)
                        )
                    }
                    Ok(End::Exited(status)) => {
                        format!("its process ended with status {status}{}", aborted(status))
                    }
                    Err(_) => "its process is gone".to_owned(),
                })
            }
        }
    }
}

/// What a signal to a worker usually means.
fn meaning(signal: i32) -> &'static str {
    match signal {
        9 => ", as when the machine has no memory left",
        31 => ": it made a system call that no program of ours makes",
        _ => "",
    }
}

/// What the status of a worker means that ended by itself.
fn aborted(status: i32) -> &'static str {
    match status {
        ABORTED => ": it aborted",
        _ => "",
    }
}

impl From<Lost> for Stopped {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Gone => Self::Gone,
            Lost::Malformed(malformed) => Self::Strange(malformed.to_string()),
        }
    }
}

/// One run in a worker.
struct Run<'a> {
    worker: &'a mut Connection,
    workspace: &'a Workspace,
    console: &'a Console,
    max_calls: u32,
    calls: u32,
    /// What the arguments weigh of the calls that are in flight.
    arguments: HashMap<CallId, u64>,
    arguments_weight: u64,
    delivery: Delivery,
    arrived: Arrived,
    is_handing_over: bool,
    unread: Vec<PathError>,
    not_kept: Vec<PathError>,
    channel: Channel,
}

impl Run<'_> {
    /// Puts together what the worker needs to begin.
    fn begin(
        &mut self,
        opening: Opening,
        artifact: Option<&Artifact>,
        request: RunRequest,
    ) -> Result<(), Stopped> {
        let strange = |malformed| Stopped::from(Lost::Malformed(malformed));
        if self.worker.replica.is_none() {
            let stdin = std::io::stdin();
            let code = artifact.map(Artifact::file).transpose();
            let code = code.map_err(|error| {
                Stopped::Host(Error::host("handing a component to its process", error))
            })?;
            let mut descriptors = Vec::new();
            descriptors.extend(opening.has_stdin.then(|| stdin.as_fd()));
            descriptors.extend(code.as_ref().map(AsFd::as_fd));
            self.worker.open(&ToWorker::Open(opening), &descriptors)?;
        }
        let workspace = self.workspace;
        let mut replica = match self.worker.replica.take() {
            Some(replica) => replica,
            None => Replica::new(workspace),
        };
        let mut added = Ok(());
        let changes = workspace.changes_for(
            &mut replica,
            |chunk| {
                if added.is_ok() {
                    added = self.worker.add(&ToWorker::Chunk(chunk));
                }
            },
            &mut self.unread,
        );
        added.map_err(strange)?;
        if let Some(changes) = changes {
            self.worker
                .add(&ToWorker::Files(changes))
                .map_err(strange)?;
        }
        self.worker.replica = Some(replica);
        self.worker
            .add(&ToWorker::Run(Box::new(request)))
            .map_err(strange)
    }

    async fn finish(&mut self, limits: &Limits) -> Result<RunOutcome, Stopped> {
        let clock = Clock::new(limits.timeout.saturating_add(GRACE));
        let hand_over = Clock::new(limits.timeout.saturating_add(HAND_OVER));
        self.worker
            .attach()
            .map_err(|error| Stopped::Host(Error::host("talking to a worker", error)))?;
        let mut asking = Vec::new();
        loop {
            let now = if self.is_handing_over {
                &hand_over
            } else {
                &clock
            };
            let step = now.limit(poll_fn(|context| self.poll(context)));
            match step
                .await
                .unwrap_or(Err(Stopped::TimedOut(limits.timeout)))?
            {
                Step::Ended(outcome) => return Ok(checked(*outcome)),
                Step::Asking => asking.push([clock.stop(), hand_over.stop()]),
                Step::Answered => drop(asking.pop()),
                Step::HandingOver => self.is_handing_over = true,
            }
        }
    }

    /// Passes messages on in both directions until something is to be decided.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Step, Stopped>> {
        loop {
            let mut is_idle = true;
            while let Poll::Ready(Some(answer)) = self.channel.answers.poll_recv(context) {
                is_idle = false;
                let step = self.tell(answer)?;
                if let Some(step) = step {
                    self.worker.poll_send(context)?;
                    return Poll::Ready(Ok(step));
                }
            }
            self.worker.poll_send(context)?;
            while let Poll::Ready(message) = self.worker.poll_receive(context) {
                is_idle = false;
                if let Some(step) = self.hear(message?)? {
                    return Poll::Ready(Ok(step));
                }
            }
            // While it waits for us, there is other work than to look at it.
            let is_waiting = !self.arguments.is_empty();
            if is_idle && (is_waiting || !self.worker.look()?) {
                return Poll::Pending;
            }
        }
    }

    fn tell(&mut self, answer: ToSandbox) -> Result<Option<Step>, Stopped> {
        let step = match &answer {
            ToSandbox::Asking => Some(Step::Asking),
            ToSandbox::Answered => Some(Step::Answered),
            ToSandbox::Completed(completion) => {
                let weight = self.arguments.remove(&completion.id).unwrap_or(0);
                self.arguments_weight = self.arguments_weight.saturating_sub(weight);
                None
            }
            _ => None,
        };
        let answered = Answered::from(&answer);
        self.worker
            .add(&ToWorker::Answer(answer))
            .map_err(|malformed| Stopped::from(Lost::Malformed(malformed)))?;
        let (_, added) = self.worker.sent_and_added();
        self.delivery.added(answered, added);
        Ok(step)
    }

    fn hear(&mut self, message: FromWorker) -> Result<Option<Step>, Stopped> {
        let strange = |what: &str| Err(Stopped::Strange(what.to_owned()));
        match message {
            FromWorker::Ask(request) => {
                if !self.is_within_bounds(&request) {
                    return strange("more calls than the limit of the run");
                }
                let (sent, _) = self.worker.sent_and_added();
                if let Err(what) = self.delivery.hear(&request, sent) {
                    return strange(what);
                }
                // Without tools the program hears that none can be reached.
                let _ = self.channel.requests.send(request);
            }
            FromWorker::Printed(stream, bytes) => {
                if self.console.print(stream, &bytes).is_err() {
                    return strange("more output than the limit of the run");
                }
            }
            FromWorker::Emitted(block) => {
                if self.console.emit(block.into()).is_err() {
                    return strange("more content than the limit of the run");
                }
            }
            FromWorker::Chunk(chunk) => {
                let most = self.workspace.quota().bytes;
                if self.arrived.keep(chunk, most).is_err() {
                    return strange("more files than the quota");
                }
                return Ok((!self.is_handing_over).then_some(Step::HandingOver));
            }
            FromWorker::Files(changes) => {
                let arrived = std::mem::take(&mut self.arrived);
                let Some(replica) = &mut self.worker.replica else {
                    return strange("files before any were known");
                };
                match self.workspace.take_changes(replica, changes, arrived) {
                    Ok(failed) => self.not_kept.extend(failed),
                    Err(malformed) => return strange(&malformed.to_string()),
                }
                return Ok((!self.is_handing_over).then_some(Step::HandingOver));
            }
            FromWorker::Ended(outcome) => return Ok(Some(Step::Ended(outcome))),
        }
        Ok(None)
    }

    /// The sandbox keeps these bounds, which holds as long as it is ours.
    fn is_within_bounds(&mut self, request: &ToCoordinator) -> bool {
        let ToCoordinator::Call { id, arguments, .. } = request else {
            return true;
        };
        self.calls = self.calls.saturating_add(1);
        let weight = weight(arguments);
        self.arguments_weight = self.arguments_weight.saturating_add(weight);
        self.arguments.insert(*id, weight);
        let is_alone = self.arguments.len() == 1;
        self.calls <= self.max_calls
            && (is_alone || self.arguments_weight <= 2 * MAX_ARGUMENTS_IN_FLIGHT)
    }
}

/// What has to be decided while messages pass.
enum Step {
    Ended(Box<RunOutcome>),
    Asking,
    Answered,
    HandingOver,
}

/// An outcome with texts that people read made fit for them.
fn checked(mut outcome: RunOutcome) -> RunOutcome {
    if let Err(RunError::Crashed(what)) = &mut outcome.end {
        *what = text::one_line(what, MAX_SAID);
    }
    outcome
}
