//! The tools of a server, out of the JSON of `tools/list`.
//!
//! One tool that is wrong is left out with a reason; the others stay.

use std::{collections::HashSet, sync::Arc};

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::{Fault, FaultKind, Redactor, ServerLimits, fields::fields, redact::MARKER};

/// The longest name of a tool in bytes. The protocol recommends 128.
const MAX_NAME: usize = 256;

/// Exclusions kept with their reasons; further ones are only counted.
const MAX_REASONS: usize = 100;

/// The tools of one server.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The tools that can be called, in the server's order, names unique.
    pub tools: Vec<Definition>,
    /// Tools that were left out, and why. At most 100 of them.
    pub excluded: Vec<Excluded>,
    /// How many tools were left out.
    pub excluded_count: usize,
}

/// A tool as its server defines it. Everything here is text of a stranger.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Definition {
    /// The name to be sent in a call.
    pub name: String,
    /// Its name for people; empty if it has none.
    pub title: String,
    /// What it does, else the title; empty if the server says nothing.
    pub description: String,
    /// The JSON schema of its arguments, unchecked.
    pub input_schema: Arc<Value>,
    /// The JSON schema of its structured result, unchecked.
    pub output_schema: Option<Arc<Value>>,
    /// Whether the server says that it may destroy something
    /// (`destructiveHint`). The claim can make us more careful; none can make
    /// us less careful, so no other one is read.
    pub is_destructive: bool,
}

/// A tool that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Excluded {
    /// Its name, as far as it has one.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Collects the pages of a listing within limits, without secrets.
pub(super) struct Pages<'a> {
    redactor: &'a Redactor,
    listing: Listing,
    names: HashSet<String>,
    cursors: HashSet<String>,
    bytes: usize,
    limits: ServerLimits,
}

/// What to do after a page.
pub(super) enum Next<'a> {
    /// Ask for the page at this cursor and add it.
    Page(Pages<'a>, String),
    /// The listing is complete.
    Done(Listing),
}

impl<'a> Pages<'a> {
    pub(super) fn new(limits: ServerLimits, redactor: &'a Redactor) -> Self {
        Self {
            redactor,
            listing: Listing::default(),
            names: HashSet::new(),
            cursors: HashSet::new(),
            bytes: 0,
            limits,
        }
    }

