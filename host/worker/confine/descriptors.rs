//! Which descriptors stay open.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::{Entered, checked};

/// A file that holds nothing and keeps nothing, for the standard streams: were
/// they closed, then the next descriptor would have the number of one, and what
/// a library complains about would be written into it.
#[derive(Debug)]
pub(super) struct Null(File);

impl Null {
    pub(super) fn open() -> Option<Self> {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null");
        null.ok().map(Self)
    }
}

impl AsRawFd for Null {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

const STREAMS: [RawFd; 3] = [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO];

/// A way to find what is open.
pub(super) type Open = fn() -> io::Result<Vec<RawFd>>;

/// Closes all descriptors but these. The standard streams that are not among
/// them lead nowhere. `open` says what is open where the kernel does not close
/// what it is not told one by one.
pub(super) fn keep_only(mut kept: Vec<RawFd>, null: Option<&Null>, open: Open) -> Entered {
    let mut closed_streams = false;
    for stream in STREAMS.into_iter().filter(|stream| !kept.contains(stream)) {
        // SAFETY: takes numbers only; nobody expects more of a standard stream
        // than that it can be used.
        closed_streams |= unsafe {
            match null {
                Some(null) => libc::dup2(null.as_raw_fd(), stream) == -1,
                None => libc::close(stream) == 0,
            }
        };
    }
    kept.extend(STREAMS);
    kept.sort_unstable();
    kept.dedup();
    close_between(&kept, open)
        .map_err(|error| format!("the system refuses to close them: {error}"))?;
    let streams = "there is no /dev/null: the standard streams are closed";
    Ok(closed_streams.then(|| streams.to_owned()))
}

/// Closes all descriptors but these, which are in order.
fn close_between(kept: &[RawFd], open: Open) -> io::Result<()> {
    let numbers = |fd: &RawFd| libc::c_uint::try_from(*fd).ok();
    let mut first: libc::c_uint = 0;
    for kept in kept.iter().filter_map(numbers) {
        if first < kept {
            close_range(first, kept - 1, open)?;
        }
        first = kept + 1;
    }
    close_range(first, libc::c_uint::MAX, open)
}

fn close_range(first: libc::c_uint, last: libc::c_uint, open: Open) -> io::Result<()> {
    // SAFETY: takes numbers only. Whoever calls this says that these descriptors
    // are used no more.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if closed == 0 {
        return Ok(());
    }
    // Before Linux 5.9, and where a container's filter does not know it.
    for open in open()? {
        let number = libc::c_uint::try_from(open).unwrap_or_default();
        if (first..=last).contains(&number) {
            // SAFETY: as above.
            unsafe { libc::close(open) };
        }
    }
    Ok(())
}

/// What is open, apart from the standard streams.
pub(super) fn open_beyond_streams() -> io::Result<Vec<RawFd>> {
    let names = match fs::read_dir("/proc/self/fd") {
        Ok(names) => names,
        Err(_) => return open_by_trying(),
    };
    let mut open = Vec::new();
    for name in names {
        let name = name?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        open.extend(number.filter(|number| !STREAMS.contains(number)));
    }
    // The folder itself was among them.
    open.retain(|number| is_open(*number));
    Ok(open)
}

/// Where there is no `/proc`, or no path at all any more.
pub(super) fn open_by_trying() -> io::Result<Vec<RawFd>> {
    /// More than a launcher has open.
    const MAX_NUMBER: RawFd = 1 << 16;
    let numbers = STREAMS.len() as RawFd..MAX_NUMBER;
    Ok(numbers.filter(|number| is_open(*number)).collect())
}

fn is_open(number: RawFd) -> bool {
    // SAFETY: takes numbers only.
    unsafe { checked(libc::fcntl(number, libc::F_GETFD)) }.is_ok()
}
