//! A worker: the sandbox of one session, in a process that has nothing else.
//!
//! One thread. It reads a message, runs a program, writes what came of it. While
//! a program runs, what it asks and prints goes out in batches: whenever it waits,
//! and with every tick while it computes.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use contract::frame::{Decoder, MAX_FROM_WORKER, MAX_TO_WORKER, Malformed, VERSION, encode};
use contract::outcome::{RunError, RunOutcome};
use contract::worker::{FromWorker, Opening, RunRequest, Stream, ToWorker};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use sandbox::files::{Arrived, Mounts, Replica, Workspace};
use sandbox::{Artifact, Channel, Engine, Guest, Metering, Sandbox};
use tokio::net::UnixStream;
use tokio::sync::mpsc::unbounded_channel;

use crate::datagram::receive_bytes;
use crate::launcher::exit;

/// How late a guest that only computes may notice its deadline.
const TICK: Duration = Duration::from_millis(5);

/// Bytes of messages that may wait for the next batch.
const MAX_WAITING: usize = 64 << 10;

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
pub(crate) fn main(engine: &Engine, metering: Metering, prepare: &[Guest], socket: OwnedFd) -> ! {
    start_timer();
    let status = match Worker::new(engine, metering, prepare, socket) {
        Ok(mut worker) => i32::from(worker.serve().is_err()),
        Err(_) => 1,
    };
    exit(status)
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

/// What goes out with the next batch. Shared with the console, which writes
/// whenever a program prints.
#[derive(Clone, Default)]
struct Outbox(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    frames: Vec<u8>,
    /// What was printed after them, in one piece: programs print in small ones.
    printed: Option<(Stream, Vec<u8>)>,
}

impl Waiting {
    fn add(&mut self, message: &FromWorker) -> Result<(), Malformed> {
        self.close()?;
        encode(message, MAX_FROM_WORKER, &mut self.frames)
    }

    fn print(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Malformed> {
        match &mut self.printed {
            Some((same, printed)) if *same == stream => printed.extend_from_slice(bytes),
            _ => {
                self.close()?;
                self.printed = Some((stream, bytes.to_vec()));
            }
        }
        Ok(())
    }

    /// Makes a message of what was printed.
    fn close(&mut self) -> Result<(), Malformed> {
        let Some((stream, bytes)) = self.printed.take() else {
            return Ok(());
        };
        let message = FromWorker::Printed(stream, bytes.into());
        encode(&message, MAX_FROM_WORKER, &mut self.frames)
    }

    fn len(&self) -> usize {
        let printed = self.printed.as_ref().map_or(0, |(_, bytes)| bytes.len());
        self.frames.len() + printed
    }
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, message: &FromWorker) -> Result<(), Malformed> {
        self.lock().add(message)
    }
}

struct Worker {
    socket: Arc<OwnedFd>,
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
    runtime: tokio::runtime::Runtime,
    /// Whether somebody looks at the output as it comes.
    is_watched: Arc<std::sync::atomic::AtomicBool>,
}

impl Worker {
    fn new(
        engine: &Engine,
        metering: Metering,
        prepare: &[Guest],
        socket: OwnedFd,
    ) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let nothing = Workspace::new(Default::default());
        let mounts = Mounts::new(&nothing);
        let mut worker = Self {
            socket: Arc::new(socket),
            decoder: Decoder::new(MAX_TO_WORKER),
            outbox: Outbox::default(),
            engine: engine.clone(),
            metering,
            prepare: prepare.to_vec(),
            sandbox: Sandbox::new(engine.clone(), Arc::default(), mounts),
            descriptors: Vec::new(),
            component: None,
            files: None,
            runtime,
            is_watched: Arc::default(),
        };
        worker.make_ready();
        Ok(worker)
    }

    /// Does ahead what the first program of a session needs.
    fn make_ready(&mut self) {
        for &guest in &self.prepare {
            let prepared = self.sandbox.prepare(guest, self.metering);
            self.runtime.block_on(prepared);
        }
        self.watch();
    }

    /// Ends the session: nothing of it is left, neither memory of guests nor files.
    fn reset(&mut self) {
        let nothing = Workspace::new(Default::default());
        let mounts = Mounts::new(&nothing);
        self.files = None;
        self.sandbox = Sandbox::new(self.engine.clone(), Arc::default(), mounts);
        self.make_ready();
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
        let code = opening.component.map(|form| (form, descriptors.next()));
        let is_whole = !matches!(input, Some(None)) && !matches!(code, Some((_, None)));
        if opening.version != VERSION || !is_whole || self.files.is_some() {
            return Err(Over::Malformed);
        }
        self.component = code.and_then(|(form, code)| {
            // SAFETY: a coordinator sends what its compiler made for the caller of
            // this session, sealed; nobody else can send anything.
            Some(unsafe { Artifact::of_file(form, code?.into()) })
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
            let readable =
                UnixStream::from_std(std::os::unix::net::UnixStream::from(socket.try_clone()?))?;
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
                        outbox.add(&FromWorker::Ask(request))?;
                    }
                    flush(socket, &mut outbox.lock());
                    if !hear(&readable, socket, decoder, context, |answer| {
                        let _ = told.send(answer);
                    })? {
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

/// Takes what came for the program. False if nothing did; then the context is
/// woken when something does.
fn hear(
    readable: &UnixStream,
    socket: &OwnedFd,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
    mut tell: impl FnMut(contract::message::ToSandbox),
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
        let Poll::Ready(ready) = readable.poll_read_ready(context) else {
            return Ok(false);
        };
        ready?;
        let room = decoder.room();
        let received = readable.try_io(tokio::io::Interest::READABLE, || {
            recv(socket, &mut *room, RecvFlags::DONTWAIT)
                .map(|(length, _)| length)
                .map_err(Into::into)
        });
        match received {
            Ok(0) => return Err(Over::Gone),
            Ok(length) => decoder.filled(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Over::Gone),
        }
    }
}

/// Sends all that waits. A coordinator that does not read makes its worker wait;
/// one that is gone is noticed by whoever reads next.
fn flush(socket: &OwnedFd, waiting: &mut Waiting) {
    // A message of this length can always be made.
    let _ = waiting.close();
    let mut rest = &waiting.frames[..];
    while !rest.is_empty() {
        match send(socket, rest, SendFlags::NOSIGNAL) {
            Ok(sent) => rest = &rest[sent..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                if wait(socket, PollFlags::OUT).is_err() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    waiting.frames.clear();
    // A large result does not keep its room for ever.
    waiting.frames.shrink_to(MAX_WAITING);
}

fn wait(socket: &OwnedFd, what: PollFlags) -> io::Result<()> {
    let mut watched = [PollFd::new(socket, what)];
    rustix::io::retry_on_intr(|| poll(&mut watched, None))?;
    Ok(())
}
