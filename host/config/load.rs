//! Finds the configuration file and reads it: the one place here with I/O.
//!
//! The order: an explicit path, the variable `MCP_JSON`, `./mcp.json`, nothing.
//! `.env` is read first and the real environment wins over it. The environment
//! of the process is never changed: other threads may be reading it, and what
//! is in it is inherited by every server.

use std::{
    cell::Cell,
    collections::HashMap,
    env::{self, VarError},
    ffi::OsString,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    Configuration, Diagnostic, Error,
    diagnostic::{Place, shown_path},
    file::{Context, parse},
};

/// The largest file that is read. A big one has a few kilobytes; this bounds
/// what `--config /dev/zero` can do.
const MAX_FILE: u64 = 4 << 20;

/// The variable that names the file.
const VARIABLE: &str = "MCP_JSON";

/// Where the loader looks; a value, so that it can be tested and embedded.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Environment {
    /// Where `mcp.json` is looked for, and what relative paths start from.
    pub directory: PathBuf,
    /// The environment.
    pub variables: HashMap<OsString, OsString>,
    /// The program a server entry means by the command `wasm-coordinator`.
    /// The command line sets its own path, so that its servers are found
    /// wherever it is installed; without it the `PATH` decides.
    pub own_program: Option<PathBuf>,
}

impl Environment {
    /// That of this process.
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

/// A file that a configuration was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// What was read of it.
    pub content: Vec<u8>,
    /// Whether somebody named it, or the configuration that it stands beside.
    /// Others were just there.
    pub is_named: bool,
}

/// Finds and reads the configuration.
///
/// A file that was asked for must be there. When none was, and there is no
/// `./mcp.json` either, the result is empty and its `origin` is `None`. Files that
/// nobody asked for have to be [agreed](Configuration::agree) to.
///
/// # Errors
///
/// Everything that is wrong with the file, each with its place; printing the
/// error shows it like a compiler does.
pub fn load(explicit: Option<&Path>, environment: &Environment) -> Result<Configuration, Error> {
    let here = &environment.directory;
    let here_dotenv = match explicit {
        Some(_) => None,
        None => Dotenv::read(here)?,
    };
    let name = environment.variables.get(&OsString::from(VARIABLE));
    let name = name.filter(|path| !path.is_empty()).map(PathBuf::from);
    let is_named = explicit.is_some() || name.is_some();
    let (file, asked_by) = match (explicit, name) {
        (Some(path), _) => (path.to_owned(), Some("`--config`")),
        (None, Some(path)) => (path, Some("the variable `MCP_JSON`")),
        // A file that was found may name another one.
        (None, None) => match here_dotenv.as_ref().and_then(|found| found.get(VARIABLE)) {
            Some(path) if !path.is_empty() => (path.into(), Some("the variable `MCP_JSON`")),
            _ => (PathBuf::from("mcp.json"), None),
        },
    };
    let Some(text) = read_text(here, &file, asked_by)? else {
        return Ok(Configuration::default());
    };

    let full = here.join(&file);
    let folder = full.parent().unwrap_or(here);
    let beside = Dotenv::read(folder)?;
    let is_beside = beside.is_some();
    let dotenv = match beside {
        Some(variables) => Some(variables),
        None if explicit.is_some() => Dotenv::read(here)?,
        None => here_dotenv,
    };
    let variables = |name: &str| match environment.variable(name) {
        Err(VarError::NotPresent) => dotenv
            .as_ref()
            .and_then(|variables| variables.get(name))
            .ok_or(VarError::NotPresent),
        found => found,
    };
    let context = Context {
        folder,
        variables: &variables,
        own_program: environment.own_program.as_deref(),
    };
    let mut configuration = parse(&file, &text, &context)?;
    configuration.files.push(SourceFile {
        path: full,
        content: text.into_bytes(),
        is_named,
    });
    if let Some(dotenv) = dotenv
        && dotenv.is_used.get()
    {
        configuration.files.push(SourceFile {
            path: dotenv.path,
            content: dotenv.content,
            // Whoever names a file trusts the variables beside it, and not those
            // of whichever folder they are in.
            is_named: is_named && is_beside,
        });
    }
    Ok(configuration)
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
                format!("it is larger than {} MiB", MAX_FILE >> 20),
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
                Some(if wide {
                    "it looks like UTF-16: save it as UTF-8"
                } else {
                    "save it as UTF-8"
                }),
            )
        }
    }
}

