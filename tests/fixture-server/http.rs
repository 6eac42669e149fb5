//! Streamable HTTP on loopback: just enough of HTTP/1.1, written by hand so
//! that it can be broken.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::leaks;
use crate::protocol::{Out, Piece, Server, read_message, written};

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) enabled: bool,
    /// Answer with event streams in place of JSON.
    pub(crate) event_stream: bool,
    /// Hand out session ids and insist on them.
    pub(crate) sessions: bool,
    /// Refuse requests without this bearer token.
    pub(crate) token: Option<String>,
}

/// Serves for ever.
pub(crate) async fn serve(server: Arc<Server>, options: Options) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    println!("http://{address}/mcp");
    let site = Arc::new(Site {
        server,
        options,
        session: Mutex::new(0),
        requests: AtomicU64::new(0),
    });
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            // A client may go away at any time.
            let _ = site.connection(stream).await;
        });
    }
}

struct Site {
    server: Arc<Server>,
    options: Options,
    /// The number of the current session; it has the id `session-N`.
    session: Mutex<u64>,
    requests: AtomicU64,
}

struct Request {
    method: String,
    /// Names in lower case.
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

/// What is left of a connection after an answer.
enum After {
    KeepOpen,
    Close,
}

impl Site {
    async fn connection(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let (input, mut output) = stream.split();
        let mut input = BufReader::new(input);
        while let Some(request) = read_request(&mut input).await? {
            if let After::Close = self.respond(request, &mut output).await? {
                break;
            }
        }
        Ok(())
    }

    async fn respond(
        &self,
        request: Request,
        output: &mut (impl AsyncWriteExt + Unpin),
    ) -> std::io::Result<After> {
        let faults = &self.server.faults;
        // Without their values, which may be secrets, but for repeated arguments.
        let names: Vec<_> = request.headers.keys().collect();
        let is_argument = |name: &String| name.starts_with("mcp-param-");
        let arguments: BTreeMap<_, _> = request
            .headers
            .iter()
            .filter(|(name, _)| is_argument(name))
            .collect();
        self.server
            .record(&json!({ "event": "request", "headers": names, "arguments": arguments }));
        if faults.has("http-hang") {
            return std::future::pending().await;
        }
        if let Some(status) = faults.value("http-status") {
            return plain(output, &format!("{status} As Asked"), "", "").await;
        }
        if let Some(target) = faults.value("http-redirect") {
            return plain(
                output,
                "307 Elsewhere",
                &format!("location: {target}\r\n"),
                "",
            )
            .await;
        }
        let expected = self
            .options
            .token
            .as_ref()
            .map(|token| format!("Bearer {token}"));
        if expected.is_some() && expected.as_ref() != request.headers.get("authorization") {
            let header = "www-authenticate: Bearer\r\n";
            return plain(output, "401 Unauthorized", header, "").await;
        }
        match request.method.as_str() {
            "POST" => {}
            "DELETE" => return plain(output, "200 OK", "", "").await,
            _ => {
                return plain(
                    output,
                    "405 Method Not Allowed",
                    "allow: POST, DELETE\r\n",
                    "",
                )
                .await;
            }
        }
        let Ok(message) = read_message(&request.body) else {
            return plain(output, "400 Bad Request", "", "not JSON").await;
        };
        let mut headers = String::new();
        if let Err(status) = self.check_session(&message, &request, &mut headers) {
            return plain(output, status, "", "").await;
        }

        if let Some(how) = faults.value("http-call")
            && message["method"] == "tools/call"
        {
            return bad_answer(how, &message["id"], output).await;
        }

        let (out, pieces) = Out::new();
        let is_request = message.get("id").is_some() && message.get("method").is_some();
        self.server.receive(message, out);
        if !is_request {
            return plain(output, "202 Accepted", "", "").await;
        }
        let needs_stream = ["http-retry", "http-endless", "http-event"]
            .iter()
            .any(|fault| faults.has(fault));
        match self.options.event_stream || needs_stream {
            true => self.stream(pieces, &headers, output).await,
            false => self.single(pieces, &headers, output).await,
        }
    }

