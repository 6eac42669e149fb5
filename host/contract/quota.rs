//! What a workspace may hold, and what it holds.

use serde::{Deserialize, Serialize};

use crate::limits::FileLimit;

/// What a workspace may hold. The numbers count what guests see: the sizes of
/// files, holes included, and the number of files and directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// All files together, in bytes.
    pub bytes: u64,
    /// The largest file, in bytes.
    pub file_bytes: u64,
    /// Files and directories together.
    pub inodes: u64,
}

impl Default for Quota {
    /// 100 MiB, 10 MiB a file, 10,000 files and directories: enough for what
    /// a script does between two answers, little enough to keep many sessions
    /// in memory.
    fn default() -> Self {
        Self {
            bytes: 100 << 20,
            file_bytes: 10 << 20,
            inodes: 10_000,
        }
    }
}

impl Quota {
    /// No bounds, for trees that only the host fills.
    pub const NONE: Self = Self {
        bytes: u64::MAX,
        file_bytes: u64::MAX,
        inodes: u64::MAX,
    };

    /// The largest size that a file of `size` bytes may take while the whole
    /// workspace holds `usage`, and the limit that ends it there.
    pub fn largest(&self, usage: Usage, size: u64) -> (u64, FileLimit) {
        let rest = self.bytes.saturating_sub(usage.bytes);
        let whole = size.saturating_add(rest);
        if self.file_bytes <= whole {
            (self.file_bytes, FileLimit::FileSize(self.file_bytes))
        } else {
            (whole, FileLimit::Bytes(self.bytes))
        }
    }
}

/// What a workspace holds. What was removed but is still open counts until it
/// is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All files together, in bytes.
    pub bytes: u64,
    /// Files and directories together.
    pub inodes: u64,
}
