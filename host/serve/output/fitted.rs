//! What of a program's outputs fits into its budget.

use serde_json::Value;

use super::{Strategy, fit_text, fit_value, shares};
use crate::serve::tokens;
use contract::content::{ContentBlock, ResourceContents};
use contract::json::{marked_number, unmarked};
use contract::report::Report;

/// The outputs of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) enum OutputPart {
    Result,
    Stdout,
    Stderr,
    /// A text that it emitted.
    Emitted,
}

impl OutputPart {
    pub(in crate::serve) fn name(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Emitted => "emitted",
        }
    }
}

/// What of the outputs fits, and what has to be kept elsewhere.
pub(in crate::serve) struct Fitted {
    pub(super) result: Option<Value>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// What it emitted, texts made to fit.
    pub(in crate::serve) content: Vec<ContentBlock>,
    /// The parts that were cut, with their whole text.
    pub(in crate::serve) cut: Vec<(OutputPart, String)>,
}

/// Divides the budget among the outputs and makes them fit.
pub(in crate::serve) fn fit(report: &mut Report, strategy: Strategy, budget: usize) -> Fitted {
    let result = report.marked_result();
    (report.result, report.exact_result) = (None, None);
    let stdout = std::mem::take(&mut report.stdout);
    let stderr = std::mem::take(&mut report.stderr);
    let mut content = std::mem::take(&mut report.content);
    let written = result
        .as_ref()
        .map_or(String::new(), |result| unmarked(result.to_string()));
    let emitted: usize = content
        .iter_mut()
        .filter_map(emitted_text)
        .map(|t| t.len())
        .sum();
    // A text of so few bytes cannot have more tokens.
    let is_small = written.len() + stdout.len() + stderr.len() + emitted <= budget;
    if is_small || strategy == Strategy::None {
        return Fitted {
            result,
            stdout,
            stderr,
            content,
            cut: Vec::new(),
        };
    }
    let texts = content.iter_mut().filter_map(emitted_text);
    let emitted = texts.map(|text| tokens::count(text)).sum();
    let [result_tokens, stdout_tokens, stderr_tokens] =
        [&written, &stdout, &stderr].map(|text| tokens::count(text));
    let wanted = [result_tokens, stdout_tokens, stderr_tokens, emitted];
    let shares = shares(&wanted, budget);
    let is_cut = |part: usize| wanted[part] > shares[part];
    let shown = result
        .as_ref()
        .map(|value| fit_value(value, &written, strategy, shares[0]));
    let shown_stdout = fit_text(&stdout, strategy, shares[1]);
    let shown_stderr = fit_text(&stderr, strategy, shares[2]);
    let mut cut = Vec::new();
    if is_cut(0) {
        // Text is kept as text; anything else as JSON that people can read.
        let text = match result {
            Some(Value::String(text)) if marked_number(&text).is_none() => text,
            Some(value) => unmarked(format!("{value:#}\n")),
            None => String::new(),
        };
        cut.push((OutputPart::Result, text));
    }
    if is_cut(1) {
        cut.push((OutputPart::Stdout, stdout));
    }
    if is_cut(2) {
        cut.push((OutputPart::Stderr, stderr));
    }
    if is_cut(3) {
        let mut left = shares[3];
        for text in content.iter_mut().filter_map(emitted_text) {
            let tokens = tokens::count(text);
            if tokens > left {
                let shown = fit_text(text, strategy, left);
                cut.push((OutputPart::Emitted, std::mem::replace(text, shown)));
            }
            left = left.saturating_sub(tokens);
        }
    }
    Fitted {
        result: shown,
        stdout: shown_stdout,
        stderr: shown_stderr,
        content,
        cut,
    }
}

/// The text of a block that costs tokens by its length.
fn emitted_text(block: &mut ContentBlock) -> Option<&mut String> {
    match block {
        ContentBlock::Text { text } => Some(text),
        ContentBlock::Resource { resource } => match &mut resource.contents {
            ResourceContents::Text(text) => Some(text),
            ResourceContents::Blob(_) => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use contract::report::Status;
    use serde_json::json;

    use super::*;

    #[test]
    fn outputs_that_fit_are_complete_and_others_say_where_they_are_cut() {
        let mut report = Report::not_run(Status::Ok, "", "", None);
        report.result = Some(json!([1, 2]));
        report.stdout = "out\n".to_owned();
        let fitted = fit(&mut report.clone(), Strategy::Summarise, 4_000);
        assert_eq!(fitted.result, Some(json!([1, 2])));
        assert!(fitted.cut.is_empty());
        report.stdout = "a line\n".repeat(10_000);
        let fitted = fit(&mut report, Strategy::Summarise, 200);
        assert_eq!(fitted.result, Some(json!([1, 2])), "it is small");
        assert_eq!(fitted.cut.len(), 1);
        assert_eq!(fitted.cut[0].0, OutputPart::Stdout);
        assert_eq!(fitted.cut[0].1.len(), 70_000);
        assert!(tokens::count(&fitted.stdout) <= 200);
    }

    #[test]
    fn emitted_texts_share_the_budget_and_images_do_not_count() {
        let mut report = Report::not_run(Status::Ok, "", "", None);
        let text = |text: &str| ContentBlock::Text { text: text.into() };
        let image = ContentBlock::Image {
            data: vec![7; 100_000],
            mime_type: "image/png".to_owned(),
        };
        report.content = vec![
            text("short"),
            image.clone(),
            text(&"a line\n".repeat(10_000)),
        ];
        let fitted = fit(&mut report, Strategy::Summarise, 200);
        assert_eq!(fitted.content[..2], [text("short"), image]);
        assert_eq!(fitted.cut.len(), 1);
        assert_eq!(
            (fitted.cut[0].0, fitted.cut[0].1.len()),
            (OutputPart::Emitted, 70_000)
        );
        let ContentBlock::Text { text } = &fitted.content[2] else {
            panic!("it is a text");
        };
        assert!(tokens::count(text) <= 200);
    }
}
