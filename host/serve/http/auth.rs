//! Who calls: bearer tokens in, callers out.
//!
//! A token is read from the `Authorization` header and nowhere else, compared
//! as a digest in constant time, and dropped. What comes after this knows
//! callers only.

use axum::http::{HeaderMap, header::AUTHORIZATION, request::Parts};
use contract::caller::Caller;
use rmcp::model::Extensions;

use super::token::{self, Token};

/// The caller of the request that carried these extensions;
/// [`Caller::ANYONE`] when it did not come over HTTP.
pub fn caller_of(extensions: &Extensions) -> Caller {
    extensions
        .get::<Parts>()
        .and_then(|parts| parts.extensions.get::<Caller>())
        .copied()
        .unwrap_or(Caller::ANYONE)
}

/// Says who sent a request with these headers, or nothing.
pub(super) fn caller(headers: &HeaderMap, tokens: &[Token]) -> Option<Caller> {
    if tokens.is_empty() {
        return Some(Caller::ANYONE);
    }
    token::find(bearer(headers)?, tokens)
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
        let expected = Some(tokens[1].caller());
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
}
