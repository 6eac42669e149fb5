//! `serve` for whoever operates it: over HTTP, with what it logs and counts,
//! and which configurations it takes.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{Place, contains, fixture, real_servers};

pub const TOKEN: &str = "a-token-of-the-first-caller";
pub const OTHER: &str = "a-token-of-another-caller";

/// A server over HTTP, and a client that writes requests by hand.
pub struct Server {
    child: Child,
    pub url: String,
    errors: Option<JoinHandle<String>>,
    client: reqwest::Client,
}

impl Server {
    pub fn start(place: &Place, flags: &[&str]) -> Self {
        place.write("tokens", format!("{TOKEN}\n{OTHER}\n"));
        let mut arguments = vec!["serve", "--config", "mcp.json", "--http", "127.0.0.1:0"];
        arguments.extend(["--token-file", "tokens", "--log-format", "json"]);
        arguments.extend_from_slice(flags);
        let mut command: Command = place.command(&arguments);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        while !said.contains("listening on ") {
            let read = stderr.read_line(&mut said).expect("it says where");
            assert!(read > 0, "it ended: {said}");
        }
        let url = said.split("listening on ").nth(1).unwrap().trim();
        let url = url.trim_end_matches("/mcp").to_owned();
        let errors = std::thread::spawn(move || {
            let _ = stderr.read_to_string(&mut said);
            said
        });
        Self {
            child,
            url,
            errors: Some(errors),
            client: reqwest::Client::new(),
        }
    }

    fn call(&self, token: &str, tool: &str, arguments: Value) -> reqwest::RequestBuilder {
        self.send(
            token,
            json!({ "name": tool, "arguments": arguments }),
            json!({}),
        )
    }

