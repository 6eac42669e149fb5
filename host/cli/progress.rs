//! What a person sees while a guest is compiled, which happens once.
//!
//! The compiler tells nobody how far it is, except its log: there it writes how
//! many instructions each function has when it comes to it. Functions differ
//! (an interpreter's loop takes as long as a thousand others), so it is their
//! instructions that are counted.

use std::io::{ErrorKind, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use wasm_coordinator::{Compilation, Observer};

use super::terminal::Message;

/// Instructions of the functions so far.
static INSTRUCTIONS: AtomicU64 = AtomicU64::new(0);

/// Instructions of a function on average: 340 in the Python guest and 410 in the
/// JavaScript guest.
const INSTRUCTIONS_EACH: u64 = 370;

/// What the compiler logs before that number.
const LINE: &str = "Number of CLIF instructions to optimize: ";

/// Where the compiler logs once per function.
const TARGET: &str = "cranelift_codegen::context";

/// Why compiled code is not kept.
static NOT_KEPT: OnceLock<ErrorKind> = OnceLock::new();

/// Why compiled code of this process was not kept, if it was not.
pub(crate) fn not_kept() -> Option<ErrorKind> {
    NOT_KEPT.get().copied()
}

/// Shows compilations on stderr if that is a terminal, and says what keeps them
/// from being the last ones.
pub(crate) fn observer() -> Option<Observer> {
    let at_terminal = std::io::stderr().is_terminal();
    let shown: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Some(Arc::new(move |step| match step {
        Compilation::NotKept { why, .. } => warn(why),
        step if at_terminal => show(step, &shown),
        _ => {}
    }))
}

fn warn(why: ErrorKind) {
    if NOT_KEPT.set(why).is_ok() {
        Message::warning(format!("compiled code is not kept: {why}"))
            .hint(
                "each start compiles again, for seconds; `WASM_COORDINATOR_CACHE` names another \
                 folder",
            )
            .print();
    }
}

fn show(step: Compilation, shown: &Mutex<Option<ProgressBar>>) {
    let Ok(mut shown) = shown.lock() else { return };
    match step {
        Compilation::Started { guest, functions } => {
            // Another logger is there only if somebody asked for a log.
            let counts = log::set_logger(&Counter).is_ok();
            log::set_max_level(log::LevelFilter::Debug);
            INSTRUCTIONS.store(0, Ordering::Relaxed);
            let expected = functions * INSTRUCTIONS_EACH;
            let bar = started(guest.name(), expected);
            if counts {
                let bar = bar.clone();
                std::thread::spawn(move || follow(&bar, expected));
            }
            *shown = Some(bar);
        }
        Compilation::Ended(_) => {
            log::set_max_level(log::LevelFilter::Off);
            if let Some(bar) = shown.take() {
                bar.finish_and_clear();
            }
        }
        _ => {}
    }
}

fn started(guest: &str, expected: u64) -> ProgressBar {
    let template = "{msg} {wide_bar} {percent:>3} % {elapsed}";
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    let bar = ProgressBar::new(expected).with_style(style);
    bar.set_message(format!(
        "compiling the {guest} guest, once for this machine"
    ));
    bar.tick();
    bar
}

fn follow(bar: &ProgressBar, expected: u64) {
    // The last hundredth is for what the estimate did not see.
    let most = expected - expected / 100;
    while !bar.is_finished() {
        bar.set_position(INSTRUCTIONS.load(Ordering::Relaxed).min(most));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Counts and writes nothing.
struct Counter;

impl log::Log for Counter {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() != TARGET {
            return;
        }
        let text = record.args().to_string();
        let count = text.strip_prefix(LINE).and_then(|count| count.parse().ok());
        INSTRUCTIONS.fetch_add(count.unwrap_or(0), Ordering::Relaxed);
    }

    fn flush(&self) {}
}
