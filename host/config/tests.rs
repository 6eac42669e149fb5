//! From text to meaning, and errors as they are printed.

use contract::advice::{Advice, AdviceMode, Construct};
use std::{env::VarError, path::Path};

use tools::servers::{CALL_TIMEOUT, Http, Stdio, Transport};

use super::{
    file::{Context, parse},
    *,
};

/// Reads `text` as `mcp.json`, in a folder `/project`, with a few variables.
fn read(text: &str) -> Result<Configuration, Error> {
    let lookup = |name: &str| match name {
        "API_TOKEN" => Ok("t0p-secret-value".to_owned()),
        "HOME" => Ok("/home/ada".to_owned()),
        "BREAK" => Ok("a\r\nHost: evil".to_owned()),
        _ => Err(VarError::NotPresent),
    };
    let context = Context {
        folder: Path::new("/project"),
        variables: &lookup,
        own_program: Some(Path::new("/opt/bin/wasm-coordinator")),
    };
    parse(Path::new("mcp.json"), text, &context)
}

fn accepted(text: &str) -> Configuration {
    read(text).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    match read(text) {
        Ok(configuration) => panic!("accepted: {configuration:#?}"),
        Err(error) => error.to_string(),
    }
}

/// What is said of a file in which one server, or several, cannot be used.
fn faults(text: &str) -> String {
    let configuration = accepted(text);
    let is_unusable = |server: &Server| matches!(server.spec.transport, Transport::Unusable(_));
    assert!(
        configuration.servers.iter().any(is_unusable),
        "accepted: {configuration:#?}"
    );
    Error::new(configuration.warnings).to_string()
}

/// The messages of the warnings, with their hints.
fn warnings(text: &str) -> Vec<String> {
    let show = |warning: &Diagnostic| match &warning.hint {
        Some(hint) => format!("{} ({hint})", warning.message),
        None => warning.message.clone(),
    };
    accepted(text).warnings.iter().map(show).collect()
}

fn stdio(configuration: &Configuration, index: usize) -> &Stdio {
    match &configuration.servers[index].spec.transport {
        Transport::Stdio(stdio) => stdio,
        other => panic!("{}", other.kind()),
    }
}

fn http(configuration: &Configuration, index: usize) -> &Http {
    match &configuration.servers[index].spec.transport {
        Transport::Http(http) => http,
        other => panic!("{}", other.kind()),
    }
}

#[test]
fn a_file_of_any_client_is_understood() {
    let configuration = accepted(
        r#"{
          // Comments, and commas at the end.
          "mcpServers": {
            "files": {
              "command": "npx", "args": ["-y", "server", "${HOME}/docs"],
              "env": { "LOG": "debug", "PORT": 8080, "VERBOSE": true, "API_TOKEN": "${API_TOKEN}", },
              "cwd": "data", "autoApprove": ["*"], "alwaysAllow": [], "description": "files",
            },
            "remote": {
              "type": "streamableHttp", "url": "https://user:word@example.com/mcp?key=${API_TOKEN}",
              "headers": { "Authorization": "Bearer ${env:API_TOKEN}" },
              "callTimeout": "20s", "maxInFlight": 4,
            },
            "off": { "command": "${NOT_SET}", "disabled": true },
            "also_off": { "enabled": false },
          },
          "servers": { "here": { "type": "stdio", "command": "./run/server" } },
          "inputs": [], "$schema": "x",
        }"#,
    );
    assert_eq!(configuration.warnings, []);
    assert_eq!(configuration.origin.as_deref(), Some(Path::new("mcp.json")));
    assert_eq!(configuration.disabled, ["off", "also_off"]);
    let names: Vec<_> = configuration
        .servers
        .iter()
        .map(|server| &server.spec.name)
        .collect();
    assert_eq!(names, ["files", "remote", "here"]);

    let files = stdio(&configuration, 0);
    assert_eq!(files.command, "npx");
    assert_eq!(files.args, ["-y", "server", "/home/ada/docs"]);
    assert_eq!(
        configuration.servers[0].written,
        "npx -y server ${HOME}/docs"
    );
    let env: Vec<_> = files
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        env,
        [
            ("LOG", "debug"),
            ("PORT", "8080"),
            ("VERBOSE", "true"),
            ("API_TOKEN", "t0p-secret-value")
        ]
    );
    assert_eq!(files.cwd.as_deref(), Some(Path::new("/project/data")));

    let remote = http(&configuration, 1);
    assert_eq!(
        remote.url,
        "https://user:word@example.com/mcp?key=t0p-secret-value"
    );
    assert_eq!(
        configuration.servers[1].written,
        "https://example.com/mcp?…"
    );
    assert_eq!(remote.headers[0].1, "Bearer t0p-secret-value");
    let remote = &configuration.servers[1].spec;
    assert_eq!(remote.call_timeout, Duration::from_secs(20));
    assert_eq!(remote.max_in_flight, Some(4));
    assert_eq!(stdio(&configuration, 2).command, "/project/./run/server");
}

