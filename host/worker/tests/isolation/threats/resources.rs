//! More of the machine than a session is given, and more time.

use std::io;
use std::ptr;

use super::{Sign, Threat, checked, done, threat};

pub const THREATS: &[Threat] = &[
    threat("take_memory_without_end", |_| {
        const MUCH: usize = 64 << 30;
        let writable = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: new memory, where the kernel wants it.
        let memory = unsafe { libc::mmap(ptr::null_mut(), MUCH, writable, flags, -1, 0) };
        checked(memory as isize as i64)?;
        Ok("64 GiB".to_owned())
    }),
    threat("keep_memory_from_being_swapped", |_| {
        let page = [0_u8; 4096];
        // SAFETY: memory of this function.
        done(unsafe { libc::mlock(page.as_ptr().cast(), page.len()) })
    }),
    threat("open_descriptors_without_end", |_| {
        for _ in 0..2000 {
            // SAFETY: takes a number only.
            checked(unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 0) })?;
        }
        Ok("2000 descriptors".to_owned())
    }),
    threat("grow_a_file_without_end", |_| {
        // SAFETY: a text that ends with 0, and numbers.
        unsafe {
            let file = checked(libc::memfd_create(c"file".as_ptr(), 0))?;
            done(libc::ftruncate(file as i32, 1 << 40))
        }
    }),
    threat("leave_memory_on_the_disk", |_| {
        // A crash, whose core has the memory of the process.
        // SAFETY: it is meant to fail.
        unsafe {
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            ptr::null_mut::<u8>().write_volatile(1);
        }
        Ok(String::new())
    })
    .shown_by(Sign::CoreDump),
    threat("outlive_the_coordinator", |_| compute()).shown_by(Sign::Survival),
];

/// Until somebody ends it.
fn compute() -> io::Result<String> {
    let mut sum = 0_u64;
    loop {
        sum = std::hint::black_box(sum.wrapping_add(1));
    }
}
