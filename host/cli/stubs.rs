//! `stubs`: the tree that programs see at `/servers`, written to disk.
//!
//! Written through cap-std: whatever links the folder holds, nothing outside of
//! it is changed.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cap_fs_ext::DirExt;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use clap::Args;
use futures_util::future::join_all;
use serde_json::{Value, json};
use wasm_coordinator::{CallError, StubFile, Toolbox, stubs_root};

use super::failure::{EXIT_INTERRUPTED, Failure, reason};
use super::output;
use super::setup::{self, ConfigFlag};
use super::terminal::Message;
use super::whole_file;

/// Write typed stubs of the tools to disk, for people, editors and type checkers.
///
/// The files are those that programs see at `/servers`, one folder for each server:
///
///   wasm-coordinator stubs --out typings
///   MYPYPATH=typings mypy --strict report.py     # from servers.github import list_issues
///
/// Starts each server to ask for its tools. If a server fails, the stubs of the
/// others are written and the exit code is 1.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Stubs {
    /// Only these servers [default: all]
    servers: Vec<String>,
    /// The folder in which `servers/` is written; it is created if needed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    pub(super) config: ConfigFlag,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What became of one server.
struct Written {
    name: String,
    result: Result<usize, String>,
}

impl Stubs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let configuration = self.config.load(!self.json)?;
        let grants = configuration.grants()?;
        let answered = setup::block_on(async {
            let tools = setup::toolbox(&configuration)?;
            let names = self.chosen(&tools)?;
            let asked = names.iter().map(|(name, _)| tools.stubs(name, &grants));
            let answers = tokio::select! {
                answers = join_all(asked) => Some(answers),
                () = setup::interrupted() => None,
            };
            tools.shutdown().await;
            Ok(answers.map(|answers| (tools.servers(), names, answers)))
        })?;
        let Some((all, names, answers)) = answered else {
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        };
        let root = self.out.join("servers");
        let folder = self
            .folder()
            .and_then(|folder| write(&folder, &stubs_root(&all)).map(|()| folder))
            .map_err(|error| {
                let why = reason(&error);
                Failure::usage(format!("cannot write {}: {why}", root.display()), "")
            })?;
        let written: Vec<Written> = names
            .into_iter()
            .zip(answers)
            .map(|((name, identifier), answer)| Written {
                name,
                result: keep(&folder, &root, &identifier, answer),
            })
            .collect();
        let failed = written.iter().any(|written| written.result.is_err());
        self.print(&root, &written);
        Ok(ExitCode::from(u8::from(failed)))
    }

    /// The folder `servers`.
    fn folder(&self) -> io::Result<Dir> {
        // The user named it: a link is followed.
        std::fs::create_dir_all(&self.out)?;
        let out = Dir::open_ambient_dir(&self.out, ambient_authority())?;
        out.create_dir_all("servers")?;
        out.open_dir("servers")
    }

    /// Names and identifiers of the servers that are asked for.
    fn chosen(&self, tools: &Toolbox) -> Result<Vec<(String, String)>, Failure> {
        let servers = tools.servers();
        if self.servers.is_empty() {
            let all = servers.into_iter();
            return Ok(all.map(|server| (server.name, server.identifier)).collect());
        }
        let chosen = self.servers.iter().map(|name| {
            let server = tools.server(name).map_err(unknown)?;
            Ok((server.name, server.identifier))
        });
        chosen.collect()
    }

    fn print(&self, root: &Path, written: &[Written]) {
        if self.json {
            let servers: Vec<Value> = written
                .iter()
                .map(|written| match &written.result {
                    Ok(files) => json!({ "name": written.name, "files": files }),
                    Err(error) => json!({ "name": written.name, "error": error }),
                })
                .collect();
            output::line(format_args!(
                "{}",
                json!({ "folder": root, "servers": servers })
            ));
            return;
        }
        for Written { name, result } in written {
            match result {
                Ok(files) => {
                    output::line(format_args!("{}: {files} files", root.join(name).display()))
                }
                Err(error) => Message::error(error).print(),
            }
        }
    }
}

fn unknown(error: CallError) -> Failure {
    let hint = "`wasm-coordinator servers` lists those that are configured";
    Failure::usage(error.message, hint)
}

fn keep(
    root: &Dir,
    shown: &Path,
    identifier: &str,
    answer: Result<std::sync::Arc<[StubFile]>, CallError>,
) -> Result<usize, String> {
    let files = answer.map_err(|error| error.message)?;
    replace(root, identifier, &files).map_err(|error| {
        let folder = shown.join(identifier);
        format!("cannot write {}: {}", folder.display(), reason(&error))
    })?;
    Ok(files.len())
}

/// Every folder of ours has it.
const MARK: &str = ".server.json";

/// Replaces the folder of a server; one that is not of ours is left alone.
fn replace(root: &Dir, name: &str, files: &[StubFile]) -> io::Result<()> {
    match root.symlink_metadata(name) {
        Ok(meta) if !meta.is_dir() => {
            return Err(io::Error::other("it is there and is not a folder"));
        }
        Ok(_) => {
            let folder = root.open_dir_nofollow(name)?;
            if folder.entries()?.next().is_some() && !folder.is_file(MARK) {
                return Err(io::Error::other(
                    "it has files that were not written by this command; remove it first",
                ));
            }
            folder.remove_open_dir_all()?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    root.create_dir(name)?;
    let folder = root.open_dir_nofollow(name)?;
    // The mark first: what was begun can be replaced.
    let (marks, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.path == MARK);
    write(&folder, marks)?;
    write(&folder, others)
}

fn write<'a>(folder: &Dir, files: impl IntoIterator<Item = &'a StubFile>) -> io::Result<()> {
    for file in files {
        match file.path.rsplit_once('/') {
            Some((parent, name)) => {
                folder.create_dir_all(parent)?;
                whole_file::replace(&folder.open_dir(parent)?, name, &file.text)?;
            }
            None => whole_file::replace(folder, &file.path, &file.text)?,
        }
    }
    Ok(())
}
