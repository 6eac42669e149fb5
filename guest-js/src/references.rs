//! What the text of a program refers to: imports, names of what it imports,
//! names that are there without an import, and some calls and loops that are
//! worth a word before anything runs.
//!
//! Only the text is looked at, and no scopes: a name that is imported anywhere
//! in the program means the module everywhere, and one that is declared anywhere
//! means that. Whoever wants to hide something from this can; nobody may rely
//! on it.

use crate::bindings::wasm_coordinator::sandbox::types::ReferenceKind as Kind;
use crate::erase::is_type_only;
use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// How many different things a program is said to refer to.
const MAX_REFERENCES: usize = 1_000;

/// Bytes of the longest name that is told.
const MAX_NAME: usize = 200;

/// Bytes of a loop that is looked at. Those that do nothing are short, and loops
/// in loops are looked at again and again.
const MAX_LOOP: u32 = 500;

/// What names begin with that can also be written without it.
const GLOBAL_OBJECTS: [&str; 4] = ["globalThis", "global", "window", "self"];

/// Functions whose first argument is the path of a file that they write.
const WRITES: [&str; 5] = [
    "writeFile",
    "writeFileSync",
    "appendFile",
    "appendFileSync",
    "createWriteStream",
];

const STUBS: &str = "/servers/";

/// Something that a program refers to.
pub(crate) struct Reference {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The byte at which it stands first.
    pub(crate) at: u32,
}

/// The references in a program, each once, in the order of its text.
pub(crate) fn of(program: &Program<'_>) -> Vec<Reference> {
    let mut finder = Finder::default();
    finder.visit_program(program);
    finder.resolve();
    let found = finder.found.into_iter();
    let mut references: Vec<_> = found
        .map(|((kind, name), at)| Reference {
            kind: KINDS[kind],
            name: name[..name.floor_char_boundary(MAX_NAME)].to_owned(),
            at,
        })
        .collect();
    references.sort_by_key(|reference| reference.at);
    references.truncate(MAX_REFERENCES);
    references
}

/// The kinds, which the contract's type does not order.
const KINDS: [Kind; 7] = [
    Kind::Module,
    Kind::Name,
    Kind::Global,
    Kind::DynamicCode,
    Kind::DynamicImport,
    Kind::ServersWrite,
    Kind::EndlessLoop,
];

/// `a.b.c`, where it stands.
struct Chain<'a> {
    root: &'a str,
    /// The names after it, the last one first.
    names: Vec<&'a str>,
    at: u32,
}

#[derive(Default)]
struct Finder<'a> {
    /// The first place of each kind and name.
    found: BTreeMap<(usize, Cow<'a, str>), u32>,
    /// What names of the program stand for.
    imported: BTreeMap<&'a str, Cow<'a, str>>,
    declared: BTreeSet<&'a str>,
    chains: Vec<Chain<'a>>,
    /// Calls of functions that are what they seem if nothing declares them.
    calls: Vec<(Kind, &'a str, Cow<'a, str>, u32)>,
}

impl<'a> Finder<'a> {
    fn add(&mut self, kind: Kind, name: impl Into<Cow<'a, str>>, at: u32) {
        let kind = KINDS.iter().position(|each| *each == kind).unwrap_or(0);
        let first = self.found.entry((kind, name.into())).or_insert(at);
        *first = at.min(*first);
    }

    /// Says what names and calls mean, now that all declarations are known.
    fn resolve(&mut self) {
        for (kind, function, name, at) in std::mem::take(&mut self.calls) {
            if !self.declared.contains(function) {
                self.add(kind, name, at);
            }
        }
        for Chain {
            mut root,
            mut names,
            at,
        } in std::mem::take(&mut self.chains)
        {
            if let Some(module) = self.imported.get(root) {
                if !names.is_empty() {
                    let name = dotted(module, &names);
                    self.add(Kind::Name, name, at);
                }
            } else if !self.declared.contains(root) {
                if GLOBAL_OBJECTS.contains(&root)
                    && let Some(first) = names.pop()
                {
                    root = first;
                }
                let name = dotted(root, &names);
                self.add(Kind::Global, name, at);
            }
        }
    }