#[test]
fn nothing_secret_is_printed_and_all_of_it_is_known() {
    let configuration = accepted(
        r#"{ "mcpServers": { "a": {
          "command": "x", "args": ["--token=${API_TOKEN}", "${HOME}/x"],
          "env": { "DB_PASSWORD": "literal-password", "DIR": "${HOME}/data", "SHORT_KEY": "abc" }
        } } }"#,
    );
    let printed = format!("{configuration:?}");
    for secret in ["t0p-secret-value", "literal-password", "/home/ada"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert_eq!(
        configuration.servers[0].spec.secrets,
        ["literal-password", "t0p-secret-value"]
    );
}

#[test]
fn our_own_section_is_read() {
    let configuration = accepted(
        r#"{ "coordinator": {
          "limits": { "timeout": "1m30s", "memory": "64MiB", "fuel": 1000000, "maxCalls": 10, "maxOutput": 4096, "maxContent": "2MiB",
            "workspaceSize": "1GiB", "fileSize": "20MB", "maxFiles": 500 },
          "tools": { "allow": ["github.*", "{a,b}.list_*"], "ask": ["gh.push"], "trust": ["gh.merge"], "deny": ["*.delete_*"], "changes": "accept" },
          "advice": { "allowedModules": ["json"], "deniedModules": ["os.*"], "allowedConstructs": ["network"], "mode": "refuse" },
          "callTimeout": 60, "startTimeout": "2m", "maxInFlight": 128, "maxInFlightPerServer": 16,
          "maxMessage": "32MiB"
        }, "mcpServers": { "gh": { "command": "x", "excludeTools": ["rm*"] } } }"#,
    );
    assert_eq!(
        configuration.limits,
        Limits {
            timeout: Duration::from_secs(90),
            memory: 64 << 20,
            fuel: Some(1_000_000),
            max_calls: 10,
            max_output: 4096,
            max_content: 2 << 20,
        }
    );
    assert_eq!(
        configuration.quota,
        Quota {
            bytes: 1 << 30,
            file_bytes: 20_000_000,
            inodes: 500,
        }
    );
    assert_eq!(
        configuration.tools,
        Tools {
            allow: Some(vec!["github.*".to_owned(), "{a,b}.list_*".to_owned()]),
            ask: vec!["gh.push".to_owned()],
            trust: vec!["gh.merge".to_owned()],
            changes: Changes::Accept,
            deny: vec!["*.delete_*".to_owned(), "gh.rm[*]".to_owned()],
        }
    );
    assert_eq!(
        configuration.advice,
        Advice {
            mode: AdviceMode::Refuse,
            allowed_modules: Some(vec!["json".parse().unwrap()]),
            denied_modules: vec!["os.*".parse().unwrap()],
            allowed_constructs: vec![Construct::Network],
        }
    );
    let limits = configuration.server_limits;
    assert_eq!((limits.in_flight, limits.in_flight_per_server), (128, 16));
    assert_eq!(limits.message, 32 << 20);
    let spec = &configuration.servers[0].spec;
    assert_eq!(spec.call_timeout, Duration::from_secs(60));
    assert_eq!(spec.start_timeout, Some(Duration::from_secs(120)));

    let empty = accepted(
        r#"{ "coordinator": { "callTimeout": null, "serve": null, "limits": { "fuel": null, "memory": null } },
          "mcpServers": { "gh": { "command": "x" } } }"#,
    );
    assert_eq!(empty.limits, Limits::default());
    assert_eq!(empty.advice, Advice::default());
    let some = accepted(r#"{ "coordinator": { "advice": { "deniedModules": ["os"] } } }"#);
    assert_eq!(some.advice.mode, AdviceMode::Warn);
    assert_eq!(empty.servers[0].spec.call_timeout, CALL_TIMEOUT);
}

#[test]
fn a_setting_holds_for_the_servers_above_it_too() {
    let configuration = accepted(
        r#"{ "mcpServers": { "a": { "command": "x" }, "b": { "command": "x", "callTimeout": "1s" } },
          "coordinator": { "callTimeout": "2m", "passThrough": { "roots": ["b"] } } }"#,
    );
    let timeouts = configuration
        .servers
        .iter()
        .map(|server| server.spec.call_timeout.as_secs());
    assert_eq!(timeouts.collect::<Vec<_>>(), [120, 1]);
    let roots = configuration
        .servers
        .iter()
        .map(|server| server.spec.pass_through.roots);
    assert_eq!(roots.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_configuration_ends_in_types_that_run() {
    let configuration = accepted(
        r#"{ "coordinator": { "limits": { "timeout": "1m", "fileSize": "1MiB" }, "tools": { "deny": ["a.*"] } },
          "mcpServers": { "a": { "command": "x" }, "b-c": { "url": "http://localhost:1/mcp" } } }"#,
    );
    let servers = configuration.toolbox().unwrap().servers();
    let identifiers: Vec<_> = servers
        .iter()
        .map(|server| server.identifier.as_str())
        .collect();
    assert_eq!(identifiers, ["a", "b_c"]);
    let options = configuration.session_options().unwrap();
    assert_eq!(options.limits.timeout, Duration::from_secs(60));
    let Files::Fresh(quota) = options.files else {
        panic!("{:?}", options.files);
    };
    assert_eq!(quota.file_bytes, 1 << 20);

    // What an embedder or a flag adds is checked like what was read.
    let mut changed = configuration.clone();
    changed.tools.deny.push("{".to_owned());
    assert!(changed.grants().is_err() && changed.session_options().is_err());
    let same = ServerSpec::local("b_c", tools::servers::LocalTools::new());
    changed.servers.push(same.into());
    assert!(changed.toolbox().is_err());
}

