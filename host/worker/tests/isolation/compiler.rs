//! A compiler that was taken over by the component which it compiles: confined like
//! the real one, in a process of its own, it tries what a worker would try.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

use worker::compile::CompileLimits;
use worker::confine;

use crate::scene::{Scene, Victim};
use crate::threats::{Sign, Threat};

/// What is nothing for a compiler to gain, or is told apart by something that only
/// workers have.
const NOT_TRIED: &[&str] = &[
    // The test's own environment is not where a launcher's is.
    "read_the_environment_in_memory",
    // It may use what it needs; its limit is larger than that of a worker here.
    "take_memory_without_end",
    // The test forks; the real one is started as a program of its own.
    "read_the_memory_of_another_session",
];

/// Whether it makes sense to try.
pub fn can_be_tried(threat: &Threat) -> bool {
    threat.sign == Sign::Word && !NOT_TRIED.contains(&threat.name)
}

/// Tries it in a compiler. `Ok` has what was gained.
pub fn attempt(scene: &Scene, threat: &Threat) -> io::Result<Result<String, String>> {
    let mut scene = scene.clone();
    // There are no other processes of ours but the one that started it.
    let parent = Victim::with_own_addresses(std::process::id() as libc::pid_t);
    (scene.launcher, scene.sibling) = (parent, parent);
    let (mut answer, output) = io::pipe()?;
    let started_by = std::process::id();
    // SAFETY: this process has one thread, and the child ends without returning.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: takes numbers only.
        unsafe {
            let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
            libc::dup2(nothing, 0);
            libc::dup2(output.as_raw_fd(), 1);
            libc::dup2(nothing, 2);
        }
        let line = try_confined(&scene, threat, started_by);
        let _ = io::stdout().write_all(line.as_bytes());
        let _ = io::stdout().flush();
        // SAFETY: ends this process.
        unsafe { libc::_exit(0) }
    }
    drop(output);
    let mut line = String::new();
    answer.read_to_string(&mut line)?;
    let mut status = 0;
    // SAFETY: a child of this process, and a number to write to.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    Ok(match line.strip_prefix("worked ") {
        Some(gained) => Ok(gained.to_owned()),
        None => Err(format!("{line} (status {status:#x})")),
    })
}

fn try_confined(scene: &Scene, threat: &Threat, started_by: u32) -> String {
    let limits = CompileLimits::default();
    if let Err(error) = confine::compiler(&limits, started_by, &[]) {
        return format!("not confined: {error}");
    }
    confine::compiler_has_its_threads(&[]);
    match (threat.attempt)(scene) {
        Ok(gained) => format!("worked {gained}"),
        Err(error) => format!("refused {error}"),
    }
}
