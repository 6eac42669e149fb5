//! The text as a reader of WIT sees it, over honest and hostile definitions.

use proptest::prelude::*;
use serde_json::{Value, json};
use wit_parser::{Resolve, Type as Parsed, TypeDefKind};

use super::{Alternative, Arguments, Case, Field, Interface, Record, Type, interface};
use crate::names::{server_identifier, tool_names};
use crate::tool::{Server, Tool};

/// A tool: name, description, schema of the arguments, schema of the result.
type Definition<'a> = (&'a str, &'a str, Value, Option<Value>);

fn written(server: &str, tools: &[Definition<'_>]) -> Interface {
    let names = tool_names(tools.iter().map(|(name, ..)| *name));
    let tools: Vec<_> = tools
        .iter()
        .zip(&names)
        .map(|((name, description, input, output), names)| Tool {
            name,
            names,
            title: "",
            description,
            input,
            output: output.as_ref(),
            is_wrapped: false,
        })
        .collect();
    let identifier = server_identifier(server);
    let server = Server {
        name: server,
        identifier: &identifier,
        title: server,
        version: server,
        instructions: server,
    };
    interface(&server, &tools)
}

/// Reads the text, and checks that it says what the plan says.
#[track_caller]
fn checked(interface: &Interface) -> Resolve {
    let mut resolve = Resolve::default();
    let package = match resolve.push_str("tools.wit", &interface.text) {
        Ok(package) => package,
        Err(error) => panic!("{error:?}\n{}", interface.text),
    };
    let package = &resolve.packages[package];
    assert_eq!(package.name.namespace, "mcp");
    assert_eq!(package.name.name, interface.package);
    assert_eq!((package.interfaces.len(), package.worlds.len()), (1, 0));
    let parsed = &resolve.interfaces[package.interfaces["tools"]];
    assert_eq!(parsed.functions.len(), interface.functions.len());
    for (function, (name, parsed)) in interface.functions.iter().zip(&parsed.functions) {
        assert_eq!(function.name, *name);
        let mut expected = Vec::new();
        match &function.arguments {
            Arguments::Json(name) => expected.push((name.clone(), None, false)),
            Arguments::Fields { required, options } => {
                for field in required {
                    expected.push((field.name.clone(), Some(field.ty.clone()), false));
                }
                if let Some(options) = options {
                    let record = Type::Record(options.record.clone());
                    expected.push((options.name.clone(), Some(record), true));
                }
            }
        }
        assert_eq!(expected.len(), parsed.params.len(), "{name}");
        for ((name, ty, is_option), parsed) in expected.iter().zip(&parsed.params) {
            assert_eq!(*name, parsed.name);
            let ty = ty.clone().unwrap_or(Type::Json);
            let ty = if *is_option {
                Type::Option(Box::new(ty))
            } else {
                ty
            };
            same(&resolve, &ty, &parsed.ty, *is_option);
        }
        let Some(Parsed::Id(result)) = parsed.result else {
            panic!("{name} has no result");
        };
        let TypeDefKind::Result(result) = &resolve.types[result].kind else {
            panic!("{name} gives no result");
        };
        same(&resolve, &function.result, &result.ok.unwrap(), false);
        let Some(Parsed::Id(error)) = result.err else {
            panic!("{name} has no error");
        };
        assert_eq!(resolve.types[error].name.as_deref(), Some("tool-error"));
    }
    resolve
}

#[track_caller]
fn same(resolve: &Resolve, plan: &Type, parsed: &Parsed, all_optional: bool) {
    let kind = match parsed {
        Parsed::Id(id) => &resolve.types[*id].kind,
        _ => &TypeDefKind::Type(*parsed),
    };
    match (plan, kind) {
        (plan, TypeDefKind::Type(aliased @ Parsed::Id(_))) => {
            same(resolve, plan, aliased, all_optional)
        }
        (Type::Json | Type::Text | Type::String, TypeDefKind::Type(Parsed::String))
        | (Type::Boolean, TypeDefKind::Type(Parsed::Bool))
        | (Type::Integer, TypeDefKind::Type(Parsed::S64))
        | (Type::Number, TypeDefKind::Type(Parsed::F64)) => {}
        (Type::Enum(cases), TypeDefKind::Enum(parsed)) => {
            let names: Vec<_> = parsed.cases.iter().map(|case| case.name.as_str()).collect();
            assert_eq!(
                cases
                    .iter()
                    .map(|case| case.name.as_str())
                    .collect::<Vec<_>>(),
                names
            );
        }
        (Type::Option(plan), TypeDefKind::Option(parsed)) => {
            same(resolve, plan, parsed, all_optional)
        }
        (Type::List(plan), TypeDefKind::List(parsed)) => same(resolve, plan, parsed, false),
        (Type::Map(plan), TypeDefKind::List(parsed)) => {
            same(
                resolve,
                &Type::Tuple(vec![Type::String, (**plan).clone()]),
                parsed,
                false,
            );
        }
        (Type::Tuple(plans), TypeDefKind::Tuple(parsed)) => {
            assert_eq!(plans.len(), parsed.types.len());
            for (plan, parsed) in plans.iter().zip(&parsed.types) {
                same(resolve, plan, parsed, false);
            }
        }
        (Type::Record(plan), TypeDefKind::Record(parsed)) => {
            let mut fields: Vec<(String, Type)> = Vec::new();
            for field in &plan.fields {
                let ty = if field.required {
                    field.ty.clone()
                } else {
                    Type::Option(Box::new(field.ty.clone()))
                };
                fields.push((field.name.clone(), ty));
            }
            if let Some(rest) = &plan.rest {
                let ty = Type::Map(Box::new(rest.ty.clone()));
                let ty = if all_optional {
                    Type::Option(Box::new(ty))
                } else {
                    ty
                };
                fields.push((rest.name.clone(), ty));
            }
            assert_eq!(fields.len(), parsed.fields.len());
            for ((name, ty), parsed) in fields.iter().zip(&parsed.fields) {
                assert_eq!(*name, parsed.name);
                same(resolve, ty, &parsed.ty, false);
            }
        }
        (Type::Variant(plan), TypeDefKind::Variant(parsed)) => {
            assert_eq!(plan.len(), parsed.cases.len());
            for (plan, parsed) in plan.iter().zip(&parsed.cases) {
                assert_eq!(plan.name, parsed.name);
                match (plan.payload(), &parsed.ty) {
                    (None, None) => {}
                    (Some(plan), Some(parsed)) => same(resolve, plan, parsed, false),
                    other => panic!("{other:?}"),
                }
            }
        }
        other => panic!("the plan and the text differ: {other:?}"),
    }
}

/// The plan and the text of a tool `t` that gives this.
fn result(schema: Value) -> (Type, String) {
    let interface = written("s", &[("t", "", json!({}), Some(schema))]);
    checked(&interface);
    let start = interface.text.find("    t: func").unwrap();
    let end = interface.text.find("\n    /// A call without").unwrap();
    (
        interface.functions[0].result.clone(),
        interface.text[start..end].trim_end().to_owned(),
    )
}

#[test]
fn an_interface_reads_like_one_written_by_hand() {
    let input = json!({
        "type": "object",
        "properties": {
            "owner": {"type": "string", "description": "Whose"},
            "labels": {"type": "array", "items": {"type": "string"}},
            "state": {"enum": ["open", "all closed"], "default": "open", "description": "Which"},
            "perPage": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
        "required": ["owner"],
    });
    let output = json!({
        "type": "object",
        "properties": {"issues": {"type": "array", "items": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "type": {"type": ["string", "null"]}},
            "required": ["id", "type"],
        }}},
        "required": ["issues"],
    });
    let interface = written(
        "my-GitHub",
        &[("list-issues", "Lists issues.", input, Some(output))],
    );
    checked(&interface);
    let expected = r#"    /// Lists issues.
    /// - `owner`: Whose
    list-issues: func(
        owner: string,
        options: option<list-issues-options>,
    ) -> result<list-issues-result, tool-error>;

    enum state {
        open,
        all-closed,
    }

    record list-issues-options {
        labels: option<list<string>>,
        /// Which. Default: `"open"`.
        state: option<state>,
        per-page: option<s64>,
    }

    record issue {
        id: s64,
        %type: option<string>,
    }

    record list-issues-result {
        issues: list<issue>,
    }

    /// A call without a result.
"#;
    assert!(interface.text.contains(expected), "{}", interface.text);
}

