//! What would help, in the terms of the command line: its flags and the keys of
//! the configuration.

use contract::hint::joined;
use wasm_coordinator::{FileLimit, Hint};

/// A hint as a sentence.
pub(crate) fn render(hint: &Hint) -> Option<String> {
    Some(match hint {
        Hint::Limit(limit) => raise(limit.key(), limit.advice()),
        Hint::FileLimit(limit) => format!("{limit}; {}", of_file_limit(limit)),
        Hint::AllowTools(tools) => {
            let flags: Vec<_> = tools
                .iter()
                .map(|tool| format!("--allow-tool '{}'", tool.escape_debug()))
                .collect();
            let them = if flags.len() == 1 { "it" } else { "them" };
            let flags = flags.join(" ");
            format!("`{flags}`, or the same in `tools.allow`, allows {them}")
        }
        Hint::RemoveDenial { tool, pattern } => format!(
            "remove `{pattern}` from `--deny-tool`, `tools.deny` or `excludeTools` to allow `{}`",
            tool.escape_debug()
        ),
        Hint::TrustTool(tool) => format!(
            "`--trust-tool '{}'`, or the same in `tools.trust`, allows it without asking",
            tool.escape_debug()
        ),
        Hint::AcceptChanges => {
            "`\"changes\": \"accept\"` in `coordinator.tools` accepts all changes".to_owned()
        }
        Hint::InspectServer(server) => {
            format!("`wasm-coordinator servers` shows more about `{server}`")
        }
        Hint::ListServers => "`wasm-coordinator servers` lists the servers there are".to_owned(),
        Hint::InspectInterface(server) => format!(
            "`wasm-coordinator wit {server}` prints the present interface; build the component with it"
        ),
        Hint::RenameServer => "rename one of them in the configuration".to_owned(),
        Hint::AllowModule(module) => format!(
            "`--allow-module '{}'`, or the same in `advice.allowedModules`, allows it",
            module.escape_debug()
        ),
        Hint::RemoveModuleDenial(pattern) => format!(
            "remove `{}` from `--deny-module` or `advice.deniedModules` to allow it",
            pattern.as_str()
        ),
        Hint::AllowConstruct(construct) => format!(
            "`--allow-construct {0}`, or `{0}` in `advice.allowedConstructs`, allows it",
            construct.name()
        ),
        Hint::Advice(advice) => advice.clone(),
        Hint::All(hints) => return joined(hints, render),
        _ => return None,
    })
}

/// What raises a limit of the files.
pub(crate) fn of_file_limit(limit: &FileLimit) -> String {
    raise(limit.key(), limit.advice())
}

/// What raises a limit, and what a program can do instead.
fn raise(key: Option<&str>, advice: Option<&str>) -> String {
    let raise = key.map_or("it is fixed".to_owned(), |key| {
        let flag = flag(key);
        format!("raise it with `{flag}`, or `limits.{key}` in the configuration")
    });
    match advice {
        Some(advice) => format!("{raise}; {advice}"),
        None => raise,
    }
}

/// The flag of a key: `--max-calls` for `maxCalls`.
fn flag(key: &str) -> String {
    let mut flag = "--".to_owned();
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            flag.push('-');
        }
        flag.push(c.to_ascii_lowercase());
    }
    flag
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wasm_coordinator::Limit;

    use super::*;

    #[test]
    fn hints_name_flags_and_keys() {
        let timeout = Hint::Limit(Limit::Timeout(Duration::from_secs(1)));
        assert_eq!(
            render(&timeout).unwrap(),
            "raise it with `--timeout`, or `limits.timeout` in the configuration"
        );
        let tools = Hint::AllowTools(vec!["git.log".to_owned(), "git.push".to_owned()]);
        assert_eq!(
            render(&tools).unwrap(),
            "`--allow-tool 'git.log' --allow-tool 'git.push'`, or the same in `tools.allow`, allows them"
        );
        assert_eq!(
            render(&Hint::TrustTool("git.push".to_owned())).unwrap(),
            "`--trust-tool 'git.push'`, or the same in `tools.trust`, allows it without asking"
        );
        assert_eq!(render(&Hint::All(Vec::new())), None);
        let stack = Hint::Limit(Limit::Stack(1));
        assert!(render(&stack).unwrap().starts_with("it is fixed"));
    }
}
