//! What a server is before it runs: how to reach it and within which limits.
//!
//! Plain data. The configuration module makes these from `mcp.json`, an
//! embedder from its own settings. Nothing here is checked against the world:
//! a command that does not exist shows when the server is first used.

// CONTRIBUTING.md, "To add a transport".

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use super::local::LocalTools;

/// How long a server may take to start and say what it is.
pub const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The same for a server behind a package runner (`npx`, `uvx`, `docker`): at
/// its first start that downloads the server and all it needs. Tens of seconds
/// are common.
pub const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(180);

/// Programs that may download what they run, and what brings them.
const RUNNERS: [(&str, &str); 12] = [
    ("npx", "Node.js"),
    ("npm", "Node.js"),
    ("pnpm", "pnpm"),
    ("pnpx", "pnpm"),
    ("yarn", "Yarn"),
    ("bunx", "Bun"),
    ("uvx", "uv"),
    ("uv", "uv"),
    ("pipx", "pipx"),
    ("deno", "Deno"),
    ("docker", "Docker"),
    ("podman", "Podman"),
];

/// Others of which a server's documentation takes for granted that they are
/// there.
const INTERPRETERS: [(&str, &str); 4] = [
    ("node", "Node.js"),
    ("bun", "Bun"),
    ("python", "Python"),
    ("python3", "Python"),
];

/// How long a call may take, without the time it waited for its turn.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// One server.
#[derive(Clone)]
pub struct ServerSpec {
    /// The name by which programs and policies call it.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// How long a call may take once it was sent. [`CALL_TIMEOUT`] by default.
    pub call_timeout: Duration,
    /// How long it may take to start, and then to list its tools. `None` takes
    /// [`START_TIMEOUT`], or [`DOWNLOAD_TIMEOUT`] to start if its command is a
    /// package runner.
    pub start_timeout: Option<Duration>,
    /// Calls in flight to it; `None` takes [`ServerLimits::in_flight_per_server`].
    pub max_in_flight: Option<usize>,
    /// Texts that must never reach a program: tokens and passwords among the
    /// environment variables and headers. Shorter ones than 8 bytes are not
    /// looked for, because that would shred honest text.
    pub secrets: Vec<String>,
    /// What it may ask of its client beside input from a person. Nothing by
    /// default.
    pub pass_through: PassThrough,
}

impl ServerSpec {
    /// A server with the default bounds and no secrets.
    pub fn new(name: impl Into<String>, transport: Transport) -> Self {
        Self {
            name: name.into(),
            transport,
            call_timeout: CALL_TIMEOUT,
            start_timeout: None,
            max_in_flight: None,
            secrets: Vec::new(),
            pass_through: PassThrough::default(),
        }
    }

    /// Rust functions as a server.
    pub fn local(name: impl Into<String>, tools: LocalTools) -> Self {
        Self::new(name, Transport::Local(Arc::new(tools)))
    }
}

impl fmt::Debug for ServerSpec {
    /// Without what the transport holds, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSpec")
            .field("name", &self.name)
            .field("transport", &self.transport.kind())
            .finish_non_exhaustive()
    }
}

/// What a server may ask of its client, and gets if its calls have callbacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PassThrough {
    /// Text from the client's model (sampling), which costs tokens.
    pub sampling: bool,
    /// The folders that the client works in (roots).
    pub roots: bool,
}

/// How a server is reached.
#[derive(Clone)]
pub enum Transport {
    /// A program that speaks over its standard streams.
    Stdio(Stdio),
    /// A running server, over Streamable HTTP.
    Http(Http),
    /// Functions of this process.
    Local(Arc<LocalTools>),
    /// In no way: what was declared is wrong. It fails alone, when it is used.
    Unusable(Unusable),
}

impl Transport {
    /// One word for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stdio(_) => "stdio",
            Self::Http(_) => "http",
            Self::Local(_) => "local",
            Self::Unusable(_) => "unusable",
        }
    }
}

/// A program to start. No shell is involved.
#[derive(Clone, Default)]
pub struct Stdio {
    /// The program, found on `PATH` if it is a bare name.
    pub command: String,
    /// Its arguments, passed literally.
    pub args: Vec<String>,
    /// Variables in addition to the allow-listed ones of our own environment.
    pub env: Vec<(String, String)>,
    /// Its working directory; ours by default.
    pub cwd: Option<PathBuf>,
}

impl Stdio {
    /// Whether its command is one that may have to download the server first.
    pub(super) fn downloads(&self) -> bool {
        RUNNERS.iter().any(|(name, _)| *name == self.program())
    }

    /// What brings the command, where that is known.
    pub(super) fn comes_with(&self) -> Option<&'static str> {
        let known = RUNNERS.iter().chain(&INTERPRETERS);
        let mut known = known.filter(|(name, _)| *name == self.program());
        known.next().map(|(_, product)| *product)
    }

    /// The name of its command, without a folder.
    fn program(&self) -> &str {
        self.command.rsplit('/').next().unwrap_or_default()
    }
}

/// A server to connect to.
#[derive(Clone, Default)]
pub struct Http {
    /// The endpoint, `http://…` or `https://…`.
    pub url: String,
    /// Headers of every request.
    pub headers: Vec<(String, String)>,
}

/// Why a server cannot be used as it was declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unusable {
    /// In words that programs may read: no paths, addresses or secrets.
    pub reason: String,
    /// What to do about it; for the operator only.
    pub advice: Option<String>,
}

/// What all servers together may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Calls in flight to all servers. 256 by default.
    pub in_flight: usize,
    /// Calls in flight to one server that does not say otherwise. 128 by
    /// default: a hundred calls that a program makes at once run at once.
    pub in_flight_per_server: usize,
    /// Bytes of one message from a server. 8 MiB by default.
    pub message: usize,
    /// Tools of one server. 2,000 by default; the others are left out and
    /// counted.
    pub tools: usize,
    /// Bytes of all tool definitions of one server. 16 MiB by default.
    pub listing: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            in_flight: 256,
            in_flight_per_server: 128,
            message: 8 << 20,
            tools: 2_000,
            listing: 16 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_documented_ones() {
        let limits = ServerLimits::default();
        assert_eq!((limits.in_flight, limits.in_flight_per_server), (256, 128));
        assert_eq!((limits.message, limits.listing), (8 << 20, 16 << 20));
        assert_eq!(limits.tools, 2_000);
        let spec = ServerSpec::local("a", LocalTools::new());
        assert_eq!(spec.call_timeout, Duration::from_secs(60));
        assert_eq!(spec.start_timeout, None);
        assert_eq!(START_TIMEOUT, Duration::from_secs(20));
        assert_eq!(DOWNLOAD_TIMEOUT, Duration::from_secs(180));
        assert_eq!((spec.max_in_flight, spec.secrets.len()), (None, 0));
    }

    #[test]
    fn package_runners_are_known_wherever_they_are() {
        let stdio = |command: &str| Stdio {
            command: command.to_owned(),
            ..Stdio::default()
        };
        assert!(stdio("npx").downloads() && stdio("/usr/local/bin/uvx").downloads());
        assert!(!stdio("python3").downloads() && !stdio("npx-server").downloads());
        assert_eq!(stdio("uvx").comes_with(), Some("uv"));
        assert_eq!(stdio("my-server").comes_with(), None);
    }
}
