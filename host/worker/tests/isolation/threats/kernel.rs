//! Parts of the kernel that have often been the way out, and new privileges.

use std::io;
use std::ptr;

use super::{Threat, checked, done, gained, threat};
use crate::scene::CANARY;
use worker::confine::Profile;

pub const THREATS: &[Threat] = &[
    threat("make_a_user_namespace", |_| {
        // SAFETY: takes a number only.
        done(unsafe { libc::unshare(libc::CLONE_NEWUSER) })
    }),
    threat("make_a_network_namespace", |_| {
        // SAFETY: takes a number only.
        done(unsafe { libc::unshare(libc::CLONE_NEWNET) })
    })
    .for_root(),
    threat("enter_the_network_of_the_coordinator", |scene| {
        // SAFETY: takes numbers only.
        unsafe {
            let pid = scene.coordinator.pid;
            let process = checked(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
            done(libc::setns(process as i32, libc::CLONE_NEWNET))
        }
    })
    .for_root(),
    threat("use_a_ring_of_system_calls", |_| {
        let mut parameters = [0_u8; 120];
        // SAFETY: the kernel's struct has 120 bytes, and may be 0.
        done(unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) })
    }),
    threat("load_a_program_into_the_kernel", |_| {
        // An array with one element: the first of what a program needs.
        const MAP_CREATE: libc::c_int = 0;
        let attributes: [u32; 16] = [2, 4, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let size = size_of_val(&attributes);
        // SAFETY: the kernel's struct, of this size.
        done(unsafe { libc::syscall(libc::SYS_bpf, MAP_CREATE, &attributes, size) })
    })
    .for_root(),
    threat("handle_page_faults", |_| {
        const USER_MODE_ONLY: libc::c_int = 1;
        // SAFETY: takes numbers only.
        done(unsafe { libc::syscall(libc::SYS_userfaultfd, USER_MODE_ONLY) })
    }),
    threat("count_events_of_the_processor", |_| {
        // A software event of this process, without the kernel's part.
        let mut attributes = [0_u64; 16];
        attributes[0] = 1 | (128 << 32);
        attributes[5] = 1 << 5;
        let size = size_of_val(&attributes) as u64;
        attributes[0] = 1 | (size << 32);
        // SAFETY: the kernel's struct, of the size that it says.
        done(unsafe { libc::syscall(libc::SYS_perf_event_open, &attributes, 0, -1, -1, 0) })
    }),
    threat("keep_a_key_in_the_kernel", |_| {
        const PROCESS_KEYRING: libc::c_int = -2;
        let (kind, name) = (c"user", c"a-key");
        // SAFETY: texts that end with 0, and four bytes.
        done(unsafe {
            libc::syscall(
                libc::SYS_add_key,
                kind.as_ptr(),
                name.as_ptr(),
                c"data".as_ptr(),
                4,
                PROCESS_KEYRING,
            )
        })
    }),
    threat("ask_for_keys_of_the_kernel", |_| {
        const GET_KEYRING_ID: libc::c_int = 0;
        const SESSION_KEYRING: libc::c_int = -3;
        // SAFETY: takes numbers only.
        done(unsafe { libc::syscall(libc::SYS_keyctl, GET_KEYRING_ID, SESSION_KEYRING, 1) })
    }),
    threat("read_shared_memory_of_the_host", |scene| {
        // SAFETY: attached memory of at least that size, if it can be attached.
        unsafe {
            let segment = checked(libc::shmget(scene.shared_memory, 8, 0))?;
            let attached = libc::shmat(segment as i32, ptr::null(), libc::SHM_RDONLY);
            checked(attached as isize as i64)?;
            gained(attached.cast::<u64>().read() == CANARY, "the secret")
        }
    }),
    threat("read_a_queue_of_the_host", |scene| {
        let name = super::c_string(&scene.queue);
        // SAFETY: a text that ends with 0.
        done(unsafe { libc::syscall(libc::SYS_mq_open, name.as_ptr(), libc::O_RDONLY, 0, 0) })
    }),
    threat("make_memory_executable", |_| {
        let memory = mapped(libc::PROT_READ | libc::PROT_WRITE)?;
        // SAFETY: memory that is nobody else's.
        done(unsafe { libc::mprotect(memory, 4096, libc::PROT_READ | libc::PROT_EXEC) })
    })
    .granted_to(&[Profile::Component]),
    threat("map_executable_memory", |_| {
        mapped(libc::PROT_READ | libc::PROT_EXEC).map(|_| String::new())
    })
    .granted_to(&[Profile::Component]),
    threat("make_all_memory_executable", |_| {
        const READ_IMPLIES_EXEC: libc::c_ulong = 0x0040_0000;
        // SAFETY: takes a number only.
        done(unsafe { libc::personality(READ_IMPLIES_EXEC) })
    }),
    threat("change_the_own_code", |_| {
        let code = (held as fn() -> io::Result<u32> as usize) & !4095;
        let code = ptr::with_exposed_provenance_mut(code);
        let all = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        // SAFETY: it stays readable and executable.
        done(unsafe { libc::mprotect(code, 4096, all) })
    })
    .granted_to(&[Profile::Component]),
    threat("keep_a_file_in_memory", |_| {
        // SAFETY: a text that ends with 0.
        done(unsafe { libc::memfd_create(c"file".as_ptr(), 0) })
    })
    .granted_to(&[Profile::Component]),
    threat("type_into_the_terminal", |_| {
        // SAFETY: one byte.
        done(unsafe { libc::ioctl(0, libc::TIOCSTI, c"x".as_ptr()) })
    }),
    threat("have_privileges", |_| {
        // The bits of capabilities that this process may use.
        let status = held()?;
        gained(status != 0, "capabilities")
    })
    .for_root(),
];

fn mapped(protection: libc::c_int) -> io::Result<*mut libc::c_void> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new memory, where the kernel wants it.
    let memory = unsafe { libc::mmap(ptr::null_mut(), 4096, protection, flags, -1, 0) };
    checked(memory as isize as i64)?;
    Ok(memory)
}

fn held() -> io::Result<u32> {
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut parts = [0_u32; 6];
    // SAFETY: both structs are the kernel's, of the version that the first names.
    checked(unsafe { libc::syscall(libc::SYS_capget, &header, &mut parts) })?;
    Ok(parts[0] | parts[3])
}
