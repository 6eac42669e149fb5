//! A worker: the sandbox of one session, in a process that has nothing else.
//!
//! One thread. It reads a message, runs a program, writes what came of it. While
//! a program runs, what it asks and prints goes out in batches: whenever it waits,
//! and with every tick while it computes.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use contract::frame::{Decoder, MAX_TO_WORKER, Malformed, VERSION};
use contract::message::ToSandbox;
use contract::outcome::{RunError, RunOutcome};
use contract::worker::{FromWorker, Opening, RunRequest, ToWorker};
use rustix::event::PollFlags;
use rustix::io::Errno;
use sandbox::files::{Arrived, Mounts, Replica, Workspace};
use sandbox::{Artifact, Channel, Engine, Guest, Metering, Sandbox};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::unbounded_channel;

use crate::control::Setup;
use crate::datagram::receive_bytes;
use crate::launcher::exit;
use crate::outbox::{MAX_WAITING, Outbox, flush, wait};
use crate::readiness::Readiness;
use crate::spin::Spin;

/// How late a guest that only computes may notice its deadline.
const TICK: Duration = Duration::from_millis(5);

/// The engine whose time the timer advances.
static TICKED: OnceLock<Engine> = OnceLock::new();

/// Prepares that a timer, and no thread, advances the time that guests notice.
/// The workers that are forked later have the handler, and each sets its timer.
pub(crate) fn tick_by_timer(engine: &Engine) {
    extern "C" fn tick(_signal: libc::c_int) {
        // Atomics only: what a signal handler may do.
        if let Some(engine) = TICKED.get() {
            engine.tick();
        }
    }
    let _ = TICKED.set(engine.clone());
    // SAFETY: a zeroed action is one without a mask; the handler does what one may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = tick as extern "C" fn(libc::c_int) as usize;
        // On the stack for signals, where there is one: guests run on small ones.
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGPROF, &raw const action, std::ptr::null_mut());
    }
}

/// Starts the timer. It counts the time that this process computes, so that who
/// waits is left alone.
fn start_timer() {
    let every = libc::timeval {
        tv_sec: 0,
        tv_usec: TICK.subsec_micros().into(),
    };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: the pointer is to a whole timer.
    unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, std::ptr::null_mut()) };
}

/// Is a worker until its coordinator is gone. Never returns.
pub(crate) fn main(engine: &Engine, setup: &Setup, ready: Option<Sandbox>, socket: OwnedFd) -> ! {
    start_timer();
    let status = match Worker::new(engine, setup, ready, socket) {
        Ok(mut worker) => i32::from(worker.serve().is_err()),
        Err(_) => 1,
    };
    exit(status)
}

/// A sandbox that has done ahead what the first program of a session needs.
pub(crate) fn ready(engine: &Engine, metering: Metering, guests: &[Guest]) -> io::Result<Sandbox> {
    let mut sandbox = empty(engine);
    // Gone before there are workers, which would share it.
    event_loop()?.block_on(prepare(&mut sandbox, metering, guests));
    Ok(sandbox)
}

/// A sandbox without files and servers, which it gets when it is opened.
fn empty(engine: &Engine) -> Sandbox {
    let mounts = Mounts::new(&Workspace::new(Default::default()));
    Sandbox::new(engine.clone(), Arc::default(), mounts)
}

async fn prepare(sandbox: &mut Sandbox, metering: Metering, guests: &[Guest]) {
    for &guest in guests {
        sandbox.prepare(guest, metering).await;
    }
}

fn event_loop() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Why a worker ends: its coordinator is gone, or says what cannot be.
enum Over {
    Gone,
    Malformed,
}

impl From<Malformed> for Over {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

struct Worker {
    socket: Arc<OwnedFd>,
    /// The socket as the event loop sees it.
    readable: Readiness,
    spin: Spin,
    decoder: Decoder,
    outbox: Outbox,
    engine: Engine,
    metering: Metering,
    /// The guests that are started ahead.
    prepare: Vec<Guest>,
    sandbox: Sandbox,
    /// Came, and belong to the next opening.
    descriptors: Vec<OwnedFd>,
    /// The only component that this worker runs.
    component: Option<Artifact>,
    files: Option<(Workspace, Replica)>,
    runtime: Runtime,
    /// Whether somebody looks at the output as it comes.
    is_watched: Arc<std::sync::atomic::AtomicBool>,
}

impl Worker {
    fn new(
        engine: &Engine,
        setup: &Setup,
        ready: Option<Sandbox>,
        socket: OwnedFd,
    ) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let runtime = event_loop()?;
        let sandbox = match ready {
            Some(mut sandbox) => {
                sandbox.renew();
                sandbox
            }
            None => empty(engine),
        };
        let socket = Arc::new(socket);
        let in_runtime = runtime.enter();
        let readable = Readiness::to_read(&*socket)?;
        drop(in_runtime);
        let worker = Self {
            socket,
            readable,
            spin: Spin::default(),
            decoder: Decoder::new(MAX_TO_WORKER),
            outbox: Outbox::default(),
            engine: engine.clone(),
            metering: setup.metering,
            prepare: setup.guests.clone(),
            sandbox,
            descriptors: Vec::new(),
            component: None,
            files: None,
            runtime,
            is_watched: Arc::default(),
        };
        worker.watch();
        Ok(worker)
    }

