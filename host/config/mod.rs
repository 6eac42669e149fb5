//! The configuration: which servers there are, and within which limits
//! programs run.
//!
//! Two steps lead from the file to its meaning. What was written is read by
//! the private modules here, which do no I/O; what it means, with variables
//! replaced and paths resolved, is a [`Configuration`], and only that travels.
//! [`load()`] alone touches the disk and the environment, and it changes neither.
//! Nothing here knows how a server is started or a limit enforced.

use std::{
    env::VarError,
    path::{Path, PathBuf},
};

use jsonc_parser::{ast::Value, common::Ranged};

mod diagnostic;
mod document;
mod load;
mod nearest;
mod quantity;
mod secret;
mod servers;
mod settings;
#[cfg(test)]
mod tests;
mod transport;
mod variables;

pub use diagnostic::{Diagnostic, Error, Place};
pub use load::{Environment, load};
pub use quantity::{Bytes, NotAnAmount, Span};
pub use secret::Secret;

use document::Report;

/// Everything the operator decided, ready to be used.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// The file all this was read from. `None` when there was none, which is
    /// no error until a program asks for a server.
    pub origin: Option<PathBuf>,
    /// The servers that may be used, in the order of the file, names unique.
    pub servers: Vec<Server>,
    /// The names of servers that are switched off.
    pub disabled: Vec<String>,
    /// Limits for programs.
    pub limits: Limits,
    /// Which tools programs may call.
    pub tools: Tools,
    /// How servers are called.
    pub upstream: Upstream,
    /// What servers may ask of the client.
    pub pass_through: PassThrough,
    /// How `serve` serves.
    pub serve: Serve,
    /// What is odd but not wrong; to be shown once.
    pub warnings: Vec<Diagnostic>,
}

/// One server.
#[derive(Debug, Clone)]
pub struct Server {
    /// As written in the file; not an identifier.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// How long one of its calls may take; the general value if absent.
    pub call_timeout: Option<Span>,
    /// How many of its calls may run at once; the general value if absent.
    pub max_in_flight: Option<usize>,
    /// The line of the file that declares it, counted from 1; 0 without a file.
    pub line: usize,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub enum Transport {
    /// A program, started by us, that speaks over its standard streams.
    Stdio(Stdio),
    /// A running server, reached by Streamable HTTP.
    Http(Http),
}

/// A program to start. No shell is involved: every word arrives as it is.
#[derive(Debug, Clone)]
pub struct Stdio {
    /// The program: an absolute path, or a name to be found on the `PATH`.
    pub command: Secret,
    /// Its arguments.
    pub args: Vec<Secret>,
    /// What is added to its environment.
    pub env: Vec<(String, Secret)>,
    /// Its working directory; ours if absent.
    pub cwd: Option<PathBuf>,
}

/// A server to connect to.
#[derive(Debug, Clone)]
pub struct Http {
    /// `http://…` or `https://…`; shows without user, password and query.
    pub url: Secret,
    /// Sent with every request. The names are valid header names and the
    /// values have no line breaks.
    pub headers: Vec<(String, Secret)>,
}

/// Limits for programs; what is absent has its default. None is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Wall time of a run.
    pub timeout: Option<Span>,
    /// Memory of a sandbox.
    pub memory: Option<Bytes>,
    /// Fuel of a run: a reproducible measure of its instructions.
    pub fuel: Option<u64>,
    /// Tool calls of a run.
    pub max_calls: Option<u32>,
    /// What a run may print.
    pub max_output: Option<Bytes>,
    /// What a run may emit, all content blocks together.
    pub max_content: Option<Bytes>,
    /// All files of a workspace together.
    pub workspace_size: Option<Bytes>,
    /// One file of a workspace.
    pub file_size: Option<Bytes>,
    /// Files and directories of a workspace.
    pub max_files: Option<u64>,
}

