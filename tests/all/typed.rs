//! Components that import tools as typed functions: made from what
//! `wasm-coordinator wit` prints, by real generators, calling real servers.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Place, contains, error, ok, real_servers, root};

const RUST: &str = "tests/components/typed-rust";

/// The servers that the components import, with this folder for their data.
/// The folder is a git repository.
fn servers() -> Place {
    let place = Place::new();
    let folder = place.path().to_str().expect("a plain path").to_owned();
    let entry = |name: &str| {
        let command = &real_servers()[name];
        let mut arguments = command[1..].to_vec();
        match name {
            "filesystem" => arguments.push(folder.clone()),
            // It says in its descriptions where it is.
            "time" => arguments.extend(["--local-timezone", "Etc/UTC"].map(String::from)),
            _ => {}
        }
        let graph = format!("{folder}/graph.jsonl");
        json!({ "command": command[0], "args": arguments, "env": { "MEMORY_FILE_PATH": graph } })
    };
    let names = ["everything", "filesystem", "git", "memory", "time"];
    let entries: serde_json::Map<_, _> = names
        .iter()
        .map(|name| ((*name).to_owned(), entry(name)))
        .collect();
    place.write("mcp.json", json!({ "mcpServers": entries }).to_string());
    let git = |arguments: &[&str]| {
        let status = Command::new("git")
            .args(arguments)
            .current_dir(place.path())
            .status();
        assert!(status.expect("git starts").success());
    };
    git(&["init", "--quiet"]);
    let author = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    git(&[
        &author[..],
        &[
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            "only commit",
        ],
    ]
    .concat());
    place
}

fn rust_component() -> Vec<u8> {
    std::fs::read(root().join(RUST).join("typed-rust.wasm")).expect("it is in the repository")
}

