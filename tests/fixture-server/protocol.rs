//! Messages in, messages out: the handshakes of both eras, the list of tools,
//! calls. Knows nothing of how messages travel.

use std::{
    collections::HashMap,
    fs::File,
    io::Write,
    process::exit,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use contract::json::{Json, unmarked};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinHandle},
};

use crate::{faults::Faults, leaks, resources, tools};

/// Reads a message. Numbers that would be rounded are marked texts, which
/// [`written`] makes numbers again.
pub(crate) fn read_message(text: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    let message = Json::read(text).map_err(|error| error.to_string())?;
    Ok(message.to_marked_value())
}

/// A value with the digits that came in.
pub(crate) fn written(value: &Value) -> String {
    leaks::told(unmarked(value.to_string()))
}

/// Where the answers to one message go.
#[derive(Clone)]
pub(crate) struct Out(mpsc::Sender<Piece>);

/// One thing to send.
pub(crate) enum Piece {
    Message(Value),
    /// Bytes that are no message.
    Raw(Vec<u8>),
    /// The end of what can be sent, while the process lives on.
    Close,
}

impl Out {
    /// The bound makes a flood wait for its reader.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Piece>) {
        let (sender, receiver) = mpsc::channel(64);
        (Self(sender), receiver)
    }

    /// Sends a piece, unless nobody reads any more.
    pub(crate) async fn send(&self, piece: Piece) {
        let _ = self.0.send(piece).await;
    }

    pub(crate) async fn message(&self, message: Value) {
        self.send(Piece::Message(message)).await;
    }
}

/// The server: its options and what it counts.
pub(crate) struct Server {
    name: String,
    extra_tools: usize,
    resources: Option<usize>,
    pub(crate) faults: Faults,
    log: Option<Mutex<File>>,
    calls: AtomicU64,
    lists: AtomicU64,
    /// Requests that can be cancelled, by their id as JSON text.
    running: Mutex<HashMap<String, AbortHandle>>,
    /// What was asked of the client and not answered, by id.
    asked: Mutex<HashMap<String, oneshot::Sender<Value>>>,
    questions: AtomicU64,
}

/// One call of a tool.
pub(crate) struct Call {
    pub(crate) id: Value,
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    /// The request's metadata: progress token and protocol era.
    pub(crate) meta: Value,
    /// Whether it is of the new era.
    pub(crate) is_new: bool,
    /// What the client adds when it calls again, and the state it was given.
    pub(crate) responses: Value,
    pub(crate) state: Value,
}

const NEW_VERSION: &str = "2026-07-28";
const OLD_VERSIONS: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

impl Server {
    pub(crate) fn new(
        name: String,
        extra_tools: usize,
        resources: Option<usize>,
        faults: Faults,
        log: Option<File>,
    ) -> Self {
        Self {
            name,
            extra_tools,
            resources,
            faults,
            log: log.map(Mutex::new),
            calls: AtomicU64::new(0),
            lists: AtomicU64::new(0),
            running: Mutex::default(),
            asked: Mutex::default(),
            questions: AtomicU64::new(0),
        }
    }

    /// Appends one line to the log.
    pub(crate) fn record(&self, entry: &Value) {
        if let Some(log) = &self.log {
            // One write, so that lines of several processes stay whole.
            let line = unmarked(entry.to_string()) + "\n";
            let mut log = log.lock().expect("no panic while logging");
            log.write_all(line.as_bytes()).expect("the log is written");
        }
    }

    /// Calls received so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Asks the client and waits for its answer.
    pub(crate) async fn ask(&self, mut request: Value, out: &Out) -> Value {
        let number = self.questions.fetch_add(1, Ordering::SeqCst);
        let id = format!("question-{number}");
        let (sender, answer) = oneshot::channel();
        self.asked
            .lock()
            .expect("no panic")
            .insert(id.clone(), sender);
        request["jsonrpc"] = json!("2.0");
        request["id"] = json!(id);
        out.message(request).await;
        answer.await.expect("the answer comes or the process ends")
    }

