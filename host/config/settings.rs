//! The section `coordinator`: our own settings in the shared file.
//!
//! Strict where the rest of the file is lenient: a misspelt limit that is
//! ignored is a limit that does not hold.
//!
//! Each section is a table of its keys. A new setting is one line here.

// CONTRIBUTING.md, "To add a limit".
// CONTRIBUTING.md, "To add a flag".

use std::{path::PathBuf, time::Duration};

use ::audit::Arguments;
use contract::advice::{Advice, AdviceMode, Construct, ModulePattern};
use contract::limits::Limits;
use contract::text::{or_list, quoted};
use globset::Glob;
use jsonc_parser::{
    ast::Value,
    common::{Range, Ranged},
};
use sandbox::files::Quota;
use tools::servers::{CALL_TIMEOUT, ServerLimits};

use super::{Audit, Bytes, Changes, Serve, Tools, document::Report, servers::MAX_IN_FLIGHT};

/// What the section says; the defaults for what it does not say.
pub(super) struct Settings {
    pub(super) limits: Limits,
    pub(super) quota: Quota,
    pub(super) tools: Tools,
    pub(super) advice: Advice,
    pub(super) server_limits: ServerLimits,
    pub(super) serve: Serve,
    pub(super) require_isolation: bool,
    /// Its directory is still as it was written.
    pub(super) audit: Audit,
    /// For servers that do not say otherwise.
    pub(super) call_timeout: Duration,
    pub(super) start_timeout: Option<Duration>,
    /// The servers that may use the client's model, and where they are named.
    pub(super) sampling: Vec<(String, Range)>,
    /// The servers that may see the client's folders, and where they are named.
    pub(super) roots: Vec<(String, Range)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            quota: Quota::default(),
            tools: Tools::default(),
            advice: Advice::default(),
            server_limits: ServerLimits::default(),
            serve: Serve::default(),
            require_isolation: false,
            audit: Audit::default(),
            call_timeout: CALL_TIMEOUT,
            start_timeout: None,
            sampling: Vec::new(),
            roots: Vec::new(),
        }
    }
}

/// A key, and how its value is read.
type Key = (&'static str, fn(&mut Settings, &mut Setting<'_, '_, '_>));

const COORDINATOR: &[Key] = &[
    ("limits", |to, value| value.section(LIMITS, to)),
    ("tools", |to, value| value.section(TOOLS, to)),
    ("advice", |to, value| {
        // Whoever writes the section wants to hear something.
        to.advice.mode = AdviceMode::Warn;
        value.section(ADVICE, to);
    }),
    ("passThrough", |to, value| value.section(PASS_THROUGH, to)),
    ("serve", |to, value| value.section(SERVE, to)),
    ("requireIsolation", |to, value| {
        value.flag().set(&mut to.require_isolation);
    }),
    ("audit", |to, value| value.section(AUDIT, to)),
    ("callTimeout", |to, value| {
        value.span().set(&mut to.call_timeout)
    }),
    ("startTimeout", |to, value| {
        value.span().set(&mut to.start_timeout)
    }),
    ("maxInFlight", |to, value| {
        value.in_flight().set(&mut to.server_limits.in_flight)
    }),
    ("maxInFlightPerServer", |to, value| {
        value
            .in_flight()
            .set(&mut to.server_limits.in_flight_per_server);
    }),
    ("maxMessage", |to, value| {
        let bytes = value
            .bytes()
            .map(|bytes| bytes.try_into().unwrap_or(usize::MAX));
        bytes.set(&mut to.server_limits.message);
    }),
];

const LIMITS: &[Key] = &[
    ("timeout", |to, value| {
        value.span().set(&mut to.limits.timeout)
    }),
    ("memory", |to, value| {
        value.memory().set(&mut to.limits.memory)
    }),
    ("fuel", |to, value| {
        value.count(u64::MAX).set(&mut to.limits.fuel)
    }),
    ("maxCalls", |to, value| {
        value.count(u32::MAX).set(&mut to.limits.max_calls)
    }),
    ("maxOutput", |to, value| {
        value.bytes().set(&mut to.limits.max_output)
    }),
    ("maxContent", |to, value| {
        value.bytes().set(&mut to.limits.max_content)
    }),
    ("workspaceSize", |to, value| {
        value.bytes().set(&mut to.quota.bytes)
    }),
    ("fileSize", |to, value| {
        value.bytes().set(&mut to.quota.file_bytes)
    }),
    ("maxFiles", |to, value| {
        value.count(u64::MAX).set(&mut to.quota.inodes)
    }),
];

const CHANGES: [(&str, Changes); 2] = [("refuse", Changes::Refuse), ("accept", Changes::Accept)];

