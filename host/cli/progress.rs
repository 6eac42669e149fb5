//! What a person sees while a guest is compiled, which happens once.
//!
//! The compiler tells nobody how far it is, except its log: there it writes a
//! line for each function. Counting these lines is what moves the bar.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use wasm_coordinator::{Compilation, Observer};

/// Lines of the compiler's log so far.
static LINES: AtomicU64 = AtomicU64::new(0);

/// Lines that the compiler logs for one function under [`TARGET`].
const LINES_EACH: u64 = 2;

/// Where the compiler logs once per function.
const TARGET: &str = "cranelift_codegen::context";

/// Shows compilations on stderr if that is a terminal.
pub(crate) fn observer() -> Option<Observer> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let shown: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Some(Arc::new(move |step| {
        let Ok(mut shown) = shown.lock() else { return };
        match step {
            Compilation::Started { guest, functions } => {
                // Another logger is there only if somebody asked for a log.
                let counts = log::set_logger(&Counter).is_ok();
                log::set_max_level(log::LevelFilter::Debug);
                LINES.store(0, Ordering::Relaxed);
                let bar = started(guest.name(), functions);
                if counts {
                    let bar = bar.clone();
                    std::thread::spawn(move || follow(&bar, functions));
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
    }))
}

fn started(guest: &str, functions: u64) -> ProgressBar {
    let template = "{msg} {wide_bar} {percent:>3} % {elapsed}";
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    let bar = ProgressBar::new(functions).with_style(style);
    bar.set_message(format!(
        "compiling the {guest} guest, once for this machine"
    ));
    bar.tick();
    bar
}

fn follow(bar: &ProgressBar, functions: u64) {
    while !bar.is_finished() {
        bar.set_position((LINES.load(Ordering::Relaxed) / LINES_EACH).min(functions));
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
        if record.target() == TARGET {
            LINES.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}
