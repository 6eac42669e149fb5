//! TypeScript to JavaScript by blanking: every type becomes spaces, so that
//! each line and column of what remains is where the user wrote it.
//!
//! Three things of TypeScript are code: enums, namespaces and parameter
//! properties. They are written out on the lines they stand on, in [`code`],
//! and so is `accessor`, which the engine does not know. Decorators and JSX are
//! refused with what to write instead. Nothing here knows scopes: as with every compiler that looks at one
//! file alone, an imported name counts as a type if no expression uses it.

mod code;

use crate::edits::Edits;
use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use oxc_syntax::scope::ScopeFlags;
use std::collections::{BTreeMap, BTreeSet};

/// What `import(...)` is called in programs: a function of the guest, as long
/// as the keyword, which knows who imports and helps with misspelt names.
const IMPORT_FUNCTION: &str = "$mport";

const DECORATORS: &str = "decorators are not compiled in this sandbox: call the decorator as a function, for example `const Decorated = decorate(class { ... })`";
const JSX: &str = "JSX is not compiled in this sandbox: write calls, for example `createElement(\"p\", null, text)`, or a template text";

/// What a program says about itself.
#[derive(Default)]
pub(crate) struct Found<'a> {
    /// There is a `return` outside of functions.
    pub(crate) returns: bool,
    /// Names in expressions, and where the first one of each stands.
    uses: BTreeMap<&'a str, u32>,
    /// Names in functions that are there before anything ran.
    hoisted: BTreeSet<&'a str>,
    /// The first thing that is not compiled here: where, and why.
    refused: Option<(u32, &'static str)>,
    /// Names of types that were erased.
    types: Vec<&'a str>,
}

impl Found<'_> {
    /// Whether an expression somewhere uses this name.
    pub(crate) fn uses(&self, name: &str) -> bool {
        self.uses.contains_key(name)
    }

    /// The first thing that is not compiled here: where it stands, and what to
    /// write instead.
    pub(crate) fn refused(&self) -> Option<(u32, &'static str)> {
        self.refused
    }

    /// Whether something could use this name before the text reaches `end`.
    pub(crate) fn uses_before(&self, name: &str, end: u32) -> bool {
        self.uses.get(name).is_some_and(|&first| first < end) || self.hoisted.contains(name)
    }
}

/// Erases all types. With `module`, imports and exports stay, without those
/// that name types only.
pub(crate) fn erase<'a>(program: &Program<'a>, edits: &mut Edits<'_>, module: bool) -> Found<'a> {
    let mut eraser = Eraser {
        edits,
        found: Found::default(),
        functions: 0,
        hoisted: 0,
        enums: None,
        module,
    };
    eraser.visit_program(program);
    if module && program.source_type.is_typescript() {
        eraser.module_names(program);
    }
    eraser.found
}

/// Whether a statement leaves nothing behind at run time.
pub(crate) fn is_type_only(statement: &Statement<'_>) -> bool {
    match statement {
        Statement::ImportDeclaration(import) => import.import_kind.is_type(),
        Statement::ExportNamedDeclaration(export) => export.export_kind.is_type(),
        Statement::ExportFromDeclaration(export) => export.export_kind.is_type(),
        Statement::ExportAllDeclaration(export) => export.export_kind.is_type(),
        Statement::ExportDeclaration(export) => declares_types_only(&export.declaration),
        Statement::ExportDefaultDeclaration(export) => match &export.declaration {
            ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => true,
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => function.body.is_none(),
            _ => false,
        },
        Statement::TSNamespaceExportDeclaration(_) => true,
        _ => statement.as_declaration().is_some_and(declares_types_only),
    }
}

