//! One tool server: its names, our client of it, and what is known of its
//! tools.
//!
//! Every route to a tool of it passes through its checks. What it answers for
//! programs holds no secret of any server.

use std::sync::{Arc, Mutex, OnceLock};

use serde_json::Value;
use stubs::names::folded;

use crate::{
    catalog::{Catalog, Tool},
    definition_pins::{Checked, DefinitionPins},
    lock,
    log::Recording,
    policy::{Denial, Grants, Permission, Target},
    resource_files::Folder,
    servers::{Client, Fault, FaultKind, Kept, Redactor},
};
use contract::message::{self, CallError, CallErrorKind, Parameter, ServerError};
use contract::program::Language;
use contract::text::shortened;

/// What a program is told about a tool. Longer descriptions are cut: they are
/// text of a stranger, and a program rarely reads them.
const MAX_DESCRIPTION: usize = 1 << 10;

/// The longest error text.
const MAX_ERROR: usize = 16 << 10;

/// A server with everything that belongs to it.
pub(crate) struct Server {
    pub(crate) names: Arc<message::Server>,
    /// Its name reduced to letters and digits.
    pub(crate) folded: String,
    pub(crate) client: Client,
    pub(crate) redactor: Arc<Redactor>,
    /// What its folder `resources` holds.
    pub(crate) resources: Folder,
    catalog: Mutex<Option<Arc<Catalog>>>,
    /// Of an earlier run.
    kept_catalog: OnceLock<Option<Arc<Catalog>>>,
    pins: DefinitionPins,
}

impl Server {
    pub(crate) fn new(client: Client, identifier: String, redactor: Arc<Redactor>) -> Self {
        let name = client.name().to_owned();
        Self {
            folded: folded(&name),
            names: Arc::new(message::Server { name, identifier }),
            client,
            redactor,
            resources: Folder::default(),
            catalog: Mutex::new(None),
            kept_catalog: OnceLock::new(),
            pins: DefinitionPins::default(),
        }
    }

    /// From now on tools are called as what they are, changed or not.
    pub(crate) fn accept_changes(&mut self) {
        self.pins.accept_changes();
    }

    /// The name in the configuration.
    pub(crate) fn name(&self) -> &str {
        &self.names.name
    }

    /// The name of its module.
    pub(crate) fn identifier(&self) -> &str {
        &self.names.identifier
    }

    /// Whether some tool of it could be granted.
    pub(crate) fn could_be_used(&self, grants: &Grants) -> bool {
        grants.could_allow(self.name(), self.identifier())
    }

    /// Refuses the server if nothing of it can be granted, before it is
    /// started.
    pub(crate) fn check(&self, tool: &str, grants: &Grants) -> Result<(), CallError> {
        if self.could_be_used(grants) {
            return Ok(());
        }
        Err(match self.permission(tool, grants) {
            Err(denial) => self.denied(tool, &denial),
            Ok(_) => {
                let message = format!("nothing of `{}` is allowed", self.name());
                self.error(CallErrorKind::Denied, tool, message)
            }
        })
    }

    /// Refuses a tool that the policy denies.
    pub(crate) fn check_tool(&self, tool: &Tool, grants: &Grants) -> Result<Permission, CallError> {
        tool.permission(grants)
            .map_err(|denial| self.denied(&tool.definition().name, &denial))
    }

    /// What the policy says of something of which only the name is known.
    pub(crate) fn permission(&self, name: &str, grants: &Grants) -> Result<Permission, Denial> {
        grants.decide(&Target {
            server: self.name(),
            server_identifier: self.identifier(),
            tool: name,
            python: name,
            javascript: name,
            is_destructive: false,
        })
    }

    /// Its tools, with their names and checks. It is started if need be; `tool`
    /// is for the error.
    pub(crate) async fn catalog(&self, tool: &str) -> Result<Arc<Catalog>, CallError> {
        let listing = match self.client.tools().await {
            Ok(listing) => listing,
            Err(fault) => return Err(self.fault(fault, tool)),
        };
        let mut catalog = lock(&self.catalog);
        match &*catalog {
            Some(catalog) if Arc::ptr_eq(&catalog.listing, &listing) => Ok(Arc::clone(catalog)),
            _ => {
                let recorder = self.client.recorder();
                let checked = self.pins.check(self.name(), &listing, recorder);
                let new = Arc::new(Catalog::new(Arc::clone(&self.names), listing, checked));
                Ok(Arc::clone(catalog.insert(new)))
            }
        }
    }

    /// Its tools as they were last listed, by an earlier run if need be. For
    /// showing, never for calling. Starts nothing.
    pub(crate) fn known_catalog(&self) -> Option<Arc<Catalog>> {
        let listed = lock(&self.catalog).clone();
        listed.or_else(|| self.kept_catalog())
    }

