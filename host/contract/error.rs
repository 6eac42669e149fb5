//! The error of the library: a failure of the host or of its set-up.
//!
//! What a program does wrong is never an [`Error`]; it is part of the
//! [`Report`](crate::report::Report). Dependencies do not show through.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The host, or the machine it runs on, failed.
#[derive(Debug)]
pub struct Error {
    what: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Error {
    /// What failed, in a few words that anybody may read, and why, for the log.
    pub fn host(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            what: what.into(),
            source: source.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// Goes from one process to another as two texts: what failed, and the chain of
/// why.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut why = self.source.to_string();
        let mut cause = self.source.source();
        while let Some(error) = cause {
            why = format!("{why}: {error}");
            cause = error.source();
        }
        (&self.what, why).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (what, why) = <(String, String)>::deserialize(deserializer)?;
        Ok(Self::host(what, why))
    }
}
