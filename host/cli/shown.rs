//! What a program prints, passed on while it runs.

use std::io::{IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};

use contract::limits::Limit;
use contract::text::visible;
use wasm_coordinator::{Report, Stream};

use super::output::{self, Stderr};

/// The streams as somebody sees them. A character that was printed in two
/// pieces is passed on as one, so that a limit cuts none apart; on a terminal,
/// control characters of the program are made visible.
pub(crate) struct Shown(Mutex<[Side; 2]>);

struct Side {
    stream: Stream,
    is_terminal: bool,
    /// The beginning of a character whose end was not printed yet.
    begun: Vec<u8>,
}

impl Shown {
    pub(crate) fn new() -> Self {
        let side = |stream, is_terminal| Side {
            stream,
            is_terminal,
            begun: Vec::new(),
        };
        Self(Mutex::new([
            side(Stream::Stdout, std::io::stdout().is_terminal()),
            side(Stream::Stderr, std::io::stderr().is_terminal()),
        ]))
    }

    /// Passes a piece on.
    pub(crate) fn pass(&self, stream: Stream, bytes: &[u8]) {
        let mut sides = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let side = &mut sides[stream as usize];
        let mut bytes = [&std::mem::take(&mut side.begun), bytes].concat();
        side.begun = bytes.split_off(whole(&bytes));
        side.write(&bytes);
    }

    /// Passes on what is left, unless a limit cut it off.
    pub(crate) fn finish(&self, report: &Report) {
        let limit = report.error.as_ref().and_then(|error| error.limit);
        if let Some(Limit::Output(_)) = limit {
            return;
        }
        let mut sides = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for side in &mut *sides {
            let begun = std::mem::take(&mut side.begun);
            side.write(&begun);
        }
    }
}

impl Side {
    fn write(&self, bytes: &[u8]) {
        let text;
        let bytes = if self.is_terminal {
            text = visible(&String::from_utf8_lossy(bytes)).into_owned();
            text.as_bytes()
        } else {
            bytes
        };
        match self.stream {
            Stream::Stdout => output::write(bytes),
            Stream::Stderr => {
                let _ = Stderr.write_all(bytes);
            }
        }
    }
}

/// How many of the bytes are left without a character that has no end yet.
/// Bytes that are no UTF-8 at all are whole.
fn whole(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    match std::str::from_utf8(&bytes[tail..]) {
        Ok(_) => bytes.len(),
        Err(_) => (tail..bytes.len())
            .find(|&at| is_begun(&bytes[at..]))
            .unwrap_or(bytes.len()),
    }
}

/// Whether this is a character of which the end is missing.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_in_two_pieces_waits_for_its_end() {
        let check = |bytes: &[u8], expected| assert_eq!(whole(bytes), expected, "{bytes:?}");
        check(b"", 0);
        check(b"abc", 3);
        check("ab€".as_bytes(), 5);
        check(&"ab€".as_bytes()[..4], 2);
        check(&"ab€".as_bytes()[..3], 2);
        check(&"ab😀".as_bytes()[..5], 2);
        check(&"😀".as_bytes()[..1], 0);
        // What is no text is passed on as it is.
        check(b"\xff\xff", 2);
        check(b"a\x80\x80\x80", 4);
    }
}
