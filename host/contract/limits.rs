//! What one run may consume, and how a run that reached a limit says so.
//!
//! Pure data: enforcement is on the sandbox side. Public numbers are durations
//! and bytes, never ticks or pages.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

// CONTRIBUTING.md, "To add a limit".
/// The bounds of one run.
///
/// The defaults suit a program that calls a few dozen tools and prints a page
/// of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Wall time, waiting for tools included. 30 s by default.
    pub timeout: Duration,
    /// Bytes of all memories and tables of the guest together. 256 MiB by
    /// default.
    pub memory: u64,
    /// A budget of executed instructions, the same for the same program each
    /// time. `None`, the default, does not count them: counting costs 45 to
    /// 85 % of speed.
    pub fuel: Option<u64>,
    /// Tool calls started, refused ones included. 256 by default.
    pub max_calls: u32,
    /// Bytes printed and returned. 1 MiB by default.
    pub max_output: u64,
    /// Bytes of everything emitted, names and types included, before Base64
    /// makes a third more of them. 8 MiB by default: a few images as large as
    /// clients take them.
    pub max_content: u64,
}

/// Blocks that one run may emit. Each is shown by itself, and nobody looks at
/// more.
pub const MAX_BLOCKS: u32 = 64;

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            memory: 256 << 20,
            fuel: None,
            max_calls: 256,
            max_output: 1 << 20,
            max_content: 8 << 20,
        }
    }
}

/// A limit that ended a run, with the value it had.
///
/// Serialized as its [name](Self::name) and a number: milliseconds, bytes or a
/// count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Wall time.
    Timeout(Duration),
    /// Memory, in bytes.
    Memory(u64),
    /// Executed instructions.
    Fuel(u64),
    /// Tool calls.
    Calls(u32),
    /// Output, in bytes.
    Output(u64),
    /// Emitted content, in bytes.
    Content(u64),
    /// Emitted blocks.
    Blocks(u32),
    /// Nested calls of functions inside the guest; bytes of its stack.
    Stack(u64),
    /// What one call to the host may carry, in bytes.
    Transfer(u64),
    /// Open files, streams and timers at once.
    Handles(u64),
}

impl Limit {
    /// A short stable name for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::Memory(_) => "memory",
            Self::Fuel(_) => "fuel",
            Self::Calls(_) => "max-calls",
            Self::Output(_) => "max-output",
            Self::Content(_) => "max-content",
            Self::Blocks(_) => "blocks",
            Self::Stack(_) => "stack",
            Self::Transfer(_) => "transfer",
            Self::Handles(_) => "handles",
        }
    }
}

/// A limit of the files of a session, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum FileLimit {
    /// All files of the workspace together.
    #[error("the workspace may hold at most {0} bytes")]
    Bytes(u64),
    /// One file of the workspace.
    #[error("a file of the workspace may have at most {0} bytes")]
    FileSize(u64),
    /// Files and directories of the workspace together.
    #[error("the workspace may hold at most {0} files and directories")]
    Inodes(u64),
    /// Directories inside each other.
    #[error("a path may have at most {0} directories inside each other")]
    Depth(usize),
    /// Open files and directories.
    #[error("at most {0} files and directories may be open at once")]
    Descriptors(usize),
}

impl Limit {
    /// The key under `limits` in the configuration that raises it; a command
    /// line has a flag of the same words. `None` if it is fixed.
    pub fn key(&self) -> Option<&'static str> {
        Some(match self {
            Self::Timeout(_) => "timeout",
            Self::Memory(_) => "memory",
            Self::Fuel(_) => "fuel",
            Self::Calls(_) => "maxCalls",
            Self::Output(_) => "maxOutput",
            Self::Content(_) => "maxContent",
            Self::Blocks(_) | Self::Stack(_) | Self::Transfer(_) | Self::Handles(_) => {
                return None;
            }
        })
    }

    /// What a program can do instead.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::Output(_) => "print less, or a summary",
            Self::Content(_) => {
                "it counts the bytes of all blocks of a run: emit smaller images, or leave files \
                 in `/workspace`"
            }
            Self::Blocks(_) => "put texts together, and leave further files in `/workspace`",
            Self::Stack(_) => "use a loop or an explicit list instead of deep recursion",
            Self::Transfer(_) => "pass the data in smaller pieces",
            Self::Handles(_) => "close what is no longer needed",
            _ => return None,
        })
    }
}

