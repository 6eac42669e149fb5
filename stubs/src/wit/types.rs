//! From a schema to WIT types: one walk that writes the text and makes the
//! plan.

use std::collections::{BTreeSet, HashMap};

use super::names::{Names, kebab, unique, written};
use super::plan::{Alternative, Case, Field, Record, Rest, Type};
use super::{MAX_DEPTH, MAX_NODES, MAX_NOTE, prose};
use crate::names::MAX_NAME;
use crate::schema::{self, Literal, Schema};

/// Fields of a record.
const MAX_FIELDS: usize = 128;
/// Cases of an enum.
const MAX_CASES: usize = 256;
/// Cases of a variant.
const MAX_ALTERNATIVES: usize = 32;
/// Elements of a tuple: what generated Rust can print and compare.
const MAX_TUPLE: usize = 12;
/// Types in a whole interface, and bytes of strangers' text in it.
const MAX_NODES_IN_ALL: usize = 100_000;
const MAX_PROSE_IN_ALL: usize = 2 << 20;

/// Names of types that generated code takes for something else: those of the
/// prelude in Rust, those that are imported in Python. And `options`, which
/// every tool has.
const AVOIDED: &[&str] = &[
    "any", "box", "callable", "dict", "enum", "err", "flag", "generic", "list", "none", "ok",
    "option", "optional", "options", "protocol", "result", "self", "set", "some", "string",
    "tuple", "type", "type-var", "union", "vec",
];

/// What is shared by the functions of an interface.
pub(super) struct Writer {
    pub(super) names: Names,
    /// Types written since the last function.
    pub(super) declarations: String,
    pub(super) uses_json: bool,
    declared: HashMap<String, Type>,
    nodes_left: usize,
    prose_left: usize,
}

/// A type in the plan and as it is written.
pub(super) struct Mapped {
    pub(super) ty: Type,
    pub(super) text: String,
}

/// The walk through one schema.
pub(super) struct Walk<'w, 's> {
    pub(super) writer: &'w mut Writer,
    pub(super) schema: &'s Schema,
    function: &'w str,
    /// Of the definitions: whether one contains itself.
    is_recursive: Vec<bool>,
    nodes_left: usize,
}

/// A member of a union, with the name of its definition.
struct Member<'s> {
    ty: &'s schema::Type,
    definition: Option<&'s str>,
}

impl Writer {
    pub(super) fn new(names: Names) -> Self {
        Self {
            names,
            declarations: String::new(),
            uses_json: false,
            declared: HashMap::new(),
            nodes_left: MAX_NODES_IN_ALL,
            prose_left: MAX_PROSE_IN_ALL,
        }
    }

    /// Writes text of a stranger as comments.
    pub(super) fn comment(&mut self, out: &mut String, indent: usize, text: &str, longest: usize) {
        let before = out.len();
        if self.prose_left >= longest {
            prose::comment(out, indent, text, longest);
        }
        self.prose_left = self.prose_left.saturating_sub(out.len() - before);
    }
}

impl Mapped {
    /// What a tool gives that does not say what it gives.
    pub(super) fn text() -> Self {
        Self::new(Type::Text, "string")
    }

    fn new(ty: Type, text: impl Into<String>) -> Self {
        Self {
            ty,
            text: text.into(),
        }
    }
}

impl<'w, 's> Walk<'w, 's> {
    pub(super) fn new(writer: &'w mut Writer, schema: &'s Schema, function: &'w str) -> Self {
        Self {
            writer,
            is_recursive: recursive(schema),
            schema,
            function,
            // Half for what goes in, half for what comes out.
            nodes_left: MAX_NODES / 2,
        }
    }

    /// Takes types from the budget; `false` if that is used up.
    pub(super) fn affords(&mut self, types: usize) -> bool {
        let is_affordable = types <= self.nodes_left && types <= self.writer.nodes_left;
        if is_affordable {
            self.nodes_left -= types;
            self.writer.nodes_left -= types;
        }
        is_affordable
    }

    /// Any type. `hint` is what it would be called.
    pub(super) fn map(&mut self, ty: &'s schema::Type, hint: &str, depth: usize) -> Mapped {
        let (mapped, is_nullable) = self.nullable(ty, hint, depth);
        match (mapped.ty, is_nullable) {
            // JSON can be `null` by itself.
            (Type::Json, _) => Mapped::new(Type::Json, mapped.text),
            (ty, false) => Mapped::new(ty, mapped.text),
            (ty, true) => Mapped::new(
                Type::Option(Box::new(ty)),
                format!("option<{}>", mapped.text),
            ),
        }
    }

