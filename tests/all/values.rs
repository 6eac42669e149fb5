//! Values on their way: from a program to a server and back, and out of
//! `exec --json` and `serve`. docs/values.md says what becomes of each.

use std::collections::BTreeMap;

use contract::json::Json;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use wasm_coordinator::{Grants, ServerLimits, ServerSpec, Toolbox, Transport};

use crate::client::Client;
use crate::faults::Http;
use crate::harness::{Place, fixture, fixture_server, ok};

/// Numbers of which a double or 64 bits would make others.
const NUMBERS: [&str; 6] = [
    "9007199254740993",
    "18446744073709551617",
    "1000000000000000000001",
    "-170141183460469231731687303715884105729",
    "0.1234567890123456789012345678901",
    "1e400",
];

/// The fixture server by both transports.
fn both() -> (Http, Vec<ServerSpec>) {
    let http = Http::start(&[]);
    let stdio = wasm_coordinator::Stdio {
        command: fixture_server().to_string_lossy().into_owned(),
        ..Default::default()
    };
    let remote = wasm_coordinator::Http {
        url: http.url().to_owned(),
        headers: Vec::new(),
    };
    let specs = vec![
        ServerSpec::new("stdio", Transport::Stdio(stdio)),
        ServerSpec::new("http", Transport::Http(remote)),
    ];
    (http, specs)
}

#[tokio::test]
async fn a_number_reaches_a_server_and_comes_back_digit_by_digit() {
    let (_http, specs) = both();
    let toolbox = Toolbox::new(specs, ServerLimits::default()).unwrap();
    let grants = Grants::default();
    for number in NUMBERS {
        for server in ["stdio", "http"] {
            // As text and as structured content.
            let arguments = format!("{{\"n\":{number},\"deep\":[{{\"n\":{number}}}]}}");
            let called = toolbox
                .call(&grants, &format!("{server}.echo"), &arguments)
                .await;
            let expected = format!("\"arguments\":{arguments}");
            let echoed = called.unwrap();
            assert!(echoed.contains(&expected), "{server}: {echoed}");
            let arguments = format!("{{\"value\":{{\"n\":{number}}}}}");
            let called = toolbox
                .call(&grants, &format!("{server}.structured"), &arguments)
                .await;
            assert_eq!(called.unwrap(), format!("{{\"n\":{number}}}"), "{server}");
            // In what a server says about an error.
            for (tool, key) in [("refuse", "data"), ("fail", "value")] {
                let arguments = format!("{{\"{key}\":{{\"n\":{number}}}}}");
                let called = toolbox
                    .call(&grants, &format!("{server}.{tool}"), &arguments)
                    .await;
                let said = called.unwrap_err().said.expect("it said something");
                let expected = format!("{{\"n\":{number}}}");
                assert_eq!(said.data.as_deref(), Some(&*expected), "{server}.{tool}");
            }
        }
    }
}

/// What a person is asked about, a schema is checked against and a server gets
/// is the same, whatever a program writes.
#[tokio::test]
async fn no_key_is_sent_twice() {
    let (_http, specs) = both();
    let toolbox = Toolbox::new(specs, ServerLimits::default()).unwrap();
    let arguments = "{\"a\": 1, \"b\": {\"c\": 1,\n\"c\": 2},\r\n\"a\": 3}";
    for server in ["stdio", "http"] {
        let called = toolbox
            .call(&Grants::default(), &format!("{server}.echo"), arguments)
            .await
            .unwrap();
        let expected = r#""arguments":{"b":{"c":2},"a":3}"#;
        assert!(called.contains(expected), "{called}");
    }
}

