//! What tool servers look like from inside a program.
//!
//! A tool's definition comes in as JSON; out go its names in programs
//! ([`names`]), its types ([`schema`]), its call on one line ([`signature`]), its file in Python ([`python`]) and in
//! TypeScript ([`typescript`]), and the folder that these are in ([`tree`]); and
//! a whole server as a WIT interface ([`wit`]).
//!
//! Pure: no I/O, no protocol, no engine. Everything that comes in was written
//! by a stranger. It is bounded, and nothing of it gets out of the literal or
//! comment it was put into: the shape of a file depends on the shape of the
//! schema alone.

pub mod names;
pub mod python;
pub mod schema;
pub mod signature;
pub mod text;
pub mod tool;
pub mod tree;
mod types;
pub mod typescript;
pub mod wit;
