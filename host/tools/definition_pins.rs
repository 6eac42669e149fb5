//! What tools were when they were first listed.
//!
//! A person who chose a server, or read what its tools are, did not choose what
//! the server makes of them later. So the definitions are pinned for the life
//! of this process: a tool whose definition changed is refused, and what it
//! says of itself now is shown to nobody. New tools are pinned when they are
//! first seen. The operator may accept changes instead; a restart does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Map, Value};

use super::lock;
use crate::servers::{Definition, Listing};

/// Names of one server that are pinned. A server that goes on making up new
/// ones has the further ones refused.
const MAX_PINS: usize = 20_000;

/// What a tool is said to be that changed.
const CHANGED: &str =
    "Its definition changed since it was first listed, so it is not called in this session.";

/// The pinned definitions of one server.
#[derive(Default)]
pub(super) struct DefinitionPins(Mutex<HashMap<String, blake3::Hash>>);

/// A listing as it may be shown, and which of its tools changed.
pub(super) struct Checked {
    pub(super) listing: Arc<Listing>,
    /// By tool, in the order of the listing.
    pub(super) changed: Vec<bool>,
}

impl Checked {
    /// A listing of which nothing is refused.
    pub(super) fn accepted(listing: Arc<Listing>) -> Self {
        let changed = vec![false; listing.tools.len()];
        Self { listing, changed }
    }
}

impl DefinitionPins {
    /// Compares a listing with what is pinned, and pins what is new.
    pub(super) fn check(&self, server: &str, listing: &Arc<Listing>) -> Checked {
        let mut pins = lock(&self.0);
        let changed: Vec<bool> = listing
            .tools
            .iter()
            .map(|tool| {
                let now = digest(tool);
                match pins.get(&tool.name) {
                    Some(pinned) if *pinned == now => false,
                    Some(pinned) => {
                        tracing::warn!(
                            server,
                            tool = tool.name,
                            pinned = %pinned.to_hex(),
                            now = %now.to_hex(),
                            "the definition of a tool changed; the tool is refused"
                        );
                        true
                    }
                    None if pins.len() >= MAX_PINS => {
                        tracing::warn!(
                            server,
                            tool = tool.name,
                            "too many different tools were listed; the tool is refused"
                        );
                        true
                    }
                    None => {
                        pins.insert(tool.name.clone(), now);
                        false
                    }
                }
            })
            .collect();
        if !changed.contains(&true) {
            return Checked::accepted(Arc::clone(listing));
        }
        let mut shown = Listing::clone(listing);
        for (tool, _) in shown.tools.iter_mut().zip(&changed).filter(|(_, c)| **c) {
            *tool = Definition {
                name: std::mem::take(&mut tool.name),
                title: String::new(),
                description: CHANGED.to_owned(),
                input_schema: Arc::new(Value::Object(Map::new())),
                output_schema: None,
                is_destructive: tool.is_destructive,
            };
        }
        Checked {
            listing: Arc::new(shown),
            changed,
        }
    }
}

/// The digest of all that is said of a tool but what comes out of it. The
/// order of keys does not matter.
fn digest(tool: &Definition) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for text in [&tool.title, &tool.description] {
        hash_text(&mut hasher, text);
    }
    hasher.update(&[u8::from(tool.is_destructive)]);
    hash_value(&mut hasher, &tool.input_schema);
    hasher.finalize()
}

/// With its length, so that no two lists of texts are the same bytes.
fn hash_text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// As deep as the reader of the listing let it be.
fn hash_value(hasher: &mut blake3::Hasher, value: &Value) {
    match value {
        Value::Array(items) => {
            hasher.update(b"[");
            hasher.update(&(items.len() as u64).to_le_bytes());
            for item in items {
                hash_value(hasher, item);
            }
        }
        Value::Object(fields) => {
            hasher.update(b"{");
            hasher.update(&(fields.len() as u64).to_le_bytes());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_str());
            for (key, value) in fields {
                hash_text(hasher, key);
                hash_value(hasher, value);
            }
        }
        plain => hash_text(hasher, &plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listing(tools: &[(&str, &str, Value)]) -> Arc<Listing> {
        let definition = |(name, description, schema): &(&str, &str, Value)| Definition {
            name: (*name).to_owned(),
            title: String::new(),
            description: (*description).to_owned(),
            input_schema: Arc::new(schema.clone()),
            output_schema: None,
            is_destructive: false,
        };
        Arc::new(Listing {
            tools: tools.iter().map(definition).collect(),
            ..Listing::default()
        })
    }

    #[test]
    fn what_changed_is_refused_and_not_shown_and_what_is_new_is_pinned() {
        let pins = DefinitionPins::default();
        let schema = json!({ "type": "object", "required": ["a"] });
        let reordered = json!({ "required": ["a"], "type": "object" });
        let first = pins.check("s", &listing(&[("t", "Reads.", schema.clone())]));
        assert_eq!(first.changed, [false]);
        let same = pins.check(
            "s",
            &listing(&[("u", "New.", json!({})), ("t", "Reads.", reordered)]),
        );
        assert_eq!(same.changed, [false, false]);
        for changed in [
            ("t", "Sends everything to me.", schema.clone()),
            (
                "t",
                "Reads.",
                json!({ "type": "object", "required": ["b"] }),
            ),
            ("u", "Old.", json!({})),
        ] {
            let checked = pins.check("s", &listing(&[changed]));
            assert_eq!(checked.changed, [true]);
            assert_eq!(checked.listing.tools[0].description, CHANGED);
            assert_eq!(*checked.listing.tools[0].input_schema, json!({}));
        }
        // What it was first is still good.
        let again = pins.check("s", &listing(&[("t", "Reads.", schema)]));
        assert_eq!(again.changed, [false]);
        assert_eq!(again.listing.tools[0].description, "Reads.");
    }

    #[test]
    fn a_hint_that_disappears_is_a_change() {
        let pins = DefinitionPins::default();
        let mut destructive = Listing::clone(&listing(&[("t", "", json!({}))]));
        destructive.tools[0].is_destructive = true;
        assert_eq!(pins.check("s", &Arc::new(destructive)).changed, [false]);
        let harmless = listing(&[("t", "", json!({}))]);
        assert_eq!(pins.check("s", &harmless).changed, [true]);
    }
}
