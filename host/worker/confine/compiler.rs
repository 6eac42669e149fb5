//! What a process gives up that compiles a component of a user.

use std::io;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getppid, set_dumpable_behavior,
    set_parent_process_death_signal, setpriority_process, setrlimit,
};

use contract::isolation::{Layer, LayerReport, LayerState};

use crate::compile::CompileLimits;

/// Behind programs that run, of which somebody waits for each call.
const NICE: i32 = 5;

/// Confines a compiler: called by its only thread, before anything of a stranger
/// is read. It can still start threads.
///
/// # Errors
///
/// When a limit cannot be set, or whoever started it is gone.
pub fn compiler(limits: &CompileLimits, parent: u32) -> io::Result<Vec<LayerReport>> {
    let mut layers = Vec::new();
    let mut on = |layer| {
        layers.push(LayerReport {
            layer,
            state: LayerState::On(None),
        });
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have been gone before the kernel was told.
    let is_there = getppid().is_some_and(|now| now.as_raw_nonzero().get().unsigned_abs() == parent);
    if !is_there {
        return Err(io::Error::other("whoever started the compiler is gone"));
    }
    on(Layer::DeathWithParent);
    on(Layer::Environment);
    // SAFETY: nobody here knows of anything else that is open.
    unsafe { libc::close_range(3, u32::MAX, 0) };
    on(Layer::Descriptors);
    // If memory runs out, this is what may go.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let _ = setpriority_process(None, NICE);
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    on(Layer::NoCoreDump);
    // SAFETY: takes numbers only.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == -1 {
        return Err(io::Error::last_os_error());
    }
    on(Layer::NoNewPrivileges);
    // The kernel counts whole seconds, and says at the first limit what it is.
    let seconds = limits.time.as_secs().max(1);
    for (resource, soft, hard) in [
        (Resource::Cpu, seconds, seconds + 1),
        (Resource::As, limits.memory, limits.memory),
        (Resource::Fsize, limits.code, limits.code),
        (Resource::Core, 0, 0),
        (Resource::Memlock, 0, 0),
        (Resource::Msgqueue, 0, 0),
    ] {
        setrlimit(
            resource,
            Rlimit {
                current: Some(soft),
                maximum: Some(hard),
            },
        )?;
    }
    on(Layer::ResourceLimits);
    Ok(layers)
}

/// No thread, no process and no descriptor from here on: called when the threads
/// of the compiler run.
pub fn compiler_has_its_threads() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // The first does not count for root.
    let _ = setrlimit(Resource::Nproc, none.clone());
    let _ = setrlimit(Resource::Nofile, none);
}
