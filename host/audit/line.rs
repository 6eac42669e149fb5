//! One record as one line of a file: JSON, then the hash of the line before,
//! then a signature.
//!
//! ```json
//! {"v":1,"seq":7,"time":"…","us":1234,"kind":"call.sent", … ,"prev":"…","mac":"…"}
//! ```
//!
//! `prev` is the BLAKE3 hash of the whole line before, without its end. `mac` is
//! keyed and covers all of the line before it, so that who has the key sees a
//! changed record also where it is the last one. Whatever strangers named, one
//! record is one line: control characters, and all that are not seen for what
//! they are, are written as escapes.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value, ser::Formatter};
use stubs::text::is_hidden;

use crate::clock::{Moment, timestamp};
use crate::event::{Event, Hex};
use crate::key::{Key, MAC};

/// The version of the format. A reader refuses those it does not know.
pub(crate) const VERSION: u64 = 1;

/// The number of a record is never larger: every reader of JSON has it exactly.
pub(crate) const MAX_SEQ: u64 = 1 << 53;

/// Bytes of a line. The longest one has arguments as they are, each byte of
/// them written as an escape.
pub(crate) const MAX_LINE: usize = 256 << 10;

/// The hash of a line.
pub(crate) type Hash = Hex<32>;

/// What the first record of a chain follows.
pub(crate) const NOTHING: Hash = Hex([0; 32]);

const BEFORE_MAC: &[u8] = br#","mac":""#;
const AFTER_MAC: &[u8] = br#""}"#;

#[derive(Serialize)]
struct Record<'a> {
    v: u64,
    seq: u64,
    time: String,
    /// Microseconds since the process began to record.
    us: u64,
    #[serde(flatten)]
    event: &'a Event<'a>,
    prev: Hash,
}

/// Writes a record to the end of `line`, with a line break, and gives its hash.
pub(crate) fn write(
    line: &mut Vec<u8>,
    key: &Key,
    seq: u64,
    now: Moment,
    event: &Event<'_>,
    prev: Hash,
) -> Hash {
    let start = line.len();
    let record = Record {
        v: VERSION,
        seq,
        time: timestamp(now.wall),
        us: u64::try_from(now.monotonic.as_micros()).unwrap_or(u64::MAX),
        event,
        prev,
    };
    let mut serializer = serde_json::Serializer::with_formatter(&mut *line, OneLine);
    record
        .serialize(&mut serializer)
        .expect("texts and numbers are JSON, and a list of bytes takes them");
    // The object goes on.
    line.pop();
    let mac = Hex(key.mac(&line[start..]));
    line.extend_from_slice(BEFORE_MAC);
    mac.push_to(line);
    line.extend_from_slice(AFTER_MAC);
    let hash = hash(&line[start..]);
    line.push(b'\n');
    hash
}

pub(crate) fn hash(line: &[u8]) -> Hash {
    Hex(*blake3::hash(line).as_bytes())
}

/// A line that is a record, as far as its form goes.
pub(crate) struct Line {
    pub(crate) seq: u64,
    pub(crate) prev: Hash,
    pub(crate) hash: Hash,
    pub(crate) fields: Map<String, Value>,
}

impl Line {
    /// Reads a line without its end. `None` if it is no record.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        signed(line)?;
        let fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        text("kind")?;
        text("time")?;
        Some(Self {
            seq: fields.get("seq")?.as_u64().filter(|seq| *seq <= MAX_SEQ)?,
            prev: Hex::read(text("prev")?)?,
            hash: hash(line),
            fields,
        })
    }

    /// Whether its format is one that is known.
    pub(crate) fn is_known(&self) -> bool {
        self.fields.get("v").and_then(Value::as_u64) == Some(VERSION)
    }

    pub(crate) fn kind(&self) -> &str {
        self.text("kind")
    }

    /// A text; empty if there is none of this name.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A number; zero if there is none of this name.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.fields
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.fields
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }
}

/// Whether a line was written with this key and not changed since.
pub(crate) fn is_authentic(line: &[u8], key: &Key) -> bool {
    signed(line).is_some_and(|(text, mac)| key.mac(text) == mac.0)
}

