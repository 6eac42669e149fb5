//! What confinement costs: once for a launcher, and for each worker.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, ptr};

use contract::isolation::Layer;
use worker::confine::{self, Forked, Grants, Profile};

use crate::coordinator::THIS_PROGRAM;
use crate::{allowed, layers};

const WORKERS: usize = 500;

pub fn print() -> ExitCode {
    println!("microseconds, medians of {WORKERS} workers (and what the best tenth took at most)");
    let sets: [(&str, Vec<Layer>); 4] = [
        ("no layer", layers::every()),
        (
            "only pid_namespace",
            layers::every_but(&[Layer::UserNamespace, Layer::PidNamespace]),
        ),
        ("all but pid_namespace", vec![Layer::PidNamespace]),
        ("all layers", Vec::new()),
    ];
    for (name, skip) in sets {
        let measured = Command::new(THIS_PROGRAM)
            .args(["measured-launcher", &layers::to_text(&skip)])
            .output()
            .expect("a launcher");
        print!("{name}: {}", String::from_utf8_lossy(&measured.stdout));
    }
    ExitCode::SUCCESS
}

/// Runs as the launcher that is measured.
pub fn measure(arguments: &[String]) -> ExitCode {
    let skip = layers::from_text(&arguments[0]);
    let stdout = io::stdout();
    let kept = [stdout.as_fd()];
    let start = Instant::now();
    let inherited = confine::inherited(&kept, &skip);
    let for_inherited = start.elapsed();
    allowed::load("loaded");
    let (session, _far) = std::os::unix::net::UnixStream::pair().expect("a session");
    let (lifeline, _held) = io::pipe().expect("a pipe");
    let shared = shared();
    let own = [session.as_fd(), lifeline.as_fd()];
    let start = Instant::now();
    let launcher = confine::launcher(Profile::Guests, inherited, &own, &skip);
    let for_launcher = start.elapsed();
    let launcher = launcher.expect("one thread");

    let mut samples: [Vec<Duration>; 4] = Default::default();
    for _ in 0..WORKERS {
        // All workers have one, which costs the same.
        let lifeline = lifeline.try_clone().expect("a descriptor");
        let start = Instant::now();
        let forked = launcher.fork(crate::launcher::MEMORY).expect("a worker");
        match forked {
            Forked::Worker(unconfined) => {
                let forked = start.elapsed();
                unconfined.confine(grants(session.as_fd(), lifeline.into()));
                let confined = start.elapsed();
                shared[0].store(forked.as_nanos() as u64, Ordering::SeqCst);
                shared[1].store(confined.as_nanos() as u64, Ordering::SeqCst);
                // SAFETY: ends this process.
                unsafe { libc::_exit(0) }
            }
            Forked::Launcher { pid, .. } => {
                samples[0].push(start.elapsed());
                // SAFETY: waits for a process of this one.
                unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
                samples[3].push(start.elapsed());
                let [forked, confined] = [&shared[0], &shared[1]]
                    .map(|it| Duration::from_nanos(it.load(Ordering::SeqCst)));
                samples[1].push(forked);
                samples[2].push(confined.saturating_sub(forked));
            }
        }
    }
    let [in_launcher, begun, confined, reaped] = samples.map(figures);
    println!(
        "inherited {}, launcher {}; fork in the launcher {in_launcher}, worker begins after {begun}, confine {confined}, forked to reaped {reaped}",
        for_inherited.as_micros(),
        for_launcher.as_micros(),
    );
    ExitCode::SUCCESS
}

fn grants(session: BorrowedFd<'_>, lifeline: OwnedFd) -> Grants<'_> {
    Grants {
        session,
        lifeline: Some(lifeline),
        directory: None,
        file_size: None,
    }
}

/// The median, and in parentheses the tenth part that went best: on a busy machine
/// that says more.
fn figures(mut samples: Vec<Duration>) -> String {
    samples.sort();
    let [best, median] = [10, 2].map(|part| samples[samples.len() / part].as_micros());
    format!("{median} ({best})")
}

/// Numbers that a worker writes and its launcher reads.
fn shared() -> &'static [AtomicU64; 2] {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let writable = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: new memory, where the kernel wants it, that stays.
    unsafe {
        let memory = libc::mmap(ptr::null_mut(), 4096, writable, flags, -1, 0);
        assert_ne!(memory, libc::MAP_FAILED, "shared memory");
        &*memory.cast()
    }
}
