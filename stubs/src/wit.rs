//! The tools of a server as a WIT interface, for components that import them.
//!
//! A server is a package `mcp:NAME` with one interface `tools`, a tool is a
//! function. What a schema says becomes records, enums, variants, lists,
//! options and tuples; what WIT cannot say (anything at all, types that contain
//! themselves) and what goes over a bound is JSON text. A tool's required
//! parameters are parameters; all others are fields of one record, the last
//! parameter: so a call reads well without them, no two of them can be mixed
//! up, and a server that adds one breaks nobody.
//!
//! Invariants: the text is WIT whatever the definitions say, and holds one
//! function for each tool, in order. Nothing a server wrote stands outside a
//! comment except as a name by the rule of `names`, and nothing leaves a
//! comment. The plan says the same as the text.

mod names;
mod plan;
mod prose;
mod types;

#[cfg(test)]
mod tests;

pub use names::kebab;
pub use plan::{Alternative, Arguments, Case, Field, Function, Options, Record, Rest, Type};

use crate::tool::{Server, Tool};
use names::{Names, unique, written};
use types::{Mapped, Walk, Writer};

/// Types in one function. A tool that takes more than this is described by its
/// own documentation, not by types.
pub const MAX_NODES: usize = 1_000;

/// Types inside each other in one function.
pub const MAX_DEPTH: usize = 16;

/// Required parameters of a function; with more, the arguments are one text.
const MAX_PARAMETERS: usize = 24;

/// Bytes of a tool's description in the text.
const MAX_DESCRIPTION: usize = 2_000;

/// Bytes of a field's description in the text.
const MAX_NOTE: usize = 400;

/// The one interface of a package.
pub const INTERFACE: &str = "tools";

/// The names that every interface has beside those of its tools.
const OWN: &[&str] = &["json", "tool-error", "tool-error-kind"];

/// The kinds of errors, as `enum tool-error-kind` has them, each with what it
/// means.
pub const ERROR_KINDS: &[(&str, &str)] = &[
    ("failed", "The tool itself reported an error."),
    (
        "invalid-arguments",
        "The arguments do not fit the tool's schema; nothing was sent.",
    ),
    ("unknown-tool", "The server no longer has this tool."),
    (
        "denied",
        "The policy does not allow the call; nothing was sent.",
    ),
    (
        "unavailable",
        "The server could not be started or reached; nothing was sent.",
    ),
    (
        "timed-out",
        "The call did not finish in its time. It may have taken effect.",
    ),
    (
        "outcome-unknown",
        "The connection was lost after the call was sent. It may have taken effect.",
    ),
    ("cancelled", "The call was cancelled."),
    (
        "limit",
        "A limit of the session refused the call; nothing was sent.",
    ),
    (
        "unexpected-result",
        "The call took effect, but its result does not fit the type declared here.",
    ),
];

/// A server's interface.
#[derive(Debug, Clone)]
pub struct Interface {
    /// The name in `mcp:NAME`.
    pub package: String,
    /// The whole package as WIT text.
    pub text: String,
    /// What the functions are, in the order of the tools.
    pub functions: Vec<Function>,
}

/// The `NAME` in `mcp:NAME` for a server's identifier.
///
/// ```
/// assert_eq!(wasm_coordinator_stubs::wit::package("my_github"), "my-github");
/// ```
pub fn package(identifier: &str) -> String {
    kebab(identifier, "server")
}

/// The interface of a server with these tools.
pub fn interface(server: &Server<'_>, tools: &[Tool<'_>]) -> Interface {
    interface_of(server, tools, |_| true)
}

