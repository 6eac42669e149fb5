//! The file of one tool in Python: types, and a function to call.
//!
//! Understood by every Python since 3.11 and by type checkers; read by models
//! first of all, so it says each thing once. The function does nothing: in a
//! program its module is made by the guest.

use std::collections::BTreeSet;

use crate::{
    names::parameter_identifiers,
    schema::{Field, Literal, Object, Schema, Type},
    text::{self, python_comment, python_docstring, python_string},
    tool::Tool,
    types::{MAX_DESCRIPTION, TypeNames, fits, remark, singular, uses},
};

/// The longest line with all parameters on it.
const WIDTH: usize = 100;

/// Names that annotations need.
const BUILTINS: &[&str] = &["bool", "dict", "float", "int", "list", "str", "tuple"];
const TYPING: &[&str] = &[
    "Any",
    "Literal",
    "NotRequired",
    "Required",
    "TypeAlias",
    "TypedDict",
    "None",
    "True",
    "False",
];

/// The text of `NAME.py` for a tool.
pub fn file(tool: &Tool<'_>) -> String {
    let parameters = tool.parameters();
    let result = tool.result();
    let mut file = File {
        function: &tool.names.python,
        names: TypeNames::without(TYPING),
        imports: BTreeSet::new(),
        blocks: Vec::new(),
    };
    let signature = file.signature(&parameters);
    let result = match &result {
        Some(schema) => file.annotation(&mut Scope::new(schema), &schema.root, "Result"),
        None => file.any(),
    };
    let mut out = String::new();
    if !file.imports.is_empty() {
        let imports: Vec<&str> = file.imports.iter().copied().collect();
        if file.imports.remove("builtins") {
            out.push_str("import builtins\n");
        }
        let imports: Vec<&str> = imports
            .into_iter()
            .filter(|&name| name != "builtins")
            .collect();
        if !imports.is_empty() {
            out.push_str(&format!("from typing import {}\n", imports.join(", ")));
        }
        out.push('\n');
    }
    for block in &file.blocks {
        out.push_str(block);
        out.push('\n');
    }
    out.push_str(&signature.line(&tool.names.python, &result));
    let docstring = docstring(tool, &signature.remarks);
    match (docstring.is_empty(), result == "Any") {
        (true, true) => out.push_str("    ...\n"),
        (false, true) => out.push_str(&python_docstring(&docstring)),
        // With an empty body a type checker would miss the result.
        (is_empty, false) => {
            if !is_empty {
                out.push_str(&python_docstring(&docstring));
            }
            out.push_str("    raise NotImplementedError\n");
        }
    }
    out
}

/// How a program calls a tool, on one line: `list_issues(owner, repo, state=)`.
pub(crate) fn call(tool: &Tool<'_>) -> String {
    const MAX_SHOWN: usize = 8;
    let schema = tool.parameters();
    let fields = ordered(&schema);
    let names = parameter_identifiers(fields.iter().map(|field| field.name.as_str()));
    let mut shown: Vec<String> = fields
        .iter()
        .zip(names)
        .take(MAX_SHOWN)
        .map(|(field, name)| {
            if field.required {
                name
            } else {
                format!("{name}=")
            }
        })
        .collect();
    if fields.len() > shown.len() {
        shown.push("...".to_owned());
    }
    format!("{}({})", tool.names.python, shown.join(", "))
}

/// The parameters in the order of calls: the required ones first.
fn ordered(schema: &Schema) -> Vec<&Field> {
    let mut fields: Vec<&Field> = schema
        .object()
        .map(|o| o.fields.iter().collect())
        .unwrap_or_default();
    fields.sort_by_key(|field| !field.required);
    fields
}

fn docstring(tool: &Tool<'_>, remarks: &[String]) -> String {
    let description = if tool.description.trim().is_empty() {
        tool.title
    } else {
        tool.description
    };
    let mut out = text::prose(description, MAX_DESCRIPTION);
    if !remarks.is_empty() {
        if !out.is_empty() {
            out.push_str("\n\n");
        }
        out.push_str(&remarks.join("\n"));
    }
    out
}

struct Signature {
    parameters: Vec<String>,
    remarks: Vec<String>,
}

impl Signature {
    fn line(&self, name: &str, result: &str) -> String {
        let line = format!(
            "async def {name}({}) -> {result}:\n",
            self.parameters.join(", ")
        );
        if line.len() <= WIDTH || self.parameters.is_empty() {
            return line;
        }
        let parameters: String = self
            .parameters
            .iter()
            .map(|p| format!("    {p},\n"))
            .collect();
        format!("async def {name}(\n{parameters}) -> {result}:\n")
    }
}

/// A schema while its types are printed.
struct Scope<'s> {
    schema: &'s Schema,
    uses: Vec<usize>,
    states: Vec<State>,
}

#[derive(Clone)]
enum State {
    Unseen,
    /// Being printed: a type inside of it means itself.
    Open(String),
    Done(String),
}

