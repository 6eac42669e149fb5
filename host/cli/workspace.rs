//! A workspace in a directory of the host, and how its paths are written.

use std::path::Path;

use wasm_coordinator::files::{self, PathError, Quota, Workspace};

use super::failure::Failure;
use super::hints;
use super::terminal::Message;

pub(crate) fn open_directory(
    directory: &Path,
    quota: Quota,
    configuration: Option<&Path>,
    note: bool,
) -> Result<Workspace, Failure> {
    let is_new = !directory.exists();
    if !is_new {
        refuse_configuration(directory, configuration)?;
    }
    let workspace = Workspace::open(directory, quota).map_err(|error| refused(&error))?;
    if is_new && note {
        Message::note(format!(
            "made the directory `{}` for the workspace",
            directory.display()
        ))
        .print();
    }
    Ok(workspace)
}

/// Whoever writes `mcp.json` or `.env` decides which programs are started on
/// this machine the next time.
fn refuse_configuration(directory: &Path, configuration: Option<&Path>) -> Result<(), Failure> {
    let Ok(directory) = directory.canonicalize() else {
        return Ok(());
    };
    let here = std::env::current_dir().ok();
    let configuration = configuration.and_then(|file| file.canonicalize().ok());
    for held in here.into_iter().chain(configuration) {
        if held.starts_with(&directory) {
            return Err(Failure::usage(
                format!(
                    "the workspace `{}` holds `{}`, where the configuration is read: programs could change it",
                    directory.display(),
                    held.display()
                ),
                "use a directory that has no other purpose, such as `--workspace ./workspace`",
            ));
        }
    }
    Ok(())
}

/// A path of a workspace as programs write it, relative to the workspace.
pub(crate) fn relative(path: &str) -> &str {
    match path.strip_prefix("/workspace") {
        Some("") => ".",
        Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/'),
        _ => path.strip_prefix("./").unwrap_or(path),
    }
}

fn refused(error: &PathError) -> Failure {
    Failure::usage(error.to_string(), hint(error))
}

pub(crate) fn hint(error: &PathError) -> String {
    match &error.reason {
        files::Error::Limit(limit) => hints::of_file_limit(limit),
        _ => String::new(),
    }
}
