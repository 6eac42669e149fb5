//! A client of `serve` that sends whatever it likes, over standard streams and over
//! HTTP. Programs run in `hostile_launcher.rs`, which runs none.
//!
//! Over standard streams each line that comes back is one message, and each request
//! that can be read is answered once. Over HTTP every answer is one that the server
//! gives on purpose. Whatever was sent, the next client is served.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use wasm_coordinator::serve::http::{self, Options, Rate};
use wasm_coordinator::serve::{ServeOptions, Service, serve_stdio};
use wasm_coordinator::{LocalTools, ServerLimits, ServerSpec, Toolbox};

use super::worker;
use crate::input::Input;
use crate::runner::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "clients",
    run,
    seeds,
    words: &[
        "\"jsonrpc\":\"2.0\"",
        "\"id\":",
        "\"method\":",
        "\"params\":",
        "\"tools/call\"",
        "\"tools/list\"",
        "\"ping\"",
        "\"initialize\"",
        "\"notifications/cancelled\"",
        "\"requestId\":",
        "\"name\":",
        "\"execute\"",
        "\"arguments\":",
        "\"code\":",
        "null",
        "\n",
        "{}",
        "[",
        "]",
        "\\u0000",
        "1e999",
        "POST /mcp HTTP/1.1\r\n",
        "GET ",
        "Host: localhost\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n\r\n",
        "0\r\n\r\n",
        "Origin: http://a\r\n",
        "Mcp-Session-Id: x\r\n",
        "Mcp-Protocol-Version: 2025-06-18\r\n",
        "Accept: application/json, text/event-stream\r\n",
        "Content-Type: application/json\r\n",
    ],
    longest: 16 << 10,
    memory: |length| (64 << 20) + 1000 * length,
};

/// How long an answer may take.
const TIME: Duration = Duration::from_secs(8);

const HELLO: &str = r#"{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
"#;

/// Ends what a client sends over standard streams: it must be answered.
const LAST: &str = "\n{\"jsonrpc\":\"2.0\",\"id\":\"last\",\"method\":\"ping\"}\n";

struct Scene {
    runtime: Runtime,
    service: Arc<Service>,
    address: std::net::SocketAddr,
}

thread_local! {
    static SCENE: RefCell<Scene> = RefCell::new(Scene::new());
}

impl Scene {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("an event loop");
        let echo = LocalTools::new().tool("echo", "Gives it back", json!({}), |arguments| async {
            Ok(arguments)
        });
        let tools = vec![ServerSpec::local("shop", echo)];
        let toolbox = Toolbox::new(tools, ServerLimits::default()).expect("a server");
        let engine = worker::engine("hostile-launcher");
        let service = Service::new(engine, Arc::new(toolbox), ServeOptions::default());
        let options = Options {
            header_timeout: Duration::from_millis(300),
            body_timeout: Duration::from_millis(300),
            rate: Rate {
                per_second: 1_000_000,
                burst: 1_000_000,
            },
            max_body: 64 << 10,
            ..Options::default()
        };
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let handlers = Arc::clone(&service);
        let operator = Arc::clone(&service);
        runtime.spawn(async move {
            let make = move || Ok(handlers.handler());
            http::serve(listener, make, options, operator, pending()).await
        });
        Self {
            runtime,
            service,
            address,
        }
    }
}

fn run(input: &[u8]) {
    let Some((&how, input)) = input.split_first() else {
        return;
    };
    let said = match how & 2 {
        0 => input.to_vec(),
        _ => made_up(Input::new(input), how & 1 == 1),
    };
    SCENE.with_borrow(|scene| match how & 1 {
        0 => scene.runtime.block_on(over_streams(&scene.service, &said)),
        _ => scene.runtime.block_on(over_http(scene.address, &said)),
    });
}

