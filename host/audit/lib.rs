//! The audit record: what was run, called, denied, agreed to and started, in
//! files to which is only ever added.
//!
//! Each record names the hash of the one before and is signed with a key of this
//! installation, so that [`verify()`] finds what was changed, removed, moved or
//! put in between. Who records is the host: programs and servers have no way to
//! a file of it. What is in a record is in docs/audit.md.
//!
//! - `event`, `shape`: what is recorded; names are hashed, arguments are shapes
//! - `line`, `head`: a record as a line, and the end of a chain
//! - `directory`, `chain`: which file takes the next record
//! - `recorder`, `run`, `call`: who records, and when
//! - `writer`, `folds`: events in, lines out; floods become numbers
//! - `anomalies`: what is unusual, a state machine over events
//! - `read`, `records`, `verify`, `report`: reading it again
//!
//! Invariants: what strangers named is bounded, and one record is one line;
//! session handles, tokens and values of arguments are never in one (the latter
//! unless the operator wants them); nobody waits for the disk; what could not be
//! recorded is counted and said.
//!
//! Knows nothing about tools, servers or engines. Linux and other systems with
//! `flock`.

#![warn(unnameable_types)]

mod anomalies;
mod call;
mod chain;
mod clock;
mod directory;
mod event;
mod folds;
mod head;
mod key;
mod line;
mod open_error;
mod options;
mod read;
mod recorder;
mod records;
mod report;
mod run;
pub mod shape;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use anomalies::Anomaly;
pub use call::{Call, Ending};
pub use clock::timestamp;
pub use event::Origin;
pub use key::{Key, KeyError, Tag};
pub use line::to_line;
pub use open_error::OpenError;
pub use options::{Arguments, Options};
pub use recorder::{ChangedTool, Counts, NotRecorded, Recorder};
pub use records::{Filter, Record, Records};
pub use report::{Report, ServerCounts, ToldAnomaly, ToolCalls, UnknownCall, report};
pub use run::Run;
pub use verify::{ChainState, Finding, Verified, verify};
