//! Text that must not be shown as it is.
//!
//! Most values of a server entry may carry a secret, written there or brought
//! in by a variable. Such text prints as the operator wrote it, or not at all;
//! whoever needs the value itself has to ask for it by name, which makes every
//! such place easy to find.

use std::fmt;

/// Text from the configuration with a form that may be shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret {
    value: String,
    shown: String,
    /// What of `value` is secret.
    secrets: Vec<String>,
}

/// Shorter values are not treated as secrets: removing every `yes` or `8080`
/// from a text destroys it and hides nothing.
pub(super) const MIN_SECRET: usize = tools::servers::MIN_SECRET;

impl Secret {
    /// A value that shows as `shown`, usually with its variables unexpanded.
    pub(super) fn new(value: impl Into<String>, shown: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            shown: shown.into(),
            secrets: Vec::new(),
        }
    }

    /// A value that never shows.
    pub(super) fn hidden(value: impl Into<String>) -> Self {
        Self::new(value, "").hide()
    }

    /// The value itself, to be handed to the server and to nobody else.
    pub(super) fn expose(&self) -> &str {
        &self.value
    }

    /// The same, without a copy.
    pub(super) fn into_value(self) -> String {
        self.value
    }

    /// What must not appear in text for programs, models or logs.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    /// The same value, never shown.
    pub(super) fn hide(mut self) -> Self {
        self.shown = "[redacted]".to_owned();
        self
    }

    /// Adds the secrets in it, by the name it has.
    pub(super) fn with_secrets_of(self, name: &str, kind: Kind) -> Self {
        let secrets = secrets_in(name, &self.value, kind);
        self.with_secrets(secrets)
    }

    /// Adds parts of the value that are secrets.
    pub(super) fn with_secrets(self, secrets: Vec<String>) -> Self {
        let add = |value: Self, secret: &String| value.with_secret(secret);
        secrets.iter().fold(self, add)
    }

    /// Adds a part of the value that is a secret.
    pub(super) fn with_secret(mut self, secret: &str) -> Self {
        if secret.len() >= MIN_SECRET && !self.secrets.iter().any(|known| known == secret) {
            self.secrets.push(secret.to_owned());
        }
        self
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown, formatter)
    }
}

/// Whether a variable or header of this name usually holds a secret. A path
/// such as `HOME` must not count: it appears in honest results.
pub(super) fn sounds_secret(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "key", "token", "secret", "pass", "pwd", "auth", "bearer", "cred", "cookie", "private",
        "session", "webhook", "jwt", "pat", "dsn",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| {
        // `PAT` is a token but `PATH` is not: short words must be whole.
        match word.len() {
            ..=3 if !["key", "pwd"].contains(word) => {
                name.split(['_', '-', '.']).any(|part| part == *word)
            }
            _ => name.contains(word),
        }
    })
}

/// Whether a value is a secret whatever its variable is called: it begins as
/// tokens of a well-known service do, or nobody would type it.
fn looks_secret(value: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "sk-",
        "sk_",
        "rk_",
        "xoxb-",
        "xoxp-",
        "xapp-",
        "AKIA",
        "ASIA",
        "AIza",
        "ya29.",
        "eyJ",
        "hf_",
        "npm_",
        "pypi-",
        "SG.",
        "dop_v1_",
        "shpat_",
        "lin_api_",
        "ntn_",
        "-----BEGIN ",
    ];
    const LENGTH: usize = 24;
    if BEGINNINGS.iter().any(|start| value.starts_with(start)) {
        return true;
    }
    let count = |is: fn(&u8) -> bool| value.bytes().filter(is).count();
    let is_hex = value.len() >= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    // No path, address or sentence.
    let is_word = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_+=".contains(&byte));
    let is_mixed = count(u8::is_ascii_digit) >= 3
        && count(u8::is_ascii_uppercase) >= 3
        && count(u8::is_ascii_lowercase) >= 3;
    is_hex || (value.len() >= LENGTH && is_word && is_mixed)
}

/// Whether a header plainly holds no secret. Headers that somebody writes into a
/// configuration are there to identify them, unless they say what is wanted.
fn is_plain_header(name: &str, value: &str) -> bool {
    const NAMES: &[&str] = &[
        "user-agent",
        "content-type",
        "origin",
        "referer",
        "cache-control",
    ];
    let name = name.to_ascii_lowercase();
    let is_word = |byte: u8| byte.is_ascii_alphabetic() || b" -_.,;".contains(&byte);
    let is_number = |byte: u8| byte.is_ascii_digit() || b" -.:".contains(&byte);
    name.starts_with("accept")
        || NAMES.contains(&&*name)
        || value.bytes().all(is_word)
        || value.bytes().all(is_number)
}

/// Why a value is kept out of what comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A variable, an argument, or a part of one, by its name or its look.
    Named,
    /// A header.
    Header,
}

/// The secrets in a value of this name: all of it, or what of it is one. Some may
/// be too short to be recognised.
pub(super) fn secrets_in(name: &str, value: &str, kind: Kind) -> Vec<String> {
    let mut secrets = secrets_in_address(value);
    let is_secret = sounds_secret(name)
        || looks_secret(value)
        || kind == Kind::Header && !is_plain_header(name, value);
    if is_secret {
        secrets.push(value.to_owned());
    }
    secrets
}

