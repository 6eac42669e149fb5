//! The lines of a request's head end as HTTP says, with CR and LF.
//!
//! The parser takes a bare LF for an end, too. A proxy that does not would see
//! other headers than we do, and that is how requests are smuggled past it. So a
//! bare LF is replaced here, before the parser, by what no head may contain, and
//! the parser refuses the request.

/// No head may contain it: parsers answer 400.
const FORBIDDEN: u8 = 0;

/// Bytes of a line that is remembered. One that says where a body ends and is
/// longer is refused: numbers may begin with any number of zeros.
const MAX_LINE: usize = 256;

/// Follows the bytes that a client sends.
#[derive(Default)]
pub(super) struct LineEnds {
    part: Part,
    /// The line so far, or its beginning.
    line: Vec<u8>,
    /// Whether the last byte was a CR.
    after_cr: bool,
    /// Of the head so far.
    has_lines: bool,
    length: u64,
    is_chunked: bool,
}

#[derive(Default, PartialEq)]
enum Part {
    #[default]
    Head,
    /// So many bytes are left of it.
    Body(u64),
    /// Where it ends is not said by a length. Nothing that follows on the
    /// connection is read as a request.
    Rest,
}

impl LineEnds {
    /// Looks at bytes as they come, and replaces what may not be.
    pub(super) fn check(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            match &mut self.part {
                Part::Rest => return,
                Part::Body(left) => {
                    let here = bytes
                        .len()
                        .min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= here as u64;
                    if *left == 0 {
                        self.part = Part::Head;
                    }
                    bytes = &mut bytes[here..];
                }
                Part::Head => {
                    let (byte, rest) = bytes.split_at_mut(1);
                    self.head(&mut byte[0]);
                    bytes = rest;
                }
            }
        }
    }

    fn head(&mut self, byte: &mut u8) {
        match *byte {
            b'\n' if !self.after_cr || !self.line_ends() => {
                *byte = FORBIDDEN;
                self.part = Part::Rest;
            }
            b'\n' => {}
            b'\r' => {}
            other if self.line.len() < MAX_LINE => self.line.push(other),
            _ => {}
        }
        self.after_cr = *byte == b'\r';
    }

    /// Whether the line may stand.
    fn line_ends(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            // Empty lines may stand before a request.
            if std::mem::take(&mut self.has_lines) {
                let length = std::mem::take(&mut self.length);
                self.part = match (std::mem::take(&mut self.is_chunked), length) {
                    (true, _) => Part::Rest,
                    (false, 0) => Part::Head,
                    (false, length) => Part::Body(length),
                };
            }
            return true;
        }
        self.has_lines = true;
        let is_cut = line.len() == MAX_LINE;
        let line = String::from_utf8_lossy(&line);
        let Some((name, value)) = line.split_once(':') else {
            return true;
        };
        if name.eq_ignore_ascii_case("transfer-encoding") {
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case("content-length") {
            if is_cut {
                return false;
            }
            // One that is none is refused by the parser.
            self.length = value.trim().parse().unwrap_or(0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of bytes that come in pieces of this size.
    fn checked(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut ends = LineEnds::default();
        let mut bytes = bytes.to_vec();
        bytes.chunks_mut(piece).for_each(|piece| ends.check(piece));
        bytes
    }

    #[test]
    fn a_length_that_is_not_read_to_its_end_is_refused() {
        let request = |zeros: usize| {
            let zeros = "0".repeat(zeros);
            format!("POST / HTTP/1.1\r\nContent-Length: {zeros}2\r\n\r\na\nGET / HTTP/1.1\n\r\n")
        };
        for (zeros, forbidden_at) in [(0, "GET / HTTP/1.1"), (300, "2\r")] {
            let request = request(zeros);
            let at = request.rfind(forbidden_at).unwrap() + forbidden_at.len();
            let checked = checked(request.as_bytes(), 7);
            assert_eq!(checked.iter().position(|byte| *byte == FORBIDDEN), Some(at));
        }
    }

    #[test]
    fn a_bare_line_feed_is_refused_in_heads_and_free_in_bodies() {
        let fine = b"\r\nPOST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na\n\n\nGET / HTTP/1.1\r\n\r\n";
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n";
        for piece in [1, 2, 7, 1_000] {
            assert_eq!(checked(fine, piece), fine);
            assert_eq!(checked(chunked, piece), chunked);
            for bare in [
                &b"GET / HTTP/1.1\nHost: a\r\n\r\n"[..],
                b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: a\r\n\n",
                b"\nGET / HTTP/1.1\r\n\r\n",
                b"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n\nGET / HTTP/1.1\n\r\n",
            ] {
                assert!(checked(bare, piece).contains(&FORBIDDEN), "{bare:?}");
            }
        }
    }
}
