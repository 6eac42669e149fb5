//! The engine's view of which pages were written.
//!
//! wasmtime finds the pages that a program wrote through `/proc/self/pagemap`,
//! opened once, and resets only those. A descriptor of it belongs to the memory
//! of the process that opened it: after a fork it still shows the launcher's
//! pages. A worker that reset its memory by it would leave what the last program
//! wrote. wasmtime opens it anew after a fork of the C library, which ours is
//! not, and which could not be once paths are closed.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use super::descriptors::{Null, open_beyond_streams};
use super::memory::{is_dumpable, set_dumpable};

/// The engine's descriptor, and the way to one of the worker's own.
#[derive(Debug)]
pub(super) struct Pagemap {
    engine: RawFd,
    proc: File,
}

impl Pagemap {
    /// Finds the descriptor if the engine has one.
    pub(super) fn find() -> io::Result<Option<Self>> {
        let shows_pages = |number: &RawFd| {
            let target = fs::read_link(format!("/proc/self/fd/{number}"));
            target.is_ok_and(|target| target.ends_with("pagemap") && target.starts_with("/proc"))
        };
        let Some(engine) = open_beyond_streams()?.into_iter().find(shows_pages) else {
            return Ok(None);
        };
        let proc = fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open("/proc")?;
        Ok(Some(Self { engine, proc }))
    }

    /// `/proc`, through which a worker reaches its own pages, and the launcher
    /// only others' until then.
    pub(super) fn proc(&self) -> BorrowedFd<'_> {
        self.proc.as_fd()
    }

    pub(super) fn directory(&self) -> RawFd {
        self.proc.as_raw_fd()
    }

    /// Puts this process's own pages in the place of the launcher's. Where that
    /// fails nothing is there, and the engine resets without looking.
    pub(super) fn renew(&self, null: Option<&Null>) {
        // What cannot be dumped belongs to root, also for itself.
        let hidden = !is_dumpable();
        let _ = set_dumpable(true);
        // SAFETY: a path that ends with 0, and numbers.
        let own = unsafe {
            let flags = libc::O_RDONLY | libc::O_CLOEXEC;
            libc::openat(self.proc.as_raw_fd(), c"self/pagemap".as_ptr(), flags)
        };
        let _ = set_dumpable(!hidden);
        let instead = if own != -1 {
            own
        } else {
            null.map_or(-1, AsRawFd::as_raw_fd)
        };
        // SAFETY: takes numbers only. The engine's file goes on with its number,
        // whatever it is now; if it is nothing then the engine's call fails.
        unsafe {
            if libc::dup3(instead, self.engine, libc::O_CLOEXEC) == -1 {
                libc::close(self.engine);
            }
            if own != -1 {
                libc::close(own);
            }
        }
    }
}
