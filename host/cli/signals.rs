//! What the system would end this process for, and need not.

/// Lets a write beyond the largest file that the user allows (`ulimit -f`) fail
/// with an error. Otherwise the system ends the process in the middle of it,
/// and half a file is left under its name.
///
/// A handler that does nothing and not `SIG_IGN`: that would be inherited by
/// the servers that are started.
pub(crate) fn survive_file_limits() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler = nothing as extern "C" fn(libc::c_int);
    // SAFETY: the handler does nothing, so it is safe whatever it interrupts. It
    // has the type that handlers have, and no other thread runs yet.
    unsafe {
        libc::signal(libc::SIGXFSZ, handler as libc::sighandler_t);
    }
}
