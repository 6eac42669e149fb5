//! What of a program's outputs fits into its budget.
//!
//! Texts and values are shortened. A file is not: half of an image or of a table
//! is another file. One that does not fit is left out, and kept.

use serde_json::Value;

use super::{Strategy, fit_text, fit_value, shares};
use crate::serve::tokens;
use contract::content::{ContentBlock, ResourceContents};
use contract::json::{marked_number, unmarked};
use contract::media_type;
use contract::report::Report;

/// Bytes of a result that is kept as JSON that people can read. A longer one
/// would grow by half.
const MAX_PRETTY: usize = 1 << 20;

/// Parts that are shortened: result, stdout, stderr and emitted texts.
const SHORTENED: usize = 4;

/// The outputs of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) enum OutputPart {
    Result,
    Stdout,
    Stderr,
    /// A text or a file that it emitted.
    Emitted,
    /// A file that was asked for.
    File,
}

impl OutputPart {
    pub(in crate::serve) fn name(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Emitted => "emitted",
            Self::File => "file",
        }
    }
}

/// An output that is not shown completely.
#[derive(Debug, PartialEq)]
pub(in crate::serve) struct Cut {
    pub(in crate::serve) part: OutputPart,
    /// All of it.
    pub(in crate::serve) content: Vec<u8>,
    /// What a file with it is called.
    pub(in crate::serve) extension: &'static str,
    pub(in crate::serve) tokens: usize,
}

/// What of the outputs fits, and what has to be kept elsewhere.
pub(in crate::serve) struct Fitted {
    pub(super) result: Option<Value>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// What it emitted, texts made to fit.
    pub(in crate::serve) content: Vec<ContentBlock>,
    /// The parts that were cut, with their whole text.
    pub(in crate::serve) cut: Vec<Cut>,
    /// For each file that was asked for, whether it fits.
    pub(in crate::serve) files_fit: Vec<bool>,
    /// Tokens of what is sent beside result, stdout and stderr.
    pub(in crate::serve) content_tokens: usize,
}

/// Divides the budget among the outputs, with the files that were asked for, and
/// makes them fit.
pub(in crate::serve) fn fit(
    report: &mut Report,
    files: &[&[u8]],
    strategy: Strategy,
    budget: usize,
) -> Fitted {
    let result = report.marked_result();
    (report.result, report.exact_result) = (None, None);
    let stdout = std::mem::take(&mut report.stdout);
    let stderr = std::mem::take(&mut report.stderr);
    let mut content = std::mem::take(&mut report.content);
    let written = result
        .as_ref()
        .map_or(String::new(), |result| unmarked(result.to_string()));
    let emitted: usize = content.iter().filter_map(emitted_text).map(str::len).sum();
    let costs: Vec<usize> = content.iter().map(cost_of_block).collect();
    let files: Vec<usize> = files.iter().map(|bytes| cost_of_file(bytes)).collect();
    let whole: usize = costs.iter().chain(&files).sum();
    // A text of so few bytes cannot have more tokens.
    let is_small = written.len() + stdout.len() + stderr.len() + emitted + whole <= budget;
    if is_small || strategy == Strategy::None {
        let texts = content.iter().filter_map(emitted_text);
        return Fitted {
            content_tokens: texts.map(tokens::about).sum::<usize>() + whole,
            result,
            stdout,
            stderr,
            content,
            cut: Vec::new(),
            files_fit: vec![true; files.len()],
        };
    }
    // Exactly: whether a text is cut depends on it.
    let emitted = content.iter().filter_map(emitted_text).map(tokens::count);
    let mut wanted = [&written, &stdout, &stderr]
        .map(|text| tokens::count(text))
        .to_vec();
    wanted.push(emitted.sum());
    wanted.extend(costs.iter().chain(&files));
    let (shares, left_out) = shares_of_whole_files(&mut wanted, budget);
    let is_cut = |part: usize| wanted[part] > shares[part];
    let shown = result
        .as_ref()
        .map(|value| fit_value(value, &written, strategy, shares[0]));
    let shown_stdout = fit_text(&stdout, strategy, shares[1]);
    let shown_stderr = fit_text(&stderr, strategy, shares[2]);
    let mut cut = Vec::new();
    let mut keep_text = |part, text: String, extension, tokens| {
        cut.push(Cut {
            part,
            content: text.into_bytes(),
            extension,
            tokens,
        });
    };
    if is_cut(0) {
        // Text is kept as text; anything else as JSON that people can read.
        let (text, extension) = match result {
            Some(Value::String(text)) if marked_number(&text).is_none() => (text, "txt"),
            Some(value) if written.len() <= MAX_PRETTY => {
                (unmarked(format!("{value:#}\n")), "json")
            }
            _ => (written, "json"),
        };
        keep_text(OutputPart::Result, text, extension, wanted[0]);
    }
    if is_cut(1) {
        keep_text(OutputPart::Stdout, stdout, "txt", wanted[1]);
    }
    if is_cut(2) {
        keep_text(OutputPart::Stderr, stderr, "txt", wanted[2]);
    }
    if is_cut(3) {
        let mut left = shares[3];
        for block in &mut content {
            let ContentBlock::Text { text } = block else {
                continue;
            };
            let tokens = tokens::count(text);
            if tokens > left {
                let shown = fit_text(text, strategy, left);
                let whole = std::mem::replace(text, shown);
                keep_text(OutputPart::Emitted, whole, "txt", tokens);
            }
            left = left.saturating_sub(tokens);
        }
    }
    let (blocks_left_out, files_left_out) = left_out.split_at(costs.len());
    let mut index = 0;
    content.retain_mut(|block| {
        index += 1;
        if !blocks_left_out[index - 1] {
            return true;
        }
        cut.extend(left_out_block(block, costs[index - 1]));
        false
    });
    let whole_shares = shares[SHORTENED..].iter().sum::<usize>();
    Fitted {
        result: shown,
        stdout: shown_stdout,
        stderr: shown_stderr,
        content,
        cut,
        files_fit: files_left_out.iter().map(|is_out| !is_out).collect(),
        content_tokens: shares[3] + whole_shares,
    }
}

