//! What tools were when they were first listed.
//!
//! A person who chose a server, or read what its tools are, did not choose what
//! the server makes of them later. So the definitions are pinned for the life
//! of this process: a tool whose definition changed is refused, and what it
//! says of itself now is shown to nobody. New tools are pinned when they are
//! first seen. The operator may accept changes instead; a restart does. Either
//! way the audit record says what changed, once for each change.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use audit::{ChangedTool, Recorder};
use blake3::Hash;
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
pub(super) struct DefinitionPins {
    pins: Mutex<HashMap<String, Pin>>,
    /// Changed tools are called as what they are now.
    accepts_changes: bool,
}

struct Pin {
    digests: Digests,
    /// What it was when that was recorded last.
    recorded: Hash,
}

/// Digests of all that is said of a tool but what comes out of it, and of the
/// parts of that.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Digests {
    whole: Hash,
    title: Hash,
    description: Hash,
    schema: Hash,
    is_destructive: bool,
}

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
    /// From now on changed tools are called as what they are.
    pub(super) fn accept_changes(&mut self) {
        self.accepts_changes = true;
    }

    /// Compares a listing with what is pinned, and pins what is new.
    pub(super) fn check(
        &self,
        server: &str,
        listing: &Arc<Listing>,
        recorder: &Recorder,
    ) -> Checked {
        let mut recorded = Vec::new();
        let checked = self.compare(server, listing, &mut recorded);
        recorder.tools_changed(server, &recorded);
        checked
    }

    fn compare(
        &self,
        server: &str,
        listing: &Arc<Listing>,
        recorded: &mut Vec<ChangedTool>,
    ) -> Checked {
        let mut pins = lock(&self.pins);
        let changed: Vec<bool> = listing
            .tools
            .iter()
            .map(|tool| {
                let now = Digests::of(tool);
                let is_full = pins.len() >= MAX_PINS;
                match pins.get_mut(&tool.name) {
                    Some(pin) if pin.digests == now => false,
                    Some(pin) => {
                        if pin.recorded != now.whole {
                            pin.recorded = now.whole;
                            recorded.push(pin.digests.change(&tool.name, &now));
                        }
                        if self.accepts_changes {
                            pin.digests = now;
                            return false;
                        }
                        tracing::warn!(
                            server,
                            tool = tool.name,
                            pinned = %pin.digests.whole.to_hex(),
                            now = %now.whole.to_hex(),
                            "the definition of a tool changed; the tool is refused"
                        );
                        true
                    }
                    None if is_full && self.accepts_changes => false,
                    None if is_full => {
                        tracing::warn!(
                            server,
                            tool = tool.name,
                            "too many different tools were listed; the tool is refused"
                        );
                        true
                    }
                    None => {
                        let pin = Pin {
                            digests: now,
                            recorded: now.whole,
                        };
                        pins.insert(tool.name.clone(), pin);
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

impl Digests {
    /// The order of keys does not matter.
    fn of(tool: &Definition) -> Self {
        let (title, description) = (&tool.title, &tool.description);
        let mut schema = blake3::Hasher::new();
        hash_value(&mut schema, &tool.input_schema);
        let parts = Self {
            whole: blake3::hash(&[]),
            title: blake3::hash(title.as_bytes()),
            description: blake3::hash(description.as_bytes()),
            schema: schema.finalize(),
            is_destructive: tool.is_destructive,
        };
        let mut whole = blake3::Hasher::new();
        for part in [parts.title, parts.description, parts.schema] {
            whole.update(part.as_bytes());
        }
        whole.update(&[u8::from(parts.is_destructive)]);
        Self {
            whole: whole.finalize(),
            ..parts
        }
    }

    /// What became of a tool, in the words of the protocol.
    fn change(&self, tool: &str, now: &Self) -> ChangedTool {
        let parts = [
            ("title", self.title != now.title),
            ("description", self.description != now.description),
            ("inputSchema", self.schema != now.schema),
            ("destructiveHint", self.is_destructive != now.is_destructive),
        ];
        let changed = parts.into_iter().filter(|(_, has_changed)| *has_changed);
        ChangedTool {
            tool: tool.to_owned(),
            parts: changed.map(|(part, _)| part).collect(),
            pinned: self.whole.to_hex().to_string(),
            now: now.whole.to_hex().to_string(),
        }
    }
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

    fn check(pins: &DefinitionPins, listing: &Arc<Listing>) -> Checked {
        pins.check("s", listing, &Recorder::off())
    }

    /// What a listing adds to the record: tools, and which parts of each changed.
    fn recorded(pins: &DefinitionPins, listing: &Arc<Listing>) -> Vec<String> {
        let mut recorded = Vec::new();
        pins.compare("s", listing, &mut recorded);
        let texts = recorded
            .iter()
            .map(|changed| format!("{} {:?}", changed.tool, changed.parts));
        texts.collect()
    }

    #[test]
    fn a_change_is_recorded_once_with_what_changed_also_where_it_is_accepted() {
        let first = listing(&[("t", "Reads.", json!({})), ("u", "Same.", json!({}))]);
        let text = listing(&[("t", "Sends.", json!({})), ("u", "Same.", json!({}))]);
        let both = listing(&[("t", "Sends.", json!({ "type": "object" }))]);
        for accepts in [false, true] {
            let mut pins = DefinitionPins::default();
            if accepts {
                pins.accept_changes();
            }
            assert!(recorded(&pins, &first).is_empty());
            assert_eq!(recorded(&pins, &text), [r#"t ["description"]"#]);
            assert!(recorded(&pins, &text).is_empty(), "listed again");
            let since_last = if accepts {
                r#"t ["inputSchema"]"#
            } else {
                r#"t ["description", "inputSchema"]"#
            };
            assert_eq!(recorded(&pins, &both), [since_last]);
            assert_eq!(check(&pins, &both).changed, [!accepts]);
        }
    }

    #[test]
    fn what_changed_is_refused_and_not_shown_and_what_is_new_is_pinned() {
        let pins = DefinitionPins::default();
        let schema = json!({ "type": "object", "required": ["a"] });
        let reordered = json!({ "required": ["a"], "type": "object" });
        let first = check(&pins, &listing(&[("t", "Reads.", schema.clone())]));
        assert_eq!(first.changed, [false]);
        let same = check(
            &pins,
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
            let checked = check(&pins, &listing(&[changed]));
            assert_eq!(checked.changed, [true]);
            assert_eq!(checked.listing.tools[0].description, CHANGED);
            assert_eq!(*checked.listing.tools[0].input_schema, json!({}));
        }
        // What it was first is still good.
        let again = check(&pins, &listing(&[("t", "Reads.", schema)]));
        assert_eq!(again.changed, [false]);
        assert_eq!(again.listing.tools[0].description, "Reads.");
    }

    #[test]
    fn a_hint_that_disappears_is_a_change() {
        let pins = DefinitionPins::default();
        let mut destructive = Listing::clone(&listing(&[("t", "", json!({}))]));
        destructive.tools[0].is_destructive = true;
        assert_eq!(check(&pins, &Arc::new(destructive)).changed, [false]);
        let harmless = listing(&[("t", "", json!({}))]);
        assert_eq!(check(&pins, &harmless).changed, [true]);
    }
}
