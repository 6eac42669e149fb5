//! Bearer tokens: secrets that callers prove to hold, kept as digests.

use std::{fmt, io};

use contract::caller::Caller;

/// Below this number of characters a token can be guessed.
const MIN_TOKEN: usize = 16;

/// Above this number of characters a token does not fit into a header.
const MAX_TOKEN: usize = 1024;

/// Keeps the digest of a token apart from every other digest of it.
const CONTEXT: &str = "wasm-coordinator 2026-11 caller of a bearer token";

/// A secret that a caller proves to hold, kept as a digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token(Caller);

impl Token {
    /// The token written here; blanks around it do not count.
    ///
    /// # Errors
    ///
    /// It is too short to be a secret (fewer than 16 characters), too long for
    /// a header (more than 1,024), or holds characters no header can carry.
    /// The message does not show it.
    pub fn new(text: &str) -> io::Result<Self> {
        let text = text.trim();
        let problem = if text.len() < MIN_TOKEN {
            format!("has fewer than {MIN_TOKEN} characters and could be guessed")
        } else if text.len() > MAX_TOKEN {
            format!("has more than {MAX_TOKEN} characters and fits into no header")
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            "holds a blank or a character outside of ASCII, which no header can carry".to_owned()
        } else {
            return Ok(Self(digest(text)));
        };
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the token {problem}\nhint: make one with `openssl rand -hex 32`"),
        ))
    }

    /// The caller this token stands for.
    pub fn caller(&self) -> Caller {
        self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The caller that a text stands for, if it is one of the tokens. What takes
/// time does so whether it is one or not.
pub(super) fn find(presented: &str, tokens: &[Token]) -> Option<Caller> {
    let presented = digest(presented);
    // `blake3::Hash` compares in constant time, and the loop goes to its end.
    let hash = blake3::Hash::from_bytes(presented.0);
    let mut is_known = false;
    for token in tokens {
        is_known |= hash == blake3::Hash::from_bytes(token.0.0);
    }
    is_known.then_some(presented)
}

fn digest(token: &str) -> Caller {
    Caller(blake3::derive_key(CONTEXT, token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct-horse-battery-staple";

    #[test]
    fn a_token_does_not_show() {
        let token = Token::new(TOKEN).unwrap();
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert_eq!(token.caller().to_string().len(), 8);
        for bad in ["short", &"x".repeat(1025), "with a blank in the middle"] {
            let error = Token::new(bad).unwrap_err().to_string();
            assert!(!error.contains(bad), "{error}");
        }
    }

    #[test]
    fn only_one_of_the_tokens_is_found() {
        let tokens = [
            Token::new("another-one-of-them").unwrap(),
            Token::new(TOKEN).unwrap(),
        ];
        assert_eq!(find(TOKEN, &tokens), Some(tokens[1].caller()));
        assert_eq!(find("correct-horse-battery-stapl", &tokens), None);
        assert_eq!(find(TOKEN, &[]), None);
    }
}
