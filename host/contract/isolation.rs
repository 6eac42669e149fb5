//! The layers around a sandbox, and which of them this machine offers.

use serde::{Deserialize, Serialize};

/// One layer of the second wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// A process of its own for each session.
    Process,
    /// An empty environment.
    Environment,
    /// No open files but the sockets.
    Descriptors,
    /// No privileges are held, and none can be gained.
    NoNewPrivileges,
    /// A user namespace without privileges outside.
    UserNamespace,
    /// A network namespace without a network.
    NetworkNamespace,
    /// A namespace of its own for shared memory and message queues.
    IpcNamespace,
    /// A namespace in which no other process can be named.
    PidNamespace,
    /// No path can be opened.
    Landlock,
    /// System calls that are not on a list end the process.
    Seccomp,
    /// Limits on memory, processes, files and their size.
    ResourceLimits,
    /// No memory is written to disk after a crash.
    NoCoreDump,
    /// The process ends with the coordinator.
    DeathWithParent,
}

/// Whether a layer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReport {
    /// The layer.
    pub layer: Layer,
    /// What it is exactly on this machine, or why it is missing.
    pub state: LayerState,
}

impl LayerReport {
    /// Whether the layer holds.
    pub fn holds(&self) -> bool {
        matches!(self.state, LayerState::On(_))
    }
}

/// Whether a layer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerState {
    /// It holds; its version or extent, if there is more to say.
    On(Option<String>),
    /// This machine does not offer it, and why.
    Off(String),
}
