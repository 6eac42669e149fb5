use serde_json::json;

use super::*;

/// A type in a few characters.
fn shown(schema: &Schema, ty: &Type) -> String {
    let all = |types: &[Type], between: &str| {
        let types: Vec<_> = types.iter().map(|ty| shown(schema, ty)).collect();
        types.join(between)
    };
    match ty {
        Type::Any => "any".to_owned(),
        Type::Null => "null".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Integer => "int".to_owned(),
        Type::Number => "num".to_owned(),
        Type::String => "str".to_owned(),
        Type::Literals(values) => {
            let values: Vec<_> = values
                .iter()
                .map(|value| match value {
                    Literal::Null => "null".to_owned(),
                    Literal::Boolean(flag) => flag.to_string(),
                    Literal::Number(number) => number.to_string(),
                    Literal::String(text) => format!("{text:?}"),
                })
                .collect();
            values.join("|")
        }
        Type::Array(items) => format!("[{}]", shown(schema, items)),
        Type::Tuple(types) => format!("({})", all(types, ",")),
        Type::Map(values) => format!("map<{}>", shown(schema, values)),
        Type::Union(types) => all(types, "|"),
        Type::Reference(index) => format!("@{index}{}", schema.definitions[*index].name),
        Type::Object(object) => {
            let mut fields: Vec<_> = object
                .fields
                .iter()
                .map(|field| {
                    let mark = if field.required { "" } else { "?" };
                    format!("{}{mark}:{}", field.name, shown(schema, &field.ty))
                })
                .collect();
            fields.extend(
                object
                    .rest
                    .iter()
                    .map(|rest| format!("*:{}", shown(schema, rest))),
            );
            format!("{{{}}}", fields.join(","))
        }
    }
}

/// The whole schema: root, then definitions, then whether something is missing.
fn summary(schema: &Schema) -> String {
    let mut text = shown(schema, &schema.root);
    for (index, named) in schema.definitions.iter().enumerate() {
        text += &format!("; @{index}{}={}", named.name, shown(schema, &named.ty));
    }
    if schema.is_partial {
        text += "; partial";
    }
    text
}

#[track_caller]
fn check(schema: Value, expected: &str) {
    assert_eq!(summary(&Schema::read(&schema)), expected, "{schema}");
}

#[track_caller]
fn check_parameters(schema: Value, expected: &str) {
    assert_eq!(
        summary(&Schema::read_parameters(&schema)),
        expected,
        "{schema}"
    );
}

#[test]
fn plain_types_are_read() {
    check(json!(true), "any");
    check(json!({}), "any");
    check(json!({"type": "null"}), "null");
    check(json!({"type": "boolean"}), "bool");
    check(json!({"type": "integer", "minimum": 1}), "int");
    check(json!({"type": "number"}), "num");
    check(json!({"type": "string", "format": "uri"}), "str");
    check(
        json!({"type": "array", "items": {"type": "string"}}),
        "[str]",
    );
    check(json!({"type": "array"}), "[any]");
    check(json!({"items": {"type": "string"}}), "[str]");
    check(json!({"type": "object"}), "map<any>");
    check(
        json!({"type": "object", "additionalProperties": false}),
        "{}",
    );
    check(json!({"type": ["string", "null"]}), "str|null");
    check(json!({"type": ["null", "integer", "number"]}), "num|null");
    check(json!({"type": "string", "nullable": true}), "str|null");
}

#[test]
fn objects_are_read() {
    check(
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": true}, "required": ["a"]}),
        "{a:str,b?:any}",
    );
    check(json!({"properties": {"a": {"type": "string"}}}), "{a?:str}");
    check(
        json!({"properties": {"a": {}}, "additionalProperties": {"type": "integer"}}),
        "{a?:any,*:int}",
    );
    check(
        json!({"properties": {"a": {}}, "additionalProperties": true}),
        "{a?:any,*:any}",
    );
    check(
        json!({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}}}),
        "map<[num]>",
    );
    check(
        json!({"type": "object", "patternProperties": {"^x": {"type": "string"}, "^y": {"type": "null"}}}),
        "map<str|null>",
    );
    check(
        json!({"properties": {"forbidden": false, "b": {"type": "null"}}}),
        "{b?:null}",
    );
}

