//! Some fields of a JSON object as text, the others skipped.
//!
//! Of a field that is there twice, the last counts, as for parsers of every
//! language; types that are read by derived code refuse it, and a call that
//! took effect would have no result. Nothing is nested here, so that depth
//! does not matter either.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The values of the fields of these names.
///
/// # Errors
///
/// The text is no JSON object.
pub(crate) fn fields<'a, const N: usize>(
    json: &'a [u8],
    names: [&str; N],
) -> serde_json::Result<[Option<&'a RawValue>; N]> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let others = None;
    let fields = Wanted { names, others }.deserialize(&mut json)?;
    json.end()?;
    Ok(fields)
}

/// The value of a field, if the object has no field of another name.
pub(crate) fn only_field<'a>(json: &'a [u8], name: &str) -> Option<&'a RawValue> {
    let mut text = serde_json::Deserializer::from_slice(json);
    let mut others = false;
    let wanted = Wanted {
        names: [name],
        others: Some(&mut others),
    };
    let [field] = wanted.deserialize(&mut text).ok()?;
    field.filter(|_| !others)
}

/// A type out of JSON text, by way of a value.
///
/// # Errors
///
/// The text is no JSON of this type.
pub(crate) fn read<T: serde::de::DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    let value: serde_json::Value = serde_json::from_str(json)?;
    serde_json::from_value(value)
}

struct Wanted<'n, const N: usize> {
    names: [&'n str; N],
    /// Set if there are fields of other names.
    others: Option<&'n mut bool>,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Wanted<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn deserialize<D: serde::Deserializer<'de>>(self, object: D) -> Result<Self::Value, D::Error> {
        object.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Wanted<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        let mut fields = [None; N];
        let mut has_others = false;
        while let Some(Name(name)) = object.next_key()? {
            match self.names.iter().position(|wanted| *wanted == name) {
                Some(index) => fields[index] = Some(object.next_value()?),
                None => {
                    object.next_value::<IgnoredAny>()?;
                    has_others = true;
                }
            }
        }
        if let Some(others) = self.others {
            *others = has_others;
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<[Option<&str>; 2]> {
        let fields = fields(text.as_bytes(), ["a", "b"]).ok()?;
        Some(fields.map(|field| field.map(RawValue::get)))
    }

    #[test]
    fn of_a_field_that_is_there_twice_the_last_counts() {
        let text = r#"{"a": 1, "other": {"a": 2}, "\u0061": {"x": 1, "x": 1.10}, "b": null}"#;
        let expected = [Some(r#"{"x": 1, "x": 1.10}"#), Some("null")];
        assert_eq!(read(text), Some(expected));
        assert_eq!(read("{}"), Some([None, None]));
    }

    #[test]
    fn depth_does_not_matter_and_nonsense_is_an_error() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(r#"{{"a": {deep}, "c": {deep}}}"#);
        assert_eq!(read(&text), Some([Some(&*deep), None]));
        for text in ["", "[]", "7", "{", "{} {}", r#"{"a": NaN}"#, r#"{"c": 1,}"#] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(fields(b"{\"a\": \"\xff\"}", ["a"]).is_err());
    }
}
