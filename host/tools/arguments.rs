//! The arguments of a call: from the text a program wrote to what is sent.
//!
//! What is sent are the digits that the program wrote; what is checked may
//! have rounded numbers.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use serde_json::{Map, Value};
use stubs::names::{folded, nearest};

use crate::{catalog::Tool, check::Problem, schema::Parameter};
use contract::{
    json::{Json, holds_numbers},
    text::quoted,
};

/// The longest arguments in bytes: what most servers accept as one message.
const MAX_ARGUMENTS: usize = 8 << 20;

/// Problems that are reported at once.
const MAX_PROBLEMS: usize = 5;

/// Parameters that an error message lists.
const MAX_LISTED: usize = 30;

/// Arguments that fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arguments {
    /// What is sent: an object on one line, each number as it was written and
    /// no key twice, so that nobody can read it in another way than it was
    /// checked.
    pub(crate) text: Arc<str>,
    /// The same with numbers as near as they can be.
    pub(crate) value: Value,
}

impl Arguments {
    /// As `rmcp` repeats some of them in headers, digit by digit. What is sent in
    /// the body is `text`.
    pub(crate) fn for_headers(&self) -> Option<Map<String, Value>> {
        let exact = match holds_numbers(&self.text) {
            true => self.value.clone(),
            false => Json::read(&self.text).ok()?.to_value_with_digits(),
        };
        match exact {
            Value::Object(fields) => Some(fields),
            _ => None,
        }
    }
}

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
pub(super) fn read(tool: &Tool, text: &str) -> Result<Arguments, Unfit> {
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
    let json = match Json::read(text) {
        Ok(json) => json,
        Err(error) => return Err(unfit(tool, &[format!("they are not JSON: {error}")])),
    };
    if let Some(number) = json.no_number() {
        let problem = format!("they are not JSON, which has no number {number}");
        return Err(unfit(tool, &[problem]));
    }
    let fields = match json {
        Json::Object(fields) => fields,
        Json::Null => Vec::new(),
        _ => {
            return Err(unfit(
                tool,
                &["they must be an object of names and values".to_owned()],
            ));
        }
    };
    let json = Json::Object(renamed(tool, fields));
    let arguments = Arguments {
        text: json.to_string().into(),
        value: json.to_value(),
    };
    let problems = problems(tool, &arguments);
    if problems.is_empty() {
        Ok(arguments)
    } else {
        Err(unfit(tool, &problems))
    }
}

/// A name and a value.
type Field<'a> = (Cow<'a, str>, Json<'a>);

/// The same arguments under the raw names of the parameters.
fn renamed<'a>(tool: &Tool, fields: Vec<Field<'a>>) -> Vec<Field<'a>> {
    let knows = |name: &str| tool.parameters.iter().any(|p| p.name == name);
    let is_null = |value: &Json<'_>| matches!(value, Json::Null);
    let is_absent = |name: &str, value: &Json<'_>| {
        is_null(value)
            && tool
                .parameters
                .iter()
                .any(|p| p.name == name && !p.required && p.refuses_null)
    };
    if fields
        .iter()
        .all(|(name, value)| knows(name) && !is_null(value))
    {
        return fields;
    }
    let given: HashSet<String> = fields.iter().map(|(name, _)| name.to_string()).collect();
    let mut taken = HashSet::new();
    let mut result = Vec::new();
    for (name, value) in fields {
        let name = if knows(&name) {
            name
        } else {
            match meant(tool, &name) {
                Some(raw) if !given.contains(raw) && taken.insert(raw.to_owned()) => {
                    Cow::Owned(raw.to_owned())
                }
                _ => name,
            }
        };
        if !is_absent(&name, &value) {
            result.push((name, value));
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

fn problems(tool: &Tool, arguments: &Arguments) -> Vec<String> {
    let Value::Object(fields) = &arguments.value else {
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
        let is_rounded = !holds_numbers(&arguments.text);
        for problem in check.problems(&arguments.value, is_rounded, MAX_PROBLEMS) {
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
        read(&issue_tool(), arguments).unwrap().value
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
            assert_eq!(
                read(&tool, r#"{"x": [1]}"#).unwrap().value,
                json!({"x": [1]})
            );
        }
        assert_eq!(&*read(&tool(json!({})), "  ").unwrap().text, "{}");
    }

    #[test]
    fn numbers_are_sent_digit_by_digit() {
        for number in [
            "18446744073709551617",
            "1000000000000000000001",
            "1.10",
            "0.123456789012345678901234567890",
            "-1e400",
        ] {
            let any = tool(json!({}));
            let text = format!("{{ \"n\": {number},\n\"m\": [{{\"n\": {number}}}] }}");
            let expected = format!(r#"{{"n":{number},"m":[{{"n":{number}}}]}}"#);
            assert_eq!(*read(&any, &text).unwrap().text, expected);
            // Under its raw name, too.
            let named = tool(json!({"properties": {"theNumber": {"type": "number"}}}));
            let text = format!("{{\"the_number\": {number}}}");
            let expected = format!("{{\"theNumber\":{number}}}");
            assert_eq!(*read(&named, &text).unwrap().text, expected);
        }
    }

    #[test]
    fn a_number_that_was_rounded_for_the_check_is_not_refused_for_that() {
        let read = |schema: Value, number: &str| {
            let tool = tool(json!({"properties": {"n": schema}}));
            read(&tool, &format!("{{\"n\": {number}}}"))
        };
        let big = "18446744073709551617";
        for (schema, number) in [
            (json!({"type": "integer", "minimum": 0}), big),
            (
                json!({"type": "integer", "multipleOf": 3}),
                "36893488147419103233",
            ),
            (json!({"exclusiveMaximum": 1e21}), "999999999999999999999"),
            (
                json!({"type": "array", "uniqueItems": true}),
                "[18446744073709551617, 18446744073709551618]",
            ),
            (
                json!({"anyOf": [{"exclusiveMaximum": 1e21}]}),
                "999999999999999999999",
            ),
        ] {
            assert!(read(schema.clone(), number).is_ok(), "{schema} {number}");
        }
        for (schema, number) in [
            (json!({"type": "string"}), big),
            (
                json!({"type": "array", "items": {"type": "string"}}),
                "[18446744073709551617]",
            ),
            (json!({"type": "integer", "minimum": 0}), "-1"),
            (
                json!({"type": "object", "required": ["a"]}),
                "{\"b\": 18446744073709551617}",
            ),
        ] {
            assert!(read(schema.clone(), number).is_err(), "{schema} {number}");
        }
    }

    #[test]
    fn what_is_checked_and_shown_is_what_is_sent() {
        let text = r#"{"owner": "a", "class": {"x": 1, "x": 2}, "class": "c", "owner": "b"}"#;
        let read = read(&issue_tool(), text).unwrap();
        assert_eq!(&*read.text, r#"{"class":"c","owner":"b"}"#);
        assert_eq!(read.value.to_string(), &*read.text);
        assert!(message(r#"{"owner": NaN}"#).contains("has no number NaN"));
    }

    #[test]
    fn arguments_nested_beyond_reason_are_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(&tool(json!({})), &deep).is_err());
    }
}