#[test]
fn enumerations_are_read() {
    check(json!({"enum": ["a", "b", "a"]}), r#""a"|"b""#);
    check(json!({"type": "string", "enum": ["a"]}), r#""a""#);
    check(json!({"const": 3}), "3");
    check(json!({"const": null}), "null");
    check(json!({"enum": ["a", null]}), r#""a"|null"#);
    check(
        json!({"enum": ["a", [1], {"b": 1}]}),
        r#""a"|[any]|map<any>"#,
    );
    check(
        json!({"anyOf": [{"const": "a"}, {"const": "b"}, {"type": "null"}]}),
        r#""a"|"b"|null"#,
    );
}

#[test]
fn long_enumerations_are_their_type() {
    let values: Vec<_> = (0..=MAX_LITERALS).map(|n| format!("v{n}")).collect();
    check(json!({"enum": values}), "str; partial");
    check(
        json!({"enum": (0..=MAX_LITERALS).collect::<Vec<_>>()}),
        "int; partial",
    );
    check(
        json!({"enum": ["a", "b".repeat(MAX_LITERAL + 1)]}),
        "str; partial",
    );
    let schema = Schema::read(&json!({"enum": values[..MAX_LITERALS]}));
    assert!(matches!(&schema.root, Type::Literals(v) if v.len() == MAX_LITERALS));
    assert!(!schema.is_partial);
}

#[test]
fn tuples_are_read() {
    let two = json!([{"type": "number"}, {"type": "string"}]);
    check(json!({"type": "array", "prefixItems": two}), "(num,str)");
    check(
        json!({"type": "array", "prefixItems": two, "items": false}),
        "(num,str)",
    );
    check(json!({"type": "array", "items": two}), "(num,str)");
    check(
        json!({"type": "array", "items": two, "additionalItems": {"type": "null"}}),
        "[num|str|null]",
    );
    check(json!({"type": "array", "prefixItems": []}), "[any]");
}

#[test]
fn alternatives_are_unions() {
    check(
        json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        "str|int",
    );
    check(json!({"oneOf": [{"type": "string"}, {}]}), "any");
    check(
        json!({"type": "string", "anyOf": [{"format": "uri"}, {"pattern": "^a"}]}),
        "str",
    );
    check(
        json!({"type": "object", "required": ["k"], "oneOf": [
            {"properties": {"k": {"const": "a"}, "x": {"type": "string"}}},
            {"properties": {"k": {"const": "b"}}, "required": ["k"]},
        ]}),
        r#"{k:"a",x?:str}|{k:"b"}"#,
    );
    // One list of fields is what a reader wants where most are shared.
    check(
        json!({"properties": {"a": {}}, "required": ["a", "b"], "anyOf": [
            {"required": ["a"]},
            {"properties": {"a": {"type": "null"}, "b": {"type": "string"}}},
        ]}),
        "{a:any,b?:str}",
    );
    check(
        json!({"properties": {"a": {}}, "if": {}, "then": {"properties": {"t": {"type": "null"}}}}),
        "{a?:any,t?:null}",
    );
    let many: Vec<_> = (0..=MAX_ALTERNATIVES)
        .map(|n| json!({"type": "array", "items": {"const": n}}))
        .collect();
    check(json!({"anyOf": many}), "any; partial");
}

#[test]
fn all_of_is_merged() {
    check(
        json!({"allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"type": "integer"}, "a": {"enum": ["x", "y"]}}},
        ]}),
        r#"{a:"x"|"y",b?:int}"#,
    );
    check(
        json!({"allOf": [{"type": "number"}, {"type": "integer"}]}),
        "int",
    );
    check(
        json!({"allOf": [{"type": ["string", "null"]}, {"type": ["null", "array"]}]}),
        "null",
    );
    // Contradictions have to be something.
    check(
        json!({"allOf": [{"type": "string"}, {"type": "integer"}]}),
        "str",
    );
    check(
        json!({"allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"b": {}}}],
               "$defs": {"Base": {"type": "object", "properties": {"a": {"type": "null"}}}}}),
        "{b?:any,a?:null}",
    );
}

#[test]
fn references_are_named_types() {
    check(
        json!({"type": "array", "items": {"$ref": "#/$defs/Item"},
               "$defs": {"Item": {"type": "object", "properties": {"n": {"type": "integer"}}}}}),
        "[@0Item]; @0Item={n?:int}",
    );
    check(
        json!({"$ref": "#/definitions/A", "definitions": {
            "A": {"$ref": "#/definitions/B"},
            "B": {"type": "object", "properties": {"a": {"$ref": "#/definitions/A"}}}}}),
        "@0B; @0B={a?:@0B}",
    );
    // Any pointer, also one with escapes; small ones need no name.
    check(
        json!({"properties": {"a/b ~c": {"type": "string"}, "d": {"$ref": "#/properties/a~1b%20~0c"}}}),
        "{a/b ~c?:str,d?:str}",
    );
    check(
        json!({"$defs": {"X": {"$anchor": "here", "enum": [1]}}, "$ref": "#here"}),
        "@0X; @0X=1",
    );
    check(
        json!({"definitions": {"X": {"$id": "x.json", "enum": [1]}}, "$ref": "x.json"}),
        "@0X; @0X=1",
    );
    check(
        json!({"properties": {"a": {"allOf": [{"$ref": "#/$defs/E"}], "default": "x", "nullable": true}},
               "$defs": {"E": {"enum": ["x", "y"]}}}),
        r#"{a?:@0E|null}; @0E="x"|"y""#,
    );
}

#[test]
fn what_is_referred_to_in_place_is_shared() {
    check(
        json!({"properties": {
            "header": {"anyOf": [{"type": "array", "items": {"enum": ["a", "b"]}}]},
            "footer": {"$ref": "#/properties/header"},
            "one": {"$ref": "#/properties/header/anyOf/0/items"}}}),
        r#"{header?:@0header,footer?:@0header,one?:@1header}; @0header=[@1header]; @1header="a"|"b""#,
    );
}

#[test]
fn recursion_is_a_reference() {
    check(
        json!({"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}),
        "@0; @0={next?:@0|null}",
    );
    check_parameters(
        json!({"type": "object", "properties": {"next": {"$ref": "#"}}}),
        "{next?:@0}; @0={next?:@0}",
    );
    check(
        json!({"$ref": "#/$defs/A", "$defs": {
            "A": {"type": "array", "items": {"$ref": "#/$defs/B"}},
            "B": {"type": "object", "additionalProperties": {"$ref": "#/$defs/A"}}}}),
        "@0A; @0A=[@1B]; @1B=map<@0A>",
    );
    check(
        json!({"$recursiveRef": "#", "type": "array", "items": {"$recursiveRef": "#"}}),
        "@0; @0=[@0]",
    );
    check(
        json!({"$dynamicAnchor": "n", "type": "array", "items": {"$dynamicRef": "#n"}}),
        "@0; @0=[@0]",
    );
}

#[test]
fn references_that_mean_nothing_are_any() {
    check(json!({"$ref": "#"}), "any; partial");
    check(json!({"$ref": "#/nowhere"}), "any; partial");
    check(
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        "any; partial",
    );
    check(
        json!({"allOf": [{"$ref": "#"}, {"$ref": "#/allOf/0"}]}),
        "any",
    );
    for reference in [
        "http://127.0.0.1:1/trap",
        "file:///etc/passwd",
        r"\\host\share",
        "other.json#/a",
        "",
        "%",
        "#%",
        "#/%zz",
    ] {
        check(
            json!({"type": "array", "items": {"$ref": reference}}),
            "[any]; partial",
        );
    }
    check(
        json!({"$ref": format!("#/{}", "x".repeat(1000))}),
        "any; partial",
    );
}

#[test]
fn unions_in_definitions_do_not_refer_to_themselves_bare() {
    check(
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}}}),
        "@0a; @0a=null; partial",
    );
    let schema = Schema::read(
        &json!({"$ref": "#/$defs/a", "$defs": {"a": {"oneOf": [{"$ref": "#/$defs/a"}]}}}),
    );
    schema.resolved(&schema.root);
    let schema = Schema::read(&json!({"$ref": "#/$defs/a", "$defs": {
        "a": {"oneOf": [{"$ref": "#/$defs/b"}]}, "b": {"oneOf": [{"$ref": "#/$defs/a"}]}}}));
    schema.resolved(&schema.root);
}