    /// Adds the `result` of one `tools/list` response.
    pub(super) fn add(mut self, result: &str) -> Result<Next<'a>, Fault> {
        let none = |error: &dyn std::fmt::Display| {
            broken("its list of tools is none").because(error.to_string())
        };
        let [tools, cursor] =
            fields(result.as_bytes(), ["tools", "nextCursor"]).map_err(|error| none(&error))?;
        let tools = tools.ok_or_else(|| none(&"it has no `tools`"))?;
        // The cursor goes back to the server as it came.
        let tools = self.redactor.json(tools.get().to_owned());
        let tools: Vec<&RawValue> = serde_json::from_str(&tools).map_err(|error| none(&error))?;
        for tool in &tools {
            match serde_json::from_str(tool.get()) {
                Ok(tool) => self.tool(tool),
                Err(error) => self.exclude(String::new(), &format!("it cannot be read: {error}")),
            }
        }
        let cursor = cursor.and_then(|cursor| serde_json::from_str::<String>(cursor.get()).ok());
        let Some(cursor) = cursor else {
            return Ok(Next::Done(self.listing));
        };
        let is_full = self.listing.tools.len() >= self.limits.tools;
        if is_full || tools.is_empty() || self.cursors.len() >= self.limits.tools {
            self.exclude(String::new(), "further pages were not read");
            return Ok(Next::Done(self.listing));
        }
        if !self.cursors.insert(cursor.clone()) {
            tracing::warn!("a server's list of tools goes in a circle; the pages so far are kept");
            self.exclude(
                String::new(),
                "further pages were not read: the list goes in a circle",
            );
            return Ok(Next::Done(self.listing));
        }
        Ok(Next::Page(self, cursor))
    }

    fn tool(&mut self, tool: Value) {
        let Value::Object(mut fields) = tool else {
            return self.exclude(String::new(), "it is not an object");
        };
        let Some(Value::String(name)) = fields.remove("name") else {
            return self.exclude(String::new(), "it has no name");
        };
        if name.is_empty() || name.len() > MAX_NAME {
            let shown = name.chars().take(40).collect();
            return self.exclude(shown, "its name is empty or longer than 256 bytes");
        }
        if name.contains(MARKER) {
            return self.exclude(name, "its name holds a secret of the configuration");
        }
        if name.chars().any(char::is_control) {
            return self.exclude(name, "its name contains a control character");
        }
        if self.names.contains(&name) {
            return self.exclude(name, "there is another tool of this name before it");
        }
        if self.listing.tools.len() >= self.limits.tools {
            let reason = format!("there are more than {} tools", self.limits.tools);
            return self.exclude(name, &reason);
        }
        let title = title(&mut fields);
        let mut description = text(fields.remove("description"));
        if description.is_empty() {
            description.clone_from(&title);
        }
        let input_schema = match fields.remove("inputSchema") {
            Some(schema @ Value::Object(_)) => schema,
            None | Some(Value::Null) => Value::Object(Map::new()),
            Some(_) => return self.exclude(name, "its input schema is not an object"),
        };
        let output_schema = fields.remove("outputSchema").filter(Value::is_object);
        self.bytes += name.len()
            + title.len()
            + description.len()
            + weight(&input_schema)
            + output_schema.as_ref().map_or(0, weight);
        if self.bytes > self.limits.listing {
            let reason = format!(
                "the definitions together are larger than {} bytes",
                self.limits.listing
            );
            return self.exclude(name, &reason);
        }
        self.names.insert(name.clone());
        self.listing.tools.push(Definition {
            name,
            title,
            description,
            input_schema: Arc::new(input_schema),
            output_schema: output_schema.map(Arc::new),
            is_destructive: fields
                .get("annotations")
                .and_then(|hints| hints.get("destructiveHint"))
                == Some(&Value::Bool(true)),
        });
    }

    fn exclude(&mut self, name: String, reason: &str) {
        self.listing.excluded_count += 1;
        if self.listing.excluded.len() < MAX_REASONS {
            self.listing.excluded.push(Excluded {
                name,
                reason: reason.to_owned(),
            });
        }
    }
}

/// The title, which older revisions of the protocol put among the hints.
fn title(fields: &mut Map<String, Value>) -> String {
    let title = text(fields.remove("title"));
    match fields.get_mut("annotations") {
        Some(Value::Object(hints)) if title.is_empty() => text(hints.remove("title")),
        _ => title,
    }
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) if !text.trim().is_empty() => text,
        _ => String::new(),
    }
}

/// About how many bytes a value holds, without writing it out.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => 8 + text.len(),
        Value::Array(items) => 8 + items.iter().map(weight).sum::<usize>(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| 8 + key.len() + weight(value);
            8 + fields.iter().map(field).sum::<usize>()
        }
    }
}