const TOOLS: &[Key] = &[
    ("allow", |to, value| to.tools.allow = Some(value.patterns())),
    ("ask", |to, value| to.tools.ask = value.patterns()),
    ("trust", |to, value| to.tools.trust = value.patterns()),
    ("deny", |to, value| to.tools.deny = value.patterns()),
    ("changes", |to, value| {
        value.choice(&CHANGES).set(&mut to.tools.changes)
    }),
];

const ADVICE: &[Key] = &[
    ("mode", |to, value| {
        value.choice(&AdviceMode::ALL).set(&mut to.advice.mode)
    }),
    ("allowedModules", |to, value| {
        to.advice.allowed_modules = Some(value.modules());
    }),
    ("deniedModules", |to, value| {
        to.advice.denied_modules = value.modules()
    }),
    ("allowedConstructs", |to, value| {
        to.advice.allowed_constructs = value.constructs();
    }),
];

const PASS_THROUGH: &[Key] = &[
    ("sampling", |to, value| to.sampling = value.names()),
    ("roots", |to, value| to.roots = value.names()),
];

const SERVE: &[Key] = &[
    ("maxTokens", |to, value| {
        value.count(MAX_TOKENS).set(&mut to.serve.max_tokens)
    }),
    ("longestTimeout", |to, value| {
        value.span().set(&mut to.serve.max_timeout)
    }),
    ("runs", |to, value| {
        value.count(MAX_RUNS).set(&mut to.serve.runs)
    }),
    ("sessions", |to, value| {
        value.count(MAX_RUNS).set(&mut to.serve.sessions)
    }),
    ("sessionMemory", |to, value| {
        value.bytes().set(&mut to.serve.session_memory)
    }),
    ("sessionIdle", |to, value| {
        value.span().set(&mut to.serve.session_idle)
    }),
    ("sessionAge", |to, value| {
        value.span().set(&mut to.serve.session_age)
    }),
];

const ARGUMENTS: [(&str, Arguments); 2] =
    [("shapes", Arguments::Shapes), ("full", Arguments::Full)];

const AUDIT: &[Key] = &[
    ("enabled", |to, value| {
        value.flag().set(&mut to.audit.enabled)
    }),
    ("directory", |to, value| {
        value.path().set(&mut to.audit.directory)
    }),
    ("arguments", |to, value| {
        value.choice(&ARGUMENTS).set(&mut to.audit.arguments)
    }),
    ("maxSize", |to, value| {
        value.size(MIN_AUDIT_FILE).set(&mut to.audit.max_size)
    }),
    ("keep", |to, value| {
        value.at_least(2, MAX_AUDIT_FILES).set(&mut to.audit.keep)
    }),
    ("required", |to, value| {
        value.flag().set(&mut to.audit.required)
    }),
];

/// A smaller file holds a few runs, and there would be thousands of them.
const MIN_AUDIT_FILE: u64 = 64 << 10;

/// More files of one chain are slow to list.
const MAX_AUDIT_FILES: u32 = 10_000;

/// Tokens of one answer that can be asked for: more than any model reads.
const MAX_TOKENS: u32 = 1_000_000;

/// More programs than that do not run at the same time on any machine, and
/// memory is reserved for each.
const MAX_RUNS: u32 = 10_000;

pub(super) fn read(report: &mut Report<'_>, section: &Value<'_>) -> Settings {
    let mut settings = Settings::default();
    let mut section = Setting {
        report,
        value: section,
        path: "coordinator".to_owned(),
    };
    section.section(COORDINATOR, &mut settings);
    settings
}

/// The value of one key.
struct Setting<'v, 'r, 't> {
    report: &'r mut Report<'t>,
    value: &'v Value<'v>,
    /// Its keys from the top of the file, joined by dots.
    path: String,
}

