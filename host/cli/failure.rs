//! Why a subcommand could not do its work, and the exit codes.

use wasm_coordinator::BadPattern;

use super::terminal::Message;

/// Usage or configuration is wrong.
pub(crate) const EXIT_USAGE: u8 = 2;
/// The host failed.
pub(crate) const EXIT_HOST: u8 = 4;
/// Something is refused.
pub(crate) const EXIT_REFUSED: u8 = 3;
/// Whoever read standard output went away: as shells count `SIGPIPE`, of which
/// other programs die.
pub(crate) const EXIT_BROKEN_PIPE: u8 = 141;
/// Ended by Ctrl-C, as shells count it.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// Why a subcommand could not do its work: what to print, and the exit code.
pub(crate) struct Failure {
    pub(crate) message: Message,
    pub(crate) exit_code: u8,
}

impl Failure {
    /// Something about the command line or a file named on it.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: Message::error(message).hint(hint),
            exit_code: EXIT_USAGE,
        }
    }

    /// Something of ours or of the machine.
    pub(crate) fn host(error: impl std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self {
            message: Message::error(text),
            exit_code: EXIT_HOST,
        }
    }
}

impl From<BadPattern> for Failure {
    fn from(error: BadPattern) -> Self {
        Self::usage(error.to_string(), "")
    }
}

/// The operating system's words without its error number.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
