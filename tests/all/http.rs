//! The HTTP server, over real sockets on loopback, with a small handler of its
//! own. Every refusal stands beside what is allowed.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock,
        ProgressNotificationParam, ServerCapabilities, ServerConfig, SubscriptionFilter,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use wasm_coordinator::serve::http::{self, Operator, Options, Rate, Token, TraceId};

const TOKEN: &str = "correct-horse-battery-staple";
const OTHER: &str = "another-horse-without-battery";
const SOON: Duration = Duration::from_secs(10);

/// What happened to calls of `wait`.
#[derive(Default)]
struct Seen {
    started: AtomicUsize,
    finished: AtomicUsize,
    cancelled: AtomicUsize,
}

impl Seen {
    async fn reaches(&self, counter: impl Fn(&Self) -> &AtomicUsize, value: usize) {
        let reached = async {
            while counter(self).load(Ordering::SeqCst) < value {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, reached).await.expect("it was to happen");
    }
}

/// Tools: `echo` says what it knows of the request, `wait` takes `ms` and may
/// send `progress` first, `flood` answers with `bytes`.
struct Handler(Arc<Seen>);

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder();
        ServerConfig::new(
            capabilities
                .enable_tools()
                .enable_tool_list_changed()
                .build(),
        )
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let text = match request.name.as_ref() {
            "echo" => {
                let parts = context.extensions.get::<axum::http::request::Parts>();
                json!({
                    "arguments": arguments,
                    "caller": http::caller_of(&context.extensions).to_string(),
                    "trace": TraceId::of(&context.extensions).map(|trace| trace.to_string()),
                    "authorization": parts.is_some_and(|parts| parts.headers.contains_key("authorization")),
                })
                .to_string()
            }
            "wait" => {
                self.0.started.fetch_add(1, Ordering::SeqCst);
                if let (Some(token), true) = (
                    context.meta.get_progress_token(),
                    arguments["progress"].as_bool() == Some(true),
                ) {
                    let progress = ProgressNotificationParam::new(token, 1.0);
                    let _ = context.peer.notify_progress(progress).await;
                }
                let time = Duration::from_millis(arguments["ms"].as_u64().unwrap_or(0));
                tokio::select! {
                    () = sleep(time) => {
                        self.0.finished.fetch_add(1, Ordering::SeqCst);
                        "waited".to_owned()
                    }
                    () = context.ct.cancelled() => {
                        self.0.cancelled.fetch_add(1, Ordering::SeqCst);
                        "cancelled".to_owned()
                    }
                }
            }
            "flood" => "x".repeat(arguments["bytes"].as_u64().unwrap_or(0) as usize),
            _ => return Err(ErrorData::invalid_params("no such tool", None)),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

#[derive(Default)]
struct Gauges {
    missing: Mutex<Option<String>>,
    limited: Mutex<Vec<&'static str>>,
}

impl Operator for Gauges {
    fn ready(&self) -> Result<(), String> {
        self.missing.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    fn limited(&self, bound: &'static str) {
        self.limited.lock().unwrap().push(bound);
    }
}

struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
    gauges: Arc<Gauges>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<io::Result<()>>,
    client: reqwest::Client,
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Server {
    async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, gauges) = (Arc::new(Seen::default()), Arc::new(Gauges::default()));
        let (stop, stopped) = oneshot::channel();
        let shared = seen.clone();
        let served = tokio::spawn(http::serve(
            listener,
            move || Ok(Handler(shared.clone())),
            options,
            gauges.clone(),
            async { drop(stopped.await) },
        ));
        Self {
            address,
            seen,
            gauges,
            stop: Some(stop),
            served,
            client: reqwest::Client::new(),
        }
    }

    /// With the two tokens.
    async fn with_tokens(options: Options) -> Self {
        let tokens = [TOKEN, OTHER].map(|token| Token::new(token).unwrap());
        Self::start(Options {
            tokens: tokens.to_vec(),
            ..options
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path))
    }

    /// A POST to `/mcp` with what every message needs.
    fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.client
            .post(self.url("/mcp"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body)
    }

    /// A call of a tool, in the era without sessions.
    fn call(&self, tool: &str, arguments: Value) -> reqwest::RequestBuilder {
        self.post(call(tool, arguments))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
    }

    async fn initialize(&self, token: &str) -> Answer {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        } });
        self.post(body.to_string())
            .bearer_auth(token)
            .answer()
            .await
    }

    /// A session of the older era, ready for use.
    async fn session(&self, token: &str) -> String {
        let answer = self.initialize(token).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let id = answer.headers["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let request = self.post(initialized).bearer_auth(token);
        assert_eq!(
            request.header("mcp-session-id", &id).answer().await.status,
            202
        );
        id
    }

    /// What the server sends back for these bytes, until it closes.
    async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // It may refuse and close before all is written.
        let _ = stream.write_all(bytes.as_ref()).await;
        let mut answer = Vec::new();
        let _ = timeout(SOON, stream.read_to_end(&mut answer))
            .await
            .expect("it closes");
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        let served = timeout(SOON, self.served).await.expect("it stops");
        served.unwrap().unwrap();
    }
}

