//! The one place that writes to the standard streams.
//!
//! Whoever reads standard output may go away (`| head`), and a file behind it
//! may be on a full disk. The first write that fails is remembered, nothing is
//! written after it, and [`failure`] says at the end what it means. So a command
//! need not look at each line, and none can forget to.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{OnceLock, PoisonError, RwLock};

use wasm_coordinator::Redactor;

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

/// Whether nothing more can arrive.
pub(crate) fn is_broken() -> bool {
    BROKEN.get().is_some()
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

/// What takes secrets out of the log: those of servers, and the tokens of
/// clients. Filled as they become known, before anything can speak of them.
static SECRETS: RwLock<Vec<Redactor>> = RwLock::new(Vec::new());

/// From now on these secrets are not in the log.
pub(crate) fn keep_out_of_log(secrets: Redactor) {
    let mut known = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    known.push(secrets);
}

/// The log, on standard error. Libraries write to it too, and some write what
/// they send; so secrets are taken out here once more.
pub(crate) struct Log;

impl Write for Log {
    /// Each event is one write.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let known = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(bytes).into_owned();
        let text = known.iter().fold(text, |text, secrets| secrets.text(text));
        Stderr.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Messages of panics go the way of the log.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        let trace = std::backtrace::Backtrace::capture();
        let mut text = format!("\nthread '{name}' {panic}\n");
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            text.push_str(&format!("{trace}\n"));
        }
        let _ = Log.write(text.as_bytes());
    }));
}