    /// Takes one message and sends everything that answers it. The task ends
    /// when the last piece is sent.
    pub(crate) fn receive(self: &Arc<Self>, message: Value, out: Out) -> JoinHandle<()> {
        self.record(&message);
        if let Some(id) = message["id"].as_str()
            && let Some(asked) = self.asked.lock().expect("no panic").remove(id)
        {
            let _ = asked.send(message.clone());
        }
        let id = message.get("id").cloned();
        let key = id.as_ref().map(Value::to_string);
        if message["method"] == "notifications/cancelled" && !self.faults.has("ignore-cancel") {
            let cancelled = message["params"]["requestId"].to_string();
            let task = self.running.lock().expect("no panic").remove(&cancelled);
            if let Some(task) = task {
                task.abort();
            }
        }
        let server = Arc::clone(self);
        let task = {
            let key = key.clone();
            tokio::spawn(async move {
                let method = message["method"].as_str().unwrap_or_default().to_owned();
                // Without an id it is a notification, without a method an
                // answer to something we asked: neither is answered.
                if let Some(id) = id.filter(|_| !method.is_empty()) {
                    server.request(&method, id, &message["params"], &out).await;
                }
                if let Some(key) = key {
                    server.running.lock().expect("no panic").remove(&key);
                }
            })
        };
        if let Some(key) = key
            && !task.is_finished()
        {
            let handle = task.abort_handle();
            self.running.lock().expect("no panic").insert(key, handle);
        }
        task
    }