impl<'s> Scope<'s> {
    fn new(schema: &'s Schema) -> Self {
        Self {
            schema,
            uses: uses(schema),
            states: vec![State::Unseen; schema.definitions.len()],
        }
    }
}

/// An expression of a type.
struct Expression {
    text: String,
    /// Whether it names a type that is defined further down.
    is_forward: bool,
}

impl Expression {
    /// As an annotation. Forward references are quoted as a whole.
    fn annotation(self) -> String {
        if self.is_forward {
            python_string(&self.text)
        } else {
            self.text
        }
    }
}

struct File<'a> {
    function: &'a str,
    names: TypeNames,
    imports: BTreeSet<&'static str>,
    blocks: Vec<String>,
}

impl File<'_> {
    fn signature(&mut self, schema: &Schema) -> Signature {
        let mut scope = Scope::new(schema);
        let fields = ordered(schema);
        let names = parameter_identifiers(fields.iter().map(|field| field.name.as_str()));
        let mut signature = Signature {
            parameters: Vec::new(),
            remarks: Vec::new(),
        };
        for (field, name) in fields.iter().zip(&names) {
            let ty = self.annotation(&mut scope, &field.ty, &field.name);
            let default = field.default.as_ref().filter(|_| !field.required);
            let shown = default.filter(|value| fits(schema, &field.ty, value));
            signature.parameters.push(match (field.required, shown) {
                (true, _) => format!("{name}: {ty}"),
                (false, Some(value)) => format!("{name}: {ty} = {}", literal(value)),
                (false, None) => format!("{name}: {ty} = ..."),
            });
            let remark = remark(field, default.filter(|_| shown.is_none()));
            if !remark.is_empty() {
                signature.remarks.push(format!("{name}: {remark}"));
            }
        }
        if let Some(rest) = schema.object().and_then(|object| object.rest.as_ref()) {
            let mut name = "more".to_owned();
            while names.contains(&name) {
                name.push('_');
            }
            let ty = self.annotation(&mut scope, rest, "More");
            signature.parameters.push(format!("**{name}: {ty}"));
        }
        signature
    }

    fn annotation(&mut self, scope: &mut Scope<'_>, ty: &Type, hint: &str) -> String {
        self.expression(scope, ty, hint).annotation()
    }

    /// `hint` is what the type is called if it needs a name.
    fn expression(&mut self, scope: &mut Scope<'_>, ty: &Type, hint: &str) -> Expression {
        let mut is_forward = false;
        let text = match ty {
            Type::Any => self.any(),
            Type::Null => "None".to_owned(),
            Type::Boolean => self.builtin("bool"),
            Type::Integer => self.builtin("int"),
            Type::Number => self.builtin("float"),
            Type::String => self.builtin("str"),
            Type::Literals(literals) => self.literals(literals),
            Type::Array(ty) => {
                let items = self.expression(scope, ty, &singular(hint));
                is_forward = items.is_forward;
                format!("{}[{}]", self.builtin("list"), items.text)
            }
            Type::Map(ty) => {
                let values = self.expression(scope, ty, &singular(hint));
                is_forward = values.is_forward;
                format!(
                    "{}[{}, {}]",
                    self.builtin("dict"),
                    self.builtin("str"),
                    values.text
                )
            }
            Type::Tuple(types) => {
                let places = self.list(scope, types, hint, ", ", &mut is_forward);
                format!("{}[{places}]", self.builtin("tuple"))
            }
            Type::Union(types) => self.list(scope, types, hint, " | ", &mut is_forward),
            Type::Object(object) if object.fields.is_empty() => {
                format!(
                    "{}[{}, {}]",
                    self.builtin("dict"),
                    self.builtin("str"),
                    self.any()
                )
            }
            Type::Object(object) => {
                let name = self.names.take(hint);
                self.class(scope, &name, "", object);
                name
            }
            Type::Reference(index) => return self.reference(scope, *index, hint),
        };
        Expression { text, is_forward }
    }

    fn list(
        &mut self,
        scope: &mut Scope<'_>,
        types: &[Type],
        hint: &str,
        between: &str,
        is_forward: &mut bool,
    ) -> String {
        let types: Vec<_> = types
            .iter()
            .map(|ty| self.expression(scope, ty, hint))
            .collect();
        *is_forward |= types.iter().any(|ty| ty.is_forward);
        let types: Vec<_> = types.into_iter().map(|ty| ty.text).collect();
        types.join(between)
    }

    fn reference(&mut self, scope: &mut Scope<'_>, index: usize, hint: &str) -> Expression {
        match &scope.states[index] {
            State::Done(name) => {
                return Expression {
                    text: name.clone(),
                    is_forward: false,
                };
            }
            State::Open(name) => {
                return Expression {
                    text: name.clone(),
                    is_forward: true,
                };
            }
            State::Unseen => {}
        }
        let schema = scope.schema;
        let named = &schema.definitions[index];
        let hint = if named.name.is_empty() {
            hint
        } else {
            &named.name
        };
        let is_object = matches!(&named.ty, Type::Object(object) if !object.fields.is_empty());
        if !is_object && scope.uses[index] < 2 {
            return self.expression(scope, &named.ty, hint);
        }
        let name = self.names.take(hint);
        scope.states[index] = State::Open(name.clone());
        match &named.ty {
            Type::Object(object) if is_object => {
                self.class(scope, &name, &named.description, object)
            }
            ty => {
                let ty = self.expression(scope, ty, hint);
                let comment = comment(&text::line(&named.description, MAX_DESCRIPTION));
                self.blocks.push(if ty.is_forward {
                    self.imports.insert("TypeAlias");
                    format!("{name}: TypeAlias = {}{comment}\n", ty.annotation())
                } else {
                    format!("{name} = {}{comment}\n", ty.text)
                });
            }
        }
        scope.states[index] = State::Done(name.clone());
        Expression {
            text: name,
            is_forward: false,
        }
    }

    /// Adds a `TypedDict`. Keys that are no names in a class body need the
    /// form of a call.
    fn class(&mut self, scope: &mut Scope<'_>, name: &str, description: &str, object: &Object) {
        self.imports.insert("TypedDict");
        let required = object.fields.iter().filter(|field| field.required).count();
        let optional = object.fields.len() - required;
        let is_total = optional <= required;
        let is_class = object.fields.iter().all(|field| is_class_key(&field.name));
        let mut body = String::new();
        for field in &object.fields {
            let ty = self.expression(scope, &field.ty, &field.name);
            let wrapper = match (field.required, is_total) {
                (false, true) => Some("NotRequired"),
                (true, false) => Some("Required"),
                _ => None,
            };
            let ty = match wrapper {
                Some(wrapper) => {
                    self.imports.insert(wrapper);
                    Expression {
                        text: format!("{wrapper}[{}]", ty.text),
                        ..ty
                    }
                }
                None => ty,
            };
            let default = field.default.as_ref().filter(|_| !field.required);
            let comment = comment(&remark(field, default));
            let ty = ty.annotation();
            body.push_str(&if is_class {
                format!("    {}: {ty}{comment}\n", field.name)
            } else {
                format!("    {}: {ty},{comment}\n", python_string(&field.name))
            });
        }
        if object.rest.is_some() {
            body.push_str("    # and other keys\n");
        }
        let total = if is_total { "" } else { ", total=False" };
        let description = text::prose(description, MAX_DESCRIPTION);
        self.blocks.push(if is_class {
            let docstring = if description.is_empty() {
                String::new()
            } else {
                python_docstring(&description)
            };
            format!("class {name}(TypedDict{total}):\n{docstring}{body}")
        } else {
            let comment = comment(&text::line(&description, MAX_DESCRIPTION));
            format!("{name} = TypedDict({name:?}, {{{comment}\n{body}}}{total})\n")
        });
    }

    fn literals(&mut self, literals: &[Literal]) -> String {
        let mut exact = Vec::new();
        let mut others: Vec<String> = Vec::new();
        for literal in literals {
            match literal {
                Literal::Null => others.push("None".to_owned()),
                // The language has no literal types of these.
                Literal::Number(number) if number.is_f64() => {
                    let float = self.builtin("float");
                    if !others.contains(&float) {
                        others.push(float);
                    }
                }
                Literal::Number(number) => exact.push(number.to_string()),
                Literal::Boolean(true) => exact.push("True".to_owned()),
                Literal::Boolean(false) => exact.push("False".to_owned()),
                Literal::String(text) => exact.push(python_string(text)),
            }
        }
        if !exact.is_empty() {
            self.imports.insert("Literal");
            others.insert(0, format!("Literal[{}]", exact.join(", ")));
        }
        others.join(" | ")
    }

    fn any(&mut self) -> String {
        self.imports.insert("Any");
        "Any".to_owned()
    }

    /// A type of the language, also where the tool took its name.
    fn builtin(&mut self, name: &str) -> String {
        if self.function == name {
            self.imports.insert("builtins");
            format!("builtins.{name}")
        } else {
            name.to_owned()
        }
    }
}

fn comment(line: &str) -> String {
    if line.is_empty() {
        String::new()
    } else {
        python_comment(line)
    }
}

/// Whether a key can stand in the body of a class: a plain identifier that the
/// language neither mangles nor takes for one of the types beside it.
fn is_class_key(name: &str) -> bool {
    let mut bytes = name.bytes();
    let is_identifier = bytes
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_identifier
        && !name.starts_with("__")
        && !crate::names::is_python_keyword(name)
        && !BUILTINS.contains(&name)
        && name != "builtins"
}

/// A JSON value as an expression.
fn literal(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => python_string(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", python_string(key), literal(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}