impl Setting<'_, '_, '_> {
    fn what(&self) -> String {
        format!("`{}`", self.path)
    }

    fn section(&mut self, keys: &[Key], settings: &mut Settings) {
        let what = self.what();
        let fields = self.report.fields(self.value, &what).unwrap_or_default();
        for field in fields {
            let Some((_, read)) = keys.iter().find(|(key, _)| *key == field.name) else {
                let known: Vec<_> = keys.iter().map(|(key, _)| *key).collect();
                self.report.error(
                    field.name_range,
                    format!("{what} has the unknown key {}", quoted(field.name)),
                    Some(Report::did_you_mean(field.name, &known)),
                );
                continue;
            };
            // `null` leaves the default, so that a file can show every key.
            if let Value::NullKeyword(_) = field.value {
                continue;
            }
            let mut setting = Setting {
                report: &mut *self.report,
                value: field.value,
                path: format!("{}.{}", self.path, field.name),
            };
            read(settings, &mut setting);
        }
    }

    fn span(&mut self) -> Option<Duration> {
        let what = self.what();
        self.report.span(self.value, &what).map(|span| span.0)
    }

    fn bytes(&mut self) -> Option<u64> {
        let what = self.what();
        self.report.bytes(self.value, &what).map(|bytes| bytes.0)
    }

    fn memory(&mut self) -> Option<u64> {
        let bytes = self.bytes()?;
        let text = match self.value {
            Value::StringLit(text) => text.value.as_ref(),
            Value::NumberLit(number) => number.value,
            _ => return None,
        };
        if let Err(error) = Bytes::of_memory(text) {
            let message = format!("{}: {error}", self.what());
            self.report.error(self.value.range(), message, None);
            return None;
        }
        Some(bytes)
    }

    fn count<N: Copy + Into<u64> + TryFrom<u64>>(&mut self, max: N) -> Option<N> {
        let what = self.what();
        let count = self.report.count(self.value, &what, max.into())?;
        count.try_into().ok()
    }

    fn at_least(&mut self, least: u32, most: u32) -> Option<u32> {
        let count = self.count(most)?;
        if count < least {
            let message = format!("{} must be at least {least}", self.what());
            self.report.error(self.value.range(), message, None);
            return None;
        }
        Some(count)
    }

    fn size(&mut self, least: u64) -> Option<u64> {
        let bytes = self.bytes()?;
        if bytes < least {
            let message = format!("{} must be at least {}", self.what(), Bytes(least));
            self.report.error(self.value.range(), message, None);
            return None;
        }
        Some(bytes)
    }

    /// A path as it is written.
    fn path(&mut self) -> Option<PathBuf> {
        let what = self.what();
        let text = self.report.text(self.value, &what)?;
        let wrong = match text.value.as_ref() {
            "" => "is empty",
            text if text.contains('\0') => "contains a NUL character",
            // In a path somebody might mean them.
            text if text.contains("${") => "is a path, in which variables are not replaced",
            text => return Some(text.into()),
        };
        self.report
            .error(text.range, format!("{what} {wrong}"), None);
        None
    }

    fn in_flight(&mut self) -> Option<usize> {
        self.count(MAX_IN_FLIGHT).map(|count| count as usize)
    }

    fn flag(&mut self) -> Option<bool> {
        let value = self.value;
        let Value::BooleanLit(flag) = value else {
            let what = self.what();
            self.report.wrong_type(value, &what, "`true` or `false`");
            return None;
        };
        Some(flag.value)
    }

    /// One of some texts.
    fn choice<T: Copy>(&mut self, choices: &[(&str, T)]) -> Option<T> {
        let written = match self.value {
            Value::StringLit(text) => Some(text.value.as_ref()),
            _ => None,
        };
        let found = choices.iter().find(|(name, _)| Some(*name) == written);
        if found.is_none() {
            let names: Vec<_> = choices
                .iter()
                .map(|(name, _)| format!("\"{name}\""))
                .collect();
            let what = self.what();
            self.report.wrong_type(self.value, &what, &or_list(&names));
        }
        found.map(|(_, choice)| *choice)
    }

    fn modules(&mut self) -> Vec<ModulePattern> {
        let what = self.what();
        let mut modules = Vec::new();
        for text in self.report.texts(self.value, &what).unwrap_or_default() {
            match text.value.parse() {
                Ok(pattern) => modules.push(pattern),
                Err(error) => self
                    .report
                    .error(text.range, format!("{what}: {error}"), None),
            }
        }
        modules
    }

    fn constructs(&mut self) -> Vec<Construct> {
        let what = self.what();
        let mut constructs = Vec::new();
        for text in self.report.texts(self.value, &what).unwrap_or_default() {
            match text.value.parse() {
                Ok(construct) => constructs.push(construct),
                Err(error) => {
                    let known: Vec<_> = Construct::ALL.iter().map(|each| each.name()).collect();
                    let hint = Report::did_you_mean(&text.value, &known);
                    self.report
                        .error(text.range, format!("{what}: {error}"), Some(hint));
                }
            }
        }
        constructs
    }

    fn names(&mut self) -> Vec<(String, Range)> {
        let what = self.what();
        let names = self.report.texts(self.value, &what).unwrap_or_default();
        names
            .into_iter()
            .map(|name| (name.value.to_string(), name.range))
            .collect()
    }

    fn patterns(&mut self) -> Vec<String> {
        let what = self.what();
        let mut patterns = Vec::new();
        for text in self.report.texts(self.value, &what).unwrap_or_default() {
            match Glob::new(&text.value) {
                Ok(_) => patterns.push(text.value.to_string()),
                Err(error) => self.report.error(
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
}

/// A value that was read, put where it belongs; nothing is changed by one that
/// was wrong.
trait Set<T> {
    fn set(self, to: &mut T);
}

impl<T> Set<T> for Option<T> {
    fn set(self, to: &mut T) {
        if let Some(value) = self {
            *to = value;
        }
    }
}

/// For settings that have no default here.
impl<T> Set<Option<T>> for Option<T> {
    fn set(self, to: &mut Option<T>) {
        if self.is_some() {
            *to = self;
        }
    }
}
