//! Where and how is recorded.

use std::path::PathBuf;

use crate::clock::Clock;

/// What is kept of the arguments of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arguments {
    /// Types, sizes and names of keys, and no value.
    #[default]
    Shapes,
    /// Also the arguments as they are, up to 16 KiB of each call. Secrets of the
    /// configuration are taken out; those that programs have are not.
    Full,
}

/// Where and how is recorded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The folder, made with mode 0700. Any number of processes may share it.
    pub folder: PathBuf,
    /// The file of the key, made with mode 0600. Not in `folder`, if that is
    /// shown to others.
    pub key: PathBuf,
    /// What is kept of arguments.
    pub arguments: Arguments,
    /// Bytes after which a file is full. 32 MiB by default, which is room for
    /// some 45,000 calls.
    pub max_size: u64,
    /// Files of each chain that are kept. 16 by default; never less than 2.
    pub keep: u32,
    /// Whether runs and calls that cannot be recorded are refused. By default
    /// they are made, and counted as lost.
    pub required: bool,
    /// What records, in one word, such as `serve`.
    pub program: String,
    /// The configuration it was started with.
    pub configuration: Option<PathBuf>,
    pub(crate) clock: Clock,
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Options {
    /// Bytes after which a file is full, by default.
    pub const MAX_SIZE: u64 = 32 << 20;

    /// Files of each chain that are kept by default.
    pub const KEEP: u32 = 16;

    /// With the defaults.
    pub fn new(folder: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            key: key.into(),
            arguments: Arguments::default(),
            max_size: Self::MAX_SIZE,
            keep: Self::KEEP,
            required: false,
            program: "library".to_owned(),
            configuration: None,
            clock: Clock::default(),
        }
    }
}
