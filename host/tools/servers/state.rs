//! What a server is doing, and what it says about itself.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::{
    connection::Connection,
    listing::{Excluded, Listing},
};
use contract::text::{MAX_NAME, cut, one_line};

/// A server as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerState {
    /// Its name in the configuration.
    pub name: String,
    /// `stdio`, `http`, `local` or `unusable`.
    pub transport: &'static str,
    /// What it is doing.
    pub status: ServerStatus,
    /// How many tools it has, once they were listed.
    pub tools: Option<usize>,
    /// Tools that were left out, and why; at most 100.
    pub excluded: Vec<Excluded>,
    /// How many tools were left out.
    pub excluded_count: usize,
    /// Why it does not run, with the end of its standard error. For the
    /// operator only.
    pub error: Option<String>,
    /// The protocol revision spoken.
    pub protocol: Option<String>,
    /// What it calls itself. Text from a stranger.
    pub title: Option<String>,
    /// Its version. Text from a stranger.
    pub version: Option<String>,
    /// How often it was lost.
    pub restarts: u64,
    /// Lines on its standard output that were no message.
    pub malformed_lines: u64,
    /// Answers to nothing that was asked, or too late.
    pub unmatched_answers: u64,
    /// Progress of no call in flight.
    pub stray_progress: u64,
}

/// What a server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerStatus {
    /// Nobody has used it yet.
    Idle,
    /// It was asked to start.
    Starting,
    /// It takes calls.
    Running,
    /// It could not be started, or was lost.
    Failed,
    /// It was stopped for good.
    Stopped,
}

impl ServerState {
    pub(super) fn listing(&mut self, listing: &Listing) {
        self.tools = Some(listing.tools.len());
        self.excluded = listing.excluded.clone();
        self.excluded_count = listing.excluded_count;
    }

    pub(super) fn connection(&mut self, connection: &Connection) {
        self.status = ServerStatus::Running;
        let signals = connection.signals();
        self.malformed_lines = signals.malformed.load(Ordering::Relaxed);
        self.unmatched_answers = signals.unmatched.load(Ordering::Relaxed);
        self.stray_progress = signals.calls.stray.load(Ordering::Relaxed);
        if let Some(listing) = connection.known_listing() {
            self.listing(&listing);
        }
        let Some(info) = connection.info() else {
            return;
        };
        let line = |text: &str| name_of(connection, text);
        self.protocol = Some(line(info.protocol_version.as_str()));
        if let Some(server) = &info.server_info {
            self.title = Some(line(server.title.as_deref().unwrap_or(&server.name)));
            self.version = Some(line(&server.version));
        }
    }
}

/// Bytes of a server's instructions that are kept: a page.
const MAX_INSTRUCTIONS: usize = 4 << 10;

/// What a server says about itself. Text of a stranger, bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Its name for people.
    pub(crate) title: String,
    /// Its version.
    pub(crate) version: String,
    /// How it wants to be used.
    pub(crate) instructions: String,
}

impl Profile {
    pub(super) fn of(connection: &Connection) -> Self {
        let Some(info) = connection.info() else {
            return Self::default();
        };
        let instructions = info.instructions.clone().unwrap_or_default();
        let instructions = connection.redactor().text(instructions);
        let server = info.server_info.as_ref();
        Self {
            title: server.map_or(String::new(), |server| {
                name_of(connection, server.title.as_deref().unwrap_or(&server.name))
            }),
            version: server.map_or(String::new(), |server| name_of(connection, &server.version)),
            instructions: cut(&instructions, MAX_INSTRUCTIONS).to_owned(),
        }
    }
}

/// A name that a server gives itself, on one line and without secrets.
fn name_of(connection: &Connection, text: &str) -> String {
    one_line(&connection.redactor().text(text.to_owned()), MAX_NAME)
}
