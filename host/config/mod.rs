//! The configuration: which servers there are, and within which limits
//! programs run.
//!
//! Two steps lead from the file to its meaning. What was written is read by
//! the private modules here, which do no I/O; what it means, with variables
//! replaced, paths resolved and defaults filled in, is a [`Configuration`], and
//! only that travels. Its fields are the types that run: flags and embedders
//! change them, then ask for a [`toolbox`](Configuration::toolbox) and
//! [options](Configuration::session_options). [`load()`] alone touches the disk
//! and the environment, and it changes neither.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ::audit::Arguments;
use contract::advice::Advice;
use contract::limits::Limits;
use sandbox::files::Quota;
use tools::{
    BadPattern, Grants, SetupError, Toolbox,
    servers::{ServerLimits, ServerSpec},
};

#[cfg(feature = "serve")]
use crate::serve::{ServeOptions, SessionBounds};
use crate::session::{Files, SessionOptions};

mod command;
mod diagnostic;
mod document;
mod file;
mod load;
mod quantity;
mod secret;
mod servers;
mod settings;
#[cfg(test)]
mod tests;
mod transport;
mod variables;

pub use diagnostic::{Diagnostic, Error, Place};
pub use load::{Environment, SourceFile, load};

use diagnostic::shown_path;
pub use quantity::{Bytes, NotAnAmount, Span};

/// Everything the operator decided, ready to be used.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Configuration {
    /// The file all this was read from. `None` when there was none, which is
    /// no error until a program asks for a server.
    pub origin: Option<PathBuf>,
    /// The servers that may be used, in the order of the file. Others can be
    /// added: `configuration.servers.push(ServerSpec::local("shop", tools).into())`.
    pub servers: Vec<Server>,
    /// The names of servers that are switched off.
    pub disabled: Vec<String>,
    /// What each run may consume.
    pub limits: Limits,
    /// What a workspace may hold.
    pub quota: Quota,
    /// What all servers together may take.
    pub server_limits: ServerLimits,
    /// Which tools programs may call.
    pub tools: Tools,
    /// What is said about programs before they run.
    pub advice: Advice,
    /// How `serve` serves.
    pub serve: Serve,
    /// Whether programs only run with every layer of isolation.
    pub require_isolation: bool,
    /// What is recorded of what happens, and where.
    pub audit: Audit,
    /// What is odd but not wrong; to be shown once.
    pub warnings: Vec<Diagnostic>,
    /// What it was read from: the file, and a `.env` if it gave a variable.
    pub files: Vec<SourceFile>,
}

/// One server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Server {
    /// How it is reached and within which bounds.
    pub spec: ServerSpec,
    /// What is started or connected to, for people: the words of the file, with
    /// variables not replaced, addresses without user, password and query.
    pub written: String,
}

/// Which tools programs may call: glob patterns on `server.tool`.
/// [`Grants`] says what they mean together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tools {
    /// Only what matches one of these; everything if absent, and then what
    /// servers call destructive is asked about.
    pub allow: Option<Vec<String>>,
    /// What matches one of these is called after somebody agreed.
    pub ask: Vec<String>,
    /// What matches one of these is called without asking, if it may be called.
    pub trust: Vec<String>,
    /// Never what matches one of these, whatever is allowed.
    pub deny: Vec<String>,
    /// What to do with tools whose servers change them.
    pub changes: Changes,
}

/// What to do with a tool whose definition changes after it was first listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Changes {
    /// It is not called until the program is started again.
    #[default]
    Refuse,
    /// It is called as what it is then.
    Accept,
}

/// How `serve` serves; what is absent has its default. None is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Serve {
    /// Tokens of one answer.
    pub max_tokens: Option<u32>,
    /// The longest time limit that a call may ask for.
    pub max_timeout: Option<Duration>,
    /// Programs that run at the same time.
    pub runs: Option<u32>,
    /// Open sessions of all clients.
    pub sessions: Option<u32>,
    /// Bytes that all open sessions may hold.
    pub session_memory: Option<u64>,
    /// How long an unused session is kept.
    pub session_idle: Option<Duration>,
    /// How old a session may become.
    pub session_age: Option<Duration>,
}

/// What is recorded of what happens; what is absent has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// Whether anything is. By default `serve` records, and other commands do
    /// if a directory is named.
    pub enabled: Option<bool>,
    /// The directory of the record; absolute, or relative to that of the file.
    pub directory: Option<PathBuf>,
    /// What is kept of the arguments of calls.
    pub arguments: Arguments,
    /// Bytes after which a file is full.
    pub max_size: Option<u64>,
    /// Full files that are kept.
    pub keep: Option<u32>,
    /// Whether what cannot be recorded is refused.
    pub required: bool,
}

impl From<ServerSpec> for Server {
    /// A server that no file declares.
    fn from(spec: ServerSpec) -> Self {
        Self {
            written: spec.transport.kind().to_owned(),
            spec,
        }
    }
}