fn declares_types_only(declaration: &Declaration<'_>) -> bool {
    match declaration {
        Declaration::TSTypeAliasDeclaration(_)
        | Declaration::TSInterfaceDeclaration(_)
        | Declaration::TSExternalModuleDeclaration(_)
        | Declaration::TSGlobalDeclaration(_) => true,
        Declaration::VariableDeclaration(variables) => variables.declare,
        Declaration::FunctionDeclaration(function) => function.declare || function.body.is_none(),
        Declaration::ClassDeclaration(class) => class.declare,
        Declaration::TSEnumDeclaration(declaration) => declaration.declare,
        Declaration::TSNamespaceDeclaration(namespace) => {
            namespace.declare || is_empty_namespace(&namespace.body)
        }
        Declaration::TSImportEqualsDeclaration(import) => import.import_kind.is_type(),
    }
}

fn is_empty_namespace(body: &TSNamespaceDeclarationBody<'_>) -> bool {
    match body {
        TSNamespaceDeclarationBody::TSNamespaceDeclaration(inner) => {
            is_empty_namespace(&inner.body)
        }
        TSNamespaceDeclarationBody::TSModuleBlock(block) => block.body.iter().all(is_type_only),
    }
}

/// Where the word `class` of a class declaration begins.
pub(crate) fn class_keyword(source: &str, class: &Class<'_>) -> u32 {
    let mut start = class.span.start;
    if let Some(last) = class.decorators.last() {
        start = start.max(last.span.end);
    }
    let end = class
        .id
        .as_ref()
        .map_or(class.body.span.start, |id| id.span.start);
    let head = &source[start as usize..end as usize];
    start + head.rfind("class").unwrap_or(0) as u32
}

struct Eraser<'e, 's, 'a> {
    edits: &'e mut Edits<'s>,
    found: Found<'a>,
    /// How many functions surround the node.
    functions: usize,
    /// How many of them, or of functions around them, are declarations.
    hoisted: usize,
    /// The enum whose initialisers are visited, and its members so far.
    enums: Option<(&'a str, Vec<String>)>,
    /// The text stays a module.
    module: bool,
}

impl<'a> Eraser<'_, '_, 'a> {
    fn refuse(&mut self, at: u32, why: &'static str) {
        self.found.refused.get_or_insert((at, why));
    }

    fn text(&self, start: u32, end: u32) -> &str {
        &self.edits.source()[start as usize..end as usize]
    }

    fn blank(&mut self, span: Span) {
        self.edits.blank(span.start, span.end);
    }

    /// Blanks a whole statement or class member. The semicolon keeps what
    /// stands before and after apart, as the erased text did.
    fn blank_statement(&mut self, span: Span) {
        self.edits.replace(span.start, span.start + 1, ";");
        self.edits.blank(span.start + 1, span.end);
    }

    /// Blanks the first `mark` in a gap between two nodes.
    fn blank_mark(&mut self, start: u32, end: u32, mark: char) {
        if start < end
            && let Some(at) = self.text(start, end).find(mark)
        {
            let at = start + at as u32;
            self.edits.blank(at, at + 1);
        }
    }

    /// Blanks a node in a list, and the comma behind it.
    fn blank_item(&mut self, span: Span) {
        let rest = &self.edits.source()[span.end as usize..];
        let gap = rest.len() - rest.trim_start().len();
        let end = match rest.trim_start().starts_with(',') {
            true => span.end + gap as u32 + 1,
            false => span.end,
        };
        self.edits.blank(span.start, end);
    }

