//! wip
pub mod message;
