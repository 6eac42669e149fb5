//! The flags for limits, and how they and the configuration make the limits of
//! a run.

use clap::Args;

use wasm_coordinator::Limits;
use wasm_coordinator::config::{self, Bytes, NotAnAmount, Span};
use wasm_coordinator::files::Quota;

#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitFlags {
    /// Wall time, waiting for tools included, for example `500ms`, `2m` [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    timeout: Option<Span>,
    /// Memory of the sandbox, for example `64MiB` [default: 256MiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    memory: Option<Bytes>,
    /// A reproducible budget of executed instructions; slower [default: none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    fuel: Option<u64>,
    /// Tool calls [default: 256]
    #[arg(long, value_name = "N")]
    max_calls: Option<u32>,
    /// What may be printed and returned, for example `4MiB` [default: 1MiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_output: Option<Bytes>,
    /// What may be emitted, all content blocks together [default: 8MiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_content: Option<Bytes>,
    /// All files of the workspace together [default: 100MiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    workspace_size: Option<Bytes>,
    /// One file of the workspace [default: 10MiB]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    file_size: Option<Bytes>,
    /// Files and directories of the workspace [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_files: Option<u64>,
}

pub(crate) fn time(text: &str) -> Result<Span, String> {
    let span: Span = text
        .parse()
        .map_err(|error: NotAnAmount| error.to_string())?;
    if span.0.is_zero() {
        Err("nothing can be done in no time".into())
    } else {
        Ok(span)
    }
}

fn bytes(text: &str) -> Result<Bytes, String> {
    let bytes: Bytes = text
        .parse()
        .map_err(|error: NotAnAmount| error.to_string())?;
    if bytes.0 == 0 {
        Err("nothing can be done with no bytes".into())
    } else {
        Ok(bytes)
    }
}

impl LimitFlags {
    /// A flag wins over the configuration, which wins over the default.
    pub(crate) fn resolve(&self, configured: &config::Limits) -> Limits {
        let default = Limits::default();
        Limits {
            timeout: self
                .timeout
                .or(configured.timeout)
                .map_or(default.timeout, |span| span.0),
            memory: self
                .memory
                .or(configured.memory)
                .map_or(default.memory, |bytes| bytes.0),
            fuel: self.fuel.or(configured.fuel).or(default.fuel),
            max_calls: self
                .max_calls
                .or(configured.max_calls)
                .unwrap_or(default.max_calls),
            max_output: self
                .max_output
                .or(configured.max_output)
                .map_or(default.max_output, |bytes| bytes.0),
            max_content: self
                .max_content
                .or(configured.max_content)
                .map_or(default.max_content, |bytes| bytes.0),
        }
    }

    /// What the workspace may hold, by the same rule.
    pub(crate) fn quota(&self, configured: &config::Limits) -> Quota {
        let default = Quota::default();
        let bytes = |flag: Option<Bytes>, configured: Option<Bytes>, default| {
            flag.or(configured).map_or(default, |bytes| bytes.0)
        };
        Quota {
            bytes: bytes(
                self.workspace_size,
                configured.workspace_size,
                default.bytes,
            ),
            file_bytes: bytes(self.file_size, configured.file_size, default.file_bytes),
            inodes: self
                .max_files
                .or(configured.max_files)
                .unwrap_or(default.inodes),
        }
    }
}
