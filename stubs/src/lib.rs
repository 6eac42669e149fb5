//! What tool servers look like from inside a program.
//!
//! Pure: no I/O, no protocol, no engine. Everything that comes in was written
//! by a stranger.

pub mod names;
pub mod schema;
pub mod tool;
pub mod tree;