async fn over_streams(service: &Arc<Service>, said: &[u8]) {
    let (mut client, server) = duplex(1 << 20);
    let (input, output) = tokio::io::split(server);
    let said = [HELLO.as_bytes(), said, LAST.as_bytes()].concat();
    let talking = async {
        client.write_all(&said).await.expect("it is read");
        let mut answers = Vec::new();
        // Until the last is answered; then the client closes its end.
        while !contains(&answers, b"\"last\"") {
            if client.read_buf(&mut answers).await.expect("a pipe is read") == 0 {
                break;
            }
        }
        client.shutdown().await.expect("a pipe is closed");
        client
            .read_to_end(&mut answers)
            .await
            .expect("a pipe is read");
        answers
    };
    let serving = serve_stdio(service, input, output, pending());
    let both = async { tokio::join!(talking, serving) };
    let (answers, _) = timeout(TIME, both)
        .await
        .expect("what comes last is answered in time");
    judge(&said, &answers);
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Each request is answered once, and nothing else is.
fn judge(said: &[u8], answers: &[u8]) {
    let mut asked: HashMap<String, usize> = HashMap::new();
    let mut lines = 0;
    for line in said.split(|byte| *byte == b'\n') {
        lines += 1;
        let Ok(message) = serde_json::from_slice::<Value>(line.trim_ascii()) else {
            continue;
        };
        if message.get("id").is_some() {
            *asked.entry(message["id"].to_string()).or_default() += 1;
        }
    }
    let mut answered: HashMap<String, usize> = HashMap::new();
    let mut nameless = 0;
    for line in answers
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let shown = || String::from_utf8_lossy(line).into_owned();
        let message: Value =
            serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {}", shown()));
        assert_eq!(message["jsonrpc"], "2.0", "{}", shown());
        if message.get("method").is_some() {
            continue;
        }
        assert!(
            message.get("result").is_some() != message.get("error").is_some(),
            "{}",
            shown()
        );
        match message.get("id").filter(|id| !id.is_null()) {
            Some(id) => *answered.entry(id.to_string()).or_default() += 1,
            None => nameless += 1,
        }
    }
    assert!(nameless <= lines, "{nameless} answers to {lines} lines");
    for (id, times) in &answered {
        let asked = asked.get(id).copied().unwrap_or(0);
        assert!(
            *times <= asked,
            "{id} was asked {asked} times and answered {times} times"
        );
    }
    for id in ["\"hello\"", "\"last\""] {
        assert!(answered.contains_key(id), "{id} is not answered");
    }
}

async fn over_http(address: std::net::SocketAddr, said: &[u8]) {
    let talking = async {
        let mut client = TcpStream::connect(address).await.expect("it listens");
        let (mut reading, mut writing) = client.split();
        let send = async {
            // It may be refused before all of it is sent.
            let _ = writing.write_all(said).await;
            let _ = writing.shutdown().await;
        };
        let mut answers = Vec::new();
        let receive = async {
            let _ = reading.read_to_end(&mut answers).await;
        };
        tokio::join!(send, receive);
        answers
    };
    let answers = timeout(TIME, talking)
        .await
        .expect("it is answered or closed in time");
    if !answers.is_empty() {
        let text = String::from_utf8_lossy(&answers);
        // An old version is answered in it.
        let status = ["HTTP/1.1 ", "HTTP/1.0 "]
            .iter()
            .find_map(|version| text.strip_prefix(version))
            .and_then(|rest| rest.get(..3));
        let status: u16 = status
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("it is no HTTP: {text}"));
        assert!((200..500).contains(&status) || status == 503, "{text}");
    }
    let health = async {
        let mut client = TcpStream::connect(address).await?;
        let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        client.write_all(request).await?;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(TIME, health)
        .await
        .expect("the next client is served in time");
    let answer = answer.expect("the next client is served");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"),
        "{answer:?}"
    );
}

