//! What servers have beside tools: resources and prompts.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::AtomicBool},
};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    Fault, FaultKind, Upstream,
    call::Call,
    request::{List, Request},
};
use crate::attendant::Attendant;

/// Pages of one list.
const MOST_PAGES: usize = 100;

/// What a server declares beside tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Material {
    /// It has resources.
    pub resources: bool,
    /// It has prompts.
    pub prompts: bool,
}

impl Upstream {
    /// What a running server declares beside tools; nothing of one that does
    /// not run.
    pub fn material(&self, server: usize) -> Material {
        let running = self.servers[server].running();
        let info = running.and_then(|connection| connection.info());
        info.map_or_else(Material::default, |info| Material {
            resources: info.capabilities.resources.is_some(),
            prompts: info.capabilities.prompts.is_some(),
        })
    }

    /// All pages of a list, as JSON texts in the server's order. Like
    /// [`call`](Self::call) otherwise. What goes beyond [`Bounds`](super::Bounds)
    /// for tools is left out, with a warning in the log.
    ///
    /// # Errors
    ///
    /// See [`FaultKind`].
    pub async fn list(
        &self,
        server: usize,
        list: List,
        attendant: Option<&Arc<dyn Attendant>>,
        sent: &AtomicBool,
    ) -> Result<Vec<Box<RawValue>>, Fault> {
        let server = &self.servers[server];
        let _turns = self.turns(server).await;
        self.expect(server, list)?;
        let connection = server.connection().await?;
        let timeout = server.call_timeout;
        let call = Call::new(
            &server.name,
            list.method(),
            attendant,
            &self.redactor,
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
                if items.len() >= self.bounds.tools || bytes > self.bounds.listing {
                    tracing::warn!(server = server.name, "a list of a server is too long");
                    return Ok(items);
                }
                items.push(item);
            }
            match page.next {
                Some(_) if cursors.len() >= MOST_PAGES => {
                    tracing::warn!(
                        server = server.name,
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
    pub async fn resource(
        &self,
        server: usize,
        uri: &str,
        attendant: Option<&Arc<dyn Attendant>>,
        sent: &AtomicBool,
    ) -> Result<Vec<Box<RawValue>>, Fault> {
        #[derive(Deserialize)]
        struct Read {
            contents: Vec<Box<RawValue>>,
        }
        let server = &self.servers[server];
        let _turns = self.turns(server).await;
        self.expect(server, List::Resources)?;
        let request = Request::Resource(uri);
        let result = self
            .request(server, "resources/read", request, attendant, sent)
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
    pub async fn prompt(
        &self,
        server: usize,
        name: &str,
        arguments: Map<String, Value>,
        attendant: Option<&Arc<dyn Attendant>>,
        sent: &AtomicBool,
    ) -> Result<String, Fault> {
        let server = &self.servers[server];
        let _turns = self.turns(server).await;
        self.expect(server, List::Prompts)?;
        let request = Request::Prompt(name, arguments);
        self.request(server, "prompts/get", request, attendant, sent)
            .await
    }

    /// Functions of this process are tools and nothing else.
    fn expect(&self, server: &super::Server, list: List) -> Result<(), Fault> {
        match server.local() {
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