    async fn request(self: &Arc<Self>, method: &str, id: Value, params: &Value, out: &Out) {
        let stage = match method {
            "server/discover" => "discover",
            "initialize" => "initialize",
            "tools/list" => "list",
            "tools/call" => "call",
            _ => "other",
        };
        if let Some(silent) = self.faults.value("silent")
            && (silent == "all" || silent == stage)
        {
            return std::future::pending().await;
        }
        if let Some(delay) = self.faults.number("delay") {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        let is_new = self.is_new(params);
        let answer = match method {
            "server/discover" if self.faults.has("exit-on-discover") => exit(1),
            "server/discover" if self.faults.has("old") => method_not_found(method),
            "server/discover" => self.discover(params),
            "initialize" if self.faults.has("new") => method_not_found(method),
            "initialize" => self.initialize(params),
            "ping" => Ok(json!({})),
            "tools/list" => self.list(params),
            "logging/setLevel" if !is_new => Ok(json!({})),
            "tools/call" => {
                self.calls.fetch_add(1, Ordering::SeqCst);
                let call = Call {
                    id: id.clone(),
                    tool: params["name"].as_str().unwrap_or_default().to_owned(),
                    arguments: params["arguments"].clone(),
                    meta: params["_meta"].clone(),
                    is_new,
                    responses: params["inputResponses"].clone(),
                    state: params["requestState"].clone(),
                };
                let answer = tools::call(self, &call, out).await;
                if self.faults.has("changing") || self.faults.has("rug-pull") {
                    let method = "notifications/tools/list_changed";
                    out.message(json!({ "jsonrpc": "2.0", "method": method }))
                        .await;
                }
                match answer {
                    Some(answer) => answer,
                    None => return,
                }
            }
            _ => {
                let count = self.resources;
                let answer = count.and_then(|count| resources::answer(method, params, count));
                answer.unwrap_or_else(|| method_not_found(method))
            }
        };
        self.answer(id, is_new, method, answer, out).await;
    }

    async fn answer(
        &self,
        id: Value,
        is_new: bool,
        method: &str,
        answer: Result<Value, Value>,
        out: &Out,
    ) {
        let message = match answer {
            Ok(mut result) => {
                if let (true, Some(result)) = (is_new, result.as_object_mut()) {
                    result.entry("resultType").or_insert(json!("complete"));
                    if method != "tools/call" {
                        result.entry("ttlMs").or_insert(json!(0));
                        result.entry("cacheScope").or_insert(json!("private"));
                    }
                }
                json!({ "jsonrpc": "2.0", "id": id, "result": result })
            }
            Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
        };
        if self.faults.has("malformed") {
            out.send(Piece::Raw(b"DEBUG about to answer\n".to_vec()))
                .await;
        }
        if self.faults.has("twice") {
            out.message(message.clone()).await;
        }
        out.message(message).await;
    }

    /// Whether a request is of the new era: it then says so itself.
    fn is_new(&self, params: &Value) -> bool {
        let version = &params["_meta"]["io.modelcontextprotocol/protocolVersion"];
        version
            .as_str()
            .is_some_and(|version| version >= NEW_VERSION)
    }

    fn discover(&self, params: &Value) -> Result<Value, Value> {
        if self.faults.has("bad-handshake") {
            return Ok(json!({ "supportedVersions": 7, "capabilities": "many" }));
        }
        let supported = self.faults.value("version").unwrap_or(NEW_VERSION);
        let asked = &params["_meta"]["io.modelcontextprotocol/protocolVersion"];
        if asked != supported {
            return Err(json!({
                "code": -32022,
                "message": "Unsupported protocol version",
                "data": { "supported": [supported], "requested": asked },
            }));
        }
        Ok(json!({
            "resultType": "complete",
            "supportedVersions": [supported],
            "capabilities": self.capabilities(),
            "instructions": self.instructions(),
            "_meta": { "io.modelcontextprotocol/serverInfo": self.info() },
        }))
    }

    fn initialize(&self, params: &Value) -> Result<Value, Value> {
        if self.faults.has("bad-handshake") {
            return Ok(json!({ "protocolVersion": 7 }));
        }
        let asked = params["protocolVersion"].as_str().unwrap_or_default();
        let version = match self.faults.value("version") {
            Some(version) => version,
            None if OLD_VERSIONS.contains(&asked) => asked,
            None => OLD_VERSIONS[0],
        };
        Ok(json!({
            "protocolVersion": version,
            "capabilities": self.capabilities(),
            "serverInfo": self.info(),
            "instructions": self.instructions(),
        }))
    }

    fn capabilities(&self) -> Value {
        let mut capabilities = json!({ "tools": { "listChanged": true }, "logging": {} });
        if self.resources.is_some() {
            capabilities["resources"] = json!({});
            capabilities["prompts"] = json!({});
        }
        capabilities
    }

    fn instructions(&self) -> &str {
        match self.faults.has("leak") {
            true => leaks::INSTRUCTIONS,
            false => "This server exists to be tested against.",
        }
    }

    fn info(&self) -> Value {
        if self.faults.has("leak") {
            return leaks::info();
        }
        json!({ "name": self.name, "version": "1.0.0" })
    }

    fn list(&self, params: &Value) -> Result<Value, Value> {
        if self.faults.has("list-error") {
            return Err(json!({ "code": -32603, "message": "no list today" }));
        }
        if self.faults.has("bad-list") {
            return Ok(json!({ "tools": "all of them" }));
        }
        let extra = match self.faults.has("changing") {
            true => self.lists.fetch_add(1, Ordering::SeqCst) + 1,
            false => 0,
        };
        let mut tools = tools::definitions(&self.faults, self.extra_tools, extra);
        if self.faults.has("rug-pull") && self.calls() > 0 {
            tools::pull_the_rug(&mut tools);
        }
        let cursor = params["cursor"].as_str().unwrap_or("0");
        let start: usize = cursor.parse().unwrap_or(0);
        if self.faults.has("endless-pages") {
            let name = format!("page_{start}");
            return Ok(json!({
                "tools": [tools::plain(&name)],
                "nextCursor": (start + 1).to_string(),
            }));
        }
        if self.faults.has("repeat-cursor") {
            return Ok(json!({ "tools": tools, "nextCursor": "again" }));
        }
        let size = self
            .faults
            .number("page")
            .map_or(usize::MAX, |size| size as usize);
        let end = start.saturating_add(size).min(tools.len());
        let mut result = json!({ "tools": tools.get(start..end).unwrap_or_default() });
        if end < tools.len() {
            result["nextCursor"] = json!(end.to_string());
        }
        Ok(result)
    }
}

fn method_not_found(method: &str) -> Result<Value, Value> {
    let message = format!("Method not found: {method}");
    Err(json!({ "code": -32601, "message": message }))
}
