//! How the server of an entry is reached: what to start or where to connect,
//! and the values that go there.

// CONTRIBUTING.md, "To add a transport".

use std::path::Path;

use contract::text::quoted;
use jsonc_parser::{
    ast::{StringLit, Value},
    common::{Range, Ranged},
};
use stubs::names::nearest;
use tools::servers::{Http, Transport};

use super::{
    document::Field,
    secret::{self, MIN_SECRET, Secret, is_too_short, secrets_in},
    servers::{Entry, KEYS},
    variables::{Fault, MAX_VALUE, expand},
};

/// How a server is reached, and what of it may be said to whom.
pub(super) struct Reached {
    pub(super) transport: Transport,
    /// For people: as it is written in the file, without what may authorise.
    pub(super) written: String,
    /// Values that must not appear in text for programs, models or logs.
    pub(super) secrets: Vec<String>,
}

impl Entry<'_, '_> {
    pub(super) fn transport<'v>(
        &mut self,
        entry: &Field<'_>,
        fields: &[Field<'_>],
        get: &impl Fn(&str) -> Option<Field<'v>>,
    ) -> Option<Reached> {
        let kind = get("type").or_else(|| get("transport"));
        let kind = match kind {
            Some(field) => Some((self.kind(&field)?, field)),
            None => None,
        };
        match (kind, get("command"), get("url")) {
            (Some((Kind::Stdio, _)) | None, Some(command), None) => {
                if let Some(field) = get("headers") {
                    self.no_effect(&field, "a server with a `command`");
                }
                self.stdio(&command, get)
            }
            (Some((Kind::Http, _)) | None, None, Some(url)) => {
                for key in ["args", "env", "environment", "cwd"] {
                    if let Some(field) = get(key) {
                        self.no_effect(&field, "a server with a `url`");
                    }
                }
                self.http(&url, get("headers"))
            }
            (Some((Kind::Stdio, field)), None, _) => {
                let message = format!(
                    "{} has the type {} and needs a `command`",
                    self.subject,
                    self.report.raw(&field.value.range())
                );
                self.error(field.value.range(), message, None)
            }
            (Some((Kind::Http, field)), _, None) => {
                let message = format!(
                    "{} has the type {} and needs a `url`",
                    self.subject,
                    self.report.raw(&field.value.range())
                );
                self.error(field.value.range(), message, None)
            }
            (_, Some(_), Some(url)) => {
                let message = format!("{} has both a `command` and a `url`", self.subject);
                let hint =
                    "keep `command` to start a program, or `url` to connect to a running server";
                self.error(url.name_range, message, Some(hint))
            }
            (None, None, None) => {
                let message = format!("{} has neither a `command` nor a `url`", self.subject);
                let misspelt = fields.iter().find_map(|field| {
                    let meant = nearest(field.name, ["command", "url"]);
                    let meant = meant.first()?;
                    let is_known = KEYS.contains(&field.name);
                    (!is_known).then(|| (field.name_range, field.name, (*meant).to_owned()))
                });
                match misspelt {
                    Some((range, name, meant)) => {
                        let hint = format!("did you mean `{meant}` by {}?", quoted(name));
                        self.error(range, message, Some(&hint))
                    }
                    None => {
                        let hint = "write the program to start as `command`, or the address to connect to as `url`";
                        self.error(entry.name_range, message, Some(hint))
                    }
                }
            }
        }
    }

