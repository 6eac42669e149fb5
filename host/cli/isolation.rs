//! What `exec` and `serve` do about layers that this machine does not offer.

use clap::Args;
use wasm_coordinator::Engine;
use wasm_coordinator::config::Configuration;
use wasm_coordinator::isolation::LayerReport;

use super::failure::{EXIT_REFUSED, Failure};
use super::terminal::Message;

#[derive(Args)]
pub(crate) struct IsolationFlags {
    /// Refuse to run if a layer around the sandbox is missing (see `doctor`)
    #[arg(long)]
    require_isolation: bool,
}

impl IsolationFlags {
    /// Overlays the configuration.
    pub(crate) fn overlay(&self, configuration: &mut Configuration) {
        configuration.require_isolation |= self.require_isolation;
    }
}

/// Refuses to go on where layers are missing that are required. Returns those that
/// are missing otherwise.
pub(crate) async fn check(
    engine: &Engine,
    configuration: &Configuration,
) -> Result<Vec<LayerReport>, Failure> {
    let mut layers = engine.layers().await.map_err(Failure::host)?;
    layers.retain(|layer| layer.missing().is_some());
    if layers.is_empty() || !configuration.require_isolation {
        return Ok(layers);
    }
    Err(Failure {
        message: Message::error(format!(
            "isolation is required, and this machine lacks {}",
            said(&layers)
        ))
        .hint(
            "`wasm-coordinator doctor` shows all layers; without `--require-isolation` and \
             `coordinator.requireIsolation` programs run with those that there are",
        ),
        exit_code: EXIT_REFUSED,
    })
}

/// The names and reasons of layers that are missing, for one line.
pub(crate) fn said(missing: &[LayerReport]) -> String {
    let missing = missing.iter().map(|layer| {
        let why = layer.missing().unwrap_or_default();
        format!("{} ({why})", layer.layer.name())
    });
    missing.collect::<Vec<_>>().join(", ")
}
