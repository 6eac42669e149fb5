//! The typed interfaces of servers: as text for people, and as plans for
//! components that import them.

use std::sync::Arc;

use futures_util::future::join_all;
use stubs::names::nearest;
use stubs::tool;
use stubs::wit;

use crate::{
    Toolbox,
    catalog::{Catalog, Tool},
    policy::{Denial, Grants},
    server::Server,
};
use contract::hint::Hint;
use contract::message::{CallError, ImportError, ImportErrorKind, ImportedPackage, ImportedTool};
use contract::text::{and_list, or_list};

/// Imports that one message lists.
const MAX_LISTED: usize = 10;

/// The typed interface of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
        let server = self
            .server_named(server)
            .or_else(|| self.find_package(server).ok())
            .ok_or_else(|| self.no_such_server(server))?;
        let catalog = server.catalog("").await?;
        let interface = server.interface(&catalog);
        let mut chosen = Vec::new();
        for tool in tools {
            let by_function = interface
                .functions
                .iter()
                .position(|known| known.name == *tool);
            match catalog.find(tool).or(by_function) {
                Some(place) => chosen.push(place),
                None => return Err(server.no_such_tool(tool, &Grants::default()).await),
            }
        }
        let interface = match tools {
            [] => interface,
            _ => Arc::new(server.write(&catalog, |place| chosen.contains(&place))),
        };
        Ok(Wit {
            package: interface.package.clone(),
            text: server.redactor.text(interface.text.clone()),
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
        let servers: Vec<&Server> = packages
            .iter()
            .map(|package| self.find_package(&package.name))
            .collect::<Result<_, _>>()?;
        let mut denied = Vec::new();
        for (package, &server) in packages.iter().zip(&servers) {
            if !server.could_be_used(grants) {
                // Without its tools, their names can only be guessed.
                let guesses = package.functions.iter().map(|name| name.replace('-', "_"));
                for (function, tool) in package.functions.iter().zip(guesses) {
                    let denial = server.permission(&tool, grants).err();
                    denied.extend(denial.map(|denial| (written(package, function), denial)));
                }
            }
        }
        refuse(denied)?;

        let imports = packages.iter().zip(&servers);
        let asked = imports.map(|(package, &server)| server.import_from(package, grants));
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

    /// The server behind `mcp:PACKAGE`.
    fn find_package(&self, package: &str) -> Result<&Server, ImportError> {
        let packages: Vec<_> = self
            .servers
            .iter()
            .map(|server| wit::package(server.identifier()))
            .collect();
        let servers = self.servers.iter().zip(&packages);
        let mut same = servers
            .filter(|(_, known)| *known == package)
            .map(|(server, _)| server);
        match (same.next(), same.next()) {
            (Some(server), None) => Ok(server),
            (Some(first), Some(second)) => Err(ImportError {
                kind: ImportErrorKind::Unknown,
                message: format!(
                    "servers `{}` and `{}` would both be the package `mcp:{package}`",
                    first.name(),
                    second.name()
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
                    (false, _) => Hint::Advice(format!("did you mean {}?", or_list(&close))),
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

impl Server {
    /// What one package has of what is imported, and what of it is denied.
    async fn import_from(
        &self,
        package: &ImportedPackage,
        grants: &Grants,
    ) -> Result<(Vec<ImportedTool>, Vec<(String, Denial)>), ImportError> {
        let catalog = self.catalog("").await.map_err(|error| ImportError {
            kind: ImportErrorKind::Unavailable,
            message: error.message,
            hint: Hint::InspectServer(self.name().to_owned()),
        })?;
        let interface = self.interface(&catalog);
        let mut tools = Vec::new();
        let mut denied = Vec::new();
        for name in &package.functions {
            let place = interface
                .functions
                .iter()
                .position(|known| known.name == *name);
            let Some(place) = place else {
                return Err(unknown_function(package, name, self.name(), &interface));
            };
            let tool = &catalog.tools[place];
            match tool.permission(grants) {
                Ok(_) => tools.push(ImportedTool {
                    // Identifiers are unique and have no separators in them.
                    name: format!("{}.{}", self.identifier(), tool.names.python),
                    function: interface.functions[place].clone(),
                }),
                Err(denial) => denied.push((written(package, name), denial)),
            }
        }
        Ok((tools, denied))
    }

    /// The whole interface of a server with these tools.
    fn interface(&self, catalog: &Catalog) -> Arc<wit::Interface> {
        let make = || Arc::new(self.write(catalog, |_| true));
        Arc::clone(catalog.interface.get_or_init(make))
    }

    fn write(&self, catalog: &Catalog, is_chosen: impl Fn(usize) -> bool) -> wit::Interface {
        let profile = self.client.profile();
        let server = tool::Server {
            name: self.name(),
            identifier: self.identifier(),
            title: &profile.title,
            version: &profile.version,
            instructions: &profile.instructions,
        };
        let tools: Vec<_> = catalog.tools.iter().map(Tool::for_stubs).collect();
        wit::interface_of(&server, &tools, is_chosen)
    }
}

/// One refusal for all that is denied, with what would grant it.
fn refuse(denied: Vec<(String, Denial)>) -> Result<(), ImportError> {
    if denied.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = denied
        .iter()
        .take(MAX_LISTED)
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
        .take(MAX_LISTED)
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
            and_list(&names)
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
    let inspect = Hint::InspectInterface(server.to_owned());
    let hint = if close.is_empty() {
        inspect
    } else {
        let meant = Hint::Advice(format!("did you mean {}?", or_list(&close)));
        Hint::All(vec![meant, inspect])
    };
    ImportError {
        kind: ImportErrorKind::Unknown,
        message: format!(
            "the component imports `{}`, but server `{server}` has no such tool",
            written(package, function)
        ),
        hint,
    }
}
