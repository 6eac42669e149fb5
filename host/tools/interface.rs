//! The typed interfaces of servers: as text for people, and as plans for
//! components that import them.

use contract::hint::Hint;
use std::sync::{Arc, OnceLock};

use futures_util::future::join_all;
use stubs::names::nearest;
use stubs::tool::Server;
use stubs::wit;

use super::{
    Toolbox,
    catalog::{self, Catalog},
    grants::{Denial, Grants},
    resolve::{and, or},
};
use contract::message::{CallError, ImportError, ImportErrorKind, ImportedPackage, ImportedTool};

/// Imports that one message lists.
const MOST_LISTED: usize = 10;

/// A server's interface, made when it is first wanted.
#[derive(Default)]
pub(super) struct Interface(OnceLock<Arc<wit::Interface>>);

/// The typed interface of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wit {
    /// The name in `mcp:NAME`.
    pub package: String,
    /// The package `mcp:NAME` as WIT text.
    pub text: String,
}

impl Toolbox {
    /// The typed interface of a server, for components that import it: all its
    /// tools, whatever is granted, or only those that are named, in any
    /// spelling. Starts the server if need be.
    ///
    /// # Errors
    ///
    /// There is no such server or tool, or the server cannot be used.
    pub async fn wit(&self, server: &str, tools: &[String]) -> Result<Wit, CallError> {
        let index = self
            .find_server(server)
            .or_else(|| self.find_package(server).ok())
            .ok_or_else(|| self.no_such_server(server))?;
        let catalog = self.catalog(index, "").await?;
        let interface = self.interface(index, &catalog);
        let mut chosen = Vec::new();
        for tool in tools {
            let by_function = interface
                .functions
                .iter()
                .position(|known| known.name == *tool);
            match catalog.find(tool).or(by_function) {
                Some(place) => chosen.push(place),
                None => return Err(self.no_such_tool(index, tool, &Grants::default()).await),
            }
        }
        let interface = match tools {
            [] => interface,
            _ => Arc::new(self.write(index, &catalog, |place| chosen.contains(&place))),
        };
        Ok(Wit {
            package: interface.package.clone(),
            text: self.upstream.redactor().text(interface.text.clone()),
        })
    }

    /// What the functions are that a component imports, package by package.
    /// All of them have to be granted. Servers are started all at once, and
    /// none if something is refused without asking them.
    pub(super) async fn import(
        &self,
        packages: &[ImportedPackage],
        grants: &Grants,
    ) -> Result<Vec<Vec<ImportedTool>>, ImportError> {
        let servers: Vec<usize> = packages
            .iter()
            .map(|package| self.find_package(&package.name))
            .collect::<Result<_, _>>()?;
        let mut denied = Vec::new();
        for (package, &server) in packages.iter().zip(&servers) {
            let known = &self.servers[server].server;
            if !grants.could_allow(&known.name, &known.identifier) {
                // Without its tools, their names can only be guessed.
                let guesses = package.functions.iter().map(|name| name.replace('-', "_"));
                for (function, tool) in package.functions.iter().zip(guesses) {
                    let denial = self.denial(server, &tool, grants);
                    denied.extend(denial.map(|denial| (written(package, function), denial)));
                }
            }
        }
        refuse(denied)?;

        let imports = packages.iter().zip(&servers);
        let asked = imports.map(|(package, &server)| self.import_from(package, server, grants));
        let mut denied = Vec::new();
        let mut imported = Vec::new();
        for answer in join_all(asked).await {
            let (tools, refused) = answer?;
            imported.push(tools);
            denied.extend(refused);
        }
        refuse(denied)?;
        Ok(imported)
    }

    /// What one package has of what is imported, and what of it is denied.
    async fn import_from(
        &self,
        package: &ImportedPackage,
        server: usize,
        grants: &Grants,
    ) -> Result<(Vec<ImportedTool>, Vec<(String, Denial)>), ImportError> {
        let known = &self.servers[server].server;
        let catalog = self
            .catalog(server, "")
            .await
            .map_err(|error| ImportError {
                kind: ImportErrorKind::Unavailable,
                message: error.message,
                hint: Hint::InspectServer(known.name.clone()),
            })?;
        let interface = self.interface(server, &catalog);
        let mut tools = Vec::new();
        let mut denied = Vec::new();
        for name in &package.functions {
            let place = interface
                .functions
                .iter()
                .position(|known| known.name == *name);
            let Some(place) = place else {
                return Err(unknown_function(package, name, &known.name, &interface));
            };
            let tool = &catalog.tools[place];
            match self.decide(server, tool, grants) {
                Ok(_) => tools.push(ImportedTool {
                    // Identifiers are unique and have no separators in them.
                    name: format!("{}.{}", known.identifier, tool.names.python),
                    function: interface.functions[place].clone(),
                }),
                Err(denial) => denied.push((written(package, name), denial)),
            }
        }
        Ok((tools, denied))
    }