/// A line in two parts: what is signed, and the signature.
fn signed(line: &[u8]) -> Option<(&[u8], Hex<MAC>)> {
    let rest = line.strip_suffix(AFTER_MAC)?;
    let (rest, mac) = rest.split_at_checked(rest.len().checked_sub(2 * MAC)?)?;
    let text = rest.strip_suffix(BEFORE_MAC)?;
    Some((text, Hex::read(str::from_utf8(mac).ok()?)?))
}

/// JSON on one line, of which a terminal shows nothing but what it says.
pub(crate) struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        // Text is ASCII nearly always, and of that only one is left to look for.
        let is_suspect = |c: char| (!c.is_ascii() || c == '\u{7f}') && is_hidden(c);
        while let Some(at) = rest.find(is_suspect) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut chars = rest[at..].chars();
            let mut units = [0; 2];
            for unit in chars.next().unwrap_or_default().encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// JSON as a record has it, for whoever prints one.
pub fn to_line(value: &impl Serialize) -> String {
    let mut line = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut line, OneLine);
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8(line).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;
    use crate::event::Origin;

    fn key() -> Key {
        Key::new(&[7; 32])
    }

    fn now() -> Moment {
        Moment {
            wall: UNIX_EPOCH + Duration::from_secs(1_795_937_114),
            monotonic: Duration::from_micros(1_500),
        }
    }

    fn line(server: &str, tool: &str) -> Vec<u8> {
        let event = Event::CallSent {
            call: 3,
            origin: Origin {
                run: Some(2),
                session: Some(key().tag("session", b"s")),
                caller: None,
            },
            server,
            tool,
            arguments: "{a: number}",
            text: None,
        };
        let mut line = Vec::new();
        write(&mut line, &key(), 9, now(), &event, NOTHING);
        assert_eq!(line.pop(), Some(b'\n'));
        line
    }

    #[test]
    fn a_record_is_one_object_in_a_fixed_order() {
        let text = String::from_utf8(line("git", "log")).unwrap();
        let session = key().tag("session", b"s");
        let zeros = "0".repeat(64);
        let expected = format!(
            r#"{{"v":1,"seq":9,"time":"2026-11-29T07:25:14.000000Z","us":1500,"kind":"call.sent","call":3,"run":2,"session":"{session}","server":"git","tool":"log","arguments":"{{a: number}}","prev":"{zeros}","mac":""#
        );
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!(text.len(), expected.len() + 2 * MAC + 2);
    }

    #[test]
    fn a_changed_record_is_not_authentic() {
        let whole = line("git", "log");
        assert!(is_authentic(&whole, &key()));
        assert!(!is_authentic(&whole, &Key::new(&[8; 32])));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(!is_authentic(&changed, &key()), "{at}");
            assert!(Line::read(&changed).is_none_or(|line| line.hash != hash(&whole)));
        }
    }

    #[test]
    fn nothing_that_a_stranger_named_ends_a_line_or_moves_a_cursor() {
        let nasty = "a\n{\"v\":1}\r\u{1b}[2J\u{9b}1m\u{202e}\u{2028}\u{feff}\u{7f}\0%s{}\u{e0041}é";
        let text = line(nasty, "t");
        let text = str::from_utf8(&text).unwrap();
        assert!(!text.chars().any(is_hidden), "{text}");
        assert!(text.contains("\\u202e") && text.contains("é") && text.contains("\\udb40\\udc41"));
        let read = Line::read(text.as_bytes()).unwrap();
        assert_eq!(read.text("server"), nasty);
        assert_eq!(to_line(&read.fields), text, "printed as it was written");
    }

    #[test]
    fn what_is_no_record_is_not_taken_for_one() {
        for text in ["", "{}", "null", r#"{"v":1,"mac":"00"}"#, r#","mac":""}"#] {
            assert!(Line::read(text.as_bytes()).is_none(), "{text}");
        }
        let whole = line("git", "log");
        assert!(Line::read(&whole[..whole.len() - 1]).is_none());
        assert!(Line::read(&[&whole[..], &whole[..]].concat()).is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(server in ".*", tool in any::<String>()) {
            let line = line(&server, &tool);
            prop_assert!(!line.contains(&b'\n'));
            let read = Line::read(&line).unwrap();
            prop_assert_eq!(read.text("server"), server);
            prop_assert_eq!(read.text("tool"), tool);
            prop_assert!(is_authentic(&line, &key()));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Line::read(&bytes);
            let _ = is_authentic(&bytes, &key());
        }
    }
}
