//! From the result of a call, JSON text that a server wrote, to a component's
//! values.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::de::IgnoredAny;
use serde_json::Value;
use stubs::wit::{Record, Type};
use wasmtime::component::Val;

use super::lower::{MAX_EXACT_INTEGER, Unfit, shown};
use contract::json::{Json, is_held};
use contract::text::quoted;

/// Values in one result, those in other values included. Each takes some 200
/// bytes for a moment; a table of 10,000 rows and 20 columns has this many.
const MAX_VALUES: usize = 250_000;

/// Attempts at one result: alternatives inside alternatives multiply.
const MAX_ATTEMPTS: usize = 1_000_000;

/// Names that a message lists.
const MAX_LISTED: usize = 10;

/// The value of a result.
pub(super) fn result(plan: &Type, json: &str) -> Result<Val, Unfit> {
    let json = json.trim();
    match plan {
        // As it came, unless it holds what JSON has no word for.
        Type::Json if serde_json::from_str::<IgnoredAny>(json).is_ok() => {
            return Ok(Val::String(json.to_owned()));
        }
        Type::Text if !json.starts_with('"') => return Ok(Val::String(json.to_owned())),
        _ => {}
    }
    if values(json) > MAX_VALUES {
        return Err(Unfit::new(format!(
            "it holds more than {MAX_VALUES} values; ask for less at a time"
        )));
    }
    let value = Json::read(json).map_err(|error| Unfit::new(format!("it is not JSON: {error}")))?;
    Lift { work: MAX_ATTEMPTS }.lift(plan, &value, false)
}

/// At least as many values as the text has, without reading them.
fn values(json: &str) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

struct Lift {
    work: usize,
}

impl Lift {
    /// `strict` refuses keys that no field is for.
    fn lift(&mut self, plan: &Type, value: &Json<'_>, strict: bool) -> Result<Val, Unfit> {
        self.work = self.work.checked_sub(1).ok_or_else(too_many_attempts)?;
        Ok(match (plan, value) {
            (Type::Json, value) => Val::String(value.to_string()),
            (Type::Text, Json::String(text)) => Val::String(text.clone().into_owned()),
            (Type::Text, value) => Val::String(value.to_string()),
            (Type::Boolean, Json::Bool(value)) => Val::Bool(*value),
            (Type::Integer, Json::Number(number)) => Val::S64(integer(number)?),
            (Type::Number, Json::Number(number)) => Val::Float64(float(number)?),
            (Type::String, Json::String(text)) => Val::String(text.clone().into_owned()),
            (Type::Enum(cases), Json::String(text)) => {
                match cases.iter().find(|case| case.value == **text) {
                    Some(case) => Val::Enum(case.name.clone()),
                    None => {
                        let values = cases
                            .iter()
                            .take(MAX_LISTED)
                            .map(|case| quoted(&case.value));
                        let values: Vec<_> = values.collect();
                        let more = if cases.len() > values.len() {
                            " …"
                        } else {
                            ""
                        };
                        return Err(Unfit::new(format!(
                            "{} is none of {}{more}",
                            quoted(text),
                            values.join(", ")
                        )));
                    }
                }
            }
            (Type::Option(_), Json::Null) => Val::Option(None),
            (Type::Option(plan), value) => {
                Val::Option(Some(Box::new(self.lift(plan, value, strict)?)))
            }
            (Type::List(plan), Json::Array(items)) => {
                let plans = std::iter::repeat(&**plan);
                Val::List(self.items(plans, items, strict)?)
            }
            (Type::Tuple(plans), Json::Array(items)) if items.len() == plans.len() => {
                Val::Tuple(self.items(plans.iter(), items, strict)?)
            }
            (Type::Tuple(plans), Json::Array(items)) => {
                return Err(Unfit::new(format!(
                    "it has {} items and not {}",
                    items.len(),
                    plans.len()
                )));
            }
            (Type::Map(plan), Json::Object(fields)) => {
                let pairs = fields
                    .iter()
                    .map(|(key, value)| self.pair(plan, key, value, strict));
                Val::List(pairs.collect::<Result<_, _>>()?)
            }
            (Type::Record(plan), Json::Object(fields)) => self.record(plan, fields, strict)?,
            (Type::Variant(_), value) if strict => self.variant(plan, value, true)?,
            // The alternative that knows all the keys, else the first that
            // can do with them.
            (Type::Variant(_), value) => match self.variant(plan, value, true) {
                Ok(value) => value,
                Err(_) => self.variant(plan, value, false)?,
            },
            (Type::Constant(constant), value) if is(value, constant) => Val::Bool(true),
            (plan, value) => {
                return Err(Unfit::new(format!(
                    "it is {} and not {}",
                    found(value),
                    wanted(plan)
                )));
            }
        })
    }

    fn items<'p>(
        &mut self,
        plans: impl Iterator<Item = &'p Type>,
        items: &[Json<'_>],
        strict: bool,
    ) -> Result<Vec<Val>, Unfit> {
        let items = items.iter().zip(plans).enumerate();
        items
            .map(|(at, (item, plan))| {
                self.lift(plan, item, strict)
                    .map_err(|unfit| unfit.within(&format!("[{at}]")))
            })
            .collect()
    }

    fn pair(
        &mut self,
        plan: &Type,
        key: &str,
        value: &Json<'_>,
        strict: bool,
    ) -> Result<Val, Unfit> {
        let value = self
            .lift(plan, value, strict)
            .map_err(|unfit| unfit.within(&shown(key)))?;
        Ok(Val::Tuple(vec![Val::String(key.to_owned()), value]))
    }

