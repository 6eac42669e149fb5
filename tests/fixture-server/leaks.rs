//! A server that gives away its secret: with the fault `leak`, `@SECRET@` in
//! anything that it says becomes the value of its variable `API_TOKEN`, written
//! in the manner that the fault names. What it says of itself and of a few tools
//! has the mark in every text.

use std::sync::OnceLock;

use base64::{Engine as _, engine::general_purpose};
use serde_json::{Value, json};

use crate::faults::Faults;

const MARK: &str = "@SECRET@";

/// How the mark is written; none if nothing is given away.
static WRITTEN: OnceLock<String> = OnceLock::new();

/// Begins to leak, if the fault is chosen.
pub(crate) fn begin(faults: &Faults) {
    if let Some(manner) = faults.value("leak") {
        let _ = WRITTEN.set(written(&secret(), manner));
    }
}

fn secret() -> String {
    std::env::var("API_TOKEN").unwrap_or_default()
}

pub(crate) fn is_on() -> bool {
    WRITTEN.get().is_some()
}

/// A text as it is said.
pub(crate) fn told(text: String) -> String {
    match WRITTEN.get() {
        Some(written) => text.replace(MARK, written),
        None => text,
    }
}

/// The two halves of the secret.
pub(crate) fn halves() -> (String, String) {
    let secret = secret();
    let (one, two) = secret.split_at(secret.len() / 2);
    (one.to_owned(), two.to_owned())
}

/// As it stands inside a text of JSON.
fn written(secret: &str, manner: &str) -> String {
    let each = |write: fn(u8) -> String| secret.bytes().map(write).collect::<String>();
    let inside = |text: &str| {
        let json = Value::from(text).to_string();
        json[1..json.len() - 1].to_owned()
    };
    let base64 =
        |before: &str| general_purpose::STANDARD.encode(format!("{before}{secret} and more"));
    match manner {
        "plain" => inside(secret),
        "unicode" => each(|byte| format!("\\u{byte:04x}")),
        "twice" => inside(&inside(secret)),
        "slashes" => inside(secret).replace('/', "\\/"),
        "base64" => base64(""),
        "base64-1" => base64("x"),
        "base64-2" => base64("xx"),
        "base64-url" => general_purpose::URL_SAFE_NO_PAD.encode(secret),
        "base64-lines" => {
            let text = base64("some bytes before it, so that it is not on one line: ");
            let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
            lines.collect::<Vec<_>>().join("\\n")
        }
        "hex" => each(|byte| format!("{byte:02x}")),
        "hex-upper" => each(|byte| format!("{byte:02X}")),
        "percent" => each(|byte| format!("%{byte:02X}")),
        "html" => each(|byte| format!("&#x{byte:x};")),
        other => panic!("there is no manner `{other}`"),
    }
}

/// What the server says of itself.
pub(crate) fn info() -> Value {
    json!({ "name": "leaks @SECRET@", "title": "Leaks @SECRET@", "version": "1-@SECRET@" })
}

pub(crate) const INSTRUCTIONS: &str = "Use it with @SECRET@.";

/// Tools whose definitions have the mark in each text.
pub(crate) fn definitions() -> Vec<Value> {
    let schema = json!({
        "type": "object",
        "title": "@SECRET@",
        "description": "@SECRET@",
        "properties": {
            "plain": { "type": "string", "description": "see @SECRET@", "default": "@SECRET@" },
            "chosen": { "enum": ["@SECRET@", "b"], "title": "@SECRET@" },
            "@SECRET@": { "type": "string", "pattern": "@SECRET@", "examples": ["@SECRET@"] },
            "always": { "const": "@SECRET@", "$comment": "@SECRET@" },
            "deep": { "type": "array", "items": { "$ref": "#/$defs/@SECRET@" } },
        },
        "$defs": { "@SECRET@": { "type": "object", "properties": { "x": { "description": "@SECRET@" } } } },
        "x-own": "@SECRET@",
    });
    // The end of the first one is cut inside of the secret.
    let long = format!("{} @SECRET@", "word ".repeat(203));
    vec![
        json!({
            "name": "leaky",
            "title": "@SECRET@",
            "description": "Leaks @SECRET@. And again: @SECRET@",
            "inputSchema": schema,
            "outputSchema": schema,
            "annotations": { "title": "@SECRET@" },
            "_meta": { "x": "@SECRET@" },
        }),
        json!({ "name": "long", "description": long, "inputSchema": { "type": "object" } }),
        json!({ "name": "named_@SECRET@", "inputSchema": { "type": "object" } }),
    ]
}
