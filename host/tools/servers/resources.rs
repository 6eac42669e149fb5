//! The resources and prompts of a server.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::AtomicBool},
};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    Client, Fault, FaultKind,
    call::Call,
    request::{List, Request},
};
use crate::callbacks::HostCallbacks;

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
        callbacks: Option<&Arc<dyn HostCallbacks>>,
        sent: &AtomicBool,
    ) -> Result<Vec<Box<RawValue>>, Fault> {
        let _turns = self.turns().await;
        self.expect(list)?;
        let connection = self.lifecycle.connection().await?;
        let timeout = self.call_timeout;
        let call = Call::new(
            self.name(),
            list.method(),
            callbacks,
            &self.shared.redactor,
            timeout,
        );
        let (mut items, mut bytes) = (Vec::new(), 0);
        let mut cursors = HashSet::new();
        let mut cursor = None;
        loop {
            let request = Request::Page(list, cursor);
            let result = connection.request(&request, &call, timeout, sent).await?;
            let page = Page::read(list, &result)?;
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
                    let message = format!("`{}` goes in a circle", list.method());
                    return Err(Fault::new(FaultKind::Failed, message));
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
        callbacks: Option<&Arc<dyn HostCallbacks>>,
        sent: &AtomicBool,
    ) -> Result<Vec<Box<RawValue>>, Fault> {
        #[derive(Deserialize)]
        struct Read {
            contents: Vec<Box<RawValue>>,
        }
        let _turns = self.turns().await;
        self.expect(List::Resources)?;
        let request = Request::Resource(uri);
        let result = self
            .request("resources/read", request, callbacks, sent)
            .await?;
        let read: Read = serde_json::from_str(&result).map_err(nonsense)?;
        Ok(read.contents)
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
        callbacks: Option<&Arc<dyn HostCallbacks>>,
        sent: &AtomicBool,
    ) -> Result<String, Fault> {
        let _turns = self.turns().await;
        self.expect(List::Prompts)?;
        let request = Request::Prompt(name, arguments);
        self.request("prompts/get", request, callbacks, sent).await
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
    fn read(list: List, result: &str) -> Result<Self, Fault> {
        let fields: HashMap<String, Box<RawValue>> =
            serde_json::from_str(result).map_err(nonsense)?;
        let text = |key: &str| fields.get(key).map_or("null", |value| value.get());
        Ok(Self {
            items: serde_json::from_str(text(list.key())).map_err(nonsense)?,
            next: serde_json::from_str(text("nextCursor")).map_err(nonsense)?,
        })
    }
}

fn nonsense(error: serde_json::Error) -> Fault {
    Fault::new(
        FaultKind::Failed,
        "the server's answer cannot be understood",
    )
    .because(error.to_string())
}
