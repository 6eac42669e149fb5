//! Real clients drive `serve`, over both transports and in both eras of the
//! protocol, with seven servers behind it and two more that misbehave.
//!
//! The SDKs have the conversation written in `tests/clients`, one JSON line a
//! step; what each step must say is here.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::Http;
use crate::harness::{Place, contains, fixture, guest_cache, real_servers, root};

/// How long a client may take for all it has to say.
const PATIENCE: Duration = Duration::from_secs(240);

pub const TOKEN: &str = "a-token-for-real-clients";

/// Names of clients to command and arguments, as the install script says.
fn installed() -> &'static BTreeMap<String, Vec<String>> {
    static CLIENTS: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let output = Command::new(root().join("tests/clients/install"))
            .arg("--json")
            .output()
            .expect("the install script starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).expect("the install script prints JSON")
    })
}

/// What a client wrote; all of it is shown when a test fails while it is there.
pub struct Said {
    command: String,
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Runs a client to its end, or ends it when it takes too long.
    pub fn by(client: &str, arguments: &[String], place: &Place) -> Self {
        let words = &installed()[client];
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .args(arguments)
            .current_dir(place.path())
            // What a client keeps for its user stays in here.
            .env("HOME", place.path())
            .env("MCP_INSPECTOR_SECRET_STORE", "memory")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let stdout = gather(child.stdout.take().expect("it is piped"));
        let stderr = gather(child.stderr.take().expect("it is piped"));
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().expect("it is ours") {
                break Some(status);
            }
            if Instant::now() > deadline {
                child.kill().expect("it is ours");
                child.wait().expect("it is ours");
                break None;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let stdout = stdout.join().expect("it is read");
        let mut stderr = stderr.join().expect("it is read");
        if status.is_none() {
            stderr.push_str("\n(ended by the test: it took too long)");
        }
        Self {
            command: format!("{client} {}", arguments.join(" ")),
            success: status.is_some_and(|status| status.success()),
            stdout,
            stderr,
        }
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self {
                command,
                success,
                stdout,
                stderr,
            } = self;
            eprintln!(
                "command: {command}\nsuccess: {success}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
            );
        }
    }
}

fn gather(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// `serve --http` on a free port, with a token from the environment.
pub struct OverHttp {
    child: Child,
    pub url: String,
    errors: Option<JoinHandle<String>>,
}

impl OverHttp {
    pub fn start(place: &Place) -> Self {
        let mut child = place
            .command(&["serve", "--config", "mcp.json", "--http", "127.0.0.1:0"])
            .env("WASM_COORDINATOR_TOKEN", TOKEN)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        while !said.contains("listening on ") {
            let read = stderr.read_line(&mut said).expect("it says where");
            assert!(read > 0, "it ended: {said}");
        }
        let url = said.split("listening on ").nth(1).unwrap().trim();
        Self {
            url: url.to_owned(),
            child,
            errors: Some(gather(stderr)),
        }
    }
}

impl Drop for OverHttp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = self.errors.take().map(JoinHandle::join);
        if std::thread::panicking()
            && let Some(Ok(said)) = said
        {
            eprintln!("--- stderr of `serve`\n{said}");
        }
    }
}

/// Everything behind the server at once: five real servers, ours over HTTP and
/// over stdio, one that does not start and one that does not shake hands.
pub struct Crowd {
    pub place: Place,
    _remote: Http,
}

const SERVERS: [&str; 9] = [
    "everything",
    "filesystem",
    "memory",
    "time",
    "git",
    "remote",
    "local",
    "broken",
    "rude",
];