#[test]
fn text_that_is_json_as_python_writes_it_is_the_value_it_means() {
    let place = Place::with_fixture(&[]);
    let value = "await call_tool('fixture.plain_text', {'text': TEXT})";
    let kinds = |text: &str| {
        let source = format!("TEXT = {text:?}\nvalue = {value}\ntype(value).__name__");
        ok(place.python(&source))
    };
    assert_eq!(kinds(r#"{"x": 1}"#), "dict");
    assert_eq!(kinds(r#"{"x": NaN}"#), "dict");
    assert_eq!(kinds("[Infinity, -Infinity]"), "list");
    assert_eq!(kinds("{x: NaN}"), "str");
    assert_eq!(kinds("NaN"), "str");
    let source = format!(
        "TEXT = '{{\"x\": [NaN, -Infinity]}}'\nx = ({value})['x']\n[x[0] != x[0], x[1] < 0]"
    );
    assert_eq!(ok(place.python(&source)), json!([true, true]));
}

#[test]
fn numbers_that_json_has_no_word_for_are_texts_for_clients() {
    let place = Place::with_fixture(&[]);
    let mut client = Client::start(&place, &["--mode", "tools"]);
    let arguments = json!({ "text": "{\"x\": [NaN, -Infinity, 1.5]}" });
    let called = client.data(
        "call_tool",
        json!({ "name": "fixture.plain_text", "arguments": arguments }),
    );
    assert_eq!(called["result"], json!({ "x": ["NaN", "-Infinity", 1.5] }));
}

#[test]
fn an_empty_text_and_null_are_results_too() {
    let place = Place::with_fixture(&[]);
    let mut client = Client::start(&place, &[]);
    for (code, result) in [("''", json!("")), ("[]", json!([])), ("{}", json!({}))] {
        let data = client.python(code);
        assert_eq!(data.get("result"), Some(&result), "{data}");
    }
    let data = client.python("None");
    assert_eq!(data.get("result"), None, "{data}");
}

#[test]
fn results_keep_their_digits_in_json_and_in_serve() {
    let place = Place::with_fixture(&[]);
    let number = "18446744073709551617";
    let code = format!("{{'n': [{number}, 0.1], 'text': '{number}'}}");
    let expected = format!("\"result\":{{\"n\":[{number},0.1],\"text\":\"{number}\"}}");
    let ran = place.run(&["exec", "--json", "-c", &code]).succeeds();
    assert!(ran.stdout.contains(&expected), "{}", ran.stdout);
    let ran = place.run(&["exec", "-c", number]).succeeds();
    assert_eq!(ran.stdout, format!("{number}\n"));

    let mut client = Client::start(&place, &[]);
    client.python(&code);
    assert!(client.line.contains(&expected), "{}", client.line);
    let text = format!("result: {{\\\"n\\\":[{number},0.1]");
    assert!(client.line.contains(&text), "{}", client.line);
    // Also where little of a large result is shown.
    let data = client.python(&format!("[{number}] * 5000"));
    assert_eq!(data["result"]["shape"]["items"], "integer", "{data}");
    assert!(
        client
            .line
            .contains(&format!("\"first\":[{number},{number}"))
    );
}

#[test]
fn arguments_of_a_client_keep_their_digits() {
    let place = Place::with_fixture(&[]);
    let mut client = Client::start(&place, &["--mode", "tools"]);
    let mut call = |id: usize, arguments: &str| {
        let params = format!(r#"{{"name":"call_tool","arguments":{arguments}}}"#);
        let message = r#"{"jsonrpc":"2.0","method":"tools/call","id":"#;
        client.write(format!("{message}{id},\"params\":{params}}}\n").as_bytes());
        client.answer(id as u64);
        client.line.clone()
    };
    for (at, number) in NUMBERS.into_iter().enumerate() {
        let sent = format!(r#"{{"deep":[{{"n":{number}}}],"n":{number},"text":"{number}"}}"#);
        let object = format!(r#"{{"name":"fixture.echo","arguments":{sent}}}"#);
        let as_text = format!(r#"{{"name":"fixture.echo","arguments":{}}}"#, json!(sent));
        let all_as_text = json!(object).to_string();
        for (way, written) in [object, as_text, all_as_text].into_iter().enumerate() {
            let line = call(100 + 10 * at + way, &written);
            let expected = format!("\"arguments\":{sent}");
            assert!(line.contains(&expected), "{written}: {line}");
        }
    }
    // Where no such number can be, it is one as any other that is too large.
    for (at, written) in [
        r#"{"name":"fixture.echo","arguments":{},"max_tokens":1e400}"#,
        r#"{"name":"fixture.echo","arguments":1e400}"#,
        r#"{"name":18446744073709551617,"arguments":{}}"#,
    ]
    .into_iter()
    .enumerate()
    {
        let line = call(500 + at, written);
        assert!(line.contains("it takes"), "{line}");
        assert!(line.contains("e+"), "{line}");
        assert!(!line.contains("number-"), "{line}");
    }
}

#[tokio::test]
async fn arguments_in_headers_keep_their_digits() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let path = log.path().to_str().unwrap();
    let server = Http::start(&["--fault", "header-names", "--log", path]);
    let remote = wasm_coordinator::Http {
        url: server.url().to_owned(),
        headers: Vec::new(),
    };
    let specs = vec![ServerSpec::new("http", Transport::Http(remote))];
    let toolbox = Toolbox::new(specs, ServerLimits::default()).unwrap();
    let number = "-170141183460469231731687303715884105729";
    let sent = format!(r#"{{"inner":{{"n":7}},"value":{number}}}"#);
    let called = toolbox
        .call(&Grants::default(), "http.header_number", &sent)
        .await;
    assert!(called.unwrap().contains(&sent));
    let log = std::fs::read_to_string(path).unwrap();
    let expected =
        format!(r#""arguments":{{"mcp-param-inner":"7","mcp-param-number":"{number}"}}"#);
    assert!(log.contains(&expected), "{log}");
}

/// A value that both languages have: any integer, and what a double holds.
fn values() -> impl Strategy<Value = String> {
    let double = any::<f64>().prop_filter_map("JSON has it, and no -0", |number| {
        let is_wanted = number.is_finite() && (number != 0.0 || number.is_sign_positive());
        is_wanted.then(|| serde_json::to_string(&number).unwrap())
    });
    let text = "\\PC{0,12}|[\\x00-\\x7f]{0,8}".prop_map(|text| json!(text).to_string());
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<i128>().prop_map(|number| number.to_string()),
        "[1-9][0-9]{40,60}",
        double,
        text,
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = "[a-z_]{1,6}|[é ☃\"]{1,3}".prop_map(|key| json!(key).to_string());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map(key, inner, 0..4).prop_map(|fields| {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(key, value)| format!("{key}:{value}"))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

/// The same text for the same value: keys in order, numbers in one form.
fn normal(json: &Json<'_>) -> String {
    match json {
        Json::Number(text) => match text.parse::<i128>() {
            Ok(number) => number.to_string(),
            Err(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => (*text).to_owned(),
            Err(_) => {
                let number: f64 = text.parse().unwrap();
                // A double that is whole may be written as an integer: with the
                // fewest digits that mean it, as JavaScript does.
                if number.fract() == 0.0 {
                    format!("{number}")
                } else {
                    format!("{number:e}")
                }
            }
        },
        Json::Array(items) => format!(
            "[{}]",
            items.iter().map(normal).collect::<Vec<_>>().join(",")
        ),
        Json::Object(fields) => {
            let fields: BTreeMap<_, _> = fields
                .iter()
                .map(|(key, value)| (key.to_string(), normal(value)))
                .collect();
            format!("{fields:?}")
        }
        other => other.to_string(),
    }
}

/// The value after `"result":` in a line of JSON, up to what follows it there.
fn result_in(line: &str) -> String {
    fn find<'a>(json: Json<'a>) -> Option<Json<'a>> {
        let Json::Object(fields) = json else {
            return None;
        };
        let mut nested = Vec::new();
        for (key, value) in fields {
            match &*key {
                "result" if !matches!(&value, Json::Object(fields) if fields.iter().any(|(key, _)| key == "structuredContent")) =>
                {
                    return Some(value);
                }
                "result" | "structuredContent" => nested.push(value),
                _ => {}
            }
        }
        nested.into_iter().find_map(find)
    }
    let json = Json::read(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    normal(&find(json).unwrap_or_else(|| panic!("no result in {line}")))
}

/// Random values go from a server into a program, from the program to a server
/// and back, and out.
#[test]
fn values_come_out_as_they_went_in_by_every_way() {
    let http = Http::start(&[]);
    let place = Place::with_servers(json!({
        "stdio": fixture(&[]),
        "http": { "url": http.url() },
    }));
    let client = std::cell::RefCell::new(Client::start(&place, &[]));
    let config = Config {
        cases: 4,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let many = prop::collection::vec(values(), 25);
    let run = TestRunner::new(config).run(&many, |values| {
        let text = format!("[{}]", values.join(","));
        let expected = normal(&Json::read(&text).unwrap());
        let literal = json!(text).to_string();
        for server in ["stdio", "http"] {
            let python = format!(
                "value = await call_tool('{server}.plain_text', {{'text': {literal}}})\n\
                 answer = await call_tool('{server}.structured', {{'value': {{'v': value}}}})\n\
                 answer['v']"
            );
            let javascript = format!(
                "const value = await callTool('{server}.plain_text', {{ text: {literal} }});\n\
                 const answer = await callTool('{server}.structured', {{ value: {{ v: value }} }});\n\
                 answer.v"
            );
            // A text of Python and one of JSON differ where JSON has `\/`,
            // which is not written here, and surrogates, which are not either.
            for (name, language, source) in [
                ("a.py", "python", &python),
                ("a.js", "javascript", &javascript),
            ] {
                place.write(name, source);
                let ran = place.run(&["exec", "--json", name]).succeeds();
                prop_assert_eq!(result_in(&ran.stdout), expected.clone(), "{}: exec", name);
                let mut client = client.borrow_mut();
                client.data(
                    "execute",
                    json!({ "code": source, "language": language, "overflow": "none" }),
                );
                prop_assert_eq!(result_in(&client.line), expected.clone(), "{}: serve", name);
            }
        }
        Ok(())
    });
    run.unwrap();
}

#[test]
fn what_a_program_cannot_say_in_json_is_refused_before_it_is_sent() {
    let place = Place::with_fixture(&[]);
    for number in ["nan", "inf", "-inf"] {
        let report = place.python(&format!(
            "await call_tool('fixture.echo', {{'a': [float('{number}')]}})"
        ));
        assert_eq!(report["status"], "error", "{report:#}");
        let kind = &report["error"]["kind"];
        assert!(!kind.is_null() && kind != "ToolError", "{report:#}");
    }
}
