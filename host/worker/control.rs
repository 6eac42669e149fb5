//! What a coordinator and its launcher say to each other: one datagram for each
//! message, with the descriptors that belong to it.

use std::path::PathBuf;

use contract::isolation::{Layer, LayerReport};
use sandbox::{Guest, Metering};
use serde::{Deserialize, Serialize};

use crate::confine::Profile;

/// Changes with every message that is not as it was.
pub const VERSION: u32 = 1;

/// Bytes of one message.
pub const MAX_MESSAGE: usize = 64 << 10;

/// What a coordinator tells its launcher.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToLauncher {
    /// What to load; the first message. Answered by [`FromLauncher::Ready`] or by
    /// what keeps it from it.
    Start(Setup),
    /// Fork a worker. Comes with the worker's end of a socket, and the end of a
    /// pipe that hangs up when the coordinator is gone. Answered by
    /// [`FromLauncher::Forked`].
    Fork {
        /// Names it from now on.
        id: u64,
        /// Bytes of memory that it may write, until its coordinator gives it
        /// another bound.
        memory: u64,
    },
}

/// What a launcher is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Setup {
    /// [`VERSION`] of the coordinator.
    pub version: u32,
    /// The folder with compiled code.
    pub cache: PathBuf,
    /// The guests that its workers run.
    pub guests: Vec<Guest>,
    /// What their runs count.
    pub metering: Metering,
    /// What is left to its workers.
    pub profile: Profile,
    /// Layers that are left out, to see what they hold.
    pub without: Vec<Layer>,
}

/// What a launcher tells its coordinator.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromLauncher {
    /// It is confined, and forks from now on. The layers around its workers.
    Ready(Vec<LayerReport>),
    /// A guest was not compiled yet, or for another machine. The launcher ends.
    NotCompiled(Guest),
    /// It cannot work, and ends.
    Failed(String),
    /// A worker runs. Comes with a descriptor of its process.
    Forked(u64),
    /// A worker could not be made.
    NotForked(u64, String),
    /// A worker ended.
    Ended(u64, End),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}
