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
    /// Values of variables inside `value` that are secrets by their names.
    secrets: Vec<String>,
}

/// Shorter values are not treated as secrets: removing every `yes` or `8080`
/// from a text destroys it and hides nothing.
const MIN_SECRET: usize = 8;

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

    /// Makes the whole value a secret.
    pub(super) fn with_whole_secret(self) -> Self {
        let value = self.value.clone();
        self.with_secret(&value)
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
    let name = name.to_ascii_lowercase();
    [
        "key", "token", "secret", "pass", "auth", "cred", "cookie", "private", "session", "pat",
        "dsn",
    ]
    .iter()
    .any(|word| {
        // `PAT` is a token but `PATH` is not: short words must be whole.
        match word.len() {
            ..=3 if *word != "key" => name.split(['_', '-', '.']).any(|part| part == *word),
            _ => name.contains(word),
        }
    })
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
        ] {
            assert!(sounds_secret(name), "{name}");
        }
        for name in ["PATH", "HOME", "LANG", "PORT", "X_PATTERN"] {
            assert!(!sounds_secret(name), "{name}");
        }
    }
}
