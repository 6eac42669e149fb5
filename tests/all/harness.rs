//! A folder, a command in it, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Once, OnceLock};

use serde_json::{Value, json};
use wasm_coordinator::Isolation;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the programs cargo built.
fn built() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_wasm-coordinator"))
        .parent()
        .expect("a program is in a folder")
        .to_owned()
}

/// Sessions of the library in processes of their own, as for an embedder that has
/// the program.
pub fn isolation() -> Isolation {
    Isolation::Process {
        launcher: Some(env!("CARGO_BIN_EXE_wasm-coordinator").into()),
    }
}

/// Compiled guests, shared by all tests: the first one compiles. Others need not
/// know that a server may be asked before its guests are compiled.
pub fn guest_cache() -> PathBuf {
    static WARM: Once = Once::new();
    let folder = built().join("test-guests");
    WARM.call_once(|| {
        let warmed = Command::new(env!("CARGO_BIN_EXE_wasm-coordinator"))
            .arg("warm")
            .env("WASM_COORDINATOR_CACHE", &folder)
            .output();
        let warmed = warmed.expect("the program starts");
        assert!(
            warmed.status.success(),
            "{}",
            String::from_utf8_lossy(&warmed.stderr)
        );
    });
    folder
}

/// The server of ours with switchable faults.
pub fn fixture_server() -> PathBuf {
    built().join("examples/fixture-server")
}

/// The client the conformance suite talks to.
pub fn conformance_client() -> PathBuf {
    built().join("examples/conformance-client")
}

/// A program of the folder `examples/`, as cargo built it.
pub fn example(name: &str) -> PathBuf {
    built().join("examples").join(name)
}

/// The server the conformance suite talks to.
pub fn conformance_server() -> PathBuf {
    built().join("examples/conformance-server")
}

/// The real servers: name to command and arguments, as the install script says.
pub fn real_servers() -> &'static BTreeMap<String, Vec<String>> {
    static SERVERS: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    SERVERS.get_or_init(|| installed("--json"))
}

/// The type checkers, `mypy` and `tsc`, in the same way.
pub fn checkers() -> &'static BTreeMap<String, Vec<String>> {
    static CHECKERS: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    CHECKERS.get_or_init(|| installed("--checkers"))
}

