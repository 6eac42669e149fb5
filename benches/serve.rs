//! `serve` as clients feel it, whole processes: how soon it is ready, what it
//! holds then, how long an `execute` takes over stdio and HTTP, what a nested
//! call costs over a direct one, and fifty clients at once.
//!
//! `cargo bench --bench serve`; the figures are in `docs/performance.md`. Each
//! line is the median of a series, with its minimum and maximum. A guest cache
//! is filled first, so nothing here waits for a compiler.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wasm-coordinator");

/// Clients at the same time.
const CLIENTS: usize = 50;

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config =
        json!({ "mcpServers": { "demo": { "command": PROGRAM, "args": ["demo-server"] } } });
    std::fs::write(folder.path().join("mcp.json"), config.to_string()).expect("it can be written");
    let place = folder.path();
    run(place, &["warm"]);

    let start = || {
        let began = Instant::now();
        let mut client = Client::start(place);
        let greeted = began.elapsed();
        client.execute("None");
        (client, greeted, began.elapsed())
    };
    let starts: Vec<_> = (0..15).map(|_| start()).collect();
    report(
        "start to the answer of the handshake",
        starts.iter().map(|(_, t, _)| *t),
    );
    report(
        "start to the first result of a program",
        starts.iter().map(|(_, _, t)| *t),
    );
    let resident: Vec<u64> = starts
        .iter()
        .map(|(client, ..)| client.resident_kib())
        .collect();
    drop(starts);
    println!(
        "resident after the first program: {} MiB",
        median(resident) / 1024
    );
    let mut idle = Client::start(place);
    let listed = idle.0.request("tools/list", &json!({}))["tools"].to_string();
    let tokens = bpe_openai::o200k_base().count(listed.as_str());
    println!("what clients are told of the tools: {tokens} tokens");
    std::thread::sleep(Duration::from_millis(700));
    println!("resident when ready: {} MiB", idle.resident_kib() / 1024);
    let (count, held) = of_sessions(idle.0.child.id());
    println!(
        "beside it, {count} processes for sessions: {} MiB",
        held / 1024
    );

    report(
        "execute over stdio, fresh sandbox, Python",
        series(300, || idle.execute("1 + 1")),
    );
    let session = idle.session();
    report(
        "execute over stdio, session, Python",
        series(500, || drop(idle.execute_in(&session, "1 + 1"))),
    );
    report(
        "execute over stdio, fresh sandbox, JavaScript",
        series(300, || idle.javascript("1 + 1")),
    );

    let direct = Direct::start();
    let mut direct = direct.expect("the demo server starts");
    let mut calls: Vec<Duration> = series(500, || direct.call()).collect();
    report(
        "one tool call, directly to its server",
        calls.iter().copied(),
    );
    calls.sort();
    let nested = idle.nested(&session, 500);
    report(
        "the same call from a program, in its server's session",
        nested.into_iter(),
    );

    let http = Http::start(place);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = reqwest::Client::new();
    runtime.block_on(http.execute(&client));
    report(
        "execute over HTTP, fresh sandbox, Python",
        series(300, || runtime.block_on(http.execute(&client))),
    );
    let began = Instant::now();
    let each = 20;
    runtime.block_on(async {
        let clients = (0..CLIENTS).map(|_| async {
            let client = reqwest::Client::new();
            for _ in 0..each {
                http.execute(&client).await;
            }
        });
        futures_util::future::join_all(clients).await;
    });
    let all = (CLIENTS * each) as f64;
    let took = began.elapsed();
    println!(
        "{CLIENTS} clients over HTTP at once, {each} programs each: {:.0} programs a second",
        all / took.as_secs_f64()
    );
    println!(
        "resident afterwards: {} MiB",
        resident_kib(http.child.id()) / 1024
    );
    let (count, held) = of_sessions(http.child.id());
    println!(
        "beside it, {count} processes for sessions: {} MiB",
        held / 1024
    );
}

fn series(count: usize, mut work: impl FnMut()) -> impl Iterator<Item = Duration> {
    work();
    let times: Vec<_> = (0..count)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    times.into_iter()
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

fn report(what: &str, times: impl Iterator<Item = Duration>) {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    let (least, most) = (times[0], times[times.len() - 1]);
    println!(
        "{what}: {:.2?} ({least:.2?} to {most:.2?})",
        times[times.len() / 2]
    );
}

fn command(place: &Path, arguments: &[&str]) -> Command {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-guests");
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .current_dir(place)
        .env("WASM_COORDINATOR_CACHE", cache)
        .stderr(Stdio::null());
    command
}

fn run(place: &Path, arguments: &[&str]) {
    let status = command(place, arguments).stdout(Stdio::null()).status();
    assert!(status.expect("the program starts").success());
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok())
        .unwrap_or_default()
}