/// The shares of the parts, where those behind the first few are complete or
/// nothing: which of them are left out, the largest first.
fn shares_of_whole_files(wanted: &mut [usize], budget: usize) -> (Vec<usize>, Vec<bool>) {
    let mut left_out = vec![false; wanted.len() - SHORTENED];
    loop {
        let shares = shares(wanted, budget);
        let is_cut = |part: &usize| wanted[*part] > shares[*part];
        let largest = (SHORTENED..wanted.len())
            .filter(is_cut)
            .max_by_key(|part| wanted[*part]);
        let Some(largest) = largest else {
            return (shares, left_out);
        };
        left_out[largest - SHORTENED] = true;
        wanted[largest] = 0;
    }
}

/// The text of a block that can be shortened.
fn emitted_text(block: &ContentBlock) -> Option<&str> {
    match block {
        ContentBlock::Text { text } => Some(text),
        _ => None,
    }
}

/// Tokens of a block that is complete or nothing. Images and sounds are no text:
/// models have measures of their own for them.
fn cost_of_block(block: &ContentBlock) -> usize {
    match block {
        ContentBlock::Resource { resource } => match &resource.contents {
            ResourceContents::Text(text) => tokens::about(text),
            ResourceContents::Blob(bytes) => tokens::of_base64(bytes.len()),
        },
        _ => 0,
    }
}

/// The same of a file.
pub(super) fn cost_of_file(bytes: &[u8]) -> usize {
    match (media_type::of_bytes(bytes), std::str::from_utf8(bytes)) {
        (Some(_), _) => 0,
        (None, Ok(text)) => tokens::about(text),
        (None, Err(_)) => tokens::of_base64(bytes.len()),
    }
}

fn left_out_block(block: &mut ContentBlock, tokens: usize) -> Option<Cut> {
    let ContentBlock::Resource { resource } = block else {
        return None;
    };
    let content = match &mut resource.contents {
        ResourceContents::Text(text) => std::mem::take(text).into_bytes(),
        ResourceContents::Blob(bytes) => std::mem::take(bytes),
    };
    Some(Cut {
        part: OutputPart::Emitted,
        content,
        extension: media_type::extension(&resource.mime_type),
        tokens,
    })
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
        let fitted = fit(&mut report.clone(), &[], Strategy::Summarise, 4_000);
        assert_eq!(fitted.result, Some(json!([1, 2])));
        assert!(fitted.cut.is_empty());
        report.stdout = "a line\n".repeat(10_000);
        let fitted = fit(&mut report, &[], Strategy::Summarise, 200);
        assert_eq!(fitted.result, Some(json!([1, 2])), "it is small");
        assert_eq!(fitted.cut.len(), 1);
        assert_eq!(fitted.cut[0].part, OutputPart::Stdout);
        assert_eq!(fitted.cut[0].content.len(), 70_000);
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
        let fitted = fit(&mut report, &[], Strategy::Summarise, 200);
        assert_eq!(fitted.content[..2], [text("short"), image]);
        assert_eq!(fitted.cut.len(), 1);
        assert_eq!(
            (fitted.cut[0].part, fitted.cut[0].content.len()),
            (OutputPart::Emitted, 70_000)
        );
        let ContentBlock::Text { text } = &fitted.content[2] else {
            panic!("it is a text");
        };
        assert!(tokens::count(text) <= 200);
    }

    fn resource(name: &str, text: &str) -> ContentBlock {
        ContentBlock::Resource {
            resource: contract::content::EmbeddedResource {
                uri: format!("sandbox:///{name}"),
                mime_type: "image/svg+xml".to_owned(),
                contents: ResourceContents::Text(text.to_owned()),
            },
        }
    }

    #[test]
    fn a_file_is_complete_or_left_out_and_never_cut() {
        let mut report = Report::not_run(Status::Ok, "", "", None);
        let large = format!("<svg>{}</svg>", "<path d='M0 0'/>".repeat(2_000));
        let small = resource("small.svg", "<svg/>");
        report.content = vec![small.clone(), resource("large.svg", &large)];
        report.stdout = "a line\n".repeat(10_000);
        let files = [
            b"a,b\n".repeat(50_000),
            b"short".to_vec(),
            vec![0xfe; 60_000],
        ];
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let fitted = fit(&mut report.clone(), &files, Strategy::Summarise, 1_000);
        assert_eq!(fitted.content, [small]);
        assert_eq!(fitted.files_fit, [false, true, false]);
        let cut: Vec<_> = fitted
            .cut
            .iter()
            .map(|cut| (cut.part, cut.extension))
            .collect();
        assert_eq!(
            cut,
            [(OutputPart::Stdout, "txt"), (OutputPart::Emitted, "svg")]
        );
        assert_eq!(fitted.cut[1].content, large.as_bytes());
        // What is left out leaves its room to the others.
        let shown = tokens::count(&fitted.stdout);
        assert!((800..=1_000).contains(&shown), "{shown}");
        assert!(fitted.content_tokens < 100, "{}", fitted.content_tokens);

        let all = fit(&mut report, &files, Strategy::None, 10);
        assert_eq!((all.content.len(), all.files_fit), (2, vec![true; 3]));
        assert!(all.content_tokens > 100_000, "{}", all.content_tokens);
    }
}
