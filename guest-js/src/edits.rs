//! Changes to a source text that keep every line where it was.
//!
//! Most changes have the length of what they replace, so columns stay too.
//! The others are remembered in [`Shifts`], which lead a position in the
//! changed text back to the text the user wrote.

/// Changes to one source text, in any order.
pub(crate) struct Edits<'s> {
    source: &'s str,
    edits: Vec<Edit>,
}

struct Edit {
    start: usize,
    end: usize,
    text: Text,
}

enum Text {
    /// Spaces in place of everything but line breaks.
    Blank,
    /// This text. Has no more line breaks than what it replaces.
    New(String),
}

/// Where columns differ between the changed and the original text.
#[derive(Default, Clone)]
pub(crate) struct Shifts(Vec<Shift>);

#[derive(Clone, Copy)]
struct Shift {
    /// The line, from 1.
    line: u32,
    /// The first column of the changed text behind the change, from 1.
    column: u32,
    /// What to take off a column from here on, in this line.
    delta: i64,
    /// The column of the original text where the change begins.
    original: u32,
}

impl<'s> Edits<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Edits {
            source,
            edits: Vec::new(),
        }
    }

    pub(crate) fn source(&self) -> &'s str {
        self.source
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Replaces a range by spaces.
    pub(crate) fn blank(&mut self, start: u32, end: u32) {
        if start < end {
            self.push(start, end, Text::Blank);
        }
    }

    /// Replaces a range by a text.
    pub(crate) fn replace(&mut self, start: u32, end: u32, text: impl Into<String>) {
        self.push(start, end, Text::New(text.into()));
    }

    /// Puts a text before the character at `at`.
    pub(crate) fn insert(&mut self, at: u32, text: impl Into<String>) {
        self.push(at, at, Text::New(text.into()));
    }

    fn push(&mut self, start: u32, end: u32, text: Text) {
        self.edits.push(Edit {
            start: start as usize,
            end: end as usize,
            text,
        });
    }

    /// The changed text. Of two changes that overlap, the one that begins
    /// first stays; of two at one place, the one asked for first. What is
    /// inserted at a place comes before what replaces the text there.
    pub(crate) fn apply(mut self) -> (String, Shifts) {
        self.edits
            .sort_by_key(|edit| (edit.start, edit.end > edit.start));
        let mut out = String::with_capacity(self.source.len() + 64);
        let mut shifts = Vec::new();
        let mut place = Place::default();
        let mut at = 0;
        for edit in &self.edits {
            if edit.start < at {
                continue;
            }
            let kept = &self.source[at..edit.start];
            place.pass(kept);
            out.push_str(kept);
            let old = &self.source[edit.start..edit.end];
            match &edit.text {
                Text::Blank => {
                    place.pass(old);
                    out.extend(old.chars().map(|c| match c {
                        '\n' | '\r' | '\u{2028}' | '\u{2029}' => c,
                        _ => ' ',
                    }));
                }
                Text::New(text) => {
                    let (old_width, new_width) = (last_width(old), last_width(text));
                    let before = place.column;
                    place.pass(old);
                    let difference = new_width as i64 - old_width as i64;
                    if difference != 0 {
                        place.delta += difference;
                        shifts.push(Shift {
                            line: place.line + 1,
                            column: (i64::from(place.column) + 1 + place.delta).max(1) as u32,
                            delta: place.delta,
                            original: before + 1,
                        });
                    }
                    out.push_str(text);
                }
            }
            at = edit.end;
        }
        out.push_str(&self.source[at..]);
        (out, Shifts(shifts))
    }
}

impl Shifts {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The column of the original text.
    pub(crate) fn column(&self, line: u32, column: u32) -> u32 {
        let mut delta = 0;
        for shift in self.0.iter().filter(|shift| shift.line == line) {
            if column < shift.column {
                // Inside what was inserted: the place where it was inserted.
                return ((i64::from(column) - delta).max(1) as u32).min(shift.original.max(1));
            }
            delta = shift.delta;
        }
        (i64::from(column) - delta).max(1) as u32
    }
}

/// The place reached in the original text, and how far columns are off.
#[derive(Default)]
struct Place {
    line: u32,
    column: u32,
    delta: i64,
}

impl Place {
    fn pass(&mut self, text: &str) {
        for c in text.chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 0;
                self.delta = 0;
            } else {
                self.column += 1;
            }
        }
    }
}

fn last_width(text: &str) -> usize {
    text.rsplit('\n').next().unwrap_or(text).chars().count()
}
