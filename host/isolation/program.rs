//! Which program is started as a launcher.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use worker::launcher::ARGUMENT;

use contract::error::Error;

/// Whether the present program can be a launcher.
static IS_ENTERED: AtomicBool = AtomicBool::new(false);

/// The name of the program.
const PROGRAM: &str = "wasm-coordinator";

/// Makes the present program one that can be its own launcher and compiler. To be
/// called first in `main`, before there is a second thread, an event loop with
/// threads included: in a process that was started as one of them it does not
/// return.
///
/// ```no_run
/// // The first line of `main`:
/// wasm_coordinator::isolation::entry();
/// ```
pub fn entry() {
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new(ARGUMENT)) {
        worker::launcher::main();
    }
    if worker::compile::is_asked() {
        worker::compile::main();
    }
    IS_ENTERED.store(true, Ordering::Relaxed);
}

/// The program to start.
pub(crate) fn find(wanted: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(wanted) = wanted {
        return Ok(wanted.to_owned());
    }
    if IS_ENTERED.load(Ordering::Relaxed) {
        // The program that runs, also if another one replaced its file.
        return Ok("/proc/self/exe".into());
    }
    let beside = std::env::current_exe().ok();
    let beside = beside.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = beside.into_iter().chain(std::env::split_paths(&path));
    let mut candidates = folders
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(PROGRAM));
    candidates.find(|path| path.is_file()).ok_or_else(|| {
        Error::host(
            "starting a process for a session",
            format!(
                "there is no program `{PROGRAM}` beside this one or in PATH; call \
                 `wasm_coordinator::isolation::entry()` first in `main`, name the program in \
                 `EngineOptions::isolation`, or choose `Isolation::InProcess`"
            ),
        )
    })
}