impl Crowd {
    pub fn new() -> Self {
        let remote = Http::start(&[]);
        let place = Place::new();
        let folder = place.path().to_str().unwrap().to_owned();
        let real = |name: &str, more: &[&str]| {
            let words = &real_servers()[name];
            let mut arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            arguments.extend(more);
            json!({ "command": words[0], "args": arguments })
        };
        let mut memory = real("memory", &[]);
        memory["env"] = json!({ "MEMORY_FILE_PATH": place.path().join("memory.json") });
        let repository = place.path().join("repository");
        let made = Command::new("git")
            .args(["init", "--quiet"])
            .arg(&repository)
            .status();
        assert!(made.expect("git starts").success());
        let log = place.path().join("local.log");
        let config = json!({
            "mcpServers": {
                "everything": real("everything", &[]),
                "filesystem": real("filesystem", &[&folder]),
                "memory": memory,
                "time": real("time", &[]),
                "git": real("git", &[]),
                "remote": { "url": remote.url() },
                "local": fixture(&["--log", log.to_str().unwrap()]),
                "broken": fixture(&["--fault", "exit-at-start=3"]),
                "rude": fixture(&["--fault", "bad-handshake"]),
            },
            "coordinator": {
                "tools": { "ask": ["remote.add"], "allow": ["*"] },
            },
        });
        assert_eq!(
            config["mcpServers"].as_object().unwrap().len(),
            SERVERS.len()
        );
        place.write("mcp.json", config.to_string());
        Self {
            place,
            _remote: remote,
        }
    }

    /// How a client starts the server over stdio.
    pub fn command(&self) -> Value {
        let config = self.place.path().join("mcp.json");
        json!({
            "command": env!("CARGO_BIN_EXE_wasm-coordinator"),
            "args": ["serve", "--config", config],
            "env": { "WASM_COORDINATOR_CACHE": guest_cache() },
        })
    }

    /// Calls a tool of every server at once.
    pub fn everyone(&self) -> String {
        let folder = self.place.path().to_str().unwrap();
        format!(
            "\
import asyncio
calls = {{
    'everything.echo': {{'message': 'hello'}},
    'filesystem.list_directory': {{'path': '{folder}'}},
    'memory.read_graph': {{}},
    'time.get_current_time': {{'timezone': 'UTC'}},
    'git.git_status': {{'repo_path': '{folder}/repository'}},
    'remote.echo': {{'text': 'hello'}},
    'local.add': {{'a': 1, 'b': 2}},
    'broken.add': {{'a': 1, 'b': 2}},
    'rude.add': {{'a': 1, 'b': 2}},
}}
async def outcome(tool, arguments):
    try:
        await call_tool(tool, arguments)
        return 'ok'
    except ToolError as error:
        return error.kind
outcomes = dict(zip((name.split('.')[0] for name in calls),
                    await asyncio.gather(*(outcome(*call) for call in calls.items()))))
outcomes"
        )
    }

