//! The environment that the launcher was started with.
//!
//! It is empty when the coordinator starts the launcher. An embedder may start it
//! in other ways, and what is in a process's memory is in its workers' too.

use std::fs;
use std::ops::Range;
use std::ptr;

use super::Entered;

/// Forgets all variables, and overwrites them where the kernel put them, which
/// is also what `/proc/PID/environ` shows.
pub(super) fn wipe() -> Entered {
    let region = region();
    // SAFETY: this process has one thread, so nobody reads the environment
    // meanwhile. What of it was handed out is not used any more: the launcher
    // calls this first.
    unsafe { libc::clearenv() };
    let Some(region) = region else {
        return Err("where it is in memory stands in /proc, which cannot be read".to_owned());
    };
    // SAFETY: the kernel says that these are the bytes of the environment, on the
    // stack of the first thread, which lives as long as the process and can be
    // written. Nothing points there after `clearenv`, apart from what belongs to
    // the dynamic linker, which reads no more of it.
    unsafe {
        let start = ptr::with_exposed_provenance_mut::<u8>(region.start);
        ptr::write_bytes(start, 0, region.len());
    }
    Ok(None)
}

/// Where the kernel put the variables.
fn region() -> Option<Range<usize>> {
    let [start, end] = [50, 51].map(|field| Some(stat_field(field)? as usize));
    let region = start?..end?;
    // Both are 0 where the kernel does not want to say.
    (region.start != 0 && region.start <= region.end).then_some(region)
}

/// A number in `/proc/self/stat`, by its place in the manual page, from 3.
pub(super) fn stat_field(field: usize) -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(field - 3)?.parse().ok()
}
