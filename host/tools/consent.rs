//! Calls that somebody has to agree to, and the clock meanwhile.

use std::sync::Arc;

use contract::hint::Hint;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::{Run, Toolbox};
use crate::attendant::{
    Answering, Approval, Attendant, Declined, FinishedCall, LogEntry, Progress, ServerRequest,
    Verdict,
};
use contract::message::{CallError, CallErrorKind, ToSandbox};

impl Toolbox {
    /// Asks whether a call may be made. Whoever answers sees the arguments that
    /// are sent, after they were checked.
    pub(super) async fn consent(
        &self,
        run: &Run<'_>,
        server: &str,
        tool: &str,
        arguments: &Value,
        why: String,
    ) -> Result<(), CallError> {
        let verdict = match run.attendant {
            None => Verdict::Unanswered("there is nobody to ask".to_owned()),
            Some(attendant) => {
                let approval = Approval {
                    server: server.to_owned(),
                    tool: tool.to_owned(),
                    arguments: self.upstream.redactor().json(arguments.to_string()),
                    why: why.clone(),
                };
                attendant.approve(approval).await
            }
        };
        tracing::info!(server, tool, ?verdict, "somebody was asked about a call");
        let name = format!("{server}.{tool}");
        let name = name.escape_debug();
        let refused = verdict == Verdict::Refused;
        let message = match verdict {
            Verdict::Approved => return Ok(()),
            Verdict::Refused => format!("the call of `{name}` was refused by the user"),
            Verdict::Unanswered(reason) => format!("`{name}` needs consent ({why}), and {reason}"),
        };
        let hint = (!refused).then(|| Box::new(Hint::AllowWithoutAsking));
        Err(CallError {
            hint,
            ..self.error(CallErrorKind::Denied, server, tool, message)
        })
    }
}

/// Stops the clock of a run while its attendant is asked.
pub(super) struct Clocked {
    pub(super) attendant: Arc<dyn Attendant>,
    pub(super) sandbox: UnboundedSender<ToSandbox>,
}

/// While it lives, somebody is asked.
struct Asking<'a>(&'a UnboundedSender<ToSandbox>);

impl<'a> Asking<'a> {
    fn begin(sandbox: &'a UnboundedSender<ToSandbox>) -> Self {
        // A run that ended has no clock.
        let _ = sandbox.send(ToSandbox::Asking);
        Self(sandbox)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let _ = self.0.send(ToSandbox::Answered);
    }
}

impl Attendant for Clocked {
    fn approve(&self, approval: Approval) -> Answering<'_, Verdict> {
        Box::pin(async move {
            let _asking = Asking::begin(&self.sandbox);
            self.attendant.approve(approval).await
        })
    }

    fn answer(&self, request: ServerRequest) -> Answering<'_, Result<Value, Declined>> {
        Box::pin(async move {
            let _asking = Asking::begin(&self.sandbox);
            self.attendant.answer(request).await
        })
    }

    fn progress(&self, progress: Progress) {
        self.attendant.progress(progress);
    }

    fn log(&self, entry: LogEntry) {
        self.attendant.log(entry);
    }

    fn finished(&self, call: &FinishedCall<'_>) {
        self.attendant.finished(call);
    }
}
