//! What both languages need to know about the types of a tool.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    names::words,
    schema::{Field, Literal, Schema, Type},
    text,
};

/// The longest description of a tool that goes into its file, in bytes. Longer
/// ones are manuals, and cost every reader.
pub(crate) const MAX_DESCRIPTION: usize = 16 << 10;

/// Gives types of one file names of their own.
pub(crate) struct TypeNames(HashSet<String>);

impl TypeNames {
    /// Without the names that the file needs for other things.
    pub(crate) fn without(reserved: &[&str]) -> Self {
        Self(reserved.iter().map(|&name| name.to_owned()).collect())
    }

    /// A name in the manner of `PullRequest`, from a raw one.
    pub(crate) fn take(&mut self, hint: &str) -> String {
        const MAX_SHOWN: usize = 48;
        let mut name = String::new();
        for word in words(hint) {
            let (first, rest) = word.split_at(1);
            name.push_str(&first.to_ascii_uppercase());
            name.push_str(rest);
        }
        name.truncate(MAX_SHOWN);
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "Type");
        }
        let mut unique = name.clone();
        let mut number = 2;
        while !self.0.insert(unique.clone()) {
            unique = format!("{name}{number}");
            number += 1;
        }
        unique
    }
}

/// What an item of a list called `name` may be called.
pub(crate) fn singular(name: &str) -> String {
    match name.strip_suffix("ies") {
        Some(stem) if stem.len() > 1 => return format!("{stem}y"),
        _ => {}
    }
    let is_plural = name.ends_with('s') && !["ss", "us", "is"].iter().any(|e| name.ends_with(e));
    if is_plural && name.len() > 3 {
        name[..name.len() - 1].to_owned()
    } else {
        name.to_owned()
    }
}

/// How often each definition of a schema is used.
pub(crate) fn uses(schema: &Schema) -> Vec<usize> {
    fn count(ty: &Type, uses: &mut [usize]) {
        match ty {
            Type::Reference(index) => uses[*index] += 1,
            Type::Array(ty) | Type::Map(ty) => count(ty, uses),
            Type::Tuple(types) | Type::Union(types) => types.iter().for_each(|ty| count(ty, uses)),
            Type::Object(object) => {
                object
                    .fields
                    .iter()
                    .for_each(|field| count(&field.ty, uses));
                object.rest.iter().for_each(|ty| count(ty, uses));
            }
            _ => {}
        }
    }
    let mut uses = vec![0; schema.definitions.len()];
    count(&schema.root, &mut uses);
    schema
        .definitions
        .iter()
        .for_each(|named| count(&named.ty, &mut uses));
    uses
}

/// Whether a value is one of a type, so that it can stand as a default.
pub(crate) fn fits(schema: &Schema, ty: &Type, value: &Value) -> bool {
    match (schema.resolved(ty), value) {
        (Type::Any, value) => !value.is_object(),
        (Type::Null, Value::Null) | (Type::Boolean, Value::Bool(_)) => true,
        (Type::String, Value::String(_)) | (Type::Number, Value::Number(_)) => true,
        (Type::Integer, Value::Number(number)) => !number.is_f64(),
        (Type::Literals(literals), value) => literals.iter().any(|literal| match literal {
            Literal::Null => value.is_null(),
            Literal::Boolean(flag) => value.as_bool() == Some(*flag),
            Literal::Number(number) => value.as_number() == Some(number),
            Literal::String(text) => value.as_str() == Some(text),
        }),
        (Type::Array(ty), Value::Array(items)) => items.iter().all(|item| fits(schema, ty, item)),
        (Type::Map(_), Value::Object(fields)) => fields.is_empty(),
        (Type::Union(types), value) => types.iter().any(|ty| fits(schema, ty, value)),
        _ => false,
    }
}

/// What is to be said about a field, on one line. `default` is what its type
/// does not show.
pub(crate) fn remark(field: &Field, default: Option<&Value>) -> String {
    let mut notes: Vec<String> = field
        .notes
        .iter()
        .map(|n| text::line(&n.to_string(), 256))
        .collect();
    // Said in words, most of the time.
    notes.retain(|note| !field.description.contains(note.as_str()));
    if let Some(default) = default
        && !default.is_null()
    {
        notes.push(format!("default {}", text::line(&default.to_string(), 512)));
    }
    let description = text::line(&field.description, crate::schema::MAX_DESCRIPTION);
    match (description.is_empty(), notes.is_empty()) {
        (_, true) => description,
        (true, false) => notes.join(", "),
        (false, false) => format!("{description} ({})", notes.join(", ")),
    }
}
