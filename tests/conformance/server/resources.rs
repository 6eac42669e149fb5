//! The resources.

use rmcp::{
    ErrorData,
    model::{ReadResourceResponse, ReadResourceResult, Resource, ResourceTemplate},
};
use serde_json::json;

use crate::{tools::PNG, wire};

pub(crate) fn all() -> Vec<Resource> {
    [
        ("test://static-text", "text/plain"),
        ("test://static-binary", "image/png"),
        ("test://watched-resource", "text/plain"),
    ]
    .map(|(uri, mime_type)| {
        let name = uri.trim_start_matches("test://");
        wire(json!({
            "uri": uri,
            "name": name,
            "description": format!("Of the conformance suite: {name}."),
            "mimeType": mime_type,
        }))
    })
    .into()
}

pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![wire(json!({
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "Of the conformance suite: data by id.",
        "mimeType": "application/json",
    }))]
}

pub(crate) fn read(uri: &str) -> Result<ReadResourceResponse, ErrorData> {
    let templated = uri
        .strip_prefix("test://template/")
        .and_then(|rest| rest.strip_suffix("/data"));
    let content = match (uri, templated) {
        (_, Some(id)) => {
            let data =
                json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() })
        }
        ("test://static-text", _) => json!({
            "uri": uri,
            "mimeType": "text/plain",
            "text": "This is the content of the static text resource.",
        }),
        ("test://static-binary", _) => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
        ("test://watched-resource", _) => {
            json!({ "uri": uri, "mimeType": "text/plain", "text": "This one can be watched." })
        }
        _ => {
            let data = json!({ "uri": uri });
            return Err(ErrorData::resource_not_found(
                "there is no such resource",
                Some(data),
            ));
        }
    };
    let result: ReadResourceResult =
        wire(json!({ "resultType": "complete", "contents": [content] }));
    Ok(result.into())
}
