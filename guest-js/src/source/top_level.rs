//! The statements at the top level of a program: what they declare, what they
//! import, and which is the last.

use super::{Import, ImportName, Tail, line_and_column};
use crate::edits::Edits;
use crate::erase::{self, Found};
use oxc_ast::ast::{
    Class, Declaration, ExportDefaultDeclarationKind, Expression, ImportDeclaration,
    ImportDeclarationSpecifier, Statement, VariableDeclarationKind,
};
use oxc_span::GetSpan;

/// Rewrites the top level, statement by statement.
pub(super) struct TopLevel<'e, 's> {
    edits: &'e mut Edits<'s>,
    found: &'e Found<'e>,
    /// The program becomes a function, whose declarations can stay as they are.
    wrapped: bool,
    pub(super) imports: Vec<Import>,
    pub(super) classes: Vec<String>,
    /// Names that could be read before their declaration.
    pub(super) guarded: Vec<String>,
    /// Variables and classes.
    pub(super) names: Vec<String>,
    pub(super) functions: Vec<String>,
    /// Nothing was seen so far but imports and declarations.
    pub(super) only_declares: bool,
    pub(super) tail: Tail,
    /// Where the last statement begins, if it is an expression.
    pub(super) last: Option<u32>,
}

impl<'e, 's> TopLevel<'e, 's> {
    pub(super) fn new(edits: &'e mut Edits<'s>, found: &'e Found<'e>, only_declares: bool) -> Self {
        TopLevel {
            edits,
            found,
            wrapped: found.returns,
            imports: Vec::new(),
            classes: Vec::new(),
            guarded: Vec::new(),
            names: Vec::new(),
            functions: Vec::new(),
            only_declares,
            tail: Tail::Nothing,
            last: None,
        }
    }

    pub(super) fn statement(&mut self, statement: &Statement<'_>) {
        let span = statement.span();
        if erase::is_type_only(statement) {
            return;
        }
        match statement {
            Statement::EmptyStatement(_) => return,
            Statement::ImportDeclaration(import) => {
                self.edits.blank(span.start, span.end);
                self.import(import);
                return;
            }
            Statement::ExportAllDeclaration(_)
            | Statement::ExportNamedDeclaration(_)
            | Statement::ExportFromDeclaration(_) => {
                self.edits.blank(span.start, span.end);
                return;
            }
            Statement::ExportDeclaration(export) => {
                self.edits
                    .blank(span.start, export.declaration.span().start);
                self.declaration(&export.declaration);
            }
            Statement::ExportDefaultDeclaration(export) => {
                self.export_default(span.start, &export.declaration);
                return;
            }
            _ => match statement.as_declaration() {
                Some(declaration) => self.declaration(declaration),
                None => self.only_declares = false,
            },
        }
        self.tail = Tail::Nothing;
        self.last = None;
        if let Statement::ExpressionStatement(statement) = statement {
            self.expression(span.start, &statement.expression);
        }
    }

    fn expression(&mut self, start: u32, expression: &Expression<'_>) {
        self.last = Some(start);
        self.tail = match expression.get_inner_expression() {
            Expression::ArrowFunctionExpression(_) | Expression::FunctionExpression(_) => {
                Tail::Call
            }
            _ => Tail::Value,
        };
    }

    fn declaration(&mut self, declaration: &Declaration<'_>) {
        match declaration {
            Declaration::VariableDeclaration(variables) => {
                let start = variables.span.start;
                let lexical = match variables.kind {
                    _ if self.wrapped => false,
                    VariableDeclarationKind::Const => {
                        self.edits.replace(start, start + 5, "var  ");
                        true
                    }
                    VariableDeclarationKind::Let => {
                        self.edits.replace(start, start + 3, "var");
                        true
                    }
                    _ => false,
                };
                for declarator in &variables.declarations {
                    for name in declarator.id.get_binding_identifiers() {
                        self.names.push(name.name.to_string());
                        if lexical {
                            self.guard(&name.name, declarator.span.end);
                        }
                    }
                }
            }
            Declaration::FunctionDeclaration(function) => {
                if let Some(name) = &function.id {
                    self.functions.push(name.name.to_string());
                }
            }
            Declaration::ClassDeclaration(class) => {
                if let Some(name) = &class.id {
                    self.class(class, &name.name);
                }
            }
            Declaration::TSEnumDeclaration(declaration) => {
                self.names.push(declaration.id.name.to_string());
            }
            Declaration::TSNamespaceDeclaration(declaration) => {
                self.names.push(declaration.id.name.to_string());
            }
            _ => {}
        }
    }

