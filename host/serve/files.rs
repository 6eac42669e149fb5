//! The tools `list_files`, `read_file` and `write_file`: what programs see,
//! from outside.
//!
//! `/servers` is generated as it is for programs; `/workspace` is that of a
//! session. No path reaches the file system of the host.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock},
};
use serde_json::{Value, json};

use super::{
    Caller, Service,
    output::blocks,
    run::failure,
    tokens,
    tools::arguments::{Encoding, ListFiles, ReadFile, WriteFile, check_session, invalid},
};
use crate::files::Kind;
use sandbox::stubs_root;

/// The folder of a server's resources, below that of the server.
const RESOURCES: &str = "resources";

/// Entries of one list.
const MOST_ENTRIES: usize = 1_000;

/// Bytes of an image that is given as one.
const LARGEST_IMAGE: usize = 1 << 20;

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

struct Entry {
    name: String,
    is_directory: bool,
    bytes: Option<u64>,
}

impl Service {
    pub(super) async fn list_files(
        &self,
        caller: Caller,
        arguments: ListFiles,
    ) -> Result<CallToolResult, ErrorData> {
        check_session(arguments.session.as_deref())?;
        let path = arguments.path.unwrap_or_else(|| "/".to_owned());
        let listed = match locate(&path) {
            Ok(Located::Root) => Ok(["servers", "workspace"].map(directory).into()),
            Ok(Located::Servers(below)) => self.list_servers(below).await,
            Ok(Located::Workspace(below)) => {
                self.list_workspace(caller, arguments.session.as_deref(), below)
            }
            Err(message) => Err(message),
        };
        let mut entries: Vec<Entry> = match listed {
            Ok(entries) => entries,
            Err(message) => return Ok(file_error(&path, &message)),
        };
        let total = entries.len();
        entries.truncate(MOST_ENTRIES);
        let mut text = String::new();
        for entry in &entries {
            let mark = if entry.is_directory { "/" } else { "" };
            let size = entry
                .bytes
                .map_or(String::new(), |bytes| format!("  {bytes}"));
            text += &format!("{}{mark}{size}\n", entry.name.escape_debug());
        }
        let more = total - entries.len();
        if more > 0 {
            text += &format!("… {more} more\n");
        }
        if text.is_empty() {
            text = "(empty)\n".to_owned();
        }
        let list: Vec<Value> = entries.iter().map(Entry::json).collect();
        let mut structured = json!({ "path": path, "entries": list });
        if more > 0 {
            structured["more"] = more.into();
        }
        Ok(answered(text, structured))
    }

