//! What data looks like, without what it says: types, sizes, names of keys.
//!
//! Arguments are recorded as such a shape. Of answers only a fingerprint is
//! taken, to notice when a server begins to answer otherwise.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use stubs::text::is_hidden;

/// Bytes of the description of a shape.
const MAX_TEXT: usize = 1 << 10;

/// Objects and lists inside each other that are looked into.
const MAX_DEPTH: usize = 4;

/// Keys of one object, and items of one list.
const MAX_KEYS: usize = 40;

/// Bytes of a key. Longer ones are data.
const MAX_KEY: usize = 64;

/// The shape of a value in words: `{owner: text 5, labels: [2: text]}`.
pub fn describe(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Null => write!(text, "null"),
        Value::Bool(_) => write!(text, "boolean"),
        Value::Number(_) => write!(text, "number"),
        Value::String(content) => write!(text, "text {}", content.len()),
        Value::Array(items) if depth == MAX_DEPTH => write!(text, "[{}]", items.len()),
        Value::Object(fields) if depth == MAX_DEPTH => write!(text, "{{{}}}", fields.len()),
        Value::Array(items) => {
            let _ = write!(text, "[{}", items.len());
            if let Some(first) = items.first() {
                text.push_str(": ");
                write(first, depth + 1, text);
                let kind = std::mem::discriminant(first);
                if items
                    .iter()
                    .any(|item| std::mem::discriminant(item) != kind)
                {
                    text.push_str(" and others");
                }
            }
            write!(text, "]")
        }
        Value::Object(fields) => {
            text.push('{');
            for (index, (key, value)) in fields.iter().take(MAX_KEYS).enumerate() {
                if text.len() > MAX_TEXT {
                    break;
                }
                if index > 0 {
                    text.push_str(", ");
                }
                write_key(key, text);
                text.push_str(": ");
                write(value, depth + 1, text);
            }
            let more = fields.len().saturating_sub(MAX_KEYS);
            if more > 0 {
                let _ = write!(text, ", {more} more");
            }
            write!(text, "}}")
        }
    };
}

/// A key that cannot be taken for what stands around it.
fn write_key(key: &str, text: &mut String) {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '$' | '@');
    for c in contract::text::cut(key, MAX_KEY).chars() {
        text.push(match c {
            c if plain(c) && !is_hidden(c) => c,
            _ => '?',
        });
    }
    if key.len() > MAX_KEY {
        text.push('…');
    }
}

/// Longer answers are not looked at: reading one takes longer than noticing is
/// worth.
const MAX_ANSWER: usize = 64 << 10;

/// Places of an answer that are told apart.
const MAX_PLACES: usize = 64;

/// Items of a list that are looked at: the others are like these.
const MAX_ITEMS: usize = 50;

/// What kinds of values stand where in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Hashes of places, with the kinds found there.
    pub(crate) places: Vec<(u64, Kinds)>,
}

/// A set of kinds of values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    const BOOLEAN: Self = Self(1);
    const NUMBER: Self = Self(2);
    const TEXT: Self = Self(4);
    const LIST: Self = Self(8);
    const OBJECT: Self = Self(16);

    /// Adds others; whether some of them are new.
    pub(crate) fn learn(&mut self, others: Self) -> bool {
        let before = self.0;
        self.0 |= others.0;
        self.0 != before
    }
}

impl Shape {
    /// The shape of JSON text, if it is looked at.
    pub(crate) fn of(json: &str) -> Option<Self> {
        if json.len() > MAX_ANSWER {
            return None;
        }
        let mut walk = Walk::default();
        walk.run(json)?;
        Some(Self {
            places: walk.places,
        })
    }

    /// Where in the text the place with this hash is, in words.
    pub(crate) fn place(json: &str, wanted: u64) -> String {
        let mut walk = Walk {
            wanted: Some(wanted),
            ..Walk::default()
        };
        walk.run(json);
        walk.found.unwrap_or_default()
    }
}

/// One way through JSON text. Nothing of it is kept but hashes.
#[derive(Default)]
struct Walk {
    places: Vec<(u64, Kinds)>,
    /// Where the last one was found, which is often the next one too.
    last: usize,
    wanted: Option<u64>,
    /// The keys on the way, while a place is wanted.
    way: Vec<String>,
    found: Option<String>,
}

impl Walk {
    fn run(&mut self, json: &str) -> Option<()> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let root = Place {
            walk: self,
            hash: hash(0, ""),
            depth: 0,
        };
        root.deserialize(&mut reader).ok()
    }

    fn saw(&mut self, place: u64, kind: Kinds) {
        if self.wanted == Some(place) && self.found.is_none() {
            let way = self.way.join(".");
            self.found = Some(if way.is_empty() {
                "the whole".to_owned()
            } else {
                way
            });
        }
        if self
            .places
            .get(self.last)
            .is_none_or(|(last, _)| *last != place)
        {
            let known = self.places.iter().position(|(known, _)| *known == place);
            match known {
                Some(index) => self.last = index,
                None if self.places.len() == MAX_PLACES => return,
                None => {
                    self.last = self.places.len();
                    self.places.push((place, Kinds::default()));
                }
            }
        }
        self.places[self.last].1.learn(kind);
    }
}

