//! The system calls that are left.
//!
//! A list of what is allowed, with conditions on the arguments that are numbers;
//! anything else ends the process, as SIGSYS does. A call that a library can do
//! without is answered with an error instead: see [`List::worker`].
//!
//! A filter is inherited and another one can be added, and the strictest answer
//! counts. So the launcher's list has all that its workers need, and a worker
//! takes out what only a launcher does.

mod list;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use self::list::{List, Rules};
use super::pagemap::Pagemap;
use super::{Entered, Profile, checked, fork};

/// What a launcher adds to itself, and what each of its workers adds.
#[derive(Debug)]
pub(super) struct Filters {
    launcher: Vec<BpfProgram>,
    worker: Worker,
}

/// A filter costs time when it is added, the more the longer it is: the kernel
/// compiles it. So a worker, which has the launcher's, takes out what is not for
/// workers, and lists nothing again.
#[derive(Debug)]
enum Worker {
    /// It is known before the fork.
    Made(BpfProgram),
    /// It has the number of the process in it.
    ByNumber(List),
}

impl Filters {
    pub(super) fn new(
        profile: Profile,
        pagemap: Option<&Pagemap>,
        pid_namespace: bool,
    ) -> Result<Self, String> {
        let architecture = architecture().ok_or_else(no_list)?;
        let mut workers = List::default();
        workers.worker(profile);
        let mut launchers = List::default();
        launchers.launcher(&[fork::flags(true), fork::flags(false)]);
        if let Some(pagemap) = pagemap {
            launchers.pagemap(pagemap.directory());
        }
        let launcher = keeps(&workers.and(&launchers), architecture)?;
        let only_launchers = launchers.without(&workers);
        /// The number of the first process of a namespace, in it.
        const FIRST: u32 = 1;
        let worker = if pid_namespace {
            Worker::Made(takes_out(only_launchers, FIRST, architecture)?)
        } else {
            Worker::ByNumber(only_launchers)
        };
        Ok(Self { launcher, worker })
    }

    pub(super) fn enter_launcher(&self) -> Entered {
        apply_all(&self.launcher)
    }

    /// In a worker of a launcher that has entered its own.
    pub(super) fn enter_worker(&self) -> Entered {
        match &self.worker {
            Worker::Made(program) => apply(program, Threads::One)?,
            Worker::ByNumber(list) => {
                let architecture = architecture().ok_or("no list")?;
                let program = takes_out(list.clone(), std::process::id(), architecture)?;
                apply(&program, Threads::One)?;
            }
        }
        Ok(None)
    }
}

/// For a compiler, which can still start threads.
pub(super) fn compiler() -> Entered {
    let architecture = architecture().ok_or_else(no_list)?;
    let (compiler, starting) = compilers();
    apply_all(&keeps(&compiler.and(&starting), architecture)?)
}

/// For all threads of a compiler that has entered its own: there are no more.
pub(super) fn compiler_has_its_threads() -> Entered {
    let architecture = architecture().ok_or_else(no_list)?;
    let (compiler, starting) = compilers();
    let only_starting = starting.without(&compiler);
    let program = takes_out(only_starting, std::process::id(), architecture)?;
    apply(&program, Threads::All)?;
    Ok(None)
}

/// What a compiler does, and what it does besides to start its threads.
fn compilers() -> (List, List) {
    let (mut compiler, mut starting) = (List::default(), List::default());
    compiler.compiler();
    starting.threads();
    (compiler, starting)
}

fn no_list() -> String {
    let here = std::env::consts::ARCH;
    format!("there is no list of system calls for {here}")
}

/// What a list has, and nothing else.
fn keeps(list: &List, architecture: TargetArch) -> Result<Vec<BpfProgram>, String> {
    let mut programs = Vec::new();
    let unknown = list.unknown();
    if !unknown.is_empty() {
        let answer = SeccompAction::Errno(libc::ENOSYS as u32);
        programs.push(program(
            unknown,
            SeccompAction::Allow,
            answer,
            architecture,
        )?);
    }
    let otherwise = SeccompAction::KillProcess;
    let allowed = list.clone().allowed();
    programs.push(program(
        allowed,
        otherwise,
        SeccompAction::Allow,
        architecture,
    )?);
    Ok(programs)
}

/// What only a launcher does, and a worker of this number.
fn takes_out(
    mut only_launchers: List,
    own: u32,
    architecture: TargetArch,
) -> Result<BpfProgram, String> {
    only_launchers.aborts_of_others(own);
    let rules = only_launchers.allowed();
    let kill = SeccompAction::KillProcess;
    program(rules, SeccompAction::Allow, kill, architecture)
}

