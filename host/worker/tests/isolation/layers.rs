//! Layers and profiles by name.

use contract::isolation::Layer;
use worker::confine::Profile;

/// All layers, and what a person calls them.
pub const ALL: [(Layer, &str); 13] = [
    (Layer::Process, "process"),
    (Layer::Environment, "environment"),
    (Layer::Descriptors, "descriptors"),
    (Layer::NoNewPrivileges, "no_new_privileges"),
    (Layer::UserNamespace, "user_namespace"),
    (Layer::NetworkNamespace, "network_namespace"),
    (Layer::IpcNamespace, "ipc_namespace"),
    (Layer::PidNamespace, "pid_namespace"),
    (Layer::Landlock, "landlock"),
    (Layer::Seccomp, "seccomp"),
    (Layer::ResourceLimits, "resource_limits"),
    (Layer::NoCoreDump, "no_core_dump"),
    (Layer::DeathWithParent, "death_with_parent"),
];

const PROFILES: [(Profile, &str); 3] = [
    (Profile::Guests, "guests"),
    (Profile::Disk, "disk"),
    (Profile::Component, "component"),
];

pub fn name(layer: Layer) -> &'static str {
    let found = ALL.iter().find(|(other, _)| *other == layer);
    found.expect("all layers are listed").1
}

fn layer(name: &str) -> Layer {
    let found = ALL.iter().find(|(_, other)| *other == name);
    found
        .unwrap_or_else(|| panic!("there is no layer `{name}`"))
        .0
}

pub fn to_text(layers: &[Layer]) -> String {
    let names: Vec<_> = layers.iter().map(|layer| name(*layer)).collect();
    names.join(",")
}

pub fn from_text(names: &str) -> Vec<Layer> {
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(layer).collect()
}

pub fn every() -> Vec<Layer> {
    ALL.iter().map(|(layer, _)| *layer).collect()
}

pub fn every_but(kept: &[Layer]) -> Vec<Layer> {
    let mut layers = every();
    layers.retain(|layer| !kept.contains(layer));
    layers
}

pub fn profile_name(profile: Profile) -> &'static str {
    let found = PROFILES.iter().find(|(other, _)| *other == profile);
    found.expect("all profiles are listed").1
}

pub fn profile(name: &str) -> Profile {
    let found = PROFILES.iter().find(|(_, other)| *other == name);
    found
        .unwrap_or_else(|| panic!("there is no profile `{name}`"))
        .0
}
