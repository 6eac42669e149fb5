//! The lines of one file, within bounds: a file of the record may be anybody's
//! by the time it is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek as _, SeekFrom};
use std::path::Path;

use crate::directory;
use crate::line::MAX_LINE;

/// Reads a file line by line, and knows where it is.
pub(crate) struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
    /// Where the next line begins.
    at: u64,
    number: u64,
}

/// What stands on a line.
pub(crate) enum Text<'l> {
    /// The line, without its end.
    Line(&'l [u8]),
    /// More than any record has, so many bytes, without its end.
    Long(u64),
    /// What follows the last line break: so many bytes.
    Torn(u64),
}

impl Lines {
    /// From this byte on, which begins a line.
    pub(crate) fn open(path: &Path, at: u64) -> io::Result<Self> {
        let mut file = directory::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        Ok(Self {
            reader: BufReader::with_capacity(64 << 10, file),
            line: Vec::new(),
            at,
            number: 0,
        })
    }

    /// From some line near the end on.
    pub(crate) fn near_end(path: &Path) -> io::Result<Self> {
        let size = directory::open(path)?.metadata()?.len();
        let Some(at) = size.checked_sub(2 * MAX_LINE as u64) else {
            return Self::open(path, 0);
        };
        let mut lines = Self::open(path, at)?;
        // It begins before.
        lines.next()?;
        Ok(lines)
    }

    /// Where the next line begins.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The number of the last line, counted from 1, if the file was read from
    /// its start.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether nothing is left of what was read from the disk, so that the next
    /// line may not be there.
    pub(crate) fn is_at_end(&self) -> bool {
        !self.reader.buffer().contains(&b'\n')
    }

    /// The next line, as far as there is one now.
    pub(crate) fn next(&mut self) -> io::Result<Option<Text<'_>>> {
        self.line.clear();
        let mut length = 0;
        loop {
            let buffer = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                return Ok((length > 0).then_some(Text::Torn(length)));
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            if self.line.len() + part.len() <= MAX_LINE {
                self.line.extend_from_slice(part);
            }
            let taken = part.len() + usize::from(end.is_some());
            length += part.len() as u64;
            self.reader.consume(taken);
            if end.is_some() {
                self.at += length + 1;
                self.number += 1;
                let is_whole = self.line.len() as u64 == length;
                return Ok(Some(if is_whole {
                    Text::Line(&self.line)
                } else {
                    Text::Long(length)
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let mut lines = Lines::open(file.path(), 0).unwrap();
        let mut read = Vec::new();
        while let Some(text) = lines.next().unwrap() {
            let text = match text {
                Text::Line(line) => format!("{}", String::from_utf8_lossy(line)),
                Text::Long(bytes) => format!("long {bytes}"),
                Text::Torn(bytes) => format!("torn {bytes}"),
            };
            read.push(format!("{text} {}", lines.at()));
        }
        read
    }

    #[test]
    fn lines_are_read_with_their_places_and_a_torn_end_is_known() {
        assert_eq!(read(b""), [""; 0]);
        assert_eq!(read(b"ab\n\nc"), ["ab 3", " 4", "torn 1 4"]);
        assert_eq!(read(b"\xff\n"), ["\u{fffd} 2"]);
        let long = MAX_LINE + 1;
        let content = [&vec![b'x'; long][..], b"\ny\n"].concat();
        assert_eq!(
            read(&content),
            [
                format!("long {long} {}", long + 1),
                format!("y {}", long + 3)
            ]
        );
        let content = [&vec![b'x'; MAX_LINE][..], b"\n"].concat();
        assert!(read(&content)[0].starts_with("xxx"));
    }
}
