//! The file system of a session: our own `wasi:filesystem`.
//!
//! No directory of the host is preopened for a guest, so no link, device or
//! `..` of the host's file system exists for it. A guest sees one root with
//! mounts in it: `/workspace` and `/tmp`, kept in memory under quotas,
//! `/skills`, a folder of the workspace, and trees that are only read.
//!
//! - `path` reads the paths of guests: the only place that does.
//! - `volume` is what every store of files can do. `memory` and `disk`
//!   are those that programs write, `archive` is one that they only read,
//!   `generated` makes files when they are looked at. Under most of them is
//!   a `tree`.
//! - `workspace` is the files of a session as the host sees them.
//! - `mount` says which volume stands where and walks along paths.
//! - `descriptor` and `stream` are what guests hold, `wasi` the functions
//!   they call, `codes` the words of both sides, `link` the way in.
//!
//! Nothing here knows guests, sessions, tools or the command line.

mod account;
mod archive;
mod bindings;
mod changes;
mod codes;
mod content;
mod descriptor;
mod disk;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod generated;
mod inode;
mod link;
mod memory;
mod mount;
mod path;
#[cfg(test)]
mod random;
mod replica;
mod stream;
mod tree;
mod volume;
mod wasi;
mod workspace;

pub use archive::Archive;
pub use changes::{Arrived, Malformed};
pub use contract::quota::{Quota, Usage};
pub use error::{Error, PathError};
pub use mount::Mounts;
pub use replica::Replica;
pub use volume::{Entry, Kind, Status, Timestamp};
pub use workspace::Workspace;

pub(crate) use bindings::wasi::filesystem::{preopens, types};
pub(crate) use codes::Answer;
pub(crate) use descriptor::Descriptor;
pub(crate) use generated::{Generated, Source};
pub(crate) use link::{add_to_linker, prepare};

use account::Account;
use contract::limits::FileLimit;
use std::sync::Arc;
use wasmtime::component::ResourceTable;

/// The files of one session, as its stores see them. Clones share the mounts
/// and the allowance of open files; a session keeps one and gives each store a
/// clone.
#[derive(Clone)]
pub(crate) struct FilesCtx {
    mounts: Arc<Mounts>,
    account: Arc<Account>,
    preopens: Preopens,
}

/// Which directories a program has from the start.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Preopens {
    /// The root of all. Our guests change into `/workspace` by themselves.
    Root,
    /// The root, each directory in it, and the workspace as `.`.
    Directories,
}

impl FilesCtx {
    /// A session with nothing but its workspace, at `/workspace` and `/tmp`.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn new(workspace: &Workspace) -> Self {
        Self::with_mounts(Mounts::new(workspace))
    }

    /// A session with these mounts.
    pub(crate) fn with_mounts(mounts: Mounts) -> Self {
        Self {
            mounts: Arc::new(mounts),
            account: Arc::default(),
            preopens: Preopens::Root,
        }
    }

    /// The same files, for a program that has these directories from the start.
    pub(crate) fn with_preopens(self, preopens: Preopens) -> Self {
        Self { preopens, ..self }
    }

    /// The limit that a program met last, if it met one since the last time
    /// somebody asked. Whether that ended the program is the program's affair:
    /// it may have caught the error.
    pub(crate) fn take_refused(&self) -> Option<FileLimit> {
        self.account.take_refused()
    }

    /// How many files and directories are open. Zero once every store of the
    /// session is gone.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn open(&self) -> usize {
        self.account.open()
    }
}

/// What the functions of `wasi:filesystem` work on, borrowed from a store.
pub(crate) struct FilesView<'a> {
    /// The files of the session.
    pub(crate) ctx: &'a mut FilesCtx,
    /// Where the store keeps its resources; the one that `wasi:io` uses.
    pub(crate) table: &'a mut ResourceTable,
}
