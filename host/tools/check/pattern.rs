//! What a regular expression of a stranger may cost.
//!
//! An expression of a few bytes can stand for a machine of gigabytes, and one
//! of megabytes takes as much to be read at all. So each is bounded in length
//! first and then compiled alone, within the smallest size that holds it.

use std::collections::HashMap;

use jsonschema::PatternOptions;
use serde_json::json;

/// The longest expression in bytes. Those that SDKs generate for dates and
/// addresses have a few hundred.
const MAX_PATTERN: usize = 2 << 10;

/// The longest expression that looks around or refers back. It is made of many
/// machines, each within [`SMALL`].
const MAX_BACKTRACKING_PATTERN: usize = 512;

/// Different expressions of one schema.
const MAX_PATTERNS: usize = 100;

/// Bytes of a compiled expression. Honest ones are small; the large ones hold
/// classes of Unicode.
const SMALL: usize = 16 << 10;
pub(super) const LARGE: usize = 256 << 10;

/// Bytes of what an expression remembers while it runs.
pub(super) const MEMORY: usize = 64 << 10;

/// Steps of an expression that looks around or refers back.
pub(super) const MAX_BACKTRACKING: usize = 10_000;

/// What one expression costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PatternCost {
    /// Bytes, compiled.
    pub(super) bytes: usize,
    /// The work for a piece of text.
    pub(super) work: u64,
}

impl PatternCost {
    /// `None` for an expression that is too large or none.
    fn of(pattern: &str) -> Option<Self> {
        if pattern.len() > MAX_PATTERN {
            return None;
        }
        // Steps for each byte, in the worst case, grow with the size.
        for (size, work) in [(SMALL, 100), (LARGE, 2_000)] {
            let linear = PatternOptions::regex()
                .size_limit(size)
                .dfa_size_limit(MEMORY);
            let options = jsonschema::options().with_pattern_options(linear);
            if options.build(&json!({ "pattern": pattern })).is_ok() {
                let bytes = size + MEMORY;
                return Some(Self { bytes, work });
            }
        }
        if pattern.len() > MAX_BACKTRACKING_PATTERN {
            return None;
        }
        let options = jsonschema::options().with_pattern_options(backtracking(SMALL));
        options.build(&json!({ "pattern": pattern })).ok()?;
        Some(Self {
            // A machine needs a few bytes of the expression.
            bytes: (SMALL + MEMORY) * (1 + pattern.len() / 8),
            work: 2_000,
        })
    }
}

/// The engine that takes all of them.
pub(super) fn backtracking(size: usize) -> PatternOptions<jsonschema::FancyRegex> {
    PatternOptions::fancy_regex()
        .backtrack_limit(MAX_BACKTRACKING)
        .size_limit(size)
        .dfa_size_limit(MEMORY)
}

/// The expressions of one schema that were looked at.
#[derive(Default)]
pub(super) struct Patterns<'s>(HashMap<&'s str, Option<PatternCost>>);

impl<'s> Patterns<'s> {
    /// What this one costs, if it can be used.
    pub(super) fn cost(&mut self, pattern: &'s str) -> Option<PatternCost> {
        if !self.0.contains_key(pattern) && self.0.len() >= MAX_PATTERNS {
            return None;
        }
        let known = self.0.entry(pattern);
        *known.or_insert_with(|| PatternCost::of(pattern))
    }

    /// Bytes of all of them, compiled.
    pub(super) fn bytes(&self) -> usize {
        let costs = self.0.values().flatten();
        costs.map(|cost| cost.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_used(pattern: &str) -> bool {
        PatternCost::of(pattern).is_some()
    }

    #[test]
    fn honest_expressions_are_used() {
        for pattern in [
            "",
            "^[a-z]+$",
            r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$",
            r"^\p{L}[\p{L}\p{N}_]*$",
            r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$",
            r"^(['\x22]).*\1$",
        ] {
            assert!(is_used(pattern), "{pattern}");
        }
    }

    #[test]
    fn expressions_that_stand_for_much_more_are_not() {
        for pattern in [
            &"()".repeat(3_700_000),
            &"a".repeat(MAX_PATTERN + 1),
            r"\pL{1000}{1000}",
            "((a{1000}){1000}){1000}",
            r"(?=\pL{1000})\pL{1000}",
            &r"(?=\pL{99})".repeat(40),
            &r"(?=a)".repeat(400),
            "(unfinished",
        ] {
            let shown: String = pattern.chars().take(40).collect();
            assert!(!is_used(pattern), "{shown}");
        }
    }

    #[test]
    fn each_different_expression_counts_once() {
        let texts: Vec<_> = (0..=MAX_PATTERNS).map(|n| format!("^{n}$")).collect();
        let mut patterns = Patterns::default();
        for text in &texts[..MAX_PATTERNS] {
            assert!(patterns.cost(text).is_some(), "{text}");
            assert!(patterns.cost(text).is_some(), "{text}");
        }
        assert!(patterns.cost(&texts[MAX_PATTERNS]).is_none());
        assert_eq!(patterns.bytes(), MAX_PATTERNS * (SMALL + MEMORY));
    }
}
