//! Finds the configuration file and reads it: the one place here with I/O.
//!
//! The order: an explicit path, the variable `MCP_JSON`, `./mcp.json`, nothing.
//! `.env` is read first and the real environment wins over it. The environment
//! of the process is never changed: other threads may be reading it, and what
//! is in it is inherited by every server.

use std::{
    collections::HashMap,
    env::{self, VarError},
    ffi::OsString,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    Configuration, Context, Diagnostic, Error,
    diagnostic::{Place, shown_path},
    parse,
};

/// The largest file that is read. A big one has a few kilobytes; this bounds
/// what `--config /dev/zero` can do.
const LARGEST_FILE: u64 = 4 << 20;

/// The variable that names the file.
const VARIABLE: &str = "MCP_JSON";

/// Where the loader looks; a value, so that it can be tested and embedded.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where `mcp.json` is looked for, and what relative paths start from.
    pub directory: PathBuf,
    /// The environment.
    pub variables: HashMap<OsString, OsString>,
    /// The program a server entry means by the command `wasm-coordinator`.
    /// The command line sets its own path, so that its servers are found
    /// wherever it is installed; without it the `PATH` decides.
    pub own_program: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    ///
    /// # Errors
    ///
    /// When the current directory is gone.
    pub fn of_process() -> io::Result<Self> {
        Ok(Self {
            directory: env::current_dir()?,
            variables: env::vars_os().collect(),
            own_program: None,
        })
    }

    fn variable(&self, name: &str) -> Result<String, VarError> {
        let value = self.variables.get(&OsString::from(name));
        let value = value.ok_or(VarError::NotPresent)?.clone();
        value.into_string().map_err(VarError::NotUnicode)
    }
}

/// Finds and reads the configuration.
///
/// A file that was asked for must be there. When none was, and there is no
/// `./mcp.json` either, the result is empty and its `origin` is `None`.
///
/// # Errors
///
/// Everything that is wrong with the file, each with its place; printing the
/// error shows it like a compiler does.
pub fn load(explicit: Option<&Path>, surroundings: &Surroundings) -> Result<Configuration, Error> {
    let here = &surroundings.directory;
    let here_dotenv = match explicit {
        Some(_) => None,
        None => read_dotenv(here)?,
    };
    let (file, asked_by) = match explicit {
        Some(path) => (path.to_owned(), Some("`--config`")),
        None => {
            let named = surroundings
                .variables
                .get(&OsString::from(VARIABLE))
                .cloned();
            let named = named.or_else(|| Some(here_dotenv.as_ref()?.get(VARIABLE)?.into()));
            match named.filter(|path| !path.is_empty()) {
                Some(path) => (path.into(), Some("the variable `MCP_JSON`")),
                None => (PathBuf::from("mcp.json"), None),
            }
        }
    };
    let Some(text) = read_text(here, &file, asked_by)? else {
        return Ok(Configuration::default());
    };

    let full = here.join(&file);
    let folder = full.parent().unwrap_or(here);
    let dotenv = match read_dotenv(folder)? {
        Some(variables) => Some(variables),
        None if explicit.is_some() => read_dotenv(here)?,
        None => here_dotenv,
    };
    let variables = |name: &str| match surroundings.variable(name) {
        Err(VarError::NotPresent) => dotenv
            .as_ref()
            .and_then(|variables| variables.get(name).cloned())
            .ok_or(VarError::NotPresent),
        found => found,
    };
    let context = Context {
        folder,
        variables: &variables,
        own_program: surroundings.own_program.as_deref(),
    };
    parse(&file, &text, &context)
}

/// The text of the configuration file; `None` when it is not there and nobody
/// asked for it.
fn read_text(here: &Path, file: &Path, asked_by: Option<&str>) -> Result<Option<String>, Error> {
    let named = match asked_by {
        Some(asked_by) => format!("`{}`, named by {asked_by}", shown_path(file)),
        None => format!("`{}`", shown_path(file)),
    };
    let fail = |reason: String, hint: Option<&str>| {
        let mut diagnostic =
            Diagnostic::new(format!("cannot read {named}: {reason}")).in_file(file);
        diagnostic.hint = hint.map(str::to_owned);
        Err(Error::from(diagnostic))
    };
    let full = here.join(file);
    let mut bytes = match read_bounded(&full) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            return fail(
                format!("it is larger than {} MiB", LARGEST_FILE >> 20),
                Some("a configuration has a few kilobytes: is this the right file?"),
            );
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link that leads nowhere is there, and somebody meant it.
            let dangling = full.symlink_metadata().is_ok();
            return match asked_by {
                None if !dangling => Ok(None),
                _ if dangling => fail(
                    "it is a link to a file that does not exist".to_owned(),
                    None,
                ),
                _ => fail(
                    "there is no such file".to_owned(),
                    Some("`wasm-coordinator init` writes a first one"),
                ),
            };
        }
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            return fail(
                "it is a directory".to_owned(),
                Some("name the file inside it, usually `mcp.json`"),
            );
        }
        Err(error) => return fail(reason(&error), None),
    };
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let wide = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
            let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            fail(
                format!("line {line} is not valid UTF-8"),
                Some(match wide {
                    true => "it looks like UTF-16: save it as UTF-8",
                    false => "save it as UTF-8",
                }),
            )
        }
    }
}

/// The variables of the file `.env` in `folder`, if there is one.
fn read_dotenv(folder: &Path) -> Result<Option<HashMap<String, String>>, Error> {
    let file = folder.join(".env");
    let fail = |reason: &str| {
        let message = format!("cannot read `{}`: {reason}", shown_path(&file));
        Error::from(Diagnostic::new(message).in_file(&file))
    };
    let bytes = match read_bounded(&file) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(fail("it is too large")),
        // A folder of that name is an environment of Python's `venv`.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::IsADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(fail(&reason(&error))),
    };
    let text = String::from_utf8(bytes).map_err(|_| fail("it is not valid UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // dotenvy takes a blank before the end of the file for an open value.
    let complete = format!("{text}\n");

    let mut variables = HashMap::new();
    for item in dotenvy::from_read_iter(complete.as_bytes()) {
        match item {
            // The first of two counts, as it does for dotenvy itself.
            Ok((name, value)) => {
                variables.entry(name).or_insert(value);
            }
            Err(dotenvy::Error::LineParse(line, _)) => {
                return Err(bad_line(&file, text, &line).into());
            }
            Err(_) => return Err(fail("it is not a list of `NAME=value` lines")),
        }
    }
    Ok(Some(variables))
}

/// Shows a line that does not parse, but not what follows its `=`.
fn bad_line(file: &Path, text: &str, line: &str) -> Diagnostic {
    let start = text.find(line.trim_end()).unwrap_or(0);
    let end = text[start..]
        .find('\n')
        .map_or(text.len(), |end| start + end);
    let value = text[start..end]
        .find('=')
        .map_or(start, |at| start + at + 1);
    let covered = value..end;
    Diagnostic::new(format!(
        "`{}` has a line that is not `NAME=value`",
        shown_path(file)
    ))
    .in_file(file)
    .at(Place::new(text, start..end, std::slice::from_ref(&covered)))
    .hint("put a value with spaces or special characters into single quotes: `NAME='a b#c'`")
}

/// The content of a file, or `None` when it is too large.
fn read_bounded(file: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= LARGEST_FILE).then_some(bytes))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
