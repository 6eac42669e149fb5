//! `${NAME}` in the values of a server entry.
//!
//! `${NAME}` and `${env:NAME}` stand for the variable, `${NAME:-default}` for
//! the default when the variable is unset or empty, `$${` for a plain `${`.
//! `${workspaceFolder}`, `${userHome}` and their like are what editors put there.
//! Everything else with a dollar is left alone, because passwords and regular
//! expressions contain it. A value is inserted once and never looked at again.

use std::env::VarError;

/// Finds the value of a variable.
pub(super) type Lookup<'a> = dyn Fn(&str) -> Result<String, VarError> + 'a;

/// A text with its variables replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// The variables that were inserted, with their values.
    pub(super) used: Vec<(String, String)>,
}

/// Why a text cannot be expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Unset { name: String },
    NotUnicode { name: String },
    BadName { name: String },
    Unterminated,
    TooLong,
}

/// The longest value after expansion. Linux passes no argument or environment
/// entry above 128 KiB; a little less leaves room for the entry's name.
pub(super) const MAX_VALUE: usize = 127 * 1024;

pub(super) fn expand(text: &str, lookup: &Lookup<'_>) -> Result<Expanded, Fault> {
    let mut expanded = Expanded {
        text: String::with_capacity(text.len()),
        used: Vec::new(),
    };
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.text.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        if let Some(after) = rest.strip_prefix("$${") {
            expanded.text.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let end = after.find('}').ok_or(Fault::Unterminated)?;
            let (name, value) = resolve(&after[..end], lookup)?;
            expanded.text.push_str(&value);
            expanded.used.push((name, value));
            rest = &after[end + 1..];
        } else {
            expanded.text.push('$');
            rest = &rest[1..];
        }
        if expanded.text.len() > MAX_VALUE {
            return Err(Fault::TooLong);
        }
    }
    expanded.text.push_str(rest);
    if expanded.text.len() > MAX_VALUE {
        return Err(Fault::TooLong);
    }
    Ok(expanded)
}

/// The name and the value of what stands between the braces.
fn resolve(inside: &str, lookup: &Lookup<'_>) -> Result<(String, String), Fault> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let name = name.strip_prefix("env:").unwrap_or(name).to_owned();
    let mut characters = name.chars();
    let starts_well = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    // `${/}` is a separator of paths to editors, so it has a value or none.
    let is_name = name == "/"
        || starts_well && characters.all(|other| other.is_ascii_alphanumeric() || other == '_');
    if !is_name {
        return Err(Fault::BadName { name });
    }
    match (lookup(&name), default) {
        (Ok(value), Some(default)) if value.is_empty() => Ok((name, default.to_owned())),
        (Ok(value), _) => Ok((name, value)),
        (Err(VarError::NotPresent), Some(default)) => Ok((name, default.to_owned())),
        (Err(VarError::NotPresent), None) => Err(Fault::Unset { name }),
        (Err(VarError::NotUnicode(_)), _) => Err(Fault::NotUnicode { name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<String, Fault> {
        let lookup = |name: &str| match name {
            "USER" => Ok("ada".to_owned()),
            "EMPTY" => Ok(String::new()),
            "NESTED" => Ok("${USER}".to_owned()),
            "HUGE" => Ok("x".repeat(MAX_VALUE)),
            "LATIN" => Err(VarError::NotUnicode("latin".into())),
            _ => Err(VarError::NotPresent),
        };
        expand(text, &lookup).map(|expanded| expanded.text)
    }

    #[test]
    fn variables_are_replaced_once_and_other_dollars_stay() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${USER}", "ada"),
            ("a${USER}b${env:USER}c", "aadabadac"),
            ("${NONE:-else}", "else"),
            ("${EMPTY:-else}", "else"),
            ("${env:NONE:-}", ""),
            ("[${EMPTY}]", "[]"),
            ("${NONE:-a:-b}", "a:-b"),
            ("${NESTED}", "${USER}"),
            ("$USER $ $$ $5 ^a$", "$USER $ $$ $5 ^a$"),
            ("$${USER}", "${USER}"),
            ("$$${USER}", "$${USER}"),
        ] {
            assert_eq!(check(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_named() {
        let name = |name: &str| name.to_owned();
        assert_eq!(check("${NONE}"), Err(Fault::Unset { name: name("NONE") }));
        assert_eq!(
            check("${LATIN:-x}"),
            Err(Fault::NotUnicode {
                name: name("LATIN")
            })
        );
        assert_eq!(check("${USER"), Err(Fault::Unterminated));
        assert_eq!(check("${}"), Err(Fault::BadName { name: name("") }));
        assert_eq!(
            check("${input:token}"),
            Err(Fault::BadName {
                name: name("input:token")
            })
        );
        assert_eq!(check("${HUGE}${HUGE}"), Err(Fault::TooLong));
    }
}
