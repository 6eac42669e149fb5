//! `allOf` and `$ref`: the schemas that hold at the same time.
//!
//! A conjunction is a set, so each part is taken once however many ways lead to
//! it. That is what keeps trees of `allOf` linear and cycles harmless.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{MAX_PARTS, MAX_WORK};

/// The longest `$ref` that is followed, in bytes.
const MAX_REFERENCE: usize = 512;

/// References to references that are followed.
const MAX_HOPS: usize = 32;

/// What holds at the same time.
pub(super) enum Flat<'s> {
    /// Exactly what another schema says, or `null` too.
    Reference {
        /// The other schema.
        target: &'s Value,
        /// OpenAPI's `nullable` beside the reference.
        nullable: bool,
    },
    /// All of these.
    Parts(Vec<&'s Map<String, Value>>),
}

/// Resolves the `$ref`s of one document.
#[derive(Clone, Copy)]
pub(super) struct Document<'s> {
    pub(super) root: &'s Value,
}

impl<'s> Document<'s> {
    /// What several schemas say together. Sets `is_partial` where something
    /// could not be followed.
    pub(super) fn flatten(self, schemas: &[&'s Value], is_partial: &mut bool) -> Flat<'s> {
        let own = self.gather(schemas, false, is_partial);
        if let [target] = own.references[..]
            && !own.parts.iter().any(|part| constrains(part))
        {
            let nullable = own.parts.iter().any(|part| is_nullable(part));
            if let Some(target) = self.last(target) {
                return Flat::Reference { target, nullable };
            }
            *is_partial = true;
            return Flat::Parts(Vec::new());
        }
        if own.references.is_empty() {
            return Flat::Parts(own.parts);
        }
        Flat::Parts(self.gather(schemas, true, is_partial).parts)
    }

    /// The parts of a schema, with all references followed.
    pub(super) fn parts(
        self,
        schemas: &[&'s Value],
        is_partial: &mut bool,
    ) -> Vec<&'s Map<String, Value>> {
        self.gather(schemas, true, is_partial).parts
    }

    /// Everything that a `$ref` points to, with the last name on the way there.
    pub(super) fn targets(self) -> HashMap<*const Value, &'s str> {
        let mut targets = HashMap::new();
        let mut open = vec![self.root];
        let mut looked_at = 0;
        while let Some(value) = open.pop() {
            looked_at += 1;
            if looked_at > MAX_WORK {
                break;
            }
            match value {
                Value::Array(items) => open.extend(items.iter().take(MAX_WORK - looked_at)),
                Value::Object(fields) => {
                    open.extend(fields.values().take(MAX_WORK - looked_at));
                    if let Some(Value::String(reference)) = fields.get("$ref")
                        && let Some(target) = self.target(reference)
                    {
                        targets
                            .entry(std::ptr::from_ref(target))
                            .or_insert_with(|| {
                                let mut names = reference.rsplit('/');
                                names.find(|name| is_telling(name)).unwrap_or_default()
                            });
                    }
                }
                _ => {}
            }
        }
        targets
    }

    fn gather(self, schemas: &[&'s Value], follows: bool, is_partial: &mut bool) -> Gathered<'s> {
        let mut gathered = Gathered::default();
        let mut seen = HashSet::new();
        let mut queue: Vec<&'s Value> = schemas.to_vec();
        let mut at = 0;
        while let Some(&schema) = queue.get(at) {
            at += 1;
            if !seen.insert(std::ptr::from_ref(schema)) {
                continue;
            }
            if seen.len() > MAX_PARTS {
                *is_partial = true;
                break;
            }
            let part = match schema {
                Value::Object(part) => part,
                Value::Bool(_) => continue,
                _ => {
                    *is_partial = true;
                    continue;
                }
            };
            gathered.parts.push(part);
            for key in ["$ref", "$recursiveRef", "$dynamicRef"] {
                let Some(reference) = part.get(key) else {
                    continue;
                };
                match reference.as_str().and_then(|text| self.target(text)) {
                    Some(target) if follows => queue.push(target),
                    Some(target) => {
                        if !gathered.references.iter().any(|&r| std::ptr::eq(r, target)) {
                            gathered.references.push(target);
                        }
                    }
                    None => *is_partial = true,
                }
            }
            match part.get("allOf") {
                Some(Value::Array(all)) => {
                    *is_partial |= all.len() > MAX_PARTS;
                    queue.extend(all.iter().take(MAX_PARTS));
                }
                Some(_) => *is_partial = true,
                None => {}
            }
        }
        gathered
    }

    /// Where a chain of plain references ends. `None` if it does not.
    fn last(self, target: &'s Value) -> Option<&'s Value> {
        let mut target = target;
        for _ in 0..MAX_HOPS {
            let Value::Object(part) = target else {
                return Some(target);
            };
            match part.get("$ref").and_then(Value::as_str) {
                Some(next) if !constrains(part) && !is_nullable(part) => {
                    target = self.target(next)?;
                }
                _ => return Some(target),
            }
        }
        None
    }

    /// The schema a reference means. Never outside the document.
    fn target(self, reference: &str) -> Option<&'s Value> {
        if reference.len() > MAX_REFERENCE {
            return None;
        }
        let fragment = match reference.split_once('#') {
            Some(("", fragment)) => fragment,
            Some((document, fragment)) if self.is_id_of(self.root, document) => fragment,
            _ => return self.identified(|schema| self.is_id_of(schema, reference)),
        };
        let fragment = percent_decoded(fragment);
        if fragment.is_empty() || fragment.starts_with('/') {
            return self.root.pointer(&fragment);
        }
        self.identified(|schema| {
            let is = |key| schema.get(key).and_then(Value::as_str) == Some(&fragment);
            is("$anchor") || is("$dynamicAnchor") || self.is_id_of(schema, reference)
        })
    }

    fn is_id_of(self, schema: &Value, id: &str) -> bool {
        ["$id", "id"]
            .iter()
            .any(|key| schema.get(key).and_then(Value::as_str) == Some(id))
    }

    /// The definition, or the document, that is called something.
    fn identified(self, is_it: impl Fn(&Value) -> bool) -> Option<&'s Value> {
        // Looked for at every reference, so not far.
        const MAX_LOOKED_AT: usize = 64;
        let definitions = ["$defs", "definitions"]
            .iter()
            .filter_map(|key| self.root.get(key).and_then(Value::as_object))
            .flat_map(Map::values);
        std::iter::once(self.root)
            .chain(definitions)
            .take(MAX_LOOKED_AT)
            .find(|schema| is_it(schema))
    }
}

/// Whether a part of a pointer is a name rather than the way to one.
fn is_telling(part: &str) -> bool {
    let keywords = [
        "properties",
        "items",
        "prefixItems",
        "anyOf",
        "oneOf",
        "allOf",
        "additionalProperties",
        "#",
    ];
    !keywords.contains(&part) && !part.bytes().all(|byte| byte.is_ascii_digit())
}

#[derive(Default)]
struct Gathered<'s> {
    parts: Vec<&'s Map<String, Value>>,
    references: Vec<&'s Value>,
}

/// Whether a schema says anything about values besides by `$ref` and `allOf`.
fn constrains(part: &Map<String, Value>) -> bool {
    const TELLING: &[&str] = &[
        "type",
        "enum",
        "const",
        "properties",
        "patternProperties",
        "additionalProperties",
        "items",
        "prefixItems",
        "anyOf",
        "oneOf",
        "required",
        "if",
    ];
    TELLING.iter().any(|key| part.contains_key(*key))
}

/// Whether OpenAPI says that `null` is meant too.
pub(super) fn is_nullable(part: &Map<String, Value>) -> bool {
    part.get("nullable") == Some(&Value::Bool(true))
}

/// `%7B` and the like decoded; what is none stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let decoded = (byte == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.unwrap_or(byte));
        rest = match decoded {
            Some(_) => &after[2..],
            None => after,
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