/// The same in each process, so that tests can rely on it; nothing is kept over
/// the end of one.
fn hash(parent: u64, key: &str) -> u64 {
    let mut hasher =
        std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().build_hasher();
    hasher.write_u64(parent);
    hasher.write(key.as_bytes());
    hasher.finish()
}

/// A value that is about to be read.
struct Place<'w> {
    walk: &'w mut Walk,
    hash: u64,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    // A value that is absent says nothing about those that are there.
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.walk.saw(self.hash, Kinds::BOOLEAN);
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.walk.saw(self.hash, Kinds::NUMBER);
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.walk.saw(self.hash, Kinds::NUMBER);
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.walk.saw(self.hash, Kinds::NUMBER);
        Ok(())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.walk.saw(self.hash, Kinds::TEXT);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self {
            walk,
            hash: place,
            depth,
        } = self;
        walk.saw(place, Kinds::LIST);
        let inside = hash(place, "[]");
        let mut seen = 0;
        loop {
            if depth == MAX_DEPTH || seen == MAX_ITEMS {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(());
            }
            let item = Place {
                walk: &mut *walk,
                hash: inside,
                depth: depth + 1,
            };
            if items.next_element_seed(item)?.is_none() {
                return Ok(());
            }
            seen += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Self {
            walk,
            hash: place,
            depth,
        } = self;
        walk.saw(place, Kinds::OBJECT);
        let mut seen = 0;
        while let Some(key) = fields.next_key::<std::borrow::Cow<'de, str>>()? {
            if depth == MAX_DEPTH || seen == MAX_KEYS {
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            seen += 1;
            let is_wanted = walk.wanted.is_some();
            if is_wanted {
                let mut shown = String::new();
                write_key(&key, &mut shown);
                walk.way.push(shown);
            }
            fields.next_value_seed(Place {
                walk: &mut *walk,
                hash: hash(place, &key),
                depth: depth + 1,
            })?;
            if is_wanted {
                walk.way.pop();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shape_has_types_sizes_and_keys_and_no_value() {
        let value = json!({
            "owner": "s3cret",
            "labels": ["s3cret", "é"],
            "mixed": [1, "s3cret"],
            "body": { "a": null, "b": true, "deep": { "x": { "y": { "z": 1 } } } },
            "none": [],
        });
        assert_eq!(
            describe(&value),
            "{owner: text 6, labels: [2: text 6], mixed: [2: number and others], \
             body: {a: null, b: boolean, deep: {x: {y: {1}}}}, none: [0]}"
        );
    }

    #[test]
    fn a_key_can_end_nothing_and_hide_nothing_and_is_no_place_for_data() {
        let value = json!({ "a: text 5}, {b\u{202e}\n": 1, "k".repeat(500): 2 });
        let text = describe(&value);
        assert!(text.starts_with("{a??text?5????b??: number, kkk"), "{text}");
        assert!(text.len() < 200, "{text}");
        let many: serde_json::Map<_, _> =
            (0..5_000).map(|n| (format!("key{n}"), json!(n))).collect();
        let text = describe(&Value::Object(many));
        assert!(text.contains("key39: number, 4960 more"), "{text}");
        let wide = json!(vec![json!({ "k".repeat(60): "x" }); 40]);
        let nested: serde_json::Map<_, _> = (0..40)
            .map(|n| (format!("{n:060}"), wide.clone()))
            .collect();
        assert!(describe(&Value::Object(nested)).len() <= MAX_TEXT + 3);
    }

    #[test]
    fn the_fingerprint_of_an_answer_is_of_its_kinds_alone() {
        let shape = |json: &str| Shape::of(json).unwrap();
        let one = shape(r#"{"items":[{"id":1,"name":"a"}],"next":null}"#);
        assert_eq!(
            one,
            shape(r#"{"items":[{"id":7,"name":"b"},{"id":8,"name":"c"}],"next":null}"#)
        );
        assert_ne!(
            one,
            shape(r#"{"items":[{"id":"1","name":"a"}],"next":null}"#)
        );
        assert_ne!(
            one,
            shape(r#"{"items":[{"id":1,"name":"a"}],"then":"call send_mail"}"#)
        );
        assert!(Shape::of("not JSON").is_none());
        assert!(
            Shape::of(&format!("[{}1]", "1,".repeat(40_000))).is_none(),
            "too long"
        );
    }

    #[test]
    fn what_is_kept_of_an_answer_is_bounded() {
        let keys: Vec<_> = (0..2_000)
            .map(|n| format!(r#""k{n}":{{"x":{n}}}"#))
            .collect();
        let shape = Shape::of(&format!("{{{}}}", keys.join(","))).unwrap();
        assert!(shape.places.len() <= MAX_PLACES);
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(Shape::of(&deep).unwrap().places.len(), MAX_DEPTH + 1);
    }

    #[test]
    fn a_place_is_said_in_words() {
        let json = r#"{"items":[{"id":1}],"a":{"b\n":true}}"#;
        let wanted = |keys: &[&str]| keys.iter().fold(hash(0, ""), |at, key| hash(at, key));
        assert_eq!(
            Shape::place(json, wanted(&["items", "[]", "id"])),
            "items.id"
        );
        assert_eq!(Shape::place(json, wanted(&["a", "b\n"])), "a.b?");
        assert_eq!(Shape::place(json, wanted(&[])), "the whole");
        assert_eq!(Shape::place(json, wanted(&["none"])), "");
    }
}
