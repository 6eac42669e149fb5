//! What the sides of wasm-coordinator say to each other, as plain data.
//!
//! The *sandbox* (engine, guests, files, the ledger of what they consume) and
//! the *tools* (servers, policy, secrets) are crates that do not know each
//! other. Both know this one, and a session joins them. Everything here can be
//! serialised or copied, so either side can live in another process; each side
//! treats what it receives as written by a stranger.
//!
//! Here is no engine, no protocol and no input or output.

pub mod advice;
mod bounded;
pub mod call_record;
pub mod caller;
pub mod clock;
pub mod content;
pub mod error;
pub mod frame;
pub mod hint;
pub mod isolation;
pub mod json;
pub mod limits;
pub mod media_type;
pub mod message;
pub mod outcome;
pub mod program;
pub mod quota;
pub mod rate;
pub mod report;
pub mod text;
pub mod worker;