#[cfg(feature = "serve")]
#[test]
fn the_section_serve_becomes_options() {
    let configuration = accepted(
        r#"{ "coordinator": {
          "limits": { "timeout": "10m" }, "passThrough": { "sampling": ["a"] },
          "serve": { "maxTokens": 500, "runs": 3, "sessions": 4, "sessionMemory": "1MiB", "sessionIdle": "1m" }
        }, "mcpServers": { "a": { "command": "x" }, "b": { "command": "x" } } }"#,
    );
    let options = configuration.serve_options().unwrap();
    assert_eq!((options.output_tokens, options.runs), (500, 3));
    assert_eq!(
        (options.sessions.max_open, options.sessions.memory),
        (4, 1 << 20)
    );
    assert_eq!(options.sessions.idle, Duration::from_secs(60));
    assert_eq!(options.sessions.age, SessionBounds::default().age);
    // Never less than what a call has that asks for nothing.
    assert_eq!(options.max_timeout, Duration::from_secs(600));
    let sampling = |server: &Server| server.spec.pass_through.sampling;
    let sampling: Vec<_> = configuration.servers.iter().map(sampling).collect();
    assert_eq!(sampling, [true, false]);
}

#[test]
fn a_misspelt_key_finds_its_neighbour() {
    let known = ["command", "args", "env", "cwd", "url", "maxCalls"];
    for (name, expected) in [
        ("comand", Some("command")),
        ("Command", Some("command")),
        ("commnad", Some("command")),
        ("arguments", None),
        ("arg", Some("args")),
        ("max_calls", Some("maxCalls")),
        ("evn", Some("env")),
        ("zzz", None),
        ("", None),
        (&"c".repeat(1 << 20), None),
    ] {
        let expected = match expected {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "known here: `command`, `args`, `env`, `cwd`, `url`, `maxCalls`".to_owned(),
        };
        assert_eq!(document::Report::did_you_mean(name, &known), expected);
    }
}

#[test]
fn the_timeout_of_other_clients_is_understood() {
    for (timeout, expected) in [
        ("60", "60s"),
        ("3600", "1h"),
        ("30000", "30s"),
        ("\"5m\"", "5m"),
    ] {
        let text =
            format!(r#"{{ "servers": {{ "a": {{ "command": "x", "timeout": {timeout} }} }} }}"#);
        assert_eq!(
            Ok(Span(accepted(&text).servers[0].spec.call_timeout)),
            expected.parse(),
            "{timeout}"
        );
    }
}

#[test]
fn our_own_entry_is_left_out_and_our_own_servers_are_not() {
    let text = r#"{ "mcpServers": {
      "one": { "command": "/usr/bin/wasm-coordinator", "args": ["serve"] },
      "two": { "command": "npx", "args": ["-y", "wasm-coordinator@1.2", "serve", "--http"] },
      "three": { "command": "C:\\bin\\wasm-coordinator.exe", "args": ["serve"], "env": { "A": "${NOT_SET}" } },
      "demo": { "command": "wasm-coordinator", "args": ["demo-server"] },
      "other": { "command": "npx", "args": ["serve"] }
    } }"#;
    let hint =
        "one file can be shared: other clients start the entry, `wasm-coordinator` leaves it out";
    let skipped = |name| format!("server `{name}` is skipped: it is this program itself ({hint})");
    assert_eq!(
        warnings(text),
        [skipped("one"), skipped("two"), skipped("three")]
    );
    let configuration = accepted(text);
    assert_eq!(configuration.servers.len(), 2);
    assert_eq!(
        stdio(&configuration, 0).command,
        "/opt/bin/wasm-coordinator"
    );
    assert_eq!(
        configuration.servers[0].written,
        "wasm-coordinator demo-server"
    );
}

#[test]
fn what_is_odd_warns_and_does_not_stop() {
    assert_eq!(
        warnings(
            r#"{ "mcpserver": {}, "github": { "command": "x" }, "zzz": 1, "mcpServers": {
          "a": { "command": "run this", "commnad": "y", "headers": {}, "includeTools": ["x"] },
          "b": { "url": "http://localhost:1/mcp", "args": [], "envFile": ".env" } } }"#
        ),
        [
            "unknown key `mcpserver` is ignored (did you mean `mcpServers`?)",
            "`github` looks like a server but stands outside `mcpServers` (write `{ \"mcpServers\": { … } }` around the servers)",
            "unknown key `zzz` is ignored (known here: `mcpServers`, `servers`, `coordinator`)",
            "server `a`: unknown key `commnad` is ignored (did you mean `command`?)",
            "server `a`: `includeTools` is not supported and changes nothing (list the tools in `coordinator.tools.allow`, like `\"a.{a,b}\"`)",
            "server `a`: `headers` has no effect on a server with a `command`",
            "server `a`: `command` contains a space and is taken as the name of one program (no shell reads it: put what follows the program into `args`)",
            "server `b`: `envFile` is not supported and changes nothing (put the variables into `.env` beside this file and write `\"env\": { \"NAME\": \"${NAME}\" }`)",
            "server `b`: `args` has no effect on a server with a `url`",
        ]
    );
    assert_eq!(
        warnings("{}"),
        [
            "there is no `mcpServers` in the file (write `{ \"mcpServers\": { … } }`, or let `wasm-coordinator init` write a first file)"
        ]
    );
}

