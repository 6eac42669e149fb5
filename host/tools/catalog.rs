//! The tools of one server with everything calls need to know about them:
//! their names in programs, their parameters, the check of their arguments.
//!
//! Built once for each listing. Compiling a schema waits for the first call.

// CONTRIBUTING.md, "To add a guest language".

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use stubs::names::{ToolNames, folded, parameter_identifiers, tool_names};
use stubs::wit;

use crate::servers::{Definition, Listing};
use crate::{
    check::{Budget, Check},
    definition_pins::Checked,
    policy::{Denial, Grants, Permission, Target},
    results::is_wrapper,
    schema::{self, Parameter},
};
use contract::message::{Server, StubFile};
use contract::program::Language;

/// The tools of one server.
pub(super) struct Catalog {
    /// No two catalogs have the same.
    pub(super) version: u64,
    /// The files that were generated last.
    pub(super) stubs: Mutex<Option<TreeOf>>,
    /// What the server sent; tools know what may be shown of it.
    pub(super) listing: Arc<Listing>,
    pub(super) tools: Vec<Tool>,
    /// Its typed interface, once it was wanted.
    pub(super) interface: OnceLock<Arc<wit::Interface>>,
    /// The prompts of the server as a file, once somebody wanted to see it.
    pub(super) prompts: tokio::sync::OnceCell<Bytes>,
    /// Raw names and identifiers. A raw name wins over an identifier.
    by_name: HashMap<String, usize>,
    /// Names reduced to letters and digits; `None` where several are the same.
    by_folded_name: HashMap<String, Option<usize>>,
}

/// The files that describe some of a server's tools.
pub(super) struct TreeOf {
    /// For each tool, whether it is one of them.
    pub(super) granted: Vec<bool>,
    pub(super) files: Arc<[StubFile]>,
}

/// A tool that can be called.
pub(super) struct Tool {
    /// Whose it is.
    pub(super) server: Arc<Server>,
    listing: Arc<Listing>,
    index: usize,
    pub(super) names: ToolNames,
    pub(super) parameters: Vec<Parameter>,
    /// Of the parameters as keyword arguments of Python, in the same order.
    pub(super) identifiers: Vec<String>,
    pub(super) welcomes_other_names: bool,
    pub(super) is_wrapped: bool,
    /// Whether it is refused, because its definition is not what it was.
    pub(super) changed: bool,
    /// What the checks of all tools of the server may take.
    budget: Arc<Budget>,
    check: OnceLock<Option<Check>>,
}

static VERSIONS: AtomicU64 = AtomicU64::new(1);

impl Catalog {
    pub(super) fn new(server: Arc<Server>, listing: Arc<Listing>, checked: Checked) -> Self {
        let Checked {
            listing: shown,
            changed,
        } = checked;
        let names = tool_names(shown.tools.iter().map(|tool| tool.name.as_str()));
        let budget = Arc::<Budget>::default();
        let tools: Vec<_> = names
            .into_iter()
            .enumerate()
            .zip(changed)
            .map(|((index, names), changed)| Tool {
                changed,
                ..Tool::new(
                    Arc::clone(&server),
                    Arc::clone(&shown),
                    index,
                    names,
                    Arc::clone(&budget),
                )
            })
            .collect();
        let mut by_name = HashMap::new();
        let mut by_folded_name = HashMap::new();
        for (index, tool) in tools.iter().enumerate() {
            let raw = &tool.definition().name;
            by_name.insert(raw.clone(), index);
            by_folded_name
                .entry(folded(raw))
                .and_modify(|known| *known = None)
                .or_insert(Some(index));
        }
        for (index, tool) in tools.iter().enumerate() {
            for name in [&tool.names.python, &tool.names.javascript] {
                by_name.entry(name.clone()).or_insert(index);
            }
        }
        Self {
            version: VERSIONS.fetch_add(1, Ordering::Relaxed),
            stubs: Mutex::default(),
            listing,
            tools,
            interface: OnceLock::new(),
            prompts: tokio::sync::OnceCell::new(),
            by_name,
            by_folded_name,
        }
    }

    /// The raw names of the tools that may be called.
    pub(super) fn granted(&self, grants: &Grants) -> Vec<String> {
        let is_granted = |tool: &&Tool| tool.permission(grants).is_ok();
        let tools = self.tools.iter().filter(is_granted);
        tools.map(|tool| tool.definition().name.clone()).collect()
    }

    /// The tool that a program means, in any spelling.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let exact = self.by_name.get(name).copied();
        exact.or_else(|| self.by_folded_name.get(&folded(name)).copied().flatten())
    }
}

