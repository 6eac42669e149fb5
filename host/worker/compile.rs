//! The process in which one component of a user is compiled, and nothing else.
//!
//! It is started for one component and gets three descriptors: the component, the
//! file for its machine code, and a pipe for last words. It confines itself before
//! it reads the component, and never runs what it made. What it says is believed
//! by nobody: a hostile component may have subverted it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::time::Duration;

use contract::program::Form;
use sandbox::{Metering, Precompiler};

use crate::confine;
use crate::launcher::exit;

/// The first argument of a process that is to compile one component.
pub const ARGUMENT: &str = "__compile";

/// How the process ends. Everything else is a crash.
pub(crate) const COMPILED: i32 = 0;
/// The component is not valid; the output says why.
pub(crate) const INVALID: i32 = 10;
/// There is more machine code than may be.
pub(crate) const TOO_LARGE: i32 = 11;

/// What an invalid component is told at most, in bytes.
pub(crate) const MAX_REASON: usize = 4 << 10;

/// What one compilation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Time of processors, all threads together, and time on the clock. One
    /// minute by default: CPython takes seven seconds.
    pub time: Duration,
    /// Address space in bytes. 4 GiB by default: CPython takes a third of it.
    pub memory: u64,
    /// Bytes of machine code. 256 MiB by default: CPython has 53 MB.
    pub code: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(60),
            memory: 4 << 30,
            code: 256 << 20,
        }
    }
}

/// What a process is started for, as its arguments say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) form: Form,
    pub(crate) metering: Metering,
    pub(crate) threads: usize,
    pub(crate) limits: CompileLimits,
    /// Who started it.
    pub(crate) parent: u32,
}

impl Order {
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let form = match self.form {
            Form::Component => "component",
            Form::Module => "module",
        };
        let metering = match self.metering {
            Metering::Fuel => "fuel",
            _ => "off",
        };
        let CompileLimits { time, memory, code } = self.limits;
        let numbers = [
            self.threads as u64,
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            memory,
            code,
            self.parent.into(),
        ];
        let words = [ARGUMENT, form, metering].map(ToOwned::to_owned);
        let all = words
            .into_iter()
            .chain(numbers.iter().map(ToString::to_string));
        all.map(OsString::from).collect()
    }

    /// Reads arguments, without the name of the program.
    fn read(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut next = || arguments.next()?.into_string().ok();
        if next()? != ARGUMENT {
            return None;
        }
        let form = match next()?.as_str() {
            "component" => Form::Component,
            "module" => Form::Module,
            _ => return None,
        };
        let metering = match next()?.as_str() {
            "off" => Metering::Off,
            "fuel" => Metering::Fuel,
            _ => return None,
        };
        let mut number = || next()?.parse::<u64>().ok();
        Some(Self {
            form,
            metering,
            threads: usize::try_from(number()?).ok()?,
            limits: CompileLimits {
                time: Duration::from_millis(number()?),
                memory: number()?,
                code: number()?,
            },
            parent: u32::try_from(number()?).ok()?,
        })
    }
}

/// Whether this process was started to compile a component.
pub fn is_asked() -> bool {
    std::env::args_os().nth(1).as_deref() == Some(OsStr::new(ARGUMENT))
}

/// Compiles what this process was started for. Never returns.
pub fn main() -> ! {
    let Some(order) = Order::read(std::env::args_os().skip(1)) else {
        eprintln!("this is what wasm-coordinator starts to compile a component");
        exit(2);
    };
    let status = run(&order).unwrap_or_else(|error| {
        eprintln!("{error}");
        1
    });
    exit(status)
}

fn run(order: &Order) -> io::Result<i32> {
    // What needs more than is left afterwards comes first.
    let precompiler = Precompiler::new(order.metering, order.threads > 1).map_err(|error| {
        io::Error::other(format!("{error}: {:?}", std::error::Error::source(&error)))
    })?;
    confine::compiler(&order.limits, order.parent, &[])?;
    if order.threads > 1 {
        rayon::ThreadPoolBuilder::new()
            .num_threads(order.threads)
            .build_global()
            .map_err(io::Error::other)?;
    }
    confine::compiler_has_its_threads(&[]);
    // SAFETY: whoever starts this process gives it the component as descriptor 0
    // and the output as descriptor 1, and nobody else here uses them.
    let (mut input, mut output) = unsafe { (File::from_raw_fd(0), File::from_raw_fd(1)) };
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    match precompiler.compile(order.form, &bytes) {
        Ok(code) if code.len() as u64 > order.limits.code => Ok(TOO_LARGE),
        Ok(code) => {
            output.write_all(&code)?;
            Ok(COMPILED)
        }
        Err(why) => {
            output.write_all(contract::text::cut(&why, MAX_REASON).as_bytes())?;
            Ok(INVALID)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_given() {
        for (form, metering) in [
            (Form::Component, Metering::Off),
            (Form::Module, Metering::Fuel),
        ] {
            let order = Order {
                form,
                metering,
                threads: 3,
                limits: CompileLimits::default(),
                parent: 77,
            };
            assert_eq!(Order::read(order.arguments().into_iter()), Some(order));
        }
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        for wrong in [
            "__compile",
            "__compile x off 1 1 1 1 1",
            "__compile module off 1 1 1 -1 1",
        ] {
            assert_eq!(Order::read(words(wrong).into_iter()), None);
        }
    }
}
