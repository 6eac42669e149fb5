//! From the workspace to the disk: what `--output` takes out after a run.
//!
//! Names and bytes are the program's, so nothing about them is believed. Files
//! are made below the chosen directory only, through cap-std: every directory
//! on the way is opened by name and no link is followed. What is there already
//! stays, unless the operator said otherwise: patterns are the operator's, but
//! which files match them is up to the program.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cap_fs_ext::DirExt;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use globset::{GlobBuilder, GlobMatcher};
use rustix::io::Errno;
use serde::Serialize;
use wasm_coordinator::files::{Kind, Workspace};

use super::failure::{Failure, reason};
use super::whole_file;
use super::workspace::relative;

/// Files that decide what is started on this machine. Only a pattern that
/// names them takes them out.
const CONFIGURATION: [&str; 2] = ["mcp.json", ".env"];

/// What is to be taken out of a workspace, and where it goes.
pub(crate) struct Outputs {
    patterns: Vec<Pattern>,
    directory: PathBuf,
    overwrite: bool,
}

/// What was taken out, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) copied: Vec<Copied>,
    /// Path in the workspace, and why it is not on the disk.
    pub(crate) refused: Vec<(String, Refusal)>,
    pub(crate) warnings: Vec<String>,
}

/// One file that was copied.
#[derive(Debug, Serialize)]
pub(crate) struct Copied {
    /// Its path in the workspace.
    path: String,
    /// Where it is now.
    file: String,
    bytes: u64,
}

/// Why a file was not copied.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// By a rule of ours.
    Rule(&'static str),
    /// By the machine.
    Host(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::EXIST) => Self::Rule("it is there already"),
            Some(Errno::LOOP | Errno::NOTDIR) => {
                Self::Rule("a link or file stands in place of its directory")
            }
            _ => Self::Host(reason(&error)),
        }
    }
}

impl Outputs {
    /// Reads the patterns. Where one of them names a single file that is there
    /// already, that is better said before the run than after it.
    pub(crate) fn new(
        patterns: &[String],
        directory: &Path,
        overwrite: bool,
    ) -> Result<Self, Failure> {
        let patterns = patterns.iter().map(|text| Pattern::parse(text));
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        for pattern in patterns.iter().filter(|pattern| pattern.literal) {
            let file = below(directory, &pattern.path);
            let taken = file.symlink_metadata().is_ok_and(|meta| !meta.is_dir());
            if taken && !overwrite {
                return Err(Failure::usage(
                    format!("the output `{}` is there already", file.display()),
                    "pass `--overwrite` to replace it, or choose another `--output-dir`",
                ));
            }
        }
        Ok(Self {
            patterns,
            directory: directory.to_owned(),
            overwrite,
        })
    }

    /// Whether there is anything to take out.
    pub(crate) fn are_asked_for(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// Copies everything that matches.
    pub(crate) fn take(&self, workspace: &Workspace) -> Result<Taken, Failure> {
        let mut taken = Taken::default();
        if !self.are_asked_for() {
            return Ok(taken);
        }
        let files = workspace.walk().map_err(Failure::host)?;
        let files: Vec<String> = files
            .into_iter()
            .filter(|(_, status)| status.kind == Kind::File)
            .map(|(path, _)| path)
            .collect();
        for pattern in &self.patterns {
            if !files.iter().any(|path| pattern.matches(path)) {
                let text = &pattern.text;
                taken
                    .warnings
                    .push(format!("no file in the workspace matches `{text}`"));
            }
        }
        let matching = files
            .into_iter()
            .filter(|path| self.patterns.iter().any(|pattern| pattern.matches(path)));
        let mut root = None;
        for path in matching {
            let root = match &mut root {
                Some(root) => root,
                // Made when there is something to put into it.
                none => none.insert(open_root(&self.directory)?),
            };
            match self.copy(workspace, &path, root) {
                Ok(bytes) => taken.copied.push(Copied {
                    file: below(&self.directory, &path).display().to_string(),
                    path,
                    bytes,
                }),
                Err(refusal) => taken.refused.push((path, refusal)),
            }
        }
        Ok(taken)
    }

    fn copy(&self, workspace: &Workspace, path: &str, root: &Dir) -> Result<u64, Refusal> {
        // It would end up on terminals and in scripts.
        if path.chars().any(char::is_control) {
            return Err(Refusal::Rule("its name has control characters"));
        }
        let bytes = workspace
            .read_file(path)
            .map_err(|error| Refusal::Host(error.reason.to_string()))?;
        let mut directory = root.try_clone()?;
        let mut rest = path;
        while let Some((name, below)) = rest.split_once('/') {
            match directory.create_dir(name) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            }
            directory = directory.open_dir_nofollow(name)?;
            rest = below;
        }
        if self.overwrite {
            replace(&directory, rest, &bytes)?;
        } else {
            whole_file::create(&directory, rest, &bytes)?;
        }
        Ok(bytes.len() as u64)
    }
}