fn call(tool: &str, arguments: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments,
        "_meta": {
            "progressToken": "p",
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    } })
    .to_string()
}

trait Ask {
    async fn answer(self) -> Answer;
}

impl Ask for reqwest::RequestBuilder {
    async fn answer(self) -> Answer {
        let answer = timeout(SOON, self.send())
            .await
            .expect("an answer in time")
            .expect("an answer");
        Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            text: timeout(SOON, answer.text())
                .await
                .expect("its end in time")
                .expect("all of it"),
        }
    }
}

impl Answer {
    /// The last message of the answer, from JSON or from events.
    fn message(&self) -> Value {
        let data = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"));
        let text = data.map(str::trim).rfind(|data| !data.is_empty());
        let text = text.unwrap_or(&self.text);
        serde_json::from_str(text).unwrap_or_else(|_| panic!("no message: {}", self.text))
    }

    fn code(&self) -> i64 {
        self.message()["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("no error: {}", self.text))
    }

    /// What the tool said.
    fn said(&self) -> String {
        let message = self.message();
        let text = message["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no result: {message:#}"))
            .to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[tokio::test]
async fn both_eras_are_served() {
    let server = Server::start(Options::default()).await;
    let answer = server.call("echo", json!({ "a": 1 })).answer().await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    assert!(
        answer
            .said()
            .contains(r#""arguments":{"a":1},"caller":"anyone""#),
        "{}",
        answer.text
    );

    let id = server.session("").await;
    let legacy = || {
        let body = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo"}}"#;
        server
            .post(body)
            .header("mcp-session-id", &id)
            .header("mcp-protocol-version", "2025-11-25")
    };
    assert!(legacy().answer().await.said().contains("anyone"));
    let delete = || {
        server
            .client
            .delete(server.url("/mcp"))
            .header("mcp-session-id", &id)
    };
    assert_eq!(delete().answer().await.status, 202);
    let gone = legacy().answer().await;
    assert_eq!((gone.status, gone.code()), (404, -32001));
    assert_eq!(delete().answer().await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn only_a_known_token_in_its_header_lets_in() {
    let server = Server::with_tokens(Options::default()).await;
    let allowed = server
        .call("echo", json!({}))
        .bearer_auth(TOKEN)
        .answer()
        .await;
    let caller = Token::new(TOKEN).unwrap().caller().to_string();
    assert!(allowed.said().contains(&format!(r#""caller":"{caller}""#)));
    assert!(
        allowed.said().contains(r#""authorization":false"#),
        "handlers do not see tokens"
    );

    let elsewhere = "a-token-of-another-instance";
    for header in [
        None,
        Some(format!("Bearer {elsewhere}")),
        Some(format!("Bearer {}", &TOKEN[..TOKEN.len() - 1])),
        Some(format!("Bearer {TOKEN},{OTHER}")),
        Some(format!("Basic {TOKEN}")),
        Some(TOKEN.to_owned()),
        Some("Bearer ".to_owned()),
    ] {
        let mut request = server.call("echo", json!({}));
        if let Some(header) = &header {
            request = request.header("authorization", header);
        }
        let refused = request.answer().await;
        assert_eq!(
            (refused.status, refused.code()),
            (401, -32000),
            "{header:?}"
        );
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        assert!(!refused.text.contains("horse") && !refused.text.contains(elsewhere));
    }
    for query in [
        format!("/mcp?access_token={TOKEN}"),
        format!("/mcp?token={TOKEN}"),
    ] {
        let request = server
            .client
            .post(server.url(&query))
            .body(call("echo", json!({})));
        assert_eq!(request.answer().await.status, 401);
        assert_eq!(server.get(&query).answer().await.status, 401);
    }
    assert_eq!(server.get("/metrics").answer().await.status, 401);
    assert_eq!(
        server
            .get("/metrics")
            .bearer_auth(OTHER)
            .answer()
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_connection_outlives_a_refusal() {
    let server = Server::with_tokens(Options::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut answer = vec![0; 12];
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer, b"HTTP/1.1 401");
    // The body that nobody wanted, and another request.
    let rest = b"helloGET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(rest).await.unwrap();
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(
        answer.contains("HTTP/1.1 200 ") && answer.ends_with("ok\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn others_are_not_served_without_a_token() {
    let open = Options::default();
    let closed = Options {
        tokens: vec![Token::new(TOKEN).unwrap()],
        ..Options::default()
    };
    for reachable in [
        "0.0.0.0:80",
        "[::]:80",
        "192.0.2.1:80",
        "[::ffff:192.0.2.1]:80",
    ] {
        let error = open
            .check(reachable.parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("without authentication") && error.contains(reachable),
            "{error}"
        );
        assert!(closed.check(reachable.parse().unwrap()).is_ok());
    }
    for loopback in [
        "127.0.0.1:80",
        "127.1.2.3:80",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
    ] {
        assert!(open.check(loopback.parse().unwrap()).is_ok(), "{loopback}");
    }
    let start = async |options| {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let handler = || Ok(Handler(Arc::default()));
        http::serve(
            listener,
            handler,
            options,
            Arc::new(Gauges::default()),
            async {},
        )
        .await
    };
    assert_eq!(
        start(open).await.unwrap_err().kind(),
        io::ErrorKind::PermissionDenied
    );
    start(closed).await.unwrap();
}

#[tokio::test]
async fn a_session_is_its_callers_alone() {
    let server = Server::with_tokens(Options::default()).await;
    let id = server.session(TOKEN).await;
    let requests = |token, id: &str| {
        let list = r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#;
        let get = server.get("/mcp").header("accept", "text/event-stream");
        let delete = server.client.delete(server.url("/mcp"));
        [server.post(list), get, delete]
            .map(|request| request.bearer_auth(token).header("mcp-session-id", id))
    };
    let never = "00000000-0000-4000-8000-000000000000";
    for (foreign, unknown) in requests(OTHER, &id).into_iter().zip(requests(OTHER, never)) {
        let (foreign, unknown) = (foreign.answer().await, unknown.answer().await);
        assert_eq!((foreign.status, foreign.code()), (404, -32001));
        assert_eq!(foreign.text, unknown.text, "as if it did not exist");
    }
    let [ping, get, delete] = requests(TOKEN, &id);
    assert_eq!(ping.answer().await.message()["result"], json!({}));
    // It does not end by itself.
    assert_eq!(get.send().await.unwrap().status(), 200);
    assert_eq!(delete.answer().await.status, 202);
}

#[tokio::test]
async fn hosts_and_origins_are_ours_or_refused() {
    let server = Server::start(Options {
        hosts: vec!["coordinator.example".to_owned()],
        origins: vec!["https://app.example".to_owned()],
        ..Options::default()
    })
    .await;
    let port = server.address.port();
    for host in [
        "localhost",
        "coordinator.example:9",
        &format!("127.0.0.1:{port}"),
    ] {
        let answer = server
            .call("echo", json!({}))
            .header("host", host)
            .answer()
            .await;
        assert_eq!(answer.status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        &format!("evil.example:{port}"),
    ] {
        for request in [
            server.call("echo", json!({})),
            server.get("/ready"),
            server.get("/metrics"),
        ] {
            let refused = request.header("host", host).answer().await;
            assert_eq!(refused.status, 403, "{host}");
            assert!(!refused.text.contains("evil"), "{}", refused.text);
        }
    }
    let allowed = server
        .call("echo", json!({}))
        .header("origin", "https://app.example");
    let allowed = allowed.answer().await;
    assert_eq!(allowed.status, 200);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    let own = format!("http://127.0.0.1:{port}");
    for origin in [
        "null",
        "https://evil.example",
        "https://APP.example",
        "https://app.example.evil",
        "https://app.example:443",
        "https://app.example:8443",
        "http://app.example",
        &own,
    ] {
        let refused = server
            .call("echo", json!({}))
            .header("origin", origin)
            .answer()
            .await;
        assert_eq!((refused.status, refused.code()), (403, -32000), "{origin}");
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    assert_eq!(server.seen.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn browsers_learn_only_what_known_pages_may_do() {
    let server = Server::with_tokens(Options {
        origins: vec!["https://app.example".to_owned()],
        ..Options::default()
    })
    .await;
    let preflight = |origin| {
        server
            .client
            .request(reqwest::Method::OPTIONS, server.url("/mcp"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,authorization",
            )
            .answer()
    };
    let known = preflight("https://app.example").await;
    assert_eq!(known.status, 200);
    assert_eq!(
        known.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(known.header("access-control-allow-credentials"), None);
    let methods = known.header("access-control-allow-methods").unwrap();
    assert_eq!(methods, "GET,POST,DELETE");
    let foreign = preflight("https://evil.example").await;
    assert_eq!(foreign.status, 403);
    let permissive = foreign
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-"));
    assert_eq!(permissive.count(), 0, "{:?}", foreign.headers);

    // A refusal can be read by the page that caused it.
    let page = server
        .call("echo", json!({}))
        .header("origin", "https://app.example");
    let refused = page.answer().await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("access-control-allow-origin"),
        Some("https://app.example")
    );

    // What a page may send without asking first is no JSON.
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonx",
        "",
    ] {
        let request = server.client.post(server.url("/mcp")).bearer_auth(TOKEN);
        let request = request.header("accept", "application/json, text/event-stream");
        let refused = request
            .header("content-type", media)
            .body(call("echo", json!({})));
        assert_eq!(refused.answer().await.status, 415, "{media}");
    }
    let charset = server.client.post(server.url("/mcp")).bearer_auth(TOKEN);
    let charset = charset
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json; charset=utf-8")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo");
    assert_eq!(
        charset.body(call("echo", json!({}))).answer().await.status,
        200
    );
}

#[tokio::test]
async fn a_body_is_bounded_however_it_is_announced() {
    let longest = 64 << 10;
    let server = Server::start(Options {
        max_body: longest,
        ..Options::default()
    })
    .await;
    let padded = |length: usize| {
        let empty = call("echo", json!({ "pad": "" })).len();
        call("echo", json!({ "pad": "x".repeat(length - empty) }))
    };
    let send = async |body: String| {
        let request = server.call("echo", json!({})).body(body);
        request.answer().await
    };
    assert_eq!(send(padded(longest)).await.status, 200);
    let refused = send(padded(longest + 1)).await;
    assert_eq!((refused.status, refused.code()), (413, -32000));
    assert_eq!(*server.gauges.limited.lock().unwrap(), ["body"]);

    // Also to a client that sends all of it before it reads.
    let refused = send(padded(20 << 20)).await;
    assert_eq!((refused.status, refused.code()), (413, -32000));

    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
        accept: application/json, text/event-stream\r\n";
    for length in ["9223372036854775808", "1073741824"] {
        let answer = server
            .raw(format!("{head}content-length: {length}\r\n\r\n{{"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    for nonsense in ["99999999999999999999", "-1", "1, 2", "1x"] {
        let answer = server
            .raw(format!("{head}content-length: {nonsense}\r\n\r\n{{"))
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(),
            "{nonsense}: {answer}"
        );
    }
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let endless = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{}",
        chunk.repeat(64)
    );
    let answer = server.raw(endless).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // The same in one chunk that fits, for the twin; the connection ends anyway.
    let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let fits = format!(
        "{head}mcp-protocol-version: 2026-07-28\r\nmcp-method: notifications/initialized\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let answer = server.raw(fits).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

#[tokio::test]
async fn what_is_no_message_gets_its_error() {
    let server = Server::start(Options::default()).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"a":{deep}}}}}}}"#
    );
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#,
        "m".repeat(1 << 20)
    );
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#;
    for (body, status, code) in [
        ("", 400, -32700),
        ("not json", 400, -32700),
        ("\u{feff}{}", 400, -32700),
        ("null", 400, -32600),
        ("[]", 400, -32600),
        (batch, 400, -32600),
        (&deep, 400, -32600),
        (&nested, 400, -32600),
        (r#"{"id":1,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, 400, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
            400,
            -32602,
        ),
        (&long, 404, -32601),
    ] {
        for version in ["2025-06-18", "2026-07-28"] {
            let request = server
                .post(body.to_owned())
                .header("mcp-protocol-version", version);
            let answer = request.answer().await;
            let short: String = body.chars().take(80).collect();
            assert_eq!(
                (answer.status, answer.code()),
                (status, code),
                "{short} in {version}"
            );
            assert!(answer.text.len() < 300, "{}", answer.text);
        }
    }
    let unknown = r#"{"jsonrpc":"2.0","id":1,"method":"no/such","params":{"_meta":{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let unknown = server
        .post(unknown)
        .header("mcp-protocol-version", "2026-07-28");
    let unknown = unknown.header("mcp-method", "no/such").answer().await;
    assert_eq!((unknown.status, unknown.code()), (404, -32601));
    assert_eq!(server.call("echo", json!({})).answer().await.status, 200);
}

#[tokio::test]
async fn versions_and_headers_must_agree_with_the_body() {
    let server = Server::start(Options::default()).await;
    let modern = |version: &str| {
        let body = call("echo", json!({})).replace("2026-07-28", version);
        server
            .post(body)
            .header("mcp-method", "tools/call")
            .header("mcp-name", "echo")
    };
    let version = "mcp-protocol-version";
    for (request, status, code) in [
        (
            modern("2099-01-01").header(version, "2099-01-01"),
            400,
            -32022,
        ),
        (modern("2026-07-28"), 400, -32020),
        (
            modern("2026-07-28").header(version, "2025-11-25"),
            400,
            -32020,
        ),
        (
            modern("2026-07-28")
                .header(version, "2026-07-28")
                .header(version, "2026-07-28"),
            400,
            -32020,
        ),
        (
            modern("2026-07-28").header(version, "x".repeat(4000)),
            400,
            -32022,
        ),
        (
            modern("2026-07-28")
                .header(version, "2026-07-28")
                .header("mcp-name", "other"),
            400,
            -32020,
        ),
        (
            server
                .call("echo", json!({}))
                .header("mcp-method", "tools/list"),
            400,
            -32020,
        ),
        (
            server
                .post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
                .header(version, "1999-01-01"),
            400,
            -32022,
        ),
        // No session, and nothing that would do without one.
        (
            server.post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
            400,
            -32600,
        ),
    ] {
        let answer = request.answer().await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{}",
            answer.text
        );
        assert!(answer.text.len() < 300, "{}", answer.text);
    }
    assert_eq!(
        modern("2026-07-28")
            .header(version, "2026-07-28")
            .answer()
            .await
            .status,
        200
    );
    let echoed = "2026-07-28".replace('8', &"8".repeat(4000));
    let answer = modern(&echoed).header(version, "2026-07-28").answer().await;
    assert_eq!((answer.status, answer.code()), (400, -32020));
    assert!(answer.text.len() < 300, "{}", answer.text);
    let accept = server
        .client
        .post(server.url("/mcp"))
        .header("content-type", "application/json");
    let accept = accept
        .header("accept", "application/json")
        .body(call("echo", json!({})));
    assert_eq!(accept.answer().await.status, 406);
}

#[tokio::test]
async fn who_is_slow_is_cut_off() {
    let server = Server::start(Options {
        header_timeout: Duration::from_millis(200),
        body_timeout: Duration::from_millis(200),
        ..Options::default()
    })
    .await;
    let started = Instant::now();
    assert_eq!(server.raw("").await, "", "an idle connection");
    assert_eq!(
        server.raw("POST /mcp HTTP/1.1\r\nhost: local").await,
        "",
        "half a header"
    );
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
        accept: application/json, text/event-stream\r\ncontent-length: 10\r\n\r\n{";
    let answer = server.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(server.call("echo", json!({})).answer().await.status, 200);
}

#[tokio::test]
async fn idle_connections_keep_nobody_out() {
    let server = Server::start(Options {
        connections: 8,
        ..Options::default()
    })
    .await;
    let mut idle = Vec::new();
    let mut connect = async || {
        for _ in 0..50 {
            idle.push(TcpStream::connect(server.address).await.unwrap());
        }
    };
    connect().await;
    let started = Instant::now();
    assert_eq!(server.call("echo", json!({})).answer().await.status, 200);
    assert!(started.elapsed() < Duration::from_secs(1));
    // A request in progress is not sent away for them.
    let waiting = tokio::spawn(server.call("wait", json!({ "ms": 300 })).answer());
    server.seen.reaches(|seen| &seen.started, 1).await;
    connect().await;
    assert_eq!(waiting.await.unwrap().said(), "waited");
    let (mut first, mut byte) = (idle.swap_remove(0), [0]);
    let read = timeout(SOON, first.read(&mut byte)).await;
    assert_eq!(read.unwrap().unwrap_or(0), 0, "the oldest was closed");
}

#[tokio::test]
async fn connections_in_use_are_bounded() {
    let server = Server::start(Options {
        connections: 1,
        ..Options::default()
    })
    .await;
    let waiting = tokio::spawn(server.call("wait", json!({ "ms": 500 })).send());
    server.seen.reaches(|seen| &seen.started, 1).await;
    assert!(server.raw("").await.starts_with("HTTP/1.1 503 "));
    assert_eq!(*server.gauges.limited.lock().unwrap(), ["connections"]);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.call("echo", json!({})).answer().await.status, 200);
}

#[tokio::test]
async fn requests_in_progress_are_bounded() {
    let server = Server::start(Options {
        requests: 1,
        ..Options::default()
    })
    .await;
    // As a stream, which takes its place as long as it is open.
    let wait = server.call("wait", json!({ "ms": 600, "progress": true }));
    let first = tokio::spawn(wait.answer());
    server.seen.reaches(|seen| &seen.started, 1).await;
    let refused = server.call("echo", json!({})).answer().await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(*server.gauges.limited.lock().unwrap(), ["requests"]);
    assert_eq!(first.await.unwrap().said(), "waited");
    assert_eq!(server.call("echo", json!({})).answer().await.status, 200);
}

#[tokio::test]
async fn streams_that_listen_have_places_of_their_own_and_end_at_once() {
    let server = Server::start(Options {
        requests: 1,
        streams: 1,
        ..Options::default()
    })
    .await;
    let listen = || {
        let body = call("", json!({}))
            .replace("tools/call", "subscriptions/listen")
            .replace(
                r#""name":"""#,
                r#""notifications":{"toolsListChanged":true}"#,
            );
        server
            .post(body)
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "subscriptions/listen")
    };
    let mut open = listen().send().await.unwrap();
    let first = timeout(SOON, open.chunk()).await.unwrap().unwrap().unwrap();
    let first = String::from_utf8_lossy(&first);
    assert!(
        first.contains("notifications/subscriptions/acknowledged"),
        "{first}"
    );
    let refused = listen().answer().await;
    assert_eq!((refused.status, refused.code()), (503, -32000));
    assert_eq!(refused.message()["id"], 7);
    assert_eq!(*server.gauges.limited.lock().unwrap(), ["streams"]);
    assert_eq!(server.call("echo", json!({})).answer().await.status, 200);

    let stopping = tokio::spawn(server.stop());
    let rest = timeout(Duration::from_secs(1), open.text()).await;
    let rest = rest.expect("not after the grace time").unwrap();
    assert!(rest.contains("the server is shutting down"), "{rest}");
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_batch_is_answered_one_by_one_where_there_are_batches() {
    let server = Server::start(Options::default()).await;
    let id = server.session("").await;
    let send = |messages: Value, version: Option<&str>| {
        let mut request = server
            .post(messages.to_string())
            .header("mcp-session-id", &id);
        if let Some(version) = version {
            request = request.header("mcp-protocol-version", version);
        }
        request.answer()
    };
    let ping = |id: Value| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
    let messages = json!([
        ping(json!(1)),
        { "jsonrpc": "2.0", "id": "two", "method": "tools/call",
          "params": { "name": "wait", "arguments": { "ms": 50 } } },
        { "jsonrpc": "2.0", "method": "notifications/initialized" },
        { "jsonrpc": "2.0", "id": 3, "method": "ping", "params": [] },
        { "jsonrpc": "2.0", "id": 4, "method": "initialize", "params": {} },
    ]);
    let answer = send(messages.clone(), None).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let data = answer
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"));
    let mut said: Vec<_> = data
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .map(|message| {
            (
                message["id"].to_string(),
                message["error"]["code"].to_string(),
            )
        })
        .collect();
    said.sort();
    let expected = [
        ("\"two\"", "null"),
        ("1", "null"),
        ("3", "-32602"),
        ("4", "-32600"),
    ];
    assert_eq!(
        said,
        expected.map(|(id, code)| (id.to_owned(), code.to_owned()))
    );

    let notification = json!([{ "jsonrpc": "2.0", "method": "notifications/initialized" }]);
    assert_eq!(send(notification, Some("2025-03-26")).await.status, 202);
    for version in ["2025-06-18", "2025-11-25"] {
        let refused = send(messages.clone(), Some(version)).await;
        assert_eq!((refused.status, refused.code()), (400, -32600), "{version}");
    }
    let many: Vec<_> = (0..17).map(|id| ping(json!(id))).collect();
    let refused = send(json!(many), None).await;
    assert_eq!((refused.status, refused.code()), (400, -32600));
    let without = server.post(messages.to_string()).answer().await;
    assert_eq!((without.status, without.code()), (400, -32600));
}

#[tokio::test]
async fn who_never_reads_is_cut_off() {
    let server = Server::start(Options {
        requests: 1,
        write_timeout: Duration::from_millis(300),
        ..Options::default()
    })
    .await;
    let id = server.session("").await;
    // In a session, because its answers are streams and hold a place.
    let body = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call",
        "params":{"name":"flood","arguments":{"bytes":50000000}}}"#;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-session-id: {id}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut deaf = TcpStream::connect(server.address).await.unwrap();
    deaf.write_all(head.as_bytes()).await.unwrap();
    let started = Instant::now();
    sleep(Duration::from_millis(50)).await;
    while server.call("echo", json!({})).answer().await.status != 200 {
        assert!(started.elapsed() < SOON);
        sleep(Duration::from_millis(50)).await;
    }
    assert!(started.elapsed() > Duration::from_millis(300));
    assert!(!server.gauges.limited.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_caller_has_a_rate_of_its_own() {
    let server = Server::with_tokens(Options {
        rate: Rate {
            per_second: 1,
            burst: 3,
        },
        ..Options::default()
    })
    .await;
    let ask = async |token| {
        server
            .call("echo", json!({}))
            .bearer_auth(token)
            .answer()
            .await
    };
    for _ in 0..3 {
        assert_eq!(ask(TOKEN).await.status, 200);
    }
    let refused = ask(TOKEN).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("1"))
    );
    assert_eq!(*server.gauges.limited.lock().unwrap(), ["rate"]);
    assert_eq!(ask(OTHER).await.status, 200);
    // Strangers share one.
    for guess in [
        "guess-guess-guess-1",
        "guess-guess-guess-2",
        "guess-guess-guess-3",
    ] {
        assert_eq!(ask(guess).await.status, 401);
    }
    assert_eq!(ask("guess-guess-guess-4").await.status, 429);
    assert_eq!(ask(OTHER).await.status, 200);
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(ask(TOKEN).await.status, 200);
}

#[tokio::test]
async fn sessions_are_bounded_and_the_oldest_of_a_caller_gives_way() {
    let server = Server::with_tokens(Options {
        sessions: 1,
        ..Options::default()
    })
    .await;
    server.session(TOKEN).await;
    let other = server.initialize(OTHER).await;
    assert_eq!(other.status, 503, "{}", other.text);
    assert_eq!(*server.gauges.limited.lock().unwrap(), ["sessions"]);

    let server = Server::with_tokens(Options {
        sessions: 4,
        ..Options::default()
    })
    .await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(server.session(TOKEN).await);
    }
    let ping = async |token: &str, id: &str| {
        let body = r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#;
        let request = server
            .post(body)
            .bearer_auth(token)
            .header("mcp-session-id", id);
        request.answer().await.status
    };
    assert_eq!(ping(TOKEN, &sessions[0]).await, 200);
    // One place is left, for another caller. The second was used longest ago.
    sessions.push(server.session(TOKEN).await);
    let other = server.session(OTHER).await;
    let mut pings = Vec::new();
    for session in &sessions {
        pings.push(ping(TOKEN, session).await);
    }
    assert_eq!(pings, [200, 404, 200, 200]);
    assert_eq!(ping(OTHER, &other).await, 200);
}

#[tokio::test]
async fn an_idle_session_ends() {
    let server = Server::start(Options {
        session_idle: Duration::from_millis(200),
        ..Options::default()
    })
    .await;
    let id = server.session("").await;
    let ping = async || {
        let body = r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#;
        server
            .post(body)
            .header("mcp-session-id", &id)
            .answer()
            .await
            .status
    };
    assert_eq!(ping().await, 200);
    sleep(Duration::from_millis(600)).await;
    assert_eq!(ping().await, 404);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call() {
    let server = Server::start(Options::default()).await;
    for (number, progress) in [(1, false), (2, true)] {
        let wait = server.call("wait", json!({ "ms": 60_000, "progress": progress }));
        let call = tokio::spawn(async move {
            let answer = wait.send().await.unwrap();
            answer.text().await
        });
        server.seen.reaches(|seen| &seen.started, number).await;
        sleep(Duration::from_millis(100)).await;
        call.abort();
        server.seen.reaches(|seen| &seen.cancelled, number).await;
    }
    assert_eq!(server.seen.finished.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_in_progress_finishes_inside_the_grace_time() {
    let server = Server::start(Options::default()).await;
    let id = server.session("").await;
    let get = server.get("/mcp").header("accept", "text/event-stream");
    let stream = get.header("mcp-session-id", id).send().await.unwrap();
    let json = tokio::spawn(server.call("wait", json!({ "ms": 700 })).answer());
    let events = tokio::spawn(
        server
            .call("wait", json!({ "ms": 700, "progress": true }))
            .answer(),
    );
    server.seen.reaches(|seen| &seen.started, 2).await;
    let (address, seen) = (server.address, server.seen.clone());
    let stopping = tokio::spawn(server.stop());
    timeout(Duration::from_millis(400), stream.text())
        .await
        .expect("it ends at once")
        .unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    assert_eq!(json.await.unwrap().said(), "waited");
    assert_eq!(events.await.unwrap().said(), "waited");
    stopping.await.unwrap();
    assert_eq!(seen.cancelled.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_in_progress_afterwards_gets_an_error() {
    let server = Server::start(Options {
        grace: Duration::from_millis(200),
        ..Options::default()
    })
    .await;
    let id = server.session("").await;
    let legacy = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call",
        "params":{"name":"wait","arguments":{"ms":60000}}}"#;
    let calls = [
        server.call("wait", json!({ "ms": 60_000 })),
        server.call("wait", json!({ "ms": 60_000, "progress": true })),
        server.post(legacy).header("mcp-session-id", id),
    ]
    .map(|call| tokio::spawn(call.answer()));
    server.seen.reaches(|seen| &seen.started, 3).await;
    let seen = server.seen.clone();
    server.stop().await;
    for call in calls {
        let message = call.await.unwrap().message();
        assert_eq!(message["id"], 7, "{message}");
        assert_eq!(message["error"]["code"], -32000, "{message}");
        let text = "the server is shutting down; the request was cancelled";
        assert_eq!(message["error"]["message"], text);
    }
    seen.reaches(|seen| &seen.cancelled, 3).await;
}

#[tokio::test]
async fn a_request_is_read_in_one_way() {
    let server = Server::start(Options::default()).await;
    let rest = "content-type: application/json\r\naccept: application/json, text/event-stream\r\n";
    let hidden = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for request in [
        (format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\n{rest}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        )),
        (format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\n{rest}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n{hidden}"
        )),
        (format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\n{rest}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"
        )),
        (format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\n{rest}content-length: 5\r\ncontent-length: 6\r\n\r\n{hidden}"
        )),
        format!("GET /health HTTP/1.1\r\nhost: localhost\r\nx: a\r\n b\r\n\r\n{hidden}"),
        // Lines that end with a bare LF.
        format!("GET /health HTTP/1.1\nhost: localhost\n\n{hidden}"),
        format!("GET /health HTTP/1.1\r\nhost: localhost\nx: a\r\n\r\n{hidden}"),
        format!("GET /health HTTP/1.1\r\nhost: localhost\r\n\n{hidden}"),
        "GET /ready HTTP/1.1\r\nconnection: close\r\n\r\n".into(),
        "GET /ready HTTP/1.0\r\n\r\n".into(),
        ("GET /ready HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            .into()),
        ("GET http://localhost/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            .into()),
        "GET /ready HTTP/1.1\r\nhost : localhost\r\n\r\n".into(),
        "GET /ready HTTP/9.1\r\nhost: localhost\r\n\r\n".into(),
    ] {
        let answer = server.raw(&request).await;
        assert!(
            answer.starts_with("HTTP/1.") && answer[8..].starts_with(" 400 "),
            "{request}\n{answer}"
        );
        assert_eq!(
            answer.matches("HTTP/1.").count(),
            1,
            "one answer only: {answer}"
        );
    }
    let last = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = server.raw(format!("\r\n{hidden}{last}")).await;
    assert_eq!(
        answer.matches(" 200 OK").count(),
        2,
        "lines as they should end: {answer}"
    );
    for path in [
        "//mcp",
        "/mcp/",
        "/mcp/..;/metrics",
        "/MCP",
        "/%6dcp",
        "/",
        "/metrics/x",
        "/mcp;x",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = server.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    let allowed = "GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(server.raw(allowed).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn probes_say_little_to_anyone() {
    let server = Server::with_tokens(Options::default()).await;
    let health = server
        .get("/health")
        .header("host", "10.0.0.1")
        .answer()
        .await;
    assert_eq!((health.status, health.text.as_str()), (200, "ok\n"));
    let ready = server.get("/ready").answer().await;
    assert_eq!(
        (ready.status, ready.text.as_str()),
        (200, r#"{"ready":true}"#)
    );
    *server.gauges.missing.lock().unwrap() = Some("the guests are being compiled".into());
    let ready = server.get("/ready").answer().await;
    let text = r#"{"ready":false,"missing":"the guests are being compiled"}"#;
    assert_eq!((ready.status, ready.text.as_str()), (503, text));
    *server.gauges.missing.lock().unwrap() = Some("x".repeat(1 << 20));
    assert!(server.get("/ready").answer().await.text.len() < 600);
    let metrics = server.get("/metrics").bearer_auth(TOKEN).answer().await;
    assert_eq!((metrics.status, metrics.text.as_str()), (200, "# EOF\n"));
    for path in ["/health", "/ready"] {
        let refused = server.client.post(server.url(path)).answer().await;
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, Some("GET, HEAD"))
        );
    }
    let put = server
        .client
        .put(server.url("/mcp"))
        .bearer_auth(TOKEN)
        .answer()
        .await;
    assert_eq!(
        (put.status, put.header("allow")),
        (405, Some("GET, POST, DELETE"))
    );
    assert_eq!(server.get("/unknown").answer().await.status, 404);
}

/// What the log received.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// On one thread, with everything the server spawns, so that the log is ours.
#[tokio::test(flavor = "current_thread")]
async fn a_request_is_logged_once_under_its_trace() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::with_tokens(Options::default()).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let answer = server
        .call("echo", json!({}))
        .bearer_auth(TOKEN)
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .answer()
        .await;
    assert!(answer.said().contains(&format!(r#""trace":"{trace}""#)));
    let query = format!("/mcp?token={TOKEN}");
    assert_eq!(server.get(&query).answer().await.status, 401);
    assert_eq!(server.get("/<stranger>").answer().await.status, 404);
    server.stop().await;

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(
        !log.contains("horse") && !log.contains("<stranger>"),
        "{log}"
    );
    let events: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].clone())
        .filter(|fields| fields["message"] == "request")
        .collect();
    let summary: Vec<_> = events
        .iter()
        .map(|event| ["method", "path", "status", "caller"].map(|key| event[key].clone()))
        .collect();
    let caller = Token::new(TOKEN).unwrap().caller().to_string();
    assert_eq!(
        summary,
        [
            [json!("POST"), json!("/mcp"), json!(200), json!(caller)],
            [json!("GET"), json!("/mcp"), json!(401), json!("stranger")],
            [json!("GET"), json!("other"), json!(404), json!("-")],
        ]
    );
    assert_eq!(events[0]["trace"], trace);
    assert!(events[0]["ms"].is_u64());
}
