//! What is advised against in a program, of what its text refers to.
//!
//! The guest reads the text, inside the wall, and says what is in it. Here that
//! is held against what the operator wants. Both can be wrong, and a program of
//! the same session can make the guest lie: nothing may rest on the answer.

use contract::advice::{Advice, Construct, Finding, Reason};
use contract::outcome::Position;
use contract::program::Language;
use contract::text::cut;

use crate::bindings::types::{Program, Reference, ReferenceKind as Kind};
use crate::constructs::construct;

/// Bytes of the longest text that is looked at. As much of the densest code takes
/// Python's parser a tenth of a second and 20 MiB, which the run needs once more
/// or not at all; what people and models write is far shorter.
pub(crate) const MAX_TEXT: usize = 64 << 10;

/// References of one program, and bytes of a name, that are believed to be
/// there. Guests have the same bounds.
const MAX_REFERENCES: usize = 1_000;
const MAX_NAME: usize = 200;

/// What there is to say about a text that nobody looks at.
pub(crate) fn of_long_text(advice: &Advice, program: &Program) -> Vec<Finding> {
    let construct = Construct::LongText;
    if advice.allowed_constructs.contains(&construct) {
        return Vec::new();
    }
    vec![Finding {
        name: program.name.clone(),
        reason: Reason::Construct(construct),
        position: None,
    }]
}