/// A path in a directory as people write it.
pub(super) fn below(directory: &Path, path: &str) -> PathBuf {
    if directory == Path::new(".") {
        path.into()
    } else {
        directory.join(path)
    }
}

/// The directory for outputs, made if need be.
pub(super) fn open_root(directory: &Path) -> Result<Dir, Failure> {
    let failed = |error: io::Error| {
        Failure::usage(
            format!(
                "outputs cannot be copied to `{}`: {}",
                directory.display(),
                reason(&error)
            ),
            "choose another `--output-dir`",
        )
    };
    // The operator named it: a link is followed.
    std::fs::create_dir_all(directory).map_err(failed)?;
    Dir::open_ambient_dir(directory, ambient_authority()).map_err(failed)
}

/// A file in place of another one, if there is one.
fn replace(directory: &Dir, name: &str, bytes: &[u8]) -> Result<(), Refusal> {
    match directory.symlink_metadata(name) {
        Ok(meta) if !meta.is_file() => Err(Refusal::Rule("what is there is not a plain file")),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(whole_file::replace(directory, name, bytes)?),
    }
}

/// Which files are taken.
struct Pattern {
    /// As it was written.
    text: String,
    /// Relative to the workspace.
    path: String,
    glob: GlobMatcher,
    /// It has no wildcards.
    literal: bool,
    /// It has a part that begins with a dot.
    hidden: bool,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Failure> {
        let refused = |why: &str| {
            Failure::usage(
                format!("the output `{text}` {why}"),
                "outputs look like `report.csv`, `*.csv` or `plots/**/*.png`, relative to `/workspace`",
            )
        };
        let path = match relative(text).trim_end_matches('/') {
            "." => "**",
            path => path,
        };
        if path.is_empty() {
            return Err(refused("is empty"));
        }
        if path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(refused("leads out of the workspace"));
        }
        let glob = GlobBuilder::new(path)
            .literal_separator(true)
            .build()
            .map_err(|error| refused(&format!("is not a pattern: {}", error.kind())))?;
        Ok(Self {
            text: text.to_owned(),
            path: path.to_owned(),
            glob: glob.compile_matcher(),
            literal: !path.contains(['*', '?', '[', '{', '\\']),
            hidden: path.split('/').any(|part| part.starts_with('.')),
        })
    }

    /// Whether a file is meant: itself, or a directory that it is in. As in a
    /// shell, wildcards leave hidden files alone.
    fn matches(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        if CONFIGURATION.contains(&name) && !(self.literal && self.path == path) {
            return false;
        }
        if !self.hidden && path.split('/').any(|part| part.starts_with('.')) {
            return false;
        }
        Path::new(path)
            .ancestors()
            .any(|part| part != Path::new("") && self.glob.is_match(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, expected: &[&str]) {
        let paths = [
            "a.csv",
            "b.txt",
            ".hidden.csv",
            "mcp.json",
            "d/a.csv",
            "d/e/a.csv",
            "d/.cache/a.csv",
            "d/mcp.json",
        ];
        let pattern = Pattern::parse(pattern).map_err(|failure| failure.message.text);
        let pattern = pattern.unwrap();
        let matching = paths.into_iter().filter(|path| pattern.matches(path));
        assert_eq!(matching.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn patterns_mean_what_they_mean_in_a_shell() {
        check("a.csv", &["a.csv"]);
        check("*.csv", &["a.csv"]);
        check("**/*.csv", &["a.csv", "d/a.csv", "d/e/a.csv"]);
        check("d/*.csv", &["d/a.csv"]);
        check("*.{csv,txt}", &["a.csv", "b.txt"]);
        check("[ab].*", &["a.csv", "b.txt"]);
        check("./a.csv", &["a.csv"]);
        check("/workspace/*.csv", &["a.csv"]);
    }

    #[test]
    fn a_directory_means_what_is_in_it() {
        check("d", &["d/a.csv", "d/e/a.csv"]);
        check("d/", &["d/a.csv", "d/e/a.csv"]);
        check("d/*", &["d/a.csv", "d/e/a.csv"]);
        check(".", &["a.csv", "b.txt", "d/a.csv", "d/e/a.csv"]);
        check("/workspace", &["a.csv", "b.txt", "d/a.csv", "d/e/a.csv"]);
    }

    #[test]
    fn hidden_files_and_configurations_are_taken_by_name() {
        check(".*", &[".hidden.csv"]);
        check("d/.cache", &["d/.cache/a.csv"]);
        check("mcp.json", &["mcp.json"]);
        check("mcp.*", &[]);
        check("d/mcp.json", &["d/mcp.json"]);
    }

    #[test]
    fn patterns_that_lead_out_are_refused() {
        for (text, why) in [
            ("", "is empty"),
            ("../x", "leads out"),
            ("a/../../x", "leads out"),
            ("/etc/passwd", "leads out"),
            ("a[", "is not a pattern"),
        ] {
            let failure = Pattern::parse(text).err().expect(text);
            assert!(
                failure.message.text.contains(why),
                "{}",
                failure.message.text
            );
        }
    }
}
