//! Who compiles what users bring: this process, or one beside it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::artifact::Artifact;
use super::config::{Metering, config};
use contract::error::Error;
use contract::program::Form;

/// Compiles components and modules of users outside of this process, within limits
/// on time, memory and what comes of it.
pub trait Compiler: Send + Sync {
    /// Compiles one. Whoever drops the future ends the work at once.
    fn compile(&self, job: Job) -> Compiling<'_>;
}

/// A compilation that goes on.
pub type Compiling<'a> = Pin<Box<dyn Future<Output = Result<Artifact, NotCompiled>> + Send + 'a>>;

/// What is to be compiled.
#[derive(Clone)]
pub struct Job {
    /// A WebAssembly binary.
    pub bytes: Arc<[u8]>,
    /// Its form, as its first bytes say.
    pub form: Form,
    /// What its code counts.
    pub metering: Metering,
    /// How many functions it seems to have, which tells how long it may take.
    pub functions: u64,
}

/// Why there is no machine code.
#[derive(Debug)]
pub enum NotCompiled {
    /// It breaks a bound or a rule of WebAssembly: what is wrong, behind "the
    /// component".
    Invalid(String),
    /// It takes longer than this to compile.
    Time(Duration),
    /// It takes more bytes of memory than this to compile.
    Memory(u64),
    /// It makes more bytes of machine code than this.
    Size(u64),
    /// The compiler crashed on it: how it ended.
    Crashed(String),
    /// What the compiler gave is no machine code.
    WrongAnswer,
    /// Others were compiled before it, for this long.
    Busy(Duration),
    /// The host failed.
    Failed(Error),
}

impl fmt::Display for NotCompiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(what) => write!(f, "the component {what}"),
            Self::Time(limit) => write!(
                f,
                "the component takes longer than {} s to compile",
                limit.as_secs_f64()
            ),
            Self::Memory(limit) => write!(
                f,
                "the component takes more than {} MiB of memory to compile",
                limit >> 20
            ),
            Self::Size(limit) => write!(
                f,
                "the component makes more than {} MiB of machine code",
                limit >> 20
            ),
            Self::Crashed(how) => write!(f, "the compiler crashed on the component: it {how}"),
            Self::WrongAnswer => {
                f.write_str("the compiler made something of the component that is no machine code")
            }
            Self::Busy(waited) => write!(
                f,
                "the component is not compiled: others before it took longer than {} s",
                waited.as_secs_f64()
            ),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

/// Makes machine code, and runs none.
pub struct Precompiler {
    engine: wasmtime::Engine,
}

impl fmt::Debug for Precompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Precompiler").finish_non_exhaustive()
    }
}

impl Precompiler {
    /// For code that counts this. In parallel, it uses the threads of the process
    /// that `rayon` has; else only the one that asks.
    ///
    /// # Errors
    ///
    /// When this machine cannot run WebAssembly.
    pub fn new(metering: Metering, in_parallel: bool) -> Result<Self, Error> {
        let mut config = config(metering, None);
        config.parallel_compilation(in_parallel);
        let engine = wasmtime::Engine::new(&config)
            .map_err(|error| Error::host("setting up WebAssembly", error))?;
        Ok(Self { engine })
    }

    /// Compiles a binary.
    ///
    /// # Errors
    ///
    /// What is wrong with the binary, behind "the component".
    pub fn compile(&self, form: Form, bytes: &[u8]) -> Result<Vec<u8>, String> {
        precompile(&self.engine, form, bytes).map_err(|error| format!("is not valid: {error:#}"))
    }
}

pub(super) fn precompile(
    engine: &wasmtime::Engine,
    form: Form,
    bytes: &[u8],
) -> wasmtime::Result<Vec<u8>> {
    match form {
        Form::Component => engine.precompile_component(bytes),
        Form::Module => engine.precompile_module(bytes),
    }
}
