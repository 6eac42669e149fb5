//! Stack frames: from what the engine writes to what the user should see.
//!
//! The engine writes one line a frame, `    at name (file:line:column)`. Only
//! frames in the program's own files are kept, with the columns of the text
//! the user wrote.

use crate::edits::Shifts;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What the file names of our own code begin with.
const INTERNAL: &str = "internal:";

/// The frames of one stack that are shown, at most.
const MAX_FRAMES: usize = 30;

thread_local! {
    static FILES: RefCell<Files> = RefCell::default();
}

#[derive(Default)]
struct Files {
    /// Files whose columns differ from what the user wrote.
    shifts: BTreeMap<String, Shifts>,
    /// The file of the program that runs.
    program: String,
}

/// A position as the engine or the user sees it.
pub(crate) struct Position<'t> {
    pub(crate) file: &'t str,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Says what the program's own file is.
pub(crate) fn begin(program: &str) {
    FILES.with_borrow_mut(|files| files.program = program.to_owned());
}

/// Remembers how the text of a file was changed.
pub(crate) fn remember(file: &str, shifts: Shifts) {
    FILES.with_borrow_mut(|files| {
        if shifts.is_empty() {
            files.shifts.remove(file);
        } else {
            files.shifts.insert(file.to_owned(), shifts);
        }
    });
}

/// The program's frames, each on a line of its own, each after a line break.
pub(crate) fn program_frames(raw: &str) -> String {
    let mut text = String::new();
    FILES.with_borrow(|files| {
        let own = raw.lines().filter_map(|line| {
            let (name, position) = frame(line)?;
            (!position.file.starts_with(INTERNAL)).then_some((name, position))
        });
        for (name, position) in own.take(MAX_FRAMES) {
            let Position { file, line, column } = position;
            let column = match files.shifts.get(file) {
                Some(shifts) => shifts.column(line, column),
                None => column,
            };
            text.push_str("\n    at ");
            match name {
                Some(name) if name != "<eval>" => {
                    text.push_str(&format!("{name} ({file}:{line}:{column})"));
                }
                _ => text.push_str(&format!("{file}:{line}:{column}")),
            }
        }
    });
    text
}

/// The innermost position in frames that [`program_frames`] wrote; in the
/// program's own file where there is one.
pub(crate) fn position(frames: &str) -> Option<(String, u32, u32)> {
    let positions = || {
        frames
            .lines()
            .filter_map(frame)
            .map(|(_, position)| position)
    };
    FILES.with_borrow(|files| {
        let found = positions()
            .find(|position| position.file == files.program)
            .or_else(|| positions().next())?;
        Some((found.file.to_owned(), found.line, found.column))
    })
}

/// The function's name and the position of a line; `None` for other lines
/// and for native code.
fn frame(line: &str) -> Option<(Option<&str>, Position<'_>)> {
    let rest = line.trim_start().strip_prefix("at ")?;
    let (name, place) = match rest
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once(" ("))
    {
        Some((name, place)) => (Some(name), place),
        None => (None, rest),
    };
    let mut parts = place.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    let file = parts.next()?;
    Some((name, Position { file, line, column }))
}
