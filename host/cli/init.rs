//! `init`: a first configuration, for a folder that has none.
//!
//! It never overwrites: what is there was put there by somebody. What it wrote
//! may be used from then on, as if the user had named it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use super::output;
use super::trust;

/// Write a first `mcp.json` and `.env`; keep what is there.
///
/// The configuration starts with the built-in demo server and shows, as
/// comments, how to add others. Secrets go into `.env`, which only you can
/// read.
#[derive(Args)]
pub(crate) struct Init {
    /// The folder to write to
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

/// Also in the repository for people to read, so there is one text.
const CONFIGURATION: &str = include_str!("../../mcp.json.example");

const VARIABLES: &str = "\
# Variables for `mcp.json`: `${NAME}` there is replaced by the value here.
# The real environment wins over this file. It holds secrets: keep it out of
# version control.

# TICKETS_TOKEN='…'
";

/// A file to write.
struct Draft {
    name: &'static str,
    text: &'static str,
    mode: u32,
    what: &'static str,
}

const DRAFTS: [Draft; 2] = [
    Draft {
        name: "mcp.json",
        text: CONFIGURATION,
        mode: 0o644,
        what: "the servers, starting with the demo server",
    },
    Draft {
        name: ".env",
        text: VARIABLES,
        mode: 0o600,
        what: "its secrets, readable by you alone",
    },
];

const NEXT_STEPS: &str = "  wasm-coordinator servers    see which servers answer
  wasm-coordinator exec -c 'from servers.demo import now; print((await now())[\"utc\"])'";

impl Init {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let is_new = self.write()?;
        if is_new && let Err(failure) = trust::agree(&self.folder) {
            failure.message.print();
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Whether the configuration is a new one.
    fn write(&self) -> Result<bool, Failure> {
        let folder = &self.folder;
        let mut is_new = false;
        let is_here = folder == Path::new(".");
        fs::create_dir_all(folder).map_err(|error| {
            if folder.is_file() {
                let message = format!("`{}` is a file", folder.display());
                Failure::usage(message, "name the folder to write `mcp.json` to")
            } else {
                failed("create", folder, &error)
            }
        })?;
        for draft in DRAFTS {
            let path = if is_here {
                PathBuf::from(draft.name)
            } else {
                folder.join(draft.name)
            };
            match write_new(&path, &draft) {
                Ok(()) => {
                    is_new |= draft.name == "mcp.json";
                    output::line(format_args!("wrote `{}`: {}", path.display(), draft.what));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    output::line(format_args!(
                        "kept `{}`: it was there before",
                        path.display()
                    ));
                }
                Err(error) => return Err(failed("write", &path, &error)),
            }
        }
        output::line("\nnext:");
        if !is_here {
            output::line(format_args!("  cd {}", folder.display()));
        }
        output::line(NEXT_STEPS);
        Ok(is_new)
    }
}

/// Creates the file, or fails when anything of that name exists, a link that
/// leads nowhere included.
fn write_new(path: &Path, draft: &Draft) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(draft.mode)
        .open(path)?;
    file.write_all(draft.text.as_bytes()).inspect_err(|_| {
        // Half a configuration would be kept by the next `init`.
        let _ = fs::remove_file(path);
    })
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot {verb} `{}`: {error}", path.display()), "")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn both_files_are_written_once_and_then_kept() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("new/project");
        let init = || {
            let folder = inside.clone();
            Init { folder }.write().is_ok()
        };
        assert!(init());
        let configuration = inside.join("mcp.json");
        assert_eq!(fs::read_to_string(&configuration).unwrap(), CONFIGURATION);
        let mode = fs::metadata(inside.join(".env"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);

        fs::write(&configuration, "mine").unwrap();
        assert!(init());
        assert_eq!(fs::read_to_string(&configuration).unwrap(), "mine");
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&target, folder.path().join(".env")).unwrap();
        let init = Init {
            folder: folder.path().to_owned(),
        };
        assert!(init.write().is_ok());
        assert!(!target.exists());
    }
}
