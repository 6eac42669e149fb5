//! `wit`: a server's tools as an interface that components import.

use std::path::PathBuf;
use std::process::ExitCode;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use clap::Args;
use wasm_coordinator::CallErrorKind;

use super::failure::{EXIT_INTERRUPTED, Failure, reason};
use super::output;
use super::setup::{self, ConfigFlag};
use super::terminal::Message;
use super::whole_file;

/// Print the tools of a server as WIT, for components that import them.
///
/// Each tool is a typed function. A component whose world says
///
///   world program { import mcp:demo/tools; }
///
/// can call the tools of the server `demo` that are allowed when it runs, and
/// those of no other server. `wit-bindgen` and `componentize-py` find
/// the package in the folder `deps` beside that world:
///
///   wasm-coordinator wit demo --out wit/deps
///
/// componentize-py imports all functions of a file, used or not, so name those
/// that you need. docs/components.md has examples in Rust and Python.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Wit {
    /// The server, as `mcp.json` names it
    server: String,
    /// Only these tools [default: all]
    tools: Vec<String>,
    /// Write the file `mcp-SERVER.wit` into this folder instead
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) config: ConfigFlag,
}

impl Wit {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let configuration = self.config.load(true)?;
        let answer = setup::block_on(async {
            let tools = setup::toolbox(&configuration)?;
            let answer = tokio::select! {
                answer = tools.wit(&self.server, &self.tools) => Some(answer),
                () = setup::interrupted() => None,
            };
            tools.shutdown().await;
            Ok(answer)
        })?;
        let Some(answer) = answer else {
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        };
        let wit = answer.map_err(|error| match error.kind {
            CallErrorKind::UnknownTool(_) => Failure::usage(error.message, ""),
            _ => Failure {
                message: Message::error(error.message)
                    .hint("`wasm-coordinator servers` shows more about it"),
                exit_code: 1,
            },
        })?;
        let Some(folder) = &self.out else {
            output::write(wit.text.as_bytes());
            return Ok(ExitCode::SUCCESS);
        };
        let name = format!("mcp-{}.wit", wit.package);
        let path = folder.join(&name);
        // The user named the folder: a link to it is followed.
        std::fs::create_dir_all(folder)
            .and_then(|()| Dir::open_ambient_dir(folder, ambient_authority()))
            .and_then(|folder| whole_file::replace(&folder, &name, wit.text.as_bytes()))
            .map_err(|error| {
                let why = reason(&error);
                Failure::usage(format!("cannot write `{}`: {why}", path.display()), "")
            })?;
        Message::note(format!("wrote {}", path.display())).print();
        Ok(ExitCode::SUCCESS)
    }
}
