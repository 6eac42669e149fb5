//! `warm`: compile the guests ahead, for images and CI.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use wasm_coordinator::{Guest, Metering};

use super::failure::Failure;
use super::output;
use super::progress;
use super::setup;

/// Compile the guests now, so that the first run need not wait.
///
/// A guest is compiled when it is first used, which takes some seconds. The
/// result is kept in the cache folder. Run this command when you build an
/// image, or before you measure anything.
#[derive(Args)]
pub(crate) struct Warm {
    /// Also compile them for runs with `--fuel`
    #[arg(long)]
    fuel: bool,
}

impl Warm {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let engine = setup::engine()?;
        let all: &[(Metering, &str)] = if self.fuel {
            &[(Metering::Off, ""), (Metering::Fuel, " with fuel")]
        } else {
            &[(Metering::Off, "")]
        };
        for &(metering, with) in all {
            for guest in Guest::ALL {
                let started = Instant::now();
                engine.warm(guest, metering).map_err(Failure::host)?;
                if let Some(why) = progress::not_kept() {
                    let name = guest.name();
                    let what = format!("the compiled {name} guest cannot be kept: {why}");
                    return Err(Failure::host(std::io::Error::other(what)));
                }
                let (name, seconds) = (guest.name(), started.elapsed().as_secs_f64());
                output::line(format_args!("{name}{with}: ready in {seconds:.1} s"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
