//! What a process gives up that compiles a component of a user.
//!
//! It needs less than a worker, apart from threads: it reads one descriptor, writes
//! another, computes and ends. What it makes is not run here, so that nothing new is
//! ever executable.

use std::io;
use std::os::fd::RawFd;

use rustix::process::{
    Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setpriority_process,
    setrlimit,
};

use contract::isolation::{Layer, LayerReport};

use super::{
    Profile, descriptors, enter, environment, landlock, memory, namespaces, privileges, seccomp,
};
use crate::compile::CompileLimits;

/// The component, the output, last words.
const KEPT: [RawFd; 3] = [0, 1, 2];

/// Behind programs that run, of which somebody waits for each call.
const NICE: i32 = 5;

/// Confines a compiler: called by its only thread, before anything of a stranger
/// is read. It can still start threads. `skip` is for tests, which show what a layer
/// is good for.
///
/// # Errors
///
/// When a limit cannot be set, without which it would not end; or when whoever
/// started it is gone.
pub fn compiler(
    limits: &CompileLimits,
    parent: u32,
    skip: &[Layer],
) -> io::Result<Vec<LayerReport>> {
    // If memory runs out, this is what may go.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let _ = setpriority_process(None, NICE);
    let mut layers = vec![
        enter(Layer::Environment, skip, environment::wipe),
        enter(Layer::Descriptors, skip, || {
            descriptors::keep_only(KEPT.to_vec(), None, descriptors::open_beyond_streams)
        }),
        enter(Layer::NoNewPrivileges, skip, privileges::no_new_privileges),
    ];
    layers.extend(namespaces::enter_all(skip));
    if !skip.contains(&Layer::NoNewPrivileges) {
        privileges::keep_for_forks(false)?;
    }
    layers.push(enter(Layer::NoCoreDump, skip, memory::no_dump));
    layers.push(enter(Layer::Landlock, skip, || {
        landlock::worker(Profile::Component, None)
    }));
    // After what changes who this process is, which the kernel forgets it for.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let now = getppid().map(|now| now.as_raw_nonzero().get().unsigned_abs());
    if now != Some(parent) {
        return Err(io::Error::other("whoever started the compiler is gone"));
    }
    layers.push(enter(Layer::DeathWithParent, &[], || Ok(None)));
    lower_all(limits)?;
    layers.push(enter(Layer::ResourceLimits, &[], || Ok(None)));
    layers.push(enter(Layer::Seccomp, skip, seccomp::compiler));
    Ok(layers)
}

fn lower_all(limits: &CompileLimits) -> io::Result<()> {
    // The kernel counts whole seconds, and says at the first limit what it is.
    let seconds = limits.time.as_secs().max(1);
    for (resource, soft, hard) in [
        (Resource::Cpu, seconds, seconds + 1),
        (Resource::As, limits.memory, limits.memory),
        (Resource::Fsize, limits.code, limits.code),
        (Resource::Memlock, 0, 0),
        (Resource::Msgqueue, 0, 0),
    ] {
        let limit = Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

/// No thread, no process and no descriptor from here on: called when the threads
/// of the compiler run.
pub fn compiler_has_its_threads(skip: &[Layer]) {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // The first does not count for root.
    let _ = setrlimit(Resource::Nproc, none);
    let _ = setrlimit(Resource::Nofile, none);
    // The first filter was entered, or is missing and reported as such.
    let _ = enter(Layer::Seccomp, skip, seccomp::compiler_has_its_threads);
}