fn installed(which: &str) -> BTreeMap<String, Vec<String>> {
    let output = Command::new(root().join("tests/servers/install"))
        .arg(which)
        .output()
        .expect("the install script starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("the install script prints JSON")
}

/// The tools of a real server, as it listed them once.
#[derive(serde::Deserialize)]
pub struct Recorded {
    pub server: String,
    pub tools: Vec<Value>,
    /// Where that is written down.
    #[serde(skip)]
    pub file: PathBuf,
}

/// A request as an agent would type it, and the tools that serve it.
#[derive(serde::Deserialize)]
pub struct Question {
    pub query: String,
    pub tools: BTreeSet<String>,
}

/// Questions to the corpus.
pub fn questions() -> Vec<Question> {
    let text = std::fs::read_to_string(root().join("tests/corpus/questions.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

/// The corpus of real tool definitions, by the names of the servers. Some may
/// be missing: a registry was not reached, say. Too few are an error, because
/// what is tested with them would mean nothing.
pub fn corpus() -> &'static [Recorded] {
    static CORPUS: OnceLock<Vec<Recorded>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let output = Command::new(root().join("tests/corpus/record"))
            .arg("--path")
            .output()
            .expect("the recorder starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let folder = String::from_utf8(output.stdout).expect("a path in UTF-8");
        let mut files: Vec<_> = std::fs::read_dir(folder.trim())
            .expect("the recorder made its folder")
            .map(|entry| entry.expect("the folder can be read").path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        files.sort();
        let corpus: Vec<Recorded> = files
            .iter()
            .map(|path| {
                let text = std::fs::read_to_string(path).expect("a recording can be read");
                let recorded: Recorded = serde_json::from_str(&text).expect("a recording is JSON");
                Recorded {
                    file: path.clone(),
                    ..recorded
                }
            })
            .collect();
        let tools: usize = corpus.iter().map(|recorded| recorded.tools.len()).sum();
        assert!(
            corpus.len() >= 15 && tools >= 300,
            "only {tools} tools of {} servers are recorded:\n{said}",
            corpus.len()
        );
        corpus
    })
}

/// A temporary folder in which the program runs.
pub struct Place {
    folder: tempfile::TempDir,
    /// What the program remembers, apart from what the user's own does.
    state: tempfile::TempDir,
    variables: Vec<(String, String)>,
    is_trusted: bool,
}

/// What a command left behind.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    shown: String,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self {
            folder,
            state: tempfile::tempdir().expect("a temporary folder can be made"),
            variables: Vec::new(),
            is_trusted: true,
        }
    }

    /// With a configuration that has these servers.
    pub fn with_servers(servers: Value) -> Self {
        Self::with_config(json!({ "mcpServers": servers }))
    }

    pub fn with_config(config: Value) -> Self {
        let place = Self::new();
        place.write("mcp.json", config.to_string());
        place
    }

    /// With the fixture server under the name `fixture`.
    pub fn with_fixture(arguments: &[&str]) -> Self {
        Self::with_servers(json!({ "fixture": fixture(arguments) }))
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the program remembers what it was told.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// The folder of its own there.
    pub fn own_state(&self) -> PathBuf {
        self.state.path().join("wasm-coordinator")
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it is in the folder"))
            .expect("folders can be made");
        std::fs::write(&path, content).expect("files can be written");
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    /// A configuration that is written here is one that was only found, not
    /// named or agreed to.
    pub fn untrusted(mut self) -> Self {
        self.is_trusted = false;
        self
    }

    /// The program, to be run here. The configuration is named, as a user names
    /// their own, unless it is [untrusted](Self::untrusted).
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wasm-coordinator"));
        let is_here = self.path().join("mcp.json").exists();
        let named = (self.is_trusted && is_here).then_some(("MCP_JSON", "mcp.json"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_remove("MCP_JSON")
            .env_remove("NO_COLOR")
            .env("XDG_STATE_HOME", self.state.path())
            .env("WASM_COORDINATOR_CACHE", guest_cache())
            .envs(named)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self
            .command(arguments)
            .output()
            .expect("the program starts");
        Ran::new(self, arguments, output)
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // The program may end without reading all of it.
        let _ = child.stdin.take().expect("it is piped").write_all(input);
        let output = child.wait_with_output().expect("the program ends");
        Ran::new(self, arguments, output)
    }

    /// Runs source text under a file name and gives the JSON answer.
    pub fn exec(&self, name: &str, source: &str, flags: &[&str]) -> Value {
        self.write(name, source);
        let mut arguments = vec!["exec", "--json"];
        arguments.extend_from_slice(flags);
        arguments.push(name);
        self.run(&arguments).json()
    }

    pub fn python(&self, source: &str) -> Value {
        self.exec("script.py", source, &[])
    }

    pub fn javascript(&self, source: &str) -> Value {
        self.exec("script.js", source, &[])
    }
}

impl Ran {
    fn new(place: &Place, arguments: &[&str], output: Output) -> Self {
        let status = output.status.code().unwrap_or(-1);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let files: Vec<_> = std::fs::read_dir(place.path())
            .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
            .unwrap_or_default();
        let shown = format!(
            "command: wasm-coordinator {arguments:?}\nfiles: {files:?}\nstatus: {:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
            output.status
        );
        assert!(!stderr.contains("panicked at"), "{shown}");
        Self {
            status,
            stdout,
            stderr,
            shown,
        }
    }

    /// Exactly one JSON document on stdout, with the exit code its status means.
    #[track_caller]
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("stdout is not one JSON document: {error}\n{}", self.shown)
        });
        let usage_error = value["error"]["kind"] == "UsageError";
        let expected = match value["status"].as_str() {
            Some("ok") => 0,
            Some("error") if usage_error => 2,
            Some("error") => 1,
            Some("limit" | "denied") => 3,
            Some("host_error") => 4,
            other => panic!("unknown status {other:?}\n{}", self.shown),
        };
        assert_eq!(self.status, expected, "{}", self.shown);
        value
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.status, 0, "{}", self.shown);
        self
    }

    #[track_caller]
    pub fn fails_with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}", self.shown);
        self
    }
}

/// An entry for the fixture server.
pub fn fixture(arguments: &[&str]) -> Value {
    json!({ "command": fixture_server(), "args": arguments })
}

/// Asserts that a run ended well, and gives its result.
#[track_caller]
pub fn ok(report: Value) -> Value {
    assert_eq!(report["status"], "ok", "{report:#}");
    report["result"].clone()
}

/// Asserts that a run failed in the program, and gives the error.
#[track_caller]
pub fn error(report: &Value) -> &Value {
    assert_eq!(report["status"], "error", "{report:#}");
    &report["error"]
}

/// Asserts that a text contains another.
#[track_caller]
pub fn contains(text: &Value, part: &str) {
    let text = text
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {text:#}"));
    assert!(text.contains(part), "expected `{part}` in:\n{text}");
}

/// Whether a process runs; one that only waits to be reaped does not.
pub fn alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Waits some seconds for a process to end.
#[track_caller]
pub fn ends(pid: u64) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while alive(pid) && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(!alive(pid), "process {pid} is left");
}