#[test]
fn unions_are_variants_and_what_tells_them_apart_is_no_field() {
    let schema = json!({"anyOf": [
        {"type": "object", "properties": {"kind": {"const": "text"}, "text": {"type": "string"}}, "required": ["kind", "text"]},
        {"type": "object", "properties": {"kind": {"const": "end"}}, "required": ["kind"]},
        {"type": "array", "items": {"type": "number"}},
        {"const": "auto"},
    ]});
    let (plan, text) = result(schema);
    let constant = |value: &str| vec![("kind".to_owned(), Value::from(value))];
    let record = Record {
        fields: vec![Field {
            name: "text".into(),
            key: "text".into(),
            required: true,
            ty: Type::String,
        }],
        constants: constant("text"),
        rest: None,
    };
    let Type::Variant(alternatives) = plan else {
        panic!("{plan:?}");
    };
    let find = |name: &str| {
        alternatives
            .iter()
            .find(|known| known.name == name)
            .unwrap()
    };
    assert_eq!(find("text").ty, Type::Record(record));
    assert_eq!(find("end").payload(), None);
    assert_eq!(
        find("list"),
        &Alternative {
            name: "list".into(),
            ty: Type::List(Box::new(Type::Number))
        }
    );
    assert_eq!(find("auto").ty, Type::Constant("auto".into()));
    assert!(
        text.contains("        end,\n") && text.contains("        auto,\n"),
        "{text}"
    );
}

