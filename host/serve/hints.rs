//! What would help, in the terms of a model behind `execute`: its own arguments
//! first, and otherwise what the people who run the server can change.

use contract::hint::{Hint, joined};
use contract::limits::Limit;

/// A hint as a sentence.
pub(super) fn render(hint: &Hint) -> Option<String> {
    Some(match hint {
        Hint::Limit(Limit::Timeout(_)) => {
            "pass a larger `timeout` to `execute`, or do less in one program".to_owned()
        }
        Hint::Limit(limit) => change(limit.key(), limit.advice()),
        Hint::FileLimit(limit) => {
            format!("{limit}; {}", change(limit.key(), limit.advice()))
        }
        Hint::AllowTools(_) => {
            "the people who run this server can allow it with `tools.allow` in its configuration"
                .to_owned()
        }
        Hint::RemoveDenial { pattern, .. } => format!(
            "the people who run this server can remove `{pattern}` from `tools.deny` or `excludeTools` in its configuration"
        ),
        Hint::TrustTool(_) => {
            "the people who run this server can allow it without asking with `tools.trust` in its configuration"
                .to_owned()
        }
        Hint::AcceptChanges => {
            "`\"changes\": \"accept\"` in `coordinator.tools` of the server's configuration accepts all changes"
                .to_owned()
        }
        Hint::ListServers => "`list_files` of `/servers` lists the servers there are".to_owned(),
        Hint::RenameServer => "one of them needs another name in the server's configuration".to_owned(),
        Hint::AllowModule(_) => {
            "the people who run this server can allow it with `advice.allowedModules` in its configuration"
                .to_owned()
        }
        Hint::RemoveModuleDenial(pattern) => format!(
            "the people who run this server can remove `{}` from `advice.deniedModules` in its configuration",
            pattern.as_str()
        ),
        Hint::AllowConstruct(construct) => format!(
            "the people who run this server can allow it with `{}` in `advice.allowedConstructs` of its configuration",
            construct.name()
        ),
        Hint::Advice(advice) => advice.clone(),
        Hint::All(hints) => return joined(hints, render),
        // Components do not come this way.
        _ => return None,
    })
}

/// What a program can do about a limit, else who can raise it.
fn change(key: Option<&str>, advice: Option<&str>) -> String {
    match (advice, key) {
        (Some(advice), _) => advice.to_owned(),
        (None, Some(key)) => format!(
            "the people who run this server can raise it with `limits.{key}` in its configuration"
        ),
        (None, None) => "it is fixed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contract::advice::Construct;
    use contract::limits::FileLimit;

    use super::*;

    #[test]
    fn a_model_is_told_its_own_arguments_and_no_flag() {
        let hints = [
            Hint::Limit(Limit::Timeout(Duration::from_secs(1))),
            Hint::Limit(Limit::Memory(1)),
            Hint::FileLimit(FileLimit::Bytes(1)),
            Hint::AllowTools(vec!["git.push".to_owned()]),
            Hint::TrustTool("git.push".to_owned()),
            Hint::AllowModule("socket".to_owned()),
            Hint::AllowConstruct(Construct::Network),
        ];
        for hint in hints {
            assert!(!render(&hint).unwrap().contains("--"), "{hint:?}");
        }
        let timeout = Hint::Limit(Limit::Timeout(Duration::from_secs(1)));
        assert!(render(&timeout).unwrap().contains("`timeout`"));
    }
}
