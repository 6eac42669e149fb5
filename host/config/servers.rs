//! The entries of `mcpServers`: which count, what they are called, what they
//! may take.
//!
//! Reads what other MCP clients write in the same file, so that one file
//! serves them all. Starts nothing and connects to nothing.

use std::collections::HashMap;

use jsonc_parser::{
    ast::{StringLit, Value},
    common::Range,
};

use super::{
    Context, Server, Span,
    diagnostic::quoted,
    document::{Field, Report},
};

/// Servers in one file. A guard against generated rubbish.
const MAX_SERVERS: usize = 256;

/// The longest name of a server: it becomes a module, a folder and a column.
const MAX_NAME: usize = 100;

/// The most calls in flight that can be asked for, per server and in all.
pub(super) const MAX_IN_FLIGHT: u64 = 10_000;

/// Ours, or shared by every client.
const KEYS: &[&str] = &[
    "command",
    "args",
    "env",
    "cwd",
    "url",
    "headers",
    "type",
    "disabled",
    "callTimeout",
    "maxInFlight",
    "excludeTools",
];

/// Keys of other clients that change nothing here: how they ask for
/// permission, and what they show. Ours are `--allow-tool` and `tools`.
const IGNORED: &[&str] = &[
    "alwaysAllow",
    "autoApprove",
    "description",
    "dev",
    "gallery",
    "icon",
    "name",
    "note",
    "tags",
    "title",
    "trust",
    "version",
];

/// What the entries of one file mean.
#[derive(Default)]
pub(super) struct Servers {
    pub(super) enabled: Vec<Server>,
    pub(super) disabled: Vec<String>,
    /// Patterns for tools that an entry excludes.
    pub(super) denied: Vec<String>,
}

/// Reads the object that holds the entries. Called once for each of the keys
/// it may stand under; names are unique across both.
pub(super) fn read(
    context: &Context<'_>,
    report: &mut Report<'_>,
    section: &Value<'_>,
    key: &str,
    servers: &mut Servers,
) {
    let Some(fields) = report.fields(section, &format!("`{key}`")) else {
        return;
    };
    for field in fields {
        let name = field.name;
        if !check_name(report, &field) {
            continue;
        }
        if servers.enabled.iter().any(|server| server.name == name)
            || servers.disabled.iter().any(|disabled| disabled == name)
        {
            report.error(
                field.name_range,
                format!(
                    "server {} is declared twice, in `mcpServers` and in `servers`",
                    quoted(name)
                ),
                Some("remove one of them".to_owned()),
            );
            continue;
        }
        if servers.enabled.len() + servers.disabled.len() == MAX_SERVERS {
            report.error(
                field.name_range,
                format!("there are more than {MAX_SERVERS} servers"),
                None,
            );
            return;
        }
        let mut entry = Entry {
            context,
            report: &mut *report,
            name,
            subject: format!("server {}", quoted(name)),
        };
        entry.read(&field, servers);
    }
}

fn check_name(report: &mut Report<'_>, field: &Field<'_>) -> bool {
    let problem = if field.name.trim().is_empty() {
        "the name of a server is empty".to_owned()
    } else if field.name.chars().count() > MAX_NAME {
        format!("the name of a server is longer than {MAX_NAME} characters")
    } else if field.name.chars().any(char::is_control) {
        "the name of a server contains a control character".to_owned()
    } else {
        return true;
    };
    report.error(field.name_range, problem, None);
    false
}

/// The reading of one entry.
pub(super) struct Entry<'e, 't> {
    pub(super) context: &'e Context<'e>,
    pub(super) report: &'e mut Report<'t>,
    name: &'e str,
    /// "server `name`", which every message starts with.
    pub(super) subject: String,
}