#[test]
fn what_wit_cannot_say_is_json() {
    for schema in [
        json!({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}}}),
        json!({"anyOf": [{"type": "string"}, {"type": "object"}]}),
        json!({"enum": ["a", 1]}),
    ] {
        let (plan, _) = result(schema.clone());
        let is_json = |ty: &Type| matches!(ty, Type::Json);
        let contains = match &plan {
            Type::Variant(alternatives) => alternatives
                .iter()
                .any(|known| matches!(&known.ty, Type::Map(ty) if is_json(ty))),
            plan => is_json(plan),
        };
        assert!(contains, "{schema}: {plan:?}");
    }
    assert_eq!(
        result(json!({"type": "object", "additionalProperties": {"type": "integer"}})).0,
        Type::Map(Box::new(Type::Integer))
    );
    assert_eq!(
        result(json!({"enum": ["b", "B", null]})).0,
        Type::Option(Box::new(Type::Enum(vec![
            Case {
                name: "b".into(),
                value: "b".into()
            },
            Case {
                name: result_case(),
                value: "B".into()
            },
        ])))
    );
}

fn result_case() -> String {
    let (Type::Option(inner), _) = result(json!({"enum": ["b", "B", null]})) else {
        panic!("an option");
    };
    let Type::Enum(cases) = *inner else {
        panic!("an enum");
    };
    assert!(cases[1].name.starts_with("b-x"), "{cases:?}");
    cases[1].name.clone()
}

#[test]
fn the_same_type_has_one_name_and_another_has_another() {
    let item = |extra: &str| {
        json!({"type": "object", "properties": {"items": {"type": "array", "items": {
        "type": "object", "properties": {"id": {"type": "integer"}, extra: {"type": "string"}}}}}})
    };
    let interface = written(
        "s",
        &[
            ("a", "", json!({}), Some(item("x"))),
            ("b", "", json!({}), Some(item("x"))),
            ("c", "", json!({}), Some(item("y"))),
        ],
    );
    checked(&interface);
    assert_eq!(
        interface.text.matches("record item {").count(),
        1,
        "{}",
        interface.text
    );
    assert_eq!(
        interface.text.matches("record c-item {").count(),
        1,
        "{}",
        interface.text
    );
}

#[test]
fn large_definitions_are_bounded() {
    let wide = json!({"type": "object", "properties": (0..5000).map(|n| (format!("p{n}"), json!({"type": "string", "description": "x".repeat(5000)}))).collect::<serde_json::Map<_, _>>()});
    let mut deep = json!({"type": "string"});
    for _ in 0..200 {
        deep = json!({"type": "object", "properties": {"a": deep.clone(), "b": {"type": "array", "items": deep}}});
        if deep.to_string().len() > 1 << 16 {
            break;
        }
    }
    let mut definitions = serde_json::Map::new();
    for n in 0..60 {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        definitions.insert(format!("d{n}"), json!({"anyOf": [{"type": "object", "properties": {"a": next, "b": next}}, {"type": "array", "items": next}]}));
    }
    definitions.insert("d60".into(), json!({"type": "string"}));
    let doubling = json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": definitions});
    let tools: Vec<_> = (0..150).map(|n| format!("tool_{n}")).collect();
    let tools: Vec<Definition<'_>> = tools
        .iter()
        .enumerate()
        .map(|(n, name)| {
            (
                name.as_str(),
                "d",
                [&wide, &deep, &doubling][n % 3].clone(),
                Some(doubling.clone()),
            )
        })
        .collect();
    let interface = written("s", &tools);
    assert!(interface.text.len() < 32 << 20, "{}", interface.text.len());
    checked(&interface);
}

