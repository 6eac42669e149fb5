//! A launcher as its coordinator sees it: started when needed, asked for workers,
//! told by it how they end.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sandbox::{Guest, Metering};
use tokio::sync::watch;
use worker::confine::Profile;
use worker::control::{End, FromLauncher, MAX_MESSAGE, Setup, ToLauncher, VERSION};
use worker::datagram::{receive, send};
use worker::launcher::ARGUMENT;

use super::connection::Connection;
use super::workers::Workers;
use contract::error::Error;
use contract::isolation::LayerReport;
use contract::limits::Limits;
use contract::quota::Quota;

/// What a worker runs: one guest, or components of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub(crate) guest: Option<Guest>,
    pub(crate) metering: Metering,
}

/// Bytes that a worker may write beside the memory of its guest and its files:
/// messages, results that the guest did not take yet, what the engine keeps of it.
const BESIDE: u64 = 512 << 20;

/// Bytes that a worker may write in all, for a guest with this limit and files with
/// this quota. The sandbox keeps the limits themselves; this holds when the sandbox
/// does not.
pub(super) fn memory(limit: u64, quota: Quota) -> u64 {
    // Files are there twice while they arrive.
    let files = quota.bytes.saturating_mul(2);
    limit.saturating_add(files).saturating_add(BESIDE)
}

/// How far a launcher is.
#[derive(Debug, Clone)]
enum State {
    Starting,
    Ready(Vec<LayerReport>),
    NotCompiled,
    Failed(String),
    Gone,
}

/// A process that forks workers of one kind.
pub(crate) struct Launcher {
    pub(super) kind: Kind,
    cache: PathBuf,
    control: OwnedFd,
    workers: Arc<Workers>,
    state: watch::Receiver<State>,
    next: AtomicU64,
    process: Mutex<Child>,
}

impl Launcher {
    /// Starts a launcher. Does not wait until it is ready.
    pub(crate) fn start(program: &Path, cache: &Path, kind: Kind) -> Result<Arc<Self>, Error> {
        let failed = |error: io::Error| Error::host("starting a launcher", error);
        let (control, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| failed(error.into()))?;
        let process = Command::new(program)
            .arg(ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let setup = Setup {
            version: VERSION,
            cache: cache.to_owned(),
            guests: kind.guest.into_iter().collect(),
            metering: kind.metering,
            profile: match kind.guest {
                Some(_) => Profile::Guests,
                None => Profile::Component,
            },
            without: Vec::new(),
        };
        send(&control, &ToLauncher::Start(setup), &[]).map_err(failed)?;
        let workers = Arc::new(Workers::default());
        let (tell, state) = watch::channel(State::Starting);
        let listening = control.try_clone().map_err(failed)?;
        let known = Arc::clone(&workers);
        std::thread::Builder::new()
            .name("launcher".into())
            .stack_size(256 << 10)
            .spawn(move || listen(&listening, &tell, &known))
            .map_err(failed)?;
        Ok(Arc::new(Self {
            kind,
            cache: cache.to_owned(),
            control,
            workers,
            state,
            next: AtomicU64::new(1),
            process: Mutex::new(process),
        }))
    }

    /// Whether it can still fork.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(
            *self.state.borrow(),
            State::Gone | State::Failed(_) | State::NotCompiled
        )
    }

    /// Whether it forks by now.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(*self.state.borrow(), State::Ready(_))
    }

    /// The layers around its workers, once it is ready.
    pub(crate) fn layers(&self) -> Vec<LayerReport> {
        match &*self.state.borrow() {
            State::Ready(layers) => layers.clone(),
            _ => Vec::new(),
        }
    }

    /// Where it found compiled code.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Waits until it is ready. `Ok(None)` if the guest is not compiled yet.
    pub(crate) async fn ready(&self) -> Result<Option<Vec<LayerReport>>, Error> {
        let mut state = self.state.clone();
        let known = state
            .wait_for(|state| !matches!(state, State::Starting))
            .await;
        let known = known.map_or(State::Gone, |state| state.clone());
        let failed = |why: String| Err(Error::host("starting a launcher", why));
        match known {
            State::Ready(layers) => Ok(Some(layers)),
            State::NotCompiled => Ok(None),
            State::Failed(why) => failed(why),
            State::Starting | State::Gone => failed("it ended before it was ready".into()),
        }
    }

    /// Asks for a worker, and does not wait for it.
    pub(crate) fn fork(&self) -> Result<Connection, Error> {
        let failed = |error: io::Error| Error::host("starting a worker", error);
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        // Hangs up when this process ends, or drops the worker.
        let (lifeline, alive) = io::pipe().map_err(failed)?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let memory = memory(Limits::default().memory, Quota::default());
        self.workers.asked(id, memory);
        let request = ToLauncher::Fork { id, memory };
        let descriptors = [theirs.as_fd(), lifeline.as_fd()];
        send(&self.control, &request, &descriptors).map_err(failed)?;
        Ok(Connection::new(ours, alive, Arc::clone(&self.workers), id))
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // It ends when its socket does; whatever state it is in, it is not waited
        // for, and leaves no zombie.
        let _ = rustix::net::shutdown(&self.control, rustix::net::Shutdown::Both);
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// Hears what a launcher says until it is gone.
fn listen(control: &OwnedFd, state: &watch::Sender<State>, workers: &Workers) {
    let mut buffer = vec![0; MAX_MESSAGE];
    while let Ok(Some((message, descriptors))) = receive(control, &mut buffer) {
        match message {
            FromLauncher::Ready(layers) => {
                state.send_replace(State::Ready(layers));
            }
            FromLauncher::NotCompiled(_) => {
                state.send_replace(State::NotCompiled);
                return;
            }
            FromLauncher::Failed(why) => {
                state.send_replace(State::Failed(why));
                return;
            }
            FromLauncher::Forked(id) => workers.forked(id, descriptors.into_iter().next()),
            FromLauncher::NotForked(id, why) => {
                tracing::error!(why, "a worker could not be made");
                workers.ended(id, End::Exited(-1));
            }
            FromLauncher::Ended(id, end) => workers.ended(id, end),
        }
    }
    state.send_replace(State::Gone);
}
