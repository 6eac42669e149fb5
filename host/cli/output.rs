//! The one place that writes to the standard streams.
//!
//! Whoever reads standard output may go away (`| head`), and a file behind it
//! may be on a full disk. The first write that fails is remembered, nothing is
//! written after it, and [`failure`] says at the end what it means. So a command
//! need not look at each line, and none can forget to.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::OnceLock;

use super::failure::{EXIT_BROKEN_PIPE, EXIT_HOST, Failure, reason};
use super::terminal::Message;

/// Why standard output takes no more.
static BROKEN: OnceLock<io::Error> = OnceLock::new();

/// Writes text, and a line break after it.
pub(crate) fn line(text: impl Display) {
    write(format!("{text}\n").as_bytes());
}

/// Writes bytes as they are.
pub(crate) fn write(bytes: &[u8]) {
    if BROKEN.get().is_some() {
        return;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
        let _ = BROKEN.set(error);
    }
}

/// What is to be said of the command because its output did not arrive. Nobody
/// needs to be told that a pipe was closed: whoever did it has seen enough.
pub(crate) fn failure() -> Option<Failure> {
    BROKEN.get().map(undelivered)
}

/// What it means that standard output cannot be written.
pub(crate) fn undelivered(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure {
            message: Message::silent(),
            exit_code: EXIT_BROKEN_PIPE,
        };
    }
    let message = format!("standard output cannot be written: {}", reason(error));
    Failure {
        message: Message::error(message).hint("what was to be printed is lost or cut off"),
        exit_code: EXIT_HOST,
    }
}

/// Standard error. There is nobody to be told when it cannot be written, so
/// that never fails.
pub(crate) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
