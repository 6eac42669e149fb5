//! The file of one tool in TypeScript: types, and a function to call.
//!
//! Accepted by `tsc --strict`; read by models first of all. Objects stand where
//! they are used, so only what the schema itself names has a name.

use crate::{
    schema::{Field, Literal, Object, Schema, Type},
    text::{self, jsdoc, typescript_string},
    tool::Tool,
    types::{MAX_DESCRIPTION, TypeNames, remark, uses},
};

/// Names that types need.
const TAKEN: &[&str] = &["Promise", "Record", "Array", "Infinity", "NaN"];

/// The text of `NAME.ts` for a tool.
pub fn file(tool: &Tool<'_>) -> String {
    let parameters = tool.parameters();
    let result = tool.result();
    let mut file = File {
        names: TypeNames::without(TAKEN),
        blocks: Vec::new(),
    };
    let arguments = file.arguments(&parameters);
    let result = match &result {
        Some(schema) => {
            let mut scope = Scope::new(schema);
            match &schema.root {
                Type::Object(object) if !object.fields.is_empty() => {
                    file.interface(&mut scope, "Result", "", object)
                }
                ty => file.expression(&mut scope, ty, "", false),
            }
        }
        None => "any".to_owned(),
    };
    let mut out: String = file.blocks.concat();
    let description = if tool.description.trim().is_empty() {
        tool.title
    } else {
        tool.description
    };
    let description = text::prose(description, MAX_DESCRIPTION);
    if !description.is_empty() {
        out.push_str(&jsdoc(&description, ""));
    }
    let name = &tool.names.javascript;
    out.push_str(&format!(
        "export declare function {name}({arguments}): Promise<{result}>;\n"
    ));
    out
}

struct Scope<'s> {
    schema: &'s Schema,
    uses: Vec<usize>,
    names: Vec<Option<String>>,
}

impl<'s> Scope<'s> {
    fn new(schema: &'s Schema) -> Self {
        Self {
            schema,
            uses: uses(schema),
            names: vec![None; schema.definitions.len()],
        }
    }
}

struct File {
    names: TypeNames,
    blocks: Vec<String>,
}

impl File {
    fn arguments(&mut self, schema: &Schema) -> String {
        let Some(object) = schema.object() else {
            return String::new();
        };
        if object.fields.is_empty() && object.rest.is_none() {
            return String::new();
        }
        let is_optional = object.fields.iter().all(|field| !field.required);
        let body = self.body(&mut Scope::new(schema), object, "", false);
        format!("args{}: {body}", if is_optional { "?" } else { "" })
    }

    /// `in_alias`: inside of a type alias, where a type that means itself may
    /// not be the argument of another.
    fn expression(
        &mut self,
        scope: &mut Scope<'_>,
        ty: &Type,
        indent: &str,
        in_alias: bool,
    ) -> String {
        match ty {
            Type::Any => "any".to_owned(),
            Type::Null => "null".to_owned(),
            Type::Boolean => "boolean".to_owned(),
            Type::Integer | Type::Number => "number".to_owned(),
            Type::String => "string".to_owned(),
            Type::Literals(literals) => {
                let literals: Vec<_> = literals.iter().map(literal).collect();
                literals.join(" | ")
            }
            Type::Array(ty) => {
                let items = self.expression(scope, ty, indent, in_alias);
                let is_union = match &**ty {
                    Type::Union(_) => true,
                    Type::Literals(literals) => literals.len() > 1,
                    // Possibly put in place.
                    Type::Reference(_) => items.contains(" | "),
                    _ => false,
                };
                if is_union {
                    format!("({items})[]")
                } else {
                    format!("{items}[]")
                }
            }
            Type::Tuple(types) => {
                let types: Vec<_> = types
                    .iter()
                    .map(|ty| self.expression(scope, ty, indent, in_alias))
                    .collect();
                format!("[{}]", types.join(", "))
            }
            Type::Map(ty) => {
                let values = self.expression(scope, ty, indent, in_alias);
                if in_alias {
                    format!("{{ [key: string]: {values} }}")
                } else {
                    format!("Record<string, {values}>")
                }
            }
            Type::Union(types) => {
                let types: Vec<_> = types
                    .iter()
                    .map(|ty| self.expression(scope, ty, indent, in_alias))
                    .collect();
                types.join(" | ")
            }
            Type::Object(object) if object.fields.is_empty() => "Record<string, any>".to_owned(),
            Type::Object(object) => self.body(scope, object, indent, in_alias),
            Type::Reference(index) => self.reference(scope, *index, indent, in_alias),
        }
    }

    fn reference(
        &mut self,
        scope: &mut Scope<'_>,
        index: usize,
        indent: &str,
        in_alias: bool,
    ) -> String {
        if let Some(name) = &scope.names[index] {
            return name.clone();
        }
        let schema = scope.schema;
        let named = &schema.definitions[index];
        let object = match &named.ty {
            Type::Object(object) if !object.fields.is_empty() => Some(object),
            _ => None,
        };
        if object.is_none() && scope.uses[index] < 2 {
            return self.expression(scope, &named.ty, indent, in_alias);
        }
        let name = self.names.take(&named.name);
        scope.names[index] = Some(name.clone());
        match object {
            Some(object) => {
                let body = self.body(scope, object, "", false);
                self.declare(
                    &named.description,
                    format!("export interface {name} {body}\n"),
                );
            }
            None => {
                let ty = self.expression(scope, &named.ty, "", true);
                self.declare(&named.description, format!("export type {name} = {ty};\n"));
            }
        }
        name
    }

    fn interface(
        &mut self,
        scope: &mut Scope<'_>,
        hint: &str,
        description: &str,
        object: &Object,
    ) -> String {
        let name = self.names.take(hint);
        let body = self.body(scope, object, "", false);
        self.declare(description, format!("export interface {name} {body}\n"));
        name
    }

    fn declare(&mut self, description: &str, declaration: String) {
        let description = text::prose(description, MAX_DESCRIPTION);
        self.blocks.push(if description.is_empty() {
            format!("{declaration}\n")
        } else {
            format!("{}{declaration}\n", jsdoc(&description, ""))
        });
    }

    fn body(
        &mut self,
        scope: &mut Scope<'_>,
        object: &Object,
        indent: &str,
        in_alias: bool,
    ) -> String {
        let inner = format!("{indent}  ");
        let mut out = String::from("{\n");
        for field in &object.fields {
            let default = field.default.as_ref().filter(|_| !field.required);
            let remark = remark(field, default);
            if !remark.is_empty() {
                out.push_str(&jsdoc(&remark, &inner));
            }
            let ty = self.expression(scope, &field.ty, &inner, in_alias);
            let mark = if field.required { "" } else { "?" };
            out.push_str(&format!("{inner}{}{mark}: {ty};\n", key(field)));
        }
        if object.rest.is_some() {
            // Wide, because it has to hold the fields above as well.
            out.push_str(&format!("{inner}[key: string]: any;\n"));
        }
        out.push_str(indent);
        out.push('}');
        out
    }
}

fn key(field: &Field) -> String {
    let mut bytes = field.name.bytes();
    let is_identifier = bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'$')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$');
    if is_identifier {
        field.name.clone()
    } else {
        typescript_string(&field.name)
    }
}

fn literal(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".to_owned(),
        Literal::Boolean(flag) => flag.to_string(),
        Literal::Number(number) => number.to_string(),
        Literal::String(text) => typescript_string(text),
    }
}
