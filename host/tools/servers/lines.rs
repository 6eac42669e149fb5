//! Lines of bounded length, for the transports over standard streams: one JSON
//! message a line.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Bytes of a line that is too long which are kept, to tell what it was.
const BEGINNING: usize = 4 << 10;

/// How many times the bound is skipped of a line before it counts as endless.
const MAX_SKIPPED: usize = 16;

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A whole line that is not blank.
    Whole(Vec<u8>),
    /// How a line begins that is longer than the bound. Told as soon as that is
    /// known; its rest is skipped when the next line is read.
    TooLong(Vec<u8>),
    /// What came after the last end of a line, at the end of the stream.
    Unfinished(Vec<u8>),
}

/// Reads lines. Blank ones are skipped.
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
    /// What has come of the next line.
    line: Vec<u8>,
    /// The rest of the present line is skipped, and so many bytes of it were.
    skips: bool,
    skipped: usize,
    max_line: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads lines of at most `max_line` bytes.
    pub fn new(reader: R, max_line: usize) -> Self {
        Self {
            reader: BufReader::with_capacity(64 << 10, reader),
            line: Vec::new(),
            skips: false,
            skipped: 0,
            max_line,
        }
    }

    /// The next line, or `None` at the end of the stream. Nothing is lost when
    /// this future is dropped: all progress is kept in `self`.
    ///
    /// # Errors
    ///
    /// The stream cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                let rest = std::mem::take(&mut self.line);
                let is_blank = rest.trim_ascii().is_empty();
                return Ok((!is_blank).then_some(Line::Unfinished(rest)));
            }
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let is_too_long = !self.skips && self.line.len() + part.len() > self.max_line;
            let mut beginning = Vec::new();
            if is_too_long {
                beginning = std::mem::take(&mut self.line);
                beginning.extend_from_slice(&part[..part.len().min(BEGINNING)]);
                beginning.truncate(BEGINNING);
                beginning.shrink_to_fit();
                self.skips = true;
                self.skipped = 0;
            } else if self.skips {
                self.skipped += part.len();
                if self.skipped / MAX_SKIPPED > self.max_line {
                    let text = "it writes a line that does not end";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            } else {
                self.line.extend_from_slice(part);
            }
            let consumed = part.len() + usize::from(end.is_some());
            self.reader.consume(consumed);
            if end.is_some() {
                self.skips = false;
            }
            if is_too_long {
                return Ok(Some(Line::TooLong(beginning)));
            }
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(Line::Whole(line)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn lines(text: &[u8], max_line: usize) -> Vec<Line> {
        let mut lines = Lines::new(text, max_line);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        read
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn lines_are_split_and_blank_ones_skipped() {
        let read = lines(b"{}\n\n  \r\n[1]\r\nrest", 10).await;
        let rest = Line::Unfinished(b"rest".to_vec());
        assert_eq!(read, [whole("{}"), whole("[1]\r"), rest]);
    }

    #[tokio::test]
    async fn a_line_may_be_as_long_as_the_bound_and_no_longer() {
        let long = vec![b'x'; 100_000];
        let with_end = [&long[..], b"\n"].concat();
        assert_eq!(
            lines(&with_end, long.len()).await,
            [Line::Whole(long.clone())]
        );
        for text in [&with_end, &long] {
            let beginning = Line::TooLong(vec![b'x'; BEGINNING]);
            assert_eq!(lines(text, long.len() - 1).await, [beginning]);
        }
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_costs_only_itself() {
        let text = [&vec![b'x'; 200_000][..], b"\nshort\n"].concat();
        let mut reader = Lines::new(&text[..], 20_000);
        let beginning = Line::TooLong(vec![b'x'; BEGINNING]);
        assert_eq!(reader.next().await.unwrap(), Some(beginning));
        assert_eq!(reader.next().await.unwrap(), Some(whole("short")));
    }

    #[tokio::test]
    async fn a_line_without_end_is_an_error() {
        let text = vec![b'x'; 400_000];
        let mut reader = Lines::new(&text[..], 10);
        assert!(matches!(
            reader.next().await.unwrap(),
            Some(Line::TooLong(_))
        ));
        assert!(reader.next().await.is_err());
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_told_before_it_ends() {
        let (mut writer, reader) = tokio::io::duplex(64);
        let mut lines = Lines::new(reader, 10);
        writer.write_all(&[b'x'; 20]).await.unwrap();
        let beginning = Line::TooLong(vec![b'x'; 20]);
        assert_eq!(lines.next().await.unwrap(), Some(beginning));
    }

    #[tokio::test]
    async fn a_line_that_comes_in_pieces_is_whole_however_often_it_is_given_up() {
        let (mut writer, reader) = tokio::io::duplex(64);
        let mut lines = Lines::new(reader, 10);
        for byte in b"[1, 2]" {
            writer.write_all(&[*byte]).await.unwrap();
            let next = tokio::time::timeout(Duration::from_millis(1), lines.next());
            assert!(next.await.is_err(), "the line is not complete");
        }
        writer.write_all(b"\n").await.unwrap();
        assert_eq!(lines.next().await.unwrap(), Some(whole("[1, 2]")));
    }
}
