//! The arguments of our own tools, as clients send them.
//!
//! Strict: a name that is not known is an error that shows the ones there are,
//! because a model that misspells one would otherwise wonder about the result.

use rmcp::{ErrorData, model::JsonObject};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::serve::Strategy;
use contract::{message::Detail, program::Language};

/// Bytes of a program.
const LONGEST_CODE: usize = 1 << 20;

/// Files that one call can return.
const MOST_FILES: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Execute {
    pub(in crate::serve) code: String,
    #[serde(default)]
    pub(in crate::serve) language: LanguageName,
    pub(in crate::serve) session: Option<String>,
    /// Seconds.
    pub(in crate::serve) timeout: Option<f64>,
    #[serde(default)]
    pub(in crate::serve) files: Vec<String>,
    pub(in crate::serve) max_tokens: Option<usize>,
    pub(in crate::serve) overflow: Option<Strategy>,
}

impl Execute {
    /// What a type does not say.
    pub(in crate::serve) fn check(&self) -> Result<(), ErrorData> {
        if self.code.len() > LONGEST_CODE {
            return Err(invalid(format!(
                "`code` has {} bytes; at most {LONGEST_CODE} are accepted. Write data to a file with `write_file` and read it in the program",
                self.code.len()
            )));
        }
        if self.files.len() > MOST_FILES {
            return Err(invalid(format!(
                "`files` names {} files; at most {MOST_FILES} can be returned",
                self.files.len()
            )));
        }
        if let Some(seconds) = self.timeout
            && !(seconds > 0.0 && seconds.is_finite())
        {
            return Err(invalid(format!(
                "`timeout` is {seconds}; it is a positive number of seconds"
            )));
        }
        check_session(self.session.as_deref())
    }
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::serve) enum LanguageName {
    #[default]
    #[serde(alias = "py")]
    Python,
    #[serde(alias = "js")]
    Javascript,
    #[serde(alias = "ts")]
    Typescript,
}

impl From<LanguageName> for Language {
    fn from(name: LanguageName) -> Self {
        match name {
            LanguageName::Python => Self::Python,
            LanguageName::Javascript => Self::JavaScript,
            LanguageName::Typescript => Self::TypeScript,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Search {
    #[serde(default)]
    pub(in crate::serve) query: String,
    #[serde(default)]
    pub(in crate::serve) detail: Detail,
    pub(in crate::serve) server: Option<String>,
    pub(in crate::serve) limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Details {
    pub(in crate::serve) name: String,
    #[serde(default)]
    pub(in crate::serve) language: LanguageName,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct CallTool {
    pub(in crate::serve) name: String,
    #[serde(default)]
    pub(in crate::serve) arguments: JsonObject,
    pub(in crate::serve) max_tokens: Option<usize>,
    pub(in crate::serve) overflow: Option<Strategy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct ListFiles {
    pub(in crate::serve) path: Option<String>,
    pub(in crate::serve) session: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct ReadFile {
    pub(in crate::serve) path: String,
    pub(in crate::serve) session: Option<String>,
    /// Characters to skip.
    #[serde(default)]
    pub(in crate::serve) offset: usize,
    pub(in crate::serve) max_tokens: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct WriteFile {
    pub(in crate::serve) path: String,
    pub(in crate::serve) content: String,
    #[serde(default)]
    pub(in crate::serve) encoding: Encoding,
    pub(in crate::serve) session: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::serve) enum Encoding {
    #[default]
    #[serde(alias = "utf-8")]
    Text,
    Base64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Sessions {
    pub(in crate::serve) action: Action,
    pub(in crate::serve) session: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::serve) enum Action {
    Open,
    List,
    Close,
}

/// Reads the arguments of a call.
pub(in crate::serve) fn read<T: DeserializeOwned>(
    tool: &str,
    arguments: Option<JsonObject>,
) -> Result<T, ErrorData> {
    serde_json::from_value(Value::Object(arguments.unwrap_or_default()))
        .map_err(|error| invalid(format!("arguments of `{tool}`: {error}")))
}

/// A handle has one form; anything else is not looked up.
pub(in crate::serve) fn check_session(handle: Option<&str>) -> Result<(), ErrorData> {
    match handle {
        Some(handle) if handle.len() > 100 => Err(invalid(
            "`session` is not a handle that the tool `sessions` gave".to_owned(),
        )),
        _ => Ok(()),
    }
}

pub(in crate::serve) fn invalid(message: String) -> ErrorData {
    // What a stranger wrote can be in it, such as an unknown name.
    let cut = message.floor_char_boundary(500);
    ErrorData::invalid_params(message[..cut].to_owned(), None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn execute(arguments: Value) -> Result<Execute, String> {
        let read = read::<Execute>("execute", arguments.as_object().cloned());
        let read = read.and_then(|read| read.check().map(|()| read));
        read.map_err(|error| error.message.into_owned())
    }

    #[test]
    fn what_is_missing_wrong_or_unknown_is_named() {
        assert!(execute(json!({ "code": "1" })).is_ok());
        for (arguments, part) in [
            (json!({}), "missing field `code`"),
            (json!({ "code": 7 }), "invalid type: integer `7`"),
            (
                json!({ "code": "1", "lang": "js" }),
                "unknown field `lang`, expected one of `code`",
            ),
            (
                json!({ "code": "1", "language": "ruby" }),
                "unknown variant `ruby`",
            ),
            (
                json!({ "code": "1", "timeout": -1 }),
                "positive number of seconds",
            ),
            (json!({ "code": "x".repeat(2 << 20) }), "at most 1048576"),
            (
                json!({ "code": "1", "session": "x".repeat(1_000) }),
                "not a handle",
            ),
        ] {
            let message = execute(arguments).err().unwrap();
            assert!(message.contains(part), "{message}");
            assert!(message.len() < 600);
        }
        let long = json!({ "code": "1", "x".repeat(100_000): 1 });
        assert!(execute(long).err().unwrap().len() <= 500);
    }
}
