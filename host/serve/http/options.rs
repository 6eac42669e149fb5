//! What an operator decides about the server, and the bounds it keeps.

use std::{io, net::SocketAddr, time::Duration};

use super::token::Token;

/// How the server is reached, by whom, and how much of it anyone may use.
///
/// The defaults suit one person, or a small team behind one address. Without
/// [`tokens`](Self::tokens) the server answers on a loopback address only.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may call. Each token is a caller of its own. None by default, which
    /// is refused unless the listener is bound to a loopback address.
    pub tokens: Vec<Token>,
    /// Names clients may use in `Host`, besides `localhost`, loopback
    /// addresses and the address that was connected to: `name` for any port,
    /// `name:port` for one. None by default.
    pub hosts: Vec<String>,
    /// Origins whose web pages may call, exactly as browsers send them:
    /// `https://app.example`. None by default, so that no page may.
    pub origins: Vec<String>,
    /// Bytes of the longest request. 4 MiB by default.
    pub max_body: usize,
    /// Time for the headers of a request, and how long an idle connection is
    /// kept. 15 s by default.
    pub header_timeout: Duration,
    /// Time for the body of a request. 30 s by default.
    pub body_timeout: Duration,
    /// Time in which a client has to read some of what it is sent. 60 s by
    /// default.
    pub write_timeout: Duration,
    /// Connections at once. One more takes the place of that which has waited
    /// longest without asking. 1,024 by default.
    pub connections: usize,
    /// Requests in progress at once, on all connections. 256 by default.
    pub requests: usize,
    /// Streams at once that only wait for messages of the server: GET in the
    /// revisions that have sessions, `subscriptions/listen` in the others. 256
    /// by default.
    pub streams: usize,
    /// Sessions at once, in the revisions that have them. A caller's new one
    /// takes the place of its own least recently used. 256 by default.
    pub sessions: usize,
    /// How long such a session is kept with nothing happening in it. 30
    /// minutes by default; a single call that takes longer ends with it.
    pub session_idle: Duration,
    /// Requests of one caller. 50 a second by default, 200 at once.
    pub rate: Rate,
    /// Time for requests in progress when the server is told to stop. 10 s by
    /// default.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
            max_body: 4 << 20,
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            connections: 1024,
            requests: 256,
            streams: 256,
            sessions: 256,
            session_idle: Duration::from_secs(30 * 60),
            rate: Rate {
                per_second: 50,
                burst: 200,
            },
            grace: Duration::from_secs(10),
        }
    }
}

/// A steady rate, and how far above it a caller may go for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second, in the long run.
    pub per_second: u32,
    /// Requests at once, after a pause.
    pub burst: u32,
}

impl Options {
    /// Whether a server may be started on this address.
    ///
    /// # Errors
    ///
    /// The address can be reached from other machines and there is no token:
    /// whoever reaches it could run code. [`serve`](super::serve()) refuses it
    /// too; asking first lets a command line say so before it does anything.
    pub fn check(&self, address: SocketAddr) -> io::Result<()> {
        if !self.tokens.is_empty() || address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "refusing to listen on {address} without authentication: others can reach this \
                 address, and whoever reaches it may run code and use your servers"
            ),
        ))
    }
}
