//! The process around a sandbox: the second wall.
//!
//! A launcher loads the engine and the guests, confines itself, and forks a
//! worker for each session. A worker holds nothing worth stealing: no
//! environment, no secret, no connection, no file. Both run this crate and end
//! with it; what asks them to is the coordinator.
//!
//! - `control`, `datagram`: what a coordinator and its launcher say, and how
//! - `launcher`: loads, confines itself, forks
//! - `session`: a worker, from its first message to its last
//! - `outbox`: what it says, in batches
//! - `readiness`, `spin`: waiting for the other side, asleep or awake for a moment
//! - `compile`: a process that compiles one component of a user
//! - `compiler`: starts such processes, and judges what they give
//! - `confine`: what all of them give up

#[cfg(target_os = "linux")]
pub mod compile;
#[cfg(target_os = "linux")]
pub mod compiler;
#[cfg(target_os = "linux")]
pub mod confine;
pub mod control;
pub mod datagram;
pub mod launcher;
mod outbox;
pub mod readiness;
mod session;
pub mod spin;