    /// The whole interface of a server with these tools.
    fn interface(&self, server: usize, catalog: &Catalog) -> Arc<wit::Interface> {
        let make = || Arc::new(self.write(server, catalog, |_| true));
        Arc::clone(catalog.interface.0.get_or_init(make))
    }

    fn write(
        &self,
        server: usize,
        catalog: &Catalog,
        is_chosen: impl Fn(usize) -> bool,
    ) -> wit::Interface {
        let known = &self.servers[server].server;
        let profile = self.upstream.profile(server);
        let server = Server {
            name: &known.name,
            identifier: &known.identifier,
            title: &profile.title,
            version: &profile.version,
            instructions: &profile.instructions,
        };
        let tools: Vec<_> = catalog.tools.iter().map(catalog::Tool::for_stubs).collect();
        wit::interface_of(&server, &tools, is_chosen)
    }

    /// The server behind `mcp:PACKAGE`.
    fn find_package(&self, package: &str) -> Result<usize, ImportError> {
        let packages: Vec<_> = self
            .servers
            .iter()
            .map(|known| wit::package(&known.server.identifier))
            .collect();
        let mut same = (0..packages.len()).filter(|&index| packages[index] == package);
        match (same.next(), same.next()) {
            (Some(index), None) => Ok(index),
            (Some(first), Some(second)) => Err(ImportError {
                kind: ImportErrorKind::Unknown,
                message: format!(
                    "servers `{}` and `{}` would both be the package `mcp:{package}`",
                    self.servers[first].server.name, self.servers[second].server.name
                ),
                hint: Hint::RenameServer,
            }),
            (None, _) => {
                let close = nearest(package, packages.iter().map(String::as_str));
                let close: Vec<_> = close
                    .iter()
                    .map(|package| format!("mcp:{package}/tools"))
                    .collect();
                let hint = match (close.is_empty(), packages.as_slice()) {
                    (false, _) => Hint::Advice(format!("did you mean {}?", or(&close))),
                    (true, []) => Hint::Advice("no servers are configured".to_owned()),
                    (true, _) => Hint::ListServers,
                };
                Err(ImportError {
                    kind: ImportErrorKind::Unknown,
                    message: format!(
                        "the component imports `mcp:{package}/tools`, but there is no server `{package}`"
                    ),
                    hint,
                })
            }
        }
    }
}

/// One refusal for all that is denied, with what would grant it.
fn refuse(denied: Vec<(String, Denial)>) -> Result<(), ImportError> {
    if denied.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = denied
        .iter()
        .take(MOST_LISTED)
        .map(|(name, _)| name)
        .collect();
    let more = match denied.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let is = if denied.len() == 1 { "is" } else { "are" };
    let missing: Vec<_> = denied
        .iter()
        .filter(|(_, denial)| denial.pattern().is_none())
        .take(MOST_LISTED)
        .map(|(_, denial)| denial.tool().to_owned())
        .collect();
    let mut hints = Vec::new();
    if !missing.is_empty() {
        hints.push(Hint::AllowTools(missing));
    }
    let by_pattern = denied.iter().find(|(_, denial)| denial.pattern().is_some());
    hints.extend(by_pattern.map(|(_, denial)| denial.hint()));
    Err(ImportError {
        kind: ImportErrorKind::Denied,
        message: format!(
            "the component imports {}{more}, which {is} not granted",
            and(&names)
        ),
        hint: Hint::All(hints),
    })
}

/// An imported function as the component names it.
fn written(package: &ImportedPackage, function: &str) -> String {
    format!("mcp:{}/tools.{function}", package.name)
}

fn unknown_function(
    package: &ImportedPackage,
    function: &str,
    server: &str,
    interface: &wit::Interface,
) -> ImportError {
    let names = interface
        .functions
        .iter()
        .map(|function| function.name.as_str());
    let close = nearest(function, names);
    ImportError {
        kind: ImportErrorKind::Unknown,
        message: format!(
            "the component imports `{}`, but server `{server}` has no such tool",
            written(package, function)
        ),
        hint: match close.is_empty() {
            true => Hint::InspectInterface(server.to_owned()),
            false => Hint::All(vec![
                Hint::Advice(format!("did you mean {}?", or(&close))),
                Hint::InspectInterface(server.to_owned()),
            ]),
        },
    }
}
