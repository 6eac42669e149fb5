//! The coordinator's side of the second wall: each session in a process of its
//! own.
//!
//! - `program`: which program is started as a launcher
//! - `workers`: what is known of the workers of one launcher
//! - `connection`: messages with one worker
//! - `delivery`: what of the answers a worker has read
//! - `launcher`: a process that forks workers of one kind
//! - `pool`: workers that are ready before somebody asks
//! - `remote`: a sandbox in workers, as a session uses it
//!
//! Everything that comes from a worker is treated as written by the attacker: a
//! bug in the engine makes it that.

mod connection;
mod delivery;
mod launcher;
mod pool;
mod program;
mod remote;
mod workers;

use std::path::PathBuf;

pub(crate) use connection::Connection;
pub(crate) use launcher::{Kind, Launcher};
pub(crate) use pool::Pool;
pub use program::entry;
pub(crate) use program::find;
pub(crate) use remote::RemoteSandbox;

pub use contract::isolation::{IsolationKind, Layer, LayerReport, LayerState, UsedIsolation};

/// Where programs run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// Each session in a process of its own, which has nothing worth stealing.
    Process {
        /// The program that is started as the launcher of these processes:
        /// `wasm-coordinator`, or one whose `main` begins with [`entry`]. `None`
        /// takes the present program if it called [`entry`], else
        /// `wasm-coordinator` beside it or in `$PATH`.
        launcher: Option<PathBuf>,
    },
    /// In this process, with its secrets and connections: WebAssembly is the only
    /// wall.
    InProcess,
}

impl Default for Isolation {
    fn default() -> Self {
        Self::Process { launcher: None }
    }
}
