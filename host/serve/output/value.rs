//! Values that fit, and stay valid JSON.

use contract::json::{marked_number, unmarked};
use serde_json::{Map, Value, json};

use super::{
    Strategy,
    shape::{kind, shape, spread},
    text::fit_text,
};
use crate::serve::tokens;

/// How much of a value is shown, from generous to next to nothing.
#[derive(Clone, Copy)]
struct Detail {
    /// Items of a list.
    items: usize,
    /// Fields of an object.
    fields: usize,
    /// Tokens of a text.
    text: usize,
    /// Levels.
    depth: usize,
}

const DETAILS: [Detail; 5] = [
    detail(12, 60, 400, 8),
    detail(6, 40, 150, 6),
    detail(4, 25, 60, 5),
    detail(2, 15, 30, 4),
    detail(1, 8, 12, 3),
];

const fn detail(items: usize, fields: usize, text: usize, depth: usize) -> Detail {
    Detail {
        items,
        fields,
        text,
        depth,
    }
}

/// What is shown of a value: itself where it has at most `budget` tokens as
/// JSON text, `written`. Numbers may be marked.
pub(crate) fn fit_value(value: &Value, written: &str, strategy: Strategy, budget: usize) -> Value {
    if strategy == Strategy::None || tokens::count(written) <= budget {
        return value.clone();
    }
    if let Value::String(text) = value
        && marked_number(text).is_none()
    {
        return Value::String(fit_text(text, strategy, budget));
    }
    let attempts = DETAILS.iter().map(|detail| match strategy {
        Strategy::HeadTail => ends_of_text(written, budget),
        Strategy::Schema => shape(value),
        Strategy::Sample => sampled(value, *detail),
        Strategy::Summarise | Strategy::None => summarised(value, *detail),
    });
    let fits = |shown: &Value| tokens::count(&unmarked(shown.to_string())) <= budget;
    attempts
        .chain([shape(value)])
        .find(fits)
        .unwrap_or_else(|| json!({ "type": kind(value), "count": count(value) }))
}

/// The JSON text, cut, as texts.
fn ends_of_text(written: &str, budget: usize) -> Value {
    // The text is escaped once more.
    let share = budget / 4;
    json!({
        "head": tokens::head(written, share),
        "tail": tokens::tail(written, share),
        "characters": written.chars().count(),
    })
}

fn summarised(value: &Value, detail: Detail) -> Value {
    match value {
        Value::Array(items) => {
            let shown = |items: &[Value]| -> Vec<Value> {
                items.iter().map(|item| shrunk(item, detail)).collect()
            };
            let first = detail.items.min(items.len());
            let last = (detail.items / 2).max(1).min(items.len() - first);
            let mut summary = json!({ "shape": shape(value), "first": shown(&items[..first]) });
            if last > 0 {
                summary["last"] = Value::Array(shown(&items[items.len() - last..]));
            }
            summary
        }
        other => json!({ "shape": shape(other), "preview": shrunk(other, detail) }),
    }
}

fn sampled(value: &Value, detail: Detail) -> Value {
    let Value::Array(items) = value else {
        return summarised(value, detail);
    };
    let places: Vec<usize> = (0..items.len()).collect();
    let sample: Vec<Value> = spread(&places, 2 * detail.items)
        .into_iter()
        .map(|place| json!({ "index": place, "item": shrunk(&items[place], detail) }))
        .collect();
    json!({ "count": items.len(), "sample": sample })
}

/// A smaller value of the same kind, in which everything that is missing is
/// said to be.
fn shrunk(value: &Value, detail: Detail) -> Value {
    let deeper = Detail {
        depth: detail.depth.saturating_sub(1),
        ..detail
    };
    match value {
        Value::String(text) if marked_number(text).is_some() => {
            let number = marked_number(text).unwrap_or_default();
            // Never some of its digits.
            if number.len() <= 4 * detail.text {
                return value.clone();
            }
            Value::String(format!("a number of {} characters", number.len()))
        }
        Value::String(text) => {
            // A text of so many bytes cannot have more tokens.
            if text.len() <= detail.text {
                return value.clone();
            }
            let shown = tokens::head(text, detail.text);
            if shown.len() == text.len() {
                return value.clone();
            }
            let left = text[shown.len()..].chars().count();
            Value::String(format!("{shown}… ({left} more characters)"))
        }
        Value::Array(items) if detail.depth == 0 => {
            Value::String(format!("[{} items]", items.len()))
        }
        Value::Object(fields) if detail.depth == 0 => {
            Value::String(format!("{{{} fields}}", fields.len()))
        }
        Value::Array(items) => {
            let shown = items.iter().take(detail.items);
            let mut list: Vec<Value> = shown.map(|item| shrunk(item, deeper)).collect();
            if items.len() > list.len() {
                let more = format!("… {} more items", items.len() - list.len());
                list.push(Value::String(more));
            }
            Value::Array(list)
        }
        Value::Object(fields) => {
            let shown = fields.iter().take(detail.fields);
            let mut object: Map<String, Value> = shown
                .map(|(name, value)| (name.clone(), shrunk(value, deeper)))
                .collect();
            if fields.len() > object.len() {
                let more = format!("{} more fields", fields.len() - object.len());
                object.insert("…".to_owned(), Value::String(more));
            }
            Value::Object(object)
        }
        scalar => scalar.clone(),
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::CUTTING;
    use super::*;

    fn fit(value: &Value, strategy: Strategy, budget: usize) -> Value {
        fit_value(value, &value.to_string(), strategy, budget)
    }

    fn rows(count: usize) -> Value {
        let row = |n| json!({ "id": n, "name": format!("row {n}"), "tags": ["a", "b"] });
        Value::Array((0..count).map(row).collect())
    }

    #[test]
    fn a_value_that_fits_is_not_touched() {
        for strategy in CUTTING {
            assert_eq!(fit(&rows(3), strategy, 200), rows(3));
        }
        assert_eq!(fit(&rows(5_000), Strategy::None, 10), rows(5_000));
    }

    #[test]
    fn no_strategy_exceeds_its_budget() {
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!({ "inside": [deep] });
        }
        let wide: Map<String, Value> = (0..5_000)
            .map(|n| (format!("a long key {n}"), "v".repeat(300).into()))
            .collect();
        let values = [
            rows(10_000),
            json!({ "rows": rows(1_000), "text": "x".repeat(100_000) }),
            json!("x y ".repeat(100_000)),
            deep,
            Value::Object(wide),
            json!(["\u{0}".repeat(20_000)]),
        ];
        for value in &values {
            for strategy in CUTTING {
                for budget in [60, 400, 4_000] {
                    let shown = fit(value, strategy, budget).to_string();
                    assert!(
                        tokens::count(&shown) <= budget + 2,
                        "{strategy:?} {budget}: {shown}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_summary_has_the_shape_and_both_ends() {
        let shown = fit(&rows(10_000), Strategy::Summarise, 500);
        assert_eq!(shown["shape"]["count"], 10_000);
        assert_eq!(shown["shape"]["items"]["fields"]["name"], "string");
        assert_eq!(shown["first"][0]["id"], 0);
        let last = shown["last"].as_array().unwrap().last().unwrap();
        assert_eq!(last["id"], 9_999);
        let sample = fit(&rows(10_000), Strategy::Sample, 500);
        assert_eq!(sample["count"], 10_000);
        let sample = sample["sample"].as_array().unwrap();
        assert_eq!(sample[0]["index"], 0);
        assert_eq!(sample.last().unwrap()["index"], 9_999);
    }
}