    /// A type without `null`, and whether it can be `null`.
    fn nullable(&mut self, ty: &'s schema::Type, hint: &str, depth: usize) -> (Mapped, bool) {
        // A definition that is a union is the name of the variant.
        let named = self.definition(ty).map(|named| kebab(&named.name, "type"));
        let hint = named.as_deref().unwrap_or(hint);
        let mut members = Vec::new();
        let mut is_nullable = false;
        if self
            .members(ty, None, depth, &mut members, &mut is_nullable)
            .is_err()
        {
            return (self.json(), false);
        }
        let mapped = match members.as_slice() {
            [] => self.json(),
            [member] => self.member(member, hint, depth, false),
            members => self.variant(members, hint, depth),
        };
        (mapped, is_nullable)
    }

    /// The alternatives of a type, through references and unions. An error
    /// means that there are too many, or that it contains itself.
    fn members(
        &mut self,
        ty: &'s schema::Type,
        definition: Option<&'s str>,
        depth: usize,
        members: &mut Vec<Member<'s>>,
        is_nullable: &mut bool,
    ) -> Result<(), ()> {
        if depth > MAX_DEPTH || members.len() >= MAX_ALTERNATIVES || !self.affords(1) {
            return Err(());
        }
        match ty {
            schema::Type::Reference(index) => {
                if self
                    .is_recursive
                    .get(*index)
                    .is_none_or(|is_recursive| *is_recursive)
                {
                    return Err(());
                }
                let target = &self.schema.definitions[*index];
                let name = self.definition(ty).map(|named| named.name.as_str());
                self.members(
                    &target.ty,
                    name.or(definition),
                    depth + 1,
                    members,
                    is_nullable,
                )?;
            }
            schema::Type::Union(union) => {
                for ty in union {
                    self.members(ty, None, depth + 1, members, is_nullable)?;
                }
            }
            schema::Type::Null => *is_nullable = true,
            schema::Type::Literals(literals)
                if literals.iter().all(|l| matches!(l, Literal::Null)) =>
            {
                *is_nullable = true;
            }
            schema::Type::Literals(literals) => {
                *is_nullable |= literals.iter().any(|l| matches!(l, Literal::Null));
                members.push(Member { ty, definition });
            }
            _ => members.push(Member { ty, definition }),
        }
        Ok(())
    }

