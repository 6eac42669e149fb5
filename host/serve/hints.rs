//! What would help, in the terms of a model behind `execute`: its own arguments
//! first, and otherwise what the people who run the server can change.

use contract::hint::Hint;
use contract::limits::{FileLimit, Limit};

/// A hint as a sentence.
pub(super) fn render(hint: &Hint) -> Option<String> {
    let setting = |key: &str| {
        format!("the people who run this server can change it with `{key}` in its configuration")
    };
    Some(match hint {
        Hint::Limit(limit) => match limit {
            Limit::Timeout(_) => {
                "pass a larger `timeout` to `execute`, or do less in one program".to_owned()
            }
            Limit::Memory(_) => setting("limits.memory"),
            Limit::Fuel(_) => setting("limits.fuel"),
            Limit::Calls(_) => setting("limits.maxCalls"),
            Limit::Output(_) => "print less, or a summary; write the rest to a file in `/workspace`".to_owned(),
            Limit::Content(_) => "emit smaller images, or leave files in `/workspace`".to_owned(),
            fixed => fixed.advice()?.to_owned(),
        },
        Hint::FileLimit(limit) => {
            let help = match limit {
                FileLimit::Bytes(_) => setting("limits.workspaceSize"),
                FileLimit::FileSize(_) => setting("limits.fileSize"),
                FileLimit::Inodes(_) => setting("limits.maxFiles"),
                fixed => fixed.advice().unwrap_or_default().to_owned(),
            };
            format!("{limit}; {help}")
        }
        Hint::AllowTools(_) => {
            "the people who run this server can allow it with `tools.allow` in its configuration"
                .to_owned()
        }
        Hint::RemoveDenial { pattern, .. } => format!(
            "the people who run this server can remove `{pattern}` from `tools.deny` or `excludeTools` in its configuration"
        ),
        Hint::AllowWithoutAsking => {
            "a pattern in `tools.allow` of the server's configuration allows it without asking"
                .to_owned()
        }
        Hint::AcceptChanges => {
            "`\"changes\": \"accept\"` in `coordinator.tools` of the server's configuration accepts all changes"
                .to_owned()
        }
        Hint::ListServers => "`list_files` of `/servers` lists the servers there are".to_owned(),
        Hint::RenameServer => "one of them needs another name in the server's configuration".to_owned(),
        Hint::Advice(advice) => advice.clone(),
        Hint::All(hints) => {
            let hints: Vec<_> = hints.iter().filter_map(render).collect();
            return (!hints.is_empty()).then(|| hints.join("; ").replace("?; ", "? "));
        }
        // Components do not come this way.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_model_is_told_its_own_arguments_and_no_flag() {
        let hints = [
            Hint::Limit(Limit::Timeout(Duration::from_secs(1))),
            Hint::Limit(Limit::Memory(1)),
            Hint::FileLimit(FileLimit::Bytes(1)),
            Hint::AllowTools(vec!["git.push".to_owned()]),
            Hint::AllowWithoutAsking,
        ];
        for hint in hints {
            assert!(!render(&hint).unwrap().contains("--"), "{hint:?}");
        }
        let timeout = Hint::Limit(Limit::Timeout(Duration::from_secs(1)));
        assert!(render(&timeout).unwrap().contains("`timeout`"));
    }
}
