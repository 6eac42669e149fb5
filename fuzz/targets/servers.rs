//! An MCP server that answers whatever it likes, over HTTP or as a program over
//! standard streams, and the client that calls it.
//!
//! Every call ends, in time, with JSON or with a reason; the server is called again
//! after an answer that is good; and a secret that it knows is in nothing that
//! programs get, however it is written into an answer.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contract::json::is_json;
use contract::message::{CallError, Detail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tools::servers::{Http, Stdio, Transport};
use tools::{Grants, ServerLimits, ServerSpec, Toolbox};

use crate::input::Input;
use crate::runner::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "servers",
    run,
    seeds,
    words: &[
        "{\"jsonrpc\":\"2.0\",\"id\":@ID@,\"result\":{}}",
        "\"content\"",
        "\"nextCursor\"",
        "NaN",
        "data: ",
        "\n\n",
    ],
    longest: 8 << 10,
    memory: |length| (64 << 20) + 1000 * length,
};

/// What the configuration calls a secret.
const SECRET: &str = "canary-of-a-server-5d07";

/// How long the server may take, for anything.
const TIME: Duration = Duration::from_millis(150);

/// Stands for the id of the request.
const ID: &str = "@ID@";

/// What answers are made of.
const WORDS: [&str; 40] = [
    "tools",
    "name",
    "inputSchema",
    "outputSchema",
    "description",
    "title",
    "annotations",
    "destructiveHint",
    "nextCursor",
    "content",
    "type",
    "text",
    "image",
    "data",
    "mimeType",
    "structuredContent",
    "isError",
    "_meta",
    "resultType",
    "complete",
    "task",
    "result",
    "error",
    "code",
    "message",
    "resources",
    "resourceTemplates",
    "prompts",
    "messages",
    "uri",
    "contents",
    "blob",
    "properties",
    "object",
    "string",
    "required",
    "f",
    SECRET,
    "Y2FuYXJ5LW9mLWEtc2VydmVyLTVkMDc=",
    "\u{202e}\u{1b}[2J",
];

