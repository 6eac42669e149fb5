//! Messages for people: one form for errors, warnings and hints, coloured only
//! on a terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use contract::text::visible;

use super::output::Stderr;

/// Whether to colour what goes to stderr.
pub(crate) fn colours() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A message with the kind in front and perhaps a hint below.
#[derive(Debug)]
pub(crate) struct Message {
    kind: Kind,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Error,
    Warning,
    Note,
    /// Already in its final form.
    Formatted,
    /// Nothing to say.
    Silent,
}

impl Message {
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self {
            kind: Kind::Error,
            text: text.into(),
            hint: None,
        }
    }

    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Self {
            kind: Kind::Warning,
            text: text.into(),
            hint: None,
        }
    }

    pub(crate) fn note(text: impl Into<String>) -> Self {
        Self {
            kind: Kind::Note,
            text: text.into(),
            hint: None,
        }
    }

    /// A text that says by itself what it is: a diagnostic with a source line.
    pub(crate) fn formatted(text: impl Into<String>) -> Self {
        Self {
            kind: Kind::Formatted,
            text: text.into(),
            hint: None,
        }
    }

    /// Nothing: only the exit code speaks.
    pub(crate) fn silent() -> Self {
        Self {
            kind: Kind::Silent,
            text: String::new(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        self
    }

    /// Prints to stderr.
    pub(crate) fn print(&self) {
        let colours = colours();
        let mut text = String::new();
        let paint = |code: &str, label: &str| {
            if colours {
                format!("\u{1b}[1;{code}m{label}\u{1b}[0m")
            } else {
                label.to_owned()
            }
        };
        let label = match self.kind {
            Kind::Error => paint("31", "error:") + " ",
            Kind::Warning => paint("33", "warning:") + " ",
            Kind::Note => paint("36", "note:") + " ",
            Kind::Formatted => String::new(),
            Kind::Silent => return,
        };
        let _ = writeln!(text, "{label}{}", visible(&self.text));
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "{} {}", paint("36", "hint:"), visible(hint));
        }
        let _ = Stderr.write_all(text.as_bytes());
    }
}