    /// A call of a tool with these capabilities of the client.
    fn send(&self, token: &str, mut params: Value, able: Value) -> reqwest::RequestBuilder {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": able,
        });
        let tool = params["name"].as_str().unwrap().to_owned();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        self.client
            .post(format!("{}/mcp", self.url))
            .bearer_auth(token)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", &tool)
            .body(body.to_string())
    }

    /// The structured content that a call gives.
    pub async fn data(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let answer = self.call(token, tool, arguments).send().await.unwrap();
        message(answer).await["result"]["structuredContent"].clone()
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        let request = self.client.get(format!("{}{path}", self.url));
        let answer = request.bearer_auth(TOKEN).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// From now on no file that it writes can be larger, as on a full disk.
    pub fn limit_files(&self, bytes: u64) {
        use rustix::process::{Resource, Rlimit, prlimit};
        let pid = Pid::from_child(&self.child);
        let limit = Rlimit {
            current: (bytes < u64::MAX).then_some(bytes),
            maximum: None,
        };
        prlimit(Some(pid), Resource::Fsize, limit).expect("it is ours");
    }

    pub fn signal(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("it runs");
    }

    /// Everything it wrote to stderr, once it ended.
    pub fn log(&mut self) -> String {
        let said = self.errors.take().unwrap().join().unwrap();
        assert!(!said.contains("panicked at"), "{said}");
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The message of an answer, from JSON or from events.
async fn message(answer: reqwest::Response) -> Value {
    let text = answer.text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let data = data.map(str::trim).rfind(|data| !data.is_empty());
    serde_json::from_str(data.unwrap_or(&text)).unwrap_or_else(|_| panic!("no message: {text}"))
}

#[tokio::test]
async fn results_keep_their_digits_over_http() {
    let place = Place::with_fixture(&[]);
    let server = Server::start(&place, &[]);
    let code = json!({ "code": "[18446744073709551617, 1.5, '18446744073709551617']" });
    let answer = server.call(TOKEN, "execute", code).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let expected = r#""result":[18446744073709551617,1.5,"18446744073709551617"]"#;
    assert!(text.contains(expected), "{text}");
}

#[tokio::test]
async fn a_session_over_http_belongs_to_the_caller_that_opened_it() {
    let place = Place::with_fixture(&[]);
    let server = Server::start(&place, &[]);
    let opened = server
        .data(TOKEN, "sessions", json!({ "action": "open" }))
        .await;
    let session = &opened["session"];
    let run = |token: &'static str, code: &'static str| {
        server.data(
            token,
            "execute",
            json!({ "code": code, "session": session }),
        )
    };
    run(TOKEN, "x = 41").await;
    assert_eq!(run(TOKEN, "x + 1").await["result"], 42);
    let foreign = run(OTHER, "x").await;
    contains(
        &foreign["error"]["message"],
        "there is no session with this handle",
    );
    let file = json!({ "path": "/workspace/a", "session": session });
    let answer = server.call(OTHER, "read_file", file).send().await.unwrap();
    assert_eq!(message(answer).await["result"]["isError"], true);
    let listed = server
        .data(OTHER, "sessions", json!({ "action": "list" }))
        .await;
    assert_eq!(listed["sessions"], json!([]));
}

#[tokio::test]
async fn only_who_was_asked_can_answer_and_only_once() {
    let place = Place::with_config(json!({
        "mcpServers": { "fixture": fixture(&[]) },
        "coordinator": { "tools": { "ask": ["fixture.add"] } },
    }));
    let server = Server::start(&place, &[]);
    let able = || json!({ "elicitation": {} });
    let code = "await call_tool('fixture.add', {'a': 1, 'b': 2})";
    let asking = json!({ "name": "execute", "arguments": { "code": code } });
    let first = server.send(TOKEN, asking, able()).send().await.unwrap();
    let first = message(first).await["result"].clone();
    assert_eq!(first["resultType"], "input_required", "{first}");
    let decision = json!({ "decision": "allow this call" });
    let answer = |state: Value| {
        json!({
            "name": "execute",
            "arguments": { "code": code },
            "inputResponses": { "0": { "action": "accept", "content": decision } },
            "requestState": state,
        })
    };
    let state = &first["requestState"];
    let long = json!("x".repeat(3 << 20));
    for (token, state) in [(OTHER, state), (TOKEN, &json!("")), (TOKEN, &long)] {
        let refused = server.send(token, answer(state.clone()), able());
        let refused = message(refused.send().await.unwrap()).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
    let own = server.send(TOKEN, answer(state.clone()), able());
    let own = message(own.send().await.unwrap()).await;
    assert_eq!(own["result"]["structuredContent"]["status"], "ok", "{own}");
    let again = server.send(TOKEN, answer(state.clone()), able());
    let again = message(again.send().await.unwrap()).await;
    assert_eq!(again["error"]["code"], -32602, "{again}");
}

#[tokio::test]
async fn what_happened_is_counted_and_logged_under_its_trace() {
    let place = Place::with_fixture(&[]);
    let mut server = Server::start(&place, &[]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while server.get("/ready").await.0 != 200 {
        assert!(Instant::now() < deadline, "the guests are compiled by now");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.get("/health").await.0, 200);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let code = "from servers.fixture import add\nawait add(a=1, b=2)";
    let answer = server
        .call(TOKEN, "execute", json!({ "code": code }))
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .send()
        .await
        .unwrap();
    assert_eq!(message(answer).await["result"]["isError"], false);
    server
        .data(
            TOKEN,
            "execute",
            json!({ "code": "while True: pass", "timeout": 0.2 }),
        )
        .await;
    server
        .data(TOKEN, "sessions", json!({ "action": "open" }))
        .await;
    let (status, metrics) = server.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "wasm_coordinator_executions_total{status=\"ok\"} 1",
        "wasm_coordinator_executions_total{status=\"limit\"} 1",
        "wasm_coordinator_limits_hit_total{limit=\"timeout\"} 1",
        "wasm_coordinator_tool_calls_total{server=\"fixture\",status=\"finished\"} 1",
        "wasm_coordinator_sessions 1",
        "wasm_coordinator_running 0",
    ] {
        assert!(
            metrics.lines().any(|have| have == line),
            "{line} in\n{metrics}"
        );
    }
    let saved = metrics
        .lines()
        .find_map(|line| line.strip_prefix("wasm_coordinator_tokens_saved "));
    assert!(saved.unwrap().parse::<i64>().unwrap() > 300, "{saved:?}");
    server.signal();
    let log = server.log();
    let records: Vec<Value> = log
        .lines()
        .filter(|line| !line.starts_with("note: "))
        .map(|line| serde_json::from_str(line).expect("a record a line"))
        .collect();
    let of_the_run = records
        .iter()
        .find(|record| record["message"] == "executed")
        .expect("the run is logged");
    assert_eq!(of_the_run["span"]["trace"], trace);
    assert!(!log.contains(TOKEN));
}

#[tokio::test]
async fn a_caller_that_asks_for_everything_keeps_no_other_one_waiting() {
    let place = Place::with_fixture(&[]);
    let server = Server::start(&place, &["--rate", "10000"]);
    server.data(OTHER, "execute", json!({ "code": "1" })).await;
    // More than there are places to run, in the queue, and for requests.
    let endless = json!({ "code": "while True: pass", "timeout": 200 });
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..400 {
        flood.spawn(server.call(TOKEN, "execute", endless.clone()).send());
    }
    // All that is too much is sent away, so what is left runs or waits.
    let mut refused = 0;
    while refused < 400 - 192 {
        let answer = flood.join_next().await.unwrap().unwrap().unwrap();
        let is_busy = answer.status() == 503 || message(answer).await.to_string().contains("busy");
        assert!(is_busy, "nothing of it can have ended");
        refused += 1;
    }
    for round in 0..10 {
        let answer = server.call(OTHER, "execute", json!({ "code": format!("{round} * 7") }));
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 200, "there is a place for another caller");
        let data = message(answer).await["result"]["structuredContent"].clone();
        assert_eq!(data["result"], round * 7, "{data}");
    }
    let (_, metrics) = server.get("/metrics").await;
    assert!(
        metrics.contains("wasm_coordinator_running 24\n"),
        "{metrics}"
    );
    assert!(
        flood.try_join_next().is_none(),
        "the others still run or wait"
    );
}

#[tokio::test]
async fn what_a_caller_saved_is_shown_to_nobody_else() {
    let place = Place::with_fixture(&[]);
    let server = Server::start(&place, &[]);
    let code = "from servers.fixture import add\nawait add(a=1, b=2)";
    server.data(TOKEN, "execute", json!({ "code": code })).await;
    let list = json!({ "action": "list" });
    let own = server.data(TOKEN, "sessions", list.clone()).await;
    assert!(own["tokens_saved"].as_i64().unwrap() > 0, "{own}");
    let other = server.data(OTHER, "sessions", list).await;
    assert_eq!(other["tokens_saved"], 0, "{other}");
}

#[tokio::test]
async fn two_requests_of_a_session_with_one_id_get_two_answers() {
    let place = Place::with_fixture(&[]);
    let server = Server::start(&place, &[]);
    let post = |body: Value, session: Option<&str>| {
        let request = server
            .client
            .post(format!("{}/mcp", server.url))
            .bearer_auth(TOKEN)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(body.to_string());
        match session {
            Some(session) => request
                .header("Mcp-Session-Id", session)
                .header("MCP-Protocol-Version", "2025-11-25"),
            None => request,
        }
        .send()
    };
    let greeting = json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        },
    });
    let greeted = post(greeting, None).await.unwrap();
    let session = greeted.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    message(greeted).await;
    let session = Some(session.as_str());
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(initialized, session).await.unwrap().status(), 202);
    let ask = |code: &str| {
        // Arguments as the text of JSON are read over HTTP, too.
        let arguments = json!({ "code": code }).to_string();
        let params = json!({ "name": "execute", "arguments": arguments });
        json!({ "jsonrpc": "2.0", "id": "same", "method": "tools/call", "params": params })
    };
    let first = post(
        ask("import asyncio\nawait asyncio.sleep(1)\n'first'"),
        session,
    );
    // Its stream is there, so its id is in use.
    let first = first.await.unwrap();
    let second = post(ask("'second'"), session).await.unwrap();
    assert_eq!(second.status(), 400);
    let second = message(second).await;
    assert_eq!(
        (&second["id"], &second["error"]["code"]),
        (&json!("same"), &json!(-32600))
    );
    let first = message(first).await;
    assert_eq!(
        first["result"]["structuredContent"]["result"], "first",
        "{first}"
    );
    let third = message(post(ask("'third'"), session).await.unwrap()).await;
    assert_eq!(
        third["result"]["structuredContent"]["result"], "third",
        "{third}"
    );
}

