//! `serve`: one MCP server in front of all others.

use std::io::{ErrorKind, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::net::TcpListener;
use wasm_coordinator::config::Configuration;
use wasm_coordinator::serve::http::{self, Operator, Rate, Token};
use wasm_coordinator::serve::{Mode, ServeOptions, Service, serve_stdio};
use wasm_coordinator::{Engine, Redactor};

use super::advice::AdviceFlags;
use super::failure::{Failure, reason};
use super::grants::GrantFlags;
use super::isolation::{self, IsolationFlags};
use super::limits::{LimitFlags, set, time};
use super::output;
use super::recording::{self, AuditFlags};
use super::setup::{self, ConfigFlag};
use super::terminal::Message;

/// Serve all configured MCP servers as one.
///
/// Clients get a few tools: to run code that uses the servers as libraries, to
/// find tools, and to read files. Only what the code prints or returns reaches
/// the model. Without --http, it speaks over stdin and stdout:
///
///   { "mcpServers": { "coordinator": { "command": "wasm-coordinator",
///       "args": ["serve", "--config", "/home/me/mcp.json"] } } }
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(super) config: ConfigFlag,
    /// Which tools to offer
    #[arg(long, value_enum, default_value_t = ModeFlag::Code)]
    mode: ModeFlag,
    #[command(flatten)]
    grants: GrantFlags,
    /// Tokens of one answer, unless the call sets its own number [default: 4000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    max_tokens: Option<u32>,
    /// Number of open sessions of all clients [default: 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sessions: Option<u32>,
    /// How long an unused session is kept [default: 30m]
    #[arg(long, value_name = "TIME", value_parser = time)]
    session_idle: Option<Duration>,
    /// How logs are written to stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(flatten)]
    audit: AuditFlags,
    #[command(flatten)]
    http: HttpFlags,
    #[command(flatten)]
    advice: AdviceFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    isolation: IsolationFlags,
}

#[derive(Args)]
#[command(next_help_heading = "HTTP")]
struct HttpFlags {
    /// Serve Streamable HTTP at http://ADDR/mcp: `8080` or `localhost:8080` for this machine alone,
    /// `0.0.0.0:8080` for others too
    #[arg(long, value_name = "ADDR", value_parser = listening)]
    http: Option<SocketAddr>,
    /// A file with one bearer token on each line, in addition to `$WASM_COORDINATOR_TOKEN`
    #[arg(long, value_name = "FILE", requires = "http")]
    token_file: Option<PathBuf>,
    /// An origin whose pages may send requests, such as https://app.example.com; may be repeated
    #[arg(long, value_name = "ORIGIN", requires = "http")]
    allow_origin: Vec<String>,
    /// A host name of this server, in addition to its address; may be repeated
    #[arg(long, value_name = "HOST", requires = "http")]
    allow_host: Vec<String>,
    /// Average number of requests per second of one caller; bursts of four times as many are allowed [default: 50]
    #[arg(long, value_name = "N", requires = "http", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How long running requests may take after the signal to stop [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = time, requires = "http")]
    grace: Option<Duration>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeFlag {
    /// For models that write code: `execute` and the tools around it
    Code,
    /// For clients that run code themselves or cannot: `search_tools`, `get_tool_details`, `call_tool`
    Tools,
}

/// How logs are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Serve {
    /// What is logged if the user does not say: on a server for operators more
    /// than in a client's log.
    pub(crate) fn logging(&self) -> (&'static str, LogFormat) {
        let level = if self.http.http.is_some() {
            "info"
        } else {
            "warn"
        };
        (level, self.log_format)
    }

    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let mut configuration = self.config.load(true)?;
        self.overlay(&mut configuration);
        self.isolation.overlay(&mut configuration);
        let options = ServeOptions {
            mode: self.mode.into(),
            ..configuration.serve_options()?
        };
        let http = match self.http.http {
            Some(address) => Some((address, self.http.options(address)?)),
            None => None,
        };
        let sandboxes = 2 * (options.sessions.max_open + options.runs);
        let engine = setup::engine_with_pool(sandboxes)?;
        let recorder = recording::of_serve(&configuration)?;
        setup::block_on_all(async {
            let http = match http {
                Some((address, options)) => Some((listen(address).await?, options)),
                None => None,
            };
            if configuration.require_isolation {
                isolation::check(&engine, &configuration).await?;
            } else {
                tokio::spawn(say_isolation(engine.clone()));
            }
            let toolbox = setup::toolbox(&configuration)?.audited(recorder.clone());
            let toolbox = Arc::new(toolbox);
            let service = Service::new(engine, Arc::clone(&toolbox), options);
            let warming = Arc::clone(&service);
            tokio::task::spawn_blocking(move || {
                if let Err(error) = warming.warm() {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the guests cannot be loaded");
                }
            });
            let served = match http {
                None => {
                    say_what_is_waited_for();
                    let (input, output) = rmcp::transport::io::stdio_pipes();
                    serve_stdio(&service, input, output, setup::interrupted()).await
                }
                Some((listener, options)) => over_http(listener, options, &service).await,
            };
            toolbox.shutdown().await;
            recorder.close();
            served.map(|()| ExitCode::SUCCESS).map_err(Failure::host)
        })
    }

    fn overlay(&self, configuration: &mut Configuration) {
        self.grants.overlay(&mut configuration.tools);
        self.advice.overlay(&mut configuration.advice);
        self.limits.overlay(configuration);
        self.audit.overlay(configuration);
        let serve = &mut configuration.serve;
        set(&mut serve.max_tokens, self.max_tokens.map(Some));
        set(&mut serve.sessions, self.sessions.map(Some));
        set(&mut serve.session_idle, self.session_idle.map(Some));
    }
}