    pub(super) async fn read_file(
        &self,
        caller: Caller,
        arguments: ReadFile,
    ) -> Result<CallToolResult, ErrorData> {
        check_session(arguments.session.as_deref())?;
        let ReadFile {
            path,
            session,
            offset,
            max_tokens,
        } = arguments;
        let read = match locate(&path) {
            Ok(Located::Root) => Err("is a directory".to_owned()),
            Ok(Located::Servers(below)) => self.read_servers(below).await,
            Ok(Located::Workspace(below)) => self
                .workspace(caller, session.as_deref())
                .and_then(|cell| cell.workspace.read_file(below).map_err(|e| e.to_string())),
            Err(message) => Err(message),
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(message) => return Ok(file_error(&path, &message)),
        };
        let budget = max_tokens.unwrap_or(self.options.output_tokens);
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Ok(binary(&path, &bytes));
        };
        let start = text
            .char_indices()
            .nth(offset)
            .map_or(text.len(), |(at, _)| at);
        let shown = tokens::head(&text[start..], budget);
        let mut structured = json!({ "path": path, "bytes": bytes.len(), "text": shown });
        let mut answer = shown.to_owned();
        let end = start + shown.len();
        if end < text.len() {
            let next = offset + shown.chars().count();
            let rest = text[end..].chars().count();
            structured["next_offset"] = next.into();
            answer += &format!("\n[… {rest} more characters: go on with offset {next}]\n");
        }
        Ok(answered(answer, structured))
    }

    pub(super) fn write_file(
        &self,
        caller: Caller,
        arguments: WriteFile,
    ) -> Result<CallToolResult, ErrorData> {
        check_session(arguments.session.as_deref())?;
        let bytes = match arguments.encoding {
            Encoding::Text => arguments.content.into_bytes(),
            Encoding::Base64 => blocks::from_base64(&arguments.content)
                .ok_or_else(|| invalid("`content` is not valid base64".to_owned()))?,
        };
        let path = arguments.path;
        let below = match locate(&path) {
            Ok(Located::Workspace(below)) if !below.is_empty() => below,
            Ok(Located::Servers(_)) => return Ok(file_error(&path, "read-only file system")),
            Ok(_) => return Ok(file_error(&path, "is a directory")),
            Err(message) => return Ok(file_error(&path, &message)),
        };
        let (cell, session) = match arguments.session {
            Some(handle) => match self.sessions.find(caller, &handle) {
                Ok(cell) => (cell, handle),
                Err(error) => return Ok(failure("session_gone", &error.to_string())),
            },
            None => match self.sessions.open(caller, self.fresh_cell()) {
                Ok(opened) => (opened.cell, opened.handle),
                Err(error) => return Ok(failure("sessions_busy", &error.to_string())),
            },
        };
        if let Err(error) = cell.workspace.write_file(below, &bytes) {
            return Ok(file_error(&path, &error.to_string()));
        }
        let written = format!("/workspace/{}", below.trim_start_matches("./"));
        let text = format!(
            "wrote {} bytes to {written}\nsession: {session}\n",
            bytes.len()
        );
        let structured = json!({ "path": written, "bytes": bytes.len(), "session": session });
        Ok(answered(text, structured))
    }

    fn workspace(
        &self,
        caller: Caller,
        session: Option<&str>,
    ) -> Result<Arc<super::sessions::Cell>, String> {
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
        let cell = self.workspace(caller, session)?;
        let below = if below.is_empty() { "." } else { below };
        let listed = cell
            .workspace
            .list(below)
            .map_err(|error| error.to_string())?;
        let entries = listed.into_iter().map(|entry| {
            let path = format!("{below}/{}", entry.name);
            let status = cell.workspace.inspect(&path);
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

    /// The same with the server's resources, which are fetched for it.
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
        match entries.is_empty() {
            true => Err("no such directory".to_owned()),
            false => Ok(entries.into_values().collect()),
        }
    }

    async fn read_servers(&self, below: &str) -> Result<Bytes, String> {
        let missing = || "no such file or directory".to_owned();
        let is_root_file = !below.contains('/');
        let (server, path) = match is_root_file {
            true => (None, below),
            false => {
                let (server, path) = below.split_once('/').ok_or_else(missing)?;
                (Some(server), path)
            }
        };
        let mut files = match server {
            Some(server) => self.generated_for(server, path).await?,
            None => self.generated(None).await?,
        };
        files.remove(path).ok_or_else(missing)
    }
}

impl Entry {
    fn json(&self) -> Value {
        let kind = if self.is_directory {
            "directory"
        } else {
            "file"
        };
        let mut entry = json!({ "name": self.name, "kind": kind });
        if let Some(bytes) = self.bytes {
            entry["bytes"] = bytes.into();
        }
        entry
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

/// Bytes that are no text: an image as one, anything else by its size.
fn binary(path: &str, bytes: &[u8]) -> CallToolResult {
    let structured = json!({ "path": path, "bytes": bytes.len() });
    match blocks::image(bytes) {
        Some(_) if bytes.len() <= LARGEST_IMAGE => {
            let mut result = CallToolResult::success(vec![blocks::file(path, bytes)]);
            result.structured_content = Some(structured);
            result
        }
        _ => answered(
            format!(
                "{} bytes that are no text; read them in a program\n",
                bytes.len()
            ),
            structured,
        ),
    }
}

pub(super) fn answered(text: String, structured: Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured);
    result
}

fn file_error(path: &str, message: &str) -> CallToolResult {
    let path: String = path.chars().take(200).collect();
    let text = format!("{}: {message}\n", path.escape_debug());
    CallToolResult::error(vec![ContentBlock::text(text)])
}