fn program(
    rules: Rules,
    otherwise: SeccompAction,
    action: SeccompAction,
    architecture: TargetArch,
) -> Result<BpfProgram, String> {
    let filter = SeccompFilter::new(rules, otherwise, action, architecture);
    let program = filter.and_then(BpfProgram::try_from);
    program.map_err(|error| format!("the list is wrong: {error}"))
}

fn architecture() -> Option<TargetArch> {
    cfg_select! {
        target_arch = "x86_64" => Some(TargetArch::x86_64),
        target_arch = "aarch64" => Some(TargetArch::aarch64),
        _ => None,
    }
}

/// Whom a filter is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Threads {
    /// The only one, and what it starts.
    One,
    All,
}

fn apply_all(programs: &[BpfProgram]) -> Entered {
    programs
        .iter()
        .try_for_each(|program| apply(program, Threads::One))?;
    Ok(None)
}

/// Not the library's own function, which gives up new privileges on the way:
/// that is a layer of its own here, with a report of its own.
fn apply(program: &BpfProgram, threads: Threads) -> Result<(), String> {
    let length = u16::try_from(program.len()).map_err(|_| "the list is too long")?;
    let program = libc::sock_fprog {
        len: length,
        // The same struct; the kernel only reads it.
        filter: program.as_ptr().cast_mut().cast(),
    };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    let flags = match threads {
        Threads::One => 0,
        Threads::All => libc::SECCOMP_FILTER_FLAG_TSYNC,
    };
    // SAFETY: the struct points to as many instructions as it says, and the
    // kernel has copied them when the call returns.
    let applied = unsafe { checked(libc::syscall(libc::SYS_seccomp, mode, flags, &program)) };
    match applied {
        Ok(0) => Ok(()),
        // The number of one that has other filters.
        Ok(_thread) => Err("a thread does not take it".to_owned()),
        Err(error) => Err(match error.raw_os_error() {
            Some(libc::EINVAL | libc::ENOSYS) => "this kernel is built without it".to_owned(),
            _ => format!("the system refuses it: {error}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const PROFILES: [Profile; 3] = [Profile::Guests, Profile::Disk, Profile::Component];

    fn lists(profile: Profile) -> (List, List) {
        let mut workers = List::default();
        workers.worker(profile);
        let mut launchers = List::default();
        launchers.launcher(&[fork::flags(true), fork::flags(false)]);
        launchers.pagemap(7);
        (workers, launchers)
    }

    /// A worker takes out what only launchers do, and a compiler what only starts
    /// its threads. It would take out too much if that were a call with any arguments
    /// which it has with some.
    #[test]
    fn a_worker_and_a_compiler_keep_all_of_their_own_lists() {
        for (own, others) in PROFILES.map(lists).into_iter().chain([compilers()]) {
            let kept_calls = own.clone().allowed();
            for (call, taken_out) in others.without(&own).allowed() {
                let Some(kept) = kept_calls.get(&call) else {
                    continue;
                };
                assert!(!taken_out.is_empty(), "{call}");
                assert!(!kept.is_empty(), "{call}");
                assert!(taken_out.iter().all(|rule| !kept.contains(rule)), "{call}");
            }
        }
    }

    /// What both lists have together, and nothing else, is the launcher's.
    #[test]
    fn a_launcher_has_what_its_workers_need() {
        for profile in PROFILES {
            let (workers, launchers) = lists(profile);
            let both = workers.and(&launchers).allowed();
            let (workers, launchers) = (workers.allowed(), launchers.allowed());
            let calls: BTreeSet<_> = workers.keys().chain(launchers.keys()).collect();
            assert!(both.keys().eq(calls), "{profile:?}");
            for (call, rules) in &both {
                let any = |list: &Rules| list.get(call).is_some_and(Vec::is_empty);
                assert_eq!(rules.is_empty(), any(&workers) || any(&launchers), "{call}");
            }
        }
    }

    #[test]
    fn all_filters_can_be_made() {
        for profile in PROFILES {
            for pid_namespace in [true, false] {
                let filters = Filters::new(profile, None, pid_namespace);
                assert!(filters.is_ok(), "{profile:?}: {filters:?}");
            }
        }
    }

    #[test]
    fn only_components_get_executable_memory() {
        let any = |profile| {
            let (workers, _) = lists(profile);
            workers.allowed()[&libc::SYS_mprotect].is_empty()
        };
        assert_eq!(PROFILES.map(any), [false, false, true]);
        let compiler = compilers().0.allowed();
        assert!(!compiler[&libc::SYS_mprotect].is_empty());
        assert!(!compiler[&libc::SYS_mmap].is_empty());
    }
}
