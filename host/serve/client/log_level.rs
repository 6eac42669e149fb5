//! The levels of log entries, here and in the protocol.

use std::sync::{Mutex, PoisonError};

use rmcp::model::LoggingLevel;

use ::tools::LogLevel;

/// The level a connection asked for.
#[derive(Default)]
pub(in crate::serve) struct LogThreshold(Mutex<Option<LogLevel>>);

impl LogThreshold {
    pub(in crate::serve) fn set(&self, level: LoggingLevel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(level_of(level));
    }

    pub(in crate::serve) fn get(&self) -> Option<LogLevel> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LEVELS: [(LogLevel, LoggingLevel); 8] = [
    (LogLevel::Debug, LoggingLevel::Debug),
    (LogLevel::Info, LoggingLevel::Info),
    (LogLevel::Notice, LoggingLevel::Notice),
    (LogLevel::Warning, LoggingLevel::Warning),
    (LogLevel::Error, LoggingLevel::Error),
    (LogLevel::Critical, LoggingLevel::Critical),
    (LogLevel::Alert, LoggingLevel::Alert),
    (LogLevel::Emergency, LoggingLevel::Emergency),
];

pub(super) fn level_of(level: LoggingLevel) -> LogLevel {
    let known = LEVELS.iter().find(|(_, theirs)| *theirs == level);
    known.map_or(LogLevel::Info, |(ours, _)| *ours)
}

pub(super) fn protocol_level(level: LogLevel) -> LoggingLevel {
    let known = LEVELS.iter().find(|(ours, _)| *ours == level);
    known.map_or(LoggingLevel::Info, |(_, theirs)| *theirs)
}
