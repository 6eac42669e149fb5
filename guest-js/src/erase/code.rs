//! What of TypeScript is code: enums, namespaces, parameter properties.
//!
//! Each is written on the lines it stands on, with the expressions of the user
//! where they were.

use super::{Eraser, is_type_only};
use oxc_ast::ast::*;
use oxc_ast_visit::Visit;
use oxc_span::GetSpan;

impl<'a> Eraser<'_, '_, 'a> {
    /// Replaces a range by code, keeping its line breaks behind the code.
    fn write(&mut self, start: u32, end: u32, mut code: String) {
        let breaks = self.text(start, end).matches('\n').count();
        code.extend(std::iter::repeat_n('\n', breaks));
        self.edits.replace(start, end, code);
    }

    /// `enum E { A, B = 5 }` becomes
    /// `var E;(E=>{ E[E["A"]=0]="A"; E[E["B"]=5]="B" })(E||(E={}));`.
    pub(super) fn write_enum(&mut self, it: &TSEnumDeclaration<'a>) {
        let name = it.id.name.as_str();
        self.write(
            it.span.start,
            it.body.span.start + 1,
            format!("var {name};({name}=>{{"),
        );
        let outer = self.enums.replace((name, Vec::new()));
        let mut known = Some(0i64);
        let mut previous = String::new();
        for (index, member) in it.body.members.iter().enumerate() {
            let key = match &member.id {
                TSEnumMemberName::Identifier(id) => id.name.to_string(),
                TSEnumMemberName::String(text) | TSEnumMemberName::ComputedString(text) => {
                    text.value.to_string()
                }
                TSEnumMemberName::ComputedTemplateString(text) => text
                    .quasis
                    .first()
                    .map_or(String::new(), |quasi| quasi.value.raw.to_string()),
            };
            let quoted = quote(&key);
            match &member.initializer {
                None => {
                    let value = match known {
                        Some(value) => value.to_string(),
                        None => format!("{name}[{previous}]+1"),
                    };
                    self.write(
                        member.span.start,
                        member.span.end,
                        format!("{name}[{name}[{quoted}]={value}]={quoted}"),
                    );
                    known = known.map(|value| value + 1);
                }
                Some(value) if is_text(value) => {
                    let start = value.span().start;
                    self.write(member.span.start, start, format!("{name}[{quoted}]="));
                    self.visit_expression(value);
                    known = None;
                }
                Some(value) => {
                    let span = value.span();
                    self.write(
                        member.span.start,
                        span.start,
                        format!("{name}[{name}[{quoted}]="),
                    );
                    self.visit_expression(value);
                    self.edits.insert(span.end, format!("]={quoted}"));
                    known = match value {
                        Expression::NumericLiteral(number) if number.value.fract() == 0.0 => {
                            Some(number.value as i64 + 1)
                        }
                        _ => None,
                    };
                }
            }
            if let Some((_, members)) = &mut self.enums {
                members.push(key);
            }
            previous = quoted;
            let next = it
                .body
                .members
                .get(index + 1)
                .map_or(it.body.span.end - 1, |next| next.span.start);
            if let Some(at) = self.text(member.span.end, next).find(',') {
                let at = member.span.end + at as u32;
                self.edits.replace(at, at + 1, ";");
            }
        }
        self.enums = outer;
        let end = it.body.span.end;
        self.edits
            .replace(end - 1, end, format!("}})({name}||({name}={{}}));"));
    }

    /// `namespace N { export const x = 1 }` becomes
    /// `var N;(N=>{ const x = 1;N.x=x; })(N||(N={}));`.
    pub(super) fn write_namespace(&mut self, it: &TSNamespaceDeclaration<'a>, start: u32) {
        let name = it.id.name.as_str();
        let open = format!("var {name};({name}=>{{");
        let close = format!("}})({name}||({name}={{}}));");
        match &it.body {
            TSNamespaceDeclarationBody::TSNamespaceDeclaration(inner) => {
                let inner_name = inner.id.name.as_str();
                self.write(start, inner.span.start, open);
                self.write_namespace(inner, inner.span.start);
                self.edits.insert(
                    it.span.end,
                    format!("{name}.{inner_name}={inner_name};{close}"),
                );
            }
            TSNamespaceDeclarationBody::TSModuleBlock(block) => {
                let mut hoisted = open;
                for statement in &block.body {
                    if let Statement::ExportDeclaration(export) = statement
                        && let Declaration::FunctionDeclaration(function) = &export.declaration
                        && function.body.is_some()
                        && let Some(id) = &function.id
                    {
                        hoisted.push_str(&format!("{name}.{0}={0};", id.name));
                    }
                }
                self.write(start, block.span.start + 1, hoisted);
                for statement in &block.body {
                    self.visit_statement(statement);
                    let Statement::ExportDeclaration(export) = statement else {
                        continue;
                    };
                    if is_type_only(statement) {
                        continue;
                    }
                    let inner = export.declaration.span();
                    self.edits.blank(export.span.start, inner.start);
                    let exported = declared_names(&export.declaration);
                    let code: String = exported
                        .iter()
                        .map(|exported| format!(";{name}.{exported}={exported};"))
                        .collect();
                    self.edits.insert(export.span.end, code);
                }
                let end = block.span.end;
                self.edits.replace(end - 1, end, close);
            }
        }
    }