/// The interface of a server with some of its tools, chosen by their places.
/// Functions have the same names as among all tools.
pub fn interface_of(
    server: &Server<'_>,
    tools: &[Tool<'_>],
    is_chosen: impl Fn(usize) -> bool,
) -> Interface {
    let mut writer = Writer::new(Names::with(OWN));
    let identifiers = tools.iter().map(|tool| tool.names.python.as_str());
    let names = unique(identifiers, "tool", &mut writer.names);
    let mut body = String::new();
    let chosen = tools
        .iter()
        .zip(names)
        .enumerate()
        .filter(|(place, _)| is_chosen(*place));
    let functions = chosen
        .map(|(_, (tool, name))| function(&mut writer, &mut body, tool, name))
        .collect();
    let package = package(server.identifier);
    Interface {
        text: frame(server, &package, &writer, &body),
        functions,
        package,
    }
}

/// Everything around the functions.
fn frame(server: &Server<'_>, package: &str, writer: &Writer, body: &str) -> String {
    let about =
        [server.title, server.version].map(|text| prose::plain(text, 100).replace('\n', " "));
    let about = about.join(" ");
    let about = match about.trim() {
        "" => String::new(),
        about => format!(" ({about})"),
    };
    let name = prose::plain(server.name, 100).replace('\n', " ");
    let mut out = format!(
        "/// The tools of the MCP server `{name}`{about}, as `wasm-coordinator wit` prints them.\n\
         package mcp:{};\n\n\
         /// One function for each tool.\n\
         ///\n\
         /// A tool that does not say what it gives back gives `string`: its text as it is, or JSON text\n\
         /// where it answered with data. `none` for an option means that it is not sent.\n\
         interface {INTERFACE} {{\n",
        written(package),
    );
    if writer.uses_json {
        out.push_str("    /// Any value, as JSON text: `\"a\"`, `[1, 2]`, `null`.\n    type json = string;\n\n");
    }
    out.push_str(body.trim_start_matches('\n'));
    out.push_str(
        "\n    /// A call without a result.\n    record tool-error {\n        /// For programs.\n        \
         kind: tool-error-kind,\n        /// For people: what happened, and what to do.\n        \
         message: string,\n    }\n\n    /// Why a call has no result.\n    enum tool-error-kind {\n",
    );
    for (kind, meaning) in ERROR_KINDS {
        out.push_str(&format!("        /// {meaning}\n        {kind},\n"));
    }
    out.push_str("    }\n");
    out.push_str("}\n");
    out
}

/// Writes one function, followed by the types it is the first to need.
fn function(writer: &mut Writer, body: &mut String, tool: &Tool<'_>, name: String) -> Function {
    let mut parameters = Vec::new();
    let mut notes = Vec::new();
    let input = tool.parameters();
    let arguments = Walk::new(writer, &input, &name).arguments(&mut parameters, &mut notes);
    let result = match tool.result() {
        None => Mapped::text(),
        Some(output) => Walk::new(writer, &output, &name).map(&output.root, "result", 0),
    };

    body.push('\n');
    let description = match tool.description.trim() {
        "" => tool.title,
        description => description,
    };
    writer.comment(body, 4, description, MAX_DESCRIPTION);
    for (parameter, note) in &notes {
        if !note.is_empty() {
            writer.comment(body, 4, &format!("- `{parameter}`: {note}"), MAX_NOTE);
        }
    }
    let list = parameters.join(", ");
    let signature = format!(
        "{}: func({list}) -> result<{}, tool-error>;",
        written(&name),
        result.text
    );
    body.push_str(&if signature.len() <= 96 || parameters.is_empty() {
        format!("    {signature}\n")
    } else {
        format!(
            "    {}: func(\n        {},\n    ) -> result<{}, tool-error>;\n",
            written(&name),
            parameters.join(",\n        "),
            result.text
        )
    });
    body.push_str(&std::mem::take(&mut writer.declarations));
    Function {
        name,
        tool: tool.name.to_owned(),
        arguments,
        result: result.ty,
    }
}

impl Walk<'_, '_> {
    fn arguments(
        &mut self,
        parameters: &mut Vec<String>,
        notes: &mut Vec<(String, String)>,
    ) -> Arguments {
        let (required, optional): (Vec<_>, Vec<_>) = match self.schema.object() {
            Some(object) => object.fields.iter().partition(|field| field.required),
            None => Default::default(),
        };
        if required.len() > MAX_PARAMETERS || !self.affords(required.len()) {
            self.writer.uses_json = true;
            parameters.push("arguments: json".to_owned());
            return Arguments::Json("arguments".to_owned());
        }
        let rest = self
            .schema
            .object()
            .and_then(|object| object.rest.as_deref());
        let mut taken = Names::default();
        let keys = required.iter().map(|field| field.name.as_str());
        let names = unique(keys, "parameter", &mut taken);
        let mut fields = Vec::new();
        for (field, name) in required.into_iter().zip(names) {
            let mapped = self.map(&field.ty, &name, 1);
            parameters.push(format!("{}: {}", written(&name), mapped.text));
            notes.push((name.clone(), types::note(field)));
            fields.push(Field {
                name,
                key: field.name.clone(),
                required: true,
                ty: mapped.ty,
            });
        }
        let options = self.options(&optional, rest).map(|(record, text)| {
            let name = taken.take("options".to_owned(), "options");
            parameters.push(format!("{}: option<{text}>", written(&name)));
            Options { name, record }
        });
        Arguments::Fields {
            required: fields,
            options,
        }
    }
}
