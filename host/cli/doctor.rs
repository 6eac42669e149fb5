//! `doctor`: what stands between programs and this machine.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use wasm_coordinator::isolation::{LayerReport, LayerState};

use super::failure::Failure;
use super::output;
use super::setup;

/// Show the layers between programs and this machine: which hold, and why not.
///
/// Each session runs in a process of its own, inside WebAssembly. If the engine had
/// a fault, these layers would be what is left. Those that this machine does not
/// offer are left out with a warning; `--require-isolation` of `exec` and `serve`
/// refuses to run then. The exit code is 1 if one is missing.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let engine = setup::engine()?;
        let layers = setup::block_on(async { engine.layers().await.map_err(Failure::host) })?;
        let missing = layers.iter().filter(|layer| layer.missing().is_some());
        let code = u8::from(missing.count() > 0);
        if self.json {
            let layers: Vec<_> = layers.iter().map(to_json).collect();
            output::line(json!({ "layers": layers }));
        } else {
            for layer in &layers {
                print(layer);
            }
        }
        Ok(ExitCode::from(code))
    }
}

fn to_json(report: &LayerReport) -> Value {
    let (is_on, detail) = match &report.state {
        LayerState::On(detail) => (true, detail.as_deref()),
        LayerState::Off(why) => (false, Some(why.as_str())),
    };
    json!({
        "layer": report.layer,
        "on": is_on,
        "detail": detail,
        "purpose": report.layer.purpose(),
    })
}

fn print(report: &LayerReport) {
    let (name, purpose) = (report.layer.name(), report.layer.purpose());
    let (state, detail) = match &report.state {
        LayerState::On(None) => ("on ", String::new()),
        LayerState::On(Some(detail)) => ("on ", format!(" ({detail})")),
        LayerState::Off(why) => ("OFF", format!(": {why}")),
    };
    output::line(format!("{state}  {name:<18} {purpose}{detail}"));
}