    /// What `everyone` gives.
    pub fn outcomes() -> Value {
        let of = |name: &&str| match *name {
            "broken" | "rude" => json!([name, "unavailable"]),
            name => json!([name, "ok"]),
        };
        let pairs = SERVERS.iter().map(of);
        pairs
            .map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Has a client hold the whole conversation, and checks each step of it.
    fn converse(&self, client: &str, server: &Value, era: &str, protocol: &str) {
        let marker = self.place.path().join(format!("marker-{client}-{era}"));
        let log = self.place.path().join("local.log");
        std::fs::write(&log, "").expect("files can be written");
        let endless = format!(
            "await call_tool('filesystem.write_file', {{'path': {marker:?}, 'content': ''}})\n\
             await call_tool('local.silent')"
        );
        let mut talk = json!({
            "era": era,
            "query": "current time in a timezone",
            "stub": "/servers/time/get_current_time.py",
            "marker": marker,
            "log": log,
            "programs": {
                "first": self.everyone(),
                "second": "again = await outcome('everything.echo', {'message': 'again'})\n\
                           again, outcomes['time'], outcomes['broken']",
                "large": "[{'id': n, 'name': f'row {n}'} for n in range(5000)]",
                "endless": endless,
                "free": "'free'",
                "asking": "await call_tool('remote.add', {'a': 20, 'b': 22})",
            },
        });
        talk.as_object_mut()
            .unwrap()
            .extend(server.as_object().unwrap().clone());
        let said = Said::by(client, &[talk.to_string()], &self.place);
        assert!(said.success, "{client} ended well");
        let mut steps = Steps::of(&said);

        let discovered = steps.next("discover");
        assert_eq!(discovered["protocol"], protocol);
        assert_eq!(discovered["server"], "wasm-coordinator");
        contains(&discovered["instructions"], "asyncio.gather");
        assert_eq!(discovered["tools"], json!(TOOLS));

        let found = steps.data("search");
        assert_eq!(found["tools"][0]["name"], "time.get_current_time");
        let stub = steps.next("stub");
        contains(&stub["content"][0]["text"], "async def get_current_time(");

        let session = steps.data("open")["session"].clone();
        assert_eq!(session.as_str().unwrap().len(), 43, "256 bits: {session}");
        let first = steps.data("first");
        assert_eq!(
            (&first["status"], &first["result"]),
            (&json!("ok"), &Self::outcomes())
        );
        let second = steps.data("second");
        assert_eq!(second["result"], json!(["ok", "ok", "unavailable"]));

        let large = steps.data("large");
        assert_eq!(large["result"]["shape"]["count"], 5_000);
        let page = steps.data("kept");
        contains(&page["text"], "\"row 3\"");
        assert!(page["next_offset"].is_u64(), "there is more");

        let after = steps.data("cancelled");
        assert_eq!(after["result"], "free");
        contains(
            &after["warnings"][0],
            "variables of earlier programs are gone",
        );
        // Without cancellation its time limit would end it, after 30 seconds.
        let seconds = steps.next("seconds").as_f64().unwrap();
        assert!(seconds < 15.0, "it went on for {seconds} seconds");
        let told = std::fs::read_to_string(log).unwrap();
        assert!(told.contains("notifications/cancelled"), "{told}");

        let question = steps.next("asked");
        contains(&question["message"], "`remote.add`");
        contains(&question["message"], "\"a\": 20\n\"b\": 22");
        let allowed = steps.data("allowed");
        assert_eq!(
            (&allowed["status"], &allowed["result"]),
            (&json!("ok"), &json!({ "sum": 42 }))
        );
        steps.next("asked");
        let refused = steps.data("refused");
        assert_eq!(refused["status"], "denied");
        contains(&refused["error"]["message"], "was refused by the user");

        assert_eq!(steps.next("close")["isError"], json!(false));
        let closed = steps.next("closed");
        assert_eq!(closed["isError"], true);
        contains(
            &closed["structuredContent"]["error"]["message"],
            "it was closed",
        );
        steps.next("left");
        assert!(steps.left.is_empty(), "nothing else was said");
    }
}

pub const TOOLS: [&str; 7] = [
    "execute",
    "search_tools",
    "get_tool_details",
    "list_files",
    "read_file",
    "write_file",
    "sessions",
];

/// What a client of ours has to say, step by step.
struct Steps {
    left: VecDeque<Value>,
}

impl Steps {
    fn of(said: &Said) -> Self {
        let lines = said.stdout.lines();
        let left = lines.map(|line| serde_json::from_str(line).expect("a line is JSON"));
        Self {
            left: left.collect(),
        }
    }

    /// What was said in the next step, which must be this one.
    #[track_caller]
    fn next(&mut self, step: &str) -> Value {
        let mut next = self.left.pop_front().expect("the conversation goes on");
        assert_eq!(next["step"], step, "{next:#}");
        next["value"].take()
    }

    /// The structured content of a tool's result.
    #[track_caller]
    fn data(&mut self, step: &str) -> Value {
        let mut result = self.next(step);
        assert!(result["content"][0]["text"].is_string(), "{result:#}");
        result["structuredContent"].take()
    }
}

const ERAS: [(&str, &str); 2] = [("handshake", "2025-11-25"), ("stateless", "2026-07-28")];

fn a_whole_conversation_over_stdio(client: &str) {
    let crowd = Crowd::new();
    for (era, protocol) in ERAS {
        crowd.converse(client, &crowd.command(), era, protocol);
    }
}

fn a_whole_conversation_over_http(client: &str) {
    let crowd = Crowd::new();
    let server = OverHttp::start(&crowd.place);
    for (era, protocol) in ERAS {
        let reached = json!({ "url": server.url, "token": TOKEN });
        crowd.converse(client, &reached, era, protocol);
    }
}

#[test]
fn the_python_sdk_has_a_whole_conversation_over_stdio() {
    a_whole_conversation_over_stdio("python");
}

#[test]
fn the_python_sdk_has_a_whole_conversation_over_http() {
    a_whole_conversation_over_http("python");
}

#[test]
fn the_typescript_sdk_has_a_whole_conversation_over_stdio() {
    a_whole_conversation_over_stdio("typescript");
}

#[test]
fn the_typescript_sdk_has_a_whole_conversation_over_http() {
    a_whole_conversation_over_http("typescript");
}
