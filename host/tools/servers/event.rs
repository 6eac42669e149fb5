//! What the operator is told of servers while it happens. Never programs:
//! causes hold paths, and what servers wrote to their standard error.

use std::sync::Arc;
use std::time::Duration;

use audit::Recorder;

/// Something about a server that the operator wants to know.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ServerEvent<'a> {
    /// It takes long to start; said every few seconds.
    Starting {
        /// Its name in the configuration.
        server: &'a str,
        /// What was started.
        command: &'a str,
        /// Whether that may have to download the server first.
        downloads: bool,
        /// How long it takes so far.
        so_far: Duration,
    },
    /// It runs, and takes calls.
    Started {
        /// Its name in the configuration.
        server: &'a str,
        /// `stdio` or `http`.
        transport: &'static str,
        /// What was started, without its arguments; empty where nothing was.
        command: &'a str,
        /// How long that took.
        took: Duration,
    },
    /// It could not be started.
    Failed {
        /// Its name in the configuration.
        server: &'a str,
        /// All that is known, with the end of its standard error.
        cause: &'a str,
    },
    /// It ran, and is gone.
    Lost {
        /// Its name in the configuration.
        server: &'a str,
        /// How it ended, with the end of its standard error.
        cause: &'a str,
    },
    /// It ran, and was ended in good order.
    Stopped {
        /// Its name in the configuration.
        server: &'a str,
    },
}

impl ServerEvent<'_> {
    pub(super) fn record(&self, recorder: &Recorder) {
        match *self {
            // It is still to be seen what becomes of it.
            Self::Starting { .. } => {}
            Self::Started {
                server,
                transport,
                command,
                took,
            } => recorder.server_started(server, transport, command, took),
            Self::Failed { server, cause } => recorder.server_failed(server, cause),
            Self::Lost { server, cause } => recorder.server_lost(server, cause),
            Self::Stopped { server } => recorder.server_stopped(server),
        }
    }
}

/// Who hears of servers. Called from the event loop: must not block.
pub type ServerObserver = Arc<dyn Fn(&ServerEvent<'_>) + Send + Sync>;
