//! One MCP server in front of all others: programs are run, tools found, files
//! read, through a handful of tools that cost few tokens.
//!
//! A [`Service`] holds what all clients share; a [`Handler`] is one client's
//! side of it, for any transport that `rmcp` knows. Knows no HTTP and no
//! command line.
//!
//! ```no_run
//! use std::{future::pending, sync::Arc};
//! use wasm_coordinator::serve::http::{self, Options};
//! use wasm_coordinator::serve::{ServeOptions, Service};
//! use wasm_coordinator::{Engine, EngineOptions, Toolbox};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(EngineOptions::default())?;
//! let tools = Arc::new(Toolbox::default());
//! let service = Service::new(engine, tools, ServeOptions::default());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let handlers = Arc::clone(&service);
//! let make = move || Ok(handlers.handler());
//! http::serve(listener, make, Options::default(), service, pending()).await?;
//! # Ok(()) }
//! ```

mod advice;
mod client;
mod files;
#[expect(
    deprecated,
    reason = "the older revisions of the protocol are spoken, too"
)]
mod handler;
mod hints;
pub mod http;
mod message;
mod meter;
mod metrics;
mod options;
mod output;
mod queue;
mod run;
mod service;
mod sessions;
mod shares;
mod stdio;
mod tokens;
mod tools;

pub use handler::Handler;
pub use options::{Mode, ServeOptions};
pub use service::Service;
pub use sessions::SessionBounds;
pub use stdio::serve_stdio;

use contract::caller::Caller;
use output::Strategy;