/// Reads the request from each line, and answers with the next line of a file. A
/// byte 30 stands for the end of a line in one answer.
const PROGRAM: &str = r#"exec 3< "$0"
while IFS= read -r line; do
  case $line in *'"method":"notifications/'*) continue ;; esac
  IFS= read -r answer <&3 || exit 0
  id=${line#*'"id":'}
  answer=${answer//@ID@/${id%%[,\}]*}}
  printf '%s\n' "${answer//$'\x1e'/$'\n'}"
done"#;

/// What the server answers to each method, in its order.
#[derive(Debug, Default)]
struct Script {
    greeting: String,
    answers: Vec<Answer>,
    /// How many were given.
    given: usize,
}

#[derive(Debug, Clone)]
struct Answer {
    /// Messages; those before the last over HTTP in a stream of events.
    messages: Vec<String>,
    status: u16,
}

struct Scene {
    runtime: Runtime,
    address: String,
    script: Arc<Mutex<Script>>,
    folder: TempDir,
}

thread_local! {
    static SCENE: RefCell<Scene> = RefCell::new(Scene::new());
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scene {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("an event loop");
        let script = Arc::new(Mutex::new(Script::default()));
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let served = Arc::clone(&script);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self {
            runtime,
            address: format!("http://{address}/mcp"),
            script,
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn transport(&self, is_program: bool) -> Transport {
        if !is_program {
            return Transport::Http(Http {
                url: self.address.clone(),
                headers: vec![("authorization".to_owned(), format!("Bearer {SECRET}"))],
            });
        }
        let mut script = lock(&self.script);
        let mut lines = format!("{}\n", script.greeting);
        for answer in std::mem::take(&mut script.answers) {
            lines.push_str(&answer.messages.join("\u{1e}").replace('\n', "\u{1e}"));
            lines.push('\n');
        }
        let path = self.folder.path().join("answers");
        std::fs::write(&path, lines).expect("a folder takes files");
        Transport::Stdio(Stdio {
            command: "bash".to_owned(),
            args: vec![
                "-c".to_owned(),
                PROGRAM.to_owned(),
                path.display().to_string(),
            ],
            env: vec![("TOKEN".to_owned(), SECRET.to_owned())],
            cwd: None,
        })
    }
}

fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let is_program = input.once_in(8);
    let greeting = if input.once_in(16) {
        answer(&mut input).messages.join("\n")
    } else {
        format!(
            r#"{{"jsonrpc":"2.0","id":{ID},"result":{{"protocolVersion":"2025-06-18","capabilities":{{"tools":{{}},"resources":{{}},"prompts":{{}},"logging":{{}}}},"serverInfo":{{"name":"x","version":"1"}}}}}}"#
        )
    };
    let list = if input.once_in(3) {
        answer(&mut input)
    } else {
        plain(json!({ "tools": [tool(&mut input, "f"), tool(&mut input, "g")] }))
    };
    let mut answers = vec![list];
    for _ in 0..4 {
        answers.push(answer(&mut input));
    }
    SCENE.with_borrow(|scene| {
        *lock(&scene.script) = Script {
            greeting,
            answers,
            given: 0,
        };
        let mut spec = ServerSpec::new("s", scene.transport(is_program));
        spec.call_timeout = TIME;
        spec.start_timeout = Some(TIME);
        spec.secrets = vec![SECRET.to_owned()];
        let limits = ServerLimits {
            message: 64 << 10,
            tools: 20,
            listing: 32 << 10,
            ..ServerLimits::default()
        };
        scene.runtime.block_on(async {
            let toolbox = Toolbox::new(vec![spec], limits).expect("a server");
            used(&toolbox).await;
            toolbox.shutdown().await;
        });
    });
}

async fn used(toolbox: &Toolbox) {
    let all = Grants::default();
    let begun = Instant::now();
    for (tool, arguments) in [
        ("s.f", "{}"),
        ("s.g", "{}"),
        ("s.resources/list", "{}"),
        ("s.resources/read", r#"{"uri": "x:y"}"#),
    ] {
        match toolbox.call(&all, tool, arguments).await {
            Ok(json) => {
                told(&json);
                assert!(is_json(&json), "a result is no JSON: {json:?}");
            }
            Err(error) => failed(&error),
        }
    }
    for (query, detail) in [("", Detail::Full), ("text of f", Detail::Detailed)] {
        let found = toolbox.search(query, detail, None, 20, &all).await;
        let found = found.expect("searching works with what there is");
        told(&found);
        assert!(serde_json::from_str::<Value>(&found).is_ok(), "{found:?}");
    }
    match toolbox.stubs("s", &all).await {
        Ok(files) => {
            for file in &*files {
                told(&file.path);
                told(&String::from_utf8_lossy(&file.text));
                assert!(std::str::from_utf8(&file.text).is_ok(), "{}", file.path);
            }
        }
        Err(error) => failed(&error),
    }
    for state in toolbox.states() {
        told(&format!("{state:?}"));
    }
    // Each of them could wait for as long as it may, and starts are begun anew.
    let most = 20 * TIME + Duration::from_secs(3);
    assert!(begun.elapsed() < most, "{:?}", begun.elapsed());
}

fn failed(error: &CallError) {
    assert!(!error.message.is_empty(), "{error:?}");
    told(&format!("{error:?}"));
    if let Some(data) = error.said.as_ref().and_then(|said| said.data.as_ref()) {
        assert!(is_json(data), "the data of an error is no JSON: {data:?}");
    }
}

/// No text that anybody is told has the secret in it.
fn told(text: &str) {
    assert!(!text.contains(SECRET), "a secret is told: {text:?}");
}

/// Answers requests of one connection.
async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>) -> std::io::Result<()> {
    let mut there = Vec::new();
    loop {
        let Some((head, length)) = head(&there) else {
            if stream.read_buf(&mut there).await? == 0 {
                return Ok(());
            }
            continue;
        };
        while there.len() < head + length {
            if stream.read_buf(&mut there).await? == 0 {
                return Ok(());
            }
        }
        let method = there.split(|byte| *byte == b' ').next().unwrap_or_default();
        let request: Value =
            serde_json::from_slice(&there[head..head + length]).unwrap_or_default();
        let answer = match (method, request["method"].as_str()) {
            (b"POST", Some(method)) => reply(&script, method, &request["id"]),
            (b"DELETE", _) => status(200),
            _ => status(405),
        };
        there.drain(..head + length);
        stream.write_all(&answer).await?;
    }
}

/// Where the head ends, and the length of the body.
fn head(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    Some((end, length.unwrap_or(0)))
}

fn status(status: u16) -> Vec<u8> {
    format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

fn reply(script: &Mutex<Script>, method: &str, id: &Value) -> Vec<u8> {
    if id.is_null() {
        return status(202);
    }
    let mut script = lock(script);
    let answer = if method == "initialize" {
        Answer {
            messages: vec![script.greeting.clone()],
            status: 200,
        }
    } else {
        script.given += 1;
        let given = script.given;
        match script.answers.get(given - 1) {
            Some(answer) => answer.clone(),
            None => return status(503),
        }
    };
    let messages = answer
        .messages
        .iter()
        .map(|message| message.replace(ID, &id.to_string()));
    let (kind, body) = match answer.messages.len() {
        1 => ("application/json", messages.collect()),
        _ => {
            let events = messages.map(|message| format!("data: {message}\n\n"));
            ("text/event-stream", events.collect::<String>())
        }
    };
    let (status, length) = (answer.status, body.len());
    format!("HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// What a good server answers.
fn plain(result: Value) -> Answer {
    Answer {
        messages: vec![format!(
            r#"{{"jsonrpc":"2.0","id":{ID},"result":{result}}}"#
        )],
        status: 200,
    }
}

fn tool(input: &mut Input<'_>, name: &str) -> Value {
    let mut tool = json!({ "name": name, "inputSchema": { "type": "object" } });
    for _ in 0..input.below(3) {
        let key = input.one_of(&[
            "description",
            "title",
            "outputSchema",
            "annotations",
            "_meta",
        ]);
        tool[key] = match key {
            "description" | "title" => input.text(&WORDS).into(),
            _ => input.json(&WORDS, 3),
        };
    }
    tool
}

fn answer(input: &mut Input<'_>) -> Answer {
    let status = match input.below(16) {
        0 => input.one_of(&[202, 204, 302, 400, 401, 404, 500, 503]),
        _ => 200,
    };
    let mut messages = Vec::new();
    for _ in 0..input.below(3) * input.below(2) {
        messages.push(said_before(input));
    }
    messages.push(match input.below(8) {
        0 => String::from_utf8_lossy(&input.bytes(300)).into_owned(),
        1 => message(input, "error", |input| {
            json!({ "code": input.number() as i64, "message": input.text(&WORDS), "data": input.json(&WORDS, 3) })
        }),
        2 => message(input, "result", |input| input.json(&WORDS, 5)),
        3 => message(input, "result", |input| {
            json!({ "tools": [tool(input, "f"), input.json(&WORDS, 4)], "nextCursor": input.json(&WORDS, 1) })
        }),
        4 => message(input, "result", |input| {
            let list = input.one_of(&["resources", "contents", "prompts", "messages"]);
            json!({ list: [input.json(&WORDS, 3), { "uri": "x:y", "name": "n", "text": input.text(&WORDS) }] })
        }),
        _ => message(input, "result", result),
    });
    Answer { messages, status }
}

/// The result of a tool.
fn result(input: &mut Input<'_>) -> Value {
    let mut result = json!({ "content": [] });
    for _ in 0..input.below(3) {
        let text = match input.below(3) {
            0 => {
                // Whole, or cut.
                let mut text = input.json(&WORDS, 3).to_string();
                let end = input.below(2 * text.len()).min(text.len());
                text.truncate(text.floor_char_boundary(end));
                text
            }
            _ => input.text(&WORDS),
        };
        let block = match input.below(4) {
            0 => input.json(&WORDS, 2),
            _ => json!({ "type": "text", "text": text }),
        };
        result["content"]
            .as_array_mut()
            .expect("it is a list")
            .push(block);
    }
    for key in ["structuredContent", "isError", "_meta", "resultType"] {
        if input.once_in(4) {
            result[key] = input.json(&WORDS, 3);
        }
    }
    result
}

fn message(
    input: &mut Input<'_>,
    key: &str,
    value: impl FnOnce(&mut Input<'_>) -> Value,
) -> String {
    let id = match input.below(16) {
        0 => "null".to_owned(),
        1 => format!("\"{ID}\""),
        2 => input.number().to_string(),
        _ => ID.to_owned(),
    };
    let mut text = format!(r#"{{"jsonrpc":"2.0","id":{id},"{key}":{}}}"#, value(input));
    if input.once_in(12) {
        // Cut, or with something in it.
        let at = text.floor_char_boundary(input.below(text.len()));
        match input.once_in(2) {
            true => text.truncate(at),
            false => text.insert_str(
                at,
                &input.text(&["NaN", ",", "\\", "\"", "{", "]", "\u{0}"]),
            ),
        }
    }
    text
}

/// Notifications and questions of the server.
fn said_before(input: &mut Input<'_>) -> String {
    let method = input.one_of(&[
        "notifications/message",
        "notifications/progress",
        "notifications/tools/list_changed",
        "notifications/cancelled",
        "elicitation/create",
        "sampling/createMessage",
        "roots/list",
        "ping",
        "x",
    ]);
    let params = input.json(
        &[&WORDS[..], &["level", "progressToken", "requestId"]].concat(),
        3,
    );
    match input.once_in(2) {
        true => json!({ "jsonrpc": "2.0", "method": method, "params": params }),
        false => json!({ "jsonrpc": "2.0", "id": input.number() as i64, "method": method, "params": params }),
    }
    .to_string()
}

fn seeds() -> Vec<Vec<u8>> {
    vec![Vec::new(), vec![0xff; 64]]
}
