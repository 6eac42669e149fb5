//! A run that goes on in a task of its own.

use rmcp::model::CallToolResult;
use tokio::{sync::mpsc, task::JoinHandle};

use super::hooks::Event;

/// A run and the way to hear of it. Dropping it stops the run.
pub(in crate::serve) struct Running {
    pub(in crate::serve) task: JoinHandle<CallToolResult>,
    pub(in crate::serve) events: mpsc::Receiver<Event>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