    /// `accessor x = 1` becomes `#x_accessor = 1; get x(){...} set x(v){...}`.
    pub(super) fn write_accessor(&mut self, it: &AccessorProperty<'a>) {
        self.visit_decorators(&it.decorators);
        let key = it.key.span();
        let name = self.text(key.start, key.end).to_owned();
        if it.computed {
            self.refuse(
                key.start,
                "an `accessor` with a computed name is not compiled in this sandbox: write a getter and a setter",
            );
            return;
        }
        let plain = name.trim_start_matches('#');
        let kept = match plain
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '$')
        {
            true => format!("#accessor_{plain}"),
            false => format!("#accessor_{}", key.start),
        };
        let modifier = if it.r#static { "static " } else { "" };
        let start = Self::end_of_decorators(&it.decorators, it.span.start);
        self.write(start, key.end, format!("{modifier}{kept}"));
        if let Some(annotation) = &it.type_annotation {
            if it.definite {
                self.blank_mark(key.end, annotation.span.start, '!');
            }
            self.visit_ts_type_annotation(annotation);
        }
        if let Some(value) = &it.value {
            self.functions += 1;
            self.visit_expression(value);
            self.functions -= 1;
        }
        self.edits.insert(
            it.span.end,
            format!(
                ";{modifier}get {name}(){{return this.{kept}}}{modifier}set {name}($value){{this.{kept}=$value}}"
            ),
        );
    }

    /// `constructor(private x)` gets `this.x=x;` where its body begins, or
    /// behind the call of `super`.
    pub(super) fn parameter_properties(&mut self, constructor: &Function<'a>) {
        let Some(body) = &constructor.body else {
            return;
        };
        let code: String = constructor
            .params
            .items
            .iter()
            .filter(|each| each.accessibility.is_some() || each.readonly || each.r#override)
            .filter_map(|each| each.pattern.get_identifier_name())
            .map(|name| format!("this.{name}={name};"))
            .collect();
        if code.is_empty() {
            return;
        }
        let after_super = body
            .statements
            .iter()
            .find_map(|statement| match statement {
                Statement::ExpressionStatement(statement) => match &statement.expression {
                    Expression::CallExpression(call)
                        if matches!(call.callee, Expression::Super(_)) =>
                    {
                        Some(statement.span.end)
                    }
                    _ => None,
                },
                _ => None,
            });
        match after_super {
            Some(at) => self.edits.insert(at, format!(";{code}")),
            None => {
                let at = body
                    .directives
                    .last()
                    .map_or(body.span.start + 1, |last| last.span.end);
                self.edits.insert(at, format!(" {code}"));
            }
        }
    }
}

/// Names that a declaration in a namespace adds, functions excepted: those are
/// there from the start.
fn declared_names(declaration: &Declaration<'_>) -> Vec<String> {
    match declaration {
        Declaration::VariableDeclaration(variables) => variables
            .declarations
            .iter()
            .flat_map(|declarator| declarator.id.get_binding_identifiers())
            .map(|id| id.name.to_string())
            .collect(),
        Declaration::ClassDeclaration(class) => {
            class.id.iter().map(|id| id.name.to_string()).collect()
        }
        Declaration::TSEnumDeclaration(declaration) => vec![declaration.id.name.to_string()],
        Declaration::TSNamespaceDeclaration(namespace) => vec![namespace.id.name.to_string()],
        _ => Vec::new(),
    }
}

/// Whether the value of an enum member is certainly text, which has no
/// reverse entry.
fn is_text(value: &Expression<'_>) -> bool {
    match value.get_inner_expression() {
        Expression::StringLiteral(_) | Expression::TemplateLiteral(_) => true,
        Expression::BinaryExpression(sum) => is_text(&sum.left) || is_text(&sum.right),
        _ => false,
    }
}

/// A text as a JavaScript literal.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\u{2028}' => quoted.push_str("\\u2028"),
            '\u{2029}' => quoted.push_str("\\u2029"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