/// What is advised against in a program, in the order of its text.
pub(crate) fn of(advice: &Advice, program: &Program, references: &[Reference]) -> Vec<Finding> {
    let references = &references[..references.len().min(MAX_REFERENCES)];
    let language = program.language.into();
    let mut found: Vec<(usize, Reason)> = Vec::new();
    // Modules first: what is in one that is advised against is nothing new.
    for of_modules in [true, false] {
        for (at, reference) in references.iter().enumerate() {
            let is_module = reference.kind == Kind::Module;
            let is_said = |(said, _): &(usize, Reason)| {
                references[*said].kind == Kind::Module
                    && is_in(&reference.name, &references[*said].name)
            };
            if is_module == of_modules
                && !found.iter().any(is_said)
                && let Some(reason) = reason(advice, language, reference)
            {
                found.push((at, reason));
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    let finding = |(at, reason): (usize, Reason)| {
        let Reference {
            name, line, column, ..
        } = &references[at];
        Finding {
            name: cut(name, MAX_NAME).to_owned(),
            reason,
            position: Some(Position {
                file: program.name.clone(),
                line: *line,
                column: *column,
            }),
        }
    };
    found.into_iter().map(finding).collect()
}

/// Why a reference is advised against, if it is.
fn reason(advice: &Advice, language: Language, reference: &Reference) -> Option<Reason> {
    let name = cut(&reference.name, MAX_NAME);
    let construct = match reference.kind {
        Kind::Module | Kind::Name | Kind::Global => construct(language, name),
        Kind::DynamicCode => Some(Construct::DynamicCode),
        Kind::DynamicImport => Some(Construct::DynamicImport),
        Kind::ServersWrite => Some(Construct::ServersFiles),
        Kind::EndlessLoop => Some(Construct::EndlessLoop),
    };
    let is_named = matches!(reference.kind, Kind::Module | Kind::Name | Kind::Global);
    let denied = advice.denied_modules.iter();
    let mut denied = denied.filter(|pattern| is_named && pattern.matches(name));
    if let Some(pattern) = denied.next() {
        return Some(Reason::Denied(pattern.clone()));
    }
    if let Some(allowed) = &advice.allowed_modules
        && matches!(reference.kind, Kind::Module | Kind::Name)
        && !is_of_tools(name)
        && !allowed.iter().any(|pattern| pattern.matches(name))
    {
        return Some(Reason::NotAllowed);
    }
    construct
        .filter(|construct| !advice.allowed_constructs.contains(construct))
        .map(Reason::Construct)
}

/// Whether a name is that of a module, or of something in it.
fn is_in(name: &str, module: &str) -> bool {
    let rest = name.strip_prefix(module);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/']))
}

/// Whether a module is one of tools, however programs write that, or no module
/// at all (`from __future__ import …`).
fn is_of_tools(name: &str) -> bool {
    let mut name = name;
    while let Some(rest) = ["./", "../", "/", "@/", "~/"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
    {
        name = rest;
    }
    ["servers", "mcp_tools", "mcp-tools", "__future__"]
        .iter()
        .any(|module| is_in(name, module))
}

#[cfg(test)]
mod tests {
    use contract::advice::AdviceMode;

    use super::*;

    fn advice(allowed: &[&str], denied: &[&str]) -> Advice {
        let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Advice {
            mode: AdviceMode::Warn,
            allowed_modules: (!allowed.is_empty()).then(|| patterns(allowed)),
            denied_modules: patterns(denied),
            allowed_constructs: Vec::new(),
        }
    }

    #[track_caller]
    fn check(advice: &Advice, references: &[(Kind, &str)], expected: &[&str]) {
        let program = Program {
            source: String::new(),
            name: "a.py".to_owned(),
            language: Language::Python.into(),
            arguments: Vec::new(),
        };
        let references: Vec<_> = references
            .iter()
            .enumerate()
            .map(|(at, (kind, name))| Reference {
                kind: *kind,
                name: (*name).to_owned(),
                line: at as u32 + 1,
                column: 1,
            })
            .collect();
        let found = of(advice, &program, &references);
        let found: Vec<_> = found.iter().map(|finding| finding.name.as_str()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_denied_stays_denied_and_the_rest_must_be_allowed() {
        let references = [
            (Kind::Module, "json"),
            (Kind::Module, "os.path"),
            (Kind::Name, "os.path.join"),
            (Kind::Name, "os.listdir"),
            (Kind::Module, "servers.github.list_issues"),
            (Kind::Global, "console.log"),
        ];
        check(&advice(&[], &[]), &references, &[]);
        check(&advice(&["json", "os"], &[]), &references, &[]);
        check(
            &advice(&["json", "os.path"], &[]),
            &references,
            &["os.listdir"],
        );
        check(
            &advice(&["json"], &[]),
            &references,
            &["os.path", "os.listdir"],
        );
        let denied = advice(&["*"], &["os.path"]);
        check(&denied, &references, &["os.path"]);
        let both = advice(&["json"], &["json", "servers"]);
        let expected = [
            "json",
            "os.path",
            "os.listdir",
            "servers.github.list_issues",
        ];
        check(&both, &references, &expected);
    }

    #[test]
    fn what_is_in_a_module_that_was_said_is_not_said_again() {
        let references = [
            (Kind::Name, "requests.get"),
            (Kind::Module, "requests"),
            (Kind::Module, "requests.auth"),
            (Kind::Name, "requestsx.get"),
        ];
        check(&advice(&[], &[]), &references, &["requests"]);
        check(&advice(&[], &["requests"]), &references, &["requests"]);
    }

    #[test]
    fn a_construct_is_said_unless_it_is_allowed() {
        let references = [
            (Kind::Name, "os.system"),
            (Kind::DynamicCode, "eval"),
            (Kind::DynamicImport, "__import__"),
            (Kind::ServersWrite, "open"),
            (Kind::EndlessLoop, "while True"),
        ];
        let mut advice = advice(&[], &[]);
        let all = ["os.system", "eval", "__import__", "open", "while True"];
        check(&advice, &references, &all);
        advice.allowed_constructs = vec![Construct::Processes, Construct::ServersFiles];
        check(&advice, &references, &["eval", "__import__", "while True"]);
    }

    #[test]
    fn a_guest_that_tells_too_much_is_heard_in_part() {
        let long = "x".repeat(1 << 20);
        let many = vec![(Kind::Module, long.as_str()); 3_000];
        let denied = advice(&["json"], &[]);
        check(&denied, &many, &[&long[..MAX_NAME]]);
    }
}