    /// The definition that a type is, if it has a name.
    fn definition(&self, ty: &schema::Type) -> Option<&'s schema::Named> {
        match ty {
            schema::Type::Reference(index) => self
                .schema
                .definitions
                .get(*index)
                .filter(|named| !named.name.is_empty()),
            _ => None,
        }
    }

    /// A type that is neither reference, union nor `null`.
    fn member(&mut self, member: &Member<'s>, hint: &str, depth: usize, in_union: bool) -> Mapped {
        // What is written out for it, whatever is inside.
        let lines = match member.ty {
            schema::Type::Object(object) => object.fields.len(),
            schema::Type::Literals(literals) => literals.len(),
            schema::Type::Tuple(items) => items.len(),
            _ => 0,
        };
        if depth > MAX_DEPTH || !self.affords(lines) {
            return self.json();
        }
        let named = member.definition.map(|name| kebab(name, "type"));
        let hint = named.as_deref().unwrap_or(hint);
        match member.ty {
            schema::Type::Boolean => Mapped::new(Type::Boolean, "bool"),
            schema::Type::Integer => Mapped::new(Type::Integer, "s64"),
            schema::Type::Number => Mapped::new(Type::Number, "f64"),
            schema::Type::String => Mapped::new(Type::String, "string"),
            schema::Type::Literals(literals) => self.literals(literals, hint, in_union),
            schema::Type::Array(item) => {
                let item = self.map(item, &singular(hint), depth + 1);
                Mapped::new(
                    Type::List(Box::new(item.ty)),
                    format!("list<{}>", item.text),
                )
            }
            schema::Type::Map(value) => {
                let value = self.map(value, &singular(hint), depth + 1);
                Mapped::new(
                    Type::Map(Box::new(value.ty)),
                    format!("list<tuple<string, {}>>", value.text),
                )
            }
            schema::Type::Tuple(items) if !items.is_empty() && items.len() <= MAX_TUPLE => {
                let items: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| {
                        self.map(item, &format!("{}-n{}", singular(hint), at + 1), depth + 1)
                    })
                    .collect();
                let texts: Vec<_> = items.iter().map(|item| item.text.as_str()).collect();
                let text = format!("tuple<{}>", texts.join(", "));
                Mapped::new(
                    Type::Tuple(items.into_iter().map(|item| item.ty).collect()),
                    text,
                )
            }
            schema::Type::Object(object) => self.object(object, hint, depth, in_union),
            _ => self.json(),
        }
    }

    fn literals(&mut self, literals: &'s [Literal], hint: &str, in_union: bool) -> Mapped {
        let values: Vec<_> = literals
            .iter()
            .filter(|literal| !matches!(literal, Literal::Null))
            .collect();
        let texts: Option<BTreeSet<&str>> = values.iter().map(|literal| text_of(literal)).collect();
        let Some(texts) = texts else {
            return match () {
                _ if values.iter().all(|l| matches!(l, Literal::Boolean(_))) => {
                    Mapped::new(Type::Boolean, "bool")
                }
                _ if values
                    .iter()
                    .all(|l| matches!(l, Literal::Number(n) if n.is_i64())) =>
                {
                    Mapped::new(Type::Integer, "s64")
                }
                _ if values.iter().all(|l| matches!(l, Literal::Number(_))) => {
                    Mapped::new(Type::Number, "f64")
                }
                _ => self.json(),
            };
        };
        if in_union && let (1, Some(&text)) = (texts.len(), texts.first()) {
            return Mapped::new(Type::Constant(text.into()), String::new());
        }
        if texts.is_empty() || texts.len() > MAX_CASES {
            return Mapped::new(Type::String, "string");
        }
        // In the order of the schema: it often means something.
        let mut seen = BTreeSet::new();
        let texts: Vec<&str> = values
            .iter()
            .filter_map(|l| text_of(l))
            .filter(|text| seen.insert(*text))
            .collect();
        let names = unique(texts.iter().copied(), "value", &mut Names::default());
        let cases: Vec<Case> = names
            .into_iter()
            .zip(texts)
            .map(|(name, value)| Case {
                name,
                value: value.to_owned(),
            })
            .collect();
        let mut text = String::from("{\n");
        for case in &cases {
            // Where the name does not tell.
            if case.name.replace('-', "") != case.value.to_lowercase().replace(['-', '_', ' '], "")
            {
                self.writer.comment(
                    &mut text,
                    8,
                    &format!("`{}`", case.value.replace('`', "'")),
                    100,
                );
            }
            text.push_str(&format!("        {},\n", written(&case.name)));
        }
        text.push_str("    }\n");
        self.declare("enum", hint, Type::Enum(cases), &text)
    }

    fn object(
        &mut self,
        object: &'s schema::Object,
        hint: &str,
        depth: usize,
        in_union: bool,
    ) -> Mapped {
        let is_constant =
            |field: &&schema::Field| in_union && field.required && constant(&field.ty).is_some();
        let (constants, fields): (Vec<_>, Vec<_>) = object.fields.iter().partition(is_constant);
        let constants: Vec<_> = constants
            .into_iter()
            .filter_map(|field| Some((field.name.clone(), constant(&field.ty)?.into())))
            .collect();
        if fields.len() > MAX_FIELDS || fields.is_empty() && constants.is_empty() {
            return self.json();
        }
        let (mut record, text) = self.record(&fields, object.rest.as_deref(), depth, false);
        record.constants = constants;
        if record.is_constant() {
            Mapped::new(Type::Record(record), String::new())
        } else {
            self.declare("record", hint, Type::Record(record), &text)
        }
    }

    /// The record of the optional parameters, and its name.
    pub(super) fn options(
        &mut self,
        fields: &[&'s schema::Field],
        rest: Option<&'s schema::Type>,
    ) -> Option<(Record, String)> {
        let shown = &fields[..fields.len().min(MAX_FIELDS)];
        if shown.is_empty() && rest.is_none() || !self.affords(shown.len()) {
            return None;
        }
        let (record, text) = self.record(shown, rest, 1, true);
        let mapped = self.declare("record", "options", Type::Record(record.clone()), &text);
        Some((record, mapped.text))
    }

    /// A record and the text between its braces, braces included.
    fn record(
        &mut self,
        fields: &[&'s schema::Field],
        rest: Option<&'s schema::Type>,
        depth: usize,
        all_optional: bool,
    ) -> (Record, String) {
        let mut taken = Names::default();
        let names = unique(
            fields.iter().map(|field| field.name.as_str()),
            "field",
            &mut taken,
        );
        let mut text = String::from("{\n");
        let mut record = Record::default();
        for (field, name) in fields.iter().zip(names) {
            let (mapped, is_nullable) = self.nullable(&field.ty, &name, depth + 1);
            let ty = if field.required && is_nullable && mapped.ty != Type::Json {
                Type::Option(Box::new(mapped.ty))
            } else {
                mapped.ty
            };
            let is_option = !field.required || matches!(ty, Type::Option(_));
            self.writer.comment(&mut text, 8, &note(field), MAX_NOTE);
            let written = written(&name);
            text.push_str(&if is_option {
                format!("        {written}: option<{}>,\n", mapped.text)
            } else {
                format!("        {written}: {},\n", mapped.text)
            });
            record.fields.push(Field {
                name,
                key: field.name.clone(),
                required: field.required,
                ty,
            });
        }
        if let Some(rest) = rest {
            let name = taken.take("other-fields".to_owned(), "other-fields");
            let value = self.map(rest, &singular("other-fields"), depth + 1);
            let list = format!("list<tuple<string, {}>>", value.text);
            let list = if all_optional {
                format!("option<{list}>")
            } else {
                list
            };
            text.push_str(&format!(
                "        /// Other keys and their values.\n        {name}: {list},\n"
            ));
            record.rest = Some(Box::new(Rest { name, ty: value.ty }));
        }
        text.push_str("    }\n");
        (record, text)
    }

    fn variant(&mut self, members: &[Member<'s>], hint: &str, depth: usize) -> Mapped {
        let mut alternatives: Vec<(String, Mapped)> = Vec::new();
        for member in members {
            let name = self.case(member);
            let inner = match member.definition {
                Some(definition) => kebab(definition, "type"),
                None => format!("{hint}-{name}"),
            };
            let mapped = self.member(member, &inner, depth + 1, true);
            if mapped.ty == Type::Json {
                // One that can be anything makes all of it anything.
                return mapped;
            }
            if !alternatives.iter().any(|(_, known)| known.ty == mapped.ty) {
                alternatives.push((name, mapped));
            }
        }
        let has = |wanted: &Type| alternatives.iter().any(|(_, known)| known.ty == *wanted);
        let (has_numbers, has_texts) = (has(&Type::Number), has(&Type::String));
        alternatives.retain(|(_, known)| match &known.ty {
            Type::Integer => !has_numbers,
            Type::Enum(_) | Type::Constant(_) => !has_texts,
            _ => true,
        });
        if alternatives.len() == 1
            && let Some((_, only)) = alternatives.pop_if(|(_, only)| !only.text.is_empty())
        {
            return only;
        }
        let names = unique(
            alternatives.iter().map(|(name, _)| name.as_str()),
            "case",
            &mut Names::default(),
        );
        let mut text = String::from("{\n");
        let mut cases = Vec::new();
        for (name, (_, mapped)) in names.into_iter().zip(alternatives) {
            text.push_str(&match mapped.text.as_str() {
                "" => format!("        {},\n", written(&name)),
                payload => format!("        {}({payload}),\n", written(&name)),
            });
            cases.push(Alternative {
                name,
                ty: mapped.ty,
            });
        }
        text.push_str("    }\n");
        self.declare("variant", hint, Type::Variant(cases), &text)
    }

    /// What a case of a variant is called.
    fn case(&self, member: &Member<'s>) -> String {
        let name = match member.ty {
            schema::Type::Literals(_) => constant(member.ty).unwrap_or("choice"),
            schema::Type::Object(object) => {
                let told = object.fields.iter().filter(|field| field.required);
                let told = told.filter_map(|field| constant(&field.ty)).next();
                told.or(member.definition).unwrap_or("object")
            }
            _ if let Some(definition) = member.definition => definition,
            schema::Type::Boolean => "boolean",
            schema::Type::Integer => "integer",
            schema::Type::Number => "number",
            schema::Type::String => "text",
            schema::Type::Array(_) => "list",
            schema::Type::Tuple(_) => "tuple",
            schema::Type::Map(_) => "map",
            _ => "other",
        };
        kebab(name, "case")
    }

    /// Gives a type a name, writes it, and refers to it. One that was written
    /// before under the same name is shared.
    fn declare(&mut self, keyword: &str, hint: &str, ty: Type, text: &str) -> Mapped {
        let long = kebab(&format!("{}-{hint}", self.function), "type");
        let is_short = |hint: &&str| !AVOIDED.contains(hint) && hint.len() <= MAX_NAME;
        let short = Some(hint).filter(is_short);
        for name in short.into_iter().chain([long.as_str()]) {
            if self.writer.declared.get(name) == Some(&ty) {
                return Mapped::new(ty, written(name));
            }
        }
        let free = short.filter(|name| !self.writer.names.is_taken(name));
        let name = free.map_or(long, str::to_owned);
        let name = self.writer.names.take(name, hint);
        let written = written(&name);
        self.writer
            .declarations
            .push_str(&format!("\n    {keyword} {written} {text}"));
        self.writer.declared.insert(name, ty.clone());
        Mapped::new(ty, written)
    }

    fn json(&mut self) -> Mapped {
        self.writer.uses_json = true;
        Mapped::new(Type::Json, "json")
    }
}

/// What is said about a field: its description and its default.
pub(super) fn note(field: &schema::Field) -> String {
    let mut note = field.description.trim().to_owned();
    if let Some(default) = &field.default
        && !default.is_null()
    {
        let default = default.to_string();
        if default.len() <= 100 {
            let space = match note.chars().last() {
                None => "",
                Some('.' | '!' | '?' | ':') => " ",
                Some(_) => ". ",
            };
            note.push_str(&format!("{space}Default: `{}`.", default.replace('`', "'")));
        }
    }
    let notes: Vec<_> = field.notes.iter().map(|note| note.to_string()).collect();
    if !notes.is_empty() {
        let space = if note.is_empty() { "" } else { " " };
        note.push_str(&format!("{space}({})", notes.join("; ")));
    }
    note
}

fn text_of(literal: &Literal) -> Option<&str> {
    match literal {
        Literal::String(text) => Some(text),
        _ => None,
    }
}

/// The text that a type always is.
fn constant(ty: &schema::Type) -> Option<&str> {
    match ty {
        schema::Type::Literals(literals) => match literals.as_slice() {
            [literal] => text_of(literal),
            _ => None,
        },
        _ => None,
    }
}

/// What one of several would be called: `entity` of `entities`.
fn singular(hint: &str) -> String {
    match hint {
        "results" | "options" => format!("{hint}-item"),
        hint if hint.ends_with("ies") && hint.len() > 4 => format!("{}y", &hint[..hint.len() - 3]),
        hint if hint.ends_with('s')
            && !hint.ends_with("ss")
            && !hint.ends_with("us")
            && !hint.ends_with("-s")
            && hint.len() > 2 =>
        {
            hint[..hint.len() - 1].to_owned()
        }
        hint => format!("{hint}-item"),
    }
}

/// Which definitions contain themselves.
fn recursive(schema: &Schema) -> Vec<bool> {
    let targets: Vec<BTreeSet<usize>> = schema
        .definitions
        .iter()
        .map(|definition| {
            let mut found = BTreeSet::new();
            references(&definition.ty, &mut found);
            found
        })
        .collect();
    (0..targets.len())
        .map(|start| {
            let mut seen = BTreeSet::new();
            let mut open = vec![start];
            while let Some(next) = open.pop() {
                for &target in targets.get(next).into_iter().flatten() {
                    if target == start {
                        return true;
                    }
                    if seen.insert(target) {
                        open.push(target);
                    }
                }
            }
            false
        })
        .collect()
}

fn references(ty: &schema::Type, found: &mut BTreeSet<usize>) {
    match ty {
        schema::Type::Reference(index) => {
            found.insert(*index);
        }
        schema::Type::Array(item) | schema::Type::Map(item) => references(item, found),
        schema::Type::Tuple(items) | schema::Type::Union(items) => {
            items.iter().for_each(|item| references(item, found));
        }
        schema::Type::Object(object) => {
            object
                .fields
                .iter()
                .for_each(|field| references(&field.ty, found));
            if let Some(rest) = &object.rest {
                references(rest, found);
            }
        }
        _ => {}
    }
}
