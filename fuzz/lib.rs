//! Fuzz targets: whatever strangers write is read here, by the code that reads
//! it in earnest, and what came of it is judged.
//!
//! | target | who writes the bytes | what is judged |
//! | --- | --- | --- |
//! | [`frames`](targets::frames) | a worker, a coordinator, a launcher | messages come whole however they are cut, and are the same after another round |
//! | [`worker`](targets::worker) | a worker that was taken over | one report within all limits; the session goes on |
//! | [`changes`](targets::changes) | the same, about files | all or nothing, within the quota; both sides have the same files |
//! | [`files`](targets::files) | a program | a model of files; memory and disk alike; no handle is left |
//! | [`servers`](targets::servers) | an MCP server | each call ends once, with JSON or a reason, without secrets |
//! | [`clients`](targets::clients) | a client of `serve`, over stdio and HTTP | each request is answered once; the next client is served |
//! | [`stubs`](targets::stubs) | a server, in definitions | Python, TypeScript and WIT parse and keep their shape; search finds what there is |
//! | [`configuration`](targets::configuration) | `mcp.json` | a configuration or errors with places, without secrets |
//! | [`policy`](targets::policy) | a program, in calls | a second reading of the patterns; no route around them |
//! | [`arguments`](targets::arguments) | a program, in arguments | a validator without bounds agrees |
//!
//! The test `fuzz` runs each for some seconds with a new seed each time; `fuzz/run`
//! runs one for as long as wanted, guided by coverage.

// The judges of stubs know the crate by the name that it has outside.
extern crate stubs as wasm_coordinator_stubs;

pub mod input;
mod memory;
mod mutate;
pub mod runner;
pub mod targets;

pub use memory::peak;
pub use runner::{Target, run_for_a_while};
pub use targets::{TARGETS, named};
