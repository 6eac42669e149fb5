//! Texts without their escapes, with the places where each byte came from.
//!
//! One reading for all manners of writing: which one a server used is not known,
//! and a text may have several. So a text that only looks like an escape is read
//! as one; nothing but secrets is ever looked for in what comes of it.

use memchr::{memchr_iter, memchr2, memchr3_iter, memmem};

/// Bytes, and where each began in the text; one more place for the end.
pub(super) type Read = (Vec<u8>, Vec<usize>);

/// Whether something in a text may hide a character. Quotes and the like are
/// escaped everywhere; they hide only what is `special` itself.
pub(super) fn has_escapes(text: &[u8], special: bool) -> bool {
    let has = |what: &[u8]| memmem::find(text, what).is_some();
    let is_hex = |at: usize| text.get(at + 1).is_some_and(u8::is_ascii_hexdigit);
    has(b"\\u")
        || has(b"\\x")
        || has(b"&#")
        || memchr_iter(b'%', text).any(is_hex)
        || special && memchr2(b'\\', b'&', text).is_some()
}

/// A text with its escapes read once; `None` if it has none.
pub(super) fn unescaped(text: &[u8]) -> Option<Read> {
    let (mut bytes, mut places) = (Vec::with_capacity(text.len()), Vec::new());
    let has_any = read(text, |at, plain, meaning| {
        places.extend(at..at + plain.len());
        bytes.extend_from_slice(plain);
        places.extend(std::iter::repeat_n(at + plain.len(), meaning.len()));
        bytes.extend_from_slice(meaning);
    });
    places.push(text.len());
    has_any.then_some((bytes, places))
}

/// The same without the places.
pub(super) fn unescaped_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let has_any = read(text, |_, plain, meaning| {
        bytes.extend_from_slice(plain);
        bytes.extend_from_slice(meaning);
    });
    has_any.then_some(bytes)
}

/// Reads a text piece by piece: `put` gets where a plain piece begins, the piece,
/// and what the escape behind it means. False if there is none.
fn read<'t>(text: &'t [u8], mut put: impl FnMut(usize, &'t [u8], &[u8])) -> bool {
    let mut at = 0;
    let mut has_any = false;
    for escape in memchr3_iter(b'\\', b'%', b'&', text) {
        if escape < at {
            continue; // Inside of the one before.
        }
        let Some((meaning, length)) = escape_of(&text[escape..]) else {
            continue;
        };
        has_any = true;
        let mut utf8 = [0; 4];
        let meaning = match meaning {
            Meaning::Byte(byte) => {
                utf8[0] = byte;
                &utf8[..1]
            }
            Meaning::Character(character) => character.encode_utf8(&mut utf8).as_bytes(),
        };
        put(at, &text[at..escape], meaning);
        at = escape + length;
    }
    if has_any {
        put(at, &text[at..], &[]);
    }
    has_any
}

/// A text without white space, for what was broken into lines; `None` if it has
/// none.
pub(super) fn without_spaces(text: &[u8]) -> Option<Read> {
    if !text.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    let kept = text.iter().enumerate();
    let kept = kept.filter(|(_, byte)| !byte.is_ascii_whitespace());
    let (mut places, bytes): (Vec<_>, Vec<_>) = kept.map(|(at, &byte)| (at, byte)).unzip();
    places.push(text.len());
    Some((bytes, places))
}

enum Meaning {
    Byte(u8),
    Character(char),
}

/// What the escape at the start of a text means, and how long it is.
fn escape_of(text: &[u8]) -> Option<(Meaning, usize)> {
    match text {
        [b'%', ..] => {
            let byte = number(text.get(1..3)?, 16)?;
            Some((Meaning::Byte(byte as u8), 3))
        }
        [b'&', rest @ ..] => {
            let (character, length) = entity(rest)?;
            Some((Meaning::Character(character), length + 1))
        }
        [b'\\', rest @ ..] => {
            let (character, length) = backslash(rest)?;
            Some((Meaning::Character(character), length + 1))
        }
        _ => None,
    }
}

/// As JSON, JavaScript, Python and Rust write characters, behind the backslash.
fn backslash(text: &[u8]) -> Option<(char, usize)> {
    Some(match *text.first()? {
        b'n' => ('\n', 1),
        b'r' => ('\r', 1),
        b't' => ('\t', 1),
        b'b' => ('\u{8}', 1),
        b'f' => ('\u{c}', 1),
        quoted @ (b'"' | b'\'' | b'\\' | b'/') => (char::from(quoted), 1),
        b'x' => (char::from(number(text.get(1..3)?, 16)? as u8), 3),
        b'u' if text.get(1) == Some(&b'{') => {
            let end = memmem::find(text.get(..12).unwrap_or(text), b"}")?;
            (char::from_u32(number(text.get(2..end)?, 16)?)?, end + 1)
        }
        b'u' => {
            let first = number(text.get(1..5)?, 16)?;
            match char::from_u32(first) {
                Some(character) => (character, 5),
                // Two that are one character.
                None => {
                    let rest = text.get(5..11)?.strip_prefix(b"\\u")?;
                    let second = number(rest, 16)?;
                    let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
                    let read = char::decode_utf16(pair).next()?;
                    (read.ok()?, 11)
                }
            }
        }
        _ => return None,
    })
}

/// As HTML and XML write characters, behind the ampersand.
fn entity(text: &[u8]) -> Option<(char, usize)> {
    let end = memmem::find(text.get(..12).unwrap_or(text), b";")?;
    let character = match &text[..end] {
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?)?,
        [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        b"nbsp" => ' ',
        _ => return None,
    };
    Some((character, end + 1))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    // Parsing would take a sign, too.
    let text = std::str::from_utf8(digits).ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_plain.then(|| u32::from_str_radix(text, radix).ok())?
}