    /// What a pattern binds to parts of a module.
    fn bind(&mut self, pattern: &BindingPattern<'a>, module: &'a str) {
        match pattern {
            BindingPattern::BindingIdentifier(name) => {
                self.imported.insert(name.name.as_str(), module.into());
            }
            BindingPattern::ObjectPattern(object) => {
                for property in &object.properties {
                    let Some(name) = property.key.static_name() else {
                        continue;
                    };
                    let name = format!("{module}.{name}");
                    self.add(Kind::Name, name.clone(), property.span.start);
                    if let Some(local) = property.value.get_binding_identifier() {
                        self.imported.insert(local.name.as_str(), name.into());
                    }
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, callee: &Expression<'a>, arguments: &[Argument<'a>], at: u32) {
        let first = arguments.first().and_then(Argument::as_expression);
        if let Expression::Identifier(function) = callee.get_inner_expression() {
            let name = function.name.as_str();
            let runs_code = match name {
                "eval" => first.is_some_and(|code| text(code).is_none()),
                "Function" => !arguments.iter().all(|each| {
                    let code = each.as_expression();
                    code.is_some_and(|code| text(code).is_some())
                }),
                _ => false,
            };
            if runs_code {
                self.calls.push((Kind::DynamicCode, name, name.into(), at));
            }
            if name == "require"
                && let Some(first) = first
            {
                self.calls.push(match text(first) {
                    Some(module) => (Kind::Module, name, module.into(), first.span().start),
                    None => (Kind::DynamicImport, name, name.into(), at),
                });
            }
        }
        let name = match callee.get_inner_expression() {
            Expression::Identifier(name) => Some(name.name.as_str()),
            other => other
                .get_member_expr()
                .and_then(MemberExpression::static_property_name),
        };
        if let (Some(name), Some(path)) = (name, first)
            && WRITES.contains(&name)
            && beginning(path).starts_with(STUBS)
        {
            self.add(Kind::ServersWrite, name, at);
        }
    }

    fn endless(&mut self, name: &'static str, span: Span, body: &Statement<'a>) {
        if span.size() <= MAX_LOOP {
            let mut exits = Exits::default();
            exits.visit_statement(body);
            if !exits.found {
                self.add(Kind::EndlessLoop, name, span.start);
            }
        }
    }
}

impl<'a> Visit<'a> for Finder<'a> {
    fn visit_statement(&mut self, it: &Statement<'a>) {
        if !is_type_only(it) {
            walk::walk_statement(self, it);
        }
    }

    // ---- imports

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        let module = it.source.value.as_str();
        self.add(Kind::Module, module, it.source.span.start);
        for specifier in it.specifiers.iter().flatten() {
            let local = specifier.local().name.as_str();
            self.declared.insert(local);
            let stands_for = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(named) => {
                    if named.import_kind.is_type() {
                        continue;
                    }
                    let name = format!("{module}.{}", named.imported.name());
                    self.add(Kind::Name, name.clone(), named.span.start);
                    name.into()
                }
                _ => module.into(),
            };
            self.imported.insert(local, stands_for);
        }
    }

    fn visit_export_from_declaration(&mut self, it: &ExportFromDeclaration<'a>) {
        self.add(Kind::Module, it.source.value.as_str(), it.source.span.start);
    }

    fn visit_export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        self.add(Kind::Module, it.source.value.as_str(), it.source.span.start);
    }

    fn visit_ts_import_equals_declaration(&mut self, it: &TSImportEqualsDeclaration<'a>) {
        let local = it.id.name.as_str();
        self.declared.insert(local);
        if let TSModuleReference::ExternalModuleReference(module) = &it.module_reference {
            let (name, span) = (module.expression.value.as_str(), module.expression.span);
            self.add(Kind::Module, name, span.start);
            self.imported.insert(local, name.into());
        }
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        match text(&it.source) {
            Some(module) => self.add(Kind::Module, module, it.source.span().start),
            None => self.add(Kind::DynamicImport, "import", it.span.start),
        }
        walk::walk_import_expression(self, it);
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if let Some(module) = it.init.as_ref().and_then(module_of) {
            self.bind(&it.id, module);
        }
        walk::walk_variable_declarator(self, it);
    }

    // ---- names

    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.declared.insert(it.name.as_str());
    }

    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        self.chains.push(Chain {
            root: it.name.as_str(),
            names: Vec::new(),
            at: it.span.start,
        });
    }

    /// The whole chain at once: what is left of it is no chain.
    fn visit_member_expression(&mut self, it: &MemberExpression<'a>) {
        let mut member = it;
        let mut names = Vec::new();
        let root = loop {
            match member.static_property_name() {
                Some(name) => names.push(name),
                None => names.clear(),
            }
            if let MemberExpression::ComputedMemberExpression(computed) = member {
                self.visit_expression(&computed.expression);
            }
            match member.object().get_member_expr() {
                Some(object) => member = object,
                None => break member.object().get_inner_expression(),
            }
        };
        if let Expression::Identifier(name) = root {
            self.chains.push(Chain {
                root: name.name.as_str(),
                names,
                at: name.span.start,
            });
            return;
        }
        if let Some(module) = module_of(root)
            && !names.is_empty()
        {
            self.add(Kind::Name, dotted(module, &names), root.span().start);
        }
        self.visit_expression(root);
    }

    // ---- calls and loops

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        self.call(&it.callee, &it.arguments, it.span.start);
        walk::walk_call_expression(self, it);
    }

    fn visit_new_expression(&mut self, it: &NewExpression<'a>) {
        self.call(&it.callee, &it.arguments, it.span.start);
        walk::walk_new_expression(self, it);
    }

    fn visit_while_statement(&mut self, it: &WhileStatement<'a>) {
        if is_true(&it.test) {
            self.endless("while (true)", it.span, &it.body);
        }
        walk::walk_while_statement(self, it);
    }

    fn visit_do_while_statement(&mut self, it: &DoWhileStatement<'a>) {
        if is_true(&it.test) {
            self.endless("do while (true)", it.span, &it.body);
        }
        walk::walk_do_while_statement(self, it);
    }

    fn visit_for_statement(&mut self, it: &ForStatement<'a>) {
        if it.update.is_none() && it.test.as_ref().is_none_or(is_true) {
            self.endless("for (;;)", it.span, &it.body);
        }
        walk::walk_for_statement(self, it);
    }

    // ---- types, which refer to nothing

    fn visit_ts_type(&mut self, _: &TSType<'a>) {}

    fn visit_ts_class_implements(&mut self, _: &TSClassImplements<'a>) {}
}

/// Whether something in a loop may lead out of it.
#[derive(Default)]
struct Exits {
    found: bool,
}

impl<'a> Visit<'a> for Exits {
    fn visit_expression(&mut self, it: &Expression<'a>) {
        self.found |= matches!(
            it,
            Expression::AwaitExpression(_)
                | Expression::CallExpression(_)
                | Expression::ChainExpression(_)
                | Expression::ImportExpression(_)
                | Expression::NewExpression(_)
                | Expression::TaggedTemplateExpression(_)
                | Expression::YieldExpression(_)
        );
        if !self.found {
            walk::walk_expression(self, it);
        }
    }

    fn visit_statement(&mut self, it: &Statement<'a>) {
        self.found |= matches!(
            it,
            Statement::BreakStatement(_)
                | Statement::ContinueStatement(_)
                | Statement::ForInStatement(_)
                | Statement::ForOfStatement(_)
                | Statement::ReturnStatement(_)
                | Statement::ThrowStatement(_)
        );
        if !self.found {
            walk::walk_statement(self, it);
        }
    }
}

/// `a.b.c` of `a` and the names after it, the last one first.
fn dotted(root: &str, names: &[&str]) -> String {
    let names = names.iter().rev().copied();
    let all: Vec<_> = std::iter::once(root).chain(names).collect();
    all.join(".")
}

/// The module that an expression gives: `require("fs")`, `await import("fs")`.
fn module_of<'a>(expression: &Expression<'a>) -> Option<&'a str> {
    match expression.get_inner_expression() {
        Expression::AwaitExpression(awaited) => match awaited.argument.get_inner_expression() {
            Expression::ImportExpression(import) => text(&import.source),
            _ => None,
        },
        Expression::CallExpression(call) if call.callee.is_specific_id("require") => {
            text(call.arguments.first()?.as_expression()?)
        }
        _ => None,
    }
}

/// The text that stands there.
fn text<'a>(expression: &Expression<'a>) -> Option<&'a str> {
    match expression.get_inner_expression() {
        Expression::StringLiteral(text) => Some(text.value.as_str()),
        Expression::TemplateLiteral(template) => template.single_quasi().map(|text| text.as_str()),
        _ => None,
    }
}

/// What a text begins with, as far as it stands there.
fn beginning<'a>(expression: &Expression<'a>) -> &'a str {
    match expression.get_inner_expression() {
        Expression::TemplateLiteral(template) => template.quasis[0].value.raw.as_str(),
        other => text(other).unwrap_or_default(),
    }
}

fn is_true(expression: &Expression<'_>) -> bool {
    match expression.get_inner_expression() {
        Expression::BooleanLiteral(literal) => literal.value,
        Expression::NumericLiteral(literal) => literal.value != 0.0,
        _ => false,
    }
}
