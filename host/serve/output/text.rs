//! Text that fits.

use super::{Strategy, shape::spread};
use crate::serve::tokens;

/// Tokens that a note on what was left out may take.
const NOTE: usize = 30;

/// What is shown of a text: all of it where it has at most `budget` tokens.
pub(crate) fn fit_text(text: &str, strategy: Strategy, budget: usize) -> String {
    if strategy == Strategy::None || tokens::count(text) <= budget {
        return text.to_owned();
    }
    let lines = text.lines().count();
    let counts = format!("{lines} lines, {} characters", text.chars().count());
    let room = budget.saturating_sub(NOTE);
    match strategy {
        Strategy::Schema => format!("[{counts}]"),
        Strategy::Sample => sample(text, &counts, room),
        Strategy::HeadTail => ends(text, &counts, room / 2, room - room / 2),
        // What comes first says what it is; what comes last, how it ended.
        Strategy::Summarise | Strategy::None => {
            ends(text, &counts, room * 2 / 3, room - room * 2 / 3)
        }
    }
}

/// The beginning and the end, in whole lines where lines are short.
fn ends(text: &str, counts: &str, head: usize, tail: usize) -> String {
    let head = whole_lines_first(tokens::head(text, head));
    let rest = &text[head.len()..];
    let tail = whole_lines_last(tokens::tail(rest, tail));
    let left_out = rest.len() - tail.len();
    let left_out = rest[..left_out].chars().count();
    format!("{head}\n[… {left_out} characters left out of {counts} …]\n{tail}")
}

fn whole_lines_first(head: &str) -> &str {
    match head.rfind('\n') {
        Some(end) if end >= head.len() / 2 => &head[..end],
        _ => head,
    }
}

fn whole_lines_last(tail: &str) -> &str {
    match tail.find('\n') {
        Some(end) if end < tail.len() / 2 => &tail[end + 1..],
        _ => tail,
    }
}

/// Lines from everywhere, each cut to a fair length.
fn sample(text: &str, counts: &str, room: usize) -> String {
    const WANTED: usize = 40;
    let lines: Vec<(usize, &str)> = text.lines().enumerate().collect();
    let chosen = spread(&lines, WANTED);
    let each = (room / chosen.len().max(1)).saturating_sub(6).max(1);
    let mut sample = format!("[a sample of {counts}; each line has its number]\n");
    let mut left = room;
    for (number, line) in chosen {
        let shown = tokens::head(line, each);
        let cut = if shown.len() < line.len() { "…" } else { "" };
        let line = format!("{}: {shown}{cut}\n", number + 1);
        let Some(rest) = left.checked_sub(tokens::count(&line)) else {
            break;
        };
        left = rest;
        sample.push_str(&line);
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::super::CUTTING;
    use super::*;

    #[test]
    fn text_that_fits_is_not_touched() {
        for strategy in CUTTING {
            assert_eq!(fit_text("a\nb\n", strategy, 10), "a\nb\n");
        }
        let long = "x y ".repeat(10_000);
        assert_eq!(fit_text(&long, Strategy::None, 10), long);
    }

    #[test]
    fn no_strategy_exceeds_its_budget_and_all_say_what_there_was() {
        let texts = [
            (0..20_000)
                .map(|n| format!("line {n}\n"))
                .collect::<String>(),
            "x".repeat(1_000_000),
            "漢字\n".repeat(30_000),
            "\n".repeat(100_000),
        ];
        for text in &texts {
            for strategy in CUTTING {
                for budget in [50, 400, 4_000] {
                    let shown = fit_text(text, strategy, budget);
                    assert!(tokens::count(&shown) <= budget, "{strategy:?} {budget}");
                    assert!(shown.contains(" lines, "), "{shown}");
                }
            }
        }
    }

    #[test]
    fn head_and_tail_show_both_ends_in_whole_lines() {
        let text: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
        let shown = fit_text(&text, Strategy::HeadTail, 200);
        assert!(shown.starts_with("line 0\nline 1\n"));
        assert!(shown.ends_with("line 19999\n"));
        let middle = shown.lines().find(|line| line.starts_with('[')).unwrap();
        assert!(middle.contains("left out of 20000 lines"), "{middle}");
    }
}
