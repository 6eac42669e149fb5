//! Values both ways, honest and hostile, by plans as the stubs crate makes them.

use serde_json::{Value, json};
use stubs::names::tool_names;
use stubs::tool::{Server, Tool};
use stubs::wit::{Arguments, ERROR_KINDS, Type, interface};
use wasmtime::component::Val;

use super::fit::Parameter;
use super::{kind_name, lift, lower, package};
use contract::message::CallErrorKind;

/// The plan of a tool `t`.
fn plan(input: Value, output: Option<Value>) -> (Arguments, Type) {
    let names = tool_names(["t"]);
    let tool = Tool {
        name: "t",
        names: &names[0],
        title: "",
        description: "",
        input: &input,
        output: output.as_ref(),
        is_wrapped: false,
    };
    let server = Server {
        name: "s",
        identifier: "s",
        title: "",
        version: "",
        instructions: "",
    };
    let function = interface(&server, &[tool]).functions.remove(0);
    (function.arguments, function.result)
}

fn result_type(schema: Value) -> Type {
    plan(json!({}), Some(schema)).1
}

fn object(properties: Value) -> Value {
    let required: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The parameters as a component knows them that knows all of them.
fn parameters(arguments: Arguments) -> Vec<Parameter> {
    match arguments {
        Arguments::Json(_) => vec![Parameter::Json],
        Arguments::Fields { required, options } => {
            let required = required.into_iter().map(Parameter::Field);
            required
                .chain(options.map(|options| Parameter::Options(options.record)))
                .collect()
        }
    }
}

fn lowered(input: Value, values: &[Val]) -> Result<Value, String> {
    let text = lower::arguments(&parameters(plan(input, None).0), values)
        .map_err(|unfit| unfit.to_string())?;
    Ok(serde_json::from_str(&text).expect("what is sent is JSON"))
}

fn lifted(schema: Value, value: &Value) -> Result<Val, String> {
    lift::result(&result_type(schema), &value.to_string()).map_err(|unfit| unfit.to_string())
}

fn some(value: Val) -> Val {
    Val::Option(Some(Box::new(value)))
}

fn text(text: &str) -> Val {
    Val::String(text.into())
}

#[test]
fn absent_null_and_given_are_three_things() {
    let nullable = json!({ "type": ["integer", "null"] });
    let input = json!({
        "type": "object",
        "properties": { "a": nullable, "b": nullable, "issueNumber": { "type": "integer" } },
        "required": ["a"],
    });
    let options = |b: Val, number: Val| {
        some(Val::Record(vec![
            ("b".into(), b),
            ("issue-number".into(), number),
        ]))
    };
    let none = || Val::Option(None);
    let sent = |a, options| lowered(input.clone(), &[a, options]).unwrap();
    assert_eq!(sent(none(), none()), json!({ "a": null }));
    assert_eq!(
        sent(some(Val::S64(1)), options(none(), none())),
        json!({ "a": 1 })
    );
    assert_eq!(
        sent(none(), options(some(Val::S64(2)), some(Val::S64(i64::MIN)))),
        json!({ "a": null, "b": 2, "issueNumber": i64::MIN })
    );
}

#[test]
fn numbers_are_sent_as_people_write_them() {
    let input = object(json!({ "n": { "type": "number" } }));
    for (number, written) in [
        (3.0, "{\"n\":3}"),
        (0.1, "{\"n\":0.1}"),
        (-2.5e300, "{\"n\":-2.5e+300}"),
    ] {
        let plan = parameters(plan(input.clone(), None).0);
        assert_eq!(
            lower::arguments(&plan, &[Val::Float64(number)]).unwrap(),
            written
        );
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = lowered(input.clone(), &[Val::Float64(number)]).unwrap_err();
        assert_eq!(error, format!("at `n`: {number} is no number in JSON"));
    }
}

#[test]
fn keys_that_a_component_chooses_replace_nothing() {
    let pair = |key: &str, value: Val| Val::Tuple(vec![text(key), value]);
    let map =
        object(json!({ "m": { "type": "object", "additionalProperties": { "type": "integer" } } }));
    let sent = lowered(
        map.clone(),
        &[Val::List(vec![
            pair("a\"\n", Val::S64(1)),
            pair("", Val::S64(2)),
        ])],
    );
    assert_eq!(sent.unwrap(), json!({ "m": { "a\"\n": 1, "": 2 } }));
    let twice = lowered(
        map,
        &[Val::List(vec![
            pair("a", Val::S64(1)),
            pair("a", Val::S64(2)),
        ])],
    );
    assert_eq!(twice.unwrap_err(), "at `m`: the key `a` is there twice");

    let open = json!({ "type": "object", "properties": { "to": { "type": "string" } }, "additionalProperties": { "type": "string" } });
    let options = |key: &str| {
        let others = Val::List(vec![pair(key, text("x"))]);
        some(Val::Record(vec![
            ("to".into(), some(text("y"))),
            ("other-fields".into(), some(others)),
        ]))
    };
    assert_eq!(
        lowered(open.clone(), &[options("cc")]).unwrap(),
        json!({ "to": "y", "cc": "x" })
    );
    assert_eq!(
        lowered(open, &[options("to")]).unwrap_err(),
        "at `options.other-fields`: the key `to` is there twice"
    );
}

#[test]
fn json_text_is_json_and_nothing_more() {
    let input = object(json!({ "filter": {} }));
    let sent = |text: &str| lowered(input.clone(), &[Val::String(text.into())]);
    assert_eq!(
        sent(" {\"a\": [1, null]} ").unwrap(),
        json!({ "filter": { "a": [1, null] } })
    );
    for broken in ["", "}", "1,\"evil\":2", "{\"a\":1}{", "nul"] {
        assert!(
            sent(broken)
                .unwrap_err()
                .starts_with("at `filter`: the text is not JSON"),
            "{broken}"
        );
    }
}

#[test]
fn arguments_are_bounded() {
    let input = object(json!({ "list": { "type": "array", "items": { "type": "string" } } }));
    let values = |count: usize| [Val::List(vec![text(&"x".repeat(1 << 20)); count])];
    assert!(lowered(input.clone(), &values(7)).is_ok());
    let error = lowered(input, &values(9)).unwrap_err();
    assert_eq!(
        error,
        "at `list.[8]`: they are longer than 8388608 bytes as JSON".replace(".[8]", "[7]")
    );
}

#[test]
fn a_result_that_does_not_fit_says_where_and_what() {
    let schema = object(json!({ "rows": { "type": "array", "items": object(json!({
        "id": { "type": "integer" },
        "state": { "enum": ["open", "closed"] },
    })) } }));
    let row = |id: Value, state: Value| json!({ "rows": [{ "id": 1, "state": "open", "more": 1 }, { "id": id, "state": state }] });
    assert!(lifted(schema.clone(), &row(json!(2.0), json!("closed"))).is_ok());
    for (value, expected) in [
        (
            row(json!("2"), json!("open")),
            "at `rows[1].id`: it is a text and not an integer",
        ),
        (
            row(json!(2.5), json!("open")),
            "at `rows[1].id`: 2.5 is no `s64`",
        ),
        (
            row(json!(u64::MAX), json!("open")),
            "at `rows[1].id`: 18446744073709551615 is no `s64`",
        ),
        (
            row(json!(2), json!("o\u{1b}pen")),
            "at `rows[1].state`: `o\u{fffd}pen` is none of `open`, `closed`",
        ),
        (
            row(Value::Null, json!("open")),
            "at `rows[1].id`: it is `null` and not an integer",
        ),
        (json!({}), "at `rows`: it is missing"),
        (json!([]), "it is a list and not an object"),
    ] {
        assert_eq!(lifted(schema.clone(), &value).unwrap_err(), expected);
    }
    assert_eq!(
        lift::result(&result_type(schema), "{")
            .map_err(|unfit| unfit.to_string())
            .unwrap_err(),
        "it is not JSON: a key in double quotes is expected at byte 1"
    );
}

#[test]
fn a_value_is_the_alternative_that_knows_all_of_it() {
    let member = |kind: &str, field: &str| {
        object(json!({ "kind": { "const": kind }, field: { "type": "string" } }))
    };
    let told = json!({ "anyOf": [member("text", "text"), member("image", "url"), { "type": "number" }, { "type": "null" }] });
    let name = |value: Value| match lifted(told.clone(), &value) {
        Ok(Val::Option(Some(variant))) => match *variant {
            Val::Variant(name, Some(_)) => name,
            other => panic!("{other:?}"),
        },
        Ok(Val::Option(None)) => "none".into(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        name(json!({ "kind": "image", "url": "u", "extra": 1 })),
        "image"
    );
    assert_eq!(name(json!({ "kind": "text", "text": "t" })), "text");
    assert_eq!(name(json!(1)), "number");
    assert_eq!(name(Value::Null), "none");
    assert_eq!(
        lifted(told, &json!({ "kind": "sound" })).unwrap_err(),
        "it fits none of `text`, `image`, `number`"
    );
    // Both would do for the second; the first does not know all its keys.
    let optional =
        |field: &str| json!({ "type": "object", "properties": { field: { "type": "string" } } });
    let open = json!({ "anyOf": [optional("a"), optional("b")] });
    let Ok(Val::Variant(_, Some(record))) = lifted(open, &json!({ "b": "x" })) else {
        panic!("a variant");
    };
    assert_eq!(*record, Val::Record(vec![("b".into(), some(text("x")))]));
}

#[test]
fn results_are_bounded_in_size_and_work() {
    let list = json!({ "type": "array", "items": { "type": "boolean" } });
    let values = |count: usize| Value::from(vec![true; count]);
    assert!(lifted(list.clone(), &values(200_000)).is_ok());
    assert_eq!(
        lifted(list, &values(250_000)).unwrap_err(),
        "it holds more than 250000 values; ask for less at a time"
    );
    // Brackets and commas in texts are no values.
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    assert!(lifted(texts, &json!(["[,{\"".repeat(100_000)])).is_ok());

    // Rows that are always the last of many alternatives.
    let alternative = |n: usize| {
        let x = if n < 29 { "integer" } else { "string" };
        object(json!({ "x": { "type": x }, format!("f{n}"): { "type": "integer" } }))
    };
    let alternatives: Vec<_> = (0..30).map(alternative).collect();
    let schema = json!({ "type": "array", "items": { "anyOf": alternatives } });
    let rows = |count: usize| Value::from(vec![json!({ "x": "", "f29": 1 }); count]);
    assert!(lifted(schema.clone(), &rows(1_000)).is_ok());
    let error = lifted(schema, &rows(40_000)).unwrap_err();
    assert!(
        error.ends_with("too many alternatives would have to be tried"),
        "{error}"
    );
}

#[test]
fn what_is_not_declared_is_text_or_json_text() {
    let (_, undeclared) = plan(json!({}), None);
    for (json, expected) in [
        ("\"a\\nb\"", "a\nb"),
        ("{\"a\": 1}", "{\"a\": 1}"),
        ("null", "null"),
        ("\"{}\"", "{}"),
    ] {
        assert_eq!(lift::result(&undeclared, json).unwrap(), text(expected));
    }
    let mixed = result_type(json!({ "enum": ["a", 1] }));
    assert_eq!(mixed, Type::Json);
    assert_eq!(lift::result(&mixed, "\"a\"").unwrap(), text("\"a\""));
}

#[test]
fn a_server_is_known_by_the_name_of_the_import() {
    assert_eq!(package("mcp:my-github/tools"), Some("my-github"));
    assert_eq!(package("mcp:time/tools@1.2.3"), Some("time"));
    for other in [
        "mcp:time/types",
        "wasi:cli/run@0.2.0",
        "acme:time/tools",
        "tools",
        "",
    ] {
        assert_eq!(package(other), None, "{other}");
    }
}

#[test]
fn every_kind_of_error_is_in_the_interface() {
    for kind in [
        CallErrorKind::Failed,
        CallErrorKind::InvalidArguments(Vec::new()),
        CallErrorKind::UnknownTool(Vec::new()),
        CallErrorKind::Denied,
        CallErrorKind::Unavailable,
        CallErrorKind::TimedOut,
        CallErrorKind::OutcomeUnknown,
        CallErrorKind::Cancelled,
        CallErrorKind::Limit,
    ] {
        let name = kind_name(&kind);
        assert!(
            ERROR_KINDS.iter().any(|(known, _)| *known == name),
            "{name}"
        );
    }
}