    /// Blanks what TypeScript puts before the name of a class member.
    fn blank_modifiers(&mut self, start: u32, end: u32) {
        const MODIFIERS: [&str; 7] = [
            "public",
            "private",
            "protected",
            "readonly",
            "override",
            "abstract",
            "declare",
        ];
        let head = self.text(start, end).to_owned();
        let mut first = true;
        let mut at = 0;
        for word in head.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_') {
            let name = word.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_');
            if MODIFIERS.contains(&name) {
                let from = start + at as u32;
                let span = Span::new(from, from + name.len() as u32);
                // What follows may begin with `[` or `*`, and the member
                // before may have no semicolon.
                if first && head[..at].trim().is_empty() {
                    self.blank_statement(span);
                } else {
                    self.blank(span);
                }
                first = false;
            }
            at += word.len();
        }
    }

    /// Blanks `as T` and the like. Where a statement ended there, the line
    /// break that ended it no longer does if the next line could go on.
    fn blank_suffix(&mut self, start: u32, end: u32) {
        let rest = &self.edits.source()[end as usize..];
        let line = rest.trim_start_matches([' ', '\t', '\r']);
        let goes_on = line.starts_with('\n') && line.trim_start().starts_with(['(', '[', '`']);
        let own = self.text(start, end);
        let space = own.len() - own.trim_start().len();
        if goes_on && (space as u32) < end - start {
            let at = start + space as u32;
            self.blank_statement(Span::new(at, end));
        } else {
            self.edits.blank(start, end);
        }
    }

    fn end_of_decorators(decorators: &[Decorator<'a>], start: u32) -> u32 {
        decorators
            .last()
            .map_or(start, |last| last.span.end.max(start))
    }

    /// Removes the names from imports and exports that stand for types.
    fn module_names(&mut self, program: &Program<'a>) {
        for statement in &program.body {
            match statement {
                Statement::ImportDeclaration(import) if !import.import_kind.is_type() => {
                    let Some(specifiers) = &import.specifiers else {
                        continue;
                    };
                    let is_type = |specifier: &ImportDeclarationSpecifier<'a>| match specifier {
                        ImportDeclarationSpecifier::ImportSpecifier(specifier) => {
                            specifier.import_kind.is_type()
                                || !self.found.uses(&specifier.local.name)
                        }
                        other => !self.found.uses(&other.local().name),
                    };
                    let types: Vec<bool> = specifiers.iter().map(is_type).collect();
                    if !types.is_empty() && types.iter().all(|&is_type| is_type) {
                        self.blank_statement(import.span);
                        continue;
                    }
                    for (specifier, is_type) in specifiers.iter().zip(types) {
                        let named =
                            matches!(specifier, ImportDeclarationSpecifier::ImportSpecifier(_));
                        if is_type && named {
                            self.blank_item(specifier.span());
                        }
                    }
                }
                Statement::ExportNamedDeclaration(export) if !export.export_kind.is_type() => {
                    for specifier in &export.specifiers {
                        let name = specifier.local.name();
                        if specifier.export_kind.is_type()
                            || self.found.types.contains(&name.as_str())
                        {
                            self.blank_item(specifier.span);
                        }
                    }
                }
                Statement::ExportFromDeclaration(export) if !export.export_kind.is_type() => {
                    for specifier in &export.specifiers {
                        if specifier.export_kind.is_type() {
                            self.blank_item(specifier.span);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'a> Visit<'a> for Eraser<'_, '_, 'a> {
    fn visit_statement(&mut self, it: &Statement<'a>) {
        if !is_type_only(it) {
            return walk::walk_statement(self, it);
        }
        let declaration = match it {
            Statement::ExportDeclaration(export) => Some(&export.declaration),
            other => other.as_declaration(),
        };
        match declaration {
            Some(Declaration::TSTypeAliasDeclaration(alias)) => {
                self.found.types.push(alias.id.name.as_str());
            }
            Some(Declaration::TSInterfaceDeclaration(interface)) => {
                self.found.types.push(interface.id.name.as_str());
            }
            _ => {}
        }
        self.blank_statement(it.span());
    }

    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        let name = it.name.as_str();
        if let Some((owner, members)) = &self.enums
            && members.iter().any(|member| member == name)
        {
            let text = format!("{owner}.");
            self.edits.insert(it.span.start, text);
            return;
        }
        let first = self.found.uses.entry(name).or_insert(it.span.start);
        *first = it.span.start.min(*first);
        if self.hoisted > 0 {
            self.found.hoisted.insert(name);
        }
    }

    fn visit_return_statement(&mut self, it: &ReturnStatement<'a>) {
        self.found.returns |= self.functions == 0;
        walk::walk_return_statement(self, it);
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        if !self.module {
            self.edits
                .replace(it.span.start, it.span.start + 6, IMPORT_FUNCTION);
        }
        walk::walk_import_expression(self, it);
    }

    // ---- types, wherever they stand

    fn visit_ts_type_annotation(&mut self, it: &TSTypeAnnotation<'a>) {
        self.blank(it.span);
    }

    fn visit_ts_type_parameter_declaration(&mut self, it: &TSTypeParameterDeclaration<'a>) {
        self.blank(it.span);
    }

    fn visit_ts_type_parameter_instantiation(&mut self, it: &TSTypeParameterInstantiation<'a>) {
        self.blank(it.span);
    }

    fn visit_ts_this_parameter(&mut self, it: &TSThisParameter<'a>) {
        self.blank_item(it.span);
    }

    fn visit_ts_as_expression(&mut self, it: &TSAsExpression<'a>) {
        self.visit_expression(&it.expression);
        self.blank_suffix(it.expression.span().end, it.span.end);
    }

    fn visit_ts_satisfies_expression(&mut self, it: &TSSatisfiesExpression<'a>) {
        self.visit_expression(&it.expression);
        self.blank_suffix(it.expression.span().end, it.span.end);
    }

    fn visit_ts_non_null_expression(&mut self, it: &TSNonNullExpression<'a>) {
        self.visit_expression(&it.expression);
        self.blank_suffix(it.expression.span().end, it.span.end);
    }

    fn visit_ts_type_assertion(&mut self, it: &TSTypeAssertion<'a>) {
        self.edits.blank(it.span.start, it.expression.span().start);
        self.visit_expression(&it.expression);
    }

    fn visit_decorator(&mut self, it: &Decorator<'a>) {
        self.refuse(it.span.start, DECORATORS);
    }

    fn visit_jsx_element(&mut self, it: &JSXElement<'a>) {
        self.refuse(it.span.start, JSX);
    }

    fn visit_jsx_fragment(&mut self, it: &JSXFragment<'a>) {
        self.refuse(it.span.start, JSX);
    }

    // ---- functions and variables

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        let hoisted = usize::from(it.is_declaration());
        self.functions += 1;
        self.hoisted += hoisted;
        walk::walk_function(self, it, flags);
        self.hoisted -= hoisted;
        self.functions -= 1;
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        self.functions += 1;
        if let Some(parameters) = &it.type_parameters {
            self.blank(parameters.span);
        }
        self.visit_formal_parameters(&it.params);
        if let Some(result) = &it.return_type {
            // No line break may stand between `)` and `=>`.
            let close = it.params.span.end;
            if self.text(close - 1, close) == ")"
                && self.text(close, result.span.end).contains('\n')
            {
                self.edits.blank(close - 1, close);
                self.edits.blank(close, result.span.end - 1);
                self.edits
                    .replace(result.span.end - 1, result.span.end, ")");
            } else {
                self.blank(result.span);
            }
        }
        self.visit_arrow_function_body(&it.body);
        self.functions -= 1;
    }

    fn visit_static_block(&mut self, it: &StaticBlock<'a>) {
        self.functions += 1;
        walk::walk_static_block(self, it);
        self.functions -= 1;
    }

    fn visit_formal_parameter(&mut self, it: &FormalParameter<'a>) {
        let start = Self::end_of_decorators(&it.decorators, it.span.start);
        self.edits.blank(start, it.pattern.span().start);
        if it.optional {
            let end = it
                .type_annotation
                .as_ref()
                .map_or(it.span.end, |kind| kind.span.start);
            self.blank_mark(it.pattern.span().end, end, '?');
        }
        walk::walk_formal_parameter(self, it);
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if it.definite {
            let end = it
                .type_annotation
                .as_ref()
                .map_or(it.span.end, |kind| kind.span.start);
            self.blank_mark(it.id.span().end, end, '!');
        }
        walk::walk_variable_declarator(self, it);
    }

    // ---- classes

    fn visit_class(&mut self, it: &Class<'a>) {
        self.visit_decorators(&it.decorators);
        if it.r#abstract {
            let start = Self::end_of_decorators(&it.decorators, it.span.start);
            let keyword = class_keyword(self.edits.source(), it);
            self.edits.blank(start, keyword);
        }
        if let Some(last) = it.implements.last() {
            let heritage = it.heritage.as_ref();
            let start = heritage
                .and_then(|heritage| heritage.type_arguments.as_ref().map(|types| types.span.end))
                .or_else(|| heritage.map(|heritage| heritage.expression.span().end))
                .or_else(|| it.type_parameters.as_ref().map(|types| types.span.end))
                .or_else(|| it.id.as_ref().map(|id| id.span.end))
                .unwrap_or_else(|| class_keyword(self.edits.source(), it) + 5);
            self.edits.blank(start, last.span.end);
        }
        if let Some(parameters) = &it.type_parameters {
            self.blank(parameters.span);
        }
        if let Some(heritage) = &it.heritage {
            self.visit_class_heritage(heritage);
        }
        self.visit_class_body(&it.body);
    }

    fn visit_class_element(&mut self, it: &ClassElement<'a>) {
        match it {
            ClassElement::TSIndexSignature(signature) => self.blank_statement(signature.span),
            ClassElement::MethodDefinition(method) if method.value.body.is_none() => {
                self.blank_statement(method.span);
            }
            ClassElement::PropertyDefinition(property)
                if property.declare
                    || property.r#type == PropertyDefinitionType::TSAbstractPropertyDefinition =>
            {
                self.blank_statement(property.span);
            }
            ClassElement::AccessorProperty(property)
                if property.r#type == AccessorPropertyType::TSAbstractAccessorProperty =>
            {
                self.blank_statement(property.span);
            }
            _ => walk::walk_class_element(self, it),
        }
    }

    fn visit_method_definition(&mut self, it: &MethodDefinition<'a>) {
        let start = Self::end_of_decorators(&it.decorators, it.span.start);
        self.blank_modifiers(start, it.key.span().start);
        if it.optional {
            self.blank_mark(it.key.span().end, it.value.span.start, '?');
        }
        if it.kind.is_constructor() {
            self.parameter_properties(&it.value);
        }
        walk::walk_method_definition(self, it);
    }

    fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
        let start = Self::end_of_decorators(&it.decorators, it.span.start);
        self.blank_modifiers(start, it.key.span().start);
        let end = it
            .type_annotation
            .as_ref()
            .map(|kind| kind.span.start)
            .or_else(|| it.value.as_ref().map(|value| value.span().start))
            .unwrap_or(it.span.end);
        if it.optional {
            self.blank_mark(it.key.span().end, end, '?');
        }
        if it.definite {
            self.blank_mark(it.key.span().end, end, '!');
        }
        walk::walk_property_definition(self, it);
    }

    fn visit_accessor_property(&mut self, it: &AccessorProperty<'a>) {
        self.write_accessor(it);
    }

    // ---- what is code

    fn visit_ts_enum_declaration(&mut self, it: &TSEnumDeclaration<'a>) {
        self.write_enum(it);
    }

    fn visit_ts_namespace_declaration(&mut self, it: &TSNamespaceDeclaration<'a>) {
        self.write_namespace(it, it.span.start);
    }

    fn visit_ts_import_equals_declaration(&mut self, it: &TSImportEqualsDeclaration<'a>) {
        self.edits
            .replace(it.span.start, it.span.start + 6, "var   ");
    }
}
