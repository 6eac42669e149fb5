//! `trust`: agree to what a configuration found in the current folder starts.
//!
//! A repository that was cloned can bring an `mcp.json`, which names programs
//! to start. So every command takes a file that nobody named only after the user
//! agreed to exactly this content: with `trust`, with `init` that wrote it, or
//! when asked at the terminal.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use contract::text::visible;
use wasm_coordinator::config::Configuration;

use super::failure::Failure;
use super::output::Stderr;
use super::setup::ConfigFlag;
use super::terminal::Message;

/// Agree that the mcp.json of this folder is used.
///
/// A configuration names programs that are started. If you name it with --config
/// or $MCP_JSON, it is used as it is. A ./mcp.json that you did not name may come
/// from a repository that you cloned, so all commands refuse it until you run
/// this one; at a terminal they ask. Agree again after each change of that file,
/// or of the .env beside it.
#[derive(Args)]
pub(crate) struct Trust {
    #[command(flatten)]
    pub(super) config: ConfigFlag,
}

impl Trust {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let configuration = self.config.read(true)?;
        let Some(origin) = &configuration.origin else {
            let message = "there is no configuration here";
            return Err(Failure::usage(
                message,
                "`wasm-coordinator init` writes a first `mcp.json`",
            ));
        };
        agree(origin)?;
        let text = format!("{} is used from now on:", origin.display());
        Message::note(text + &commands(&configuration)).print();
        Ok(ExitCode::SUCCESS)
    }
}

/// Agreements that are remembered; the oldest are forgotten.
const MAX_KNOWN: usize = 1_000;

/// Bytes of an answer at the terminal.
const MAX_ANSWER: u64 = 100;

/// Refuses a configuration that nobody asked for or agreed to.
pub(crate) fn check(flag: &ConfigFlag, configuration: &Configuration) -> Result<(), Failure> {
    let is_asked_for =
        flag.is_given() || std::env::var_os("MCP_JSON").is_some_and(|path| !path.is_empty());
    let Some(origin) = &configuration.origin else {
        return Ok(());
    };
    if is_asked_for || configuration.servers.is_empty() {
        return Ok(());
    }
    let digest = digest(origin).map_err(Failure::host)?;
    let known = known();
    if known.contains(&digest) {
        return Ok(());
    }
    let what = if known.iter().any(|line| line.1 == digest.1) {
        "was changed since you agreed to it"
    } else {
        "was found here and you have not agreed to it"
    };
    let message = format!(
        "{} {what}; it starts or reaches:{}",
        origin.display(),
        commands(configuration)
    );
    let message = match is_agreed_at_terminal(&message) {
        Some(true) => return remember(digest),
        Some(false) => format!("{} is not used: you did not agree", origin.display()),
        None => message,
    };
    Err(Failure::usage(
        message,
        "`wasm-coordinator trust` agrees to this content; `--config FILE` or `$MCP_JSON` names a file you trust whatever is in it",
    ))
}

/// Remembers that this content may be used.
pub(crate) fn agree(origin: &Path) -> Result<(), Failure> {
    remember(digest(origin).map_err(Failure::host)?)
}

/// What was shown is what is agreed to: the digest is from before the question.
fn remember(digest: (String, String)) -> Result<(), Failure> {
    let mut known = known();
    known.retain(|line| line.1 != digest.1);
    known.push(digest);
    let surplus = known.len().saturating_sub(MAX_KNOWN);
    write(&known[surplus..])
}

/// Asks whoever sits at the terminal. A client that started us does not: it is
/// at the other end of standard input. `None` if nobody can be asked.
fn is_agreed_at_terminal(message: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let terminal = fs::File::open("/dev/tty").ok()?;
    let question = format!("{message}\nUse it from now on? [y]es, [N]o: ");
    let _ = Stderr.write_all(visible(&question).as_bytes());
    let mut line = String::new();
    let read = BufReader::new(terminal.take(MAX_ANSWER)).read_line(&mut line);
    let is_yes = matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    Some(read.is_ok() && is_yes)
}

/// What a configuration starts, line by line. Variables are not expanded.
fn commands(configuration: &Configuration) -> String {
    let mut text = String::new();
    for server in &configuration.servers {
        let (name, written) = (visible(&server.spec.name), visible(&server.written));
        let _ = write!(text, "\n  {name}: {written}");
    }
    text
}

/// What the file and the variables beside it are, and where the file is.
fn digest(origin: &Path) -> std::io::Result<(String, String)> {
    let path = fs::canonicalize(origin)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&fs::read(origin)?);
    // Of the two files that may give variables, the one that does: beside the
    // configuration as it is named, also where that is a link.
    let variables = fs::read(origin.with_file_name(".env")).or_else(|_| fs::read(".env"));
    hasher.update(&[0]);
    hasher.update(&variables.unwrap_or_default());
    let digest = hasher.finalize().to_hex().to_string();
    Ok((digest, path.to_string_lossy().into_owned()))
}

/// `$XDG_STATE_HOME`, else `~/.local/state`.
fn file() -> Option<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = variable("XDG_STATE_HOME")
        .or_else(|| Some(variable("HOME")?.join(".local").join("state")))?;
    Some(state.join("wasm-coordinator").join("trusted"))
}

/// The digests and paths that were agreed to.
fn known() -> Vec<(String, String)> {
    let text = file().and_then(|file| fs::read_to_string(file).ok());
    let text = text.unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(digest, path)| (digest.to_owned(), path.to_owned()))
        .collect()
}

fn write(known: &[(String, String)]) -> Result<(), Failure> {
    let file = file().ok_or_else(|| {
        Failure::usage(
            "there is no folder to remember this in",
            "set `HOME` or `XDG_STATE_HOME`",
        )
    })?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let mut text = String::new();
    for (digest, path) in known {
        let _ = writeln!(text, "{digest} {path}");
    }
    // Whole or not at all.
    let next = file.with_extension(format!("{}.next", std::process::id()));
    fs::create_dir_all(folder)
        .and_then(|()| {
            let mut next = fs::File::create(&next)?;
            next.write_all(text.as_bytes())?;
            next.sync_all()
        })
        .and_then(|()| fs::rename(&next, &file))
        .map_err(Failure::host)
}
