//! The arguments of a call: from the text a program wrote to what is sent.

use std::collections::HashSet;

use serde_json::{Map, Value};
use stubs::names::{folded, nearest};

use crate::{
    catalog::Tool,
    schema::{Parameter, Problem},
};
use contract::text::quoted;

/// The longest arguments in bytes: what most servers accept as one message.
const MAX_ARGUMENTS: usize = 8 << 20;

/// Problems that are reported at once.
const MAX_PROBLEMS: usize = 5;

/// Parameters that an error message lists.
const MAX_LISTED: usize = 30;

/// Arguments that cannot be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    /// What is wrong, and what would be right.
    pub(super) message: String,
}

/// Reads and checks the arguments for a tool.
///
/// Names are taken in any spelling, as long as they mean one parameter, and
/// `null` counts as absent for an optional parameter that cannot be `null`:
/// that is what Python programs mean by `None`.
pub(super) fn read(tool: &Tool, text: &str) -> Result<Value, Unfit> {
    if text.len() > MAX_ARGUMENTS {
        let size = text.len();
        return Err(unfit(
            tool,
            &[format!(
                "they are {size} bytes long, more than {MAX_ARGUMENTS}"
            )],
        ));
    }
    let text = if text.trim().is_empty() { "{}" } else { text };
    let fields = match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(Value::Null) => Map::new(),
        Ok(_) => {
            return Err(unfit(
                tool,
                &["they must be an object of names and values".to_owned()],
            ));
        }
        Err(error) => return Err(unfit(tool, &[format!("they are not JSON: {error}")])),
    };
    let arguments = Value::Object(renamed(tool, fields));
    let problems = problems(tool, &arguments);
    if problems.is_empty() {
        Ok(arguments)
    } else {
        Err(unfit(tool, &problems))
    }
}

/// The same arguments under the raw names of the parameters.
fn renamed(tool: &Tool, fields: Map<String, Value>) -> Map<String, Value> {
    let knows = |name: &str| tool.parameters.iter().any(|p| p.name == name);
    let is_absent = |name: &str, value: &Value| {
        value.is_null()
            && tool
                .parameters
                .iter()
                .any(|p| p.name == name && !p.required && p.refuses_null)
    };
    if fields.keys().all(|name| knows(name)) && !fields.values().any(Value::is_null) {
        return fields;
    }
    let given: Vec<String> = fields.keys().cloned().collect();
    let mut result = Map::new();
    for (name, value) in fields {
        let name = if knows(&name) {
            name
        } else {
            match meant(tool, &name) {
                Some(raw)
                    if !given.iter().any(|given| given == raw) && !result.contains_key(raw) =>
                {
                    raw.to_owned()
                }
                _ => name,
            }
        };
        if !is_absent(&name, &value) {
            result.insert(name, value);
        }
    }
    result
}

/// The parameter that a name means, which is not its raw name.
fn meant<'t>(tool: &'t Tool, name: &str) -> Option<&'t str> {
    let by_identifier = tool
        .identifiers
        .iter()
        .position(|identifier| identifier == name);
    let index = by_identifier.or_else(|| {
        let wanted = folded(name);
        let mut same = (0..tool.parameters.len())
            .filter(|&index| !wanted.is_empty() && folded(&tool.parameters[index].name) == wanted);
        let index = same.next()?;
        same.next().is_none().then_some(index)
    })?;
    Some(&tool.parameters[index].name)
}

fn problems(tool: &Tool, arguments: &Value) -> Vec<String> {
    let Value::Object(fields) = arguments else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    let is_strange = |name: &&str| !tool.parameters.iter().any(|p| p.name == **name);
    let names = fields.keys().map(String::as_str);
    let strange: Vec<&str> = if tool.welcomes_other_names || tool.parameters.is_empty() {
        Vec::new()
    } else {
        names.filter(is_strange).collect()
    };
    // A misspelt optional name would be ignored by most servers, silently.
    let is_misspelt = |name: &&str| suggestion(tool, fields, name).is_some();
    let mut unknown: Vec<&str> = strange.iter().copied().filter(is_misspelt).collect();
    if let Some(check) = tool.check() {
        for problem in check.problems(arguments, MAX_PROBLEMS) {
            match problem {
                Problem::Unknown(name) => {
                    let given = fields.get_key_value(&name);
                    unknown.extend(given.map(|(name, _)| name.as_str()));
                }
                Problem::Missing(name) => {
                    problems.push(format!("{} is missing", quoted(&name)));
                    // One of these was probably meant to be it.
                    unknown.extend(&strange);
                }
                Problem::Unfit(sentence) => problems.push(sentence),
            }
        }
    }
    let mut named = HashSet::new();
    unknown.retain(|name| named.insert(*name));
    let unknown = unknown
        .into_iter()
        .map(|name| match suggestion(tool, fields, name) {
            Some(meant) => format!(
                "{} is not a parameter (did you mean {}?)",
                quoted(name),
                quoted(meant)
            ),
            None => format!("{} is not a parameter", quoted(name)),
        });
    let mut all: Vec<_> = unknown.collect();
    all.extend(problems);
    all.truncate(MAX_PROBLEMS);
    all
}

