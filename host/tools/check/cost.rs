//! How much a schema of a stranger costs to compile and to use, found out
//! before either is done.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::pattern::Patterns;

/// The deepest schema that is looked at. Honest ones have a dozen levels.
const MAX_DEPTH: usize = 48;

/// The work of checking one value against a schema, with all references
/// followed. Beyond it a schema is a bomb or a data set.
const MAX_WORK: u64 = 20_000;

/// Bytes of all names and texts of a schema. Compiling copies them, and so does
/// each error about a value that is none of a list.
const MAX_TEXT: usize = 512 << 10;

/// Keywords that look again at what other keywords have looked at. Inside each
/// other they double the work with every one.
const MAX_UNEVALUATED: u32 = 4;

/// What a schema costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// The work for one value.
    pub(super) work: u64,
    /// The work for one piece of text.
    pub(super) text_work: u64,
    /// About how many bytes it has, compiled.
    pub(super) bytes: usize,
}

impl Cost {
    /// `None` for a schema that is recursive, points outside itself, or costs
    /// too much.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        let mut costs = Costs::new(schema);
        // All of it is compiled, also what nothing refers to.
        costs.scan(schema, 0)?;
        let steps = costs.of(schema, 0)?;
        let again = 1 << costs.unevaluated;
        Some(Self {
            work: steps.work.saturating_mul(again),
            text_work: steps.text_work.saturating_mul(again),
            bytes: costs.patterns.bytes() + 4 * costs.text + 256 * steps.work as usize,
        })
    }

    /// Whether this part of a schema can be used without the rest, apart from
    /// what it refers to.
    pub(super) fn is_bounded(root: &Value, part: &Value) -> bool {
        let mut costs = Costs::new(root);
        costs.scan(part, 1).is_some() && costs.of(part, 1).is_some()
    }
}

/// The work of a part of a schema.
#[derive(Clone, Copy, Default)]
struct Steps {
    work: u64,
    text_work: u64,
}

impl Steps {
    fn and(self, other: Self) -> Self {
        Self {
            work: self.work.saturating_add(other.work),
            text_work: self.text_work.saturating_add(other.text_work),
        }
    }
}

struct Costs<'s> {
    root: &'s Value,
    targets: HashMap<&'s str, Option<Steps>>,
    patterns: Patterns<'s>,
    nodes: u64,
    text: usize,
    unevaluated: u32,
}

impl<'s> Costs<'s> {
    fn new(root: &'s Value) -> Self {
        Self {
            root,
            targets: HashMap::new(),
            patterns: Patterns::default(),
            nodes: 0,
            text: 0,
            unevaluated: 0,
        }
    }

    /// Looks at everything that is written there, whatever it is for.
    fn scan(&mut self, value: &'s Value, depth: usize) -> Option<()> {
        match value {
            Value::String(text) => self.add_text(text),
            Value::Array(items) => items.iter().try_for_each(|item| self.scan(item, depth + 1)),
            Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
                self.add_text(key)?;
                match (key.as_str(), value) {
                    ("pattern", Value::String(pattern)) => {
                        self.patterns.cost(pattern)?;
                    }
                    ("patternProperties", Value::Object(fields)) => {
                        for pattern in fields.keys() {
                            self.patterns.cost(pattern)?;
                        }
                    }
                    ("unevaluatedProperties" | "unevaluatedItems", _) => {
                        self.unevaluated += 1;
                        if self.unevaluated > MAX_UNEVALUATED {
                            return None;
                        }
                    }
                    // References inside would mean something else than here.
                    ("$id" | "id", Value::String(_)) if depth > 0 => return None,
                    _ => {}
                }
                self.scan(value, depth + 1)
            }),
            _ => Some(()),
        }
    }

    fn add_text(&mut self, text: &str) -> Option<()> {
        self.text += text.len();
        (self.text <= MAX_TEXT).then_some(())
    }

    fn of(&mut self, schema: &'s Value, depth: usize) -> Option<Steps> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_WORK {
            return None;
        }
        let own = Steps {
            work: 1,
            text_work: 0,
        };
        let steps = match schema {
            Value::Object(fields) => self.of_object(fields, depth)?.and(own),
            Value::Array(items) => self.sum(items.iter(), depth)?.and(own),
            _ => own,
        };
        (steps.work <= MAX_WORK).then_some(steps)
    }

    fn of_object(&mut self, fields: &'s Map<String, Value>, depth: usize) -> Option<Steps> {
        if ["$dynamicRef", "$recursiveRef"]
            .iter()
            .any(|key| fields.contains_key(*key))
        {
            return None;
        }
        // What is only referred to is counted where it is.
        let parts = fields
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "$defs" | "definitions"))
            .map(|(_, value)| value);
        let mut steps = self.sum(parts, depth)?;
        if let Some(Value::String(target)) = fields.get("$ref") {
            steps = steps.and(self.of_target(target, depth)?);
        }
        if let Some(Value::String(pattern)) = fields.get("pattern") {
            steps.text_work += self.patterns.cost(pattern)?.work;
        }
        if let Some(Value::Object(fields)) = fields.get("patternProperties") {
            for pattern in fields.keys() {
                steps.text_work += self.patterns.cost(pattern)?.work;
            }
        }
        Some(steps)
    }

    fn of_target(&mut self, target: &'s str, depth: usize) -> Option<Steps> {
        match self.targets.get(target) {
            // Being counted right now: it contains itself.
            Some(None) => return None,
            Some(Some(steps)) => return Some(*steps),
            None => {}
        }
        // Of an escaped name, another part could be meant than is found here.
        let pointer = target.strip_prefix('#').filter(|it| !it.contains('%'))?;
        let schema = self.root.pointer(pointer)?;
        self.targets.insert(target, None);
        let steps = self.of(schema, depth + 1)?;
        self.targets.insert(target, Some(steps));
        Some(steps)
    }

    fn sum(&mut self, values: impl Iterator<Item = &'s Value>, depth: usize) -> Option<Steps> {
        let mut sum = Steps::default();
        for value in values {
            sum = sum.and(self.of(value, depth + 1)?);
        }
        Some(sum)
    }
}