    /// Sessions exist in the old era only.
    fn check_session(
        &self,
        message: &Value,
        request: &Request,
        headers: &mut String,
    ) -> Result<(), &'static str> {
        let is_new = request
            .headers
            .get("mcp-protocol-version")
            .is_some_and(|version| version.as_str() >= "2026-07-28");
        if !self.options.sessions || is_new || message["method"] == "server/discover" {
            return Ok(());
        }
        let mut session = self.session.lock().expect("no panic");
        if message["method"] == "initialize" {
            *session += 1;
            self.requests.store(0, Ordering::SeqCst);
            *headers = format!("mcp-session-id: session-{session}\r\n");
            return Ok(());
        }
        let known = format!("session-{session}");
        match request.headers.get("mcp-session-id") {
            None => Err("400 Bad Request"),
            Some(id) if *id != known => Err("404 Not Found"),
            Some(_) => {
                let count = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
                match self.server.faults.number("http-session-lost") {
                    Some(limit) if count > limit => Err("404 Not Found"),
                    _ => Ok(()),
                }
            }
        }
    }

    /// One JSON document: the answer. What else the tool sends is dropped,
    /// because this form has no place for it.
    async fn single(
        &self,
        mut pieces: mpsc::Receiver<Piece>,
        headers: &str,
        output: &mut (impl AsyncWriteExt + Unpin),
    ) -> std::io::Result<After> {
        let faults = &self.server.faults;
        let mut body = None;
        while body.is_none() {
            match pieces.recv().await {
                Some(Piece::Message(message)) if message.get("method").is_none() => {
                    body = Some(written(&message));
                }
                Some(Piece::Message(_)) => {}
                Some(Piece::Raw(bytes)) => {
                    // A flood: all of it, as the body.
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}connection: close\r\n\r\n"
                    );
                    output.write_all(head.as_bytes()).await?;
                    output.write_all(&bytes).await?;
                    while let Some(piece) = pieces.recv().await {
                        if let Piece::Raw(bytes) = piece {
                            output.write_all(&bytes).await?;
                        }
                    }
                    return Ok(After::Close);
                }
                Some(Piece::Close) | None => return Ok(After::Close),
            }
        }
        let mut body = body.unwrap_or_default();
        let mut content_type = faults.value("http-type").unwrap_or("application/json");
        if faults.has("http-html") {
            content_type = "text/html";
            body = "<!doctype html><title>Welcome</title><p>Please log in.".to_owned();
        }
        let encoding = match faults.has("http-gzip") {
            true => "content-encoding: gzip\r\n",
            false => "",
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{encoding}{headers}\r\n"
        );
        output.write_all(head.as_bytes()).await?;
        if faults.has("http-cut") {
            output.write_all(&body.as_bytes()[..length / 2]).await?;
            return Ok(After::Close);
        }
        output.write_all(body.as_bytes()).await?;
        if faults.has("http-tail") {
            output.write_all(b"}}} and this too").await?;
        }
        Ok(After::KeepOpen)
    }

    /// An event stream that ends with the answer.
    async fn stream(
        &self,
        mut pieces: mpsc::Receiver<Piece>,
        headers: &str,
        output: &mut (impl AsyncWriteExt + Unpin),
    ) -> std::io::Result<After> {
        let faults = &self.server.faults;
        let content_type = faults.value("http-type").unwrap_or("text/event-stream");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n{headers}\r\n"
        );
        output.write_all(head.as_bytes()).await?;
        if faults.has("http-endless") {
            loop {
                chunk(output, b": still here\n\n").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        if faults.has("http-retry") {
            chunk(output, b"id: 1\nretry: 0\ndata:\n\n").await?;
            output.write_all(b"0\r\n\r\n").await?;
            return Ok(After::KeepOpen);
        }
        if let Some(bytes) = faults.number("http-event") {
            chunk(output, b"event: message\ndata: ").await?;
            for _ in 0..bytes.div_ceil(64 << 10) {
                chunk(output, &[b'x'; 64 << 10]).await?;
            }
            return std::future::pending().await;
        }
        while let Some(piece) = pieces.recv().await {
            let is_answer =
                matches!(&piece, Piece::Message(message) if message.get("method").is_none());
            let event = match piece {
                Piece::Message(message) => {
                    format!("event: message\ndata: {}\n\n", written(&message)).into_bytes()
                }
                Piece::Raw(bytes) => bytes,
                Piece::Close => return Ok(After::Close),
            };
            if faults.has("http-cut") {
                chunk(output, &event[..event.len() / 2]).await?;
                return Ok(After::Close);
            }
            chunk(output, &event).await?;
            if is_answer && !faults.has("twice") {
                break;
            }
        }
        if faults.has("http-tail") {
            chunk(output, b"data: }}} and this too\n\nevent: \xff\xfe\n\n").await?;
        }
        output.write_all(b"0\r\n\r\n").await?;
        Ok(After::KeepOpen)
    }
}

