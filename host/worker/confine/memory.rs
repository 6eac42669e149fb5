//! The memory of this process: what others see of it, and how much it is.

use std::{fs, io};

use super::{Entered, checked};

/// Leaves no memory behind after a crash, and shows none of it to others of the
/// same user: they can neither trace this process nor read what `/proc` has of
/// it.
pub(super) fn no_dump() -> Entered {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: takes numbers, and a struct that it only reads.
    let limited = unsafe { checked(libc::setrlimit(libc::RLIMIT_CORE, &none)) };
    let hidden = set_dumpable(false);
    limited
        .and(hidden)
        .map(|()| None)
        .map_err(|error| format!("the system refuses it: {error}"))
}

pub(super) fn set_dumpable(dumpable: bool) -> io::Result<()> {
    // SAFETY: takes numbers only.
    unsafe {
        checked(libc::prctl(
            libc::PR_SET_DUMPABLE,
            libc::c_ulong::from(dumpable),
            0,
            0,
            0,
        ))
    }?;
    Ok(())
}

pub(super) fn is_dumpable() -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 }
}

/// Bytes of private memory that this process can write: what a limit on them
/// counts from. Nothing where `/proc` cannot be read.
pub(super) fn writable() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(5)?.parse().ok()?;
    // SAFETY: takes a number only.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.checked_mul(u64::try_from(page).ok()?)
}
