//! What is said about a program before it runs, from its text alone: which
//! modules and constructs are found, what happens then, and that nothing is
//! gained by hiding them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_coordinator::{Advice, AdviceMode, Program, Session, SessionOptions, Status, Toolbox};

use crate::client::{Client, text};
use crate::harness::{Place, contains, error, fixture, ok};
use crate::library::{engine, tokio};

const WARN: [&str; 2] = ["--advice", "warn"];
const REFUSE: [&str; 2] = ["--advice", "refuse"];

/// The names that warnings begin with.
fn warned(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().expect("a list");
    warnings
        .iter()
        .map(|warning| {
            let warning = warning.as_str().expect("a text");
            warning.split('`').nth(1).expect("a name in backticks")
        })
        .collect()
}

/// Runs a program that does what it is warned about only where it does not
/// matter, and compares the names.
#[track_caller]
fn check(name: &str, source: &str, flags: &[&str], expected: &[&str]) {
    let report = Place::new().exec(name, source, &[&WARN, flags].concat());
    assert_eq!(report["status"], "ok", "{source}\n{report:#}");
    assert_eq!(warned(&report), expected, "{source}\n{report:#}");
}

/// A program that has these functions and calls none.
fn uncalled_python(body: &str) -> String {
    let body = body.replace('\n', "\n    ");
    format!("def never(x):\n    {body}\n'ran'")
}

#[test]
fn nothing_is_said_by_default() {
    let place = Place::new();
    let python = uncalled_python("import os, ctypes\nos.system(x)\neval(x)");
    let javascript = "function never(x) { eval(x); require('child_process').exec(x) }\n'ran'";
    for (name, source) in [("a.py", python.as_str()), ("a.js", javascript)] {
        let report = place.exec(name, source, &[]);
        assert_eq!(report["warnings"], json!([]), "{report:#}");
        assert_eq!(ok(report), "ran");
        assert_ne!(place.exec(name, source, &WARN)["warnings"], json!([]));
    }
}

#[test]
fn a_denied_module_is_a_warning_that_says_where_and_what_would_allow_it() {
    let place = Place::new();
    let flags = ["--deny-module", "os.*", "--deny-module", "fs"];
    for (name, source, said) in [
        (
            "a.py",
            "é = 'é'\nif é: import os as o; n = o.getcwd()\nn",
            "`os.getcwd` is one of the denied modules, `os.*` (line 2, column 27 of `a.py`); remove \
             `os.*` from `--deny-module` or `advice.deniedModules` to allow it",
        ),
        (
            "a.js",
            "'é'; import { existsSync as has } from 'node:fs';\nhas('/workspace') && '/workspace'",
            "`node:fs` is one of the denied modules, `fs` (line 1, column 40 of `a.js`); remove \
             `fs` from `--deny-module` or `advice.deniedModules` to allow it",
        ),
    ] {
        let report = place.exec(name, source, &flags);
        assert_eq!(report["warnings"], json!([said]));
        assert_eq!(ok(report), "/workspace");
        // Its twin: the same program, and nobody denies it.
        let report = place.exec(name, source, &WARN);
        assert_eq!(report["warnings"], json!([]));
        assert_eq!(ok(report), "/workspace");
    }
}

#[test]
fn a_program_that_is_refused_does_not_begin_to_run() {
    let place = Place::with_fixture(&[]);
    let denied = [
        &REFUSE[..],
        &["--deny-module", "json", "--deny-module", "fs"],
    ]
    .concat();
    for (name, source, module, pattern, column) in [
        (
            "a.py",
            "print('begun')\nawait call_tool('fixture.add', {'a': 1, 'b': 2})\nimport json",
            "json",
            "json",
            8,
        ),
        (
            "a.ts",
            "console.log('begun');\nawait callTool('fixture.add', { a: 1, b: 2 });\nconst x: any = await import('fs')",
            "fs",
            "fs",
            29,
        ),
    ] {
        let report = place.exec(name, source, &denied);
        assert_eq!(report["status"], "denied", "{report:#}");
        let hint = format!(
            "remove `{pattern}` from `--deny-module` or `advice.deniedModules` to allow it"
        );
        let message = format!(
            "the program was not run: `{module}` is one of the denied modules, `{pattern}` (line 3, \
             column {column} of `{name}`)"
        );
        let position = json!({ "file": name, "line": 3, "column": column });
        assert_eq!(
            report["error"],
            json!({ "kind": "advice_refused", "message": message, "hint": hint, "traceback": null,
                "position": position })
        );
        assert_eq!(report["stdout"], "");
        assert_eq!(report["calls"], json!([]));
        // Its twins: it is allowed, or it is only a warning.
        for flags in [&REFUSE[..], &["--deny-module", module]] {
            let report = place.exec(name, source, flags);
            assert_eq!(report["status"], "ok", "{report:#}");
            assert_eq!(report["stdout"], "begun\n");
            assert_eq!(report["calls"].as_array().unwrap().len(), 1);
        }
    }
}

