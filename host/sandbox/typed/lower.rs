//! From a component's values to the arguments of a call, as JSON text.
//!
//! The engine has made the values already and bounded them by its fuel for
//! host calls; the text is bounded here.

use std::collections::HashSet;
use std::fmt;

use serde::de::IgnoredAny;
use stubs::wit::{Record, Rest, Type};
use wasmtime::component::Val;

use super::fit::Parameter;
use contract::text::{MAX_NAME, one_line, quoted};

/// The arguments of one call in bytes, as for every other call.
const MAX_ARGUMENTS: usize = 8 << 20;

/// Every integer up to this is exact as a number of JSON or JavaScript.
pub(super) const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

/// What cannot be sent, and where it is.
#[derive(Debug)]
pub(super) struct Unfit {
    path: Vec<String>,
    what: String,
}

type Lowered = Result<(), Unfit>;

/// The arguments object.
pub(super) fn arguments(plan: &[Parameter], values: &[Val]) -> Result<String, Unfit> {
    let mut out = Out(String::new());
    let mut object = Object::begin(&mut out);
    for (parameter, value) in plan.iter().zip(values) {
        match (parameter, value) {
            (Parameter::Json, Val::String(text)) => {
                let mut out = Out(String::new());
                json(&mut out, text).map_err(|unfit| unfit.within("arguments"))?;
                return Ok(out.0);
            }
            (Parameter::Field(field), value) => {
                object.key(&field.key)?;
                lower(object.out, &field.ty, value).map_err(|unfit| unfit.within(&field.name))?;
            }
            (Parameter::Options(record), Val::Option(Some(options))) => {
                fields(&mut object, record, options).map_err(|unfit| unfit.within("options"))?;
            }
            (Parameter::Options(_), Val::Option(None)) => {}
            _ => return Err(strange()),
        }
    }
    object.end()?;
    Ok(out.0)
}

fn lower(out: &mut Out, plan: &Type, value: &Val) -> Lowered {
    match (plan, value) {
        (Type::Json, Val::String(text)) => json(out, text),
        (Type::Text | Type::String, Val::String(text)) => out.string(text),
        (Type::Boolean, Val::Bool(value)) => out.push(if *value { "true" } else { "false" }),
        (Type::Integer, Val::S64(value)) => out.push(&value.to_string()),
        (Type::Number, Val::Float64(value)) => number(out, *value),
        (Type::Enum(cases), Val::Enum(name)) => {
            match cases.iter().find(|case| case.name == *name) {
                Some(case) => out.string(&case.value),
                None => Err(strange()),
            }
        }
        (Type::Option(_), Val::Option(None)) => out.push("null"),
        (Type::Option(plan), Val::Option(Some(value))) => lower(out, plan, value),
        (Type::List(plan), Val::List(values)) => {
            list(out, values.iter().map(|value| (&**plan, value)))
        }
        (Type::Tuple(plans), Val::Tuple(values)) => list(out, plans.iter().zip(values)),
        (Type::Map(plan), values) => {
            let mut object = Object::begin(out);
            pairs(&mut object, plan, values)?;
            object.end()
        }
        (Type::Record(plan), value) => {
            let mut object = Object::begin(out);
            fields(&mut object, plan, value)?;
            object.end()
        }
        (Type::Variant(alternatives), Val::Variant(name, value)) => {
            let alternative = alternatives.iter().find(|known| known.name == *name);
            let unfit = match (alternative.map(|known| &known.ty), value) {
                (Some(Type::Constant(value)), None) => out.push(&value.to_string()),
                (Some(Type::Record(plan)), None) => {
                    lower(out, &Type::Record(plan.clone()), &Val::Record(Vec::new()))
                }
                (Some(plan), Some(value)) => lower(out, plan, value),
                _ => Err(strange()),
            };
            unfit.map_err(|unfit| unfit.within(name))
        }
        _ => Err(strange()),
    }
}

fn list<'a>(out: &mut Out, items: impl Iterator<Item = (&'a Type, &'a Val)>) -> Lowered {
    out.push("[")?;
    for (at, (plan, value)) in items.enumerate() {
        if at > 0 {
            out.push(",")?;
        }
        lower(out, plan, value).map_err(|unfit| unfit.within(&format!("[{at}]")))?;
    }
    out.push("]")
}

