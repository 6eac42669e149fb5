//! Whether the types that a component was built with are still those of the
//! server.
//!
//! Compared by name, and only as far as the component goes: a server that has
//! since got another optional parameter, another field in a result or another
//! tool breaks nobody. What the component leaves out is left out of the plan,
//! so a fitted plan has exactly the component's types, in its order.

use stubs::wit::{Alternative, Arguments, ERROR_KINDS, Field, Function, Record, Type};
use wasmtime::component::Val;
use wasmtime::component::types::{self, ComponentFunc};

/// A function as the component knows it.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) parameters: Vec<Parameter>,
    pub(super) result: Type,
    /// The fields of the component's `tool-error`, in its order.
    error_fields: Vec<String>,
    /// The kinds it knows.
    error_kinds: Vec<String>,
}

/// What becomes of a parameter.
#[derive(Debug)]
pub(super) enum Parameter {
    /// A key of the arguments.
    Field(Field),
    /// An `option` of a record of further keys.
    Options(Record),
    /// All of the arguments as JSON text.
    Json,
}

/// Which way values go: what a component sends must be complete, what it gets
/// may be more than it wants.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Out,
    Back,
}

/// A difference and where it is.
struct Difference {
    path: Vec<String>,
    what: String,
}

impl Fitted {
    /// A `tool-error`.
    pub(super) fn error(&self, kind: &str, message: String) -> Val {
        // A kind that came later than the component.
        let kind = self
            .error_kinds
            .iter()
            .find(|known| *known == kind)
            .map_or("failed", String::as_str);
        let mut message = Some(message);
        let fields = self.error_fields.iter().map(|field| {
            let value = match field.as_str() {
                "kind" => Val::Enum(kind.to_owned()),
                _ => Val::String(message.take().unwrap_or_default()),
            };
            (field.clone(), value)
        });
        Val::Record(fields.collect())
    }
}

/// Fits a function, or says what differs.
pub(super) fn function(plan: &Function, ty: &ComponentFunc) -> Result<Fitted, String> {
    if ty.async_() {
        return Err("the function is `async`".into());
    }
    let parameters =
        parameters(&plan.arguments, ty).map_err(|difference| difference.to_string())?;
    let wanted = "the result is not a `result` with a type and `tool-error`";
    let mut results = ty.results();
    let (Some(types::Type::Result(result)), None) = (results.next(), results.next()) else {
        return Err(wanted.into());
    };
    let (Some(good), Some(types::Type::Record(error))) = (result.ok(), result.err()) else {
        return Err(wanted.into());
    };
    let fitted = fit(&plan.result, &good, Way::Back)
        .map_err(|difference| difference.within("the result").to_string())?;
    let mut error_fields = Vec::new();
    let mut error_kinds = Vec::new();
    for field in error.fields() {
        match (field.name, field.ty) {
            ("message", types::Type::String) => {}
            ("kind", types::Type::Enum(kinds)) => {
                error_kinds.extend(kinds.names().map(str::to_owned))
            }
            (name, ty) => return Err(format!("`{name}` of `tool-error` is {}", described(&ty))),
        }
        error_fields.push(field.name.to_owned());
    }
    let is_known = |kind: &String| ERROR_KINDS.iter().any(|(known, _)| known == kind);
    if error_fields.len() != 2
        || !error_kinds.iter().all(is_known)
        || !error_kinds.iter().any(|kind| kind == "failed")
    {
        return Err("`tool-error` is another one".into());
    }
    Ok(Fitted {
        parameters,
        result: fitted,
        error_fields,
        error_kinds,
    })
}

