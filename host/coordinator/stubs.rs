//! The files that describe a server's tools: what `/servers/NAME` holds.
//!
//! Made from the definitions by the `stubs` crate, once for each listing and
//! each choice of tools, and shared by all sessions. Tools that are not granted
//! are left out: a file that nobody may use costs whoever reads it.

use std::sync::Arc;

use bytes::Bytes;
use wasm_coordinator_stubs::{tool::Server, tree};

use super::{
    Toolbox,
    catalog::{Catalog, TreeOf},
    grants::Grants,
    lock,
};
use crate::{
    message::{CallError, StubFile, Stubs},
    upstream::Profile,
};

/// One tool with everything that is known of it.
#[derive(Debug, Clone)]
pub struct ToolPage {
    /// What `tools.search` in `wit/sandbox.wit` tells in full, as JSON text.
    pub details: String,
    /// Its file for Python.
    pub python: Bytes,
    /// Its file for TypeScript.
    pub typescript: Bytes,
}

impl Toolbox {
    /// The files of a server's folder in `/servers`, for those of its tools that
    /// are granted. Starts it if need be.
    ///
    /// # Errors
    ///
    /// There is no such server, nothing of it is granted, or it cannot be used.
    pub async fn stubs(&self, server: &str, grants: &Grants) -> Result<Arc<[StubFile]>, CallError> {
        let (index, catalog) = self.granted_catalog(server, grants).await?;
        Ok(self.files(index, &catalog, grants))
    }

    /// One tool with everything that is known of it: `tool` in any spelling.
    /// Starts its server if need be.
    ///
    /// # Errors
    ///
    /// There is no such tool, it is not granted, or its server cannot be used.
    pub async fn tool(&self, tool: &str, grants: &Grants) -> Result<ToolPage, CallError> {
        let found = self.resolve(tool, grants).await?;
        let tool = &found.catalog.tools[found.tool];
        self.check_tool(found.server, tool, grants)?;
        let files = self.files(found.server, &found.catalog, grants);
        let text = |path: String| {
            let file = files.iter().find(|file| file.path == path);
            file.map(|file| file.text.clone()).unwrap_or_default()
        };
        Ok(ToolPage {
            details: self.details(found.server, tool),
            python: text(tree::python_file(&tool.for_stubs())),
            typescript: text(tree::typescript_file(&tool.for_stubs())),
        })
    }

    /// The same, unless the version that is known is the present one.
    pub(super) async fn stubs_unless(
        &self,
        server: &str,
        grants: &Grants,
        known: Option<u64>,
    ) -> Result<Stubs, CallError> {
        let (index, catalog) = self.granted_catalog(server, grants).await?;
        if known == Some(catalog.version) {
            return Ok(Stubs::Same);
        }
        Ok(Stubs::Files {
            version: catalog.version,
            files: self.files(index, &catalog, grants),
        })
    }

    fn files(&self, index: usize, catalog: &Catalog, grants: &Grants) -> Arc<[StubFile]> {
        let granted: Vec<bool> = catalog
            .tools
            .iter()
            .map(|tool| self.decide(index, tool, grants).is_ok())
            .collect();
        let mut kept = lock(&catalog.stubs);
        match &*kept {
            Some(tree) if tree.granted == granted => Arc::clone(&tree.files),
            _ => {
                let files = self.generate(index, catalog, &granted);
                let tree = TreeOf { granted, files };
                Arc::clone(&kept.insert(tree).files)
            }
        }
    }

    fn generate(&self, index: usize, catalog: &Catalog, granted: &[bool]) -> Arc<[StubFile]> {
        let known = &self.servers[index].server;
        let Profile {
            title,
            version,
            instructions,
        } = self.upstream.profile(index);
        let server = Server {
            name: &known.name,
            identifier: &known.identifier,
            title: &title,
            version: &version,
            instructions: &instructions,
        };
        let tools: Vec<_> = catalog
            .tools
            .iter()
            .zip(granted)
            .filter(|&(_, &granted)| granted)
            .map(|(tool, _)| tool.for_stubs())
            .collect();
        let denied = granted.len() - tools.len();
        tree::server_files(&server, &tools, denied)
            .into_iter()
            .map(|file| StubFile {
                path: file.path,
                text: self.upstream.redactor().text(file.text).into(),
            })
            .collect()
    }
}
