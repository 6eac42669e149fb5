//! One rule for all commands, and for the library: what nobody named or agreed to
//! starts nothing.

use std::path::Path;

use wasm_coordinator::config::{self, Environment};

use crate::harness::Place;

/// Every command that reads a configuration.
const COMMANDS: &[&[&str]] = &[
    &["exec", "-c", "await call_tool('mark.x', {})"],
    &["exec", "--json", "-c", "await call_tool('mark.x', {})"],
    &["exec", "program.js"],
    &["serve"],
    &["serve", "--mode", "tools"],
    &["serve", "--http", "TAKEN"],
    &["servers"],
    &["servers", "--json"],
    &["tools", "list"],
    &["tools", "list", "--json"],
    &["tools", "search", "x"],
    &["tools", "show", "mark.x"],
    &["stubs", "--out", "out"],
    &["wit", "mark"],
];

/// Those that read none, or only look at it.
const OTHERS: &[&str] = &[
    "init",
    "trust",
    "audit",
    "doctor",
    "warm",
    "completions",
    "demo-server",
    "help",
];

/// A way in which a configuration comes to be used.
struct Way {
    what: &'static str,
    /// Files beside the program that runs.
    files: &'static [(&'static str, &'static str)],
    variables: &'static [(&'static str, &'static str)],
    flags: &'static [&'static str],
    /// Agreed to before.
    agreed: bool,
    is_used: bool,
}

const MARK: &str =
    r#"{ "mcpServers": { "mark": { "command": "sh", "args": ["-c", "touch started; exit 1"] } } }"#;
const BY_VARIABLE: &str =
    r#"{ "mcpServers": { "mark": { "command": "sh", "args": ["-c", "${DO:-exit 1}"] } } }"#;
const DO: &str = "DO='touch started; exit 1'\n";

const PLAIN: Way = Way {
    what: "",
    files: &[],
    variables: &[],
    flags: &[],
    agreed: false,
    is_used: true,
};

