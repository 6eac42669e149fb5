//! How a worker ends although it computes: when the coordinator is gone, and when
//! it gives up itself.
//!
//! The coordinator alone holds the end to write of a pipe. The kernel closes it
//! when the coordinator ends, in whatever way, and sends the worker a signal. The
//! signal of the parent's death would be simpler, but the parent is the launcher,
//! whose end is none of the workers' business.
//!
//! It is a handler that ends the worker: the first process of a namespace gets no
//! signal of a descriptor that it has no handler for, not even SIGKILL. A worker
//! that was taken over can close its lifeline. Then it is the launcher that ends
//! it, which sees the coordinator's end too.

use std::io;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};

use super::{Entered, checked};

/// The exit status of a worker whose coordinator is gone.
pub const ORPHANED: i32 = 79;

/// The exit status of a worker that aborted, as shells write it for a process
/// that SIGABRT ended.
pub const ABORTED: i32 = 128 + libc::SIGABRT;

extern "C" fn orphaned(_signal: libc::c_int) {
    // SAFETY: may be called in a handler, and runs nothing of the worker's.
    unsafe { libc::_exit(ORPHANED) }
}

extern "C" fn aborted(_signal: libc::c_int) {
    // SAFETY: as above.
    unsafe { libc::_exit(ABORTED) }
}

/// Makes `abort` mean an end with a status of its own. Without a handler it is
/// SIGSEGV in the first process of a namespace: SIGABRT does nothing there.
pub(super) fn catch_aborts() {
    // It fails for numbers only that are no signals.
    let _ = handle(libc::SIGABRT, aborted);
}

/// Lets the end of the coordinator be the end of this process.
pub(super) fn hold(lifeline: Option<OwnedFd>) -> Entered {
    let Some(lifeline) = lifeline else {
        return Err("the coordinator gave it no lifeline".to_owned());
    };
    // Open as long as the process lives.
    let lifeline = lifeline.into_raw_fd();
    arm(lifeline).map_err(|error| format!("the system refuses it: {error}"))?;
    if is_closed(lifeline) {
        // It happened before there was a signal for it.
        orphaned(libc::SIGIO);
    }
    Ok(None)
}

fn arm(lifeline: RawFd) -> io::Result<()> {
    handle(libc::SIGIO, orphaned)?;
    // SAFETY: take numbers only.
    unsafe {
        checked(libc::fcntl(lifeline, libc::F_SETOWN, libc::getpid()))?;
        let flags = checked(libc::fcntl(lifeline, libc::F_GETFL))?;
        checked(libc::fcntl(lifeline, libc::F_SETFL, flags | libc::O_ASYNC))?;
    }
    Ok(())
}

fn is_closed(lifeline: RawFd) -> bool {
    let mut poll = libc::pollfd {
        fd: lifeline,
        events: 0,
        revents: 0,
    };
    // SAFETY: one struct, which it writes to.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 && poll.revents & libc::POLLHUP != 0 }
}

/// On the stack for signals, where there is one: guests have a stack of their
/// own, which may be full.
fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) -> io::Result<()> {
    // SAFETY: all bits 0 are an action without flags and with no signal blocked.
    // The handlers of this module end the process and touch nothing else.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        checked(libc::sigaction(signal, &action, std::ptr::null_mut()))?;
        let mut unblocked: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&mut unblocked, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &unblocked, std::ptr::null_mut());
    }
    Ok(())
}
