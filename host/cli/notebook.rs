//! From a notebook (`.ipynb`) to one program: its code cells, in order.
//!
//! A notebook's lines for the shell (`!pip …`) and for its own front end
//! (`%matplotlib …`) are no code of the language. They are left out, and a
//! warning says so.

use serde::Deserialize;
use serde_json::Value;
use wasm_coordinator::Language;

use super::failure::Failure;

/// The code of a notebook.
pub(crate) struct Cells {
    pub(crate) language: Language,
    pub(crate) source: String,
    pub(crate) warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Notebook {
    cells: Vec<Cell>,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
struct Cell {
    cell_type: String,
    #[serde(default)]
    source: Lines,
}

/// Text is written as one string or as one for each line.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    One(String),
    Many(Vec<String>),
}

impl Default for Lines {
    fn default() -> Self {
        Self::One(String::new())
    }
}

/// Reads the text of a notebook.
pub(crate) fn read(text: &str, shown: &str, asked: Option<Language>) -> Result<Cells, Failure> {
    let notebook: Notebook = serde_json::from_str(text).map_err(|error| {
        Failure::usage(
            format!("{shown} is not a notebook: {error}"),
            "notebooks are JSON of version 4, with `cells`; other scripts end in `.py`, `.js` or `.ts`",
        )
    })?;
    let language = match asked {
        Some(language) => language,
        None => language(&notebook.metadata).map_err(|name| {
            Failure::usage(
                format!("{shown} is a notebook in {name}, which is not run here"),
                "pass `--language python`, `javascript` or `typescript` if it is one of them",
            )
        })?,
    };
    let comment = if language == Language::Python {
        "#"
    } else {
        "//"
    };
    let mut source = String::new();
    let mut left_out = 0;
    let code = notebook.cells.into_iter().enumerate();
    for (place, cell) in code.filter(|(_, cell)| cell.cell_type == "code") {
        let text = match cell.source {
            Lines::One(text) => text,
            Lines::Many(lines) => lines.concat(),
        };
        source += &format!("{comment} cell {}\n", place + 1);
        // `%%bash` and its like make the whole cell something else.
        let is_foreign = text.trim_start().starts_with("%%");
        for line in text.lines() {
            if is_foreign || is_command(line) {
                left_out += 1;
                source += comment;
                source.push(' ');
            }
            source += line;
            source.push('\n');
        }
    }
    let warnings = match left_out {
        0 => Vec::new(),
        count => vec![format!(
            "{count} lines of the notebook are left out: `!…` and `%…` are no code of the program"
        )],
    };
    Ok(Cells {
        language,
        source,
        warnings,
    })
}

/// What the kernel of the notebook runs; Python where nothing says it.
fn language(metadata: &Value) -> Result<Language, String> {
    let named = [
        &metadata["language_info"]["name"],
        &metadata["kernelspec"]["language"],
    ];
    let Some(name) = named.into_iter().find_map(Value::as_str) else {
        return Ok(Language::Python);
    };
    match name.to_ascii_lowercase().as_str() {
        "python" | "ipython" | "python3" => Ok(Language::Python),
        "javascript" => Ok(Language::JavaScript),
        "typescript" => Ok(Language::TypeScript),
        _ => Err(contract::text::quoted(name)),
    }
}

fn is_command(line: &str) -> bool {
    let line = line.trim_start();
    let mut characters = line.chars();
    matches!(characters.next(), Some('!' | '%'))
        && characters
            .next()
            .is_some_and(|next| next.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_cells_become_one_program() {
        let text = r##"{ "cells": [
            { "cell_type": "markdown", "source": ["# Title"] },
            { "cell_type": "code", "source": ["%matplotlib inline\n", "x = 20"] },
            { "cell_type": "code", "source": "x + 22" }
        ], "metadata": { "kernelspec": { "language": "python" } } }"##;
        let cells = read(text, "`a.ipynb`", None).ok().unwrap();
        assert_eq!(
            cells.source,
            "# cell 2\n# %matplotlib inline\nx = 20\n# cell 3\nx + 22\n"
        );
        assert_eq!(cells.language, Language::Python);
        assert_eq!(cells.warnings.len(), 1);
        let julia = r#"{ "cells": [], "metadata": { "language_info": { "name": "julia" } } }"#;
        let failure = read(julia, "`a.ipynb`", None).err().unwrap();
        assert_eq!(
            failure.message.text,
            "`a.ipynb` is a notebook in `julia`, which is not run here"
        );
        assert!(read("[]", "`a.ipynb`", None).is_err());
    }
}
