//! Who uses a server: what belongs to one caller is never shown to another.

use std::fmt;

/// Who sent a request: a digest of what the caller proved to hold, the same for
/// the same token.
///
/// Sessions, files and consent belong to one caller and do not exist for any
/// other. Its text is a short prefix of the digest, for logs.
///
/// ```
/// use wasm_coordinator_contract::caller::Caller;
/// assert_eq!(Caller([0xa1; 32]).to_string(), "a1a1a1a1");
/// assert_eq!(Caller::ANYONE.to_string(), "anyone");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller(pub [u8; 32]);

impl Caller {
    /// Everyone, on a server without tokens.
    pub const ANYONE: Self = Self([0; 32]);

    /// Whoever failed to prove who they are. They share one rate.
    pub const STRANGER: Self = Self([0xff; 32]);
}

impl Default for Caller {
    fn default() -> Self {
        Self::ANYONE
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ANYONE => f.write_str("anyone"),
            Self::STRANGER => f.write_str("stranger"),
            Self([a, b, c, d, ..]) => write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}"),
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({self})")
    }
}
