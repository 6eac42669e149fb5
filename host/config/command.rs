//! What an entry starts: the program, its arguments, its variables, the folder
//! it works in. Reads the forms in which other clients write them.

use std::path::Path;

use jsonc_parser::{
    ast::{Object, StringLit, Value},
    common::Ranged,
};
use tools::servers::{Stdio, Transport};

use super::{
    document::Field,
    secret::{Secret, secrets_in_argument},
    servers::{Entry, OWN_NAME},
    transport::{Pairs, Reached, Secrets, without_credentials},
};

impl Entry<'_, '_> {
    pub(super) fn stdio<'v>(
        &mut self,
        command: &Field<'v>,
        get: &impl Fn(&str) -> Option<Field<'v>>,
    ) -> Option<Reached> {
        // Zed wrote `{ "path": …, "args": …, "env": … }` as the command.
        let nested = match command.value {
            Value::Object(object) => self.nested(command, object)?,
            _ => Vec::new(),
        };
        let inside = |name: &str| nested.iter().find(|field| field.name == name).copied();
        let command = inside("path").unwrap_or(*command);
        let args = get("args").or_else(|| inside("args"));
        let env = get("env")
            .or_else(|| get("environment"))
            .or_else(|| inside("env"));
        // Not stopped by the first problem, so that all are reported.
        // OpenCode writes program and arguments as one list.
        let words = match command.value {
            Value::Array(_) => self.report.texts(command.value, &self.what("command")),
            value => self
                .report
                .text(value, &self.what("command"))
                .map(|text| vec![text]),
        };
        let (program, mut texts) = match words.as_deref() {
            Some([first, rest @ ..]) => {
                let has_args = args.is_some() || !rest.is_empty();
                (self.program(first, has_args), rest.to_vec())
            }
            Some([]) => {
                let message = format!("{} is empty", self.what("command"));
                (self.error(command.value.range(), message, None), Vec::new())
            }
            None => (None, Vec::new()),
        };
        let mut are_texts = true;
        if let Some(field) = args {
            let what = self.what("args");
            match self.report.texts(field.value, &what) {
                Some(args) => texts.extend(args),
                None => are_texts = false,
            }
        }
        let what = self.what("args");
        let args = texts
            .into_iter()
            .map(|arg| self.value(arg, &what))
            .collect::<Option<Vec<_>>>()
            .filter(|_| are_texts)
            .map(with_secrets);
        let env = match env {
            Some(field) => self.pairs(&field, Pairs::Variables),
            None => Some(Vec::new()),
        };
        // What is relative in arguments and variables is relative to the file,
        // too: the program is started there.
        let cwd = match get("cwd") {
            Some(field) => {
                let what = self.what("cwd");
                let text = self.report.text(field.value, &what)?;
                let value = self.value(text, &what)?;
                Some(self.context.folder.join(value.expose()))
            }
            None => Some(self.context.folder.to_owned()),
        };
        let (program, args, env, cwd) = (program?, args?, env?, cwd?);
        let words: Vec<_> = std::iter::once(&program).chain(&args).map(word).collect();
        let mut secrets = Secrets::default();
        Some(Reached {
            written: words.join(" "),
            transport: Transport::Stdio(Stdio {
                command: secrets.reveal(program),
                args: args.into_iter().map(|arg| secrets.reveal(arg)).collect(),
                env: secrets.reveal_pairs(env),
                cwd: Some(cwd),
            }),
            secrets: secrets.into_values(),
        })
    }

    /// The fields of a command that is an object.
    fn nested<'v>(&mut self, command: &Field<'v>, object: &Object<'v>) -> Option<Vec<Field<'v>>> {
        if object.get("path").is_some() {
            return self.report.fields(command.value, &self.what("command"));
        }
        let message = format!(
            "{} must be text in double quotes, found an object",
            self.what("command")
        );
        self.error(
            command.value.range(),
            message,
            Some("the program alone is the `command`; what follows it goes into `args`"),
        )
    }

    fn program(&mut self, text: &StringLit<'_>, has_args: bool) -> Option<Secret> {
        let what = self.what("command");
        let program = self.value(text, &what)?;
        let value = program.expose();
        if value.trim().is_empty() {
            return self.error(text.range, format!("{what} is empty"), None);
        }
        if !has_args && value.contains(' ') && !value.contains(['/', '\\']) {
            self.report.warning(
                text.range,
                format!("{what} contains a space and is taken as the name of one program"),
                Some("no shell reads it: put what follows the program into `args`".to_owned()),
            );
        }
        // `wasm-coordinator` may run from a folder that no `PATH` mentions, as
        // it does under cargo. Its own servers are found all the same.
        if value == OWN_NAME
            && let Some(own) = self.context.own_program.and_then(Path::to_str)
        {
            return Some(Secret::new(own, OWN_NAME));
        }
        // A path is relative to the file that says it, not to wherever the
        // command was typed. A bare name is looked up by the system.
        let path = Path::new(value);
        if path.is_relative()
            && value.contains('/')
            && let Some(path) = self.context.folder.join(path).to_str()
        {
            return Some(Secret::new(path, program.to_string()));
        }
        Some(program)
    }
}

/// Arguments that know what of them is secret.
fn with_secrets(arguments: Vec<Secret>) -> Vec<Secret> {
    let texts: Vec<String> = arguments
        .iter()
        .map(|arg| arg.expose().to_owned())
        .collect();
    let known = |(place, argument): (usize, Secret)| {
        let before = place.checked_sub(1).map(|before| texts[before].as_str());
        argument.with_secrets(secrets_in_argument(before, &texts[place]))
    };
    arguments.into_iter().enumerate().map(known).collect()
}

/// What an entry that cannot be used would start or reach, with nothing
/// replaced.
pub(super) fn as_written(entry: &Value<'_>) -> String {
    let Value::Object(entry) = entry else {
        return "nothing".to_owned();
    };
    let mut words = Vec::new();
    for name in ["command", "args"] {
        match entry.get(name).map(|property| &property.value) {
            Some(Value::StringLit(text)) => words.push(text.value.to_string()),
            Some(Value::Array(list)) => {
                words.extend(list.elements.iter().filter_map(|element| match element {
                    Value::StringLit(text) => Some(text.value.to_string()),
                    _ => None,
                }))
            }
            _ => {}
        }
    }
    if let Some(Value::StringLit(url)) = entry.get("url").map(|property| &property.value) {
        words.push(without_credentials(&url.value));
    }
    if words.is_empty() {
        return "nothing".to_owned();
    }
    words
        .iter()
        .map(|text| in_quotes(text))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word of a command, in quotes where it would look like several or none.
fn word(value: &Secret) -> String {
    in_quotes(&value.to_string())
}

fn in_quotes(text: &str) -> String {
    if text.is_empty() || text.contains(char::is_whitespace) {
        format!("{text:?}")
    } else {
        text.to_owned()
    }
}
