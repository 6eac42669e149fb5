//! The definitions of a server's tools as a client would show them to its
//! model: the yardstick for what direct calls cost.

use serde_json::json;

use super::{Toolbox, lock};

impl Toolbox {
    /// Which listing of a server is known; differs whenever its tools do.
    /// `None` if it was never listed or there is no such server.
    pub fn known_version(&self, server: &str) -> Option<u64> {
        let known = &self.servers[self.find_server(server)?];
        lock(&known.catalog).as_ref().map(|catalog| catalog.version)
    }

    /// All tools of a server as they were last listed: a JSON list of names,
    /// descriptions and input schemas. Starts nothing.
    pub fn known_definitions(&self, server: &str) -> Option<String> {
        let known = &self.servers[self.find_server(server)?];
        let catalog = lock(&known.catalog).clone()?;
        let tools: Vec<_> = catalog
            .listing
            .tools
            .iter()
            .map(|tool| {
                json!({
                    "name": tool.name,
                    "description": tool.description,
                    "input_schema": *tool.input_schema,
                })
            })
            .collect();
        serde_json::to_string(&tools).ok()
    }
}