    /// Whether its tools were not listed in this run, but lately in another.
    pub(crate) fn is_known_from_before(&self) -> bool {
        lock(&self.catalog).is_none()
            && !self.client.is_listed()
            && self.client.kept().is_some_and(|kept| kept.is_fresh)
    }

    fn kept_catalog(&self) -> Option<Arc<Catalog>> {
        let make = || {
            let Kept { listing, .. } = self.client.kept()?;
            let checked = Checked::accepted(Arc::clone(&listing));
            let catalog = Catalog::new(Arc::clone(&self.names), listing, checked);
            Some(Arc::new(catalog))
        };
        self.kept_catalog.get_or_init(make).clone()
    }

    /// What programs of a language are told of a tool.
    pub(crate) fn described(&self, tool: &Tool, language: Language) -> message::Tool {
        let parameters = tool.parameters.iter().enumerate();
        message::Tool {
            name: tool.definition().name.clone(),
            identifier: tool.identifier(language).to_owned(),
            description: self.description(tool),
            parameters: parameters
                .map(|(index, parameter)| Parameter {
                    name: parameter.name.clone(),
                    identifier: tool.parameter_identifier(index, language).to_owned(),
                    required: parameter.required,
                })
                .collect(),
        }
    }

    /// What the server says about a tool, for programs and models.
    pub(crate) fn description(&self, tool: &Tool) -> String {
        let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        // Before it is cut, so that no half of a secret is left.
        let description = self.redactor.text(tool.definition().description.clone());
        let description = shortened(description.trim(), MAX_DESCRIPTION);
        description.chars().map(plain).collect()
    }

    /// Tells the audit record what is about to be sent: its shape, and all of it
    /// if that is wanted.
    pub(crate) fn note(
        &self,
        record: &Recording,
        arguments: &Value,
        text: impl FnOnce() -> String,
    ) {
        let call = &record.audit;
        if call.is_on() {
            let shape = self.redactor.text(audit::shape::describe(arguments));
            let text = call.keeps_arguments().then(|| self.redactor.json(text()));
            call.arguments(shape, text);
        }
    }

    /// What a fault of the server is for a program. The details are for the
    /// log.
    pub(crate) fn fault(&self, fault: Fault, tool: &str) -> CallError {
        let server = self.name();
        let fault = fault.redacted(&self.redactor);
        if let Some(detail) = &fault.detail {
            tracing::debug!(
                server,
                tool,
                detail,
                "a tool call failed: {}",
                fault.message
            );
        }
        let (kind, message) = match fault.kind {
            FaultKind::Failed => (CallErrorKind::Failed, shortened(&fault.message, MAX_ERROR)),
            FaultKind::Unavailable => (
                CallErrorKind::Unavailable,
                format!("server `{server}` cannot be used: {}", fault.message),
            ),
            FaultKind::TimedOut => (
                CallErrorKind::TimedOut,
                format!("`{server}.{tool}`: {}", fault.message),
            ),
            FaultKind::OutcomeUnknown => (
                CallErrorKind::OutcomeUnknown,
                format!("`{server}.{tool}`: {}", fault.message),
            ),
            FaultKind::UnusableAnswer => (
                CallErrorKind::UnusableAnswer,
                format!("`{server}.{tool}`: {}", fault.message),
            ),
        };
        CallError {
            said: fault.said.map(|said| self.redacted(*said)),
            ..self.error(kind, tool, message)
        }
    }

    /// What the server said about a failure, without secrets.
    pub(crate) fn redacted(&self, said: ServerError) -> Box<ServerError> {
        Box::new(ServerError {
            data: said.data.map(|data| self.redactor.json(data)),
            ..said
        })
    }

    /// A call that the policy denies.
    pub(crate) fn denied(&self, tool: &str, denial: &Denial) -> CallError {
        CallError {
            hint: Some(Box::new(denial.hint())),
            ..self.error(CallErrorKind::Denied, tool, denial.to_string())
        }
    }

    /// An error for a program, without secrets.
    pub(crate) fn error(&self, kind: CallErrorKind, tool: &str, message: String) -> CallError {
        call_error(&self.redactor, kind, self.name(), tool, message)
    }
}

/// An error for a program, without secrets. The names are empty where they are
/// not known.
pub(crate) fn call_error(
    redactor: &Redactor,
    kind: CallErrorKind,
    server: &str,
    tool: &str,
    message: String,
) -> CallError {
    CallError {
        kind,
        server: server.to_owned(),
        tool: tool.chars().take(256).collect(),
        message: redactor.text(message),
        said: None,
        hint: None,
    }
}
