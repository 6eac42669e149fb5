//! Resources and prompts of servers, behind reserved names of tools:
//! `SERVER.resources/read` and the like. They are called like tools, pass
//! through the same policy and are recorded in the same way. A tool that a
//! server really has under such a name wins.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    Run, Toolbox,
    log::Recording,
    policy::{Grants, Permission},
    resolve::MAX_TOOL_NAME,
    results,
    server::Server,
    servers::{self, Caller, Fault, List},
};
use contract::message::{CallError, CallErrorKind};
use contract::text::{and_list, quoted};

/// What a reserved name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserved {
    List(List),
    Resource,
    Prompt,
}

const RESERVED: [(&str, Reserved); 5] = [
    ("resources/list", Reserved::List(List::Resources)),
    ("resources/templates", Reserved::List(List::Templates)),
    ("resources/read", Reserved::Resource),
    ("prompts/list", Reserved::List(List::Prompts)),
    ("prompts/get", Reserved::Prompt),
];

impl Reserved {
    fn find(name: &str) -> Option<(&'static str, Self)> {
        RESERVED.into_iter().find(|(reserved, _)| *reserved == name)
    }

    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::List(_) => &[],
            Self::Resource => &["uri"],
            Self::Prompt => &["name", "arguments"],
        }
    }
}

impl Toolbox {
    /// The server and the reserved name that a text means, if it means one and
    /// no tool has that name.
    pub(super) async fn reserved(
        &self,
        written: &str,
        grants: &Grants,
    ) -> Result<Option<(&Server, &'static str)>, CallError> {
        let written = written.trim();
        if written.len() > MAX_TOOL_NAME
            || !RESERVED.iter().any(|(name, _)| written.ends_with(name))
        {
            return Ok(None);
        }
        for (server, tool) in self.readings(written) {
            let Some((name, _)) = Reserved::find(tool) else {
                continue;
            };
            server.check(tool, grants)?;
            let catalog = server.catalog(tool).await?;
            let mut tools = catalog.tools.iter();
            if !tools.any(|known| known.definition().name == tool) {
                return Ok(Some((server, name)));
            }
        }
        Ok(None)
    }
}

impl Server {
    /// Calls what a reserved name means. The result is JSON text.
    pub(super) async fn call_reserved(
        &self,
        run: &Run<'_>,
        name: &str,
        arguments: &str,
        record: &Recording,
    ) -> Result<String, CallError> {
        let server = self.name();
        record.target(server, name);
        let Some((_, reserved)) = Reserved::find(name) else {
            return Err(self.no_such_tool(name, run.grants).await);
        };
        let permission = self
            .permission(name, run.grants)
            .map_err(|denial| self.denied(name, &denial))?;
        let arguments = read(reserved, arguments).map_err(|message| {
            let parameters = reserved.parameters().iter();
            let parameters = parameters.map(|&name| name.to_owned()).collect();
            let kind = CallErrorKind::InvalidArguments(parameters);
            self.error(kind, name, format!("`{server}.{name}`: {message}"))
        })?;
        let arguments = Value::Object(arguments);
        self.note(record, &arguments, || arguments.to_string());
        if let Permission::Ask(why) = permission {
            let shown = arguments.to_string();
            self.consent(run, record, name, &shown, why).await?;
        }
        let arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        let fetched = self.fetch(reserved, arguments, run.caller(record)).await;
        fetched.map_err(|failure| match failure {
            Failure::Fault(fault) => self.fault(fault, name),
            Failure::Message(message) => self.error(CallErrorKind::Failed, name, message),
            Failure::Unusable(message) => self.error(CallErrorKind::UnusableAnswer, name, message),
        })
    }

    async fn fetch(
        &self,
        reserved: Reserved,
        mut arguments: Map<String, Value>,
        caller: Caller<'_>,
    ) -> Result<String, Failure> {
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let json = match reserved {
            Reserved::List(list) => {
                let items = self.client.list(list, caller).await?;
                joined(&items)
            }
            Reserved::Resource => {
                let uri = text(arguments.remove("uri"));
                let contents = self.client.resource(&uri, caller);
                contents_json(&contents.await?)?
            }
            Reserved::Prompt => {
                let name = text(arguments.remove("name"));
                let values = match arguments.remove("arguments") {
                    Some(Value::Object(values)) => values,
                    _ => Map::new(),
                };
                let prompt = self.client.prompt(&name, values, caller);
                prompt_json(&prompt.await?)?
            }
        };
        results::checked(json).map_err(Failure::Unusable)
    }
}

