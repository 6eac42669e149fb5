//! Messages that are no JSON: to which request does one of them belong?
//!
//! A server may write `NaN` into a result, print something in front of it
//! without a newline, be cut off in the middle or exceed what is read. Nothing
//! of such a message is passed on, since it could be a text that the server
//! merely repeats. But whoever waits for it must hear of it at once.

/// What a message that cannot be read shows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It looks like the answer to this request.
    Answer(i64),
    /// It looks like an answer, and nobody knows to what.
    SomeAnswer,
    /// It looks like nothing in particular.
    Nothing,
}

/// What messages begin with, in the orders of common SDKs.
const STARTS: &[&[u8]] = &[
    b"{\"jsonrpc\"",
    b"{\"result\"",
    b"{\"error\"",
    b"{\"id\"",
    b"{ \"jsonrpc\"",
];

/// Bytes in front of a message among which it is looked for.
const MAX_BEFORE: usize = 64 << 10;

impl Unreadable {
    /// Looks at a message, or at the beginning of one. `is_asked` tells which
    /// requests wait for an answer.
    pub(super) fn of(message: &[u8], is_asked: impl Fn(i64) -> bool) -> Self {
        let message = message.trim_ascii();
        let beginning = &message[..message.len().min(MAX_BEFORE)];
        let inside = STARTS.iter().filter_map(|start| {
            let found = beginning
                .windows(start.len())
                .position(|part| part == *start);
            found.filter(|&at| at > 0)
        });
        let whole = message.starts_with(b"{").then_some(0);
        let mut looks_like_one = false;
        for at in whole.into_iter().chain(inside) {
            let outline = Outline::of(&message[at..]);
            if !outline.is_answer() {
                continue;
            }
            match outline.id {
                Some(id) if is_asked(id) => return Self::Answer(id),
                Some(_) => {}
                // In front of other text it could be anything.
                None => looks_like_one |= at == 0,
            }
        }
        match looks_like_one {
            true => Self::SomeAnswer,
            false => Self::Nothing,
        }
    }

    /// Whether it is text in two bytes for each character.
    pub(super) fn is_utf16(message: &[u8]) -> bool {
        let message = [&[0xff, 0xfe][..], &[0xfe, 0xff]]
            .iter()
            .find_map(|mark| message.strip_prefix(*mark))
            .unwrap_or(message);
        // The end of the line before may have left half a character.
        let after = message.strip_prefix(&[0]).unwrap_or(message);
        message.starts_with(b"\0{\0") || after.starts_with(b"{\0")
    }
}

/// The names on the first level of an object, as far as it can be read.
#[derive(Default)]
struct Outline {
    id: Option<i64>,
    has_outcome: bool,
    has_method: bool,
    is_first_known: bool,
}

impl Outline {
    fn of(text: &[u8]) -> Self {
        let mut outline = Self::default();
        let (mut at, mut depth, mut is_name) = (0, 0_usize, false);
        let mut is_first = true;
        while let Some(&byte) = text.get(at) {
            at += 1;
            match byte {
                b'{' | b'[' => {
                    depth += 1;
                    is_name = depth == 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        break;
                    }
                }
                b',' => is_name = depth == 1,
                b'"' => {
                    let start = at;
                    while let Some(&byte) = text.get(at)
                        && byte != b'"'
                    {
                        at += if byte == b'\\' { 2 } else { 1 };
                    }
                    let string = text.get(start..at).unwrap_or_default();
                    at += 1;
                    if std::mem::take(&mut is_name) {
                        outline.add(string, text.get(at..).unwrap_or_default());
                        if std::mem::take(&mut is_first) {
                            outline.is_first_known =
                                matches!(string, b"jsonrpc" | b"result" | b"error" | b"id");
                        }
                    }
                }
                _ => {}
            }
        }
        outline
    }

    fn add(&mut self, name: &[u8], rest: &[u8]) {
        match name {
            b"result" | b"error" => self.has_outcome = true,
            b"method" => self.has_method = true,
            b"id" => {
                let is_between = |byte: &&u8| matches!(**byte, b':' | b'"' | b' ' | b'\t');
                let skipped = rest.iter().take_while(is_between).count();
                let digits = rest[skipped..].iter().take(18);
                let digits = digits.take_while(|byte| byte.is_ascii_digit());
                let digits: String = digits.map(|&byte| char::from(byte)).collect();
                self.id = digits.parse().ok();
            }
            _ => {}
        }
    }

    fn is_answer(&self) -> bool {
        self.has_outcome && !self.has_method && self.is_first_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Unreadable {
        Unreadable::of(message.as_bytes(), |id| id == 7)
    }

    #[test]
    fn the_answer_to_a_request_is_known_by_its_id() {
        for message in [
            r#"{"jsonrpc":"2.0","id":7,"result":{"a": NaN}}"#,
            r#"{"result":{"id":8,"method":"x","b":[{"a": Infinity}]},"jsonrpc":"2.0","id":"7"}"#,
            r#"{"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "mess"#,
            r#"done 100 % {"jsonrpc":"2.0","id":7,"result":{}}"#,
            r#"{"level": "info"} {"jsonrpc":"2.0","id":7,"result":{}}"#,
            "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"\u{7}\"}",
            r#"{"jsonrpc":"2.0","id":7,"result":{"text":"cut \"in the mid"#,
        ] {
            assert_eq!(of(message), Unreadable::Answer(7), "{message}");
        }
    }

    #[test]
    fn what_repeats_a_request_or_talks_of_another_is_no_answer() {
        for message in [
            r#"got {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"result":1}}"#,
            r#"sent {"jsonrpc":"2.0","id":8,"result":{}}"#,
            r#"{"unfinished": "#,
            r#"{"level":"error","error":NaN,"id":7}"#,
            "Welcome to the server!",
            "{{{{[[[[]]]]]]]]}}",
            "}",
            "",
            "\"",
            "{\"",
            "{\"\\",
        ] {
            assert_eq!(of(message), Unreadable::Nothing, "{message}");
        }
    }

    #[test]
    fn an_answer_without_its_id_is_some_answer() {
        for message in [
            r#"{"result":{"content":[{"type":"text","text":"cut"#,
            r#"{"jsonrpc":"2.0","id":null,"result":NaN}"#,
        ] {
            assert_eq!(of(message), Unreadable::SomeAnswer, "{message}");
        }
    }

    #[test]
    fn text_in_two_bytes_for_each_character_is_recognised() {
        let little: Vec<u8> = "{\"id\""
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let big: Vec<u8> = "{\"id\""
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        for message in [
            little.clone(),
            big.clone(),
            [&[0xff, 0xfe], &little[..]].concat(),
            [&[0xfe, 0xff], &big[..]].concat(),
            [&[0], &little[..]].concat(),
        ] {
            assert!(Unreadable::is_utf16(&message), "{message:?}");
        }
        for message in [&b"{\"id\": 1}"[..], b"", b"\xff\xfe\x00\x01 not text"] {
            assert!(!Unreadable::is_utf16(message), "{message:?}");
        }
    }
}
