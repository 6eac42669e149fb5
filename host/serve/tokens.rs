//! Counting tokens as a model does, with the vocabulary `o200k`.
//!
//! Other models cut text differently, but within a tenth for prose, code and
//! JSON; a real tokenizer of one of them is a better measure than any number of
//! bytes. Everything is linear in what is read, and cutting reads no more than
//! what can fit.

use bpe_openai::o200k_base;

/// The longest token of the vocabulary in bytes.
const MAX_TOKEN: usize = 128;

/// Loads the vocabulary, which takes a tenth of a second, before it is needed.
pub(crate) fn warm() {
    o200k_base();
}

/// The tokens of a text.
pub(crate) fn count(text: &str) -> usize {
    o200k_base().count(text)
}

/// Bytes of a text that are counted where about is enough.
const MAX_COUNTED: usize = 256 << 10;

/// About the tokens of a text: exactly, unless it is long. A longer one is taken
/// to go on as it began.
pub(crate) fn about(text: &str) -> usize {
    let counted = &text[..text.floor_char_boundary(MAX_COUNTED)];
    match count(counted) {
        tokens if counted.len() == text.len() => tokens,
        tokens => tokens.saturating_mul(text.len() / 1_024) / (counted.len() / 1_024).max(1),
    }
}

/// About the tokens of so many bytes in Base64, which no vocabulary knows: a
/// token for each two characters.
pub(crate) fn of_base64(bytes: usize) -> usize {
    bytes.div_ceil(3) * 2
}

/// The longest beginning of a text that has at most so many tokens.
pub(crate) fn head(text: &str, tokens: usize) -> &str {
    let reach = text.floor_char_boundary(tokens.saturating_mul(MAX_TOKEN));
    let tokenizer = o200k_base();
    let mut room = tokens;
    let mut end = 0;
    for piece in tokenizer.split(&text[..reach]) {
        let lengths = lengths(piece);
        if lengths.len() > room {
            let fits: usize = lengths[..room].iter().sum();
            return &text[..text.floor_char_boundary(end + fits)];
        }
        room -= lengths.len();
        end += piece.len();
    }
    &text[..end]
}

/// The longest end of a text that has at most so many tokens.
pub(crate) fn tail(text: &str, tokens: usize) -> &str {
    let skipped = text.len().saturating_sub(tokens.saturating_mul(MAX_TOKEN));
    let from = text.ceil_char_boundary(skipped);
    let pieces: Vec<&str> = o200k_base().split(&text[from..]).collect();
    let mut room = tokens;
    let mut start = text.len();
    for piece in pieces.into_iter().rev() {
        let lengths = lengths(piece);
        if lengths.len() > room {
            let fits: usize = lengths[lengths.len() - room..].iter().sum();
            return &text[text.ceil_char_boundary(start - fits)..];
        }
        room -= lengths.len();
        start -= piece.len();
    }
    &text[start..]
}

/// The lengths of the tokens of one piece, in bytes.
fn lengths(piece: &str) -> Vec<usize> {
    let bpe = &o200k_base().bpe;
    let tokens = bpe.encode_via_backtracking(piece.as_bytes());
    tokens
        .into_iter()
        .map(|token| bpe.token_len(token))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_tails_fit_whatever_the_text() {
        let texts = [
            String::new(),
            "The quick brown fox jumps over the lazy dog. ".repeat(200),
            "a".repeat(100_000),
            "漢字とかな混じりの文".repeat(500),
            "🦀👩‍👩‍👧‍👦".repeat(500),
            " ".repeat(50_000),
            "{\"id\":12345,\"name\":\"x\"},".repeat(1_000),
        ];
        for text in &texts {
            let all = count(text);
            for tokens in [0, 1, 7, 100, 1_000_000] {
                let (head, tail) = (head(text, tokens), tail(text, tokens));
                assert!(text.starts_with(head) && text.ends_with(tail));
                // A cut inside a run of the same characters can cost one token
                // more than it had in the whole.
                assert!(count(head) <= tokens + 1 && count(tail) <= tokens + 1);
                if tokens >= all {
                    assert_eq!((head, tail), (text.as_str(), text.as_str()));
                } else if tokens >= 7 {
                    assert!(head.len() > tokens / 2 && tail.len() > tokens / 2);
                }
            }
        }
    }
}