/// Messages that are nearly right.
fn made_up(mut input: Input<'_>, is_http: bool) -> Vec<u8> {
    let mut said = Vec::new();
    while !input.is_empty() && said.len() < 32 << 10 {
        let message = message(&mut input);
        if !is_http {
            said.extend_from_slice(message.as_bytes());
            said.push(b'\n');
            continue;
        }
        let method = input.one_of(&["POST", "POST", "POST", "GET", "DELETE", "PUT", "OPTIONS"]);
        let path = input.one_of(&["/mcp", "/mcp", "/mcp", "/metrics", "/ready", "/", "/mcp?a"]);
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        let version = input.one_of(&["2025-03-26", "2025-06-18", "2025-11-25", "x", "2026-07-28"]);
        let others = [
            "Accept: application/json, text/event-stream\r\n".to_owned(),
            "Content-Type: application/json\r\n".to_owned(),
            format!("Mcp-Protocol-Version: {version}\r\n"),
            "Origin: https://evil.example\r\n".to_owned(),
            "Mcp-Session-Id: 00000000-0000-0000-0000-000000000000\r\n".to_owned(),
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "Authorization: Bearer x\r\n".to_owned(),
        ];
        for (place, other) in others.iter().enumerate() {
            if input.below(8) > place {
                head.push_str(other);
            }
        }
        let length = message.len() + usize::from(input.once_in(16));
        head.push_str(&format!("Content-Length: {length}\r\n\r\n{message}"));
        said.extend_from_slice(head.as_bytes());
    }
    said
}

fn message(input: &mut Input<'_>) -> String {
    const WORDS: [&str; 24] = [
        "execute",
        "search_tools",
        "get_tool_details",
        "read_file",
        "write_file",
        "list_files",
        "code",
        "language",
        "python",
        "javascript",
        "session",
        "path",
        "text",
        "query",
        "limit",
        "timeout",
        "max_tokens",
        "a.txt",
        "shop.echo",
        "_meta",
        "progressToken",
        "cursor",
        "uri",
        "name",
    ];
    if input.once_in(10) {
        return input.json(&WORDS, 3).to_string();
    }
    let method = input.one_of(&[
        "tools/call",
        "tools/call",
        "tools/call",
        "tools/list",
        "ping",
        "initialize",
        "resources/list",
        "resources/read",
        "prompts/list",
        "logging/setLevel",
        "completion/complete",
        "notifications/cancelled",
        "notifications/initialized",
        "notifications/progress",
        "server/discover",
        "tasks/get",
        "x",
    ]);
    let mut message = json!({ "jsonrpc": "2.0", "method": method });
    if !input.once_in(6) {
        message["id"] = match input.below(6) {
            0 => input.json(&WORDS, 1),
            _ => (input.below(6) as i64).into(),
        };
    }
    if !input.once_in(8) {
        message["params"] = match method {
            "tools/call" => {
                // Two hexadecimal digits for each byte are what a program prints.
                let code = input.one_of(&["00", "", "0001", "zz", "02"]);
                json!({
                    "name": input.text(&WORDS[..6]),
                    "arguments": match input.below(4) {
                        0 => input.json(&WORDS, 3),
                        1 => json!({ "code": code, "session": input.json(&WORDS, 1) }),
                        2 => json!({ "path": input.text(&["a.txt", "../a", "/", ""]), "text": input.text(&WORDS) }),
                        _ => json!({ "code": code, "language": input.one_of(&["python", "js"]) }),
                    },
                })
            }
            "notifications/cancelled" => json!({ "requestId": input.below(6) }),
            _ => input.json(&WORDS, 3),
        };
    }
    message.to_string()
}

fn seeds() -> Vec<Vec<u8>> {
    let lines = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"execute","arguments":{"code":"00","language":"python"}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"write_file","arguments":{"path":"a.txt","text":"x"}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#,
        "\n",
    );
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: application/json, text/event-stream\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    vec![
        [&[0][..], lines.as_bytes()].concat(),
        [&[1][..], request.as_bytes()].concat(),
        b"\x01GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"\x01POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec(),
    ]
}
