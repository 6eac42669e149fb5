//! The known name that was probably meant.

/// The one of `known` that is closest to `name`, if any is close.
///
/// Case and word separators do not count, so `max_calls` finds `maxCalls`.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let folded = fold(name);
    // A long name is not a typing error, and the table below is quadratic.
    if folded.is_empty() || folded.len() > 40 {
        return None;
    }
    let (distance, best) = known
        .iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), *candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= folded.len().div_ceil(3).min(3)).then_some(best)
}

fn fold(name: &str) -> Vec<char> {
    name.chars()
        .filter(|character| !matches!(character, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Insertions, deletions, replacements and swaps of neighbours.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let mut cost = (last[column] + usize::from(from != to))
                .min(last[column + 1] + 1)
                .min(current[column] + 1);
            if row > 0 && column > 0 && *from == right[column - 1] && left[row - 1] == *to {
                cost = cost.min(before[column - 1] + 1);
            }
            current.push(cost);
        }
        before = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        let known = ["command", "args", "env", "cwd", "url", "maxCalls"];
        for (name, expected) in [
            ("comand", Some("command")),
            ("Command", Some("command")),
            ("commnad", Some("command")),
            ("arguments", None),
            ("arg", Some("args")),
            ("max_calls", Some("maxCalls")),
            ("evn", Some("env")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), expected, "{name}");
        }
        assert_eq!(nearest(&"c".repeat(1 << 20), &known), None);
    }
}
