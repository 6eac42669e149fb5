//! From schemas to types.
//!
//! Works on conjunctions: a property that two parts of an `allOf` describe is
//! read from both. What is referred to is read once, from a queue, so that
//! neither recursion nor long chains of definitions nest here.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet, VecDeque},
};

use serde_json::{Map, Value};

use super::{
    Field, Literal, MAX_ALTERNATIVES, MAX_DEFAULT, MAX_DEFINITIONS, MAX_DEPTH, MAX_DESCRIPTION,
    MAX_FIELDS, MAX_LITERAL, MAX_LITERALS, MAX_NAME, MAX_TEXT, MAX_TYPES, MAX_WORK, Named, Object,
    Schema, Type, field,
    flatten::{Document, Flat, is_nullable},
};
use crate::names::folded;

type Part<'s> = &'s Map<String, Value>;

pub(super) fn read(schema: &Value, as_parameters: bool) -> Schema {
    let mut reader = Reader {
        document: Document { root: schema },
        targets: Document { root: schema }.targets(),
        types: 0,
        work: 0,
        text: 0,
        definitions: Vec::new(),
        indices: HashMap::new(),
        queue: VecDeque::new(),
        is_partial: false,
    };
    let mut root = if as_parameters {
        let parts = reader.parts(schema);
        Type::Object(reader.object(&parts, &[], 0))
    } else {
        reader.read(&[schema], &[], 0)
    };
    while let Some((index, target)) = reader.queue.pop_front() {
        // Where the root refers to itself it is a definition, too.
        let ty = if std::ptr::eq(target, schema) && !as_parameters {
            std::mem::replace(&mut root, Type::Reference(index))
        } else {
            reader.read_definition(target)
        };
        reader.definitions[index].ty = ty;
    }
    for index in 0..reader.definitions.len() {
        reader.cut_bare_cycle(index);
    }
    Schema {
        root,
        definitions: reader.definitions,
        is_partial: reader.is_partial,
    }
}

struct Reader<'s> {
    document: Document<'s>,
    /// What is referred to, wherever it is, and what it may be called.
    targets: HashMap<*const Value, &'s str>,
    /// Types read so far.
    types: usize,
    /// Schemas and properties looked at so far.
    work: usize,
    /// Bytes of text taken so far.
    text: usize,
    definitions: Vec<Named>,
    /// Definitions by where their schema is: several pointers may mean one.
    indices: HashMap<*const Value, usize>,
    /// Definitions that are still to be read.
    queue: VecDeque<(usize, &'s Value)>,
    is_partial: bool,
}

impl<'s> Reader<'s> {
    /// What several schemas say together. `required` are keys that a schema
    /// around an alternative demands.
    fn read(&mut self, schemas: &[&'s Value], required: &[&'s str], depth: usize) -> Type {
        if depth > MAX_DEPTH || self.is_exhausted() {
            return self.unknown();
        }
        if let [schema] = schemas
            && self.is_shared(schema)
        {
            return self.reference(schema, depth);
        }
        self.types += 1;
        match self.flat(schemas) {
            Flat::Reference { target, nullable } => {
                let ty = self.reference(target, depth);
                if nullable {
                    Type::union([ty, Type::Null])
                } else {
                    ty
                }
            }
            Flat::Parts(parts) => self.read_parts(&parts, required, depth),
        }
    }

    fn read_definition(&mut self, target: &'s Value) -> Type {
        self.types += 1;
        let parts = self.parts(target);
        self.read_parts(&parts, &[], 0)
    }

    fn is_exhausted(&self) -> bool {
        self.types >= MAX_TYPES || self.work >= MAX_WORK
    }

