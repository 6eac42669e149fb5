//! What an interface says, as plain data: which WIT name is which tool, key or
//! value, so that a host can turn typed values into JSON and back.
//!
//! Made in the same walk as the text ([`super::interface`]), so the two cannot
//! drift apart. Everything here is bounded: at most [`super::MAX_NODES`] types
//! in a function, at most [`super::MAX_DEPTH`] inside each other.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A function and the tool behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name in WIT.
    pub name: String,
    /// The name the server gave the tool.
    pub tool: String,
    /// How the parameters make the arguments object.
    pub arguments: Arguments,
    /// What a call gives. The function's result is `result<this, tool-error>`.
    pub result: Type,
}

/// How the parameters of a function make the arguments of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// One parameter for each required field, and one for all others.
    Fields {
        /// In the order of the parameters.
        required: Vec<Field>,
        /// The last parameter, an `option` of a record whose fields are all
        /// optional. Absent where there are none.
        options: Option<Options>,
    },
    /// One parameter, the whole object as JSON text; its name.
    Json(String),
}

/// The parameter that holds what need not be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// The name of the parameter.
    pub name: String,
    /// Its fields.
    pub record: Record,
}

/// A type, and how its values are JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// `string` holding JSON text: anything.
    Json,
    /// `string`: a text as it is, anything else as JSON text. What a tool
    /// without an output schema gives.
    Text,
    /// `bool`.
    Boolean,
    /// `s64`.
    Integer,
    /// `f64`.
    Number,
    /// `string`.
    String,
    /// An `enum` of texts.
    Enum(Vec<Case>),
    /// `option`: `none` is `null`.
    Option(Box<Type>),
    /// `list`.
    List(Box<Type>),
    /// `list<tuple<string, T>>`: an object with any keys.
    Map(Box<Type>),
    /// `tuple`: a list of this length.
    Tuple(Vec<Type>),
    /// A `record`.
    Record(Record),
    /// A `variant`: a value is the first alternative that it fits.
    Variant(Vec<Alternative>),
    /// Nothing in WIT: always this value. Only as an alternative.
    Constant(#[serde(with = "json_text")] Value),
}

/// A case of an `enum`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its name in WIT.
    pub name: String,
    /// The text that it stands for.
    pub value: String,
}

/// A JSON object with known keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The fields of the record.
    pub fields: Vec<Field>,
    /// Keys that hold always the same and are no fields: what tells the
    /// alternatives of a variant apart.
    #[serde(with = "json_texts")]
    pub constants: Vec<(String, Value)>,
    /// The field that holds all other keys.
    pub rest: Option<Box<Rest>>,
}

/// A field of a record, or a required parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its name in WIT.
    pub name: String,
    /// The key in the JSON object.
    pub key: String,
    /// If not, it is an `option`, and `none` is no key at all.
    pub required: bool,
    /// Its type, without that `option`.
    pub ty: Type,
}

/// The field for keys that the schema does not name: a
/// `list<tuple<string, T>>`, or an `option` of it among the options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rest {
    /// Its name in WIT.
    pub name: String,
    /// What the keys hold.
    pub ty: Type,
}

/// A case of a `variant`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// Its name in WIT.
    pub name: String,
    /// What it holds; see [`Alternative::payload`].
    pub ty: Type,
}

impl Alternative {
    /// The type the case carries in WIT, if it carries one: a value that is
    /// always the same needs no telling.
    pub fn payload(&self) -> Option<&Type> {
        match &self.ty {
            Type::Constant(_) => None,
            Type::Record(record) if record.is_constant() => None,
            ty => Some(ty),
        }
    }
}

impl Record {
    /// Whether it has nothing to tell.
    pub fn is_constant(&self) -> bool {
        self.fields.is_empty() && self.rest.is_none()
    }
}

/// A value as its JSON text: a format that does not describe itself cannot tell
/// what kind of value comes next.
mod json_text {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(value: &Value, to: S) -> Result<S::Ok, S::Error> {
        value.to_string().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        serde_json::from_str(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// The same for values under keys.
mod json_texts {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    #[derive(Serialize, Deserialize)]
    struct Text(#[serde(with = "super::json_text")] Value);

    pub(super) fn serialize<S: Serializer>(
        values: &[(String, Value)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let texts = values
            .iter()
            .cloned()
            .map(|(key, value)| (key, Text(value)));
        texts.collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(String, Value)>, D::Error> {
        let texts = Vec::<(String, Text)>::deserialize(from)?;
        Ok(texts
            .into_iter()
            .map(|(key, Text(value))| (key, value))
            .collect())
    }
}
