//! Why nothing can be recorded.

use std::io;
use std::path::{Path, PathBuf};

use crate::key::KeyError;

/// A record that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the audit record in `{}` cannot be written: {problem}", folder.display())]
pub struct OpenError {
    /// Its folder.
    pub folder: PathBuf,
    pub(crate) problem: Problem,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Folder(io::Error),
    #[error("the folder belongs to somebody else")]
    Foreign,
    #[error("others can write to the folder")]
    Writable,
    #[error("{} other processes write there", crate::directory::MAX_CHAINS)]
    Crowded,
    #[error("`{}`: {error}", file.display())]
    File { file: PathBuf, error: io::Error },
    #[error("{0}")]
    Key(KeyError),
    #[error("no thread can be started: {0}")]
    Thread(io::Error),
}

impl OpenError {
    pub(crate) fn new(folder: &Path, problem: Problem) -> Self {
        Self {
            folder: folder.to_owned(),
            problem,
        }
    }

    /// What would help, where that is known.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match &self.problem {
            Problem::Folder(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "name a folder that you may write to"
            }
            Problem::Foreign => "name a folder of your own",
            Problem::Writable => "`chmod go-w` it, or name another folder",
            Problem::Crowded => "name another folder for some of them",
            _ => return None,
        })
    }
}
