//! How a launcher makes a worker.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::{io, ptr};

use contract::isolation::Layer;

use super::{Entered, Launcher, Unconfined, checked, environment, resource_limits};

/// On which side of a fork this is.
#[derive(Debug)]
pub enum Forked<'a> {
    /// The launcher goes on.
    Launcher {
        /// The worker's number, as the launcher sees it.
        pid: libc::pid_t,
        /// The worker. It can be polled for its end, and names no other process
        /// when its number is given again.
        pidfd: OwnedFd,
    },
    /// This is the worker.
    Worker(Unconfined<'a>),
}

/// With a namespace of its own, in which it is the only process. As the first
/// one there it has a peculiarity: signals that it sends itself, and those of
/// timers and descriptors, do nothing unless it has a handler for them.
const OWN_NAMESPACE: libc::c_int = libc::CLONE_NEWPID;

/// All flags of a fork.
pub(super) fn flags(pid_namespace: bool) -> u64 {
    let namespace = if pid_namespace { OWN_NAMESPACE } else { 0 };
    (libc::CLONE_PIDFD | libc::SIGCHLD | namespace) as u64
}

impl Launcher {
    /// Makes a worker, which begins here as well and has a copy of everything.
    ///
    /// It may write `memory` bytes beyond those that the launcher could write when it
    /// was confined. It has this bound from its first moment, so that the coordinator
    /// can give it another one as soon as it knows of the worker
    /// ([`set_memory`](super::set_memory)).
    ///
    /// It goes on when the launcher ends; see [`Grants::lifeline`].
    ///
    /// Random numbers that were drawn ahead would be the same in all workers. Those
    /// of the `rand` crate, from which a sandbox has its own when it is made, begin
    /// anew in each worker. What was made before the fork goes on alike.
    ///
    /// # Errors
    ///
    /// If the system has no more processes, memory or descriptors to give.
    ///
    /// [`Grants::lifeline`]: super::Grants::lifeline
    pub fn fork(&self, memory: u64) -> io::Result<Forked<'_>> {
        let bound = self.writable.map(|already| already.saturating_add(memory));
        let bound = bound.filter(|_| !self.skip.contains(&Layer::ResourceLimits));
        if let Some(bytes) = bound {
            resource_limits::bound_memory(bytes)?;
        }
        // SAFETY: `check` saw that there is one thread, and the filter of the
        // launcher lets it make no other: so no lock is held by somebody who is
        // missing in the worker.
        let cloned = unsafe { clone(flags(self.pid_namespace)) };
        if let Ok((0, _)) = cloned {
            rand::rng().reseed().expect("the system has random numbers");
            return Ok(Forked::Worker(Unconfined { launcher: self }));
        }
        if bound.is_some() {
            resource_limits::bound_memory(u64::MAX)?;
        }
        let (pid, pidfd) = cloned?;
        // SAFETY: the kernel has just made it, for the parent only.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        Ok(Forked::Launcher { pid, pidfd })
    }
}

/// The system call and not the C library's `fork`, which knows no flags. The
/// numbers are 0 and nothing in the child.
///
/// # Safety
///
/// There is one thread.
unsafe fn clone(flags: u64) -> io::Result<(libc::pid_t, RawFd)> {
    let mut pidfd: RawFd = -1;
    // With no stack of its own the child goes on with a copy of this one. The
    // last two arguments change places between processors; both are nothing.
    let none = ptr::null_mut::<libc::c_void>();
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags,
            none,
            ptr::from_mut(&mut pidfd),
            none,
            none,
        )
    };
    Ok((checked(pid)? as libc::pid_t, pidfd))
}

/// Whether this process can fork workers.
pub(super) fn check() -> io::Result<()> {
    /// Of `num_threads` in `/proc/PID/stat`.
    const THREADS: usize = 20;
    if let Some(threads) = environment::stat_field(THREADS).filter(|threads| *threads != 1) {
        let message = format!("a launcher has one thread, and this one has {threads}");
        return Err(io::Error::other(message));
    }
    // SAFETY: takes numbers only. There is no such descriptor, which a kernel
    // that knows the call says.
    let none: libc::c_int = -1;
    unsafe { libc::syscall(libc::SYS_pidfd_send_signal, none, 0, ptr::null::<()>(), 0) };
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EBADF) {
        return Ok(());
    }
    let message = format!("workers need Linux 5.3: signals by descriptor: {error}");
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

/// Forks once with a namespace, to see whether this system allows it.
pub(super) fn try_pid_namespace() -> Entered {
    // SAFETY: `check` saw that there is one thread. The child ends at once.
    let forked = unsafe { clone(flags(true)) };
    let (pid, pidfd) = forked.map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM) => "needs a user namespace, or root".to_owned(),
        _ => format!("the system refuses it: {error}"),
    })?;
    if pid == 0 {
        // SAFETY: ends this process, and runs nothing of the launcher's.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: the kernel has just made the descriptor; the status is not wanted.
    drop(unsafe { OwnedFd::from_raw_fd(pidfd) });
    while unsafe { libc::waitpid(pid, ptr::null_mut(), 0) } == -1
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
    Ok(None)
}