fn parameters(plan: &Arguments, ty: &ComponentFunc) -> Result<Vec<Parameter>, Difference> {
    let (required, options) = match plan {
        Arguments::Json(name) => {
            let mut parameters = ty.params();
            return match (parameters.next(), parameters.next()) {
                (Some((found, types::Type::String)), None) if found == name => {
                    Ok(vec![Parameter::Json])
                }
                _ => Err(Difference::new(format!(
                    "there is one parameter now, `{name}: json`"
                ))),
            };
        }
        Arguments::Fields { required, options } => (required, options),
    };
    let mut fitted = Vec::new();
    for (name, ty) in ty.params() {
        if let Some(field) = required.iter().find(|field| field.name == name) {
            let ty = fit(&field.ty, &ty, Way::Out).map_err(|difference| difference.within(name))?;
            fitted.push(Parameter::Field(Field {
                ty,
                ..field.clone()
            }));
        } else if let Some(options) = options.as_ref().filter(|options| options.name == name) {
            let types::Type::Option(inner) = ty else {
                return Err(Difference::kinds(&described(&ty), "an option").within(name));
            };
            let types::Type::Record(record) = inner.ty() else {
                return Err(Difference::kinds(&described(&inner.ty()), "a record").within(name));
            };
            let record = self::record(&options.record, &record, Way::Out, true);
            fitted.push(Parameter::Options(
                record.map_err(|difference| difference.within(name))?,
            ));
        } else {
            return Err(Difference::new(format!(
                "there is no parameter `{name}` any more"
            )));
        }
    }
    let is_there = |field: &&Field| {
        fitted
            .iter()
            .any(|fitted| matches!(fitted, Parameter::Field(known) if known.name == field.name))
    };
    match required.iter().find(|field| !is_there(field)) {
        Some(field) => Err(Difference::new(format!(
            "the parameter `{}` is required now",
            field.name
        ))),
        None => Ok(fitted),
    }
}

/// The plan of a type as the component knows it.
fn fit(plan: &Type, ty: &types::Type, way: Way) -> Result<Type, Difference> {
    let pair = match (plan, ty) {
        (Type::Json | Type::Text | Type::String, types::Type::String)
        | (Type::Boolean, types::Type::Bool)
        | (Type::Integer, types::Type::S64)
        | (Type::Number, types::Type::Float64) => return Ok(plan.clone()),
        (Type::Enum(cases), types::Type::Enum(names)) => {
            let mut known = cases.clone();
            if let Some(name) = names
                .names()
                .find(|name| !cases.iter().any(|case| case.name == *name))
            {
                return Err(Difference::new(format!(
                    "there is no case `{name}` any more"
                )));
            }
            known.retain(|case| names.names().any(|name| name == case.name));
            return Ok(Type::Enum(known));
        }
        (Type::Option(plan), types::Type::Option(ty)) => {
            return Ok(Type::Option(Box::new(fit(plan, &ty.ty(), way)?)));
        }
        (Type::List(plan), types::Type::List(ty)) => {
            let item = fit(plan, &ty.ty(), way).map_err(|difference| difference.within("[]"))?;
            return Ok(Type::List(Box::new(item)));
        }
        (Type::Map(plan), ty) => return Ok(Type::Map(Box::new(map(plan, ty, way)?))),
        (Type::Tuple(plans), types::Type::Tuple(ty)) if plans.len() == ty.types().len() => {
            let fitted = plans
                .iter()
                .zip(ty.types())
                .enumerate()
                .map(|(at, (plan, ty))| {
                    fit(plan, &ty, way).map_err(|difference| difference.within(&format!("[{at}]")))
                });
            return Ok(Type::Tuple(fitted.collect::<Result<_, _>>()?));
        }
        (Type::Record(plan), types::Type::Record(ty)) => {
            return Ok(Type::Record(record(plan, ty, way, false)?));
        }
        (Type::Variant(plan), types::Type::Variant(ty)) => return variant(plan, ty, way),
        pair => pair,
    };
    Err(Difference::kinds(&described(pair.1), planned(pair.0)))
}

/// `list<tuple<string, T>>`, and what `T` is.
fn map(plan: &Type, ty: &types::Type, way: Way) -> Result<Type, Difference> {
    let other = || Difference::kinds(&described(ty), "a list of pairs");
    let types::Type::List(list) = ty else {
        return Err(other());
    };
    let types::Type::Tuple(pair) = list.ty() else {
        return Err(other());
    };
    let mut pair = pair.types();
    match (pair.next(), pair.next(), pair.next()) {
        (Some(types::Type::String), Some(value), None) => {
            fit(plan, &value, way).map_err(|difference| difference.within("[]"))
        }
        _ => Err(other()),
    }
}