fn fields(object: &mut Object<'_>, plan: &Record, value: &Val) -> Lowered {
    let Val::Record(values) = value else {
        return Err(strange());
    };
    for (key, value) in &plan.constants {
        object.key(key)?;
        object.out.push(&value.to_string())?;
    }
    for (name, value) in values {
        let Some(field) = plan.fields.iter().find(|field| field.name == *name) else {
            match (&plan.rest, value) {
                (Some(rest), Val::Option(Some(value))) if rest.name == *name => {
                    others(object, plan, rest, value)?
                }
                (Some(rest), Val::Option(None)) if rest.name == *name => {}
                (Some(rest), value) if rest.name == *name => others(object, plan, rest, value)?,
                _ => return Err(strange()),
            }
            continue;
        };
        let value = match (field.required, value) {
            (true, value) => value,
            (false, Val::Option(Some(value))) => value,
            (false, Val::Option(None)) => continue,
            (false, _) => return Err(strange()),
        };
        object.key(&field.key)?;
        lower(object.out, &field.ty, value).map_err(|unfit| unfit.within(name))?;
    }
    Ok(())
}

/// The keys that have no field.
fn others(object: &mut Object<'_>, plan: &Record, rest: &Rest, value: &Val) -> Lowered {
    for field in &plan.fields {
        object.seen.insert(field.key.clone());
    }
    pairs(object, &rest.ty, value).map_err(|unfit| unfit.within(&rest.name))
}

fn pairs(object: &mut Object<'_>, plan: &Type, values: &Val) -> Lowered {
    let Val::List(pairs) = values else {
        return Err(strange());
    };
    for pair in pairs {
        let Val::Tuple(pair) = pair else {
            return Err(strange());
        };
        let [Val::String(key), value] = pair.as_slice() else {
            return Err(strange());
        };
        object.new_key(key)?;
        lower(object.out, plan, value).map_err(|unfit| unfit.within(&shown(key)))?;
    }
    Ok(())
}

fn json(out: &mut Out, text: &str) -> Lowered {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => out.push(text.trim()),
        Err(error) => Err(Unfit::new(format!("the text is not JSON: {error}"))),
    }
}

fn number(out: &mut Out, value: f64) -> Lowered {
    match value {
        value if !value.is_finite() => Err(Unfit::new(format!("{value} is no number in JSON"))),
        // Servers that count want `3`, not `3.0`.
        value if value.fract() == 0.0 && value.abs() < MAX_EXACT_INTEGER => {
            out.push(&(value as i64).to_string())
        }
        value => out.push(
            &serde_json::Number::from_f64(value).map_or_else(|| "null".into(), |n| n.to_string()),
        ),
    }
}

/// The text so far.
struct Out(String);

impl Out {
    fn push(&mut self, text: &str) -> Lowered {
        if self.0.len() + text.len() > MAX_ARGUMENTS {
            return Err(Unfit::new(format!(
                "they are longer than {MAX_ARGUMENTS} bytes as JSON"
            )));
        }
        self.0.push_str(text);
        Ok(())
    }

    fn string(&mut self, text: &str) -> Lowered {
        if text.len() > MAX_ARGUMENTS {
            return self.push(text);
        }
        self.push(&serde_json::Value::from(text).to_string())
    }
}

/// An object that is being written.
struct Object<'o> {
    out: &'o mut Out,
    is_empty: bool,
    seen: HashSet<String>,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut Out) -> Self {
        Self {
            out,
            is_empty: true,
            seen: HashSet::new(),
        }
    }

    fn key(&mut self, key: &str) -> Lowered {
        self.out.push(if self.is_empty { "{" } else { "," })?;
        self.is_empty = false;
        self.out.string(key)?;
        self.out.push(":")
    }

    /// A key that the component chose.
    fn new_key(&mut self, key: &str) -> Lowered {
        if !self.seen.insert(key.to_owned()) {
            let twice = format!("the key {} is there twice", quoted(key));
            return Err(Unfit::new(twice));
        }
        self.key(key)
    }

    fn end(self) -> Lowered {
        self.out.push(if self.is_empty { "{}" } else { "}" })
    }
}

impl Unfit {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            what: what.into(),
        }
    }

    pub(super) fn within(mut self, step: &str) -> Self {
        self.path.push(step.to_owned());
        self
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((first, rest)) = self.path.split_last() {
            write!(f, "at `{first}")?;
            for step in rest.iter().rev() {
                let dot = if step.starts_with('[') { "" } else { "." };
                write!(f, "{dot}{step}")?;
            }
            f.write_str("`: ")?;
        }
        f.write_str(&self.what)
    }
}

/// A key of a stranger as a step of a path.
pub(super) fn shown(text: &str) -> String {
    one_line(text, MAX_NAME)
}

/// The engine checked the types when it linked the function, so this is a
/// mistake of ours; a call that fails is better than a crash.
fn strange() -> Unfit {
    Unfit::new("the value is of another type than it was linked with")
}
