//! Limits that the kernel keeps, whatever a worker does.

use super::{Entered, Profile, checked};

/// Descriptors of a launcher: one for each worker that lives, and some.
const LAUNCHER_DESCRIPTORS: u64 = 4096;

/// Descriptors of a worker: its session, what the engine has open, an event loop.
const WORKER_DESCRIPTORS: u64 = 64;

/// With a workspace in a directory: files that are kept open, and the folders on
/// the way to one.
const DISK_DESCRIPTORS: u64 = 256;

/// The largest image of a memory, which the engine keeps as a file without a name.
const IMAGE_SIZE: u64 = 128 << 20;

/// How much sooner than others these processes are ended when the machine has no
/// memory left, as `/proc/PID/oom_score_adj` has it: -1000 to 1000.
const OOM_SCORE: &str = "500";

/// What `setrlimit` takes differs between C libraries.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// What workers need as little as the launcher. Not the size of files: what the
/// launcher complains about may go into one.
pub(super) fn launcher() -> Entered {
    // Where memory ends, a session is ended and not its coordinator. Anybody may
    // raise it; a system without the file chooses as it likes.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    lower_all(&[
        (libc::RLIMIT_MEMLOCK, 0),
        (libc::RLIMIT_MSGQUEUE, 0),
        (libc::RLIMIT_NICE, 0),
        (libc::RLIMIT_RTPRIO, 0),
        (libc::RLIMIT_NOFILE, LAUNCHER_DESCRIPTORS),
    ])
}

pub(super) fn worker(profile: Profile, has_memory: bool, file_size: Option<u64>) -> Entered {
    let (descriptors, files) = match profile {
        Profile::Guests => (WORKER_DESCRIPTORS, Some(0)),
        Profile::Component => (WORKER_DESCRIPTORS, Some(IMAGE_SIZE)),
        Profile::Disk => (DISK_DESCRIPTORS, None),
    };
    let mut limits = vec![
        (libc::RLIMIT_NOFILE, descriptors),
        // Does not count for root.
        (libc::RLIMIT_NPROC, 0),
    ];
    if let Some(bytes) = file_size.or(files) {
        limits.push((libc::RLIMIT_FSIZE, bytes));
    }
    lower_all(&limits)?;
    Ok(Some(if has_memory {
        "memory, files, processes".to_owned()
    } else {
        "files, processes; memory as much as there is".to_owned()
    }))
}

/// Bounds the memory that this process can write, as far as it is its own.
///
/// Not the address space: the engine reserves gigabytes of it for each sandbox and
/// uses little. A memory counts here when it grows. The coordinator may give
/// another bound later, with [`set_memory`]; the worker has no system call for it.
pub(super) fn bound_memory(bytes: u64) -> std::io::Result<()> {
    let mut limit = get(libc::RLIMIT_DATA)?;
    limit.rlim_cur = limit.rlim_max.min(bytes as libc::rlim_t);
    // SAFETY: takes a struct that it only reads.
    unsafe { checked(libc::setrlimit(libc::RLIMIT_DATA, &limit)) }?;
    Ok(())
}

/// Gives a worker of this process's user another bound for the memory that it can
/// write: `memory` bytes in place of the `before` that it was granted last.
///
/// # Errors
///
/// When the system refuses it, or the process is gone.
pub fn set_memory(pid: libc::pid_t, before: u64, memory: u64) -> std::io::Result<()> {
    let none = std::ptr::null();
    let mut limit = NONE;
    // SAFETY: the struct is the kernel's, and written as a whole.
    unsafe { checked(libc::prlimit(pid, libc::RLIMIT_DATA, none, &raw mut limit)) }?;
    let already = limit.rlim_cur.saturating_sub(before as libc::rlim_t);
    let wanted = already.saturating_add(memory as libc::rlim_t);
    limit.rlim_cur = wanted.min(limit.rlim_max);
    let old = std::ptr::null_mut();
    // SAFETY: takes a struct that it only reads.
    unsafe { checked(libc::prlimit(pid, libc::RLIMIT_DATA, &raw const limit, old)) }?;
    Ok(())
}

const NONE: libc::rlimit = libc::rlimit {
    rlim_cur: 0,
    rlim_max: 0,
};

fn get(resource: Resource) -> std::io::Result<libc::rlimit> {
    let mut limit = NONE;
    // SAFETY: the struct is the kernel's, and written as a whole.
    unsafe { checked(libc::getrlimit(resource, &raw mut limit)) }?;
    Ok(limit)
}

fn lower_all(limits: &[(Resource, u64)]) -> Entered {
    for (resource, limit) in limits {
        lower(*resource, *limit).map_err(|error| format!("the system refuses one: {error}"))?;
    }
    Ok(None)
}

/// Lowers a limit for good. One that is lower already stays.
fn lower(resource: Resource, limit: u64) -> std::io::Result<()> {
    let mut now = get(resource)?;
    now.rlim_max = now.rlim_max.min(limit as libc::rlim_t);
    now.rlim_cur = now.rlim_max;
    // SAFETY: takes a struct that it only reads.
    unsafe { checked(libc::setrlimit(resource, &now)) }?;
    Ok(())
}