/// Which tools programs may call: glob patterns on `server.tool`.
/// [`Grants`](crate::Grants) says what they mean together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tools {
    /// Only what matches one of these; everything if absent, and then what
    /// servers call destructive is asked about.
    pub allow: Option<Vec<String>>,
    /// What matches one of these is called after somebody agreed.
    pub ask: Vec<String>,
    /// Never what matches one of these, whatever is allowed.
    pub deny: Vec<String>,
    /// What to do with tools whose servers change them.
    pub changes: Changes,
}

/// What to do with a tool whose definition changes after it was first listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Changes {
    /// It is not called until the program is started again.
    #[default]
    Refuse,
    /// It is called as what it is then.
    Accept,
}

/// How servers are called; what is absent has its default. None is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upstream {
    /// How long a call may take, queueing not included.
    pub call_timeout: Option<Span>,
    /// How long a server may take to start and say what it is.
    pub start_timeout: Option<Span>,
    /// Calls in flight in all.
    pub max_in_flight: Option<usize>,
    /// Calls in flight to one server.
    pub max_in_flight_per_server: Option<usize>,
}

/// Which servers may ask the client for more than input from a person: names of
/// configured servers. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassThrough {
    /// Those that may use the client's model.
    pub sampling: Vec<String>,
    /// Those that may know the folders the client works in.
    pub roots: Vec<String>,
}

/// How `serve` serves; what is absent has its default. None is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Serve {
    /// Tokens of one answer.
    pub max_tokens: Option<u32>,
    /// The longest time limit that a call may ask for.
    pub longest_timeout: Option<Span>,
    /// Programs that run at the same time.
    pub runs: Option<u32>,
    /// Open sessions of all clients.
    pub sessions: Option<u32>,
    /// What all open sessions may hold.
    pub session_memory: Option<Bytes>,
    /// How long an unused session is kept.
    pub session_idle: Option<Span>,
    /// How old a session may become.
    pub session_age: Option<Span>,
}

/// What a text needs from the world to get its meaning.
pub(crate) struct Context<'a> {
    /// What relative paths in the file are relative to.
    pub(crate) folder: &'a Path,
    /// The variables that `${NAME}` may name.
    pub(crate) variables: &'a dyn Fn(&str) -> Result<String, VarError>,
    /// Where the program `wasm-coordinator` is.
    pub(crate) own_program: Option<&'a Path>,
}

impl Server {
    /// A server that is started as a program, with the words of its command
    /// line: for servers that no file declares.
    pub fn program<'w>(
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = &'w str>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            transport: Transport::Stdio(Stdio {
                command: Secret::plain(program.to_string_lossy()),
                args: arguments.into_iter().map(Secret::plain).collect(),
                env: Vec::new(),
                cwd: None,
            }),
            call_timeout: None,
            max_in_flight: None,
            line: 0,
        }
    }

    /// Values that must not appear in text for programs, models or logs:
    /// variables and headers that hold secrets, as their names tell.
    pub fn secrets(&self) -> Vec<&str> {
        let mut secrets: Vec<&str> = Vec::new();
        match &self.transport {
            Transport::Stdio(Stdio {
                command, args, env, ..
            }) => {
                secrets.extend(command.secrets());
                secrets.extend(args.iter().flat_map(Secret::secrets));
                secrets.extend(env.iter().flat_map(|(_, value)| value.secrets()));
            }
            Transport::Http(Http { url, headers }) => {
                secrets.extend(url.secrets());
                secrets.extend(headers.iter().flat_map(|(_, value)| value.secrets()));
            }
        }
        secrets.sort_unstable();
        secrets.dedup();
        secrets
    }
}