#[test]
fn rubbish_is_any() {
    for schema in [
        json!(null),
        json!([]),
        json!("x"),
        json!(7),
        json!({"type": 7}),
    ] {
        check(schema, "any; partial");
    }
    check(json!(false), "any");
    check(json!({"type": "str"}), "any; partial");
    check(json!({"type": []}), "any; partial");
    check(json!({"type": ["string", "text"]}), "any; partial");
    check(json!({"enum": []}), "any; partial");
    check(json!({"enum": "x"}), "any");
    check(
        json!({"type": "object", "required": "x", "properties": []}),
        "map<any>",
    );
    check(
        json!({"properties": {"a": 7, "b": {"type": "string", "required": true}}, "required": [1, "b"]}),
        "{a?:any,b:str}; partial",
    );
    check(json!({"allOf": 7, "type": "null"}), "null; partial");
    check(json!({"anyOf": {}, "type": "null"}), "null");
    check_parameters(json!(null), "{}; partial");
    check_parameters(json!({"type": "string"}), "{}");
}

#[test]
fn parameters_are_those_of_all_alternatives() {
    check_parameters(
        json!({"type": "object", "oneOf": [
            {"properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}, "a": {}}, "required": ["b"]},
        ]}),
        "{a?:str,b?:str}",
    );
    check_parameters(
        json!({"$ref": "#/$defs/Args", "$defs": {"Args": {"type": "object", "properties": {"a": {}}, "required": ["a"]}}}),
        "{a:any}",
    );
}

#[test]
fn fields_carry_what_their_type_does_not_say() {
    let schema = Schema::read(&json!({"properties": {
        "perPage": {"type": "integer", "title": "Per Page", "minimum": 1, "maximum": 100, "default": 30},
        "since": {"type": "string", "title": "Only newer", "format": "date-time", "minLength": 1},
        "ids": {"type": "array", "maxItems": 3, "description": " Which  ", "title": "T"},
        "old": {"exclusiveMinimum": 0, "maximum": 5, "exclusiveMaximum": true, "deprecated": true},
        "ref": {"$ref": "#/$defs/E", "description": "beside"},
        "big": {"default": "x".repeat(1000), "pattern": "x".repeat(1000)},
        "either": {"anyOf": [{"type": "null"}, {"type": "string", "description": "if it is one"}]},
        "each": {"type": "array", "items": {"type": "string", "description": "of each"}},
        "safe": {"type": "integer", "minimum": -9007199254740991i64, "maximum": 9007199254740991i64},
    }, "$defs": {"E": {"enum": ["x"], "description": "of the definition"}}}));
    let fields = &schema.object().unwrap().fields;
    let shown: Vec<_> = fields
        .iter()
        .map(|field| {
            let notes: Vec<_> = field.notes.iter().map(Note::to_string).collect();
            (
                field.description.as_str(),
                notes.join("; "),
                field.default.clone(),
            )
        })
        .collect();
    let expected = [
        ("", "1-100", Some(json!(30))),
        ("Only newer", "date-time; >=1 characters", None),
        ("Which", "<=3 items", None),
        ("", ">0, <5; deprecated", None),
        ("beside", "", None),
        ("", "", None),
        ("if it is one", "", None),
        ("of each", "", None),
        ("", "", None),
    ];
    let expected = expected.map(|(text, notes, default)| (text, notes.to_owned(), default));
    assert_eq!(shown, expected);
    assert_eq!(schema.definitions[0].description, "of the definition");
    assert!(schema.is_partial, "a default was left out");
}

/// Counts types, and checks the promises about them on the way.
fn types(schema: &Schema) -> usize {
    fn walk(ty: &Type, depth: usize, definitions: usize) -> usize {
        assert!(depth <= 2 * MAX_DEPTH, "nested too deep");
        let parts: Vec<&Type> = match ty {
            Type::Array(ty) | Type::Map(ty) => vec![ty],
            Type::Tuple(types) => types.iter().collect(),
            Type::Union(types) => {
                assert!(types.len() >= 2);
                assert!(
                    !types
                        .iter()
                        .any(|ty| matches!(ty, Type::Any | Type::Union(_)))
                );
                types.iter().collect()
            }
            Type::Object(object) => {
                let rest = object.rest.as_deref();
                object
                    .fields
                    .iter()
                    .map(|field| &field.ty)
                    .chain(rest)
                    .collect()
            }
            Type::Literals(values) => {
                assert!((1..=MAX_LITERALS * MAX_ALTERNATIVES).contains(&values.len()));
                Vec::new()
            }
            Type::Reference(index) => {
                assert!(*index < definitions);
                Vec::new()
            }
            _ => Vec::new(),
        };
        1 + parts
            .into_iter()
            .map(|ty| walk(ty, depth + 1, definitions))
            .sum::<usize>()
    }
    let definitions = schema.definitions.iter().map(|named| &named.ty);
    definitions
        .chain([&schema.root])
        .map(|ty| walk(ty, 0, schema.definitions.len()))
        .sum()
}

#[test]
fn bombs_stay_small() {
    let levels = 200;
    let exponential = |combine: &str| {
        let definitions: serde_json::Map<_, _> = (0..levels)
            .map(|n| {
                let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
                let also = json!({"$ref": format!("#/$defs/d{}", n + 1), "type": "object"});
                (format!("d{n}"), json!({combine: [next, also]}))
            })
            .collect();
        json!({"$ref": "#/$defs/d0", "$defs": definitions})
    };
    let wide = json!({"properties": (0..100_000)
        .map(|n| (format!("p{n}"), json!({"$ref": "#"})))
        .collect::<serde_json::Map<_, _>>()});
    let mut deep = json!({});
    for _ in 0..200 {
        deep = json!({"type": "array", "items": deep});
    }
    let chain: serde_json::Map<_, _> = (0..100_000)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            (format!("d{n}"), json!({"type": "array", "items": next}))
        })
        .collect();
    let chain = json!({"$ref": "#/$defs/d0", "$defs": chain});
    let text = "x".repeat(MAX_DESCRIPTION);
    let texts = json!({"properties": (0..MAX_FIELDS)
        .map(|n| (format!("p{n}"), json!({"description": text})))
        .collect::<serde_json::Map<_, _>>()});
    // Every object reads every object again.
    let knot: serde_json::Map<_, _> = (0..40)
        .map(|n| {
            let all: Vec<_> = (0..40)
                .map(|m| json!({"$ref": format!("#/$defs/d{m}")}))
                .collect();
            let property = json!({"allOf": all});
            (
                format!("d{n}"),
                json!({"properties": {format!("p{n}"): property}, "allOf": all}),
            )
        })
        .collect();
    let knot = json!({"allOf": [{"$ref": "#/$defs/d0"}, {"$ref": "#/$defs/d1"}], "$defs": knot});
    for schema in [
        exponential("allOf"),
        exponential("anyOf"),
        exponential("oneOf"),
        wide,
        deep,
        chain,
        texts,
        knot,
    ] {
        for read in [Schema::read, Schema::read_parameters] {
            let read = read(&schema);
            let types = types(&read);
            assert!(types <= 4 * MAX_TYPES, "{types} types");
            assert!(read.is_partial || types < 1000, "{types} types");
        }
    }
}

/// Schemas of any shape, with keywords where they belong and where they do not.
fn any_schema() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let keyword = proptest::sample::select(vec![
        "type",
        "properties",
        "items",
        "prefixItems",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "enum",
        "const",
        "required",
        "additionalProperties",
        "patternProperties",
        "$defs",
        "definitions",
        "default",
        "nullable",
        "if",
        "then",
        "not",
        "format",
        "a",
        "b",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        proptest::sample::select(vec![
            "string",
            "object",
            "array",
            "null",
            "integer",
            "#",
            "#/$defs/a",
            "#/properties/b",
            "#/anyOf/0",
            "#/items",
            "#a",
            "http://x",
            "a",
            "",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 96, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((keyword.clone(), inner), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn reading_keeps_its_promises(schema in any_schema()) {
        for read in [Schema::read, Schema::read_parameters] {
            let read = read(&schema);
            types(&read);
            read.resolved(&read.root);
            for named in &read.definitions {
                read.resolved(&named.ty);
            }
        }
    }
}
