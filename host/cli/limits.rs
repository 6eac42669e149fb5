//! The flags for limits. A flag wins over the configuration, which wins over
//! the default.

// CONTRIBUTING.md, "To add a limit".

use std::time::Duration;

use clap::Args;
use wasm_coordinator::config::{Bytes, Configuration, NotAnAmount, Span};
use wasm_coordinator::{Limits, Metering};

#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitFlags {
    /// Wall time, including the time that tools take, for example `500ms`, `2m` [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    timeout: Option<Duration>,
    /// Memory of the sandbox, for example `64MiB` [default: 256MiB]
    #[arg(long, value_name = "BYTES", value_parser = memory)]
    memory: Option<u64>,
    /// Number of executed instructions; reproducible, but slows the run down [default: none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    fuel: Option<u64>,
    /// Number of tool calls [default: 256]
    #[arg(long, value_name = "N")]
    max_calls: Option<u32>,
    /// Size of what is printed and returned, for example `4MiB` [default: 1MiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_output: Option<u64>,
    /// Size of all emitted content blocks together [default: 8MiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_content: Option<u64>,
    /// Size of all files of the workspace together [default: 100MiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    workspace_size: Option<u64>,
    /// Size of one file of the workspace [default: 10MiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    file_size: Option<u64>,
    /// Number of files and directories of the workspace [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_files: Option<u64>,
}

impl LimitFlags {
    /// Puts the flags that were given over what the configuration says.
    pub(crate) fn overlay(&self, configuration: &mut Configuration) {
        let Configuration { limits, quota, .. } = configuration;
        set(&mut limits.timeout, self.timeout);
        set(&mut limits.memory, self.memory);
        set(&mut limits.fuel, self.fuel.map(Some));
        set(&mut limits.max_calls, self.max_calls);
        set(&mut limits.max_output, self.max_output);
        set(&mut limits.max_content, self.max_content);
        set(&mut quota.bytes, self.workspace_size);
        set(&mut quota.file_bytes, self.file_size);
        set(&mut quota.inodes, self.max_files);
    }
}

impl LimitFlags {
    /// What runs count, as far as flags say it.
    pub(crate) fn metering(&self) -> Metering {
        Metering::of(&Limits {
            fuel: self.fuel,
            ..Limits::default()
        })
    }
}

/// Replaces a value by that of a flag, if the flag was given.
pub(crate) fn set<T>(value: &mut T, flag: Option<T>) {
    if let Some(flag) = flag {
        *value = flag;
    }
}

pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let Span(time) = text
        .parse()
        .map_err(|error: NotAnAmount| error.to_string())?;
    if time.is_zero() {
        Err("nothing can be done in no time".into())
    } else {
        Ok(time)
    }
}

fn memory(text: &str) -> Result<u64, String> {
    Bytes::of_memory(text).map_err(|error| error.to_string())?;
    bytes(text)
}

fn bytes(text: &str) -> Result<u64, String> {
    let Bytes(bytes) = text
        .parse()
        .map_err(|error: NotAnAmount| error.to_string())?;
    if bytes == 0 {
        Err("nothing can be done with no bytes".into())
    } else {
        Ok(bytes)
    }
}
