//! What every subcommand needs before it can work: configuration, engine,
//! event loop.

use std::future::Future;
use std::path::PathBuf;

use clap::Args;
use tokio::runtime::Builder;
use wasm_coordinator::config::{self, Configuration, Environment};
use wasm_coordinator::{Engine, EngineOptions, ServerSpec, Stdio, Toolbox, Transport};

use super::failure::{EXIT_USAGE, Failure};
use super::output;
use super::progress;
use super::terminal::Message;
use super::trust;

#[derive(Args)]
pub(crate) struct ConfigFlag {
    /// The configuration [default: $MCP_JSON, else ./mcp.json]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFlag {
    /// The same file, if it was named before the subcommand and not after it.
    pub(crate) fn or(&mut self, file: PathBuf) {
        self.config.get_or_insert(file);
    }

    /// Reads a configuration that may be used; shows its warnings if asked to.
    /// Where there is none, the one server is the demo server.
    pub(crate) fn load(&self, warn: bool) -> Result<Configuration, Failure> {
        let mut configuration = self.read(warn)?;
        trust::check(&mut configuration)?;
        if configuration.origin.is_none() {
            configuration.servers.extend(demo().map(Into::into));
        }
        Ok(configuration)
    }

    /// Reads the configuration as it is, to be looked at.
    pub(crate) fn read(&self, warn: bool) -> Result<Configuration, Failure> {
        let mut environment = Environment::of_process().map_err(Failure::host)?;
        environment.own_program = std::env::current_exe().ok();
        let configuration = config::load(self.config.as_deref(), &environment).map_err(wrong)?;
        if warn {
            for warning in &configuration.warnings {
                Message::warning(warning.to_string()).print();
            }
        }
        Ok(configuration)
    }
}

/// Something is wrong with the configuration.
pub(super) fn wrong(error: config::Error) -> Failure {
    Failure {
        message: Message::error(error.to_string()),
        exit_code: EXIT_USAGE,
    }
}

/// The engine, with compiled code kept in the cache folder.
pub(crate) fn engine() -> Result<Engine, Failure> {
    engine_of(None)
}

/// The same, with memory ready for this many sandboxes.
pub(crate) fn engine_with_pool(sandboxes: usize) -> Result<Engine, Failure> {
    engine_of(u32::try_from(sandboxes).ok())
}

fn engine_of(pool: Option<u32>) -> Result<Engine, Failure> {
    let options = EngineOptions {
        cache: cache_folder(),
        observer: progress::observer(),
        pool,
        ..EngineOptions::default()
    };
    Engine::new(options).map_err(Failure::host)
}

/// The servers, whose definitions are kept in the cache folder.
pub(crate) fn toolbox(configuration: &Configuration) -> Result<Toolbox, Failure> {
    let tools = configuration.toolbox().map_err(wrong)?;
    output::keep_out_of_log(tools.redactor().clone());
    Ok(match cache_folder() {
        Some(folder) => tools.keeping_definitions(&folder.join("definitions")),
        None => tools,
    })
}

/// `$WASM_COORDINATOR_CACHE`, else a folder of ours where this system keeps
/// caches.
fn cache_folder() -> Option<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("WASM_COORDINATOR_CACHE").or_else(|| {
        let caches = variable("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(variable("HOME")?.join(".cache")))?;
        Some(caches.join("wasm-coordinator"))
    })
}

/// Where this program remembers things: `$XDG_STATE_HOME`, else
/// `~/.local/state`, and a folder of ours in it.
pub(crate) fn state_folder() -> Option<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = variable("XDG_STATE_HOME")
        .or_else(|| Some(variable("HOME")?.join(".local").join("state")))?;
    Some(state.join("wasm-coordinator"))
}

/// This program's own demo server, so that a first script needs no
/// configuration.
fn demo() -> Option<ServerSpec> {
    let command = std::env::current_exe()
        .ok()?
        .into_os_string()
        .into_string()
        .ok()?;
    let stdio = Stdio {
        command,
        args: vec!["demo-server".into()],
        ..Stdio::default()
    };
    Some(ServerSpec::new("demo", Transport::Stdio(stdio)))
}

/// Runs a future to its end. One thread is enough: guests yield while they
/// compute, and servers are waited for.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    block(Builder::new_current_thread(), future)
}

/// The same with a thread for each core: many clients at once.
pub(crate) fn block_on_all<T>(
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    block(Builder::new_multi_thread(), future)
}

fn block<T>(
    mut builder: Builder,
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = builder.enable_all().build().map_err(Failure::host)?;
    let result = runtime.block_on(future);
    // A compilation that was interrupted goes on in its thread; nobody waits.
    runtime.shutdown_background();
    result
}

/// Ends when the user, the terminal or the system asks us to stop.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let mut signals: Vec<_> = kinds
        .into_iter()
        .filter_map(|kind| signal(kind).ok())
        .collect();
    std::future::poll_fn(|context| {
        let ended = signals
            .iter_mut()
            .any(|signal| signal.poll_recv(context).is_ready());
        if ended {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
