//! How a program ended, once the host has checked what its guest says.
//!
//! A guest is as hostile as the program in it: what it says about the host, a
//! refusal or memory that ran out, counts only where the host did refuse
//! something in this run. Everything else it says is about the program, which
//! may fail as it likes.

use contract::outcome::{Failure, Outcome};

use crate::bindings::types;
use crate::channel::Coordinator;
use crate::ledger::Ledger;

/// What a guest says, as far as the host knows it to be so. The channel and the
/// ledger are those of the run, before its end.
pub(crate) fn checked(said: types::Outcome, coordinator: &Coordinator, ledger: &Ledger) -> Outcome {
    Outcome {
        result: said
            .result
            .map(Into::into)
            .map_err(|failure| checked_failure(failure, coordinator, ledger)),
        warnings: said.warnings,
    }
}

fn checked_failure(said: types::Failure, coordinator: &Coordinator, ledger: &Ledger) -> Failure {
    match said {
        types::Failure::Raised(raised) => Failure::Raised(raised.into()),
        types::Failure::Exited(status) => Failure::Exited(status),
        types::Failure::Stuck(raised) => Failure::Stuck(raised.into()),
        types::Failure::Refused(types::Refusal { error, raised }) => {
            match coordinator.delivered(&error) {
                Some((refusal, hint)) => Failure::Refused {
                    refusal,
                    hint,
                    exception: raised.into(),
                },
                None => Failure::Raised(raised.into()),
            }
        }
        types::Failure::OutOfMemory(raised) if ledger.memory_refused() => {
            Failure::OutOfMemory(raised.into())
        }
        types::Failure::OutOfMemory(raised) => Failure::Raised(raised.into()),
    }
}