impl Entry<'_, '_> {
    fn read(&mut self, entry: &Field<'_>, servers: &mut Servers) {
        let Some(fields) = self.report.fields(entry.value, &self.subject.clone()) else {
            return;
        };
        let by_name: HashMap<&str, Field<'_>> =
            fields.iter().map(|field| (field.name, *field)).collect();
        let get = |name: &str| by_name.get(name).copied();

        // First, whether the entry counts at all: what is switched off may be
        // incomplete, its variables unset.
        for (key, off) in [("disabled", true), ("enabled", false)] {
            if let Some(field) = get(key)
                && self.flag(&field) == Some(off)
            {
                servers.disabled.push(self.name.to_owned());
                return;
            }
        }
        if is_own_entry(get("command"), get("args")) {
            self.report.warning(
                entry.name_range,
                format!("{} is skipped: it is this program itself", self.subject),
                Some("one file can be shared: other clients start the entry, `wasm-coordinator` leaves it out".to_owned()),
            );
            return;
        }

        for field in &fields {
            self.check_key(field);
        }
        let transport = self.transport(entry, &get);
        let call_timeout = get("callTimeout")
            .and_then(|field| self.span(&field))
            .or_else(|| get("timeout").and_then(|field| self.foreign_timeout(&field)));
        let max_in_flight = get("maxInFlight").and_then(|field| {
            let what = self.what("maxInFlight");
            let count = self.report.count(field.value, &what, MAX_IN_FLIGHT)?;
            usize::try_from(count).ok()
        });
        for key in ["excludeTools", "disabledTools"] {
            if let Some(field) = get(key)
                && let Some(tools) = self.report.texts(field.value, &self.what(key))
            {
                let pattern = |tool: &&StringLit<'_>| {
                    globset::escape(&format!("{}.{}", self.name, tool.value))
                };
                servers.denied.extend(tools.iter().map(pattern));
            }
        }
        if let Some(transport) = transport {
            servers.enabled.push(Server {
                name: self.name.to_owned(),
                transport,
                call_timeout,
                max_in_flight,
                line: self.report.line(&entry.name_range),
            });
        }
    }

    fn check_key(&mut self, field: &Field<'_>) {
        let name = field.name;
        if KEYS.contains(&name)
            || IGNORED.contains(&name)
            || matches!(name, "transport" | "timeout" | "enabled" | "disabledTools")
        {
            return;
        }
        let hint = match name {
            "includeTools" | "enabledTools" => format!(
                "list the tools in `coordinator.tools.allow`, like `\"{}.{{a,b}}\"`",
                self.name.escape_default()
            ),
            "envFile" => "put the variables into `.env` beside this file and write `\"env\": { \"NAME\": \"${NAME}\" }`".to_owned(),
            _ => Report::did_you_mean(name, KEYS),
        };
        let message = match name {
            "includeTools" | "enabledTools" | "envFile" => {
                format!(
                    "{}: `{name}` is not supported and changes nothing",
                    self.subject
                )
            }
            _ => format!("{}: unknown key {} is ignored", self.subject, quoted(name)),
        };
        self.report.warning(field.name_range, message, Some(hint));
    }

    /// The `timeout` of other clients has no unit: some mean seconds and allow
    /// an hour, others milliseconds and start with thousands. Text with a unit
    /// is taken as it stands.
    fn foreign_timeout(&mut self, field: &Field<'_>) -> Option<Span> {
        const MAX_SECONDS: u64 = 3_600;
        let what = self.what("timeout");
        let Value::NumberLit(_) = field.value else {
            return self.span(field);
        };
        let number = self.report.count(field.value, &what, u64::from(u32::MAX))?;
        Some(Span(if number <= MAX_SECONDS {
            std::time::Duration::from_secs(number)
        } else {
            std::time::Duration::from_millis(number)
        }))
    }

    fn span(&mut self, field: &Field<'_>) -> Option<Span> {
        let what = self.what(field.name);
        self.report.span(field.value, &what)
    }

    fn flag(&mut self, field: &Field<'_>) -> Option<bool> {
        let what = self.what(field.name);
        self.report.flag(field.value, &what)
    }

    pub(super) fn no_effect(&mut self, field: &Field<'_>, on: &str) {
        let message = format!("{} has no effect on {on}", self.what(field.name));
        self.report.warning(field.name_range, message, None);
    }

    pub(super) fn what(&self, key: &str) -> String {
        format!("{}: `{key}`", self.subject)
    }

    pub(super) fn error<T>(
        &mut self,
        range: Range,
        message: String,
        hint: Option<&str>,
    ) -> Option<T> {
        self.report.error(range, message, hint.map(str::to_owned));
        None
    }
}

/// The name this program has in commands.
pub(super) const OWN_NAME: &str = "wasm-coordinator";

/// Whether the entry is the one by which other clients start this program:
/// starting it here would start it without end.
fn is_own_entry(command: Option<Field<'_>>, args: Option<Field<'_>>) -> bool {
    let (Some(Value::StringLit(command)), Some(Value::Array(args))) = (
        command.map(|field| field.value),
        args.map(|field| field.value),
    ) else {
        return false;
    };
    let program = command.value.rsplit(['/', '\\']).next().unwrap_or_default();
    let program = program.strip_suffix(".exe").unwrap_or(program);
    let mut words = args.elements.iter().filter_map(|arg| match arg {
        Value::StringLit(text) => Some(text.value.as_ref()),
        _ => None,
    });
    // Through a launcher (`npx -y wasm-coordinator serve`) the name is a word.
    let is_own_word = |word: &str| word == OWN_NAME || word.starts_with("wasm-coordinator@");
    let is_launcher = matches!(
        program,
        "npx" | "bunx" | "pnpx" | "uvx" | "pipx" | "uv" | "docker"
    );
    let started = program == OWN_NAME || is_launcher && words.any(is_own_word);
    started && words.any(|word| word == "serve")
}
