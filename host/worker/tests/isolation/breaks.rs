//! What each layer is good for: each is left out in turn, and each stands alone.
//! Printed as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use contract::isolation::Layer;
use worker::confine::Profile;

use crate::coordinator::{Coordinator, Event, Outcome, Setting};
use crate::threats::{self, Sign};
use crate::{layers, user};

type Names = BTreeSet<&'static str>;

pub fn print() -> ExitCode {
    let Some((program, _folder)) = user::program_of_another().expect("a program") else {
        return print_as_user(None);
    };
    // What a user finds is what counts.
    let other = user::again("breaks-as-user", &program, &[]).expect("this program starts");
    let output = other.wait_with_output().expect("it ends");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    ExitCode::from(u8::from(!output.status.success()))
}

pub fn print_as_user(set_user_id: Option<PathBuf>) -> ExitCode {
    let coordinator = Coordinator::new(set_user_id).expect("things to attack");
    println!("Linux {}\n", kernel().trim());
    println!("{}\n", layers_here(&coordinator).expect("a report"));
    let mut is_complete = true;
    for profile in [Profile::Guests, Profile::Disk] {
        let found = Found::of(&coordinator, profile).expect("trials end");
        found.print_layers(profile);
        found.print_threats();
        is_complete &= found.each_layer_counts();
    }
    ExitCode::from(u8::from(!is_complete))
}

fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default()
}

/// Which layers there are on this system, as a list.
fn layers_here(coordinator: &Coordinator) -> io::Result<String> {
    let setting = Setting::whole(Profile::Guests);
    let outcome =
        coordinator.try_in_worker(&setting, "allowed:report", Sign::Word, Event::Nothing)?;
    match outcome {
        Outcome::Worked(report) => Ok(format!("- {}", report.replace('\n', "\n- "))),
        other => Err(io::Error::other(other.to_string())),
    }
}

/// How the threats fared.
struct Found {
    /// With all layers.
    whole: BTreeMap<&'static str, Outcome>,
    /// Those that work without any.
    open: Names,
    /// Those that a layer stops alone.
    alone: BTreeMap<Layer, Names>,
    /// Those that work when a layer is left out.
    without: BTreeMap<Layer, Names>,
}

impl Found {
    fn of(coordinator: &Coordinator, profile: Profile) -> io::Result<Self> {
        let attempt_all = |skip: &[Layer]| -> io::Result<BTreeMap<&'static str, Outcome>> {
            let mut setting = Setting::whole(profile);
            setting.skip = skip.to_vec();
            let mut outcomes = BTreeMap::new();
            for threat in threats::all() {
                let outcome =
                    coordinator.try_in_worker(&setting, threat.name, threat.sign, Event::Nothing);
                let outcome = outcome.map_err(|error| {
                    let skip = layers::to_text(skip);
                    io::Error::other(format!("{} without {skip}: {error}", threat.name))
                })?;
                outcomes.insert(threat.name, outcome);
            }
            Ok(outcomes)
        };
        let worked = |outcomes: &BTreeMap<&'static str, Outcome>| -> Names {
            let worked = outcomes.iter().filter(|(_, outcome)| outcome.worked());
            worked.map(|(name, _)| *name).collect()
        };
        let whole = attempt_all(&[])?;
        let open = worked(&attempt_all(&layers::every())?);
        let granted = worked(&whole);
        let mut alone = BTreeMap::new();
        let mut without = BTreeMap::new();
        for (layer, _) in layers::ALL {
            // What it needs is there, and what that stops is not counted.
            let needed = needed_by(layer);
            let kept: Vec<Layer> = needed.iter().copied().chain([layer]).collect();
            let stopped = &open - &worked(&attempt_all(&layers::every_but(&kept))?);
            let by_needed = match needed {
                [] => Names::new(),
                needed => &open - &worked(&attempt_all(&layers::every_but(needed))?),
            };
            let stopped = &stopped - &by_needed;
            alone.insert(layer, stopped);
            without.insert(layer, &worked(&attempt_all(&[layer])?) - &granted);
        }
        Ok(Self {
            whole,
            open,
            alone,
            without,
        })
    }

    /// Each layer stops something without the others.
    fn each_layer_counts(&self) -> bool {
        self.alone.values().all(|stopped| !stopped.is_empty())
    }

    fn print_layers(&self, profile: Profile) {
        println!(
            "### Profile `{}`, as a user without privileges\n",
            layers::profile_name(profile)
        );
        println!(
            "{} of {} threats work where nothing confines them. A layer stands alone with \
             the one that it needs: other namespaces need `user_namespace`, and `landlock` \
             and `seccomp` need `no_new_privileges`.\n",
            self.open.len(),
            self.whole.len()
        );
        println!("| layer | it alone stops | without it succeeds | without it still held by |");
        println!("|---|---|---|---|");
        for (layer, name) in layers::ALL {
            let stopped = &self.alone[&layer];
            let without = &self.without[&layer];
            let mut others: BTreeMap<&str, usize> = BTreeMap::new();
            for threat in stopped - without {
                for (other, name) in layers::ALL {
                    if other != layer && self.alone[&other].contains(threat) {
                        *others.entry(name).or_default() += 1;
                    }
                }
            }
            let others = others
                .iter()
                .map(|(name, count)| format!("`{name}` ({count})"));
            println!(
                "| `{name}` | {} | {} | {} |",
                counted(stopped),
                listed(without),
                or_nothing(others.collect::<Vec<_>>().join(", "))
            );
        }
        println!();
    }

    fn print_threats(&self) {
        println!("| threat | with all layers | layers that stop it alone |");
        println!("|---|---|---|");
        for (threat, outcome) in &self.whole {
            let alone = layers::ALL
                .iter()
                .filter(|(layer, _)| self.alone[layer].contains(threat))
                .map(|(_, name)| format!("`{name}`"));
            let alone = if self.open.contains(threat) {
                or_nothing(alone.collect::<Vec<_>>().join(", "))
            } else {
                "needs root also where nothing confines it".to_owned()
            };
            println!("| `{threat}` | {outcome} | {alone} |");
        }
        println!();
    }
}

/// The layer without which whoever is not root cannot enter another one.
fn needed_by(layer: Layer) -> &'static [Layer] {
    match layer {
        Layer::NetworkNamespace | Layer::IpcNamespace | Layer::PidNamespace => {
            &[Layer::UserNamespace]
        }
        Layer::Landlock | Layer::Seccomp => &[Layer::NoNewPrivileges],
        _ => &[],
    }
}

/// How many, and which if they are few.
fn counted(names: &Names) -> String {
    const FEW: usize = 5;
    match names.len() {
        0..=FEW => listed(names),
        many => format!("{many} threats"),
    }
}

fn listed(names: &Names) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    or_nothing(names.join(", "))
}

fn or_nothing(text: String) -> String {
    if text.is_empty() {
        "–".to_owned()
    } else {
        text
    }
}
