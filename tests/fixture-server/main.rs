//! A small MCP server that behaves well, until it is told not to.
//!
//! Tests start it where the real servers cannot be made to fail on purpose.
//! It speaks both protocol eras, over stdio or Streamable HTTP, in raw
//! JSON-RPC, because a library would refuse to misbehave.
//!
//! ```text
//! fixture-server [--http [--sse] [--session] [--token TOKEN]] [--name NAME]
//!                [--tools N] [--resources N] [--log FILE] [--fault NAME[=VALUE]]...
//! ```
//!
//! - `--http` listens on a free port of 127.0.0.1 and prints the address as
//!   its only line. `--sse` answers with event streams in place of JSON,
//!   `--session` hands out session ids in the old era, `--token` refuses
//!   requests without that bearer token.
//! - `--tools N` adds `tool_0001` … to the list; they echo.
//! - `--resources N` has resources and prompts: see `resources.rs`.
//! - `--log FILE` appends one JSON line for each start, for each message
//!   received, and over HTTP for the names of each request's headers, so that a test can check "at most once". The file outlives
//!   restarts.
//! - `--fault` is one of the table in `faults.rs`, which `--help` prints. Faults
//!   concern starting, listing and transport. What goes wrong inside one call
//!   is a tool, called by name: see `tools.rs`.
//!
//! It holds no secrets but the one that it is told to leak, and listens on
//! loopback only; it is never shipped.

mod faults;
mod http;
mod leaks;
mod protocol;
mod resources;
mod stdio;
mod tools;

use std::{
    fs::OpenOptions,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use serde_json::json;

use faults::Faults;
use protocol::Server;

fn main() {
    let options = Options::from_arguments(std::env::args().skip(1)).unwrap_or_else(|problem| {
        eprintln!("fixture-server: {problem}");
        std::process::exit(2);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(options));
}

async fn run(options: Options) {
    let log = options.log.as_ref().map(|path| {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("the log file can be written")
    });
    leaks::begin(&options.faults);
    let server = Arc::new(Server::new(
        options.name,
        options.tools,
        options.resources,
        options.faults,
        log,
    ));
    server.record(&json!({ "event": "start", "pid": std::process::id() }));
    misbehave_at_start(&server).await;
    match options.http {
        Some(http) => http::serve(server, http).await,
        None => stdio::serve(server).await,
    }
}

/// The faults that need no client.
async fn misbehave_at_start(server: &Arc<Server>) {
    let faults = &server.faults;
    if let Some(code) = faults.number("exit-at-start") {
        eprintln!("fixture-server: cannot start, by request");
        eprintln!(
            "{}",
            leaks::told("the key is @SECRET@, and the rest".to_owned())
        );
        std::process::exit(i32::try_from(code).unwrap_or(1));
    }
    for (fault, program) in [("fork", "sleep"), ("fork-detached", "setsid")] {
        for _ in 0..faults.number(fault).unwrap_or(0) {
            let mut command = Command::new(program);
            if program == "setsid" {
                command.arg("sleep");
            }
            // The child inherits our stdout and keeps the pipe open.
            let child = command.arg("600").stdin(Stdio::null()).spawn();
            let mut child = child.expect("a child can be started");
            server.record(&json!({ "event": "fork", "pid": child.id() }));
            std::thread::spawn(move || child.wait());
        }
    }
    if faults.has("stubborn") {
        let kind = tokio::signal::unix::SignalKind::terminate();
        let mut terminate = tokio::signal::unix::signal(kind).expect("a signal handler");
        tokio::spawn(async move { while terminate.recv().await.is_some() {} });
    }
    if let Some(bytes) = faults.number("stderr-flood") {
        std::thread::spawn(move || {
            let line = format!("{}\n", "stderr ".repeat(1000));
            for _ in 0..bytes / line.len() as u64 + 1 {
                eprint!("{line}");
            }
        });
    }
    if let Some(delay) = faults.number("slow-start") {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
}

struct Options {
    http: Option<http::Options>,
    name: String,
    tools: usize,
    resources: Option<usize>,
    log: Option<String>,
    faults: Faults,
}

impl Options {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            http: None,
            name: "fixture".to_owned(),
            tools: 0,
            resources: None,
            log: None,
            faults: Faults::default(),
        };
        let mut http = http::Options::default();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = format!("`{argument}` needs a value");
                arguments.next().ok_or(missing)
            };
            match argument.as_str() {
                "--http" => http.enabled = true,
                "--sse" => http.event_stream = true,
                "--session" => http.sessions = true,
                "--token" => http.token = Some(value()?),
                "--name" => options.name = value()?,
                "--tools" => {
                    options.tools = value()?
                        .parse()
                        .map_err(|_| "`--tools` needs a number".to_owned())?;
                }
                "--resources" => {
                    let number = value()?.parse();
                    let number = number.map_err(|_| "`--resources` needs a number".to_owned())?;
                    options.resources = Some(number);
                }
                "--log" => options.log = Some(value()?),
                "--fault" => options.faults.add(&value()?)?,
                "--help" => {
                    print!("{}", faults::help());
                    std::process::exit(0);
                }
                _ => return Err(format!("unknown argument `{argument}`")),
            }
        }
        options.http = http.enabled.then_some(http);
        Ok(options)
    }
}
