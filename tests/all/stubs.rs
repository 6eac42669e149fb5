//! The stubs of real, of faulty and of recorded tools, under type checkers.

use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};
use stubs::{
    names::{server_identifiers, tool_names},
    tool::{Server, Tool},
    tree::{self, File},
};

use crate::harness::{Place, checkers, corpus, fixture, real_servers};

/// Runs a type checker, which has to end well and say nothing else.
#[track_caller]
fn check(name: &str, folder: &Path, arguments: &[&str]) {
    let output = checker(name, folder, arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    let said = &said[..said.floor_char_boundary(8 << 10)];
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}\n{complained}");
}

fn checker(name: &str, folder: &Path, arguments: &[&str]) -> std::process::Output {
    let words = &checkers()[name];
    Command::new(&words[0])
        .args(&words[1..])
        .args(arguments)
        .current_dir(folder)
        .env_remove("MYPYPATH")
        .output()
        .expect("the type checker starts")
}

const MYPY: &[&str] = &[
    "--strict",
    "--no-error-summary",
    "--cache-dir",
    ".mypy",
    ".",
];
const TSC: &[&str] = &["--project", "tsconfig.json"];

fn configure_tsc(place: &Place) {
    let config = json!({
        "compilerOptions": {
            "strict": true,
            "noEmit": true,
            "target": "es2022",
            "lib": ["es2022"],
            "module": "esnext",
            "moduleResolution": "bundler",
            "allowImportingTsExtensions": true,
            "types": [],
        },
        // Also those whose names begin with a dot are checked, if any are.
        "include": ["**/*.ts", "**/.*.ts"],
    });
    place.write("tsconfig.json", config.to_string());
}

/// Both checkers accept everything in a folder.
#[track_caller]
fn both_accept(place: &Place) {
    configure_tsc(place);
    check("mypy", place.path(), MYPY);
    check("tsc", place.path(), TSC);
}

fn write_tree(place: &Place, folder: &str, files: Vec<File>) {
    for file in files {
        place.write(&format!("{folder}/{}", file.path), file.text);
    }
}

/// Programs that use the stubs of the fixture server as they should be used,
/// and the same with one mistake each.
#[test]
fn type_checkers_know_the_tools() {
    let place = Place::with_fixture(&[]);
    place.run(&["stubs", "--out", "."]).succeeds();
    place.write(
        "right.py",
        "from servers.fixture import add
from servers.fixture.add import add as the_same

async def main() -> None:
    result = await add(a=1, b=2)
    print(result['sum'] + 1, await the_same(1, 2))
",
    );
    place.write(
        "right.ts",
        r#"import { add } from "./servers/fixture";
import { add as theSame } from "./servers/fixture/add.ts";

const result = await add({ a: 1, b: 2 });
console.log(result.sum + 1, await theSame({ a: 1, b: 2 }));
declare const console: { log(...values: unknown[]): void };
"#,
    );
    both_accept(&place);

    for wrong in [
        "await add(a=1, b='2')",
        "await add(a=1)",
        "await add(a=1, b=2, c=3)",
        "(await add(a=1, b=2))['summ']",
        "add(a=1, b=2)['sum']",
    ] {
        place.write(
            "wrong.py",
            format!(
                "from servers.fixture import add\n\nasync def main() -> None:\n    print({wrong})\n"
            ),
        );
        let output = checker("mypy", place.path(), &["--strict", "wrong.py"]);
        assert_eq!(output.status.code(), Some(1), "{wrong}");
    }
    for wrong in [
        "await add({ a: 1, b: '2' })",
        "await add({ a: 1 })",
        "await add({ a: 1, b: 2, c: 3 })",
        "await add()",
        "(await add({ a: 1, b: 2 })).summ",
        "add({ a: 1, b: 2 }).sum",
    ] {
        place.write(
            "wrong.ts",
            format!("import {{ add }} from './servers/fixture';\nexport const value = {wrong};\n"),
        );
        let output = checker("tsc", place.path(), TSC);
        assert_ne!(output.status.code(), Some(0), "{wrong}");
    }
}

#[test]
fn stubs_of_the_test_servers_are_accepted() {
    let place = Place::new();
    let mut servers = Map::new();
    for (name, words) in real_servers() {
        let mut arguments = words[1..].to_vec();
        if name == "filesystem" {
            arguments.push(place.path().display().to_string());
        }
        servers.insert(
            name.clone(),
            json!({ "command": words[0], "args": arguments }),
        );
    }
    servers.insert("fixture".into(), fixture(&["--tools", "50"]));
    servers.insert(
        "demo".into(),
        json!({ "command": env!("CARGO_BIN_EXE_wasm-coordinator"), "args": ["demo-server"] }),
    );
    place.write("mcp.json", json!({ "mcpServers": servers }).to_string());
    place.run(&["stubs", "--out", "."]).succeeds();
    both_accept(&place);
}

#[test]
fn stubs_of_vicious_tools_are_accepted() {
    let faults = [
        "breakers",
        "names",
        "bad-schemas",
        "ref",
        "header-names",
        "duplicates",
        "huge-schema=200000",
        "huge-description=200000",
    ];
    let servers: Map<String, Value> = faults
        .iter()
        .map(|fault| {
            let name = fault.split('=').next().unwrap_or(fault);
            (name.to_owned(), fixture(&["--fault", fault]))
        })
        .collect();
    let place = Place::with_servers(Value::Object(servers));
    place.run(&["stubs", "--out", "."]).succeeds();
    both_accept(&place);
    // Something was written, under plain names.
    let files = std::fs::read_dir(place.path().join("servers/names")).expect("a folder");
    let names: Vec<String> = files
        .map(|file| {
            file.expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert!(names.len() > 20, "{names:?}");
    let is_plain = |name: &String| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
    };
    assert!(names.iter().all(is_plain), "{names:?}");
}

#[test]
fn stubs_of_recorded_tools_are_accepted() {
    let place = Place::new();
    let servers: Vec<&str> = corpus()
        .iter()
        .map(|recorded| recorded.server.as_str())
        .collect();
    let identifiers = server_identifiers(servers.iter().copied()).expect("names differ");
    for (recorded, identifier) in corpus().iter().zip(&identifiers) {
        let text = |tool: &'static str| {
            move |value: &'static Value| value[tool].as_str().unwrap_or_default()
        };
        let names = tool_names(recorded.tools.iter().map(text("name")));
        let tools: Vec<Tool<'_>> = recorded
            .tools
            .iter()
            .zip(&names)
            .map(|(tool, names)| Tool {
                name: text("name")(tool),
                names,
                title: text("title")(tool),
                description: text("description")(tool),
                input: &tool["inputSchema"],
                output: tool.get("outputSchema"),
                is_wrapped: false,
            })
            .collect();
        let server = Server {
            name: &recorded.server,
            identifier,
            title: "",
            version: "",
            instructions: "",
        };
        let files = tree::server_files(&server, &tools, 0);
        write_tree(&place, &format!("servers/{identifier}"), files);
    }
    let root = tree::root_files(identifiers.iter().map(String::as_str));
    write_tree(&place, "servers", root);
    both_accept(&place);
}