    /// `class A` becomes `A=class A`: an assignment can be made again by a
    /// later program, a declaration cannot. The inner name is what static
    /// initialisers and the like find, as in a declaration.
    fn class(&mut self, class: &Class<'_>, name: &str) {
        self.names.push(name.to_owned());
        if self.wrapped {
            return;
        }
        let start = erase::class_keyword(self.edits.source(), class);
        self.edits.insert(start, format!("{name}="));
        self.edits.insert(class.span.end, ";");
        self.guard(name, class.span.end);
        self.classes.push(name.to_owned());
    }

    /// Keeps a name from being read before its declaration, where something
    /// could: what stands before it, or a function that is there from the start.
    fn guard(&mut self, name: &str, declared: u32) {
        if self.found.uses_before(name, declared) && !self.guarded.iter().any(|each| each == name) {
            self.guarded.push(name.to_owned());
        }
    }

    fn export_default(&mut self, start: u32, exported: &ExportDefaultDeclarationKind<'_>) {
        let inner = exported.span();
        self.tail = Tail::Nothing;
        self.last = None;
        match exported {
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                if let Some(name) = &function.id {
                    self.edits.blank(start, inner.start);
                    self.functions.push(name.name.to_string());
                } else {
                    // Without a name it is an expression, and there to be called.
                    self.edits.blank(start, inner.start - 1);
                    self.edits.replace(inner.start - 1, inner.start, "(");
                    self.edits.insert(inner.end, ")");
                    if self.only_declares {
                        self.tail = Tail::Call;
                    }
                }
            }
            ExportDefaultDeclarationKind::ClassDeclaration(class) => {
                if let Some(name) = &class.id {
                    self.edits.blank(start, inner.start);
                    self.class(class, &name.name);
                } else {
                    self.edits.blank(start, inner.start - 1);
                    self.edits.replace(inner.start - 1, inner.start, "(");
                    self.edits.insert(inner.end, ")");
                }
            }
            ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => {}
            _ => {
                // Brackets: what begins with `{` would be a block.
                self.edits.blank(start, inner.start - 1);
                self.edits.replace(inner.start - 1, inner.start, "(");
                self.edits.insert(inner.end, ")");
                if let Some(expression) = exported.as_expression() {
                    self.expression(inner.start - 1, expression);
                }
            }
        }
    }

    fn import(&mut self, import: &ImportDeclaration<'_>) {
        if import.import_kind.is_type() {
            return;
        }
        let (line, column) =
            line_and_column(self.edits.source(), import.source.span.start as usize);
        let mut made = Import {
            specifier: import.source.value.to_string(),
            namespace: None,
            names: Vec::new(),
            optional: false,
            kind: kind_of(import),
            line,
            column,
        };
        let name = |exported: &str, local: &str| ImportName {
            exported: exported.to_owned(),
            local: local.to_owned(),
            optional: false,
        };
        for specifier in import.specifiers.iter().flatten() {
            match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(specifier) => {
                    if !specifier.import_kind.is_type() {
                        made.names
                            .push(name(&specifier.imported.name(), &specifier.local.name));
                    }
                }
                ImportDeclarationSpecifier::ImportDefaultSpecifier(specifier) => {
                    made.names.push(name("default", &specifier.local.name))
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(specifier) => {
                    made.namespace = Some(specifier.local.name.to_string());
                }
            }
        }
        let only_types = import
            .specifiers
            .as_ref()
            .is_some_and(|specifiers| !specifiers.is_empty());
        if only_types && made.names.is_empty() && made.namespace.is_none() {
            return;
        }
        self.imports.push(made);
    }
}

/// The type in the attributes of an import.
fn kind_of(import: &ImportDeclaration<'_>) -> Option<String> {
    let clause = import.with_clause.as_ref()?;
    let entry = clause
        .with_entries
        .iter()
        .find(|entry| entry.key.as_arena_str() == "type")?;
    Some(entry.value.value.to_string())
}
