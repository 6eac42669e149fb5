//! Resources and prompts: as many of them as asked for, some of them odd.

use serde_json::{Value, json};

use crate::leaks;

/// Resources of one page.
const PAGE: usize = 50;

/// The answer to a request about resources or prompts, where there are
/// `count` plain resources beside the odd ones; `None` if it is about neither.
pub(crate) fn answer(method: &str, params: &Value, count: usize) -> Option<Result<Value, Value>> {
    let result = match method {
        "resources/list" => {
            let resources = resources(count);
            let start = params["cursor"].as_str().unwrap_or("0");
            let start: usize = start.parse().unwrap_or(0).min(resources.len());
            let end = (start + PAGE).min(resources.len());
            let mut page = json!({ "resources": resources[start..end] });
            if end < resources.len() {
                page["nextCursor"] = json!(end.to_string());
            }
            page
        }
        "resources/templates/list" => json!({ "resourceTemplates": [
            { "uriTemplate": "fixture://notes/{number}", "name": "a note" },
        ] }),
        "resources/read" => {
            let uri = params["uri"].as_str().unwrap_or_default();
            match content(uri, count) {
                Some(contents) => json!({ "contents": contents }),
                None => {
                    return Some(Err(
                        json!({ "code": -32002, "message": "no such resource" }),
                    ));
                }
            }
        }
        "prompts/list" => json!({ "prompts": [{
            "name": "greet",
            "description": if leaks::is_on() { "It is @SECRET@." } else { "Greets somebody." },
            "arguments": [{ "name": "who", "required": true }],
        }] }),
        "prompts/get" if params["name"] == "greet" => {
            let text = format!(
                "Hello {}",
                params["arguments"]["who"].as_str().unwrap_or("?")
            );
            json!({
                "description": "A greeting.",
                "messages": [{ "role": "user", "content": { "type": "text", "text": text } }],
            })
        }
        "prompts/get" => return Some(Err(json!({ "code": -32602, "message": "no such prompt" }))),
        _ => return None,
    };
    Some(Ok(result))
}

fn resources(count: usize) -> Vec<Value> {
    let resource =
        |uri: &str, name: &str, kind: &str| json!({ "uri": uri, "name": name, "mimeType": kind });
    let mut resources = vec![
        resource("fixture://picture", "a picture", "image/png"),
        resource("fixture://big", "big", "text/plain"),
        resource("fixture://both", "both", "text/plain"),
        resource("fixture://same/1", "Same.md", "text/markdown"),
        resource("fixture://same/2", "same.md", "text/markdown"),
        resource("fixture://path", "../../etc/passwd", "text/plain"),
        resource("fixture://gone", "gone", "text/plain"),
    ];
    if leaks::is_on() {
        resources.push(json!({
            "uri": "fixture://leak",
            "name": "leak @SECRET@",
            "title": "@SECRET@",
            "description": "@SECRET@",
            "mimeType": "text/plain",
        }));
    }
    resources.extend((1..=count).map(|number| {
        let uri = format!("fixture://notes/{number}");
        resource(&uri, &format!("note {number}"), "text/plain")
    }));
    resources
}

fn content(uri: &str, count: usize) -> Option<Value> {
    let text = |text: &str| json!({ "uri": uri, "mimeType": "text/plain", "text": text });
    let blob = json!({ "uri": uri, "mimeType": "image/png", "blob": crate::tools::PIXEL });
    Some(match uri {
        "fixture://picture" => json!([blob]),
        "fixture://big" => json!([text(&"x".repeat(2 << 20))]),
        "fixture://leak" => json!([text("it is @SECRET@, and more")]),
        "fixture://both" => json!([text("one"), blob]),
        "fixture://same/1" | "fixture://same/2" | "fixture://path" => json!([text(uri)]),
        _ => {
            let number = uri.strip_prefix("fixture://notes/")?;
            let number: usize = number.parse().ok()?;
            (1..=count).contains(&number).then(|| json!([text(uri)]))?
        }
    })
}
