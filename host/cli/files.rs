//! The flags about files: where the workspace is, what is placed in it before
//! a run, what is taken out afterwards.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use wasm_coordinator::files::{Quota, Workspace};

use super::failure::Failure;
use super::inputs::Input;
use super::outputs::Outputs;
use super::workspace::open_directory;

#[derive(Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct FileFlags {
    /// Keep the workspace in this directory; it is created if needed [default: in memory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Place a file or directory in the workspace before the run; may be repeated
    #[arg(long, value_name = "FILE[=NAME]")]
    input: Vec<OsString>,
    /// Copy matching files out of the workspace after the run, even if it failed; may be repeated
    #[arg(long, value_name = "GLOB")]
    output: Vec<String>,
    /// The directory for outputs, which keep the paths that they have in the workspace [default: .];
    /// if it is given, emitted images and other files are saved there too
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Let outputs replace existing files
    #[arg(long)]
    pub(super) overwrite: bool,
}

impl FileFlags {
    /// The workspace with its inputs, and what is to be taken out of it.
    /// `configuration` is the file that was read, if there was one.
    pub(crate) fn open(
        &self,
        quota: Quota,
        configuration: Option<&Path>,
        note: bool,
    ) -> Result<(Workspace, Outputs), Failure> {
        // Everything that may be wrong with the flags comes before the disk is
        // touched.
        let directory = self.output_dir.as_deref().unwrap_or(Path::new("."));
        let outputs = Outputs::new(&self.output, directory, self.overwrite)?;
        let inputs = self.input.iter().map(|text| Input::parse(text));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let workspace = match &self.workspace {
            Some(directory) => open_directory(directory, quota, configuration, note)?,
            None => Workspace::new(quota),
        };
        for input in inputs {
            input.place(&workspace)?;
        }
        Ok((workspace, outputs))
    }

    /// Where emitted blocks are saved, if they are.
    pub(crate) fn content_directory(&self) -> Option<&Path> {
        self.output_dir.as_deref()
    }

    /// Whether emitted blocks are saved.
    pub(crate) fn saves_content(&self) -> bool {
        self.output_dir.is_some()
    }
}
