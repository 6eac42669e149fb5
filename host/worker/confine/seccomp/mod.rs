//! The system calls that are left.
//!
//! A list of what is allowed, with conditions on the arguments that are numbers;
//! anything else ends the process, as SIGSYS does. A call that a library can do
//! without is answered with an error instead: see [`list::Answer`].
//!
//! A filter is inherited and another one can be added, and the strictest answer
//! counts. So the launcher's list has all that its workers need.

mod list;

use std::io;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use self::list::List;
use super::pagemap::Pagemap;
use super::{Entered, Profile, checked, fork};

pub(super) fn launcher(profile: Profile, pagemap: Option<&Pagemap>) -> Entered {
    let mut list = List::default();
    list.worker(profile);
    list.launcher(&[fork::flags(true), fork::flags(false)]);
    if let Some(pagemap) = pagemap {
        list.pagemap(pagemap.directory());
    }
    install(list)
}

pub(super) fn worker(profile: Profile, is_first_of_namespace: bool) -> Entered {
    let mut list = List::default();
    list.worker(profile);
    let own = if is_first_of_namespace {
        1
    } else {
        std::process::id()
    };
    list.abort(own);
    install(list)
}

fn install(list: List) -> Entered {
    let Some(architecture) = architecture() else {
        return Err(format!(
            "there is no list of system calls for {}",
            std::env::consts::ARCH
        ));
    };
    let (allowed, answered) = list.into_rules();
    let filters = [
        (
            answered,
            SeccompAction::Allow,
            SeccompAction::Errno(libc::ENOSYS as u32),
        ),
        (allowed, SeccompAction::KillProcess, SeccompAction::Allow),
    ];
    for (rules, otherwise, action) in filters {
        let filter = SeccompFilter::new(rules, otherwise, action, architecture);
        let program = filter.and_then(BpfProgram::try_from);
        let program = program.map_err(|error| format!("the list is wrong: {error}"))?;
        apply(&program).map_err(|error| match error.raw_os_error() {
            Some(libc::EINVAL | libc::ENOSYS) => "this kernel is built without it".to_owned(),
            _ => format!("the system refuses it: {error}"),
        })?;
    }
    Ok(None)
}

fn architecture() -> Option<TargetArch> {
    cfg_select! {
        target_arch = "x86_64" => Some(TargetArch::x86_64),
        target_arch = "aarch64" => Some(TargetArch::aarch64),
        _ => None,
    }
}

/// Not the library's own function, which gives up new privileges on the way:
/// that is a layer of its own here, with a report of its own.
fn apply(program: &BpfProgram) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len: length,
        // The same struct; the kernel only reads it.
        filter: program.as_ptr().cast_mut().cast(),
    };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the struct points to as many instructions as it says, and the
    // kernel has copied them when the call returns.
    unsafe { checked(libc::syscall(libc::SYS_seccomp, mode, 0, &program)) }?;
    Ok(())
}