const WAYS: &[Way] = &[
    Way {
        what: "a file that was just there",
        files: &[("mcp.json", MARK)],
        is_used: false,
        ..PLAIN
    },
    Way {
        what: "the same, agreed to",
        files: &[("mcp.json", MARK)],
        agreed: true,
        ..PLAIN
    },
    Way {
        what: "the same, named by a flag",
        files: &[("mcp.json", MARK)],
        flags: &["--config", "mcp.json"],
        ..PLAIN
    },
    Way {
        what: "the same, named by a variable of the user",
        files: &[("mcp.json", MARK)],
        variables: &[("MCP_JSON", "mcp.json")],
        ..PLAIN
    },
    Way {
        what: "a variable of the user that names nothing",
        files: &[("mcp.json", MARK)],
        variables: &[("MCP_JSON", "")],
        is_used: false,
        ..PLAIN
    },
    Way {
        what: "a file that a file names that was just there",
        files: &[("other.json", MARK), (".env", "MCP_JSON=other.json\n")],
        is_used: false,
        ..PLAIN
    },
    Way {
        what: "a named file with a variable that was just there",
        files: &[("in/mcp.json", BY_VARIABLE), (".env", DO)],
        flags: &["--config", "in/mcp.json"],
        is_used: false,
        ..PLAIN
    },
    Way {
        what: "the same by a variable of the user",
        files: &[("in/mcp.json", BY_VARIABLE), (".env", DO)],
        variables: &[("MCP_JSON", "in/mcp.json")],
        is_used: false,
        ..PLAIN
    },
    Way {
        what: "a named file with a variable beside it",
        files: &[
            ("in/mcp.json", BY_VARIABLE),
            ("in/.env", DO),
            (".env", "DO=false"),
        ],
        flags: &["--config", "in/mcp.json"],
        ..PLAIN
    },
    Way {
        what: "a named file with a variable of the user",
        files: &[("in/mcp.json", BY_VARIABLE), (".env", "DO=false")],
        flags: &["--config", "in/mcp.json"],
        variables: &[("DO", "touch started; exit 1")],
        ..PLAIN
    },
    Way {
        what: "a named file beside variables that it does not use",
        files: &[("in/mcp.json", MARK), (".env", "OTHER=x\n")],
        flags: &["--config", "in/mcp.json"],
        ..PLAIN
    },
    Way {
        what: "settings that were just there",
        files: &[(
            "mcp.json",
            r#"{ "coordinator": { "limits": { "memory": "8GiB" } } }"#,
        )],
        is_used: false,
        ..PLAIN
    },
    Way {
        what: "a file in which nothing is",
        files: &[("mcp.json", r#"{ "mcpServers": {} }"#)],
        ..PLAIN
    },
    Way {
        what: "no file at all",
        ..PLAIN
    },
];

impl Way {
    fn place(&self) -> Place {
        let mut place = Place::new().untrusted();
        for (name, text) in self.files {
            place.write(name, text);
        }
        place.write("program.js", "await callTool('mark.x', {})");
        if self.agreed {
            place.run(&["trust"]).succeeds();
        }
        for (name, value) in self.variables {
            place = place.variable(name, value);
        }
        place
    }
}

/// Servers work in the folder of their configuration.
fn is_started(place: &Place) -> bool {
    let files = ["started", "in/started"];
    files.iter().any(|file| place.path().join(file).exists())
}

#[test]
fn all_commands_use_the_same_configurations() {
    // A server that was let in ends, because it cannot listen.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for way in WAYS {
        for command in COMMANDS {
            let place = way.place();
            let words = command.iter().chain(way.flags);
            let words = words.map(|&word| if word == "TAKEN" { &*taken } else { word });
            let arguments: Vec<&str> = words.collect();
            let ran = place.run(&arguments);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            let is_refused = said.contains("you have not agreed to it");
            assert_eq!(
                !is_refused, way.is_used,
                "{}, {command:?}: {said}",
                way.what
            );
            if is_refused {
                assert_eq!(ran.status, 2, "{said}");
                assert!(said.contains("`wasm-coordinator trust` agrees"), "{said}");
                assert!(!is_started(&place), "{}, {command:?}", way.what);
            }
        }
        // What starts servers does so where it may.
        let place = way.place();
        place.run(&[&["servers"], way.flags].concat());
        let has_server = way.files.iter().any(|(_, text)| text.contains("\"mark\""));
        assert_eq!(
            is_started(&place),
            way.is_used && has_server,
            "{}",
            way.what
        );
    }
}

#[test]
fn the_library_follows_the_rule_of_the_commands() {
    for way in WAYS {
        let place = way.place();
        let mut environment = Environment::default();
        environment.directory = place.path().to_owned();
        environment.variables = way
            .variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let explicit = way.flags.last().map(Path::new);
        let mut configuration = config::load(explicit, &environment).unwrap();
        // Who agreed at the command line is not known here.
        let is_used = way.is_used && !way.agreed;
        let tools = configuration.toolbox();
        assert_eq!(tools.is_ok(), is_used, "{}: {:?}", way.what, tools.err());
        if let Err(error) = tools {
            let said = error.to_string();
            assert!(
                said.contains("was found and nobody named it or agreed to it"),
                "{said}"
            );
        }
        configuration.agree();
        assert!(configuration.toolbox().is_ok(), "{}", way.what);
    }
}

/// A command that is added is in one of the lists above.
#[test]
fn no_command_is_missing() {
    let help = Place::new().run(&["--help"]).succeeds().stdout;
    let commands = help.split("Commands:\n").nth(1).expect("it lists them");
    let mut known: Vec<&str> = COMMANDS.iter().map(|command| command[0]).collect();
    known.extend(OTHERS);
    for line in commands.lines().take_while(|line| !line.is_empty()) {
        let name = line.split_whitespace().next().unwrap_or_default();
        let is_name = line.starts_with("  ") && !line.starts_with("   ");
        assert!(!is_name || known.contains(&name), "{name}");
    }
}