/// One line of the log says what stands between programs and this machine.
async fn say_isolation(engine: Engine) {
    match engine.layers().await {
        Ok(layers) => {
            let all = layers.len();
            let missing: Vec<_> = layers
                .into_iter()
                .filter(|layer| layer.missing().is_some())
                .collect();
            if missing.is_empty() {
                tracing::info!("each session runs in a process of its own, with all {all} layers");
            } else {
                tracing::warn!(
                    "each session runs in a process of its own, without {}",
                    isolation::said(&missing)
                );
            }
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "no process for a session can be started");
        }
    }
}

impl From<ModeFlag> for Mode {
    fn from(flag: ModeFlag) -> Self {
        match flag {
            ModeFlag::Code => Self::Code,
            ModeFlag::Tools => Self::Tools,
        }
    }
}

impl HttpFlags {
    fn options(&self, address: SocketAddr) -> Result<http::Options, Failure> {
        let mut tokens = Vec::new();
        if let Some(file) = &self.token_file {
            let text = std::fs::read_to_string(file).map_err(|error| {
                let message = format!("`{}` cannot be read: {error}", file.display());
                Failure::usage(message, "")
            })?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            for line in lines {
                tokens.push(token(line)?);
            }
            if tokens.is_empty() {
                let message = format!("`{}` holds no token", file.display());
                return Err(Failure::usage(message, "write one a line"));
            }
        }
        if let Ok(text) = std::env::var("WASM_COORDINATOR_TOKEN")
            && !text.is_empty()
        {
            tokens.push(token(&text)?);
        }
        let default = http::Options::default();
        let options = http::Options {
            tokens,
            hosts: self.allow_host.clone(),
            origins: self.allow_origin.clone(),
            rate: self.rate.map_or(default.rate, |per_second| Rate {
                per_second,
                burst: per_second.saturating_mul(4),
            }),
            grace: self.grace.unwrap_or(default.grace),
            ..default
        };
        options.check(address).map_err(|error| {
            Failure::usage(
                error.to_string(),
                "give a token with `--token-file FILE` or `$WASM_COORDINATOR_TOKEN`, or listen on \
                 127.0.0.1",
            )
        })?;
        Ok(options)
    }
}

/// An address to listen on, as people write it. Names are not looked up: what
/// they lead to may change.
fn listening(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let Ok(port) = port.parse::<u16>() else {
        return Err("write a port, or an address and a port: `8080`, `127.0.0.1:8080`".to_owned());
    };
    match host {
        "" | "localhost" => Ok((Ipv4Addr::LOCALHOST, port).into()),
        "*" => Err(format!(
            "write `0.0.0.0:{port}` for all addresses of this machine"
        )),
        _ => Err(format!(
            "write the address in numbers, such as `0.0.0.0:{port}`; \
             `--allow-host {host}` lets clients use the name"
        )),
    }
}

fn token(text: &str) -> Result<Token, Failure> {
    output::keep_out_of_log(Redactor::new([text.trim()]));
    Token::new(text).map_err(refusal)
}

/// An error whose text may have its hint on a line of its own.
fn refusal(error: std::io::Error) -> Failure {
    let text = error.to_string();
    match text.split_once("\nhint: ") {
        Some((message, hint)) => Failure::usage(message, hint),
        None => Failure::usage(text, ""),
    }
}

/// A person at a terminal may not know that nothing is to be typed here.
fn say_what_is_waited_for() {
    if std::io::stdin().is_terminal() {
        Message::note("waiting for an MCP client on standard input; Ctrl-C ends this")
            .hint(
                "a client starts this by itself: enter the command `wasm-coordinator` with the \
                 arguments `serve --config FILE` there, or pass `--http 8080` to serve over HTTP",
            )
            .print();
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => {
                "another program listens there: end it or choose another port; port 0 takes a free one"
            }
            ErrorKind::PermissionDenied => "ports below 1024 are for the administrator",
            ErrorKind::AddrNotAvailable => "it is no address of this machine",
            _ => "",
        };
        let why = reason(&error);
        Failure::usage(format!("cannot listen on {address}: {why}"), hint)
    })
}

async fn over_http(
    listener: TcpListener,
    options: http::Options,
    service: &Arc<Service>,
) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    // For people and for programs that passed port 0.
    Message::note(format!("listening on http://{address}/mcp")).print();
    let handlers = Arc::clone(service);
    let operator: Arc<dyn Operator> = Arc::clone(service) as Arc<dyn Operator>;
    let make = move || Ok(handlers.handler());
    http::serve(listener, make, options, operator, setup::interrupted()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_people_write_them() {
        for (text, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:8080", "[::1]:8080"),
            ("8080", "127.0.0.1:8080"),
            (":8080", "127.0.0.1:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("0.0.0.0:0", "0.0.0.0:0"),
        ] {
            let address = listening(text).map(|address| address.to_string());
            assert_eq!(address.as_deref(), Ok(expected), "{text}");
        }
        for (text, part) in [
            ("", "write a port"),
            ("localhost", "write a port"),
            ("localhost:99999", "write a port"),
            ("127.0.0.1", "write a port"),
            ("*:8080", "`0.0.0.0:8080`"),
            ("example.com:80", "`--allow-host example.com`"),
        ] {
            let refused = listening(text).unwrap_err();
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }
}
