//! Calls that somebody has to agree to, and the clock meanwhile.

use std::sync::Arc;

use contract::hint::Hint;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::Run;
use crate::callbacks::{
    Answering, Approval, Declined, FinishedCall, HostCallbacks, LogEntry, Progress, ServerRequest,
    Verdict,
};
use crate::log::Recording;
use crate::server::Server;
use contract::message::{CallError, CallErrorKind, ToSandbox};

impl Server {
    /// Asks whether a call may be made. Whoever answers sees the arguments that
    /// are sent, after they were checked.
    pub(super) async fn consent(
        &self,
        run: &Run<'_>,
        record: &Recording,
        tool: &str,
        arguments: &str,
        why: String,
    ) -> Result<(), CallError> {
        let server = self.name();
        let verdict = match run.callbacks {
            None => Verdict::Unanswered("there is nobody to ask".to_owned()),
            Some(callbacks) => {
                let approval = Approval {
                    server: server.to_owned(),
                    tool: tool.to_owned(),
                    arguments: self.redactor.json(arguments.to_owned()),
                    why: why.clone(),
                };
                callbacks.approve(approval).await
            }
        };
        tracing::info!(server, tool, ?verdict, "somebody was asked about a call");
        let said = match verdict {
            Verdict::Approved => "approved",
            Verdict::Refused => "refused",
            Verdict::Unanswered(_) => "unanswered",
        };
        record.audit.consent(said, &why);
        let name = format!("{server}.{tool}");
        let name = name.escape_debug();
        let refused = verdict == Verdict::Refused;
        let message = match verdict {
            Verdict::Approved => return Ok(()),
            Verdict::Refused => format!("the call of `{name}` was refused by the user"),
            Verdict::Unanswered(reason) => format!("`{name}` needs consent ({why}), and {reason}"),
        };
        let trust = || Hint::TrustTool(format!("{server}.{tool}"));
        let hint = (!refused).then(|| Box::new(trust()));
        Err(CallError {
            hint,
            ..self.error(CallErrorKind::Denied, tool, message)
        })
    }
}

/// Stops the clock of a run while its callbacks ask somebody.
pub(super) struct PausingCallbacks {
    pub(super) callbacks: Arc<dyn HostCallbacks>,
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

impl HostCallbacks for PausingCallbacks {
    fn approve(&self, approval: Approval) -> Answering<'_, Verdict> {
        Box::pin(async move {
            let _asking = Asking::begin(&self.sandbox);
            self.callbacks.approve(approval).await
        })
    }

    fn answer(&self, request: ServerRequest) -> Answering<'_, Result<Value, Declined>> {
        Box::pin(async move {
            let _asking = Asking::begin(&self.sandbox);
            self.callbacks.answer(request).await
        })
    }

    fn progress(&self, progress: Progress) {
        self.callbacks.progress(progress);
    }

    fn log(&self, entry: LogEntry) {
        self.callbacks.log(entry);
    }

    fn finished(&self, call: &FinishedCall<'_>) {
        self.callbacks.finished(call);
    }
}