    fn kind(&mut self, field: &Field<'_>) -> Option<Kind> {
        let text = self.report.text(field.value, &self.what(field.name))?;
        let folded: String = text
            .value
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|character| character.to_ascii_lowercase())
            .collect();
        match folded.as_str() {
            "stdio" | "local" => Some(Kind::Stdio),
            "http" | "streamablehttp" | "remote" => Some(Kind::Http),
            "sse" => {
                let message = format!(
                    "{} uses the HTTP+SSE transport, which MCP has retired: there is no client for it here",
                    self.subject
                );
                let hint = "most servers also speak Streamable HTTP, often at `/mcp` in place of `/sse`: set `type` to `http` and change the `url`";
                self.error(text.range, message, Some(hint))
            }
            _ => {
                let message = format!(
                    "{} has the unknown type {}",
                    self.subject,
                    quoted(&text.value)
                );
                self.error(text.range, message, Some("known are `stdio` and `http`"))
            }
        }
    }

    fn http(&mut self, field: &Field<'_>, headers: Option<Field<'_>>) -> Option<Reached> {
        let what = self.what("url");
        let headers = match headers {
            Some(field) => self.pairs(&field, Pairs::Headers),
            None => Some(Vec::new()),
        };
        let text = self.report.text(field.value, &what)?;
        let url = self.value(text, &what)?;
        let (scheme, rest) = url.expose().split_once("://").unwrap_or(("", ""));
        let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        if !is_http || rest.is_empty() || rest.starts_with(['/', '?', '#']) {
            let message = format!("{what} is not an `http://` or `https://` address");
            return self.error(text.range, message, None);
        }
        if url.expose().contains(char::is_whitespace) {
            let message = format!("{what} contains a space");
            return self.error(text.range, message, Some("write it as `%20`"));
        }
        let headers = headers?;
        let mut secrets = Secrets::default();
        Some(Reached {
            written: without_credentials(&text.value),
            transport: Transport::Http(Http {
                url: secrets.reveal(url),
                headers: secrets.reveal_pairs(headers),
            }),
            secrets: secrets.into_values(),
        })
    }

    /// Names with values that never show: variables, headers.
    pub(super) fn pairs(&mut self, field: &Field<'_>, of: Pairs) -> Option<Vec<(String, Secret)>> {
        let what = self.what(field.name);
        let fields = self.report.fields(field.value, &what)?;
        // Not stopped by the first problem, so that all are reported.
        let pairs: Vec<_> = fields
            .iter()
            .map(|pair| self.pair(pair, field.name, of))
            .collect();
        pairs.into_iter().collect()
    }

    fn pair(&mut self, pair: &Field<'_>, key: &str, of: Pairs) -> Option<(String, Secret)> {
        let what = format!("{}: `{key}.{}`", self.subject, plain(pair.name));
        if let Err(problem) = of.check_name(pair.name) {
            return self.error(pair.name_range, format!("{what} {problem}"), None);
        }
        let value = match pair.value {
            // Other clients take these, and what is meant is plain.
            Value::NumberLit(number) => {
                Secret::hidden(number.value).with_secrets_of(pair.name, of.kind())
            }
            Value::BooleanLit(flag) => Secret::hidden(flag.value.to_string()),
            value => {
                let text = self.report.text(value, &what)?;
                let value = self.value(text, &what)?;
                if of == Pairs::Headers && value.expose().contains(['\r', '\n']) {
                    return self.error(text.range, format!("{what} contains a line break"), None);
                }
                if is_too_short(pair.name, value.expose()) {
                    let message = format!(
                        "{what} has fewer than {MIN_SECRET} bytes: too few to be recognised, so it is not removed from what the server answers"
                    );
                    let hint = "use a longer secret".to_owned();
                    self.report.warning(text.range, message, Some(hint));
                }
                value.hide().with_secrets_of(pair.name, of.kind())
            }
        };
        Some((pair.name.to_owned(), value))
    }

    /// A text with its variables replaced; shows as it was written.
    pub(super) fn value(&mut self, text: &StringLit<'_>, what: &str) -> Option<Secret> {
        let lookup = |name: &str| match self.of_editors(name) {
            Some(value) => Ok(value),
            None => (self.context.variables)(name),
        };
        let mut expanded = match expand(&text.value, &lookup) {
            Ok(expanded) => expanded,
            Err(fault) => return self.fault(text, what, fault),
        };
        // No shell does it, and nobody means a folder of that name.
        if let Some(rest) = text.value.strip_prefix('~')
            && (rest.is_empty() || rest.starts_with('/'))
            && let Some(home) = self.context.home()
        {
            expanded.text.replace_range(..1, &home);
        }
        if expanded.text.contains('\0') {
            return self.error(text.range, format!("{what} contains a NUL character"), None);
        }
        let mut value = Secret::new(expanded.text, text.value.as_ref());
        for (name, secret) in &expanded.used {
            value = value.with_secrets(secrets_in(name, secret, secret::Kind::Named));
        }
        Some(value.with_secrets_of("", secret::Kind::Named))
    }

    /// What editors put in place of a name of theirs.
    fn of_editors(&self, name: &str) -> Option<String> {
        let folder = self.context.workspace_folder();
        let text = |path: &Path| path.to_str().map(str::to_owned);
        match name {
            "workspaceFolder" | "workspaceRoot" => text(folder),
            "workspaceFolderBasename" => folder.file_name()?.to_str().map(str::to_owned),
            "userHome" => self.context.home(),
            "pathSeparator" | "/" => Some("/".to_owned()),
            _ => None,
        }
    }

    fn fault<T>(&mut self, text: &StringLit<'_>, what: &str, fault: Fault) -> Option<T> {
        let whole = text.range;
        match fault {
            Fault::Unset { name } => {
                let message = format!("{what} needs the variable `{name}`, which is not set");
                let hint = format!(
                    "set it in the environment or as `{name}=…` in `.env` beside this file, give a default with `${{{name}:-…}}`, or switch the server off with `\"disabled\": true`"
                );
                let place = self.reference(whole, &name);
                self.error(place, message, Some(&hint))
            }
            Fault::NotUnicode { name } => {
                let message =
                    format!("{what} needs the variable `{name}`, whose value is not valid UTF-8");
                let place = self.reference(whole, &name);
                self.error(place, message, None)
            }
            Fault::BadName { name } => {
                let message = format!("{what} refers to {}, which is no variable", quoted(&name));
                let hint = if name.starts_with("input:") {
                    "this program cannot ask for values: write `${NAME}` and set the variable in `.env`"
                } else {
                    "write `${NAME}`, `${NAME:-default}`, or `$${` for a plain `${`"
                };
                self.error(whole, message, Some(hint))
            }
            Fault::Unterminated => {
                let message = format!("{what} has a `${{` without its `}}`");
                self.error(whole, message, Some("write `$${` for a plain `${`"))
            }
            Fault::TooLong => {
                let message = format!("{what} is longer than {MAX_VALUE} bytes");
                self.error(whole, message, None)
            }
        }
    }

    /// Where in a literal a variable is named; the literal when that is
    /// written with escapes.
    fn reference(&self, literal: Range, name: &str) -> Range {
        let raw = self.report.raw(&literal);
        for start in [format!("${{{name}"), format!("${{env:{name}")] {
            for (offset, found) in raw.match_indices(&start) {
                let after = &raw[offset + found.len()..];
                if let Some(end) = after.find('}')
                    && after.starts_with(['}', ':'])
                {
                    let at = literal.start + offset;
                    return Range::new(at, at + found.len() + end + 1);
                }
            }
        }
        literal
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Stdio,
    Http,
}

