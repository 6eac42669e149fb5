//! What a worker that was taken over would try, each by the name of the threat.

mod files;
mod kernel;
mod network;
mod processes;
mod resources;

use std::io;

use worker::confine::Profile;

use crate::scene::Scene;

/// One thing to try.
pub struct Threat {
    pub name: &'static str,
    /// Tries it. What it returns if it worked is what was gained.
    pub attempt: fn(&Scene) -> io::Result<String>,
    pub sign: Sign,
    /// Works for root only, also where nothing is confined.
    pub needs_root: bool,
    /// Not every kernel has it.
    pub is_optional: bool,
    /// The profiles that are there for it, or cannot do without it.
    pub granted: &'static [Profile],
}

/// How it shows that an attempt worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The attempt says so, or a program that it started.
    Word,
    /// Memory was left on the disk.
    CoreDump,
    /// The process is there although the coordinator is gone.
    Survival,
}

const fn threat(name: &'static str, attempt: fn(&Scene) -> io::Result<String>) -> Threat {
    Threat {
        name,
        attempt,
        sign: Sign::Word,
        needs_root: false,
        is_optional: false,
        granted: &[],
    }
}

impl Threat {
    const fn shown_by(mut self, sign: Sign) -> Self {
        self.sign = sign;
        self
    }

    const fn granted_to(mut self, granted: &'static [Profile]) -> Self {
        self.granted = granted;
        self
    }

    const fn where_there_is_one(mut self) -> Self {
        self.is_optional = true;
        self
    }

    const fn for_root(mut self) -> Self {
        self.needs_root = true;
        self
    }
}

/// All of them, in groups.
pub fn all() -> impl Iterator<Item = &'static Threat> {
    files::THREATS
        .iter()
        .chain(network::THREATS)
        .chain(processes::THREATS)
        .chain(kernel::THREATS)
        .chain(resources::THREATS)
}

pub fn named(name: &str) -> &'static Threat {
    all()
        .find(|threat| threat.name == name)
        .unwrap_or_else(|| panic!("there is no threat `{name}`"))
}

/// The result of a system call that reports failure as -1.
fn checked(returned: impl Into<i64>) -> io::Result<i64> {
    match returned.into() {
        -1 => Err(io::Error::last_os_error()),
        returned => Ok(returned),
    }
}

/// It worked, and nothing else is to be told.
fn done(returned: impl Into<i64>) -> io::Result<String> {
    checked(returned).map(|_| String::new())
}

/// It worked only if this is so.
fn gained(is_so: bool, what: &str) -> io::Result<String> {
    if is_so {
        Ok(what.to_owned())
    } else {
        Err(io::Error::other(format!("not {what}")))
    }
}

fn c_string(text: impl AsRef<std::ffi::OsStr>) -> std::ffi::CString {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::CString::new(text.as_ref().as_bytes()).expect("a text without 0")
}
