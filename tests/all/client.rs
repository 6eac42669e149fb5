//! A client of `serve` over stdio that writes the protocol by hand, so that
//! nothing of an SDK hides what is on the wire.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use contract::json::Json;
use serde_json::{Value, json};

use crate::harness::Place;

/// How long a test waits for a message before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Held while the test does not want to read.
    reading: &'static Mutex<()>,
    paused: Option<MutexGuard<'static, ()>>,
    errors: Option<JoinHandle<String>>,
    next_id: u64,
    /// Goes with each request, in the stateless revision.
    meta: Option<Value>,
    /// Notifications and requests of the server that came meanwhile.
    pub heard: VecDeque<Value>,
    /// The last message as it was on the wire.
    pub line: String,
}

impl Client {
    /// Starts `serve` with these flags and greets it in the older way.
    pub fn start(place: &Place, flags: &[&str]) -> Self {
        Self::greeting(place, flags, json!({}))
    }

    /// The same with these capabilities of the client.
    pub fn greeting(place: &Place, flags: &[&str], capabilities: Value) -> Self {
        let mut client = Self::silent(place, flags);
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = client.request("initialize", params);
        assert_eq!(
            answer["result"]["protocolVersion"], "2025-11-25",
            "{answer}"
        );
        client.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client
    }

    /// Starts `serve` for the stateless revision.
    pub fn stateless(place: &Place, flags: &[&str], capabilities: Value) -> Self {
        let mut client = Self::silent(place, flags);
        client.meta = Some(json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        }));
        client
    }

    /// Starts `serve` and says nothing.
    pub fn silent(place: &Place, flags: &[&str]) -> Self {
        let mut arguments = vec!["serve", "--config", "mcp.json"];
        arguments.extend_from_slice(flags);
        let mut child = place
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("it is piped");
        let (sender, lines) = channel();
        let reading: &'static Mutex<()> = Box::leak(Box::default());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                drop(reading.lock());
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut stderr = child.stderr.take().expect("it is piped");
        let errors = std::thread::spawn(move || {
            let mut said = String::new();
            let _ = stderr.read_to_string(&mut said);
            assert!(!said.contains("panicked at"), "{said}");
            said
        });
        Self {
            child,
            stdin,
            lines,
            reading,
            paused: None,
            errors: Some(errors),
            next_id: 1,
            meta: None,
            heard: VecDeque::new(),
            line: String::new(),
        }
    }

    pub fn pid(&self) -> u64 {
        self.child.id().into()
    }

    /// Reads no more, as a client that hangs.
    pub fn pause(&mut self) {
        self.paused = Some(self.reading.lock().expect("nobody panics with it"));
    }

    pub fn go_on(&mut self) {
        self.paused = None;
    }

    /// What a server that ended wrote to stderr.
    pub fn log(&mut self) -> String {
        let errors = self.errors.take().expect("it is asked once");
        errors.join().expect("no panic in the server")
    }

    /// Writes a line as it is.
    pub fn write(&mut self, line: &[u8]) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(line).expect("the server reads");
        stdin.flush().expect("the server reads");
    }

    pub fn send(&mut self, message: Value) {
        self.write(format!("{message}\n").as_bytes());
    }

    /// Sends a request and gives its id.
    pub fn ask(&mut self, method: &str, mut params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if let Some(meta) = &self.meta {
            let mut meta = meta.clone();
            if let Some(more) = params["_meta"].as_object() {
                meta.as_object_mut().unwrap().extend(more.clone());
            }
            params["_meta"] = meta;
        }
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// The next message, whatever it is. Everything on stdout is protocol.
    pub fn next(&mut self) -> Value {
        self.next_within(PATIENCE).expect("a message comes in time")
    }

    pub fn next_within(&mut self, time: Duration) -> Option<Value> {
        let line = self.lines.recv_timeout(time).ok()?;
        let message = Json::read(&line)
            .unwrap_or_else(|error| panic!("not protocol on stdout: {error}: {line}"))
            .to_value();
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        self.line = line;
        Some(message)
    }

    /// The answer to a request.
    #[track_caller]
    pub fn answer(&mut self, id: u64) -> Value {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let message = self.next();
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
            self.heard.push_back(message);
        }
        panic!("no answer to {id}");
    }

    #[track_caller]
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params);
        self.answer(id)
    }

    pub fn ask_tool(&mut self, name: &str, arguments: Value) -> u64 {
        self.ask(
            "tools/call",
            json!({ "name": name, "arguments": arguments }),
        )
    }

    /// The result of a tool call.
    #[track_caller]
    pub fn call(&mut self, name: &str, arguments: Value) -> Value {
        let id = self.ask_tool(name, arguments);
        let answer = self.answer(id);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    /// The structured content of a tool call.
    #[track_caller]
    pub fn data(&mut self, name: &str, arguments: Value) -> Value {
        self.call(name, arguments)["structuredContent"].clone()
    }

    /// Runs Python and gives what `execute` says of it.
    #[track_caller]
    pub fn python(&mut self, code: &str) -> Value {
        self.data("execute", json!({ "code": code }))
    }

    /// Runs Python in a session.
    #[track_caller]
    pub fn python_in(&mut self, session: &Value, code: &str) -> Value {
        self.data("execute", json!({ "code": code, "session": session }))
    }

    /// Opens a session.
    #[track_caller]
    pub fn session(&mut self) -> Value {
        let opened = self.data("sessions", json!({ "action": "open" }));
        assert!(opened["session"].is_string(), "{opened}");
        opened["session"].clone()
    }

    /// Closes our end and gives the exit status.
    pub fn close(&mut self) -> i32 {
        self.stdin = None;
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status.code().unwrap_or(-1);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server goes on after its client went away");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Seen when a test fails.
        if std::thread::panicking()
            && let Some(Ok(said)) = self.errors.take().map(JoinHandle::join)
        {
            eprintln!("--- stderr of `serve`\n{said}");
        }
    }
}

/// The text of a tool's result.
pub fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}
