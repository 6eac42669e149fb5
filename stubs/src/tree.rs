//! The files that `/servers` holds.

use std::fmt::Write as _;

use crate::tool::{Server, Tool};

/// A file of a server's folder, or of `/servers` itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path within the folder.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The files of one server's folder. `denied` is how many tools are left out
/// because they are not granted.
pub fn server_files(server: &Server<'_>, tools: &[Tool<'_>], denied: usize) -> Vec<File> {
    let mut readme = format!("# {}\n\n", server.identifier);
    for tool in tools {
        let _ = writeln!(readme, "- {}", tool.names.python);
    }
    if denied > 0 {
        let _ = writeln!(readme, "\n{denied} more are not granted.");
    }
    vec![File {
        path: "README.md".to_owned(),
        text: readme,
    }]
}

/// The files beside the folders of these servers, given by their identifiers.
pub fn root_files<'a>(servers: impl IntoIterator<Item = &'a str>) -> Vec<File> {
    let mut readme = "# Servers\n\n".to_owned();
    for server in servers {
        let _ = writeln!(readme, "- {server}");
    }
    vec![File {
        path: "README.md".to_owned(),
        text: readme,
    }]
}

/// What the folder of a server says that cannot be used now. `message` is text
/// for programs.
pub fn unavailable_readme(server: &str, message: &str) -> String {
    format!("# {server}\n\nThis server cannot be used now: {message}\n")
}
