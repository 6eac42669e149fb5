//! Output that fits: what a model is shown of a text or value that is longer
//! than the tokens there are for it.
//!
//! Pure. Whoever calls keeps the whole elsewhere; nothing is cut here without
//! the result saying so. A value stays a value: valid JSON, never half of it.

pub(super) mod answer;
pub(super) mod blocks;
mod calls;
pub(super) mod fitted;
mod shape;
mod text;
mod value;

use serde::Deserialize;

pub(crate) use text::fit_text;
pub(crate) use value::fit_value;

/// How output is made to fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Strategy {
    /// Shape, counts, and the first and last items or lines.
    #[default]
    Summarise,
    /// The beginning and the end.
    HeadTail,
    /// Items or lines, evenly spread.
    Sample,
    /// Types, counts and fields only.
    Schema,
    /// All of it, whatever it costs.
    None,
}

impl Strategy {
    /// The names in calls and configurations.
    pub(crate) const NAMES: [&'static str; 5] =
        ["summarise", "head_tail", "sample", "schema", "none"];
}

/// Those that cut something.
#[cfg(test)]
const CUTTING: [Strategy; 4] = [
    Strategy::Summarise,
    Strategy::HeadTail,
    Strategy::Sample,
    Strategy::Schema,
];

/// Divides tokens among parts: what is small is complete, and what is large
/// shares the rest.
pub(crate) fn shares(wanted: &[usize], budget: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&part| wanted[part]);
    let mut shares = vec![0; wanted.len()];
    let mut left = budget;
    for (done, &part) in order.iter().enumerate() {
        let fair = left / (wanted.len() - done);
        shares[part] = wanted[part].min(fair);
        left -= shares[part];
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_are_complete_and_large_ones_share() {
        assert_eq!(shares(&[10, 20, 30], 100), [10, 20, 30]);
        assert_eq!(shares(&[10, 500, 500], 100), [10, 45, 45]);
        assert_eq!(shares(&[1_000, 1_000], 101), [50, 51]);
        assert_eq!(shares(&[], 5), [0; 0]);
    }

    #[test]
    fn every_strategy_has_its_name() {
        for name in Strategy::NAMES {
            let strategy: Result<Strategy, _> = serde_json::from_value(name.into());
            assert!(strategy.is_ok(), "{name}");
        }
    }
}