/// Names and texts that mean something to somebody.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "",
            " ",
            "type",
            "record",
            "tool-error",
            "tool_error_kind",
            "json",
            "options",
            "result",
            "from",
            "self",
            "list",
            "a",
            "A",
            "a-b",
            "a_b",
            "aB",
            "3",
            "3d",
            "v1_2",
            "é",
            "日本",
            "*/",
            "/*",
            "//",
            "///",
            "\"\"\"",
            "'''",
            "a\nb",
            "a\r\nb",
            "}\n\nworld evil {}",
            "*/ evil: func();",
            "\u{202e}",
            "\u{0}",
            "\u{1b}[2J",
            "\\",
            "`",
            "%",
            "\u{2028}evil: func();",
            "other-fields",
            "x\n    evil: func();\n///",
            "\u{149}",
            "\u{17b4}",
            "\u{feff}",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,40}",
        any::<String>(),
        "[a-zA-Z0-9_-]{1,90}",
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        proptest::sample::select(vec![
            "string", "integer", "number", "boolean", "null", "object", "array"
        ])
        .prop_map(|ty| json!({"type": ty})),
        proptest::collection::vec(hostile(), 0..5).prop_map(|values| json!({"enum": values})),
        hostile().prop_map(|value| json!({"const": value})),
        Just(json!({"enum": [1, 2, null]})),
        Just(json!({"enum": ["a", 2]})),
        (0..4usize).prop_map(|n| json!({"$ref": format!("#/$defs/d{n}")})),
        Just(json!({"$ref": "#"})),
        Just(json!({})),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let fields = proptest::collection::vec((hostile(), inner.clone(), any::<bool>(), hostile()), 0..5);
        let object = (fields, proptest::option::of(inner.clone())).prop_map(|(fields, rest)| {
            let required: Vec<_> = fields.iter().filter(|(_, _, required, _)| *required).map(|(name, ..)| name.clone()).collect();
            let mut object = json!({"type": "object", "required": required});
            for (name, mut schema, _, description) in fields {
                if let Value::Object(schema) = &mut schema {
                    schema.insert("default".into(), description.clone().into());
                    schema.insert("description".into(), description.into());
                }
                object["properties"][name] = schema;
            }
            if let Some(rest) = rest {
                object["additionalProperties"] = rest;
            }
            object
        });
        prop_oneof![
            3 => object,
            1 => inner.clone().prop_map(|item| json!({"type": "array", "items": item})),
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| json!({"type": "array", "prefixItems": items, "items": false})),
            1 => inner.clone().prop_map(|value| json!({"type": "object", "additionalProperties": value})),
            2 => (proptest::collection::vec(inner, 0..4), any::<bool>()).prop_map(|(members, any_of)| {
                json!({(if any_of { "anyOf" } else { "oneOf" }): members})
            }),
        ]
    })
}

fn with_definitions() -> impl Strategy<Value = Value> {
    (
        schema(),
        proptest::collection::vec((hostile(), schema()), 0..4),
    )
        .prop_map(|(mut root, definitions)| {
            if let Value::Object(root) = &mut root {
                let named = definitions
                    .into_iter()
                    .enumerate()
                    .map(|(n, (title, mut schema))| {
                        if let Value::Object(schema) = &mut schema {
                            schema.insert("title".into(), title.into());
                        }
                        (format!("d{n}"), schema)
                    });
                root.insert("$defs".into(), Value::Object(named.collect()));
            }
            root
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hostile_definitions_are_always_wit(
        server in hostile(),
        tools in proptest::collection::btree_map(hostile(), (hostile(), with_definitions(), proptest::option::of(with_definitions())), 0..6),
    ) {
        let tools: Vec<Definition<'_>> = tools
            .iter()
            .map(|(name, (description, input, output))| (name.as_str(), description.as_str(), input.clone(), output.clone()))
            .collect();
        let interface = written(&server, &tools);
        let resolve = checked(&interface);
        prop_assert!(!resolve.interfaces.iter().any(|(_, interface)| interface.functions.contains_key("evil")));
        for line in interface.text.lines() {
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            prop_assert!(!line.contains("*/") && !line.contains("\"\"\"") && !line.contains('\\'), "{line:?}");
        }
    }
}
