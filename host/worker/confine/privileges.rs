//! Privileges: none to gain, and none that are left.

use std::io;

use super::{Entered, checked};

/// From here on no program that is started gets more rights than this one has.
/// Landlock and seccomp want it of whoever is not root.
pub(super) fn no_new_privileges() -> Entered {
    // SAFETY: takes numbers only.
    unsafe { checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) }
        .map(|_| None)
        .map_err(|error| format!("the system refuses it: {error}"))
}

/// To make a namespace for the processes of a worker.
const CAP_SYS_ADMIN: u32 = 21;

/// Drops all capabilities, apart from the one with which the launcher makes the
/// namespaces of its workers: it counts in the launcher's user namespace only,
/// where there is one.
pub(super) fn keep_for_forks(has_pid_namespace: bool) -> io::Result<()> {
    /// More than there are; the kernel says where they end.
    const MAX_CAPABILITY: libc::c_ulong = 63;
    for capability in 0..=MAX_CAPABILITY {
        // SAFETY: takes numbers only. Without privileges it is refused, and then
        // there is nothing to drop either.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } == -1 {
            break;
        }
    }
    let kept = if has_pid_namespace {
        held()? & (1 << CAP_SYS_ADMIN)
    } else {
        0
    };
    set(kept)
}

/// Drops what the launcher kept. It cannot be refused, unless a filter does not
/// know the call; then the worker has what the launcher had.
pub(super) fn drop_all() {
    let _ = set(0);
}

/// The third version of the structs, which has 64 bits in two parts.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Part {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const OWN: Header = Header {
    version: VERSION,
    pid: 0,
};

/// The capabilities that this process may use.
fn held() -> io::Result<u64> {
    let mut parts = [Part::default(); 2];
    // SAFETY: both structs are the kernel's, of the version that the first names.
    unsafe { checked(libc::syscall(libc::SYS_capget, &OWN, &mut parts)) }?;
    Ok(u64::from(parts[0].effective) | u64::from(parts[1].effective) << 32)
}

fn set(capabilities: u64) -> io::Result<()> {
    // SAFETY: takes numbers only. An old kernel that has none of these holds none.
    let ambient = libc::PR_CAP_AMBIENT_CLEAR_ALL;
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, ambient, 0, 0, 0) };
    let part = |bits: u32| Part {
        effective: bits,
        permitted: bits,
        inheritable: 0,
    };
    let parts = [part(capabilities as u32), part((capabilities >> 32) as u32)];
    // SAFETY: both structs are the kernel's, of the version that the first names.
    unsafe { checked(libc::syscall(libc::SYS_capset, &OWN, &parts)) }?;
    Ok(())
}
