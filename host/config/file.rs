//! The whole file: its sections, and what they mean together.

use std::{
    env::VarError,
    path::{Path, PathBuf},
};

use contract::text::quoted;
use jsonc_parser::{ast::Value, common::Ranged};

use super::{
    Configuration, Diagnostic, Error,
    document::{self, Report},
    servers::{self, Servers},
    settings::{self, Settings},
};

/// What a text needs from the world to get its meaning.
pub(crate) struct Context<'a> {
    /// What relative paths in the file are relative to.
    pub(crate) folder: &'a Path,
    /// The variables that `${NAME}` may name.
    pub(crate) variables: &'a dyn Fn(&str) -> Result<String, VarError>,
    /// Where the program `wasm-coordinator` is.
    pub(crate) own_program: Option<&'a Path>,
}

impl Context<'_> {
    /// The folder that people work in. Editors keep their file in a folder of
    /// their own inside it.
    pub(crate) fn workspace_folder(&self) -> &Path {
        let is_editors = |folder: &Path| {
            let name = folder.file_name().and_then(|name| name.to_str());
            matches!(name, Some(".vscode" | ".cursor" | ".zed" | ".idea"))
        };
        match self.folder.parent() {
            Some(parent) if is_editors(self.folder) => parent,
            _ => self.folder,
        }
    }

    /// A path that stands in the file: relative to it, or to the home directory
    /// after `~/`.
    fn path(&self, written: &Path) -> PathBuf {
        match (written.strip_prefix("~"), self.home()) {
            (Ok(rest), Some(home)) => Path::new(&home).join(rest),
            _ => self.folder.join(written),
        }
    }

    /// The home directory, by the variable that names it.
    pub(crate) fn home(&self) -> Option<String> {
        (self.variables)("HOME")
            .ok()
            .filter(|home| !home.is_empty())
    }
}

/// Keys at the top of the file that are ours, or that every client has.
const KEYS: &[&str] = &["mcpServers", "servers", "coordinator"];

/// Under which other clients keep the same entries.
const FOREIGN: &[&str] = &["mcp", "mcp.servers", "context_servers"];

/// Reads the text of a configuration file.
pub(crate) fn parse(
    file: &Path,
    text: &str,
    context: &Context<'_>,
) -> Result<Configuration, Error> {
    let root = document::parse(file, text)?;
    let mut report = Report::new(file, text, &root);
    let fields = report.fields(&root, "the file").unwrap_or_default();

    // First what holds for all servers, wherever it stands in the file.
    let mut settings = Settings::default();
    for field in fields.iter().filter(|field| field.name == "coordinator") {
        settings = settings::read(&mut report, field.value);
    }
    let mut servers = Servers::default();
    for field in &fields {
        match field.name {
            key if matches!(key, "mcpServers" | "servers")
                || FOREIGN.contains(&key) && !is_server(field.value) =>
            {
                let (section, key) = inner(field.value, field.name);
                let reader = servers::Reader {
                    context,
                    settings: &settings,
                    report: &mut report,
                };
                reader.read(section, key, &mut servers);
            }
            // Read above, the schema of the file, values other clients ask for.
            "coordinator" | "$schema" | "inputs" => {}
            name => {
                let (message, hint) = if is_server(field.value) {
                    (
                        format!(
                            "{} looks like a server but stands outside `mcpServers`",
                            quoted(name)
                        ),
                        "write `{ \"mcpServers\": { … } }` around the servers".to_owned(),
                    )
                } else {
                    (
                        format!("unknown key {} is ignored", quoted(name)),
                        Report::did_you_mean(name, KEYS),
                    )
                };
                report.warning(field.name_range, message, Some(hint));
            }
        }
    }
    for (name, range) in settings.sampling.iter().chain(&settings.roots) {
        let is_known = servers.is_enabled(name) || servers.disabled.contains(name);
        if !is_known {
            let known: Vec<_> = servers
                .enabled
                .iter()
                .map(|s| s.spec.name.as_str())
                .collect();
            report.error(
                *range,
                format!(
                    "`coordinator.passThrough` names the server {}, which is not configured",
                    quoted(name)
                ),
                Some(Report::did_you_mean(name, &known)),
            );
        }
    }
    let found = fields
        .iter()
        .any(|field| KEYS.contains(&field.name) || FOREIGN.contains(&field.name));
    if !found && report.errors.is_empty() && report.warnings.is_empty() {
        let hint =
            "write `{ \"mcpServers\": { … } }`, or let `wasm-coordinator init` write a first file";
        report.warning(
            root.range(),
            "there is no `mcpServers` in the file",
            Some(hint.to_owned()),
        );
    }
    let place = |error: &Diagnostic| error.place.as_ref().map(|place| (place.line, place.column));
    if !report.errors.is_empty() {
        // Told together: they are mended together.
        report.errors.append(&mut report.faults);
        report.errors.sort_by_key(place);
        return Err(Error::new(report.errors));
    }
    report.warnings.append(&mut report.faults);
    settings.tools.deny.extend(servers.denied);
    let directory = settings.audit.directory.as_deref();
    settings.audit.directory = directory.map(|directory| context.path(directory));
    Ok(Configuration {
        origin: Some(file.to_owned()),
        servers: servers.enabled,
        disabled: servers.disabled,
        limits: settings.limits,
        quota: settings.quota,
        server_limits: settings.server_limits,
        tools: settings.tools,
        advice: settings.advice,
        serve: settings.serve,
        require_isolation: settings.require_isolation,
        audit: settings.audit,
        warnings: report.warnings,
        files: Vec::new(),
    })
}

/// The object that holds the entries. VS Code and OpenCode have it inside `mcp`.
fn inner<'v>(value: &'v Value<'v>, key: &'v str) -> (&'v Value<'v>, &'v str) {
    if key == "mcp"
        && let Value::Object(object) = value
        && let Some(servers) = object.get("servers")
        && !is_server(&servers.value)
    {
        return (&servers.value, "mcp.servers");
    }
    (value, key)
}

fn is_server(value: &Value<'_>) -> bool {
    matches!(value, Value::Object(object) if object
        .properties
        .iter()
        .any(|property| matches!(property.name.as_str(), "command" | "url")))
}