/// The password and the secrets of the query, where a value is an address.
fn secrets_in_address(value: &str) -> Vec<String> {
    let Some((_, rest)) = value.split_once("://") else {
        return Vec::new();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let password = authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'));
    let mut secrets: Vec<&str> = password.map(|(_, password)| password).into_iter().collect();
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let pairs = query
        .split(['&', '#'])
        .filter_map(|pair| pair.split_once('='));
    let of_query = pairs.filter(|(name, value)| sounds_secret(name) || looks_secret(value));
    secrets.extend(of_query.map(|(_, value)| value));
    secrets.into_iter().map(str::to_owned).collect()
}

/// The secrets in an argument, which may belong to the one before it:
/// `--api-key SECRET`, `--api-key=SECRET`, `API_KEY=SECRET`.
pub(super) fn secrets_in_argument(before: Option<&str>, argument: &str) -> Vec<String> {
    let plain = |name: &str| name.trim_start_matches('-').to_owned();
    if let Some((name, value)) = argument.split_once('=')
        && !name.contains([' ', '/', ':'])
    {
        return secrets_in(&plain(name), value, Kind::Named);
    }
    let named = before.filter(|before| before.starts_with('-') && !before.contains('='));
    match named {
        Some(name) if !argument.starts_with('-') => secrets_in(&plain(name), argument, Kind::Named),
        _ => secrets_in("", argument, Kind::Named),
    }
}

/// Whether a value that should be a secret is too short to be recognised when it
/// comes back. Switches and numbers have such names, too: `MAX_TOKENS`.
pub(super) fn is_too_short(name: &str, value: &str) -> bool {
    const SWITCHES: &[&str] = &["true", "false", "yes", "no", "on", "off", "none", "null"];
    let is_number = value
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    sounds_secret(name)
        && (1..MIN_SECRET).contains(&value.len())
        && !is_number
        && !SWITCHES.contains(&&*value.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_only_what_may_be_shown() {
        let token = Secret::hidden("ghp_0123456789").with_secret("ghp_0123456789");
        assert_eq!(format!("{token} {token:?}"), "[redacted] \"[redacted]\"");
        assert_eq!(token.expose(), "ghp_0123456789");
        assert_eq!(token.secrets().collect::<Vec<_>>(), ["ghp_0123456789"]);
        let url = Secret::new("https://a/0123", "https://a/${ID}").with_secret("0123");
        assert_eq!(format!("{url}"), "https://a/${ID}");
        assert_eq!(url.secrets().count(), 0);
    }

    #[test]
    fn secrets_are_told_by_their_names() {
        for name in [
            "GITHUB_TOKEN",
            "apiKey",
            "GITHUB_PAT",
            "Authorization",
            "DB_PASSWORD",
            "PGPWD",
            "SLACK_WEBHOOK_URL",
        ] {
            assert!(sounds_secret(name), "{name}");
        }
        for name in ["PATH", "HOME", "LANG", "PORT", "X_PATTERN"] {
            assert!(!sounds_secret(name), "{name}");
        }
    }

    #[test]
    fn a_token_is_a_secret_whatever_its_variable_is_called() {
        for value in [
            "ghp_0123456789abcdef",
            "sk-proj-0123456789",
            "eyJhbGciOiJIUzI1NiJ9.e30.x",
            "d41d8cd98f00b204e9800998ecf8427e",
            "tR7mQ2xV9bLk4WzPc8NdYf3H",
        ] {
            assert_eq!(secrets_in("GITHUB", value, Kind::Named), [value]);
        }
        for value in [
            "/home/me/projects/Alpha-2026-Beta-17",
            "https://example.com/a/b",
            "my-project-prod-2024-eu-west1",
            "8d3c1f6e-2b7a-4c55-9e11-0a1b2c3d4e5f",
            "information",
            "en_US.UTF-8",
            "1234567890123456",
        ] {
            assert!(
                secrets_in("SETTING", value, Kind::Named).is_empty(),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_secret_of_a_value_is_found() {
        let of = |name: &str, value: &str, kind| secrets_in(name, value, kind);
        assert_eq!(
            of("Authorization", "Bearer abcdefghij", Kind::Header),
            ["Bearer abcdefghij"]
        );
        assert_eq!(of("X-Who", "team-17-abc", Kind::Header), ["team-17-abc"]);
        for (name, value) in [
            ("Accept", "text/html;q=0.9"),
            ("X-Api-Version", "2026-11-29"),
            ("X-Mode", "read-only"),
            ("User-Agent", "me/1.0"),
        ] {
            assert!(of(name, value, Kind::Header).is_empty(), "{name}");
        }
        assert_eq!(
            of(
                "DATABASE_URL",
                "postgres://me:p%40ssw0rd1@db/x",
                Kind::Named
            ),
            ["p%40ssw0rd1"]
        );
        assert_eq!(
            of(
                "",
                "https://example.com/mcp?api_key=0123456789&page=2",
                Kind::Named
            ),
            ["0123456789"]
        );
    }

    #[test]
    fn secrets_in_arguments_are_told_by_their_flags() {
        let secret = ["hunter2hunter2"];
        assert_eq!(secrets_in_argument(Some("--api-key"), secret[0]), secret);
        assert_eq!(secrets_in_argument(None, "--token=hunter2hunter2"), secret);
        assert_eq!(
            secrets_in_argument(Some("-e"), "API_KEY=hunter2hunter2"),
            secret
        );
        assert!(secrets_in_argument(Some("--port"), "hunter2hunter2").is_empty());
        assert!(secrets_in_argument(Some("--token"), "--verbose").is_empty());
        assert!(secrets_in_argument(Some("--token=x"), "hunter2hunter2").is_empty());
    }

    #[test]
    fn short_secrets_are_told_from_switches() {
        assert!(is_too_short("API_KEY", "hunter2"));
        for (name, value) in [
            ("API_KEY", "hunter22"),
            ("API_KEY", ""),
            ("API_KEY_NEEDED", "True"),
            ("MAX_TOKENS", "4096"),
            ("NAME", "hunter2"),
        ] {
            assert!(!is_too_short(name, value), "{name}");
        }
    }
}
