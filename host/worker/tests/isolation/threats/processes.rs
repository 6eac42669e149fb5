//! Other processes, and new ones.

use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::fs::FileExt;

use super::{Threat, c_string, checked, done, gained, threat};
use crate::program;
use crate::scene::{CANARY, SECRET, Victim, is_secret};

pub const THREATS: &[Threat] = &[
    threat("read_the_memory_of_another_session", |_| {
        let found = SECRET.load(std::sync::atomic::Ordering::SeqCst);
        gained(found == CANARY, "the secret")
    }),
    threat("read_the_memory_of_the_launcher", |scene| {
        read_memory(scene.launcher)
    }),
    threat("read_the_memory_of_a_sibling", |scene| {
        read_memory(scene.sibling)
    }),
    threat("read_the_memory_of_the_coordinator", |scene| {
        read_memory(scene.coordinator)
    }),
    threat("write_the_memory_of_a_sibling", |scene| {
        let Victim { pid, secret } = scene.sibling;
        let mut bytes = [0_u8; 8];
        let [local, remote] = vectors(&mut bytes, secret);
        // SAFETY: local memory of that length; the rest is the kernel's matter.
        let written = unsafe { libc::process_vm_writev(pid, &local, 1, &remote, 1, 0) };
        done(written as i64)
    }),
    threat("read_the_memory_of_the_launcher_in_proc", |scene| {
        read_proc(scene.launcher)
    }),
    threat("read_the_memory_of_a_sibling_in_proc", |scene| {
        read_proc(scene.sibling)
    }),
    threat("read_the_memory_of_the_coordinator_in_proc", |scene| {
        read_proc(scene.coordinator)
    }),
    threat("see_where_the_launcher_has_its_memory", |scene| {
        let maps = std::fs::read(format!("/proc/{}/maps", scene.launcher.pid))?;
        gained(!maps.is_empty(), "addresses")
    }),
    threat("list_processes", |_| {
        let other = |name: &str| name.parse().is_ok_and(|pid: u32| pid != std::process::id());
        let mut names = std::fs::read_dir("/proc")?.flatten();
        let found = names.any(|entry| entry.file_name().to_str().is_some_and(other));
        gained(found, "processes")
    }),
    threat("trace_the_launcher", |scene| trace(scene.launcher)),
    threat("trace_a_sibling", |scene| trace(scene.sibling)),
    threat("trace_the_coordinator", |scene| trace(scene.coordinator)),
    threat("take_a_descriptor_of_the_launcher", |scene| {
        take_descriptor(scene.launcher)
    }),
    threat("take_a_descriptor_of_a_sibling", |scene| {
        take_descriptor(scene.sibling)
    }),
    // All of them ignore this signal.
    threat("signal_the_launcher", |scene| signal(scene.launcher)),
    threat("signal_a_sibling", |scene| signal(scene.sibling)),
    threat("signal_the_coordinator", |scene| signal(scene.coordinator)),
    threat("signal_the_coordinator_by_a_descriptor", |scene| {
        // As the owner of a socket, which the kernel signals.
        let mut pair = [0; 2];
        let kind = libc::SOCK_STREAM;
        // SAFETY: takes numbers and room for two of them.
        unsafe {
            checked(libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()))?;
            done(libc::fcntl(pair[0], libc::F_SETOWN, scene.coordinator.pid))
        }
    }),
    threat("limit_the_coordinator", |scene| {
        let mut limits = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        let pid = scene.coordinator.pid;
        // SAFETY: sets nothing, and writes one struct.
        done(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &mut limits) })
    }),
    threat("slow_down_the_coordinator", |scene| {
        let pid = scene.coordinator.pid as libc::id_t;
        // To what it has, so that nothing happens.
        // SAFETY: takes numbers only.
        done(unsafe {
            let now = libc::getpriority(libc::PRIO_PROCESS, pid);
            libc::setpriority(libc::PRIO_PROCESS, pid, now)
        })
    }),
    threat("fork", |_| {
        // SAFETY: there is one thread; the child ends at once.
        match unsafe { libc::fork() } {
            0 => unsafe { libc::_exit(0) },
            pid => done(pid),
        }
    }),
    threat("start_a_thread", |_| {
        let thread = std::thread::Builder::new().spawn(|| {})?;
        thread
            .join()
            .map(|()| String::new())
            .map_err(|_| io::Error::other("panic"))
    }),
    threat("execute_a_program", |_| {
        let arguments = [c"sh", c"-c", c"exit 77"].map(|text| text.as_ptr());
        let arguments = [&arguments[..], &[std::ptr::null()]].concat();
        // SAFETY: texts that end with 0, in lists that end with nothing.
        done(unsafe { libc::execv(c"/bin/sh".as_ptr(), arguments.as_ptr()) })
    }),
    threat("execute_memory", |_| {
        // SAFETY: texts that end with 0, in lists that end with nothing.
        unsafe {
            let fd = checked(libc::memfd_create(c"program".as_ptr(), libc::MFD_CLOEXEC))?;
            let mut file = File::from_raw_fd(fd as RawFd);
            file.write_all(&program::that_exits())?;
            let arguments = [c"program".as_ptr(), std::ptr::null()];
            done(libc::fexecve(
                fd as RawFd,
                arguments.as_ptr(),
                [std::ptr::null()].as_ptr(),
            ))
        }
    }),
    threat("become_another_user_by_a_program", |scene| {
        let Some(path) = &scene.set_user_id else {
            return Err(io::Error::other("only root can make such a program"));
        };
        let path = c_string(path);
        let arguments = [path.as_ptr(), std::ptr::null()];
        // SAFETY: texts that end with 0, in lists that end with nothing.
        done(unsafe { libc::execv(path.as_ptr(), arguments.as_ptr()) })
    })
    .for_root(),
];