/// What a set of pairs is, which decides what its names and values may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairs {
    Variables,
    Headers,
}

impl Pairs {
    fn kind(self) -> secret::Kind {
        match self {
            Self::Variables => secret::Kind::Named,
            Self::Headers => secret::Kind::Header,
        }
    }

    fn check_name(self, name: &str) -> Result<(), &'static str> {
        // A token of RFC 9110; anything else could end the header and start
        // another.
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        match self {
            _ if name.is_empty() => Err("has no name"),
            Pairs::Variables if name.contains(['=', '\0']) => Err("is not the name of a variable"),
            Pairs::Headers if !name.bytes().all(is_token) => Err("is not the name of a header"),
            _ => Ok(()),
        }
    }
}

/// Takes values out of their covers and keeps what is secret of them.
#[derive(Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn reveal(&mut self, value: Secret) -> String {
        self.0.extend(value.secrets().map(str::to_owned));
        value.into_value()
    }

    pub(super) fn reveal_pairs(&mut self, pairs: Vec<(String, Secret)>) -> Vec<(String, String)> {
        pairs
            .into_iter()
            .map(|(name, value)| (name, self.reveal(value)))
            .collect()
    }

    /// Each once.
    pub(super) fn into_values(mut self) -> Vec<String> {
        self.0.sort_unstable();
        self.0.dedup();
        self.0
    }
}

/// The address without what may authorise: user and password, the query.
pub(super) fn without_credentials(written: &str) -> String {
    let (before, rest) = written.split_once("://").unwrap_or(("", written));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (path, query) = match path.find(['?', '#']) {
        Some(at) => (&path[..at], "?…"),
        None => (path, ""),
    };
    let separator = if before.is_empty() { "" } else { "://" };
    format!("{before}{separator}{host}{path}{query}")
}

fn plain(name: &str) -> String {
    quoted(name).trim_matches('`').to_owned()
}
