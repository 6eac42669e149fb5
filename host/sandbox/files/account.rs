//! What the handles of a session cost, and the last limit it ran into.
//!
//! Shared by all that runs in the session, so that parallel programs have one
//! allowance together.

use super::error::Error;
use contract::limits::FileLimit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Files and directories that may be open at once, as `ulimit -n` has it on
/// most systems.
pub(super) const MAX_DESCRIPTORS: usize = 1024;

/// Streams and listings that may be open at once. Every libc keeps up to
/// three of them for each descriptor.
const MAX_STREAMS: usize = 4 * MAX_DESCRIPTORS;

/// The handles of a session.
#[derive(Default)]
pub(super) struct Account {
    descriptors: AtomicUsize,
    streams: AtomicUsize,
    refused: Mutex<Option<FileLimit>>,
}

/// What a handle is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    /// A descriptor.
    Descriptor,
    /// A stream or listing that belongs to one.
    Stream,
}

/// The right to one more handle; given back when dropped.
pub(super) struct Permit {
    account: Arc<Account>,
    purpose: Use,
}

impl Account {
    /// Asks for one more handle.
    pub(super) fn admit(self: &Arc<Self>, purpose: Use) -> Result<Permit, Error> {
        let (counter, most) = self.counter(purpose);
        let admitted = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < most).then_some(count + 1)
        });
        match admitted {
            Ok(_) => Ok(Permit {
                account: self.clone(),
                purpose,
            }),
            Err(_) => Err(FileLimit::Descriptors(MAX_DESCRIPTORS).into()),
        }
    }

    /// Remembers that a limit was met.
    pub(super) fn note(&self, error: Error) {
        if let Error::Limit(limit) = error {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            *refused = Some(limit);
        }
    }

    /// The last limit that was met since the last time somebody asked.
    pub(super) fn take_refused(&self) -> Option<FileLimit> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.take()
    }

    /// How many descriptors are open.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn open(&self) -> usize {
        self.descriptors.load(Ordering::Relaxed)
    }

    fn counter(&self, purpose: Use) -> (&AtomicUsize, usize) {
        match purpose {
            Use::Descriptor => (&self.descriptors, MAX_DESCRIPTORS),
            Use::Stream => (&self.streams, MAX_STREAMS),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let (counter, _) = self.account.counter(self.purpose);
        counter.fetch_sub(1, Ordering::Relaxed);
    }
}