/// Why nothing was fetched.
enum Failure {
    Fault(Fault),
    Message(String),
    Unusable(String),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

/// Arguments that fit, or what is wrong with them.
fn read(reserved: Reserved, text: &str) -> Result<Map<String, Value>, String> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    let mut fields = match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(Value::Null) => Map::new(),
        _ => return Err("the arguments must be an object of names and values".to_owned()),
    };
    fields.retain(|_, value| !value.is_null());
    let known = reserved.parameters();
    if let Some(other) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        let known = match known {
            [] => "it takes none".to_owned(),
            known => format!("it takes {}", and_list(known)),
        };
        let other = quoted(other);
        return Err(format!("there is no parameter {other}; {known}"));
    }
    if let Some(first) = known.first()
        && !fields.get(*first).is_some_and(Value::is_string)
    {
        return Err(format!("`{first}` is needed, a text"));
    }
    match fields.get("arguments") {
        None | Some(Value::Object(_)) => Ok(fields),
        Some(_) => Err("`arguments` must be an object of names and texts".to_owned()),
    }
}

fn joined(items: &[Box<RawValue>]) -> String {
    let items: Vec<_> = items.iter().map(|item| item.get()).collect();
    format!("[{}]", items.join(","))
}

/// One content of a resource.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Content {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) blob: Option<String>,
}

impl Content {
    pub(super) fn read(content: &RawValue) -> Result<Self, String> {
        let content: Self = servers::read(content.get())
            .map_err(|_| "the server's answer is not the content of a resource".to_owned())?;
        match (&content.text, &content.blob) {
            (None, None) => Err("the resource has neither text nor bytes".to_owned()),
            _ => Ok(content),
        }
    }
}

/// A text is a text, bytes are their type and base64, and several of these are
/// a list with their URIs.
fn contents_json(contents: &[Box<RawValue>]) -> Result<String, String> {
    let mut read = Vec::with_capacity(contents.len());
    for content in contents {
        read.push(Content::read(content)?);
    }
    let json = match <[Content; 1]>::try_from(read) {
        Ok(
            [
                Content {
                    text: Some(text), ..
                },
            ],
        ) => Ok(Value::from(text).to_string()),
        Ok([content]) => serde_json::to_string(&Content {
            uri: None,
            ..content
        }),
        Err(several) => serde_json::to_string(&several),
    };
    json.map_err(|error| error.to_string())
}

fn prompt_json(result: &str) -> Result<String, String> {
    #[derive(Serialize)]
    struct Prompt<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a RawValue>,
        messages: &'a RawValue,
    }
    let none = || "the server's answer is not a prompt".to_owned();
    let read = servers::fields(result.as_bytes(), ["description", "messages"]);
    let [description, messages] = read.map_err(|_| none())?;
    let is_list = |messages: &&RawValue| messages.get().starts_with('[');
    let prompt = Prompt {
        description: description.filter(|description| description.get() != "null"),
        messages: messages.filter(is_list).ok_or_else(none)?,
    };
    serde_json::to_string(&prompt).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contents(contents: Value) -> Result<String, String> {
        let contents: Vec<Box<RawValue>> = serde_json::from_str(&contents.to_string()).unwrap();
        contents_json(&contents)
    }

    #[test]
    fn one_text_is_a_text_and_everything_else_says_what_it_is() {
        let text = json!({ "uri": "a:b", "mimeType": "text/plain", "text": "é" });
        let blob = json!({ "uri": "a:c", "mimeType": "image/png", "blob": "AA==" });
        assert_eq!(contents(json!([text])).unwrap(), r#""é""#);
        assert_eq!(
            contents(json!([blob])).unwrap(),
            r#"{"mimeType":"image/png","blob":"AA=="}"#
        );
        assert_eq!(
            contents(json!([text, blob])).unwrap(),
            json!([text, blob]).to_string()
        );
        assert_eq!(contents(json!([])).unwrap(), "[]");
        assert!(contents(json!([{ "uri": "a:b" }])).is_err());
        assert!(contents(json!([7])).is_err());
    }

    #[test]
    fn arguments_are_checked() {
        let unfit = |reserved, text: &str| read(reserved, text).unwrap_err();
        let list = Reserved::List(List::Prompts);
        assert!(read(list, "").unwrap().is_empty());
        assert!(read(Reserved::Resource, r#"{"uri": "a:b"}"#).is_ok());
        assert!(read(Reserved::Prompt, r#"{"name": "n", "arguments": null}"#).is_ok());
        assert_eq!(
            unfit(list, r#"{"cursor": 1}"#),
            "there is no parameter `cursor`; it takes none"
        );
        assert_eq!(unfit(Reserved::Resource, "{}"), "`uri` is needed, a text");
        assert_eq!(
            unfit(Reserved::Prompt, r#"{"nome": "n"}"#),
            "there is no parameter `nome`; it takes `name` and `arguments`"
        );
        assert!(unfit(Reserved::Prompt, r#"{"name": "n", "arguments": []}"#).contains("object"));
        assert!(unfit(Reserved::Resource, "[]").contains("object"));
    }
}