impl Configuration {
    /// Files that count here and that nobody named: a `./mcp.json` that was just
    /// there, a `.env` that is not beside a configuration that was named. A
    /// repository that was cloned can bring them, and they say which programs are
    /// started. Until somebody [agreed](Self::agree) to them, there is no
    /// [`toolbox`](Self::toolbox).
    pub fn found(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(|file| !file.is_named)
    }

    /// The user wants what was [found](Self::found) to be used, having seen what it
    /// starts ([`Server::written`]).
    pub fn agree(&mut self) {
        for file in &mut self.files {
            file.is_named = true;
        }
    }

    /// Whether it has nothing that anybody would have to agree to: no server, and
    /// every setting as it is by default.
    pub fn is_plain(&self) -> bool {
        let Self {
            origin: _,
            servers,
            disabled: _,
            limits,
            quota,
            server_limits,
            tools,
            advice,
            serve,
            require_isolation,
            audit,
            warnings: _,
            files: _,
        } = self;
        let plain = Self::default();
        servers.is_empty()
            && *limits == plain.limits
            && *quota == plain.quota
            && *server_limits == plain.server_limits
            && *tools == plain.tools
            && *advice == plain.advice
            && *serve == plain.serve
            && *require_isolation == plain.require_isolation
            // A folder of anybody's choice is written to, or nothing is.
            && *audit == plain.audit
    }

    /// The tools of all servers. Starts none.
    ///
    /// # Errors
    ///
    /// Nobody [agreed](Self::agree) to what was found. A server that cannot work
    /// as it is declared, or two that programs could not tell apart.
    pub fn toolbox(&self) -> Result<Toolbox, Error> {
        if let Some(found) = self.found().find(|_| !self.is_plain()) {
            return Err(Error::from(Diagnostic::new(format!(
                "`{}` was found and nobody named it or agreed to it",
                shown_path(&found.path)
            ))));
        }
        let setup = |error: SetupError| Error::from(Diagnostic::new(error.to_string()));
        self.tools_of_servers().map_err(setup)
    }

    fn tools_of_servers(&self) -> Result<Toolbox, SetupError> {
        let servers = self.servers.iter().map(|server| server.spec.clone());
        let toolbox = Toolbox::new(servers.collect(), self.server_limits)?;
        Ok(match self.tools.changes {
            Changes::Refuse => toolbox,
            Changes::Accept => toolbox.accepting_changes(),
        })
    }

    /// The tools that programs may call.
    ///
    /// # Errors
    ///
    /// A text in [`tools`](Self::tools) that is no pattern. Those that
    /// [`load()`] read are patterns.
    pub fn grants(&self) -> Result<Grants, BadPattern> {
        let Tools {
            allow,
            ask,
            trust,
            deny,
            ..
        } = &self.tools;
        let grants = match allow {
            Some(allow) => Grants::new(allow, deny),
            None => Grants::all_but(deny),
        };
        grants?.asking(ask)?.trusting(trust)
    }

    /// The options of an audit record, in a folder below `state` where none is
    /// named. The key of the record is in `state` always.
    pub fn audit_options(&self, state: &Path) -> audit::Options {
        let Audit {
            directory,
            arguments,
            max_size,
            keep,
            required,
            ..
        } = &self.audit;
        let folder = directory.clone().unwrap_or_else(|| state.join("audit"));
        let mut options = audit::Options::new(folder, state.join("audit.key"));
        options.arguments = *arguments;
        options.max_size = max_size.unwrap_or(options.max_size);
        options.keep = keep.unwrap_or(options.keep);
        options.required = *required;
        options.configuration = self.origin.clone();
        options
    }

    /// The options of a session with these grants and limits, whose files are
    /// in memory.
    ///
    /// # Errors
    ///
    /// As [`grants`](Self::grants).
    pub fn session_options(&self) -> Result<SessionOptions, BadPattern> {
        Ok(SessionOptions {
            grants: self.grants()?,
            advice: self.advice.clone(),
            limits: self.limits.clone(),
            files: Files::Fresh(self.quota),
            ..SessionOptions::default()
        })
    }

    /// The options of a service with these grants and limits. The longest time
    /// limit that a call may ask for is never less than the limit of those that
    /// ask for none.
    ///
    /// # Errors
    ///
    /// As [`grants`](Self::grants).
    #[cfg(feature = "serve")]
    pub fn serve_options(&self) -> Result<ServeOptions, BadPattern> {
        let default = ServeOptions::default();
        let serve = &self.serve;
        let count = |count: Option<u32>, default| count.map_or(default, |count| count as usize);
        Ok(ServeOptions {
            grants: self.grants()?,
            advice: self.advice.clone(),
            limits: self.limits.clone(),
            quota: self.quota,
            max_timeout: serve
                .max_timeout
                .unwrap_or(default.max_timeout)
                .max(self.limits.timeout),
            output_tokens: count(serve.max_tokens, default.output_tokens),
            sessions: SessionBounds {
                max_open: count(serve.sessions, default.sessions.max_open),
                memory: serve.session_memory.unwrap_or(default.sessions.memory),
                idle: serve.session_idle.unwrap_or(default.sessions.idle),
                age: serve.session_age.unwrap_or(default.sessions.age),
            },
            runs: count(serve.runs, default.runs),
            ..default
        })
    }
}