async fn chunk(output: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    output
        .write_all(format!("{:x}\r\n", bytes.len()).as_bytes())
        .await?;
    output.write_all(bytes).await?;
    output.write_all(b"\r\n").await
}

/// An answer to a call that is none.
async fn bad_answer(
    how: &str,
    id: &Value,
    output: &mut (impl AsyncWriteExt + Unpin),
) -> std::io::Result<After> {
    let json = "content-type: application/json\r\n";
    let result = json!({ "content": [{ "type": "text", "text": "bad" }] });
    let other = json!({ "jsonrpc": "2.0", "id": 1_000_000, "result": result });
    let none = json!({ "jsonrpc": "2.0", "id": null, "result": result });
    let part = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"conte");
    let busy = "retry-after: 120\r\ncontent-type: text/plain\r\n";
    match how {
        "empty" => plain(output, "200 OK", json, "").await,
        "no-type" => plain(output, "200 OK", "", "").await,
        "no-id" => plain(output, "200 OK", json, &none.to_string()).await,
        "other-id" => plain(output, "200 OK", json, &other.to_string()).await,
        "part" => plain(output, "200 OK", json, &part).await,
        "page" => plain(output, "200 OK", "content-type: text/html\r\n", "<p>log in").await,
        "busy" => {
            plain(
                output,
                "429 Too Many Requests",
                busy,
                "the quota is\nused up",
            )
            .await
        }
        "leak" => {
            let headers =
                leaks::told("retry-after: 7 @SECRET@\r\ncontent-type: text/plain\r\n".to_owned());
            // What is said of it ends inside of the secret.
            let body = leaks::told(format!("401 for @SECRET@ {} @SECRET@", "x".repeat(950)));
            plain(output, "500 Internal Server Error", &headers, &body).await
        }
        "broken" => {
            let headers = "content-type: text/plain\r\n";
            plain(
                output,
                "500 Internal Server Error",
                headers,
                "table orders is locked",
            )
            .await
        }
        _ => plain(output, "202 Accepted", "", "").await,
    }
}

async fn plain(
    output: &mut (impl AsyncWriteExt + Unpin),
    status: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<After> {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    output.write_all(answer.as_bytes()).await?;
    Ok(After::KeepOpen)
}

/// The next request on the connection, or `None` at its end.
async fn read_request(
    input: &mut (impl AsyncBufReadExt + Unpin),
) -> std::io::Result<Option<Request>> {
    /// More than any test sends.
    const MAX_BODY: usize = 256 << 20;

    let mut line = String::new();
    if input.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let method = line.split(' ').next().unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        if input.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0).min(MAX_BODY)];
    input.read_exact(&mut body).await?;
    Ok(Some(Request {
        method,
        headers,
        body,
    }))
}
