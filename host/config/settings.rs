//! The section `coordinator`: our own settings in the shared file.
//!
//! Strict where the rest of the file is lenient: a misspelt limit that is
//! ignored is a limit that does not hold.

use globset::Glob;
use jsonc_parser::{ast::Value, common::Range};

use super::{
    Changes, Limits, PassThrough, Serve, Tools, Upstream,
    diagnostic::quoted,
    document::{Field, Report},
    servers::MAX_IN_FLIGHT,
};

/// What the section says; everything is optional.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) limits: Limits,
    pub(super) tools: Tools,
    pub(super) upstream: Upstream,
    pub(super) pass_through: PassThrough,
    /// The servers that are named, and where.
    pub(super) named: Vec<(String, Range)>,
    pub(super) serve: Serve,
}

const KEYS: &[&str] = &[
    "limits",
    "tools",
    "passThrough",
    "serve",
    "callTimeout",
    "startTimeout",
    "maxInFlight",
    "maxInFlightPerServer",
];
const LIMITS: &[&str] = &[
    "timeout",
    "memory",
    "fuel",
    "maxCalls",
    "maxOutput",
    "maxContent",
    "workspaceSize",
    "fileSize",
    "maxFiles",
];
const PASS_THROUGH: &[&str] = &["sampling", "roots"];
const SERVE: &[&str] = &[
    "maxTokens",
    "longestTimeout",
    "runs",
    "sessions",
    "sessionMemory",
    "sessionIdle",
    "sessionAge",
];
const TOOLS: &[&str] = &["allow", "ask", "deny", "changes"];

pub(super) fn read(report: &mut Report<'_>, section: &Value<'_>) -> Settings {
    let mut settings = Settings::default();
    let Some(fields) = report.fields(section, "`coordinator`") else {
        return settings;
    };
    for field in fields {
        let what = format!("`coordinator.{}`", field.name);
        match field.name {
            "limits" => settings.limits = limits(report, field.value),
            "tools" => settings.tools = tools(report, field.value),
            "passThrough" => pass_through(report, field.value, &mut settings),
            "serve" => settings.serve = serve(report, field.value),
            // `null` leaves the default, so that a file can show every key.
            _ if matches!(field.value, Value::NullKeyword(_)) && KEYS.contains(&field.name) => {}
            "callTimeout" => settings.upstream.call_timeout = report.span(field.value, &what),
            "startTimeout" => settings.upstream.start_timeout = report.span(field.value, &what),
            "maxInFlight" => {
                settings.upstream.max_in_flight = in_flight(report, field.value, &what);
            }
            "maxInFlightPerServer" => {
                settings.upstream.max_in_flight_per_server = in_flight(report, field.value, &what);
            }
            _ => unknown(report, &field, "`coordinator`", KEYS),
        }
    }
    settings
}

fn limits(report: &mut Report<'_>, section: &Value<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(fields) = report.fields(section, "`coordinator.limits`") else {
        return limits;
    };
    for field in fields {
        let what = format!("`coordinator.limits.{}`", field.name);
        match field.name {
            _ if matches!(field.value, Value::NullKeyword(_)) && LIMITS.contains(&field.name) => {}
            "timeout" => limits.timeout = report.span(field.value, &what),
            "memory" => limits.memory = report.bytes(field.value, &what),
            "fuel" => limits.fuel = report.count(field.value, &what, u64::MAX),
            "maxCalls" => {
                limits.max_calls = report
                    .count(field.value, &what, u64::from(u32::MAX))
                    .and_then(|count| u32::try_from(count).ok());
            }
            "maxOutput" => limits.max_output = report.bytes(field.value, &what),
            "maxContent" => limits.max_content = report.bytes(field.value, &what),
            "workspaceSize" => limits.workspace_size = report.bytes(field.value, &what),
            "fileSize" => limits.file_size = report.bytes(field.value, &what),
            "maxFiles" => limits.max_files = report.count(field.value, &what, u64::MAX),
            _ => unknown(report, &field, "`coordinator.limits`", LIMITS),
        }
    }
    limits
}