impl Tool {
    fn new(
        server: Arc<Server>,
        listing: Arc<Listing>,
        index: usize,
        names: ToolNames,
        budget: Arc<Budget>,
    ) -> Self {
        let definition = &listing.tools[index];
        let schema = &definition.input_schema;
        let parameters = schema::parameters(schema);
        let identifiers = parameter_identifiers(parameters.iter().map(|p| p.name.as_str()));
        let output = definition.output_schema.as_deref();
        Self {
            names,
            parameters,
            identifiers,
            welcomes_other_names: schema::welcomes_other_names(schema),
            is_wrapped: output.is_some_and(is_wrapper),
            changed: false,
            budget,
            check: OnceLock::new(),
            index,
            listing,
            server,
        }
    }

    pub(super) fn definition(&self) -> &Definition {
        &self.listing.tools[self.index]
    }

    /// Its function name in programs of a language.
    pub(super) fn identifier(&self, language: Language) -> &str {
        match language {
            Language::Python => &self.names.python,
            Language::JavaScript | Language::TypeScript => &self.names.javascript,
        }
    }

    /// The name of one of its parameters in programs of a language.
    pub(super) fn parameter_identifier(&self, index: usize, language: Language) -> &str {
        match language {
            Language::Python => &self.identifiers[index],
            // The key of an object can be any text.
            Language::JavaScript | Language::TypeScript => &self.parameters[index].name,
        }
    }

    /// What the policy says of it: the one place where it is asked about a
    /// tool.
    pub(super) fn permission(&self, grants: &Grants) -> Result<Permission, Denial> {
        grants.decide(&Target {
            server: &self.server.name,
            server_identifier: &self.server.identifier,
            tool: &self.definition().name,
            python: &self.names.python,
            javascript: &self.names.javascript,
            is_destructive: self.definition().is_destructive,
        })
    }

    /// Everything that stubs are made of.
    pub(super) fn for_stubs(&self) -> stubs::tool::Tool<'_> {
        let definition = self.definition();
        stubs::tool::Tool {
            name: &definition.name,
            names: &self.names,
            title: &definition.title,
            description: &definition.description,
            input: &definition.input_schema,
            output: definition.output_schema.as_deref(),
            is_wrapped: self.is_wrapped,
        }
    }

    /// The check of its arguments, if there is a usable one.
    pub(super) fn check(&self) -> Option<&Check> {
        self.check
            .get_or_init(|| Check::compile(&self.definition().input_schema, &self.budget))
            .as_ref()
    }

    /// Whether arguments of this length are checked in less than a
    /// millisecond.
    pub(super) fn is_checked_quickly(&self, length: usize) -> bool {
        let is_ready = self.check.get().is_some();
        (is_ready || Check::is_compiled_quickly(&self.definition().input_schema))
            && self.check().is_none_or(|check| check.is_quick(length))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::Value;

    use super::*;

    pub(in super::super) fn catalog(tools: &[(&str, Value)]) -> Catalog {
        let definition = |(name, schema): &(&str, Value)| Definition {
            name: (*name).to_owned(),
            title: String::new(),
            description: String::new(),
            input_schema: Arc::new(schema.clone()),
            output_schema: None,
            is_destructive: false,
        };
        let listing = Arc::new(Listing {
            tools: tools.iter().map(definition).collect(),
            ..Listing::default()
        });
        let server = Arc::new(Server {
            name: "s".to_owned(),
            identifier: "s".to_owned(),
        });
        Catalog::new(server, Arc::clone(&listing), Checked::accepted(listing))
    }

    /// A tool `t` with this input schema.
    pub(in super::super) fn tool(schema: Value) -> Tool {
        catalog(&[("t", schema)]).tools.remove(0)
    }

    #[test]
    fn tools_are_found_in_any_spelling_that_means_one() {
        let catalog = catalog(&[
            ("list-issues", Value::Null),
            ("then", Value::Null),
            ("a.b", Value::Null),
            ("a_b", Value::Null),
        ]);
        for name in [
            "list-issues",
            "list_issues",
            "listIssues",
            "ListIssues",
            "listissues",
        ] {
            assert_eq!(catalog.find(name), Some(0), "{name}");
        }
        assert_eq!(catalog.find("then_"), Some(1));
        assert_eq!(catalog.find("a.b"), Some(2));
        assert_eq!(catalog.find("a_b"), Some(3));
        assert_eq!(catalog.find("A-B"), None, "two tools could be meant");
        assert_eq!(catalog.find(""), None);
    }
}
