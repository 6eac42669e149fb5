//! `trust`: agree to what a configuration found in the current folder starts.
//!
//! A repository that was cloned can bring an `mcp.json`, which names programs
//! to start. So every command takes a file that nobody named only after the user
//! agreed to exactly this content: with `trust`, with `init` that wrote it, or
//! when asked at the terminal.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use contract::text::visible;
use wasm_coordinator::config::{self, Configuration, Environment};

use super::failure::Failure;
use super::output::Stderr;
use super::setup::{self, ConfigFlag};
use super::terminal::Message;

/// Agree that the mcp.json of this folder is used.
///
/// A configuration names programs that are started. If you name it with --config
/// or $MCP_JSON, it is used as it is. A ./mcp.json that you did not name may come
/// from a repository that you cloned, so all commands refuse it until you run
/// this one; at a terminal they ask. So may a .env, unless it is beside the
/// configuration that you named. Agree again after each change of what is used.
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
        remember(Agreement::to(&configuration).map_err(Failure::host)?)?;
        let text = format!("{} is used from now on:", origin.display());
        Message::note(text + &commands(&configuration)).print();
        Ok(ExitCode::SUCCESS)
    }
}

/// Agreements that are remembered; the oldest are forgotten.
const MAX_KNOWN: usize = 1_000;

/// Bytes of an answer at the terminal.
const MAX_ANSWER: u64 = 100;

/// What somebody agreed to: the content of files, and where the first of them is.
#[derive(Clone, PartialEq, Eq)]
struct Agreement {
    digest: String,
    path: String,
}

impl Agreement {
    /// To what was read, whatever is in the files by now.
    fn to(configuration: &Configuration) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        for file in &configuration.files {
            hasher.update(&(file.content.len() as u64).to_le_bytes());
            hasher.update(&file.content);
        }
        let first = configuration.found().next();
        let path = match first.or(configuration.files.first()) {
            Some(file) => fs::canonicalize(&file.path)?,
            None => PathBuf::new(),
        };
        Ok(Self {
            digest: hasher.finalize().to_hex().to_string(),
            path: path.to_string_lossy().into_owned(),
        })
    }
}

/// Refuses a configuration that nobody asked for or agreed to. This is the one
/// rule of all commands: without it, the configuration gives no tools.
pub(crate) fn check(configuration: &mut Configuration) -> Result<(), Failure> {
    if configuration.found().next().is_none() || configuration.is_plain() {
        return Ok(());
    }
    let agreement = Agreement::to(configuration).map_err(Failure::host)?;
    let known = known();
    if known.contains(&agreement) {
        configuration.agree();
        return Ok(());
    }
    let what = if known.iter().any(|known| known.path == agreement.path) {
        "was changed since you agreed to it"
    } else {
        "was found here and you have not agreed to it"
    };
    let file = shown(configuration);
    let message = format!(
        "{file} {what}; it starts or reaches:{}",
        commands(configuration)
    );
    let message = match is_agreed_at_terminal(&message) {
        Some(true) => {
            configuration.agree();
            return remember(agreement);
        }
        Some(false) => format!("{file} is not used: you did not agree"),
        None => message,
    };
    Err(Failure::usage(
        message,
        "`wasm-coordinator trust` agrees to this content; `--config FILE` or `$MCP_JSON` names a file you trust whatever is in it",
    ))
}

/// The file that is spoken of: the configuration, or what gave it variables.
fn shown(configuration: &Configuration) -> String {
    let found = configuration.found().next().map(|file| file.path.as_path());
    let origin = configuration.origin.as_deref();
    match (found, origin) {
        (Some(found), Some(origin)) if !found.ends_with(origin) => format!(
            "{}, which gives variables to {},",
            found.display(),
            origin.display()
        ),
        (found, origin) => origin
            .or(found)
            .map_or_else(String::new, |file| file.display().to_string()),
    }
}

/// Remembers that the `mcp.json` of a folder may be used.
pub(crate) fn agree(folder: &Path) -> Result<(), Failure> {
    let mut environment = Environment::of_process().map_err(Failure::host)?;
    environment.directory.push(folder);
    environment.variables.remove(OsStr::new("MCP_JSON"));
    let configuration = config::load(None, &environment).map_err(setup::wrong)?;
    // A `.env` that was there before may name another one.
    if configuration.origin.as_deref() != Some(Path::new("mcp.json")) {
        return Ok(());
    }
    remember(Agreement::to(&configuration).map_err(Failure::host)?)
}

/// What was shown is what is agreed to: the content is from before the question.
fn remember(agreement: Agreement) -> Result<(), Failure> {
    let mut known = known();
    known.retain(|known| known.path != agreement.path);
    known.push(agreement);
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
    if let Some(directory) = &configuration.audit.directory {
        let directory = directory.to_string_lossy();
        let _ = write!(
            text,
            "\n  the audit record is written to {}",
            visible(&directory)
        );
    }
    if configuration.audit.enabled == Some(false) {
        let _ = write!(text, "\n  there is no audit record");
    }
    text
}

/// `$XDG_STATE_HOME/wasm-coordinator`, else `~/.local/state/wasm-coordinator`.
fn file() -> Option<PathBuf> {
    Some(setup::state_folder()?.join("trusted"))
}

/// What was agreed to.
fn known() -> Vec<Agreement> {
    let text = file().and_then(|file| fs::read_to_string(file).ok());
    let text = text.unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(digest, path)| Agreement {
            digest: digest.to_owned(),
            path: path.to_owned(),
        })
        .collect()
}

fn write(known: &[Agreement]) -> Result<(), Failure> {
    let file = file().ok_or_else(|| {
        Failure::usage(
            "there is no folder to remember this in",
            "set `HOME` or `XDG_STATE_HOME`",
        )
    })?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let mut text = String::new();
    for Agreement { digest, path } in known {
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