fn serve(report: &mut Report<'_>, section: &Value<'_>) -> Serve {
    /// More programs than that do not run at the same time on any machine, and
    /// memory is reserved for each.
    const MAX_RUNS: u64 = 10_000;
    let mut serve = Serve::default();
    let Some(fields) = report.fields(section, "`coordinator.serve`") else {
        return serve;
    };
    for field in fields {
        let what = format!("`coordinator.serve.{}`", field.name);
        let mut count = |most| {
            let count = report.count(field.value, &what, most)?;
            u32::try_from(count).ok()
        };
        match field.name {
            _ if matches!(field.value, Value::NullKeyword(_)) && SERVE.contains(&field.name) => {}
            "maxTokens" => serve.max_tokens = count(1_000_000),
            "runs" => serve.runs = count(MAX_RUNS),
            "sessions" => serve.sessions = count(MAX_RUNS),
            "longestTimeout" => serve.longest_timeout = report.span(field.value, &what),
            "sessionMemory" => serve.session_memory = report.bytes(field.value, &what),
            "sessionIdle" => serve.session_idle = report.span(field.value, &what),
            "sessionAge" => serve.session_age = report.span(field.value, &what),
            _ => unknown(report, &field, "`coordinator.serve`", SERVE),
        }
    }
    serve
}

fn tools(report: &mut Report<'_>, section: &Value<'_>) -> Tools {
    let mut tools = Tools::default();
    let Some(fields) = report.fields(section, "`coordinator.tools`") else {
        return tools;
    };
    for field in fields {
        let what = format!("`coordinator.tools.{}`", field.name);
        match field.name {
            _ if matches!(field.value, Value::NullKeyword(_)) && TOOLS.contains(&field.name) => {}
            "allow" => tools.allow = Some(patterns(report, field.value, &what)),
            "ask" => tools.ask = patterns(report, field.value, &what),
            "deny" => tools.deny = patterns(report, field.value, &what),
            "changes" => match field.value {
                Value::StringLit(text) if text.value == "refuse" => tools.changes = Changes::Refuse,
                Value::StringLit(text) if text.value == "accept" => tools.changes = Changes::Accept,
                value => report.wrong_type(value, &what, "`\"refuse\"` or `\"accept\"`"),
            },
            _ => unknown(report, &field, "`coordinator.tools`", TOOLS),
        }
    }
    tools
}

fn pass_through(report: &mut Report<'_>, section: &Value<'_>, settings: &mut Settings) {
    let Some(fields) = report.fields(section, "`coordinator.passThrough`") else {
        return;
    };
    for field in fields {
        let what = format!("`coordinator.passThrough.{}`", field.name);
        let servers = match field.name {
            _ if matches!(field.value, Value::NullKeyword(_))
                && PASS_THROUGH.contains(&field.name) =>
            {
                continue;
            }
            "sampling" => &mut settings.pass_through.sampling,
            "roots" => &mut settings.pass_through.roots,
            _ => {
                unknown(report, &field, "`coordinator.passThrough`", PASS_THROUGH);
                continue;
            }
        };
        for text in report.texts(field.value, &what).unwrap_or_default() {
            servers.push(text.value.to_string());
            settings.named.push((text.value.to_string(), text.range));
        }
    }
}

fn patterns(report: &mut Report<'_>, value: &Value<'_>, what: &str) -> Vec<String> {
    let mut patterns = Vec::new();
    for text in report.texts(value, what).unwrap_or_default() {
        match Glob::new(&text.value) {
            Ok(_) => patterns.push(text.value.to_string()),
            Err(error) => report.error(
                text.range,
                format!(
                    "{what}: {} is not a pattern: {}",
                    quoted(&text.value),
                    error.kind()
                ),
                Some("patterns look like `github.*`, `*.list_*` or `{git,time}.*`".to_owned()),
            ),
        }
    }
    patterns
}

fn in_flight(report: &mut Report<'_>, value: &Value<'_>, what: &str) -> Option<usize> {
    let count = report.count(value, what, MAX_IN_FLIGHT)?;
    usize::try_from(count).ok()
}

fn unknown(report: &mut Report<'_>, field: &Field<'_>, section: &str, known: &[&str]) {
    report.error(
        field.name_range,
        format!("{section} has the unknown key {}", quoted(field.name)),
        Some(Report::did_you_mean(field.name, known)),
    );
}
