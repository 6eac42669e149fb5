//! What would have helped a program that failed, where its error alone does not
//! say: the wrong language, a name of an earlier call, a tool that was not
//! imported. Guesses, said as such; nothing is done with them.

use ::tools::KnownServer;
use contract::program::Language;
use contract::report::ErrorReport;
use contract::text::{cut, quoted};
use stubs::names::folded;

/// Bytes of a program that are looked at.
const MAX_CODE: usize = 8 << 10;

/// What is known of a program that failed.
pub(super) struct Failed<'a> {
    pub(super) language: Language,
    pub(super) code: &'a str,
    pub(super) has_session: bool,
    pub(super) error: &'a ErrorReport,
}

impl Failed<'_> {
    /// What would have helped, if there is anything to say. `servers` gives those
    /// that programs can use; few failures need them.
    pub(super) fn advice(&self, servers: impl FnOnce() -> Vec<KnownServer>) -> Option<String> {
        let is_python = self.language == Language::Python;
        let missing = self.missing_name();
        let cannot_be_read = missing.is_some() || self.error.kind == "SyntaxError";
        // The Python guest knows JavaScript when it sees it, and says so.
        if !is_python && cannot_be_read && self.looks_like_python() {
            return Some("this looks like Python: pass `language`: \"python\"".to_owned());
        }
        if let Some(advice) = self.missing_file().or_else(|| self.missing_network()) {
            return Some(advice);
        }
        // The language has an own hint for some names.
        let name = missing.filter(|_| !self.error.message.contains("\nhint: "))?;
        let servers = servers();
        let wanted = folded(name);
        let same = |tool: &String| folded(tool) == wanted;
        let owner = servers.iter().find_map(|server| {
            let tool = server.tools.iter().flatten().find(|tool| same(tool))?;
            Some((&server.identifier, tool))
        });
        if let Some((server, tool)) = owner {
            return Some(if is_python {
                format!(
                    "import it first: `from servers.{server} import {tool}`, and await its calls"
                )
            } else {
                format!("import it first: `import {{ {name} }} from \"servers/{server}\"`")
            });
        }
        if self.has_session {
            return None;
        }
        Some(format!(
            "if an earlier call set {}: without `session` each call has a fresh sandbox; open one \
             with the tool `sessions`, and pass its handle to each call",
            quoted(name)
        ))
    }

    /// The name that the program used and that nothing has.
    fn missing_name(&self) -> Option<&str> {
        let message = &self.error.message;
        let name = match self.error.kind.as_str() {
            "NameError" => message.strip_prefix("name '")?.split('\'').next()?,
            "ReferenceError" => message.split_once(" is not defined")?.0.trim_matches('\''),
            _ => return None,
        };
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        (!name.is_empty() && name.len() <= 100 && name.chars().all(is_name)).then_some(name)
    }

    /// What helps where a file is not there.
    fn missing_file(&self) -> Option<String> {
        let ErrorReport { kind, message, .. } = self.error;
        if kind != "FileNotFoundError" && !message.starts_with("ENOENT") {
            return None;
        }
        let path = message.rsplit('\'').nth(1)?;
        let first = path.strip_prefix('/').map(|rest| rest.split('/').next());
        let is_of_host = !matches!(
            first,
            None | Some(Some("workspace" | "servers" | "skills" | "tmp"))
        );
        Some(if is_of_host {
            "there are no files of the host here: write what is needed with `write_file`, or read \
             it with a tool of a server"
                .to_owned()
        } else {
            "write it with `write_file` first, and pass the `session` that this gives: files last \
             as long as a session"
                .to_owned()
        })
    }

    /// What helps where the network is not there.
    fn missing_network(&self) -> Option<String> {
        let is_url = self.error.message.contains("unknown url type");
        is_url.then(|| "there is no network here: call a tool of a server for it".to_owned())
    }

    /// Whether the program seems to be written in Python.
    fn looks_like_python(&self) -> bool {
        let starts = [
            "def ",
            "from ",
            "elif ",
            "except",
            "async def ",
            "print(",
            "# ",
        ];
        let is_python = |line: &str| {
            starts.iter().any(|start| line.starts_with(start))
                || (line.starts_with("import ") && !line.contains(['"', '\'', '{']))
                || (line.ends_with(':') && !line.starts_with(['c', 'd']))
        };
        let code = cut(self.code, MAX_CODE);
        code.lines().map(str::trim).any(is_python)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(language: Language, code: &str, kind: &str, message: &str) -> Option<String> {
        let error = ErrorReport {
            kind: kind.to_owned(),
            message: message.to_owned(),
            ..ErrorReport::default()
        };
        let failed = Failed {
            language,
            code,
            has_session: false,
            error: &error,
        };
        failed.advice(Vec::new)
    }

    #[test]
    fn python_that_was_run_as_javascript_is_told_how_to_say_so() {
        let syntax = ("SyntaxError", "invalid syntax");
        let undefined = ("ReferenceError", "print is not defined");
        for (language, code, (kind, message)) in [
            (Language::JavaScript, "def f():\n  return 1", syntax),
            (Language::TypeScript, "from servers.a import b", syntax),
            (Language::JavaScript, "print(1)", undefined),
        ] {
            let advice = advice(language, code, kind, message).unwrap_or_default();
            assert!(
                advice.starts_with("this looks like Python"),
                "{code}: {advice}"
            );
        }
    }

    #[test]
    fn what_the_guest_says_of_another_language_is_not_said_again() {
        let hint = "\nhint: this looks like JavaScript and was run as Python";
        for (code, kind, message) in [
            ("const x = 1;", "SyntaxError", "invalid syntax"),
            (
                "console.log(1)",
                "NameError",
                "name 'console' is not defined",
            ),
            ("f(", "SyntaxError", "'(' was never closed"),
        ] {
            let message = format!("{message}{hint}");
            assert_eq!(advice(Language::Python, code, kind, &message), None);
        }
    }

    #[test]
    fn a_file_or_an_address_that_is_not_there_is_told_by_what_it_is() {
        for (kind, message, told) in [
            (
                "FileNotFoundError",
                "[Errno 44] No such file or directory: '/home/user/a.csv'",
                "no files of the host",
            ),
            (
                "FileNotFoundError",
                "[Errno 44] No such file or directory: 'a.csv'",
                "`write_file` first",
            ),
            (
                "Error",
                "ENOENT: no such file or directory, open '/workspace/a.csv'",
                "`write_file` first",
            ),
            (
                "URLError",
                "<urlopen error unknown url type: https>",
                "no network",
            ),
        ] {
            let advice = advice(Language::Python, "", kind, message).unwrap_or_default();
            assert!(advice.contains(told), "{message}: {advice}");
        }
        let explained = "Deno is not defined\nhint: this sandbox is not Deno";
        assert_eq!(
            advice(Language::JavaScript, "1", "ReferenceError", explained),
            None
        );
    }

    #[test]
    fn a_name_that_is_gone_may_be_of_a_session_and_what_is_no_name_is_not_shown() {
        let told = advice(
            Language::Python,
            "rows",
            "NameError",
            "name 'rows' is not defined",
        );
        assert!(
            told.unwrap()
                .starts_with("if an earlier call set `rows`: without `session`")
        );
        let evil = "name 'x y' is not defined";
        assert_eq!(advice(Language::Python, "1", "NameError", evil), None);
    }
}