impl Configuration {
    /// What to do when a program names a server that is not among
    /// [`servers`](Self::servers): a sentence for a `hint:` line.
    pub fn hint_for_unknown_server(&self, name: &str) -> String {
        let name_shown = diagnostic::quoted(name);
        let Some(origin) = &self.origin else {
            return "no configuration was found: pass `--config PATH`, set `MCP_JSON`, or write \
                    `mcp.json` here (`wasm-coordinator init` writes a first one)"
                .to_owned();
        };
        let file = diagnostic::shown_path(origin);
        if self.disabled.iter().any(|disabled| disabled == name) {
            return format!("{name_shown} is switched off by `\"disabled\": true` in `{file}`");
        }
        let names: Vec<&str> = self
            .servers
            .iter()
            .map(|server| server.name.as_str())
            .collect();
        match nearest::nearest(name, &names) {
            Some(meant) => format!("did you mean {}?", diagnostic::quoted(meant)),
            None if names.is_empty() => format!("`{file}` declares no servers"),
            None => {
                let shown: Vec<_> = names
                    .iter()
                    .take(10)
                    .map(|name| diagnostic::quoted(name))
                    .collect();
                let more = if names.len() > shown.len() {
                    ", …"
                } else {
                    ""
                };
                format!("`{file}` declares {}{more}", shown.join(", "))
            }
        }
    }
}

/// Keys at the top of the file that are ours, or that every client has.
const KEYS: &[&str] = &["mcpServers", "servers", "coordinator"];

/// Reads the text of a configuration file.
pub(crate) fn parse(
    file: &Path,
    text: &str,
    context: &Context<'_>,
) -> Result<Configuration, Error> {
    let root = document::parse(file, text)?;
    let mut report = Report::new(file, text, &root);
    let mut servers = servers::Servers::default();
    let mut settings = settings::Settings::default();
    let mut found = false;

    for field in report.fields(&root, "the file").unwrap_or_default() {
        match field.name {
            "mcpServers" | "servers" => {
                found = true;
                servers::read(context, &mut report, field.value, field.name, &mut servers);
            }
            "coordinator" => {
                found = true;
                settings = settings::read(&mut report, field.value);
            }
            // The schema of the file, and values other clients ask for.
            "$schema" | "inputs" => {}
            name => {
                let (message, hint) = match is_server(field.value) {
                    true => (
                        format!(
                            "{} looks like a server but stands outside `mcpServers`",
                            diagnostic::quoted(name)
                        ),
                        "write `{ \"mcpServers\": { … } }` around the servers".to_owned(),
                    ),
                    false => (
                        format!("unknown key {} is ignored", diagnostic::quoted(name)),
                        Report::did_you_mean(name, KEYS),
                    ),
                };
                report.warning(field.name_range, message, Some(hint));
            }
        }
    }
    for (name, range) in settings.named {
        let is_known = servers.enabled.iter().any(|server| server.name == name)
            || servers.disabled.contains(&name);
        if !is_known {
            let known: Vec<_> = servers.enabled.iter().map(|s| s.name.as_str()).collect();
            let name_shown = diagnostic::quoted(&name);
            report.error(
                range,
                format!("`coordinator.passThrough` names the server {name_shown}, which is not configured"),
                Some(Report::did_you_mean(&name, &known)),
            );
        }
    }
    if !found && report.errors.is_empty() && report.warnings.is_empty() {
        let hint =
            "write `{ \"mcpServers\": { … } }`, or let `wasm-coordinator init` write a first file";
        report.warning(
            root.range(),
            "there is no `mcpServers` in the file",
            Some(hint.to_owned()),
        );
    }
    if !report.errors.is_empty() {
        let place =
            |error: &Diagnostic| error.place.as_ref().map(|place| (place.line, place.column));
        report.errors.sort_by_key(place);
        return Err(Error::new(report.errors));
    }
    settings.tools.deny.extend(servers.denied);
    Ok(Configuration {
        origin: Some(file.to_owned()),
        servers: servers.enabled,
        disabled: servers.disabled,
        limits: settings.limits,
        tools: settings.tools,
        upstream: settings.upstream,
        pass_through: settings.pass_through,
        serve: settings.serve,
        warnings: report.warnings,
    })
}

fn is_server(value: &Value<'_>) -> bool {
    matches!(value, Value::Object(object) if object
        .properties
        .iter()
        .any(|property| matches!(property.name.as_str(), "command" | "url")))
}
