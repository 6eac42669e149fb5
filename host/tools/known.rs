//! What is known of servers and tools without asking anybody: for those who
//! must answer at once.

use stubs::signature::signature;

use crate::{Toolbox, catalog::Catalog, policy::Grants, server::Server};

/// A server of which something may be called, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownServer {
    /// The name in the configuration.
    pub name: String,
    /// The module that programs import its tools from.
    pub identifier: String,
    /// The functions of its tools that may be called, as Python names them.
    /// `None` where its tools were never listed.
    pub tools: Option<Vec<String>>,
}

impl Toolbox {
    /// The names of the servers of which something may be called. Starts
    /// nothing.
    pub fn usable_servers(&self, grants: &Grants) -> Vec<String> {
        let used = self.used(grants);
        used.map(|server| server.name().to_owned()).collect()
    }

    /// The servers of which something may be called, with the names of their
    /// tools as they were last listed. Starts nothing.
    pub fn known_servers(&self, grants: &Grants) -> Vec<KnownServer> {
        let known = self.used(grants).map(|server| KnownServer {
            name: server.name().to_owned(),
            identifier: server.identifier().to_owned(),
            tools: server.known_catalog().map(|catalog| {
                let tools = catalog.tools.iter();
                let granted = tools.filter(|tool| tool.permission(grants).is_ok());
                granted.map(|tool| tool.names.python.clone()).collect()
            }),
        });
        known.collect()
    }

    /// How a tool is called, on one line, with the types of its parameters in the
    /// manner of Python: `server` by name or identifier, `tool` in any spelling.
    /// `None` where it is not known or may not be called. Starts nothing.
    ///
    /// The text is ours: what the server wrote is in it only as identifiers and
    /// as string literals.
    pub fn known_signature(&self, server: &str, tool: &str, grants: &Grants) -> Option<String> {
        let server = self.known_server(server)?;
        let catalog = server.known_catalog()?;
        server.signature(&catalog, tool, grants)
    }

    fn used(&self, grants: &Grants) -> impl Iterator<Item = &Server> {
        let servers = self.servers.iter();
        servers.filter(|server| server.could_be_used(grants))
    }

    fn known_server(&self, name: &str) -> Option<&Server> {
        let mut servers = self.servers.iter();
        servers.find(|server| server.name() == name || server.identifier() == name)
    }
}

impl Server {
    fn signature(&self, catalog: &Catalog, tool: &str, grants: &Grants) -> Option<String> {
        let tool = &catalog.tools[catalog.find(tool)?];
        tool.permission(grants).ok()?;
        Some(self.redactor.text(signature(&tool.for_stubs())))
    }
}