#[test]
fn an_unset_variable_names_server_field_and_variable() {
    let text = "{\n  \"mcpServers\": {\n    \"github\": { \"command\": \"gh\", \"env\": { \"A\": \"plain-secret\", \"TOKEN\": \"x-${env:GH_TOKEN}\" } }\n  }\n}";
    assert_eq!(
        faults(text),
        "\
server `github`: `env.TOKEN` needs the variable `GH_TOKEN`, which is not set
 --> mcp.json:3:76
  |
3 |     \"github\": { \"command\": \"gh\", \"env\": { \"A\": \"••••••••••••\", \"TOKEN\": \"••${env:GH_TOKEN}\" } }
  |                                                                            ^^^^^^^^^^^^^^^
  = hint: set it in the environment or as `GH_TOKEN=…` in `.env` beside this file, give a default with `${GH_TOKEN:-…}`, or switch the server off with `\"disabled\": true`"
    );
}

#[test]
fn broken_json_is_shown_with_its_place() {
    for (text, expected) in [
        (
            "{\n  \"mcpServers\": {\n    \"a\": { \"command\": \"x\",, }\n",
            "\
`mcp.json` is not valid JSON: unexpected token in object
 --> mcp.json:3:27
  |
3 |     \"a\": { \"command\": \"x\",, }
  |                           ^
  = hint: a key in double quotes should stand here: is there a comma too many?",
        ),
        (
            "{ \"mcpServers\": { \"a\": { \"env\": { \"K\": \"s3cret\" \"L\": \"t\" } } } }",
            "\
`mcp.json` is not valid JSON: expected comma
 --> mcp.json:1:48
  |
1 | { \"mcpServers\": { \"a\": { \"env\": { \"K\": \"••••••\" \"L\": \"•\" } } } }
  |                                                ^
  = hint: put a comma between this and what stands before it",
        ),
        (
            "{ \"mcpServers\": {} }}",
            "\
`mcp.json` is not valid JSON: text cannot contain more than one json value
 --> mcp.json:1:21
  |
1 | { \"mcpServers\": {} }}
  |                     ^
  = hint: the file holds one object: is there a `}` too many?",
        ),
        (
            "",
            "`mcp.json` is empty\n  = hint: write at least `{ \"mcpServers\": {} }`, or let `wasm-coordinator init` write a first file",
        ),
        (
            "[]",
            "the file must be an object, found a list\n --> mcp.json:1:1\n  |\n1 | []\n  | ^^",
        ),
    ] {
        assert_eq!(refused(text), expected);
    }
}

/// The first line of what is printed, for entries of a server `a`.
fn refused_entry(entry: &str) -> String {
    let printed = faults(&format!(r#"{{ "mcpServers": {{ "a": {entry} }} }}"#));
    printed.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn each_wrong_entry_is_refused_with_the_reason() {
    for (entry, expected) in [
        ("7", "server `a` must be an object, found a number"),
        ("{}", "server `a` has neither a `command` nor a `url`"),
        (
            r#"{ "command": "x", "url": "http://y" }"#,
            "server `a` has both a `command` and a `url`",
        ),
        (r#"{ "command": [] }"#, "server `a`: `command` is empty"),
        (
            r#"{ "command": { "paths": "x" } }"#,
            "server `a`: `command` must be text in double quotes, found an object",
        ),
        (
            r#"{ "command": null }"#,
            "server `a`: `command` must be text in double quotes, found `null`",
        ),
        (r#"{ "command": " " }"#, "server `a`: `command` is empty"),
        (
            r#"{ "command": "x\u0000" }"#,
            "server `a`: `command` contains a NUL character",
        ),
        (
            r#"{ "command": "x", "args": "y" }"#,
            "server `a`: `args` must be a list of text, like `[\"a\", \"b\"]`, found text",
        ),
        (
            r#"{ "command": "x", "args": [1] }"#,
            "each element of server `a`: `args` must be text in double quotes, found a number",
        ),
        (
            r#"{ "command": "x", "env": [] }"#,
            "server `a`: `env` must be an object, found a list",
        ),
        (
            r#"{ "command": "x", "env": { "A": {} } }"#,
            "server `a`: `env.A` must be text in double quotes, found an object",
        ),
        (
            r#"{ "command": "x", "env": { "A=B": "" } }"#,
            "server `a`: `env.A=B` is not the name of a variable",
        ),
        (
            r#"{ "command": "x", "env": { "A": "1", "A": "2" } }"#,
            "`A` is written twice in server `a`: `env`",
        ),
        (
            r#"{ "command": "x", "disabled": "yes" }"#,
            "server `a`: `disabled` must be `true` or `false`, found text",
        ),
        (
            r#"{ "command": "x", "maxInFlight": 0 }"#,
            "server `a`: `maxInFlight` must be a whole number from 1 to 10000, found `0`",
        ),
        (
            r#"{ "command": "x", "callTimeout": "soon" }"#,
            "server `a`: `callTimeout`: `soon` does not start with a number; write it like `30s`",
        ),
        (
            r#"{ "command": "x", "callTimeout": "0s" }"#,
            "server `a`: `callTimeout` must be more than nothing",
        ),
        (
            r#"{ "command": "x", "args": ["${A B}"] }"#,
            "server `a`: `args` refers to `A B`, which is no variable",
        ),
        (
            r#"{ "command": "x", "args": ["${A"] }"#,
            "server `a`: `args` has a `${` without its `}`",
        ),
        (
            r#"{ "command": "x", "args": ["${NONE}"] }"#,
            "server `a`: `args` needs the variable `NONE`, which is not set",
        ),
        (
            r#"{ "type": "stdio", "url": "http://x" }"#,
            "server `a` has the type \"stdio\" and needs a `command`",
        ),
        (
            r#"{ "type": "http", "command": "x" }"#,
            "server `a` has the type \"http\" and needs a `url`",
        ),
        (
            r#"{ "type": "carrier pigeon", "command": "x" }"#,
            "server `a` has the unknown type `carrier pigeon`",
        ),
        (
            r#"{ "type": "sse", "url": "http://x/sse" }"#,
            "server `a` uses the HTTP+SSE transport, which MCP has retired: there is no client for it here",
        ),
        (
            r#"{ "url": "ftp://x" }"#,
            "server `a`: `url` is not an `http://` or `https://` address",
        ),
        (
            r#"{ "url": "https://" }"#,
            "server `a`: `url` is not an `http://` or `https://` address",
        ),
        (
            r#"{ "url": "https://x/a b" }"#,
            "server `a`: `url` contains a space",
        ),
        (
            r#"{ "url": "https://x", "headers": { "A B": "" } }"#,
            "server `a`: `headers.A B` is not the name of a header",
        ),
        (
            r#"{ "url": "https://x", "headers": { "A": "${BREAK}" } }"#,
            "server `a`: `headers.A` contains a line break",
        ),
    ] {
        assert_eq!(refused_entry(entry), expected, "{entry}");
    }
}

#[test]
fn each_wrong_setting_is_refused_with_the_reason() {
    for (section, expected) in [
        ("[]", "`coordinator` must be an object, found a list"),
        (
            r#"{ "limit": {} }"#,
            "`coordinator` has the unknown key `limit`",
        ),
        (
            r#"{ "limits": { "max_calls": 5 } }"#,
            "`coordinator.limits` has the unknown key `max_calls`",
        ),
        (
            r#"{ "limits": { "timeout": true } }"#,
            "`coordinator.limits.timeout` must be a length of time, like `\"30s\"`, found `true` or `false`",
        ),
        (
            r#"{ "limits": { "memory": "lots" } }"#,
            "`coordinator.limits.memory`: `lots` does not start with a number; write it like `256MiB`",
        ),
        (
            r#"{ "limits": { "memory": 0 } }"#,
            "`coordinator.limits.memory` must be more than nothing",
        ),
        (
            r#"{ "limits": { "maxCalls": 1.5 } }"#,
            "`coordinator.limits.maxCalls` must be a whole number from 1 to 4294967295, found `1.5`",
        ),
        (
            r#"{ "limits": { "fuel": "much" } }"#,
            "`coordinator.limits.fuel` must be a whole number, found text",
        ),
        (
            r#"{ "tools": { "allow": "*" } }"#,
            "`coordinator.tools.allow` must be a list of text, like `[\"a\", \"b\"]`, found text",
        ),
        (
            r#"{ "tools": { "allow": ["{a"] } }"#,
            "`coordinator.tools.allow`: `{a` is not a pattern: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
        ),
        (
            r#"{ "audit": true }"#,
            "`coordinator.audit` must be an object, found `true` or `false`",
        ),
        (
            r#"{ "audit": { "dir": "x" } }"#,
            "`coordinator.audit` has the unknown key `dir`",
        ),
        (
            r#"{ "audit": { "enabled": "yes" } }"#,
            "`coordinator.audit.enabled` must be `true` or `false`, found text",
        ),
        (
            r#"{ "audit": { "directory": "" } }"#,
            "`coordinator.audit.directory` is empty",
        ),
        (
            r#"{ "audit": { "directory": "${HOME}/audit" } }"#,
            "`coordinator.audit.directory` is a path, in which variables are not replaced",
        ),
        (
            r#"{ "audit": { "arguments": "values" } }"#,
            "`coordinator.audit.arguments` must be `\"shapes\"` or `\"full\"`, found text",
        ),
        (
            r#"{ "audit": { "maxSize": "1KiB" } }"#,
            "`coordinator.audit.maxSize` must be at least 64KiB",
        ),
        (
            r#"{ "audit": { "keep": 1 } }"#,
            "`coordinator.audit.keep` must be at least 2",
        ),
        (
            r#"{ "audit": { "keep": 100000 } }"#,
            "`coordinator.audit.keep` must be a whole number from 1 to 10000, found `100000`",
        ),
        (
            r#"{ "advice": { "mode": "strict" } }"#,
            "`coordinator.advice.mode` must be `\"off\"`, `\"warn\"` or `\"refuse\"`, found text",
        ),
        (
            r#"{ "advice": { "denyModules": [] } }"#,
            "`coordinator.advice` has the unknown key `denyModules`",
        ),
        (
            r#"{ "advice": { "deniedModules": ["{a,b}"] } }"#,
            "`coordinator.advice.deniedModules`: a pattern for modules looks like `os`, `urllib.*` or `node:fs`, not like `{a,b}`, which has `{`",
        ),
        (
            r#"{ "advice": { "allowedConstructs": ["networks"] } }"#,
            "`coordinator.advice.allowedConstructs`: there is no construct `networks`",
        ),
        (
            r#"{ "maxInFlight": 1e9 }"#,
            "`coordinator.maxInFlight` must be a whole number from 1 to 10000, found `1e9`",
        ),
    ] {
        let printed = refused(&format!(r#"{{ "coordinator": {section} }}"#));
        assert_eq!(printed.lines().next(), Some(expected), "{section}");
    }
    let printed = refused(r#"{ "coordinator": { "limits": { "max_calls": 5 } } }"#);
    assert!(
        printed.ends_with("= hint: did you mean `maxCalls`?"),
        "{printed}"
    );
}

#[test]
fn an_audit_record_is_where_the_file_says() {
    let audit = |section: &str| {
        let text = format!(r#"{{ "coordinator": {{ "audit": {section} }} }}"#);
        accepted(&text)
    };
    let state = Path::new("/state");
    let none = accepted("{}").audit_options(state);
    assert_eq!(none.folder, Path::new("/state/audit"));
    assert_eq!(none.key, Path::new("/state/audit.key"));
    assert_eq!((none.max_size, none.keep), (32 << 20, 16));
    assert_eq!((none.arguments, none.required), (Arguments::Shapes, false));
    let all = audit(
        r#"{ "enabled": true, "directory": "rec", "arguments": "full", "maxSize": "1MiB", "keep": 2, "required": true }"#,
    );
    let options = all.audit_options(state);
    assert_eq!(options.folder, Path::new("/project/rec"));
    assert_eq!(
        options.key,
        Path::new("/state/audit.key"),
        "never beside the record"
    );
    assert_eq!((options.max_size, options.keep), (1 << 20, 2));
    assert_eq!(
        (options.arguments, options.required),
        (Arguments::Full, true)
    );
    assert_eq!(
        options.configuration.as_deref(),
        Some(Path::new("mcp.json"))
    );
    for (written, expected) in [
        ("/var/audit", "/var/audit"),
        ("~/audit", "/home/ada/audit"),
        ("../a", "/project/../a"),
    ] {
        let options = audit(&format!(r#"{{ "directory": "{written}" }}"#)).audit_options(state);
        assert_eq!(options.folder, Path::new(expected));
    }
    let printed = refused("{ \"coordinator\": {\n  \"audit\": { \"kep\": 3 } } }");
    assert!(printed.contains("mcp.json:2:14"), "{printed}");
    assert!(
        printed.ends_with("= hint: did you mean `keep`?"),
        "{printed}"
    );
}

#[test]
fn names_of_servers_are_unique_and_sane() {
    for (text, expected) in [
        (
            r#"{ "mcpServers": { "a": { "command": "x" }, "a": { "command": "y" } } }"#,
            "`a` is written twice in `mcpServers`",
        ),
        (
            r#"{ "mcpServers": { "a": { "command": "x" } }, "servers": { "a": { "command": "y" } } }"#,
            "server `a` is declared twice, in `mcpServers` and in `servers`",
        ),
        (
            r#"{ "mcpServers": { "": { "command": "x" } } }"#,
            "the name of a server is empty",
        ),
        (
            r#"{ "mcpServers": { "a\u0007": { "command": "x" } } }"#,
            "the name of a server contains a control character",
        ),
    ] {
        assert_eq!(refused(text).lines().next(), Some(expected), "{text}");
    }
    let long = format!(r#"{{ "mcpServers": {{ "{}": {{}} }} }}"#, "n".repeat(101));
    assert!(refused(&long).starts_with("the name of a server is longer than 100 characters"));
    let many: Vec<_> = (0..300)
        .map(|n| format!(r#""s{n}": {{ "command": "x" }}"#))
        .collect();
    let many = format!(r#"{{ "mcpServers": {{ {} }} }}"#, many.join(","));
    assert!(refused(&many).starts_with("there are more than 256 servers"));
}

#[test]
fn all_errors_are_told_at_once_in_the_order_of_the_file() {
    let text = "{ \"coordinator\": { \"limit\": 1 },\n\"mcpServers\": {\n\"a\": { \"command\": 1, \"env\": { \"A\": \"${X}\", \"B\": \"${Y}\" } },\n\"b\": {} } }";
    let error = read(text).unwrap_err();
    let messages: Vec<_> = error
        .diagnostics()
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "`coordinator` has the unknown key `limit`",
            "server `a`: `command` must be text in double quotes, found a number",
            "server `a`: `env.A` needs the variable `X`, which is not set",
            "server `a`: `env.B` needs the variable `Y`, which is not set",
            "server `b` has neither a `command` nor a `url`",
        ]
    );
    assert!(error.to_string().ends_with("and one more problem"));
}

#[test]
fn hostile_text_is_refused_without_harm() {
    for text in [
        "[".repeat(1 << 20),
        "{\"a\":".repeat(1 << 18),
        format!(
            "{{\"mcpServers\": {}{} }}",
            "[".repeat(400),
            "]".repeat(400)
        ),
        "\"".to_owned() + &"\\".repeat(1 << 20),
        "/*".repeat(1 << 19),
        "\u{0}".repeat(1000),
        "{\"mcpServers\": {\"a\": {\"command\": \"\\ud800\"}}}".to_owned(),
        format!(
            "{{\"mcpServers\": {{\"a\": {{\"command\": \"x\", \"args\": [{}] }} }} }}",
            "1,".repeat(1 << 18)
        ),
        format!("{{\"x\": 1{} }}", ", \"x\": 1".repeat(1 << 17)),
    ] {
        let printed = match read(&text) {
            Ok(_) => faults(&text),
            Err(error) => error.to_string(),
        };
        assert!(printed.len() < 4096, "{}", printed.len());
    }
}

#[test]
fn no_damage_to_a_file_panics_the_reader() {
    let good = include_str!("../../mcp.json.example");
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % bound as u64) as usize
    };
    let pieces = [
        "\"", "{", "}", "[", "]", ",", ":", "${", "é", "\u{2028}", "\\", "//", "/*", "\n", "\0",
        "null", "1e999",
    ];
    for _ in 0..20_000 {
        let mut text = good.to_owned();
        for _ in 0..=random(4) {
            let at = text.floor_char_boundary(random(text.len() + 1));
            match random(3) {
                0 => text.insert_str(at, pieces[random(pieces.len())]),
                1 => drop(
                    text.drain(
                        at..text
                            .floor_char_boundary((at + random(20)).min(text.len()))
                            .max(at),
                    ),
                ),
                _ => text.truncate(at.max(1)),
            }
        }
        match read(&text) {
            Ok(configuration) => drop(format!("{configuration:?}")),
            Err(error) => drop(error.to_string()),
        }
    }
}

#[test]
fn the_example_means_what_its_comments_say() {
    let example = include_str!("../../mcp.json.example");
    let configuration = accepted(example);
    assert_eq!(configuration.warnings, []);
    assert_eq!(configuration.servers.len(), 1);
    assert_eq!(stdio(&configuration, 0).args[0], "demo-server");

    // What it shows as comments works once it is uncommented.
    let uncommented: String = example
        .lines()
        .map(|line| match line.trim_start().strip_prefix("// ") {
            Some(code) if code.trim_start().starts_with(['"', '{', '}']) => format!("{code}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let with_token = uncommented.replace("${TICKETS_TOKEN}", "${API_TOKEN}");
    let configuration = accepted(&with_token);
    assert_eq!(configuration.warnings, []);
    let names: Vec<_> = configuration
        .servers
        .iter()
        .map(|server| server.spec.name.as_str())
        .collect();
    assert_eq!(names, ["demo", "filesystem", "git", "tickets"]);
}

#[test]
fn servers_that_may_ask_the_client_are_named_and_exist() {
    let configuration = accepted(
        r#"{ "coordinator": { "passThrough": { "sampling": ["a"], "roots": ["a", "off"] } },
          "mcpServers": { "a": { "command": "x" }, "off": { "command": "x", "disabled": true } } }"#,
    );
    let may = configuration.servers[0].spec.pass_through;
    assert_eq!((may.sampling, may.roots), (true, true));
    for (section, message) in [
        (
            r#"{ "sampling": ["b"] }"#,
            "names the server `b`, which is not configured",
        ),
        (r#"{ "sample": [] }"#, "has the unknown key `sample`"),
        (r#"{ "roots": "a" }"#, "`coordinator.passThrough.roots`"),
    ] {
        let text = format!(
            r#"{{ "coordinator": {{ "passThrough": {section} }}, "mcpServers": {{ "a": {{ "command": "x" }} }} }}"#
        );
        let error = refused(&text);
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn one_wrong_server_fails_alone() {
    let configuration = accepted(
        r#"{ "mcpServers": {
          "old": { "type": "sse", "url": "http://user:word@x/sse?key=1" },
          "unset": { "command": "gh", "args": ["--for me"], "env": { "TOKEN": "${GH_TOKEN}" } },
          "misspelt": { "comand": "x" },
          "works": { "command": "x" }
        } }"#,
    );
    let reasons: Vec<_> = configuration
        .servers
        .iter()
        .map(|server| match &server.spec.transport {
            Transport::Unusable(why) => (server.written.as_str(), why.reason.as_str()),
            other => (server.written.as_str(), other.kind()),
        })
        .collect();
    assert_eq!(
        reasons,
        [
            (
                "http://x/sse?…",
                "it uses the HTTP+SSE transport, which MCP has retired: there is no client for it here"
            ),
            (
                "gh \"--for me\"",
                "`env.TOKEN` needs the variable `GH_TOKEN`, which is not set"
            ),
            ("nothing", "it has neither a `command` nor a `url`"),
            ("x", "stdio"),
        ]
    );
    let hints: Vec<_> = configuration
        .warnings
        .iter()
        .filter_map(|warning| warning.hint.as_deref())
        .collect();
    assert!(
        hints.contains(&"did you mean `command` by `comand`?"),
        "{hints:?}"
    );
    assert!(configuration.toolbox().is_ok());
}

#[test]
fn what_is_relative_is_relative_to_the_file() {
    let configuration = accepted(
        r#"{ "mcpServers": {
          "here": { "command": "server", "args": ["."] },
          "below": { "command": "./server", "cwd": "data" },
          "home": { "command": "~/bin/server", "args": ["~", "~/a b", "~other", "a~"],
                    "env": { "FILE": "~/memory.json" }, "cwd": "~/x" },
          "editor": { "command": "${workspaceFolder}/bin/${workspaceFolderBasename}",
                      "args": ["${userHome}${/}x", "${workspaceFolder}"] }
        } }"#,
    );
    assert_eq!(configuration.warnings, []);
    let place = |index| {
        let stdio = stdio(&configuration, index);
        let cwd = stdio.cwd.as_deref().and_then(Path::to_str).unwrap();
        (stdio.command.as_str(), cwd)
    };
    assert_eq!(place(0), ("server", "/project"));
    assert_eq!(place(1), ("/project/./server", "/project/data"));
    assert_eq!(place(2), ("/home/ada/bin/server", "/home/ada/x"));
    assert_eq!(
        stdio(&configuration, 2).args,
        ["/home/ada", "/home/ada/a b", "~other", "a~"]
    );
    assert_eq!(stdio(&configuration, 2).env[0].1, "/home/ada/memory.json");
    assert_eq!(place(3), ("/project/bin/project", "/project"));
    assert_eq!(stdio(&configuration, 3).args, ["/home/ada/x", "/project"]);
    assert_eq!(
        configuration.servers[2].written,
        "~/bin/server ~ \"~/a b\" ~other a~"
    );
}

#[test]
fn the_files_of_editors_are_read() {
    for text in [
        r#"{ "mcp": { "servers": { "a": { "type": "stdio", "command": "x", "args": ["y"] } }, "inputs": [] } }"#,
        r#"{ "mcp.servers": { "a": { "command": "x", "args": ["y"] } } }"#,
        r#"{ "mcp": { "a": { "type": "local", "command": ["x", "y"], "environment": { "A": "b" }, "enabled": true } } }"#,
        r#"{ "context_servers": { "a": { "source": "custom", "command": "x", "args": ["y"], "env": {} } } }"#,
        r#"{ "context_servers": { "a": { "command": { "path": "x", "args": ["y"], "env": {} }, "settings": {} } } }"#,
    ] {
        let configuration = accepted(text);
        assert_eq!(configuration.warnings, [], "{text}");
        let stdio = stdio(&configuration, 0);
        assert_eq!(
            (&*stdio.command, &*stdio.args),
            ("x", &["y".to_owned()][..]),
            "{text}"
        );
    }
    let remote = accepted(r#"{ "mcp": { "a": { "type": "remote", "url": "https://x/mcp" } } }"#);
    assert_eq!(http(&remote, 0).url, "https://x/mcp");
    // It is not started by itself, however it is written.
    for own in [
        r#"["wasm-coordinator", "serve"]"#,
        r#"{ "path": "/bin/wasm-coordinator", "args": ["serve"] }"#,
    ] {
        let text = format!(r#"{{ "mcp": {{ "a": {{ "command": {own} }} }} }}"#);
        assert_eq!(accepted(&text).servers.len(), 0, "{own}");
    }
}

#[test]
fn memory_without_a_unit_that_no_program_could_live_in_is_refused() {
    let limits =
        |memory: &str| format!(r#"{{ "coordinator": {{ "limits": {{ "memory": {memory} }} }} }}"#);
    for memory in ["512", "\"512\""] {
        assert!(
            refused(&limits(memory))
                .contains("`512` are bytes, in which no program can run; write it like `512M`"),
            "{memory}"
        );
    }
    assert_eq!(accepted(&limits("\"512kB\"")).limits.memory, 512_000);
    assert_eq!(accepted(&limits("67108864")).limits.memory, 64 << 20);
}