fn vectors(bytes: &mut [u8; 8], address: usize) -> [libc::iovec; 2] {
    let vector = |base: *mut c_void| libc::iovec {
        iov_base: base,
        iov_len: 8,
    };
    let remote = std::ptr::with_exposed_provenance_mut(address);
    [vector(bytes.as_mut_ptr().cast()), vector(remote)]
}

fn read_memory(victim: Victim) -> io::Result<String> {
    let mut bytes = [0; 8];
    let [local, remote] = vectors(&mut bytes, victim.secret);
    // SAFETY: local memory of that length; the rest is the kernel's matter.
    let read = unsafe { libc::process_vm_readv(victim.pid, &local, 1, &remote, 1, 0) };
    checked(read as i64)?;
    gained(is_secret(bytes), "the secret")
}

fn read_proc(victim: Victim) -> io::Result<String> {
    let mut bytes = [0; 8];
    let memory = File::open(format!("/proc/{}/mem", victim.pid))?;
    memory.read_exact_at(&mut bytes, victim.secret as u64)?;
    gained(is_secret(bytes), "the secret")
}

/// It is not stopped, and let go when this process ends.
fn trace(victim: Victim) -> io::Result<String> {
    let nothing = std::ptr::null_mut::<c_void>();
    // SAFETY: takes numbers only.
    done(unsafe { libc::ptrace(libc::PTRACE_SEIZE, victim.pid, nothing, nothing) })
}

fn signal(victim: Victim) -> io::Result<String> {
    // SAFETY: takes numbers only.
    done(unsafe { libc::kill(victim.pid, libc::SIGUSR1) })
}

fn take_descriptor(victim: Victim) -> io::Result<String> {
    // SAFETY: takes numbers only.
    unsafe {
        let process = checked(libc::syscall(libc::SYS_pidfd_open, victim.pid, 0))?;
        done(libc::syscall(libc::SYS_pidfd_getfd, process, 0, 0))
    }
}
