//! What was expected, what came, and everything that was seen.

use crate::wasi::cli::stdout::get_stdout;
use crate::wasi::filesystem::types::ErrorCode;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;

pub(crate) type Answer<T> = Result<T, ErrorCode>;

#[derive(Default)]
struct Report {
    seen: BTreeSet<(&'static str, String)>,
    failed: bool,
}

thread_local! {
    static REPORT: RefCell<Report> = RefCell::default();
}

/// Notes what a function answered.
pub(crate) fn call<T>(function: &'static str, answer: Answer<T>) -> Answer<T> {
    let name = match &answer {
        Ok(_) => "ok".to_owned(),
        Err(code) => code.name().to_owned(),
    };
    see(function, name);
    answer
}

/// Notes an answer of a function that has no error code for it.
pub(crate) fn see(function: &'static str, answer: String) {
    REPORT.with_borrow_mut(|report| report.seen.insert((function, answer)));
}

/// Compares by what is shown.
pub(crate) fn expect(what: &str, got: &impl Debug, wanted: &impl Debug) {
    let (got, wanted) = (format!("{got:?}"), format!("{wanted:?}"));
    if got != wanted {
        REPORT.with_borrow_mut(|report| report.failed = true);
        line(&format!("FAILED {what}: got {got}, expected {wanted}"));
    }
}

/// The same for an answer whose value does not matter.
pub(crate) fn refused<T>(what: &str, got: Answer<T>, code: ErrorCode) {
    expect(what, &got.map(drop), &Err::<(), _>(code));
}

/// The same for one that must be good.
pub(crate) fn accepted<T>(what: &str, got: Answer<T>) {
    expect(what, &got.map(drop), &Ok::<(), ErrorCode>(()));
}

pub(crate) fn line(text: &str) {
    let out = get_stdout();
    let text = format!("{text}\n");
    for part in text.as_bytes().chunks(4096) {
        let _ = out.blocking_write_and_flush(part);
    }
}

pub(crate) fn end() -> Result<(), ()> {
    REPORT.with_borrow(|report| {
        for (function, answer) in &report.seen {
            line(&format!("seen {function} {answer}"));
        }
        if report.failed { Err(()) } else { Ok(()) }
    })
}
