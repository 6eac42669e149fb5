//! The flags for what is said about a program before it runs.

use clap::{Args, ValueEnum};
use wasm_coordinator::{Advice, AdviceMode, Construct, ModulePattern};

#[derive(Args)]
#[command(next_help_heading = "Advice before a run, from the program's text alone")]
pub(crate) struct AdviceFlags {
    /// What to do about modules that are not wanted, and about constructs that fail here or hide
    /// what a program does [default: off, or `warn` with one of the flags below]
    #[arg(long, value_enum, value_name = "MODE")]
    advice: Option<ModeFlag>,
    /// Advise against all modules but those that match, such as `json` or `urllib.*`; may be repeated
    #[arg(long, value_name = "PATTERN")]
    allow_module: Vec<ModulePattern>,
    /// Advise against modules that match, even if --allow-module allows them; may be repeated
    #[arg(long, value_name = "PATTERN")]
    deny_module: Vec<ModulePattern>,
    /// Say nothing about such a construct, for example `network`; may be repeated
    #[arg(long, value_name = "NAME", value_parser = construct)]
    allow_construct: Vec<Construct>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeFlag {
    /// Look at no program
    Off,
    /// Run it, and say what is advised against as warnings
    Warn,
    /// Do not run a program with something that is advised against
    Refuse,
}

impl AdviceFlags {
    /// Replaces which modules the configuration allows, adds to what it denies,
    /// and to the constructs that it allows.
    pub(crate) fn overlay(&self, advice: &mut Advice) {
        let is_asked_for = !self.allow_module.is_empty()
            || !self.deny_module.is_empty()
            || !self.allow_construct.is_empty();
        match self.advice {
            Some(ModeFlag::Off) => advice.mode = AdviceMode::Off,
            Some(ModeFlag::Warn) => advice.mode = AdviceMode::Warn,
            Some(ModeFlag::Refuse) => advice.mode = AdviceMode::Refuse,
            None if is_asked_for && advice.mode == AdviceMode::Off => {
                advice.mode = AdviceMode::Warn;
            }
            None => {}
        }
        if !self.allow_module.is_empty() {
            advice.allowed_modules = Some(self.allow_module.clone());
        }
        advice.denied_modules.extend_from_slice(&self.deny_module);
        let constructs = &mut advice.allowed_constructs;
        constructs.extend_from_slice(&self.allow_construct);
    }
}

fn construct(text: &str) -> Result<Construct, String> {
    text.parse().map_err(|error| {
        let names: Vec<_> = Construct::ALL.iter().map(|each| each.name()).collect();
        format!("{error}; there are {}", names.join(", "))
    })
}
