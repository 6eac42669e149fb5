//! Why a file operation was refused.
//!
//! The variants carry the meaning of POSIX errors without their numbers; the
//! translation for guests is in [`super::wasi`]. No variant holds a path, so
//! none can leak one of the host.

use contract::limits::FileLimit;
use thiserror::Error;

/// Why a file operation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing of this name exists.
    #[error("no such file or directory")]
    NoEntry,
    /// A file stands where a directory is needed.
    #[error("not a directory")]
    NotDirectory,
    /// A directory stands where a file is needed.
    #[error("is a directory")]
    IsDirectory,
    /// Something of this name exists.
    #[error("already exists")]
    Exist,
    /// The directory to be removed or replaced has entries.
    #[error("directory is not empty")]
    NotEmpty,
    /// The request contradicts itself.
    #[error("invalid argument")]
    Invalid,
    /// A path that is not UTF-8.
    #[error("path is not valid UTF-8")]
    NotUtf8,
    /// A name above 255 bytes or a path above 4096.
    #[error("name too long")]
    NameTooLong,
    /// The file or directory cannot be changed by anybody.
    #[error("read-only file system")]
    ReadOnly,
    /// A path that would leave the directory it starts from.
    #[error("operation not permitted")]
    NotPermitted,
    /// Links of any kind.
    #[error("not supported")]
    Unsupported,
    /// A rename between two mounts.
    #[error("files are on different mounts")]
    CrossDevice,
    /// `.`, `..` or a mount in place of a removable name.
    #[error("resource is busy")]
    Busy,
    /// The descriptor was not opened for this.
    #[error("descriptor does not allow this operation")]
    BadDescriptor,
    /// Something in a directory of the host that a workspace must not contain.
    #[error("it is {0}, which a workspace must not contain; remove it or choose another directory")]
    Planted(&'static str),
    /// The directory of the host is the workspace of another session.
    #[error("another session uses it")]
    InUse,
    /// The host's own disk is full.
    #[error("no space left on the disk of the host")]
    DiskFull,
    /// The host allows us no larger file (`ulimit -f`, or its file system).
    #[error("the host allows no larger file")]
    HostFileSize,
    /// The host does not let us.
    #[error("permission denied by the host")]
    Access,
    /// The host could not carry the operation out.
    #[error("input or output error")]
    Io,
    /// A limit of the session.
    #[error("{0}")]
    Limit(#[from] FileLimit),
}

/// A refusal to the host itself, with the path it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot {action} `{path}`: {reason}")]
pub struct PathError {
    /// What was tried, a verb: `write`, `read`, `list`.
    pub action: &'static str,
    /// The path as it was given.
    pub path: String,
    /// Why it was refused.
    pub reason: Error,
}
