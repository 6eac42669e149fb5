//! Our client of one server: what can be asked of it, each request in its turn.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ::audit::Recorder;
use serde_json::Value;

use super::{
    Answer, Fault, FaultKind, MAX_BYTES_PER_SERVER, Profile, ServerObserver, ServerState, Shared,
    call::{Call, Caller},
    kept_listing::{Kept, KeptListing},
    lifecycle::{Lifecycle, Plan},
    listing::Listing,
    request::Request,
    spec::ServerSpec,
    turns::{CallerId, Turn, Turns},
};
use crate::arguments::Arguments;

/// The client of one server.
pub(crate) struct Client {
    name: String,
    pub(super) call_timeout: Duration,
    turns: Turns,
    pub(super) lifecycle: Lifecycle,
    kept: Arc<KeptListing>,
    pub(super) shared: Arc<Shared>,
}

impl Client {
    /// # Errors
    ///
    /// What is wrong with the specification, in words for the operator.
    pub(super) fn new(spec: ServerSpec, shared: Arc<Shared>) -> Result<Self, String> {
        let in_flight = spec
            .max_in_flight
            .unwrap_or(shared.limits.in_flight_per_server);
        let in_flight = in_flight.max(1);
        let redactor = Arc::clone(&shared.redactor);
        let kept = Arc::new(KeptListing::new(&spec, shared.limits, redactor));
        let plan = Plan {
            name: spec.name.clone(),
            transport: spec.transport,
            start_timeout: spec.start_timeout,
            pass_through: spec.pass_through,
            in_flight,
        };
        Ok(Self {
            name: spec.name,
            call_timeout: spec.call_timeout,
            turns: Turns::new(in_flight, MAX_BYTES_PER_SERVER),
            lifecycle: Lifecycle::new(plan, Arc::clone(&kept), Arc::clone(&shared))?,
            kept,
            shared,
        })
    }

    /// The name of the server in the configuration.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The tools of the server, which is started if need be.
    ///
    /// # Errors
    ///
    /// The server cannot be used; always [`FaultKind::Unavailable`].
    pub(crate) async fn tools(&self) -> Result<Arc<Listing>, Fault> {
        if let Some((_, listing)) = self.lifecycle.local() {
            return Ok(Arc::clone(listing));
        }
        let connection = self.lifecycle.connection().await?;
        let listing = connection.tools(self.lifecycle.list_timeout).await?;
        self.kept.put(&listing);
        Ok(listing)
    }

    /// The tools as an earlier run listed them.
    pub(crate) fn kept(&self) -> Option<Kept> {
        self.kept.get()
    }

    /// Whether the server runs and listed its tools in this run.
    pub(crate) fn is_listed(&self) -> bool {
        let running = self.lifecycle.running();
        running.is_some_and(|connection| connection.known_listing().is_some())
    }

    /// From now on listings are kept there for later runs.
    pub(crate) fn keep_listings(&self, folder: &Path) {
        self.kept.set_folder(folder);
    }

    /// Starts the server, without waiting for it.
    ///
    /// # Errors
    ///
    /// It failed a moment ago.
    pub(crate) fn begin_to_start(&self) -> Result<(), Fault> {
        self.lifecycle.begin_to_start()
    }

    /// What a running server says about itself; nothing of one that does not
    /// run.
    pub(crate) fn profile(&self) -> Profile {
        let running = self.lifecycle.running();
        running.map_or_else(Profile::default, |connection| Profile::of(&connection))
    }

    /// What the server is doing. Does not start it.
    pub(crate) fn state(&self) -> ServerState {
        self.lifecycle.report()
    }

    /// Ends the server in good order, within a few seconds. Afterwards every
    /// call is refused. Dropping without this ends it too, but abruptly.
    pub(crate) async fn stop(&self) {
        self.lifecycle.stop().await;
    }

    /// Calls a tool, at most once.
    ///
    /// Waits for the server to start and for its turn first; none of that
    /// counts towards the timeout of the call. `sent` is set as long as the
    /// call may have reached the tool, also when this future is dropped, which
    /// cancels the call. What the server says of the call, or asks because of
    /// it, goes to `callbacks`; the time in which these ask somebody does not
    /// count towards the timeout either.
    ///
    /// # Errors
    ///
    /// See [`FaultKind`]. Only with [`FaultKind::Unavailable`] is it certain
    /// that the tool did nothing.
    pub(crate) async fn call(
        &self,
        tool: &str,
        arguments: Arguments,
        caller: Caller<'_>,
    ) -> Result<Answer, Fault> {
        let _turns = self.turns(caller.id, weight_of(&arguments.value)).await;
        if let Some((tools, _)) = self.lifecycle.local() {
            caller.sending()?;
            caller.sent.store(true, Ordering::Relaxed);
            let call = tools.call(tool, arguments.value);
            return match tokio::time::timeout(self.call_timeout, call).await {
                Ok(answer) => answer,
                Err(_) => {
                    let message = format!("it did not answer within {:?}", self.call_timeout);
                    Err(Fault::new(FaultKind::TimedOut, message))
                }
            };
        }
        let request = Request::Tool(tool, arguments);
        let result = self.request(tool, request, caller).await?;
        Answer::read(&result)
    }

    /// Makes a request whose turn has come.
    pub(super) async fn request(
        &self,
        tool: &str,
        request: Request<'_>,
        caller: Caller<'_>,
    ) -> Result<String, Fault> {
        let connection = self.lifecycle.connection().await?;
        let timeout = self.call_timeout;
        let sent = caller.sent;
        let call = Call::new(&self.name, tool, caller, &self.shared.redactor, timeout);
        caller.sending()?;
        let result = connection.request(&request, &call, timeout, sent).await;
        if result.is_err() && !connection.is_alive() {
            self.lifecycle.tell_of_loss(&connection);
        }
        result
    }

    /// From now on `observer` hears of all servers.
    pub(crate) fn watch(&self, observer: ServerObserver) {
        let _ = self.shared.observer.set(observer);
    }

    /// From now on what becomes of all servers is in the audit record.
    pub(crate) fn audit(&self, recorder: Recorder) {
        let _ = self.shared.recorder.set(recorder);
    }

    /// The audit record; one that is off, if there is none.
    pub(crate) fn recorder(&self) -> &Recorder {
        self.shared.recorder()
    }

    /// Waits for a turn at the server, and then for one of all.
    pub(super) async fn turns(&self, caller: CallerId, bytes: usize) -> [Turn<'_>; 2] {
        let at_server = self.turns.take(caller, bytes).await;
        [at_server, self.shared.turns.take(caller, bytes).await]
    }
}

/// About how many bytes arguments take in memory.
fn weight_of(value: &Value) -> usize {
    const VALUE: usize = size_of::<Value>();
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => VALUE,
        Value::String(text) => VALUE + text.len(),
        Value::Array(items) => VALUE + items.iter().map(weight_of).sum::<usize>(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| 64 + key.len() + weight_of(value);
            VALUE + fields.iter().map(field).sum::<usize>()
        }
    }
}
