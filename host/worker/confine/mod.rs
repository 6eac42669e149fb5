//! What a launcher and its workers give up before anything of a stranger runs.

use contract::isolation::LayerReport;
use serde::{Deserialize, Serialize};

/// What the workers of a launcher are for, which decides what is left to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// Our guests, with files in memory: no path, and no new executable memory.
    Guests,
    /// Our guests, with a workspace in a directory that is handed over.
    Disk,
    /// Components of users, whose compiled code is mapped.
    Component,
}

/// Confines the launcher: called once, before the first worker, by the only
/// thread, when everything is loaded.
pub fn launcher(_profile: Profile) -> Vec<LayerReport> {
    Vec::new()
}

/// Confines a worker: called by the only thread, just after the fork and before
/// anything of a stranger is read.
pub fn worker(_profile: Profile) -> Vec<LayerReport> {
    Vec::new()
}