    /// Ends the session: nothing of it is left, neither memory of guests nor files.
    fn reset(&mut self) {
        self.files = None;
        // First, since there is memory for one.
        self.sandbox = empty(&self.engine);
        let prepared = prepare(&mut self.sandbox, self.metering, &self.prepare);
        self.runtime.block_on(prepared);
        self.watch();
    }

    /// Sends what programs print and emit.
    fn watch(&self) {
        let console = self.sandbox.console();
        let (outbox, socket) = (self.outbox.clone(), Arc::clone(&self.socket));
        let is_watched = Arc::clone(&self.is_watched);
        console.watch(Some(Box::new(move |stream, bytes| {
            if bytes.is_empty() {
                return;
            }
            let mut waiting = outbox.lock();
            // Cannot be too long: a write is bounded, and so is what waits.
            let _ = waiting.print(stream, bytes);
            let is_watched = is_watched.load(std::sync::atomic::Ordering::Relaxed);
            if is_watched || waiting.len() > MAX_WAITING {
                flush(&socket, &mut waiting);
            }
        })));
        let outbox = self.outbox.clone();
        console.watch_content(Some(Box::new(move |block| {
            let _ = outbox.add(&FromWorker::Emitted(block.clone().into()));
        })));
    }

    fn serve(&mut self) -> Result<(), Over> {
        let mut arrived = Arrived::default();
        loop {
            match self.next()? {
                ToWorker::Open(opening) => self.open(opening)?,
                ToWorker::Reset => self.reset(),
                ToWorker::Chunk(chunk) => {
                    let most = self
                        .files
                        .as_ref()
                        .map_or(0, |(files, _)| files.quota().bytes);
                    arrived.keep(chunk, most).map_err(|_| Over::Malformed)?;
                }
                ToWorker::Files(changes) => {
                    let (files, replica) = self.files.as_mut().ok_or(Over::Malformed)?;
                    files
                        .take_changes(replica, changes, std::mem::take(&mut arrived))
                        .map_err(|_| Over::Malformed)?;
                }
                ToWorker::Run(request) => self.run(*request)?,
                // To a program that ended meanwhile.
                ToWorker::Answer(_) => {}
            }
        }
    }