fn broken(why: &str) -> Fault {
    Fault::new(FaultKind::Unavailable, why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn done(result: Result<Next<'_>, Fault>) -> Listing {
        match result {
            Ok(Next::Done(listing)) => listing,
            Ok(Next::Page(_, cursor)) => panic!("there is another page at {cursor}"),
            Err(fault) => panic!("{}", fault.message),
        }
    }

    /// With a secret, of which nothing is left.
    fn pages(limits: ServerLimits) -> Pages<'static> {
        static REDACTOR: std::sync::LazyLock<Redactor> =
            std::sync::LazyLock::new(|| Redactor::new(["hunter2hunter2"]));
        Pages::new(limits, &REDACTOR)
    }

    fn read(tools: Value) -> Listing {
        done(pages(ServerLimits::default()).add(&json!({ "tools": tools }).to_string()))
    }

    #[test]
    fn one_broken_tool_does_not_take_the_others_with_it() {
        let listing = read(json!([
            {"name": "good", "inputSchema": {"type": "object"}},
            {"name": "bare"},
            {"name": "schema_is_true", "inputSchema": true},
            {"name": "good", "inputSchema": {}},
            {"name": "two\nlines", "inputSchema": {}},
            {"inputSchema": {}},
            7,
        ]));
        let names: Vec<_> = listing
            .tools
            .iter()
            .map(|tool| tool.name.as_str())
            .collect();
        assert_eq!(names, ["good", "bare"]);
        let reasons: Vec<_> = listing.excluded.iter().map(|e| e.reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "its input schema is not an object",
                "there is another tool of this name before it",
                "its name contains a control character",
                "it has no name",
                "it is not an object",
            ]
        );
        assert_eq!(listing.excluded_count, 5);
    }

    #[test]
    fn definitions_hold_no_secret_and_cursors_go_back_as_they_came() {
        let secret = "hunter2\\u0068unter2";
        let page = format!(
            r#"{{"tools": [
                {{"name": "a", "description": "{secret}", "inputSchema": {{"properties": {{"{secret}": {{"default": "{secret}"}}}}}}}},
                {{"name": "x{secret}"}}
            ], "nextCursor": "hunter2hunter2"}}"#
        );
        let Ok(Next::Page(pages, cursor)) = pages(ServerLimits::default()).add(&page) else {
            panic!("there is a next one");
        };
        assert_eq!(cursor, "hunter2hunter2");
        let listing = done(pages.add(r#"{"tools": []}"#));
        let [tool] = &listing.tools[..] else {
            panic!("{listing:?}");
        };
        assert_eq!(tool.description, "[redacted]");
        assert_eq!(
            *tool.input_schema,
            json!({"properties": {"[redacted]": {"default": "[redacted]"}}})
        );
        assert_eq!(
            listing.excluded[0].reason,
            "its name holds a secret of the configuration"
        );
    }

    #[test]
    fn a_description_falls_back_to_the_title() {
        let listing = read(json!([{"name": "a", "title": "The A", "description": " "}]));
        assert_eq!(listing.tools[0].description, "The A");
    }

    #[test]
    fn tools_and_bytes_beyond_the_bounds_are_left_out_and_counted() {
        let limits = ServerLimits {
            tools: 2,
            ..ServerLimits::default()
        };
        let tools: Vec<_> = (0..5).map(|n| json!({"name": format!("t{n}")})).collect();
        let listing = done(pages(limits).add(&json!({ "tools": tools }).to_string()));
        assert_eq!((listing.tools.len(), listing.excluded_count), (2, 3));
        assert_eq!(listing.excluded[0].reason, "there are more than 2 tools");

        let limits = ServerLimits {
            listing: 100,
            ..ServerLimits::default()
        };
        let long = "x".repeat(200);
        let listing = done(
            pages(limits).add(&json!({"tools": [{"name": "a", "description": long}]}).to_string()),
        );
        assert_eq!((listing.tools.len(), listing.excluded_count), (0, 1));
    }

    #[test]
    fn pages_end_when_they_go_in_a_circle_or_on_for_ever() {
        let page = |n: usize| json!({"tools": [{"name": format!("t{n}")}], "nextCursor": "same"});
        let Ok(Next::Page(first, _)) = pages(ServerLimits::default()).add(&page(0).to_string())
        else {
            panic!("the first page has a next one");
        };
        let listing = done(first.add(&page(1).to_string()));
        assert_eq!(listing.tools.len(), 2, "the pages so far are kept");
        assert_eq!(
            listing.excluded[0].reason,
            "further pages were not read: the list goes in a circle"
        );

        let mut so_far = pages(ServerLimits {
            tools: 50,
            ..ServerLimits::default()
        });
        for n in 0.. {
            let page = json!({"tools": [{"name": format!("t{n}")}], "nextCursor": n.to_string()});
            match so_far.add(&page.to_string()) {
                Ok(Next::Page(more, _)) => so_far = more,
                Ok(Next::Done(listing)) => {
                    assert_eq!((listing.tools.len(), listing.excluded_count), (50, 1));
                    break;
                }
                Err(fault) => panic!("{}", fault.message),
            }
            assert!(n < 60);
        }
    }
}
