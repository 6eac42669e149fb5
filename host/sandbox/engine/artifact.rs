//! Machine code as the compiler makes it: kept, handed to other processes, loaded.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use contract::program::Form;

use crate::ledger::MAX_INSTANCES;

/// The machine code of a component or module.
///
/// Whoever loads it trusts it entirely. So there are two ways to have one: to
/// compile in this process, or to say that a process of ours did
/// ([`Artifact::of_file`]).
#[derive(Debug, Clone)]
pub struct Artifact {
    form: Form,
    max_instances: u32,
    code: Arc<Code>,
}

#[derive(Debug)]
pub(super) enum Code {
    Bytes(Vec<u8>),
    File(File),
}

/// Bytes of the header of machine code.
const HEADER: usize = 64;

impl Artifact {
    /// What was compiled here.
    pub(super) fn of_bytes(form: Form, bytes: Vec<u8>) -> Self {
        Self {
            form,
            max_instances: MAX_INSTANCES,
            code: Arc::new(Code::Bytes(bytes)),
        }
    }

    /// What another process compiled.
    ///
    /// # Safety
    ///
    /// The file has what [`Precompiler::compile`](super::Precompiler::compile)
    /// made in a process of ours, and nobody can change it.
    ///
    /// A hostile component may have subverted the process that compiled it. What
    /// the file has is then the attacker's code. So it is loaded only where that is
    /// no more than the attacker has without it: for the caller who brought the
    /// component, and where that component would run.
    pub unsafe fn of_file(form: Form, file: File) -> Self {
        Self {
            form,
            max_instances: MAX_INSTANCES,
            code: Arc::new(Code::File(file)),
        }
    }

    /// Whether it is of a component or a module.
    pub fn form(&self) -> Form {
        self.form
    }

    /// How many core instances it may have: by default as many as any.
    pub fn max_instances(&self) -> u32 {
        self.max_instances
    }

    /// The same machine code, with another bound on core instances.
    #[must_use]
    pub fn with_max_instances(self, max_instances: u32) -> Self {
        Self {
            max_instances: max_instances.min(MAX_INSTANCES),
            ..self
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    ///
    /// Those of its file.
    pub fn size(&self) -> io::Result<u64> {
        match &*self.code {
            Code::Bytes(bytes) => Ok(bytes.len() as u64),
            Code::File(file) => Ok(file.metadata()?.len()),
        }
    }

    /// A file with it, to be handed to a process that loads it. Nobody can change
    /// the file.
    ///
    /// # Errors
    ///
    /// Those of the system.
    #[cfg(target_os = "linux")]
    pub fn file(&self) -> io::Result<File> {
        use std::io::Write;
        match &*self.code {
            Code::Bytes(bytes) => {
                let mut file = super::memory_file::memory_file("code")?;
                file.write_all(bytes)?;
                super::memory_file::seal(&file)?;
                Ok(file)
            }
            Code::File(file) => file.try_clone(),
        }
    }

    pub(super) fn code(&self) -> &Code {
        &self.code
    }

    /// Gives all of it, piece by piece.
    pub(super) fn read(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let file = match &*self.code {
            Code::Bytes(bytes) => return take(bytes),
            Code::File(file) => file,
        };
        let mut buffer = vec![0; 1 << 20];
        let mut at = 0;
        loop {
            let count = file.read_at(&mut buffer, at)?;
            if count == 0 {
                return Ok(());
            }
            take(&buffer[..count])?;
            at += count as u64;
        }
    }
}

/// Whether a file begins like machine code of this form. Says nothing of the rest,
/// but tells another answer early, with no library that could stumble over it.
///
/// # Errors
///
/// Those of the file.
pub fn begins_like_code(form: Form, file: &File) -> io::Result<bool> {
    /// The number that wasmtime has for its own kind of ELF, and where it stands.
    const SYSTEM: (usize, u8) = (7, 200);
    /// Where the flags stand, and those that wasmtime has for the two forms.
    const FLAGS: usize = 48;
    const MODULE: u8 = 1;
    const COMPONENT: u8 = 2;
    let mut header = [0; HEADER];
    match file.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    let flag = match form {
        Form::Component => COMPONENT,
        Form::Module => MODULE,
    };
    let is_ours = header.starts_with(b"\x7fELF") && header[SYSTEM.0] == SYSTEM.1;
    Ok(is_ours && header[FLAGS] & (MODULE | COMPONENT) == flag)
}

#[cfg(test)]
mod tests {
    use super::super::compiler::Precompiler;
    use super::super::config::Metering;
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn machine_code_is_told_from_other_answers() {
        let precompiler = Precompiler::new(Metering::Off, false).unwrap();
        for (form, text) in [
            (Form::Component, "(component)"),
            (Form::Module, "(module (func))"),
        ] {
            let binary = wat::parse_str(text).unwrap();
            let made = Artifact::of_bytes(form, precompiler.compile(form, &binary).unwrap());
            let file = made.file().unwrap();
            assert_eq!(file.metadata().unwrap().len(), made.size().unwrap());
            assert!(begins_like_code(form, &file).unwrap());
            let other = match form {
                Form::Component => Form::Module,
                Form::Module => Form::Component,
            };
            assert!(!begins_like_code(other, &file).unwrap());
        }
        for wrong in [&b""[..], b"\x7fELF", &[0; 100], &[0x7f; 100]] {
            let mut file = super::super::memory_file::memory_file("test").unwrap();
            std::io::Write::write_all(&mut file, wrong).unwrap();
            assert!(!begins_like_code(Form::Module, &file).unwrap());
        }
    }
}
