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

/// What was around the program of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedIsolation {
    /// Where it ran.
    pub kind: IsolationKind,
    /// The layers that this machine does not offer.
    pub missing: Vec<Layer>,
}

/// Where a program ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsolationKind {
    /// In a process of its own.
    Process,
    /// In the process of the host, or not at all.
    #[default]
    InProcess,
}

impl Layer {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Environment => "environment",
            Self::Descriptors => "descriptors",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::UserNamespace => "user_namespace",
            Self::NetworkNamespace => "network_namespace",
            Self::IpcNamespace => "ipc_namespace",
            Self::PidNamespace => "pid_namespace",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::ResourceLimits => "resource_limits",
            Self::NoCoreDump => "no_core_dump",
            Self::DeathWithParent => "death_with_parent",
        }
    }

    /// What it keeps from a process that was taken over, in a few words.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Process => "a process of its own for each session",
            Self::Environment => "no environment variables",
            Self::Descriptors => "no open files but its sockets",
            Self::NoNewPrivileges => "no privileges, and none to gain",
            Self::UserNamespace => "no rights outside of itself",
            Self::NetworkNamespace => "no network",
            Self::IpcNamespace => "no shared memory or queues of others",
            Self::PidNamespace => "no other process can be named",
            Self::Landlock => "no path can be opened",
            Self::Seccomp => "only the system calls it needs",
            Self::ResourceLimits => "bounded memory, files and processes",
            Self::NoCoreDump => "its memory is never written to disk",
            Self::DeathWithParent => "it ends with its coordinator",
        }
    }
}

impl LayerReport {
    /// Why the layer is missing, if it is.
    pub fn missing(&self) -> Option<&str> {
        match &self.state {
            LayerState::On(_) => None,
            LayerState::Off(why) => Some(why),
        }
    }
}
