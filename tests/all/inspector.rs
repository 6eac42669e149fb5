//! The MCP Inspector's command line drives `serve`: one request a start, over
//! both transports and in both eras of the protocol.

use serde_json::{Value, json};

use crate::clients::{Crowd, OverHttp, Said, TOKEN, TOOLS};
use crate::harness::{Place, contains};

/// The Inspector's command line: one request a start.
pub struct Inspector<'a> {
    place: &'a Place,
    era: &'static str,
}

impl<'a> Inspector<'a> {
    /// Of a server that is configured like this.
    pub fn new(place: &'a Place, server: &Value, era: &'static str) -> Self {
        let config = json!({ "mcpServers": { "coordinator": server } });
        place.write("inspector.json", config.to_string());
        Self { place, era }
    }

    fn ask(&self, method: &str, more: &[&str]) -> Said {
        let mut arguments = vec!["--config", "inspector.json", "--server", "coordinator"];
        arguments.extend(["--format", "json", "--protocol-era", self.era]);
        arguments.extend(["--stored-auth-only", "--method", method]);
        arguments.extend(more);
        let arguments: Vec<_> = arguments.into_iter().map(str::to_owned).collect();
        Said::by("inspector", &arguments, self.place)
    }

    fn ask_tool(&self, tool: &str, arguments: &Value) -> Said {
        let arguments = arguments.to_string();
        let more = ["--tool-name", tool, "--tool-args-json", &arguments];
        self.ask("tools/call", &more)
    }

    /// The answer, when the Inspector ended as expected.
    #[track_caller]
    fn answered(said: &Said, success: bool) -> Value {
        assert_eq!(said.success, success, "the Inspector ended so");
        let answer: Value = serde_json::from_str(&said.stdout).expect("it prints JSON");
        answer["result"].clone()
    }

    /// Says what it found, and that schemas are portable between clients.
    pub fn greet(&self, protocol: &str) {
        let said = self.ask("initialize", &[]);
        let greeted = Self::answered(&said, true);
        assert_eq!(greeted["protocolVersion"], protocol);
        let said = self.ask("tools/list", &["--strict"]);
        let listed = Self::answered(&said, true);
        let names = listed["tools"].as_array().unwrap().iter();
        let names: Vec<_> = names.map(|tool| tool["name"].clone()).collect();
        assert_eq!(names, TOOLS);
    }

    /// The text that a tool answers with.
    #[track_caller]
    pub fn text(&self, tool: &str, arguments: &Value) -> String {
        let said = self.ask_tool(tool, arguments);
        let result = Self::answered(&said, true);
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Calls a tool, has its structured content checked, and gives it.
    fn call(&self, tool: &str, arguments: &Value, check: impl FnOnce(&Value)) -> Value {
        let said = self.ask_tool(tool, arguments);
        let mut result = Self::answered(&said, true);
        assert_eq!(result["isError"], false);
        let data = result["structuredContent"].take();
        check(&data);
        data
    }
}

#[test]
fn the_inspector_calls_each_tool_over_stdio() {
    let crowd = Crowd::new();
    let server = crowd.command();
    let inspector = Inspector::new(&crowd.place, &server, "legacy");
    inspector.greet("2025-11-25");
    inspector.call("execute", &json!({ "code": crowd.everyone() }), |data| {
        assert_eq!(data["result"], Crowd::outcomes());
    });
    let query = json!({ "query": "current time in a timezone" });
    inspector.call("search_tools", &query, |data| {
        assert_eq!(data["tools"][0]["name"], "time.get_current_time");
    });
    let name = json!({ "name": "git.git_status" });
    inspector.call("get_tool_details", &name, |data| {
        assert_eq!(data["name"], "git.git_status");
    });
    inspector.call("list_files", &json!({ "path": "/servers" }), |data| {
        let entries = data["entries"].as_array().unwrap();
        assert!(entries.iter().any(|entry| entry["name"] == "memory"));
    });
    let path = json!({ "path": "/servers/time/getCurrentTime.ts" });
    inspector.call("read_file", &path, |data| {
        contains(&data["text"], "getCurrentTime");
    });
    let file = json!({ "path": "note.txt", "content": "kept" });
    inspector.call("write_file", &file, |data| {
        assert!(data["session"].is_string(), "the file has to be somewhere");
    });
    inspector.call("sessions", &json!({ "action": "list" }), |data| {
        assert_eq!(data["sessions"], json!([]), "a new server");
    });

    let inspector = Inspector::new(&crowd.place, &server, "modern");
    inspector.greet("2026-07-28");
    inspector.call("execute", &json!({ "code": "6 * 7" }), |data| {
        assert_eq!(data["result"], 42);
    });
}

#[test]
fn the_inspector_keeps_a_session_over_http() {
    let crowd = Crowd::new();
    let server = OverHttp::start(&crowd.place);
    let entry = |token: &str| {
        let headers = json!({ "Authorization": format!("Bearer {token}") });
        json!({ "type": "streamable-http", "url": server.url, "headers": headers })
    };
    let stranger = Inspector::new(&crowd.place, &entry("another-token-altogether"), "modern");
    let refused = stranger.ask("tools/list", &[]);
    assert!(!refused.success, "a token is needed");
    contains(&json!(refused.stderr), "auth_required");

    let inspector = Inspector::new(&crowd.place, &entry(TOKEN), "legacy");
    inspector.greet("2025-11-25");
    inspector.call("execute", &json!({ "code": crowd.everyone() }), |data| {
        assert_eq!(data["result"], Crowd::outcomes());
    });
    let inspector = Inspector::new(&crowd.place, &entry(TOKEN), "modern");
    inspector.greet("2026-07-28");
    let session = &inspector.call("sessions", &json!({ "action": "open" }), |_| {})["session"];
    let run = |code: &str| json!({ "code": code, "session": session, "max_tokens": 500 });
    inspector.call("execute", &run("x = 40"), |_| {});
    inspector.call("execute", &run("x + 2"), |data| {
        assert_eq!(data["result"], 42);
    });
    let file = json!({ "path": "note.txt", "content": "kept", "session": session });
    inspector.call("write_file", &file, |_| {});
    let large = run("[open('note.txt').read()] * 5000");
    let large = inspector.call("execute", &large, |data| {
        assert_eq!(data["result"]["shape"]["count"], 5_000);
    });
    let kept = json!({ "path": large["kept"][0]["path"], "session": session, "max_tokens": 100 });
    inspector.call("read_file", &kept, |data| {
        contains(&data["text"], r#""kept""#);
    });
    let folder = json!({ "path": "/workspace", "session": session });
    inspector.call("list_files", &folder, |data| {
        let entries = data["entries"].as_array().unwrap();
        assert!(entries.iter().any(|entry| entry["name"] == "note.txt"));
    });
    let close = json!({ "action": "close", "session": session });
    inspector.call("sessions", &close, |_| {});
    inspector.call("sessions", &json!({ "action": "list" }), |data| {
        assert_eq!(data["sessions"], json!([]));
    });
}
