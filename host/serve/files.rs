//! The files that programs see, from outside.
//!
//! `/servers` is generated as it is for programs; `/workspace` is that of a
//! session. No path reaches the file system of the host.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{Caller, Service, sessions::SessionSlot};
use crate::files::Kind;
use sandbox::stubs_root;

/// The folder of a server's resources, below that of the server.
const RESOURCES: &str = "resources";

/// Where a path leads.
enum Located<'a> {
    Root,
    /// Below `/servers`.
    Servers(&'a str),
    /// Below `/workspace`.
    Workspace(&'a str),
}

/// Reads an absolute path; a relative one is in `/workspace`, as in programs.
fn locate(path: &str) -> Result<Located<'_>, String> {
    let Some(absolute) = path.strip_prefix('/') else {
        return Ok(Located::Workspace(path));
    };
    let (first, rest) = absolute.split_once('/').unwrap_or((absolute, ""));
    let rest = rest.trim_matches('/');
    match first {
        "" => Ok(Located::Root),
        "servers" => Ok(Located::Servers(rest)),
        "workspace" => Ok(Located::Workspace(rest)),
        _ => Err("no such file or directory; there are /servers and /workspace".to_owned()),
    }
}

/// The path in a workspace that can be written there.
///
/// # Errors
///
/// What is wrong with the path, for whoever wrote it.
pub(super) fn writable(path: &str) -> Result<&str, String> {
    match locate(path)? {
        Located::Workspace(below) if !below.is_empty() => Ok(below),
        Located::Servers(_) => Err("read-only file system".to_owned()),
        Located::Workspace(_) | Located::Root => Err("is a directory".to_owned()),
    }
}

/// One entry of a directory.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) is_directory: bool,
    pub(super) bytes: Option<u64>,
}

impl Service {
    /// What is in a directory.
    ///
    /// # Errors
    ///
    /// What is wrong with the path, for whoever wrote it.
    pub(super) async fn list(
        &self,
        caller: Caller,
        session: Option<&str>,
        path: &str,
    ) -> Result<Vec<Entry>, String> {
        match locate(path)? {
            Located::Root => Ok(["servers", "workspace"].map(directory).into()),
            Located::Servers(below) => self.list_servers(below).await,
            Located::Workspace(below) => self.list_workspace(caller, session, below),
        }
    }

    /// What is in a file.
    ///
    /// # Errors
    ///
    /// What is wrong with the path, for whoever wrote it.
    pub(super) async fn read(
        &self,
        caller: Caller,
        session: Option<&str>,
        path: &str,
    ) -> Result<Bytes, String> {
        match locate(path)? {
            Located::Root => Err("is a directory".to_owned()),
            Located::Servers(below) => self.read_servers(below).await,
            Located::Workspace(below) => {
                let slot = self.workspace(caller, session)?;
                let read = slot.workspace.read_file(below);
                read.map_err(|error| error.to_string())
            }
        }
    }

    fn workspace(&self, caller: Caller, session: Option<&str>) -> Result<Arc<SessionSlot>, String> {
        let Some(handle) = session else {
            return Err(
                "`/workspace` belongs to a session: pass its handle as `session`".to_owned(),
            );
        };
        self.sessions
            .find(caller, handle)
            .map_err(|error| error.to_string())
    }

    fn list_workspace(
        &self,
        caller: Caller,
        session: Option<&str>,
        below: &str,
    ) -> Result<Vec<Entry>, String> {
        let slot = self.workspace(caller, session)?;
        let below = if below.is_empty() { "." } else { below };
        let listed = slot
            .workspace
            .list(below)
            .map_err(|error| error.to_string())?;
        let entries = listed.into_iter().map(|entry| {
            let path = format!("{below}/{}", entry.name);
            let status = slot.workspace.inspect(&path);
            let is_directory = matches!(entry.kind, Kind::Directory);
            Entry {
                name: entry.name.to_string(),
                is_directory,
                bytes: status
                    .ok()
                    .filter(|_| !is_directory)
                    .map(|status| status.size),
            }
        });
        Ok(entries.collect())
    }

    /// The files of `/servers` or of one server, by their paths.
    async fn generated(&self, server: Option<&str>) -> Result<BTreeMap<String, Bytes>, String> {
        let Some(server) = server else {
            let files = stubs_root(&self.toolbox.servers());
            let files = files.into_iter().map(|file| (file.path, file.text));
            return Ok(files.collect());
        };
        let known = self.toolbox.servers();
        if !known.iter().any(|known| known.identifier == server) {
            return Err("no such file or directory".to_owned());
        }
        let files = self.toolbox.stubs(server, &self.options.grants).await;
        let files = files.map_err(|error| error.message)?;
        let files = files
            .iter()
            .map(|file| (file.path.clone(), file.text.clone()));
        Ok(files.collect())
    }

    /// The files of one server, and its resources where the path leads there:
    /// they are fetched for it.
    async fn generated_for(
        &self,
        server: &str,
        path: &str,
    ) -> Result<BTreeMap<String, Bytes>, String> {
        let mut files = self.generated(Some(server)).await?;
        if path.split('/').next() == Some(RESOURCES) {
            let fetched = self.toolbox.resource_files(server, &self.options.grants);
            let fetched = fetched.await.map_err(|error| error.message)?;
            for file in fetched.iter().flat_map(|files| files.iter()) {
                files.insert(format!("{RESOURCES}/{}", file.path), file.text.clone());
            }
        }
        Ok(files)
    }

    async fn list_servers(&self, below: &str) -> Result<Vec<Entry>, String> {
        if below.is_empty() {
            let servers = self.toolbox.servers();
            let servers = servers.iter().map(|server| directory(&server.identifier));
            let files = self.generated(None).await?;
            return Ok(servers.chain(files.iter().map(file)).collect());
        }
        let (server, folder) = below.split_once('/').unwrap_or((below, ""));
        let files = self.generated_for(server, folder).await?;
        let prefix = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for (path, text) in &files {
            let Some(rest) = path.strip_prefix(&prefix) else {
                continue;
            };
            let entry = match rest.split_once('/') {
                Some((folder, _)) => directory(folder),
                None => file((&rest.to_owned(), text)),
            };
            entries.entry(entry.name.clone()).or_insert(entry);
        }
        if folder.is_empty() && self.toolbox.has_resources(server, &self.options.grants) {
            entries.insert(RESOURCES.to_owned(), directory(RESOURCES));
        }
        if entries.is_empty() {
            return Err("no such directory".to_owned());
        }
        Ok(entries.into_values().collect())
    }

    async fn read_servers(&self, below: &str) -> Result<Bytes, String> {
        let (mut files, path) = match below.split_once('/') {
            Some((server, path)) => (self.generated_for(server, path).await?, path),
            None => (self.generated(None).await?, below),
        };
        files
            .remove(path)
            .ok_or_else(|| "no such file or directory".to_owned())
    }
}

fn directory(name: impl Into<String>) -> Entry {
    Entry {
        name: name.into(),
        is_directory: true,
        bytes: None,
    }
}

fn file((path, text): (&String, &Bytes)) -> Entry {
    Entry {
        name: path.clone(),
        is_directory: false,
        bytes: Some(text.len() as u64),
    }
}