/// `all_optional` is the record of the optional parameters.
fn record(
    plan: &Record,
    ty: &types::Record,
    way: Way,
    all_optional: bool,
) -> Result<Record, Difference> {
    let mut fitted = Record {
        constants: plan.constants.clone(),
        ..Record::default()
    };
    for field in ty.fields() {
        if let Some(known) = plan.fields.iter().find(|known| known.name == field.name) {
            let ty = match (known.required, &field.ty) {
                (true, ty) => fit(&known.ty, ty, way),
                (false, types::Type::Option(ty)) => fit(&known.ty, &ty.ty(), way),
                (false, ty) => Err(Difference::kinds(&described(ty), "an option")),
            };
            let ty = ty.map_err(|difference| difference.within(field.name))?;
            fitted.fields.push(Field {
                ty,
                ..known.clone()
            });
        } else if let Some(rest) = plan.rest.as_ref().filter(|rest| rest.name == field.name) {
            let ty = match (all_optional, &field.ty) {
                (true, types::Type::Option(ty)) => map(&rest.ty, &ty.ty(), way),
                (true, ty) => Err(Difference::kinds(&described(ty), "an option")),
                (false, ty) => map(&rest.ty, ty, way),
            };
            let mut rest = rest.clone();
            rest.ty = ty.map_err(|difference| difference.within(field.name))?;
            fitted.rest = Some(rest);
        } else {
            return Err(Difference::new(format!(
                "there is no field `{}` any more",
                field.name
            )));
        }
    }
    let is_there = |field: &&Field| fitted.fields.iter().any(|known| known.name == field.name);
    // Beside a field for all other keys, a field that is left out would turn
    // up there.
    let is_needed = |field: &&Field| way == Way::Out && field.required || fitted.rest.is_some();
    match plan
        .fields
        .iter()
        .filter(is_needed)
        .find(|field| !is_there(field))
    {
        Some(field) => Err(Difference::new(format!(
            "the field `{}` is missing",
            field.name
        ))),
        None => Ok(fitted),
    }
}

fn variant(plan: &[Alternative], ty: &types::Variant, way: Way) -> Result<Type, Difference> {
    if let Some(case) = ty
        .cases()
        .find(|case| !plan.iter().any(|known| known.name == case.name))
    {
        return Err(Difference::new(format!(
            "there is no case `{}` any more",
            case.name
        )));
    }
    let mut fitted = Vec::new();
    // In the order of the plan: which alternative a value is depends on it.
    for known in plan {
        let Some(case) = ty.cases().find(|case| case.name == known.name) else {
            continue;
        };
        let ty = match (known.payload(), &case.ty) {
            (None, None) => known.ty.clone(),
            (Some(plan), Some(ty)) => {
                fit(plan, ty, way).map_err(|difference| difference.within(case.name))?
            }
            (None, Some(_)) => {
                return Err(Difference::new(format!(
                    "the case `{}` holds nothing any more",
                    case.name
                )));
            }
            (Some(_), None) => {
                return Err(Difference::new(format!(
                    "the case `{}` holds a value now",
                    case.name
                )));
            }
        };
        fitted.push(Alternative {
            name: known.name.clone(),
            ty,
        });
    }
    Ok(Type::Variant(fitted))
}

impl Difference {
    fn new(what: String) -> Self {
        Self {
            path: Vec::new(),
            what,
        }
    }

    fn kinds(built_with: &str, now: &str) -> Self {
        Self::new(format!(
            "it was built with {built_with} where the server has {now}"
        ))
    }

    fn within(mut self, step: &str) -> Self {
        self.path.push(step.to_owned());
        self
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some((first, rest)) = self.path.split_last() {
            write!(f, "in `{first}")?;
            for step in rest.iter().rev() {
                let dot = if step.starts_with('[') { "" } else { "." };
                write!(f, "{dot}{step}")?;
            }
            f.write_str("`: ")?;
        }
        f.write_str(&self.what)
    }
}

fn planned(plan: &Type) -> &'static str {
    match plan {
        Type::Json | Type::Text | Type::String => "`string`",
        Type::Boolean => "`bool`",
        Type::Integer => "`s64`",
        Type::Number => "`f64`",
        Type::Enum(_) => "an enum",
        Type::Option(_) => "an option",
        Type::List(_) => "a list",
        Type::Map(_) => "a list of pairs",
        Type::Tuple(_) => "another tuple",
        Type::Record(_) => "a record",
        Type::Variant(_) => "a variant",
        Type::Constant(_) => "nothing",
    }
}

fn described(ty: &types::Type) -> String {
    match ty {
        types::Type::String => "`string`".into(),
        types::Type::Bool => "`bool`".into(),
        types::Type::S64 => "`s64`".into(),
        types::Type::Float64 => "`f64`".into(),
        types::Type::Enum(_) => "an enum".into(),
        types::Type::Option(_) => "an option".into(),
        types::Type::List(_) => "a list".into(),
        types::Type::Tuple(_) => "a tuple".into(),
        types::Type::Record(_) => "a record".into(),
        types::Type::Variant(_) => "a variant".into(),
        _ => "another type".into(),
    }
}
