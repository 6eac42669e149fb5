//! What a person sees while a guest is compiled, which happens once.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use wasm_coordinator::{Compilation, Observer};

/// Shows compilations on stderr if that is a terminal.
pub(crate) fn observer() -> Option<Observer> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Some(Arc::new(move |step| {
        let Ok(mut bar) = bar.lock() else { return };
        match step {
            Compilation::Started(guest) => *bar = Some(started(guest.name())),
            Compilation::Ended(_) => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    }))
}

fn started(guest: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}")
        .expect("the template is well-formed");
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.set_message(format!(
        "compiling the {guest} guest, once for this machine"
    ));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