#[test]
fn all_that_is_refused_is_said_at_once_and_no_more_than_can_be_read() {
    let names: Vec<_> = (0..30).map(|number| format!("m{number:02}")).collect();
    let source = format!("import {}", names.join(", "));
    let flags = [&REFUSE[..], &["--deny-module", "m*"]].concat();
    let report = Place::new().exec("a.py", &source, &flags);
    contains(&report["error"]["message"], "`m00`");
    let warnings = report["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 11, "{report:#}");
    contains(&warnings[9], "`m10`");
    assert_eq!(warnings[10], "19 more findings in the text of the program");
}

#[test]
fn python_imports_and_names_are_followed_through_aliases() {
    let denied = ["--deny-module", "csv", "--deny-module", "os.system"];
    let csv = |source: &str| {
        check("a.py", &uncalled_python(source), &denied, &["csv"]);
    };
    csv("import json, csv");
    csv("import csv as c");
    csv("__import__('csv')");
    csv("import importlib as i\ni.import_module('csv')");
    csv("from importlib import import_module as i\ni('csv')");
    let system = |source: &str| {
        let allowed = [&denied[..], &["--allow-construct", "dynamic-import"]].concat();
        check("a.py", &uncalled_python(source), &allowed, &["os.system"]);
    };
    system("import os\nos.system(x)");
    system("import os as o\no.system(x)");
    system("import os.path\nos.system");
    system("from os import system");
    system("from os import path, system as s\ns(x)");
    system("__import__('os').system(x)");
    system("class A:\n    import os\n    f = [lambda: f'{os.system(x)}']");
    let silent = |source: &str| check("a.py", &uncalled_python(source), &denied, &[]);
    silent("import os, csvs\nos.systems, x.system(x), csv.reader");
    silent("from csvs import csv\nos.system(x)");
    silent("'import csv; os.system(1)' # import csv");
    check(
        "a.py",
        &uncalled_python("from csv import reader"),
        &denied,
        &["csv.reader"],
    );
    check("a.py", "from csv import *", &denied, &["csv"]);
}

#[test]
fn javascript_imports_and_names_are_followed_through_aliases() {
    let denied = ["--deny-module", "os", "--deny-module", "fs.rmSync"];
    for (name, source) in [
        ("a.js", "import os from 'os'"),
        ("a.js", "import { cpus } from 'node:os'"),
        ("a.js", "import * as os from \"os\""),
        ("a.js", "const os = require('os')"),
        ("a.js", "const { cpus } = require('node:os')"),
        ("a.js", "const os = await import('os')"),
        ("a.js", "(await import(`os`)).cpus()"),
        ("a.js", "export { cpus } from 'os'"),
        ("a.ts", "import os = require('os'); os.cpus() as unknown"),
        (
            "a.ts",
            "const x: number = 1; import type { A } from 'fs'; import os from 'os'; os",
        ),
    ] {
        let report = Place::new().exec(name, &format!("{source};\n'ran'"), &denied);
        let warned = warned(&report);
        assert!(
            matches!(warned[..], ["os" | "node:os"]),
            "{source}: {warned:?}"
        );
        assert_eq!(ok(report), "ran");
    }
    for source in [
        "import fs from 'fs'; () => fs.rmSync('a')",
        "import { rmSync as rm } from 'node:fs'; () => rm('a')",
        "import * as f from 'fs'; () => f['rmSync']('a')",
        "const { rmSync: rm } = require('fs')",
        "() => require('fs')?.rmSync('a')",
        "const f = await import('fs'); () => f?.rmSync",
    ] {
        let report = Place::new().exec("a.js", &format!("{source};\n'ran'"), &denied);
        let warned = warned(&report);
        assert!(
            matches!(warned[..], ["fs.rmSync" | "node:fs.rmSync"]),
            "{source}: {warned:?}"
        );
        assert_eq!(ok(report), "ran");
    }
    let silent = |name, source| check(name, source, &denied, &[]);
    silent(
        "a.js",
        "import fs from 'fs'; fs.rmsync; const os = 1; os; 'import os'",
    );
    silent("a.js", "function require(x) {} require('os')");
    silent("a.ts", "import type { CpuInfo } from 'os'; let a: os.B; 1");
}

#[test]
fn other_modules_than_the_allowed_ones_are_advised_against_and_tools_never_are() {
    let place = Place::with_servers(json!({ "fixture": fixture(&[]) }));
    let flags = [
        &REFUSE[..],
        &["--allow-module", "json", "--allow-module", "node:os"],
    ]
    .concat();
    for (name, other, allowed) in [
        (
            "a.py",
            "import csv",
            "from __future__ import annotations\nimport json, servers.fixture\nfrom mcp_tools.fixture \
             import add\nadd(a=1, b=2)['sum'] + json.loads('0')",
        ),
        (
            "a.js",
            "import path from 'path'",
            "import os from 'os';\nimport { add } from './servers/fixture';\n(await add({ a: 1, b: 2 \
             })).sum",
        ),
    ] {
        let report = place.exec(name, other, &flags);
        assert_eq!(report["status"], "denied", "{report:#}");
        let module = other
            .trim_end_matches('\'')
            .rsplit([' ', '\''])
            .next()
            .unwrap();
        contains(
            &report["error"]["message"],
            &format!("`{module}` is none of the allowed modules (line 1"),
        );
        assert_eq!(
            report["error"]["hint"],
            format!(
                "`--allow-module '{module}'`, or the same in `advice.allowedModules`, allows it"
            )
        );
        assert_eq!(ok(place.exec(name, allowed, &flags)), 3);
        let more = [&flags[..], &["--allow-module", module]].concat();
        let report = place.exec(name, other, &more);
        assert_eq!(report["status"], "ok", "{report:#}");
    }
}

#[test]
fn a_construct_is_named_until_it_is_allowed() {
    let python = [
        ("import os\nos.popen(x)", "os.popen", "processes"),
        (
            "from subprocess import run as r, PIPE\nr(x)",
            "subprocess.run",
            "processes",
        ),
        (
            "import threading as t\nt.Thread(target=x)",
            "threading.Thread",
            "processes",
        ),
        ("import requests\nrequests.get(x)", "requests", "network"),
        (
            "import urllib.request\nurllib.request.urlopen(x)",
            "urllib.request.urlopen",
            "network",
        ),
        ("import socket\nsocket.socket()", "socket.socket", "network"),
        (
            "import ctypes\nctypes.CDLL(x)",
            "ctypes.CDLL",
            "native-code",
        ),
        ("eval(x)", "eval", "dynamic-code"),
        ("exec(f'{x} = 1')", "exec", "dynamic-code"),
        ("compile(x, 'a', 'exec')", "compile", "dynamic-code"),
        ("__import__(x)", "__import__", "dynamic-import"),
        (
            "import importlib\nimportlib.import_module(x)",
            "importlib.import_module",
            "dynamic-import",
        ),
        (
            "import pickle\npickle.loads(x)",
            "pickle.loads",
            "unpickling",
        ),
        ("open('/servers/demo/x.py', 'w')", "open", "servers-files"),
        ("open(f'/servers/{x}', mode='a')", "open", "servers-files"),
        (
            "import pathlib\npathlib.Path('/servers/x').write_text(x)",
            "write_text",
            "servers-files",
        ),
        ("while True: pass", "while True", "endless-loop"),
        ("while 1:\n    x += 1", "while 1", "endless-loop"),
    ];
    let javascript = [
        (
            "require('child_process').exec(x)",
            "child_process",
            "processes",
        ),
        ("new Worker('a.js')", "Worker", "processes"),
        ("fetch(x)", "fetch", "network"),
        ("globalThis.fetch(x)", "fetch", "network"),
        ("import('node:http')", "node:http", "network"),
        ("process.binding('fs')", "process.binding", "native-code"),
        ("eval(x)", "eval", "dynamic-code"),
        ("new Function('a', x)", "Function", "dynamic-code"),
        ("require('vm')", "vm", "dynamic-code"),
        ("import(x)", "import", "dynamic-import"),
        ("require(`./${x}`)", "require", "dynamic-import"),
        (
            "require('fs').writeFileSync('/servers/x.js', x)",
            "writeFileSync",
            "servers-files",
        ),
        ("while (true) {}", "while (true)", "endless-loop"),
        ("for (;;) x++", "for (;;)", "endless-loop"),
        ("do { x += 1 } while (1)", "do while (true)", "endless-loop"),
    ];
    let of_python =
        python.map(|(body, name, construct)| ("a.py", uncalled_python(body), name, construct));
    let of_javascript = javascript.map(|(body, name, construct)| {
        (
            "a.js",
            format!("function never(x) {{ {body} }}\n'ran'"),
            name,
            construct,
        )
    });
    for (file, source, name, construct) in of_python.into_iter().chain(of_javascript) {
        check(file, &source, &[], &[name]);
        check(file, &source, &["--allow-construct", construct], &[]);
    }
}

#[test]
fn what_only_looks_like_a_construct_is_nothing() {
    for body in [
        "import os, socket, ctypes, subprocess\nsubprocess.PIPE, socket.gethostname(), ctypes.c_int",
        "eval('1'), exec('a = 1'), __import__('json')",
        "from re import compile\ncompile(x)",
        "open('/servers/x'), open('/servers/x', 'r'), open(x, 'w'), open('/workspace/servers/', 'w')",
        "while True:\n    if x: break",
        "while True:\n    x.append(next(x))",
        "while x: pass",
        "x.system(x), x.fetch(x), x.eval(x)",
    ] {
        check("a.py", &uncalled_python(body), &[], &[]);
    }
    check("a.py", "def eval(x): return x\neval(str(1))", &[], &[]);
    for body in [
        "const fetch = x; fetch(x)",
        "x.eval(x); eval('1'); new Function('return 1')",
        "import('fs'); require(`fs`); process.argv",
        "require('fs').readFileSync('/servers/x.js'); require('fs').writeFileSync(x, '/servers/')",
        "while (true) { if (x) break }",
        "for (;;) await x",
        "for (;;) { if (x()) throw 1 }",
        "for (; x;) {}",
    ] {
        let source = format!("async function never(x) {{ {body} }}\n'ran'");
        check("a.js", &source, &[], &[]);
    }
    check(
        "a.ts",
        "interface Worker { fetch: typeof fetch }\nlet a: WebSocket; 1",
        &[],
        &[],
    );
}

#[test]
fn what_ends_the_program_is_said_once() {
    let place = Place::new();
    for (name, caught, uncaught, found) in [
        (
            "a.py",
            "import os\ntry:\n    os.system('ls')\nexcept OSError:\n    pass",
            "import os\n\nos.system('ls')",
            "os.system",
        ),
        (
            "a.js",
            "try {\n  await fetch('http://a')\n} catch {}",
            "1;\nawait fetch('http://a')",
            "fetch",
        ),
    ] {
        let report = place.exec(name, caught, &WARN);
        assert_eq!(report["status"], "ok", "{report:#}");
        assert_eq!(warned(&report), [found], "{report:#}");
        let report = place.exec(name, uncaught, &WARN);
        error(&report);
        assert_eq!(report["warnings"], json!([]), "{report:#}");
        // What is elsewhere is said all the same.
        let elsewhere = format!("{caught}\n{}", if name == "a.py" { "1 / 0" } else { "x.y" });
        let report = place.exec(name, &elsewhere, &WARN);
        error(&report);
        assert_eq!(warned(&report), [found], "{report:#}");
    }
}

#[test]
fn lines_are_those_of_the_text_that_was_sent() {
    for (name, source, line) in [
        (
            "a.py",
            "Here it is:\n```python\n\nimport csv\n```\nand so on",
            4,
        ),
        ("a.py", "# é\r\n\r\nimport csv\r\n", 3),
        ("a.js", "```js\n\nimport csv from 'csv'\n```", 3),
        (
            "a.ts",
            "enum A { B }\nnamespace C { export const d = 1 }\nimport 'csv'",
            3,
        ),
    ] {
        let flags = [&REFUSE[..], &["--deny-module", "csv"]].concat();
        let report = Place::new().exec(name, source, &flags);
        assert_eq!(report["status"], "denied", "{report:#}");
        assert_eq!(report["error"]["position"]["line"], line, "{report:#}");
    }
}

#[test]
fn a_text_that_is_no_program_gets_the_error_of_its_language() {
    for (name, source) in [("a.py", "import os\nx = ("), ("a.js", "import 'os'\nx = (")] {
        let flags = [&REFUSE[..], &["--deny-module", "os"]].concat();
        let report = Place::new().exec(name, source, &flags);
        assert_eq!(error(&report)["kind"], "SyntaxError", "{report:#}");
    }
}

#[test]
fn a_session_goes_on_after_a_program_that_was_refused() {
    tokio().block_on(async {
        let advice = Advice {
            mode: AdviceMode::Refuse,
            denied_modules: vec!["csv".parse().unwrap()],
            ..Advice::default()
        };
        let options = SessionOptions {
            advice,
            ..Default::default()
        };
        let mut session = Session::new(engine(), Toolbox::default(), options);
        for (set, refused, get) in [
            (
                Program::python("x = 1"),
                Program::python("x = 2\nimport csv"),
                Program::python("x"),
            ),
            (
                Program::javascript("let x = 1"),
                Program::javascript("x = 2; await import('csv')"),
                Program::javascript("x"),
            ),
        ] {
            assert_eq!(session.run(set).await.status, Status::Ok);
            let report = session.run(refused).await;
            assert_eq!(report.status, Status::Denied, "{report:?}");
            // An embedder that renders no hints still gets them.
            assert!(report.error.unwrap().hint.is_some());
            let report = session.run(get).await;
            assert_eq!(report.result, Some(1.into()), "{report:?}");
            assert_eq!(report.warnings, [""; 0]);
        }
    });
}

#[test]
fn a_flag_wins_over_the_configuration() {
    let place = Place::with_config(json!({ "mcpServers": {}, "coordinator": { "advice": {
        "mode": "refuse", "deniedModules": ["csv"], "allowedConstructs": ["network"],
    } } }));
    let source = "import csv\nrequests = lambda: __import__('requests')\n'ran'";
    let report = place.exec("a.py", source, &[]);
    assert_eq!(report["status"], "denied", "{report:#}");
    let report = place.exec("a.py", source, &["--advice", "warn"]);
    assert_eq!(warned(&report), ["csv"]);
    let report = place.exec("a.py", source, &["--advice", "off"]);
    assert_eq!(report["warnings"], json!([]));
    assert_eq!(ok(report), "ran");
    let report = place.exec(
        "a.py",
        source,
        &["--advice", "warn", "--allow-module", "json"],
    );
    assert_eq!(warned(&report), ["csv", "requests"]);
    place
        .run(&["exec", "--allow-construct", "networks", "-c", "1"])
        .fails_with(2);
    place
        .run(&["exec", "--deny-module", "{a,b}", "-c", "1"])
        .fails_with(2);
}

#[test]
fn a_model_is_told_what_is_advised_against_in_words_of_its_own() {
    let place = Place::with_config(json!({ "mcpServers": {}, "coordinator": { "advice": {
        "mode": "refuse", "deniedModules": ["csv"],
    } } }));
    let mut client = Client::start(&place, &[]);
    for (language, denied, construct) in [
        ("python", "import csv", "def f(x): eval(x)"),
        ("javascript", "import 'csv'", "const f = x => eval(x)"),
    ] {
        let mut execute = |code: &str| {
            let result = client.call("execute", json!({ "code": code, "language": language }));
            let status = result["structuredContent"]["status"].clone();
            (status, text(&result).to_owned())
        };
        let (status, said) = execute(denied);
        assert_eq!(status, "denied", "{said}");
        assert!(
            said.contains(
                "people who run this server can remove `csv` from `advice.deniedModules`"
            ),
            "{said}"
        );
        let (status, said) = execute(construct);
        assert_eq!(status, "denied", "{said}");
        assert!(
            said.contains("`dynamic-code` in `advice.allowedConstructs`"),
            "{said}"
        );
        assert!(!said.contains("--allow"), "{said}");
        let (status, said) = execute("1");
        assert_eq!(status, "ok", "{said}");
    }
}

/// Each way around the advice is taken, and what it leads to is refused where
/// it is done.
#[test]
fn whoever_gets_around_the_advice_has_gained_nothing() {
    let place = Place::new();
    let mut flags = REFUSE.to_vec();
    for module in [
        "os",
        "posix",
        "subprocess",
        "socket",
        "child_process",
        "fs",
        "process",
    ] {
        flags.extend(["--deny-module", module]);
    }
    // Those that advice knows, one by one.
    for construct in ["dynamic-code", "dynamic-import"] {
        flags.extend(["--allow-construct", construct]);
    }
    let python = r#"
import builtins, importlib, sys, random, shutil, tempfile
name = "".join(["o", "s"])
ways = {
    "import": lambda: __import__(name),
    "importlib": lambda: importlib.import_module(name),
    "modules": lambda: sys.modules[name],
    "private": lambda: getattr(random, "_os"),
    "passed on": lambda: shutil.os,
    "loader": lambda: importlib.util.module_from_spec(importlib.util.find_spec("posix")),
    "eval": lambda: eval("__import__('o' + 's')"),
    "exec": lambda: exec("import os as found", space := {}) or space["found"],
    "getattr": lambda: getattr(builtins, "__imp" + "ort__")(name),
    "globals": lambda: "{0.__globals__}".format(tempfile.mkdtemp) and tempfile.mkdtemp.__globals__["_os"],
}
gained = []
def tried(what, attempt):
    try:
        gained.append((what, attempt()))
    except Exception:
        pass
import importlib.util
got = [way for way, module in ways.items() if hasattr(module(), "getcwd")]
for way, module in ways.items():
    for call in [("system", "id"), ("popen", "id"), ("fork",), ("kill", 1, 9), ("listdir", "/etc"), ("listdir", "/proc"),
                 ("execv", "/bin/sh", ["sh"]), ("posix_spawn", "/bin/sh", ["sh"], {}), ("open", "/etc/passwd", 0)]:
        tried((way, call), lambda: getattr(module(), call[0])(*call[1:]))
net = importlib.import_module("soc" + "ket")
tried("connect", lambda: net.create_connection(("127.0.0.1", 1)))
tried("raw", lambda: sys.modules["_soc" + "ket"].socket())
run = importlib.import_module("sub" + "process").run
tried("run", lambda: run(["id"]))
tried("file", lambda: open("/etc/passwd").read())
tried("environment", lambda: dict(ways["import"]().environ) or 1 / 0)
[sorted(set(ways) - set(got)), gained]
"#;
    let report = place.exec("a.py", python, &flags);
    assert_eq!(ok(report), json!([[], []]));
    let javascript = r#"
const gained = [];
const tried = async (what, attempt) => {
  try {
    const got = await attempt();
    if (got !== undefined) gained.push([what, String(got)]);
  } catch {}
};
const name = ["f", "s"].join("");
const ways = {
  import: () => import(name),
  require: async () => require(name),
  eval: () => (0, eval)("import('f' + 's')"),
  constructor: () => (async () => {}).constructor("return import('f' + 's')")(),
  builtin: async () => globalThis["pro" + "cess"].getBuiltinModule?.(name) ?? require(name),
};
const got = [];
for (const [way, module] of Object.entries(ways)) {
  const fs = await module();
  if (fs?.existsSync?.("/workspace")) got.push(way);
  await tried([way, "file"], () => fs.readFileSync("/etc/passwd"));
  await tried([way, "folder"], () => fs.readdirSync("/proc"));
}
for (const denied of ["child_" + "process", "worker_" + "threads", "ne" + "t", "std", "qjs:os"]) {
  await tried(denied, () => import(denied).then(module => Object.keys(module)));
}
await tried("binding", () => globalThis["pro" + "cess"]["bind" + "ing"]("fs"));
await tried("url", () => import("file:///etc/passwd"));
await tried("environment", () => Object.keys(globalThis["pro" + "cess"].env)[0]);
[Object.keys(ways).length - got.length, gained]
"#;
    let report = place.exec("a.js", javascript, &flags);
    assert_eq!(ok(report), json!([0, []]));
    // Its twin: said plainly, it is refused before.
    for (name, source) in [("a.py", "import os"), ("a.js", "import 'fs'")] {
        let report = place.exec(name, source, &flags);
        assert_eq!(report["error"]["kind"], "advice_refused", "{report:#}");
    }
}

/// With and without advice: a typed error, in bounded time.
#[test]
fn hostile_texts_end_as_errors_in_little_time() {
    let place = Place::new();
    let nested = |open: &str, close: &str, depth| open.repeat(depth) + "1" + &close.repeat(depth);
    // Those of less than 64 KiB are looked at.
    let texts = [
        ("a.py", "(".repeat(5 << 20)),
        ("a.py", "(".repeat(60_000)),
        ("a.py", nested("f'{", "}'", 100_000)),
        ("a.py", nested("f'{", "}'", 12_000)),
        ("a.py", nested("[", "]", 30_000)),
        ("a.py", nested("-", "", 60_000)),
        ("a.py", nested("lambda:", "", 9_000)),
        ("a.py", format!("a{}", ".a".repeat(30_000))),
        ("a.py", format!("a{}", "()".repeat(30_000))),
        ("a.py", "a.b;".repeat(16_000)),
        ("a.py", "f'{a}',".repeat(9_000)),
        ("a.py", "while 1:\n x=1\n".repeat(4_000)),
        ("a.py", "((1,)*10**6)*10**3".to_owned()),
        ("a.py", "1\n".repeat(1_000_000)),
        ("a.py", format!("import {}", "é,".repeat(20_000))),
        ("a.js", "(".repeat(5 << 20)),
        ("a.js", "(".repeat(60_000)),
        ("a.js", nested("`${", "}`", 12_000)),
        ("a.js", nested("!", "", 60_000)),
        ("a.js", nested("a=>", "", 20_000)),
        ("a.js", format!("a{}", ".a".repeat(30_000))),
        ("a.js", format!("a{}", "()".repeat(30_000))),
        ("a.js", "for(;;)".repeat(9_000) + ";"),
        ("a.js", "1\n".repeat(1_000_000)),
        ("a.ts", format!("let a: {}", nested("A<", ">", 20_000))),
    ];
    let flags = ["--timeout", "20s", "--memory", "128MiB"];
    for (name, source) in &texts {
        let start = &source[..source.floor_char_boundary(20)];
        let is_long = source.len() > 64 << 10;
        for mode in ["off", if is_long { "refuse" } else { "warn" }] {
            let began = Instant::now();
            let report = place.exec(name, source, &[&flags[..], &["--advice", mode]].concat());
            let took = began.elapsed();
            let status = report["status"].as_str().unwrap();
            assert!(
                matches!(status, "ok" | "error" | "limit" | "denied"),
                "{start}: {report:#}"
            );
            if mode == "refuse" {
                contains(&report["error"]["message"], "is too long to be looked at");
                assert!(took < Duration::from_secs(5), "{start}: {took:?}");
            }
            assert!(took < Duration::from_secs(30), "{start}: {took:?}");
        }
    }
    // Its twin: a long text that may be.
    let long = format!("'{}'\n'ran'", "x".repeat(200_000));
    for name in ["a.py", "a.js"] {
        let report = place.exec(
            name,
            &long,
            &[&REFUSE[..], &["--allow-construct", "long-text"]].concat(),
        );
        assert_eq!(ok(report), "ran");
        assert_eq!(place.exec(name, &long, &REFUSE)["status"], "denied");
    }
}