impl FileLimit {
    /// The key under `limits` in the configuration that raises it; a command
    /// line has a flag of the same words. `None` if it is fixed.
    pub fn key(&self) -> Option<&'static str> {
        Some(match self {
            Self::Bytes(_) => "workspaceSize",
            Self::FileSize(_) => "fileSize",
            Self::Inodes(_) => "maxFiles",
            Self::Depth(_) | Self::Descriptors(_) => return None,
        })
    }

    /// What a program can do instead.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::Depth(_) => "use fewer directories inside each other",
            Self::Descriptors(_) => "close what is no longer needed",
            _ => return None,
        })
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match *self {
            Self::Timeout(time) => u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            Self::Calls(count) | Self::Blocks(count) => count.into(),
            Self::Memory(value)
            | Self::Fuel(value)
            | Self::Output(value)
            | Self::Content(value)
            | Self::Stack(value)
            | Self::Transfer(value)
            | Self::Handles(value) => value,
        };
        let mut fields = serializer.serialize_struct("Limit", 2)?;
        fields.serialize_field("name", self.name())?;
        fields.serialize_field("value", &value)?;
        fields.end()
    }
}

/// What a limit is serialised as.
#[derive(Deserialize)]
struct NamedValue {
    name: String,
    value: u64,
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let NamedValue { name, value } = NamedValue::deserialize(deserializer)?;
        let count = || u32::try_from(value).map_err(D::Error::custom);
        Ok(match name.as_str() {
            "timeout" => Self::Timeout(Duration::from_millis(value)),
            "memory" => Self::Memory(value),
            "fuel" => Self::Fuel(value),
            "max-calls" => Self::Calls(count()?),
            "max-output" => Self::Output(value),
            "max-content" => Self::Content(value),
            "blocks" => Self::Blocks(count()?),
            "stack" => Self::Stack(value),
            "transfer" => Self::Transfer(value),
            "handles" => Self::Handles(value),
            _ => return Err(D::Error::custom("there is no such limit")),
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(value) => write!(f, "the time limit of {} was reached", Seconds(*value)),
            Self::Memory(value) => write!(f, "the memory limit of {} was reached", Size(*value)),
            Self::Fuel(value) => write!(f, "the fuel limit of {value} was reached"),
            Self::Calls(value) => write!(f, "the limit of {value} tool calls was reached"),
            Self::Output(value) => write!(f, "the output limit of {} was reached", Size(*value)),
            Self::Content(value) => {
                write!(
                    f,
                    "the limit of {} of emitted content was reached",
                    Size(*value)
                )
            }
            Self::Blocks(value) => write!(f, "the limit of {value} emitted blocks was reached"),
            Self::Stack(value) => write!(f, "the stack limit of {} was reached", Size(*value)),
            Self::Transfer(value) => {
                write!(
                    f,
                    "the limit of {} for the data of one call to the host was reached",
                    Size(*value)
                )
            }
            Self::Handles(value) => write!(f, "the limit of {value} open handles was reached"),
        }
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.as_millis().is_multiple_of(1000) {
            write!(f, "{} s", self.0.as_secs())
        } else {
            write!(f, "{} ms", self.0.as_millis())
        }
    }
}

struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 1 << 30 && n.is_multiple_of(1 << 30) => write!(f, "{} GiB", n >> 30),
            n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => write!(f, "{} MiB", n >> 20),
            n if n >= 1 << 10 && n.is_multiple_of(1 << 10) => write!(f, "{} KiB", n >> 10),
            n => write!(f, "{n} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_documented_ones() {
        let limits = Limits::default();
        assert_eq!(limits.timeout, Duration::from_secs(30));
        assert_eq!(limits.memory, 256 * 1024 * 1024);
        assert_eq!(limits.fuel, None);
        assert_eq!(limits.max_calls, 256);
        assert_eq!(limits.max_output, 1024 * 1024);
        assert_eq!(limits.max_content, 8 * 1024 * 1024);
    }

    #[test]
    fn a_limit_is_read_as_it_was_written() {
        for limit in [
            Limit::Timeout(Duration::from_millis(1500)),
            Limit::Memory(1),
            Limit::Fuel(2),
            Limit::Calls(3),
            Limit::Output(4),
            Limit::Content(5),
            Limit::Blocks(6),
            Limit::Stack(7),
            Limit::Transfer(8),
            Limit::Handles(9),
        ] {
            let json = serde_json::to_string(&limit).unwrap();
            assert_eq!(serde_json::from_str::<Limit>(&json).unwrap(), limit);
        }
        let unknown = r#"{"name": "patience", "value": 1}"#;
        assert!(serde_json::from_str::<Limit>(unknown).is_err());
    }

    #[test]
    fn a_limit_says_its_value_in_the_unit_people_use() {
        let text = |limit: Limit| limit.to_string();
        assert_eq!(
            text(Limit::Timeout(Duration::from_millis(1500))),
            "the time limit of 1500 ms was reached"
        );
        assert_eq!(
            text(Limit::Memory(64 << 20)),
            "the memory limit of 64 MiB was reached"
        );
        assert_eq!(
            text(Limit::Output(1000)),
            "the output limit of 1000 bytes was reached"
        );
    }
}
