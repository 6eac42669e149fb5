//! Who calls: bearer tokens in, callers out.
//!
//! A token is read from the `Authorization` header and nowhere else, compared
//! as a digest in constant time, and dropped. What comes after this knows
//! callers only.

use std::fmt;

use axum::http::{HeaderMap, header::AUTHORIZATION, request::Parts};
use rmcp::model::Extensions;

use super::options::Token;

/// Keeps the digest of a token apart from every other digest of it.
const CONTEXT: &str = "wasm-coordinator 2026-11 caller of a bearer token";

/// Who sent a request: a digest of the token, the same for the same token.
///
/// What belongs to one caller (sessions, files, consent) is never shown to
/// another. Its text is a short prefix, for logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller(pub [u8; 32]);

impl Caller {
    /// Everyone, on a server without tokens.
    pub const ANYONE: Self = Self([0; 32]);

    /// Whoever failed to prove who they are. They share one rate.
    pub(super) const STRANGER: Self = Self([0xff; 32]);

    /// The caller of the request that carried these extensions;
    /// [`Caller::ANYONE`] when it did not come over HTTP.
    pub fn of(extensions: &Extensions) -> Self {
        extensions
            .get::<Parts>()
            .and_then(|parts| parts.extensions.get::<Self>())
            .copied()
            .unwrap_or(Self::ANYONE)
    }

    pub(super) fn with_token(token: &str) -> Self {
        Self(blake3::derive_key(CONTEXT, token.as_bytes()))
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ANYONE => f.write_str("anyone"),
            Self::STRANGER => f.write_str("stranger"),
            Self(digest) => f.write_str(&blake3::Hash::from_bytes(digest).to_hex()[..8]),
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({self})")
    }
}

/// Says who sent a request with these headers, or nothing.
pub(super) fn caller(headers: &HeaderMap, tokens: &[Token]) -> Option<Caller> {
    if tokens.is_empty() {
        return Some(Caller::ANYONE);
    }
    let presented = Caller::with_token(bearer(headers)?);
    let digest = blake3::Hash::from_bytes(presented.0);
    // Both the comparison and the loop take the same time whoever calls.
    let mut known = false;
    for token in tokens {
        known |= digest == blake3::Hash::from_bytes(token.caller().0);
    }
    known.then_some(presented)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct-horse-battery-staple";

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_token_makes_its_caller() {
        let tokens = [
            Token::new("another-one-of-them").unwrap(),
            Token::new(TOKEN).unwrap(),
        ];
        let expected = Some(Caller::with_token(TOKEN));
        for value in [format!("Bearer {TOKEN}"), format!("bearer  {TOKEN}")] {
            assert_eq!(caller(&headers(&[&value]), &tokens), expected);
        }
        for values in [
            vec![],
            vec!["Bearer wrong-wrong-wrong-wrong".to_owned()],
            vec![format!("Basic {TOKEN}")],
            vec![TOKEN.to_owned()],
            vec![format!("Bearer {TOKEN}x")],
            vec![format!("Bearer {TOKEN}"), format!("Bearer {TOKEN}")],
        ] {
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            assert_eq!(caller(&headers(&values), &tokens), None, "{values:?}");
        }
    }

    #[test]
    fn without_tokens_everyone_is_the_same() {
        assert_eq!(caller(&headers(&[]), &[]), Some(Caller::ANYONE));
        assert_eq!(
            caller(&headers(&[&format!("Bearer {TOKEN}")]), &[]),
            Some(Caller::ANYONE)
        );
    }

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
}
