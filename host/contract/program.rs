//! A program to run: its code, its name in messages, its arguments.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

// CONTRIBUTING.md, "To add a guest language".
/// What a source text is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Python 3.14.
    Python,
    /// JavaScript, with modules and `await` at the top level.
    JavaScript,
    /// TypeScript; types are removed, not checked.
    TypeScript,
}

impl Language {
    /// The language that a file's name tells, if it does.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "py" | "pyw" => Some(Self::Python),
            "js" | "mjs" | "cjs" => Some(Self::JavaScript),
            "ts" | "mts" | "cts" => Some(Self::TypeScript),
            _ => None,
        }
    }
}

/// A program and its arguments.
///
/// ```
/// use wasm_coordinator_contract::program::Program;
///
/// let program = Program::python("import sys; print(sys.argv[1:])").arguments(["a", "b"]);
/// # let _ = program;
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program {
    code: Code,
    name: String,
    arguments: Vec<String>,
}

/// The code of a program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Code {
    /// A source text.
    Source {
        /// What it is written in.
        language: Language,
        /// The text.
        text: String,
    },
    /// The bytes of a WebAssembly component.
    Component(Arc<[u8]>),
}

/// The two forms of WebAssembly binaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A component.
    Component,
    /// A core module.
    Module,
}

impl Program {
    /// A source text.
    pub fn new(language: Language, source: impl Into<String>) -> Self {
        let name = match language {
            Language::Python => "script.py",
            Language::JavaScript => "script.js",
            Language::TypeScript => "script.ts",
        };
        let code = Code::Source {
            language,
            text: source.into(),
        };
        Self {
            code,
            name: name.into(),
            arguments: Vec::new(),
        }
    }

    /// A Python program.
    pub fn python(source: impl Into<String>) -> Self {
        Self::new(Language::Python, source)
    }

    /// A JavaScript program.
    pub fn javascript(source: impl Into<String>) -> Self {
        Self::new(Language::JavaScript, source)
    }

    /// A TypeScript program.
    pub fn typescript(source: impl Into<String>) -> Self {
        Self::new(Language::TypeScript, source)
    }

    /// A WebAssembly component: one of the world in `wit/sandbox.wit`, or a
    /// `wasi:cli` command. Always compiled from its bytes; compiled code is
    /// refused.
    pub fn component(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            code: Code::Component(bytes.into()),
            name: "component.wasm".into(),
            arguments: Vec::new(),
        }
    }

    /// The file name that tracebacks show, instead of `script.py` and the
    /// like. Only its last part is used: the program learns no host path.
    #[must_use]
    pub fn named(mut self, name: impl AsRef<Path>) -> Self {
        if let Some(name) = name.as_ref().file_name() {
            self.name = name
                .to_string_lossy()
                .chars()
                .filter(|c| !c.is_control())
                .take(MAX_NAME)
                .collect();
        }
        self
    }

    /// The arguments, as in `sys.argv[1:]` or `process.argv.slice(2)`.
    #[must_use]
    pub fn arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// The same program without the bytes of a component, for whoever has its
    /// machine code.
    #[must_use]
    pub fn without_component(&self) -> Self {
        let code = match &self.code {
            Code::Source { .. } => self.code.clone(),
            Code::Component(_) => Code::Component(Arc::default()),
        };
        Self {
            code,
            name: self.name.clone(),
            arguments: self.arguments.clone(),
        }
    }

    /// Its code.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// The file name that tracebacks show; never a path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its arguments, without its name.
    pub fn argument_list(&self) -> &[String] {
        &self.arguments
    }
}

/// Bytes that a component may have. CPython with its library has 30 MB.
pub const MAX_COMPONENT: usize = 64 << 20;

/// Characters of a name; the rest of a longer one is not needed to know it.
const MAX_NAME: usize = 255;