    fn record(
        &mut self,
        plan: &Record,
        fields: &[(Cow<'_, str>, Json<'_>)],
        strict: bool,
    ) -> Result<Val, Unfit> {
        let given: HashMap<&str, &Json<'_>> =
            fields.iter().map(|(key, value)| (&**key, value)).collect();
        let given = |key: &str| given.get(key).copied();
        for (key, constant) in &plan.constants {
            if !given(key).is_some_and(|value| is(value, constant)) {
                return Err(
                    Unfit::new(format!("it is not {}", shown(&constant.to_string())))
                        .within(&shown(key)),
                );
            }
        }
        let is_known = |key: &str| {
            plan.fields.iter().any(|field| field.key == key)
                || plan.constants.iter().any(|(known, _)| known == key)
        };
        if strict
            && plan.rest.is_none()
            && let Some((key, _)) = fields.iter().find(|(key, _)| !is_known(key))
        {
            return Err(Unfit::new(format!("it has the key {}", quoted(key))));
        }
        let mut values = Vec::with_capacity(plan.fields.len() + 1);
        for field in &plan.fields {
            let value = match (given(&field.key), field.required) {
                (None | Some(Json::Null), false) => Ok(Val::Option(None)),
                (None, true) => Err(Unfit::new("it is missing")),
                (Some(value), true) => self.lift(&field.ty, value, strict),
                (Some(value), false) => {
                    let value = self.lift(&field.ty, value, strict);
                    value.map(|value| Val::Option(Some(Box::new(value))))
                }
            };
            values.push((
                field.name.clone(),
                value.map_err(|unfit| unfit.within(&shown(&field.key)))?,
            ));
        }
        if let Some(rest) = &plan.rest {
            let others = fields.iter().filter(|(key, _)| !is_known(key));
            let pairs = others.map(|(key, value)| self.pair(&rest.ty, key, value, strict));
            values.push((
                rest.name.clone(),
                Val::List(pairs.collect::<Result<_, _>>()?),
            ));
        }
        Ok(Val::Record(values))
    }

    fn variant(&mut self, plan: &Type, value: &Json<'_>, strict: bool) -> Result<Val, Unfit> {
        let Type::Variant(alternatives) = plan else {
            return Err(Unfit::new("it is no variant"));
        };
        for alternative in alternatives {
            if let Ok(lifted) = self.lift(&alternative.ty, value, strict) {
                let payload = alternative.payload().map(|_| Box::new(lifted));
                return Ok(Val::Variant(alternative.name.clone(), payload));
            }
            if self.work == 0 {
                return Err(too_many_attempts());
            }
        }
        let names: Vec<_> = alternatives
            .iter()
            .take(MAX_LISTED)
            .map(|known| format!("`{}`", known.name))
            .collect();
        Err(Unfit::new(format!("it fits none of {}", names.join(", "))))
    }
}

fn too_many_attempts() -> Unfit {
    Unfit::new("too many alternatives would have to be tried")
}

/// Whether a value is what its type says it has to be. Nothing of it is copied:
/// this is asked for each alternative.
fn is(value: &Json<'_>, constant: &Value) -> bool {
    match (value, constant) {
        (Json::Array(items), Value::Array(constants)) => {
            items.len() == constants.len()
                && items
                    .iter()
                    .zip(constants)
                    .all(|(item, constant)| is(item, constant))
        }
        (Json::Object(fields), Value::Object(constants)) => {
            fields.len() == constants.len()
                && fields.iter().all(|(key, value)| {
                    constants
                        .get(&**key)
                        .is_some_and(|constant| is(value, constant))
                })
        }
        (Json::String(text), constant) => constant.as_str() == Some(&**text),
        (Json::Array(_) | Json::Object(_), _) => false,
        (scalar, constant) => scalar.to_value() == *constant,
    }
}

fn integer(number: &str) -> Result<i64, Unfit> {
    let exact = number.parse().ok().or_else(|| {
        let float: f64 = number.parse().ok()?;
        let is_exact = float.abs() <= MAX_EXACT_INTEGER && is_held(number);
        (is_exact && float.fract() == 0.0).then_some(float as i64)
    });
    exact.ok_or_else(|| Unfit::new(format!("{} is no `s64`", shown(number))))
}

/// The nearest float, but not another integer.
fn float(number: &str) -> Result<f64, Unfit> {
    let is_word = number.ends_with(['N', 'y']);
    let float: f64 = number.parse().unwrap_or(f64::NAN);
    if float.is_infinite() && !is_word {
        let message = format!("{} is out of the range of `f64`", shown(number));
        return Err(Unfit::new(message));
    }
    let is_integer = number
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_digit());
    if is_integer && format!("{float:.0}") != number && float != 0.0 {
        let message = format!("{} is no `f64` without being rounded", shown(number));
        return Err(Unfit::new(message));
    }
    Ok(float)
}

fn found(value: &Json<'_>) -> &'static str {
    match value {
        Json::Null => "`null`",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

fn wanted(plan: &Type) -> &'static str {
    match plan {
        Type::Json | Type::Text => "anything",
        Type::Boolean => "a boolean",
        Type::Integer => "an integer",
        Type::Number => "a number",
        Type::String | Type::Enum(_) => "a text",
        Type::List(_) | Type::Tuple(_) => "a list",
        Type::Option(_) | Type::Map(_) | Type::Record(_) => "an object",
        Type::Variant(_) => "one of several",
        Type::Constant(_) => "what it has to be",
    }
}