/// The parameter that was not given and that a strange name looks like.
fn suggestion<'t>(tool: &'t Tool, fields: &Map<String, Value>, name: &str) -> Option<&'t str> {
    let open = tool
        .parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
        .filter(|parameter| !fields.contains_key(*parameter));
    nearest(name, open).into_iter().next()
}

fn unfit(tool: &Tool, problems: &[String]) -> Unfit {
    let problems = problems.join("; ");
    let message = format!(
        "the arguments of {} do not fit: {problems}; {}",
        quoted(&tool.definition().name),
        signature(&tool.parameters)
    );
    Unfit { message }
}

/// The parameters for people.
fn signature(parameters: &[Parameter]) -> String {
    if parameters.is_empty() {
        return "it takes no parameters that are known".to_owned();
    }
    let shown: Vec<_> = parameters
        .iter()
        .take(MAX_LISTED)
        .map(|parameter| {
            let optional = if parameter.required { "" } else { ", optional" };
            format!("{} ({}{optional})", quoted(&parameter.name), parameter.kind)
        })
        .collect();
    let more = if parameters.len() > shown.len() {
        format!(" and {} more", parameters.len() - shown.len())
    } else {
        String::new()
    };
    format!("its parameters are {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::tests::tool;

    fn issue_tool() -> Tool {
        tool(json!({
            "type": "object",
            "properties": {
                "owner": {"type": "string"},
                "issueNumber": {"type": "integer"},
                "class": {"type": "string"},
                "limit": {"type": "integer"},
            },
            "required": ["owner"],
        }))
    }

    fn sent(arguments: &str) -> Value {
        read(&issue_tool(), arguments).unwrap()
    }

    fn message(arguments: &str) -> String {
        read(&issue_tool(), arguments).unwrap_err().message
    }

    const SIGNATURE: &str = "its parameters are `owner` (string), `issueNumber` (integer, optional), `class` (string, optional), `limit` (integer, optional)";

    #[test]
    fn names_are_taken_in_any_spelling() {
        let expected = json!({"owner": "a", "issueNumber": 1, "class": "x"});
        assert_eq!(
            sent(r#"{"owner": "a", "issue_number": 1, "class_": "x"}"#),
            expected
        );
        assert_eq!(
            sent(r#"{"owner": "a", "issueNumber": 1, "class": "x"}"#),
            expected
        );
        // Given both, neither is lost.
        assert_eq!(
            sent(r#"{"owner": "a", "issueNumber": 1, "issue_number": 2}"#),
            json!({"owner": "a", "issueNumber": 1, "issue_number": 2})
        );
    }

    #[test]
    fn null_for_an_optional_parameter_is_no_argument() {
        assert_eq!(
            sent(r#"{"owner": "a", "limit": null}"#),
            json!({"owner": "a"})
        );
        assert!(message(r#"{"owner": null}"#).contains("`owner` must be string, not null"));
    }

    #[test]
    fn everything_wrong_is_said_at_once_with_what_would_be_right() {
        assert_eq!(
            message(r#"{"ownr": "a", "limit": "ten"}"#),
            format!(
                "the arguments of `t` do not fit: `ownr` is not a parameter (did you mean `owner`?); `owner` is missing; `limit` must be integer, not the text \"ten\"; {SIGNATURE}"
            )
        );
        assert_eq!(
            message("[1]"),
            format!(
                "the arguments of `t` do not fit: they must be an object of names and values; {SIGNATURE}"
            )
        );
        assert!(message("{").contains("they are not JSON: "));
    }

    #[test]
    fn a_misspelt_optional_name_is_not_passed_on_in_silence() {
        assert!(message(r#"{"owner": "a", "limt": 3}"#).contains("did you mean `limit`?"));
        // A name like no other may be one the schema does not tell.
        assert_eq!(
            sent(r#"{"owner": "a", "zzz": 3}"#),
            json!({"owner": "a", "zzz": 3})
        );
    }

    #[test]
    fn a_strange_name_is_named_where_a_required_one_is_missing() {
        assert!(message(r#"{"zzz": 3}"#).contains("`zzz` is not a parameter; `owner` is missing"));
    }

    #[test]
    fn a_tool_without_a_usable_schema_takes_anything() {
        for schema in [
            json!({}),
            json!({"type": 7}),
            json!({"properties": {"a": {"$ref": "#"}}}),
        ] {
            let tool = tool(schema);
            assert_eq!(read(&tool, r#"{"x": [1]}"#), Ok(json!({"x": [1]})));
        }
        assert_eq!(read(&tool(json!({})), "  "), Ok(json!({})));
    }

    #[test]
    fn arguments_nested_beyond_reason_are_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(&tool(json!({})), &deep).is_err());
    }
}
