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

/// What `setrlimit` takes differs between C libraries.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// What workers need as little as the launcher. Not the size of files: what the
/// launcher complains about may go into one.
pub(super) fn launcher() -> Entered {
    lower_all(&[
        (libc::RLIMIT_MEMLOCK, 0),
        (libc::RLIMIT_MSGQUEUE, 0),
        (libc::RLIMIT_NICE, 0),
        (libc::RLIMIT_RTPRIO, 0),
        (libc::RLIMIT_NOFILE, LAUNCHER_DESCRIPTORS),
    ])
}

pub(super) fn worker(profile: Profile, memory: Option<u64>, file_size: Option<u64>) -> Entered {
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
    // Not the address space: the engine reserves gigabytes of it for each sandbox
    // and uses little. This counts what can be written, which a memory becomes
    // when it grows.
    if let Some(bytes) = memory {
        limits.push((libc::RLIMIT_DATA, bytes));
    }
    lower_all(&limits)?;
    Ok(Some(match memory {
        Some(_) => "memory, files, processes".to_owned(),
        None => "files, processes; memory as much as there is".to_owned(),
    }))
}

fn lower_all(limits: &[(Resource, u64)]) -> Entered {
    for (resource, limit) in limits {
        lower(*resource, *limit).map_err(|error| format!("the system refuses one: {error}"))?;
    }
    Ok(None)
}

/// Lowers a limit for good. One that is lower already stays.
fn lower(resource: Resource, limit: u64) -> std::io::Result<()> {
    let mut now = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct is the kernel's, and written as a whole.
    unsafe { checked(libc::getrlimit(resource, &mut now)) }?;
    now.rlim_max = now.rlim_max.min(limit as libc::rlim_t);
    now.rlim_cur = now.rlim_max;
    // SAFETY: takes a struct that it only reads.
    unsafe { checked(libc::setrlimit(resource, &now)) }?;
    Ok(())
}
