//! The launcher: one thread that loads the guests, confines itself and then only
//! forks workers.
//!
//! It reads nothing that a stranger wrote: its coordinator alone talks to it. When
//! the coordinator is gone, it ends its workers and itself.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use contract::isolation::LayerReport;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use sandbox::{Engine, EngineOptions, Sandbox, Ticks};

use crate::confine::{self, Forked, Grants};
use crate::control::{End, FromLauncher, MAX_MESSAGE, Setup, ToLauncher, VERSION};
use crate::datagram::{receive, receive_bytes, send};
use crate::{session, spin};

/// The first argument of a process that is to be a launcher. Its standard input is
/// the socket of its coordinator.
pub const ARGUMENT: &str = "__launcher";

/// A worker that may still run.
struct Child {
    id: u64,
    process: OwnedFd,
}

/// Is the launcher until its coordinator is gone. Never returns.
pub fn main() -> ! {
    // SAFETY: whoever starts a launcher gives it the socket as descriptor 0, and
    // nobody else here uses it.
    let control = unsafe { OwnedFd::from_raw_fd(0) };
    // SAFETY: the name is a text with its end.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"wasm-launcher".as_ptr()) };
    let status = i32::from(serve(&control).is_err());
    exit(status)
}

/// Ends this process at once: no destructor has anything to do that the kernel
/// does not.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: ends the process, whatever state it is in.
    unsafe { libc::_exit(status) }
}

fn serve(control: &OwnedFd) -> io::Result<()> {
    let mut buffer = vec![0; MAX_MESSAGE];
    let Some((ToLauncher::Start(setup), _)) = receive(control, &mut buffer)? else {
        return Ok(());
    };
    let inherited = confine::inherited(&[control.as_fd()], &setup.without);
    if setup.version != VERSION {
        let why = "the launcher is of another version than the coordinator".to_owned();
        return last_word(control, &FromLauncher::Failed(why), &mut buffer);
    }
    let engine = match load(&setup) {
        Ok(engine) => engine,
        Err(message) => return last_word(control, &message, &mut buffer),
    };
    session::tick_by_timer(&engine);
    let ready = session::ready(&engine, setup.metering, &setup.guests)?;
    spin::has_several_processors();
    // Made while it still can be.
    let trial = Trial::new()?;
    let own = [
        control.as_fd(),
        trial.ours.as_fd(),
        trial.theirs.as_fd(),
        trial.lifeline.as_fd(),
        trial.alive.as_fd(),
    ];
    let confined = confine::launcher(setup.profile, inherited, &own, &setup.without);
    let mut launcher = match confined {
        Ok(confined) => Launcher {
            confined,
            engine,
            setup,
            ready: Some(ready),
        },
        Err(error) => {
            let why = format!("it cannot be confined: {error}");
            return last_word(control, &FromLauncher::Failed(why), &mut buffer);
        }
    };
    let layers = launcher.layers_of_workers(trial)?;
    send(control, &FromLauncher::Ready(layers), &[])?;
    let mut children = Vec::new();
    let served = launcher.attend(control, &mut buffer, &mut children);
    for child in &children {
        let _ = pidfd_send_signal(&child.process, Signal::KILL);
    }
    served
}

/// Says why there will be no worker, and waits until nobody listens: what is asked
/// meanwhile is read, because a socket that closes before takes back what was said.
fn last_word(control: &OwnedFd, message: &FromLauncher, buffer: &mut [u8]) -> io::Result<()> {
    send(control, message, &[])?;
    while receive_bytes(control, buffer)?.0 > 0 {}
    Ok(())
}

/// The engine with the guests, which were compiled before.
fn load(setup: &Setup) -> Result<Engine, FromLauncher> {
    // A worker has one sandbox at a time. Its memory is cleared where it was written,
    // and not mapped anew. Components have memories of any kind.
    let pool = (!setup.guests.is_empty()).then_some(1);
    match load_with(setup, pool) {
        // Where no memory can be reserved ahead, each run says why it has none.
        Err(FromLauncher::Failed(_)) if pool.is_some() => load_with(setup, None),
        loaded => loaded,
    }
}

fn load_with(setup: &Setup, pool: Option<u32>) -> Result<Engine, FromLauncher> {
    let failed = |error: contract::error::Error| {
        let why = std::error::Error::source(&error).map(ToString::to_string);
        FromLauncher::Failed(format!("{error}: {}", why.unwrap_or_default()))
    };
    let options = EngineOptions {
        cache: Some(setup.cache.clone()),
        ticks: Ticks::Outside,
        pool,
        ..EngineOptions::default()
    };
    let engine = Engine::new(options).map_err(failed)?;
    for &guest in &setup.guests {
        if !engine.load(guest, setup.metering).map_err(failed)? {
            return Err(FromLauncher::NotCompiled(guest));
        }
    }
    Ok(engine)
}

