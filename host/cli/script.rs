//! From what was named on the command line to a program: a file, standard
//! input, or code in an argument.

// CONTRIBUTING.md, "To add a guest language".

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use wasm_coordinator::{Language, MAX_COMPONENT, Program};

use super::failure::{Failure, reason};
use super::notebook;

/// Bytes of a source text. Nobody writes more by hand, and parsers need many
/// times as much memory.
const MAX_SOURCE: usize = 8 << 20;

/// How every WebAssembly file begins.
const WASM_MAGIC: &[u8] = b"\0asm";

/// A program, and where it came from.
pub(crate) struct Script {
    pub(crate) program: Program,
    /// The folder that it is in, or that it was typed in.
    pub(crate) folder: PathBuf,
    /// It was read from standard input, so that nothing is left there.
    pub(crate) from_stdin: bool,
    /// What is odd about it.
    pub(crate) warnings: Vec<String>,
}

impl From<Program> for Script {
    fn from(program: Program) -> Self {
        Self {
            program,
            folder: PathBuf::new(),
            from_stdin: false,
            warnings: Vec::new(),
        }
    }
}

/// Code given as an argument.
pub(crate) fn from_argument(code: &str, language: Option<Language>) -> Script {
    Program::new(language.unwrap_or(Language::Python), code).into()
}

/// Reads what was piped to standard input; `None` if that is nothing.
pub(crate) fn read_piped(language: Option<Language>) -> Result<Option<Script>, Failure> {
    let shown = "standard input";
    let bytes = bounded(std::io::stdin().lock(), shown)?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    parse(bytes, Path::new("-"), shown, language).map(Some)
}

/// Reads a script, a notebook or a component, from standard input if the path is
/// `-`.
pub(crate) fn read(path: &Path, language: Option<Language>) -> Result<Script, Failure> {
    let from_stdin = path == Path::new("-");
    let shown = if from_stdin {
        "standard input".to_owned()
    } else {
        format!("`{}`", path.display())
    };
    let bytes = if from_stdin {
        bounded(std::io::stdin().lock(), &shown)?
    } else {
        read_file(path, &shown)?
    };
    parse(bytes, path, &shown, language)
}

fn parse(
    bytes: Vec<u8>,
    path: &Path,
    shown: &str,
    language: Option<Language>,
) -> Result<Script, Failure> {
    let from_stdin = path == Path::new("-");
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let script = |program: Program, warnings| Script {
        program: if from_stdin {
            program
        } else {
            program.named(path)
        },
        folder: folder.clone(),
        from_stdin,
        warnings,
    };
    if bytes.starts_with(WASM_MAGIC)
        || path
            .extension()
            .is_some_and(|extension| extension == "wasm")
    {
        return Ok(script(Program::component(bytes), Vec::new()));
    }
    let text = source(bytes, shown)?;
    if path
        .extension()
        .is_some_and(|extension| extension == "ipynb")
    {
        let cells = notebook::read(&text, shown, language)?;
        let program = Program::new(cells.language, cells.source);
        return Ok(script(program, cells.warnings));
    }
    let language = match language
        .or_else(|| Language::of_path(path))
        .or_else(|| of_shebang(&text))
    {
        Some(language) => language,
        None if from_stdin => Language::Python,
        None => {
            return Err(Failure::usage(
                format!("the name of {shown} does not tell its language"),
                "pass `--language python`, `javascript` or `typescript`",
            ));
        }
    };
    Ok(script(Program::new(language, text), Vec::new()))
}

fn read_file(path: &Path, shown: &str) -> Result<Vec<u8>, Failure> {
    let failure = |error: std::io::Error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path, or pass the code itself with `-c`",
            std::io::ErrorKind::PermissionDenied => "check the file's permissions",
            _ => "",
        };
        Failure::usage(format!("{shown} cannot be read: {}", reason(&error)), hint)
    };
    let meta = std::fs::metadata(path).map_err(failure)?;
    if meta.is_dir() {
        return Err(Failure::usage(
            format!("{shown} is a directory"),
            "name a script or a component in it",
        ));
    }
    bounded(File::open(path).map_err(failure)?, shown)
}

fn bounded(input: impl Read, shown: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = input.take(MAX_COMPONENT as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        Failure::usage(format!("{shown} cannot be read: {}", reason(&error)), "")
    })?;
    let limit = if bytes.starts_with(WASM_MAGIC) {
        MAX_COMPONENT
    } else {
        MAX_SOURCE
    };
    if bytes.len() > limit {
        return Err(Failure::usage(
            format!(
                "{shown} is too large: at most {} MiB are accepted",
                limit >> 20
            ),
            "read large data from a tool or a file instead of writing it into the script",
        ));
    }
    Ok(bytes)
}

/// The text of a script: UTF-8, without a byte order mark.
fn source(bytes: Vec<u8>, shown: &str) -> Result<String, Failure> {
    let bytes = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .map(<[u8]>::to_vec)
        .unwrap_or(bytes);
    if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
        let (line, column) = position(&bytes, at);
        return Err(Failure::usage(
            format!("{shown} is not a script: it has a zero byte at line {line}, column {column}"),
            "scripts are UTF-8 text; components begin with `\\0asm`",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (line, column) = position(error.as_bytes(), error.utf8_error().valid_up_to());
        Failure::usage(
            format!(
                "{shown} is not UTF-8: the first wrong byte is at line {line}, column {column}"
            ),
            "save the file as UTF-8",
        )
    })
}

/// Line and column, from 1, of a byte.
fn position(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    (
        line,
        String::from_utf8_lossy(&before[start..]).chars().count() + 1,
    )
}

fn of_shebang(text: &str) -> Option<Language> {
    let line = text.lines().next()?.strip_prefix("#!")?;
    let has = |word| line.contains(word);
    if has("python") {
        Some(Language::Python)
    } else if has("ts-node") || has("tsx") || has("deno") {
        Some(Language::TypeScript)
    } else if has("node") || has("bun") {
        Some(Language::JavaScript)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<String, String> {
        source(bytes.to_vec(), "`x.py`").map_err(|failure| failure.message.text)
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(text(b"\xef\xbb\xbfprint(1)").unwrap(), "print(1)");
    }

    #[test]
    fn wrong_bytes_are_located() {
        assert_eq!(
            text(b"x = 1\n\xc3\xa4 = '\xff'").unwrap_err(),
            "`x.py` is not UTF-8: the first wrong byte is at line 2, column 6"
        );
        assert_eq!(
            text(b"a\0b").unwrap_err(),
            "`x.py` is not a script: it has a zero byte at line 1, column 2"
        );
    }

    #[test]
    fn a_shebang_tells_the_language() {
        assert_eq!(
            of_shebang("#!/usr/bin/env python3\n"),
            Some(Language::Python)
        );
        assert_eq!(of_shebang("#!/usr/bin/node\n"), Some(Language::JavaScript));
        assert_eq!(of_shebang("print(1)\n"), None);
    }
}
