//! Resources and prompts of servers, as functions of programs.
//!
//! A server's own tools under the reserved names take the calls here, so that
//! what goes out and what comes back is seen from both ends.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wasm_coordinator::{
    LocalTools, Program, Report, ServerLimits, ServerSpec, Session, SessionOptions, Status, Toolbox,
};

use crate::library::{engine, tokio};

/// Runs programs with a server `my-docs`; gives their reports, and the calls
/// that it got.
fn run(programs: &[Program]) -> (Vec<Report>, Vec<(&'static str, Value)>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut tools = LocalTools::new();
    for name in [
        "resources/list",
        "resources/templates",
        "resources/read",
        "prompts/list",
        "prompts/get",
    ] {
        let seen = Arc::clone(&seen);
        tools = tools.tool(name, "", json!({ "type": "object" }), move |arguments| {
            let answer = answer(name, &arguments);
            seen.lock().unwrap().push((name, arguments));
            async move { answer }
        });
    }
    let tools = vec![ServerSpec::local("my-docs", tools)];
    let tools = Toolbox::new(tools, ServerLimits::default()).unwrap();
    let reports = tokio().block_on(async {
        let mut session = Session::new(engine(), tools, SessionOptions::default());
        let mut reports = Vec::new();
        for program in programs {
            reports.push(session.run(program.clone()).await);
        }
        reports
    });
    (reports, std::mem::take(&mut *seen.lock().unwrap()))
}

/// In the form that the host gives such calls.
fn answer(name: &str, arguments: &Value) -> Result<Value, String> {
    let blob = json!({ "mimeType": "image/png", "blob": "AP8=" });
    Ok(match (name, arguments["uri"].as_str()) {
        ("resources/list", _) => json!([{ "uri": "a:text", "name": "a" }]),
        ("resources/templates", _) => json!([{ "uriTemplate": "a:{x}", "name": "a" }]),
        ("prompts/list", _) => json!([{ "name": "review" }]),
        ("prompts/get", _) => json!({ "messages": [arguments["arguments"]] }),
        (_, Some("a:text")) => json!("[1]"),
        (_, Some("a:blob")) => blob,
        (_, Some("a:both")) => json!([{ "uri": "a:text", "text": "x" }, blob]),
        _ => return Err("there is no such resource".into()),
    })
}

#[track_caller]
fn result(report: &Report) -> &Value {
    assert_eq!(report.status, Status::Ok, "{report:?}");
    report.result.as_ref().expect("there is a result")
}

#[test]
fn programs_read_resources_and_prompts() {
    let python = "\
shown = lambda parts: [sorted(part.items()) for part in parts]
[str(each) for each in [
    await list_resources('my-docs'), await list_resource_templates('my-docs'),
    await read_resource('my-docs', 'a:text'), await read_resource('my-docs', 'a:blob'),
    shown(await read_resource('my-docs', 'a:both')),
    await list_prompts('my-docs'), await get_prompt('my-docs', 'review', {'a': '1'}, b='2'),
]]";
    let synchronous = python
        .replace("await ", "")
        .replacen("shown", "from mcp_tools import list_resources, list_resource_templates, read_resource, list_prompts, get_prompt\nshown", 1);
    let imported = python.replacen(
        "shown",
        "from servers import list_resources, read_resource, get_prompt\nimport servers.my_docs\nshown",
        1,
    );
    let javascript = "\
const parts = await readResource('my-docs', 'a:both');
const blob = await readResource('my-docs', 'a:blob');
[await listResources('my-docs'), await listResourceTemplates('my-docs'), await readResource('my-docs', 'a:text'),
 [...blob], blob instanceof Uint8Array, parts[0].text, [...parts[1].blob],
 await listPrompts('my-docs'), await getPrompt('my-docs', 'review', { a: '1', b: '2' })]";
    let snake = "\
import { read_resource, listPrompts } from 'servers';
[await read_resource('my-docs', 'a:text'), (await list_resources('my-docs')).length, (await listPrompts('my-docs')).length]";
    let (reports, seen) = run(&[
        Program::python(python),
        Program::python(imported),
        Program::python(synchronous),
        Program::javascript(javascript),
        Program::javascript(snake),
    ]);
    for report in &reports[..3] {
        assert_eq!(
            result(report),
            &json!([
                "[{'uri': 'a:text', 'name': 'a'}]",
                "[{'uriTemplate': 'a:{x}', 'name': 'a'}]",
                "[1]",
                "b'\\x00\\xff'",
                "[[('text', 'x'), ('uri', 'a:text')], [('blob', b'\\x00\\xff'), ('mimeType', 'image/png')]]",
                "[{'name': 'review'}]",
                "{'messages': [{'a': '1', 'b': '2'}]}",
            ])
        );
    }
    assert_eq!(
        result(&reports[3]),
        &json!([
            [{ "uri": "a:text", "name": "a" }],
            [{ "uriTemplate": "a:{x}", "name": "a" }],
            "[1]",
            [0, 255],
            true,
            "x",
            [0, 255],
            [{ "name": "review" }],
            { "messages": [{ "a": "1", "b": "2" }] },
        ])
    );
    assert_eq!(result(&reports[4]), &json!(["[1]", 1, 1]));
    assert_eq!(
        seen[..7],
        [
            ("resources/list", json!({})),
            ("resources/templates", json!({})),
            ("resources/read", json!({ "uri": "a:text" })),
            ("resources/read", json!({ "uri": "a:blob" })),
            ("resources/read", json!({ "uri": "a:both" })),
            ("prompts/list", json!({})),
            (
                "prompts/get",
                json!({ "name": "review", "arguments": { "a": "1", "b": "2" } })
            ),
        ]
    );
    // As calls are recorded.
    let calls = &reports[0].calls;
    assert_eq!(
        (&*calls[2].server, &*calls[2].tool),
        ("my-docs", "resources/read")
    );
}

#[test]
fn errors_are_those_of_calls() {
    let (reports, seen) = run(&[
        Program::python("await read_resource('my-docs', 'a:missing')"),
        Program::javascript("await readResource('my-docs', 'a:missing')"),
        Program::python("await list_resources('absent')"),
        Program::javascript("await listResources('absent')"),
    ]);
    for report in &reports[..2] {
        let error = report.error.as_ref().expect("it failed");
        assert_eq!(error.kind, "ToolError");
        assert!(error.message.contains("no such resource"), "{error:?}");
    }
    for report in &reports[2..] {
        let error = report.error.as_ref().expect("it failed");
        assert!(error.message.contains("absent"), "{error:?}");
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_server_is_given_by_its_name() {
    let (reports, seen) = run(&[
        Program::python("await list_resources(7)"),
        Program::javascript("await listResources(7)"),
        Program::python(
            "import servers.my_docs\n(await list_resources(servers.my_docs))[0]['name']",
        ),
    ]);
    for report in &reports[..2] {
        let error = report.error.as_ref().expect("it failed");
        assert_eq!(error.kind, "TypeError");
        assert!(error.message.contains("name"), "{error:?}");
    }
    assert_eq!(result(&reports[2]), "a");
    assert_eq!(seen.len(), 1);
}

#[test]
fn a_call_without_await_says_so() {
    let (reports, _) = run(&[
        Program::python("x = read_resource('my-docs', 'a:text')"),
        Program::javascript("readResource('my-docs', 'a:text').length"),
    ]);
    let warnings = reports[0].warnings.join("\n");
    assert!(
        warnings.contains("write `x = await read_resource(...)`"),
        "{warnings}"
    );
    let error = reports[1].error.as_ref().expect("it failed");
    assert!(
        error.message.contains("(await readResource(...)).length"),
        "{error:?}"
    );
}