/// A file `.env`.
struct Dotenv {
    path: PathBuf,
    content: Vec<u8>,
    variables: HashMap<String, String>,
    /// A variable of it was taken.
    is_used: Cell<bool>,
}

impl Dotenv {
    fn get(&self, name: &str) -> Option<String> {
        let value = self.variables.get(name).cloned();
        self.is_used.set(self.is_used.get() || value.is_some());
        value
    }

    /// That of a folder, if there is one.
    fn read(folder: &Path) -> Result<Option<Self>, Error> {
        read_dotenv(folder.join(".env"))
    }
}

fn read_dotenv(file: PathBuf) -> Result<Option<Dotenv>, Error> {
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
    let content = bytes;
    let text = str::from_utf8(&content).map_err(|_| fail("it is not valid UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
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
    Ok(Some(Dotenv {
        path: file,
        content,
        variables,
        is_used: Cell::new(false),
    }))
}

/// Shows a line that does not parse, but not what follows its `=`.
fn bad_line(file: &Path, text: &str, line: &str) -> Diagnostic {
    let line = line.trim_end();
    // A whole line: what it says may be a part of another one, of a value even.
    let is_here = |&start: &usize| {
        let rest = text[start..].strip_prefix(line);
        rest.is_some_and(|rest| {
            let rest = rest.trim_start_matches([' ', '\t', '\r']);
            rest.is_empty() || rest.starts_with(['\n', '#'])
        })
    };
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    let start = std::iter::once(0).chain(ends).find(is_here);
    let diagnostic = Diagnostic::new(format!(
        "`{}` has a line that is not `NAME=value`",
        shown_path(file)
    ))
    .in_file(file)
    .hint("put a value with spaces or special characters into single quotes: `NAME='a b#c'`");
    let Some(start) = start else {
        return diagnostic;
    };
    let end = text[start..]
        .find('\n')
        .map_or(text.len(), |end| start + end);
    let value = text[start..end]
        .find('=')
        .map_or(start, |at| start + at + 1);
    let covered = value..end;
    diagnostic.at(Place::new(text, start..end, std::slice::from_ref(&covered)))
}

/// The content of a file, or `None` when it is too large.
fn read_bounded(file: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_FILE).then_some(bytes))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tools::servers::{Stdio, Transport};

    use super::*;

    fn stdio(configuration: &Configuration) -> &Stdio {
        match &configuration.servers[0].spec.transport {
            Transport::Stdio(stdio) => stdio,
            other => panic!("{}", other.kind()),
        }
    }

    /// A folder with files in it, and an environment.
    struct World {
        folder: tempfile::TempDir,
        variables: HashMap<String, String>,
    }

    impl World {
        fn new(files: &[(&str, &[u8])]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, content) in files {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            Self {
                folder,
                variables: HashMap::new(),
            }
        }

        fn with(mut self, name: &str, value: &str) -> Self {
            self.variables.insert(name.to_owned(), value.to_owned());
            self
        }

        fn load(&self, explicit: Option<&str>) -> Result<Configuration, String> {
            let environment = Environment {
                directory: self.folder.path().to_owned(),
                variables: self
                    .variables
                    .iter()
                    .map(|(name, value)| (name.into(), value.into()))
                    .collect(),
                own_program: None,
            };
            load(explicit.map(Path::new), &environment).map_err(|error| {
                error
                    .to_string()
                    .replace(&self.folder.path().display().to_string(), "HERE")
            })
        }

        /// The command of the first server, which tells the files apart.
        fn command(&self, explicit: Option<&str>) -> String {
            let configuration = self.load(explicit).unwrap();
            stdio(&configuration).command.clone()
        }
    }

    const FLAG: &[u8] = br#"{ "servers": { "a": { "command": "flag" } } }"#;
    const VARIABLE: &[u8] = br#"{ "servers": { "a": { "command": "variable" } } }"#;
    const HERE: &[u8] = br#"{ "servers": { "a": { "command": "here" } } }"#;
    const WHO: &[u8] = br#"{ "servers": { "a": { "command": "${WHO}" } } }"#;

    #[test]
    fn the_file_is_found_in_the_documented_order() {
        let files: &[(&str, &[u8])] = &[
            ("flag.json", FLAG),
            ("variable.json", VARIABLE),
            ("mcp.json", HERE),
        ];
        let world = World::new(files);
        assert_eq!(world.command(None), "here");
        assert_eq!(world.command(Some("flag.json")), "flag");
        let world = World::new(files).with("MCP_JSON", "variable.json");
        assert_eq!(world.command(None), "variable");
        assert_eq!(world.command(Some("flag.json")), "flag");
        let world = World::new(files).with("MCP_JSON", "");
        assert_eq!(world.command(None), "here");
        let world = World::new(&[
            ("variable.json", VARIABLE),
            (".env", b"MCP_JSON=variable.json\n"),
        ]);
        assert_eq!(world.command(None), "variable");

        let nothing = World::new(&[]).load(None).unwrap();
        assert_eq!((nothing.origin, nothing.servers.len()), (None, 0));
    }

    #[test]
    fn dot_env_is_read_beside_the_file_and_the_real_environment_wins() {
        let world = World::new(&[("mcp.json", WHO), (".env", b"export WHO='a b'\n")]);
        assert_eq!(world.command(None), "a b");
        assert_eq!(world.with("WHO", "real").command(None), "real");
        let world = World::new(&[
            ("in/mcp.json", WHO),
            ("in/.env", b"WHO=inside "),
            (".env", b"WHO=outside"),
        ]);
        assert_eq!(world.command(Some("in/mcp.json")), "inside");
        let world = World::new(&[("in/mcp.json", WHO), (".env", b"\xef\xbb\xbfWHO=outside")]);
        assert_eq!(world.command(Some("in/mcp.json")), "outside");
        assert_eq!(
            world.with("MCP_JSON", "in/mcp.json").command(None),
            "outside"
        );
    }

    #[test]
    fn what_nobody_named_is_told_from_what_was_named() {
        let found = |world: &World, explicit: Option<&str>| {
            let configuration = world.load(explicit).unwrap();
            let paths = configuration.found().map(|file| {
                let path = file.path.strip_prefix(world.folder.path()).unwrap();
                path.to_str().unwrap().to_owned()
            });
            paths.collect::<Vec<_>>()
        };
        let files: &[(&str, &[u8])] = &[
            ("mcp.json", WHO),
            (".env", b"WHO=here"),
            ("in/mcp.json", WHO),
            ("in/.env", b"WHO=inside"),
            ("bare/mcp.json", WHO),
            ("plain/mcp.json", HERE),
        ];
        let world = World::new(files);
        assert_eq!(found(&world, None), ["mcp.json", ".env"]);
        assert!(found(&world, Some("mcp.json")).is_empty());
        assert!(found(&world, Some("in/mcp.json")).is_empty());
        // Variables of the folder that one happens to be in.
        assert_eq!(found(&world, Some("bare/mcp.json")), [".env"]);
        assert!(found(&world, Some("plain/mcp.json")).is_empty());
        let world = World::new(files).with("MCP_JSON", "bare/mcp.json");
        assert_eq!(found(&world, None), [".env"]);
        let world = World::new(files)
            .with("MCP_JSON", "bare/mcp.json")
            .with("WHO", "me");
        assert!(found(&world, None).is_empty());
        // What was found names another one.
        let world = World::new(&[
            ("bare/mcp.json", HERE),
            (".env", b"MCP_JSON=bare/mcp.json\n"),
        ]);
        assert_eq!(found(&world, None), ["bare/mcp.json", ".env"]);
        let world = World::new(&[("mcp.json", HERE), (".env", b"WHO=here")]);
        assert_eq!(found(&world, None), ["mcp.json"]);
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let text = br#"{ "servers": { "a": { "command": "bin/x", "cwd": "data" } } }"#;
        let world = World::new(&[("in/mcp.json", text)]);
        let configuration = world.load(Some("in/mcp.json")).unwrap();
        let stdio = stdio(&configuration);
        let inside = world.folder.path().join("in");
        assert_eq!(Path::new(&stdio.command), inside.join("bin/x"));
        assert_eq!(stdio.cwd, Some(inside.join("data")));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_the_reason() {
        let big = vec![b' '; (4 << 20) + 1];
        let world = World::new(&[
            ("folder/x", b""),
            ("latin.json", b"{\n\"a\": \"\xe9\" }"),
            ("wide.json", b"\xff\xfe{\0}\0"),
            ("big.json", &big),
            ("bom.json", b"\xef\xbb\xbf{ \"servers\": {} }"),
            ("blank.json", b" \n"),
        ]);
        std::os::unix::fs::symlink("gone", world.folder.path().join("link.json")).unwrap();
        let refused = |name: &str| world.load(Some(name)).unwrap_err();
        assert_eq!(
            refused("none.json"),
            "cannot read `none.json`, named by `--config`: there is no such file\n  = hint: `wasm-coordinator init` writes a first one"
        );
        assert_eq!(
            refused("folder"),
            "cannot read `folder`, named by `--config`: it is a directory\n  = hint: name the file inside it, usually `mcp.json`"
        );
        assert_eq!(
            refused("latin.json"),
            "cannot read `latin.json`, named by `--config`: line 2 is not valid UTF-8\n  = hint: save it as UTF-8"
        );
        assert_eq!(
            refused("wide.json"),
            "cannot read `wide.json`, named by `--config`: line 1 is not valid UTF-8\n  = hint: it looks like UTF-16: save it as UTF-8"
        );
        assert_eq!(
            refused("big.json"),
            "cannot read `big.json`, named by `--config`: it is larger than 4 MiB\n  = hint: a configuration has a few kilobytes: is this the right file?"
        );
        assert_eq!(
            refused("link.json"),
            "cannot read `link.json`, named by `--config`: it is a link to a file that does not exist"
        );
        assert!(refused("/dev/zero").ends_with("is this the right file?"));
        assert!(refused("blank.json").starts_with("`blank.json` is empty"));
        assert!(world.load(Some("bom.json")).is_ok());
        let world = World::new(&[]).with("MCP_JSON", "none.json");
        assert!(world.load(None).unwrap_err().starts_with(
            "cannot read `none.json`, named by the variable `MCP_JSON`: there is no such file"
        ));
    }

    #[test]
    fn a_broken_dot_env_is_shown_without_its_values() {
        let world = World::new(&[("mcp.json", WHO), (".env", b"A=1\nTOKEN = \"s3cret\n")]);
        assert_eq!(
            world.load(None).unwrap_err(),
            "\
    `HERE/.env` has a line that is not `NAME=value`
 --> HERE/.env:2:1
  |
2 | TOKEN =••••••••
  | ^^^^^^^^^^^^^^^
  = hint: put a value with spaces or special characters into single quotes: `NAME='a b#c'`"
        );
        // What it says is a part of a value above.
        let dotenv = b"TOKEN=s3cretxyz\nx\n";
        let world = World::new(&[("mcp.json", WHO), (".env", dotenv)]);
        let error = world.load(None).unwrap_err();
        assert!(error.contains("HERE/.env:2:1\n"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
        let world = World::new(&[("mcp.json", WHO), (".env", b"\xff")]);
        assert_eq!(
            world.load(None).unwrap_err(),
            "cannot read `HERE/.env`: it is not valid UTF-8"
        );
    }
}
