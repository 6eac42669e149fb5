//! The guests that ship with the project, each as one compressed component.

// CONTRIBUTING.md, "To add a guest language".

use contract::program::Language;
use serde::{Deserialize, Serialize};

/// A guest that runs source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Guest {
    /// CPython.
    Python,
    /// QuickJS, for JavaScript and TypeScript.
    JavaScript,
}

impl Guest {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 2] = [Self::Python, Self::JavaScript];

    /// The guest for a language.
    pub fn of(language: Language) -> Self {
        match language {
            Language::Python => Self::Python,
            Language::JavaScript | Language::TypeScript => Self::JavaScript,
        }
    }

    /// Its name in messages and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }

    /// What it is, with its version, for people.
    pub fn version(self) -> &'static str {
        match self {
            Self::Python => "CPython 3.14.0",
            Self::JavaScript => "QuickJS-ng 0.16.2",
        }
    }

    fn archive(self) -> &'static [u8] {
        match self {
            Self::Python => include_bytes!("../guests/python.wasm.zst"),
            Self::JavaScript => include_bytes!("../guests/javascript.wasm.zst"),
        }
    }

    /// The digest of the archive, taken when the project was built.
    pub(crate) fn digest(self) -> &'static str {
        match self {
            Self::Python => env!("GUEST_PYTHON_DIGEST"),
            Self::JavaScript => env!("GUEST_JAVASCRIPT_DIGEST"),
        }
    }

    /// The component.
    pub(crate) fn component(self) -> wasmtime::Result<Vec<u8>> {
        Ok(zstd::decode_all(self.archive())?)
    }
}