/// The proportional memory of the processes of sessions, which are started by
/// `serve`, and how many there are. Only root may look into them.
fn of_sessions(pid: u32) -> (usize, u64) {
    let read = |path: String| std::fs::read_to_string(path).unwrap_or_default();
    let (mut open, mut count, mut sum) = (vec![pid], 0, 0);
    while let Some(process) = open.pop() {
        for task in std::fs::read_dir(format!("/proc/{process}/task"))
            .into_iter()
            .flatten()
        {
            let Ok(task) = task else { continue };
            let children = read(format!("{}/children", task.path().display()));
            let ids = children.split_whitespace();
            open.extend(ids.map_while(|id| id.parse::<u32>().ok()));
        }
        if read(format!("/proc/{process}/cmdline")).contains("__launcher") {
            let rollup = read(format!("/proc/{process}/smaps_rollup"));
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let held = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            sum += held.unwrap_or_default();
            count += 1;
        }
    }
    (count, sum)
}

/// A process that speaks lines of JSON-RPC.
struct Lines {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    next_id: u64,
}

impl Lines {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut lines = Self {
            child,
            stdin,
            stdout,
            next_id: 1,
        };
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "bench", "version": "1" },
        });
        lines.request("initialize", &params);
        lines.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        lines
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").expect("it reads");
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let mut line = String::new();
            self.stdout.read_line(&mut line).expect("it answers");
            let message: Value = serde_json::from_str(&line).expect("it is JSON");
            if message["id"] == id {
                return message["result"].clone();
            }
        }
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.request(
            "tools/call",
            &json!({ "name": tool, "arguments": arguments }),
        );
        assert_ne!(result["isError"], true, "{result}");
        result["structuredContent"].clone()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(Lines);

impl Client {
    fn start(place: &Path) -> Self {
        Self(Lines::start(command(
            place,
            &["serve", "--config", "mcp.json"],
        )))
    }

    fn resident_kib(&self) -> u64 {
        resident_kib(self.0.child.id())
    }

    fn execute(&mut self, code: &str) {
        self.0.call("execute", json!({ "code": code }));
    }

    fn javascript(&mut self, code: &str) {
        let arguments = json!({ "code": code, "language": "javascript" });
        self.0.call("execute", arguments);
    }

    fn session(&mut self) -> Value {
        self.0.call("sessions", json!({ "action": "open" }))["session"].clone()
    }

    fn execute_in(&mut self, session: &Value, code: &str) -> Value {
        self.0
            .call("execute", json!({ "code": code, "session": session }))
    }

    /// The times of calls that a program makes one after the other.
    fn nested(&mut self, session: &Value, count: usize) -> Vec<Duration> {
        let code = format!(
            "
import time
from servers.demo import get_order
await get_order(id=7)
times = []
for _ in range({count} // 2):
    began = time.perf_counter_ns()
    await get_order(id=7)
    times.append(time.perf_counter_ns() - began)
times"
        );
        let arguments = json!({ "code": code, "session": session, "overflow": "none" });
        let data = self.0.call("execute", arguments);
        let times = data["result"].as_array().expect("a list of times").iter();
        times
            .map(|time| Duration::from_nanos(time.as_u64().expect("nanoseconds")))
            .collect()
    }
}

/// The demo server, without anything in front of it.
struct Direct(Lines);

impl Direct {
    fn start() -> Option<Self> {
        let mut command = Command::new(PROGRAM);
        command.arg("demo-server");
        Some(Self(Lines::start(command)))
    }

    fn call(&mut self) {
        self.0.call("get_order", json!({ "id": 7 }));
    }
}

struct Http {
    child: Child,
    url: String,
}

impl Http {
    fn start(place: &Path) -> Self {
        let mut arguments = vec!["serve", "--config", "mcp.json", "--http", "127.0.0.1:0"];
        // All clients are one caller here, because none has a token.
        arguments.extend(["--rate", "100000"]);
        let mut child = command(place, &arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .env("WASM_COORDINATOR_LOG", "error")
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let stderr = child.stderr.take().expect("it is piped");
        let mut stderr = BufReader::new(stderr);
        stderr
            .read_line(&mut line)
            .expect("it says where it listens");
        let url = line.split("listening on ").nth(1).expect("an address");
        Self {
            url: url.trim().to_owned(),
            child,
        }
    }

    async fn execute(&self, client: &reqwest::Client) {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "execute", "arguments": { "code": "1 + 1" }, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        } });
        let answer = client
            .post(&self.url)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", "execute")
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        let text = answer.text().await.expect("all of it");
        assert!(text.contains("status: ok"), "{text}");
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
