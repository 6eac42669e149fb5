//! What a server says about itself and its tools, as far as stubs need it.

use serde_json::Value;

use crate::{
    names::ToolNames,
    schema::{Schema, Type},
};

/// A server. All texts but the identifier are raw.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    /// The name in the configuration.
    pub name: &'a str,
    /// The module it is in every language.
    pub identifier: &'a str,
    /// What it calls itself; may be empty.
    pub title: &'a str,
    /// Its version; may be empty.
    pub version: &'a str,
    /// What it wants models to be told; may be empty.
    pub instructions: &'a str,
}

/// A tool of a server. All texts but the names in programs are raw.
#[derive(Debug, Clone, Copy)]
pub struct Tool<'a> {
    /// The name the server gave it.
    pub name: &'a str,
    /// Its names in programs.
    pub names: &'a ToolNames,
    /// Its name for people; may be empty.
    pub title: &'a str,
    /// What the server says about it; may be empty.
    pub description: &'a str,
    /// The schema of its arguments.
    pub input: &'a Value,
    /// The schema of its result.
    pub output: Option<&'a Value>,
    /// Whether programs get the field `result` of the result, and nothing
    /// around it.
    pub is_wrapped: bool,
}

impl Tool<'_> {
    /// The type of its arguments: an object, always.
    pub fn parameters(&self) -> Schema {
        Schema::read_parameters(self.input)
    }

    /// The type of what a program gets, if the server says.
    pub fn result(&self) -> Option<Schema> {
        let mut schema = Schema::read(self.output?);
        if self.is_wrapped {
            let object = schema.object();
            let result =
                object.and_then(|object| object.fields.iter().find(|f| f.name == "result"));
            schema.root = result.map_or(Type::Any, |field| field.ty.clone());
        }
        (schema.root != Type::Any).then_some(schema)
    }
}
