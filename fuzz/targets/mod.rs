//! The targets, one file each.

pub mod arguments;
pub mod changes;
pub mod clients;
pub mod configuration;
pub mod files;
pub mod frames;
pub mod policy;
pub mod servers;
pub mod stubs;
pub mod worker;

use crate::runner::Target;

/// All of them.
pub const TARGETS: &[Target] = &[
    frames::TARGET,
    worker::TARGET,
    changes::TARGET,
    files::TARGET,
    servers::TARGET,
    clients::TARGET,
    stubs::TARGET,
    configuration::TARGET,
    policy::TARGET,
    arguments::TARGET,
];

/// The target of this name.
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
