//! The resources and prompts of a server.

use std::collections::HashSet;

use serde_json::{Map, Value, value::RawValue};

use super::{
    Client, Fault, FaultKind, Redactor,
    call::{Call, Caller},
    fields::fields,
    request::{List, Request},
};

/// Pages of one list.
const MAX_PAGES: usize = 100;

/// What a server declares beside tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// It has resources.
    pub(crate) resources: bool,
    /// It has prompts.
    pub(crate) prompts: bool,
}

impl Client {
    /// What a running server declares beside tools; nothing of one that does
    /// not run.
    pub(crate) fn capabilities(&self) -> Capabilities {
        let running = self.lifecycle.running();
        let info = running.and_then(|connection| connection.info());
        info.map_or_else(Capabilities::default, |info| Capabilities {
            resources: info.capabilities.resources.is_some(),
            prompts: info.capabilities.prompts.is_some(),
        })
    }

    /// All pages of a list, as JSON texts in the server's order. Like
    /// [`call`](Self::call) otherwise. What goes beyond [`ServerLimits`](super::ServerLimits)
    /// for tools is left out, with a warning in the log.
    ///
    /// # Errors
    ///
    /// See [`FaultKind`].
    pub(crate) async fn list(
        &self,
        list: List,
        caller: Caller<'_>,
    ) -> Result<Vec<Box<RawValue>>, Fault> {
        let _turns = self.turns(caller.id, 0).await;
        self.expect(list)?;
        let connection = self.lifecycle.connection().await?;
        let timeout = self.call_timeout;
        let call = Call::new(
            self.name(),
            list.method(),
            caller,
            &self.shared.redactor,
            timeout,
        );
        let (mut items, mut bytes) = (Vec::new(), 0);
        let mut cursors = HashSet::new();
        let mut cursor = None;
        loop {
            let request = Request::Page(list, cursor);
            let result = connection
                .request(&request, &call, timeout, caller.sent)
                .await?;
            let page = Page::read(list, &result, &self.shared.redactor)?;
            for item in page.items {
                bytes += item.get().len();
                if items.len() >= self.shared.limits.tools || bytes > self.shared.limits.listing {
                    tracing::warn!(server = self.name(), "a list of a server is too long");
                    return Ok(items);
                }
                items.push(item);
            }
            match page.next {
                Some(_) if cursors.len() >= MAX_PAGES => {
                    tracing::warn!(
                        server = self.name(),
                        "a list of a server has too many pages"
                    );
                    return Ok(items);
                }
                Some(next) if cursors.insert(next.clone()) => cursor = Some(next),
                Some(_) => {
                    tracing::warn!(
                        server = self.name(),
                        "`{}` of a server goes in a circle; the pages so far are kept",
                        list.method()
                    );
                    return Ok(items);
                }
                None => return Ok(items),
            }
        }
    }

    /// Reads a resource: its contents as JSON texts. Like
    /// [`call`](Self::call) otherwise.
    ///
    /// # Errors
    ///
    /// See [`FaultKind`].
    pub(crate) async fn resource(
        &self,
        uri: &str,
        caller: Caller<'_>,
    ) -> Result<Vec<Box<RawValue>>, Fault> {
        let _turns = self.turns(caller.id, 0).await;
        self.expect(List::Resources)?;
        let request = Request::Resource(uri);
        let result = self.request("resources/read", request, caller).await?;
        let [contents] = fields(result.as_bytes(), ["contents"]).map_err(nonsense)?;
        serde_json::from_str(contents.map_or("null", RawValue::get)).map_err(nonsense)
    }

    /// Fills in a prompt: the result as JSON text. Like [`call`](Self::call)
    /// otherwise.
    ///
    /// # Errors
    ///
    /// See [`FaultKind`].
    pub(crate) async fn prompt(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        caller: Caller<'_>,
    ) -> Result<String, Fault> {
        let _turns = self.turns(caller.id, 0).await;
        self.expect(List::Prompts)?;
        let request = Request::Prompt(name, arguments);
        self.request("prompts/get", request, caller).await
    }

    /// Functions of this process are tools and nothing else.
    fn expect(&self, list: List) -> Result<(), Fault> {
        match self.lifecycle.local() {
            Some(_) => Err(list.is_missing()),
            None => Ok(()),
        }
    }
}

struct Page {
    items: Vec<Box<RawValue>>,
    next: Option<String>,
}

impl Page {
    /// Without secrets, but the cursor, which goes back to the server.
    fn read(list: List, result: &str, redactor: &Redactor) -> Result<Self, Fault> {
        let [items, next] =
            fields(result.as_bytes(), [list.key(), "nextCursor"]).map_err(nonsense)?;
        fn text(field: Option<&RawValue>) -> &str {
            field.map_or("null", RawValue::get)
        }
        Ok(Self {
            items: serde_json::from_str(&redactor.json(text(items).to_owned()))
                .map_err(nonsense)?,
            next: serde_json::from_str(text(next)).map_err(nonsense)?,
        })
    }
}

fn nonsense(error: serde_json::Error) -> Fault {
    Fault::new(
        FaultKind::UnusableAnswer,
        "the server's answer cannot be understood",
    )
    .because(error.to_string())
}
