//! From the result of a call, JSON text that a server wrote, to a component's
//! values.

use serde_json::Value;
use stubs::wit::{Record, Type};
use wasmtime::component::Val;

use super::lower::{MAX_EXACT_INTEGER, Unfit, shown};
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
        Type::Json => return Ok(Val::String(json.to_owned())),
        Type::Text if !json.starts_with('"') => return Ok(Val::String(json.to_owned())),
        _ => {}
    }
    if values(json) > MAX_VALUES {
        return Err(Unfit::new(format!(
            "it holds more than {MAX_VALUES} values; ask for less at a time"
        )));
    }
    let value: Value = serde_json::from_str(json)
        .map_err(|error| Unfit::new(format!("it is not JSON: {error}")))?;
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
    fn lift(&mut self, plan: &Type, value: &Value, strict: bool) -> Result<Val, Unfit> {
        self.work = self.work.checked_sub(1).ok_or_else(too_many_attempts)?;
        Ok(match (plan, value) {
            (Type::Json, value) => Val::String(value.to_string()),
            (Type::Text, Value::String(text)) => Val::String(text.clone()),
            (Type::Text, value) => Val::String(value.to_string()),
            (Type::Boolean, Value::Bool(value)) => Val::Bool(*value),
            (Type::Integer, Value::Number(number)) => Val::S64(integer(number)?),
            (Type::Number, Value::Number(number)) => match number.as_f64() {
                Some(number) => Val::Float64(number),
                None => return Err(Unfit::new(format!("{number} is out of the range of `f64`"))),
            },
            (Type::String, Value::String(text)) => Val::String(text.clone()),
            (Type::Enum(cases), Value::String(text)) => {
                match cases.iter().find(|case| case.value == *text) {
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
            (Type::Option(_), Value::Null) => Val::Option(None),
            (Type::Option(plan), value) => {
                Val::Option(Some(Box::new(self.lift(plan, value, strict)?)))
            }
            (Type::List(plan), Value::Array(items)) => {
                let plans = std::iter::repeat(&**plan);
                Val::List(self.items(plans, items, strict)?)
            }
            (Type::Tuple(plans), Value::Array(items)) if items.len() == plans.len() => {
                Val::Tuple(self.items(plans.iter(), items, strict)?)
            }
            (Type::Tuple(plans), Value::Array(items)) => {
                return Err(Unfit::new(format!(
                    "it has {} items and not {}",
                    items.len(),
                    plans.len()
                )));
            }
            (Type::Map(plan), Value::Object(fields)) => {
                let pairs = fields
                    .iter()
                    .map(|(key, value)| self.pair(plan, key, value, strict));
                Val::List(pairs.collect::<Result<_, _>>()?)
            }
            (Type::Record(plan), Value::Object(fields)) => self.record(plan, fields, strict)?,
            (Type::Variant(_), value) if strict => self.variant(plan, value, true)?,
            // The alternative that knows all the keys, else the first that
            // can do with them.
            (Type::Variant(_), value) => match self.variant(plan, value, true) {
                Ok(value) => value,
                Err(_) => self.variant(plan, value, false)?,
            },
            (Type::Constant(constant), value) if constant == value => Val::Bool(true),
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
        items: &[Value],
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

    fn pair(&mut self, plan: &Type, key: &str, value: &Value, strict: bool) -> Result<Val, Unfit> {
        let value = self
            .lift(plan, value, strict)
            .map_err(|unfit| unfit.within(&shown(key)))?;
        Ok(Val::Tuple(vec![Val::String(key.to_owned()), value]))
    }

    fn record(
        &mut self,
        plan: &Record,
        fields: &serde_json::Map<String, Value>,
        strict: bool,
    ) -> Result<Val, Unfit> {
        for (key, constant) in &plan.constants {
            if fields.get(key) != Some(constant) {
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
            && let Some(key) = fields.keys().find(|key| !is_known(key))
        {
            return Err(Unfit::new(format!("it has the key {}", quoted(key))));
        }
        let mut values = Vec::with_capacity(plan.fields.len() + 1);
        for field in &plan.fields {
            let value = match (fields.get(&field.key), field.required) {
                (None | Some(Value::Null), false) => Ok(Val::Option(None)),
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

    fn variant(&mut self, plan: &Type, value: &Value, strict: bool) -> Result<Val, Unfit> {
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

fn integer(number: &serde_json::Number) -> Result<i64, Unfit> {
    let exact = number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() <= MAX_EXACT_INTEGER).then_some(float as i64)
    });
    exact.ok_or_else(|| Unfit::new(format!("{number} is no `s64`")))
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "`null`",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
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