/// What a worker has that only tells its layers.
struct Trial {
    ours: UnixStream,
    theirs: UnixStream,
    lifeline: PipeReader,
    alive: PipeWriter,
}

impl Trial {
    fn new() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (lifeline, alive) = io::pipe()?;
        Ok(Self {
            ours,
            theirs,
            lifeline,
            alive,
        })
    }
}

/// What all workers are made of.
struct Launcher {
    confined: confine::Launcher,
    engine: Engine,
    setup: Setup,
    /// The sandbox that a worker begins with. In the launcher it is always there.
    ready: Option<Sandbox>,
}

impl Launcher {
    /// Does what the coordinator asks until it is gone.
    fn attend(
        &mut self,
        control: &OwnedFd,
        buffer: &mut [u8],
        children: &mut Vec<Child>,
    ) -> io::Result<()> {
        loop {
            let mut watched = vec![PollFd::new(control, PollFlags::IN)];
            let processes = children.iter().map(|child| &child.process);
            watched.extend(processes.map(|process| PollFd::new(process, PollFlags::IN)));
            rustix::io::retry_on_intr(|| poll(&mut watched, None))?;
            let is_asked = !watched[0].revents().is_empty();
            let ended: Vec<bool> = watched[1..]
                .iter()
                .map(|process| !process.revents().is_empty())
                .collect();
            let mut ended = ended.into_iter();
            let mut gone = Vec::new();
            children.retain(|child| {
                let is_over = ended.next().unwrap_or(false);
                if is_over {
                    gone.push(FromLauncher::Ended(child.id, reap(&child.process)));
                }
                !is_over
            });
            for message in gone {
                send(control, &message, &[])?;
            }
            if !is_asked {
                continue;
            }
            match receive(control, buffer)? {
                None => return Ok(()),
                Some((ToLauncher::Start(_), _)) => {}
                Some((ToLauncher::Fork { id, memory }, descriptors)) => {
                    match self.fork(memory, descriptors) {
                        Ok(process) => {
                            send(control, &FromLauncher::Forked(id), &[process.as_fd()])?;
                            children.push(Child { id, process });
                        }
                        Err(error) => {
                            let message = FromLauncher::NotForked(id, error.to_string());
                            send(control, &message, &[])?;
                        }
                    }
                }
            }
        }
    }

    /// Forks a worker with the two descriptors that came for it.
    fn fork(&mut self, memory: u64, descriptors: Vec<OwnedFd>) -> io::Result<OwnedFd> {
        let Ok([socket, lifeline]) = <[OwnedFd; 2]>::try_from(descriptors) else {
            return Err(io::Error::other("a worker needs two descriptors"));
        };
        match self.confined.fork(memory)? {
            Forked::Launcher { pidfd, .. } => Ok(pidfd),
            Forked::Worker(unconfined) => {
                unconfined.confine(Grants {
                    session: socket.as_fd(),
                    lifeline: Some(lifeline),
                    directory: None,
                    file_size: None,
                });
                let ready = self.ready.take();
                session::main(&self.engine, &self.setup, ready, socket)
            }
        }
    }

    /// The layers that a worker enters, from one that does nothing else.
    fn layers_of_workers(&self, trial: Trial) -> io::Result<Vec<LayerReport>> {
        let Trial {
            ours,
            theirs,
            lifeline,
            alive,
        } = trial;
        match self.confined.fork(u64::MAX)? {
            Forked::Worker(unconfined) => {
                let layers = unconfined.confine(Grants {
                    session: theirs.as_fd(),
                    lifeline: Some(lifeline.into()),
                    directory: None,
                    file_size: None,
                });
                exit(i32::from(send(&theirs, &layers, &[]).is_err()))
            }
            Forked::Launcher { pidfd, .. } => {
                drop(theirs);
                let mut buffer = vec![0; MAX_MESSAGE];
                let layers = receive(&ours, &mut buffer)?;
                drop(alive);
                waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED)?;
                match layers {
                    Some((layers, _)) => Ok(layers),
                    None => Err(io::Error::other("a worker ended before it was confined")),
                }
            }
        }
    }
}

/// How a process ended that did.
fn reap(process: &OwnedFd) -> End {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match waitid(WaitId::PidFd(process.as_fd()), options) {
        Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(status), _) => End::Exited(status),
            (None, Some(signal)) => End::Killed(signal),
            (None, None) => End::Exited(-1),
        },
        Ok(None) | Err(_) => End::Exited(-1),
    }
}
