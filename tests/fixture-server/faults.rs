//! The faults: what the server can be told to do wrong.

use std::collections::BTreeMap;

/// Every fault: its name, the value it has when none is given, and what it
/// does.
const TABLE: &[(&str, &str, &str)] = &[
    // Starting and stopping.
    ("exit-at-start", "1", "exit at once with the code VALUE"),
    ("slow-start", "2000", "read nothing for VALUE ms"),
    ("stderr-flood", "67108864", "write VALUE bytes to stderr"),
    ("fork", "1", "start VALUE children that keep stdout open"),
    (
        "fork-detached",
        "1",
        "the same, each child in its own session",
    ),
    ("stubborn", "", "survive SIGTERM and the end of stdin"),
    ("no-read", "2", "stop reading stdin after VALUE messages"),
    (
        "malformed",
        "",
        "write lines that are not JSON-RPC, at the start and before each answer",
    ),
    (
        "chatty",
        "5000",
        "write VALUE lines that are not JSON-RPC when a tool is called, and no answer",
    ),
    (
        "encoding",
        "utf-16",
        "write messages in the encoding VALUE: utf-16, utf-16be or utf-8-bom",
    ),
    (
        "read-delay",
        "100",
        "wait VALUE ms before each message is read",
    ),
    (
        "early-answers",
        "100",
        "answer the ids 1 to VALUE before anything is asked",
    ),
    // Handshake.
    (
        "silent",
        "all",
        "never answer VALUE: all, discover, initialize, list or call",
    ),
    ("old", "", "know the old handshake only"),
    ("new", "", "know `server/discover` only"),
    (
        "exit-on-discover",
        "",
        "exit when asked `server/discover`, as some old servers do",
    ),
    (
        "version",
        "1999-01-01",
        "offer the protocol version VALUE only",
    ),
    (
        "bad-handshake",
        "",
        "answer the handshake with a result of the wrong shape",
    ),
    // Listing.
    ("page", "100", "list VALUE tools a page"),
    ("endless-pages", "", "every page has a next one"),
    ("repeat-cursor", "", "every page names the same next one"),
    (
        "changing",
        "",
        "each list has one more tool, and each call says that the list changed",
    ),
    (
        "rug-pull",
        "",
        "from the first call on, `echo` is another tool that demands `consent`, `plain_text` is gone, and the list is said to have changed",
    ),
    ("list-error", "", "answer `tools/list` with an error"),
    (
        "bad-list",
        "",
        "answer `tools/list` with a result of the wrong shape",
    ),
    ("duplicates", "", "list `echo` twice, differently"),
    (
        "names",
        "",
        "add tools whose names collide, are keywords or are paths",
    ),
    (
        "bombs",
        "",
        "add tools whose schemas are cheap to send and dear to use",
    ),
    (
        "bad-schemas",
        "",
        "add tools with schemas of the wrong shape, cyclic, deep or huge in effect",
    ),
    (
        "ref",
        "http://127.0.0.1:9/schema.json",
        "add tools whose schema refers to VALUE and to a file",
    ),
    (
        "breakers",
        "",
        "add a tool whose every string tries to break out of generated code",
    ),
    (
        "header-names",
        "",
        "add tools with bad `x-mcp-header` annotations",
    ),
    (
        "huge-description",
        "10485760",
        "every tool has a description of VALUE bytes",
    ),
    (
        "huge-schema",
        "10485760",
        "add a tool with a schema of VALUE bytes",
    ),
    (
        "list-flood",
        "10",
        "say every VALUE ms that the list of tools changed",
    ),
    // Answering.
    ("delay", "100", "answer everything VALUE ms late"),
    ("twice", "", "send every answer twice"),
    ("ignore-cancel", "", "finish and answer what was cancelled"),
    (
        "leak",
        "plain",
        "give away the variable API_TOKEN, written in the manner VALUE: see `leaks.rs`",
    ),
    // HTTP.
    ("http-hang", "", "accept connections and never answer"),
    (
        "http-status",
        "500",
        "answer every request with the status VALUE",
    ),
    (
        "http-call",
        "accepted",
        "answer a call with VALUE: accepted, empty, no-type, no-id, other-id, part, page, busy, broken or leak",
    ),
    ("http-html", "", "answer with a page of HTML and status 200"),
    (
        "http-type",
        "text/plain",
        "answer with the content type VALUE",
    ),
    (
        "http-redirect",
        "http://127.0.0.1:9/",
        "redirect every request to VALUE",
    ),
    ("http-gzip", "", "claim that the answer is compressed"),
    ("http-tail", "", "send more than the answer"),
    (
        "http-cut",
        "",
        "close the connection in the middle of the answer",
    ),
    (
        "http-retry",
        "",
        "send `retry: 0` and end each event stream without the answer",
    ),
    (
        "http-endless",
        "",
        "send comments in the event stream for ever, and no answer",
    ),
    (
        "http-event",
        "104857600",
        "send an event of VALUE bytes without its end",
    ),
    (
        "http-session-lost",
        "3",
        "forget the session after VALUE requests",
    ),
];

/// The faults chosen for this process.
#[derive(Default)]
pub(crate) struct Faults(BTreeMap<&'static str, String>);

impl Faults {
    /// Adds `NAME` or `NAME=VALUE`.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let known = TABLE.iter().find(|(known, _, _)| *known == name);
        let (name, default, _) = known.ok_or_else(|| format!("unknown fault `{name}`"))?;
        self.0.insert(name, value.unwrap_or(default).to_owned());
        Ok(())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        // A misspelt fault in the source would be a test that tests nothing.
        assert!(TABLE.iter().any(|(known, _, _)| *known == name), "{name}");
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let value = self.value(name)?;
        Some(value.parse().expect("the value of the fault is a number"))
    }
}

pub(crate) fn help() -> String {
    let mut text = String::from("--fault NAME[=VALUE]:\n");
    for (name, default, what) in TABLE {
        let default = match default.is_empty() {
            true => String::new(),
            false => format!(" [{default}]"),
        };
        text.push_str(&format!("  {name:18} {what}{default}\n"));
    }
    text
}