    fn flat(&mut self, schemas: &[&'s Value]) -> Flat<'s> {
        let flat = self.document.flatten(schemas, &mut self.is_partial);
        self.work += match &flat {
            Flat::Reference { .. } => 1,
            Flat::Parts(parts) => parts.len(),
        };
        flat
    }

    /// The parts of a schema, with all references followed.
    fn parts(&mut self, schema: &'s Value) -> Vec<Part<'s>> {
        let parts = self.document.parts(&[schema], &mut self.is_partial);
        self.work += parts.len();
        parts
    }

    fn unknown(&mut self) -> Type {
        self.is_partial = true;
        Type::Any
    }

    /// Whether a schema that stands in place is referred to from elsewhere, too.
    /// Libraries that have no definitions write recursion and repetition so.
    fn is_shared(&self, schema: &'s Value) -> bool {
        self.targets.contains_key(&std::ptr::from_ref(schema))
            && !is_small(schema)
            && !std::ptr::eq(schema, self.document.root)
    }

    fn reference(&mut self, target: &'s Value, depth: usize) -> Type {
        if is_small(target) {
            return self.read(&[target], &[], depth + 1);
        }
        let next = self.definitions.len();
        if let Some(&index) = self.indices.get(&std::ptr::from_ref(target)) {
            return Type::Reference(index);
        }
        if next == MAX_DEFINITIONS {
            return self.unknown();
        }
        let (name, description) = match self.name_of(target) {
            Some(name) => {
                let description = self.text_of(target, "description", MAX_DESCRIPTION);
                (name, description)
            }
            // Described where it stands.
            None => {
                let hint = self.targets.get(&std::ptr::from_ref(target));
                let hint = hint.copied().unwrap_or_default();
                (shortened(hint, MAX_NAME).into_owned(), String::new())
            }
        };
        self.indices.insert(target, next);
        self.queue.push_back((next, target));
        self.definitions.push(Named {
            name,
            description,
            ty: Type::Any,
        });
        Type::Reference(next)
    }

    /// Takes away how a definition is itself and nothing around it: `a`, which
    /// is `a` or `null`, is `null`.
    fn cut_bare_cycle(&mut self, index: usize) {
        let mut seen = HashSet::new();
        let mut open = vec![index];
        while let Some(at) = open.pop() {
            if !seen.insert(at) {
                continue;
            }
            let ty = &mut self.definitions[at].ty;
            if bare(ty).contains(&index) {
                self.is_partial = true;
                *ty = match std::mem::replace(ty, Type::Any) {
                    Type::Union(mut types) => {
                        types.retain(|ty| *ty != Type::Reference(index));
                        Type::union(types)
                    }
                    _ => Type::Any,
                };
            }
            open.extend(bare(ty));
        }
    }

    /// The key that a definition stands under.
    fn name_of(&self, target: &Value) -> Option<String> {
        let definitions = ["$defs", "definitions"]
            .iter()
            .filter_map(|key| self.document.root.get(key)?.as_object())
            .flatten()
            .take(MAX_DEFINITIONS);
        let mut found = definitions.filter(|(_, schema)| std::ptr::eq(*schema, target));
        let (name, _) = found.next()?;
        Some(shortened(name, MAX_NAME).into_owned())
    }

    fn read_parts(&mut self, parts: &[Part<'s>], required: &[&'s str], depth: usize) -> Type {
        let ty = match self.literals(parts) {
            Some(ty) => ty,
            None => match self.alternatives(parts, required, depth) {
                Some(ty) => ty,
                None => self.plain(parts, required, depth),
            },
        };
        if parts.iter().any(|part| is_nullable(part)) && ty != Type::Any {
            Type::union([ty, Type::Null])
        } else {
            ty
        }
    }

    /// `const` and `enum`. The shortest list is the strictest.
    fn literals(&mut self, parts: &[Part<'s>]) -> Option<Type> {
        let lists = parts.iter().filter_map(|part| match part.get("const") {
            Some(value) => Some(std::slice::from_ref(value)),
            None => part.get("enum")?.as_array().map(Vec::as_slice),
        });
        let values = lists.min_by_key(|values| values.len())?;
        if values.is_empty() {
            return Some(self.unknown());
        }
        let is_long = values.len() > MAX_LITERALS;
        self.is_partial |= is_long;
        let mut types = Vec::new();
        for value in values.iter().take(MAX_LITERALS) {
            let ty = match value {
                Value::Null => Type::Literals(vec![Literal::Null]),
                Value::Bool(_) | Value::Number(_) if is_long => kind_of(value),
                Value::Bool(flag) => Type::Literals(vec![Literal::Boolean(*flag)]),
                Value::Number(number) => Type::Literals(vec![Literal::Number(number.clone())]),
                Value::String(text) if is_long || !self.takes(text, MAX_LITERAL) => {
                    self.is_partial = true;
                    Type::String
                }
                Value::String(text) => Type::Literals(vec![Literal::String(text.clone())]),
                Value::Array(_) | Value::Object(_) => kind_of(value),
            };
            types.push(ty);
        }
        // Half a list would be a lie.
        if types.contains(&Type::String) {
            types.retain(
                |ty| !matches!(ty, Type::Literals(v) if matches!(v[0], Literal::String(_))),
            );
        }
        Some(Type::union(types))
    }

    /// `anyOf` and `oneOf` that stand for types. `None` if the schema says more
    /// without them.
    fn alternatives(
        &mut self,
        parts: &[Part<'s>],
        required: &[&'s str],
        depth: usize,
    ) -> Option<Type> {
        if parts.iter().any(|part| has_entries(part, "properties")) {
            // They tell about fields, which `object` collects.
            return None;
        }
        let alternatives = parts.iter().find_map(|part| {
            ["anyOf", "oneOf"]
                .iter()
                .find_map(|key| part.get(*key)?.as_array())
                .filter(|all| !all.is_empty())
        })?;
        if alternatives.len() > MAX_ALTERNATIVES {
            self.is_partial = true;
            return None;
        }
        let required: Vec<&str> = required.iter().copied().chain(demanded(parts)).collect();
        let types: Vec<Type> = alternatives
            .iter()
            // What nothing fits is no alternative.
            .filter(|schema| **schema != Value::Bool(false))
            .map(|schema| self.read(&[schema], &required, depth + 1))
            .collect();
        let ty = Type::union(types);
        (ty != Type::Any).then_some(ty)
    }

    /// What `type` and the keywords for each type say.
    fn plain(&mut self, parts: &[Part<'s>], required: &[&'s str], depth: usize) -> Type {
        let Some(kinds) = self.kinds(parts) else {
            return Type::Any;
        };
        let types: Vec<_> = kinds
            .into_iter()
            .map(|kind| match kind {
                "null" => Type::Null,
                "boolean" => Type::Boolean,
                "integer" => Type::Integer,
                "number" => Type::Number,
                "string" => Type::String,
                "array" => self.array(parts, depth),
                "object" => match self.object(parts, required, depth) {
                    Object { fields, rest } if fields.is_empty() => match rest {
                        Some(rest) => Type::Map(rest),
                        None if forbids_others(parts) => Type::Object(Object::default()),
                        None => Type::Map(Box::new(Type::Any)),
                    },
                    object => Type::Object(object),
                },
                _ => self.unknown(),
            })
            .collect();
        Type::union(types)
    }

    /// The names in `type`, or what the other keywords show it to be.
    fn kinds(&mut self, parts: &[Part<'s>]) -> Option<Vec<&'s str>> {
        const KINDS: [&str; 7] = [
            "null", "boolean", "integer", "number", "string", "array", "object",
        ];
        let mut kinds: Option<Vec<&str>> = None;
        for part in parts {
            let named: Vec<&str> = match part.get("type") {
                None => continue,
                Some(Value::String(kind)) => vec![kind],
                Some(Value::Array(kinds)) => kinds
                    .iter()
                    .take(2 * KINDS.len())
                    .filter_map(Value::as_str)
                    .collect(),
                Some(_) => Vec::new(),
            };
            if named.is_empty() || named.iter().any(|kind| !KINDS.contains(kind)) {
                self.is_partial = true;
                continue;
            }
            kinds = Some(match kinds {
                None => named,
                Some(before) => both(&before, &named).unwrap_or(before),
            });
        }
        if kinds.is_some() {
            return kinds;
        }
        let has = |keys: &[&str]| {
            keys.iter()
                .any(|key| parts.iter().any(|part| part.contains_key(*key)))
        };
        if has(&["properties", "additionalProperties", "patternProperties"]) {
            return Some(vec!["object"]);
        }
        if has(&["items", "prefixItems"]) {
            return Some(vec!["array"]);
        }
        None
    }

    fn array(&mut self, parts: &[Part<'s>], depth: usize) -> Type {
        let first = |keys: &[&str]| {
            keys.iter()
                .find_map(|key| parts.iter().find_map(|p| p.get(*key)))
        };
        let tuple = match (first(&["prefixItems"]), first(&["items"])) {
            (Some(Value::Array(places)), rest) => Some((places, rest)),
            (_, Some(Value::Array(places))) => Some((places, first(&["additionalItems"]))),
            _ => None,
        };
        let Some((places, rest)) = tuple else {
            let items: Vec<&Value> = parts.iter().filter_map(|part| part.get("items")).collect();
            return Type::Array(Box::new(if items.is_empty() {
                Type::Any
            } else {
                self.read(&items, &[], depth + 1)
            }));
        };
        if places.len() > MAX_ALTERNATIVES {
            self.is_partial = true;
            return Type::Array(Box::new(Type::Any));
        }
        let mut types: Vec<Type> = places
            .iter()
            .map(|place| self.read(&[place], &[], depth + 1))
            .collect();
        match rest {
            None | Some(Value::Bool(_)) if !types.is_empty() => Type::Tuple(types),
            None | Some(Value::Bool(_)) => Type::Array(Box::new(Type::Any)),
            Some(rest) => {
                types.push(self.read(&[rest], &[], depth + 1));
                Type::Array(Box::new(Type::union(types)))
            }
        }
    }

    fn object(&mut self, parts: &[Part<'s>], required: &[&'s str], depth: usize) -> Object {
        let required: HashSet<&str> = required.iter().copied().chain(demanded(parts)).collect();
        let mut properties = Properties::default();
        properties.add(parts);
        // Fields that belong to one alternative may be absent in another.
        let own = properties.names.len();
        for schema in conditional(parts) {
            let parts = self.parts(schema);
            properties.add_new(&parts);
        }
        self.work += properties.looked_at;
        let mut left_out = properties.is_cut;
        let mut fields = Vec::new();
        for (index, name) in properties.names.iter().enumerate() {
            let schemas = &properties.schemas[*name];
            if schemas.contains(&&Value::Bool(false)) {
                continue;
            }
            if self.is_exhausted() {
                left_out = true;
                break;
            }
            if !self.takes(name, MAX_NAME) {
                left_out = true;
                continue;
            }
            let is_required = index < own && required.contains(name);
            fields.push(self.field(name, schemas, is_required, depth));
        }
        self.is_partial |= left_out;
        let rest = if left_out {
            Some(Type::Any)
        } else {
            self.rest(parts, depth)
        };
        Object {
            fields,
            rest: rest.map(Box::new),
        }
    }

    fn field(&mut self, name: &str, schemas: &[&'s Value], required: bool, depth: usize) -> Field {
        let ty = self.read(schemas, &[], depth + 1);
        let parts = match self.flat(schemas) {
            Flat::Parts(parts) => parts,
            // Only what stands beside the reference.
            Flat::Reference { .. } => schemas.iter().filter_map(|s| s.as_object()).collect(),
        };
        let mut description = self.text_in(&parts, "description", MAX_DESCRIPTION);
        if description.is_empty() {
            // Some say it of the one alternative that is not `null`, or of
            // what a list holds.
            let inside = inside(&parts);
            description = self.text_in(&inside, "description", MAX_DESCRIPTION);
        }
        if description.is_empty() {
            let title = self.text_in(&parts, "title", MAX_NAME);
            // Libraries make titles of names.
            if folded(&title) != folded(name) {
                description = title;
            }
        }
        let default = parts.iter().find_map(|part| part.get("default"));
        Field {
            name: name.to_owned(),
            required,
            ty,
            description,
            default: default.and_then(|value| self.default(value)),
            notes: parts
                .iter()
                .flat_map(|part| field::notes(part))
                .take(8)
                .collect(),
        }
    }

    /// What keys without a field may hold.
    fn rest(&mut self, parts: &[Part<'s>], depth: usize) -> Option<Type> {
        let mut types = Vec::new();
        for part in parts {
            if let Some(Value::Object(patterns)) = part.get("patternProperties") {
                self.is_partial |= patterns.len() > MAX_ALTERNATIVES;
                for schema in patterns.values().take(MAX_ALTERNATIVES) {
                    types.push(self.read(&[schema], &[], depth + 1));
                }
            }
            let others = part
                .get("additionalProperties")
                .or_else(|| part.get("unevaluatedProperties"));
            match others {
                None | Some(Value::Bool(false)) => {}
                Some(schema) => types.push(self.read(&[schema], &[], depth + 1)),
            }
        }
        (!types.is_empty()).then(|| Type::union(types))
    }

    fn default(&mut self, value: &Value) -> Option<Value> {
        // Printing a large one only to measure it would be work for nothing.
        let is_plausible = match value {
            Value::Array(items) => items.len() <= MAX_DEFAULT / 2,
            Value::Object(fields) => fields.len() <= MAX_DEFAULT / 4,
            _ => true,
        };
        let is_short = is_plausible && {
            let mut left = Left(MAX_DEFAULT);
            serde_json::to_writer(&mut left, value).is_ok()
        };
        if is_short {
            self.text += MAX_DEFAULT / 4;
            (self.text <= MAX_TEXT).then(|| value.clone())
        } else {
            self.is_partial = true;
            None
        }
    }

    fn text_of(&mut self, schema: &'s Value, key: &str, longest: usize) -> String {
        match schema.as_object() {
            Some(part) => self.text_in(&[part], key, longest),
            None => String::new(),
        }
    }

    /// The first text under a key.
    fn text_in(&mut self, parts: &[Part<'s>], key: &str, longest: usize) -> String {
        let text = parts
            .iter()
            .find_map(|part| part.get(key)?.as_str())
            .unwrap_or_default()
            .trim();
        let text = shortened(text, longest);
        if self.takes(&text, text.len()) {
            text.into_owned()
        } else {
            self.is_partial = true;
            String::new()
        }
    }

    /// Accounts for a text. `false` if it is too long or there is too much.
    fn takes(&mut self, text: &str, longest: usize) -> bool {
        if text.len() > longest || self.text + text.len() > MAX_TEXT {
            return false;
        }
        self.text += text.len();
        true
    }
}

/// The schemas of each property, in order.
#[derive(Default)]
struct Properties<'s> {
    names: Vec<&'s str>,
    schemas: HashMap<&'s str, Vec<&'s Value>>,
    is_cut: bool,
    looked_at: usize,
}

impl<'s> Properties<'s> {
    fn add(&mut self, parts: &[Part<'s>]) {
        for (name, schema) in self.entries(parts) {
            if let Some(schemas) = self.slot(name) {
                schemas.push(schema);
            }
        }
    }

    /// Adds properties that nothing is known about yet.
    fn add_new(&mut self, parts: &[Part<'s>]) {
        for (name, schema) in self.entries(parts) {
            if let Some(schemas) = self.slot(name)
                && schemas.is_empty()
            {
                schemas.push(schema);
            }
        }
    }

    fn entries(&mut self, parts: &[Part<'s>]) -> Vec<(&'s str, &'s Value)> {
        let maps = parts
            .iter()
            .filter_map(|part| part.get("properties")?.as_object());
        let mut entries = Vec::new();
        for map in maps {
            self.is_cut |= map.len() > MAX_FIELDS;
            entries.extend(map.iter().take(MAX_FIELDS).map(|(n, s)| (n.as_str(), s)));
        }
        self.looked_at += entries.len();
        entries
    }

    fn slot(&mut self, name: &'s str) -> Option<&mut Vec<&'s Value>> {
        if !self.schemas.contains_key(name) {
            if self.names.len() == MAX_FIELDS {
                self.is_cut = true;
                return None;
            }
            self.names.push(name);
        }
        Some(self.schemas.entry(name).or_default())
    }
}

/// The definitions that a type is, or may be, as they are.
fn bare(ty: &Type) -> Vec<usize> {
    let reference = |ty: &Type| match ty {
        Type::Reference(index) => Some(*index),
        _ => None,
    };
    match ty {
        Type::Union(types) => types.iter().filter_map(reference).collect(),
        ty => reference(ty).into_iter().collect(),
    }
}

/// Schemas that hold in some cases.
fn conditional<'s>(parts: &[Part<'s>]) -> Vec<&'s Value> {
    let lists = ["anyOf", "oneOf"].map(|key| {
        let lists = parts
            .iter()
            .filter_map(move |part| part.get(key)?.as_array());
        lists.flatten().take(MAX_ALTERNATIVES).collect::<Vec<_>>()
    });
    let branches = ["then", "else"]
        .iter()
        .flat_map(|key| parts.iter().filter_map(move |part| part.get(*key)));
    let dependent = parts
        .iter()
        .filter_map(|part| part.get("dependentSchemas")?.as_object())
        .flat_map(|schemas| schemas.values().take(MAX_ALTERNATIVES));
    let lists = lists.into_iter().flatten();
    lists
        .chain(branches)
        .chain(dependent)
        .take(MAX_ALTERNATIVES)
        .collect()
}

/// The names in `required`. Draft 3 has a flag there, which is not meant here.
fn demanded<'s>(parts: &[Part<'s>]) -> impl Iterator<Item = &'s str> {
    let lists = parts
        .iter()
        .filter_map(|part| part.get("required")?.as_array());
    lists
        .flat_map(|names| names.iter().take(MAX_FIELDS))
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .into_iter()
}

fn has_entries(part: Part<'_>, key: &str) -> bool {
    matches!(part.get(key), Some(Value::Object(entries)) if !entries.is_empty())
}

fn forbids_others(parts: &[Part<'_>]) -> bool {
    parts
        .iter()
        .any(|part| part.get("additionalProperties") == Some(&Value::Bool(false)))
}

/// Whether naming a schema would be longer than the schema.
fn is_small(schema: &Value) -> bool {
    let Value::Object(part) = schema else {
        return true;
    };
    let is_scalar = matches!(
        part.get("type").and_then(Value::as_str),
        Some("null" | "boolean" | "integer" | "number" | "string")
    );
    let has = |key: &str| part.contains_key(key);
    let is_composed = ["enum", "const", "anyOf", "oneOf", "allOf", "$ref"]
        .into_iter()
        .any(has);
    part.is_empty() || is_scalar && !is_composed
}

/// The kinds in both lists; an integer is a number. `None` if there is none.
fn both<'s>(left: &[&'s str], right: &[&'s str]) -> Option<Vec<&'s str>> {
    let fits = |kind: &str, others: &[&str]| {
        others.contains(&kind) || kind == "integer" && others.contains(&"number")
    };
    let mut kinds: Vec<&str> = left
        .iter()
        .copied()
        .filter(|kind| fits(kind, right))
        .collect();
    for kind in right {
        if fits(kind, left) && !kinds.contains(kind) {
            kinds.push(kind);
        }
    }
    (!kinds.is_empty()).then_some(kinds)
}

/// The type of a value.
fn kind_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Boolean,
        Value::Number(number) if number.is_f64() => Type::Number,
        Value::Number(_) => Type::Integer,
        Value::String(_) => Type::String,
        Value::Array(_) => Type::Array(Box::new(Type::Any)),
        Value::Object(_) => Type::Map(Box::new(Type::Any)),
    }
}

/// A text cut at a bound in bytes, with a mark that it was.
pub(crate) fn shortened(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest {
        return Cow::Borrowed(text);
    }
    let mut end = longest.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}…", &text[..end]))
}

/// A writer that takes this many bytes and no more.
struct Left(usize);

impl std::io::Write for Left {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.0.checked_sub(bytes.len()) {
            Some(left) => {
                self.0 = left;
                Ok(bytes.len())
            }
            None => Err(std::io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The alternatives and the items of a schema, as far as they are written in
/// place.
fn inside<'s>(parts: &[Part<'s>]) -> Vec<Part<'s>> {
    let alternatives = parts.iter().flat_map(|part| {
        let lists = ["anyOf", "oneOf"]
            .into_iter()
            .filter_map(|key| part.get(key)?.as_array());
        lists.flatten().take(MAX_ALTERNATIVES)
    });
    let items = parts.iter().filter_map(|part| part.get("items"));
    alternatives
        .chain(items)
        .filter_map(Value::as_object)
        .collect()
}