#[test]
fn a_rust_component_calls_real_servers_through_typed_functions() {
    let place = servers();
    place.write("typed.wasm", rust_component());
    let folder = place.path().to_str().unwrap();
    // One of the tools says that it may destroy something.
    let flags = ["exec", "--json", "--allow-tool", "*"];
    let report = place
        .run(&[&flags[..], &["typed.wasm", folder]].concat())
        .json();
    assert_eq!(report["status"], "ok", "{report:#}");
    let mut lines = report["stdout"].as_str().unwrap().lines();
    // Which weather it is changes from call to call; that it has a shape does not.
    let weather: Vec<_> = lines.next().unwrap().split(' ').collect();
    assert!(
        weather[0] == "weather:" && weather[1].parse::<f64>().is_ok(),
        "{weather:?}"
    );
    let expected = [
        "sum: The sum of 1 and 2.5 is 3.5.",
        "links: 3 2",
        "time: Europe/Zurich to Asia/Kathmandu",
        "entities: 2",
        "graph: \"port \\\"*/\\\" \u{1f6a2}\\n\" [\"wet\", \"\"] \"Basel\"",
        "head: \"one\\ntwo\"",
        "diff: true",
        "log: true",
        "error: ToolErrorKind::Failed Error executing tool get_current_time: Invalid timezone: \
         'No time zone found with key Nowhere/Land'",
        "error: ToolErrorKind::InvalidArguments the arguments of `everything.get_sum` cannot be \
         sent: at `a`: NaN is no number in JSON",
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    // The calls went the way of all calls.
    let calls = report["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 13, "{calls:#?}");
    assert_eq!(calls[0]["tool"], "get-structured-content");
    assert_eq!(calls[12]["status"], "failed");
}

#[test]
fn a_python_component_calls_real_servers_through_typed_functions() {
    let output = Command::new(root().join("tests/components/typed-python/build"))
        .output()
        .expect("the build script starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let component = String::from_utf8(output.stdout).unwrap();
    let place = servers();
    place.write("typed.wasm", std::fs::read(component.trim()).unwrap());
    let folder = place.path().to_str().unwrap();
    // One of the tools says that it may destroy something.
    let flags = ["exec", "--json", "--allow-tool", "*"];
    let report = place
        .run(&[&flags[..], &["typed.wasm", folder]].concat())
        .json();
    let result = ok(report.clone());
    assert_eq!(
        result,
        json!({
            "weather": ["float", "str", "float"],
            "links": [3, 2],
            "time": "Asia/Kathmandu",
            "graph": ["port", ["wet"], "Basel"],
            "head": "one\ntwo",
            "errors": [
                ["FAILED", "Error executing tool get_current_time: Invalid timezone: 'No time zone found with key Nowhere/Land'"],
                ["INVALID_ARGUMENTS", "the arguments of `everything.get_sum` cannot be sent: at `b`: inf is no number in JSON"],
            ],
        }),
        "{report:#}"
    );
}

#[test]
fn the_components_are_made_of_what_wit_prints() {
    let place = servers();
    let deps = root().join(RUST).join("wit/deps");
    for name in ["everything", "filesystem", "git", "memory", "time"] {
        let file = format!("mcp-{name}.wit");
        let printed = place.run(&["wit", name]).succeeds().stdout;
        let committed = std::fs::read_to_string(deps.join(&file)).unwrap();
        assert_eq!(
            printed, committed,
            "write {file} again and rebuild the components"
        );
        place.run(&["wit", name, "--out", "wit/deps"]).succeeds();
        assert_eq!(place.read(&format!("wit/deps/{file}")), printed);
    }
    let one = place.run(&["wit", "time", "convertTime"]).succeeds().stdout;
    assert!(
        one.contains("    convert-time: func(") && !one.contains("get-current-time"),
        "{one}"
    );
    let unknown = place.run(&["wit", "time", "convert_tme"]).fails_with(2);
    assert!(
        unknown.stderr.contains("did you mean `time.convert_time`?"),
        "{}",
        unknown.stderr
    );
    let unknown = place.run(&["wit", "tiem"]).fails_with(2);
    assert!(
        unknown.stderr.contains("did you mean `time`?"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_tool_that_is_not_granted_is_refused_before_anything_runs() {
    let place = servers();
    place.write("typed.wasm", rust_component());
    let folder = place.path().to_str().unwrap();
    let run = |flags: &[&str]| {
        let arguments = [&["exec", "--json"], flags, &["typed.wasm", folder]].concat();
        place.run(&arguments).json()
    };
    let report = run(&["--allow-tool", "*", "--deny-tool", "git.*"]);
    assert_eq!(report["status"], "denied", "{report:#}");
    assert_eq!(
        report["error"],
        json!({
            "kind": "import_denied",
            "message": "the component imports `mcp:git/tools.git-log`, which is not granted",
            "hint": "remove `git.*` from `--deny-tool`, `tools.deny` or `excludeTools` to allow `git.git_log`",
            "traceback": null,
            "position": null,
        })
    );
    assert_eq!(
        (&report["stdout"], &report["calls"]),
        (&json!(""), &json!([]))
    );

    let but_one = [
        "everything.*",
        "filesystem.*",
        "memory.*",
        "time.convert_time",
        "git.git_log",
    ];
    let mut flags: Vec<&str> = but_one
        .iter()
        .flat_map(|pattern| ["--allow-tool", pattern])
        .collect();
    let report = run(&flags);
    assert_eq!(
        report["error"]["message"],
        "the component imports `mcp:time/tools.get-current-time`, which is not granted"
    );
    assert_eq!(
        report["error"]["hint"],
        "`--allow-tool 'time.get_current_time'`, or the same in `tools.allow`, allows it"
    );
    // With the line that it was given, it runs.
    flags.extend(["--allow-tool", "time.get_current_time"]);
    assert_eq!(run(&flags)["status"], "ok");
}

/// A command that imports a function of a package and calls it if `call` says
/// how, with types and core functions for that.
pub fn importing(package: &str, types: &str, function: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "mcp:{package}/tools" (instance
                (type $kind' (enum "failed" "unexpected-result"))
                (export "tool-error-kind" (type $kind (eq $kind')))
                (type $error' (record (field "kind" $kind) (field "message" string)))
                (export "tool-error" (type $error (eq $error')))
                {types}
                {function}))
            (core module $m (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $cli (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $cli)))"#
    );
    wat::parse_str(text).expect("the test's component is well-formed")
}

/// What becomes of a component that imports this from the server `time`.
fn imports_from_time(types: &str, function: &str) -> Value {
    let place = servers();
    place.write("typed.wasm", importing("time", types, function));
    place.run(&["exec", "--json", "typed.wasm"]).json()
}

/// `get-current-time` with a result of these fields.
fn current_time(parameters: &str, fields: &str) -> Value {
    let types = format!(
        r#"(type $result' (record {fields})) (export "get-current-time-result" (type $result (eq $result')))"#
    );
    let function = format!(
        r#"(export "get-current-time" (func {parameters} (result (result $result (error $error)))))"#
    );
    imports_from_time(&types, &function)
}

const ZONE: &str = r#"(param "timezone" string)"#;

#[test]
fn other_types_are_refused_with_what_differs() {
    let fits = current_time(ZONE, r#"(field "datetime" string) (field "is-dst" bool)"#);
    assert_eq!(
        fits["status"], "ok",
        "a component need not know all fields: {fits:#}"
    );
    for (parameters, fields, expected) in [
        (
            ZONE,
            r#"(field "is-dst" string)"#,
            "in `the result.is-dst`: it was built with `string` where the server has `bool`",
        ),
        (
            ZONE,
            r#"(field "moon" string)"#,
            "in `the result`: there is no field `moon` any more",
        ),
        (
            r#"(param "timezone" s64)"#,
            r#"(field "datetime" string)"#,
            "in `timezone`: it was built with `s64` where the server has `string`",
        ),
        (
            "",
            r#"(field "datetime" string)"#,
            "the parameter `timezone` is required now",
        ),
        (
            r#"(param "timezone" string) (param "moon" bool)"#,
            r#"(field "datetime" string)"#,
            "there is no parameter `moon` any more",
        ),
    ] {
        let report = current_time(parameters, fields);
        assert_eq!(
            (&report["status"], &report["error"]["kind"]),
            (&json!("denied"), &json!("import_mismatch")),
            "{report:#}"
        );
        assert_eq!(
            report["error"]["message"],
            format!(
                "the component's import `mcp:time/tools` does not fit what the server has: of `get-current-time`, {expected}"
            )
        );
        contains(
            &report["error"]["hint"],
            "`wasm-coordinator wit time` prints the present interface",
        );
    }
    let bare = imports_from_time(
        "",
        &format!(r#"(export "get-current-time" (func {ZONE} (result string)))"#),
    );
    contains(&bare["error"]["message"], "the result is not a `result`");
    let resource = imports_from_time("", r#"(export "clock" (type (sub resource)))"#);
    contains(
        &resource["error"]["message"],
        "`clock` is neither a function nor a plain type",
    );
}

#[test]
fn what_no_server_has_is_refused_with_the_nearest_name() {
    let place = servers();
    let import = |package: &str, function: &str| {
        let function =
            format!(r#"(export "{function}" (func (result (result string (error $error)))))"#);
        place.write("typed.wasm", importing(package, "", &function));
        let report = place.run(&["exec", "--json", "typed.wasm"]).json();
        assert_eq!(report["error"]["kind"], "import_unknown", "{report:#}");
        assert_eq!(report["status"], "denied");
        report["error"].clone()
    };
    let error = import("tiem", "x");
    assert_eq!(
        error["message"],
        "the component imports `mcp:tiem/tools`, but there is no server `tiem`"
    );
    assert_eq!(error["hint"], "did you mean `mcp:time/tools`?");
    let error = import("time", "convert-tme");
    assert_eq!(
        error["message"],
        "the component imports `mcp:time/tools.convert-tme`, but server `time` has no such tool"
    );
    assert_eq!(
        error["hint"],
        "did you mean `convert-time`? `wasm-coordinator wit time` prints the present interface; build the component with it"
    );
    // Any version of the import means the same server.
    place.write("typed.wasm", importing("time", "", ""));
    assert_eq!(
        place.run(&["exec", "--json", "typed.wasm"]).json()["status"],
        "ok"
    );
}

#[test]
fn a_server_that_cannot_be_used_is_no_crash() {
    let place = Place::with_servers(json!({ "broken": { "command": "/does/not/exist" } }));
    let function = r#"(export "x" (func (result (result string (error $error)))))"#;
    place.write("typed.wasm", importing("broken", "", function));
    let report = place.run(&["exec", "--json", "typed.wasm"]).json();
    assert_eq!(error(&report)["kind"], "import_unavailable", "{report:#}");
    contains(
        &report["error"]["message"],
        "server `broken` cannot be used",
    );
}
