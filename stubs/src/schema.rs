//! A JSON schema as a type that programs understand.
//!
//! Schemas are written by strangers, in every draft from 4 to 2020-12 and in
//! none. Reading one never fails and never fetches: what cannot be expressed,
//! cannot be read or goes beyond a bound becomes [`Type::Any`], and the schema
//! is marked as partial. The result is at least as wide as the schema; checking
//! values against the schema itself is somebody else's work.
//!
//! Invariants: a type nests at most [`MAX_DEPTH`] levels, a schema has at most
//! [`MAX_TYPES`] types and [`MAX_TEXT`] bytes of text; recursion is only in
//! [`Type::Reference`], and no chain of references leads back to itself without
//! an array, map, tuple or object between. Text is raw: whoever prints it
//! has to escape it.

mod field;
mod flatten;
mod reader;
#[cfg(test)]
mod tests;

use serde_json::{Number, Value};

pub use field::{Limits, Note};
pub(crate) use reader::shortened;

/// Levels of arrays, objects and unions. Honest schemas have a dozen; beyond
/// that nobody reads a type, and recursion here must not exhaust the stack.
pub const MAX_DEPTH: usize = 24;

/// Types in one schema: the work of reading it, and a screenful many times
/// over. The largest of the honest ones have some hundred.
pub const MAX_TYPES: usize = 2_048;

/// Schemas and properties looked at for one schema. Parts of an `allOf` that is
/// used many times are looked at each time.
pub const MAX_WORK: usize = 32_768;

/// Types with a name of their own in one schema.
pub const MAX_DEFINITIONS: usize = 256;

/// Fields of one object. The same as the parameters that a call is told about.
pub const MAX_FIELDS: usize = 256;

/// Alternatives of one union. More say nothing to a reader.
pub const MAX_ALTERNATIVES: usize = 48;

/// Values of one enumeration. Lists of currencies and time zones are longer,
/// and belong in a tool's result rather than in its type.
pub const MAX_LITERALS: usize = 128;

/// The longest value of an enumeration in bytes.
pub const MAX_LITERAL: usize = 256;

/// Schemas that hold at the same time (`allOf` and `$ref` with neighbours).
/// Each is looked at once however many ways lead to it.
pub const MAX_PARTS: usize = 64;

/// The longest name of a field in bytes. Longer ones are no names.
pub const MAX_NAME: usize = 128;

/// The longest description of a field or definition in bytes.
pub const MAX_DESCRIPTION: usize = 4 << 10;

/// The longest default in bytes of JSON. Longer ones are data.
pub const MAX_DEFAULT: usize = 256;

/// The longest pattern, format and the like in bytes.
pub const MAX_NOTE: usize = 128;

/// All text of one schema in bytes, so that small pieces used often stay small.
pub const MAX_TEXT: usize = 128 << 10;

/// A schema as types.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// What the schema describes.
    pub root: Type,
    /// The types that [`Type::Reference`] means. All of them are used.
    pub definitions: Vec<Named>,
    /// Whether parts were replaced by [`Type::Any`] or left out, because of a
    /// bound or because they cannot be read.
    pub is_partial: bool,
}

/// A type that is used by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// How the schema calls it. Raw, not unique, may be empty.
    pub name: String,
    /// What the schema says about it; may be empty.
    pub description: String,
    /// The type.
    pub ty: Type,
}

/// The type of a JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Anything, or not known.
    Any,
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction.
    Integer,
    /// A number.
    Number,
    /// A text.
    String,
    /// One of these values; never empty, no value twice.
    Literals(Vec<Literal>),
    /// A list of any length.
    Array(Box<Type>),
    /// A list with a type for each place.
    Tuple(Vec<Type>),
    /// An object with any keys and values of one type.
    Map(Box<Type>),
    /// An object with known keys.
    Object(Object),
    /// One of several; at least two, none of them a union, none `Any`.
    Union(Vec<Type>),
    /// One of [`Schema::definitions`].
    Reference(usize),
}

/// One value of an enumeration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number as the schema spells it.
    Number(Number),
    /// A text of at most [`MAX_LITERAL`] bytes.
    String(String),
}

/// An object with known keys.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object {
    /// In the order of the schema; no name twice.
    pub fields: Vec<Field>,
    /// What other keys may hold. `None` if the schema forbids or does not
    /// mention them.
    pub rest: Option<Box<Type>>,
}

/// One key of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The key.
    pub name: String,
    /// Whether it has to be there.
    pub required: bool,
    /// What it holds.
    pub ty: Type,
    /// What the schema says about it; may be empty.
    pub description: String,
    /// What holds if it is not there, at most [`MAX_DEFAULT`] bytes.
    pub default: Option<Value>,
    /// What the type does not say.
    pub notes: Vec<Note>,
}

impl Schema {
    /// Reads a schema of any kind of value.
    ///
    /// ```
    /// use serde_json::json;
    /// use wasm_coordinator_stubs::schema::{Schema, Type};
    /// let schema = Schema::read(&json!({"type": "array", "items": {"type": "string"}}));
    /// assert_eq!(schema.root, Type::Array(Box::new(Type::String)));
    /// assert_eq!(Schema::read(&json!(7)).root, Type::Any);
    /// ```
    pub fn read(schema: &Value) -> Self {
        reader::read(schema, false)
    }

    /// Reads the schema of a tool's arguments. The root is an object whatever
    /// the schema says, with the fields of all alternatives: a function has one
    /// list of parameters. Those that are first come first.
    pub fn read_parameters(schema: &Value) -> Self {
        reader::read(schema, true)
    }

    /// The root as an object with known keys, if it is one.
    pub fn object(&self) -> Option<&Object> {
        match self.resolved(&self.root) {
            Type::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The type behind a reference; other types as they are.
    pub fn resolved<'t>(&'t self, ty: &'t Type) -> &'t Type {
        let mut ty = ty;
        while let Type::Reference(index) = ty {
            ty = &self.definitions[*index].ty;
        }
        ty
    }
}

impl Type {
    /// The union of several types, in the simplest form.
    pub(crate) fn union(types: impl IntoIterator<Item = Self>) -> Self {
        let mut flat: Vec<Self> = Vec::new();
        let mut literals: Vec<Literal> = Vec::new();
        let mut literals_at = None;
        for ty in types {
            let parts = match ty {
                Self::Any => return Self::Any,
                Self::Union(types) => types,
                ty => vec![ty],
            };
            for part in parts {
                match part {
                    Self::Literals(values) => {
                        literals_at.get_or_insert(flat.len());
                        for value in values {
                            if !literals.contains(&value) {
                                literals.push(value);
                            }
                        }
                    }
                    part if flat.contains(&part) => {}
                    part => flat.push(part),
                }
            }
        }
        if flat.contains(&Self::Number) {
            flat.retain(|ty| *ty != Self::Integer);
        }
        // `null` reads better outside of an enumeration, last.
        let has_null = literals.contains(&Literal::Null) || flat.contains(&Self::Null);
        let is_only_null = literals.len() == 1 && flat.is_empty();
        if has_null && !is_only_null {
            literals.retain(|literal| *literal != Literal::Null);
            flat.retain(|ty| *ty != Self::Null);
        }
        if is_only_null && has_null {
            return Self::Null;
        }
        if !literals.is_empty() {
            let at = literals_at.unwrap_or_default().min(flat.len());
            flat.insert(at, Self::Literals(literals));
        }
        if has_null {
            flat.push(Self::Null);
        }
        match flat.len() {
            0 => Self::Any,
            1 => flat.remove(0),
            _ => Self::Union(flat),
        }
    }
}