    /// The next message; waits for it.
    fn next(&mut self) -> Result<ToWorker, Over> {
        loop {
            if let Some(message) = self.decoder.message()? {
                return Ok(message);
            }
            wait(&self.socket, PollFlags::IN)?;
            let (length, descriptors) = match receive_bytes(&*self.socket, self.decoder.room()) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => continue,
                received => received?,
            };
            if length == 0 {
                return Err(Over::Gone);
            }
            self.decoder.filled(length);
            // They come with the first byte of an opening.
            self.descriptors.extend(descriptors);
        }
    }

    fn open(&mut self, opening: Opening) -> Result<(), Over> {
        let mut descriptors = std::mem::take(&mut self.descriptors).into_iter();
        let input = opening.has_stdin.then(|| descriptors.next());
        let code = opening
            .component
            .map(|component| (component, descriptors.next()));
        let is_whole = !matches!(input, Some(None)) && !matches!(code, Some((_, None)));
        if opening.version != VERSION || !is_whole || self.files.is_some() {
            return Err(Over::Malformed);
        }
        self.component = code.and_then(|(component, code)| {
            // SAFETY: a coordinator sends what its compiler made for the caller of
            // this session, sealed; nobody else can send anything.
            let artifact = unsafe { Artifact::of_file(component.form, code?.into()) };
            Some(artifact.with_max_instances(component.max_instances))
        });
        let files = Workspace::new(opening.quota);
        self.sandbox
            .open(opening.servers.into(), Mounts::new(&files));
        if let Some(Some(input)) = input {
            self.sandbox.set_stdin(input);
        }
        let replica = Replica::new(&files);
        self.files = Some((files, replica));
        Ok(())
    }

    fn run(&mut self, request: RunRequest) -> Result<(), Over> {
        let Some((files, replica)) = &mut self.files else {
            return Err(Over::Malformed);
        };
        let RunRequest {
            program,
            advice,
            limits,
            is_watched,
        } = request;
        self.is_watched
            .store(is_watched, std::sync::atomic::Ordering::Relaxed);
        let (socket, decoder, outbox) = (&self.socket, &mut self.decoder, &self.outbox);
        let (readable, spin) = (&self.readable, &mut self.spin);
        let outcome = self.runtime.block_on(async {
            let (requests, mut asked) = unbounded_channel();
            let (told, answers) = unbounded_channel();
            let channel = Channel { requests, answers };
            let sandbox = &mut self.sandbox;
            let component = &self.component;
            let mut run = pin!(async {
                match component {
                    Some(code) => {
                        let run = sandbox.run_artifact(code, &program, &limits, channel);
                        run.await
                    }
                    None => sandbox.run(&program, &advice, &limits, channel).await,
                }
            });
            let mut unanswered = 0_usize;
            poll_fn(|context| {
                loop {
                    if let Poll::Ready(outcome) = run.as_mut().poll(context) {
                        // What it asked last goes out before its end.
                        while let Ok(request) = asked.try_recv() {
                            outbox.add(&FromWorker::Ask(request))?;
                        }
                        return Poll::Ready(Ok::<RunOutcome, Over>(outcome));
                    }
                    while let Ok(request) = asked.try_recv() {
                        unanswered += usize::from(request.is_answered());
                        outbox.add(&FromWorker::Ask(request))?;
                    }
                    flush(socket, &mut outbox.lock());
                    if !hear(readable, decoder, context, |answer| {
                        unanswered = unanswered.saturating_sub(usize::from(answer.is_last()));
                        let _ = told.send(answer);
                    })? && (unanswered == 0 || !look(socket, decoder, spin)?)
                    {
                        return Poll::Pending;
                    }
                }
            })
            .await
        });
        let outcome = outcome?;
        // Everything was sent as it came.
        drop(self.sandbox.console().take());
        let mut unsent = Ok(());
        let changes = files.changes_for(
            replica,
            |chunk| {
                let mut waiting = self.outbox.lock();
                let encoded = waiting.add(&FromWorker::Chunk(chunk));
                if encoded.is_err() {
                    unsent = encoded;
                }
                if waiting.len() > MAX_WAITING {
                    flush(&self.socket, &mut waiting);
                }
            },
            &mut Vec::new(),
        );
        unsent?;
        if let Some(changes) = changes {
            self.outbox.add(&FromWorker::Files(changes))?;
        }
        let ended = FromWorker::Ended(Box::new(outcome));
        if self.outbox.add(&ended).is_err() {
            let what = "its result is larger than a message may be".to_owned();
            let outcome = RunOutcome::failed(RunError::Crashed(what));
            self.outbox.add(&FromWorker::Ended(Box::new(outcome)))?;
        }
        flush(&self.socket, &mut self.outbox.lock());
        Ok(())
    }
}

/// Waits awake for a moment for an answer. False if nothing came.
fn look(socket: &OwnedFd, decoder: &mut Decoder, spin: &mut Spin) -> Result<bool, Over> {
    let received = spin.receive(socket, decoder.room());
    match received {
        None => Ok(false),
        Some(Ok(length)) if length > 0 => {
            decoder.filled(length);
            Ok(true)
        }
        Some(_) => Err(Over::Gone),
    }
}

/// Takes what came for the program. False if nothing did; then the context is
/// woken when something does.
fn hear(
    readable: &Readiness,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
    mut tell: impl FnMut(ToSandbox),
) -> Result<bool, Over> {
    let mut is_told = false;
    loop {
        while let Some(message) = decoder.message()? {
            match message {
                ToWorker::Answer(answer) => {
                    tell(answer);
                    is_told = true;
                }
                _ => return Err(Over::Malformed),
            }
        }
        if is_told {
            return Ok(true);
        }
        match readable.poll_receive(context, decoder.room()) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(length)) if length > 0 => decoder.filled(length),
            Poll::Ready(_) => return Err(Over::Gone),
        }
    }
}
