//! What servers have beside tools, behind reserved names of tools:
//! `SERVER.resources/read` and the like. They are called like tools, pass
//! through the same policy and are recorded in the same way. A tool that a
//! server really has under such a name wins.

use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::{
    Run, Toolbox,
    grants::{Denial, Grants, Permission, Target},
    log::Recording,
    results,
};
use crate::servers::List;
use contract::message::{CallError, CallErrorKind};

/// The longest text that can name one.
const LONGEST: usize = 1_000;

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

/// One of them at a server.
pub(super) struct Meant {
    pub(super) server: usize,
    name: &'static str,
    reserved: Reserved,
}

impl Toolbox {
    /// What a text means, if it is a reserved name and no tool's.
    pub(super) async fn reserved(
        &self,
        written: &str,
        grants: &Grants,
    ) -> Result<Option<Meant>, CallError> {
        let written = written.trim();
        if written.len() > LONGEST || !RESERVED.iter().any(|(name, _)| written.ends_with(name)) {
            return Ok(None);
        }
        for (server, tool) in self.readings(written) {
            let Some((name, reserved)) = Reserved::find(tool) else {
                continue;
            };
            self.check_server(server, tool, grants)?;
            let catalog = self.catalog(server, tool).await?;
            let mut tools = catalog.tools.iter();
            if !tools.any(|known| known.definition().name == tool) {
                return Ok(Some(Meant {
                    server,
                    name,
                    reserved,
                }));
            }
        }
        Ok(None)
    }

    /// Calls what a reserved name means. The result is JSON text.
    pub(super) async fn call_reserved(
        &self,
        run: &Run<'_>,
        meant: &Meant,
        arguments: &str,
        record: &Recording,
    ) -> Result<String, CallError> {
        let (server, name) = (&self.servers[meant.server].server.name, meant.name);
        record.target(server, name);
        let permission = self
            .permission(meant.server, name, run.grants)
            .map_err(|denial| self.denied(server, name, &denial))?;
        let arguments = read(meant.reserved, arguments).map_err(|message| {
            let parameters = meant.reserved.parameters().iter();
            let parameters = parameters.map(|&name| name.to_owned()).collect();
            let kind = CallErrorKind::InvalidArguments(parameters);
            self.error(kind, server, name, format!("`{server}.{name}`: {message}"))
        })?;
        if let Permission::Ask(why) = permission {
            let shown = Value::Object(arguments.clone());
            self.consent(run, server, name, &shown, why).await?;
        }
        let fetched = self
            .fetch(meant.server, meant.reserved, arguments, run, &record.sent)
            .await;
        let json = fetched.map_err(|failure| match failure {
            Failure::Fault(fault) => self.fault(fault, server, name),
            Failure::Message(message) => self.error(CallErrorKind::Failed, server, name, message),
        })?;
        Ok(self.upstream.redactor().json(json))
    }

    async fn fetch(
        &self,
        server: usize,
        reserved: Reserved,
        mut arguments: Map<String, Value>,
        run: &Run<'_>,
        sent: &AtomicBool,
    ) -> Result<String, Failure> {
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let attendant = run.attendant;
        let json = match reserved {
            Reserved::List(list) => {
                let items = self.upstream.list(server, list, attendant, sent).await?;
                joined(&items)
            }
            Reserved::Resource => {
                let uri = text(arguments.remove("uri"));
                let contents = self.upstream.resource(server, &uri, attendant, sent);
                contents_json(&contents.await?)?
            }
            Reserved::Prompt => {
                let name = text(arguments.remove("name"));
                let values = match arguments.remove("arguments") {
                    Some(Value::Object(values)) => values,
                    _ => Map::new(),
                };
                let prompt = self.upstream.prompt(server, &name, values, attendant, sent);
                prompt_json(&prompt.await?)?
            }
        };
        Ok(results::checked(&json)?)
    }

    /// What the policy says of a reserved name.
    pub(super) fn permission(
        &self,
        server: usize,
        name: &str,
        grants: &Grants,
    ) -> Result<Permission, Denial> {
        let server = &self.servers[server].server;
        let target = Target {
            server: &server.name,
            server_identifier: &server.identifier,
            tool: name,
            python: name,
            javascript: name,
            is_destructive: false,
        };
        grants.decide(&target)
    }
}

/// Why nothing was fetched.
enum Failure {
    Fault(crate::servers::Fault),
    Message(String),
}

impl From<crate::servers::Fault> for Failure {
    fn from(fault: crate::servers::Fault) -> Self {
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
            known => format!("it takes {}", super::resolve::and(known)),
        };
        let other = super::resolve::shown(other);
        return Err(format!("there is no parameter `{other}`; {known}"));
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
        let content: Self = serde_json::from_str(content.get())
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
    #[derive(Serialize, Deserialize)]
    struct Prompt {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<Box<RawValue>>,
        messages: Vec<Box<RawValue>>,
    }
    let prompt: Prompt = serde_json::from_str(result)
        .map_err(|_| "the server's answer is not a prompt".to_owned())?;
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