#[tokio::test]
async fn after_the_signal_what_runs_is_finished_and_the_rest_is_answered() {
    for (grace, code, expected) in [
        (
            "20s",
            "import asyncio\nawait asyncio.sleep(1.5)\n'finished'",
            Some("finished"),
        ),
        ("300ms", "import asyncio\nawait asyncio.sleep(20)", None),
    ] {
        let place = Place::with_fixture(&[]);
        let mut server = Server::start(&place, &["--grace", grace]);
        server.data(TOKEN, "execute", json!({ "code": "1" })).await;
        let running = server
            .call(TOKEN, "execute", json!({ "code": code }))
            .send();
        let stopping = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            server.signal();
        };
        let (answer, ()) = tokio::join!(running, stopping);
        let message = message(answer.expect("it is answered")).await;
        match expected {
            Some(result) => {
                assert_eq!(
                    message["result"]["structuredContent"]["result"], result,
                    "{message}"
                );
            }
            None => assert!(message["error"]["code"].is_number(), "{message}"),
        }
        server.log();
        let status = server.child.wait().unwrap();
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn an_address_of_others_needs_a_token() {
    let place = Place::with_fixture(&[]);
    let arguments = ["serve", "--config", "mcp.json", "--http", "0.0.0.0:0"];
    let refused = place.run(&arguments).fails_with(2);
    assert!(
        refused.stderr.contains("without authentication"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("--token-file"));
    let weak = place.variable("WASM_COORDINATOR_TOKEN", "short");
    let refused = weak.run(&arguments).fails_with(2);
    assert!(
        refused.stderr.contains("could be guessed"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_configuration_that_was_just_there_needs_consent() {
    let place = Place::with_fixture(&[]).untrusted();
    let refused = place.run(&["serve"]).fails_with(2).stderr;
    let program = crate::harness::fixture_server();
    assert!(refused.contains("have not agreed to it"), "{refused}");
    assert!(
        refused.contains(&format!("fixture: {}", program.display())),
        "{refused}"
    );
    assert!(refused.contains("wasm-coordinator trust"), "{refused}");
    // Nothing is read on stdin, so a server that was let in ends well.
    place.run(&["serve", "--config", "mcp.json"]).succeeds();
    let agreed = place.run(&["trust"]).succeeds().stderr;
    assert!(agreed.contains("from now on"), "{agreed}");
    place.run(&["serve"]).succeeds();
    let more = json!({ "mcpServers": { "fixture": fixture(&["--tools", "3"]) } });
    place.write("mcp.json", more.to_string());
    let refused = place.run(&["serve"]).fails_with(2).stderr;
    assert!(
        refused.contains("was changed since you agreed to it"),
        "{refused}"
    );
    place.run(&["trust"]).succeeds();
    place.run(&["serve"]).succeeds();
    place.write(".env", "MCP_JSON=other.json\nPATH=/tmp");
    place.write("other.json", more.to_string());
    let refused = place.run(&["serve"]).fails_with(2).stderr;
    assert!(
        refused.contains("other.json"),
        "a file beside it decides nothing: {refused}"
    );
}

#[test]
fn sessions_give_way_and_end_as_configured() {
    let config = json!({
        "mcpServers": { "fixture": fixture(&[]) },
        "coordinator": { "serve": { "sessions": 2, "sessionIdle": "1s" } },
    });
    let place = Place::with_config(config);
    let mut client = Client::start(&place, &[]);
    let first = client.session();
    let second = client.session();
    client.python_in(&first, "1");
    let third = client.data("sessions", json!({ "action": "open" }));
    contains(&third["message"], "closed to make room");
    let gone = client.call("execute", json!({ "code": "1", "session": second }));
    contains(
        &gone["structuredContent"]["error"]["message"],
        "needed its place",
    );
    assert_eq!(client.python_in(&first, "2")["result"], 2);
    std::thread::sleep(Duration::from_millis(1_300));
    let gone = client.call("execute", json!({ "code": "1", "session": first }));
    contains(
        &gone["structuredContent"]["error"]["message"],
        "was not used for 1 s",
    );
}

/// What a client with a model and a user sees of a real server's call.
#[test]
fn a_real_server_reaches_the_client_through_a_program() {
    let words = &real_servers()["everything"];
    let place = Place::with_servers(json!({
        "everything": { "command": words[0], "args": words[1..] },
    }));
    let mut client = Client::greeting(&place, &[], json!({ "elicitation": {} }));
    client.request("logging/setLevel", json!({ "level": "debug" }));
    let code = "
import asyncio
from servers.everything import trigger_long_running_operation, trigger_elicitation_request
await asyncio.gather(*(trigger_long_running_operation(duration=1, steps=4) for _ in range(3)))
await trigger_elicitation_request()";
    let params = json!({
        "name": "execute",
        "arguments": { "code": code },
        "_meta": { "progressToken": "mine" },
    });
    let id = client.ask("tools/call", params);
    let mut progress = Vec::new();
    let mut questions = 0;
    let answer = loop {
        let message = client.next();
        if message["method"] == "notifications/progress" {
            assert_eq!(message["params"]["progressToken"], "mine");
            progress.push(message["params"]["progress"].as_f64().unwrap());
        } else if message["method"] == "elicitation/create" {
            questions += 1;
            contains(
                &message["params"]["message"],
                "The MCP server `everything` asks: ",
            );
            let result = json!({ "action": "accept", "content": { "name": "Ada" } });
            client.send(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }));
        } else if message["id"] == id {
            break message["result"]["structuredContent"].clone();
        }
    };
    assert_eq!(answer["status"], "ok", "{answer:#}");
    assert!(answer["result"].to_string().contains("Ada"), "{answer:#}");
    assert_eq!(questions, 1);
    assert!(progress.len() >= 3, "{progress:?}");
    assert!(
        progress.is_sorted_by(|a, b| a < b),
        "it always grows: {progress:?}"
    );

    // Its resources are files.
    let listed = client.data("list_files", json!({ "path": "/servers/everything" }));
    let mut names = listed["entries"].as_array().unwrap().iter();
    assert!(names.any(|entry| entry["name"] == "resources"), "{listed}");
    let folder = json!({ "path": "/servers/everything/resources" });
    let listed = client.data("list_files", folder);
    assert!(listed["entries"].as_array().unwrap().len() > 1, "{listed}");
    let index = json!({ "path": "/servers/everything/resources/index.json" });
    contains(&client.data("read_file", index)["text"], "\"uri\"");

    // A client that did not ask hears neither, and a question is declined.
    let mut quiet = Client::start(&place, &[]);
    let data = quiet.python(code);
    assert!(!data["result"].to_string().contains("Ada"), "{data:#}");
    assert!(quiet.heard.is_empty(), "{:?}", quiet.heard);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let place = Place::with_fixture(&[]);
    let port = address.port().to_string();
    for written in [
        address.to_string(),
        port.clone(),
        format!("localhost:{port}"),
    ] {
        let ran = place
            .run(&["serve", "--config", "mcp.json", "--http", &written])
            .fails_with(2);
        assert_eq!(
            ran.stderr,
            format!(
                "error: cannot listen on {address}: address already in use\n\
                 hint: another program listens there: end it or choose another port; port 0 takes a free one\n"
            )
        );
    }
    let ran = place
        .run(&["serve", "--config", "mcp.json", "--http", "example.com:80"])
        .fails_with(2);
    assert!(
        ran.stderr.contains("`--allow-host example.com`"),
        "{}",
        ran.stderr
    );
}
