//! The sandbox side: engine, guests, files, and the account of what they
//! consume.
//!
//! Knows nothing of MCP, policy or secrets. It talks to the coordinator side
//! in messages only ([`contract::message`]), so it can live in another process.
//!
//! Layers, the lowest first. A module uses those of the layers below its own and
//! none of its own or above; a test (`walls`) reads this list and the imports.
//!
//! - `bindings`, `constructs`, `files`, `ledger`: the contract with guests, what
//!   names do, files, accounts
//! - `console`, `servers`, `stdin`: output, `/servers` as files, input
//! - `channel`, `descriptors`: the way to the coordinator; open files of modules
//! - `state`: what the store of one instance holds
//! - `emit`, `preview1`, `tools`, `typed`: host functions
//! - `linker`: which of them a guest may import
//! - `advice`, `engine`, `outcome`: what is said before a program runs; guests
//!   compiled and linked; what they say, checked
//! - `instance`: one that runs
//! - `component`: a component or module of a user, before it runs
//! - `sandbox`: what a session has of all this

mod advice;
mod bindings;
mod channel;
mod component;
mod console;
mod constructs;
mod descriptors;
mod emit;
mod engine;
pub mod files;
mod instance;
mod ledger;
mod linker;
mod outcome;
mod preview1;
mod sandbox;
mod servers;
mod state;
mod stdin;
mod tools;
mod typed;

pub use channel::Channel;
pub use console::{Console, ContentWatcher, Output, Stream, Watcher};
pub use engine::{
    Artifact, Compilation, Compiler, Compiling, Engine, EngineOptions, Guest, Job, Metering,
    NotCompiled, Observer, Precompiler, Ticks, begins_like_code,
};
#[cfg(target_os = "linux")]
pub use engine::{memory_file, seal};
pub use ledger::LimitReached;
pub use sandbox::Sandbox;
pub use servers::stubs_root;
