//! The launcher: one thread that loads the guests, confines itself and then only
//! forks workers.
//!
//! It reads nothing that a stranger wrote: its coordinator alone talks to it. When
//! the coordinator is gone, it ends its workers and itself.

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use sandbox::{Engine, EngineOptions, Guest, Ticks};

use crate::confine;
use crate::control::{End, FromLauncher, MAX_MESSAGE, Setup, ToLauncher, VERSION};
use crate::datagram::{receive, send};
use crate::session::{self, Descriptors};

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
    // SAFETY: nobody here knows of anything else that is open.
    unsafe { libc::close_range(3, u32::MAX, 0) };
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
    if setup.version != VERSION {
        let why = "the launcher is of another version than the coordinator".to_owned();
        return send(control, &FromLauncher::Failed(why), &[]);
    }
    let engine = match load(&setup) {
        Ok(engine) => engine,
        Err(message) => return send(control, &message, &[]),
    };
    session::tick_by_timer(&engine);
    // What is open now belongs to the engine; what comes later, to one worker.
    let first_later = highest_descriptor() + 1;
    let layers = confine::launcher(setup.profile);
    let launcher = Launcher {
        first_later,
        engine,
        setup,
    };
    send(control, &FromLauncher::Ready(layers), &[])?;
    let mut children = Vec::new();
    let served = launcher.attend(control, &mut buffer, &mut children);
    for child in &children {
        let _ = pidfd_send_signal(&child.process, Signal::KILL);
    }
    served
}

/// The engine with the guests, which were compiled before.
fn load(setup: &Setup) -> Result<Engine, FromLauncher> {
    let failed = |error: contract::error::Error| {
        let why = std::error::Error::source(&error).map(ToString::to_string);
        FromLauncher::Failed(format!("{error}: {}", why.unwrap_or_default()))
    };
    let options = EngineOptions {
        cache: Some(setup.cache.clone()),
        ticks: Ticks::Outside,
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

/// The highest number of what is open.
fn highest_descriptor() -> RawFd {
    /// No engine has as many files.
    const MAX: RawFd = 1024;
    // SAFETY: asks whether a number is in use, and changes nothing.
    let is_open = |number: &RawFd| unsafe { libc::fcntl(*number, libc::F_GETFD) } >= 0;
    (0..MAX).rev().find(is_open).unwrap_or(MAX)
}

/// What all workers are made of.
struct Launcher {
    engine: Engine,
    setup: Setup,
    first_later: RawFd,
}

impl Launcher {
    /// Does what the coordinator asks until it is gone.
    fn attend(
        &self,
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
                Some((ToLauncher::Fork { id, prepare }, descriptors)) => {
                    match self.fork(&prepare, descriptors) {
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
    fn fork(&self, prepare: &[Guest], descriptors: Vec<OwnedFd>) -> io::Result<OwnedFd> {
        let Ok([socket, lifeline]) = <[OwnedFd; 2]>::try_from(descriptors) else {
            return Err(io::Error::other("a worker needs two descriptors"));
        };
        // SAFETY: this process has one thread, so that the child is whole.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                let descriptors = Descriptors::taken(socket, lifeline, self.first_later);
                let layers = confine::worker(self.setup.profile);
                drop(layers);
                session::main(&self.engine, self.setup.metering, prepare, descriptors)
            }
            child => {
                let child = Pid::from_raw(child).ok_or_else(io::Error::last_os_error)?;
                Ok(pidfd_open(child, PidfdFlags::empty())?)
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
